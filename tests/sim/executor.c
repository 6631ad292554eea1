/* SPDX-License-Identifier: Apache-2.0 */
/* executor - a simulated executor: the shipped one, with a function that does what its caller drew
 *
 * The argument of a call is a token: the number of its record at the oracle, which says what the
 * function is to read and write, and how it is to end. It does so through function.h, as functions
 * of
 * users do; between two operations it works for a while, and may die.
 */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "bag.h"
#include "check.h"
#include "exec_tile.h"
#include "hash.h"
#include "microburst/error.h"
#include "microburst/function.h"
#include "node.h"
#include "proc.h"

#define HOLD_MAX 100 /* how many times its usual work a function may hold a value */

static void
work(uint32_t times)
{
	for (; times > 0; times--) {
		proc_step(DELAY_WORK);
	}
}

/* ------------------------------------------------------------------- reading */

/* A value that is looked at stays as it is until it is released. */
static int
hold(struct mb_call *call, struct mb_slice key, struct mb_slice value)
{
	struct sim *s = proc_self()->sim;
	uint64_t before = hash_bytes(value.p, value.len);

	work(sim_one_in(s, 8) ? 1 + sim_below(s, HOLD_MAX) : 1);
	if (hash_bytes(value.p, value.len) != before) {
		sim_fail(s, "a value changed while it was held");
	}
	mb_release(call, key);
	return 0;
}

static int
read_set(struct mb_call *call, const struct op *op, struct mb_slice key)
{
	struct oracle *o = &proc_self()->sim->oracle;
	struct mb_set_iter it;
	struct mb_slice member;
	uint32_t cnt = 0;

	MB_TRY(mb_set_begin(call, key, &it));
	while (mb_set_next(&it, &member)) {
		oracle_read_member(o, op->key, slice_of(member.p, member.len));
		cnt++;
	}
	oracle_read_set(o, op->key, cnt);
	return 0;
}

/* Reads a key as O9 wants it, and for nothing else. */
static int
look(struct mb_call *call, const struct call *c, uint32_t token, const struct op *op,
     struct mb_slice key)
{
	struct mb_slice value = { NULL, 0 };
	int err;

	for (uint32_t i = 0; i < c->op_cnt; i++) {
		if (c->op[i].kind != OP_READ && oracle_same_key(&c->op[i], op)) {
			return 0; /* it sees its own writes */
		}
	}
	switch (op->key_kind) {
	case KEY_COUNTER:
	case KEY_REGISTER:
		err = mb_get(call, key, &value);
		break;
	case KEY_FIELD:
		err = mb_map_get(call, key, mb_str(oracle_field_text(op->key)), &value);
		break;
	default:
		return 0;
	}
	if (err != 0 && err != MB_ERR_NOT_FOUND) {
		return err;
	}
	oracle_look(&proc_self()->sim->oracle, token, c->runs, op, err != 0,
		    slice_of(value.p, value.len));
	return 0;
}

static int
read_own_members(struct mb_call *call, const struct call *c, uint32_t idx, struct mb_slice key)
{
	struct mb_set_iter it;
	struct mb_slice member;
	bool seen[CALL_OP_MAX] = { false };

	MB_TRY(mb_set_begin(call, key, &it));
	while (mb_set_next(&it, &member)) {
		uint32_t n = oracle_member_number(slice_of(member.p, member.len));

		for (uint32_t i = 0; i < idx; i++) {
			seen[i] = seen[i] || c->op[i].n == n;
		}
	}
	for (uint32_t i = 0; i < idx; i++) {
		if (c->op[i].kind != OP_READ && oracle_same_key(&c->op[i], &c->op[idx])) {
			oracle_own_member(&proc_self()->sim->oracle, &c->op[i], seen[i]);
		}
	}
	return 0;
}

/* Reads what the call has written before operation idx under the key of that one (O10). */
static int
read_own(struct mb_call *call, const struct call *c, uint32_t idx, struct mb_slice key)
{
	struct oracle *o = &proc_self()->sim->oracle;
	const struct op *op = &c->op[idx];
	struct mb_slice value = { NULL, 0 };
	int64_t number = 0;
	int err;

	switch (op->key_kind) {
	case KEY_COUNTER:
		err = mb_get_i64(call, key, &number);
		break;
	case KEY_FIELD:
		err = mb_map_get(call, key, mb_str(oracle_field_text(op->key)), &value);
		number = err == 0 ? oracle_number(slice_of(value.p, value.len)) : 0;
		break;
	case KEY_REGISTER:
		MB_TRY(mb_get(call, key, &value));
		oracle_own_value(o, c, idx, slice_of(value.p, value.len));
		return 0;
	case KEY_SET:
		return read_own_members(call, c, idx, key);
	default:
		return 0;
	}
	if (err != 0 && err != MB_ERR_NOT_FOUND) {
		return err;
	}
	oracle_own_number(o, c, idx, err != 0, number);
	return 0;
}

