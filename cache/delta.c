/* SPDX-License-Identifier: Apache-2.0 */
/* delta - see delta.h
 *
 * An operation of a type T finds one of four things under its key:
 *
 *	T                       its delta, within the epoch of what is there
 *	nothing at all          the same, from bottom: the epoch is 0, or the tombstone's, or, after
 *	                        an expiry, the deadline (envelope_epoch_stay); all replicas agree on
 *	                        it
 *	another type, deleted   a change of type: from bottom, in a fresh epoch
 *	another type            MB_ERR_TYPE
 *
 * The same holds one storey down, in a map, where each field is an envelope: its operations are
 * those of a key, and their delta becomes the only field of the map's.
 *
 * A state is written to its place, and what describes it behind it (lattice.h, E3): nothing is
 * built elsewhere and copied in.
 */
#include "delta.h"

#include "check.h"
#include "clear.h"
#include "compiler.h"
#include "envelope.h"
#include "gset.h"
#include "lattice.h"
#include "map.h"
#include "microburst/error.h"
#include "orset.h"
#include "strval.h"
#include "view.h"

/* What a delta says of one item that is there already: 1,900 writers of a member, 600 of a
 * counter. */
#define ITEM_DELTA_MAX (32u << 10)
#define TAIL_MAX       (ENVELOPE_OVERHEAD + ENVELOPE_EXPIRY_OVERHEAD)

static_assert(DELTA_PUT_TAIL_MAX == TAIL_MAX + 1, "a SET adds one byte to its value");

/* Who does it, and when. */
struct act {
	struct hlc_time now;
	struct writer_id writer;
};

/* What an operation starts from. */
struct base {
	struct envelope tail; /* epoch and type of the delta, and what else stands behind it */
	struct slice state;   /* of the type; empty: bottom */
};

/* Opens what is stored, as a reader would see it now: what has expired is not there. */
static int
open_now(struct slice stored, struct hlc_time now, struct envelope *ret)
{
	int err = envelope_open(stored, ret);

	if (err == 0 && envelope_expired(ret, now)) {
		ret->type = LATTICE_ABSENT;
		ret->state = slice_of(NULL, 0);
	}
	return err;
}

static int
base_for(struct slice stored, unsigned int type, const struct act *a, struct base *ret)
{
	struct envelope e, shown;
	int err = open_now(stored, a->now, &shown);

	if (err != 0) {
		return err;
	}
	*ret = (struct base){ .tail.type = type };
	(void)envelope_open(stored, &e); /* with its deadline, as epoch_stay wants it */
	if (shown.type == type || shown.type == LATTICE_ABSENT) {
		ret->tail.epoch = envelope_epoch_stay(&e, a->now);
		ret->state = shown.state;
		return 0;
	}
	if (view_present(shown.type, shown.state)) {
		return MB_ERR_TYPE;
	}
	ret->tail.epoch = envelope_epoch_fresh(&e, a->now, a->writer);
	return 0;
}

/* Closes the envelope of a state that was written to out, unless it is bottom, or went wrong. */
static int
finish(const struct envelope *tail, int err, struct wbuf before, struct wbuf *out)
{
	if (err == 0 && out->len != before.len) {
		err = out->full ? MB_ERR_TOO_LARGE : envelope_write_tail(tail, out);
	}
	if (err != 0) {
		*out = before;
	}
	return err;
}

/* ------------------------------------------------------------------ strings */

int
delta_put_tail(struct slice stored, bool keep, struct hlc_time now, struct writer_id writer,
	       struct wbuf *out)
{
	struct wbuf before = *out;
	struct envelope e, tail = { .type = LATTICE_STRING };
	int err = envelope_open(stored, &e);

	if (err == 0) {
		/* E3: what describes a value stands behind it and, for a SET, does not depend on
		 * it. */
		err = strval_delta_set(slice_of(NULL, 0), out);
		tail.epoch = envelope_epoch_fresh(&e, now, writer);
		if (keep && !envelope_expired(&e, now)) {
			tail.expiry = e.expiry;
		}
	}
	return finish(&tail, err, before, out);
}

