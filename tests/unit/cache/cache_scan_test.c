/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   page after page lists every key once, in order, whatever tile has it; pages are bounded,
 *         held by who asked, and given back.
 * Method: a cache_world with one and with several kvs tiles. Failures first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#define P 1

static void
release(struct world *w, uint16_t proc, uint32_t handle)
{
	struct desc d = { .kind = DESC_RELEASE };

	d.release.cnt = 1;
	d.release.handle[0] = handle;
	assert_false(cache_core_step(w->core, (struct cache_from){ CACHE_FROM_PROC, proc }, &d));
}

static void
keys_put(struct world *w, const char *prefix, uint32_t cnt)
{
	uint8_t *mem = malloc(1 << 20);
	struct wset ws;
	char key[64];

	wset_init(&ws, mem, 1 << 20);
	for (uint32_t i = 0; i < cnt; i++) {
		struct wset_op op = { .kind = WSET_INCR, .n = 1 };

		op.key = slice_of(key, (size_t)snprintf(key, sizeof(key), "%s%05u", prefix,
							i * 7 % cnt));
		assert_int_equal(wset_add(&ws, &op), 0);
	}
	world_publish(w, P, 1, wset_bytes(&ws), 1);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, 0);
	memset(w->payload, 0, sizeof(w->payload));
	free(mem);
}

/* Lists everything, page by page. Returns: how many; *ret_pages. */
static uint32_t
list(struct world *w, const char *prefix, uint16_t limit, uint32_t *ret_pages)
{
	uint8_t last_mem[KEY_BYTES_MAX];
	struct slice last = { 0 };
	uint32_t cnt = 0;
	struct desc d;

	*ret_pages = 0;
	do {
		struct slice page, key;
		struct rbuf r;

		world_scan(w, P, slice_str(prefix), last, limit, 9);
		world_settle(w);
		d = world_answer(w, P, DESC_SCANNED, 9);
		assert_int_equal(d.err, 0);
		page = (d.flags & DESC_F_INLINE) != 0
			       ? slice_of(d.data, d.len)
			       : slice_of(w->payload[d.ref.seg - 1].p, d.ref.len);
		assert_true(page.len <= CACHE_SCAN_PAGE_BYTES);
		r = rbuf_of(page);
		for (uint32_t i = 0; i < d.a; i++) {
			assert_int_equal(cache_scan_next(&r, &key), 1);
			assert_true(slice_cmp(last, key) < 0);
			memcpy(last_mem, key.p, key.len);
			last = slice_of(last_mem, key.len);
			cnt++;
		}
		assert_int_equal(cache_scan_next(&r, &key), 0);
		assert_true(d.sub == 0 || d.a > 0);
		if ((d.flags & DESC_F_INLINE) == 0) {
			release(w, P, d.ref.handle);
		}
		++*ret_pages;
	} while (d.sub != 0);
	return cnt;
}

static void
bad_requests(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct cache_from from = { CACHE_FROM_PROC, P };
	struct desc d = { .kind = DESC_SCAN, .flags = DESC_F_INLINE, .len = 5, .b = 1 };

	(void)state;
	world_up(w, P);
	assert_true(cache_core_step(w->core, from, &d));
	assert_int_equal(world_answer(w, P, DESC_SCANNED, 1).err, MB_ERR_CORRUPT);
	d.flags = 0;
	d.ref = (struct payload_ref){ .seg = 3, .len = 50 };
	assert_true(cache_core_step(w->core, from, &d));
	assert_int_equal(world_answer(w, P, DESC_SCANNED, 1).err, MB_ERR_INVALID);
	d.ref.len = CACHE_SCAN_REQ_BYTES_MAX + 1;
	assert_true(cache_core_step(w->core, from, &d));
	assert_int_equal(world_answer(w, P, DESC_SCANNED, 1).err, MB_ERR_TOO_LARGE);
	release(w, P, 4711); /* what it does not hold */
	assert_int_equal(cache_core_stats(w->core).bad, 1);
	world_end(w);
}

