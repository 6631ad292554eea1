/* SPDX-License-Identifier: Apache-2.0 */
/* asked - see asked.h */
#include "asked.h"

/* Keys that are noted while a word of the third row is cleared. */
#define NOTES_A_WORD (ASKED_CNT / ASKED_WORDS)

/* Other bits than cache_tile_of and the hashring take. */
static uint32_t
word_of(uint64_t hash)
{
	return (uint32_t)(hash >> 12) % ASKED_WORDS;
}

static uint32_t
row_of(const struct asked *a, uint32_t behind)
{
	return (a->newest + behind) % ASKED_ROWS;
}

void
asked_prefetch(const struct asked *a, uint64_t hash)
{
	__builtin_prefetch(&a->word[a->newest][word_of(hash)], 1);
	__builtin_prefetch(&a->word[row_of(a, 2)][word_of(hash)], 0);
}

bool
asked_before(struct asked *a, uint64_t hash)
{
	uint32_t at = word_of(hash);
	uint64_t bits = UINT64_C(1) << (hash >> 58) | UINT64_C(1) << (hash >> 52 & 63);
	bool before = (a->word[row_of(a, 2)][at] & bits) == bits;

	if ((a->word[a->newest][at] & bits) == bits) {
		return true;
	}
	a->word[a->newest][at] |= bits;
	if (a->cnt % NOTES_A_WORD == 0) {
		a->word[row_of(a, 1)][a->cnt / NOTES_A_WORD] = 0;
	}
	if (++a->cnt == ASKED_CNT) {
		a->newest = row_of(a, 1);
		a->cnt = 0;
	}
	return before;
}
