/* SPDX-License-Identifier: Apache-2.0 */
/* gate_text.c - bytes to commands, in their order
 *
 *   received ──► text ──scan──► words ──► handler ──► DONE: the next one
 *                  ▲                         ├──────► WAIT: the same one, when it can go on
 *                  └── kept while it waits ◄─┴──────► HELD: the next one, when it succeeded
 *
 * The text of a command is where it was received as long as nothing has to wait, so a command that
 * came whole is not copied. Else it is kept, and grows there; a long word goes past it to memory of
 * its own, which becomes the value (gate_large). N1 to N4: gate_conn.c.
 */
#include "gate_text.h"

#include <string.h>

#include <microburst/error.h>

#include "compiler.h"
#include "gate_ahead.h"
#include "gate_conn.h"
#include "gate_large.h"
#include "gate_loan.h"
#include "gate_many.h"
#include "gate_memory.h"
#include "gate_pause.h"
#include "gate_walk.h"
#include "timebase.h"

bool
gate_text_keep(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len)
{
	size_t want = c->in_len + len;

	if (want > c->in_cap) {
		size_t cap = heap_rounded_bytes(MAX(want, MIN(2UL * c->in_cap, want + (1u << 20))));
		uint8_t *mem = gate_memory_take(g, c, cap, MEMORY_MUST);

		if (mem == NULL) {
			return false;
		}
		if (c->in != NULL) {
			memcpy(mem, c->in, c->in_len);
			heap_free(g->heap, c->in, c->in_cap);
		}
		c->in = mem;
		c->in_cap = (uint32_t)cap;
	}
	memcpy(c->in + c->in_len, p, len);
	c->in_len = (uint32_t)want;
	return true;
}

/* Forgets the first len bytes of what is kept. */
static void
text_forget(struct gate *g, struct gate_conn *c, size_t len)
{
	c->in_len -= (uint32_t)len;
	if (c->in_len != 0) {
		memmove(c->in, c->in + len, c->in_len);
	} else if (c->in != NULL) {
		heap_free(g->heap, c->in, c->in_cap);
		c->in = NULL;
		c->in_cap = 0;
	}
}

static void
protocol_error(struct gate *g, struct gate_conn *c, int err)
{
	char text[64];

	resp_error_text(&c->parser, err, text);
	gate_error_f(g, c, "ERR %s", text);
	c->last = true;
}

/* ------------------------------------------------------------------- commands */

static int
command_run(struct gate *g, struct gate_conn *c, struct slice text)
{
	struct slice large[RESP_LARGE_CNT_MAX];
	const struct gate_command *cmd;
	struct gate_mark mark;
	uint32_t follows;
	int cnt, rc;

	for (uint32_t i = 0; i < c->parser.large_cnt; i++) {
		large[i] = slice_of(c->large[i].p, c->large[i].len);
	}
	cnt = resp_args(&c->parser, text, large, g->scratch, g->args);
	if (cnt < 0) {
		if (gate_run_before(c)) {
			return GATE_WAIT; /* their replies come first */
		}
		protocol_error(g, c, cnt);
		return GATE_DONE;
	}
	if (cnt == 0) {
		return GATE_DONE;
	}
	cmd = gate_command_of(g->args, (uint32_t)cnt);
	follows = c->call_cnt > 0 ? CMD_CALL : CMD_RUN;
	if ((gate_run_before(c) &&
	     (cmd == NULL || (cmd->flags & follows) == 0 || c->multi != NULL)) ||
	    (unlikely(c->reply != REPLY_ON) && !gate_reply_begin(c))) {
		return GATE_WAIT;
	}
	if (unlikely(g->cfg.gate_cnt > 1) && gate_moves(g, c, cmd, g->args, (uint32_t)cnt)) {
		return gate_run_before(c) ? GATE_WAIT : GATE_AWAY;
	}
	c->command = c->timed = cmd;
	if (c->multi != NULL && gate_multi_takes(g, c, cmd, g->args, (uint32_t)cnt)) {
		c->timed = NULL; /* it is when it runs */
		return GATE_DONE;
	}
	mark = gate_out_mark(c);
	rc = gate_command_try(g, c, cmd, g->args, (uint32_t)cnt);
	if (unlikely(rc == GATE_DONE && c->call_cnt > 0)) { /* refused, but not its turn yet */
		gate_out_back(g, c, &mark);
		return GATE_WAIT;
	}
	return rc;
}

