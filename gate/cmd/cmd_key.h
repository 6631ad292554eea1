/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_key - what the commands on all keys share */
#ifndef MB_GATE_CMD_KEY_H
#define MB_GATE_CMD_KEY_H

#include "gate_int.h"

/* gate_type_text is the name of a type, as TYPE says it. */
const char *gate_type_text(unsigned int type);

/* gate_walk_page asks for the next page of keys, behind the one in c->keep, or takes the one that
 * came. Returns: 1 with *ret_list; MB_ERR_TRYAGAIN: wait; an error. */
int gate_walk_page(struct gate *g, struct gate_conn *c, struct slice prefix, uint16_t limit,
		   struct slice *ret_list);
int gate_walk_refuse(struct gate *g, struct gate_conn *c, int err);

#endif
