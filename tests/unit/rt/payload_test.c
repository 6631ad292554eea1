/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a payload's memory stays until its last hold is returned by who has it, and no longer; a
 *         release by anybody else, of anything else, changes nothing; every shortage has its error.
 * Method: each rule by itself, each table filled to its end. Random sequences beside a model:
 *         tests/prop/rt/payload_model_test.c. */
#include "payload.h"

#include <string.h>

#include "rng.h"
#include "test_cmocka.h"
#include "test_lessor.h"
#include "test_seed.h"

enum {
	OWN = 7,
	INC = 3,
	READER = 9,
	OTHER = 11,
	SLAB = 1 << 20,
	SLAB_OFF = 123 * 4096,
	BIG = PAYLOAD_SLAB_MAX + 1,
};

static _Alignas(4096) uint8_t slab[SLAB];
static struct test_lessor lessor;
static struct payload_pool *pool;

static int
setup(void **state)
{
	const struct payload_lease_ops ops = { test_lease, test_unlease, &lessor };

	lessor = (struct test_lessor){ .budget_bytes = 256u << 20 };
	return payload_create(&pool, OWN, INC, slab, sizeof(slab), SLAB_OFF, &ops);
}

static int
teardown(void **state)
{
	payload_destroy(pool);
	return lessor.seg_cnt == 0 && lessor.leased_bytes == 0 ? 0 : -1;
}

static struct payload_ref
take(size_t len, uint16_t holder)
{
	struct payload_ref ref;
	uint8_t *p;

	assert_int_equal(payload_alloc(pool, len, holder, &ref, &p), 0);
	assert_int_equal(ref.len, len);
	assert_int_equal(ref.proc, OWN);
	assert_int_equal(ref.inc, INC);
	assert_int_equal((uintptr_t)p % 8, 0);
	if (ref.seg == 0) {
		assert_ptr_equal(p, slab + (ref.off - SLAB_OFF));
	} else {
		assert_int_equal(ref.off, 0);
	}
	memset(p, (int)ref.handle, len);
	return ref;
}

static void
refused(size_t len, int want)
{
	struct payload_ref ref = { .handle = 42 };
	uint8_t *p = slab;

	assert_int_equal(payload_alloc(pool, len, READER, &ref, &p), want);
	assert_int_equal(ref.handle, 42);
	assert_ptr_equal(p, slab);
}

/* ---------------------------------------------------------------- shortages */

static void
too_large_is_told_from_full(void **state)
{
	refused(PAYLOAD_BYTES_MAX + 1, MB_ERR_TOO_LARGE);
	refused(SIZE_MAX, MB_ERR_TOO_LARGE);
	lessor.budget_bytes = 0;
	refused(BIG, MB_ERR_NO_MEMORY);
	assert_int_equal(payload_alive(pool), 0);
}

static void
a_full_slab_is_refused_and_recovers(void **state)
{
	static struct payload_ref refs[PAYLOAD_CNT_MAX];
	uint32_t first = 0;

	for (uint32_t round = 0; round < 3; round++) {
		uint32_t cnt = 0;
		uint8_t *p;

		while (payload_alloc(pool, PAYLOAD_SLAB_MAX, READER, &refs[cnt], &p) == 0) {
			cnt++;
		}
		assert_true(cnt > SLAB / PAYLOAD_SLAB_MAX / 2);
		first = round == 0 ? cnt : first;
		assert_int_equal(cnt, first); /* all of it comes back */
		assert_int_equal(payload_alive(pool), cnt);
		refused(PAYLOAD_SLAB_MAX, MB_ERR_NO_MEMORY);
		take(BIG, OTHER); /* segments are another matter */
		payload_release_all(pool, OTHER);
		for (uint32_t i = 0; i < cnt; i++) {
			assert_int_equal(payload_release(pool, refs[i].handle, READER), 0);
		}
		assert_int_equal(payload_alive(pool), 0);
	}
}

static void
a_full_table_is_refused_and_recovers(void **state)
{
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < PAYLOAD_CNT_MAX; i++) {
			take(1, READER);
		}
		refused(1, MB_ERR_NO_MEMORY);
		refused(BIG, MB_ERR_NO_MEMORY);
		assert_int_equal(payload_alive(pool), PAYLOAD_CNT_MAX);
		payload_release_all(pool, READER);
		assert_int_equal(payload_alive(pool), 0);
	}
}

