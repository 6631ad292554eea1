/* SPDX-License-Identifier: Apache-2.0 */
/* grove_world.h - a heap with a grove in it, and trees of one key at several ages
 *
 * What is freed is scribbled over at once. The n-th request for memory can be made to fail.
 */
#ifndef MB_GROVE_WORLD_H
#define MB_GROVE_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "heap.h"
#include "lattice.h"
#include "microburst/error.h"
#include "treeval.h"

struct grove_world {
	uint8_t *mem;
	size_t bytes;
	struct heap *heap;
	struct grove g;
	uint64_t alloc_cnt, free_cnt;
	uint64_t fail_in; /* 1: the next one; 0: none */
};

/* A version of a value. */
struct grown {
	void *block;
	size_t bytes;
	struct tree_view view;
};

static inline int
grove_world_alloc(void *ctx, size_t bytes, void **ret)
{
	struct grove_world *w = ctx;

	if (w->fail_in != 0 && --w->fail_in == 0) {
		return MB_ERR_NO_MEMORY;
	}
	*ret = heap_alloc(w->heap, bytes);
	w->alloc_cnt += *ret != NULL;
	return *ret != NULL ? 0 : MB_ERR_NO_MEMORY;
}

static inline void
grove_world_free(void *ctx, void *p, size_t bytes)
{
	struct grove_world *w = ctx;

	INSIST(p != NULL);
	w->free_cnt++;
	memset(p, 0xdb, bytes);
	heap_free(w->heap, p, bytes);
}

static inline void
grove_world_init(struct grove_world *w, size_t bytes)
{
	const struct grove_ops ops = { grove_world_alloc, grove_world_free, w };

	*w = (struct grove_world){ .mem = aligned_alloc(4096, bytes), .bytes = bytes };
	INSIST(w->mem != NULL);
	memset(w->mem, 0, bytes); /* as memory from the system is; damaged trees are read */
	w->heap = heap_init(w->mem, bytes);
	grove_init(&w->g, w->mem, 64, bytes, &ops);
}

static inline void
grove_world_fini(struct grove_world *w)
{
	while (grove_sweep(&w->g, 3)) {
	}
	INSIST(heap_used_bytes(w->heap) == 0);
	INSIST(w->alloc_cnt == w->free_cnt);
	heap_check(w->heap);
	free(w->mem);
}

/* Commits an edit to a block of its own. */
static inline int
grown_commit(struct grove_world *w, struct treeval_edit *edit, struct grown *ret)
{
	struct slice envelope;
	int err = grove_world_alloc(w, edit->bytes, &ret->block);

	if (err != 0) {
		treeval_abort(&w->g, edit);
		return err;
	}
	ret->bytes = edit->bytes;
	envelope = treeval_commit(&w->g, edit, ret->block);
	INSIST(tree_view_init(&ret->view, w->g.base, w->g.lo, w->g.hi, envelope) == 0);
	return 0;
}

/* Makes a tree of a flat envelope. Returns: 0, or an error. */
static inline int
grown_make(struct grove_world *w, struct slice envelope, struct grown *ret)
{
	struct treeval_edit edit;
	int err = treeval_make(&w->g, envelope, &edit);

	return err != 0 ? err : grown_commit(w, &edit, ret);
}

/* Merges a flat envelope into the newest version. Returns: enum lattice_side, MIXED with *ret; an
 * error. */
static inline int
grown_merge(struct grove_world *w, const struct grown *old, struct slice delta, struct grown *ret)
{
	struct treeval_edit edit;
	int side = treeval_merge(&w->g, &old->view, delta, &edit);

	if (side == LATTICE_MIXED) {
		int err = grown_commit(w, &edit, ret);

		side = err != 0 ? err : side;
	}
	return side;
}

static inline void
grown_release(struct grove_world *w, struct grown *v)
{
	grove_release(&w->g, treeval_root(v->block));
	grove_world_free(w, v->block, v->bytes);
}

#endif
