/* SPDX-License-Identifier: Apache-2.0 */
/* remote - see remote.h
 *
 * A request is an op: its bytes, and what its answer goes to. Ops of calls belong to the calls'
 * slots; every other op is one whose caller waits. Of both at most FLOW_CREDITS are open in a
 * lane; what is started beyond that stands in a queue.
 *
 * Lanes. A node with several net tiles tells of them when it is greeted. To each leads a lane, a
 * session of its own; what is about a key goes to the tile that its shard has (ways.h), a client's
 * calls to one of its own choice, all else to the first. A lane is taken when the same node has
 * answered a greeting there; until then, and where ports are not what the node thinks (a relay, a
 * wall), the first tile serves everything. A request that a lane says has not run goes to the first
 * tile; such a lane is left, and the node asked for its tiles anew a while later.
 */
#include "remote.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cache_msg.h"
#include "check.h"
#include "compiler.h"
#include "hash.h"
#include "remote_int.h"
#include "timebase.h"

#define RECV_BURST  64
/* The node may be on this machine, and on this cpu, which it gets so often; if it is on another, it
 * is looked for so long before who else is here gets it again. */
#define LOOK_NS     (2 * NS_PER_US)
#define FLUSH       4
#define GROUP_FIRST 16
#define AGAIN_NS    NS_PER_S /* a lane that failed is tried again */

static void hello_end(struct lane *l, const struct rpc_reply *reply);

static uint64_t
now(void)
{
	return timebase_now_ns(timebase_real());
}

/* ------------------------------------------------------------------- datagrams */

static void
on_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	struct lane *l = ctx;
	struct remote *r = l->r;

	(void)to;
	r->way.ops->send(r->way.carrier, l->idx, &r->seal, h, body);
}

/* Of an answer. */
static void *
on_alloc(void *ctx, size_t bytes)
{
	return remote_alloc_spare(((struct lane *)ctx)->r, bytes);
}

static void
on_free(void *ctx, void *p, size_t bytes)
{
	(void)ctx;
	(void)bytes;
	free(p);
}

/* An op's answer is there. */
static void
op_end(struct lane *l, struct remote_op *op)
{
	struct remote *r = l->r;
	struct rpc_reply reply = { .err = (int16_t)op->err };

	free(op->bytes);
	op->bytes = NULL;
	op->done = true;
	r->ended++;
	if (op->err == 0 && !op->read) {
		op->err = rpc_reply_read(slice_of(op->answer, op->answer_len), &reply);
		if (op->err != 0) {
			reply = (struct rpc_reply){ .err = (int16_t)op->err };
		}
	}
	if (op->call != NULL) {
		client_on_answer(r->c, op->call, reply.err, reply.executor, reply.run_ns,
				 (uint64_t)reply.n, reply.payload, op->answer);
		op->answer = NULL;
	}
	if (op->hello) {
		hello_end(l, &reply);
		free(op->answer);
		op->answer = NULL;
	}
}

/* Has the answer read where it lies. */
static void
op_read(struct remote_op *op, struct slice answer)
{
	struct rpc_reply reply;

	op->err = rpc_reply_read(answer, &reply);
	op->err = op->err != 0 ? op->err : reply.err;
	op->read = true;
	if (op->err == 0) {
		op->fn(op->fn_ctx, op->fn_i, &reply);
	}
}

/* A lane's other end is not there. */
static void
lane_lost(struct lane *l)
{
	l->up = l->idx == 0;
	if (l->r->again_ns == 0) {
		l->r->again_ns = now() + AGAIN_NS;
	}
}

static void
on_done(void *ctx, void *user, int err, uint8_t *p, size_t len, bool owned)
{
	struct remote_op *op = user;
	struct lane *l = ctx;

	if (err == MB_ERR_NO_NODE || err == MB_ERR_NODE_DIED || l->reset != l->ask.stats.reset) {
		l->reset = l->ask.stats.reset; /* what reads was asked again, and heard nothing */
		lane_lost(l);
	}
	if (err == MB_ERR_NO_NODE && l->idx > 0 && !op->hello) {
		remote_op_start(&l->r->lane[0], op); /* it has not run */
		return;
	}
	op->err = err;
	if (err == 0 && op->fn != NULL) {
		op_read(op, slice_of(p, len));
		if (owned) {
			free(p);
		}
		op_end(l, op);
		return;
	}
	op->answer = p;
	op->answer_len = len;
	if (err == 0 && !owned) {
		op->answer = malloc(len);
		if (op->answer != NULL) {
			memcpy(op->answer, p, len);
		} else {
			op->err = MB_ERR_NO_MEMORY;
		}
	}
	op_end(l, op);
}

