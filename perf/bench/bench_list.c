/* SPDX-License-Identifier: Apache-2.0 */
/* bench_list.c - every bench, as a table
 *
 * Floors first: what the machine can do at all. Then the subjects, each beside its floor.
 */
#include "bench.h"

#include "cable.h"
#include "compiler.h"
#include "floor_syscall.h"
#include "subject_call.h"
#include "subject_gossip.h"
#include "subject_idle.h"
#include "subject_kvs.h"
#include "subject_life.h"
#include "subject_remote.h"
#include "subject_sched.h"
#include "subject_paper.h"
#include "subject_peer.h"
#include "subject_state.h"
#include "subject_story.h"
#include "subject_types.h"

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
/* Calls that take microseconds, or that do many operations each. */
static const struct pace slow = {
	.block_cnt = 50,
	.sample_cnt = 200,
	.warm_cnt = 8,
	.warm_ns = 200000,
	.attempt_cnt = 3,
};
/* With a window of 64 a block of 2000 would be mostly filling and draining. */
static const struct pace pipelined = {
	.block_cnt = 50,
	.sample_cnt = 4096,
	.warm_cnt = 1000,
	.warm_ns = 500000,
	.attempt_cnt = 3,
};
/* A sample is a burst of 32 requests, in one thread of this process. */
static const struct pace store = {
	.block_cnt = 50,
	.sample_cnt = 1000,
	.warm_cnt = 64,
	.warm_ns = 200000,
	.attempt_cnt = 3,
};
/* Calls that take a millisecond, and ten of them. */
static const struct pace heavy = {
	.block_cnt = 30,
	.sample_cnt = 40,
	.warm_cnt = 2,
	.warm_ns = 200000,
	.attempt_cnt = 2,
};
static const struct pace heaviest = { .block_cnt = 10,
				      .sample_cnt = 5,
				      .warm_cnt = 1,
				      .attempt_cnt = 2 };
static const struct pace moving = { .block_cnt = 8,
				    .sample_cnt = 1,
				    .warm_cnt = 1,
				    .attempt_cnt = 2 };
static const struct pace whole = { .block_cnt = 5, .sample_cnt = 1, .attempt_cnt = 1 };
/* One sample each: something is made for it before and taken away after. */
static const struct pace rare = { .block_cnt = 50, .sample_cnt = 1, .attempt_cnt = 1 };
static const struct pace seconds = { .block_cnt = 5, .sample_cnt = 1, .attempt_cnt = 1 };
static const struct pace smoke_rare = { .block_cnt = 2, .sample_cnt = 1, .attempt_cnt = 1 };
static const struct pace smoke = {
	.block_cnt = 2,
	.sample_cnt = 20,
	.warm_cnt = 2,
	.warm_ns = 1000,
	.attempt_cnt = 1,
};

/* bench_state.def: a bench of the store alone, and one whose rows are functions of types.c. */
#define KVS(bench_name, subject, text, ...) KVS_FLOOR(bench_name, subject, NULL, text, __VA_ARGS__)
#define KVS_FLOOR(bench_name, subject, floor_name, text, ...)                                      \
	{                                                                                          \
		.row = { { .name = #bench_name,                                                    \
			   .unit = "ns",                                                           \
			   .floor = (floor_name),                                                  \
			   .what = (text),                                                         \
			   .aim = { __VA_ARGS__ } } },                                             \
		.run = subject_kvs_##subject,                                                      \
		.pace = &store,                                                                    \
		.smoke = &smoke,                                                                   \
	},
#define TYPES(subject, ...)                                                                        \
	{ .row = { __VA_ARGS__ }, .run = (subject), .pace = &slow, .smoke = &smoke },
/* bench_remote.def: a client that is elsewhere. */
#define REMOTE_PACED(bench_name, beside, row_unit, how, how_smoke, text, ...)                      \
	{                                                                                          \
		.row = { { .name = #bench_name,                                                    \
			   .unit = row_unit,                                                       \
			   .floor = #beside,                                                       \
			   .what = (text),                                                         \
			   .aim = { __VA_ARGS__ } } },                                             \
		.run = subject_##bench_name,                                                       \
		.floor = &echo_##beside,                                                           \
		.pace = &(how),                                                                    \
		.smoke = &(how_smoke),                                                             \
	},
