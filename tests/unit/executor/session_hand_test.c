/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a part of a DAG call at the level rr shows what those before it have read, with their
 *         writes on top, whoever writes meanwhile; bytes that no part made are refused.
 * Method: a real cache and store, one session after the other; what the first gives the second
 *         takes, from a copy. Every type with own writes; then bytes with one bit turned. */
#include <stdlib.h>

#include "lattice.h"
#include "rng.h"
#include "session_fixture.h"
#include "test_seed.h"
#include "wset.h"

static uint8_t *handed;
static size_t handed_len;

static void
begin_rr(void)
{
	assert_int_equal(session_end(s), 0);
	assert_int_equal(session_held(s), 0);
	session_begin(s, &(struct session_call){ .id = CALL, .repeatable = true });
}

/* The part ends: gives, publishes. */
static void
give(void)
{
	struct payload_ref ref;

	assert_int_equal(session_hand_give(s, &ref), 0);
	free(handed);
	handed = NULL;
	handed_len = ref.len;
	if (ref.len != 0) {
		handed = malloc(ref.len); /* of its length: the sanitizer sees who goes beyond */
		assert_non_null(handed);
		memcpy(handed, world_bytes(w, &ref), ref.len);
		assert_int_equal(payload_release(w->pool, ref.handle, PROC_DAEMON), 0);
	}
	assert_int_equal(session_publish(s), 0);
}

/* And the next begins. */
static void
next_part(void)
{
	give();
	begin_rr();
	assert_int_equal(session_hand_take(s, slice_of(handed, handed_len)), 0);
}

static int
teardown_hand(void **state)
{
	free(handed);
	handed = NULL;
	return teardown(state);
}

static void
nothing_is_nothing(void **state)
{
	begin_rr();
	give();
	assert_int_equal(handed_len, 0);
	begin(0); /* and at lww nothing is handed on */
	assert_int_equal(session_put(s, k("a"), k("1")), 0);
	give();
	assert_int_equal(handed_len, 0);
}

/* What was only written is read by the next part as the call wrote it. */
static void
writes_that_read_nothing(void **state)
{
	uint64_t cnt;
	bool is;

	world_put(w, "put", "old");
	world_put(w, "gone", "old");
	world_put(w, "n", "5");
	world_sadd(w, "set", "a");
	world_sadd(w, "set", "b");
	world_evict(w);
	begin_rr();
	assert_int_equal(session_put(s, k("put"), k("own")), 0);
	assert_int_equal(session_put(s, k("new"), k("own")), 0);
	assert_int_equal(session_delete(s, k("gone")), 0);
	assert_int_equal(session_delete(s, k("never")), 0);
	assert_int_equal(session_incr(s, k("n"), 1, NULL), 0);
	assert_int_equal(session_srem(s, k("set"), k("a")), 0);
	next_part();
	world_put(w, "put", "other");
	world_put(w, "new", "other");
	world_put(w, "gone", "other");
	world_put(w, "never", "other");
	world_put(w, "n", "100");
	world_sadd(w, "set", "a");
	for (int part = 0; part < 2; part++) {
		assert_shows("put", "own");
		assert_shows("new", "own");
		assert_absent("gone");
		assert_absent("never");
		assert_shows("n", "6");
		assert_int_equal(session_sismember(s, k("set"), k("a"), &is), 0);
		assert_false(is);
		assert_int_equal(session_scard(s, k("set"), &cnt), 0);
		assert_int_equal(cnt, 1);
		next_part();
	}
}

static void
what_was_read_first_stays(void **state)
{
	char big[300];

	memset(big, 'x', sizeof(big) - 1);
	big[299] = '\0';
	world_put(w, "small", "1");
	world_put(w, "large", big);
	begin_rr();
	assert_shows("small", "1");
	assert_shows("large", big);
	assert_absent("none");
	for (int part = 0; part < 3; part++) {
		next_part();
		world_put(w, "small", "2");
		world_put(w, "large", "2");
		world_put(w, "none", "2");
		world_put(w, "later", part == 0 ? "now" : "then");
		assert_shows("later", "now");
		assert_shows("small", "1");
		assert_shows("large", big);
		assert_absent("none");
	}
}

