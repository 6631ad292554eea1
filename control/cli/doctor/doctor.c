/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.c - is this machine fit for microseconds: what its files say */
#include "doctor.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "compiler.h"
#include "fmt.h"
#include "sysfile.h"

#define MEMORY_MIN                                                                                 \
	(UINT64_C(2) << 30) /* store, cache, packets and payloads by default, rounded up */
#define PIDS_MIN 256        /* 64 executors, as many spares and replacements, threads */

void
doctor_ok(struct doctor_line *line, const char *found, ...)
{
	va_list ap;

	va_start(ap, found);
	vsnprintf(line->found, sizeof(line->found), found, ap);
	va_end(ap);
	line->ok = true;
}

__attribute__((__format__(__printf__, 3, 0))) static void
lacks(struct doctor_line *line, const char *todo, const char *found, va_list ap)
{
	vsnprintf(line->found, sizeof(line->found), found, ap);
	snprintf(line->todo, sizeof(line->todo), "%s", todo);
	line->ok = false;
}

void
doctor_warn(struct doctor_line *line, const char *todo, const char *found, ...)
{
	va_list ap;

	va_start(ap, found);
	lacks(line, todo, found, ap);
	va_end(ap);
}

void
doctor_stop(struct doctor_line *line, const char *todo, const char *found, ...)
{
	va_list ap;

	va_start(ap, found);
	lacks(line, todo, found, ap);
	va_end(ap);
	line->stops = true;
}

/* ----------------------------------------------------------------- the checks */

static void
kernel(const struct doctor_ask *ask, struct doctor_line *line)
{
	char text[80];
	unsigned major, minor;

	if (!sysfile_text(ask->root, "/proc/sys/kernel/osrelease", text, sizeof(text)) ||
	    sscanf(text, "%u.%u", &major, &minor) != 2) {
		doctor_warn(line, "mount /proc", "its version cannot be read");
	} else if (major < 6 || (major == 6 && minor < 1)) {
		doctor_warn(
			line,
			"use 6.1 (Debian 12) or later: io_uring's deferred task run is from there",
			"%s", text);
	} else {
		doctor_ok(line, "%s", text);
	}
}

static void
sealed_code(const struct doctor_ask *ask, struct doctor_line *line)
{
	uint64_t mode;

	if (sysfile_u64(ask->root, "/proc/sys/vm/memfd_noexec", &mode) && mode >= 2) {
		doctor_warn(line, "sysctl vm.memfd_noexec=1, or lower",
			    "refused: executors cannot load functions");
	} else {
		doctor_ok(line, "allowed");
	}
}

/* ------------------------------------------------------------------- cgroups */

/* The tightest limit that this process's cgroup or one above it sets in file: the first number
 * there, as percents of the second one if it is a share.
 * Returns: false when there is none ("max"). */
static bool
cgroup_limit(const struct doctor_ask *ask, const char *file, bool share, uint64_t *ret)
{
	char own[PATH_MAX], path[PATH_MAX + 64], text[64];
	bool any = false;

	/* cgroup v2: one line "0::/a/b". With v1 the first line is another: nothing is found. */
	if (!sysfile_text(ask->root, "/proc/self/cgroup", own, sizeof(own)) ||
	    strncmp(own, "0::/", 4) != 0) {
		return false;
	}
	for (char *dir = own + 3; *dir != '\0'; *strrchr(dir, '/') = '\0') {
		uint64_t limit, period;
		int cnt;

		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s",
			 strcmp(dir, "/") == 0 ? "" : dir, file);
		if (!sysfile_text(ask->root, path, text, sizeof(text))) {
			continue;
		}
		cnt = sscanf(text, "%" SCNu64 " %" SCNu64, &limit, &period);
		if (cnt < 1 || (share && (cnt < 2 || period == 0))) {
			continue;
		}
		limit = share ? limit * 100 / period : limit;
		*ret = any ? MIN(*ret, limit) : limit;
		any = true;
	}
	return any;
}

static void
cgroup(const struct doctor_ask *ask, struct doctor_line *line)
{
	char size[FMT_BYTES];
	uint64_t limit;

	if (cgroup_limit(ask, "cpu.max", true, &limit) && limit < 100 * (uint64_t)get_nprocs()) {
		doctor_warn(line, "lift its cpu.max (systemd: CPUQuota=) and give it cores instead",
			    "%" PRIu64
			    " %% of one core: who uses that up stands still for milliseconds",
			    limit);
	} else if (cgroup_limit(ask, "memory.max", false, &limit) && limit < MEMORY_MIN) {
		doctor_warn(
			line,
			"raise memory.max (systemd: MemoryMax=), or lower kvs.bytes, cache.bytes",
			"%s of memory: less than the node's defaults may grow to",
			fmt_bytes(size, limit));
	} else if (cgroup_limit(ask, "pids.max", false, &limit) && limit < PIDS_MIN) {
		doctor_warn(line, "raise pids.max (systemd: TasksMax=)", "%" PRIu64 " processes",
			    limit);
	} else {
		doctor_ok(line, "none that is felt");
	}
}

/* ---------------------------------------------------------------------- entry */

bool
doctor_check(size_t i, const struct doctor_ask *ask, struct doctor_line *ret)
{
	static const struct {
		const char *name;
		void (*check)(const struct doctor_ask *ask, struct doctor_line *line);
	} check[] = {
		{ "kernel", kernel },
		{ "clock", doctor_clock },
		{ "isolated cores", doctor_isolated },
		{ "governor", doctor_governor },
		{ "idle states", doctor_idle },
		{ "interrupts", doctor_irqs },
		{ "huge pages", doctor_huge_pages },
		{ "cgroup limits", cgroup },
		{ "executors' group", doctor_group },
		{ "code in memfds", sealed_code },
		{ "NICs", doctor_nic },
		{ "the node's NIC", doctor_nic_own },
		{ "its place", doctor_nic_place },
		{ "IOMMU", doctor_iommu },
		{ "af_xdp", doctor_af_xdp },
		{ "io_uring", doctor_io_uring },
		{ "seccomp", doctor_seccomp },
		{ "namespaces", doctor_namespaces },
		{ "locked memory", doctor_memlock },
		{ "open files", doctor_files },
	};

	if (i >= ARRAY_CNT(check)) {
		return false;
	}
	*ret = (struct doctor_line){ .name = check[i].name };
	check[i].check(ask, ret);
	return true;
}
