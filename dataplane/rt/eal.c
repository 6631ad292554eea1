/* SPDX-License-Identifier: Apache-2.0 */
/* eal.c - the command line that DPDK's EAL is given
 *
 *   --file-prefix, $RUNTIME_DIRECTORY   all files EAL makes are in this node's own directory
 *   --lcores i@cpu,...                  EAL's lcore numbers are the plan's
 *   --in-memory | --no-huge --no-shconf nothing shared with a second process, nothing left on disk
 *   -m                                  taken at once: a node that starts has its memory
 *   --no-pci                            no device is taken from anybody until the plan names one
 *   --log-level                         errors only; what the node got is in its report
 *
 * Whether huge pages can be had is tried, not read off a file: the number of free pages says
 * nothing of cgroup limits and permissions, and an EAL that fails half-way cannot be started again
 * in the same process. So the same amount is taken from a hugetlb memfd and given back just before;
 * until EAL has it, no other node takes any (huge_lock.h).
 *
 * EAL has one instance a process, and so has this module: its state is static.
 */
#include "eal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_memory.h>
#include <rte_version.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "eal_dir.h"
#include "huge_lock.h"
#include "topo.h"

#define ARG_CNT_MAX      16
#define LCORES_BYTES_MAX (LCORE_CNT_MAX * 12) /* "127@1023," */
#define MIB              (UINT64_C(1) << 20)

static struct {
	bool up, kept;
	struct eal_dir dir;
	/* EAL keeps pointers into its arguments. */
	int argc;
	char *argv[ARG_CNT_MAX + 1];
	char prefix[EAL_NAME_BYTES_MAX + 16];
	char lcores[LCORES_BYTES_MAX];
	char memory_mib[24];
} eal;

/* ---- huge pages ------------------------------------------------------------------------------ */

