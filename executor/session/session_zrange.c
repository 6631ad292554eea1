/* SPDX-License-Identifier: Apache-2.0 */
/* session_zrange.c - sorted sets in the order of their scores
 *
 * A sorted set is kept in the order of its members (lattice/types, oset.h). So a range is made by
 * looking at all of them and putting in order those that may be of it; the order stands in one
 * table, and a walk is two numbers into it. What has no number as score is not of any range.
 */
#include <math.h>

#include "compiler.h"
#include "microburst/error.h"
#include "session_int.h"

/* Collects the members whose scores are min .. max, in their order, into s->zrange. */
static int
collect(struct session *s, struct slice key, double min, double max, uint32_t *ret_cnt)
{
	struct session_iter it;
	struct oset_entry e;
	uint32_t cnt = 0;
	int err = session_zset_begin(s, key, &it);

	if (err != 0) {
		return err;
	}
	s->zrange_turn++;
	s->zrange_view = it.view;
	while (session_zset_next(s, &it, &e.member, &e.score)) {
		if (!(e.score >= min && e.score <= max)) {
			continue;
		}
		if (cnt == SESSION_ZRANGE_MAX) {
			return refuse(s, MB_ERR_TOO_LARGE,
				      "a range is made of at most 1,048,576 members");
		}
		s->zrange[cnt++] = e;
	}
	oset_sort(s->zrange, cnt);
	*ret_cnt = cnt;
	return 0;
}

static void
walk(struct session *s, uint32_t first, uint32_t end, struct session_iter *ret)
{
	*ret = (struct session_iter){ .last = first,
				      .elem = end,
				      .turn = s->zrange_turn,
				      .view = s->zrange_view };
}

int
session_zrange_score(struct session *s, struct slice key, double min, double max,
		     struct session_iter *ret)
{
	uint32_t cnt;
	int err = isnan(min) || isnan(max) ? refuse(s, MB_ERR_INVALID, "a score is a number")
					   : collect(s, key, min, max, &cnt);

	if (err == 0) {
		walk(s, 0, cnt, ret);
	}
	return err;
}

/* A place counted from either end, as one from the start: 0 .. cnt. */
static uint32_t
place(int64_t idx, uint32_t cnt)
{
	idx = idx < 0 ? idx + cnt : idx;
	return idx < 0 ? 0 : (uint32_t)MIN(idx, (int64_t)cnt);
}

int
session_zrange_rank(struct session *s, struct slice key, int64_t first, int64_t last,
		    struct session_iter *ret)
{
	uint32_t cnt;
	int err = collect(s, key, -INFINITY, INFINITY, &cnt);

	if (err == 0) {
		uint32_t end = last < -(int64_t)cnt ? 0 : MIN(place(last, cnt) + 1, cnt);

		walk(s, place(first, cnt), end, ret);
	}
	return err;
}

bool
session_zrange_next(struct session *s, struct session_iter *it, struct slice *ret_member,
		    double *ret_score)
{
	if (it->turn != s->zrange_turn || it->last >= it->elem ||
	    (it->view != 0 && view_marked(s, it->view) == NULL)) {
		return false;
	}
	*ret_member = s->zrange[it->last].member;
	*ret_score = s->zrange[it->last].score;
	it->last++;
	return true;
}

int
session_zrank(struct session *s, struct slice key, struct slice member, uint64_t *ret)
{
	struct oset_entry own = { .member = member }, e;
	struct session_iter it;
	uint64_t rank = 0;
	int err = session_zscore(s, key, member, &own.score);

	if (err == 0) {
		err = session_zset_begin(s, key, &it);
	}
	if (err != 0) {
		return err;
	}
	while (session_zset_next(s, &it, &e.member, &e.score)) {
		rank += !isnan(e.score) && oset_cmp(&e, &own) < 0;
	}
	*ret = rank;
	return 0;
}
