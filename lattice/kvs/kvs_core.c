/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_core - see kvs_core.h
 *
 *   I1  Each GET, MERGE, ACT, SCAN, TELL, ASK and LEAVE is answered once: at once, when its job
 *       ends, or when enough others have merged. An ACT when that is true of all its acts.
 *   I2  A job reads its delta only until the answer is sent: the delta is the asker's again then.
 *   I3  Who merges a change owes it to all other owners; the primary of a hot key also owes what
 *       it was told to the tiles beyond them. So each tile that has a key hears of each change, and
 *       nobody but the primary needs to know that the key is hot.
 *
 *   I4  An asker that acts has no copy of the key, unless it keeps what it looked at: it is not in
 *       `held` afterwards. What it fetches later is in the link behind the ACT, and begun after it;
 *       of an act with a value that takes many steps, after the ACTED (kvs_act.h).
 *
 * Two long merges into one key can be under way at once, and short ones overtake them. That is no
 * harm: they commute.
 */
#include "kvs_core.h"
#include "kvs_prefetch.h"

#include <string.h>

#include "check.h"
#include "compiler.h"
#include "kvs_agree.h"
#include "kvs_heat.h"
#include "kvs_owner.h"
#include "lattice.h"
#include "microburst/error.h"

/* -------------------------------------------------------------------- owners */

/* Whether a request is for this tile. k: the key if it is here. */
static bool
serves(const struct kvs_core *c, uint64_t hash, const struct kvs_key *k)
{
	if (c->cfg.tile_cnt == 1 || kvs_owner_is_primary(c, hash)) {
		return true;
	}
	if (k != NULL && (k->dying || k->hot)) {
		return !k->dying;
	}
	return (kvs_owner_set(c, hash, c->cfg.copies) & kvs_listener_bit(c->cfg.self)) != 0;
}

static uint64_t
caches_of(const struct kvs_key *k)
{
	return (uint64_t)k->held << KVS_TILE_MAX;
}

/* Every other tile that is owed what somebody wrote here. */
static uint64_t
tiles_owed(const struct kvs_core *c, uint64_t hash, const struct kvs_key *k)
{
	uint32_t cnt = c->cfg.copies;

	if (k->hot && kvs_owner_is_primary(c, hash)) {
		cnt = MAX(cnt, kvs_hot_tiles(&c->hot, k));
	}
	return cnt == 1 && !k->hot ? 0
				   : kvs_owner_set(c, hash, cnt) & ~kvs_listener_bit(c->cfg.self);
}

/* The same for what another tile told: keeps I3. */
static uint64_t
tiles_relayed(const struct kvs_core *c, uint64_t hash, const struct kvs_key *k)
{
	if (!k->hot || !kvs_owner_is_primary(c, hash)) {
		return 0;
	}
	return kvs_owner_set(c, hash, kvs_hot_tiles(&c->hot, k)) &
	       ~kvs_owner_set(c, hash, c->cfg.copies);
}

/* ------------------------------------------------------------------- answers */

static void
answer_begin(struct desc *ret, enum kvs_msg_kind kind, const struct desc *request)
{
	*ret = (struct desc){ .kind = (uint8_t)kind, .call = request->call, .b = request->b };
}

/* Puts the envelope of a key into an answer: inline, or lent until RELEASE. */
static void
answer_with_state(struct kvs_core *c, struct desc *answer, struct kvs_key *k)
{
	struct slice v = { 0 };

	if (k != NULL) {
		v = kvs_shard_value(c->shard, k);
	}
	if (v.len <= DESC_INLINE_BYTES) {
		answer->flags = DESC_F_INLINE;
		answer->len = (uint8_t)v.len;
		if (v.len != 0) {
			memcpy(answer->data, v.p, v.len);
		}
		return;
	}
	kvs_msg_set_bytes(answer, v);
	answer->word[2] = (uintptr_t)kvs_shard_pin_key(c->shard, k);
}

static void
act_over(struct kvs_core *c, uint32_t from, const struct desc *d, int err)
{
	struct desc answer;

	if (kvs_act_over(d, err)) {
		answer_begin(&answer, DESC_KVS_ACTED, d);
		answer.word[0] = d->word[0];
		c->out.send(c->out.ctx, from, &answer);
	}
}

/* Answers a MERGE, or what an act has merged. here: all of it is merged here, whatever err says of
 * others. */
