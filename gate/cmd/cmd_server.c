/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_server - commands about the server: CONFIG, TIME */
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_many.h"
#include "timebase.h"

int
cmd_time(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	uint64_t us = timebase_wall_us(timebase_real());
	char text[24];

	gate_array(g, c, 2);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(us / US_PER_S));
	gate_bulk_str(g, c, text);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(us % US_PER_S));
	gate_bulk_str(g, c, text);
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ CONFIG */

struct config_row {
	const char *name;
	const char *value;
};

/* What clients ask for, as Redis names it. */
static uint32_t
config_rows(struct gate *g, struct config_row row[16], char numbers[8][24])
{
	uint32_t n = 0;

	snprintf(numbers[0], 24, "%u", g->cfg.conn_max);
	snprintf(numbers[1], 24, "%llu", (unsigned long long)(g->cfg.idle_ns / NS_PER_S));
	snprintf(numbers[2], 24, "%u", g->port);
	snprintf(numbers[3], 24, "%u", RESP_BULK_MAX);
	snprintf(numbers[4], 24, "%llu", (unsigned long long)g->cfg.store_bytes);
	snprintf(numbers[5], 24, "%lld",
		 g->cfg.slowlog_ns == 0 ? -1LL : (long long)(g->cfg.slowlog_ns / NS_PER_US));
	snprintf(numbers[6], 24, "%u", GATE_SLOW_CNT);
	row[n++] = (struct config_row){ "appendonly", "no" };
	row[n++] = (struct config_row){ "databases", "1" };
	row[n++] = (struct config_row){ "maxclients", numbers[0] };
	row[n++] = (struct config_row){ "maxmemory", numbers[4] };
	row[n++] = (struct config_row){ "maxmemory-policy", "noeviction" };
	row[n++] = (struct config_row){ "notify-keyspace-events", "" };
	row[n++] = (struct config_row){ "port", numbers[2] };
	row[n++] = (struct config_row){ "proto-max-bulk-len", numbers[3] };
	row[n++] = (struct config_row){ "protected-mode", g->cfg.protected_mode ? "yes" : "no" };
	row[n++] = (struct config_row){ "save", "" };
	row[n++] = (struct config_row){ "slowlog-log-slower-than", numbers[5] };
	row[n++] = (struct config_row){ "slowlog-max-len", numbers[6] };
	row[n++] = (struct config_row){ "timeout", numbers[1] };
	row[n++] = (struct config_row){ "unixsocket", g->cfg.socket };
	return n;
}

static int
config_get(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct config_row row[16];
	char numbers[8][24];
	uint32_t n = config_rows(g, row, numbers), hits = 0;
	bool hit[16] = { false };

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 2; k < arg_cnt; k++) {
			hit[i] |= gate_match(arg[k], slice_of(row[i].name, strlen(row[i].name)),
					     true);
		}
		hits += hit[i];
	}
	gate_map(g, c, hits);
	for (uint32_t i = 0; i < n; i++) {
		if (hit[i]) {
			gate_bulk_str(g, c, row[i].name);
			gate_bulk_str(g, c, row[i].value);
		}
	}
	return GATE_DONE;
}

static bool
part_resetstat(struct gate *g, struct gate_ask *a)
{
	memset(g->tally.stat, 0, sizeof(g->tally.stat));
	memset(g->tally.error, 0, sizeof(g->tally.error));
	gate_count_expired(g);
	g->tally.reset = g->tally.total; /* the node's metrics go on */
	return true;
}

static int
config_resetstat(struct gate *g, struct gate_conn *c)
{
	int rc;

	if (gate_ask_all(g, c, part_resetstat, 0, NULL, 0, &rc) == NULL) {
		return rc;
	}
	gate_ok(g, c);
	return GATE_DONE;
}

int
cmd_config(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (gate_word_is(arg[1], "get") && arg_cnt >= 3) {
		return config_get(g, c, arg, arg_cnt);
	}
	if (gate_word_is(arg[1], "resetstat") && arg_cnt == 2) {
		return config_resetstat(g, c);
	}
	if (gate_word_is(arg[1], "set") || gate_word_is(arg[1], "rewrite")) {
		return gate_error(g, c,
				  "ERR the configuration is the node's: see microburst up --help");
	}
	return gate_sub_rest(g, c, arg);
}
