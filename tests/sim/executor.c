/* SPDX-License-Identifier: Apache-2.0 */
/* executor - a simulated executor: the loop of executor/exec_tile.c, and functions that do what
 * their
 * caller drew
 *
 * A call's argument is a token: the number of its record at the oracle, which says what the
 * function is to
 * do. It follows the rules of session.h: writes are held until the function returns, published by
 * one
 * message to each cache tile concerned, and the answer waits for the store. Calls that come while
 * another waits are put aside.
 */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "cache_msg.h"
#include "cache_view.h"
#include "call.h"
#include "check.h"
#include "compiler.h"
#include "gset.h"
#include "hash.h"
#include "lattice.h"
#include "microburst/error.h"
#include "node.h"
#include "proc.h"
#include "value.h"
#include "view.h"
#include "wset.h"

#define ASIDE_MAX     128
#define FETCH_TRIES   16
#define CLAIM_IDLE_NS (1 * NS_PER_MS)
#define RETRY_NS      (20 * NS_PER_US)
#define TEXT_MAX      40
#define RESULT_MAX    4096
#define HOLD_MAX      100 /* how many times its usual work a function may hold a value */

struct aside {
	struct desc d;
	uint16_t port, proc;
	uint32_t inc;
};

struct publish {
	struct desc d;
	struct payload_ref set, value[CALL_OP_MAX]; /* held for the tile until it answers */
	uint32_t value_cnt;
	bool used, waiting;
};

struct executor {
	struct sim_proc *p;
	struct sim *s;
	struct domain *d;
	struct cache_view view;
	bool drain;
	uint64_t token_seq;
	uint32_t aside_head, aside_tail;
	struct aside aside[ASIDE_MAX];
	struct publish publish[SIM_TILE_MAX];
	uint32_t waiting; /* publishes not answered */
	int publish_err;
	bool fetched; /* the answer to a FETCH has come */
	int fetch_err;
};

static struct call *
call_of(const struct executor *x, uint32_t token)
{
	return &x->s->oracle.call[token];
}

/* ------------------------------------------------------------------ messages */

static void
tile_send(struct executor *x, uint32_t port, const struct desc *d)
{
	int err;

	while ((err = channel_send(&x->d->ch[port], d)) == MB_ERR_FULL) {
		proc_sleep(RETRY_NS, false);
	}
	REQUIRE(err == 0);
}

static bool
from_cache(const struct executor *x, const struct channel *ch)
{
	return ch->port >= PORT_CACHE_FIRST && ch->port < PORT_CACHE_FIRST + x->s->shape.cache_cnt;
}

static void
publish_end(struct executor *x, struct publish *b)
{
	b->used = false;
	b->waiting = false;
	if ((b->d.flags & DESC_F_INLINE) == 0) {
		payload_release(x->d->pool, b->set.handle, PROC_DAEMON);
	}
	for (uint32_t i = 0; i < b->value_cnt; i++) {
		payload_release(x->d->pool, b->value[i].handle, PROC_DAEMON);
	}
}

static void
on_answer(struct executor *x, const struct desc *d)
{
	if (d->kind == DESC_FETCHED) {
		x->fetched = true;
		x->fetch_err = d->err;
		return;
	}
	for (uint32_t t = 0; t < SIM_TILE_MAX; t++) {
		struct publish *b = &x->publish[t];

		if (b->waiting && b->d.b == d->b) {
			publish_end(x, b);
			x->waiting--;
			x->publish_err = d->err != 0 ? d->err : x->publish_err;
		}
	}
}

static void
on_call(struct executor *x, const struct desc *d, const struct channel *ch)
{
	struct desc busy = { .kind = DESC_REPLY,
			     .flags = DESC_F_INLINE,
			     .a = x->d->proc,
			     .err = MB_ERR_BUSY,
			     .call = d->call };

	if (x->aside_tail - x->aside_head == ASIDE_MAX) {
		channel_send(&x->d->ch[ch->port], &busy);
		return;
	}
	x->aside[x->aside_tail++ % ASIDE_MAX] = (struct aside){ *d, ch->port, ch->proc, ch->inc };
}

/* Takes one message of whatever kind. Returns: false at until_ns. */
static bool
pump(struct executor *x, uint64_t until_ns)
{
	struct channel *ch;
	struct desc d;
	int n = domain_wait(x->d, until_ns, &d, &ch);

	REQUIRE(n >= 0);
	if (n == 0) {
		return false;
	}
	if (from_cache(x, ch)) {
		on_answer(x, &d);
	} else if (d.kind == DESC_CALL) {
		on_call(x, &d, ch);
	}
	return true;
}

