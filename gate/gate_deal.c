/* SPDX-License-Identifier: Apache-2.0 */
/* gate_deal - connections that move between gates, and what else gates tell each other
 *
 *   HERE ──gate_leave──► LEAVING: its replies go out, the kernel lets go of it
 *          ──GATE_MOVE──► on its way: its place is kept, and is touched by nobody (H1)
 *          ──GATE_MOVED──► free here; or, if the other gate had no room: HERE
 *
 * A call that goes on without who began it (MB.CALL FUTURE) is begun at home, as its answer is
 * asked for there: sched hears of both through one port, of the call first. Through two ports it
 * might know of no such id yet, though whoever asks was given it.
 */
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "compiler.h"
#include "desc.h"
#include "gate_ahead.h"
#include "gate_block.h"
#include "gate_many.h"
#include "link.h"

#define MANY_BURST 64

/* ------------------------------------------------------------------------ who goes where */

/* Whether MB.CALL is, or may be, one with FUTURE; cnt 0: its words are not all here. */
static bool
may_be_future(const struct slice *arg, uint32_t cnt)
{
	bool is = cnt == 0;

	for (uint32_t i = 1; i < cnt && !is; i++) {
		is = gate_word_is(arg[i], "future");
	}
	return is;
}

/* Whether nobody but the connection itself and the keys' owners have to do with a command. */
static bool
anywhere(const struct gate_command *cmd, const struct slice *arg, uint32_t cnt)
{
	const uint32_t not = CMD_BLOCKING | CMD_NOSCRIPT | CMD_PUBSUB | CMD_NOMULTI | CMD_HOME;

	if (cmd->run == cmd_mb_call && may_be_future(arg, cnt)) {
		return false;
	}
	return (cmd->flags & CMD_CALL) != 0 || cmd->run == cmd_ping || cmd->run == cmd_echo ||
	       (cmd->first != 0 && (cmd->flags & not ) == 0);
}

uint64_t
gate_stays_until(const struct gate *g)
{
	return LIST_EMPTY(&g->monitors) ? g->pause_until_ns : UINT64_MAX;
}

uint32_t
gate_conn_all(const struct gate *g)
{
	uint32_t cnt = stream_conn_cnt(g->stream);

	for (uint32_t i = 1; i < g->cfg.gate_cnt; i++) {
		cnt += g->many.conn_cnt[i];
	}
	return cnt;
}

/* The gate that has the fewest connections. */
static uint32_t
fewest(const struct gate *g)
{
	uint32_t best = 0, least = stream_conn_cnt(g->stream);

	for (uint32_t i = 1; i < g->cfg.gate_cnt; i++) {
		if (g->many.conn_cnt[i] < least) {
			best = i;
			least = g->many.conn_cnt[i];
		}
	}
	return best;
}

/* Whether it has nothing that only home can keep. */
static bool
is_plain(const struct gate *g, const struct gate_conn *c)
{
	return c->user == g->user_default && c->user->acl.full && c->tls == NULL &&
	       c->multi == NULL && !gate_listens(c) && c->track == 0 && !c->monitor &&
	       c->reply == 0 && c->large == NULL && c->out.bytes == 0 && !c->sending &&
	       c->pushed.bytes == 0 && !c->ended && LIST_EMPTY(&g->monitors) &&
	       g->pause_until_ns == 0;
}

bool
gate_moves(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
	   const struct slice *arg, uint32_t cnt)
{
	bool plain = cmd != NULL && anywhere(cmd, arg, cnt);

	if (c->begun || c->step != 0) {
		return false;
	}
	if (g->cfg.idx != 0) {
		c->to_gate = 0;
		return c->large == NULL &&
		       (!plain || c->called_home || g->now_ns < g->many.stay_until_ns);
	}
	c->plain_cnt = plain ? c->plain_cnt + 1 : 0;
	if (c->plain_cnt <= GATE_DEAL_AFTER || gate_run_before(c) || !is_plain(g, c)) {
		return false;
	}
	c->plain_cnt = 0;
	c->to_gate = fewest(g);
	return c->to_gate != 0;
}

/* "*3\r\n$7\r\nPUBLISH\r\n..": its third item. */
struct slice
gate_first_word(struct slice text)
{
	const uint8_t *p = text.p, *end = text.p + text.len;

	for (uint32_t i = 0; i < 2 && p != NULL; i++) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p != NULL ? p + 1 : NULL;
	}
	if (p == NULL) {
		return slice_of(NULL, 0);
	}
	end = memchr(p, '\r', (size_t)(end - p));
	return slice_of(p, end != NULL ? (size_t)(end - p) : 0);
}