static void
merged_here(struct kvs_core *c, uint32_t from, const struct desc *d, int err, bool here)
{
	struct desc answer;

	if (d->kind == DESC_KVS_ACT) {
		act_over(c, from, d, err);
		return;
	}
	answer_begin(&answer, DESC_KVS_MERGED, d);
	answer.err = (int16_t)err;
	answer.flags = DESC_F_INLINE;
	answer.sub = here ? KVS_MERGED_HERE : 0;
	if (err == 0 && (d->sub & KVS_WANT_STATE) != 0) {
		answer.flags = 0;
		answer_with_state(c, &answer, kvs_shard_find(c->shard, kvs_msg_bytes(d)));
	}
	c->out.send(c->out.ctx, from, &answer);
}

static void
merged(struct kvs_core *c, uint32_t from, const struct desc *d, int err)
{
	merged_here(c, from, d, err, err == 0);
}

static void
told(struct kvs_core *c, uint32_t tile, const struct desc *d, int err)
{
	struct desc answer = { .kind = DESC_KVS_TOLD, .err = (int16_t)err, .b = d->b };

	c->out.send_tile(c->out.ctx, tile, &answer);
}

/* ------------------------------------------------------------------ requests */

/* The primary counts, and only where a key can have more tiles. */
static void
seen(struct kvs_core *c, struct kvs_key *k, uint64_t hash)
{
	if (c->cfg.tile_cnt > c->cfg.copies && kvs_owner_is_primary(c, hash)) {
		kvs_hot_seen(&c->hot, k, hash);
	}
}

static void
step_get(void *ctx, uint32_t from, const struct desc *d)
{
	struct kvs_core *c = ctx;
	struct slice key = kvs_msg_bytes(d);
	struct kvs_key *k = kvs_shard_find(c->shard, key);
	uint64_t hash = kvs_owner_hash(c, key);
	struct desc answer;

	if (unlikely(k != NULL && c->drops.hush.key == k) && from < c->cfg.cache_cnt &&
	    kvs_hush_wait(&c->drops.hush, from, d)) {
		return;
	}
	c->shard->stats.got++;
	answer_begin(&answer, DESC_KVS_GOT, d);
	if (!serves(c, hash, k)) {
		answer.flags = DESC_F_INLINE;
		answer.err = MB_ERR_MOVED;
	} else {
		answer_with_state(c, &answer, k);
	}
	if (answer.err == 0 && k != NULL) {
		kvs_owner_hold(c, from, k, true);
		seen(c, k, hash);
	}
	c->out.send(c->out.ctx, from, &answer);
}

/* How many others must merge before a writer is answered; cnt: others there are. */
static uint32_t
others_needed(const struct kvs_core *c, const struct desc *d, uint32_t cnt)
{
	uint32_t ack = d->a == KVS_ACK_DEFAULT ? (uint32_t)c->cfg.ack : d->a;

	return ack == KVS_ACK_ALL ? cnt : ack == KVS_ACK_QUORUM ? (cnt + 1) / 2 : 0;
}

/* A key that was not here and that nobody asked this tile for: caches that asked for it before, in
 * vain, have noted that it is absent. */
static void
hold_fresh(struct kvs_core *c, uint32_t from, bool asked, uint64_t hash)
{
	struct kvs_merged *m = &c->shard->last;

	if (m->fresh && !(asked && from < c->cfg.cache_cnt) &&
	    (c->cfg.tile_cnt == 1 || kvs_owner_is_primary(c, hash))) {
		m->key->held = (uint8_t)((1u << c->cfg.cache_cnt) - 1);
	}
}

/* Notes who is owed what an asker wrote. act: its act; NULL: a merge, of which it has a copy.
 * Returns: which tiles are. */
