/* SPDX-License-Identifier: Apache-2.0 */
/* gate_large - see gate_large.h
 *
 * What is announced takes no memory: it grows with the bytes that come, and the kernel moves its
 * pages where it cannot grow in place, so no byte is copied for that. New pages cost as much as the
 * bytes themselves; so where a segment lies unused that is long enough, the word goes on there as
 * soon as its first FIRST_BYTES are here, the only ones that are copied.
 */
#include <string.h>

#include <microburst/error.h>

#include "compiler.h"
#include "copy.h"
#include "gate_large.h"
#include "gate_memory.h"

#define FIRST_BYTES (128u << 10) /* a segment is no shorter */
#define SPARE_MAX   (4u << 20)

struct gate_large *
gate_large_open(struct gate_conn *c)
{
	struct gate_large *l = c->large != NULL && c->parser.large_open
				       ? &c->large[c->parser.large_cnt - 1]
				       : NULL;

	return l != NULL && l->got < l->len ? l : NULL;
}

int
gate_large_begin(struct gate *g, struct gate_conn *c)
{
	struct gate_large now = { .len = c->parser.large_len }, *l;
	int err;

	if (c->large == NULL) {
		c->large =
			gate_memory_take(g, c, RESP_LARGE_CNT_MAX * sizeof(*c->large), MEMORY_MUST);
		if (c->large == NULL) {
			return MB_ERR_NO_MEMORY;
		}
		memset(c->large, 0, RESP_LARGE_CNT_MAX * sizeof(*c->large));
	}
	l = &c->large[c->parser.large_cnt - 1];
	now.cap = MIN(now.len, (uint32_t)FIRST_BYTES);
	if (now.len <= SPARE_MAX && payload_spare(g->inner.pool, now.len)) {
		now.cap = now.len; /* memory that is there, and that nobody else uses */
	}
	while ((err = payload_alloc(g->inner.pool, now.cap, PROC_DAEMON, &now.ref, &now.p)) ==
		       MB_ERR_NO_MEMORY &&
	       gate_memory_relieve(g, c, MEMORY_LONG, 0) == RELIEF_NOW) {
	}
	if (err == 0) {
		*l = now;
	}
	return err;
}

/* The first bytes are here: it goes on in a segment that nobody uses. Returns: whether there is
 * one. */
static bool
moves_to_spare(struct gate *g, struct gate_large *l)
{
	struct payload_ref ref;
	uint8_t *p;

	if (l->cap != FIRST_BYTES || !payload_spare(g->inner.pool, l->len) ||
	    payload_alloc(g->inner.pool, l->len, PROC_DAEMON, &ref, &p) != 0) {
		return false;
	}
	copy_bytes(p, l->p, l->got);
	payload_release(g->inner.pool, l->ref.handle, PROC_DAEMON);
	l->ref = ref;
	l->p = p;
	l->cap = l->len;
	return true;
}

size_t
gate_large_room(struct gate *g, const struct gate_conn *c, struct gate_large *l)
{
	uint32_t cap = (uint32_t)MIN(2UL * l->cap, (size_t)l->len);
	int err = 0;

	if (l->got < l->cap || moves_to_spare(g, l)) {
		return l->cap - l->got;
	}
	while ((err = payload_grow(g->inner.pool, &l->ref, &l->p, cap)) == MB_ERR_NO_MEMORY &&
	       gate_memory_relieve(g, c, MEMORY_LONG, 0) == RELIEF_NOW) {
	}
	l->cap = err == 0 ? cap : l->cap;
	return l->cap - l->got;
}

size_t
gate_large_take(struct gate *g, const struct gate_conn *c, struct gate_large *l, const uint8_t *p,
		size_t len)
{
	size_t done = 0;

	if (p == l->p + l->got && len <= l->cap - l->got) { /* it is there already */
		l->got += (uint32_t)len;
		return len;
	}
	while (done < len && l->got < l->len) {
		size_t n = MIN(len - done, gate_large_room(g, c, l));

		if (n == 0) {
			return SIZE_MAX;
		}
		copy_bytes(l->p + l->got, p + done, n);
		l->got += (uint32_t)n;
		done += n;
	}
	return done;
}

void
gate_larges_drop(struct gate *g, struct gate_conn *c)
{
	for (uint32_t i = 0; c->large != NULL && i < RESP_LARGE_CNT_MAX; i++) {
		if (c->large[i].ref.handle != 0) {
			payload_release(g->inner.pool, c->large[i].ref.handle, PROC_DAEMON);
			c->large[i].ref.handle = 0;
		}
	}
}
