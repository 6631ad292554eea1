/* SPDX-License-Identifier: Apache-2.0 */
/* grove_node.c - writing the nodes of a tree
 *
 * Leaves of a flat table, inner nodes of children. A row of items, or of children, that is too long
 * for one node is cut: into equal parts, as what comes next may come anywhere; or, when what came
 * was the end of the row, into full ones, as what comes next will most likely be the end again.
 */
#include "grove_int.h"

#include "check.h"
#include "codec.h"
#include "compiler.h"
#include "copy.h"
#include "heap.h"
#include "microburst/error.h"

/* -------------------------------------------------------------------------------------- leaves */

void
grove_leaf_close(const struct grove_edit *edit, struct tree_node *leaf, size_t len,
		 uint32_t present, const struct rank_span *ranks)
{
	struct table t;

	leaf->len = (uint32_t)len;
	t = grove_body(leaf);
	leaf->cnt = t.cnt;
	leaf->items_len = t.items_len;
	leaf->present = present;
	leaf->ranks = ranks != NULL ? *ranks : rank_span_of(&t, edit->items);
	tree_heads_put(leaf, edit->items->key_of);
}

/* Takes the leaf that an item was brought to, if there is one, with the rest of its bytes. */
static struct tree_node *
ready_take(struct grove *g, const struct grove_edit *edit, const struct table *t, struct slice item,
	   uint32_t at)
{
	struct grove_ready *r = g->ready;
	struct tree_node *leaf;

	if (r == NULL || r->node == NULL || r->item != item.p || r->done < r->to ||
	    item.len < r->to || item.len + TREE_ITEM_OVERHEAD > r->room) {
		return NULL;
	}
	leaf = r->node;
	if (item.p != leaf->body) {
		memcpy(leaf->body, item.p, r->from);
		memcpy(leaf->body + r->to, item.p + r->to, item.len - r->to);
	} else if (t->cnt != 1 || t->ends != item.p + item.len) {
		return NULL; /* its table is not that of a leaf */
	}
	r->node = NULL;
	leaf->birth = edit->birth;
	leaf->at = at;
	return leaf;
}

static int
leaf_make(struct grove *g, const struct grove_edit *edit, const struct table *t, uint32_t from,
	  uint32_t to, size_t bytes, uint32_t at, struct grove_chain *to_chain)
{
	struct slice item = table_item(t, from);
	struct tree_node *leaf = to - from == 1 ? ready_take(g, edit, t, item, at) : NULL;
	bool is_ready = leaf != NULL, is_here = is_ready && item.p == leaf->body;
	struct table_builder b;
	struct table body;
	struct wbuf out;
	int err = is_ready ? 0 : grove_node_new(g, edit, bytes, 0, at, &leaf);

	if (err != 0) {
		return err;
	}
	out = wbuf_init(leaf->body, bytes);
	if (is_here) {
		out.len = table_bytes(t);
	} else {
		table_begin(&b, &out);
		if (is_ready) {
			out.len = item.len;
			table_item_end(&b);
		} else {
			table_add_run(&b, t, from, to);
		}
		INSIST(table_end(&b) == 0);
	}
	INSIST(table_open(wbuf_slice(&out), &body) == 0);
	grove_leaf_close(edit, leaf, out.len, table_present_cnt(&body, edit->items), NULL);
	grove_chain_add(g, to_chain, leaf);
	return 0;
}

int
grove_ready_step(struct grove *g, struct grove_ready *r, size_t step)
{
	size_t len;
	void *p;
	int err;

	if (r->node == NULL) {
		err = g->ops.alloc(g->ops.ctx, sizeof(*r->node) + r->room, &p);
		if (err != 0) {
			return err;
		}
		r->node = p;
		*r->node = (struct tree_node){ .bytes = (uint32_t)(sizeof(*r->node) + r->room) };
		r->done = r->from;
	}
	len = MIN(step, r->to - r->done);
	copy_bytes(r->node->body + r->done, r->item + r->done, len);
	r->done += len;
	return r->done < r->to ? MB_ERR_TRYAGAIN : 0;
}

