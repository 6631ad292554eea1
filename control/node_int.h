/* SPDX-License-Identifier: Apache-2.0 */
/* node_int - the parts of a node, for the files that start it */
#ifndef MB_NODE_INT_H
#define MB_NODE_INT_H

#include <sys/types.h>

#include "cache_region.h"
#include "cache_tile.h"
#include "cgroup.h"
#include "ctl.h"
#include "eal.h"
#include "door.h"
#include "gate.h"
#include "kvs_tile.h"
#include "metrics.h"
#include "notify.h"
#include "place.h"
#include "rng.h"
#include "sched_tile.h"
#include "topo.h"
#include "node.h"

struct node {
	struct params params;
	struct topo *topo;
	struct place_machine *machine;
	struct classes classes; /* of its executors */
	struct eal_report eal;
	bool eal_up;
	char socket[NODE_PATH_BYTES];
	char runtime_dir[EAL_PATH_BYTES_MAX];
	uint64_t id;
	uint64_t wall_ns; /* as of sched_requests_set: this node's time does not jump */
	struct rng rng;
	/* memory */
	int region_fd, hints_fd, cache_fd;
	struct region region;
	struct hints *hints;
	uint8_t *cache;
	struct cache_layout cache_plan;
	struct peers peers;
	/* threads and queues */
	struct lcore *lcore[LCORE_CNT_MAX];
	struct link *link[LINK_CNT_MAX];
	void *link_mem[LINK_CNT_MAX];
	uint32_t lcores_started;
	/* tiles */
	struct ctl *ctl;
	struct sched_tile sched;
	struct cache_tile *cache_tile[CACHE_TILE_CNT_MAX];
	struct hashring *ring; /* of this node alone */
	struct kvs_tile *kvs_tile[KVS_TILE_CNT_MAX];
	const struct metrics_block *cache_count[CACHE_TILE_CNT_MAX], *kvs_count[KVS_TILE_CNT_MAX];
	struct gate *gate[GATE_TILE_CNT_MAX]; /* NULL: no Redis clients, or no such one */
	struct door *door[NET_TILE_CNT_MAX];  /* NULL: no net.listen */
	struct net_tile *net_tile[NET_TILE_CNT_MAX];
	struct ways ways;                   /* to them */
	struct net_io nic;                  /* the first tile's, if it is a NIC's */
	uint32_t tile_handle[TILE_CNT_MAX]; /* at its lcore */
	struct notify notify;               /* the service manager */
	uint64_t watch_pass[LCORE_CNT_MAX]; /* rounds of each at the last look */
	struct cgroup cgroup;               /* of its executors */
	int zygote_fd;
	pid_t zygote_pid;
};

/* node_fail keeps the first sentence of why something failed. Returns: err. */
int node_fail(char why[NODE_WHY_BYTES], int err, const char *text);

/* node_check.c, for what follows: node_wrong makes a sentence of a parameter that is wrong and
 * returns MB_ERR_CONFIG; node_file_check: the file of a parameter, if it is set, can be read. */
int node_wrong(char why[NODE_WHY_BYTES], const char *name, const char *value, const char *text);
int node_file_check(char why[NODE_WHY_BYTES], const char *name, const char *path);
int node_cache_plan(const struct params *p, struct cache_layout *ret, char why[NODE_WHY_BYTES]);

/* node_memory.c: each takes what the plan says, and is undone by node_destroy. */
int node_eal(struct node *n, FILE *out, char why[NODE_WHY_BYTES]);
int node_memory(struct node *n, char why[NODE_WHY_BYTES]);

/* node_link finds the link between two tiles; node_tile_add gives a tile to its lcore. */
struct link *node_link(struct node *n, enum tile_kind from, uint32_t from_idx, enum tile_kind to,
		       uint32_t to_idx);
void node_tile_add(struct node *n, enum tile_kind kind, uint32_t idx, const struct tile_ops *ops,
		   void *ctx, struct metrics_block *metrics);

/* node_ack is kvs.ack, with auto resolved. */
enum kvs_ack node_ack(const struct node *n);

/* node_gate.c: whether Redis clients are to be served, and the tile that does. */
bool node_has_gate(const struct params *p);
void node_gate_ctl(struct node *n, struct ctl *c); /* its links, for ctl */
size_t node_gate_memory(const struct params *p);
int node_gate(struct node *n, char why[NODE_WHY_BYTES]);
void node_gate_print(const struct node *n, FILE *out);
void node_gate_destroy(struct node *n);

/* node_net.c: the net tiles and their doors; nothing without net.listen. node_net_pci: the device
 * that the EAL is to be told of, or NULL. node_net_home: the daemon lives where its NIC is, if it
 * may use cores there. */
const char *node_net_pci(const struct params *p);
void node_net_home(const struct node *n, struct topo_params *tp);
int node_net_check(const struct params *p, bool here, char why[NODE_WHY_BYTES]);
int node_net(struct node *n, char why[NODE_WHY_BYTES]);
void node_net_print(const struct node *n, FILE *out);
void node_net_destroy(struct node *n);

/* node_spin.c: the cpu's spin token for an lcore that shares it. */
void node_spin(const struct node *n, uint32_t lcore, struct lcore_cfg *cfg);

/* node_watch tells the service manager that the node lives, as often as it asked. */
void node_watch(struct node *n);

/* node_cgroup.c: the group is made before the zygote is started, printed when the node is ready;
 * node_cgroup_describe gives a json_t object. */
void node_cgroup_make(struct node *n, const char *sandbox);
void node_cgroup_print(const struct node *n, FILE *out);
void *node_cgroup_describe(const struct node *n);

/* node_describe adds to an answer for the command line what only the node knows; see ctl.h. */
void node_describe(void *ctx, void *json, bool top);

#endif
