/* SPDX-License-Identifier: Apache-2.0 */
/* nic_port - see nic_int.h
 *
 * Buffers. One pool for all queues; a buffer holds a whole frame, so what is received is in one
 * piece unless a device chains all the same (then it is copied together). They lie side by side,
 * but for a device that reads them itself: DPDK would not let one cross a page, and leave the rest
 * of each page empty; the driver of af_xdp gives the kernel as many bytes as the buffers have
 * together, and what lies beyond is dropped there in silence (with pages of 4 KiB that was two
 * buffers of five).
 *
 * Bodies elsewhere. memif copies what it sends before it returns, from as many pieces as a frame
 * has: so a long body need not be in a buffer (nic_send_from). Frames with such have a pool of
 * their own, whose buffers are longer than memif's. With others the driver (22.11) takes a slot for
 * each piece, says in the slot that another follows, and never takes that back.
 *
 * A driver's socket. The PMDs of af_packet and af_xdp have no interrupts, but a socket a queue that
 * can be polled. They do not tell which; they are those of that family that were not there before
 * the port was made, in the order of the queues.
 *
 * Steering. Rules (rte_flow) where the device takes them, one a tile: UDP to its port goes into its
 * queue. A device that takes some of them only gets none: then its hash spreads the frames, or the
 * driver does, and the tiles hand on what is not theirs (nic.c).
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_bus_pci.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "check.h"
#include "compiler.h"
#include "eal.h"
#include "microburst/error.h"
#include "nic_int.h"

#define QUEUE_CNT   1024u /* descriptors each way, as far as the device has them */
#define CACHE_CNT   256u
#define FROM_CNT    127u /* one frame at a time has two; a power of two less one */
#define FROM_CACHE  32u
#define MEMIF_BSIZE 2048ul /* the driver's, if it is not told another */
#define FD_MAX      4096
#define ETH_MAX     (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
#define RSS_UDP     (RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)

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
sockets_look(uint8_t ret[FD_MAX / 8])
{
	memset(ret, 0, FD_MAX / 8);
	for (int fd = 0; fd < FD_MAX; fd++) {
		socklen_t len = sizeof(int);
		int domain;

		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
		    (domain == AF_PACKET || domain == AF_XDP)) {
			ret[fd / 8] |= (uint8_t)(1 << fd % 8);
		}
	}
}

/* One for each queue, or none at all. */
static void
sockets_new(struct nic_port *p, const uint8_t before[FD_MAX / 8])
{
	uint8_t after[FD_MAX / 8];
	uint32_t cnt = 0;

	sockets_look(after);
	for (int fd = 0; fd < FD_MAX; fd++) {
		if (((after[fd / 8] & ~before[fd / 8]) >> fd % 8 & 1) != 0) {
			if (cnt < p->queue_cnt) {
				p->fd[cnt] = fd;
			}
			cnt++;
		}
	}
	for (uint32_t i = 0; cnt != p->queue_cnt && i < p->queue_cnt; i++) {
		p->fd[i] = -1;
	}
}

static bool
is_memif(const char *device)
{
	return strncmp(device, "net_memif", strlen("net_memif")) == 0;
}

static bool
memif_serves(const char *device)
{
	return strstr(device, ",role=server") != NULL || strstr(device, ",role=master") != NULL;
}

/* The socket of a memif's server stays in its folder when the server ends, and keeps the next
 * one from making it. One that nobody listens at is taken away. */
static void
memif_clear(const char *device)
{
	const char *path = strstr(device, ",socket=");
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t len;
	int fd;

	if (!is_memif(device) || !memif_serves(device) || path == NULL) {
		return;
	}
	path += strlen(",socket=");
	len = strcspn(path, ",");
	if (len >= sizeof(at.sun_path)) {
		return; /* the driver says so */
	}
	memcpy(at.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return;
	}
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0 && errno == ECONNREFUSED) {
		unlink(at.sun_path);
	}
	close(fd);
}

/* Tells that a driver says no. Its -1 is no errno: it stands for whatever it did not like. */
static int
refused(struct topo_why *why, const struct nic_port *p, const char *what, int rc)
{
	bool any = rc == -1, root = geteuid() == 0;
	int err = any && !root ? MB_ERR_DENIED : any || p->owned ? MB_ERR_IO : MB_ERR_CONFIG;

	return topo_why_set(why, err, "net.nic = %s: %s: %s", p->device, what,
			    !any   ? rte_strerror(-rc)
			    : root ? "its driver refuses: an argument is wrong or missing, or "
				     "nobody is at its other end"
				   : "its driver refuses: it may need root, or other arguments");
}

