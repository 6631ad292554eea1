/* SPDX-License-Identifier: Apache-2.0 */
/* node.c - see node.h */
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "timebase.h"

#define START_WAIT_NS  (20 * NS_PER_S)
#define STOP_WAIT_NS   (10 * NS_PER_S)
#define SETTLE_WAIT_NS (5 * NS_PER_S)
#define SETTING_MAX    8
#define SETTINGS_BYTES 512
#define POLL_NS        (2 * NS_PER_MS)

static uint64_t
now_ns(void)
{
	return timebase_now_ns(timebase_real());
}

static void
nap(void)
{
	struct timespec t = { .tv_nsec = POLL_NS };

	nanosleep(&t, NULL);
}

static int __attribute__((__format__(__printf__, 2, 3))) tell(int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	return err;
}

/* A path relative to the folder of this program. */
static int
beside(const char *relative, char *ret)
{
	char self[NODE_PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	return snprintf(ret, NODE_PATH_MAX, "%s/%s", dirname(self), relative) < NODE_PATH_MAX
		       ? 0
		       : MB_ERR_TOO_LARGE;
}

/* ------------------------------------------------------------------ process */

/* The daemon where the build has it, and where an installation does. */
static int
daemon_find(char *ret)
{
	static const char *const places[] = { "../control/microburstd", "../../bin/microburstd" };

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (beside(places[i], ret) == 0 && access(ret, X_OK) == 0) {
			return 0;
		}
	}
	return tell(MB_ERR_NOT_FOUND,
		    "there is no microburstd: build it, or say where with --node");
}

static void
path_in(const struct node *n, const char *name, char *ret)
{
	snprintf(ret, NODE_PATH_MAX, "%.200s/%s", n->dir, name);
}

static void __attribute__((__noreturn__))
node_exec_daemon(struct node *n, const struct node_place *place, const char *daemon, pid_t parent)
{
	char path[NODE_PATH_MAX], socket[NODE_PATH_MAX + 16];
	char settings[SETTINGS_BYTES], *rest = NULL;
	const char *argv[2 * SETTING_MAX + 4] = { daemon, "--set", socket };
	int argc = 3;
	int log;

	path_in(n, "socket", path);
	snprintf(socket, sizeof(socket), "node.socket=%s", path);
	snprintf(settings, sizeof(settings), "%s", n->setting);
	for (char *one = strtok_r(settings, " ", &rest); one != NULL && argc < 2 * SETTING_MAX + 3;
	     one = strtok_r(NULL, " ", &rest)) {
		argv[argc++] = "--set";
		argv[argc++] = one;
	}
	path_in(n, "log", path);
	log = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	/* It ends with us, whatever happens to us. */
	if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent) {
		_exit(127);
	}
	if (place->enter != NULL && place->enter() != 0) {
		_exit(127);
	}
	setpgid(0, 0); /* Ctrl-C at a terminal is for us: we end the node */
	sched_setaffinity(0, sizeof(*place->cpus), place->cpus);
	execv(daemon, (char *const *)(uintptr_t)argv);
	fprintf(stderr, "%s: %s\n", daemon, strerror(errno));
	_exit(127);
}

/* What the node said last, when it did not come up. */
static void
show_log(const struct node *n)
{
	char path[NODE_PATH_MAX], line[512];
	FILE *f;

	path_in(n, "log", path);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		fprintf(stderr, "  %s", line);
	}
	if (f != NULL) {
		fclose(f);
	}
}

static int
node_enter(struct node *n)
{
	uint64_t until = now_ns() + START_WAIT_NS;
	char socket[NODE_PATH_MAX];
	int err, status;

	path_in(n, "socket", socket);
	while ((err = mb_client_open(&n->client, socket)) != 0) {
		if (waitpid(n->pid, &status, WNOHANG) == n->pid) {
			n->pid = 0;
			show_log(n);
			return tell(MB_ERR_NO_NODE, "the node ended while it started");
		}
		if (now_ns() > until) {
			show_log(n);
			return tell(err, "no node after 20 s: %s", mb_err_text(err));
		}
		nap();
	}
	return 0;
}

static int
node_prepare(struct node *n)
{
	struct node_exec exec;
	int err = node_deploy(n, "calls", NULL, true);

	if (err == 0) {
		err = node_deploy(n, "state", NULL, true);
	}
	if (err == 0) {
		err = node_deploy(n, "types", NULL, true);
	}
	if (err == 0) {
		err = node_settle(n);
	}
	if (err == 0) {
		int cnt = node_execs(n, &exec, 1, NULL);

		err = cnt < 0 ? cnt : 0;
	}
	if (err == 0) {
		n->cpu_exec = exec.cpu;
		n->cpu_client = mb_client_bind(n->client);
		err = n->cpu_client < 0 ? n->cpu_client : 0;
	}
	return err;
}

int
node_start(struct node **ret, const struct node_place *place, const char *setting)
{
	struct node *n = calloc(1, sizeof(*n));
	const char *tmp = getenv("TMPDIR");
	char daemon[NODE_PATH_MAX];
	pid_t parent = getpid();
	int err;

	err = n == NULL ? MB_ERR_NO_MEMORY : place->daemon != NULL ? 0 : daemon_find(daemon);
	if (err != 0) {
		free(n);
		return err;
	}
	n->setting = setting;
	snprintf(n->dir, sizeof(n->dir), "%.100s/microburst-bench-XXXXXX",
		 tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(n->dir) == NULL) {
		err = tell(MB_ERR_IO, "%s: %s", n->dir, strerror(errno));
		free(n);
		return err;
	}
	n->pid = fork();
	if (n->pid == 0) {
		node_exec_daemon(n, place, place->daemon != NULL ? place->daemon : daemon, parent);
	}
	err = n->pid < 0 ? MB_ERR_NO_MEMORY : node_enter(n);
	if (err == 0) {
		err = node_prepare(n);
	}
	if (err != 0) {
		node_stop(n);
		return err;
	}
	*ret = n;
	return 0;
}

