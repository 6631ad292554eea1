/* SPDX-License-Identifier: Apache-2.0 */
/* treeval.c - merging an envelope into one whose state is a tree
 *
 * The same merge as envelope.c: the greater epoch wins whole, equal ones merge part by part; of
 * states of two types the greater type's is kept. The state goes through the grove. The other parts
 * are short, and merge as what they are in two envelopes without a state.
 */
#include "treeval.h"

#include "check.h"
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"
#include "table.h"

static bool
has_sections(const struct envelope *e)
{
	return e->expiry.deadline.v != 0 || !stamp_is_zero(e->expiry.stamp) ||
	       e->context.len != 0 || e->dependencies.len != 0;
}

bool
treeval_wanted_long(struct slice envelope)
{
	struct envelope e;

	return !slice_is_tree(envelope) && envelope_open(envelope, &e) == 0 &&
	       e.state.len > TREE_FLAT_MAX && lattice_table_ops(e.type) != NULL;
}

/* ---------------------------------------------------------------------------------------- edits */

/* Finds out how long all of it will be. */
static int
measure(struct treeval_edit *edit)
{
	struct envelope e = edit->e;
	size_t behind;

	e.state = slice_of(NULL, 0);
	behind = MAX(envelope_bytes(&e), (size_t)ENVELOPE_OVERHEAD); /* never written: it is now */
	edit->bytes = edit->grove.root_bytes + behind;
	edit->flat_bytes = edit->grove.items_bytes + behind;
	return edit->flat_bytes > TREE_BYTES_MAX ? MB_ERR_TOO_LARGE : 0;
}

int
treeval_begin(struct grove *g, const struct envelope *e, struct treeval_edit *edit)
{
	const struct table_merge_ops *items = lattice_table_ops(e->type);

	if (items == NULL) {
		return MB_ERR_CORRUPT;
	}
	*edit = (struct treeval_edit){ .e = *e };
	grove_begin(g, items, &edit->grove);
	return 0;
}

int
treeval_seal(struct grove *g, struct treeval_edit *edit, uint32_t node_cnt)
{
	int err = grove_seal(g, &edit->grove, node_cnt);

	return err != 0 ? err : measure(edit);
}

int
treeval_make(struct grove *g, struct slice envelope, struct treeval_edit *edit)
{
	struct envelope e;
	struct table t;
	int err = envelope_open(envelope, &e);

	err = err != 0 ? err : table_open(e.state, &t);
	err = err != 0 ? err : treeval_begin(g, &e, edit);
	if (err != 0) {
		return err;
	}
	err = grove_add(g, &edit->grove, &t);
	err = err != 0 ? err : treeval_seal(g, edit, UINT32_MAX);
	if (err != 0) {
		treeval_abort(g, edit);
	}
	return err;
}

void
treeval_abort(struct grove *g, struct treeval_edit *edit)
{
	grove_abort(g, &edit->grove);
	if (edit->temp != NULL) {
		g->ops.free(g->ops.ctx, edit->temp, edit->temp_bytes);
		edit->temp = NULL;
	}
}

/* Merges the sections of two envelopes of one epoch and type into edit->e. Returns: enum
 * lattice_side, or an error. */
static int
sections_merge(struct grove *g, const struct envelope *a, const struct envelope *b,
	       struct treeval_edit *edit)
{
	struct envelope bare_a = *a, bare_b = *b;
	struct slice bytes_a, bytes_b;
	struct wbuf out;
	int err;

	bare_a.state = bare_b.state = slice_of(NULL, 0);
	/* Each of the two, and what they merge to. */
	edit->temp_bytes = 2 * (envelope_bytes(&bare_a) + envelope_bytes(&bare_b));
	err = g->ops.alloc(g->ops.ctx, edit->temp_bytes, &edit->temp);
	if (err != 0) {
		edit->temp = NULL;
		return err;
	}
	out = wbuf_init(edit->temp, edit->temp_bytes);
	INSIST(envelope_write(&bare_a, &out) == 0);
	bytes_a = wbuf_slice(&out);
	INSIST(envelope_write(&bare_b, &out) == 0);
	bytes_b = slice_of(out.p + bytes_a.len, out.len - bytes_a.len);
	out = wbuf_init(out.p + out.len, edit->temp_bytes - out.len);
	err = lattice_merge(LATTICE_ENVELOPE, bytes_a, bytes_b, &out);
	if (err > 0) {
		struct slice merged = err == LATTICE_LEFT    ? bytes_a
				      : err == LATTICE_RIGHT ? bytes_b
							     : wbuf_slice(&out);

		INSIST(envelope_open(merged, &edit->e) == 0);
		edit->e.type = a->type;
	}
	return err;
}

