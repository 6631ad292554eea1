/* SPDX-License-Identifier: Apache-2.0 */
/* weaver - parties as coroutines, and the state they are in together; see weaver.h
 *
 * A party that has to be given up in the middle (its run was searched before, or it died) is not
 * freed: at the next start it is sent back to the beginning of its stack by longjmp, which also
 * tells the address sanitizer that its frames are gone.
 */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "weave.h"
#include "weaver_party.h"

#if defined(__SANITIZE_ADDRESS__)
#define FIBERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBERS 1
#endif
#endif
#ifdef FIBERS
#include <sanitizer/common_interface_defs.h>
#endif

#define SHARE_MAX   24
#define SHARE_BYTES 4096

struct weave_world W;

static struct {
	const char *name;
	const volatile void *p;
	size_t bytes;
} share[SHARE_MAX];
static uint32_t share_cnt;
static char *trace;
static size_t trace_bytes;

#ifdef FIBERS
/* The weaver's own stack, for the sanitizer. */
static void *own_fake_stack;
static const void *own_stack;
static size_t own_stack_bytes;
#endif

/* ---------------------------------------------------------------- coroutines */

static void
party_enter(struct party *p)
{
	W.self = p;
#ifdef FIBERS
	__sanitizer_start_switch_fiber(&own_fake_stack, p->stack, PARTY_STACK_BYTES);
#endif
	swapcontext(&W.ctx, &p->ctx);
#ifdef FIBERS
	__sanitizer_finish_switch_fiber(own_fake_stack, NULL, NULL);
#endif
	W.self = NULL;
}

void
party_leave(struct party *p)
{
#ifdef FIBERS
	__sanitizer_start_switch_fiber(&p->fake_stack, own_stack, own_stack_bytes);
#endif
	swapcontext(&p->ctx, &W.ctx);
#ifdef FIBERS
	__sanitizer_finish_switch_fiber(p->fake_stack, &own_stack, &own_stack_bytes);
#endif
	if (p->give_up) {
		longjmp(p->begin, 1);
	}
}

static void
party_main(void)
{
	struct party *volatile p = W.self;

#ifdef FIBERS
	__sanitizer_finish_switch_fiber(NULL, &own_stack, &own_stack_bytes);
#endif
	for (;;) {
		if (setjmp(p->begin) == 0) {
			p->idle = false;
			W.plan->party[p - W.party].run();
			p->state = PARTY_DONE;
		}
		p->give_up = false;
		p->idle = true;
		party_leave(p);
	}
}

/* Runs a party from its beginning to its first operation. */
static void
party_start(struct party *p)
{
	if (!p->made) {
		getcontext(&p->ctx);
		p->ctx.uc_stack.ss_sp = p->stack;
		p->ctx.uc_stack.ss_size = PARTY_STACK_BYTES;
		p->ctx.uc_link = NULL;
		makecontext(&p->ctx, party_main, 0);
		p->made = true;
	} else if (!p->idle) {
		p->give_up = true;
		party_enter(p);
	}
	p->state = PARTY_READY;
	p->history = 0;
	p->buffer_cnt = 0;
	party_enter(p);
}

void
party_saw(uint64_t v)
{
	if (W.self != NULL) {
		uint64_t pair[2] = { W.self->history, v };

		W.self->history = hash_bytes(pair, sizeof(pair));
	}
}

/* Before an operation: anybody may go first. */
void
party_stop(void)
{
	if (W.self != NULL) {
		W.self->state = PARTY_READY;
		party_leave(W.self);
	}
}

/* ---------------------------------------------------------------- traces */

static const char *
share_name(const volatile void *at)
{
	for (uint32_t i = 0; i < share_cnt; i++) {
		const volatile uint8_t *p = share[i].p;

		if ((const volatile uint8_t *)at >= p &&
		    (const volatile uint8_t *)at < p + share[i].bytes) {
			return share[i].name;
		}
	}
	return "?";
}

void
party_trace(const struct party *p, const char *what, const volatile void *at, uint64_t v)
{
	size_t used;

	if (trace == NULL || p == NULL) {
		return;
	}
	used = strlen(trace);
	snprintf(trace + used, trace_bytes - used, "  %-9s %s %s %llx\n",
		 W.plan->party[p - W.party].name, what, at != NULL ? share_name(at) : "",
		 (unsigned long long)v);
}

