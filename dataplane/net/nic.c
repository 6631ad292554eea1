/* SPDX-License-Identifier: Apache-2.0 */
/* nic - see nic.h
 *
 * Buffers. One pool; a buffer holds a whole frame, so what is received is in one piece unless a
 * device chains all the same (then it is copied together). They lie side by side, but for a device
 * that reads them itself: DPDK would not let one cross a page, and leave the rest of each page
 * empty; the driver of af_xdp gives the kernel as many bytes as the buffers have together, and what
 * lies beyond is dropped there in silence (with pages of 4 KiB that was two buffers of five). A
 * datagram is handed up 8-aligned: where the heads before it do not make it so, it is copied, as a
 * socket's would have been.
 *
 * Sends are collected and offered to the device in one burst. What it does not take is dropped and
 * counted, and so sent again by flow, which knows whether anybody still wants it.
 *
 * A driver's socket. The PMDs of af_packet and af_xdp have no interrupts, but a socket that can be
 * polled. They do not tell which; it is the one of that family that was not there before the port
 * was made.
 */
#include "nic.h"

#include <endian.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_bus_pci.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>
#include <rte_version.h>

#include "check.h"
#include "compiler.h"
#include "host.h"
#include "lcore.h"
#include "microburst/error.h"
#include "timebase.h"

#define BURST       64
#define QUEUE_CNT   1024 /* descriptors each way, as far as the device has them */
#define CACHE_CNT   256
#define POOL_CNT    (2 * QUEUE_CNT + CACHE_CNT * 2 + 2 * BURST)
#define FD_MAX      4096
#define ETH_MAX     (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
#define NAP_NS      (50 * NS_PER_US)
#define NAP_IDLE_NS (2 * NS_PER_MS)
#define IDLE_NS     (20 * NS_PER_MS) /* nothing came for so long: it is idle */

struct nic {
	uint16_t port;
	bool started, owned; /* owned: made by us, to be removed */
	char device[RTE_DEV_NAME_MAX_LEN];
	struct rte_mempool *pool;
	struct lcore *lcore;
	uint32_t op;
	int fd; /* wakes us; -1: none */
	bool interrupt, watched;
	uint64_t now_ns, heard_ns;
	struct net_io_stats stats;
	char text[128];
	uint32_t tx_cnt;
	struct rte_mbuf *tx[BURST];
	struct rte_mbuf *room; /* handed out by nic_room, not sent yet */
	struct host host;
	_Alignas(8) uint8_t flat[RTE_ETHER_MAX_JUMBO_FRAME_LEN + 64];
};

bool
nic_is_pci(const char *device)
{
	struct rte_pci_addr addr;
	char name[RTE_DEV_NAME_MAX_LEN];
	size_t len = strcspn(device, ",");

	if (len >= sizeof(name)) {
		return false;
	}
	memcpy(name, device, len);
	name[len] = '\0';
	return rte_pci_addr_parse(name, &addr) == 0;
}

/* -------------------------------------------------------------------- opening */

/* Sockets of the families that drivers wait at: a bit for each descriptor. */
static void
sockets_look(uint8_t seen[FD_MAX / 8], int *ret_new)
{
	for (int fd = 0; fd < FD_MAX; fd++) {
		socklen_t len = sizeof(int);
		int domain;

		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0 ||
		    (domain != AF_PACKET && domain != AF_XDP)) {
			continue;
		}
		if (ret_new == NULL) {
			seen[fd / 8] |= (uint8_t)(1 << fd % 8);
		} else if ((seen[fd / 8] >> fd % 8 & 1) == 0) {
			*ret_new = fd;
		}
	}
}

static int
nic_device(struct nic *n, const struct nic_cfg *cfg, struct topo_why *why)
{
	size_t len = strcspn(cfg->device, ",");
	int rc;

	if (len == 0 || len >= sizeof(n->device)) {
		return topo_why_set(why, MB_ERR_CONFIG, "net.nic: \"%.64s\" names no device",
				    cfg->device);
	}
	memcpy(n->device, cfg->device, len);
	if (!nic_is_pci(cfg->device)) {
		rc = rte_eal_hotplug_add("vdev", n->device,
					 cfg->device[len] == ',' ? cfg->device + len + 1 : "");
		if (rc != 0) {
			return topo_why_set(why, rc == -EPERM ? MB_ERR_DENIED : MB_ERR_CONFIG,
					    "net.nic = %.100s: DPDK cannot make this device: %s",
					    cfg->device, rte_strerror(-rc));
		}
		n->owned = true;
	}
	if (rte_eth_dev_get_port_by_name(n->device, &n->port) != 0) {
		return topo_why_set(why, MB_ERR_NOT_FOUND,
				    "net.nic: there is no port %.64s; a PCI device must be bound "
				    "to a driver that DPDK uses (vfio-pci), see `doctor`",
				    n->device);
	}
	return 0;
}

