/* SPDX-License-Identifier: Apache-2.0 */
/* session_hand.c - what a part of a DAG call at the level rr gives to the next one: what was read
 *
 *	part 1: reads a, b; adds to b ──► { a, b + its adds } ──► part 2: reads a, c ──► { a, b, c }
 *
 * It is a map (map.h) from keys to envelopes, so who gets it checks it like every value that comes
 * from outside, and reads it where it lies. A key that was absent is one, too: an envelope of
 * nothing.
 *
 *   H1  What was taken over is in the cut (session_cut.c) before the part runs, so it is read like
 *       what was held here; and all that is in the cut is given on.
 *   H2  Own writes are merged into what is given on, by what makes their deltas in the cache tile.
 *       What they become there is another thing: there they meet what others have written.
 *   H3  A writer's times and dots are its own: each giving has a writer of its own, and none of
 *       them leaves the call.
 *   H4  What was written and never read is in the cut, too, when it is given: else the next part
 *       would read what others have put there since. What stands on nothing that is stored, a put
 *       or a delete, needs no look at the store.
 *
 * Rejected: versions kept by the cache until the call ends, and named to the next part. Each first
 * read would be a message, and each way to end a call had to let go of them at one more place. This
 * way they are one more result that an executor holds for the node. The price is a copy of what
 * was read, 64 MiB at most, where a DAG of that level does not fit one executor.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "delta.h"
#include "lattice.h"
#include "map.h"
#include "microburst/error.h"
#include "session_int.h"
#include "treeval.h"

/* An envelope of nothing, and what describes a value. */
#define ENVELOPE_SPARE 64
/* What the own writes of one call may have copied in all. */
#define COPY_MAX       (256ull << 20)

/* ----------------------------------------------------------------------- taking over */

int
session_hand_take(struct session *s, struct slice handed)
{
	struct map_field f;
	int err = lattice_check(LATTICE_MAP, handed);

	for (uint32_t i = 0; err == 0 && map_at(handed, i, &f); i++) {
		err = f.type != LATTICE_ENVELOPE || f.key.len == 0 || f.key.len > KEY_BYTES_MAX
			      ? MB_ERR_CORRUPT
			      : cut_take(s, f.key, f.value);
	}
	return err;
}

/* ----------------------------------------------------------------------- own writes */

/* An envelope, and what is made of it: one operation after the other. */
struct making {
	struct session *s;
	struct slice is;    /* so far; in base, in mem[at], or in the delta */
	struct wbuf mem[2]; /* the other one is for the next */
	struct wbuf delta;
	uint32_t at;
	struct hlc clock;
	struct writer_id writer;
	uint64_t copied;
	int err;
};

/* What delta_make needs of an operation: its value in place. */
static struct wset_op
op_whole(const struct session *s, const struct wset_op *op, uint32_t owned)
{
	struct wset_op whole = *op;

	if (owned != 0) {
		whole.value = slice_of(payload_ptr(s->conf.pool, s->owned[owned - 1].ref.handle),
				       op->ref.len);
	}
	return whole;
}

struct bound {
	const struct session *s;
	struct slice base;
	size_t all, delta;
};

static bool
bound_op(void *ctx, const struct wset_op *op, uint32_t owned)
{
	struct bound *b = ctx;
	struct wset_op whole = op_whole(b->s, op, owned);
	size_t delta = delta_bound(b->base, &whole, whole.value.len) + ENVELOPE_SPARE;

	b->all += delta;
	b->delta = MAX(b->delta, delta);
	return true;
}

static bool
make_op(void *ctx, const struct wset_op *op, uint32_t owned)
{
	struct making *m = ctx;
	struct wset_op whole = op_whole(m->s, op, owned);
	struct wbuf *to = &m->mem[1 - m->at];
	const struct exec_wait *w = m->s->conf.wait;
	int side;

	to->len = 0;
	m->delta.len = 0;
	m->err = delta_make(m->is, &whole, hlc_moment(&m->clock, w->wall_us(w->ctx)), m->writer,
			    &m->delta);
	if (m->err == MB_ERR_TYPE || m->err == MB_ERR_NOT_FOUND) {
		m->err = 0; /* refused there too, and the call with it */
		return true;
	}
	if (m->err != 0 || m->delta.len == 0) {
		return m->err == 0;
	}
	side = lattice_merge_into(LATTICE_ENVELOPE, m->is, wbuf_slice(&m->delta), to);
	if (side < 0) {
		m->err = side;
		return false;
	}
	m->copied += to->len;
	m->is = wbuf_slice(to);
	m->at = 1 - m->at;
	m->err = m->copied > COPY_MAX ? MB_ERR_TOO_LARGE : 0;
	return m->err == 0;
}

static struct slice
cut_envelope(const struct cut *c)
{
	return c->absent ? slice_of(NULL, 0) : c->value.envelope;
}

/* How long an envelope is when it is flat. */
static size_t
flat_bytes(struct slice envelope)
{
	struct envelope e;
	struct table t;

	if (!slice_is_tree(envelope)) {
		return envelope.len;
	}
	if (envelope_open(envelope, &e) != 0 || table_open(e.state, &t) != 0) {
		return 0; /* writing it will say so */
	}
	e.state = slice_of(NULL, table_bytes(&t)); /* of nothing, an envelope may be nothing, too */
	return envelope_bytes(&e);
}

