// SPDX-License-Identifier: Apache-2.0
// Compiled as C++11: the installed header is good for both languages.
#include <microburst/error.h>

const char *
error_header_cxx()
{
	mb_err err = MB_ERR_BUSY;

	return mb_err_retryable(err) ? mb_err_name(err) : mb_err_text(MB_OK);
}
