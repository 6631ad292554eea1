/* SPDX-License-Identifier: Apache-2.0 */
/* node_net - the doors for remote clients, if the configuration opens them */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "home.h"
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

void
node_net_home(const struct node *n, struct topo_params *tp)
{
	int home = tp->net_cnt > 0 ? home_of_nic("", n->params.net_nic) : -1;

	for (uint32_t i = 0; i < n->machine->numa_cnt; i++) {
		if (n->machine->numa[i].os_idx == home) {
			tp->home_numa = (uint16_t)home;
		}
	}
}

static int
net_why(const struct node *n, int err, char why[NODE_WHY_BYTES])
{
	snprintf(why, NODE_WHY_BYTES, "net.listen = %.200s: %s", n->params.net_listen,
		 err == MB_ERR_EXISTS    ? "another program listens at that port"
		 : err == MB_ERR_INVALID ? "it is no address of this machine and a port"
					 : mb_err_text(err));
	return err;
}

/* Where the first tile is to listen. */
static int
net_at(const struct params *p, struct wire_addr *ret, char why[NODE_WHY_BYTES])
{
	static const char form[] = "it begins with udp://, as in udp://*:7117";
	static const uint8_t none[sizeof(ret->ip)];
	const char *at = p->net_listen;
	int err = strncmp(at, "udp://", 6) == 0 ? sock_addr(at + 6, true, ret) : MB_ERR_CONFIG;

	if (err != 0) {
		return node_wrong(why, "net.listen", at,
				  err == MB_ERR_CONFIG      ? form
				  : err == MB_ERR_NOT_FOUND ? "there is no such host"
							    : "it is no host and a port");
	}
	if (ret->port > UINT16_MAX - p->net_tiles) {
		return node_wrong(why, "net.listen", at, "there are not so many ports (net.tiles)");
	}
	if (p->net_nic[0] != '\0' && (ret->port == 0 || memcmp(ret->ip, none, sizeof(none)) == 0)) {
		return node_wrong(why, "net.listen", at,
				  "with net.nic it is one address and one port, as in "
				  "udp://10.0.0.1:7117");
	}
	return 0;
}

/* Whether a device's name is one, it has the argument that its driver cannot be without, and the
 * interface that it is of is there. */
static int
nic_check(const char *nic, bool here, char why[NODE_WHY_BYTES])
{
	static const struct {
		const char *driver, *argument, *says;
	} needs[] = {
		{ "net_af_", ",iface=", "it needs an interface: iface=eth1" },
		{ "net_vhost", ",iface=", "it needs a socket's path: iface=/run/vhost.sock" },
		{ "net_virtio_user", ",path=", "it needs a socket's path: path=/run/vhost.sock" },
	};
	const char *iface = strstr(nic, ",iface=");
	bool of_iface = strncmp(nic, "net_af_", strlen("net_af_")) == 0 && iface != NULL;
	char name[IF_NAMESIZE];

	if (!nic_is_pci(nic) && strncmp(nic, "net_", strlen("net_")) != 0) {
		return node_wrong(why, "net.nic", nic,
				  "neither a PCI address nor a virtual device of DPDK, as in "
				  "net_af_xdp0,iface=eth1");
	}
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		if (strncmp(nic, needs[i].driver, strlen(needs[i].driver)) == 0 &&
		    strstr(nic, needs[i].argument) == NULL) {
			return node_wrong(why, "net.nic", nic, needs[i].says);
		}
	}
	if (of_iface && here) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(iface + 7, ","), iface + 7);
		if (if_nametoindex(name) == 0) {
			return node_wrong(why, "net.nic", nic, "there is no such interface");
		}
	}
	return 0;
}

int
node_net_check(const struct params *p, bool here, char why[NODE_WHY_BYTES])
{
	struct wire_addr at;
	int err;

	if (p->net_listen[0] == '\0') {
		return p->net_nic[0] == '\0'
			       ? 0
			       : node_wrong(why, "net.nic", p->net_nic,
					    "nobody is served there without net.listen");
	}
	err = net_at(p, &at, why);
	if (err == 0 && p->net_nic[0] != '\0') {
		err = nic_check(p->net_nic, here, why);
	}
	return err == 0 && here ? node_file_check(why, "net.keys", p->net_keys) : err;
}

/* A socket a tile, at the ports from that of net.listen on. */
static int
net_sockets(struct node *n, const struct wire_addr *at, uint32_t cnt, struct net_io *ret,
	    char why[NODE_WHY_BYTES])
{
	struct wire_addr here = *at;

	for (uint32_t i = 0; i < cnt; i++) {
		struct sock *s;
		int err;

		here.port = at->port != 0 ? (uint16_t)(at->port + i) : 0;
		err = sock_open(&s, &here);
		if (err != 0) {
			return net_why(n, err, why);
		}
		ret[i] = sock_io(s);
	}
	return 0;
}

