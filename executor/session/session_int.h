/* SPDX-License-Identifier: Apache-2.0 */
/* session_int - the inside of a session, for session*.c only
 *
 *   session.c          its life; memory
 *   session_held.c     what is held back: keys, elements, values
 *   session_read.c     the cache: views, fetching
 *   session_cut.c      the versions held at the level rr
 *   session_hand.c     and handed from one part of a DAG to the next
 *   session_op.c       the operations, made of the two: keys and strings
 *   session_set.c      sets
 *   session_map.c      maps
 *   session_list.c     lists
 *   session_zset.c     sorted sets
 *   session_zrange.c   sorted sets in the order of scores
 *   session_take.c     items that only one call gets
 *   session_merge.c    values that merge as they are: numbers that go one way, pairs, clocks
 *   session_sibling.c  values that stay beside each other, and merging them by a user's function
 *   session_publish.c  from what is held to write sets, and the answers
 *
 * Strings of bytes that are written (keys, fields, small members and values) lie one behind the
 * other in `bytes` until the call ends, so that a view of an own write lasts as long as one of a
 * cached value.
 */
#ifndef MB_EXEC_SESSION_INT_H
#define MB_EXEC_SESSION_INT_H

#include "cache_msg.h"
#include "cache_view.h"
#include "chain.h"
#include "domain.h"
#include "oset.h"
#include "session.h"
#include "view.h"
#include "wset.h"

#define SESSION_KEY_BUCKETS  (2 * SESSION_KEY_MAX)
#define SESSION_ELEM_BUCKETS (2 * (SESSION_ELEM_MAX + 1))
#define SESSION_VIEW_BUCKETS SESSION_VIEW_MAX

static_assert((SESSION_KEY_BUCKETS & (SESSION_KEY_BUCKETS - 1)) == 0, "a mask plus one");
static_assert((SESSION_ELEM_BUCKETS & (SESSION_ELEM_BUCKETS - 1)) == 0, "a mask plus one");
static_assert((SESSION_VIEW_BUCKETS & (SESSION_VIEW_BUCKETS - 1)) == 0, "a mask plus one");

/* What a key's own operations stand on. */
enum held_base {
	BASE_STORE = 0, /* what the store has */
	BASE_VALUE,     /* a value put by this call */
	BASE_ABSENT,    /* deleted by this call */
};

/* What has been merged on top of the base. */
enum held_kind {
	KIND_NONE = 0,
	KIND_STRING,  /* sum */
	KIND_SET,     /* elements */
	KIND_MAP,     /* elements with values */
	KIND_LIST,    /* items pushed, and ids of stored ones that were set or removed */
	KIND_ZSET,    /* members with scores */
	KIND_MERGE,   /* value is a state of `type` */
	KIND_SIBLING, /* one element: what is put beside others (session_sibling.c) */
	KIND_OTHER,   /* of a stored value: none of these */
};

/* A value that was put: in `bytes`, or above WSET_INLINE_MAX in a payload. */
struct held_value {
	uint8_t *p;
	uint32_t len, cap;
	uint32_t owned; /* its payload, number + 1; 0: none */
	bool shown;     /* somebody has a view: not to be overwritten */
};

struct held_key {
	uint64_t hash;
	const uint8_t *p;
	uint16_t len;
	uint8_t base, kind;
	uint8_t type; /* KIND_MERGE: enum lattice_type; KIND_SET: LATTICE_GSET, or 0 */
	bool summed;
	bool keep;                      /* BASE_VALUE: the deadline of what is stored stays */
	bool expires;                   /* at expire_us, or never if that is 0 */
	uint32_t push_cnt[2];           /* items pushed, by enum list_end */
	uint32_t next;                  /* in its chain */
	uint32_t elem_first, elem_last; /* number + 1 */
	int64_t sum;
	int64_t expire_us;
	struct held_value value;
};

/* A member of a set or a sorted set, a field of a map, an item of a list. Its base: BASE_VALUE,
 * added or put; BASE_ABSENT, removed; BASE_STORE, only added to. A member of a set is a value, too:
 * above WSET_INLINE_MAX it stands in value, and p is there. */