static uint64_t
asker_owed(struct kvs_core *c, uint32_t from, struct slice delta, bool whole,
	   const struct kvs_act *act)
{
	struct kvs_merged m = c->shard->last;
	uint64_t hash = kvs_owner_hash(c, kvs_key_slice(m.key)), owed, tiles;

	hold_fresh(c, from, true, hash);
	owed = caches_of(m.key);
	kvs_owner_hold(c, from, m.key, act == NULL);
	seen(c, m.key, hash);
	if (from < c->cfg.cache_cnt) {
		owed &= ~kvs_listener_bit(KVS_LISTENER_CACHE(from));
	}
	tiles = c->cfg.tile_cnt == 1 ? 0 : tiles_owed(c, hash, m.key);
	if (m.side != LATTICE_LEFT) {
		if ((owed | tiles) != 0) {
			kvs_change_note(&c->changes, m.key, owed | tiles, delta, whole, c->now_ns);
		}
		if (act == NULL || !act->grows) {
			kvs_drop_look(&c->drops, m.key, delta, c->now_ns);
		}
	}
	return tiles;
}

/* A write of an asker is merged, all of it. whole: its value is the delta, or contains it as
 * surely. */
static void
asker_merged(struct kvs_core *c, uint32_t from, const struct desc *d, struct slice delta,
	     bool whole)
{
	struct kvs_merged m = c->shard->last;
	uint64_t tiles;
	uint32_t need;

	if (m.key == NULL) {
		merged(c, from, d, 0);
		return;
	}
	tiles = asker_owed(c, from, delta, whole, kvs_act_of(d));
	need = tiles == 0 ? 0 : others_needed(c, d, (uint32_t)__builtin_popcountll(tiles));
	if (need == 0) {
		merged(c, from, d, 0);
		return;
	}
	if (m.side == LATTICE_LEFT) { /* they may not have it yet */
		kvs_change_note(&c->changes, m.key, tiles, delta, whole, c->now_ns);
	}
	kvs_change_wait(&c->changes, m.key, from, d, need, c->now_ns);
}

/* Notes who is owed what another tile told. */
static void
tile_merged(struct kvs_core *c, uint32_t tile, struct slice delta, bool whole)
{
	struct kvs_merged m = c->shard->last;
	uint64_t hash, owed;

	if (m.key == NULL || m.side == LATTICE_LEFT) {
		return;
	}
	hash = kvs_owner_hash(c, kvs_key_slice(m.key));
	hold_fresh(c, tile, false, hash);
	owed = caches_of(m.key) | (tiles_relayed(c, hash, m.key) & ~kvs_listener_bit(tile));
	if ((kvs_owner_set(c, hash, c->cfg.copies) & kvs_listener_bit(c->cfg.self)) == 0) {
		m.key->hot = 1;
	}
	if (owed != 0) {
		kvs_change_note(&c->changes, m.key, owed, delta, whole, c->now_ns);
	}
	kvs_drop_look(&c->drops, m.key, delta, c->now_ns);
}

static void
step_merge(struct kvs_core *c, uint32_t from, const struct desc *d)
{
	struct slice delta = kvs_msg_delta(d), key = kvs_msg_bytes(d);
	int err = 0;

	if (c->cfg.tile_cnt > 1 &&
	    !serves(c, kvs_owner_hash(c, key), kvs_shard_find(c->shard, key))) {
		merged(c, from, d, MB_ERR_MOVED);
		return;
	}
	if (likely(delta.len <= KVS_STEP_BYTES)) {
		err = kvs_shard_merge(c->shard, key, delta);
		if (likely(err == 0)) {
			asker_merged(c, from, d, delta, c->shard->last.side != LATTICE_MIXED);
		}
	} else {
		err = kvs_job_start(&c->jobs, from, false, d);
	}
	if (unlikely(err != 0)) {
		merged(c, from, d, err);
	}
}

static void
step_act(struct kvs_core *c, uint32_t from, const struct desc *d)
{
	struct kvs_acts *acts = (struct kvs_acts *)(uintptr_t)d->word[0];
	const uint32_t cnt = acts->cnt; /* after the last one it may be gone */
	struct desc one = *d;

	acts->open = cnt;
	for (uint32_t i = 0; i < cnt; i++) {
		struct slice key = acts->act[i].key, delta;
		int err = MB_ERR_MOVED;

		one.word[1] = i;
		one.a = acts->act[i].ack;
		if (c->cfg.tile_cnt == 1 ||
		    serves(c, kvs_owner_hash(c, key), kvs_shard_find(c->shard, key))) {
			err = kvs_act_do(c->shard, acts, i, c->act_mem, sizeof(c->act_mem), &delta);
		}
		if (unlikely(err == KVS_ACT_LATER)) {
			err = kvs_job_start(&c->jobs, from, false, &one);
			if (err == 0) {
				continue;
			}
		}
		if (acts->act[i].keeps && err == 0) {
			kvs_owner_hold(c, from, kvs_shard_find(c->shard, key), true);
		}
		if (likely(err == 0)) {
			asker_merged(c, from, &one, delta, c->shard->last.side != LATTICE_MIXED);
		} else {
			merged(c, from, &one, err);
		}
	}
}

