/* SPDX-License-Identifier: Apache-2.0 */
/* client - a simulated client: an application over the shipped client library
 *
 * It draws what it does: calls of functions, several under way at a time, some with a deadline,
 * some
 * cancelled, some that fail, never end or kill their executor; writes and reads of its own. It
 * tells
 * the oracle what it asked for, and what it was answered.
 */
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "bag.h"
#include "check.h"
#include "compiler.h"
#include "hash.h"
#include "microburst/client.h"
#include "microburst/error.h"
#include "proc.h"
#include "sim.h"

#define DEPTH_MAX 64
#define LINGER_NS (100 * NS_PER_MS)
#define HOT_KEYS  3U /* that everybody likes */

struct flight {
	uint64_t id;
	uint32_t token;
	bool used;
};

struct app {
	struct sim_proc *p;
	struct sim *s;
	struct mb_client *c;
	struct flight flight[DEPTH_MAX];
	uint32_t flight_cnt;
	struct mb_held kept; /* a value that was read some operations ago, and is read still */
	uint64_t kept_hash;  /* of its bytes then */
	bool keeps;
	struct bag_seen seen;
};

/* ------------------------------------------------------------------- drawing */

static uint32_t
draw_len(struct sim *s)
{
	switch (sim_below(s, s->shape.big ? 2 : 8)) {
	case 0:
		return 4096 + sim_below(s, 40000); /* by reference */
	case 1:
	case 2:
		return 64 + sim_below(s, 3000);
	default:
		return 4 + sim_below(s, 60);
	}
}

static void
draw_op(struct app *a, struct op *op, bool wild)
{
	struct sim *s = a->s;
	struct oracle *o = &s->oracle;

	*op = (struct op){ .kind = sim_one_in(s, 3) ? OP_READ : OP_WRITE,
			   .key_kind = (uint8_t)(wild               ? KEY_WILD
						 : sim_one_in(s, 3) ? KEY_LOOSE + sim_below(s, 4)
								    : sim_below(s, KEY_LOOSE)),
			   .key = (uint8_t)sim_below(s, sim_one_in(s, 2)
								? MIN(HOT_KEYS, s->shape.key_cnt)
								: s->shape.key_cnt) };
	if (wild && op->kind != OP_READ) {
		static const uint8_t kinds[] = { OP_WRITE, OP_DELETE, OP_INCR, OP_SADD };

		op->kind = kinds[sim_below(s, ARRAY_CNT(kinds))];
	}
	if (op->key_kind == KEY_FIELD && op->kind != OP_READ && sim_one_in(s, 3)) {
		op->kind = OP_DELETE;
	}
	if (bag_is(op->key_kind)) {
		if (op->kind != OP_READ) {
			bag_draw(s, op);
		}
		return;
	}
	op->n = 1 + sim_below(s, 9);
	op->len = wild || op->key_kind == KEY_REGISTER ? draw_len(s) : 0;
	if (op->kind != OP_READ && (op->key_kind == KEY_SET || op->key_kind == KEY_REGISTER)) {
		op->n = oracle_op_new(o, op->key_kind, op->key, op->len);
	}
}

static uint32_t
draw_call(struct app *a)
{
	struct sim *s = a->s;
	uint32_t token = oracle_call_new(&s->oracle);
	struct call c = { .client = a->p->idx };
	bool wild = sim_one_in(s, 8);

	c.fn = (uint16_t)(sim_one_in(s, 100) ? SIM_FN_MAX : sim_below(s, s->shape.fn_cnt));
	c.cold = c.fn < s->shape.cold_cnt;
	c.op_cnt = (uint8_t)sim_below(s, CALL_OP_MAX + 1);
	for (uint32_t i = 0; i < c.op_cnt; i++) {
		draw_op(a, &c.op[i], wild);
		if (c.op[i].key_kind == KEY_FIELD && c.op[i].kind == OP_DELETE && c.op_cnt > 1) {
			c.op[i].kind = OP_WRITE; /* it would delete what the call itself adds */
		}
	}
	c.rr = token % 2 == 1;
	c.has_deadline = sim_one_in(s, 4);
	c.dag = c.fn != SIM_FN_MAX && sim_one_in(s, 3);
	switch (sim_below(s, 64)) {
	case 0:
	case 1:
	case 2:
		c.behaviour = CALL_FAILS;
		break;
	case 3:
		c.behaviour = CALL_NEVER_ENDS; /* without a deadline it is cancelled at last */
		c.has_deadline = !sim_one_in(s, 4);
		break;
	case 4:
		c.behaviour = CALL_ABORTS;
		break;
	default:
		break;
	}
	if (c.behaviour == CALL_RETURNS && !c.dag && sim_one_in(s, 8)) {
		c.messages = (uint8_t)(1 + sim_below(s, 4));
	}
	c.arg_len = sim_one_in(s, 4) ? 4 + sim_below(s, 3000) : 0;
	c.result_len = sim_one_in(s, 4) ? 4 + sim_below(s, 3000) : 0;
	s->oracle.call[token] = c;
	return token;
}

