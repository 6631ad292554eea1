/* SPDX-License-Identifier: Apache-2.0 */
/* cache_core - see cache_core.h; cache_state.h says what stands where
 *
 *   I1  Each request is answered once, while its process is up.
 *   I2  Only a write set that was accepted, or committed (region.h), outlives its process, and
 *       PROC_DOWN is answered when the last one of it is done: until then the process's memory is
 *       mapped, after that nobody looks at it.
 *   I3  No pointer into another process is kept from one step to the next: each step asks view
 *       again.
 *   I4  What is not finished is in exactly one place: a list that cache_core_poll goes through (to
 *       be run, being filled), a work that waits for the kvs tile, or a list at such a work.
 *   I5  A message from a kvs tile or from ctl is always taken; requests of processes only while
 *       there is room for all that they need at once.
 */
#include "cache_core.h"

#include <stdlib.h>
#include <string.h>

#include "cache_state.h"
#include "check.h"
#include "compiler.h"
#include "microburst/error.h"
#include "tile_msg.h"

#define MAGIC UINT32_C(0x4d424345)

/* Of the keys being filled so many get a piece done in one poll, of the deletes of large
 * collections some leaves so many times, and of the jobs that can run so many pieces that copy, or
 * so many operations: some 50 us each. */
#define POLL_PIECES 4
#define POLL_OPS    256

/* ------------------------------------------------------------------- helpers */

struct hlc_moment
cache_core_now(struct cache_core *c)
{
	return hlc_moment(&c->clock, timebase_wall_us(c->cfg.timebase));
}

void
cache_core_answer(struct cache_core *c, uint16_t proc, uint32_t inc, const struct desc *d)
{
	if (inc != 0 && c->proc[proc].inc == inc) {
		c->cfg.ops.to_proc(c->cfg.ops.ctx, proc, d);
	}
}

void
cache_core_to_kvs(struct cache_core *c, uint32_t kvs, const struct desc *d)
{
	cache_act_send(c, kvs);
	c->cfg.ops.to_kvs(c->cfg.ops.ctx, kvs, d);
}

void
cache_core_moving(struct cache_core *c, bool *moving, bool is)
{
	if (*moving != is) {
		*moving = is;
		c->moving_cnt += is ? 1 : -1;
	}
}

bool
cache_core_is_long(const struct cache_core *c, size_t bytes)
{
	return bytes >= CACHE_LONG_MIN &&
	       bytes > c->cfg.layout->shard[c->cfg.shard].heap_bytes / CACHE_LONG_SHARE;
}

/* How long it is worth waiting until some memory comes back by itself: not at all where none will.
 */
static uint64_t
wait_max_ns(const struct cache_core *c, const struct cache_patience *p)
{
	if (p->bare && c->work_free_cnt != CACHE_WORK_MAX) {
		return CACHE_LONG_WAIT_NS;
	}
	if (c->moving_cnt != 0) {
		return p->is_long ? CACHE_LONG_WAIT_NS : CACHE_ROOM_WAIT_NS;
	}
	if (cache_store_stats(c->store).retired_bytes == 0) {
		return 0;
	}
	return p->is_long ? CACHE_READER_WAIT_NS : CACHE_MOMENT_NS;
}

int
cache_core_patient(struct cache_core *c, int err, struct cache_patience *p)
{
	uint64_t now, wait_ns = wait_max_ns(c, p);

	if (err != MB_ERR_NO_MEMORY || wait_ns == 0) {
		return err;
	}
	now = timebase_now_ns(c->cfg.timebase);
	if (p->since_ns == 0) {
		p->since_ns = now;
	}
	return now - p->since_ns < wait_ns ? MB_ERR_TRYAGAIN : err;
}

int
cache_core_alloc(struct cache_core *c, size_t bytes, struct cache_patience *p,
		 struct cache_block *ret)
{
	return cache_core_patient(c, cache_store_alloc(c->store, bytes, &p->tries, ret), p);
}

int
cache_core_scratch(struct cache_core *c, size_t bytes, struct cache_patience *p, uint8_t *scratch,
		   struct cache_block *b, struct wbuf *ret)
{
	int err;

