/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_core - see kvs_core.h
 *
 * I1  Each GET, MERGE and SCAN is answered once: at once, or when its job ends.
 * I2  A job reads its delta only until the answer is sent: the delta is the asker's again then.
 *
 * I3  A delta is merged whole or not at all, and what fails says so. Only a long collection that is
 *     merged in pieces can fail in the middle: that is MB_ERR_INDETERMINATE.
 *
 * Two long merges into one key can be under way at once, and short ones overtake them. That is no
 * harm: they commute. Between two pieces of a collection readers see the items merged so far.
 */
#include "kvs_core.h"

#include <string.h>

#include "check.h"
#include "compiler.h"
#include "envelope.h"
#include "lattice.h"
#include "microburst/error.h"
#include "table.h"

void
kvs_core_init(struct kvs_core *c, struct kvs_shard *shard, const struct kvs_out *out)
{
	memset(c, 0, offsetof(struct kvs_core, piece));
	c->shard = shard;
	c->out = *out;
	c->free_cnt = KVS_JOB_MAX;
	for (uint32_t i = 0; i < KVS_JOB_MAX; i++) {
		c->job[i].next = c->free;
		c->free = &c->job[i];
	}
}

static void
answer_begin(struct desc *ret, enum kvs_msg_kind kind, const struct desc *request)
{
	*ret = (struct desc){ .kind = (uint8_t)kind, .call = request->call, .b = request->b };
}

/* Puts the envelope of a key into an answer: inline, or lent until RELEASE. */
static void
answer_with_state(struct kvs_core *c, struct desc *answer, struct slice key)
{
	struct kvs_value *v = kvs_shard_pin(c->shard, key);

	if (v == NULL || (v->tree == 0 && v->len <= DESC_INLINE_BYTES)) {
		answer->flags = DESC_F_INLINE;
		if (v != NULL) {
			answer->len = (uint8_t)v->len;
			memcpy(answer->data, v->bytes, v->len);
			kvs_shard_unpin(c->shard, v);
		}
		return;
	}
	kvs_msg_set_bytes(answer, kvs_value_slice(v));
	answer->word[2] = (uintptr_t)v;
}

static void
step_get(struct kvs_core *c, uint32_t from, const struct desc *d)
{
	struct desc answer;

	answer_begin(&answer, DESC_KVS_GOT, d);
	answer_with_state(c, &answer, kvs_msg_bytes(d));
	c->out.send(c->out.ctx, from, &answer);
}

static void
merged(struct kvs_core *c, uint32_t from, const struct desc *d, int err)
{
	struct desc answer;

	answer_begin(&answer, DESC_KVS_MERGED, d);
	answer.err = (int16_t)err;
	answer.flags = DESC_F_INLINE;
	if (err == 0 && (d->sub & KVS_WANT_STATE) != 0) {
		answer.flags = 0;
		answer_with_state(c, &answer, kvs_msg_bytes(d));
	}
	c->out.send(c->out.ctx, from, &answer);
}

static void
job_add(struct kvs_core *c, uint32_t from, const struct desc *d, struct kvs_value *v)
{
	struct kvs_job *job = c->free, **last = &c->busy;

	REQUIRE(job != NULL);
	c->free = job->next;
	c->free_cnt--;
	*job = (struct kvs_job){ .value = v, .from = from, .request = *d };
	while (*last != NULL) {
		last = &(*last)->next;
	}
	*last = job;
}

/* Whether a delta is a collection, so that a part of it is a delta as well. */
static bool
has_parts(struct slice delta)
{
	struct envelope e;

	return envelope_open(delta, &e) == 0 && lattice_table_ops(e.type) != NULL;
}

/* Turns a merge whose delta is too long for one step into a job. */
static void
job_start(struct kvs_core *c, uint32_t from, const struct desc *d, struct slice delta)
{
	struct kvs_value *v;

	if (has_parts(delta)) {
		job_add(c, from, d, NULL);
		return;
	}
	if (delta.len > KVS_ENVELOPE_MAX) {
		merged(c, from, d, MB_ERR_TOO_LARGE);
		return;
	}
	v = kvs_shard_value_alloc(c->shard, delta.len);
	if (v == NULL) {
		c->shard->stats.refused++;
		merged(c, from, d, MB_ERR_NO_MEMORY);
		return;
	}
	job_add(c, from, d, v);
}

