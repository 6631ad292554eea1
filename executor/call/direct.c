/* SPDX-License-Identifier: Apache-2.0 */
#include "direct.h"

#include "call.h"
#include "compiler.h"

static uint32_t
index_of(uint16_t id, bool dag)
{
	return dag ? FUNCTION_CNT_MAX + id % DAG_CNT_MAX : id % FUNCTION_CNT_MAX;
}

uint32_t
direct_run_ns(const struct direct *d, uint16_t id, bool dag)
{
	uint32_t i = index_of(id, dag);

	return d->run_id[i] == id ? d->run_ns[i] : DIRECT_UNKNOWN_NS;
}

void
direct_learn(struct direct *d, uint16_t id, bool dag, uint32_t ns)
{
	uint32_t i = index_of(id, dag);
	uint32_t was = d->run_id[i] == id ? d->run_ns[i] : 0;

	d->run_id[i] = id;
	d->run_ns[i] = MAX(ns, was - was / 8);
}

bool
direct_room(const struct direct *d, struct channel *ch)
{
	return d->out[ch->proc] < CALL_DIRECT_MAX &&
	       channel_space(ch, CALL_DIRECT_MARGIN + 1) > CALL_DIRECT_MARGIN;
}

bool
direct_joins(const struct direct *d, const struct hints *h, uint16_t exec, uint32_t run_ns)
{
	uint64_t claim = claim_seen(h, exec);

	return claim == d->who ? d->out[exec] > 0
			       : claim == (d->who | CLAIM_LENT) && run_ns <= DIRECT_WAKE_NS;
}

/* B3: the one with the least work. */
static uint16_t
least(const struct direct *d, const struct hints *h, const struct placement_where *where,
      uint32_t run_ns)
{
	uint16_t best = 0;

	for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
		for (uint64_t left = where->exec[w]; left != 0; left &= left - 1) {
			uint16_t e = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(left));

			if (direct_joins(d, h, e, run_ns) &&
			    (best == 0 || d->work_ns[e] < d->work_ns[best])) {
				best = e;
			}
		}
	}
	return best;
}

uint16_t
direct_behind(const struct direct *d, const struct hints *h, const struct placement_where *w,
	      uint32_t run_ns, bool any)
{
	static const uint64_t sooner_ns[] = { [PLACEMENT_ALONE] = UINT64_MAX,
					      [PLACEMENT_TURNS] = DIRECT_TURN_NS,
					      [PLACEMENT_APART] = DIRECT_WAKE_NS };

	if (placement_in(w->exec, d->last) && d->work_ns[d->last] <= sooner_ns[w->spread] &&
	    direct_joins(d, h, d->last, run_ns)) {
		return d->last;
	}
	return any && run_ns <= DIRECT_WAKE_NS ? least(d, h, w, run_ns) : 0;
}
