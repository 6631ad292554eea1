/* SPDX-License-Identifier: Apache-2.0 */
/* replay_call.c - the client's side of a warm call: start it, wait uncounted, take the answer
 *
 * On a node whose one executor spins for as long as this takes, so that no wake is paid for.
 */
#include "replay.h"

#include <microburst/client.h>
#include <sched.h>

#include "node.h"

#define OPEN_CNT 1000

static struct node *node;

static int64_t finished; /* calls that the executor has behind it */

static int
executor_finished(int64_t *ret)
{
	struct node_exec exec;
	int n = node_execs(node, &exec, 1, NULL);

	if (n <= 0) {
		return n < 0 ? n : MB_ERR_NO_EXECUTOR;
	}
	*ret = exec.finished;
	return 0;
}

static int
call_begin(void)
{
	static cpu_set_t cpus;
	struct node_place place = { .cpus = &cpus };
	int err = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? 0 : MB_ERR_IO;

	if (err == 0) {
		err = node_start(&node, &place, "executor.count=1 executor.spin=1s");
	}
	/* The direct channel is asked for by the first call and opened while others wait. */
	for (unsigned i = 0; i < OPEN_CNT && err == 0; i++) {
		err = node_call(node, "bench_increment", 41, NULL);
	}
	return err == 0 ? executor_finished(&finished) : err;
}

static void
call_end(void)
{
	node_stop(node);
}

static int
call_start_hot(void)
{
	struct mb_value x = mb_i64(41);
	uint64_t call;

	return mb_call_start(node->client, "bench_increment", &x, 1, NULL, &call);
}

/* Waits until the executor has one call more behind it, as the node tells over its socket: the
 * ports, on which the answer waits, are not looked at. */
static int
call_between(void)
{
	int64_t seen = finished;
	int err = 0;

	while (err == 0 && seen == finished) {
		err = executor_finished(&seen);
	}
	finished = seen;
	return err;
}

static int
call_poll_hot(void)
{
	struct mb_reply reply;
	int err;

	if (mb_call_poll(node->client, &reply) != 1) {
		return MB_ERR_DEADLINE;
	}
	err = reply.err != 0 || reply.value[0].i64 == 42 ? reply.err : MB_ERR_CORRUPT;
	mb_reply_free(node->client, &reply);
	return err;
}

const struct replay_op replay_call = {
	.name = "instr_call_client",
	.what = "a warm call, the client's side",
	.begin = call_begin,
	.end = call_end,
	.begin_hot = call_start_hot,
	.between = call_between,
	.end_hot = call_poll_hot,
};
