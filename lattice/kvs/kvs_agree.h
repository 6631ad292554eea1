/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_agree - what a tile does about a key when the key's primary asks (kvs_drop.h)
 *
 * Owner: the kvs tile; part of kvs_drop.h.
 */
#ifndef MB_KVS_AGREE_H
#define MB_KVS_AGREE_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "kvs_drop.h"

/* kvs_agree_asked does a DROP of another tile, the key's primary. Returns: whether ret is an answer
 * to send; else there is none, or it comes later. */
bool kvs_agree_asked(struct kvs_drops *ds, uint32_t tile, const struct desc *d, struct desc *ret);

/* kvs_agree_turn goes on with a comparison, and says what comes of it. Returns: whether there was
 * one. */
bool kvs_agree_turn(struct kvs_drops *ds);

#endif
