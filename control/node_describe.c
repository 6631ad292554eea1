/* SPDX-License-Identifier: Apache-2.0 */
/* node_describe - the node's part of status and top */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "nic.h"
#include "node_int.h"

static json_t *
node_metrics(const struct metrics_block *b)
{
	json_t *o = json_object();

	for (uint32_t m = 0; m < METRIC_CNT; m++) {
		char name[METRICS_NAME_BYTES_MAX];

		if (metrics_counts((enum metrics_owner)b->owner, (enum metric)m)) {
			metrics_name((enum metrics_owner)b->owner, (enum metric)m, name);
			json_object_set_new(o, name,
					    json_integer(
						    (json_int_t)metrics_get(b, (enum metric)m)));
		}
	}
	return o;
}

static void
node_describe_tiles(struct node *n, json_t *o)
{
	json_t *a = json_array();

	for (uint32_t t = 0; t < n->topo->tile_cnt; t++) {
		const struct topo_tile *tile = &n->topo->tile[t];
		const struct metrics_block *b =
			lcore_tile_metrics(n->lcore[tile->lcore], n->tile_handle[t]);

		json_array_append_new(a,
				      json_pack("{s:s, s:i, s:i, s:I, s:o}", "name", tile->name,
						"lcore", tile->lcore, "cpu", tile->cpu, "busy_ns",
						(json_int_t)metrics_get(b, METRIC_tile_time_busy),
						"metrics", node_metrics(b)));
	}
	json_object_set_new(o, "tiles", a);
	a = json_array();
	for (uint32_t i = 0; i < n->topo->lcore_cnt; i++) {
		json_array_append_new(a, node_metrics(lcore_metrics(n->lcore[i])));
	}
	json_object_set_new(o, "lcores", a);
}

static void
describe_counter(void *ctx, const char *name, uint64_t value)
{
	json_object_set_new(ctx, name, json_integer((json_int_t)value));
}

void
node_describe(void *ctx, void *json, bool top)
{
	struct node *n = ctx;
	json_t *o = json;
	json_t *held = json_object_get(o, "held");
	json_int_t cache_held = 0, gate_cnt = 0;
	char *text = NULL;
	size_t len;
	FILE *f;

	node_describe_tiles(n, o);
	if (top) {
		return;
	}
	json_object_set_new(held, "calls_queued", json_integer(atomic_load(&n->sched.queued)));
	json_object_set_new(held, "calls_running", json_integer(atomic_load(&n->sched.running)));
	json_object_set_new(held, "dag_runs", json_integer(atomic_load(&n->sched.runs)));
	json_object_set_new(held, "requests", json_integer(atomic_load(&n->sched.requests)));
	json_object_set_new(held, "inboxes", json_integer(atomic_load(&n->sched.inboxes)));
	json_object_set_new(held, "messages", json_integer(atomic_load(&n->sched.messages)));
	json_object_set_new(held, "dag_results", json_integer(atomic_load(&n->sched.held)));
	for (uint32_t i = 0; i < n->params.cache_tiles; i++) {
		cache_held += cache_tile_held(n->cache_tile[i]);
	}
	json_object_set_new(held, "cache", json_integer(cache_held));
	for (uint32_t i = 0; i < n->topo->want.gate_cnt; i++) {
		gate_cnt += gate_held(n->gate[i]);
	}
	if (n->gate[0] != NULL) {
		json_object_set_new(held, "gate", json_integer(gate_cnt));
	}
	json_object_set_new(o, "machine",
			    json_pack("{s:i, s:b, s:b, s:s, s:s, s:s}", "cores", n->topo->core_cnt,
				      "huge_pages", n->eal.huge, "root", n->eal.root, "uring",
				      lcore_uring_text(n->lcore[0]), "dpdk", n->eal.version,
				      "memory", n->eal.huge_text));
	json_object_set_new(json_object_get(o, "machine"), "executors_group",
			    node_cgroup_describe(n));
	json_object_set_new(o, "memory",
			    json_pack("{s:I}", "planned_bytes",
				      (json_int_t)topo_memory_bytes(n->topo, PLACE_NUMA_ANY)));
	if (n->ways.tile_cnt > 0) {
		json_object_set_new(o, "net_port", json_integer(n->ways.port[0]));
		json_object_set_new(o, "net", json_string(net_tile_text(n->net_tile[0])));
	}
	if (n->nic.ops != NULL) {
		json_t *counters = json_object();

		nic_counters(&n->nic, describe_counter, counters);
		json_object_set_new(o, "nic", counters);
	}
	f = open_memstream(&text, &len);
	if (f != NULL) {
		topo_print(n->topo, f);
		fclose(f);
		json_object_set_new(o, "plan", json_string(text));
		free(text);
	}
}
