/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a writer never leaves its buffer, a reader never leaves its bytes, an error stays; what
 *         was written is read back; equal varints have equal bytes.
 * Method: every length short of enough, hand-made malformed varints, then random round trips.
 *         Buffers are of the exact size, so that the address sanitizer sees a byte too far. */
#include "slice.h"

#include <stdlib.h>

#include "compiler.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

static void
a_full_writer_writes_nothing_more(void **state)
{
	uint8_t buf[4] = { 0xee, 0xee, 0xee, 0xee };
	struct wbuf w = wbuf_init(buf, 3);

	wbuf_u16(&w, 0x0201);
	wbuf_u32(&w, 0);
	assert_true(w.full);
	assert_int_equal(w.len, 2);
	wbuf_u8(&w, 3); /* would fit, but would be a splice */
	assert_int_equal(w.len, 2);
	assert_null(wbuf_reserve(&w, 1));
	assert_memory_equal(buf, ((uint8_t[]){ 1, 2, 0xee, 0xee }), 4);
}

static void
a_huge_length_does_not_wrap(void **state)
{
	uint8_t buf[8];
	struct wbuf w = wbuf_init(buf, sizeof(buf));
	struct rbuf r = rbuf_of(slice_of(buf, sizeof(buf)));

	wbuf_u8(&w, 1);
	assert_null(wbuf_reserve(&w, SIZE_MAX));
	assert_true(w.full);
	rbuf_u8(&r);
	assert_null(rbuf_take(&r, SIZE_MAX).p);
	assert_true(r.bad);
}

static void
a_bad_reader_stays_bad(void **state)
{
	uint8_t buf[3] = { 1, 2, 3 };
	struct rbuf r = rbuf_of(slice_of(buf, sizeof(buf)));

	assert_int_equal(rbuf_u16(&r), 0x0201);
	assert_int_equal(rbuf_u16(&r), 0);
	assert_true(r.bad);
	assert_int_equal(rbuf_u8(&r), 0); /* is there, but is not what it seems */
	assert_int_equal(rbuf_take(&r, 1).len, 0);
	assert_false(rbuf_done(&r));
}

static void
each_truncation_is_noticed(void **state)
{
	uint8_t whole[32];
	struct wbuf w = wbuf_init(whole, sizeof(whole));

	wbuf_u8(&w, 1);
	wbuf_u16(&w, 2);
	wbuf_u32(&w, 3);
	wbuf_u64(&w, 4);
	wbuf_varint(&w, UINT64_MAX);
	wbuf_put(&w, "abc", 3);
	assert_false(w.full);

	for (size_t len = 0; len <= w.len; len++) {
		uint8_t *copy = malloc(len + (len == 0));
		struct rbuf r = rbuf_of(slice_of(copy, len));
		struct wbuf short_w = wbuf_init(copy, len);

		memcpy(copy, whole, len);
		rbuf_u8(&r);
		rbuf_u16(&r);
		rbuf_u32(&r);
		rbuf_u64(&r);
		rbuf_varint(&r);
		rbuf_take(&r, 3);
		assert_int_equal(r.bad, len < w.len);
		assert_int_equal(rbuf_done(&r), len == w.len);

		wbuf_put(&short_w, whole, w.len);
		assert_int_equal(short_w.full, len < w.len);
		free(copy);
	}
}

static void
malformed_varints_are_refused(void **state)
{
	static const struct {
		uint8_t bytes[12];
		size_t len;
	} bad[] = {
		{ { 0x80 }, 1 },             /* ends early */
		{ { 0x80, 0x00 }, 2 },       /* zero in two bytes */
		{ { 0xff, 0x80, 0x00 }, 3 }, /* 127 in three */
		{ { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02 }, 10 }, /* 2^64 */
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00 }, 11 },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 }, 12 },
	};

	for (size_t i = 0; i < ARRAY_CNT(bad); i++) {
		struct rbuf r = rbuf_of(slice_of(bad[i].bytes, bad[i].len));

		assert_int_equal(rbuf_varint(&r), 0);
		assert_true(r.bad);
	}
}

static void
a_varint_that_does_not_fit_is_not_begun(void **state)
{
	uint8_t buf[2] = { 0xee, 0xee };
	struct wbuf w = wbuf_init(buf, 1);

	wbuf_varint(&w, 128);
	assert_true(w.full);
	assert_int_equal(w.len, 0);
	assert_int_equal(buf[0], 0xee);
}