/* A change of the sections alone still makes a new root: that of the old items. */
static int
items_merge(struct grove *g, const struct tree_view *stored, const struct envelope *b,
	    bool sections_changed, struct treeval_edit *edit)
{
	const struct table_merge_ops *items = lattice_table_ops(edit->e.type);
	/* A type below says nothing of the state (of which it may have none). */
	struct slice state = b->type == edit->e.type ? b->state : slice_of(NULL, 0);
	int side =
		items == NULL ? MB_ERR_CORRUPT : grove_merge(g, stored, state, items, &edit->grove);

	if (side == LATTICE_LEFT && sections_changed) {
		int err = grove_seal(g, &edit->grove, UINT32_MAX);

		return err != 0 ? err : LATTICE_MIXED;
	}
	return side;
}

/* A state of a greater type takes the tree's place, whatever it holds: the tree is worth what
 * stands around it, and that merges as it does anywhere. */
static int
merge_greater(struct grove *g, const struct envelope *a, struct slice delta,
	      struct treeval_edit *edit)
{
	struct envelope bare = *a;
	struct slice around;
	struct wbuf out;
	size_t bytes;
	int side;

	bare.state = slice_of(NULL, 0);
	bytes = envelope_bytes(&bare);
	edit->temp_bytes = 2 * bytes + delta.len;
	side = g->ops.alloc(g->ops.ctx, edit->temp_bytes, &edit->temp);
	if (side != 0) {
		edit->temp = NULL;
		return side;
	}
	out = wbuf_init(edit->temp, edit->temp_bytes);
	INSIST(envelope_write(&bare, &out) == 0);
	around = wbuf_slice(&out);
	out = wbuf_init(out.p + out.len, edit->temp_bytes - out.len);
	side = lattice_merge(LATTICE_ENVELOPE, around, delta, &out);
	if (side == LATTICE_MIXED) {
		edit->flat = wbuf_slice(&out);
		return TREEVAL_FLAT;
	}
	treeval_abort(g, edit);
	return side;
}

int
treeval_merge(struct grove *g, const struct tree_view *stored, struct slice delta,
	      struct treeval_edit *edit)
{
	struct envelope a, b;
	int diff, side, sections = LATTICE_LEFT;

	*edit = (struct treeval_edit){ .temp = NULL };
	if (delta.len == 0) {
		return LATTICE_LEFT;
	}
	if (envelope_open(tree_slice(stored), &a) != 0 || slice_is_tree(delta) ||
	    envelope_open(delta, &b) != 0) {
		return MB_ERR_CORRUPT;
	}
	diff = stamp_cmp(a.epoch, b.epoch);
	if (diff != 0) {
		return diff > 0 ? LATTICE_LEFT : LATTICE_RIGHT;
	}
	if (b.type > a.type) {
		return merge_greater(g, &a, delta, edit);
	}
	if (b.type < a.type) { /* of its state nothing counts: what stands beside it does */
		b.type = a.type;
		b.state = slice_of(NULL, 0);
	}
	edit->e = a;
	if (has_sections(&a) || has_sections(&b)) {
		sections = sections_merge(g, &a, &b, edit);
	}
	side = sections < 0 ? sections : items_merge(g, stored, &b, sections != LATTICE_LEFT, edit);
	if (side == LATTICE_MIXED) {
		int err = measure(edit);

		side = err != 0 ? err : side;
	}
	if (side != LATTICE_MIXED) {
		treeval_abort(g, edit);
	}
	return side;
}

int
treeval_forget(struct grove *g, const struct tree_view *stored, struct slice marks,
	       struct treeval_edit *edit)
{
	const struct table_merge_ops *items;
	int err;

