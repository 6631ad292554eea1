/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_cpu.c - is this machine fit for microseconds: its cores and its clock */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "doctor.h"
#include "sysfile.h"

#define CPUS      "/sys/devices/system/cpu"
#define LIST_TEXT 96
#define LIST_FILE 4096

static bool
list_of(const struct doctor_ask *ask, const char *path, struct cpulist *ret)
{
	char text[LIST_FILE];

	/* The kernel says "(null)" for no list at all. */
	return sysfile_text(ask->root, path, text, sizeof(text)) && cpulist_parse(text, ret);
}

bool
doctor_cores(const struct doctor_ask *ask, struct cpulist *ret)
{
	if (ask->cores[0] != '\0') {
		return cpulist_parse(ask->cores, ret) && cpulist_cnt(ret) > 0;
	}
	return list_of(ask, CPUS "/isolated", ret) && cpulist_cnt(ret) > 0;
}

/* --------------------------------------------------------------------- clock */

void
doctor_clock(const struct doctor_ask *ask, struct doctor_line *line)
{
	/* Those that user space reads without entering the kernel. */
	static const char *const fast[] = { "tsc", "kvm-clock", "hyperv_clocksource_tsc_page",
					    "arch_sys_counter" };
	char text[64], flags[4096];

	if (!sysfile_text(ask->root,
			  "/sys/devices/system/clocksource/clocksource0/current_clocksource", text,
			  sizeof(text))) {
		doctor_warn(line, "mount /sys", "it cannot be read");
		return;
	}
	if (sysfile_line(ask->root, "/proc/cpuinfo", "flags", flags, sizeof(flags)) &&
	    (strstr(flags, " constant_tsc") == NULL || strstr(flags, " nonstop_tsc") == NULL)) {
		doctor_warn(line,
			    "durations of microseconds may be wrong; give a virtual machine its "
			    "host's counter (QEMU: +invtsc)",
			    "%s; the processor's counter changes its rate or stops in sleep", text);
		return;
	}
	for (size_t i = 0; i < ARRAY_CNT(fast); i++) {
		if (strcmp(text, fast[i]) == 0) {
			doctor_ok(line, "%s", text);
			return;
		}
	}
	doctor_warn(line, "boot with clocksource=tsc, if the processor's counter is steady",
		    "%s: reading the clock costs a system call", text);
}

/* ----------------------------------------------------------------- isolation */

/* The list behind a word of the kernel's command line: rcu_nocbs=2-7. */
static bool
cmdline_list(const struct doctor_ask *ask, const char *word, struct cpulist *ret)
{
	char text[LIST_FILE], *at, *rest = text;

	if (!sysfile_text(ask->root, "/proc/cmdline", text, sizeof(text))) {
		return false;
	}
	while ((at = strsep(&rest, " ")) != NULL) {
		if (strncmp(at, word, strlen(word)) == 0 && at[strlen(word)] == '=') {
			return cpulist_parse(at + strlen(word) + 1, ret);
		}
	}
	return false;
}

void
doctor_isolated(const struct doctor_ask *ask, struct doctor_line *line)
{
	struct cpulist cores, isolated = { 0 }, quiet = { 0 }, nocbs = { 0 }, online, lacks;
	char text[LIST_TEXT];

	list_of(ask, CPUS "/isolated", &isolated);
	list_of(ask, CPUS "/nohz_full", &quiet);
	/* nohz_full takes RCU's work away too. */
	if (!cmdline_list(ask, "rcu_nocbs", &nocbs)) {
		nocbs = quiet;
	}
	if (!doctor_cores(ask, &cores)) {
		doctor_warn(
			line,
			"for steady latencies boot with isolcpus= and nohz_full= for the node's "
			"cores, and name them in node.cores",
			ask->cores[0] == '\0' ? "none: others' programs interrupt the node"
					      : "node.cores is no list of cpus");
		return;
	}
	if (list_of(ask, CPUS "/online", &online)) {
		lacks = cpulist_minus(&cores, &online);
		if (cpulist_cnt(&lacks) > 0) {
			doctor_stop(line, "name others in node.cores: lscpu lists what there is",
				    "%s of the node are not here",
				    cpulist_print(&lacks, text, sizeof(text)));
			return;
		}
	}
	lacks = cpulist_minus(&cores, &isolated);
	if (cpulist_cnt(&lacks) > 0) {
		doctor_warn(line, "boot with isolcpus= for them, or take them out of node.cores",
			    "others' programs run on %s of the node",
			    cpulist_print(&lacks, text, sizeof(text)));
		return;
	}
	lacks = cpulist_minus(&cores, &quiet);
	if (cpulist_cnt(&lacks) > 0) {
		doctor_warn(line, "boot with nohz_full= for them, too",
			    "isolated, but the kernel's tick comes on %s",
			    cpulist_print(&lacks, text, sizeof(text)));
		return;
	}
	lacks = cpulist_minus(&cores, &nocbs);
	if (cpulist_cnt(&lacks) > 0) {
		doctor_warn(line, "boot with rcu_nocbs= for them, too",
			    "isolated, but the kernel frees its memory (RCU) on %s",
			    cpulist_print(&lacks, text, sizeof(text)));
		return;
	}
	doctor_ok(line, "%s", cpulist_print(&cores, text, sizeof(text)));
}

