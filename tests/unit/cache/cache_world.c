/* SPDX-License-Identifier: Apache-2.0 */
/* cache_world - see cache_world.h */
#include "cache_world.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "envelope.h"
#include "hash.h"
#include "lattice.h"
#include "microburst/error.h"
#include "presence.h"
#include "table.h"
#include "test_cmocka.h"
#include "tile_msg.h"
#include "view.h"

#define ANY_B UINT64_C(0xb0b0)

/* ------------------------------------------------------------------- the outside */

static void
queue_put(struct world_queue *q, const struct desc *d)
{
	assert_true(q->cnt < CACHE_KVS_DEPTH); /* the bound that the tile relies on */
	q->d[(q->head + q->cnt++) % CACHE_KVS_DEPTH] = *d;
}

static bool
queue_take(struct world_queue *q, struct desc *ret)
{
	if (q->cnt == 0) {
		return false;
	}
	*ret = q->d[q->head];
	q->head = (q->head + 1) % CACHE_KVS_DEPTH;
	q->cnt--;
	return true;
}

static void
op_to_proc(void *ctx, uint16_t proc, const struct desc *d)
{
	struct world *w = ctx;
	struct world_proc *p = &w->proc[proc];

	assert_true(p->inc != 0);
	assert_true(p->answer_cnt < WORLD_ANSWER_MAX);
	p->answer[p->answer_cnt++] = *d;
}

static void
op_to_kvs(void *ctx, uint32_t kvs, const struct desc *d)
{
	struct world *w = ctx;

	assert_true(kvs < w->kvs_cnt);
	queue_put(&w->to_kvs[kvs], d);
}

static void
op_to_ctl(void *ctx, const struct desc *d)
{
	struct world *w = ctx;

	assert_true(w->to_ctl_cnt < 64);
	w->to_ctl[w->to_ctl_cnt++] = *d;
}

static int
op_view(void *ctx, const struct payload_ref *ref, const uint8_t **ret)
{
	struct world *w = ctx;
	const struct world_payload *p;

	if (ref->seg == 0 || ref->seg > WORLD_PAYLOAD_MAX) {
		return MB_ERR_PEER_CORRUPT;
	}
	p = &w->payload[ref->seg - 1];
	if (p->p == NULL || p->proc != ref->proc || ref->off > p->len ||
	    ref->len > p->len - ref->off) {
		return MB_ERR_PEER_CORRUPT;
	}
	*ret = p->p + ref->off;
	return 0;
}

static const _Atomic uint64_t *
op_hazards(void *ctx, uint32_t *iter)
{
	struct world *w = ctx;

	while (*iter < WORLD_PROC_CNT) {
		struct world_proc *p = &w->proc[(*iter)++];

		if (p->inc != 0) {
			return p->hazard;
		}
	}
	return NULL;
}

static int
op_page_alloc(void *ctx, uint16_t proc, size_t len, struct payload_ref *ret, uint8_t **ret_p)
{
	uint8_t *p = calloc(1, len);

	*ret = world_payload(ctx, proc, p, len);
	((struct world *)ctx)->payload[ret->seg - 1].page = true;
	*ret_p = p;
	return 0;
}

static int
op_page_release(void *ctx, uint16_t proc, uint32_t handle)
{
	struct world *w = ctx;
	struct world_payload *p;

	if (handle == 0 || handle > WORLD_PAYLOAD_MAX) {
		return MB_ERR_NOT_FOUND;
	}
	p = &w->payload[handle - 1];
	if (!p->page || p->proc != proc) {
		return MB_ERR_NOT_FOUND;
	}
	free((void *)(uintptr_t)p->p);
	*p = (struct world_payload){ 0 };
	return 0;
}

static void
op_page_release_all(void *ctx, uint16_t proc)
{
	for (uint32_t i = 1; i <= WORLD_PAYLOAD_MAX; i++) {
		(void)op_page_release(ctx, proc, i);
	}
}

static bool
op_committed(void *ctx, uint16_t proc, uint32_t inc, struct desc *ret)
{
	*ret = ((struct world *)ctx)->proc[proc].commit;
	return ret->kind != DESC_NONE;
}

