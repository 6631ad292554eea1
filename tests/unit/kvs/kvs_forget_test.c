/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   large collections are settled, and forgotten when they are deleted, at all owners alike,
 *         in short steps; one that is used as a queue does not grow for ever; and not before
 *         everybody agrees.
 * Method: the pieces against settle_items of the flat value, failures first; then a kvs_world.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "kvs_forget.h"
#include "kvs_value.h"
#include "kvs_world.h"
#include "lattice.h"
#include "list.h"
#include "map.h"
#include "microburst/error.h"
#include "orset.h"
#include "presence.h"
#include "rng.h"
#include "settle.h"
#include "strval.h"
#include "table.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "treeval.h"

#define KEY        "a large set"
#define FLAT_BYTES (4u << 20)
#define SETTLE_NS  ((KVS_SETTLE_PAUSES + 4) * WORLD_PAUSE_NS)

/* Memory for values, given back together at a test's end. */
static uint8_t *room[16];
static uint32_t room_cnt;

static struct wbuf
room_new(void)
{
	uint8_t *p = malloc(FLAT_BYTES);

	assert_non_null(p);
	assert_true(room_cnt < ARRAY_CNT(room));
	room[room_cnt++] = p;
	return wbuf_init(p, FLAT_BYTES);
}

static int
room_free(void **state)
{
	while (room_cnt > 0) {
		free(room[--room_cnt]);
	}
	return 0;
}

static struct slice
enveloped(unsigned int type, struct slice state)
{
	struct envelope e = { .type = type, .state = state };
	struct wbuf out = room_new();

	assert_int_equal(envelope_write(&e, &out), 0);
	return wbuf_slice(&out);
}

/* Of the members [from, to) each in `step`, that they were added, or are gone. */
static struct slice
members(uint32_t from, uint32_t to, uint32_t step, bool gone)
{
	struct wbuf out = room_new();
	struct table_builder b;

	table_begin(&b, &out);
	for (uint32_t i = from; i < to; i += step) {
		uint8_t mem[64];
		struct wbuf dot = wbuf_init(mem, sizeof(mem));
		uint64_t be = htobe64(i);

		presence_put_add(&dot, (struct stamp){ { 1 + i }, { 1 } });
		wbuf_put(&out, &be, sizeof(be));
		if (gone) {
			assert_true(presence_put_gone(&out, wbuf_slice(&dot)));
		} else {
			wbuf_put(&out, dot.p, dot.len);
		}
		table_item_end(&b);
	}
	assert_int_equal(table_end(&b), 0);
	return enveloped(LATTICE_ORSET, wbuf_slice(&out));
}

/* A map of cnt fields, all but the first deleted, which were put at a time that was named: they
 * stay. */
static struct slice
fields_that_stay(uint32_t cnt)
{
	struct wbuf out = room_new();
	struct map_builder b;

	map_begin(&b, &out);
	for (uint32_t i = 0; i < cnt; i++) {
		struct envelope e = { .epoch = { .time = { 7 } }, .type = LATTICE_ABSENT };
		uint64_t be = htobe64(i);
		uint8_t mem[64], text_mem[64];
		struct wbuf value = wbuf_init(mem, sizeof(mem));
		struct wbuf text = wbuf_init(text_mem, sizeof(text_mem));

		if (i == 0) {
			assert_int_equal(strval_delta_set(slice_str("here"), &text), 0);
			e.type = LATTICE_STRING;
			e.state = wbuf_slice(&text);
		}
		assert_int_equal(envelope_write(&e, &value), 0);
		map_add(&b, &(struct map_field){ .key = slice_of(&be, sizeof(be)),
						 .type = LATTICE_ENVELOPE,
						 .value = wbuf_slice(&value) });
	}
	assert_int_equal(map_end(&b), 0);
	return enveloped(LATTICE_MAP, wbuf_slice(&out));
}

/* ------------------------------------------------------------------------------- the pieces */

#define SHARD_BYTES ((size_t)16 << 20)

static struct kvs_shard *
shard_new(size_t bytes)
{
	void *mem = aligned_alloc(64, kvs_shard_extent(bytes));

	assert_non_null(mem);
	return kvs_shard_init(mem, bytes, 5);
}

