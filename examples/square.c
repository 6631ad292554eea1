/* SPDX-License-Identifier: Apache-2.0 */
/* square - with increment the shortest DAG: 'increment -> square' */
#include <microburst/function.h>

MB_FUNCTION(square)
{
	int64_t x, y;

	MB_TRY(mb_arg_i64(call, 0, &x));
	if (__builtin_mul_overflow(x, x, &y)) {
		return mb_fail(call, "the square of %lld is beyond 64 bits", (long long)x);
	}
	return mb_return_i64(call, y);
}
