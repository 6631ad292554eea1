/* SPDX-License-Identifier: Apache-2.0 */
/* payload - see payload.h for P1..P4
 *
 * Two tables of fixed size. An entry is one payload; a hold says that one process has it, how many
 * times. Holds of an entry form a list, nearly always of one, so the common path touches one entry
 * and one hold.
 *
 *   handle = generation << 16 | entry + 1        (0 is never a handle)
 */
#include "payload.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "heap.h"
#include "microburst/error.h"

static_assert(PAYLOAD_CNT_MAX < UINT16_MAX, "an entry is named by 16 bits");
static_assert(PAYLOAD_HOLD_MAX < UINT16_MAX, "a hold is named by 16 bits");

#define SEG_BYTES_MIN ((size_t)128 << 10)
#define SEG_WASTE     4 /* times as long as what is asked for */

struct payload_entry {
	uint8_t *p;
	uint32_t bytes; /* as allocated */
	uint16_t gen;
	uint16_t hold; /* first hold + 1; 0: the entry is free */
	uint16_t seg;  /* index into segs + 1; 0: in the slab */
	uint16_t next; /* free list, + 1 */
};

struct payload_hold_entry {
	uint16_t proc;
	uint16_t cnt;
	uint16_t next; /* + 1 */
};

struct payload_seg {
	uint8_t *p; /* NULL: no segment here */
	size_t bytes;
	uint32_t seg;
	bool used;
	bool old; /* not used since the last payload_age */
};

struct payload_pool {
	uint16_t proc;
	uint32_t inc;
	uint8_t *slab;
	size_t slab_off;
	struct heap *heap;
	struct payload_lease_ops ops;
	uint16_t entry_free, hold_free; /* + 1 */
	uint32_t alive;                 /* payloads */
	struct payload_seg segs[PAYLOAD_SEG_MAX];
	struct payload_entry entry[PAYLOAD_CNT_MAX];
	struct payload_hold_entry hold[PAYLOAD_HOLD_MAX];
};

int
payload_create(struct payload_pool **ret, uint16_t proc, uint32_t inc, uint8_t *slab,
	       size_t slab_bytes, size_t slab_off, const struct payload_lease_ops *ops)
{
	struct payload_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	pool->proc = proc;
	pool->inc = inc;
	pool->slab = slab;
	pool->slab_off = slab_off;
	pool->heap = heap_init(slab, slab_bytes);
	if (ops != NULL) {
		pool->ops = *ops;
	}
	for (uint16_t i = 0; i < PAYLOAD_CNT_MAX; i++) {
		pool->entry[i].next = i + 1 < PAYLOAD_CNT_MAX ? (uint16_t)(i + 2) : 0;
	}
	for (uint16_t i = 0; i < PAYLOAD_HOLD_MAX; i++) {
		pool->hold[i].next = i + 1 < PAYLOAD_HOLD_MAX ? (uint16_t)(i + 2) : 0;
	}
	pool->entry_free = 1;
	pool->hold_free = 1;
	*ret = pool;
	return 0;
}

void
payload_destroy(struct payload_pool *pool)
{
	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX; i++) {
		if (pool->segs[i].p != NULL) {
			pool->ops.unlease(pool->ops.ctx, pool->segs[i].seg, pool->segs[i].p,
					  pool->segs[i].bytes);
		}
	}
	free(pool);
}

/* The entry of a handle, or NULL when the payload is gone or never was (P2). */
static struct payload_entry *
payload_find(struct payload_pool *pool, uint32_t handle)
{
	uint32_t i = (handle & 0xffff) - 1;

	if (i >= PAYLOAD_CNT_MAX || pool->entry[i].hold == 0 ||
	    pool->entry[i].gen != handle >> 16) {
		return NULL;
	}
	return &pool->entry[i];
}

/* The hold of holder on e, + 1; 0 when there is none. */
static uint16_t
payload_hold_find(const struct payload_pool *pool, const struct payload_entry *e, uint16_t holder)
{
	uint16_t h = e->hold;

	while (h != 0 && pool->hold[h - 1].proc != holder) {
		h = pool->hold[h - 1].next;
	}
	return h;
}

