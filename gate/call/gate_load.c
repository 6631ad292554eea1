/* SPDX-License-Identifier: Apache-2.0 */
/* gate_load - FUNCTION LOAD: source that a client gives is compiled and deployed
 *
 * The program `microburst deploy` does it, as for a person at a terminal, in a process of its own;
 * the gate waits for the end of what it says, its JSON. What the compiler says is not told: it may
 * quote any file that it can read.
 *
 * Off unless gate.load is set, and only for users who have said a password: the compiler runs with
 * the rights of the node.
 *
 *   O1  One at a time; who comes meanwhile waits.
 *   O2  The process is nobody's here to wait for: ctl reaps what ends (ctl_strays_reap). That it
 *       ended is seen at its pipe.
 *   O3  Source may name a file without an end, or one that is waited for. The process and those
 *       that it starts get LOAD_DATA_BYTES of memory each, and end at gate.load_time: they are a
 *       process group, whose number is nobody else's as long as one of them holds the pipe.
 *   O4  What they write is in a folder of the load's own, which goes with it: who is killed removes
 *       nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <microburst/error.h>

#include "check.h"
#include "gate_int.h"
#include "gate_load.h"
#include "load.h"

/* The compiler needs a twentieth for an ordinary function. Of the command line the node's regions
 * do not count, as they are shared; but what AddressSanitizer takes, terabytes, does. */
#define LOAD_DATA_BYTES (1u << 30)
#if defined(__SANITIZE_ADDRESS__)
#define LOAD_DATA_ANY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOAD_DATA_ANY 1
#endif
#endif

#define LOAD_ENV_MAX 256 /* variables of ours that the process gets, at most */

extern char **environ;

static int
file_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	(void)!remove(path);
	return 0;
}

static void
files_remove(struct gate_load *l)
{
	nftw(l->dir, file_remove, 4, FTW_DEPTH | FTW_PHYS);
}

/* Our environment, but for where files go meanwhile. Keeps O4. */
static void
env_make(const char *tmpdir, const char *ret[static LOAD_ENV_MAX + 2])
{
	size_t cnt = 0;

	for (char **e = environ; *e != NULL && cnt < LOAD_ENV_MAX; e++) {
		if (strncmp(*e, "TMPDIR=", 7) != 0) {
			ret[cnt++] = *e;
		}
	}
	ret[cnt++] = tmpdir;
	ret[cnt] = NULL;
}

