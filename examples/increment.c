/* SPDX-License-Identifier: Apache-2.0 */
/* increment.c - the smallest function: a number in, a number out
 *
 *	microburst deploy examples/increment.c
 *	microburst call increment 4
 *	5
 */
#include <microburst/function.h>

MB_FUNCTION(increment)
{
	int64_t x;

	MB_TRY(mb_arg_i64(call, 0, &x));
	if (x == INT64_MAX) {
		return mb_fail(call, "%lld is the last one", (long long)x);
	}
	return mb_return_i64(call, x + 1);
}
