/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_change - see kvs_change.h
 *
 *   I1  A key has at most one change, and has one exactly while something is owed or was told and
 *       not answered: then it is marked `changing` and is not removed.
 *   I2  What pending listeners have not heard is contained in delta, or in the value if whole.
 *   I3  Of a key one telling is under way at a time. Its bytes do not change until all have
 *       answered: a delta is ours, a whole value is pinned.
 *   I4  A listener that could not merge is owed it again: a change is never lost, only late.
 *   I5  A wait is in one list of its change, and ends once: enough have merged, or its time is
 *       over.
 *
 * A change that won whole (a SET, a register) is not kept as a delta: the value is the delta, and
 * telling it costs a pin. So a hot register costs its replicas one message a period, and its
 * writers nothing. Deltas that merge are merged at the sender; where they get as long as half of
 * the value, or memory is short, the whole value takes their place, as it contains them. It should
 * not where telling it takes long: as much would gather meanwhile, and it be told whole again, for
 * as long as there are writers. So the delta of a large collection may be one itself, a tree.
 */
#include "kvs_change.h"

#include <string.h>

#include "check.h"
#include "compiler.h"
#include "envelope.h"
#include "lattice.h"
#include "microburst/error.h"
#include "table.h"

void
kvs_changes_init(struct kvs_changes *cs, struct kvs_shard *shard, uint64_t period_ns,
		 uint64_t timeout_ns, const struct kvs_change_ops *ops)
{
	memset(cs, 0, sizeof(*cs));
	cs->shard = shard;
	cs->ops = *ops;
	cs->period_ns = period_ns;
	cs->timeout_ns = timeout_ns;
	cs->due_ns = UINT64_MAX;
	TAILQ_INIT(&cs->free);
	TAILQ_INIT(&cs->now);
	TAILQ_INIT(&cs->later);
	TAILQ_INIT(&cs->waits_free);
	TAILQ_INIT(&cs->waits_all);
	TAILQ_INIT(&cs->waits_hasty);
	for (uint32_t i = 0; i < KVS_CHANGE_MAX; i++) {
		TAILQ_INSERT_TAIL(&cs->free, &cs->change[i], next);
	}
	for (uint32_t i = 0; i < KVS_WAIT_MAX; i++) {
		TAILQ_INSERT_TAIL(&cs->waits_free, &cs->wait[i], of_change);
	}
	cs->free_cnt = KVS_CHANGE_MAX;
	cs->wait_free_cnt = KVS_WAIT_MAX;
}

uint32_t
kvs_changes_room(const struct kvs_changes *cs)
{
	uint32_t free =
		cs->free_cnt > 2 * KVS_CHANGE_SPARE ? cs->free_cnt - 2 * KVS_CHANGE_SPARE : 0;

	/* Long merges that are under way already will want one as well. */
	return MIN(free,
		   cs->wait_free_cnt > KVS_WAIT_SPARE ? cs->wait_free_cnt - KVS_WAIT_SPARE : 0);
}

bool
kvs_changes_spare(const struct kvs_changes *cs, bool relays)
{
	return cs->free_cnt > (relays ? KVS_CHANGE_SPARE : 0);
}

/* ------------------------------------------------------------------ the table */

static uint32_t
table_at(const struct kvs_key *key)
{
	/* Where a key lies is as good as a hash: blocks are 16 bytes apart at least. */
	return (uint32_t)(((uintptr_t)key >> 5 ^ (uintptr_t)key >> 17) % KVS_CHANGE_TABLE);
}

static struct kvs_change **
table_head(struct kvs_changes *cs, const struct kvs_key *key)
{
	return &cs->table[table_at(key)];
}

static struct kvs_change *
change_find(const struct kvs_changes *cs, const struct kvs_key *key)
{
	struct kvs_change *ch = cs->table[table_at(key)];

	while (ch != NULL && ch->key != key) {
		ch = ch->table_next;
	}
	return ch;
}

static struct kvs_change *
change_take(struct kvs_changes *cs, struct kvs_key *key)
{
	struct kvs_change *ch = TAILQ_FIRST(&cs->free), **head = table_head(cs, key);

	REQUIRE(ch != NULL);
	TAILQ_REMOVE(&cs->free, ch, next);
	cs->free_cnt--;
	memset(ch, 0, sizeof(*ch));
	TAILQ_INIT(&ch->waits);
	TAILQ_INIT(&ch->told_waits);
	ch->key = key;
	ch->table_next = *head;
	*head = ch;
	key->changing = 1;
	return ch;
}

