/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the core answers each request once, lends long values, and cuts long deltas into pieces.
 * Method: messages made by hand, answers gathered in an array. Failures first: memory, size.
 */
#include <stdlib.h>
#include <string.h>

#include "kvs_core.h"
#include "kvs_value.h"
#include "microburst/error.h"
#include "test_cmocka.h"

struct world {
	struct hashring *ring;
	struct kvs_shard *shard;
	struct kvs_core core;
	struct desc answer[KVS_JOB_MAX + 8];
	uint32_t to[KVS_JOB_MAX + 8];
	uint32_t answer_cnt;
	uint8_t *mem;
	size_t mem_bytes;
};

static void
answer(void *ctx, uint32_t to, const struct desc *d)
{
	struct world *w = ctx;

	assert_true(w->answer_cnt < KVS_JOB_MAX + 8);
	w->to[w->answer_cnt] = to;
	w->answer[w->answer_cnt++] = *d;
}

static struct world *
world_make(size_t bytes)
{
	struct world *w = calloc(1, sizeof(*w));
	struct kvs_out out = { .send = answer, .ctx = w };
	struct kvs_core_cfg cfg = { .tile_cnt = 1,
				    .copies = 1,
				    .period_ns = NS_PER_MS,
				    .ack_timeout_ns = NS_PER_S,
				    .timebase = timebase_real() };
	void *mem = aligned_alloc(64, kvs_shard_extent(bytes));

	assert_non_null(w);
	assert_non_null(mem);
	w->shard = kvs_shard_init(mem, bytes, 5);
	assert_int_equal(hashring_create(&w->ring, &(struct hashring_member){ 1, 1 }, 1), 0);
	cfg.ring = w->ring;
	kvs_core_init(&w->core, w->shard, &cfg, &out);
	w->mem_bytes = (size_t)132 << 20;
	w->mem = malloc(w->mem_bytes);
	assert_non_null(w->mem);
	return w;
}

static void
world_end(struct world *w)
{
	assert_int_equal(kvs_core_busy(&w->core), 0);
	hashring_destroy(w->ring);
	assert_int_equal(w->shard->pin_cnt, 0);
	heap_check(w->shard->heap);
	free(w->shard);
	free(w->mem);
	free(w);
}

static struct slice
value(struct world *w, uint64_t time, int fill, size_t len)
{
	struct wbuf out = wbuf_init(w->mem, w->mem_bytes);
	uint8_t *bytes = malloc(len + 1);
	struct slice v;

	memset(bytes, fill, len);
	v = value_set(&out, time, slice_of(bytes, len));
	free(bytes);
	return v;
}

static void
merge(struct world *w, uint32_t from, const char *key, struct slice delta, uint8_t sub)
{
	struct desc d = { .kind = DESC_KVS_MERGE, .sub = sub, .b = 77 };

	kvs_msg_set_bytes(&d, slice_str(key));
	kvs_msg_set_delta(&d, delta);
	kvs_core_step(&w->core, from, &d);
}

static void
get(struct world *w, uint32_t from, const char *key)
{
	struct desc d = { .kind = DESC_KVS_GET, .b = 78 };

	kvs_msg_set_bytes(&d, slice_str(key));
	kvs_core_step(&w->core, from, &d);
}

static const struct desc *
only_answer(struct world *w, enum kvs_msg_kind kind, int err)
{
	assert_int_equal(w->answer_cnt, 1);
	w->answer_cnt = 0;
	assert_int_equal(w->answer[0].kind, kind);
	assert_int_equal(w->answer[0].err, err);
	return &w->answer[0];
}

static void
release(struct world *w, const struct desc *answer_with_loan)
{
	struct desc d = { .kind = DESC_KVS_RELEASE };

	d.word[2] = answer_with_loan->word[2];
	kvs_core_step(&w->core, 0, &d);
}

static void
refusals(void **state)
{
	struct world *w = world_make(2 << 20);

	(void)state;
	/* Too long for the shard, at once or as a job. */
	merge(w, 1, "k", value(w, 1, 'x', 4 << 20), 0);
	only_answer(w, DESC_KVS_MERGED, MB_ERR_NO_MEMORY);
	merge(w, 1, "k", slice_of(w->mem, KVS_ENVELOPE_MAX + 1), 0);
	only_answer(w, DESC_KVS_MERGED, MB_ERR_TOO_LARGE);
	get(w, 1, "k");
	assert_int_equal(kvs_msg_bytes(only_answer(w, DESC_KVS_GOT, 0)).len, 0);
	assert_false(kvs_core_poll(&w->core, 1));
	world_end(w);
}

