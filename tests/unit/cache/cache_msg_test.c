/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   scan requests and lists of keys are read from strangers safely, and come back as written.
 * Method: failures first: every shortened request, wrong lengths, lists cut anywhere; then round
 * trips.
 */
#include <string.h>

#include "cache_msg.h"
#include "domain_limits.h"
#include "microburst/error.h"
#include "test_cmocka.h"

static void
requests_refused(void **state)
{
	static uint8_t long_key[KEY_BYTES_MAX + 1];
	uint8_t mem[CACHE_SCAN_REQ_BYTES_MAX + 8];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct slice prefix = slice_str("pre"), after;
	uint16_t limit = 77;

	(void)state;
	assert_int_equal(cache_scan_req_write(&out, slice_of(long_key, sizeof(long_key)), prefix,
					      0),
			 MB_ERR_TOO_LARGE);
	assert_int_equal(cache_scan_req_write(&out, prefix, slice_of(long_key, sizeof(long_key)),
					      0),
			 MB_ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	assert_int_equal(cache_scan_req_write(&out, prefix, slice_str("after"), 5), 0);
	for (size_t cut = 0; cut < out.len; cut++) {
		assert_int_equal(cache_scan_req_parse(slice_of(mem, cut), &prefix, &after, &limit),
				 MB_ERR_CORRUPT);
	}
	wbuf_u8(&out, 0);
	assert_int_equal(cache_scan_req_parse(wbuf_slice(&out), &prefix, &after, &limit),
			 MB_ERR_CORRUPT);
	assert_int_equal(limit, 77);
	/* A key that is too long, in a request of the right length. */
	out = wbuf_init(mem, sizeof(mem));
	wbuf_u16(&out, 0);
	wbuf_u16(&out, sizeof(long_key));
	wbuf_u16(&out, 0);
	wbuf_put(&out, long_key, sizeof(long_key));
	assert_int_equal(cache_scan_req_parse(wbuf_slice(&out), &prefix, &after, &limit),
			 MB_ERR_CORRUPT);
	/* No room. */
	out = wbuf_init(mem, 8);
	assert_int_equal(cache_scan_req_write(&out, slice_str("prefix"), after, 0),
			 MB_ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
}

static void
requests(void **state)
{
	uint8_t mem[CACHE_SCAN_REQ_BYTES_MAX];
	static uint8_t key[KEY_BYTES_MAX];
	struct slice prefix, after;
	uint16_t limit;
	struct wbuf out = wbuf_init(mem, sizeof(mem));

	(void)state;
	memset(key, 'k', sizeof(key));
	assert_int_equal(cache_scan_req_write(&out, slice_of(key, sizeof(key)),
					      slice_of(key, sizeof(key)), UINT16_MAX),
			 0);
	assert_int_equal(out.len, sizeof(mem));
	assert_int_equal(cache_scan_req_parse(wbuf_slice(&out), &prefix, &after, &limit), 0);
	assert_true(slice_eq(prefix, slice_of(key, sizeof(key))));
	assert_true(slice_eq(after, prefix));
	assert_int_equal(limit, UINT16_MAX);
}

static void
lists(void **state)
{
	uint8_t mem[64];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct rbuf list;
	struct slice key;

	(void)state;
	wbuf_u16(&out, 1);
	wbuf_put(&out, "a", 1);
	wbuf_u16(&out, 0);
	wbuf_u16(&out, 3);
	wbuf_put(&out, "bcd", 3);
	for (size_t cut = 0; cut <= out.len; cut++) {
		uint32_t cnt = 0;
		int more;

		list = rbuf_of(slice_of(mem, cut));
		while ((more = cache_scan_next(&list, &key)) == 1) {
			cnt++;
		}
		assert_true(cnt <= 3);
		assert_int_equal(more, cut == 0 || cut == 3 || cut == 5 || cut == out.len
					       ? 0
					       : MB_ERR_CORRUPT);
		assert_int_equal(cache_scan_next(&list, &key), more);
	}
}

/* Goal: a key's tile is in range, and tiles get their share. */
static void
tiles(void **state)
{
	uint32_t cnt[3] = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 30000; i++) {
		cnt[cache_tile_of(i * UINT64_C(0x9e3779b97f4a7c15), 3)]++;
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_in_range(cnt[i], 9500, 10500);
	}
	assert_int_equal(cache_tile_of(UINT64_MAX, 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_refused),
		cmocka_unit_test(requests),
		cmocka_unit_test(lists),
		cmocka_unit_test(tiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