/* ------------------------------------------------------------------- reading */

static int
fetch(struct executor *x, struct slice key)
{
	struct desc d = { .kind = DESC_FETCH, .flags = DESC_F_INLINE, .len = (uint8_t)key.len };
	uint32_t tile = cache_tile_of(hash_bytes(key.p, key.len), x->s->shape.cache_cnt);

	memcpy(d.data, key.p, key.len);
	d.b = ++x->token_seq << 32;
	x->fetched = false;
	tile_send(x, PORT_CACHE_FIRST + tile, &d);
	while (!x->fetched) {
		pump(x, 0);
	}
	return x->fetch_err;
}

static void
see(struct executor *x, const struct op *op, bool absent, const struct cache_value *v)
{
	struct oracle *o = &x->s->oracle;
	char text[VIEW_TEXT_MAX];
	struct slice shown = { 0 };
	int64_t number = 0;
	int err = 0;

	if (op->key_kind == KEY_COUNTER) {
		err = absent ? 0 : view_i64(v->type, v->state, &number);
		oracle_read_counter(o, op->key, absent, number);
	} else if (op->key_kind == KEY_REGISTER) {
		err = absent ? 0 : view_text(v->type, v->state, text, &shown);
		oracle_read_register(o, op->key, absent, shown);
	} else if (op->key_kind == KEY_SET) {
		err = absent || v->type == LATTICE_GSET ? 0 : MB_ERR_TYPE;
		oracle_read_set(o, op->key, absent ? 0 : gset_cnt(v->state));
	}
	if (err != 0) {
		sim_fail(x->s, "a value cannot be read: %s", mb_err_name(err));
	}
}

static int
read_key(struct executor *x, const struct op *op)
{
	char text[TEXT_MAX];
	struct slice key =
		slice_of(text, oracle_key_text(op->key_kind, op->key, text, sizeof(text)));
	struct cache_value v;
	uint64_t before;
	int n, err = 0;

	for (uint32_t i = 0; i < FETCH_TRIES; i++) {
		n = cache_view_get(&x->view, key, &v);
		REQUIRE(n >= 0);
		if (n == CACHE_MISS) {
			err = fetch(x, key);
			if (err != 0) {
				return err;
			}
			continue;
		}
		see(x, op, n == CACHE_ABSENT, &v);
		before = hash_bytes(v.envelope.p, v.envelope.len);
		for (uint32_t hold = sim_one_in(x->s, 8) ? 1 + sim_below(x->s, HOLD_MAX) : 1;
		     hold > 0; hold--) {
			proc_step(DELAY_WORK);
		}
		if (hash_bytes(v.envelope.p, v.envelope.len) != before) {
			sim_fail(x->s, "a value changed while it was held");
		}
		cache_view_release(&x->view, &v);
		return 0;
	}
	return MB_ERR_BUSY;
}

/* ------------------------------------------------------------------- writing */

struct op_text {
	char key[TEXT_MAX], member[TEXT_MAX];
};

/* Makes an operation of a write set. Large values go into payloads of their own. */
static int
wset_op_of(struct executor *x, const struct op *op, struct op_text *text, struct publish *b,
	   uint8_t *value, struct wset_op *ret)
{
	uint8_t kind = op->key_kind == KEY_COUNTER || op->kind == OP_INCR ? WSET_INCR
		       : op->key_kind == KEY_SET || op->kind == OP_SADD   ? WSET_SADD
		       : op->kind == OP_DELETE                            ? WSET_DEL
									  : WSET_PUT;
	uint8_t *p = value;
	int err;

	*ret = (struct wset_op){ .kind = kind, .n = op->n };
	ret->key = slice_of(text->key,
			    oracle_key_text(op->key_kind, op->key, text->key, sizeof(text->key)));
	if (kind == WSET_SADD) {
		ret->value = slice_of(text->member, oracle_member_text(op->n, text->member,
								       sizeof(text->member)));
	}
	if (kind != WSET_PUT) {
		return 0;
	}
	if (op->len > WSET_INLINE_MAX) {
		err = payload_alloc(x->d->pool, op->len, PROC_DAEMON, &ret->ref, &p);
		if (err != 0) {
			return err;
		}
		ret->by_ref = true;
		b->value[b->value_cnt++] = ret->ref;
	}
	oracle_value_fill(op->n, p, op->len);
	ret->value = slice_of(ret->by_ref ? NULL : p, ret->by_ref ? 0 : op->len);
	return 0;
}

