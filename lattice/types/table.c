/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - sorted items, searched, built and merged in place
 *
 * Why the merge is a merge: a table is a function from sort keys to items, bottom where it has
 * none, and merge is the items' merge at each key. If that is commutative, associative and
 * idempotent (for sets: the item is its own key, so there is nothing to merge; for maps:
 * lattice_merge), so is the whole.
 *
 * How it avoids work. Most merges bring a few items into many. So b is walked item by item, and its
 * place in a is found by galloping from the last place: m log(n/m) comparisons instead of n + m.
 * What lies between two places is a run of a, and is copied whole; and it is copied late:
 *
 *	a:      [ . . . . . | . . . . . . | . . . ]
 *	                ^run        ^at
 *	I1  items [run, at) of a belong to the result as they stand, and are not yet copied.
 *	I2  what is before run is in the result already.
 *
 * A b that holds nothing new therefore copies nothing: at its end run is still 0, and the result is
 * a.
 *
 * Damaged tables: ends are looked at only in table_item and span_of, which check them against the
 * items at each use; so damage can misplace items, but not lead outside.
 */
#include "table.h"

#include "check.h"
#include "codec.h"
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"
#include "rank.h"
#include "tree.h"

#define END_BYTES TABLE_ITEM_OVERHEAD

static_assert(END_BYTES == sizeof(uint32_t), "ends are 32 bits");
static_assert(LATTICE_BYTES_MAX < UINT32_MAX, "an end reaches any item");

/* A tree is refused by its length. */
static int
flat_open(struct slice v, struct table *ret_table)
{
	struct table t = { 0 };
	size_t ends_len;

	if (v.len != 0) {
		if (v.len < END_BYTES || v.len > LATTICE_BYTES_MAX) {
			return MB_ERR_CORRUPT;
		}
		t.items_len = codec_u32(v.p + v.len - END_BYTES);
		if (t.items_len > v.len - END_BYTES) {
			return MB_ERR_CORRUPT;
		}
		ends_len = v.len - t.items_len;
		if (ends_len % END_BYTES != 0) {
			return MB_ERR_CORRUPT;
		}
		t.items = v.p;
		t.ends = v.p + t.items_len;
		t.cnt = (uint32_t)(ends_len / END_BYTES);
	}
	*ret_table = t;
	return 0;
}

int
table_open(struct slice v, struct table *ret_table)
{
	if (unlikely(slice_is_tree(v))) {
		const struct tree_view *tree = slice_tree(v);

		*ret_table = (struct table){
			.tree = tree,
			.items_len = tree->root->items_len,
			.cnt = tree->root->cnt,
		};
		return 0;
	}
	return flat_open(v, ret_table);
}

/* Where item idx begins; behind the last one, where the items end. */
static uint32_t
begin_of(const struct table *t, uint32_t idx)
{
	return idx == 0 ? 0 : codec_u32(t->ends + (size_t)(idx - 1) * END_BYTES);
}

/* The bytes of items [from, to). */
static struct slice
span_of(const struct table *t, uint32_t from, uint32_t to)
{
	uint32_t begin = begin_of(t, from);
	uint32_t end = begin_of(t, to);

	if (begin > end || end > t->items_len) {
		return slice_of(NULL, 0);
	}
	return slice_of(t->items + begin, end - begin);
}

static struct slice
item_of(const struct table *t, uint32_t idx)
{
	return idx < t->cnt ? span_of(t, idx, idx + 1) : slice_of(NULL, 0);
}

struct slice
table_item(const struct table *t, uint32_t idx)
{
	struct table leaf;
	uint32_t first;

	if (unlikely(t->tree != NULL)) {
		return tree_leaf(t->tree, idx, &leaf, &first) ? item_of(&leaf, idx - first)
							      : slice_of(NULL, 0);
	}
	return item_of(t, idx);
}

bool
table_run(const struct table *t, uint32_t idx, struct table *ret_run, uint32_t *ret_at)
{
	uint32_t first = 0;

	if (idx >= t->cnt) {
		return false;
	}
	*ret_run = *t;
	if (t->tree != NULL && !tree_leaf(t->tree, idx, ret_run, &first)) {
		return false;
	}
	*ret_at = idx - first;
	return true;
}

void
table_walk_enter(struct table_walk *w, const struct table *run, uint32_t first, uint32_t idx)
{
	*w = (struct table_walk){ .items = run->items,
				  .ends = run->ends,
				  .items_len = run->items_len,
				  .cnt = run->cnt,
				  .first = first,
				  .idx = idx };
}