/* Nothing is owed any more: keeps I1. */
static void
change_give(struct kvs_changes *cs, struct kvs_change *ch)
{
	struct kvs_change **at = table_head(cs, ch->key);

	REQUIRE(ch->pending == 0);
	REQUIRE(ch->told == 0);
	REQUIRE(ch->delta == NULL);
	REQUIRE(!ch->queued);
	while (*at != ch) {
		at = &(*at)->table_next;
	}
	*at = ch->table_next;
	ch->key->changing = 0;
	ch->key = NULL;
	TAILQ_INSERT_HEAD(&cs->free, ch, next);
	cs->free_cnt++;
}

/* --------------------------------------------------------------------- owing */

static void
delta_drop(struct kvs_changes *cs, struct kvs_change *ch)
{
	if (ch->delta != NULL) {
		kvs_shard_value_free(cs->shard, ch->delta);
		ch->delta = NULL;
	}
}

static void
delta_whole(struct kvs_changes *cs, struct kvs_change *ch)
{
	delta_drop(cs, ch);
	ch->whole = true;
}

/* A delta of a collection that gets long is a tree, as the collection is, to which something is
 * added without a copy of all. One of other values is not worth it. */
static struct kvs_value *
delta_grow(struct kvs_changes *cs, struct slice old, struct slice delta)
{
	bool is_more = delta.len > old.len;
	struct kvs_value *v = kvs_shard_value_make(cs->shard, is_more ? delta : old);

	if (v != NULL &&
	    (v->tree == 0 || kvs_shard_value_merge(cs->shard, &v, is_more ? old : delta) != 0)) {
		kvs_shard_value_free(cs->shard, v);
		v = NULL;
	}
	return v;
}

/* Merges two deltas, as one flat one. Returns: NULL: it cannot be. */
static struct kvs_value *
delta_join(struct kvs_changes *cs, struct slice old, struct slice delta)
{
	struct kvs_value *v = kvs_shard_value_alloc(cs->shard, lattice_merge_bound(old, delta));
	struct wbuf out;

	if (v == NULL) {
		return NULL;
	}
	out = wbuf_init(v->bytes, v->cap);
	if (lattice_merge_into(LATTICE_ENVELOPE, old, delta, &out) < 0) {
		kvs_shard_value_free(cs->shard, v);
		return NULL;
	}
	v->len = (uint32_t)out.len;
	return v;
}

/* Whether the whole value is told sooner than a delta that is so long. */
static bool
is_too_long(const struct kvs_changes *cs, const struct kvs_change *ch, size_t bytes)
{
	const struct kvs_value *value = kvs_at(cs->shard->base, ch->key->value);

	return bytes > KVS_DELTA_BYTES || bytes > kvs_value_bytes(value) / 2;
}

/* Adds to what is owed: keeps I2. */
static void
delta_add(struct kvs_changes *cs, struct kvs_change *ch, struct slice delta)
{
	struct kvs_value *old = ch->delta, *v;
	struct slice flat = old != NULL ? slice_of(old->bytes, old->len) : slice_of(NULL, 0);

	if (ch->whole) {
		return;
	}
	room_for(&cs->shard->room, delta); /* the whole value would take much longer to tell */
	if (old != NULL && old->tree != 0) {
		v = kvs_shard_value_merge(cs->shard, &ch->delta, delta) == 0 ? ch->delta : NULL;
		old = ch->delta;
	} else if (flat.len + delta.len <= KVS_STEP_BYTES) {
		v = delta_join(cs, flat, delta);
	} else {
		v = delta.len <= KVS_STEP_BYTES ? delta_grow(cs, flat, delta) : NULL;
	}
	room_for(&cs->shard->room, slice_of(NULL, 0));
	if (v == NULL || (v->tree != 0 && is_too_long(cs, ch, kvs_value_bytes(v)))) {
		if (v != NULL && v != old) {
			kvs_shard_value_free(cs->shard, v);
		}
		delta_whole(cs, ch);
		return;
	}
	if (v != old) {
		delta_drop(cs, ch);
		ch->delta = v;
	}
}

static struct slice
said_slice(const struct kvs_change *ch)
{
	return kvs_value_slice(ch->said);
}

/* What was told is owed to somebody once more, beside what came since: keeps I2. */
static void
delta_again(struct kvs_changes *cs, struct kvs_change *ch)
{
	struct kvs_value *since = ch->delta;

	if (ch->said_whole || (ch->said->tree != 0 && since != NULL && since->tree != 0)) {
		delta_whole(cs, ch);
	} else if (ch->said->tree == 0) {
		delta_add(cs, ch, said_slice(ch));
	} else if (!ch->whole) {
		ch->delta = ch->said;
		ch->said = NULL;
		if (since != NULL) {
			delta_add(cs, ch, kvs_value_slice(since));
			kvs_shard_value_free(cs->shard, since);
		}
	}
}

