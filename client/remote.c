/* SPDX-License-Identifier: Apache-2.0 */
/* remote - see remote.h
 *
 * A request is an op: its bytes, and what its answer goes to. Ops of calls belong to the calls'
 * slots; every other op is one whose caller waits. Of both at most FLOW_CREDITS are open; what is
 * started beyond that stands in a queue.
 */
#include "remote.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "carrier.h"
#include "check.h"
#include "compiler.h"
#include "flow_ask.h"
#include "rpc.h"
#include "seal.h"
#include "timebase.h"
#include "value.h"

#define RECV_BURST 64
#define FLUSH      16
#define SPIN_NS    (20 * NS_PER_US)

struct remote_op {
	uint8_t *bytes;
	size_t len;
	struct client_call *call; /* NULL: its caller waits */
	struct remote_op *next;   /* in the queue */
	bool done;
	int err;
	uint8_t *answer; /* malloc'ed */
	size_t answer_len;
};

struct remote {
	struct carrier way;
	uint64_t at_ns; /* what is received now came then */
	struct mb_client *c;
	struct remote_op *head, **tail; /* not started */
	uint64_t ended;                 /* ops so far, by an answer or by the clock */
	struct remote_op op[MB_CALLS_MAX];
	struct remote_op cancel;
	struct flow_ask ask;
	struct seal seal; /* of the keys in MICROBURST_KEYS */
	_Alignas(8) uint8_t plain[WIRE_DATAGRAM_MAX];
};

static uint64_t
now(void)
{
	return timebase_now_ns(timebase_real());
}

/* ------------------------------------------------------------------- datagrams */

static void
on_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	struct remote *r = ctx;

	(void)to;
	r->way.ops->send(r->way.carrier, &r->seal, h, body);
}

