/* SPDX-License-Identifier: Apache-2.0 */
/* compile.c - a C file as a shared object that executors can load
 *
 * The linker writes an object by name, so there is a private folder for as long as it takes; the
 * object is opened and unlinked at once, and lives on as an fd.
 */
#include "compile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <microburst/error.h>

#include "beside.h"
#include "compiler.h"

#define WORD_CNT_MAX    128
#define WORD_TEXT_BYTES 8192

extern char **environ;

static volatile sig_atomic_t interrupted; /* by this signal, while the compiler ran */

/* A command line, and the text of its words that come from the environment. */
struct words {
	const char *argv[WORD_CNT_MAX];
	size_t cnt;
	char text[WORD_TEXT_BYTES];
	size_t text_len;
	bool full;
};

static void
add(struct words *w, const char *word)
{
	if (w->cnt == WORD_CNT_MAX - 1) {
		w->full = true;
		return;
	}
	w->argv[w->cnt++] = word;
	w->argv[w->cnt] = NULL;
}

/* Cuts a text into words, as a shell would if there were no quotes. */
static void
add_text(struct words *w, const char *text)
{
	while (text != NULL) {
		size_t len;

		text += strspn(text, " \t\n");
		len = strcspn(text, " \t\n");
		if (len == 0) {
			break;
		}
		if (len >= sizeof(w->text) - w->text_len) {
			w->full = true;
			break;
		}
		memcpy(w->text + w->text_len, text, len);
		w->text[w->text_len + len] = '\0';
		add(w, w->text + w->text_len);
		w->text_len += len + 1;
		text += len;
	}
}

static const char *
compiler(void)
{
	const char *cc = getenv("CC");

	return cc != NULL && cc[strspn(cc, " \t")] != '\0' ? cc : "cc";
}

/* The compiler's command line. -Wl,-z,now: a symbol that nobody has is an error at deployment, not
 * in the middle of a call. -lm: a function may compute without its author naming libraries. */
static int
command_line(struct words *w, const char *source, const char *object)
{
	static const char *const fixed[] = { "-std=gnu11", "-O2",     "-g",        "-Wall",
					     "-fPIC",      "-shared", "-Wl,-z,now" };
	char **include;

	if (beside_includes(&include) != MB_OK) {
		return MB_ERR_NOT_FOUND;
	}
	add_text(w, compiler());
	for (size_t i = 0; i < ARRAY_CNT(fixed); i++) {
		add(w, fixed[i]);
	}
	while (*include != NULL) {
		add(w, *include++);
	}
	add_text(w, getenv("CFLAGS"));
	add(w, "-o");
	add(w, object);
	add(w, source);
	add(w, "-lm");
	return w->full ? MB_ERR_TOO_LARGE : MB_OK;
}

static void
on_interrupt(int signal)
{
	interrupted = signal;
}

/* A signal of the terminal is kept for later; unless it is ignored, then by the compiler, too. */
static void
signal_keep(int signal, struct sigaction *ret_old, sigset_t *defaults)
{
	struct sigaction keep = { .sa_handler = on_interrupt };

	sigaction(signal, NULL, ret_old);
	if (ret_old->sa_handler != SIG_IGN) {
		sigaddset(defaults, signal);
		sigaction(signal, &keep, NULL);
	}
}

/* Runs it and waits. While it runs, the signals of the terminal are its business: it ends, we clean
 * up, and end by the same (else a shell would take it that we dealt with it, and go on). Returns:
 * its wait status; -1 with errno. */
static int
run(const char *const *argv)
{
	struct sigaction old_int, old_quit;
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t defaults;
	int status = -1, rc;
	pid_t pid;

	sigemptyset(&defaults);
	signal_keep(SIGINT, &old_int, &defaults);
	signal_keep(SIGQUIT, &old_quit, &defaults);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);

	rc = posix_spawnp(&pid, argv[0], &files, &attr, (char *const *)argv, environ);
	if (rc == 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
		}
	}
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGQUIT, &old_quit, NULL);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	errno = rc;
	return rc == 0 ? status : -1;
}

static int
compile_to(const char *source, const char *object, int *ret_fd, char err[static COMPILE_ERR_BYTES])
{
	struct words w = { 0 };
	int rc = command_line(&w, source, object), status;

	if (rc == MB_ERR_NOT_FOUND) {
		snprintf(err, COMPILE_ERR_BYTES,
			 "microburst/function.h is not installed beside this program: install it "
			 "again, or compile %s yourself and deploy the .so",
			 source);
		return rc;
	}
	if (rc != MB_OK) {
		snprintf(err, COMPILE_ERR_BYTES, "$CC and $CFLAGS have too many words");
		return rc;
	}
	status = run(w.argv);
	if (status < 0) {
		snprintf(err, COMPILE_ERR_BYTES,
			 "cannot run %s: %s: install a C compiler, or name one in $CC", w.argv[0],
			 strerror(errno));
		return MB_ERR_IO;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		snprintf(err, COMPILE_ERR_BYTES, "%s does not compile: see what %s says above",
			 source, w.argv[0]);
		return MB_ERR_COMPILE;
	}
	*ret_fd = open(object, O_RDONLY | O_CLOEXEC);
	if (*ret_fd < 0) {
		snprintf(err, COMPILE_ERR_BYTES, "cannot open what %s made of %s: %s", w.argv[0],
			 source, strerror(errno));
		return MB_ERR_IO;
	}
	return MB_OK;
}

int
compile_run(const char *source, int *ret_fd, char err[static COMPILE_ERR_BYTES])
{
	const char *tmp = getenv("TMPDIR");
	char dir[PATH_MAX], object[PATH_MAX + 8];
	int rc;

	snprintf(dir, sizeof(dir), "%s/microburst-XXXXXX",
		 tmp == NULL || *tmp == '\0' ? "/tmp" : tmp);
	if (mkdtemp(dir) == NULL) {
		snprintf(err, COMPILE_ERR_BYTES, "cannot make a folder %.200s: %s", dir,
			 strerror(errno));
		return MB_ERR_IO;
	}
	snprintf(object, sizeof(object), "%s/a.so", dir);
	rc = compile_to(source, object, ret_fd, err);
	unlink(object);
	rmdir(dir);
	if (interrupted != 0) {
		raise(interrupted);
	}
	return rc;
}
