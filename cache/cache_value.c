/* SPDX-License-Identifier: Apache-2.0 */
/* cache_value - a value that came by reference, brought to where it stays
 *
 *	an item too long for one step	one block:  a leaf's head | item | rest of the delta
 *	any other				    delta, with the value in its place
 *
 * The bytes of a long item are copied once. The delta is made around them, and where a tree takes
 * the item as a leaf of its own, the block is that leaf: it is what readers see, and, as long as
 * the tree's root is lent for that (cache_flush.c), what the store is sent. Rejected: a leaf beside
 * the delta (a cache of four times the longest value held one write of one, and refused the next).
 */
#include "cache_state.h"
#include "check.h"
#include "copy.h"
#include "delta.h"
#include "microburst/error.h"

int
cache_value_view(struct cache_core *c, const struct cache_job *job, const struct payload_ref *ref,
		 const uint8_t **ret)
{
	if (ref->seg != PAYLOAD_SEG_OWN) {
		return c->cfg.ops.view(c->cfg.ops.ctx, ref, ret);
	}
	if (!job->afar) {
		return MB_ERR_INVALID; /* a stranger's address */
	}
	*ret = payload_own_ptr(ref);
	return 0;
}

int
cache_value_piece(struct cache_core *c, const struct cache_job *job, const struct payload_ref *ref,
		  uint8_t *mem, uint32_t *copied)
{
	uint32_t len = MIN(ref->len - *copied, CACHE_COPY_STEP);
	const uint8_t *p;

	if (len == 0) {
		return CACHE_STEP_DONE;
	}
	if (cache_value_view(c, job, ref, &p) != 0) {
		return MB_ERR_INVALID;
	}
	copy_part(mem + *copied, p + *copied, len, ref->len);
	*copied += len;
	return *copied == ref->len ? CACHE_STEP_DONE : CACHE_STEP_AGAIN;
}

bool
cache_value_begin(struct cache_core *c, struct cache_job *job)
{
	if (job->patience.is_long && c->long_job == NULL) {
		c->long_job = job;
	}
	return !job->patience.is_long || c->long_job == job;
}

void
cache_value_end(struct cache_core *c, const struct cache_job *job)
{
	if (c->long_job == job) {
		c->long_job = NULL;
	}
}

void
cache_value_free(struct cache_core *c, struct cache_job *job)
{
	cache_store_free(c->store, &job->value);
	job->ready.node = NULL; /* the same block */
}

size_t
cache_value_head(const struct wset_op *op)
{
	return op->by_ref && op->ref.len > CACHE_COPY_STEP && op->kind != WSET_PUT &&
			       op->kind != WSET_MERGE && delta_value_at(op) != DELTA_VALUE_NOWHERE
		       ? sizeof(struct tree_node)
		       : 0;
}

/* Takes the memory for a value, and for what will stand around it. */
static int
value_alloc(struct cache_core *c, struct cache_job *job)
{
	const size_t len = job->op.ref.len, at = delta_value_at(&job->op);
	/* What is stored is not known yet; nothing says more of it than that. */
	const struct slice longest = { NULL, CACHE_SCRATCH };
	size_t bytes = len;
	int err;

	if (at != DELTA_VALUE_NOWHERE) {
		bytes = cache_value_head(&job->op) +
			cache_block_bytes(job->op.key.len, delta_bound(longest, &job->op, len));
	}
	err = cache_core_alloc(c, bytes, &job->patience, &job->value);
	if (err == 0) {
		cache_core_moving(c, &job->moving, true);
	}
	return err;
}

int
cache_value_bring(struct cache_core *c, struct cache_job *job)
{
	const size_t len = job->op.ref.len, in_delta = delta_value_at(&job->op);
	const size_t head = cache_value_head(&job->op);
	const size_t at = in_delta == DELTA_VALUE_NOWHERE ? 0 : head + in_delta;
	uint8_t *p;
	int step;

	if (!job->op.by_ref) {
		return CACHE_STEP_DONE;
	}
	if (job->value.off == 0) {
		int err = value_alloc(c, job);

		if (err != 0) {
			return err == MB_ERR_TRYAGAIN ? (int)CACHE_STEP_AGAIN : err;
		}
	}
	p = cache_block_ptr(c->cfg.base, &job->value);
	step = cache_value_piece(c, job, &job->op.ref, p + at, &job->value_copied);
	if (step != CACHE_STEP_AGAIN) {
		cache_core_moving(c, &job->moving, false);
		job->op.value = slice_of(p + at, len);
	}
	if (step == CACHE_STEP_DONE && head != 0) {
		grove_ready_here(&job->ready, p, job->value.bytes, in_delta + len);
	}
	return step;
}
