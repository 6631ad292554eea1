/* SPDX-License-Identifier: Apache-2.0 */
/* gate_conn_turn - see gate_conn_turn.h
 *
 * N1 to N5, which hold here too, stand in gate_conn.c.
 */
#include "gate_conn_turn.h"

#include <string.h>

#include "compiler.h"
#include "gate_int.h"
#include "gate_memory.h"
#include "gate_tls.h"
#include "timebase.h"

struct gate_conn *
gate_conn_find(struct gate *g, struct stream_id id)
{
	struct gate_conn *c = &g->conn[id.idx];

	return c->used && c->id.gen == id.gen ? c : NULL;
}

void
gate_conn_owes(struct gate *g, struct gate_conn *c, bool half, bool reading)
{
	bool did = (c->half_ns | c->slow_ns) != 0;

	c->half_ns = !half ? 0 : c->half_ns != 0 ? c->half_ns : g->now_ns;
	c->slow_ns = !reading ? 0 : c->slow_ns != 0 ? c->slow_ns : g->now_ns;
	c->memory.owes_poll = did ? c->memory.owes_poll : g->memory.poll_cnt;
	g->slow_cnt += (uint32_t)(half || reading) - (uint32_t)did;
}

void
gate_conn_moved(const struct gate *g, struct gate_conn *c, uint64_t *since_ns, size_t bytes)
{
	c->memory.moved += bytes;
	c->used_ns = bytes != 0 ? g->now_ns : c->used_ns;
	if (*since_ns != 0) {
		size_t n = MIN(bytes, (size_t)1 << 32); /* so that the product has room */

		*since_ns = MIN(*since_ns + n * NS_PER_S / g->cfg.slow_rate, g->now_ns);
	}
}

/* ------------------------------------------------------------------- going on */

static void
enqueue(struct gate_conns *list, struct gate_conn *c)
{
	if (c->queue == NULL) {
		c->queue = list;
		STAILQ_INSERT_TAIL(list, c, next);
	}
}

void
gate_conn_flush(struct gate *g, struct gate_conn *c)
{
	enqueue(&g->ready, c);
}

void
gate_conn_ready(struct gate *g, struct gate_conn *c)
{
	c->waiting = false;
	gate_conn_flush(g, c);
}

void
gate_conn_turn(struct gate *g, struct gate_conn *c)
{
	enqueue(&g->turned, c);
}

int
gate_turn_end(struct gate *g, struct gate_conn *c)
{
	if (unlikely(c->unfit)) { /* no more of its reply is wanted */
		return GATE_DONE;
	}
	c->room = true;
	gate_conn_turn(g, c);
	return GATE_WAIT;
}

void
gate_conn_starve(struct gate *g, struct gate_conn *c)
{
	c->room = true;
	gate_conn_later(g, c);
}

void
gate_conn_behind(struct gate *g, struct gate_conn *c)
{
	c->room = true;
	enqueue(&g->behind, c);
}

void
gate_conn_lack(struct gate *g, struct gate_conn *c)
{
	if (STAILQ_EMPTY(&g->lacking)) {
		g->lack_due_ns = g->now_ns + GATE_LACK_NS;
		g->loans_back = 0;
	}
	c->room = true;
	enqueue(&g->lacking, c);
}

uint64_t
gate_lack_due(const struct gate *g)
{
	return STAILQ_EMPTY(&g->lacking) ? UINT64_MAX
	       : g->loans_back > 0       ? g->now_ns
					 : g->lack_due_ns;
}

/* One for each loan that was given back; after the pause all. */
bool
gate_lack_poll(struct gate *g)
{
	const bool all = g->now_ns >= g->lack_due_ns;
	struct gate_conn *c;
	bool any = false;

	while ((all || g->loans_back > 0) && (c = STAILQ_FIRST(&g->lacking)) != NULL) {
		g->loans_back -= g->loans_back > 0;
		STAILQ_REMOVE_HEAD(&g->lacking, next);
		c->queue = NULL;
		enqueue(&g->ready, c);
		any = true;
	}
	g->lack_due_ns = all ? g->now_ns + GATE_LACK_NS : g->lack_due_ns;
	return any;
}

