/* SPDX-License-Identifier: Apache-2.0 */
/* state - reading the cache in place, and writing through the cache tile that serves the key.
 * Collections are in collection.c. */
#include <stdlib.h>
#include <string.h>

#include "cache_msg.h"
#include "check.h"
#include "compiler.h"
#include "envelope.h"
#include "hash.h"
#include "impl.h"
#include "lattice.h"
#include "remote.h"
#include "rpc.h"
#include "timebase.h"

#define FETCH_TRIES 16 /* a key can be evicted between FETCHED and the look */

int
client_ask(struct mb_client *c, uint32_t port, struct desc *d)
{
	int err;

	if (c->dead != 0) {
		return c->dead;
	}
	c->ask_done = false;
	d->b = ++c->ask_token;
	err = channel_send(&c->d->ch[port], d);
	while (err == 0 && !c->ask_done) {
		err = client_pump(c, 0);
		err = err < 0 ? err : 0;
	}
	return err != 0 ? err : c->ask_answer.err;
}

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
client_fetch(struct mb_client *c, struct slice key, uint64_t hash)
{
	struct desc d = { .kind = DESC_FETCH };
	int err = domain_payload(c->d, &d, key.p, key.len, c->d->proc);

	if (err == 0) {
		err = client_ask(c, client_tile(c, hash), &d);
		if ((d.flags & DESC_F_INLINE) == 0) {
			payload_release(c->d->pool, d.ref.handle, c->d->proc);
		}
	}
	return err;
}

/* Whether a value that the cache still shows has reached its deadline. */
static bool
client_expired(const struct cache_value *v)
{
	struct envelope e;

	return envelope_expires(v->envelope) && envelope_open(v->envelope, &e) == 0 &&
	       envelope_expired(&e, hlc_time_of_us(timebase_wall_us(timebase_real())));
}

int
client_look(struct mb_client *c, struct slice key, struct cache_value *v)
{
	uint64_t hash = hash_bytes(key.p, key.len);

	if (unlikely(c->remote != NULL)) {
		return MB_ERR_NOT_SUPPORTED; /* an operation that has no request of its own yet */
	}
	if (unlikely(c->dead != 0)) { /* what is still mapped is nobody's any more */
		return c->dead;
	}
	for (uint32_t i = 0; i < FETCH_TRIES; i++) {
		int n = cache_view_get_hashed(&c->view, hash, key, v);
		int err;

		if (n == CACHE_HIT) {
			if (!client_expired(v)) {
				return 0;
			}
			n = CACHE_ABSENT;
		}
		if (n != CACHE_MISS) {
			if (n == CACHE_ABSENT) {
				cache_view_release(&c->view, v);
			}
			return n < 0 ? n : MB_ERR_NOT_FOUND;
		}
		err = client_fetch(c, key, hash);
		if (err != 0) {
			return err;
		}
	}
	return MB_ERR_BUSY;
}

