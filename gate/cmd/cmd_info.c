/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_info - INFO: what clients and those who watch servers ask for, by Redis's names */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check.h"
#include "commands.h"
#include "gate_many.h"
#include "timebase.h"

#define INFO_BYTES (64u << 10)

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
	uint64_t us = timebase_wall_us(timebase_real());

	uname(&u);
	text_add(t,
		 "# Server\r\nredis_version:7.0.15\r\nredis_git_sha1:00000000\r\n"
		 "redis_git_dirty:0\r\nredis_build_id:0\r\nredis_mode:standalone\r\n"
		 "microburst_version:%s\r\nos:%s %s %s\r\narch_bits:64\r\n"
		 "multiplexing_api:io_uring\r\nprocess_id:%d\r\nrun_id:%016llx%016llx%08x\r\n"
		 "tcp_port:%u\r\nserver_time_usec:%llu\r\nuptime_in_seconds:%llu\r\n"
		 "uptime_in_days:%llu\r\nconfig_file:\r\nio_threads_active:%d\r\n\r\n",
		 MB_VERSION, u.sysname, u.release, u.machine, (int)getpid(),
		 (unsigned long long)g->cfg.node_id, ~(unsigned long long)g->cfg.node_id,
		 (unsigned int)g->cfg.node_id, g->port, (unsigned long long)us,
		 (unsigned long long)up_s, (unsigned long long)(up_s / 86400), g->cfg.gate_cnt > 1);
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
		 "# Clients\r\nconnected_clients:%u\r\ncluster_connections:0\r\n"
		 "maxclients:%u\r\nblocked_clients:%u\r\n"
		 "pubsub_clients:%u\r\ntracking_clients:%u\r\nmicroburst_home_clients:%u\r\n\r\n",
		 gate_conn_all(g), g->client_max, blocked, listening, g->track_conn_cnt,
		 stream_conn_cnt(g->stream));
}

/* The sum of what tiles of a kind count. */
static uint64_t
counted(const struct metrics_block *const *block, uint32_t cnt, enum metric m)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		sum += metrics_get(block[i], m);
	}
	return sum;
}

static uint64_t
rss_bytes(void)
{
	unsigned long long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f != NULL) {
		if (fscanf(f, "%llu %llu", &all, &resident) != 2) { /* NOLINT(cert-err34-c) */
			resident = 0;
		}
		fclose(f);
	}
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A line, and the same for people, as Redis writes it. */
static void
add_bytes(struct text *t, const char *name, uint64_t n)
{
	static const char unit[] = "BKMGTPE";
	double shown = (double)n;
	uint32_t u = 0;

	for (; shown >= 1024 && u + 2 < sizeof(unit); u++) {
		shown /= 1024;
	}
	text_add(t, "%s:%llu\r\n%s_human:%.*f%c\r\n", name, (unsigned long long)n, name,
		 u == 0 ? 0 : 2, shown, unit[u]);
}

/* used_memory is what maxmemory limits: the store's, as of some milliseconds ago. Its peak is the
 * sum of the shards' own ones. */
