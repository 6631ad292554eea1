/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   histories are sets of events: join, meet and order are those of sets; equal sets have
 *         equal bytes; bytes no encoder wrote are refused.
 * Method: all 64 sets of three events of two writers, against bit masks. */
#include "history.h"

#include "made.h"
#include "test_cmocka.h"

#define EVENTS  3
#define SET_CNT (1u << (2 * EVENTS))

static struct slice
joined(struct slice a, struct slice b)
{
	return MADE(a.len + b.len, history_join(a, b, out));
}

/* Bit w * EVENTS + n: event n + 1 of writer w + 1. */
static struct slice
history_of(unsigned int mask)
{
	struct slice v = { 0 };

	for (unsigned int i = 2 * EVENTS; i-- > 0;) {
		if (mask & 1u << i) {
			uint8_t buf[HISTORY_RUN_BYTES];
			struct wbuf one = wbuf_init(buf, sizeof(buf));

			history_put(&one, by(1 + i / EVENTS), 1 + i % EVENTS);
			v = joined(v, wbuf_slice(&one));
		}
	}
	return v;
}

static void
bytes_no_encoder_wrote_are_refused(void **state)
{
	const uint64_t bad[][6] = {
		{ 1, 0, 1, 2, 1, 1 },          /* there is no event 0 */
		{ 1, 2, 1, 2, 1, 1 },          /* ends before it begins */
		{ 1, 1, 1, 1, 2, 2 },          /* touch */
		{ 1, 1, 3, 1, 2, 5 },          /* overlap */
		{ 2, 1, 1, 1, 1, 1 },          /* not sorted */
		{ 1, 1, UINT64_MAX, 2, 1, 1 }, /* the end of all numbers */
	};
	const struct slice good = history_of(0x2d);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(history_check(slice_of(bad[i], sizeof(bad[i]))), MB_ERR_CORRUPT);
	}
	assert_int_equal(history_check(good), 0);
	for (size_t len = 0; len < good.len; len++) {
		const struct slice cut = made_copy(slice_of(good.p, len));

		assert_int_equal(history_check(cut) == 0, len % HISTORY_RUN_BYTES == 0);
		(void)history_leq(cut, good);
		(void)history_last(cut, by(1));
	}
}

static void
they_are_sets(void **state)
{
	static struct slice v[SET_CNT];

	for (unsigned int a = 0; a < SET_CNT; a++) {
		v[a] = history_of(a);
		assert_int_equal(history_check(v[a]), 0);
	}
	for (unsigned int a = 0; a < SET_CNT; a++) {
		for (unsigned int b = 0; b < SET_CNT; b++) {
			const struct slice meet =
				MADE(v[a].len + v[b].len, history_meet(v[a], v[b], out));

			assert_true(slice_eq(joined(v[a], v[b]), v[a | b]));
			assert_true(slice_eq(meet, v[a & b]));
			assert_int_equal(history_leq(v[a], v[b]), (a & ~b) == 0);
		}
	}
}

static void
what_touches_is_one_run(void **state)
{
	assert_int_equal(history_of(0x07).len, HISTORY_RUN_BYTES);
	assert_int_equal(history_of(0x05).len, 2 * HISTORY_RUN_BYTES);
	assert_int_equal(history_of(0x0c).len, 2 * HISTORY_RUN_BYTES); /* of two writers */
	assert_int_equal(history_last(history_of(0x0d), by(1)), 3);
	assert_int_equal(history_last(history_of(0x0d), by(2)), 1);
	assert_int_equal(history_last(history_of(0x0d), by(3)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_no_encoder_wrote_are_refused),
		cmocka_unit_test(they_are_sets),
		cmocka_unit_test(what_touches_is_one_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
