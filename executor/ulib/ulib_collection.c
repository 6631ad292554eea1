/* SPDX-License-Identifier: Apache-2.0 */
/* ulib_collection.c - sets, maps, lists, sorted sets: as ulib_state.c */
#include <string.h>

#include "ulib_state.h"

/* A walk, as users have room for it. */
struct walk {
	struct mb_call *call;
	uint64_t word[9];
};

static_assert(sizeof(struct session_iter) <= sizeof(((struct walk *)0)->word), "a walk fits");
static_assert(sizeof(struct walk) == sizeof(struct mb_set_iter) &&
		      sizeof(struct walk) == sizeof(struct mb_map_iter) &&
		      sizeof(struct walk) == sizeof(struct mb_list_iter) &&
		      sizeof(struct walk) == sizeof(struct mb_sibling_iter) &&
		      sizeof(struct walk) == sizeof(struct mb_zrange_iter) &&
		      sizeof(struct walk) == sizeof(struct mb_zset_iter),
	      "all walks alike");

/* Gives the user the walk that was begun, or the error that it ended in. */
static int
walk_give(struct mb_call *call, int err, const char *verb, struct mb_slice key,
	  const struct session_iter *it, void *ret)
{
	struct walk walk = { .call = call };

	if (err != 0) {
		return ulib_refuse(call, err, verb, key);
	}
	memcpy(walk.word, it, sizeof(*it));
	memcpy(ret, &walk, sizeof(walk));
	return 0;
}

int
ulib_walk_begin(struct mb_call *call, struct mb_slice key, ulib_begin_fn *begin, const char *verb,
		void *ret)
{
	struct session_iter it;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = begin(call->session, ulib_in(key), &it);
	return walk_give(call, err, verb, key, &it, ret);
}

/* --------------------------------------------------------------------- sets */

int
mb_sadd(struct mb_call *call, struct mb_slice key, struct mb_slice member)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_sadd(call->session, ulib_in(key), ulib_in(member)),
			    "mb_sadd", key);
}

int
mb_gset_add(struct mb_call *call, struct mb_slice key, struct mb_slice member)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_gset_add(call->session, ulib_in(key), ulib_in(member)),
			    "mb_gset_add", key);
}

int
mb_srem(struct mb_call *call, struct mb_slice key, struct mb_slice member)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_srem(call->session, ulib_in(key), ulib_in(member)),
			    "mb_srem", key);
}

int
mb_sismember(struct mb_call *call, struct mb_slice key, struct mb_slice member, bool *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call,
			    session_sismember(call->session, ulib_in(key), ulib_in(member), ret),
			    "mb_sismember", key);
}

int
mb_scard(struct mb_call *call, struct mb_slice key, uint64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_scard(call->session, ulib_in(key), ret), "mb_scard", key);
}

int
mb_set_begin(struct mb_call *call, struct mb_slice key, struct mb_set_iter *ret)
{
	return ulib_walk_begin(call, key, session_set_begin, "mb_set_begin", ret);
}

bool
mb_set_next(struct mb_set_iter *it, struct mb_slice *ret_member)
{
	struct session_iter inner;
	struct slice member;
	bool more;

	memcpy(&inner, it->word, sizeof(inner));
	more = session_set_next(it->call->session, &inner, &member);
	memcpy(it->word, &inner, sizeof(inner));
	if (more) {
		*ret_member = mb_slice_of(member.p, member.len);
	}
	return more;
}

/* --------------------------------------------------------------------- maps */

int
mb_map_put(struct mb_call *call, struct mb_slice key, struct mb_slice field, struct mb_slice value)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call,
			    session_map_put(call->session, ulib_in(key), ulib_in(field),
					    ulib_in(value)),
			    "mb_map_put", key);
}

int
mb_map_put_at(struct mb_call *call, struct mb_slice key, struct mb_slice field,
	      struct mb_slice value, uint64_t time_us)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call,
			    session_map_put_at(call->session, ulib_in(key), ulib_in(field),
					       ulib_in(value), time_us),
			    "mb_map_put_at", key);
}

int
mb_map_get(struct mb_call *call, struct mb_slice key, struct mb_slice field, struct mb_slice *ret)
{
	struct slice got;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_map_get(call->session, ulib_in(key), ulib_in(field), &got);
	if (err != 0) {
		return ulib_refuse(call, err, "mb_map_get", key);
	}
	*ret = mb_slice_of(got.p, got.len);
	return 0;
}