/* Makes one tile's share of a call's writes into a message. */
static int
make_set(struct executor *x, const struct call *c, uint32_t tile)
{
	static uint8_t mem[CALL_OP_MAX * (WSET_INLINE_MAX + 256)];
	static uint8_t value[WSET_INLINE_MAX];
	struct publish *b = &x->publish[tile];
	struct wset ws;
	int err = 0;

	*b = (struct publish){
		.d = { .kind = DESC_PUBLISH, .flags = DESC_F_INLINE, .call = c->id }
	};
	wset_init(&ws, mem, sizeof(mem));
	for (uint32_t i = 0; i < c->op_cnt && err == 0; i++) {
		struct op_text text;
		struct wset_op op;
		size_t len = oracle_key_text(c->op[i].key_kind, c->op[i].key, text.key, TEXT_MAX);

		if (c->op[i].kind == OP_READ ||
		    cache_tile_of(hash_bytes(text.key, len), x->s->shape.cache_cnt) != tile) {
			continue;
		}
		err = wset_op_of(x, &c->op[i], &text, b, value, &op);
		if (err == 0) {
			err = wset_add(&ws, &op);
			REQUIRE(err == 0);
		}
	}
	if (err == 0 && ws.op_cnt > 0) {
		struct slice set = wset_bytes(&ws);

		err = domain_payload(x->d, &b->d, set.p, set.len, PROC_DAEMON);
		b->set = b->d.ref;
		b->used = err == 0;
		b->d.b = ++x->token_seq;
	}
	if (err != 0) {
		b->d.flags = DESC_F_INLINE; /* there is no set to give back */
		publish_end(x, b);
	}
	return err;
}

static int
await(struct executor *x, uint64_t deadline_ns)
{
	while (x->waiting > 0) {
		if (!pump(x, deadline_ns) && deadline_ns != 0 && sim_now_ns(x->s) >= deadline_ns &&
		    x->waiting > 0) {
			return MB_ERR_INDETERMINATE;
		}
	}
	return 0;
}

static int
publish(struct executor *x, const struct call *c, uint64_t deadline_ns)
{
	int err = await(x, deadline_ns);

	for (uint32_t t = 0; t < x->s->shape.cache_cnt && err == 0; t++) {
		err = make_set(x, c, t);
		for (uint32_t u = 0; err != 0 && u < t; u++) {
			if (x->publish[u].used) {
				publish_end(x, &x->publish[u]);
			}
		}
	}
	if (err != 0) {
		return err;
	}
	x->publish_err = 0;
	for (uint32_t t = 0; t < x->s->shape.cache_cnt; t++) {
		if (x->publish[t].used) {
			x->publish[t].waiting = true;
			x->waiting++;
			tile_send(x, PORT_CACHE_FIRST + t, &x->publish[t].d);
		}
	}
	if (sim_planted(x->s, PLANT_EARLY_REPLY)) {
		return 0;
	}
	err = await(x, deadline_ns);
	return err != 0 ? err : x->publish_err;
}

/* ------------------------------------------------------------------- one call */

/* Reads a call's arguments: its token, and bytes that must be as its caller wrote them. */
static int
arguments(struct executor *x, const struct desc *d, uint32_t *ret_token, bool *ret_view)
{
	struct value v[MB_VALUES_MAX];
	const uint8_t *p;
	size_t len;
	int n = domain_bytes(x->d, d, &p, &len, ret_view);

	if (n != 0) {
		return n;
	}
	n = value_list_read(slice_of(p, len), v);
	if (n < 1 || v[0].type != MB_I64) {
		return MB_ERR_INVALID;
	}
	*ret_token = (uint32_t)value_i64(v[0]);
	if (n > 1 && !oracle_value_ok(*ret_token, v[1].p, v[1].len)) {
		sim_fail(x->s, "a call's arguments are not what its caller wrote");
	}
	return 0;
}

static int
run(struct executor *x, const struct desc *d, uint32_t token)
{
	struct call c;
	int err = 0;

	oracle_call_runs(&x->s->oracle, token, d->call);
	c = *call_of(x, token); /* a copy: the table moves while this one waits */
	for (uint32_t i = 0; i < c.op_cnt && err == 0; i++) {
		proc_step(DELAY_WORK);
		if (c.op[i].kind == OP_READ) {
			err = read_key(x, &c.op[i]);
		}
	}
	proc_step(DELAY_WORK);
	if (c.behaviour == CALL_NEVER_ENDS) {
		proc_sleep(EVENT_NEVER, false);
	}
	if (c.behaviour == CALL_ABORTS) {
		x->p->aborting = true;
		proc_step(DELAY_STEP);
	}
	if (err == 0 && c.behaviour == CALL_FAILS) {
		err = MB_ERR_FUNCTION_FAILED;
	}
	return err != 0 ? err : publish(x, &c, d->b);
}

