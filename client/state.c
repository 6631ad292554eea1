/* SPDX-License-Identifier: Apache-2.0 */
/* state - reading the cache in place, and writing through the cache tile that serves the key.
 * Collections are in collection.c. */
#include <stdlib.h>
#include <string.h>

#include "cache_msg.h"
#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "envelope.h"
#include "hash.h"
#include "impl.h"
#include "lattice.h"
#include "map.h"
#include "remote.h"
#include "timebase.h"

#define FETCH_TRIES 16 /* a key can be evicted between FETCHED and the look */

/* The port of the cache tile that has a key. */
static uint32_t
client_tile(const struct mb_client *c, uint64_t hash)
{
	return PORT_CACHE_FIRST + cache_tile_of(hash, c->d->welcome.cache_cnt);
}

int
client_key(const char *key, size_t len, struct slice *ret)
{
	*ret = (struct slice){ .p = (const uint8_t *)key, .len = len != 0 ? len : strlen(key) };
	return ret->len == 0 ? MB_ERR_INVALID : ret->len > KEY_BYTES_MAX ? MB_ERR_TOO_LARGE : 0;
}

static int
client_fetch(struct mb_client *c, struct slice key, uint64_t hash, struct client_ask *ask)
{
	struct desc d = { .kind = DESC_FETCH };
	int err = domain_payload(c->d, &d, key.p, key.len, c->d->proc);

	return err != 0 ? err : client_ask_start(c, client_tile(c, hash), &d, ask);
}

/* Whether a value that expires, and that the cache still shows, has reached its deadline. */
static noinline bool
client_expired(const struct cache_value *v)
{
	struct envelope e;

	return envelope_open(v->envelope, &e) == 0 &&
	       envelope_expired(&e, hlc_time_of_us(timebase_wall_us(timebase_real())));
}

static inline int
look_hashed(struct mb_client *c, uint64_t hash, struct slice key, struct cache_value *v)
{
	int n;

	if (unlikely(c->dead != 0)) { /* what is still mapped is nobody's any more */
		return c->dead;
	}
	n = cache_view_get_hashed(&c->view, hash, key, v);
	if (n == CACHE_HIT && envelope_expires(v->envelope) && client_expired(v)) {
		n = CACHE_ABSENT;
	}
	if (n == CACHE_ABSENT) {
		cache_view_release(&c->view, v);
	}
	return n == CACHE_HIT      ? 0
	       : n == CACHE_ABSENT ? MB_ERR_NOT_FOUND
	       : n == CACHE_MISS   ? CLIENT_PENDING
				   : n;
}

int
client_look_now(struct mb_client *c, struct slice key, struct cache_value *v)
{
	return look_hashed(c, hash_bytes(key.p, key.len), key, v);
}

int
client_look_try(struct mb_client *c, struct slice key, struct cache_value *v,
		struct client_ask *ask)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	int n = ask->done ? client_ask_end(ask) : 0;

	if (n == 0) {
		n = look_hashed(c, hash, key, v);
	}
	if (n == CLIENT_PENDING && ask->tries < FETCH_TRIES) {
		n = client_fetch(c, key, hash, ask);
		ask->tries += n == CLIENT_PENDING;
		return n;
	}
	ask->tries = 0;
	return n == CLIENT_PENDING ? MB_ERR_BUSY : n;
}

int
client_look(struct mb_client *c, struct slice key, struct cache_value *v)
{
	struct client_ask ask = { 0 };
	int err;

	if (unlikely(c->remote != NULL)) {
		return remote_look(c, key, v);
	}
	do {
		err = client_look_try(c, key, v, &ask);
	} while (client_ask_wait(c, err, &ask));
	return err;
}

int
client_look_item(struct mb_client *c, unsigned int type, const struct wset_op *op,
		 struct cache_value *v)
{
	int err = unlikely(c->remote != NULL) ? remote_look_item(c, type, op, v)
					      : client_look(c, op->key, v);

	if (err == 0 && v->type != type) {
		client_look_end(c, v);
		return MB_ERR_TYPE;
	}
	return err;
}

void
client_look_end(struct mb_client *c, struct cache_value *v)
{
	if (unlikely(c->remote != NULL)) {
		remote_look_end(c, v);
	} else {
		cache_view_release(&c->view, v);
	}
}