int
mb_map_incr(struct mb_call *call, struct mb_slice key, struct mb_slice field, int64_t delta,
	    int64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call,
			    session_map_incr(call->session, ulib_in(key), ulib_in(field), delta,
					     ret),
			    "mb_map_incr", key);
}

int
mb_map_delete(struct mb_call *call, struct mb_slice key, struct mb_slice field)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_map_delete(call->session, ulib_in(key), ulib_in(field)),
			    "mb_map_delete", key);
}

int
mb_map_cnt(struct mb_call *call, struct mb_slice key, uint64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_map_cnt(call->session, ulib_in(key), ret), "mb_map_cnt",
			    key);
}

int
mb_map_begin(struct mb_call *call, struct mb_slice key, struct mb_map_iter *ret)
{
	return ulib_walk_begin(call, key, session_map_begin, "mb_map_begin", ret);
}

int
mb_map_next(struct mb_map_iter *it, struct mb_slice *ret_field, struct mb_slice *ret_value)
{
	struct session_iter inner;
	struct slice field, value;
	bool more;
	int err;

	memcpy(&inner, it->word, sizeof(inner));
	more = session_map_next(it->call->session, &inner, &field, &value, &err);
	memcpy(it->word, &inner, sizeof(inner));
	if (!more) {
		return err == 0 ? 0
				: ulib_refuse(it->call, err, "mb_map_next", mb_slice_of(NULL, 0));
	}
	*ret_field = mb_slice_of(field.p, field.len);
	*ret_value = mb_slice_of(value.p, value.len);
	return 1;
}

/* -------------------------------------------------------------------- lists */

int
mb_push_left(struct mb_call *call, struct mb_slice key, struct mb_slice value)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call,
			    session_list_push(call->session, ulib_in(key), LIST_LEFT,
					      ulib_in(value)),
			    "mb_push_left", key);
}

int
mb_push_right(struct mb_call *call, struct mb_slice key, struct mb_slice value)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call,
			    session_list_push(call->session, ulib_in(key), LIST_RIGHT,
					      ulib_in(value)),
			    "mb_push_right", key);
}

int
mb_pop_left(struct mb_call *call, struct mb_slice key, struct mb_slice *ret)
{
	struct slice got;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_list_pop(call->session, ulib_in(key), LIST_LEFT, &got);
	if (err != 0) {
		return ulib_refuse(call, err, "mb_pop_left", key);
	}
	*ret = mb_slice_of(got.p, got.len);
	return 0;
}

int
mb_pop_right(struct mb_call *call, struct mb_slice key, struct mb_slice *ret)
{
	struct slice got;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_list_pop(call->session, ulib_in(key), LIST_RIGHT, &got);
	if (err != 0) {
		return ulib_refuse(call, err, "mb_pop_right", key);
	}
	*ret = mb_slice_of(got.p, got.len);
	return 0;
}

int
mb_list_get(struct mb_call *call, struct mb_slice key, int64_t idx, struct mb_slice *ret)
{
	struct slice got;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_list_get(call->session, ulib_in(key), idx, &got);
	if (err != 0) {
		return ulib_refuse(call, err, "mb_list_get", key);
	}
	*ret = mb_slice_of(got.p, got.len);
	return 0;
}

int
mb_list_set(struct mb_call *call, struct mb_slice key, int64_t idx, struct mb_slice value)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call,
			    session_list_set(call->session, ulib_in(key), idx, ulib_in(value)),
			    "mb_list_set", key);
}

int
mb_list_cnt(struct mb_call *call, struct mb_slice key, uint64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_list_cnt(call->session, ulib_in(key), ret), "mb_list_cnt",
			    key);
}

int
mb_list_begin(struct mb_call *call, struct mb_slice key, struct mb_list_iter *ret)
{
	return ulib_walk_begin(call, key, session_list_begin, "mb_list_begin", ret);
}

bool
mb_list_next(struct mb_list_iter *it, struct mb_slice *ret_value)
{
	struct session_iter inner;
	struct slice value;
	bool more;

	memcpy(&inner, it->word, sizeof(inner));
	more = session_list_next(it->call->session, &inner, &value);
	memcpy(it->word, &inner, sizeof(inner));
	if (more) {
		*ret_value = mb_slice_of(value.p, value.len);
	}
	return more;
}

/* -------------------------------------------------------------- sorted sets */

int
mb_zadd(struct mb_call *call, struct mb_slice key, struct mb_slice member, double score)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_zadd(call->session, ulib_in(key), ulib_in(member), score),
			    "mb_zadd", key);
}

