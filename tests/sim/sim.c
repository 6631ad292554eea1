/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_region.h"
#include "check.h"
#include "compiler.h"
#include "fiber.h"
#include "kvs_shard.h"
#include "node.h"
#include "payload.h"
#include "proc.h"

#define WALL_US UINT64_C(1700000000000000) /* some day; any will do */

struct sim *sim_now;

void
sim_trace(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (!s->opt.trace) {
		return;
	}
	fprintf(stderr, "%12.3f us  ", (double)(sim_now_ns(s) - SIM_START_NS) / 1e3);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void
sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (s->failed) {
		return;
	}
	s->failed = true;
	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	sim_trace(s, "FAILED: %s", s->why);
}

void
sim_note(struct sim *s, uint64_t what, uint64_t more)
{
	/* FNV-1a's prime: enough to tell two runs apart. */
	s->hash = (s->hash ^ what) * UINT64_C(0x100000001b3);
	s->hash = (s->hash ^ more) * UINT64_C(0x100000001b3);
}

uint64_t
sim_delay_ns(struct sim *s, enum delay kind)
{
	static const uint64_t usual_ns[DELAY_CNT] = {
		[DELAY_STEP] = 100,  [DELAY_LINK] = 500,    [DELAY_WAKE] = 3000,
		[DELAY_WORK] = 5000, [DELAY_DEATH] = 50000, [DELAY_SPAWN] = 200000
	};
	uint64_t ns = 1 + rng_below(&s->rng, 2 * usual_ns[kind]);

	return sim_one_in(s, s->shape.slow) ? ns * (1 + rng_below(&s->rng, 200)) : ns;
}

/* ----------------------------------------------------------------------- shape */

static struct sim_shape
shape_draw(struct sim *s)
{
	struct sim_shape h = {
		.cache_cnt = 1 + sim_below(s, SIM_TILE_MAX),
		.kvs_cnt = 1 + sim_below(s, SIM_KVS_MAX),
		.slot_cnt = 1 + sim_below(s, SIM_SLOT_MAX),
		.client_cnt = 1 + sim_below(s, 5),
		.fn_cnt = 1 + sim_below(s, SIM_FN_MAX),
		.queue_max = 1 + sim_below(s, 32),
		.depth_max = 1 + sim_below(s, sim_one_in(s, 2) ? 4 : 48),
		.key_cnt = 1 + sim_below(s, ORACLE_KEY_MAX),
		.burst_max = 1 + sim_below(s, 16),
		.op_cnt = 1000 + sim_below(s, 500),
		.fault_every = 10 + sim_below(s, 50),
		.cache_bytes = 4 * PAYLOAD_SLAB_MAX * (uint64_t)(1 + sim_below(s, 4)),
		.kvs_bytes = KVS_SHARD_BYTES_MIN * (uint64_t)(1 + sim_below(s, 8)),
		.grace_ns = 20 * NS_PER_US + sim_below(s, 3 * NS_PER_MS),
		.slow = 10 + sim_below(s, 200),
		.scribble = sim_one_in(s, 4),
		.big = sim_one_in(s, 4),
	};

	h.cold_cnt = sim_below(s, h.fn_cnt);
	h.cache_bytes *= h.cache_cnt; /* of which each tile has its part */
	h.copies = 1 + sim_below(s, h.kvs_cnt);
	if (h.copies > 1) {
		/* An owner that is full is told without end what another has acknowledged: then
		 * nothing is ever quiet. Full stores are tried with one owner a key. */
		h.kvs_bytes += 8 * KVS_SHARD_BYTES_MIN;
	}
	h.ack = KVS_ACK_ONE + sim_below(s, 3);
	h.guest_idle_ns = sim_one_in(s, 4) ? 0 : (20 + sim_below(s, 400)) * NS_PER_US;
	h.pause_ns = (1 + sim_below(s, 200)) * NS_PER_US;
	h.apart = h.slot_cnt > 1 && sim_one_in(s, 2);
	return h;
}

