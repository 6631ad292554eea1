/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a version is one of what a key shows: it changes when that does and only then, whoever
 *         wrote it and whether it was published; and asking for it leaves nothing behind.
 * Method: of each kind a value, made in two orders, changed and changed back, each asked about
 *         before and after it is published. */
#include "part.h"

#include "session_fixture.h"

#include "hash.h"
#include "lattice.h"

static struct hash128
version(const char *key)
{
	struct hash128 first, second;

	assert_int_equal(session_version(s, k(key), &first), 0);
	assert_int_equal(session_version(s, k(key), &second), 0);
	assert_true(hash128_eq(first, second));
	return first;
}

/* The same before it is published and after, for this call and for the next. */
static struct hash128
version_published(const char *key)
{
	struct hash128 held = version(key);

	assert_int_equal(session_publish(s), 0);
	assert_true(hash128_eq(held, version(key)));
	begin(0);
	assert_true(hash128_eq(held, version(key)));
	assert_int_equal(session_held(s), 0); /* it takes no view */
	return held;
}

/* What is done to a key of a kind: thing i is added, -1 - i removes it. */
typedef int do_fn(const char *key, int which);

static const char *const things[] = { "a", "bb", "ccc" };

static int
do_set(const char *key, int which)
{
	return which < 0 ? session_srem(s, k(key), k(things[-1 - which]))
			 : session_sadd(s, k(key), k(things[which]));
}

static int
do_map(const char *key, int which)
{
	return which < 0 ? session_map_delete(s, k(key), k(things[-1 - which]))
			 : session_map_put(s, k(key), k(things[which]), k("value"));
}

static int
do_numbers(const char *key, int which)
{
	return which < 0 ? session_map_delete(s, k(key), k(things[-1 - which]))
			 : session_map_incr(s, k(key), k(things[which]), which + 1, NULL);
}

static int
do_zset(const char *key, int which)
{
	return which < 0 ? session_zrem(s, k(key), k(things[-1 - which]))
			 : session_zadd(s, k(key), k(things[which]), which * 1.5);
}

static void
changes_when_the_value_does(void **state)
{
	static const struct {
		const char *key;
		do_fn *fn;
	} kinds[] = {
		{ "set", do_set },
		{ "map", do_map },
		{ "numbers", do_numbers },
		{ "zset", do_zset },
	};
	struct hash128 v, of[4][3];

	for (int i = 0; i < 4; i++) {
		const char *key = kinds[i].key;

		assert_int_equal(session_version(s, k(key), &v), MB_ERR_NOT_FOUND);
		assert_int_equal(kinds[i].fn(key, 1), 0);
		of[i][0] = version_published(key);
		/* In an order in which they do not stand. */
		assert_int_equal(kinds[i].fn(key, 0), 0);
		of[i][1] = version_published(key);
		assert_int_equal(kinds[i].fn(key, 2), 0);
		of[i][2] = version_published(key);
		assert_int_equal(kinds[i].fn(key, -3), 0);
		assert_true(hash128_eq(version_published(key), of[i][1]));
		assert_int_equal(kinds[i].fn(key, -1), 0);
		assert_true(hash128_eq(version_published(key), of[i][0]));
		assert_int_equal(kinds[i].fn(key, -2), 0);
		assert_int_equal(session_version(s, k(key), &v), MB_ERR_NOT_FOUND);
		assert_int_equal(session_publish(s), 0);
		assert_int_equal(session_version(s, k(key), &v), MB_ERR_NOT_FOUND);
		begin(0);
	}
	for (int i = 0; i < 12; i++) {
		for (int j = 0; j < i; j++) {
			assert_false(hash128_eq(of[i / 3][i % 3], of[j / 3][j % 3]));
		}
	}
}

static void
a_list_has_an_order(void **state)
{
	struct hash128 one, two;

	assert_int_equal(session_list_push(s, k("one"), LIST_RIGHT, k("a")), 0);
	assert_int_equal(session_list_push(s, k("one"), LIST_RIGHT, k("b")), 0);
	one = version_published("one");
	assert_int_equal(session_list_push(s, k("two"), LIST_LEFT, k("a")), 0);
	assert_int_equal(session_list_push(s, k("two"), LIST_LEFT, k("b")), 0);
	two = version_published("two");
	assert_false(hash128_eq(one, two));
	assert_int_equal(session_list_set(s, k("two"), 0, k("a")), 0);
	assert_int_equal(session_list_set(s, k("two"), 1, k("b")), 0);
	assert_true(hash128_eq(one, version_published("two")));
}

