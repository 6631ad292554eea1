/* SPDX-License-Identifier: Apache-2.0 */
/* oracle - see oracle.h for O1..O10, bag.h for O11..O13 */
#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag.h"
#include "check.h"
#include "hash.h"
#include "microburst/error.h"
#include "sim.h"

void *
oracle_grow(void *p, uint32_t cnt, uint32_t *cap, size_t bytes)
{
	if (cnt < *cap) {
		return p;
	}
	*cap = *cap != 0 ? 2 * *cap : 1024;
	p = realloc(p, *cap * bytes);
	REQUIRE(p != NULL);
	return p;
}

void
oracle_init(struct oracle *o, struct sim *s)
{
	*o = (struct oracle){ .sim = s };
}

void
oracle_fini(struct oracle *o)
{
	free(o->call);
	free(o->write);
	free(o->look);
	free(o->take);
	free(o->shown);
}

void
oracle_expect(struct oracle *o, bool ok, const char *what, uint64_t a, uint64_t b)
{
	o->stats.checks++;
	if (!ok) {
		sim_fail(o->sim, "%s (%llu, %llu)", what, (unsigned long long)a,
			 (unsigned long long)b);
	}
}

/* ---------------------------------------------------------------- operations */

uint32_t
oracle_op_new(struct oracle *o, enum key_kind kind, uint32_t key, uint32_t len)
{
	o->write = oracle_grow(o->write, o->write_cnt, &o->write_cap, sizeof(*o->write));
	o->write[o->write_cnt++] = (struct oracle_write){ .key_kind = (uint8_t)kind,
							  .key = (uint8_t)key,
							  .effect = EFFECT_NONE,
							  .len = len };
	return o->write_cnt;
}

static uint32_t
op_amount(const struct op *op)
{
	return op->key_kind == KEY_COUNTER || op->key_kind == KEY_FIELD ? op->n : 1;
}

/* A delete takes away what was acknowledged before it began, at least. */
static bool
op_deletes(const struct op *op)
{
	return op->key_kind == KEY_FIELD && op->kind == OP_DELETE;
}

void
oracle_op_start(struct oracle *o, struct op *op)
{
	struct oracle_key *k = &o->key[op->key_kind][op->key];

	if (op->kind == OP_READ) {
		return;
	}
	if (bag_is(op->key_kind)) {
		bag_op_start(o, op);
		return;
	}
	if (op_deletes(op)) {
		op->taken = k->merged;
		k->merged = 0;
		k->acked = 0;
		k->deletes++;
		k->deletes_begun++;
		return;
	}
	/* What a delete that is under way takes away is not for the end of this to say. */
	op->deletes_begun = k->deletes == 0 ? k->deletes_begun : UINT32_MAX;
	k->possible += op_amount(op);
	if (op->key_kind == KEY_SET || op->key_kind == KEY_REGISTER) {
		o->write[op->n - 1].effect = EFFECT_MAYBE;
	}
}

void
oracle_op_end(struct oracle *o, const struct op *op, enum effect e)
{
	struct oracle_key *k = &o->key[op->key_kind][op->key];

	if (op->kind == OP_READ) {
		return;
	}
	if (bag_is(op->key_kind)) {
		bag_op_end(o, op, e);
		return;
	}
	if (op_deletes(op)) {
		k->possible -= e == EFFECT_DONE ? op->taken : 0;
		k->merged += e == EFFECT_NONE ? op->taken : 0;
		k->deletes -= e != EFFECT_MAYBE;
		return;
	}
	if (e == EFFECT_DONE) {
		k->merged += op_amount(op);
		if (k->deletes == 0 && k->deletes_begun == op->deletes_begun) {
			k->acked += op_amount(op);
		}
	} else if (e == EFFECT_NONE) {
		k->possible -= op_amount(op);
	}
	if (op->key_kind == KEY_SET || op->key_kind == KEY_REGISTER) {
		o->write[op->n - 1].effect = (uint8_t)e;
	}
}

/* --------------------------------------------------------------------- calls */

