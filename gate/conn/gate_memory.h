/* SPDX-License-Identifier: Apache-2.0 */
/* gate_memory - the memory that connections share: its reserve, and who gives way when it is short
 *
 *   Y1  A part of gate.memory, the reserve, is for what has to work when clients hold all the rest:
 *       for those who hold little themselves, be it of commands, replies or anything else, and the
 *       replies of commands about the server and the connection. Some of it is left for those who
 *       hold least.
 *   Y2  Short of memory, one that rests while it is its turn is closed, who holds most first: never
 *       one whose command we are at, nor one that moves (gate_yield.h). When there is none the one
 *       that asks gets none: a reply becomes an error, half a command its end. But a short reply of
 *       a command of which nothing is done yet waits until it is seen who rests.
 *   Y3  Whoever holds little is not closed, nor made to wait, because others hold much: it has the
 *       reserve, and when that is used up the one that holds most gives way at once.
 *   Y4  A transaction that has begun gets what it needs: all others wait for it, so those that it
 *       keeps back give way to it too. But a reply that can be refused gets no more than what short
 *       ones to the commands behind it leave.
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_MEMORY_H
#define MB_GATE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gate_yield.h"

struct gate;
struct gate_conn;

/* RELIEF_NOW: there is more memory now. RELIEF_LATER: there will be, when the kernel has let go of
 * it. */
enum gate_relief { RELIEF_NONE, RELIEF_LATER, RELIEF_NOW };

/* Which memory: gate.memory, or that of long words and values (payload.h). */
enum gate_memory { MEMORY_HEAP, MEMORY_LONG };

/* What a connection has of this. */
struct gate_memory_one {
	uint32_t owes_poll;     /* the gate's poll in which it began to owe */
	uint64_t moved;         /* bytes, since it was looked at; */
	struct yield_rest rest; /* when they were too few */
	uint64_t unfit_ns;      /* since when its reply waits for room; 0: it does not; */
	size_t unfit_bytes;     /* with which it would hold so much */
	bool evicted;           /* it ends for want of it, and is counted */
};

/* Who gives way next, unless it has moved since: looking at all takes its time. */
struct gate_victims {
	enum gate_memory which;
	uint64_t until_ns;
	size_t held_min;
	uint32_t cnt, idx[64];
};

/* What a gate has. */
struct gate_memory_all {
	const struct gate_conn *at; /* whose command is run just now; NULL */
	uint32_t poll_cnt;
	bool alone_asks; /* a transaction does, while it keeps all others back */
	struct {
		uint64_t until_ns; /* until then nobody gives way to one who asks for */
		size_t asks;       /* so much, or more */
	} no_relief[2];            /* of each enum gate_memory */
	struct gate_victims victims;
	/* Ticks until memory is given back again, how often yet; the traffic when that was set. */
	uint32_t trim_wait, trim_cnt, trim_tick;
	uint64_t trim_seen;
};

/* gate_memory_init sets the reserve aside. Threads: start-up. */
void gate_memory_init(struct gate *g);

/* How it is taken. MUST: c cannot do without, so if need be others give way; else it can wait, or
 * be refused, and others do only if c holds little (Y3). REPLY: for one. */
enum gate_memory_how { MEMORY_MUST = 1, MEMORY_REPLY = 2 };

/* gate_memory_take is heap_alloc for c: of the reserve too, if that is for it (Y1). */
void *gate_memory_take(struct gate *g, const struct gate_conn *c, size_t bytes, unsigned int how);
/* gate_memory_held tells how much of it c holds. */
size_t gate_memory_held(const struct gate_conn *c);

/* gate_memory_unfit: there is no memory for the reply of a command of which nothing is done; with
 * it c would hold so much. */
void gate_memory_unfit(struct gate_conn *c, size_t bytes);

/* gate_memory_waits tells whether there will be room for the reply of c's command, which had none
 * (gate_memory_unfit): it is run again. Others give way for it if they were seen at rest. */
bool gate_memory_waits(struct gate *g, struct gate_conn *c);

/* gate_memory_free tells how much of it is free, beside the reserve; gate_memory_used how much is
 * not, what OpenSSL has taken too. */
size_t gate_memory_free(const struct gate *g);
size_t gate_memory_used(const struct gate *g);

/* gate_memory_relieve closes the one who gives way (Y2), never `but`, who would hold `asks` bytes
 * in all; 0: only one that was seen at rest. */
enum gate_relief gate_memory_relieve(struct gate *g, const struct gate_conn *but,
				     enum gate_memory which, size_t asks);

/* gate_memory_evict ends c's connection, which there is no memory for;
 * gate_memory_evicted only counts it, once, where it ends otherwise. */
void gate_memory_evict(struct gate *g, struct gate_conn *c);
void gate_memory_evicted(struct gate *g, struct gate_conn *c);

/* gate_memory_look sees whether one moves; of all of them, in a tick, if gate_memory_looks. */
void gate_memory_look(const struct gate *g, struct gate_conn *c);
bool gate_memory_looks(const struct gate *g);

/* gate_memory_tick gives way before memory is used up, and gives pages back to the system that are
 * not used any more, some at a time. */
void gate_memory_tick(struct gate *g);
/* gate_memory_due: whether it has to be called though nothing happens. */
bool gate_memory_due(const struct gate *g);

#endif
