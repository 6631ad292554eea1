/* SPDX-License-Identifier: Apache-2.0 */
/* bad_symbol - an object that needs what nobody has */
#include <microburst/function.h>

int mb_does_not_exist(void);

MB_FUNCTION(never)
{
	return mb_does_not_exist();
}
