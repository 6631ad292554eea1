/* SPDX-License-Identifier: Apache-2.0 */
/* wset_fuzz - a write set from a stranger: every operation lies inside of it, and what is
 * well-formed is
 * what the builder writes */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wset.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static void
inside(struct slice s, const uint8_t *p, size_t len)
{
	if (s.len > 0 && (s.p < p || s.p + s.len > p + len)) {
		abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	uint8_t *again = aligned_alloc(8, (len + 64) & ~(size_t)7);
	struct slice set = slice_of(p, len);
	struct wset_op op;
	struct wset ws;
	uint32_t cnt = 0, checked;
	int n;

	wset_init(&ws, again, (len + 64) & ~(size_t)7);
	while ((n = wset_next(&set, &op)) == 1) {
		inside(op.key, p, len);
		inside(op.field, p, len);
		inside(op.value, p, len);
		if (wset_add(&ws, &op) != 0) {
			abort();
		}
		cnt++;
	}
	if (wset_check(slice_of(p, len), &checked) == 0) {
		if (n != 0 || checked != cnt || wset_bytes(&ws).len != len ||
		    memcmp(wset_bytes(&ws).p, p, len) != 0) {
			abort();
		}
	}
	free(again);
	return 0;
}
