/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sysfile.h"

/* A root, a group, and a file of it. */
#define FULL_BYTES (sizeof(((struct cgroup *)NULL)->root) + CGROUP_PATH_BYTES + 64)
#define OWN_PREFIX "0::" /* version 2 in /proc/self/cgroup */
#define NAME       "microburst-"

static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
static const char *const controllers[CGROUP_LIMIT_CNT] = { [CGROUP_MEMORY] = "+memory",
							   [CGROUP_PIDS] = "+pids",
							   [CGROUP_CPU] = "+cpu" };

static bool
put(const struct cgroup *g, const char *dir, const char *file, const char *text)
{
	char path[CGROUP_PATH_BYTES + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return sysfile_put(g->root, path, text) == 0;
}

static bool
put_pid(const struct cgroup *g, const char *dir, pid_t pid)
{
	char text[24];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return put(g, dir, "cgroup.procs", text);
}

static FILE *
open_in(const struct cgroup *g, const char *path)
{
	char full[FULL_BYTES];

	snprintf(full, sizeof(full), "%s%s", g->root, path);
	return fopen(full, "re");
}

static bool
make_dir(const struct cgroup *g, const char *dir)
{
	char full[FULL_BYTES];

	snprintf(full, sizeof(full), "%s%s", g->root, dir);
	return mkdir(full, 0755) == 0 || errno == EEXIST;
}

static void
remove_dir(const struct cgroup *g, const char *dir)
{
	char full[FULL_BYTES];

	snprintf(full, sizeof(full), "%s%s", g->root, dir);
	(void)rmdir(full);
}

/* The group that this process is in, with its mount. */
static bool
find_own(struct cgroup *g, char ret[CGROUP_PATH_BYTES], bool *ret_top)
{
	char path[64], line[CGROUP_PATH_BYTES];
	const char *mount = NULL;
	bool found = false;
	FILE *f;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]) && mount == NULL; i++) {
		snprintf(path, sizeof(path), "%s/cgroup.controllers", mounts[i]);
		f = open_in(g, path);
		if (f != NULL) {
			fclose(f);
			mount = mounts[i];
		}
	}
	f = mount != NULL ? open_in(g, "/proc/self/cgroup") : NULL;
	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		found = strncmp(line, OWN_PREFIX "/", strlen(OWN_PREFIX "/")) == 0 &&
			strstr(line, "..") == NULL;
	}
	if (f != NULL) {
		fclose(f);
	}
	if (!found) {
		snprintf(g->why, sizeof(g->why), "no control groups of version 2 are mounted");
		return false;
	}
	*ret_top = strcmp(line, OWN_PREFIX "/") == 0;
	if ((size_t)snprintf(ret, CGROUP_PATH_BYTES - 32, "%s%s", mount,
			     *ret_top ? "" : line + strlen(OWN_PREFIX)) >= CGROUP_PATH_BYTES - 32) {
		snprintf(g->why, sizeof(g->why), "the name of the node's own group is too long");
		return false;
	}
	return true;
}

/* Whether self is the only process of a group. */
static bool
is_alone(const struct cgroup *g, const char *dir, pid_t self)
{
	char path[CGROUP_PATH_BYTES + 16], line[32];
	bool alone = true;
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = open_in(g, path);
	if (f == NULL) {
		return false;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		alone &= strtol(line, NULL, 10) == (long)self;
	}
	fclose(f);
	return alone;
}

