/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   views are bounded, found again, and can be let go; a key that is not cached is fetched,
 *         until the deadline at most.
 * Method: more values than may be held; a cache that forgets; answers that do not come. */
#include "session_fixture.h"

static void
views_have_a_limit_and_a_way_out(void **state)
{
	static char value[600];
	char key[32];
	struct slice got;
	int64_t x;
	int i, err = 0;

	memset(value, 'v', sizeof(value) - 1);
	for (i = 0; i < HAZARD_CNT + 8; i++) {
		snprintf(key, sizeof(key), "large %d", i);
		world_put(w, key, value);
	}
	for (i = 0; err == 0; i++) {
		snprintf(key, sizeof(key), "large %d", i);
		err = session_get(s, k(key), &got);
		/* The same value twice is one view. */
		assert_int_equal(err == 0 ? session_get(s, k(key), &got) : 0, 0);
	}
	assert_int_equal(err, MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "mb_release"));
	assert_int_equal(i, HAZARD_CNT); /* one slot is for looking: what is read and not shown */
	assert_int_equal(session_get_i64(s, k(key), &x), MB_ERR_TYPE);
	session_release(s, k("large 0"));
	assert_int_equal(session_get(s, k(key), &got), 0);
	session_views_end(s);
	assert_int_equal(session_held(s), 0);
}

static void
small_views_have_a_limit_too(void **state)
{
	char key[32];
	struct slice got;
	int i, err = 0;

	for (i = 0; i <= SESSION_VIEW_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		world_put(w, key, "v");
	}
	for (i = 0; err == 0; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		err = session_get(s, k(key), &got);
	}
	assert_int_equal(err, MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "8,192"));
	session_release(s, k("k0"));
	session_release(s, k("k1"));
	assert_int_equal(session_get(s, k("k1"), &got), 0);
	for (i = 0; i < 3 * SESSION_VIEW_MAX; i++) { /* one value, however often */
		assert_int_equal(session_get(s, k("k2"), &got), 0);
	}
}

/* How many had been asked for when the first answer was waited for. */
static int (*real_answer)(void *ctx, uint64_t until_ns, struct desc *ret);
static uint32_t asked_first;

static int
note_asked(void *ctx, uint64_t until_ns, struct desc *ret)
{
	asked_first = asked_first != 0 ? asked_first : w->sent[DESC_FETCH];
	return real_answer(ctx, until_ns, ret);
}

static void
keys_are_fetched_at_the_same_time(void **state)
{
	struct slice key[100], got;
	char name[100][64];

	for (int i = 0; i < 100; i++) {
		snprintf(name[i], sizeof(name[i]), "key %d%s", i,
			 i % 2 == 0 ? "" : ", whose name is longer than a descriptor has room");
		world_put(w, name[i], name[i]);
		key[i] = k(name[i]);
	}
	world_evict(w);
	w->sent[DESC_FETCH] = 0;
	asked_first = 0;
	real_answer = w->wait.answer;
	w->wait.answer = note_asked;
	assert_int_equal(session_prefetch(s, key, 20), 0);
	assert_int_equal(asked_first, 20);
	assert_int_equal(session_prefetch(s, key, 100), 0); /* more than may be out at a time */
	w->wait.answer = real_answer;
	assert_int_equal(w->sent[DESC_FETCH], 100);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(session_get(s, key[i], &got), 0);
		assert_int_equal(got.len, key[i].len);
	}
	assert_int_equal(w->sent[DESC_FETCH], 100);
}

static void
a_fetch_ends_at_the_deadline(void **state)
{
	struct slice got;

	world_put(w, "far", "value");
	world_evict(w);
	begin(w->time.now_ns + 1000000000);
	w->hold = true;
	assert_int_equal(session_get(s, k("far"), &got), MB_ERR_DEADLINE);
	w->hold = false;
	session_discard(s);
	assert_int_equal(session_end(s), 0);
	/* The answer that came too late belongs to nobody, and gives back what it has. */
	while (w->answers.cnt != 0) {
		struct desc d;

		assert_int_equal(w->wait.answer(w, 0, &d), 1);
		session_on_answer(s, &d);
	}
	session_begin(s, &(struct session_call){ .id = CALL });
	assert_shows("far", "value");
}

static void
a_blind_increment_fetches_nothing(void **state)
{
	world_put(w, "n", "5");
	assert_int_equal(session_end(s), 0);
	world_evict(w);
	session_begin(s, &(struct session_call){ .id = CALL });
	assert_int_equal(session_incr(s, k("n"), 1, NULL), 0);
	assert_int_equal(w->sent[DESC_FETCH], 0);
	assert_shows("n", "6");
	assert_int_equal(w->sent[DESC_FETCH], 1);
}

/* The cache may still show a key that has ended: nobody sees it. */
static void
a_key_ends_at_its_deadline(void **state)
{
	struct wset_op op = { .kind = WSET_EXPIRE, .key = slice_str("short") };
	int64_t x;

	world_put(w, "short", "1");
	op.n = (int64_t)timebase_wall_us(&w->time.tb) + 2 * US_PER_S;
	assert_int_equal(world_do(w, &op), 0);
	assert_shows("short", "1");
	timebase_virtual_advance(&w->time, NS_PER_S);
	assert_shows("short", "1");
	timebase_virtual_advance(&w->time, NS_PER_S);
	assert_absent("short");
	assert_int_equal(session_get_i64(s, k("short"), &x), MB_ERR_NOT_FOUND);
	/* What is added now begins at nothing. */
	assert_int_equal(session_incr(s, k("short"), 5, &x), 0);
	assert_int_equal(x, 5);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	timebase_virtual_advance(&w->time, NS_PER_S);
	assert_shows("short", "5");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(views_have_a_limit_and_a_way_out),  TEST(small_views_have_a_limit_too),
		TEST(keys_are_fetched_at_the_same_time), TEST(a_blind_increment_fetches_nothing),
		TEST(a_key_ends_at_its_deadline),        TEST(a_fetch_ends_at_the_deadline),
		TEST(a_blind_increment_fetches_nothing), TEST(a_key_ends_at_its_deadline),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
