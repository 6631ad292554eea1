/* SPDX-License-Identifier: Apache-2.0 */
/* nic_packet - the ring of af_packet, see nic_int.h
 *
 * Its frames are as long as its arguments say, whatever MTU the interface has. The driver (DPDK
 * 22.11) refuses a pool whose buffers are shorter than they, and an MTU above 1,500 always; but
 * what fits a frame it sends and receives.
 *
 * All its sockets that one process has on an interface are of one group (PACKET_FANOUT), of which
 * the kernel gives each frame to one, by a hash. They are the queues of a device; of two devices
 * each would miss the half of what is sent to it.
 */
#include <linux/if_packet.h>
#include <net/if.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "microburst/error.h"
#include "nic_int.h"

#define FRAME_BYTES 2048ul /* the driver's, if it is not told another */
/* What the kernel puts in front of a packet: its head of a frame, and the link's. */
#define HEAD_BYTES  ALIGN_UP((uint32_t)TPACKET2_HDRLEN + 16u, (uint32_t)TPACKET_ALIGNMENT)
#define TAG_BYTES   ((uint32_t)RTE_VLAN_HLEN)

uint32_t
nic_packet_frame(const char *device)
{
	const char *arg = strstr(device, ",framesz=");
	unsigned long bytes = FRAME_BYTES;

	if (strncmp(device, "net_af_packet", strlen("net_af_packet")) != 0) {
		return 0;
	}
	if (arg != NULL) {
		bytes = strtoul(arg + strlen(",framesz="), NULL, 0);
	}
	return (uint32_t)MIN(bytes, (unsigned long)UINT16_MAX);
}

int
nic_packet_mtu(const struct nic_cfg *cfg, uint32_t iface_mtu, const char *iface,
	       struct topo_why *why)
{
	uint32_t frame = nic_packet_frame(cfg->device);

	if (cfg->mtu + TAG_BYTES + HEAD_BYTES > frame) {
		return topo_why_set(why, MB_ERR_CONFIG,
				    "net.mtu = %u: the ring of net_af_packet has frames of %u "
				    "bytes: add framesz=12288,blocksz=12288 to net.nic",
				    cfg->mtu, frame);
	}
	if (iface_mtu < cfg->mtu) {
		return topo_why_set(why, MB_ERR_CONFIG,
				    "net.mtu = %u: the MTU of %s is %u: ip link set dev %s mtu %u",
				    cfg->mtu, iface, iface_mtu, iface, cfg->mtu);
	}
	return 0;
}

int
nic_packet_alone(const char *device, struct topo_why *why)
{
	const char *arg = strstr(device, ",iface=");
	struct rte_eth_dev_info info;
	char name[IF_NAMESIZE];
	uint16_t id;

	if (nic_packet_frame(device) == 0 || arg == NULL) {
		return 0;
	}
	arg += strlen(",iface=");
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(arg, ","), arg);
	for (id = rte_eth_find_next(0); id < RTE_MAX_ETHPORTS;
	     id = rte_eth_find_next((uint16_t)(id + 1))) {
		if (rte_eth_dev_info_get(id, &info) == 0 && info.if_index != 0 &&
		    info.if_index == if_nametoindex(name) &&
		    strcmp(info.driver_name, "net_af_packet") == 0) {
			return topo_why_set(
				why, MB_ERR_CONFIG,
				"net.nic = %.64s: this program has a device of "
				"net_af_packet on %s already, and each would get a part of "
				"the other's frames",
				device, name);
		}
	}
	return 0;
}
