/* SPDX-License-Identifier: Apache-2.0 */
/* cache_set - a write set that a process sent, brought here and checked
 *
 * What is long needs memory of the cache. A set that waits for some holds nothing that anybody
 * waits for, so it waits while any key is at work: what such a key has is not evicted, and can be
 * all there is.
 */
#include "cache_state.h"
#include "microburst/error.h"

static uint8_t *
set_mem(struct cache_core *c, struct cache_job *job)
{
	return job->set_block.off != 0 ? cache_block_ptr(c->cfg.base, &job->set_block) : job->small;
}

static int
set_copy(struct cache_core *c, struct cache_job *job)
{
	int err;

	if (job->copied == job->set_len) {
		return CACHE_STEP_DONE;
	}
	if (job->set_len > sizeof(job->small) && job->set_block.off == 0) {
		if (job->set_len > WSET_BYTES_MAX) {
			return MB_ERR_TOO_LARGE;
		}
		err = cache_core_alloc(c, job->set_len, &job->patience, &job->set_block);
		if (err != 0) {
			return err == MB_ERR_TRYAGAIN ? (int)CACHE_STEP_AGAIN : err;
		}
		job->patience = (struct cache_patience){ 0 };
	}
	return cache_value_piece(c, job, &job->payload, set_mem(c, job), &job->copied);
}

int
cache_set_bring(struct cache_core *c, struct cache_job *job)
{
	const uint8_t *p;
	uint32_t op_cnt;
	int step;

	if (c->proc[job->proc].inner && job->copied == 0) {
		step = c->cfg.ops.view(c->cfg.ops.ctx, &job->payload, &p);
		job->rest = slice_of(p, job->set_len);
		return step == 0 ? (int)CACHE_STEP_DONE : MB_ERR_INVALID;
	}
	step = set_copy(c, job);
	if (step != CACHE_STEP_DONE) {
		return step;
	}
	job->rest = slice_of(set_mem(c, job), job->set_len);
	return wset_check(job->rest, &op_cnt);
}
