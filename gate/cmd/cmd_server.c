/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_server - commands about the server: INFO, CONFIG, TIME */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_many.h"
#include "timebase.h"

#define INFO_BYTES (64u << 10)

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

/* ------------------------------------------------------------------------ INFO */

struct text {
	char *p;
	size_t len, cap;
	const struct gate_tally *tally; /* of all gates */
};

static void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
text_add(struct text *t, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->p + t->len, t->cap - t->len, format, ap);
	va_end(ap);
	t->len = MIN(t->len + (n > 0 ? (size_t)n : 0), t->cap - 1);
}

static void
info_server(struct gate *g, struct text *t)
{
	struct utsname u = { 0 };
	uint64_t up_s = (g->now_ns - g->began_ns) / NS_PER_S;

	uname(&u);
	text_add(t,
		 "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n"
		 "microburst_version:%s\r\nos:%s %s %s\r\narch_bits:64\r\n"
		 "multiplexing_api:io_uring\r\nprocess_id:%d\r\nrun_id:%016llx%016llx%08x\r\n"
		 "tcp_port:%u\r\nuptime_in_seconds:%llu\r\nuptime_in_days:%llu\r\n\r\n",
		 MB_VERSION, u.sysname, u.release, u.machine, (int)getpid(),
		 (unsigned long long)g->cfg.node_id, ~(unsigned long long)g->cfg.node_id,
		 (unsigned int)g->cfg.node_id, g->port, (unsigned long long)up_s,
		 (unsigned long long)(up_s / 86400));
}

static void
info_clients(struct gate *g, struct text *t)
{
	uint32_t blocked = 0, listening = 0;

	for (uint32_t i = 0; i < g->cfg.conn_max; i++) {
		blocked += g->conn[i].used && (g->conn[i].blocked || g->conn[i].halted);
		listening += g->conn[i].used && gate_listens(&g->conn[i]);
	}
	text_add(t,
		 "# Clients\r\nconnected_clients:%u\r\nmaxclients:%u\r\nblocked_clients:%u\r\n"
		 "pubsub_clients:%u\r\ntracking_clients:%u\r\nmicroburst_home_clients:%u\r\n\r\n",
		 gate_conn_all(g), g->cfg.conn_max, blocked, listening, g->track_conn_cnt,
		 stream_conn_cnt(g->stream));
}

static void
info_memory(struct gate *g, struct text *t)
{
	struct rusage u = { 0 };

	getrusage(RUSAGE_SELF, &u);
	text_add(t,
		 "# Memory\r\nused_memory_peak_rss:%llu\r\nmaxmemory:0\r\n"
		 "maxmemory_policy:noeviction\r\nmem_clients_normal:%zu\r\n"
		 "mem_clients_limit:%zu\r\n\r\n",
		 (unsigned long long)u.ru_maxrss << 10, t->tally->memory,
		 g->cfg.gate_cnt * g->cfg.memory_bytes);
}

static void
info_stats(struct gate *g, struct text *t)
{
	static const char *const lending[] = { [STREAM_LEND_NO] = "no",
					       [STREAM_LEND_AUTO] = "auto",
					       [STREAM_LEND_YES] = "yes" };
	const struct gate_tally *sum = t->tally;

	text_add(t,
		 "# Stats\r\ntotal_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
		 "total_net_input_bytes:%llu\r\ntotal_net_output_bytes:%llu\r\n"
		 "rejected_connections:%llu\r\ntotal_error_replies:%llu\r\n"
		 "tracking_total_keys:%u\r\npubsub_channels:%u\r\npubsub_patterns:%u\r\n"
		 "pubsubshard_channels:%u\r\n"
		 "microburst_keys_fetched:%llu\r\nmicroburst_operations_published:%llu\r\n"
		 "microburst_zerocopy:%s\r\nmicroburst_zerocopy_bytes:%llu\r\n"
		 "microburst_zerocopy_copied:%llu\r\nmicroburst_values_held:%llu\r\n\r\n",
		 (unsigned long long)sum->accept_cnt, (unsigned long long)sum->command_cnt,
		 (unsigned long long)sum->rx_bytes, (unsigned long long)sum->tx_bytes,
		 (unsigned long long)sum->refuse_cnt, (unsigned long long)sum->error_cnt,
		 g->track_cnt, g->topic_cnt[TOPIC_CHANNEL], g->topic_cnt[TOPIC_PATTERN],
		 g->topic_cnt[TOPIC_SHARD], (unsigned long long)sum->fetch_cnt,
		 (unsigned long long)sum->op_cnt, lending[stream_lend_tally(g->stream).how],
		 (unsigned long long)sum->lent_bytes, (unsigned long long)sum->copied_cnt,
		 (unsigned long long)sum->held_cnt);
}

static void
info_replication(struct gate *g, struct text *t)
{
	text_add(t, "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
		    "master_repl_offset:0\r\n\r\n");
}

static void
info_cpu(struct gate *g, struct text *t)
{
	struct rusage u = { 0 };

	getrusage(RUSAGE_SELF, &u);
	text_add(t, "# CPU\r\nused_cpu_sys:%lld.%06lld\r\nused_cpu_user:%lld.%06lld\r\n\r\n",
		 (long long)u.ru_stime.tv_sec, (long long)u.ru_stime.tv_usec,
		 (long long)u.ru_utime.tv_sec, (long long)u.ru_utime.tv_usec);
}

