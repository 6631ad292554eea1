/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_node.c - up, down, status: the node as a whole */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "beside.h"
#include "cli.h"
#include "fmt.h"

/* --------------------------------------------------------------------- up */

#define UP_SET_MAX 64

struct up {
	const char *config;
	const char *set[UP_SET_MAX];
	size_t set_cnt;
};

static int
up_set(struct cli *cli, int key, const char *text)
{
	struct up *up = cli->opt;

	if (key == 'c') {
		up->config = text;
		return 0;
	}
	if (strchr(text, '=') == NULL) {
		return cli_usage(cli, "--set takes section.key=value, not \"%s\"", text);
	}
	if (up->set_cnt == UP_SET_MAX) {
		return cli_usage(cli, "more than %d --set belong into a file: --config FILE",
				 UP_SET_MAX);
	}
	up->set[up->set_cnt++] = text;
	return 0;
}

static int
up_run(struct cli *cli)
{
	struct up *up = cli->opt;
	const char *argv[2 * UP_SET_MAX + 8], *where;
	char path[PATH_MAX], socket[PATH_MAX + 16];
	size_t n = 0;

	if (beside_program("microburstd", path) != MB_OK) {
		return cli_fail(cli, MB_ERR_NOT_FOUND, BESIDE_NO_NODE, "cannot start a node");
	}
	argv[n++] = path;
	if (up->config != NULL) {
		argv[n++] = "--config";
		argv[n++] = up->config;
	}
	/* The socket first: a --set of the user's may still say otherwise. */
	where = cli->socket != NULL ? cli->socket : getenv("MICROBURST_SOCKET");
	if (where != NULL && strstr(where, "://") != NULL) {
		return cli_usage(cli, "it starts a node here; --connect is for one that runs");
	}
	if (where != NULL) {
		snprintf(socket, sizeof(socket), "node.socket=%s", where);
		argv[n++] = "--set";
		argv[n++] = socket;
	}
	for (size_t i = 0; i < up->set_cnt; i++) {
		argv[n++] = "--set";
		argv[n++] = up->set[i];
	}
	argv[n] = NULL;
	execv(path, (char *const *)argv);
	return cli_fail(cli, MB_ERR_IO, strerror(errno), "cannot start %s", path);
}

const struct command cmd_up = {
	.name = "up",
	.summary = "start a node in the foreground",
	.more = "Runs microburstd until Ctrl-C or `microburst down`. Without --config it runs on "
		"defaults that suit this machine; `microburstd --params` lists every parameter.",
	.example = "microburst up --set executor.count=2",
	.flags = COMMAND_SOCKET,
	.option =
		(const struct argp_option[]){
			{ "config", 'c', "FILE", 0, "Read parameters from FILE", 0 },
			{ "set", 's', "KEY=VALUE", 0,
			  "Set one parameter, after the file; repeatable", 0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct up),
	.set = up_set,
	.run = up_run,
};

/* ------------------------------------------------------------------- down */

struct down {
	uint64_t wait_ns;
};

static int
down_set(struct cli *cli, int key, const char *text)
{
	return cli_duration(cli, "wait", text, &((struct down *)cli->opt)->wait_ns);
}

/* Waits for the end of process pid. Leaves the node, which drains all the sooner. */
static bool
ended(struct cli *cli, pid_t pid, uint64_t wait_ns)
{
	struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int ready;

	if (p.fd < 0) {
		return errno == ESRCH;
	}
	mb_client_close(cli->client);
	cli->client = NULL;
	ready = poll(&p, 1, (int)(wait_ns / 1000000));
	close(p.fd);
	return ready == 1;
}

static int
down_run(struct cli *cli)
{
	struct down *down = cli->opt;
	uint64_t wait_ns = down->wait_ns > 0 ? down->wait_ns : UINT64_C(10000000000);
	json_t *status, *answer;
	pid_t pid;
	int code;

	code = cli_ask(cli, json_pack("{s:s}", "cmd", "status"), -1, &status);
	if (code != 0) {
		return code;
	}
	pid = (pid_t)cli_u64(json_object_get(status, "node"), "pid");
	json_decref(status);
	code = cli_ask(cli,
		       json_pack("{s:s, s:I}", "cmd", "down", "wait_ms",
				 (json_int_t)(wait_ns / 1000000)),
		       -1, &answer);
	if (code != 0) {
		return code;
	}
	json_decref(answer);
	/* The node cuts calls short when its time is up; a second more for it to leave. */
	if (!ended(cli, pid, wait_ns + 1000000000)) {
		return cli_fail(
			cli, MB_ERR_DEADLINE,
			"its last calls do not end: `microburst ps` shows them, kill ends it",
			"the node (process %d) is still there", (int)pid);
	}
	return cli->json ? cli_json(cli, json_pack("{s:i}", "stopped", (int)pid)) : CLI_DONE;
}

const struct command cmd_down = {
	.name = "down",
	.summary = "stop the node, draining: no new calls, those that run may end",
	.more = "Returns when the node has ended.",
	.example = "microburst down --wait 5s",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.option =
		(const struct argp_option[]){
			{ "wait", 'w', "DURATION", 0,
			  "How long running calls may go on before they are cancelled; default 10s",
			  0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct down),
	.set = down_set,
	.run = down_run,
};

/* ----------------------------------------------------------------- status */

struct status {
	bool plan;
};

static int
status_set(struct cli *cli, int key, const char *text)
{
	(void)key;
	(void)text;
	((struct status *)cli->opt)->plan = true;
	return 0;
}

static const char *
yes_no(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key)) ? "yes" : "no";
}

