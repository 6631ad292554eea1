/* SPDX-License-Identifier: Apache-2.0 */
/* score.c - a base, and per writer sums of doubles
 *
 * Why the merge is a merge: a score is the pair of a base (none, then all numbers in their order,
 * then deleted: a chain) and of a function from writers to pairs (all additions, deleted ones);
 * each of these is the sum after the writer's n-th addition, and the greater n wins. One writer's
 * sums are a chain, as only the writer adds to them, each time to the greatest it ever had; should
 * two values ever claim one n, the greater sum wins, so that it is a chain in any case.
 *
 * Doubles do not add up the same in any order. So a delete says which sum it saw, not only which n:
 * what is left of a writer is the difference, zero where all was seen; and a read adds the writers
 * up in the order of their ids, the same everywhere.
 *
 * I1  n of what was deleted is not above n. I2 a delta brings the base along (strval.c, I1).
 * I3  A delta brings along what is deleted of its writer: its sum may begin behind that one.
 */
#include "score.h"

#include <math.h>

#include "codec.h"
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"

enum {
	BASE_NONE = 0,
	BASE_VALUE = 1,
	BASE_DELETED = 2,
};

enum {
	HAS_DELETED = 1,
};

struct sum {
	uint64_t n;
	double x;
};

struct entry {
	struct writer_id writer;
	struct sum all, deleted;
};

struct score {
	unsigned int kind;
	double base;
	struct rbuf entries;
};

static bool
f64_ok(double x)
{
	return !isnan(x) && !(x == 0 && signbit(x));
}

static int
f64_cmp(double a, double b)
{
	return (a > b) - (a < b);
}

static int
sum_cmp(struct sum a, struct sum b)
{
	return a.n != b.n ? (a.n < b.n ? -1 : 1) : f64_cmp(a.x, b.x);
}

static struct sum
sum_max(struct sum a, struct sum b)
{
	return sum_cmp(a, b) >= 0 ? a : b;
}

static int
score_open(struct slice v, struct score *ret)
{
	struct score s = { .kind = BASE_NONE };

	if (v.len != 0) {
		s.kind = codec_cut(&v, 1).p[0];
	}
	if (s.kind == BASE_VALUE) {
		if (v.len < sizeof(uint64_t)) {
			return MB_ERR_CORRUPT;
		}
		s.base = codec_f64(v.p);
		v = slice_of(v.p + sizeof(uint64_t), v.len - sizeof(uint64_t));
	}
	if (s.kind > BASE_DELETED || !f64_ok(s.base)) {
		return MB_ERR_CORRUPT;
	}
	s.entries = rbuf_of(v);
	*ret = s;
	return 0;
}

static struct sum
sum_next(struct rbuf *r)
{
	struct sum s = { .n = rbuf_u64(r) };
	uint64_t bits = rbuf_u64(r);

	memcpy(&s.x, &bits, sizeof(s.x));
	r->bad = r->bad || s.n == 0 || !f64_ok(s.x);
	return s;
}

/* Returns: 1 with the next entry; 0 at the end; MB_ERR_CORRUPT. */
static int
entry_next(struct rbuf *r, struct entry *ret)
{
	struct entry e = { 0 };
	uint8_t flags;

	if (r->len == 0 && !r->bad) {
		return 0;
	}
	e.writer.v = rbuf_u64(r);
	flags = rbuf_u8(r);
	e.all = sum_next(r);
	if (flags == HAS_DELETED) {
		e.deleted = sum_next(r);
	}
	if (r->bad || flags > HAS_DELETED || e.deleted.n > e.all.n) {
		return MB_ERR_CORRUPT;
	}
	*ret = e;
	return 1;
}

static void
entry_put(struct wbuf *out, const struct entry *e)
{
	wbuf_u64(out, e->writer.v);
	wbuf_u8(out, e->deleted.n != 0 ? HAS_DELETED : 0);
	wbuf_u64(out, e->all.n);
	codec_put_f64(out, e->all.x);
	if (e->deleted.n != 0) {
		wbuf_u64(out, e->deleted.n);
		codec_put_f64(out, e->deleted.x);
	}
}

