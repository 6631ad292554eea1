/* SPDX-License-Identifier: Apache-2.0 */
/* bench_list.c - every bench, as a table
 *
 * Floors first: what the machine can do at all. Then the subjects, each beside its floor.
 */
#include "bench.h"

#include "compiler.h"
#include "floor_syscall.h"

/* Blocks of some 100 us to 1 ms, so that both sides see the same mode of a drifting machine; 50 of
 * each, so that one disturbance is a fiftieth. Waking a partner takes tens of microseconds, an
 * executor of ours spins for 50 us before it sleeps: 200 us of warm-up see neither. */
static const struct pace spinning = {
	.block_cnt = 50,
	.sample_cnt = 2000,
	.warm_cnt = 64,
	.warm_ns = 200000,
	.attempt_cnt = 3,
};
/* A wake each: tens of microseconds. */
static const struct pace sleeping = {
	.block_cnt = 50,
	.sample_cnt = 100,
	.warm_cnt = 8,
	.warm_ns = 200000,
	.attempt_cnt = 3,
};
static const struct pace smoke = {
	.block_cnt = 2,
	.sample_cnt = 20,
	.warm_cnt = 2,
	.warm_ns = 1000,
	.attempt_cnt = 1,
};

const struct bench bench_list[] = {
	{
		.row = { { .name = "floor_line",
			   .unit = "ns",
			   .what = "one cache line to the other core and back" } },
		.subject = &echo_line,
		.pace = &spinning,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "floor_ring",
			   .unit = "ns",
			   .floor = "line",
			   .what = "64 bytes over a bare rte_ring and back over another" } },
		.subject = &echo_ring,
		.floor = &echo_line,
		.pace = &spinning,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "floor_channel",
			   .unit = "ns",
			   .floor = "ring",
			   .what = "a descriptor over our channel and back" } },
		.subject = &echo_channel,
		.floor = &echo_ring,
		.pace = &spinning,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "floor_pipelined",
			   .unit = "ns",
			   .what = "as floor_ring, 64 messages outstanding" } },
		.subject = &echo_ring_pipelined,
		.pace = &spinning,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "floor_futex",
			   .unit = "us",
			   .what = "a futex wake each way, two cores" } },
		.subject = &echo_futex,
		.pace = &sleeping,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "floor_futex_one_core",
			   .unit = "us",
			   .what = "a futex wake each way, one core" } },
		.subject = &echo_futex_one_core,
		.pace = &sleeping,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "floor_relay",
			   .unit = "us",
			   .what = "through a third process on this core; both yield it" } },
		.subject = &echo_relay,
		.pace = &sleeping,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "floor_relay_asleep",
			   .unit = "us",
			   .what = "through a third process on this core; this one sleeps" } },
		.subject = &echo_relay_asleep,
		.pace = &sleeping,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "floor_syscall",
			   .unit = "ns",
			   .what = "a system call that does nothing" } },
		.run = floor_syscall,
		.pace = &spinning,
		.smoke = &smoke,
	},
};

const uint32_t bench_cnt = ARRAY_CNT(bench_list);
