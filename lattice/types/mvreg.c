/* SPDX-License-Identifier: Apache-2.0 */
/* mvreg.c - the greatest elements of what was written
 *
 * Why the merge is a merge: siblings are ordered: by their histories, and under one history (which
 * nobody gives out twice, but a merge that breaks its laws may) by time, value and dependencies. A
 * state is a set of siblings of which none is below another: it stands for all siblings below one
 * of its own. The merge is the union of what two states stand for, written down by its greatest
 * elements. Union is commutative, associative and idempotent, whatever the order is.
 *
 * Rejected: one clock for the whole value, as the papers' capsule has (what one side overwrote, the
 * other brings back: not associative). Rejected: a context for all siblings and a dot for each
 * (smaller, when there are many siblings of many writers): a merged value has no dot of its own,
 * and under one of its inputs' it would take the others along when that one is overwritten.
 * Rejected: a vclock for each (what stood here first): a writer is a tile, which writes for many
 * who have not seen each other, and its n-th event would cover all of its before: of two blind
 * writes through one tile the first was lost. Siblings are few: 24 bytes a run each.
 */
#include "mvreg.h"

#include "check.h"
#include "codec.h"
#include "compiler.h"
#include "history.h"
#include "lattice.h"
#include "microburst/error.h"
#include "table.h"

#define TAIL_BYTES (MVREG_OVERHEAD - TABLE_ITEM_OVERHEAD)

static_assert(TAIL_BYTES == 2 * sizeof(uint64_t), "a time and two lengths");

/* In history_len: the mark of a delete. */
#define GONE_BIT (UINT32_C(1) << 31)

static bool
item_open(struct slice item, struct mvreg_sibling *ret)
{
	uint32_t history_len, dependencies_len;
	const uint8_t *tail;
	bool gone;

	if (item.len < TAIL_BYTES) {
		return false;
	}
	tail = codec_cut(&item, TAIL_BYTES).p;
	history_len = codec_u32(tail + 8);
	gone = (history_len & GONE_BIT) != 0;
	history_len &= ~GONE_BIT;
	dependencies_len = codec_u32(tail + 12);
	if (history_len > item.len || dependencies_len > item.len - history_len) {
		return false;
	}
	ret->gone = gone;
	ret->time.v = codec_u64(tail);
	ret->dependencies = codec_cut(&item, dependencies_len);
	ret->history = slice_of(item.p, history_len);
	ret->value = slice_of(item.p + history_len, item.len - history_len);
	return true;
}

static void
item_put(struct wbuf *out, const struct mvreg_sibling *s, uint32_t history_len)
{
	codec_put_slice(out, s->value);
	codec_put_slice(out, s->dependencies);
	wbuf_u64(out, s->time.v);
	wbuf_u32(out, history_len | (s->gone ? GONE_BIT : 0));
	wbuf_u32(out, (uint32_t)s->dependencies.len);
}

static struct slice
item_history(struct slice item)
{
	struct mvreg_sibling s;

	return item_open(item, &s) ? s.history : slice_of(NULL, 0);
}

static int
item_check(struct slice item, unsigned int depth)
{
	struct mvreg_sibling s;
	struct table t;

	if (!item_open(item, &s) || s.history.len == 0 ||
	    (s.gone && (s.value.len != 0 || s.dependencies.len != 0 || s.time.v != 0))) {
		return MB_ERR_CORRUPT;
	}
	return history_check(s.history) < 0 || table_open(s.dependencies, &t) < 0 ? MB_ERR_CORRUPT
										  : 0;
}

/* Under one history. */
static int
rest_cmp(const struct mvreg_sibling *a, const struct mvreg_sibling *b)
{
	int diff;

	if (a->gone != b->gone) { /* a delete of what it saw is above it */
		return a->gone ? 1 : -1;
	}
	if (a->time.v != b->time.v) {
		return a->time.v < b->time.v ? -1 : 1;
	}
	diff = slice_cmp(a->value, b->value);
	return diff != 0 ? diff : slice_cmp(a->dependencies, b->dependencies);
}

/* Whether a is below b, or the same. */
static bool
below(const struct mvreg_sibling *a, const struct mvreg_sibling *b)
{
	return slice_eq(a->history, b->history) ? rest_cmp(a, b) <= 0
						: history_leq(a->history, b->history);
}

static bool
same(const struct mvreg_sibling *a, const struct mvreg_sibling *b)
{
	return slice_eq(a->history, b->history) && rest_cmp(a, b) == 0;
}