struct held_elem {
	uint64_t hash;
	const uint8_t *p;
	uint32_t len;
	bool listed; /* in its key's list; else put and then overtaken by a put or a delete */
	uint8_t base;
	bool summed;      /* a field: sum was added */
	bool at;          /* a field that was put: at time_us, not now */
	uint32_t key;     /* number + 1 */
	uint32_t next;    /* in its chain */
	uint32_t sibling; /* in its key's list */
	int64_t sum;      /* of a score: the bits of a double; its base in score */
	uint64_t time_us; /* since 1970 */
	double score;
	struct held_value value;
};

struct owned {
	struct payload_ref ref;
	uint8_t tile;
	bool sent; /* the cache tile holds it too, until it answers */
};

/* A cached value that the call looks at. */
struct view {
	uint64_t hash;  /* of the key */
	uint32_t next;  /* in its chain, or in the free list */
	uint32_t drops; /* how often this place was given up: walks over what stood in it end */
	bool used;
	struct cache_value value; /* version 0: none, only a text */
	char text[VIEW_TEXT_MAX]; /* of a value that is a number */
};

/* A version that is held: what a key showed when it was read first. */
struct cut {
	uint64_t hash;
	const uint8_t *key;
	uint32_t next; /* in its chain */
	uint16_t key_len;
	bool absent;
	struct cache_value value;
};

/* What a version of the cache was found to be. */
#define SESSION_SEEN_MAX 64
struct seen_version {
	uint64_t version; /* 0: none */
	uint32_t tile;
	struct hash128 h;
};

struct session {
	struct session_conf conf;
	struct session_call call;
	bool quiet;     /* session_read_only */
	bool published; /* this call sent something */
	uint32_t token_seq;
	const char *why;
	char why_buf[KEY_BYTES_MAX / 4];

	struct chain keys, elems, views, cuts;
	uint32_t key_cnt, elem_cnt, owned_cnt, cut_cnt;
	uint32_t view_cnt, view_free; /* highest used + 1; free list, number + 1 */
	size_t bytes_len;
	size_t set_bytes; /* what the write sets will take, at most */
	uint32_t set_ops; /* and how many operations they will have */
	uint32_t pending_cnt;
	uint64_t
		pending[CACHE_TILE_MAX]; /* token of the publication under way at a tile; 0: none */
	int publish_err;                 /* the first refusal among the answers */
	bool publishing;                 /* what is held is what was sent */

	/* From call to call; of a key at its hash's place. */
	struct seen_version seen_version[SESSION_SEEN_MAX];

	uint32_t zrange_turn; /* counts the ranges of sorted sets that were made */
	uint32_t zrange_view; /* what holds the members of the last one, as in session_iter */
	uint64_t take_seq;    /* and versions that were taken over */
	uint64_t hand_seq;    /* and keys that were handed on with own writes */

	/* One mapping, of which only what calls use is ever touched. */
	struct owned owned[SESSION_OWNED_MAX];
	struct chain_bucket view_bucket[SESSION_VIEW_BUCKETS];
	struct chain_bucket key_bucket[SESSION_KEY_BUCKETS];
	struct chain_bucket elem_bucket[SESSION_ELEM_BUCKETS];
	struct chain_bucket cut_bucket[SESSION_CUT_MAX];
	struct view view[SESSION_VIEW_MAX];
	struct cut cut[SESSION_CUT_MAX];
	uint32_t hand_order[SESSION_CUT_MAX]; /* of these, by key */
	uint64_t owed_bits; /* of keys whose writes were sent and are not acknowledged */
	struct held_key key[SESSION_KEY_MAX];
	struct held_elem elem[SESSION_ELEM_MAX];
	uint8_t merge_mem[SESSION_MERGE_MAX];
	struct oset_entry zrange[SESSION_ZRANGE_MAX];
	uint8_t bytes[SESSION_BYTES_MAX] __attribute__((__aligned__(8)));
};

/* A bit a key: who reads one that may be among those waits for all of them. */
static inline uint64_t
session_owed_bit(uint64_t hash)
{
	return UINT64_C(1) << (hash >> 58);
}

