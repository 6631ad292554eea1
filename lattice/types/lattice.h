/* SPDX-License-Identifier: Apache-2.0 */
/* lattice.h - values that merge
 *
 * A lattice is a type whose values can be merged, and whose merge is commutative, associative and
 * idempotent: the order, the grouping and the repetition of messages never change the result. So
 * two replicas that have heard the same things are equal, whatever the network did in between.
 *
 * A value here is its encoding, a string of bytes, and nothing else: there is no decoded form to
 * keep in step with it. This is what makes reading in place possible, and comparing, and hashing:
 *
 *  E1  Canonical. Equal values have equal bytes. Every check enforces it: sorted, no duplicates,
 *      the shortest varints, nothing left over.
 *  E2  The empty slice is bottom, for every type, and the only encoding of it. It is what a key
 *      that was never written holds.
 *  E3  Payload first. What describes a value stands behind it, so the bytes of a string or a
 *      register begin where their value begins, and are as aligned as the memory the store put them
 *      in.
 *  E4  A merge is never longer than both values together (lattice_merge_bound).
 *
 * An operation (a SET, an increment, an added member) is expressed as a delta: a value of the same
 * type, usually a small one, that is merged into the state. Each family has functions that make its
 * deltas and functions that read it in place.
 *
 * Trust: bytes from outside go through lattice_check once, where they arrive. All other functions
 * here may assume checked bytes for their *result*, but never for memory: on any bytes whatever
 * they stay inside the slices and give an error or a meaningless value. A reader may look at memory
 * that a hostile process has scribbled over.
 *
 * Errors: 0 is ok, negative is enum mb_err. MB_ERR_CORRUPT: bytes that no encoder wrote.
 * MB_ERR_TYPE: an id that lattice.def does not know, or a reading this type does not have.
 * MB_ERR_TOO_LARGE: past a limit below, or a result that does not fit where it should go.
 *
 * Threads: any. Everything in this folder is pure: no clock, no allocation, no state of its own.
 */
#ifndef MB_LATTICE_H
#define MB_LATTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

/* Limits. A map in a map in a map ... : 8 is more than any data model asked for so far, and bounds
 * the stack of a merge: 560 bytes a level, 1,170 where each field is an envelope with sections. */
#define LATTICE_DEPTH_MAX 8
/* Values are up to 64 MiB (ARCHITECTURE); a state adds what describes them. Below 4 GiB, so that
 * offsets inside a value are 32 bits. */
#define LATTICE_BYTES_MAX (80U << 20)

enum lattice_type {
#define LATTICE(name, id, stem) LATTICE_##name = (id),
#include "lattice.def"
#undef LATTICE
	LATTICE_TYPE_CNT /* how many; also the first id that is not known here */
};

/* Where the result of a merge is. */
enum lattice_side {
	LATTICE_LEFT = 1, /* it equals a: b had nothing new, nothing was written */
	LATTICE_RIGHT,    /* it equals b and not a: take b, nothing was written */
	LATTICE_MIXED,    /* it is neither, and was appended to out */
};

/* lattice_type_name gives a type's name as the table spells it, "GSET"; "UNKNOWN" for other ids. */
const char *lattice_type_name(unsigned int type);

/* lattice_check tells whether foreign bytes are a value of this type: the whole of it, all the way
 * down, in canonical form.
 *
 * Returns:   0; MB_ERR_TYPE, MB_ERR_CORRUPT, MB_ERR_TOO_LARGE; MB_ERR_VERSION for an envelope of a
 *            later format.
 * Cost:      O(bytes); O(1) for ABSENT, LWW and the scalars.
 */
int lattice_check(unsigned int type, struct slice v);

