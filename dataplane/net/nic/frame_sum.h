/* SPDX-License-Identifier: Apache-2.0 */
/* frame_sum - what the one's complement sums of RFC 1071 are made of; frame.c's
 *
 * Words are added as they lie in memory, whatever the machine's order: the sum is then right in the
 * same order.
 *
 * Pure. Threads: any.
 */
#ifndef MB_FRAME_SUM_H
#define MB_FRAME_SUM_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t
load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t
sum_word(uint64_t sum, uint64_t word)
{
	bool carry = __builtin_add_overflow(sum, word, &sum);

	return sum + carry;
}

/* To 16 bits: the halves are added, each to the other, so that the upper one has got the carry. */
static inline uint16_t
sum_fold(uint64_t sum)
{
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/* Puts a sum where it belongs, as it lies in memory. */
static inline void
sum_put(uint8_t *p, uint16_t sum)
{
	memcpy(p, &sum, sizeof(sum));
}

static inline uint16_t
sum_get(const uint8_t *p)
{
	uint16_t sum;

	memcpy(&sum, p, sizeof(sum));
	return sum;
}

#endif
