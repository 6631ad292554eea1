/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_zset - what the commands on sorted sets share */
#ifndef MB_GATE_CMD_ZSET_H
#define MB_GATE_CMD_ZSET_H

#include "gate_int.h"
#include "oset.h"

/* gate_zset_sorted: all members in the order of their scores, in c->keep, behind what stands there.
 * Returns: NULL: there is no memory for so many. *ret_cnt is how many. */
struct oset_entry *gate_zset_sorted(struct gate *g, struct gate_conn *c,
				    const struct cache_value *v, uint32_t *ret_cnt);

/* gate_zset_entries writes members, with their scores, from first on, backwards if rev. */
void gate_zset_entries(struct gate *g, struct gate_conn *c, const struct oset_entry *first,
		       uint32_t cnt, bool rev, bool scores);

#endif
