/* SPDX-License-Identifier: Apache-2.0 */
/* nic_count - see nic_int.h */
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <rte_ethdev.h>

#include "compiler.h"
#include "nic_int.h"

void
nic_port_missed(const struct nic_port *p, uint32_t queue, uint64_t *sum)
{
	struct tpacket_stats_v3 packet = { 0 };
	struct xdp_statistics xdp = { 0 };
	socklen_t len = sizeof(packet);

	if (p->interrupt || p->fd[queue] < 0) {
		return;
	}
	if (getsockopt(p->fd[queue], SOL_PACKET, PACKET_STATISTICS, &packet, &len) == 0) {
		*sum += packet.tp_drops; /* asking sets it to 0 */
		return;
	}
	len = sizeof(xdp);
	if (getsockopt(p->fd[queue], SOL_XDP, XDP_STATISTICS, &xdp, &len) == 0) {
		*sum = xdp.rx_ring_full; /* the driver tells of the rest (imissed) */
	}
}

void
nic_port_counters(const struct nic_port *p, nic_counter_fn *fn, void *ctx)
{
	int cnt = rte_eth_xstats_get(p->id, NULL, 0);
	struct rte_eth_xstat_name *name = calloc((size_t)MAX(cnt, 1), sizeof(*name));
	struct rte_eth_xstat *value = calloc((size_t)MAX(cnt, 1), sizeof(*value));

	if (name != NULL && value != NULL && cnt > 0 &&
	    rte_eth_xstats_get_names(p->id, name, (unsigned)cnt) == cnt &&
	    rte_eth_xstats_get(p->id, value, (unsigned)cnt) == cnt) {
		for (int i = 0; i < cnt; i++) {
			if (value[i].value != 0 && value[i].id < (uint64_t)cnt) {
				fn(ctx, name[value[i].id].name, value[i].value);
			}
		}
	}
	free(name);
	free(value);
}
