/* SPDX-License-Identifier: Apache-2.0 */
/* nic_int - what the parts of a NIC share
 *
 *	nic_port.c   the device: found, configured, started, its queues steered, closed
 *	nic_args.c   what is asked of it, where its driver would take no notice
 *	nic_packet.c the ring that the driver of af_packet has
 *	nic_group.c  the groups of IPv6 that it hears
 *	nic_ours.c   what comes for us kept from the kernel's IP
 *	nic_count.c  what it and its sockets count
 *	nic.c        a queue each way, as a net tile uses it
 *	nic_xdp.c    the driver of af_xdp as it starts: who hears what it prints
 *	nic_gate.c   when there may be no burst
 */
#ifndef MB_NIC_INT_H
#define MB_NIC_INT_H

#include <net/if.h>
#include <rte_dev.h>
#include <rte_mempool.h>
#include <stdarg.h>

#include "host.h"
#include "nic.h"
#include "nic_gate.h"
#include "topo_limits.h"

#define NIC_BURST 64

/* Who puts a frame into the queue of the tile whose port it is for. */
enum nic_steer {
	NIC_STEER_NONE = 0, /* there is one queue */
	NIC_STEER_RULES,    /* the NIC, by rte_flow */
	NIC_STEER_RSS,      /* nobody: it spreads them by a hash, and the tiles hand them on */
	NIC_STEER_DRIVER,   /* nobody: in whatever way the driver spreads them */
};

/* A device and what its queues have in common; nobody writes it after nic_open. */
struct nic_port {
	uint16_t id;
	uint64_t owner;      /* what its port knows us by */
	bool started, owned; /* owned: made by us, to be removed */
	bool interrupt;      /* its queues have one each */
	bool sum_rx;         /* it looks at UDP's sums */
	enum nic_steer steer;
	uint32_t queue_cnt, open_cnt;
	char device[RTE_DEV_NAME_MAX_LEN];
	struct rte_mempool *pool;
	struct rte_mempool
		*from_pool;       /* of frames whose bodies are elsewhere; NULL: there are none */
	int fd[NET_TILE_CNT_MAX]; /* wakes the owner of a queue; -1: none */
	char iface[IF_NAMESIZE];  /* the kernel's interface that it is; "": none */
	int ask_fd;               /* to ask of it */
	int group_fd;             /* that it is in groups; -1: none */
	int ours_fd;              /* that what is ours is dropped behind it; -1: it is not */
	bool serves;              /* of a memif's two ends the one that listens */
	bool gated;               /* bursts go through the gate: memif, which has one queue */
	struct nic_gate gate;
	char text[192];
};

/* nic_port_open finds the device, and starts it. Returns: as nic_open; on an error too the port is
 * to be closed. */
int nic_port_open(struct nic_port *p, const struct nic_cfg *cfg, struct host_cfg *hc,
		  struct topo_why *why);
void nic_port_close(struct nic_port *p);

/* nic_port_try is nic_port_open; but MB_ERR_BUSY: the queues of af_xdp are not to be had, or not
 * yet. */
int nic_port_try(struct nic_port *p, const struct nic_cfg *cfg, struct host_cfg *hc,
		 struct topo_why *why);

/* nic_args_check refuses arguments of a virtual device that its driver would not see, and a tap
 * that somebody else has. Returns: 0; MB_ERR_CONFIG. */
int nic_args_check(const char *device, struct topo_why *why);

/* nic_port_join has the port hear those who ask for its address, if that is one of IPv6.
 * Returns: 0; MB_ERR_IO. nic_port_leave ends it. */
int nic_port_join(struct nic_port *p, const struct host_cfg *hc, struct topo_why *why);
void nic_port_leave(const struct nic_port *p);

/* nic_ours_drop has datagrams to cfg->at, and to the ports of the queues behind it, dropped where
 * all sockets of af_packet on iface have them, for as long as the descriptor is open.
 * Returns: the descriptor; -1: this kernel or this user cannot. */
int nic_ours_drop(const char *iface, const struct nic_cfg *cfg);

/* nic_xdp_hush sends what af_xdp's libraries print to the log, for DEBUG, and its driver's words
 * nowhere, until nic_xdp_heard: then all is as it was.
 * Threads: one at a time. */
#define NIC_XDP_LIBS 2
typedef int print_fn_xdp(int level, const char *fmt, va_list args);
struct nic_xdp_hush {
	print_fn_xdp *print[NIC_XDP_LIBS]; /* what was set; NULL: not there */
	int type, level;                   /* the driver's; -1: none */
};
bool nic_xdp_is(const char *device);
void nic_xdp_hush(struct nic_xdp_hush *h);
void nic_xdp_heard(const struct nic_xdp_hush *h);
/* nic_xdp_open is nic_port_open of a device of af_xdp. */
int nic_xdp_open(struct nic_port *p, const struct nic_cfg *cfg, struct host_cfg *hc,
		 struct topo_why *why);

/* nic_port_gate has the bursts of a port that needs it go through the gate, from the first on: its
 * owner asks p->gated. Returns: 0; MB_ERR_NOT_SUPPORTED. */
int nic_port_gate(struct nic_port *p, const struct nic_cfg *cfg, struct topo_why *why);

/* nic_packet_frame says how long the frames of af_packet's ring are; 0: it is another driver.
 * nic_packet_alone refuses a second device on an interface: MB_ERR_CONFIG.
 * nic_packet_mtu tells whether packets of cfg->mtu, which is more than Ethernet's 1,500, fit them
 * and the interface. Returns: 0; MB_ERR_CONFIG. */
uint32_t nic_packet_frame(const char *device);
int nic_packet_alone(const char *device, struct topo_why *why);
int nic_packet_mtu(const struct nic_cfg *cfg, uint32_t iface_mtu, const char *iface,
		   struct topo_why *why);

/* nic_port_up tells whether it has a link. Drivers that sit on an interface of the kernel's say
 * only that it is enabled; whether a cable is in it the kernel knows.
 * nic_port_missed brings up to date how much the driver's socket of a queue has dropped. */
bool nic_port_up(const struct nic_port *p);
void nic_port_missed(const struct nic_port *p, uint32_t queue, uint64_t *sum);

void nic_port_counters(const struct nic_port *p, nic_counter_fn *fn, void *ctx);

#endif
