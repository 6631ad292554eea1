/* SPDX-License-Identifier: Apache-2.0 */
/* cache_msg - the messages between a process and a cache tile
 *
 * They travel on port PORT_CACHE_FIRST + i of the process; a key belongs to the tile
 * cache_tile_of(hash of the key, number of cache tiles). Each request is answered exactly once,
 * unless the tile or the process dies. An answer carries the request's `call` and `b` unchanged: b
 * is the asker's own word, to find what it was waiting for. Answers come in any order.
 *
 * Requests of a process that died are dropped, except for a PUBLISH that the tile had accepted,
 * that is, taken from the channel: it is done to its end.
 *
 * Payloads of requests belong to the asker, held for process 0 (the daemon); the answer gives that
 * hold back. The same goes for payloads that a write set refers to.
 */
#ifndef MB_CACHE_MSG_H
#define MB_CACHE_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "domain.h"
#include "slice.h"

enum cache_msg_kind {
	/* Make a key readable in place. Payload: the key, KEY_BYTES_MAX at most. Of an inner
	 * process, sub = 1: where there is no room in the cache, show it where the store has it. */
	DESC_FETCH = DESC_CACHE_FIRST,
	/* err = 0, sub = enum cache_found: cache_view_get will find it, unless it is evicted before
	 * that (then ask again). Else MB_ERR_INVALID; MB_ERR_TOO_LARGE: there is no such key, or
	 * its value is longer than the cache; MB_ERR_NO_MEMORY: no room in the cache that could be
	 * made. CACHE_FOUND_LENT: the value is shown where it is (cache_lent), word[3] is the
	 * loan's name: unless it came inline it stays as it is until a LOAN_OVER. MB_ERR_FULL: too
	 * many values are lent already. */
	DESC_FETCHED,

	/* Apply a write set, all of it by this one message. Payload: the set (wset.h). sub = enum
	 * kvs_ack: who must have merged it before it is answered. a = 1: the process goes on
	 * meanwhile, which is told when it dies (desc.h: dead.owed). */
	DESC_PUBLISH,
	/* err = 0: every operation is merged at as many of the key's owners in the store as were
	 * asked for. Else the first operation that failed is number a: it changed nothing, all
	 * others were done. MB_ERR_TYPE, MB_ERR_TOO_LARGE (limits of values and numbers; or
	 * what is there is longer than the cache, and this needs it there),
	 * MB_ERR_DENIED (a key of the node's own, KEY_SYSTEM),
	 * MB_ERR_NO_MEMORY; MB_ERR_INDETERMINATE: it is done, but too few owners said so in time. A
	 * malformed set is refused whole: MB_ERR_CORRUPT or MB_ERR_INVALID. */
	DESC_PUBLISHED,

	/* List keys. Payload: a scan request, below. */
	DESC_SCAN,
	/* err = 0, a = how many keys, sub = 1 if there are more behind the last one; payload: a
	 * list of keys, ascending, each once. By reference unless it fits inline; return it with
	 * RELEASE on the same port. */
	DESC_SCANNED,

	/* Of an inner process: show values that are not here, this once. b = address of a struct
	 * cache_reads. */
	DESC_READ,
	DESC_READ_DONE, /* each read that is this tile's has its state */

	/* Of an inner process: a value that was lent is not looked at any more. word[3] as it came.
	 * Not answered. */
	DESC_LOAN_OVER,
};

/* Which member or item must still be there. */
enum cache_end {
	CACHE_END_ANY = 0,
	CACHE_END_FIRST, /* the first one that shows: of a list; of a sorted set, by its score */
	CACHE_END_LAST,
	CACHE_END_NONE, /* of a set: it shows */
	/* Of a sorted set: it is number front_idx of the front that was looked at in version
	 * if_version, with a score of which n has the bits (cache_front.h). */
	CACHE_FRONT_LOW,
	CACHE_FRONT_HIGH,
};

/* A tile of the daemon that publishes (an inner process, inner.h; or a client, PROC_UP_OWN) has
 * checked its sets, and leaves them as they are until they are answered. It can have a word on each
 * operation of a set: ref_word[0] of its PUBLISH is the address of as many of these as the set has
 * operations, or 0; ref_word[1] is how many. They belong to the cache tile until the PUBLISHED.
 * From any other process neither is looked at. */
