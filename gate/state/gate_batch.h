/* SPDX-License-Identifier: Apache-2.0 */
/* gate_batch - plain writes of a pipeline, published together
 *
 * A run is what one connection writes with one command behind the other; a batch is its write set
 * for one cache tile; a record is what one command of it answers (gate_batch.c).
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_BATCH_H
#define MB_GATE_BATCH_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "cache_msg.h"
#include "wset.h"

struct gate_command;
struct gate;
struct gate_conn;

#define GATE_BATCH_CNT   256 /* write sets under way; sched and caches have ports for 128 */
#define GATE_BATCH_OPS   64  /* of a whole run */
/* Of a set: two of the longest operations, and more. Not whole pages, of which taking and giving
 * back is ten times the work. */
#define GATE_BATCH_BYTES (14u << 10)
#define GATE_RUN_MAX     32 /* commands in one run */

static_assert(WSET_OP_HEAD + KEY_BYTES_MAX + WSET_FIELD_MAX + WSET_INLINE_MAX + 8 <=
		      GATE_BATCH_BYTES,
	      "every operation fits a batch");

enum gate_rec_kind {
	REC_OK = 1,  /* +OK */
	REC_NUMBER,  /* what the operation made */
	REC_CHANGED, /* how many operations changed anything */
	REC_MADE,    /* how many fields there are more */
	REC_LENGTH,  /* what the last operation made */
	REC_FIXED,   /* what is known before */
	REC_SCORE,   /* the score that it made, a double's bits */
	REC_HELD,    /* of a HELD command: nothing, its reply is written */
};

struct gate_rec {
	uint8_t kind;
	int16_t err; /* the first operation's that failed */
	bool not_number;
	int64_t n;
	const struct gate_command *cmd;
};

struct gate_run {
	struct gate_conn *conn; /* NULL: gone */
	uint64_t began_tsc;
	uint8_t ack;
	uint32_t pending; /* operations not acknowledged */
	uint32_t rec_cnt;
	bool open; /* its last command is not complete */
	uint32_t open_cnt;
	struct gate_batch *batch[CACHE_TILE_MAX]; /* not acknowledged; NULL: none */
	bool batch_open[CACHE_TILE_MAX];          /* and not sent */
	struct gate_rec rec[GATE_RUN_MAX];
};

struct gate_batch {
	STAILQ_ENTRY(gate_batch) next;
	uint32_t tile;
	struct wset ws;
	struct desc msg;
	uint32_t op_cnt;
	uint64_t wake_bits; /* of the keys that get items */
	struct gate_run *run;
	uint8_t rec[GATE_BATCH_OPS];
	uint32_t payload[GATE_BATCH_OPS]; /* handle of a value by reference, + 1 */
	uint32_t pop[GATE_BATCH_OPS];     /* gate_pop_note's; 0: none */
	struct cache_op_word word[GATE_BATCH_OPS];
};
STAILQ_HEAD(gate_batches, gate_batch);

void gate_batch_init(struct gate *g);
/* gate_write begins the reply of a write command (again, after WAIT).
 * Returns: its record; NULL: wait (GATE_WAIT). */
struct gate_rec *gate_write(struct gate *g, struct gate_conn *c, enum gate_rec_kind kind);
/* gate_write_op adds an operation to it. The value may be in the text, or one of the large words of
 * the command.
 * Returns: 0; MB_ERR_FULL: wait, and add it again; MB_ERR_TOO_LARGE, MB_ERR_INVALID. */
int gate_write_op(struct gate *g, struct gate_conn *c, struct wset_op *op, uint64_t if_version);
/* gate_write_op_after: the same, of an operation on the key of the one before it, that is done only
 * if that was. */
int gate_write_op_after(struct gate *g, struct gate_conn *c, struct wset_op *op);
/* gate_write_more is gate_write_op of a command with several operations, whose reply tells the
 * first error. Returns: false: wait, and add it again. */
bool gate_write_more(struct gate *g, struct gate_conn *c, struct gate_rec *rec, struct wset_op *op);
/* gate_write_end: all its operations are added. Returns: GATE_DONE. */
int gate_write_end(struct gate *g, struct gate_conn *c);
/* gate_write_one: a command of one operation. Returns: what the handler returns. */
int gate_write_one(struct gate *g, struct gate_conn *c, enum gate_rec_kind kind,
		   struct wset_op *op);
/* gate_write_held: one operation, done only if the key still shows version; the reply is written
 * already. Returns: what the handler returns: HELD. When another was faster the handler is called
 * again. */
int gate_write_held(struct gate *g, struct gate_conn *c, struct wset_op *op, uint64_t version);
/* gate_write_held_2: of two operations on one key, the second only if the first was done. then
 * NULL: only one. */
int gate_write_held_2(struct gate *g, struct gate_conn *c, struct wset_op *op, uint64_t version,
		      struct wset_op *then);
/* A HELD command of many operations on one key: gate_held_begin, gate_held_op for each,
 * gate_held_end. The first is done only if the key still shows version, each other one only if the
 * one before it was, and nobody's come between. When there is no room for more, the command goes on
 * in parts: with part_next (and total_next) set it is called again once this part has succeeded, as
 * c->part (and c->total); what was written to the reply then stands. If the reply is an array whose
 * head is not known yet (c->hole), and another part fails or there is no memory for what it shows,
 * the array ends before it; of a part that fails after some of its operations were done, with these
 * (c->each values for one).
 *
 * cnt: how many were added in this part. gate_held_op returns: 0; MB_ERR_FULL: no more fit;
 * MB_ERR_TOO_LARGE. gate_held_end returns what the handler returns. */
void gate_held_begin(struct gate_conn *c);
int gate_held_op(struct gate *g, struct gate_conn *c, struct wset_op *op, uint64_t version,
		 uint32_t cnt);
int gate_held_end(struct gate *g, struct gate_conn *c, int err, uint32_t cnt);
/* gate_held_undo: nothing that this part has added is done. */
void gate_held_undo(struct gate *g, struct gate_conn *c);
/* gate_run_flush sends what a run has added. */
void gate_run_flush(struct gate *g, struct gate_run *run);
/* gate_batch_again sends what had no room. Returns: whether any of it went. */
bool gate_batch_again(struct gate *g);
void gate_batch_published(struct gate *g, const struct desc *d);
/* gate_run_over: all its operations are acknowledged and its last command is complete. */
void gate_run_over(struct gate *g, struct gate_run *run);

#endif
