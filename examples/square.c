/* SPDX-License-Identifier: Apache-2.0 */
/* square.c - with increment.c, two functions of which one calls the other
 *
 *	microburst deploy examples/increment.c examples/square.c
 *	microburst dag add square_of_increment 'increment -> square'
 *	microburst dag call square_of_increment increment=4
 *	25
 *
 * The result of increment becomes the argument of square without passing through a store or a
 * network; on one executor, without leaving the process.
 */
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
