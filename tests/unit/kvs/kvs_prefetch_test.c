/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   asking for what a burst will touch changes nothing, whatever is asked for.
 * Method: keys that are there and that are not, long values and short ones, of all ages,
 *         the same key side by side, by turns and twice apart; bursts of all lengths. Prefetches
 *         themselves have no effect that a test could see: perf/bench measures them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "kvs_prefetch.h"
#include "kvs_shard.h"
#include "kvs_value.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

#define BYTES   ((size_t)4 << 20)
#define KEY_CNT 40u /* of them half are there */

static struct slice
key_of(char buf[32], uint64_t i)
{
	return slice_of(buf, (size_t)snprintf(buf, 32, "key-%06u", (unsigned int)i));
}

static void
fill(struct kvs_shard *s)
{
	static const uint8_t bytes[3000];
	uint8_t mem[2 * sizeof(bytes) + 128];
	char buf[32];

	for (uint32_t i = 0; i < KEY_CNT; i += 2) {
		struct wbuf out = wbuf_init(mem, sizeof(mem));
		struct slice value = slice_of(bytes, i * sizeof(bytes) / KEY_CNT);

		s->recent.bytes += ((uint64_t)1 << KVS_RECENT_STEP_LG);
		assert_int_equal(kvs_shard_merge(s, key_of(buf, i), value_set(&out, 1, value)), 0);
	}
}

static void
changes_nothing(void **state)
{
	const size_t extent = kvs_shard_extent(BYTES);
	void *mem = aligned_alloc(64, extent), *before = malloc(extent);
	struct slice key[KVS_PREFETCH_MAX];
	char buf[KVS_PREFETCH_MAX][32];
	struct kvs_shard *s;
	struct rng r;

	(void)state;
	assert_non_null(mem);
	assert_non_null(before);
	memset(mem, 0, extent);
	s = kvs_shard_init(mem, BYTES, 99);
	fill(s);
	memcpy(before, mem, extent);
	rng_init(&r, test_seed("kvs_prefetch"));
	for (uint32_t cnt = 0; cnt <= KVS_PREFETCH_MAX; cnt++) {
		for (uint32_t i = 0; i < cnt; i++) {
			bool again = i >= 2 && rng_u64(&r) % 4 == 0;

			key[i] = again ? key[i - 1 - rng_u64(&r) % 2]
				       : key_of(buf[i], rng_u64(&r) % KEY_CNT);
		}
		kvs_prefetch_burst(s, key, cnt);
	}
	assert_memory_equal(before, mem, extent);
	free(mem);
	free(before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
