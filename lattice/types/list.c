/* SPDX-License-Identifier: Apache-2.0 */
/* list.c - a table sorted by position
 *
 * Why the merge is a merge: a list is a function from ids to items, bottom where it has none, and
 * merge goes id by id (table.c). The items of one id are a chain: by the stamp of who set the value
 * last (zero: it is the one that was pushed), then by the bytes, and above all of them the mark
 * that it was removed. The greater wins.
 *
 * Ids are big endian, so that their bytes are in the order of their numbers. Nobody makes an id
 * twice, as no writer uses a time twice.
 */
#include "list.h"

#include "check.h"
#include "codec.h"
#include "lattice.h"
#include "microburst/error.h"
#include "presence.h"

enum {
	REMOVED = 1,
	SET = 2, /* a stamp stands behind the value */
};

#define POSITION_FIRST (UINT64_C(1) << 63)

static_assert(LIST_ID_BYTES == sizeof(uint64_t) + STAMP_BYTES, "position, time, writer");

struct parts {
	struct slice id, value;
	struct stamp set;
	bool removed;
};

static bool
item_open(struct slice item, struct parts *ret)
{
	struct parts p = { 0 };
	unsigned int flags;

	if (item.len < LIST_ID_BYTES + 1) {
		return false;
	}
	p.id = slice_of(item.p, LIST_ID_BYTES);
	flags = codec_cut(&item, 1).p[0];
	p.value = slice_of(item.p + LIST_ID_BYTES, item.len - LIST_ID_BYTES);
	p.removed = flags == REMOVED;
	if (flags == SET) {
		if (p.value.len < STAMP_BYTES) {
			return false;
		}
		p.set = codec_stamp(codec_cut(&p.value, STAMP_BYTES).p);
	}
	if (flags > SET || (p.removed && p.value.len != 0) ||
	    (flags == SET && stamp_is_zero(p.set))) {
		return false;
	}
	*ret = p;
	return true;
}

static void
item_put(struct wbuf *out, const struct parts *p)
{
	bool set = !p->removed && !stamp_is_zero(p->set);

	codec_put_slice(out, p->id);
	if (!p->removed) {
		codec_put_slice(out, p->value);
	}
	if (set) {
		codec_put_stamp(out, p->set);
	}
	wbuf_u8(out, p->removed ? REMOVED : set ? SET : 0);
}

static int
parts_cmp(const struct parts *a, const struct parts *b)
{
	int diff = (int)a->removed - (int)b->removed;

	if (diff == 0) {
		diff = stamp_cmp(a->set, b->set);
	}
	return diff != 0 ? diff : slice_cmp(a->value, b->value);
}

static struct slice
item_id(struct slice item)
{
	return item.len > LIST_ID_BYTES ? slice_of(item.p, LIST_ID_BYTES) : slice_of(NULL, 0);
}

static int
item_check(struct slice item, unsigned int depth)
{
	struct parts p;

	return item_open(item, &p) ? 0 : MB_ERR_CORRUPT;
}

static int
item_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	struct parts pa, pb;

	if (!item_open(a, &pa) || !item_open(b, &pb)) {
		return MB_ERR_CORRUPT;
	}
	return parts_cmp(&pa, &pb) >= 0 ? LATTICE_LEFT : LATTICE_RIGHT;
}

static bool
item_leq(struct slice a, struct slice b, unsigned int depth)
{
	struct parts pa, pb;

	return item_open(a, &pa) && item_open(b, &pb) && parts_cmp(&pa, &pb) <= 0;
}

static bool
item_present(struct slice item)
{
	struct parts p;

	return item_open(item, &p) && !p.removed;
}

const struct table_merge_ops list_table_ops = {
	.key_of = item_id,
	.merge = item_merge,
	.leq = item_leq,
	.present = item_present,
};

int
list_check(struct slice v, unsigned int depth)
{
	return table_check(v, item_id, item_check, depth);
}

int
list_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	return table_merge(a, b, &list_table_ops, out, depth);
}

bool
list_leq(struct slice a, struct slice b, unsigned int depth)
{
	return table_leq(a, b, &list_table_ops, depth);
}

/* --------------------------------------------------------------------------------------- deltas */

static void
put_be64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static uint64_t
position_of(struct slice item)
{
	uint64_t v = 0;

	if (item.len >= sizeof(v)) {
		memcpy(&v, item.p, sizeof(v));
	}
	return be64toh(v);
}

