/* SPDX-License-Identifier: Apache-2.0 */
/* door_large - what is too long to be copied once more
 *
 * A long request comes into pages of the door's, in which its value lies as the store will have
 * it, in large pages too: they change places (kvs_act.h, gives). A long value is sent from where
 * the cache has it; meanwhile it is held, as by any reader. Both are few at a time: what finds no
 * place goes by way of the net tile's memory.
 *
 * The pages are kept for the next request of that length, so that they need not be zeroed again;
 * for one of another length they would be several mappings, which do not move at once. What nobody
 * needs for a second or two the node has again, payloads' segments too (executor.payload_budget).
 */
#include <assert.h>
#include <sys/mman.h>

#include "check.h"
#include "compiler.h"
#include "door_int.h"
#include "kvs_msg.h"
#include "pages.h"
#include "payload.h"
#include "timebase.h"
#include "wire.h"

#define AGE_NS     NS_PER_S
#define BEFORE_MAX ((size_t)16 << 10)

static_assert(WIRE_DATAGRAM_MAX <= BEFORE_MAX, "what value_at has looked through");

/* With room to put the value where a large page begins, and what stands before it before that: it
 * came in one datagram. */
static size_t
mem_bytes(size_t bytes)
{
	return ALIGN_UP(bytes, (size_t)PAGES_BYTES) + PAGES_LARGE_BYTES + BEFORE_MAX;
}

static uint8_t *
mem_value(const struct door_large *l)
{
	return (uint8_t *)ALIGN_UP((uintptr_t)l->mem + BEFORE_MAX, PAGES_LARGE_BYTES);
}

static void
mem_drop(struct door_large *l)
{
	if (l->mem != NULL) {
		munmap(l->mem, mem_bytes(l->bytes));
		l->mem = NULL;
	}
}

static bool
mem_make(struct door_large *l, size_t bytes)
{
	void *mem;

	if (l->mem != NULL && l->bytes == bytes) {
		return true;
	}
	mem_drop(l);
	mem = mmap(NULL, mem_bytes(bytes), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED) {
		return false;
	}
	l->mem = mem;
	l->bytes = bytes;
	madvise(mem_value(l), bytes, MADV_HUGEPAGE);
	return true;
}

/* Where the value begins in a request that begins so; 0: it has none, or cannot be told. What it
 * says is believed only as far as where the request is put in its page. */
static size_t
value_at(struct slice first)
{
	struct rpc_request_head h;
	struct wset_op op;
	struct slice rest;
	size_t at;

	if (first.len < sizeof(h)) {
		return 0;
	}
	memcpy(&h, first.p, sizeof(h));
	at = rpc_payload_at(le16toh(h.name_len));
	if (h.op != RPC_WRITE || at >= first.len) {
		return 0;
	}
	rest = slice_of(first.p + at, first.len - at);
	return wset_next(&rest, &op) == 1 && op.by_ref ? first.len - rest.len : 0;
}

void *
door_take(void *ctx, size_t bytes, struct slice first)
{
	struct door *d = ctx;
	struct door_large *l = NULL;

	for (uint32_t i = 0; i < DOOR_LARGE_CNT; i++) {
		struct door_large *one = &d->large[i];

		if (one->p == NULL && (l == NULL || (one->mem != NULL && one->bytes == bytes))) {
			l = one;
		}
	}
	if (l == NULL || !mem_make(l, bytes)) {
		return NULL;
	}
	l->aged = l->over = false;
	l->p = mem_value(l) + KVS_VALUE_LEAN - value_at(first);
	return (void *)(uintptr_t)l->p;
}

bool
door_give(void *ctx, const void *p)
{
	struct door *d = ctx;

	for (uint32_t i = 0; i < DOOR_LARGE_CNT; i++) {
		struct door_large *l = &d->large[i];

		if (l->p == p) {
			l->over = true;
			l->p = l->op != NULL ? l->p : NULL;
			return true;
		}
	}
	return false;
}

static struct door_large *
large_of(struct door *d, const uint8_t *p)
{
	for (uint32_t i = 0; i < DOOR_LARGE_CNT; i++) {
		struct door_large *l = &d->large[i];

		if (l->p != NULL && p >= l->p && p < l->p + l->bytes) {
			return l;
		}
	}
	return NULL;
}

struct payload_ref
door_large_ref(struct door *d, struct slice value)
{
	return large_of(d, value.p) != NULL ? payload_ref_own(value.p, value.len)
					    : (struct payload_ref){ 0 };
}

void
door_large_keep(struct door_op *op, const uint8_t *p)
{
	struct door_large *l = large_of(op->door, p);

	if (l != NULL) {
		l->op = op;
	}
}

void
door_large_over(struct door_op *op)
{
	if (op->door->client->dead != 0) {
		return; /* nobody has said that the tiles are done with it */
	}
	for (uint32_t i = 0; i < DOOR_LARGE_CNT; i++) {
		struct door_large *l = &op->door->large[i];

		if (l->op == op) {
			l->op = NULL;
			l->p = l->over ? NULL : l->p;
		}
	}
}

uint64_t
door_tidy(void *ctx, uint64_t now_ns)
{
	struct door *d = ctx;
	struct payload_pool *pool = d->client->d->pool;
	bool due = now_ns >= d->age_ns, any = false;

	if (due) {
		d->age_ns = now_ns + AGE_NS;
		payload_age(pool, PAYLOAD_SEG_MAX);
	}
	for (uint32_t i = 0; i < DOOR_LARGE_CNT; i++) {
		struct door_large *l = &d->large[i];

		if (due && l->p == NULL && l->aged) {
			mem_drop(l);
		}
		l->aged = l->aged || (due && l->p == NULL);
		any = any || l->mem != NULL;
	}
	return any || payload_unused(pool) > 0 ? d->age_ns : TILE_TIMER_NEVER;
}

bool
door_lend(struct door *d, struct flow_ref ref, struct cache_value *v)
{
	struct rpc_reply reply = { .payload = v->envelope };
	uint8_t head[RPC_REPLY_HEAD];
	uint32_t i = 0;

	while (i < DOOR_LENT_CNT && d->lent[i].envelope.p != NULL) {
		i++;
	}
	if (i == DOOR_LENT_CNT || v->slot == CACHE_SLOT_NONE) {
		return false;
	}
	rpc_reply_write(head, &reply);
	d->lent[i] = *v;
	if (!net_tile_lend(d->tile, ref, slice_of(head, sizeof(head)), v->envelope)) {
		d->lent[i].envelope.p = NULL;
		return false;
	}
	v->slot = CACHE_SLOT_NONE;
	return true;
}

void
door_back(void *ctx, const uint8_t *p)
{
	struct door *d = ctx;
	uint32_t i = 0;

	while (i < DOOR_LENT_CNT && d->lent[i].envelope.p != p) {
		i++;
	}
	REQUIRE(i < DOOR_LENT_CNT);
	if (d->client != NULL) { /* else all that it held is free */
		client_look_end(d->client, &d->lent[i]);
	}
	d->lent[i].envelope.p = NULL;
}
