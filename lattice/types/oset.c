/* SPDX-License-Identifier: Apache-2.0 */
/* oset.c - a map in all but what its fields may be; why the merge is a merge is said in map.c */
#include "oset.h"

#include <math.h>

#include "envelope.h"
#include "lattice.h"
#include "map.h"
#include "microburst/error.h"
#include "score.h"

/* A field is an envelope of a score, or of nothing. */
static bool
field_is_score(const struct map_field *f, struct slice *ret_score)
{
	struct envelope e;

	if (f->type != LATTICE_ENVELOPE || envelope_open(f->value, &e) < 0) {
		return false;
	}
	*ret_score = e.state;
	return e.type == LATTICE_SCORE || e.type == LATTICE_ABSENT;
}

int
oset_check(struct slice v, unsigned int depth)
{
	struct map_field f;
	struct slice score;
	int rc = map_check(v, depth);

	for (uint32_t i = 0; rc == 0 && map_at(v, i, &f); i++) {
		rc = field_is_score(&f, &score) ? 0 : MB_ERR_CORRUPT;
	}
	return rc;
}

/* Infinities of both signs that met show as no number, and must have a place. */
static bool
field_rank(const struct map_field *f, double *ret)
{
	struct slice score;
	int rc = field_is_score(f, &score) ? score_read(score, ret) : MB_ERR_NOT_FOUND;

	*ret = rc == 0 ? *ret : 0;
	return rc == 0 || rc == MB_ERR_TOO_LARGE;
}

static bool
item_rank(struct slice item, double *ret)
{
	struct map_field f;

	return map_field_open(item, &f) && field_rank(&f, ret);
}

const struct table_merge_ops oset_table_ops = {
	.key_of = map_item_key,
	.merge = map_item_merge,
	.leq = map_item_leq,
	.present = map_item_present,
	.rank = item_rank,
};

int
oset_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	return map_merge(a, b, out, depth);
}

bool
oset_leq(struct slice a, struct slice b, unsigned int depth)
{
	return map_leq(a, b, depth);
}

int
oset_score(struct slice v, struct slice member, double *ret)
{
	struct map_field f;
	struct slice score;

	return map_get(v, member, &f) && field_is_score(&f, &score) ? score_read(score, ret)
								    : MB_ERR_NOT_FOUND;
}

bool
oset_next(struct slice v, struct table_walk *w, struct slice *ret_member, double *ret_score)
{
	struct map_field f;
	struct slice score;

	while (map_next(v, w, &f)) {
		if (field_is_score(&f, &score)) {
			*ret_member = f.key;
			if (score_read(score, ret_score) < 0) {
				*ret_score = NAN;
			}
			return true;
		}
	}
	return false;
}

bool
oset_walk(struct slice v, struct table_walk *w, struct rank_span span, bool back,
	  struct oset_entry *ret)
{
	struct map_field f;
	struct slice item;

	while (rank_walk_next(v, w, span, back, &item)) {
		if (map_field_open(item, &f) && field_rank(&f, &ret->score)) {
			ret->member = f.key;
			return true;
		}
	}
	return false;
}

int
oset_cmp(const struct oset_entry *a, const struct oset_entry *b)
{
	if (a->score != b->score) {
		return a->score < b->score ? -1 : 1;
	}
	return slice_cmp(a->member, b->member);
}

/* Lets the entry at idx sink in the heap of cnt entries, the greatest on top. */
static void
sink(struct oset_entry *entry, size_t idx, size_t cnt)
{
	struct oset_entry e = entry[idx];

	for (size_t kid; (kid = 2 * idx + 1) < cnt; idx = kid) {
		kid += kid + 1 < cnt && oset_cmp(&entry[kid], &entry[kid + 1]) < 0;
		if (oset_cmp(&e, &entry[kid]) >= 0) {
			break;
		}
		entry[idx] = entry[kid];
	}
	entry[idx] = e;
}

static void
swap(struct oset_entry *a, struct oset_entry *b)
{
	struct oset_entry e = *a;

	*a = *b;
	*b = e;
}

static void
heap_make(struct oset_entry *entry, size_t cnt)
{
	for (size_t i = cnt / 2; i-- > 0;) {
		sink(entry, i, cnt);
	}
}

/* In place, and never worse than n log n: not qsort, which allocates. */
void
oset_sort_part(struct oset_entry *entry, size_t cnt, size_t from, size_t to)
{
	if (from == to) {
		return;
	}
	if (to <= cnt / 2) { /* the least ones, in a heap of their own */
		heap_make(entry, to);
		for (size_t i = to; i < cnt; i++) {
			if (oset_cmp(&entry[i], &entry[0]) < 0) {
				swap(&entry[i], &entry[0]);
				sink(entry, 0, to);
			}
		}
		cnt = to;
	} else {
		heap_make(entry, cnt);
	}
	for (size_t left = cnt, last = from > 0 ? from : 1; left-- > last;) {
		swap(&entry[0], &entry[left]);
		sink(entry, 0, left);
	}
}

void
oset_sort(struct oset_entry *entry, size_t cnt)
{
	oset_sort_part(entry, cnt, 0, cnt);
}

bool
oset_extreme(struct slice v, bool last, struct oset_entry *ret)
{
	struct table_walk walk = { 0 };
	struct oset_entry e;
	bool any = false;

	while (oset_next(v, &walk, &e.member, &e.score)) {
		if (!isnan(e.score) && (!any || (oset_cmp(&e, ret) < 0) != last)) {
			*ret = e;
			any = true;
		}
	}
	return any;
}
