/* SPDX-License-Identifier: Apache-2.0 */
/* clear.c - one switch; how a type deletes what it shows is said by its family
 *
 * A map is cleared field by field. A field whose value cannot be cleared is left as it is: it has
 * no envelope either, or it would be of a type that the verbs never put into one.
 */
#include "clear.h"

#include "codec.h"
#include "compiler.h"
#include "counter.h"
#include "envelope.h"
#include "list.h"
#include "map.h"
#include "microburst/error.h"
#include "mvreg.h"
#include "orset.h"
#include "pair_lex.h"
#include "score.h"
#include "strval.h"
#include "table.h"

/* The counter of 600 writers: more are TOO_LARGE to be deleted until retired ones are folded. */
#define CLEAR_SCALAR_MAX (32u << 10)

static int clear(unsigned int type, struct slice state, struct wbuf *out, unsigned int depth);

/* The delta of an envelope's state, within its epoch. */
static int
clear_envelope(struct slice v, struct wbuf *out, unsigned int depth)
{
	struct wbuf before = *out;
	struct envelope e;
	int rc = envelope_open(v, &e);

	if (rc == 0) {
		/* Unchecked bytes could nest without end. */
		rc = e.type == LATTICE_ENVELOPE ? MB_ERR_CORRUPT
						: clear(e.type, e.state, out, depth);
	}
	if (rc != 0 || out->len == before.len) {
		return rc;
	}
	e = (struct envelope){ .epoch = e.epoch, .type = e.type };
	rc = envelope_write_tail(&e, out);
	if (rc != 0) {
		*out = before;
	}
	return rc;
}

static int
clear_map(struct slice state, struct wbuf *out, unsigned int depth)
{
	struct wbuf before = *out;
	struct map_builder b;
	struct map_field f;
	int rc = depth == 0 ? MB_ERR_TOO_LARGE : 0;

	map_begin(&b, out);
	for (struct table_walk i = { 0 }; rc == 0 && map_next(state, &i, &f);) {
		map_field_begin(&b, f.key);
		rc = clear(f.type, f.value, out, depth - 1);
		rc = rc == MB_ERR_NOT_SUPPORTED ? 0 : rc;
		map_field_end(&b, f.type);
	}
	if (rc == 0) {
		rc = map_end(&b);
	}
	if (rc != 0) {
		*out = before;
	}
	return rc;
}

/* A register under the name of a merge. */
static int
clear_pair(struct slice state, struct wbuf *out)
{
	struct wbuf before = *out;
	struct pair_lex p;
	int rc = pair_lex_open(state, &p);

	if (rc != 0 || p.second_type != LATTICE_MVREG) {
		return rc != 0 ? rc : MB_ERR_NOT_SUPPORTED;
	}
	rc = mvreg_delta_clear(p.second, out);
	if (rc == 0 && out->len != before.len) {
		codec_put_slice(out, p.first);
		rc = pair_lex_write_tail(&p, out);
	}
	if (rc != 0) {
		*out = before;
	}
	return rc;
}

static int
clear(unsigned int type, struct slice state, struct wbuf *out, unsigned int depth)
{
	switch (type) {
	case LATTICE_ABSENT:
		return 0;
	case LATTICE_STRING:
		return strval_delta_del(state, out);
	case LATTICE_PN_COUNTER:
		return counter_delta_del(state, out);
	case LATTICE_MAP:
	case LATTICE_OSET:
		return clear_map(state, out, depth);
	case LATTICE_LIST:
		return list_delta_clear(state, out);
	case LATTICE_SCORE:
		return score_delta_del(state, out);
	case LATTICE_ENVELOPE:
		return clear_envelope(state, out, depth);
	case LATTICE_ORSET:
		return orset_delta_clear(state, out);
	case LATTICE_MVREG:
		return mvreg_delta_clear(state, out);
	case LATTICE_PAIR_LEX:
		return clear_pair(state, out);
	default:
		return MB_ERR_NOT_SUPPORTED;
	}
}

/* A string or counter, of whatever says more than itself when it is deleted: each of its writers'
 * sums once more, and a base that is a number. A base that is not, which may be long, is not said
 * again. */
static size_t
scalar_bound(size_t len)
{
	return 2 * MIN(len, (size_t)CLEAR_SCALAR_MAX) + ENVELOPE_OVERHEAD;
}

/* A register, or one under the name of a merge: what each sibling had seen, and of no value. */
static size_t
register_bound(unsigned int type, struct slice state)
{
	size_t bytes = state.len;
	struct slice mvreg = state;
	struct mvreg_sibling s;
	struct pair_lex p;

	if (type == LATTICE_PAIR_LEX && pair_lex_open(state, &p) == 0) {
		mvreg = p.second_type == LATTICE_MVREG ? p.second : slice_of(NULL, 0);
	}
	for (uint32_t i = 0; mvreg_next(mvreg, &i, &s);) {
		bytes -= MIN(bytes, s.value.len);
	}
	return 2 * bytes + MVREG_OVERHEAD;
}

size_t
lattice_clear_bound(unsigned int type, struct slice state)
{
	size_t bytes = MAP_OVERHEAD;
	struct map_field f;
	struct table t;

	if (type == LATTICE_MVREG || type == LATTICE_PAIR_LEX) {
		return register_bound(type, state);
	}
	if (lattice_table_ops(type) == NULL) {
		return scalar_bound(state.len);
	}
	if (lattice_table_ops(type)->present == NULL) {
		return 0; /* it only grows */
	}
	if (type != LATTICE_MAP && type != LATTICE_OSET) {
		if (table_open(state, &t) != 0) {
			return 0;
		}
		return type == LATTICE_LIST ? (size_t)t.cnt * LIST_OVERHEAD : table_bytes(&t);
	}
	for (struct table_walk i = { 0 }; map_next(state, &i, &f);) {
		struct envelope e;
		bool nested = f.type != LATTICE_ENVELOPE || envelope_open(f.value, &e) != 0 ||
			      lattice_table_ops(e.type) != NULL;

		bytes += f.key.len + MAP_OVERHEAD +
			 (nested ? 2 * f.value.len : scalar_bound(f.value.len));
	}
	return bytes;
}

int
lattice_clear(unsigned int type, struct slice state, struct wbuf *out)
{
	return clear(type, state, out, LATTICE_DEPTH_MAX);
}
