/* SPDX-License-Identifier: Apache-2.0 */
#include "tile.h"

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"
#include "node.h"

/* After a full sleep: was there something all the time that nobody rang for? */
static void
tile_woke(struct tile *t)
{
	struct sim *s = t->sim;
	bool full = sim_now_ns(s) - t->slept_ns >= WAIT_MAX_NS;

	ports_disarm(t->ports);
	t->asleep = false;
	if (full && !t->rung && !s->shape.scribble && ports_turn(t->ports)) {
		sim_fail(s, "%s:%u slept for a second beside unread messages", t->name, t->idx);
	}
}

static void
tile_sleep(struct tile *t, uint64_t next_ns)
{
	struct sim *s = t->sim;
	uint64_t now_ns = sim_now_ns(s), until_ns = now_ns + ports_sleep_ns(t->ports);

	until_ns = MIN(until_ns, next_ns);
	t->asleep = true;
	t->rung = false;
	t->slept_ns = now_ns;
	actor_wake(&t->actor, until_ns > now_ns ? until_ns - now_ns : 0);
}

static void
tile_step(void *ctx)
{
	struct tile *t = ctx;
	struct sim *s = t->sim;
	uint64_t next_ns = EVENT_NEVER;
	bool busy;

	if (t->stalled_until_ns > sim_now_ns(s)) {
		actor_wake(&t->actor, t->stalled_until_ns - sim_now_ns(s));
		return;
	}
	if (t->asleep) {
		tile_woke(t);
	}
	s->stats.steps++;
	sim_note(s, t->port, sim_now_ns(s));
	busy = ports_turn(t->ports);
	busy |= t->turn(t, &next_ns);
	ports_flush(t->ports);
	if (!busy) {
		ports_arm(t->ports);
		busy = ports_turn(t->ports);
		if (!busy) {
			tile_sleep(t, next_ns);
			return;
		}
		ports_disarm(t->ports);
	}
	actor_wake(&t->actor, sim_delay_ns(s, DELAY_STEP));
}

void
tile_init(struct tile *t, struct sim *s, const char *name, uint32_t idx, uint32_t port,
	  struct actor *ctl, tile_turn_fn turn)
{
	*t = (struct tile){ .sim = s, .name = name, .idx = idx, .port = port, .turn = turn };
	actor_init(&t->actor, &s->events, tile_step, t);
	REQUIRE(ports_create(&t->ports, &s->node->region, s->node->hints, port) == 0);
	if (ctl != NULL) {
		lane_init(&t->from_ctl, s, &t->actor, TILE_LANE_DEPTH);
		lane_init(&t->to_ctl, s, ctl, TILE_LANE_DEPTH);
	}
	actor_wake(&t->actor, sim_delay_ns(s, DELAY_STEP));
}

void
tile_fini(struct tile *t)
{
	ports_destroy(t->ports);
	lane_fini(&t->from_ctl);
	lane_fini(&t->to_ctl);
}

void
tile_rung(struct tile *t)
{
	if (t->asleep) {
		t->rung = true;
		actor_wake(&t->actor, sim_delay_ns(t->sim, DELAY_WAKE));
	}
}

void
tile_stall(struct tile *t, uint64_t ns)
{
	t->stalled_until_ns = sim_now_ns(t->sim) + ns;
}
