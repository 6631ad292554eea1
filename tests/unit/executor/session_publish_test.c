/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what is held becomes one write set a cache tile, of as few operations as it amounts to; a
 *         refusal of the store names its operation; no answer in time is neither yes nor no.
 * Method: one tile and three; operations that the store refuses; answers held back. */
#include "session_fixture.h"

static void
the_store_s_refusal_names_the_operation(void **state)
{
	world_sadd(w, "members", "m");
	assert_int_equal(session_end(s), 0);
	world_evict(w);
	session_begin(s, &(struct session_call){ .id = CALL });
	assert_int_equal(session_put(s, k("before"), k("1")), 0);
	assert_int_equal(session_incr(s, k("members"), 1, NULL), 0); /* not cached: not seen */
	assert_int_equal(session_put(s, k("after"), k("2")), 0);
	assert_int_equal(session_publish(s), MB_ERR_TYPE);
	assert_non_null(strstr(session_why(s), "the incr of 'members'"));
	assert_string_equal(world_text(w, k("before")), "1");
	assert_string_equal(world_text(w, k("after")), "2");
	assert_string_equal(world_text(w, k("members")), "(set of 1)");
}

static void
a_publication_without_an_answer_is_indeterminate(void **state)
{
	static uint8_t large[100000];

	begin(w->time.now_ns + 1000000000);
	assert_int_equal(session_put(s, k("a"), k("1")), 0);
	assert_int_equal(session_put(s, k("large"), slice_of(large, sizeof(large))), 0);
	w->hold = true;
	assert_int_equal(session_publish(s), MB_ERR_INDETERMINATE);
	/* Another one waits for it, within the deadline. */
	assert_int_equal(session_put(s, k("a"), k("2")), 0);
	assert_int_equal(session_publish(s), MB_ERR_INDETERMINATE);
	w->hold = false;
	session_discard(s);
	begin(0);
	assert_string_equal(world_text(w, k("a")), "1");
}

static void
increments_add_up_to_one_operation(void **state)
{
	int64_t x;

	world_put(w, "n", "1000");
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(session_incr(s, k("n"), 1, NULL), 0);
	}
	assert_int_equal(session_get_i64(s, k("n"), &x), 0);
	assert_int_equal(x, 2000);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("n")), "2000");
	assert_int_equal(cache_core_stats(w->cache[0].core).op_applied, 2);
}

static void
each_tile_gets_its_keys(void **state)
{
	static uint8_t large[20000];
	char key[16];

	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		assert_int_equal(session_incr(s, k(key), i, NULL), 0);
		snprintf(key, sizeof(key), "large %d", i);
		assert_int_equal(session_put(s, k(key), slice_of(large, sizeof(large))), 0);
	}
	assert_int_equal(session_publish(s), 0);
	assert_int_equal(w->sent[DESC_PUBLISH], 3);
	for (int i = 0; i < 100; i++) {
		char text[16];

		snprintf(key, sizeof(key), "key %d", i);
		snprintf(text, sizeof(text), "%d", i);
		assert_string_equal(world_text(w, k(key)), text);
	}
}

/* Whichever message was the last that it sent, what it published happened, all of it, once. */
static void
dies_between_the_messages(void **state)
{
	static uint8_t large[20000];
	char key[16];

	for (uint32_t sent = 0; sent <= 3; sent++) {
		session_begin(s, &(struct session_call){ .id = CALL + sent,
							 .deadline_ns = w->time.now_ns + 1 });
		for (int i = 0; i < 20; i++) {
			snprintf(key, sizeof(key), "key %d", i);
			assert_int_equal(session_incr(s, k(key), 1, NULL), 0);
			snprintf(key, sizeof(key), "large %u.%d", sent, i);
			assert_int_equal(session_put(s, k(key), slice_of(large, sizeof(large))), 0);
		}
		assert_int_equal(w->commit.whole, 0);
		w->dies_in = sent < 3 ? sent + 1 : 0;
		w->hold = true;
		assert_int_equal(session_publish(s),
				 sent < 3 ? MB_ERR_NO_NODE : MB_ERR_INDETERMINATE);
		assert_int_equal(w->commit.whole, 1);
		w->hold = false;
		world_die(w);
		for (uint32_t t = 0; t < 3; t++) {
			assert_int_equal(w->down_call[t], CALL + sent);
		}
		/* What is left of it here: the fixture's. */
		while (w->answers.cnt != 0) {
			struct desc d;

			assert_int_equal(w->wait.answer(w->wait.ctx, 0, &d), 1);
			session_on_answer(s, &d);
		}
		assert_int_equal(w->commit.whole, 0);
		session_discard(s);
		assert_int_equal(session_end(s), 0);
		for (int i = 0; i < 20; i++) {
			char text[16];

			snprintf(text, sizeof(text), "%u", sent + 1);
			snprintf(key, sizeof(key), "key %d", i);
			assert_string_equal(world_text(w, k(key)), text);
			snprintf(key, sizeof(key), "large %u.%d", sent, i);
			assert_string_not_equal(world_text(w, k(key)), "(absent)");
		}
	}
	session_begin(s, &(struct session_call){ .id = CALL });
}

/* What was answered is not had again from a record that was not taken back in time, and what goes
 * to one tile needs none. */
static void
dies_behind_the_answers(void **state)
{
	assert_int_equal(session_incr(s, k("one"), 1, NULL), 0);
	assert_int_equal(session_publish(s), 0);
	assert_int_equal(w->commit.d[PORT_CACHE_FIRST].kind, DESC_NONE);
	for (int i = 0; i < 20; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key %d", i);
		assert_int_equal(session_incr(s, k(key), 1, NULL), 0);
	}
	assert_int_equal(session_publish(s), 0);
	assert_int_equal(w->commit.whole, 0);
	w->commit.whole = 1;
	world_die(w);
	w->answers.cnt = 0;
	w->commit.whole = 0;
	for (int i = 0; i < 20; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key %d", i);
		assert_string_equal(world_text(w, k(key)), "1");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(the_store_s_refusal_names_the_operation),
		TEST(a_publication_without_an_answer_is_indeterminate),
		TEST(increments_add_up_to_one_operation),
#undef TEST
		cmocka_unit_test_setup_teardown(each_tile_gets_its_keys, setup_tiles, teardown),
		cmocka_unit_test_setup_teardown(dies_between_the_messages, setup_tiles, teardown),
		cmocka_unit_test_setup_teardown(dies_behind_the_answers, setup_tiles, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
