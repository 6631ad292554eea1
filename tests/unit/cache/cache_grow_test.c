/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the delete of a large collection is one change to readers and many short steps for the
 *         tile; it deletes what it would delete of a small one, whatever happens meanwhile.
 * Method: a cache_world. A cache too small first. Each type's delete against the same of the flat
 *         value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"
#include "compiler.h"
#include "delta.h"
#include "envelope.h"
#include "lattice.h"
#include "microburst/error.h"
#include "table.h"
#include "test_cmocka.h"
#include "treeval.h"
#include "view.h"

#define P 1

static uint32_t
table_cnt_of(const struct cache_value *v)
{
	struct table t;

	assert_int_equal(table_open(v->state, &t), 0);
	return t.cnt;
}

/* Publishes one operation, and moves nothing. The set's memory is the caller's. */
static void
publish(struct world *w, uint16_t proc, const struct wset_op *op, uint64_t b, uint8_t mem[256])
{
	struct wset ws;

	wset_init(&ws, mem, 256);
	assert_int_equal(wset_add(&ws, op), 0);
	world_publish(w, proc, b, wset_bytes(&ws), b);
}

/* A set of cnt members, in the store and in the cache. */
static struct world *
world_with_set(struct slice key, uint32_t cnt)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 64 << 20 });
	struct cache_value v;

	world_up(w, P);
	assert_int_equal(world_fill(w, key, LATTICE_ORSET, 0, cnt), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	cache_view_release(&w->proc[P].view, &v);
	return w;
}

/* Goes on until the delete of a set is shown, and what was added since; till then all of the set
 * is. Returns: after how many polls. */
static uint32_t
polls_till_deleted(struct world *w, struct slice key, uint32_t cnt)
{
	uint64_t before, most = 0;
	struct cache_value v;
	uint32_t polls = 0, there;

	do {
		before = cache_core_stats(w->core).used_bytes;
		assert_true(cache_core_poll(w->core));
		most = MAX(most, cache_core_stats(w->core).used_bytes - before);
		assert_true(cache_view_get(&w->proc[P].view, key, &v) >= CACHE_ABSENT);
		there = view_cnt(v.type, v.state);
		cache_view_release(&w->proc[P].view, &v);
		polls++;
	} while (there == cnt || there == 0); /* what was added comes after the delete */
	assert_int_equal(there, 1);
	assert_true(most < 2 * CACHE_COPY_STEP);
	return polls;
}

/* The delete of a large set takes many steps, and is one change to readers. What is added
 * meanwhile, here or elsewhere, was not seen by it and stays. */
static void
deleted_in_pieces(void **state)
{
	enum { CNT = 100000 };
	struct slice key = slice_str("set");
	struct world *w = world_with_set(key, CNT);
	struct wset_op del = { .kind = WSET_DEL, .key = key };
	struct wset_op add = { .kind = WSET_SADD, .key = key, .value = slice_str("here") };
	uint8_t mem[2][256], delta_mem[256];
	struct wbuf delta = wbuf_init(delta_mem, sizeof(delta_mem));
	struct cache_value v;
	uint32_t polls;

	(void)state;
	publish(w, P, &del, 1, mem[0]);
	publish(w, P, &add, 2, mem[1]);
	add.value = slice_str("there");
	assert_int_equal(delta_make(slice_of(NULL, 0), &add,
				    hlc_moment_of(hlc_time_of_us(1700000000000000)),
				    (struct writer_id){ 78 }, &delta),
			 0);
	assert_int_equal(world_guest(w, key, wbuf_slice(&delta)), 0);
	world_core(w, 0, 1); /* told: not now */
	polls = polls_till_deleted(w, key, CNT);
	print_message("shown after %u polls\n", polls);
	assert_true(polls > CNT * 20 / CACHE_COPY_STEP);
	timebase_virtual_advance(&w->time, 5 * NS_PER_MS);
	world_settle(w);
	timebase_virtual_advance(&w->time, 5 * NS_PER_MS);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, 0);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 2).err, 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	assert_int_equal(view_cnt(v.type, v.state), 2);
	assert_true(view_set_has(v.type, v.state, slice_str("here")));
	assert_true(view_set_has(v.type, v.state, slice_str("there")));
	assert_true(treeval_equal(v.envelope, world_stored(w, key)));
	cache_view_release(&w->proc[P].view, &v);
	world_end(w);
}

/* How many polls the delete of a set takes until it is shown, beside so many write sets of so many
 * adds each, to it or to another. */