void
gate_conn_told(struct gate *g, struct gate_conn *c)
{
	if (!c->waiting) {
		gate_conn_ready(g, c);
	} else if (c->blocked) {
		gate_conn_later(g, c);
	} /* else it will settle when its command goes on */
}

void
gate_conn_later(struct gate *g, struct gate_conn *c)
{
	enqueue(&g->starved, c);
}

bool
gate_conn_held(const struct gate_conn *c)
{
	return (c->mark.set || c->quiet || c->run != NULL) && gate_out_due(c) == 0;
}

/* ------------------------------------------------------------------- memory */

void
gate_conn_keep_end(struct gate *g, struct gate_conn *c)
{
	if (c->keep_ref.handle != 0) {
		payload_release(g->inner.pool, c->keep_ref.handle, PROC_DAEMON);
		c->keep_ref.handle = 0;
	} else {
		heap_free(g->heap, c->keep, c->keep_cap);
	}
	c->keep = NULL;
	c->keep_cap = 0;
	c->keep_given = false;
}

/* Long memory of a command is a payload, which can be a value as it is, and does not count into
 * what connections share. Returns: whether there is some. */
static bool
keep_long(struct gate *g, struct gate_conn *c, size_t bytes)
{
	size_t want = MIN(MAX(bytes, 2UL * c->keep_cap), (size_t)PAYLOAD_BYTES_MAX);
	struct payload_ref ref;
	uint8_t *p;

	if (bytes <= PAYLOAD_SLAB_MAX || bytes > PAYLOAD_BYTES_MAX) {
		return false;
	}
	if (c->keep_ref.handle != 0 && !c->keep_given) {
		if (payload_grow(g->inner.pool, &c->keep_ref, &c->keep, want) != 0 &&
		    payload_grow(g->inner.pool, &c->keep_ref, &c->keep, bytes) != 0) {
			return false;
		}
		c->keep_cap = c->keep_ref.len;
		return true;
	}
	while (payload_alloc(g->inner.pool, bytes, PROC_DAEMON, &ref, &p) != 0) {
		if (gate_memory_relieve(g, c, MEMORY_LONG, 0) != RELIEF_NOW) {
			return false;
		}
	}
	if (c->keep != NULL) {
		memcpy(p, c->keep, c->keep_len);
		gate_conn_keep_end(g, c);
	}
	c->keep = p;
	c->keep_cap = ref.len;
	c->keep_ref = ref;
	return true;
}

bool
gate_conn_keep(struct gate *g, struct gate_conn *c, size_t bytes)
{
	uint8_t *p;
	size_t cap;

	if ((c->keep != NULL && bytes <= c->keep_cap && !c->keep_given) || keep_long(g, c, bytes)) {
		return true;
	}
	cap = heap_rounded_bytes(MAX(bytes, 2UL * c->keep_cap));
	p = bytes <= UINT32_MAX / 4 ? gate_memory_take(g, c, cap, MEMORY_MUST) : NULL;
	if (p == NULL) {
		return false;
	}
	if (c->keep != NULL) {
		memcpy(p, c->keep, MIN((size_t)c->keep_len, cap));
		gate_conn_keep_end(g, c);
	}
	c->keep = p;
	c->keep_cap = (uint32_t)cap;
	return true;
}

/* ------------------------------------------------------------------- its end */

/* Returns: whether its end has to wait (N4). */
static bool
put_off(struct gate_conn *c)
{
	if (!gate_stays(c)) {
		return false;
	}
	c->last = c->gone = true;
	return true;
}

void
gate_conn_reset(struct gate *g, struct gate_conn *c)
{
	if (!put_off(c)) {
		c->closing = true;
		stream_reset(g->stream, c->id);
	}
}

void
gate_conn_close(struct gate *g, struct gate_conn *c)
{
	if (put_off(c)) {
		return;
	}
	if (c->tls != NULL && !c->closing) {
		gate_tls_bye(g, c);
	}
	c->closing = true;
	stream_close(g->stream, c->id);
}
