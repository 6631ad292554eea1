/* SPDX-License-Identifier: Apache-2.0 */
/* lattice.c - the table of types, and what is true of all of them
 *
 * Bottom is answered for here (E2): the empty slice is below everything, merges to the other side,
 * and no family ever sees one.
 *
 * So is the output. A family may write to out before it knows whether one side will win whole, and
 * need not look whether what it wrote did fit: unless it ends MIXED, out is put back as it was; if
 * it ends MIXED and something did not fit, that becomes MB_ERR_TOO_LARGE. Hence a merge into a wbuf
 * of no bytes is a comparison. (len and full are put back here, one by one: copying the whole wbuf
 * costs a failed store-forwarding on each call, 8 of 13 ns. cap is the table builder's own to
 * mend.)
 */
#include "lattice.h"

#include "check.h"
#include "codec.h"
#include "compiler.h"
#include "gset.h"
#include "list.h"
#include "map.h"
#include "orset.h"
#include "oset.h"
#include "microburst/error.h"

struct lattice_ops {
	const char *name;
	lattice_check_fn *check;
	lattice_merge_fn *merge;
	lattice_leq_fn *leq;
};

static const struct lattice_ops ops[] = {
#define LATTICE(name, id, stem) [id] = { #name, stem##_check, stem##_merge, stem##_leq },
#include "lattice.def"
#undef LATTICE
};

static_assert(ARRAY_CNT(ops) == LATTICE_TYPE_CNT, "ids are dense and ascending");

static const struct table_merge_ops *const table_ops[LATTICE_TYPE_CNT] = {
	[LATTICE_GSET] = &gset_table_ops,   [LATTICE_MAP] = &map_table_ops,
	[LATTICE_ORSET] = &orset_table_ops, [LATTICE_LIST] = &list_table_ops,
	[LATTICE_OSET] = &oset_table_ops,
};

const struct table_merge_ops *
lattice_table_ops(unsigned int type)
{
	return type < LATTICE_TYPE_CNT ? table_ops[type] : NULL;
}

const char *
lattice_type_name(unsigned int type)
{
	return type < LATTICE_TYPE_CNT ? ops[type].name : "UNKNOWN";
}

int
lattice_check_depth(unsigned int type, struct slice v, unsigned int depth)
{
	if (type >= LATTICE_TYPE_CNT) {
		return MB_ERR_TYPE;
	}
	if (v.len > LATTICE_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	return v.len == 0 ? 0 : ops[type].check(v, depth);
}

int
lattice_merge_depth(unsigned int type, struct slice a, struct slice b, struct wbuf *out,
		    unsigned int depth)
{
	const size_t len = out->len;
	const bool full = out->full;
	int side;

	if (unlikely(type >= LATTICE_TYPE_CNT)) {
		return MB_ERR_TYPE;
	}
	if (b.len == 0) {
		return LATTICE_LEFT;
	}
	if (a.len == 0) {
		return LATTICE_RIGHT;
	}
	side = ops[type].merge(a, b, out, depth);
	if (side == LATTICE_MIXED && (out->full || out->len - len > LATTICE_BYTES_MAX)) {
		side = MB_ERR_TOO_LARGE;
	}
	if (side != LATTICE_MIXED) {
		out->len = len;
		out->full = full;
	}
	return side;
}

bool
lattice_leq_depth(unsigned int type, struct slice a, struct slice b, unsigned int depth)
{
	if (type >= LATTICE_TYPE_CNT) {
		return false;
	}
	if (a.len == 0 || b.len == 0) {
		return a.len == 0;
	}
	return ops[type].leq(a, b, depth);
}

int
lattice_check(unsigned int type, struct slice v)
{
	return lattice_check_depth(type, v, LATTICE_DEPTH_MAX);
}

int
lattice_merge(unsigned int type, struct slice a, struct slice b, struct wbuf *out)
{
	return lattice_merge_depth(type, a, b, out, LATTICE_DEPTH_MAX);
}

bool
lattice_leq(unsigned int type, struct slice a, struct slice b)
{
	return lattice_leq_depth(type, a, b, LATTICE_DEPTH_MAX);
}

int
lattice_merge_into(unsigned int type, struct slice a, struct slice b, struct wbuf *out)
{
	struct wbuf before = *out;
	int side = lattice_merge(type, a, b, out);

	if (side < 0 || side == LATTICE_MIXED) {
		return side;
	}
	codec_put_slice(out, side == LATTICE_LEFT ? a : b);
	return codec_done(out, before) < 0 ? MB_ERR_TOO_LARGE : side;
}

int
lattice_merge_part(unsigned int type, struct slice a, struct slice b, struct wbuf *out,
		   unsigned int depth, struct lattice_verdict *verdict)
{
	int side = lattice_merge_depth(type, a, b, out, depth);

	switch (side) {
	case LATTICE_LEFT:
		codec_put_slice(out, a);
		verdict->right = verdict->right && slice_eq(a, b);
		break;
	case LATTICE_RIGHT:
		codec_put_slice(out, b);
		verdict->left = false;
		break;
	case LATTICE_MIXED:
		verdict->left = false;
		verdict->right = false;
		break;
	default:
		return side;
	}
	return 0;
}

int
lattice_verdict_side(struct lattice_verdict verdict)
{
	return verdict.left ? LATTICE_LEFT : verdict.right ? LATTICE_RIGHT : LATTICE_MIXED;
}

/* ------------------------------------------------------------ ABSENT: nothing but bottom exists */

int
absent_check(struct slice v, unsigned int depth)
{
	return MB_ERR_CORRUPT;
}

int
absent_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	return MB_ERR_CORRUPT;
}

bool
absent_leq(struct slice a, struct slice b, unsigned int depth)
{
	return false;
}
