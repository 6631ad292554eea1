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

/* The envelope of a collection with one item of it. */
static int
part_reply(struct door_op *op, const struct cache_value *v)
{
	struct rpc_reply reply = { 0 };
	struct envelope e;
	struct slice found;
	struct wbuf out;
	size_t bytes;
	int err = view_item(v->type, v->state, op->r.payload, &found);

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
		door_reply(op->door, op->ref, &reply);
	}
	free(out.p);
	return err != 0 ? err : ANSWERED;
}

static int
whole_reply(struct door_op *op, const struct cache_value *v)
{
	struct door *d = op->door;
	struct rpc_reply reply = { 0 };
	struct wbuf out;
	uint8_t *all, *p;
	size_t bytes;
	int err = flat_bytes(v, &bytes);

	if (err != 0 || bytes > WIRE_MESSAGE_MAX - RPC_REPLY_HEAD) {
		return err != 0 ? err : MB_ERR_TOO_LARGE;
	}
	reply.payload.len = bytes;
	p = door_room(d, op->ref, &reply, &all);
	if (p == NULL) {
		return ANSWERED;
	}
	out = wbuf_init(p, bytes);
	err = treeval_write(v->envelope, &out);
	if (err == 0 && out.len == bytes) {
		net_tile_reply(d->tile, op->ref, all, rpc_reply_bytes(bytes));
	} else {
		net_tile_refuse(d->tile, op->ref, MB_ERR_CORRUPT);
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
	if (rpc_part_bytes(bytes) > room) {
		return 0;
	}
	out = wbuf_init(rpc_part_write(p, err, bytes), bytes);
	if (err == 0 && (treeval_write(v->envelope, &out) != 0 || out.len != bytes)) {
		rpc_part_write(p, MB_ERR_CORRUPT, 0);
		bytes = 0;
	}
	return rpc_part_bytes(bytes);
}

/* The first key has been looked for: err, v. The others are, as far as they are here. */
static int
run_looks(struct door_op *op, int err, struct cache_value *v)
{
	struct mb_client *c = op->door->client;
	size_t width = net_tile_width(op->door->tile, op->ref), first = 0, len, part;
	struct rbuf keys = rbuf_of(op->r.payload);
	struct rpc_reply reply = { .n = 0 };
	uint8_t *parts;
	struct slice key;

	if (err == 0 && flat_bytes(v, &first) == 0) {
		width = MAX(width, RPC_REPLY_HEAD + rpc_part_bytes(first));
	}
	width = MIN(width, (size_t)WIRE_MESSAGE_MAX);
	parts = width > RPC_REPLY_HEAD ? malloc(width) : NULL;
	if (parts == NULL) {
		if (err == 0) {
			client_look_end(c, v);
		}
		return MB_ERR_NO_MEMORY;
	}
	width -= RPC_REPLY_HEAD;
	len = 0;
	do {
		part = is_visible(err) ? look_part(parts + len, width - len, err, v) : 0;
		if (err == 0) {
			client_look_end(c, v);
		}
		len += part;
		reply.n += part > 0;
		if (part == 0 || rpc_item_next(&keys, &key) != 1 || !is_key(key)) {
			break;
		}
		err = client_look_now(c, key, v);
	} while (true);
	reply.payload = slice_of(parts, len);
	if (reply.n > 0) {
		door_reply(op->door, op->ref, &reply);
	}
	free(parts);
	return reply.n > 0 ? ANSWERED : err != 0 ? err : MB_ERR_TOO_LARGE;
}

static int
run_look(struct door_op *op)
{
	struct mb_client *c = op->door->client;
	struct cache_value v;
	int err = client_look_try(c, op->r.name, &v, &op->ask);

	if (op->r.n == 1 && err != CLIENT_PENDING && err != MB_ERR_FULL) {
		return run_looks(op, err, &v);
	}
	if (err == 0) {
		err = op->r.payload.len > 0 ? part_reply(op, &v) : whole_reply(op, &v);
		client_look_end(c, &v);
	}
	return err;
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
		op->write.told = op->write.told && r->n != 0;
		op->write.ack = r->ack;
		op->write.ask.woken = write_woken;
		return err;
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

	if (w != NULL && w->step == 1 && w->ask.open && w->set.len == 0 &&
	    w->op.value.len > WSET_INLINE_MAX) {
		bytes.len = (size_t)(w->op.value.p - bytes.p);
		op->r.payload = w->op.value = slice_of(NULL, 0);
	}
	op->kept = bytes.len <= sizeof(op->small) ? op->small : malloc(bytes.len);
	if (op->kept == NULL) {
		return false;
	}
	memcpy(op->kept, bytes.p, bytes.len);
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

void
door_state(struct door *d, struct flow_ref ref, const struct rpc_request *r, struct slice bytes)
{
	struct door_op *op = STAILQ_FIRST(&d->free);
	int err;

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
