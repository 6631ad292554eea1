/* SPDX-License-Identifier: Apache-2.0 */
/* gate_batch - the operations of a run, published together
 *
 * The plain writes that a connection has sent one behind the other go to each cache tile as one
 * write set. What became of each operation stands in the batch's words when the set is acknowledged
 * (cache_op_word), and goes to the records of the commands: the operations of a set fail and
 * succeed each for itself.
 *
 *   B1  A batch is free, open (its run adds to it), unsent (the channel was full), or at its cache
 *       tile.
 *   B2  A run counts its operations in batches; it outlives its connection for as long as there are
 *       some.
 *   B3  A run has one batch a cache tile: operations of a set take effect in their order, those of
 *       two sets on one key need not. When it is full, the run waits.
 *
 * Rejected: one open set a tile for all connections (a few sets fewer, where each costs a tenth of
 * a receive and a send; but a run that was cut in two by others' operations had to wait twice).
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "gate_block.h"
#include "gate_head.h"
#include "gate_large.h"
#include "gate_many.h"
#include "gate_memory.h"
#include "gate_mute.h"
#include "gate_track.h"
#include "hash.h"
#include "lattice.h"
#include "timebase.h"

void
gate_batch_init(struct gate *g)
{
	STAILQ_INIT(&g->batch_free);
	STAILQ_INIT(&g->batch_unsent);
	for (uint32_t i = 0; i < GATE_BATCH_CNT; i++) {
		STAILQ_INSERT_TAIL(&g->batch_free, &g->batch[i], next);
	}
}

/* ------------------------------------------------------------------------- sending */

static void
batch_send(struct gate *g, struct gate_batch *b)
{
	if (inner_send(&g->inner, PORT_CACHE_FIRST + b->tile, &b->msg) != 0) {
		STAILQ_INSERT_TAIL(&g->batch_unsent, b, next); /* B1 */
	}
}

static void
batch_close(struct gate *g, struct gate_batch *b)
{
	payload_shrink(g->inner.pool, &b->msg.ref, (uint32_t)b->ws.out.len);
	b->msg.ref_word[0] = (uint64_t)(uintptr_t)b->word;
	b->msg.ref_word[1] = b->op_cnt;
	b->msg.call = inner_call_id(&g->inner);
	b->msg.b = (uint64_t)(b - g->batch);
	b->msg.sub = b->run->ack;
	if (STAILQ_EMPTY(&g->batch_unsent)) {
		batch_send(g, b);
	} else {
		STAILQ_INSERT_TAIL(&g->batch_unsent, b, next);
	}
}

void
gate_run_flush(struct gate *g, struct gate_run *run)
{
	for (uint32_t tile = 0; run->open_cnt > 0 && tile < g->view.shard_cnt; tile++) {
		if (run->batch[tile] != NULL && run->batch_open[tile]) {
			run->batch_open[tile] = false;
			run->open_cnt--;
			batch_close(g, run->batch[tile]);
		}
	}
}

bool
gate_batch_again(struct gate *g)
{
	struct gate_batches turn = STAILQ_HEAD_INITIALIZER(turn);
	struct gate_batch *b;
	bool any = false;

	STAILQ_CONCAT(&turn, &g->batch_unsent);
	while ((b = STAILQ_FIRST(&turn)) != NULL) {
		STAILQ_REMOVE_HEAD(&turn, next);
		if (!STAILQ_EMPTY(&g->batch_unsent)) {
			STAILQ_INSERT_TAIL(&g->batch_unsent, b, next);
			continue;
		}
		batch_send(g, b);
		any |= STAILQ_EMPTY(&g->batch_unsent);
	}
	return any;
}

/* ------------------------------------------------------------------------ building */

/* The open batch of a run that has room for one more operation. Returns: 0; MB_ERR_FULL: wait. */
static int
batch_for(struct gate *g, struct gate_run *run, uint32_t tile, size_t bytes,
	  struct gate_batch **ret)
{
	struct gate_batch *b = run->batch[tile];
	uint8_t *mem;

