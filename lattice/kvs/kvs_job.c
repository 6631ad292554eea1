/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_job - see kvs_job.h */
#include "kvs_job.h"

#include <string.h>

#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "envelope.h"
#include "kvs_act.h"
#include "kvs_msg.h"
#include "lattice.h"
#include "microburst/error.h"
#include "pages.h"
#include "table.h"
#include "tree.h"
#include "view.h"

#define BRING_MIN (4U << 20)

static_assert(offsetof(struct kvs_value, bytes) == KVS_VALUE_LEAN,
	      "where a value lies that has pages to itself");

void
kvs_jobs_init(struct kvs_jobs *js, struct kvs_shard *shard, const struct kvs_job_ops *ops)
{
	memset(js, 0, offsetof(struct kvs_jobs, piece));
	js->shard = shard;
	js->ops = *ops;
	js->free_cnt = KVS_JOB_MAX;
	for (uint32_t i = 0; i < KVS_JOB_MAX; i++) {
		js->job[i].next = js->free;
		js->free = &js->job[i];
	}
}

/* Whether a delta is a collection, so that a part of it is a delta as well. */
static bool
has_parts(struct slice delta)
{
	struct envelope e;

	return envelope_open(delta, &e) == 0 && lattice_table_ops(e.type) != NULL;
}

struct slice
kvs_job_key(const struct kvs_job *job)
{
	const struct kvs_act *act = kvs_act_of(&job->request);

	return act != NULL ? act->key : kvs_msg_bytes(&job->request);
}

