/* SPDX-License-Identifier: Apache-2.0 */
/* ctl - messages from processes and tiles, and what happens when a process dies
 *
 * A death goes through three rounds, each finished before the next begins:
 *   1  the cache tiles take what the process had published and let go of its memory; each says
 *      which call's writes it accepted last
 *   2  sched answers or repeats what ran there, knowing from round 1 whether it had effects
 *   3  every process that knew it is told, and acknowledges
 * So a notice about a call's executor never overtakes the call's effects.
 */
#include "ctl.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call.h"
#include "ctl_catalog.h"
#include "ctl_use.h"
#include "check.h"
#include "log.h"

#define CTL_BURST 64

uint64_t
ctl_now(const struct ctl *c)
{
	return timebase_now_ns(c->tb);
}

void
ctl_tell_tile(struct ctl *c, uint32_t tile, const struct desc *d)
{
	/* The links are as deep as what ctl can have on the way to a tile: a message a process. */
	REQUIRE(link_send_sp(c->tile[tile].to, d, 1) == 1);
}

/* ------------------------------------------------------------------ deaths */

/* Hints that a dead process left: claims it held, the claim on it, spin tokens. */
static void
ctl_hints_clear(struct ctl *c, const struct proc *p)
{
	uint64_t who = call_caller_make(p->idx, p->inc);
	uint64_t spins = (uint64_t)p->inc << 16 | p->idx;

	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (claim_free(c->hints, e, who) || (e == p->idx && claim_drop(c->hints, e))) {
			continue; /* sched looks again by its timer while calls wait */
		}
	}
	for (uint32_t cpu = 0; cpu < CPU_CNT_MAX; cpu++) {
		spin_release(c->hints, cpu, spins);
	}
	memset(&c->hints->proc[p->idx], 0, sizeof(c->hints->proc[p->idx]));
}

/* Calls of a dead client that still run are ended: nobody waits for them. */
static void
ctl_orphans_stop(struct ctl *c, const struct proc *client)
{
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		struct proc *x = &c->procs.proc[e];
		uint64_t call;

		if (x->state != PROC_LIVE) {
			continue;
		}
		call = ctl_exec_call(c, e);
		if (call != 0 && call_id_proc(call) == client->idx) {
			ctl_stop_call(c, e, call);
		}
	}
}

/* And those that begin later: an executor may hold calls of a dead client that it has not begun. It
 * has not acknowledged the death then, so it is enough to look while that is awaited, and once more
 * when it comes: a call that has just begun may wait for something, and acknowledges meanwhile. */
static void
ctl_orphans_due(struct ctl *c, uint64_t now)
{
	if (now < c->orphans_ns) {
		return;
	}
	c->orphans_ns = UINT64_MAX;
	for (uint16_t i = PROC_CLIENT_FIRST; i < PROC_CNT_MAX; i++) {
		if (c->procs.proc[i].state == PROC_DEAD) {
			ctl_orphans_stop(c, &c->procs.proc[i]);
			c->orphans_ns = now + c->cfg.grace_ns + NS_PER_MS;
		}
	}
}

/* Whether an executor that was ended by a signal had no memory left: the kernel killed it for that,
 * or it says so. */
static bool
ctl_exec_full(const struct ctl *c, const struct proc *p, int sig)
{
	if (sig == SIGKILL) {
		return cgroup_killed(c->cfg.cgroup);
	}
	return p->state == PROC_LIVE &&
	       atomic_load_explicit(&region_run(&c->peers->peer[p->idx].region)->full,
				    memory_order_relaxed) != 0;
}

void
ctl_gone(struct ctl *c, struct proc *p, enum death_cause cause, int status)
{
	struct desc d = { .kind = DESC_PROC_DOWN,
			  .dead = { .inc = p->inc,
				    .proc = p->idx,
				    .cause = (uint16_t)(cause == DEATH_SIGNAL && p->is_executor &&
									ctl_exec_full(c, p, status)
								? DEATH_NO_MEMORY
								: cause),
				    .status = status } };
	struct ctl_conn *conn = ctl_conn_of(c, p);

	if (p->pidfd >= 0) {
		lcore_unwatch(c->lcore, p->pidfd);
	}
	if (conn != NULL) {
		conn->proc = NULL;
		ctl_conn_drop(c, conn);
		p->sock = -1;
	}
	if (p->state == PROC_MAPPING) {
		proc_abandon(&c->procs, p);
		if (p->idx < PROC_CLIENT_FIRST) {
			ctl_exec_gone(c, p->idx);
		}
		return;
	}
	if (p->state != PROC_LIVE) {
		return;
	}
	if (!p->is_executor) {
		ctl_orphans_stop(c, p);
	}
	proc_dying(&c->procs, p, &d, ctl_tile_cnt(c));
	ports_close(c->ports, p->idx);
	if (p->wake_fd >= 0) {
		lcore_peer_remove(c->lcore, p->wake_fd);
		p->wake_fd = -1;
	}
	for (uint32_t t = CTL_TILE_CACHE; t < ctl_tile_cnt(c); t++) {
		ctl_tell_tile(c, t, &d);
	}
}

