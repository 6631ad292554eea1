/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   copy_part copies all of it and nothing else, wherever the two ends lie.
 * Method: lengths around those where it goes another way, at all distances from a vector's
 *         alignment, between bytes that must stay; buffers of the exact size, for sanitizers. */
#include "copy.h"

#include <stdint.h>
#include <stdlib.h>

#include "compiler.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

enum { AROUND = 64 };

/* all: it is a part of so much. */
static void
copy_at(struct rng *r, size_t from_at, size_t to_at, size_t len, size_t all)
{
	uint8_t *from = malloc(from_at + len + (from_at + len == 0)),
		*to = malloc(to_at + len + AROUND);

	for (size_t i = 0; i < from_at + len; i++) {
		from[i] = (uint8_t)rng_u64(r);
	}
	memset(to, 0xee, to_at + len + AROUND);
	copy_part(to + to_at, from + from_at, len, all);
	assert_memory_equal(to + to_at, from + from_at, len);
	for (size_t i = 0; i < to_at; i++) {
		assert_int_equal(to[i], 0xee);
	}
	for (size_t i = 0; i < AROUND; i++) {
		assert_int_equal(to[to_at + len + i], 0xee);
	}
	free(from);
	free(to);
}

static void
copies_exactly(void **state)
{
	static const size_t lens[] = { 0,
				       1,
				       63,
				       64,
				       COPY_LONG_BYTES - 1,
				       COPY_LONG_BYTES,
				       2049,
				       2063,
				       2064,
				       2111,
				       2112,
				       8920,
				       16383,
				       16384,
				       16447,
				       33000 };
	struct rng r;

	(void)state;
	rng_init(&r, test_seed("copy"));
	for (size_t i = 0; i < ARRAY_CNT(lens); i++) {
		for (size_t at = 0; at < 16; at += 5) {
			for (size_t all = 0; all <= COPY_PAST_BYTES; all += COPY_PAST_BYTES) {
				copy_at(&r, at, 0, lens[i], all);
				copy_at(&r, 0, at, lens[i], all);
				copy_at(&r, at, 24, lens[i], all);
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
