/* SPDX-License-Identifier: Apache-2.0 */
/* domain_wait - waiting for messages: who may spin, for how long, and for whom the cpu is given up
 */
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>

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
/* A yield that took less than the first found nobody, one that took the second or more somebody.
 * Between them time cannot tell: alone it takes 500 ns here, 1 us while somebody traces system
 * calls, or where what it needs of the kernel is not in the caches, and two switches take as long
 * on a quick machine. There the kernel is asked, which counts switches, and takes 310 ns; a wait
 * for somebody who is there, 2.9 us and more here, has no need of it. */
#define YIELD_ALONE_NS 700
#define YIELD_FOUND_NS 2000
/* An executor gives its cpu away once a wait, after some looks: whom the yield finds is a guest, if
 * he gives it back within this time: he waits for something himself, and perhaps for what is to be
 * done here. A guest gets the cpu before the first look. Who keeps it longer is left to the kernel,
 * the next 1, 2, 4 .. 1024 times. */
#define GUEST_LONG_NS  (50 * NS_PER_US)
#define GUEST_VAIN_MAX 10
#define OWED_RETRY_NS  NS_PER_MS /* ctl reading its queue does not ring us */

static bool
domain_cpu_in(const uint8_t *set, uint32_t cpu)
{
	return (set[cpu / 8] >> (cpu % 8) & 1) != 0;
}

/* Who we are to the spin token. */
static uint64_t
domain_who(const struct domain *d)
{
	return (uint64_t)d->inc << 16 | d->proc;
}

/* Takes the right to spin here, if this process may spin on this cpu at all: executors on theirs,
 * clients on those that no executor uses. */
static bool
domain_spin(struct domain *d, enum domain_await await)
{
	uint64_t any = await != AWAIT_DAEMON_NEXT ? SPIN_ANY : 0;
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
	d->spinning = spin_try(d->hints, d->spin_cpu, domain_who(d) | any);
	return d->spinning;
}

void
domain_rest(struct domain *d)
{
	if (d->spinning) {
		spin_release(d->hints, d->spin_cpu, domain_who(d));
		d->spinning = false;
	}
}

static bool
domain_node_gone(const struct domain *d)
{
	struct pollfd p = { .fd = d->sock, .events = 0 };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

/* Whether a yield that took so long gave the cpu to somebody. The count is compared with what it
 * was when the kernel was last asked: a switch in between is taken for this one, once, and costs
 * one more yield. (Sleeps are counted apart.) */
static bool
domain_yield_found(struct domain *d, uint64_t took)
{
	struct rusage used;
	long were = d->switch_cnt;

	if (likely(took < YIELD_ALONE_NS || took >= YIELD_FOUND_NS)) {
		return took >= YIELD_FOUND_NS;
	}
	getrusage(RUSAGE_THREAD, &used); /* cannot fail */
	d->switch_cnt = used.ru_nivcsw;
	return d->switch_cnt != were;
}

/* Gives the cpu to a guest, or looks whether there is one: a client that came in by the net tile,
 * say, and is on this machine all the same. Returns: false, who got it kept it. */
static bool
domain_give(struct domain *d)
{
	uint64_t from, took;

	if (d->give_skip > 0) {
		d->give_skip--;
		return true;
	}
	from = timebase_now_ns(timebase_real());
	sched_yield();
	took = timebase_now_ns(timebase_real()) - from;
	d->guest = took < GUEST_LONG_NS && domain_yield_found(d, took);
	if (likely(took < GUEST_LONG_NS)) {
		d->give_vain = 0;
		return true;
	}
	d->give_skip = 1u << d->give_vain;
	d->give_vain += d->give_vain < GUEST_VAIN_MAX;
	return false;
}

/* Gives the cpu to the daemon, as long as that takes it, and gives it back with the next call or
 * after a look in vain: two yields take less than a sleep and a wake. Returns as domain_poll; 0
 * when nobody wanted the cpu, or the time is used up. */
static int
domain_wait_yielding(struct domain *d, uint64_t until_ns, struct desc *ret, struct channel **ret_ch)
{
	const uint64_t from = timebase_now_ns(timebase_real());
	uint64_t before, now = from;
	int n;

	do {
		before = now;
		sched_yield();
		n = domain_poll(d, ret, ret_ch);
		if (n != 0 || unlikely(d->interrupted)) {
			return n;
		}
		now = timebase_now_ns(timebase_real());
	} while (domain_yield_found(d, now - before) && now - from < d->welcome.spin_ns &&
		 (until_ns == 0 || now < until_ns));
	return 0;
}

/* Spins for the budget. Returns as domain_poll; 0 when the budget or the time is used up. The clock
 * is read between rounds of polls only: it costs as much as several of them. */
static int
domain_wait_spin(struct domain *d, enum domain_await await, uint64_t until_ns, struct desc *ret,
		 struct channel **ret_ch)
{
	bool shared = domain_cpu_in(d->welcome.cpu_daemon, d->spin_cpu);
	bool may_give = !shared && d->welcome.is_executor;
	bool give = may_give; /* once, and as long as there is a guest */
	uint64_t from = 0;

	if (shared && await == AWAIT_DAEMON_NEXT) {
		return domain_wait_yielding(d, until_ns, ret, ret_ch);
	}
	if (give && d->guest && !domain_give(d)) {
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
		if (give && !domain_give(d)) {
			return 0;
		}
		give = may_give && d->guest;
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
		} else if (domain_spin(d, await)) {
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
