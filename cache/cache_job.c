/* SPDX-License-Identifier: Apache-2.0 */
/* cache_job - a write set being applied (cache_state.h has the states)
 *
 *   PUBLISH ─► COPY ─► checked: accepted ─► APPLY, operation by operation ─► DRAIN ─► PUBLISHED
 *                └─► refused whole               │      ▲
 *                                                ▼      │
 *                                  its key is brought here first
 *
 *   I1  Operations of a set take effect in their order. Each is applied whole or not at all, in one
 *       step; between two of a set others may come.
 *   I2  A job holds the work of the operation at hand, and no other. What it has applied is held by
 *       the deltas under way. So jobs never wait for each other in a circle.
 *   I3  Before an operation changes anything all that it may need (memory, a wait) is there; when
 *       it is not, the operation is begun anew later, with a later time.
 */
#include <string.h>

#include "cache_state.h"
#include "cache_word.h"
#include "check.h"
#include "envelope.h"
#include "hash.h"
#include "kvs_shard.h"
#include "lattice.h"
#include "map.h"
#include "microburst/error.h"
#include "oset.h"
#include "view.h"

#define OP_NONE             UINT32_MAX
/* Of op_apply: not what the operation was meant for. (Not TRYAGAIN, which is: once more, here.) */
#define CACHE_OTHER_VERSION INT32_MIN

/* ---------------------------------------------------------------- beginning, end */

static void
published(struct cache_core *c, const struct cache_job *job)
{
	struct desc d = {
		.kind = DESC_PUBLISHED,
		.a = job->err == 0 || job->err_op == OP_NONE ? 0 : (uint16_t)job->err_op,
		.err = (int16_t)job->err,
		.call = job->call,
		.b = job->b,
	};

	cache_core_answer(c, job->proc, job->inc, &d);
}

static void
job_give(struct cache_core *c, struct cache_job *job)
{
	REQUIRE(job->ack_cnt == 0);
	REQUIRE(job->work == NULL);
	cache_core_moving(c, &job->moving, false);
	cache_store_free(c->store, &job->set_block);
	cache_value_free(c, job);
	job->state = CACHE_JOB_FREE;
	STAILQ_INSERT_HEAD(&c->jobs_free, job, next);
	c->job_free_cnt++;
}

/* One that outlives its process has come to its end. */
static void
job_over(struct cache_core *c, uint16_t proc)
{
	REQUIRE(c->proc[proc].job_cnt > 0);
	c->proc[proc].job_cnt--;
	cache_core_down_check(c, proc);
}

/* The set is refused: nothing of it was done. */
static int
refuse(struct cache_core *c, struct cache_job *job, int err)
{
	uint16_t proc = job->proc;
	bool late = job->late;

	REQUIRE(job->state == CACHE_JOB_COPY);
	job->err = err;
	c->proc[proc].decided = job->b;
	published(c, job);
	job_give(c, job);
	if (late) {
		job_over(c, proc);
	}
	return CACHE_STEP_DONE;
}

static void
finish(struct cache_core *c, struct cache_job *job)
{
	uint16_t proc = job->proc;

	c->stats.published++;
	published(c, job);
	job_give(c, job);
	job_over(c, proc);
}

/* Where all keys of a set are looked for first. */
static void
words_prefetch(const struct cache_core *c, const struct cache_op_word *word, uint32_t cnt)
{
	for (uint32_t i = 0; word != NULL && i < cnt; i++) {
		cache_store_prefetch(c->store, word[i].hash);
	}
}

