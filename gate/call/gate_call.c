/* SPDX-License-Identifier: Apache-2.0 */
/* gate_call - calls of functions, and listings of keys: what a tile answers later, with bytes
 *
 * A slot is used from the question to its answer; its number is the low bits of the call's id (or
 * stands in the listing's own word). When its connection is gone a call is cancelled, and its slot
 * is free when the answer has come all the same. So with a call whose deadline has passed.
 */
#include <string.h>

#include <microburst/error.h>

#include "call.h"
#include "check.h"
#include "compiler.h"
#include "gate_int.h"
#include "message.h"

/* Sends what must not be lost. sub of an owed message is its port: none of them uses it. */
void
gate_owe(struct gate *g, uint32_t port, const struct desc *d)
{
	if (inner_send(&g->inner, port, d) != 0) {
		REQUIRE(g->owed_cnt < ARRAY_CNT(g->owed));
		g->owed[g->owed_cnt] = *d;
		g->owed[g->owed_cnt++].sub = (uint8_t)port;
	}
}

void
gate_call_cancel(struct gate *g, struct gate_call *call, int err)
{
	struct desc m = { .kind = DESC_CANCEL,
			  .call = call->id,
			  .a = call->exec,
			  .err = (int16_t)err };

	call->over = true;
	gate_owe(g, PORT_SCHED, &m);
}

struct gate_call *
gate_call_take(struct gate *g, struct gate_conn *c)
{
	if (g->owed_cnt > ARRAY_CNT(g->owed) - 2 * GATE_CALL_CNT - 2 * PROC_EXEC_CNT) {
		return NULL; /* so that what is still to come has a place there */
	}
	for (uint32_t i = 0; i < GATE_CALL_CNT; i++) {
		uint64_t id = inner_call_id(&g->inner);
		struct gate_call *call = &g->call[id % GATE_CALL_CNT];

		if (!call->used) {
			*call = (struct gate_call){ .conn = c->id, .id = id, .used = true };
			return call;
		}
	}
	return NULL;
}

static int
ask(struct gate *g, struct gate_conn *c, struct gate_call *call, uint32_t port, const void *p,
    size_t len, uint16_t holder)
{
	bool word = call->send || (call->msg.flags & CALL_F_REQUEST) != 0; /* word[4] is taken */
	int err = inner_payload_most(&g->inner, &call->msg, p, len, holder,
				     word ? REQUEST_INLINE_BYTES : DESC_INLINE_BYTES);

	if (err == 0) {
		err = inner_send(&g->inner, port, &call->msg);
		if (err != 0) {
			inner_payload_free(&g->inner, &call->msg, holder);
		}
	}
	if (err != 0) {
		call->used = false;
		if (err == MB_ERR_NO_MEMORY || err == MB_ERR_FULL) {
			gate_conn_starve(g, c);
			err = MB_ERR_FULL;
		}
		return err;
	}
	c->wait_cnt++;
	g->under_way++;
	return 0;
}

int
gate_call_start(struct gate *g, struct gate_conn *c, struct desc *d, const void *list, size_t len)
{
	struct gate_call *call;

	if (len > PAYLOAD_SLAB_MAX) { /* executors see our slab only */
		return MB_ERR_TOO_LARGE;
	}
	call = gate_call_take(g, c);
	if (call == NULL) {
		gate_conn_starve(g, c);
		return MB_ERR_FULL;
	}
	call->msg = *d;
	call->msg.kind = DESC_CALL;
	call->msg.call = call->id;
	g->call_due_ns = d->b != 0 ? MIN(g->call_due_ns, d->b) : g->call_due_ns;
	return ask(g, c, call, PORT_SCHED, list, len, g->inner.cfg.proc);
}

/* The answer goes to its connection, which looks at it before it begins anything else. */
static void
answer(struct gate *g, struct gate_call *call, const struct desc *d, uint16_t holder)
{
	struct gate_conn *c = call->over ? NULL : gate_conn_find(g, call->conn);

	inner_payload_free(&g->inner, &call->msg, holder);
	call->used = false;
	g->under_way--;
	if (c == NULL) {
		gate_payload_back(g, d);
		return;
	}
	c->answer = *d;
	c->answered = true;
	c->listing = false;
	if (--c->wait_cnt == 0) {
		gate_conn_ready(g, c);
	}
}

void
gate_replied(struct gate *g, const struct desc *d)
{
	struct gate_call *call = &g->call[d->call % GATE_CALL_CNT];

	/* Only who was asked may answer. */
	if (!call->used || call->scan || call->send || call->id != d->call || call->exec != 0) {
		return;
	}
	if (call->piped) {
		gate_direct_over(g, call);
		gate_pipe_answered(g, call, d);
	} else {
		answer(g, call, d, g->inner.cfg.proc);
	}
}

void
gate_sent(struct gate *g, const struct desc *d)
{
	struct gate_call *call = &g->call[d->b % GATE_CALL_CNT];
	struct desc said = { .kind = DESC_SENT, .flags = DESC_F_INLINE, .err = d->err };

	if (call->used && call->send && call->msg.b == d->b) {
		answer(g, call, &said, g->inner.cfg.proc);
	}
}

void
gate_scanned(struct gate *g, const struct desc *d)
{
	struct gate_call *call = &g->call[d->b % GATE_CALL_CNT];

	REQUIRE(call->used);
	REQUIRE(call->id == d->b);
	answer(g, call, d, PROC_DAEMON);
}