static int
make_put(struct slice stored, const struct wset_op *op, const struct act *a, struct wbuf *out)
{
	struct wbuf before = *out;
	int err;

	wbuf_put(out, op->value.p, op->value.len);
	err = out->full ? MB_ERR_TOO_LARGE
			: delta_put_tail(stored, op->keep, a->now, a->writer, out);
	if (err != 0) {
		*out = before;
	}
	return err;
}

/* A PUT that counts as done at a time that the caller names. */
static int
make_put_at(const struct wset_op *op, struct wbuf *out)
{
	struct wbuf before = *out;
	struct envelope tail = { .type = LATTICE_STRING };

	tail.epoch.time = hlc_time_of_us(op->time_us);
	wbuf_put(out, op->value.p, op->value.len);
	return finish(&tail,
		      out->full ? MB_ERR_TOO_LARGE : strval_delta_set(slice_of(NULL, 0), out),
		      before, out);
}

static int
make_incr(struct slice stored, int64_t n, const struct act *a, struct wbuf *out)
{
	struct wbuf before = *out;
	struct base base;
	int err = base_for(stored, LATTICE_STRING, a, &base);

	if (err == 0) {
		err = strval_delta_add(base.state, a->writer, n, out);
	}
	return finish(&base.tail, err, before, out);
}

/* -------------------------------------------------------------- collections */

static int
make_sadd(struct slice stored, struct slice member, const struct act *a, struct wbuf *out)
{
	struct wbuf before = *out;
	struct envelope shown;
	struct base base;
	int err = open_now(stored, a->now, &shown);

	if (err == 0 && shown.type == LATTICE_GSET) {
		base.tail = (struct envelope){ .epoch = shown.epoch, .type = LATTICE_GSET };
		return finish(&base.tail, gset_delta_add(&member, 1, out), before, out);
	}
	if (err == 0) {
		err = base_for(stored, LATTICE_ORSET, a, &base);
	}
	if (err == 0) {
		err = orset_delta_add((struct stamp){ a->now, a->writer }, member, out);
	}
	return finish(&base.tail, err, before, out);
}

static int
make_srem(struct slice stored, struct slice member, const struct act *a, struct wbuf *out)
{
	struct wbuf before = *out;
	struct base base;
	int err = base_for(stored, LATTICE_ORSET, a, &base);

	if (err == 0) {
		err = orset_delta_remove(base.state, member, out);
	}
	return finish(&base.tail, err, before, out);
}

static int make_del(struct slice stored, const struct act *a, struct wbuf *out);

/* The operation of a field on its envelope. */
static int
field_op(struct slice stored, const struct wset_op *op, const struct act *a, struct wbuf *out)
{
	switch (op->kind) {
	case WSET_MAP_PUT:
		return op->at ? make_put_at(op, out) : make_put(stored, op, a, out);
	case WSET_MAP_INCR:
		return make_incr(stored, op->n, a, out);
	default:
		return make_del(stored, a, out);
	}
}

static int
make_field(struct slice stored, const struct wset_op *op, const struct act *a, struct wbuf *out)
{
	struct wbuf before = *out;
	struct map_field field = { .type = LATTICE_ENVELOPE };
	struct map_builder b;
	struct base base;
	int err = base_for(stored, LATTICE_MAP, a, &base);

	if (err != 0) {
		return err;
	}
	if (map_get(base.state, op->field, &field) && field.type != LATTICE_ENVELOPE) {
		return MB_ERR_TYPE;
	}
	map_begin(&b, out);
	map_field_begin(&b, op->field);
	err = field_op(field.value, op, a, out);
	map_field_end(&b, LATTICE_ENVELOPE);
	if (err == 0) {
		err = map_end(&b);
	}
	return finish(&base.tail, err, before, out);
}

/* --------------------------------------------------------------------- keys */

