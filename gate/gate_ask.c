/* SPDX-License-Identifier: Apache-2.0 */
/* gate_ask - questions to all gates of the node: see gate_many.h
 *
 * A question is memory of its own, as no gate may touch another one's heap: made by a command of an
 * administrator, or once a transaction, and freed at home.
 *
 *   Q1  Questions are at one gate at a time, and each gate does them in the order in which they
 *       came: one that is not done yet holds up those behind it. So what holds the gates for a
 *       transaction and what lets them go on pass each gate in this order.
 */
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "desc.h"
#include "gate_many.h"
#include "gate_memory.h"
#include "gate_tls.h"
#include "link.h"

/* Words that come behind each other, with their array. */
static size_t
words_bytes(const struct slice *arg, uint32_t arg_cnt)
{
	size_t bytes = arg_cnt * sizeof(*arg);

	for (uint32_t i = 0; i < arg_cnt; i++) {
		bytes += arg[i].len;
	}
	return bytes;
}

static struct gate_ask *
ask_make(gate_ask_fn *run, uint64_t n, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_ask *a = calloc(1, sizeof(*a) + words_bytes(arg, arg_cnt));
	uint8_t *p;

	if (a == NULL) {
		return NULL;
	}
	a->run = run;
	a->n = n;
	a->arg = a->word;
	a->arg_cnt = arg_cnt;
	p = (uint8_t *)(a->word + arg_cnt);
	for (uint32_t i = 0; i < arg_cnt; i++) {
		if (arg[i].len != 0) {
			memcpy(p, arg[i].p, arg[i].len);
		}
		a->word[i] = slice_of(p, arg[i].len);
		p += arg[i].len;
	}
	return a;
}

static void
ask_free(struct gate_ask *a)
{
	free(a->text);
	free(a);
}

void
gate_ask_say(struct gate_ask *a, const char *text, size_t len)
{
	if (a->text_len + len > a->text_cap) {
		size_t cap = 2 * a->text_cap + len;
		char *more = realloc(a->text, cap);

		if (more == NULL) {
			a->failed = true;
			return;
		}
		a->text = more;
		a->text_cap = cap;
	}
	memcpy(a->text + a->text_len, text, len);
	a->text_len += len;
}

/* ------------------------------------------------------------------------ home */

static bool part_alone_end(struct gate *g, struct gate_ask *a);
static bool part_alone(struct gate *g, struct gate_ask *a);

static void ask_over(struct gate *g, struct gate_ask *a);

/* Its next gate, or its end. */
static void
ask_next(struct gate *g, struct gate_ask *a)
{
	struct gate_conn *c;

	if (++a->at < g->cfg.gate_cnt) {
		STAILQ_INSERT_TAIL(&g->many.asks[a->at], a, next);
		return;
	}
	a->done = true;
	c = a->waited ? gate_conn_find(g, a->conn) : NULL;
	if (c != NULL) {
		gate_conn_ready(g, c);
	} else {
		ask_over(g, a);
	}
}

/* Nobody waits for it any more, and no gate has it. */
static void
ask_over(struct gate *g, struct gate_ask *a)
{
	if (a->run == part_alone) {
		a->run = part_alone_end;
		a->waited = a->done = false;
		a->at = 0;
		ask_next(g, a);
		return;
	}
	if (a == g->many.stay) {
		g->many.stay_open = false;
		if (g->many.stay_due) { /* it changed again meanwhile */
			gate_stay_tell(g);
		}
		return;
	}
	g->many.alone_open &= a->run != part_alone_end;
	ask_free(a);
}

