/* SPDX-License-Identifier: Apache-2.0 */
/* gate_many - several gate tiles of one node
 *
 * Gate 0 is the home: it lets all connections in, and whatever a connection does that concerns
 * others is done there: listening and publishing, waiting for items, transactions, users, lists of
 * clients, walks over keys, calls that go on by themselves. The other gates run what concerns
 * nobody else (gate_moves): plain commands on keys, and calls that are waited for. A connection
 * that has sent GATE_DEAL_AFTER of those one after the other is dealt out to who has the fewest,
 * and comes home with the first command that is not of that kind, before it is run. So there is one
 * list of all that connections share, with one owner, and no gate looks into another one's memory,
 * with these exceptions:
 *
 *   H1  A connection that moves. It is at rest (nothing under way, nothing unsent, nothing with
 *       the kernel) when its place in one gate is named to the other one (GATE_MOVE), which copies
 *       it, and says so (GATE_MOVED); between the two the first one does not touch it.
 *   H2  A question (struct gate_ask) goes from home to each gate in turn and back. Who has it may
 *       write to it; who waits for it, and where it is, only home does.
 *
 * What all gates have to do (show or close clients, count, hold for a transaction) is a question:
 * a function that is run in each of them, home first. With one gate it is a plain call.
 *
 *   H3  Each gate takes moves and questions of another one in the order in which they were sent.
 *       So a question finds each connection in one place.
 *   H4  Home has at most GATE_ASK_OPEN questions at a gate, each gate at most GATE_MOVE_OPEN moves
 *       with another: answers always find room in the links.
 */
#ifndef MB_GATE_MANY_H
#define MB_GATE_MANY_H

#include "gate_int.h"

#define GATE_DEAL_AFTER 16
#define GATE_ASK_OPEN   64
#define GATE_MOVE_OPEN  64

/* What gates say to each other. */
enum gate_msg {
	GATE_ASK = 1, /* home -> gate: word[0] the question */
	GATE_ASKED,   /* gate -> home: the same */
	GATE_MOVE,    /* word[0] the connection, word[1] its socket, sub the listener it came by */
	GATE_MOVED,   /* word[0] the connection, err; if it is set, the socket is given back */
	GATE_GONE,    /* gate -> home: b connections of its were closed */
	GATE_ITEM,    /* gate -> home: the key of this hash (b) got items; */
	GATE_ITEMS,   /* .. keys of these bits (b) */
	GATE_SLOW,    /* gate -> home: word[0] a struct gate_slow, by malloc, the receiver's now */
};

/* gate_ask_fn does a gate's part. Returns: false: not yet; it is called again in the next poll. */
typedef bool gate_ask_fn(struct gate *g, struct gate_ask *a);

struct gate_ask {
	STAILQ_ENTRY(gate_ask) next;
	gate_ask_fn *run;
	struct stream_id conn; /* who waits for it, at home */
	bool waited, done;
	bool failed; /* there was no memory for what was to be said */
	uint32_t at; /* the gate whose turn it is */
	uint64_t n;  /* what is asked with, */
	uint32_t arg_cnt;
	struct slice *arg;
	int64_t cnt; /* and what came of it */
	char *text;
	size_t text_len, text_cap;
	struct gate_tally tally;
	struct slice word[]; /* their bytes are behind them */
};

/* ---- gate_ask.c */

/* gate_ask_all asks all gates, for the command at hand. Its words are copied. It is the command's
 * until that ends (gate_ask_drop).
 * Returns: what came of it; NULL: *ret_rc is what the handler returns: WAIT, and it is called
 * again, and asks the same; or there is no memory, and that is answered. */
struct gate_ask *gate_ask_all(struct gate *g, struct gate_conn *c, gate_ask_fn *run, uint64_t n,
			      const struct slice *arg, uint32_t arg_cnt, int *ret_rc);
void gate_ask_drop(struct gate *g, struct gate_conn *c);
/* gate_ask_say adds to what is answered. */
void gate_ask_say(struct gate_ask *a, const char *text, size_t len);
/* gate_count_expired looks how many keys of the store have expired: home's. */
void gate_count_expired(struct gate *g);
/* gate_stay_tell tells all gates until when their connections are to be at home
 * (gate_stays_until), and waits for nobody. Its one question is made at the start (gate_stay_init;
 * false: there is no memory): it cannot fail. */
void gate_stay_tell(struct gate *g);
bool gate_stay_init(struct gate *g);
void gate_stay_end(struct gate *g);

/* gate_alone_begin: no command of another connection is begun, at any gate, until gate_alone_end.
 * Returns: whether it is so, and no write of others is under way; else *ret_rc is what the handler
 * returns. gate_alone_end is harmless of another one. */
bool gate_alone_begin(struct gate *g, struct gate_conn *c, int *ret_rc);
void gate_alone_end(struct gate *g, struct gate_conn *c);

/* gate_ask_take takes a question: at home an answer. gate_ask_poll goes on with those that are
 * here. Returns: whether there was anything. */
void gate_ask_take(struct gate *g, struct gate_ask *a);
bool gate_ask_poll(struct gate *g);

/* Parts that several commands ask for. */
bool gate_part_come_home(struct gate *g, struct gate_ask *a); /* all, with their next command */
bool gate_part_stay_home(struct gate *g, struct gate_ask *a); /* .. until the time n */
bool gate_part_tally(struct gate *g, struct gate_ask *a);     /* adds what it has counted */

/* ---- gate_deal.c */

/* gate_moves: whether the command, of the words arg, is to be run by another gate: the handler's
 * caller then says GATE_AWAY. cnt 0: not all words are here. */
bool gate_moves(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		const struct slice *arg, uint32_t cnt);
/* gate_first_word is the word that text begins with; empty, if that is not all here. */
struct slice gate_first_word(struct slice text);
/* gate_moves_large: the same of one whose text up to a long word is here. */
bool gate_moves_large(struct gate *g, struct gate_conn *c, struct slice text);
/* gate_leave: nothing of the connection is run here any more; it goes when it is at rest. */
void gate_leave(struct gate *g, struct gate_conn *c);
/* gate_leave_drop: it is closed before it could go. */
void gate_leave_drop(struct gate *g, struct gate_conn *c);
/* gate_stays_until: until when all connections are to be at home: somebody shows all that they
 * say, or makes them wait. 0: they need not. */
uint64_t gate_stays_until(const struct gate *g);
/* gate_conn_all is how many connections the node's gates have. Requires: this is home. */
uint32_t gate_conn_all(const struct gate *g);
/* gate_many_poll takes what other gates say. Returns: whether there was anything. */
bool gate_many_poll(struct gate *g);
/* gate_many_due: something waits for room, or for the kernel, and nobody will tell of it. */
bool gate_many_due(const struct gate *g);
/* gate_slow_send: home keeps what was slow. Owns: s, by malloc. */
void gate_slow_send(struct gate *g, struct gate_slow *s);

#endif
