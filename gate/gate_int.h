/* SPDX-License-Identifier: Apache-2.0 */
/* gate_int - what the parts of a gate share; nobody else includes it
 *
 * README.md says which part is which.
 *
 * How a command is run. Its handler is called with its words, and says
 *
 *   DONE  the reply is written, or (of a write that is under way) will be, in its turn
 *   WAIT  something has to happen first (a key fetched, room): the handler is called again then,
 *         from the beginning, with the same words; c->step, 0 at first, tells how far it came
 *   HELD  it is under way, and its reply is written: sent when it succeeds, taken back when not
 *   SENT  it is under way, and its reply is written when its answer comes
 *   AWAY  (before the handler) another gate will run it (gate_many.h)
 *
 * A connection runs one command at a time, with two exceptions that pipelines live on: plain writes
 * (CMD_RUN) are published together, and their replies are written in their order when all of them
 * are acknowledged. That is a run. Calls (CMD_CALL) follow each other to one executor, which runs
 * them in their order (gate_pipe.c). Any other command waits until what is before it is over: so
 * a connection reads its own writes, and sees them in its order.
 */
#ifndef MB_GATE_INT_H
#define MB_GATE_INT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include <jansson.h>

#include "cache_msg.h"
#include "cache_view.h"
#include "direct.h"
#include "domain_limits.h"
#include "gate.h"
#include "gate_beside.h"
#include "gate_call.h"
#include "gate_command.h"
#include "gate_conn_turn.h"
#include "gate_front.h"
#include "gate_memory.h"
#include "gate_pop.h"
#include "gate_words.h"
#include "heap.h"
#include "metrics.h"
#include "placement.h"
#include "resp.h"
#include "rng.h"
#include "stream.h"
#include "wset.h"

#define GATE_BATCH_CNT    256 /* write sets under way; sched and caches have ports for 128 */
#define GATE_BATCH_OPS    64  /* of a whole run */
/* Of a set: two of the longest operations, and more. Not whole pages, of which taking and giving
 * back is ten times the work. */
#define GATE_BATCH_BYTES  (14u << 10)
#define GATE_FETCH_CNT    512         /* keys being fetched */
#define GATE_RUN_MAX      32          /* commands in one run */
#define GATE_IN_MAX       (64u << 10) /* received and not run: then the socket is not read */
#define GATE_IN_BEHIND    (1u << 20)  /* the same behind a command that waits (N5) */
#define GATE_OUT_MAX      (1u << 20)  /* not sent: then no further command is run */
#define GATE_CHUNK_BYTES  (4u << 10)  /* of replies; most are one */
#define GATE_HOLD_MIN     (16u << 10) /* a value above is sent from where the cache has it */
#define GATE_HOLD_CNT     48          /* so many of the hazard slots; the rest are for walks */
#define GATE_TURN         2048        /* what a connection may do in a poll: about 150 us */
#define GATE_TURN_COMMAND 8           /* of it, a command, or a key; an item of a collection is 1 */
#define GATE_CURSOR_CNT   4096        /* of SCAN, remembered */
#define GATE_TRIES        10000       /* each lost one is another's success */
#define GATE_SEND_MAX     (256u << 10) /* in one send: a slow reader is seen to move */
#define GATE_QUESTION_CNT 8            /* to ctl, at a time */
#define GATE_ARGS_MAX     RESP_ARG_CNT_MAX

static_assert(GATE_HOLD_CNT < HAZARD_CNT, "some are left for looking");
static_assert(WSET_OP_HEAD + KEY_BYTES_MAX + WSET_FIELD_MAX + WSET_INLINE_MAX + 8 <=
		      GATE_BATCH_BYTES,
	      "every operation fits a batch");

struct gate_conn;

/* Of a command that moves an item from one list to another, in one step or in two: while it is not
 * NOT, the item may be in none of them (cmd_move.c). */