int
mb_client_get(struct mb_client *c, const char *key, size_t key_len, struct mb_held *ret)
{
	struct client_held *h = malloc(sizeof(*h));
	struct slice k, text;
	int err = h == NULL ? MB_ERR_NO_MEMORY : client_key(key, key_len, &k);

	if (err == 0) {
		err = client_look(c, k, &h->v);
	}
	if (err == 0) {
		err = view_text(h->v.type, h->v.state, h->text, &text);
		if (err != 0) {
			client_look_end(c, &h->v);
		}
	}
	if (err != 0) {
		free(h);
		return err;
	}
	*ret = (struct mb_held){ .p = text.p, .len = text.len, .internal = h };
	return 0;
}

void
mb_client_release(struct mb_client *c, struct mb_held *held)
{
	struct client_held *h = held->internal;

	if (h != NULL) {
		client_look_end(c, &h->v);
		free(h);
		held->internal = NULL;
	}
}

/* ------------------------------------------------------------------ writes */

int
mb_client_ack(struct mb_client *c, enum mb_ack ack)
{
	if ((unsigned int)ack > MB_ACK_ALL) {
		return MB_ERR_INVALID;
	}
	c->ack = (uint8_t)ack;
	return 0;
}

/* Sends a set of operations; value: what the only one of them refers to, or handle 0. */
static int
publish_set(struct mb_client *c, struct slice set, uint64_t hash, struct payload_ref value,
	    uint8_t ack, struct client_ask *ask)
{
	struct desc d = { .kind = DESC_PUBLISH, .sub = ack };
	int err = domain_payload(c->d, &d, set.p, set.len, c->d->proc);

	d.call = call_id_make(c->d->proc, c->d->inc, ++c->seq);
	if (err != 0) {
		if (value.handle != 0) {
			payload_release(c->d->pool, value.handle, c->d->proc);
		}
		return err;
	}
	ask->handle[1] = value.handle;
	return client_ask_start(c, client_tile(c, hash), &d, ask);
}

static int
publish_one(struct mb_client *c, struct wset_op op, uint64_t hash, uint8_t ack,
	    struct client_ask *ask)
{
	struct payload_ref value = { 0 };
	uint64_t mem[(WSET_OP_HEAD + 8 + KEY_BYTES_MAX + WSET_FIELD_MAX + WSET_INLINE_MAX) / 8 + 1];
	struct wset ws;
	uint8_t *p;
	int err;

	if (op.value.len > wset_value_max(op.kind)) {
		return MB_ERR_TOO_LARGE;
	}
	if (op.value.len > WSET_INLINE_MAX) {
		value = op.ref;
		if (value.seg == PAYLOAD_SEG_OWN) {
			value = (struct payload_ref){ 0 }; /* no payload: nothing to give back */
		} else if (value.handle == 0 ||
			   payload_hold(c->d->pool, value.handle, c->d->proc) != 0) {
			err = payload_alloc(c->d->pool, op.value.len, c->d->proc, &value, &p);
			if (err != 0) {
				return err;
			}
			copy_part(p, op.value.p, op.value.len, op.value.len);
		}
		op.by_ref = true;
		op.ref = op.ref.seg == PAYLOAD_SEG_OWN ? op.ref : value;
	}
	wset_init(&ws, mem, sizeof(mem));
	err = wset_add(&ws, &op);
	if (err != 0) {
		if (value.handle != 0) {
			payload_release(c->d->pool, value.handle, c->d->proc);
		}
		return err;
	}
	return publish_set(c, wset_bytes(&ws), hash, value, ack, ask);
}

int
client_publish_try(struct mb_client *c, const struct wset_op *op, struct slice set, uint8_t ack,
		   struct client_ask *ask)
{
	uint64_t hash = hash_bytes(op->key.p, op->key.len);

	if (ask->done) {
		return client_ask_end(ask);
	}
	return set.len > 0 ? publish_set(c, set, hash, (struct payload_ref){ 0 }, ack, ask)
			   : publish_one(c, *op, hash, ack, ask);
}

/* How many of a write's members a set has. */
static size_t
set_has_cnt(const struct cache_value *v, const struct client_write *w)
{
	struct slice set = w->set;
	struct wset_op op = w->op;
	size_t cnt = 0;

	if (set.len == 0) {
		return view_set_has(v->type, v->state, op.value);
	}
	while (wset_next(&set, &op) == 1) {
		cnt += view_set_has(v->type, v->state, op.value);
	}
	return cnt;
}