/* A port has one user in this process: DPDK makes a device that is there once more without a word,
 * and whoever then fails to start it takes it away from who uses it.
 * Returns: whether it is this one now. */
static bool
port_take(struct nic_port *p)
{
	struct rte_eth_dev_owner me = { .name = "microburst" };

	if (rte_eth_dev_owner_new(&me.id) != 0 || rte_eth_dev_owner_set(p->id, &me) != 0) {
		p->id = RTE_MAX_ETHPORTS;
		p->owned = false;
		return false;
	}
	p->owner = me.id;
	return true;
}

static int
port_device(struct nic_port *p, const struct nic_cfg *cfg, struct topo_why *why)
{
	size_t len = strcspn(cfg->device, ",");
	int rc;

	if (len == 0 || len >= sizeof(p->device)) {
		return topo_why_set(why, MB_ERR_CONFIG, "net.nic: \"%.64s\" names no device",
				    cfg->device);
	}
	memcpy(p->device, cfg->device, len);
	if (!nic_is_pci(cfg->device)) {
		rc = nic_args_check(cfg->device, why);
		rc = rc != 0 ? rc : nic_packet_alone(cfg->device, why);
		if (rc != 0) {
			return rc;
		}
		p->serves = is_memif(cfg->device) && memif_serves(cfg->device);
		memif_clear(cfg->device);
		rc = rte_eal_hotplug_add("vdev", p->device,
					 cfg->device[len] == ',' ? cfg->device + len + 1 : "");
		if (rc != 0) {
			return refused(why, p, "DPDK cannot make this device", rc);
		}
		p->owned = true;
	}
	if (rte_eth_dev_get_port_by_name(p->device, &p->id) != 0) {
		return topo_why_set(why, MB_ERR_NOT_FOUND,
				    "net.nic: there is no port %.64s; a PCI device must be bound "
				    "to a driver that DPDK uses (vfio-pci), see `doctor`",
				    p->device);
	}
	return port_take(p) ? 0
			    : topo_why_set(why, MB_ERR_CONFIG,
					   "net.nic = %s: this program uses it already; another "
					   "device has another name, as in net_af_packet1",
					   p->device);
}

/* The kernel's interface that the device is, if it is one. */
static void
port_iface(struct nic_port *p, const struct rte_eth_dev_info *info)
{
	if (info->if_index != 0 && if_indextoname(info->if_index, p->iface) != NULL) {
		p->ask_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	}
}

/* Its MTU; 0: not known. */
static uint32_t
iface_mtu(const struct nic_port *p)
{
	struct ifreq ask = { 0 };

	memcpy(ask.ifr_name, p->iface, sizeof(p->iface));
	return p->ask_fd >= 0 && ioctl(p->ask_fd, SIOCGIFMTU, &ask) == 0 && ask.ifr_mtu > 0
		       ? (uint32_t)ask.ifr_mtu
		       : 0;
}

/* The size of a packet: as asked, or as the device has it. Drivers that sit on an interface of the
 * kernel's say 1,500 whatever that has; above it their buffers end. */
static int
port_mtu(struct nic_port *p, const struct nic_cfg *cfg, const struct rte_eth_dev_info *info,
	 uint16_t *ret_mtu, struct topo_why *why)
{
	int rc;

	if (rte_eth_dev_get_mtu(p->id, ret_mtu) != 0) {
		*ret_mtu = RTE_ETHER_MTU;
	}
	if (cfg->mtu > RTE_ETHER_MTU && nic_packet_frame(cfg->device) != 0) {
		rc = nic_packet_mtu(cfg, iface_mtu(p), p->iface, why);
		if (rc != 0) {
			return rc;
		}
		*ret_mtu = cfg->mtu;
	} else if (cfg->mtu != 0 && cfg->mtu != *ret_mtu) {
		rc = rte_eth_dev_set_mtu(p->id, cfg->mtu);
		/* Those who cannot set it copy whatever fits their buffers. */
		if (rc != 0 && rc != -ENOTSUP) {
			return topo_why_set(why, MB_ERR_CONFIG,
					    "net.mtu = %u: %s takes at most %u: %s", cfg->mtu,
					    info->driver_name, info->max_mtu, rte_strerror(-rc));
		}
		*ret_mtu = cfg->mtu;
	} else if (iface_mtu(p) != 0) {
		*ret_mtu = (uint16_t)MIN((uint32_t)*ret_mtu, iface_mtu(p));
	}
	if (*ret_mtu < WIRE_DATAGRAM_MIN + 48) {
		return topo_why_set(why, MB_ERR_CONFIG, "net.nic: an MTU of %u is too small",
				    *ret_mtu);
	}
	*ret_mtu = (uint16_t)MIN((uint32_t)*ret_mtu, WIRE_DATAGRAM_MAX + 48u);
	return 0;
}

