/* SPDX-License-Identifier: Apache-2.0 */
/* cpulist - sets of cpus, as the kernel writes them: "0-3,8"
 *
 * Threads: any; pure.
 */
#ifndef MB_CLI_CPULIST_H
#define MB_CLI_CPULIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPULIST_CPU_MAX 1024 /* what a cpu_set_t holds; numbers above are refused */

struct cpulist {
	uint64_t bits[CPULIST_CPU_MAX / 64];
};

/* cpulist_parse reads a list; "" is the empty one. Returns: false for what is no list. */
bool cpulist_parse(const char *text, struct cpulist *ret);

/* cpulist_print writes one, ranges joined; what does not fit is left out, and "..." says so.
 * Returns: buf. */
const char *cpulist_print(const struct cpulist *l, char *buf, size_t bytes);

static inline bool
cpulist_has(const struct cpulist *l, uint32_t cpu)
{
	return cpu < CPULIST_CPU_MAX && (l->bits[cpu / 64] >> cpu % 64 & 1) != 0;
}

uint32_t cpulist_cnt(const struct cpulist *l);

/* cpulist_minus takes b out of a, cpulist_and leaves what is in both. */
struct cpulist cpulist_minus(const struct cpulist *a, const struct cpulist *b);
struct cpulist cpulist_and(const struct cpulist *a, const struct cpulist *b);

#endif