#define REMOTE(bench_name, way, op, bytes, beside, ...)                                            \
	REMOTE_PACED(bench_name, beside, "us", slow, smoke, __VA_ARGS__)
#define MOVE(bench_name, way, op, bytes, beside, how, ...)                                         \
	REMOTE_PACED(bench_name, beside, UNIT_##how, how, smoke_rare, __VA_ARGS__)
#define LOSS(bench_name, ppm, text, ...)                                                           \
	{                                                                                          \
		.row = { { .name = #bench_name,                                                    \
			   .unit = "us",                                                           \
			   .floor = "remote_io_uring",                                             \
			   .what = (text),                                                         \
			   .aim = { __VA_ARGS__ } } },                                             \
		.run = subject_##bench_name,                                                       \
		.pace = &slow,                                                                     \
		.smoke = &smoke,                                                                   \
	},
#define UNIT_slow   "us"
#define UNIT_heavy  "us"
#define UNIT_moving "ms"
/* A floor that takes two hosts. */
#define FLOOR_CABLE(id, text)                                                                      \
	{                                                                                          \
		.row = { { .name = "floor_" #id, .unit = "us", .what = (text) } },                 \
		.run = floor_cable, .subject = &echo_##id, .pace = &slow, .smoke = &smoke,         \
	}
#define ROW(row_name, beside, text, ...)                                                           \
	{                                                                                          \
		.name = #row_name, .unit = "ns", .floor = (beside), .what = (text),                \
		.aim = { __VA_ARGS__ },                                                            \
	}

static int
floor_cable(struct env *env, const struct bench *bench, struct measure *ret)
{
	struct side subject = echo_side(env->echoes, bench->subject);
	const char *why = cable_need();

	return why == NULL ? bench_interleave(env, bench, &subject, ret) : bench_skip(bench, why);
}

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
		.pace = &pipelined,
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
		.row = { { .name = "floor_udp",
			   .unit = "us",
			   .what = "a datagram over the loopback to an io_uring and back" } },
		.subject = &echo_udp,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "floor_memif",
			   .unit = "us",
			   .what = "a frame through memif to another process and back" } },
		.subject = &echo_memif,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "floor_relay_memif",
			   .unit = "us",
			   .floor = "memif",
			   .what = "a frame through memif to this core's other process, which asks "
				   "a third" } },
		.subject = &echo_relay_memif,
		.floor = &echo_memif,
		.pace = &slow,
		.smoke = &smoke,
	},
	FLOOR_CABLE(af_packet, "a frame between two hosts and back, both by DPDK's af_packet"),
	FLOOR_CABLE(af_xdp, "a frame between two hosts and back, both by DPDK's af_xdp"),
	FLOOR_CABLE(relay_af_xdp, "the same to this core's other process, which asks a third"),
	FLOOR_CABLE(kernel_af_packet, "a datagram of the kernel to a port of af_packet, and back"),
	FLOOR_CABLE(kernel_af_xdp, "a datagram of the kernel to a port of af_xdp, and back"),
	FLOOR_CABLE(relay_kernel_af_xdp,
		    "the same to this core's other process, which asks a third"),
	{
		.row = { { .name = "floor_syscall",
			   .unit = "ns",
			   .what = "a system call that does nothing" } },
		.run = floor_syscall,
		.pace = &spinning,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "call",
			   .unit = "ns",
			   .floor = "ring",
			   .what = "a warm call of an increment, the client spins",
			   .aim = { .ratio_p50_max = 2, .ratio_p99_max = 4 } } },
		.run = subject_call,
		.floor = &echo_ring,
		.pace = &spinning,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "compose_fused",
			   .unit = "ns",
			   .floor = "ring",
			   .what = "square(increment(x)) as a DAG, both on one executor",
			   .aim = { .ratio_p50_max = 2.5 } } },
		.run = subject_compose,
		.floor = &echo_ring,
		.pace = &spinning,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "dag_fanout8",
			   .unit = "ns",
			   .floor = "ring",
			   .what = "a DAG of ten functions: one, eight that read it, a sum",
			   .aim = { .ratio_p50_max = 12 } } },
		.run = subject_fanout,
		.floor = &echo_ring,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "dag_fanout8_parts",
			   .unit = "ns",
			   .floor = "ring",
			   .what = "the same at two executors, in parts, through the scheduler",
			   .aim = { .ratio_p50_max = 12 } } },
		.run = subject_fanout_parts,
		.floor = &echo_ring,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "pipelined",
			   .unit = "ns",
			   .floor = "ring_pipelined",
			   .what = "calls of one client on one executor, 64 outstanding",
			   .aim = { .rate_min = 3e6 } } },
		.run = subject_pipelined,
		.floor = &echo_ring_pipelined,
		.pace = &pipelined,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "get_hit",
			   .unit = "ns",
			   .floor = "bare_get",
			   .what = "a get of 8 cached bytes inside a function",
			   .aim = { .p50_max = 100 } } },
		.run = subject_get,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "get_hit_1mib",
			   .unit = "ns",
			   .floor = "get_hit",
			   .what = "the same of 1 MiB",
			   .aim = { .p50_max = 100 } } },
		.run = subject_get_large,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "get_cold",
			   .unit = "ns",
			   .floor = "bare_get_cold",
			   .what = "a get of 8 cached bytes whose index line no core cache has" } },
		.run = subject_get_cold,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "put",
			   .unit = "ns",
			   .floor = "bare_put",
			   .what = "a put of 8 bytes inside a function, held until it returns",
			   .aim = { .p50_max = 100 } } },
		.run = subject_put,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "put_acked",
			   .unit = "us",
			   .floor = "relay",
			   .what = "a call with one put, the store has it; the client spins" } },
		.run = subject_put_acked,
		.floor = &echo_relay,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "put_acked_asleep",
			   .unit = "us",
			   .floor = "relay_asleep",
			   .what = "the same, the client sleeps until its answer is there" } },
		.run = subject_put_acked_asleep,
		.floor = &echo_relay_asleep,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "locality_hot_80k",
			   .unit = "us",
			   .floor = "local_loop",
			   .what = "sums 10 stored arrays of 1,000 doubles, the same ones" } },
		.run = subject_locality_hot_80k,
		.pace = &slow,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "locality_hot_800k",
			   .unit = "us",
			   .floor = "local_loop",
			   .what = "the same, of 10,000" } },
		.run = subject_locality_hot_800k,
		.pace = &heavy,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "locality_hot_8m",
			   .unit = "us",
			   .floor = "local_loop",
			   .what = "the same, of 100,000",
			   .aim = { .ratio_p50_max = 1.5 } } },
		.run = subject_locality_hot_8m,
		.pace = &heavy,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "locality_hot_80m",
			   .unit = "us",
			   .floor = "local_loop",
			   .what = "the same, of 1,000,000" } },
		.run = subject_locality_hot_80m,
		.pace = &heaviest,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "locality_zipf_8m",
			   .unit = "us",
			   .floor = "local_loop",
			   .what = "of 100,000, 32 sets drawn by zipf, the cache holds 8" } },
		.run = subject_locality_zipf_8m,
		.pace = &heavy,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "locality_cold_8m",
			   .unit = "us",
			   .floor = "local_loop",
			   .what = "of 100,000, 32 sets in turn, the cache holds 8" } },
		.run = subject_locality_cold_8m,
		.pace = &heavy,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "pipeline_fanout3",
			   .unit = "ns",
			   .floor = "ring",
			   .what = "prepare, three models beside each other, combine: a DAG" } },
		.run = subject_pipeline,
		.floor = &echo_ring,
		.pace = &spinning,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "push_sum_10",
			   .unit = "ms",
			   .floor = "futex_one_core",
			   .what = "ten calls send each other halves until all are within 5 %",
			   .aim = { .p50_max = 5 } } },
		.run = subject_push_sum,
		.floor = &echo_futex_one_core,
		.pace = &heavy,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "gather_10",
			   .unit = "ms",
			   .floor = "futex_one_core",
			   .what = "ten calls that send what they have to one of them" } },
		.run = subject_gather,
		.floor = &echo_futex_one_core,
		.pace = &heavy,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "ingest",
			   .unit = "s",
			   .what = "100,836 calls of `rate` into an empty node, 64 under way",
			   .aim = { .p50_max = 1 } } },
		.run = subject_ingest,
		.pace = &whole,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "watch_next",
			   .unit = "ms",
			   .what = "a prediction from all of them, one user after the other",
			   .aim = { .p50_max = 1 } } },
		.run = subject_watch_next,
		.pace = &heavy,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "redis_fcall_unix",
			   .unit = "us",
			   .floor = "call",
			   .what = "Redis: FCALL of an increment over a Unix socket, other core",
			   .aim = { .ratio_p50_min = 20 } } },
		.run = subject_redis_unix,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "redis_fcall_unix_one_core",
			   .unit = "us",
			   .floor = "call",
			   .what = "the same, Redis on the client's core, the client sleeps",
			   .aim = { .ratio_p50_min = 20 } } },
		.run = subject_redis_unix_one_core,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "redis_fcall_tcp",
			   .unit = "us",
			   .floor = "call",
			   .what = "Redis: the same over loopback TCP, other core" } },
		.run = subject_redis_tcp,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "memcached_get",
			   .unit = "us",
			   .floor = "client_get",
			   .what = "memcached: a get of 8 bytes over a Unix socket, other core" } },
		.run = subject_memcached,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "memcached_get_one_core",
			   .unit = "us",
			   .floor = "client_get",
			   .what = "the same, memcached on the client's core" } },
		.run = subject_memcached_one_core,
		.pace = &slow,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "lag_put",
			   .unit = "us",
			   .floor = "ring",
			   .what = "a client's put until a running function reads it in place",
			   .aim = { .ratio_p50_max = 20 } } },
		.run = subject_lag_put,
		.floor = &echo_ring,
		.pace = &slow,
		.smoke = &smoke,
	},
