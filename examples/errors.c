/* SPDX-License-Identifier: Apache-2.0 */
/* errors.c - errors reach the caller, with a sentence that says why
 *
 *	microburst deploy examples/errors.c
 *	microburst call divide 1 0
 *	microburst call divide 1 x
 *
 * The first call ends with this function's own words, the second with the system's: argument 1 is
 * text, not a number. Either way `microburst` says so and exits with 1.
 */
#include <microburst/function.h>

MB_FUNCTION(divide)
{
	double a, b;

	/* MB_TRY returns from the function if its expression is an error. */
	MB_TRY(mb_arg_f64(call, 0, &a));
	MB_TRY(mb_arg_f64(call, 1, &b));
	if (b == 0) {
		return mb_fail(call, "%g cannot be divided by nothing", a);
	}
	return mb_return_f64(call, a / b);
}