static void
a_full_hold_table_is_refused_and_recovers(void **state)
{
	enum { PAYLOADS = PAYLOAD_HOLD_MAX / PROC_CNT_MAX + 1 };

	for (uint32_t round = 0; round < 3; round++) {
		struct payload_ref refs[PAYLOADS], ref;
		uint32_t holds = PAYLOADS;
		uint8_t *p;

		for (uint32_t i = 0; i < PAYLOADS; i++) {
			refs[i] = take(100, 0);
		}
		for (uint32_t i = 0; i < PAYLOADS * PROC_CNT_MAX; i++) {
			uint16_t proc = (uint16_t)(i / PAYLOADS + 1);
			int err = payload_hold(pool, refs[i % PAYLOADS].handle, proc);

			assert_int_equal(err, holds < PAYLOAD_HOLD_MAX ? 0 : MB_ERR_NO_MEMORY);
			holds += err == 0;
		}
		assert_int_equal(holds, PAYLOAD_HOLD_MAX);
		/* Not one more, but a second of the same process needs no room, nor does a move of
		 * an only one. Nothing was lost on the way. */
		assert_int_equal(payload_alloc(pool, 1, READER, &ref, &p), MB_ERR_NO_MEMORY);
		assert_int_equal(payload_hold(pool, refs[0].handle, 0), 0);
		assert_int_equal(payload_move(pool, refs[0].handle, 0, 9999), MB_ERR_NO_MEMORY);
		assert_int_equal(payload_release(pool, refs[0].handle, 9999), MB_ERR_NOT_FOUND);
		assert_int_equal(payload_release(pool, refs[0].handle, 0), 0);
		assert_int_equal(payload_move(pool, refs[0].handle, 0, 9999), 0);
		assert_int_equal(payload_move(pool, refs[0].handle, 9999, 0), 0);
		assert_int_equal(payload_alive(pool), PAYLOADS);
		for (uint16_t proc = 0; proc <= PROC_CNT_MAX; proc++) {
			payload_release_all(pool, proc);
		}
		assert_int_equal(payload_alive(pool), 0);
	}
}

static void
segments_are_bounded_and_reused(void **state)
{
	struct payload_ref refs[PAYLOAD_SEG_MAX], small, large;
	struct payload_ref ref;
	uint8_t *p;

	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX; i++) {
		refs[i] = take(BIG, READER);
		assert_int_not_equal(refs[i].seg, 0);
	}
	assert_int_equal(payload_alloc(pool, BIG, READER, &ref, &p), MB_ERR_NO_MEMORY);
	assert_int_equal(lessor.seg_cnt, PAYLOAD_SEG_MAX);
	payload_release_all(pool, READER);
	assert_int_equal(lessor.seg_cnt, PAYLOAD_SEG_MAX); /* kept */
	lessor.asked = 0;
	refs[0] = take(BIG, READER);
	assert_int_equal(lessor.asked, 0); /* used again */
	/* None is large enough: unused ones make room. */
	large = take(PAYLOAD_BYTES_MAX, READER);
	assert_int_equal(lessor.seg_cnt, 2);
	payload_release_all(pool, READER);
	/* The smallest that fits is taken. */
	small = take(BIG, READER);
	assert_int_equal(small.seg, refs[0].seg);
	assert_int_equal(take(BIG, READER).seg, large.seg);
	payload_release_all(pool, READER);
	assert_int_equal(payload_trim(pool), 2);
	assert_int_equal(payload_trim(pool), 0);
	assert_int_equal(lessor.seg_cnt, 0);
}

static void
what_nobody_used_for_a_while_goes_back(void **state)
{
	struct payload_ref held = take(BIG, READER);

	take(BIG, OTHER);
	assert_int_equal(payload_spare(pool), 0);
	payload_release_all(pool, OTHER);
	assert_int_equal(payload_spare(pool), 1);
	assert_int_equal(payload_age(pool), 0); /* it was used since the last time */
	take(BIG, OTHER);
	payload_release_all(pool, OTHER);
	assert_int_equal(payload_age(pool), 0); /* again */
	assert_int_equal(payload_age(pool), 1);
	assert_int_equal(payload_spare(pool), 0);
	assert_int_equal(payload_age(pool), 0); /* the other is in use */
	assert_non_null(payload_ptr(pool, held.handle));
	payload_release_all(pool, READER);
	assert_int_equal(payload_age(pool), 0);
	assert_int_equal(payload_age(pool), 1);
	assert_int_equal(lessor.seg_cnt, 0);
}

