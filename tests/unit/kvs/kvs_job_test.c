/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a long delta is merged, piece by piece or after it was copied; each piece is told as a
 * delta;
 *         and what cannot be merged says how far it got.
 * Method: jobs over a shard; the test is the core, and counts what it is told. Failures first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gset.h"
#include "kvs_job.h"
#include "kvs_msg.h"
#include "kvs_value.h"
#include "lattice.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#define SHARD_BYTES ((size_t)32 << 20)
#define LONG_BYTES  (300u << 10)
#define MEMBER_CNT  20000u

struct world {
	struct kvs_shard *shard;
	struct kvs_jobs jobs;
	uint8_t *mem;
	struct wbuf values;
	int may; /* what the next pieces are told */
	uint32_t pieces, ends;
	int err;
	size_t piece_max;
};

static int
may(void *ctx, const struct kvs_job *job)
{
	return ((struct world *)ctx)->may;
}

static void
merged(void *ctx, const struct kvs_job *job, struct slice delta, bool last)
{
	struct world *w = ctx;

	assert_int_equal(job->from, 3);
	w->pieces++;
	w->piece_max = delta.len > w->piece_max ? delta.len : w->piece_max;
	w->ends += last;
	w->err = 0;
}

static void
failed(void *ctx, const struct kvs_job *job, int err)
{
	struct world *w = ctx;

	w->ends++;
	w->err = err;
}

static struct world *
world_make(size_t bytes)
{
	struct world *w = calloc(1, sizeof(*w));
	struct kvs_job_ops ops = { may, merged, failed, w };
	void *mem = aligned_alloc(64, kvs_shard_extent(bytes));

	assert_non_null(w);
	assert_non_null(mem);
	w->mem = malloc(16 << 20);
	assert_non_null(w->mem);
	w->values = wbuf_init(w->mem, 16 << 20);
	w->shard = kvs_shard_init(mem, bytes, 3);
	kvs_jobs_init(&w->jobs, w->shard, &ops);
	return w;
}

static void
world_end(struct world *w)
{
	assert_int_equal(w->jobs.free_cnt, KVS_JOB_MAX);
	while (kvs_shard_sweep(w->shard)) {
	}
	heap_check(w->shard->heap);
	free(w->shard);
	free(w->mem);
	free(w);
}

/* A set of many members. */
static struct slice
members(struct world *w, uint32_t cnt)
{
	static char text[MEMBER_CNT][24];
	static struct slice member[MEMBER_CNT];
	size_t start = w->values.len;
	struct wbuf state = wbuf_init(w->mem + (8 << 20), 8 << 20);
	struct envelope e = { .type = LATTICE_GSET };

	for (uint32_t i = 0; i < cnt; i++) {
		member[i] = slice_of(text[i], (size_t)snprintf(text[i], 24, "member %010u", i));
	}
	assert_int_equal(gset_delta_add(member, cnt, &state), 0);
	e.state = wbuf_slice(&state);
	assert_int_equal(envelope_write(&e, &w->values), 0);
	return slice_of(w->values.p + start, w->values.len - start);
}

static struct slice
long_set(struct world *w)
{
	uint8_t *bytes = calloc(1, LONG_BYTES);
	struct slice v = value_set(&w->values, 1, slice_of(bytes, LONG_BYTES));

	free(bytes);
	return v;
}

static int
start(struct world *w, struct slice delta)
{
	struct desc d = { .kind = DESC_KVS_MERGE };

	kvs_msg_set_bytes(&d, slice_str("k"));
	kvs_msg_set_delta(&d, delta);
	return kvs_job_start(&w->jobs, 3, false, &d);
}

/* Runs to the end. Returns: how many polls that took. */
static uint32_t
run(struct world *w)
{
	uint32_t polls = 0;

	while (kvs_jobs_poll(&w->jobs)) {
		polls++;
	}
	return polls;
}