/* Takes `bytes` in pages of that size and gives them back. Returns 0 or -errno. */
static int
huge_try(uint64_t page_bytes, uint64_t bytes)
{
	unsigned lg =
		(unsigned)__builtin_ctzll(page_bytes); /* memfd_create encodes it as mmap does */
	int fd = memfd_create("mb-huge-probe", MFD_CLOEXEC | MFD_HUGETLB | lg << MAP_HUGE_SHIFT);
	int rc;

	if (fd < 0) {
		return -errno;
	}
	rc = fallocate(fd, 0, 0, (off_t)ALIGN_UP(bytes, page_bytes)) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

/* Tells, in words too, whether huge pages of any size can hold `bytes`. */
static bool
huge_probe(uint64_t bytes, char *text, size_t text_bytes)
{
	DIR *d = opendir("/sys/kernel/mm/hugepages");
	uint64_t page_kib;
	int rc = -ENOENT;

	if (d == NULL) {
		snprintf(text, text_bytes, "this kernel has no huge pages");
		return false;
	}
	for (struct dirent *e = readdir(d); e != NULL && rc != 0; e = readdir(d)) {
		if (sscanf(e->d_name, "hugepages-%" SCNu64 "kB", &page_kib) == 1) {
			rc = huge_try(page_kib << 10, bytes);
		}
	}
	closedir(d);
	if (rc == 0) {
		snprintf(text, text_bytes, "%" PRIu64 " MiB of huge pages", bytes / MIB);
	} else if (rc == -ENOENT) {
		snprintf(text, text_bytes, "this kernel has no huge pages");
	} else {
		snprintf(text, text_bytes, "%" PRIu64 " MiB of huge pages cannot be had: %s",
			 bytes / MIB,
			 rc == -ENOMEM || rc == -ENOSPC ? "too few are free" : strerror(-rc));
	}
	return rc == 0;
}

static int
huge_choose(const struct eal_cfg *cfg, uint64_t bytes, struct eal_report *report,
	    struct topo_why *why)
{
	if (cfg->huge == EAL_HUGE_NEVER) {
		snprintf(report->huge_text, sizeof(report->huge_text),
			 "huge pages are left to others, as configured");
		return MB_OK;
	}
	report->huge = huge_probe(bytes, report->huge_text, sizeof(report->huge_text));
	if (!report->huge && cfg->huge == EAL_HUGE_ALWAYS) {
		return topo_why_set(
			why, MB_ERR_NO_MEMORY,
			"%s; free some (vm.nr_hugepages), or set node.hugepages to auto",
			report->huge_text);
	}
	return MB_OK;
}

/* ---- the command line ------------------------------------------------------------------------ */

static void
arg(const char *text)
{
	INSIST(eal.argc < ARG_CNT_MAX);
	eal.argv[eal.argc++] = (char *)(uintptr_t)text; /* EAL permutes, it does not write */
}

static void
lcores_write(const struct topo *topo)
{
	size_t len = 0;

	for (uint32_t i = 0; i < topo->lcore_cnt; i++) {
		int n = snprintf(eal.lcores + len, sizeof(eal.lcores) - len, "%s%u@%u",
				 i > 0 ? "," : "", i, topo->lcore[i].cpu);

		INSIST(n > 0);
		len += (size_t)n;
		INSIST(len < sizeof(eal.lcores));
	}
}

static void
args_write(const struct eal_cfg *cfg, uint64_t memory_bytes, bool huge)
{
	snprintf(eal.prefix, sizeof(eal.prefix), "--file-prefix=%s", cfg->name);
	snprintf(eal.memory_mib, sizeof(eal.memory_mib), "%" PRIu64, memory_bytes / MIB);
	lcores_write(cfg->topo);

	eal.argc = 0;
	arg("microburstd");
	arg(eal.prefix);
	arg("--lcores");
	arg(eal.lcores);
	if (huge) {
		arg("--in-memory");
	} else {
		arg("--no-huge");
		arg("--no-shconf");
	}
	arg("-m");
	arg(eal.memory_mib);
	if (cfg->pci != NULL) {
		arg("--allow");
		arg(cfg->pci);
	} else {
		arg("--no-pci");
	}
	arg("--log-level=*:error");
	eal.argv[eal.argc] = NULL;
}

/* EAL asks the environment where its files go. Whoever else asks finds it as it was. */
static int
eal_start(void)
{
	const char *before = getenv("RUNTIME_DIRECTORY");
	char saved[PATH_MAX] = "";
	int rc;

	if (before != NULL && snprintf(saved, sizeof(saved), "%s", before) >= (int)sizeof(saved)) {
		rte_errno = ENAMETOOLONG;
		return -1;
	}
	setenv("RUNTIME_DIRECTORY", eal.dir.path, 1);
	rc = rte_eal_init(eal.argc, eal.argv);
	if (before == NULL) {
		unsetenv("RUNTIME_DIRECTORY");
	} else {
		setenv("RUNTIME_DIRECTORY", saved, 1);
	}
	return rc;
}

/* ---- what came of it ------------------------------------------------------------------------- */

static int
page_bytes_read(const struct rte_memseg_list *list, void *page_bytes)
{
	if (!list->external && list->memseg_arr.count > 0) {
		*(uint64_t *)page_bytes = list->page_sz;
	}
	return 0;
}

static void
report_fill(struct eal_report *report)
{
	report->root = geteuid() == 0;
	report->memory_bytes = rte_eal_get_physmem_size();
	rte_memseg_list_walk(page_bytes_read, &report->page_bytes);
	report->lcore_cnt = rte_lcore_count();
	report->numa_cnt = rte_socket_count();
	report->iova_pa = rte_eal_iova_mode() == RTE_IOVA_PA;
	snprintf(report->version, sizeof(report->version), "%s", rte_version());
	snprintf(report->runtime_dir, sizeof(report->runtime_dir), "%s", eal.dir.path);
}

int
eal_init(const struct eal_cfg *cfg, struct eal_report *ret_report, struct topo_why *why)
{
	uint64_t memory_bytes = ALIGN_UP(MAX(cfg->memory_bytes, EAL_MEMORY_MIN), MIB);
	struct eal_report report = { 0 };
	int err, lock;

	REQUIRE(!eal.up);
	REQUIRE(cfg->topo->lcore_cnt >= 1);
	err = eal_dir_take(&eal.dir, cfg->runtime_dir, cfg->name, why);
	if (err != MB_OK) {
		return err;
	}
	lock = cfg->huge != EAL_HUGE_NEVER ? huge_lock_take(HUGE_LOCK_MS) : HUGE_LOCK_NONE;
	err = huge_choose(cfg, memory_bytes, &report, why);
	if (err == MB_OK) {
		args_write(cfg, memory_bytes, report.huge);
		if (eal_start() < 0) {
			err = topo_why_set(why, MB_ERR_IO, "DPDK's EAL does not start: %s",
					   rte_strerror(rte_errno));
		}
	}
	huge_lock_release(lock);
	if (err != MB_OK) {
		eal_dir_release(&eal.dir);
		return err;
	}
	eal.up = true;
	report_fill(&report);
	*ret_report = report;
	return MB_OK;
}

void
eal_fini(void)
{
	REQUIRE(eal.up);
	if (!eal.kept) {
		rte_eal_cleanup();
	}
	eal_dir_release(&eal.dir);
	eal.up = false;
}

void
eal_keep(void)
{
	eal.kept = true;
}

void
eal_print(const struct eal_report *report, FILE *out)
{
	fprintf(out, "eal: %s, %s, %u lcores, %u NUMA nodes, runtime directory %s\n",
		report->version, report->root ? "root" : "ordinary user", report->lcore_cnt,
		report->numa_cnt, report->runtime_dir);
	fprintf(out, "eal: %" PRIu64 " MiB in pages of %" PRIu64 " KiB, %s addresses (%s)\n",
		report->memory_bytes / MIB, report->page_bytes >> 10,
		report->iova_pa ? "physical" : "virtual", report->huge_text);
}