static bool
on_datagram(void *ctx, uint32_t lane, struct slice datagram)
{
	struct remote *r = ctx;
	struct wire_head h;
	struct slice body;

	if (datagram.p == NULL) {
		flow_ask_unreachable(&r->lane[lane].ask);
	} else if (seal_take(&r->seal, datagram, r->plain, &h, &body) == 0) {
		flow_ask_input(&r->lane[lane].ask, &h, body, r->at_ns);
	}
	return r->lane[lane].ask.open_cnt > 0;
}

/* Where something is awaited; the first is always looked at. */
static uint32_t
lanes_open(const struct remote *r)
{
	uint32_t lanes = 1;

	for (uint32_t i = 1; i < r->lane_cnt; i++) {
		lanes |= (uint32_t)(r->lane[i].ask.open_cnt > 0) << i;
	}
	return lanes;
}

/* Takes what came. ack_ns: as of flow_ask_flush. Returns whether anything did. */
static bool
remote_recv(struct remote *r, uint64_t at_ns, uint64_t ack_ns)
{
	int n;

	r->at_ns = at_ns;
	n = r->way.ops->recv(r->way.carrier, lanes_open(r), RECV_BURST, at_ns, on_datagram, r);
	for (uint32_t i = 0; n != 0 && i < r->lane_cnt; i++) {
		flow_ask_flush(&r->lane[i].ask, ack_ns);
	}
	return n != 0;
}

/* Whether it changes nothing at the node. */
static bool
op_reads(const struct remote_op *op)
{
	return op->bytes[0] == RPC_LOOK || op->bytes[0] == RPC_KEYS || op->bytes[0] == RPC_HELLO;
}

static void
lane_run(struct lane *l)
{
	while (l->head != NULL) {
		struct remote_op *op = l->head;
		struct flow_request r = { slice_of(op->bytes, op->len), op->rest, op_reads(op) };

		if (flow_ask_start(&l->ask, &r, op, now()) != 0) {
			return;
		}
		l->head = op->next;
		if (l->head == NULL) {
			l->tail = &l->head;
		}
	}
}

/* Does what time asks for, and what there is room for by now. Returns: when to do it again. */
static uint64_t
lanes_run(struct remote *r, uint64_t at_ns)
{
	uint64_t due_ns = UINT64_MAX;

	for (uint32_t i = 0; i < r->lane_cnt; i++) {
		struct lane *l = &r->lane[i];

		if (at_ns >= flow_ask_timer(&l->ask)) {
			flow_ask_poll(&l->ask, at_ns);
		}
		lane_run(l);
		due_ns = MIN(due_ns, flow_ask_timer(&l->ask));
	}
	return due_ns;
}

int
remote_pump(struct mb_client *c, uint64_t until_ns)
{
	struct remote *r = c->remote;
	uint64_t from_ns, at_ns, given_ns;

	if (r->asked && until_ns != 1 && r->lane_cnt == 1 && r->lane[0].ask.open_cnt == 1) {
		sched_yield(); /* its answer cannot be there yet */
	}
	r->asked = false;
	from_ns = given_ns = at_ns = now();
	for (;;) {
		uint64_t ended = r->ended;
		/* Who only looks may not look again soon. */
		bool came = remote_recv(r, at_ns, until_ns == 1 ? FLOW_TIMER_NONE : at_ns);
		uint64_t due_ns = lanes_run(r, at_ns);

		r->way.ops->flush(r->way.carrier);
		if (came || ended != r->ended) {
			return 1;
		}
		at_ns = now();
		if (until_ns == 1 || (until_ns != 0 && at_ns >= until_ns)) {
			return 0;
		}
		if (at_ns - from_ns < r->way.spin_ns) {
			if (at_ns - given_ns >= LOOK_NS) {
				sched_yield();
				given_ns = now();
			}
			continue;
		}
		due_ns = MIN(due_ns, until_ns != 0 ? until_ns : UINT64_MAX);
		r->way.ops->wait(r->way.carrier, lanes_open(r),
				 due_ns > at_ns ? MIN(due_ns - at_ns, NS_PER_S) : 0);
		at_ns = now();
	}
}

/* ------------------------------------------------------------------------ ops */

