/* SPDX-License-Identifier: Apache-2.0 */
/* door - see door.h
 *
 * A request's bytes are a stranger's; rpc has checked the head, and whoever reads the payload
 * checks that. Names are copied to be zero-terminated; a zero inside one ends it, and then there
 * is no such function.
 *
 * A call is answered when its reply comes: which request it belongs to stands in pending, by the
 * slot of the call's id. State is door_state.c, administration door_admin.c.
 */

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "domain.h"
#include "door_int.h"
#include "kvs_msg.h"
#include "log.h"
#include "microburst/error.h"
#include "raw.h"
#include "timebase.h"
#include "value.h"

#define REPLY_BURST 64
#define ROOM_NS     (2 * NS_PER_MS) /* how long a call waits for a place in the channel to sched */

static_assert((int)MB_ACK_LOCAL == (int)KVS_ACK_LOCAL && (int)MB_ACK_ONE == (int)KVS_ACK_ONE &&
		      (int)MB_ACK_QUORUM == (int)KVS_ACK_QUORUM &&
		      (int)MB_ACK_ALL == (int)KVS_ACK_ALL,
	      "clients number them as the store does");

/* ------------------------------------------------------------------- answers */

uint8_t *
door_room(struct door *d, struct flow_ref ref, const struct rpc_reply *r, int full,
	  uint8_t **ret_all)
{
	uint8_t *p = net_tile_room(d->tile, ref, rpc_reply_bytes(r->payload.len));

	if (p == NULL) {
		net_tile_refuse(d->tile, ref, full);
		return NULL;
	}
	*ret_all = p;
	return rpc_reply_write(p, r);
}

void
door_reply(struct door *d, struct flow_ref ref, const struct rpc_reply *r)
{
	uint8_t *all;
	/* It has run; and that no room is left says nothing of it. */
	uint8_t *p = door_room(d, ref, r, MB_ERR_INDETERMINATE, &all);

	if (p == NULL) {
		return;
	}
	if (r->payload.len > 0) {
		copy_bytes(p, r->payload.p, r->payload.len);
	}
	net_tile_reply(d->tile, ref, all, rpc_reply_bytes(r->payload.len));
}

int16_t
door_err(int err)
{
	if (err < 0 && !mb_err_client_visible(err)) {
		err = err == MB_ERR_FULL ? MB_ERR_BUSY : MB_ERR_IO;
	}
	return (int16_t)err;
}

void
door_end(struct door *d, struct flow_ref ref, int err, int64_t n)
{
	struct rpc_reply r = { .err = door_err(err), .n = n };

	door_reply(d, ref, &r);
}

/* -------------------------------------------------------------------- values */

/* A list as mb_values that point into it. Returns: how many, or an error. */
static int
door_values(struct slice list, struct mb_value ret[MB_VALUES_MAX])
{
	struct value v[MB_VALUES_MAX];
	int n = ((uintptr_t)list.p & 7) == 0 ? value_list_read(list, v) : MB_ERR_CORRUPT;

	for (int i = 0; i < n; i++) {
		ret[i] = (struct mb_value){ .type = (enum mb_type)v[i].type,
					    .p = v[i].p,
					    .len = v[i].len };
		if (v[i].type == MB_I64) {
			ret[i].i64 = value_i64(v[i]);
		} else if (v[i].type == MB_F64) {
			ret[i].f64 = value_f64(v[i]);
		}
	}
	return n;
}

static bool
door_name(struct slice name, char *ret, size_t bytes)
{
	if (name.len == 0 || name.len >= bytes) {
		return false;
	}
	memcpy(ret, name.p, name.len);
	ret[name.len] = '\0';
	return true;
}

/* --------------------------------------------------------------------- calls */

/* Names and lists in turn, into d->dag_arg. Returns: how many functions, or an error. */
static int
door_dag_args(struct door *d, struct slice payload)
{
	struct value v[MB_VALUES_MAX];
	int n = value_list_read(payload, v);

	if (n < 0 || n % 2 != 0 || n / 2 > DAG_FUNCTION_MAX) {
		return n < 0 ? n : MB_ERR_INVALID;
	}
	for (int i = 0; i < n / 2; i++) {
		int cnt = v[2 * i + 1].type == MB_LIST
				  ? door_values(slice_of(v[2 * i + 1].p, v[2 * i + 1].len),
						d->dag_value[i])
				  : MB_ERR_INVALID;

		if (cnt < 0 || !door_name(slice_of(v[2 * i].p, v[2 * i].len), d->dag_name[i],
					  sizeof(d->dag_name[i]))) {
			return cnt < 0 ? cnt : MB_ERR_INVALID;
		}
		d->dag_arg[i] = (struct mb_dag_arg){ d->dag_name[i], d->dag_value[i], (size_t)cnt };
	}
	return n / 2;
}