static void
a_short_budget_is_made_room_in(void **state)
{
	struct payload_ref held;

	lessor.budget_bytes = 1 << 20;
	held = take(400 << 10, READER); /* leases 512 KiB */
	take(400 << 10, OTHER);
	refused(BIG, MB_ERR_NO_MEMORY);
	payload_release_all(pool, OTHER);
	refused(600 << 10, MB_ERR_NO_MEMORY); /* though the unused one went back for it */
	assert_int_equal(lessor.seg_cnt, 1);
	assert_non_null(payload_ptr(pool, held.handle));
	take(500 << 10, OTHER);
	payload_release_all(pool, OTHER);
	payload_release_all(pool, READER);
	take(600 << 10, READER); /* both went back, and 1 MiB was leased */
	assert_int_equal(lessor.seg_cnt, 1);
	payload_release_all(pool, READER);
	/* What is left is not enough for the usual size, but for this payload. */
	lessor.budget_bytes = 700 << 10;
	take(600 << 10, READER);
	payload_release_all(pool, READER);
	assert_int_equal(payload_trim(pool), 1);
	take(600 << 10, READER);
	assert_true(lessor.leased_bytes <= lessor.budget_bytes);
}

static void
without_leases_there_are_small_ones(void **state)
{
	struct payload_pool *plain;
	struct payload_ref ref;
	uint8_t *p;

	assert_int_equal(payload_create(&plain, OWN, INC, slab, sizeof(slab), SLAB_OFF, NULL), 0);
	assert_int_equal(payload_alloc(plain, BIG, READER, &ref, &p), MB_ERR_NO_MEMORY);
	assert_int_equal(payload_alloc(plain, PAYLOAD_SLAB_MAX, READER, &ref, &p), 0);
	assert_int_equal(payload_trim(plain), 0);
	payload_destroy(plain);
	/* The other pool's slab was overwritten: it has nothing in it. */
	payload_destroy(pool);
	setup(state);
}

/* ---------------------------------------------------------------- holds */

static void
a_release_of_anything_else_changes_nothing(void **state)
{
	struct payload_ref ref = take(1000, READER), gone = take(1000, READER);
	struct rng rng;

	assert_int_equal(payload_release(pool, gone.handle, READER), 0);
	rng_init(&rng, test_seed("payload"));
	for (uint32_t i = 0; i < 1000000; i++) {
		uint32_t handle = (uint32_t)rng_u64(&rng) >> (rng_below(&rng, 2) * 16);
		uint16_t holder = (uint16_t)rng_below(&rng, PROC_CNT_MAX);

		if (handle == ref.handle && holder == READER) {
			continue;
		}
		assert_int_equal(payload_release(pool, handle, holder), MB_ERR_NOT_FOUND);
		assert_int_equal(payload_move(pool, handle, holder, OTHER), MB_ERR_NOT_FOUND);
		if (handle != ref.handle) {
			assert_int_equal(payload_hold(pool, handle, holder), MB_ERR_NOT_FOUND);
			assert_null(payload_ptr(pool, handle));
		}
	}
	for (uint32_t handle = 0; handle < 1 << 17; handle++) {
		assert_true(handle == ref.handle ||
			    payload_release(pool, handle, READER) == MB_ERR_NOT_FOUND);
	}
	payload_release_all(pool, OTHER);
	payload_release_all(pool, UINT16_MAX);
	assert_non_null(payload_ptr(pool, ref.handle));
	assert_int_equal(payload_alive(pool), 1);
}

static void
a_handle_is_not_used_again_soon(void **state)
{
	struct payload_ref first = take(10, READER);

	for (uint32_t i = 0; i < UINT16_MAX; i++) {
		struct payload_ref ref;

		assert_int_equal(payload_release(pool, first.handle, READER),
				 i > 0 ? MB_ERR_NOT_FOUND : 0);
		ref = take(10, READER);
		assert_int_not_equal(ref.handle, first.handle);
		assert_int_not_equal(ref.handle, 0);
		assert_int_equal(payload_release(pool, ref.handle, READER), 0);
	}
}

static void
the_last_hold_frees(void **state)
{
	struct payload_ref ref = take(5000, READER);
	const uint8_t *p = payload_ptr(pool, ref.handle);

	assert_int_equal(payload_hold(pool, ref.handle, READER), 0);
	assert_int_equal(payload_hold(pool, ref.handle, OTHER), 0);
	assert_int_equal(payload_release(pool, ref.handle, READER), 0);
	assert_int_equal(payload_release(pool, ref.handle, READER), 0);
	assert_int_equal(payload_release(pool, ref.handle, READER), MB_ERR_NOT_FOUND);
	assert_ptr_equal(payload_ptr(pool, ref.handle), p);
	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(p[i], (uint8_t)ref.handle);
	}
	assert_int_equal(payload_release(pool, ref.handle, OTHER), 0);
	assert_null(payload_ptr(pool, ref.handle));
	assert_int_equal(payload_alive(pool), 0);
}

