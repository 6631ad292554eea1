/* SPDX-License-Identifier: Apache-2.0 */
/* beside.c - where the rest of Microburst is, seen from this program */
#include "beside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microburst/error.h>

#include "compiler.h"
#include "mem.h"

#define INCLUDE_CNT_MAX 8

/* From the folder of this program, best first. */
static const char *const program_dir[] = {
	"..", "../../perf", /* a build directory */
	".",  "../sbin",    "../libexec/microburst",
};

/* The folder this program is in. Returns: its length, 0 if the kernel does not tell. */
static size_t
own_dir(char ret[static PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	char *slash;

	if (len <= 0) {
		return 0;
	}
	ret[len] = '\0';
	slash = strrchr(ret, '/');
	*slash = '\0';
	return (size_t)(slash - ret);
}

static __attribute__((__format__(__printf__, 2, 3))) bool
join(char ret[static PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(ret, PATH_MAX, fmt, ap);
	va_end(ap);
	return n > 0 && n < PATH_MAX;
}

int
beside_program(const char *name, char ret[static PATH_MAX])
{
	char dir[PATH_MAX], path[PATH_MAX];

	if (own_dir(dir) == 0) {
		return MB_ERR_NOT_FOUND;
	}
	for (size_t i = 0; i < ARRAY_CNT(program_dir); i++) {
		if (join(path, "%s/%s/%s", dir, program_dir[i], name) && access(path, X_OK) == 0) {
			memcpy(ret, path, strlen(path) + 1);
			return MB_OK;
		}
	}
	return MB_ERR_NOT_FOUND;
}

static char *
include_option(const char *dir)
{
	size_t bytes = strlen(dir) + sizeof("-I");
	char *option = mem_keep(malloc(bytes));

	snprintf(option, bytes, "-I%s", dir);
	return option;
}

/* include.txt of a build directory: a folder a line. */
static size_t
from_build(const char *own, char **out)
{
	char path[PATH_MAX], line[PATH_MAX];
	size_t cnt = 0;
	FILE *f = join(path, "%s/include.txt", own) ? fopen(path, "re") : NULL;

	if (f == NULL) {
		return 0;
	}
	while (cnt < INCLUDE_CNT_MAX && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '\0') {
			out[cnt++] = include_option(line);
		}
	}
	fclose(f);
	return cnt;
}

static size_t
from_prefix(const char *own, char **out)
{
	char dir[PATH_MAX], header[PATH_MAX];

	if (!join(dir, "%s/../include", own) || !join(header, "%s/microburst/function.h", dir) ||
	    access(header, R_OK) != 0) {
		return 0;
	}
	out[0] = include_option(dir);
	return 1;
}

int
beside_includes(char ***ret)
{
	char **out = mem_keep(calloc(INCLUDE_CNT_MAX + 1, sizeof(*out)));
	char own[PATH_MAX];
	size_t cnt = 0;

	if (own_dir(own) > 0) {
		cnt = from_build(own, out);
		cnt = cnt > 0 ? cnt : from_prefix(own, out);
	}
	if (cnt == 0) {
		return MB_ERR_NOT_FOUND;
	}
	*ret = out;
	return MB_OK;
}
