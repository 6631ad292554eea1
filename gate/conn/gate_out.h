/* SPDX-License-Identifier: Apache-2.0 */
/* gate_out - replies on their way out
 *
 * What is written for a connection, in the order in which it is written; sent by gate_out_flush.
 * Memory comes from the gate's, a long value stays where the cache has it (gate_out.c).
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_OUT_H
#define MB_GATE_OUT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache_view.h"
#include "slice.h"

struct gate;
struct gate_conn;
struct gate_tally;

#define GATE_OUT_MAX     (1u << 20)   /* not sent: then no further command is run */
#define GATE_CHUNK_BYTES (4u << 10)   /* of replies; most are one */
#define GATE_CHUNK_SMALL 224          /* the first one, which is kept */
#define GATE_HOLD_MIN    (16u << 10)  /* a value above is sent from where the cache has it */
#define GATE_HOLD_CNT    48           /* so many of the hazard slots; the rest are for walks */
#define GATE_SEND_MAX    (256u << 10) /* in one send: a slow reader is seen to move */

static_assert(GATE_HOLD_CNT < HAZARD_CNT, "some are left for looking");

struct gate_chunk {
	struct gate_chunk *next;
	const uint8_t *p; /* data, or a value in the cache region */
	uint32_t len, sent, cap;
	uint32_t slot;   /* hazard slot that keeps p; CACHE_SLOT_NONE */
	uint32_t handle; /* payload that p is in; 0: none */
	uint32_t lent;   /* parts that the kernel has, and has not returned (gate_lend.c) */
	uint8_t mark;    /* their mark, + 1; 0: none */
	uint8_t data[];
};

struct gate_out {
	struct gate_chunk *head, *tail;
	size_t bytes;
};

/* A place in it, to go back to. */
struct gate_mark {
	struct gate_chunk *tail;
	uint32_t len;
	size_t bytes;
	bool set;
};

/* gate_out_bytes adds to the replies. The connection ends when there is no memory. */
void gate_out_bytes(struct gate *g, struct gate_conn *c, const void *p, size_t len);
struct gate_mark gate_out_mark(const struct gate_conn *c);
/* gate_out_back takes back what was written since; c->mark moves as what is before it is sent. */
void gate_out_back(struct gate *g, struct gate_conn *c, const struct gate_mark *mark);
/* gate_out_keep takes back what the part at hand wrote of its array (c->hole), but for the first
 * cnt values; its head is to be filled again. */
void gate_out_keep(struct gate *g, struct gate_conn *c, size_t cnt);
/* gate_out_hole leaves a place whose few bytes are known later: gate_out_fill; gate_out_fill_array:
 * they begin an array of so many. */
struct gate_chunk *gate_out_hole(struct gate *g, struct gate_conn *c);
void gate_out_fill(struct gate *g, struct gate_conn *c, struct gate_chunk *hole,
		   const struct wbuf *w);
void gate_out_fill_array(struct gate *g, struct gate_conn *c, struct gate_chunk *hole, size_t cnt);
/* gate_out_due: how much of them may be sent: nothing of a reply that is not sure to stand. */
size_t gate_out_due(const struct gate_conn *c);
void gate_out_flush(struct gate *g, struct gate_conn *c);
void gate_out_sent(struct gate *g, struct gate_conn *c, size_t len);
/* gate_out_lost: a reply that cannot be given whole is not given: the client sees the connection
 * end, and nothing that looks like an answer. */
void gate_out_lost(struct gate_conn *c);
void gate_out_drop(struct gate *g, struct gate_conn *c);
void gate_chunk_free(struct gate *g, struct gate_chunk *k);

/* Between gate_push_begin and gate_push_end what is written is a message, not a reply: it goes
 * behind the replies of the command at hand, of which there may be one. A connection that leaves
 * more of them unread than gate.backlog is cut. */
void gate_push_begin(struct gate_conn *c);
void gate_push_end(struct gate *g, struct gate_conn *c);
/* gate_push_drop throws messages away that are not out. */
void gate_push_drop(struct gate *g, struct gate_conn *c);
/* gate_push_out lets messages out, when all replies are. Requires: no command is at hand. */
void gate_push_out(struct gate_conn *c);

/* gate_bulk_value: a value; a copy, or, of a long one, the place in the cache, which the reply then
 * holds instead of *v. */
void gate_bulk_value(struct gate *g, struct gate_conn *c, struct slice bytes,
		     struct cache_value *v);

/* Replies. Each is whole. */
void gate_ok(struct gate *g, struct gate_conn *c);
void gate_simple(struct gate *g, struct gate_conn *c, const char *text);
void gate_int(struct gate *g, struct gate_conn *c, int64_t n);
void gate_bulk(struct gate *g, struct gate_conn *c, struct slice bytes);
/* gate_bulk_kept: the same of bytes in c->keep, sent from there if they are long. */
void gate_bulk_kept(struct gate *g, struct gate_conn *c, struct slice bytes);
void gate_bulk_str(struct gate *g, struct gate_conn *c, const char *text);
/* gate_text: for people to read; in RESP2 a bulk string. */
void gate_text(struct gate *g, struct gate_conn *c, struct slice text);
void gate_text_str(struct gate *g, struct gate_conn *c, const char *text);
void gate_null(struct gate *g, struct gate_conn *c);
void gate_null_array(struct gate *g, struct gate_conn *c);
void gate_array(struct gate *g, struct gate_conn *c, size_t cnt);
void gate_map(struct gate *g, struct gate_conn *c, size_t cnt);
void gate_set(struct gate *g, struct gate_conn *c, size_t cnt);
/* gate_push_head: of a message of cnt items. */
void gate_push_head(struct gate *g, struct gate_conn *c, size_t cnt);
void gate_double(struct gate *g, struct gate_conn *c, double x);
/* gate_error_counted counts errors of a kind: the first word of text. */
void gate_error_counted(struct gate_tally *t, const char *text, uint64_t cnt);
/* gate_error: text as behind the '-'. Returns: GATE_DONE, so that a handler can end with it. */
int gate_error(struct gate *g, struct gate_conn *c, const char *text);
int gate_error_f(struct gate *g, struct gate_conn *c, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define GATE_ERR_KEY   (-1000) /* no enum mb_err: a key that is empty, or too long */
#define GATE_ERR_FIELD (-1002) /* no enum mb_err: a field, or the like, that is too long */
/* gate_error_of says an mb_err as Redis would. */
int gate_error_of(struct gate *g, struct gate_conn *c, int err);

#endif