/* A function may run for hours, and its executor hears of nobody meanwhile. Whoever entered and
 * left in that time was not known to it, and need not wait for its word: else 256 short-lived
 * clients would keep out all others. The argument: ids of calls are not used twice, so an executor
 * that runs the same one at both ends of a client's life ran it all the time. sched gives calls to
 * executors that are free, and ctl makes no channel to this one (ctl_on_open_req), so it has had
 * nothing of that client. It is looked at the second time after sched has let go of the client: a
 * call that sched had sent there after all would be seen here, as the executor had said before that
 * it was free. */
void
ctl_busy_look(struct ctl *c, uint64_t now)
{
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		uint64_t call;

		if (c->procs.proc[e].state != PROC_LIVE) {
			continue;
		}
		call = ctl_exec_call(c, e);
		if (call != c->exec[e].busy_call) {
			c->exec[e].busy_call = call;
			c->exec[e].busy_ns = now;
		}
	}
}

/* Whether executor e, which was looked at now, has run one call for all of the life of client p. */
static bool
ctl_busy_all_along(const struct ctl *c, uint16_t e, const struct proc *p)
{
	const struct exec *x = &c->exec[e];

	return !p->is_executor && x->busy_call != 0 && x->busy_ns <= p->live_ns;
}

/* Round 3: those who know it are told. A client is made known to every executor that serves,
 * because one may hold a result for it. */
static void
ctl_notify(struct ctl *c, struct proc *p)
{
	struct desc d = p->dead;

	ctl_use_gone(c, p);
	ctl_busy_look(c, ctl_now(c));
	for (uint16_t e = PROC_EXEC_FIRST; !p->is_executor && e < PROC_CLIENT_FIRST; e++) {
		if ((c->exec[e].state == EXEC_SERVING || c->exec[e].state == EXEC_DRAINING) &&
		    !ctl_busy_all_along(c, e, p)) {
			proc_know(p, e);
		}
	}
	proc_dead(&c->procs, p);
	if (!p->is_executor) {
		c->orphans_ns = 0; /* soon */
	}
	d.kind = DESC_DEAD;
	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		if (proc_knows(p, i) && ports_send(c->ports, i, &d) != 0) {
			/* It does not read its port: it is stopped, or hostile. It keeps the index
			 * from being used again until it ends. */
			continue;
		}
		if (proc_knows(p, i) && i < PROC_CLIENT_FIRST) {
			ctl_lease_ask(c, i);
		}
	}
	/* And it will acknowledge nothing any more. */
	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		if (i != p->idx && c->procs.proc[i].state == PROC_DEAD) {
			proc_acked(&c->procs, &c->procs.proc[i], p->idx);
		}
	}
	ctl_hints_clear(c, p);
	if (p->idx < PROC_CLIENT_FIRST) {
		ctl_exec_gone(c, p->idx);
	}
	proc_acked(&c->procs, p, p->idx);
}

static void
ctl_on_down_done(struct ctl *c, uint32_t tile, const struct desc *d)
{
	struct proc *p = &c->procs.proc[d->dead.proc];

	REQUIRE(p->state == PROC_DYING);
	if (tile != CTL_TILE_SCHED) {
		/* Each tile knows the last call that published to it; the later of them may be
		 * unanswered, the others are not. */
		if (d->dead.published != 0 && d->dead.published_ns >= p->dead.dead.published_ns) {
			p->dead.dead.published = d->dead.published;
			p->dead.dead.owed = d->dead.owed;
			p->dead.dead.published_ns = d->dead.published_ns;
		}
		if (--p->tiles == 1) {
			p->dead.kind = DESC_PROC_DOWN;
			ctl_tell_tile(c, CTL_TILE_SCHED, &p->dead);
		}
		return;
	}
	p->tiles = 0;
	ctl_notify(c, p);
}

/* ------------------------------------------------------------ from tiles */