struct gate_ask *
gate_ask_all(struct gate *g, struct gate_conn *c, gate_ask_fn *run, uint64_t n,
	     const struct slice *arg, uint32_t arg_cnt, int *ret_rc)
{
	struct gate_ask *a = c->ask;

	REQUIRE(g->cfg.idx == 0);
	if (a == NULL) {
		a = ask_make(run, n, arg, arg_cnt);
		if (a == NULL) {
			*ret_rc = gate_error_of(g, c, MB_ERR_NO_MEMORY);
			return NULL;
		}
		a->conn = c->id;
		c->ask = a;
		run(g, a);
		a->done = g->cfg.gate_cnt == 1;
		if (!a->done) {
			a->waited = true;
			ask_next(g, a);
			*ret_rc = GATE_WAIT;
			return NULL;
		}
	}
	if (a->done && a->failed) {
		*ret_rc = gate_error_of(g, c, MB_ERR_NO_MEMORY);
		return NULL;
	}
	*ret_rc = GATE_WAIT;
	return a->done ? a : NULL;
}

void
gate_ask_drop(struct gate *g, struct gate_conn *c)
{
	struct gate_ask *a = c->ask;

	c->ask = NULL;
	if (a != NULL && a->done) {
		ask_over(g, a);
	} else if (a != NULL) {
		a->waited = false;
	}
}

bool
gate_stay_init(struct gate *g)
{
	g->many.stay = ask_make(gate_part_stay_home, 0, NULL, 0);
	return g->many.stay != NULL;
}

void
gate_stay_end(struct gate *g)
{
	if (g->many.stay != NULL) {
		ask_free(g->many.stay);
	}
}

void
gate_stay_tell(struct gate *g)
{
	struct gate_ask *a = g->many.stay;

	if (g->cfg.gate_cnt == 1) {
		return;
	}
	g->many.stay_due = g->many.stay_open;
	if (g->many.stay_open) {
		return;
	}
	g->many.stay_open = true;
	a->n = gate_stays_until(g);
	a->at = 0;
	a->done = false;
	a->run(g, a);
	ask_next(g, a);
}

/* ------------------------------------------------------------------------ every gate */

void
gate_ask_take(struct gate *g, struct gate_ask *a)
{
	if (g->cfg.idx == 0) {
		g->many.ask_open[a->at]--;
		ask_next(g, a);
	} else {
		STAILQ_INSERT_TAIL(&g->many.asks[0], a, next);
	}
}

/* Home sends them on their way; another gate does them. */
bool
gate_ask_poll(struct gate *g)
{
	bool busy = false;
	struct gate_ask *a;

	for (uint32_t i = 0; i < g->cfg.gate_cnt; i++) {
		struct gate_asks *asks = &g->many.asks[i];

		while ((a = STAILQ_FIRST(asks)) != NULL) {
			struct desc d = { .kind = g->cfg.idx == 0 ? GATE_ASK : GATE_ASKED,
					  .word = { (uint64_t)(uintptr_t)a } };

			if (g->cfg.idx == 0 ? g->many.ask_open[i] == GATE_ASK_OPEN
					    : !a->run(g, a)) {
				break;
			}
			busy = true;
			STAILQ_REMOVE_HEAD(asks, next);
			if (g->cfg.idx == 0) {
				g->many.ask_open[i]++;
			}
			REQUIRE(link_send_sp(g->cfg.to_gate[i], &d, 1) == 1); /* H4 */
		}
	}
	return busy;
}

bool
gate_part_come_home(struct gate *g, struct gate_ask *a)
{
	for (uint32_t i = 0; g->cfg.idx != 0 && i < g->cfg.conn_max; i++) {
		g->conn[i].called_home = true;
	}
	return true;
}

bool
gate_part_stay_home(struct gate *g, struct gate_ask *a)
{
	g->many.stay_until_ns = a->n;
	return true;
}

void
gate_count_expired(struct gate *g)
{
	g->tally.total.expired_cnt = 0;
	for (uint32_t i = 0; g->cfg.idx == 0 && i < g->cfg.store_cnt; i++) {
		g->tally.total.expired_cnt += metrics_get(g->cfg.store[i], METRIC_kvs_key_expired);
	}
}

