/* SPDX-License-Identifier: Apache-2.0 */
/* cache_act - operations on keys that are not here, done in the store (kvs_act.h): of the tiles of
 * this daemon that pass on what others write
 *
 *   job ──op──► a list, open ──(full; something else goes there; end of the poll)──► ACT
 *    ▲                                                                               │
 *    └────────────── acknowledged, one by one ◄─────────────── ACTED ◄───────────────┘
 *
 *   I1  An act goes only for a key that has no entry and no work here, or one that has just let go
 *       of its entry (cache_crowd.c). So what a reader sees of the key in the cache does not go
 *       back: there is nothing, and what is fetched later is asked for behind the act, on the same
 *       link (cache_act_send before each other message). An act with a long value takes the store
 *       many steps: until it is done the key has a work here (ACT), and whoever needs the key
 *       waits.
 *   I2  Whatever make and made look at (the set, the words, the list) is the job's or the list's,
 *       and stays until ACTED. They run in the kvs tile's thread, and look at nothing else of the
 *       core.
 *   I3  A writer's times ascend along a link: an act has its time from when it was put in.
 *
 * So a write to a key that nobody reads costs one trip and no entry, no work, no copy; and a key
 * that is only written does not push others out of the cache. Operations that depend on a version,
 * belong together, or whose delta may be long, are done in the cache. But what takes something off
 * a value for which there is no memory here is tried in the store, whoever wants it: a collection
 * that has grown there could not be made smaller otherwise. So is a DEL or a deadline: a large
 * collection goes whole (cache_grow.c: razed). A long value of a PUT is copied once, from where the
 * asker has it to where the store has it, the last one of its list; one that is longer than a step
 * copies, in pieces.
 */
#include "cache_state.h"
#include "cache_word.h"
#include "check.h"
#include "compiler.h"
#include "delta.h"
#include "hash.h"
#include "kvs_shard.h"
#include "microburst/error.h"

static_assert(KVS_STEP_BYTES >= WSET_INLINE_MAX + WSET_FIELD_MAX + 1024,
	      "what an act may say fits");

static struct cache_acts *
acts_of(struct kvs_acts *list)
{
	return (struct cache_acts *)list; /* its first member */
}

/* Of what cannot be looked through in a step nothing is told apart: it is razed. */
static int
act_delete(struct cache_acts *acts, struct cache_act *a, struct slice stored, struct wbuf *out)
{
	int err = MB_ERR_TOO_LARGE;

	if (!slice_is_tree(stored)) {
		err = delta_make(stored, &a->op, a->at, acts->writer, out);
	} else if (!delta_present(stored, a->at.day)) {
		return 0;
	}
	if (err == MB_ERR_TOO_LARGE) {
		a->razes = true;
		err = cache_grow_tombstone(stored, a->at.now, acts->writer, out);
	}
	return err;
}

/* Whether what an inner process wants to be so is so. */
static bool
act_wanted(const struct cache_acts *acts, uint32_t i, struct slice stored)
{
	const struct cache_act *a = &acts->own[i];
	const struct cache_op_word *word = a->word;

	if (a->follows && !acts->own[i - 1].made) {
		return false;
	}
	return word == NULL || ((word->if_version == 0 || a->sure ||
				 word->if_version == cache_version_lent(stored)) &&
				(word->if_end == CACHE_END_ANY ||
				 cache_word_ends(stored, &a->op, a->at.day, word)));
}

/* Keeps I2. */
static int
act_make(struct kvs_acts *list, uint32_t i, struct slice stored, struct wbuf *out)
{
	struct cache_acts *acts = acts_of(list);
	struct cache_act *a = &acts->own[i];
	int err;

	if (a->job == NULL) {
		cache_read_look(a, stored);
		return KVS_ACT_LOOKED;
	}
	if (unlikely(a->op.by_ref && a->op.value.p == NULL)) {
		return MB_ERR_INVALID;
	}
	if (!act_wanted(acts, i, stored)) {
		if (a->sure && !a->follows) { /* then it is not there */
			a->word->gone = 1;
		}
		return MB_ERR_TRYAGAIN;
	}
	if (a->word != NULL && a->op.kind == WSET_INCR &&
	    cache_word_incr(stored, a->op.n, acts->writer, out, &a->word->n)) {
		a->known = true;
		return KVS_ACT_WHOLE;
	}
	if (a->word != NULL) {
		cache_word_before(stored, &a->op, a->at.day, a->word);
	}
	if (list->act[i].value.len > 0) {
		a->op.value.p = out->p + list->act[i].value_at;
	}
	if (a->op.kind == WSET_DEL) {
		return act_delete(acts, a, stored, out);
	}
	err = delta_make(stored, &a->op, a->at, acts->writer, out);
	if (err == MB_ERR_TYPE && a->word != NULL) {
		cache_word_type(stored, &a->op, a->word);
	}
	/* A PUT begins an epoch: it wins over all that is stored. */
	return err == 0 && a->op.kind == WSET_PUT ? KVS_ACT_WHOLE : err;
}

