/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - what both ends say about loading: the text of a LOAD, the words for a sandbox */
#include "load.h"

#include <stdio.h>
#include <string.h>

void
sandbox_missing_text(uint32_t bits, char *ret, size_t bytes)
{
	static const struct {
		uint32_t bit;
		const char *text;
	} row[] = {
#define SANDBOX_ROW_(name, bit, text) { SANDBOX_##name, text },
		SANDBOX_BITS(SANDBOX_ROW_)
#undef SANDBOX_ROW_
	};
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < ARRAY_CNT(row) && len < bytes; i++) {
		if ((bits & row[i].bit) == 0) {
			len += (size_t)snprintf(ret + len, bytes - len, "%s%s",
						len == 0 ? "" : ", ", row[i].text);
		}
	}
}

int
load_check(const void *text, size_t text_len)
{
	const struct load_head *head = text;
	const struct load_fn *fn = (const void *)(head + 1);

	if (text_len < sizeof(*head) || head->magic != LOAD_MAGIC || head->fn_cnt == 0 ||
	    head->fn_cnt > FUNCTION_CNT_MAX || head->object_cnt == 0 ||
	    head->object_cnt > LOAD_OBJECT_MAX ||
	    text_len != sizeof(*head) + head->fn_cnt * sizeof(*fn)) {
		return MB_ERR_CORRUPT;
	}
	for (uint32_t i = 0; i < head->fn_cnt; i++) {
		if (fn[i].id == 0 || fn[i].object >= head->object_cnt || fn[i].name[0] == '\0' ||
		    fn[i].batched > 1 || memchr(fn[i].name, '\0', sizeof(fn[i].name)) == NULL) {
			return MB_ERR_CORRUPT;
		}
	}
	return 0;
}
