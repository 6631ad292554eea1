/* SPDX-License-Identifier: Apache-2.0 */
/* doctor - is this machine fit for microseconds, and what to do where it is not
 *
 * A check looks at one thing and says what it found; if that costs speed, safety or a feature, also
 * what to do about it: where `doctor init` can do that, the option is named. Checks change nothing.
 * Files are read below a root ("": this machine), so that tests can show every finding; what only a
 * system call knows is asked of this machine.
 *
 *	doctor.c         the table; what few files say
 *	doctor_cpu.c     cores: isolation, frequency, sleep, interrupts; the clock
 *	doctor_memory.c  huge pages
 *	doctor_nic.c     NICs, their drivers and places; the IOMMU
 *	doctor_kernel.c  what only a system call knows
 *	doctor_do.c      what init does of it
 *
 * Threads: any.
 */
#ifndef MB_CLI_DOCTOR_H
#define MB_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "cpulist.h"
#include "tune.h"

/* What is asked about. Without cores, those that the kernel keeps free for somebody (isolated). */
struct doctor_ask {
	const char *root;
	const char *cores; /* node.cores; "": not said */
	const char *nic;   /* net.nic; "": a kernel socket */
	const char *huge;  /* node.hugepages */
	uint64_t pages;    /* huge ones that the configuration takes; 0: not said */
	bool runs;         /* its node runs, and has what it must have */
};

struct doctor_line {
	const char *name; /* "huge pages" */
	bool ok;
	bool stops;      /* a node of this configuration does not start here */
	char found[240]; /* what there is */
	char todo[240];  /* what to do; "" when ok */
};

/* doctor_check does the i-th check. Returns: false behind the last. */
bool doctor_check(size_t i, const struct doctor_ask *ask, struct doctor_line *ret);

void doctor_clock(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_isolated(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_governor(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_idle(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_irqs(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_huge_pages(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_group(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_nic(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_nic_own(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_nic_place(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_iommu(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_af_xdp(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_io_uring(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_seccomp(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_namespaces(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_memlock(const struct doctor_ask *ask, struct doctor_line *line);
void doctor_files(const struct doctor_ask *ask, struct doctor_line *line);

/* doctor_cores reads the cores of the node as ask says. Returns: false when nobody said. */
bool doctor_cores(const struct doctor_ask *ask, struct cpulist *ret);

/* ---- what init does; see tune.h for errors, and for taking it back ---- */

#define DOCTOR_IDLE_US_MAX 10 /* a state that takes longer to leave costs more than a call */

/* doctor_do_governor sets every core's to performance. MB_ERR_NOT_FOUND: there are none to set. */
int doctor_do_governor(struct tune *t);

/* doctor_do_idle forbids every core the states that take longer to leave than the limit. */
int doctor_do_idle(struct tune *t);

/* doctor_do_irqs gives all interrupts to cpus. Some cannot be moved and are counted as refused.
 * MB_ERR_INVALID: a cpu is not there. */
int doctor_do_irqs(struct tune *t, const struct cpulist *cpus);

/* doctor_ok, doctor_warn and doctor_stop say what a check found; the last two also what to do. */
void doctor_ok(struct doctor_line *line, const char *found, ...)
	__attribute__((__format__(__printf__, 2, 3)));
void doctor_warn(struct doctor_line *line, const char *todo, const char *found, ...)
	__attribute__((__format__(__printf__, 3, 4)));
void doctor_stop(struct doctor_line *line, const char *todo, const char *found, ...)
	__attribute__((__format__(__printf__, 3, 4)));

#endif
