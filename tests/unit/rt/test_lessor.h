/* SPDX-License-Identifier: Apache-2.0 */
/* test_lessor.h - leases segments as the daemon does, within a budget, and counts them */
#ifndef MB_TEST_LESSOR_H
#define MB_TEST_LESSOR_H

#include <stdlib.h>

#include "check.h"
#include "microburst/error.h"
#include "payload.h"

struct test_lessor {
	size_t budget_bytes, leased_bytes;
	uint32_t seg_cnt; /* leased now */
	uint32_t asked;   /* times */
	uint32_t last_seg;
};

static inline int
test_lease(void *ctx, size_t bytes, uint32_t *ret_seg, uint8_t **ret_p, size_t *ret_bytes)
{
	struct test_lessor *l = ctx;

	l->asked++;
	if (l->leased_bytes + bytes > l->budget_bytes) {
		return MB_ERR_NO_MEMORY;
	}
	*ret_p = aligned_alloc(4096, ALIGN_UP(bytes, (size_t)4096));
	REQUIRE(*ret_p != NULL);
	*ret_seg = ++l->last_seg;
	*ret_bytes = bytes;
	l->leased_bytes += bytes;
	l->seg_cnt++;
	return 0;
}

static inline void
test_unlease(void *ctx, uint32_t seg, uint8_t *p, size_t bytes)
{
	struct test_lessor *l = ctx;

	REQUIRE(seg != 0 && seg <= l->last_seg);
	REQUIRE(l->seg_cnt > 0 && l->leased_bytes >= bytes);
	l->leased_bytes -= bytes;
	l->seg_cnt--;
	free(p);
}

static inline int
test_grow(void *ctx, uint32_t seg, size_t bytes, uint8_t **p, size_t *p_bytes)
{
	struct test_lessor *l = ctx;
	uint8_t *grown;

	l->asked++;
	if (l->leased_bytes + bytes - *p_bytes > l->budget_bytes) {
		return MB_ERR_NO_MEMORY;
	}
	grown = realloc(*p, bytes);
	REQUIRE(grown != NULL);
	l->leased_bytes += bytes - *p_bytes;
	*p = grown;
	*p_bytes = bytes;
	return 0;
}

#endif