uint32_t
oracle_call_new(struct oracle *o)
{
	o->call = oracle_grow(o->call, o->call_cnt, &o->call_cap, sizeof(*o->call));
	o->call[o->call_cnt] = (struct call){ 0 };
	return o->call_cnt++;
}

void
oracle_call_start(struct oracle *o, uint32_t token)
{
	struct call *c = &o->call[token];

	o->stats.calls++;
	o->open_cnt++;
	for (uint32_t i = 0; i < c->op_cnt; i++) {
		oracle_op_start(o, &c->op[i]);
	}
}

/* The one place where a call ends. */
static void
call_end(struct oracle *o, struct call *c, enum call_fate fate, enum effect e)
{
	REQUIRE(c->fate == FATE_OPEN);
	c->fate = (uint8_t)fate;
	c->none = e == EFFECT_NONE;
	o->open_cnt--;
	for (uint32_t i = 0; i < c->op_cnt; i++) {
		oracle_op_end(o, &c->op[i], e);
	}
	if (c->none) {
		oracle_expect(
			o, c->accepted[0] + c->accepted[1] == 0,
			"O3: a call was answered as without effect, and its writes were accepted",
			c->id, c->fn);
	}
}

void
oracle_call_refused(struct oracle *o, uint32_t token, int err)
{
	struct call *c = &o->call[token];

	o->stats.refused++;
	oracle_expect(o,
		      err == MB_ERR_BUSY || err == MB_ERR_NO_MEMORY ||
			      (err == MB_ERR_NO_FUNCTION && c->fn == SIM_FN_MAX),
		      "a call could not be started for no good reason", (uint64_t)-err, token);
	call_end(o, c, FATE_REFUSED, EFFECT_NONE);
}

void
oracle_client_died(struct oracle *o, uint16_t client)
{
	for (uint32_t i = 0; i < o->call_cnt; i++) {
		if (o->call[i].client == client && o->call[i].fate == FATE_OPEN) {
			o->stats.orphans++;
			call_end(o, &o->call[i], FATE_ORPHAN, EFFECT_MAYBE);
		}
	}
}

void
oracle_call_runs(struct oracle *o, uint32_t token, uint64_t id)
{
	struct call *c = &o->call[token];

	oracle_expect(o, token < o->call_cnt, "a function got arguments that nobody gave", token,
		      id);
	if (token >= o->call_cnt) {
		return;
	}
	oracle_expect(o, c->fate == FATE_OPEN || c->fate == FATE_ORPHAN,
		      "O2: a call begins to run after it was answered", id, token);
	c->id = id;
	c->runs++;
	o->stats.retries += c->runs > 1;
	for (uint32_t i = 0; i < c->op_cnt; i++) {
		if (bag_is(c->op[i].key_kind)) {
			bag_takes_undo(o, &c->op[i]);
		}
	}
}

void
oracle_call_passes(struct oracle *o, uint32_t token)
{
	oracle_expect(o, token < o->call_cnt, "a function got arguments that nobody gave", token,
		      0);
	if (token < o->call_cnt) {
		oracle_expect(o,
			      o->call[token].fate == FATE_OPEN ||
				      o->call[token].fate == FATE_ORPHAN,
			      "O2: a function of a DAG runs after the call was answered", token, 0);
	}
}

void
oracle_accepted(struct oracle *o, uint64_t id, uint32_t tile)
{
	for (uint32_t i = o->call_cnt; i-- > 0;) {
		struct call *c = &o->call[i];

		if (c->id == id) {
			c->accepted[tile]++;
			oracle_expect(o, c->accepted[tile] == 1,
				      "O3: a call's writes were accepted twice", id, i);
			oracle_expect(o, !c->none,
				      "O3: a call's writes were accepted after it was answered as "
				      "without effect",
				      id, i);
			return;
		}
	}
}

/* Which cache tiles a call that was successful must have written through is known by its executor
 * only; that at least one accepted is known here. */
static bool
call_writes(const struct call *c)
{
	for (uint32_t i = 0; i < c->op_cnt; i++) {
		if (c->op[i].kind != OP_READ) {
			return true;
		}
	}
	return false;
}

