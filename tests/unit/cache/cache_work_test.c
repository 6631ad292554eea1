/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a key that is asked for comes, once however many ask, or is known to be absent; what
 *         cannot come is an error to all who wait, and nothing stays behind.
 * Method: a cache_world whose messages are moved one by one. Failures first.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"
#include "hash.h"
#include "kvs_value.h"
#include "lattice.h"
#include "microburst/error.h"
#include "test_cmocka.h"
#include "tile_msg.h"

#define P 1
#define Q 2

static void
bad_requests(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .shard_cnt = 2 });
	struct cache_from from = { CACHE_FROM_PROC, P };
	struct desc d = { .kind = DESC_FETCH, .b = 1 };
	char key[16];
	uint32_t i = 0;

	(void)state;
	world_up(w, P);
	d.flags = DESC_F_INLINE; /* no key */
	assert_true(cache_core_step(w->core, from, &d));
	assert_int_equal(world_answer(w, P, DESC_FETCHED, 1).err, MB_ERR_INVALID);
	d.flags = 0; /* a payload that is not there */
	d.ref.len = 100;
	assert_true(cache_core_step(w->core, from, &d));
	assert_int_equal(world_answer(w, P, DESC_FETCHED, 1).err, MB_ERR_INVALID);
	d.ref.len = KEY_BYTES_MAX + 1;
	assert_true(cache_core_step(w->core, from, &d));
	assert_int_equal(world_answer(w, P, DESC_FETCHED, 1).err, MB_ERR_TOO_LARGE);
	do { /* another tile's key */
		snprintf(key, sizeof(key), "k%u", i++);
	} while (cache_tile_of(hash_bytes(key, strlen(key)), 2) == 0);
	world_fetch(w, P, slice_str(key), 2);
	assert_int_equal(world_answer(w, P, DESC_FETCHED, 2).err, MB_ERR_INVALID);
	/* An inline length that no descriptor has: not a request at all. */
	d.flags = DESC_F_INLINE;
	d.len = DESC_INLINE_BYTES + 1;
	assert_false(cache_core_step(w->core, from, &d));
	assert_int_equal(cache_core_stats(w->core).bad, 1);
	assert_int_equal(w->to_kvs[0].cnt, 0);
	world_end(w);
}

/* A value larger than the cache: an error to everybody, and the store has its bytes back. */
static void
no_room(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	uint8_t *mem = malloc(20 << 20);
	struct wbuf out = wbuf_init(mem, 20 << 20);
	struct slice key = slice_str("huge");
	static uint8_t value[6 << 20];

	(void)state;
	world_up(w, P);
	assert_int_equal(kvs_shard_merge(w->shard[0], key,
					 value_set(&out, 1, slice_of(value, sizeof(value)))),
			 0);
	world_fetch(w, P, key, 1);
	world_fetch(w, P, key, 2);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_FETCHED, 1).err, MB_ERR_TOO_LARGE);
	assert_int_equal(world_answer(w, P, DESC_FETCHED, 2).err, MB_ERR_TOO_LARGE);
	assert_int_equal(world_incr(w, P, "huge", 1), MB_ERR_TOO_LARGE);
	free(mem);
	world_end(w);
}

/* Several keys for which there is no room: each is remembered, and what is taken off them, in
 * turns, is done in the store without their being asked for again. */
static void
several_without_room(void **state)
{
	enum { CNT = 100000, KEYS = 5, TURNS = 20 };
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	char name[KEYS][8];

	(void)state;
	world_up(w, P);
	for (uint32_t i = 0; i < KEYS; i++) {
		snprintf(name[i], sizeof(name[i]), "set%u", i);
		assert_int_equal(world_fill(w, slice_str(name[i]), LATTICE_ORSET, 0, CNT), 0);
		world_fetch(w, P, slice_str(name[i]), i);
		world_settle(w);
		assert_int_equal(world_answer(w, P, DESC_FETCHED, i).err, MB_ERR_TOO_LARGE);
	}
	for (uint64_t i = 0; i < TURNS * KEYS; i++) {
		uint64_t member = htobe64(i);
		struct wset_op op = { .kind = WSET_SREM,
				      .key = slice_str(name[i % KEYS]),
				      .value = slice_of(&member, sizeof(member)) };

		assert_int_equal(world_do(w, P, &op), 0);
	}
	assert_int_equal(cache_core_stats(w->core).fetched, KEYS);
	assert_int_equal(cache_core_stats(w->core).passed, TURNS * KEYS);
	world_end(w);
}

/* Memory that a reader holds: an error, until he lets go. */
static void
held_memory(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	static uint8_t value[1200 << 10];
	struct slice all = slice_of(value, sizeof(value));
	struct cache_value v;

	(void)state;
	world_up(w, P);
	world_up(w, Q);
	assert_int_equal(world_put(w, P, "a", all), 0);
	assert_int_equal(world_get(w, Q, slice_str("a"), &v), CACHE_HIT);
	assert_int_equal(world_put(w, P, "b", all), MB_ERR_NO_MEMORY);
	cache_view_release(&w->proc[Q].view, &v);
	assert_int_equal(world_put(w, P, "b", all), 0);
	world_end(w);
}

