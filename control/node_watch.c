/* SPDX-License-Identifier: Apache-2.0 */
/* node_watch.c - the watchdog: the service manager hears of us as long as every lcore goes round
 *
 * An lcore that sleeps wakes once a second (LCORE_NAP_NS_MAX), so one whose rounds do not rise
 * between two looks, which are seconds apart, hangs in a tile. Then nothing is sent: the manager
 * ends and restarts us. Lcore 0, which looks, proves itself by looking.
 */
#include "lcore.h"
#include "log.h"
#include "metrics.h"
#include "node_int.h"

#define LOOKS       3 /* in the time the manager allows: one may come late, and we live */
#define LOOK_NS_MIN (2 * LCORE_NAP_NS_MAX)

static void
node_look(void *ctx)
{
	struct node *n = ctx;
	bool all = true;

	for (uint32_t i = 1; i < n->topo->lcore_cnt; i++) {
		uint64_t now = metrics_get(lcore_metrics(n->lcore[i]), METRIC_lcore_pass_run);

		if (now == n->watch_pass[i]) {
			log_at(LOG_ERROR, "lcore %u hangs: the watchdog hears nothing", i);
			all = false;
		}
		n->watch_pass[i] = now;
	}
	if (all) {
		notify_tell(&n->notify, "WATCHDOG=1");
	}
}

void
node_watch(struct node *n)
{
	if (n->notify.watchdog_ns == 0) {
		return;
	}
	if (n->notify.watchdog_ns < LOOKS * LOOK_NS_MIN) {
		log_at(LOG_WARN,
		       "a watchdog of less than %llu s is too short to tell sleep from "
		       "hanging: it is not served, and will end this node",
		       LOOKS * LOOK_NS_MIN / NS_PER_S);
		return;
	}
	n->ctl->watch = node_look;
	n->ctl->watch_pause_ns = n->notify.watchdog_ns / LOOKS;
	n->ctl->watch_ns = ctl_now(n->ctl) + n->ctl->watch_pause_ns;
}
