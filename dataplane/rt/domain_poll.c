/* SPDX-License-Identifier: Apache-2.0 */
/* domain_poll - taking messages, waiting for them, and what ctl tells a process
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
#include <poll.h>
#include <sched.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "domain.h"
#include "timebase.h"

/* On a cpu that the daemon uses: pause so long, three warm calls, then yield; at once when it is
 * the daemon that is waited for. */
#define SPIN_SHARED_NS 1000
/* On any other cpu one pauses for all of the budget. Who spun so in vain leaves it out the next
 * time, or the next 2, 4 .. 64 times: nobody calls that often, or what would call has this cpu, and
 * gets it when we sleep. No clock can tell which: a yield comes back at once also where somebody
 * waits for the cpu, as who slept much is owed much. */
#define SPIN_VAIN_MAX  6
#define ASK_AGAIN_NS   (100 * NS_PER_MS)
#define OWED_RETRY_NS  NS_PER_MS /* ctl reading its queue does not ring us */

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
static int
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

static bool
domain_cpu_in(const uint8_t *set, uint32_t cpu)
{
	return (set[cpu / 8] >> (cpu % 8) & 1) != 0;
}

/* Takes the right to spin here, if this process may spin on this cpu at all: executors on theirs,
 * clients on those that no executor uses. */
static bool
domain_spin(struct domain *d)
{
	int cpu = sched_getcpu();

	if (cpu < 0 || cpu >= CPU_CNT_MAX || d->welcome.spin_ns == 0) {
		return false;
	}
	if (d->spinning && d->spin_cpu != (uint32_t)cpu) {
		domain_rest(d);
	}
	if (!d->welcome.is_executor && domain_cpu_in(d->welcome.cpu_exec, (uint32_t)cpu)) {
		return false;
	}
	d->spin_cpu = (uint32_t)cpu;
	d->spinning = spin_try(d->hints, d->spin_cpu, (uint64_t)d->inc << 16 | d->proc);
	return d->spinning;
}

void
domain_rest(struct domain *d)
{
	if (d->spinning) {
		spin_release(d->hints, d->spin_cpu, (uint64_t)d->inc << 16 | d->proc);
		d->spinning = false;
	}
}

static bool
domain_node_gone(const struct domain *d)
{
	struct pollfd p = { .fd = d->sock, .events = 0 };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* Spins for the budget. Returns as domain_poll; 0 when the budget or the time is used up. The clock
 * is read between rounds of polls only: it costs as much as several of them. */
static int
domain_wait_spin(struct domain *d, enum domain_await await, uint64_t until_ns, struct desc *ret,
		 struct channel **ret_ch)
{
	bool shared = domain_cpu_in(d->welcome.cpu_daemon, d->spin_cpu);
	uint64_t from = 0;

	if (shared && await == AWAIT_DAEMON_NEXT) {
		return 0;
	}
	if (shared && await == AWAIT_DAEMON) {
		sched_yield();
	}
	for (;;) {
		uint64_t now;

		for (uint32_t i = 0; i < BELL_SWEEP; i++) {
			int n = domain_poll(d, ret, ret_ch);

			if (n != 0 || unlikely(d->interrupted)) {
				d->spin_vain = 0;
				return n;
			}
			cpu_pause();
		}
		now = timebase_now_ns(timebase_real());
		from = from == 0 ? now : from;
		if (until_ns != 0 && now >= until_ns) {
			return 0;
		}
		if (now - from >= d->welcome.spin_ns) {
			if (!shared) {
				d->spin_skip = 1u << d->spin_vain;
				d->spin_vain += d->spin_vain < SPIN_VAIN_MAX;
			}
			return 0;
		}
		if (shared && now - from >= SPIN_SHARED_NS) {
			sched_yield();
		}
	}
}

/* Whether a callback asked for the end of the wait; and forgets it. */
static inline bool
domain_interrupted(struct domain *d)
{
	bool was = d->interrupted;

	d->interrupted = false;
	return unlikely(was);
}

int
domain_wait(struct domain *d, enum domain_await await, uint64_t until_ns, struct desc *ret,
	    struct channel **ret_ch)
{
	for (bool first = true;; first = false) {
		uint64_t now;
		int n = domain_poll(d, ret, ret_ch);

		if (likely(n != 0) || domain_interrupted(d)) {
			return n;
		}
		if (d->spin_skip > 0) {
			d->spin_skip -= first;
		} else if (domain_spin(d)) {
			n = domain_wait_spin(d, await, until_ns, ret, ret_ch);
			if (n != 0 || domain_interrupted(d)) {
				return n; /* and keep the token: the next wait is near */
			}
			domain_rest(d);
		}
		bell_arm(d->bell);
		n = domain_poll_all(d, ret, ret_ch);
		now = timebase_now_ns(timebase_real());
		if (n != 0 || domain_interrupted(d) || (until_ns != 0 && now >= until_ns)) {
			bell_disarm(d->bell);
			return n;
		}
		bell_sleep(d->bell,
			   MIN(until_ns != 0 ? until_ns - now : WAIT_MAX_NS,
			       d->owed_cnt > 0 || returns_cnt(d->returns) > 0 ? OWED_RETRY_NS
									      : WAIT_MAX_NS));
		if (d->events.slept != NULL) {
			d->events.slept(d->events.ctx);
		}
		n = domain_poll(d, ret, ret_ch); /* first what it was woken for */
		if (likely(n != 0) || domain_interrupted(d)) {
			return n;
		}
		if (domain_node_gone(d)) {
			/* What it had published before it died still counts. */
			n = domain_poll_all(d, ret, ret_ch);
			return n != 0 ? n : MB_ERR_NO_NODE;
		}
	}
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
