/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_sock - the Unix socket: who connects, and what they may ask
 *
 * Each connection is a process, or becomes one by HELLO. Nothing here waits: a message is answered
 * from what is known, or its answer is sent when the tiles have done their part.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "ctl.h"
#include "log.h"

static void ctl_conn_event(void *ctx, int fd, int events);

static struct ctl_conn *
ctl_conn_find(struct ctl *c, int fd)
{
	for (uint32_t i = 0; i < CTL_CONN_MAX; i++) {
		if (c->conn[i].fd == fd) {
			return &c->conn[i];
		}
	}
	return NULL;
}

/* The first entries are for executors: whoever connects without end keeps out clients, not them. */
static struct ctl_conn *
ctl_conn_free(struct ctl *c, bool is_executor)
{
	for (uint32_t i = is_executor ? 0 : PROC_CLIENT_FIRST; i < CTL_CONN_MAX; i++) {
		if (c->conn[i].fd < 0) {
			return &c->conn[i];
		}
	}
	return NULL;
}

struct ctl_conn *
ctl_conn_of(struct ctl *c, const struct proc *p)
{
	for (uint32_t i = 0; i < CTL_CONN_MAX; i++) {
		if (c->conn[i].fd >= 0 && c->conn[i].proc == p) {
			return &c->conn[i];
		}
	}
	return NULL;
}

struct ctl_conn *
ctl_conn_add(struct ctl *c, int fd, struct proc *proc)
{
	struct ctl_conn *conn = ctl_conn_free(c, proc != NULL);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (conn == NULL || lcore_watch(c->lcore, fd, ctl_conn_event, c) != 0) {
		return NULL;
	}
	*conn = (struct ctl_conn){ .fd = fd, .id = ++c->conn_id, .proc = proc };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		conn->pid = cred.pid;
		conn->uid = cred.uid;
	}
	return conn;
}

void
ctl_conn_drop(struct ctl *c, struct ctl_conn *conn)
{
	struct proc *p = conn->proc;
	int fd = conn->fd;

	lcore_unwatch(c->lcore, fd);
	conn->fd = -1;
	conn->proc = NULL;
	for (uint32_t i = 0; i < CTL_DEPLOY_MAX; i++) {
		if (c->deploy[i].fd == fd) {
			c->deploy[i].fd = -1; /* it goes on; nobody hears of it */
		}
	}
	if (p == NULL) {
		close(fd);
		return;
	}
	if (p->is_executor && p->pid > 0) {
		/* The pidfd will tell what it died of; until then it is as good as dead. */
		kill(p->pid, SIGKILL);
		close(fd);
		p->sock = -1;
		return;
	}
	close(fd);
	p->sock = -1;
	ctl_gone(c, p, DEATH_HANGUP, 0);
}

void
ctl_answer(struct ctl *c, struct ctl_conn *conn, struct domain_msg *m, const void *text,
	   const int *fd, uint32_t fd_cnt)
{
	int err = domain_sock_send(conn->fd, m, text, fd, fd_cnt);

	if (err != 0) {
		shutdown(conn->fd, SHUT_RDWR); /* its hang-up does the rest, outside of this call */
	}
}

static void
ctl_refuse(struct ctl *c, struct ctl_conn *conn, uint16_t kind, int err)
{
	struct domain_msg m = { .kind = kind, .err = (int16_t)err };

	ctl_answer(c, conn, &m, NULL, NULL, 0);
}

/* ---------------------------------------------------------------- entering */

static void
ctl_pid_event(void *ctx, int fd, int events)
{
	struct ctl *c = ctx;
	siginfo_t si = { 0 };

	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		struct proc *p = &c->procs.proc[i];

		if (p->pidfd != fd || p->state == PROC_FREE) {
			continue;
		}
		/* Our children tell what they died of; a client is somebody else's child. */
		if (waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG) == 0 && si.si_pid != 0) {
			p->pid = 0;
			ctl_gone(c, p, si.si_code == CLD_EXITED ? DEATH_EXIT : DEATH_SIGNAL,
				 si.si_status);
			ctl_strays_reap(c);
		} else if (!p->is_executor) {
			ctl_gone(c, p, DEATH_EXIT, 0);
		}
		return;
	}
}

void
ctl_proc_watch(struct ctl *c, struct proc *p, int pidfd, pid_t pid)
{
	p->pid = pid;
	p->pidfd = pidfd;
	if (pidfd >= 0 && lcore_watch(c->lcore, pidfd, ctl_pid_event, c) != 0) {
		close(pidfd);
		p->pidfd = -1;
	}
}