int
grove_ready_item(struct grove *g, struct grove_ready *r, struct slice item, size_t step)
{
	r->item = item.p;
	r->from = 0;
	r->to = item.len;
	r->room = heap_long_bytes(sizeof(*r->node) + item.len + TREE_ITEM_OVERHEAD) -
		  sizeof(*r->node);
	return grove_ready_step(g, r, step);
}

void
grove_ready_here(struct grove_ready *ret, void *mem, size_t bytes, size_t item_len)
{
	struct tree_node *node = mem;

	*node = (struct tree_node){ .bytes = (uint32_t)bytes };
	*ret = (struct grove_ready){
		.node = node,
		.item = node->body,
		.to = item_len,
		.done = item_len,
		.room = bytes - sizeof(*node),
	};
}

void
grove_ready_drop(struct grove *g, struct grove_ready *r)
{
	if (r->node != NULL) {
		grove_node_free(g, r->node);
		r->node = NULL;
	}
}

/* How long items [from, to) of a flat table are. */
static size_t
run_bytes(const struct table *t, uint32_t from, uint32_t to)
{
	struct slice first = table_item(t, from), last = table_item(t, MAX(to, 1U) - 1);

	return from >= to ? 0
			  : (size_t)(last.p + last.len - first.p) +
				    (size_t)(to - from) * TREE_ITEM_OVERHEAD;
}

int
grove_leaves_make(struct grove *g, const struct grove_edit *edit, const struct table *t,
		  uint32_t from, uint32_t to, bool packed, uint32_t at,
		  struct grove_chain *to_chain)
{
	size_t total = run_bytes(t, from, to);
	size_t piece_cnt = (total + TREE_BODY_MAX - 1) / TREE_BODY_MAX;
	size_t enough = packed ? TREE_BODY_MAX : total / MAX(piece_cnt, (size_t)1) + 1;
	size_t bytes = 0;

	for (uint32_t i = from; i < to; i++) {
		size_t item = table_item(t, i).len + TREE_ITEM_OVERHEAD;

		if (i > from && (bytes >= enough || bytes + item > TREE_BODY_MAX)) {
			int err = leaf_make(g, edit, t, from, i, bytes, at, to_chain);

			if (err != 0) {
				return err;
			}
			from = i;
			bytes = 0;
		}
		bytes += item;
	}
	return from < to ? leaf_make(g, edit, t, from, to, bytes, at, to_chain) : 0;
}

/* ---------------------------------------------------------------------------------- inner nodes */

/* The first key that a new node gets, where the one before it is given: for a leaf the shortest
 * that tells them apart. */
static struct slice
first_key(const struct grove_edit *edit, const struct tree_node *before,
	  const struct tree_node *node)
{
	struct table t = grove_body(node), u = grove_body(before);
	struct slice key, last;
	struct tree_entry e;
	size_t len = 0;

	if (node->height > 0) {
		return tree_entry_at(&t, 0, &e) ? e.first : slice_of(NULL, 0);
	}
	key = edit->items->key_of(table_item(&t, 0));
	last = edit->items->key_of(table_item(&u, u.cnt - 1));
	while (len < key.len && len < last.len && key.p[len] == last.p[len]) {
		len++;
	}
	return slice_of(key.p, MIN(len + 1, key.len));
}

struct grove_children
grove_children_of(const struct grove *g, const struct grove_edit *edit, const struct table *old,
		  const struct grove_chain *kids)
{
	return (struct grove_children){ .g = g, .edit = edit, .old = *old, .kid = kids->first };
}

/* Goes past old children that are gone. What came first still says where the node begins. */
static void
skip_gone(struct grove_children *c)
{
	struct tree_entry e;

	while (c->kid != NULL && grove_gone(c->kid) && c->kid->at == c->i &&
	       tree_entry_at(&c->old, c->i, &e)) {
		if (c->i == 0) {
			c->first = e.first;
			c->headless = true;
		}
		c->kid = grove_node_at(c->g, c->kid->link);
		c->i++;
		c->old_end = e.end;
		c->old_present_end = e.present_end;
	}
}