bool
gate_part_tally(struct gate *g, struct gate_ask *a)
{
	const struct gate_tally *t = &g->tally;
	struct gate_tally *sum = &a->tally;
	const struct stream_lend_tally sent = stream_lend_tally(g->stream);

	gate_count_expired(g);
	sum->total.expired_cnt += t->total.expired_cnt - t->reset.expired_cnt;
	sum->total.look_cnt[false] += t->total.look_cnt[false] - t->reset.look_cnt[false];
	sum->total.look_cnt[true] += t->total.look_cnt[true] - t->reset.look_cnt[true];
	sum->total.error_cnt += t->total.error_cnt - t->reset.error_cnt;
	sum->total.command_cnt += t->total.command_cnt - t->reset.command_cnt;
	sum->total.accept_cnt += t->total.accept_cnt - t->reset.accept_cnt;
	sum->total.refuse_cnt += t->total.refuse_cnt - t->reset.refuse_cnt;
	sum->total.evict_cnt += t->total.evict_cnt - t->reset.evict_cnt;
	sum->total.rx_bytes += t->total.rx_bytes - t->reset.rx_bytes;
	sum->total.tx_bytes += t->total.tx_bytes - t->reset.tx_bytes;
	sum->fetch_cnt += t->fetch_cnt;
	sum->op_cnt += t->op_cnt;
	sum->memory += gate_memory_used(g);
	sum->tls_memory += gate_tls_used(g);
	sum->held_cnt += g->held_cnt;
	sum->lent_bytes += sent.bytes;
	sum->copied_cnt += sent.copied_cnt;
	for (uint32_t i = 0; i < GATE_ERROR_CNT && t->error[i].cnt > 0; i++) {
		gate_error_counted(sum, t->error[i].word, t->error[i].cnt);
	}
	for (uint32_t i = 0; i < gate_command_cnt(); i++) {
		sum->stat[i].calls += t->stat[i].calls;
		sum->stat[i].failed += t->stat[i].failed;
		sum->stat[i].rejected += t->stat[i].rejected;
		sum->stat[i].ns += t->stat[i].ns;
		for (uint32_t k = 0; k < GATE_LATENCY_CNT; k++) {
			sum->stat[i].latency[k] += t->stat[i].latency[k];
		}
	}
	return true;
}

/* ------------------------------------------------------------------------ alone */

static bool
part_alone(struct gate *g, struct gate_ask *a)
{
	g->many.held = g->cfg.idx != 0;
	return g->cfg.idx == 0 || g->batch_cnt == 0;
}

static bool
part_alone_end(struct gate *g, struct gate_ask *a)
{
	g->many.held = false;
	return true;
}

bool
gate_alone_begin(struct gate *g, struct gate_conn *c, int *ret_rc)
{
	struct gate_ask *a;

	if (g->alone == NULL) {
		g->alone = c;
	}
	if (g->alone != c) {
		gate_conn_behind(g, c);
		*ret_rc = GATE_WAIT;
		return false;
	}
	/* Another one's end may still be on its way to the others. */
	if ((c->run == NULL && g->batch_cnt > 0) ||
	    (g->many.alone == NULL && c->ask == NULL && g->many.alone_open)) {
		gate_conn_starve(g, c);
		*ret_rc = GATE_WAIT;
		return false;
	}
	if (g->cfg.gate_cnt == 1 || g->many.alone != NULL) {
		return true;
	}
	a = gate_ask_all(g, c, part_alone, 0, NULL, 0, ret_rc);
	g->many.alone_open = c->ask != NULL;
	if (a != NULL) {
		g->many.alone = a;
		c->ask = NULL; /* the commands may ask */
	}
	return a != NULL;
}

void
gate_alone_end(struct gate *g, struct gate_conn *c)
{
	struct gate_ask *a = g->many.alone;

	if (g->alone != c) {
		return;
	}
	g->alone = NULL;
	g->many.alone = NULL;
	if (a != NULL) { /* else it is on its way, and goes on as the end when it comes back */
		ask_over(g, a);
	}
}
