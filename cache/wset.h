/* SPDX-License-Identifier: Apache-2.0 */
/* wset - a write set: the operations that one call publishes together
 *
 * Built by executors and clients in their own memory, sent as the payload of a PUBLISH to the cache
 * tile that serves its keys, and parsed there from bytes that a stranger wrote. With more than one
 * cache tile a call has one set for each.
 *
 * An operation is, in little endian, and padded with zeros to a multiple of 8 bytes:
 *
 *	kind u8 | flags u8 | key_len u16 | field_len u16 | 0 u16 | n u64 | time | key | field |
 *	value
 *
 * n is the number of an operation that has one (it has no value), else the length of the value. The
 * time, a u64, is there only with the flag WSET_F_AT. A value above WSET_INLINE_MAX is not in the
 * set: the flag WSET_F_REF says that in its place stands a struct payload_ref to a payload of the
 * same sender, of n bytes. So a set is short to copy and to parse however large its values are.
 * A set is operations one behind the other, nothing around them; the empty set is a set. The
 * smallest ones travel inside the descriptor: an 8-byte key with a number, or an 8-byte value.
 *
 * Operations are applied in order. What each means for the value under its key is in delta.h.
 *
 * Threads: any. Errors: 0, negative mb_err.
 */
#ifndef MB_WSET_H
#define MB_WSET_H

#include <stddef.h>
#include <stdint.h>

#include "desc.h"
#include "domain_limits.h"
#include "slice.h"

#define WSET_OP_HEAD    16
/* What describes a value stands behind it, in values that come as they are (MERGE, siblings): that
 * much may be over VALUE_BYTES_MAX. */
#define WSET_TAIL_MAX   4096
#define WSET_INLINE_MAX 4096          /* bytes of a value inside the set */
#define WSET_OP_CNT_MAX 65535         /* a PUBLISHED names an operation in 16 bits */
#define WSET_BYTES_MAX  (16u << 20)   /* of the set itself, without what it refers to */
#define WSET_FIELD_MAX  KEY_BYTES_MAX /* of a map */

/* What an operation has, beside its key. */
enum wset_part {
	WSET_HAS_VALUE = 1,
	WSET_HAS_FIELD = 2,
	WSET_HAS_N = 4,
};

enum wset_kind {
#define WSET(name, id, has, verb) WSET_##name = (id),
#include "wset.def"
#undef WSET
	WSET_KIND_CNT /* 1 + how many */
};

enum wset_flag {
	WSET_F_REF = 1,
	WSET_F_KEEP = 2,  /* PUT: the key's expiry stays */
	WSET_F_AT = 8,    /* MAP_PUT: as if at a time, in microseconds since 1970, not now */
	WSET_F_MUST = 16, /* of what takes away, and EXPIRE: NOT_FOUND when it is not there */
};

/* One operation, taken apart. The slices point into the set. */
struct wset_op {
	enum wset_kind kind;
	bool by_ref;            /* ref instead of value, if it has one */
	bool at;                /* MAP_PUT: time_us counts */
	uint64_t time_us;       /* since 1970 */
	bool keep;              /* PUT: WSET_F_KEEP */
	bool must;              /* WSET_F_MUST: DEL, EXPIRE, SREM, MAP_DEL, LIST_DEL, ZREM */
	struct slice key;       /* 1..KEY_BYTES_MAX bytes */
	struct slice field;     /* if it has one; else empty */
	struct slice value;     /* up to WSET_INLINE_MAX bytes */
	struct payload_ref ref; /* 0..VALUE_BYTES_MAX bytes, and a tail; else unchecked */
	int64_t n;              /* if it has one */
};

/* wset_has gives the enum wset_part of a kind, 0 for others; wset_verb its name for people. */
unsigned int wset_has(unsigned int kind);
const char *wset_verb(unsigned int kind);

/* wset_value_max is how long the value of an operation of this kind may be, with its tail. */
size_t wset_value_max(unsigned int kind);

/* ----------------------------------------------------------------- building
 *
 * The set grows in memory of the caller; when that is full an append says so and changes nothing,
 * the caller finds more, and appends again.
 */
struct wset {
	struct wbuf out;
	uint32_t op_cnt;
};

/* wset_init starts an empty set in bytes of mem, which is 8-aligned. */
void wset_init(struct wset *ws, void *mem, size_t bytes);

/* wset_op_bytes is how many bytes wset_add will append. */
size_t wset_op_bytes(const struct wset_op *op);

/* wset_add appends an operation.
 *
 * Returns:   0; MB_ERR_FULL when mem is: find wset_op_bytes more; MB_ERR_TOO_LARGE: key, field,
 *            value or the whole set past a limit above; MB_ERR_INVALID: an empty key, a value above
 *            WSET_INLINE_MAX that is not by_ref, a part that the kind has not.
 */
int wset_add(struct wset *ws, const struct wset_op *op);

static inline struct slice
wset_bytes(const struct wset *ws)
{
	return wbuf_slice(&ws->out);
}

/* ------------------------------------------------------------------ reading */

/* wset_next takes the next operation off the front of *set.
 *
 * Returns:   1 with *ret_op and *set behind it; 0 at the end; MB_ERR_CORRUPT for bytes no builder
 *            writes, MB_ERR_INVALID, MB_ERR_TOO_LARGE as wset_add. On any bytes whatever it stays
 *            inside of them.
 * Cost:      O(1); the key's and the value's bytes are not looked at, but for the padding.
 */
int wset_next(struct slice *set, struct wset_op *ret_op);

/* wset_check walks a whole set.
 *
 * Returns:   0 with the number of operations; else what wset_next said; MB_ERR_TOO_LARGE for more
 *            than WSET_OP_CNT_MAX operations or WSET_BYTES_MAX bytes.
 */
int wset_check(struct slice set, uint32_t *ret_op_cnt);

#endif
