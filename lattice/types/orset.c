/* SPDX-License-Identifier: Apache-2.0 */
/* orset.c - member by member
 *
 * Why the merge is a merge: a set is a function from members to presences, bottom where it has no
 * item, and merge goes member by member (table.c); presences are a lattice (presence.c).
 *
 * An item is never without a presence, as no delta makes one: so "not there" is one encoding, and a
 * member that was removed is another.
 */
#include "orset.h"

#include "check.h"
#include "codec.h"
#include "lattice.h"
#include "microburst/error.h"
#include "presence.h"

/* Equal as text too: NOLINTNEXTLINE(misc-redundant-expression) */
static_assert(ORSET_OVERHEAD == PRESENCE_ENTRY_BYTES + TABLE_ITEM_OVERHEAD, "one dot");

static struct slice
item_member(struct slice item)
{
	struct slice presence;

	return presence_cut(&item, &presence) ? item : slice_of(NULL, 0);
}

static struct slice
item_presence(struct slice item)
{
	struct slice presence;

	(void)presence_cut(&item, &presence);
	return presence;
}

static int
item_check(struct slice item, unsigned int depth)
{
	struct slice presence;

	return presence_cut(&item, &presence) ? presence_check(presence) : MB_ERR_CORRUPT;
}

static int
item_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	struct slice presence_a, presence_b;

	if (!presence_cut(&a, &presence_a) || !presence_cut(&b, &presence_b)) {
		return MB_ERR_CORRUPT;
	}
	codec_put_slice(out, a);
	return presence_merge(presence_a, presence_b, out);
}

static bool
item_leq(struct slice a, struct slice b, unsigned int depth)
{
	return presence_leq(item_presence(a), item_presence(b));
}

static bool
item_present(struct slice item)
{
	return presence_live(item_presence(item));
}

const struct table_merge_ops orset_table_ops = {
	.key_of = item_member,
	.merge = item_merge,
	.leq = item_leq,
	.present = item_present,
};

int
orset_check(struct slice v, unsigned int depth)
{
	return table_check(v, item_member, item_check, depth);
}

int
orset_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	return table_merge(a, b, &orset_table_ops, out, depth);
}

bool
orset_leq(struct slice a, struct slice b, unsigned int depth)
{
	return table_leq(a, b, &orset_table_ops, depth);
}

/* --------------------------------------------------------------------------------------- deltas */

int
orset_delta_add(struct stamp stamp, struct slice member, struct wbuf *out)
{
	struct wbuf before = *out;
	struct table_builder b;

	table_begin(&b, out);
	codec_put_slice(out, member);
	presence_put_add(out, stamp);
	table_item_end(&b);
	(void)table_end(&b); /* says it in out->full, too */
	return codec_done(out, before);
}

/* Adds to a delta that an item is gone, if it is there. member: its own, wherever those bytes
 * stand; NULL: in the item. Returns: false for a damaged one. */
static bool
remove_item(struct table_builder *b, struct slice item, const struct slice *member)
{
	struct wbuf *out = b->out;
	struct slice presence;
	size_t start = out->len;

	if (!presence_cut(&item, &presence)) {
		return false;
	}
	codec_put_slice(out, member != NULL ? *member : item);
	if (presence_put_gone(out, presence)) {
		table_item_end(b);
	} else {
		out->len = start;
	}
	return true;
}

int
orset_delta_remove(struct slice state, struct slice member, struct wbuf *out)
{
	struct wbuf before = *out;
	struct table_builder b;
	struct slice item;
	struct table t;

	if (table_open(state, &t) < 0) {
		return MB_ERR_CORRUPT;
	}
	table_begin(&b, out);
	if (table_find(&t, item_member, member, &item) && !remove_item(&b, item, &member)) {
		table_abort(&b);
		return MB_ERR_CORRUPT;
	}
	(void)table_end(&b);
	return codec_done(out, before);
}

int
orset_delta_clear(struct slice state, struct wbuf *out)
{
	struct table_walk walk = { .idx = 0 };
	struct wbuf before = *out;
	struct table_builder b;
	struct slice item;
	struct table t;

	if (table_open(state, &t) < 0) {
		return MB_ERR_CORRUPT;
	}
	table_begin(&b, out);
	for (uint32_t i = 0; i < t.cnt; i++) {
		if (!table_walk_next(state, &walk, &item) || !remove_item(&b, item, NULL)) {
			table_abort(&b);
			return MB_ERR_CORRUPT;
		}
	}
	(void)table_end(&b);
	return codec_done(out, before);
}

/* -------------------------------------------------------------------------------------- reading */

bool
orset_has(struct slice v, struct slice member)
{
	struct table t;
	struct slice item;

	return table_open(v, &t) == 0 && table_find(&t, item_member, member, &item) &&
	       item_present(item);
}

uint32_t
orset_cnt(struct slice v)
{
	return presence_cnt(&orset_table_ops, v);
}

bool
orset_next(struct slice v, struct table_walk *w, struct slice *ret_member)
{
	struct slice item;

	if (!presence_next(&orset_table_ops, v, w, &item)) {
		return false;
	}
	*ret_member = item_member(item);
	return true;
}
