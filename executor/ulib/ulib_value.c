/* SPDX-License-Identifier: Apache-2.0 */
/* ulib_value.c - arguments and results */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "copy.h"
#include "fn.h"

static const char *const type_name[] = {
	[MB_NIL] = "nil",           [MB_BYTES] = "bytes",
	[MB_I64] = "i64",           [MB_F64] = "f64",
	[MB_UTF8] = "utf8",         [MB_F64_ARRAY] = "array of f64",
	[MB_LIST] = "list",         [MB_REF] = "reference",
	[MB_OUTPUT] = "output key", [MB_INVALID] = "a text that says why there is no valid value"
};

/* --------------------------------------------------------------- arguments */

static int __attribute__((__cold__))
arg_refuse(struct mb_call *call, uint32_t idx, const char *wanted)
{
	char what[32];
	char why[FN_LOG_BYTES];

	snprintf(what, sizeof(what), "argument %u", idx);
	if (idx >= call->arg_cnt) {
		snprintf(why, sizeof(why), "there are only %u", call->arg_cnt);
		return call_refuse(call, MB_ERR_NOT_FOUND, what, why);
	}
	if (call->arg[idx].type == MB_INVALID) {
		snprintf(why, sizeof(why), "%s is expected, and there is no valid one: %.*s",
			 wanted, (int)call->arg[idx].len, (const char *)call->arg[idx].p);
	} else {
		snprintf(why, sizeof(why), "%s is expected, not %s", wanted,
			 type_name[call->arg[idx].type]);
	}
	return call_refuse(call, MB_ERR_TYPE, what, why);
}

static inline bool
arg_is(const struct mb_call *call, uint32_t idx, enum mb_type type)
{
	return likely(idx < call->arg_cnt && call->arg[idx].type == type);
}

uint32_t
mb_arg_cnt(const struct mb_call *call)
{
	return call->arg_cnt;
}

int
mb_arg_type(const struct mb_call *call, uint32_t idx)
{
	return idx < call->arg_cnt ? (int)call->arg[idx].type : MB_ERR_NOT_FOUND;
}

int
mb_arg_bytes(struct mb_call *call, uint32_t idx, struct mb_slice *ret)
{
	if (!arg_is(call, idx, MB_BYTES) && !arg_is(call, idx, MB_UTF8)) {
		return arg_refuse(call, idx, type_name[MB_BYTES]);
	}
	*ret = mb_slice_of(call->arg[idx].p, call->arg[idx].len);
	return 0;
}

int
mb_arg_utf8(struct mb_call *call, uint32_t idx, struct mb_slice *ret)
{
	if (!arg_is(call, idx, MB_UTF8)) {
		return arg_refuse(call, idx, type_name[MB_UTF8]);
	}
	if (!value_utf8_ok(call->arg[idx].p, call->arg[idx].len)) {
		return call_refuse(call, MB_ERR_INVALID, "an argument of type utf8",
				   "its bytes are not valid UTF-8");
	}
	*ret = mb_slice_of(call->arg[idx].p, call->arg[idx].len);
	return 0;
}

int
mb_arg_i64(struct mb_call *call, uint32_t idx, int64_t *ret)
{
	if (!arg_is(call, idx, MB_I64)) {
		return arg_refuse(call, idx, type_name[MB_I64]);
	}
	*ret = value_i64(call->arg[idx]);
	return 0;
}

int
mb_arg_f64(struct mb_call *call, uint32_t idx, double *ret)
{
	int64_t x;

	if (arg_is(call, idx, MB_F64)) {
		*ret = value_f64(call->arg[idx]);
		return 0;
	}
	if (!arg_is(call, idx, MB_I64)) {
		return arg_refuse(call, idx, type_name[MB_F64]);
	}
	x = value_i64(call->arg[idx]);
	if (x > INT64_C(1) << 53 || x < -(INT64_C(1) << 53)) {
		return call_refuse(call, MB_ERR_TYPE, "an argument of type f64",
				   "the integer given is beyond what an f64 can hold exactly");
	}
	*ret = (double)x;
	return 0;
}

int
mb_arg_f64_array(struct mb_call *call, uint32_t idx, const double **ret, size_t *ret_cnt)
{
	if (!arg_is(call, idx, MB_F64_ARRAY)) {
		return arg_refuse(call, idx, type_name[MB_F64_ARRAY]);
	}
	*ret = (const double *)(const void *)call->arg[idx].p;
	*ret_cnt = call->arg[idx].len / sizeof(double);
	return 0;
}