enum gate_moves { GATE_MOVES_NOT = 0, GATE_MOVES_ONE, GATE_MOVES_APART };

enum gate_result { GATE_DONE = 0, GATE_WAIT, GATE_HELD, GATE_SENT, GATE_AWAY };

/* ---- replies on their way ------------------------------------------------------------------- */

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

/* ---- writes under way ----------------------------------------------------------------------- */

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

struct gate_fetch {
	struct stream_id conn;
	struct desc msg;
	uint64_t hash;
	struct desc lent; /* its answer, if that lends the value (gate_loan.h) */
	bool used;
	bool ahead;    /* nobody waits for it yet */
	uint32_t next; /* free, or of a list of loans, + 1 */
};

/* A question to ctl. */
struct gate_question {
	struct stream_id conn;
	bool used;
	int fd;
};

/* A deployment that a client waits for. */
struct gate_load {
	struct stream_id conn;
	bool used;
	int fd, group; /* what it says; whose */
	uint64_t began_ns;
	uint32_t len;
	char said[4096], dir[256], file[280];
};

/* ---- connections ---------------------------------------------------------------------------- */

struct gate_large {
	struct payload_ref ref; /* handle 0: given away */
	uint8_t *p;
	uint32_t len, got, cap; /* cap: bytes at p, which grow with what has come */
};

/* Of MULTI: the commands that are to run together, and what was watched. Each of text is
 * word_cnt u32 | ( len u32 | bytes ) *; of watch version u64 | key_len u32 | key. */
struct gate_multi {
	bool queueing;      /* MULTI was said */
	bool wrong;         /* a command could not be kept */
	bool running;       /* by EXEC */
	bool writes;        /* one of the commands may */
	uint32_t cnt, at;   /* commands; where the next one begins */
	uint64_t began_tsc; /* of the one at hand; 0: not yet */
	uint32_t text_len, text_cap, watch_len, watch_cap, watch_at;
	uint8_t *text, *watch; /* from the heap */
};

