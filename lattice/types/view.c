/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - one switch for each kind of reading; what a reading means is said by the family */
#include "view.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "compiler.h"
#include "counter.h"
#include "envelope.h"
#include "gset.h"
#include "lww.h"
#include "microburst/error.h"
#include "mvreg.h"
#include "orset.h"
#include "pair_lex.h"
#include "presence.h"
#include "priority.h"
#include "scalar.h"
#include "score.h"
#include "strval.h"

static_assert(VIEW_TEXT_MAX >= COUNTER_TEXT_MAX, "room for each number");
static_assert(VIEW_TEXT_MAX >= STRVAL_TEXT_MAX, "room for each number");

/* Reads a type that is one whole number.
 *
 * Returns:   0; MB_ERR_TYPE if it is not such a type; what its family says.
 */
static int
whole_number(unsigned int type, struct slice state, counter_sum *ret_number)
{
	uint64_t u64;
	bool flag;
	int rc;

	switch (type) {
	case LATTICE_PN_COUNTER:
		rc = counter_read(state, ret_number, &flag);
		return rc == 0 && !flag ? MB_ERR_NOT_FOUND : rc;
	case LATTICE_BOOL_OR:
		rc = bool_or_read(state, &flag);
		if (rc == 0) {
			*ret_number = flag;
		}
		return rc;
	case LATTICE_MAX_U64:
	case LATTICE_MIN_U64:
		rc = u64_read(state, &u64);
		if (rc == 0) {
			*ret_number = u64;
		}
		return rc;
	case LATTICE_ABSENT:
		return MB_ERR_NOT_FOUND;
	default:
		return MB_ERR_TYPE;
	}
}

#define FRACTION_MAX 6

/* Writes a double that is a decimal of few digits, v = m / 10^k: if m and 10^k are exact, so is
 * what reading it back divides, and rounds as this division does. Returns: an empty slice when it
 * is not one. */
static struct slice
few_digits(double v, char buf[VIEW_TEXT_MAX])
{
	double magnitude = fabs(v), power = 1;
	char *p;

	if ((magnitude < 1e-4 && v != 0) || !(magnitude < 1e15)) {
		return slice_of(buf, 0); /* has an exponent, or has to be tried */
	}
	for (int k = 0; k <= FRACTION_MAX; k++, power *= 10) {
		uint64_t digits;

		if (magnitude * power >= 1e15) {
			break;
		}
		digits = (uint64_t)(magnitude * power + 0.5);
		if ((double)digits / power != magnitude) {
			continue;
		}
		p = buf + VIEW_TEXT_MAX;
		for (int i = 0; i < k; i++, digits /= 10) {
			*--p = (char)('0' + digits % 10);
		}
		if (k != 0) {
			*--p = '.';
		}
		do {
			*--p = (char)('0' + digits % 10);
			digits /= 10;
		} while (digits != 0);
		if (signbit(v)) {
			*--p = '-';
		}
		return slice_of(p, (size_t)(buf + VIEW_TEXT_MAX - p));
	}
	return slice_of(buf, 0);
}

struct slice
view_f64(double v, char buf[VIEW_TEXT_MAX])
{
	struct slice few = few_digits(v, buf);
	int len = 0;

	if (likely(few.len != 0)) {
		return few;
	}
	/* Fewer than 15 digits are shown as such, but next to zero a number has not as many. */
	for (int digits = fabs(v) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
		len = snprintf(buf, VIEW_TEXT_MAX, "%.*g", digits, v);
		if (strtod(buf, NULL) == v) {
			break;
		}
	}
	return slice_of(buf, (size_t)len);
}

/* The second of a pair, which is no pair. */
static int
pair_text(struct slice state, char buf[VIEW_TEXT_MAX], struct slice *ret_text)
{
	struct pair_lex p;
	int rc = pair_lex_open(state, &p);

	if (rc != 0) {
		return rc;
	}
	return p.second_type == LATTICE_PAIR_LEX
		       ? MB_ERR_TYPE
		       : view_text(p.second_type, p.second, buf, ret_text);
}

int
view_text(unsigned int type, struct slice state, char buf[VIEW_TEXT_MAX], struct slice *ret_text)
{
	struct mvreg_sibling sibling;
	counter_sum number;
	struct stamp stamp;
	int64_t priority;
	double f64;
	int rc;

	switch (type) {
	case LATTICE_STRING:
		return strval_text(state, buf, ret_text);
	case LATTICE_LWW:
		return lww_read(state, ret_text, &stamp);
	case LATTICE_PRIORITY:
		return priority_read(state, ret_text, &priority);
	case LATTICE_MVREG:
		if (!mvreg_latest(state, &sibling)) {
			return MB_ERR_NOT_FOUND;
		}
		*ret_text = sibling.value;
		return 0;
	case LATTICE_PAIR_LEX:
		return pair_text(state, buf, ret_text);
	case LATTICE_MAX_F64:
	case LATTICE_SCORE:
		rc = type == LATTICE_SCORE ? score_read(state, &f64) : max_f64_read(state, &f64);
		if (rc == 0) {
			*ret_text = view_f64(f64, buf);
		}
		return rc;
	default:
		rc = whole_number(type, state, &number);
		if (rc == 0) {
			*ret_text = counter_text(number, buf);
		}
		return rc;
	}
}