/* The memory of what a job merges whole; NULL in *ret: it is merged in pieces. */
static int
value_make(struct kvs_jobs *js, const struct desc *request, struct kvs_value **ret)
{
	const struct kvs_act *act = kvs_act_of(request);
	size_t len = act != NULL ? act->long_bytes : kvs_msg_delta(request).len;

	*ret = NULL;
	if (act == NULL && has_parts(kvs_msg_delta(request))) {
		return 0;
	}
	if (len > KVS_ENVELOPE_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	*ret = kvs_shard_value_alloc(js->shard, len);
	return *ret == NULL ? MB_ERR_NO_MEMORY : 0;
}

/* Whether a job that finds no memory is not refused, but tried again. */
static bool
may_wait(const struct kvs_jobs *js, const struct kvs_job *job, int err)
{
	return err == MB_ERR_NO_MEMORY && js->busy != NULL && job != js->busy;
}

int
kvs_job_start(struct kvs_jobs *js, uint32_t from, bool told, const struct desc *request)
{
	struct kvs_job *job = js->free, **last = &js->busy;
	struct kvs_value *v;
	bool waits;
	int err;

	REQUIRE(job != NULL);
	js->shard->room.owed = told;
	err = value_make(js, request, &v);
	js->shard->room.owed = false;
	waits = may_wait(js, job, err);
	if (err != 0 && !waits) {
		js->shard->stats.refused += err == MB_ERR_NO_MEMORY;
		return err;
	}
	js->free = job->next;
	js->free_cnt--;
	*job = (struct kvs_job){
		.value = v,
		.from = from,
		.told = told,
		.waits = waits,
		.request = *request,
	};
	while (*last != NULL) {
		last = &(*last)->next;
	}
	*last = job;
	return 0;
}

/* The long item at hand, if there is one, is merged or given up. */
static void
part_end(struct kvs_jobs *js, struct kvs_job *job)
{
	if (job->part != NULL) {
		kvs_shard_value_free(js->shard, job->part);
		job->part = NULL;
	}
	job->part_done = 0;
	grove_ready_drop(&js->shard->grove, &job->ready);
}

/* Ends a job that did not merge all. Returns: that it is over. */
static bool
fail(struct kvs_jobs *js, struct kvs_job *job, int err)
{
	part_end(js, job);
	if (job->value != NULL) {
		kvs_shard_value_free(js->shard, job->value);
	}
	js->ops.failed(js->ops.ctx, job, err);
	return true;
}

/* Brings an act's value with its pages, and copies what stands around them. Below BRING_MIN that
 * saves little, and each time can cut the shard's memory in two more places. Returns: how many
 * bytes are there. */
static uint32_t
bring(const struct kvs_jobs *js, const struct kvs_act *act, struct kvs_value *v)
{
	uint8_t *to = v->bytes + act->value_at, *from = (uint8_t *)(uintptr_t)act->value.p;
	size_t len = act->value.len, head, pages;

	if (!act->gives || js->shard->bring == NULL || len < BRING_MIN ||
	    ((uintptr_t)to - (uintptr_t)from) % PAGES_BYTES != 0) {
		return 0;
	}
	head = ALIGN_UP((uintptr_t)to, PAGES_BYTES) - (uintptr_t)to;
	pages = (len - head) / PAGES_BYTES * PAGES_BYTES;
	copy_bytes(to, from, head);
	pages = js->shard->bring(js->shard->bring_ctx, to + head, from + head, pages);
	return (uint32_t)(head + pages);
}

/* Copies the next piece of a delta, or of an act's value, and merges it after the last. Returns:
 * whether that was it. */
static bool
copy_step(struct kvs_jobs *js, struct kvs_job *job)
{
	const struct kvs_act *act = kvs_act_of(&job->request);
	struct slice delta = act != NULL ? act->value : kvs_msg_delta(&job->request);
	struct kvs_value *v = job->value;
	size_t at, len;
	int err;

	if (job->done == 0 && act != NULL) {
		job->done = bring(js, act, v);
	}
	at = job->done + (act != NULL ? act->value_at : 0);
	len = MIN(delta.len - job->done, (size_t)KVS_STEP_BYTES);
	copy_part(v->bytes + at, delta.p + job->done, len, delta.len);
	job->done += (uint32_t)len;
	if (job->done < delta.len) {
		return false;
	}
	err = js->ops.may(js->ops.ctx, job);
	if (err != 0) {
		return fail(js, job, err);
	}
	job->value = NULL; /* the shard's, whatever it says */
	if (act != NULL) {
		err = kvs_act_long(js->shard, (struct kvs_acts *)(uintptr_t)job->request.word[0],
				   (uint32_t)job->request.word[1], v, &delta);
	} else {
		err = kvs_shard_merge_value(js->shard, kvs_msg_bytes(&job->request), v);
	}
	if (err != 0) {
		return fail(js, job, err);
	}
	js->ops.merged(js->ops.ctx, job, delta, true);
	return true;
}

/* Merges some of the delta, or all of it, and says so. */
static int
piece_merge(struct kvs_jobs *js, struct kvs_job *job, struct slice piece, bool last)
{
	int err = kvs_shard_merge(js->shard, kvs_msg_bytes(&job->request), piece);

	if (err == 0) {
		js->ops.merged(js->ops.ctx, job, piece, last);
	}
	return err;
}

/* Writes items [from, to) of run into an envelope like e, and merges it. */
static int
part_merge(struct kvs_jobs *js, struct kvs_job *job, const struct envelope *e,
	   const struct table *run, uint32_t from, uint32_t to, size_t bytes, bool last)
{
	size_t cap = bytes + envelope_bytes(e) - e->state.len;
	struct kvs_value *v = NULL;
	struct wbuf out = wbuf_init(js->piece, sizeof(js->piece));
	struct table_builder b;
	int err;

	if (cap > sizeof(js->piece)) { /* sections of unusual length */
		v = kvs_shard_value_alloc(js->shard, cap);
		if (v == NULL) {
			return MB_ERR_NO_MEMORY;
		}
		out = wbuf_init(v->bytes, cap);
	}
	table_begin(&b, &out);
	table_add_run(&b, run, from, to);
	err = table_end(&b);
	if (err == 0) {
		err = envelope_write_tail(e, &out);
	}
	if (err == 0) {
		err = piece_merge(js, job, wbuf_slice(&out), last);
	}
	if (v != NULL) {
		kvs_shard_value_free(js->shard, v);
	}
	return err;
}

/* Makes a long item, in pieces, a delta by itself: in job->part. Returns: also MB_ERR_TRYAGAIN. */
static int
long_part(struct kvs_jobs *js, struct kvs_job *job, const struct envelope *e, struct slice item)
{
	size_t len = MIN(item.len - job->part_done, (size_t)KVS_STEP_BYTES);
	size_t cap = item.len + TABLE_ITEM_OVERHEAD + envelope_bytes(e) - e->state.len;
	struct table_builder b;
	struct wbuf out;

	if (job->part == NULL) {
		job->part = kvs_shard_value_alloc(js->shard, cap);
		if (job->part == NULL) {
			return MB_ERR_NO_MEMORY;
		}
	}
	copy_bytes(job->part->bytes + job->part_done, item.p + job->part_done, len);
	job->part_done += (uint32_t)len;
	if (job->part_done < item.len) {
		return MB_ERR_TRYAGAIN;
	}
	out = wbuf_init(job->part->bytes, cap);
	table_begin(&b, &out);
	out.len = item.len;
	table_item_end(&b);
	INSIST(table_end(&b) == 0);
	job->part->len = (uint32_t)cap;
	return envelope_write_tail(e, &out);
}

/* Goes on with a long item: as a delta by itself, which the request's may be already; then to its
 * leaf; then merged. Returns: also MB_ERR_TRYAGAIN. */
static int
long_step(struct kvs_jobs *js, struct kvs_job *job, const struct envelope *e, struct slice item,
	  bool last)
{
	struct slice delta = kvs_msg_delta(&job->request);
	struct grove *g = &js->shard->grove;
	int err;

	if (!last || job->done > 0 || slice_is_tree(delta)) {
		if (job->part_done < item.len) {
			err = long_part(js, job, e, item);
			return err != 0 ? err : MB_ERR_TRYAGAIN;
		}
		delta = kvs_value_slice(job->part);
		item.p = delta.p;
	}
	/* Without memory for the leaf merging will say so, if it needs it. */
	err = grove_ready_item(g, &job->ready, item, KVS_STEP_BYTES);
	if (err == MB_ERR_TRYAGAIN || may_wait(js, job, err)) {
		return MB_ERR_TRYAGAIN;
	}
	g->ready = &job->ready;
	err = piece_merge(js, job, delta, last);
	g->ready = NULL;
	part_end(js, job);
	return err;
}

/* Merges the next items of a delta. Returns: whether those were the last. */
static bool
part_step(struct kvs_jobs *js, struct kvs_job *job)
{
	struct slice delta = kvs_msg_delta(&job->request);
	int err = js->ops.may(js->ops.ctx, job);
	struct envelope e;
	struct table t, run;
	uint32_t from, to;
	size_t bytes = 0;
	bool last;

	err = err != 0 ? err : envelope_open(delta, &e);
	err = err != 0 ? err : table_open(e.state, &t);
	if (err == 0 && !table_run(&t, job->done, &run, &from)) {
		err = MB_ERR_CORRUPT; /* a long delta with nothing in it */
	}
	if (err != 0) {
		return fail(js, job, job->done == 0 ? err : MB_ERR_INDETERMINATE);
	}
	for (to = from; to < run.cnt && bytes < KVS_PIECE_BYTES; to++) {
		size_t item = table_item(&run, to).len;

		if (to > from && item > KVS_STEP_BYTES) {
			break;
		}
		bytes += item + TABLE_ITEM_OVERHEAD;
	}
	last = job->done + (to - from) >= t.cnt;
	js->shard->room.whole = slice_is_tree(delta) && !view_present(e.type, e.state);
	err = table_item(&run, from).len > KVS_STEP_BYTES
		      ? long_step(js, job, &e, table_item(&run, from), last)
		      : part_merge(js, job, &e, &run, from, to, bytes, last);
	js->shard->room.whole = false;
	if (err == MB_ERR_TRYAGAIN || may_wait(js, job, err)) {
		return false;
	}
	if (err != 0) { /* what was merged stays */
		return fail(js, job, job->done == 0 ? err : MB_ERR_INDETERMINATE);
	}
	job->done += to - from;
	job->bytes += (uint32_t)bytes;
	return last;
}

/* Takes the memory for which a job waits. Returns: whether the job is over: it was refused. */
static bool
wait_step(struct kvs_jobs *js, struct kvs_job *job)
{
	int err = value_make(js, &job->request, &job->value);

	if (err == 0 || may_wait(js, job, err)) {
		job->waits = err != 0;
		return false;
	}
	js->shard->stats.refused++;
	return fail(js, job, err);
}

static bool
job_step(struct kvs_jobs *js, struct kvs_job *job)
{
	bool over;

	js->shard->room.owed = job->told;
	if (job->waits) {
		over = wait_step(js, job);
	} else {
		over = job->value != NULL ? copy_step(js, job) : part_step(js, job);
	}
	js->shard->room.owed = false;
	return over;
}

/* What is done of a job in a poll: of a collection some pieces, as those of a tree are leaves, and
 * of the oldest as many bytes as a step copies. A poll may be long, as others write. Returns:
 * whether it is over. */
static bool
job_turn(struct kvs_jobs *js, struct kvs_job *job)
{
	uint32_t most = job == js->busy ? KVS_STEP_BYTES : KVS_PIECE_BYTES, done;
	bool over;

	job->bytes = 0;
	do {
		done = job->done;
		over = job_step(js, job);
	} while (!over && job->value == NULL && job->done > done && job->bytes < most);
	return over;
}

bool
kvs_jobs_poll(struct kvs_jobs *js)
{
	struct kvs_job **at = &js->busy;
	bool busy = js->busy != NULL;

	while (*at != NULL) {
		struct kvs_job *job = *at;

		if (!job_turn(js, job)) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		job->next = js->free;
		js->free = job;
		js->free_cnt++;
	}
	return busy;
}