/* Between a buffer's head and its bytes: so many that what follows the heads of a datagram is
 * 8-aligned. Not of a device that reads them itself. */
static uint16_t
port_shift(const struct nic_port *p, const struct nic_cfg *cfg)
{
	uint32_t heads = RTE_ETHER_HDR_LEN + (cfg->vlan != 0 ? RTE_VLAN_HLEN : 0) +
			 (frame_is_v4(cfg->at.ip) ? 20 : 40) + 8;

	return p->owned ? (uint16_t)(ALIGN_UP(heads, 8u) - heads) : 0;
}

static int
port_pool(struct nic_port *p, const struct nic_cfg *cfg, uint16_t mtu, struct topo_why *why)
{
	uint32_t room = MAX(MAX(ALIGN_UP((uint32_t)mtu + ETH_MAX, 64u),
				(uint32_t)RTE_MBUF_DEFAULT_DATAROOM),
			    nic_packet_frame(cfg->device));
	struct rte_pktmbuf_pool_private priv = {
		.mbuf_priv_size = port_shift(p, cfg),
		.mbuf_data_room_size =
			(uint16_t)MIN(RTE_PKTMBUF_HEADROOM + room, (uint32_t)UINT16_MAX),
	};
	uint32_t cnt = p->queue_cnt * (2 * QUEUE_CNT + 2 * CACHE_CNT + 2 * NIC_BURST);
	char name[32];

	snprintf(name, sizeof(name), "mb_net%u", p->id);
	p->pool = rte_mempool_create_empty(name, cnt - 1,
					   (uint32_t)sizeof(struct rte_mbuf) + priv.mbuf_priv_size +
						   priv.mbuf_data_room_size,
					   CACHE_CNT, sizeof(priv), rte_eth_dev_socket_id(p->id),
					   p->owned ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0);
	if (p->pool != NULL) {
		rte_pktmbuf_pool_init(p->pool, &priv);
		if (rte_mempool_populate_default(p->pool) > 0 &&
		    (!p->owned || p->pool->nb_mem_chunks == 1)) {
			rte_mempool_obj_iter(p->pool, rte_pktmbuf_init, NULL);
			return 0;
		}
	}
	return topo_why_set(why, MB_ERR_NO_MEMORY,
			    "net.nic: no memory in one piece for %u packets of %u bytes: "
			    "node.memory, or huge pages",
			    cnt, mtu);
}

/* Frames whose bodies are elsewhere are a gain, and no need. */
static void
port_from_pool(struct nic_port *p, const char *device, const struct host_cfg *hc)
{
	const char *arg = strstr(device, ",bsize=");
	unsigned long bsize = arg != NULL ? strtoul(arg + strlen(",bsize="), NULL, 0) : MEMIF_BSIZE;
	uint64_t room = RTE_PKTMBUF_HEADROOM + ALIGN_UP(bsize + 1, 64ul);
	char name[32];

	if (!hc->sum_none || !frame_is_v4(hc->at.ip) || strstr(device, ",zero-copy=") != NULL ||
	    bsize < (unsigned long)hc->mtu + ETH_MAX || room > UINT16_MAX) {
		return;
	}
	snprintf(name, sizeof(name), "mb_net%u_from", p->id);
	p->from_pool = rte_pktmbuf_pool_create(name, FROM_CNT, FROM_CACHE, 0, (uint16_t)room,
					       rte_eth_dev_socket_id(p->id));
}

/* ------------------------------------------------------------------- queues */

static int
port_configure(struct nic_port *p, const struct rte_eth_dev_info *info, struct host_cfg *hc,
	       struct topo_why *why)
{
	struct rte_eth_conf conf = { .intr_conf = { .rxq = 1 } };
	uint16_t cnt = (uint16_t)p->queue_cnt;
	int rc;

