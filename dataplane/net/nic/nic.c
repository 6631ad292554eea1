/* SPDX-License-Identifier: Apache-2.0 */
/* nic - see nic.h
 *
 * A datagram is handed up 8-aligned: where the heads before it do not make it so, it is copied, as
 * a socket's would have been.
 *
 * Sends are collected and offered to the device in one burst. What it does not take is dropped and
 * counted, and so sent again by flow, which knows whether anybody still wants it.
 *
 * A long body may be sent from where it is, if the device copies what it takes before it returns
 * (nic_port.c): as a frame's second piece; at once, unless its sender keeps it for a burst.
 *
 * Frames of others. With several queues a frame may come to another tile than the one whose port it
 * is for. It is handed on by a link, unread, and read there as if it had come there; when the link
 * is full it is dropped. What is for no tile's port (ARP, neighbour discovery, echo, strangers) is
 * whoever's it came to: each has the same address, and answers the same. So a tile learns of its
 * neighbours from datagrams and from questions; an answer to a question of its own may reach
 * another tile, and does not matter: the next datagram tells as much.
 */
#include "nic.h"

#include <endian.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "check.h"
#include "compiler.h"
#include "desc.h"
#include "lcore.h"
#include "link.h"
#include "microburst/error.h"
#include "nic_int.h"
#include "steer.h"
#include "timebase.h"

#define NAP_NS       (50 * NS_PER_US)
#define SPIN_NS      (100 * NS_PER_US) /* what a nap is, late as it ends: never twice the best */
#define NAP_IDLE_NS  (2 * NS_PER_MS)
#define GATE_TRIES   4096u
#define TX_BYTES     (32U << 10) /* who gets so many begins with them while the next are made */
#define KEPT_BYTES   (64U << 10) /* the same of bodies that are elsewhere */
#define IDLE_NS      (20 * NS_PER_MS) /* nothing came for so long: it is idle */
#define ANNOUNCE_CNT 3u /* RFC 5227: 2, 2 s apart, of who asked before whether it is free */
#define ANNOUNCE_NS  (300 * NS_PER_MS)

struct nic {
	struct nic_port *port;
	uint16_t queue;
	struct lcore *lcore;
	uint32_t op;
	int fd;                 /* wakes us; -1: none */
	uint64_t socket_missed; /* nic_port_missed */
	bool watched;
	uint64_t now_ns, heard_ns;
	struct net_io_stats stats;
	uint32_t announced; /* since the link came up */
	uint64_t announce_ns;
	/* To and from the tiles of the other queues; NULL: none. */
	struct link *to[NET_TILE_CNT_MAX], *from[NET_TILE_CNT_MAX];
	uint32_t pass_cnt[NET_TILE_CNT_MAX];
	struct desc pass[NET_TILE_CNT_MAX][NIC_BURST]; /* to be handed on */
	uint32_t tx_cnt;
	size_t tx_bytes;
	struct rte_mbuf *tx[NIC_BURST];
	struct rte_mbuf *room;                     /* handed out by nic_room, not sent yet */
	struct rte_mbuf_ext_shared_info elsewhere; /* of bodies that are: it never ends */
	net_proofs_fn *proofs;                     /* NULL: nobody can prove that he has moved */
	void *proofs_ctx;
	struct host host;
	_Alignas(8) uint8_t flat[RTE_ETHER_MAX_JUMBO_FRAME_LEN + 64];
};

/* -------------------------------------------------------------------- opening */

static void nic_close(void *io);
static const struct net_io_ops nic_ops;

static struct nic *
nic_create(struct nic_port *p, uint16_t queue, const struct host_cfg *hc)
{
	struct nic *n = aligned_alloc(CACHE_LINE, ALIGN_UP(sizeof(*n), CACHE_LINE));
	struct host_cfg mine = *hc;

	mine.at.port = (uint16_t)(hc->at.port + queue);
	if (n != NULL) {
		memset(n, 0, sizeof(*n));
		n->port = p;
		n->queue = queue;
		n->fd = p->fd[queue];
		host_init(&n->host, &mine);
		rte_mbuf_ext_refcnt_set(&n->elsewhere, 1);
		p->open_cnt++;
	}
	return n;
}

