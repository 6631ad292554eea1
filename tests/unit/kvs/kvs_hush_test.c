/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   all caches must agree, and in time; what waits is kept once and given back once.
 * Method: by hand. What becomes of it in a store: kvs_drop_test.c.
 */
#include "kvs_hush.h"

#include "microburst/error.h"
#include "test_cmocka.h"

#define CACHE(i) kvs_listener_bit(KVS_LISTENER_CACHE(i))

static void
all_agree_or_it_is_over(void **state)
{
	struct kvs_key key = { .held = 3 };
	struct kvs_hush h;

	(void)state;
	kvs_hush_init(&h);
	kvs_hush_begin(&h, &key, CACHE(0) | CACHE(1), 5);
	assert_false(kvs_hush_quiet(&h));
	kvs_hush_answered(&h, KVS_LISTENER_CACHE(1), 0);
	assert_false(kvs_hush_quiet(&h));
	assert_int_equal(key.held, 1);
	kvs_hush_answered(&h, KVS_LISTENER_CACHE(0), 0);
	assert_true(kvs_hush_quiet(&h));
	assert_int_equal(key.held, 0);
	key.held = 1;
	h.key = NULL;
	kvs_hush_begin(&h, &key, CACHE(0), 5);
	kvs_hush_answered(&h, KVS_LISTENER_CACHE(0), MB_ERR_TRYAGAIN);
	assert_false(kvs_hush_quiet(&h));
	assert_int_equal(key.held, 1);
}

static void
gets_wait_until_released(void **state)
{
	struct kvs_hush_wait got[KVS_CACHE_MAX];
	struct kvs_key key = { .held = 1 };
	struct desc d = { .b = 77 };
	struct kvs_hush h;

	(void)state;
	kvs_hush_init(&h);
	assert_false(kvs_hush_wait(&h, 0, &d)); /* nothing is hushed */
	kvs_hush_begin(&h, &key, CACHE(0), 5);
	assert_int_equal(h.until_ns, 5 + KVS_HUSH_NS);
	for (uint32_t i = 0; i < KVS_CACHE_MAX; i++) {
		assert_true(kvs_hush_wait(&h, i, &d));
	}
	assert_false(kvs_hush_wait(&h, 0, &d)); /* no room */
	assert_int_equal(kvs_hush_release(&h, got), KVS_CACHE_MAX);
	assert_int_equal(got[3].from, 3);
	assert_int_equal(got[3].d.b, 77);
	assert_int_equal(kvs_hush_release(&h, got), 0);
	assert_false(kvs_hush_wait(&h, 0, &d));
	kvs_hush_answered(&h, KVS_LISTENER_CACHE(0), 0);
	assert_false(kvs_hush_quiet(&h)); /* too late */
}

/* What comes to something may take its time; not any. */
static void
goes_on(void **state)
{
	struct kvs_hush_wait got[KVS_CACHE_MAX];
	struct kvs_key key = { .held = 1 };
	struct kvs_hush h;

	(void)state;
	kvs_hush_init(&h);
	kvs_hush_begin(&h, &key, CACHE(0), 5);
	kvs_hush_answered(&h, KVS_LISTENER_CACHE(0), 0);
	kvs_hush_go_on(&h, 5 + KVS_HUSH_NS / 2);
	assert_int_equal(h.until_ns, 5 + KVS_HUSH_NS / 2 + KVS_HUSH_NS);
	kvs_hush_go_on(&h, KVS_HUSH_MAX_NS);
	assert_int_equal(h.until_ns, 5 + KVS_HUSH_MAX_NS);
	assert_int_equal(kvs_hush_release(&h, got), 0);
	kvs_hush_go_on(&h, KVS_HUSH_MAX_NS);
	assert_false(kvs_hush_quiet(&h)); /* nobody waits any more */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_agree_or_it_is_over),
		cmocka_unit_test(gets_wait_until_released),
		cmocka_unit_test(goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