static uint32_t
ctl_client_cnt(const struct ctl *c)
{
	uint32_t cnt = 0;

	for (uint32_t i = PROC_CLIENT_FIRST; i < PROC_CNT_MAX; i++) {
		cnt += c->procs.proc[i].state == PROC_LIVE ||
		       c->procs.proc[i].state == PROC_MAPPING;
	}
	return cnt;
}

static void
ctl_welcome(struct ctl *c, struct ctl_conn *conn, struct proc *p)
{
	struct domain_welcome w = {
		.inc = p->inc,
		.proc = p->idx,
		.is_executor = p->is_executor,
		.lcore_cnt = (uint16_t)c->cfg.lcore_cnt,
		.cache_cnt = (uint16_t)c->cfg.cache_cnt,
		.spin_ns = p->is_executor ? c->cfg.executor_spin_ns : c->cfg.client_spin_ns,
		.cpu = p->is_executor ? c->exec[p->idx].cpu : -1,
		.wall_ns = c->cfg.wall_ns,
	};
	struct domain_msg m = { .kind = DOMAIN_WELCOME, .text_len = sizeof(w) };
	int fd[] = { p->region_fd, c->region_fd, c->hints_fd, c->cache_fd };

	memcpy(w.cpu_daemon, c->cfg.cpu_daemon, sizeof(w.cpu_daemon));
	memcpy(w.cpu_exec, c->cfg.cpu_exec, sizeof(w.cpu_exec));
	w.tile_lcore[PORT_SCHED] = (uint8_t)c->tile[CTL_TILE_SCHED].lcore;
	for (uint32_t i = 0; i < c->cfg.cache_cnt; i++) {
		w.tile_lcore[PORT_CACHE_FIRST + i] = (uint8_t)c->tile[CTL_TILE_CACHE + i].lcore;
	}
	ctl_answer(c, conn, &m, &w, fd, 4);
}

static void
ctl_on_hello(struct ctl *c, struct ctl_conn *conn, const struct domain_msg *m, const char *text)
{
	struct proc *p = conn->proc;
	int err = 0;

	if (m->word[0] != DOMAIN_PROTO) {
		err = MB_ERR_VERSION;
	} else if (p == NULL) {
		err = ctl_client_cnt(c) < c->cfg.client_max
			      ? proc_new(&c->procs, false, conn->fd, &p)
			      : MB_ERR_BUSY;
	} else if (!p->is_executor || p->state != PROC_MAPPING) {
		err = MB_ERR_INVALID;
	}
	if (err != 0) {
		ctl_refuse(c, conn, DOMAIN_WELCOME, err);
		return;
	}
	if (conn->proc == NULL) {
		conn->proc = p;
		p->uid = conn->uid;
		ctl_proc_watch(c, p, (int)syscall(SYS_pidfd_open, conn->pid, 0), conn->pid);
	}
	snprintf(p->program, sizeof(p->program), "%.*s", (int)sizeof(p->program) - 1, text);
	ctl_welcome(c, conn, p);
}

/* The eventfds by which a process wakes the lcores that it has ports at. ctl's own lcore gives each
 * process one of its own. The others are not ctl's to add to; they are woken by their bell, which
 * all processes share: one that empties it on purpose can delay its neighbours' wakes, by a second
 * at most. */
static int
ctl_wake_fds(struct ctl *c, struct proc *p, int ret_fd[TILE_PORT_CNT])
{
	if (lcore_peer_add(c->lcore, &p->wake_fd) != 0) {
		return MB_ERR_NO_MEMORY;
	}
	ret_fd[0] = p->wake_fd;
	for (uint32_t i = 1; i < c->cfg.lcore_cnt; i++) {
		ret_fd[i] = c->bell_fd[i];
	}
	return 0;
}

