/* SPDX-License-Identifier: Apache-2.0 */
/* counter.c - per writer sums that only grow
 *
 * Why the merge is a merge: a counter is a function from (writer, which sum) to uint64_t, 0 where
 * it has no entry, and merge is the maximum at each point. A maximum is commutative, associative
 * and idempotent at each point, hence for the whole.
 *
 * Why nothing is lost or counted twice: only the writer itself raises its sums, each time from the
 * greatest it ever had. So of two values of one sum the greater *includes* the less, and repeating
 * or reordering messages cannot add anything. This is also why writers are tiles and never the
 * clients: two that used one writer id at once would each include only itself.
 *
 * Why a delete works as one more maximum: the gone sums say how much of a writer's sums somebody
 * has seen and deleted. What the deleter had not seen lies above them, and stays.
 *
 * I1  incs_gone <= incs and decs_gone <= decs, in every entry of every value, deltas too. Maxima
 *     keep it; counter_next refuses bytes that break it. So no read ever has to clamp.
 *
 * Rejected: one signed sum and a sequence number per writer (the greater number wins). It could not
 * run full, but a delete would have to name a sequence number, and the sum at that number is
 * forgotten by all who only hold a later one.
 */
#include "counter.h"

#include "codec.h"
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"

enum {
	HAS_INCS = 1,
	HAS_DECS = 2,
	HAS_INCS_GONE = 4,
	HAS_DECS_GONE = 8,
	HAS_ALL = 15,
};

static uint64_t
sum_next(struct rbuf *r, bool present)
{
	uint64_t v;

	if (!present) {
		return 0;
	}
	v = rbuf_varint(r);
	r->bad = r->bad || v == 0; /* zero is said by the mask */
	return v;
}

int
counter_next(struct rbuf *r, struct counter_entry *ret_entry)
{
	struct counter_entry e;
	uint8_t mask;

	if (r->len == 0 && !r->bad) {
		return 0;
	}
	e.writer.v = rbuf_u64(r);
	mask = rbuf_u8(r);
	e.incs = sum_next(r, mask & HAS_INCS);
	e.decs = sum_next(r, mask & HAS_DECS);
	e.incs_gone = sum_next(r, mask & HAS_INCS_GONE);
	e.decs_gone = sum_next(r, mask & HAS_DECS_GONE);
	if (r->bad || mask == 0 || (mask & ~HAS_ALL) != 0 || e.incs_gone > e.incs ||
	    e.decs_gone > e.decs) {
		return MB_ERR_CORRUPT;
	}
	*ret_entry = e;
	return 1;
}

static void
entry_put(struct wbuf *out, const struct counter_entry *e)
{
	const uint64_t sums[] = { e->incs, e->decs, e->incs_gone, e->decs_gone };
	uint8_t mask = 0;

	for (unsigned int i = 0; i < ARRAY_CNT(sums); i++) {
		mask |= (uint8_t)((sums[i] != 0) << i);
	}
	wbuf_u64(out, e->writer.v);
	wbuf_u8(out, mask);
	for (unsigned int i = 0; i < ARRAY_CNT(sums); i++) {
		if (sums[i] != 0) {
			wbuf_varint(out, sums[i]);
		}
	}
}

static bool
entry_live(const struct counter_entry *e)
{
	return e->incs != e->incs_gone || e->decs != e->decs_gone;
}

static bool
entry_leq(const struct counter_entry *a, const struct counter_entry *b)
{
	return a->incs <= b->incs && a->decs <= b->decs && a->incs_gone <= b->incs_gone &&
	       a->decs_gone <= b->decs_gone;
}

int
counter_check(struct slice v, unsigned int depth)
{
	struct rbuf r = rbuf_of(v);
	struct counter_entry e;
	uint64_t writer_last = 0;
	bool first = true;
	int rc;

	while ((rc = counter_next(&r, &e)) > 0) {
		if (!first && e.writer.v <= writer_last) {
			return MB_ERR_CORRUPT;
		}
		writer_last = e.writer.v;
		first = false;
	}
	return rc;
}

int
counter_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	struct lattice_verdict verdict = { .left = true, .right = true };
	struct rbuf ra = rbuf_of(a);
	struct rbuf rb = rbuf_of(b);
	struct counter_entry ea, eb;
	int has_a = counter_next(&ra, &ea);
	int has_b = counter_next(&rb, &eb);

	while (has_a > 0 || has_b > 0) {
		if (has_b <= 0 || (has_a > 0 && ea.writer.v < eb.writer.v)) {
			verdict.right = false;
			entry_put(out, &ea);
			has_a = counter_next(&ra, &ea);
		} else if (has_a <= 0 || eb.writer.v < ea.writer.v) {
			verdict.left = false;
			entry_put(out, &eb);
			has_b = counter_next(&rb, &eb);
		} else {
			struct counter_entry max = {
				.writer = ea.writer,
				.incs = MAX(ea.incs, eb.incs),
				.decs = MAX(ea.decs, eb.decs),
				.incs_gone = MAX(ea.incs_gone, eb.incs_gone),
				.decs_gone = MAX(ea.decs_gone, eb.decs_gone),
			};

			verdict.left = verdict.left && entry_leq(&eb, &ea);
			verdict.right = verdict.right && entry_leq(&ea, &eb);
			entry_put(out, &max);
			has_a = counter_next(&ra, &ea);
			has_b = counter_next(&rb, &eb);
		}
	}
	return has_a < 0 || has_b < 0 ? MB_ERR_CORRUPT : lattice_verdict_side(verdict);
}