/* --------------------------------------------------------------------- calls */

/* Sends a call what it waits for. One that has ended meanwhile gets no more. */
static void
send_messages(struct app *a, uint32_t token, uint64_t id)
{
	struct sim *s = a->s;
	int err = 0;

	for (uint32_t i = 0; i < s->oracle.call[token].messages && err == 0; i++) {
		uint32_t bytes[2] = { token, i };

		err = mb_client_send(a->c, id, bytes, sizeof(bytes));
		sim_trace(s, "client %u sends call %u message %u: %s", a->p->idx, token, i,
			  err != 0 ? mb_err_name(err) : "ok");
		if (err != 0 && err != MB_ERR_GONE && err != MB_ERR_NO_NODE) {
			sim_fail(s, "a message was answered %s", mb_err_name(err));
		}
		s->oracle.call[token].acked += err == 0;
	}
	s->oracle.call[token].cut = true;
}

static void
start_call(struct app *a)
{
	static uint8_t bytes[4096];
	struct sim *s = a->s;
	uint32_t token = draw_call(a);
	struct call c = s->oracle.call[token];
	struct mb_call_options opt = { 0 };
	struct mb_value arg[2] = { mb_i64(token) };
	struct mb_dag_arg of = { .function = "pass", .arg = arg, .arg_cnt = c.arg_len > 0 ? 2 : 1 };
	char name[16];
	uint64_t id;
	int err;

	if (c.arg_len > 0) {
		oracle_value_fill(token, bytes, c.arg_len);
		arg[1] = (struct mb_value){ .type = MB_BYTES, .p = bytes, .len = c.arg_len };
	}
	if (c.rr && !sim_planted(s, PLANT_UNHELD_READS)) {
		opt.level = MB_LEVEL_RR;
	}
	if (c.has_deadline) {
		opt.deadline_ns = sim_one_in(s, 3) ? 1 + sim_below(s, 30000)
						   : NS_PER_MS + sim_below(s, 4 * NS_PER_MS);
	}
	snprintf(name, sizeof(name), c.fn == SIM_FN_MAX ? "none" : c.dag ? "d%u" : "f%u", c.fn);
	oracle_call_start(&s->oracle, token);
	err = c.dag ? mb_dag_start(a->c, name, &of, 1, &opt, &id)
		    : mb_call_start(a->c, name, arg, of.arg_cnt, &opt, &id);
	sim_trace(s, "client %u starts call %u: %s, behaviour %u, err %d", a->p->idx, token, name,
		  c.behaviour, err);
	if (err != 0) {
		oracle_call_refused(&s->oracle, token, err);
		return;
	}
	for (uint32_t i = 0; i < DEPTH_MAX; i++) {
		if (!a->flight[i].used) {
			a->flight[i] = (struct flight){ id, token, true };
			a->flight_cnt++;
			send_messages(a, token, id);
			return;
		}
	}
}

static void
answered(struct app *a, struct flight *f, struct mb_reply *r)
{
	struct sim *s = a->s;
	uint32_t token = SIM_TOKEN_NONE;

	sim_trace(s, "client %u: call %u is answered %s %s", a->p->idx, f->token,
		  r->err != 0 ? mb_err_name(r->err) : "ok", r->text);
	if (r->err == 0 && r->cnt >= 1) {
		token = (uint32_t)r->value[0].i64;
	}
	if (r->cnt > 1 && !oracle_value_ok(f->token, r->value[1].p, (uint32_t)r->value[1].len)) {
		sim_fail(s, "a call's result is not what its function returned");
	}
	oracle_call_answered(&s->oracle, f->token, r->err, r->text, token);
	f->used = false;
	a->flight_cnt--;
}

static void
take_answer(struct app *a, uint64_t timeout_ns)
{
	struct mb_reply r;

	if (mb_call_wait(a->c, timeout_ns, &r) != 1) {
		return;
	}
	for (uint32_t i = 0; i < DEPTH_MAX; i++) {
		if (a->flight[i].used && a->flight[i].id == r.call) {
			answered(a, &a->flight[i], &r);
			mb_reply_free(a->c, &r);
			return;
		}
	}
	sim_fail(a->s, "O1: client %u got an answer to no call of its own", a->p->idx);
	mb_reply_free(a->c, &r);
}

static void
cancel(struct app *a, struct flight *f)
{
	if (f->used && mb_call_cancel(a->c, f->id) == 0) {
		a->s->oracle.call[f->token].cancelled = true;
	}
}