/* Of a field what it shows, of a score too. */
static void
what_is_in_the_items_counts(void **state)
{
	struct hash128 v;

	assert_int_equal(session_map_incr(s, k("map"), k("f"), 2, NULL), 0);
	v = version_published("map");
	assert_int_equal(session_map_incr(s, k("map"), k("f"), 1, NULL), 0);
	assert_false(hash128_eq(v, version_published("map")));
	assert_int_equal(session_map_put(s, k("map"), k("f"), k("2")), 0);
	assert_true(hash128_eq(v, version_published("map")));

	assert_int_equal(session_zadd(s, k("zset"), k("m"), 0.0), 0);
	v = version_published("zset");
	assert_int_equal(session_zadd(s, k("zset"), k("m"), 1e-9), 0);
	assert_false(hash128_eq(v, version_published("zset")));
	assert_int_equal(session_zadd(s, k("zset"), k("m"), -0.0), 0);
	assert_true(hash128_eq(v, version_published("zset")));
}

static void
a_text_has_the_hash_of_its_bytes(void **state)
{
	struct hash128 v;

	assert_int_equal(session_put(s, k("text"), k("15")), 0);
	v = version_published("text");
	assert_true(hash128_eq(v, hash_bytes128("15", 2)));
	assert_int_equal(session_incr(s, k("sum"), 15, NULL), 0);
	assert_true(hash128_eq(v, version_published("sum")));
	assert_int_equal(session_delete(s, k("text")), 0);
	assert_int_equal(session_version(s, k("text"), &v), MB_ERR_NOT_FOUND);
}

/* Asking is not seeing: a put does not take the place of what was only asked about. */
static void
siblings(void **state)
{
	struct session_iter it;
	struct slice value;
	struct hash128 one, both;
	uint32_t cnt = 0;

	assert_int_equal(session_put_sibling(s, k("key"), k("a")), 0);
	one = version_published("key");
	assert_true(hash128_eq(one, hash_bytes128("a", 1)));
	assert_int_equal(session_put_sibling(s, k("key"), k("b")), 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	both = version("key");
	assert_false(hash128_eq(one, both));
	assert_false(hash128_eq(hash_bytes128("b", 1), both));
	assert_int_equal(session_sibling_begin(s, k("key"), &it), 0);
	while (session_sibling_next(s, &it, &value)) {
		cnt++;
	}
	assert_int_equal(cnt, 2);
}

/* More numbers in a map than a call may look at. */
static void
large_ones(void **state)
{
	struct hash128 v;

	for (int64_t i = 0; i < 10000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%lld", (long long)i);
		assert_int_equal(session_map_incr(s, k("numbers"), k(name), i, NULL), 0);
	}
	assert_int_equal(session_publish(s), 0);
	begin(0);
	v = version("numbers");
	assert_int_equal(session_map_incr(s, k("numbers"), k("17"), 1, NULL), 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_false(hash128_eq(v, version("numbers")));
}

/* What is remembered is of one version: others write, the value is another one. */
static void
others_write(void **state)
{
	struct hash128 v;

	world_put(w, "text", "one");
	v = version("text");
	world_put(w, "text", "two");
	assert_false(hash128_eq(v, version("text")));
	world_put(w, "text", "one");
	assert_true(hash128_eq(v, version("text")));
}

/* A clock, and a pair with one, are shown in parts: they have a version all the same. */
static void
what_has_no_text(void **state)
{
	const struct mb_part first = { .kind = MB_PART_MAX, .u64 = 1 };
	struct mb_part clock = { .kind = MB_PART_CLOCK, .u64 = 4, .number = 2 };
	uint8_t mem[PART_BYTES_MAX];
	struct hash128 v = { 0, 0 };

	for (uint64_t n = 2; n < 5; n++) {
		struct wbuf out = wbuf_init(mem, sizeof(mem));
		struct hash128 now;
		unsigned int type;

		clock.number = (int64_t)n;
		assert_int_equal(part_write(&clock, &type, &out), 0);
		assert_int_equal(session_merge(s, k("clock"), type, wbuf_slice(&out)), 0);
		now = version_published("clock");
		assert_false(hash128_eq(v, now));
		v = now;
		out = wbuf_init(mem, sizeof(mem));
		assert_int_equal(part_pair_write(&first, &clock, &out), 0);
		assert_int_equal(session_merge(s, k("pair"), LATTICE_PAIR_LEX, wbuf_slice(&out)),
				 0);
		(void)version_published("pair");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(changes_when_the_value_does, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_when_the_value_does, setup_tiles, teardown),
		cmocka_unit_test_setup_teardown(a_list_has_an_order, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_in_the_items_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(a_text_has_the_hash_of_its_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(siblings, setup, teardown),
		cmocka_unit_test_setup_teardown(large_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(others_write, setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_no_text, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