int
mb_arg_invalid(struct mb_call *call, uint32_t idx, struct mb_slice *ret)
{
	if (!arg_is(call, idx, MB_INVALID)) {
		return arg_refuse(call, idx, type_name[MB_INVALID]);
	}
	*ret = mb_slice_of(call->arg[idx].p, call->arg[idx].len);
	return 0;
}

/* ----------------------------------------------------------------- results */

static int __attribute__((__cold__)) return_refuse(struct mb_call *call, int err)
{
	switch (err) {
	case MB_ERR_TOO_LARGE:
		return call_refuse(call, err, "a result",
				   "a call may return 256 values and 64 MiB of them");
	case MB_ERR_NO_MEMORY:
		return call_refuse(call, err, "a result",
				   "no payload memory is left: callers hold earlier results");
	default:
		return call_refuse(call, err, "a result", NULL);
	}
}

/* Appends a value and shows where its bytes go. */
static inline int
return_place(struct mb_call *call, enum mb_type type, size_t len, uint8_t **ret)
{
	int err;

	if (unlikely(call->result == NULL)) {
		call_refuse(call, MB_ERR_NOT_SUPPORTED, "mb_return", "MB_INIT has no caller");
		return MB_ERR_NOT_SUPPORTED;
	}
	err = result_reserve(call->result, type, len, ret);
	if (unlikely(err != 0)) {
		return_refuse(call, err);
	}
	return err;
}

static inline int
return_copy(struct mb_call *call, enum mb_type type, const void *p, size_t len)
{
	uint8_t *to;
	int err = return_place(call, type, len, &to);

	if (err != 0) {
		return err;
	}
	call->result->reserved = false;
	if (len != 0) {
		copy_bytes(to, p, len);
	}
	return 0;
}

int
mb_return_nil(struct mb_call *call)
{
	return return_copy(call, MB_NIL, NULL, 0);
}

int
mb_return_bytes(struct mb_call *call, struct mb_slice bytes)
{
	return return_copy(call, MB_BYTES, bytes.p, bytes.len);
}

static inline int
return_number(struct mb_call *call, enum mb_type type, uint64_t x)
{
	uint64_t le = htole64(x);

	if (likely(call->result != NULL && result_try_number(call->result, type, x))) {
		return 0;
	}
	return return_copy(call, type, &le, sizeof(le));
}

int
mb_return_i64(struct mb_call *call, int64_t x)
{
	return return_number(call, MB_I64, (uint64_t)x);
}

int
mb_return_f64(struct mb_call *call, double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return return_number(call, MB_F64, bits);
}

int
mb_return_utf8(struct mb_call *call, struct mb_slice text)
{
	if (!value_utf8_ok(text.p, text.len)) {
		return call_refuse(call, MB_ERR_INVALID, "a result of type utf8",
				   "its bytes are not valid UTF-8");
	}
	return return_copy(call, MB_UTF8, text.p, text.len);
}

int
mb_return_invalid(struct mb_call *call, const char *format, ...)
{
	char text[FN_LOG_BYTES];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return return_copy(call, MB_INVALID, text, (size_t)MAX(MIN(len, FN_LOG_BYTES - 1), 0));
}

int
mb_return_f64_array(struct mb_call *call, const double *p, size_t cnt)
{
	if (cnt > MB_VALUE_BYTES_MAX / sizeof(double)) {
		return return_refuse(call, MB_ERR_TOO_LARGE);
	}
	return return_copy(call, MB_F64_ARRAY, p, cnt * sizeof(double));
}

int
mb_return_reserve(struct mb_call *call, enum mb_type type, size_t len, void **ret)
{
	uint8_t *to;
	int err;

	if (type != MB_BYTES && type != MB_UTF8 && type != MB_F64_ARRAY) {
		return call_refuse(call, MB_ERR_TYPE, "mb_return_reserve",
				   "only bytes, utf8 and arrays of f64 are written in place");
	}
	err = return_place(call, type, len, &to);
	if (err == 0) {
		*ret = to;
	}
	return err;
}

int
mb_return_trim(struct mb_call *call, size_t len)
{
	int err = call->result != NULL ? result_trim(call->result, len) : MB_ERR_INVALID;

	return err == 0 ? 0
			: call_refuse(call, err, "mb_return_trim",
				      "the last result was not reserved, or is not so long");
}
