/* SPDX-License-Identifier: Apache-2.0 */
/* inner - a tile of the daemon that reads, writes and calls as a client process does
 *
 * An inner process has what a process of the domain has: an index and an incarnation, a region that
 * it alone writes, hazard slots to read the cache in place, payloads in its slab, a channel to
 * sched and to each cache tile. So those tiles know one kind of caller and not two. What is
 * different:
 *
 *   - it is here from before the first lcore runs, and goes with the node;
 *   - it sleeps in its lcore's io_uring: producers ring that lcore's eventfd, not a futex;
 *   - other processes' memory it sees through the node's own table of peers, and as a tile of
 *     ctl's list (tile_msg.h) it says when it let go of a dead one's. So what it hears from ctl on
 *     its port is about direct channels only: that one is open, that it is to be closed, that the
 *     process at its other end died;
 *   - payloads above PAYLOAD_SLAB_MAX lie in memory that only the daemon's tiles can see: they may
 *     be values for the cache, not arguments of a call.
 *
 * Owner: the tile. Errors: negative mb_err.
 */
#ifndef MB_RT_INNER_H
#define MB_RT_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "desc.h"
#include "domain.h"
#include "hints.h"
#include "payload.h"
#include "peer.h"
#include "region.h"

struct inner_cfg {
	uint16_t proc;
	uint32_t inc;
	struct region own;           /* mapped writable; taken over */
	const struct region *daemon; /* the daemon's region */
	struct hints *hints;
	struct peers *peers; /* the node's table; has this process's own region */
	uint32_t cache_cnt;
	int tile_fd[TILE_PORT_CNT]; /* eventfd of the lcore behind each port */
	size_t seg_budget;          /* bytes of payloads above PAYLOAD_SLAB_MAX */
};

struct inner {
	struct inner_cfg cfg;
	struct payload_pool *pool;
	uint32_t port_cnt;
	struct channel ch[PORT_CNT];        /* those of tiles, then the direct ones */
	uint8_t port_of[PROC_CLIENT_FIRST]; /* the direct channel with an executor; 0: none */
	uint64_t direct;                    /* a bit for each direct port that is open */
	uint64_t unflushed;                 /* of them, those with something put and not shown */
	uint64_t asked_ns[PROC_CLIENT_FIRST];
	uint64_t seq; /* of calls */
	uint32_t seg_seq;
	size_t seg_bytes;
};

/* inner_create makes the tile's end. Returns: 0; MB_ERR_NO_MEMORY (cfg->own is then still the
 * caller's). Threads: start-up. */
int inner_create(struct inner *in, const struct inner_cfg *cfg);
void inner_destroy(struct inner *in);

/* inner_send sends a message on a port. Returns: 0; MB_ERR_FULL: try again later. */
static inline int
inner_send(struct inner *in, uint32_t port, const struct desc *d)
{
	return channel_send(&in->ch[port], d);
}

/* inner_recv takes the next message of a port. RELEASE is handled inside.
 * Returns: 1 with *ret; 0. */
int inner_recv(struct inner *in, uint32_t port, struct desc *ret);

/* ---- direct channels with executors */

/* inner_open asks for a direct channel with an executor. Harmless while one is open, or was asked
 * for a moment ago. */
void inner_open(struct inner *in, uint16_t exec, uint64_t now_ns);
/* inner_channel is the open channel with an executor; NULL: there is none. */
struct channel *inner_channel(struct inner *in, uint16_t exec);
/* inner_put puts a message into a direct channel; inner_flush shows all that was put, and rings
 * each executor once. Returns: as channel_put. */
int inner_put(struct inner *in, struct channel *ch, const struct desc *d);
bool inner_flush(struct inner *in);
/* inner_direct_recv takes the next message of an executor. Returns: 1 with *ret; 0;
 * MB_ERR_PEER_CORRUPT: close it. */
int inner_direct_recv(struct inner *in, struct channel *ch, struct desc *ret);
/* inner_ctl takes the next message of ctl that the owner acts on: CLOSE, a = port of an open
 * channel; DEAD. It takes what is left in that channel, closes it (inner_close) and, of a death,
 * sends DEAD_ACK. OPENED with an error: the channel could not be made; it sends CLOSE for that
 * port. Returns: 1 with *ret; 0. */
int inner_ctl(struct inner *in, struct desc *ret);
/* inner_close clears our end; *ret is what ctl is to be sent then. */
void inner_close(struct inner *in, struct channel *ch, int err, struct desc *ret);

/* inner_arm is for tile_ops.arm. */
void inner_arm(struct inner *in, bool up);

/* inner_call_id makes the name of a new call. */
static inline uint64_t
inner_call_id(struct inner *in)
{
	return call_id_make(in->cfg.proc, in->cfg.inc, ++in->seq);
}

/* inner_payload_most puts bytes into a descriptor: inline if they are at most inline_max, else as a
 * payload held by holder. Returns: 0; as payload_alloc. */
int inner_payload_most(struct inner *in, struct desc *d, const void *p, size_t len, uint16_t holder,
		       size_t inline_max);

static inline int
inner_payload(struct inner *in, struct desc *d, const void *p, size_t len, uint16_t holder)
{
	return inner_payload_most(in, d, p, len, holder, DESC_INLINE_BYTES);
}

/* inner_payload_free ends a payload that a message carried there and its answer gave back. */
void inner_payload_free(struct inner *in, const struct desc *d, uint16_t holder);

/* inner_bytes finds the payload of a message that was received, in the daemon's own mapping of its
 * producer: use it before the tile's poll returns.
 * Returns: 0; as peer_view; MB_ERR_PEER_CORRUPT. */
int inner_bytes(struct inner *in, const struct desc *d, const uint8_t **ret, size_t *ret_len);

#endif
