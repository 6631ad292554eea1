/* SPDX-License-Identifier: Apache-2.0 */
/* echo_relay.c - the floor of a call that writes: three processes on two cores
 *
 *	own cpu        partner's cpu      own cpu
 *	client ──────► executor ────────► daemon
 *	       ◄──────          ◄────────
 *
 * Client and daemon share a cpu. Either both spin and yield it to each other, or the client sleeps
 * on a futex until its answer is there, and pays for the wake. One line a hop, in the manner of
 * echo_line.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "cores.h"
#include "echo.h"
#include "futex.h"

#define RELAY_END UINT32_MAX

struct relay {
	_Alignas(2 * CACHE_LINE) _Atomic uint32_t call;    /* client -> executor */
	_Alignas(2 * CACHE_LINE) _Atomic uint32_t publish; /* executor -> daemon */
	_Alignas(2 * CACHE_LINE) _Atomic uint32_t done;    /* daemon -> executor */
	_Alignas(2 * CACHE_LINE) _Atomic uint32_t reply;   /* executor -> client */
	_Alignas(2 * CACHE_LINE) uint32_t sent;            /* private to the client */
	bool asleep;
};

static void
relay_reset(void *mem)
{
	struct relay *r = mem;

	atomic_store(&r->call, 0);
	atomic_store(&r->publish, 0);
	atomic_store(&r->done, 0);
	atomic_store(&r->reply, 0);
	r->sent = 0;
	r->asleep = false;
}

static void
relay_reset_asleep(void *mem)
{
	struct relay *r = mem;

	relay_reset(mem);
	r->asleep = true;
}

static inline void
await(_Atomic uint32_t *word, uint32_t value)
{
	while (atomic_load_explicit(word, memory_order_acquire) != value) {
		cores_relax();
	}
}

static int
relay_serve(void *mem)
{
	struct relay *r = mem;
	uint32_t seen, served = 0;

	for (;;) {
		seen = atomic_load_explicit(&r->call, memory_order_acquire);
		if (seen == served) {
			cores_relax();
			continue;
		}
		atomic_store_explicit(&r->publish, seen, memory_order_release);
		if (seen == RELAY_END) {
			return 0;
		}
		await(&r->done, seen);
		served = seen;
		atomic_store(&r->reply, seen);
		if (r->asleep) {
			futex_wake(&r->reply);
		}
	}
}

/* The daemon. */
static int
relay_serve_relay(void *mem)
{
	struct relay *r = mem;
	uint32_t seen, served = 0;

	for (;;) {
		seen = atomic_load_explicit(&r->publish, memory_order_acquire);
		if (seen == RELAY_END) {
			return 0;
		}
		if (seen == served) {
			cores_relax();
			continue;
		}
		served = seen;
		atomic_store_explicit(&r->done, seen, memory_order_release);
	}
}

static inline int
relay_once(void *mem)
{
	struct relay *r = mem;

	r->sent++;
	atomic_store_explicit(&r->call, r->sent, memory_order_release);
	await(&r->reply, r->sent);
	return 0;
}

static inline int
relay_once_asleep(void *mem)
{
	struct relay *r = mem;

	r->sent++;
	atomic_store(&r->call, r->sent);
	while (atomic_load(&r->reply) != r->sent) {
		futex_wait(&r->reply, r->sent - 1, 0);
	}
	return 0;
}

static int
relay_measure(void *mem, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, relay_once, mem);
}

static int
relay_measure_asleep(void *mem, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, relay_once_asleep, mem);
}

static void
relay_end(void *mem)
{
	struct relay *r = mem;

	atomic_store(&r->call, RELAY_END);
}

const struct echo echo_relay = {
	.name = "relay",
	.bytes = sizeof(struct relay),
	.reset = relay_reset,
	.serve = relay_serve,
	.serve_relay = relay_serve_relay,
	.measure = relay_measure,
	.end = relay_end,
};

const struct echo echo_relay_asleep = {
	.name = "relay_asleep",
	.bytes = sizeof(struct relay),
	.reset = relay_reset_asleep,
	.serve = relay_serve,
	.serve_relay = relay_serve_relay,
	.measure = relay_measure_asleep,
	.end = relay_end,
};