uint8_t *
remote_op_write(struct remote_op *op, const struct rpc_request *req)
{
	op->len = rpc_request_bytes(req->name.len, req->payload.len) - op->rest.len;
	op->bytes = remote_alloc(op->len);
	return op->bytes != NULL ? rpc_request_write(op->bytes, req) : NULL;
}

uint8_t *
remote_op_again(struct remote_op *op, const struct rpc_request *req)
{
	REQUIRE(rpc_request_bytes(req->name.len, req->payload.len) <= op->len);
	op->len = rpc_request_bytes(req->name.len, req->payload.len);
	return rpc_request_write(op->bytes, req);
}

void
remote_op_start(struct lane *l, struct remote_op *op)
{
	l->r->asked = true;
	op->lane = l;
	op->next = NULL;
	*l->tail = op;
	l->tail = &op->next;
	lane_run(l);
}

/* ---------------------------------------------------------------------- lanes */

void
lane_hello(struct lane *l)
{
	const struct rpc_request hello = { .op = RPC_HELLO };

	if (l->hello.bytes != NULL) {
		return; /* it is on its way */
	}
	l->hello = (struct remote_op){ .hello = true };
	if (remote_op_write(&l->hello, &hello) == NULL) {
		l->hello.done = true;
		l->hello.err = MB_ERR_NO_MEMORY;
		return;
	}
	remote_op_start(l, &l->hello);
}

static void
lane_make(struct remote *r, uint32_t i, uint16_t port)
{
	struct flow_ask_ops ops = { on_send, on_alloc, on_free, on_done, &r->lane[i] };
	struct lane *l = &r->lane[i];
	struct wire_addr server = r->way.server;
	uint16_t datagram = r->way.datagram;

	if (r->seal.cnt > 0) {
		datagram = (uint16_t)MAX(datagram - SEAL_BYTES, WIRE_DATAGRAM_MIN);
	}
	server.port = port;
	*l = (struct lane){ .r = r, .idx = i, .up = i == 0, .tail = &l->head };
	flow_ask_init(&l->ask, &server, datagram, r->seed++, &ops);
	r->lane_cnt = MAX(r->lane_cnt, i + 1);
}

/* The node has told of its tiles: those that are not in use are greeted. */
static void
lanes_make(struct remote *r)
{
	for (uint32_t i = 1; i < r->ways.tile_cnt; i++) {
		struct lane *l = &r->lane[i];
		bool busy = i < r->lane_cnt && (l->up || l->ask.open_cnt > 0);

		/* In order: there is no lane behind one that could not be made. */
		if (i > r->lane_cnt ||
		    (!busy && r->way.ops->lane(r->way.carrier, i, r->ways.port[i]) != 0)) {
			return;
		}
		if (!busy) {
			lane_make(r, i, r->ways.port[i]);
			lane_hello(l);
		}
	}
}

/* A greeting's end: of the first lane it tells of all, of another that the node is there too. */
static void
hello_end(struct lane *l, const struct rpc_reply *reply)
{
	struct remote *r = l->r;
	struct rbuf told = rbuf_of(reply->payload);
	uint64_t wall_ns, day_us;

	l->hello.err = l->hello.err != 0 ? l->hello.err : reply->err;
	if (l->hello.err != 0 || (l->idx > 0 && reply->n != r->node)) {
		lane_lost(l);
	} else if (l->idx > 0) {
		l->up = true;
	} else {
		r->node = reply->n;
		r->again_ns = 0;
		wall_ns = rbuf_u64(&told) * NS_PER_MS - now();
		day_us = rbuf_u64(&told) - now() / NS_PER_US;
		if (!told.bad) {
			r->wall_ns = wall_ns;
			r->day_us = day_us;
		}
		if (ways_read(slice_of(told.p, told.len), &r->ways) == 0) {
			lanes_make(r);
		}
	}
}

static struct lane *
lane_of_key(struct remote *r, struct slice key)
{
	uint64_t hash;
	uint32_t i;

	if (unlikely(r->again_ns != 0) && now() >= r->again_ns) {
		r->again_ns = now() + AGAIN_NS;
		lane_hello(&r->lane[0]);
	}
	if (r->lane_cnt == 1) {
		return &r->lane[0];
	}
	hash = hash_bytes(key.p, key.len);
	i = ways_tile(r->ways.tile_cnt, r->ways.shard_cnt, cache_tile_of(hash, r->ways.shard_cnt),
		      hash);
	return i < r->lane_cnt && r->lane[i].up ? &r->lane[i] : &r->lane[0];
}

