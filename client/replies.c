/* SPDX-License-Identifier: Apache-2.0 */
/* replies - handing answers out, and taking their memory back */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "impl.h"
#include "timebase.h"
#include "value.h"

/* Reads an answer's values, or its text, into the reply. */
static int
client_reply_read(struct mb_client *c, struct client_reply *r, struct mb_reply *out)
{
	struct value v[MB_VALUES_MAX];
	const uint8_t *p = r->p;
	size_t len = r->len;
	int n = r->err;

	if (n != 0) {
		return n;
	}
	if (out->err != 0) {
		len = len < DOMAIN_TEXT_MAX ? len : DOMAIN_TEXT_MAX;
		r->text = len > DESC_INLINE_BYTES ? malloc(len + 1) : NULL;
		out->text = r->text != NULL ? r->text : r->text_inl;
		len = r->text != NULL || len <= DESC_INLINE_BYTES ? len : DESC_INLINE_BYTES;
		memcpy((char *)(uintptr_t)out->text, p, len);
		((char *)(uintptr_t)out->text)[len] = '\0';
		return 0;
	}
	n = value_list_read((struct slice){ .p = p, .len = len }, v);
	if (n < 0) {
		return n;
	}
	r->values = n > REPLY_VALUES ? malloc((size_t)n * sizeof(*r->values)) : r->inl;
	if (r->values == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	for (int i = 0; i < n; i++) {
		r->values[i] = (struct mb_value){ .type = (enum mb_type)v[i].type,
						  .p = v[i].p,
						  .len = v[i].len };
		if (v[i].type == MB_I64) {
			r->values[i].i64 = value_i64(v[i]);
		} else if (v[i].type == MB_F64) {
			r->values[i].f64 = value_f64(v[i]);
		}
	}
	out->value = r->values;
	out->cnt = (uint32_t)n;
	return 0;
}

/* Hands out the answer of a DONE slot. */
static void
client_hand_out(struct mb_client *c, uint32_t slot, struct mb_reply *out)
{
	struct client_call *call = &c->call[slot];
	struct client_reply *r = &c->reply[c->reply_of[slot] - 1];
	int err;

	*out = (struct mb_reply){
		.call = call->id,
		.name = r->name != 0 ? r->name : call->id,
		.err = r->d.err,
		.text = "",
		.run_ns = (uint32_t)(r->d.b >> 32),
		.executor = r->d.a,
		.internal = r,
	};
	err = client_reply_read(c, r, out);
	if (err == MB_ERR_PEER_DIED && r->d.err != 0) {
		out->text = ""; /* only the text died with it */
	} else if (err != 0) {
		out->err = err == MB_ERR_PEER_DIED ? MB_ERR_EXECUTOR_DIED : err;
		out->cnt = 0;
		out->text = err == MB_ERR_PEER_DIED
				    ? "it died before its answer was read; its writes happened"
				    : "the answer could not be read";
	}
	call->state = CALL_FREE;
	c->call_cnt--;
	c->held_cnt++;
}

int
mb_call_poll(struct mb_client *c, struct mb_reply *reply)
{
	while (c->done_head == c->done_tail) {
		if (client_pump(c, 1) != 1 && c->done_head == c->done_tail) {
			return 0;
		}
	}
	client_hand_out(c, c->done[c->done_head++ & (MB_CALLS_MAX - 1)], reply);
	return 1;
}

int
mb_call_wait(struct mb_client *c, uint64_t timeout_ns, struct mb_reply *reply)
{
	uint64_t until = timeout_ns != 0 ? timebase_now_ns(timebase_real()) + timeout_ns : 0;

	while (c->done_head == c->done_tail) {
		if (c->call_cnt == 0) {
			return 0;
		}
		if (client_pump(c, until) != 1 && until != 0 && c->done_head == c->done_tail &&
		    timebase_now_ns(timebase_real()) >= until) {
			return 0;
		}
	}
	client_hand_out(c, c->done[c->done_head++ & (MB_CALLS_MAX - 1)], reply);
	return 1;
}

int
client_wait_one(struct mb_client *c, uint64_t id, struct mb_reply *reply)
{
	uint32_t slot = SLOT(id);

	while (c->call[slot].state != CALL_DONE) {
		client_pump(c, 0);
	}
	/* Nearly always the only one; answers of other calls stay in their order. */
	for (uint32_t i = c->done_head; i != c->done_tail; i++) {
		if (c->done[i & (MB_CALLS_MAX - 1)] == slot) {
			for (uint32_t k = i; k != c->done_head; k--) {
				c->done[k & (MB_CALLS_MAX - 1)] =
					c->done[(k - 1) & (MB_CALLS_MAX - 1)];
			}
			c->done_head++;
			break;
		}
	}
	client_hand_out(c, slot, reply);
	return reply->err;
}

void
mb_reply_free(struct mb_client *c, struct mb_reply *reply)
{
	struct client_reply *r = reply->internal;

	if (r == NULL) {
		return;
	}
	if (r->view) {
		domain_release(c->d, &r->d.ref);
		r->view = false;
	}
	if (r->values != r->inl) {
		free(r->values);
	}
	free(r->text);
	free(r->own);
	r->own = NULL;
	r->values = NULL;
	r->text = NULL;
	c->held_cnt--;
	r->next = c->reply_free;
	c->reply_free = (uint32_t)(r - c->reply + 1);
	reply->internal = NULL;
}
