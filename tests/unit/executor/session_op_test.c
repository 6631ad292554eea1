/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   operations mean in a session what they mean in the store: what is shown before publishing
 *         is what everybody sees after it; a key keeps its type.
 * Method: types and refusals by hand; random operations, on few keys so that they meet, read back
 *         through the session before and through the store after publishing. */
#include "session_fixture.h"

#include "rng.h"
#include "test_seed.h"

static void
a_read_only_call_does_not_write(void **state)
{
	struct slice got;

	world_put(w, "a", "1");
	assert_int_equal(session_end(s), 0);
	session_begin(s, &(struct session_call){ .id = CALL, .read_only = true });
	assert_int_equal(session_put(s, k("a"), k("2")), MB_ERR_DENIED);
	assert_int_equal(session_incr(s, k("a"), 1, NULL), MB_ERR_DENIED);
	assert_int_equal(session_delete(s, k("a")), MB_ERR_DENIED);
	assert_int_equal(session_sadd(s, k("a"), k("m")), MB_ERR_DENIED);
	assert_int_equal(session_map_put(s, k("a"), k("f"), k("v")), MB_ERR_DENIED);
	assert_int_equal(session_get(s, k("a"), &got), 0);
	assert_int_equal(session_publish(s), 0);
	assert_int_equal(w->sent[DESC_PUBLISH], 0);
}

