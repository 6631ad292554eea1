/* SPDX-License-Identifier: Apache-2.0 */
/* machine - what a bench ran on: without it a figure means nothing */
#ifndef MB_BENCH_MACHINE_H
#define MB_BENCH_MACHINE_H

#include <jansson.h>

/* machine_json describes this machine and this build: one string or number a key.
 * Returns: a new object; NULL without memory. */
json_t *machine_json(int cpu_client, int cpu_exec);

/* machine_print writes it for people. */
void machine_print(const json_t *machine);

/* machine_stolen_s gives the seconds, of all cpus, that the hypervisor gave to others while a cpu
 * of this machine wanted to run. Counts from boot; 0 when it does not say. */
double machine_stolen_s(void);

#endif