/* Reads a key as of now, which at the level rr it need not be. */
static int
read_key(struct mb_call *call, const struct op *op, struct mb_slice key)
{
	struct oracle *o = &proc_self()->sim->oracle;
	struct mb_slice value = { NULL, 0 };
	int64_t number = 0;
	int err;

	switch (op->key_kind) {
	case KEY_COUNTER:
		err = mb_get_i64(call, key, &number);
		if (err == 0 || err == MB_ERR_NOT_FOUND) {
			oracle_read_counter(o, KEY_COUNTER, op->key, err != 0, number);
			return 0;
		}
		return err;
	case KEY_FIELD:
		err = mb_map_get(call, key, mb_str(oracle_field_text(op->key)), &value);
		if (err == 0 || err == MB_ERR_NOT_FOUND) {
			oracle_read_counter(o, KEY_FIELD, op->key, err != 0,
					    oracle_number(slice_of(value.p, value.len)));
			return 0;
		}
		return err;
	case KEY_SET:
		return read_set(call, op, key);
	case KEY_REGISTER:
		err = mb_get(call, key, &value);
		if (err == 0 || err == MB_ERR_NOT_FOUND) {
			oracle_read_register(o, op->key, err != 0, slice_of(value.p, value.len));
		}
		break;
	default:
		err = mb_get(call, key, &value);
	}
	return err == 0 ? hold(call, key, value) : err == MB_ERR_NOT_FOUND ? 0 : err;
}

/* ------------------------------------------------------------------- writing */

static int
write_key(struct mb_call *call, const struct op *op, struct mb_slice key)
{
	static uint8_t value[1 << 16]; /* copied before anybody else runs */
	static char member[ORACLE_MEMBER_MAX];

	if (op->key_kind == KEY_FIELD) {
		return op->kind == OP_DELETE
			       ? mb_map_delete(call, key, mb_str(oracle_field_text(op->key)))
			       : mb_map_incr(call, key, mb_str(oracle_field_text(op->key)), op->n,
					     NULL);
	}
	if (op->key_kind == KEY_COUNTER || op->kind == OP_INCR) {
		return mb_incr(call, key, op->n, NULL);
	}
	if (op->key_kind == KEY_SET || op->kind == OP_SADD) {
		return mb_sadd(call, key,
			       mb_slice_of(member,
					   oracle_member_text(op->n, member, sizeof(member))));
	}
	if (op->kind == OP_DELETE) {
		return mb_delete(call, key);
	}
	REQUIRE(op->len <= sizeof(value));
	oracle_value_fill(op->n, value, op->len);
	return mb_put(call, key, mb_slice_of(value, op->len));
}

/* -------------------------------------------------------------- the function */

/* What the caller gave beside the token, and what it is to get beside it. */
static int
check_padding(struct mb_call *call, uint32_t token)
{
	struct mb_slice bytes;

	if (mb_arg_cnt(call) > 1) {
		MB_TRY(mb_arg_bytes(call, 1, &bytes));
		if (!oracle_value_ok(token, bytes.p, (uint32_t)bytes.len)) {
			sim_fail(proc_self()->sim,
				 "a call's arguments are not what its caller wrote");
		}
	}
	return 0;
}

static int
answer(struct mb_call *call, const struct call *c, uint32_t token)
{
	void *p;

	MB_TRY(mb_return_i64(call, token));
	if (c->result_len > 0) {
		MB_TRY(mb_return_reserve(call, MB_BYTES, c->result_len, &p));
		oracle_value_fill(token, p, c->result_len);
	}
	return 0;
}

#define RECV_NS  (5 * NS_PER_MS)
#define RECV_MAX 60 /* waits in vain: longer than anything here stands still */

/* Takes what its client sends it: in order, none twice, none missing; each attempt all of it. */
static int
receive(struct mb_call *call, uint32_t token)
{
	struct sim *s = proc_self()->sim;
	uint32_t got = 0;

	for (uint32_t vain = 0; got < s->oracle.call[token].messages && vain < RECV_MAX;) {
		bool cut = s->oracle.call[token].cut;
		uint32_t acked = s->oracle.call[token].acked, said[2];
		struct mb_message m;
		int err = mb_recv(call, RECV_NS, &m);

		if (err == MB_ERR_NOT_FOUND) {
			if (cut && got == acked) {
				break;
			}
			if (++vain == RECV_MAX && got < acked) {
				sim_fail(s, "a message that was acknowledged did not come");
			}
			continue;
		}
		MB_TRY(err);
		memcpy(said, m.bytes.p, sizeof(said));
		if (m.bytes.len != sizeof(said) || said[0] != token || said[1] != got) {
			sim_fail(s, "message %u came to call %u, not %u", said[1], token, got);
		}
		got++;
		s->oracle.stats.messages++;
	}
	return 0;
}

