/* SPDX-License-Identifier: Apache-2.0 */
/* gate_fold - see gate_fold.h */
#include "gate_fold.h"

#include <math.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "lattice.h"
#include "list.h"
#include "map.h"
#include "view.h"

#define ENTRY_HEAD (sizeof(double) + sizeof(uint32_t))

/* c->step of gate_fold_write: what comes before the entries, then where the next one begins, then
 * what comes behind them. */
enum write_step { STEP_DELETE = 0, STEP_ENTRIES = 1 };

/* ------------------------------------------------------------------------ the list */

bool
gate_fold_put(struct gate *g, struct gate_conn *c, double score, struct slice bytes)
{
	uint32_t len = (uint32_t)bytes.len;
	uint8_t *p;

	if (!gate_conn_keep(g, c, (size_t)c->keep_len + ENTRY_HEAD + bytes.len)) {
		return false;
	}
	p = c->keep + c->keep_len;
	memcpy(p, &score, sizeof(score));
	memcpy(p + sizeof(score), &len, sizeof(len));
	if (len != 0) {
		memcpy(p + ENTRY_HEAD, bytes.p, len);
	}
	c->keep_len += (uint32_t)(ENTRY_HEAD + len);
	return true;
}

static bool
entry_at(const struct gate_conn *c, uint32_t end, uint32_t *at, double *ret_score,
	 struct slice *ret_bytes)
{
	const uint8_t *p;
	uint32_t len;

	if (*at >= end) {
		return false; /* there may be no list at all */
	}
	p = c->keep + *at;
	memcpy(ret_score, p, sizeof(*ret_score));
	memcpy(&len, p + sizeof(*ret_score), sizeof(len));
	*ret_bytes = slice_of(p + ENTRY_HEAD, len);
	*at += (uint32_t)ENTRY_HEAD + len;
	return true;
}

bool
gate_fold_next(const struct gate_conn *c, uint32_t *at, double *ret_score, struct slice *ret_bytes)
{
	return entry_at(c, c->keep_len, at, ret_score, ret_bytes);
}

size_t
gate_fold_cnt(const struct gate_conn *c)
{
	struct slice bytes;
	uint32_t at = 0;
	double score;
	size_t cnt = 0;

	while (gate_fold_next(c, &at, &score, &bytes)) {
		cnt++;
	}
	return cnt;
}

struct oset_entry *
gate_fold_sorted(struct gate *g, struct gate_conn *c, uint32_t *ret_cnt)
{
	size_t cnt = gate_fold_cnt(c), from = ALIGN_UP((size_t)c->keep_len, sizeof(double));
	struct oset_entry *e;
	uint32_t at = 0;

	if (!gate_conn_keep(g, c, from + (cnt + 1) * sizeof(*e))) {
		return NULL;
	}
	e = (struct oset_entry *)(void *)(c->keep + from);
	for (size_t i = 0; i < cnt; i++) {
		(void)gate_fold_next(c, &at, &e[i].score, &e[i].member);
	}
	oset_sort(e, cnt);
	*ret_cnt = (uint32_t)cnt;
	return e;
}

int
gate_fold_value(struct gate *g, struct gate_conn *c, const struct cache_value *v)
{
	struct table_walk walk = { 0 };
	char buf[VIEW_TEXT_MAX];
	struct list_item item;
	struct map_field f;
	struct slice s;
	unsigned int type;
	double score = 0;
	bool ok = true;
	int err;

	switch (v->type) {
	case LATTICE_GSET:
	case LATTICE_ORSET:
		while (ok && view_set_next(v->type, v->state, &walk, &s)) {
			ok = gate_fold_put(g, c, 0, s);
		}
		return ok ? WSET_SADD : 0;
	case LATTICE_OSET:
		while (ok && oset_next(v->state, &walk, &s, &score)) {
			ok = gate_fold_put(g, c, score, s);
		}
		return ok ? WSET_ZADD : 0;
	case LATTICE_LIST:
		while (ok && list_next(v->state, &walk, &item)) {
			ok = gate_fold_put(g, c, 0, item.value);
		}
		return ok ? WSET_PUSH_RIGHT : 0;
	case LATTICE_MAP:
		while (ok && map_next(v->state, &walk, &f)) {
			struct slice value;

			if (map_field_value(&f, &type, &value) &&
			    view_text(type, value, buf, &s) == 0) {
				ok = gate_fold_put(g, c, 0, f.key) && gate_fold_put(g, c, 0, s);
			}
		}
		return ok ? WSET_MAP_PUT : 0;
	case LATTICE_HLL:
		return gate_fold_put(g, c, 0, v->state) ? WSET_MERGE : 0;
	default:
		err = view_text(v->type, v->state, buf, &s);
		return err != 0 ? err : gate_fold_put(g, c, 0, s) ? WSET_PUT : 0;
	}
}

/* ------------------------------------------------------------------------ folding */

/* The next member of a collection. A member of a set counts 1. */
static bool
source_next(const struct cache_value *v, struct table_walk *walk, double weight, double *ret_score,
	    struct slice *ret)
{
	*ret_score = 1;
	if (!(v->type == LATTICE_OSET ? oset_next(v->state, walk, ret, ret_score)
				      : view_set_next(v->type, v->state, walk, ret))) {
		return false;
	}
	*ret_score *= weight;
	if (isnan(*ret_score)) {
		*ret_score = 0;
	}
	return true;
}

static double
summed(enum gate_fold_sum sum, double a, double b)
{
	double x = sum == FOLD_SUM ? a + b : sum == FOLD_MIN ? fmin(a, b) : fmax(a, b);

	return isnan(x) ? 0 : x; /* infinities of both signs met */
}