static void
print_list(const char *what, const json_t *list, const char *none)
{
	const json_t *item;
	size_t i;

	printf("%-10s  ", what);
	json_array_foreach(list, i, item) {
		printf("%s%s", i > 0 ? ", " : "", json_string_value(item));
	}
	puts(json_array_size(list) == 0 ? none : "");
}

/* What is held right now, of all that could be. On an idle node it is nothing; what there is shows
 * what to look into. */
static void
print_held(const json_t *held)
{
	const json_t *value;
	const char *name;
	bool any = false;

	printf("held      ");
	json_object_foreach((json_t *)held, name, value) {
		if (json_integer_value(value) != 0) {
			printf("  %s %" JSON_INTEGER_FORMAT, name, json_integer_value(value));
			any = true;
		}
	}
	puts(any ? "" : "  nothing");
}

static int
status_run(struct cli *cli)
{
	const json_t *node, *machine;
	char uptime[FMT_BYTES], planned[FMT_BYTES], count[3][FMT_BYTES];
	json_t *a;
	int code;

	code = cli_ask(cli, json_pack("{s:s}", "cmd", "status"), -1, &a);
	if (code != 0 || cli->json) {
		return code != 0 ? code : cli_json(cli, a);
	}
	node = json_object_get(a, "node");
	machine = json_object_get(a, "machine");
	printf("node        version %s, process %llu, up %s\n", cli_text(node, "version"),
	       (unsigned long long)cli_u64(node, "pid"),
	       fmt_ns(uptime, cli_u64(node, "uptime_s") * 1000000000));
	printf("socket      %s\n", cli_text(node, "socket"));
	printf("machine     %s, huge pages: %s, root: %s, io_uring: %s\n",
	       fmt_count(count[0], cli_u64(machine, "cores"), "core"),
	       yes_no(machine, "huge_pages"), yes_no(machine, "root"), cli_text(machine, "uring"));
	print_list("unenforced", json_object_get(machine, "sandbox"),
		   "nothing: the sandbox is whole");
	printf("memory      %s planned\n",
	       fmt_bytes(planned, cli_u64(json_object_get(a, "memory"), "planned_bytes")));
	printf("registered  %s, %s; %s here now\n",
	       fmt_count(count[0], cli_u64(a, "functions"), "function"),
	       fmt_count(count[1], cli_u64(a, "dags"), "DAG"),
	       fmt_count(count[2], cli_u64(a, "clients"), "client"));
	print_held(json_object_get(a, "held"));
	putchar('\n');
	if (((struct status *)cli->opt)->plan) {
		printf("%s\n", cli_text(a, "plan"));
	}
	answer_executors(json_object_get(a, "executors"));
	json_decref(a);
	return CLI_DONE;
}

const struct command cmd_status = {
	.name = "status",
	.summary = "what the node is, what it runs on, what it holds",
	.more = "What is held is counted by walking, now: on an idle node it is nothing. "
		"--json shows every count.",
	.example = "microburst status --plan",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.option =
		(const struct argp_option[]){
			{ "plan", 'p', NULL, 0, "Also where its tiles, links and memory are", 0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct status),
	.set = status_set,
	.run = status_run,
};
