/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_call.c - call: one function, its arguments, its results */
#include "argval.h"
#include "cli.h"
#include "invoke.h"
#include "mem.h"

struct call {
	struct invoke invoke;
	struct mb_value arg[MB_VALUES_MAX];
	size_t arg_cnt;
};

static int
call_set(struct cli *cli, int key, const char *text)
{
	return invoke_set(cli, &((struct call *)cli->opt)->invoke, key, text);
}

static int
start(struct cli *cli, void *ctx, const struct mb_call_options *opt, uint64_t *ret_call)
{
	const struct call *call = ctx;

	return mb_call_start(cli->client, cli->arg[0], call->arg, call->arg_cnt, opt, ret_call);
}

static int
call_run(struct cli *cli)
{
	struct call *call = cli->opt;
	char err[ARGVAL_ERR_BYTES], what[128];
	int code;

	if (cli->arg_cnt - 1 > MB_VALUES_MAX) {
		return cli_usage(cli, "a call takes at most %d arguments", MB_VALUES_MAX);
	}
	for (int i = 1; i < cli->arg_cnt; i++) {
		int rc = argval_parse(cli->arg[i], &call->arg[call->arg_cnt++], err);

		if (rc == MB_ERR_INVALID) {
			return cli_usage(cli, "%s", err);
		}
		if (rc != MB_OK) {
			return cli_fail(cli, rc, err, "%s", "");
		}
	}
	code = cli_open(cli);
	if (code != 0) {
		return code;
	}
	snprintf(what, sizeof(what), "calling %.64s failed", cli->arg[0]);
	return invoke_run(
		cli, &call->invoke,
		&(struct invoke_target){
			.start = start,
			.ctx = call,
			.failed = what,
			.invalid = "that is no function's name: `microburst functions` lists them",
		});
}

const struct command cmd_call = {
	.name = "call",
	.args = "NAME [ARG]...",
	.summary = "call a function and print its results",
	.more = "An ARG is a whole number (i64), a decimal number (f64), @FILE for a file's bytes, "
		"- for those of standard input, else text. A prefix forces its type: i:4 f:4 s:4, "
		"b:00ff (bytes in hexadecimal), a:1,2.5 (array of f64), k:KEY (what is stored "
		"there). o:KEY stores the result as well. Results are printed one a "
		"line; a single result of bytes goes into a pipe as it is.",
	.example = "microburst call increment 4 --deadline 10ms",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = COMMAND_ARGS_ANY,
	.option = invoke_option,
	.opt_bytes = sizeof(struct call),
	.set = call_set,
	.run = call_run,
};