/* refuse notes the sentence for session_why and gives err back. */
static inline int
refuse(struct session *s, int err, const char *why)
{
	s->why = why;
	return err;
}

/* ----------------------------------------------------------- session_held.c */

/* held_find finds what this call has written under a key; NULL when nothing. */
struct held_key *held_find(struct session *s, uint64_t hash, struct slice key);

/* held_write finds or makes the entry that a write of key goes to, after checking that a write of
 * this key is allowed. Returns: 0; MB_ERR_DENIED, MB_ERR_INVALID, MB_ERR_TOO_LARGE. */
int held_write(struct session *s, struct slice key, struct held_key **ret);

/* held_more counts one more operation for a key. Returns: 0; MB_ERR_TOO_LARGE. */
int held_more(struct session *s, const struct held_key *k);

/* held_reset makes base what the key's operations stand on, and forgets the operations so far. */
void held_reset(struct session *s, struct held_key *k, enum held_base base);

/* held_elem_find finds an element of a key; NULL when this call has not added it. held_elem_add
 * adds it, on the base of what the store has. Returns: 0; MB_ERR_TOO_LARGE. */
struct held_elem *held_elem_find(struct session *s, const struct held_key *k, struct slice name);

/* held_elem_next gives the elements of a key, one after the other: *at 0 first. NULL behind the
 * last. */
struct held_elem *held_elem_next(struct session *s, const struct held_key *k, uint32_t *at);

/* held_elem_sum adds to an element's sum, which becomes an operation of its own. Returns: 0;
 * MB_ERR_TOO_LARGE. */
int held_elem_sum(struct session *s, struct held_elem *e, int64_t n);

/* held_elem_more counts one more operation for an element. Returns: 0; MB_ERR_TOO_LARGE. */
int held_elem_more(struct session *s, const struct held_elem *e);
int held_elem_add(struct session *s, struct held_key *k, struct slice name, struct held_elem **ret);

/* bytes_copy copies bytes to the end of the strings. NULL when there is no room. */
uint8_t *bytes_copy(struct session *s, struct slice from);

/* held_value_set copies a value. Returns: 0; MB_ERR_TOO_LARGE, MB_ERR_NO_MEMORY, and *v as
 * before. */
int held_value_set(struct session *s, struct held_value *v, struct slice bytes);

/* held_value_take is held_value_set without the bytes: v->len of them, the value's and those of
 * what describes it and stands behind it, are to be written to v->p. */
int held_value_take(struct session *s, struct held_value *v, size_t len, size_t tail_len);

/* ----------------------------------------------------------- session_read.c */

enum read_how {
	READ_FETCH, /* bring the key into the cache, if it is not there */
	READ_PEEK,  /* only if it is there: else CACHE_MISS */
};

/* read_cached finds what the cache shows now, into *ret, which is released by cache_view_release.
 * Returns: CACHE_HIT; CACHE_ABSENT, nothing held; CACHE_MISS (READ_PEEK); an error. */
int read_cached(struct session *s, uint64_t hash, struct slice key, enum read_how how,
		struct cache_value *ret);

/* read_value finds what this call reads: what the cache shows now, or at the level rr what it
 * showed first. Returns: as read_cached. */
int read_value(struct session *s, uint64_t hash, struct slice key, enum read_how how,
	       struct cache_value *ret);

/* read_kind says which of our kinds a stored value is; KIND_NONE when it shows nothing. */
enum held_kind read_kind(const struct cache_value *v);

/* session_cut.c: cut_read is read_value at the level rr; cut_end gives back what is held. cut_take
 * holds what another part of the call has read: a flat envelope, and a key, that stay until then.
 * cut_nothing holds that there is nothing, of a key that was not read; the key stays until then.
 * Returns: 0; MB_ERR_TOO_LARGE. */
int cut_read(struct session *s, uint64_t hash, struct slice key, enum read_how how,
	     struct cache_value *ret);
int cut_take(struct session *s, struct slice key, struct slice envelope);
int cut_nothing(struct session *s, uint64_t hash, struct slice key);
void cut_end(struct session *s);

/* read_view is read_value into a view, which is found again by its key's hash. An older view of the
 * same version serves again.
 * Returns: CACHE_HIT with *ret; CACHE_ABSENT; an error. */
