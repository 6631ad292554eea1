/* SPDX-License-Identifier: Apache-2.0 */
/* calls.c - functions that do next to nothing, so that what is measured is the call */
#include <microburst/function.h>

MB_FUNCTION(bench_increment)
{
	int64_t x;

	MB_TRY(mb_arg_i64(call, 0, &x));
	return mb_return_i64(call, x + 1);
}

MB_FUNCTION(bench_square)
{
	int64_t x;

	MB_TRY(mb_arg_i64(call, 0, &x));
	return mb_return_i64(call, x * x);
}

MB_FUNCTION(bench_total)
{
	int64_t total = 0;

	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		int64_t x;

		MB_TRY(mb_arg_i64(call, i, &x));
		total += x;
	}
	return mb_return_i64(call, total);
}
