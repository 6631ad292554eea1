/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what a front says is the first member of a set is taken only if it is (F1 to F3).
 * Method: a set made by delta.h, one operation after the other, each with the notes asked before
 *         and told after; the version is a count of the changes. */
#include "cache_front.h"

#include "delta_fixture.h"

static const struct writer_id writer = { 7 };
static uint8_t value_mem[4096], next_mem[4096];
static struct slice value;
static uint64_t now_us = 1700000000000000, version;
static struct cache_fronts fs;

static int64_t
bits_of(double score)
{
	int64_t bits;

	memcpy(&bits, &score, sizeof(bits));
	return bits;
}

/* Does an operation on the set of hash 5; word: NULL, or whose front it is of. */
static bool
act(enum wset_kind kind, const char *member, double score, const struct cache_op_word *word)
{
	struct wset_op op = { .kind = kind,
			      .key = slice_str("k"),
			      .field = slice_str(member),
			      .n = bits_of(score) };
	struct hlc_time now = hlc_time_of_us(now_us++);
	uint8_t delta_mem[1024];
	struct wbuf delta = wbuf_init(delta_mem, sizeof(delta_mem)), out;
	const struct cache_front_set before = { 5, version, value };
	unsigned int spares;

	if (word != NULL && !cache_front_takes(&fs, &before, &op, now, word)) {
		return false;
	}
	spares = cache_front_spares(&fs, &before, &op, word);
	assert_int_equal(delta_make(value, &op, now, writer, &delta), 0);
	out = wbuf_init(next_mem, sizeof(next_mem));
	assert_true(lattice_merge_into(LATTICE_ENVELOPE, value, wbuf_slice(&delta), &out) >= 0);
	memcpy(value_mem, next_mem, out.len);
	value = slice_of(value_mem, out.len);
	version += 2;
	cache_front_done(&fs, &before, spares, version);
	return true;
}

/* Takes a member as number idx of a front of version base. */
static bool
take(const char *member, bool high, uint64_t base, uint32_t idx, double bound)
{
	const struct cache_op_word word = {
		.if_version = base,
		.if_end = high ? CACHE_FRONT_HIGH : CACHE_FRONT_LOW,
		.front_idx = idx,
		.n = bits_of(bound),
	};

	return act(WSET_ZREM, member, 0, &word);
}

static void
fresh(void)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f" };

	memset(&fs, 0, sizeof(fs));
	value = slice_of(NULL, 0);
	version = 100;
	for (int i = 0; i < 6; i++) {
		act(WSET_ZADD, names[i], i, NULL);
	}
}

static void
one_after_the_other(void **state)
{
	uint64_t base;

	(void)state;
	fresh();
	base = version;
	assert_false(take("b", false, base, 1, 3)); /* not the first */
	assert_false(take("a", false, base - 2, 0, 3));
	assert_true(take("a", false, base, 0, 3));
	assert_false(take("a", false, base, 0, 3));
	assert_false(take("c", false, base, 2, 3));
	assert_true(take("b", false, base, 1, 3));
	assert_true(take("c", false, base, 2, 3));
	assert_false(take("x", false, base, 3, 3)); /* it is not there */
	assert_true(take("d", false, base, 3, 3));
}

static void
both_ends(void **state)
{
	uint64_t base;

	(void)state;
	fresh();
	base = version;
	assert_true(take("a", false, base, 0, 1)); /* a b */
	base = version;
	assert_true(take("f", true, base, 0, 4)); /* f e */
	assert_true(take("b", false, base - 2, 1, 1));
	assert_true(take("e", true, base, 1, 4));
	base = version;
	assert_true(take("c", false, base, 0, 3)); /* c d: and d is the last one, too */
	assert_true(take("d", true, version, 0, 3));
	assert_false(take("d", false, base, 1, 3));
}

static void
what_comes_between(void **state)
{
	static const struct {
		enum wset_kind kind;
		const char *member;
		double score;
		bool harmless;
	} between[] = {
		{ WSET_ZADD, "x", 9, true },   { WSET_ZADD, "x", 3.5, true },
		{ WSET_ZADD, "x", 3, false },  { WSET_ZADD, "x", -1, false },
		{ WSET_ZADD, "f", 9, true },   { WSET_ZADD, "f", 0, false },
		{ WSET_ZADD, "b", 9, false },  { WSET_ZREM, "e", 0, true },
		{ WSET_ZREM, "b", 0, false },  { WSET_ZREM, "d", 0, false },
		{ WSET_ZINCR, "f", 1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++) {
		uint64_t base;

		fresh();
		base = version;
		assert_true(take("a", false, base, 0, 3)); /* a b c d */
		act(between[i].kind, between[i].member, between[i].score, NULL);
		assert_int_equal(take("b", false, base, 1, 3), between[i].harmless);
	}
	fresh();
	version += 2; /* what the store tells, and others do elsewhere */
	assert_true(take("a", false, version, 0, 3));
	version += 2;
	assert_false(take("b", false, version - 4, 1, 3));
}

static void
the_last_ones(void **state)
{
	uint64_t base;

	(void)state;
	fresh();
	base = version;
	assert_true(take("f", true, base, 0, 2)); /* f e d c */
	act(WSET_ZADD, "x", 1.5, NULL);
	assert_true(take("e", true, base, 1, 2));
	act(WSET_ZADD, "x", 2, NULL);
	assert_false(take("d", true, base, 2, 2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_after_the_other),
		cmocka_unit_test(both_ends),
		cmocka_unit_test(what_comes_between),
		cmocka_unit_test(the_last_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