	*ret = wbuf_init(scratch, CACHE_SCRATCH);
	if (bytes <= CACHE_SCRATCH) {
		return 0;
	}
	err = cache_core_alloc(c, bytes, p, b);
	if (err == 0) {
		*ret = wbuf_init(cache_block_ptr(c->cfg.base, b), b->bytes);
	}
	return err;
}

struct cache_wait *
cache_wait_take(struct cache_core *c)
{
	struct cache_wait *w = STAILQ_FIRST(&c->waits_free);

	REQUIRE(w != NULL);
	STAILQ_REMOVE_HEAD(&c->waits_free, next);
	c->wait_free_cnt--;
	return w;
}

void
cache_wait_give(struct cache_core *c, struct cache_wait *w)
{
	STAILQ_INSERT_HEAD(&c->waits_free, w, next);
	c->wait_free_cnt++;
}

/* ----------------------------------------------------------- processes, from ctl */

static void
proc_up(struct cache_core *c, const struct desc *d)
{
	struct cache_proc *p = &c->proc[d->open.proc];

	REQUIRE(d->open.proc < PROC_CNT_MAX);
	REQUIRE(p->inc == 0);
	REQUIRE(!p->down);
	*p = (struct cache_proc){ .inc = d->open.inc,
				  .inner = d->b != 0 || d->sub == PROC_UP_OWN,
				  .system = d->sub == PROC_UP_SYSTEM };
}

void
cache_core_down_check(struct cache_core *c, uint16_t proc)
{
	struct cache_proc *p = &c->proc[proc];
	struct desc done;

	if (!p->down || p->job_cnt != 0 || p->late.kind != DESC_NONE) {
		return;
	}
	done = p->down_msg;
	done.kind = DESC_PROC_DOWN_DONE;
	done.dead.published = p->published;
	done.dead.owed = p->owed;
	done.dead.published_ns = p->published_ns;
	*p = (struct cache_proc){ 0 };
	c->cfg.ops.to_ctl(c->cfg.ops.ctx, &done);
}

static bool
desc_sane(const struct desc *d)
{
	return (d->flags & DESC_F_INLINE) == 0 || d->len <= DESC_INLINE_BYTES;
}

/* Of what a process sent to several tiles it may have died before it sent this one its part, or
 * before that was taken or accepted. What the others have of it happened, so this happens too. */
static void
proc_late(struct cache_core *c, uint16_t proc, uint32_t inc)
{
	struct cache_proc *p = &c->proc[proc];
	struct desc late;

	if (!c->cfg.ops.committed(c->cfg.ops.ctx, proc, inc, &late) || late.b == p->decided) {
		return;
	}
	if (late.kind != DESC_PUBLISH || !desc_sane(&late)) {
		c->stats.bad++;
		return;
	}
	p->late = late;
	c->late_cnt++;
}

static void
proc_down(struct cache_core *c, const struct desc *d)
{
	uint16_t proc = d->dead.proc;
	struct cache_proc *p = &c->proc[proc];

	REQUIRE(proc < PROC_CNT_MAX);
	REQUIRE(!p->down);
	p->inc = 0; /* from here on its answers go nowhere */
	p->down = true;
	p->down_msg = *d;
	c->cfg.ops.page_release_all(c->cfg.ops.ctx, proc);
	cache_job_drop_copying(c, proc);
	proc_late(c, proc, d->dead.inc);
	cache_core_down_check(c, proc);
}

static void
step_ctl(struct cache_core *c, const struct desc *d)
{
	struct desc done = *d;

	switch ((int)d->kind) {
	case DESC_PROC_UP:
		proc_up(c, d);
		break;
	case DESC_PROC_DOWN:
		proc_down(c, d);
		break;
	case DESC_SEG_DOWN:
		done.kind = DESC_SEG_DOWN_DONE; /* keeps I3: nothing points into it now */
		c->cfg.ops.to_ctl(c->cfg.ops.ctx, &done);
		break;
	default:
		REQUIRE(false, "a cache tile was sent kind %u by ctl", d->kind);
	}
}