	if (b != NULL) {
		if (!run->batch_open[tile] || b->op_cnt == GATE_BATCH_OPS ||
		    b->ws.out.cap - b->ws.out.len < bytes) {
			gate_run_flush(g, run);
			return MB_ERR_FULL; /* B3 */
		}
		*ret = b;
		return 0;
	}
	b = STAILQ_FIRST(&g->batch_free);
	if (b == NULL) {
		gate_conn_starve(g, run->conn);
		return MB_ERR_FULL;
	}
	b->msg = (struct desc){ .kind = DESC_PUBLISH };
	if (payload_alloc(g->inner.pool, GATE_BATCH_BYTES, PROC_DAEMON, &b->msg.ref, &mem) != 0) {
		gate_conn_starve(g, run->conn);
		return MB_ERR_FULL;
	}
	STAILQ_REMOVE_HEAD(&g->batch_free, next);
	b->tile = tile;
	b->run = run;
	b->op_cnt = 0;
	b->wake_bits = 0;
	wset_init(&b->ws, mem, GATE_BATCH_BYTES);
	run->batch[tile] = b;
	run->batch_open[tile] = true;
	run->open_cnt++;
	g->under_way++;
	g->batch_cnt++;
	*ret = b;
	return 0;
}

struct gate_rec *
gate_write(struct gate *g, struct gate_conn *c, enum gate_rec_kind kind)
{
	uint64_t began_tsc = gate_multi_runs(c) ? c->multi->began_tsc : c->began_tsc;
	struct gate_run *run = c->run;
	struct gate_rec *rec;

	if (run == NULL) {
		run = gate_memory_take(g, c, sizeof(*run), 0);
		if (run == NULL) {
			gate_conn_starve(g, c);
			return NULL;
		}
		*run = (struct gate_run){ .conn = c, .began_tsc = began_tsc, .ack = c->ack };
		c->run = run;
		gate_wrote(g, c, c->ack);
	}
	if (run->open) { /* it had to wait */
		return &run->rec[run->rec_cnt - 1];
	}
	if (run->rec_cnt == GATE_RUN_MAX) {
		return NULL; /* gate_run_over comes */
	}
	run->open = true;
	rec = &run->rec[run->rec_cnt++];
	*rec = (struct gate_rec){
		.kind = (uint8_t)kind,
		.cmd = c->command,
	};
	return rec;
}

/* A value that is too long to stand in the set: one of the command's large words, which are in a
 * payload already, part of the command's memory, or copied to one. */
static int
value_by_ref(struct gate *g, struct gate_conn *c, struct wset_op *op, uint32_t *ret_handle)
{
	uint8_t *p;
	int err;

	for (uint32_t i = 0; c->large != NULL && i < c->parser.large_cnt; i++) {
		struct gate_large *l = &c->large[i];

		if (l->p == op->value.p && l->ref.handle != 0) {
			op->ref = l->ref;
			*ret_handle = l->ref.handle;
			op->by_ref = true;
			return 0;
		}
	}
	if (c->keep_ref.handle != 0 && op->value.p >= c->keep &&
	    op->value.p < c->keep + c->keep_cap &&
	    payload_hold(g->inner.pool, c->keep_ref.handle, PROC_DAEMON) == 0) {
		op->ref =
			payload_part(g->inner.pool, c->keep_ref.handle, op->value.p, op->value.len);
		*ret_handle = c->keep_ref.handle;
		op->by_ref = true;
		c->keep_given = true;
		return 0;
	}
	err = payload_alloc(g->inner.pool, op->value.len, PROC_DAEMON, &op->ref, &p);
	if (err != 0) {
		return err == MB_ERR_NO_MEMORY ? MB_ERR_FULL : err;
	}
	memcpy(p, op->value.p, op->value.len);
	*ret_handle = op->ref.handle;
	op->by_ref = true;
	return 0;
}

/* The batch has it now: it is not the connection's to free. */
static void
large_given(struct gate_conn *c, uint32_t handle)
{
	for (uint32_t i = 0; c->large != NULL && i < c->parser.large_cnt; i++) {
		if (c->large[i].ref.handle == handle) {
			c->large[i].ref.handle = 0;
		}
	}
}