/* Forgets the marks of a round that another tile asks about. */
static int
make(struct kvs_shard *s, struct kvs_changes *cs, struct slice of, uint32_t from)
{
	struct kvs_key *k = kvs_shard_find(s, slice_str(KEY));
	struct kvs_value *v = NULL;
	int err = kvs_forget_make(s, cs, k, of, from, &v);

	if (err == 0) {
		kvs_shard_take(s, k, v);
	} else {
		assert_null(v);
	}
	while (kvs_shard_sweep(s)) {
	}
	return err;
}

static struct kvs_changes changes;

/* A mark that is not there, or another one; another epoch; nothing else; something that is owed, by
 * a delta that names one of them or by the whole value; none of the memory that others leave to it.
 * With that, one that is full forgets. */
static void
refused(void **state)
{
	const struct kvs_change_ops none = { 0 };
	struct kvs_shard *s = shard_new(SHARD_BYTES), *of = shard_new(SHARD_BYTES);
	struct slice here = members(0, 9000, 1, false), gone = members(0, 9000, 2, true);
	struct slice asked = members(0, 9000, 2, true), more = members(0, 9002, 2, true);
	struct slice key = slice_str(KEY);
	struct envelope e;
	struct wbuf other = room_new();
	struct kvs_key *k;
	uint32_t cnt;

	(void)state;
	kvs_changes_init(&changes, s, 1, 1, &none);
	assert_int_equal(kvs_shard_merge(s, key, here), 0);
	assert_int_equal(kvs_shard_merge(of, key, asked), 0);
	k = kvs_shard_find(s, key);
	assert_int_equal(make(s, &changes, kvs_shard_get(of, key), 0), MB_ERR_NOT_FOUND);
	assert_int_equal(kvs_shard_merge(s, key, gone), 0);
	cnt = kvs_value_root(kvs_at(s->base, k->value))->cnt;
	assert_int_equal(make(s, &changes, kvs_shard_get(of, key), 9001), MB_ERR_NOT_FOUND);
	assert_int_equal(envelope_open(asked, &e), 0);
	e.epoch = (struct stamp){ { 9 }, { 9 } };
	assert_int_equal(envelope_write(&e, &other), 0);
	assert_int_equal(kvs_shard_merge(of, slice_str("other"), wbuf_slice(&other)), 0);
	assert_int_equal(make(s, &changes, kvs_shard_get(of, slice_str("other")), 0),
			 MB_ERR_NOT_FOUND);
	/* It owes what has nothing to do with these; then one of the last of them. */
	kvs_change_note(&changes, k, 2, members(1, 2000, 2, false), false, 0);
	assert_int_equal(make(s, &changes, kvs_shard_get(of, key), 0), 0);
	assert_int_equal(kvs_value_root(kvs_at(s->base, k->value))->present, 4500);
	assert_in_range(kvs_value_root(kvs_at(s->base, k->value))->cnt, 4500, cnt - 100);
	assert_int_equal(make(s, &changes, kvs_shard_get(of, key), 0), MB_ERR_NOT_FOUND);
	kvs_change_note(&changes, k, 2, members(8998, 9000, 1, false), false, 0);
	assert_int_equal(make(s, &changes, kvs_shard_get(of, key), 4400), MB_ERR_TRYAGAIN);
	kvs_change_note(&changes, k, 2, here, true, 0);
	assert_int_equal(make(s, &changes, kvs_shard_get(of, key), 4200), MB_ERR_TRYAGAIN);
	/* One more than there is, and nothing but those. */
	assert_int_equal(kvs_shard_merge(of, key, more), 0);
	kvs_changes_init(&changes, s, 1, 1, &none);
	assert_int_equal(make(s, &changes, kvs_shard_get(of, key), 4400), MB_ERR_NOT_FOUND);
	assert_int_equal(make(of, &changes, kvs_shard_get(of, key), 0), 0);
	assert_int_equal(kvs_shard_merge(of, slice_str("few"), members(0, 200, 1, true)), 0);
	k = kvs_shard_find(of, slice_str("few"));
	assert_int_equal(kvs_forget_make(of, &changes, k, kvs_shard_get(of, slice_str("few")), 0,
					 &(struct kvs_value *){ NULL }),
			 MB_ERR_NOT_FOUND);
	free(s);
	free(of);
}

