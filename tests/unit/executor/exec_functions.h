/* SPDX-License-Identifier: Apache-2.0 */
/* exec_functions - functions that several tests run: one that counts on, one that gives back what
 * it got, one whose results are many or long */
#ifndef MB_TEST_EXEC_FUNCTIONS_H
#define MB_TEST_EXEC_FUNCTIONS_H

#include <stdint.h>
#include <string.h>

#include <microburst/function.h>

MB_FUNCTION(increment)
{
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	return mb_return_i64(call, n + 1);
}

MB_FUNCTION(echo)
{
	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		struct mb_slice bytes;
		const double *array;
		size_t cnt;
		int64_t n;
		double d;
		void *to;

		switch (mb_arg_type(call, i)) {
		case MB_NIL:
			MB_TRY(mb_return_nil(call));
			break;
		case MB_I64:
			MB_TRY(mb_arg_i64(call, i, &n));
			MB_TRY(mb_return_i64(call, n));
			break;
		case MB_F64:
			MB_TRY(mb_arg_f64(call, i, &d));
			MB_TRY(mb_return_f64(call, d));
			break;
		case MB_F64_ARRAY:
			MB_TRY(mb_arg_f64_array(call, i, &array, &cnt));
			MB_TRY(mb_return_f64_array(call, array, cnt));
			break;
		case MB_UTF8:
			MB_TRY(mb_arg_utf8(call, i, &bytes));
			MB_TRY(mb_return_utf8(call, bytes));
			break;
		default: /* in place, by way of one that is too long at first */
			MB_TRY(mb_arg_bytes(call, i, &bytes));
			MB_TRY(mb_return_reserve(call, MB_BYTES, bytes.len + 100, &to));
			if (bytes.len != 0) {
				memcpy(to, bytes.p, bytes.len);
			}
			MB_TRY(mb_return_trim(call, bytes.len));
			break;
		}
	}
	return 0;
}

/* So many results, so long. */
MB_FUNCTION(many)
{
	int64_t cnt, len;

	MB_TRY(mb_arg_i64(call, 0, &cnt));
	MB_TRY(mb_arg_i64(call, 1, &len));
	for (int64_t i = 0; i < cnt; i++) {
		void *p;

		MB_TRY(mb_return_reserve(call, MB_BYTES, (size_t)len, &p));
		memset(p, (int)i, (size_t)len);
	}
	return 0;
}

#endif
