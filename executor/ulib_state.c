/* SPDX-License-Identifier: Apache-2.0 */
/* ulib_state.c - state: from the function's words to the session's, and from its errors to
 * sentences */
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "fn.h"

static inline struct slice
in(struct mb_slice s)
{
	return slice_of(s.p, s.len);
}

/* Says what failed, of which key, and why. NOT_FOUND is often no failure, and costs no sentence
 * until a function returns it: the error's own text does. */
static int __attribute__((__cold__))
state_refuse(struct mb_call *call, int err, const char *verb, struct mb_slice key)
{
	char what[96];
	int len = (int)MIN(key.len, (size_t)48);

	if (err == MB_ERR_NOT_FOUND) {
		call->text_err = 0;
		return err;
	}
	snprintf(what, sizeof(what), "%s '%.*s%s'", verb, len, (const char *)key.p,
		 key.len > 48 ? "..." : "");
	for (char *p = what; *p != '\0'; p++) {
		*p = (unsigned char)*p < ' ' ? '?' : *p;
	}
	return call_refuse(call, err, what, session_why(call->session));
}

static int __attribute__((__cold__)) no_state(struct mb_call *call)
{
	return call_refuse(call, MB_ERR_NOT_SUPPORTED, "MB_INIT", "state belongs to calls");
}

static inline int
outcome(struct mb_call *call, int err, const char *verb, struct mb_slice key)
{
	return likely(err == 0) ? 0 : state_refuse(call, err, verb, key);
}

/* ------------------------------------------------------------------ strings */

int
mb_get(struct mb_call *call, struct mb_slice key, struct mb_slice *ret)
{
	struct slice got;
	int err;

	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	err = session_get(call->session, in(key), &got);
	if (likely(err == 0)) {
		*ret = mb_slice_of(got.p, got.len);
		return 0;
	}
	return state_refuse(call, err, "mb_get", key);
}

int
mb_get_i64(struct mb_call *call, struct mb_slice key, int64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call, session_get_i64(call->session, in(key), ret), "mb_get_i64", key);
}

int
mb_put(struct mb_call *call, struct mb_slice key, struct mb_slice value)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call, session_put(call->session, in(key), in(value)), "mb_put", key);
}

int
mb_incr(struct mb_call *call, struct mb_slice key, int64_t delta, int64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call, session_incr(call->session, in(key), delta, ret), "mb_incr", key);
}

int
mb_delete(struct mb_call *call, struct mb_slice key)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call, session_delete(call->session, in(key)), "mb_delete", key);
}

/* --------------------------------------------------------------------- sets */

int
mb_sadd(struct mb_call *call, struct mb_slice key, struct mb_slice member)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call, session_sadd(call->session, in(key), in(member)), "mb_sadd", key);
}

int
mb_srem(struct mb_call *call, struct mb_slice key, struct mb_slice member)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call, session_srem(call->session, in(key), in(member)), "mb_srem", key);
}

int
mb_sismember(struct mb_call *call, struct mb_slice key, struct mb_slice member, bool *ret)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call, session_sismember(call->session, in(key), in(member), ret),
		       "mb_sismember", key);
}

int
mb_scard(struct mb_call *call, struct mb_slice key, uint64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call, session_scard(call->session, in(key), ret), "mb_scard", key);
}

static_assert(sizeof(struct session_iter) <= sizeof(((struct mb_set_iter *)0)->word),
	      "a walk fits what users have for it");

int
mb_set_begin(struct mb_call *call, struct mb_slice key, struct mb_set_iter *ret)
{
	struct session_iter it;
	int err;

	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	err = session_set_begin(call->session, in(key), &it);
	if (err != 0) {
		return state_refuse(call, err, "mb_set_begin", key);
	}
	ret->call = call;
	memcpy(ret->word, &it, sizeof(it));
	return 0;
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
		return no_state(call);
	}
	return outcome(call, session_map_put(call->session, in(key), in(field), in(value)),
		       "mb_map_put", key);
}

int
mb_map_put_at(struct mb_call *call, struct mb_slice key, struct mb_slice field,
	      struct mb_slice value, uint64_t time_us)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call,
		       session_map_put_at(call->session, in(key), in(field), in(value), time_us),
		       "mb_map_put_at", key);
}

int
mb_map_get(struct mb_call *call, struct mb_slice key, struct mb_slice field, struct mb_slice *ret)
{
	struct slice got;
	int err;

	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	err = session_map_get(call->session, in(key), in(field), &got);
	if (err != 0) {
		return state_refuse(call, err, "mb_map_get", key);
	}
	*ret = mb_slice_of(got.p, got.len);
	return 0;
}

int
mb_map_incr(struct mb_call *call, struct mb_slice key, struct mb_slice field, int64_t delta,
	    int64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call, session_map_incr(call->session, in(key), in(field), delta, ret),
		       "mb_map_incr", key);
}

int
mb_map_delete(struct mb_call *call, struct mb_slice key, struct mb_slice field)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call, session_map_delete(call->session, in(key), in(field)), "mb_map_delete",
		       key);
}

int
mb_map_cnt(struct mb_call *call, struct mb_slice key, uint64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	return outcome(call, session_map_cnt(call->session, in(key), ret), "mb_map_cnt", key);
}

static_assert(sizeof(struct session_iter) <= sizeof(((struct mb_map_iter *)0)->word),
	      "a walk fits what users have for it");

int
mb_map_begin(struct mb_call *call, struct mb_slice key, struct mb_map_iter *ret)
{
	struct session_iter it;
	int err;

	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	err = session_map_begin(call->session, in(key), &it);
	if (err != 0) {
		return state_refuse(call, err, "mb_map_begin", key);
	}
	ret->call = call;
	memcpy(ret->word, &it, sizeof(it));
	return 0;
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
				: state_refuse(it->call, err, "mb_map_next", mb_slice_of(NULL, 0));
	}
	*ret_field = mb_slice_of(field.p, field.len);
	*ret_value = mb_slice_of(value.p, value.len);
	return 1;
}

/* --------------------------------------------------------------------- both */

void
mb_release(struct mb_call *call, struct mb_slice key)
{
	if (call->session != NULL) {
		session_release(call->session, in(key));
	}
}

int
mb_flush(struct mb_call *call)
{
	int err;

	if (unlikely(call->session == NULL)) {
		return no_state(call);
	}
	err = session_publish(call->session);
	return likely(err == 0) ? 0
				: call_refuse(call, err, "mb_flush", session_why(call->session));
}