void
cache_job_start(struct cache_core *c, uint16_t proc, const struct desc *d)
{
	struct cache_job *job = STAILQ_FIRST(&c->jobs_free);
	bool is_inline = (d->flags & DESC_F_INLINE) != 0;

	REQUIRE(job != NULL); /* cache_core_room */
	STAILQ_REMOVE_HEAD(&c->jobs_free, next);
	c->job_free_cnt--;
	memset(job, 0, offsetof(struct cache_job, small));
	job->state = CACHE_JOB_COPY;
	job->proc = proc;
	job->inc = c->proc[proc].inc;
	job->call = d->call;
	job->b = d->b;
	job->err_op = OP_NONE;
	job->owed = d->a != 0;
	job->patience.bare = true; /* as long as its set is copied */
	job->late = c->proc[proc].down;
	c->proc[proc].job_cnt += job->late;
	job->afar = c->proc[proc].inner && !c->proc[proc].system;
	job->ack = d->sub != KVS_ACK_DEFAULT ? d->sub : (uint8_t)c->cfg.ack;
	job->set_len = is_inline ? d->len : d->ref.len;
	if (is_inline) {
		memcpy(job->small, d->data, sizeof(d->data));
		job->copied = job->set_len;
	} else {
		job->payload = d->ref;
		if (c->proc[proc].inner) {
			job->word = (struct cache_op_word *)(uintptr_t)d->ref_word[0];
			words_prefetch(c, job->word, (uint32_t)d->ref_word[1]);
		}
	}
	if (job->ack > KVS_ACK_ALL) {
		refuse(c, job, MB_ERR_INVALID);
	} else if (c->work_free_cnt <= 2 * CACHE_RESERVE || /* others wait: behind them */
		   STAILQ_EMPTY(&c->acts_free) || cache_job_run(c, job) == CACHE_STEP_AGAIN) {
		STAILQ_INSERT_TAIL(&c->jobs_run, job, next);
	}
}

void
cache_job_drop_copying(struct cache_core *c, uint16_t proc)
{
	struct cache_job *job = STAILQ_FIRST(&c->jobs_run), *next;

	for (; job != NULL; job = next) { /* a job that copies is nowhere else */
		next = STAILQ_NEXT(job, next);
		if (job->proc == proc && job->state == CACHE_JOB_COPY) {
			STAILQ_REMOVE(&c->jobs_run, job, cache_job, next);
			job_give(c, job);
		}
	}
}

/* Returns: CACHE_STEP_DONE when the set is accepted; as cache_step. */
static int
accept_set(struct cache_core *c, struct cache_job *job, bool *ret_accepted)
{
	int step = cache_set_bring(c, job);

	*ret_accepted = false;
	if (step > 0) {
		return step;
	}
	if (step < 0) {
		return refuse(c, job, step);
	}
	job->state = CACHE_JOB_APPLY;
	c->proc[job->proc].published = job->call;
	c->proc[job->proc].owed = job->owed;
	c->proc[job->proc].published_ns = timebase_now_ns(c->cfg.timebase);
	c->proc[job->proc].decided = job->b;
	c->proc[job->proc].job_cnt += !job->late;
	*ret_accepted = true;
	return CACHE_STEP_DONE;
}

/* ---------------------------------------------------------- one operation: APPLY */

/* Whether an operation is to be done only if the one before it was. */
static bool
word_follows(const struct cache_job *job, uint32_t op_idx)
{
	return job->word != NULL && job->word[op_idx].if_before != 0;
}

/* Begins to fetch the keys of the next operations, so that they come while this one is done. */
static void
fetch_ahead(struct cache_core *c, struct cache_job *job)
{
	struct wset_op op;

	while (job->ahead_cnt < CACHE_AHEAD && c->work_free_cnt > 2 * CACHE_RESERVE &&
	       wset_next(&job->ahead, &op) == 1) {
		uint64_t hash = hash_bytes(op.key.p, op.key.len);
		uint32_t idx = job->op_idx + ++job->ahead_cnt;
		struct cache_work *w;

		cache_store_prefetch(c->store, hash);
		if (word_follows(job, idx) ||
		    cache_act_may(job, &op, idx, job->ahead, cache_work_had_no_room(c, hash)) ||
		    cache_tile_of(hash, c->cfg.layout->shard_cnt) != c->cfg.shard ||
		    cache_store_find(c->store, hash, op.key) != CACHE_ENTRY_NONE) {
			continue;
		}
		w = cache_work_get(c, hash, op.key, CACHE_RESERVE);
		REQUIRE(w != NULL);
	}
}