static void
ctl_on_mapped(struct ctl *c, struct ctl_conn *conn, struct proc *p)
{
	struct domain_msg m = { .kind = DOMAIN_READY };
	/* An executor has one of a pair of sockets that we made: its credentials are ours. */
	bool own = !p->is_executor && conn->pid == getpid();
	struct desc up = { .kind = DESC_PROC_UP, .sub = own ? PROC_UP_OWN : 0 };
	int fd[TILE_PORT_CNT];
	int err = p->state == PROC_MAPPING ? ctl_wake_fds(c, p, fd) : MB_ERR_INVALID;

	if (err == 0) {
		err = proc_live(&c->procs, p);
	}
	if (err != 0) {
		ctl_refuse(c, conn, DOMAIN_READY, err);
		return;
	}
	up.open.proc = p->idx;
	up.open.inc = p->inc;
	p->live_ns = ctl_now(c);
	if (!p->is_executor) {
		ctl_busy_look(c, p->live_ns);
	}
	ports_open(c->ports, p->idx, p->inc, &c->peers->peer[p->idx].region);
	for (uint32_t t = 0; t < ctl_tile_cnt(c); t++) {
		ctl_tell_tile(c, t, &up);
	}
	ctl_answer(c, conn, &m, NULL, fd, c->cfg.lcore_cnt);
	if (p->is_executor) {
		ctl_exec_ready(c, p);
	}
}

/* ------------------------------------------------------------------ memory */

static void
ctl_on_attach(struct ctl *c, struct ctl_conn *conn, struct proc *p, const struct domain_msg *m)
{
	struct domain_msg answer = { .kind = DOMAIN_ATTACHED };
	struct proc *target = m->proc < PROC_CNT_MAX ? &c->procs.proc[m->proc] : NULL;
	struct proc_seg *s;
	int fd;

	/* A process that is dying can still be read: what it had said last is worth having. */
	if (target == NULL || m->proc == PROC_DAEMON || target->inc != m->inc ||
	    (target->state != PROC_LIVE && target->state != PROC_DYING)) {
		ctl_refuse(c, conn, DOMAIN_ATTACHED, MB_ERR_PEER_DIED);
		return;
	}
	if (!p->is_executor && !target->is_executor) {
		ctl_refuse(c, conn, DOMAIN_ATTACHED, MB_ERR_DENIED); /* no client reads another */
		return;
	}
	fd = target->region_fd;
	if (m->seg != 0) {
		s = proc_seg_find(target, m->seg);
		if (s == NULL || !s->sealed) {
			ctl_refuse(c, conn, DOMAIN_ATTACHED, MB_ERR_NOT_FOUND);
			return;
		}
		fd = s->fd;
	}
	proc_know(target, p->idx);
	proc_know(p, target->idx);
	ctl_answer(c, conn, &answer, NULL, &fd, 1);
}

static void
ctl_on_lease(struct ctl *c, struct ctl_conn *conn, struct proc *p, const struct domain_msg *m)
{
	struct domain_msg answer = { .kind = DOMAIN_LEASED };
	struct proc_seg *s;
	int err = proc_lease(&c->procs, p, m->word[0], &s);

	if (err != 0) {
		ctl_refuse(c, conn, DOMAIN_LEASED, err);
		return;
	}
	answer.seg = s->seg;
	answer.word[0] = s->bytes;
	ctl_answer(c, conn, &answer, NULL, &s->fd, 1);
}

static void
ctl_on_unlease(struct ctl *c, struct ctl_conn *conn, struct proc *p, uint32_t seg)
{
	struct proc_seg *s = proc_seg_find(p, seg);
	struct desc d = {
		.kind = DESC_SEG_DOWN,
		.release = { .inc = p->inc, .proc = p->idx, .cnt = 1, .handle = { seg } }
	};

	if (s == NULL || s->tiles != 0) {
		ctl_refuse(c, conn, DOMAIN_READY, MB_ERR_NOT_FOUND);
		return;
	}
	s->tiles = ctl_tile_cnt(c);
	for (uint32_t t = 0; t < ctl_tile_cnt(c); t++) {
		ctl_tell_tile(c, t, &d);
	}
}

void
ctl_seg_done(struct ctl *c, const struct desc *d)
{
	struct proc *p = proc_find(&c->procs, d->release.proc, d->release.inc);
	struct proc_seg *s = p != NULL ? proc_seg_find(p, d->release.handle[0]) : NULL;
	struct desc gone = *d;

	if (s == NULL || --s->tiles != 0) {
		return;
	}
	gone.kind = DESC_SEG_GONE;
	for (uint16_t i = 1; s->sealed && i < PROC_CNT_MAX; i++) {
		if (proc_knows(p, i) && c->procs.proc[i].state == PROC_LIVE) {
			ports_send(c->ports, i, &gone);
		}
	}
	proc_unlease(&c->procs, p, s);
	if (ctl_conn_of(c, p) != NULL) {
		ctl_refuse(c, ctl_conn_of(c, p), DOMAIN_READY, 0);
	}
}

