/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_future.c - future: the answer of a call that was started elsewhere */
#include "cli.h"
#include "invoke.h"

struct future {
	struct invoke invoke;
	uint64_t id;
};

static const struct argp_option future_option[] = {
	{ "deadline", 'd', "DURATION", 0, "Wait so long at most, such as 10ms; the call goes on",
	  0 },
	{ 0 },
};

static int
future_set(struct cli *cli, int key, const char *text)
{
	return invoke_set(cli, &((struct future *)cli->opt)->invoke, key, text);
}

static int
start(struct cli *cli, void *ctx, const struct mb_call_options *opt, uint64_t *ret_call)
{
	const struct future *f = ctx;

	return mb_future_start(cli->client, f->id, opt, ret_call);
}

static int
future_run(struct cli *cli)
{
	struct future *f = cli->opt;
	int code = invoke_request_id(cli, cli->arg[0], &f->id);

	if (code == 0) {
		code = cli_open(cli);
	}
	if (code != 0) {
		return code;
	}
	return invoke_run(cli, &f->invoke,
			  &(struct invoke_target){ .start = start,
						   .ctx = f,
						   .failed = "the call has failed",
						   .invalid = "that is no request id" });
}

const struct command cmd_future = {
	.name = "future",
	.args = "ID",
	.summary = "wait for a call started with --future, and print its results",
	.more = "ID is what `microburst call --future` printed, or the --request-id of a call. "
		"Results are kept for a while after the call's end (sched.result_ttl).",
	.example = "microburst future $(microburst call --future increment 4)",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 1,
	.option = future_option,
	.opt_bytes = sizeof(struct future),
	.set = future_set,
	.run = future_run,
};
