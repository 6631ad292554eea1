/* SPDX-License-Identifier: Apache-2.0 */
/* rank.h - items of a table by a number that each has, beside their order by keys
 *
 * A sorted set is kept in the order of its members and asked for in the order of scores. So each
 * child of an inner node of a tree has beside it from where to where the ranks below it go
 * (tree.h); who looks for the lowest ones, or for those of a range, passes over what cannot have
 * any. Of a table whose items have no ranks, and where none is seen, a span is empty.
 *
 *   K1  A span is exact: an item that is seen has its lowest rank, and one its highest. So of k
 *       nodes beside each other whose lowest ranks are not above x, k items are not above x.
 *
 * Rejected: a second tree, by scores (each change would copy the way in both, and either may lack
 * memory; deltas, which come in any order, would have to find what they replace). The price: how
 * many come before an item nobody knows, and what is in the middle of the ranks lies in nearly all
 * leaves, where members do not come in the order of their scores.
 *
 * Cost: 16 bytes a node, of any collection; a look at each item of a leaf that is written.
 */
#ifndef MB_RANK_H
#define MB_RANK_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "slice.h"
#include "table.h"

static inline struct rank_span
rank_span_none(void)
{
	return (struct rank_span){ INFINITY, -INFINITY };
}

static inline struct rank_span
rank_span_all(void)
{
	return (struct rank_span){ -INFINITY, INFINITY };
}

static inline void
rank_span_add(struct rank_span *s, struct rank_span more)
{
	s->low = more.low < s->low ? more.low : s->low;
	s->high = more.high > s->high ? more.high : s->high;
}

static inline bool
rank_span_meets(struct rank_span a, struct rank_span b)
{
	return a.low <= b.high && b.low <= a.high && a.low <= a.high;
}

/* rank_span_of is the span of a flat table. */
struct rank_span rank_span_of(const struct table *t, const struct table_merge_ops *ops);

/* rank_walk_next gives the next item of a walk as table_walk_next, or, if back, the one before it:
 * all zero, it begins at the end. Leaves that have no rank of the span are passed over. The span
 * may become another one from step to step.
 *
 * Returns:   false behind the last one.
 * Cost:      O(log n) for each leaf that is not passed over
 */
bool rank_walk_next(struct slice v, struct table_walk *w, struct rank_span span, bool back,
		    struct slice *ret_item);

/* rank_bound finds a rank that at least k items are not above (high: not below), as low (high) as
 * it can be told from the nodes: fewer than k leaves have a rank that is lower (higher).
 *
 * Requires:  beam has room for 2 * k, k > 0.
 * Returns:   the end of all ranks if there are fewer than k leaves, or it is flat.
 * Cost:      a look at k nodes of each level at most
 */
struct rank_beam {
	double rank; /* of -high */
	uint64_t off;
};
double rank_bound(struct slice v, uint32_t k, bool high, struct rank_beam *beam);

#endif