static void
a_move_takes_and_gives_one(void **state)
{
	struct payload_ref ref = take(10, READER);

	/* Nothing to move: nothing is given either. */
	assert_int_equal(payload_move(pool, ref.handle, OTHER, OWN), MB_ERR_NOT_FOUND);
	assert_int_equal(payload_release(pool, ref.handle, OWN), MB_ERR_NOT_FOUND);
	assert_int_equal(payload_move(pool, ref.handle, READER, READER), 0);
	assert_int_equal(payload_move(pool, ref.handle, READER, OTHER), 0);
	assert_int_equal(payload_release(pool, ref.handle, READER), MB_ERR_NOT_FOUND);
	assert_int_equal(payload_hold(pool, ref.handle, READER), 0);
	assert_int_equal(payload_hold(pool, ref.handle, READER), 0);
	assert_int_equal(payload_move(pool, ref.handle, READER, OTHER), 0); /* adds to a hold */
	assert_int_equal(payload_release(pool, ref.handle, READER), 0);
	assert_int_equal(payload_release(pool, ref.handle, READER), MB_ERR_NOT_FOUND);
	assert_int_equal(payload_release(pool, ref.handle, OTHER), 0);
	assert_int_equal(payload_alive(pool), 1);
	assert_int_equal(payload_release(pool, ref.handle, OTHER), 0);
	assert_int_equal(payload_alive(pool), 0);
}

/* More holds of one process than a count can say. */
static void
holds_do_not_wrap(void **state)
{
	struct payload_ref ref = take(10, READER);
	const uint32_t more = 3 * UINT16_MAX;

	for (uint32_t i = 0; i < more; i++) {
		assert_int_equal(payload_hold(pool, ref.handle, READER), 0);
	}
	for (uint32_t i = 0; i < more; i++) {
		assert_int_equal(payload_release(pool, ref.handle, READER), 0);
	}
	assert_int_equal(payload_alive(pool), 1);
	for (uint32_t i = 0; i < more; i++) {
		assert_int_equal(payload_hold(pool, ref.handle, READER), 0);
	}
	payload_release_all(pool, READER);
	assert_int_equal(payload_alive(pool), 0);
}

/* ---------------------------------------------------------------- own references, by others */

static void
a_wrong_reference_to_us_is_not_believed(void **state)
{
	struct payload_ref ref = take(1000, READER), lie;

	assert_ptr_equal(payload_own(pool, &ref), payload_ptr(pool, ref.handle));
	lie = ref;
	lie.len = 10; /* less is fine */
	assert_non_null(payload_own(pool, &lie));
	for (uint64_t len = 1001; len <= UINT32_MAX; len = len * 2 + 1) {
		lie.len = (uint32_t)len;
		assert_null(payload_own(pool, &lie));
	}
	lie = ref;
	lie.off += 8; /* a part of it is too, but not what is behind it */
	assert_null(payload_own(pool, &lie));
	lie.len -= 8;
	assert_ptr_equal(payload_own(pool, &lie), payload_ptr(pool, ref.handle) + 8);
	lie.off = ref.off - 1;
	assert_null(payload_own(pool, &lie));
	lie = ref;
	lie.inc++;
	assert_null(payload_own(pool, &lie));
	lie = ref;
	lie.proc++;
	assert_null(payload_own(pool, &lie));
	lie = ref;
	lie.handle += 1 << 16;
	assert_null(payload_own(pool, &lie));
	assert_int_equal(payload_release(pool, ref.handle, READER), 0);
	assert_null(payload_own(pool, &ref));
}

static void
a_payload_of_nothing_is_one(void **state)
{
	struct payload_ref ref = take(0, READER);

	assert_non_null(payload_own(pool, &ref));
	payload_shrink(pool, &ref, 0);
	assert_int_equal(payload_release(pool, ref.handle, READER), 0);
	ref = take(100, READER);
	payload_shrink(pool, &ref, 5);
	assert_int_equal(ref.len, 5);
	assert_int_equal(payload_release(pool, ref.handle, READER), 0);
	assert_int_equal(payload_alive(pool), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(too_large_is_told_from_full),
		TEST(a_full_slab_is_refused_and_recovers),
		TEST(a_full_table_is_refused_and_recovers),
		TEST(a_full_hold_table_is_refused_and_recovers),
		TEST(segments_are_bounded_and_reused),
		TEST(what_nobody_used_for_a_while_goes_back),
		TEST(a_short_budget_is_made_room_in),
		TEST(without_leases_there_are_small_ones),
		TEST(a_release_of_anything_else_changes_nothing),
		TEST(a_handle_is_not_used_again_soon),
		TEST(the_last_hold_frees),
		TEST(a_move_takes_and_gives_one),
		TEST(holds_do_not_wrap),
		TEST(a_wrong_reference_to_us_is_not_believed),
		TEST(a_payload_of_nothing_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