static uint32_t
polls_beside_adds(uint32_t set_cnt, uint32_t op_cnt, struct slice to)
{
	enum { CNT = 50000, OP_BYTES = 48 };
	struct slice key = slice_str("set");
	struct world *w = world_with_set(key, CNT);
	struct wset_op del = { .kind = WSET_DEL, .key = key };
	struct wset_op add = { .kind = WSET_SADD, .key = to };
	uint8_t *mem = malloc((size_t)(set_cnt + 1) * op_cnt * OP_BYTES + 256), *at = mem + 256;
	uint32_t polls = 0, there;
	struct cache_value v;

	add.value = slice_str("first");
	assert_int_equal(world_do(w, P, &add), 0);
	publish(w, P, &del, 0, mem);
	for (uint32_t i = 1; i <= set_cnt; i++, at += (size_t)op_cnt * OP_BYTES) {
		struct wset ws;

		wset_init(&ws, at, (size_t)op_cnt * OP_BYTES);
		for (uint32_t j = 0; j < op_cnt; j++) {
			char name[16];

			(void)snprintf(name, sizeof(name), "%u.%u", i, j);
			add.value = slice_str(name);
			assert_int_equal(wset_add(&ws, &add), 0);
		}
		world_publish(w, P, i, wset_bytes(&ws), i);
	}
	do {
		assert_true(world_turn(w));
		if (polls % 16 == 0) {
			cache_core_check(w->core);
		}
		assert_true(cache_view_get(&w->proc[P].view, key, &v) >= CACHE_ABSENT);
		there = view_cnt(v.type, v.state);
		cache_view_release(&w->proc[P].view, &v);
		polls++;
	} while (there >= CNT);
	world_settle(w);
	for (uint32_t i = 0; i <= set_cnt; i++) {
		assert_int_equal(world_answer(w, P, DESC_PUBLISHED, i).err, 0);
	}
	add.value = slice_str("first");
	assert_int_equal(world_do(w, P, &add), 0);
	assert_int_equal(world_get(w, P, to, &v), CACHE_HIT);
	assert_int_equal(view_cnt(v.type, v.state), set_cnt * op_cnt + 1);
	cache_view_release(&w->proc[P].view, &v);
	world_end(w);
	free(mem);
	return polls;
}

/* Who adds to a set that is being deleted waits, and takes no turn of the one that deletes; nor
 * does who writes elsewhere, however much. */
static void
deleted_beside_adds(void **state)
{
	struct slice set = slice_str("set"), other = slice_str("other");
	uint32_t alone = polls_beside_adds(0, 1, set);
	uint32_t same = polls_beside_adds(400, 1, set),
		 elsewhere = polls_beside_adds(60, 500, other);

	(void)state;
	print_message("deleted in %u polls, beside adds to it in %u, elsewhere in %u\n", alone,
		      same, elsewhere);
	assert_in_range(same, alone, alone + 10);
	assert_in_range(elsewhere, alone, alone + 10);
}

/* The copy that is being deleted goes (the store refused what was added before): the delete is of
 * what the store has. */
static void
delete_begun_anew(void **state)
{
	enum { CNT = 20000 };
	struct slice key = slice_str("set");
	struct world *w = world_with_set(key, CNT);
	struct wset_op add = { .kind = WSET_SADD, .key = key, .value = slice_str("refused") };
	struct wset_op del = { .kind = WSET_DEL, .key = key };
	struct desc merged = { .kind = DESC_KVS_MERGED, .err = MB_ERR_NO_MEMORY };
	uint64_t fetched = cache_core_stats(w->core).fetched;
	uint8_t mem[2][256];
	struct cache_value v;

	(void)state;
	publish(w, P, &add, 1, mem[0]);
	assert_int_equal(w->to_kvs[0].cnt, 1);
	merged.b = w->to_kvs[0].d[w->to_kvs[0].head].b;
	w->to_kvs[0].cnt = 0;
	publish(w, P, &del, 2, mem[1]);
	assert_true(cache_core_poll(w->core));
	cache_core_step(w->core, (struct cache_from){ CACHE_FROM_KVS, 0 }, &merged);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, MB_ERR_NO_MEMORY);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 2).err, 0);
	assert_int_equal(cache_core_stats(w->core).fetched, fetched + 1);
	assert_int_equal(world_get(w, P, key, &v), CACHE_ABSENT);
	assert_int_equal(table_cnt_of(&v), CNT); /* marks: not of what was refused */
	assert_true(treeval_equal(v.envelope, world_stored(w, key)));
	cache_view_release(&w->proc[P].view, &v);
	world_end(w);
}

