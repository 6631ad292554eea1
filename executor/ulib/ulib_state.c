/* SPDX-License-Identifier: Apache-2.0 */
/* ulib_state.c - state: from the function's words to the session's, and from its errors to
 * sentences. Collections are in ulib_collection.c. */
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "hash.h"
#include "mail.h"
#include "ulib_state.h"

/* NOT_FOUND is often no failure, and costs no sentence until a function returns it: the error's own
 * text does. */
int __attribute__((__cold__))
ulib_refuse(struct mb_call *call, int err, const char *verb, struct mb_slice key)
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

int __attribute__((__cold__)) ulib_no_state(struct mb_call *call)
{
	return call_refuse(call, MB_ERR_NOT_SUPPORTED, "MB_INIT", "state belongs to calls");
}

/* ------------------------------------------------------------------ strings */

int
mb_get(struct mb_call *call, struct mb_slice key, struct mb_slice *ret)
{
	struct slice got;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_get(call->session, ulib_in(key), &got);
	if (likely(err == 0)) {
		*ret = mb_slice_of(got.p, got.len);
		return 0;
	}
	return ulib_refuse(call, err, "mb_get", key);
}

int
mb_get_if_changed(struct mb_call *call, struct mb_slice key, struct mb_version *version,
		  struct mb_slice *ret)
{
	struct mb_version seen = { { 0, 0 } };
	struct mb_slice got = mb_slice_of(NULL, 0);
	int err = mb_get(call, key, &got);

	if (err != 0 && err != MB_ERR_NOT_FOUND) {
		return err;
	}
	if (err == 0) {
		struct hash128 h = hash_bytes128(got.p, got.len);

		seen.word[0] = h.lo;
		seen.word[1] = h.hi;
	}
	if (memcmp(&seen, version, sizeof(seen)) == 0 && err == 0) {
		return 1;
	}
	*version = seen;
	if (err == 0) {
		*ret = got;
	}
	return err;
}

int
mb_if_changed(struct mb_call *call, struct mb_slice key, struct mb_version *version)
{
	struct mb_version seen = { { 0, 0 } };
	struct hash128 h;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_version(call->session, ulib_in(key), &h);
	if (err == 0) {
		seen = (struct mb_version){ { h.lo, h.hi } };
		if (memcmp(&seen, version, sizeof(seen)) == 0) {
			return 1;
		}
	} else if (err != MB_ERR_NOT_FOUND) {
		return ulib_refuse(call, err, "mb_if_changed", key);
	}
	*version = seen;
	return err == 0 ? 0 : ulib_refuse(call, err, "mb_if_changed", key);
}

int
mb_get_i64(struct mb_call *call, struct mb_slice key, int64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_get_i64(call->session, ulib_in(key), ret), "mb_get_i64",
			    key);
}

int
mb_put(struct mb_call *call, struct mb_slice key, struct mb_slice value)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_put(call->session, ulib_in(key), ulib_in(value)),
			    "mb_put", key);
}

int
mb_incr(struct mb_call *call, struct mb_slice key, int64_t delta, int64_t *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_incr(call->session, ulib_in(key), delta, ret), "mb_incr",
			    key);
}

int
mb_delete(struct mb_call *call, struct mb_slice key)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_delete(call->session, ulib_in(key)), "mb_delete", key);
}

/* ------------------------------------------------------------------ deadlines */

int
mb_put_keep(struct mb_call *call, struct mb_slice key, struct mb_slice value)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_put_keep(call->session, ulib_in(key), ulib_in(value)),
			    "mb_put_keep", key);
}

int
mb_expire(struct mb_call *call, struct mb_slice key, int64_t at_us)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_expire(call->session, ulib_in(key), at_us), "mb_expire",
			    key);
}

int
mb_expires(struct mb_call *call, struct mb_slice key, int64_t *ret_at_us)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_expires(call->session, ulib_in(key), ret_at_us),
			    "mb_expires", key);
}

/* ---------------------------------------------------------------------- all */

void
mb_release(struct mb_call *call, struct mb_slice key)
{
	if (call->session != NULL) {
		session_release(call->session, ulib_in(key));
	}
}

int
mb_flush(struct mb_call *call)
{
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_flush(call->session);
	if (unlikely(err != 0)) {
		return call_refuse(call, err, "mb_flush", session_why(call->session));
	}
	if (unlikely(call->mail != NULL && mail_waits(call->mail))) {
		err = mail_publish(call->mail, call->deadline_ns);
	}
	return likely(err == 0) ? 0 : ulib_mail_refuse(call, err, "mb_flush");
}

int
mb_ack(struct mb_call *call, enum mb_ack ack)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	if ((unsigned int)ack > MB_ACK_ALL) {
		return call_refuse(call, MB_ERR_INVALID, "mb_ack", "there is no such level");
	}
	session_ack(call->session, (uint8_t)ack);
	return 0;
}
