/* SPDX-License-Identifier: Apache-2.0 */
/* bad_init - an object that refuses to be used */
#include <microburst/function.h>

MB_INIT
{
	return mb_fail(call, "the %s is missing", "flux");
}

MB_FUNCTION(never)
{
	return 0;
}
