/* SPDX-License-Identifier: Apache-2.0 */
/* usage.c - see usage.h; from /proc and the kernel's process clocks */
#include "usage.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 64

void
usage_add(struct usage_set *set, pid_t pid)
{
	if (set->cnt < USAGE_PROC_MAX) {
		set->pid[set->cnt++] = pid;
	}
}

/* The parent of a process; 0 when it is gone. */
static pid_t
parent_of(pid_t pid)
{
	char path[PATH_BYTES], text[512];
	const char *name_end;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL) {
		return 0;
	}
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	/* pid (name) state parent ...; a name may contain anything, brackets too */
	name_end = strrchr(text, ')');
	return name_end != NULL && strlen(name_end) > 4 ? (pid_t)strtol(name_end + 4, NULL, 10) : 0;
}

/* Adds the children of what is in the set. Returns: whether there were any new ones. */
static bool
add_children(struct usage_set *set)
{
	uint32_t before = set->cnt;
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		pid_t parent = pid > 0 ? parent_of(pid) : 0;
		bool child = false, known = false;

		for (uint32_t i = 0; i < set->cnt; i++) {
			known = known || set->pid[i] == pid;
			child = child || set->pid[i] == parent;
		}
		if (child && !known) {
			usage_add(set, pid);
		}
	}
	if (proc != NULL) {
		closedir(proc);
	}
	return set->cnt > before;
}

void
usage_family(struct usage_set *set, pid_t pid)
{
	set->cnt = 0;
	usage_add(set, pid);
	while (add_children(set)) {
	}
}

double
usage_cpu_s(const struct usage_set *set)
{
	double sum = 0;

	for (uint32_t i = 0; i < set->cnt; i++) {
		struct timespec t;
		clockid_t clock;

		if (clock_getcpuclockid(set->pid[i], &clock) == 0 &&
		    clock_gettime(clock, &t) == 0) {
			sum += (double)t.tv_sec + (double)t.tv_nsec / 1e9;
		}
	}
	return sum;
}

/* The number behind a key at the start of a line; 0 when there is none. */
static double
number_in(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	char line[256];
	double value = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0) {
			value = strtod(line + strlen(key), NULL);
			break;
		}
	}
	if (f != NULL) {
		fclose(f);
	}
	return value;
}

static double
wakes_of(pid_t pid)
{
	char path[PATH_BYTES + 256];
	struct dirent *entry;
	double sum = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
		if (entry->d_name[0] != '.') {
			snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid,
				 entry->d_name);
			sum += number_in(path, "voluntary_ctxt_switches:");
		}
	}
	if (tasks != NULL) {
		closedir(tasks);
	}
	return sum;
}

double
usage_wakes(const struct usage_set *set)
{
	double sum = 0;

	for (uint32_t i = 0; i < set->cnt; i++) {
		sum += wakes_of(set->pid[i]);
	}
	return sum;
}

double
usage_memory_bytes(const struct usage_set *set)
{
	double sum = 0;

	for (uint32_t i = 0; i < set->cnt; i++) {
		char path[PATH_BYTES];
		double kib;

		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)set->pid[i]);
		kib = number_in(path, "Pss:");
		if (kib <= 0) {
			snprintf(path, sizeof(path), "/proc/%d/status", (int)set->pid[i]);
			kib = number_in(path, "VmRSS:");
		}
		sum += kib * 1024;
	}
	return sum;
}
