/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what a front says is the first member of a set is taken only if it is (F1 to F5), and
 *         whatever is written elsewhere in the set does not keep it from being taken.
 * Method: a set made by delta.h, one operation after the other, each with the notes asked before
 *         and told after; the version is a count of the changes. Of a set in the store the notes
 *         alone. */
#include "cache_front.h"

#include "delta_fixture.h"

static const struct writer_id writer = { 7 };
static uint8_t value_mem[4096], next_mem[4096];
static struct slice value;
static uint64_t now_us = 1700000000000000, version;
static struct cache_fronts fs;
static bool gone; /* who was to be taken last */

static int64_t
bits_of(double score)
{
	int64_t bits;

	memcpy(&bits, &score, sizeof(bits));
	return bits;
}

/* Does an operation on the set of hash 5; word: NULL, or whose front it is of. */
static bool
act(enum wset_kind kind, const char *member, double score, struct cache_op_word *word)
{
	struct wset_op op = { .kind = kind,
			      .key = slice_str("k"),
			      .field = slice_str(member),
			      .n = bits_of(score) };
	struct hlc_time now = hlc_time_of_us(now_us++);
	uint8_t delta_mem[1024];
	struct wbuf delta = wbuf_init(delta_mem, sizeof(delta_mem)), out;
	const struct cache_front_set before = { 5, version, value };
	struct cache_front_set after;

	if (word != NULL && !cache_front_takes(&fs, &before, &op, now, word)) {
		return false;
	}
	assert_int_equal(delta_make(value, &op, hlc_moment_of(now), writer, &delta), 0);
	out = wbuf_init(next_mem, sizeof(next_mem));
	assert_true(lattice_merge_into(LATTICE_ENVELOPE, value, wbuf_slice(&delta), &out) >= 0);
	memcpy(value_mem, next_mem, out.len);
	value = slice_of(value_mem, out.len);
	version += 2;
	after = (struct cache_front_set){ 5, version, value };
	cache_front_done(&fs, &after, version - 2, &op, word);
	return true;
}

static struct cache_op_word
word_of(bool high, uint64_t seen, uint32_t idx, double score)
{
	return (struct cache_op_word){
		.if_version = seen,
		.if_end = high ? CACHE_FRONT_HIGH : CACHE_FRONT_LOW,
		.front_idx = idx,
		.n = bits_of(score),
	};
}

/* Takes a member, that had this score, as number idx of a front of version seen. */
static bool
take(const char *member, double score, bool high, uint64_t seen, uint32_t idx)
{
	struct cache_op_word word = word_of(high, seen, idx, score);
	bool took = act(WSET_ZREM, member, 0, &word);

	gone = word.gone != 0;
	return took;
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
	uint64_t seen;

	(void)state;
	fresh();
	seen = version;
	assert_false(take("b", 1, false, seen, 1));     /* not the first */
	assert_false(take("a", 0, false, seen - 2, 0)); /* of what nothing is known */
	assert_false(take("a", 1, false, seen, 0));
	assert_true(take("a", 0, false, seen, 0));
	assert_false(take("a", 0, false, seen, 0));
	assert_false(take("c", 2, false, seen, 2));
	assert_true(take("b", 1, false, seen, 1));
	assert_true(take("c", 2, false, seen, 2));
	assert_false(take("x", 3, false, seen, 3) || !gone);
	assert_false(take("d", 9, false, seen, 4) || !gone);
	assert_true(take("d", 3, false, seen, 5));
}

static void
both_ends(void **state)
{
	uint64_t seen;

	(void)state;
	fresh();
	seen = version;
	assert_true(take("a", 0, false, seen, 0));
	assert_true(take("f", 5, true, version, 0));
	assert_true(take("b", 1, false, seen, 1));
	assert_true(take("e", 4, true, version - 4, 1));
	seen = version;
	assert_true(take("c", 2, false, seen, 0)); /* c d: and d is the last one, too */
	assert_true(take("d", 3, true, version, 0));
	assert_false(take("d", 3, false, seen, 1));
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
		{ WSET_ZADD, "x", 9, true },   { WSET_ZADD, "x", 2.5, true },
		{ WSET_ZADD, "x", 1, false },  { WSET_ZADD, "x", -1, false },
		{ WSET_ZADD, "f", 9, true },   { WSET_ZADD, "f", 0, false },
		{ WSET_ZADD, "b", 9, false },  { WSET_ZREM, "e", 0, true },
		{ WSET_ZREM, "b", 0, false },  { WSET_ZREM, "d", 0, true },
		{ WSET_ZINCR, "f", 1, true },  { WSET_ZINCR, "f", -4.5, false },
		{ WSET_ZINCR, "b", 5, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++) {
		uint64_t seen;
		bool left;

		fresh();
		seen = version;
		assert_true(take("a", 0, false, seen, 0));
		act(between[i].kind, between[i].member, between[i].score, NULL);
		assert_int_equal(take("b", 1, false, seen, 1), between[i].harmless);
		/* Who has gone himself is no reason to look again. */
		left = gone;
		assert_int_equal(take("c", 2, false, seen, 2), between[i].harmless || left);
	}
	fresh();
	version += 2; /* what the store tells, and others do elsewhere */
	assert_true(take("a", 0, false, version, 0));
	version += 2;
	assert_false(take("b", 1, false, version - 4, 1));
}

