/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a string reads as SET, INCR and DEL left it, also where they were concurrent; what is not
 *         a number is refused as one; bytes no encoder wrote are refused.
 * Method: the table of strval.h row by row, then the edges. */
#include "strval.h"

#include "made.h"
#include "test_cmocka.h"

static const struct slice none;

static void
assert_text(struct slice v, const char *text)
{
	char buf[STRVAL_TEXT_MAX];
	struct slice got;

	assert_int_equal(lattice_check(LATTICE_STRING, v), 0);
	assert_int_equal(strval_text(v, buf, &got), text != NULL ? 0 : MB_ERR_NOT_FOUND);
	if (text != NULL) {
		assert_int_equal(got.len, strlen(text));
		assert_memory_equal(got.p, text, got.len);
	}
}

static int
number_rc(struct slice v, int64_t *ret)
{
	return strval_i64(v, ret);
}

static int64_t
number(struct slice v)
{
	int64_t n = 0;

	assert_int_equal(strval_i64(v, &n), 0);
	return n;
}

static void
what_is_no_number_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"-",
		"+1",
		" 1",
		"1 ",
		"01",
		"-0",
		"-01",
		"1.0",
		"1e3",
		"0x10",
		"--1",
		"9223372036854775808",
		"-9223372036854775809",
		"99999999999999999999",
		"18446744073709551617",
		"one",
	};
	static const char *const good[] = {
		"0", "1", "-1", "10", "9223372036854775807", "-9223372036854775808"
	};
	uint8_t buf[64];
	int64_t n;

	for (size_t i = 0; i < ARRAY_CNT(bad); i++) {
		struct wbuf out = wbuf_init(buf, sizeof(buf));
		const struct slice v = string_set(bad[i]);

		assert_int_equal(number_rc(v, &n), MB_ERR_TYPE);
		assert_int_equal(strval_delta_add(v, by(1), 1, &out), MB_ERR_TYPE);
		assert_int_equal(out.len, 0);
		assert_text(v, bad[i]);
	}
	for (size_t i = 0; i < ARRAY_CNT(good); i++) {
		assert_int_equal(number(string_set(good[i])), strtoll(good[i], NULL, 10));
	}
}

static void
bytes_no_encoder_wrote_are_refused(void **state)
{
	static const struct {
		const char *why;
		uint8_t bytes[24];
		size_t len;
	} rows[] = {
		{ "bottom in a byte", { 0 }, 1 },
		{ "an unknown kind", { 3 }, 1 },
		{ "an unknown bit", { 'a', 9 }, 2 },
		{ "bytes without a base", { 'a', 0 }, 2 },
		{ "bytes in a deleted base", { 'a', 2 }, 2 },
		{ "a counter without length", { 5 }, 1 },
		{ "an empty counter", { 0, 0, 0, 0, 5 }, 5 },
		{ "a counter longer than all", { 1, 0, 0, 0, 5 }, 5 },
		{ "a counter that is none", { 'a', 1, 0, 0, 0, 5 }, 6 },
	};

	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		const struct slice v = made_copy(slice_of(rows[i].bytes, rows[i].len));

		if (lattice_check(LATTICE_STRING, v) != MB_ERR_CORRUPT) {
			fail_msg("accepted: %s", rows[i].why);
		}
	}
}

static void
it_reads_as_the_table_says(void **state)
{
	const struct slice plus = string_plus(none, 1, 3);
	int64_t n;

	assert_text(none, NULL);
	assert_int_equal(number_rc(none, &n), MB_ERR_NOT_FOUND);
	assert_text(string_set("x y"), "x y");
	assert_text(string_plus(string_set("40"), 1, 2), "42");
	assert_int_equal(number(string_plus(string_set("40"), 1, 2)), 42);
	assert_text(plus, "3");
	assert_text(string_deleted(string_set("x")), NULL);
	assert_text(string_deleted(plus), NULL);
	assert_int_equal(number_rc(string_deleted(plus), &n), MB_ERR_NOT_FOUND);
	assert_text(string_plus(string_deleted(string_set("x")), 1, 2), "2");
	assert_text(string_plus(string_plus(string_set("5"), 1, 1), 2, -1), "5");
	/* A counter over what is no number: refused where it is made, but a peer may send it. */
	assert_text(merged(LATTICE_STRING, string_set("x"), plus), "x");
	assert_int_equal(number_rc(merged(LATTICE_STRING, string_set("x"), plus), &n), MB_ERR_TYPE);
}

