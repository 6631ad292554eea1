/* SPDX-License-Identifier: Apache-2.0 */
/* exec_batch - several calls of one function, which it gets in one run (batch.h)
 *
 *   open each ─► session for all, reads only ─► run once ─► each: store its output, answer
 *
 * All are of one level. At rr the session holds what it reads, so they all see the same versions;
 * what a session has room for (README, Limits) is for all of them.
 *
 * A call that cannot be opened (its deadline has passed, its arguments are damaged) is answered
 * like every other, and the function does not see it. Each output is published by a session of its
 * own, right before its answer: so a death in between ends one call that has written, as it would
 * alone.
 */
#include <string.h>

#include "argkeys.h"
#include "compiler.h"
#include "exec_int.h"
#include "microburst/error.h"
#include "probe.h"

/* What was said of the call that was looked at last becomes what its item says. */
static void
item_err(const struct exec *x, struct batch_item *item, int err)
{
	if (err != 0) {
		item->err = err;
		memcpy(item->text, x->call.text, sizeof(item->text));
	}
}

/* What functions before it in its DAG returned, behind what its own entry says. */
static int
item_read_part(struct exec *x, struct batch_item *item, struct slice args)
{
	int err = exec_inputs_open(x, &item->part, item->input_view, &item->input_cnt);
	int cnt;

	if (err != 0) {
		return err;
	}
	cnt = dagrun_args(&x->dag, item->part.step[0].vertex, args, x->input, item->input_cnt,
			  &x->call);
	if (cnt > 0) {
		memcpy(item->arg, x->dag.arg, (uint32_t)cnt * sizeof(item->arg[0]));
	}
	item->arg_cnt = (uint32_t)MAX(cnt, 0);
	return MIN(cnt, 0);
}

static int
item_read(struct exec *x, struct batch_item *item, const struct exec_from *from, uint64_t now)
{
	const uint8_t *p;
	size_t len;
	int cnt, err = exec_check(x, &item->d, from, now);

	if (err == 0) {
		err = exec_args_open(x, &item->d, from, &p, &len, &item->view);
	}
	if (err != 0) {
		return err;
	}
	if ((item->d.sub & CALL_PART) != 0) {
		return item_read_part(x, item, slice_of(p, len));
	}
	cnt = value_list_read(slice_of(p, len), item->arg);
	if (cnt < 0) {
		return call_refuse(&x->call, cnt, "the arguments", NULL);
	}
	item->arg_cnt = (uint32_t)cnt;
	return 0;
}

static void
item_open(struct exec *x, struct batch_item *item, uint32_t i, const struct exec_from *from,
	  uint64_t now)
{
	x->call.id = item->d.call;
	x->call.text[0] = '\0';
	item->err = 0;
	item->text[0] = '\0';
	item->view = item->seen = item->wrote = false;
	item->input_cnt = 0;
	item->output = slice_of(NULL, 0);
	item->result = &x->dag.result[i];
	result_init(item->result, x->conf.pool, x->conf.proc);
	item_err(x, item, item_read(x, item, from, now));
}

/* References and the output key, in the session of all. */
static void
item_keys(struct exec *x, struct batch_item *item)
{
	if (unlikely(argkeys_any(item->arg, item->arg_cnt))) {
		x->call.arg_cnt = item->arg_cnt;
		item_err(x, item, argkeys_take(&x->call, item->arg, &item->output));
		item->arg_cnt = x->call.arg_cnt;
	}
}

static void
session_for(struct exec *x, const struct desc *d, uint64_t deadline_ns)
{
	session_begin(x->session, &(struct session_call){
					  .id = d->call,
					  .deadline_ns = deadline_ns,
					  .read_only = (d->sub & CALL_READ_ONLY) != 0,
					  .repeatable = (d->sub & CALL_LEVEL_MASK) == CALL_LEVEL_RR,
					  .ack = call_ack(d) });
}

/* The first of them to be due. */
static const struct desc *
first_due(const struct batch *b)
{
	const struct desc *due = &b->item[0].d;

	for (uint32_t i = 1; i < b->cnt; i++) {
		if (b->item[i].d.b != 0 && (due->b == 0 || b->item[i].d.b < due->b)) {
			due = &b->item[i].d;
		}
	}
	return due;
}

/* Runs the function. */
static void
run_all(struct exec *x, struct batch *b)
{
	int err;

	x->call.last = false;
	x->call.batch = b;
	batch_turn(b, &x->call, 0);
	err = call_run(&x->call);
	x->call.batch = NULL;
	for (uint32_t i = 0; err != 0 && i < b->live; i++) {
		item_err(x, b->seen[i], err);
	}
}

