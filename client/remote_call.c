/* SPDX-License-Identifier: Apache-2.0 */
/* remote_call - calls of a node that is elsewhere: all go one lane, and what is said of one goes
 * after it */
#include <stdlib.h>
#include <string.h>

#include "remote_int.h"
#include "timebase.h"
#include "value.h"

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
	full.trace = opt != NULL && opt->trace;
	full.deadline_ns = opt != NULL ? opt->deadline_ns : 0;
	*ret_payload = remote_op_write(op, &full);
	*ret_op = op;
	return *ret_payload != NULL ? 0 : MB_ERR_NO_MEMORY;
}

static uint64_t
call_go(struct mb_client *c, struct remote_op *op)
{
	uint64_t id = op->call->id;

	client_sent(c, op->call);
	remote_op_start(remote_call_lane(c->remote), op);
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

uint64_t
remote_wall_ns(const struct mb_client *c)
{
	return c->remote->wall_ns;
}

uint64_t
remote_day_us(struct mb_client *c)
{
	struct lane *l = &c->remote->lane[0];

	/* What it told last is not enough: its clock may have been set since, and ours, which tells
	 * how long ago that was, stands still while this machine sleeps. */
	lane_hello(l);
	while (!l->hello.done) {
		client_pump(c, 0);
	}
	return c->remote->day_us + timebase_now_ns(timebase_real()) / NS_PER_US;
}

bool
remote_taken(const struct mb_client *c, uint64_t call)
{
	const struct remote_op *op = &c->remote->op[SLOT(call)];

	return flow_ask_has_been_taken(&op->lane->ask, op);
}

void
remote_cancel(struct mb_client *c, const struct client_call *call, int err)
{
	struct rpc_request req = { .op = RPC_CANCEL, .call = call->id, .n = err };
	struct remote *r = c->remote;
	struct remote_op *op = &r->cancel;

	/* One at a time: what it does not reach its deadline does, or the next try. */
	if (op->bytes == NULL && remote_op_write(op, &req) != NULL) {
		free(op->answer);
		op->answer = NULL;
		remote_op_start(r->op[call - c->call].lane, op);
		r->way.ops->flush(r->way.carrier);
	}
}