static void
the_edges_of_int64_are_kept(void **state)
{
	const struct slice max = string_set("9223372036854775807");
	const struct slice min = string_set("-9223372036854775808");
	struct slice v;
	uint8_t buf[64];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	int64_t n;

	assert_int_equal(strval_delta_add(max, by(1), 1, &out), MB_ERR_TOO_LARGE);
	assert_int_equal(strval_delta_add(min, by(1), -1, &out), MB_ERR_TOO_LARGE);
	/* The counter alone is beyond int64_t here; what is shown is not. */
	v = string_plus(string_plus(min, 1, INT64_MAX), 1, INT64_MAX);
	assert_text(v, "9223372036854775806");
	/* Fine at each replica, too much together. */
	v = merged(LATTICE_STRING, string_plus(max, 1, -1), string_plus(max, 2, 0));
	assert_int_equal(number(v), INT64_MAX - 1);
	v = merged(LATTICE_STRING, string_plus(none, 1, INT64_MAX), string_plus(none, 2, 1));
	assert_int_equal(number_rc(v, &n), MB_ERR_TOO_LARGE);
	assert_text(v, "9223372036854775808");
	assert_text(string_plus(v, 1, -8), "9223372036854775800");
}

static void
a_delete_takes_what_it_saw(void **state)
{
	const struct slice seen = string_plus(string_set("10"), 1, 1);
	const struct slice unseen = string_plus(seen, 2, 7);

	assert_text(merged(LATTICE_STRING, string_deleted(seen), unseen), "7");
	assert_text(merged(LATTICE_STRING, unseen, string_deleted(seen)), "7");
	assert_int_equal(MADE(0, strval_delta_del(none, out)).len, 0);
	assert_int_equal(MADE(0, strval_delta_del(string_deleted(seen), out)).len, 0);
}

static void
an_increment_brings_its_base_along(void **state)
{
	const struct slice set = string_set("10");
	const struct slice plus = MADE(STRVAL_ADD_BYTES_MAX, strval_delta_add(set, by(1), 1, out));
	const struct slice deleted = string_deleted(set);

	assert_text(plus, "11"); /* heard of before the SET */
	assert_text(merged(LATTICE_STRING, string_deleted(plus), set), NULL);
	assert_text(merged(LATTICE_STRING,
			   MADE(STRVAL_ADD_BYTES_MAX, strval_delta_add(deleted, by(1), 1, out)),
			   set),
		    "1");
}

static void
the_longest_increment_fits_its_limit(void **state)
{
	struct slice v = string_set("-9223372036854775808");

	v = string_plus(string_plus(v, UINT64_MAX, INT64_MAX), UINT64_MAX, INT64_MAX);
	assert_text(string_plus(v, UINT64_MAX, -1), "9223372036854775805");
}

static void
zero_is_not_absent(void **state)
{
	assert_text(string_plus(none, 1, 0), "0");
	assert_text(string_plus(string_set("7"), 1, 0), "7");
	assert_text(string_set(""), "");
}

static void
bytes_are_read_where_the_value_begins(void **state)
{
	const struct slice v = string_set("hello");
	char buf[STRVAL_TEXT_MAX];
	struct slice text;

	assert_int_equal(v.len, 6);
	assert_int_equal(strval_text(v, buf, &text), 0);
	assert_ptr_equal(text.p, v.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(bytes_no_encoder_wrote_are_refused),
		cmocka_unit_test(it_reads_as_the_table_says),
		cmocka_unit_test(the_edges_of_int64_are_kept),
		cmocka_unit_test(a_delete_takes_what_it_saw),
		cmocka_unit_test(an_increment_brings_its_base_along),
		cmocka_unit_test(the_longest_increment_fits_its_limit),
		cmocka_unit_test(zero_is_not_absent),
		cmocka_unit_test(bytes_are_read_where_the_value_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
