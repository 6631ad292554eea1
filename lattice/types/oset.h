/* SPDX-License-Identifier: Apache-2.0 */
/* oset.h - the sorted set: members with scores
 *
 * Built as a map (map.h) whose fields are envelopes of scores (score.h): so setting a score is a
 * write that the latest wins, additions all count, a remove takes what it saw. It is a type of its
 * own, so that nobody takes a sorted set for a map. Kept in the order of the members; in the order
 * of scores it is sorted by who reads it so.
 */
#ifndef MB_OSET_H
#define MB_OSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rank.h"
#include "slice.h"
#include "table.h"

extern const struct table_merge_ops oset_table_ops;

/* oset_score gives the score of a member. Returns: 0; MB_ERR_NOT_FOUND; as score_read. */
int oset_score(struct slice v, struct slice member, double *ret);

/* oset_next gives the members in their order, with their scores: start with *w all zero. A score
 * that is no number (score_read) shows as NaN.
 *
 * Returns:   false behind the last one.
 */
bool oset_next(struct slice v, struct table_walk *w, struct slice *ret_member, double *ret_score);

/* A member with its score, to be put in the order of scores. */
struct oset_entry {
	double score;
	struct slice member;
};

/* oset_walk gives the members in their order, or backwards, each with its rank: its score, and 0
 * for one that is no number. Of those whose rank is not in the span some are passed over (rank.h).
 *
 * Returns:   false behind the last one.
 */
bool oset_walk(struct slice v, struct table_walk *w, struct rank_span span, bool back,
	       struct oset_entry *ret);

/* oset_sort puts entries in the order of (score, member): what a sorted set shows. */
void oset_sort(struct oset_entry *entry, size_t cnt);
/* oset_sort_part puts in the places [from, to) what oset_sort would; the others come in any order.
 * Cost: of places near an end, little more than a look at each entry. */
void oset_sort_part(struct oset_entry *entry, size_t cnt, size_t from, size_t to);

/* oset_extreme finds the first member in that order, or the last one, without putting all in order.
 * Returns: false when no member has a score. */
bool oset_extreme(struct slice v, bool last, struct oset_entry *ret);

/* oset_cmp is that order. Returns: < 0, 0 or > 0. */
int oset_cmp(const struct oset_entry *a, const struct oset_entry *b);

#endif
