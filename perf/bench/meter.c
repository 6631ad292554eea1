/* SPDX-License-Identifier: Apache-2.0 */
/* meter.c - see meter.h */
#include "meter.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "compiler.h"
#include "timebase.h"
#include "usage.h"

/* user nice system idle iowait irq softirq steal, in ticks since boot */
enum {
	STAT_USER,
	STAT_NICE,
	STAT_SYSTEM,
	STAT_IDLE,
	STAT_IOWAIT,
	STAT_IRQ,
	STAT_SOFTIRQ,
	STAT_STEAL,
	STAT_CNT
};

static void
read_stat(double *ret_busy_s, double *ret_stolen_s)
{
	unsigned long long t[STAT_CNT] = { 0 };
	double hz = (double)sysconf(_SC_CLK_TCK);
	FILE *f = fopen("/proc/stat", "re");

	if (f != NULL) {
		if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[STAT_USER],
			   &t[STAT_NICE], &t[STAT_SYSTEM], &t[STAT_IDLE], &t[STAT_IOWAIT],
			   &t[STAT_IRQ], &t[STAT_SOFTIRQ], &t[STAT_STEAL]) < STAT_CNT) {
			t[STAT_STEAL] = 0; /* a kernel that does not tell */
		}
		fclose(f);
	}
	*ret_busy_s = (double)(t[STAT_USER] + t[STAT_NICE] + t[STAT_SYSTEM] + t[STAT_IRQ] +
			       t[STAT_SOFTIRQ]) /
		      hz;
	*ret_stolen_s = (double)t[STAT_STEAL] / hz;
}

static double
ours_s(void)
{
	struct usage_set family;
	struct rusage ended;

	usage_family(&family, getpid());
	getrusage(RUSAGE_CHILDREN, &ended);
	return usage_cpu_s(&family) + (double)(ended.ru_utime.tv_sec + ended.ru_stime.tv_sec) +
	       (double)(ended.ru_utime.tv_usec + ended.ru_stime.tv_usec) / 1e6;
}

void
meter_start(struct meter *m)
{
	m->at_s = (double)timebase_now_ns(timebase_real()) / 1e9;
	read_stat(&m->busy_s, &m->stolen_s);
	m->ours_s = ours_s();
}

void
meter_end(const struct meter *m, double *ret_others, double *ret_stolen)
{
	struct meter now;
	double elapsed_s, others_s;

	meter_start(&now);
	elapsed_s = now.at_s - m->at_s;
	others_s = (now.busy_s - m->busy_s) - (now.ours_s - m->ours_s);
	*ret_others = MAX(others_s, 0.0) / elapsed_s;
	*ret_stolen = (now.stolen_s - m->stolen_s) / elapsed_s;
}
