/* SPDX-License-Identifier: Apache-2.0 */
#include "exec.h"

#include <stdlib.h>
#include <string.h>

#include "argkeys.h"
#include "check.h"
#include "compiler.h"
#include "dagpart.h"
#include "dagrun.h"
#include "exec_int.h"
#include "mail.h"
#include "microburst/error.h"
#include "owed.h"
#include "probe.h"
#include "session.h"
#include "ulib_state.h"

/* --------------------------------------------------------------------- log */

static bool
exec_log(void *ctx, const struct mb_call *call, const char *line, size_t len)
{
	struct exec *x = ctx;
	struct desc d = { .kind = DESC_LOG,
			  .a = call->fn != NULL ? call->fn->id : 0,
			  .call = call->id,
			  .b = call->log_dropped };

	if (payload_put(x->conf.pool, &d, line, len, PROC_DAEMON) != 0) {
		return false;
	}
	if (x->conf.ops.log(x->conf.ops.ctx, &d) == 0) {
		return true;
	}
	if ((d.flags & DESC_F_INLINE) == 0) {
		payload_release(x->conf.pool, d.ref.handle, PROC_DAEMON);
	}
	return false;
}

/* ------------------------------------------------------------------ answer */

/* What a reply carries on an error: the text, or none if there is no memory for it. */
static void
put_text(struct exec *x, struct desc *d, uint16_t reader)
{
	size_t len = strnlen(x->call.text, sizeof(x->call.text));

	if (payload_put(x->conf.pool, d, x->call.text, len, reader) != 0) {
		d->flags |= DESC_F_INLINE;
		d->len = 0;
	}
}

void
exec_reply(struct exec *x, const struct exec_from *from, const struct desc *d, bool for_caller)
{
	if (unlikely(x->conf.ops.reply(x->conf.ops.ctx, from, d) != 0 &&
		     (d->flags & DESC_F_INLINE) == 0)) {
		payload_release(x->conf.pool, d->ref.handle,
				d->err != 0 || for_caller ? call_id_proc(d->call) : PROC_DAEMON);
	}
}

void
exec_reply_fill(struct exec *x, struct desc *d, struct result *result, bool for_caller)
{
	uint16_t reader = call_id_proc(d->call);

	if (d->err == 0) {
		int err = result_send(result, d, for_caller ? reader : PROC_DAEMON);

		if (unlikely(err != 0)) {
			d->err = (int16_t)err;
			call_refuse(&x->call, err, "the results",
				    "no payload memory is left for them");
		}
	}
	if (d->err != 0) {
		put_text(x, d, reader);
	}
}

/* Whether a call may run while answers are owed (O1, O3). */
static bool
owed_allows(const struct exec *x, const struct desc *d, const struct exec_from *from)
{
	return x->owed.cnt < OWED_MAX && owed_is_from(&x->owed, from) && (d->sub & CALL_DAG) == 0 &&
	       x->quick[d->a % FUNCTION_CNT_MAX] >= OWED_QUICK_CNT;
}

void
exec_refuse(struct exec *x, const struct desc *d, const struct exec_from *from, int err)
{
	struct desc reply = { .kind = DESC_REPLY,
			      .a = x->conf.proc,
			      .err = (int16_t)err,
			      .flags = DESC_F_INLINE,
			      .call = d->call };

	if (err == MB_ERR_BUSY && from->proc != PROC_DAEMON) {
		reply.sub = REPLY_NOT_BEGUN;
	}
	x->conf.ops.reply(x->conf.ops.ctx, from, &reply);
}

/* --------------------------------------------------------------------- run */

