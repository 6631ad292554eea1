/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_redo - a large collection looked through in pieces: compared with another owner's, settled
 *
 * What kvs_drop does with a small value in one step takes a large one too long. Both are done leaf
 * by leaf: the items of a leaf are compared, and what stays of them (settle.h) goes into a tree
 * beside the old one. All owners make the same of it, as they have the same items; where their
 * leaves begin does not matter.
 *
 * Settling such a value copies it, so it is worth it only when much of it is marks: then it costs
 * some copies of an item for each item that was removed, however large the collection is.
 *
 * Owner: the kvs tile; part of kvs_drop.h.
 */
#ifndef MB_KVS_REDO_H
#define MB_KVS_REDO_H

#include <stdbool.h>
#include <stdint.h>

#include "kvs_shard.h"
#include "treeval.h"

#define KVS_REDO_SHARE 8 /* of the items must be marks: one in so many */

struct kvs_redo {
	struct kvs_value *value; /* pinned; NULL: nothing is under way */
	struct slice other;      /* what it is compared with; empty: it is not */
	bool settle;
	bool open;               /* edit is begun */
	uint32_t compared, done; /* items */
	bool forgot;             /* some are not in the edit */
	struct treeval_edit edit;
	struct grove_ready ready; /* a leaf of one long item, on its way there */
};

/* kvs_redo_wanted tells whether a value is to be looked through in pieces, and kvs_redo_worth
 * whether one of these is worth to be settled. */
bool kvs_redo_wanted(const struct kvs_value *v);
bool kvs_redo_worth(const struct kvs_value *v);

/* kvs_redo_begin begins with a key's value. Requires: nothing is under way; other stays as it is
 * until the end. */
void kvs_redo_begin(struct kvs_redo *r, struct kvs_shard *s, struct kvs_key *k, struct slice other,
		    bool settle);

/* kvs_redo_step goes on, by KVS_PIECE_BYTES.
 *
 * Returns:   0: it is over, *ret is the settled value, or NULL: nothing is to be forgotten, or it
 *            was not asked for. MB_ERR_TRYAGAIN: there is more to do. MB_ERR_NOT_FOUND: the other
 *            one is not the same; MB_ERR_NO_MEMORY, MB_ERR_CORRUPT: it is over.
 */
int kvs_redo_step(struct kvs_redo *r, struct kvs_shard *s, struct kvs_value **ret);

/* kvs_redo_end gives up what was begun, if anything was. */
void kvs_redo_end(struct kvs_redo *r, struct kvs_shard *s);

#endif
