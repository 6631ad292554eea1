/* SPDX-License-Identifier: Apache-2.0 */
/* gate - the front door: Redis clients, over TCP and a Unix socket
 *
 * A gate tile speaks RESP to connections and is an inner process (inner.h) to the rest of the node:
 * reads are served in place from the cache region, misses are FETCHed, writes are published to the
 * cache tiles, calls go to sched. What commands there are stands in commands.def; how they differ
 * from those of Redis in DIFFERENCES.md.
 *
 * Owner: the gate tile. Errors: negative mb_err.
 */
#ifndef MB_GATE_H
#define MB_GATE_H

#include <stddef.h>
#include <stdint.h>

#include "inner.h"
#include "stream.h"
#include "tile.h"
#include "topo_limits.h"

struct gate;
struct lcore;
struct link;
struct metrics_block;

#define GATE_ACK_CNT 5

struct gate_cfg {
	struct lcore *lcore;
	struct inner_cfg inner; /* its region is taken over, if gate_create succeeds */
	struct link *to_ctl, *from_ctl;
	const struct region *daemon;
	const uint8_t *cache; /* the cache region */
	size_t cache_bytes;
	const char *listen; /* "host:port"; "": no TCP */
	const char *socket; /* path; "": none */
	/* The same, encrypted: a certificate, its key, and, if clients must show one too, whose
	 * signature it must have. Files; listen "": nowhere; ca "": they need none. */
	const char *tls_listen, *tls_cert, *tls_key, *tls_ca;
	const char *node_socket; /* ctl's */
	const char *cli;         /* the program microburst; "": it was not found */
	bool load;               /* clients may have functions compiled */
	uint64_t load_ns;        /* for so long */
	const char *password;    /* of the user default; "": none */
	const char *users;       /* a file; "": none */
	uint32_t conn_max;
	size_t memory_bytes; /* for what connections have received and not yet been sent */
	uint64_t idle_ns;    /* 0: for ever */
	uint64_t slow_ns;
	uint64_t slow_rate;   /* bytes a second that who owes moves at least; not 0 */
	uint64_t slowlog_ns;  /* a command that takes longer is remembered; 0: none is */
	size_t backlog_bytes; /* that a listener may leave unread, and of its subscriptions */
	bool protected_mode;
	enum stream_lending lending; /* long values may be lent to the kernel, of lend_min bytes */
	uint32_t lend_min;
	uint64_t node_id;
	uint64_t wall_ns;       /* as of sched_requests_set: ids are told by it how old they are */
	uint32_t idx, gate_cnt; /* 0 is the home of all connections (gate_many.h) */
	/* Of gate 0 with each other one, and back. */
	struct link *to_gate[GATE_TILE_CNT_MAX], *from_gate[GATE_TILE_CNT_MAX];
	/* By enum kvs_ack: how many owners beside the first have what was answered so. 0: as of who
	 * asks for none. */
	uint32_t further[GATE_ACK_CNT];
	/* What the tiles of the store and of the cache count, for INFO: by the time that clients
	 * are served they are there. */
	const struct metrics_block *const *store, *const *caches;
	uint32_t store_cnt, cache_cnt;
	uint64_t store_bytes; /* that it may have */
};

/* gate_create makes a gate and listens. Returns: 0; as stream_listen_*; MB_ERR_NO_MEMORY. */
int gate_create(struct gate **ret, const struct gate_cfg *cfg);
void gate_destroy(struct gate *g);

/* gate_port is the TCP port it listens at; 0: none. */
uint16_t gate_port(const struct gate *g);
uint16_t gate_tls_port(const struct gate *g);
struct metrics_block *gate_metrics(struct gate *g);

/* gate_held counts what is under way: sets being published, fetches, calls. As counted before the
 * last sleep. Threads: any. */
uint32_t gate_held(const struct gate *g);

extern const struct tile_ops gate_tile_ops;

#endif
