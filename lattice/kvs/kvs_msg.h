/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_msg - the messages on the links between a cache tile and a kvs tile, and between kvs tiles
 *
 * Both ends are tiles of one daemon, so what is too long for a descriptor is passed as a pointer.
 * The rule for every pointer: what it points to belongs to the sender and stays as it is until the
 * sender has its answer. For a GOT, or a MERGED with state, that is not inline, the answer is
 * KVS_RELEASE.
 *
 * Each GET, MERGE, ACT, SCAN, TELL, ASK, LEAVE and HUSH is answered exactly once, with `b`
 * unchanged: the asker's own word. The answers to two requests come in any order, and their effects
 * too: who wants one after the other waits for the first answer. But GETs and ACTs of one asker are
 * begun in their order: a GET that follows an ACT shows what that did.
 */
#ifndef MB_KVS_MSG_H
#define MB_KVS_MSG_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "desc.h"
#include "domain_limits.h"
#include "slice.h"

enum kvs_msg_kind {
	DESC_KVS_GET = DESC_KVS_FIRST, /* key */
	/* err = 0: the envelope, empty for a key never written. MB_ERR_MOVED, also of a MERGE: not
	 * an owner, or not now; the key's primary always is one */
	DESC_KVS_GOT,
	DESC_KVS_MERGE, /* key; word[2], word[3] = pointer and length of the delta, an envelope;
			   * sub = KVS_WANT_STATE or 0 */
	/* err = 0: merged, by as many owners as a = enum kvs_ack asks for; with KVS_WANT_STATE also
	 * the envelope as it is now. MB_ERR_NO_MEMORY: the shard is full, nothing changed.
	 * MB_ERR_INDETERMINATE: with sub = KVS_MERGED_HERE it is merged, but too few others said so
	 * in time; without, only a part of it is */
	DESC_KVS_MERGED,
	DESC_KVS_SCAN,    /* word[0] = pointer to a struct kvs_scan, lent until SCANNED */
	DESC_KVS_SCANNED, /* err = 0: the struct is filled */
	DESC_KVS_RELEASE, /* word[2] as it came in a GOT or MERGED; not answered */

	/* From a kvs tile to others that have the key: kvs tiles and cache tiles.
	 * key; word[2], word[3] = the change, an envelope to merge */
	DESC_KVS_TELL,
	/* err = 0: merged. MB_ERR_NOT_FOUND, from a cache: it has no copy. Anything else: tell it
	 * again later */
	DESC_KVS_TOLD,
	/* About a key that is deleted or expired, or that has something to forget (kvs_drop.h).
	 * sub = enum kvs_drop_step. ASK: the key, and the envelope as in TELL; a = enum
	 * kvs_drop_what, of FORGETS word[4] = the item where its round begins; LEAVE, HUSH: the
	 * key; DO and KEEP: word[0] and word[1] as in DROPPED */
	DESC_KVS_DROP,
	/* answers ASK, LEAVE and HUSH. err = 0: agreed; word[0] = the answerer's name for the key,
	 * word[1] for what it settles to; 0: it goes */
	DESC_KVS_DROPPED,

	/* word[0] = pointer to a struct kvs_acts (kvs_act.h), lent until ACTED: from an asker that
	 * has no copy of any of the keys */
	DESC_KVS_ACT,
	DESC_KVS_ACTED, /* word[0] as in ACT; each act has its err */
};

/* a of a MERGE: whose merge it waits for. */
enum kvs_ack {
	KVS_ACK_DEFAULT = 0, /* the node's, from its configuration */
	KVS_ACK_LOCAL,       /* the cache's; no kvs tile sees it */
	KVS_ACK_ONE,
	KVS_ACK_QUORUM, /* more than half of the owners */
	KVS_ACK_ALL,
};

enum kvs_drop_step {
	KVS_DROP_ASK =
		1,      /* have you nothing else of it? Then let nobody touch it until DO or KEEP */
	KVS_DROP_DO,    /* forget it, or what was to be settled; not answered */
	KVS_DROP_KEEP,  /* go on as before; not answered */
	KVS_DROP_LEAVE, /* the key is no longer hot: forget it, others have it */
	KVS_DROP_HUSH,  /* to a cache: come to an end with it, then let go of your copy */
};

/* a of an ASK: what becomes of the key. */
enum kvs_drop_what {
	KVS_DROP_GOES = 0,
	KVS_DROP_SETTLES, /* the value, as a whole */
	KVS_DROP_FORGETS, /* some of its marks (kvs_forget.h) */
};

enum kvs_msg_sub {
	KVS_WANT_STATE = 1,  /* of a MERGE */
	KVS_MERGED_HERE = 1, /* of a MERGED */
};

/* Where in a page the bytes of a value begin that is longer than a step copies (kvs_shard.h). */
#define KVS_VALUE_LEAN 16

/* One piece of a scan. The asker fills the first part, the kvs tile the second. */
struct kvs_scan {
	struct slice prefix;
	struct slice after;  /* only keys greater than this one; empty: from the first */
	struct hlc_time now; /* what has expired by then is not listed */
	struct wbuf out;     /* keys, ascending, each as u16 length and bytes (cache_scan_next) */
	uint32_t limit;      /* at most so many */

	uint32_t cnt;      /* in out */
	bool more;         /* there may be more keys, */
	struct slice last; /* after this one, which need not be in out; in last_mem */
	uint8_t last_mem[KEY_BYTES_MAX];
};

/* The key of a GET or MERGE, or the inline or lent bytes of a GOT or MERGED, in word[0],
 * word[1]. */
static inline void
kvs_msg_set_bytes(struct desc *d, struct slice s)
{
	d->word[0] = (uintptr_t)s.p;
	d->word[1] = s.len;
}

static inline struct slice
kvs_msg_bytes(const struct desc *d)
{
	if ((d->flags & DESC_F_INLINE) != 0) {
		return slice_of(d->data, d->len);
	}
	return slice_of((const void *)(uintptr_t)d->word[0], d->word[1]);
}

static inline void
kvs_msg_set_delta(struct desc *d, struct slice s)
{
	d->word[2] = (uintptr_t)s.p;
	d->word[3] = s.len;
}

static inline struct slice
kvs_msg_delta(const struct desc *d)
{
	return slice_of((const void *)(uintptr_t)d->word[2], d->word[3]);
}

#endif
