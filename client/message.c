/* SPDX-License-Identifier: Apache-2.0 */
/* message - a client sends to a call that runs */
#include "check.h"
#include "impl.h"
#include "message.h"
#include "remote.h"

static_assert(MB_MESSAGE_BYTES_MAX == MESSAGE_BYTES_MAX, "as the header says");

int
client_send_try(struct mb_client *c, uint64_t call, struct slice bytes, struct client_ask *ask)
{
	struct desc d = { .kind = DESC_SEND, .call = call };
	int err;

	if (ask->done) {
		return client_ask_end(ask);
	}
	err = domain_payload(c->d, &d, bytes.p, bytes.len, c->d->proc);
	if (err == 0) {
		err = client_outline(c, &d);
	}
	if (err != 0) {
		return err;
	}
	/* This client's own name: sequence numbers of calls begin with 1. */
	d.word[4] = call_id_by(c->direct.who, 0);
	return client_ask_start(c, PORT_SCHED, &d, ask);
}

int
mb_client_send(struct mb_client *c, uint64_t call, const void *bytes, size_t len)
{
	struct client_ask ask = { 0 };
	int err;

	if (len > MESSAGE_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	if (c->remote != NULL) {
		return remote_send(c, call, slice_of(bytes, len));
	}
	do {
		err = client_send_try(c, call, slice_of(bytes, len), &ask);
	} while (client_ask_wait(c, err, &ask));
	return err;
}