/* --------------------------------------------------------------- messages */

static void
ctl_on_msg(struct ctl *c, struct ctl_conn *conn, struct domain_msg *m, const int *fd)
{
	struct proc *p = conn->proc;

	if (m->kind == DOMAIN_HELLO) {
		ctl_on_hello(c, conn, m, c->text);
	} else if (m->kind == DOMAIN_ADMIN && (p == NULL || !p->is_executor)) {
		ctl_admin(c, conn, c->text, fd, m->fd_cnt);
	} else if (p == NULL) {
		ctl_refuse(c, conn, m->kind, MB_ERR_INVALID);
	} else if (m->kind == DOMAIN_MAPPED) {
		ctl_on_mapped(c, conn, p);
	} else if (p->state != PROC_LIVE) {
		ctl_refuse(c, conn, m->kind, MB_ERR_INVALID);
	} else if (m->kind == DOMAIN_ATTACH) {
		ctl_on_attach(c, conn, p, m);
	} else if (m->kind == DOMAIN_LEASE) {
		ctl_on_lease(c, conn, p, m);
	} else if (m->kind == DOMAIN_LEASE_MAPPED) {
		ctl_refuse(c, conn, DOMAIN_READY, proc_lease_mapped(&c->procs, p, m->seg));
	} else if (m->kind == DOMAIN_UNLEASE) {
		ctl_on_unlease(c, conn, p, m->seg);
	} else if (m->kind == DOMAIN_LOADED && p->is_executor) {
		ctl_exec_loaded(c, p, m, c->text);
	} else {
		ctl_refuse(c, conn, m->kind, MB_ERR_NOT_SUPPORTED);
	}
}

static void
ctl_conn_event(void *ctx, int fd, int events)
{
	struct ctl *c = ctx;
	struct ctl_conn *conn = ctl_conn_find(c, fd);

	while (conn != NULL && conn->fd == fd) {
		struct domain_msg m;
		int got[DOMAIN_FD_MAX];
		int err = domain_sock_recv(fd, -1, &m, c->text, got, DOMAIN_FD_MAX);

		if (err == MB_ERR_TRYAGAIN) {
			return;
		}
		if (err != 0) {
			ctl_conn_drop(c, conn);
			return;
		}
		ctl_on_msg(c, conn, &m, got);
		for (uint32_t i = 0; i < m.fd_cnt; i++) {
			close(got[i]);
		}
	}
}

static void
ctl_accept_event(void *ctx, int fd, int events)
{
	struct ctl *c = ctx;

	for (;;) {
		int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (s < 0) {
			return;
		}
		if (ctl_conn_add(c, s, NULL) == NULL) {
			close(s);
		}
	}
}

bool
ctl_sock_taken(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool taken;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	taken = s >= 0 && connect(s, (const struct sockaddr *)&sa, sizeof(sa)) == 0;
	if (s >= 0) {
		close(s);
	}
	return taken;
}

int
ctl_sock_open(struct ctl *c)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int s;

	if (strlen(c->cfg.socket_path) >= sizeof(sa.sun_path)) {
		return MB_ERR_TOO_LARGE;
	}
	memcpy(sa.sun_path, c->cfg.socket_path, strlen(c->cfg.socket_path) + 1);
	if (ctl_sock_taken(sa.sun_path)) {
		return MB_ERR_EXISTS;
	}
	unlink(sa.sun_path);
	s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0) {
		return MB_ERR_IO;
	}
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) != 0 || chmod(sa.sun_path, 0660) != 0 ||
	    listen(s, 128) != 0 || lcore_watch(c->lcore, s, ctl_accept_event, c) != 0) {
		close(s);
		return MB_ERR_IO;
	}
	c->listen_fd = s;
	return 0;
}

void
ctl_sock_close(struct ctl *c)
{
	if (c->listen_fd >= 0) {
		lcore_unwatch(c->lcore, c->listen_fd);
		close(c->listen_fd);
		unlink(c->cfg.socket_path);
		c->listen_fd = -1;
	}
	for (uint32_t i = 0; i < CTL_CONN_MAX; i++) {
		if (c->conn[i].fd >= 0) {
			lcore_unwatch(c->lcore, c->conn[i].fd);
			close(c->conn[i].fd);
			if (c->conn[i].proc != NULL) {
				c->conn[i].proc->sock = -1;
			}
			c->conn[i].fd = -1;
		}
	}
}
