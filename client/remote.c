/* SPDX-License-Identifier: Apache-2.0 */
/* remote - see remote.h
 *
 * A request is an op: its bytes, and what its answer goes to. Ops of calls belong to the calls'
 * slots; every other op is one whose caller waits. Of both at most FLOW_CREDITS are open; what is
 * started beyond that stands in a queue.
 *
 * The socket is connected, so the kernel tells when nobody listens there, and gives the path's
 * width as far as this host knows it.
 */
#include "remote.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"
#include "compiler.h"
#include "flow_ask.h"
#include "rpc.h"
#include "seal.h"
#include "timebase.h"
#include "value.h"

#define RECV_BURST    64
#define SPIN_NS       (20 * NS_PER_US)
#define IP_UDP_BYTES  48 /* IPv6 and UDP heads */
#define SOCKET_BUFFER (4 << 20)

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
	int fd;
	struct mb_client *c;
	struct remote_op *head, **tail; /* not started */
	uint64_t ended;                 /* ops so far, by an answer or by the clock */
	struct remote_op op[MB_CALLS_MAX];
	struct remote_op cancel;
	struct flow_ask ask;
	struct seal seal; /* of the keys in MICROBURST_KEYS */
	uint8_t tx[WIRE_DATAGRAM_MAX];
	_Alignas(8) uint8_t plain[WIRE_DATAGRAM_MAX];
	_Alignas(8) uint8_t rx[WIRE_DATAGRAM_MAX + 1];
};

static uint64_t
now(void)
{
	return timebase_now_ns(timebase_real());
}

/* --------------------------------------------------------------------- socket */

static void
on_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	struct remote *r = ctx;
	uint8_t head[WIRE_HEAD_BYTES];
	struct iovec iov[2] = { { head, sizeof(head) }, { (void *)(uintptr_t)body, h->len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = h->len > 0 ? 2 : 1 };

	(void)to;
	if (r->seal.cnt > 0) {
		iov[0] = (struct iovec){ r->tx, seal_put(&r->seal, r->tx, h, body) };
		m.msg_iovlen = 1;
	} else {
		wire_write(head, h);
	}
	sendmsg(r->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL); /* what cannot go is sent again */
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

static int
remote_connect(struct remote *r, const char *where, uint16_t *ret_datagram)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	const char *colon = strrchr(where, ':');
	int buffer = SOCKET_BUFFER, discover = IP_PMTUDISC_DO, mtu = 0;
	socklen_t len = sizeof(mtu);
	char host[256];
	size_t n;
	bool v6;

	if (colon == NULL || colon == where || (size_t)(colon - where) >= sizeof(host)) {
		return MB_ERR_INVALID;
	}
	n = (size_t)(colon - where);
	if (where[0] == '[' && where[n - 1] == ']') {
		where++;
		n -= 2;
	}
	memcpy(host, where, n);
	host[n] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
		return MB_ERR_NO_NODE;
	}
	v6 = found->ai_family == AF_INET6;
	r->fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd < 0 || connect(r->fd, found->ai_addr, found->ai_addrlen) != 0) {
		freeaddrinfo(found);
		return r->fd < 0 ? MB_ERR_NO_MEMORY : MB_ERR_NO_NODE;
	}
	freeaddrinfo(found);
	if (setsockopt(r->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0) {
		setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	}
	setsockopt(r->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (v6) {
		discover = IPV6_PMTUDISC_DO;
		setsockopt(r->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof(discover));
		getsockopt(r->fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len);
	} else {
		setsockopt(r->fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover));
		getsockopt(r->fd, IPPROTO_IP, IP_MTU, &mtu, &len);
	}
	*ret_datagram =
		(uint16_t)MIN(MAX(mtu - IP_UDP_BYTES, WIRE_DATAGRAM_MIN), WIRE_DATAGRAM_MAX);
	return 0;
}

/* Takes what came. Returns how many. */
static int
remote_recv(struct remote *r)
{
	int cnt = 0;

	for (; cnt < RECV_BURST; cnt++) {
		ssize_t n = recv(r->fd, r->rx, sizeof(r->rx), MSG_DONTWAIT);
		struct wire_head h;
		struct slice body;

		if (n < 0 && errno == ECONNREFUSED) {
			flow_ask_unreachable(&r->ask);
			continue;
		}
		if (n < 0) {
			break;
		}
		if (seal_take(&r->seal, slice_of(r->rx, (size_t)n), r->plain, &h, &body) == 0) {
			flow_ask_input(&r->ask, &h, body, now());
		}
	}
	if (cnt > 0) {
		flow_ask_flush(&r->ask);
	}
	return cnt;
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
		struct pollfd p = { .fd = r->fd, .events = POLLIN };
		struct timespec ts;
		uint64_t due_ns;
		uint64_t ended = r->ended;
		int n = remote_recv(r);

		if (at_ns >= flow_ask_timer(&r->ask)) {
			flow_ask_poll(&r->ask, at_ns);
		}
		remote_run_queue(r);
		if (n > 0 || ended != r->ended) {
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
		due_ns = due_ns > at_ns ? MIN(due_ns - at_ns, NS_PER_S) : 0;
		ts = (struct timespec){ (time_t)(due_ns / NS_PER_S), (long)(due_ns % NS_PER_S) };
		ppoll(&p, 1, &ts, NULL);
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

int
remote_ask(struct mb_client *c, const struct rpc_request *req, struct rpc_reply *ret,
	   uint8_t **ret_bytes)
{
	struct rpc_request full = *req;
	struct remote_op op = { 0 };
	uint8_t *p;
	int err;

	full.ack = c->ack;
	p = op_write(&op, &full);
	*ret_bytes = NULL;
	if (p == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	if (req->payload.len > 0) {
		memcpy(p, req->payload.p, req->payload.len);
	}
	op_start(c->remote, &op);
	while (!op.done) {
		client_pump(c, 0);
	}
	*ret_bytes = op.answer;
	err = op.err != 0 ? op.err : rpc_reply_read(slice_of(op.answer, op.answer_len), ret);
	return err != 0 ? err : ret->err;
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
	struct wire_addr nowhere = { .port = 0 };
	const char *keys = getenv("MICROBURST_KEYS");
	uint16_t datagram;
	uint64_t seed;
	int64_t node;
	int err;

	if (r == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	r->fd = -1;
	r->c = c;
	r->tail = &r->head;
	ops.ctx = r;
	err = getrandom(&seed, sizeof(seed), 0) == sizeof(seed) ? 0 : MB_ERR_IO;
	if (err == 0) {
		err = remote_connect(r, where + strlen(REMOTE_SCHEME), &datagram);
	}
	if (err == 0 && keys != NULL && keys[0] != '\0') {
		err = seal_open(&r->seal, keys, false);
		datagram = (uint16_t)MAX(datagram - SEAL_BYTES, WIRE_DATAGRAM_MIN);
	}
	c->remote = r;
	if (err == 0) {
		flow_ask_init(&r->ask, &nowhere, datagram, seed, &ops);
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
	if (r->fd >= 0) {
		close(r->fd);
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
	}
}