/* There is room for one such set, and not for what a delete of it leaves beside it: it is razed. */
static void
delete_without_room(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	struct slice key = slice_str("set");
	struct cache_value v;

	(void)state;
	world_up(w, P);
	assert_int_equal(world_fill(w, key, LATTICE_ORSET, 0, 35000), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(world_del(w, P, "set"), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_ABSENT);
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(world_stored(w, key).len, ENVELOPE_OVERHEAD);
	assert_int_equal(cache_core_stats(w->core).razed, 1);
	world_end(w);
}

/* A set whose members are deleted, and not forgotten yet, is deleted again: that is nothing, and
 * needs no room, however many there were. */
static void
delete_of_what_is_deleted(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	struct slice key = slice_str("set"), other = slice_str("other");
	struct cache_value v, held;

	(void)state;
	world_up(w, P);
	assert_int_equal(world_fill(w, key, LATTICE_ORSET, 0, 12000), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(world_del(w, P, "set"), 0);
	assert_int_equal(cache_core_stats(w->core).razed, 0);
	assert_int_equal(world_fill(w, other, LATTICE_ORSET, 0, 35000), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_ABSENT);
	assert_true(slice_is_tree(v.envelope));
	assert_int_equal(world_get(w, P, other, &held), CACHE_HIT);
	assert_int_equal(world_del(w, P, "set"), 0);
	assert_int_equal(cache_core_stats(w->core).razed, 0);
	cache_view_release(&w->proc[P].view, &held);
	cache_view_release(&w->proc[P].view, &v);
	world_end(w);
}

/* A store that is full of a set, to the last byte. Returns: how many members it has. */
static uint32_t
world_full_of(struct world *w, struct slice key)
{
	struct cache_value v;
	uint32_t n = 0;

	world_up(w, P);
	while (world_fill(w, key, LATTICE_ORSET, n, n + 100) == 0) {
		n += 100;
	}
	while (world_fill(w, key, LATTICE_ORSET, n, n + 1) == 0) { /* to the last leaf */
		n++;
	}
	for (size_t bytes = 4096; bytes > 0; bytes /= 2) { /* and what there is between them */
		while (heap_alloc(w->shard[0]->heap, bytes) != NULL) {
		}
	}
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	cache_view_release(&w->proc[P].view, &v);
	return n;
}

/* The store has no memory to delete what was seen of a set. */
static void
delete_in_a_full_store(void **state)
{
	struct world *w =
		world_make(&(struct world_cfg){ .heap_bytes = 8 << 20, .kvs_bytes = 1 << 20 });
	struct slice key = slice_str("set");
	uint8_t mem[256], member[8] = { 0 };
	struct wset_op del = { .kind = WSET_DEL, .key = key };
	struct wset_op add = { .kind = WSET_SADD, .key = key, .value = slice_of(member, 8) };
	uint32_t n = world_full_of(w, key);
	struct cache_value v;

	(void)state;
	publish(w, P, &del, 1, mem);
	while (!world_answered(w, P, 1)) {
		world_turn(w);
	}
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_ABSENT);
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(cache_core_stats(w->core).razed, 1);
	assert_int_equal(cache_core_stats(w->core).flush_refused, 0);
	for (uint32_t i = 0; i < n / 2; i++) { /* there is room again */
		member[0] = (uint8_t)i;
		member[1] = (uint8_t)(i >> 8);
		member[2] = (uint8_t)(i >> 16);
		assert_int_equal(world_do(w, P, &add), 0);
	}
	world_end(w);
}

/* Members are added behind a delete that is on its way to a full store: it is done all the same,
 * and they are refused, or there would be no end to it while somebody fills the set. */
static void
delete_in_a_full_store_that_is_filled(void **state)
{
	struct world *w =
		world_make(&(struct world_cfg){ .heap_bytes = 8 << 20, .kvs_bytes = 1 << 20 });
	struct slice key = slice_str("set");
	struct wset_op del = { .kind = WSET_DEL, .key = key };
	struct wset_op add = { .kind = WSET_SADD, .key = key, .value = slice_str("late") };
	uint8_t mem[2][256];
	struct cache_value v;
	uint64_t flushed;

	(void)state;
	(void)world_full_of(w, key);
	flushed = cache_core_stats(w->core).flushed;
	publish(w, P, &del, 1, mem[0]);
	while (cache_core_stats(w->core).flushed == flushed) {
		assert_true(cache_core_poll(w->core));
	}
	publish(w, P, &add, 2, mem[1]);
	(void)cache_core_poll(w->core);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT); /* it is seen, and not yet stored */
	assert_int_equal(view_cnt(v.type, v.state), 1);
	cache_view_release(&w->proc[P].view, &v);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, 0);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 2).err, MB_ERR_NO_MEMORY);
	assert_int_equal(cache_core_stats(w->core).razed, 1);
	assert_int_equal(world_get(w, P, key, &v), CACHE_ABSENT);
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(world_stored(w, key).len, ENVELOPE_OVERHEAD);
	assert_int_equal(world_do(w, P, &add), 0);
	world_end(w);
}

/* ------------------------------------------------------------------------------ of each type */

#define FLAT_BYTES (1u << 20)