/* Whether a key of it is popped, too: there may be nothing to take, or what was just put there. */
static bool
call_pops(const struct call *c, const struct op *op)
{
	for (uint32_t i = 0; i < c->op_cnt; i++) {
		if (c->op[i].kind == OP_POP && oracle_same_key(&c->op[i], op)) {
			return true;
		}
	}
	return false;
}

/* Whether it has writes for sure when it returns. */
static bool
call_must_write(const struct call *c)
{
	for (uint32_t i = 0; i < c->op_cnt; i++) {
		if (c->op[i].kind != OP_READ && !call_pops(c, &c->op[i])) {
			return true;
		}
	}
	return false;
}

/* What grows: it may become longer than a cache is. */
static bool
op_grows(const struct op *op)
{
	return op->key_kind == KEY_SET || bag_is(op->key_kind);
}

static bool
call_takes_set(const struct call *c)
{
	for (uint32_t i = 0; i < c->op_cnt; i++) {
		if (op_grows(&c->op[i])) {
			return true;
		}
	}
	return false;
}

#define MEMBER_OVERHEAD 24 /* who added it when, and where it ends */

bool
oracle_long(const struct oracle *o, const struct op *op)
{
	static char text[ORACLE_MEMBER_MAX];
	const struct sim_shape *shape = &o->sim->shape;
	uint64_t bytes = 0;

	if (!op_grows(op)) {
		return false;
	}
	for (uint32_t i = 0; i < o->write_cnt; i++) {
		const struct oracle_write *w = &o->write[i];

		if (w->key_kind == op->key_kind && w->key == op->key && w->effect != EFFECT_NONE) {
			bytes += oracle_member_text(i + 1, text, sizeof(text)) + MEMBER_OVERHEAD;
		}
	}
	return bytes > shape->cache_bytes / shape->cache_cnt;
}

static bool
call_takes_long_set(const struct oracle *o, const struct call *c)
{
	for (uint32_t i = 0; i < c->op_cnt; i++) {
		if (oracle_long(o, &c->op[i])) {
			return true;
		}
	}
	return false;
}

static bool
call_is_wild(const struct call *c)
{
	return c->op_cnt > 0 && c->op[0].key_kind == KEY_WILD;
}

struct answer {
	int err;
	const char *text;
};

/* Whether the answer is one that this call can get, and what it says of the effects. */
static bool
answer_ok(const struct oracle *o, const struct call *c, const struct answer *a, enum effect *ret)
{
	*ret = EFFECT_NONE;
	switch (a->err) {
	case 0:
		*ret = EFFECT_DONE;
		return c->behaviour == CALL_RETURNS;
	case MB_ERR_FUNCTION_FAILED:
		return c->behaviour == CALL_FAILS;
	case MB_ERR_BUSY:
		return true;
	case MB_ERR_NO_EXECUTOR:
		return c->cold;
	case MB_ERR_DEADLINE:
		*ret = EFFECT_MAYBE;
		return c->has_deadline;
	case MB_ERR_INDETERMINATE: /* or an owner was too full to acknowledge */
		*ret = EFFECT_MAYBE;
		return c->has_deadline || call_writes(c);
	case MB_ERR_CANCELLED:
		*ret = EFFECT_MAYBE;
		return c->cancelled;
	case MB_ERR_NO_MEMORY: /* or no segment, of which there are none here, for a long cut */
		*ret = EFFECT_MAYBE;
		return call_writes(c) || call_takes_set(c) || (c->dag && c->rr);
	case MB_ERR_TRYAGAIN: /* a key that was brought here went before it was looked at */
		*ret = EFFECT_MAYBE;
		return strstr(a->text, "no room to keep the key") != NULL;
	case MB_ERR_TYPE:
	case MB_ERR_TOO_LARGE:
		*ret = EFFECT_MAYBE;
		return call_is_wild(c) || (a->err == MB_ERR_TOO_LARGE && call_takes_long_set(o, c));
	case MB_ERR_EXECUTOR_DIED:
		*ret = strstr(a->text, "did not happen") != NULL ? EFFECT_NONE : EFFECT_MAYBE;
		return true;
	default:
		return false;
	}
}