static void
act_made(struct kvs_acts *list, uint32_t i, struct slice stored, bool changed)
{
	struct cache_act *a = &acts_of(list)->own[i];

	a->made = true;
	if (a->known) {
		a->word->changed = changed;
	} else if (a->word != NULL) {
		cache_word_after(stored, &a->op, changed, a->word);
	}
}

void
cache_acts_init(struct cache_core *c)
{
	STAILQ_INIT(&c->acts_free);
	for (uint32_t i = 0; i < CACHE_ACTS_MAX; i++) {
		struct cache_acts *acts = &c->acts[i];

		acts->list.make = act_make;
		acts->list.made = act_made;
		acts->writer = c->cfg.writer;
		STAILQ_INSERT_TAIL(&c->acts_free, acts, next);
	}
}

/* Whether a kind's delta is short, whatever it meets. */
static bool
kind_is_short(enum wset_kind kind)
{
	switch (kind) {
	case WSET_PUT:
	case WSET_INCR:
	case WSET_SADD:
	case WSET_GADD:
	case WSET_MAP_PUT:
	case WSET_MAP_INCR:
	case WSET_PUSH_LEFT:
	case WSET_PUSH_RIGHT:
	case WSET_LIST_PLACE:
	case WSET_LIST_SET:
	case WSET_ZADD:
	case WSET_ZINCR:
	case WSET_EXPIRE:
		return true;
	default:
		return false;
	}
}

static bool
kind_takes_off(enum wset_kind kind)
{
	return kind == WSET_DEL || kind == WSET_SREM || kind == WSET_MAP_DEL ||
	       kind == WSET_LIST_DEL || kind == WSET_ZREM;
}

/* Whether the store can tell what an inner process wants to be so: where there is no memory for the
 * key here, also whether an item is still there, or at an end, and what was done before it; and
 * whether it still has a value that it has lent. (What is at an end of a sorted set only of short
 * ones: cmd_zpop.c.) */
static bool
word_may(const struct cache_op_word *word, bool no_room)
{
	const bool lent = cache_version_is_lent(word->if_version);

	return (word->if_version == 0 || lent) && (word->if_before == 0 || no_room) &&
	       (word->if_end == CACHE_END_ANY || (word->if_end <= CACHE_END_NONE ? no_room : lent));
}

/* The same of one operation. */
static bool
op_may(const struct cache_job *job, const struct wset_op *op, const struct cache_op_word *word,
       bool no_room)
{
	const bool afar = job->afar && job->ack != KVS_ACK_LOCAL && kind_is_short(op->kind) &&
			  (!op->by_ref || op->kind == WSET_PUT);
	const bool less =
		no_room && !op->by_ref && (kind_takes_off(op->kind) || op->kind == WSET_EXPIRE);

	return (afar || less) && (word == NULL || word_may(word, no_room));
}

bool
cache_act_may(const struct cache_job *job, const struct wset_op *op, uint32_t op_idx,
	      struct slice rest, bool no_room)
{
	const struct cache_op_word *word = job->word != NULL ? &job->word[op_idx] : NULL;
	struct wset_op next;

	no_room |= word != NULL && cache_version_is_lent(word->if_version);
	if (!op_may(job, op, word, no_room)) {
		return false;
	}
	for (uint32_t cnt = 1; word != NULL && rest.len != 0 && word[cnt].if_before != 0; cnt++) {
		if (!no_room || op->by_ref || cnt == KVS_ACT_MAX || wset_next(&rest, &next) != 1) {
			return false;
		}
		if (!slice_eq(next.key, op->key)) { /* it waits for those before it */
			return true;
		}
		if (next.by_ref || !op_may(job, &next, &word[cnt], true)) {
			return false;
		}
	}
	return true;
}

void
cache_act_send(struct cache_core *c, uint32_t kvs)
{
	struct cache_acts *acts = c->acts_open[kvs];
	struct desc d = { .kind = DESC_KVS_ACT, .word[0] = (uintptr_t)acts };

	if (acts != NULL) {
		c->acts_open[kvs] = NULL;
		c->cfg.ops.to_kvs(c->cfg.ops.ctx, kvs, &d);
	}
}

bool
cache_act_send_all(struct cache_core *c)
{
	bool busy = false;

	for (uint32_t kvs = 0; kvs < c->cfg.kvs_cnt; kvs++) {
		busy |= c->acts_open[kvs] != NULL;
		cache_act_send(c, kvs);
	}
	return busy;
}

