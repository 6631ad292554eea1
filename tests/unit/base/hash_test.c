/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   hashes are XXH3's, the same for ever: stored placements and versions depend on them.
 * Method: known answers of the XXH3 specification, and of this build over all lengths where the
 *         algorithm changes its path, folded into one number. */
#include "hash.h"

#include "test_cmocka.h"

static void
known_answers(void **state)
{
	struct hash128 none = hash_bytes128("", 0);

	assert_true(hash_bytes("", 0) == UINT64_C(0x2d06800538d394c2));
	assert_true(none.hi == UINT64_C(0x99aa06d3014798d8));
	assert_true(none.lo == UINT64_C(0x6001c324468d497f));
	assert_true(hash_seeded("", 0, 0) == hash_bytes("", 0));
}

static void
every_length_keeps_its_hash(void **state)
{
	uint8_t bytes[2048];
	uint64_t folded = 0;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)(i * 131 + (i >> 8));
	}
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		struct hash128 h = hash_bytes128(bytes, len);

		folded = folded * 31 + hash_bytes(bytes, len);
		folded = folded * 31 + hash_seeded(bytes, len, 42);
		folded = folded * 31 + (h.lo ^ h.hi);
	}
	assert_true(folded == UINT64_C(0x216b162851f68030));
}

static void
one_bit_or_another_seed_changes_it(void **state)
{
	static const char a[] = "microburst", b[] = "microbursu";

	assert_true(hash_bytes(a, 10) != hash_bytes(b, 10));
	assert_true(hash_seeded(a, 10, 1) != hash_seeded(a, 10, 2));
	assert_false(hash128_eq(hash_bytes128(a, 10), hash_bytes128(b, 10)));
	assert_true(hash128_eq(hash_bytes128(a, 10), hash_bytes128(a, 10)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(every_length_keeps_its_hash),
		cmocka_unit_test(one_bit_or_another_seed_changes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
