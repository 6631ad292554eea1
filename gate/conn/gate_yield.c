/* SPDX-License-Identifier: Apache-2.0 */
/* gate_yield - see gate_yield.h */
#include "gate_yield.h"

#include "compiler.h"

struct yield_rest
gate_yield_look(const struct yield_claim *claim, uint64_t moved)
{
	struct yield_rest rest = { 0, claim->held };

	if (claim->turn == YIELD_NEVER || moved * YIELD_SPAN >= MAX(claim->held, (size_t)1)) {
		return rest;
	}
	rest.looks = (uint8_t)MIN(claim->rest.looks + 1u, YIELD_RESTS_MAX);
	rest.held = claim->rest.looks != 0 ? MIN(claim->rest.held, claim->held) : claim->held;
	return rest;
}

void
gate_yield_see(struct yield *y, const void *who, const struct yield_claim *claim)
{
	bool owes = claim->turn == YIELD_OWES;
	uint64_t held = MIN(claim->held, claim->rest.held);
	uint64_t weight = claim->rest.looks * (owes ? held : held / 4);

	if (claim->turn == YIELD_NEVER || claim->held < YIELD_HELD_MIN) {
		return;
	}
	if (claim->rest.looks >= (owes ? YIELD_RESTS : YIELD_RESTS_IDLE) &&
	    held >= YIELD_HELD_MIN && weight > y->rests_weight) {
		y->rests = who;
		y->rests_weight = weight;
	}
	if (owes && claim->age == YIELD_LATE && claim->held > y->late_held) {
		y->late = who;
		y->late_held = claim->held;
	}
	if (owes && claim->age != YIELD_JUST && claim->held > y->largest_held) {
		y->largest = who;
		y->largest_held = claim->held;
	}
}

const void *
gate_yield_who(const struct yield *y, size_t asks)
{
	if (y->rests != NULL) {
		return y->rests;
	}
	if (asks != 0 && y->late != NULL && (asks <= YIELD_LITTLE || y->late_held / 2 > asks)) {
		return y->late;
	}
	return asks != 0 && y->largest_held / 2 > asks ? y->largest : NULL;
}