static void
kvs_send(void *ctx, uint32_t to, const struct desc *d)
{
	struct world_kvs *k = ctx;

	if (to != 0) {
		k->world->guest = *d;
		return;
	}
	queue_put(&k->world->from_kvs[k->idx], d);
}

static void
kvs_send_tile(void *ctx, uint32_t tile, const struct desc *d)
{
	struct world_kvs *k = ctx;

	queue_put(&k->world->between[k->idx][tile], d);
}

/* -------------------------------------------------------------------------- life */

static void
core_make(struct world *w)
{
	struct cache_core_cfg cfg = {
		.base = w->region,
		.layout = &w->layout,
		.shard = 0,
		.ring = w->ring,
		.kvs_cnt = w->kvs_cnt,
		.writer = { 0x1234 },
		.timebase = &w->time.tb,
		.ops = {
			.to_proc = op_to_proc,
			.to_kvs = op_to_kvs,
			.to_ctl = op_to_ctl,
			.view = op_view,
			.hazards = op_hazards,
			.page_alloc = op_page_alloc,
			.page_release = op_page_release,
			.page_release_all = op_page_release_all,
			.committed = op_committed,
			.ctx = w,
		},
	};

	assert_int_equal(cache_core_create(&w->core, &cfg), 0);
}

struct world *
world_make(const struct world_cfg *cfg)
{
	struct cache_region_cfg region = {
		.shard_cnt = cfg->shard_cnt != 0 ? cfg->shard_cnt : 1,
		.heap_bytes = cfg->heap_bytes != 0 ? cfg->heap_bytes : 16 << 20,
		.keys_max = cfg->keys_max != 0 ? cfg->keys_max : 4096,
	};
	struct kvs_core_cfg kvs;
	size_t kvs_bytes = cfg->kvs_bytes != 0 ? cfg->kvs_bytes : (size_t)64 << 20;
	struct kvs_out out = { .send = kvs_send, .send_tile = kvs_send_tile };
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->kvs_cnt = cfg->kvs_cnt != 0 ? cfg->kvs_cnt : 1;
	timebase_virtual_init(&w->time, 1, 1700000000000000);
	assert_int_equal(cache_region_plan(&region, &w->layout), 0);
	w->region = aligned_alloc(4096, w->layout.bytes);
	assert_non_null(w->region);
	memset(w->region, 0, w->layout.bytes);
	cache_region_format(w->region, &w->layout);
	assert_int_equal(hashring_create(&w->ring, &(struct hashring_member){ 1, w->kvs_cnt }, 1),
			 0);
	kvs = (struct kvs_core_cfg){ .ring = w->ring,
				     .tile_cnt = w->kvs_cnt,
				     .cache_cnt = 1,
				     .copies = 1,
				     .period_ns = NS_PER_MS,
				     .ack_timeout_ns = NS_PER_S,
				     .drop_pause_ns = 100 * NS_PER_MS,
				     .timebase = &w->time.tb };
	for (uint32_t j = 0; j < w->kvs_cnt; j++) {
		void *mem = aligned_alloc(64, kvs_shard_extent(kvs_bytes));

		assert_non_null(mem);
		w->shard[j] = kvs_shard_init(mem, kvs_bytes, 3 + j);
		kvs.self = j;
		w->kvs_of[j] = (struct world_kvs){ w, j };
		out.ctx = &w->kvs_of[j];
		kvs_core_init(&w->kvs[j], w->shard[j], &kvs, &out);
	}
	core_make(w);
	return w;
}

void
world_end(struct world *w)
{
	world_settle(w);
	assert_int_equal(cache_core_busy(w->core), 0);
	cache_core_check(w->core);
	for (uint32_t j = 0; j < w->kvs_cnt; j++) {
		assert_int_equal(w->shard[j]->pin_cnt, 0);
		free(w->shard[j]);
	}
	for (uint32_t i = 0; i < WORLD_PAYLOAD_MAX; i++) {
		assert_true(w->payload[i].p == NULL);
	}
	cache_core_destroy(w->core);
	hashring_destroy(w->ring);
	free(w->region);
	free(w);
}

