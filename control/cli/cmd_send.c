/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_send.c - send: a message to a call that runs */
#include <stdlib.h>

#include "cli.h"
#include "trace.h"

static int
send_run(struct cli *cli)
{
	char id[17];
	struct mb_value value;
	int code = trace_call_id(cli, cli->arg[0], id);
	int err;

	if (code != 0) {
		return code;
	}
	code = cli_value(cli, cli->arg[1], &value);
	if (code == 0) {
		code = cli_open(cli);
	}
	if (code != 0) {
		return code;
	}
	err = mb_client_send(cli->client, strtoull(id, NULL, 16), value.p, value.len);
	if (err != MB_OK) {
		return cli_fail(cli, err, NULL, "sending to %s failed", id);
	}
	return cli->json ? cli_json(cli, json_object()) : CLI_DONE;
}

const struct command cmd_send = {
	.name = "send",
	.args = "CALL VALUE",
	.summary = "send a message to a call that runs; its function takes it with mb_recv",
	.more = "VALUE is text, @FILE for a file's bytes, - for those of standard input; at most "
		"32 KiB.",
	.example = "microburst send 00c0000000000017 stop",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = 2,
	.run = send_run,
};
