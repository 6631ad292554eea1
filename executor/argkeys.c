/* SPDX-License-Identifier: Apache-2.0 */
#include "argkeys.h"

#include <inttypes.h>
#include <stdio.h>

#include "compiler.h"

static int __attribute__((__cold__))
key_refuse(struct mb_call *call, int err, const char *what, struct slice key)
{
	char text[96];

	snprintf(text, sizeof(text), "%s '%.*s'", what, (int)MIN(key.len, (size_t)48),
		 (const char *)key.p);
	for (char *p = text; *p != '\0'; p++) {
		*p = (unsigned char)*p < ' ' ? '?' : *p;
	}
	return call_refuse(call, err, text, session_why(call->session));
}

static int
refs_read(struct mb_call *call, struct value *arg, uint32_t ref_cnt)
{
	struct slice key[MB_VALUES_MAX];
	uint32_t cnt = 0;
	int err;

	for (uint32_t i = 0; i < call->arg_cnt; i++) {
		if (arg[i].type == MB_REF) {
			key[cnt++] = slice_of(arg[i].p, arg[i].len);
		}
	}
	err = ref_cnt > 1 ? session_prefetch(call->session, key, cnt) : 0;
	if (err != 0) {
		return call_refuse(call, err, "the references", session_why(call->session));
	}
	for (uint32_t i = 0; i < call->arg_cnt; i++) {
		struct slice name = slice_of(arg[i].p, arg[i].len);
		struct slice got;

		if (arg[i].type != MB_REF) {
			continue;
		}
		err = session_get(call->session, name, &got);
		if (err == MB_ERR_NOT_FOUND) {
			arg[i] = (struct value){ .type = MB_NIL };
		} else if (err != 0) {
			return key_refuse(call, err, "the reference to", name);
		} else {
			arg[i] = (struct value){ .p = got.len != 0 ? got.p : NULL,
						 .type = MB_BYTES,
						 .len = (uint32_t)got.len };
		}
	}
	return 0;
}

int
argkeys_take(struct mb_call *call, struct value *arg, struct slice *ret_output)
{
	uint32_t ref_cnt = 0, output_cnt = 0, kept = 0;

	*ret_output = slice_of(NULL, 0);
	for (uint32_t i = 0; i < call->arg_cnt; i++) {
		ref_cnt += arg[i].type == MB_REF;
		output_cnt += arg[i].type == MB_OUTPUT;
	}
	if (output_cnt > 1) {
		return call_refuse(call, MB_ERR_INVALID, "the arguments",
				   "a function has one output key");
	}
	for (uint32_t i = 0; output_cnt != 0 && i < call->arg_cnt; i++) {
		if (arg[i].type == MB_OUTPUT) {
			*ret_output = slice_of(arg[i].p, arg[i].len);
		} else {
			arg[kept++] = arg[i];
		}
	}
	call->arg_cnt -= output_cnt;
	return ref_cnt != 0 ? refs_read(call, arg, ref_cnt) : 0;
}

int
argkeys_store(struct mb_call *call, struct slice key)
{
	struct value value[MB_VALUES_MAX];
	struct slice bytes;
	char number[40];
	int err;

	result_values(call->result, value);
	if (call->result->cnt == 1 && value[0].type == MB_INVALID) {
		return 0;
	}
	if (call->result->cnt != 1) {
		bytes = result_list(call->result);
	} else if (value[0].type == MB_I64) {
		bytes = slice_of(number, (size_t)snprintf(number, sizeof(number), "%" PRId64,
							  value_i64(value[0])));
	} else if (value[0].type == MB_F64) {
		bytes = slice_of(number, (size_t)snprintf(number, sizeof(number), "%.17g",
							  value_f64(value[0])));
	} else {
		bytes = slice_of(value[0].p, value[0].len);
	}
	err = session_put(call->session, key, bytes);
	return likely(err == 0) ? 0 : key_refuse(call, err, "the output", key);
}
