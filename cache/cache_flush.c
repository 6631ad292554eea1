/* SPDX-License-Identifier: Apache-2.0 */
/* cache_flush - the deltas of a key on their way to the store
 *
 *   added ──► pending ──(nothing under way)──► flight ──MERGE──► kvs tile
 *                ▲ merged into one                 └──◄─MERGED── acknowledged
 *
 *   I1  One delta of a key is under way at a time. The counter's deltas say a writer's whole sum,
 *       so a later one contains an earlier one: were both under way and only the first refused, an
 *       increment would be reported as failed and be counted all the same.
 *   I2  What the resident envelope has and the store has not is in flight and pending, together.
 *   I3  When the store refuses a delta, everything added since is refused with it, and the entry
 *       goes: the next reader gets what the store has. So nothing that was reported as failed stays
 *       visible.
 *
 * But for the delete of all of a collection, of which a tombstone takes the place (cache_grow.c).
 *
 * A delta that won whole (a SET) is not copied: the entry's own block is lent to the kvs tile until
 * it has merged it, even if the entry shows another by then. Nor is one whose long item a tree took
 * over, with all the delta around it: the tree's root is lent, and with it all that is below.
 */
#include <string.h>

#include "cache_state.h"
#include "check.h"
#include "compiler.h"
#include "delta.h"
#include "lattice.h"
#include "microburst/error.h"

static struct slice
delta_slice(struct cache_core *c, const struct cache_delta *d)
{
	return slice_of(d->kind == CACHE_DELTA_IN ? d->small : c->cfg.base + d->off, d->len);
}

/* Forgets a delta that was never sent. */
static void
pending_drop(struct cache_core *c, struct cache_work *w)
{
	struct cache_delta *d = &w->pending;

	if (d->kind == CACHE_DELTA_BLOCK) {
		cache_store_free(c->store, &d->block);
	} else if (d->kind == CACHE_DELTA_LEAF) {
		cache_store_unlend(c->store, w->entry, &d->block);
	}
	d->kind = CACHE_DELTA_NONE;
}

/* Makes bytes the delta, in place of what it was. Where there is no memory the entry's envelope
 * takes its part: it contains everything. */
static void
pending_set(struct cache_core *c, struct cache_work *w, struct slice bytes)
{
	struct cache_delta *d = &w->pending;
	struct room *room = cache_store_room(c->store);
	uint32_t tries = 0;

	pending_drop(c, w);
	room_for(room, bytes); /* all of a collection would take much longer to merge */
	d->len = (uint32_t)bytes.len;
	if (bytes.len <= sizeof(d->small)) {
		d->kind = CACHE_DELTA_IN;
		memcpy(d->small, bytes.p, bytes.len);
	} else if (cache_store_alloc(c->store, bytes.len, &tries, &d->block) == 0) {
		d->kind = CACHE_DELTA_BLOCK;
		d->off = d->block.off;
		memcpy(cache_block_ptr(c->cfg.base, &d->block), bytes.p, bytes.len);
	} else {
		d->kind = CACHE_DELTA_ENTRY;
	}
	room_for(room, slice_of(NULL, 0));
}

/* Makes the delta that is in a block the delta, where there was none, with its block. */
static void
delta_take(struct cache_core *c, struct cache_delta *d, struct slice delta, struct cache_block *b)
{
	d->kind = CACHE_DELTA_BLOCK;
	d->len = (uint32_t)delta.len;
	d->off = (uint64_t)(delta.p - c->cfg.base);
	d->block = *b;
	*b = (struct cache_block){ 0 };
}

void
cache_flush_add(struct cache_core *c, struct cache_work *w, struct slice delta,
		struct cache_block *b, bool whole)
{
	struct cache_delta *to = &w->pending;
	struct wbuf out = wbuf_init(c->merge_mem, sizeof(c->merge_mem));

	REQUIRE(w->state == CACHE_WORK_READY);
	if (to->kind == CACHE_DELTA_ENTRY) {
		return;
	}
	if (!whole && to->kind == CACHE_DELTA_NONE) {
		if (b != NULL && b->off != 0 && delta.len > sizeof(to->small)) {
			delta_take(c, to, delta, b);
		} else {
			pending_set(c, w, delta);
		}
		return;
	}
	if (!whole && lattice_merge_bound(delta_slice(c, to), delta) <= out.cap &&
	    lattice_merge_into(LATTICE_ENVELOPE, delta_slice(c, to), delta, &out) >= 0) {
		pending_set(c, w, wbuf_slice(&out));
		return;
	}
	pending_drop(c, w);
	to->kind = CACHE_DELTA_ENTRY;
}