/* Where a sibling stands to a state. */
enum standing {
	STANDS, /* above or beside all there */
	THERE,  /* one of them */
	GONE,   /* below one of them */
};

static enum standing
standing(const struct mvreg_sibling *s, const struct table *t)
{
	struct mvreg_sibling other;

	for (uint32_t i = 0; i < t->cnt; i++) {
		if (item_open(table_item(t, i), &other) && below(s, &other)) {
			return same(s, &other) ? THERE : GONE;
		}
	}
	return STANDS;
}

int
mvreg_check(struct slice v, unsigned int depth)
{
	struct mvreg_sibling a, b;
	struct table t;
	int rc = table_check(v, item_history, item_check, depth);

	if (rc < 0 || table_open(v, &t) < 0) {
		return rc;
	}
	if (t.cnt > MVREG_SIBLING_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	for (uint32_t i = 0; i < t.cnt; i++) {
		for (uint32_t j = 0; j < t.cnt; j++) {
			if (i != j && item_open(table_item(&t, i), &a) &&
			    item_open(table_item(&t, j), &b) && below(&a, &b)) {
				return MB_ERR_CORRUPT;
			}
		}
	}
	return 0;
}

/* Walks two states in the order of histories, and appends what stands. */
static int
merge_walk(const struct table *a, const struct table *b, struct table_builder *builder,
	   struct lattice_verdict *verdict)
{
	uint32_t i = 0, j = 0;

	while (i < a->cnt || j < b->cnt) {
		struct slice item_a = table_item(a, i), item_b = table_item(b, j);
		bool from_a = i < a->cnt && (j >= b->cnt || slice_cmp(item_history(item_a),
								      item_history(item_b)) <= 0);
		struct mvreg_sibling s;
		enum standing at;

		if (!item_open(from_a ? item_a : item_b, &s)) {
			return MB_ERR_CORRUPT;
		}
		at = standing(&s, from_a ? b : a);
		if (from_a) {
			verdict->left = verdict->left && at != GONE;
			verdict->right = verdict->right && at != STANDS;
		} else {
			verdict->left = verdict->left && at != STANDS;
			verdict->right = verdict->right && at != GONE;
		}
		/* What is in both is taken from a. */
		if (at == STANDS || (from_a && at == THERE)) {
			table_add_run(builder, from_a ? a : b, from_a ? i : j,
				      (from_a ? i : j) + 1);
		}
		i += from_a;
		j += !from_a;
	}
	return 0;
}

int
mvreg_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	struct lattice_verdict verdict = { .left = true, .right = true };
	struct table_builder builder;
	struct table ta, tb;
	int rc;

	if (table_open(a, &ta) < 0 || table_open(b, &tb) < 0 || ta.cnt > MVREG_SIBLING_MAX ||
	    tb.cnt > MVREG_SIBLING_MAX) {
		return MB_ERR_CORRUPT;
	}
	table_begin(&builder, out);
	rc = merge_walk(&ta, &tb, &builder, &verdict);
	if (rc == 0 && builder.cnt > MVREG_SIBLING_MAX) {
		rc = MB_ERR_TOO_LARGE;
	}
	if (rc < 0 || verdict.left || verdict.right) {
		table_abort(&builder);
		return rc < 0 ? rc : lattice_verdict_side(verdict);
	}
	return table_end(&builder) < 0 ? MB_ERR_TOO_LARGE : LATTICE_MIXED;
}

bool
mvreg_leq(struct slice a, struct slice b, unsigned int depth)
{
	struct mvreg_sibling s;
	struct table ta, tb;

	if (table_open(a, &ta) < 0 || table_open(b, &tb) < 0) {
		return false;
	}
	for (uint32_t i = 0; i < ta.cnt; i++) {
		if (!item_open(table_item(&ta, i), &s) || standing(&s, &tb) == STANDS) {
			return false;
		}
	}
	return true;
}

/* --------------------------------------------------------------------------------------- deltas */

/* As mvreg_next, of deletes too. */
static bool
item_next(struct slice v, uint32_t *idx, struct mvreg_sibling *ret)
{
	struct table t;

	if (table_open(v, &t) < 0 || *idx >= t.cnt || !item_open(table_item(&t, *idx), ret)) {
		return false;
	}
	(*idx)++;
	return true;
}