static int
function(struct mb_call *call)
{
	struct sim_proc *p = proc_self();
	int64_t token;
	struct call c;

	MB_TRY(mb_arg_i64(call, 0, &token));
	oracle_call_runs(&p->sim->oracle, (uint32_t)token, mb_self(call));
	MB_TRY(check_padding(call, (uint32_t)token));
	c = p->sim->oracle.call[token]; /* a copy: the table moves while others run */
	for (uint32_t i = 0; i < c.op_cnt; i++) {
		char text[ORACLE_KEY_TEXT];
		size_t len = oracle_key_text(c.op[i].key_kind, c.op[i].key, text, sizeof(text));

		work(1);
		if (bag_is(c.op[i].key_kind)) {
			MB_TRY(bag_executor(call, (uint32_t)token, i, mb_slice_of(text, len)));
			continue;
		}
		if (c.op[i].kind == OP_READ) {
			MB_TRY(look(call, &c, (uint32_t)token, &c.op[i], mb_slice_of(text, len)));
		}
		if (c.op[i].kind == OP_READ && oracle_wrote(&c, i)) {
			MB_TRY(read_own(call, &c, i, mb_slice_of(text, len)));
		}
		if (c.op[i].kind == OP_READ && !c.rr) {
			MB_TRY(read_key(call, &c.op[i], mb_slice_of(text, len)));
		} else if (c.op[i].kind != OP_READ) {
			MB_TRY(write_key(call, &c.op[i], mb_slice_of(text, len)));
		}
	}
	work(1);
	for (uint32_t i = 0; i < c.op_cnt; i++) {
		char text[ORACLE_KEY_TEXT];
		size_t len = oracle_key_text(c.op[i].key_kind, c.op[i].key, text, sizeof(text));

		if (c.op[i].kind == OP_READ) {
			MB_TRY(look(call, &c, (uint32_t)token, &c.op[i], mb_slice_of(text, len)));
		}
	}
	switch (c.behaviour) {
	case CALL_FAILS:
		return mb_fail(call, "it was to fail");
	case CALL_NEVER_ENDS:
		proc_sleep(EVENT_NEVER, false);
		return 0;
	case CALL_ABORTS:
		p->aborting = true;
		work(1);
		return 0;
	default:
		MB_TRY(receive(call, (uint32_t)token));
		return answer(call, &c, (uint32_t)token);
	}
}

/* At the level rr, what the call's function has read is what others of its DAG read, wherever they
 * run. */
static void
look_again(struct mb_call *call, uint32_t token)
{
	struct call c = proc_self()->sim->oracle.call[token]; /* a copy, as above */
	int err = 0;

	for (uint32_t i = 0; c.rr && err == 0 && i < c.op_cnt; i++) {
		char text[ORACLE_KEY_TEXT];
		size_t len = oracle_key_text(c.op[i].key_kind, c.op[i].key, text, sizeof(text));

		if (c.op[i].kind == OP_READ) {
			err = look(call, &c, token, &c.op[i], mb_slice_of(text, len));
		}
	}
}

/* Gives its arguments back. */
static int
pass(struct mb_call *call)
{
	int64_t token;
	struct mb_slice bytes;

	MB_TRY(mb_arg_i64(call, 0, &token));
	oracle_call_passes(&proc_self()->sim->oracle, (uint32_t)token);
	work(1);
	MB_TRY(mb_return_i64(call, token));
	if (mb_arg_cnt(call) > 1) {
		MB_TRY(check_padding(call, (uint32_t)token));
		MB_TRY(mb_arg_bytes(call, 1, &bytes));
		MB_TRY(mb_return_bytes(call, bytes));
	}
	return 0;
}

/* Gives back what the function returned, which came first; what came the other way is compared. */
static int
join(struct mb_call *call)
{
	struct sim *s = proc_self()->sim;
	uint32_t other = mb_arg_type(call, 1) == MB_I64 ? 1 : 2;
	int64_t token, also;
	struct mb_slice bytes;

	MB_TRY(mb_arg_i64(call, 0, &token));
	MB_TRY(mb_arg_i64(call, other, &also));
	oracle_call_passes(&s->oracle, (uint32_t)token);
	if (token != also) {
		sim_fail(s, "a function of a DAG got what another call's returned");
	}
	look_again(call, (uint32_t)token);
	work(1);
	MB_TRY(mb_return_i64(call, token));
	if (other == 2) {
		MB_TRY(mb_arg_bytes(call, 1, &bytes));
		MB_TRY(mb_return_bytes(call, bytes));
	}
	return 0;
}

void
executor_main(struct sim_proc *p)
{
	struct exec_tile *t;
	struct fns *fns;

	REQUIRE(exec_tile_create(&t, -1) == 0);
	p->executor = t;
	fns = exec_fns(exec_tile_exec(t));
	for (uint32_t i = 0; i < p->sim->shape.fn_cnt; i++) {
		fns->fn[1 + i] = (struct fn){ .id = (uint16_t)(1 + i), .run = function };
	}
	fns->fn[SIM_FN_PASS] = (struct fn){ .id = SIM_FN_PASS, .run = pass };
	fns->fn[SIM_FN_JOIN] = (struct fn){ .id = SIM_FN_JOIN, .run = join };
	work(10);
	simctl_loaded(p->sim->node->ctl, p);
	REQUIRE(exec_tile_run(t) == 0);
	p->executor = NULL;
	exec_tile_destroy(t);
}
