/* SPDX-License-Identifier: Apache-2.0 */
/* topo_why - the sentence that goes with an error code at start-up
 *
 * Start-up fails for reasons an operator can mend, so a code alone is not an answer. Functions that
 * read the machine or the plan take a `struct topo_why *` (NULL: the caller does not care) and
 * write one sentence into it - what, why, what to do - whenever they return an error, and only
 * then.
 */
#ifndef MB_RT_TOPO_WHY_H
#define MB_RT_TOPO_WHY_H

#define TOPO_WHY_BYTES_MAX 320u

struct topo_why {
	char text[TOPO_WHY_BYTES_MAX]; /* ends with 0; no newline; no full stop */
};

/* topo_why_set writes the sentence and returns `err`, so that a check reads
 * `return topo_why_set(why, MB_ERR_CONFIG, "...")`.
 *
 * Requires:  err < 0.
 * Threads:   any.
 */
int topo_why_set(struct topo_why *why, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
