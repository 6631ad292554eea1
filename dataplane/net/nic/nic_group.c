/* SPDX-License-Identifier: Apache-2.0 */
/* nic_group - see nic_int.h
 *
 * Who asks for an IPv6 address asks a group of Ethernet's, of those whose addresses end alike
 * (RFC 4861, 7.2.2; RFC 2464, 7), and a card hears the groups only that it was told of. Without
 * them a node is found for as long as it announces itself, and by nobody after that. A card of the
 * kernel's is told by a socket, and forgets it when that is closed; another one by its driver. A
 * driver that can do neither hears all that comes (memif, ring).
 *
 * A switch that looks at who is in a group (MLD snooping) is told by host_join.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "microburst/error.h"
#include "nic_int.h"

/* Returns: the socket; -1: not in all of them. */
static int
kernel_join(const char *iface, const uint8_t group[HOST_GROUPS][FRAME_MAC_BYTES])
{
	struct packet_mreq ask = { .mr_ifindex = (int)if_nametoindex(iface),
				   .mr_type = PACKET_MR_MULTICAST,
				   .mr_alen = FRAME_MAC_BYTES };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* 0: nothing comes to it */

	for (uint32_t i = 0; fd >= 0 && i < HOST_GROUPS; i++) {
		memcpy(ask.mr_address, group[i], FRAME_MAC_BYTES);
		if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &ask, sizeof(ask)) != 0) {
			close(fd);
			fd = -1;
		}
	}
	return fd;
}

static int
driver_join(uint16_t port, const uint8_t group[HOST_GROUPS][FRAME_MAC_BYTES])
{
	struct rte_ether_addr set[HOST_GROUPS];
	int rc;

	for (uint32_t i = 0; i < HOST_GROUPS; i++) {
		memcpy(set[i].addr_bytes, group[i], FRAME_MAC_BYTES);
	}
	rc = rte_eth_dev_set_mc_addr_list(port, set, HOST_GROUPS);
	if (rc != 0) {
		rc = rte_eth_allmulticast_enable(port);
	}
	return rc == -ENOTSUP ? 0 : rc;
}

int
nic_port_join(struct nic_port *p, const struct host_cfg *hc, struct topo_why *why)
{
	uint8_t group[HOST_GROUPS][FRAME_MAC_BYTES];
	bool ok;

	if (frame_is_v4(hc->at.ip)) {
		return 0;
	}
	host_groups(hc, group);
	if (p->iface[0] != '\0') {
		p->group_fd = kernel_join(p->iface, group);
		ok = p->group_fd >= 0;
	} else {
		ok = driver_join(p->id, group) == 0;
	}
	return ok ? 0
		  : topo_why_set(why, MB_ERR_IO,
				 "net.nic = %s: it cannot hear who asks for an IPv6 address",
				 p->device);
}

void
nic_port_leave(const struct nic_port *p)
{
	if (p->group_fd >= 0) {
		close(p->group_fd);
	}
}
