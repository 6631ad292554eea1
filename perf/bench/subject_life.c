/* SPDX-License-Identifier: Apache-2.0 */
/* subject_life.c - see subject_life.h
 *
 * One sample a block: each needs a quiet node with a spare executor ready, which is waited for and
 * not counted.
 */
#include "subject_life.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compiler.h"

#define QUIET_NS     (5 * NS_PER_MS)
#define GIVE_UP_NS   (5 * NS_PER_S)
#define EXECUTOR_MAX 64

static uint64_t
now_ns(void)
{
	return timebase_now_ns(timebase_real());
}

static int
settle(struct env *env)
{
	struct timespec quiet = { .tv_nsec = QUIET_NS };
	int err = node_settle(env->node);

	nanosleep(&quiet, NULL);
	return err;
}

/* --------------------------------------------------------------- cold start */

/* Loads a copy of the object, so that the loader has not seen it before. */
static int
bare_load(void *ctx, const struct pace *pace, struct figures *f)
{
	int from = node_object("cold"), to = memfd_create("cold", MFD_CLOEXEC);
	struct stat st;
	char path[32];
	uint64_t at;
	void *object;
	int err = from >= 0 && to >= 0 && fstat(from, &st) == 0 ? 0 : MB_ERR_IO;

	if (err == 0 && sendfile(to, from, NULL, (size_t)st.st_size) != st.st_size) {
		err = MB_ERR_IO;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	at = timebase_tsc();
	object = err == 0 ? dlopen(path, RTLD_LAZY | RTLD_LOCAL) : NULL;
	if (err == 0 && (object == NULL || dlsym(object, "mb_function_bench_cold") == NULL)) {
		err = MB_ERR_LOAD;
	}
	if (object != NULL) {
		dlclose(object);
	}
	figures_span(f, timebase_tsc() - at);
	if (from >= 0) {
		close(from);
	}
	if (to >= 0) {
		close(to);
	}
	return err;
}

static int
cold_block(void *ctx, const struct pace *pace, struct figures *f)
{
	static unsigned number;
	struct env *env = ctx;
	char name[32];
	uint64_t at;
	int err;

	snprintf(name, sizeof(name), "bench_cold_%u", number++);
	err = node_deploy(env->node, "cold", name, false);
	if (err != 0) {
		return err;
	}
	err = settle(env);
	if (err == 0) {
		at = timebase_tsc();
		err = node_call(env->node, name, 0, NULL);
		figures_span(f, timebase_tsc() - at);
	}
	return err == 0 ? node_undeploy(env->node, name) : err;
}

int
subject_cold_start(struct env *env, const struct bench *bench, struct measure *ret)
{
	struct side subject = { .block = cold_block, .ctx = env };
	struct side floor = { .block = bare_load };
	int err = env_node(env, NODE_ONE_EXECUTOR);

	if (err == 0) {
		err = interleave(bench_pace(env, bench), &subject, &floor, env->stop, ret);
		env_procs(env);
	}
	return err;
}

/* ------------------------------------------------------------------ a crash */

/* Forks a child that says one byte and then waits for its end. */
static pid_t
bare_process(int *ret_fd)
{
	int fd[2];
	pid_t pid;

	if (pipe(fd) != 0) {
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		char ready = 1;

		close(fd[0]);
		if (write(fd[1], &ready, 1) == 1) {
			pause();
		}
		_exit(0);
	}
	close(fd[1]);
	*ret_fd = fd[0];
	return pid;
}

static int
bare_replace(void *ctx, const struct pace *pace, struct figures *f)
{
	int fd = -1, fd_next = -1;
	pid_t pid = bare_process(&fd), next;
	char ready;
	uint64_t at;
	int err = pid > 0 && read(fd, &ready, 1) == 1 ? 0 : MB_ERR_NO_MEMORY;

	at = timebase_tsc();
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	next = bare_process(&fd_next);
	if (next <= 0 || read(fd_next, &ready, 1) != 1) {
		err = MB_ERR_NO_MEMORY;
	}
	figures_span(f, timebase_tsc() - at);
	if (next > 0) {
		kill(next, SIGKILL);
		waitpid(next, NULL, 0);
	}
	close(fd);
	close(fd_next);
	return err;
}

static bool
is_among(const struct node_exec *exec, int cnt, pid_t pid)
{
	for (int i = 0; i < cnt; i++) {
		if (exec[i].pid == pid) {
			return true;
		}
	}
	return false;
}

/* Calls until one succeeds; a call that the dead executor had may end with its death. */
static int
first_success(struct env *env)
{
	uint64_t until = now_ns() + GIVE_UP_NS;
	struct mb_value x = mb_i64(1);
	struct mb_reply reply;
	int err;

	do {
		err = mb_call(env->node->client, "bench_increment", &x, 1, NULL, &reply);
		mb_reply_free(env->node->client, &reply);
	} while (err != 0 && now_ns() < until);
	return err;
}

/* Waits until as many executors serve as before, none of them pid. */
static int
replaced(struct env *env, int serving, pid_t pid)
{
	uint64_t until = now_ns() + GIVE_UP_NS;
	struct node_exec exec[EXECUTOR_MAX];
	int cnt;

	do {
		cnt = node_execs(env->node, exec, EXECUTOR_MAX, NULL);
		if (cnt >= serving && !is_among(exec, MIN(cnt, EXECUTOR_MAX), pid)) {
			return 0;
		}
	} while (cnt >= 0 && now_ns() < until);
	return cnt < 0 ? cnt : MB_ERR_DEADLINE;
}

static int
crash_once(struct env *env, struct measure *ret)
{
	struct node_exec exec[EXECUTOR_MAX] = { { .pid = 0 } };
	uint64_t at;
	int serving, err = settle(env);

	if (err == 0) {
		err = first_success(env); /* warm: a direct channel is open */
	}
	serving = err == 0 ? node_execs(env->node, exec, EXECUTOR_MAX, NULL) : err;
	if (serving <= 0) {
		return serving < 0 ? serving : MB_ERR_NO_EXECUTOR;
	}
	at = timebase_tsc();
	kill(exec[0].pid, SIGKILL);
	err = first_success(env);
	figures_span(&ret[1].subject, timebase_tsc() - at);
	if (err == 0) {
		err = replaced(env, serving, exec[0].pid);
		figures_span(&ret[0].subject, timebase_tsc() - at);
	}
	figures_block_end(&ret[0].subject);
	figures_block_end(&ret[1].subject);
	return err;
}

int
subject_crash_replace(struct env *env, const struct bench *bench, struct measure *ret)
{
	const struct pace *pace = bench_pace(env, bench);
	int err = env_node(env, NODE_ONE_EXECUTOR);

	for (uint32_t i = 0; i < pace->block_cnt && err == 0; i++) {
		err = *env->stop ? MB_ERR_INTERRUPTED : bare_replace(NULL, pace, &ret[0].floor);
		figures_block_end(&ret[0].floor);
		if (err == 0) {
			err = crash_once(env, ret);
		}
	}
	ret[1].floor = ret[0].floor;
	for (unsigned i = 0; i < 2; i++) {
		interleave_judge(&ret[i]);
		ret[i].attempts = 1;
	}
	if (env->node != NULL) {
		env_procs(env);
	}
	return err;
}