/* A command that was begun at *tsc, or earlier, has been done now. Its words are looked for again
 * only if they are to be shown. */
static void
command_timed(struct gate *g, struct gate_conn *c, struct slice text, uint64_t *tsc)
{
	struct slice large[RESP_LARGE_CNT_MAX];
	uint64_t now = timebase_tsc();
	int cnt = 0;

	if (c->timed != NULL && c->began_tsc != 0 && !(c->timed_out && c->block_due_ns != 0)) {
		if (unlikely(now - c->began_tsc >= g->slow_tsc)) {
			for (uint32_t i = 0; i < c->parser.large_cnt; i++) {
				large[i] = c->large[i].ref.handle != 0
						   ? slice_of(c->large[i].p, c->large[i].len)
						   : slice_of("", 0); /* it is the store's now */
			}
			cnt = resp_args(&c->parser, text, large, g->scratch, g->args);
		}
		gate_timed(g, c, c->timed, now - c->began_tsc, g->args,
			   cnt > 0 ? (uint32_t)cnt : 0);
	}
	*tsc = now;
}

void
gate_text_end(struct gate *g, struct gate_conn *c)
{
	gate_conn_renew(g, c);
	if (c->large != NULL) {
		gate_larges_drop(g, c);
		heap_free(g->heap, c->large, RESP_LARGE_CNT_MAX * sizeof(*c->large));
		c->large = NULL;
	}
}

/* One command of the text has been done, or is under way. */
static void
command_over(struct gate *g, struct gate_conn *c)
{
	c->began_tsc = 0;
	c->timed = NULL;
	c->tries = 0;
	c->memory.unfit_ns = 0;
	c->half_ns = c->half_ns != 0 ? g->now_ns : 0; /* the next one begins */
	if (unlikely((c->caching | c->reply) != 0)) {
		gate_command_end(c);
	}
	g->tally.total.command_cnt++;
	if (c->reads != NULL) {
		gate_reads_next(g, c);
	}
	gate_text_end(g, c);
	resp_next(&c->parser);
}

/* Whether what ended was one of EXEC's commands: the next one follows. */
static bool
multi_goes_on(struct gate *g, struct gate_conn *c)
{
	bool running = c->multi != NULL && c->multi->running;

	if (running) {
		c->tries = 0;
		gate_multi_next(g, c);
	}
	return running;
}

/* How a HELD command ended: its reply stands, or it is begun again, or it failed.
 * Returns: true when it is over. */
static bool
held_over(struct gate *g, struct gate_conn *c)
{
	struct gate_mark mark = c->mark;
	int err = c->held_err;

	c->mark.set = false;
	c->held_err = 0;
	if (c->walk != NULL) { /* whatever comes now, it is another value */
		gate_walk_drop(g, c);
	}
	if (unlikely(c->loans != 0)) {
		gate_loans_end(g, &c->loans);
	}
	if (err == 0 && c->part_next != 0) { /* there is more to do */
		c->part = c->part_next;
		c->total = c->total_next;
		c->part_next = 0;
		return false;
	}
	if (err == 0) {
		return !multi_goes_on(g, c);
	}
	if (err != MB_ERR_INDETERMINATE && c->done_cnt > 0 && c->hole != NULL) {
		gate_out_keep(g, c, (size_t)c->done_cnt * c->each); /* those before it are done */
		c->part += c->done_cnt;
		c->total = c->total_next;
		c->part_next = 0;
		c->cut = err != MB_ERR_TRYAGAIN;
		return false;
	}
	gate_out_back(g, c, &mark);
	c->part_next = 0;
	if (err == MB_ERR_TRYAGAIN && c->tries++ < GATE_TRIES) {
		c->step = 0;
		c->acc = 0;
		return false;
	}
	if (unlikely(gate_move_goes_on(c, err))) {
		return false;
	}
	if (c->part > 0 && c->hole != NULL) { /* what is done is answered */
		c->cut = true;
		return false;
	}
	gate_error_of(g, c, err);
	return !multi_goes_on(g, c);
}

bool
gate_text_goes_on(const struct gate_conn *c)
{
	return !c->last || gate_stays(c);
}