/* Refused at the start, or when its turn to merge comes: nothing changed. */
static void
refused(void **state)
{
	struct world *w = world_make(SHARD_BYTES);
	struct slice delta = long_set(w);
	uint8_t *huge = calloc(1, KVS_ENVELOPE_MAX + 1);

	(void)state;
	assert_non_null(huge);
	assert_int_equal(start(w, slice_of(huge, KVS_ENVELOPE_MAX + 1)), MB_ERR_TOO_LARGE);
	free(huge);
	w->may = MB_ERR_MOVED;
	assert_int_equal(start(w, delta), 0);
	run(w);
	assert_int_equal(w->ends, 1);
	assert_int_equal(w->err, MB_ERR_MOVED);
	assert_int_equal(start(w, members(w, MEMBER_CNT)), 0);
	run(w);
	assert_int_equal(w->ends, 2);
	assert_int_equal(w->err, MB_ERR_MOVED);
	assert_int_equal(w->pieces, 0);
	assert_int_equal(kvs_shard_key_cnt(w->shard), 0);
	world_end(w);
}

static void
no_memory(void **state)
{
	struct world *w = world_make(1 << 20);
	struct slice delta = value_set(&w->values, 1, slice_of(w->mem + (4 << 20), 2 << 20));

	(void)state;
	assert_int_equal(start(w, delta), MB_ERR_NO_MEMORY);
	assert_int_equal(w->shard->stats.refused, 1);
	world_end(w);
}

/* A collection that stops in the middle: what is merged stays, and nobody calls it whole. */
static void
stops_in_the_middle(void **state)
{
	struct world *w = world_make(SHARD_BYTES);
	struct slice delta = members(w, MEMBER_CNT);
	struct envelope e;

	(void)state;
	assert_int_equal(start(w, delta), 0);
	kvs_jobs_poll(&w->jobs);
	assert_int_equal(w->pieces, KVS_STEP_BYTES / KVS_PIECE_BYTES);
	w->may = MB_ERR_TRYAGAIN;
	run(w);
	assert_int_equal(w->ends, 1);
	assert_int_equal(w->err, MB_ERR_INDETERMINATE);
	assert_int_equal(envelope_open(kvs_shard_get(w->shard, slice_str("k")), &e), 0);
	assert_in_range(gset_cnt(e.state), 1000, 10000);
	world_end(w);
}

static void
copied_then_merged(void **state)
{
	struct world *w = world_make(SHARD_BYTES);
	struct slice delta = long_set(w);

	(void)state;
	assert_int_equal(start(w, delta), 0);
	assert_int_equal(run(w), (delta.len + KVS_STEP_BYTES - 1) / KVS_STEP_BYTES);
	assert_int_equal(w->pieces, 1);
	assert_int_equal(w->ends, 1);
	assert_true(slice_eq(kvs_shard_get(w->shard, slice_str("k")), delta));
	/* An older one loses, and is over all the same. */
	assert_int_equal(start(w, delta), 0);
	run(w);
	assert_int_equal(w->ends, 2);
	assert_int_equal(w->shard->last.side, LATTICE_LEFT);
	world_end(w);
}

/* Pieces are short, some of them a poll, and together they are the delta. */
static void
merged_in_pieces(void **state)
{
	struct world *w = world_make(SHARD_BYTES);
	struct slice delta = members(w, MEMBER_CNT);
	struct envelope e;

	(void)state;
	assert_int_equal(start(w, delta), 0);
	assert_in_range(run(w), 1, delta.len / KVS_STEP_BYTES + 1);
	assert_int_equal(w->ends, 1);
	assert_int_equal(w->err, 0);
	assert_true(w->pieces >= delta.len / (KVS_PIECE_BYTES + 64));
	assert_true(w->piece_max <= KVS_PIECE_BYTES + 128);
	assert_int_equal(envelope_open(kvs_shard_get(w->shard, slice_str("k")), &e), 0);
	assert_int_equal(gset_cnt(e.state), MEMBER_CNT);
	/* The whole tree as a delta: what was lent by another shard. */
	assert_int_equal(start(w, kvs_shard_get(w->shard, slice_str("k"))), 0);
	assert_in_range(run(w), 1, delta.len / KVS_STEP_BYTES + 1);
	assert_int_equal(w->ends, 2);
	assert_int_equal(w->err, 0);
	world_end(w);
}

