/* SPDX-License-Identifier: Apache-2.0 */
/* domain_poll - taking messages, and what ctl tells a process
 *
 * Which ports are looked at. A process may have 72, of which a few are in use at a time. The hot
 * ones, those that spoke last, are polled at every turn; the bell says which others have spoken,
 * and is read at every BELL_SWEEP-th turn, busy or not. As it is only a hint, all of them are
 * polled now and then, and before a sleep. Every look begins behind where the last one ended, so
 * who sends without end keeps nobody else out.
 *
 * A death. ctl's notice comes when everything the dead process had published to the daemon has
 * been taken. What it had published to us is still in its region, so:
 *   1  the notice waits (dying) until the channel with the dead process is drained;
 *   2  closed and dead are told to the owner of this domain, our port is cleared;
 *   3  when no view of the dead process's payloads is left, its memory is unmapped and the notice
 *      acknowledged. ctl gives the index away again only after that.
 * While one death waits, ctl's port is not read: notices are handled in order.
 */
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "domain.h"
#include "timebase.h"

#define ASK_AGAIN_NS (100 * NS_PER_MS)

static inline bool
domain_port_open(const struct domain *d, uint32_t port)
{
	return port < PORT_CNT && d->ch[port].rx_slots != NULL;
}

static void
domain_heat(struct domain *d, uint8_t port)
{
	for (uint32_t i = 0; i < HOT_CNT; i++) {
		if (d->hot[i] == port) {
			return;
		}
	}
	if (d->hot[d->hot_next] != PORT_CNT) {
		bell_keep(d->bell, d->hot[d->hot_next]); /* it may hold more: look again later */
	}
	d->hot[d->hot_next] = port;
	d->hot_next = (uint8_t)((d->hot_next + 1) % HOT_CNT);
}

static void
domain_cool(struct domain *d, uint8_t port)
{
	for (uint32_t i = 0; i < HOT_CNT; i++) {
		if (d->hot[i] == port) {
			d->hot[i] = PORT_CNT;
		}
	}
}

/* Sends what waits for room in ctl's queue. */
static void
domain_push_ctl(struct domain *d)
{
	while (d->owed_cnt > 0 && channel_send(&d->ch[PORT_CTL], &d->owed[d->owed_first]) == 0) {
		d->owed_first = (uint16_t)((d->owed_first + 1) % DOMAIN_OWED_MAX);
		d->owed_cnt--;
	}
}

/* Tells ctl what it waits for: it keeps an index or a port until it hears of it. When many die at
 * once that may be more than the queue holds; the rest waits here. */
static void
domain_tell_ctl(struct domain *d, const struct desc *m)
{
	domain_push_ctl(d);
	if (d->owed_cnt == 0 && channel_send(&d->ch[PORT_CTL], m) != MB_ERR_FULL) {
		return;
	}
	if (d->owed_cnt == DOMAIN_OWED_MAX) {
		d->ch[PORT_CTL].err = MB_ERR_PEER_CORRUPT; /* no sound ctl is owed so much */
		return;
	}
	d->owed[(d->owed_first + d->owed_cnt++) % DOMAIN_OWED_MAX] = *m;
}

struct channel *
domain_channel(struct domain *d, uint16_t proc)
{
	uint8_t port = d->port_of[proc];

	return port != 0 && d->ch[port].err == 0 ? &d->ch[port] : NULL;
}

/* Closes a direct port: the owner is told, the port cleared, ctl told. */
static void
domain_close_port(struct domain *d, struct channel *ch, int err)
{
	struct desc m = { .kind = DESC_CLOSE, .a = ch->port, .err = (int16_t)err };

	if (d->events.closed != NULL) {
		d->events.closed(d->events.ctx, ch, err);
	}
	domain_cool(d, (uint8_t)ch->port);
	d->port_of[ch->proc] = 0;
	channel_clear(ch);
	domain_tell_ctl(d, &m);
}

/* Makes our end of a channel that ctl has paired, mapping the peer first. */
static int
domain_open_port(struct domain *d, const struct desc *m)
{
	struct channel *ch;
	struct peer *peer;
	int err;

	if (m->a < PORT_DIRECT_FIRST || m->a >= PORT_CNT || m->open.proc >= PROC_CNT_MAX ||
	    m->open.port >= PORT_CNT || domain_port_open(d, m->a) || m->b > d->welcome.lcore_cnt) {
		return MB_ERR_INVALID;
	}
	err = peer_attach(&d->peers, m->open.proc, m->open.inc, &peer);
	if (err != 0) {
		return err;
	}
	ch = &d->ch[m->a];
	channel_init(ch, &d->own, m->a, &peer->region, m->open.port, &d->hints->proc[m->open.proc],
		     m->open.port, m->b != 0 ? d->lcore_fd[m->b - 1] : -1);
	ch->proc = m->open.proc;
	ch->inc = m->open.inc;
	d->port_of[ch->proc] = (uint8_t)m->a;
	domain_heat(d, (uint8_t)m->a);
	return 0;
}

