/* SPDX-License-Identifier: Apache-2.0 */
/* gset.c - union
 *
 * Why the merge is a merge: it is the union of two sets. The table (table.c) does all of it; a
 * member is its own sort key, so two items at one key are the same bytes and there is nothing left
 * to merge.
 */
#include "gset.h"

#include "codec.h"
#include "lattice.h"
#include "microburst/error.h"

static struct slice
member_key(struct slice item)
{
	return item;
}

static int
member_check(struct slice item, unsigned int depth)
{
	return 0;
}

static bool
member_leq(struct slice a, struct slice b, unsigned int depth)
{
	return true;
}

static int
member_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	return LATTICE_LEFT;
}

const struct table_merge_ops gset_table_ops = {
	.key_of = member_key,
	.merge = member_merge,
	.leq = member_leq,
};

int
gset_check(struct slice v, unsigned int depth)
{
	return table_check(v, member_key, member_check, depth);
}

int
gset_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	return table_merge(a, b, &gset_table_ops, out, depth);
}

bool
gset_leq(struct slice a, struct slice b, unsigned int depth)
{
	return table_leq(a, b, &gset_table_ops, depth);
}

int
gset_delta_add(const struct slice *member, uint32_t member_cnt, struct wbuf *out)
{
	struct wbuf before = *out;
	struct table_builder b;

	table_begin(&b, out);
	for (uint32_t i = 0; i < member_cnt; i++) {
		if (i != 0 && slice_cmp(member[i - 1], member[i]) >= 0) {
			table_abort(&b);
			return MB_ERR_INVALID;
		}
		codec_put_slice(out, member[i]);
		table_item_end(&b);
	}
	(void)table_end(&b); /* says it in out->full, too */
	return codec_done(out, before);
}

bool
gset_has(struct slice v, struct slice member)
{
	struct table t;
	struct slice item;

	return table_open(v, &t) == 0 && table_find(&t, member_key, member, &item);
}

uint32_t
gset_cnt(struct slice v)
{
	struct table t;

	return table_open(v, &t) == 0 ? t.cnt : 0;
}

bool
gset_at(struct slice v, uint32_t idx, struct slice *ret_member)
{
	struct table t;

	if (table_open(v, &t) < 0 || idx >= t.cnt) {
		return false;
	}
	*ret_member = table_item(&t, idx);
	return true;
}
