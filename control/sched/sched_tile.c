/* SPDX-License-Identifier: Apache-2.0 */
#include "sched_tile.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "alive.h"
#include "call.h"
#include "message.h"
#include "check.h"
#include "microburst/error.h"
#include "payload.h"
#include "tile_msg.h"

#define SCHED_BURST 64

/* An answer to a client settles what ports counts as owed; everything else is sent on its own. */
static int
sched_tile_send(void *ctx, uint16_t proc, const struct desc *d)
{
	struct sched_tile *t = ctx;

	if (d->kind == DESC_REPLY || d->kind == DESC_SENT) {
		ports_answer(t->ports, proc, d);
		return 0;
	}
	return ports_send(t->ports, proc, d);
}

static void
sched_tile_tell_ctl(void *ctx, const struct desc *d)
{
	struct sched_tile *t = ctx;

	REQUIRE(link_send_sp(t->to_ctl, d, 1) == 1);
}

static bool
sched_tile_idle(void *ctx, uint16_t exec)
{
	struct sched_tile *t = ctx;
	const struct region *r = &t->peers->peer[exec].region;

	return ports_inc(t->ports, exec) != 0 &&
	       atomic_load_explicit(&region_run(r)->call, memory_order_relaxed) == 0;
}

static uint64_t
sched_tile_busy_ns(void *ctx, uint16_t exec)
{
	struct sched_tile *t = ctx;
	const struct region *r = &t->peers->peer[exec].region;

	return ports_inc(t->ports, exec) == 0
		       ? 0
		       : atomic_load_explicit(&region_run(r)->busy_ns, memory_order_relaxed);
}

/* Copies what a process holds for us, or held: one that died stays mapped until we have said that
 * we know it. It may write meanwhile: who reads the copy checks it. */