/* -------------------------------------------------------------- the other sides */

static void
step_kvs(struct cache_core *c, uint32_t kvs, const struct desc *d)
{
	switch ((int)d->kind) {
	case DESC_KVS_GOT:
		cache_work_got(c, d);
		break;
	case DESC_KVS_MERGED:
		cache_flush_merged(c, d);
		break;
	case DESC_KVS_ACTED:
		cache_act_acted(c, d);
		break;
	case DESC_KVS_SCANNED:
		cache_scan_part(c, d);
		break;
	case DESC_KVS_TELL:
		cache_tell(c, kvs, d);
		break;
	case DESC_KVS_DROP:
		cache_tell_drop(c, kvs, d);
		break;
	default:
		REQUIRE(false, "a cache tile was sent kind %u by a kvs tile", d->kind);
	}
}

/* Pages of scans that come back. What the process does not hold is not ours to free. */
static void
step_release(struct cache_core *c, uint16_t proc, const struct desc *d)
{
	struct cache_proc *p = &c->proc[proc];
	uint32_t cnt = MIN((uint32_t)d->release.cnt, (uint32_t)ARRAY_CNT(d->release.handle));

	for (uint32_t i = 0; i < cnt; i++) {
		int err = c->cfg.ops.page_release(c->cfg.ops.ctx, proc, d->release.handle[i]);

		if (err == 0 && p->page_cnt > 0) {
			p->page_cnt--;
		}
		c->stats.bad += err != 0;
	}
}

static bool
step_proc(struct cache_core *c, uint16_t proc, const struct desc *d)
{
	REQUIRE(proc < PROC_CNT_MAX);
	if (c->proc[proc].inc == 0) {
		return false;
	}
	if (!desc_sane(d)) {
		c->stats.bad++;
		return false;
	}
	switch ((int)d->kind) {
	case DESC_FETCH:
		cache_work_fetch_req(c, proc, d);
		return true;
	case DESC_PUBLISH:
		cache_job_start(c, proc, d);
		return true;
	case DESC_SCAN:
		cache_scan_start(c, proc, d);
		return true;
	case DESC_READ:
		if (c->proc[proc].inner) {
			cache_read_start(c, proc, d);
			return true;
		}
		c->stats.bad++;
		return false;
	case DESC_LOAN_OVER:
		if (c->proc[proc].inner) {
			cache_lend_over(c, d);
		} else {
			c->stats.bad++;
		}
		return false;
	case DESC_RELEASE:
		step_release(c, proc, d);
		return false;
	default:
		c->stats.bad++;
		return false;
	}
}

bool
cache_core_step(struct cache_core *c, struct cache_from from, const struct desc *d)
{
	switch (from.side) {
	case CACHE_FROM_KVS:
		step_kvs(c, from.idx, d);
		return false;
	case CACHE_FROM_CTL:
		step_ctl(c, d);
		return false;
	default:
		return step_proc(c, from.idx, d);
	}
}

uint32_t
cache_core_room(const struct cache_core *c)
{
	return MIN(MIN(c->job_free_cnt, c->work_free_cnt), c->wait_free_cnt);
}

static void
job_again(struct cache_core *c, struct cache_job *job)
{
	struct cache_jobs *row = job->grow.open ? &c->jobs_grow : &c->jobs_run;

	STAILQ_INSERT_TAIL(row, job, next);
}

/* Goes on with some of the keys being filled, each at most once: those not reached stay in
 * front. */
static bool
poll_fills(struct cache_core *c)
{
	struct cache_works turn = STAILQ_HEAD_INITIALIZER(turn);
	bool busy = !STAILQ_EMPTY(&c->works_fill);

	STAILQ_CONCAT(&turn, &c->works_fill);
	for (uint32_t i = 0; i < POLL_PIECES && !STAILQ_EMPTY(&turn); i++) {
		struct cache_work *w = STAILQ_FIRST(&turn);

		STAILQ_REMOVE_HEAD(&turn, next);
		if (cache_work_fill(c, w) == CACHE_STEP_AGAIN) {
			STAILQ_INSERT_TAIL(&c->works_fill, w, next);
		}
	}
	STAILQ_CONCAT(&turn, &c->works_fill);
	STAILQ_CONCAT(&c->works_fill, &turn);
	return busy;
}

