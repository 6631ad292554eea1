/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the greater stamp wins, ties are broken by writer and then by bytes, whole 64 bits count,
 *         and the winner is not copied.
 * Method: by hand; the laws are in tests/prop/types. */
#include "lww.h"

#include "made.h"
#include "test_cmocka.h"

static void
short_bytes_are_refused(void **state)
{
	const struct slice good = lww_made(1, 1, "x");
	struct slice bytes;
	struct stamp stamp;
	struct wbuf out = wbuf_init(NULL, 0);

	for (size_t len = 1; len < LWW_OVERHEAD; len++) {
		const struct slice cut = made_copy(slice_of(good.p, len));

		assert_int_equal(lattice_check(LATTICE_LWW, cut), MB_ERR_CORRUPT);
		assert_int_equal(lww_read(cut, &bytes, &stamp), MB_ERR_CORRUPT);
		assert_int_equal(lattice_merge(LATTICE_LWW, cut, good, &out), MB_ERR_CORRUPT);
		assert_int_equal(lattice_merge(LATTICE_LWW, good, cut, &out), MB_ERR_CORRUPT);
	}
	assert_int_equal(lww_read(slice_of(NULL, 0), &bytes, &stamp), MB_ERR_NOT_FOUND);
}

static void
what_does_not_fit_is_not_begun(void **state)
{
	uint8_t buf[18];
	struct wbuf out = wbuf_init(buf, sizeof(buf));

	assert_int_equal(lww_delta_set(at(1, 1), slice_str("abc"), &out), MB_ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	assert_int_equal(lww_delta_set(at(1, 1), slice_str("ab"), &out), 0);
}

static void
the_greater_wins_and_is_not_copied(void **state)
{
	/* In rising order; each beats all before it. */
	const struct slice v[] = {
		slice_of(NULL, 0),
		lww_made(0, 0, ""),
		lww_made(1, 1, "z"),
		lww_made(1, 2, "a"),  /* same time: the writer */
		lww_made(1, 2, "ab"), /* same stamp: the bytes */
		lww_made(1, 2, "b"),
		lww_made(INT64_MAX, 0, "a"),
		lww_made(UINT64_MAX, UINT64_MAX - 1, "a"), /* signed compares would lose this one */
		lww_made(UINT64_MAX, UINT64_MAX, ""),
	};
	struct wbuf out = wbuf_init(NULL, 0);

	for (size_t i = 0; i < ARRAY_CNT(v); i++) {
		for (size_t j = 0; j < ARRAY_CNT(v); j++) {
			assert_int_equal(lattice_merge(LATTICE_LWW, v[i], v[j], &out),
					 i >= j ? LATTICE_LEFT : LATTICE_RIGHT);
		}
	}
}

static void
bytes_are_read_where_the_value_begins(void **state)
{
	const struct slice v = lww_made(5, 6, "hello");
	struct slice bytes;
	struct stamp stamp;

	assert_int_equal(lww_read(v, &bytes, &stamp), 0);
	assert_ptr_equal(bytes.p, v.p);
	assert_true(slice_eq(bytes, slice_str("hello")));
	assert_int_equal(stamp.time.v, 5);
	assert_int_equal(stamp.writer.v, 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_bytes_are_refused),
		cmocka_unit_test(what_does_not_fit_is_not_begun),
		cmocka_unit_test(the_greater_wins_and_is_not_copied),
		cmocka_unit_test(bytes_are_read_where_the_value_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
