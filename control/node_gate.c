/* SPDX-License-Identifier: Apache-2.0 */
/* node_gate - the node's part in serving Redis clients */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lcore.h"
#include "node_int.h"

bool
node_has_gate(const struct params *p)
{
	return p->gate_listen[0] != '\0' || p->gate_tls_listen[0] != '\0' ||
	       p->gate_socket[0] != '\0';
}

void
node_gate_ctl(struct node *n, struct ctl *c)
{
	struct ctl_tile_link *t = &c->tile[CTL_TILE_CACHE + c->cfg.cache_cnt];

	t->to = node_link(n, TILE_CTL, 0, TILE_GATE, 0);
	t->from = node_link(n, TILE_GATE, 0, TILE_CTL, 0);
	t->lcore = n->topo->tile[topo_tile_find(n->topo, TILE_GATE, 0)].lcore;
}

/* The command line stands beside this program, or where the build or the installation put it. */
static void
cli_find(char ret[NODE_PATH_BYTES])
{
	static const char *const places[] = { "cli/microburst", "../bin/microburst", "microburst" };
	char self[NODE_PATH_BYTES];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash != NULL && i < sizeof(places) / sizeof(places[0]); i++) {
		if (snprintf(ret, NODE_PATH_BYTES, "%.*s/%s", (int)(slash - self), self,
			     places[i]) < NODE_PATH_BYTES &&
		    access(ret, X_OK) == 0) {
			return;
		}
	}
	ret[0] = '\0';
}

/* As kvs_core answers: a quorum is more than half of the owners. */
static void
further_fill(const struct node *n, uint32_t ret[GATE_ACK_CNT])
{
	uint32_t others = MIN(n->params.kvs_replication, n->params.kvs_tiles) - 1;

	static_assert(KVS_ACK_ALL == GATE_ACK_CNT - 1, "a number for each");
	ret[KVS_ACK_LOCAL] = ret[KVS_ACK_ONE] = 0;
	ret[KVS_ACK_QUORUM] = (others + 1) / 2;
	ret[KVS_ACK_ALL] = others;
	ret[KVS_ACK_DEFAULT] = ret[node_ack(n)];
}

int
node_gate(struct node *n, char why[NODE_WHY_BYTES])
{
	static char cli[NODE_PATH_BYTES]; /* for as long as the gate is there */
	const struct params *p = &n->params;
	struct lcore *lcore = n->lcore[n->topo->tile[topo_tile_find(n->topo, TILE_GATE, 0)].lcore];
	struct gate_cfg cfg = {
		.lcore = lcore,
		.to_ctl = node_link(n, TILE_GATE, 0, TILE_CTL, 0),
		.from_ctl = node_link(n, TILE_CTL, 0, TILE_GATE, 0),
		.daemon = &n->region,
		.cache = n->cache,
		.cache_bytes = n->cache_plan.bytes,
		.listen = p->gate_listen,
		.socket = p->gate_socket,
		.tls_listen = p->gate_tls_listen,
		.tls_cert = p->gate_tls_cert,
		.tls_key = p->gate_tls_key,
		.tls_ca = p->gate_tls_ca,
		.node_socket = n->socket,
		.cli = cli,
		.load = p->gate_load,
		.password = p->gate_password,
		.users = p->gate_users,
		.protected_mode = p->gate_protected,
		.conn_max = p->gate_connections,
		.memory_bytes = p->gate_memory,
		.idle_ns = p->gate_idle,
		.slow_ns = p->gate_slow,
		.slowlog_ns = p->gate_slowlog,
		.backlog_bytes = p->gate_backlog,
		.node_id = n->id,
	};
	int err;

	further_fill(n, cfg.further);
	cli_find(cli);
	err = ctl_inner_add(n->ctl, "gate", lcore_bell(lcore)->fd, false, &cfg.inner);

	if (err == 0) {
		err = gate_create(&n->gate, &cfg);
		if (err != 0 && err != MB_ERR_NO_MEMORY) {
			snprintf(why, NODE_WHY_BYTES, "Redis clients cannot be served (gate.*): %s",
				 err == MB_ERR_EXISTS    ? "somebody listens there already"
				 : err == MB_ERR_INVALID ? "no address of this machine, or the "
							   "line above tells"
							 : mb_err_text(err));
		}
	}
	if (err == 0) {
		node_tile_add(n, TILE_GATE, 0, &gate_tile_ops, n->gate, gate_metrics(n->gate));
	}
	return err;
}
