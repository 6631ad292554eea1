/* SPDX-License-Identifier: Apache-2.0 */
/* list - the values that a caller gave, as the list that is sent */
#include "impl.h"
#include "value.h"

int64_t
client_list_bytes(const struct mb_value *arg, size_t cnt)
{
	struct value v[MB_VALUES_MAX];

	if (cnt > MB_VALUES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	for (size_t i = 0; i < cnt; i++) {
		bool scalar = arg[i].type == MB_I64 || arg[i].type == MB_F64;

		if (arg[i].len > VALUE_BYTES_MAX) {
			return MB_ERR_TOO_LARGE;
		}
		v[i] = (struct value){ .type = arg[i].type,
				       .len = scalar ? 8 : (uint32_t)arg[i].len };
	}
	return value_list_footprint(v, (uint32_t)cnt);
}

int64_t
client_list_write(uint8_t *p, size_t bytes, const struct mb_value *arg, size_t cnt)
{
	struct value_writer w;

	value_list_begin(&w, p, bytes, (uint32_t)cnt);
	for (size_t i = 0; i < cnt; i++) {
		if (arg[i].type == MB_I64) {
			value_list_add_i64(&w, arg[i].i64);
		} else if (arg[i].type == MB_F64) {
			value_list_add_f64(&w, arg[i].f64);
		} else {
			value_list_add(&w, arg[i].type, arg[i].p, arg[i].len);
		}
	}
	return value_list_end(&w);
}
