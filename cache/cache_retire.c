/* SPDX-License-Identifier: Apache-2.0 */
/* cache_retire - see cache_retire.h
 *
 * A scan enters the named offsets into a small hash table, looks each retired block up in it, and
 * takes the offsets out again. The table is never more than half full, whatever hostile processes
 * put into their slots.
 */
#include "cache_retire.h"

#include <stdlib.h>

#include "cache_layout.h"
#include "check.h"
#include "microburst/error.h"

#define TABLE_SIZE 65536u

static_assert(TABLE_SIZE >= 2 * CACHE_HAZARD_MAX, "the table is at most half full");

struct retired {
	uint64_t off;
	uint32_t bytes;
	bool tree;
};

struct cache_retire {
	struct cache_retire_ops ops;
	uint64_t heap, heap_end;
	uint64_t bytes_max;
	uint64_t bytes;       /* retired */
	uint64_t bytes_named; /* of these, at the last scan */
	uint32_t cnt;
	uint32_t cnt_named;
	uint32_t named_cnt;
	uint32_t named[CACHE_HAZARD_MAX]; /* places in the table that are taken */
	uint64_t table[TABLE_SIZE];       /* offsets; 0: free */
	/* What was in each slot that had a hint. A reader's slots stay as they are while it reads
	 * nothing, and each hint counts once. Rows move when processes come and go: then some count
	 * twice. */
	uint64_t hint[PROC_CNT_MAX][HAZARD_CNT];
	struct retired block[CACHE_RETIRE_MAX];
};

int
cache_retire_create(struct cache_retire **ret, uint64_t heap, uint64_t heap_end, uint64_t bytes_max,
		    const struct cache_retire_ops *ops)
{
	struct cache_retire *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	r->ops = *ops;
	r->heap = heap;
	r->heap_end = heap_end;
	r->bytes_max = bytes_max;
	*ret = r;
	return 0;
}

void
cache_retire_destroy(struct cache_retire *r)
{
	free(r);
}

/* The place of an offset in the table: where it is, or the free place where it would go. */
static uint32_t
place_of(const struct cache_retire *r, uint64_t off)
{
	uint32_t at = (uint32_t)(off * UINT64_C(0x9e3779b97f4a7c15) >> 48) % TABLE_SIZE;

	while (r->table[at] != 0 && r->table[at] != off) {
		at = (at + 1) % TABLE_SIZE;
	}
	return at;
}

static void
slot_read(struct cache_retire *r, uint64_t word, uint64_t *hint)
{
	if (word == 0 || word == *hint) {
		return;
	}
	if (!cache_hazard_held(word)) {
		*hint = word;
		r->ops.hint(r->ops.ctx, cache_hint_entry(word));
		return;
	}
	if (word >= r->heap && word < r->heap_end) {
		uint32_t at = place_of(r, word);

		if (r->table[at] == 0) {
			r->table[at] = word;
			r->named[r->named_cnt++] = at;
		}
	}
}

static void
hazards_read(struct cache_retire *r)
{
	const _Atomic uint64_t *slots;
	uint32_t iter = 0, proc_cnt = 0;

	while ((slots = r->ops.hazards(r->ops.ctx, &iter)) != NULL) {
		INSIST(proc_cnt < PROC_CNT_MAX);
		for (uint32_t i = 0; i < HAZARD_CNT; i++) {
			/* A22: sequentially consistent; pairs with R22 and R24 in cache_view.c
			 * (V3). Without it the load could come before the version store that hid
			 * the block, and miss a reader that still saw it shown. */
			slot_read(r, atomic_load_explicit(&slots[i], memory_order_seq_cst),
				  &r->hint[proc_cnt][i]);
		}
		proc_cnt++;
	}
}

uint32_t
cache_retire_scan(struct cache_retire *r)
{
	uint32_t kept = 0, freed;

	hazards_read(r);
	for (uint32_t i = 0; i < r->cnt; i++) {
		struct retired *b = &r->block[i];

		if (r->table[place_of(r, b->off)] != 0) {
			r->block[kept++] = *b;
		} else {
			r->bytes -= b->bytes;
			r->ops.free(r->ops.ctx, b->off, b->bytes, b->tree);
		}
	}
	while (r->named_cnt > 0) {
		r->table[r->named[--r->named_cnt]] = 0;
	}
	freed = r->cnt - kept;
	r->cnt = kept;
	r->cnt_named = kept;
	r->bytes_named = r->bytes;
	return freed;
}

void
cache_retire_add(struct cache_retire *r, uint64_t off, uint32_t bytes, bool tree)
{
	REQUIRE(off >= r->heap);
	REQUIRE(off < r->heap_end);
	INSIST(r->cnt < CACHE_RETIRE_MAX); /* I2 */
	r->block[r->cnt++] = (struct retired){ off, bytes, tree };
	r->bytes += bytes;
	if (r->cnt - r->cnt_named == CACHE_RETIRE_BATCH ||
	    r->bytes - r->bytes_named > r->bytes_max) {
		cache_retire_scan(r);
	}
}

uint32_t
cache_retire_cnt(const struct cache_retire *r)
{
	return r->cnt;
}

uint64_t
cache_retire_bytes(const struct cache_retire *r)
{
	return r->bytes;
}