/* A set of two short members and one long one, that many times this byte; or of that one alone. */
static struct slice
long_member(struct world *w, char byte, bool alone)
{
	uint8_t *bytes = malloc(LONG_BYTES);
	struct slice member[] = { slice_str("aa"), slice_of(bytes, LONG_BYTES), slice_str("zz") };
	struct wbuf state = wbuf_init(w->mem + (8 << 20), 8 << 20);
	struct envelope e = { .type = LATTICE_GSET };
	size_t start = w->values.len;

	memset(bytes, byte, LONG_BYTES);
	assert_int_equal(gset_delta_add(alone ? &member[1] : member, alone ? 1 : 3, &state), 0);
	e.state = wbuf_slice(&state);
	assert_int_equal(envelope_write(&e, &w->values), 0);
	free(bytes);
	return slice_of(w->values.p + start, w->values.len - start);
}

/* A long item comes in many steps and is one piece; those beside it are pieces of their own. */
static void
a_long_item(void **state)
{
	const uint32_t steps = LONG_BYTES / KVS_STEP_BYTES;
	struct world *w = world_make(SHARD_BYTES);
	struct slice key = slice_str("k"), mixed = long_member(w, 'm', false);
	struct envelope e;
	size_t used;

	(void)state;
	assert_int_equal(kvs_shard_merge(w->shard, key, members(w, 10)), 0);
	assert_int_equal(start(w, long_member(w, 'b', true)), 0); /* into a short one */
	assert_in_range(run(w), steps, 2 * steps);
	assert_int_equal(w->pieces, 1);
	assert_int_equal(start(w, mixed), 0);
	assert_in_range(run(w), 2 * steps, 3 * steps);
	assert_int_equal(w->pieces, 4);
	assert_int_equal(w->err, 0);
	assert_int_equal(envelope_open(kvs_shard_get(w->shard, key), &e), 0);
	assert_int_equal(gset_cnt(e.state), 14);
	/* Again, flat and as a tree: nothing comes of it, and nothing stays. */
	while (kvs_shard_sweep(w->shard)) {
	}
	used = heap_used_bytes(w->shard->heap);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(start(w, i == 0 ? mixed : kvs_shard_get(w->shard, key)), 0);
		run(w);
		assert_int_equal(w->err, 0);
		assert_int_equal(w->shard->last.side, LATTICE_LEFT);
		assert_int_equal(heap_used_bytes(w->shard->heap), used);
	}
	/* Given up on the way. */
	assert_int_equal(start(w, mixed), 0);
	assert_true(kvs_jobs_poll(&w->jobs)); /* "aa" */
	assert_true(kvs_jobs_poll(&w->jobs));
	w->may = MB_ERR_NO_MEMORY;
	run(w);
	assert_int_equal(w->err, MB_ERR_INDETERMINATE);
	assert_int_equal(heap_used_bytes(w->shard->heap), used);
	world_end(w);
}

/* Of more jobs than there is memory for at once, each is done: a later one waits for those before
 * it. Registers, which are merged whole, and long members. */
static void
wait_for_each_other(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct world *w = world_make(KVS_SHARD_BYTES_MIN + 4 * LONG_BYTES);
		struct slice delta = kind == 0 ? long_set(w) : long_member(w, 'b', true);

		assert_int_equal(start(w, delta), 0);
		run(w);
		for (uint32_t i = 0; i < 8; i++) {
			assert_int_equal(start(w, kind == 0 ? long_set(w)
							    : long_member(w, (char)('b' + i % 2),
									  true)),
					 0);
		}
		run(w);
		assert_int_equal(w->ends, 9);
		assert_int_equal(w->err, 0);
		assert_int_equal(w->shard->stats.refused, 0);
		world_end(w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(stops_in_the_middle),
		cmocka_unit_test(copied_then_merged),
		cmocka_unit_test(merged_in_pieces),
		cmocka_unit_test(a_long_item),
		cmocka_unit_test(wait_for_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