/* More scans than there is memory for, and more pages than one may hold: BUSY, never a queue. */
static void
too_many(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	uint32_t handle[CACHE_PAGE_MAX], pages;

	(void)state;
	world_up(w, P);
	keys_put(w, "key-", 500);
	for (uint64_t b = 1; b <= CACHE_SCAN_MAX + 1; b++) {
		world_scan(w, P, slice_str(""), slice_str(""), 1, b);
	}
	assert_int_equal(world_answer(w, P, DESC_SCANNED, CACHE_SCAN_MAX + 1).err, MB_ERR_BUSY);
	world_settle(w);
	for (uint64_t b = 1; b <= CACHE_SCAN_MAX; b++) {
		assert_int_equal(world_answer(w, P, DESC_SCANNED, b).err, 0);
	}
	for (uint32_t i = 0; i < CACHE_PAGE_MAX; i++) {
		struct desc d;

		world_scan(w, P, slice_str(""), slice_str(""), 0, 1);
		world_settle(w);
		d = world_answer(w, P, DESC_SCANNED, 1);
		assert_int_equal(d.err, 0);
		handle[i] = d.ref.handle;
	}
	world_scan(w, P, slice_str(""), slice_str(""), 0, 1);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_SCANNED, 1).err, MB_ERR_BUSY);
	release(w, P, handle[0]);
	assert_int_equal(list(w, "", 1000, &pages), 500);
	for (uint32_t i = 1; i < CACHE_PAGE_MAX; i++) {
		release(w, P, handle[i]);
	}
	world_end(w);
}

/* A process that dies leaves no page behind, neither one it holds nor one on its way. */
static void
death(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });

	(void)state;
	world_up(w, P);
	keys_put(w, "key-", 500);
	world_scan(w, P, slice_str(""), slice_str(""), 0, 1);
	world_settle(w);
	world_scan(w, P, slice_str(""), slice_str(""), 0, 2);
	world_down(w, P);
	w->proc[P].inc = 0;
	world_settle(w);
	world_end(w); /* finds the payloads gone */
}

static void
pages(void **state)
{
	uint32_t cnt;

	(void)state;
	for (uint32_t kvs_cnt = 1; kvs_cnt <= WORLD_KVS_MAX; kvs_cnt += 3) {
		struct world *w =
			world_make(&(struct world_cfg){ .kvs_cnt = kvs_cnt, .keys_max = 32768 });

		world_up(w, P);
		assert_int_equal(list(w, "", 0, &cnt), 0);
		assert_int_equal(cnt, 1);
		keys_put(w, "a-", 6000);
		keys_put(w, "b-", 1000);
		assert_int_equal(world_put(w, P, "b", slice_str("v")), 0);
		assert_int_equal(world_del(w, P, "b-00500"), 0);
		assert_int_equal(list(w, "", 0, &cnt), 7000);
		assert_int_equal(list(w, "a-", 0, &cnt), 6000);
		assert_int_equal(list(w, "b", 100, &cnt), 1000);
		assert_true(cnt >= 10);
		assert_int_equal(list(w, "b-00", 3, &cnt), 999);
		assert_int_equal(list(w, "c", 0, &cnt), 0);
		world_end(w);
	}
}

/* Keys of the greatest length: few fit a page, all come. */
static void
long_keys(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .kvs_cnt = 4 });
	char key[KEY_BYTES_MAX + 1];
	uint32_t cnt;

	(void)state;
	world_up(w, P);
	memset(key, 'k', sizeof(key));
	key[KEY_BYTES_MAX] = 0;
	for (uint32_t i = 0; i < 200; i++) {
		snprintf(key + 20, 5, "%04u", i);
		key[24] = 'k';
		assert_int_equal(world_incr(w, P, key, 1), 0);
	}
	assert_int_equal(list(w, "kk", 0, &cnt), 200);
	assert_true(cnt > 3);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_requests), cmocka_unit_test(too_many),
		cmocka_unit_test(death),        cmocka_unit_test(pages),
		cmocka_unit_test(long_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