static void
step_merge(struct kvs_core *c, uint32_t from, const struct desc *d)
{
	struct slice delta = kvs_msg_delta(d);

	if (unlikely(delta.len > KVS_STEP_BYTES)) { /* a tree, too */
		job_start(c, from, d, delta);
		return;
	}
	merged(c, from, d, kvs_shard_merge(c->shard, kvs_msg_bytes(d), delta));
}

static void
step_scan(struct kvs_core *c, uint32_t from, const struct desc *d)
{
	struct desc answer;

	kvs_shard_scan(c->shard, (struct kvs_scan *)(uintptr_t)d->word[0]);
	answer_begin(&answer, DESC_KVS_SCANNED, d);
	answer.word[0] = d->word[0];
	c->out.send(c->out.ctx, from, &answer);
}

void
kvs_core_step(struct kvs_core *c, uint32_t from, const struct desc *d)
{
	switch ((int)d->kind) {
	case DESC_KVS_GET:
		step_get(c, from, d);
		break;
	case DESC_KVS_MERGE:
		step_merge(c, from, d);
		break;
	case DESC_KVS_SCAN:
		step_scan(c, from, d);
		break;
	case DESC_KVS_RELEASE:
		kvs_shard_unpin(c->shard, (struct kvs_value *)(uintptr_t)d->word[2]);
		break;
	default:
		REQUIRE(false, "a kvs tile was sent kind %u", d->kind);
	}
}

/* Copies the next piece of a job's delta, and merges it after the last. Returns: whether it is
 * over, with *ret_err. */
static bool
job_copy(struct kvs_core *c, struct kvs_job *job, int *ret_err)
{
	struct slice delta = kvs_msg_delta(&job->request);
	size_t len = MIN(delta.len - job->done, (size_t)KVS_STEP_BYTES);

	memcpy(job->value->bytes + job->done, delta.p + job->done, len);
	job->done += (uint32_t)len;
	if (job->done < delta.len) {
		return false;
	}
	*ret_err = kvs_shard_merge_value(c->shard, kvs_msg_bytes(&job->request), job->value);
	return true;
}

/* Writes items [from, to) of run into an envelope like e, and merges it. */
static int
part_merge(struct kvs_core *c, struct slice key, const struct envelope *e, const struct table *run,
	   uint32_t from, uint32_t to, size_t bytes)
{
	size_t cap = bytes + envelope_bytes(e) - e->state.len;
	struct kvs_value *v = NULL;
	struct wbuf out = wbuf_init(c->piece, sizeof(c->piece));
	struct table_builder b;
	int err;

	if (cap > sizeof(c->piece)) { /* one long item, or sections of unusual length */
		v = kvs_shard_value_alloc(c->shard, cap);
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
		err = kvs_shard_merge(c->shard, key, wbuf_slice(&out));
	}
	if (v != NULL) {
		kvs_shard_value_free(c->shard, v);
	}
	return err;
}

/* Merges the next items of a job's delta. Returns: as job_copy. */
static bool
job_merge_part(struct kvs_core *c, struct kvs_job *job, int *ret_err)
{
	struct envelope e;
	struct table t, run;
	uint32_t from, to;
	size_t bytes = 0;

	*ret_err = envelope_open(kvs_msg_delta(&job->request), &e);
	*ret_err = *ret_err != 0 ? *ret_err : table_open(e.state, &t);
	if (*ret_err != 0 || !table_run(&t, job->done, &run, &from)) {
		return true;
	}
	for (to = from; to < run.cnt && (to == from || bytes < KVS_PIECE_BYTES); to++) {
		bytes += table_item(&run, to).len + TABLE_ITEM_OVERHEAD;
	}
	*ret_err = part_merge(c, kvs_msg_bytes(&job->request), &e, &run, from, to, bytes);
	if (*ret_err != 0) {
		/* What was merged stays. */
		*ret_err = job->done == 0 ? *ret_err : MB_ERR_INDETERMINATE;
		return true;
	}
	job->done += to - from;
	return job->done >= t.cnt;
}

bool
kvs_core_poll(struct kvs_core *c)
{
	struct kvs_job **at = &c->busy;
	bool busy = kvs_shard_sweep(c->shard) || c->busy != NULL;

	while (*at != NULL) {
		struct kvs_job *job = *at;
		int err;

		if (!(job->value != NULL ? job_copy(c, job, &err) : job_merge_part(c, job, &err))) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		merged(c, job->from, &job->request, err);
		job->next = c->free;
		c->free = job;
		c->free_cnt++;
	}
	return busy;
}
