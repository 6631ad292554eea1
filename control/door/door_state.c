/* SPDX-License-Identifier: Apache-2.0 */
/* door_state - the store, for remote clients
 *
 * A request is tried at once: what is in the cache is answered so. If a tile has to be asked, the
 * request is kept, with its bytes, and tried again when the answer is there (impl.h: _try); the
 * requests behind it are not held up. One client's requests may so be done in another order than
 * they came, as they may on their way; whoever wants an order waits for an answer.
 *
 * A slice of a request that was kept is moved with it; a value that a cache tile has by now is not
 * kept.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "door_int.h"
#include "envelope.h"
#include "kvs_msg.h"
#include "message.h"
#include "microburst/error.h"
#include "treeval.h"
#include "view.h"
#include "wire.h"
#include "write_msg.h"

#define OP_BURST 64
#define ANSWERED 2 /* by what was tried */

static void
op_woken(struct door_op *op)
{
	if (!op->queued) {
		op->queued = true;
		STAILQ_INSERT_TAIL(&op->door->ready, op, next);
	}
}

static void
write_woken(struct client_ask *ask)
{
	op_woken(container_of(ask, struct door_op, write.ask));
}

static void
take_woken(struct client_ask *ask)
{
	op_woken(container_of(ask, struct door_op, take.ask));
}

static void
ask_woken(struct client_ask *ask)
{
	op_woken(container_of(ask, struct door_op, ask));
}

static void
keys_woken(struct client_ask *ask)
{
	struct door_keys *k = container_of(ask, struct door_keys, scan.ask);

	op_woken(k->op);
}

/* ------------------------------------------------------------------------- what is asked for */

static bool
is_key(struct slice name)
{
	return name.len > 0 && name.len <= KEY_BYTES_MAX;
}

/* What is told of one key beside others: the rest ends all of it. */
static bool
is_visible(int err)
{
	return err <= 0 && err != MB_ERR_FULL && mb_err_client_visible(err);
}

/* How long an envelope is, flat. */
static int
flat_bytes(const struct cache_value *v, size_t *ret)
{
	struct envelope e;
	struct table t;
	int err = slice_is_tree(v->envelope) ? envelope_open(v->envelope, &e) : 0;

	*ret = v->envelope.len;
	if (err == 0 && slice_is_tree(v->envelope)) {
		err = table_open(e.state, &t);
		e.state = slice_of(NULL, err == 0 ? table_bytes(&t) : 0);
		*ret = envelope_bytes(&e);
	}
	return err;
}

/* Answers a request that changes nothing: the answer need not be kept. */
static inline void
look_tell(struct door *d, struct flow_ref ref, const struct rpc_reply *r)
{
	size_t len = rpc_reply_bytes(r->payload.len), max;
	uint8_t *p = net_tile_draft(d->tile, ref, &max), *payload;
	bool fits = p != NULL && len <= max;

	payload = fits ? rpc_reply_write(p, r) : door_room(d, ref, r, MB_ERR_NO_MEMORY, &p);
	if (payload == NULL) {
		return;
	}
	if (r->payload.len > 0) {
		memcpy(payload, r->payload.p, r->payload.len);
	}
	if (fits) {
		net_tile_draft_send(d->tile, ref, p, len);
	} else {
		net_tile_reply(d->tile, ref, p, len);
	}
}