static void
up(struct world *w, uint16_t proc, bool inner, uint8_t sub)
{
	struct world_proc *p = &w->proc[proc];
	struct desc d = { .kind = DESC_PROC_UP, .sub = sub, .b = inner };
	static uint32_t inc;

	memset(p, 0, sizeof(*p));
	p->inc = ++inc;
	assert_int_equal(cache_view_open(&p->view, w->region, w->layout.bytes, p->hazard), 0);
	d.open.proc = proc;
	d.open.inc = p->inc;
	cache_core_step(w->core, (struct cache_from){ CACHE_FROM_CTL, 0 }, &d);
}

void
world_up(struct world *w, uint16_t proc)
{
	up(w, proc, false, 0);
}

void
world_up_inner(struct world *w, uint16_t proc)
{
	up(w, proc, true, 0);
}

void
world_up_system(struct world *w, uint16_t proc)
{
	up(w, proc, true, PROC_UP_SYSTEM);
}

void
world_up_own(struct world *w, uint16_t proc)
{
	up(w, proc, false, PROC_UP_OWN);
}

void
world_down(struct world *w, uint16_t proc)
{
	struct desc d = { .kind = DESC_PROC_DOWN };

	d.dead.proc = proc;
	d.dead.inc = w->proc[proc].inc;
	d.dead.cause = DEATH_SIGNAL;
	cache_core_step(w->core, (struct cache_from){ CACHE_FROM_CTL, 0 }, &d);
}

/* ------------------------------------------------------------------------ moving */

uint32_t
world_kvs(struct world *w, uint32_t j, uint32_t n)
{
	struct desc d;
	uint32_t cnt = 0;

	while (cnt < n && kvs_core_room(&w->kvs[j]) > 0 && queue_take(&w->to_kvs[j], &d)) {
		kvs_core_step(&w->kvs[j], 0, &d);
		cnt++;
	}
	return cnt;
}

int
world_guest(struct world *w, struct slice key, struct slice delta)
{
	uint32_t j = hashring_primary(w->ring, 0, hash_bytes(key.p, key.len));
	struct desc d = { .kind = DESC_KVS_MERGE };

	kvs_msg_set_bytes(&d, key);
	kvs_msg_set_delta(&d, delta);
	w->guest = (struct desc){ 0 };
	kvs_core_step(&w->kvs[j], 1, &d);
	assert_int_equal(w->guest.kind, DESC_KVS_MERGED);
	kvs_core_poll(&w->kvs[j], w->time.now_ns); /* tells at once */
	return w->guest.err;
}

uint32_t
world_core(struct world *w, uint32_t j, uint32_t n)
{
	struct desc d;
	uint32_t cnt = 0;

	while (cnt < n && queue_take(&w->from_kvs[j], &d)) {
		cache_core_step(w->core, (struct cache_from){ CACHE_FROM_KVS, (uint16_t)j }, &d);
		cnt++;
	}
	return cnt;
}

/* Moves what other kvs tiles have sent to one. */
static bool
world_between(struct world *w, uint32_t j)
{
	bool busy = false;
	struct desc d;

	for (uint32_t i = 0; i < w->kvs_cnt; i++) {
		while (queue_take(&w->between[i][j], &d)) {
			kvs_core_step_tile(&w->kvs[j], i, &d);
			busy = true;
		}
	}
	return busy;
}

bool
world_turn(struct world *w)
{
	bool busy = cache_core_poll(w->core);

	for (uint32_t j = 0; j < w->kvs_cnt; j++) {
		busy |= world_between(w, j);
		busy |= world_kvs(w, j, 64) > 0;
		busy |= kvs_core_poll(&w->kvs[j], w->time.now_ns);
		busy |= world_core(w, j, 64) > 0;
	}
	timebase_virtual_advance(&w->time, 1000);
	return busy;
}

void
world_settle(struct world *w)
{
	for (uint32_t i = 0; world_turn(w); i++) {
		assert_true(i < 1000000);
	}
}