/* The same with those that delete a large collection, leaf by leaf. They are not in the row of
 * those below: a turn of theirs is some leaves, and of the others up to CACHE_OPS_STEP operations,
 * so a delete would take the longer the more others write, whatever they write. */
static bool
poll_grows(struct cache_core *c)
{
	bool busy = !STAILQ_EMPTY(&c->jobs_grow);

	for (uint32_t i = 0; i < POLL_PIECES && !STAILQ_EMPTY(&c->jobs_grow); i++) {
		struct cache_job *job = STAILQ_FIRST(&c->jobs_grow);

		STAILQ_REMOVE_HEAD(&c->jobs_grow, next);
		if (cache_job_run(c, job) == CACHE_STEP_AGAIN) {
			job_again(c, job);
		}
	}
	return busy;
}

/* The same with the other jobs that can run. One that could do nothing, for want of a work, counts
 * as a piece: when there is none the others are not asked. */
static bool
poll_jobs(struct cache_core *c)
{
	struct cache_jobs turn = STAILQ_HEAD_INITIALIZER(turn);
	bool busy = !STAILQ_EMPTY(&c->jobs_run);
	uint64_t op_end = c->stats.op_applied + POLL_OPS;
	uint32_t copied = 0;

	STAILQ_CONCAT(&turn, &c->jobs_run);
	while (copied < POLL_PIECES && c->stats.op_applied < op_end && !STAILQ_EMPTY(&turn)) {
		struct cache_job *job = STAILQ_FIRST(&turn);
		uint64_t op_cnt = c->stats.op_applied;

		STAILQ_REMOVE_HEAD(&turn, next);
		if (cache_job_run(c, job) == CACHE_STEP_AGAIN) {
			copied += c->stats.op_applied == op_cnt;
			job_again(c, job);
		}
	}
	STAILQ_CONCAT(&turn, &c->jobs_run);
	STAILQ_CONCAT(&c->jobs_run, &turn);
	return busy;
}

/* Takes what dead processes have committed, as room permits. */
static bool
poll_late(struct cache_core *c)
{
	bool busy = c->late_cnt != 0;

	for (uint16_t i = 0; i < PROC_CNT_MAX && c->late_cnt != 0; i++) {
		struct desc d = c->proc[i].late;

		if (d.kind != DESC_NONE && cache_core_room(c) > 0) {
			c->proc[i].late.kind = DESC_NONE;
			c->late_cnt--;
			cache_job_start(c, i, &d);
		}
	}
	return busy;
}

bool
cache_core_poll(struct cache_core *c)
{
	bool busy = cache_store_sweep(c->store);

	busy = poll_late(c) || busy;
	busy = poll_fills(c) || busy;
	busy = poll_grows(c) || busy;
	busy = poll_jobs(c) || busy;
	return cache_act_send_all(c) || busy;
}

uint64_t
cache_core_published(const struct cache_core *c, uint16_t proc)
{
	REQUIRE(proc < PROC_CNT_MAX);
	return c->proc[proc].published;
}

/* ------------------------------------------------------------------------ life */

static void
pools_init(struct cache_core *c)
{
	STAILQ_INIT(&c->jobs_free);
	STAILQ_INIT(&c->jobs_run);
	STAILQ_INIT(&c->jobs_grow);
	STAILQ_INIT(&c->works_free);
	STAILQ_INIT(&c->works_fill);
	STAILQ_INIT(&c->waits_free);
	for (uint32_t i = 0; i < CACHE_JOB_MAX; i++) {
		STAILQ_INSERT_TAIL(&c->jobs_free, &c->job[i], next);
	}
	for (uint32_t i = 0; i < CACHE_WORK_MAX; i++) {
		STAILQ_INSERT_TAIL(&c->works_free, &c->work[i], next);
	}
	for (uint32_t i = 0; i < CACHE_WAIT_MAX; i++) {
		STAILQ_INSERT_TAIL(&c->waits_free, &c->wait[i], next);
	}
	c->job_free_cnt = CACHE_JOB_MAX;
	c->work_free_cnt = CACHE_WORK_MAX;
	c->wait_free_cnt = CACHE_WAIT_MAX;
}

