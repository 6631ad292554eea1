/* SPDX-License-Identifier: Apache-2.0 */
/* cold.c - a function to be called for the first time, deployed under many names */
#include <microburst/function.h>

MB_FUNCTION(bench_cold)
{
	return mb_return_i64(call, 1);
}
