/* SPDX-License-Identifier: Apache-2.0 */
/* merge_law - is a user's merge a merge?
 *
 * Tried on the user's samples and on values merged from them: all pairs, all triples.
 *
 *	m(a, a) = a		idempotent
 *	m(a, b) = m(b, a)	commutative
 *	m(m(a, b), c) = m(a, m(b, c))	associative
 *	m(a, b) twice is the same	deterministic
 *
 * What holds on these may fail on others: it is a test, not a proof.
 *
 * Threads: start-up only (an executor that loads). Owns its memory while it runs.
 */
#ifndef MB_MERGE_LAW_H
#define MB_MERGE_LAW_H

#include <stddef.h>
#include <stdint.h>

#include <microburst/function.h>

#define MERGE_LAW_SAMPLES    32 /* more are refused */
/* Samples and what is merged from them: 20 of a dozen samples or fewer, 8 more than the samples of
 * more. 64,000 triples at most. */
#define MERGE_LAW_VALUES_MIN 20
#define MERGE_LAW_MERGED_MIN 8
#define MERGE_LAW_VALUES     (MERGE_LAW_SAMPLES + MERGE_LAW_MERGED_MIN)
#define MERGE_LAW_BYTES      (64u << 20) /* of all that is made at a time */

/* Where a merge puts what it makes. */
struct mb_merged {
	int (*take)(void *ctx, size_t len, uint8_t **ret);
	void *ctx;
	size_t len; /* what was taken */
	bool done;
};

/* merge_law_check tries the laws.
 *
 * Returns:   0; MB_ERR_LOAD and in why, of at most why_bytes, which law is broken by which values,
 *            or why it could not be tried: fewer than two samples that differ, more than
 *            MERGE_LAW_SAMPLES, a value was refused, too much memory; MB_ERR_NO_MEMORY.
 */
int merge_law_check(const struct mb_merge *merge, char *why, size_t why_bytes);

#endif
