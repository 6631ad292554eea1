/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a set shows the stored members without those this call removed, and those it added;
 *         what it removes is removed, what others add meanwhile stays; a member is of any length
 *         that a value has.
 * Method: by hand; random operations on all types are in session_op_test. */
#include "session_fixture.h"

#include <stdlib.h>

#include "view.h"
#include "wset.h"

/* Members as long as keys, small values, slabs, and one more; and segments. */
static const size_t lengths[] = {
	0,         1,     KEY_BYTES_MAX, KEY_BYTES_MAX + 1, WSET_INLINE_MAX, WSET_INLINE_MAX + 1,
	64 * 1024, 65537, 1 << 20,
};
static uint8_t text[(1 << 20) + 1];

static struct slice
member_of(size_t len)
{
	return slice_of(text, len);
}

static int
text_fill(void **state)
{
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = (uint8_t)(i * 7 + i / 256);
	}
	return 0;
}

static void
sets_show_stored_and_own_members(void **state)
{
	struct session_iter it;
	struct slice m;
	uint64_t cnt;
	int seen = 0;
	bool in;

	world_sadd(w, "set", "a");
	world_sadd(w, "set", "b");
	assert_int_equal(session_sadd(s, k("set"), k("b")), 0);
	assert_int_equal(session_sadd(s, k("set"), k("c")), 0);
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 3);
	assert_int_equal(session_sismember(s, k("set"), k("a"), &in), 0);
	assert_true(in);
	assert_int_equal(session_sismember(s, k("set"), k("c"), &in), 0);
	assert_true(in);
	assert_int_equal(session_sismember(s, k("set"), k("d"), &in), 0);
	assert_false(in);
	assert_int_equal(session_set_begin(s, k("set"), &it), 0);
	while (session_set_next(s, &it, &m)) {
		assert_int_equal(m.len, 1);
		seen |= 1 << (m.p[0] - 'a');
	}
	assert_int_equal(seen, 7);
	assert_int_equal(session_scard(s, k("nothing"), &cnt), 0);
	assert_int_equal(cnt, 0);
	/* A delete takes the stored ones away, too. */
	assert_int_equal(session_delete(s, k("set")), 0);
	assert_int_equal(session_sadd(s, k("set"), k("e")), 0);
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 1);
	assert_int_equal(session_sismember(s, k("set"), k("c"), &in), 0);
	assert_false(in);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "(set of 1)");
}

static void
removed_members_are_gone_at_once(void **state)
{
	struct session_iter it;
	struct slice m, got;
	uint64_t cnt;
	bool in;

	world_sadd(w, "set", "a");
	world_sadd(w, "set", "b");
	assert_int_equal(session_srem(s, k("set"), k("a")), 0);
	assert_int_equal(session_srem(s, k("set"), k("never there")), 0);
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 1);
	assert_int_equal(session_sismember(s, k("set"), k("a"), &in), 0);
	assert_false(in);
	assert_int_equal(session_set_begin(s, k("set"), &it), 0);
	assert_true(session_set_next(s, &it, &m));
	assert_true(slice_eq(m, k("b")));
	assert_false(session_set_next(s, &it, &m));
	assert_false(session_set_next(s, &it, &m));
	/* The last word counts. */
	assert_int_equal(session_sadd(s, k("set"), k("a")), 0);
	assert_int_equal(session_srem(s, k("set"), k("b")), 0);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "(set of 1)");
	assert_true(world_has(w, k("set"), k("a")));
	/* Emptied: the key is absent, for this call and for all. */
	begin(0);
	assert_int_equal(session_srem(s, k("set"), k("a")), 0);
	assert_int_equal(session_get(s, k("set"), &got), MB_ERR_NOT_FOUND);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "(absent)");
	/* And may be of another type now. */
	begin(0);
	assert_int_equal(session_incr(s, k("set"), 1, NULL), 0);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "1");
}

static void
a_member_added_meanwhile_survives_a_delete(void **state)
{
	world_sadd(w, "set", "a");
	assert_int_equal(session_delete(s, k("set")), 0);
	world_sadd(w, "other", "b");
	assert_int_equal(session_sadd(s, k("set"), k("c")), 0);
	assert_int_equal(session_publish(s), 0);
	assert_false(world_has(w, k("set"), k("a")));
	assert_true(world_has(w, k("set"), k("c")));
	begin(0);
	assert_int_equal(session_srem(s, k("str"), k("m")), 0);
	assert_int_equal(session_put(s, k("str"), k("text")), 0);
	assert_int_equal(session_srem(s, k("str"), k("m")), MB_ERR_TYPE);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("str")), "text");
}

/* Which of the lengths a walk shows, a bit each. */
static uint32_t
walked(const char *key)
{
	struct session_iter it;
	struct slice m;
	uint32_t seen = 0;

	assert_int_equal(session_set_begin(s, k(key), &it), 0);
	while (session_set_next(s, &it, &m)) {
		for (size_t i = 0; i < ARRAY_CNT(lengths); i++) {
			if (m.len == lengths[i]) {
				assert_false(seen >> i & 1);
				assert_true(slice_eq(m, member_of(m.len)));
				seen |= 1u << i;
			}
		}
	}
	return seen;
}

/* The session shows the members whose bit is set, and no other. */
static void
assert_members(const char *key, uint32_t bits)
{
	uint64_t cnt;
	bool in;

	assert_int_equal(session_scard(s, k(key), &cnt), 0);
	assert_int_equal(cnt, __builtin_popcount(bits));
	for (size_t i = 0; i < ARRAY_CNT(lengths); i++) {
		assert_int_equal(session_sismember(s, k(key), member_of(lengths[i]), &in), 0);
		assert_int_equal(in, bits >> i & 1);
	}
	assert_int_equal(walked(key), bits);
}