/* Only the primary lists a key: so none is listed twice, and none that was deleted there. */
static bool
lists(void *ctx, struct slice key)
{
	const struct kvs_core *c = ctx;

	return c->cfg.tile_cnt == 1 || kvs_owner_is_primary(c, kvs_owner_hash(c, key));
}

static void
step_scan(struct kvs_core *c, uint32_t from, const struct desc *d)
{
	struct desc answer;

	kvs_shard_scan(c->shard, (struct kvs_scan *)(uintptr_t)d->word[0], lists, c);
	answer_begin(&answer, DESC_KVS_SCANNED, d);
	answer.word[0] = d->word[0];
	c->out.send(c->out.ctx, from, &answer);
}

static void
request(struct kvs_core *c, uint32_t from, const struct desc *d)
{
	switch ((int)d->kind) {
	case DESC_KVS_GET:
		step_get(c, from, d);
		break;
	case DESC_KVS_MERGE:
		step_merge(c, from, d);
		break;
	case DESC_KVS_ACT:
		step_act(c, from, d);
		break;
	default:
		step_scan(c, from, d);
	}
}

/* Whether a request may begin: it needs a job, and a change and a wait for each key, at most. */
static bool
has_room(const struct kvs_core *c, const struct desc *d)
{
	const struct kvs_acts *acts = (const struct kvs_acts *)(uintptr_t)d->word[0];
	uint32_t key_cnt = d->kind == DESC_KVS_ACT ? acts->cnt : 1;

	return c->jobs.free_cnt > KVS_JOB_SPARE && kvs_changes_room(&c->changes) >= key_cnt;
}

static void
backlog_put(struct kvs_core *c, uint32_t from, const struct desc *d)
{
	uint32_t at = (c->backlog_head + c->backlog_cnt) % KVS_BACKLOG_MAX;

	REQUIRE(c->backlog_cnt < KVS_BACKLOG_MAX);
	c->backlog[at] = (struct kvs_backlog){ from, *d };
	c->backlog_cnt++;
}

static bool
backlog_turn(struct kvs_core *c)
{
	bool busy = false;

	while (c->backlog_cnt > 0 && has_room(c, &c->backlog[c->backlog_head].d)) {
		struct kvs_backlog b = c->backlog[c->backlog_head];

		c->backlog_head = (c->backlog_head + 1) % KVS_BACKLOG_MAX;
		c->backlog_cnt--;
		request(c, b.from, &b.d);
		busy = true;
	}
	return busy;
}

void
kvs_core_step(struct kvs_core *c, uint32_t from, const struct desc *d)
{
	switch ((int)d->kind) {
	case DESC_KVS_GET:
	case DESC_KVS_MERGE:
	case DESC_KVS_ACT:
	case DESC_KVS_SCAN:
		if (likely(c->backlog_cnt == 0 && has_room(c, d))) {
			request(c, from, d);
		} else {
			backlog_put(c, from, d);
		}
		break;
	case DESC_KVS_RELEASE:
		kvs_shard_unpin(c->shard, (struct kvs_value *)(uintptr_t)d->word[2]);
		break;
	case DESC_KVS_TOLD:
		kvs_change_told(&c->changes, KVS_LISTENER_CACHE(from), d, c->now_ns);
		break;
	case DESC_KVS_DROPPED:
		kvs_drop_answered(&c->drops, KVS_LISTENER_CACHE(from), d, c->now_ns);
		break;
	default:
		REQUIRE(false, "a kvs tile was sent kind %u", d->kind);
	}
}