static int
door_start_call(struct door *d, const char *name, const struct rpc_request *r, int arg_cnt,
		const struct mb_call_options *opt, uint64_t *ret_call)
{
	if (r->op == RPC_CALL) {
		return client_raw_call(d->client, name, r->payload, opt, ret_call);
	}
	if (r->op == RPC_FUTURE) {
		return mb_future_start(d->client, opt->request_id, opt, ret_call);
	}
	return mb_dag_start(d->client, name, d->dag_arg, (size_t)arg_cnt, opt, ret_call);
}

/* A client may have more requests open than a channel holds. The tile may wait, and what it waits
 * for may be on its cpu. */
static int
door_start_waiting(struct door *d, const char *name, const struct rpc_request *r, int arg_cnt,
		   const struct mb_call_options *opt, uint64_t *ret_call)
{
	const struct timebase *tb = timebase_real();
	int err = door_start_call(d, name, r, arg_cnt, opt, ret_call);
	uint64_t until_ns = err == MB_ERR_BUSY ? timebase_now_ns(tb) + ROOM_NS : 0;

	while (err == MB_ERR_BUSY && timebase_now_ns(tb) < until_ns) {
		sched_yield();
		client_raw_look(d->client);
		err = door_start_call(d, name, r, arg_cnt, opt, ret_call);
	}
	return err;
}

static void
door_call(struct door *d, struct flow_ref ref, const struct rpc_request *r)
{
	struct mb_call_options opt = { .deadline_ns = r->deadline_ns,
				       .level = (enum mb_level)r->level,
				       .ack = (enum mb_ack)r->ack,
				       .trace = r->trace,
				       .request_id = (uint64_t)r->n };
	char name[NAME_BYTES_MAX] = "";
	uint64_t call;
	int err, n = 0;

	if (r->op != RPC_FUTURE && !door_name(r->name, name, sizeof(name))) {
		err = r->op == RPC_DAG ? MB_ERR_NO_DAG : MB_ERR_NO_FUNCTION;
	} else {
		n = r->op == RPC_DAG ? door_dag_args(d, r->payload) : 0;
		err = n < 0 ? n : door_start_waiting(d, name, r, n, &opt, &call);
	}
	if (err != 0) {
		door_end(d, ref, err, 0);
		return;
	}
	d->pending[SLOT(call)] = (struct pending){ ref, call, r->call };
}

uint64_t
door_call_of(const struct door *d, struct flow_ref ref, uint64_t theirs)
{
	for (uint32_t i = 0; i < MB_CALLS_MAX; i++) {
		const struct pending *p = &d->pending[i];

		if (p->call != 0 && p->theirs == theirs && p->ref.session == ref.session &&
		    p->ref.gen == ref.gen) {
			return p->call;
		}
	}
	return theirs;
}

static void
door_cancel(struct door *d, struct flow_ref ref, const struct rpc_request *r)
{
	uint64_t call = door_call_of(d, ref, r->call);

	/* The node's names of calls have who made them in their upper half: never a client's. */
	door_end(d, ref, call != r->call ? mb_call_cancel(d->client, call) : MB_ERR_NOT_FOUND, 0);
}

static void
door_on_reply(struct door *d, struct mb_reply *reply)
{
	struct pending *p = &d->pending[SLOT(reply->call)];
	struct rpc_reply r = { .err = (int16_t)reply->err,
			       .executor = (uint16_t)reply->executor,
			       .run_ns = reply->run_ns,
			       .n = (int64_t)reply->call,
			       .payload = client_raw_bytes(reply) };

	if (reply->err != 0) {
		r.payload = slice_str(reply->text);
		if (!mb_err_client_visible(r.err)) {
			r.err = MB_ERR_IO;
		}
	}
	REQUIRE(p->call == reply->call);
	p->call = 0;
	door_reply(d, p->ref, &r);
	mb_reply_free(d->client, reply);
}

/* -------------------------------------------------------------------- service */