static int
payload_hold_add(struct payload_pool *pool, struct payload_entry *e, uint16_t holder)
{
	uint16_t h;

	for (h = e->hold; h != 0; h = pool->hold[h - 1].next) {
		if (pool->hold[h - 1].proc == holder && pool->hold[h - 1].cnt < UINT16_MAX) {
			pool->hold[h - 1].cnt++;
			return 0;
		}
	}
	h = pool->hold_free;
	if (h == 0) {
		return MB_ERR_NO_MEMORY;
	}
	pool->hold_free = pool->hold[h - 1].next;
	pool->hold[h - 1] =
		(struct payload_hold_entry){ .proc = holder, .cnt = 1, .next = e->hold };
	e->hold = h;
	return 0;
}

static void
payload_free(struct payload_pool *pool, struct payload_entry *e)
{
	if (e->seg == 0) {
		heap_free(pool->heap, e->p, e->bytes);
	} else {
		pool->segs[e->seg - 1].used = false;
	}
	e->p = NULL;
	e->gen++;
	e->next = pool->entry_free;
	pool->entry_free = (uint16_t)(e - pool->entry + 1);
}

/* Takes cnt holds of holder away; the last one frees the payload (P1). */
static int
payload_hold_sub(struct payload_pool *pool, struct payload_entry *e, uint16_t holder, bool all)
{
	uint16_t *at = &e->hold;

	while (*at != 0 && pool->hold[*at - 1].proc != holder) {
		at = &pool->hold[*at - 1].next;
	}
	if (*at == 0) {
		return MB_ERR_NOT_FOUND;
	}
	if (!all && --pool->hold[*at - 1].cnt > 0) {
		return 0;
	}
	{
		uint16_t h = *at;

		*at = pool->hold[h - 1].next;
		pool->hold[h - 1].next = pool->hold_free;
		pool->hold_free = h;
	}
	if (e->hold == 0) {
		payload_free(pool, e);
		pool->alive--;
	}
	return 0;
}

/* The smallest unused segment of at least bytes, + 1; 0 when there is none. One that is much longer
 * is left for what needs it. */
static uint16_t
payload_seg_unused(const struct payload_pool *pool, size_t bytes)
{
	uint16_t best = 0;

	for (uint16_t i = 0; i < PAYLOAD_SEG_MAX; i++) {
		const struct payload_seg *s = &pool->segs[i];

		if (s->p != NULL && !s->used && s->bytes >= bytes &&
		    s->bytes / SEG_WASTE <= bytes &&
		    (best == 0 || s->bytes < pool->segs[best - 1].bytes)) {
			best = (uint16_t)(i + 1);
		}
	}
	return best;
}

static uint16_t
payload_seg_lease(struct payload_pool *pool, size_t bytes)
{
	struct payload_seg got = { 0 };
	uint16_t i = 0;

	while (i < PAYLOAD_SEG_MAX && pool->segs[i].p != NULL) {
		i++;
	}
	if (i == PAYLOAD_SEG_MAX || pool->ops.lease == NULL ||
	    pool->ops.lease(pool->ops.ctx, bytes, &got.seg, &got.p, &got.bytes) != 0) {
		return 0;
	}
	INSIST(got.p != NULL && got.bytes >= bytes, "%zu bytes leased for %zu", got.bytes, bytes);
	pool->segs[i] = got;
	return (uint16_t)(i + 1);
}

/* The size that is leased for bytes: so that a segment serves again for others of its class. */
static size_t
payload_seg_bytes(size_t bytes)
{
	size_t want = SEG_BYTES_MIN;

	while (want < bytes) {
		want *= 2;
	}
	return MIN(want, (size_t)PAYLOAD_BYTES_MAX);
}

static uint16_t
payload_seg_take(struct payload_pool *pool, size_t bytes)
{
	uint16_t s = payload_seg_unused(pool, bytes);
	size_t usual = payload_seg_bytes(bytes);

	if (s == 0) {
		s = payload_seg_lease(pool, usual);
	}
	if (s == 0 && payload_trim(pool) > 0) {
		s = payload_seg_lease(pool, usual); /* P4: the budget may have room now */
	}
	if (s == 0) {
		s = payload_seg_lease(pool, bytes); /* or just enough */
	}
	if (s != 0) {
		pool->segs[s - 1].used = true;
		pool->segs[s - 1].old = false;
	}
	return s;
}

