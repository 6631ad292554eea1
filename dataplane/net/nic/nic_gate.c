/* SPDX-License-Identifier: Apache-2.0 */
/* nic_gate.c - see nic_gate.h
 *
 * The callback ends a round when it begins, and begins the next when it returns. Between, the
 * thread looks once at what it watches, before the alarm can ring again: that is ROUND_US, longer
 * than the thread needs to be done with its list of alarms, where one that rings at once would be
 * run without a look between.
 */
#include "nic_gate.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <rte_alarm.h>
#include <rte_ethdev.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#undef container_of /* ours checks types */
#undef NS_PER_S     /* ours are unsigned */
#undef US_PER_S

#include "microburst/error.h"
#include "timebase.h"

#define GATE_ROUND_NS (50 * NS_PER_MS)
#define AGAIN_NS      (500 * NS_PER_MS) /* longer than a link takes to come up */
#define ROUND_US      30u
#define SPINS         256 /* a burst is some microseconds */
#define NAP_NS        (100 * NS_PER_US)

struct nic_gate_state nic_gate_state = { .shut = true };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed; /* on the monotonic clock */
static struct nic_gate *first; /* under lock */
static bool leaving;           /* under lock: somebody wants a round now */
static _Atomic bool armed;     /* the alarm is set, or rings */

static bool
is_up(const struct nic_gate *g)
{
	struct rte_eth_link link = { 0 };

	return rte_eth_link_get_nowait(g->port, &link) == 0 && link.link_status != 0;
}

static bool
any_is_up(void)
{
	const struct nic_gate *g = first;

	while (g != NULL && !is_up(g)) {
		g = g->next;
	}
	return g != NULL;
}

static void
bursts_end(void)
{
	struct timespec nap = { .tv_nsec = NAP_NS };

	atomic_store(&nic_gate_state.shut, true);
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	for (struct nic_gate *g = first; g != NULL; g = g->next) {
		for (int i = 0; atomic_load_explicit(&g->busy, memory_order_acquire) /* A2 */;
		     i++) {
			if (i < SPINS) {
				cpu_pause();
			} else {
				nanosleep(&nap, NULL);
			}
		}
	}
}

/* The interrupt thread waits here. */
static void
gate_open(void *ctx)
{
	struct timespec until;
	bool again;

	(void)ctx;
	pthread_mutex_lock(&lock);
	again = any_is_up();
	if (again) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += (long)GATE_ROUND_NS;
		if (until.tv_nsec >= (long)NS_PER_S) {
			until.tv_nsec -= (long)NS_PER_S;
			until.tv_sec++;
		}
		atomic_store_explicit(&nic_gate_state.shut, false, memory_order_release); /* R1 */
		while (!leaving && pthread_cond_timedwait(&changed, &lock, &until) == 0) {
		}
		bursts_end();
		again = rte_eal_alarm_set(ROUND_US, gate_open, NULL) == 0;
	}
	if (!again) {
		atomic_store(&armed, false);
	}
	pthread_mutex_unlock(&lock);
}

/* In the interrupt thread: the driver's other work is done there too. */
static void
port_again(void *ctx)
{
	const struct nic_gate *g = ctx;

	if (is_up(g)) {
		return;
	}
	rte_eth_dev_stop(g->port);
	rte_eth_dev_start(g->port);
}

bool
nic_gate_shut(struct nic_gate *g)
{
	nic_gate_leave(g);
	if (g->connects && timebase_tsc() >= g->next_tsc && !is_up(g)) {
		g->next_tsc = timebase_tsc() + timebase_ns_to_tsc(AGAIN_NS);
		rte_eal_alarm_set(1, port_again, g);
	}
	if (!atomic_load(&armed) && is_up(g) && !atomic_exchange(&armed, true) &&
	    rte_eal_alarm_set(1, gate_open, NULL) != 0) {
		atomic_store(&armed, false);
	}
	return false;
}

int
nic_gate_add(struct nic_gate *g, uint16_t port, bool connects)
{
	pthread_condattr_t attr;

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0) {
		return MB_ERR_NOT_SUPPORTED;
	}
	pthread_mutex_lock(&lock);
	if (first == NULL) {
		pthread_condattr_init(&attr);
		pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
		pthread_cond_init(&changed, &attr);
		pthread_condattr_destroy(&attr);
	}
	atomic_init(&g->busy, false);
	g->port = port;
	g->connects = connects;
	g->next_tsc = timebase_tsc() + timebase_ns_to_tsc(AGAIN_NS);
	g->next = first;
	first = g;
	pthread_mutex_unlock(&lock);
	return 0;
}

void
nic_gate_remove(struct nic_gate *g)
{
	struct nic_gate **at = &first;
	bool last;

	pthread_mutex_lock(&lock);
	while (*at != g) {
		at = &(*at)->next;
	}
	*at = g->next;
	last = first == NULL;
	leaving = last;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	/* These wait for a callback that runs. */
	rte_eal_alarm_cancel(port_again, g);
	if (last) {
		rte_eal_alarm_cancel(gate_open, NULL);
		pthread_mutex_lock(&lock);
		atomic_store(&armed, false);
		leaving = false;
		pthread_mutex_unlock(&lock);
	}
}
