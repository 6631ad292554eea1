/* SPDX-License-Identifier: Apache-2.0 */
/* session - what one call reads and writes of the store
 *
 * Reads come in place from the cache (cache_view.h), a key that is not there is fetched first.
 * Writes are held back here and published together at the end of the call, or by a flush; until
 * then reads show them on top of what the cache has: a call sees its own writes at once, nobody
 * else sees any of them.
 *
 * Held back is not a log but what it amounts to: for each key the last value put (or that it was
 * deleted), the sum of the increments since, the members and fields added since. A thousand
 * increments of a key are one operation for the store. What an operation means is the store's
 * business (delta.h); that a session shows the same as the store will make of it is a test.
 *
 *   nothing held ──write──► held ──publish──► waiting ──all answers──► nothing held
 *        ▲                   │ discard                                       │
 *        └───────────────────┴───────────────────────────────────────────────┘
 *
 * N1  Nothing leaves this process before publish; publish sends all, by one message to each cache
 *     tile concerned, all of them made ready before the first is sent.
 * N2  One publication is under way at a time. The node knows of a dead executor only the last call
 *     that published: so that this says whether the call it ran had effects, the reply of one call
 *     is sent before another publishes.
 * N3  What was taken (views of the cache, payloads, places in tables) is given back by session_end,
 *     on every path.
 *
 * Memory is fixed, made in session_create. Owner: the executor. Errors: negative mb_err; after one,
 * session_why may have a sentence.
 */
#ifndef MB_EXEC_SESSION_H
#define MB_EXEC_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_view.h"
#include "desc.h"
#include "hash.h"
#include "list.h"
#include "payload.h"
#include "region.h"
#include "slice.h"
#include "table.h"
#include "wait.h"

/* What one call may write. Together at most 2 operations a key and 1 an element, which is as many
 * as a write set may have. function.h tells users these numbers. */
#define SESSION_KEY_MAX    16384
#define SESSION_ELEM_MAX   32767
#define SESSION_BYTES_MAX  (16u << 20)  /* of write sets: keys, members, fields, small values */
#define SESSION_OWNED_MAX  2048         /* larger values */
#define SESSION_VIEW_MAX   8192         /* values looked at, HAZARD_CNT - 1 of them large */
#define SESSION_CUT_MAX    16384        /* keys read at the level rr, and written if handed on */
#define SESSION_MERGE_MAX  (256u << 10) /* what is merged into one key of session_merge */
#define SESSION_ZRANGE_MAX (1u << 20)   /* members of a sorted set that is put in order */

struct session;

struct session_conf {
	struct payload_pool *pool;
	struct cache_view *view;
	uint32_t cache_cnt; /* cache tiles */
	uint16_t proc;      /* this process */
	const struct exec_wait *wait;
	struct region_commit *commit; /* this process's */
};

/* session_create makes the session of an executor, used for one call after the other.
 * Returns: 0; MB_ERR_NO_MEMORY. Owns: *conf is copied; what it points to must stay. Threads:
 * start-up only. */
int session_create(struct session **ret, const struct session_conf *conf);
void session_destroy(struct session *s);

/* What a session has to know of its call. */
struct session_call {
	uint64_t id;
	uint64_t deadline_ns; /* 0: none */
	bool read_only;
	bool repeatable; /* the level rr: session_cut.c */
	uint8_t ack;     /* enum kvs_ack: who has merged its writes before it is answered */
};

/* session_begin starts a call. Requires: the one before was ended. */
void session_begin(struct session *s, const struct session_call *call);

/* session_read_only forbids the function that runs next to write, or allows it as the call was
 * made.
 */
void session_read_only(struct session *s, bool read_only);

/* session_ack changes who is to have merged what is published from now on. */
void session_ack(struct session *s, uint8_t ack);

/* session_flush publishes what is held in the middle of a call: as session_publish;
 * MB_ERR_NOT_SUPPORTED at the level rr. */
int session_flush(struct session *s);

/* session_written tells whether there is anything to publish. */
bool session_written(const struct session *s);

/* session_publish publishes what is held, and waits until the store has it.
 *
 * Returns:   0; MB_ERR_NO_MEMORY when the write sets find no room: nothing was sent, all is still
 *            held; MB_ERR_INDETERMINATE when the deadline passed before the answer; the store's
 *            error (MB_ERR_TYPE ...) when it refused an operation: all others were done,
 *            session_why names it; MB_ERR_NO_NODE.
 */
int session_publish(struct session *s);

/* session_sendable tells whether what is held can be published by one message that is accepted or
 * refused at once and needs nothing of this session afterwards; and to which cache tile. */
bool session_sendable(const struct session *s, uint32_t *ret_tile);

