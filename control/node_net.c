/* SPDX-License-Identifier: Apache-2.0 */
/* node_net - the door for remote clients, if the configuration opens one */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "microburst/error.h"
#include "node_int.h"
#include "topo.h"

int
node_net(struct node *n, char why[NODE_WHY_BYTES])
{
	struct door_cfg dc = { .socket = n->socket,
			       .node_id = n->id,
			       .admin = n->params.net_admin };
	struct net_tile_cfg cfg = { .memory_bytes = n->params.net_memory & ~(uint64_t)4095 };
	const char *at = n->params.net_listen;
	int t = topo_tile_find(n->topo, TILE_NET, 0);
	int err = MB_ERR_CONFIG;

	if (t < 0) {
		return 0;
	}
	if (strncmp(at, "udp://", 6) == 0) {
		err = sock_addr(at + 6, true, &cfg.listen);
	}
	if (err == 0 && getentropy(cfg.secret, sizeof(cfg.secret)) != 0) {
		err = MB_ERR_IO;
	}
	if (err == 0) {
		err = door_create(&n->door, &dc, &cfg.service);
	}
	if (err == 0) {
		err = net_tile_create(&n->net_tile, &cfg);
	}
	if (err == 0) {
		err = net_tile_lcore(n->net_tile, n->lcore[n->topo->tile[t].lcore]);
	}
	if (err == 0) {
		node_tile_add(n, TILE_NET, 0, &net_tile_ops, n->net_tile,
			      net_tile_metrics(n->net_tile));
		return 0;
	}
	snprintf(why, NODE_WHY_BYTES, "net.listen = %.200s: %s", at,
		 err == MB_ERR_CONFIG    ? "it begins with udp://, as in udp://*:7117"
		 : err == MB_ERR_EXISTS  ? "another program listens at that port"
		 : err == MB_ERR_INVALID ? "it is no address of this machine and a port"
					 : mb_err_text(err));
	return err;
}

void
node_net_print(const struct node *n, FILE *out)
{
	if (n->net_tile != NULL) {
		fprintf(out, "net: port %u, %s\n", net_tile_local(n->net_tile).port,
			net_tile_text(n->net_tile));
	}
}

void
node_net_destroy(struct node *n)
{
	if (n->net_tile != NULL) {
		net_tile_destroy(n->net_tile);
	}
	if (n->door != NULL) {
		door_destroy(n->door);
	}
}