/* What can be said about a call before its arguments are looked at. */
int
exec_check(struct exec *x, const struct desc *d, const struct exec_from *from, uint64_t now)
{
	uint16_t caller = call_id_proc(d->call);

	/* Whoever is on a direct channel speaks for itself; the node's tiles for everybody. */
	if (unlikely(caller >= PROC_CNT_MAX ||
		     (from->proc != PROC_DAEMON && caller != from->proc))) {
		return call_refuse(&x->call, MB_ERR_INVALID, "the call",
				   "its id is not the caller's");
	}
	if (unlikely((d->sub & CALL_LEVEL_MASK) > CALL_LEVEL_RR)) {
		return call_refuse(&x->call, MB_ERR_NOT_SUPPORTED, "the call",
				   "this consistency level is not");
	}
	if (unlikely(d->b != 0 && now >= d->b)) {
		return call_refuse(&x->call, MB_ERR_DEADLINE, "the function was not run",
				   "the deadline had passed");
	}
	return 0;
}

int
exec_args_open(struct exec *x, const struct desc *d, const struct exec_from *from,
	       const uint8_t **ret, size_t *ret_len, bool *ret_view)
{
	int err = x->conf.ops.bytes(x->conf.ops.ctx, d, ret, ret_len, ret_view);

	if (unlikely(err == MB_ERR_PEER_DIED && (d->flags & CALL_F_KEPT) != 0 &&
		     from->proc == PROC_DAEMON)) {
		return call_refuse(&x->call, err, "the arguments", "who returned them has died");
	}
	if (unlikely(err != 0)) {
		return call_refuse(&x->call, MB_ERR_INVALID, "the arguments",
				   "they cannot be read");
	}
	if (unlikely(((uintptr_t)*ret & 7) != 0)) {
		return call_refuse(&x->call, MB_ERR_CORRUPT, "the arguments",
				   "they are not aligned");
	}
	return 0;
}

static int
run_function(struct exec *x, const struct fn *fn, struct slice args)
{
	int cnt = value_list_read(args, x->dag.arg);
	struct slice output = slice_of(NULL, 0);
	int err = 0;

	if (unlikely(cnt < 0)) {
		return call_refuse(&x->call, cnt, "the arguments", NULL);
	}
	x->call.fn = fn;
	x->call.tag = "";
	x->call.last = true;
	x->call.arg = x->dag.arg;
	x->call.arg_cnt = (uint32_t)cnt;
	x->call.result = &x->dag.result[0];
	if (unlikely(argkeys_any(x->dag.arg, (uint32_t)cnt))) {
		err = argkeys_take(&x->call, x->dag.arg, &output);
	}
	if (likely(err == 0)) {
		err = call_run(&x->call);
	}
	if (unlikely(err == 0 && output.len != 0)) {
		err = argkeys_store(&x->call, output);
	}
	session_views_end(x->session);
	return err;
}

int
exec_inputs_open(struct exec *x, const struct dagpart *part, bool *view, uint32_t *ret_cnt)
{
	*ret_cnt = 0;
	for (uint32_t i = 0; i < part->input_cnt; i++) {
		const uint8_t *p;
		size_t len;
		int err;

		view[i] = false;
		err = x->conf.ops.bytes(x->conf.ops.ctx, &part->input[i], &p, &len, &view[i]);
		if (err == 0) {
			++*ret_cnt;
			err = ((uintptr_t)p & 7) != 0 ? MB_ERR_CORRUPT : 0;
		}
		if (err != 0) {
			return call_refuse(&x->call, err, "what another function returned",
					   "it cannot be read");
		}
		x->input[i] = slice_of(p, len);
	}
	return 0;
}

/* What parts before this one have read, at the level rr. */
static int
cut_open(struct exec *x)
{
	const uint8_t *p;
	size_t len;
	int err = x->conf.ops.bytes(x->conf.ops.ctx, &x->part.cut, &p, &len, &x->cut_view);

	if (err == 0) {
		err = session_hand_take(x->session, slice_of(p, len));
	}
	return err == 0 ? 0
			: call_refuse(&x->call, err, "what another function has read",
				      "it cannot be read");
}

void
exec_inputs_close(struct exec *x, const struct dagpart *part, const bool *view, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		if (view[i]) {
			x->conf.ops.drop(x->conf.ops.ctx, &part->input[i].ref);
		}
	}
}

