/* SPDX-License-Identifier: Apache-2.0 */
/* subject_idle.c - see subject_idle.h; a sample is a second of idleness */
#include "subject_idle.h"

#include <time.h>

#define LOAD_CNT  20000
#define SETTLE_NS (1500 * NS_PER_MS)
#define WINDOW_NS NS_PER_S
#define SMOKE_NS  (50 * NS_PER_MS)

static void
rest(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };

	nanosleep(&t, NULL);
}

static int
load(struct env *env)
{
	int err = 0;

	for (uint32_t i = 0; i < LOAD_CNT && err == 0; i++) {
		err = node_call(env->node, i % 10 == 0 ? "bench_put_one" : "bench_increment", 1,
				NULL);
	}
	return err;
}

int
subject_idle(struct env *env, const struct bench *bench, struct measure *ret)
{
	const struct pace *pace = bench_pace(env, bench);
	struct usage_set node;
	int err = env_node(env, "");

	if (err == 0) {
		err = load(env);
	}
	if (err != 0) {
		return err;
	}
	usage_family(&node, env->node->pid);
	rest(env->smoke ? SMOKE_NS : SETTLE_NS);
	for (uint32_t i = 0; i < pace->block_cnt; i++) {
		uint64_t start_ns = timebase_now_ns(timebase_real()), end_ns;
		double cpu_s = usage_cpu_s(&node), wakes = usage_wakes(&node), elapsed_s;

		if (*env->stop) {
			return MB_ERR_INTERRUPTED;
		}
		rest(env->smoke ? SMOKE_NS : WINDOW_NS);
		end_ns = timebase_now_ns(timebase_real());
		elapsed_s = (double)(end_ns - start_ns) / 1e9;
		cpu_s = usage_cpu_s(&node) - cpu_s;
		wakes = usage_wakes(&node) - wakes;
		figures_add(&ret[0].subject, (uint64_t)(cpu_s / elapsed_s * 100 * 1e3));
		figures_add(&ret[1].subject, (uint64_t)(wakes / elapsed_s * 1e3));
		figures_add(&ret[2].subject,
			    (uint64_t)(usage_memory_bytes(&node) / (1 << 20) * 1e3));
		for (unsigned row = 0; row < 3; row++) {
			figures_block_end(&ret[row].subject);
			ret[row].attempts = 1;
			ret[row].moved = 1; /* no floor, so nothing says that the machine moved */
		}
	}
	return 0;
}
