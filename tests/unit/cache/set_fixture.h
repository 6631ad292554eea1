/* SPDX-License-Identifier: Apache-2.0 */
/* set_fixture - write sets of an inner process, with their words: for the tests of cache/ that look
 * at what becomes of each operation */
#ifndef MB_TEST_SET_FIXTURE_H
#define MB_TEST_SET_FIXTURE_H

#include <string.h>

#include "cache_world.h"

#define INNER   1
#define OPS     8
#define SET_MEM 4096

struct set {
	struct wset ws;
	_Alignas(8) uint8_t mem[SET_MEM];
	struct cache_op_word word[OPS];
};

static inline void
set_begin(struct set *s)
{
	wset_init(&s->ws, s->mem, sizeof(s->mem));
	memset(s->word, 0, sizeof(s->word));
}

static inline void
publish(struct world *w, struct set *s, uint64_t b)
{
	world_hashes(wset_bytes(&s->ws), s->word);
	world_publish_words(w, INNER, wset_bytes(&s->ws), b, s->word);
}

/* The answer to a set of a process; its payloads may be used again. */
static inline int
over_of(struct world *w, uint16_t proc, uint64_t b)
{
	struct desc d;

	world_settle(w);
	d = world_answer(w, proc, DESC_PUBLISHED, b);
	for (uint32_t i = 0; i < WORLD_PAYLOAD_MAX; i++) {
		if (w->payload[i].proc == proc) {
			w->payload[i] = (struct world_payload){ 0 };
		}
	}
	return d.err;
}

static inline int
over(struct world *w, uint64_t b)
{
	return over_of(w, INNER, b);
}

#endif
