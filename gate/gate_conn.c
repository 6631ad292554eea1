/* SPDX-License-Identifier: Apache-2.0 */
/* gate_conn - one connection: its life, and what it may make us keep
 *
 *   N1  waiting: no further command is begun. Who sets it has arranged for gate_conn_ready.
 *   N2  What a client makes us keep is bounded: GATE_IN_MAX received and not run (GATE_IN_BEHIND
 *       while it waits as in N5; then its socket is not read, only its end looked for), one
 *       command of RESP_TEXT_MAX, GATE_OUT_MAX of replies (then no command is run) and the reply
 *       of one command more; all of it from the gate's memory, which all share.
 *   N3  Who owes (half a command, a reply not read) for longer than gate.slow is closed. Each byte
 *       that moves counts as the time it takes at gate.slow_rate: a byte now and then is no move.
 *   N4  A transaction that has begun is finished, whoever is gone by then or does not read: it is
 *       all or nothing, and all others wait for it. Its replies are one reply. And so is a command
 *       that has taken an item, and not put it anywhere yet (cmd_move.c).
 *   N5  Who waits, for an item or the end of CLIENT PAUSE, and whose end is seen (gate_conn_over)
 *       gets nothing any more, and is closed: an end that comes while it waits closes it, one that
 *       came before keeps it from waiting (gate_block, gate_pause_holds), and one that comes after
 *       it was woken keeps it from looking again (command_run). So an item is taken for a
 *       client that is gone only if its end came after the taking was sent to the cache tile, or
 *       if the command never had to wait: whoever says LPOP and no more may still be reading, as
 *       half a close looks like all of it. In Redis such items are lost too. What is not seen is
 *       an end behind more than GATE_IN_BEHIND and what the kernel takes of it (the other one
 *       keeps the rest, and asks for room for five minutes before it gives it up): who has sent
 *       so much, and waits for gate.slow longer, is closed.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "gate_ahead.h"
#include "gate_block.h"
#include "gate_conn.h"
#include "gate_large.h"
#include "gate_loan.h"
#include "gate_many.h"
#include "gate_memory.h"
#include "gate_text.h"
#include "gate_tls.h"
#include "gate_track.h"
#include "gate_walk.h"
#include "timebase.h"

/* ------------------------------------------------------------------------- life */

bool
gate_conn_opened(struct gate *g, struct stream_id id, bool local, const char **ret_reason)
{
	bool tls = stream_listener(g->stream, id) == g->tls_listener;
	struct gate_conn *c = &g->conn[id.idx];
	/* Whoever has shown a certificate of ours is known. */
	bool known = local || (tls && g->cfg.tls_ca[0] != '\0');

	REQUIRE(!c->used);
	if (gate_conn_all(g) > g->client_max) {
		*ret_reason = "-ERR max number of clients reached\r\n";
		g->tally.total.refuse_cnt++;
		return false;
	}
	if (!known && g->cfg.protected_mode && gate_user_open(g->user_default)) {
		*ret_reason = "-DENIED Microburst is running in protected mode because no password "
			      "is set: it answers this machine only. Set gate.password, or "
			      "gate.protected = no\r\n";
		g->tally.total.refuse_cnt++;
		return false;
	}
	*c = (struct gate_conn){
		.id = id,
		.used = true,
		.local = local,
		.proto = 2,
		.client_id = ++g->client_seq,
		.opened_ns = g->now_ns,
		.used_ns = g->now_ns,
	};
	if (tls && !gate_tls_open(g, c)) {
		c->used = false;
		g->tally.total.refuse_cnt++;
		return false;
	}
	gate_conn_owes(g, c, false, tls); /* until the handshake is over */
	gate_login_default(g, c);
	g->tally.total.accept_cnt++;
	return true;
}