/* The size of a packet: as asked, or as the device has it. */
static int
nic_mtu(struct nic *n, const struct nic_cfg *cfg, const struct rte_eth_dev_info *info,
	uint16_t *ret_mtu, struct topo_why *why)
{
	int rc;

	if (rte_eth_dev_get_mtu(n->port, ret_mtu) != 0) {
		*ret_mtu = RTE_ETHER_MTU;
	}
	if (cfg->mtu != 0 && cfg->mtu != *ret_mtu) {
		rc = rte_eth_dev_set_mtu(n->port, cfg->mtu);
		/* Those who cannot set it copy whatever fits their buffers. */
		if (rc != 0 && rc != -ENOTSUP) {
			return topo_why_set(why, MB_ERR_CONFIG,
					    "net.mtu = %u: %s takes at most %u: %s", cfg->mtu,
					    info->driver_name, info->max_mtu, rte_strerror(-rc));
		}
		*ret_mtu = cfg->mtu;
	}
	if (*ret_mtu < WIRE_DATAGRAM_MIN + 48) {
		return topo_why_set(why, MB_ERR_CONFIG, "net.nic: an MTU of %u is too small",
				    *ret_mtu);
	}
	*ret_mtu = (uint16_t)MIN((uint32_t)*ret_mtu, WIRE_DATAGRAM_MAX + 48u);
	return 0;
}

static int
nic_pool(struct nic *n, uint16_t mtu, struct topo_why *why)
{
	struct rte_pktmbuf_pool_private p = {
		.mbuf_data_room_size = (uint16_t)(RTE_PKTMBUF_HEADROOM +
						  MAX(ALIGN_UP((uint32_t)mtu + ETH_MAX, 64u),
						      (uint32_t)RTE_MBUF_DEFAULT_DATAROOM)),
	};
	char name[32];

	snprintf(name, sizeof(name), "mb_net%u", n->port);
	n->pool =
		rte_mempool_create_empty(name, POOL_CNT - 1,
					 (uint32_t)sizeof(struct rte_mbuf) + p.mbuf_data_room_size,
					 CACHE_CNT, sizeof(p), rte_eth_dev_socket_id(n->port),
					 n->owned ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0);
	if (n->pool != NULL) {
		rte_pktmbuf_pool_init(n->pool, &p);
		if (rte_mempool_populate_default(n->pool) > 0 &&
		    (!n->owned || n->pool->nb_mem_chunks == 1)) {
			rte_mempool_obj_iter(n->pool, rte_pktmbuf_init, NULL);
			return 0;
		}
	}
	return topo_why_set(why, MB_ERR_NO_MEMORY,
			    "net.nic: no memory in one piece for %u packets of %u bytes: "
			    "node.memory, or huge pages",
			    POOL_CNT, mtu);
}

static int
nic_queues(struct nic *n, const struct nic_cfg *cfg, struct host_cfg *hc, struct topo_why *why)
{
	struct rte_eth_conf conf = { .intr_conf = { .rxq = 1 } };
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	uint16_t rx_cnt = QUEUE_CNT, tx_cnt = QUEUE_CNT, mtu;
	int rc = rte_eth_dev_info_get(n->port, &info), err;

	if (rc == 0) {
		uint64_t sums = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

		conf.txmode.offloads = info.tx_offload_capa & sums;
		conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
		hc->sum_by_nic = conf.txmode.offloads != 0;
		n->interrupt = true;
		rc = rte_eth_dev_configure(n->port, 1, 1, &conf);
		if (rc != 0) {
			conf.intr_conf.rxq = 0;
			n->interrupt = false;
			rc = rte_eth_dev_configure(n->port, 1, 1, &conf);
		}
	}
	if (rc != 0) {
		return topo_why_set(why, MB_ERR_IO, "net.nic = %s: not configured: %s", n->device,
				    rte_strerror(-rc));
	}
	err = nic_mtu(n, cfg, &info, &mtu, why);
	if (err != 0) {
		return err;
	}
	err = nic_pool(n, mtu, why);
	if (err != 0) {
		return err;
	}
	rte_eth_dev_adjust_nb_rx_tx_desc(n->port, &rx_cnt, &tx_cnt);
	rc = rte_eth_rx_queue_setup(n->port, 0, rx_cnt, rte_eth_dev_socket_id(n->port), NULL,
				    n->pool);
	if (rc == 0) {
		rc = rte_eth_tx_queue_setup(n->port, 0, tx_cnt, rte_eth_dev_socket_id(n->port),
					    NULL);
	}
	if (rc == 0) {
		rc = rte_eth_dev_start(n->port);
		n->started = rc == 0;
	}
	if (rc == 0) {
		rc = rte_eth_macaddr_get(n->port, &mac);
	}
	if (rc != 0) {
		return topo_why_set(why, rc == -EPERM ? MB_ERR_DENIED : MB_ERR_IO,
				    "net.nic = %s: not started: %s", n->device, rte_strerror(-rc));
	}
	memcpy(hc->mac, mac.addr_bytes, sizeof(hc->mac));
	hc->mtu = mtu;
	/* Neighbours on this machine: the kernel leaves sums to a NIC that is not there. */
	hc->partial = n->owned;
	return 0;
}

