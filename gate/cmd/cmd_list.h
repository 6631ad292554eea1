/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_list - what the commands on lists share, and ranges of ranks */
#ifndef MB_GATE_CMD_LIST_H
#define MB_GATE_CMD_LIST_H

#include "gate_int.h"
#include "list.h"

/* gate_range: what [from, to], of which negative ones count from the end, are of cnt items.
 * Returns: whether there are any. */
bool gate_range(int64_t from, int64_t to, uint32_t cnt, uint32_t *ret_from, uint32_t *ret_cnt);

#endif
