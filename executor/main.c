/* SPDX-License-Identifier: Apache-2.0 */
/* microburst-executor - started by the node, as the zygote that its executors are forked from */
#include <argp.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"
#include "zygote.h"

static const struct argp_option options[] = {
	{ "zygote", 'z', "FD", 0, "The socket to the node", 0 },
	{ "parent", 'p', "PID", 0, "The node's process id", 0 },
	{ "uid-base", 'u', "UID", 0, "As root: executor N runs as user and group UID + N", 0 },
	{ "sandbox", 's', "full|none", 0,
	  "none: functions can do what the node's user can; for debuggers", 0 },
	{ 0 }
};

/* A number from 0 to max, or an error that ends the program. */
static unsigned long
number(struct argp_state *state, const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n > max) {
		argp_error(state, "'%s' is not a number from 0 to %lu", text, max);
	}
	return n;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct zygote_conf *conf = state->input;

	switch (key) {
	case 'z':
		conf->sock = (int)number(state, arg, INT32_MAX);
		return 0;
	case 'p':
		conf->parent = (int32_t)number(state, arg, INT32_MAX);
		return 0;
	case 'u':
		conf->uid_base = (uint32_t)number(state, arg, UINT32_MAX - PROC_CNT_MAX);
		return 0;
	case 's':
		conf->sandbox_off = strcmp(arg, "none") == 0;
		if (!conf->sandbox_off && strcmp(arg, "full") != 0) {
			argp_error(state, "--sandbox is full or none, not '%s'", arg);
		}
		return 0;
	case ARGP_KEY_END:
		if (conf->sock < 0 || fcntl(conf->sock, F_GETFD) < 0) {
			argp_error(state,
				   "this program is started by microburstd: run `microburst up`");
		}
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int
main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Runs the functions of a Microburst node. Started by microburstd.",
	};
	struct zygote_conf conf = { .sock = -1,
				    .parent = (int32_t)getppid(),
				    .uid_base = ZYGOTE_UID_BASE };

	if (argp_parse(&argp, argc, argv, 0, NULL, &conf) != 0) {
		return 2;
	}
	return zygote_run(&conf);
}