static int
run_part(struct exec *x, const struct desc *d, struct slice args, struct exec_outcome *out)
{
	int err = dagpart_take(&x->part, d);

	if (err != 0) {
		return call_refuse(&x->call, err, "the DAG", "its part is not whole");
	}
	out->is_part = true;
	x->mail.vertex = (uint8_t)x->part.step[0].vertex;
	out->for_caller = x->part.step[x->part.step_cnt - 1].sink;
	err = exec_inputs_open(x, &x->part, x->input_view, &out->input_cnt);
	if (err == 0 && x->part.has_cut) {
		err = cut_open(x);
	}
	if (err == 0) {
		out->began_ns = exec_now(x); /* inputs lie in memory of others: mapping, faults */
		x->call.mark_ns = out->began_ns;
		out->result_cnt = x->part.step_cnt;
		err = dagrun_part(&x->dag, &x->part, x->input, &x->fns, args, &x->call,
				  x->conf.pool, x->conf.proc, &out->result);
	}
	return err;
}

static void
note_quick(struct exec *x, uint16_t fn, uint64_t run_ns)
{
	uint8_t *cnt = &x->quick[fn % FUNCTION_CNT_MAX];

	if (run_ns > OWED_RUN_NS) {
		*cnt = 0;
	} else if (*cnt < OWED_QUICK_CNT) {
		++*cnt;
	}
}

/* Runs what is to go on with what the call returned, as far as it is here. */
static int __attribute__((__cold__))
go_on(struct exec *x, const struct desc *d, struct exec_outcome *out)
{
	uint32_t cnt = (d->sub & CALL_PART) == 0 ? (uint32_t)MAX(d->err, (int16_t)0) : 0;
	int err;

	x->call.mark_ns = out->ended_ns;
	err = goal_run(&x->goal, &x->call, cnt, &out->result, &out->result_cnt, &out->next);
	out->on_ns = x->call.mark_ns - out->ended_ns;
	out->ended_ns = x->call.mark_ns;
	if (err == 0 && out->next != 0 && session_bound(x->session)) {
		err = call_refuse(&x->call, MB_ERR_NOT_SUPPORTED, "mb_continue",
				  "at the level rr what a call has read does not go to another "
				  "executor; a DAG takes it there");
	}
	return err;
}

/* Runs what the call names. Returns its error. */
static int
run(struct exec *x, const struct desc *d, struct slice args, uint64_t began,
    struct exec_outcome *out)
{
	bool is_fn = false;
	int err;

	if (unlikely((d->sub & CALL_PART) != 0)) {
		err = run_part(x, d, args, out);
	} else if ((d->sub & CALL_DAG) != 0) {
		const struct dag_plan *plan;

		err = dagrun_plan(&x->dag, x->conf.placement, d->a, &x->fns, &x->call, &plan);
		if (err == 0) {
			out->began_ns = began;
			x->call.mark_ns = began;
			out->result_cnt = plan->vertex_cnt;
			err = dagrun_run(&x->dag, plan, args, &x->call, x->conf.pool, x->conf.proc,
					 &out->result);
		}
	} else {
		const struct fn *fn = fn_get(&x->fns, d->a);

		if (unlikely(fn == NULL)) {
			return call_refuse(&x->call, MB_ERR_NO_FUNCTION, "the function",
					   "it is not loaded at this executor");
		}
		out->result = &x->dag.result[0];
		out->result_cnt = 1;
		result_init(out->result, x->conf.pool, x->conf.proc);
		out->began_ns = began;
		err = run_function(x, fn, args);
		is_fn = true;
	}
	if (out->began_ns != 0) {
		/* A DAG has looked at the clock after its last function. */
		out->ended_ns = is_fn ? exec_now(x) : x->call.mark_ns;
		out->run_ns = out->ended_ns - out->began_ns;
		if (is_fn) {
			note_quick(x, d->a, out->run_ns);
		}
	}
	if (unlikely(err == 0 && x->call.goal.name[0] != '\0')) {
		err = go_on(x, d, out);
	}
	return err;
}

