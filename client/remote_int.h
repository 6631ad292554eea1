/* SPDX-License-Identifier: Apache-2.0 */
/* remote_int - what the parts of a remote client share
 *
 *	remote.c        datagrams, ops, lanes, questions
 *	remote_call.c   calls
 *	remote_write.c  writes
 */
#ifndef MB_CLIENT_REMOTE_INT_H
#define MB_CLIENT_REMOTE_INT_H

#include "carrier.h"
#include "flow_ask.h"
#include "remote.h"
#include "rpc.h"
#include "ways.h"

struct remote_op {
	uint8_t *bytes;
	size_t len;
	struct slice rest;        /* what the request goes on with, its asker's: who waits */
	struct client_call *call; /* NULL: its caller waits */
	struct lane *lane;        /* where it went */
	struct remote_op *next;   /* in the queue */
	bool done;
	bool hello; /* a lane's */
	bool read;  /* its answer was, by fn */
	int err;
	remote_answer_fn *fn; /* NULL: the answer is kept */
	void *fn_ctx;
	size_t fn_i;
	uint8_t *answer; /* malloc'ed */
	size_t answer_len;
};

/* To one net tile. */
struct lane {
	struct remote *r;
	uint32_t idx;
	bool up;                        /* requests go there */
	struct remote_op *head, **tail; /* not started */
	struct remote_op hello;
	uint64_t reset; /* ask.stats.reset when it was up last */
	struct flow_ask ask;
};

struct remote {
	struct carrier way;
	uint32_t group; /* keys in a request that reads many, by what answers could hold */
	uint64_t at_ns; /* what is received now came then */
	struct mb_client *c;
	void *spare; /* malloc'ed; NULL: none */
	size_t spare_bytes;
	bool asked;     /* since it was looked for answers */
	uint64_t ended; /* ops so far, by an answer or by the clock */
	struct remote_op op[MB_CALLS_MAX];
	struct remote_op cancel;
	struct seal seal; /* of the keys in MICROBURST_KEYS */
	uint64_t seed;
	uint32_t home;    /* random: which tile has its calls */
	int64_t node;     /* its number */
	uint64_t wall_ns; /* remote_wall_ns */
	uint64_t day_us;  /* what its clock of the day is ahead of our monotonic one */
	struct ways ways;
	uint64_t again_ns; /* its tiles are to be asked for; 0: they are known */
	uint32_t lane_cnt; /* made so far */
	struct lane lane[CARRIER_LANES];
	_Alignas(8) uint8_t plain[WIRE_DATAGRAM_MAX];
};

/* remote_alloc_spare is remote_alloc for an answer: it may lie in what remote_spare keeps. */
void *remote_alloc_spare(struct remote *r, size_t bytes);

/* lane_hello greets a lane's other end, unless a greeting is on its way: l->hello.done when it has
 * ended. */
void lane_hello(struct lane *l);

/* remote_call_lane is where this client's calls go. */
struct lane *remote_call_lane(struct remote *r);

/* remote_op_write makes an op's bytes. Returns: where the payload goes; NULL without memory.
 * remote_op_again is for one whose payload became shorter than was said. remote_op_start sends it,
 * or has it wait for its turn. */
uint8_t *remote_op_write(struct remote_op *op, const struct rpc_request *req);
uint8_t *remote_op_again(struct remote_op *op, const struct rpc_request *req);
void remote_op_start(struct lane *l, struct remote_op *op);

/* Questions whose asker does something else before it waits. remote_op_ask makes one and sends it;
 * rest as of remote_ask_rest. Returns: 0; MB_ERR_NO_MEMORY. remote_op_go sends one about a key that
 * was made. remote_ops_end waits, and reads their answers, which stay: op.answer. Errors that are
 * there in ret_err stay, too. */
int remote_op_ask(struct mb_client *c, const struct rpc_request *req, struct slice rest,
		  struct remote_op *op);
void remote_op_go(struct mb_client *c, struct slice key, struct remote_op *op);
void remote_ops_end(struct mb_client *c, struct remote_op *op, size_t cnt, struct rpc_reply *ret,
		    int *ret_err);

#endif
