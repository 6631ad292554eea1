/* SPDX-License-Identifier: Apache-2.0 */
/* fault - what goes wrong, and when
 *
 * Faults come with the operations, so that a run of any length has them: one every
 * shape.fault_every. A
 * death is put into a process some steps ahead, so that it falls between any two of them.
 */
#include <string.h>

#include "node.h"
#include "proc.h"

#define STEPS_AHEAD 60 /* a call takes about 20 */

static struct sim_proc *
client_any(struct sim *s)
{
	uint32_t start = sim_below(s, PROC_CLIENT_CNT);

	for (uint32_t i = 0; i < PROC_CLIENT_CNT; i++) {
		struct sim_proc *p =
			simctl_proc(s->node->ctl,
				    (uint16_t)(PROC_CLIENT_FIRST + (start + i) % PROC_CLIENT_CNT));

		if (p != NULL) {
			return p;
		}
	}
	return NULL;
}

static bool
kill_soon(struct sim *s, struct sim_proc *p)
{
	if (p == NULL || p->die_in != 0) {
		return false;
	}
	p->die_in = 1 + sim_below(s, STEPS_AHEAD);
	return true;
}

static bool
stop_for_a_while(struct sim *s, struct sim_proc *p)
{
	if (p == NULL) {
		return false;
	}
	p->stopped_until_ns = sim_now_ns(s) + sim_below(s, 20 * NS_PER_MS);
	return true;
}

static bool
stall(struct sim *s)
{
	struct node *n = s->node;
	uint64_t ns = sim_below(s, 2 * NS_PER_MS);

	switch (sim_below(s, 4)) {
	case 0:
		tile_stall(&n->sched.tile, ns);
		break;
	case 1:
		tile_stall(simctl_tile(n->ctl), ns);
		break;
	case 2:
		tile_stall(&n->cache_tile[sim_below(s, s->shape.cache_cnt)].tile, ns);
		break;
	default:
		n->kvs[sim_below(s, s->shape.kvs_cnt)].stalled_until_ns = sim_now_ns(s) + ns;
	}
	return true;
}

/* Whatever a hostile process writes into the hints may delay others, and nothing else. */
static bool
scribble(struct sim *s)
{
	struct hints *h = s->node->hints;
	uint32_t e = 1 + sim_below(s, 2 * SIM_SLOT_MAX);
	uint32_t p = sim_one_in(s, 2) ? e : PROC_CLIENT_FIRST + sim_below(s, s->shape.client_cnt);
	uint64_t word = sim_one_in(s, 2) ? 0 : rng_u64(&s->rng);

	if (!s->shape.scribble) {
		return false;
	}
	switch (sim_below(s, 4)) {
	case 0:
		atomic_store(&h->claim[e].v, word);
		break;
	case 1:
		atomic_store(&h->proc[p].bits[0], word);
		break;
	case 2:
		atomic_store(&h->proc[p].waiting, (uint32_t)word);
		break;
	default:
		atomic_store(&h->tile[sim_below(s, 4)].bits[sim_below(s, BELL_WORDS)], word);
	}
	return true;
}

static bool
inject(struct sim *s, enum fault f)
{
	uint32_t n = sim_below(s, SIM_SLOT_MAX);

	switch (f) {
	case FAULT_KILL_EXECUTOR:
		return kill_soon(s, simctl_serving(s->node->ctl, n));
	case FAULT_KILL_CLIENT:
		return kill_soon(s, client_any(s));
	case FAULT_STOP_EXECUTOR:
		return stop_for_a_while(s, simctl_serving(s->node->ctl, n));
	case FAULT_STOP_CLIENT:
		return stop_for_a_while(s, client_any(s));
	case FAULT_STALL_TILE:
		return stall(s);
	case FAULT_SWAP:
		simctl_swap(s->node->ctl, n % s->shape.slot_cnt);
		return true;
	case FAULT_FULL:
		s->full_in = 1 + sim_below(s, 20);
		return true;
	default:
		return scribble(s);
	}
}

void
fault_end(struct sim *s)
{
	s->full_in = 0;
	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		struct sim_proc *p = simctl_proc(s->node->ctl, i);

		if (p != NULL) {
			p->die_in = 0;
		}
	}
}

void
fault_turn(struct sim *s)
{
	/* Executors are what this is about: half of the faults are theirs. */
	enum fault f = sim_one_in(s, 2) ? FAULT_KILL_EXECUTOR : (enum fault)sim_below(s, FAULT_CNT);

	if (s->next_fault_at-- != 0) {
		return;
	}
	s->next_fault_at = sim_below(s, 2 * s->shape.fault_every);
	if (inject(s, f)) {
		sim_trace(s, "fault %u", f);
		s->stats.faults[f]++;
	}
}
