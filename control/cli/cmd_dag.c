/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_dag.c - dag add, call, show, rm, list: functions that call functions */
#include <stdlib.h>
#include <string.h>

#include "argval.h"
#include "cli.h"
#include "columns.h"
#include "fmt.h"
#include "invoke.h"
#include "mem.h"

static int
dag_add_run(struct cli *cli)
{
	char functions[FMT_BYTES];
	char edges[FMT_BYTES];
	json_t *a;
	int code = cli_ask(cli,
			   json_pack("{s:s, s:s, s:s}", "cmd", "dag_add", "name", cli->arg[0],
				     "text", cli->arg[1]),
			   -1, &a);

	if (code != 0 || cli->json) {
		return code != 0 ? code : cli_json(cli, a);
	}
	printf("registered %s: %s, %s\n", cli->arg[0],
	       fmt_count(functions, cli_u64(a, "vertices"), "function"),
	       fmt_count(edges, cli_u64(a, "edges"), "edge"));
	json_decref(a);
	return CLI_DONE;
}

const struct command cmd_dag_add = {
	.name = "dag add",
	.args = "NAME TEXT",
	.summary = "register a DAG: which function's results go where",
	.more = "TEXT is a list of edges, or one function alone. A function that stands in it "
		"more than once carries tags: count#0, count#1. A star, "
		"count*, makes it run once for each function before it. Several may be sources, "
		"one is the sink, whose results are the answer.",
	.example = "microburst dag add diamond 'a -> b, a -> c, b -> d, c -> d'",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = 2,
	.run = dag_add_run,
};

/* --------------------------------------------------------------- dag call */

#define DAG_FUNCTIONS 64

struct dag_call {
	struct invoke invoke;
	struct mb_dag_arg function[DAG_FUNCTIONS];
	struct mb_value *value[DAG_FUNCTIONS]; /* MB_VALUES_MAX each */
	size_t function_cnt;
};

static int
dag_call_set(struct cli *cli, int key, const char *text)
{
	return invoke_set(cli, &((struct dag_call *)cli->opt)->invoke, key, text);
}

/* The entry of the function whose name is the first len bytes of name; a new one if there is none.
 * NULL when there are more than a DAG has. */
static size_t
function_idx(struct dag_call *d, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < d->function_cnt; i++) {
		if (strlen(d->function[i].function) == len &&
		    memcmp(d->function[i].function, name, len) == 0) {
			return i;
		}
	}
	if (i < DAG_FUNCTIONS) {
		d->value[i] = mem_keep(calloc(MB_VALUES_MAX, sizeof(*d->value[i])));
		d->function[i].function = mem_keep(strndup(name, len));
		d->function[i].arg = d->value[i];
		d->function_cnt++;
	}
	return i;
}

/* Takes FUNCTION=ARG. */
static int
add_arg(struct cli *cli, struct dag_call *d, const char *text)
{
	const char *equals = strchr(text, '=');
	char err[ARGVAL_ERR_BYTES];
	struct mb_dag_arg *f;
	size_t i;
	int rc;

	if (equals == NULL || equals == text) {
		return cli_usage(cli, "an argument says whose it is, FUNCTION=ARG, not \"%s\"",
				 text);
	}
	i = function_idx(d, text, (size_t)(equals - text));
	if (i == DAG_FUNCTIONS) {
		return cli_usage(cli, "a DAG has at most %d functions", DAG_FUNCTIONS);
	}
	f = &d->function[i];
	if (f->arg_cnt == MB_VALUES_MAX) {
		return cli_usage(cli, "a function takes at most %d arguments", MB_VALUES_MAX);
	}
	rc = argval_parse(equals + 1, &d->value[i][f->arg_cnt++], err);
	if (rc == MB_ERR_INVALID) {
		return cli_usage(cli, "%s", err);
	}
	return rc == MB_OK ? 0 : cli_fail(cli, rc, err, "%s", "");
}

static int
start(struct cli *cli, void *ctx, const struct mb_call_options *opt, uint64_t *ret_call)
{
	const struct dag_call *d = ctx;

	return mb_dag_start(cli->client, cli->arg[0], d->function, d->function_cnt, opt, ret_call);
}