static bool
op_open(struct cache_core *c, struct cache_job *job)
{
	if (job->op_open) {
		return true;
	}
	if (wset_next(&job->rest, &job->op) != 1) {
		return false;
	}
	if (job->ahead_cnt > 0) {
		job->ahead_cnt--;
	} else {
		job->ahead = job->rest;
	}
	job->hash = job->word != NULL ? job->word[job->op_idx].hash
				      : hash_bytes(job->op.key.p, job->op.key.len);
	/* Not amid a chain: a fetch sends the list in which that is gathered (cache_job_pass). */
	if (!word_follows(job, job->op_idx) &&
	    !cache_act_may(job, &job->op, job->op_idx, job->rest,
			   cache_work_had_no_room(c, job->hash))) {
		fetch_ahead(c, job);
	}
	job->op_open = true;
	job->work_err = 0;
	job->value_copied = 0;
	job->ready = (struct grove_ready){ 0 };
	job->patience = (struct cache_patience){
		.is_long = job->op.by_ref && cache_core_is_long(c, job->op.ref.len),
	};
	return true;
}

/* Whether the next operation is of the same key, and to be done together with the one at hand. */
static bool
op_chained(const struct cache_job *job)
{
	struct slice rest = job->rest;
	struct wset_op next;

	return job->word != NULL && wset_next(&rest, &next) == 1 &&
	       job->word[job->op_idx + 1].if_before != 0 && slice_eq(next.key, job->op.key);
}

/* The operation is over, one way or the other. A key that is chained stays the job's. */
static void
op_close(struct cache_core *c, struct cache_job *job, int err)
{
	struct cache_work *w = job->work;

	if (err != 0) {
		c->stats.op_failed++;
		if (job->word != NULL) {
			job->word[job->op_idx].err = err;
		}
		if (job->op_idx < job->err_op) {
			job->err = err;
			job->err_op = job->op_idx;
		}
	}
	cache_value_free(c, job);
	cache_value_end(c, job);
	cache_grow_end(c, &job->grow);
	cache_core_moving(c, &job->moving, false);
	if (w != NULL && w->chain == job && (err != 0 || !op_chained(job))) {
		cache_work_unchain(c, w);
	} else if (w != NULL && err == 0 && op_chained(job)) {
		w->chain = job;
	}
	job->op_open = false;
	job->op_idx++;
	if (w != NULL && w->chain == NULL) {
		job->work = NULL;
		w->use_cnt--;
		cache_work_settle(c, w);
	}
}

/* Whether the operation at hand depends on a version that was seen here. */
static bool
saw_here(const struct cache_job *job)
{
	const struct cache_op_word *word = job->word != NULL ? &job->word[job->op_idx] : NULL;

	return word != NULL && word->if_version != 0 && !cache_version_is_lent(word->if_version);
}

/* Brings the key here. Returns: as cache_step, or an error. */
static int
op_work(struct cache_core *c, struct cache_job *job)
{
	struct cache_work *w = job->work;

	if (w == NULL) {
		if ((job->work_err == MB_ERR_NO_MEMORY || job->work_err == MB_ERR_TOO_LARGE) &&
		    saw_here(job)) {
			return CACHE_OTHER_VERSION; /* that has gone */
		}
		if (job->work_err != 0) {
			if (job->word != NULL) {
				job->word[job->op_idx].longer = job->work_err == MB_ERR_TOO_LARGE;
			}
			return job->work_err;
		}
		if (cache_tile_of(job->hash, c->cfg.layout->shard_cnt) != c->cfg.shard) {
			return MB_ERR_INVALID; /* it was sent to the wrong tile */
		}
		if (key_is_system(job->op.key) && !c->proc[job->proc].system) {
			return MB_ERR_DENIED;
		}
		w = cache_work_get(c, job->hash, job->op.key, CACHE_RESERVE);
		if (w == NULL) {
			return CACHE_STEP_AGAIN;
		}
		w->use_cnt++;
		job->work = w;
	}
	if (w->state == CACHE_WORK_READY && !cache_work_leaves(w)) {
		if (w->chain == NULL || w->chain == job) {
			return CACHE_STEP_DONE;
		}
		cache_value_end(c, job); /* the one at the key may need to be it */
	}
	if (w->state == CACHE_WORK_IDLE) {
		cache_work_fetch(c, w);
	}
	cache_core_moving(c, &job->moving, false); /* what it waits for may need memory */
	STAILQ_INSERT_TAIL(&w->jobs, job, next);
	return CACHE_STEP_WAITING;
}