int
view_i64(unsigned int type, struct slice state, int64_t *ret_number)
{
	counter_sum number;
	int rc;

	if (type == LATTICE_STRING) {
		return strval_i64(state, ret_number);
	}
	rc = whole_number(type, state, &number);
	if (rc != 0) {
		return rc;
	}
	if (number > INT64_MAX || number < INT64_MIN) {
		return MB_ERR_TOO_LARGE;
	}
	*ret_number = (int64_t)number;
	return 0;
}

bool
view_present_scalar(unsigned int type, struct slice state)
{
	char buf[VIEW_TEXT_MAX];
	struct pair_lex pair;
	struct slice text;
	double score;
	int rc;

	/* Only what can be deleted without a new epoch can be there and show nothing. */
	switch (type) {
	case LATTICE_STRING:
		return strval_present(state);
	case LATTICE_PN_COUNTER:
		return view_text(type, state, buf, &text) == 0;
	case LATTICE_MVREG:
		return mvreg_cnt(state) != 0;
	case LATTICE_PAIR_LEX:
		/* A register under the name of a merge; other pairs cannot be deleted so. */
		return pair_lex_open(state, &pair) == 0 &&
		       (pair.second_type != LATTICE_MVREG || mvreg_cnt(pair.second) != 0);
	case LATTICE_SCORE:
		/* Also one whose sum is no number. */
		rc = score_read(state, &score);
		return rc == 0 || rc == MB_ERR_TOO_LARGE;
	default:
		return state.len != 0;
	}
}

uint32_t
view_cnt(unsigned int type, struct slice state)
{
	const struct table_merge_ops *ops = lattice_table_ops(type);

	return ops != NULL ? presence_cnt(ops, state) : 0;
}

bool
view_is_set(unsigned int type)
{
	return type == LATTICE_GSET || type == LATTICE_ORSET;
}

bool
view_set_has(unsigned int type, struct slice state, struct slice member)
{
	return type == LATTICE_GSET ? gset_has(state, member) : orset_has(state, member);
}

bool
view_set_next(unsigned int type, struct slice state, struct table_walk *w, struct slice *ret_member)
{
	if (type != LATTICE_GSET) {
		return orset_next(state, w, ret_member);
	}
	return table_walk_next(state, w, ret_member);
}

bool
view_present(unsigned int type, struct slice state)
{
	const struct table_merge_ops *ops = lattice_table_ops(type);

	return ops != NULL ? presence_any(ops, state) : view_present_scalar(type, state);
}

bool
view_removes(struct slice delta)
{
	struct envelope e;

	return envelope_open(delta, &e) == 0 && !view_present(e.type, e.state);
}

int
view_item(unsigned int type, struct slice state, struct slice key, struct slice *ret_item)
{
	const struct table_merge_ops *ops = lattice_table_ops(type);
	struct slice item;
	struct table t;
	int err = ops == NULL ? MB_ERR_TYPE : table_open(state, &t);

	if (err != 0) {
		return err;
	}
	if (!table_find(&t, ops->key_of, key, &item) ||
	    (ops->present != NULL && !ops->present(item))) {
		return MB_ERR_NOT_FOUND;
	}
	*ret_item = item;
	return 0;
}

int
view_seek(unsigned int type, struct slice state, struct slice key, bool behind,
	  struct table_walk *ret)
{
	const struct table_merge_ops *ops = lattice_table_ops(type);
	struct table t;
	uint32_t idx = 0;
	int err = ops == NULL ? MB_ERR_TYPE : table_open(state, &t);

	if (err == 0 && key.len != 0) {
		bool found = table_place(&t, ops->key_of, key, 0, t.cnt, &idx);

		idx += found && behind;
	}
	*ret = (struct table_walk){ .first = idx };
	return err;
}

int
view_seek_at(unsigned int type, struct slice state, uint32_t idx, struct table_walk *ret)
{
	const struct table_merge_ops *ops = lattice_table_ops(type);
	struct table t;
	uint32_t at = 0;
	int err = ops == NULL ? MB_ERR_TYPE : table_open(state, &t);

	if (err == 0 && !table_present_at(&t, ops, idx, &at)) {
		at = t.cnt;
	}
	*ret = (struct table_walk){ .first = at };
	return err;
}

int
view_part(struct slice item, struct wbuf *out)
{
	struct table_builder b;

	table_begin(&b, out);
	wbuf_put(out, item.p, item.len);
	table_item_end(&b);
	return table_end(&b);
}
