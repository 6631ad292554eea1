/* SPDX-License-Identifier: Apache-2.0 */
/* nic - a port of DPDK, for hosts whose NIC the kernel has let go of
 *
 * The port is named as DPDK names it: a PCI address (which the EAL was told of at its start), or a
 * virtual device and its arguments: net_af_xdp0,iface=eth1 net_af_packet0,iface=eth1
 * net_memif0,role=server,socket=/run/m.sock net_tap0 net_virtio_user0,path=... net_ring0 net_null0.
 * A receive and a transmit queue for each net tile: tile i serves the port of cfg.at and i more,
 * and is handed what is for it wherever it came (nic_link). What the frames say is host's; here
 * they only come and go.
 *
 * Waiting: the interrupt of the receive queue where the driver has one, else the driver's socket
 * where it has one (af_packet, af_xdp), else nothing: then the lcore looks every 50 us, or, when
 * nothing came for a while, every 2 ms; nic_text says which.
 *
 * Errors: negative mb_err, with a sentence. Threads: nic_open and close at start and end, the rest
 * the owner.
 */
#ifndef MB_NIC_H
#define MB_NIC_H

#include "net_io.h"
#include "topo_why.h"

struct nic_cfg {
	const char *device;  /* outlives nic_open */
	struct wire_addr at; /* its address, and the port that is served; it has no other */
	uint16_t vlan;       /* 0: none */
	uint16_t mtu;        /* 0: as the device says */
	uint32_t queue_cnt;  /* 1..NET_TILE_CNT_MAX */
};

struct link;

/* nic_is_pci tells whether a device is to be given to the EAL at its start. */
bool nic_is_pci(const char *device);

/* nic_open starts the port. Requires: the EAL is up.
 * Returns:   0 with cfg->queue_cnt of *ret, each its tile's, of which the last to be closed closes
 *            the port; MB_ERR_CONFIG for arguments that the device does not take, and for fewer
 *            queues than asked for;
 *            MB_ERR_NOT_FOUND when there is no such device; MB_ERR_NO_NODE when nobody is at the
 *            other end of a memif that connects; MB_ERR_NOT_SUPPORTED; MB_ERR_NO_MEMORY;
 *            MB_ERR_IO. */
int nic_open(struct net_io *ret, const struct nic_cfg *cfg, struct topo_why *why);

/* nic_link gives a tile's NIC the links to and from that of tile i: both hold back when full.
 * Before anything comes. */
void nic_link(const struct net_io *io, uint32_t i, struct link *to, struct link *from);

/* nic_counters calls fn with each of the device's own counters that is not 0 (xstats). Any thread:
 * they are a little old. */
typedef void nic_counter_fn(void *ctx, const char *name, uint64_t value);
void nic_counters(const struct net_io *io, nic_counter_fn *fn, void *ctx);

/* nic_wait sleeps until something may have come, ns at most: for an owner without an lcore, whose
 * port has not been started as a tile's. */
void nic_wait(const struct net_io *io, uint64_t ns);

#endif