/* One walk over the list and the collection: the new list is made behind the old one. */
static bool
fold_value(struct gate *g, struct gate_conn *c, const struct gate_fold *f, double weight,
	   const struct cache_value *v)
{
	struct table_walk walk = { 0 };
	uint32_t end = c->keep_len, at = 0, next = 0;
	struct slice a, b = { 0 };
	double a_score, b_score = 0;
	bool has_a = entry_at(c, end, &next, &a_score, &a);
	bool has_b = source_next(v, &walk, weight, &b_score, &b), ok = true;

	while (ok && (has_a || (has_b && f->kind == FOLD_UNION))) {
		int cmp = !has_a ? 1 : !has_b ? -1 : slice_cmp(a, b);
		bool from_a = cmp < 0 && f->kind != FOLD_INTER;
		bool both = cmp == 0 && f->kind != FOLD_DIFF;

		if (from_a || both) {
			size_t len = a.len;

			/* The list may move. */
			ok = gate_conn_keep(g, c, (size_t)c->keep_len + ENTRY_HEAD + len);
			if (ok) {
				a.p = c->keep + at + ENTRY_HEAD;
				ok = gate_fold_put(g, c,
						   both ? summed(f->sum, a_score, b_score)
							: a_score,
						   a);
			}
		} else if (cmp > 0 && f->kind == FOLD_UNION) {
			ok = gate_fold_put(g, c, b_score, b);
		}
		if (cmp >= 0) {
			has_b = source_next(v, &walk, weight, &b_score, &b);
		}
		if (cmp <= 0) {
			at = next;
			has_a = entry_at(c, end, &next, &a_score, &a);
		} else if (has_a) {
			a.p = c->keep + at + ENTRY_HEAD; /* the list may have moved */
		}
	}
	if (end != 0 && c->keep_len != end) {
		memmove(c->keep, c->keep + end, c->keep_len - end);
	}
	c->keep_len -= end;
	return ok;
}

int
gate_fold_key(struct gate *g, struct gate_conn *c, const struct gate_fold *f, struct slice key,
	      double weight, bool first)
{
	struct gate_fold as = *f;
	struct cache_value v;
	bool ok = true;
	int n = gate_look(g, c, key, &v);

	if (n == CACHE_HIT && !view_is_set(v.type) && !(f->scored && v.type == LATTICE_OSET)) {
		gate_look_end(g, &v);
		return MB_ERR_TYPE;
	}
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return n;
	}
	as.kind = first ? FOLD_UNION : f->kind;
	if (n == CACHE_HIT) {
		ok = fold_value(g, c, &as, weight, &v);
	} else if (as.kind == FOLD_INTER) {
		c->keep_len = 0;
	}
	gate_look_end(g, &v);
	return ok ? (int)CACHE_HIT : MB_ERR_NO_MEMORY;
}

/* ------------------------------------------------------------------------ writing */

static const uint8_t type_hll = LATTICE_HLL; /* the only one that is merged as it is */

/* The operation of the entry at *at, and of the next one if it takes two. */
static struct wset_op
entry_op(const struct gate_conn *c, const struct gate_fold_write *w, uint32_t *at)
{
	struct wset_op op = { .kind = w->kind, .key = w->key };
	struct slice bytes = { 0 };
	double score = 0;

	(void)gate_fold_next(c, at, &score, &bytes);
	switch ((int)w->kind) {
	case WSET_ZADD:
		memcpy(&op.n, &score, sizeof(op.n));
		op.field = bytes;
		break;
	case WSET_ZREM:
		op.field = bytes;
		break;
	case WSET_MERGE:
		op.field = slice_of(&type_hll, 1);
		op.value = bytes;
		break;
	case WSET_MAP_PUT:
		op.field = bytes;
		(void)gate_fold_next(c, at, &score, &op.value);
		break;
	default:
		op.value = bytes;
	}
	return op;
}

/* An operation in its place; those of one set on one key are done without another's between.
 * Returns: false: wait, and come again. */
static bool
op_put(struct gate *g, struct gate_conn *c, struct gate_rec *rec, struct wset_op *op)
{
	int err = gate_write_op_after(g, c, op);

	if (err != 0 && err != MB_ERR_FULL && rec->err == 0) {
		rec->err = (int16_t)err;
	}
	return err != MB_ERR_FULL;
}

int
gate_fold_write(struct gate *g, struct gate_conn *c, const struct gate_fold_write *w)
{
	struct gate_rec *rec = gate_write(g, c, w->reply);
	struct wset_op op;

	if (rec == NULL) {
		return GATE_WAIT;
	}
	if (w->reply == REC_FIXED) {
		rec->n = w->n;
	}
	if (c->step == STEP_DELETE) {
		op = (struct wset_op){ .kind = WSET_DEL, .key = w->key };
		if (w->replace && !op_put(g, c, rec, &op)) {
			return GATE_WAIT;
		}
		c->step = STEP_ENTRIES;
	}
	while (c->step - STEP_ENTRIES < c->keep_len) {
		uint32_t at = c->step - STEP_ENTRIES;

		op = entry_op(c, w, &at);
		if (!op_put(g, c, rec, &op)) {
			return GATE_WAIT;
		}
		c->step = STEP_ENTRIES + at;
	}
	if (c->step - STEP_ENTRIES == c->keep_len) {
		op = (struct wset_op){ .kind = WSET_EXPIRE, .key = w->key, .n = w->deadline_us };
		if (w->deadline_us != 0 && !op_put(g, c, rec, &op)) {
			return GATE_WAIT;
		}
		c->step++;
	}
	op = (struct wset_op){ .kind = WSET_DEL, .key = w->gone };
	if (w->gone.len != 0 && gate_write_op(g, c, &op, 0) == MB_ERR_FULL) {
		return GATE_WAIT;
	}
	return gate_write_end(g, c);
}