static void
varints_are_shortest(void **state)
{
	for (unsigned bits = 0; bits <= 64; bits++) {
		uint64_t v = bits == 0 ? 0 : UINT64_MAX >> (64 - bits);
		uint8_t buf[VARINT_BYTES_MAX];
		struct wbuf w = wbuf_init(buf, sizeof(buf));
		struct rbuf r;

		wbuf_varint(&w, v);
		assert_false(w.full);
		assert_int_equal(w.len, bits == 0 ? 1 : (bits + 6) / 7);
		r = rbuf_of(wbuf_slice(&w));
		assert_true(rbuf_varint(&r) == v);
		assert_true(rbuf_done(&r));
	}
}

static void
integers_are_little_endian(void **state)
{
	uint8_t buf[15];
	struct wbuf w = wbuf_init(buf, sizeof(buf));
	static const uint8_t want[15] = { 1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12, 11, 10, 9, 8 };

	wbuf_u8(&w, 0x01);
	wbuf_u16(&w, 0x0203);
	wbuf_u32(&w, 0x04050607);
	wbuf_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
	assert_memory_equal(buf, want, sizeof(want));
}

static void
random_values_come_back(void **state)
{
	struct rng rng;

	rng_init(&rng, test_seed("slice"));
	for (int round = 0; round < 20000; round++) {
		uint8_t buf[64];
		struct wbuf w = wbuf_init(buf, sizeof(buf));
		uint64_t v = rng_u64(&rng) >> rng_below(&rng, 64);
		size_t len = rng_below(&rng, 17);
		struct slice bytes;
		struct rbuf r;

		wbuf_varint(&w, v);
		wbuf_u16(&w, (uint16_t)v);
		wbuf_u32(&w, (uint32_t)v);
		wbuf_u64(&w, v);
		wbuf_put(&w, &rng, len);
		assert_false(w.full);

		r = rbuf_of(wbuf_slice(&w));
		assert_true(rbuf_varint(&r) == v);
		assert_int_equal(rbuf_u16(&r), (uint16_t)v);
		assert_int_equal(rbuf_u32(&r), (uint32_t)v);
		assert_true(rbuf_u64(&r) == v);
		bytes = rbuf_take(&r, len);
		assert_true(slice_eq(bytes, slice_of(&rng, len)));
		assert_true(rbuf_done(&r));
	}
}

static void
slices_compare_by_bytes_then_length(void **state)
{
	struct slice none = slice_of(NULL, 0);

	assert_true(slice_eq(none, slice_str("")));
	assert_false(slice_eq(none, slice_str("a")));
	assert_int_equal(slice_cmp(none, slice_str("")), 0);
	assert_true(slice_cmp(none, slice_str("a")) < 0);
	assert_true(slice_cmp(slice_str("ab"), slice_str("abc")) < 0);
	assert_true(slice_cmp(slice_str("b"), slice_str("abc")) > 0);
	assert_true(slice_cmp(slice_str("\xff"), slice_str("a")) > 0); /* unsigned */
	assert_true(slice_eq(slice_str("abc"), slice_of("abcd", 3)));
}

static void
nothing_can_be_written_and_read_nowhere(void **state)
{
	struct wbuf w = wbuf_init(NULL, 0);
	struct rbuf r = rbuf_of(wbuf_slice(&w));

	wbuf_put(&w, NULL, 0);
	assert_false(w.full);
	assert_int_equal(rbuf_take(&r, 0).len, 0);
	assert_true(rbuf_done(&r));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_writer_writes_nothing_more),
		cmocka_unit_test(a_huge_length_does_not_wrap),
		cmocka_unit_test(a_bad_reader_stays_bad),
		cmocka_unit_test(each_truncation_is_noticed),
		cmocka_unit_test(malformed_varints_are_refused),
		cmocka_unit_test(a_varint_that_does_not_fit_is_not_begun),
		cmocka_unit_test(varints_are_shortest),
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(random_values_come_back),
		cmocka_unit_test(slices_compare_by_bytes_then_length),
		cmocka_unit_test(nothing_can_be_written_and_read_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
