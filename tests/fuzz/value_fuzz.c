/* SPDX-License-Identifier: Apache-2.0 */
/* value_fuzz - arguments and results from a stranger: what is read lies inside the list */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static struct value v[MB_VALUES_MAX];
	uint8_t *copy = aligned_alloc(8, (len + 8) & ~(size_t)7);
	int n;

	memcpy(copy, p, len);
	n = value_list_read(slice_of(copy, len), v);
	for (int i = 0; i < n; i++) {
		if (v[i].len > 0 && (v[i].p < copy || v[i].p + v[i].len > copy + len)) {
			abort();
		}
		if (!value_type_ok(v[i].type, v[i].len)) {
			abort();
		}
	}
	if (value_list_check(slice_of(copy, len)) == 0) {
		if (n < 0 || value_list_cnt(slice_of(copy, len)) != (uint32_t)n) {
			abort(); /* what is checked can be read */
		}
	}
	free(copy);
	return 0;
}
