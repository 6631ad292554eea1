/* SPDX-License-Identifier: Apache-2.0 */
/* test_seed.h - the seed of a random test: MB_TEST_SEED of the environment, or 1; printed */
#ifndef MB_TEST_SEED_H
#define MB_TEST_SEED_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline uint64_t
test_seed(const char *test)
{
	const char *text = getenv("MB_TEST_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 1;

	fprintf(stderr, "%s: MB_TEST_SEED=%" PRIu64 "\n", test, seed);
	return seed;
}

#endif
