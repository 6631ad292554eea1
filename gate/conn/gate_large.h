/* SPDX-License-Identifier: Apache-2.0 */
/* gate_large - a long word on its way to memory of its own, which becomes the value
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_LARGE_H
#define MB_GATE_LARGE_H

#include "gate_int.h"

struct gate_large {
	struct payload_ref ref; /* handle 0: given away */
	uint8_t *p;
	uint32_t len, got, cap; /* cap: bytes at p, which grow with what has come */
};

/* gate_large_begin takes memory for the word that was announced, as much as a part of it needs.
 * Returns: 0; MB_ERR_NO_MEMORY. */
int gate_large_begin(struct gate *g, struct gate_conn *c);
/* gate_large_open is the one whose bytes come now; NULL: none. */
struct gate_large *gate_large_open(struct gate_conn *c);
/* gate_large_room is where the next ones go, longer if need be. Returns: bytes there; 0: there is
 * no memory. */
size_t gate_large_room(struct gate *g, const struct gate_conn *c, struct gate_large *l);
/* gate_large_take takes what has come. Returns: how many; SIZE_MAX: there is no memory. */
size_t gate_large_take(struct gate *g, const struct gate_conn *c, struct gate_large *l,
		       const uint8_t *p, size_t len);
/* gate_larges_drop gives back all that nobody took over. */
void gate_larges_drop(struct gate *g, struct gate_conn *c);

#endif