static void
reply(struct executor *x, const struct aside *a, uint32_t token, int err)
{
	struct desc r = { .kind = DESC_REPLY,
			  .flags = DESC_F_INLINE,
			  .a = x->d->proc,
			  .err = (int16_t)err,
			  .call = a->d.call };
	struct channel *ch = &x->d->ch[a->port];
	uint8_t list[RESULT_MAX + 64] __attribute__((aligned(8)));
	uint16_t reader = call_id_proc(a->d.call);
	struct value_writer w;
	uint8_t *p;

	if (err == 0) {
		uint32_t len = call_of(x, token)->result_len;

		value_list_begin(&w, list, sizeof(list), len > 0 ? 2 : 1);
		value_list_add_i64(&w, token);
		if (len > 0) {
			p = value_list_reserve(&w, MB_BYTES, len);
			REQUIRE(p != NULL);
			oracle_value_fill(token, p, len);
		}
		REQUIRE(value_list_end(&w) > 0);
		r.flags = 0;
		err = domain_payload(x->d, &r, list, w.len, reader);
		r.err = (int16_t)err;
		r.flags |= err != 0 ? DESC_F_INLINE : 0;
	}
	if (a->port == PORT_SCHED) {
		tile_send(x, PORT_SCHED, &r);
	} else if (ch->rx_slots == NULL || ch->proc != a->proc || ch->inc != a->inc ||
		   channel_send(ch, &r) != 0) {
		if ((r.flags & DESC_F_INLINE) == 0) {
			payload_release(x->d->pool, r.ref.handle, reader);
		}
		return;
	}
	if ((r.flags & DESC_F_INLINE) == 0 && sim_planted(x->s, PLANT_EARLY_FREE)) {
		payload_release(x->d->pool, r.ref.handle, reader);
	}
}

static void
call_run(struct executor *x, const struct aside *a)
{
	struct region_run *show = region_run(&x->p->region);
	uint32_t token = SIM_TOKEN_NONE;
	bool view = false;
	int err = 0;

	atomic_store_explicit(&show->call, a->d.call, memory_order_relaxed);
	if (a->d.b != 0 && sim_now_ns(x->s) >= a->d.b && !sim_planted(x->s, PLANT_LATE_RUN)) {
		err = MB_ERR_DEADLINE;
	}
	if (err == 0) {
		err = arguments(x, &a->d, &token, &view);
	}
	if (err == 0) {
		err = run(x, &a->d, token);
	}
	reply(x, a, token, err);
	if (view) {
		domain_drop(x->d, &a->d.ref);
	}
	await(x, 0);
	atomic_store_explicit(&show->call, 0, memory_order_relaxed);
}

/* ----------------------------------------------------------------------- loop */

static void
on_drain(void *ctx)
{
	struct executor *x = ctx;

	x->drain = true;
}

static void
idle(struct executor *x)
{
	struct desc freed = { .kind = DESC_FREED, .a = x->d->proc };

	if (claim_drop(x->d->hints, x->d->proc)) {
		tile_send(x, PORT_SCHED, &freed);
	}
}

static bool
claimed(const struct executor *x)
{
	return atomic_load_explicit(&x->d->hints->claim[x->d->proc].v, memory_order_relaxed) != 0;
}

void
executor_main(struct sim_proc *p)
{
	struct executor *x = calloc(1, sizeof(*x));
	struct domain_events events = { .drain = on_drain, .ctx = x };

	REQUIRE(x != NULL);
	x->p = p;
	p->executor = x;
	x->s = p->sim;
	REQUIRE(domain_enter(&x->d, NULL, "executor", &events) == 0);
	REQUIRE(cache_view_open(&x->view, x->d->cache, x->d->cache_bytes,
				region_hazard(&x->d->own)) == 0);
	proc_step(DELAY_SPAWN);
	simctl_loaded(p->sim->node->ctl, p);
	for (;;) {
		uint64_t rest = claimed(x) || x->drain ? CLAIM_IDLE_NS : WAIT_MAX_NS;

		if (x->aside_head != x->aside_tail) {
			call_run(x, &x->aside[x->aside_head++ % ASIDE_MAX]);
		} else if (!pump(x, sim_now_ns(x->s) + rest)) {
			if (x->drain) {
				return;
			}
			idle(x);
		}
	}
}
