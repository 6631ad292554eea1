/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_forget - the marks of a large live collection are forgotten some at a time
 *
 * A small value is settled as a whole (kvs_drop.h). A large one under steady writes is never equal
 * at all owners for as long as it takes to look through it. But what is true of a key is true of
 * each of its items: a mark may be forgotten when all have it, and nobody owes anybody anything of
 * that item. So marks go in rounds: those of some leaves that lie side by side, asked about and
 * forgotten by themselves, where they are. What is written to other items does not matter.
 *
 *   begin ──► find ──► ASK about these ──► all agree ──► taken out at all ──► find ..., to the end
 *                                          one refuses: they stay, a later pass asks again
 *
 * A round costs what changing its leaves costs, and what it forgot stays forgotten, however the
 * pass ends. One pass is under way at a time; one that was cut short is gone on with where it was.
 *
 * Owner: the kvs tile; part of kvs_drop.h.
 */
#ifndef MB_KVS_FORGET_H
#define MB_KVS_FORGET_H

#include <stdbool.h>
#include <stdint.h>

#include "kvs_change.h"
#include "kvs_shard.h"
#include "slice.h"

#define KVS_FORGET_SHARE 8                /* of the items must be marks: one in so many */
#define KVS_FORGET_BYTES (KVS_STEP_BYTES) /* of leaves that a round changes, and one leaf more */
#define KVS_FORGET_VISIT 4096             /* items looked at in a step */

struct kvs_forget {
	struct kvs_key *key; /* NULL: nothing is under way */
	uint32_t at;         /* the item where it goes on */
	uint32_t end, cnt;   /* of the round: where it ends, and how many marks it is about */
	bool asking;         /* the round is under way */
	bool forgot;         /* something, in this pass */
	bool over_all; /* it began at the first item, and nothing was refused or removed since */
	struct kvs_key *rest; /* of which the last pass was cut short, at rest_at */
	uint32_t rest_at;
};

/* kvs_forget_large tells whether a value is too large to be settled as a whole: a tree longer than
 * that; and kvs_forget_worth whether it is worth to do it to one of these. */
bool kvs_forget_large(const struct kvs_value *v, size_t bytes);
bool kvs_forget_worth(const struct kvs_value *v);

/* kvs_forget_small makes what is left of a key's value without what no reader is shown
 * (settle.h), of which all is forgotten that may be; writers_max as there. It is the caller's, who
 * gives it to the key by kvs_shard_take or up by kvs_shard_value_free.
 *
 * Returns:   0; *ret is NULL when there is nothing to forget, or when it is longer than
 *            KVS_STEP_BYTES; MB_ERR_NO_MEMORY.
 * Cost:      a look at each item, once for a value.
 */
int kvs_forget_small(struct kvs_shard *s, const struct kvs_key *k, uint32_t writers_max,
		     struct kvs_value **ret);

/* kvs_forget_begin begins a pass over a key. Requires: none is under way. */
void kvs_forget_begin(struct kvs_forget *f, struct kvs_key *key);

/* kvs_forget_find goes on to the next marks of the pass' key.
 *
 * Returns:   0: there is a round to begin; MB_ERR_TRYAGAIN: there is more to look at;
 *            MB_ERR_NOT_FOUND: the pass is at its end.
 */
int kvs_forget_find(struct kvs_forget *f, struct kvs_shard *s);

/* kvs_forget_heard ends a round: were its marks forgotten? */
void kvs_forget_heard(struct kvs_forget *f, bool forgotten);

/* kvs_forget_end ends the pass. cut: before its end. */
void kvs_forget_end(struct kvs_forget *f, bool cut);

/* kvs_forget_make makes what a key's value is without the marks of a round: those of `of`, the
 * value of the tile that asks, from its item number from on. cs: what this tile owes.
 *
 * Returns:   0: *ret is the caller's, for kvs_shard_take while the key has the same value still;
 *            MB_ERR_NOT_FOUND: one of them is not here as it is there, or nothing else is;
 *            MB_ERR_TRYAGAIN: something of one is owed; MB_ERR_NO_MEMORY.
 */
int kvs_forget_make(struct kvs_shard *s, const struct kvs_changes *cs, struct kvs_key *k,
		    struct slice of, uint32_t from, struct kvs_value **ret);

#endif