struct desc
exec_reply_to(const struct exec *x, uint64_t call, const struct exec_outcome *out, uint64_t end)
{
	return (struct desc){ .kind = DESC_REPLY,
			      .a = x->conf.proc,
			      .call = call,
			      .b = call_time_make(out->run_ns, end - out->start_ns) };
}

/* Sends what the call wrote, and its answer to those that are owed. */
static int
owe(struct exec *x, const struct desc *d, const struct exec_from *from, uint32_t tile,
    struct exec_outcome *out)
{
	struct desc *reply = out->reply;
	uint16_t caller = call_id_proc(d->call);
	int err;

	*reply = exec_reply_to(x, d->call, out, out->ended_ns);
	err = result_send(out->result, reply, caller);
	if (unlikely(err != 0)) {
		return call_refuse(&x->call, err, "the results",
				   "no payload memory is left for them");
	}
	err = owed_add(&x->owed, from, tile, reply, x->finished);
	if (likely(err >= 0)) {
		out->is_owed = err != 0; /* 0: what it wrote came to nothing */
		out->is_filled = true;
		return 0;
	}
	if ((reply->flags & DESC_F_INLINE) == 0) {
		payload_release(x->conf.pool, reply->ref.handle, caller);
	}
	return call_refuse(&x->call, err, "publishing the writes", session_why(x->session));
}

/* Publishes what a call wrote. A caller on a direct channel is answered when the store has it,
 * everybody else is waited for. */
static int
publish(struct exec *x, const struct desc *d, const struct exec_from *from,
	struct exec_outcome *out)
{
	uint32_t tile;
	int err;

	if (from->proc != PROC_DAEMON && out->next == 0 && !mail_waits(&x->mail) &&
	    session_sendable(x->session, &tile)) {
		if (unlikely(!owed_suits(&x->owed, from, tile))) {
			err = owed_settle(&x->owed);
			if (err != 0) {
				return err;
			}
		}
		return owe(x, d, from, tile, out);
	}
	err = session_publish(x->session);
	PROBE2(call_published, d->call, err);
	out->ended_ns = exec_now(x);
	if (unlikely(err != 0)) {
		call_refuse(&x->call, err, "publishing the writes", session_why(x->session));
	}
	return err;
}

/* Makes what the next part begins with, before the own writes that are in it are published. */
static int
cut_give(struct exec *x, struct exec_outcome *out)
{
	int err = session_hand_give(x->session, &out->cut);

	return err == 0 ? 0
			: call_refuse(&x->call, err, "the next function", session_why(x->session));
}

/* Sends it, or forgets it. */
static void
cut_send(struct exec *x, const struct desc *d, const struct exec_from *from, int err,
	 struct exec_outcome *out)
{
	struct desc cut = { .kind = DESC_CUT, .call = d->call, .ref = out->cut };

	if (out->cut.len != 0 &&
	    (err != 0 || x->conf.ops.reply(x->conf.ops.ctx, from, &cut) != 0)) {
		payload_release(x->conf.pool, out->cut.handle, PROC_DAEMON);
	}
}

/* Runs a call whose arguments can be read, and publishes what it wrote. */
static int
run_and_publish(struct exec *x, const struct desc *d, const struct exec_from *from,
		struct slice args, uint64_t began, struct exec_outcome *out)
{
	int err;

	session_begin(x->session, &(struct session_call){
					  .id = d->call,
					  .deadline_ns = d->b,
					  .read_only = (d->sub & CALL_READ_ONLY) != 0,
					  .repeatable = (d->sub & CALL_LEVEL_MASK) == CALL_LEVEL_RR,
					  .ack = call_ack(d),
				  });
	x->call.session = x->session;
	x->call.mail = &x->mail;
	mail_begin(&x->mail, d->call);
	err = run(x, d, args, began, out);
	if (unlikely(out->is_part) && err == 0 && !out->for_caller) {
		err = cut_give(x, out);
	}
	if (likely(err == 0) && session_written(x->session)) {
		err = publish(x, d, from, out);
	}
	if (unlikely(err == 0 && mail_waits(&x->mail))) {
		err = mail_publish(&x->mail, d->b);
		out->ended_ns = exec_now(x);
		if (err != 0) {
			ulib_mail_refuse(&x->call, err, "publishing the messages");
		}
	}
	if (unlikely(out->is_part)) {
		cut_send(x, d, from, err, out);
	}
	if (unlikely(err != 0)) {
		mail_discard(&x->mail);
		session_discard(x->session);
	}
	return err;
}

