/* SPDX-License-Identifier: Apache-2.0 */
/* node_gate - the node's part in serving Redis clients */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lcore.h"
#include "node_int.h"

#define MEMORY_MIN (4u << 20) /* of gate.memory in params.def */

bool
node_has_gate(const struct params *p)
{
	return p->gate_listen[0] != '\0' || p->gate_tls_listen[0] != '\0' ||
	       p->gate_socket[0] != '\0';
}

void
node_gate_ctl(struct node *n, struct ctl *c)
{
	for (uint32_t i = 0; i < n->topo->want.gate_cnt; i++) {
		struct ctl_tile_link *t = &c->tile[CTL_TILE_CACHE + c->cfg.cache_cnt + i];

		t->to = node_link(n, TILE_CTL, 0, TILE_GATE, i);
		t->from = node_link(n, TILE_GATE, i, TILE_CTL, 0);
		t->lcore = n->topo->tile[topo_tile_find(n->topo, TILE_GATE, i)].lcore;
	}
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

/* They share gate.memory; each has at least what one can work with. */
size_t
node_gate_memory(const struct params *p)
{
	return MAX(p->gate_memory / p->gate_tiles, (size_t)MEMORY_MIN) & ~(size_t)4095;
}

static int
node_gate_tile(struct node *n, uint32_t idx, char why[NODE_WHY_BYTES])
{
	static char cli[NODE_PATH_BYTES]; /* for as long as the gate is there */
	const struct params *p = &n->params;
	int tile = topo_tile_find(n->topo, TILE_GATE, idx);
	struct lcore *lcore = n->lcore[n->topo->tile[tile].lcore];
	struct gate_cfg cfg = {
		.lcore = lcore,
		.idx = idx,
		.gate_cnt = n->topo->want.gate_cnt,
		.to_ctl = node_link(n, TILE_GATE, idx, TILE_CTL, 0),
		.from_ctl = node_link(n, TILE_CTL, 0, TILE_GATE, idx),
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
		.load_ns = p->gate_load_time,
		/* Whoever another gate than home gets has said it, and is the user default. */
		.password = idx == 0 ? p->gate_password : "",
		.users = idx == 0 ? p->gate_users : "",
		.protected_mode = p->gate_protected,
		.lending = strcmp(p->gate_zerocopy, "no") == 0    ? STREAM_LEND_NO
			   : strcmp(p->gate_zerocopy, "yes") == 0 ? STREAM_LEND_YES
								  : STREAM_LEND_AUTO,
		.lend_min = (uint32_t)p->gate_zerocopy_min,
		.conn_max = p->gate_connections,
		.memory_bytes = node_gate_memory(p),
		.idle_ns = p->gate_idle,
		.slow_ns = p->gate_slow,
		.slow_rate = p->gate_slow_rate,
		.slowlog_ns = p->gate_slowlog,
		.backlog_bytes = p->gate_backlog,
		.node_id = n->id,
		.wall_ns = n->wall_ns,
		.store = n->kvs_count,
		.store_cnt = p->kvs_tiles,
		.store_bytes = p->kvs_bytes,
		.caches = n->cache_count,
		.cache_cnt = p->cache_tiles,
	};
	int err;

	further_fill(n, cfg.further);
	cli_find(cli);
	for (uint32_t i = 0; i < cfg.gate_cnt; i++) {
		if (i != idx && (i == 0 || idx == 0)) {
			cfg.to_gate[i] = node_link(n, TILE_GATE, idx, TILE_GATE, i);
			cfg.from_gate[i] = node_link(n, TILE_GATE, i, TILE_GATE, idx);
		}
	}
	err = ctl_inner_add(n->ctl, "gate", lcore_bell(lcore)->fd, false, &cfg.inner);

	if (err == 0) {
		err = gate_create(&n->gate[idx], &cfg);
		if (err != 0 && err != MB_ERR_NO_MEMORY) {
			snprintf(why, NODE_WHY_BYTES, "Redis clients cannot be served (gate.*): %s",
				 err == MB_ERR_EXISTS    ? "somebody listens there already"
				 : err == MB_ERR_INVALID ? "no address of this machine, or the "
							   "line above tells"
							 : mb_err_text(err));
		}
	}
	if (err == 0) {
		node_tile_add(n, TILE_GATE, idx, &gate_tile_ops, n->gate[idx],
			      gate_metrics(n->gate[idx]));
	}
	return err;
}

int
node_gate(struct node *n, char why[NODE_WHY_BYTES])
{
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < n->topo->want.gate_cnt; i++) {
		err = node_gate_tile(n, i, why);
	}
	return err;
}

void
node_gate_print(const struct node *n, FILE *out)
{
	if (n->gate[0] != NULL && gate_port(n->gate[0]) != 0) {
		fprintf(out, "Redis clients: port %u\n", gate_port(n->gate[0]));
	}
	if (n->gate[0] != NULL && gate_tls_port(n->gate[0]) != 0) {
		fprintf(out, "Redis clients over TLS: port %u\n", gate_tls_port(n->gate[0]));
	}
}

void
node_gate_destroy(struct node *n)
{
	for (uint32_t i = 0; i < GATE_TILE_CNT_MAX; i++) {
		if (n->gate[i] != NULL) {
			gate_destroy(n->gate[i]);
		}
	}
}