static void
get_and_merge(void **state)
{
	struct world *w = world_make(2 << 20);
	const struct desc *d;

	(void)state;
	merge(w, 3, "k", value(w, 1, 'a', 8), 0);
	d = only_answer(w, DESC_KVS_MERGED, 0);
	assert_int_equal(d->b, 77);
	assert_int_equal(w->to[0], 3);
	get(w, 4, "k");
	d = only_answer(w, DESC_KVS_GOT, 0);
	assert_int_equal(d->b, 78);
	assert_int_equal(w->to[0], 4);
	assert_true((d->flags & DESC_F_INLINE) != 0);
	assert_true(slice_eq(value_text(kvs_msg_bytes(d)), slice_str("aaaaaaaa")));
	merge(w, 3, "k", value(w, 2, 'b', 8), KVS_WANT_STATE);
	d = only_answer(w, DESC_KVS_MERGED, 0);
	assert_true(slice_eq(value_text(kvs_msg_bytes(d)), slice_str("bbbbbbbb")));
	world_end(w);
}

/* A long value is lent: it stays as it is until it is released, whatever is merged meanwhile. */
static void
lent(void **state)
{
	struct world *w = world_make(2 << 20);
	struct desc got;
	uint8_t expected[1000];

	(void)state;
	memset(expected, 'a', sizeof(expected));
	merge(w, 1, "k", value(w, 1, 'a', 1000), 0);
	only_answer(w, DESC_KVS_MERGED, 0);
	get(w, 1, "k");
	got = *only_answer(w, DESC_KVS_GOT, 0);
	assert_int_equal(got.flags & DESC_F_INLINE, 0);
	merge(w, 1, "k", value(w, 2, 'b', 1000), 0);
	only_answer(w, DESC_KVS_MERGED, 0);
	assert_true(slice_eq(value_text(kvs_msg_bytes(&got)), slice_of(expected, 1000)));
	assert_int_equal(w->shard->pin_cnt, 1);
	release(w, &got);
	assert_int_equal(w->answer_cnt, 0);
	world_end(w);
}

/* A long delta takes as many polls as it has pieces; short requests are served between. */
static void
long_delta(void **state)
{
	struct world *w = world_make((size_t)160 << 20);
	struct desc got;
	uint32_t polls = 0;

	(void)state;
	merge(w, 1, "long", value(w, 1, 'L', 64 << 20), 0);
	assert_int_equal(w->answer_cnt, 0);
	assert_int_equal(kvs_core_busy(&w->core), 1);
	get(w, 2, "long");
	assert_int_equal(kvs_msg_bytes(only_answer(w, DESC_KVS_GOT, 0)).len, 0);
	while (w->answer_cnt == 0) {
		assert_true(kvs_core_poll(&w->core, 1));
		polls++;
	}
	only_answer(w, DESC_KVS_MERGED, 0);
	assert_int_equal(polls, 1025); /* 64 MiB in pieces of 64 KiB, and what describes it */
	get(w, 1, "long");
	got = *only_answer(w, DESC_KVS_GOT, 0);
	assert_int_equal(value_text(kvs_msg_bytes(&got)).len, 64 << 20);
	release(w, &got);
	/* An older one loses, and gives its memory back. */
	merge(w, 1, "long", value(w, 0, 'o', 1 << 20), 0);
	while (w->answer_cnt == 0) {
		kvs_core_poll(&w->core, 1);
	}
	only_answer(w, DESC_KVS_MERGED, 0);
	world_end(w);
}

static void
many_jobs(void **state)
{
	struct world *w = world_make((size_t)64 << 20);
	struct slice delta = value(w, 1, 'j', 300000);

	(void)state;
	for (uint32_t i = 0; i < KVS_JOB_MAX; i++) {
		struct desc d = { .kind = DESC_KVS_MERGE, .b = i };

		kvs_msg_set_bytes(&d, slice_of("job", 3));
		kvs_msg_set_delta(&d, delta);
		kvs_core_step(&w->core, i, &d);
	}
	assert_int_equal(kvs_core_busy(&w->core), KVS_JOB_MAX);
	while (kvs_core_poll(&w->core, 1)) {
	}
	assert_int_equal(w->answer_cnt, KVS_JOB_MAX);
	for (uint32_t i = 0; i < KVS_JOB_MAX; i++) {
		assert_int_equal(w->answer[i].b, i);
		assert_int_equal(w->to[i], i);
	}
	world_end(w);
}

static void
scan(void **state)
{
	struct world *w = world_make(2 << 20);
	uint8_t mem[256];
	struct kvs_scan s = { .prefix = slice_str("a"), .out = wbuf_init(mem, 256), .limit = 10 };
	struct desc d = { .kind = DESC_KVS_SCAN, .b = 5 };

	(void)state;
	merge(w, 1, "a1", value(w, 1, 'x', 1), 0);
	merge(w, 1, "b1", value(w, 1, 'x', 1), 0);
	w->answer_cnt = 0;
	d.word[0] = (uintptr_t)&s;
	kvs_core_step(&w->core, 9, &d);
	assert_int_equal(only_answer(w, DESC_KVS_SCANNED, 0)->b, 5);
	assert_int_equal(s.cnt, 1);
	assert_false(s.more);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals),  cmocka_unit_test(get_and_merge),
		cmocka_unit_test(lent),      cmocka_unit_test(long_delta),
		cmocka_unit_test(many_jobs), cmocka_unit_test(scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