/* A shard that is full, and has not even what others leave to this; with that it goes on. */
static void
no_memory(void **state)
{
	struct kvs_shard *s = shard_new(KVS_SHARD_BYTES_MIN);
	struct slice key = slice_str(KEY);
	void *page[2 * KVS_SHARD_BYTES_MIN / 4096];
	uint32_t page_cnt = 0;
	size_t used;

	(void)state;
	memset(&changes, 0, sizeof(changes));
	assert_int_equal(kvs_shard_merge(s, key, members(0, 14000, 1, false)), 0);
	assert_int_equal(kvs_shard_merge(s, key, members(0, 3000, 2, true)), 0);
	while (kvs_shard_sweep(s)) {
	}
	while ((page[page_cnt] = heap_alloc_reserve(s->heap, 4096)) != NULL) {
		page_cnt++;
	}
	used = kvs_shard_used_bytes(s);
	assert_int_equal(make(s, &changes, kvs_shard_get(s, key), 0), MB_ERR_NO_MEMORY);
	assert_int_equal(kvs_shard_used_bytes(s), used);
	while (page_cnt > 0) {
		heap_free(s->heap, page[--page_cnt], 4096);
	}
	used = kvs_shard_used_bytes(s);
	assert_int_equal(make(s, &changes, kvs_shard_get(s, key), 0), 0);
	assert_true(kvs_shard_used_bytes(s) < used);
	free(s);
}

/* A pass by hand over a shard that nobody else has. Returns: its rounds. */
static uint32_t
pass(struct kvs_shard *s)
{
	struct kvs_key *k = kvs_shard_find(s, slice_str(KEY));
	struct kvs_forget f = { 0 };
	uint32_t rounds = 0, steps = 0;
	int err;

	assert_true(kvs_forget_large(kvs_at(s->base, k->value), KVS_STEP_BYTES));
	kvs_forget_begin(&f, k);
	while ((err = kvs_forget_find(&f, s)) != MB_ERR_NOT_FOUND) {
		assert_true(steps++ < 1000);
		if (err == 0) {
			assert_int_equal(make(s, &changes, kvs_shard_value(s, k), f.at), 0);
			kvs_forget_heard(&f, true);
			rounds++;
		}
	}
	kvs_forget_end(&f, false);
	assert_true(f.forgot && f.over_all);
	assert_int_equal(s->pin_cnt, 0);
	return rounds;
}

/* Sets of all kinds: what is left in the end is what settle_items makes of the flat one. */
static void
as_in_one_piece(void **state)
{
	struct rng rng;
	uint32_t flat = 0, trees = 0;

	(void)state;
	memset(&changes, 0, sizeof(changes));
	rng_init(&rng, test_seed("kvs_forget as_in_one_piece"));
	for (uint32_t round = 0; round < 12; round++) {
		struct kvs_shard *s = shard_new(SHARD_BYTES);
		uint32_t cnt = 3000 + (uint32_t)rng_below(&rng, 5000);
		struct wbuf whole, settled;
		struct kvs_value *v;

		assert_int_equal(kvs_shard_merge(s, slice_str(KEY), members(0, cnt, 1, false)), 0);
		for (uint32_t i = 0; i < 3; i++) { /* some here and there, and long rows */
			uint32_t from = (uint32_t)rng_below(&rng, cnt - 10);
			uint32_t to = i == 0 && round % 3 == 0 ? cnt - 5 : from + cnt / 4;

			from = i == 0 && round % 3 == 0 ? 0 : from;
			assert_int_equal(kvs_shard_merge(s, slice_str(KEY),
							 members(from, MIN(to, cnt - 5),
								 1 + (uint32_t)(i == 2), true)),
					 0);
		}
		whole = room_new();
		settled = room_new();
		assert_int_equal(treeval_write(kvs_shard_get(s, slice_str(KEY)), &whole), 0);
		assert_int_equal(settle_items(wbuf_slice(&whole), (struct hlc_time){ UINT64_MAX },
					      &settled),
				 LATTICE_MIXED);
		assert_in_range(pass(s), 1, whole.len / KVS_FORGET_BYTES + 1);
		v = kvs_at(s->base, kvs_shard_find(s, slice_str(KEY))->value);
		assert_true(treeval_equal(kvs_value_slice(v), wbuf_slice(&settled)));
		flat += v->tree == 0;
		trees += v->tree != 0;
		free(s);
		room_free(NULL);
	}
	assert_true(flat > 0);
	assert_true(trees > 0);
}

/* A set that is as long as one may be, of which all is removed: others can be added at once. One
 * that is full of what is there cannot. */
