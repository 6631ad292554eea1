/* SPDX-License-Identifier: Apache-2.0 */
/* settle.c - see settle.h
 *
 * Why a fold needs a new epoch, and forgotten marks do not: a mark that comes back says again what
 * was true; an entry of a counter that comes back would be counted twice, in the base and by
 * itself.
 */
#include "settle.h"

#include "codec.h"
#include "compiler.h"
#include "counter.h"
#include "envelope.h"
#include "history.h"
#include "lattice.h"
#include "list.h"
#include "lww.h"
#include "map.h"
#include "microburst/error.h"
#include "mvreg.h"
#include "pair_lex.h"
#include "presence.h"
#include "strval.h"
#include "table.h"
#include "tree.h"

/* ----------------------------------------------------------------------- items */

/* A member keeps the dots that are live or young. Returns: whether it has others. */
static bool
member_put(struct slice item, struct hlc_time before, struct table_builder *b)
{
	struct slice presence, member = item;
	bool any;

	if (!presence_cut(&member, &presence)) {
		return false;
	}
	codec_put_slice(b->out, member);
	any = presence_put_since(b->out, presence, before);
	table_item_end(b);
	return any;
}

/* Whether a member keeps no dot: then it is not there, however long it is. */
static bool
member_old(struct slice item, struct hlc_time before)
{
	uint8_t mem[1];
	struct wbuf none = wbuf_init(mem, 0);
	struct slice presence, member = item;

	return presence_cut(&member, &presence) && presence_put_since(&none, presence, before) &&
	       !none.full;
}

/* The id of a list's item holds when it was put there; that it was removed has no time. */
static bool
mark_old(struct slice item, struct hlc_time before)
{
	uint64_t time;

	if (item.len < LIST_ID_BYTES) {
		return false;
	}
	memcpy(&time, item.p + 8, sizeof(time));
	return be64toh(time) < before.v;
}

/* A field that was put at a time that its writer named (an epoch by nobody) keeps its mark: a put
 * at an older time may be made at any time, and must find that it is. */
static bool
field_old(struct slice item, struct hlc_time before)
{
	struct map_field f;
	struct envelope e;

	return map_field_open(item, &f) && f.type == LATTICE_ENVELOPE &&
	       envelope_open(f.value, &e) == 0 && e.epoch.time.v < before.v &&
	       (e.epoch.writer.v != 0 || e.epoch.time.v == 0);
}

static bool
item_old(unsigned int type, struct slice item, struct hlc_time before)
{
	switch (type) {
	case LATTICE_ORSET:
		return member_old(item, before);
	case LATTICE_LIST:
		return mark_old(item, before);
	case LATTICE_MAP:
	case LATTICE_OSET:
		return field_old(item, before);
	default:
		return false;
	}
}

bool
settle_mark(unsigned int type, struct slice item)
{
	const struct table_merge_ops *ops = lattice_table_ops(type);

	return ops != NULL && ops->present != NULL && !ops->present(item) &&
	       item_old(type, item, (struct hlc_time){ UINT64_MAX });
}

/* Appends what stays. Returns: of how many items something does not; an error. */
static int64_t
items_put(const struct envelope *e, const struct table_merge_ops *ops, struct hlc_time before,
	  struct wbuf *out)
{
	struct table_walk walk = { 0 };
	struct table_builder b;
	struct slice item;
	int64_t gone = 0;
	int err = 0;

	table_begin(&b, out);
	while (table_walk_next(e->state, &walk, &item)) {
		if (!ops->present(item) && item_old(e->type, item, before)) {
			gone++;
		} else if (e->type == LATTICE_ORSET) {
			gone += member_put(item, before, &b);
		} else {
			codec_put_slice(out, item);
			table_item_end(&b);
		}
	}
	if (b.cnt == 0 || gone == 0) {
		table_abort(&b);
	} else {
		err = table_end(&b);
	}
	return err != 0 ? err : gone;
}