/* Says in shared memory what this executor does. Hints: each is a store of its own. */
void
exec_show_run(struct exec *x, const struct desc *d, uint64_t now)
{
	struct region_run *run = x->conf.run;

	atomic_store_explicit(&run->fn, 0, memory_order_relaxed); /* until one begins */
	atomic_store_explicit(&run->started_ns, now, memory_order_relaxed);
	atomic_store_explicit(&run->call, d->call, memory_order_relaxed);
}

void
exec_note(struct exec *x, const struct desc *d, const struct exec_from *from,
	  const struct exec_outcome *out, int err)
{
	uint64_t end = out->ended_ns;
	uint64_t began = out->began_ns != 0 ? out->began_ns : end;
	uint64_t sent = (d->flags & CALL_F_TRACED) != 0 ? d->word[4] : 0;
	struct exec_trace line = {
		.call = d->call,
		.target = d->a,
		.is_dag = (d->sub & CALL_DAG) != 0,
		.is_part = out->is_part,
		.ran = out->began_ns != 0,
		.is_owed = out->is_owed,
		.is_direct = from->proc != PROC_DAEMON,
		.err = err,
		.taken_ns = out->start_ns,
		.before_ns = began - out->start_ns,
		.run_ns = out->run_ns,
		.after_ns = end - began - out->run_ns - out->on_ns,
	};

	if (unlikely(x->conf.trace == NULL)) {
		return;
	}
	/* What the client says is its word: it may say that it sent the call after it came. */
	if (unlikely(sent != 0 && sent < out->start_ns)) {
		line.link_ns = out->start_ns - sent;
	}
	if (unlikely((d->flags & DESC_F_INLINE) == 0)) {
		line.bytes = d->ref.len;
	}
	if (unlikely(out->result != NULL && out->result->len > DESC_INLINE_BYTES)) {
		line.bytes += out->result->len;
	}
	exec_trace_write(x->conf.trace, x->finished, &line);
}

void
exec_show_idle(struct exec *x, uint64_t busy_ns)
{
	struct region_run *run = x->conf.run;

	x->finished++;
	x->busy_ns += busy_ns;
	atomic_store_explicit(&run->finished, x->finished, memory_order_relaxed);
	atomic_store_explicit(&run->busy_ns, x->busy_ns, memory_order_relaxed);
	atomic_store_explicit(&run->call, 0, memory_order_relaxed);
}

