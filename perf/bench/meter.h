/* SPDX-License-Identifier: Apache-2.0 */
/* meter - who else used the machine while a bench ran
 *
 * A floor in the same run sees a machine that is slower; it does not see one that is taken away for
 * milliseconds at a time, which is what other programs on the same cores do. So they are counted.
 */
#ifndef MB_BENCH_METER_H
#define MB_BENCH_METER_H

struct meter {
	double at_s;
	double busy_s;   /* of all cpus, by all programs */
	double stolen_s; /* taken by the hypervisor */
	double ours_s;   /* by this program and its children, those that ended included */
};

/* meter_start looks at the counters. */
void meter_start(struct meter *m);

/* meter_end tells how many cpus, on average since meter_start, other programs used, and how many
 * the hypervisor took. Good to some hundredths over a second; 0 where the kernel does not say. */
void meter_end(const struct meter *m, double *ret_others, double *ret_stolen);

#endif