static void
info_commandstats(struct gate *g, struct text *t)
{
	text_add(t, "# Commandstats\r\n");
	for (uint32_t i = 0; gate_command_at(i) != NULL; i++) {
		const struct gate_stat *stat = &t->tally->stat[i];

		if (stat->calls != 0) {
			text_add(t,
				 "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,"
				 "rejected_calls=0,failed_calls=%llu\r\n",
				 gate_command_at(i)->name, (unsigned long long)stat->calls,
				 (unsigned long long)(stat->ns / NS_PER_US),
				 (double)stat->ns / (double)NS_PER_US / (double)stat->calls,
				 (unsigned long long)stat->failed);
		}
	}
	text_add(t, "\r\n");
}

/* The power of two of microseconds that a share of a command's calls did not exceed. */
static unsigned long long
latency_of(const struct gate_stat *stat, uint64_t all, double share)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < GATE_LATENCY_CNT; i++) {
		sum += stat->latency[i];
		if ((double)sum >= share * (double)all) {
			return 1ULL << i;
		}
	}
	return 1ULL << (GATE_LATENCY_CNT - 1);
}

static void
info_latencystats(struct gate *g, struct text *t)
{
	text_add(t, "# Latencystats\r\n");
	for (uint32_t i = 0; gate_command_at(i) != NULL; i++) {
		const struct gate_stat *stat = &t->tally->stat[i];
		uint64_t all = 0;

		for (uint32_t k = 0; k < GATE_LATENCY_CNT; k++) {
			all += stat->latency[k];
		}
		if (all != 0) {
			text_add(t,
				 "latency_percentiles_usec_%s:p50=%llu.000,p99=%llu.000,"
				 "p99.9=%llu.000\r\n",
				 gate_command_at(i)->name, latency_of(stat, all, 0.5),
				 latency_of(stat, all, 0.99), latency_of(stat, all, 0.999));
		}
	}
	text_add(t, "\r\n");
}

static void
info_modules(struct gate *g, struct text *t)
{
	text_add(t, "# Modules\r\n\r\n");
}

static void
info_errorstats(struct gate *g, struct text *t)
{
	text_add(t, "# Errorstats\r\n");
	for (uint32_t i = 0; i < GATE_ERROR_CNT && t->tally->error[i].cnt > 0; i++) {
		text_add(t, "errorstat_%s:count=%llu\r\n", t->tally->error[i].word,
			 (unsigned long long)t->tally->error[i].cnt);
	}
	text_add(t, "\r\n");
}

static void
info_cluster(struct gate *g, struct text *t)
{
	text_add(t, "# Cluster\r\ncluster_enabled:0\r\n\r\n");
}

static void
info_persistence(struct gate *g, struct text *t)
{
	text_add(t, "# Persistence\r\nloading:0\r\nrdb_bgsave_in_progress:0\r\n"
		    "aof_enabled:0\r\naof_rewrite_in_progress:0\r\n\r\n");
}

static const struct info_section {
	const char *name;
	void (*add)(struct gate *g, struct text *t);
	bool usual;
} info_sections[] = {
	{ "server", info_server, true },
	{ "clients", info_clients, true },
	{ "memory", info_memory, true },
	{ "persistence", info_persistence, true },
	{ "stats", info_stats, true },
	{ "replication", info_replication, true },
	{ "cpu", info_cpu, true },
	{ "modules", info_modules, true },
	{ "commandstats", info_commandstats, false },
	{ "errorstats", info_errorstats, true },
	{ "latencystats", info_latencystats, false },
	{ "cluster", info_cluster, true },
};

static bool
info_wanted(const struct info_section *s, const struct slice *arg, uint32_t arg_cnt)
{
	bool wanted = arg_cnt == 1 && s->usual;

	for (uint32_t i = 1; i < arg_cnt; i++) {
		wanted |= gate_word_is(arg[i], s->name) || gate_word_is(arg[i], "all") ||
			  gate_word_is(arg[i], "everything") ||
			  (s->usual && gate_word_is(arg[i], "default"));
	}
	return wanted;
}

int
cmd_info(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct text t = { .cap = INFO_BYTES };
	const struct gate_ask *a;
	int rc;

	a = gate_ask_all(g, c, gate_part_tally, 0, NULL, 0, &rc);
	if (a == NULL) {
		return rc;
	}
	t.tally = &a->tally;
	if (!gate_conn_keep(g, c, INFO_BYTES)) {
		return gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	t.p = (char *)c->keep;
	for (uint32_t i = 0; i < ARRAY_CNT(info_sections); i++) {
		if (info_wanted(&info_sections[i], arg, arg_cnt)) {
			info_sections[i].add(g, &t);
		}
	}
	gate_bulk(g, c, slice_of(t.p, t.len));
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
	row[n++] = (struct config_row){ "appendonly", "no" };
	row[n++] = (struct config_row){ "databases", "1" };
	row[n++] = (struct config_row){ "maxclients", numbers[0] };
	row[n++] = (struct config_row){ "maxmemory", "0" };
	row[n++] = (struct config_row){ "maxmemory-policy", "noeviction" };
	row[n++] = (struct config_row){ "port", numbers[2] };
	row[n++] = (struct config_row){ "proto-max-bulk-len", numbers[3] };
	row[n++] = (struct config_row){ "protected-mode", g->cfg.protected_mode ? "yes" : "no" };
	row[n++] = (struct config_row){ "save", "" };
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
