/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_core - see kvs_core.h
 *
 * I1  Each GET, MERGE and SCAN is answered once: at once, or when its job ends.
 * I2  A job reads its delta only until the answer is sent: the delta is the asker's again then.
 *
 * Two long merges into one key can be under way at once, and short ones overtake them. That is no
 * harm: they commute.
 */
#include "kvs_core.h"

#include <string.h>

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"

void
kvs_core_init(struct kvs_core *c, struct kvs_shard *shard, const struct kvs_out *out)
{
	*c = (struct kvs_core){ .shard = shard, .out = *out, .free_cnt = KVS_JOB_MAX };
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

	if (v == NULL || v->len <= DESC_INLINE_BYTES) {
		answer->flags = DESC_F_INLINE;
		if (v != NULL) {
			answer->len = (uint8_t)v->len;
			memcpy(answer->data, v->bytes, v->len);
			kvs_shard_unpin(c->shard, v);
		}
		return;
	}
	kvs_msg_set_bytes(answer, slice_of(v->bytes, v->len));
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

/* Turns a merge whose delta is too long for one step into a job. */
static void
job_start(struct kvs_core *c, uint32_t from, const struct desc *d, size_t delta_len)
{
	struct kvs_value *v = kvs_shard_value_alloc(c->shard, delta_len);
	struct kvs_job *job = c->free, **last = &c->busy;

	if (v == NULL) {
		c->shard->stats.refused++;
		merged(c, from, d, MB_ERR_NO_MEMORY);
		return;
	}
	REQUIRE(job != NULL);
	c->free = job->next;
	c->free_cnt--;
	*job = (struct kvs_job){ .value = v, .from = from, .request = *d };
	while (*last != NULL) {
		last = &(*last)->next;
	}
	*last = job;
}

static void
step_merge(struct kvs_core *c, uint32_t from, const struct desc *d)
{
	struct slice delta = kvs_msg_delta(d);

	if (unlikely(delta.len > KVS_STEP_BYTES)) {
		if (delta.len > KVS_ENVELOPE_MAX) {
			merged(c, from, d, MB_ERR_TOO_LARGE);
			return;
		}
		job_start(c, from, d, delta.len);
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

/* Copies the next piece of a job's delta. Returns: whether that was the last one. */
static bool
job_step(struct kvs_job *job)
{
	struct slice delta = kvs_msg_delta(&job->request);
	size_t len = MIN(delta.len - job->copied, (size_t)KVS_STEP_BYTES);

	memcpy(job->value->bytes + job->copied, delta.p + job->copied, len);
	job->copied += (uint32_t)len;
	return job->copied == delta.len;
}

bool
kvs_core_poll(struct kvs_core *c)
{
	struct kvs_job **at = &c->busy;
	bool busy = c->busy != NULL;

	while (*at != NULL) {
		struct kvs_job *job = *at;
		int err;

		if (!job_step(job)) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		err = kvs_shard_merge_value(c->shard, kvs_msg_bytes(&job->request), job->value);
		merged(c, job->from, &job->request, err);
		job->next = c->free;
		c->free = job;
		c->free_cnt++;
	}
	return busy;
}