struct gate_conn {
	struct stream_id id;
	bool used;
	bool authed, local;
	bool waiting;      /* its command, or its run, is under way: no further one is begun */
	bool missed;       /* its command asked for a key: those of the next ones can come, too; */
	bool read_once;    /* it did not yet: with them, by a READ */
	bool fetch_due;    /* its key is to be fetched, not read */
	bool out_full;     /* waiting, only because its replies are not read */
	bool large_due;    /* a long word begins at parser.pos */
	bool large_waits;  /* and there is no room for it yet */
	bool sending;      /* a send is under way */
	bool paused;       /* its socket is not read */
	bool ended;        /* it will send no more */
	bool leaves;       /* nor will it, behind what is not read yet */
	bool last;         /* close it when its replies are out */
	bool closing;      /* it is being closed: nothing is run or sent any more */
	bool gone;         /* to be closed, once its transaction is over */
	bool quiet;        /* nothing is sent before its command is done */
	bool room;         /* waiting, only for room */
	bool begun;        /* its command was begun, and counted */
	bool monitor;      /* it is shown what others say */
	bool kicked;       /* CLIENT UNBLOCK ... ERROR */
	bool pushing;      /* a message is being written, no reply */
	bool halted;       /* it waits for the end of CLIENT PAUSE */
	bool undoable;     /* its command runs, and nothing of it is sent or done yet; */
	bool unfit;        /* there is no memory for its reply */
	bool partial;      /* it wrote a part of its reply, and waits */
	uint8_t moves;     /* enum gate_moves, of its command */
	uint8_t reply;     /* enum gate_reply (gate_mute.h) */
	uint8_t proto;     /* 2, 3 */
	uint8_t ack;       /* enum kvs_ack, of what it writes */
	uint32_t further;  /* owners beside the first that have all it wrote, + 1; 0: nothing */
	uint32_t wait_cnt; /* answers its command waits for */
	struct resp_parser parser;
	uint8_t *in;
	uint32_t in_len, in_cap;
	struct gate_large *large; /* RESP_LARGE_CNT_MAX; NULL: none */
	struct gate_tls *tls;     /* NULL: plain */
	struct gate_out out;
	struct gate_lent lent;
	struct gate_out pushed;   /* messages; behind the replies of the command at hand */
	struct gate_multi *multi; /* from the heap; NULL: none */
	struct gate_mark mark;    /* of a HELD command: where its reply begins */
	struct gate_run *run;
	struct gate_reads *reads; /* for its next commands (gate_ahead.h); NULL: none */
	struct gate_call *call_first, *call_last; /* in a pipeline, not answered; NULL: none */
	uint32_t call_cnt;                        /* of them */
	/* the command at hand */
	const struct gate_command *timed; /* since began_tsc; 0: not yet; NULL: it takes no time */
	uint64_t began_tsc;
	uint32_t step, tries; /* tries: of a HELD command */
	int64_t acc;
	uint32_t part,
		part_next; /* how much of a HELD command is done; and if this part succeeds */
	int64_t total, total_next; /* the same, for what it answers */
	bool cut;                  /* no part of it is begun any more: its array ends here */
	bool timed_out;            /* it has waited for an item long enough */
	bool blocked;              /* it waits for one */
	struct gate_place place;   /* among those that do */
	uint64_t block_bits;       /* of the keys that it waits for, gate_key_bit */
	uint64_t block_due_ns;     /* until then; 0: not set */
	/* Memory of a command that takes long, freed with it: from the heap; where it is long, a
	 * payload, which becomes the value. keep_given: a write has that, it stays as it is. */
	uint8_t *keep;
	uint32_t keep_len, keep_cap;
	struct payload_ref keep_ref; /* handle 0: of the heap */
	bool keep_given;
	uint32_t loans;         /* values that the store shows it (gate_loan.h); 0: none */
	int held_err;           /* how a HELD command ended, */
	uint32_t done_cnt;      /* and how many of its operations were done */
	struct gate_walk *walk; /* a collection that its command goes through (gate_walk.h); NULL */
	struct gate_chunk *hole; /* of a reply whose head is not known yet; NULL */
	uint8_t each;            /* values of it that an operation of a HELD command is shown as */
	struct desc answer;      /* of a call or a listing */
	bool answered;
	bool listing;           /* a page of a listing is on its way: it is not asked for twice */
	struct gate_user *user; /* NULL: nobody yet */
	/* what it listens to */
	struct gate_subs subs;
	uint32_t sub_cnt[GATE_TOPIC_KINDS];
	size_t sub_bytes;
	/* what it keeps: enum gate_track_flag; whom it is told through, 0: itself */
	uint8_t track, caching;
	uint64_t redirect;
	struct stream_id redirect_to;
	struct gate_notes notes;
	/* for CLIENT */
	char *name; /* GATE_NAME_MAX, from the heap; NULL: none */
	uint64_t client_id;
	uint64_t opened_ns, used_ns;
	/* Since when it owes: the rest of a command; that it reads, or its handshake. 0: it does
	 * not. Each byte that moves moves it (gate_conn_moved). */
	uint64_t half_ns, slow_ns;
	struct gate_memory_one memory;
	uint64_t large_ns;                  /* since when a long word waits for room */
	const struct gate_command *command; /* last one */
	struct gate_ask *ask;               /* the question of its command; NULL: none */
	/* between gates */
	uint32_t plain_cnt; /* commands that any gate could run, since another one */
	uint32_t to_gate;   /* where it goes */
	bool leaving, called_home;
	bool alone_run; /* no other command is begun until its writes are done */
	LIST_ENTRY(gate_conn) next_leaving;
	/* The list that it is in: ready, turned, starved, lacking; NULL. */
	struct gate_conns *queue;
	STAILQ_ENTRY(gate_conn) next; /* in it */
	LIST_ENTRY(gate_conn) next_monitor;
};
TAILQ_HEAD(gate_blocked, gate_conn);
STAILQ_HEAD(gate_conns, gate_conn);

