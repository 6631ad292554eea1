/* SPDX-License-Identifier: Apache-2.0 */
/* vclock.c - the maximum, writer by writer
 *
 * Why the merge is a merge: a vclock is a function from writers to numbers, 0 where it has no
 * entry, and merge is the maximum at each writer; see counter.c, of which this is the plain case.
 *
 * The order of the lattice is the order of causes: a is below b exactly if all that a has seen, b
 * has seen. So before, after, equal and concurrent are read off two leqs.
 */
#include "vclock.h"

#include "codec.h"
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"

struct entry {
	uint64_t writer;
	uint64_t events;
};

static size_t
entry_cnt(struct slice v)
{
	return v.len / VCLOCK_ENTRY_BYTES;
}

static struct entry
entry_at(struct slice v, size_t idx)
{
	const uint8_t *p = v.p + idx * VCLOCK_ENTRY_BYTES;

	return (struct entry){ .writer = codec_u64(p), .events = codec_u64(p + 8) };
}

static void
entry_put(struct wbuf *out, uint64_t writer, uint64_t events)
{
	wbuf_u64(out, writer);
	wbuf_u64(out, events);
}

int
vclock_check(struct slice v, unsigned int depth)
{
	if (v.len % VCLOCK_ENTRY_BYTES != 0) {
		return MB_ERR_CORRUPT;
	}
	for (size_t i = 0; i < entry_cnt(v); i++) {
		struct entry e = entry_at(v, i);

		if (e.events == 0 || (i != 0 && e.writer <= entry_at(v, i - 1).writer)) {
			return MB_ERR_CORRUPT;
		}
	}
	return 0;
}

int
vclock_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	struct lattice_verdict verdict = { .left = true, .right = true };
	size_t i = 0;
	size_t j = 0;

	while (i < entry_cnt(a) || j < entry_cnt(b)) {
		bool has_a = i < entry_cnt(a);
		bool has_b = j < entry_cnt(b);
		struct entry ea = has_a ? entry_at(a, i) : (struct entry){ 0 };
		struct entry eb = has_b ? entry_at(b, j) : (struct entry){ 0 };

		if (!has_b || (has_a && ea.writer < eb.writer)) {
			verdict.right = false;
			entry_put(out, ea.writer, ea.events);
			i++;
		} else if (!has_a || eb.writer < ea.writer) {
			verdict.left = false;
			entry_put(out, eb.writer, eb.events);
			j++;
		} else {
			verdict.left = verdict.left && eb.events <= ea.events;
			verdict.right = verdict.right && ea.events <= eb.events;
			entry_put(out, ea.writer, MAX(ea.events, eb.events));
			i++;
			j++;
		}
	}
	return lattice_verdict_side(verdict);
}

bool
vclock_leq(struct slice a, struct slice b, unsigned int depth)
{
	size_t j = 0;

	for (size_t i = 0; i < entry_cnt(a); i++) {
		struct entry e = entry_at(a, i);

		while (j < entry_cnt(b) && entry_at(b, j).writer < e.writer) {
			j++;
		}
		if (j == entry_cnt(b) || entry_at(b, j).writer != e.writer ||
		    entry_at(b, j).events < e.events) {
			return false;
		}
	}
	return true;
}

int
vclock_delta(struct writer_id writer, uint64_t event_cnt, struct wbuf *out)
{
	struct wbuf before = *out;

	if (event_cnt != 0) {
		entry_put(out, writer.v, event_cnt);
	}
	return codec_done(out, before);
}

uint64_t
vclock_get(struct slice v, struct writer_id writer)
{
	size_t lo = 0;
	size_t hi = entry_cnt(v);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		struct entry e = entry_at(v, mid);

		if (e.writer == writer.v) {
			return e.events;
		}
		if (e.writer < writer.v) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return 0;
}

bool
vclock_at(struct slice v, uint32_t idx, struct writer_id *ret_writer, uint64_t *ret_events)
{
	struct entry e;

	if (idx >= entry_cnt(v)) {
		return false;
	}
	e = entry_at(v, idx);
	ret_writer->v = e.writer;
	*ret_events = e.events;
	return true;
}

enum vclock_order
vclock_compare(struct slice a, struct slice b)
{
	bool le = lattice_leq(LATTICE_VCLOCK, a, b);
	bool ge = lattice_leq(LATTICE_VCLOCK, b, a);

	if (le) {
		return ge ? VCLOCK_EQUAL : VCLOCK_BEFORE;
	}
	return ge ? VCLOCK_AFTER : VCLOCK_CONCURRENT;
}