struct slice
table_walk_item(const struct table_walk *w, uint32_t idx)
{
	struct table run = { .items = w->items,
			     .ends = w->ends,
			     .items_len = w->items_len,
			     .cnt = w->cnt };

	return item_of(&run, idx);
}

/* Goes on with the run behind this one. */
static bool
walk_on(struct slice v, struct table_walk *w)
{
	struct table t, run;
	uint32_t at, first = w->first + w->cnt;

	if (table_open(v, &t) != 0 || !table_run(&t, first, &run, &at)) {
		return false;
	}
	table_walk_enter(w, &run, first - at, at);
	return true;
}

bool
table_walk_next(struct slice v, struct table_walk *w, struct slice *ret_item)
{
	if (unlikely(w->idx == w->cnt) && !walk_on(v, w)) {
		return false;
	}
	*ret_item = table_walk_item(w, w->idx++);
	return true;
}

bool
table_place(const struct table *t, table_key_fn *key_of, struct slice key, uint32_t from,
	    uint32_t to, uint32_t *ret_idx)
{
	while (from < to) {
		uint32_t mid = from + (to - from) / 2;
		int cmp = slice_cmp(key_of(table_item(t, mid)), key);

		if (cmp == 0) {
			*ret_idx = mid;
			return true;
		}
		if (cmp < 0) {
			from = mid + 1;
		} else {
			to = mid;
		}
	}
	*ret_idx = from;
	return false;
}

bool
table_find(const struct table *t, table_key_fn *key_of, struct slice key, struct slice *ret_item)
{
	struct table leaf = *t;
	uint32_t from = 0, to = t->cnt, idx;

	if ((t->tree != NULL && !tree_leaf_find(t->tree, key, &leaf, &from, &to)) ||
	    !table_place(&leaf, key_of, key, from, to, &idx)) {
		return false;
	}
	*ret_item = item_of(&leaf, idx);
	return true;
}

/* The same in [from, cnt), cheap when the place is near from: steps of 1, 2, 4 .. until one passes
 * it, then binary search within that step. */
static bool
find_gallop(const struct table *t, table_key_fn *key_of, struct slice key, uint32_t from,
	    uint32_t *ret_idx)
{
	uint32_t lo = from;
	uint32_t step = 1;

	while (step < t->cnt - lo && slice_cmp(key_of(table_item(t, lo + step - 1)), key) < 0) {
		lo += step;
		step *= 2;
	}
	return table_place(t, key_of, key, lo, MIN(lo + step, t->cnt), ret_idx);
}

int
table_check(struct slice v, table_key_fn *key_of, table_item_check_fn *item_check,
	    unsigned int depth)
{
	struct slice key_last = { 0 };
	struct table t;
	int rc = flat_open(v, &t);

	for (uint32_t i = 0; rc == 0 && i < t.cnt; i++) {
		struct slice item = table_item(&t, i);
		struct slice key;

		/* Ends must not fall. That the last is items_len is how the table was opened. */
		if (begin_of(&t, i) > begin_of(&t, i + 1) || begin_of(&t, i + 1) > t.items_len) {
			return MB_ERR_CORRUPT;
		}
		rc = item_check(item, depth);
		if (rc < 0) {
			return rc;
		}
		key = key_of(item);
		if (i != 0 && slice_cmp(key_last, key) >= 0) {
			return MB_ERR_CORRUPT;
		}
		key_last = key;
	}
	return rc;
}

/* ------------------------------------------------------------------------------------- building */

void
table_begin(struct table_builder *b, struct wbuf *out)
{
	*b = (struct table_builder){ .out = out, .start = out->len, .cap = out->cap };
}

/* Room for cnt more ends, below those that gathered so far.
 *
 * Returns:   where the first of them goes, the next ones below it; NULL when there is no room.
 */
static uint8_t *
ends_reserve(struct table_builder *b, uint32_t cnt)
{
	struct wbuf *out = b->out;
	size_t bytes = (size_t)cnt * END_BYTES;
	uint8_t *top;

	if (out->full || out->cap - out->len < bytes || out->len - b->start > LATTICE_BYTES_MAX) {
		out->full = true;
		return NULL;
	}
	top = out->p + out->cap - END_BYTES;
	out->cap -= bytes;
	b->cnt += cnt;
	return top;
}

static void
end_store(uint8_t *p, size_t end)
{
	uint32_t v = htole32((uint32_t)end);

	memcpy(p, &v, sizeof(v));
}

