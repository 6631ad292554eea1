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
 * A state is built behind the place of its envelope and copied in, because an envelope describes a
 * state that is complete. Values of a PUT, the only ones that may be long and frequent, are put in
 * place at once: their state is the value and one byte.
 */
#include "delta.h"

#include "check.h"
#include "compiler.h"
#include "counter.h"
#include "envelope.h"
#include "gset.h"
#include "lattice.h"
#include "lww.h"
#include "map.h"
#include "microburst/error.h"
#include "strval.h"
#include "view.h"

/* What a delete of a string or counter may say: 5 numbers for each of 600 writers. */
#define DEL_STATE_MAX  (32u << 10)
/* An increment's: the number it adds to, and the counter of one writer. */
#define INCR_STATE_MAX (COUNTER_ENTRY_BYTES_MAX + 32)

static_assert(DELTA_PUT_TAIL == ENVELOPE_OVERHEAD + 1, "a SET adds one byte to its value");

/* What an operation starts from. */
struct base {
	struct stamp epoch; /* of the delta */
	struct slice state; /* of the type; empty: bottom */
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
base_for(struct slice stored, unsigned int type, struct hlc_time now, struct writer_id writer,
	 struct base *ret)
{
	struct envelope e, shown;
	int err = open_now(stored, now, &shown);

	if (err != 0) {
		return err;
	}
	*ret = (struct base){ .state = slice_of(NULL, 0) };
	(void)envelope_open(stored, &e); /* with its deadline, as epoch_stay wants it */
	if (shown.type == type || shown.type == LATTICE_ABSENT) {
		ret->epoch = envelope_epoch_stay(&e, now);
		ret->state = shown.state;
		return 0;
	}
	if (view_present(shown.type, shown.state)) {
		return MB_ERR_TYPE;
	}
	ret->epoch = envelope_epoch_fresh(&e, now, writer);
	return 0;
}

/* Appends the envelope of a state that was built in tmp, unless the state is bottom. */
static int
finish(struct stamp epoch, unsigned int type, const struct wbuf *tmp, struct wbuf *out)
{
	struct envelope e = { .epoch = epoch, .type = type, .state = wbuf_slice(tmp) };

	return tmp->len == 0 ? 0 : envelope_write(&e, out);
}

/* The room behind a place of len bytes of state in its envelope. */
static struct wbuf
room_behind(const struct wbuf *out, size_t len)
{
	size_t skip = MIN(len + ENVELOPE_OVERHEAD, out->cap - out->len);

	return wbuf_init(out->p + out->len + skip, out->cap - out->len - skip);
}

static int
make_put(struct slice stored, struct slice value, struct hlc_time now, struct writer_id writer,
	 struct wbuf *out)
{
	size_t start = out->len;
	int err;

	wbuf_put(out, value.p, value.len);
	err = out->full ? MB_ERR_TOO_LARGE : delta_put_tail(stored, now, writer, out);
	if (err != 0) {
		out->len = start;
	}
	return err;
}

static int
make_incr(struct slice stored, int64_t n, struct hlc_time now, struct writer_id writer,
	  struct wbuf *out)
{
	struct wbuf tmp = room_behind(out, INCR_STATE_MAX);
	struct base base;
	int err = base_for(stored, LATTICE_STRING, now, writer, &base);

	if (err == 0) {
		err = strval_delta_add(base.state, writer, n, &tmp);
	}
	return err != 0 ? err : finish(base.epoch, LATTICE_STRING, &tmp, out);
}

static int
make_sadd(struct slice stored, struct slice member, struct hlc_time now, struct writer_id writer,
	  struct wbuf *out)
{
	struct wbuf tmp = room_behind(out, member.len + TABLE_ITEM_OVERHEAD);
	struct base base;
	int err = base_for(stored, LATTICE_GSET, now, writer, &base);

