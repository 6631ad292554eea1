/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_zset - what the commands on sorted sets share */
#ifndef MB_GATE_CMD_ZSET_H
#define MB_GATE_CMD_ZSET_H

#include "gate_int.h"
#include "oset.h"

typedef bool gate_zset_want(const void *arg, const struct oset_entry *e);
/* gate_zset_take: those members that are wanted (want NULL: all), in no order (oset_sort_part), in
 * c->keep, behind what stands there. *ret_cnt is how many.
 * Returns: NULL: there is no memory for all members. */
struct oset_entry *gate_zset_take(struct gate *g, struct gate_conn *c, const struct cache_value *v,
				  gate_zset_want *want, const void *arg, uint32_t *ret_cnt);

/* gate_zset_entries writes members, with their scores, from first on, backwards if rev. */
void gate_zset_entries(struct gate *g, struct gate_conn *c, const struct oset_entry *first,
		       uint32_t cnt, bool rev, bool scores);

#endif
