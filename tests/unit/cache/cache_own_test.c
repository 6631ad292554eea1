/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what the tile knows of its places is zeroed at first, and their tags lie behind it.
 * Method: a few places, the last one and its ways. */
#include "cache_own.h"

#include "cache_layout.h"
#include "test_cmocka.h"

static void
places_and_tags(void **state)
{
	enum { CNT = 1024 };
	struct cache_tags tags;
	struct cache_own *own = cache_own_make(CNT, &tags);
	const uint64_t hash = UINT64_C(0x1234) << 48 | (CNT - 1);

	(void)state;
	assert_non_null(own);
	assert_int_equal(tags.mask, CNT - 1);
	for (uint32_t i = 0; i < CNT; i++) {
		assert_false(own[i].used || own[i].kept);
		own[i].block_bytes = UINT32_MAX;
	}
	assert_int_equal(cache_tags_find(&tags, cache_home(hash), cache_tag_of(hash)), 0);
	cache_tags_put(&tags, cache_home(hash) & tags.mask, cache_tag_of(hash));
	assert_int_equal(cache_tags_find(&tags, cache_home(hash), cache_tag_of(hash)), 1);
	assert_int_equal(own[CNT - 1].block_bytes, UINT32_MAX);
	cache_own_free(own, &tags);
	cache_own_free(NULL, &tags);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_and_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
