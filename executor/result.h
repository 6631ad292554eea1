/* SPDX-License-Identifier: Apache-2.0 */
/* result - the values that a function returns, on their way to whoever reads them
 *
 * A value list says first how many values it has, but a function says that last. So values are
 * written one behind the other, leaving room in front, and the table is put before them in the end:
 *
 *   | room for the largest table  | value 0 | value 1 | ...
 *                      | table ---|  the list begins here
 *
 * Up to RESULT_SMALL_BYTES of values gather in private memory and leave inside the descriptor or by
 * one short copy. Past that they move into a payload of the executor's, once, and what is written
 * from then on (mb_return_reserve) is read by the caller where it was written.
 *
 * Owner: the executor. Errors: negative mb_err.
 */
#ifndef MB_EXEC_RESULT_H
#define MB_EXEC_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "desc.h"
#include "payload.h"
#include "value.h"

#define RESULT_HEAD_BYTES  VALUE_TABLE_MAX
#define RESULT_SMALL_BYTES 1016 /* with the head 3 KiB */

struct result_row {
	uint32_t type;
	uint32_t len;
};

struct result {
	struct payload_pool *pool;
	uint16_t proc; /* who holds the payload until it is sent: this process */
	bool reserved; /* the last value may be trimmed */
	uint32_t cnt;
	uint8_t *p;      /* small, or the payload's bytes; values start at RESULT_HEAD_BYTES */
	size_t cap, len; /* room for values; end of the last one */
	struct payload_ref ref; /* handle 0: no payload */
	struct result_row row[MB_VALUES_MAX];
	uint8_t small[RESULT_HEAD_BYTES + RESULT_SMALL_BYTES] __attribute__((__aligned__(64)));
};

/* result_init starts a result without values. */
void result_init(struct result *r, struct payload_pool *pool, uint16_t proc);

/* result_reserve appends a value and shows where its bytes go; the place moves with the next
 * reserve.
 *
 * Returns:   0 with *ret, a multiple of 8; MB_ERR_TOO_LARGE, MB_ERR_NO_MEMORY; MB_ERR_INVALID when
 *            the length does not suit the type. Nothing is appended then.
 */
int result_reserve(struct result *r, enum mb_type type, size_t len, uint8_t **ret);

/* result_try_number appends a number, if that takes no look at memory or alignment: nearly always.
 * Returns: false, with nothing appended, when result_reserve is to be asked. */
static inline bool
result_try_number(struct result *r, enum mb_type type, uint64_t x)
{
	if (unlikely((r->len & 7) != 0 || r->cnt == MB_VALUES_MAX || r->cap - r->len < sizeof(x))) {
		return false;
	}
	x = htole64(x);
	memcpy(r->p + RESULT_HEAD_BYTES + r->len, &x, sizeof(x));
	r->row[r->cnt++] = (struct result_row){ .type = type, .len = sizeof(x) };
	r->len += sizeof(x);
	r->reserved = false;
	return true;
}

/* result_trim makes the value reserved last shorter. Returns: 0; MB_ERR_INVALID. */
int result_trim(struct result *r, size_t len);

/* result_values lists the values in place, for a function that runs next in this process.
 * Ensures: ret[0, r->cnt) is written; valid until result_drop. */
void result_values(const struct result *r, struct value *ret);

/* result_list encodes the values where they are. Ensures: valid until the next value, result_send
 * or result_drop. */
struct slice result_list(struct result *r);

/* result_send puts the list into a descriptor: inline, or as a payload that holder holds.
 *
 * Ensures:   *r has no payload any more, whatever is returned.
 * Returns:   0; MB_ERR_NO_MEMORY.
 */
int result_send(struct result *r, struct desc *d, uint16_t holder);

/* result_move makes *to what *from is; *from is then without values. */
void result_move(struct result *to, struct result *from);

/* result_drop gives up what was not sent. Harmless the second time. */
void result_drop(struct result *r);

#endif