/* Its result is stored where it asked for that. */
static int
item_store(struct exec *x, struct batch_item *item)
{
	int err, end;

	session_for(x, &item->d, item->d.b);
	x->call.result = item->result;
	err = argkeys_store(&x->call, item->output);
	if (err == 0) {
		err = session_publish(x->session);
		if (err != 0) {
			call_refuse(&x->call, err, "publishing the output",
				    session_why(x->session));
		}
	}
	item_err(x, item, err);
	if (err != 0) {
		session_discard(x->session);
	}
	item->wrote = session_published(x->session);
	end = session_end(x->session);
	return end;
}

/* Of a part: as dagrun does it for functions that it runs. */
static void
item_part_ended(struct exec *x, struct batch_item *item, const struct exec_outcome *out)
{
	x->call.tag = batch_tag(item);
	x->call.result = item->result;
	if (item->seen) {
		dagrun_ran(&x->call, out->run_ns, item->err);
	}
	if (item->err != 0) {
		dagrun_named(&x->call, item->err);
	}
}

static void
item_answer(struct exec *x, struct batch_item *item, const struct exec_from *from,
	    struct exec_outcome *out)
{
	struct desc reply = exec_reply_to(x, item->d.call, out, out->ended_ns);

	out->is_part = (item->d.sub & CALL_PART) != 0;
	out->for_caller = !out->is_part || item->part.step[0].sink;
	reply.err = (int16_t)item->err;
	reply.sub = out->is_part && item->wrote ? REPLY_PUBLISHED : 0;
	memcpy(x->call.text, item->text, sizeof(item->text));
	if (out->is_part) {
		item_part_ended(x, item, out);
	}
	exec_reply_fill(x, &reply, item->result, out->for_caller);
	exec_note(x, &item->d, from, out, reply.err);
	exec_reply(x, from, &reply, out->for_caller);
	PROBE3(call_replied, item->d.call, item->err, false);
	result_drop(item->result);
	exec_inputs_close(x, &item->part, item->input_view, item->input_cnt);
	if (item->view) {
		x->conf.ops.drop(x->conf.ops.ctx, &item->d.ref);
	}
}

int
exec_batch(struct exec *x, const struct desc *last, const struct exec_from *from)
{
	struct batch *b = &x->batch;
	const struct fn *fn;
	struct exec_outcome out = { .for_caller = true };
	bool whole;
	int err = owed_settle(&x->owed);

	if (err != 0) {
		return err;
	}
	whole = batch_take(b, last, &x->part);
	fn = whole ? fn_get(&x->fns, batch_fn(&b->item[0])) : NULL;
	if (fn == NULL || !fn->batched) {
		for (uint32_t i = 0; i < b->cnt; i++) {
			exec_refuse(x, &b->item[i].d, from, MB_ERR_NO_FUNCTION);
		}
		if (!whole) {
			exec_refuse(x, last, from, MB_ERR_NO_FUNCTION);
		}
		b->cnt = 0;
		return 0;
	}
	x->call.fn = fn;
	out.start_ns = exec_now(x);
	exec_show_run(x, last, out.start_ns); /* by that name it is stopped */
	b->live = 0;
	for (uint32_t i = 0; i < b->cnt; i++) {
		PROBE2(call_taken, b->item[i].d.call, fn->id);
		item_open(x, &b->item[i], i, from, out.start_ns);
	}
	session_for(x, first_due(b), first_due(b)->b);
	x->call.session = x->session;
	x->call.mail = &x->mail;
	x->call.deadline_ns = first_due(b)->b;
	for (uint32_t i = 0; i < b->cnt; i++) {
		if (b->item[i].err == 0) {
			item_keys(x, &b->item[i]);
		}
		if (b->item[i].err == 0) {
			b->item[i].seen = true;
			b->seen[b->live++] = &b->item[i];
		}
	}
	out.began_ns = exec_now(x);
	if (b->live > 0) {
		run_all(x, b);
	}
	session_views_end(x->session);
	session_discard(x->session);
	err = session_end(x->session);
	out.ended_ns = exec_now(x);
	out.run_ns = (out.ended_ns - out.began_ns) / MAX(b->live, 1U); /* each its share */
	for (uint32_t i = 0; i < b->cnt && err == 0; i++) {
		if (b->item[i].err == 0 && b->item[i].output.len != 0) {
			err = item_store(x, &b->item[i]);
		}
		item_answer(x, &b->item[i], from, &out);
		x->finished += i + 1 < b->cnt;
	}
	b->cnt = 0;
	exec_show_idle(x, exec_now(x) - out.start_ns);
	return err;
}
