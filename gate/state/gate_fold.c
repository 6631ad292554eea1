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
#include "oset.h"
#include "view.h"

#define ENTRY_HEAD (sizeof(double) + sizeof(uint32_t))

/* c->step of gate_fold_write: what comes before the entries, then where the next one begins, then
 * what comes behind them. */
enum write_step { STEP_DELETE = 0, STEP_ENTRIES = 1 };

/* ------------------------------------------------------------------------ the list */

/* Requires: there is memory for it, and for the bytes behind it. */
static void
entry_head(struct gate_conn *c, double score, size_t bytes)
{
	uint32_t len = (uint32_t)bytes;
	uint8_t *p = c->keep + c->keep_len;

	memcpy(p, &score, sizeof(score));
	memcpy(p + sizeof(score), &len, sizeof(len));
	c->keep_len += (uint32_t)ENTRY_HEAD;
}

bool
gate_fold_put(struct gate *g, struct gate_conn *c, double score, struct slice bytes)
{
	if (!gate_conn_keep(g, c, (size_t)c->keep_len + ENTRY_HEAD + bytes.len)) {
		return false;
	}
	entry_head(c, score, bytes.len);
	if (bytes.len != 0) {
		memcpy(c->keep + c->keep_len, bytes.p, bytes.len);
		c->keep_len += (uint32_t)bytes.len;
	}
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

/* What an item shows: put as one entry, or two. Returns: 1; 0: there are no more; an error. */
static int
item_put(struct gate *g, struct gate_conn *c, struct gate_walk *w)
{
	struct slice state = w->v.state, s, value;
	char buf[VIEW_TEXT_MAX];
	struct list_item item;
	struct map_field f;
	unsigned int type;
	double score = 0;
	bool ok = true;

	switch (w->v.type) {
	case LATTICE_OSET:
		if (!oset_next(state, &w->at, &s, &score)) {
			return 0;
		}
		break;
	case LATTICE_LIST:
		if (!list_next(state, &w->at, &item)) {
			return 0;
		}
		s = item.value;
		break;
	case LATTICE_MAP:
		if (!map_next(state, &w->at, &f)) {
			return 0;
		}
		if (!map_field_value(&f, &type, &value) || view_text(type, value, buf, &s) != 0) {
			return 1;
		}
		ok = gate_fold_put(g, c, 0, f.key);
		break;
	default:
		if (!view_set_next(w->v.type, state, &w->at, &s)) {
			return 0;
		}
	}
	return ok && gate_fold_put(g, c, score, s) ? 1 : MB_ERR_NO_MEMORY;
}

/* A string, in turns: one entry, whose head is there from the first one on. */
static int
text_put(struct gate *g, struct gate_conn *c, struct gate_walk *w)
{
	char buf[VIEW_TEXT_MAX];
	struct slice s;
	size_t at, cnt;
	int err = view_text(w->v.type, w->v.state, buf, &s);

	if (err != 0) {
		return err;
	}
	if (gate_walk_first(w)) {
		if (!gate_conn_keep(g, c, ENTRY_HEAD + s.len)) {
			return MB_ERR_NO_MEMORY;
		}
		entry_head(c, 0, s.len);
	}
	at = c->keep_len - ENTRY_HEAD;
	cnt = gate_walk_bytes(g, s.len - at);
	if (cnt != 0) {
		memcpy(c->keep + c->keep_len, s.p + at, cnt);
		c->keep_len += (uint32_t)cnt;
	}
	return at + cnt == s.len ? (int)WSET_PUT : MB_ERR_TRYAGAIN;
}

int
gate_fold_value(struct gate *g, struct gate_conn *c, struct gate_walk *w)
{
	const struct cache_value *v = &w->v;
	int rc;

	switch (v->type) {
	case LATTICE_GSET:
	case LATTICE_ORSET:
	case LATTICE_OSET:
	case LATTICE_LIST:
	case LATTICE_MAP:
		do {
			rc = gate_walk_more(g, c, w) ? item_put(g, c, w) : MB_ERR_TRYAGAIN;
		} while (rc == 1);
		return rc < 0                    ? rc
		       : v->type == LATTICE_OSET ? WSET_ZADD
		       : v->type == LATTICE_LIST ? WSET_PUSH_RIGHT
		       : v->type == LATTICE_MAP  ? WSET_MAP_PUT
						 : WSET_SADD;
	case LATTICE_HLL:
		return gate_fold_put(g, c, 0, v->state) ? (int)WSET_MERGE : MB_ERR_NO_MEMORY;
	default:
		return text_put(g, c, w);
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

/* An entry of the list put once more, at its end. The list may move. */
static bool
entry_again(struct gate *g, struct gate_conn *c, uint32_t at, double score, size_t len)
{
	return gate_conn_keep(g, c, (size_t)c->keep_len + ENTRY_HEAD + len) &&
	       gate_fold_put(g, c, score, slice_of(c->keep + at + ENTRY_HEAD, len));
}

/* The new list comes to where the old one was; w->list_at: so much of it has. Returns: as
 * fold_value. */
static int
list_moved(struct gate *g, struct gate_conn *c, struct gate_walk *w)
{
	const uint32_t len = c->keep_len - w->list_end;

	while (w->list_end != 0 && w->list_at < len) {
		size_t cnt = gate_walk_bytes(g, len - w->list_at);

		memmove(c->keep + w->list_at, c->keep + w->list_end + w->list_at, cnt);
		w->list_at += (uint32_t)cnt;
		if (w->held && w->list_at < len) {
			return 0;
		}
	}
	c->keep_len = len;
	return 1;
}

/* One walk over the list and the collection: the new list is made behind the old one, w->cnt is how
 * long it is. Returns: 1; 0: the turn is over; MB_ERR_NO_MEMORY. */
static int
fold_value(struct gate *g, struct gate_conn *c, const struct gate_fold *f, double weight,
	   struct gate_walk *w)
{
	bool ok = true;

	if (gate_walk_first(w)) {
		w->list_end = c->keep_len;
		w->list_at = 0;
		w->has_member = source_next(&w->v, &w->at, weight, &w->score, &w->member);
	}
	while (ok && !w->ready) {
		uint32_t next = w->list_at;
		struct slice a = { 0 };
		double score = 0;
		bool has_a, both;
		int cmp;

		if (!gate_walk_more(g, c, w)) {
			return 0;
		}
		has_a = entry_at(c, w->list_end, &next, &score, &a);
		if (!has_a && !(w->has_member && f->kind == FOLD_UNION)) {
			w->ready = true;
			w->list_at = 0;
			break;
		}
		cmp = !has_a ? 1 : !w->has_member ? -1 : slice_cmp(a, w->member);
		both = cmp == 0 && f->kind != FOLD_DIFF;
		if ((cmp < 0 && f->kind != FOLD_INTER) || both) {
			score = both ? summed(f->sum, score, w->score) : score;
			ok = entry_again(g, c, w->list_at, score, a.len);
			w->cnt++;
		} else if (cmp > 0 && f->kind == FOLD_UNION) {
			ok = gate_fold_put(g, c, w->score, w->member);
			w->cnt++;
		}
		if (cmp >= 0) {
			w->has_member = source_next(&w->v, &w->at, weight, &w->score, &w->member);
		}
		if (cmp <= 0) {
			w->list_at = next;
		}
	}
	return !ok ? MB_ERR_NO_MEMORY : list_moved(g, c, w);
}

int
gate_fold_key(struct gate *g, struct gate_conn *c, const struct gate_fold *f, struct slice key,
	      double weight, bool first)
{
	/* A long list is gone through with the shortest collection. */
	uint32_t most = c->keep_len > GATE_WALK_SHORT_BYTES / 4 ? 0 : UINT32_MAX;
	struct gate_fold as = *f;
	struct gate_walk now, *w;
	int rc = 1, n = gate_walk_open(g, c, key, GATE_WALK_ANY, most, &now, &w);

	if (n == CACHE_HIT && !view_is_set(w->v.type) &&
	    !(f->scored && w->v.type == LATTICE_OSET)) {
		gate_walk_close(g, c, w);
		return MB_ERR_TYPE;
	}
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return n;
	}
	as.kind = first ? FOLD_UNION : f->kind;
	if (n == CACHE_HIT) {
		rc = fold_value(g, c, &as, weight, w);
		c->total = w->cnt;
	} else if (as.kind == FOLD_INTER) {
		c->keep_len = 0;
		c->total = 0;
	}
	if (rc == 0) {
		(void)gate_walk_wait(g, c);
		return CACHE_MISS;
	}
	gate_walk_close(g, c, w);
	return rc == 1 ? (int)CACHE_HIT : rc;
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
