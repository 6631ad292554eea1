/* SPDX-License-Identifier: Apache-2.0 */
/* message - a client sends to a call that runs */
#include "check.h"
#include "impl.h"
#include "message.h"

static_assert(MB_MESSAGE_BYTES_MAX == MESSAGE_BYTES_MAX, "as the header says");

int
mb_client_send(struct mb_client *c, uint64_t call, const void *bytes, size_t len)
{
	struct desc d = { .kind = DESC_SEND, .call = call };
	int err = len > MESSAGE_BYTES_MAX ? MB_ERR_TOO_LARGE : 0;

	if (c->remote != NULL) {
		return MB_ERR_NOT_SUPPORTED;
	}
	if (err == 0) {
		err = domain_payload(c->d, &d, bytes, len, c->d->proc);
	}
	if (err == 0) {
		err = client_outline(c, &d);
	}
	if (err != 0) {
		return err;
	}
	/* This client's own name: sequence numbers of calls begin with 1. */
	d.word[4] = call_id_make((uint16_t)c->who, (uint32_t)(c->who >> 16), 0);
	err = client_ask(c, PORT_SCHED, &d);
	if ((d.flags & DESC_F_INLINE) == 0) {
		payload_release(c->d->pool, d.ref.handle, c->d->proc);
	}
	return err;
}
