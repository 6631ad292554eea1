/* SPDX-License-Identifier: Apache-2.0 */
/* value - the encoding of arguments and of results: a list of typed values
 *
 *   u32 cnt | cnt x { u32 type, u32 len } | pad to 8 | bytes of value 0 | pad to 8 | value 1 | ...
 *
 * little endian; each value starts at a multiple of 8 from the start of the list, the list itself
 * at a multiple of 8 in memory, so that numbers are read in place. The list ends with the last byte
 * of its last value (a list of none is its 4 bytes). What stands in the padding means nothing. One
 * i64 is 24 bytes, and travels inside a descriptor.
 *
 * A list in shared memory may change while it is read. value_list_read therefore reads each word of
 * the table once, checks what it has read, and returns it in private memory: afterwards only the
 * values' bytes can change, never where they lie.
 *
 * Errors:    MB_ERR_CORRUPT malformed; MB_ERR_TOO_LARGE more than MB_VALUES_MAX values, or bytes
 *            than a value or a payload may have.
 * Threads:   any
 */
#ifndef MB_VALUE_H
#define MB_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "domain_limits.h"
#include "slice.h"
#include <microburst/function.h>
#include <microburst/value.h>

/* Lists in lists: a DAG call's arguments are a list of one list a vertex. */
#define VALUE_DEPTH_MAX 2

#define VALUE_TABLE_MAX  (4 + 8 * MB_VALUES_MAX + 4)
#define VALUE_ONE_SCALAR 24 /* bytes of a list of one i64 or f64 */

struct value {
	const uint8_t *p; /* NULL when len is 0 */
	uint32_t type;    /* enum mb_type */
	uint32_t len;
};

/* Equal as text too: NOLINTNEXTLINE(misc-redundant-expression) */
static_assert(MB_VALUE_BYTES_MAX == VALUE_BYTES_MAX, "one limit, two names");
static_assert(MB_KEY_BYTES_MAX == KEY_BYTES_MAX, "one limit, two names");
static_assert(VALUE_TABLE_MAX % 8 == 0, "the first value is aligned");
static_assert(VALUE_TABLE_MAX + MB_VALUE_BYTES_MAX <= PAYLOAD_BYTES_MAX,
	      "the largest value fits, however many small ones stand beside it");

/* ----------------------------------------------------------------- reading */

/* value_list_read finds the values of a list. An empty slice is a list of none, too.
 *
 * Requires:  list.p is a multiple of 8 (REQUIRE); ret has room for MB_VALUES_MAX.
 * Returns:   how many there are, the first so many of ret written; or an error.
 *            Every value lies inside list and its length suits its type. The bytes are not looked
 *            at.
 * Owns:      the values point into list.
 */
int value_list_read(struct slice list, struct value *ret);

/* value_list_check checks a list that nobody else can change, the lists in it and the text in it
 * (valid UTF-8) included. Returns: 0 or an error. Cost: reads the table and the text. */
int value_list_check(struct slice list);

/* value_list_get reads one value of a list that was checked and has not changed since.
 * Returns: the value; a NIL when there is no value idx. Cost: O(idx). */
struct value value_list_get(struct slice list, uint32_t idx);
uint32_t value_list_cnt(struct slice list);

static inline int64_t
value_i64(struct value v)
{
	uint64_t x;

	memcpy(&x, v.p, sizeof(x));
	return (int64_t)le64toh(x);
}

static inline double
value_f64(struct value v)
{
	int64_t x = value_i64(v);
	double d;

	memcpy(&d, &x, sizeof(d));
	return d;
}

/* value_utf8_ok says whether len bytes are valid UTF-8 (no surrogates, nothing overlong). */
bool value_utf8_ok(const uint8_t *p, size_t len);

/* value_type_ok says whether a value of this type may have this length. */
bool value_type_ok(uint32_t type, uint64_t len);

/* ----------------------------------------------------------------- writing */

/* Bytes of the table of a list of cnt values, and where its first value starts. */
static inline size_t
value_table_bytes(uint32_t cnt)
{
	return ALIGN_UP((size_t)4 + 8 * (size_t)cnt, 8);
}

/* Writes a list front to back into memory of the caller's. The count is said first; then each value
 * is added, or reserved and written in place. Errors are sticky and told by value_list_end. */
struct value_writer {
	uint8_t *p;
	size_t cap;
	size_t len; /* up to the end of the last value */
	uint32_t cnt, added;
	int err;
};

/* value_list_footprint says how many bytes a list of these values takes. Only type and len are
 * used. Returns: the bytes; MB_ERR_TOO_LARGE. */
int64_t value_list_footprint(const struct value *v, uint32_t cnt);

/* value_list_begin starts a list of cnt values at p, a multiple of 8. */
void value_list_begin(struct value_writer *w, void *p, size_t cap, uint32_t cnt);

/* value_list_reserve adds a value whose len bytes the caller writes.
 * Returns: where they go; NULL when it does not fit, or len is 0. */
uint8_t *value_list_reserve(struct value_writer *w, enum mb_type type, size_t len);

void value_list_add(struct value_writer *w, enum mb_type type, const void *p, size_t len);
void value_list_add_i64(struct value_writer *w, int64_t x);
void value_list_add_f64(struct value_writer *w, double x);

/* value_list_end returns the list's bytes; MB_ERR_TOO_LARGE when something did not fit;
 * MB_ERR_INVALID when a length did not suit its type, or not cnt values were added. */
int64_t value_list_end(struct value_writer *w);

#endif
