/* SPDX-License-Identifier: Apache-2.0 */
/* door_int - what the parts of a door share
 *
 *	door.c        the service: calls
 *	door_state.c  the store
 *	door_large.c  long values that lie in pages of their own, or in the cache
 *	door_admin.c  administration
 */
#ifndef MB_DOOR_INT_H
#define MB_DOOR_INT_H

#include <sys/queue.h>

#include "door.h"
#include "impl.h"
#include "rpc.h"

#define DOOR_ADMIN_CNT 16 /* questions of administration that are open; above, BUSY */
/* Values that are sent from where the cache has them, from this length on; others are copied. Few,
 * as those that come (door.h): who takes one and never says so holds it. */
#define DOOR_LENT_CNT  2
#define DOOR_LEND_MIN  (256U << 10)
#define DOOR_OP_CNT    1024 /* requests about the store that wait; above, a client is told BUSY */

struct pending {
	struct flow_ref ref;
	uint64_t call;   /* here; 0: none */
	uint64_t theirs; /* the client's name for it */
};

struct door_op;

/* A list of keys, as it is made. */
struct door_keys {
	struct client_scan scan;
	struct door_op *op;
	struct wbuf out; /* malloc'ed */
	int err;
};

/* A request about the store. */
struct door_op {
	STAILQ_ENTRY(door_op) next; /* free, or ready to go on */
	struct door *door;
	struct flow_ref ref;
	struct rpc_request r; /* its slices lie in the request, or in kept */
	uint8_t *kept;        /* small, or malloc'ed; NULL */
	bool queued;
	bool lost; /* it is answered, and its bytes are gone */
	union {
		struct client_write write;
		struct client_take take;
	};
	struct door_keys *keys; /* of KEYS */
	struct client_ask ask;  /* of the others */
	_Alignas(8) uint8_t small[256];
};
STAILQ_HEAD(door_ops, door_op);

/* A request that comes, or has come, into pages of the door's. */
struct door_large {
	const uint8_t *p;   /* NULL: free */
	struct door_op *op; /* what a cache tile has of it is this one's; NULL: nothing */
	bool over;          /* it has been run: it goes with op */
	uint8_t *mem;       /* where it lies, or the next can; NULL */
	size_t bytes;       /* of a request, for which mem was made */
	bool aged;          /* it was free for AGE_NS */
};

/* A question of administration, over a connection of its own. */
struct door_admin {
	struct door *door;
	struct flow_ref ref;
	int sock;  /* -1: free */
	char *all; /* what came of the answer; malloc'ed */
	size_t len;
};

struct door {
	struct door_cfg cfg;
	struct mb_client *client;
	struct net_tile *tile;
	struct lcore *lcore;
	struct pending pending[MB_CALLS_MAX];
	/* one request at a time */
	struct mb_value dag_value[DAG_FUNCTION_MAX][MB_VALUES_MAX];
	struct mb_dag_arg dag_arg[DAG_FUNCTION_MAX];
	char dag_name[DAG_FUNCTION_MAX][2 * NAME_BYTES_MAX];
	uint32_t op_cnt; /* not free */
	struct door_ops free, ready;
	struct door_op op[DOOR_OP_CNT];
	struct door_large large[DOOR_LARGE_CNT];
	uint64_t age_ns;                        /* when the payloads' segments age next */
	struct cache_value lent[DOOR_LENT_CNT]; /* envelope.p NULL: free */
	uint32_t admin_cnt;                     /* not free */
	struct door_admin admin[DOOR_ADMIN_CNT];
	char text[DOMAIN_TEXT_MAX + 1]; /* a part of such an answer */
};

/* door_room begins an answer with a head and a payload, whose bytes the caller fills in; full is
 * what is answered when there is no memory for them: INDETERMINATE of what has changed something.
 * Returns: where; NULL when the request was refused. door_reply answers, door_end with an error or
 * n. */
uint8_t *door_room(struct door *d, struct flow_ref ref, const struct rpc_reply *r, int full,
		   uint8_t **ret_all);
void door_reply(struct door *d, struct flow_ref ref, const struct rpc_reply *r);
void door_end(struct door *d, struct flow_ref ref, int err, int64_t n);

/* door_err is an error as a client is told it. */
int16_t door_err(int err);

/* door_call_of gives the node's name of a call, which is one of that client's or anybody's. */
uint64_t door_call_of(const struct door *d, struct flow_ref ref, uint64_t theirs);

/* door_look answers a look that needs nobody. Returns: whether it was one, and is answered. */
bool door_look(struct door *d, struct flow_ref ref, const struct rpc_request *r);

/* door_take, door_give, door_back and door_tidy are net_service.take, give, back and tidy.
 * door_large_ref tells where a value lies, if it lies in what was taken; else all 0. A cache tile
 * that was told of it has its memory until the operation is over: door_large_keep (or not, if p
 * lies elsewhere), door_large_over. */
void *door_take(void *ctx, size_t bytes, struct slice first);
bool door_give(void *ctx, const void *p);
void door_back(void *ctx, const uint8_t *p);
uint64_t door_tidy(void *ctx, uint64_t now_ns);
struct payload_ref door_large_ref(struct door *d, struct slice value);
void door_large_keep(struct door_op *op, const uint8_t *p);
void door_large_over(struct door_op *op);
/* door_lend answers with a value, which it holds until all of it is there. Returns: false: it is
 * still the caller's, and nothing was answered. */
bool door_lend(struct door *d, struct flow_ref ref, struct cache_value *v);

/* door_state does what a request asks of the store; bytes is all of the request. door_state_poll
 * goes on with those that waited. Returns: how many. */
void door_state_init(struct door *d);
void door_state_fini(struct door *d);
void door_state(struct door *d, struct flow_ref ref, const struct rpc_request *r,
		struct slice bytes);
int door_state_poll(struct door *d);

/* door_admin asks ctl what a request of administration says, and answers when ctl has. */
void door_admin_init(struct door *d);
void door_admin_fini(struct door *d);
void door_admin(struct door *d, struct flow_ref ref, const struct rpc_request *r);

#endif