int
settle_items(struct slice envelope, struct hlc_time before, struct wbuf *out)
{
	struct wbuf was = *out;
	const struct table_merge_ops *ops;
	struct envelope e;
	struct table t;
	int64_t gone;
	int err = envelope_open(envelope, &e);

	if (err != 0) {
		return err;
	}
	ops = lattice_table_ops(e.type);
	if (ops == NULL || ops->present == NULL || table_open(e.state, &t) != 0 ||
	    (e.type != LATTICE_ORSET && table_present_cnt(&t, ops) == t.cnt)) {
		return LATTICE_LEFT;
	}
	gone = items_put(&e, ops, before, out);
	if (gone <= 0) {
		*out = was;
		return gone < 0 ? (int)gone : (int)LATTICE_LEFT;
	}
	if (out->len == was.len) { /* none is left: a tombstone */
		e.type = LATTICE_ABSENT;
	}
	err = envelope_write_tail(&e, out);
	if (err != 0) {
		*out = was;
	}
	return err != 0 ? err : (int)LATTICE_MIXED;
}

/* ---------------------------------------------------------------------- writers */

static uint32_t
counter_writers(struct slice counter)
{
	struct rbuf r = rbuf_of(counter);
	struct counter_entry entry;
	uint32_t cnt = 0;

	while (counter_next(&r, &entry) == 1) {
		cnt++;
	}
	return cnt;
}

/* Returns: 1 with the state that the string shows; 0 when there is nothing to fold; an error. */
static int
fold_string(struct slice state, uint32_t writers_max, struct wbuf *out)
{
	char buf[STRVAL_TEXT_MAX];
	struct slice text;
	int err;

	if (counter_writers(strval_counter(state)) <= writers_max ||
	    strval_text(state, buf, &text) != 0) {
		return 0;
	}
	err = strval_delta_set(text, out);
	return err != 0 ? err : 1;
}

/* A lone sibling; concurrent ones need what they say of each other. */
static int
fold_register(struct slice state, uint32_t writers_max, struct wbuf *out)
{
	struct mvreg_sibling s;
	struct table t;
	uint32_t idx = 0;
	int err;

	if (table_open(state, &t) != 0 || t.cnt != 1 || !mvreg_next(state, &idx, &s) ||
	    s.history.len <= (size_t)writers_max * HISTORY_RUN_BYTES) {
		return 0;
	}
	err = mvreg_delta_put(slice_of(NULL, 0), slice_of(NULL, 0), (struct writer_id){ 0 }, &s,
			      out);
	return err != 0 ? err : 1;
}

/* The register under a name (a user's merge): second of a pair. */
static int
fold_pair(struct slice state, uint32_t writers_max, struct wbuf *out)
{
	struct pair_lex p;
	int rc;

	if (pair_lex_open(state, &p) != 0 || p.first_type != LATTICE_LWW ||
	    p.second_type != LATTICE_MVREG) {
		return 0;
	}
	rc = fold_register(p.second, writers_max, out);
	if (rc == 1) {
		codec_put_slice(out, p.first);
		rc = pair_lex_write_tail(&p, out);
		rc = rc != 0 ? rc : 1;
	}
	return rc;
}

int
settle_writers(struct slice envelope, uint32_t writers_max, struct hlc_time before,
	       struct wbuf *out)
{
	struct wbuf was = *out;
	struct envelope e = { .type = LATTICE_ABSENT };
	int rc = slice_is_tree(envelope) ? 0 : envelope_open(envelope, &e);

	if (rc != 0 || slice_is_tree(envelope)) {
		return rc != 0 ? rc : (int)LATTICE_LEFT;
	}
	if (e.epoch.time.v >= before.v || e.epoch.time.v == UINT64_MAX) {
		return LATTICE_LEFT;
	}
	switch (e.type) {
	case LATTICE_STRING:
		rc = fold_string(e.state, writers_max, out);
		break;
	case LATTICE_MVREG:
		rc = fold_register(e.state, writers_max, out);
		break;
	case LATTICE_PAIR_LEX:
		rc = fold_pair(e.state, writers_max, out);
		break;
	default:
		break;
	}
	if (rc == 1) {
		e.epoch = (struct stamp){ .time = { e.epoch.time.v + 1 } };
		rc = envelope_write_tail(&e, out);
		rc = rc != 0 ? rc : (int)LATTICE_MIXED;
	} else if (rc == 0) {
		rc = LATTICE_LEFT;
	}
	if (rc != LATTICE_MIXED) {
		*out = was;
	}
	return rc;
}