int
payload_alloc(struct payload_pool *pool, size_t len, uint16_t holder, struct payload_ref *ret_ref,
	      uint8_t **ret_p)
{
	uint16_t i = pool->entry_free;
	struct payload_entry *e;

	if (len > PAYLOAD_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	if (i == 0) {
		return MB_ERR_NO_MEMORY;
	}
	e = &pool->entry[i - 1];
	e->seg = 0;
	e->bytes = (uint32_t)(len > 0 ? len : 1);
	if (len <= PAYLOAD_SLAB_MAX) {
		e->p = heap_alloc(pool->heap, e->bytes);
	} else {
		e->seg = payload_seg_take(pool, len);
		e->p = e->seg != 0 ? pool->segs[e->seg - 1].p : NULL;
	}
	if (e->p == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	e->hold = 0;
	if (payload_hold_add(pool, e, holder) != 0) {
		pool->entry_free = e->next;
		payload_free(pool, e);
		return MB_ERR_NO_MEMORY;
	}
	pool->entry_free = e->next;
	pool->alive++;
	*ret_p = e->p;
	*ret_ref = (struct payload_ref){
		.inc = pool->inc,
		.proc = pool->proc,
		.seg = e->seg != 0 ? pool->segs[e->seg - 1].seg : 0,
		.handle = (uint32_t)e->gen << 16 | i,
		.len = (uint32_t)len,
		.off = e->seg != 0 ? 0 : (uint32_t)(pool->slab_off + (size_t)(e->p - pool->slab)),
	};
	return 0;
}

int
payload_put(struct payload_pool *pool, struct desc *desc, const void *bytes, size_t len,
	    uint16_t holder)
{
	uint8_t *p;
	int err;

	if (len <= DESC_INLINE_BYTES) {
		desc->flags |= DESC_F_INLINE;
		desc->len = (uint8_t)len;
		if (len > 0) {
			memcpy(desc->data, bytes, len);
		}
		return 0;
	}
	err = payload_alloc(pool, len, holder, &desc->ref, &p);
	if (err != 0) {
		return err;
	}
	copy_bytes(p, bytes, len);
	desc->flags &= (uint8_t)~DESC_F_INLINE;
	return 0;
}

bool
payload_spare(const struct payload_pool *pool, size_t len)
{
	return payload_seg_unused(pool, len) != 0;
}

int
payload_grow(struct payload_pool *pool, struct payload_ref *ref, uint8_t **ret_p, size_t len)
{
	struct payload_entry *e = payload_find(pool, ref->handle);
	struct payload_seg *s;
	int err;

	REQUIRE(e != NULL && len >= ref->len);
	if (e->seg == 0 || pool->ops.grow == NULL) {
		return MB_ERR_NOT_SUPPORTED;
	}
	if (len > PAYLOAD_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	s = &pool->segs[e->seg - 1];
	if (s->bytes < len) {
		size_t usual = payload_seg_bytes(len);

		err = pool->ops.grow(pool->ops.ctx, s->seg, usual, &s->p, &s->bytes);
		if (err != 0 && payload_trim(pool) > 0) {
			err = pool->ops.grow(pool->ops.ctx, s->seg, usual, &s->p, &s->bytes);
		}
		if (err != 0) {
			err = pool->ops.grow(pool->ops.ctx, s->seg, len, &s->p, &s->bytes);
		}
		if (err != 0) {
			return err;
		}
	}
	e->p = s->p;
	e->bytes = (uint32_t)len;
	ref->len = (uint32_t)len;
	*ret_p = e->p;
	return 0;
}

struct payload_ref
payload_part(struct payload_pool *pool, uint32_t handle, const uint8_t *p, size_t len)
{
	const struct payload_entry *e = payload_find(pool, handle);
	const uint8_t *from;

	REQUIRE(e != NULL);
	from = e->seg != 0 ? e->p : pool->slab - pool->slab_off;
	REQUIRE(p >= e->p && len <= e->bytes && (size_t)(p - e->p) <= e->bytes - len);
	return (struct payload_ref){
		.inc = pool->inc,
		.proc = pool->proc,
		.seg = e->seg != 0 ? pool->segs[e->seg - 1].seg : 0,
		.handle = handle,
		.len = (uint32_t)len,
		.off = (uint32_t)(p - from),
	};
}

void
payload_shrink(struct payload_pool *pool, struct payload_ref *ref, uint32_t len)
{
	REQUIRE(payload_find(pool, ref->handle) != NULL);
	REQUIRE(len <= ref->len);
	ref->len = len;
}

int
payload_hold(struct payload_pool *pool, uint32_t handle, uint16_t holder)
{
	struct payload_entry *e = payload_find(pool, handle);

	return e != NULL ? payload_hold_add(pool, e, holder) : MB_ERR_NOT_FOUND;
}

int
payload_move(struct payload_pool *pool, uint32_t handle, uint16_t from, uint16_t to)
{
	struct payload_entry *e = payload_find(pool, handle);
	uint16_t at = e != NULL ? payload_hold_find(pool, e, from) : 0;
	int err;

	if (at == 0) {
		return MB_ERR_NOT_FOUND;
	}
	if (pool->hold[at - 1].cnt == 1 && payload_hold_find(pool, e, to) == 0) {
		pool->hold[at - 1].proc = to;
		return 0;
	}
	err = payload_hold_add(pool, e, to);
	return err != 0 ? err : payload_hold_sub(pool, e, from, false);
}

int
payload_release(struct payload_pool *pool, uint32_t handle, uint16_t holder)
{
	struct payload_entry *e = payload_find(pool, handle);

	return e != NULL ? payload_hold_sub(pool, e, holder, false) : MB_ERR_NOT_FOUND;
}

void
payload_release_all(struct payload_pool *pool, uint16_t holder)
{
	for (uint32_t i = 0; i < PAYLOAD_CNT_MAX; i++) {
		struct payload_entry *e = &pool->entry[i];

		while (e->hold != 0 && payload_hold_sub(pool, e, holder, true) == 0) {
		}
	}
}

/* Returns what is not used to the daemon: what is old, or all, but not more than `most`. */
static uint32_t
payload_unlease(struct payload_pool *pool, bool all, uint32_t most)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX && cnt < most; i++) {
		struct payload_seg *s = &pool->segs[i];

		if (s->p != NULL && !s->used && (all || s->old)) {
			pool->ops.unlease(pool->ops.ctx, s->seg, s->p, s->bytes);
			*s = (struct payload_seg){ 0 };
			cnt++;
		}
	}
	return cnt;
}

uint32_t
payload_trim(struct payload_pool *pool)
{
	return payload_unlease(pool, true, PAYLOAD_SEG_MAX);
}

uint32_t
payload_age(struct payload_pool *pool, uint32_t most)
{
	uint32_t cnt = payload_unlease(pool, false, most);

	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX; i++) {
		pool->segs[i].old = !pool->segs[i].used;
	}
	return cnt;
}

uint32_t
payload_unused(const struct payload_pool *pool)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX; i++) {
		cnt += pool->segs[i].p != NULL && !pool->segs[i].used;
	}
	return cnt;
}

uint8_t *
payload_ptr(struct payload_pool *pool, uint32_t handle)
{
	struct payload_entry *e = payload_find(pool, handle);

	return e != NULL ? e->p : NULL;
}

const uint8_t *
payload_own(struct payload_pool *pool, const struct payload_ref *ref)
{
	struct payload_entry *e = payload_find(pool, ref->handle);
	uint32_t from, off;

	if (e == NULL || ref->proc != pool->proc || ref->inc != pool->inc) {
		return NULL;
	}
	/* What is sent may begin behind the payload's first byte. */
	from = e->seg != 0 ? 0 : (uint32_t)(pool->slab_off + (size_t)(e->p - pool->slab));
	off = ref->off - from;
	if (ref->off < from || off > e->bytes || ref->len > e->bytes - off) {
		return NULL;
	}
	return e->p + off;
}

uint32_t
payload_alive(const struct payload_pool *pool)
{
	return pool->alive;
}
