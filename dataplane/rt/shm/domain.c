/* SPDX-License-Identifier: Apache-2.0 */
/* domain - entering, asking, leaving; domain_poll.c has what happens in between */
#include "domain.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "timebase.h"

#define MAGIC          UINT32_C(0x4d42444e)
/* ctl answers in microseconds; a node that is stopped for a debugger */
#define ASK_TIMEOUT_MS 10000

enum welcome_fd { FD_OWN, FD_DAEMON, FD_HINTS, FD_CACHE, FD_WELCOME_CNT };

int
domain_ask(struct domain *d, struct domain_msg *m, const void *text, size_t text_len, const int *fd,
	   uint32_t fd_cnt, struct domain_msg *ret, int *ret_fd, uint32_t ret_fd_max)
{
	int err;

	if (text_len > DOMAIN_TEXT_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	m->text_len = (uint32_t)text_len;
	err = domain_sock_send(d->sock, m, text, fd, fd_cnt);
	if (err == 0) {
		err = domain_sock_recv(d->sock, ASK_TIMEOUT_MS, ret, d->text, ret_fd, ret_fd_max);
		if (err != 0) {
			/* The answer may still come: it must not be taken for that of the next
			 * question. */
			shutdown(d->sock, SHUT_RDWR);
		}
	}
	if (err != 0) {
		return err == MB_ERR_DEADLINE ? MB_ERR_NO_NODE : err;
	}
	if (ret->err != 0) {
		while (ret->fd_cnt > 0) {
			close(ret_fd[--ret->fd_cnt]);
			ret_fd[ret->fd_cnt] = -1;
		}
	}
	return ret->err;
}

static int
domain_attach_fd(void *ctx, uint16_t proc, uint32_t inc, uint32_t seg, int *ret_fd)
{
	struct domain_msg m = { .kind = DOMAIN_ATTACH, .proc = proc, .inc = inc, .seg = seg };
	struct domain_msg answer;
	int err = domain_ask(ctx, &m, NULL, 0, NULL, 0, &answer, ret_fd, 1);

	if (err == 0 && answer.fd_cnt != 1) {
		return MB_ERR_CORRUPT;
	}
	return err;
}

static int
domain_lease(void *ctx, size_t bytes, uint32_t *ret_seg, uint8_t **ret_p, size_t *ret_bytes)
{
	struct domain_msg m = { .kind = DOMAIN_LEASE, .word = { bytes } };
	struct domain_msg answer;
	void *p;
	int fd;
	int err = domain_ask(ctx, &m, NULL, 0, NULL, 0, &answer, &fd, 1);

	if (err != 0) {
		return err;
	}
	if (answer.fd_cnt != 1) {
		return MB_ERR_CORRUPT;
	}
	p = mmap(NULL, answer.word[0], PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED) {
		m = (struct domain_msg){ .kind = DOMAIN_UNLEASE, .seg = answer.seg };
		domain_ask(ctx, &m, NULL, 0, NULL, 0, &answer, NULL, 0);
		return MB_ERR_NO_MEMORY;
	}
	*ret_seg = answer.seg;
	*ret_p = p;
	*ret_bytes = answer.word[0];
	m = (struct domain_msg){ .kind = DOMAIN_LEASE_MAPPED, .seg = answer.seg };
	err = domain_ask(ctx, &m, NULL, 0, NULL, 0, &answer, NULL, 0);
	if (err != 0) {
		munmap(p, *ret_bytes);
	}
	return err;
}

static void
domain_unlease(void *ctx, uint32_t seg, uint8_t *p, size_t bytes)
{
	struct domain_msg m = { .kind = DOMAIN_UNLEASE, .seg = seg };
	struct domain_msg answer;

	munmap(p, bytes);
	domain_ask(ctx, &m, NULL, 0, NULL, 0, &answer, NULL, 0);
}

/* Maps what the welcome brought. What was mapped before a failure is undone by domain_leave. */
static int
domain_map(struct domain *d, const int *fd)
{
	int err = region_map_owner(&d->own, REGION_PROCESS, fd[FD_OWN], d->proc, d->inc);

	if (err == 0) {
		err = region_map_peer(&d->daemon, REGION_DAEMON, fd[FD_DAEMON]);
	}
	if (err == 0) {
		err = hints_attach(fd[FD_HINTS], &d->hints);
	}
	if (err == 0) {
		err = sealed_map(fd[FD_CACHE], &d->cache, &d->cache_bytes);
	}
	return err;
}

static void
domain_ports(struct domain *d)
{
	uint32_t tiles = PORT_CACHE_FIRST + d->welcome.cache_cnt;

	for (uint32_t t = 0; t < tiles; t++) {
		channel_init(&d->ch[t], &d->own, t, &d->daemon, region_daemon_port(t, d->proc),
			     &d->hints->tile[t], d->proc, d->lcore_fd[d->welcome.tile_lcore[t]]);
		d->ch[t].proc = PROC_DAEMON;
		d->ch[t].inc = 1;
	}
	memset(d->hot, PORT_CNT, sizeof(d->hot));
	d->bell = &d->hints->proc[d->proc];
}

static bool
domain_welcome_ok(const struct domain_msg *m, const struct domain_welcome *w)
{
	if (m->text_len != sizeof(*w) || w->proc == 0 || w->proc >= PROC_CNT_MAX || w->inc == 0 ||
	    w->lcore_cnt == 0 || w->lcore_cnt > DOMAIN_LCORE_MAX || w->cache_cnt > CACHE_TILE_MAX ||
	    m->fd_cnt != FD_WELCOME_CNT) {
		return false;
	}
	for (uint32_t t = 0; t < TILE_PORT_CNT; t++) {
		if (w->tile_lcore[t] >= w->lcore_cnt) {
			return false;
		}
	}
	return true;
}

static int
domain_hello(struct domain *d, const char *program)
{
	struct domain_msg m = { .kind = DOMAIN_HELLO, .word = { DOMAIN_PROTO } };
	struct domain_msg answer;
	int fd[DOMAIN_FD_MAX];
	int err = domain_ask(d, &m, program, strlen(program), NULL, 0, &answer, fd, DOMAIN_FD_MAX);

	if (err != 0) {
		/* Somebody listens there, and hung up or said nothing: a node with no room for one
		 * more connection, or one that is stopped. */
		return err == MB_ERR_NO_NODE ? MB_ERR_BUSY : err;
	}
	memcpy(&d->welcome, d->text, sizeof(d->welcome));
	if (!domain_welcome_ok(&answer, &d->welcome)) {
		err = MB_ERR_VERSION;
	} else {
		d->proc = d->welcome.proc;
		d->inc = d->welcome.inc;
		err = domain_map(d, fd);
	}
	while (answer.fd_cnt > 0) {
		close(fd[--answer.fd_cnt]);
	}
	if (err != 0) {
		return err;
	}
	m = (struct domain_msg){ .kind = DOMAIN_MAPPED };
	err = domain_ask(d, &m, NULL, 0, NULL, 0, &answer, d->lcore_fd, DOMAIN_LCORE_MAX);
	if (err == 0 && answer.fd_cnt != d->welcome.lcore_cnt) {
		err = MB_ERR_CORRUPT;
	}
	if (err == 0) {
		domain_ports(d);
	}
	return err;
}

int
domain_enter_fd(struct domain **ret, int sock, const char *program, const struct domain_events *ev)
{
	struct domain *d = calloc(1, sizeof(*d));
	struct payload_lease_ops lease = { domain_lease, domain_unlease, NULL, d };
	struct peer_attach_ops attach = { domain_attach_fd, d };
	int err;

	if (d == NULL) {
		close(sock);
		return MB_ERR_NO_MEMORY;
	}
	d->sock = sock;
	for (uint32_t i = 0; i < DOMAIN_LCORE_MAX; i++) {
		d->lcore_fd[i] = -1;
	}
	if (ev != NULL) {
		d->events = *ev;
	}
	timebase_tsc_calibrate();
	d->text = malloc(DOMAIN_TEXT_MAX + 1);
	err = d->text != NULL ? peers_create(&d->peers, &attach) : MB_ERR_NO_MEMORY;
	if (err == 0) {
		err = domain_hello(d, program);
	}
	if (err == 0) {
		err = payload_create(&d->pool, d->proc, d->inc, d->own.rw + d->own.at.slab,
				     d->own.at.slab_bytes, d->own.at.slab, &lease);
	}
	if (err == 0) {
		err = returns_create(&d->returns, DOMAIN_RETURNS_MAX);
	}
	if (err != 0) {
		domain_leave(d);
		return err;
	}
	d->magic = MAGIC;
	*ret = d;
	return 0;
}

int
domain_enter(struct domain **ret, const char *path, const char *program,
	     const struct domain_events *ev)
{
	int sock, err = domain_sock_connect(path, 0, &sock);

	if (err != 0) {
		return err;
	}
	return domain_enter_fd(ret, sock, program, ev);
}

void
domain_leave(struct domain *d)
{
	d->magic = 0;
	if (d->hints != NULL) {
		domain_rest(d);
	}
	/* With the socket closed the daemon takes back everything: the segments' return needs no
	 * question, and the ones that payload_destroy would ask fail at once. */
	close(d->sock);
	d->sock = -1;
	if (d->pool != NULL) {
		payload_destroy(d->pool);
	}
	returns_destroy(d->returns);
	for (uint32_t i = 0; i < DOMAIN_LCORE_MAX; i++) {
		if (d->lcore_fd[i] >= 0) {
			close(d->lcore_fd[i]);
		}
	}
	if (d->peers.peer != NULL) {
		peers_destroy(&d->peers);
	}
	if (d->cache != NULL) {
		munmap((void *)(uintptr_t)d->cache, d->cache_bytes);
	}
	if (d->hints != NULL) {
		hints_detach(d->hints);
	}
	region_unmap(&d->daemon);
	region_unmap(&d->own);
	free(d->text);
	free(d);
}