static void
a_member_is_of_any_length(void **state)
{
	const uint32_t all = (1u << ARRAY_CNT(lengths)) - 1;
	const char *const keys[] = { "a", "b", "c", "d" };
	uint32_t even = 0;
	bool in;

	for (size_t j = 0; j < ARRAY_CNT(keys); j++) {
		for (size_t i = 0; i < ARRAY_CNT(lengths); i++) {
			/* Its bytes are copied: what the function does with its own is its own. */
			uint8_t *m = malloc(lengths[i] + 1);

			memcpy(m, text, lengths[i]);
			assert_int_equal(session_sadd(s, k(keys[j]), slice_of(m, lengths[i])), 0);
			memset(m, 0, lengths[i]);
			free(m);
			assert_int_equal(session_sadd(s, k(keys[j]), member_of(lengths[i])), 0);
		}
		assert_members(keys[j], all);
	}
	assert_int_equal(w->sent[DESC_PUBLISH], 0);
	assert_int_equal(session_publish(s), 0);
	for (size_t j = 0; j < ARRAY_CNT(keys); j++) {
		begin(0);
		world_evict(w);
		assert_members(keys[j], all);
		for (size_t i = 0; i < ARRAY_CNT(lengths); i++) {
			assert_true(world_has(w, k(keys[j]), member_of(lengths[i])));
			if (i % 2 == 0) {
				even |= 1u << i;
				assert_int_equal(session_srem(s, k(keys[j]), member_of(lengths[i])),
						 0);
			}
		}
		assert_members(keys[j], all & ~even);
		assert_int_equal(session_publish(s), 0);
		assert_members(keys[j], all & ~even);
		for (size_t i = 0; i < ARRAY_CNT(lengths); i++) {
			assert_int_equal(world_has(w, k(keys[j]), member_of(lengths[i])), i % 2);
		}
	}
	/* One that differs in its last byte is another. */
	text[lengths[7] - 1] ^= 1;
	assert_int_equal(session_sismember(s, k("a"), member_of(lengths[7]), &in), 0);
	assert_false(in);
	text[lengths[7] - 1] ^= 1;
}

static void
the_last_word_of_a_long_member_counts(void **state)
{
	struct slice m = member_of(1 << 20);

	/* Removed, added, overtaken by a delete, and added again: held once. */
	assert_int_equal(session_sadd(s, k("set"), m), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(session_srem(s, k("set"), m), 0);
		assert_int_equal(session_sadd(s, k("set"), m), 0);
		assert_int_equal(session_delete(s, k("set")), 0);
		assert_int_equal(session_sadd(s, k("set"), m), 0);
	}
	assert_true(w->seg_bytes < 2 << 20);
	assert_int_equal(session_srem(s, k("set"), m), 0);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "(absent)");
	/* A session that fails has written nothing. */
	begin(0);
	assert_int_equal(session_sadd(s, k("set"), m), 0);
	session_discard(s);
	begin(0);
	assert_string_equal(world_text(w, k("set")), "(absent)");
	/* A set that only grows is no other. */
	assert_int_equal(session_gset_add(s, k("grows"), m), 0);
	assert_int_equal(session_gset_add(s, k("grows"), k("short")), 0);
	assert_int_equal(session_srem(s, k("grows"), m), MB_ERR_TYPE);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("grows")), "(set of 2)");
	assert_true(world_has(w, k("grows"), m));
}

/* Killed while what it published is under way: all of it is there, and nothing of it is held. */
static void
a_long_member_outlives_its_process(void **state)
{
	char key[16];

	for (uint32_t sent = 1; sent <= 3; sent++) {
		session_begin(s, &(struct session_call){ .id = CALL + sent,
							 .deadline_ns = w->time.now_ns + 1 });
		for (int i = 0; i < 20; i++) {
			snprintf(key, sizeof(key), "%u.%d", sent, i);
			assert_int_equal(session_sadd(s, k(key), member_of(65537)), 0);
		}
		w->dies_in = sent < 3 ? sent + 1 : 0;
		w->hold = true;
		assert_int_equal(session_publish(s),
				 sent < 3 ? MB_ERR_NO_NODE : MB_ERR_INDETERMINATE);
		w->hold = false;
		world_die(w);
		while (w->answers.cnt != 0) {
			struct desc d;

			assert_int_equal(w->wait.answer(w->wait.ctx, 0, &d), 1);
			session_on_answer(s, &d);
		}
		session_discard(s);
		assert_int_equal(session_end(s), 0);
		assert_int_equal(session_held(s), 0);
		for (int i = 0; i < 20; i++) {
			snprintf(key, sizeof(key), "%u.%d", sent, i);
			assert_true(world_has(w, k(key), member_of(65537)));
		}
	}
	session_begin(s, &(struct session_call){ .id = CALL });
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(sets_show_stored_and_own_members),
		TEST(removed_members_are_gone_at_once),
		TEST(a_member_added_meanwhile_survives_a_delete),
#undef TEST
#define TEST(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, teardown)
		TEST(a_member_is_of_any_length, setup),
		TEST(a_member_is_of_any_length, setup_tiles),
		TEST(the_last_word_of_a_long_member_counts, setup),
		TEST(a_long_member_outlives_its_process, setup_tiles),
#undef TEST
	};

	return cmocka_run_group_tests(tests, text_fill, NULL);
}