struct gate_cursor {
	uint64_t id;
	uint16_t len;
	uint8_t *key; /* from the heap */
};

struct gate {
	struct gate_cfg cfg;
	struct inner inner;
	struct stream *stream;
	struct gate_tls_all *tls; /* NULL: none */
	uint32_t tls_listener;    /* its connections are encrypted; UINT32_MAX: there is none */
	uint16_t tls_port;
	struct heap *heap;
	void *heap_mem;
	struct cache_view view;
	const struct placement *placement;
	uint16_t port;
	bool started;
	uint64_t now_ns, began_ns, tick_ns;
	struct rng rng;
	uint64_t client_seq, cursor_seq, future_seq;
	uint32_t held_cnt; /* hazard slots of values being sent, or walked through */
	uint32_t under_way, turn;
	_Atomic uint32_t under_way_shown;
	uint32_t slow_cnt; /* connections that owe */
	struct gate_memory_all memory;
	struct gate_conns ready;
	struct gate_conns turned;    /* have more to do, but others come first: one a poll */
	int32_t turn_left;           /* of GATE_TURN, of the connection at hand */
	struct gate_conns starved;   /* wait for room: of batches, fetches, calls, memory */
	struct gate_conns lacking;   /* wait for what is lent (gate_loan.h, R5) */
	uint64_t lack_due_ns;        /* they ask again */
	uint32_t loans_back;         /* since any of them waits */
	uint64_t foreign_ns;         /* when somebody who is no Redis client was logged */
	uint64_t pause_until_ns;     /* by CLIENT PAUSE; 0: nothing is paused */
	bool pause_all;              /* not only writes */
	struct gate_conn *alone;     /* its transaction runs: no other command is begun; NULL */
	uint32_t batch_cnt;          /* at their cache tiles, or on their way */
	struct gate_blocked blocked; /* for an item (gate_block.c) */
	struct gate_crowd crowd;
	struct gate_conn *block_next; /* who looks in the next tick; NULL: the first */
	uint64_t block_tick_ns, block_due_ns, block_seq; /* due: no time of any is over before */
	uint64_t blocked_bits; /* of all that wait, and, for a turn of ticks, did */
	uint64_t passed_bits;  /* of those before block_next */
	struct gate_topics topic_chain[GATE_CHAIN_CNT];
	struct gate_topics topics[GATE_TOPIC_KINDS];
	uint32_t topic_cnt[GATE_TOPIC_KINDS];
	struct gate_monitors monitors;
	struct gate_track_chain track_chain[GATE_TRACK_CHAIN_CNT];
	struct gate_tracks tracks; /* who was looked at longest ago first */
	uint32_t track_cnt, track_conn_cnt;
	uint64_t track_tick_ns;
	struct gate_slow *slow[GATE_SLOW_CNT];
	uint64_t slow_seq, slow_first;
	uint64_t slow_tsc; /* cycles of a slow one */
	struct gate_users users;
	struct gate_user *user_default;
	uint32_t user_cnt;
	uint64_t refusal_seq, refusal_first;
	struct gate_refusal refusal[GATE_REFUSAL_CNT];
	struct gate_batches batch_free, batch_unsent;
	uint32_t fetch_free, fetch_open;
	uint32_t reads_open; /* READs not answered */
	struct gate_tally tally;
	struct gate_many many;
	uint8_t *scratch;       /* RESP_INLINE_MAX */
	struct slice *args;     /* GATE_ARGS_MAX */
	struct gate_conn *conn; /* conn_max */
	struct gate_fetch fetch[GATE_FETCH_CNT];
	uint32_t loans_over; /* to be given back */
	struct gate_call call[GATE_CALL_CNT];
	struct gate_pops pops;
	struct gate_fronts fronts;
	struct gate_batch batch[GATE_BATCH_CNT];
	struct gate_load load;
	uint32_t question_cnt;
	struct gate_question question[GATE_QUESTION_CNT];
	char *admin_text;     /* DOMAIN_TEXT_MAX + 1 */
	uint64_t call_due_ns; /* no deadline passes before */
	uint32_t owed_cnt;
	struct desc owed[GATE_OWED_CNT]; /* what the channels had no room for */
	struct direct direct;
	uint32_t sched_cnt[FUNCTION_CNT_MAX]; /* calls of pipelines that went to sched */
	struct gate_cursor cursor[GATE_CURSOR_CNT];
	struct metrics_block metrics;
};