/* As grove_children_next, of those that are there. */
static bool
children_step(struct grove_children *c, struct tree_entry *ret)
{
	struct tree_entry old = { .off = 0 };
	const struct tree_node *kid = c->kid;
	bool is_old = tree_entry_at(&c->old, c->i, &old);
	uint32_t end = old.end, present_end = old.present_end;

	if (kid != NULL && (!is_old || kid->at == c->i)) {
		*ret = (struct tree_entry){
			.first = c->before == NULL ? old.first : first_key(c->edit, c->before, kid),
			.off = grove_off(c->g, kid),
			.birth = kid->birth,
			.end = kid->cnt,
			.present_end = kid->present,
			.items_len = kid->items_len,
			.ranks = kid->ranks,
		};
		c->before = kid;
		c->kid = grove_node_at(c->g, kid->link);
		if (!is_old || (c->kid != NULL && c->kid->at == c->i)) {
			return true;
		}
	} else if (!is_old) {
		return false;
	} else {
		*ret = old;
		ret->end -= c->old_end;
		ret->present_end -= c->old_present_end;
	}
	c->before = NULL;
	c->i++;
	c->old_end = end;
	c->old_present_end = present_end;
	return true;
}

bool
grove_children_next(struct grove_children *c, struct tree_entry *ret)
{
	skip_gone(c);
	if (!children_step(c, ret)) {
		return false;
	}
	if (c->headless) {
		ret->first = c->first;
		c->headless = false;
	}
	return true;
}

size_t
grove_entry_bytes(const struct tree_entry *e)
{
	return e->first.len + TREE_ENTRY_TAIL + TREE_ITEM_OVERHEAD;
}

/* How much room children take in a body, and how many they are. */
static size_t
children_bytes(struct grove_children c, uint32_t *ret_cnt)
{
	struct tree_entry e;
	size_t bytes = 0;

	for (*ret_cnt = 0; grove_children_next(&c, &e); (*ret_cnt)++) {
		bytes += grove_entry_bytes(&e);
	}
	return bytes;
}

void
grove_inner_fill(struct grove_children *c, uint32_t cnt, struct tree_node *node, size_t bytes)
{
	struct wbuf out = wbuf_init(node->body, bytes);
	struct table_builder b;
	struct tree_entry e;

	node->ranks = rank_span_none();
	table_begin(&b, &out);
	for (uint32_t i = 0; i < cnt && grove_children_next(c, &e); i++) {
		rank_span_add(&node->ranks, e.ranks);
		node->items_len += e.items_len;
		node->cnt += e.end;
		node->present += e.present_end;
		e.end = node->cnt;
		e.present_end = node->present;
		tree_entry_put(&out, &e);
		table_item_end(&b);
	}
	INSIST(table_end(&b) == 0);
	node->len = (uint32_t)out.len;
	tree_heads_put(node, NULL);
}

int
grove_inner_make(struct grove *g, const struct grove_edit *edit, struct grove_children c,
		 uint32_t height, uint32_t at, bool packed, struct grove_chain *to_chain)
{
	struct grove_children ahead = c;
	uint32_t rest, cnt = 0;
	size_t total = children_bytes(c, &rest), bytes = 0;
	size_t piece_cnt = (total + TREE_BODY_MAX - 1) / TREE_BODY_MAX;
	size_t enough = packed ? TREE_BODY_MAX : total / MAX(piece_cnt, (size_t)1) + 1;
	struct tree_node *node;
	struct tree_entry e;

	while (grove_children_next(&ahead, &e)) {
		cnt++;
		rest--;
		bytes += grove_entry_bytes(&e);
		/* The next one would be too many, or there is none. */
		if (rest == 0 ||
		    (cnt >= 2 && rest >= 2 &&
		     (bytes >= enough || bytes + grove_entry_bytes(&e) > TREE_BODY_MAX))) {
			int err = grove_node_new(g, edit, bytes, height, at, &node);

			if (err != 0) {
				return err;
			}
			grove_inner_fill(&c, cnt, node, bytes);
			grove_chain_add(g, to_chain, node);
			cnt = 0;
			bytes = 0;
		}
	}
	return 0;
}

