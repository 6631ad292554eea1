/* SPDX-License-Identifier: Apache-2.0 */
/* cache_word - see cache_word.h */
#include "cache_word.h"

#include <string.h>

#include "delta.h"
#include "envelope.h"
#include "lattice.h"
#include "map.h"
#include "oset.h"
#include "view.h"

/* Finds the value that a field of a map shows. */
static bool
field_find(struct slice stored, struct slice field, unsigned int *ret_type, struct slice *ret)
{
	struct map_field f;
	struct envelope e;

	return envelope_open(stored, &e) == 0 && e.type == LATTICE_MAP &&
	       map_get(e.state, field, &f) && map_field_value(&f, ret_type, ret);
}

/* Whether what an operation would add is there already. */
static bool
has_item(struct slice stored, const struct wset_op *op, struct hlc_time now)
{
	unsigned int type;
	struct slice value;
	struct envelope e;
	double score;

	if (!delta_present(stored, now)) {
		return false;
	}
	if (op->kind == WSET_MAP_PUT) {
		return field_find(stored, op->field, &type, &value);
	}
	if (op->kind == WSET_ZADD) {
		return envelope_open(stored, &e) == 0 && e.type == LATTICE_OSET &&
		       oset_score(e.state, op->field, &score) == 0;
	}
	return envelope_open(stored, &e) == 0 && view_is_set(e.type) &&
	       view_set_has(e.type, e.state, op->value);
}

void
cache_word_before(struct slice stored, const struct wset_op *op, struct hlc_time now,
		  struct cache_op_word *word)
{
	switch (op->kind) {
	case WSET_MAP_PUT:
	case WSET_ZADD:
	case WSET_SADD:
		word->n = !has_item(stored, op, now);
		break;
	default:
		word->n = 1;
	}
}

void
cache_word_after(struct slice stored, const struct wset_op *op, bool changed,
		 struct cache_op_word *word)
{
	struct slice value;
	struct envelope e;
	unsigned int type;
	double score;

	word->changed = changed;
	switch (op->kind) {
	case WSET_INCR:
		if (envelope_open(stored, &e) == 0) {
			word->err = view_i64(e.type, e.state, &word->n);
		}
		break;
	case WSET_MAP_INCR:
		if (field_find(stored, op->field, &type, &value)) {
			word->err = view_i64(type, value, &word->n);
		}
		break;
	case WSET_PUSH_LEFT:
	case WSET_PUSH_RIGHT:
		if (envelope_open(stored, &e) == 0) {
			word->n = view_cnt(e.type, e.state);
		}
		break;
	case WSET_ZINCR:
		if (envelope_open(stored, &e) == 0 && oset_score(e.state, op->field, &score) == 0) {
			memcpy(&word->n, &score, sizeof(word->n));
		}
		break;
	default:
		break;
	}
}

void
cache_word_type(struct slice stored, const struct wset_op *op, struct cache_op_word *word)
{
	unsigned int type = op->kind == WSET_INCR ? LATTICE_STRING : LATTICE_MAP;
	struct envelope e;

	word->not_number = (op->kind == WSET_INCR || op->kind == WSET_MAP_INCR) &&
			   envelope_open(stored, &e) == 0 && e.type == type;
}