/* A NIC answers for one address: it has to be told which. */
static int
net_nic(struct node *n, const struct wire_addr *at, uint32_t cnt, struct net_io *ret,
	char why[NODE_WHY_BYTES])
{
	struct nic_cfg cfg = { .device = n->params.net_nic,
			       .at = *at,
			       .vlan = (uint16_t)n->params.net_vlan,
			       .mtu = (uint16_t)n->params.net_mtu,
			       .queue_cnt = cnt };
	struct topo_why tw = { "" };
	int err = nic_open(ret, &cfg, &tw);

	if (err != 0) {
		return node_fail(why, err, tw.text);
	}
	n->nic = ret[0];
	for (uint32_t i = 0; i < cnt; i++) {
		for (uint32_t k = 0; k < cnt; k++) {
			if (k != i) {
				nic_link(&ret[i], k, node_link(n, TILE_NET, i, TILE_NET, k),
					 node_link(n, TILE_NET, k, TILE_NET, i));
			}
		}
	}
	return 0;
}

static int
net_keys(const struct node *n, struct seal *seal, char why[NODE_WHY_BYTES])
{
	int err = seal_open(seal, n->params.net_keys, true);

	if (err != 0) {
		snprintf(why, NODE_WHY_BYTES, "net.keys = %.200s: %s", n->params.net_keys,
			 err == MB_ERR_DENIED
				 ? "its owner, and nobody else, must be able to read it (chmod 600)"
			 : err == MB_ERR_CONFIG ? "lines of a number and 64 hexadecimal digits"
						: mb_err_text(err));
	}
	return err;
}

/* The tile takes io over. */
static int
net_tile(struct node *n, uint32_t i, struct net_io *io, const struct seal *seal,
	 uint64_t incarnation)
{
	struct door_cfg dc = { .socket = n->socket,
			       .node_id = n->id,
			       .admin = n->params.net_admin,
			       .ways = &n->ways };
	struct net_tile_cfg cfg = { .idx = i,
				    .seal = seal,
				    .keys = seal != NULL ? n->params.net_keys : NULL,
				    .io = *io,
				    .incarnation = incarnation,
				    .memory_bytes = n->params.net_memory & ~(uint64_t)4095 };
	int t = topo_tile_find(n->topo, TILE_NET, i);
	int err = getentropy(cfg.secret, sizeof(cfg.secret)) == 0 ? 0 : MB_ERR_IO;

	if (err == 0) {
		err = door_create(&n->door[i], &dc, &cfg.service);
	}
	if (err == 0) {
		err = net_tile_create(&n->net_tile[i], &cfg);
	}
	if (err == 0) {
		io->ops = NULL;
		net_tile_lcore(n->net_tile[i], n->lcore[n->topo->tile[t].lcore]);
		node_tile_add(n, TILE_NET, i, &net_tile_ops, n->net_tile[i],
			      net_tile_metrics(n->net_tile[i]));
		n->ways.port[i] = net_tile_local(n->net_tile[i]).port;
	}
	return err;
}

int
node_net(struct node *n, char why[NODE_WHY_BYTES])
{
	struct net_io io[NET_TILE_CNT_MAX] = { { 0 } };
	uint32_t cnt = n->topo->want.net_cnt;
	bool sealed = n->params.net_keys[0] != '\0';
	uint64_t incarnation = 0;
	struct wire_addr listen = { .port = 0 };
	struct seal seal;
	int err = cnt != 0 ? net_at(&n->params, &listen, why) : 0;

	if (cnt == 0 || err != 0) {
		return err;
	}
	if (sealed) {
		err = net_keys(n, &seal, why);
	}
	if (err == 0 && getentropy(&incarnation, sizeof(incarnation)) != 0) {
		err = node_fail(why, MB_ERR_IO, strerror(errno));
	}
	if (err == 0) {
		err = n->params.net_nic[0] != '\0' ? net_nic(n, &listen, cnt, io, why)
						   : net_sockets(n, &listen, cnt, io, why);
	}
	n->ways = (struct ways){ .shard_cnt = n->params.cache_tiles, .tile_cnt = cnt };
	for (uint32_t i = 0; i < cnt; i++) {
		if (err == 0) {
			err = net_tile(n, i, &io[i], sealed ? &seal : NULL, incarnation);
			err = err != 0 ? net_why(n, err, why) : 0;
		}
		if (io[i].ops != NULL) {
			io[i].ops->close(io[i].io);
		}
	}
	return err;
}

void
node_net_print(const struct node *n, FILE *out)
{
	for (uint32_t i = 0; i < n->ways.tile_cnt; i++) {
		fprintf(out, "net: port %u, %s, %s\n", n->ways.port[i],
			net_tile_text(n->net_tile[i]),
			n->params.net_keys[0] != '\0' ? "sealed" : "open to whoever reaches it");
	}
}

void
node_net_destroy(struct node *n)
{
	for (uint32_t i = 0; i < NET_TILE_CNT_MAX; i++) {
		if (n->net_tile[i] != NULL) {
			net_tile_destroy(n->net_tile[i]);
		}
		if (n->door[i] != NULL) {
			door_destroy(n->door[i]);
		}
	}
}