static void
removed_it_is_not_full(void **state)
{
	enum { PART = 120000 };
	struct kvs_shard *s = shard_new((size_t)400 << 20);
	struct slice key = slice_str(KEY);
	uint32_t cnt = 0;
	int err = 0;

	(void)state;
	for (; err == 0; cnt += PART) {
		err = kvs_shard_merge(s, key, members(cnt, cnt + PART, 1, false));
		room_free(NULL);
		assert_true(cnt < 100 * PART);
	}
	assert_int_equal(err, MB_ERR_TOO_LARGE);
	cnt -= PART;
	assert_true((size_t)cnt * 29 < KVS_ENVELOPE_MAX &&
		    (size_t)(cnt + PART) * 29 > KVS_ENVELOPE_MAX);
	for (uint32_t i = 0; i < cnt; i += PART) {
		assert_int_equal(kvs_shard_merge(s, key, members(i, i + PART, 1, true)), 0);
		room_free(NULL);
	}
	for (uint32_t i = 0; i < cnt / 2; i += PART) {
		assert_int_equal(kvs_shard_merge(s, key,
						 members(cnt + i, cnt + i + PART, 1, false)),
				 0);
		room_free(NULL);
	}
	print_message("%u removed, half as many added\n", cnt);
	free(s);
}

/* -------------------------------------------------------------------------- several owners */

static void
merge(struct world *w, uint32_t rank, const char *key, struct slice delta)
{
	struct desc d;

	world_merge(w, world_owner(w, key, rank), 0, key, delta, KVS_ACK_ONE);
	for (uint32_t i = 0; !world_take(w, 0, DESC_KVS_MERGED, &d, NULL); i++) {
		assert_true(i < 1000);
		world_move(w, WORLD_PERIOD_NS);
	}
	assert_int_equal(d.err, 0);
}

static bool
gone_everywhere(const struct world *w)
{
	for (uint32_t i = 0; i < w->tile_cnt; i++) {
		if (kvs_shard_key_cnt(w->tile[i].shard) != 0) {
			return false;
		}
	}
	return true;
}

static struct table
table_at(const struct world *w, uint32_t tile, const char *key)
{
	struct envelope e;
	struct table t;

	assert_int_equal(envelope_open(world_has(w, tile, key), &e), 0);
	assert_int_equal(table_open(e.state, &t), 0);
	return t;
}

/* Few marks are not worth it; many are forgotten at all owners; the rest of it goes as a whole. */
static void
settled_and_forgotten(void **state)
{
	struct world *w = world_make(3, 3, 0, 16 << 20);
	struct slice first = members(0, 10000, 1, false);

	(void)state;
	merge(w, 0, KEY, first);
	merge(w, 1, KEY, members(0, 10000, 10, true));
	world_move(w, SETTLE_NS);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(table_at(w, i, KEY).cnt, 10000);
	}
	merge(w, 2, KEY, members(0, 10000, 3, true));
	world_move(w, SETTLE_NS);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(table_at(w, i, KEY).cnt, 6000);
		assert_true(treeval_equal(world_has(w, i, KEY), world_has(w, 0, KEY)));
	}
	assert_int_equal(w->tile[world_owner(w, KEY, 0)].core.drops.stats.settled, 1);
	merge(w, 0, KEY, members(0, 10000, 1, true));
	world_move(w, SETTLE_NS);
	assert_true(gone_everywhere(w));
	world_end(w);
}

/* What is written while an owner looks through it stays, and it is kept. */
static void
written_meanwhile(void **state)
{
	struct world *w = world_make(2, 2, 0, 16 << 20);
	uint32_t at = world_owner(w, KEY, 0);
	struct slice set = members(0, 10000, 1, false), gone = members(0, 10000, 1, true);
	struct slice late = members(10001, 10002, 1, false);
	bool asked = false;

	(void)state;
	merge(w, 0, KEY, set);
	merge(w, 0, KEY, gone);
	world_move(w, WORLD_PERIOD_NS);
	w->time.now_ns += WORLD_PAUSE_NS;
	for (uint32_t i = 0; i < 100 && !asked; i++) {
		world_turn(w);
		asked = w->tile[1 - at].core.drops.compare.key != NULL;
	}
	assert_true(asked);
	/* The primary takes it; the other one serves nobody. */
	world_merge(w, 1 - at, 0, KEY, late, KVS_ACK_ONE);
	assert_int_equal(w->asker[0].d[0].err, MB_ERR_MOVED);
	w->asker[0].cnt = 0;
	merge(w, 0, KEY, late);
	world_move(w, SETTLE_NS);
	for (uint32_t i = 0; i < 2; i++) {
		struct envelope e;

		assert_int_equal(envelope_open(world_has(w, i, KEY), &e), 0);
		assert_int_equal(orset_cnt(e.state), 1);
	}
	assert_true(w->tile[at].core.drops.stats.kept > 0);
	world_end(w);
}

