/* SPDX-License-Identifier: Apache-2.0 */
/* exec_ops - what the core of an executor needs of the outside */
#ifndef MB_EXEC_EXEC_OPS_H
#define MB_EXEC_EXEC_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "desc.h"
#include "wait.h"

/* Whom to answer: the port a call came by, and who was behind it. */
struct exec_from {
	uint16_t port;
	uint16_t proc;
	uint32_t inc;
};

struct exec_ops {
	struct exec_wait wait;
	/* Sends an answer. Returns 0; an error when nobody is there to take it. */
	int (*reply)(void *ctx, const struct exec_from *from, const struct desc *d);
	/* Finds the payload of a call: as domain_bytes and domain_drop. */
	int (*bytes)(void *ctx, const struct desc *d, const uint8_t **ret, size_t *ret_len,
		     bool *ret_view);
	void (*drop)(void *ctx, const struct payload_ref *ref);
	/* Sends a DESC_LOG to the node. Returns 0; MB_ERR_FULL. */
	int (*log)(void *ctx, const struct desc *d);
	void *ctx;
};

#endif