static void
enqueue(struct kvs_changes *cs, struct kvs_change *ch, bool now, uint64_t now_ns)
{
	if (ch->queued) {
		return;
	}
	ch->queued = true;
	ch->later = !now;
	if (now) {
		TAILQ_INSERT_TAIL(&cs->now, ch, next);
		return;
	}
	if (TAILQ_EMPTY(&cs->later)) {
		cs->due_ns = now_ns + cs->period_ns;
	}
	TAILQ_INSERT_TAIL(&cs->later, ch, next);
}

/* Brings a change forward that waits for the period's end. */
static void
hasten(struct kvs_changes *cs, struct kvs_change *ch)
{
	if (ch->queued && ch->later) {
		TAILQ_REMOVE(&cs->later, ch, next);
		TAILQ_INSERT_TAIL(&cs->now, ch, next);
		ch->later = false;
	}
}

/* Whether a short delta says all there is to say, where the value is a large collection that
 * contains it. */
static bool
is_part(const struct kvs_changes *cs, const struct kvs_key *key, struct slice delta)
{
	const struct kvs_value *value = kvs_at(cs->shard->base, key->value);

	return value->tree != 0 && delta.len <= KVS_STEP_BYTES;
}

void
kvs_change_note(struct kvs_changes *cs, struct kvs_key *key, uint64_t listeners, struct slice delta,
		bool whole, uint64_t now_ns)
{
	struct kvs_change *ch = key->changing ? change_find(cs, key) : change_take(cs, key);

	REQUIRE(listeners != 0);
	INSIST(ch != NULL);
	cs->stats.joined += ch->pending != 0;
	if (ch->pending == 0) {
		ch->since_ns = now_ns;
	}
	ch->pending |= listeners;
	if (whole && !is_part(cs, key, delta)) {
		delta_whole(cs, ch);
	} else {
		delta_add(cs, ch, delta);
	}
	if (ch->told == 0) { /* else when that is answered */
		enqueue(cs, ch, (ch->pending & KVS_LISTENER_TILES) == 0, now_ns);
	}
}

/* Whether two tables have items of one key: those of the shorter one are looked for. */
static bool
share_key(const struct table *a, const struct table *b, table_key_fn *key_of)
{
	const struct table *few = a->cnt < b->cnt ? a : b, *many = few == a ? b : a;
	struct slice found;

	for (uint32_t i = 0; i < few->cnt; i++) {
		if (table_find(many, key_of, key_of(table_item(few, i)), &found)) {
			return true;
		}
	}
	return false;
}

/* Whether a delta says something of one of these items. */
static bool
names(struct kvs_value *delta, unsigned int type, const struct table *items)
{
	struct envelope e;
	struct table t;

	if (envelope_open(kvs_value_slice(delta), &e) != 0 ||
	    (e.state.len != 0 && (e.type != type || table_open(e.state, &t) != 0))) {
		return true; /* who knows */
	}
	return e.state.len != 0 && share_key(&t, items, lattice_table_ops(type)->key_of);
}

bool
kvs_change_whole(const struct kvs_changes *cs, const struct kvs_key *key)
{
	const struct kvs_change *ch = key->changing ? change_find(cs, key) : NULL;

	return ch != NULL && (ch->whole || (ch->said != NULL && ch->said_whole));
}

bool
kvs_change_owes(const struct kvs_changes *cs, const struct kvs_key *key, unsigned int type,
		struct slice items)
{
	const struct kvs_change *ch = key->changing ? change_find(cs, key) : NULL;
	struct table t;

	if (ch == NULL || kvs_change_whole(cs, key) || table_open(items, &t) != 0) {
		return ch != NULL;
	}
	return (ch->delta != NULL && names(ch->delta, type, &t)) ||
	       (ch->said != NULL && names(ch->said, type, &t));
}

void
kvs_change_wait(struct kvs_changes *cs, struct kvs_key *key, uint32_t from,
		const struct desc *request, uint32_t need, uint64_t now_ns)
{
	struct kvs_change *ch = change_find(cs, key);
	struct kvs_wait *w = TAILQ_FIRST(&cs->waits_free);

	REQUIRE(ch != NULL);
	REQUIRE(w != NULL);
	TAILQ_REMOVE(&cs->waits_free, w, of_change);
	cs->wait_free_cnt--;
	*w = (struct kvs_wait){ .change = ch,
				.request = *request,
				.from = from,
				.need = need,
				.asked = ch->pending & KVS_LISTENER_TILES,
				.deadline_ns = now_ns + cs->timeout_ns };
	TAILQ_INSERT_TAIL(&ch->waits, w, of_change);
	TAILQ_INSERT_TAIL(&cs->waits_all, w, of_all);
	hasten(cs, ch);
}

