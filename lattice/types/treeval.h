/* SPDX-License-Identifier: Apache-2.0 */
/* treeval.h - an envelope whose state is a tree
 *
 *	root of the tree (tree.h) | sections | epoch, type, tail	as envelope.h, in one block
 *
 * What store and cache hold of a collection that is longer than TREE_FLAT_MAX. The block is the
 * holder's; the nodes below the root lie in his grove. Deltas are flat.
 */
#ifndef MB_TREEVAL_H
#define MB_TREEVAL_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"
#include "envelope.h"
#include "grove.h"
#include "presence.h"
#include "slice.h"
#include "tree.h"

/* The longest state of a collection that is held flat: what fits one node. */
#define TREE_FLAT_MAX TREE_BODY_MAX

/* A change that was not committed yet. */
struct treeval_edit {
	struct grove_edit grove;
	struct envelope
		e; /* but for its state. Sections point into the old one, the delta, or temp */
	struct slice flat; /* TREEVAL_FLAT: what it is then, in temp */
	void *temp;        /* of the grove; NULL: none */
	size_t temp_bytes;
	size_t bytes;      /* what the new envelope will take in its block */
	size_t flat_bytes; /* how long its encoding is */
};

/* treeval_counted is how much of an edit's encoding counts where that is bounded: what readers are
 * shown, and of each mark what it has over the shortest one. So a long collection of which all was
 * removed is not full of marks before they are settled. */
#define TREEVAL_MARK_BYTES (PRESENCE_ENTRY_BYTES + TABLE_ITEM_OVERHEAD)
static inline size_t
treeval_counted(const struct treeval_edit *edit)
{
	return edit->flat_bytes -
	       MIN(edit->flat_bytes, (size_t)edit->grove.marks * TREEVAL_MARK_BYTES);
}

/* treeval_wanted tells whether a flat envelope should be held as a tree. Of a short one, as nearly
 * all are, that is known without a call. */
bool treeval_wanted_long(struct slice envelope);

static inline bool
treeval_wanted(struct slice envelope)
{
	return envelope.len > TREE_FLAT_MAX && treeval_wanted_long(envelope);
}

/* treeval_make makes a tree of a flat envelope for which it is wanted.
 *
 * Returns:   0: *edit is to be committed or aborted, and envelope stays until then; as grove_add.
 */
int treeval_make(struct grove *g, struct slice envelope, struct treeval_edit *edit);

/* treeval_merge merges a flat envelope into a tree.
 *
 * Requires:  delta was checked.
 * Returns:   as grove_merge, LATTICE_MIXED with an edit, delta stays until its end; LATTICE_RIGHT:
 *            delta wins whole; TREEVAL_FLAT: its state does, and something else of the tree's
 *            envelope stays: edit->flat, a flat envelope, takes its place, and then the edit is to
 *            be aborted.
 */
#define TREEVAL_FLAT (LATTICE_MIXED + 1)
int treeval_merge(struct grove *g, const struct tree_view *stored, struct slice delta,
		  struct treeval_edit *edit);

/* treeval_forget takes items out of a tree: see grove_forget. */
int treeval_forget(struct grove *g, const struct tree_view *stored, struct slice marks,
		   struct treeval_edit *edit);

/* A tree in pieces: treeval_begin with what stands around it, grove_add to edit->grove, and
 * treeval_seal. */
int treeval_begin(struct grove *g, const struct envelope *e, struct treeval_edit *edit);
int treeval_seal(struct grove *g, struct treeval_edit *edit, uint32_t node_cnt);

/* treeval_commit writes edit->bytes to place, which is aligned to 8. Nothing can fail any more. */
struct slice treeval_commit(struct grove *g, struct treeval_edit *edit, void *place);
void treeval_abort(struct grove *g, struct treeval_edit *edit);

/* treeval_root is the root in an envelope that treeval_commit wrote. */
static inline struct tree_node *
treeval_root(void *place)
{
	return place;
}

/* treeval_write appends the encoding of an envelope, whichever form it has.
 *
 * Returns:   0; MB_ERR_TOO_LARGE, MB_ERR_CORRUPT.
 */
int treeval_write(struct slice envelope, struct wbuf *out);

/* treeval_compare tells the same in pieces: it looks at some cnt items from *at on (0 at first),
 * which goes on. */
enum treeval_same {
	TREEVAL_SAME,
	TREEVAL_OTHER,
	TREEVAL_MORE, /* as far as *at they are the same */
};
enum treeval_same treeval_compare(struct slice a, struct slice b, uint32_t *at, uint32_t cnt);

/* treeval_equal tells whether two envelopes are the same value, each in whichever form. */
bool treeval_equal(struct slice a, struct slice b);

#endif
