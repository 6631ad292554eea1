/* SPDX-License-Identifier: Apache-2.0 */
/* object_fuzz - any file is a function object or is refused with a sentence */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "object.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static struct object o;
	char why[OBJECT_WHY_BYTES] = "";

	if (object_check(slice_of(p, len), &o, why) != 0) {
		if (why[0] == '\0') {
			abort();
		}
		return 0;
	}
	if (o.fn_cnt == 0 || o.fn_cnt > FUNCTION_CNT_MAX) {
		abort();
	}
	for (uint32_t i = 0; i < o.fn_cnt; i++) {
		if (strnlen(o.fn[i], NAME_BYTES_MAX) == NAME_BYTES_MAX || o.fn[i][0] == '\0') {
			abort();
		}
	}
	return 0;
}