void
cache_job_wake(struct cache_core *c, struct cache_job *job, int err)
{
	if (err != 0) {
		job->work_err = err;
		job->work->use_cnt--;
		if (job->work->chain == job) {
			job->work->chain = NULL;
		}
		job->work = NULL;
	}
	STAILQ_INSERT_TAIL(&c->jobs_run, job, next);
}

/* Whether an inner process wants the operation at hand to be done. */
static bool
op_wanted(struct cache_core *c, const struct cache_job *job, const struct cache_front_set *set)
{
	struct cache_op_word *word = job->word != NULL ? &job->word[job->op_idx] : NULL;

	if (word == NULL) {
		return true;
	}
	if (word->if_end == CACHE_FRONT_LOW || word->if_end == CACHE_FRONT_HIGH) {
		return cache_front_takes(&c->fronts, set, &job->op, hlc_time_of_us(c->wall_us),
					 word);
	}
	return (word->if_before == 0 || job->op_idx == 0 || word[-1].err == 0) &&
	       (word->if_version == 0 || word->if_version == set->version) &&
	       (word->if_end == 0 ||
		cache_word_ends(set->stored, &job->op, hlc_time_of_us(c->wall_us), word));
}

/* Merges a delta, in the scratch or in b, into the entry, and gives it to the flush. Where b was to
 * become a leaf, and did, it is the tree's; after an error the value is to be brought again. */
static int
merge_delta(struct cache_core *c, struct cache_job *job, struct slice delta, struct cache_block *b,
	    struct hlc_time day)
{
	struct cache_work *w = job->work;
	struct cache_place at = { w->entry, w->hash, cache_work_key(w) };
	bool for_leaf = job->ready.node != NULL, is_leaf;
	int side = cache_merge(c, &at, delta, for_leaf ? NULL : b, day, &job->patience.tries);

	is_leaf = for_leaf && job->ready.node == NULL;
	if (is_leaf) {
		job->value = (struct cache_block){ 0 };
		job->value_copied = 0;
	}
	if (side < 0) {
		return cache_core_patient(c, side, &job->patience);
	}
	if (is_leaf) {
		cache_flush_add_leaf(c, w, delta);
	} else if (side != LATTICE_LEFT) {
		cache_flush_add(c, w, delta, b, side == LATTICE_RIGHT);
	}
	return 0;
}

/* Room for the delta of the operation at hand: the scratch, or a block. */
static int
delta_room(struct cache_core *c, struct cache_job *job, struct slice stored, struct cache_block *b,
	   struct wbuf *ret)
{
	size_t bound = delta_bound(stored, &job->op, job->op.value.len);

	if (bound > CACHE_SCRATCH) { /* it may be shown there */
		bound = cache_block_bytes(job->work->key_len, bound);
	}
	return cache_core_scratch(c, bound, &job->patience, c->delta_mem, b, ret);
}

static int
op_apply(struct cache_core *c, struct cache_job *job)
{
	struct hlc_moment when = hlc_moment(&c->clock, c->wall_us);
	struct slice stored = cache_store_envelope(c->store, job->work->entry);
	struct grove *grove = cache_store_grove(c->store, &job->patience.tries);
	const size_t head = cache_value_head(&job->op);
	struct cache_block b = { 0 }, *in = &b;
	struct wbuf out;
	int err = 0;

	if (job->word != NULL) {
		cache_word_before(stored, &job->op, when.day, &job->word[job->op_idx]);
	}
	if (job->op.kind == WSET_DEL && slice_is_tree(stored)) {
		if (delta_clears(stored, when.day)) {
			return cache_grow_clear(c, job, stored, when);
		}
		if (!delta_present(stored, when.day)) { /* it takes no room, much as is dead */
			return 0;
		}
	}
	if (job->op.by_ref && delta_value_at(&job->op) != DELTA_VALUE_NOWHERE) {
		in = &job->value; /* which has the value in its place */
		out = wbuf_init(cache_block_ptr(c->cfg.base, in) + head, in->bytes - head);
	} else {
		err = delta_room(c, job, stored, in, &out);
	}
	if (err == 0) {
		err = delta_make(stored, &job->op, when, c->cfg.writer, &out);
	}
	if (err == 0 && out.len != 0) {
		grove->ready = &job->ready;
		err = merge_delta(c, job, wbuf_slice(&out), in, when.day);
		grove->ready = NULL;
	}
	cache_store_free(c->store, &b);
	return err;
}