static int
make_del(struct slice stored, const struct act *a, struct wbuf *out)
{
	struct wbuf before = *out;
	struct envelope shown, tail;
	int err = open_now(stored, a->now, &shown);

	if (err != 0 || !view_present(shown.type, shown.state)) {
		return err;
	}
	tail = (struct envelope){ .epoch = shown.epoch, .type = shown.type };
	if (shown.expiry.deadline.v != 0) {
		tail.expiry.stamp = (struct stamp){ a->now, a->writer };
	}
	err = lattice_clear(shown.type, shown.state, out);
	if (err == MB_ERR_NOT_SUPPORTED) {
		tail = (struct envelope){
			.type = LATTICE_ABSENT,
			.epoch = envelope_epoch_fresh(&shown, a->now, a->writer),
		};
		return envelope_write(&tail, out);
	}
	return finish(&tail, err, before, out);
}

static int
make_expire(struct slice stored, int64_t deadline_us, const struct act *a, struct wbuf *out)
{
	struct envelope shown, e = { .type = LATTICE_ABSENT };
	int err = open_now(stored, a->now, &shown);

	if (err != 0 || !view_present(shown.type, shown.state)) {
		return err;
	}
	if (deadline_us < 0) {
		return MB_ERR_INVALID;
	}
	if (deadline_us == 0 && shown.expiry.deadline.v == 0) {
		return 0;
	}
	e.epoch = shown.epoch;
	e.expiry.stamp = (struct stamp){ a->now, a->writer };
	if (deadline_us != 0) {
		e.expiry.deadline = hlc_time_of_us((uint64_t)deadline_us);
	}
	return envelope_write(&e, out);
}

size_t
delta_bound(struct slice stored, const struct wset_op *op, size_t value_len)
{
	size_t item = MIN(stored.len, (size_t)ITEM_DELTA_MAX);
	struct envelope e;

	switch (op->kind) {
	case WSET_PUT:
		return value_len + DELTA_PUT_TAIL_MAX;
	case WSET_INCR:
		return STRVAL_ADD_BYTES_MAX + TAIL_MAX;
	case WSET_SADD:
		return value_len + ORSET_OVERHEAD + TAIL_MAX;
	case WSET_SREM:
		return value_len + item + TAIL_MAX;
	case WSET_MAP_PUT:
	case WSET_MAP_INCR:
		return op->field.len + MAP_OVERHEAD +
		       MAX(value_len + 1, (size_t)STRVAL_ADD_BYTES_MAX) + 2 * TAIL_MAX;
	case WSET_MAP_DEL:
		return op->field.len + MAP_OVERHEAD + 2 * item + 2 * TAIL_MAX;
	case WSET_EXPIRE:
		return TAIL_MAX;
	default:
		return TAIL_MAX +
		       (envelope_open(stored, &e) == 0 ? lattice_clear_bound(e.type, e.state) : 0);
	}
}

int
delta_make(struct slice stored, const struct wset_op *op, struct hlc_time now,
	   struct writer_id writer, struct wbuf *out)
{
	const struct act act = { .now = now, .writer = writer };

	REQUIRE(writer.v != 0);
	switch (op->kind) {
	case WSET_PUT:
		return make_put(stored, op, &act, out);
	case WSET_INCR:
		return make_incr(stored, op->n, &act, out);
	case WSET_SADD:
		return make_sadd(stored, op->value, &act, out);
	case WSET_SREM:
		return make_srem(stored, op->value, &act, out);
	case WSET_MAP_PUT:
	case WSET_MAP_DEL:
	case WSET_MAP_INCR:
		return make_field(stored, op, &act, out);
	case WSET_DEL:
		return make_del(stored, &act, out);
	case WSET_EXPIRE:
		return make_expire(stored, op->n, &act, out);
	default:
		REQUIRE(false, "kind %d", op->kind);
		return MB_ERR_INVALID;
	}
}

bool
delta_present(struct slice stored, struct hlc_time now)
{
	struct envelope shown;

	return open_now(stored, now, &shown) == 0 && view_present(shown.type, shown.state);
}
