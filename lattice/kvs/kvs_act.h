/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_act - operations that are done where their values are
 *
 * An asker that has no copy of a key need not fetch its value to know what an operation means for
 * it: it sends the operation, and the store asks back, with the value at hand, for the delta to
 * merge. What an operation is, only the asker knows: the store has two functions of it, and calls
 * them for one act after the other.
 *
 * A list of acts belongs to the kvs tile from ACT to ACTED, and with it whatever its functions look
 * at. They run in that tile's thread.
 *
 * Owner: the asker, and the kvs tile in between. Errors: negative mb_err.
 */
#ifndef MB_KVS_ACT_H
#define MB_KVS_ACT_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

#define KVS_ACT_MAX    64
#define KVS_ACT_WHOLE  1
#define KVS_ACT_LOOKED 2
#define KVS_ACT_LATER  3

struct desc;
struct kvs_shard;
struct kvs_value;

struct kvs_act {
	struct slice key;
	uint8_t ack; /* enum kvs_ack */
	bool grows;  /* it only adds: of it nothing ends to exist, now or later (kvs_drop_look) */
	bool keeps;  /* of a look: the asker has a copy from now on, as after a GET */
	/* What make may append, if that is long: it is made where it stays, and is the value whole.
	 * 0: it is short. */
	uint32_t long_bytes;
	/* Of a long delta, if it is longer than a step copies (KVS_STEP_BYTES): what stands in it
	 * as it is, at value_at. It is brought there in pieces (kvs_job.h) before make is asked,
	 * which finds it in out. Others of the same list, and of later ones, overtake it: until
	 * ACTED the asker asks nothing else of that key. One of a list at most. Empty: none. */
	struct slice value;
	uint32_t value_at;
	/* value lies in private anonymous memory of this process which has no other use: its pages
	 * may change places with the store's (kvs_shard.bring). From ACT on its bytes may be
	 * anything, whatever comes of it. That needs value to lie in its page as the store will
	 * have it in its own: KVS_VALUE_LEAN + value_at. */
	bool gives;
	int32_t err; /* out: as of a MERGED, or what make said */
};

struct kvs_acts {
	uint32_t cnt;
	uint32_t open; /* the kvs tile's: not done, or not acknowledged */
	/* make appends the delta that act i means for what is stored: an envelope, perhaps of a
	 * tree; empty: never written. Nothing appended: there is nothing to do. KVS_ACT_WHOLE: the
	 * delta contains all that is stored, so it is the value from now on. KVS_ACT_LOOKED: the
	 * value is all that was wanted. An error becomes the act's, and nothing is changed. */
	int (*make)(struct kvs_acts *acts, uint32_t i, struct slice stored, struct wbuf *out);
	/* made looks at what became of it. changed: it brought anything new. Not called after an
	 * error, or a look. */
	void (*made)(struct kvs_acts *acts, uint32_t i, struct slice stored, bool changed);
	struct kvs_act act[KVS_ACT_MAX];
};

/* kvs_act_do does one act.
 *
 * Returns:   0, and s->last tells what happened, delta what was merged: in mem, of which make had
 *            cap bytes, or what the key has now. Else what make said, or kvs_shard_merge.
 *            KVS_ACT_LATER: nothing is done; its value is to be brought first.
 */
int kvs_act_do(struct kvs_shard *s, struct kvs_acts *acts, uint32_t i, uint8_t *mem, size_t cap,
	       struct slice *ret_delta);

/* kvs_act_long does an act whose delta is made in v, in which act's value has its place already.
 *
 * Returns:   as kvs_act_do.
 * Owns:      v is the shard's, whatever it says.
 */
int kvs_act_long(struct kvs_shard *s, struct kvs_acts *acts, uint32_t i, struct kvs_value *v,
		 struct slice *ret_delta);

/* Each act goes through the core with a copy of the request, whose word[1] is its place. kvs_act_of
 * finds it; NULL: the request is something else. kvs_act_over ends it. Returns: whether it was the
 * last one of its list that was open. */
struct kvs_act *kvs_act_of(const struct desc *d);
bool kvs_act_over(const struct desc *d, int err);

/* kvs_act_prefetch asks the memory for what the acts will touch (kvs_prefetch_burst). */
void kvs_act_prefetch(const struct kvs_shard *s, const struct kvs_acts *acts);

#endif