/* Own writes of each kind, over what was read, and what others do meanwhile is not seen. */
static void
own_writes_lie_on_top(void **state)
{
	static uint8_t long_member[2 * KEY_BYTES_MAX + WSET_INLINE_MAX];
	struct slice b = slice_of(long_member, sizeof(long_member));
	struct session_iter it;
	struct slice got, score_of;
	double score;
	int64_t n;
	uint64_t cnt;
	bool is;

	world_put(w, "n", "5");
	world_put(w, "over", "old");
	world_put(w, "gone", "here");
	world_sadd(w, "set", "a");
	begin_rr();
	assert_int_equal(session_map_put(s, k("map"), k("f"), k("old")), 0);
	assert_int_equal(session_list_push(s, k("list"), LIST_RIGHT, k("one")), 0);
	assert_int_equal(session_zadd(s, k("zset"), k("m"), 1.5), 0);
	assert_int_equal(session_publish(s), 0);
	begin_rr();
	assert_shows("n", "5");
	assert_shows("over", "old");
	assert_shows("gone", "here");
	assert_absent("new");
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(session_map_cnt(s, k("map"), &cnt), 0);
	assert_int_equal(session_list_cnt(s, k("list"), &cnt), 0);
	assert_int_equal(session_zcard(s, k("zset"), &cnt), 0);

	assert_int_equal(session_incr(s, k("n"), 2, &n), 0);
	assert_int_equal(session_put(s, k("over"), k("written")), 0);
	assert_int_equal(session_incr(s, k("new"), 7, &n), 0);
	assert_int_equal(session_delete(s, k("gone")), 0);
	assert_int_equal(session_sadd(s, k("set"), b), 0);
	assert_int_equal(session_srem(s, k("set"), k("a")), 0);
	assert_int_equal(session_map_put(s, k("map"), k("g"), k("4")), 0);
	assert_int_equal(session_map_incr(s, k("map"), k("g"), 1, &n), 0);
	assert_int_equal(session_map_delete(s, k("map"), k("f")), 0);
	assert_int_equal(session_list_push(s, k("list"), LIST_RIGHT, k("two")), 0);
	assert_int_equal(session_zincr(s, k("zset"), k("m"), 2, &score), 0);
	world_put(w, "n", "100");
	world_sadd(w, "set", "c");

	for (int part = 0; part < 2; part++) {
		next_part();
		assert_shows("n", "7");
		assert_shows("over", "written");
		assert_shows("new", "7");
		assert_absent("gone");
		assert_int_equal(session_scard(s, k("set"), &cnt), 0);
		assert_int_equal(cnt, 1);
		assert_int_equal(session_sismember(s, k("set"), b, &is), 0);
		assert_true(is);
		assert_int_equal(session_map_cnt(s, k("map"), &cnt), 0);
		assert_int_equal(cnt, 1);
		assert_int_equal(session_map_get(s, k("map"), k("g"), &got), 0);
		assert_true(slice_eq(got, k("5")));
		assert_int_equal(session_list_cnt(s, k("list"), &cnt), 0);
		assert_int_equal(cnt, 2);
		assert_int_equal(session_list_get(s, k("list"), -1, &got), 0);
		assert_true(slice_eq(got, k("two")));
		assert_int_equal(session_zset_begin(s, k("zset"), &it), 0);
		assert_true(session_zset_next(s, &it, &score_of, &score));
		assert_true(score == 3.5);
	}
	/* In the store they met what others wrote. */
	begin(0);
	assert_shows("n", "102");
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 2);
}