void
table_item_end(struct table_builder *b)
{
	uint8_t *p = ends_reserve(b, 1);

	if (p != NULL) {
		end_store(p, b->out->len - b->start);
	}
}

void
table_add_run(struct table_builder *b, const struct table *t, uint32_t from, uint32_t to)
{
	size_t offset = b->out->len - b->start;
	uint32_t begin = begin_of(t, from);
	uint8_t *p;

	if (from == to) {
		return;
	}
	codec_put_slice(b->out, span_of(t, from, to));
	p = ends_reserve(b, to - from);
	if (p == NULL) {
		return;
	}
	for (uint32_t i = from; i < to; i++, p -= END_BYTES) {
		end_store(p, offset + (begin_of(t, i + 1) - begin));
	}
}

int
table_end(struct table_builder *b)
{
	struct wbuf *out = b->out;
	size_t low_offset = out->cap;
	uint8_t *low;

	out->cap = b->cap;
	if (out->full) {
		out->len = b->start;
		return MB_ERR_TOO_LARGE;
	}
	if (b->cnt == 0) {
		return 0;
	}
	low = out->p + low_offset;
	for (uint8_t *p = low, *q = low + (size_t)(b->cnt - 1) * END_BYTES; p < q;
	     p += END_BYTES, q -= END_BYTES) {
		uint8_t tmp[END_BYTES];

		memcpy(tmp, p, END_BYTES);
		memcpy(p, q, END_BYTES);
		memcpy(q, tmp, END_BYTES);
	}
	memmove(out->p + out->len, low, (size_t)b->cnt * END_BYTES);
	out->len += (size_t)b->cnt * END_BYTES;
	return 0;
}

void
table_abort(struct table_builder *b)
{
	b->out->len = b->start;
	b->out->cap = b->cap;
}

int
table_write(const struct table *t, struct wbuf *out)
{
	struct table_builder b;
	struct table run;
	uint32_t at;

	table_begin(&b, out);
	for (uint32_t i = 0; i < t->cnt && table_run(t, i, &run, &at); i += run.cnt - at) {
		table_add_run(&b, &run, at, run.cnt);
	}
	return table_end(&b);
}

/* -------------------------------------------------------------------------------------- merging */

struct merging {
	struct table a, b;
	const struct table_merge_ops *ops;
	unsigned int depth;
	struct table_builder builder;
	struct lattice_verdict verdict;
	uint32_t run;                /* I1, I2 */
	struct table_change *change; /* NULL: nobody asks */
};

static int
is_present(const struct table_merge_ops *ops, struct slice item)
{
	return ops->present == NULL || ops->present(item);
}

/* An item of the result is not that of a, or a has none (NULL). */
static void
note_change(struct merging *m, const struct slice *before, struct slice now)
{
	struct table_change *c = m->change;
	double rank;

	if (c == NULL) {
		return;
	}
	c->more += is_present(m->ops, now) - (before != NULL && is_present(m->ops, *before));
	if (m->ops->rank != NULL && m->ops->rank(now, &rank)) {
		rank_span_add(&c->come, (struct rank_span){ rank, rank });
	}
	if (m->ops->rank != NULL && before != NULL && m->ops->rank(*before, &rank)) {
		rank_span_add(&c->gone, (struct rank_span){ rank, rank });
	}
}

/* Appends item j of b, after the run of a that ends before at. */
static void
take_b(struct merging *m, uint32_t at, uint32_t j)
{
	m->verdict.left = false;
	table_add_run(&m->builder, &m->a, m->run, at);
	table_add_run(&m->builder, &m->b, j, j + 1);
	note_change(m, NULL, item_of(&m->b, j));
	m->run = at;
}

/* Merges item j of b into item at of a, which has the same key. */
static int
merge_at(struct merging *m, uint32_t at, uint32_t j)
{
	struct slice item_a = table_item(&m->a, at);
	struct slice item_b = table_item(&m->b, j);
	struct wbuf before;
	int side;

	if (m->ops->leq(item_b, item_a, m->depth)) {
		m->verdict.right = m->verdict.right && slice_eq(item_a, item_b);
		return 0; /* the run goes on */
	}
	m->verdict.left = false;
	table_add_run(&m->builder, &m->a, m->run, at);
	m->run = at + 1;
	before = *m->builder.out;
	side = m->ops->merge(item_a, item_b, m->builder.out, m->depth);
	switch (side) {
	case LATTICE_MIXED:
		if (!m->builder.out->full) {
			note_change(m, &item_a,
				    slice_of(m->builder.out->p + before.len,
					     m->builder.out->len - before.len));
		}
		table_item_end(&m->builder);
		m->verdict.right = false;
		return 0;
	case LATTICE_RIGHT:
		*m->builder.out = before;
		table_add_run(&m->builder, &m->b, j, j + 1);
		note_change(m, &item_a, item_b);
		return 0;
	case LATTICE_LEFT: /* against what leq said: these are not checked values */
		return MB_ERR_CORRUPT;
	default:
		return side;
	}
}

