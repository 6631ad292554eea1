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

#include <string.h>

#include "check.h"
#include "clear.h"
#include "compiler.h"
#include "envelope.h"
#include "gset.h"
#include "history.h"
#include "lattice.h"
#include "list.h"
#include "lww.h"
#include "map.h"
#include "microburst/error.h"
#include "mvreg.h"
#include "orset.h"
#include "pair_lex.h"
#include "score.h"
#include "seen.h"
#include "strval.h"
#include "table.h"
#include "view.h"

/* What a delta says of one item that is there already: 1,900 writers of a member, 600 of a
 * counter. */
#define ITEM_DELTA_MAX (32u << 10)
#define TAIL_MAX       (ENVELOPE_OVERHEAD + ENVELOPE_EXPIRY_OVERHEAD)

/* Who does it, and when. */
struct act {
	struct hlc_time now, day; /* struct hlc_moment */
	struct writer_id writer;
};

/* What an operation starts from. */
struct base {
	struct envelope tail; /* epoch and type of the delta, and what else stands behind it */
	struct slice state;   /* of the type; empty: bottom */
};

/* Opens what is stored, as a reader would see it now: what has expired is not there. */
static int
open_now(struct slice stored, struct hlc_time day, struct envelope *ret)
{
	int err = envelope_open(stored, ret);

	if (err == 0 && envelope_expired(ret, day)) {
		ret->type = LATTICE_ABSENT;
		ret->state = slice_of(NULL, 0);
	}
	return err;
}