int
cache_core_create(struct cache_core **ret, const struct cache_core_cfg *cfg)
{
	struct cache_core *c = calloc(1, sizeof(*c));
	struct cache_store_cfg store = {
		.base = cfg->base,
		.layout = cfg->layout,
		.shard = cfg->shard,
		.hazards = cfg->ops.hazards,
		.ctx = cfg->ops.ctx,
	};
	int err;

	REQUIRE(cfg->writer.v != 0);
	REQUIRE(cfg->kvs_cnt >= 1);
	REQUIRE(cfg->kvs_cnt <= CACHE_KVS_MAX);
	if (c == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	c->cfg = *cfg;
	if (c->cfg.ack == KVS_ACK_DEFAULT) {
		c->cfg.ack = KVS_ACK_ONE;
	}
	hlc_init(&c->clock, (struct hlc_time){ 0 });
	c->page_credit = CACHE_PAGE_CREDIT;
	pools_init(c);
	cache_acts_init(c);
	err = cache_store_create(&c->store, &store);
	if (err == 0) {
		err = cache_scan_create(c);
		if (err != 0) {
			cache_store_destroy(c->store);
		}
	}
	if (err != 0) {
		free(c);
		return err;
	}
	c->magic = MAGIC;
	*ret = c;
	return 0;
}

void
cache_core_destroy(struct cache_core *c)
{
	REQUIRE(c->magic == MAGIC);
	c->magic = 0;
	cache_scan_destroy(c);
	cache_store_destroy(c->store);
	free(c);
}

/* ------------------------------------------------------------------ inspection */

struct cache_stats
cache_core_stats(const struct cache_core *c)
{
	struct cache_store_stats store = cache_store_stats(c->store);
	struct cache_stats stats = c->stats;

	stats.evicted = store.evicted;
	stats.hazard_scanned = store.scanned;
	stats.key_cnt = store.key_cnt;
	stats.used_bytes = store.used_bytes;
	stats.retired_bytes = store.retired_bytes;
	return stats;
}

uint32_t
cache_core_busy(const struct cache_core *c)
{
	uint32_t cnt = CACHE_WAIT_MAX - c->wait_free_cnt + CACHE_JOB_MAX - c->job_free_cnt +
		       CACHE_WORK_MAX - c->work_free_cnt + c->late_cnt;

	for (uint32_t i = 0; i < CACHE_SCAN_MAX; i++) {
		cnt += c->scan[i].busy;
	}
	return cnt;
}

void
cache_core_check(const struct cache_core *c)
{
	uint32_t kept = 0, moving = 0, job_cnt = 0, work_cnt = 0;

	for (uint32_t i = 0; i < CACHE_WORK_MAX; i++) {
		const struct cache_work *w = &c->work[i];

		work_cnt += w->state != CACHE_WORK_FREE;
		kept += w->state == CACHE_WORK_READY;
		moving += w->moving;
		INSIST(w->state != CACHE_WORK_READY ||
		       cache_store_find(c->store, w->hash, cache_work_key(w)) == w->entry);
		INSIST(w->state == CACHE_WORK_READY
			       ? cache_work_leaves(w) || w->chain != NULL || STAILQ_EMPTY(&w->jobs)
			       : !cache_work_leaves(w));
	}
	for (uint32_t i = 0; i < CACHE_JOB_MAX; i++) {
		job_cnt += c->job[i].state != CACHE_JOB_FREE;
		moving += c->job[i].moving;
	}
	INSIST(job_cnt == CACHE_JOB_MAX - c->job_free_cnt);
	INSIST(work_cnt == CACHE_WORK_MAX - c->work_free_cnt);
	INSIST(kept == cache_store_kept_cnt(c->store));
	INSIST(moving == c->moving_cnt);
	cache_store_check(c->store);
}