struct flat {
	uint8_t mem[FLAT_BYTES];
	struct wbuf out;
};

static struct slice
stored_flat(struct world *w, struct slice key, struct flat *f)
{
	f->out = wbuf_init(f->mem, sizeof(f->mem));
	assert_int_equal(treeval_write(world_stored(w, key), &f->out), 0);
	return wbuf_slice(&f->out);
}

/* Does some operations of a kind on items of their own, and then deletes a few of these. */
static void
fill_by_op(struct world *w, struct wset_op op, enum wset_kind del)
{
	char item[32], value[64];

	memset(value, 'v', sizeof(value));
	for (uint32_t i = 0; i < 300; i++) {
		struct slice name =
			slice_of(item, (size_t)snprintf(item, sizeof(item), "item %u", i));

		op.n = i + 1;
		if ((wset_has(op.kind) & WSET_HAS_FIELD) != 0) {
			op.field = name;
			op.value = (wset_has(op.kind) & WSET_HAS_VALUE) != 0
					   ? slice_of(value, sizeof(value))
					   : slice_of(NULL, 0);
		} else {
			op.value = name;
		}
		assert_int_equal(world_do(w, P, &op), 0);
		if (del != 0 && i % 7 == 0) {
			struct wset_op gone = { .kind = del, .key = op.key };

			if (del == WSET_SREM) {
				gone.value = name;
			} else {
				gone.field = name;
			}
			assert_int_equal(world_do(w, P, &gone), 0);
		}
	}
}

static void
each_type(void **state)
{
	static const struct {
		enum wset_kind add, del;
		bool deadline;
	} row[] = {
		{ WSET_SADD, WSET_SREM, false },
		{ WSET_MAP_PUT, WSET_MAP_DEL, false },
		{ WSET_MAP_INCR, WSET_MAP_DEL, false },
		{ WSET_ZADD, WSET_ZREM, false },
		{ WSET_ZINCR, 0, false },
		{ WSET_PUSH_LEFT, 0, false },
		{ WSET_PUSH_RIGHT, 0, true },
		{ WSET_MAP_PUT, 0, true },
	};
	struct flat *before = malloc(sizeof(*before)), *want = malloc(sizeof(*want));
	struct slice key = slice_str("k");

	(void)state;
	for (uint32_t i = 0; i < ARRAY_CNT(row); i++) {
		struct world *w = world_make(&(struct world_cfg){ 0 });
		struct wset_op op = { .kind = WSET_EXPIRE,
				      .key = key,
				      .n = INT64_C(3000000000000000) };
		uint8_t *delta_mem = malloc(FLAT_BYTES);
		struct wbuf delta = wbuf_init(delta_mem, FLAT_BYTES);
		struct cache_value v;
		struct envelope e;

		world_up(w, P);
		fill_by_op(w, (struct wset_op){ .kind = row[i].add, .key = key }, row[i].del);
		if (row[i].deadline) {
			assert_int_equal(world_do(w, P, &op), 0);
		}
		assert_true(slice_is_tree(world_stored(w, key)));
		op = (struct wset_op){ .kind = WSET_DEL, .key = key };
		/* The flat one, with a time before that of the one here. */
		assert_int_equal(delta_make(stored_flat(w, key, before), &op,
					    hlc_moment_of(
						    hlc_time_of_us(timebase_wall_us(&w->time.tb))),
					    (struct writer_id){ 0x1234 }, &delta),
				 0);
		want->out = wbuf_init(want->mem, sizeof(want->mem));
		assert_true(lattice_merge_into(LATTICE_ENVELOPE, wbuf_slice(&before->out),
					       wbuf_slice(&delta), &want->out) >= 0);
		assert_int_equal(world_do(w, P, &op), 0);
		assert_int_equal(world_get(w, P, key, &v), CACHE_ABSENT);
		assert_true(treeval_equal(v.envelope, world_stored(w, key)));
		if (row[i].deadline) {
			assert_int_equal(envelope_open(v.envelope, &e), 0);
			assert_int_equal(e.expiry.deadline.v, 0);
			assert_int_equal(e.expiry.stamp.writer.v, 0x1234);
		} else {
			assert_true(treeval_equal(v.envelope, wbuf_slice(&want->out)));
		}
		cache_view_release(&w->proc[P].view, &v);
		world_end(w);
		free(delta_mem);
	}
	free(before);
	free(want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delete_without_room),
		cmocka_unit_test(delete_in_a_full_store),
		cmocka_unit_test(delete_in_a_full_store_that_is_filled),
		cmocka_unit_test(deleted_in_pieces),
		cmocka_unit_test(deleted_beside_adds),
		cmocka_unit_test(delete_begun_anew),
		cmocka_unit_test(each_type),
		cmocka_unit_test(delete_of_what_is_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