/* session_send publishes what is held to that tile, and does not wait. Nothing is held then.
 *
 * Requires:  session_sendable.
 * Returns:   1 with *ret_sent; when its PUBLISHED has come, session_sent gives its memory back. 0:
 *            there was nothing to send after all. MB_ERR_NO_MEMORY, MB_ERR_TOO_LARGE, as
 *            session_publish; MB_ERR_NO_NODE.
 */
int session_send(struct session *s, uint32_t tile, struct desc *ret_sent);
/* session_all_sent: all that session_send sent is acknowledged. Until then whoever reads a key of
 * it waits for that (exec_wait.settle): calls that come by one channel see what those before them
 * wrote. */
void session_all_sent(struct session *s);

/* session_sent ends a PUBLISH that was sent without waiting. If the store refused an operation,
 * text says which. */
void session_sent(struct payload_pool *pool, const struct desc *sent, const struct desc *published,
		  char *text, size_t text_bytes);

/* session_discard forgets what is held. */
void session_discard(struct session *s);

/* session_views_end ends all views of cached values: a function has returned. Values that the call
 * itself wrote stay until its end. */
void session_views_end(struct session *s);

/* session_hand_give makes of what a call at the level rr has read and written what the next part of
 * its DAG begins with; before that is published. It is held for the daemon. What was written on
 * what the store has, and not read, is looked at now.
 * Returns: 0, ret->len == 0 when there is nothing; MB_ERR_TOO_LARGE, MB_ERR_NO_MEMORY; as a read.
 *
 * session_hand_take begins with it, in place: from a stranger, until session_end.
 * Returns: 0; MB_ERR_TOO_LARGE; as lattice_check. */
int session_hand_give(struct session *s, struct payload_ref *ret);
int session_hand_take(struct session *s, struct slice handed);

/* session_bound tells whether a call at the level rr has read or written: what runs for it
 * elsewhere has to have that. */
bool session_bound(const struct session *s);

/* session_end ends the call and gives everything back. Waits for answers still under way.
 * Returns: 0; MB_ERR_NO_NODE. */
int session_end(struct session *s);

/* session_on_answer takes an answer of a cache tile that nobody waits for any more. */
void session_on_answer(struct session *s, const struct desc *d);

/* session_published says whether this call has sent writes to the store. */
bool session_published(const struct session *s);

/* session_why is a sentence about the last error, or NULL. */
const char *session_why(const struct session *s);

/* How many things are held, found by walking: 0 between calls. */
uint32_t session_held(const struct session *s);

/* The operations. Keys, fields and members are copied; views last until session_views_end.
 * Errors: see function.h, which has one function for each. */
int session_get(struct session *s, struct slice key, struct slice *ret);
/* session_prefetch brings keys into the cache, all at the same time: none is fetched again when it
 * is read soon after. Returns: 0; MB_ERR_DEADLINE; MB_ERR_NO_NODE. What the store says of a key is
 * told to who reads it. */
int session_prefetch(struct session *s, const struct slice *key, uint32_t cnt);
int session_get_i64(struct session *s, struct slice key, int64_t *ret);

/* session_version says by 128 bits which value, of any type, a key shows; of a text its hash. It
 * takes no view of it. */
int session_version(struct session *s, struct slice key, struct hash128 *ret);
int session_put(struct session *s, struct slice key, struct slice value);
int session_incr(struct session *s, struct slice key, int64_t n, int64_t *ret_sum);
int session_delete(struct session *s, struct slice key);
int session_sadd(struct session *s, struct slice key, struct slice member);
int session_srem(struct session *s, struct slice key, struct slice member);
int session_sismember(struct session *s, struct slice key, struct slice member, bool *ret);
int session_scard(struct session *s, struct slice key, uint64_t *ret);
int session_map_put(struct session *s, struct slice key, struct slice field, struct slice value);
int session_map_put_at(struct session *s, struct slice key, struct slice field, struct slice value,
		       uint64_t time_us);
int session_map_get(struct session *s, struct slice key, struct slice field, struct slice *ret);
int session_map_delete(struct session *s, struct slice key, struct slice field);
int session_map_incr(struct session *s, struct slice key, struct slice field, int64_t n,
		     int64_t *ret_sum);
int session_map_cnt(struct session *s, struct slice key, uint64_t *ret);
void session_release(struct session *s, struct slice key);

int session_list_push(struct session *s, struct slice key, enum list_end end, struct slice value);
int session_list_pop(struct session *s, struct slice key, enum list_end end, struct slice *ret);
int session_list_get(struct session *s, struct slice key, int64_t idx, struct slice *ret);
int session_list_set(struct session *s, struct slice key, int64_t idx, struct slice value);
int session_list_cnt(struct session *s, struct slice key, uint64_t *ret);
int session_zadd(struct session *s, struct slice key, struct slice member, double score);
int session_zincr(struct session *s, struct slice key, struct slice member, double x,
		  double *ret_score);
int session_zrem(struct session *s, struct slice key, struct slice member);
int session_zscore(struct session *s, struct slice key, struct slice member, double *ret);
int session_zcard(struct session *s, struct slice key, uint64_t *ret);

