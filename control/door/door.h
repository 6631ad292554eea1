/* SPDX-License-Identifier: Apache-2.0 */
/* door - where remote clients come in: requests of the wire, done as a client of this node
 *
 * The net tile's service. It opens a client of its own node, in the tile's thread, and does with it
 * what the requests say: calls go straight to executors and their answers come back whenever they
 * come; reads are served in place from the cache.
 */
#ifndef MB_DOOR_H
#define MB_DOOR_H

#include "net_tile.h"
#include "pages.h"
#include "ways.h"
#include "wire.h"

/* What a door has at most of its own for long requests on their way, of all clients together
 * (door_large.c), a second or two after the last: two of any length. Beside net.memory. */
#define DOOR_LARGE_CNT   2
#define DOOR_LARGE_BYTES (DOOR_LARGE_CNT * ((size_t)WIRE_MESSAGE_MAX + 2 * (size_t)PAGES_BYTES))

struct door;

struct door_cfg {
	const char *socket; /* of the node; outlives the door */
	uint64_t node_id;
	bool admin;              /* remote clients may administer the node */
	const struct ways *ways; /* what clients are told; there when the tile starts */
};

/* door_create makes a door; service is what net_tile_cfg wants. Returns: 0; MB_ERR_NO_MEMORY. */
int door_create(struct door **ret, const struct door_cfg *cfg, struct net_service *ret_service);
void door_destroy(struct door *d);

#endif
