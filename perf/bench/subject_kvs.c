/* SPDX-License-Identifier: Apache-2.0 */
/* subject_kvs.c - see subject_kvs.h
 *
 * A load is a shape: how keys are drawn, how long values are, what is done, on how many tiles. A
 * sample is the mean of a burst of BURST requests, as a tile takes them from a link. With several
 * tiles one thread runs all of them in turn, links between them included: the rate is that of one
 * thread, and what replication costs is in it.
 *
 * The floor of a load whose values are in no cache: bare copies of as many bytes to the very places
 * where the values of the keys drawn lie, known before. The same pages and lines, so no second
 * extent that would halve the caches for both; and what is copied is what is there, as all values
 * of a load have the same bytes.
 */
#include "subject_kvs.h"

#include <endian.h>
#include <math.h>
#include <microburst/error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "counter.h"
#include "envelope.h"
#include "hash.h"
#include "kvs_core.h"
#include "kvs_prefetch.h"
#include "list.h"
#include "lww.h"
#include "map.h"
#include "orset.h"
#include "rng.h"
#include "scalar.h"
#include "score.h"
#include "strval.h"

#define BURST      32
#define VALUE_MAX  1024
#define KEY_CNT    1000000u
#define SMOKE_CNT  1000u
#define DRAWN_CNT  (1u << 20) /* requests; then the same again */
#define TILE_MAX   2
#define ROOM_BYTES ((size_t)512 << 20) /* beside the values */
#define QUEUE_MAX  1024
#define SEED       7

enum what { PUT = 0, GET, INCR, LWW_PUT, MAXIMUM, SET_ADD, MAP_PUT, LIST_PUSH, ZSET_ADD };

struct shape {
	double zipf;
	uint32_t value_bytes;
	enum what what;
	uint32_t tile_cnt, copies;
	bool bare;           /* merges into the shard, without messages */
	bool copies_beside;  /* the floor of bare copies */
	uint32_t key_cnt;    /* 0: KEY_CNT */
	uint32_t member_cnt; /* of each key, a collection, before; 0: one */
};

struct queue {
	struct desc d[QUEUE_MAX];
	uint32_t cnt;
};

struct tile {
	struct load *load;
	uint32_t idx;
	struct kvs_shard *shard;
	struct kvs_core core;
	void *mem;
	size_t bytes;
	struct queue in; /* from the other one */
};

struct load {
	struct shape shape;
	struct hashring *ring;
	uint32_t key_cnt, at;
	uint32_t *drawn;
	uint8_t **place; /* of the floor: where the values of keys drawn lie; NULL: no floor */
	uint64_t time, answers, now_ns;
	uint64_t member; /* the next one */
	int err;
	uint8_t value[BURST][VALUE_MAX + 128]; /* envelopes */
	size_t len[BURST];
	struct tile tile[TILE_MAX];
};

/* ---------------------------------------------------------------------- requests */

