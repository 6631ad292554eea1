/* SPDX-License-Identifier: Apache-2.0 */
/* session_take.c - items that only one call gets
 *
 * The item is chosen here, where the collection is read, and removed by an operation that fails
 * when it is not there any more (WSET_F_MUST). The cache tile does one operation after the other:
 * of many who chose the same item one gets it, the others read again. That a call is told that it
 * has it, and nobody else, cannot wait for its end; so it is published at once.
 *
 * Somebody always gets an item, so that the tries are bounded by the others that take.
 */
#include "microburst/error.h"
#include "session_int.h"

#define TAKE_TRIES 1024 /* of more who take at once than there are executors */

/* Removes what was chosen. Returns: 0; MB_ERR_NOT_FOUND: another one has it; an error. */
static int
take(struct session *s, enum wset_kind kind, struct slice key, struct slice item)
{
	struct wset_op op = { .kind = kind, .key = key, .field = item, .must = true };

	return publish_one(s, &op);
}

/* What both begin with: nothing is held then, and all that is read is stored. */
static int
take_begin(struct session *s, struct slice key)
{
	int err = op_key_check(s, key);

	if (err == 0 && (s->call.read_only || s->quiet)) {
		err = refuse(s, MB_ERR_DENIED, "this call is read-only");
	}
	return err != 0 ? err : session_flush(s); /* refused at the level rr */
}

/* The stored collection, to be released by cache_view_release. Returns: 0; MB_ERR_NOT_FOUND when
 * there is none. */
static int
look(struct session *s, struct slice key, enum held_kind kind, struct cache_value *v)
{
	struct held_key *k;
	bool hit;
	int err = op_parts(s, key, kind, &k, v, &hit);

	return err == 0 && !hit ? MB_ERR_NOT_FOUND : err;
}

/* Copies what is about to be taken: then it is stored no more. */
static int
keep(struct session *s, struct held_value *place, struct slice taken, struct slice *ret)
{
	int err = held_value_set(s, place, taken);

	if (err == 0) {
		*ret = slice_of(place->p, place->len);
	}
	return err;
}

int
session_take_list(struct session *s, struct slice key, enum list_end end, struct slice *ret)
{
	struct held_value place = { .p = NULL };
	int err = take_begin(s, key);

	for (uint32_t i = 0; err == 0 && i < TAKE_TRIES; i++) {
		struct table_walk first = { 0 };
		uint32_t last = UINT32_MAX;
		struct list_item item;
		struct cache_value v;
		struct slice value;

		err = look(s, key, KIND_LIST, &v);
		if (err != 0) {
			return err;
		}
		if (!(end == LIST_LEFT ? list_next(v.state, &first, &item)
				       : list_prev(v.state, &last, &item))) {
			err = MB_ERR_NOT_FOUND;
		}
		/* Before it is taken: there may be no room. */
		err = err != 0 ? err : keep(s, &place, item.value, &value);
		if (err != 0) {
			cache_view_release(s->conf.view, &v);
			return err;
		}
		err = take(s, WSET_LIST_DEL, key, item.id);
		cache_view_release(s->conf.view, &v);
		if (err == 0) {
			*ret = value;
			return 0;
		}
		err = err == MB_ERR_NOT_FOUND ? 0 : err;
	}
	return err != 0 ? err
			: refuse(s, MB_ERR_TRYAGAIN, "others take all items before this call");
}

int
session_take_score(struct session *s, struct slice key, bool highest, struct slice *ret_member,
		   double *ret_score)
{
	struct held_value place = { .p = NULL };
	int err = take_begin(s, key);

	for (uint32_t i = 0; err == 0 && i < TAKE_TRIES; i++) {
		struct cache_value v;
		struct oset_entry e;
		struct slice member;

		err = look(s, key, KIND_ZSET, &v);
		if (err != 0) {
			return err;
		}
		err = oset_extreme(v.state, highest, &e) ? keep(s, &place, e.member, &member)
							 : MB_ERR_NOT_FOUND;
		cache_view_release(s->conf.view, &v);
		if (err != 0) {
			return err;
		}
		err = take(s, WSET_ZREM, key, member);
		if (err == 0) {
			*ret_member = member;
			*ret_score = e.score;
			return 0;
		}
		err = err == MB_ERR_NOT_FOUND ? 0 : err;
	}
	return err != 0 ? err
			: refuse(s, MB_ERR_TRYAGAIN, "others take all items before this call");
}