/* How we hear that something came. */
static void
nic_waiting(struct nic *n, uint8_t seen[FD_MAX / 8])
{
	n->fd = -1;
	if (n->interrupt && rte_eth_dev_rx_intr_enable(n->port, 0) == 0) {
		n->fd = rte_eth_dev_rx_intr_ctl_q_get_fd(n->port, 0);
		rte_eth_dev_rx_intr_disable(n->port, 0);
	}
	n->interrupt = n->fd >= 0;
	if (!n->interrupt) {
		sockets_look(seen, &n->fd);
	}
}

static void nic_close(void *io);
static const struct net_io_ops nic_ops;

int
nic_open(struct net_io *ret, const struct nic_cfg *cfg, struct topo_why *why)
{
	struct nic *n = aligned_alloc(CACHE_LINE, ALIGN_UP(sizeof(*n), CACHE_LINE));
	struct host_cfg hc = { .at = cfg->at, .vlan = cfg->vlan };
	uint8_t seen[FD_MAX / 8] = { 0 };
	struct rte_eth_dev_info info;
	int err;

	if (n == NULL) {
		return topo_why_set(why, MB_ERR_NO_MEMORY, "net.nic: out of memory");
	}
	memset(n, 0, sizeof(*n));
	n->port = RTE_MAX_ETHPORTS;
	sockets_look(seen, NULL);
	err = nic_device(n, cfg, why);
	if (err == 0) {
		err = nic_queues(n, cfg, &hc, why);
	}
	if (err != 0) {
		nic_close(n);
		return err;
	}
	nic_waiting(n, seen);
	host_init(&n->host, &hc);
	rte_eth_dev_info_get(n->port, &info);
	snprintf(n->text, sizeof(n->text), "%s, MTU %u, %s", info.driver_name, hc.mtu,
		 n->interrupt ? "sleeps at its interrupt"
		 : n->fd >= 0 ? "sleeps at its socket"
			      : "naps 50 us, 2 ms when idle");
	*ret = (struct net_io){ &nic_ops, n };
	return 0;
}

static void
nic_close(void *io)
{
	struct nic *n = io;

	for (uint32_t i = 0; i < n->tx_cnt; i++) {
		rte_pktmbuf_free(n->tx[i]);
	}
	rte_pktmbuf_free(n->room);
	if (n->started) {
		rte_eth_dev_stop(n->port);
	}
	if (n->port != RTE_MAX_ETHPORTS) {
		rte_eth_dev_close(n->port);
	}
	if (n->owned) {
		rte_eal_hotplug_remove("vdev", n->device);
	}
	rte_mempool_free(n->pool);
	free(n);
}

/* ----------------------------------------------------------------- receiving */

static void
nic_queue(struct nic *n, struct rte_mbuf *m)
{
	n->tx[n->tx_cnt++] = m;
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
		sent = rte_eth_tx_prepare(n->port, 0, n->tx, (uint16_t)n->tx_cnt);
	} else {
		sent = n->tx_cnt;
	}
	sent = rte_eth_tx_burst(n->port, 0, n->tx, (uint16_t)sent);
	n->stats.tx_dropped += n->tx_cnt - sent;
	for (; sent < n->tx_cnt; sent++) {
		rte_pktmbuf_free(n->tx[sent]);
	}
	n->tx_cnt = 0;
}

