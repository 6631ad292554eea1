/* SPDX-License-Identifier: Apache-2.0 */
/* asked - which keys were asked for not long ago
 *
 * Two bits a key, both in one word, so that a question touches one cache line. Two rows of words:
 * what is asked for is noted in the newer one; when that has ASKED_CNT keys the older one is
 * cleared and becomes the newer. So a key is remembered for as long as it takes to ask for
 * ASKED_CNT others, and forgotten after twice as many. One in ten that were not asked for is taken
 * for one that was, at most.
 *
 * Plain data: all zeros is the empty one. Owner: whoever has it.
 */
#ifndef MB_CACHE_ASKED_H
#define MB_CACHE_ASKED_H

#include <stdbool.h>
#include <stdint.h>

#define ASKED_CNT   (512u << 10)
#define ASKED_WORDS (64u << 10)

struct asked {
	uint32_t newer; /* which row */
	uint32_t cnt;   /* keys noted there */
	uint64_t word[2][ASKED_WORDS];
};

/* asked_before tells whether a key was asked for, and notes that it was. hash: of the key */
bool asked_before(struct asked *a, uint64_t hash);

/* asked_prefetch begins to bring near what asked_before will look at. */
void asked_prefetch(const struct asked *a, uint64_t hash);

#endif