/* How many members a set has now, and how many of those that w names; 0 when there is none. */
static int
set_cnt_try(struct mb_client *c, struct client_write *w, size_t *ret, size_t *ret_named)
{
	struct cache_value v = { 0 };
	int err = client_look_try(c, w->op.key, &v, &w->ask);

	*ret = *ret_named = 0;
	if (err == 0) {
		if (view_is_set(v.type)) {
			*ret = view_cnt(v.type, v.state);
			*ret_named = set_has_cnt(&v, w);
		} else {
			err = MB_ERR_TYPE;
		}
		cache_view_release(&c->view, &v);
	}
	return err == MB_ERR_NOT_FOUND ? 0 : err;
}

/* What op made of its field or key, as client_write.n, from a value that was looked at. */
static int
made(const struct cache_value *v, const struct wset_op *op, int64_t *ret)
{
	struct map_field f;
	unsigned int type;
	struct slice value;
	double score;
	int err;

	switch (op->kind) {
	case WSET_INCR:
		return view_i64(v->type, v->state, ret);
	case WSET_MAP_INCR:
		if (v->type != LATTICE_MAP) {
			return MB_ERR_TYPE;
		}
		return map_get(v->state, op->field, &f) && map_field_value(&f, &type, &value)
			       ? view_i64(type, value, ret)
			       : MB_ERR_NOT_FOUND;
	case WSET_ZINCR:
		err = v->type == LATTICE_OSET ? oset_score(v->state, op->field, &score)
					      : MB_ERR_TYPE;
		if (err == 0) {
			memcpy(ret, &score, sizeof(score));
		}
		return err;
	default:
		*ret = 0;
		return 0;
	}
}

static int
made_try(struct mb_client *c, struct client_write *w)
{
	struct cache_value v = { 0 };
	int err = client_look_try(c, w->op.key, &v, &w->ask);

	if (err == 0) {
		err = made(&v, &w->op, &w->n);
		cache_view_release(&c->view, &v);
	}
	return err;
}

int
client_write_try(struct mb_client *c, struct client_write *w)
{
	bool set = w->told && (w->op.kind == WSET_SADD || w->op.kind == WSET_SREM);
	bool number = w->told && (w->op.kind == WSET_INCR || w->op.kind == WSET_MAP_INCR ||
				  w->op.kind == WSET_ZINCR);
	bool add = w->op.kind == WSET_SADD;
	size_t after, named;
	int err = 0;

	if (w->step == 0) {
		err = set ? set_cnt_try(c, w, &w->before, &w->named) : 0;
		w->step += err == 0;
	}
	if (w->step == 1 && err == 0) {
		err = client_publish_try(c, &w->op, w->set, w->ack, &w->ask);
		w->step += err == 0;
	}
	if (w->step == 2 && err == 0 && set && w->set.len == 0) {
		w->n = w->named == !add;
	} else if (w->step == 2 && err == 0 && set) {
		/* One may be named twice; and others' members that came meanwhile do not count. */
		err = set_cnt_try(c, w, &after, &named);
		if (err == 0 && add) {
			w->n = (int64_t)MIN(after - MIN(w->before, after),
					    named - MIN(w->named, named));
		} else if (err == 0) {
			w->n = (int64_t)MIN(w->before - MIN(w->before, after), w->named);
		}
	} else if (w->step == 2 && err == 0 && number) {
		err = made_try(c, w);
	}
	return err;
}

int
client_write(struct mb_client *c, struct client_write *w)
{
	int err;

	w->ack = c->ack;
	if (unlikely(c->remote != NULL)) {
		return remote_write(c, w);
	}
	do {
		err = client_write_try(c, w);
	} while (client_ask_wait(c, err, &w->ask));
	return err;
}

int
client_publish(struct mb_client *c, const struct wset_op *op)
{
	struct client_write w = { .op = *op };

	return client_write(c, &w);
}

int
mb_client_set(struct mb_client *c, const char *key, size_t key_len, const void *p, size_t len)
{
	struct wset_op op = { .kind = WSET_PUT, .value = { .p = p, .len = len } };
	int err = client_key(key, key_len, &op.key);

	return err != 0 ? err : client_publish(c, &op);
}