bool
counter_leq(struct slice a, struct slice b, unsigned int depth)
{
	struct rbuf ra = rbuf_of(a);
	struct rbuf rb = rbuf_of(b);
	struct counter_entry ea, eb;
	int has_b = counter_next(&rb, &eb);
	int has_a;

	while ((has_a = counter_next(&ra, &ea)) > 0) {
		while (has_b > 0 && eb.writer.v < ea.writer.v) {
			has_b = counter_next(&rb, &eb);
		}
		if (has_b <= 0 || eb.writer.v != ea.writer.v || !entry_leq(&ea, &eb)) {
			return false;
		}
	}
	return has_a == 0;
}

/* -------------------------------------------------------------------------------------- reading */

/* Sums up all entries, and finds the one of a writer on the way (all zero if it has none). */
static int
counter_scan(struct slice state, struct writer_id writer, struct counter_entry *ret_own,
	     counter_sum *ret_sum, bool *ret_live)
{
	struct rbuf r = rbuf_of(state);
	struct counter_entry own = { .writer = writer };
	struct counter_entry e;
	counter_sum sum = 0;
	bool live = false;
	int rc;

	while ((rc = counter_next(&r, &e)) > 0) {
		sum += (counter_sum)(e.incs - e.incs_gone) - (counter_sum)(e.decs - e.decs_gone);
		live = live || entry_live(&e);
		if (e.writer.v == writer.v) {
			own = e;
		}
	}
	if (rc < 0) {
		return rc;
	}
	*ret_own = own;
	*ret_sum = sum;
	*ret_live = live;
	return 0;
}

int
counter_read(struct slice state, counter_sum *ret_sum, bool *ret_live)
{
	struct counter_entry own;

	return counter_scan(state, (struct writer_id){ 0 }, &own, ret_sum, ret_live);
}

struct slice
counter_text(counter_sum sum, char buf[COUNTER_TEXT_MAX])
{
	unsigned __int128 rest = sum < 0 ? -(unsigned __int128)sum : (unsigned __int128)sum;
	char *end = buf + COUNTER_TEXT_MAX;
	char *p = end;
	uint64_t low;

	for (; rest > UINT64_MAX; rest /= 10) { /* a division by itself, and seldom */
		*--p = (char)('0' + (int)(rest % 10));
	}
	low = (uint64_t)rest;
	for (; low >= 100; low /= 100) { /* half as many steps that wait for each other */
		uint32_t two = (uint32_t)(low % 100);

		*--p = (char)('0' + two % 10);
		*--p = (char)('0' + two / 10);
	}
	if (low >= 10) {
		*--p = (char)('0' + low % 10);
		low /= 10;
	}
	*--p = (char)('0' + low);
	if (sum < 0) {
		*--p = '-';
	}
	return slice_of(p, (size_t)(end - p));
}

/* --------------------------------------------------------------------------------------- deltas */

int
counter_delta_add_over(int64_t base, struct slice state, struct writer_id writer, int64_t n,
		       struct wbuf *out)
{
	struct wbuf before = *out;
	struct counter_entry own;
	/* The sums this raises; those that stay as they are need not be said again. */
	struct counter_entry delta = { .writer = writer };
	counter_sum sum;
	bool live;
	uint64_t inc = n > 0 ? (uint64_t)n : 0;
	uint64_t dec = n < 0 ? -(uint64_t)n : 0;
	int rc = counter_scan(state, writer, &own, &sum, &live);

	if (rc < 0) {
		return rc;
	}
	if (n == 0) {
		if (live) {
			return 0;
		}
		inc = 1; /* a 0 that is there: +1 and -1 */
		dec = 1;
	}
	sum += (counter_sum)base + n;
	if (sum > INT64_MAX || sum < INT64_MIN) {
		return MB_ERR_TOO_LARGE;
	}
	if ((inc != 0 && __builtin_add_overflow(own.incs, inc, &delta.incs)) ||
	    (dec != 0 && __builtin_add_overflow(own.decs, dec, &delta.decs))) {
		return MB_ERR_TOO_LARGE;
	}
	entry_put(out, &delta);
	return codec_done(out, before);
}

bool
counter_add_alone(int64_t base, struct slice state, struct writer_id writer, int64_t n,
		  struct wbuf *out, int64_t *ret_total)
{
	struct rbuf r = rbuf_of(state);
	struct counter_entry e = { .writer = writer };
	counter_sum sum;

	if (state.len != 0 && (counter_next(&r, &e) != 1 || r.len != 0)) {
		return false;
	}
	if (n == 0 || e.writer.v != writer.v || e.incs_gone != 0 || e.decs_gone != 0 ||
	    __builtin_add_overflow(n > 0 ? e.incs : e.decs, n > 0 ? (uint64_t)n : -(uint64_t)n,
				   n > 0 ? &e.incs : &e.decs)) {
		return false;
	}
	sum = (counter_sum)base + e.incs - e.decs;
	if (sum > INT64_MAX || sum < INT64_MIN || out->cap - out->len < COUNTER_ENTRY_BYTES_MAX) {
		return false;
	}
	entry_put(out, &e);
	*ret_total = (int64_t)sum;
	return true;
}

int
counter_delta_add(struct slice state, struct writer_id writer, int64_t n, struct wbuf *out)
{
	return counter_delta_add_over(0, state, writer, n, out);
}

int
counter_delta_del(struct slice state, struct wbuf *out)
{
	struct wbuf before = *out;
	struct rbuf r = rbuf_of(state);
	struct counter_entry e;
	int rc;

	while ((rc = counter_next(&r, &e)) > 0) {
		if (entry_live(&e)) {
			e.incs_gone = e.incs;
			e.decs_gone = e.decs;
			entry_put(out, &e);
		}
	}
	if (rc < 0) {
		*out = before;
		return rc;
	}
	return codec_done(out, before);
}