int
world_fill(struct world *w, struct slice key, unsigned int type, uint32_t from, uint32_t to)
{
	static uint8_t mem[512 << 10], state_mem[512 << 10];
	int err = 0;

	while (from < to && err == 0) {
		uint32_t end = MIN(to, from + 10000);
		struct wbuf st = wbuf_init(state_mem, sizeof(state_mem));
		struct wbuf out = wbuf_init(mem, sizeof(mem));
		struct envelope e = { .type = (uint8_t)type };
		struct table_builder b;

		table_begin(&b, &st);
		for (; from < end; from++) {
			uint64_t be = htobe64(from);

			wbuf_put(&st, &be, sizeof(be));
			if (type == LATTICE_ORSET) {
				presence_put_add(&st, (struct stamp){ { 1 + from }, { 77 } });
			}
			table_item_end(&b);
		}
		assert_int_equal(table_end(&b), 0);
		e.state = wbuf_slice(&st);
		assert_int_equal(envelope_write(&e, &out), 0);
		err = kvs_shard_merge(w->shard[0], key, wbuf_slice(&out));
	}
	return err;
}

/* ---------------------------------------------------------------------- requests */

struct payload_ref
world_payload(struct world *w, uint16_t proc, const void *p, size_t len)
{
	uint32_t i = 0;

	while (w->payload[i].p != NULL) {
		assert_true(++i < WORLD_PAYLOAD_MAX);
	}
	w->payload[i] = (struct world_payload){ .p = p, .len = (uint32_t)len, .proc = proc };
	return (struct payload_ref){ .proc = proc,
				     .seg = i + 1,
				     .handle = i + 1,
				     .len = (uint32_t)len };
}

void
world_unpayload(struct world *w, const struct payload_ref *ref)
{
	w->payload[ref->seg - 1] = (struct world_payload){ 0 };
}

static void
request(struct world *w, uint16_t proc, struct desc *d, struct slice bytes)
{
	if (bytes.len <= sizeof(d->data)) {
		d->flags = DESC_F_INLINE;
		d->len = (uint8_t)bytes.len;
		if (bytes.len != 0) {
			memcpy(d->data, bytes.p, bytes.len);
		}
	} else {
		d->ref = world_payload(w, proc, bytes.p, bytes.len);
	}
	assert_true(cache_core_room(w->core) > 0);
	assert_true(cache_core_step(w->core, (struct cache_from){ CACHE_FROM_PROC, proc }, d));
}

/* Takes back the payload of a request. The set may have been read already; the tests that care use
 * world_payload themselves. */
static void
request_over(struct world *w, uint16_t proc)
{
	for (uint32_t i = 0; i < WORLD_PAYLOAD_MAX; i++) {
		if (w->payload[i].proc == proc && !w->payload[i].page) {
			w->payload[i] = (struct world_payload){ 0 };
		}
	}
}

void
world_fetch(struct world *w, uint16_t proc, struct slice key, uint64_t b)
{
	struct desc d = { .kind = DESC_FETCH, .call = 9, .b = b };

	request(w, proc, &d, key);
	if (key.len > sizeof(d.data)) {
		world_unpayload(w, &d.ref); /* the key is copied at once */
	}
}

void
world_hashes(struct slice set, struct cache_op_word *word)
{
	struct wset_op op;

	for (uint32_t i = 0; wset_next(&set, &op) == 1; i++) {
		word[i].hash = hash_bytes(op.key.p, op.key.len);
	}
}

void
world_publish_words(struct world *w, uint16_t proc, struct slice set, uint64_t b,
		    struct cache_op_word *word)
{
	struct cache_from from = { CACHE_FROM_PROC, proc };
	struct desc d = { .kind = DESC_PUBLISH, .b = b };

	d.ref = world_payload(w, proc, set.p, set.len);
	d.ref_word[0] = (uint64_t)(uintptr_t)word;
	assert_true(cache_core_step(w->core, from, &d));
}

void
world_publish(struct world *w, uint16_t proc, uint64_t call, struct slice set, uint64_t b)
{
	struct desc d = { .kind = DESC_PUBLISH, .call = call, .b = b };

	request(w, proc, &d, set);
}

void
world_scan(struct world *w, uint16_t proc, struct slice prefix, struct slice after, uint16_t limit,
	   uint64_t b)
{
	uint8_t mem[CACHE_SCAN_REQ_BYTES_MAX];
	struct desc d = { .kind = DESC_SCAN, .b = b };
	struct wbuf out = wbuf_init(mem, sizeof(mem));

	assert_int_equal(cache_scan_req_write(&out, prefix, after, limit), 0);
	request(w, proc, &d, wbuf_slice(&out));
	if (out.len > sizeof(d.data)) {
		world_unpayload(w, &d.ref);
	}
}

