/* SPDX-License-Identifier: Apache-2.0 */
/* gate_dump - see gate_dump.h */
#include "gate_dump.h"

#include <math.h>
#include <string.h>

#include <microburst/error.h>

#include "domain_limits.h"
#include "hash.h"
#include "lattice.h"

void
dump_begin(struct wbuf *out, enum dump_kind kind)
{
	wbuf_u8(out, (uint8_t)kind);
}

void
dump_entry(struct wbuf *out, enum dump_kind kind, double score, struct slice bytes)
{
	uint64_t bits;

	if (kind == DUMP_ZSET) {
		memcpy(&bits, &score, sizeof(bits));
		wbuf_u64(out, bits);
	}
	wbuf_u32(out, (uint32_t)bytes.len);
	if (bytes.len != 0) {
		wbuf_put(out, bytes.p, bytes.len);
	}
}

void
dump_end(struct wbuf *out)
{
	struct slice all;

	wbuf_u16(out, DUMP_VERSION);
	all = wbuf_slice(out);
	wbuf_u64(out, hash_bytes(all.p, all.len));
}

bool
dump_next(struct rbuf *entries, enum dump_kind kind, double *ret_score, struct slice *ret)
{
	uint64_t bits = 0;
	uint32_t len;

	if (rbuf_done(entries)) {
		return false;
	}
	if (kind == DUMP_ZSET) {
		bits = rbuf_u64(entries);
	}
	len = rbuf_u32(entries);
	*ret = rbuf_take(entries, len);
	memcpy(ret_score, &bits, sizeof(bits));
	return !entries->bad;
}

/* Whether the entries are those of a value of this kind: not empty, in order, within limits. */
static bool
entries_ok(struct rbuf r, enum dump_kind kind)
{
	bool ordered = kind == DUMP_SET || kind == DUMP_HASH || kind == DUMP_ZSET;
	struct slice last = { 0 }, one, value;
	size_t cnt = 0;
	double score;

	while (dump_next(&r, kind, &score, &one)) {
		size_t most = kind == DUMP_HASH || kind == DUMP_ZSET ? (size_t)KEY_BYTES_MAX
								     : (size_t)VALUE_BYTES_MAX;

		if (one.len > most || isnan(score) ||
		    (kind == DUMP_HLL && (one.len == 0 || lattice_check(LATTICE_HLL, one) != 0)) ||
		    (ordered && cnt > 0 && slice_cmp(last, one) >= 0)) {
			return false;
		}
		if (kind == DUMP_HASH &&
		    (!dump_next(&r, kind, &score, &value) || value.len > VALUE_BYTES_MAX)) {
			return false;
		}
		last = one;
		cnt++;
	}
	return rbuf_done(&r) && (kind == DUMP_STRING || kind == DUMP_HLL ? cnt == 1 : cnt > 0);
}

int
dump_open(struct slice text, enum dump_kind *ret_kind, struct rbuf *ret_entries)
{
	struct rbuf tail, entries;
	unsigned int kind;
	uint16_t version;

	if (text.len < DUMP_HEAD + DUMP_TAIL) {
		return MB_ERR_VERSION;
	}
	tail = rbuf_of(slice_of(text.p + text.len - DUMP_TAIL, DUMP_TAIL));
	version = rbuf_u16(&tail);
	if (version != DUMP_VERSION ||
	    rbuf_u64(&tail) != hash_bytes(text.p, text.len - sizeof(uint64_t))) {
		return MB_ERR_VERSION;
	}
	kind = text.p[0];
	entries = rbuf_of(slice_of(text.p + DUMP_HEAD, text.len - DUMP_HEAD - DUMP_TAIL));
	if (kind < DUMP_STRING || kind >= DUMP_KIND_CNT ||
	    !entries_ok(entries, (enum dump_kind)kind)) {
		return MB_ERR_CORRUPT;
	}
	*ret_kind = (enum dump_kind)kind;
	*ret_entries = entries;
	return 0;
}