	if (err == 0) {
		err = gset_delta_add(&member, 1, &tmp);
	}
	return err != 0 ? err : finish(base.epoch, LATTICE_GSET, &tmp, out);
}

static int
make_map_put(struct slice stored, const struct wset_op *op, struct hlc_time now,
	     struct writer_id writer, struct wbuf *out)
{
	size_t field_len = op->value.len + LWW_OVERHEAD;
	size_t state_len = op->field.len + field_len + MAP_OVERHEAD;
	struct wbuf tmp = room_behind(out, state_len), value;
	struct map_field field = { .key = op->field, .type = LATTICE_LWW };
	struct base base;
	int err = base_for(stored, LATTICE_MAP, now, writer, &base);

	if (err != 0) {
		return err;
	}
	/* The field's value is built at the envelope's place, which is written last. */
	value = wbuf_init(out->p + out->len, MIN(field_len, out->cap - out->len));
	err = lww_delta_set((struct stamp){ now, writer }, op->value, &value);
	field.value = wbuf_slice(&value);
	if (err == 0) {
		err = map_delta_put(&field, &tmp);
	}
	return err != 0 ? err : finish(base.epoch, LATTICE_MAP, &tmp, out);
}

static int
make_del(struct slice stored, struct hlc_time now, struct writer_id writer, struct wbuf *out)
{
	struct wbuf tmp = room_behind(out, DEL_STATE_MAX);
	struct envelope shown, tombstone = { .type = LATTICE_ABSENT };
	int err = open_now(stored, now, &shown);

	if (err != 0 || !view_present(shown.type, shown.state)) {
		return err;
	}
	switch (shown.type) {
	case LATTICE_STRING:
		err = strval_delta_del(shown.state, &tmp);
		return err != 0 ? err : finish(shown.epoch, shown.type, &tmp, out);
	case LATTICE_PN_COUNTER:
		err = counter_delta_del(shown.state, &tmp);
		return err != 0 ? err : finish(shown.epoch, shown.type, &tmp, out);
	default:
		tombstone.epoch = envelope_epoch_fresh(&shown, now, writer);
		return envelope_write(&tombstone, out);
	}
}

int
delta_put_tail(struct slice stored, struct hlc_time now, struct writer_id writer, struct wbuf *out)
{
	uint8_t empty_set[1];
	struct wbuf state = wbuf_init(empty_set, sizeof(empty_set));
	struct envelope e, put = { .type = LATTICE_STRING };
	int err = envelope_open(stored, &e);

	if (err != 0) {
		return err;
	}
	/* E3: what describes a value stands behind it and, for a SET, does not depend on it. */
	err = strval_delta_set(slice_of(NULL, 0), &state);
	put.epoch = envelope_epoch_fresh(&e, now, writer);
	put.state = wbuf_slice(&state);
	return err != 0 ? err : envelope_write(&put, out);
}

size_t
delta_bound(const struct wset_op *op, size_t value_len)
{
	switch (op->kind) {
	case WSET_PUT:
		return value_len + DELTA_PUT_TAIL;
	case WSET_INCR:
		return 2 * INCR_STATE_MAX + ENVELOPE_OVERHEAD;
	case WSET_SADD:
		return 2 * (value_len + TABLE_ITEM_OVERHEAD) + ENVELOPE_OVERHEAD;
	case WSET_MAP_PUT:
		return 2 * (op->field.len + value_len + LWW_OVERHEAD + MAP_OVERHEAD) +
		       ENVELOPE_OVERHEAD;
	default:
		return 2 * DEL_STATE_MAX + ENVELOPE_OVERHEAD;
	}
}

int
delta_make(struct slice stored, const struct wset_op *op, struct hlc_time now,
	   struct writer_id writer, struct wbuf *out)
{
	REQUIRE(writer.v != 0);
	switch (op->kind) {
	case WSET_PUT:
		return make_put(stored, op->value, now, writer, out);
	case WSET_INCR:
		return make_incr(stored, op->n, now, writer, out);
	case WSET_SADD:
		return make_sadd(stored, op->value, now, writer, out);
	case WSET_MAP_PUT:
		return make_map_put(stored, op, now, writer, out);
	case WSET_DEL:
		return make_del(stored, now, writer, out);
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
