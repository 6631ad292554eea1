/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   results that are appended without knowing how many become one list; small ones travel by
 *         copy, large ones stay where they were written; whatever is dropped or sent leaves nothing
 *         behind.
 * Method: random appends, on both sides of the change from private memory to a payload, against a
 *         list that is written with its number known (value_list_begin). */
#include "result.h"

#include <stdlib.h>
#include <string.h>

#include "exec_world.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include <microburst/error.h>

#define READER 200

static struct world *w;
static struct result *r;

static int
setup(void **state)
{
	w = world_make(1);
	r = aligned_alloc(64, sizeof(*r));
	result_init(r, w->pool, WORLD_PROC);
	return 0;
}

static int
teardown(void **state)
{
	result_drop(r);
	free(r);
	world_end(w);
	return 0;
}

static struct slice
sent(const struct desc *d)
{
	return (d->flags & DESC_F_INLINE) != 0 ? slice_of(d->data, d->len)
					       : slice_of(world_bytes(w, &d->ref), d->ref.len);
}

static void
what_does_not_fit_is_refused(void **state)
{
	uint8_t *p;

	assert_int_equal(result_trim(r, 0), MB_ERR_INVALID);
	assert_int_equal(result_reserve(r, MB_I64, 7, &p), MB_ERR_INVALID);
	assert_int_equal(result_reserve(r, MB_BYTES, MB_VALUE_BYTES_MAX + 1, &p), MB_ERR_TOO_LARGE);
	for (int i = 0; i < MB_VALUES_MAX; i++) {
		assert_int_equal(result_reserve(r, MB_BYTES, 1, &p), 0);
		*p = (uint8_t)i;
	}
	assert_int_equal(result_reserve(r, MB_BYTES, 1, &p), MB_ERR_TOO_LARGE);
	w->seg_budget = 0;
	result_drop(r);
	result_init(r, w->pool, WORLD_PROC);
	assert_int_equal(result_reserve(r, MB_BYTES, 1 << 20, &p), MB_ERR_NO_MEMORY);
	assert_int_equal(r->cnt, 0);
}

static void
a_trim_shortens_the_last_one_only(void **state)
{
	struct value v[MB_VALUES_MAX];
	uint8_t *p;

	assert_int_equal(result_reserve(r, MB_BYTES, 100, &p), 0);
	memset(p, 'a', 100);
	assert_int_equal(result_trim(r, 101), MB_ERR_INVALID);
	assert_int_equal(result_trim(r, 3), 0);
	assert_int_equal(result_reserve(r, MB_F64_ARRAY, 64, &p), 0);
	memset(p, 0, 64);
	assert_int_equal(result_trim(r, 12), MB_ERR_INVALID);
	assert_int_equal(result_trim(r, 16), 0);
	result_values(r, v);
	assert_int_equal(v[0].len, 3);
	assert_int_equal(v[1].len, 16);
	assert_int_equal(v[1].p - v[0].p, 8);
}

/* With nobody to read it, or no room in the table of holds, a payload is given up. */
static void
a_payload_is_sent_or_dropped(void **state)
{
	struct desc d = { .kind = 0 };
	uint8_t *p;

	assert_int_equal(result_reserve(r, MB_BYTES, 100000, &p), 0);
	memset(p, 1, 100000);
	assert_int_equal(result_send(r, &d, READER), 0);
	assert_int_equal(payload_alive(w->pool), 1);
	assert_true(sent(&d).p + 16 == p); /* read where it was written */
	assert_int_equal(payload_release(w->pool, d.ref.handle, READER), 0);
	result_init(r, w->pool, WORLD_PROC);
	assert_int_equal(result_reserve(r, MB_BYTES, 100000, &p), 0);
	result_drop(r);
	result_drop(r);
	assert_int_equal(payload_alive(w->pool), 0);
}

static void
check_list(const struct desc *d, const struct value *want, uint32_t cnt)
{
	struct slice got = sent(d);
	static uint64_t list[(1 << 20) / 8];
	struct value_writer vw;

	value_list_begin(&vw, list, sizeof(list), cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		value_list_add(&vw, (enum mb_type)want[i].type, want[i].p, want[i].len);
	}
	assert_int_equal(value_list_end(&vw), got.len);
	assert_int_equal(value_list_check(got), 0);
	assert_memory_equal(got.p, list, got.len); /* the padding included */
}

static void
appended_values_are_a_list(void **state)
{
	static const size_t scale[] = { 8, 100, 1000, 5000, 60000 };
	uint8_t *bytes = malloc(60000);
	struct rng rng;

	rng_init(&rng, test_seed("result"));
	for (size_t i = 0; i < 60000; i++) {
		bytes[i] = (uint8_t)rng_below(&rng, 127);
	}
	for (int turn = 0; turn < 3000; turn++) {
		struct value want[16];
		uint32_t cnt = (uint32_t)rng_below(&rng, 16);
		size_t most = scale[rng_below(&rng, ARRAY_CNT(scale))];
		struct desc d = { .kind = 0 };

		result_init(r, w->pool, WORLD_PROC);
		for (uint32_t i = 0; i < cnt; i++) {
			uint8_t *p;

			want[i].type = rng_below(&rng, 2) == 0 ? MB_BYTES : MB_UTF8;
			want[i].len = (uint32_t)rng_below(&rng, most);
			want[i].p = bytes + rng_below(&rng, 60000 - want[i].len);
			assert_int_equal(result_reserve(r, (enum mb_type)want[i].type, want[i].len,
							&p),
					 0);
			assert_true(((uintptr_t)p & 7) == 0);
			if (want[i].len != 0) {
				memcpy(p, want[i].p, want[i].len);
			}
		}
		assert_int_equal(result_send(r, &d, READER), 0);
		check_list(&d, want, cnt);
		if ((d.flags & DESC_F_INLINE) == 0) {
			assert_int_equal(payload_release(w->pool, d.ref.handle, READER), 0);
		}
		assert_int_equal(payload_alive(w->pool), 0);
	}
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(what_does_not_fit_is_refused),
		TEST(a_trim_shortens_the_last_one_only),
		TEST(a_payload_is_sent_or_dropped),
		TEST(appended_values_are_a_list),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
