/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what is written is read back, in place; whatever is damaged is refused, without a look
 *         outside of it; the table is read once.
 * Method: each kind of damage by hand; every prefix and every single bit flip of a list in memory
 *         of exactly its size; random lists of every type against a second reader. */
#include "value.h"

#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include <microburst/error.h>

static struct value got[MB_VALUES_MAX];

/* A list of { i64 5, "abc", nil, array of two }, in memory of its own. */
static struct slice
sample(void)
{
	static const double two[] = { 1.5, -2.5 };
	struct value_writer w;
	uint8_t *p = aligned_alloc(8, 256);
	int64_t len;

	value_list_begin(&w, p, 256, 4);
	value_list_add_i64(&w, 5);
	value_list_add(&w, MB_UTF8, "abc", 3);
	value_list_add(&w, MB_NIL, NULL, 0);
	value_list_add(&w, MB_F64_ARRAY, two, sizeof(two));
	len = value_list_end(&w);
	assert_true(len > 0);
	return slice_of(p, (size_t)len);
}

static struct slice
copy_exact(struct slice s)
{
	uint8_t *p = malloc(s.len != 0 ? s.len : 1);

	memcpy(p, s.p, s.len);
	return slice_of(p, s.len);
}

static void
put32(struct slice s, size_t off, uint32_t x)
{
	memcpy((uint8_t *)(uintptr_t)s.p + off, &x, sizeof(x));
}

static void
damage_is_refused(void **state)
{
	static const struct {
		size_t off;
		uint32_t word;
		int err;
		const char *what;
	} row[] = {
		{ 0, 5, MB_ERR_CORRUPT, "one value more than there are" },
		{ 0, 3, MB_ERR_CORRUPT, "one value less" },
		{ 0, MB_VALUES_MAX + 1, MB_ERR_TOO_LARGE, "more values than may be" },
		{ 0, UINT32_MAX, MB_ERR_TOO_LARGE, "as many as a word holds" },
		{ 4, 99, MB_ERR_CORRUPT, "an unknown type" },
		{ 8, 7, MB_ERR_CORRUPT, "an i64 of seven bytes" },
		{ 16, UINT32_MAX, MB_ERR_TOO_LARGE, "a length that leaves memory" },
		{ 16, MB_VALUE_BYTES_MAX, MB_ERR_CORRUPT, "a length that leaves the list" },
		{ 24, 1, MB_ERR_CORRUPT, "a nil of one byte" },
		{ 32, 12, MB_ERR_CORRUPT, "an array of one double and a half" },
		{ 32, 8, MB_ERR_CORRUPT, "bytes behind the last value" },
	};

	for (size_t i = 0; i < ARRAY_CNT(row); i++) {
		struct slice s = sample();
		int err;

		put32(s, row[i].off, row[i].word);
		err = value_list_read(s, got);
		if (err != row[i].err) {
			fail_msg("%s: %d", row[i].what, err);
		}
		free((void *)(uintptr_t)s.p);
	}
}

static void
every_prefix_is_refused(void **state)
{
	struct slice s = sample();

	for (size_t len = 1; len < s.len; len++) {
		struct slice cut = copy_exact(slice_of(s.p, len));

		assert_true(value_list_read(cut, got) < 0);
		assert_true(value_list_check(cut) < 0);
		free((void *)(uintptr_t)cut.p);
	}
	free((void *)(uintptr_t)s.p);
}

/* The bytes of values may become anything; the table must hold or be refused. With a sanitizer a
 * look outside is seen. */
static void
every_flip_stays_inside(void **state)
{
	struct slice s = sample();

	for (size_t bit = 0; bit < s.len * 8; bit++) {
		struct slice flip = copy_exact(s);
		int n;

		((uint8_t *)(uintptr_t)flip.p)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		n = value_list_read(flip, got);
		for (int i = 0; i < n; i++) {
			assert_true(
				got[i].len == 0 ||
				(got[i].p >= flip.p && got[i].p + got[i].len <= flip.p + flip.len));
		}
		value_list_check(flip);
		free((void *)(uintptr_t)flip.p);
	}
	free((void *)(uintptr_t)s.p);
}

static void
deep_lists_are_refused(void **state)
{
	uint64_t buf[4][32];
	struct slice inner = slice_of(NULL, 0);

	for (int depth = 0; depth < 4; depth++) {
		struct value_writer w;
		int64_t len;

		value_list_begin(&w, buf[depth], sizeof(buf[depth]), 1);
		if (depth == 0) {
			value_list_add_i64(&w, 1);
		} else {
			value_list_add(&w, MB_LIST, inner.p, inner.len);
		}
		len = value_list_end(&w);
		assert_true(len > 0);
		inner = slice_of(buf[depth], (size_t)len);
		assert_int_equal(value_list_check(inner),
				 depth < VALUE_DEPTH_MAX ? 0 : MB_ERR_CORRUPT);
	}
}

static void
text_is_checked(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} row[] = {
		{ "", true },
		{ "plain ASCII of more than eight", true },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true },
		{ "12345678\xc3\xa4", true },
		{ "\xc3", false },
		{ "12345678\xe2\x82", false },
		{ "\x80", false },
		{ "\xc0\x80", false },             /* overlong */
		{ "\xe0\x80\x80", false },         /* overlong */
		{ "\xf0\x80\x80\x80", false },     /* overlong */
		{ "\xed\xa0\x80", false },         /* a surrogate */
		{ "\xf4\x90\x80\x80", false },     /* beyond U+10FFFF */
		{ "\xf8\x88\x80\x80\x80", false }, /* five bytes */
		{ "\xc3\x28", false },
	};

	for (size_t i = 0; i < ARRAY_CNT(row); i++) {
		struct slice s = copy_exact(slice_str(row[i].text));

		if (value_utf8_ok(s.p, s.len) != row[i].ok) {
			fail_msg("row %zu", i);
		}
		free((void *)(uintptr_t)s.p);
	}
}

