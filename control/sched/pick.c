/* SPDX-License-Identifier: Apache-2.0 */
#include "pick.h"

#include "compiler.h"

static inline uint64_t
word_of(const uint64_t *able, const uint64_t *busy, uint32_t w)
{
	return able[w] & (busy != NULL ? ~busy[w] : UINT64_MAX);
}

static uint32_t
member_cnt(const uint64_t *able, const uint64_t *busy, uint32_t words)
{
	uint32_t cnt = 0;

	for (uint32_t w = 0; w < words; w++) {
		cnt += (uint32_t)__builtin_popcountll(word_of(able, busy, w));
	}
	return cnt;
}

/* Member n, counted from 0. There is one. */
static uint32_t
member(const uint64_t *able, const uint64_t *busy, uint32_t n)
{
	uint32_t w = 0, cnt;
	uint64_t bits;

	while (n >= (cnt = (uint32_t)__builtin_popcountll(word_of(able, busy, w)))) {
		n -= cnt;
		w++;
	}
	for (bits = word_of(able, busy, w); n > 0; n--) {
		bits &= bits - 1;
	}
	return w * 64 + (uint32_t)__builtin_ctzll(bits);
}

uint32_t
pick_exec(const uint64_t *able, const uint64_t *busy, uint32_t words, const uint16_t *load,
	  uint64_t random)
{
	uint32_t cnt = member_cnt(able, busy, words);
	uint32_t a, b;

	if (cnt == 0) {
		busy = NULL; /* all are: the less loaded all the same */
		cnt = member_cnt(able, busy, words);
	}
	if (cnt == 0) {
		return PICK_NONE;
	}
	a = member(able, busy, (uint32_t)random % cnt);
	b = member(able, busy, (uint32_t)(random >> 32) % cnt);
	return load[b] < load[a] ? b : a;
}

uint16_t
pick_load(uint16_t load, uint64_t busy_ns, uint64_t ns)
{
	uint64_t now = ns == 0 || busy_ns >= ns ? PICK_LOAD_FULL : busy_ns * PICK_LOAD_FULL / ns;

	return (uint16_t)((3 * (uint64_t)load + now + 2) / 4);
}
