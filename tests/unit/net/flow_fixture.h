/* SPDX-License-Identifier: Apache-2.0 */
/* flow_fixture - what the two ends of a flow want of who runs them, for tests that have nothing of
 * it */
#ifndef MB_TEST_FLOW_FIXTURE_H
#define MB_TEST_FLOW_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

static inline void
free_nothing(void *ctx, void *p, size_t bytes)
{
	(void)ctx;
	(void)p;
	(void)bytes;
}

static inline uint8_t *
draft_nowhere(void *ctx, size_t len)
{
	(void)ctx;
	(void)len;
	return NULL;
}

#endif