bool
gate_moves_large(struct gate *g, struct gate_conn *c, struct slice text)
{
	return g->cfg.idx != 0 &&
	       gate_moves(g, c, gate_command_find(gate_first_word(text)), NULL, 0);
}

void
gate_leave(struct gate *g, struct gate_conn *c)
{
	if (c->reads != NULL) { /* of those that it has not come to */
		gate_reads_drop(g, c);
	}
	c->leaving = true;
	LIST_INSERT_HEAD(&g->many.leaving, c, next_leaving);
}

void
gate_leave_drop(struct gate *g, struct gate_conn *c)
{
	if (c->leaving) {
		c->leaving = false;
		LIST_REMOVE(c, next_leaving);
	}
}

/* ------------------------------------------------------------------------ going */

static bool
at_rest(struct gate *g, struct gate_conn *c)
{
	return c->queue == NULL && !c->closing && !c->sending && c->out.bytes == 0 &&
	       c->pushed.bytes == 0 && g->many.move_open[c->to_gate] < GATE_MOVE_OPEN &&
	       stream_rest(g->stream, c->id);
}

static bool
leaving_poll(struct gate *g)
{
	struct gate_conn *c, *next;
	bool busy = false;

	for (c = LIST_FIRST(&g->many.leaving); c != NULL; c = next) {
		struct desc d = { .kind = GATE_MOVE, .word = { (uint64_t)(uintptr_t)c } };

		next = LIST_NEXT(c, next_leaving);
		if (!at_rest(g, c)) {
			continue;
		}
		busy = true;
		gate_leave_drop(g, c);
		gate_conn_owes(g, c, false, false);
		c->used = false; /* H1: no walk over connections finds it */
		d.sub = (uint8_t)stream_listener(g->stream, c->id);
		d.word[1] = (uint64_t)stream_take(g->stream, c->id);
		g->many.move_open[c->to_gate]++;
		g->many.conn_cnt[c->to_gate]++; /* of home it is counted by its stream */
		REQUIRE(link_send_sp(g->cfg.to_gate[c->to_gate], &d, 1) == 1); /* H4 */
	}
	return busy;
}

static void
moved(struct gate *g, uint32_t to, struct gate_conn *c, int fd, int err)
{
	g->many.move_open[to]--;
	if (err != 0) {
		g->many.conn_cnt[to]--;
		stream_give_back(g->stream, c->id, fd);
		c->used = true;
		if (g->cfg.idx == 0) {
			gate_conn_ready(g, c);
		} else {
			gate_conn_close(g, c);
		}
		return;
	}
	gate_out_drop(g, c);
	if (c->in != NULL) {
		heap_free(g->heap, c->in, c->in_cap);
	}
	if (c->name != NULL) {
		heap_free(g->heap, c->name, GATE_NAME_MAX);
	}
	stream_forget(g->stream, c->id);
}

/* ------------------------------------------------------------------------ coming */

/* What it has received and not run, and its name. Returns: false: there is no memory. */
static bool
texts_copy(struct gate *g, struct gate_conn *c, const struct gate_conn *from)
{
	uint32_t cap = from->in_len != 0 ? (uint32_t)heap_rounded_bytes(from->in_len) : 0;

	c->in = cap != 0 ? heap_alloc(g->heap, cap) : NULL;
	c->name = from->name != NULL ? heap_alloc(g->heap, GATE_NAME_MAX) : NULL;
	if ((cap != 0 && c->in == NULL) || (from->name != NULL && c->name == NULL)) {
		if (c->in != NULL) {
			heap_free(g->heap, c->in, cap);
		}
		if (c->name != NULL) {
			heap_free(g->heap, c->name, GATE_NAME_MAX);
		}
		return false;
	}
	if (cap != 0) {
		memcpy(c->in, from->in, from->in_len);
		c->in_len = from->in_len;
		c->in_cap = cap;
	}
	if (c->name != NULL) {
		memcpy(c->name, from->name, GATE_NAME_MAX);
	}
	return true;
}