static struct cache_front_set
set_of(const struct cache_core *c, const struct cache_job *job)
{
	return (struct cache_front_set){ job->hash, cache_store_version(c->store, job->work->entry),
					 cache_store_envelope(c->store, job->work->entry) };
}

/* As op_apply, if an inner process wants it done; and says what became of it. */
static int
op_apply_wanted(struct cache_core *c, struct cache_job *job)
{
	struct cache_op_word *word = job->word != NULL ? &job->word[job->op_idx] : NULL;
	const struct cache_front_set before = set_of(c, job);
	struct cache_front_set after;
	int err;

	if (!op_wanted(c, job, &before)) {
		return CACHE_OTHER_VERSION;
	}
	err = op_apply(c, job);
	after = set_of(c, job);
	if (err == 0) {
		cache_front_done(&c->fronts, &after, before.version, &job->op, word);
	}
	if (word == NULL) {
		return err;
	}
	if (err == 0) {
		cache_word_after(after.stored, &job->op, after.version != before.version, word);
	} else if (err == MB_ERR_TYPE) {
		cache_word_type(after.stored, &job->op, word);
	}
	return err;
}

/* How many operations nobody's may come between, from the one at hand on. */
static uint32_t
chain_cnt(const struct cache_job *job)
{
	struct slice rest = job->rest;
	struct wset_op next;
	uint32_t cnt = 1;

	while (job->word != NULL && rest.len != 0 && job->word[job->op_idx + cnt].if_before != 0 &&
	       wset_next(&rest, &next) == 1 && slice_eq(next.key, job->op.key)) {
		cnt++;
	}
	return cnt;
}

/* Whether it is the next one of a front, if it is to be; *ret_sure: whatever version is there. */
static bool
pass_wanted(struct cache_core *c, const struct cache_job *job, bool *ret_sure)
{
	const struct cache_op_word *word = job->word != NULL ? &job->word[job->op_idx] : NULL;

	return word == NULL || word->if_end < CACHE_FRONT_LOW ||
	       cache_front_passes(&c->fronts, job->hash, word, ret_sure);
}

bool
cache_job_pass(struct cache_core *c, struct cache_job *job)
{
	uint32_t cnt = chain_cnt(job);
	bool sure = false;

	if (!cache_act_room(c, job->hash, cnt)) {
		return false;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		INSIST(op_open(c, job));
		if (!pass_wanted(c, job, &sure)) {
			op_close(c, job, MB_ERR_TRYAGAIN); /* and with it those that follow */
			return true;
		}
		if (!cache_act_add(c, job, i > 0, sure)) {
			REQUIRE(i == 0); /* cache_act_may: no long value in a chain */
			return false;
		}
		cache_front_passed(&c->fronts, job->hash, &job->op);
		c->stats.op_applied++;
		op_close(c, job, 0);
	}
	return true;
}

/* Whether the operation at hand, of a key that the job is not at, is to be done only if the one
 * before it was. */
static bool
op_depends(const struct cache_job *job)
{
	return job->work == NULL && job->op_idx > 0 && word_follows(job, job->op_idx);
}

void
cache_job_acted(struct cache_core *c, struct cache_job *job, uint32_t op, int err)
{
	bool goes_on = --job->act_cnt == 0 && job->waits;

	cache_job_ack(c, job, op, err);
	if (goes_on) { /* it is not over, then */
		job->waits = false;
		STAILQ_INSERT_TAIL(&c->jobs_run, job, next);
	}
}

/* Has the operation at hand done in the store, if it may be, and its key is not here (cache_act.c).
 * Returns: whether it is over. Or DONE: it is not for that; AGAIN: not yet. */