/* Groups of nodes that were killed: empty, for nobody was there to take them away. */
static void
sweep(const struct cgroup *g, const char *mount)
{
	char full[FULL_BYTES], path[CGROUP_PATH_BYTES + 32];
	const struct dirent *e;
	DIR *dir;

	snprintf(full, sizeof(full), "%s%s", g->root, mount);
	dir = opendir(full);
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		char *end = NULL;
		long pid = strncmp(e->d_name, NAME, strlen(NAME)) == 0
				   ? strtol(e->d_name + strlen(NAME), &end, 10)
				   : 0;

		if (pid > 0 && *end == '\0' && kill((pid_t)pid, 0) != 0 && errno == ESRCH) {
			snprintf(path, sizeof(path), "%s/" NAME "%ld", mount, pid);
			remove_dir(g, path);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
}

static void
set_limits(struct cgroup *g, const uint64_t value[CGROUP_LIMIT_CNT])
{
	static const char *const file[] = {
#define CGROUP_FILE_(name, file, text) file,
		CGROUP_LIMITS(CGROUP_FILE_)
#undef CGROUP_FILE_
	};
	char text[24];

	for (uint32_t i = 0; i < CGROUP_LIMIT_CNT; i++) {
		snprintf(text, sizeof(text), "%" PRIu64, value[i]);
		g->on[i] = value[i] != 0 && put(g, g->path, file[i], text);
	}
}

void
cgroup_make(struct cgroup *g, const char *root, pid_t self, const uint64_t value[CGROUP_LIMIT_CNT])
{
	char own[CGROUP_PATH_BYTES], node[CGROUP_PATH_BYTES];
	bool top;

	memset(g, 0, sizeof(*g));
	snprintf(g->root, sizeof(g->root), "%s", root);
	if (!find_own(g, own, &top)) {
		return;
	}
	if (top) {
		sweep(g, own);
		snprintf(g->path, sizeof(g->path), "%.*s/" NAME "%d", CGROUP_PATH_BYTES - 32, own,
			 (int)self);
	} else if (!is_alone(g, own, self)) {
		snprintf(
			g->why, sizeof(g->why),
			"others are in the node's own group: start it as a unit with Delegate=yes");
		return;
	} else {
		snprintf(node, sizeof(node), "%.*s/node", CGROUP_PATH_BYTES - 32, own);
		snprintf(g->path, sizeof(g->path), "%.*s/executors", CGROUP_PATH_BYTES - 32, own);
		if (!make_dir(g, node) || !put_pid(g, node, self)) {
			snprintf(g->why, sizeof(g->why),
				 "the node's own group is not its to divide: %s", strerror(errno));
			remove_dir(g, node);
			g->path[0] = '\0';
			return;
		}
		snprintf(g->parent, sizeof(g->parent), "%s", own);
	}
	for (uint32_t i = 0; i < CGROUP_LIMIT_CNT; i++) {
		(void)put(g, own, "cgroup.subtree_control", controllers[i]);
	}
	if (!make_dir(g, g->path)) {
		snprintf(g->why, sizeof(g->why), "a group cannot be made: %s", strerror(errno));
		g->path[0] = '\0';
		return;
	}
	set_limits(g, value);
}

/* Which controllers a group may hand on. */
static void
controllers_find(struct cgroup *g, const char *dir)
{
	char path[CGROUP_PATH_BYTES + 24], text[256], *save = NULL;

	snprintf(path, sizeof(path), "%s/cgroup.controllers", dir);
	if (!sysfile_text(g->root, path, text, sizeof(text))) {
		return;
	}
	for (char *word = strtok_r(text, " \n", &save); word != NULL;
	     word = strtok_r(NULL, " \n", &save)) {
		for (uint32_t i = 0; i < CGROUP_LIMIT_CNT; i++) {
			g->on[i] |= strcmp(word, controllers[i] + 1) == 0;
		}
	}
}

bool
cgroup_try(struct cgroup *g, const char *root, pid_t self, bool *ret_top)
{
	char own[CGROUP_PATH_BYTES], dir[CGROUP_PATH_BYTES];

	memset(g, 0, sizeof(*g));
	snprintf(g->root, sizeof(g->root), "%s", root);
	if (!find_own(g, own, ret_top)) {
		return false;
	}
	snprintf(dir, sizeof(dir), "%.*s/" NAME "%d", CGROUP_PATH_BYTES - 32, own, (int)self);
	if (!make_dir(g, dir)) {
		snprintf(g->why, sizeof(g->why), "a group cannot be made: %s", strerror(errno));
		return false;
	}
	controllers_find(g, own);
	remove_dir(g, dir);
	return true;
}

void
cgroup_take(struct cgroup *g, pid_t pid)
{
	if (g->path[0] != '\0' && !put_pid(g, g->path, pid)) {
		snprintf(g->why, sizeof(g->why), "executors cannot be moved into it: %s",
			 strerror(errno));
		cgroup_remove(g);
	}
}

bool
cgroup_killed(struct cgroup *g)
{
	char path[CGROUP_PATH_BYTES + 16], line[64];
	uint64_t n = 0;
	FILE *f;

	if (!g->on[CGROUP_MEMORY]) {
		return false;
	}
	snprintf(path, sizeof(path), "%s/memory.events", g->path);
	f = open_in(g, path);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "oom_kill ", strlen("oom_kill ")) == 0) {
			n = strtoull(line + strlen("oom_kill "), NULL, 10);
		}
	}
	if (f != NULL) {
		fclose(f);
	}
	if (n <= g->killed) {
		return false;
	}
	g->killed = n;
	return true;
}

void
cgroup_remove(struct cgroup *g)
{
	if (g->path[0] != '\0') {
		remove_dir(g, g->path);
		g->path[0] = '\0';
		memset(g->on, 0, sizeof(g->on));
	}
}
