/* SPDX-License-Identifier: Apache-2.0 */
/* map.c - key by key
 *
 * Why the merge is a merge: a map is a function from keys to typed values, bottom where it has no
 * field, and merge goes key by key (table.c). At one key, typed values form a lattice: put the
 * types' lattices on top of each other in the order of their ids, with one bottom below all. Two
 * values of one type merge as that type does, of two types the one from the higher storey wins
 * whole. Order by (type, value) is lexicographic with a chain first, which is what makes it
 * associative: with a partial order first, the losing part of a merge could come back.
 *
 * I1  No field holds bottom: then "no field" and "a field with nothing" cannot be two encodings of
 *     one map. Merging keeps it, as nothing merges down to bottom.
 */
#include "map.h"

#include "codec.h"
#include "envelope.h"
#include "microburst/error.h"
#include "presence.h"
#include "view.h"

/* What stands behind key and value in an item. */
#define FIELD_TAIL (sizeof(uint16_t) + sizeof(uint8_t))

bool
map_field_open(struct slice item, struct map_field *ret)
{
	const uint8_t *tail;
	size_t key_len;

	if (item.len < FIELD_TAIL) {
		return false;
	}
	tail = codec_cut(&item, FIELD_TAIL).p;
	key_len = codec_u16(tail);
	if (key_len > item.len) {
		return false;
	}
	ret->type = tail[sizeof(uint16_t)];
	ret->value = codec_cut(&item, item.len - key_len);
	ret->key = item;
	return true;
}

static void
put_tail(struct wbuf *out, size_t key_len, unsigned int type)
{
	wbuf_u16(out, (uint16_t)key_len);
	wbuf_u8(out, (uint8_t)type);
}

bool
map_field_value(const struct map_field *field, unsigned int *ret_type, struct slice *ret_value)
{
	struct envelope e = { .type = field->type, .state = field->value };

	if (field->type == LATTICE_ENVELOPE && envelope_open(field->value, &e) < 0) {
		return false;
	}
	*ret_type = e.type;
	*ret_value = e.state;
	return view_present_scalar(e.type, e.state);
}

struct slice
map_item_key(struct slice item)
{
	struct map_field f;

	return map_field_open(item, &f) ? f.key : slice_of(NULL, 0);
}

static int
field_check(struct slice item, unsigned int depth)
{
	struct map_field f;

	if (!map_field_open(item, &f) || f.value.len == 0) {
		return MB_ERR_CORRUPT;
	}
	return lattice_check_depth(f.type, f.value, depth);
}

int
map_item_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	struct map_field fa, fb;
	int side;

	if (!map_field_open(a, &fa) || !map_field_open(b, &fb)) {
		return MB_ERR_CORRUPT;
	}
	if (fa.type != fb.type) {
		return fa.type > fb.type ? LATTICE_LEFT : LATTICE_RIGHT;
	}
	codec_put_slice(out, fa.key);
	side = lattice_merge_depth(fa.type, fa.value, fb.value, out, depth);
	if (side == LATTICE_MIXED) {
		put_tail(out, fa.key.len, fa.type);
	}
	return side;
}

bool
map_item_leq(struct slice a, struct slice b, unsigned int depth)
{
	struct map_field fa, fb;

	if (!map_field_open(a, &fa) || !map_field_open(b, &fb)) {
		return false;
	}
	return fa.type != fb.type ? fa.type < fb.type
				  : lattice_leq_depth(fa.type, fa.value, fb.value, depth);
}

bool
map_item_present(struct slice item)
{
	struct map_field f;

	return map_field_open(item, &f) && map_field_value(&f, &f.type, &f.value);
}

const struct table_merge_ops map_table_ops = {
	.key_of = map_item_key,
	.merge = map_item_merge,
	.leq = map_item_leq,
	.present = map_item_present,
};

int
map_check(struct slice v, unsigned int depth)
{
	return depth == 0 ? MB_ERR_TOO_LARGE : table_check(v, map_item_key, field_check, depth - 1);
}

int
map_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	return depth == 0 ? MB_ERR_TOO_LARGE : table_merge(a, b, &map_table_ops, out, depth - 1);
}

bool
map_leq(struct slice a, struct slice b, unsigned int depth)
{
	return depth != 0 && table_leq(a, b, &map_table_ops, depth - 1);
}

/* ------------------------------------------------------------------------------------- building */

void
map_begin(struct map_builder *b, struct wbuf *out)
{
	b->err = 0;
	table_begin(&b->table, out);
}

void
map_field_begin(struct map_builder *b, struct slice key)
{
	struct wbuf *out = b->table.out;

	if (b->err != 0) {
		return;
	}
	if (key.len > MAP_KEY_LEN_MAX) {
		b->err = MB_ERR_TOO_LARGE;
	} else if (b->table.cnt != 0 && slice_cmp(b->key_last, key) >= 0) {
		b->err = MB_ERR_INVALID;
	} else {
		b->key = slice_of(out->p + out->len, key.len);
		codec_put_slice(out, key);
		b->start = out->len;
	}
}

void
map_field_end(struct map_builder *b, unsigned int type)
{
	struct wbuf *out = b->table.out;

	if (b->err != 0) {
		return;
	}
	if (out->full) {
		b->err = MB_ERR_TOO_LARGE;
	} else if (out->len == b->start) {
		out->len -= b->key.len;
	} else {
		put_tail(out, b->key.len, type);
		table_item_end(&b->table);
		b->err = out->full ? MB_ERR_TOO_LARGE : 0;
		b->key_last = b->key;
	}
}

void
map_add(struct map_builder *b, const struct map_field *field)
{
	if (field->value.len == 0 || field->type >= LATTICE_TYPE_CNT) {
		b->err = b->err != 0 ? b->err : MB_ERR_INVALID;
		return;
	}
	map_field_begin(b, field->key);
	if (b->err == 0) {
		codec_put_slice(b->table.out, field->value);
	}
	map_field_end(b, field->type);
}

int
map_end(struct map_builder *b)
{
	if (b->err != 0) {
		table_abort(&b->table);
		return b->err;
	}
	return table_end(&b->table);
}

int
map_delta_put(const struct map_field *field, struct wbuf *out)
{
	struct wbuf before = *out;
	struct map_builder b;
	int rc;

	map_begin(&b, out);
	map_add(&b, field);
	rc = map_end(&b);
	if (rc < 0) {
		*out = before;
	}
	return rc;
}

/* -------------------------------------------------------------------------------------- reading */

bool
map_get(struct slice v, struct slice key, struct map_field *ret_field)
{
	struct table t;
	struct slice item;

	return table_open(v, &t) == 0 && table_find(&t, map_item_key, key, &item) &&
	       map_field_open(item, ret_field);
}

uint32_t
map_cnt(struct slice v)
{
	return presence_cnt(&map_table_ops, v);
}

bool
map_next(struct slice v, struct table_walk *w, struct map_field *ret_field)
{
	struct slice item;

	return presence_next(&map_table_ops, v, w, &item) && map_field_open(item, ret_field);
}

bool
map_at(struct slice v, uint32_t idx, struct map_field *ret_field)
{
	struct table t;

	return table_open(v, &t) == 0 && idx < t.cnt &&
	       map_field_open(table_item(&t, idx), ret_field);
}
