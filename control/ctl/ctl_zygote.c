/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_zygote - ctl's side of the zygote: starting it, asking it for executors, hearing of its end
 *
 * Z1  While there is no zygote, there is a time to start one (zygote_retry_ns), and no call waits
 *     for an executor that cannot come: after some failures it is told so.
 * Z2  A spawn that cannot be asked for leaves nothing behind and takes no step: the step that asked
 *     would ask again, without end.
 * Z3  A child that was forked, but not reported because the zygote died, is reaped.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl.h"
#include "log.h"
#include "zygote.h"

#define RETRY_NS_MIN    (100 * NS_PER_MS)
#define RETRY_SHIFT_MAX 6u /* 6.4 s */
#define FAILS_MAX       3  /* in a row, before waiting calls are told */

static void ctl_zygote_event(void *ctx, int fd, int events);

/* ----------------------------------------------------------------- zygote */

/* One that had served is followed by another at once, one that had not, after some time. */
static void
ctl_zygote_failed(struct ctl *c)
{
	uint64_t wait = RETRY_NS_MIN << MIN(c->zygote_fails, RETRY_SHIFT_MAX);

	c->zygote_retry_ns = ctl_now(c) + (c->zygote_fails > 0 ? wait : 0);
	c->zygote_fails++;
	if (c->zygote_fails >= FAILS_MAX) {
		ctl_pin_failed(c, MB_ERR_NO_EXECUTOR); /* Z1 */
	}
}

void
ctl_strays_reap(const struct ctl *c)
{
	siginfo_t si = { .si_pid = 0 };

	while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid != 0) {
		for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
			if (c->procs.proc[e].pid == si.si_pid || c->zygote_pid == si.si_pid) {
				return; /* its pidfd tells, then this is called again */
			}
		}
		if (waitpid(si.si_pid, NULL, WNOHANG) <= 0) {
			return;
		}
		si.si_pid = 0;
	}
}

static void
ctl_zygote_gone(struct ctl *c)
{
	lcore_unwatch(c->lcore, c->zygote_fd);
	close(c->zygote_fd);
	kill(c->zygote_pid, SIGKILL);
	waitpid(c->zygote_pid, NULL, 0);
	c->zygote_fd = -1;
	c->zygote_pid = 0;
	ctl_zygote_failed(c);
	/* What was asked of it and not answered will not come. */
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (c->exec[e].state == EXEC_SPAWNING && c->procs.proc[e].pid == 0) {
			ctl_gone(c, &c->procs.proc[e], DEATH_HANGUP, 0);
		}
	}
}

bool
ctl_zygote_start(struct ctl *c, uint64_t now)
{
	if (now < c->zygote_retry_ns) {
		return false;
	}
	if (c->zygote_fd >= 0) {
		return true;
	}
	ctl_strays_reap(c);
	if (zygote_start(c->cfg.executor_path, c->cfg.sandbox, &c->zygote_fd, &c->zygote_pid) !=
	    0) {
		log_at(LOG_ERROR, "cannot start %s: no executors until it can be run",
		       c->cfg.executor_path);
		ctl_zygote_failed(c);
		return false;
	}
	cgroup_take(c->cfg.cgroup, c->zygote_pid);
	lcore_watch(c->lcore, c->zygote_fd, ctl_zygote_event, c);
	return true;
}

static void
ctl_on_spawned(struct ctl *c, const struct domain_msg *m, int pidfd)
{
	struct proc *p = m->proc < PROC_CLIENT_FIRST ? &c->procs.proc[m->proc] : NULL;

	if (p == NULL || p->inc != m->word[0] || p->state == PROC_FREE ||
	    c->exec[m->proc].state == EXEC_NONE || p->pid != 0) {
		/* Its entry was given up meanwhile: it finds its socket closed. Reap it. */
		if (pidfd >= 0) {
			siginfo_t si;

			kill((pid_t)m->word[1], SIGKILL);
			waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED);
			close(pidfd);
		}
		return;
	}
	if (m->err != 0 || pidfd < 0) {
		log_at(LOG_ERROR, "no executor could be forked: %s", mb_err_text(m->err));
		ctl_gone(c, p, DEATH_HANGUP, 0);
		return;
	}
	ctl_proc_watch(c, p, pidfd, (pid_t)m->word[1]);
	ctl_exec_ready(c, p); /* if it has said so before */
}

static void
ctl_zygote_event(void *ctx, int fd, int events)
{
	struct ctl *c = ctx;

	while (c->zygote_fd == fd) {
		struct domain_msg m;
		int got[1] = { -1 };
		int err = domain_sock_recv(fd, -1, &m, c->text, got, 1);

		if (err == MB_ERR_TRYAGAIN) {
			break;
		}
		if (err != 0) {
			log_at(LOG_WARN, "the zygote has died; starting another");
			ctl_zygote_gone(c);
			break;
		}
		if (m.kind == ZYGOTE_READY && m.err == 0) {
			c->zygote_enforced = (uint32_t)m.word[0];
			c->zygote_fails = 0;
		} else if (m.kind == ZYGOTE_READY) {
			log_at(LOG_ERROR, "the zygote cannot make its sandbox: %s", c->text);
		} else if (m.kind == ZYGOTE_SPAWNED) {
			ctl_on_spawned(c, &m, m.fd_cnt == 1 ? got[0] : -1);
			got[0] = -1;
		}
		if (got[0] >= 0) {
			close(got[0]);
		}
	}
	ctl_exec_step(c);
}

bool
ctl_spawn(struct ctl *c, int cpu)
{
	struct domain_msg m = { .kind = ZYGOTE_SPAWN };
	struct ctl_conn *conn = NULL;
	struct proc *p;
	int sv[2];
	int err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0) {
		return false;
	}
	if (proc_new(&c->procs, true, sv[0], &p) != 0) {
		close(sv[0]);
		close(sv[1]);
		return false;
	}
	fcntl(sv[0], F_SETFL, O_NONBLOCK);
	c->exec[p->idx] = (struct exec){ .state = EXEC_SPAWNING,
					 .cpu = cpu,
					 .give_up_ns = ctl_now(c) + c->cfg.load_timeout_ns };
	m.proc = p->idx;
	m.word[0] = p->inc;
	conn = ctl_conn_add(c, sv[0], p);
	err = conn != NULL ? domain_sock_send(c->zygote_fd, &m, NULL, &sv[1], 1) : MB_ERR_BUSY;
	close(sv[1]);
	if (err == 0) {
		return true;
	}
	if (conn != NULL) { /* Z2 */
		conn->proc = NULL;
		ctl_conn_drop(c, conn);
		p->sock = -1;
	}
	proc_abandon(&c->procs, p);
	c->exec[p->idx] = (struct exec){ 0 };
	c->zygote_retry_ns = ctl_now(c) + RETRY_NS_MIN;
	return false;
}

void
ctl_zygote_watch(struct ctl *c)
{
	lcore_watch(c->lcore, c->zygote_fd, ctl_zygote_event, c);
}