static int
sched_tile_keep(void *ctx, const struct payload_ref *ref, struct payload_ref *ret)
{
	struct sched_tile *t = ctx;
	const uint8_t *from;
	uint8_t *p;
	int err;

	if (ref->proc == PROC_DAEMON) {
		return MB_ERR_CORRUPT;
	}
	if (ref->seg != 0 || ref->len > PAYLOAD_SLAB_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	if (peer_view(t->peers, ref, &from) != 0) {
		return MB_ERR_CORRUPT;
	}
	err = payload_alloc(t->pool, ref->len, PROC_DAEMON, ret, &p);
	if (err == 0) {
		memcpy(p, from, ref->len);
	}
	return err;
}

static int
sched_tile_hold(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	struct sched_tile *t = ctx;

	return payload_hold(t->pool, ref->handle, holder);
}

static void
sched_tile_drop(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	struct sched_tile *t = ctx;

	payload_release(t->pool, ref->handle, holder);
}

static enum inbox_alive
sched_tile_alive(void *ctx, uint64_t call)
{
	struct sched_tile *t = ctx;

	return alive_ask(t->ports, t->peers, call);
}

int
sched_tile_init(struct sched_tile *t, struct placement *placement, struct hints *hints,
		const struct sched_tile_cfg *cfg)
{
	struct sched_ops ops = { .send = sched_tile_send,
				 .tell_ctl = sched_tile_tell_ctl,
				 .idle = sched_tile_idle,
				 .busy_ns = sched_tile_busy_ns,
				 .keep = sched_tile_keep,
				 .hold = sched_tile_hold,
				 .drop = sched_tile_drop,
				 .alive = sched_tile_alive,
				 .ctx = t };
	int err = payload_create(&t->pool, PROC_DAEMON, 1, cfg->slab, cfg->slab_bytes,
				 cfg->slab_off, NULL);

	if (err == 0) {
		err = sched_create(&t->core, placement, hints, cfg->queue_max, cfg->seed, &ops);
	}
	if (err == 0) {
		sched_log_set(t->core, &t->log);
		sched_lease_set(t->core, cfg->lease_ns);
		sched_requests_set(t->core, cfg->wall_ns, timebase_now_ns(t->tb),
				   cfg->result_ttl_ns);
	}
	return err;
}

void
sched_tile_fini(struct sched_tile *t)
{
	sched_destroy(t->core);
	payload_destroy(t->pool);
}

static void
sched_tile_on_proc(struct sched_tile *t, uint16_t proc, const struct desc *d)
{
	if (d->kind != DESC_CALL && d->kind != DESC_SEND) {
		ports_waive(t->ports, proc);
	}
	sched_on_proc(t->core, proc, d, t->now_ns);
}

static void
sched_tile_drain(struct sched_tile *t)
{
	struct desc d;
	uint16_t proc;

	while (ports_recv(t->ports, &proc, &d) == 1) {
		sched_tile_on_proc(t, proc, &d);
	}
}

/* What a dead process had sent is handled first: its last reply counts. */
static void
sched_tile_proc_down(struct sched_tile *t, const struct desc *d)
{
	struct desc done = *d;

	/* Each turn takes PORTS_BURST of every process that has something. */
	for (uint32_t i = 0; i <= CHANNEL_DEPTH / PORTS_BURST; i++) {
		ports_arm(t->ports);
		ports_turn(t->ports);
		ports_disarm(t->ports);
		sched_tile_drain(t);
	}
	ports_close(t->ports, d->dead.proc);
	payload_release_all(t->pool, d->dead.proc);
	sched_proc_down(t->core, d, t->now_ns);
	done.kind = DESC_PROC_DOWN_DONE;
	sched_tile_tell_ctl(t, &done);
}

static void
sched_tile_on_ctl(struct sched_tile *t, const struct desc *d)
{
	struct desc done = *d;

	switch (d->kind) {
	case DESC_PROC_UP:
		ports_open(t->ports, d->open.proc, d->open.inc,
			   &t->peers->peer[d->open.proc].region);
		if (d->b != 0) {
			ports_rung_by(t->ports, d->open.proc, (int)d->b - 1);
		}
		break;
	case DESC_PROC_DOWN:
		sched_tile_proc_down(t, d);
		break;
	case DESC_SEG_DOWN: /* payloads are never looked at here */
		done.kind = DESC_SEG_DOWN_DONE;
		sched_tile_tell_ctl(t, &done);
		break;
	default:
		sched_on_ctl(t->core, d, t->now_ns);
	}
}

static int
sched_tile_poll(void *ctx, uint64_t now_ns)
{
	struct sched_tile *t = ctx;
	struct desc d[SCHED_BURST];
	struct desc bad = { .kind = DESC_PROC_BAD, .err = MB_ERR_PEER_CORRUPT };
	uint32_t n = link_recv_burst(t->from_ctl, d, SCHED_BURST);
	bool busy = n > 0;

	t->now_ns = now_ns;
	for (uint32_t i = 0; i < n; i++) {
		sched_tile_on_ctl(t, &d[i]);
	}
	if (ports_turn(t->ports)) {
		busy = true;
		sched_tile_drain(t);
	}
	t->moved |= busy || now_ns >= sched_timer(t->core);
	sched_poll(t->core, now_ns);
	ports_flush(t->ports);
	while (ports_bad(t->ports, &bad.open.proc, &bad.open.inc)) {
		sched_tile_tell_ctl(t, &bad);
		busy = true;
	}
	return busy;
}

static void
sched_tile_housekeeping(void *ctx, uint64_t now_ns)
{
	struct sched_tile *t = ctx;
	uint32_t messages;

	t->now_ns = now_ns;
	if (!t->moved) {
		return;
	}
	t->moved = false;
	atomic_store_explicit(&t->queued, sched_queued(t->core), memory_order_relaxed);
	atomic_store_explicit(&t->running, sched_running(t->core), memory_order_relaxed);
	atomic_store_explicit(&t->runs, sched_runs(t->core), memory_order_relaxed);
	atomic_store_explicit(&t->held, sched_held(t->core), memory_order_relaxed);
	atomic_store_explicit(&t->inboxes, sched_inboxes(t->core, &messages), memory_order_relaxed);
	atomic_store_explicit(&t->messages, messages, memory_order_relaxed);
	atomic_store_explicit(&t->requests, sched_requests(t->core, NULL), memory_order_relaxed);
}

static void
sched_tile_arm(void *ctx, bool up)
{
	struct sched_tile *t = ctx;

	if (up) {
		ports_arm(t->ports);
	} else {
		ports_disarm(t->ports);
	}
}

static uint64_t
sched_tile_next_timer(void *ctx)
{
	struct sched_tile *t = ctx;
	uint64_t at = sched_timer(t->core);
	uint64_t nap = ports_sleep_ns(t->ports);
	uint64_t now = timebase_now_ns(t->tb);

	if (nap < WAIT_MAX_NS && now + nap < at) {
		at = now + nap;
	}
	return at;
}

const struct tile_ops sched_tile_ops = {
	.kind = TILE_SCHED,
	.poll = sched_tile_poll,
	.housekeeping = sched_tile_housekeeping,
	.arm = sched_tile_arm,
	.next_timer_ns = sched_tile_next_timer,
};