static void
ctl_on_tile(struct ctl *c, uint32_t tile, const struct desc *d)
{
	struct proc *p;

	switch (d->kind) {
	case DESC_PROC_DOWN_DONE:
		ctl_on_down_done(c, tile, d);
		break;
	case DESC_SEG_DOWN_DONE:
		ctl_seg_done(c, d);
		break;
	case DESC_PROC_BAD:
		p = proc_find(&c->procs, d->open.proc, d->open.inc);
		if (p != NULL) {
			log_at(LOG_WARN,
			       "process %u (pid %d) broke the rules of its channel and is dropped",
			       p->idx, (int)p->pid);
			if (p->is_executor && p->pid > 0) {
				kill(p->pid, SIGKILL);
			} else {
				ctl_gone(c, p, DEATH_HANGUP, 0);
			}
		}
		break;
	case DESC_PIN_WANT:
		ctl_exec_pin_want(c, d->a);
		break;
	case DESC_EXEC_STOP:
		ctl_stop_call(c, d->a, d->call);
		break;
	case DESC_EXEC_LOST:
		ctl_lease_lost(c, d->a, d->call);
		break;
	case DESC_EXEC_DRAIN:
		ctl_exec_drained(c, d->a);
		break;
	case DESC_SYNC:
		ctl_admin_synced(c, d);
		break;
	default:
		REQUIRE(d->kind == DESC_NONE);
	}
}

/* -------------------------------------------------------- from processes */

static void
ctl_on_open_req(struct ctl *c, struct proc *p, const struct desc *d)
{
	struct desc m = { .kind = DESC_OPENED };
	struct proc *x;
	uint16_t port_p, port_x;
	int err = MB_ERR_PEER_DIED;

	if (d->a >= PROC_EXEC_FIRST && d->a < PROC_CLIENT_FIRST && d->a != p->idx) {
		x = &c->procs.proc[d->a];
		ctl_busy_look(c, ctl_now(c));
		if (x->state == PROC_LIVE &&
		    (ctl_busy_all_along(c, d->a, p) || (p->is_inner && p->lcore == 0))) {
			err = MB_ERR_BUSY;
		} else if (x->state == PROC_LIVE && c->exec[d->a].state == EXEC_SERVING) {
			err = proc_pair(&c->procs, p, x, &port_p, &port_x);
		}
	}
	if (err != 0) {
		m.err = (int16_t)err;
		ports_send(c->ports, p->idx, &m);
		return;
	}
	m.kind = DESC_OPEN;
	m.a = port_x;
	m.open.proc = p->idx;
	m.open.port = port_p;
	m.open.inc = p->inc;
	m.b = p->lcore;
	ports_send(c->ports, x->idx, &m);
}

static void
ctl_on_close(struct ctl *c, struct proc *p, uint16_t port, int err)
{
	struct desc m = { .kind = DESC_CLOSE, .err = (int16_t)err };
	struct proc *peer;

	if (proc_port_closed(&c->procs, p, port, &peer, &m.a)) {
		ports_send(c->ports, peer->idx, &m);
	}
}

static void
ctl_on_open_ack(struct ctl *c, struct proc *x, const struct desc *d)
{
	struct desc m = { .kind = DESC_OPENED, .err = d->err };
	struct proc *p;

	if (proc_port_made(&c->procs, x, d->a, d->err == 0, &p, &m.a)) {
		m.open.proc = x->idx;
		m.open.port = d->a;
		m.open.inc = x->inc;
		ports_send(c->ports, p->idx, &m);
	}
}

static void
ctl_on_dead_ack(struct ctl *c, struct proc *p, const struct desc *d)
{
	struct proc *dead;

	if (d->dead.proc == 0 || d->dead.proc >= PROC_CNT_MAX) {
		return;
	}
	dead = &c->procs.proc[d->dead.proc];
	if (dead->inc == d->dead.inc && dead->state == PROC_DEAD) {
		if (dead->idx >= PROC_CLIENT_FIRST) {
			ctl_orphans_stop(c, dead);
		}
		proc_acked(&c->procs, dead, p->idx);
	}
}

/* One line that a function wrote. Its text lies in the executor's memory: copied, then cleaned. */
static void
ctl_on_log(struct ctl *c, struct proc *p, const struct desc *d)
{
	struct ctl_log *l = &c->log[c->log_seq % CTL_LOG_CNT];
	const struct fn *f = registry_fn_by_id(&c->registry, d->a);
	const uint8_t *text = d->data;
	size_t len = d->len <= DESC_INLINE_BYTES ? d->len : 0;
	bool view = (d->flags & DESC_F_INLINE) == 0;

	if (view) {
		len = d->ref.len;
		if (d->ref.proc != p->idx || peer_view(c->peers, &d->ref, &text) != 0) {
			return;
		}
	}
	len = len < CTL_LOG_BYTES ? len : CTL_LOG_BYTES - 1;
	*l = (struct ctl_log){ .seq = ++c->log_seq,
			       .time_us = timebase_wall_us(c->tb),
			       .call = d->call };
	if (f != NULL) {
		memcpy(l->function, f->name, NAME_BYTES_MAX);
	}
	memcpy(l->text, text, len);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)l->text[i] < ' ' && l->text[i] != '\t') {
			l->text[i] = ' ';
		}
	}
	if (view) {
		struct desc m = { .kind = DESC_RELEASE,
				  .a = PROC_DAEMON,
				  .release = { .inc = d->ref.inc,
					       .proc = d->ref.proc,
					       .cnt = 1,
					       .handle = { d->ref.handle } } };

		ports_send(c->ports, p->idx, &m);
	}
}

