/* SPDX-License-Identifier: Apache-2.0 */
/* test_domain.h - a process of a domain without its daemon: the test plays ctl and the others
 *
 * The process under test is d; ctl is the daemon's end of its port 0. Each other process has a
 * direct channel with it, whose other end is peer[i].end, and a region of its own that is attached
 * through the process's peers, as ctl would hand it out.
 */
#ifndef MB_TEST_DOMAIN_H
#define MB_TEST_DOMAIN_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "domain.h"

enum {
	TEST_DOMAIN_US = 200,
	TEST_DOMAIN_INC = 5,
	TEST_DOMAIN_PEER_MAX = 12,
	TEST_DOMAIN_PEER_FIRST = 3, /* process index of peer 0 */
	TEST_DOMAIN_SEG = 9,        /* every peer has this one segment */
	TEST_DOMAIN_SEG_BYTES = 100000,
};

struct test_peer {
	uint16_t proc, port; /* ours that leads to it */
	struct region own;   /* its */
	int fd, seg_fd;
	struct channel end;
	bool gone; /* attaching it now would be a mistake */
};

struct test_domain {
	struct region own, own_view, daemon_own, daemon_view;
	struct hints *hints;
	struct domain d;
	struct channel ctl;
	struct test_peer peer[TEST_DOMAIN_PEER_MAX];
	uint32_t peer_cnt;
};

static inline int
test_domain_attach(void *ctx, uint16_t proc, uint32_t inc, uint32_t seg, int *ret_fd)
{
	struct test_domain *t = ctx;
	uint32_t i = (uint32_t)proc - TEST_DOMAIN_PEER_FIRST;

	if (i >= t->peer_cnt || inc != TEST_DOMAIN_INC || (seg != 0 && seg != TEST_DOMAIN_SEG)) {
		return MB_ERR_PEER_DIED;
	}
	REQUIRE(!t->peer[i].gone);
	*ret_fd = dup(seg == 0 ? t->peer[i].fd : t->peer[i].seg_fd);
	REQUIRE(*ret_fd >= 0);
	return 0;
}

/* A region and its two mappings. Returns its fd, sealed. */
static inline int
test_domain_region(enum region_kind kind, struct region *ret_own, struct region *ret_view)
{
	int fd;

	REQUIRE(region_create(kind, false, &fd) == 0);
	REQUIRE(region_map_owner(ret_own, kind, fd, 1, 1) == 0);
	REQUIRE(region_seal(fd) == 0);
	REQUIRE(ret_view == NULL || region_map_peer(ret_view, kind, fd) == 0);
	return fd;
}

/* test_domain_make takes the memory: once for many runs. */
static inline void
test_domain_make(struct test_domain *t, uint32_t peer_cnt)
{
	int fd;

	*t = (struct test_domain){ .peer_cnt = peer_cnt };
	REQUIRE(hints_create(&fd, &t->hints) == 0);
	close(fd);
	close(test_domain_region(REGION_PROCESS, &t->own, &t->own_view));
	close(test_domain_region(REGION_DAEMON, &t->daemon_own, &t->daemon_view));
	for (uint32_t i = 0; i < peer_cnt; i++) {
		struct test_peer *p = &t->peer[i];

		p->proc = (uint16_t)(TEST_DOMAIN_PEER_FIRST + i);
		p->port = (uint16_t)(PORT_DIRECT_FIRST + i);
		p->fd = test_domain_region(REGION_PROCESS, &p->own, NULL);
		p->seg_fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		REQUIRE(p->seg_fd >= 0 && ftruncate(p->seg_fd, TEST_DOMAIN_SEG_BYTES) == 0);
		REQUIRE(region_seal(p->seg_fd) == 0);
	}
}

static inline void
test_domain_clear_port(const struct region *r, uint32_t port)
{
	atomic_store_explicit(&region_rx(r, port)->v, 0, memory_order_relaxed);
	atomic_store_explicit(&region_tx(r, port)->v, 0, memory_order_relaxed);
}

static inline void
test_domain_open(struct test_domain *t, struct test_peer *p)
{
	struct domain *d = &t->d;
	struct peer *peer;

	p->gone = false;
	test_domain_clear_port(&t->own, p->port);
	test_domain_clear_port(&p->own, p->port);
	REQUIRE(peer_attach(&d->peers, p->proc, TEST_DOMAIN_INC, &peer) == 0);
	channel_init(&d->ch[p->port], &t->own, p->port, &peer->region, p->port,
		     &t->hints->proc[p->proc], p->port, -1);
	d->ch[p->port].proc = p->proc;
	d->ch[p->port].inc = TEST_DOMAIN_INC;
	d->port_of[p->proc] = (uint8_t)p->port;
	channel_init(&p->end, &p->own, p->port, &t->own_view, p->port, d->bell, p->port, -1);
}

/* test_domain_begin makes the process as it is when it has entered and all channels are open. */
static inline void
test_domain_begin(struct test_domain *t)
{
	const struct peer_attach_ops ops = { .attach = test_domain_attach, .ctx = t };
	struct domain *d = &t->d;

	*d = (struct domain){ .proc = TEST_DOMAIN_US,
			      .inc = TEST_DOMAIN_INC,
			      .sock = -1,
			      .own = t->own,
			      .daemon = t->daemon_view,
			      .hints = t->hints,
			      .bell = &t->hints->proc[TEST_DOMAIN_US] };
	memset((void *)d->bell, 0, sizeof(*d->bell));
	memset(d->hot, PORT_CNT, sizeof(d->hot));
	for (uint32_t tile = 0; tile < TILE_PORT_CNT; tile++) {
		uint32_t port = region_daemon_port(tile, TEST_DOMAIN_US);

		test_domain_clear_port(&t->own, tile);
		test_domain_clear_port(&t->daemon_own, port);
		channel_init(&d->ch[tile], &t->own, tile, &t->daemon_view, port,
			     &t->hints->tile[tile], TEST_DOMAIN_US, -1);
		d->ch[tile].proc = PROC_DAEMON;
		d->ch[tile].inc = 1;
	}
	channel_init(&t->ctl, &t->daemon_own, region_daemon_port(PORT_CTL, TEST_DOMAIN_US),
		     &t->own_view, PORT_CTL, d->bell, PORT_CTL, -1);
	REQUIRE(peers_create(&d->peers, &ops) == 0);
	for (uint32_t i = 0; i < t->peer_cnt; i++) {
		test_domain_open(t, &t->peer[i]);
	}
	REQUIRE(returns_create(&d->returns, DOMAIN_RETURNS_MAX) == 0);
	REQUIRE(payload_create(&d->pool, TEST_DOMAIN_US, TEST_DOMAIN_INC,
			       t->own.rw + t->own.at.slab, t->own.at.slab_bytes, t->own.at.slab,
			       NULL) == 0);
}

static inline void
test_domain_end(struct test_domain *t)
{
	payload_destroy(t->d.pool);
	returns_destroy(t->d.returns);
	peers_destroy(&t->d.peers);
}

/* test_domain_dead is ctl's notice that a peer died. */
static inline struct desc
test_domain_dead(const struct test_peer *p)
{
	return (struct desc){ .kind = DESC_DEAD,
			      .dead = { .proc = p->proc, .inc = TEST_DOMAIN_INC } };
}

#endif