static void
count_answer(struct oracle_stats *s, int err, enum effect e)
{
	s->ok += err == 0;
	s->failed += err == MB_ERR_FUNCTION_FAILED;
	s->busy += err == MB_ERR_BUSY;
	s->deadlines += err == MB_ERR_DEADLINE || err == MB_ERR_INDETERMINATE;
	s->cancelled += err == MB_ERR_CANCELLED;
	s->died_none += err == MB_ERR_EXECUTOR_DIED && e == EFFECT_NONE;
	s->died_some += err == MB_ERR_EXECUTOR_DIED && e != EFFECT_NONE;
}

void
oracle_call_answered(struct oracle *o, uint32_t token, int err, const char *text,
		     uint32_t result_token)
{
	struct call *c = &o->call[token];
	enum effect e;
	bool ok = answer_ok(o, c, &(struct answer){ err, text }, &e);

	oracle_expect(o, c->fate == FATE_OPEN, "O1: a call was answered twice", token, c->fate);
	if (c->fate != FATE_OPEN) {
		return;
	}
	oracle_expect(o, ok, mb_err_name(err) /* O1: an answer that this call cannot get */,
		      c->behaviour, token);
	if (err == 0) {
		oracle_expect(o, result_token == token, "a call got the result of another",
			      result_token, token);
		oracle_expect(o, !call_must_write(c) || c->accepted[0] + c->accepted[1] > 0,
			      "O3: a call was successful, and its writes were never accepted",
			      c->id, token);
	}
	if (err == MB_ERR_EXECUTOR_DIED && e == EFFECT_MAYBE && call_must_write(c)) {
		oracle_expect(o, c->accepted[0] + c->accepted[1] > 0,
			      "O3: writes are said to have happened, and were never accepted",
			      c->id, token);
	}
	count_answer(&o->stats, err, e);
	call_end(o, c, FATE_ANSWERED, e);
}

/* --------------------------------------------------------------------- reads */

void
oracle_read_counter(struct oracle *o, enum key_kind kind, uint32_t key, bool absent, int64_t value)
{
	const struct oracle_key *k = &o->key[kind][key];
	uint64_t v = absent ? 0 : (uint64_t)value;

	o->stats.reads++;
	oracle_expect(o, v >= k->acked, "O4: acknowledged increments are missing", v, k->acked);
	oracle_expect(o, v <= k->possible, "O4: a counter shows more than was added", v,
		      k->possible);
}

void
oracle_read_register(struct oracle *o, uint32_t key, bool absent, struct slice value)
{
	const struct oracle_key *k = &o->key[KEY_REGISTER][key];
	const struct oracle_write *w;
	uint32_t n = 0;

	o->stats.reads++;
	if (absent) {
		oracle_expect(o, k->acked == 0, "O6: a value that was acknowledged is missing", key,
			      k->acked);
		return;
	}
	if (value.len >= sizeof(n)) {
		memcpy(&n, value.p, sizeof(n));
	}
	w = n >= 1 && n <= o->write_cnt ? &o->write[n - 1] : NULL;
	oracle_expect(o,
		      w != NULL && w->key_kind == KEY_REGISTER && w->key == key &&
			      w->len == value.len,
		      "O6: a register shows what nobody put there", key, n);
	oracle_expect(o, w == NULL || w->effect != EFFECT_NONE,
		      "O6: a register shows a value that was reported as not written", key, n);
	oracle_expect(o, oracle_value_ok(n, value.p, (uint32_t)value.len), "O6: a value is torn",
		      key, n);
}

void
oracle_read_member(struct oracle *o, uint32_t key, struct slice member)
{
	static char text[ORACLE_MEMBER_MAX];
	uint32_t n = oracle_member_number(member);
	const struct oracle_write *w;

	w = n >= 1 && n <= o->write_cnt ? &o->write[n - 1] : NULL;
	oracle_expect(o,
		      w != NULL && w->key_kind == KEY_SET && w->key == key &&
			      w->effect != EFFECT_NONE &&
			      slice_eq(member,
				       slice_of(text, oracle_member_text(n, text, sizeof(text)))),
		      "O5: a set has a member that nobody added", key, n);
}