/* --------------------------------------------------------- frequency, sleep */

/* What is looked at, core by core. */
struct cores {
	const struct doctor_ask *ask;
	char cpu[16];        /* "cpu3" */
	uint32_t cnt;        /* cores that have such a thing */
	uint32_t bad_cnt;    /* and of these, how many are not right */
	uint64_t latency_us; /* the longest */
	char bad[64];        /* one that is not */
};

static bool
is_cpu(const char *name)
{
	return strncmp(name, "cpu", 3) == 0 && strlen(name) < 12 && name[3] != '\0' &&
	       strspn(name + 3, "0123456789") == strlen(name + 3);
}

static void
governor_look(void *ctx, const char *name)
{
	struct cores *c = ctx;
	char path[PATH_MAX], text[64];

	snprintf(path, sizeof(path), CPUS "/%.16s/cpufreq/scaling_governor", name);
	if (!is_cpu(name) || !sysfile_text(c->ask->root, path, text, sizeof(text))) {
		return;
	}
	c->cnt++;
	if (strcmp(text, "performance") != 0) {
		c->bad_cnt++;
		snprintf(c->bad, sizeof(c->bad), "%s", text);
	}
}

void
doctor_governor(const struct doctor_ask *ask, struct doctor_line *line)
{
	struct cores c = { .ask = ask };

	sysfile_each(ask->root, CPUS, governor_look, &c);
	if (c.cnt == 0) {
		doctor_ok(line, "the kernel does not scale frequencies here");
	} else if (c.bad_cnt == 0) {
		doctor_ok(line, "performance");
	} else {
		doctor_warn(line, "as root: microburst doctor init --governor",
			    "%s on %u of %u: a core that has slept wakes slow", c.bad, c.bad_cnt,
			    c.cnt);
	}
}

static void
state_look(void *ctx, const char *name)
{
	struct cores *c = ctx;
	char path[PATH_MAX];
	uint64_t latency, disabled;

	snprintf(path, sizeof(path), CPUS "/%s/cpuidle/%.32s/latency", c->cpu, name);
	if (!sysfile_u64(c->ask->root, path, &latency) || latency <= DOCTOR_IDLE_US_MAX) {
		return;
	}
	snprintf(path, sizeof(path), CPUS "/%s/cpuidle/%.32s/disable", c->cpu, name);
	if (sysfile_u64(c->ask->root, path, &disabled) && disabled == 0) {
		c->bad_cnt++;
		c->latency_us = MAX(c->latency_us, latency);
	}
}

static void
idle_look(void *ctx, const char *name)
{
	struct cores *c = ctx;
	char path[PATH_MAX];

	if (is_cpu(name)) {
		snprintf(c->cpu, sizeof(c->cpu), "%.15s", name);
		snprintf(path, sizeof(path), CPUS "/%s/cpuidle", c->cpu);
		c->cnt += sysfile_each(c->ask->root, path, state_look, c) > 0;
	}
}

void
doctor_idle(const struct doctor_ask *ask, struct doctor_line *line)
{
	struct cores c = { .ask = ask };

	sysfile_each(ask->root, CPUS, idle_look, &c);
	if (c.cnt == 0) {
		doctor_ok(line, "the kernel does not choose them here");
	} else if (c.bad_cnt == 0) {
		doctor_ok(line, "none that takes more than %d us to leave", DOCTOR_IDLE_US_MAX);
	} else {
		doctor_warn(line,
			    "as root: microburst doctor init --idle, for a node that shall answer "
			    "at once after a pause; it costs power",
			    "an idle core may take %" PRIu64 " us to wake", c.latency_us);
	}
}

/* ---------------------------------------------------------------- interrupts */

struct irqs {
	const struct doctor_ask *ask;
	struct cpulist cores;
	uint32_t cnt, hit;
	char name[16];
};

static void
irq_look(void *ctx, const char *name)
{
	struct irqs *i = ctx;
	char path[PATH_MAX];
	struct cpulist at, both;

	snprintf(path, sizeof(path), "/proc/irq/%.16s/effective_affinity_list", name);
	if (!list_of(i->ask, path, &at) || cpulist_cnt(&at) == 0) {
		snprintf(path, sizeof(path), "/proc/irq/%.16s/smp_affinity_list", name);
		if (!list_of(i->ask, path, &at)) {
			return;
		}
	}
	i->cnt++;
	both = cpulist_and(&at, &i->cores);
	if (cpulist_cnt(&both) > 0) {
		i->hit++;
		snprintf(i->name, sizeof(i->name), "%.15s", name);
	}
}

void
doctor_irqs(const struct doctor_ask *ask, struct doctor_line *line)
{
	struct irqs i = { .ask = ask };

	if (!doctor_cores(ask, &i.cores)) {
		doctor_ok(line, "not looked at: no core is the node's alone");
		return;
	}
	sysfile_each(ask->root, "/proc/irq", irq_look, &i);
	if (i.hit == 0) {
		doctor_ok(line, "none of %u comes to the node's cores", i.cnt);
	} else {
		doctor_warn(line,
			    "as root: microburst doctor init --irqs CPUS, with others' cpus; end "
			    "irqbalance, which moves them back",
			    "%u of %u come to the node's cores (%s, say)", i.hit, i.cnt, i.name);
	}
}