/* A call that will not end until it is cancelled; NULL: there is none. */
static struct flight *
endless(struct app *a)
{
	for (uint32_t i = 0; i < DEPTH_MAX; i++) {
		const struct call *c = &a->s->oracle.call[a->flight[i].token];

		if (a->flight[i].used && c->behaviour == CALL_NEVER_ENDS && !c->has_deadline &&
		    !c->cancelled) {
			return &a->flight[i];
		}
	}
	return NULL;
}

/* Waits for an answer: for a while, or for as long as it takes. */
static void
await_answer(struct app *a)
{
	struct flight *f = endless(a);
	uint32_t cnt = a->flight_cnt;

	take_answer(a, f == NULL && sim_one_in(a->s, 2) ? 0 : 1 + sim_below(a->s, 3 * NS_PER_MS));
	if (f != NULL && a->flight_cnt == cnt) {
		cancel(a, f);
	}
}

/* --------------------------------------------------------------------- state */

static enum effect
effect_of(struct sim *s, const struct op *op, int err)
{
	bool wild = op->key_kind == KEY_WILD;
	bool nothing = bag_is(op->key_kind) && op->kind != OP_WRITE &&
		       (err == MB_ERR_NOT_FOUND || err == MB_ERR_TRYAGAIN);
	bool too_long = err == MB_ERR_TOO_LARGE && oracle_long(&s->oracle, op);

	if (nothing) {
		return EFFECT_NONE;
	}
	if (err != 0 && !too_long && err != MB_ERR_NO_MEMORY && err != MB_ERR_INDETERMINATE &&
	    !(wild && (err == MB_ERR_TYPE || err == MB_ERR_TOO_LARGE || err == MB_ERR_NOT_FOUND))) {
		sim_fail(s, "a write was answered %s", mb_err_name(err));
	}
	return err == 0 ? EFFECT_DONE : EFFECT_MAYBE;
}

static void
write_key(struct app *a, struct op *op)
{
	static uint8_t bytes[65536];
	static char members[PROC_CNT_MAX][ORACLE_MEMBER_MAX];
	char key[ORACLE_KEY_TEXT], *member = members[a->p->idx];
	size_t len = oracle_key_text(op->key_kind, op->key, key, sizeof(key));
	struct mb_value m = { .type = MB_BYTES, .p = member };
	int err;

	oracle_op_start(&a->s->oracle, op);
	if (bag_is(op->key_kind)) {
		err = bag_client_write(a->s, a->c, &a->seen, op, member);
	} else if (op->key_kind == KEY_FIELD && op->kind == OP_DELETE) {
		err = mb_client_hdel(a->c, key, len, oracle_field_text(op->key), 1);
		err = err == MB_ERR_NOT_FOUND ? 0 : err;
	} else if (op->key_kind == KEY_FIELD) {
		err = mb_client_hincr(a->c, key, len, oracle_field_text(op->key), 1, op->n, NULL);
	} else if (op->key_kind == KEY_COUNTER || op->kind == OP_INCR) {
		err = mb_client_incr(a->c, key, len, op->n, NULL);
	} else if (op->key_kind == KEY_SET || op->kind == OP_SADD) {
		m.len = oracle_member_text(op->n, member, ORACLE_MEMBER_MAX);
		err = mb_client_sadd(a->c, key, len, &m, 1, NULL);
	} else if (op->kind == OP_DELETE) {
		err = mb_client_del(a->c, key, len);
	} else {
		oracle_value_fill(op->n, bytes, op->len);
		err = mb_client_set(a->c, key, len, bytes, op->len);
	}
	oracle_op_end(&a->s->oracle, op, effect_of(a->s, op, err));
}

struct seen {
	struct app *a;
	uint32_t key, cnt;
};

static bool
see_member(void *ctx, const void *p, size_t len, const void *p2, size_t len2)
{
	struct seen *seen = ctx;

	oracle_read_member(&seen->a->s->oracle, seen->key, slice_of(p, len));
	seen->cnt++;
	return true;
}

/* What is held stays as it was, whatever others write and the cache evicts meanwhile. */
static void
drop(struct app *a)
{
	if (a->keeps && hash_bytes(a->kept.p, a->kept.len) != a->kept_hash) {
		sim_fail(a->s, "a value changed while client %u held it", a->p->idx);
	}
	if (a->keeps) {
		mb_client_release(a->c, &a->kept);
	}
	a->keeps = false;
}

/* Gives a value back now, or the one that was kept until now. */
static void
release(struct app *a, struct mb_held *held)
{
	if (sim_one_in(a->s, 2)) {
		mb_client_release(a->c, held);
		return;
	}
	drop(a);
	a->kept = *held;
	a->kept_hash = hash_bytes(held->p, held->len);
	a->keeps = true;
}

