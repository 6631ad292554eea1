/* SPDX-License-Identifier: Apache-2.0 */
/* nic_packet - the ring of af_packet, see nic_int.h
 *
 * Its frames are as long as its arguments say, whatever MTU the interface has. The driver (DPDK
 * 22.11) refuses a pool whose buffers are shorter than they, and an MTU above 1,500 always; but
 * what fits a frame it sends and receives.
 */
#include <linux/if_packet.h>
#include <rte_ether.h>
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