/* A connection of another gate. Returns: 0; an error: there is no room. */
static int
move_in(struct gate *g, const struct gate_conn *from, int fd, uint32_t listener)
{
	struct gate_conn as = { .used = true,
				.authed = true,
				.local = from->local,
				.proto = from->proto,
				.ack = from->ack,
				.further = from->further,
				.client_id = from->client_id,
				.opened_ns = from->opened_ns,
				.used_ns = from->used_ns,
				.command = from->command,
				.user = g->user_default };
	int err;

	if (!texts_copy(g, &as, from)) {
		return MB_ERR_NO_MEMORY;
	}
	err = stream_adopt(g->stream, fd, listener, &as.id);
	if (err != 0) {
		if (as.in != NULL) {
			heap_free(g->heap, as.in, as.in_cap);
		}
		if (as.name != NULL) {
			heap_free(g->heap, as.name, GATE_NAME_MAX);
		}
		return err;
	}
	REQUIRE(!g->conn[as.id.idx].used);
	g->conn[as.id.idx] = as;
	gate_conn_ready(g, &g->conn[as.id.idx]);
	return 0;
}

/* ------------------------------------------------------------------------ what they say */

static void
told(struct gate *g, uint32_t by, struct desc *d)
{
	void *p = (void *)(uintptr_t)d->word[0];

	switch ((enum gate_msg)d->kind) {
	case GATE_ASK:
	case GATE_ASKED:
		gate_ask_take(g, p);
		break;
	case GATE_MOVE:
		d->err = (int16_t)move_in(g, p, (int)d->word[1], d->sub);
		if (d->err == 0) {
			g->many.conn_cnt[by] -= g->cfg.idx == 0;
		}
		d->kind = GATE_MOVED;
		REQUIRE(link_send_sp(g->cfg.to_gate[by], d, 1) == 1); /* H4 */
		break;
	case GATE_MOVED:
		moved(g, by, p, (int)d->word[1], d->err);
		break;
	case GATE_GONE:
		g->many.conn_cnt[by] -= (uint32_t)d->b;
		break;
	case GATE_ITEM:
		gate_block_offer(g, d->b);
		break;
	case GATE_ITEMS:
		gate_block_wake(g, d->b);
		break;
	case GATE_SLOW:
		gate_slow_take(g, p);
		break;
	}
}

void
gate_slow_send(struct gate *g, struct gate_slow *s)
{
	struct desc d = { .kind = GATE_SLOW, .word = { (uint64_t)(uintptr_t)s } };

	/* Half of the link is left for what must find room. */
	if (link_free_cnt(g->cfg.to_gate[0]) < 4 * GATE_MOVE_OPEN) {
		free(s);
	} else {
		REQUIRE(link_send_sp(g->cfg.to_gate[0], &d, 1) == 1);
	}
}

static bool
tell_home(struct gate *g, uint8_t kind, uint64_t what)
{
	struct desc d = { .kind = kind, .b = what };

	if (link_free_cnt(g->cfg.to_gate[0]) < 4 * GATE_MOVE_OPEN) {
		return false;
	}
	REQUIRE(link_send_sp(g->cfg.to_gate[0], &d, 1) == 1);
	return true;
}

/* What home is told sooner or later. */
static void
tell_home_all(struct gate *g)
{
	struct gate_many *m = &g->many;

	if (m->gone_cnt != 0 && tell_home(g, GATE_GONE, m->gone_cnt)) {
		m->gone_cnt = 0;
	}
	while (m->item_cnt > 0 && tell_home(g, GATE_ITEM, m->item[m->item_cnt - 1])) {
		m->item_cnt--;
	}
	if (m->item_bits != 0 && tell_home(g, GATE_ITEMS, m->item_bits)) {
		m->item_bits = 0;
	}
}

bool
gate_many_poll(struct gate *g)
{
	struct desc d[MANY_BURST];
	bool busy = false;

	for (uint32_t i = 0; i < g->cfg.gate_cnt; i++) {
		uint32_t n = g->cfg.from_gate[i] != NULL
				     ? link_recv_burst(g->cfg.from_gate[i], d, MANY_BURST)
				     : 0;

		for (uint32_t k = 0; k < n; k++) {
			told(g, i, &d[k]);
		}
		busy |= n > 0;
	}
	busy |= gate_ask_poll(g);
	busy |= leaving_poll(g);
	if (g->cfg.idx != 0) {
		tell_home_all(g);
	}
	return busy;
}

bool
gate_many_due(const struct gate *g)
{
	bool asks = false;

	for (uint32_t i = 0; i < g->cfg.gate_cnt; i++) {
		asks |= !STAILQ_EMPTY(&g->many.asks[i]);
	}
	return asks || !LIST_EMPTY(&g->many.leaving) || g->many.gone_cnt != 0 ||
	       g->many.item_cnt != 0 || g->many.item_bits != 0;
}