int
mb_client_incr(struct mb_client *c, const char *key, size_t key_len, int64_t n, int64_t *ret_sum)
{
	struct client_write w = { .op = { .kind = WSET_INCR, .n = n }, .told = ret_sum != NULL };
	int err = client_key(key, key_len, &w.op.key);

	if (err == 0) {
		err = client_write(c, &w);
	}
	if (err == 0 && ret_sum != NULL) {
		*ret_sum = w.n;
	}
	return err;
}

int64_t
mb_client_now_us(struct mb_client *c)
{
	return (int64_t)(c->remote != NULL ? remote_day_us(c) : timebase_wall_us(timebase_real()));
}

int
mb_client_expire(struct mb_client *c, const char *key, size_t key_len, int64_t at_us)
{
	struct wset_op op = { .kind = WSET_EXPIRE, .n = at_us, .must = true };
	int err = client_key(key, key_len, &op.key);

	return err != 0 ? err : client_publish(c, &op);
}

int
mb_client_del(struct mb_client *c, const char *key, size_t key_len)
{
	struct wset_op op = { .kind = WSET_DEL, .must = true };
	int err = client_key(key, key_len, &op.key);

	return err != 0 ? err : client_publish(c, &op);
}

/* --------------------------------------------------------------------- keys */

/* Asks one cache tile, which answers for the whole store, for a page of keys. */
static int
scan_ask(struct mb_client *c, struct client_scan *s)
{
	uint8_t mem[CACHE_SCAN_REQ_BYTES_MAX];
	struct desc d = { .kind = DESC_SCAN };
	struct wbuf req = wbuf_init(mem, sizeof(mem));
	int err = cache_scan_req_write(&req, s->prefix, slice_of(s->after, s->after_len), 0);

	if (err == 0) {
		err = domain_payload(c->d, &d, mem, req.len, c->d->proc);
	}
	return err != 0 ? err : client_ask_start(c, PORT_CACHE_FIRST, &d, &s->ask);
}

/* A page lies in the daemon's memory and goes back to the tile it came from. */
static void
page_release(struct mb_client *c, const struct payload_ref *ref)
{
	struct desc m = { .kind = DESC_RELEASE,
			  .release = { .inc = ref->inc,
				       .proc = ref->proc,
				       .cnt = 1,
				       .handle = { ref->handle } } };

	domain_drop(c->d, ref);
	channel_send(&c->d->ch[PORT_CACHE_FIRST], &m);
}

/* Shows a page. Returns: 1 when more may come; 0 when not; an error. */
static int
page_show(struct mb_client *c, struct client_scan *s, mb_key_fn fn, void *ctx)
{
	const struct desc *page = &s->ask.answer;
	struct slice key;
	struct rbuf list;
	const uint8_t *p;
	size_t len;
	bool view, more = page->sub != 0;
	int err = domain_bytes(c->d, page, &p, &len, &view);

	if (err != 0) {
		return err;
	}
	list = rbuf_of(slice_of(p, len));
	while ((err = cache_scan_next(&list, &key)) == 1) {
		if (key.len > KEY_BYTES_MAX) {
			err = MB_ERR_CORRUPT;
			break;
		}
		memcpy(s->after, key.p, key.len);
		s->after_len = key.len;
		if (!fn(ctx, (const char *)s->after, key.len)) {
			more = false;
			break;
		}
	}
	if (view) {
		page_release(c, &page->ref);
	}
	return err < 0 ? err : more;
}

int
client_scan_try(struct mb_client *c, struct client_scan *s, mb_key_fn fn, void *ctx)
{
	int err = 1;

	if (s->ask.done) {
		err = client_ask_end(&s->ask);
		err = err == 0 ? page_show(c, s, fn, ctx) : err;
	}
	return err == 1 ? scan_ask(c, s) : err;
}

int
mb_client_keys(struct mb_client *c, const char *prefix, size_t prefix_len, mb_key_fn fn, void *ctx)
{
	struct client_scan s = { .prefix = slice_of(prefix, prefix_len) };
	int err;

	if (prefix_len > KEY_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	if (c->remote != NULL) {
		return remote_keys(c, s.prefix, fn, ctx);
	}
	do {
		err = client_scan_try(c, &s, fn, ctx);
	} while (client_ask_wait(c, err, &s.ask));
	return err;
}