static int
base_for(struct slice stored, unsigned int type, const struct act *a, struct base *ret)
{
	struct envelope e, shown;
	int err = open_now(stored, a->day, &shown);

	if (err != 0) {
		return err;
	}
	*ret = (struct base){ .tail.type = type };
	(void)envelope_open(stored, &e); /* with its deadline, as epoch_stay wants it */
	if (shown.type == type || shown.type == LATTICE_ABSENT) {
		ret->tail.epoch = envelope_epoch_stay(&e, a->day);
		ret->state = shown.state;
		/* What was emptied item by item has ended, and its deadline with it. */
		if (shown.expiry.deadline.v != 0 && !envelope_expired(&e, a->day) &&
		    !view_present(shown.type, shown.state)) {
			ret->tail.expiry.stamp = (struct stamp){ a->now, a->writer };
		}
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

static int
make_put(struct slice stored, const struct wset_op *op, const struct act *a, struct wbuf *out)
{
	struct wbuf before = *out;
	struct envelope e, tail = { .type = LATTICE_STRING };
	int err = envelope_open(stored, &e);

	if (err == 0) {
		err = strval_delta_set(op->value, out);
		tail.epoch = envelope_epoch_fresh(&e, a->now, a->writer);
		if (op->keep && delta_present(stored, a->day)) {
			tail.expiry = e.expiry;
		}
	}
	return finish(&tail, err, before, out);
}

/* A PUT that counts as done at a time that the caller names. */
static int
make_put_at(const struct wset_op *op, struct wbuf *out)
{
	struct wbuf before = *out;
	struct envelope tail = { .type = LATTICE_STRING };

	tail.epoch.time = hlc_time_of_us(op->time_us);
	return finish(&tail, strval_delta_set(op->value, out), before, out);
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
	int err = open_now(stored, a->day, &shown);

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
make_gadd(struct slice stored, struct slice member, const struct act *a, struct wbuf *out)
{
	struct wbuf before = *out;
	struct base base;
	int err = base_for(stored, LATTICE_GSET, a, &base);

	if (err == 0) {
		err = gset_delta_add(&member, 1, out);
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

static double
f64_of(int64_t bits)
{
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* Writes or adds to the score in a member's envelope. */
static int
make_score(struct slice stored, const struct wset_op *op, const struct act *a, struct wbuf *out)
{
	struct wbuf before = *out;
	struct envelope e;
	struct base base;
	int err = base_for(stored, LATTICE_SCORE, a, &base);

	if (err == 0 && op->kind == WSET_ZADD) {
		(void)envelope_open(stored, &e);
		base.tail.epoch = envelope_epoch_fresh(&e, a->now, a->writer);
		err = score_delta_set(f64_of(op->n), out);
	} else if (err == 0) {
		err = score_delta_add(base.state, a->writer, f64_of(op->n), out);
	}
	return finish(&base.tail, err, before, out);
}

/* The operation of a field, or of a member of a sorted set, on its envelope. */
static int
field_op(struct slice stored, const struct wset_op *op, const struct act *a, struct wbuf *out)
{
	switch (op->kind) {
	case WSET_MAP_PUT:
		return op->at ? make_put_at(op, out) : make_put(stored, op, a, out);
	case WSET_MAP_INCR:
		return make_incr(stored, op->n, a, out);
	case WSET_ZADD:
	case WSET_ZINCR:
		return make_score(stored, op, a, out);
	default:
		return make_del(stored, a, out);
	}
}

/* type: MAP or OSET. */
static int
make_field(unsigned int type, struct slice stored, const struct wset_op *op, const struct act *a,
	   struct wbuf *out)
{
	struct wbuf before = *out;
	struct map_field field = { .type = LATTICE_ENVELOPE };
	struct map_builder b;
	struct base base;
	int err = base_for(stored, type, a, &base);

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

static int
make_item(struct slice stored, const struct wset_op *op, const struct act *a, struct wbuf *out)
{
	const struct stamp stamp = { a->now, a->writer };
	struct wbuf before = *out;
	struct base base;
	uint64_t position;
	int err = base_for(stored, LATTICE_LIST, a, &base);

	if (err != 0) {
		return err;
	}
	if ((wset_has(op->kind) & WSET_HAS_FIELD) != 0 &&
	    op->field.len != (op->kind == WSET_LIST_PLACE ? sizeof(position) : LIST_ID_BYTES)) {
		return MB_ERR_INVALID;
	}
	switch (op->kind) {
	case WSET_PUSH_LEFT:
		err = list_delta_push(base.state, stamp, LIST_LEFT, op->value, out);
		break;
	case WSET_PUSH_RIGHT:
		err = list_delta_push(base.state, stamp, LIST_RIGHT, op->value, out);
		break;
	case WSET_LIST_PLACE:
		memcpy(&position, op->field.p, sizeof(position));
		err = list_delta_place(le64toh(position), stamp, op->value, out);
		break;
	case WSET_LIST_SET:
		err = list_delta_set(base.state, op->field, stamp, op->value, out);
		break;
	default:
		err = list_delta_remove(base.state, op->field, out);
		break;
	}
	return finish(&base.tail, err, before, out);
}

/* --------------------------------------------------------------------- keys */

static int
make_del(struct slice stored, const struct act *a, struct wbuf *out)
{
	struct wbuf before = *out;
	struct envelope shown, tail;
	int err = open_now(stored, a->day, &shown);

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

bool
delta_clears(struct slice stored, struct hlc_time day)
{
	const struct table_merge_ops *ops;
	struct envelope shown;

	if (open_now(stored, day, &shown) != 0 || !view_present(shown.type, shown.state)) {
		return false;
	}
	ops = lattice_table_ops(shown.type);
	return ops != NULL && ops->present != NULL;
}

int
delta_del_around(struct slice stored, struct hlc_time now, struct writer_id writer,
		 struct envelope *ret)
{
	struct expiry none = { .stamp = { now, writer } };
	int err = envelope_open(stored, ret);

	if (err == 0 && ret->expiry.deadline.v != 0) {
		ret->expiry = envelope_expiry_later(&ret->expiry, &none);
	}
	return err;
}

/* ----------------------------------------------------------------- siblings */

/* What of the siblings that are there a writer has seen: what he says, as far as it is true. */
static int
context_of(struct slice mvreg, struct stamp epoch, const struct seen *said,
	   uint8_t mem[4 * SEEN_CONTEXT_MAX], struct slice *ret)
{
	struct wbuf out = wbuf_init(mem + 2 * SEEN_CONTEXT_MAX, 2 * SEEN_CONTEXT_MAX);
	struct seen there;
	int err;

	*ret = slice_of(NULL, 0);
	if (said->context.len == 0 || stamp_cmp(said->epoch, epoch) != 0) {
		return 0;
	}
	err = seen_of(mvreg, epoch, mem, &there);
	if (err == 0) {
		err = history_meet(said->context, there.context, &out);
	}
	if (err == 0) {
		*ret = wbuf_slice(&out);
	}
	return err;
}

/* What was deleted is of no merge any more: a change of it is like one of type. */
static int
base_anew(struct slice stored, const struct act *a, struct base *base)
{
	struct envelope e;
	int err = envelope_open(stored, &e);

	base->tail.epoch = envelope_epoch_fresh(&e, a->now, a->writer);
	base->state = slice_of(NULL, 0);
	return err;
}

static int
make_sibling(struct slice stored, const struct wset_op *op, const struct act *a, struct wbuf *out)
{
	unsigned int type = op->field.len == 0 ? LATTICE_MVREG : LATTICE_PAIR_LEX;
	uint8_t mem[4 * SEEN_CONTEXT_MAX];
	struct slice name = op->field, mvreg = { 0 }, context;
	struct wbuf before = *out;
	struct base base;
	struct seen said;
	int err = seen_open(op->value, &said);

	if (err == 0) {
		err = base_for(stored, type, a, &base);
	}
	if (err == 0 && base.state.len != 0 &&
	    (!merged_by(type, base.state, &name, &mvreg) || !slice_eq(name, op->field))) {
		err = view_present(type, base.state) ? MB_ERR_TYPE : base_anew(stored, a, &base);
		mvreg = slice_of(NULL, 0);
	}
	if (err == 0) {
		err = context_of(mvreg, base.tail.epoch, &said, mem, &context);
	}
	if (err != 0) {
		return err;
	}
	if (op->kind == WSET_SIBLING) {
		struct mvreg_sibling s = { .value = said.value, .time = a->now };

		err = mvreg_delta_put(mvreg, context, a->writer, &s, out);
	} else {
		err = mvreg_delta_merged(mvreg, context, said.value, slice_of(NULL, 0), out);
	}
	if (err == MB_ERR_NOT_FOUND) { /* another one has settled them */
		return 0;
	}
	if (err == 0 && type == LATTICE_PAIR_LEX) {
		err = merged_put_tail(op->field, out);
	}
	return finish(&base.tail, err, before, out);
}

/* ------------------------------------------------------- values as they are */

bool
delta_mergeable(unsigned int type)
{
	switch (type) {
	case LATTICE_LWW:
	case LATTICE_VCLOCK:
	case LATTICE_PAIR_LEX:
	case LATTICE_BOOL_OR:
	case LATTICE_MAX_U64:
	case LATTICE_MIN_U64:
	case LATTICE_MAX_F64:
	case LATTICE_GSET:
	case LATTICE_PRIORITY:
	case LATTICE_HLL:
		return true;
	default:
		return false;
	}
}

/* A part of a pair, or a value that is none. */
static int
part_check(unsigned int type, struct slice value)
{
	struct slice bytes;
	struct stamp stamp;

	if (!delta_mergeable(type)) {
		return MB_ERR_INVALID;
	}
	return type == LATTICE_LWW && value.len != 0 && lww_read(value, &bytes, &stamp) == 0 &&
			       stamp.writer.v != 0
		       ? MB_ERR_INVALID
		       : 0;
}

/* Checks a value of a type that may come as it is, all the way down. Returns: 0; MB_ERR_INVALID: it
 * may not; as lattice_check. */
static int
merge_check(unsigned int type, struct slice value)
{
	struct pair_lex pair;
	int err = part_check(type, value);

	if (err == 0) {
		err = lattice_check(type, value);
	}
	if (err == 0 && type == LATTICE_PAIR_LEX && pair_lex_open(value, &pair) == 0) {
		err = pair.second_type == LATTICE_PAIR_LEX
			      ? MB_ERR_INVALID
			      : part_check(pair.first_type, pair.first);
		if (err == 0 && pair.second.len != 0) {
			err = part_check(pair.second_type, pair.second);
		}
	}
	return err;
}

bool
delta_same_kind(unsigned int type, struct slice a, struct slice b)
{
	struct pair_lex pa, pb;

	return type != LATTICE_PAIR_LEX || pair_lex_open(a, &pa) != 0 ||
	       pair_lex_open(b, &pb) != 0 ||
	       (pa.first_type == pb.first_type &&
		(pa.second_type == pb.second_type || pa.second.len == 0 || pb.second.len == 0));
}

static int
make_merge(struct slice stored, const struct wset_op *op, const struct act *a, struct wbuf *out)
{
	struct wbuf before = *out;
	struct base base;
	int err = op->field.len == 1 ? merge_check(op->field.p[0], op->value) : MB_ERR_INVALID;

	if (err == 0) {
		err = base_for(stored, op->field.p[0], a, &base);
	}
	if (err == 0 && !delta_same_kind(base.tail.type, base.state, op->value)) {
		err = MB_ERR_TYPE;
	}
	if (err != 0) {
		return err;
	}
	wbuf_put_slice(out, op->value);
	return finish(&base.tail, 0, before, out);
}

static int
make_expire(struct slice stored, int64_t deadline_us, const struct act *a, struct wbuf *out)
{
	struct envelope shown, e = { .type = LATTICE_ABSENT };
	int err = open_now(stored, a->day, &shown);

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
delta_value_at(const struct wset_op *op)
{
	switch (op->kind) {
	case WSET_PUT:
	case WSET_SADD:
	case WSET_SREM:
	case WSET_GADD:
	case WSET_MERGE:
		return 0;
	case WSET_MAP_PUT:
		return op->field.len;
	case WSET_PUSH_LEFT:
	case WSET_PUSH_RIGHT:
	case WSET_LIST_PLACE:
	case WSET_LIST_SET:
		return LIST_ID_BYTES;
	default:
		return DELTA_VALUE_NOWHERE;
	}
}

size_t
delta_bound(struct slice stored, const struct wset_op *op, size_t value_len)
{
	size_t item = MIN(stored.len, (size_t)ITEM_DELTA_MAX);
	struct envelope e;

	switch (op->kind) {
	case WSET_PUT:
		return value_len + 1 + TAIL_MAX;
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
	case WSET_ZADD:
	case WSET_ZINCR:
		return op->field.len + MAP_OVERHEAD + SCORE_BYTES_MAX + 2 * TAIL_MAX;
	case WSET_PUSH_LEFT:
	case WSET_PUSH_RIGHT:
	case WSET_LIST_PLACE:
	case WSET_LIST_SET:
	case WSET_LIST_DEL:
		return value_len + LIST_OVERHEAD + LWW_OVERHEAD + TAIL_MAX;
	case WSET_MAP_DEL:
	case WSET_ZREM:
		return op->field.len + MAP_OVERHEAD + 2 * item + 2 * TAIL_MAX;
	case WSET_MERGE:
		return value_len + TAIL_MAX;
	case WSET_SIBLING:
	case WSET_SETTLE: /* what was seen and is there can be in more pieces than what was seen */
		return value_len + 2 * SEEN_CONTEXT_MAX + op->field.len + MERGED_OVERHEAD +
		       MVREG_OVERHEAD + HISTORY_RUN_BYTES + TAIL_MAX;
	case WSET_GADD:
		return value_len + TABLE_ITEM_OVERHEAD + TAIL_MAX;
	case WSET_EXPIRE:
		return TAIL_MAX;
	default:
		return TAIL_MAX +
		       (envelope_open(stored, &e) == 0 ? lattice_clear_bound(e.type, e.state) : 0);
	}
}

static int
make(struct slice stored, const struct wset_op *op, const struct act *a, struct wbuf *out)
{
	switch (op->kind) {
	case WSET_SIBLING:
	case WSET_SETTLE:
		return make_sibling(stored, op, a, out);
	case WSET_GADD:
		return make_gadd(stored, op->value, a, out);
	case WSET_PUT:
		return make_put(stored, op, a, out);
	case WSET_INCR:
		return make_incr(stored, op->n, a, out);
	case WSET_SADD:
		return make_sadd(stored, op->value, a, out);
	case WSET_SREM:
		return make_srem(stored, op->value, a, out);
	case WSET_MAP_PUT:
	case WSET_MAP_DEL:
	case WSET_MAP_INCR:
		return make_field(LATTICE_MAP, stored, op, a, out);
	case WSET_ZADD:
	case WSET_ZINCR:
	case WSET_ZREM:
		return make_field(LATTICE_OSET, stored, op, a, out);
	case WSET_PUSH_LEFT:
	case WSET_PUSH_RIGHT:
	case WSET_LIST_PLACE:
	case WSET_LIST_SET:
	case WSET_LIST_DEL:
		return make_item(stored, op, a, out);
	case WSET_DEL:
		return make_del(stored, a, out);
	case WSET_MERGE:
		return make_merge(stored, op, a, out);
	case WSET_EXPIRE:
		return make_expire(stored, op->n, a, out);
	default:
		REQUIRE(false, "kind %d", op->kind);
		return MB_ERR_INVALID;
	}
}

int
delta_make(struct slice stored, const struct wset_op *op, struct hlc_moment at,
	   struct writer_id writer, struct wbuf *out)
{
	const struct act act = { .now = at.now, .day = at.day, .writer = writer };
	size_t before = out->len;
	int err;

	REQUIRE(writer.v != 0);
	err = make(stored, op, &act, out);
	if (err != 0 || !op->must || out->len != before) {
		return err;
	}
	/* Nothing changed; of a key that has no end and is to have none, because all is well. */
	return op->kind == WSET_EXPIRE && delta_present(stored, at.day) ? 0 : MB_ERR_NOT_FOUND;
}

bool
delta_present(struct slice stored, struct hlc_time day)
{
	struct envelope shown;

	return open_now(stored, day, &shown) == 0 && view_present(shown.type, shown.state);
}
