/* SPDX-License-Identifier: Apache-2.0 */
/* echo.c - returns its arguments, whatever they are: every type there and back
 *
 *	microburst deploy examples/echo.c
 *	microburst call echo 1 0.5 text b:00ff a:1,2.5
 */
#include <microburst/function.h>

static int
echo_one(struct mb_call *call, uint32_t idx)
{
	struct mb_slice bytes;
	const double *array;
	size_t cnt;
	int64_t i;
	double f;

	switch (mb_arg_type(call, idx)) {
	case MB_NIL:
		return mb_return_nil(call);
	case MB_I64:
		MB_TRY(mb_arg_i64(call, idx, &i));
		return mb_return_i64(call, i);
	case MB_F64:
		MB_TRY(mb_arg_f64(call, idx, &f));
		return mb_return_f64(call, f);
	case MB_UTF8:
		MB_TRY(mb_arg_utf8(call, idx, &bytes));
		return mb_return_utf8(call, bytes);
	case MB_F64_ARRAY:
		MB_TRY(mb_arg_f64_array(call, idx, &array, &cnt));
		return mb_return_f64_array(call, array, cnt);
	default:
		MB_TRY(mb_arg_bytes(call, idx, &bytes));
		return mb_return_bytes(call, bytes);
	}
}

MB_FUNCTION(echo)
{
	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		MB_TRY(echo_one(call, i));
	}
	return 0;
}

/* Nothing in, nothing out: what a call costs. */
MB_FUNCTION(nop)
{
	return 0;
}