int
nic_open(struct net_io *ret, const struct nic_cfg *cfg, struct topo_why *why)
{
	struct nic_port *p = malloc(sizeof(*p));
	struct host_cfg hc = { .at = cfg->at, .vlan = cfg->vlan };
	int err;

	REQUIRE(cfg->queue_cnt >= 1 && cfg->queue_cnt <= NET_TILE_CNT_MAX);
	memset(ret, 0, cfg->queue_cnt * sizeof(*ret));
	if (p == NULL) {
		return topo_why_set(why, MB_ERR_NO_MEMORY, "net.nic: out of memory");
	}
	err = nic_port_open(p, cfg, &hc, why);
	if (err == 0) {
		err = nic_port_gate(p, cfg, why);
	}
	for (uint16_t i = 0; err == 0 && i < cfg->queue_cnt; i++) {
		struct nic *n = nic_create(p, i, &hc);

		if (n == NULL) {
			err = topo_why_set(why, MB_ERR_NO_MEMORY, "net.nic: out of memory");
			break;
		}
		ret[i] = (struct net_io){ &nic_ops, n };
	}
	if (err != 0 && p->open_cnt == 0) {
		nic_port_close(p);
		free(p);
	}
	for (uint32_t i = 0; err != 0 && i < cfg->queue_cnt; i++) {
		if (ret[i].ops != NULL) {
			nic_close(ret[i].io);
			ret[i].ops = NULL;
		}
	}
	return err;
}

void
nic_link(const struct net_io *io, uint32_t i, struct link *to, struct link *from)
{
	struct nic *n = io->io;

	REQUIRE(i < n->port->queue_cnt && i != n->queue);
	n->to[i] = to;
	n->from[i] = from;
}

void
nic_counters(const struct net_io *io, nic_counter_fn *fn, void *ctx)
{
	const struct nic *n = io->io;

	nic_port_counters(n->port, fn, ctx);
}

static void
nic_close(void *io)
{
	struct nic *n = io;
	struct nic_port *p = n->port;

	for (uint32_t i = 0; i < n->tx_cnt; i++) {
		rte_pktmbuf_free(n->tx[i]);
	}
	rte_pktmbuf_free(n->room);
	free(n);
	if (--p->open_cnt == 0) {
		nic_port_close(p);
		free(p);
	}
}

/* ----------------------------------------------------------------- receiving */

/* A round of the gate is short: what is to be sent waits for it. */
static noinline uint32_t
send_gated(struct nic *n, uint32_t cnt)
{
	struct nic_gate *g = &n->port->gate;

	for (uint32_t i = 0; !nic_gate_enter(g); i++) {
		if (i == GATE_TRIES || !nic_port_up(n->port)) {
			return 0;
		}
		sched_yield();
	}
	cnt = rte_eth_tx_burst(n->port->id, n->queue, n->tx, (uint16_t)cnt);
	nic_gate_leave(g);
	return cnt;
}

static void
nic_flush(void *io)
{
	struct nic *n = io;
	uint32_t sent = 0;

	if (n->tx_cnt == 0) {
		return;
	}
	if (n->host.cfg.sum_by_nic) {
		sent = rte_eth_tx_prepare(n->port->id, n->queue, n->tx, (uint16_t)n->tx_cnt);
	} else {
		sent = n->tx_cnt;
	}
	sent = n->port->gated ? send_gated(n, sent)
			      : rte_eth_tx_burst(n->port->id, n->queue, n->tx, (uint16_t)sent);
	n->stats.tx_dropped += n->tx_cnt - sent;
	for (; sent < n->tx_cnt; sent++) {
		rte_pktmbuf_free(n->tx[sent]);
	}
	n->tx_cnt = 0;
	n->tx_bytes = 0;
}

