/* SPDX-License-Identifier: Apache-2.0 */
#include "sched_log.h"

void
sched_log_add(struct sched_log *log, const struct sched_decision *d)
{
	uint32_t i = (uint32_t)(log->seq++ % SCHED_LOG_CNT);

	stage_add(&log->queue, d->waited_ns);
	atomic_store_explicit(&log->call[i], 0, memory_order_relaxed);
	/* R33: a fence; pairs with A33 in sched_log_find. Who sees a part of the new line and looks
	 * at the name again finds none, or the new one. */
	atomic_thread_fence(memory_order_release);
	log->line[i] = *d;
	log->line[i].seq = log->seq;
	/* R34: release; pairs with A34 in sched_log_find. The line is whole when it is named. */
	atomic_store_explicit(&log->call[i], d->call, memory_order_release);
}

uint32_t
sched_log_find(struct sched_log *log, uint64_t call, struct sched_decision *ret, uint32_t max)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < SCHED_LOG_CNT && cnt < max; i++) {
		uint32_t at = cnt;

		/* A34: acquire; pairs with R34 in sched_log_add. */
		if (atomic_load_explicit(&log->call[i], memory_order_acquire) != call) {
			continue;
		}
		ret[cnt] = log->line[i];
		/* A33: a fence; pairs with R33 in sched_log_add. The copy comes before the load. */
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&log->call[i], memory_order_relaxed) != call) {
			continue;
		}
		for (cnt++; at > 0 && ret[at - 1].seq > ret[at].seq; at--) {
			struct sched_decision swap = ret[at];

			ret[at] = ret[at - 1];
			ret[at - 1] = swap;
		}
	}
	return cnt;
}