static void
domain_on_open(struct domain *d, const struct desc *m)
{
	struct desc ack = { .kind = DESC_OPEN_ACK, .a = m->a, .open = m->open };

	ack.err = (int16_t)domain_open_port(d, m);
	domain_tell_ctl(d, &ack);
}

static void
domain_on_opened(struct domain *d, const struct desc *m)
{
	struct desc refuse = { .kind = DESC_CLOSE, .a = m->a };

	if (m->err != 0) {
		return; /* refused: asked_ns keeps us from asking again at once */
	}
	refuse.err = (int16_t)domain_open_port(d, m);
	if (refuse.err != 0) {
		domain_tell_ctl(d, &refuse);
	} else if (d->events.opened != NULL) {
		d->events.opened(d->events.ctx, &d->ch[m->a]);
	}
}

/* The end of a view: what waited for the last one happens now. */
static void
domain_view_end(struct domain *d, uint16_t proc)
{
	struct desc *m = &d->buried[proc];

	REQUIRE(d->views[proc] > 0);
	if (--d->views[proc] > 0) {
		return;
	}
	if (m->kind == DESC_DEAD) {
		peer_detach(&d->peers, proc);
		m->kind = DESC_DEAD_ACK;
		domain_tell_ctl(d, m);
		m->kind = DESC_NONE;
	} else {
		peer_sweep(&d->peers, proc);
	}
}

static void
domain_bury(struct domain *d)
{
	struct desc m = d->dying;
	struct channel *ch = domain_channel(d, m.dead.proc);

	d->dying.kind = DESC_NONE;
	if (ch != NULL) {
		domain_close_port(d, ch, MB_ERR_PEER_DIED);
	}
	if (d->events.dead != NULL) {
		d->events.dead(d->events.ctx, &m);
	}
	payload_release_all(d->pool, m.dead.proc);
	returns_drop(d->returns, m.dead.proc);
	d->buried[m.dead.proc] = m;
	d->views[m.dead.proc]++; /* so that the end of the last view is in one place */
	domain_view_end(d, m.dead.proc);
}

/* Sends a RELEASE straight, or by sched, who keeps what its producer does not take. */
static bool
domain_send_release(struct domain *d, uint16_t proc, const struct desc *m)
{
	struct channel *ch = domain_channel(d, proc);

	return (ch != NULL && channel_send(ch, m) == 0) ||
	       channel_send(&d->ch[PORT_SCHED], m) != MB_ERR_FULL;
}

static void
domain_return(struct domain *d, uint16_t proc)
{
	struct desc m;

	while (returns_next(d->returns, proc, &m) > 0 && domain_send_release(d, proc, &m)) {
		returns_sent(d->returns, proc, &m);
	}
}

static void
domain_return_all(struct domain *d)
{
	for (uint16_t p = returns_proc(d->returns, 0); p < PROC_CNT_MAX;
	     p = returns_proc(d->returns, (uint16_t)(p + 1))) {
		domain_return(d, p);
	}
}

static void
domain_on_release(struct domain *d, const struct desc *m, const struct channel *ch)
{
	/* Through a tile: the daemon says whose hold it is. */
	uint16_t holder = ch->proc == PROC_DAEMON && m->a != 0 ? m->a : ch->proc;

	if (m->release.proc != d->proc || m->release.inc != d->inc || m->release.cnt > 8) {
		return;
	}
	for (uint32_t i = 0; i < m->release.cnt; i++) {
		payload_release(d->pool, m->release.handle[i], holder);
	}
}

