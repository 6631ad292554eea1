/* SPDX-License-Identifier: Apache-2.0 */
/* ulib_message.c - messages to and from other calls */
#include <inttypes.h>
#include <stdio.h>

#include "compiler.h"
#include "mail.h"
#include "ulib_state.h"

int
ulib_mail_refuse(struct mb_call *call, int err, const char *what)
{
	char text[64];

	if (err == MB_ERR_GONE || err == MB_ERR_BUSY) {
		snprintf(text, sizeof(text), "%s: the message to %016" PRIx64, what,
			 call->mail->err_call);
		what = text;
	}
	return call_refuse(call, err, what, NULL);
}

int
mb_send(struct mb_call *call, uint64_t to, struct mb_slice bytes)
{
	int err;

	if (unlikely(call->mail == NULL || call->session == NULL)) {
		return ulib_no_state(call);
	}
	if (unlikely(call->fn->batched)) {
		return call_refuse(call, MB_ERR_DENIED, "mb_send",
				   "a function that takes batches sends nothing");
	}
	err = mail_send(call->mail, to, ulib_in(bytes));
	if (likely(err == 0)) {
		return 0;
	}
	return call_refuse(call, err, "mb_send",
			   err == MB_ERR_TOO_LARGE && bytes.len <= MESSAGE_BYTES_MAX
				   ? "256 messages are held already; mb_flush sends them"
				   : NULL);
}

int
mb_recv(struct mb_call *call, uint64_t timeout_ns, struct mb_message *ret)
{
	struct slice bytes;
	uint64_t now, until = 0;
	int err;

	if (unlikely(call->mail == NULL || call->session == NULL)) {
		return ulib_no_state(call);
	}
	if (unlikely(call->fn->batched)) {
		return call_refuse(call, MB_ERR_DENIED, "mb_recv",
				   "a function that takes batches gets no messages");
	}
	now = mb_now_ns(call);
	if (timeout_ns < UINT64_MAX - now) {
		until = now + timeout_ns;
	}
	if (call->deadline_ns != 0 && (until == 0 || call->deadline_ns < until)) {
		until = call->deadline_ns;
	}
	err = mail_recv(call->mail, until, &ret->from, &bytes);
	if (likely(err == 0)) {
		ret->bytes = mb_slice_of(bytes.p, bytes.len);
		return 0;
	}
	if (err == MB_ERR_NOT_FOUND) { /* often no failure: no sentence */
		call->text_err = 0;
		if (call->deadline_ns == 0 || mb_now_ns(call) < call->deadline_ns) {
			return err;
		}
		err = MB_ERR_DEADLINE;
	}
	return call_refuse(call, err, "mb_recv", NULL);
}