/* Whether plain writes that came before the command at hand are not answered yet, or calls:
 * whatever is not of their kind, an error too, waits for them. */
static inline bool
gate_run_before(const struct gate_conn *c)
{
	return (c->run != NULL && !c->run->open) || c->call_cnt > 0;
}

/* Whether a turn is over before one more command, or key. */
static inline bool
gate_turn_over(struct gate *g)
{
	bool over = g->turn_left <= 0;

	g->turn_left -= GATE_TURN_COMMAND;
	return over;
}

/* Something is written, to be answered by an enum kvs_ack. */
static inline void
gate_wrote(const struct gate *g, struct gate_conn *c, uint8_t ack)
{
	uint32_t further = g->cfg.further[ack] + 1;

	c->further = c->further == 0 ? further : MIN(c->further, further);
}

/* ---- commands ------------------------------------------------------------------------------- */

/* What is counted of it. */
static inline struct gate_stat *
gate_stat_of(struct gate *g, const struct gate_command *cmd)
{
	return &g->tally.stat[gate_command_idx(cmd)];
}

/* What the connection's command was just answered with is no failure of it: it was not begun, and
 * took no time. A transaction that was to have it is not run any more. */
static inline int
gate_rejected(struct gate *g, struct gate_conn *c)
{
	c->timed = NULL;
	if (c->command != NULL) {
		gate_stat_of(g, c->command)->failed--;
		gate_stat_of(g, c->command)->rejected++;
	}
	if (c->multi != NULL && c->multi->queueing && !c->multi->running) {
		c->multi->wrong = true;
	}
	return GATE_DONE;
}

/* ---- gate_conn.c */

bool gate_conn_opened(struct gate *g, struct stream_id id, bool local, const char **ret_reason);
void gate_conn_received(struct gate *g, struct stream_id id, const uint8_t *p, size_t len);
/* gate_conn_room: where the rest of a long word may be received; NULL: there is none. */
uint8_t *gate_conn_room(struct gate *g, struct stream_id id, size_t *ret_len);
/* gate_conn_plain: bytes of commands, as received or deciphered. */
void gate_conn_plain(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len);
void gate_conn_ended(struct gate *g, struct stream_id id);
void gate_conn_leaves(struct gate *g, struct stream_id id);
void gate_conn_sent(struct gate *g, struct stream_id id, size_t len, int err);
void gate_conn_returned(struct gate *g, struct stream_id id, uint32_t mark);
void gate_conn_closed(struct gate *g, struct stream_id id);
/* gate_conn_go runs what a connection has received, as far as it gets. */
void gate_conn_go(struct gate *g, struct gate_conn *c);
/* gate_conn_address is where its client is: "host:port", or the socket's path. */
void gate_conn_address(struct gate *g, const struct gate_conn *c, char ret[GATE_ADDRESS_MAX]);
/* gate_conn_name gives it a name. Returns: whether it could; else that is answered. */
bool gate_conn_name(struct gate *g, struct gate_conn *c, struct slice name);
/* gate_conn_renew makes the state of the command at hand that of one not begun. */
void gate_conn_renew(struct gate *g, struct gate_conn *c);

