/* SPDX-License-Identifier: Apache-2.0 */
#include "owed.h"

#include <string.h>

#include "cache_msg.h"
#include "check.h"
#include "exec_trace.h"
#include "fn.h"
#include "mail.h"
#include "microburst/error.h"
#include "probe.h"

/* ---------------------------------------------------------------------- waiting */

static uint64_t
owed_now(void *ctx)
{
	const struct exec_wait *w = &((struct owed *)ctx)->ops->wait;

	return w->now_ns(w->ctx);
}

static uint64_t
owed_wall(void *ctx)
{
	const struct exec_wait *w = &((struct owed *)ctx)->ops->wait;

	return w->wall_us(w->ctx);
}

static int
owed_wait_send(void *ctx, uint32_t port, const struct desc *d)
{
	struct owed *o = ctx;
	const struct exec_wait *w = &o->ops->wait;

	if (d->kind == DESC_PUBLISH && !o->adding) { /* keeps O2 */
		int err = owed_settle(o);

		if (err != 0) {
			return err;
		}
	}
	return w->send(w->ctx, port, d);
}

static int
owed_wait_answer(void *ctx, uint64_t until_ns, struct desc *ret)
{
	struct owed *o = ctx;
	const struct exec_wait *w = &o->ops->wait;
	int n;

	for (;;) {
		n = w->answer(w->ctx, until_ns, ret);
		if (n == 1 && o->mail != NULL && mail_on(o->mail, ret)) {
			if (o->mail->waiting) {
				return 0;
			}
		} else if (n != 1 || !owed_answered(o, ret)) {
			return n;
		}
	}
}

static int
owed_wait_settle(void *ctx)
{
	return owed_settle(ctx);
}

void
owed_init(struct owed *o, const struct exec_ops *ops, struct payload_pool *pool,
	  struct region_trace *trace)
{
	*o = (struct owed){ .ops = ops, .pool = pool, .trace = trace };
	o->wait = (struct exec_wait){ .now_ns = owed_now,
				      .wall_us = owed_wall,
				      .send = owed_wait_send,
				      .answer = owed_wait_answer,
				      .settle = owed_wait_settle,
				      .ctx = o };
}

/* ----------------------------------------------------------------------- adding */

bool
owed_is_from(const struct owed *o, const struct exec_from *from)
{
	return o->from.port == from->port && o->from.proc == from->proc && o->from.inc == from->inc;
}

bool
owed_suits(const struct owed *o, const struct exec_from *from, uint32_t tile)
{
	return o->cnt == 0 || (o->cnt < OWED_MAX && o->tile == tile && owed_is_from(o, from));
}

int
owed_add(struct owed *o, const struct exec_from *from, uint32_t tile, const struct desc *reply,
	 uint64_t line)
{
	struct owed_answer *a = &o->answer[o->cnt];
	int err;

	REQUIRE(owed_suits(o, from, tile));
	o->adding = true;
	err = session_send(o->session, tile, &a->sent);
	o->adding = false;
	if (err == 1) {
		a->reply = *reply;
		a->line = line;
		o->from = *from;
		o->tile = tile;
		o->cnt++;
	}
	return err;
}

/* -------------------------------------------------------------------- answering */

/* Takes the answer that waits for this PUBLISHED. */
static bool
owed_take(struct owed *o, const struct desc *published, struct owed_answer *ret)
{
	if (published->kind != DESC_PUBLISHED) {
		return false;
	}
	for (uint32_t i = 0; i < o->cnt; i++) { /* the first, nearly always */
		if (o->answer[i].sent.b == published->b) {
			*ret = o->answer[i];
			o->cnt--;
			memmove(&o->answer[i], &o->answer[i + 1],
				(o->cnt - i) * sizeof(o->answer[0]));
			return true;
		}
	}
	return false;
}

/* The store refused a write: the reply says so, instead of the results. */
static void
owed_refuse(struct owed *o, struct desc *reply, int err, const char *text)
{
	uint16_t reader = call_id_proc(reply->call);

	if ((reply->flags & DESC_F_INLINE) == 0) {
		payload_release(o->pool, reply->ref.handle, reader);
	}
	reply->err = (int16_t)err;
	reply->flags = 0;
	if (payload_put(o->pool, reply, text, strlen(text), reader) != 0) {
		reply->flags = DESC_F_INLINE;
		reply->len = 0;
	}
}

bool
owed_answered(struct owed *o, const struct desc *d)
{
	char text[FN_TEXT_BYTES];
	struct owed_answer a;
	int err;

	if (!owed_take(o, d, &a)) {
		return false;
	}
	if (o->cnt == 0) {
		session_all_sent(o->session);
	}
	session_sent(o->pool, &a.sent, d, text, sizeof(text));
	if (d->err != 0) {
		owed_refuse(o, &a.reply, d->err, text);
	}
	PROBE2(call_published, a.reply.call, d->err);
	exec_trace_answered(o->trace, a.line, a.reply.call, owed_now(o), d->err);
	err = o->ops->reply(o->ops->ctx, &o->from, &a.reply);
	if (err != 0 && (a.reply.flags & DESC_F_INLINE) == 0) {
		/* Of one that died all has come back that it held then; this may be younger. */
		payload_release(o->pool, a.reply.ref.handle, call_id_proc(a.reply.call));
	}
	return true;
}

int
owed_settle(struct owed *o)
{
	const struct exec_wait *w = &o->ops->wait;

	while (o->cnt > 0) {
		struct desc d;
		int n = w->answer(w->ctx, 0, &d);

		if (n < 0) {
			return n;
		}
		if (!owed_answered(o, &d) && !(o->mail != NULL && mail_on(o->mail, &d))) {
			session_on_answer(o->session, &d);
		}
	}
	return 0;
}