uint32_t
remote_lane(struct mb_client *c, struct slice key)
{
	return lane_of_key(c->remote, key)->idx;
}

uint32_t
remote_target(struct mb_client *c, struct slice key)
{
	const struct remote *r = c->remote;
	uint64_t hash;

	if (r->ways.shard_cnt == 0) {
		return REMOTE_TARGET_NONE;
	}
	hash = r->ways.shard_cnt > 1 ? hash_bytes(key.p, key.len) : 0;
	return cache_tile_of(hash, r->ways.shard_cnt) * CARRIER_LANES + remote_lane(c, key);
}

size_t
remote_room(struct mb_client *c, struct slice key)
{
	size_t head = rpc_request_bytes(key.len, 0);
	uint16_t mss = lane_of_key(c->remote, key)->ask.mss;

	return MAX((size_t)mss, head) - head;
}

/* A client's own, and always the same: its calls are known to that tile only. */
struct lane *
remote_call_lane(struct remote *r)
{
	uint32_t i = r->home % MAX(r->ways.tile_cnt, 1U);

	return i < r->lane_cnt && r->lane[i].up ? &r->lane[i] : &r->lane[0];
}

/* A message to a call of this client goes where the call went. */
static struct lane *
lane_of_call(struct remote *r, uint64_t call)
{
	const struct client_call *own = &r->c->call[SLOT(call)];

	return own->state != CALL_FREE && own->id == call ? r->op[SLOT(call)].lane : &r->lane[0];
}

static struct lane *
lane_of(struct remote *r, const struct rpc_request *req)
{
	switch (req->op) {
	case RPC_LOOK:
	case RPC_WRITE:
	case RPC_TAKE:
		return lane_of_key(r, req->name);
	case RPC_SEND:
		return lane_of_call(r, req->call);
	default:
		return &r->lane[0];
	}
}

/* ------------------------------------------------------------------ questions */

static int
op_ask(struct mb_client *c, const struct rpc_request *req, struct slice rest, struct remote_op *op)
{
	struct rpc_request full = *req;
	uint8_t *p;

	full.ack = c->ack;
	full.payload.len += rest.len;
	op->rest = rest;
	p = remote_op_write(op, &full);
	if (p == NULL) {
		op->done = true;
		return MB_ERR_NO_MEMORY;
	}
	if (req->payload.len > 0) {
		memcpy(p, req->payload.p, req->payload.len);
	}
	remote_op_start(lane_of(c->remote, req), op);
	return 0;
}

int
remote_op_ask(struct mb_client *c, const struct rpc_request *req, struct slice rest,
	      struct remote_op *op)
{
	int err = op_ask(c, req, rest, op);

	c->remote->way.ops->flush(c->remote->way.carrier);
	return err;
}

void
remote_op_go(struct mb_client *c, struct slice key, struct remote_op *op)
{
	struct remote *r = c->remote;

	remote_op_start(lane_of_key(r, key), op);
	r->way.ops->flush(r->way.carrier);
}

static void
ops_wait(struct mb_client *c, struct remote_op *op, size_t cnt)
{
	struct remote *r = c->remote;

	r->way.ops->flush(r->way.carrier);
	for (size_t i = 0; i < cnt; i++) {
		while (!op[i].done) {
			client_pump(c, 0);
		}
	}
}

/* What was answered, op by op; those that could not start have an error already. */
static void
ops_read(const struct remote_op *op, size_t cnt, struct rpc_reply *ret, int *ret_err)
{
	for (size_t i = 0; i < cnt; i++) {
		struct slice answer = slice_of(op[i].answer, op[i].answer_len);

		if (ret_err[i] == 0) {
			ret_err[i] = op[i].err != 0 ? op[i].err : rpc_reply_read(answer, &ret[i]);
			ret_err[i] = ret_err[i] != 0 ? ret_err[i] : ret[i].err;
		}
	}
}

void
remote_ops_end(struct mb_client *c, struct remote_op *op, size_t cnt, struct rpc_reply *ret,
	       int *ret_err)
{
	ops_wait(c, op, cnt);
	ops_read(op, cnt, ret, ret_err);
}