static void
base_put(struct wbuf *out, const struct score *s)
{
	if (s->kind == BASE_VALUE) {
		codec_put_f64(out, s->base);
	}
}

static int
base_cmp(const struct score *a, const struct score *b)
{
	if (a->kind != b->kind) {
		return a->kind < b->kind ? -1 : 1;
	}
	return a->kind == BASE_VALUE ? f64_cmp(a->base, b->base) : 0;
}

static bool
entry_leq(const struct entry *a, const struct entry *b)
{
	return sum_cmp(a->all, b->all) <= 0 && sum_cmp(a->deleted, b->deleted) <= 0;
}

int
score_check(struct slice v, unsigned int depth)
{
	uint64_t writer_last = 0;
	struct score s;
	struct entry e;
	bool first = true;
	int rc = score_open(v, &s);

	if (rc < 0) {
		return rc;
	}
	while ((rc = entry_next(&s.entries, &e)) > 0) {
		if (!first && e.writer.v <= writer_last) {
			return MB_ERR_CORRUPT;
		}
		writer_last = e.writer.v;
		first = false;
	}
	return rc < 0 || (first && s.kind == BASE_NONE) ? MB_ERR_CORRUPT : 0;
}

int
score_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	struct lattice_verdict verdict = { .left = true, .right = true };
	struct score sa, sb;
	struct entry ea, eb;
	int diff, has_a, has_b;

	if (score_open(a, &sa) < 0 || score_open(b, &sb) < 0) {
		return MB_ERR_CORRUPT;
	}
	diff = base_cmp(&sa, &sb);
	verdict.left = diff >= 0;
	verdict.right = diff <= 0;
	base_put(out, diff >= 0 ? &sa : &sb);
	has_a = entry_next(&sa.entries, &ea);
	has_b = entry_next(&sb.entries, &eb);
	while (has_a > 0 || has_b > 0) {
		bool from_a = has_a > 0 && (has_b <= 0 || ea.writer.v <= eb.writer.v);
		bool from_b = has_b > 0 && (has_a <= 0 || eb.writer.v <= ea.writer.v);
		struct entry max = from_a ? ea : eb;

		if (from_a && from_b) {
			max.all = sum_max(ea.all, eb.all);
			max.deleted = sum_max(ea.deleted, eb.deleted);
		}
		verdict.left = verdict.left && from_a && (!from_b || entry_leq(&eb, &ea));
		verdict.right = verdict.right && from_b && (!from_a || entry_leq(&ea, &eb));
		entry_put(out, &max);
		if (from_a) {
			has_a = entry_next(&sa.entries, &ea);
		}
		if (from_b) {
			has_b = entry_next(&sb.entries, &eb);
		}
	}
	wbuf_u8(out, (uint8_t)MAX(sa.kind, sb.kind));
	return has_a < 0 || has_b < 0 ? MB_ERR_CORRUPT : lattice_verdict_side(verdict);
}

bool
score_leq(struct slice a, struct slice b, unsigned int depth)
{
	struct score sa, sb;
	struct entry ea, eb;
	int has_a, has_b;

	if (score_open(a, &sa) < 0 || score_open(b, &sb) < 0 || base_cmp(&sa, &sb) > 0) {
		return false;
	}
	has_b = entry_next(&sb.entries, &eb);
	while ((has_a = entry_next(&sa.entries, &ea)) > 0) {
		while (has_b > 0 && eb.writer.v < ea.writer.v) {
			has_b = entry_next(&sb.entries, &eb);
		}
		if (has_b <= 0 || eb.writer.v != ea.writer.v || !entry_leq(&ea, &eb)) {
			return false;
		}
	}
	return has_a == 0;
}

/* -------------------------------------------------------------------------------------- reading */