	if (cnt > info->max_rx_queues || cnt > info->max_tx_queues) {
		return topo_why_set(why, MB_ERR_CONFIG,
				    "net.tiles = %u: %s has %u queues to receive and %u to send; a "
				    "virtual device is told how many in its arguments",
				    cnt, p->device, info->max_rx_queues, info->max_tx_queues);
	}
	/* There the other end says how many there are, later; ours have one (carrier_dpdk.c). */
	if (cnt > 1 && strcmp(info->driver_name, "net_memif") == 0) {
		return topo_why_set(why, MB_ERR_CONFIG,
				    "net.tiles = %u: a client's memif has one queue each way", cnt);
	}
	/* All buffers are of one pool, and nobody else's. */
	conf.txmode.offloads = info->tx_offload_capa &
			       (RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
	conf.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	if (cnt > 1 && (info->flow_type_rss_offloads & RSS_UDP) != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & RSS_UDP;
		p->steer = NIC_STEER_RSS;
	} else if (cnt > 1) {
		p->steer = NIC_STEER_DRIVER;
	}
	hc->sum_none = strcmp(info->driver_name, "net_memif") == 0;
	hc->sum_by_nic = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
	p->sum_rx = conf.rxmode.offloads != 0;
	p->interrupt = true;
	rc = rte_eth_dev_configure(p->id, cnt, cnt, &conf);
	if (rc != 0) {
		conf.intr_conf.rxq = 0;
		p->interrupt = false;
		rc = rte_eth_dev_configure(p->id, cnt, cnt, &conf);
	}
	if (rc != 0) {
		return topo_why_set(why, MB_ERR_IO, "net.nic = %s: not configured: %s", p->device,
				    rte_strerror(-rc));
	}
	return 0;
}

static int
port_start(struct nic_port *p, struct host_cfg *hc, struct topo_why *why)
{
	uint16_t rx_cnt = QUEUE_CNT, tx_cnt = QUEUE_CNT;
	int socket = rte_eth_dev_socket_id(p->id);
	bool connects = is_memif(p->device) && !p->serves; /* it says by itself who was not there */
	struct rte_ether_addr mac;
	int rc = 0;

	rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &rx_cnt, &tx_cnt);
	for (uint16_t i = 0; rc == 0 && i < p->queue_cnt; i++) {
		rc = rte_eth_rx_queue_setup(p->id, i, rx_cnt, (unsigned)socket, NULL, p->pool);
		if (rc == 0) {
			rc = rte_eth_tx_queue_setup(p->id, i, tx_cnt, (unsigned)socket, NULL);
		}
	}
	if (rc == 0) {
		if (connects) {
			rte_log_set_level_pattern("pmd.net.memif", RTE_LOG_CRIT);
		}
		rc = rte_eth_dev_start(p->id);
		p->started = rc == 0;
		if (rc == -1 && connects) {
			return topo_why_set(why, MB_ERR_NO_NODE,
					    "net.nic = %s: nobody is at its other end", p->device);
		}
	}
	if (rc == 0) {
		rc = rte_eth_macaddr_get(p->id, &mac);
	}
	if (rc == -EINVAL && nic_xdp_is(p->device) && iface_mtu(p) > RTE_ETHER_MTU) {
		return topo_why_set(why, MB_ERR_CONFIG,
				    "net.nic = %s: not started: the MTU of %s is %u, and XDP takes "
				    "no packets that are longer than a page: ip link set dev %s "
				    "mtu 1500",
				    p->device, p->iface, iface_mtu(p), p->iface);
	}
	if (rc == -EINVAL && nic_xdp_is(p->device)) {
		return topo_why_set(why, MB_ERR_BUSY,
				    "net.nic = %s: not started: the kernel gives this user no "
				    "queue of %s (`microburst doctor`)",
				    p->device, p->iface);
	}
	if (rc != 0) {
		return refused(why, p, "not started", rc);
	}
	memcpy(hc->mac, mac.addr_bytes, sizeof(hc->mac));
	return 0;
}

/* ------------------------------------------------------------------ steering */

