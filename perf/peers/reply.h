/* SPDX-License-Identifier: Apache-2.0 */
/* reply - counts whole replies of RESP2 and RESP3 in a stream of bytes
 *
 * What a driver of load needs of a reply: where it ends, and whether it is an error. Bytes come in
 * pieces of any length; nothing is kept of them but the line at hand. A reply within a reply is not
 * counted for itself.
 *
 * Owner: whoever has the struct. All zero is the start of a reply.
 */
#ifndef MB_REPLY_H
#define MB_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_LINE_MAX  24                  /* of a line whose number counts */
#define REPLY_DEPTH_MAX 8                   /* arrays within arrays */
#define REPLY_BULK_MAX  (UINT64_C(1) << 30) /* bytes, or items */

struct reply {
	uint64_t skip;                  /* bytes of a bulk, and its end, that are still to come */
	uint64_t left[REPLY_DEPTH_MAX]; /* items still to come of each open array */
	uint32_t depth;
	uint8_t line_len;
	char line[REPLY_LINE_MAX]; /* its beginning; what is longer is text */
};

/* reply_take takes bytes up to the end of the next reply.
 *
 * Ensures:   *ret_used says how many; fewer than len only when a reply ended
 * Returns:   1: a reply ended; 2: and it is an error; 0: there is more to come;
 *            MB_ERR_CORRUPT: this is no RESP
 */
int reply_take(struct reply *r, const uint8_t *p, size_t len, size_t *ret_used);

#endif