/* What is left of a writer's additions. What it added beside an infinity that was deleted cannot be
 * told from it, and goes with it: the difference of two infinities is no number. */
static double
entry_left(const struct entry *e)
{
	return isinf(e->all.x) && e->all.x == e->deleted.x ? 0 : e->all.x - e->deleted.x;
}

/* Sums up all, and finds the entry of a writer on the way (all zero if it has none). */
static int
score_scan(struct slice state, struct writer_id writer, struct score *ret, struct entry *ret_own,
	   double *ret_sum, bool *ret_present)
{
	struct score s;
	struct entry e;
	int rc = score_open(state, &s);

	if (rc < 0) {
		return rc;
	}
	*ret = s;
	*ret_own = (struct entry){ .writer = writer };
	*ret_sum = s.base;
	*ret_present = s.kind == BASE_VALUE;
	while ((rc = entry_next(&s.entries, &e)) > 0) {
		if (sum_cmp(e.all, e.deleted) != 0) {
			*ret_sum += entry_left(&e);
			*ret_present = true;
		}
		if (e.writer.v == writer.v) {
			*ret_own = e;
		}
	}
	return rc;
}

int
score_read(struct slice state, double *ret)
{
	struct score s;
	struct entry own;
	bool present;
	double sum;
	int rc = score_scan(state, (struct writer_id){ 0 }, &s, &own, &sum, &present);

	if (rc < 0 || !present) {
		return rc < 0 ? rc : MB_ERR_NOT_FOUND;
	}
	if (isnan(sum)) {
		return MB_ERR_TOO_LARGE;
	}
	*ret = sum;
	return 0;
}

/* --------------------------------------------------------------------------------------- deltas */

int
score_delta_set(double x, struct wbuf *out)
{
	struct wbuf before = *out;

	if (isnan(x)) {
		return MB_ERR_INVALID;
	}
	codec_put_f64(out, x == 0 ? 0 : x); /* of two zeros, one */
	wbuf_u8(out, BASE_VALUE);
	return codec_done(out, before);
}

/* Where all that a writer added is deleted, its next sum begins at zero again, or what was large
 * would swallow what is added now: one more addition makes the sum zero, and is deleted too. I3. */
static void
entry_afresh(struct entry *e)
{
	if (e->deleted.n == 0 || entry_left(e) != 0 ||
	    (sum_cmp(e->all, e->deleted) != 0 && !isinf(e->all.x))) {
		return;
	}
	e->all = (struct sum){ .n = e->all.n + 1, .x = 0 };
	e->deleted = e->all;
}

int
score_delta_add(struct slice state, struct writer_id writer, double x, struct wbuf *out)
{
	struct wbuf before = *out;
	struct score s;
	struct entry own;
	bool present;
	double sum;
	int rc = score_scan(state, writer, &s, &own, &sum, &present);

	if (rc < 0) {
		return rc;
	}
	entry_afresh(&own);
	own.all.n++;
	own.all.x += x;
	own.all.x = own.all.x == 0 ? 0 : own.all.x;
	if (isnan(own.all.x) || isnan(sum + x) || own.all.n == 0) {
		return MB_ERR_INVALID;
	}
	base_put(out, &s); /* I2 */
	entry_put(out, &own);
	wbuf_u8(out, (uint8_t)s.kind);
	return codec_done(out, before);
}

int
score_delta_del(struct slice state, struct wbuf *out)
{
	struct wbuf before = *out;
	struct score s;
	struct entry e;
	bool present;
	double sum;
	int rc = score_scan(state, (struct writer_id){ 0 }, &s, &e, &sum, &present);

	if (rc < 0 || !present) {
		return rc < 0 ? rc : 0;
	}
	while (entry_next(&s.entries, &e) > 0) {
		if (sum_cmp(e.all, e.deleted) != 0) {
			e.deleted = e.all;
			entry_put(out, &e);
		}
	}
	wbuf_u8(out, s.kind == BASE_NONE ? BASE_NONE : BASE_DELETED);
	return codec_done(out, before);
}