	*edit = (struct treeval_edit){ .temp = NULL };
	if (envelope_open(tree_slice(stored), &edit->e) != 0) {
		return MB_ERR_CORRUPT;
	}
	items = lattice_table_ops(edit->e.type);
	err = items == NULL ? MB_ERR_CORRUPT : grove_forget(g, stored, marks, items, &edit->grove);
	if (err == LATTICE_MIXED) {
		(void)measure(edit); /* it is not longer than it was */
	}
	return err;
}

struct slice
treeval_commit(struct grove *g, struct treeval_edit *edit, void *place)
{
	struct wbuf out = wbuf_init(place, edit->bytes);
	int err;

	(void)grove_commit(g, &edit->grove, place);
	out.len = edit->grove.root_bytes;
	edit->e.state = wbuf_slice(&out);
	err = envelope_write_tail(&edit->e, &out);
	INSIST(err == 0);
	INSIST(out.len == edit->bytes);
	edit->grove.kids = (struct grove_chain){ 0 }; /* the root's now */
	treeval_abort(g, edit);
	return wbuf_slice(&out);
}

int
treeval_write(struct slice envelope, struct wbuf *out)
{
	const size_t start = out->len;
	struct envelope e;
	struct table t;
	int err = envelope_open(envelope, &e);

	if (err != 0) {
		return err;
	}
	if (!slice_is_tree(envelope)) {
		wbuf_put(out, envelope.p, envelope.len);
	} else {
		err = table_open(e.state, &t);
		err = err != 0 ? err : table_write(&t, out);
		if (err == 0) {
			err = envelope_write_tail(&e, out);
		}
	}
	if (err == 0 && out->full) {
		err = MB_ERR_TOO_LARGE;
	}
	if (err != 0) {
		out->len = start;
	}
	return err;
}

/* Whether all that stands around the state is the same. */
static bool
frames_equal(const struct envelope *a, const struct envelope *b)
{
	return stamp_cmp(a->epoch, b->epoch) == 0 && a->type == b->type &&
	       stamp_cmp(a->expiry.stamp, b->expiry.stamp) == 0 &&
	       a->expiry.deadline.v == b->expiry.deadline.v && slice_eq(a->context, b->context) &&
	       slice_eq(a->dependencies, b->dependencies);
}

/* Whether items of two runs are equal, from these on as far as both have some: *ret_cnt. */
static bool
runs_equal(const struct table *a, uint32_t i, const struct table *b, uint32_t j, uint32_t *ret_cnt)
{
	uint32_t cnt = MIN(a->cnt - i, b->cnt - j);

	*ret_cnt = cnt;
	for (uint32_t n = 0; n < cnt; n++) {
		if (!slice_eq(table_item(a, i + n), table_item(b, j + n))) {
			return false;
		}
	}
	return true;
}

enum treeval_same
treeval_compare(struct slice a, struct slice b, uint32_t *at, uint32_t cnt)
{
	struct envelope ea, eb;
	struct table ta, tb, run_a, run_b;
	uint32_t i, j, more, end;

	if (!slice_is_tree(a) && !slice_is_tree(b)) {
		return slice_eq(a, b) ? TREEVAL_SAME : TREEVAL_OTHER;
	}
	if (envelope_open(a, &ea) != 0 || envelope_open(b, &eb) != 0 || !frames_equal(&ea, &eb) ||
	    table_open(ea.state, &ta) != 0 || table_open(eb.state, &tb) != 0 || ta.cnt != tb.cnt) {
		return TREEVAL_OTHER;
	}
	end = ta.cnt - *at > cnt ? *at + cnt : ta.cnt;
	for (; *at < end; *at += more) {
		if (!table_run(&ta, *at, &run_a, &i) || !table_run(&tb, *at, &run_b, &j) ||
		    !runs_equal(&run_a, i, &run_b, j, &more)) {
			return TREEVAL_OTHER;
		}
	}
	return *at == ta.cnt ? TREEVAL_SAME : TREEVAL_MORE;
}

bool
treeval_equal(struct slice a, struct slice b)
{
	uint32_t at = 0;

	return treeval_compare(a, b, &at, UINT32_MAX) == TREEVAL_SAME;
}
