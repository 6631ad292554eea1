/* SPDX-License-Identifier: Apache-2.0 */
/* cache_word - see cache_word.h */
#include "cache_word.h"

#include <math.h>
#include <string.h>

#include "envelope.h"
#include "lattice.h"
#include "list.h"
#include "map.h"
#include "oset.h"
#include "strval.h"
#include "view.h"

/* Finds the value that a field of a map shows. */
static bool
field_find(const struct envelope *e, struct slice field, unsigned int *ret_type, struct slice *ret)
{
	struct map_field f;

	return e->type == LATTICE_MAP && map_get(e->state, field, &f) &&
	       map_field_value(&f, ret_type, ret);
}

/* Whether what an operation would add is there already. */
static bool
has_item(struct slice stored, const struct wset_op *op, struct hlc_time day)
{
	unsigned int type;
	struct slice value;
	struct envelope e;
	double score;

	if (envelope_open(stored, &e) != 0 || envelope_expired(&e, day)) {
		return false;
	}
	if (op->kind == WSET_MAP_PUT) {
		return field_find(&e, op->field, &type, &value);
	}
	if (op->kind == WSET_ZADD) {
		return e.type == LATTICE_OSET && oset_score(e.state, op->field, &score) == 0;
	}
	return view_is_set(e.type) && view_set_has(e.type, e.state, op->value);
}

/* Whether an item, by its id, is at an end of a list. */
static bool
list_ends(struct slice list, struct slice id, uint32_t end)
{
	struct table_walk walk = { 0 };
	uint32_t idx = UINT32_MAX;
	struct list_item item;

	return (end == CACHE_END_FIRST ? list_next(list, &walk, &item)
				       : list_prev(list, &idx, &item)) &&
	       slice_eq(item.id, id);
}

static bool
has_score(struct slice set, struct slice member, int64_t score_bits)
{
	double want, score;

	memcpy(&want, &score_bits, sizeof(want));
	return oset_score(set, member, &score) == 0 && (isnan(score) ? 0 : score) == want;
}

/* Whether a member is at an end of a sorted set, with this score. */
static bool
oset_ends(struct slice set, struct slice member, int64_t score_bits, uint32_t end)
{
	struct oset_entry want = { .member = member }, e;
	struct table_walk walk = { 0 };
	bool there = false;

	memcpy(&want.score, &score_bits, sizeof(want.score));
	while (oset_next(set, &walk, &e.member, &e.score)) {
		int order;

		e.score = isnan(e.score) ? 0 : e.score; /* as it is shown */
		order = oset_cmp(&e, &want);
		if (!there && slice_eq(e.member, member)) {
			if (order != 0) {
				return false;
			}
			there = true;
		} else if ((order < 0) == (end == CACHE_END_FIRST)) {
			return false;
		}
	}
	return there;
}

bool
cache_word_ends(struct slice stored, const struct wset_op *op, struct hlc_time day,
		const struct cache_op_word *word)
{
	struct envelope e;

	if (envelope_open(stored, &e) != 0 || envelope_expired(&e, day)) {
		return false;
	}
	switch (op->kind) {
	case WSET_LIST_DEL:
		return e.type == LATTICE_LIST && list_ends(e.state, op->field, word->if_end);
	case WSET_ZREM:
		return e.type == LATTICE_OSET &&
		       (word->if_end >= CACHE_FRONT_LOW
				? has_score(e.state, op->field, word->n)
				: oset_ends(e.state, op->field, word->n, word->if_end));
	case WSET_SREM:
		return view_is_set(e.type) && view_set_has(e.type, e.state, op->value);
	default:
		return false;
	}
}

bool
cache_word_incr(struct slice stored, int64_t n, struct writer_id writer, struct wbuf *out,
		int64_t *ret_number)
{
	struct wbuf before = *out;
	struct slice state;
	unsigned int type;

	/* Plain: so it has no deadline, and what describes it is as long as in all of them. */
	if (!envelope_plain(stored, &type, &state) || type != LATTICE_STRING ||
	    !strval_add_alone(state, writer, n, out, ret_number)) {
		return false;
	}
	wbuf_put(out, stored.p + state.len, ENVELOPE_OVERHEAD); /* the same epoch and type */
	if (out->full) {
		*out = before;
	}
	return !out->full;
}

void
cache_word_before(struct slice stored, const struct wset_op *op, struct hlc_time day,
		  struct cache_op_word *word)
{
	switch (op->kind) {
	case WSET_MAP_PUT:
	case WSET_ZADD:
	case WSET_SADD:
		word->n = !has_item(stored, op, day);
		break;
	case WSET_ZREM:
		break; /* n is what is wanted, also when it is begun again */
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
		if (envelope_open(stored, &e) == 0 && field_find(&e, op->field, &type, &value)) {
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
