/* SPDX-License-Identifier: Apache-2.0 */
#include "mail.h"

#include <string.h>

#include "check.h"
#include "compiler.h"
#include "domain.h"
#include "microburst/error.h"

void
mail_init(struct mail *m, const struct exec_ops *ops, const struct exec_wait *wait,
	  struct payload_pool *pool, struct session *session, uint16_t proc)
{
	*m = (struct mail){ .ops = ops,
			    .wait = wait,
			    .pool = pool,
			    .session = session,
			    .proc = proc };
}

/* Gives our hold on a message's payload back to sched. An error: the node is gone, whoever waits
 * next hears it. */
static void
drop(struct mail *m, const struct desc *d)
{
	struct desc back = { .kind = DESC_RELEASE,
			     .release = { .inc = d->ref.inc,
					  .proc = d->ref.proc,
					  .cnt = 1,
					  .handle = { d->ref.handle } } };

	if ((d->flags & DESC_F_INLINE) == 0 && d->ref.proc == PROC_DAEMON) {
		m->wait->send(m->wait->ctx, PORT_SCHED, &back);
	}
}

/* ----------------------------------------------------------------- sending */

int
mail_send(struct mail *m, uint64_t to, struct slice bytes)
{
	struct desc *d = &m->out[m->out_cnt];
	int err = 0;

	if (bytes.len > MESSAGE_BYTES_MAX || m->out_cnt == MAIL_OUT_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	*d = (struct desc){ .kind = DESC_SEND, .call = to };
	if (bytes.len > MESSAGE_INLINE_BYTES) {
		uint8_t *p;

		err = payload_alloc(m->pool, bytes.len, m->proc, &d->ref, &p);
		if (err != 0) {
			return err;
		}
		memcpy(p, bytes.p, bytes.len);
	} else {
		d->flags = DESC_F_INLINE;
		d->len = (uint8_t)bytes.len;
		if (bytes.len != 0) {
			memcpy(d->data, bytes.p, bytes.len);
		}
	}
	d->word[4] = m->call;
	d->b = message_seq(m->vertex, ++m->seq);
	m->out_cnt++;
	m->used = true;
	return 0;
}

/* Forgets out[i]. */
static void
out_remove(struct mail *m, uint32_t i)
{
	if ((m->out[i].flags & DESC_F_INLINE) == 0) {
		payload_release(m->pool, m->out[i].ref.handle, m->proc);
	}
	m->sent_cnt -= i < m->sent_cnt;
	m->out_cnt--;
	memmove(&m->out[i], &m->out[i + 1], (m->out_cnt - i) * sizeof(m->out[0]));
}

static bool
on_sent(struct mail *m, const struct desc *d)
{
	for (uint32_t i = 0; i < m->sent_cnt; i++) { /* the first, nearly always */
		if (m->out[i].call == d->call && m->out[i].b == d->b) {
			out_remove(m, i);
			if (d->err != 0 && m->err == 0) {
				m->err = d->err < 0 ? d->err : MB_ERR_INVALID;
				m->err_call = d->call;
			}
			break;
		}
	}
	return true;
}

/* Waits for one more answer. Returns: 1 when something came; 0 at the time; MB_ERR_NO_NODE. */
static int
await(struct mail *m, uint64_t until_ns)
{
	struct desc d;
	uint32_t sent_cnt = m->sent_cnt;
	uint64_t come = m->come;
	int n;

	m->waiting = true;
	n = m->wait->answer(m->wait->ctx, until_ns, &d);
	m->waiting = false;
	if (n == 0 && (m->sent_cnt != sent_cnt || m->come != come)) {
		return 1;
	}
	if (n == 1) { /* of a cache tile: nobody waits for it any more */
		session_on_answer(m->session, &d);
	}
	return n;
}

int
mail_publish(struct mail *m, uint64_t until_ns)
{
	m->err = 0;
	while (m->out_cnt != 0) {
		int n;

		while (m->sent_cnt < MIN(m->out_cnt, (uint32_t)MESSAGE_WINDOW)) {
			n = m->wait->send(m->wait->ctx, PORT_SCHED, &m->out[m->sent_cnt]);
			if (n != 0) {
				return n;
			}
			m->sent_cnt++;
		}
		n = await(m, until_ns);
		if (n < 0) {
			return n;
		}
		if (n == 0 && until_ns != 0 && m->wait->now_ns(m->wait->ctx) >= until_ns) {
			return MB_ERR_INDETERMINATE;
		}
	}
	return m->err;
}

void
mail_discard(struct mail *m)
{
	while (m->out_cnt > m->sent_cnt) {
		out_remove(m, m->out_cnt - 1);
	}
}

/* --------------------------------------------------------------- receiving */

static int
listen_tell(struct mail *m, uint8_t sub)
{
	struct desc d = { .kind = DESC_LISTEN, .sub = sub, .call = m->call, .b = m->taken };

	m->told = m->taken;
	return m->wait->send(m->wait->ctx, PORT_SCHED, &d);
}

static bool
on_message(struct mail *m, const struct desc *d)
{
	if (!m->listening || d->call != m->call || d->b != m->come ||
	    m->come - m->taken == MESSAGE_WINDOW) {
		drop(m, d); /* of the call before; or no sched of ours sends that */
		return true;
	}
	m->in[m->come++ % MESSAGE_WINDOW] = *d;
	return true;
}

static void
view_end(struct mail *m)
{
	if (m->viewed) {
		m->ops->drop(m->ops->ctx, &m->last.ref);
		m->viewed = false;
		drop(m, &m->last);
	}
}

/* Hands out the next one. */
static int
take(struct mail *m, uint64_t *ret_from, struct slice *ret)
{
	const uint8_t *p;
	size_t len;
	int err;

	m->last = m->in[m->taken++ % MESSAGE_WINDOW];
	err = m->ops->bytes(m->ops->ctx, &m->last, &p, &len, &m->viewed);
	if (err != 0) {
		drop(m, &m->last);
		return MB_ERR_CORRUPT;
	}
	*ret_from = m->last.word[4];
	*ret = slice_of(p, len);
	/* Half a window before it is used up, so that it never is while the receiver keeps up. */
	return m->taken - m->told >= MESSAGE_WINDOW / 2 ? listen_tell(m, 0) : 0;
}

int
mail_recv(struct mail *m, uint64_t until_ns, uint64_t *ret_from, struct slice *ret)
{
	int n = 0;

	view_end(m);
	m->used = true;
	if (!m->listening) {
		m->listening = true;
		n = listen_tell(m, 0);
	}
	while (n >= 0 && m->taken == m->come) {
		if (until_ns != 0 && m->wait->now_ns(m->wait->ctx) >= until_ns) {
			return MB_ERR_NOT_FOUND;
		}
		n = await(m, until_ns);
	}
	return n < 0 ? n : take(m, ret_from, ret);
}

/* --------------------------------------------------------------------- end */

int
mail_end(struct mail *m)
{
	int err = 0;

	if (likely(!m->used)) {
		return 0;
	}
	view_end(m);
	mail_discard(m);
	for (; m->taken < m->come; m->taken++) {
		drop(m, &m->in[m->taken % MESSAGE_WINDOW]);
	}
	if (m->listening) {
		err = listen_tell(m, LISTEN_END);
	}
	while (err >= 0 && m->sent_cnt != 0) {
		err = await(m, 0);
	}
	m->listening = m->used = false;
	m->taken = m->come = m->told = m->seq = 0;
	return MIN(err, 0);
}

bool
mail_on(struct mail *m, const struct desc *d)
{
	return d->kind == DESC_SENT      ? on_sent(m, d)
	       : d->kind == DESC_MESSAGE ? on_message(m, d)
					 : false;
}

uint32_t
mail_held(const struct mail *m)
{
	return m->out_cnt + (uint32_t)(m->come - m->taken) + m->viewed;
}