/* Handles the domain's own kinds. Returns false when the message is for the caller. */
static bool
domain_on(struct domain *d, const struct desc *m, struct channel *ch)
{
	struct desc pong;

	if (m->kind == DESC_RELEASE) {
		domain_on_release(d, m, ch);
		return true;
	}
	if (ch->port != PORT_CTL) {
		return m->kind < DESC_CALL_FIRST; /* nobody else has a say in these: ignored */
	}
	switch (m->kind) {
	case DESC_OPEN:
		domain_on_open(d, m);
		return true;
	case DESC_OPENED:
		domain_on_opened(d, m);
		return true;
	case DESC_CLOSE:
		if (m->a >= PORT_DIRECT_FIRST && domain_port_open(d, m->a)) {
			domain_close_port(d, &d->ch[m->a], m->err);
		}
		return true;
	case DESC_DEAD:
		if (m->dead.proc > 0 && m->dead.proc < PROC_CNT_MAX) {
			d->dying = *m;
		}
		return true;
	case DESC_SEG_GONE:
		if (m->release.proc < PROC_CNT_MAX) {
			peer_seg_gone(&d->peers, m->release.proc, m->release.inc,
				      m->release.handle[0]);
			if (d->views[m->release.proc] == 0) {
				peer_sweep(&d->peers, m->release.proc);
			}
		}
		return true;
	case DESC_PING:
		if (d->events.ping != NULL) {
			d->events.ping(d->events.ctx, m);
			return true;
		}
		pong = *m;
		pong.kind = DESC_PONG;
		channel_send(ch, &pong); /* no room: ctl pings again */
		return true;
	case DESC_DRAIN:
		if (d->events.drain != NULL) {
			d->events.drain(d->events.ctx);
		}
		return true;
	default:
		return m->kind < DESC_CALL_FIRST;
	}
}

/* Polls one port. Returns 1 with a message for the caller; 0; negative when the node is lost.
 * Messages that are handled here are bounded too: their sender may be as fast as we are. Taking as
 * many as a queue holds is enough before a sleep: one more was sent after the flag was up. */
static int
domain_poll_port(struct domain *d, uint32_t port, struct desc *ret, struct channel **ret_ch)
{
	struct channel *ch = &d->ch[port];
	int n;

	if (ch->rx_slots == NULL || (port == PORT_CTL && d->dying.kind != DESC_NONE)) {
		return 0;
	}
	for (uint32_t i = 0; i < CHANNEL_DEPTH; i++) {
		n = channel_recv(ch, ret);
		if (likely(n == 0)) {
			return 0;
		}
		if (unlikely(n < 0)) {
			if (port < PORT_DIRECT_FIRST) {
				return MB_ERR_NO_NODE;
			}
			domain_close_port(d, ch, n);
			return 0;
		}
		domain_heat(d, (uint8_t)port);
		if (ret->kind >= DESC_CALL_FIRST || !domain_on(d, ret, ch)) {
			*ret_ch = ch;
			return 1;
		}
		if (port == PORT_CTL && d->dying.kind != DESC_NONE) {
			return 0;
		}
	}
	return 0;
}

/* A death waits: drain its channel, then bury it. */
static int
domain_poll_dying(struct domain *d, struct desc *ret, struct channel **ret_ch)
{
	struct channel *ch = domain_channel(d, d->dying.dead.proc);

	if (ch != NULL && ch->inc == d->dying.dead.inc) {
		int n = domain_poll_port(d, ch->port, ret, ret_ch);

		if (n != 0) {
			return n;
		}
	}
	domain_bury(d);
	bell_keep(d->bell, PORT_CTL);
	return 0;
}

/* The ports that the bell names. Hot ones are polled without it. */
static int
domain_poll_bell(struct domain *d, struct desc *ret, struct channel **ret_ch)
{
	uint64_t bits[(PORT_CNT + 63) / 64];
	uint64_t any = 0;

	for (uint32_t w = 0; w < ARRAY_CNT(bits); w++) {
		bits[w] = bell_take(d->bell, w);
	}
	for (uint32_t i = 0; i < HOT_CNT; i++) {
		bits[d->hot[i] / 64] &= ~(UINT64_C(1) << (d->hot[i] % 64));
	}
	for (uint32_t w = 0; w < ARRAY_CNT(bits); w++) {
		any |= bits[w];
	}
	for (uint32_t i = 0; any != 0 && i < PORT_CNT; i++) {
		uint32_t port = (d->next + i) % PORT_CNT;
		int n;

		if ((bits[port / 64] >> (port % 64) & 1) == 0) {
			continue;
		}
		bits[port / 64] &= ~(UINT64_C(1) << (port % 64));
		n = domain_poll_port(d, port, ret, ret_ch);
		if (n != 0) {
			d->next = (uint8_t)(port + 1);
			for (uint32_t w = 0; w < ARRAY_CNT(bits); w++) {
				atomic_fetch_or_explicit(&d->bell->bits[w], bits[w],
							 memory_order_relaxed);
			}
			return n; /* it is hot now; the rest has its bits back */
		}
	}
	return 0;
}