/* Who looks while others write takes what he saw, unless something came before it since. */
static void
while_it_is_looked_at(void **state)
{
	uint64_t seen;

	(void)state;
	fresh();
	seen = version;
	act(WSET_ZADD, "x", 9, NULL);
	assert_false(take("a", 0, false, seen, 0)); /* nobody knew that it would be asked */
	seen = version;
	for (int i = 0; i < 10; i++) {
		act(WSET_ZADD, "y", 10 + i, NULL);
	}
	act(WSET_ZADD, "z", 0.5, NULL);
	assert_true(take("a", 0, false, seen, 0));
	assert_false(take("b", 1, false, seen, 1)); /* z is */
	seen = version;
	assert_true(take("z", 0.5, false, seen, 0));
	act(WSET_ZADD, "w", 8, NULL);
	assert_true(take("b", 1, false, seen, 1));
	seen = version;
	act(WSET_ZADD, "v", 1.5, NULL);
	act(WSET_ZADD, "w", 9, NULL);
	assert_false(take("c", 2, false, seen, 0));
	seen = version; /* what came is seen now, and is not in the way of the next one */
	act(WSET_ZADD, "w", 10, NULL);
	assert_true(take("v", 1.5, false, seen, 0));
	assert_true(take("c", 2, false, seen, 1));
}

static void
the_last_ones(void **state)
{
	uint64_t seen;

	(void)state;
	fresh();
	seen = version;
	assert_true(take("f", 5, true, seen, 0));
	act(WSET_ZADD, "x", 1.5, NULL);
	assert_true(take("e", 4, true, seen, 1));
	act(WSET_ZADD, "x", 3, NULL);
	assert_false(take("d", 3, true, seen, 2));
}

#define LENT(n) (CACHE_VERSION_LENT | CACHE_VERSION_TREE | (n))

static bool sure;

static bool
passes(uint64_t seen, uint32_t idx, double score)
{
	const struct cache_op_word word = word_of(false, seen, idx, score);

	sure = false;
	return cache_front_passes(&fs, 5, &word, &sure);
}

static void
put(enum wset_kind kind, double score)
{
	const struct wset_op op = { .kind = kind, .n = bits_of(score) };

	cache_front_passed(&fs, 5, &op);
}

/* Of a set in the store the first look is good for what it saw only; the next ones for what comes
 * behind it, if they were asked for behind what is forgotten. */
static void
in_the_store(void **state)
{
	uint64_t seq;

	(void)state;
	memset(&fs, 0, sizeof(fs));
	cache_front_lent(&fs, 5, 0, LENT(6));        /* nobody takes any of it */
	assert_true(passes(LENT(7), 0, 1) && !sure); /* the store says */
	assert_false(passes(LENT(7), 2, 3));
	assert_true(passes(LENT(7), 1, 2) && sure);
	put(WSET_ZADD, 2.5);
	put(WSET_ZREM, 0);
	assert_false(passes(LENT(7), 2, 3));
	seq = fs.seq;
	cache_front_lent(&fs, 5, seq - 1, LENT(8)); /* which does not have it, perhaps */
	assert_true(passes(LENT(8), 0, 2.5) && !sure);
	put(WSET_ZADD, 9);
	cache_front_lent(&fs, 5, seq, LENT(10));
	put(WSET_ZADD, 8);
	cache_front_lent(&fs, 5, seq, LENT(12));
	assert_true(passes(LENT(9), 0, 2) && !sure);
	assert_true(passes(LENT(10), 0, 3) && sure);
	assert_true(passes(LENT(12), 0, 3) && sure);
	assert_true(passes(LENT(12), 1, 7) && sure);
	assert_false(passes(LENT(12), 2, 8));
}

static void
in_the_store_others_write(void **state)
{
	static const uint64_t flat = CACHE_VERSION_LENT | (CACHE_VERSION_TREE - 1);

	(void)state;
	memset(&fs, 0, sizeof(fs));
	assert_true(passes(LENT(7), 0, 1) && !sure);
	cache_front_lent(&fs, 5, fs.seq, LENT(8));
	assert_true(passes(flat, 0, 1) && !sure); /* whose version is no number */
	assert_true(passes(LENT(8), 0, 1) && sure);
	cache_front_told(&fs, 5);
	assert_false(passes(LENT(8), 1, 2));
	cache_front_lent(&fs, 5, fs.seq, LENT(9));
	assert_true(passes(LENT(9), 0, 2) && sure);
	put(WSET_ZINCR, 100); /* to which score, only the store knows */
	assert_false(passes(LENT(9), 1, 3));
}

/* What happens to a set in the cache says nothing of one in the store, and the other way round. */
static void
here_and_there(void **state)
{
	uint64_t seen;

	(void)state;
	fresh();
	seen = version;
	assert_true(take("a", 0, false, seen, 0));
	assert_false(passes(seen, 1, 1));
	assert_true(passes(LENT(7), 0, 1) && !sure);
	cache_front_lent(&fs, 5, fs.seq, LENT(8));
	act(WSET_ZADD, "x", -1, NULL);
	assert_true(passes(LENT(9), 0, 1) && !sure);
	cache_front_lent(&fs, 5, fs.seq, LENT(10));
	assert_true(passes(LENT(10), 0, 1) && sure);
	assert_false(take("b", 1, false, version - 2, 0));
	assert_true(take("x", -1, false, version, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_after_the_other),
		cmocka_unit_test(both_ends),
		cmocka_unit_test(what_comes_between),
		cmocka_unit_test(while_it_is_looked_at),
		cmocka_unit_test(the_last_ones),
		cmocka_unit_test(in_the_store),
		cmocka_unit_test(in_the_store_others_write),
		cmocka_unit_test(here_and_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