/* lattice_merge merges b into a.
 *
 * Requires:  a and b are checked values of this type; out overlaps neither.
 * Ensures:   out is unchanged unless LATTICE_MIXED is returned, its `full` included; only the free
 *            bytes behind out->len may be overwritten in any case.
 * Returns:   enum lattice_side. LEFT is preferred: it is returned whenever the result equals a, so
 *            "did anything change" is `!= LATTICE_LEFT`. Or a negative error: MB_ERR_TOO_LARGE, the
 *            result is longer than LATTICE_BYTES_MAX, or does not fit out (never, with
 *            lattice_merge_bound bytes free); MB_ERR_TYPE; MB_ERR_CORRUPT when unchecked bytes got
 *            this far.
 * Cost:      No allocation; no copy of a value that one side wins whole: an LWW or a SET of any
 *            size costs two loads and a compare, about 10 ns. Counters: one walk over both, 20 ns a
 *            writer. Sets and maps: m log(n/m) comparisons to find that m items bring nothing new
 *            to n; a copy of the n, in runs, only if they do. README.md has the measurements.
 */
int lattice_merge(unsigned int type, struct slice a, struct slice b, struct wbuf *out);

/* lattice_merge_bound is the number of bytes that a merge of values of these lengths can need (E4).
 * The sum, for every type: so it is never a reason to look at the values first.
 */
static inline size_t
lattice_merge_bound(struct slice a, struct slice b)
{
	return a.len + b.len;
}

/* lattice_merge_into is lattice_merge for callers that want the result in out, whichever side it
 * is.
 *
 * Returns:   enum lattice_side as above, with the merge appended to out; or a negative error, and
 *            out unchanged.
 */
int lattice_merge_into(unsigned int type, struct slice a, struct slice b, struct wbuf *out);

/* lattice_leq tells whether a is below or equal b: whether merging a into b would change nothing.
 * Written apart from the merges, so that the tests can hold one against the other.
 *
 * Requires:  checked values. On other bytes, or an unknown type, the answer means nothing.
 */
bool lattice_leq(unsigned int type, struct slice a, struct slice b);

/* lattice_table_ops gives how the items of a collection merge: for types whose state is one table
 * (table.h) and nothing else, however large, so that it can be kept in pieces.
 *
 * Returns:   NULL for types that are no tables. The functions want LATTICE_ITEM_DEPTH as depth, for
 *            a collection that is a key's own value.
 */
struct table_merge_ops;
#define LATTICE_ITEM_DEPTH (LATTICE_DEPTH_MAX - 1)
const struct table_merge_ops *lattice_table_ops(unsigned int type);

/* ------------------------------------------------------------------------------ the families' side
 *
 * What a row of lattice.def must bring. Rules for an implementation:
 *  - check, merge and leq are never handed an empty slice: lattice.c answers for bottom (E2).
 *  - merge keeps the contract of lattice_merge, LEFT before RIGHT included; but it may write to out
 *    whatever it ends with, and need not look whether that did fit: lattice.c does.
 *  - depth is how many further maps in maps are allowed. Only types that nest look at it; a map
 *    passes on depth - 1, and refuses to go below zero with MB_ERR_TOO_LARGE.
 */
typedef int lattice_check_fn(struct slice v, unsigned int depth);
typedef int lattice_merge_fn(struct slice a, struct slice b, struct wbuf *out, unsigned int depth);
typedef bool lattice_leq_fn(struct slice a, struct slice b, unsigned int depth);

#define LATTICE(name, id, stem)                                                                    \
	lattice_check_fn stem##_check;                                                             \
	lattice_merge_fn stem##_merge;                                                             \
	lattice_leq_fn stem##_leq;
#include "lattice.def"
#undef LATTICE

/* For types made of others: the three functions above, with the depth that is left. */
int lattice_check_depth(unsigned int type, struct slice v, unsigned int depth);
int lattice_merge_depth(unsigned int type, struct slice a, struct slice b, struct wbuf *out,
			unsigned int depth);
bool lattice_leq_depth(unsigned int type, struct slice a, struct slice b, unsigned int depth);

/* A value of several parts equals a side if each of its parts does. Begin with both true. */
struct lattice_verdict {
	bool left;
	bool right;
};

/* lattice_merge_part merges one part, appends the result to out whichever side it is, and lowers
 * the verdict on the whole. Returns 0 or an error. */
int lattice_merge_part(unsigned int type, struct slice a, struct slice b, struct wbuf *out,
		       unsigned int depth, struct lattice_verdict *verdict);

/* lattice_verdict_side is what the merge of the whole then returns. */
int lattice_verdict_side(struct lattice_verdict verdict);

#endif
