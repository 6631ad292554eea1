/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   concurrent additions all count, a delete takes only what it saw, the edges of 64 bits are
 *         refused and not wrapped, and bytes no encoder wrote are refused.
 * Method: by hand, at the limits; random histories are in tests/prop/types. */
#include "counter.h"

#include "made.h"
#include "test_cmocka.h"

static const struct slice none;

static int64_t
number(struct slice v)
{
	counter_sum sum;
	bool live;

	assert_int_equal(lattice_check(LATTICE_PN_COUNTER, v), 0);
	assert_int_equal(counter_read(v, &sum, &live), 0);
	assert_true(live);
	return (int64_t)sum;
}

static bool
absent(struct slice v)
{
	counter_sum sum;
	bool live;

	assert_int_equal(counter_read(v, &sum, &live), 0);
	return !live && sum == 0;
}

static void
bytes_no_encoder_wrote_are_refused(void **state)
{
	static const struct {
		const char *why;
		uint8_t bytes[32];
		size_t len;
	} rows[] = {
		{ "no sum at all", { 1, 0, 0, 0, 0, 0, 0, 0, 0 }, 9 },
		{ "a bit that means nothing", { 1, 0, 0, 0, 0, 0, 0, 0, 16, 1 }, 10 },
		{ "a zero that the mask denies", { 1, 0, 0, 0, 0, 0, 0, 0, 1, 0 }, 10 },
		{ "a varint too long", { 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x81, 0 }, 11 },
		{ "gone without having been", { 1, 0, 0, 0, 0, 0, 0, 0, 4, 1 }, 10 },
		{ "more gone than was", { 1, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2 }, 11 },
		{ "a sum is missing", { 1, 0, 0, 0, 0, 0, 0, 0, 3, 1 }, 10 },
		{ "a writer twice",
		  { 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1 },
		  20 },
		{ "writers out of order",
		  { 2, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1 },
		  20 },
	};

	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		const struct slice v = made_copy(slice_of(rows[i].bytes, rows[i].len));

		if (lattice_check(LATTICE_PN_COUNTER, v) != MB_ERR_CORRUPT) {
			fail_msg("accepted: %s", rows[i].why);
		}
	}
}

static void
a_cut_is_refused_or_is_fewer_writers(void **state)
{
	const struct slice one = counter_plus(none, 1, 1000);
	const struct slice two = counter_plus(counter_plus(one, 2, -5), 1, INT64_MIN + 1000);
	counter_sum sum;
	bool live;

	for (size_t len = 1; len < one.len; len++) {
		const struct slice cut = made_copy(slice_of(one.p, len));

		assert_int_equal(lattice_check(LATTICE_PN_COUNTER, cut), MB_ERR_CORRUPT);
		assert_int_equal(counter_read(cut, &sum, &live), MB_ERR_CORRUPT);
	}
	for (size_t len = 1, ok_cnt = 0; len < two.len; len++) {
		ok_cnt += lattice_check(LATTICE_PN_COUNTER, made_copy(slice_of(two.p, len))) == 0;
		assert_true(ok_cnt <= 1);
	}
}

static void
the_edges_of_64_bits_are_refused(void **state)
{
	uint8_t buf[COUNTER_ENTRY_BYTES_MAX];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	struct slice v = counter_plus(none, 1, INT64_MAX);

	assert_int_equal(number(v), INT64_MAX);
	assert_int_equal(counter_delta_add(v, by(2), 1, &out), MB_ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	v = counter_plus(v, 1, INT64_MIN);
	assert_int_equal(number(v), -1);
	v = counter_plus(v, 1, INT64_MIN + 1);
	assert_int_equal(number(v), INT64_MIN);
	assert_int_equal(counter_delta_add(v, by(1), -1, &out), MB_ERR_TOO_LARGE);
	/* This writer's decs are full; another's are not. */
	v = counter_plus(v, 1, INT64_MAX);
	assert_int_equal(counter_delta_add(v, by(1), -2, &out), MB_ERR_TOO_LARGE);
	assert_int_equal(number(counter_plus(v, 2, -2)), -3);
}

static void
what_adds_up_beyond_int64_is_not_lost(void **state)
{
	char buf[COUNTER_TEXT_MAX];
	struct slice a = counter_plus(none, 1, INT64_MAX);
	struct slice b = counter_plus(none, 2, INT64_MAX);
	struct slice v = merged(LATTICE_PN_COUNTER, a, b);
	counter_sum sum;
	bool live;

	assert_int_equal(counter_read(v, &sum, &live), 0);
	assert_true(sum == (counter_sum)INT64_MAX * 2);
	assert_true(slice_eq(counter_text(sum, buf), slice_str("18446744073709551614")));
	assert_int_equal(number(counter_plus(v, 1, -INT64_MAX)), INT64_MAX);
	sum = (counter_sum)((unsigned __int128)1 << 127);
	assert_true(slice_eq(counter_text(sum, buf),
			     slice_str("-170141183460469231731687303715884105728")));
	assert_true(slice_eq(counter_text(0, buf), slice_str("0")));
}

static void
concurrent_additions_all_count(void **state)
{
	const struct slice base = counter_plus(none, 1, 10);
	const struct slice a = counter_plus(base, 1, 5);
	const struct slice b = counter_plus(base, 2, -3);
	const struct slice ab = merged(LATTICE_PN_COUNTER, a, b);

	assert_int_equal(number(ab), 12);
	assert_true(slice_eq(merged(LATTICE_PN_COUNTER, ab, a), ab)); /* a message twice */
}

static void
a_delete_takes_what_it_saw(void **state)
{
	const struct slice seen = counter_plus(counter_plus(none, 1, 10), 2, -4);
	const struct slice unseen = counter_plus(seen, 2, 7);
	const struct slice deleted = counter_deleted(seen);

	assert_true(absent(deleted));
	assert_int_equal(number(merged(LATTICE_PN_COUNTER, deleted, unseen)), 7);
	assert_int_equal(number(counter_plus(deleted, 1, 1)), 1);
	assert_int_equal(MADE(100, counter_delta_del(deleted, out)).len, 0);
	assert_int_equal(MADE(0, counter_delta_del(none, out)).len, 0);
}

static void
zero_is_not_absent(void **state)
{
	const struct slice zero = counter_plus(none, 1, 0);

	assert_true(absent(none));
	assert_int_equal(number(zero), 0);
	assert_int_equal(number(counter_plus(counter_plus(none, 1, 1), 1, -1)), 0);
	assert_true(slice_eq(counter_plus(zero, 1, 0), zero));
	assert_int_equal(number(counter_plus(counter_deleted(zero), 1, 0)), 0);
}

static void
a_small_counter_is_small(void **state)
{
	assert_int_equal(counter_plus(none, UINT64_MAX, 1).len, 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_no_encoder_wrote_are_refused),
		cmocka_unit_test(a_cut_is_refused_or_is_fewer_writers),
		cmocka_unit_test(the_edges_of_64_bits_are_refused),
		cmocka_unit_test(what_adds_up_beyond_int64_is_not_lost),
		cmocka_unit_test(concurrent_additions_all_count),
		cmocka_unit_test(a_delete_takes_what_it_saw),
		cmocka_unit_test(zero_is_not_absent),
		cmocka_unit_test(a_small_counter_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