/* ---------------------------------------------------------------- for plans and parties */

void
weave_point(const char *name)
{
	party_stop();
	party_trace(W.self, name, NULL, 0);
	if (W.self != NULL && W.plan->point != NULL) {
		W.plan->point(name);
	}
	party_saw(0);
}

void
weave_share(const char *name, const volatile void *p, size_t bytes)
{
	REQUIRE(share_cnt < SHARE_MAX);
	share[share_cnt].name = name;
	share[share_cnt].p = p;
	share[share_cnt++].bytes = bytes;
}

void
weave_wrong(const char *what)
{
	if (W.wrong == NULL) {
		W.wrong = what;
	}
}

void
weave_note(uint64_t v)
{
	party_saw(v);
}

void
weave_until(bool (*ready)(void))
{
	W.self->ready = ready;
	W.self->state = PARTY_UNTIL;
	party_leave(W.self);
	party_trace(W.self, "goes on", NULL, 0);
	party_saw(0);
}

bool
weave_dead(uint32_t party)
{
	return W.party[party].state == PARTY_DEAD && W.party[party].buffer_cnt == 0;
}

bool
weave_waits(uint32_t party)
{
	return W.party[party].state == PARTY_ASLEEP || W.party[party].state == PARTY_UNTIL;
}

/* ---------------------------------------------------------------- for the search */

void
party_world_start(const struct weave_plan *plan, char *text, size_t text_bytes)
{
	W.plan = plan;
	share_cnt = 0;
	W.death_cnt = 0;
	W.wrong = NULL;
	trace = NULL;
	plan->reset();
	trace = text;
	trace_bytes = text_bytes;
	for (uint32_t i = 0; i < WEAVE_PARTY_MAX; i++) {
		W.party[i].state = PARTY_DONE;
		if (plan->party[i].run != NULL) {
			party_start(&W.party[i]);
		}
	}
}

uint32_t
party_choices(struct weave_choice ret[static WEAVE_CHOICE_MAX])
{
	uint32_t n = 0;

	for (uint8_t i = 0; i < WEAVE_PARTY_MAX && W.plan->party[i].run != NULL; i++) {
		const struct party *p = &W.party[i];

		if (p->state == PARTY_READY || (p->state == PARTY_UNTIL && p->ready())) {
			ret[n++] = (struct weave_choice){ STEP_RUN, i };
		}
		if (p->buffer_cnt > 0) { /* a dead party's stores leave too: they were executed */
			ret[n++] = (struct weave_choice){ STEP_LEAVE, i };
		}
		if (W.plan->party[i].mortal && p->state != PARTY_DEAD &&
		    W.death_cnt < W.plan->death_max) {
			ret[n++] = (struct weave_choice){ STEP_DIE, i };
		}
	}
	return n;
}

const char *
party_do(struct weave_choice choice)
{
	struct party *p = &W.party[choice.party];

	switch ((enum weave_step)choice.step) {
	case STEP_RUN:
		party_enter(p);
		break;
	case STEP_LEAVE:
		party_buffer_leave(p);
		break;
	case STEP_DIE:
		party_trace(p, "dies", NULL, 0);
		p->state = PARTY_DEAD;
		W.death_cnt++;
		break;
	}
	return W.wrong;
}

struct hash128
party_world_hash(void)
{
	static uint8_t text[WEAVE_PARTY_MAX * 512 + SHARE_BYTES];
	size_t len = 0;

	for (uint32_t i = 0; i < WEAVE_PARTY_MAX; i++) {
		const struct party *p = &W.party[i];
		uint64_t word[3] = { p->state, p->history, p->buffer_cnt };

		memcpy(text + len, word, sizeof(word));
		len += sizeof(word);
		for (uint32_t b = 0; b < p->buffer_cnt; b++) {
			uint64_t pair[2] = { (uintptr_t)p->buffer[b].at, p->buffer[b].v };

			memcpy(text + len, pair, sizeof(pair));
			len += sizeof(pair);
		}
	}
	for (uint32_t i = 0; i < share_cnt; i++) {
		REQUIRE(len + share[i].bytes <= sizeof(text));
		memcpy(text + len, (const void *)(uintptr_t)share[i].p, share[i].bytes);
		len += share[i].bytes;
	}
	return hash_bytes128(text, len);
}
