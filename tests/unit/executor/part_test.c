/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what is written as a part is a value of its type, and is read back the same; what is no
 *         part is refused.
 * Method: one of each kind; each refusal. */
#include "part.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lattice.h"
#include "microburst/error.h"
#include "pair_lex.h"
#include "test_cmocka.h"

static uint8_t mem[PART_PAIR_MAX];

static void
what_is_no_part_is_refused(void **state)
{
	static char large[PART_VALUE_MAX + 1];
	const struct {
		struct mb_part part;
		int err;
	} row[] = {
		{ { .kind = (enum mb_part_kind)99 }, MB_ERR_INVALID },
		{ { .kind = MB_PART_MAX_F64, .f64 = NAN }, MB_ERR_INVALID },
		{ { .kind = MB_PART_CLOCK, .u64 = 1 }, MB_ERR_INVALID },
		{ { .kind = MB_PART_CLOCK, .u64 = 1, .number = -1 }, MB_ERR_INVALID },
		{ { .kind = MB_PART_LWW, .bytes = { large, sizeof(large) } }, MB_ERR_TOO_LARGE },
	};
	const struct mb_part max = { .kind = MB_PART_MAX }, none = { .kind = MB_PART_NONE };
	const struct mb_part member = { .kind = MB_PART_MEMBER };
	struct wbuf out;
	struct mb_part got;
	unsigned int type;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		out = wbuf_init(mem, PART_BYTES_MAX);
		assert_int_equal(part_write(&row[i].part, &type, &out), row[i].err);
		assert_int_equal(out.len, 0);
	}
	out = wbuf_init(mem, sizeof(mem));
	assert_int_equal(part_pair_write(&member, &max, &out), MB_ERR_INVALID);
	assert_int_equal(part_pair_write(&none, &max, &out), MB_ERR_INVALID);
	assert_int_equal(part_read(LATTICE_ORSET, slice_str("x"), &got), MB_ERR_TYPE);
}

static void
each_kind_comes_back(void **state)
{
	const struct mb_part part[] = {
		{ .kind = MB_PART_OR, .u64 = 1 },
		{ .kind = MB_PART_MAX, .u64 = UINT64_MAX },
		{ .kind = MB_PART_MIN, .u64 = 3 },
		{ .kind = MB_PART_MAX_F64, .f64 = -0.5 },
		{ .kind = MB_PART_PRIORITY, .number = -7, .bytes = { "seven", 5 } },
		{ .kind = MB_PART_LWW, .u64 = 1234567, .bytes = { "at", 2 } },
	};

	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		struct wbuf out = wbuf_init(mem, PART_BYTES_MAX);
		struct mb_part got;
		unsigned int type;

		assert_int_equal(part_write(&part[i], &type, &out), 0);
		assert_int_equal(lattice_check(type, wbuf_slice(&out)), 0);
		assert_int_equal(part_read(type, wbuf_slice(&out), &got), 0);
		assert_int_equal(got.kind, part[i].kind);
		assert_true(got.u64 == part[i].u64 && got.number == part[i].number);
		assert_true(got.f64 == part[i].f64);
		assert_int_equal(got.bytes.len, part[i].bytes.len);
		assert_memory_equal(got.bytes.len != 0 ? got.bytes.p : "",
				    got.bytes.len != 0 ? part[i].bytes.p : "", got.bytes.len);
	}
}

static void
pairs(void **state)
{
	const struct mb_part first = { .kind = MB_PART_MAX, .u64 = 1 };
	const struct mb_part second = { .kind = MB_PART_CLOCK, .u64 = 4, .number = 2 };
	const struct mb_part none = { .kind = MB_PART_NONE };
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct pair_lex pair;

	assert_int_equal(part_pair_write(&first, &second, &out), 0);
	assert_int_equal(lattice_check(LATTICE_PAIR_LEX, wbuf_slice(&out)), 0);
	assert_int_equal(pair_lex_open(wbuf_slice(&out), &pair), 0);
	assert_int_equal(pair.second_type, LATTICE_VCLOCK);
	out = wbuf_init(mem, sizeof(mem));
	assert_int_equal(part_pair_write(&first, &none, &out), 0);
	assert_int_equal(pair_lex_open(wbuf_slice(&out), &pair), 0);
	assert_int_equal(pair.second_type, LATTICE_ABSENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_part_is_refused),
		cmocka_unit_test(each_kind_comes_back),
		cmocka_unit_test(pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