static void
a_writer_refuses_what_is_wrong(void **state)
{
	struct value_writer w;
	uint64_t buf[8];

	value_list_begin(&w, buf, sizeof(buf), 1);
	assert_int_equal(value_list_end(&w), MB_ERR_INVALID); /* none added */
	value_list_begin(&w, buf, sizeof(buf), 1);
	value_list_add_i64(&w, 1);
	value_list_add_i64(&w, 2);
	assert_int_equal(value_list_end(&w), MB_ERR_INVALID); /* one too many */
	value_list_begin(&w, buf, sizeof(buf), 1);
	value_list_add(&w, MB_F64, "1234567", 7);
	assert_int_equal(value_list_end(&w), MB_ERR_INVALID);
	value_list_begin(&w, buf, sizeof(buf), 1);
	assert_null(value_list_reserve(&w, MB_BYTES, sizeof(buf)));
	assert_int_equal(value_list_end(&w), MB_ERR_TOO_LARGE);
	value_list_begin(&w, buf, sizeof(buf), MB_VALUES_MAX + 1);
	assert_int_equal(value_list_end(&w), MB_ERR_TOO_LARGE);
}

static void
one_integer_travels_in_a_descriptor(void **state)
{
	struct value v = { .type = MB_I64, .len = 8 };
	struct value_writer w;
	uint64_t buf[3];

	assert_int_equal(value_list_footprint(&v, 1), 24);
	value_list_begin(&w, buf, sizeof(buf), 1);
	value_list_add_i64(&w, -7);
	assert_int_equal(value_list_end(&w), 24);
	assert_int_equal(value_list_read(slice_of(buf, 24), got), 1);
	assert_int_equal(value_i64(got[0]), -7);
}

static void
none_is_a_list_too(void **state)
{
	struct value_writer w;
	uint64_t buf[1];

	value_list_begin(&w, buf, sizeof(buf), 0);
	assert_int_equal(value_list_end(&w), 4);
	assert_int_equal(value_list_footprint(NULL, 0), 4);
	assert_int_equal(value_list_read(slice_of(buf, 4), got), 0);
	assert_int_equal(value_list_read(slice_of(NULL, 0), got), 0);
	assert_int_equal(value_list_cnt(slice_of(NULL, 0)), 0);
	assert_int_equal(value_list_get(slice_of(buf, 4), 0).type, MB_NIL);
}

static uint32_t
random_type_len(struct rng *r, uint32_t *ret_type)
{
	*ret_type = (uint32_t)rng_below(r, MB_F64_ARRAY + 1);
	switch (*ret_type) {
	case MB_NIL:
		return 0;
	case MB_I64:
	case MB_F64:
		return 8;
	case MB_F64_ARRAY:
		return 8 * (uint32_t)rng_below(r, 5);
	default:
		return (uint32_t)rng_below(r, 40);
	}
}

static void
what_is_written_is_read(void **state)
{
	static uint64_t buf[4096];
	static uint8_t bytes[MB_VALUES_MAX][40];
	struct value v[MB_VALUES_MAX];
	struct rng r;

	rng_init(&r, test_seed("value"));
	for (int turn = 0; turn < 2000; turn++) {
		uint32_t cnt = (uint32_t)rng_below(&r, turn % 100 == 0 ? MB_VALUES_MAX + 1 : 9);
		struct value_writer w;
		int64_t len;

		for (uint32_t i = 0; i < cnt; i++) {
			v[i].len = random_type_len(&r, &v[i].type);
			for (uint32_t k = 0; k < v[i].len; k++) {
				bytes[i][k] = (uint8_t)rng_below(&r, 128);
			}
		}
		value_list_begin(&w, buf, sizeof(buf), cnt);
		for (uint32_t i = 0; i < cnt; i++) {
			value_list_add(&w, (enum mb_type)v[i].type, bytes[i], v[i].len);
		}
		len = value_list_end(&w);
		assert_int_equal(len, value_list_footprint(v, cnt));
		assert_int_equal(value_list_check(slice_of(buf, (size_t)len)), 0);
		assert_int_equal(value_list_read(slice_of(buf, (size_t)len), got), cnt);
		for (uint32_t i = 0; i < cnt; i++) {
			struct value one = value_list_get(slice_of(buf, (size_t)len), i);

			assert_int_equal(got[i].type, v[i].type);
			assert_int_equal(got[i].len, v[i].len);
			assert_true(((uintptr_t)got[i].p & 7) == 0);
			assert_true(one.p == got[i].p && one.len == v[i].len &&
				    one.type == v[i].type);
			if (v[i].len != 0) {
				assert_memory_equal(got[i].p, bytes[i], v[i].len);
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(every_prefix_is_refused),
		cmocka_unit_test(every_flip_stays_inside),
		cmocka_unit_test(deep_lists_are_refused),
		cmocka_unit_test(text_is_checked),
		cmocka_unit_test(a_writer_refuses_what_is_wrong),
		cmocka_unit_test(one_integer_travels_in_a_descriptor),
		cmocka_unit_test(none_is_a_list_too),
		cmocka_unit_test(what_is_written_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
