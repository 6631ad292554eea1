/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_node - what clients ask of replicas, clusters and other databases: WAIT, ROLE, CLUSTER, MOVE
 *
 * Owners of a key take the place of replicas: they are no servers that a client could go to, but
 * what is written is answered when so many of them have it (kvs.ack, MB.ACK).
 */
#include <microburst/error.h>

#include "check.h"
#include "commands.h"

/* How many further owners have all that the connection wrote, whatever the store does from now on:
 * by the least that one of its writes was answered by. More may have it, and soon will. */
int
cmd_wait(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t n;

	if (!gate_word_i64(arg[1], &n)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (!gate_word_i64(arg[2], &n)) {
		return gate_error(g, c, "ERR timeout is not an integer or out of range");
	}
	if (n < 0) {
		return gate_error(g, c, "ERR timeout is negative");
	}
	gate_int(g, c, c->further != 0 ? c->further - 1 : g->cfg.further[GATE_ACK_CNT - 1]);
	return GATE_DONE;
}

/* As of a primary without replicas. */
int
cmd_role(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	gate_array(g, c, 3);
	gate_bulk_str(g, c, "master");
	gate_int(g, c, 0);
	gate_array(g, c, 0);
	return GATE_DONE;
}

/* A gate proxies: it is no part of a cluster of Redis's. */
int
cmd_cluster(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return gate_error(g, c, "ERR This instance has cluster support disabled");
}

/* There is one database. */
int
cmd_move(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t db;

	if (!gate_word_i64(arg[2], &db)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (db < INT32_MIN || db > INT32_MAX) {
		return gate_error(g, c,
				  "ERR value is out of range, value must between -2147483648 and "
				  "2147483647");
	}
	return gate_error(g, c,
			  db == 0 ? "ERR source and destination objects are the same"
				  : "ERR DB index is out of range");
}

int
cmd_swapdb(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t first, second;

	if (!gate_word_i64(arg[1], &first)) {
		return gate_error(g, c, "ERR invalid first DB index");
	}
	if (!gate_word_i64(arg[2], &second)) {
		return gate_error(g, c, "ERR invalid second DB index");
	}
	if (first != 0 || second != 0) {
		return gate_error(g, c, "ERR DB index is out of range");
	}
	gate_ok(g, c);
	return GATE_DONE;
}