/* The source as a file of a folder of its own, as compilers want one. */
static bool
source_write(struct gate_load *l, struct slice source)
{
	const char *tmp = getenv("TMPDIR");
	int fd, n;
	bool ok;

	n = snprintf(l->dir, sizeof(l->dir), "%s/microburst-load-XXXXXX",
		     tmp != NULL ? tmp : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(l->dir) || mkdtemp(l->dir) == NULL) {
		l->dir[0] = '\0';
		return false;
	}
	n = snprintf(l->file, sizeof(l->file), "%s/library.c", l->dir);
	fd = n > 0 ? open(l->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	ok = fd >= 0;
	for (size_t at = 0; ok && at < source.len;) {
		ssize_t put = write(fd, source.p + at, source.len - at);

		ok = put > 0 || (put < 0 && errno == EINTR);
		at += put > 0 ? (size_t)put : 0;
	}
	if (fd >= 0) {
		close(fd);
	}
	if (!ok) {
		files_remove(l);
	}
	return ok;
}

/* Keeps O3. It has not begun to compile: that takes another program, and reading the source. */
static void
confine(pid_t pid)
{
	const struct rlimit file = { LOAD_OBJECT_BYTES_MAX, LOAD_OBJECT_BYTES_MAX };
#ifndef LOAD_DATA_ANY
	const struct rlimit data = { LOAD_DATA_BYTES, LOAD_DATA_BYTES };

	(void)prlimit(pid, RLIMIT_DATA, &data, NULL);
#endif
	(void)prlimit(pid, RLIMIT_FSIZE, &file, NULL);
}

/* On any cpu, at ordinary times, with the signals that a program expects: not as a tile runs. */
static int
spawn(struct gate *g, struct gate_load *l, int out)
{
	const char *argv[] = { g->cfg.cli, "deploy",           l->file, "--json",
			       "--socket", g->cfg.node_socket, NULL };
	const char *env[LOAD_ENV_MAX + 2];
	const struct sched_param usual = { 0 };
	char tmpdir[sizeof(l->dir) + 8];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	cpu_set_t cpus;
	pid_t pid = 0;
	int err;

	snprintf(tmpdir, sizeof(tmpdir), "TMPDIR=%s", l->dir);
	env_make(tmpdir, env);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setschedpolicy(&attr, SCHED_OTHER);
	posix_spawnattr_setschedparam(&attr, &usual);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETSCHEDULER | POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	err = posix_spawn(&pid, g->cfg.cli, &files, &attr, (char *const *)argv, (char *const *)env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (err != 0) {
		return MB_ERR_IO;
	}
	l->group = pid;
	l->began_ns = g->now_ns;
	confine(pid);
	CPU_ZERO(&cpus);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		CPU_SET(i, &cpus);
	}
	sched_setaffinity(pid, sizeof(cpus), &cpus); /* it may have ended already */
	return 0;
}

int
gate_load_start(struct gate *g, struct gate_conn *c, struct slice source)
{
	struct gate_load *l = &g->load;
	int pipes[2], err;

	if (l->used) { /* O1 */
		gate_conn_starve(g, c);
		return MB_ERR_FULL;
	}
	*l = (struct gate_load){ .conn = c->id };
	if (!source_write(l, source)) {
		return MB_ERR_IO;
	}
	if (pipe2(pipes, O_CLOEXEC) != 0) {
		files_remove(l);
		return MB_ERR_IO;
	}
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	err = spawn(g, l, pipes[1]);
	close(pipes[1]);
	if (err != 0) {
		close(pipes[0]);
		files_remove(l);
		return err;
	}
	l->fd = pipes[0];
	l->used = true;
	g->under_way++;
	c->wait_cnt++;
	return 0;
}

/* Its end: what it said is in c->keep. */
static void
load_end(struct gate *g)
{
	struct gate_load *l = &g->load;
	struct gate_conn *c = gate_conn_find(g, l->conn);
	bool kept;

	close(l->fd);
	files_remove(l);
	l->used = false;
	g->under_way--;
	if (c == NULL) {
		return;
	}
	kept = gate_conn_keep(g, c, l->len + 1);
	c->keep_len = kept ? l->len : 0;
	if (kept) {
		memcpy(c->keep, l->said, l->len);
	}
	c->answer = (struct desc){ .flags = DESC_F_INLINE, .err = kept ? 0 : MB_ERR_NO_MEMORY };
	c->answered = true;
	if (--c->wait_cnt == 0) {
		gate_conn_ready(g, c);
	}
}

bool
gate_load_poll(struct gate *g)
{
	struct gate_load *l = &g->load;
	char rest[256];
	ssize_t n;

	do {
		bool full = l->len == sizeof(l->said);

		n = full ? read(l->fd, rest, sizeof(rest))
			 : read(l->fd, l->said + l->len, sizeof(l->said) - l->len);
		l->len += n > 0 && !full ? (uint32_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0 && errno == EAGAIN) {
		if (g->now_ns - l->began_ns < g->cfg.load_ns) {
			return false;
		}
		kill(-l->group, SIGKILL);
		l->len = (uint32_t)snprintf(l->said, sizeof(l->said),
					    "{\"text\":\"it took longer than gate.load_time\"}");
	}
	load_end(g);
	return true;
}

void
gate_load_stop(struct gate *g)
{
	if (g->load.used) {
		kill(-g->load.group, SIGKILL);
		close(g->load.fd);
		files_remove(&g->load);
	}
}