/* UDP to the port of tile i goes into queue i. Returns whether the device takes that. */
static bool
steer_rule(const struct nic_port *p, const struct nic_cfg *cfg, uint16_t i, bool make)
{
	struct rte_flow_attr attr = { .ingress = 1 };
	struct rte_flow_item_vlan vlan = { .tci = rte_cpu_to_be_16(cfg->vlan) };
	struct rte_flow_item_vlan vlan_mask = { .tci = rte_cpu_to_be_16(0xfff) };
	struct rte_flow_item_udp udp = { .hdr.dst_port =
						 rte_cpu_to_be_16((uint16_t)(cfg->at.port + i)) };
	struct rte_flow_item_udp udp_mask = { .hdr.dst_port = 0xffff };
	struct rte_flow_action_queue queue = { .index = i };
	struct rte_flow_action action[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_item item[5] = { { .type = RTE_FLOW_ITEM_TYPE_ETH } };
	struct rte_flow_error error;
	uint32_t n = 1;

	if (cfg->vlan != 0) {
		item[n++] = (struct rte_flow_item){ .type = RTE_FLOW_ITEM_TYPE_VLAN,
						    .spec = &vlan,
						    .mask = &vlan_mask };
	}
	item[n++].type =
		frame_is_v4(cfg->at.ip) ? RTE_FLOW_ITEM_TYPE_IPV4 : RTE_FLOW_ITEM_TYPE_IPV6;
	item[n++] = (struct rte_flow_item){ .type = RTE_FLOW_ITEM_TYPE_UDP,
					    .spec = &udp,
					    .mask = &udp_mask };
	item[n].type = RTE_FLOW_ITEM_TYPE_END;
	return make ? rte_flow_create(p->id, &attr, item, action, &error) != NULL
		    : rte_flow_validate(p->id, &attr, item, action, &error) == 0;
}

static void
port_steer(struct nic_port *p, const struct nic_cfg *cfg)
{
	struct rte_flow_error error;
	bool ok = p->queue_cnt > 1;

	for (uint16_t i = 0; ok && i < p->queue_cnt; i++) {
		ok = steer_rule(p, cfg, i, false);
	}
	if (!ok) {
		return;
	}
	for (uint16_t i = 0; ok && i < p->queue_cnt; i++) {
		ok = steer_rule(p, cfg, i, true);
	}
	if (ok) {
		p->steer = NIC_STEER_RULES;
	} else {
		rte_flow_flush(p->id, &error);
	}
}

/* How the owners of the queues hear that something came. */
static void
port_waiting(struct nic_port *p, const uint8_t before[FD_MAX / 8])
{
	for (uint32_t i = 0; i < p->queue_cnt; i++) {
		if (p->interrupt && rte_eth_dev_rx_intr_enable(p->id, (uint16_t)i) == 0) {
			p->fd[i] = rte_eth_dev_rx_intr_ctl_q_get_fd(p->id, (uint16_t)i);
			rte_eth_dev_rx_intr_disable(p->id, (uint16_t)i);
		}
		p->interrupt &= p->fd[i] >= 0;
	}
	if (!p->interrupt) {
		sockets_new(p, before);
	}
}

static void
port_text(struct nic_port *p, const char *driver, const struct host_cfg *hc)
{
	static const char *const steer[] = {
		[NIC_STEER_NONE] = "",
		[NIC_STEER_RULES] = ", its rules steer by port",
		[NIC_STEER_RSS] = ", spread by its hash, steered by the tiles",
		[NIC_STEER_DRIVER] = ", spread by its driver, steered by the tiles",
	};

	snprintf(p->text, sizeof(p->text), "%s, MTU %u, sums %s%s, %s%s", driver, hc->mtu,
		 hc->sum_by_nic && p->sum_rx ? "by the NIC"
		 : hc->sum_by_nic            ? "by the NIC for what is sent"
		 : p->sum_rx                 ? "by the NIC for what comes"
		 : hc->sum_none              ? "none over IPv4"
					     : "by the cpu",
		 steer[p->steer],
		 p->interrupt    ? "sleeps at its interrupt"
		 : p->fd[0] >= 0 ? "sleeps at its socket"
				 : "naps 50 us, 2 ms when idle",
		 p->ours_fd >= 0 ? ", kept from the kernel's IP" : "");
}

static void
port_init(struct nic_port *p, const struct nic_cfg *cfg)
{
	*p = (struct nic_port){ .id = RTE_MAX_ETHPORTS, .queue_cnt = cfg->queue_cnt };
	p->ask_fd = p->group_fd = p->ours_fd = -1;
	memset(p->fd, -1, sizeof(p->fd));
}

int
nic_port_try(struct nic_port *p, const struct nic_cfg *cfg, struct host_cfg *hc,
	     struct topo_why *why)
{
	uint8_t before[FD_MAX / 8];
	struct rte_eth_dev_info info;
	int err;

	port_init(p, cfg);
	sockets_look(before);
	err = port_device(p, cfg, why);
	if (err == 0 && rte_eth_dev_info_get(p->id, &info) != 0) {
		err = topo_why_set(why, MB_ERR_IO, "net.nic = %s: says nothing of itself",
				   p->device);
	}
	if (err == 0) {
		port_iface(p, &info);
		err = port_configure(p, &info, hc, why);
	}
	if (err == 0) {
		err = port_mtu(p, cfg, &info, &hc->mtu, why);
	}
	if (err == 0) {
		err = port_pool(p, cfg, hc->mtu, why);
	}
	if (err == 0) {
		port_from_pool(p, cfg->device, hc);
	}
	if (err == 0) {
		err = port_start(p, hc, why);
	}
	if (err != 0) {
		return err;
	}
	/* Neighbours on this machine: the kernel leaves sums to a NIC that is not there. */
	hc->partial = p->owned;
	port_steer(p, cfg);
	port_waiting(p, before);
	/* Without a port it is no host: nothing is for it. */
	if (nic_packet_frame(cfg->device) != 0 && cfg->at.port != 0) {
		p->ours_fd = nic_ours_drop(p->iface, cfg);
	}
	port_text(p, info.driver_name, hc);
	return nic_port_join(p, hc, why);
}

int
nic_port_open(struct nic_port *p, const struct nic_cfg *cfg, struct host_cfg *hc,
	      struct topo_why *why)
{
	port_init(p, cfg);
	return nic_xdp_is(cfg->device) ? nic_xdp_open(p, cfg, hc, why)
				       : nic_port_try(p, cfg, hc, why);
}

int
nic_port_gate(struct nic_port *p, const struct nic_cfg *cfg, struct topo_why *why)
{
	if (!is_memif(p->device)) {
		return 0;
	}
	if (nic_gate_add(&p->gate, p->id, !p->serves) != 0) {
		return topo_why_set(why, MB_ERR_NOT_SUPPORTED,
				    "net.nic = %s: this kernel has no membarrier", p->device);
	}
	p->gated = true;
	return 0;
}

/* The driver of af_xdp (DPDK 22.11) leaves its sockets open, and so the queues taken for as long as
 * this process lives: its count of who uses the memory begins at 0, and goes below. */
static void
sockets_close(const struct nic_port *p)
{
	for (uint32_t i = 0; i < p->queue_cnt && !p->interrupt; i++) {
		socklen_t len = sizeof(int);
		int domain;

		if (p->fd[i] >= 0 &&
		    getsockopt(p->fd[i], SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
		    domain == AF_XDP) {
			close(p->fd[i]);
		}
	}
}

void
nic_port_close(struct nic_port *p)
{
	struct nic_xdp_hush hush;
	bool xdp = nic_xdp_is(p->device);

	if (xdp) {
		nic_xdp_hush(&hush);
	}
	if (p->gated) {
		nic_gate_remove(&p->gate);
	}
	if (p->ours_fd >= 0) {
		close(p->ours_fd);
	}
	if (p->started) {
		rte_eth_dev_stop(p->id);
	}
	if (p->serves) {
		/* The driver (DPDK 22.11) frees what its server listens with, and DPDK's interrupt
		 * thread looks at that again: SIGSEGV. All of it goes when the process ends. */
		eal_keep();
		rte_eth_dev_owner_unset(p->id, p->owner);
		return;
	}
	if (p->id != RTE_MAX_ETHPORTS) {
		rte_eth_dev_close(p->id);
	}
	sockets_close(p);
	nic_port_leave(p);
	if (p->ask_fd >= 0) {
		close(p->ask_fd);
	}
	if (p->owned) {
		rte_eal_hotplug_remove("vdev", p->device);
	}
	rte_mempool_free(p->pool);
	rte_mempool_free(p->from_pool);
	if (xdp) {
		nic_xdp_heard(&hush);
	}
}

bool
nic_port_up(const struct nic_port *p)
{
	struct rte_eth_link link = { 0 };
	struct ifreq ask = { 0 };

	if (rte_eth_link_get_nowait(p->id, &link) != 0 || link.link_status == 0) {
		return false;
	}
	memcpy(ask.ifr_name, p->iface, sizeof(p->iface));
	return p->ask_fd < 0 || ioctl(p->ask_fd, SIOCGIFFLAGS, &ask) != 0 ||
	       (ask.ifr_flags & IFF_RUNNING) != 0;
}