int
mvreg_context(struct slice state, struct wbuf *out)
{
	struct wbuf before = *out;
	struct slice joined = slice_of(NULL, 0);
	struct mvreg_sibling s;
	int rc = 0;

	/* The join so far stands at the place of the result, the next one behind it, and moves. */
	for (uint32_t i = 0; rc == 0 && item_next(state, &i, &s);) {
		size_t start = out->len;

		rc = history_join(joined, s.history, out);
		if (rc == 0) {
			size_t len = out->len - start;

			memmove(out->p + before.len, out->p + start, len);
			out->len = before.len + len;
			joined = slice_of(out->p + before.len, len);
		}
	}
	if (rc < 0) {
		*out = before;
	}
	return rc;
}

/* The number of the last event of a writer that a state knows of. */
static uint64_t
last_of(struct slice state, struct writer_id writer)
{
	struct mvreg_sibling s;
	uint64_t last = 0;

	for (uint32_t i = 0; item_next(state, &i, &s);) {
		last = MAX(last, history_last(s.history, writer));
	}
	return last;
}

int
mvreg_delta_put(struct slice state, struct slice context, struct writer_id writer,
		const struct mvreg_sibling *sibling, struct wbuf *out)
{
	uint8_t dot_mem[HISTORY_RUN_BYTES];
	struct wbuf dot = wbuf_init(dot_mem, sizeof(dot_mem)), before = *out;
	uint64_t known = last_of(state, writer), last = MAX(known, history_last(context, writer));
	struct table_builder b;
	size_t start;
	int rc;

	/* Where nothing is known of this writer there may have been much, deleted and forgotten,
	 * and somebody may still say that he saw it. So its numbers begin with the time, which they
	 * do not overtake: nobody has seen what is written now. */
	if (known == 0) {
		last = MAX(last, sibling->time.v);
	}
	if (last >= UINT64_MAX - 1) {
		return MB_ERR_TOO_LARGE;
	}
	history_put(&dot, writer, last + 1);
	table_begin(&b, out);
	start = out->len;
	rc = history_join(context, wbuf_slice(&dot), out);
	if (rc < 0) {
		*out = before;
		return rc;
	}
	item_put(out, sibling, (uint32_t)(out->len - start));
	table_item_end(&b);
	(void)table_end(&b); /* says it in out->full, too */
	return codec_done(out, before);
}

int
mvreg_delta_merged(struct slice state, struct slice context, struct slice value,
		   struct slice dependencies, struct wbuf *out)
{
	struct mvreg_sibling s, merged = { .value = value, .dependencies = dependencies };
	struct wbuf before = *out;
	struct table_builder b;
	bool any = false;

	for (uint32_t i = 0; item_next(state, &i, &s);) {
		if (history_leq(s.history, context)) {
			merged.time.v = MAX(merged.time.v, s.time.v);
			any = any || !slice_eq(s.history, context);
		}
	}
	if (!any) {
		return MB_ERR_NOT_FOUND;
	}
	table_begin(&b, out);
	codec_put_slice(out, context);
	item_put(out, &merged, (uint32_t)context.len);
	table_item_end(&b);
	(void)table_end(&b);
	return codec_done(out, before);
}

int
mvreg_delta_clear(struct slice state, struct wbuf *out)
{
	struct mvreg_sibling gone = { .gone = true };
	struct wbuf before = *out;
	struct table_builder b;
	size_t start;
	int rc;

	if (mvreg_cnt(state) == 0) {
		return 0;
	}
	table_begin(&b, out);
	start = out->len;
	rc = mvreg_context(state, out);
	if (rc < 0) {
		*out = before;
		return rc;
	}
	item_put(out, &gone, (uint32_t)(out->len - start));
	table_item_end(&b);
	(void)table_end(&b);
	return codec_done(out, before);
}

/* -------------------------------------------------------------------------------------- reading */

uint32_t
mvreg_cnt(struct slice v)
{
	struct mvreg_sibling s;
	uint32_t cnt = 0;

	for (uint32_t i = 0; mvreg_next(v, &i, &s);) {
		cnt++;
	}
	return cnt;
}

bool
mvreg_next(struct slice v, uint32_t *idx, struct mvreg_sibling *ret)
{
	struct mvreg_sibling s;

	while (item_next(v, idx, &s)) {
		if (!s.gone) {
			*ret = s;
			return true;
		}
	}
	return false;
}

bool
mvreg_latest(struct slice v, struct mvreg_sibling *ret)
{
	struct mvreg_sibling s;
	bool any = false;

	for (uint32_t i = 0; mvreg_next(v, &i, &s);) {
		if (!any || rest_cmp(&s, ret) > 0) {
			*ret = s;
			any = true;
		}
	}
	return any;
}
