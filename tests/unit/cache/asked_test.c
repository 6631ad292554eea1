/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a key is known from the first time it is asked for, is remembered while fewer than
 *         ASKED_CNT others are, and forgotten after that; few are taken for known that are not.
 * Method: hashes of numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "asked.h"
#include "hash.h"
#include "test_cmocka.h"

static uint64_t
hash_of(uint64_t n)
{
	return hash_bytes((const uint8_t *)&n, sizeof(n));
}

static void
known_from_the_first_time(void **state)
{
	struct asked *a = calloc(1, sizeof(*a));

	(void)state;
	assert_non_null(a);
	for (uint64_t n = 0; n < 100; n++) {
		assert_true(!asked_before(a, hash_of(n)));
		assert_true(asked_before(a, hash_of(n)));
	}
	free(a);
}

static void
remembered_and_forgotten(void **state)
{
	struct asked *a = calloc(1, sizeof(*a));
	uint32_t wrong = 0, known = 0;

	(void)state;
	assert_non_null(a);
	for (uint64_t n = 0; n < ASKED_CNT; n++) {
		wrong += asked_before(a, hash_of(n));
	}
	for (uint64_t n = 0; n < ASKED_CNT; n += 97) {
		assert_true(asked_before(a, hash_of(n)));
	}
	for (uint64_t n = 0; n < 3 * ASKED_CNT; n++) { /* others */
		wrong += asked_before(a, hash_of(n + (UINT64_C(1) << 32)));
	}
	for (uint64_t n = 0; n < ASKED_CNT; n += 97) {
		known += asked_before(a, hash_of(n));
	}
	assert_true(wrong < 4 * (ASKED_CNT / 10));
	assert_true(known < 2 * (ASKED_CNT / 97 / 10));
	free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_from_the_first_time),
		cmocka_unit_test(remembered_and_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
