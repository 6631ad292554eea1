/* SPDX-License-Identifier: Apache-2.0 */
/* weaver_party.h - what the parts of the weaver share
 *
 * weaver.c has the parties and their common state, weaver_memory.c what their operations do,
 * weaver_search.c goes through all their orders.
 */
#ifndef MB_WEAVER_PARTY_H
#define MB_WEAVER_PARTY_H

#include <setjmp.h>
#include <ucontext.h>

#include "hash.h"
#include "weaver.h"

#define PARTY_STACK_BYTES (64u << 10)
#define PARTY_BUFFER_MAX  16

enum party_state {
	PARTY_DONE = 0, /* ran to its end */
	PARTY_READY,    /* before its next operation */
	PARTY_ASLEEP,   /* in a futex */
	PARTY_UNTIL,    /* in weave_until */
	PARTY_DEAD,
};

/* A store that has not reached memory yet. */
struct buffered {
	volatile void *at;
	size_t bytes;
	uint64_t v;
};

struct party {
	enum party_state state;
	uint64_t history; /* hash of what its operations returned */
	struct buffered buffer[PARTY_BUFFER_MAX];
	uint32_t buffer_cnt;
	volatile void *asleep_at;
	bool (*ready)(void);
	/* the coroutine */
	bool made;
	bool idle; /* at the beginning of its stack */
	bool give_up;
	jmp_buf begin;
	ucontext_t ctx;
	void *fake_stack;
	_Alignas(16) uint8_t stack[PARTY_STACK_BYTES];
};

struct weave_world {
	const struct weave_plan *plan;
	struct party party[WEAVE_PARTY_MAX];
	struct party *self; /* who runs; NULL: the weaver itself */
	ucontext_t ctx;
	uint32_t death_cnt;
	const char *wrong;
};

extern struct weave_world W;

/* ---- weaver.c, for operations */

/* party_stop is called before each step of a party: anybody may go first. */
void party_stop(void);
/* party_leave gives the thread back to the weaver until the party is chosen. */
void party_leave(struct party *p);
/* party_saw adds a result to the history of the party that runs. */
void party_saw(uint64_t v);
void party_trace(const struct party *p, const char *what, const volatile void *at, uint64_t v);

/* ---- weaver_memory.c */

/* party_buffer_leave writes p's oldest waiting store to memory. */
void party_buffer_leave(struct party *p);

/* ---- weaver.c, for the search */

enum weave_step {
	STEP_RUN = 0,   /* a party does its next operation, and goes on to the one after it */
	STEP_LEAVE = 1, /* the oldest store leaves a party's buffer */
	STEP_DIE = 2,
};

/* One choice: which step, by which party. */
struct weave_choice {
	uint8_t step;
	uint8_t party;
};

#define WEAVE_CHOICE_MAX (3 * WEAVE_PARTY_MAX)

/* party_world_start begins another run of plan, writing its steps to text unless it is NULL. */
void party_world_start(const struct weave_plan *plan, char *text, size_t text_bytes);

/* party_choices lists what may happen now. Returns: how many. */
uint32_t party_choices(struct weave_choice ret[static WEAVE_CHOICE_MAX]);

/* party_do lets it happen. Returns: NULL, or what weave_wrong said. */
const char *party_do(struct weave_choice choice);

struct hash128 party_world_hash(void);

#endif