static void
nic_queue(struct nic *n, struct rte_mbuf *m)
{
	if (n->tx_cnt == NIC_BURST) {
		nic_flush(n);
	}
	n->tx[n->tx_cnt++] = m;
}

static bool
sum_is_good(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

/* A datagram goes up. */
static inline void
recv_give(struct nic *n, const struct wire_addr *from, struct slice datagram, net_recv_fn *fn,
	  void *ctx)
{
	n->stats.rx++;
	if ((uintptr_t)datagram.p % 8 != 0) {
		memmove(n->flat, datagram.p, datagram.len);
		datagram.p = n->flat;
	}
	fn(ctx, from, datagram);
}

/* It came from elsewhere than its sender is known to be. */
static noinline void
recv_moved(struct nic *n, const struct wire_addr *from, struct slice datagram, net_recv_fn *fn,
	   void *ctx)
{
	uint64_t before = n->proofs != NULL ? n->proofs(n->proofs_ctx) : 0;

	recv_give(n, from, datagram, fn, ctx);
	host_settle(&n->host, n->proofs != NULL && n->proofs(n->proofs_ctx) != before, n->now_ns);
}

/* One frame. Returns whether it was a datagram for the user. */
static bool
recv_one(struct nic *n, struct rte_mbuf *m, net_recv_fn *fn, void *ctx)
{
	struct rte_mbuf *answer = NULL;
	struct wire_addr from;
	struct slice bytes, datagram;
	enum host_verdict verdict;
	size_t answer_len = 0;
	uint32_t len = rte_pktmbuf_pkt_len(m);

	if (len > sizeof(n->flat)) {
		n->stats.rx_bad++;
		return false;
	}
	bytes = slice_of(rte_pktmbuf_read(m, 0, len, n->flat), len);
	/* A buffer for what the host may have to say. Without one it stays silent. */
	answer = n->room != NULL ? n->room : rte_pktmbuf_alloc(n->port->pool);
	n->room = answer;
	verdict = host_input(&n->host, bytes, sum_is_good(m), n->now_ns, &from, &datagram,
			     answer != NULL ? rte_pktmbuf_mtod(answer, uint8_t *) : NULL,
			     answer != NULL ? rte_pktmbuf_tailroom(answer) : 0, &answer_len);
	if (verdict == HOST_ANSWER && answer != NULL) {
		n->room = NULL;
		answer->data_len = (uint16_t)answer_len;
		answer->pkt_len = (uint32_t)answer_len;
		nic_queue(n, answer);
	}
	if (unlikely(verdict != HOST_DATAGRAM)) {
		if (verdict == HOST_MOVED) {
			recv_moved(n, &from, datagram, fn, ctx);
		}
		return verdict == HOST_MOVED;
	}
	recv_give(n, &from, datagram, fn, ctx);
	return true;
}

/* Keeps a frame for another tile, if it is for one. */
static bool
pass_one(struct nic *n, struct rte_mbuf *m)
{
	/* Its heads are in the first piece, or nobody's here. */
	struct slice seen = slice_of(rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_data_len(m));
	uint32_t first = n->host.cfg.at.port - n->queue, to = steer_port(seen) - first;

	if (to >= n->port->queue_cnt || n->to[to] == NULL) {
		return false;
	}
	n->pass[to][n->pass_cnt[to]++].word[0] = (uintptr_t)m;
	return true;
}

static void
pass_flush(struct nic *n)
{
	for (uint32_t i = 0; i < n->port->queue_cnt; i++) {
		uint32_t sent = 0;

		if (n->pass_cnt[i] > 0) {
			sent = link_send_sp(n->to[i], n->pass[i], n->pass_cnt[i]);
			n->stats.passed += sent;
			n->stats.rx_missed += n->pass_cnt[i] - sent;
		}
		for (; sent < n->pass_cnt[i]; sent++) {
			rte_pktmbuf_free((void *)(uintptr_t)n->pass[i][sent].word[0]);
		}
		n->pass_cnt[i] = 0;
	}
}

/* What came to other tiles. */
static uint32_t
recv_passed(struct nic *n, net_recv_fn *fn, void *ctx)
{
	struct desc burst[LINK_BURST_MAX];
	uint32_t all = 0;

	for (uint32_t i = 0; i < n->port->queue_cnt; i++) {
		uint32_t cnt =
			n->from[i] != NULL ? link_recv_burst(n->from[i], burst, LINK_BURST_MAX) : 0;

		for (uint32_t k = 0; k < cnt; k++) {
			struct rte_mbuf *m = (void *)(uintptr_t)burst[k].word[0];

			recv_one(n, m, fn, ctx);
			rte_pktmbuf_free(m);
		}
		all += cnt;
	}
	return all;
}

static int
nic_recv(void *io, uint32_t max, uint64_t now_ns, net_recv_fn *fn, void *ctx)
{
	struct nic *n = io;
	struct rte_mbuf *burst[NIC_BURST];
	struct nic_gate *g = n->port->gated ? &n->port->gate : NULL;
	uint32_t cnt;

	n->now_ns = now_ns;
	if (g != NULL && !nic_gate_enter(g)) {
		return 0;
	}
	cnt = rte_eth_rx_burst(n->port->id, n->queue, burst,
			       (uint16_t)MIN(max, (uint32_t)NIC_BURST));
	if (g != NULL) {
		nic_gate_leave(g);
	}
	for (uint32_t i = 0; i < cnt; i++) {
		if (n->port->queue_cnt > 1 && pass_one(n, burst[i])) {
			continue;
		}
		recv_one(n, burst[i], fn, ctx);
		rte_pktmbuf_free(burst[i]);
	}
	if (n->port->queue_cnt > 1) {
		pass_flush(n);
		cnt += recv_passed(n, fn, ctx);
	}
	if (cnt > 0) {
		n->heard_ns = now_ns;
	}
	return (int)cnt;
}

/* ------------------------------------------------------------------- sending */

static uint8_t *
nic_room(void *io, size_t len)
{
	struct nic *n = io;

	if (n->room == NULL) {
		n->room = rte_pktmbuf_alloc(n->port->pool);
	}
	if (n->room == NULL || len > host_datagram_max(&n->host)) {
		n->stats.tx_dropped++;
		return NULL;
	}
	return rte_pktmbuf_mtod(n->room, uint8_t *);
}

static void
nic_send(void *io, const struct wire_addr *to, size_t len)
{
	struct nic *n = io;
	struct rte_mbuf *m = n->room;
	uint8_t *body = rte_pktmbuf_mtod(m, uint8_t *);
	size_t head = 0, ask = 0;
	struct frame f;
	int err = host_output(&n->host, to, body, len, n->now_ns, &f, &head, &ask);

	if (err != 0) {
		n->stats.tx_dropped++;
		if (ask == 0) {
			return;
		}
		m->data_len = (uint16_t)ask;
	} else {
		m->data_off = (uint16_t)(m->data_off - head);
		m->data_len = (uint16_t)(head + len);
		n->stats.tx++;
		if (f.sum_by_nic) {
			m->l2_len = f.l2_bytes;
			m->l3_len = f.l3_bytes;
			m->ol_flags |=
				RTE_MBUF_F_TX_UDP_CKSUM |
				(frame_is_v4(to->ip) ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
		}
	}
	m->pkt_len = m->data_len;
	n->room = NULL;
	nic_queue(n, m);
	if (unlikely((n->tx_bytes += m->pkt_len) >= TX_BYTES)) {
		nic_flush(n);
	}
}

static void
nic_sum(void *io, struct slice body)
{
	struct nic *n = io;

	host_tail(&n->host, body);
}

static bool
nic_send_from(void *io, const struct wire_addr *to, struct slice head, struct slice body,
	      bool stays)
{
	struct nic *n = io;
	struct rte_mbuf *m[2];
	size_t heads = 0, ask = 0;
	struct frame f;

	if (n->port->from_pool == NULL || rte_pktmbuf_alloc_bulk(n->port->from_pool, m, 2) != 0) {
		return false;
	}
	memcpy(rte_pktmbuf_mtod(m[0], uint8_t *), head.p, head.len);
	if (host_output(&n->host, to, rte_pktmbuf_mtod(m[0], uint8_t *), head.len + body.len,
			n->now_ns, &f, &heads, &ask) != 0) {
		rte_pktmbuf_free(m[1]);
		n->stats.tx_dropped++;
		if (ask == 0) {
			rte_pktmbuf_free(m[0]);
			return true;
		}
		m[0]->data_len = (uint16_t)ask;
		m[0]->pkt_len = m[0]->data_len;
	} else {
		rte_mbuf_ext_refcnt_update(&n->elsewhere, 1);
		rte_pktmbuf_attach_extbuf(m[1], (void *)(uintptr_t)body.p, RTE_BAD_IOVA,
					  (uint16_t)body.len, &n->elsewhere);
		m[1]->data_len = (uint16_t)body.len;
		m[0]->data_off = (uint16_t)(m[0]->data_off - heads);
		m[0]->data_len = (uint16_t)(heads + head.len);
		m[0]->pkt_len = m[0]->data_len + (uint32_t)body.len;
		m[0]->nb_segs = 2;
		m[0]->next = m[1];
		n->stats.tx++;
	}
	nic_queue(n, m[0]);
	if (!stays || (n->tx_bytes += m[0]->pkt_len) >= KEPT_BYTES) {
		nic_flush(n);
	}
	return true;
}

/* ------------------------------------------------------------------- waiting */

/* The descriptor had something to tell, which is taken off so that the next look does not find it
 * there: an interrupt's count; that the socket's interface went down. */
static void
nic_fd_told(struct nic *n, int events)
{
	uint64_t count;
	socklen_t len = sizeof(int);
	int down;

	if (n->port->interrupt) {
		if (read(n->fd, &count, sizeof(count)) < 0 && errno != EAGAIN) {
			n->stats.rx_bad++;
		}
	} else if ((events & POLLERR) != 0) {
		(void)getsockopt(n->fd, SOL_SOCKET, SO_ERROR, &down, &len);
	}
}

/* Whoever is woken polls: there is nothing else to be done with the news. */
static void
nic_woken(void *ctx, uint64_t token, int res, uint32_t cqe_flags)
{
	struct nic *n = ctx;

	(void)token;
	(void)cqe_flags;
	n->watched = false;
	if (res > 0) {
		nic_fd_told(n, res);
	}
}

static int
nic_start(void *io, struct lcore *lcore)
{
	struct nic *n = io;

	n->lcore = lcore;
	n->op = lcore_op_add(lcore, nic_woken, n);
	if (n->fd < 0) {
		lcore_spin_longer(lcore, SPIN_NS);
	}
	return 0;
}

/* The descriptor is watched for one event, from a sleep on: a standing watch would make a
 * completion of each frame, and one that is taken back makes one too, which would end the next
 * sleep. */
static void
nic_arm(void *io, bool up)
{
	struct nic *n = io;
	struct io_uring_sqe *sqe;

	if (n->fd < 0) {
		return;
	}
	if (n->port->interrupt && up) {
		rte_eth_dev_rx_intr_enable(n->port->id, n->queue);
	} else if (n->port->interrupt) {
		rte_eth_dev_rx_intr_disable(n->port->id, n->queue);
	}
	if (up && !n->watched) {
		sqe = lcore_op_sqe(n->lcore, n->op, 0);
		if (sqe != NULL) {
			io_uring_prep_rw(IORING_OP_POLL_ADD, sqe, n->fd, NULL, 0, 0);
			sqe->poll32_events = htole32(POLLIN);
			n->watched = true;
		}
	}
}

static uint64_t
nic_nap_ns(const void *io)
{
	const struct nic *n = io;

	if (n->fd >= 0 && n->watched) {
		return NET_IO_NAP_NEVER;
	}
	return n->now_ns - n->heard_ns < IDLE_NS ? NAP_NS : NAP_IDLE_NS;
}

void
nic_wait(const struct net_io *io, uint64_t ns)
{
	struct nic *n = io->io;
	struct pollfd p = { .fd = n->fd, .events = POLLIN };
	struct timespec ts;

	if (n->fd < 0) {
		ns = MIN(ns, nic_nap_ns(n));
	} else if (n->port->interrupt) {
		rte_eth_dev_rx_intr_enable(n->port->id, n->queue);
	}
	ts = (struct timespec){ (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };
	if (ppoll(&p, n->fd >= 0, &ts, NULL) > 0) {
		nic_fd_told(n, p.revents);
	}
	if (n->port->interrupt) {
		rte_eth_dev_rx_intr_disable(n->port->id, n->queue);
	}
}

static bool
nic_say(struct nic *n, size_t (*say)(const struct host *, uint8_t *))
{
	uint8_t *p = nic_room(n, FRAME_SMALL_MAX);
	size_t len = p != NULL ? say(&n->host, p) : 0;

	if (len > 0) {
		n->room->pkt_len = n->room->data_len = (uint16_t)len;
		nic_queue(n, n->room);
		n->room = NULL;
	}
	return p != NULL;
}

/* When the link has come up, whoever knew another card with this address hears of ours, and
 * switches of its group: a few times, for the other end may not be ready at once. */
static void
nic_announce(struct nic *n, bool up)
{
	n->announced = up ? n->announced : 0;
	if (up && n->announced < ANNOUNCE_CNT && n->now_ns >= n->announce_ns &&
	    nic_say(n, host_join) && nic_say(n, host_announce)) {
		n->announced++;
		n->announce_ns = n->now_ns + ANNOUNCE_NS;
	}
}

/* ------------------------------------------------------------------- asking */

static struct net_io_stats
nic_stats(void *io)
{
	struct nic *n = io;
	struct net_io_stats s;
	struct rte_eth_stats dev;

	nic_port_missed(n->port, n->queue, &n->socket_missed);
	s = n->stats;
	s.rx_missed += n->socket_missed;
	/* The device counts for all its queues. */
	if (n->queue == 0 && rte_eth_stats_get(n->port->id, &dev) == 0) {
		s.rx_missed += dev.imissed + dev.rx_nombuf;
		s.rx_bad += dev.ierrors;
	}
	s.rx_bad += n->host.stats.corrupt;
	s.rx_other = n->host.stats.other;
	s.up = nic_port_up(n->port);
	if (n->queue == 0) {
		nic_announce(n, s.up);
	}
	return s;
}

static struct wire_addr
nic_local(const void *io)
{
	const struct nic *n = io;

	return n->host.cfg.at;
}

static size_t
nic_datagram_max(const void *io)
{
	const struct nic *n = io;

	return MIN(host_datagram_max(&n->host), (size_t)WIRE_DATAGRAM_MAX);
}

static const char *
nic_text(const void *io)
{
	const struct nic *n = io;

	return n->port->text;
}

static void
nic_proofs(void *io, net_proofs_fn *fn, void *ctx)
{
	struct nic *n = io;

	n->proofs = fn;
	n->proofs_ctx = ctx;
}

static const struct net_io_ops nic_ops = {
	.start = nic_start,
	.recv = nic_recv,
	.room = nic_room,
	.send = nic_send,
	.sum = nic_sum,
	.flush = nic_flush,
	.send_from = nic_send_from,
	.arm = nic_arm,
	.nap_ns = nic_nap_ns,
	.stats = nic_stats,
	.local = nic_local,
	.datagram_max = nic_datagram_max,
	.text = nic_text,
	.proofs = nic_proofs,
	.close = nic_close,
};