void
cache_flush_add_leaf(struct cache_core *c, struct cache_work *w, struct slice delta)
{
	struct cache_delta *to = &w->pending;

	REQUIRE(w->state == CACHE_WORK_READY);
	if (to->kind != CACHE_DELTA_NONE &&
	    (to->kind == CACHE_DELTA_ENTRY ||
	     !lattice_leq(LATTICE_ENVELOPE, delta_slice(c, to), delta))) {
		cache_flush_add(c, w, delta, NULL, true); /* it is in the entry's, as all is */
		return;
	}
	pending_drop(c, w);
	to->kind = CACHE_DELTA_LEAF;
	to->len = (uint32_t)delta.len;
	to->off = (uint64_t)(delta.p - c->cfg.base);
	INSIST(cache_store_lend(c->store, w->entry, &to->block));
}

bool
cache_flush_ack(struct cache_core *c, struct cache_work *w, struct cache_job *job)
{
	struct cache_waits *acks = &w->pending_acks;
	struct cache_wait *wait;

	if (w->pending.kind == CACHE_DELTA_NONE) {
		if (w->flight.kind == CACHE_DELTA_NONE) {
			return false;
		}
		if (job->ack <= w->flight_ack) {
			acks = &w->flight_acks;
		} else { /* more owners are asked for than the one under way has */
			w->pending.kind = CACHE_DELTA_ENTRY;
		}
	}
	if (acks == &w->pending_acks) {
		w->pending_ack = MAX(w->pending_ack, job->ack);
	}
	if (job->ack == KVS_ACK_LOCAL) {
		return false;
	}
	c->stats.flush_joined += !STAILQ_EMPTY(acks);
	wait = cache_wait_take(c);
	*wait = (struct cache_wait){ .job = job, .op = job->op_idx };
	STAILQ_INSERT_TAIL(acks, wait, next);
	return true;
}

void
cache_flush_go(struct cache_core *c, struct cache_work *w)
{
	struct desc d = { .kind = DESC_KVS_MERGE, .b = (uint64_t)(w - c->work) };
	struct slice envelope;

	if (w->flight.kind != CACHE_DELTA_NONE || w->pending.kind == CACHE_DELTA_NONE) {
		return;
	}
	w->flight = w->pending;
	w->pending.kind = CACHE_DELTA_NONE; /* without its bytes: they need not be cleared */
	w->pending.block = (struct cache_block){ 0 };
	w->flight_ack = w->pending_ack;
	w->pending_ack = 0;
	STAILQ_CONCAT(&w->flight_acks, &w->pending_acks);
	if (w->flight.kind == CACHE_DELTA_ENTRY) {
		envelope = cache_store_envelope(c->store, w->entry);
		if (slice_is_tree(envelope)) {
			w->flight_tree = *slice_tree(envelope);
			envelope = w->flight_tree.envelope;
		}
		w->flight.len = (uint32_t)envelope.len;
		if (cache_store_lend(c->store, w->entry, &w->flight.block)) {
			w->flight.kind = CACHE_DELTA_LENT;
			w->flight.off = w->flight.block.off;
		} else {
			w->flight.kind = CACHE_DELTA_IN;
			memcpy(w->flight.small, envelope.p, envelope.len);
		}
	}
	c->stats.flushed++;
	cache_core_moving(c, &w->moving, true);
	kvs_msg_set_bytes(&d, cache_work_key(w));
	/* All of it, where a tree is lent: the store merges it in pieces. */
	kvs_msg_set_delta(&d, w->flight.kind == CACHE_DELTA_LENT && w->flight.block.tree
				      ? tree_slice(&w->flight_tree)
				      : delta_slice(c, &w->flight));
	d.a = MAX(w->flight_ack, (uint8_t)KVS_ACK_ONE);
	cache_core_to_kvs(c, cache_kvs_of(c, w->hash), &d);
}

static void
acknowledge(struct cache_core *c, struct cache_waits *acks, int err)
{
	struct cache_wait *wait;

	while ((wait = STAILQ_FIRST(acks)) != NULL) {
		STAILQ_REMOVE_HEAD(acks, next);
		cache_job_ack(c, wait->job, wait->op, err);
		cache_wait_give(c, wait);
	}
}

