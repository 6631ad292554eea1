/* SPDX-License-Identifier: Apache-2.0 */
/* write_msg - a write as it goes to a node that is elsewhere (rpc.h: RPC_WRITE)
 *
 *	operation ( operation )*		a write set (wset.h), none by reference
 *	operation | value			one by reference, and what it refers to
 *
 * All operations are of one cache tile of the node. The bytes come from strangers: write_msg_read
 * checks all but what values hold, as the cache tile does.
 *
 * Errors: negative mb_err. Threads: any; pure.
 */
#ifndef MB_WRITE_MSG_H
#define MB_WRITE_MSG_H

#include "impl.h"

/* write_msg_bytes tells how long a write's message is but for a value that the operation refers to;
 * write_msg_put writes it to p, bytes long, 8-aligned, and write_msg_rest gives that value (or
 * nothing), which follows. Returns: 0; as wset_add. */
size_t write_msg_bytes(const struct client_write *w);
struct slice write_msg_rest(const struct client_write *w);
int write_msg_put(const struct client_write *w, uint8_t *p, size_t bytes);

/* write_msg_read reads one, for a node of tile_cnt cache tiles. What it fills in points into
 * payload. Returns: 0; MB_ERR_CORRUPT; MB_ERR_INVALID for operations of more than one tile; as
 * wset_next. */
int write_msg_read(struct slice payload, uint32_t tile_cnt, struct client_write *ret);

#endif