static void
types_do_not_mix(void **state)
{
	struct slice got;
	uint64_t cnt;
	int64_t x;

	assert_int_equal(session_put(s, k("str"), k("text")), 0);
	assert_int_equal(session_incr(s, k("str"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_sadd(s, k("str"), k("m")), MB_ERR_TYPE);
	assert_int_equal(session_scard(s, k("str"), &cnt), MB_ERR_TYPE);
	assert_int_equal(session_map_get(s, k("str"), k("f"), &got), MB_ERR_TYPE);
	assert_int_equal(session_get_i64(s, k("str"), &x), MB_ERR_TYPE);
	assert_int_equal(session_sadd(s, k("set"), k("m")), 0);
	assert_int_equal(session_get(s, k("set"), &got), MB_ERR_TYPE);
	assert_int_equal(session_incr(s, k("set"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_map_put(s, k("set"), k("f"), k("v")), MB_ERR_TYPE);
	/* A refused write leaves what was there. */
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 1);

	world_sadd(w, "there", "m");
	assert_int_equal(session_get(s, k("there"), &got), MB_ERR_TYPE);
	assert_int_equal(session_incr(s, k("there"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_map_get(s, k("there"), k("f"), &got), MB_ERR_TYPE);
	world_put(w, "words", "not a number");
	assert_int_equal(session_incr(s, k("words"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_get_i64(s, k("words"), &x), MB_ERR_TYPE);
	/* But a put takes any key over. */
	assert_int_equal(session_put(s, k("there"), k("text")), 0);
	assert_shows("there", "text");
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("there")), "text");
}

static void
sums_have_64_bits(void **state)
{
	int64_t x = 4;

	world_put(w, "max", "9223372036854775807");
	assert_int_equal(session_incr(s, k("max"), 1, &x), MB_ERR_TOO_LARGE);
	assert_int_equal(x, 4);
	assert_int_equal(session_incr(s, k("n"), INT64_MAX, &x), 0);
	assert_int_equal(session_incr(s, k("n"), 1, NULL), MB_ERR_TOO_LARGE);
	assert_int_equal(session_incr(s, k("n"), INT64_MIN, &x), 0);
	assert_int_equal(x, -1);
	assert_int_equal(session_put(s, k("p"), k("9223372036854775800")), 0);
	assert_int_equal(session_incr(s, k("p"), 8, NULL), MB_ERR_TOO_LARGE);
	assert_int_equal(session_incr(s, k("p"), 7, &x), 0);
	assert_int_equal(session_put(s, k("p"), k("9223372036854775808")), 0);
	assert_int_equal(session_incr(s, k("p"), 1, NULL), MB_ERR_TYPE);
}

/* --------------------------------------------------------------------- model */

enum { MODEL_KEYS = 4, MODEL_NAMES = 3 };

static const char *const model_name[MODEL_NAMES] = { "x", "y", "zz" };

/* The same as a member of a set, of which one is longer than a key, and one than a small value. */
static struct slice
model_member(int i)
{
	static const size_t len[MODEL_NAMES] = { 1, KEY_BYTES_MAX + 1, WSET_INLINE_MAX + 1 };
	static char mem[MODEL_NAMES][WSET_INLINE_MAX + 1];

	memset(mem[i], model_name[i][0], len[i]);
	return slice_of(mem[i], len[i]);
}

/* What is shown under a key, whatever its type, in words. */
static void
words_of(struct slice key, char *ret, size_t bytes)
{
	struct slice got;
	uint64_t cnt;
	size_t len = 0;
	bool in;
	int err = session_get(s, key, &got);

	if (err == 0) {
		snprintf(ret, bytes, "text %.*s", (int)got.len, (const char *)got.p);
		return;
	}
	if (err == MB_ERR_NOT_FOUND) {
		/* An empty set or map is no key. */
		cnt = 0;
		err = session_scard(s, key, &cnt);
		assert_true(err == 0 || err == MB_ERR_TYPE);
		assert_int_equal(cnt, 0);
		snprintf(ret, bytes, "absent");
		return;
	}
	assert_int_equal(err, MB_ERR_TYPE);
	if (session_scard(s, key, &cnt) == 0) {
		assert_int_not_equal(cnt, 0);
		len = (size_t)snprintf(ret, bytes, "set of %d", (int)cnt);
		for (int i = 0; i < MODEL_NAMES; i++) {
			assert_int_equal(session_sismember(s, key, model_member(i), &in), 0);
			len += (size_t)snprintf(ret + len, bytes - len, "%s", in ? " in" : " out");
		}
		return;
	}
	if (session_list_cnt(s, key, &cnt) == 0) {
		assert_int_not_equal(cnt, 0);
		len = (size_t)snprintf(ret, bytes, "list of %d:", (int)cnt);
		for (int64_t i = 0; i < (int64_t)cnt && len < bytes - 16; i++) {
			assert_int_equal(session_list_get(s, key, i, &got), 0);
			len += (size_t)snprintf(ret + len, bytes - len, " %.*s", (int)got.len,
						(const char *)got.p);
		}
		return;
	}
	if (session_zcard(s, key, &cnt) == 0) {
		assert_int_not_equal(cnt, 0);
		len = (size_t)snprintf(ret, bytes, "sorted set of %d:", (int)cnt);
		for (int i = 0; i < MODEL_NAMES; i++) {
			double score = -1;

			(void)session_zscore(s, key, k(model_name[i]), &score);
			len += (size_t)snprintf(ret + len, bytes - len, " %g", score);
		}
		return;
	}
	assert_int_equal(session_map_cnt(s, key, &cnt), 0);
	assert_int_not_equal(cnt, 0);
	len = (size_t)snprintf(ret, bytes, "map of %d", (int)cnt);
	for (int i = 0; i < MODEL_NAMES; i++) {
		err = session_map_get(s, key, k(model_name[i]), &got);
		assert_true(err == 0 || err == MB_ERR_NOT_FOUND);
		len += (size_t)snprintf(ret + len, bytes - len, " %.*s",
					err == 0 ? (int)got.len : 1,
					err == 0 ? (const char *)got.p : "-");
	}
}

static void
random_op(struct rng *r, struct slice key)
{
	int which = (int)rng_below(r, MODEL_NAMES);
	const char *name = model_name[which];
	struct slice got;
	char value[16];
	double score;
	int64_t x;
	int kind, err;

	snprintf(value, sizeof(value), "%s%d", rng_below(r, 3) == 0 ? "v" : "",
		 (int)rng_below(r, 100));
	/* The last key has puts at times, and nothing is deleted there: the session does not see
	 * when something was that reads absent. */
	kind = (int)rng_below(r, 19);
	kind += kind >= 12 ? 2 : 0;
	if (key.p[key.len - 1] == '0' + MODEL_KEYS - 1) {
		kind = 8 + (int)rng_below(r, 6);
	}
	switch (kind) {
	case 0:
		err = session_put(s, key, k(value));
		break;
	case 1:
		err = session_delete(s, key);
		break;
	case 2:
	case 3:
		err = session_incr(s, key, (int64_t)rng_below(r, 9) - 4,
				   rng_below(r, 2) == 0 ? &x : NULL);
		break;
	case 4:
	case 5:
		err = session_sadd(s, key, model_member(which));
		break;
	case 6:
		err = session_srem(s, key, model_member(which));
		break;
	case 7:
		err = session_map_delete(s, key, k(name));
		break;
	case 14:
	case 15:
		err = session_list_push(s, key, rng_below(r, 2) == 0 ? LIST_LEFT : LIST_RIGHT,
					k(value));
		break;
	case 16:
		err = session_list_pop(s, key, rng_below(r, 2) == 0 ? LIST_LEFT : LIST_RIGHT, &got);
		break;
	case 17:
		err = session_list_set(s, key, (int64_t)rng_below(r, 4) - 2, k(value));
		break;
	case 18:
		err = session_zadd(s, key, k(name), (double)rng_below(r, 9));
		break;
	case 19:
		err = session_zincr(s, key, k(name), (double)rng_below(r, 9) / 4,
				    rng_below(r, 2) == 0 ? &score : NULL);
		break;
	case 20:
		err = session_zrem(s, key, k(name));
		break;
	case 8:
	case 9:
		err = session_map_incr(s, key, k(name), (int64_t)rng_below(r, 9) - 4,
				       rng_below(r, 2) == 0 ? &x : NULL);
		break;
	case 12:
	case 13:
		/* Long before what is put without a time. */
		err = session_map_put_at(s, key, k(name), k(value), 1 + rng_below(r, 3));
		break;
	default:
		err = session_map_put(s, key, k(name), k(value));
		break;
	}
	/* INVALID: a field that was put without a time, or with one. */
	assert_true(err == 0 || err == MB_ERR_TYPE || err == MB_ERR_NOT_FOUND ||
		    err == MB_ERR_INVALID);
}

static void
the_store_makes_of_it_what_was_shown(void **state)
{
	char before[MODEL_KEYS][128], after[128];
	struct rng r;

	rng_init(&r, test_seed("session"));
	for (int call = 0; call < 4000; call++) {
		uint32_t ops = (uint32_t)rng_below(&r, 12);
		char key[MODEL_KEYS][8];

		for (int i = 0; i < MODEL_KEYS; i++) {
			snprintf(key[i], sizeof(key[i]), "key%d", i);
			words_of(k(key[i]), after, sizeof(after)); /* now it is cached */
		}
		for (uint32_t i = 0; i < ops; i++) {
			random_op(&r, k(key[rng_below(&r, MODEL_KEYS)]));
		}
		for (int i = 0; i < MODEL_KEYS; i++) {
			words_of(k(key[i]), before[i], sizeof(before[i]));
		}
		assert_int_equal(session_publish(s), 0);
		begin(0);
		if (rng_below(&r, 64) == 0) {
			world_evict(w);
		}
		for (int i = 0; i < MODEL_KEYS; i++) {
			words_of(k(key[i]), after, sizeof(after));
			if (strcmp(before[i], after) != 0) {
				fail_msg("call %d, %s: shown '%s', became '%s'", call, key[i],
					 before[i], after);
			}
		}
		session_views_end(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_read_only_call_does_not_write),
		TEST(types_do_not_mix),
		TEST(sums_have_64_bits),
		TEST(the_store_makes_of_it_what_was_shown),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