/* Writes of two parts to one key: both are there, and a version says so. */
static void
writes_of_two_parts(void **state)
{
	struct hash128 v[3];
	int64_t n;

	begin_rr();
	assert_absent("n");
	assert_int_equal(session_incr(s, k("n"), 1, &n), 0);
	next_part();
	assert_int_equal(session_version(s, k("n"), &v[0]), 0);
	assert_int_equal(session_incr(s, k("n"), 1, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(session_version(s, k("n"), &v[1]), 0);
	next_part();
	assert_shows("n", "2");
	assert_int_equal(session_version(s, k("n"), &v[2]), 0);
	assert_true(v[1].lo == v[2].lo && v[1].hi == v[2].hi);
	assert_true(v[0].lo != v[1].lo || v[0].hi != v[1].hi);
	begin(0);
	assert_shows("n", "2");
}

static void
large_collections(void **state)
{
	char member[16];
	uint64_t cnt;
	bool is;

	for (uint32_t i = 0; i < 2000; i++) { /* a tree */
		snprintf(member, sizeof(member), "member-%u", i);
		assert_int_equal(session_sadd(s, k("set"), k(member)), 0);
	}
	assert_int_equal(session_publish(s), 0);
	begin_rr();
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 2000);
	next_part();
	world_sadd(w, "set", "other");
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 2000);
	assert_int_equal(session_sadd(s, k("set"), k("own")), 0);
	next_part();
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 2001);
	assert_int_equal(session_sismember(s, k("set"), k("member-1999"), &is), 0);
	assert_true(is);
	assert_int_equal(session_sismember(s, k("set"), k("other"), &is), 0);
	assert_false(is);
}

/* Own writes of which nothing is left, over a tree that stands in the epoch of nobody. */
static void
a_large_list_that_stays_as_it_is(void **state)
{
	struct slice got;
	uint64_t cnt;

	for (uint32_t i = 0; i < 2000; i++) {
		assert_int_equal(session_list_push(s, k("list"), LIST_RIGHT, k("item")), 0);
	}
	assert_int_equal(session_publish(s), 0);
	begin_rr();
	assert_int_equal(session_list_push(s, k("list"), LIST_RIGHT, k("own")), 0);
	assert_int_equal(session_list_pop(s, k("list"), LIST_RIGHT, &got), 0);
	next_part();
	assert_int_equal(session_list_cnt(s, k("list"), &cnt), 0);
	assert_int_equal(cnt, 2000);
}

/* What is too much is refused with a word, and nothing of it is kept. */
static void
too_much(void **state)
{
	struct payload_ref ref;
	struct slice got;

	world_put(w, "a", "1");
	begin_rr();
	assert_int_equal(session_get(s, k("a"), &got), 0);
	w->seg_budget = 0;
	for (uint32_t i = 0; i < 4; i++) { /* its own memory, but for a rest */
		uint8_t *p;

		while (payload_alloc(w->pool, (1 << 20) >> (4 * i), WORLD_PROC, &ref, &p) == 0) {
		}
	}
	while (session_hand_give(s, &ref) == 0) {
		payload_hold(w->pool, ref.handle, WORLD_PROC);
		payload_release(w->pool, ref.handle, PROC_DAEMON);
	}
	assert_non_null(strstr(session_why(s), "memory"));
	assert_int_equal(ref.len, 0);
	payload_release_all(w->pool, WORLD_PROC);
}

/* From a stranger. */
static void
any_bytes(void **state)
{
	uint8_t *bad;
	struct rng rng;
	uint32_t refused = 0, runs;
	struct payload_ref ref;
	struct slice got;

	rng_init(&rng, test_seed("session_hand any_bytes"));
	world_put(w, "a", "1");
	world_sadd(w, "b", "member");
	begin_rr();
	assert_shows("a", "1");
	assert_int_equal(session_get(s, k("b"), &got), MB_ERR_TYPE);
	give();
	bad = malloc(handed_len);
	assert_non_null(bad);
	for (runs = 0; runs < 3000; runs++) {
		size_t len = rng_below(&rng, 2) != 0 ? handed_len : rng_below(&rng, handed_len);

		begin_rr();
		memcpy(bad, handed, handed_len);
		bad[rng_below(&rng, handed_len)] ^= (uint8_t)(1 << rng_below(&rng, 8));
		if (session_hand_take(s, slice_of(bad, len)) != 0) {
			refused++;
			continue;
		}
		(void)session_get(s, k("a"), &got);
		assert_int_equal(session_hand_give(s, &ref), 0); /* what was taken can be given */
		payload_release(w->pool, ref.handle, PROC_DAEMON);
	}
	assert_true(refused > runs / 2);
	free(bad);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown_hand)
		TEST(nothing_is_nothing),
		TEST(writes_that_read_nothing),
		TEST(what_was_read_first_stays),
		TEST(own_writes_lie_on_top),
		TEST(writes_of_two_parts),
		TEST(large_collections),
		TEST(a_large_list_that_stays_as_it_is),
		TEST(too_much),
		TEST(any_bytes),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