void
oracle_read_set(struct oracle *o, uint32_t key, uint32_t cnt)
{
	const struct oracle_key *k = &o->key[KEY_SET][key];

	o->stats.reads++;
	oracle_expect(o, cnt >= k->acked, "O5: acknowledged members are missing", cnt, k->acked);
	oracle_expect(o, cnt <= k->possible, "O5: a set has more members than were added", cnt,
		      k->possible);
}

void
oracle_members(struct oracle *o, uint32_t key, void (*fn)(void *ctx, uint32_t n), void *ctx)
{
	for (uint32_t i = 0; i < o->write_cnt; i++) {
		const struct oracle_write *w = &o->write[i];

		if (w->key_kind == KEY_SET && w->key == key && w->effect == EFFECT_DONE) {
			fn(ctx, i + 1);
		}
	}
}

void
oracle_look(struct oracle *o, uint32_t token, uint16_t run, const struct op *op, bool absent,
	    struct slice value)
{
	o->look = oracle_grow(o->look, o->look_cnt, &o->look_cap, sizeof(*o->look));
	o->look[o->look_cnt++] = (struct oracle_look){
		.token = token,
		.run = run,
		.key_kind = op->key_kind,
		.key = op->key,
		.value = absent ? 0 : hash_bytes(value.p, value.len) | 1,
	};
}

/* The last write of a call before operation idx, under the key of that one; NULL: there is none. */
static const struct op *
own_last(const struct call *c, uint32_t idx)
{
	const struct op *last = NULL;

	for (uint32_t i = 0; i < idx; i++) {
		if (c->op[i].kind != OP_READ && oracle_same_key(&c->op[i], &c->op[idx])) {
			last = &c->op[i];
		}
	}
	return last;
}

bool
oracle_wrote(const struct call *c, uint32_t idx)
{
	return own_last(c, idx) != NULL;
}

void
oracle_own_number(struct oracle *o, const struct call *c, uint32_t idx, bool absent, int64_t value)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < idx; i++) {
		const struct op *op = &c->op[i];

		if (op->kind != OP_READ && oracle_same_key(op, &c->op[idx])) {
			sum = op_deletes(op) ? 0 : sum + op->n;
		}
	}
	o->stats.own++;
	oracle_expect(o, (absent ? 0 : (uint64_t)value) >= sum,
		      "O10: a call does not see what it added", absent ? 0 : (uint64_t)value, sum);
}

void
oracle_own_value(struct oracle *o, const struct call *c, uint32_t idx, struct slice value)
{
	const struct op *put = own_last(c, idx);

	o->stats.own++;
	oracle_expect(o, value.len == put->len && oracle_value_ok(put->n, value.p, put->len),
		      "O10: a call does not see what it put", put->n, value.len);
}

void
oracle_own_member(struct oracle *o, const struct op *added, bool in)
{
	o->stats.own++;
	oracle_expect(o, in, "O10: a call does not see a member that it added", added->key,
		      added->n);
}

/* O9: each look beside the first one at that key by that run of the call. */
static void
judge_looks(struct oracle *o)
{
	for (uint32_t i = 0; i < o->look_cnt; i++) {
		const struct oracle_look *a = &o->look[i];
		bool rr = o->call[a->token].rr;

		for (uint32_t j = 0; j < i; j++) {
			const struct oracle_look *b = &o->look[j];

			if (a->token != b->token || a->run != b->run ||
			    a->key_kind != b->key_kind || a->key != b->key) {
				continue;
			}
			o->stats.again[rr]++;
			o->stats.changed[rr] += a->value != b->value;
			oracle_expect(o, !rr || a->value == b->value,
				      "O9: a call at rr read two versions of a key", a->token,
				      a->key);
			break;
		}
	}
}

void
oracle_end(struct oracle *o)
{
	judge_looks(o);
	for (uint32_t i = 0; i < o->call_cnt; i++) {
		oracle_expect(o, o->call[i].fate != FATE_OPEN, "O1: a call was never answered", i,
			      o->call[i].id);
	}
}
