/* SPDX-License-Identifier: Apache-2.0 */
/* door - see door.h
 *
 * A request's bytes are a stranger's; rpc has checked the head, and whoever reads the payload
 * checks that. Names are copied to be zero-terminated; a zero inside one ends it, and then there
 * is no such function.
 *
 * A call is answered when its reply comes: which request it belongs to stands in pending, by the
 * slot of the call's id. State is read and written before the next request is looked at; that waits
 * for a cache tile, for microseconds, as the tile may.
 */
#include "door.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "domain.h"
#include "kvs_msg.h"
#include "log.h"
#include "microburst/error.h"
#include "raw.h"
#include "rpc.h"
#include "timebase.h"
#include "value.h"

#define REPLY_BURST 64
#define ROOM_NS     (2 * NS_PER_MS) /* how long a call waits for a place in the channel to sched */
#define SLOT(id)    ((uint32_t)((id) & (MB_CALLS_MAX - 1)))

static_assert((int)MB_ACK_LOCAL == (int)KVS_ACK_LOCAL && (int)MB_ACK_ONE == (int)KVS_ACK_ONE &&
		      (int)MB_ACK_QUORUM == (int)KVS_ACK_QUORUM &&
		      (int)MB_ACK_ALL == (int)KVS_ACK_ALL,
	      "clients number them as the store does");

struct pending {
	struct flow_ref ref;
	uint64_t call;   /* here; 0: none */
	uint64_t theirs; /* the client's name for it */
};

struct door {
	struct door_cfg cfg;
	struct mb_client *client;
	struct net_tile *tile;
	struct pending pending[MB_CALLS_MAX];
	/* one request at a time */
	struct mb_value value[MB_VALUES_MAX];
	struct mb_value dag_value[DAG_FUNCTION_MAX][MB_VALUES_MAX];
	struct mb_dag_arg dag_arg[DAG_FUNCTION_MAX];
	char dag_name[DAG_FUNCTION_MAX][2 * NAME_BYTES_MAX];
};

/* ------------------------------------------------------------------- answers */

/* Answers with a head and a payload; payload.p may be NULL: the caller fills it in.
 * Returns: where the payload is; NULL when the request was refused. */
static uint8_t *
door_room(struct door *d, struct flow_ref ref, const struct rpc_reply *r, uint8_t **ret_all)
{
	uint8_t *p = net_tile_room(d->tile, ref, rpc_reply_bytes(r->payload.len));

	if (p == NULL) {
		/* It has run; and that no room is left says nothing of it. */
		net_tile_refuse(d->tile, ref, MB_ERR_INDETERMINATE);
		return NULL;
	}
	*ret_all = p;
	return rpc_reply_write(p, r);
}

static void
door_reply(struct door *d, struct flow_ref ref, const struct rpc_reply *r)
{
	uint8_t *all;
	uint8_t *p = door_room(d, ref, r, &all);

	if (p == NULL) {
		return;
	}
	if (r->payload.len > 0) {
		memcpy(p, r->payload.p, r->payload.len);
	}
	net_tile_reply(d->tile, ref, all, rpc_reply_bytes(r->payload.len));
}