static int
dag_call_run(struct cli *cli)
{
	struct dag_call *d = cli->opt;
	char what[128];
	int code = 0;

	for (int i = 1; i < cli->arg_cnt && code == 0; i++) {
		code = add_arg(cli, d, cli->arg[i]);
	}
	if (code == 0) {
		code = cli_open(cli);
	}
	if (code != 0) {
		return code;
	}
	snprintf(what, sizeof(what), "calling the DAG %.64s failed", cli->arg[0]);
	return invoke_run(cli, &d->invoke,
			  &(struct invoke_target){
				  .start = start,
				  .ctx = d,
				  .failed = what,
				  .invalid =
					  "it has not all the functions that the arguments name: "
					  "`microburst dag show` lists those it has",
			  });
}

const struct command cmd_dag_call = {
	.name = "dag call",
	.args = "NAME [FUNCTION=ARG]...",
	.summary = "call a DAG and print the results of its sink",
	.more = "ARG is written as for `microburst call`. A function named twice gets two "
		"arguments. A function's own arguments come first, the results of those before it "
		"behind them.",
	.example = "microburst dag call square_of_increment increment=4",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = COMMAND_ARGS_ANY,
	.option = invoke_option,
	.opt_bytes = sizeof(struct dag_call),
	.set = dag_call_set,
	.run = dag_call_run,
};

/* ------------------------------------------------------- show, rm, list */

static int
dag_show_run(struct cli *cli)
{
	struct columns t;
	const json_t *f, *edges, *edge;
	json_t *a;
	size_t i, k;
	int code;

	code = cli_ask(cli, json_pack("{s:s, s:s}", "cmd", "dag_show", "name", cli->arg[0]), -1,
		       &a);
	if (code != 0 || cli->json) {
		return code != 0 ? code : cli_json(cli, a);
	}
	printf("%s: %s\n\n", cli_text(a, "name"), cli_text(a, "text"));
	edges = json_object_get(a, "edges");
	columns_init(&t, "<FUNCTION <RESULTS");
	json_array_foreach(json_object_get(a, "functions"), i, f) {
		const char *name = json_string_value(f);
		char to[1024] = "";
		size_t len = 0;

		json_array_foreach(edges, k, edge) {
			const char *from = json_string_value(json_array_get(edge, 0));

			if (from == NULL || name == NULL || strcmp(from, name) != 0 ||
			    len >= sizeof(to)) {
				continue;
			}
			len += (size_t)snprintf(to + len, sizeof(to) - len, "%s%s",
						len > 0 ? ", " : "to ",
						json_string_value(json_array_get(edge, 1)));
		}
		columns_row(&t, "ss", name, len > 0 ? to : "are the answer");
	}
	columns_print(&t, stdout);
	columns_fini(&t);
	json_decref(a);
	return CLI_DONE;
}

const struct command cmd_dag_show = {
	.name = "dag show",
	.args = "NAME",
	.summary = "a DAG's text and edges",
	.example = "microburst dag show diamond",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 1,
	.run = dag_show_run,
};

static int
dag_rm_run(struct cli *cli)
{
	return cli_ask_quietly(cli, json_pack("{s:s, s:s}", "cmd", "dag_rm", "name", cli->arg[0]));
}

const struct command cmd_dag_rm = {
	.name = "dag rm",
	.args = "NAME",
	.summary = "forget a DAG; its functions stay",
	.example = "microburst dag rm diamond",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 1,
	.run = dag_rm_run,
};

static int
dag_list_run(struct cli *cli)
{
	struct columns t;
	json_t *a, *dag;
	size_t i;
	int code;

	code = cli_ask(cli, json_pack("{s:s}", "cmd", "dags"), -1, &a);
	if (code != 0 || cli->json) {
		return code != 0 ? code : cli_json(cli, a);
	}
	columns_init(&t, "<DAG <TEXT");
	json_array_foreach(json_object_get(a, "dags"), i, dag) {
		columns_row(&t, "ss", cli_text(dag, "name"), cli_text(dag, "text"));
	}
	columns_print(&t, stdout);
	columns_fini(&t);
	if (i == 0) {
		puts("No DAG is registered: `microburst dag add` does it.");
	}
	json_decref(a);
	return CLI_DONE;
}

const struct command cmd_dag_list = {
	.name = "dag list",
	.summary = "list the DAGs that are registered",
	.example = "microburst dag list",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.run = dag_list_run,
};