void
gate_conn_renew(struct gate *g, struct gate_conn *c)
{
	c->step = 0;
	c->acc = 0;
	c->held_err = 0;
	c->part = c->part_next = 0;
	c->cut = false;
	c->hole = NULL;
	c->total = c->total_next = 0;
	c->timed_out = false;
	c->halted = false;
	c->block_due_ns = 0;
	if (unlikely(c->place.taken)) {
		gate_unblock(g, c);
	}
	c->quiet = false;
	c->begun = false;
	c->fetch_due = false;
	c->from.set = false;
	c->moves = GATE_MOVES_NOT;
	if (c->keep != NULL) {
		gate_conn_keep_end(g, c);
		c->keep_len = 0;
	}
	if (c->walk != NULL) {
		gate_walk_drop(g, c);
	}
	if (unlikely(c->loans != 0)) {
		gate_loans_end(g, &c->loans);
	}
	if (c->ask != NULL) {
		gate_ask_drop(g, c);
	}
}

void
gate_conn_closed(struct gate *g, struct stream_id id)
{
	struct gate_conn *c = gate_conn_find(g, id);

	REQUIRE(c != NULL);
	if (c->queue != NULL) {
		STAILQ_REMOVE(c->queue, c, gate_conn, next);
	}
	gate_conn_owes(g, c, false, false);
	gate_leave_drop(g, c);
	g->many.gone_cnt += g->cfg.idx != 0;
	gate_unblock(g, c);
	gate_multi_drop(g, c);
	gate_subs_drop(g, c);
	gate_track_drop(g, c);
	gate_monitor_set(g, c, false);
	if (c->run != NULL) {
		c->run->conn = NULL; /* B2 */
		c->run->open = false;
		gate_run_flush(g, c->run);
		if (c->run->pending == 0) {
			gate_run_over(g, c->run);
		}
	}
	if (c->answered) {
		gate_scan_end(g, c);
	}
	if (c->reads != NULL) {
		gate_reads_drop(g, c);
	}
	gate_pipe_drop(g, c);
	gate_call_drop(g, id);
	gate_text_end(g, c);
	gate_out_drop(g, c);
	if (c->tls != NULL) {
		gate_tls_drop(g, c);
	}
	if (c->in != NULL) {
		heap_free(g->heap, c->in, c->in_cap);
	}
	if (c->name != NULL) {
		heap_free(g->heap, c->name, GATE_NAME_MAX);
	}
	c->used = false;
}

/* Replies go out; whoever owes is remembered; who is at the end is closed. */
static void
settle(struct gate *g, struct gate_conn *c)
{
	uint32_t in_max;
	bool half, reading;

	if (c->closing) {
		return; /* what it said last found no memory, say: its replies go nowhere */
	}
	if (c->gone) {
		gate_conn_close(g, c); /* if it can be, now */
		return;
	}
	if (c->queue == NULL && (!c->waiting || c->blocked)) { /* no reply is half written */
		gate_push_out(c);
	}
	if (!gate_conn_held(c)) {
		gate_out_flush(g, c);
	}
	in_max = c->blocked || c->halted ? GATE_IN_BEHIND : GATE_IN_MAX;
	half = (!c->waiting &&
		(c->in_len > 0 || c->large != NULL || (c->tls != NULL && gate_tls_half(c)))) ||
	       (in_max == GATE_IN_BEHIND && c->in_len > in_max); /* N5 */
	/* What we hold back ourselves, until a command is done, nobody owes us to read. */
	reading = (c->tls != NULL && !gate_tls_ready(c)) || c->sending || c->lent.first != NULL ||
		  (c->out.bytes > 0 && !gate_conn_held(c));
	gate_conn_owes(g, c, half, reading);
	if (c->in_len > in_max && c->waiting && !c->paused) {
		c->paused = true;
		stream_pause(g->stream, c->id);
	} else if (c->paused && (c->in_len <= in_max || !c->waiting)) {
		c->paused = false;
		stream_resume(g->stream, c->id);
	}
	if ((c->last || (c->ended && !c->waiting && c->queue == NULL)) && c->out.bytes == 0) {
		gate_conn_close(g, c);
	} else if (c->last && c->out.bytes >= SIZE_MAX / 2) {
		gate_memory_evict(g, c); /* its reply had no room */
	}
}