/* Takes memory for the three buffers. Returns: 0, or an error and nothing taken. */
static int
making_take(struct making *m, const size_t bytes[3], struct payload_ref ref[3])
{
	struct wbuf *const buf[3] = { &m->mem[0], &m->mem[1], &m->delta };
	uint8_t *p;
	int err = 0;

	for (uint32_t i = 0; i < 3 && err == 0; i++) {
		err = payload_alloc(m->s->conf.pool, bytes[i], m->s->conf.proc, &ref[i], &p);
		if (err == 0) {
			*buf[i] = wbuf_init(p, bytes[i]);
		} else {
			while (i > 0) {
				payload_release(m->s->conf.pool, ref[--i].handle, m->s->conf.proc);
			}
			break;
		}
	}
	return err;
}

/* Writes what a key shows whose own writes are k. */
static int
give_written(struct session *s, const struct cut *c, const struct held_key *k, struct wbuf *out)
{
	struct making m = { .s = s };
	struct bound b = { .s = s, .base = cut_envelope(c) };
	struct payload_ref ref[3];
	const uint64_t name[3] = { s->call.id, s->conf.proc, ++s->hand_seq };
	const struct exec_wait *w = s->conf.wait;
	int err;

	visit_key(s, k, bound_op, &b);
	b.all += flat_bytes(b.base);
	err = making_take(&m, (const size_t[]){ b.all, b.all, b.delta }, ref);
	if (err != 0) {
		return err;
	}
	m.writer = (struct writer_id){ hash_bytes(name, sizeof(name)) | 1 };
	err = b.base.len != 0 ? treeval_write(b.base, &m.mem[0]) : 0;
	m.is = wbuf_slice(&m.mem[0]);
	if (err == 0) {
		visit_key(s, k, make_op, &m);
		err = m.err;
	}
	if (err == 0 && delta_present(m.is, hlc_time_of_us(w->wall_us(w->ctx)))) {
		wbuf_put(out, m.is.p, m.is.len);
	}
	for (uint32_t i = 0; i < 3; i++) {
		payload_release(s->conf.pool, ref[i].handle, s->conf.proc);
	}
	return err;
}

/* ----------------------------------------------------------------------------- giving */

/* Holds what own writes stand on, of keys that were not read (H4). */
static int
written_hold(struct session *s)
{
	for (uint32_t i = 0; i < s->key_cnt; i++) {
		const struct held_key *k = &s->key[i];
		const struct slice key = slice_of(k->p, k->len);
		const bool alone = k->base != BASE_STORE && !k->keep;
		struct cache_value v;
		int n = alone ? cut_nothing(s, k->hash, key)
			      : cut_read(s, k->hash, key, READ_FETCH, &v);

		if (n < 0) {
			return n;
		}
	}
	return 0;
}

static int
by_key(const void *a, const void *b, void *ctx)
{
	const struct session *s = ctx;
	const struct cut *x = &s->cut[*(const uint32_t *)a], *y = &s->cut[*(const uint32_t *)b];

	return slice_cmp(slice_of(x->key, x->key_len), slice_of(y->key, y->key_len));
}

static size_t
give_bound(struct session *s)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < s->cut_cnt; i++) {
		const struct cut *c = &s->cut[i];
		const struct held_key *k = held_find(s, c->hash, slice_of(c->key, c->key_len));
		struct bound b = { .s = s, .base = cut_envelope(c) };

		if (k != NULL) {
			visit_key(s, k, bound_op, &b);
		}
		bytes += c->key_len + MAP_OVERHEAD + ENVELOPE_SPARE + flat_bytes(b.base) + b.all;
	}
	return bytes;
}

static int
give(struct session *s, struct wbuf *out)
{
	/* Of nobody, and before everything that anybody wrote. */
	const struct envelope nothing = { .epoch = { .time = { 1 } } };
	struct map_builder map;
	int err = 0;

	map_begin(&map, out);
	for (uint32_t i = 0; i < s->cut_cnt && err == 0; i++) {
		const struct cut *c = &s->cut[s->hand_order[i]];
		struct slice key = slice_of(c->key, c->key_len);
		const struct held_key *k = held_find(s, c->hash, key);
		size_t start;

		map_field_begin(&map, key);
		start = out->len;
		if (k != NULL) {
			err = give_written(s, c, k, out);
		} else if (!c->absent) {
			err = treeval_write(c->value.envelope, out);
		}
		if (err == 0 && out->len == start) {
			err = envelope_write(&nothing, out);
		}
		map_field_end(&map, LATTICE_ENVELOPE);
	}
	return err != 0 ? err : map_end(&map);
}

int
session_hand_give(struct session *s, struct payload_ref *ret)
{
	struct wbuf out;
	uint8_t *p;
	int err;

	ret->len = 0;
	err = s->call.repeatable ? written_hold(s) : 0;
	if (err != 0 || s->cut_cnt == 0) {
		return err;
	}
	for (uint32_t i = 0; i < s->cut_cnt; i++) {
		s->hand_order[i] = i;
	}
	qsort_r(s->hand_order, s->cut_cnt, sizeof(s->hand_order[0]), by_key, s);
	err = payload_alloc(s->conf.pool, give_bound(s), PROC_DAEMON, ret, &p);
	if (err == 0) {
		out = wbuf_init(p, ret->len);
		err = give(s, &out);
		if (err != 0) {
			payload_release(s->conf.pool, ret->handle, PROC_DAEMON);
		} else {
			payload_shrink(s->conf.pool, ret, (uint32_t)out.len);
		}
	}
	if (err != 0) {
		ret->len = 0;
	}
	return err == MB_ERR_TOO_LARGE
		       ? refuse(s, err, "what it has read is too much for the next function")
	       : err == MB_ERR_NO_MEMORY
		       ? refuse(s, err, "no payload memory is left for what it has read")
		       : err;
}
