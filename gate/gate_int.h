/* SPDX-License-Identifier: Apache-2.0 */
/* gate_int - a gate and a connection, which its parts share; nobody else includes it
 *
 * README.md says which part is which; what each of them does for the others, its header.
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

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "cache_msg.h"
#include "cache_view.h"
#include "direct.h"
#include "domain_limits.h"
#include "gate.h"
#include "gate_admin.h"
#include "gate_batch.h"
#include "gate_beside.h"
#include "gate_call.h"
#include "gate_command.h"
#include "gate_conn_turn.h"
#include "gate_front.h"
#include "gate_load.h"
#include "gate_memory.h"
#include "gate_multi.h"
#include "gate_out.h"
#include "gate_pop.h"
#include "gate_state.h"
#include "gate_words.h"
#include "heap.h"
#include "metrics.h"
#include "placement.h"
#include "resp.h"
#include "rng.h"
#include "stream.h"
#include "wset.h"

#define GATE_IN_MAX       (64u << 10) /* received and not run: then the socket is not read */
#define GATE_IN_BEHIND    (1u << 20)  /* the same behind a command that waits (N5) */
#define GATE_TURN         2048        /* what a connection may do in a poll: about 150 us */
#define GATE_TURN_COMMAND 8           /* of it, a command, or a key; an item of a collection is 1 */
#define GATE_CURSOR_CNT   4096        /* of SCAN, remembered */
#define GATE_TRIES        10000       /* each lost one is another's success */
#define GATE_ARGS_MAX     RESP_ARG_CNT_MAX

struct gate_conn;

/* Of a command that moves an item from one list to another, in one step or in two: while it is not
 * NOT, the item may be in none of them (cmd_move.c). */
enum gate_moves { GATE_MOVES_NOT = 0, GATE_MOVES_ONE, GATE_MOVES_APART };

enum gate_result { GATE_DONE = 0, GATE_WAIT, GATE_HELD, GATE_SENT, GATE_AWAY };

/* ---- connections ---------------------------------------------------------------------------- */

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
	struct gate_mark from;    /* the same of one that has written a part of it, and waits */
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
	uint8_t track;
	bool caching; /* what its next command reads is an exception */
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
	/* The list that it is in: ready, turned, starved, lacking, behind; NULL. */
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
	bool counts_looks;           /* the command at hand only reads */
	struct gate_conns starved;   /* wait for room: of batches, fetches, calls, memory */
	struct gate_conns lacking;   /* wait for what is lent (gate_loan.h, D5) */
	struct gate_conns behind;    /* wait for a transaction's end (gate_multi.c, T6) */
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
	uint64_t slow_tsc;   /* cycles of a slow one; its ns, GATE_SLOW_NONE too, are in cfg */
	uint32_t slow_max;   /* that are kept */
	uint32_t client_max; /* that are let in */
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

#endif
