/* SPDX-License-Identifier: Apache-2.0 */
/* net_tile - the tile around a socket or a NIC, and flow's server end
 *
 * Datagrams in, whole requests to the service, answers out. What a request means is the service's:
 * this folder knows no keys and no functions. The service runs on the tile's thread and may wait:
 * the tile has an lcore to itself (place.h).
 *
 * Owner: its lcore's thread, but for create and destroy.
 */
#ifndef MB_NET_TILE_H
#define MB_NET_TILE_H

#include "flow_serve.h"
#include "lcore.h"
#include "metrics.h"
#include "net_io.h"
#include "seal.h"
#include "tile.h"

struct net_tile;

/* Who answers requests. All are called on the tile's thread. */
#define NET_TAKE_MIN (1U << 20)

struct net_service {
	/* The tile starts: the first call. Returns: 0, or an error that ends the tile's work. */
	int (*start)(void *ctx, struct net_tile *tile);
	/* As flow_serve_ops.request. Answer with net_tile_room and net_tile_reply, or _refuse. */
	void (*request)(void *ctx, struct flow_ref ref, struct slice bytes);
	/* A place for a request of so many bytes, NET_TAKE_MIN at least, where the service wants it
	 * to lie; NULL: the tile's own memory will do. first: how it begins.
	 * give: it has been run, or will not be. Returns: whether it was such a place. */
	void *(*take)(void *ctx, size_t bytes, struct slice first);
	bool (*give)(void *ctx, const void *p);
	/* What net_tile_lend was lent is the service's again. */
	void (*back)(void *ctx, const uint8_t *p);
	/* Bounded work; as tile_ops.poll. */
	int (*poll)(void *ctx, uint64_t now_ns);
	/* Its housekeeping. Returns: when it is due again; TILE_TIMER_NEVER. */
	uint64_t (*tidy)(void *ctx, uint64_t now_ns);
	/* The tile is about to sleep, or awake again. *ret_word, if not NULL: a futex word that
	 * wakes it while it holds `expect`. */
	const _Atomic uint32_t *(*arm)(void *ctx, bool up, uint32_t *ret_expect);
	/* As tile_ops.awaits. */
	bool (*awaits)(void *ctx);
	/* Whether the service waits for something whose coming is told by that word only. */
	bool (*waits)(void *ctx);
	bool (*drain)(void *ctx);
	void (*stop)(void *ctx);
	void *ctx;
};

struct net_tile_cfg {
	uint32_t idx;
	const struct seal *seal; /* copied; NULL: nothing is sealed */
	const char *keys;        /* the file it is from, which stays: read again when it changes */
	struct net_io io;        /* open; the tile closes it with itself */
	uint64_t memory_bytes;   /* for messages that are on their way, or kept for their clients */
	uint8_t secret[FLOW_SECRET_BYTES]; /* flow_serve_cfg */
	uint64_t incarnation;              /* the same; of the node: the tile has its own */
	struct net_service service;
};

/* net_tile_create makes the tile, whose cfg->io is then. Returns: 0; MB_ERR_NO_MEMORY: then it is
 * still the caller's. */
int net_tile_create(struct net_tile **ret, const struct net_tile_cfg *cfg);
void net_tile_destroy(struct net_tile *t);

/* net_tile_lcore tells which lcore the tile was added to; before that lcore runs. */
void net_tile_lcore(struct net_tile *t, struct lcore *lcore);
struct lcore *net_tile_runs_on(const struct net_tile *t);

struct wire_addr net_tile_local(const struct net_tile *t);
const char *net_tile_text(const struct net_tile *t);
struct metrics_block *net_tile_metrics(struct net_tile *t);

/* For the service: as flow_serve_room, _reply, _draft, _lend, _refuse. */
uint8_t *net_tile_room(struct net_tile *t, struct flow_ref ref, size_t len);
void net_tile_reply(struct net_tile *t, struct flow_ref ref, uint8_t *p, size_t len);
uint8_t *net_tile_draft(struct net_tile *t, struct flow_ref ref, size_t *ret_max);
void net_tile_draft_send(struct net_tile *t, struct flow_ref ref, const uint8_t *p, size_t len);
bool net_tile_lend(struct net_tile *t, struct flow_ref ref, struct slice head, struct slice rest);
void net_tile_refuse(struct net_tile *t, struct flow_ref ref, int err);

extern const struct tile_ops net_tile_ops;

#endif