bool
world_answered(const struct world *w, uint16_t proc, uint64_t b)
{
	const struct world_proc *p = &w->proc[proc];

	for (uint32_t i = 0; i < p->answer_cnt; i++) {
		if (p->answer[i].b == b) {
			return true;
		}
	}
	return false;
}

struct desc
world_answer(struct world *w, uint16_t proc, enum cache_msg_kind kind, uint64_t b)
{
	struct world_proc *p = &w->proc[proc];

	for (uint32_t i = 0; i < p->answer_cnt; i++) {
		struct desc d = p->answer[i];

		if (d.b == b) {
			assert_int_equal(d.kind, kind);
			p->answer[i] = p->answer[--p->answer_cnt];
			assert_false(world_answered(w, proc, b)); /* exactly once */
			return d;
		}
	}
	fail_msg("process %u got no answer to %u", proc, (unsigned int)b);
	return (struct desc){ 0 };
}

int
world_do(struct world *w, uint16_t proc, const struct wset_op *op)
{
	size_t bytes = wset_op_bytes(op);
	uint8_t *mem = malloc(bytes);
	struct wset ws;
	struct desc d;

	wset_init(&ws, mem, bytes);
	assert_int_equal(wset_add(&ws, op), 0);
	world_publish(w, proc, ANY_B, wset_bytes(&ws), ANY_B);
	world_settle(w);
	d = world_answer(w, proc, DESC_PUBLISHED, ANY_B);
	assert_int_equal(d.call, ANY_B);
	assert_int_equal(d.a, 0);
	request_over(w, proc);
	free(mem);
	return d.err;
}

int
world_put(struct world *w, uint16_t proc, const char *key, struct slice value)
{
	struct wset_op op = { .kind = WSET_PUT, .key = slice_str(key), .value = value };

	if (value.len > WSET_INLINE_MAX) {
		op.by_ref = true;
		op.ref = world_payload(w, proc, value.p, value.len);
	}
	return world_do(w, proc, &op);
}

int
world_incr(struct world *w, uint16_t proc, const char *key, int64_t n)
{
	struct wset_op op = { .kind = WSET_INCR, .key = slice_str(key), .n = n };

	return world_do(w, proc, &op);
}

int
world_sadd(struct world *w, uint16_t proc, const char *key, const char *member)
{
	struct wset_op op = { .kind = WSET_SADD,
			      .key = slice_str(key),
			      .value = slice_str(member) };

	return world_do(w, proc, &op);
}

int
world_del(struct world *w, uint16_t proc, const char *key)
{
	struct wset_op op = { .kind = WSET_DEL, .key = slice_str(key) };

	return world_do(w, proc, &op);
}

/* ----------------------------------------------------------------------- reading */

int
world_get(struct world *w, uint16_t proc, struct slice key, struct cache_value *ret)
{
	for (uint32_t i = 0; i < 100; i++) {
		int found = cache_view_get(&w->proc[proc].view, key, ret);
		struct desc d;

		if (found != CACHE_MISS) {
			return found;
		}
		world_fetch(w, proc, key, ANY_B);
		world_settle(w);
		d = world_answer(w, proc, DESC_FETCHED, ANY_B);
		if (d.err != 0) {
			return d.err;
		}
	}
	fail_msg("a key that was fetched was never there");
	return 0;
}

const char *
world_text(struct world *w, uint16_t proc, const char *key)
{
	static char text[256];
	struct cache_value v;
	struct slice found = { 0 };
	char buf[VIEW_TEXT_MAX];
	int got = world_get(w, proc, slice_str(key), &v);

	assert_true(got == CACHE_HIT || got == CACHE_ABSENT);
	if (got == CACHE_HIT) {
		assert_int_equal(view_text(v.type, v.state, buf, &found), 0);
		assert_true(found.len < sizeof(text));
		memcpy(text, found.p, found.len);
	}
	text[found.len] = 0;
	cache_view_release(&w->proc[proc].view, &v);
	return text;
}

struct slice
world_stored(struct world *w, struct slice key)
{
	uint32_t j = hashring_primary(w->ring, 0, hash_bytes(key.p, key.len));

	return kvs_shard_get(w->shard[j], key);
}