int
exec_call(struct exec *x, const struct desc *d, const struct exec_from *from)
{
	struct desc reply;
	struct exec_outcome out = { .for_caller = true, .reply = &reply };
	uint64_t start;
	const uint8_t *p;
	size_t len;
	bool view = false;
	int err;

	if (unlikely((d->flags & CALL_F_BATCH) != 0 && from->proc == PROC_DAEMON)) {
		return exec_batch(x, d, from);
	}
	if (x->owed.cnt > 0 && !owed_allows(x, d, from)) {
		err = owed_settle(&x->owed);
		if (err != 0) {
			return err;
		}
	}
	start = exec_now(x);
	out.start_ns = start;
	x->call.id = d->call;
	x->call.deadline_ns = d->b;
	x->call.text[0] = '\0';
	PROBE2(call_taken, d->call, d->a);
	exec_show_run(x, d, start);
	err = exec_check(x, d, from, start);
	if (likely(err == 0)) {
		err = exec_args_open(x, d, from, &p, &len, &view);
	}
	if (likely(err == 0)) {
		/* Looking at arguments in memory of others may take a while: mapping it, faults. */
		err = run_and_publish(x, d, from, slice_of(p, len), view ? exec_now(x) : start,
				      &out);
	}
	out.ended_ns = out.ended_ns != 0 ? out.ended_ns : exec_now(x);
	if (!out.is_filled) {
		reply = exec_reply_to(x, d->call, &out, out.ended_ns);
		reply.err = (int16_t)err;
		if (unlikely(out.is_part) && session_published(x->session)) {
			reply.sub = REPLY_PUBLISHED;
		}
		if (unlikely(err == 0 && out.next != 0)) {
			reply.sub |= REPLY_GOES_ON;
			reply.b = out.next;
			out.for_caller = from->proc != PROC_DAEMON;
		}
		exec_reply_fill(x, &reply, out.result, out.for_caller);
	}
	exec_note(x, d, from, &out, reply.err);
	if (likely(!out.is_owed)) {
		exec_reply(x, from, &reply, out.for_caller);
	}
	PROBE3(call_replied, d->call, err, out.is_owed);
	/* The answer is on its way: what is left is cleaning up. */
	dagrun_drop(&x->dag, out.result_cnt);
	exec_inputs_close(x, &x->part, x->input_view, out.input_cnt);
	if (unlikely(x->cut_view)) {
		x->conf.ops.drop(x->conf.ops.ctx, &x->part.cut.ref);
		x->cut_view = false;
	}
	if (view) {
		x->conf.ops.drop(x->conf.ops.ctx, &d->ref);
	}
	err = unlikely(x->mail.used) ? mail_end(&x->mail) : 0;
	err = likely(err == 0) ? session_end(x->session) : err;
	exec_show_idle(x, out.ended_ns - start);
	return err;
}

int
exec_settle(struct exec *x)
{
	return owed_settle(&x->owed);
}

void
exec_on_part(struct exec *x, const struct desc *d)
{
	if (d->kind == DESC_BATCH) {
		batch_add(&x->batch, d, &x->part);
	} else {
		dagpart_add(&x->part, d);
	}
}

void
exec_on_answer(struct exec *x, const struct desc *d)
{
	if (!owed_answered(&x->owed, d) && !mail_on(&x->mail, d)) {
		session_on_answer(x->session, d);
	}
}

/* -------------------------------------------------------------------- life */

int
exec_create(struct exec **ret, const struct exec_conf *conf)
{
	struct exec *x = calloc(1, sizeof(*x));
	struct session_conf sc = { .pool = conf->pool,
				   .view = conf->view,
				   .cache_cnt = conf->cache_cnt,
				   .proc = conf->proc,
				   .commit = conf->commit };
	int err;

	if (x == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	x->conf = *conf;
	x->goal = (struct goal){ .dag = &x->dag,
				 .fns = &x->fns,
				 .placement = conf->placement,
				 .pool = conf->pool,
				 .proc = conf->proc };
	owed_init(&x->owed, &x->conf.ops, conf->pool, conf->trace);
	sc.wait = &x->owed.wait;
	err = session_create(&x->session, &sc);
	if (err != 0) {
		free(x);
		return err;
	}
	x->owed.session = x->session;
	x->owed.mail = &x->mail;
	mail_init(&x->mail, &x->conf.ops, &x->owed.wait, conf->pool, x->session, conf->proc);
	x->call.wait = &x->owed.wait;
	x->call.use = conf->trace != NULL ? conf->trace->stages.use : NULL;
	x->call.log = exec_log;
	x->call.log_ctx = x;
	x->call.shown = &x->conf.run->fn;
	*ret = x;
	return 0;
}

void
exec_destroy(struct exec *x)
{
	session_destroy(x->session);
	free(x);
}

struct fns *
exec_fns(struct exec *x)
{
	return &x->fns;
}

void
exec_budget_set(struct exec *x, void (*budget)(uint64_t bytes))
{
	x->call.budget = budget;
}

struct mb_call *
exec_init_call(struct exec *x)
{
	x->call.tag = "";
	return &x->call;
}

uint32_t
exec_held(const struct exec *x)
{
	return session_held(x->session) + x->owed.cnt + mail_held(&x->mail);
}
