/* SPDX-License-Identifier: Apache-2.0 */
/* replay_call.c - the client's side of a warm call: start it, wait uncounted, take the answer
 *
 * On a node whose executor spins for as long as this takes, so that no wake is paid for.
 */
#include "replay.h"

#include <microburst/client.h>
#include <sched.h>
#include <time.h>

#include "node.h"

#define ANSWER_WAIT_NS 300000 /* an executor needs a microsecond */

static struct node *node;

static int
call_begin(void)
{
	static cpu_set_t cpus;
	struct node_place place = { .cpus = &cpus };

	if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) {
		return MB_ERR_IO;
	}
	return node_start(&node, &place, "executor.spin=1s");
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

static int
call_between(void)
{
	struct timespec t = { .tv_nsec = ANSWER_WAIT_NS };

	return nanosleep(&t, NULL) == 0 ? 0 : MB_ERR_INTERRUPTED;
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