/* Several at once: each tile looks through one at a time, and all are done in the end. */
static void
several_at_once(void **state)
{
	struct world *w = world_make(3, 3, 0, 16 << 20);
	struct slice set = members(0, 6000, 1, false), gone = members(0, 6000, 1, true);
	char key[16];

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		snprintf(key, sizeof(key), "set %u", i);
		merge(w, 0, key, set);
	}
	for (uint32_t i = 0; i < 6; i++) {
		snprintf(key, sizeof(key), "set %u", i);
		merge(w, 0, key, gone);
	}
	world_move(w, 2 * SETTLE_NS);
	assert_true(gone_everywhere(w));
	world_end(w);
}

/* Members too long to be looked at in one piece leave marks that go like others. */
static void
long_marks_go(void **state)
{
	enum { LONG = 2 * KVS_SCRATCH_BYTES, CNT = 4 };
	struct world *w = world_make(2, 2, 0, 16 << 20);
	uint32_t at = world_owner(w, KEY, 0);
	struct wbuf member = room_new(), out = room_new();

	(void)state;
	memset(wbuf_reserve(&member, LONG), 'm', LONG);
	for (uint32_t i = 0; i < 2 * CNT - 1; i++) { /* all are added, all but one removed */
		struct wbuf of = room_new();
		struct envelope now, e = { .type = LATTICE_ORSET };

		member.p[LONG - 1] = (uint8_t)(i % CNT);
		if (i < CNT) {
			assert_int_equal(orset_delta_add((struct stamp){ { 1 + i }, { 1 } },
							 wbuf_slice(&member), &of),
					 0);
		} else {
			assert_int_equal(envelope_open(world_has(w, at, KEY), &now), 0);
			assert_int_equal(orset_delta_remove(now.state, wbuf_slice(&member), &of),
					 0);
		}
		e.state = wbuf_slice(&of);
		out.len = 0;
		assert_int_equal(envelope_write(&e, &out), 0);
		merge(w, 0, KEY, wbuf_slice(&out));
	}
	assert_int_equal(table_at(w, at, KEY).cnt, CNT);
	world_move(w, SETTLE_NS);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(table_at(w, i, KEY).cnt, 1);
		assert_int_equal(kvs_core_timer(&w->tile[i].core), UINT64_MAX);
	}
	world_end(w);
}

/* Values that have many marks, none of which may be forgotten: each is looked through once. */
static void
in_vain_once(void **state)
{
	struct world *w = world_make(2, 2, 0, 16 << 20);
	struct slice map = fields_that_stay(8000);
	char key[16];

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		snprintf(key, sizeof(key), "map %u", i);
		merge(w, 0, key, map);
	}
	world_move(w, 8 * SETTLE_NS);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(kvs_core_timer(&w->tile[i].core), UINT64_MAX);
		assert_int_equal(w->tile[i].core.drops.stats.settled, 0);
	}
	world_end(w);
}

/* A list that items are put to and taken from, and that is never empty: it is about as long as what
 * is in it, always. */
static void
a_queue_stays_short(void **state)
{
	enum { LIVE = 3000, CNT = 20000 };
	struct world *w = world_make(2, 2, 0, 16 << 20);
	uint32_t at = world_owner(w, KEY, 0), most = 0;
	struct wbuf out = room_new();

	(void)state;
	for (uint32_t i = 0; i < CNT; i++) {
		uint8_t mem[256];
		struct wbuf st = wbuf_init(mem, sizeof(mem));
		struct stamp stamp = { { 1 + i }, { 1 } };
		struct envelope now = { 0 }, e = { .type = LATTICE_LIST };
		struct table_walk first = { 0 };
		struct list_item item;

		for (uint32_t what = 0; what < 2; what++) {
			assert_int_equal(envelope_open(world_has(w, at, KEY), &now), 0);
			st.len = 0;
			if (what == 0) {
				assert_int_equal(list_delta_push(now.state, stamp, LIST_RIGHT,
								 slice_str("item"), &st),
						 0);
			} else if (i >= LIVE && list_next(now.state, &first, &item)) {
				assert_int_equal(list_delta_remove(now.state, item.id, &st), 0);
			} else {
				break;
			}
			e.state = wbuf_slice(&st);
			out.len = 0;
			assert_int_equal(envelope_write(&e, &out), 0);
			merge(w, 0, KEY, wbuf_slice(&out));
		}
		if (i % 100 == 0) {
			world_move(w, WORLD_PAUSE_NS);
			most = MAX(most, table_at(w, at, KEY).cnt);
		}
	}
	print_message("%u items at most, of %u put and %u there\n", most, CNT, LIVE);
	assert_true(most < 2 * LIVE);
	world_move(w, SETTLE_NS);
	assert_true(treeval_equal(world_has(w, 0, KEY), world_has(w, 1, KEY)));
	world_end(w);
}

