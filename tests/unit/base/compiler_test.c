/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the macros evaluate once, keep types, and work where a constant is needed.
 * Method: static assertions, and arguments with side effects. */
#include "compiler.h"

#include <string.h>

#include "test_cmocka.h"

static_assert(ALIGN_UP(0, 64) == 0, "");
static_assert(ALIGN_UP(1, 64) == 64, "");
static_assert(ALIGN_UP(64, 64) == 64, "");
static_assert(ALIGN_UP(UINT64_C(0x100000001), 4096) == UINT64_C(0x100001000), "no 32-bit mask");
static_assert(ALIGN_UP(UINT64_C(0x100000001), 4096U) == UINT64_C(0x100001000), "no 32-bit mask");
static_assert(ARRAY_CNT(((int[7]){ 0 })) == 7, "");

struct inner {
	char c;
};

struct outer {
	int before;
	struct inner in;
};

static void
min_and_max_evaluate_once(void **state)
{
	unsigned n = 3;

	assert_int_equal(MIN(n++, 10U), 3);
	assert_int_equal(MAX(n++, 1U), 4);
	assert_int_equal(n, 5);
}

static void
min_and_max_nest_and_widen(void **state)
{
	uint32_t small = 7;
	uint64_t large = UINT64_C(1) << 40;

	assert_int_equal(MIN(MIN(large, small), MAX(small, 9U)), 7);
	assert_true(MAX(small, large) == large);
	assert_int_equal(MIN(-1, 1), -1);
}

static void
container_of_finds_the_struct(void **state)
{
	struct outer o;

	assert_ptr_equal(container_of(&o.in, struct outer, in), &o);
}

static void
cpu_pause_returns(void **state)
{
	cpu_pause();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(min_and_max_evaluate_once),
		cmocka_unit_test(min_and_max_nest_and_widen),
		cmocka_unit_test(container_of_finds_the_struct),
		cmocka_unit_test(cpu_pause_returns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