static void
shape_trace(struct sim *s)
{
	const struct sim_shape *h = &s->shape;

	sim_trace(s,
		  "%u cache, %u kvs (%u copies), %u slots, %u clients, %u functions (%u cold), "
		  "queue %u, "
		  "depth %u, %u keys, burst %u, %u operations, a fault every %u%s%s%s",
		  h->cache_cnt, h->kvs_cnt, h->copies, h->slot_cnt, h->client_cnt, h->fn_cnt,
		  h->cold_cnt, h->queue_max, h->depth_max, h->key_cnt, h->burst_max, h->op_cnt,
		  h->fault_every, h->scribble ? ", hints scribbled over" : "",
		  h->big ? ", large values" : "", h->apart ? ", DAGs apart" : "");
}

/* ------------------------------------------------------------------------- run */

/* Lets the next event happen, unless it is after then. */
static bool
run_event(struct sim *s, uint64_t until_ns)
{
	struct event e;

	if (s->failed || !events_next(&s->events, until_ns, &e)) {
		return false;
	}
	s->clock.now_ns = e.at_ns;
	e.fn(e.ctx, e.arg);
	return true;
}

/* What clients have to do: less with each operation that begins and each call that ends. */
static uint64_t
run_left(const struct sim *s)
{
	return 2 * (uint64_t)s->ops_left + s->oracle.open_cnt + s->clients_left;
}

/* Lets events happen until all clients have finished. Who writes past the caches goes on without
 * end: what hangs costs as many steps as it is given time. */
static void
run_clients(struct sim *s)
{
	uint64_t end_ns = SIM_START_NS + SIM_RUN_NS, hang_ns = 0, left = 0;

	do {
		if (run_left(s) != left) {
			left = run_left(s);
			hang_ns = sim_now_ns(s) + SIM_HANG_NS;
		}
	} while (s->clients_left != 0 && run_event(s, MIN(end_ns, hang_ns)));
	if (!s->failed && s->clients_left != 0) {
		sim_fail(s, "it hangs: %u clients did not finish, %u calls are not answered",
			 s->clients_left, s->oracle.open_cnt);
	}
}

static void
result_fill(const struct sim *s, struct sim_result *ret)
{
	*ret = (struct sim_result){ .failed = s->failed,
				    .hash = s->hash,
				    .virtual_ns = sim_now_ns(s) - SIM_START_NS,
				    .stats = s->stats,
				    .oracle = s->oracle.stats };
	snprintf(ret->why, sizeof(ret->why), "%s", s->why);
}

void
sim_run(uint64_t seed, const struct sim_options *opt, struct sim_result *ret)
{
	struct sim *s = calloc(1, sizeof(*s));
	uint64_t quiet_ns;

	REQUIRE(s != NULL);
	s->node = calloc(1, sizeof(*s->node));
	REQUIRE(s->node != NULL);
	s->seed = seed;
	s->opt = *opt;
	rng_init(&s->rng, seed);
	events_init(&s->events, SIM_START_NS);
	timebase_virtual_init(&s->clock, SIM_START_NS, WALL_US);
	oracle_init(&s->oracle, s);
	s->shape = shape_draw(s);
	s->ops_left = s->shape.op_cnt;
	s->clients_left = s->shape.client_cnt;
	s->next_fault_at = s->shape.fault_every;
	sim_now = s;
	shape_trace(s);
	node_start(s);
	guest_start(s);
	run_clients(s);
	fault_end(s);
	guest_end(s);
	quiet_ns = sim_now_ns(s) + SIM_QUIET_NS;
	while (run_event(s, quiet_ns)) {
	}
	if (!s->failed) {
		guest_settle(s);
		node_check(s);
	}
	node_count(s);
	result_fill(s, ret);
	node_stop(s);
	guest_free(s);
	proc_graves_free(s);
	oracle_fini(&s->oracle);
	events_fini(&s->events);
	free(s->node);
	free(s);
	sim_now = NULL;
}