static void
door_end(struct door *d, struct flow_ref ref, int err, int64_t n)
{
	struct rpc_reply r = { .err = (int16_t)err, .n = n };

	if (err < 0 && !mb_err_client_visible(err)) {
		r.err = err == MB_ERR_FULL ? MB_ERR_BUSY : MB_ERR_IO;
	}
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

static void
door_cancel(struct door *d, struct flow_ref ref, const struct rpc_request *r)
{
	int err = MB_ERR_NOT_FOUND;

	for (uint32_t i = 0; i < MB_CALLS_MAX; i++) {
		struct pending *p = &d->pending[i];

		if (p->call != 0 && p->theirs == r->call && p->ref.session == ref.session &&
		    p->ref.gen == ref.gen) {
			err = mb_call_cancel(d->client, p->call);
			break;
		}
	}
	door_end(d, ref, err, 0);
}

static void
door_on_reply(struct door *d, struct mb_reply *reply)
{
	struct pending *p = &d->pending[SLOT(reply->call)];
	struct rpc_reply r = { .err = (int16_t)reply->err,
			       .executor = (uint16_t)reply->executor,
			       .run_ns = reply->run_ns,
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

/* --------------------------------------------------------------------- state */

static void
door_get(struct door *d, struct flow_ref ref, const char *key, size_t len)
{
	struct mb_held held = { 0 };
	int err = mb_client_get(d->client, key, len, &held);

	if (err == 0) {
		struct rpc_reply r = { .payload = slice_of(held.p, held.len) };

		door_reply(d, ref, &r);
		mb_client_release(d->client, &held);
	} else {
		door_end(d, ref, err, 0);
	}
}

static void
door_members(struct door *d, struct flow_ref ref, const char *key, const struct rpc_request *r)
{
	int cnt = door_values(r->payload, d->value);
	size_t changed = 0;
	int err = cnt < 0             ? cnt
		  : r->op == RPC_SADD ? mb_client_sadd(d->client, key, r->name.len, d->value,
						       (size_t)cnt, &changed)
				      : mb_client_srem(d->client, key, r->name.len, d->value,
						       (size_t)cnt, &changed);

	door_end(d, ref, err, (int64_t)changed);
}

/* Requests about one field of a map. An empty field is no field: a length of 0 would mean a string
 * that ends with a zero. */
static void
door_field(struct door *d, struct flow_ref ref, const char *key, const struct rpc_request *r)
{
	struct rbuf items = rbuf_of(r->payload);
	struct slice f, value = { 0 };
	size_t len = r->name.len;
	struct mb_held held = { 0 };
	int64_t n = 0;
	int err = MB_ERR_INVALID;

	if (rpc_item_next(&items, &f) == 1 && f.len > 0 &&
	    (r->op != RPC_HSET || rpc_item_next(&items, &value) == 1)) {
		const char *field = (const char *)f.p;

		err = r->op == RPC_HSET ? mb_client_hset(d->client, key, len, field, f.len, value.p,
							 value.len)
		      : r->op == RPC_HINCR
			      ? mb_client_hincr(d->client, key, len, field, f.len, r->n, &n)
		      : r->op == RPC_HGET ? mb_client_hget(d->client, key, len, field, f.len, &held)
					  : mb_client_hdel(d->client, key, len, field, f.len);
	}
	if (err == 0 && r->op == RPC_HGET) {
		struct rpc_reply reply = { .payload = slice_of(held.p, held.len) };

		door_reply(d, ref, &reply);
		mb_client_release(d->client, &held);
	} else {
		door_end(d, ref, err, n);
	}
}

/* What is listed is gone through twice: how long it is, then into an answer of that length. A key
 * that came in between is left out if it has no room. */
struct listing {
	size_t bytes;
	struct wbuf out;
	bool writing;
	int64_t per; /* items of a member */
};

static bool
on_item(struct listing *l, const void *p, size_t len)
{
	if (!l->writing) {
		l->bytes += rpc_item_bytes(len);
		return l->bytes <= VALUE_BYTES_MAX;
	}
	if (rpc_item_bytes(len) > l->out.cap - l->out.len) {
		return false;
	}
	rpc_item_write(&l->out, p, len);
	return true;
}

static bool
on_key(void *ctx, const char *key, size_t len)
{
	return on_item(ctx, key, len);
}

static bool
on_member(void *ctx, const void *p, size_t len, const void *p2, size_t len2)
{
	struct listing *l = ctx;
	size_t both = rpc_item_bytes(len) + rpc_item_bytes(len2);

	if (p2 == NULL) {
		return on_item(l, p, len);
	}
	l->per = 2;
	if (l->writing && both > l->out.cap - l->out.len) {
		return false;
	}
	return on_item(l, p, len) && on_item(l, p2, len2);
}

static int
door_list_once(struct door *d, const struct rpc_request *r, const char *key, struct listing *l)
{
	if (r->op == RPC_KEYS) {
		return mb_client_keys(d->client, (const char *)r->payload.p, r->payload.len, on_key,
				      l);
	}
	return mb_client_members(d->client, key, r->name.len, on_member, l);
}

static void
door_list(struct door *d, struct flow_ref ref, const char *key, const struct rpc_request *r)
{
	struct listing l = { .per = 1 };
	int err = door_list_once(d, r, key, &l);
	struct rpc_reply reply = { 0 };
	uint8_t *all, *p;

	if (err == 0 && l.bytes > VALUE_BYTES_MAX) {
		err = MB_ERR_TOO_LARGE;
	}
	if (err != 0) {
		door_end(d, ref, err, 0);
		return;
	}
	reply.payload.len = l.bytes;
	p = door_room(d, ref, &reply, &all);
	if (p == NULL) {
		return;
	}
	l.writing = true;
	l.out = wbuf_init(p, l.bytes);
	if (door_list_once(d, r, key, &l) != 0 || l.out.len != l.bytes) {
		/* It shrank meanwhile: what the answer says must be what it holds. */
		net_tile_refuse(d->tile, ref, MB_ERR_BUSY);
		return;
	}
	reply.n = l.per;
	rpc_reply_write(all, &reply);
	net_tile_reply(d->tile, ref, all, rpc_reply_bytes(l.bytes));
}

static void
door_state(struct door *d, struct flow_ref ref, const struct rpc_request *r)
{
	char key[KEY_BYTES_MAX + 1];
	int64_t n = 0;
	int err = 0;

	if (!door_name(r->name, key, sizeof(key)) ||
	    mb_client_ack(d->client, (enum mb_ack)r->ack) != 0) {
		door_end(d, ref, MB_ERR_INVALID, 0);
		return;
	}
	switch (r->op) {
	case RPC_GET:
		door_get(d, ref, key, r->name.len);
		return;
	case RPC_SADD:
	case RPC_SREM:
		door_members(d, ref, key, r);
		return;
	case RPC_HSET:
	case RPC_HINCR:
	case RPC_HGET:
	case RPC_HDEL:
		door_field(d, ref, key, r);
		return;
	case RPC_MEMBERS:
		door_list(d, ref, key, r);
		return;
	case RPC_SET:
		err = mb_client_set(d->client, key, r->name.len, r->payload.p, r->payload.len);
		break;
	case RPC_INCR:
		err = mb_client_incr(d->client, key, r->name.len, r->n, &n);
		break;
	case RPC_EXPIRE:
		err = mb_client_expire(d->client, key, r->name.len, r->n);
		break;
	default:
		err = mb_client_del(d->client, key, r->name.len);
	}
	door_end(d, ref, err, n);
}

/* ------------------------------------------------------------ administration */

static void
door_admin(struct door *d, struct flow_ref ref, const struct rpc_request *r)
{
	struct rpc_reply reply = { 0 };
	char *text, *answer = NULL;
	int err;

	if (!d->cfg.admin || r->payload.len > DOMAIN_TEXT_MAX) {
		door_end(d, ref, d->cfg.admin ? MB_ERR_TOO_LARGE : MB_ERR_DENIED, 0);
		return;
	}
	text = malloc(r->payload.len + 1);
	if (text == NULL) {
		door_end(d, ref, MB_ERR_NO_MEMORY, 0);
		return;
	}
	memcpy(text, r->payload.p, r->payload.len);
	text[r->payload.len] = '\0';
	err = mb_client_admin(d->client, text, NULL, 0, &answer);
	reply.err = (int16_t)(mb_err_client_visible(err) ? err : MB_ERR_IO);
	reply.payload = answer != NULL ? slice_str(answer) : slice_of(NULL, 0);
	door_reply(d, ref, &reply);
	free(answer);
	free(text);
}

/* -------------------------------------------------------------------- service */

static void
door_request(void *ctx, struct flow_ref ref, struct slice bytes)
{
	struct door *d = ctx;
	struct rpc_request r;

	if (rpc_request_read(bytes, &r) != 0) {
		net_tile_refuse(d->tile, ref, MB_ERR_CORRUPT);
		return;
	}
	switch (r.op) {
	case RPC_CALL:
	case RPC_DAG:
	case RPC_FUTURE:
		door_call(d, ref, &r);
		break;
	case RPC_CANCEL:
		door_cancel(d, ref, &r);
		break;
	case RPC_KEYS:
		door_list(d, ref, "", &r);
		break;
	case RPC_ADMIN:
		door_admin(d, ref, &r);
		break;
	case RPC_HELLO:
		door_end(d, ref, 0, (int64_t)d->cfg.node_id);
		break;
	default:
		door_state(d, ref, &r);
	}
}

static int
door_start(void *ctx, struct net_tile *tile)
{
	struct door *d = ctx;
	int err = mb_client_open(&d->client, d->cfg.socket);

	d->tile = tile;
	if (err != 0) {
		log_at(LOG_ERROR, "door: the node does not let its own net tile in: %s",
		       mb_err_text(err));
	}
	return err;
}

static int
door_poll(void *ctx, uint64_t now_ns)
{
	struct door *d = ctx;
	struct mb_reply reply;
	int cnt = 0;

	(void)now_ns;
	while (cnt < REPLY_BURST && mb_call_poll(d->client, &reply) == 1) {
		door_on_reply(d, &reply);
		cnt++;
	}
	return cnt;
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
door_drain(void *ctx)
{
	return !door_waits(ctx);
}

static void
door_stop(void *ctx)
{
	struct door *d = ctx;

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
	*ret_service = (struct net_service){ .start = door_start,
					     .request = door_request,
					     .poll = door_poll,
					     .arm = door_arm,
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
	free(d);
}
