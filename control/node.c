/* SPDX-License-Identifier: Apache-2.0 */
/* node - see node.h for the order of things */
#include "node.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache_region.h"
#include "cache_tile.h"
#include "check.h"
#include "ctl.h"
#include "ctl_catalog.h"
#include "eal.h"
#include "kvs_tile.h"
#include "log.h"
#include "metrics.h"
#include "node_int.h"
#include "place.h"
#include "rng.h"
#include "sched_tile.h"
#include "telemetry.h"
#include "zygote.h"

#define LOAD_TIMEOUT_NS (10 * NS_PER_S) /* of an executor, user's MB_INITs included */
#define DRAIN_NS        (2 * NS_PER_S)
/* Who is awaited needs the only cpu, and a yield gives none to other sessions (autogroup): unless
 * he sends from a cpu that is none of ours (lcore_cfg.far_spin_ns). */
#define ONE_CPU_SPIN_NS (10 * NS_PER_US)

int
node_fail(char why[NODE_WHY_BYTES], int err, const char *text)
{
	if (why[0] == '\0') {
		snprintf(why, NODE_WHY_BYTES, "%s", text);
	}
	return err;
}

/* ------------------------------------------------------------------- plan */

static int
node_plan(struct node *n, const char *other, FILE *out, char why[NODE_WHY_BYTES])
{
	const struct params *p = &n->params;
	struct topo_params tp;
	struct topo_why tw = { "" };
	int err;

	n->topo = calloc(1, sizeof(*n->topo));
	n->machine = calloc(1, sizeof(*n->machine));
	if (n->topo == NULL || n->machine == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	topo_params_default(&tp);
	tp.cache_cnt = p->cache_tiles;
	tp.kvs_cnt = p->kvs_tiles;
	tp.gate_cnt = node_has_gate(p) ? p->gate_tiles : 0;
	tp.net_cnt = p->net_listen[0] != '\0' ? p->net_tiles : 0;
	tp.lcore_cnt = p->node_lcores;
	tp.executor_cnt = p->executor_count;
	tp.spare_cnt = p->executor_spares;
	err = place_load(other, p->node_cores, n->machine, &tw);
	if (err == 0) {
		if (other == NULL) {
			node_net_home(n, &tp);
		}
		err = topo_build(&tp, n->machine, n->topo, &tw);
	}
	if (err == 0) {
		struct region_layout d = region_layout(REGION_DAEMON);
		struct region_layout r = region_layout(REGION_PROCESS);

		err = node_cache_plan(p, &n->cache_plan, why);
		if (err != 0) {
			return err;
		}
		topo_memory_add(n->topo, "daemon region", 0, 1, d.bytes);
		topo_memory_add(n->topo, "executor region", 0,
				(uint32_t)(n->topo->executor_cnt + n->topo->spare_cnt), r.bytes);
		topo_memory_add(n->topo, "cache region", 0, 1, n->cache_plan.bytes);
		if (node_has_gate(p)) {
			topo_memory_add(n->topo, "gate", 0, p->gate_tiles,
					r.bytes + node_gate_memory(p));
		}
		topo_memory_add(n->topo, "kvs shard", 0, p->kvs_tiles, p->kvs_bytes / p->kvs_tiles);
		if (tp.net_cnt > 0) {
			topo_memory_add(n->topo, "net messages", 0, tp.net_cnt,
					p->net_memory + DOOR_LARGE_BYTES);
		}
		err = topo_validate(n->topo, &tw);
	}
	if (err == 0) {
		err = classes_parse(&n->classes, p->executor_classes, n->topo->executor_cnt,
				    tw.text, sizeof(tw.text));
	}
	if (err != 0) {
		return node_fail(why, err, tw.text);
	}
	topo_print(n->topo, out);
	return 0;
}

/* ------------------------------------------------------- lcores and links */

static bool
node_runs_executor(const struct node *n, int cpu)
{
	for (uint32_t i = 0; i < n->topo->executor_cnt; i++) {
		if ((int)n->topo->executor[i].cpu == cpu) {
			return true;
		}
	}
	return false;
}

static int
node_lcores(struct node *n, char why[NODE_WHY_BYTES])
{
	cpu_set_t lcore_cpus;

	CPU_ZERO(&lcore_cpus);
	for (uint32_t i = 0; i < n->topo->lcore_cnt; i++) {
		CPU_SET(n->topo->lcore[i].cpu, &lcore_cpus);
	}
	for (uint32_t i = 0; i < n->topo->lcore_cnt; i++) {
		struct lcore_cfg cfg;
		int err;

		lcore_cfg_default(&cfg);
		cfg.idx = i;
		cfg.cpu = n->topo->lcore[i].cpu;
		cfg.lcore_cpus = lcore_cpus;
		cfg.drain_ns = DRAIN_NS;
		cfg.await_ns = node_runs_executor(n, cfg.cpu) ? 0 : cfg.await_ns;
		cfg.spin_ns = n->topo->cpu_cnt == 1 ? ONE_CPU_SPIN_NS : cfg.spin_ns;
		node_spin(n, i, &cfg);
		err = lcore_create(&cfg, &n->lcore[i]);
		if (err != 0) {
			return node_fail(
				why, err,
				err == MB_ERR_NO_URING
					? "this kernel has no io_uring that can be used: it needs "
					  "Linux 5.13, kernel.io_uring_disabled=0, and in a "
					  "container a seccomp profile that passes io_uring_*"
				: err == MB_ERR_NO_MEMORY
					? "no memory for an lcore: its io_uring is locked, "
					  "see RLIMIT_MEMLOCK (ulimit -l)"
					: mb_err_text(err));
		}
	}
	for (uint32_t i = 0; i < n->topo->link_cnt; i++) {
		const struct topo_link *l = &n->topo->link[i];
		uint32_t to_lcore = n->topo->tile[l->to].lcore;
		struct link_cfg cfg = { .name = l->name,
					.depth = l->depth,
					.full = l->full,
					.bell = l->same_lcore ? NULL
							      : lcore_bell(n->lcore[to_lcore]) };

		n->link_mem[i] = aligned_alloc(link_align(),
					       ALIGN_UP(link_footprint(l->depth), link_align()));
		if (n->link_mem[i] == NULL) {
			return MB_ERR_NO_MEMORY;
		}
		n->link[i] = link_init(n->link_mem[i], &cfg);
	}
	return 0;
}

struct link *
node_link(struct node *n, enum tile_kind from, uint32_t from_idx, enum tile_kind to,
	  uint32_t to_idx)
{
	int i = topo_link_find(n->topo, (uint32_t)topo_tile_find(n->topo, from, from_idx),
			       (uint32_t)topo_tile_find(n->topo, to, to_idx));

	REQUIRE(i >= 0);
	return n->link[i];
}

/* ------------------------------------------------------------------ tiles */

void
node_tile_add(struct node *n, enum tile_kind kind, uint32_t idx, const struct tile_ops *ops,
	      void *ctx, struct metrics_block *metrics)
{
	int t = topo_tile_find(n->topo, kind, idx);

	REQUIRE(t >= 0);
	n->tile_handle[t] = lcore_tile_add(n->lcore[n->topo->tile[t].lcore], ops, ctx, metrics);
}

static void
cpu_set_add(uint8_t *set, uint32_t cpu)
{
	set[cpu / 8] |= (uint8_t)(1 << (cpu % 8));
}

static void
node_ctl_config(struct node *n, const char *executor_path, const char *sandbox,
		struct ctl_config *cfg)
{
	const struct params *p = &n->params;

	*cfg = (struct ctl_config){
		.cache_cnt = p->cache_tiles,
		.inner_cnt = n->topo->want.gate_cnt,
		.lcore_cnt = MIN(n->topo->lcore_cnt, (uint32_t)TILE_PORT_CNT),
		.executor_cnt = n->topo->executor_cnt,
		.spare_cnt = n->topo->spare_cnt,
		.classes = n->classes,
		.executor_memory = p->executor_memory,
		.cgroup = &n->cgroup,
		.dag_split_ns = p->sched_dag_split,
		.unpin_ns = p->executor_unpin,
		.sched_log = &n->sched.log,
		.executor_spin_ns = p->executor_spin,
		.client_spin_ns = p->client_spin,
		.grace_ns = p->executor_deadline_grace,
		.lease_ns = p->executor_lease,
		.load_timeout_ns = LOAD_TIMEOUT_NS,
		.client_max = p->client_count_max,
		.payload_budget = p->executor_payload_budget,
		.executor_path = executor_path,
		.socket_path = n->socket,
		.sandbox = sandbox,
		.node_id = n->id,
		.wall_ns = n->wall_ns,
	};
	for (uint32_t i = 0; i < n->topo->lcore_cnt; i++) {
		cpu_set_add(cfg->cpu_daemon, n->topo->lcore[i].cpu);
	}
	for (uint32_t i = 0; i < n->topo->executor_cnt; i++) {
		cfg->executor_cpu[i] = n->topo->executor[i].cpu;
		cpu_set_add(cfg->cpu_exec, n->topo->executor[i].cpu);
	}
	for (uint32_t i = 0; i < n->topo->spare_cnt && i < EXECUTOR_CNT_MAX; i++) {
		cfg->spare_cpu[i] = n->topo->spare[i].cpu;
	}
}

static void
node_down(void *ctx)
{
	node_stop(ctx);
}

static int
node_ctl(struct node *n, const char *executor_path, const char *sandbox)
{
	struct ctl_config cfg;
	struct ctl *c;
	int err;

	node_ctl_config(n, executor_path, sandbox, &cfg);
	err = ctl_create(&n->ctl, &cfg, n->lcore[0]);
	if (err != 0) {
		return err;
	}
	c = n->ctl;
	c->peers = &n->peers;
	c->region = &n->region;
	c->region_fd = n->region_fd;
	c->hints_fd = n->hints_fd;
	c->cache_fd = n->cache_fd;
	c->hints = n->hints;
	for (uint32_t i = 0; i < cfg.lcore_cnt; i++) {
		c->bell_fd[i] = lcore_bell(n->lcore[i])->fd;
	}
	c->zygote_fd = n->zygote_fd;
	c->zygote_pid = n->zygote_pid;
	n->zygote_fd = -1;
	c->down = node_down;
	c->describe = node_describe;
	c->node = n;
	c->tile[CTL_TILE_SCHED].to = node_link(n, TILE_CTL, 0, TILE_SCHED, 0);
	c->tile[CTL_TILE_SCHED].from = node_link(n, TILE_SCHED, 0, TILE_CTL, 0);
	c->tile[CTL_TILE_SCHED].lcore = n->topo->tile[topo_tile_find(n->topo, TILE_SCHED, 0)].lcore;
	for (uint32_t i = 0; i < cfg.cache_cnt; i++) {
		struct ctl_tile_link *t = &c->tile[CTL_TILE_CACHE + i];

		t->to = node_link(n, TILE_CTL, 0, TILE_CACHE, i);
		t->from = node_link(n, TILE_CACHE, i, TILE_CTL, 0);
		t->lcore = n->topo->tile[topo_tile_find(n->topo, TILE_CACHE, i)].lcore;
	}
	if (node_has_gate(&n->params)) {
		node_gate_ctl(n, c);
	}
	err = procs_create(&c->procs, &n->peers, cfg.payload_budget, n->eal.huge);
	if (err == 0) {
		err = ports_create(&c->ports, &n->region, n->hints, PORT_CTL);
	}
	if (err == 0) {
		node_tile_add(n, TILE_CTL, 0, &ctl_tile_ops, c, NULL);
	}
	return err;
}

/* The daemon's slab: a part for each cache tile, and one for sched. */
static size_t
node_slab_part(const struct node *n)
{
	return n->region.at.slab_bytes / (CACHE_TILE_CNT_MAX + 1) & ~(size_t)4095;
}

static int
node_sched(struct node *n)
{
	struct sched_tile *t = &n->sched;
	struct placement *table = (struct placement *)(void *)(n->region.rw + n->region.at.table);
	size_t part = node_slab_part(n);
	struct sched_tile_cfg cfg = {
		.queue_max = n->params.sched_queue_max,
		.seed = n->id,
		.wall_ns = n->wall_ns,
		.result_ttl_ns = n->params.sched_result_ttl,
		.lease_ns = n->params.executor_lease,
		.slab = n->region.rw + n->region.at.slab + part * CACHE_TILE_CNT_MAX,
		.slab_bytes = part,
		.slab_off = n->region.at.slab + part * CACHE_TILE_CNT_MAX,
	};
	int err;

	t->peers = &n->peers;
	t->tb = timebase_real();
	t->to_ctl = node_link(n, TILE_SCHED, 0, TILE_CTL, 0);
	t->from_ctl = node_link(n, TILE_CTL, 0, TILE_SCHED, 0);
	err = ports_create(&t->ports, &n->region, n->hints, PORT_SCHED);
	if (err == 0) {
		err = sched_tile_init(t, table, n->hints, &cfg);
	}
	if (err == 0) {
		node_tile_add(n, TILE_SCHED, 0, &sched_tile_ops, t, NULL);
	}
	return err;
}

enum kvs_ack
node_ack(const struct node *n)
{
	static const char *const word[] = {
		[KVS_ACK_LOCAL] = "local",
		[KVS_ACK_ONE] = "one",
		[KVS_ACK_QUORUM] = "quorum",
		[KVS_ACK_ALL] = "all",
	};

	for (uint32_t i = KVS_ACK_LOCAL; i < ARRAY_CNT(word); i++) {
		if (strcmp(n->params.kvs_ack, word[i]) == 0) {
			return (enum kvs_ack)i;
		}
	}
	return MIN(n->params.kvs_replication, n->params.kvs_tiles) > 1 ? KVS_ACK_QUORUM
								       : KVS_ACK_ONE;
}

static int
node_cache_tile(struct node *n, uint32_t i)
{
	size_t part = node_slab_part(n);
	struct cache_tile_cfg cfg = {
		.idx = i,
		.base = n->cache,
		.layout = &n->cache_plan,
		.ring = n->ring,
		.kvs_cnt = n->params.kvs_tiles,
		.ack = node_ack(n),
		.to_ctl = node_link(n, TILE_CACHE, i, TILE_CTL, 0),
		.from_ctl = node_link(n, TILE_CTL, 0, TILE_CACHE, i),
		.region = &n->region,
		.slab = n->region.rw + n->region.at.slab + part * i,
		.slab_bytes = part,
		.slab_off = n->region.at.slab + part * i,
		.hints = n->hints,
		.peers = &n->peers,
	};
	int err;

	while (cfg.writer == 0) {
		cfg.writer = rng_u64(&n->rng);
	}
	for (uint32_t k = 0; k < cfg.kvs_cnt; k++) {
		cfg.to_kvs[k] = node_link(n, TILE_CACHE, i, TILE_KVS, k);
		cfg.from_kvs[k] = node_link(n, TILE_KVS, k, TILE_CACHE, i);
	}
	err = cache_tile_create(&n->cache_tile[i], &cfg);
	if (err == 0) {
		node_tile_add(n, TILE_CACHE, i, &cache_tile_ops, n->cache_tile[i],
			      cache_tile_metrics(n->cache_tile[i]));
		n->cache_count[i] = cache_tile_metrics(n->cache_tile[i]);
	}
	return err;
}

static int
node_kvs_tile(struct node *n, uint32_t i)
{
	struct kvs_tile_cfg cfg = {
		.idx = i,
		.lcore = n->lcore[n->topo->tile[topo_tile_find(n->topo, TILE_KVS, i)].lcore],
		.bytes = n->params.kvs_bytes / n->params.kvs_tiles & ~(size_t)4095,
		.ahead_bytes = n->params.kvs_ahead / n->params.kvs_tiles,
		.seed = rng_u64(&n->rng),
		.ring = n->ring,
		.kvs_cnt = n->params.kvs_tiles,
		.copies = n->params.kvs_replication,
		.ack = node_ack(n),
		.period_ns = n->params.kvs_gossip_period,
		.ack_timeout_ns = n->params.kvs_ack_timeout,
		.drop_pause_ns = n->params.kvs_sweep_pause,
		.cache_cnt = n->params.cache_tiles,
	};
	int err;

	for (uint32_t k = 0; k < cfg.cache_cnt; k++) {
		cfg.from_cache[k] = node_link(n, TILE_CACHE, k, TILE_KVS, i);
		cfg.to_cache[k] = node_link(n, TILE_KVS, i, TILE_CACHE, k);
	}
	for (uint32_t k = 0; k < cfg.kvs_cnt; k++) {
		if (k != i) {
			cfg.from_kvs[k] = node_link(n, TILE_KVS, k, TILE_KVS, i);
			cfg.to_kvs[k] = node_link(n, TILE_KVS, i, TILE_KVS, k);
		}
	}
	err = kvs_tile_create(&n->kvs_tile[i], &cfg);
	if (err == 0) {
		node_tile_add(n, TILE_KVS, i, &kvs_tile_ops, n->kvs_tile[i],
			      kvs_tile_metrics(n->kvs_tile[i]));
		n->kvs_count[i] = kvs_tile_metrics(n->kvs_tile[i]);
	}
	return err;
}

static int
node_tiles(struct node *n, const char *executor_path, const char *sandbox, char why[NODE_WHY_BYTES])
{
	struct hashring_member self = { .node = n->id, .tile_cnt = n->params.kvs_tiles };
	int err = node_ctl(n, executor_path, sandbox);

	if (err == 0) {
		err = node_sched(n);
	}
	if (err == 0) {
		err = hashring_create(&n->ring, &self, 1);
	}
	if (err == 0 && node_has_gate(&n->params)) {
		err = node_gate(n, why);
	}
	for (uint32_t i = 0; err == 0 && i < n->params.cache_tiles; i++) {
		err = node_cache_tile(n, i);
	}
	for (uint32_t i = 0; err == 0 && i < n->params.kvs_tiles; i++) {
		err = node_kvs_tile(n, i);
	}
	if (err == 0) {
		err = ctl_catalog_create(n->ctl, n->cache, n->cache_plan.bytes);
	}
	if (err == 0) {
		err = node_net(n, why);
	}
	return err == 0 ? 0
			: node_fail(why, err,
				    "there is not enough memory; lower cache.bytes or kvs.bytes");
}

/* ------------------------------------------------------------------- life */

/* The socket's directory is made for the default place; elsewhere it is the user's. */
static int
node_socket(struct node *n, char why[NODE_WHY_BYTES])
{
	int err = domain_sock_path(n->params.node_socket, n->socket, sizeof(n->socket));

	if (err == 0 && strncmp(n->socket, "/run/microburst/", 16) == 0) {
		mkdir("/run/microburst", 0755);
	}
	return err == 0 ? 0 : node_fail(why, err, "the socket's path is too long");
}

int
node_create(struct node **ret, const struct params *p, const char *executor_path,
	    const char *sandbox, const char *plan_for, FILE *out, char why[NODE_WHY_BYTES])
{
	struct node *n = calloc(1, sizeof(*n));
	const char *other = plan_for != NULL && plan_for[0] != '\0' ? plan_for : NULL;
	int err;

	if (n == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	*ret = n;
	n->params = *p;
	notify_take(&n->notify);
	n->region_fd = n->hints_fd = n->cache_fd = n->zygote_fd = -1;
	if (getentropy(&n->id, sizeof(n->id)) != 0) {
		n->id = timebase_now_ns(timebase_real()) ^ (uint64_t)getpid() << 32;
	}
	n->wall_ns =
		timebase_wall_us(timebase_real()) * NS_PER_US - timebase_now_ns(timebase_real());
	rng_init(&n->rng, n->id);
	err = node_check(p, other == NULL, why);
	if (err == 0) {
		err = node_socket(n, why);
	}
	if (err == 0 && plan_for == NULL && ctl_sock_taken(n->socket)) {
		snprintf(why, NODE_WHY_BYTES,
			 "a node runs at %.300s already; microburst down ends it", n->socket);
		err = MB_ERR_EXISTS;
	}
	if (err == 0 && plan_for == NULL) {
		/* First of all: what it forks shall have nothing of ours. */
		node_cgroup_make(n, sandbox);
		err = zygote_start(executor_path, sandbox, &n->zygote_fd, &n->zygote_pid);
		if (err == 0) {
			cgroup_take(&n->cgroup, n->zygote_pid);
		} else {
			snprintf(why, NODE_WHY_BYTES, "%.300s cannot be run; say --executor PATH",
				 executor_path);
		}
	}
	if (err == 0) {
		err = node_plan(n, other, out, why);
	}
	if (err != 0 || plan_for != NULL) {
		return err;
	}
	err = node_eal(n, out, why);
	if (err == 0) {
		err = node_memory(n, why);
	}
	if (err == 0) {
		err = node_lcores(n, why);
	}
	if (err == 0) {
		err = node_tiles(n, executor_path, sandbox, why);
	}
	if (err == 0) {
		err = telemetry_start(n->socket);
	}
	return err;
}

int
node_run(struct node *n, FILE *out, char why[NODE_WHY_BYTES])
{
	int err = ctl_sock_open(n->ctl);

	if (err != 0) {
		snprintf(why, NODE_WHY_BYTES,
			 err == MB_ERR_EXISTS
				 ? "a node runs at %.300s already; microburst down ends it"
				 : "cannot listen at %.300s; does its directory exist, and may you "
				   "write there?",
			 n->socket);
		return err;
	}
	ctl_exec_start(n->ctl);
	for (uint32_t i = 1; i < n->topo->lcore_cnt; i++) {
		err = lcore_start(n->lcore[i], i);
		if (err != 0) {
			return node_fail(why, err, "an lcore could not be started");
		}
		n->lcores_started++;
	}
	node_gate_print(n, out);
	fprintf(out, "io_uring: %s\n", lcore_uring_text(n->lcore[0]));
	node_net_print(n, out);
	node_cgroup_print(n, out);
	fprintf(out, "ready at %s\n", n->socket);
	fflush(out);
	node_watch(n);
	notify_tell(&n->notify, "READY=1");
	err = lcore_run(n->lcore[0]);
	/* A net tile may wait for ctl, which runs no more: it hears that nobody is there. */
	ctl_sock_close(n->ctl);
	for (uint32_t i = 1; i <= n->lcores_started; i++) {
		lcore_stop(n->lcore[i]);
		lcore_join(n->lcore[i]);
	}
	n->lcores_started = 0;
	return err == MB_ERR_DEADLINE ? 0 : err; /* what did not drain in time was cut off */
}

void
node_stop(struct node *n)
{
	if (n->lcore[0] != NULL) {
		notify_tell(&n->notify, "STOPPING=1");
		lcore_stop(n->lcore[0]);
	}
}

void
node_destroy(struct node *n)
{
	if (n->ctl != NULL) {
		ctl_destroy(n->ctl);
	}
	if (n->zygote_fd >= 0) {
		close(n->zygote_fd);
	}
	cgroup_remove(&n->cgroup);
	if (n->sched.core != NULL) {
		sched_tile_fini(&n->sched);
	}
	if (n->sched.ports != NULL) {
		ports_destroy(n->sched.ports);
	}
	for (uint32_t i = 0; i < CACHE_TILE_CNT_MAX; i++) {
		if (n->cache_tile[i] != NULL) {
			cache_tile_destroy(n->cache_tile[i]);
		}
	}
	for (uint32_t i = 0; i < KVS_TILE_CNT_MAX; i++) {
		if (n->kvs_tile[i] != NULL) {
			kvs_tile_destroy(n->kvs_tile[i]);
		}
	}
	node_gate_destroy(n);
	node_net_destroy(n);
	if (n->ring != NULL) {
		hashring_destroy(n->ring);
	}
	for (uint32_t i = 0; i < LINK_CNT_MAX; i++) {
		if (n->link[i] != NULL) {
			link_fini(n->link[i]);
		}
		free(n->link_mem[i]);
	}
	for (uint32_t i = 0; i < LCORE_CNT_MAX; i++) {
		lcore_destroy(n->lcore[i]);
	}
	if (n->peers.peer != NULL) {
		peers_destroy(&n->peers);
	}
	if (n->cache != NULL) {
		munmap(n->cache, n->cache_plan.bytes);
	}
	if (n->hints != NULL) {
		hints_detach(n->hints);
	}
	region_unmap(&n->region);
	for (int *fd = &n->region_fd; fd <= &n->cache_fd; fd++) {
		if (*fd >= 0) {
			close(*fd);
		}
	}
	if (n->eal_up) {
		eal_fini();
	}
	free(n->machine);
	free(n->topo);
	free(n);
}