/* Goes on with the next command. A value's dump is longer than a value may be. */
static int
scan(struct gate_conn *c, struct slice text)
{
	int rc = resp_scan(&c->parser, text);

	if (unlikely(rc == RESP_ERR_BULK) && !c->parser.longer &&
	    gate_word_is(gate_first_word(text), "restore")) {
		c->parser.longer = true;
		rc = resp_scan(&c->parser, text);
	}
	return rc;
}

/* Whether what comes next begins nothing that others could see: it is kept for EXEC, which waits
 * itself. */
static bool
is_kept(const struct gate_conn *c, struct slice text)
{
	return (c->multi != NULL && c->multi->queueing) ||
	       (text.len > 0 && text.p[0] == '*' && /* else the first word is elsewhere */
		gate_word_is(gate_first_word(text), "multi"));
}

/* Whether a command may be begun, or gone on with, just now; if not, the connection goes on when
 * its replies were read, in its next turn, or when a transaction is over. */
static bool
may_go_on(struct gate *g, struct gate_conn *c, struct slice text)
{
	if (c->out.bytes > GATE_OUT_MAX && !c->begun && !gate_multi_runs(c)) { /* N2, N4 */
		c->waiting = true;
		c->out_full = true;
		return false;
	}
	if (g->turn_left <= 0) { /* the others first */
		gate_conn_turn(g, c);
		return false;
	}
	if (unlikely((g->alone != NULL && g->alone != c && !is_kept(c, text)) || g->many.held)) {
		if (!gate_run_before(c)) { /* else it is woken when that is over, and comes again */
			gate_conn_behind(g, c);
		}
		return false; /* a transaction first */
	}
	return true;
}

/* The text is no whole command: rc, of scan. */
static void
scan_stopped(struct gate *g, struct gate_conn *c, struct slice text, int rc)
{
	if (rc == RESP_LARGE && gate_moves_large(g, c, text)) {
		resp_next(&c->parser); /* the long word goes where its command is run */
		if (!gate_run_before(c)) {
			c->waiting = true;
			gate_leave(g, c);
		}
	} else if (rc == RESP_MORE || rc == RESP_LARGE) {
		c->large_due = rc == RESP_LARGE;
	} else if (c->run == NULL && c->call_cnt == 0) { /* else their replies come first */
		protocol_error(g, c, rc);
	}
}

/* The command at hand is over. timed: it took the time since *tsc, or since it began. Returns: the
 * bytes of it. */
static size_t
command_ended(struct gate *g, struct gate_conn *c, struct slice text, bool timed, uint64_t *tsc)
{
	size_t len;

	if (timed) {
		command_timed(g, c, text, tsc);
	}
	len = c->parser.pos;
	command_over(g, c);
	return len;
}

/* What comes of a command that was run: rc, of command_run. Returns: the bytes of it, if it is over
 * or others may follow; 0. */
static size_t
command_ran(struct gate *g, struct gate_conn *c, struct slice text, int rc, uint64_t *tsc)
{
	switch ((enum gate_result)rc) {
	case GATE_DONE:
	case GATE_SENT:
		c->waiting = false;
		/* else it is timed with its run, or when it is answered */
		return command_ended(g, c, text, c->run == NULL && rc == GATE_DONE, tsc);
	case GATE_HELD:
		c->mark.set = true;
		if (unlikely(c->run == NULL) && held_over(g, c)) { /* refused at once */
			c->waiting = false;
			return command_ended(g, c, text, true, tsc);
		}
		break;
	case GATE_AWAY:
		c->began_tsc = 0;
		resp_next(&c->parser);
		gate_leave(g, c);
		break;
	case GATE_WAIT:
		if (c->missed) {
			gate_look_ahead(g, c, text);
		}
		break;
	}
	return 0;
}