struct cache_op_word {
	uint64_t hash; /* in: hash_bytes of the key */
	/* in: do it only if this is what a reader sees (cache_value.version), or what is in the
	 * store (cache_version_lent); 0: in any case */
	uint64_t if_version;
	int32_t err;        /* out: as of a PUBLISHED, of this operation. MB_ERR_TRYAGAIN: another
			      * version, or end */
	uint32_t if_before; /* in: do it only if the operation before it in the set was done. If
			     * that is of the same key, nobody's operation comes between the two */
	/* in: of LIST_DEL, ZREM and SREM, do it only if what it removes is there (enum cache_end),
	 * whatever else has changed; of ZREM, with the score of which n has the bits. That of a
	 * sorted set takes a look at each member */
	uint32_t if_end;
	uint32_t front_idx;  /* in: with CACHE_FRONT_LOW or HIGH */
	uint16_t changed;    /* out: 1 if it brought anything new, else 0 */
	uint16_t gone;       /* out: 1 if this one of a front has not its score any more, and the
			      * next one can be taken */
	uint16_t not_number; /* out: with MB_ERR_TYPE of INCR and MAP_INCR: 1 if the key's type is
			      * the right one, and what stands there is no number */
	uint16_t longer;     /* out: with MB_ERR_TOO_LARGE: 1 if what is there is longer than the
			      * cache */
	/* out: of INCR and MAP_INCR the number that it made, of ZINCR the score, a double's bits;
	 * of a push the list's length; of SADD, MAP_PUT and ZADD 1 if there was no such member or
	 * field before, else 0 */
	int64_t n;
};

/* Keys that a tile of the daemon looks at, of which most were not found in the cache: what is asked
 * for once is answered by the store and leaves nothing behind, what is asked for again is brought
 * here beside. The struct is the cache tiles' from READ to the last READ_DONE (a READ goes to each
 * tile that has one of the keys). The reads that one tile answers from one kvs tile are done there
 * in their order. */
#define CACHE_READ_CNT     32
#define CACHE_READ_KEY_MAX 32
#define CACHE_READ_BYTES   72

enum cache_read_state {
	CACHE_READ_ELSE = 0, /* look for it in the cache, or FETCH it */
	CACHE_READ_VALUE,    /* value has its envelope, of len bytes; 0: never written */
};

struct cache_read {
	uint64_t hash;    /* in: hash_bytes of the key */
	uint64_t version; /* in: it was found in the cache, and is passed over; 0: it was not */
	uint8_t state;    /* out: enum cache_read_state */
	uint8_t key_len, len;
	uint8_t key[CACHE_READ_KEY_MAX];
	uint8_t value[CACHE_READ_BYTES];
};

struct cache_reads {
	uint32_t cnt;
	uint32_t open[CACHE_TILE_MAX]; /* the tile's: reads at the store */
	struct cache_read read[];      /* up to CACHE_READ_CNT */
};

/* sub of a FETCHED */
enum cache_found {
	CACHE_FOUND_ABSENT = 0, /* no such key, or deleted */
	CACHE_FOUND_PRESENT = 1,
	CACHE_FOUND_LENT = 2,
};

/* cache_lent is what a FETCHED lends: an envelope; of a tree perhaps. */
static inline struct slice
cache_lent(const struct desc *d)
{
	return (d->flags & DESC_F_INLINE) != 0
		       ? slice_of(d->data, d->len)
		       : slice_of((const void *)(uintptr_t)d->word[0], d->word[1]);
}

/* cache_version_lent is the version of a value where the store has it: that of another one is
 * another. So the store can tell whether it has still what was seen (if_version). No value in the
 * cache has such a version. */
#define CACHE_VERSION_LENT (UINT64_C(1) << 63)
#define CACHE_VERSION_TREE (UINT64_C(1) << 62) /* of a tree: a later one's is greater */
uint64_t cache_version_lent(struct slice envelope);

static inline bool
cache_version_is_lent(uint64_t version)
{
	return (version & CACHE_VERSION_LENT) != 0;
}

/* A set up to this long is accepted, or refused, as soon as it is taken from the channel. */
#define CACHE_SET_SMALL 1024

/* A page of a scan: as many keys as fit. */
#define CACHE_SCAN_PAGE_BYTES    PAYLOAD_SLAB_MAX
/* Room for any scan request. */
#define CACHE_SCAN_REQ_BYTES_MAX (6 + 2 * KEY_BYTES_MAX)

/* Which of tile_cnt cache tiles serves a key. hash is hash_bytes of the key. */
static inline uint32_t
cache_tile_of(uint64_t hash, uint32_t tile_cnt)
{
	return tile_cnt == 1 ? 0 : (uint32_t)(hash % tile_cnt);
}

/* A scan request: keys that begin with prefix and come after `after` (empty: from the start), at
 * most limit of them (0: as many as a page holds).
 *
 *	limit u16 | prefix_len u16 | after_len u16 | prefix | after
 *
 * cache_scan_req_write puts one into out. Returns: 0; MB_ERR_TOO_LARGE for more than KEY_BYTES_MAX,
 * or when out is full. cache_scan_req_parse reads one from a stranger; the slices point into req.
 * Returns: 0; MB_ERR_CORRUPT.
 */
int cache_scan_req_write(struct wbuf *out, struct slice prefix, struct slice after, uint16_t limit);
int cache_scan_req_parse(struct slice req, struct slice *ret_prefix, struct slice *ret_after,
			 uint16_t *ret_limit);

/* A list of keys: each is u16 length, bytes. cache_scan_next walks it: start with an rbuf over it.
 * Returns: 1 with the next key; 0 at the end; MB_ERR_CORRUPT. */
int cache_scan_next(struct rbuf *list, struct slice *ret_key);

#endif