/* session_merge merges a value of a type that merges as it is (delta_mergeable).
 * session_merge_tail the same of a type of which one of two values wins, given in two parts: so a
 * long value is copied once. session_merge_state shows the value of such a key, and which type it
 * is of. */
int session_merge(struct session *s, struct slice key, unsigned int type, struct slice value);
int session_merge_tail(struct session *s, struct slice key, unsigned int type, struct slice value,
		       struct slice tail);
int session_merge_state(struct session *s, struct slice key, unsigned int *ret_type,
			struct slice *ret);

/* session_put_sibling puts a value beside those that the call has no view of, in the place of those
 * that it has. */
int session_put_sibling(struct session *s, struct slice key, struct slice value);

/* A merge of the user's, by its name. run merges a and b into len bytes that it takes once, with
 * session_place_take. Returns: 0, or an error. */
struct held_value;
struct merge_fn {
	struct slice name;
	int (*run)(void *ctx, struct session *s, struct slice a, struct slice b,
		   struct held_value *place);
	void *ctx;
};
int session_place_take(struct session *s, struct held_value *place, size_t len, uint8_t **ret);

/* session_put_merged merges a value into all that the key shows, and puts that in their place;
 * session_get_merged shows the merge of all, and (unless the call is read-only) lets it take their
 * place, as no write of its own. */
int session_put_merged(struct session *s, struct slice key, const struct merge_fn *by,
		       struct slice value);
int session_get_merged(struct session *s, struct slice key, const struct merge_fn *by,
		       struct slice *ret);

/* session_put_keep is session_put, but a deadline that is there stays. session_expire lets a key
 * end at a time in microseconds since 1970 (0: never); session_expires tells which: 0 never. */
int session_put_keep(struct session *s, struct slice key, struct slice value);
int session_expire(struct session *s, struct slice key, int64_t at_us);
int session_expires(struct session *s, struct slice key, int64_t *ret_at_us);

/* session_gset_add adds a member to a set that only grows. */
int session_gset_add(struct session *s, struct slice key, struct slice member);

/* session_take removes an item that nobody else gets: the first or last of a list, the member of a
 * sorted set with the lowest or highest score. It publishes what is held, first, and then takes
 * effect at once. */
int session_take_list(struct session *s, struct slice key, enum list_end end, struct slice *ret);
int session_take_score(struct session *s, struct slice key, bool highest, struct slice *ret_member,
		       double *ret_score);

/* A walk over a collection: first what is stored and stands, then what only this call has. It
 * ends when what is held is published or discarded. */
struct session_iter {
	struct slice
		stored; /* what is in the cache, held until the key is released; may be empty */
	struct table_walk walk; /* over that */
	uint32_t type;          /* of that */
	uint32_t last;          /* from the right: behind the next stored one; a map: text_place */
	uint32_t key;           /* what is held, number + 1; 0: nothing */
	uint32_t elem; /* the own one that was shown last, + 1; 0: none yet. A list: how many */
	uint32_t turn; /* of the table of elements */
	uint32_t view; /* what holds stored, see view_mark; 0: nothing */
};
int session_set_begin(struct session *s, struct slice key, struct session_iter *ret);
bool session_set_next(struct session *s, struct session_iter *it, struct slice *ret_member);
int session_list_begin(struct session *s, struct slice key, struct session_iter *ret);
bool session_list_next(struct session *s, struct session_iter *it, struct slice *ret_value);
int session_zset_begin(struct session *s, struct slice key, struct session_iter *ret);
bool session_zset_next(struct session *s, struct session_iter *it, struct slice *ret_member,
		       double *ret_score);
int session_map_begin(struct session *s, struct slice key, struct session_iter *ret);
int session_sibling_begin(struct session *s, struct slice key, struct session_iter *ret);
bool session_sibling_next(struct session *s, struct session_iter *it, struct slice *ret_value);

/* Members of a sorted set in the order of their scores (then of the members): those of min .. max;
 * those whose places are first .. last, from 0, negative ones from the end. One such walk at a
 * time: the next one ends it. session_zrank tells the place of a member. */
int session_zrange_score(struct session *s, struct slice key, double min, double max,
			 struct session_iter *ret);
int session_zrange_rank(struct session *s, struct slice key, int64_t first, int64_t last,
			struct session_iter *ret);
bool session_zrange_next(struct session *s, struct session_iter *it, struct slice *ret_member,
			 double *ret_score);
int session_zrank(struct session *s, struct slice key, struct slice member, uint64_t *ret);

/* session_map_next: a number's text is good until the next one. *ret_err is MB_ERR_TOO_LARGE when
 * there are too many views to show the first one; then the walk is over. */
bool session_map_next(struct session *s, struct session_iter *it, struct slice *ret_field,
		      struct slice *ret_value, int *ret_err);

#endif