/* Every port, whatever the hints say. While a death waits ctl's port is not read, so after it is
 * buried all is looked at once more. */
int
domain_poll_all(struct domain *d, struct desc *ret, struct channel **ret_ch)
{
	int n;

	for (;;) {
		for (uint32_t i = 0; i < PORT_CNT; i++) {
			uint32_t port = (d->next + i) % PORT_CNT;

			n = domain_poll_port(d, port, ret, ret_ch);
			if (n != 0) {
				d->next = (uint8_t)(port + 1);
				return n;
			}
		}
		if (d->dying.kind == DESC_NONE) {
			return 0;
		}
		n = domain_poll_dying(d, ret, ret_ch);
		if (n != 0) {
			return n;
		}
	}
}

int
domain_poll(struct domain *d, struct desc *ret, struct channel **ret_ch)
{
	uint32_t turn = d->turn++;
	int n;

	if (unlikely(turn % BELL_SWEEP == 0)) {
		domain_push_ctl(d);
		domain_return_all(d);
		n = turn % PORT_SWEEP == 0 ? domain_poll_all(d, ret, ret_ch)
					   : domain_poll_bell(d, ret, ret_ch);
		if (n != 0) {
			return n;
		}
	}
	if (unlikely(d->dying.kind != DESC_NONE && turn % 2 == 0)) {
		n = domain_poll_dying(d, ret, ret_ch); /* not only when nothing is hot */
		if (n != 0) {
			return n;
		}
	}
	for (uint32_t i = 0; i < HOT_CNT; i++) {
		uint8_t port = d->hot[(turn + i) % HOT_CNT];

		if (port != PORT_CNT && !channel_idle(&d->ch[port])) { /* hot ports are open */
			n = domain_poll_port(d, port, ret, ret_ch);
			if (n != 0) {
				return n;
			}
		}
	}
	if (unlikely(d->dying.kind != DESC_NONE)) {
		return domain_poll_dying(d, ret, ret_ch);
	}
	return 0;
}

int
domain_open(struct domain *d, uint16_t proc)
{
	struct desc m = { .kind = DESC_OPEN_REQ, .a = proc };
	uint64_t now = timebase_now_ns(timebase_real());

	if (proc < PROC_EXEC_FIRST || proc >= PROC_CLIENT_FIRST) {
		return MB_ERR_INVALID;
	}
	if (domain_channel(d, proc) != NULL ||
	    (d->asked_ns[proc] != 0 && now - d->asked_ns[proc] < ASK_AGAIN_NS)) {
		return 0;
	}
	domain_push_ctl(d);
	if (d->owed_cnt > 0) {
		return MB_ERR_FULL;
	}
	d->asked_ns[proc] = now;
	return channel_send(&d->ch[PORT_CTL], &m);
}

void
domain_drop(struct domain *d, const struct payload_ref *ref)
{
	if (ref->proc == d->proc) {
		payload_release(d->pool, ref->handle, d->proc); /* domain_view's */
	}
	domain_view_end(d, ref->proc);
}

/* Many go eight in a message, so that sched's queue takes what a client can have. */
static void
domain_owe(struct domain *d, const struct payload_ref *ref)
{
	const int few = CHANNEL_DEPTH - RETURNS_BATCH;

	if (returns_add(d->returns, ref, 0) &&
	    (returns_of(d->returns, ref->proc) >= RETURNS_BATCH ||
	     channel_space(&d->ch[PORT_SCHED], (uint32_t)few) >= few)) {
		domain_return(d, ref->proc);
	}
}

void
domain_release(struct domain *d, const struct payload_ref *ref)
{
	struct desc m = { .kind = DESC_RELEASE,
			  .release = { .inc = ref->inc,
				       .proc = ref->proc,
				       .cnt = 1,
				       .handle = { ref->handle } } };
	struct channel *ch;

	if (ref->proc == d->proc) {
		domain_drop(d, ref);
		return;
	}
	if (d->buried[ref->proc].kind == DESC_NONE) {
		ch = domain_channel(d, ref->proc);
		if (channel_send(ch != NULL ? ch : &d->ch[PORT_SCHED], &m) == MB_ERR_FULL) {
			domain_owe(d, ref);
		}
	}
	domain_view_end(d, ref->proc);
}

uint32_t
domain_returns(const struct domain *d)
{
	return returns_cnt(d->returns);
}