/* The envelope of a collection with one item of it. */
static int
part_reply(struct door *d, struct flow_ref ref, const struct rpc_request *r,
	   const struct cache_value *v)
{
	struct rpc_reply reply = { 0 };
	struct envelope e;
	struct slice found;
	struct wbuf out;
	size_t bytes;
	int err = r->n != 0 && r->n != v->type ? MB_ERR_TYPE
					       : view_item(v->type, v->state, r->payload, &found);

	if (err == 0) {
		err = envelope_open(v->envelope, &e);
	}
	if (err != 0) {
		return err;
	}
	bytes = found.len + TABLE_ITEM_OVERHEAD + ENVELOPE_EXPIRY_OVERHEAD + ENVELOPE_OVERHEAD;
	out = wbuf_init(malloc(bytes), bytes);
	if (out.p == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	e.context = e.dependencies = slice_of(NULL, 0);
	err = view_part(found, &out);
	if (err == 0) {
		err = envelope_write_tail(&e, &out);
	}
	if (err == 0) {
		reply.payload = wbuf_slice(&out);
		look_tell(d, ref, &reply);
	}
	free(out.p);
	return err != 0 ? err : ANSWERED;
}

static int
whole_reply(struct door *d, struct flow_ref ref, struct cache_value *v)
{
	struct rpc_reply reply = { .payload = v->envelope };
	struct wbuf out;
	uint8_t *all, *p;
	size_t bytes;
	int err = flat_bytes(v, &bytes);

	if (err != 0 || bytes > WIRE_MESSAGE_MAX - RPC_REPLY_HEAD) {
		return err != 0 ? err : MB_ERR_TOO_LARGE;
	}
	if (likely(!slice_is_tree(v->envelope))) {
		if (bytes < DOOR_LEND_MIN || !door_lend(d, ref, v)) {
			look_tell(d, ref, &reply);
		}
		return ANSWERED;
	}
	reply.payload = slice_of(NULL, bytes);
	p = door_room(d, ref, &reply, MB_ERR_NO_MEMORY, &all);
	if (p == NULL) {
		return ANSWERED;
	}
	out = wbuf_init(p, bytes);
	err = treeval_write(v->envelope, &out);
	if (err == 0 && out.len == bytes) {
		net_tile_reply(d->tile, ref, all, rpc_reply_bytes(bytes));
	} else {
		net_tile_refuse(d->tile, ref, MB_ERR_CORRUPT);
	}
	return ANSWERED;
}

/* A part of an answer. Returns: how long it is; 0 when it has no place. */
static size_t
look_part(uint8_t *p, size_t room, int err, const struct cache_value *v)
{
	size_t bytes = 0;
	struct wbuf out;

	if (err == 0) {
		err = flat_bytes(v, &bytes);
	}
	bytes = err == 0 ? bytes : 0;
	if (!is_visible(err) || rpc_part_bytes(bytes) > room) {
		return 0;
	}
	p = rpc_part_write(p, err, bytes);
	if (err != 0) {
		return rpc_part_bytes(0);
	}
	if (likely(!slice_is_tree(v->envelope))) {
		copy_bytes(p, v->envelope.p, bytes);
		return rpc_part_bytes(bytes);
	}
	out = wbuf_init(p, bytes);
	if (treeval_write(v->envelope, &out) != 0 || out.len != bytes) {
		rpc_part_write(p - RPC_PART_HEAD, MB_ERR_CORRUPT, 0);
		bytes = 0;
	}
	return rpc_part_bytes(bytes);
}

/* The first key of many is told of alone: that has no place in a datagram, or the answer cannot be
 * a draft any more. An error is the key's, too: that of an answer would be all keys'. */
static int
first_reply(struct door *d, struct flow_ref ref, int err, const struct cache_value *v)
{
	struct rpc_reply reply = { .n = 1 };
	uint8_t *all, *p;
	size_t bytes = 0;

	if (err == 0) {
		err = flat_bytes(v, &bytes);
	}
	if (err == 0 && bytes > WIRE_MESSAGE_MAX - RPC_REPLY_HEAD - RPC_PART_HEAD - 8) {
		err = MB_ERR_TOO_LARGE;
	}
	if (!is_visible(err)) {
		return err;
	}
	reply.payload.len = rpc_part_bytes(err == 0 ? bytes : 0);
	p = door_room(d, ref, &reply, MB_ERR_NO_MEMORY, &all);
	if (p != NULL) {
		look_part(p, reply.payload.len, err, v);
		net_tile_reply(d->tile, ref, all, rpc_reply_bytes(reply.payload.len));
	}
	return ANSWERED;
}

/* The first key has been looked for: err, v. The others are, as far as they are here. */
static int
many_reply(struct door *d, struct flow_ref ref, const struct rpc_request *r, int err,
	   const struct cache_value *v)
{
	struct rbuf keys = rbuf_of(r->payload);
	struct rpc_reply reply = { .n = 1 };
	size_t max = 0, len = 0, part;
	uint8_t *p = net_tile_draft(d->tile, ref, &max);
	struct cache_value w;
	struct slice key;

	if (p != NULL && max > RPC_REPLY_HEAD) {
		max -= RPC_REPLY_HEAD;
		len = look_part(p + RPC_REPLY_HEAD, max, err, v);
	}
	if (len == 0) {
		return first_reply(d, ref, err, v);
	}
	while (rpc_item_next(&keys, &key) == 1 && is_key(key)) {
		err = client_look_now(d->client, key, &w);
		part = look_part(p + RPC_REPLY_HEAD + len, max - len, err, &w);
		if (err == 0) {
			client_look_end(d->client, &w);
		}
		if (part == 0) {
			break;
		}
		len += part;
		reply.n++;
	}
	reply.payload = slice_of(NULL, len);
	rpc_reply_write(p, &reply);
	net_tile_draft_send(d->tile, ref, p, rpc_reply_bytes(len));
	return ANSWERED;
}

/* Answers a look, for whose (first) key has been looked: err, v. */
static int
look_reply(struct door *d, struct flow_ref ref, const struct rpc_request *r, int err,
	   struct cache_value *v)
{
	int said = r->n == 1            ? many_reply(d, ref, r, err, v)
		   : err != 0           ? err
		   : r->payload.len > 0 ? part_reply(d, ref, r, v)
					: whole_reply(d, ref, v);

	if (err == 0) {
		client_look_end(d->client, v);
	}
	return said;
}

static int
run_look(struct door_op *op)
{
	struct cache_value v;
	int err = client_look_try(op->door->client, op->r.name, &v, &op->ask);

	if (err == CLIENT_PENDING || err == MB_ERR_FULL) {
		return err;
	}
	return look_reply(op->door, op->ref, &op->r, err, &v);
}

static int
run_take(struct door_op *op)
{
	struct mb_client *c = op->door->client;
	int err = client_take_try(c, &op->take);

	if (err == 0) {
		struct rpc_reply reply = { .payload = op->take.e.member };

		memcpy(&reply.n, &op->take.e.score, sizeof(reply.n));
		door_reply(op->door, op->ref, &reply);
		client_look_end(c, &op->take.v);
		err = ANSWERED;
	}
	return err;
}

static bool
on_key(void *ctx, const char *key, size_t len)
{
	struct door_keys *k = ctx;
	size_t need = k->out.len + rpc_item_bytes(len);

	if (need > k->out.cap) {
		size_t cap = MIN(MAX(2 * need, (size_t)4096), (size_t)VALUE_BYTES_MAX);
		uint8_t *p = need <= cap ? realloc(k->out.p, cap) : NULL;

		k->err = need > cap ? MB_ERR_TOO_LARGE : p == NULL ? MB_ERR_NO_MEMORY : 0;
		if (k->err != 0) {
			return false;
		}
		k->out.p = p;
		k->out.cap = cap;
	}
	rpc_item_write(&k->out, key, len);
	return true;
}

static int
run_keys(struct door_op *op)
{
	struct door_keys *k = op->keys;
	int err;

	REQUIRE(k != NULL);
	err = client_scan_try(op->door->client, &k->scan, on_key, k);
	if (err == 0) {
		err = k->err;
	}
	if (err == 0) {
		struct rpc_reply reply = { .payload = wbuf_slice(&k->out) };

		door_reply(op->door, op->ref, &reply);
		err = ANSWERED;
	}
	return err;
}

static int
op_run(struct door_op *op)
{
	struct mb_client *c = op->door->client;

	switch (op->r.op) {
	case RPC_LOOK:
		return run_look(op);
	case RPC_WRITE:
		return client_write_try(c, &op->write);
	case RPC_TAKE:
		return run_take(op);
	case RPC_KEYS:
		return run_keys(op);
	default:
		return client_send_try(c, op->r.call, op->r.payload, &op->ask);
	}
}

/* ---------------------------------------------------------------------------- a request's life */

static int
op_begin(struct door_op *op)
{
	struct door *d = op->door;
	const struct rpc_request *r = &op->r;
	int err = 0;

	if (r->ack > KVS_ACK_ALL) {
		return MB_ERR_INVALID;
	}
	switch (r->op) {
	case RPC_LOOK:
		op->ask.woken = ask_woken;
		return is_key(r->name) ? 0 : MB_ERR_INVALID;
	case RPC_WRITE:
		err = write_msg_read(r->payload, d->client->d->welcome.cache_cnt, &op->write);
		if (err != 0) {
			return err;
		}
		op->write.op.ref = door_large_ref(d, op->write.op.value);
		op->write.told = op->write.told && r->n != 0;
		op->write.ack = r->ack;
		op->write.ask.woken = write_woken;
		return 0;
	case RPC_TAKE:
		op->take = (struct client_take){
			.op = { .kind = (r->n & 2) != 0 ? WSET_ZREM : WSET_LIST_DEL,
				.key = r->name },
			.end = (r->n & 1) != 0,
			.ack = r->ack,
			.ask = { .woken = take_woken },
		};
		return is_key(r->name) ? 0 : MB_ERR_INVALID;
	case RPC_KEYS:
		if (r->payload.len > KEY_BYTES_MAX) {
			return MB_ERR_TOO_LARGE;
		}
		op->keys = calloc(1, sizeof(*op->keys));
		if (op->keys == NULL) {
			return MB_ERR_NO_MEMORY;
		}
		op->keys->op = op;
		op->keys->scan.prefix = r->payload;
		op->keys->scan.ask.woken = keys_woken;
		return 0;
	default:
		op->r.call = door_call_of(d, op->ref, r->call);
		op->ask.woken = ask_woken;
		return r->payload.len > MESSAGE_BYTES_MAX ? MB_ERR_TOO_LARGE : 0;
	}
}

static void
op_drop(struct door_op *op)
{
	if (op->keys != NULL) {
		free(op->keys->out.p);
		free(op->keys);
	}
	if (op->kept != op->small) {
		free(op->kept);
	}
	op->keys = NULL;
	op->kept = NULL;
}

static void
op_free(struct door_op *op)
{
	op_drop(op);
	door_large_over(op);
	op->door->op_cnt--;
	STAILQ_INSERT_HEAD(&op->door->free, op, next);
}

static void
move(struct slice *s, ptrdiff_t by)
{
	if (s->len > 0) {
		s->p += by;
	}
}

/* Keeps what a request's slices point to. */
static bool
op_keep(struct door_op *op, struct slice bytes)
{
	struct client_write *w = op->r.op == RPC_WRITE ? &op->write : NULL;
	ptrdiff_t by;

	if (w != NULL && w->ask.open) {
		door_large_keep(op, w->op.value.p);
	}
	if (w != NULL) {
		w->op.ref = (struct payload_ref){ 0 }; /* from here on it may be gone */
	}
	if (w != NULL && w->step == 1 && w->ask.open && !w->told) {
		/* A cache tile has all of it. */
		op->r.name = op->r.payload = w->set = slice_of(NULL, 0);
		w->op.key = w->op.field = w->op.value = slice_of(NULL, 0);
		return true;
	}
	if (w != NULL && w->step == 1 && w->ask.open && w->set.len == 0 &&
	    w->op.value.len > WSET_INLINE_MAX) {
		bytes.len = (size_t)(w->op.value.p - bytes.p);
		op->r.payload = w->op.value = slice_of(NULL, 0);
	}
	op->kept = bytes.len <= sizeof(op->small) ? op->small : malloc(bytes.len);
	if (op->kept == NULL) {
		return false;
	}
	copy_bytes(op->kept, bytes.p, bytes.len);
	by = op->kept - bytes.p;
	move(&op->r.name, by);
	move(&op->r.payload, by);
	if (w != NULL) {
		move(&w->op.key, by);
		move(&w->op.field, by);
		move(&w->op.value, by);
		move(&w->set, by);
	} else if (op->r.op == RPC_TAKE) {
		move(&op->take.op.key, by);
	} else if (op->keys != NULL) {
		move(&op->keys->scan.prefix, by);
	}
	return true;
}

static void
op_end(struct door_op *op, int err)
{
	if (err != ANSWERED) {
		door_end(op->door, op->ref, err,
			 err == 0 && op->r.op == RPC_WRITE ? op->write.n : 0);
	}
	op_free(op);
}

bool
door_look(struct door *d, struct flow_ref ref, const struct rpc_request *r)
{
	struct cache_value v;
	int err = is_key(r->name) ? client_look_now(d->client, r->name, &v) : CLIENT_PENDING;

	if (err == CLIENT_PENDING || err == MB_ERR_FULL) {
		return false;
	}
	if (likely(err == 0 && r->n == 0 && r->payload.len == 0 && !slice_is_tree(v.envelope) &&
		   v.envelope.len < DOOR_LEND_MIN)) {
		look_tell(d, ref, &(struct rpc_reply){ .payload = v.envelope });
		client_look_end(d->client, &v);
		return true;
	}
	err = look_reply(d, ref, r, err, &v);
	if (err != ANSWERED) {
		look_tell(d, ref, &(struct rpc_reply){ .err = door_err(err) });
	}
	return true;
}

void
door_state(struct door *d, struct flow_ref ref, const struct rpc_request *r, struct slice bytes)
{
	struct door_op *op;
	int err;

	op = STAILQ_FIRST(&d->free);
	if (op == NULL) {
		net_tile_refuse(d->tile, ref, MB_ERR_BUSY);
		return;
	}
	STAILQ_REMOVE_HEAD(&d->free, next);
	d->op_cnt++;
	op->ref = ref;
	op->r = *r;
	op->ask = (struct client_ask){ 0 };
	op->keys = NULL;
	op->lost = false;
	err = op_begin(op);
	if (err == 0) {
		err = op_run(op);
	}
	if (err != CLIENT_PENDING && err != MB_ERR_FULL) {
		op_end(op, err);
		return;
	}
	if (!op_keep(op, bytes)) {
		/* It may be done, but nothing more can be said of it. */
		net_tile_refuse(d->tile, ref, MB_ERR_INDETERMINATE);
		op->lost = true;
	}
	if (err == MB_ERR_FULL) { /* nothing is open that would wake it */
		op_woken(op);
	}
}

int
door_state_poll(struct door *d)
{
	int cnt = 0;

	for (; cnt < OP_BURST && !STAILQ_EMPTY(&d->ready); cnt++) {
		struct door_op *op = STAILQ_FIRST(&d->ready);
		int err;

		STAILQ_REMOVE_HEAD(&d->ready, next);
		op->queued = false;
		err = op->lost ? ANSWERED : op_run(op);
		if (err == MB_ERR_FULL) { /* what the channel holds will be answered first */
			op_woken(op);
			break;
		}
		if (err != CLIENT_PENDING) {
			op_end(op, err);
		}
	}
	return cnt;
}

void
door_state_init(struct door *d)
{
	STAILQ_INIT(&d->free);
	STAILQ_INIT(&d->ready);
	for (uint32_t i = 0; i < DOOR_OP_CNT; i++) {
		d->op[i].door = d;
		STAILQ_INSERT_TAIL(&d->free, &d->op[i], next);
	}
}

/* What was cut off when the node stopped. */
void
door_state_fini(struct door *d)
{
	for (uint32_t i = 0; i < DOOR_OP_CNT; i++) {
		op_drop(&d->op[i]);
	}
}
