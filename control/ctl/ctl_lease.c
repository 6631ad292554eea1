/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_lease - an executor that does nothing for anybody is found, and replaced
 *
 * A call needs no answer for as long as its function runs, so silence says nothing. What an
 * executor runs it says itself, in memory that its functions can write over (region_run). That word
 * is believed as far as a lie harms nobody else:
 *
 *   it names a call that its client waits for   believed: a function may run for hours
 *   nothing, or a call that has ended           then it answers a PING within its lease
 *
 * A PING is sent when something is awaited of it: that a call has ended (ctl_stop_check), that it
 * lets go of a dead process, that it ends, an answer to a client that sleeps meanwhile (DESC_LOOK).
 * Executors answer between calls (exec_tile.c), so a function that hides its call, to outlive its
 * deadline or to keep the indices of dead clients, is found by not answering. A call that sched
 * gave to an executor which says to run nothing for a lease is lost there; sched says so
 * (sched_lease.c).
 *
 * A stopped process (SIGSTOP) neither answers nor runs, whatever it says. Nobody need ask: the
 * kernel tells a parent, and node.c's threads have SIGCHLD blocked for it. After the lease it is
 * killed, as it would be had it died.
 *
 * What this cannot find is a function that does the work of an executor in all: takes calls,
 * answers PINGs. It harms those who share its executor, and only a class of their own keeps them
 * apart.
 *
 * T1  At most one time runs for an executor: since the oldest PING without an answer, or since it
 *     was last seen to run something.
 * T2  A stop is forgiven only by the answer to a PING that was sent after the grace.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alive.h"
#include "ctl.h"
#include "log.h"

uint64_t
ctl_lease_runs(const struct ctl *c, uint16_t e)
{
	uint64_t call = ctl_exec_call(c, e);
	uint16_t proc = call_id_proc(call);
	const struct proc *p;

	if (proc < PROC_CLIENT_FIRST || proc >= PROC_CNT_MAX) {
		return proc == PROC_CNT_MAX ? call : 0; /* sched's own, for a request id */
	}
	p = &c->procs.proc[proc];
	if (p->state != PROC_LIVE || call_id_make(proc, p->inc, call) != call ||
	    region_says_alive(&c->peers->peer[proc].region, call) == ALIVE_NO) {
		return 0;
	}
	return call;
}

uint64_t
ctl_lease_ask(struct ctl *c, uint16_t e)
{
	struct exec *x = &c->exec[e];
	struct desc d = { .kind = DESC_PING, .call = x->ping + 1 };

	if ((x->state != EXEC_SERVING && x->state != EXEC_DRAINING) ||
	    ports_send(c->ports, e, &d) != 0) {
		return 0; /* its port is full: it has not read it for a while, and is asked again */
	}
	if (x->pong == x->ping) { /* T1 */
		x->asked_ns = ctl_now(c);
	}
	return ++x->ping;
}

void
ctl_lease_look(struct ctl *c, uint16_t e)
{
	if (e >= PROC_EXEC_FIRST && e < PROC_CLIENT_FIRST && c->procs.proc[e].state == PROC_LIVE &&
	    c->exec[e].ping == c->exec[e].pong && ctl_lease_runs(c, e) == 0) {
		(void)ctl_lease_ask(c, e);
	}
}

void
ctl_lease_answer(struct ctl *c, uint16_t e, uint64_t ping)
{
	struct exec *x = &c->exec[e];

	if (e < PROC_CLIENT_FIRST && ping > x->pong && ping <= x->ping) {
		x->pong = ping;
		x->asked_ns = ctl_now(c);
	}
}

static void
lease_end(struct ctl *c, uint16_t e, const char *why)
{
	const struct proc *p = &c->procs.proc[e];

	if (!c->exec[e].lost && p->state == PROC_LIVE && p->pid > 0) {
		log_at(LOG_WARN, "executor %u is stopped: %s", e, why);
		c->exec[e].lost = true;
		kill(p->pid, SIGKILL);
	}
}

void
ctl_lease_lost(struct ctl *c, uint16_t e, uint64_t call)
{
	if (e >= PROC_EXEC_FIRST && e < PROC_CLIENT_FIRST) {
		log_at(LOG_INFO, "executor %u was given call %016llx and does not run it", e,
		       (unsigned long long)call);
		lease_end(c, e, "it does not do what it was given");
	}
}

/* When e's lease ends; UINT64_MAX: none runs. */
static uint64_t
lease_until(const struct ctl *c, uint16_t e)
{
	const struct exec *x = &c->exec[e];
	uint64_t from = UINT64_MAX;

	if (x->lost || c->procs.proc[e].state != PROC_LIVE) {
		return UINT64_MAX;
	}
	if (x->stopped_ns != 0) {
		from = x->stopped_ns;
	} else if (x->ping != x->pong) {
		from = x->asked_ns;
	}
	return from == UINT64_MAX ? from : from + c->cfg.lease_ns;
}

void
ctl_lease_due(struct ctl *c, uint64_t now)
{
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (lease_until(c, e) > now) {
			continue;
		}
		if (c->exec[e].stopped_ns != 0) {
			lease_end(c, e, "it was halted by a signal and not continued in time");
		} else if (ctl_lease_runs(c, e) != 0) {
			c->exec[e].asked_ns = now;
		} else {
			lease_end(c, e, "it says that it runs nothing, and does not answer");
		}
	}
}

uint64_t
ctl_lease_timer(const struct ctl *c)
{
	uint64_t at = UINT64_MAX;

	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		at = MIN(at, lease_until(c, e));
	}
	return at;
}

/* ------------------------------------------------------------ stopped ones */

/* The kernel keeps a child's last change, and says how it stands now by a second look. */
static void
lease_look(struct ctl *c, uint16_t e)
{
	struct exec *x = &c->exec[e];
	siginfo_t si = { .si_pid = 0 };

	for (int look = 0; look < 2; look++) {
		si.si_pid = 0;
		if (waitid(P_PID, (id_t)c->procs.proc[e].pid, &si,
			   WSTOPPED | WCONTINUED | WNOHANG) != 0 ||
		    si.si_pid == 0) {
			return;
		}
		x->stopped_ns = si.si_code == CLD_CONTINUED ? 0 : ctl_now(c);
	}
}

static void
lease_on_child(void *ctx, int fd, int events)
{
	struct signalfd_siginfo si;
	struct ctl *c = ctx;

	while (read(fd, &si, sizeof(si)) == sizeof(si)) {
	}
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (c->procs.proc[e].pid > 0) {
			lease_look(c, e);
		}
	}
}

void
ctl_lease_start(struct ctl *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	c->child_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->child_fd < 0) {
		log_at(LOG_WARN, "a halted executor will not be noticed: no signalfd");
		return;
	}
	lcore_watch(c->lcore, c->child_fd, lease_on_child, c);
}

void
ctl_lease_stop(struct ctl *c)
{
	if (c->child_fd >= 0) {
		lcore_unwatch(c->lcore, c->child_fd);
		close(c->child_fd);
		c->child_fd = -1;
	}
}
