/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_ps.c - ps, cancel, explain, logs: calls one by one */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "cli.h"
#include "columns.h"
#include "fmt.h"
#include "trace.h"

/* --------------------------------------------------------------------- ps */

static void
print_calls(const json_t *calls)
{
	struct columns t;
	const json_t *c;
	size_t i;

	columns_init(&t, "<CALL <FUNCTION >EXECUTOR >PID >RUNNING");
	json_array_foreach(calls, i, c) {
		columns_row(&t, "ssuun", cli_text(c, "call"), cli_text(c, "function"),
			    cli_u64(c, "executor"), cli_u64(c, "pid"), cli_u64(c, "running_ns"));
	}
	columns_print(&t, stdout);
	columns_fini(&t);
	puts(json_array_size(calls) == 0 ? "No call is running.\n" : "");
}

/* What functions have used. */
static void
print_use(const json_t *functions)
{
	struct columns t;
	const json_t *f;
	size_t i;

	columns_init(&t, "<FUNCTION >CALLS >FAILED >RUN >p50 >p99 >BYTE-SECONDS");
	json_array_foreach(functions, i, f) {
		columns_row(&t, "suunnnu", cli_text(f, "name"), cli_u64(f, "finished"),
			    cli_u64(f, "failed"), cli_u64(f, "run_ns"), cli_u64(f, "p50_ns"),
			    cli_u64(f, "p99_ns"), cli_u64(f, "byte_us") / 1000000);
	}
	if (i > 0) {
		puts("");
	}
	columns_print(&t, stdout);
	columns_fini(&t);
}

static int
ps_run(struct cli *cli)
{
	char waiting[FMT_BYTES];
	const json_t *q;
	json_t *a;
	size_t i;
	int code;

	code = cli_ask(cli, json_pack("{s:s}", "cmd", "ps"), -1, &a);
	if (code != 0 || cli->json) {
		return code != 0 ? code : cli_json(cli, a);
	}
	print_calls(json_object_get(a, "calls"));
	json_array_foreach(json_object_get(a, "queued"), i, q) {
		printf("%s of %s waiting for an executor.\n",
		       fmt_count(waiting, cli_u64(q, "calls"), "call"), cli_text(q, "function"));
	}
	answer_executors(json_object_get(a, "executors"));
	print_use(json_object_get(a, "functions"));
	json_decref(a);
	return CLI_DONE;
}

const struct command cmd_ps = {
	.name = "ps",
	.summary = "calls that run now, calls that wait, the executors, what functions used",
	.more = "RUN is the time that all calls of a function ran, BYTE-SECONDS the bytes of their "
		"arguments and results beyond 40 times how long they were held for them; both "
		"since the node began, new versions of the function included.",
	.example = "microburst ps",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.run = ps_run,
};

/* ----------------------------------------------------------------- cancel */

static int
cancel_run(struct cli *cli)
{
	char id[17];
	int code = trace_call_id(cli, cli->arg[0], id);

	return code != 0
		       ? code
		       : cli_ask_quietly(cli, json_pack("{s:s, s:s}", "cmd", "cancel", "call", id));
}

const struct command cmd_cancel = {
	.name = "cancel",
	.args = "CALL",
	.summary = "end a call; its caller gets CANCELLED",
	.example = "microburst cancel 00c0000000000017",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 1,
	.run = cancel_run,
};

/* ---------------------------------------------------------------- explain */