/* Others wait for a reader as well, though not as long: he is most often about to let go. */
static void
a_short_value_waits_for_readers(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	static uint8_t value[800 << 10], mem[1700 << 10];
	const char *const name[] = { "a", "b", "c" };
	struct cache_value v[2];

	(void)state;
	world_up(w, P);
	world_up(w, Q);
	for (uint32_t i = 0; i < ARRAY_CNT(name); i++) {
		struct wbuf out = wbuf_init(mem, sizeof(mem));

		assert_int_equal(kvs_shard_merge(w->shard[0], slice_str(name[i]),
						 value_set(&out, 1 + i,
							   slice_of(value, sizeof(value)))),
				 0);
	}
	assert_int_equal(world_get(w, Q, slice_str("a"), &v[0]), CACHE_HIT);
	assert_int_equal(world_get(w, Q, slice_str("b"), &v[1]), CACHE_HIT);
	world_fetch(w, P, slice_str("c"), 1);
	for (uint32_t i = 0; i < 100; i++) {
		world_turn(w);
	}
	assert_int_equal(w->proc[P].answer_cnt, 0);
	cache_view_release(&w->proc[Q].view, &v[0]);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_FETCHED, 1).err, 0);
	cache_view_release(&w->proc[Q].view, &v[1]);
	world_end(w);
}

static void
absent(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct desc d;
	struct cache_value v;
	char long_key[200];

	(void)state;
	memset(long_key, 'l', sizeof(long_key));
	world_up(w, P);
	for (uint32_t i = 0; i < 2; i++) {
		struct slice key = i == 0 ? slice_str("k") : slice_of(long_key, sizeof(long_key));

		world_fetch(w, P, key, 1);
		world_settle(w);
		d = world_answer(w, P, DESC_FETCHED, 1);
		assert_int_equal(d.err, 0);
		assert_int_equal(d.sub, CACHE_FOUND_ABSENT);
		assert_int_equal(d.call, 9);
		assert_int_equal(cache_view_get(&w->proc[P].view, key, &v), CACHE_ABSENT);
		cache_view_release(&w->proc[P].view, &v);
		/* It is known now. */
		world_fetch(w, P, key, 2);
		assert_int_equal(world_answer(w, P, DESC_FETCHED, 2).sub, CACHE_FOUND_ABSENT);
	}
	assert_int_equal(cache_core_stats(w->core).fetched, 2);
	world_end(w);
}

/* Many who ask at once cause one GET; one who is gone by then gets no answer. */
static void
joined(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct slice key = slice_str("k");

	(void)state;
	for (uint16_t p = 1; p < 5; p++) {
		world_up(w, p);
	}
	for (uint16_t p = 1; p < 5; p++) {
		world_fetch(w, p, key, p);
	}
	assert_int_equal(w->to_kvs[0].cnt, 1);
	world_down(w, 4);
	assert_int_equal(w->to_ctl_cnt, 1); /* a FETCH does not keep a process's memory */
	w->proc[4].inc = 0;
	world_settle(w);
	for (uint16_t p = 1; p < 4; p++) {
		assert_int_equal(world_answer(w, p, DESC_FETCHED, p).err, 0);
	}
	assert_int_equal(cache_core_stats(w->core).fetched, 1);
	assert_int_equal(cache_core_stats(w->core).fetch_joined, 3);
	world_end(w);
}

/* A long value comes in pieces, and is shown when it is whole. */
static void
long_fill(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 64 << 20 });
	uint8_t *mem = malloc(24 << 20), *value = malloc(8 << 20);
	struct wbuf out = wbuf_init(mem, 24 << 20);
	struct slice key = slice_str("long");
	struct cache_value v;
	uint32_t polls = 0;

	(void)state;
	world_up(w, P);
	memset(value, 'L', 8 << 20);
	assert_int_equal(kvs_shard_merge(w->shard[0], key,
					 value_set(&out, 1, slice_of(value, 8 << 20))),
			 0);
	world_fetch(w, P, key, 1);
	world_kvs(w, 0, 1);
	world_core(w, 0, 1);
	while (!world_answered(w, P, 1)) {
		assert_int_equal(cache_view_get(&w->proc[P].view, key, &v), CACHE_MISS);
		assert_true(cache_core_poll(w->core));
		polls++;
	}
	assert_int_equal(polls, 128);
	assert_int_equal(world_answer(w, P, DESC_FETCHED, 1).sub, CACHE_FOUND_PRESENT);
	assert_int_equal(cache_view_get(&w->proc[P].view, key, &v), CACHE_HIT);
	assert_true(slice_eq(value_text(v.envelope), slice_of(value, 8 << 20)));
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(w->shard[0]->pin_cnt, 1);
	world_settle(w);
	assert_int_equal(w->shard[0]->pin_cnt, 0);
	free(mem);
	free(value);
	world_end(w);
}

/* More keys than can be at work at once: all come, none is lost, the links do not overflow. */
static void
many_keys(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .kvs_cnt = 3 });
	const uint32_t cnt = 3000;
	uint32_t asked = 0;
	char key[16];

	(void)state;
	world_up(w, P);
	while (asked < cnt) {
		while (asked < cnt && cache_core_room(w->core) > 0) {
			snprintf(key, sizeof(key), "k%u", asked);
			world_fetch(w, P, slice_str(key), ++asked);
		}
		world_turn(w);
	}
	world_settle(w);
	for (uint32_t i = 1; i <= cnt; i++) {
		assert_int_equal(world_answer(w, P, DESC_FETCHED, i).err, 0);
	}
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(no_room),
		cmocka_unit_test(several_without_room),
		cmocka_unit_test(held_memory),
		cmocka_unit_test(a_short_value_waits_for_readers),
		cmocka_unit_test(absent),
		cmocka_unit_test(joined),
		cmocka_unit_test(long_fill),
		cmocka_unit_test(many_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