bool
cache_act_room(struct cache_core *c, uint64_t hash, uint32_t cnt)
{
	uint32_t kvs = cache_kvs_of(c, hash);

	if (c->acts_open[kvs] != NULL && c->acts_open[kvs]->list.cnt + cnt > KVS_ACT_MAX) {
		cache_act_send(c, kvs);
	}
	return c->acts_open[kvs] != NULL || !STAILQ_EMPTY(&c->acts_free);
}

struct cache_act *
cache_act_open(struct cache_core *c, uint64_t hash, struct kvs_act **ret_act)
{
	uint32_t kvs = cache_kvs_of(c, hash);
	struct cache_acts *acts = c->acts_open[kvs];

	if (acts == NULL) {
		acts = STAILQ_FIRST(&c->acts_free);
		if (acts == NULL) {
			return NULL;
		}
		STAILQ_REMOVE_HEAD(&c->acts_free, next);
		acts->list.cnt = 0;
		c->acts_open[kvs] = acts;
	}
	*ret_act = &acts->list.act[acts->list.cnt];
	return &acts->own[acts->list.cnt];
}

void
cache_act_put(struct cache_core *c, uint64_t hash)
{
	uint32_t kvs = cache_kvs_of(c, hash);

	if (++c->acts_open[kvs]->list.cnt == KVS_ACT_MAX) {
		cache_act_send(c, kvs);
	}
}

/* A value by reference is looked at where the asker has it. */
static void
act_long(struct cache_core *c, struct cache_act *a, struct kvs_act *act)
{
	const uint8_t *p;

	if (cache_value_view(c, a->job, &a->op.ref, &p) != 0) {
		p = NULL; /* it has none there */
	}
	a->op.value = slice_of(p, p != NULL ? a->op.ref.len : 0);
	act->long_bytes = (uint32_t)delta_bound(slice_of(NULL, 0), &a->op, a->op.value.len);
	if (a->work != NULL) {
		act->value = a->op.value;
		act->value_at = (uint32_t)delta_value_at(&a->op);
		act->gives = a->op.ref.seg == PAYLOAD_SEG_OWN;
	}
}

bool
cache_act_add(struct cache_core *c, struct cache_job *job, bool follows, bool sure)
{
	struct kvs_act *act;
	struct cache_act *a = cache_act_open(c, job->hash, &act);
	struct cache_work *w = NULL;

	REQUIRE(a != NULL); /* cache_act_room */
	if (job->op.by_ref && job->op.ref.len > KVS_STEP_BYTES) {
		w = cache_work_act(c, job->hash, job->op.key); /* keeps I1 */
		if (w == NULL) {
			return false;
		}
	}
	*act = (struct kvs_act){
		.key = job->op.key,
		.ack = MAX(job->ack, (uint8_t)KVS_ACK_ONE), /* of what is local there is nothing */
		/* A deadline that stays is known already. */
		.grows = job->op.kind != WSET_EXPIRE && !kind_takes_off(job->op.kind),
	};
	++*cache_touched(c, job->hash);
	a->job = job; /* what is of a read only is not looked at */
	a->work = w;
	a->op = job->op;
	/* What was done before it was done here, and others may have come between since. */
	a->op.must |= job->word != NULL && job->word[job->op_idx].if_before != 0 && !follows &&
		      kind_takes_off(job->op.kind) && job->op.kind != WSET_DEL;
	a->op_idx = job->op_idx;
	a->word = job->word != NULL ? &job->word[job->op_idx] : NULL;
	a->known = false;
	a->razes = false;
	a->follows = follows;
	a->sure = sure;
	a->made = false;
	a->at = hlc_moment(&c->clock, c->wall_us); /* keeps I3 */
	if (job->op.by_ref) {
		act_long(c, a, act);
	}
	job->ack_cnt++;
	job->act_cnt++;
	c->stats.passed++;
	cache_act_put(c, job->hash);
	if (job->op.by_ref) {
		cache_act_send(c, cache_kvs_of(c, job->hash));
	}
	return true;
}

void
cache_act_acted(struct cache_core *c, const struct desc *d)
{
	struct cache_acts *acts = acts_of((struct kvs_acts *)(uintptr_t)d->word[0]);

	for (uint32_t i = 0; i < acts->list.cnt; i++) {
		struct cache_act *a = &acts->own[i];

		if (a->job == NULL) {
			cache_read_over(c, a, acts->list.act[i].err);
		} else {
			if (a->work != NULL) {
				cache_work_acted(c, a->work);
			}
			c->stats.razed += a->razes && acts->list.act[i].err == 0;
			cache_job_acted(c, a->job, a->op_idx, acts->list.act[i].err);
		}
	}
	STAILQ_INSERT_HEAD(&c->acts_free, acts, next);
}
