/* SPDX-License-Identifier: Apache-2.0 */
/* gset.h - the set that only grows
 *
 * Members are strings of bytes, ordered by slice_cmp; merge is union. Encoded as a table (table.h)
 * whose items are the members: 4 bytes over each.
 */
#ifndef MB_GSET_H
#define MB_GSET_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"
#include "table.h"

extern const struct table_merge_ops gset_table_ops;

/* gset_delta_add makes the set of these members: the delta of adding them to any set.
 *
 * Returns:   0, appended to out; MB_ERR_INVALID unless they ascend (sorted, each once);
 *            MB_ERR_TOO_LARGE when they do not fit (their bytes, and 4 for each, do).
 */
int gset_delta_add(const struct slice *member, uint32_t member_cnt, struct wbuf *out);

/* gset_has tells whether this is a member. A damaged set has whatever it has.
 *
 * Cost:      O(log n) comparisons, in place
 */
bool gset_has(struct slice v, struct slice member);

/* gset_cnt is the number of members; 0 for a damaged set. O(1). */
uint32_t gset_cnt(struct slice v);

/* gset_at gives member idx in order, in place; so `for (i = 0; gset_at(v, i, &m); i++)` walks the
 * set.
 *
 * Returns:   false behind the last one.
 */
bool gset_at(struct slice v, uint32_t idx, struct slice *ret_member);

#endif
