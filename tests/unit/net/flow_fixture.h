/* SPDX-License-Identifier: Apache-2.0 */
/* flow_fixture - what the two ends of a flow want of who runs them, for tests that have nothing of
 * it, or memory without end */
#ifndef MB_TEST_FLOW_FIXTURE_H
#define MB_TEST_FLOW_FIXTURE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static inline void
free_nothing(void *ctx, void *p, size_t bytes)
{
	(void)ctx;
	(void)p;
	(void)bytes;
}

static inline void *
alloc_any(void *ctx, size_t bytes)
{
	(void)ctx;
	return malloc(bytes);
}

static inline void
free_any(void *ctx, void *p, size_t bytes)
{
	(void)ctx;
	(void)bytes;
	free(p);
}

static inline uint8_t *
draft_nowhere(void *ctx, size_t len)
{
	(void)ctx;
	(void)len;
	return NULL;
}

#endif
