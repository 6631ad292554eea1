/* SPDX-License-Identifier: Apache-2.0 */
/* carrier - what brings a remote client's datagrams to its node and back
 *
 *	udp://HOST:PORT                         a socket of the kernel's (carrier_udp.c)
 *	dpdk://ADDRESS:PORT?nic=DEVICE&at=...   a port of DPDK's (carrier_dpdk.c)
 *
 * The latter is in a library of its own, so that programs that do without it need no DPDK.
 *
 * Lanes. A node has a port for each of its net tiles; the way to one of them is a lane. Lane 0, to
 * the port that was named, is open from the start.
 *
 * A name may have several addresses, and the node be at one of them: they are tried in the order
 * that getaddrinfo gives (RFC 6724), until one answers.
 *
 * Errors: negative mb_err. Owner: the client's thread.
 */
#ifndef MB_CLIENT_CARRIER_H
#define MB_CLIENT_CARRIER_H

#include "seal.h"
#include "topo_limits.h"
#include "wire.h"

/* datagram.p NULL: the network says that nobody is at the lane's other end. Returns: whether more
 * is awaited on this lane. */
typedef bool carrier_recv_fn(void *ctx, uint32_t lane, struct slice datagram);

struct carrier;

struct carrier_ops {
	/* Leads lane 0 to the next address that the name has; there are no other lanes yet.
	 * Returns: 0; MB_ERR_NO_NODE: there is none; MB_ERR_NO_MEMORY. */
	int (*next)(struct carrier *c);
	/* Opens another lane, or leads it to another port. Returns: 0; MB_ERR_NO_MEMORY;
	 * MB_ERR_NO_NODE. */
	int (*lane)(void *carrier, uint32_t lane, uint16_t port);
	/* Sends a datagram, sealed when there are keys. What cannot go is lost: flow sends it
	 * again. */
	void (*send)(void *carrier, uint32_t lane, struct seal *seal, const struct wire_head *h,
		     const uint8_t *body);
	void (*flush)(void *carrier); /* makes a burst of sends go */
	/* Calls fn for each datagram that came, at most max a lane; it need not look for more where
	 * none is awaited. The bytes are there, 8-aligned, until fn returns. Lanes without their
	 * bit in lanes need not be looked at. Returns: how often it called. */
	int (*recv)(void *carrier, uint32_t lanes, uint32_t max, uint64_t now_ns,
		    carrier_recv_fn *fn, void *ctx);
	/* Sleeps until something may have come at one of the lanes, ns at most. */
	void (*wait)(void *carrier, uint32_t lanes, uint64_t ns);
	void (*close)(void *carrier);
};

#define CARRIER_LANES     NET_TILE_CNT_MAX
#define CARRIER_ADDRS_MAX 8u /* of a name; those behind are not tried */

struct carrier {
	const struct carrier_ops *ops; /* NULL: none */
	void *carrier;
	struct wire_addr server; /* for those who need an address; else nowhere */
	uint16_t datagram;       /* bytes of UDP payload that the way out carries */
	uint32_t more;           /* addresses that were not tried yet */
	uint32_t spin_ns; /* look for so long, yielding, before it is waited: what a wait costs */
};

/* carrier_known tells whether where is written as a node that is elsewhere. */
bool carrier_known(const char *where);

/* carrier_open opens the way to where, to the first of its addresses that there is a way to.
 * Returns:   0 with *ret; MB_ERR_INVALID for a where that cannot be read; MB_ERR_NO_NODE when no
 *            such host is known, or nobody is at the other end of a device;
 *            MB_ERR_NOT_SUPPORTED when the library for it is not installed;
 *            MB_ERR_CONFIG, MB_ERR_NOT_FOUND, MB_ERR_DENIED of a device; MB_ERR_NO_MEMORY;
 *            MB_ERR_IO. */
int carrier_open(struct carrier *ret, const char *where);

/* The same of one kind each; where is what follows the scheme. microburst_carrier_dpdk is what the
 * other library exports. */
typedef int carrier_open_fn(struct carrier *ret, const char *where);
carrier_open_fn carrier_udp_open;
carrier_open_fn microburst_carrier_dpdk;

#endif