#include "bench_state.def"
	{
		.row = { { .name = "kvs_memory",
			   .unit = "bytes",
			   .what = "over a key of 8 bytes and its 8, in a store of a million",
			   .aim = { .p50_max = 100 } } },
		.run = subject_kvs_memory,
		.pace = &seconds,
		.smoke = &smoke_rare,
	},
#include "bench_remote.def"
	{
		.row = { { .name = "cold_start",
			   .unit = "ms",
			   .floor = "load",
			   .what = "first call of a deployed function that no executor has",
			   .aim = { .p50_max = 1 } } },
		.run = subject_cold_start,
		.pace = &rare,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "crash_replace",
			   .unit = "ms",
			   .floor = "process",
			   .what = "kill -9 of the only executor until another serves",
			   .aim = { .p50_max = 5 } },
			 { .name = "crash_first_call",
			   .unit = "ms",
			   .floor = "process",
			   .what = "the same until a call succeeds",
			   .aim = { .p50_max = 5 } } },
		.run = subject_crash_replace,
		.pace = &rare,
		.smoke = &smoke_rare,
	},
	{
		.row = { { .name = "sched_free",
			   .unit = "ns",
			   .what = "an executor of 64 becomes free and gets the call that waits",
			   .aim = { .p50_max = 1000 } },
			 { .name = "sched_call",
			   .unit = "ns",
			   .what = "a call comes and gets the one of 64 executors that is free",
			   .aim = { .p50_max = 1000 } },
			 { .name = "sched_pick4096",
			   .unit = "ns",
			   .what = "the choice among 4,096 executors, of which 512 are free",
			   .aim = { .p50_max = 5000 } } },
		.run = subject_sched,
		.pace = &spinning,
		.smoke = &smoke,
	},
	{
		.row = { { .name = "idle_cpu",
			   .unit = "%",
			   .what = "of one core, all processes of an idle node",
			   .aim = { .p50_max = 1 } },
			 { .name = "idle_wakes",
			   .unit = "1/s",
			   .what = "wakes, all threads of an idle node",
			   .aim = { .p50_max = 100 } },
			 { .name = "idle_memory",
			   .unit = "MiB",
			   .what = "resident, all processes of an idle node" } },
		.run = subject_idle,
		.pace = &seconds,
		.smoke = &smoke_rare,
	},
};

const uint32_t bench_cnt = ARRAY_CNT(bench_list);