static void
ctl_on_proc(struct ctl *c, struct proc *p, const struct desc *d)
{
	switch (d->kind) {
	case DESC_OPEN_REQ:
		ctl_on_open_req(c, p, d);
		break;
	case DESC_OPEN_ACK:
		ctl_on_open_ack(c, p, d);
		break;
	case DESC_CLOSE:
		ctl_on_close(c, p, d->a, d->err);
		break;
	case DESC_DEAD_ACK:
		ctl_on_dead_ack(c, p, d);
		break;
	case DESC_LOG:
		ctl_on_log(c, p, d);
		break;
	case DESC_LOOK:
		ctl_lease_look(c, d->a);
		break;
	case DESC_PONG:
		ctl_lease_answer(c, p->idx, d->call);
		break;
	default:
		break; /* a stranger's: ignored */
	}
}

/* ----------------------------------------------------------------- stops */

void
ctl_stop_call(struct ctl *c, uint16_t exec, uint64_t call)
{
	struct ctl_stop *s = NULL;

	if (exec < PROC_EXEC_FIRST || exec >= PROC_CLIENT_FIRST ||
	    c->procs.proc[exec].state != PROC_LIVE) {
		return;
	}
	for (uint32_t i = 0; i < CTL_STOP_MAX; i++) {
		if (c->stop[i].proc == exec && c->stop[i].call == call) {
			return;
		}
		if (c->stop[i].proc == 0) {
			s = &c->stop[i];
		}
	}
	if (s != NULL) {
		*s = (struct ctl_stop){ .proc = exec,
					.inc = c->procs.proc[exec].inc,
					.call = call,
					.at_ns = ctl_now(c) + c->cfg.grace_ns };
	}
}

/* The grace is over: an executor that still runs the call is killed. One that runs another call may
 * have this one before it: it is looked at again, until it has answered, idle, a PING that was sent
 * when it was idle (T2 in ctl_lease.c: that it says so is not enough). */
static void
ctl_stop_check(struct ctl *c, struct ctl_stop *s, uint64_t now)
{
	struct proc *p = proc_find(&c->procs, s->proc, s->inc);
	uint64_t runs;

	if (p == NULL || p->pid <= 0) {
		s->proc = 0;
		return;
	}
	runs = ctl_exec_call(c, p->idx);
	s->at_ns = now + c->cfg.grace_ns + NS_PER_MS;
	if (runs == s->call) {
		log_at(LOG_INFO, "executor %u is stopped: call %016llx did not end", p->idx,
		       (unsigned long long)s->call);
		kill(p->pid, SIGKILL);
		s->proc = 0;
	} else if (ctl_lease_runs(c, p->idx) != 0) {
		s->ping = 0;
	} else if (s->ping == 0) {
		s->ping = ctl_lease_ask(c, p->idx);
	} else if (c->exec[p->idx].pong >= s->ping) {
		s->proc = 0;
	}
}

static void
ctl_stop_due(struct ctl *c, uint64_t now)
{
	for (uint32_t i = 0; i < CTL_STOP_MAX; i++) {
		if (c->stop[i].proc != 0 && c->stop[i].at_ns <= now) {
			ctl_stop_check(c, &c->stop[i], now);
		}
	}
}

/* ------------------------------------------------------------------ tile */