int
mb_client_get(struct mb_client *c, const char *key, size_t key_len, struct mb_held *ret)
{
	struct slice k, text;
	struct client_held *h;
	int err = client_key(key, key_len, &k);

	if (err != 0 || c->remote != NULL) {
		return err != 0 ? err : remote_get(c, k, ret);
	}
	h = malloc(sizeof(*h));
	if (h == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	err = client_look(c, k, &h->v);
	if (err == 0) {
		err = view_text(h->v.type, h->v.state, h->text, &text);
		if (err != 0) {
			cache_view_release(&c->view, &h->v);
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

	if (c->remote != NULL) {
		remote_release(held);
	} else if (h != NULL) {
		cache_view_release(&c->view, &h->v);
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

int
client_publish(struct mb_client *c, struct wset_op *op)
{
	struct payload_ref value = { 0 };
	struct desc d = { .kind = DESC_PUBLISH, .sub = c->ack };
	uint64_t stack[256];
	void *mem = stack;
	struct wset ws;
	size_t bytes;
	uint8_t *p;
	int err = 0;

	if (unlikely(c->remote != NULL)) {
		return MB_ERR_NOT_SUPPORTED;
	}
	d.call = call_id_make(c->d->proc, c->d->inc, ++c->seq);
	if (op->value.len > VALUE_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	if (op->value.len > WSET_INLINE_MAX) {
		err = payload_alloc(c->d->pool, op->value.len, c->d->proc, &value, &p);
		if (err != 0) {
			return err;
		}
		memcpy(p, op->value.p, op->value.len);
		op->by_ref = true;
		op->ref = value;
	}
	bytes = wset_op_bytes(op);
	if (bytes > sizeof(stack)) {
		mem = malloc(bytes);
	}
	if (mem != NULL) {
		wset_init(&ws, mem, bytes > sizeof(stack) ? bytes : sizeof(stack));
		err = wset_add(&ws, op);
		if (err == 0) {
			err = domain_payload(c->d, &d, wset_bytes(&ws).p, wset_bytes(&ws).len,
					     c->d->proc);
		}
		if (err == 0) {
			err = client_ask(c, client_tile(c, hash_bytes(op->key.p, op->key.len)), &d);
			if ((d.flags & DESC_F_INLINE) == 0) {
				payload_release(c->d->pool, d.ref.handle, c->d->proc);
			}
		}
		if (mem != stack) {
			free(mem);
		}
	} else {
		err = MB_ERR_NO_MEMORY;
	}
	if (op->by_ref) {
		payload_release(c->d->pool, value.handle, c->d->proc);
	}
	return err;
}

int
mb_client_set(struct mb_client *c, const char *key, size_t key_len, const void *p, size_t len)
{
	struct wset_op op = { .kind = WSET_PUT, .value = { .p = p, .len = len } };
	int err = client_key(key, key_len, &op.key);

	if (err == 0 && c->remote != NULL) {
		return remote_set(c, op.key, op.value);
	}
	return err != 0 ? err : client_publish(c, &op);
}

int
mb_client_incr(struct mb_client *c, const char *key, size_t key_len, int64_t n, int64_t *ret_sum)
{
	struct wset_op op = { .kind = WSET_INCR, .n = n };
	struct cache_value v;
	int err = client_key(key, key_len, &op.key);

	if (err == 0 && c->remote != NULL) {
		return remote_incr(c, op.key, n, ret_sum);
	}
	if (err == 0) {
		err = client_publish(c, &op);
	}
	if (err == 0 && ret_sum != NULL) {
		err = client_look(c, op.key, &v);
		if (err == 0) {
			err = view_i64(v.type, v.state, ret_sum);
			cache_view_release(&c->view, &v);
		}
	}
	return err;
}

/* --------------------------------------------------------------------- keys */

int
mb_client_expire(struct mb_client *c, const char *key, size_t key_len, int64_t at_us)
{
	struct wset_op op = { .kind = WSET_EXPIRE, .n = at_us };
	struct cache_value v;
	int err = client_key(key, key_len, &op.key);

	if (err == 0 && c->remote != NULL) {
		return remote_expire(c, op.key, at_us);
	}
	if (err == 0) {
		err = client_look(c, op.key, &v);
	}
	if (err == 0) {
		cache_view_release(&c->view, &v);
		err = client_publish(c, &op);
	}
	return err;
}

int
mb_client_del(struct mb_client *c, const char *key, size_t key_len)
{
	struct wset_op op = { .kind = WSET_DEL };
	struct cache_value v;
	int err = client_key(key, key_len, &op.key);

	if (err == 0 && c->remote != NULL) {
		return remote_del(c, op.key);
	}
	if (err == 0) {
		err = client_look(c, op.key, &v);
	}
	if (err == 0) {
		cache_view_release(&c->view, &v);
		err = client_publish(c, &op);
	}
	return err;
}

/* One page of keys from one cache tile, which answers for the whole store. */
static int
client_scan_page(struct mb_client *c, struct slice prefix, struct slice after, struct desc *ret)
{
	uint8_t mem[CACHE_SCAN_REQ_BYTES_MAX];
	struct desc d = { .kind = DESC_SCAN };
	struct wbuf req = wbuf_init(mem, sizeof(mem));
	int err;

	err = cache_scan_req_write(&req, prefix, after, 0);
	if (err == 0) {
		err = domain_payload(c->d, &d, mem, req.len, c->d->proc);
	}
	if (err == 0) {
		err = client_ask(c, PORT_CACHE_FIRST, &d);
		if ((d.flags & DESC_F_INLINE) == 0) {
			payload_release(c->d->pool, d.ref.handle, c->d->proc);
		}
		*ret = c->ask_answer;
	}
	return err;
}

/* A page lies in the daemon's memory and goes back to the tile it came from. */
static void
client_page_release(struct mb_client *c, const struct payload_ref *ref)
{
	struct desc m = { .kind = DESC_RELEASE,
			  .release = { .inc = ref->inc,
				       .proc = ref->proc,
				       .cnt = 1,
				       .handle = { ref->handle } } };

	domain_drop(c->d, ref);
	channel_send(&c->d->ch[PORT_CACHE_FIRST], &m);
}

int
mb_client_keys(struct mb_client *c, const char *prefix, size_t prefix_len, mb_key_fn fn, void *ctx)
{
	struct slice want = { .p = (const uint8_t *)prefix, .len = prefix_len };
	uint8_t last[KEY_BYTES_MAX];
	struct slice after = { .p = last, .len = 0 };
	struct desc page;
	bool more = true;
	int err = prefix_len > KEY_BYTES_MAX ? MB_ERR_TOO_LARGE : 0;

	if (err == 0 && c->remote != NULL) {
		return remote_keys(c, want, fn, ctx);
	}
	while (err == 0 && more) {
		struct slice key;
		struct rbuf list;
		const uint8_t *p;
		size_t len;
		bool view;

		err = client_scan_page(c, want, after, &page);
		if (err == 0) {
			err = domain_bytes(c->d, &page, &p, &len, &view);
		}
		if (err != 0) {
			break;
		}
		more = page.sub != 0;
		list = rbuf_of((struct slice){ .p = p, .len = len });
		while ((err = cache_scan_next(&list, &key)) == 1) {
			if (key.len > KEY_BYTES_MAX) {
				err = MB_ERR_CORRUPT;
				break;
			}
			memcpy(last, key.p, key.len);
			after.len = key.len;
			if (!fn(ctx, (const char *)last, key.len)) {
				more = false;
				break;
			}
		}
		err = err > 0 ? 0 : err;
		if (view) {
			client_page_release(c, &page.ref);
		}
	}
	return err;
}