/* How many of a row's children the next node takes. */
static uint32_t
row_share(struct grove_children c, size_t *ret_bytes)
{
	struct tree_entry e;
	uint32_t cnt = 0;

	for (*ret_bytes = 0; c.kid != NULL; cnt++) {
		bool is_last = c.kid->link == 0; /* which is not to be alone */

		(void)grove_children_next(&c, &e);
		if (cnt >= 2 && !is_last && *ret_bytes + grove_entry_bytes(&e) > TREE_BODY_MAX) {
			break;
		}
		*ret_bytes += grove_entry_bytes(&e);
	}
	return cnt;
}

int
grove_row_make(struct grove *g, const struct grove_edit *edit, struct grove_children *c,
	       uint32_t height, uint32_t node_cnt, struct grove_chain *to_chain)
{
	struct tree_node *node;
	size_t bytes;

	for (; node_cnt > 0 && c->kid != NULL; node_cnt--) {
		uint32_t cnt = row_share(*c, &bytes);
		int err = grove_node_new(g, edit, bytes, height, 0, &node);

		if (err != 0) {
			return err;
		}
		grove_inner_fill(c, cnt, node, bytes);
		grove_chain_add(g, to_chain, node);
	}
	return c->kid == NULL ? 0 : MB_ERR_TRYAGAIN;
}

bool
grove_one_for_one(const struct grove *g, const struct grove_edit *edit,
		  const struct grove_chain *kids)
{
	const struct tree_node *kid = kids->first;

	while (kid != NULL) {
		const struct tree_node *next = grove_node_at(g, kid->link);

		if (grove_gone(kid) || (next != NULL && next->at == kid->at)) {
			return false;
		}
		kid = next;
	}
	return !edit->fresh;
}

void
grove_inner_patch(const struct grove *g, const struct tree_node *old,
		  const struct grove_chain *kids, struct tree_node *node)
{
	const struct tree_node *kid = kids->first;
	uint32_t more = 0, more_present = 0; /* modulo 2^32: a leaf may show less than before */
	struct tree_entry e;
	struct table t;

	memcpy(node->body, old->body, tree_body_bytes(old));
	node->len = old->len;
	node->prefix = old->prefix;
	node->items_len = old->items_len;
	t = grove_body(node);
	for (uint32_t i = kid != NULL ? kid->at : t.cnt, end, present_end; tree_entry_at(&t, i, &e);
	     i++) {
		struct wbuf out = wbuf_init((uint8_t *)(uintptr_t)e.first.p, SIZE_MAX);

		end = e.end;
		present_end = e.present_end;
		if (kid != NULL && kid->at == i) {
			struct tree_entry before = { .end = 0 };

			/* Its own place was patched already. */
			if (i > 0) {
				(void)tree_entry_at(&t, i - 1, &before);
			}
			node->items_len += kid->items_len - e.items_len;
			e.off = grove_off(g, kid);
			e.birth = kid->birth;
			e.items_len = kid->items_len;
			e.ranks = kid->ranks;
			more = before.end + kid->cnt - end;
			more_present = before.present_end + kid->present - present_end;
			kid = grove_node_at(g, kid->link);
		}
		e.end = end + more;
		e.present_end = present_end + more_present;
		out.len = e.first.len;
		e.first.len = 0;
		tree_entry_put(&out, &e);
	}
	node->ranks = rank_span_none();
	for (uint32_t i = 0; tree_entry_at(&t, i, &e); i++) {
		rank_span_add(&node->ranks, e.ranks);
	}
	node->cnt = e.end;
	node->present = e.present_end;
}
