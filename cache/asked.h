/* SPDX-License-Identifier: Apache-2.0 */
/* asked - which keys were asked for not long ago
 *
 * Two bits a key, both in one word, so that a question touches one cache line. Three rows of words:
 * what is asked for is noted in the newest one, looked for in that and the one before, and the
 * third is cleared meanwhile, a word now and then; when the newest has ASKED_CNT keys the third one
 * is empty, and becomes the newest. So a key is remembered for as long as it takes to ask for
 * ASKED_CNT others, and forgotten after twice as many. One in ten that were not asked for is taken
 * for one that was, at most.
 *
 * Plain data: all zeros is the empty one. Owner: whoever has it.
 */
#ifndef MB_CACHE_ASKED_H
#define MB_CACHE_ASKED_H

#include <stdbool.h>
#include <stdint.h>

#define ASKED_CNT   (1u << 20)
#define ASKED_WORDS (128u << 10)
#define ASKED_ROWS  3

struct asked {
	uint32_t newest; /* which row; behind it the one to be cleared, and then the one before */
	uint32_t cnt;    /* keys noted there */
	uint64_t word[ASKED_ROWS][ASKED_WORDS];
};

/* asked_before tells whether a key was asked for, and notes that it was. hash: of the key */
bool asked_before(struct asked *a, uint64_t hash);

/* asked_prefetch begins to bring near what asked_before will look at. */
void asked_prefetch(const struct asked *a, uint64_t hash);

#endif
