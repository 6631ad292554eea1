/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.h - what the store holds under a key
 *
 * A typed value together with its epoch. Greater epoch wins whole; in equal epochs states of one
 * type merge, and of states of different types the one of the greater type id stands. A SET or a
 * change of type starts an epoch; operations that merge stay in it. A key that was never written is
 * epoch 0, type ABSENT: so first increments at two replicas merge. Beside the state, and merged
 * with it in equal epochs, whatever the types (so that an expiry can be changed by a delta that has
 * no state):
 *
 *	expiry		when the key ends to exist, as a last-writer-wins register
 *	context		the vclock of causal writes seen
 *	dependencies	key -> vclock that must be visible first, as a map of vclocks
 *
 * The last three are sections: a key that has none pays one bit for each.
 *
 *	state | ( section | its length u32 )* | epoch: writer u64, time u64 | type u8 | tail u8
 *
 * tail holds the format version and a bit for each section; sections stand in the order of their
 * bits. State first (E3), so a string in an envelope begins where the envelope begins; everything
 * else is found from the end. 18 bytes over the state.
 *
 * The envelope of a key that was never written is the empty slice, and no other bytes (E2).
 *
 * A bottom state has no type: it is ABSENT, in whatever epoch (a tombstone, if the epoch is not 0).
 *
 * An envelope is itself a lattice: envelopes are merged by lattice_merge(LATTICE_ENVELOPE, a, b,
 * out), and a map's fields can be envelopes. Directly inside an envelope one is refused: it would
 * mean nothing.
 */
#ifndef MB_ENVELOPE_H
#define MB_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "lattice.h"
#include "slice.h"

#define ENVELOPE_OVERHEAD        18
/* With an expiry: its deadline and stamp, and the length. */
#define ENVELOPE_EXPIRY_OVERHEAD (24 + 4)

/* A register of its own: the greater (stamp, deadline) wins. Deadline 0: no expiry (any more). */
struct expiry {
	struct stamp stamp;
	struct hlc_time deadline;
};

/* envelope_expiry_later is what two of them merge to. */
struct expiry envelope_expiry_later(const struct expiry *a, const struct expiry *b);

/* An envelope taken apart. The slices point into its bytes. All zero: never written. */
struct envelope {
	struct stamp epoch;
	unsigned int type; /* enum lattice_type */
	struct slice state;
	struct expiry expiry;
	struct slice context;
	struct slice dependencies;
};

/* envelope_open takes an envelope apart without looking into its parts: for bytes that were checked
 * where they arrived. Slices stay inside v, whatever its bytes are. The envelope may be that of a
 * tree (tree_slice), and so is the state then.
 *
 * Returns:   0; MB_ERR_CORRUPT; MB_ERR_VERSION for a format of the future.
 * Cost:      O(1), a few ns
 */
int envelope_open(struct slice v, struct envelope *ret_envelope);

/* envelope_plain does the same for a flat envelope without sections, in a few instructions.
 *
 * Returns:   whether it is one; else nothing is written.
 */
bool envelope_plain(struct slice v, unsigned int *ret_type, struct slice *ret_state);

/* envelope_parse takes foreign bytes apart and checks them, all the way down.
 *
 * Returns:   as lattice_check.
 */
int envelope_parse(struct slice v, struct envelope *ret_envelope);

/* envelope_bytes is the length of its encoding; envelope_write appends it to out.
 *
 * Requires:  type is known, and state, context and dependencies are checked values (or just made).
 * Ensures:   an empty state is written as ABSENT, whatever the type says.
 * Returns:   0; MB_ERR_TOO_LARGE when it does not fit, out->len unchanged.
 */
size_t envelope_bytes(const struct envelope *envelope);
int envelope_write(const struct envelope *envelope, struct wbuf *out);

/* envelope_write_tail appends what stands behind a state that was written to out already; the
 * envelope's own state is not looked at.
 *
 * Requires:  that state is a value of the type, and not empty.
 * Returns:   0; MB_ERR_TOO_LARGE, out->len unchanged.
 */
int envelope_write_tail(const struct envelope *envelope, struct wbuf *out);

/* envelope_expires tells cheaply whether an envelope may have a deadline: only then is the time
 * worth asking for. */
bool envelope_expires(struct slice v);

/* envelope_expired tells whether the deadline has passed: then the key reads absent. */
bool envelope_expired(const struct envelope *envelope, struct hlc_time now);

/* envelope_epoch_fresh is the epoch of a write that starts one: a SET, a delete of a whole key, a
 * change of type.
 *
 * Ensures:   it is greater than the epoch of what is there (but stands still at the end of the
 *            clock's range, in 2112).
 */
struct stamp envelope_epoch_fresh(const struct envelope *stored, struct hlc_time now,
				  struct writer_id writer);

/* envelope_epoch_stay is the epoch of an operation that merges: that of what is there. If what is
 * there has expired, it is the deadline, by nobody: the same at every replica, so that first
 * operations after an expiry merge like first operations ever. The state to start from is then
 * bottom.
 */
struct stamp envelope_epoch_stay(const struct envelope *stored, struct hlc_time now);

#endif
