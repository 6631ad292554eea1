/* SPDX-License-Identifier: Apache-2.0 */
/* sysfile.c - the small files through which the kernel shows and takes its settings */
#include "sysfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microburst/error.h>

static int
open_below(const char *root, const char *path, int flags)
{
	char full[PATH_MAX];
	int n = snprintf(full, sizeof(full), "%s%s", root, path);

	if (n < 0 || (size_t)n >= sizeof(full)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(full, flags | O_CLOEXEC, 0644);
}

bool
sysfile_text(const char *root, const char *path, char *ret, size_t bytes)
{
	int fd = open_below(root, path, O_RDONLY);
	ssize_t n;

	if (fd < 0) {
		return false;
	}
	n = read(fd, ret, bytes - 1);
	close(fd);
	if (n < 0) {
		return false;
	}
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

bool
sysfile_u64(const char *root, const char *path, uint64_t *ret)
{
	char text[32], *end;
	unsigned long long n;

	if (!sysfile_text(root, path, text, sizeof(text)) || text[0] < '0' || text[0] > '9') {
		return false;
	}
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0') {
		return false;
	}
	*ret = n;
	return true;
}

bool
sysfile_line(const char *root, const char *path, const char *prefix, char *ret, size_t bytes)
{
	int fd = open_below(root, path, O_RDONLY);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	if (f == NULL) {
		if (fd >= 0) {
			close(fd);
		}
		return false;
	}
	while (!found && getline(&line, &room, f) >= 0) {
		found = strncmp(line, prefix, strlen(prefix)) == 0;
	}
	if (found) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(ret, bytes, "%s", line + strlen(prefix));
	}
	free(line);
	fclose(f);
	return found;
}

bool
sysfile_link(const char *root, const char *path, char *ret, size_t bytes)
{
	char full[PATH_MAX], to[PATH_MAX];
	const char *slash;
	ssize_t n;

	snprintf(full, sizeof(full), "%s%s", root, path);
	n = readlink(full, to, sizeof(to) - 1);
	if (n < 0) {
		return false;
	}
	to[n] = '\0';
	slash = strrchr(to, '/');
	snprintf(ret, bytes, "%s", slash == NULL ? to : slash + 1);
	return true;
}

uint32_t
sysfile_each(const char *root, const char *path, void (*fn)(void *ctx, const char *name), void *ctx)
{
	char full[PATH_MAX];
	uint32_t cnt = 0;
	DIR *d;

	snprintf(full, sizeof(full), "%s%s", root, path);
	d = opendir(full);
	if (d == NULL) {
		return 0;
	}
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (e->d_name[0] != '.') {
			cnt++;
			if (fn != NULL) {
				fn(ctx, e->d_name);
			}
		}
	}
	closedir(d);
	return cnt;
}

int
sysfile_put(const char *root, const char *path, const char *text)
{
	int fd = open_below(root, path, O_WRONLY | O_CREAT | O_TRUNC);
	size_t len = strlen(text);
	ssize_t n;
	int err;

	if (fd < 0) {
		return MB_ERR_IO;
	}
	n = write(fd, text, len);
	err = n < 0 ? errno : EIO;
	if (close(fd) != 0 && n == (ssize_t)len) {
		err = errno;
		n = -1;
	}
	errno = err;
	return n == (ssize_t)len ? MB_OK : MB_ERR_IO;
}