static int
ctl_poll(void *ctx, uint64_t now_ns)
{
	struct ctl *c = ctx;
	struct desc d[CTL_BURST];
	int busy = 0;
	uint16_t idx;
	uint32_t inc;

	for (uint32_t t = 0; t < ctl_tile_cnt(c); t++) {
		uint32_t n = link_recv_burst(c->tile[t].from, d, CTL_BURST);

		for (uint32_t i = 0; i < n; i++) {
			ctl_on_tile(c, t, &d[i]);
		}
		busy += (int)n;
	}
	busy += ports_turn(c->ports);
	while (ports_recv(c->ports, &idx, &d[0]) == 1) {
		ports_waive(c->ports, idx);
		if (c->procs.proc[idx].state == PROC_LIVE) {
			ctl_on_proc(c, &c->procs.proc[idx], &d[0]);
		}
		busy++;
	}
	while (ports_bad(c->ports, &idx, &inc)) {
		struct proc *p = proc_find(&c->procs, idx, inc);

		if (p != NULL) {
			struct desc bad = { .kind = DESC_PROC_BAD };

			bad.open.proc = idx;
			bad.open.inc = inc;
			ctl_on_tile(c, CTL_TILE_SCHED, &bad);
		}
		busy++;
	}
	busy += ctl_catalog_poll(c);
	ports_flush(c->ports);
	return busy;
}

static void
ctl_housekeeping(void *ctx, uint64_t now_ns)
{
	struct ctl *c = ctx;

	ctl_stop_due(c, now_ns);
	ctl_orphans_due(c, now_ns);
	ctl_lease_due(c, now_ns);
	ctl_exec_step(c);
	if (now_ns >= c->watch_ns) {
		c->watch_ns = now_ns + c->watch_pause_ns;
		c->watch(c->node);
	}
	ports_flush(c->ports);
}

static void
ctl_arm(void *ctx, bool up)
{
	struct ctl *c = ctx;

	ctl_catalog_arm(c, up);
	if (up) {
		ports_arm(c->ports);
	} else {
		ports_disarm(c->ports);
	}
}

static uint64_t
ctl_next_timer(void *ctx)
{
	struct ctl *c = ctx;
	uint64_t at =
		MIN(MIN(ctl_exec_timer(c), c->orphans_ns), MIN(ctl_lease_timer(c), c->watch_ns));
	uint64_t nap = ports_sleep_ns(c->ports);

	at = MIN(at, ctl_catalog_timer(c));
	for (uint32_t i = 0; i < CTL_STOP_MAX; i++) {
		if (c->stop[i].proc != 0 && c->stop[i].at_ns < at) {
			at = c->stop[i].at_ns;
		}
	}
	if (nap < WAIT_MAX_NS && ctl_now(c) + nap < at) {
		at = ctl_now(c) + nap;
	}
	return at;
}

/* The node ends when no answer is owed and no function runs, or lcore_cfg.drain_ns later. */
static bool
ctl_drain(void *ctx, uint64_t now_ns)
{
	struct ctl *c = ctx;

	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (c->procs.proc[e].state == PROC_LIVE && ctl_exec_call(c, e) != 0) {
			return false;
		}
	}
	return c->late_cnt == 0 && ctl_catalog_quiet(c);
}

static void
ctl_stop(void *ctx)
{
	struct ctl *c = ctx;

	ctl_sock_close(c);
	ctl_exec_stop(c);
}

const struct tile_ops ctl_tile_ops = {
	.kind = TILE_CTL,
	.poll = ctl_poll,
	.housekeeping = ctl_housekeeping,
	.arm = ctl_arm,
	.next_timer_ns = ctl_next_timer,
	.drain = ctl_drain,
	.stop = ctl_stop,
};

int
ctl_create(struct ctl **ret, const struct ctl_config *cfg, struct lcore *lcore)
{
	struct ctl *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	c->cfg = *cfg;
	c->lcore = lcore;
	c->tb = timebase_real();
	c->listen_fd = -1;
	c->zygote_fd = -1;
	c->child_fd = -1;
	c->gen = 1;
	c->orphans_ns = UINT64_MAX;
	c->watch_ns = UINT64_MAX;
	c->started_ns = ctl_now(c);
	for (uint32_t i = 0; i < CTL_CONN_MAX; i++) {
		c->conn[i].fd = -1;
	}
	for (uint32_t i = 0; i < CTL_DEPLOY_MAX; i++) {
		c->deploy[i].fd = -1;
	}
	c->text = malloc(DOMAIN_TEXT_MAX + 1);
	c->log = calloc(CTL_LOG_CNT, sizeof(*c->log));
	c->uses = calloc(1, sizeof(*c->uses));
	if (c->text == NULL || c->log == NULL || c->uses == NULL) {
		ctl_destroy(c);
		return MB_ERR_NO_MEMORY;
	}
	*ret = c;
	return 0;
}

void
ctl_destroy(struct ctl *c)
{
	ctl_catalog_destroy(c);
	if (c->procs.proc != NULL) {
		procs_destroy(&c->procs);
	}
	if (c->ports != NULL) {
		ports_destroy(c->ports);
	}
	registry_destroy(&c->registry);
	free(c->log);
	free(c->uses);
	free(c->text);
	free(c);
}
