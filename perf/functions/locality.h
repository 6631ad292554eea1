/* SPDX-License-Identifier: Apache-2.0 */
/* locality.h - what the function and the bench must have in common: keys, and the same loop */
#ifndef MB_BENCH_LOCALITY_H
#define MB_BENCH_LOCALITY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LOCALITY_ARRAYS    10
#define LOCALITY_KEY_BYTES 32

static inline size_t
locality_key(char ret[LOCALITY_KEY_BYTES], int64_t set, unsigned array)
{
	return (size_t)snprintf(ret, LOCALITY_KEY_BYTES, "sum:%lld:%u", (long long)set, array);
}

/* Four sums, so that an addition need not wait for the one before. */
static inline double
locality_sum(const void *p, size_t cnt)
{
	const char *at = p;
	double sum[4] = { 0, 0, 0, 0 }, x[4];
	size_t i = 0;

	for (; i + 4 <= cnt; i += 4) {
		memcpy(x, at + i * sizeof(double), sizeof(x)); /* a stored value lies anywhere */
		for (unsigned k = 0; k < 4; k++) {
			sum[k] += x[k];
		}
	}
	for (; i < cnt; i++) {
		memcpy(x, at + i * sizeof(double), sizeof(x[0]));
		sum[0] += x[0];
	}
	return sum[0] + sum[1] + sum[2] + sum[3];
}

#endif
