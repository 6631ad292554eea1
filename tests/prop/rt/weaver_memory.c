/* SPDX-License-Identifier: Apache-2.0 */
/* weaver_memory - the atomic operations of woven code, store buffers, and the futex; see weaver.h
 *
 * Called outside of a party (while a plan makes its shared memory, or judges a last state) they are
 * the plain operations.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>

#include "check.h"
#include "weave_atomic.h"
#include "weaver_party.h"

static uint64_t
plain_load(const volatile void *at, size_t bytes)
{
	return bytes == 4 ? *(const volatile uint32_t *)at : *(const volatile uint64_t *)at;
}

static void
plain_store(volatile void *at, size_t bytes, uint64_t v)
{
	REQUIRE(bytes == 4 || bytes == 8);
	if (bytes == 4) {
		*(volatile uint32_t *)at = (uint32_t)v;
	} else {
		*(volatile uint64_t *)at = v;
	}
}

void
party_buffer_leave(struct party *p)
{
	struct buffered b = p->buffer[0];

	p->buffer_cnt--;
	memmove(p->buffer, p->buffer + 1, p->buffer_cnt * sizeof(b));
	party_trace(p, "(leaves the buffer)", b.at, b.v);
	plain_store(b.at, b.bytes, b.v);
}

static void
buffer_drain(void)
{
	while (W.self != NULL && W.self->buffer_cnt > 0) {
		party_buffer_leave(W.self);
	}
}

/* What the party that runs now would load. */
static uint64_t
memory_load(const volatile void *at, size_t bytes)
{
	for (uint32_t i = W.self != NULL ? W.self->buffer_cnt : 0; i > 0; i--) {
		if (W.self->buffer[i - 1].at == at) {
			return W.self->buffer[i - 1].v;
		}
	}
	return plain_load(at, bytes);
}

static void
memory_store(volatile void *at, size_t bytes, uint64_t v)
{
	struct party *p = W.self;

	if (p == NULL || !W.plan->store_buffers) {
		plain_store(at, bytes, v);
		return;
	}
	REQUIRE(p->buffer_cnt < PARTY_BUFFER_MAX);
	p->buffer[p->buffer_cnt++] = (struct buffered){ at, bytes, v };
}

/* A locked operation: the buffer empties before it, and what it writes is everybody's at once. */
static void
locked_begin(void)
{
	party_stop();
	if (W.plan == NULL || !W.plan->unlocked) {
		buffer_drain();
	}
}

static void
locked_store(volatile void *at, size_t bytes, uint64_t v)
{
	if (W.plan != NULL && W.plan->unlocked) {
		memory_store(at, bytes, v);
	} else {
		plain_store(at, bytes, v);
	}
}

uint64_t
weave_load(const volatile void *at, size_t bytes)
{
	uint64_t v;

	party_stop();
	v = memory_load(at, bytes);
	party_trace(W.self, "loads", at, v);
	party_saw(v);
	return v;
}

uint64_t
weave_load_own(const volatile void *at, size_t bytes)
{
	return memory_load(at, bytes);
}

void
weave_store(volatile void *at, size_t bytes, uint64_t v, bool fenced)
{
	if (fenced) {
		locked_begin();
		locked_store(at, bytes, v);
	} else {
		party_stop();
		memory_store(at, bytes, v);
	}
	party_trace(W.self, "stores", at, v);
	party_saw(v);
}

uint64_t
weave_exchange(volatile void *at, size_t bytes, uint64_t v)
{
	uint64_t old;

	locked_begin();
	old = memory_load(at, bytes);
	locked_store(at, bytes, v);
	party_trace(W.self, "exchanges", at, v);
	party_saw(old);
	return old;
}

uint64_t
weave_fetch_or(volatile void *at, size_t bytes, uint64_t v)
{
	uint64_t old;

	locked_begin();
	old = memory_load(at, bytes);
	locked_store(at, bytes, old | v);
	party_trace(W.self, "ors", at, v);
	party_saw(old);
	return old;
}

bool
weave_compare_exchange(volatile void *at, size_t bytes, void *expected, uint64_t v)
{
	uint64_t old, want = plain_load(expected, bytes);

	locked_begin();
	old = memory_load(at, bytes);
	party_saw(old);
	party_trace(W.self, old == want ? "exchanges" : "finds changed", at, old == want ? v : old);
	if (old != want) {
		plain_store(expected, bytes, old);
		return false;
	}
	if (W.plan == NULL || !W.plan->wake_keeps_flag) {
		locked_store(at, bytes, v);
	}
	return true;
}

void
weave_fence(bool full)
{
	/* With nothing to wait for it changes nothing, and is no step. */
	if (full && W.self != NULL && W.self->buffer_cnt > 0 && !W.plan->unlocked) {
		party_stop();
		party_trace(W.self, "fences", NULL, 0);
		buffer_drain();
		party_saw(0);
	}
}

static long
futex_wait(volatile void *at, uint64_t expected)
{
	party_trace(W.self, "sleeps on", at, plain_load(at, 4));
	if (plain_load(at, 4) != expected) {
		party_saw(EAGAIN);
		return -EAGAIN;
	}
	W.self->state = PARTY_ASLEEP;
	W.self->asleep_at = at;
	party_leave(W.self);
	party_saw(0);
	return 0;
}

static long
futex_wake(volatile void *at)
{
	long woken = 0;

	party_trace(W.self, "wakes", at, 0);
	party_saw(0);
	for (uint32_t i = 0; i < WEAVE_PARTY_MAX; i++) {
		if (W.party[i].state == PARTY_ASLEEP && W.party[i].asleep_at == at) {
			W.party[i].state = PARTY_READY;
			woken++;
		}
	}
	return woken;
}

long
weave_syscall(long nr, ...)
{
	volatile void *at;
	uint32_t expected;
	va_list va;
	int op;

	va_start(va, nr);
	REQUIRE(nr == SYS_futex);
	at = va_arg(va, void *);
	op = va_arg(va, int);
	expected = va_arg(va, uint32_t);
	va_end(va);
	REQUIRE(op == FUTEX_WAIT || op == FUTEX_WAKE);
	party_stop();
	buffer_drain(); /* the kernel's lock of the futex is one more locked operation */
	return op == FUTEX_WAIT ? futex_wait(at, expected) : futex_wake(at);
}
