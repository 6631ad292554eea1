/* SPDX-License-Identifier: Apache-2.0 */
/* pair_lex.c - the greater first wins whole
 *
 * Why the merge is a merge: (type of first, first, type of second) is a lexicographic order of
 * chains, hence a chain; before a lattice (the second), that is a lattice again, for the reason
 * that envelope.c gives.
 */
#include "pair_lex.h"

#include "codec.h"
#include "microburst/error.h"

/* Whether the values of a type are a chain. */
static bool
is_chain(unsigned int type)
{
	switch (type) {
	case LATTICE_LWW:
	case LATTICE_BOOL_OR:
	case LATTICE_MAX_U64:
	case LATTICE_MIN_U64:
	case LATTICE_MAX_F64:
	case LATTICE_PRIORITY:
		return true;
	default:
		return false;
	}
}

int
pair_lex_open(struct slice v, struct pair_lex *ret)
{
	struct pair_lex p = { 0 };
	const uint8_t *tail;
	uint32_t len;

	if (v.len < PAIR_LEX_OVERHEAD) {
		return v.len == 0 ? MB_ERR_NOT_FOUND : MB_ERR_CORRUPT;
	}
	tail = codec_cut(&v, PAIR_LEX_OVERHEAD).p;
	len = codec_u32(tail);
	p.first_type = tail[4];
	p.second_type = tail[5];
	if (len == 0 || len > v.len || !is_chain(p.first_type) ||
	    p.second_type == LATTICE_ENVELOPE) {
		return MB_ERR_CORRUPT;
	}
	p.first = codec_cut(&v, len);
	p.second = v;
	if ((p.second_type == LATTICE_ABSENT) != (p.second.len == 0)) {
		return MB_ERR_CORRUPT;
	}
	*ret = p;
	return 0;
}

static void
put_tail(struct wbuf *out, const struct pair_lex *p)
{
	wbuf_u32(out, (uint32_t)p->first.len);
	wbuf_u8(out, (uint8_t)p->first_type);
	wbuf_u8(out, (uint8_t)p->second_type);
}

int
pair_lex_write_tail(const struct pair_lex *pair, struct wbuf *out)
{
	struct wbuf before = *out;

	put_tail(out, pair);
	return codec_done(out, before);
}

int
pair_lex_write(const struct pair_lex *pair, struct wbuf *out)
{
	struct wbuf before = *out;
	struct pair_lex p = *pair;

	if (!is_chain(p.first_type) || p.first.len == 0 || p.second_type == LATTICE_ENVELOPE) {
		return MB_ERR_INVALID;
	}
	p.second_type = p.second.len == 0 ? LATTICE_ABSENT : p.second_type;
	codec_put_slice(out, p.second);
	codec_put_slice(out, p.first);
	put_tail(out, &p);
	return codec_done(out, before);
}

/* Compares all but the seconds. */
static int
rank_cmp(const struct pair_lex *a, const struct pair_lex *b, unsigned int depth)
{
	if (a->first_type != b->first_type) {
		return a->first_type < b->first_type ? -1 : 1;
	}
	if (!slice_eq(a->first, b->first)) {
		return lattice_leq_depth(a->first_type, a->first, b->first, depth) ? -1 : 1;
	}
	return (a->second_type > b->second_type) - (a->second_type < b->second_type);
}

int
pair_lex_check(struct slice v, unsigned int depth)
{
	struct pair_lex p;
	int rc = depth == 0 ? MB_ERR_TOO_LARGE : pair_lex_open(v, &p);

	if (rc == 0) {
		rc = lattice_check_depth(p.first_type, p.first, depth - 1);
	}
	return rc == 0 ? lattice_check_depth(p.second_type, p.second, depth - 1) : rc;
}

int
pair_lex_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	struct pair_lex pa, pb;
	int diff, side;

	if (depth == 0) {
		return MB_ERR_TOO_LARGE;
	}
	if (pair_lex_open(a, &pa) < 0 || pair_lex_open(b, &pb) < 0) {
		return MB_ERR_CORRUPT;
	}
	diff = rank_cmp(&pa, &pb, depth - 1);
	if (diff != 0) {
		return diff > 0 ? LATTICE_LEFT : LATTICE_RIGHT;
	}
	side = lattice_merge_depth(pa.second_type, pa.second, pb.second, out, depth - 1);
	if (side == LATTICE_MIXED) {
		codec_put_slice(out, pa.first);
		put_tail(out, &pa);
	}
	return side;
}

bool
pair_lex_leq(struct slice a, struct slice b, unsigned int depth)
{
	struct pair_lex pa, pb;
	int diff;

	if (depth == 0 || pair_lex_open(a, &pa) < 0 || pair_lex_open(b, &pb) < 0) {
		return false;
	}
	diff = rank_cmp(&pa, &pb, depth - 1);
	return diff != 0 ? diff < 0
			 : lattice_leq_depth(pa.second_type, pa.second, pb.second, depth - 1);
}