void
kvs_core_burst(struct kvs_core *c, uint32_t from, const struct desc *d, uint32_t cnt)
{
	struct slice key[KVS_PREFETCH_MAX];
	uint32_t n = 0;

	REQUIRE(cnt <= KVS_PREFETCH_MAX);
	for (uint32_t i = 0; cnt > 1 && i < cnt; i++) {
		if (d[i].kind == DESC_KVS_MERGE || d[i].kind == DESC_KVS_GET) {
			key[n++] = kvs_msg_bytes(&d[i]);
		}
	}
	if (n > 0) {
		kvs_prefetch_burst(c->shard, key, n);
	}
	for (uint32_t i = 0; i < cnt; i++) {
		if (d[i].kind == DESC_KVS_ACT) {
			kvs_act_prefetch(c->shard, (const void *)(uintptr_t)d[i].word[0]);
		}
		kvs_core_step(c, from, &d[i]);
	}
}

/* --------------------------------------------------------------- other tiles */

/* Whether what is told of a key can be merged now. */
static bool
takes(const struct kvs_core *c, struct slice key)
{
	const struct kvs_key *k = kvs_shard_find(c->shard, key);
	bool relays = k != NULL && k->hot && kvs_owner_is_primary(c, kvs_owner_hash(c, key));

	return (k == NULL || !k->dying || kvs_owner_is_primary(c, kvs_owner_hash(c, key))) &&
	       kvs_changes_spare(&c->changes, relays);
}

static void
step_tell(struct kvs_core *c, uint32_t tile, const struct desc *d)
{
	struct slice delta = kvs_msg_delta(d), key = kvs_msg_bytes(d);

	if (!takes(c, key) || (delta.len > KVS_STEP_BYTES && c->jobs.free_cnt == 0)) {
		told(c, tile, d, MB_ERR_TRYAGAIN);
		return;
	}
	if (likely(delta.len <= KVS_STEP_BYTES)) {
		int err;

		c->shard->room.owed = true;
		err = kvs_shard_merge(c->shard, key, delta);
		c->shard->room.owed = false;
		if (err == 0) {
			tile_merged(c, tile, delta, c->shard->last.side == LATTICE_RIGHT);
		}
		told(c, tile, d, err);
	} else if (kvs_job_start(&c->jobs, tile, true, d) != 0) {
		told(c, tile, d, MB_ERR_NO_MEMORY);
	}
}

void
kvs_core_step_tile(struct kvs_core *c, uint32_t tile, const struct desc *d)
{
	struct desc answer;

	switch ((int)d->kind) {
	case DESC_KVS_TELL:
		step_tell(c, tile, d);
		break;
	case DESC_KVS_TOLD:
		kvs_change_told(&c->changes, tile, d, c->now_ns);
		break;
	case DESC_KVS_DROP:
		if (kvs_agree_asked(&c->drops, tile, d, &answer)) {
			c->out.send_tile(c->out.ctx, tile, &answer);
		}
		break;
	case DESC_KVS_DROPPED:
		if (d->sub == KVS_DROP_LEAVE) {
			kvs_heat_left(c, tile, d);
		} else {
			kvs_drop_answered(&c->drops, tile, d, c->now_ns);
		}
		break;
	default:
		REQUIRE(false, "a kvs tile was sent kind %u by another", d->kind);
	}
}

/* ---------------------------------------------------------------- parts' outside */

static void
out_listener(void *ctx, uint32_t listener, const struct desc *d)
{
	struct kvs_core *c = ctx;

	if (listener < KVS_TILE_MAX) {
		c->out.send_tile(c->out.ctx, listener, d);
	} else {
		c->out.send(c->out.ctx, listener - KVS_TILE_MAX, d);
	}
}

static void
out_cache(void *ctx, uint32_t cache, const struct desc *d)
{
	out_listener(ctx, KVS_LISTENER_CACHE(cache), d);
}

static void
out_acked(void *ctx, uint32_t from, const struct desc *request, int err)
{
	merged_here(ctx, from, request, err, true);
}

static int
out_job_may(void *ctx, const struct kvs_job *job)
{
	struct slice key = kvs_job_key(job);
	const struct kvs_core *c = ctx;

	if (job->told) {
		return takes(c, key) ? 0 : MB_ERR_TRYAGAIN;
	}
	return serves(c, kvs_owner_hash(c, key), kvs_shard_find(c->shard, key)) ? 0 : MB_ERR_MOVED;
}

/* Each piece of a collection is owed like a delta of its own. */
static void
out_job_merged(void *ctx, const struct kvs_job *job, struct slice delta, bool last)
{
	struct kvs_core *c = ctx;
	bool whole = delta.len > KVS_STEP_BYTES;

	if (job->told) {
		tile_merged(c, job->from, delta, whole);
		if (last) {
			told(c, job->from, &job->request, 0);
		}
	} else if (last) {
		asker_merged(c, job->from, &job->request, delta, whole);
	} else if (c->shard->last.key != NULL) {
		asker_owed(c, job->from, delta, whole, NULL);
	}
}

