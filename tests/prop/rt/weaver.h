/* SPDX-License-Identifier: Apache-2.0 */
/* weaver.h - runs the steps of a few parties in every order
 *
 * A party is a function that calls woven code (weave_atomic.h). It stops before each atomic
 * operation, futex call and WEAVE point; the weaver chooses who goes on, which store leaves a store
 * buffer, and who dies. Depth first, through every sequence of choices: the parties are run again
 * from the start along the choices made so far, then along the first one not tried yet.
 *
 * States that were reached before are not searched again. What a party will do is decided by what
 * its operations have returned to it, so a state is: the history of results of each party, the
 * shared memory, the store buffers, who sleeps. (128 bits of hash; `every` turns this off, and
 * a test compares the counts.) The number of different interleavings is counted exactly all the
 * same: those through a state are the sum of those through the states after it.
 *
 * Memory model: sequential consistency, or with store_buffers the model of x86 (TSO): a plain store
 * waits in its party's buffer, in order, until any later moment; its party sees it at once, others
 * when it leaves; locked operations, full fences and system calls wait for the buffer to empty.
 * Weaker machines are not modelled.
 *
 * Threads: one.
 */
#ifndef MB_WEAVER_H
#define MB_WEAVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEAVE_PARTY_MAX 4

struct weave_party {
	const char *name;
	void (*run)(void);
	bool mortal;
};

struct weave_plan {
	const char *name;
	struct weave_party party[WEAVE_PARTY_MAX];
	void (*reset)(void);      /* makes the shared memory as it is before the first step */
	const char *(*end)(void); /* in each last state: NULL, or what is wrong with it */
	void (*point)(const char *name); /* runs at each WEAVE point: for planted bugs */
	bool store_buffers;
	uint32_t death_max;
	/* planted bugs of the machine */
	bool unlocked;        /* locked operations and fences do not wait for the buffer */
	bool wake_keeps_flag; /* a compare-exchange succeeds and writes nothing */
	bool every;           /* search states again: counts by walking instead of by adding */
};

#define WEAVE_TRACE_BYTES 8192

struct weave_result {
	const char *wrong;             /* NULL: nothing */
	char trace[WEAVE_TRACE_BYTES]; /* the steps that led there */
	uint64_t run_cnt;
	uint64_t state_cnt;
	double interleaving_cnt; /* exact below 2^53 */
	uint32_t step_max;       /* of the longest interleaving */
};

/* weave runs plan in every order, until something is wrong. */
void weave(const struct weave_plan *plan, struct weave_result *ret);

/* ---- for reset() */

/* weave_share names memory that the parties share: part of the state, and of traces. */
void weave_share(const char *name, const volatile void *p, size_t bytes);

/* ---- for parties */

/* weave_wrong ends the search: what must never be has been seen. */
void weave_wrong(const char *what);
/* weave_note says that a party's future depends on v too: what it read by plain loads. */
void weave_note(uint64_t v);
/* weave_until stops the party until ready(), which looks at shared memory or at weave_dead. */
void weave_until(bool (*ready)(void));

/* ---- for parties, ready() and end() */

/* weave_dead: the party died, and its stores have left its buffer. A kernel that ends a process has
 * gone through many locked operations on its cpu before anybody hears of it. */
bool weave_dead(uint32_t party);
/* weave_waits: the party is in a futex or in weave_until, and nobody has woken it. */
bool weave_waits(uint32_t party);

#endif
