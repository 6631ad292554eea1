/* SPDX-License-Identifier: Apache-2.0 */
/* gate_call - calls and listings of keys that are under way */
#ifndef MB_GATE_CALL_H
#define MB_GATE_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "desc.h"
#include "domain_limits.h"
#include "slice.h"
#include "stream.h"

#define GATE_CALL_CNT 1024 /* calls and listings under way; a power of two */
#define GATE_PIPE_MAX 64   /* calls of one connection that are not answered */
/* For each call its cancelling and its result's release, and what ctl is told of executors. */
#define GATE_OWED_CNT (3 * GATE_CALL_CNT + 2 * PROC_EXEC_CNT)

struct gate;
struct gate_conn;
struct gate_command;
struct placement_where;

struct gate_call {
	struct stream_id conn;
	struct desc msg; /* as sent */
	uint64_t id;     /* of the call; or the listing's number */
	bool used, scan;
	bool send; /* a message; answered by SENT */
	bool over; /* answered to its client; its executor's word is awaited */
	/* of one in a pipeline */
	bool piped;
	bool listed;        /* it is among those of its connection */
	bool unsent;        /* its executor died: it is sent when those before it are answered */
	bool done;          /* answer is there, but not before those before it are answered */
	bool taken;         /* its executor, which is dead, had read it */
	uint8_t resent;     /* how often */
	uint16_t exec;      /* where it went directly; 0: to sched */
	uint64_t chan_seq;  /* its place in that channel */
	uint32_t work_ns;   /* how long it is thought to run there */
	uint64_t began_tsc; /* of the command */
	uint32_t key_cnt;   /* its words that are keys */
	const struct gate_command *cmd;
	struct gate_call *next; /* of its connection */
	struct desc answer;
};

/* ---- gate_call.c */

void gate_replied(struct gate *g, const struct desc *d);
void gate_scanned(struct gate *g, const struct desc *d);
/* gate_call_start sends a call; the handler returns WAIT and finds c->answered.
 * Returns: 0; an error; MB_ERR_FULL: wait. */
int gate_call_start(struct gate *g, struct gate_conn *c, struct desc *d, const void *list,
		    size_t len);
/* gate_call_leave: the call that this command has started goes on, and its answer is nobody's. */
void gate_call_leave(struct gate *g, struct gate_conn *c);
/* gate_send sends a message to a call, as gate_call_start; c->answer.err is what became of it. */
int gate_send(struct gate *g, struct gate_conn *c, uint64_t call, struct slice text);
void gate_sent(struct gate *g, const struct desc *d);
/* gate_call_drop: the connection of these calls is gone. */
void gate_call_drop(struct gate *g, struct stream_id conn);
/* gate_call_due ends the calls whose deadline has passed. */
void gate_call_due(struct gate *g, uint64_t now_ns);
/* gate_scan asks for a page of keys, as gate_call_start. */
int gate_scan(struct gate *g, struct gate_conn *c, struct slice prefix, struct slice after,
	      uint16_t limit);
/* gate_answer_bytes: what c->answer carries, where it lies. Returns: 0; as inner_bytes. */
int gate_answer_bytes(struct gate *g, struct gate_conn *c, struct slice *ret);
/* gate_scan_page: the page of c->answer. Returns 0 or an error. */
int gate_scan_page(struct gate *g, struct gate_conn *c, struct slice *ret_list);
/* gate_scan_end gives the answer's memory back. */
void gate_scan_end(struct gate *g, struct gate_conn *c);
/* gate_owed_send sends what could not be given back. Returns: whether anything went. */
bool gate_owed_send(struct gate *g);

/* ---- what the three parts share */

/* gate_call_take takes a slot; NULL: there is none. */
struct gate_call *gate_call_take(struct gate *g, struct gate_conn *c);
/* gate_owe sends what must not be lost, now or when there is room. */
void gate_owe(struct gate *g, uint32_t port, const struct desc *d);
/* gate_call_cancel: nobody waits for it any more. */
void gate_call_cancel(struct gate *g, struct gate_call *call, int err);
/* gate_payload_back gives the result that an answer names back to who made it. */
void gate_payload_back(struct gate *g, const struct desc *answer);

/* ---- gate_pipe.c */

/* gate_pipe sends a call behind the others of its connection. where: who has the function;
 * key_cnt: how many of its words are keys. Returns: 0: the handler returns SENT; MB_ERR_FULL:
 * WAIT; an error. */
int gate_pipe(struct gate *g, struct gate_conn *c, const struct desc *d, const void *list,
	      size_t len, const struct placement_where *where, uint32_t key_cnt);
/* gate_pipe_answered: the answer of a call is there, and its arguments are free. */
void gate_pipe_answered(struct gate *g, struct gate_call *call, const struct desc *answer);
/* gate_pipe_reply writes the replies that are due. */
void gate_pipe_reply(struct gate *g, struct gate_conn *c);
/* gate_pipe_late: its deadline has passed. */
void gate_pipe_late(struct gate *g, struct gate_call *call);
/* gate_pipe_drop: the connection is gone. */
void gate_pipe_drop(struct gate *g, struct gate_conn *c);

/* ---- gate_direct.c */

/* gate_direct_route says where a call of c, to function fn, may go. Returns: 0 with *ret, NULL: to
 * sched; MB_ERR_FULL: when there is room; MB_ERR_TRYAGAIN: when those before it are answered. */
int gate_direct_route(struct gate *g, const struct gate_conn *c, uint16_t fn,
		      const struct placement_where *w, struct channel **ret);
/* gate_direct_send sends it there. Returns: 0; an error: it is not under way. */
int gate_direct_send(struct gate *g, struct gate_call *call, struct channel *ch);
/* gate_direct_over: a call that was sent is not under way any more. */
void gate_direct_over(struct gate *g, struct gate_call *call);
/* gate_direct_poll takes answers, and what ctl says. Returns: whether there was anything. */
bool gate_direct_poll(struct gate *g);
/* gate_direct_awaits tells whether executors are at calls, and nothing else is asked of anybody. */
bool gate_direct_awaits(const struct gate *g);

#endif
