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
 * writers nothing. Deltas that merge are merged at the sender; where they get long, or memory is
 * short, the whole value takes their place, as it contains them.
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

/* Adds to what is owed: keeps I2. */
static void
delta_add(struct kvs_changes *cs, struct kvs_change *ch, struct slice delta)
{
	struct slice old = { 0 };
	struct kvs_value *v;
	struct wbuf out;

	if (ch->whole) {
		return;
	}
	if (ch->delta != NULL) {
		old = slice_of(ch->delta->bytes, ch->delta->len);
	}
	room_for(&cs->shard->room, delta); /* the whole value would take much longer to tell */
	v = old.len + delta.len <= KVS_STEP_BYTES
		    ? kvs_shard_value_alloc(cs->shard, lattice_merge_bound(old, delta))
		    : NULL;
	room_for(&cs->shard->room, slice_of(NULL, 0));
	if (v == NULL) {
		delta_whole(cs, ch);
		return;
	}
	out = wbuf_init(v->bytes, v->cap);
	if (lattice_merge_into(LATTICE_ENVELOPE, old, delta, &out) < 0) {
		kvs_shard_value_free(cs->shard, v);
		delta_whole(cs, ch);
		return;
	}
	v->len = (uint32_t)out.len;
	delta_drop(cs, ch);
	ch->delta = v;
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
	if (whole) {
		delta_whole(cs, ch);
	} else {
		delta_add(cs, ch, delta);
	}
	if (ch->told == 0) { /* else when that is answered */
		enqueue(cs, ch, (ch->pending & KVS_LISTENER_TILES) == 0, now_ns);
	}
}

/* Whether a delta says something of one of these items. */
static bool
names(const struct kvs_value *delta, unsigned int type, const struct table *items)
{
	const struct table_merge_ops *ops = lattice_table_ops(type);
	struct table_walk walk = { 0 };
	struct envelope e;
	struct slice item;
	uint32_t at;

	if (envelope_open(slice_of(delta->bytes, delta->len), &e) != 0 ||
	    (e.state.len != 0 && e.type != type)) {
		return true; /* who knows */
	}
	while (e.state.len != 0 && table_walk_next(e.state, &walk, &item)) {
		if (table_place(items, ops->key_of, ops->key_of(item), 0, items->cnt, &at)) {
			return true;
		}
	}
	return false;
}

bool
kvs_change_owes(const struct kvs_changes *cs, const struct kvs_key *key, unsigned int type,
		struct slice items)
{
	const struct kvs_change *ch = key->changing ? change_find(cs, key) : NULL;
	struct table t;

	if (ch == NULL) {
		return false;
	}
	return ch->whole || (ch->said != NULL && ch->said_whole) || table_open(items, &t) != 0 ||
	       (ch->delta != NULL && names(ch->delta, type, &t)) ||
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

static struct slice
said_slice(const struct kvs_change *ch)
{
	return kvs_value_slice(ch->said);
}

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
		if (ch->said_whole) {
			delta_whole(cs, ch);
		} else {
			delta_add(cs, ch, said_slice(ch));
		}
	} else {
		cs->stats.spread++;
		cs->stats.lag_ns += lag_ns;
		cs->stats.lag_max_ns = MAX(cs->stats.lag_max_ns, lag_ns);
	}
	if (ch->said_whole) {
		kvs_shard_unpin(cs->shard, ch->said);
	} else {
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