static void
read_set(struct app *a, const struct op *op, const char *text, size_t len)
{
	struct seen seen = { a, op->key, 0 };
	int err = mb_client_members(a->c, text, len, see_member, &seen);

	if (err == 0 || err == MB_ERR_NOT_FOUND) {
		oracle_read_set(&a->s->oracle, op->key, seen.cnt);
	} else if (err != MB_ERR_NO_MEMORY &&
		   !(err == MB_ERR_TOO_LARGE && oracle_long(&a->s->oracle, op))) {
		sim_fail(a->s, "a set was read: %s", mb_err_name(err));
	}
}

static void
read_key(struct app *a, const struct op *op)
{
	struct oracle *o = &a->s->oracle;
	char key[ORACLE_KEY_TEXT];
	size_t len = oracle_key_text(op->key_kind, op->key, key, sizeof(key));
	struct mb_held held;
	int err;

	if (bag_is(op->key_kind)) {
		bag_client_read(a->s, a->c, &a->seen, op);
		return;
	}
	if (op->key_kind == KEY_SET) {
		read_set(a, op, key, len);
		return;
	}
	err = op->key_kind == KEY_FIELD
		      ? mb_client_hget(a->c, key, len, oracle_field_text(op->key), 1, &held)
		      : mb_client_get(a->c, key, len, &held);
	if (op->key_kind == KEY_WILD || err == MB_ERR_NO_MEMORY) {
		if (err == 0) {
			release(a, &held);
		}
		return;
	}
	if (err != 0 && err != MB_ERR_NOT_FOUND) {
		sim_fail(a->s, "a read was answered %s", mb_err_name(err));
		return;
	}
	if (op->key_kind == KEY_COUNTER || op->key_kind == KEY_FIELD) {
		oracle_read_counter(o, op->key_kind, op->key, err != 0,
				    err == 0 ? oracle_number(slice_of(held.p, held.len)) : 0);
	} else {
		oracle_read_register(o, op->key, err != 0,
				     err == 0 ? slice_of(held.p, held.len) : slice_of(NULL, 0));
	}
	if (err == 0) {
		release(a, &held);
	}
}

static bool
see_key(void *ctx, const char *key, size_t len)
{
	uint32_t *cnt = ctx;

	(*cnt)++;
	return true;
}

static void
list_keys(struct app *a)
{
	uint32_t cnt = 0;
	int err = mb_client_keys(a->c, "counter/", 8, see_key, &cnt);

	if ((err != 0 && err != MB_ERR_BUSY) || cnt > a->s->shape.key_cnt) {
		sim_fail(a->s, "listing keys: %s, %u keys", mb_err_name(err), cnt);
	}
}

static void
state_op(struct app *a)
{
	struct op op;

	a->s->oracle.stats.state_ops++;
	if (sim_one_in(a->s, 20)) {
		list_keys(a);
		return;
	}
	draw_op(a, &op, sim_one_in(a->s, 8));
	if (op.kind == OP_READ) {
		read_key(a, &op);
	} else {
		write_key(a, &op);
	}
}

/* ---------------------------------------------------------------------- main */

/* Stays, with nothing to do, to the end of the run: so that what it keeps can be looked at
 * (quiet.c). */
static void
linger(struct app *a)
{
	struct mb_reply r;

	for (;;) {
		/* As often as finds what rang at a bell that somebody scribbled over. */
		for (uint32_t i = 0; i < PORT_SWEEP; i++) {
			if (mb_call_poll(a->c, &r) != 0) {
				sim_fail(a->s, "O1: client %u got an answer too many", a->p->idx);
			}
		}
		proc_sleep(LINGER_NS, false);
	}
}

void
client_main(struct sim_proc *p)
{
	struct app a = { .p = p, .s = p->sim };
	struct sim *s = p->sim;
	uint32_t depth = 1 + sim_below(s, s->shape.depth_max);

	REQUIRE(mb_client_open(&a.c, NULL) == 0);
	p->client = a.c;
	while (s->ops_left > 0) {
		s->ops_left--;
		fault_turn(s);
		if (sim_one_in(s, 3)) {
			state_op(&a);
		} else {
			start_call(&a);
		}
		if (sim_one_in(s, 25)) {
			cancel(&a, &a.flight[sim_below(s, DEPTH_MAX)]);
		}
		if (sim_one_in(s, 4)) {
			proc_step(DELAY_WORK);
		}
		while (a.flight_cnt >= depth || (a.flight_cnt > 0 && sim_one_in(s, 3))) {
			await_answer(&a);
		}
	}
	while (a.flight_cnt > 0) {
		await_answer(&a);
	}
	drop(&a);
	s->clients_left--;
	if (sim_one_in(s, 2)) {
		linger(&a);
	}
	mb_client_close(a.c);
}
