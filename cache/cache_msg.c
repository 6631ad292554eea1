/* SPDX-License-Identifier: Apache-2.0 */
/* cache_msg - see cache_msg.h */
#include "cache_msg.h"

#include "compiler.h"
#include "domain_limits.h"
#include "envelope.h"
#include "hash.h"
#include "microburst/error.h"
#include "tree.h"

int
cache_scan_req_write(struct wbuf *out, struct slice prefix, struct slice after, uint16_t limit)
{
	size_t len = out->len;

	if (prefix.len > KEY_BYTES_MAX || after.len > KEY_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	wbuf_u16(out, limit);
	wbuf_u16(out, (uint16_t)prefix.len);
	wbuf_u16(out, (uint16_t)after.len);
	wbuf_put(out, prefix.p, prefix.len);
	wbuf_put(out, after.p, after.len);
	if (out->full) {
		out->len = len;
		return MB_ERR_TOO_LARGE;
	}
	return 0;
}

int
cache_scan_req_parse(struct slice req, struct slice *ret_prefix, struct slice *ret_after,
		     uint16_t *ret_limit)
{
	struct rbuf r = rbuf_of(req);
	uint16_t limit = rbuf_u16(&r);
	uint16_t prefix_len = rbuf_u16(&r);
	uint16_t after_len = rbuf_u16(&r);
	struct slice prefix = rbuf_take(&r, prefix_len);
	struct slice after = rbuf_take(&r, after_len);

	if (!rbuf_done(&r) || prefix_len > KEY_BYTES_MAX || after_len > KEY_BYTES_MAX) {
		return MB_ERR_CORRUPT;
	}
	*ret_prefix = prefix;
	*ret_after = after;
	*ret_limit = limit;
	return 0;
}

int
cache_scan_next(struct rbuf *list, struct slice *ret_key)
{
	struct slice key;

	if (list->len == 0) {
		return list->bad ? MB_ERR_CORRUPT : 0;
	}
	key = rbuf_take(list, rbuf_u16(list));
	if (list->bad) {
		return MB_ERR_CORRUPT;
	}
	*ret_key = key;
	return 1;
}

/* Of what is not held as a tree only strings and sketches are long, and a string has its epoch at
 * its end. */
#define FLAT_LOOKED (16u << 10)

uint64_t
cache_version_lent(struct slice envelope)
{
	size_t most = MIN(envelope.len, (size_t)FLAT_LOOKED), tail;

	if (slice_is_tree(envelope)) {
		return CACHE_VERSION_LENT | CACHE_VERSION_TREE | tree_version(slice_tree(envelope));
	}
	tail = MIN(envelope.len, (size_t)ENVELOPE_OVERHEAD + ENVELOPE_EXPIRY_OVERHEAD);
	return CACHE_VERSION_LENT |
	       (hash_seeded(envelope.p, most, hash_bytes(envelope.p + envelope.len - tail, tail)) &
		~CACHE_VERSION_TREE);
}