/* Whether no tile owes anybody anything of the key. */
static bool
is_quiet(const struct world *w)
{
	for (uint32_t i = 0; i < w->tile_cnt; i++) {
		if (kvs_shard_find(w->tile[i].shard, slice_str(KEY))->changing) {
			return false;
		}
	}
	return true;
}

/* Steady writes beside a long set of which all is deleted: at each moment somebody owes somebody
 * something of the key. Its marks go nevertheless, at all owners, while the writes go on, and no
 * write is lost. */
static void
steady_writes_beside_a_delete(void **state)
{
	enum { LONG = 60000, TURNS = 3000 };
	uint32_t owners[] = { 1, 3 };

	(void)state;
	for (uint32_t n = 0; n < ARRAY_CNT(owners); n++) {
		struct world *w = world_make(owners[n], owners[n], 0, 32 << 20);
		uint32_t at, cnt = 0, next = LONG + 1, quiet = 0;
		struct envelope e;
		struct desc d;

		merge(w, 0, KEY, members(0, LONG, 1, false));
		merge(w, 0, KEY, members(LONG, LONG + 1, 1, false));
		merge(w, 0, KEY, members(0, LONG, 1, true));
		world_move(w, WORLD_PERIOD_NS);
		at = world_owner(w, KEY, 0);
		assert_int_equal(table_at(w, at, KEY).cnt, LONG + 1);
		room_free(NULL);
		for (uint32_t i = 0; i < TURNS; i++) {
			world_merge(w, world_owner(w, KEY, i % owners[n]), 0, KEY,
				    members(next, next + 1, 1, false), KVS_ACK_ONE);
			next++;
			quiet += is_quiet(w);
			w->time.now_ns += WORLD_PERIOD_NS / 4;
			world_turn(w);
			while (world_take(w, 0, DESC_KVS_MERGED, &d, NULL)) {
				cnt++;
				assert_true(d.err == 0 || d.err == MB_ERR_MOVED);
				next -= d.err == MB_ERR_MOVED; /* it was refused: once more */
			}
			room_free(NULL);
		}
		print_message("%u owners: %u items left of %u, %u writes, %u quiet turns\n",
			      owners[n], table_at(w, at, KEY).cnt, LONG, cnt, quiet);
		assert_int_equal(cnt, TURNS);
		if (owners[n] > 1) {
			assert_true(quiet < TURNS / 100);
		}
		assert_true(table_at(w, at, KEY).cnt < LONG / 8 + TURNS);
		world_move(w, 2 * SETTLE_NS);
		for (uint32_t i = 0; i < owners[n]; i++) {
			assert_int_equal(envelope_open(world_has(w, i, KEY), &e), 0);
			assert_int_equal(orset_cnt(e.state), next - LONG);
			assert_true(treeval_equal(world_has(w, i, KEY), world_has(w, 0, KEY)));
		}
		world_end(w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(refused, room_free),
		cmocka_unit_test_teardown(no_memory, room_free),
		cmocka_unit_test_teardown(as_in_one_piece, room_free),
		cmocka_unit_test_teardown(removed_it_is_not_full, room_free),
		cmocka_unit_test_teardown(settled_and_forgotten, room_free),
		cmocka_unit_test_teardown(written_meanwhile, room_free),
		cmocka_unit_test_teardown(several_at_once, room_free),
		cmocka_unit_test_teardown(long_marks_go, room_free),
		cmocka_unit_test_teardown(in_vain_once, room_free),
		cmocka_unit_test_teardown(a_queue_stays_short, room_free),
		cmocka_unit_test_teardown(steady_writes_beside_a_delete, room_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
