/* SPDX-License-Identifier: Apache-2.0 */
/* cli - what every command shares: its options and arguments, the node, answers and errors
 *
 * An error is one sentence on standard error: what, why, what to do. With --json it is
 * {"error": NAME, "text": ...} on standard output instead, so that a program reads one stream
 * whatever happens. Usage is for people and always goes to standard error.
 *
 * Threads: one. A command runs once, then the process ends: what it allocated ends with it.
 */
#ifndef MB_CLI_H
#define MB_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include <microburst/client.h>

#include "command.h"

enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1,  /* the function or the request failed */
	CLI_USAGE = 2,   /* it was not understood; nothing was done */
	CLI_NO_NODE = 3, /* no node was reached */
};

struct cli {
	const struct command *command;
	const char *socket; /* --socket; NULL: the default */
	const char *ack;    /* --ack: who has merged a write before it is done; NULL: the default */
	bool json;
	bool terminal; /* standard output is one */
	int arg_cnt;
	const char **arg;
	void *opt;                /* the command's own options */
	struct mb_client *client; /* see cli_open */
	int exit_code;            /* of what has failed so far */
};

/* cli_run reads the command's part of the command line and runs it.
 *
 * Requires:  argv[0] is the command's name; socket and json are what stood before it.
 * Returns:   the process's exit code; standard output is flushed, and checked.
 */
int cli_run(struct cli *cli, int argc, char **argv);

/* ------------------------------------------------------------------ errors */

/* cli_fail says why something failed: "microburst: <what>: <text>". text is what the node or the
 * function said; NULL or "": the error's own text and what to do about it.
 * Returns: CLI_NO_NODE for MB_ERR_NO_NODE, else CLI_FAILED. */
int cli_fail(struct cli *cli, int err, const char *text, const char *what, ...)
	__attribute__((__format__(__printf__, 4, 5)));

/* cli_usage says what of the command line was not understood. Returns: CLI_USAGE. */
int cli_usage(struct cli *cli, const char *what, ...) __attribute__((__format__(__printf__, 2, 3)));

/* ---------------------------------------------------------------- the node */

/* cli_open enters the node, as cli->client; cli_run leaves it. Says so itself when that fails.
 * Returns: 0, or the exit code. */
int cli_open(struct cli *cli);

/* cli_ack reads --ack. Returns: 0, or what cli_usage returned. */
int cli_ack(struct cli *cli, enum mb_ack *ret);

/* cli_value is the value that a word stands for. Returns: 0, or what cli_fail returned. */
int cli_value(struct cli *cli, const char *text, struct mb_value *ret);

/* cli_open_for is cli_open, once key is one. */
int cli_open_for(struct cli *cli, const char *key);

/* cli_ask asks the node what ctl/admin.h lists, fd (or -1) with it. Enters the node first if
 * need be. Says so itself when that fails.
 * Returns: 0 with *ret, which the caller owns; or the exit code.
 * Owns:    takes request; NULL is allowed, and is said to be a name that is not UTF-8
 *          (that is what json_pack makes of one). */
int cli_ask(struct cli *cli, json_t *request, int fd, json_t **ret);

/* cli_ask_quietly is cli_ask for a request whose answer says nothing but that it was done.
 * Returns: the exit code. Owns: takes request. */
int cli_ask_quietly(struct cli *cli, json_t *request);

/* cli_json prints an answer, for --json. Returns: CLI_DONE. Owns: takes object. */
int cli_json(struct cli *cli, json_t *object);

/* ------------------------------------------------------------------ values */

/* cli_duration reads a duration such as 10ms: a whole number and ns, us, ms, s, min or h.
 * Returns: 0, or what cli_usage returned. */
int cli_duration(struct cli *cli, const char *option, const char *text, uint64_t *ret_ns);

/* cli_bytes reads a size such as 64m. Returns: as cli_duration. */
int cli_bytes(struct cli *cli, const char *option, const char *text, uint64_t *ret);

/* cli_count reads a whole number from min to max. Returns: as cli_duration. */
int cli_count(struct cli *cli, const char *option, const char *text, uint64_t min, uint64_t max,
	      uint64_t *ret);

/* cli_text, cli_u64 read a field of an answer: "" and 0 when it is not there. */
const char *cli_text(const json_t *object, const char *key);
uint64_t cli_u64(const json_t *object, const char *key);

#endif