static bool
sum_is_good(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
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
	answer = n->room != NULL ? n->room : rte_pktmbuf_alloc(n->pool);
	n->room = answer;
	verdict = host_input(&n->host, bytes, sum_is_good(m), n->now_ns, &from, &datagram,
			     answer != NULL ? rte_pktmbuf_mtod(answer, uint8_t *) : NULL,
			     answer != NULL ? rte_pktmbuf_tailroom(answer) : 0, &answer_len);
	if (verdict == HOST_ANSWER && answer != NULL) {
		n->room = NULL;
		answer->data_len = (uint16_t)answer_len;
		answer->pkt_len = (uint32_t)answer_len;
		if (n->tx_cnt == BURST) {
			nic_flush(n);
		}
		nic_queue(n, answer);
	}
	if (verdict != HOST_DATAGRAM) {
		return false;
	}
	n->stats.rx++;
	if ((uintptr_t)datagram.p % 8 != 0) {
		memmove(n->flat, datagram.p, datagram.len);
		datagram.p = n->flat;
	}
	fn(ctx, &from, datagram);
	return true;
}

static int
nic_recv(void *io, uint32_t max, uint64_t now_ns, net_recv_fn *fn, void *ctx)
{
	struct nic *n = io;
	struct rte_mbuf *burst[BURST];
	uint16_t cnt = rte_eth_rx_burst(n->port, 0, burst, (uint16_t)MIN(max, (uint32_t)BURST));

	n->now_ns = now_ns;
	if (cnt > 0) {
		n->heard_ns = now_ns;
	}
	for (uint16_t i = 0; i < cnt; i++) {
		recv_one(n, burst[i], fn, ctx);
		rte_pktmbuf_free(burst[i]);
	}
	return cnt;
}

/* ------------------------------------------------------------------- sending */

static uint8_t *
nic_room(void *io, size_t len)
{
	struct nic *n = io;

	if (n->tx_cnt == BURST) {
		nic_flush(n);
	}
	if (n->room == NULL) {
		n->room = rte_pktmbuf_alloc(n->pool);
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
}

/* ------------------------------------------------------------------- waiting */

/* Whoever is woken polls: there is nothing to be done with the news itself. */
static void
nic_woken(void *ctx, uint64_t token, int res, uint32_t cqe_flags)
{
	struct nic *n = ctx;
	uint64_t count;

	(void)token;
	(void)cqe_flags;
	n->watched = false;
	/* An interrupt's count is taken off, so that the next watch does not find it there. */
	if (res > 0 && n->interrupt && read(n->fd, &count, sizeof(count)) < 0 && errno != EAGAIN) {
		n->stats.rx_bad++;
	}
}

static int
nic_start(void *io, struct lcore *lcore)
{
	struct nic *n = io;

	n->lcore = lcore;
	n->op = lcore_op_add(lcore, nic_woken, n);
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
	if (n->interrupt && up) {
		rte_eth_dev_rx_intr_enable(n->port, 0);
	} else if (n->interrupt) {
		rte_eth_dev_rx_intr_disable(n->port, 0);
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
	uint64_t count;

	if (n->fd < 0) {
		ns = MIN(ns, nic_nap_ns(n));
	} else if (n->interrupt) {
		rte_eth_dev_rx_intr_enable(n->port, 0);
	}
	ts = (struct timespec){ (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };
	if (ppoll(&p, n->fd >= 0, &ts, NULL) > 0 && n->interrupt &&
	    read(n->fd, &count, sizeof(count)) < 0 && errno != EAGAIN) {
		n->stats.rx_bad++;
	}
	if (n->interrupt) {
		rte_eth_dev_rx_intr_disable(n->port, 0);
	}
}

/* ------------------------------------------------------------------- asking */

static struct net_io_stats
nic_stats(const void *io)
{
	const struct nic *n = io;
	struct net_io_stats s = n->stats;
	struct rte_eth_stats dev;
	struct rte_eth_link link = { 0 };

	if (rte_eth_stats_get(n->port, &dev) == 0) {
		s.rx_missed = dev.imissed + dev.rx_nombuf;
		s.rx_bad += dev.ierrors;
	}
	s.rx_bad += n->host.stats.corrupt;
	s.rx_other = n->host.stats.other;
	s.up = rte_eth_link_get_nowait(n->port, &link) == 0 && link.link_status != 0;
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

	return n->text;
}

static const struct net_io_ops nic_ops = {
	.start = nic_start,
	.recv = nic_recv,
	.room = nic_room,
	.send = nic_send,
	.flush = nic_flush,
	.arm = nic_arm,
	.nap_ns = nic_nap_ns,
	.stats = nic_stats,
	.local = nic_local,
	.datagram_max = nic_datagram_max,
	.text = nic_text,
	.close = nic_close,
};
