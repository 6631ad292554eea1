/* SPDX-License-Identifier: Apache-2.0 */
/* session_zset.c - sorted sets: each member has a score as a map's field has a number
 *
 * (session_map.c has the table.) Scores are doubles: what is added to a member is summed here
 * first, so that a call's additions are one of the store's. */
#include <math.h>
#include <string.h>

#include "compiler.h"
#include "microburst/error.h"
#include "oset.h"
#include "session_int.h"

static double
elem_sum(const struct held_elem *e)
{
	double x;

	memcpy(&x, &e->sum, sizeof(x));
	return x;
}

static bool
elem_gone(const struct held_elem *e)
{
	return e->base == BASE_ABSENT && !e->summed;
}

/* The score as this call sees it. Returns: 0; MB_ERR_NOT_FOUND, and *ret 0; an error. */
static int
score_of(const struct held_elem *e, struct slice stored, struct slice member, double *ret)
{
	double base = 0;
	int err = 0;

	if (e == NULL || e->base == BASE_STORE) {
		err = oset_score(stored, member, &base);
	} else if (e->base == BASE_VALUE) {
		base = e->score;
	} else {
		err = MB_ERR_NOT_FOUND;
	}
	if (e != NULL && e->summed) {
		base += elem_sum(e);
		err = err == MB_ERR_NOT_FOUND ? 0 : err;
	}
	*ret = err == MB_ERR_NOT_FOUND ? 0 : base;
	return err == 0 && isnan(base) ? MB_ERR_TOO_LARGE : err;
}

static int
zset_write(struct session *s, struct slice key, struct slice member, enum held_base base,
	   double score)
{
	struct held_key *k;
	struct held_elem *e;
	int err = op_write(s, key, member, KIND_ZSET, &k);

	if (err == 0) {
		err = held_elem_add(s, k, member, &e);
	}
	if (err == 0) {
		e->base = (uint8_t)base;
		e->score = score;
		e->summed = false;
		e->sum = 0;
		k->kind = KIND_ZSET;
	}
	return err;
}

int
session_zadd(struct session *s, struct slice key, struct slice member, double score)
{
	return isnan(score) ? refuse(s, MB_ERR_INVALID, "a score is a number")
			    : zset_write(s, key, member, BASE_VALUE, score + 0.0); /* not -0 */
}

int
session_zrem(struct session *s, struct slice key, struct slice member)
{
	return zset_write(s, key, member, BASE_ABSENT, 0);
}

int
session_zscore(struct session *s, struct slice key, struct slice member, double *ret)
{
	struct cache_value v = { .state = slice_of(NULL, 0) };
	struct held_key *k;
	double score;
	bool hit;
	int err = op_key_check(s, key);

	if (err == 0) {
		err = op_elem_check(s, KIND_ZSET, member);
	}
	if (err == 0) {
		err = op_parts(s, key, KIND_ZSET, &k, &v, &hit);
	}
	if (err != 0) {
		return err;
	}
	err = score_of(k != NULL ? held_elem_find(s, k, member) : NULL,
		       hit ? v.state : slice_of(NULL, 0), member, &score);
	if (hit) {
		cache_view_release(s->conf.view, &v);
	}
	if (err == 0) {
		*ret = score;
	}
	return err;
}

int
session_zincr(struct session *s, struct slice key, struct slice member, double x, double *ret_score)
{
	struct held_key *k;
	struct held_elem *e;
	double shown = 0, sum;
	int err = op_write(s, key, member, KIND_ZSET, &k);

	if (err == 0 && ret_score != NULL) {
		err = session_zscore(s, key, member, &shown);
		err = err == MB_ERR_NOT_FOUND ? 0 : err;
	}
	if (err == 0 && (isnan(x) || isnan(shown + x))) {
		err = refuse(s, MB_ERR_INVALID, "a score is a number");
	}
	if (err == 0) {
		err = held_elem_add(s, k, member, &e);
	}
	if (err != 0) {
		return err;
	}
	sum = elem_sum(e) + x;
	if (isnan(sum)) {
		return refuse(s, MB_ERR_INVALID, "a score is a number");
	}
	if (!e->summed && e->base != BASE_STORE) {
		err = held_elem_more(s, e);
	}
	if (err == 0) {
		e->summed = true;
		memcpy(&e->sum, &sum, sizeof(sum));
		k->kind = KIND_ZSET;
		if (ret_score != NULL) {
			*ret_score = shown + x;
		}
	}
	return err;
}

static int
score_adds(struct held_elem *e, const struct cache_value *stored)
{
	double score;
	bool there = stored != NULL &&
		     oset_score(stored->state, slice_of(e->p, e->len), &score) != MB_ERR_NOT_FOUND;

	return (!elem_gone(e) && !there) - (elem_gone(e) && there);
}

int
session_zcard(struct session *s, struct slice key, uint64_t *ret)
{
	return op_count(s, key, KIND_ZSET, score_adds, ret);
}

int
session_zset_begin(struct session *s, struct slice key, struct session_iter *ret)
{
	return op_iter_begin(s, key, KIND_ZSET, ret);
}

bool
session_zset_next(struct session *s, struct session_iter *it, struct slice *ret_member,
		  double *ret_score)
{
	struct held_elem *e;
	struct held_key *k;
	double score;

	if (!op_iter_on(s, it)) {
		return false;
	}
	k = it->key != 0 ? &s->key[it->key - 1] : NULL;
	while (oset_next(it->stored, &it->walk, ret_member, ret_score)) {
		e = k != NULL ? held_elem_find(s, k, *ret_member) : NULL;
		if (e == NULL || score_of(e, it->stored, *ret_member, ret_score) == 0) {
			return true;
		}
	}
	while (k != NULL && (e = held_elem_next(s, k, &it->elem)) != NULL) {
		*ret_member = slice_of(e->p, e->len);
		if (oset_score(it->stored, *ret_member, &score) == MB_ERR_NOT_FOUND &&
		    score_of(e, it->stored, *ret_member, ret_score) == 0) {
			return true;
		}
	}
	it->key = 0; /* or the next call would begin anew */
	return false;
}