int
gate_write_op(struct gate *g, struct gate_conn *c, struct wset_op *op, uint64_t if_version)
{
	uint64_t hash = hash_bytes(op->key.p, op->key.len);
	uint32_t tile = cache_tile_of(hash, g->view.shard_cnt);
	struct gate_run *run = c->run;
	struct gate_batch *b;
	uint32_t handle = 0;
	int err;

	if (op->key.len == 0 || op->key.len > KEY_BYTES_MAX) {
		return GATE_ERR_KEY;
	}
	if (op->field.len > WSET_FIELD_MAX) {
		return GATE_ERR_FIELD;
	}
	if (op->value.len > VALUE_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	err = batch_for(g, run, tile,
			WSET_OP_HEAD + op->key.len + op->field.len +
				MIN(op->value.len, (size_t)WSET_INLINE_MAX) + 8,
			&b);
	if (err != 0) {
		return err;
	}
	if (op->value.len > WSET_INLINE_MAX) {
		err = value_by_ref(g, c, op, &handle);
		if (err != 0) {
			if (err == MB_ERR_FULL) {
				gate_conn_starve(g, c);
			}
			return err;
		}
	}
	cache_view_prefetch(&g->view, hash); /* on one lcore the cache tile is next */
	err = wset_add(&b->ws, op);
	ENSURE(err == 0, "err=%d", err);
	large_given(c, handle);
	b->rec[b->op_cnt] = (uint8_t)(run->rec_cnt - 1);
	b->payload[b->op_cnt] = handle;
	b->pop[b->op_cnt] = 0;
	b->word[b->op_cnt] = (struct cache_op_word){ .hash = hash, .if_version = if_version };
	b->op_cnt++;
	if (op->kind == WSET_PUSH_LEFT || op->kind == WSET_PUSH_RIGHT || op->kind == WSET_ZADD ||
	    op->kind == WSET_ZINCR) {
		b->wake_bits |= gate_key_bit(hash);
	}
	run->pending++;
	g->tally.op_cnt++;
	return 0;
}

int
gate_write_end(struct gate *g, struct gate_conn *c)
{
	c->run->open = false;
	if (c->run->pending == 0) {
		gate_run_over(g, c->run);
	}
	return GATE_DONE;
}

int
gate_write_one(struct gate *g, struct gate_conn *c, enum gate_rec_kind kind, struct wset_op *op)
{
	struct gate_rec *rec = gate_write(g, c, kind);
	int err;

	if (rec == NULL) {
		return GATE_WAIT;
	}
	err = gate_write_op(g, c, op, 0);
	if (err == MB_ERR_FULL) {
		return GATE_WAIT;
	}
	if (err != 0) {
		rec->err = (int16_t)err;
	}
	return gate_write_end(g, c);
}

int
gate_write_op_after(struct gate *g, struct gate_conn *c, struct wset_op *op)
{
	uint32_t tile = cache_tile_of(hash_bytes(op->key.p, op->key.len), g->view.shard_cnt);
	int err = gate_write_op(g, c, op, 0);
	struct gate_batch *b = c->run->batch[tile];

	if (err == 0 && b->op_cnt > 1) {
		b->word[b->op_cnt - 1].if_before = 1;
	}
	return err;
}

bool
gate_write_more(struct gate *g, struct gate_conn *c, struct gate_rec *rec, struct wset_op *op)
{
	int err = gate_write_op(g, c, op, 0);

	if (err != 0 && err != MB_ERR_FULL && rec->err == 0) {
		rec->err = (int16_t)err;
	}
	return err != MB_ERR_FULL;
}

int
gate_write_held_2(struct gate *g, struct gate_conn *c, struct wset_op *op, uint64_t version,
		  struct wset_op *then)
{
	struct gate_rec *rec;
	int err;

	if (unlikely(c->unfit)) {
		return GATE_DONE; /* and nothing is written */
	}
	rec = gate_write(g, c, REC_HELD);
	if (rec == NULL) {
		gate_out_back(g, c, &c->mark);
		return GATE_WAIT;
	}
	err = gate_write_op(g, c, op, version);
	if (err == MB_ERR_FULL) {
		gate_out_back(g, c, &c->mark);
		return GATE_WAIT;
	}
	if (err == 0 && then != NULL) {
		err = gate_write_op_after(g, c, then); /* a batch of one has room for it */
	}
	if (err != 0) {
		rec->err = (int16_t)err;
	}
	gate_write_end(g, c);
	return GATE_HELD;
}

int
gate_write_held(struct gate *g, struct gate_conn *c, struct wset_op *op, uint64_t version)
{
	return gate_write_held_2(g, c, op, version, NULL);
}

/* What an operation of a batch has beside it. */
static void
op_forget(struct gate *g, struct gate_batch *b, uint32_t i)
{
	if (b->payload[i] != 0) {
		payload_release(g->inner.pool, b->payload[i], PROC_DAEMON);
	}
	if (b->pop[i] != 0) {
		gate_pop_over(g, b->pop[i]);
	}
}

void
gate_held_begin(struct gate_conn *c)
{
	c->mark = gate_out_mark(c);
	c->mark.set = false;
	c->part_next = 0;
	c->done_cnt = 0;
	c->each = 1;
}

int
gate_held_op(struct gate *g, struct gate_conn *c, struct wset_op *op, uint64_t version,
	     uint32_t cnt)
{
	if (unlikely(c->unfit) || gate_write(g, c, REC_HELD) == NULL) {
		return MB_ERR_FULL; /* no more than these: none is on its way yet */
	}
	return cnt == 0 ? gate_write_op(g, c, op, version) : gate_write_op_after(g, c, op);
}

struct cache_op_word *
gate_word_last(struct gate *g, struct gate_conn *c, struct slice key)
{
	uint32_t tile = cache_tile_of(hash_bytes(key.p, key.len), g->view.shard_cnt);
	struct gate_batch *b = c->run->batch[tile];

	return &b->word[b->op_cnt - 1];
}

/* Its operations are still here. */
void
gate_held_undo(struct gate *g, struct gate_conn *c)
{
	struct gate_run *run = c->run;

	c->part_next = 0;
	if (run == NULL) {
		return;
	}
	REQUIRE(run->open && run->rec_cnt == 1);
	for (uint32_t tile = 0; tile < g->view.shard_cnt; tile++) {
		struct gate_batch *b = run->batch[tile];

		if (b == NULL) {
			continue;
		}
		REQUIRE(run->batch_open[tile]);
		for (uint32_t i = 0; i < b->op_cnt; i++) {
			op_forget(g, b, i);
			if (b->word[i].if_end >= CACHE_FRONT_LOW) {
				gate_front_over(&g->fronts, &b->word[i], false);
			}
		}
		payload_release(g->inner.pool, b->msg.ref.handle, PROC_DAEMON);
		STAILQ_INSERT_HEAD(&g->batch_free, b, next);
		g->under_way--;
		g->batch_cnt--;
	}
	c->run = NULL;
	heap_free(g->heap, run, sizeof(*run));
}

int
gate_held_end(struct gate *g, struct gate_conn *c, int err, uint32_t cnt)
{
	if (unlikely(c->unfit)) { /* there is no memory for its reply */
		gate_held_undo(g, c);
		return GATE_DONE;
	}
	if (err == MB_ERR_FULL && cnt == 0) {
		gate_out_back(g, c, &c->mark);
		c->part_next = 0;
		return GATE_WAIT;
	}
	if (err != 0 && err != MB_ERR_FULL) {
		c->run->rec[c->run->rec_cnt - 1].err = (int16_t)err;
	}
	gate_write_end(g, c);
	return GATE_HELD;
}

/* --------------------------------------------------------------------- acknowledged */

static void
op_over(struct gate *g, struct gate_batch *b, uint32_t i)
{
	const struct cache_op_word *word = &b->word[i];
	struct gate_rec *rec = &b->run->rec[b->rec[i]];

	op_forget(g, b, i);
	if (unlikely(word->if_end >= CACHE_FRONT_LOW)) {
		gate_front_over(&g->fronts, word,
				word->err == 0 || word->err == MB_ERR_INDETERMINATE ||
					word->gone != 0);
	}
	if (word->err != 0 && rec->err == 0) {
		rec->err = (int16_t)word->err;
		if (word->longer != 0) {
			rec->err = GATE_ERR_UNFIT;
		}
		/* "not an integer", or another type? Redis says them apart. */
		rec->not_number = rec->kind == REC_NUMBER && word->not_number != 0;
	}
	if (rec->kind == REC_NUMBER || rec->kind == REC_LENGTH || rec->kind == REC_SCORE) {
		rec->n = word->n;
	} else if (rec->kind == REC_FIXED) {
		return;
	} else if (rec->kind == REC_MADE) {
		rec->n += word->err == 0 ? word->n : 0;
	} else {
		/* What too few owners said that they have is done. */
		rec->n += (word->err == 0 ||
			   (rec->kind == REC_HELD && word->err == MB_ERR_INDETERMINATE)) &&
			  word->changed;
	}
}

void
gate_batch_published(struct gate *g, const struct desc *d)
{
	struct gate_batch *b = &g->batch[d->b];
	struct gate_run *run;

	REQUIRE(d->b < GATE_BATCH_CNT);
	run = b->run;
	REQUIRE(run->pending >= b->op_cnt);
	for (uint32_t i = 0; i < b->op_cnt; i++) {
		op_over(g, b, i);
	}
	if (unlikely(g->track_cnt > 0)) {
		gate_track_batch(g, b);
	}
	payload_release(g->inner.pool, b->msg.ref.handle, PROC_DAEMON);
	STAILQ_INSERT_HEAD(&g->batch_free, b, next);
	g->under_way--;
	g->batch_cnt--;
	run->batch[b->tile] = NULL;
	run->pending -= b->op_cnt;
	gate_block_wrote(g, b);
	if (run->pending == 0) {
		gate_run_over(g, run);
	}
}

/* ------------------------------------------------------------------------ replies */

static void
rec_reply(struct gate *g, struct gate_conn *c, const struct gate_rec *rec)
{
	double score;

	if (rec->err != 0) {
		if (rec->kind == REC_NUMBER && rec->err == MB_ERR_TOO_LARGE) {
			gate_error(g, c, "ERR increment or decrement would overflow");
		} else if (rec->kind == REC_SCORE && rec->err == MB_ERR_INVALID) {
			gate_error(g, c, "ERR resulting score is not a number (NaN)");
		} else if (rec->not_number) {
			gate_error_f(g, c, "ERR %s",
				     strcmp(rec->cmd->group, "hash") == 0
					     ? "hash value is not an integer"
					     : "value is not an integer or out of range");
		} else {
			gate_error_of(g, c, rec->err);
		}
		return;
	}
	switch (rec->kind) {
	case REC_OK:
		gate_ok(g, c);
		break;
	case REC_SCORE:
		memcpy(&score, &rec->n, sizeof(score));
		gate_double(g, c, score);
		break;
	default:
		gate_int(g, c, rec->n);
	}
}

void
gate_run_over(struct gate *g, struct gate_run *run)
{
	struct gate_conn *c = run->conn;

	if (c == NULL) {
		heap_free(g->heap, run, sizeof(*run));
		return;
	}
	if (run->open) { /* its last command waits for room, which there is now */
		gate_conn_ready(g, c);
		return;
	}
	c->run = NULL;
	if (run->rec[0].kind == REC_HELD) {
		c->held_err = run->rec[0].err;
		c->done_cnt = (uint32_t)run->rec[0].n;
	} else {
		uint64_t cycles = timebase_tsc() - run->began_tsc;

		for (uint32_t i = 0; i < run->rec_cnt; i++) {
			const struct slice name =
				slice_of(run->rec[i].cmd->name, run->rec[i].cmd->name_len);

			c->command = run->rec[i].cmd; /* whose error it is */
			gate_timed(g, c, run->rec[i].cmd, cycles, &name, 1);
			rec_reply(g, c, &run->rec[i]);
		}
		gate_reply_end(c);
	}
	if (unlikely(c->alone_run)) { /* behind its replies, for which others give way */
		c->alone_run = false;
		gate_alone_end(g, c);
	}
	heap_free(g->heap, run, sizeof(*run));
	gate_conn_ready(g, c);
}