/* Draws keys by Zipf's law: key k with weight 1 / (k + 1)^s. */
static int
draw(struct load *l)
{
	double *sum = malloc(l->key_cnt * sizeof(*sum)), all = 0;
	struct rng rng;

	if (sum == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	for (uint32_t k = 0; k < l->key_cnt; k++) {
		all += pow(k + 1, -l->shape.zipf);
		sum[k] = all;
	}
	rng_init(&rng, SEED);
	for (uint32_t i = 0; i < DRAWN_CNT; i++) {
		double at = rng_f64(&rng) * all;
		uint32_t low = 0, high = l->key_cnt - 1;

		while (low < high) {
			uint32_t mid = (low + high) / 2;

			if (sum[mid] < at) {
				low = mid + 1;
			} else {
				high = mid;
			}
		}
		l->drawn[i] = low;
	}
	free(sum);
	return 0;
}

/* Writes the state of a map or sorted set with one member. */
static int
field_make(unsigned int type, struct stamp now, struct slice member, struct wbuf *out)
{
	uint8_t state_mem[64], mem[128];
	struct wbuf state = wbuf_init(state_mem, sizeof(state_mem));
	struct wbuf value = wbuf_init(mem, sizeof(mem));
	struct envelope e = { .epoch = now, .type = type };
	struct map_field field = { .key = member, .type = LATTICE_ENVELOPE };
	int err = type == LATTICE_STRING ? strval_delta_set(member, &state)
					 : score_delta_set((double)now.time.v, &state);

	e.state = wbuf_slice(&state);
	if (err == 0) {
		err = envelope_write(&e, &value);
	}
	field.value = wbuf_slice(&value);
	return err == 0 ? map_delta_put(&field, out) : err;
}

/* Writes an envelope of this shape, of time l->time. Returns: its length; 0: no room. */
static size_t
envelope_make(const struct load *l, uint8_t *p, size_t bytes)
{
	static const uint8_t zeros[VALUE_MAX];
	static uint8_t mem[VALUE_MAX + 128];
	struct wbuf state = wbuf_init(mem, sizeof(mem)), out = wbuf_init(p, bytes);
	struct slice value = slice_of(zeros, l->shape.value_bytes), none = { 0 };
	struct stamp now = { { l->time }, { 1 } };
	struct slice member = slice_of(&l->member, sizeof(l->member));
	struct envelope e = { .type = LATTICE_STRING };
	int err;

	switch (l->shape.what) {
	case SET_ADD:
		e.type = LATTICE_ORSET;
		err = orset_delta_add(now, member, &state);
		break;
	case MAP_PUT:
		e.type = LATTICE_MAP;
		err = field_make(LATTICE_STRING, now, member, &state);
		break;
	case ZSET_ADD:
		e.type = LATTICE_OSET;
		err = field_make(LATTICE_SCORE, now, member, &state);
		break;
	case LIST_PUSH:
		e.type = LATTICE_LIST;
		err = list_delta_push(none, now, LIST_RIGHT, member, &state);
		break;
	case INCR:
		e.type = LATTICE_PN_COUNTER;
		err = counter_delta_add(none, now.writer, (int64_t)l->time, &state);
		break;
	case LWW_PUT:
		e.type = LATTICE_LWW;
		err = lww_delta_set(now, value, &state);
		break;
	case MAXIMUM:
		e.type = LATTICE_MAX_U64;
		err = u64_delta(l->time, &state);
		break;
	default:
		e.epoch = now;
		err = strval_delta_set(value, &state);
	}
	e.state = wbuf_slice(&state);
	return err == 0 && envelope_write(&e, &out) == 0 ? out.len : 0;
}

/* Makes a burst's envelopes newer than all before. Where a time stands at a fixed place of a long
 * value only that is written, as by a generator that sends from one buffer. */
static void
envelopes_renew(struct load *l)
{
	size_t time_at = l->shape.what == LWW_PUT ? ENVELOPE_OVERHEAD + sizeof(uint64_t)
						  : ENVELOPE_OVERHEAD - sizeof(uint64_t);

	for (uint32_t i = 0; i < BURST; i++) {
		uint64_t time = htole64(++l->time);

		l->member = l->time % MAX(l->shape.member_cnt, 1u);
		if (l->shape.what == PUT || l->shape.what == LWW_PUT) {
			memcpy(l->value[i] + l->len[i] - time_at, &time, sizeof(time));
		} else {
			l->len[i] = envelope_make(l, l->value[i], sizeof(l->value[i]));
		}
	}
}

/* ------------------------------------------------------------------------- tiles */

static void
on_answer(void *ctx, uint32_t to, const struct desc *d)
{
	struct tile *t = ctx;

	t->load->err = d->err != 0 ? d->err : t->load->err;
	t->load->answers++;
	if ((d->flags & DESC_F_INLINE) == 0) {
		struct desc release = { .kind = DESC_KVS_RELEASE };

		release.word[2] = d->word[2];
		kvs_core_step(&t->core, to, &release);
	}
}

static void
on_tile(void *ctx, uint32_t tile, const struct desc *d)
{
	struct tile *from = ctx, *to = &from->load->tile[tile];

	REQUIRE(to->in.cnt < QUEUE_MAX);
	to->in.d[to->in.cnt++] = *d;
}

static void
tile_end(struct tile *t)
{
	if (t->mem != NULL) {
		munmap(t->mem, kvs_shard_extent(t->bytes));
	}
}

static int
tile_make(struct load *l, uint32_t idx)
{
	struct tile *t = &l->tile[idx];
	struct kvs_out out = { on_answer, on_tile, NULL, t };
	struct kvs_core_cfg cfg = {
		.ring = l->ring,
		.self = idx,
		.tile_cnt = l->shape.tile_cnt,
		.copies = l->shape.copies,
		.ack = KVS_ACK_ONE,
		.period_ns = NS_PER_MS,
		.ack_timeout_ns = NS_PER_S,
		.drop_pause_ns = 100 * NS_PER_MS,
		.timebase = timebase_real(),
	};

	t->load = l;
	t->idx = idx;
	t->bytes = ROOM_BYTES + (size_t)l->key_cnt * (l->shape.value_bytes * 5 / 4 + 128);
	t->mem = mmap(NULL, kvs_shard_extent(t->bytes), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->mem == MAP_FAILED) {
		t->mem = NULL;
		return MB_ERR_NO_MEMORY;
	}
	madvise(t->mem, kvs_shard_extent(t->bytes), MADV_HUGEPAGE);
	t->shard = kvs_shard_init(t->mem, t->bytes, SEED + idx);
	kvs_core_init(&t->core, t->shard, &cfg, &out);
	return 0;
}

/* What a tile does in a poll beside its requests. */
static void
tile_turn(struct load *l, struct tile *t)
{
	struct queue *q = &t->in;

	for (uint32_t i = 0; i < q->cnt; i++) {
		kvs_core_step_tile(&t->core, 1 - t->idx, &q->d[i]);
	}
	q->cnt = 0;
	kvs_core_poll(&t->core, l->now_ns);
}

/* A burst of merges into a shard. */
static void
burst_bare(struct load *l)
{
	struct kvs_shard *s = l->tile[0].shard;
	struct slice key[BURST];
	uint64_t name[BURST];

	for (uint32_t i = 0; i < BURST; i++) {
		name[i] = l->drawn[l->at++ % DRAWN_CNT];
		key[i] = slice_of(&name[i], sizeof(name[i]));
	}
	kvs_prefetch_burst(s, key, BURST);
	for (uint32_t i = 0; i < BURST; i++) {
		int err = kvs_shard_merge(s, key[i], slice_of(l->value[i], l->len[i]));

		l->err = err != 0 ? err : l->err;
	}
}

/* A burst of requests, to the tiles they are for. */
static void
burst(struct load *l)
{
	struct desc d[TILE_MAX][BURST];
	uint64_t key[BURST];
	uint32_t cnt[TILE_MAX] = { 0 };

	if (l->shape.bare) {
		burst_bare(l);
		return;
	}
	for (uint32_t i = 0; i < BURST; i++) {
		struct desc one = { .kind = l->shape.what == GET ? DESC_KVS_GET : DESC_KVS_MERGE };
		uint32_t tile = 0;

		key[i] = l->drawn[l->at++ % DRAWN_CNT];
		if (l->shape.tile_cnt > 1) {
			tile = hashring_primary(l->ring, 0, hash_bytes(&key[i], sizeof(key[i])));
		}
		kvs_msg_set_bytes(&one, slice_of(&key[i], sizeof(key[i])));
		kvs_msg_set_delta(&one, slice_of(l->value[i], l->len[i]));
		d[tile][cnt[tile]++] = one;
	}
	for (uint32_t t = 0; t < l->shape.tile_cnt; t++) {
		kvs_core_burst(&l->tile[t].core, 0, d[t], cnt[t]);
		tile_turn(l, &l->tile[t]);
	}
}

/* -------------------------------------------------------------------------- load */

static void
load_end(struct load *l)
{
	for (uint32_t i = 0; i < l->shape.tile_cnt; i++) {
		tile_end(&l->tile[i]);
	}
	if (l->ring != NULL) {
		hashring_destroy(l->ring);
	}
	free((void *)l->place);
	free(l->drawn);
	free(l);
}

/* Finds where the values lie. They stay there: each put fits, and nobody reads. */
static int
places_find(struct load *l)
{
	l->place = (uint8_t **)malloc(DRAWN_CNT * sizeof(*l->place));
	if (l->place == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	for (uint32_t i = 0; i < DRAWN_CNT; i++) {
		uint64_t name = l->drawn[i];
		struct slice v = kvs_shard_get(l->tile[0].shard, slice_of(&name, sizeof(name)));

		REQUIRE(v.len == l->len[0]);
		l->place[i] = (uint8_t *)(uintptr_t)v.p;
	}
	return 0;
}

/* Each key, in order, as often as it has members: what the store must hold before. */
static int
load_fill(struct load *l)
{
	uint64_t cnt = (uint64_t)l->key_cnt * MAX(l->shape.member_cnt, 1u);

	for (uint64_t from = 0; from < cnt && l->err == 0; from += BURST) {
		for (uint32_t i = 0; i < BURST; i++) {
			l->drawn[i] = (uint32_t)(MIN(from + i, cnt - 1) % l->key_cnt);
		}
		l->at = 0;
		l->now_ns = timebase_now_ns(timebase_real());
		envelopes_renew(l);
		burst(l);
	}
	l->at = 0;
	return l->err;
}

static int
load_make(struct load **ret, const struct shape *shape, bool smoke)
{
	struct load *l = calloc(1, sizeof(*l));
	int err;

	if (l == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	l->shape = *shape;
	l->key_cnt = shape->key_cnt != 0 ? shape->key_cnt : smoke ? SMOKE_CNT : KEY_CNT;
	if (smoke) {
		l->shape.member_cnt = MIN(shape->member_cnt, SMOKE_CNT);
	}
	err = hashring_create(&l->ring, &(struct hashring_member){ 1, shape->tile_cnt }, 1);
	for (uint32_t i = 0; err == 0 && i < shape->tile_cnt; i++) {
		err = tile_make(l, i);
	}
	for (uint32_t i = 0; i < BURST; i++) {
		l->len[i] = envelope_make(l, l->value[i], sizeof(l->value[i]));
	}
	l->drawn = malloc(DRAWN_CNT * sizeof(*l->drawn));
	if (err == 0) {
		err = l->drawn == NULL ? MB_ERR_NO_MEMORY : load_fill(l);
	}
	if (err == 0) {
		err = draw(l);
	}
	if (err == 0 && shape->copies_beside) {
		err = places_find(l);
	}
	if (err != 0) {
		load_end(l);
		return err;
	}
	*ret = l;
	return 0;
}

/* A block: bursts until there are as many samples. */
static int
load_block(void *ctx, const struct pace *pace, struct figures *f)
{
	uint64_t cycles = 0, warm = timebase_ns_to_tsc(pace->warm_ns), start = timebase_tsc(), span;
	struct load *l = ctx;
	uint32_t n = 0;

	while (n < pace->warm_cnt || timebase_tsc() - start < warm) {
		l->now_ns = timebase_now_ns(timebase_real());
		envelopes_renew(l);
		burst(l);
		n++;
	}
	for (uint32_t i = 0; i < pace->sample_cnt; i++) {
		bool timed_renewal = l->shape.what == PUT || l->shape.what == LWW_PUT;

		l->now_ns = timebase_now_ns(timebase_real());
		if (!timed_renewal) {
			envelopes_renew(l);
		}
		span = timebase_tsc();
		if (timed_renewal) {
			envelopes_renew(l);
		}
		burst(l);
		span = timebase_tsc() - span;
		cycles += span;
		figures_add(f, timebase_tsc_to_ns(span << 10) * 1000 / BURST >> 10);
	}
	figures_rate_add(f, (uint64_t)pace->sample_cnt * BURST, cycles);
	f->cpu_ops += (double)(n + pace->sample_cnt) * BURST;
	return l->err;
}

/* Copies a burst, past the caches as the store does: through them it takes twice as long. */
static void
burst_copy(struct load *l)
{
	uint8_t *to[BURST];

	for (uint32_t i = 0; i < BURST; i++) {
		to[i] = l->place[l->at++ % DRAWN_CNT];
		__builtin_prefetch(to[i], 1);
		__builtin_prefetch(to[i] + l->shape.value_bytes - 1, 1);
	}
	for (uint32_t i = 0; i < BURST; i++) {
		copy_past_open(to[i], l->value[i], l->shape.value_bytes);
	}
}

/* The same of the floor. */
static int
copy_block(void *ctx, const struct pace *pace, struct figures *f)
{
	uint64_t cycles = 0, warm = timebase_ns_to_tsc(pace->warm_ns), start = timebase_tsc(), span;
	struct load *l = ctx;

	for (uint32_t n = 0; n < pace->warm_cnt || timebase_tsc() - start < warm; n++) {
		burst_copy(l);
	}
	for (uint32_t i = 0; i < pace->sample_cnt; i++) {
		span = timebase_tsc();
		burst_copy(l);
		span = timebase_tsc() - span;
		cycles += span;
		figures_add(f, timebase_tsc_to_ns(span << 10) * 1000 / BURST >> 10);
	}
	figures_rate_add(f, (uint64_t)pace->sample_cnt * BURST, cycles);
	return 0;
}

static int
run(struct env *env, const struct bench *bench, const struct shape *shape, struct measure *ret)
{
	struct side subject = { .block = load_block }, floor = { .block = copy_block };
	struct load *l;
	int err = load_make(&l, shape, env->smoke);

	if (err == 0) {
		subject.ctx = l;
		floor.ctx = l;
		err = interleave(bench_pace(env, bench), &subject,
				 shape->copies_beside ? &floor : NULL, env->stop, ret);
		load_end(l);
	}
	return err;
}

/* The bench of a shape. */
#define SUBJECT(name, ...)                                                                         \
	int subject_kvs_##name(struct env *env, const struct bench *bench, struct measure *ret)    \
	{                                                                                          \
		return run(env, bench, &(const struct shape){ __VA_ARGS__ }, ret);                 \
	}

SUBJECT(zipf4, .zipf = 4, .value_bytes = 1024, .tile_cnt = 1, .copies = 1, .bare = true)
SUBJECT(zipf2, .zipf = 2, .value_bytes = 1024, .tile_cnt = 1, .copies = 1, .bare = true)
SUBJECT(zipf05, .zipf = 0.5, .value_bytes = 1024, .tile_cnt = 1, .copies = 1, .bare = true,
	.copies_beside = true)
SUBJECT(small4, .zipf = 4, .value_bytes = 8, .tile_cnt = 1, .copies = 1, .bare = true)
SUBJECT(small05, .zipf = 0.5, .value_bytes = 8, .tile_cnt = 1, .copies = 1, .bare = true)
SUBJECT(core4, .zipf = 4, .value_bytes = 1024, .tile_cnt = 1, .copies = 1)
SUBJECT(core05, .zipf = 0.5, .value_bytes = 1024, .tile_cnt = 1, .copies = 1)
SUBJECT(two4, .zipf = 4, .value_bytes = 1024, .tile_cnt = 2, .copies = 1)
SUBJECT(two, .zipf = 0.5, .value_bytes = 1024, .tile_cnt = 2, .copies = 1)
SUBJECT(all4, .zipf = 4, .value_bytes = 1024, .tile_cnt = 2, .copies = 2)
SUBJECT(all05, .zipf = 0.5, .value_bytes = 1024, .tile_cnt = 2, .copies = 2)
SUBJECT(small4_two, .zipf = 4, .value_bytes = 8, .tile_cnt = 2, .copies = 1)
SUBJECT(small05_two, .zipf = 0.5, .value_bytes = 8, .tile_cnt = 2, .copies = 1)
SUBJECT(small4_all, .zipf = 4, .value_bytes = 8, .tile_cnt = 2, .copies = 2)
SUBJECT(small05_all, .zipf = 0.5, .value_bytes = 8, .tile_cnt = 2, .copies = 2)
SUBJECT(get, .zipf = 0.5, .value_bytes = 8, .what = GET, .tile_cnt = 1, .copies = 1)
SUBJECT(incr, .zipf = 0.5, .what = INCR, .tile_cnt = 1, .copies = 1)
SUBJECT(lww, .zipf = 0.5, .value_bytes = 8, .what = LWW_PUT, .tile_cnt = 1, .copies = 1)
SUBJECT(max, .zipf = 0.5, .what = MAXIMUM, .tile_cnt = 1, .copies = 1)

#define TEN .zipf = 0.5, .key_cnt = 10000, .member_cnt = 10, .tile_cnt = 1, .copies = 1
SUBJECT(set_add, TEN, .what = SET_ADD)
SUBJECT(map_put, TEN, .what = MAP_PUT)
SUBJECT(zset_add, TEN, .what = ZSET_ADD)
SUBJECT(list_push, .zipf = 0.5, .what = LIST_PUSH, .tile_cnt = 1, .copies = 1)

/* A merge into a collection of a million, beside one into a collection of ten. */
static int
run_large(struct env *env, const struct bench *bench, enum what what, struct measure *ret)
{
	struct shape large = { .what = what, .key_cnt = 1, .tile_cnt = 1, .copies = 1 };
	struct shape ten = large;
	struct side subject = { .block = load_block }, floor = { .block = load_block };
	struct load *l, *f;
	int err;

	large.member_cnt = KEY_CNT;
	ten.member_cnt = 10;
	err = load_make(&l, &large, env->smoke);
	if (err != 0) {
		return err;
	}
	err = load_make(&f, &ten, env->smoke);
	if (err == 0) {
		subject.ctx = l;
		floor.ctx = f;
		err = interleave(bench_pace(env, bench), &subject, &floor, env->stop, ret);
		load_end(f);
	}
	load_end(l);
	return err;
}

int
subject_kvs_large(struct env *env, const struct bench *bench, struct measure *ret)
{
	int err = run_large(env, bench, SET_ADD, &ret[0]);

	if (err == 0) {
		err = run_large(env, bench, MAP_PUT, &ret[1]);
	}
	return err == 0 ? run_large(env, bench, ZSET_ADD, &ret[2]) : err;
}

/* ------------------------------------------------------------------------ memory */

/* Bytes that a key of 8 bytes with 8 bytes takes over these, in a store of many. */
int
subject_kvs_memory(struct env *env, const struct bench *bench, struct measure *ret)
{
	const struct shape shape = { .value_bytes = 8, .tile_cnt = 1, .copies = 1 };
	struct load *l;
	int err = load_make(&l, &shape, env->smoke);

	if (err == 0) {
		double bytes = (double)kvs_shard_used_bytes(l->tile[0].shard) / l->key_cnt;

		figures_init(&ret->subject);
		figures_add(&ret->subject, (uint64_t)((bytes - 16) * unit_grains("bytes")));
		figures_block_end(&ret->subject);
		interleave_judge(ret);
		load_end(l);
	}
	return err;
}
