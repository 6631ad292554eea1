/* SPDX-License-Identifier: Apache-2.0 */
#include "lane.h"

#include <stdlib.h>

#include "check.h"
#include "compiler.h"
#include "sim.h"

void
lane_init(struct lane *l, struct sim *s, struct actor *to, uint32_t depth)
{
	*l = (struct lane){ .sim = s, .to = to, .depth = depth };
	l->at_ns = calloc(depth, sizeof(*l->at_ns));
	l->slot = calloc(depth, sizeof(*l->slot));
	REQUIRE(l->at_ns != NULL);
	REQUIRE(l->slot != NULL);
}

void
lane_fini(struct lane *l)
{
	free(l->at_ns);
	free(l->slot);
}

void
lane_send(struct lane *l, const struct desc *d)
{
	uint64_t at_ns = sim_now_ns(l->sim) + sim_delay_ns(l->sim, DELAY_LINK);

	REQUIRE(l->tail - l->head < l->depth);
	l->last_ns = MAX(at_ns, l->last_ns);
	l->at_ns[l->tail % l->depth] = l->last_ns;
	l->slot[l->tail % l->depth] = *d;
	l->tail++;
	actor_wake(l->to, l->last_ns - sim_now_ns(l->sim));
}

uint64_t
lane_next_ns(const struct lane *l)
{
	return l->head != l->tail ? l->at_ns[l->head % l->depth] : EVENT_NEVER;
}

bool
lane_recv(struct lane *l, struct desc *ret)
{
	if (lane_next_ns(l) > sim_now_ns(l->sim)) {
		return false;
	}
	*ret = l->slot[l->head++ % l->depth];
	return true;
}
