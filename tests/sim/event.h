/* SPDX-License-Identifier: Apache-2.0 */
/* event - what will happen, in the order of virtual time
 *
 * The only loop of the simulator takes the earliest event, moves the clock there and calls it.
 * Events
 * of the same instant happen in the order in which they were made, so a run is one fixed sequence.
 *
 * An actor is something that takes steps: a tile, or a process. It has at most one step ahead of
 * it;
 * to wake it is to bring that step nearer.
 */
#ifndef MB_SIM_EVENT_H
#define MB_SIM_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#define EVENT_NEVER UINT64_MAX

typedef void (*event_fn)(void *ctx, uint64_t arg);

struct event {
	uint64_t at_ns;
	uint64_t seq;
	event_fn fn;
	void *ctx;
	uint64_t arg;
};

struct events {
	uint64_t now_ns;
	uint64_t seq; /* made so far */
	struct event *heap;
	uint32_t cnt, cap;
};

void events_init(struct events *q, uint64_t now_ns);
void events_fini(struct events *q);

/* events_after makes fn(ctx, arg) happen after delay_ns. */
void events_after(struct events *q, uint64_t delay_ns, event_fn fn, void *ctx, uint64_t arg);

/* events_next takes the earliest event that is not after until_ns, and moves now_ns there.
 * Returns: false when there is none. */
bool events_next(struct events *q, uint64_t until_ns, struct event *ret);

/* ---------------------------------------------------------------- actors */

struct actor {
	struct events *q;
	void (*step)(void *ctx);
	void *ctx;
	uint64_t at_ns; /* of its step; EVENT_NEVER */
	uint64_t turn;  /* makes steps that were overtaken recognisable */
};

void actor_init(struct actor *a, struct events *q, void (*step)(void *ctx), void *ctx);

/* actor_wake makes the step happen within delay_ns; an earlier one stays. */
void actor_wake(struct actor *a, uint64_t delay_ns);

/* actor_stop takes the step away. */
void actor_stop(struct actor *a);

#endif
