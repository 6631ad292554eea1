/* SPDX-License-Identifier: Apache-2.0 */
/* dag_fuzz - any text is a DAG or is refused with a sentence; a DAG printed and read again is the
 * same */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dagtext.h"
#include "microburst/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

/* Half of all names are known, by their first letter. */
static int
resolve(void *ctx, const char *name, uint16_t *ret_id)
{
	if ((name[0] & 1) == 0) {
		return MB_ERR_NO_FUNCTION;
	}
	*ret_id = (uint16_t)(1 + (uint8_t)name[0]);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static struct dagtext a, b;
	static char text[DAGTEXT_BYTES_MAX];
	char why[DAGTEXT_WHY_BYTES] = "";
	int n;

	if (dagtext_parse(&a, (const char *)p, len, resolve, NULL, why) != 0 && why[0] == '\0') {
		abort(); /* refused without a reason */
	}
	if (dagtext_parse(&a, (const char *)p, len, NULL, NULL, why) != 0) {
		return 0;
	}
	n = dagtext_print(&a, text, sizeof(text));
	if (n < 0) {
		return 0;
	}
	if (dagtext_parse(&b, text, (size_t)n, NULL, NULL, why) != 0 ||
	    a.vertex_cnt != b.vertex_cnt || a.edge_cnt != b.edge_cnt || a.linear != b.linear) {
		abort();
	}
	return 0;
}
