/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_do.c - what init does where check found something, by settings that tune takes back */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "doctor.h"
#include "sysfile.h"

#define CPUS "/sys/devices/system/cpu"

/* A walk over cpus or interrupts: the first error, and how many settings there were. */
struct walk {
	struct tune *t;
	const char *value;
	char cpu[16];
	int err;
	uint32_t cnt;
};

static int
walk(struct tune *t, const char *folder, void (*fn)(void *ctx, const char *name), const char *value)
{
	struct walk w = { .t = t, .value = value };

	sysfile_each(t->root, folder, fn, &w);
	return w.cnt == 0 ? MB_ERR_NOT_FOUND : w.err;
}

/* One that is not there is no error: cores may differ. */
static void
walk_set(struct walk *w, const char *path, const char *value)
{
	int err = tune_set(w->t, path, value);

	if (err != MB_ERR_NOT_FOUND) {
		w->cnt++;
		w->err = w->err == 0 ? err : w->err;
	}
}

static void
governor_do(void *ctx, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), CPUS "/%.32s/cpufreq/scaling_governor", name);
	walk_set(ctx, path, "performance");
}

int
doctor_do_governor(struct tune *t)
{
	return walk(t, CPUS, governor_do, NULL);
}

static void
state_do(void *ctx, const char *name)
{
	struct walk *w = ctx;
	char path[PATH_MAX];
	uint64_t latency;

	snprintf(path, sizeof(path), CPUS "/%s/cpuidle/%.32s/latency", w->cpu, name);
	if (sysfile_u64(w->t->root, path, &latency) && latency > DOCTOR_IDLE_US_MAX) {
		snprintf(path, sizeof(path), CPUS "/%s/cpuidle/%.32s/disable", w->cpu, name);
		walk_set(w, path, "1");
	}
}

static void
idle_do(void *ctx, const char *name)
{
	struct walk *w = ctx;
	char path[PATH_MAX];

	if (strncmp(name, "cpu", 3) == 0 && strlen(name) < sizeof(w->cpu)) {
		snprintf(w->cpu, sizeof(w->cpu), "%.15s", name);
		snprintf(path, sizeof(path), CPUS "/%s/cpuidle", w->cpu);
		sysfile_each(w->t->root, path, state_do, w);
	}
}

int
doctor_do_idle(struct tune *t)
{
	return walk(t, CPUS, idle_do, NULL);
}

/* The kernel refuses to move some: timers, and those that it spreads itself (managed). */
static void
irq_do(void *ctx, const char *name)
{
	struct walk *w = ctx;
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "/proc/irq/%.16s/smp_affinity_list", name);
	err = tune_set(w->t, path, w->value);
	if (err != MB_ERR_NOT_FOUND) {
		w->cnt++;
		/* An error of all, when none can be moved: then it is not the interrupt. */
		w->err = w->t->changed + w->t->was_so > 0 ? 0 : err;
	}
}

int
doctor_do_irqs(struct tune *t, const struct cpulist *cpus)
{
	char text[TUNE_VALUE_BYTES];
	struct cpulist there;

	if (sysfile_text(t->root, CPUS "/online", text, sizeof(text)) &&
	    cpulist_parse(text, &there)) {
		there = cpulist_and(&there, cpus);
		if (cpulist_cnt(&there) < cpulist_cnt(cpus)) {
			return MB_ERR_INVALID;
		}
	}
	return walk(t, "/proc/irq", irq_do, cpulist_print(cpus, text, sizeof(text)));
}