int
mb_zincr(struct mb_call *call, struct mb_slice key, struct mb_slice member, double x, double *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call,
			    session_zincr(call->session, ulib_in(key), ulib_in(member), x, ret),
			    "mb_zincr", key);
}

int
mb_zrem(struct mb_call *call, struct mb_slice key, struct mb_slice member)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_zrem(call->session, ulib_in(key), ulib_in(member)),
			    "mb_zrem", key);
}

int
mb_zscore(struct mb_call *call, struct mb_slice key, struct mb_slice member, double *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_zscore(call->session, ulib_in(key), ulib_in(member), ret),
			    "mb_zscore", key);
}

int
mb_zcard(struct mb_call *call, struct mb_slice key, uint64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_zcard(call->session, ulib_in(key), ret), "mb_zcard", key);
}

int
mb_zset_begin(struct mb_call *call, struct mb_slice key, struct mb_zset_iter *ret)
{
	return ulib_walk_begin(call, key, session_zset_begin, "mb_zset_begin", ret);
}

bool
mb_zset_next(struct mb_zset_iter *it, struct mb_slice *ret_member, double *ret_score)
{
	struct session_iter inner;
	struct slice member;
	bool more;

	memcpy(&inner, it->word, sizeof(inner));
	more = session_zset_next(it->call->session, &inner, &member, ret_score);
	memcpy(it->word, &inner, sizeof(inner));
	if (more) {
		*ret_member = mb_slice_of(member.p, member.len);
	}
	return more;
}

/* ------------------------------------------------------- in the order of scores */

int
mb_zrange_by_score(struct mb_call *call, struct mb_slice key, double min, double max,
		   struct mb_zrange_iter *ret)
{
	struct session_iter it;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_zrange_score(call->session, ulib_in(key), min, max, &it);
	return walk_give(call, err, "mb_zrange_by_score", key, &it, ret);
}

int
mb_zrange_by_rank(struct mb_call *call, struct mb_slice key, int64_t first, int64_t last,
		  struct mb_zrange_iter *ret)
{
	struct session_iter it;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_zrange_rank(call->session, ulib_in(key), first, last, &it);
	return walk_give(call, err, "mb_zrange_by_rank", key, &it, ret);
}

bool
mb_zrange_next(struct mb_zrange_iter *it, struct mb_slice *ret_member, double *ret_score)
{
	struct session_iter inner;
	struct slice member;
	bool more;

	memcpy(&inner, it->word, sizeof(inner));
	more = session_zrange_next(it->call->session, &inner, &member, ret_score);
	memcpy(it->word, &inner, sizeof(inner));
	if (more) {
		*ret_member = mb_slice_of(member.p, member.len);
	}
	return more;
}

int
mb_zrank(struct mb_call *call, struct mb_slice key, struct mb_slice member, uint64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_zrank(call->session, ulib_in(key), ulib_in(member), ret),
			    "mb_zrank", key);
}

/* -------------------------------------------------------- items that one call gets */

static int
take_item(struct mb_call *call, struct mb_slice key, enum list_end end, const char *verb,
	  struct mb_slice *ret)
{
	struct slice value;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_take_list(call->session, ulib_in(key), end, &value);
	if (err != 0) {
		return ulib_refuse(call, err, verb, key);
	}
	*ret = mb_slice_of(value.p, value.len);
	return 0;
}

int
mb_take_left(struct mb_call *call, struct mb_slice key, struct mb_slice *ret)
{
	return take_item(call, key, LIST_LEFT, "mb_take_left", ret);
}

int
mb_take_right(struct mb_call *call, struct mb_slice key, struct mb_slice *ret)
{
	return take_item(call, key, LIST_RIGHT, "mb_take_right", ret);
}

static int
take_score(struct mb_call *call, struct mb_slice key, bool highest, const char *verb,
	   struct mb_slice *ret_member, double *ret_score)
{
	struct slice member;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_take_score(call->session, ulib_in(key), highest, &member, ret_score);
	if (err != 0) {
		return ulib_refuse(call, err, verb, key);
	}
	*ret_member = mb_slice_of(member.p, member.len);
	return 0;
}

int
mb_take_lowest(struct mb_call *call, struct mb_slice key, struct mb_slice *ret_member,
	       double *ret_score)
{
	return take_score(call, key, false, "mb_take_lowest", ret_member, ret_score);
}

int
mb_take_highest(struct mb_call *call, struct mb_slice key, struct mb_slice *ret_member,
		double *ret_score)
{
	return take_score(call, key, true, "mb_take_highest", ret_member, ret_score);
}
