/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_zygote - ctl's side of the zygote: starting it, asking it for executors, hearing of its end
 * */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl.h"
#include "log.h"
#include "zygote.h"

#define ZYGOTE_RETRY_NS (100 * NS_PER_MS)

static void ctl_zygote_event(void *ctx, int fd, int events);

/* ----------------------------------------------------------------- zygote */

static void
ctl_zygote_gone(struct ctl *c)
{
	lcore_unwatch(c->lcore, c->zygote_fd);
	close(c->zygote_fd);
	kill(c->zygote_pid, SIGKILL);
	waitpid(c->zygote_pid, NULL, 0);
	c->zygote_fd = -1;
	c->zygote_retry_ns = ctl_now(c) + ZYGOTE_RETRY_NS;
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
	if (c->zygote_fd >= 0) {
		return true;
	}
	if (now < c->zygote_retry_ns) {
		return false;
	}
	c->zygote_retry_ns = now + ZYGOTE_RETRY_NS;
	if (zygote_start(c->cfg.executor_path, c->cfg.sandbox, &c->zygote_fd, &c->zygote_pid) !=
	    0) {
		log_at(LOG_ERROR, "cannot start %s: no executors until it can be run",
		       c->cfg.executor_path);
		return false;
	}
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
		if (m.kind == ZYGOTE_READY) {
			c->zygote_enforced = (uint32_t)m.word[0];
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

void
ctl_spawn(struct ctl *c, int cpu)
{
	struct domain_msg m = { .kind = ZYGOTE_SPAWN };
	struct proc *p;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0) {
		return;
	}
	if (proc_new(&c->procs, true, sv[0], &p) != 0) {
		close(sv[0]);
		close(sv[1]);
		return;
	}
	fcntl(sv[0], F_SETFL, O_NONBLOCK);
	c->exec[p->idx] = (struct exec){ .state = EXEC_SPAWNING, .cpu = cpu };
	m.proc = p->idx;
	m.word[0] = p->inc;
	if (ctl_conn_add(c, sv[0], p) == NULL ||
	    domain_sock_send(c->zygote_fd, &m, NULL, &sv[1], 1) != 0) {
		close(sv[1]);
		ctl_gone(c, p, DEATH_HANGUP, 0);
		return;
	}
	close(sv[1]);
}

void
ctl_zygote_watch(struct ctl *c)
{
	lcore_watch(c->lcore, c->zygote_fd, ctl_zygote_event, c);
}
