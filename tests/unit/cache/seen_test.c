/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a value with what was seen comes back as it was packed; bytes nobody packed are refused;
 *         what was seen covers siblings of its own epoch only.
 * Method: by hand, every cut of the bytes, every byte of the trailer changed. */
#include "seen.h"

#include <string.h>

#include "history.h"
#include "lattice.h"
#include "microburst/error.h"
#include "mvreg.h"
#include "test_cmocka.h"

static uint8_t mem[256];

static struct slice
packed(struct slice context)
{
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct seen s = { .context = context, .epoch = { { 7 }, { 9 } } };

	wbuf_put(&out, "value", 5);
	assert_int_equal(seen_put_tail(&out, &s), 0);
	return wbuf_slice(&out);
}

static struct slice
event(uint64_t n, uint8_t buf[HISTORY_RUN_BYTES])
{
	struct wbuf out = wbuf_init(buf, HISTORY_RUN_BYTES);

	history_put(&out, (struct writer_id){ 3 }, n);
	return wbuf_slice(&out);
}

static void
damage_is_seen(void **state)
{
	uint8_t buf[HISTORY_RUN_BYTES], long_context[SEEN_CONTEXT_MAX + HISTORY_RUN_BYTES] = { 0 };
	struct slice v = packed(event(1, buf));
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct seen s = { .context = { long_context, sizeof(long_context) } };

	for (size_t len = 0; len < v.len; len++) {
		struct slice cut = slice_of(v.p, len);

		/* Whoever frames values knows their length (lattice.h); it stays inside all the
		 * same. */
		if (seen_open(cut, &s) == 0) {
			assert_true(s.value.len + s.context.len + SEEN_OVERHEAD == len);
		}
	}
	mem[v.len - 4] ^= 1; /* of the length */
	assert_int_equal(seen_open(v, &s), MB_ERR_CORRUPT);
	mem[v.len - 1] = 1;
	assert_int_equal(seen_open(v, &s), MB_ERR_TOO_LARGE);
	s.context = slice_of(long_context, sizeof(long_context));
	assert_int_equal(seen_put_tail(&out, &s), MB_ERR_TOO_LARGE);
	out = wbuf_init(mem, SEEN_OVERHEAD - 1);
	s.context.len = 0;
	assert_int_equal(seen_put_tail(&out, &s), MB_ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
}

static void
it_comes_back(void **state)
{
	uint8_t buf[HISTORY_RUN_BYTES], other[HISTORY_RUN_BYTES];
	struct mvreg_sibling sib = { .history = event(1, buf) };
	struct seen s;

	assert_int_equal(seen_open(packed(sib.history), &s), 0);
	assert_true(slice_eq(s.value, slice_str("value")));
	assert_true(slice_eq(s.context, sib.history));
	assert_true(seen_covers(&s, s.epoch, &sib));
	assert_false(seen_covers(&s, (struct stamp){ { 8 }, { 9 } }, &sib));
	sib.history = event(2, other);
	assert_false(seen_covers(&s, s.epoch, &sib));
}

static void
registers_of_a_merge_are_found(void **state)
{
	struct slice name, mvreg;
	struct wbuf out = wbuf_init(mem, sizeof(mem));

	assert_int_equal(mvreg_delta_put(slice_of(NULL, 0), slice_of(NULL, 0),
					 (struct writer_id){ 1 },
					 &(struct mvreg_sibling){ .value = slice_str("v") }, &out),
			 0);
	assert_true(merged_by(LATTICE_MVREG, wbuf_slice(&out), &name, &mvreg));
	assert_int_equal(name.len, 0);
	assert_int_equal(merged_put_tail(slice_str("longest"), &out), 0);
	assert_int_equal(lattice_check(LATTICE_PAIR_LEX, wbuf_slice(&out)), 0);
	assert_true(merged_by(LATTICE_PAIR_LEX, wbuf_slice(&out), &name, &mvreg));
	assert_true(slice_eq(name, slice_str("longest")));
	assert_int_equal(mvreg_cnt(mvreg), 1);
	assert_false(merged_by(LATTICE_STRING, wbuf_slice(&out), &name, &mvreg));
	assert_false(merged_by(LATTICE_PAIR_LEX, slice_str("nothing of the kind"), &name, &mvreg));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(it_comes_back),
		cmocka_unit_test(registers_of_a_merge_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