static void *
on_alloc(void *ctx, size_t bytes)
{
	(void)ctx;
	return malloc(bytes);
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
op_end(struct remote *r, struct remote_op *op)
{
	struct rpc_reply reply = { .err = (int16_t)op->err };

	free(op->bytes);
	op->bytes = NULL;
	op->done = true;
	r->ended++;
	if (op->err == 0) {
		op->err = rpc_reply_read(slice_of(op->answer, op->answer_len), &reply);
		if (op->err != 0) {
			reply = (struct rpc_reply){ .err = (int16_t)op->err };
		}
	}
	if (op->call != NULL) {
		client_on_answer(r->c, op->call, reply.err, reply.executor, reply.run_ns,
				 reply.payload, op->answer);
		op->answer = NULL;
	}
}

static void
on_done(void *ctx, void *user, int err, uint8_t *p, size_t len, bool owned)
{
	struct remote_op *op = user;

	op->err = err;
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
	op_end(ctx, op);
}

static void
on_datagram(void *ctx, struct slice datagram)
{
	struct remote *r = ctx;
	struct wire_head h;
	struct slice body;

	if (seal_take(&r->seal, datagram, r->plain, &h, &body) == 0) {
		flow_ask_input(&r->ask, &h, body, r->at_ns);
	}
}

/* Takes what came. Returns whether anything did. */
static bool
remote_recv(struct remote *r, uint64_t at_ns)
{
	int n;

	r->at_ns = at_ns;
	n = r->way.ops->recv(r->way.carrier, RECV_BURST, at_ns, on_datagram, r);

	if (n < 0) {
		flow_ask_unreachable(&r->ask);
	}
	if (n != 0) {
		flow_ask_flush(&r->ask);
	}
	return n != 0;
}

static void
remote_run_queue(struct remote *r)
{
	while (r->head != NULL) {
		struct remote_op *op = r->head;

		if (flow_ask_start(&r->ask, op->bytes, op->len, op, now()) != 0) {
			return;
		}
		r->head = op->next;
		if (r->head == NULL) {
			r->tail = &r->head;
		}
	}
}

int
remote_pump(struct mb_client *c, uint64_t until_ns)
{
	struct remote *r = c->remote;
	uint64_t from_ns = now(), at_ns = from_ns;

	for (;;) {
		uint64_t due_ns;
		uint64_t ended = r->ended;
		bool came = remote_recv(r, at_ns);

		if (at_ns >= flow_ask_timer(&r->ask)) {
			flow_ask_poll(&r->ask, at_ns);
		}
		remote_run_queue(r);
		r->way.ops->flush(r->way.carrier);
		if (came || ended != r->ended) {
			return 1;
		}
		at_ns = now();
		if (until_ns == 1 || (until_ns != 0 && at_ns >= until_ns)) {
			return 0;
		}
		if (at_ns - from_ns < SPIN_NS) {
			sched_yield(); /* the node may be on this machine, and on this cpu */
			continue;
		}
		due_ns = MIN(flow_ask_timer(&r->ask), until_ns != 0 ? until_ns : UINT64_MAX);
		r->way.ops->wait(r->way.carrier,
				 due_ns > at_ns ? MIN(due_ns - at_ns, NS_PER_S) : 0);
		at_ns = now();
	}
}

/* ------------------------------------------------------------------------ ops */

/* Makes an op's bytes. Returns where the payload goes, NULL without memory. */
static uint8_t *
op_write(struct remote_op *op, const struct rpc_request *req)
{
	op->len = rpc_request_bytes(req->name.len, req->payload.len);
	op->bytes = malloc(op->len);
	return op->bytes != NULL ? rpc_request_write(op->bytes, req) : NULL;
}

static void
op_start(struct remote *r, struct remote_op *op)
{
	op->next = NULL;
	*r->tail = op;
	r->tail = &op->next;
	remote_run_queue(r);
}

static int
ask_start(struct mb_client *c, const struct rpc_request *req, struct remote_op *op)
{
	struct rpc_request full = *req;
	uint8_t *p;

	full.ack = c->ack;
	p = op_write(op, &full);
	if (p == NULL) {
		op->done = true;
		return MB_ERR_NO_MEMORY;
	}
	if (req->payload.len > 0) {
		memcpy(p, req->payload.p, req->payload.len);
	}
	op_start(c->remote, op);
	return 0;
}

void
remote_ask_many(struct mb_client *c, const struct rpc_request *req, size_t cnt,
		struct rpc_reply *ret, uint8_t **ret_bytes, int *ret_err)
{
	struct remote_op op[CLIENT_MANY];
	struct remote *r = c->remote;

	for (size_t i = 0; i < cnt; i++) {
		op[i] = (struct remote_op){ .done = req[i].op == 0 };
		ret_bytes[i] = NULL;
		if (!op[i].done) {
			ret_err[i] = ask_start(c, &req[i], &op[i]);
		}
		if (i % FLUSH == FLUSH - 1) { /* the node begins with the first ones meanwhile */
			r->way.ops->flush(r->way.carrier);
		}
	}
	r->way.ops->flush(r->way.carrier);
	for (size_t i = 0; i < cnt; i++) {
		while (!op[i].done) {
			client_pump(c, 0);
		}
		ret_bytes[i] = op[i].answer;
		if (req[i].op != 0 && ret_err[i] == 0) {
			struct slice answer = slice_of(op[i].answer, op[i].answer_len);

			ret_err[i] = op[i].err != 0 ? op[i].err : rpc_reply_read(answer, &ret[i]);
			ret_err[i] = ret_err[i] != 0 ? ret_err[i] : ret[i].err;
		}
	}
}

int
remote_ask(struct mb_client *c, const struct rpc_request *req, struct rpc_reply *ret,
	   uint8_t **ret_bytes)
{
	int err;

	remote_ask_many(c, req, 1, ret, ret_bytes, &err);
	return err;
}

int
remote_do(struct mb_client *c, const struct rpc_request *req, int64_t *ret_n)
{
	struct rpc_reply reply;
	uint8_t *bytes;
	int err = remote_ask(c, req, &reply, &bytes);

	if (err == 0 && ret_n != NULL) {
		*ret_n = reply.n;
	}
	free(bytes);
	return err;
}

int
remote_open(struct mb_client *c, const char *where)
{
	struct rpc_request hello = { .op = RPC_HELLO };
	struct flow_ask_ops ops = { on_send, on_alloc, on_free, on_done, NULL };
	struct remote *r = calloc(1, sizeof(*r));
	const char *keys = getenv("MICROBURST_KEYS");
	uint16_t datagram;
	uint64_t seed;
	int64_t node;
	int err;

	if (r == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	r->c = c;
	r->tail = &r->head;
	ops.ctx = r;
	err = getrandom(&seed, sizeof(seed), 0) == sizeof(seed) ? 0 : MB_ERR_IO;
	if (err == 0) {
		err = carrier_open(&r->way, where);
	}
	datagram = r->way.datagram;
	if (err == 0 && keys != NULL && keys[0] != '\0') {
		err = seal_open(&r->seal, keys, false);
		datagram = (uint16_t)MAX(datagram - SEAL_BYTES, WIRE_DATAGRAM_MIN);
	}
	c->remote = r;
	if (err == 0) {
		flow_ask_init(&r->ask, &r->way.server, datagram, seed, &ops);
		err = remote_do(c, &hello, &node);
		err = err == MB_ERR_NODE_DIED ? MB_ERR_NO_NODE : err;
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
	if (r->ask.ops.ctx != NULL) {
		flow_ask_close(&r->ask, MB_ERR_CANCELLED);
	}
	while (r->head != NULL) {
		free(r->head->bytes);
		r->head = r->head->next;
	}
	free(r->cancel.answer);
	if (r->way.ops != NULL) {
		r->way.ops->flush(r->way.carrier);
		r->way.ops->close(r->way.carrier);
	}
	free(r);
	c->remote = NULL;
}

/* ---------------------------------------------------------------------- calls */

static int
call_begin(struct mb_client *c, const struct rpc_request *req, const struct mb_call_options *opt,
	   struct remote_op **ret_op, uint8_t **ret_payload)
{
	struct rpc_request full = *req;
	struct client_call *call;
	struct remote_op *op;
	int err = client_options_check(opt);

	if (err != 0) {
		return err;
	}
	call = client_slot(c, opt);
	if (call == NULL) {
		return MB_ERR_BUSY;
	}
	op = &c->remote->op[call - c->call];
	*op = (struct remote_op){ .call = call };
	full.call = call->id;
	full.n = opt != NULL ? (int64_t)opt->request_id : 0;
	full.level = opt != NULL ? (uint8_t)opt->level : 0;
	full.ack = opt != NULL ? (uint8_t)opt->ack : 0;
	full.deadline_ns = opt != NULL ? opt->deadline_ns : 0;
	*ret_payload = op_write(op, &full);
	*ret_op = op;
	return *ret_payload != NULL ? 0 : MB_ERR_NO_MEMORY;
}

static uint64_t
call_go(struct mb_client *c, struct remote_op *op)
{
	uint64_t id = op->call->id;

	client_sent(c, op->call);
	op_start(c->remote, op);
	c->remote->way.ops->flush(c->remote->way.carrier);
	return id;
}

/* A name that can be one; whether there is such a thing the node knows. */
static bool
name_ok(const char *name)
{
	size_t len = strnlen(name, NAME_BYTES_MAX);

	return len > 0 && len < NAME_BYTES_MAX;
}

int
remote_call_start(struct mb_client *c, const char *name, const struct mb_value *arg, size_t arg_cnt,
		  const struct mb_call_options *opt, uint64_t *ret_call)
{
	struct rpc_request req = { .op = RPC_CALL, .name = slice_str(name) };
	int64_t bytes = client_list_bytes(arg, arg_cnt);
	struct remote_op *op;
	uint8_t *p;
	int err;

	if (bytes < 0 || !name_ok(name)) {
		return bytes < 0 ? (int)bytes : MB_ERR_NO_FUNCTION;
	}
	req.payload.len = (size_t)bytes;
	err = call_begin(c, &req, opt, &op, &p);
	if (err != 0) {
		return err;
	}
	bytes = client_list_write(p, (size_t)bytes, arg, arg_cnt);
	if (bytes < 0) {
		free(op->bytes);
		return (int)bytes;
	}
	*ret_call = call_go(c, op);
	return 0;
}

/* Names and lists in turn. */
static int64_t
dag_write(uint8_t *p, size_t bytes, const struct mb_dag_arg *arg, size_t arg_cnt,
	  const struct value *shape)
{
	struct value_writer w;

	value_list_begin(&w, p, bytes, (uint32_t)(2 * arg_cnt));
	for (size_t i = 0; i < arg_cnt; i++) {
		uint8_t *list;

		value_list_add(&w, MB_BYTES, arg[i].function, shape[2 * i].len);
		list = value_list_reserve(&w, MB_LIST, shape[2 * i + 1].len);
		if (list != NULL) {
			int64_t n = client_list_write(list, shape[2 * i + 1].len, arg[i].arg,
						      arg[i].arg_cnt);

			if (n < 0) {
				return n;
			}
		}
	}
	return value_list_end(&w);
}

int
remote_dag_start(struct mb_client *c, const char *name, const struct mb_dag_arg *arg,
		 size_t arg_cnt, const struct mb_call_options *opt, uint64_t *ret_call)
{
	struct rpc_request req = { .op = RPC_DAG, .name = slice_str(name) };
	struct value shape[2 * DAG_FUNCTION_MAX];
	struct remote_op *op;
	int64_t bytes;
	uint8_t *p;
	int err;

	if (arg_cnt > DAG_FUNCTION_MAX || !name_ok(name)) {
		return !name_ok(name) ? MB_ERR_NO_DAG : MB_ERR_INVALID;
	}
	for (size_t i = 0; i < arg_cnt; i++) {
		bytes = client_list_bytes(arg[i].arg, arg[i].arg_cnt);
		if (bytes < 0) {
			return (int)bytes;
		}
		shape[2 * i] = (struct value){ .type = MB_BYTES,
					       .len = (uint32_t)strlen(arg[i].function) };
		shape[2 * i + 1] = (struct value){ .type = MB_LIST, .len = (uint32_t)bytes };
	}
	bytes = value_list_footprint(shape, (uint32_t)(2 * arg_cnt));
	if (bytes < 0) {
		return (int)bytes;
	}
	req.payload.len = (size_t)bytes;
	err = call_begin(c, &req, opt, &op, &p);
	if (err != 0) {
		return err;
	}
	bytes = dag_write(p, (size_t)bytes, arg, arg_cnt, shape);
	if (bytes < 0) {
		free(op->bytes);
		return (int)bytes;
	}
	*ret_call = call_go(c, op);
	return 0;
}

int
remote_future_start(struct mb_client *c, const struct mb_call_options *opt, uint64_t *ret_call)
{
	struct rpc_request req = { .op = RPC_FUTURE };
	struct remote_op *op;
	uint8_t *p;
	int err = call_begin(c, &req, opt, &op, &p);

	if (err == 0) {
		*ret_call = call_go(c, op);
	}
	return err;
}

void
remote_cancel(struct mb_client *c, const struct client_call *call, int err)
{
	struct rpc_request req = { .op = RPC_CANCEL, .call = call->id, .n = err };
	struct remote *r = c->remote;
	struct remote_op *op = &r->cancel;

	/* One at a time: what it does not reach its deadline does, or the next try. */
	if (op->bytes == NULL && op_write(op, &req) != NULL) {
		free(op->answer);
		op->answer = NULL;
		op_start(r, op);
		r->way.ops->flush(r->way.carrier);
	}
}
