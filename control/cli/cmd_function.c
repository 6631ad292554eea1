/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_function.c - deploy, functions, undeploy */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "columns.h"
#include "compile.h"
#include "mem.h"

/* ----------------------------------------------------------------- deploy */

struct deploy {
	const char *name, *class;
	bool lazy;
	uint64_t deadline_ns, concurrency, memory_bytes; /* 0: no limit */
};

static int
deploy_set(struct cli *cli, int key, const char *text)
{
	struct deploy *deploy = cli->opt;

	switch (key) {
	case 'n':
		deploy->name = text;
		return 0;
	case 'd':
		return cli_duration(cli, "deadline", text, &deploy->deadline_ns);
	case 'c':
		return cli_count(cli, "concurrency", text, 1, 64, &deploy->concurrency);
	case 'm':
		return cli_bytes(cli, "memory", text, &deploy->memory_bytes);
	case 'k':
		deploy->class = text;
		return 0;
	default:
		deploy->lazy = true;
		return 0;
	}
}

static bool
ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), end_len = strlen(end);

	return len > end_len && strcmp(s + len - end_len, end) == 0;
}

/* The file's name without folders and ending: what the node calls the object in its messages. */
static char *
object_name(const char *path)
{
	const char *base = strrchr(path, '/');
	const char *dot;

	base = base == NULL ? path : base + 1;
	dot = strrchr(base, '.');
	return mem_keep(strndup(base, dot == NULL ? strlen(base) : (size_t)(dot - base)));
}

/* What is going on, on one line of a terminal that the next one replaces. "" ends it. */
static void
progress(const char *doing, const char *file)
{
	if (isatty(STDERR_FILENO) == 1) {
		fprintf(stderr, "\r\033[K%s%s%s", doing, *doing == '\0' ? "" : " ", file);
	}
}

/* The object behind a file: compiled, or opened. Says so itself when there is none. */
static int
open_object(struct cli *cli, const char *file, int *ret_fd)
{
	char err[COMPILE_ERR_BYTES];
	int rc;

	if (ends_with(file, ".so")) {
		*ret_fd = open(file, O_RDONLY | O_CLOEXEC);
		return *ret_fd >= 0
			       ? 0
			       : cli_fail(cli, MB_ERR_IO, strerror(errno), "cannot read %s", file);
	}
	if (access(file, R_OK) != 0) { /* a sentence of ours, not the compiler's page */
		return cli_fail(cli, MB_ERR_IO, strerror(errno), "cannot read %s", file);
	}
	progress("compiling", file);
	rc = compile_run(file, ret_fd, err);
	progress("", "");
	return rc == MB_OK ? 0 : cli_fail(cli, rc, err, "%s", "");
}

static int
deploy_file(struct cli *cli, const char *file, json_t *all)
{
	const struct deploy *deploy = cli->opt;
	char *object = object_name(file);
	json_t *request, *a, *f;
	int code, fd = -1;
	size_t i;

	code = open_object(cli, file, &fd);
	if (code != 0) {
		return code;
	}
	request = json_pack("{s:s, s:s, s:s*, s:s*, s:b, s:I, s:I, s:I}", "cmd", "deploy", "object",
			    object, "name", deploy->name, "class", deploy->class, "pin",
			    !deploy->lazy, "deadline_ns", (json_int_t)deploy->deadline_ns,
			    "concurrency", (json_int_t)deploy->concurrency, "memory_bytes",
			    (json_int_t)deploy->memory_bytes);
	progress("deploying", file);
	code = cli_ask(cli, request, fd, &a);
	progress("", "");
	close(fd);
	if (code != 0) {
		return code;
	}
	json_array_foreach(json_object_get(a, "functions"), i, f) {
		if (!cli->json) {
			printf("deployed %s, version %llu\n", cli_text(f, "name"),
			       (unsigned long long)cli_u64(f, "version"));
		}
		json_array_append(all, f);
	}
	json_decref(a);
	return 0;
}