int read_view(struct session *s, uint64_t hash, struct slice key, struct view **ret);

/* view_new makes a view of no cached value, for a text; NULL when there are SESSION_VIEW_MAX.
 * view_put makes it findable. */
struct view *view_new(struct session *s);
void view_put(struct session *s, struct view *v, uint64_t hash);

/* view_mark names a view for as long as it is held, not 0. view_marked is the view of a mark; NULL
 * when it was given up. */
#define VIEW_MARK_BITS 14
static_assert(SESSION_VIEW_MAX < 1u << VIEW_MARK_BITS, "a mark has room for the place of a view");
uint32_t view_mark(const struct session *s, const struct view *v);
struct view *view_marked(struct session *s, uint32_t mark);

/* ------------------------------------------------------------- session_op.c */

/* What all operations begin with: is the key one, is the name of an element of this kind of key? */
int op_key_check(struct session *s, struct slice key);
int op_elem_check(struct session *s, enum held_kind kind, struct slice name);
int op_wrong_type(struct session *s);

/* op_held finds what is held under a key, if anything of it changes what is read. */
struct held_key *op_held(struct session *s, uint64_t hash, struct slice key);

/* op_write finds or makes the entry of an element that is written, of a key of this kind, after all
 * checks. The key's kind is set by the caller, once nothing can fail any more. */
int op_write(struct session *s, struct slice key, struct slice name, enum held_kind kind,
	     struct held_key **ret);

/* op_parts splits the collection at key into what is held and what is stored; the latter is asked
 * for only if it counts.
 *
 * Returns:   0; *ret_held: NULL, or what is held; *ret_hit: there is a stored collection of this
 *            kind in *v, which is to be released by cache_view_release; MB_ERR_TYPE; an error.
 */
int op_parts(struct session *s, struct slice key, enum held_kind kind, struct held_key **ret_held,
	     struct cache_value *v, bool *ret_hit);

/* op_count is how many elements the collection at key has. adds: how many a held element makes of
 * those that are stored (NULL: none are) more or fewer, by one at most. */
int op_count(struct session *s, struct slice key, enum held_kind kind,
	     int (*adds)(struct held_elem *e, const struct cache_value *stored), uint64_t *ret);

/* op_iter_begin starts a walk over the collection at key. */
int op_iter_begin(struct session *s, struct slice key, enum held_kind kind,
		  struct session_iter *ret);

/* op_iter_on: a walk goes on, until what was written is published, or its key released. */
bool op_iter_on(struct session *s, const struct session_iter *it);

/* op_text_i64 reads text as a number, as the store would. */
int op_text_i64(struct slice text, int64_t *ret);

/* op_show_at shows it in the place of the number that was shown there before; mark 0: at a new one.
 * Returns: as op_show. */
struct text_place {
	uint64_t hash;
	uint32_t mark; /* of a view */
};
int op_show_at(struct session *s, struct text_place *at, int64_t x, struct slice *ret);

/* -------------------------------------------------------- session_publish.c */

/* visit_key calls fn for each operation that a key's writes amount to, in their order, until it
 * returns false. owned: the number + 1 of the payload that the operation refers to; 0: none.
 * Returns: whether it went to the end. */
typedef bool (*visit_fn)(void *ctx, const struct wset_op *op, uint32_t owned);
bool visit_key(const struct session *s, const struct held_key *k, visit_fn fn, void *ctx);

/* publish_one publishes one operation, without a payload of its own, and waits for it.
 * Returns: 0; what the store said of it; as session_publish. */
int publish_one(struct session *s, const struct wset_op *op);

/* ---------------------------------------------------------- session_merge.c */

/* merge_get, merge_get_i64 read a key of KIND_MERGE that this call has written. */
int merge_get(struct session *s, struct held_key *k, struct slice *ret);
int merge_get_i64(struct session *s, struct held_key *k, int64_t *ret);

/* -------------------------------------------------------- session_sibling.c */

/* sibling_get reads a key of KIND_SIBLING that this call has written: its own value. */
int sibling_get(struct session *s, struct held_key *k, struct slice *ret);

#endif