static int
explain_run(struct cli *cli)
{
	const json_t *decisions, *d;
	struct columns t;
	char id[17], load[16];
	json_t *a;
	size_t i;
	int code;

	code = trace_call_id(cli, cli->arg[0], id);
	if (code == 0) {
		code = cli_ask(cli, json_pack("{s:s, s:s}", "cmd", "explain", "call", id), -1, &a);
	}
	if (code != 0 || cli->json) {
		return code != 0 ? code : cli_json(cli, a);
	}
	decisions = json_object_get(a, "decisions");
	if (json_array_size(decisions) == 0) {
		printf("The scheduler has decided nothing about it, or long ago: "
		       "a call whose client finds a free executor goes there directly.\n");
	} else {
		columns_init(&t, "<WHAT >FUNCTIONS >EXECUTOR >ABLE >LOAD >INPUTS >HERE >AHEAD "
				 ">WAITED >TRY");
		json_array_foreach(decisions, i, d) {
			snprintf(load, sizeof(load), "%.1f%%", (double)cli_u64(d, "load") / 10);
			columns_row(&t, "suuusbbunu", cli_text(d, "name"), cli_u64(d, "functions"),
				    cli_u64(d, "executor"), cli_u64(d, "able"), load,
				    cli_u64(d, "input_bytes"), cli_u64(d, "near_bytes"),
				    cli_u64(d, "ahead"), cli_u64(d, "waited_ns"),
				    cli_u64(d, "attempt"));
		}
		columns_print(&t, stdout);
		columns_fini(&t);
	}
	json_decref(a);
	return CLI_DONE;
}

const struct command cmd_explain = {
	.name = "explain",
	.args = "CALL",
	.summary = "what the scheduler decided about a call, and out of what",
	.more = "A line for each time it, or a part of a DAG, was given to an executor: how many "
		"executors were able, how busy that one had been of late, how many bytes of what a "
		"part of a DAG reads lie at executors, and of these at that one, how many calls "
		"were ahead of it, how long it waited. What it reads of the store is as near to "
		"any other executor: all read the server's cache in place.",
	.example = "microburst explain 00c0000000000017",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 1,
	.run = explain_run,
};

/* ------------------------------------------------------------------- logs */

#define LOGS_PERIOD_NS 200000000 /* how soon --follow shows a line: quicker than one can read */

struct logs {
	bool follow;
};

static int
logs_set(struct cli *cli, int key, const char *text)
{
	(void)key;
	(void)text;
	((struct logs *)cli->opt)->follow = true;
	return 0;
}

static void
print_line(const json_t *line)
{
	const char *text = cli_text(line, "text");
	uint64_t us = cli_u64(line, "time_us");
	time_t s = (time_t)(us / 1000000);
	struct tm tm;
	char at[32];

	localtime_r(&s, &tm);
	strftime(at, sizeof(at), "%H:%M:%S", &tm);
	printf("%s.%06u %s %s ", at, (unsigned)(us % 1000000), cli_text(line, "function"),
	       cli_text(line, "call"));
	fmt_safe(stdout, text, strlen(text), false);
	putchar('\n');
}

static int
logs_once(struct cli *cli, uint64_t *after)
{
	json_t *a, *line;
	size_t i;
	int code;

	code = cli_ask(cli,
		       json_pack("{s:s, s:I, s:s*}", "cmd", "logs", "after", (json_int_t)*after,
				 "function", cli->arg_cnt > 0 ? cli->arg[0] : NULL),
		       -1, &a);
	if (code != 0) {
		return code;
	}
	json_array_foreach(json_object_get(a, "lines"), i, line) {
		*after = cli_u64(line, "seq");
		if (cli->json) {
			cli_json(cli, json_incref(line));
		} else {
			print_line(line);
		}
	}
	json_decref(a);
	return fflush(stdout) == 0 ? CLI_DONE : CLI_FAILED;
}

static int
logs_run(struct cli *cli)
{
	const struct logs *logs = cli->opt;
	uint64_t after = 0;
	int code;

	do {
		code = logs_once(cli, &after);
		if (code == CLI_DONE && logs->follow) {
			nanosleep(&(struct timespec){ .tv_nsec = LOGS_PERIOD_NS }, NULL);
		}
	} while (code == CLI_DONE && logs->follow);
	return code;
}

const struct command cmd_logs = {
	.name = "logs",
	.args = "[FUNCTION]",
	.summary = "what functions logged with mb_log",
	.more = "One line each: time, function, call, text. With --json one object a line.",
	.example = "microburst logs --follow hello",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_max = 1,
	.option =
		(const struct argp_option[]){
			{ "follow", 'f', NULL, 0, "Wait for more until Ctrl-C", 0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct logs),
	.set = logs_set,
	.run = logs_run,
};
