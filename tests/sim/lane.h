/* SPDX-License-Identifier: Apache-2.0 */
/* lane - a link between two tiles: in order, exactly once, after a while
 *
 * Stands for dataplane/rt/link.h. The delay of each message is drawn; one never overtakes another.
 * The
 * depth is that of the real link: to need more is a bug of the sender, as there.
 */
#ifndef MB_SIM_LANE_H
#define MB_SIM_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "event.h"

struct sim;

struct lane {
	struct sim *sim;
	struct actor *to;
	uint32_t depth;
	uint32_t head, tail; /* slots [head, tail), modulo depth */
	uint64_t last_ns;
	uint64_t *at_ns;
	struct desc *slot;
};

void lane_init(struct lane *l, struct sim *s, struct actor *to, uint32_t depth);
void lane_fini(struct lane *l);

void lane_send(struct lane *l, const struct desc *d);

/* lane_recv takes the next message that has arrived. Returns: false when there is none. */
bool lane_recv(struct lane *l, struct desc *ret);

/* lane_next_ns: when the next one arrives, or has; EVENT_NEVER. */
uint64_t lane_next_ns(const struct lane *l);

#endif
