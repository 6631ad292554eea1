/* SPDX-License-Identifier: Apache-2.0 */
/* flow_world - the shipped ends of flow over the simulated network: clients and a server
 *
 * Clients ask for answers of every size, a number of requests at once. The server answers at once
 * or late, from memory that it has, lends or writes as a draft, and may be started again. What a
 * request must have come to is checked as it comes (its bytes) and at the end (how often it ran).
 * Parts of the protocol can be broken (enum world_plant), for tests of these checks.
 *
 * A run is the same for the same world_cfg. Owner: the test, one thread.
 */
#ifndef MB_SIM_FLOW_WORLD_H
#define MB_SIM_FLOW_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "flow_ask.h"
#include "flow_serve.h"
#include "network.h"
#include "rng.h"
#include "timebase.h"

#define WORLD_CLIENTS  3u
#define WORLD_REQUESTS 120u /* of each client */
#define WORLD_AT_ONCE  24u  /* of them */
#define WORLD_START_NS NS_PER_S
#define WORLD_ROOM     (16u << 20) /* of the server, for messages */

enum world_plant {
	PLANT_NONE = 0,
	PLANT_NO_DEDUP,
	PLANT_NO_AGAIN,
	PLANT_DONE_EARLY,
	PLANT_DRAFT_ALL
};

struct world_cfg {
	uint64_t seed;
	const struct network_cfg *network;
	bool cuts;    /* clients are cut off at times */
	bool restart; /* the server is killed, once, and begins anew */
	bool moves;   /* clients come from another address, once, and do not know it */
	enum world_plant plant;
	size_t room;            /* of the server; 0: WORLD_ROOM */
	uint32_t first_request; /* of each client; those before are left out */
	uint32_t widest;        /* what is longer is lost, after a while; 0: nothing */
	uint32_t tricklers;     /* so many clients send long requests a segment now and then */
};

/* What a request says. */
struct world_what {
	uint32_t client, number;
	uint32_t reply_bytes;
	uint32_t delay_us;
	uint32_t reads; /* it changes nothing */
};

struct world_request {
	struct world_what what;
	uint8_t *bytes, *rest;
	uint32_t len;
	uint32_t ran, ended;
	int err;
};

/* A request that is answered later. */
struct world_late {
	struct flow_ref ref;
	struct world_what what;
	uint64_t at_ns;
	bool used;
};

struct world;

/* Who an end's callbacks are for. */
struct world_end {
	struct world *w;
	uint32_t node;
};

struct world {
	struct world_cfg cfg;
	struct events events;
	struct network network;
	struct rng rng;
	struct world_end end[WORLD_CLIENTS + 1]; /* the last one is the server */
	struct flow_ask *ask[WORLD_CLIENTS];
	struct flow_serve *serve;
	struct world_request request[WORLD_CLIENTS][WORLD_REQUESTS];
	uint32_t begun[WORLD_CLIENTS], open[WORLD_CLIENTS], ended[WORLD_CLIENTS];
	struct world_late late[WORLD_CLIENTS * FLOW_CREDITS];
	size_t room; /* that the server has left */
	uint8_t draft[WIRE_BODY_MAX];
	uint64_t trickled_ns[WORLD_CLIENTS]; /* when each sent its last segment */
	uint32_t lent;                       /* pieces of memory that are */
	/* How often: an answer was a draft, lent, longer than a datagram; a request failed, was
	 * sent again; a datagram was too wide. */
	uint64_t drafts, lends, large, failed, again, wide;
};

/* world_run runs until all requests have ended, with faults as long. Returns how many of them did
 * not end once, or ran more often than they may. What is in w before is overwritten. */
uint32_t world_run(struct world *w, const struct world_cfg *cfg);

/* world_finish ends the world of a world_run; check: there is nothing left that anybody holds, once
 * it is quiet and the clients have gone. */
void world_finish(struct world *w, bool check);

#endif