static int
deploy_run(struct cli *cli)
{
	const struct deploy *deploy = cli->opt;
	json_t *all;
	int code;

	for (int i = 0; i < cli->arg_cnt; i++) {
		if (!ends_with(cli->arg[i], ".c") && !ends_with(cli->arg[i], ".so")) {
			return cli_usage(cli, "it takes .c and .so files, not \"%s\"", cli->arg[i]);
		}
	}
	if (deploy->name != NULL && cli->arg_cnt > 1) {
		return cli_usage(cli, "--name is for one file");
	}
	code = cli_open(cli); /* before a compiler runs for nothing */
	all = mem_need(json_array());
	for (int i = 0; i < cli->arg_cnt && code == 0; i++) {
		code = deploy_file(cli, cli->arg[i], all);
	}
	if (code == 0 && cli->json) {
		return cli_json(cli, json_pack("{s:o}", "functions", all));
	}
	json_decref(all);
	return code;
}

const struct command cmd_deploy = {
	.name = "deploy",
	.args = "FILE.c|FILE.so...",
	.summary = "compile if source, check, register, load into executors",
	.more = "Every MB_FUNCTION of the file becomes callable under its name. A name that exists "
		"gets a new version; calls that run keep theirs. $CC and $CFLAGS are heeded.",
	.example = "microburst deploy examples/increment.c",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = COMMAND_ARGS_ANY,
	.option =
		(const struct argp_option[]){
			{ "name", 'n', "NAME", 0,
			  "Register it as NAME, if the file has one function", 0 },
			{ "deadline", 'd', "DURATION", 0,
			  "Stop each call of it that takes longer, such as 100ms", 0 },
			{ "concurrency", 'c', "N", 0, "Run it at N executors at a time at most",
			  0 },
			{ "memory", 'm', "BYTES", 0,
			  "Give it no more memory than that while it runs, such as 64m", 0 },
			{ "class", 'k', "CLASS", 0,
			  "Only executors of CLASS may run it (executor.classes)", 0 },
			{ "lazy", 'l', NULL, 0, "Register only; the first call loads it", 0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct deploy),
	.set = deploy_set,
	.run = deploy_run,
};

/* -------------------------------------------------------------- functions */

static int
functions_run(struct cli *cli)
{
	struct columns t;
	json_t *a, *f;
	size_t i;
	int code;

	code = cli_ask(cli, json_pack("{s:s}", "cmd", "functions"), -1, &a);
	if (code != 0 || cli->json) {
		return code != 0 ? code : cli_json(cli, a);
	}
	columns_init(&t, "<FUNCTION >VERSION >EXECUTORS >OBJECT <LOADED <CLASS");
	json_array_foreach(json_object_get(a, "functions"), i, f) {
		columns_row(&t, "suubss", cli_text(f, "name"), cli_u64(f, "version"),
			    cli_u64(f, "executors"), cli_u64(f, "object_bytes"),
			    json_is_true(json_object_get(f, "pinned")) ? "yes"
								       : "at its first call",
			    cli_text(f, "class"));
	}
	columns_print(&t, stdout);
	columns_fini(&t);
	if (i == 0) {
		puts("No function is deployed: `microburst deploy FILE.c` does it.");
	}
	json_decref(a);
	return CLI_DONE;
}

const struct command cmd_functions = {
	.name = "functions",
	.summary = "list what is deployed",
	.example = "microburst functions",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.run = functions_run,
};

/* --------------------------------------------------------------- undeploy */

static int
undeploy_run(struct cli *cli)
{
	return cli_ask_quietly(cli,
			       json_pack("{s:s, s:s}", "cmd", "undeploy", "name", cli->arg[0]));
}

const struct command cmd_undeploy = {
	.name = "undeploy",
	.args = "NAME",
	.summary = "take a function back; refused while a DAG uses it",
	.example = "microburst undeploy increment",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 1,
	.run = undeploy_run,
};