/* Merges items [from, to) of b into a. */
static int
merge_run(struct merging *m, uint32_t from, uint32_t to, struct wbuf *out)
{
	table_key_fn *key_of = m->ops->key_of;
	uint32_t at = 0;

	table_begin(&m->builder, out);
	for (uint32_t j = from; j < to; j++) {
		struct slice key = key_of(item_of(&m->b, j));
		uint32_t last = at;

		if (find_gallop(&m->a, key_of, key, last, &at)) {
			int rc = merge_at(m, at, j);

			if (rc < 0) {
				table_abort(&m->builder);
				return rc;
			}
			m->verdict.right = m->verdict.right && at == last;
			at++;
		} else {
			take_b(m, at, j);
			m->verdict.right = m->verdict.right && at == last;
		}
	}
	/* Whatever of a was passed over, or is left, is not in b. */
	m->verdict.right = m->verdict.right && at == m->a.cnt;
	if (m->verdict.left || m->verdict.right) {
		table_abort(&m->builder);
		return lattice_verdict_side(m->verdict);
	}
	table_add_run(&m->builder, &m->a, m->run, m->a.cnt);
	return table_end(&m->builder) < 0 ? MB_ERR_TOO_LARGE : LATTICE_MIXED;
}

int
table_merge(struct slice a, struct slice b, const struct table_merge_ops *ops, struct wbuf *out,
	    unsigned int depth)
{
	struct merging m = { .ops = ops, .depth = depth, .verdict = { true, true } };

	if (flat_open(a, &m.a) < 0 || flat_open(b, &m.b) < 0) {
		return MB_ERR_CORRUPT;
	}
	return merge_run(&m, 0, m.b.cnt, out);
}

int
table_merge_run(const struct table *a, const struct table *b, uint32_t from, uint32_t to,
		const struct table_merge_ops *ops, struct wbuf *out, unsigned int depth,
		struct table_change *ret)
{
	struct merging m = { .a = *a,
			     .b = *b,
			     .ops = ops,
			     .depth = depth,
			     .verdict = { true, false },
			     .change = ret };

	REQUIRE(a->tree == NULL && b->tree == NULL);
	REQUIRE(to <= b->cnt);
	*ret = (struct table_change){ .gone = rank_span_none(), .come = rank_span_none() };
	return merge_run(&m, from, to, out);
}

uint32_t
table_present_cnt(const struct table *t, const struct table_merge_ops *ops)
{
	uint32_t cnt = 0;

	if (ops->present == NULL) {
		return t->cnt;
	}
	if (t->tree != NULL) {
		return t->tree->root->present;
	}
	for (uint32_t i = 0; i < t->cnt; i++) {
		cnt += ops->present(item_of(t, i));
	}
	return cnt;
}

bool
table_present_at(const struct table *t, const struct table_merge_ops *ops, uint32_t idx,
		 uint32_t *ret_at)
{
	struct table run = *t;
	uint32_t first = 0;

	if (ops->present == NULL) {
		*ret_at = idx;
		return idx < t->cnt;
	}
	if (t->tree != NULL && !tree_leaf_present(t->tree, idx, &run, &first, &idx)) {
		return false;
	}
	for (uint32_t i = 0; i < run.cnt; i++) {
		if (ops->present(item_of(&run, i)) && idx-- == 0) {
			*ret_at = first + i;
			return true;
		}
	}
	return false;
}

bool
table_leq(struct slice a, struct slice b, const struct table_merge_ops *ops, unsigned int depth)
{
	struct table ta, tb;
	uint32_t at = 0;

	if (table_open(a, &ta) < 0 || table_open(b, &tb) < 0 || ta.cnt > tb.cnt) {
		return false;
	}
	for (uint32_t i = 0; i < ta.cnt; i++) {
		struct slice item = table_item(&ta, i);

		if (!find_gallop(&tb, ops->key_of, ops->key_of(item), at, &at) ||
		    !ops->leq(item, table_item(&tb, at), depth)) {
			return false;
		}
		at++;
	}
	return true;
}