/* Starts questions, op by op, and waits for all of them. */
void
remote_ask_each(struct mb_client *c, const struct rpc_request *req, size_t cnt,
		remote_answer_fn *fn, void *ctx, int *ret_err)
{
	struct remote *r = c->remote;
	struct remote_op op[CLIENT_MANY];

	for (size_t i = 0; i < cnt; i++) {
		op[i] = (struct remote_op){ .fn = fn, .fn_ctx = ctx, .fn_i = i };
		ret_err[i] = op_ask(c, &req[i], slice_of(NULL, 0), &op[i]);
		if (i % FLUSH == FLUSH - 1) { /* the node begins with the first ones meanwhile */
			r->way.ops->flush(r->way.carrier);
		}
	}
	ops_wait(c, op, cnt);
	for (size_t i = 0; i < cnt; i++) {
		ret_err[i] = ret_err[i] != 0 ? ret_err[i] : op[i].err;
	}
}

int
remote_ask_rest(struct mb_client *c, const struct rpc_request *req, struct slice rest,
		struct rpc_reply *ret, uint8_t **ret_bytes)
{
	struct remote_op op = { 0 };
	int err = op_ask(c, req, rest, &op);

	remote_ops_end(c, &op, 1, ret, &err);
	*ret_bytes = op.answer;
	return err;
}

int
remote_ask(struct mb_client *c, const struct rpc_request *req, struct rpc_reply *ret,
	   uint8_t **ret_bytes)
{
	return remote_ask_rest(c, req, slice_of(NULL, 0), ret, ret_bytes);
}

uint32_t *
remote_group(struct mb_client *c)
{
	return &c->remote->group;
}

int
remote_do(struct mb_client *c, const struct rpc_request *req, int64_t *ret_n)
{
	struct rpc_reply reply = { 0 };
	uint8_t *bytes;
	int err = remote_ask(c, req, &reply, &bytes);

	if (err == 0 && ret_n != NULL) {
		*ret_n = reply.n;
	}
	free(bytes);
	return err;
}

/* Greets the node, at one address of its name after the other. The last has the time that flow
 * takes, the others so much together: whoever answers is there long before. */
static int
remote_greet(struct remote *r)
{
	uint64_t end_ns = now() + FLOW_SILENCE_NS, until_ns;
	struct lane *l = &r->lane[0];
	int err;

	do {
		until_ns = now();
		until_ns += (end_ns - MIN(until_ns, end_ns)) / (r->way.more + 1);
		lane_make(r, 0, r->way.server.port);
		lane_hello(l);
		while (!l->hello.done && (r->way.more == 0 || now() < until_ns)) {
			client_pump(r->c, r->way.more == 0 ? 0 : until_ns);
		}
		if (!l->hello.done) {
			flow_ask_close(&l->ask, MB_ERR_NO_NODE);
		}
		err = l->hello.err == MB_ERR_NODE_DIED ? MB_ERR_NO_NODE : l->hello.err;
	} while (err == MB_ERR_NO_NODE && r->way.ops->next(&r->way) == 0);
	return err;
}

int
remote_open(struct mb_client *c, const char *where)
{
	struct remote *r = calloc(1, sizeof(*r));
	const char *keys = getenv("MICROBURST_KEYS");
	int err;

	if (r == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	c->remote = r;
	r->c = c;
	r->group = GROUP_FIRST;
	err = getrandom(&r->seed, sizeof(r->seed), 0) == sizeof(r->seed) ? 0 : MB_ERR_IO;
	r->home = (uint32_t)(r->seed >> 32);
	if (err == 0) {
		err = carrier_open(&r->way, where);
	}
	if (err == 0 && keys != NULL && keys[0] != '\0') {
		err = seal_open(&r->seal, keys, false);
	}
	if (err == 0) {
		err = remote_greet(r);
	}
	if (err != 0) {
		remote_close(c);
	}
	return err;
}

void
remote_close(struct mb_client *c)
{
	struct remote *r = c->remote;

	/* Ends every op; those of calls give their bytes to answers that are freed with the
	 * rest. */
	for (uint32_t i = 0; i < r->lane_cnt; i++) {
		struct lane *l = &r->lane[i];

		flow_ask_close(&l->ask, MB_ERR_CANCELLED);
		for (; l->head != NULL; l->head = l->head->next) {
			free(l->head->bytes);
		}
	}
	free(r->cancel.answer);
	free(r->spare);
	if (r->way.ops != NULL) {
		r->way.ops->flush(r->way.carrier);
		r->way.ops->close(r->way.carrier);
	}
	free(r);
	c->remote = NULL;
}