/* -------------------------------------------------------------------- waiting */

/* Keeps I5. */
static void
wait_end(struct kvs_changes *cs, struct kvs_wait *w, int err)
{
	struct desc request = w->request;
	uint32_t from = w->from;

	TAILQ_REMOVE(w->told ? &w->change->told_waits : &w->change->waits, w, of_change);
	TAILQ_REMOVE(w->hasty ? &cs->waits_hasty : &cs->waits_all, w, of_all);
	TAILQ_INSERT_HEAD(&cs->waits_free, w, of_change);
	cs->wait_free_cnt++;
	cs->stats.late += err == MB_ERR_INDETERMINATE;
	cs->ops.acked(cs->ops.ctx, from, &request, err);
}

static void
waits_heard(struct kvs_changes *cs, struct kvs_change *ch, uint32_t listener)
{
	struct kvs_wait *w = TAILQ_FIRST(&ch->told_waits), *next;

	for (; w != NULL; w = next) {
		next = TAILQ_NEXT(w, of_change);
		w->heard |= kvs_listener_bit(listener);
		w->refused &= ~kvs_listener_bit(listener);
		if ((uint32_t)__builtin_popcountll(w->heard) >= w->need) {
			wait_end(cs, w, 0);
		}
	}
}

/* A listener has no memory for what it was told. Who waits for more owners than may still have some
 * does not wait long. */
static void
waits_refused(struct kvs_changes *cs, struct kvs_change *ch, uint32_t listener, uint64_t now_ns)
{
	struct kvs_wait *w;

	TAILQ_FOREACH(w, &ch->told_waits, of_change)
	{
		uint64_t until = now_ns + cs->timeout_ns / KVS_REFUSED_SHARE;

		w->refused |= kvs_listener_bit(listener);
		if (!w->hasty && until < w->deadline_ns &&
		    (uint32_t)__builtin_popcountll(w->asked & ~w->refused) < w->need) {
			TAILQ_REMOVE(&cs->waits_all, w, of_all);
			TAILQ_INSERT_TAIL(&cs->waits_hasty, w, of_all);
			w->hasty = true;
			w->deadline_ns = until;
		}
	}
}

/* Moves all waits of one list to the end of another. */
static void
waits_move(struct kvs_waits *to, struct kvs_waits *from, bool told)
{
	struct kvs_wait *w;

	TAILQ_FOREACH(w, from, of_change)
	{
		w->told = told;
	}
	TAILQ_CONCAT(to, from, of_change);
}

/* -------------------------------------------------------------------- telling */

static void
tell(struct kvs_changes *cs, struct kvs_change *ch, uint32_t listener)
{
	struct desc d = { .kind = DESC_KVS_TELL, .b = (uint64_t)(ch - cs->change) };

	kvs_msg_set_bytes(&d, kvs_key_slice(ch->key));
	kvs_msg_set_delta(&d, said_slice(ch));
	cs->window[listener]++;
	if (listener < KVS_TILE_MAX) {
		cs->stats.told++;
		cs->stats.told_bytes += ch->said->len;
		cs->ops.to_tile(cs->ops.ctx, listener, &d);
	} else {
		cs->stats.pushed++;
		cs->ops.to_cache(cs->ops.ctx, listener - KVS_TILE_MAX, &d);
	}
}

/* Whether all who are owed can take one more. */
static bool
has_window(const struct kvs_changes *cs, uint64_t listeners)
{
	for (; listeners != 0; listeners &= listeners - 1) {
		if (cs->window[__builtin_ctzll(listeners)] == KVS_TELL_WINDOW) {
			return false;
		}
	}
	return true;
}

static void
change_tell(struct kvs_changes *cs, struct kvs_change *ch)
{
	INSIST(ch->told == 0);
	ch->said_whole = ch->whole;
	ch->said = ch->whole ? kvs_shard_pin_key(cs->shard, ch->key) : ch->delta;
	ch->said_since_ns = ch->since_ns;
	ch->told = ch->pending;
	ch->failed = 0;
	ch->pending = 0;
	ch->delta = NULL;
	ch->whole = false;
	waits_move(&ch->told_waits, &ch->waits, true);
	for (uint64_t left = ch->told; left != 0; left &= left - 1) {
		tell(cs, ch, (uint32_t)__builtin_ctzll(left));
	}
}

