/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled as strict C11: the installed header asks for nothing more. The header comes first, so
 * that it proves to be complete. */
#include <microburst/error.h>

const char *error_header_c11(void);

const char *
error_header_c11(void)
{
	return mb_err_retryable(MB_ERR_BUSY) ? mb_err_name(MB_ERR_BUSY) : mb_err_text(MB_OK);
}
