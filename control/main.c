/* SPDX-License-Identifier: Apache-2.0 */
/* microburstd - the daemon of a node, in the foreground */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "log.h"
#include "microburst/error.h"
#include "node.h"

const char *argp_program_version = "microburstd " MB_VERSION;
static const char doc[] =
	"Run a Microburst node: the store, the cache and the executors of this machine.\v"
	"It runs in the foreground until SIGINT or SIGTERM, or `microburst down`. Parameters come "
	"from their defaults, then the file, then --set. --params lists them.";

enum { OPT_PLAN = 256, OPT_MACHINE, OPT_CHECK, OPT_PARAMS, OPT_SANDBOX, OPT_EXECUTOR };

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "read parameters from FILE", 0 },
	{ "set", 's', "SECTION.KEY=VALUE", 0, "set one parameter", 0 },
	{ "params", OPT_PARAMS, NULL, 0, "list the parameters and end", 0 },
	{ "plan", OPT_PLAN, NULL, 0,
	  "look for what it needs on this machine too, print where everything would run, and end",
	  0 },
	{ "machine", OPT_MACHINE, "TEXT", 0,
	  "plan for this machine instead, in hwloc's words: \"pack:2 [numa(memory=128GB)] core:16 "
	  "pu:1\"",
	  0 },
	{ "check", OPT_CHECK, NULL, 0,
	  "read the configuration, say what it sets and whether it is right, and end", 0 },
	{ "sandbox", OPT_SANDBOX, "full|none", 0, "none: functions run unconfined (for debugging)",
	  0 },
	{ "executor", OPT_EXECUTOR, "PATH", 0, "the microburst-executor to run", 0 },
	{ 0 },
};

struct arguments {
	struct params params;
	bool check_only;
	const char *plan_for, *sandbox; /* node_create */
	char executor[NODE_PATH_BYTES];
};

static struct node *the_node;
static volatile sig_atomic_t stop_wanted;

/* While it starts there is nothing to stop yet: it is not run then. */
static void
on_signal(int sig)
{
	stop_wanted = 1;
	if (the_node != NULL) {
		node_stop(the_node);
	}
}

static error_t
parse_opt(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	char err[PARAMS_ERR_BYTES];

	switch (key) {
	case 'c':
		if (conf_load(&a->params, arg, err) != 0) {
			argp_failure(state, 2, 0, "%s", err);
		}
		return 0;
	case 's':
		if (conf_set(&a->params, arg, err) != 0) {
			argp_failure(state, 2, 0, "%s", err);
		}
		return 0;
	case OPT_PARAMS:
		params_help(stdout);
		exit(0);
	case OPT_PLAN:
		a->plan_for = a->plan_for != NULL ? a->plan_for : "";
		return 0;
	case OPT_MACHINE:
		a->plan_for = arg;
		return 0;
	case OPT_CHECK:
		a->check_only = true;
		return 0;
	case OPT_SANDBOX:
		if (strcmp(arg, "full") != 0 && strcmp(arg, "none") != 0) {
			argp_error(state, "--sandbox is full or none, not '%s'", arg);
		}
		a->sandbox = arg;
		return 0;
	case OPT_EXECUTOR:
		snprintf(a->executor, sizeof(a->executor), "%s", arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is '%s'? Everything is an option here", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* microburst-executor stands beside this program, or where the build or the installation put it. */
static void
executor_find(char ret[NODE_PATH_BYTES])
{
	static const char *const places[] = { "microburst-executor",
					      "../executor/microburst-executor",
					      "../libexec/microburst/microburst-executor" };
	char self[NODE_PATH_BYTES];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *dir;

	self[n > 0 ? n : 0] = '\0';
	dir = dirname(self);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (snprintf(ret, NODE_PATH_BYTES, "%s/%s", dir, places[i]) < NODE_PATH_BYTES &&
		    access(ret, X_OK) == 0) {
			return;
		}
	}
}

/* What differs from the defaults, as --set takes it, if it is right. */
static int
check(const struct params *p, char why[NODE_WHY_BYTES])
{
	struct params initial;
	const struct param *row;
	char now[PARAM_STR_BYTES], was[PARAM_STR_BYTES];

	if (node_check(p, false, why) != 0) {
		fprintf(stderr, "microburstd: %s\n", why);
		return 2;
	}
	params_default(&initial);
	for (size_t i = 0; (row = params_row(i)) != NULL; i++) {
		params_get(p, row->name, now);
		params_get(&initial, row->name, was);
		if (strcmp(now, was) != 0) {
			/* Terminals and journals are read by others. */
			printf("%s=%s\n", row->name,
			       strcmp(row->name, "gate.password") == 0 ? "(set)" : now);
		}
	}
	puts("the configuration is right");
	/* doctor reads it: */
	printf("huge pages for it: %" PRIu64 " of 2 MiB\n",
	       (node_huge_bytes(p) + (2u << 20) - 1) / (2u << 20));
	return fflush(stdout) == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	static struct arguments a;
	static const struct argp argp = { options, parse_opt, NULL, doc, NULL, NULL, NULL };
	struct sigaction sa = { .sa_handler = on_signal };
	char why[NODE_WHY_BYTES] = "";
	enum log_level level;
	sigset_t child;
	int err;

	/* Before there are threads: all of them leave it to ctl (ctl_lease.c). */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	params_default(&a.params);
	a.sandbox = "full";
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.check_only) {
		return check(&a.params, why);
	}
	if (a.executor[0] == '\0') {
		executor_find(a.executor);
	}
	if (log_level_from_name(a.params.log_level, &level) == 0) {
		log_open(STDERR_FILENO, level);
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	err = node_create(&the_node, &a.params, a.executor, a.sandbox, a.plan_for, stdout, why);
	if (err == 0 && a.plan_for == NULL && !stop_wanted) {
		signal(SIGPIPE, SIG_IGN);
		err = node_run(the_node, stdout, why);
	}
	if (err != 0) {
		fflush(stdout); /* into a pipe, too, the reason comes last */
		fprintf(stderr, "microburstd: %s\n", why[0] != '\0' ? why : mb_err_text(err));
	}
	if (the_node != NULL) {
		node_destroy(the_node);
	}
	return err == 0 ? 0 : err == MB_ERR_CONFIG ? 2 : 1;
}
