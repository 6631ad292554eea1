/* SPDX-License-Identifier: Apache-2.0 */
/* asked - see asked.h */
#include "asked.h"

#include <string.h>

/* Other bits than cache_tile_of and the hashring take. */
static uint32_t
word_of(uint64_t hash)
{
	return (uint32_t)(hash >> 12) % ASKED_WORDS;
}

void
asked_prefetch(const struct asked *a, uint64_t hash)
{
	__builtin_prefetch(&a->word[0][word_of(hash)], 1);
	__builtin_prefetch(&a->word[1][word_of(hash)], 1);
}

bool
asked_before(struct asked *a, uint64_t hash)
{
	uint32_t at = word_of(hash);
	uint64_t bits = UINT64_C(1) << (hash >> 58) | UINT64_C(1) << (hash >> 52 & 63);
	bool before = (a->word[a->newer][at] & bits) == bits;

	if (before) {
		return true;
	}
	if (a->cnt == ASKED_CNT) {
		a->newer ^= 1;
		a->cnt = 0;
		memset(a->word[a->newer], 0, sizeof(a->word[a->newer]));
	}
	before = (a->word[a->newer ^ 1][at] & bits) == bits;
	a->word[a->newer][at] |= bits;
	a->cnt++;
	return before;
}