static void
door_hello(struct door *d, struct flow_ref ref)
{
	uint8_t p[2 * sizeof(uint64_t) + WAYS_BYTES_MAX];
	struct rpc_reply r = { .n = (int64_t)d->cfg.node_id };
	struct wbuf w = wbuf_init(p, 2 * sizeof(uint64_t));

	wbuf_u64(&w, client_raw_ms(d->client));
	wbuf_u64(&w, timebase_wall_us(timebase_real()));
	r.payload = slice_of(p, w.len + ways_write(p + w.len, d->cfg.ways));
	door_reply(d, ref, &r);
}

static noinline void
door_run(struct door *d, struct flow_ref ref, const struct rpc_request *r, struct slice bytes)
{
	switch (r->op) {
	case RPC_CALL:
	case RPC_DAG:
	case RPC_FUTURE:
		door_call(d, ref, r);
		break;
	case RPC_CANCEL:
		door_cancel(d, ref, r);
		break;
	case RPC_ADMIN:
		door_admin(d, ref, r);
		break;
	case RPC_HELLO:
		door_hello(d, ref);
		break;
	default:
		door_state(d, ref, r, bytes);
	}
}

static void
door_request(void *ctx, struct flow_ref ref, struct slice bytes)
{
	struct door *d = ctx;
	struct rpc_request r;

	if (unlikely(rpc_request_read(bytes, &r) != 0)) {
		net_tile_refuse(d->tile, ref, MB_ERR_CORRUPT);
	} else if (r.op != RPC_LOOK || !door_look(d, ref, &r)) {
		door_run(d, ref, &r, bytes);
	}
}

static int
door_start(void *ctx, struct net_tile *tile)
{
	struct door *d = ctx;
	int err = mb_client_open(&d->client, d->cfg.socket);

	d->tile = tile;
	d->lcore = net_tile_runs_on(tile);
	if (err != 0) {
		log_at(LOG_ERROR, "door: the node does not let its own net tile in: %s",
		       mb_err_text(err));
	}
	return err;
}

static noinline int
door_replies(struct door *d)
{
	struct mb_reply reply;
	int cnt = 0;

	/* Nearly always there is one: that no other has come is found for less than a poll. */
	while (cnt < REPLY_BURST && (cnt == 0 || !client_raw_idle(d->client)) &&
	       mb_call_poll(d->client, &reply) == 1) {
		door_on_reply(d, &reply);
		cnt++;
	}
	return cnt;
}

static int
door_poll(void *ctx, uint64_t now_ns)
{
	struct door *d = ctx;
	int cnt = likely(client_raw_idle(d->client)) ? 0 : door_replies(d);

	(void)now_ns;
	return STAILQ_EMPTY(&d->ready) ? cnt : cnt + door_state_poll(d);
}

static const _Atomic uint32_t *
door_arm(void *ctx, bool up, uint32_t *ret_expect)
{
	struct door *d = ctx;
	const _Atomic uint32_t *word = client_raw_arm(d->client, up, ret_expect);

	if (up) {
		client_raw_look(d->client);
	}
	return word;
}

static bool
door_waits(void *ctx)
{
	struct door *d = ctx;

	return client_raw_waits(d->client);
}

static bool
door_awaits(void *ctx)
{
	struct door *d = ctx;

	return client_raw_awaits(d->client);
}

static bool
door_drain(void *ctx)
{
	struct door *d = ctx;

	return !door_waits(ctx) && d->op_cnt == 0 && d->admin_cnt == 0;
}

static void
door_stop(void *ctx)
{
	struct door *d = ctx;

	door_admin_fini(d);
	mb_client_close(d->client);
	d->client = NULL;
}

int
door_create(struct door **ret, const struct door_cfg *cfg, struct net_service *ret_service)
{
	struct door *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	d->cfg = *cfg;
	door_state_init(d);
	door_admin_init(d);
	*ret_service = (struct net_service){ .start = door_start,
					     .request = door_request,
					     .take = door_take,
					     .give = door_give,
					     .back = door_back,
					     .poll = door_poll,
					     .tidy = door_tidy,
					     .arm = door_arm,
					     .awaits = door_awaits,
					     .waits = door_waits,
					     .drain = door_drain,
					     .stop = door_stop,
					     .ctx = d };
	*ret = d;
	return 0;
}

void
door_destroy(struct door *d)
{
	door_state_fini(d);
	free(d);
}
