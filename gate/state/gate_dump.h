/* SPDX-License-Identifier: Apache-2.0 */
/* gate_dump - a value as bytes that are carried elsewhere: DUMP, RESTORE
 *
 *	kind u8 | entry * | version u16 | hash u64
 *
 *	entry   score f64, of a sorted set only | len u32 | bytes
 *
 * Little endian. A string is one entry, and so is a HyperLogLog (hll.h); a hash has two for each
 * field, itself and its value. Sets, hashes and sorted sets are in the order of the bytes of their
 * members, each once: equal values are equal bytes. The hash (XXH3) is that of all before it: it
 * tells damage, not malice, so the rest is checked whatever it says. No other program reads it, and
 * Redis's RDB is not read here.
 *
 * Pure. Threads: any.
 */
#ifndef MB_GATE_DUMP_H
#define MB_GATE_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

#define DUMP_VERSION 1
#define DUMP_HEAD    1
#define DUMP_TAIL    (sizeof(uint16_t) + sizeof(uint64_t))

enum dump_kind {
	DUMP_STRING = 1,
	DUMP_LIST,
	DUMP_SET,
	DUMP_HASH,
	DUMP_ZSET,
	DUMP_HLL,
	DUMP_KIND_CNT, /* 1 + how many */
};

/* One is written in the order of its parts; out->full when it does not fit. */
void dump_begin(struct wbuf *out, enum dump_kind kind);
void dump_entry(struct wbuf *out, enum dump_kind kind, double score, struct slice bytes);
void dump_end(struct wbuf *out);

/* dump_open looks at all of a dump.
 *
 * Returns:   0; MB_ERR_VERSION: of another version, or damaged; MB_ERR_CORRUPT: nobody wrote that,
 *            or it is beyond the limits of keys and values.
 */
int dump_open(struct slice text, enum dump_kind *ret_kind, struct rbuf *ret_entries);

/* dump_next walks the entries of one that was opened. Returns: false behind the last one. */
bool dump_next(struct rbuf *entries, enum dump_kind kind, double *ret_score, struct slice *ret);

#endif