/* All have answered. */
static void
change_settle(struct kvs_changes *cs, struct kvs_change *ch, uint64_t now_ns)
{
	uint64_t lag_ns = now_ns - ch->said_since_ns;
	bool again = ch->failed != 0;

	if (again) { /* keeps I4 */
		ch->since_ns = ch->said_since_ns;
		ch->pending |= ch->failed;
		delta_again(cs, ch);
	} else {
		cs->stats.spread++;
		cs->stats.lag_ns += lag_ns;
		cs->stats.lag_max_ns = MAX(cs->stats.lag_max_ns, lag_ns);
	}
	if (ch->said_whole) {
		kvs_shard_unpin(cs->shard, ch->said);
	} else if (ch->said != NULL) {
		kvs_shard_value_free(cs->shard, ch->said);
	}
	ch->said = NULL;
	waits_move(&ch->waits, &ch->told_waits, false);
	if (ch->pending != 0) {
		bool now = !again &&
			   (!TAILQ_EMPTY(&ch->waits) || (ch->pending & KVS_LISTENER_TILES) == 0);

		enqueue(cs, ch, now, now_ns);
		return;
	}
	INSIST(TAILQ_EMPTY(&ch->waits), "a wait for owners that are not told");
	change_give(cs, ch);
}

void
kvs_change_told(struct kvs_changes *cs, uint32_t listener, const struct desc *d, uint64_t now_ns)
{
	struct kvs_change *ch = &cs->change[d->b];

	REQUIRE(d->b < KVS_CHANGE_MAX);
	REQUIRE((ch->told & kvs_listener_bit(listener)) != 0);
	ch->told &= ~kvs_listener_bit(listener);
	cs->window[listener]--;
	if (d->err == MB_ERR_NOT_FOUND && listener >= KVS_TILE_MAX) {
		ch->key->held &= (uint8_t) ~(1u << (listener - KVS_TILE_MAX));
		cs->stats.forgotten++;
	} else if (d->err != 0) {
		ch->failed |= kvs_listener_bit(listener);
		cs->stats.again++;
		if (d->err == MB_ERR_NO_MEMORY && listener < KVS_TILE_MAX) {
			waits_refused(cs, ch, listener, now_ns);
		}
	} else if (listener < KVS_TILE_MAX) {
		waits_heard(cs, ch, listener);
	}
	if (ch->told == 0) {
		change_settle(cs, ch, now_ns);
	}
}

/* Ends the waits of a list whose time is over. Returns: whether there was one. */
static bool
waits_late(struct kvs_changes *cs, struct kvs_waits *waits, uint64_t now_ns)
{
	struct kvs_wait *w;
	bool any = false;

	while ((w = TAILQ_FIRST(waits)) != NULL && w->deadline_ns <= now_ns) {
		wait_end(cs, w, MB_ERR_INDETERMINATE);
		any = true;
	}
	return any;
}

bool
kvs_changes_turn(struct kvs_changes *cs, uint64_t now_ns)
{
	struct kvs_changes_list full = TAILQ_HEAD_INITIALIZER(full);
	struct kvs_change *ch;
	bool busy = waits_late(cs, &cs->waits_all, now_ns);

	busy |= waits_late(cs, &cs->waits_hasty, now_ns);
	if (cs->due_ns <= now_ns) {
		TAILQ_FOREACH(ch, &cs->later, next)
		{
			ch->later = false;
		}
		TAILQ_CONCAT(&cs->now, &cs->later, next);
		cs->due_ns = UINT64_MAX;
	}
	for (uint32_t i = 0; i < KVS_TELL_BURST && (ch = TAILQ_FIRST(&cs->now)) != NULL; i++) {
		TAILQ_REMOVE(&cs->now, ch, next);
		if (!has_window(cs, ch->pending)) {
			TAILQ_INSERT_TAIL(&full, ch, next); /* an answer makes room */
			continue;
		}
		ch->queued = false;
		change_tell(cs, ch);
		busy = true;
	}
	TAILQ_CONCAT(&cs->now, &full, next);
	return busy;
}

uint64_t
kvs_changes_timer(const struct kvs_changes *cs)
{
	const struct kvs_wait *w = TAILQ_FIRST(&cs->waits_all);
	const struct kvs_wait *hasty = TAILQ_FIRST(&cs->waits_hasty);
	uint64_t due_ns = w != NULL ? MIN(cs->due_ns, w->deadline_ns) : cs->due_ns;

	return hasty != NULL ? MIN(due_ns, hasty->deadline_ns) : due_ns;
}
