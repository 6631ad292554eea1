/* SPDX-License-Identifier: Apache-2.0 */
/* command - the table of commands
 *
 * Each command is one struct, beside its code (cmd_*.c). The table lists them in the order of the
 * menu; menu, --help, the shell's completion and a test of the man page are made from it.
 */
#ifndef MB_CLI_COMMAND_H
#define MB_CLI_COMMAND_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct cli;

#define COMMAND_ARGS_ANY (-1)

enum command_flag {
	COMMAND_NODE = 1 << 0,   /* talks to a node: has --socket and --connect */
	COMMAND_JSON = 1 << 1,   /* has --json */
	COMMAND_RAW = 1 << 2,    /* passes its arguments on as they are, but for --help */
	COMMAND_SOCKET = 1 << 3, /* has --socket alone */
};

struct command {
	const char *name;                 /* "call"; or two words, "dag add" */
	const char *args;                 /* "NAME [ARG]...", NULL: none */
	const char *summary;              /* a few words, no capital, no full stop */
	const char *more;                 /* what else --help tells, or NULL */
	const char *example;              /* one command line */
	unsigned flags;                   /* of enum command_flag */
	int arg_min, arg_max;             /* COMMAND_ARGS_ANY: no limit */
	const struct argp_option *option; /* of its own; NULL: none */
	size_t opt_bytes; /* of the struct that set fills, zeroed before; run sees it as cli->opt */

	/* set takes one option. Returns: 0, or what cli_usage returned. */
	int (*set)(struct cli *cli, int key, const char *text);

	/* run does the command. Returns: the process's exit code. */
	int (*run)(struct cli *cli);
};

/* command_at gives the table's i-th command, NULL behind the last; *ret_group is the heading of the
 * menu it stands under (NULL is allowed). */
const struct command *command_at(size_t i, const char **ret_group);

/* command_find finds the command that argv[0], or argv[0] and argv[1], name.
 * Returns: NULL if none; *ret_words: how many of argv its name took. */
const struct command *command_find(int argc, char *const *argv, int *ret_words);

/* command_nearest gives the name of a command that text may have meant, NULL if none is near. */
const char *command_nearest(const char *text);

/* command_menu prints what `microburst --help` says; of a family ("dag") only its commands.
 * Returns: whether there was any. */
bool command_menu(FILE *f, const char *family);

extern const struct command cmd_up, cmd_down, cmd_status;
extern const struct command cmd_top;
extern const struct command cmd_ps, cmd_logs, cmd_cancel, cmd_send, cmd_trace, cmd_explain;
extern const struct command cmd_deploy, cmd_functions, cmd_undeploy;
extern const struct command cmd_call, cmd_future;
extern const struct command cmd_dag_add, cmd_dag_call, cmd_dag_show, cmd_dag_rm, cmd_dag_list;
extern const struct command cmd_get, cmd_set, cmd_incr, cmd_sadd, cmd_del, cmd_keys, cmd_members;
extern const struct command cmd_srem, cmd_hset, cmd_hget, cmd_hincr, cmd_hdel, cmd_expire;
extern const struct command cmd_push, cmd_pop, cmd_zadd, cmd_zincr, cmd_zscore, cmd_zrem;
extern const struct command cmd_merge, cmd_zrange, cmd_zpop;
extern const struct command cmd_doctor, cmd_bench;

#endif