void
gate_call_drop(struct gate *g, struct stream_id conn)
{
	for (uint32_t i = 0; i < GATE_CALL_CNT; i++) {
		struct gate_call *call = &g->call[i];

		if (call->used && !call->scan && !call->send && !call->piped && !call->over &&
		    call->conn.idx == conn.idx && call->conn.gen == conn.gen) {
			gate_call_cancel(g, call, MB_ERR_CANCELLED);
		}
	}
}

void
gate_call_leave(struct gate *g, struct gate_conn *c)
{
	gate_call_drop(g, c->id);
	c->wait_cnt--;
}

int
gate_send(struct gate *g, struct gate_conn *c, uint64_t to, struct slice text)
{
	struct gate_call *call = gate_call_take(g, c);

	if (call == NULL) {
		gate_conn_starve(g, c);
		return MB_ERR_FULL;
	}
	call->send = true;
	/* All messages of the gate come from one sender: their places only grow, as the ids do. */
	call->msg =
		(struct desc){ .kind = DESC_SEND, .call = to, .b = message_seq(0, g->inner.seq) };
	call->msg.word[4] = call_id_make(g->inner.cfg.proc, g->inner.cfg.inc, 0);
	return ask(g, c, call, PORT_SCHED, text.p, text.len, g->inner.cfg.proc);
}

void
gate_call_due(struct gate *g, uint64_t now_ns)
{
	if (now_ns < g->call_due_ns) {
		return;
	}
	g->call_due_ns = UINT64_MAX;
	for (uint32_t i = 0; i < GATE_CALL_CNT; i++) {
		struct gate_call *call = &g->call[i];
		struct gate_conn *c;

		if (!call->used || call->scan || call->send || call->over || call->done ||
		    call->msg.b == 0) {
			continue;
		}
		if (call->msg.b > now_ns) {
			g->call_due_ns = MIN(g->call_due_ns, call->msg.b);
			continue;
		}
		if (call->piped) {
			gate_pipe_late(g, call);
			continue;
		}
		gate_call_cancel(g, call, MB_ERR_DEADLINE);
		c = gate_conn_find(g, call->conn);
		if (c != NULL) {
			c->answer = (struct desc){ .kind = DESC_REPLY,
						   .flags = DESC_F_INLINE,
						   .err = MB_ERR_DEADLINE };
			c->answered = true;
			c->wait_cnt--;
			gate_conn_ready(g, c);
		}
	}
}

int
gate_scan(struct gate *g, struct gate_conn *c, struct slice prefix, struct slice after,
	  uint16_t limit)
{
	uint8_t mem[CACHE_SCAN_REQ_BYTES_MAX];
	struct wbuf req = wbuf_init(mem, sizeof(mem));
	struct gate_call *call;
	int err = cache_scan_req_write(&req, prefix, after, limit);

	if (err != 0) {
		return err;
	}
	call = gate_call_take(g, c);
	if (call == NULL) {
		gate_conn_starve(g, c);
		return MB_ERR_FULL;
	}
	call->scan = true;
	call->msg = (struct desc){ .kind = DESC_SCAN, .b = call->id };
	err = ask(g, c, call, PORT_CACHE_FIRST, mem, req.len, PROC_DAEMON);
	c->listing = err == 0;
	return err;
}

int
gate_answer_bytes(struct gate *g, struct gate_conn *c, struct slice *ret)
{
	const struct desc *d = &c->answer;
	const struct region *r = g->cfg.daemon;
	const uint8_t *p;
	size_t len;

	if ((d->flags & DESC_F_INLINE) != 0 || d->ref.proc != PROC_DAEMON) {
		int err = inner_bytes(&g->inner, d, &p, &len);

		*ret = err == 0 ? slice_of(p, len) : slice_of("", 0);
		return err;
	}
	REQUIRE(d->ref.off <= r->at.bytes); /* from a tile of ours */
	REQUIRE(d->ref.len <= r->at.bytes - d->ref.off);
	*ret = slice_of(r->base + d->ref.off, d->ref.len);
	return 0;
}

int
gate_scan_page(struct gate *g, struct gate_conn *c, struct slice *ret_list)
{
	return c->answer.err != 0 ? c->answer.err : gate_answer_bytes(g, c, ret_list);
}

void
gate_payload_back(struct gate *g, const struct desc *d)
{
	struct desc m = { .kind = DESC_RELEASE,
			  .release = { .inc = d->ref.inc,
				       .proc = d->ref.proc,
				       .cnt = 1,
				       .handle = { d->ref.handle } } };

	if ((d->flags & DESC_F_INLINE) == 0 && d->ref.len != 0) {
		gate_owe(g, d->kind == DESC_SCANNED ? PORT_CACHE_FIRST : PORT_SCHED, &m);
	}
}

bool
gate_owed_send(struct gate *g)
{
	bool any = false;

	while (g->owed_cnt > 0) {
		struct desc m = g->owed[g->owed_cnt - 1];
		uint32_t port = m.sub;

		m.sub = 0;
		if (inner_send(&g->inner, port, &m) != 0) {
			break;
		}
		g->owed_cnt--;
		any = true;
	}
	return any;
}

/* A page goes back to its cache tile, results to their executor. */
void
gate_scan_end(struct gate *g, struct gate_conn *c)
{
	if (c->answered) {
		c->answered = false;
		gate_payload_back(g, &c->answer);
	}
}