static bool
position_for(const struct table *t, enum list_end end, uint64_t *ret)
{
	if (t->cnt == 0) {
		*ret = POSITION_FIRST;
		return true;
	}
	if (end == LIST_LEFT) {
		return !__builtin_sub_overflow(position_of(table_item(t, 0)), LIST_STEP, ret);
	}
	return !__builtin_add_overflow(position_of(table_item(t, t->cnt - 1)), LIST_STEP, ret);
}

/* The table of one item. */
static int
delta_of(const struct parts *p, struct wbuf *out)
{
	struct wbuf before = *out;
	struct table_builder b;

	table_begin(&b, out);
	item_put(out, p);
	table_item_end(&b);
	(void)table_end(&b); /* says it in out->full, too */
	return codec_done(out, before);
}

int
list_delta_push(struct slice state, struct stamp stamp, enum list_end end, struct slice value,
		struct wbuf *out)
{
	uint64_t position;
	struct table t;

	if (table_open(state, &t) < 0) {
		return MB_ERR_CORRUPT;
	}
	if (!position_for(&t, end, &position)) {
		return MB_ERR_TOO_LARGE;
	}
	return list_delta_place(position, stamp, value, out);
}

bool
list_place_between(struct slice left, struct slice right, uint64_t *ret)
{
	uint64_t from = position_of(left), to = position_of(right);

	if (left.len == 0 || right.len == 0) {
		*ret = POSITION_FIRST;
		return left.len != 0    ? !__builtin_add_overflow(from, LIST_STEP, ret)
		       : right.len != 0 ? !__builtin_sub_overflow(to, LIST_STEP, ret)
					: true;
	}
	if (from >= to) {
		return false;
	}
	*ret = from + (to - from) / 2;
	return true;
}

int
list_delta_place(uint64_t position, struct stamp stamp, struct slice value, struct wbuf *out)
{
	uint8_t id[LIST_ID_BYTES];
	struct parts p = { .id = slice_of(id, sizeof(id)), .value = value };

	put_be64(id, position);
	put_be64(id + 8, stamp.time.v);
	put_be64(id + 16, stamp.writer.v);
	return delta_of(&p, out);
}

int
list_delta_set(struct slice state, struct slice id, struct stamp stamp, struct slice value,
	       struct wbuf *out)
{
	struct parts p = { .id = id, .value = value, .set = stamp };
	struct list_item item;

	return list_find(state, id, &item) ? delta_of(&p, out) : MB_ERR_NOT_FOUND;
}

int
list_delta_remove(struct slice state, struct slice id, struct wbuf *out)
{
	struct parts p = { .id = id, .removed = true };
	struct list_item item;

	return list_find(state, id, &item) ? delta_of(&p, out) : 0;
}

int
list_delta_clear(struct slice state, struct wbuf *out)
{
	struct wbuf before = *out;
	struct parts p = { .removed = true };
	struct table_builder b;
	struct list_item item;

	table_begin(&b, out);
	for (struct table_walk i = { 0 }; list_next(state, &i, &item);) {
		p.id = item.id;
		item_put(out, &p);
		table_item_end(&b);
	}
	(void)table_end(&b);
	return codec_done(out, before);
}

/* -------------------------------------------------------------------------------------- reading */

static bool
item_shown(struct slice item, struct list_item *ret)
{
	struct parts p;

	if (!item_open(item, &p) || p.removed) {
		return false;
	}
	*ret = (struct list_item){ .id = p.id, .value = p.value };
	return true;
}

uint32_t
list_cnt(struct slice v)
{
	return presence_cnt(&list_table_ops, v);
}

bool
list_next(struct slice v, struct table_walk *w, struct list_item *ret_item)
{
	struct slice item;

	return presence_next(&list_table_ops, v, w, &item) && item_shown(item, ret_item);
}

bool
list_prev(struct slice v, uint32_t *idx, struct list_item *ret_item)
{
	struct slice item;

	return presence_prev(&list_table_ops, v, idx, &item) && item_shown(item, ret_item);
}

bool
list_find(struct slice v, struct slice id, struct list_item *ret_item)
{
	struct table t;
	struct slice item;

	return table_open(v, &t) == 0 && table_find(&t, item_id, id, &item) &&
	       item_shown(item, ret_item);
}
