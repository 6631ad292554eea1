/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_heat - doing what kvs_hot decides: tiles get a key, tiles give it up
 *
 * A tile that gets a key is told all of it, and from then on every change. One that is to give it
 * up is no longer told, and asked to leave once it has been told what was owed; it refuses while it
 * owes somebody a change, and is asked again.
 *
 * Owner: the kvs tile; part of kvs_core.h.
 */
#ifndef MB_KVS_HEAT_H
#define MB_KVS_HEAT_H

#include <stdbool.h>

#include "kvs_core.h"

/* kvs_heat_turn decides, if it is time, and goes on with those who are to leave. Returns: whether
 * there was anything to do. */
bool kvs_heat_turn(struct kvs_core *c);

/* kvs_heat_leaves: whether somebody is still to give the key up. */
bool kvs_heat_leaves(const struct kvs_core *c, const struct kvs_key *k);

/* kvs_heat_left takes the answer to a LEAVE. */
void kvs_heat_left(struct kvs_core *c, uint32_t tile, const struct desc *d);

#endif