/* Runs what is in the text. Returns: how much of it is done with. */
static size_t
text_run(struct gate *g, struct gate_conn *c, struct slice text)
{
	uint64_t tsc = timebase_tsc();
	size_t done = 0;
	uint32_t near = 0; /* commands whose keys were asked for ahead */

	/* Whoever woke it: the list that it may still be in does not wake what waits next. */
	c->room = false;
	if (c->mark.set && held_over(g, c)) { /* the command at hand was HELD */
		done = command_ended(g, c, text, true, &tsc);
	}
	g->turn_left = GATE_TURN;
	for (; !c->waiting && gate_text_goes_on(c); g->turn_left -= GATE_TURN_COMMAND) {
		/* At first there may be none at all. */
		struct slice rest = done == 0 ? text : slice_of(text.p + done, text.len - done);
		int rc;

		if (!may_go_on(g, c, rest)) {
			break;
		}
		if (done != 0 && near-- == 0) {
			near = gate_near_ahead(g, c, rest) - 1;
		}
		rc = scan(c, rest);
		if (rc != RESP_DONE) {
			scan_stopped(g, c, rest, rc);
			break;
		}
		c->waiting = true; /* N1: unless it is done */
		c->began_tsc = c->began_tsc != 0 ? c->began_tsc : tsc;
		done += command_ran(g, c, rest, command_run(g, c, rest), &tsc);
	}
	if (c->run != NULL) {
		c->waiting = true;
		gate_run_flush(g, c->run);
	}
	c->waiting |= c->call_cnt > 0;
	return done;
}

void
gate_text_no_memory(struct gate *g, struct gate_conn *c)
{
	gate_memory_evicted(g, c);
	gate_error(g, c, "OOM no memory for a value of this length");
	c->last = true;
}

/* The long word that is due. When there is no room others may be sending theirs: it waits for them,
 * for gate.slow. Returns: whether it has begun. */
static bool
large_begin(struct gate *g, struct gate_conn *c)
{
	int err = gate_large_begin(g, c);

	if (err == 0) {
		c->large_waits = false;
		return true;
	}
	if (!c->large_waits) {
		c->large_waits = true;
		c->large_ns = g->now_ns;
	}
	if (err != MB_ERR_NO_MEMORY || g->now_ns - c->large_ns > g->cfg.slow_ns) {
		gate_text_no_memory(g, c);
		return false;
	}
	c->large_due = true;
	c->waiting = true;
	gate_conn_starve(g, c);
	return false;
}

/* Keeps bytes; when there is no memory for them the connection ends. Returns: whether so. */
static bool
keep_or_end(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len)
{
	bool ok = len == 0 || gate_text_keep(g, c, p, len);

	if (!ok) {
		gate_multi_drop(g, c); /* EXEC itself is lost */
		gate_memory_evict(g, c);
	}
	return ok;
}

/* A long word is due, whose head is kept. Its bytes, as far as they are here, stand behind that,
 * where the gap is closed, or in `behind`, which is not kept yet. Returns: whether all are here. */
static bool
large_go(struct gate *g, struct gate_conn *c, struct slice behind)
{
	uint8_t *gap = c->in + c->parser.pos;
	size_t stand = c->in_len - c->parser.pos, done;

	if (!large_begin(g, c)) {
		if (!c->last) { /* it waits */
			keep_or_end(g, c, behind.p, behind.len);
		}
		return false;
	}
	done = gate_large_take(g, c, gate_large_open(c), stand != 0 ? gap : behind.p,
			       stand != 0 ? stand : behind.len);
	if (done == SIZE_MAX) {
		gate_text_no_memory(g, c);
		return false;
	}
	if (stand != 0) {
		c->in_len -= (uint32_t)done;
		memmove(gap, gap + done, stand - done);
	} else if (!keep_or_end(g, c, behind.p + done, behind.len - done)) {
		return false;
	}
	return gate_large_open(c) == NULL;
}

void
gate_text_go(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len)
{
	bool kept = p == NULL;

	for (;;) {
		struct slice behind = slice_of("", 0);
		struct slice text = kept ? slice_of(c->in, c->in_len) : slice_of(p, len);
		size_t done = c->large_waits ? 0 : text_run(g, c, text);

		if (kept) {
			text_forget(g, c, done);
		} else if (done < len && gate_text_goes_on(c)) {
			/* Of a command with a long word its head. */
			size_t n = c->large_due ? c->parser.pos : len - done;

			behind = slice_of(p + done + n, len - done - n);
			if (!keep_or_end(g, c, p + done, n)) {
				return;
			}
		}
		kept = true;
		if (!c->large_due || c->in == NULL || c->in_len < c->parser.pos) {
			return; /* none is due, or this was the last command: no more is read */
		}
		c->large_due = false;
		if (!large_go(g, c, behind)) {
			return;
		}
	}
}
