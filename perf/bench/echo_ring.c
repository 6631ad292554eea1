/* SPDX-License-Identifier: Apache-2.0 */
/* echo_ring.c - the floor of a call: two bare rte_rings between two processes
 *
 * One producer, one consumer, 256 elements of 64 bytes (a descriptor's size), both sides spin with
 * a pause. This is what the aims of a call are measured against, so nothing is added to it: no
 * bell, no check, no process that might die.
 */
#include <stdint.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>
#undef container_of /* ours checks types */
#undef NS_PER_S     /* ours are unsigned */
#undef US_PER_S

#include "cores.h"
#include "echo.h"

#define RING_DEPTH 256
#define RING_END   UINT64_MAX

struct message {
	uint64_t word[8];
};

struct ring_memory {
	_Alignas(2 * CACHE_LINE) uint8_t ring[1 << 15];
};

struct rings {
	struct ring_memory there, back;
	/* private to the pinging side */
	_Alignas(2 * CACHE_LINE) struct message x;
	uint64_t sent_tsc[ECHO_WINDOW];
	uint64_t sent, got;
};

static inline struct rte_ring *
ring_of(struct ring_memory *mem)
{
	return (struct rte_ring *)mem->ring;
}

static inline void
ring_send(struct ring_memory *mem, const struct message *x)
{
	while (rte_ring_sp_enqueue_bulk_elem(ring_of(mem), x, sizeof(*x), 1, NULL) == 0) {
		cores_relax();
	}
}

static inline int
ring_take(struct ring_memory *mem, struct message *ret)
{
	return (int)rte_ring_sc_dequeue_bulk_elem(ring_of(mem), ret, sizeof(*ret), 1, NULL);
}

static void
rings_reset(void *mem)
{
	struct rings *rings = mem;
	unsigned flags = RING_F_SP_ENQ | RING_F_SC_DEQ;

	static_assert(sizeof(struct rte_ring) + RING_DEPTH * sizeof(struct message) <=
			      sizeof(struct ring_memory),
		      "a ring does not fit its memory");
	rte_ring_init(ring_of(&rings->there), "there", RING_DEPTH, flags);
	rte_ring_init(ring_of(&rings->back), "back", RING_DEPTH, flags);
	rings->x = (struct message){ { 0 } };
	rings->sent = 0;
	rings->got = 0;
}

static int
rings_serve(void *mem)
{
	struct rings *rings = mem;
	struct message x;

	for (;;) {
		if (ring_take(&rings->there, &x) == 0) {
			cores_relax();
			continue;
		}
		if (x.word[0] == RING_END) {
			return 0;
		}
		x.word[1]++;
		ring_send(&rings->back, &x);
	}
}

static inline int
rings_once(void *mem)
{
	struct rings *rings = mem;

	rings->x.word[0]++;
	ring_send(&rings->there, &rings->x);
	while (ring_take(&rings->back, &rings->x) == 0) {
		cores_relax();
	}
	return 0;
}

static int
rings_measure(void *mem, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, rings_once, mem);
}

/* With ECHO_WINDOW messages under way: one comes back, the next one goes. */
static inline int
rings_once_pipelined(struct rings *rings, struct figures *f)
{
	uint64_t *slot = &rings->sent_tsc[rings->sent % ECHO_WINDOW];

	if (rings->sent - rings->got == ECHO_WINDOW) {
		while (ring_take(&rings->back, &rings->x) == 0) {
			cores_relax();
		}
		figures_span(f, timebase_tsc() - *slot);
		rings->got++;
	}
	*slot = timebase_tsc();
	rings->x.word[0] = rings->sent++;
	ring_send(&rings->there, &rings->x);
	return 0;
}

static int
rings_measure_pipelined(void *mem, const struct pace *pace, struct figures *f)
{
	struct rings *rings = mem;
	uint64_t start = timebase_tsc(), warm = timebase_ns_to_tsc(pace->warm_ns), end;

	while (rings->sent < pace->warm_cnt || timebase_tsc() - start < warm) {
		rings_once_pipelined(rings, f);
	}
	f->sample_cnt = 0;
	start = timebase_tsc();
	while (f->sample_cnt < pace->sample_cnt) {
		rings_once_pipelined(rings, f);
	}
	end = timebase_tsc();
	figures_rate_add(f, pace->sample_cnt, end - start);
	while (rings->got < rings->sent) {
		rings->got += (uint64_t)ring_take(&rings->back, &rings->x);
	}
	return 0;
}

static void
rings_end(void *mem)
{
	struct rings *rings = mem;
	struct message x = { { RING_END } };

	ring_send(&rings->there, &x);
}

const struct echo echo_ring = {
	.name = "ring",
	.bytes = sizeof(struct rings),
	.reset = rings_reset,
	.serve = rings_serve,
	.measure = rings_measure,
	.end = rings_end,
};

const struct echo echo_ring_pipelined = {
	.name = "ring_pipelined",
	.bytes = sizeof(struct rings),
	.reset = rings_reset,
	.serve = rings_serve,
	.measure = rings_measure_pipelined,
	.end = rings_end,
};
