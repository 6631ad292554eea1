/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a long value that was not written lately is written past the caches, and whole; a pin
 *         waits for that; others go through the caches.
 * Method: the shard's clock is put on by hand. Lengths around the limit and around whole lines; the
 *         new value shorter, longer, too long for its place, and while somebody reads the old one.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "envelope.h"
#include "kvs_prefetch.h"
#include "kvs_shard.h"
#include "kvs_value.h"
#include "test_cmocka.h"

#define STEP_BYTES ((uint64_t)1 << KVS_RECENT_STEP_LG)
#define VALUE_MAX  (64u << 10)

static uint8_t mem[2 * VALUE_MAX + 128]; /* a state and its envelope */

static struct kvs_shard *
shard_make(void)
{
	const size_t bytes = 4 << 20;
	void *p = aligned_alloc(64, kvs_shard_extent(bytes));

	assert_non_null(p);
	return kvs_shard_init(p, bytes, 99);
}

/* Puts len bytes of c under the key. */
static void
put(struct kvs_shard *s, uint64_t time, char c, size_t len)
{
	static uint8_t value[VALUE_MAX];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct slice key = slice_str("k");
	struct slice delta;

	memset(value, c, len);
	delta = value_set(&out, time, slice_of(value, len));
	kvs_prefetch_burst(s, &key, 1);
	assert_int_equal(kvs_shard_merge(s, key, delta), 0);
	assert_true(slice_eq(value_text(kvs_shard_get(s, key)), slice_of(value, len)));
}

static void
later(struct kvs_shard *s, uint32_t steps)
{
	s->recent.bytes += steps * STEP_BYTES;
}

static void
by_age(void **state)
{
	struct kvs_shard *s = shard_make();
	struct kvs_value *v;

	(void)state;
	put(s, 1, 'a', 1000); /* new: through the caches */
	later(s, KVS_RECENT_STEPS - 1);
	put(s, 2, 'b', 1000);
	assert_false(s->past_open);
	later(s, KVS_RECENT_STEPS - 1); /* since it was written last */
	put(s, 3, 'c', 1000);
	assert_false(s->past_open);
	later(s, KVS_RECENT_STEPS);
	put(s, 4, 'd', 1000);
	assert_true(s->past_open);
	v = kvs_shard_pin(s, slice_str("k"));
	assert_false(s->past_open);
	kvs_shard_unpin(s, v);
	put(s, 5, 'e', 1000); /* it was written just now */
	assert_false(s->past_open);
	heap_check(s->heap);
	free(s);
}

static void
lengths(void **state)
{
	static const size_t len[] = { 1,    100,  480,  512,  575,  576,  640,  700,   1000,
				      1023, 1024, 1025, 1100, 1087, 4096, 5000, 65000, 64000 };

	(void)state;
	for (uint32_t i = 0; i < ARRAY_CNT(len); i++) {
		struct kvs_shard *s = shard_make();
		size_t shorter = len[i] - len[i] / 16; /* where it lies */

		put(s, 1, 'a', len[i]);
		later(s, KVS_RECENT_STEPS);
		put(s, 2, 'b', shorter);
		assert_int_equal(s->past_open, shorter + 1 + ENVELOPE_OVERHEAD >= KVS_LONG_BYTES);
		heap_check(s->heap);
		free(s);
	}
}

/* What is read stays, however old it is. */
static void
not_while_pinned(void **state)
{
	struct kvs_shard *s = shard_make();
	struct kvs_value *v;
	uint8_t before[1000];

	(void)state;
	memset(before, 'a', sizeof(before));
	put(s, 1, 'a', sizeof(before));
	v = kvs_shard_pin(s, slice_str("k"));
	later(s, KVS_RECENT_STEPS);
	put(s, 2, 'b', sizeof(before));
	assert_true(slice_eq(value_text(kvs_value_slice(v)), slice_of(before, sizeof(before))));
	kvs_shard_unpin(s, v);
	heap_check(s->heap);
	free(s);
}

/* The clock counts what differs: a hot key alone does not put it on for ever. */
static void
clock_counts_others(void **state)
{
	struct kvs_shard *s = shard_make();
	uint64_t before;

	(void)state;
	put(s, 1, 'a', 1000);
	put(s, 2, 'a', 1000);
	before = s->recent.bytes;
	for (uint64_t time = 3; time < 100; time++) {
		put(s, time, 'b', 1000);
	}
	assert_int_equal(s->recent.bytes, before);
	later(s, 1);
	put(s, 100, 'c', 1000);
	assert_true(s->recent.bytes >= before + STEP_BYTES + 1000);
	free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_age),
		cmocka_unit_test(lengths),
		cmocka_unit_test(not_while_pinned),
		cmocka_unit_test(clock_counts_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