static void
out_job_failed(void *ctx, const struct kvs_job *job, int err)
{
	if (job->told) {
		told(ctx, job->from, &job->request, err);
	} else {
		merged(ctx, job->from, &job->request, err);
	}
}

static bool
out_listeners(void *ctx, struct kvs_key *k, uint64_t *ret)
{
	struct kvs_core *c = ctx;
	uint64_t hash = kvs_owner_hash(c, kvs_key_slice(k));

	if (c->cfg.tile_cnt == 1) {
		*ret = caches_of(k);
		return true;
	}
	if (!kvs_owner_is_primary(c, hash) || kvs_heat_leaves(c, k)) {
		return false;
	}
	*ret = tiles_owed(c, hash, k) | caches_of(k);
	return true;
}

static void
out_removed(void *ctx, struct kvs_key *k)
{
	struct kvs_core *c = ctx;

	kvs_hot_forget(&c->hot, k);
}

/* ---------------------------------------------------------------------- life */

void
kvs_core_init(struct kvs_core *c, struct kvs_shard *shard, const struct kvs_core_cfg *cfg,
	      const struct kvs_out *out)
{
	const struct kvs_job_ops jobs = { out_job_may, out_job_merged, out_job_failed, c };
	const struct kvs_change_ops changes = { out_listener, out_cache, out_acked, c };
	const struct kvs_drop_ops drops = { out_listener, out_listeners, out_removed, step_get, c };

	REQUIRE(cfg->tile_cnt >= 1);
	REQUIRE(cfg->tile_cnt <= KVS_TILE_MAX);
	REQUIRE(cfg->self < cfg->tile_cnt);
	REQUIRE(cfg->cache_cnt <= KVS_CACHE_MAX);
	REQUIRE(cfg->copies >= 1);
	memset(c, 0, offsetof(struct kvs_core, changes));
	c->shard = shard;
	c->cfg = *cfg;
	c->cfg.copies = MIN(cfg->copies, cfg->tile_cnt);
	if (c->cfg.ack == KVS_ACK_DEFAULT) {
		c->cfg.ack = c->cfg.copies > 1 ? KVS_ACK_QUORUM : KVS_ACK_ONE;
	}
	c->out = *out;
	c->leave_ns = UINT64_MAX;
	kvs_jobs_init(&c->jobs, shard, &jobs);
	kvs_changes_init(&c->changes, shard, cfg->period_ns, cfg->ack_timeout_ns, &changes);
	kvs_drops_init(&c->drops, shard, &c->changes, cfg->timebase, cfg->drop_pause_ns,
		       cfg->tile_cnt + cfg->cache_cnt, &drops);
	kvs_hot_init(&c->hot, c->cfg.copies, cfg->tile_cnt);
}

uint32_t
kvs_core_room(const struct kvs_core *c)
{
	return KVS_BACKLOG_MAX - c->backlog_cnt;
}

bool
kvs_core_poll(struct kvs_core *c, uint64_t now_ns)
{
	bool busy;

	c->now_ns = now_ns;
	busy = kvs_jobs_poll(&c->jobs);
	busy |= kvs_shard_sweep(c->shard);
	busy |= backlog_turn(c);
	busy |= kvs_changes_turn(&c->changes, now_ns);
	busy |= kvs_drops_turn(&c->drops, now_ns);
	return kvs_heat_turn(c) || busy;
}

uint64_t
kvs_core_timer(const struct kvs_core *c)
{
	return MIN(MIN(kvs_changes_timer(&c->changes), kvs_drops_timer(&c->drops)), c->leave_ns);
}

uint32_t
kvs_core_busy(const struct kvs_core *c)
{
	uint32_t cnt = c->backlog_cnt + KVS_JOB_MAX - c->jobs.free_cnt +
		       kvs_changes_cnt(&c->changes) + kvs_drops_busy(&c->drops);

	for (uint32_t i = 0; i < KVS_HOT_MAX; i++) {
		cnt += c->leave[i].key != NULL;
	}
	return cnt;
}
