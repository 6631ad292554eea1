/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_conf.c - what a configuration file means, as the node's own parser reads it
 *
 * Files are read with a part of DPDK that this program does without, and there shall be one reader.
 */
#include "doctor_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <microburst/error.h>

#include "beside.h"

extern char **environ;

/* to: which of its outputs is read. */
static int
child_start(const char *what, const char *file, int to, pid_t *ret_pid, FILE **ret_out)
{
	char path[PATH_MAX];
	const char *const argv[] = { path, what, "--config", file, NULL };
	posix_spawn_file_actions_t files;
	int fd[2], rc;

	if (beside_program("microburstd", path) != MB_OK) {
		return MB_ERR_NOT_FOUND;
	}
	if (pipe2(fd, O_CLOEXEC) != 0) {
		return MB_ERR_IO;
	}
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fd[1], to);
	if (to != STDOUT_FILENO) {
		posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	}
	rc = posix_spawn(ret_pid, path, &files, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	close(fd[1]);
	*ret_out = rc == 0 ? fdopen(fd[0], "r") : NULL;
	if (*ret_out == NULL) {
		close(fd[0]);
		return MB_ERR_IO;
	}
	return 0;
}

/* Returns: its exit code; MB_ERR_IO when it did not exit. */
static int
child_end(pid_t pid, FILE *out)
{
	int status;

	fclose(out);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return MB_ERR_IO;
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : MB_ERR_IO;
}

int
doctor_conf(const char *file, struct params *ret, uint64_t *ret_pages)
{
	char line[PARAM_NAME_BYTES + PARAM_STR_BYTES + 8], why[PARAMS_ERR_BYTES];
	int code, err;
	FILE *out;
	pid_t pid;

	err = child_start("--check", file, STDOUT_FILENO, &pid, &out);
	if (err != 0) {
		return err;
	}
	params_default(ret);
	while (fgets(line, sizeof(line), out) != NULL) {
		char *value = strchr(line, '=');

		sscanf(line, "huge pages for it: %" SCNu64, ret_pages);
		line[strcspn(line, "\n")] = '\0';
		if (value != NULL) {
			*value++ = '\0';
			if (params_set(ret, line, value, why) != 0) {
				err = MB_ERR_VERSION; /* that program is not of this build */
			}
		}
	}
	code = child_end(pid, out);
	return code > 0 ? MB_ERR_CONFIG : code < 0 ? code : err;
}

int
doctor_conf_plan(const char *file, char *why, size_t bytes)
{
	static const char name[] = "microburstd: ";
	FILE *out;
	pid_t pid;
	int code, err = child_start("--plan", file, STDERR_FILENO, &pid, &out);

	if (err != 0) {
		snprintf(why, bytes, "microburstd could not be asked: %s", mb_err_name(err));
		return err;
	}
	if (fgets(why, (int)bytes, out) == NULL) {
		why[0] = '\0';
	}
	while (fgetc(out) != EOF) { /* or what more it says would end it */
	}
	code = child_end(pid, out);
	why[strcspn(why, "\n")] = '\0';
	if (strncmp(why, name, strlen(name)) == 0) {
		memmove(why, why + strlen(name), strlen(why + strlen(name)) + 1);
	}
	return code > 0 ? MB_ERR_CONFIG : code;
}