static void
node_end(struct node *n)
{
	uint64_t until = now_ns() + STOP_WAIT_NS;
	int status;

	kill(n->pid, SIGTERM);
	while (waitpid(n->pid, &status, WNOHANG) == 0) {
		if (now_ns() > until) {
			tell(0, "the node did not end within 10 s: killed");
			kill(n->pid, SIGKILL);
			waitpid(n->pid, &status, 0);
			return;
		}
		nap();
	}
}

void
node_stop(struct node *n)
{
	static const char *const names[] = { "socket", "log" };
	char path[NODE_PATH_MAX];

	if (n == NULL) {
		return;
	}
	mb_client_close(n->client);
	if (n->pid > 0) {
		node_end(n);
	}
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_in(n, names[i], path);
		unlink(path);
	}
	if (rmdir(n->dir) != 0) {
		tell(0, "%s is left: %s", n->dir, strerror(errno));
	}
	free(n);
}

/* ---------------------------------------------------------------- questions */

int
node_ask(struct node *n, json_t *request, int fd, json_t **ret)
{
	char *text = json_dumps(request, JSON_COMPACT), *answer = NULL;
	json_t *json;
	int err;

	if (text == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	err = mb_client_admin(n->client, text, &fd, fd >= 0 ? 1 : 0, &answer);
	json = answer != NULL ? json_loads(answer, 0, NULL) : NULL;
	if (err != 0) {
		const char *why = json_string_value(json_object_get(json, "text"));

		tell(err, "%s: %s", text, why != NULL ? why : mb_err_text(err));
	}
	free(text);
	free(answer);
	if (err == 0 && ret != NULL) {
		*ret = json;
	} else {
		json_decref(json);
	}
	return err;
}

int
node_object(const char *object)
{
	char relative[64], path[NODE_PATH_MAX];
	int fd;

	snprintf(relative, sizeof(relative), "%s.so", object);
	if (beside(relative, path) != 0) {
		return MB_ERR_TOO_LARGE;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : tell(MB_ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
}

int
node_deploy(struct node *n, const char *object, const char *name, bool pin)
{
	json_t *request = json_pack("{s:s, s:s, s:s*, s:b}", "cmd", "deploy", "object", object,
				    "name", name, "pin", (int)pin);
	int fd = node_object(object);
	int err = fd < 0 ? fd : node_ask(n, request, fd, NULL);

	json_decref(request);
	if (fd >= 0) {
		close(fd);
	}
	return err;
}

int
node_undeploy(struct node *n, const char *name)
{
	json_t *request = json_pack("{s:s, s:s}", "cmd", "undeploy", "name", name);
	int err = node_ask(n, request, -1, NULL);

	json_decref(request);
	return err;
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

int
node_execs(struct node *n, struct node_exec *ret, int max, int *ret_spares)
{
	json_t *request = json_pack("{s:s}", "cmd", "ps"), *answer, *exec;
	int serving = 0, spares = 0;
	size_t i;
	int err = node_ask(n, request, -1, &answer);

	json_decref(request);
	if (err != 0) {
		return err;
	}
	json_array_foreach(json_object_get(answer, "executors"), i, exec) {
		const char *state = text_of(exec, "state");

		spares += strcmp(state, "spare") == 0;
		if (strcmp(state, "serving") != 0) {
			continue;
		}
		if (serving < max) {
			ret[serving] = (struct node_exec){
				.pid = (pid_t)json_integer_value(json_object_get(exec, "pid")),
				.cpu = (int)json_integer_value(json_object_get(exec, "cpu")),
				.inc = json_integer_value(json_object_get(exec, "inc")),
				.finished = json_integer_value(json_object_get(exec, "finished")),
			};
		}
		serving++;
	}
	json_decref(answer);
	if (ret_spares != NULL) {
		*ret_spares = spares;
	}
	return serving;
}

int
node_settle(struct node *n)
{
	uint64_t until = now_ns() + SETTLE_WAIT_NS;
	int serving, spares = 0;

	while ((serving = node_execs(n, NULL, 0, &spares)) == 0 || spares == 0) {
		if (now_ns() > until) {
			return tell(MB_ERR_DEADLINE, "after 5 s %d executors serve, %d are spare",
				    serving, spares);
		}
		nap();
	}
	return serving < 0 ? serving : 0;
}

int
node_call(struct node *n, const char *name, int64_t arg, int64_t *ret)
{
	struct mb_value x = mb_i64(arg);
	struct mb_reply reply;
	int err = mb_call(n->client, name, &x, 1, NULL, &reply);

	if (err != 0) {
		tell(err, "%s: %s: %s", name, mb_err_text(err), reply.text);
	} else if (reply.cnt != 1 || reply.value[0].type != MB_I64) {
		err = tell(MB_ERR_TYPE, "%s did not return one I64", name);
	} else if (ret != NULL) {
		*ret = reply.value[0].i64;
	}
	mb_reply_free(n->client, &reply);
	return err;
}