/* What is under way is the entry's, or was. */
static bool
flight_is_lent(const struct cache_work *w)
{
	return w->flight.kind == CACHE_DELTA_LENT || w->flight.kind == CACHE_DELTA_LEAF;
}

/* Keeps I3. */
static void
refused(struct cache_core *c, struct cache_work *w, int err)
{
	c->stats.flush_refused++;
	pending_drop(c, w);
	cache_store_drop(c->store, w->entry);
	if (flight_is_lent(w)) {
		cache_store_unlend(c->store, w->entry, &w->flight.block);
	}
	cache_store_unkeep(c->store, w->entry);
	w->flight.kind = CACHE_DELTA_NONE;
	w->state = CACHE_WORK_IDLE;
	w->crowded = false;
	if (w->hushed) {
		cache_tell_hushed(c, w, MB_ERR_TRYAGAIN);
	}
	cache_work_fetch(c, w);
	acknowledge(c, &w->flight_acks, err);
	acknowledge(c, &w->pending_acks, err);
}

/* A collection of which all is deleted, and for that the store has no memory: it is razed, and what
 * was added since, for which it has none either, is refused. Else a delete of what others fill as
 * it goes would be refused each time, after most of its work. Returns: whether it is such a one,
 * and that is under way instead; whoever waits for the delete waits for that. */
static bool
razed(struct cache_core *c, struct cache_work *w, int err)
{
	struct cache_place at = { w->entry, w->hash, cache_work_key(w) };
	struct cache_waits since = STAILQ_HEAD_INITIALIZER(since);
	struct hlc_moment when = cache_core_now(c);
	bool absent = cache_store_absent(c->store, w->entry);

	if ((err != MB_ERR_NO_MEMORY && err != MB_ERR_INDETERMINATE) ||
	    w->flight.kind != CACHE_DELTA_LENT || !w->flight.block.tree ||
	    delta_present(tree_slice(&w->flight_tree), when.day) ||
	    cache_grow_raze(c, &at, when) != 0) {
		return false;
	}
	if (!absent) {
		c->stats.flush_refused++;
		STAILQ_CONCAT(&since, &w->pending_acks);
	}
	pending_drop(c, w);
	cache_store_unlend(c->store, w->entry, &w->flight.block);
	w->flight.kind = CACHE_DELTA_NONE;
	w->pending.kind = CACHE_DELTA_ENTRY;
	w->pending_ack = MAX(w->pending_ack, w->flight_ack);
	cache_flush_go(c, w);
	acknowledge(c, &since, MB_ERR_NO_MEMORY); /* keeps I3 */
	return true;
}

void
cache_flush_leave(struct cache_core *c, struct cache_work *w)
{
	if (!cache_work_leaves(w) || w->flight.kind != CACHE_DELTA_NONE) {
		return;
	}
	REQUIRE(w->state == CACHE_WORK_READY && w->pending.kind == CACHE_DELTA_NONE);
	cache_store_drop(c->store, w->entry);
	cache_store_unkeep(c->store, w->entry);
	w->state = CACHE_WORK_IDLE;
	if (w->hushed) {
		c->stats.told_dropped++;
		cache_tell_hushed(c, w, 0);
	}
	if (w->crowded) {
		cache_crowd_left(c, w);
	}
	if (!STAILQ_EMPTY(&w->jobs) || !STAILQ_EMPTY(&w->waits)) {
		cache_work_fetch(c, w);
	}
}

void
cache_flush_merged(struct cache_core *c, const struct desc *d)
{
	struct cache_work *w = &c->work[d->b];

	REQUIRE(d->b < CACHE_WORK_MAX);
	REQUIRE(w->state == CACHE_WORK_READY);
	REQUIRE(w->flight.kind != CACHE_DELTA_NONE);
	cache_core_moving(c, &w->moving, false);
	if (w->flight.kind == CACHE_DELTA_BLOCK) {
		cache_store_free(c->store, &w->flight.block);
		w->flight.kind = CACHE_DELTA_IN; /* nothing left to give back */
	}
	if (d->err != 0 && d->sub != KVS_MERGED_HERE) {
		if (!razed(c, w, d->err)) {
			refused(c, w, d->err);
		}
		return;
	}
	if (flight_is_lent(w)) {
		cache_store_unlend(c->store, w->entry, &w->flight.block);
	}
	w->flight.kind = CACHE_DELTA_NONE;
	acknowledge(c, &w->flight_acks, d->err); /* it is merged, by whomever */
	cache_flush_go(c, w);
	cache_flush_leave(c, w);
	cache_work_settle(c, w);
}