static bool
op_pass(struct cache_core *c, struct cache_job *job, int *ret_step)
{
	const bool no_room = job->work_err == MB_ERR_NO_MEMORY ||
			     job->work_err == MB_ERR_TOO_LARGE ||
			     cache_work_had_no_room(c, job->hash);

	*ret_step = CACHE_STEP_DONE;
	if (job->work != NULL || !cache_act_may(job, &job->op, job->op_idx, job->rest, no_room) ||
	    (key_is_system(job->op.key) && !c->proc[job->proc].system) ||
	    cache_tile_of(job->hash, c->cfg.layout->shard_cnt) != c->cfg.shard) {
		return false;
	}
	if (cache_work_find(c, job->hash, job->op.key) != NULL ||
	    cache_store_find(c->store, job->hash, job->op.key) != CACHE_ENTRY_NONE) {
		job->work_err = 0; /* behind him who is at the key */
		return false;
	}
	if (!cache_job_pass(c, job)) {
		*ret_step = CACHE_STEP_AGAIN;
		return false;
	}
	return true;
}

/* Goes on with the operation at hand. Returns: as cache_step; DONE: with the next one. */
static int
op_step(struct cache_core *c, struct cache_job *job)
{
	int step;

	if (op_depends(job) && job->act_cnt > 0) { /* it may be at the store */
		job->waits = true;
		return CACHE_STEP_WAITING;
	}
	if (op_depends(job) && job->word[job->op_idx - 1].err != 0) {
		op_close(c, job, MB_ERR_TRYAGAIN);
		return CACHE_STEP_DONE;
	}
	if (op_pass(c, job, &step)) {
		return CACHE_STEP_DONE;
	}
	if (step == CACHE_STEP_DONE && !cache_value_begin(c, job)) {
		step = CACHE_STEP_AGAIN;
	}
	if (step == CACHE_STEP_DONE) {
		step = op_work(c, job);
		if (step == CACHE_STEP_AGAIN) { /* whoever it waits for may need to be the one */
			cache_value_end(c, job);
		}
	}
	if (step == CACHE_STEP_DONE) {
		step = cache_value_bring(c, job);
	}
	if (step == CACHE_STEP_DONE && c->wait_free_cnt <= CACHE_RESERVE) {
		step = CACHE_STEP_AGAIN; /* keeps I3 */
	}
	if (step == CACHE_STEP_DONE) {
		step = op_apply_wanted(c, job);
		if (step == MB_ERR_TRYAGAIN) {
			step = CACHE_STEP_AGAIN;
		}
		if (step == CACHE_STEP_DONE) {
			c->stats.op_applied++;
			job->ack_cnt += cache_flush_ack(c, job->work, job);
			cache_flush_go(c, job->work);
		}
	}
	if (step == MB_ERR_NO_MEMORY && cache_crowd_may(job)) {
		step = cache_crowd_wait(c, job);
	}
	if (step > 0) {
		return step;
	}
	op_close(c, job, step == CACHE_OTHER_VERSION ? MB_ERR_TRYAGAIN : step);
	return CACHE_STEP_DONE;
}

/* -------------------------------------------------------------------------- turn */

void
cache_job_ack(struct cache_core *c, struct cache_job *job, uint32_t op, int err)
{
	REQUIRE(job->ack_cnt > 0);
	job->ack_cnt--;
	if (err != 0) {
		c->stats.op_failed++;
		if (job->word != NULL) {
			job->word[op].err = err;
		}
		if (op < job->err_op) {
			job->err = err;
			job->err_op = op;
		}
	}
	if (job->state == CACHE_JOB_DRAIN && job->ack_cnt == 0) {
		finish(c, job);
	}
}

int
cache_job_run(struct cache_core *c, struct cache_job *job)
{
	bool accepted = true;
	int step = CACHE_STEP_DONE;

	if (job->state == CACHE_JOB_COPY) {
		step = accept_set(c, job, &accepted);
	}
	if (!accepted) {
		return step;
	}
	c->wall_us = timebase_wall_us(c->cfg.timebase);
	for (uint32_t i = 0; i < CACHE_OPS_STEP; i++) {
		if (!op_open(c, job)) {
			job->state = CACHE_JOB_DRAIN;
			if (job->ack_cnt == 0) {
				finish(c, job);
			}
			return CACHE_STEP_DONE;
		}
		step = op_step(c, job);
		if (step != CACHE_STEP_DONE) {
			return step;
		}
	}
	return CACHE_STEP_AGAIN;
}
