/* SPDX-License-Identifier: Apache-2.0 */
/* node_net - the door for remote clients, if the configuration opens one */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "microburst/error.h"
#include "nic.h"
#include "node_int.h"
#include "sock.h"
#include "topo.h"

const char *
node_net_pci(const struct params *p)
{
	return p->net_listen[0] != '\0' && nic_is_pci(p->net_nic) ? p->net_nic : NULL;
}

static int
net_why(const struct node *n, int err, char why[NODE_WHY_BYTES])
{
	snprintf(why, NODE_WHY_BYTES, "net.listen = %.200s: %s", n->params.net_listen,
		 err == MB_ERR_CONFIG    ? "it begins with udp://, as in udp://*:7117"
		 : err == MB_ERR_EXISTS  ? "another program listens at that port"
		 : err == MB_ERR_INVALID ? "it is no address of this machine and a port"
					 : mb_err_text(err));
	return err;
}

static int
net_socket(struct node *n, const struct wire_addr *at, struct net_io *ret, char why[NODE_WHY_BYTES])
{
	struct sock *s;
	int err = sock_open(&s, at);

	if (err != 0) {
		return net_why(n, err, why);
	}
	*ret = sock_io(s);
	return 0;
}

/* A NIC answers for one address: it has to be told which. */
static int
net_nic(struct node *n, const struct wire_addr *at, struct net_io *ret, char why[NODE_WHY_BYTES])
{
	static const uint8_t none[sizeof(at->ip)];
	struct nic_cfg cfg = { .device = n->params.net_nic,
			       .at = *at,
			       .vlan = (uint16_t)n->params.net_vlan,
			       .mtu = (uint16_t)n->params.net_mtu };
	struct topo_why tw = { "" };
	int err;

	if (at->port == 0 || memcmp(at->ip, none, sizeof(none)) == 0) {
		snprintf(why, NODE_WHY_BYTES,
			 "net.listen = %.200s: with net.nic it is one address and one port, as in "
			 "udp://10.0.0.1:7117",
			 n->params.net_listen);
		return MB_ERR_CONFIG;
	}
	err = nic_open(ret, &cfg, &tw);
	return err != 0 ? node_fail(why, err, tw.text) : 0;
}

int
node_net(struct node *n, char why[NODE_WHY_BYTES])
{
	struct door_cfg dc = { .socket = n->socket,
			       .node_id = n->id,
			       .admin = n->params.net_admin };
	struct net_tile_cfg cfg = { .memory_bytes = n->params.net_memory & ~(uint64_t)4095 };
	const char *at = n->params.net_listen;
	struct seal seal;
	struct wire_addr listen;
	int t = topo_tile_find(n->topo, TILE_NET, 0);
	int err = MB_ERR_CONFIG;

	if (t < 0) {
		return 0;
	}
	if (strncmp(at, "udp://", 6) == 0) {
		err = sock_addr(at + 6, true, &listen);
	}
	if (err == 0 && getentropy(cfg.secret, sizeof(cfg.secret)) != 0) {
		err = MB_ERR_IO;
	}
	if (err == 0) {
		err = door_create(&n->door, &dc, &cfg.service);
	}
	if (err != 0) {
		return net_why(n, err, why);
	}
	if (n->params.net_keys[0] != '\0') {
		err = seal_open(&seal, n->params.net_keys, true);
		if (err != 0) {
			snprintf(why, NODE_WHY_BYTES, "net.keys = %.200s: %s", n->params.net_keys,
				 err == MB_ERR_DENIED ? "its owner, and nobody else, must be able "
							"to read it (chmod 600)"
				 : err == MB_ERR_CONFIG
					 ? "lines of a number and 64 hexadecimal digits"
					 : mb_err_text(err));
			return err;
		}
		cfg.seal = &seal;
		cfg.keys = n->params.net_keys;
	}
	err = n->params.net_nic[0] != '\0' ? net_nic(n, &listen, &cfg.io, why)
					   : net_socket(n, &listen, &cfg.io, why);
	if (err != 0) {
		return err;
	}
	err = net_tile_create(&n->net_tile, &cfg);
	if (err != 0) {
		cfg.io.ops->close(cfg.io.io);
		return net_why(n, err, why);
	}
	net_tile_lcore(n->net_tile, n->lcore[n->topo->tile[t].lcore]);
	node_tile_add(n, TILE_NET, 0, &net_tile_ops, n->net_tile, net_tile_metrics(n->net_tile));
	return 0;
}

void
node_net_print(const struct node *n, FILE *out)
{
	if (n->net_tile != NULL) {
		fprintf(out, "net: port %u, %s, %s\n", net_tile_local(n->net_tile).port,
			net_tile_text(n->net_tile),
			n->params.net_keys[0] != '\0' ? "sealed" : "open to whoever reaches it");
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