/* ---- gate_out.c */

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

/* ---- gate_batch.c */

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

/* ---- gate_state.c */

/* gate_look finds a key's value as of now. Returns: CACHE_HIT, *ret to be released; CACHE_ABSENT,
 * *ret has the version and holds nothing; CACHE_MISS: being fetched, the handler returns WAIT; an
 * error. */
int gate_look(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *ret);
/* gate_look_as: the same of a collection; MB_ERR_TYPE for another one. LATTICE_ORSET: any set. */
int gate_look_as(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
		 struct cache_value *ret);
/* gate_look_text: the same as bytes. ret_text points into the value or buf. MB_ERR_TYPE. */
int gate_look_text(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *ret,
		   char buf[], struct slice *ret_text);
/* gate_look_part: gate_look_as of what a HELD command in parts takes from; CACHE_ABSENT also when
 * some are done and for whatever reason no other one will be. */
int gate_look_part(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
		   struct cache_value *ret);
void gate_look_end(struct gate *g, struct cache_value *v);
/* gate_deadline_us is when a value ends, in microseconds since 1970; 0: never. */
uint64_t gate_deadline_us(const struct cache_value *v);
void gate_fetched(struct gate *g, const struct desc *d);
/* gate_fetch asks for a key. c: whose handler is called again when it is there; NULL: nobody's.
 * Returns: false: not now. */
bool gate_fetch(struct gate *g, struct gate_conn *c, struct slice key, uint64_t hash);
/* gate_fetch_over: nothing is under way for it any more. */
void gate_fetch_over(struct gate *g, struct gate_fetch *f);
/* gate_look_refuse answers for what gate_look returned below 0, or waits. */
int gate_look_refuse(struct gate *g, struct gate_conn *c, int err);

/* ---- gate_multi.c */

/* gate_multi_takes: the command is kept for EXEC, and answered so. */
bool gate_multi_takes(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		      const struct slice *arg, uint32_t arg_cnt);
/* gate_multi_next: the command of EXEC that was at hand is over; it took time unless c->timed is
 * NULL. */
void gate_multi_next(struct gate *g, struct gate_conn *c);
void gate_multi_drop(struct gate *g, struct gate_conn *c);

/* gate_multi_runs: EXEC is at work: it is not left half done, whoever goes. */
static inline bool
gate_multi_runs(const struct gate_conn *c)
{
	return c->multi != NULL && c->multi->running;
}

/* gate_stays: it is brought to an end, whoever goes. */
static inline bool
gate_stays(const struct gate_conn *c)
{
	return gate_multi_runs(c) || c->moves != GATE_MOVES_NOT;
}

/* gate_move_goes_on: a part of a command that moves an item failed. Returns: whether another part
 * follows. */
bool gate_move_goes_on(struct gate_conn *c, int err);

/* whether its client's end was seen: who waits (for an item, the end of CLIENT PAUSE) is let go. */
static inline bool
gate_conn_over(const struct gate_conn *c)
{
	return c->ended || c->leaves;
}

/* whether it listens, and so (RESP2) may say little else. */
static inline bool
gate_listens(const struct gate_conn *c)
{
	return !LIST_EMPTY(&c->subs);
}

/* ---- gate_admin.c */

/* gate_admin_ask asks ctl; the handler returns WAIT and finds c->answered, the error in c->answer.
 * Owns: question. Returns: 0; MB_ERR_FULL: wait; an error. */
int gate_admin_ask(struct gate *g, struct gate_conn *c, json_t *question);
/* gate_admin_reply: OK, or the error as ctl says it. Returns: GATE_DONE. */
int gate_admin_reply(struct gate *g, struct gate_conn *c);
/* gate_admin_poll takes answers. Returns: whether there were any. */
bool gate_admin_poll(struct gate *g);
void gate_admin_end(struct gate *g);

#endif