void
gate_conn_go(struct gate *g, struct gate_conn *c)
{
	if (c->closing) {
		return;
	}
	if (c->waiting && c->out.bytes <= GATE_OUT_MAX / 4 && c->out_full) {
		c->waiting = false;
		c->out_full = false;
	}
	if (!c->waiting && gate_large_open(c) == NULL && gate_text_goes_on(c)) {
		gate_text_go(g, c, NULL, 0);
	}
	settle(g, c);
}

uint8_t *
gate_conn_room(struct gate *g, struct stream_id id, size_t *ret_len)
{
	struct gate_conn *c = gate_conn_find(g, id);
	struct gate_large *l = c != NULL && !c->last && c->tls == NULL ? gate_large_open(c) : NULL;

	if (l == NULL) {
		return NULL;
	}
	*ret_len = gate_large_room(g, c, l);
	return *ret_len != 0 ? l->p + l->got : NULL;
}

void
gate_conn_received(struct gate *g, struct stream_id id, const uint8_t *p, size_t len)
{
	struct gate_conn *c = gate_conn_find(g, id);

	REQUIRE(c != NULL);
	g->tally.total.rx_bytes += len;
	c->used_ns = g->now_ns;
	if (c->last) {
		return;
	}
	if (unlikely(c->tls != NULL)) {
		gate_tls_received(g, c, p, len);
	} else {
		gate_conn_plain(g, c, p, len);
	}
}

void
gate_conn_plain(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len)
{
	struct gate_large *l;

	gate_conn_moved(g, c, &c->half_ns, len);
	l = gate_large_open(c);
	if (l != NULL) {
		size_t n = gate_large_take(g, c, l, p, len);

		if (n == SIZE_MAX) {
			gate_text_no_memory(g, c);
			settle(g, c);
			return;
		}
		p += n;
		len -= n;
		if (l->got < l->len) {
			return;
		}
	}
	if (c->waiting || c->in_len > 0) {
		if (!gate_text_keep(g, c, p, len)) {
			gate_memory_evict(g, c);
			return;
		}
		gate_conn_go(g, c);
		return;
	}
	gate_text_go(g, c, p, len);
	settle(g, c);
}

void
gate_conn_ended(struct gate *g, struct stream_id id)
{
	struct gate_conn *c = gate_conn_find(g, id);

	REQUIRE(c != NULL);
	c->ended = true;
	if (gate_large_open(c) != NULL || c->blocked || c->halted) { /* N5 */
		c->last = true;
	}
	settle(g, c);
}

void
gate_conn_leaves(struct gate *g, struct stream_id id)
{
	struct gate_conn *c = gate_conn_find(g, id);

	REQUIRE(c != NULL);
	c->leaves = true;
	if (c->blocked || c->halted) { /* N5 */
		c->last = true;
	}
	settle(g, c);
}

void
gate_conn_sent(struct gate *g, struct stream_id id, size_t len, int err)
{
	struct gate_conn *c = gate_conn_find(g, id);

	REQUIRE(c != NULL);
	c->sending = false;
	if (err != 0) {
		gate_conn_close(g, c);
		return;
	}
	if (unlikely(c->tls != NULL)) {
		gate_tls_sent(g, c);
	} else {
		gate_out_sent(g, c, len);
	}
	gate_conn_moved(g, c, &c->slow_ns, len);
	gate_conn_go(g, c);
}

void
gate_conn_returned(struct gate *g, struct stream_id id, uint32_t mark)
{
	struct gate_conn *c = gate_conn_find(g, id);

	REQUIRE(c != NULL);
	gate_lend_returned(g, c, mark);
	gate_conn_moved(g, c, &c->slow_ns, GATE_SEND_MAX);
	gate_conn_go(g, c);
}