static void
info_memory(struct gate *g, struct text *t)
{
	uint64_t used = counted(g->cfg.store, g->cfg.store_cnt, METRIC_kvs_memory_used);
	uint64_t peak = counted(g->cfg.store, g->cfg.store_cnt, METRIC_kvs_memory_used_max);
	struct rusage u = { 0 };

	peak = MAX(peak, used);
	getrusage(RUSAGE_SELF, &u);
	text_add(t, "# Memory\r\n");
	add_bytes(t, "used_memory", used);
	add_bytes(t, "used_memory_rss", rss_bytes());
	add_bytes(t, "used_memory_peak", peak);
	text_add(t, "used_memory_peak_perc:%.2f%%\r\n",
		 peak == 0 ? 0.0 : 100.0 * (double)used / (double)peak);
	add_bytes(t, "used_memory_peak_rss", (uint64_t)u.ru_maxrss << 10);
	text_add(t, "used_memory_dataset:%llu\r\n", (unsigned long long)used);
	add_bytes(t, "total_system_memory",
		  (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
	add_bytes(t, "maxmemory", g->cfg.store_bytes);
	text_add(t,
		 "maxmemory_policy:noeviction\r\nmem_clients_normal:%zu\r\n"
		 "mem_clients_slaves:0\r\nmem_clients_limit:%zu\r\nmem_allocator:microburst\r\n"
		 "microburst_tls_used:%zu\r\nmicroburst_cache_used:%llu\r\n\r\n",
		 t->tally->memory, g->cfg.gate_cnt * g->cfg.memory_bytes, t->tally->tls_memory,
		 (unsigned long long)counted(g->cfg.caches, g->cfg.cache_cnt,
					     METRIC_cache_memory_used));
}

static void
info_stats(struct gate *g, struct text *t)
{
	static const char *const lending[] = { [STREAM_LEND_NO] = "no",
					       [STREAM_LEND_AUTO] = "auto",
					       [STREAM_LEND_YES] = "yes" };
	const struct gate_tally *sum = t->tally;
	const struct gate_totals *n = &sum->total;

	text_add(t,
		 "# Stats\r\ntotal_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
		 "total_net_input_bytes:%llu\r\ntotal_net_output_bytes:%llu\r\n"
		 "rejected_connections:%llu\r\ntotal_error_replies:%llu\r\n"
		 "expired_keys:%llu\r\nevicted_keys:0\r\nevicted_clients:%llu\r\n"
		 "keyspace_hits:%llu\r\nkeyspace_misses:%llu\r\n"
		 "sync_full:0\r\nsync_partial_ok:0\r\nsync_partial_err:0\r\n"
		 "latest_fork_usec:0\r\ntotal_forks:0\r\n"
		 "tracking_total_keys:%u\r\npubsub_channels:%u\r\npubsub_patterns:%u\r\n"
		 "pubsubshard_channels:%u\r\n"
		 "microburst_keys_fetched:%llu\r\nmicroburst_operations_published:%llu\r\n"
		 "microburst_zerocopy:%s\r\nmicroburst_zerocopy_bytes:%llu\r\n"
		 "microburst_zerocopy_copied:%llu\r\nmicroburst_values_held:%llu\r\n\r\n",
		 (unsigned long long)n->accept_cnt, (unsigned long long)n->command_cnt,
		 (unsigned long long)n->rx_bytes, (unsigned long long)n->tx_bytes,
		 (unsigned long long)n->refuse_cnt, (unsigned long long)n->error_cnt,
		 (unsigned long long)n->expired_cnt, (unsigned long long)n->evict_cnt,
		 (unsigned long long)n->look_cnt[true], (unsigned long long)n->look_cnt[false],
		 g->track_cnt, g->topic_cnt[TOPIC_CHANNEL], g->topic_cnt[TOPIC_PATTERN],
		 g->topic_cnt[TOPIC_SHARD], (unsigned long long)sum->fetch_cnt,
		 (unsigned long long)sum->op_cnt, lending[stream_lend_tally(g->stream).how],
		 (unsigned long long)sum->lent_bytes, (unsigned long long)sum->copied_cnt,
		 (unsigned long long)sum->held_cnt);
}

static void
info_replication(struct gate *g, struct text *t)
{
	text_add(t,
		 "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
		 "master_failover_state:no-failover\r\nmaster_replid:%016llx%016llx%08x\r\n"
		 "master_repl_offset:0\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:0\r\n\r\n",
		 (unsigned long long)g->cfg.node_id, ~(unsigned long long)g->cfg.node_id,
		 (unsigned int)g->cfg.node_id);
}

static void
info_cpu(struct gate *g, struct text *t)
{
	struct rusage u = { 0 };

	getrusage(RUSAGE_SELF, &u);
	text_add(t,
		 "# CPU\r\nused_cpu_sys:%lld.%06lld\r\nused_cpu_user:%lld.%06lld\r\n"
		 "used_cpu_sys_children:0.000000\r\nused_cpu_user_children:0.000000\r\n\r\n",
		 (long long)u.ru_stime.tv_sec, (long long)u.ru_stime.tv_usec,
		 (long long)u.ru_utime.tv_sec, (long long)u.ru_utime.tv_usec);
}

static void
info_commandstats(struct gate *g, struct text *t)
{
	text_add(t, "# Commandstats\r\n");
	for (uint32_t i = 0; gate_command_at(i) != NULL; i++) {
		const struct gate_stat *stat = &t->tally->stat[i];

		if (stat->calls + stat->rejected != 0) {
			text_add(t,
				 "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,"
				 "rejected_calls=%llu,failed_calls=%llu\r\n",
				 gate_command_at(i)->name, (unsigned long long)stat->calls,
				 (unsigned long long)(stat->ns / NS_PER_US),
				 stat->calls == 0 ? 0.0
						  : (double)stat->ns / (double)NS_PER_US /
							    (double)stat->calls,
				 (unsigned long long)stat->rejected,
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
	text_add(t, "# Persistence\r\nloading:0\r\nasync_loading:0\r\n"
		    "rdb_changes_since_last_save:0\r\nrdb_bgsave_in_progress:0\r\n"
		    "rdb_last_save_time:0\r\nrdb_last_bgsave_status:ok\r\naof_enabled:0\r\n"
		    "aof_rewrite_in_progress:0\r\naof_last_bgrewrite_status:ok\r\n"
		    "aof_last_write_status:ok\r\n\r\n");
}

/* Of this node's shards, as of some milliseconds ago; deleted keys are counted until they are
 * forgotten, and of which have a deadline nobody keeps count. */
static void
info_keyspace(struct gate *g, struct text *t)
{
	uint64_t cnt = counted(g->cfg.store, g->cfg.store_cnt, METRIC_kvs_key_stored);

	text_add(t, "# Keyspace\r\n");
	if (cnt != 0) {
		text_add(t, "db0:keys=%llu,expires=0,avg_ttl=0\r\n", (unsigned long long)cnt);
	}
	text_add(t, "\r\n");
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
	{ "keyspace", info_keyspace, true },
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
	static _Thread_local char text[INFO_BYTES]; /* also when memory of clients is short */
	struct text t = { .p = text, .cap = sizeof(text) };
	const struct gate_ask *a;
	int rc;

	a = gate_ask_all(g, c, gate_part_tally, 0, NULL, 0, &rc);
	if (a == NULL) {
		return rc;
	}
	t.tally = &a->tally;
	for (uint32_t i = 0; i < ARRAY_CNT(info_sections); i++) {
		if (info_wanted(&info_sections[i], arg, arg_cnt)) {
			info_sections[i].add(g, &t);
		}
	}
	/* A blank line between two sections, none behind the last one. */
	gate_text(g, c, slice_of(t.p, t.len >= 2 ? t.len - 2 : 0));
	return GATE_DONE;
}
