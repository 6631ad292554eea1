/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   fields merge by key and by type, nest to their limit and no deeper, and damaged ones are
 *         refused or lead nowhere outside.
 * Method: by hand; the laws are in tests/prop/types. */
#include "map.h"

#include <stdio.h>

#include "made.h"
#include "test_cmocka.h"

static void
a_field_that_cannot_be_is_refused(void **state)
{
	static const uint8_t zeros[MAP_KEY_LEN_MAX + 1];
	const struct slice v = bool_made(true);
	const struct map_field bottom = { .key = slice_str("k"), .type = LATTICE_GSET };
	const struct map_field unknown = { slice_str("k"), LATTICE_TYPE_CNT, v };
	const struct map_field long_key = { slice_of(zeros, sizeof(zeros)), LATTICE_BOOL_OR, v };
	uint8_t *buf = malloc(sizeof(zeros) + 64);
	struct wbuf out = wbuf_init(buf, sizeof(zeros) + 64);

	assert_int_equal(map_delta_put(&bottom, &out), MB_ERR_INVALID);
	assert_int_equal(map_delta_put(&unknown, &out), MB_ERR_INVALID);
	assert_int_equal(map_delta_put(&long_key, &out), MB_ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	assert_false(out.full);
	free(buf);
}

static void
keys_that_do_not_ascend_are_refused(void **state)
{
	const struct map_field k = { slice_str("k"), LATTICE_BOOL_OR, bool_made(true) };
	const struct map_field a = { slice_str("a"), LATTICE_BOOL_OR, bool_made(true) };
	uint8_t buf[64];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	struct map_builder b;

	map_begin(&b, &out);
	map_add(&b, &k);
	map_add(&b, &k);
	assert_int_equal(map_end(&b), MB_ERR_INVALID);
	map_begin(&b, &out);
	map_add(&b, &k);
	map_add(&b, &a);
	assert_int_equal(map_end(&b), MB_ERR_INVALID);
	assert_int_equal(out.len, 0);
	assert_int_equal(out.cap, sizeof(buf));
}

static void
a_cut_is_refused(void **state)
{
	const struct slice v = merged(LATTICE_MAP, map_made("k", LATTICE_GSET, gset_made("a b")),
				      map_made("l", LATTICE_MAX_U64, u64_made(1)));

	for (size_t len = 1; len < v.len; len++) {
		assert_int_not_equal(lattice_check(LATTICE_MAP, made_copy(slice_of(v.p, len))), 0);
	}
}

static void
damage_leads_nowhere(void **state)
{
	const struct slice good =
		merged(LATTICE_MAP, map_made("k", LATTICE_GSET, gset_made("a b")),
		       map_made("l", LATTICE_MAP, map_made("m", LATTICE_MAX_U64, u64_made(1))));
	const struct slice other =
		map_made("l", LATTICE_MAP, map_made("m", LATTICE_LWW, lww_made(1, 1, "x")));
	uint8_t *bytes = made_alloc(good.len);
	uint8_t buf[256];

	for (size_t i = 0; i < good.len; i++) {
		for (unsigned int v = 0; v < 256; v++) {
			struct slice bad = slice_of(bytes, good.len);
			struct wbuf out = wbuf_init(buf, sizeof(buf));
			struct map_field f;

			memcpy(bytes, good.p, good.len);
			bytes[i] = (uint8_t)v;
			for (uint32_t m = 0; map_at(bad, m, &f); m++) {
				assert_true(f.key.p >= bytes &&
					    f.value.p + f.value.len <= bytes + bad.len);
			}
			(void)map_get(bad, slice_str("l"), &f);
			(void)lattice_leq(LATTICE_MAP, bad, other);
			(void)lattice_leq(LATTICE_MAP, other, bad);
			(void)lattice_merge(LATTICE_MAP, bad, other, &out);
			(void)lattice_merge(LATTICE_MAP, other, bad, &out);
		}
	}
}

static struct slice
nested(unsigned int levels)
{
	struct slice v = bool_made(true);
	unsigned int type = LATTICE_BOOL_OR;

	for (unsigned int i = 0; i < levels; i++) {
		v = map_made("k", type, v);
		type = LATTICE_MAP;
	}
	return v;
}

static void
it_nests_to_the_limit_and_no_deeper(void **state)
{
	const struct slice deep = nested(LATTICE_DEPTH_MAX);
	const struct slice deeper = nested(LATTICE_DEPTH_MAX + 1);
	const struct slice other =
		map_made("k", LATTICE_MAP, deep); /* nested as deep, another value */
	struct wbuf out = wbuf_init(NULL, 0);

	assert_int_equal(lattice_check(LATTICE_MAP, deep), 0);
	assert_int_equal(lattice_check(LATTICE_MAP, deeper), MB_ERR_TOO_LARGE);
	assert_int_equal(lattice_check(LATTICE_MAP, other), MB_ERR_TOO_LARGE);
	/* An envelope between two maps is no way around it. */
	assert_int_equal(lattice_check(LATTICE_MAP, map_made("k", LATTICE_ENVELOPE,
							     envelope_made(&(struct envelope){
								     .type = LATTICE_MAP,
								     .state = deep }))),
			 MB_ERR_TOO_LARGE);
	/* Unchecked bytes end at the limit too, not at the end of the stack. */
	assert_true(lattice_merge(LATTICE_MAP, deeper, nested(LATTICE_DEPTH_MAX + 9), &out) < 0);
}

static void
fields_merge_by_key(void **state)
{
	const struct slice a = merged(LATTICE_MAP, map_made("k", LATTICE_GSET, gset_made("a")),
				      map_made("x", LATTICE_MAX_U64, u64_made(7)));
	const struct slice b = merged(LATTICE_MAP, map_made("k", LATTICE_GSET, gset_made("b")),
				      map_made("x", LATTICE_MAX_U64, u64_made(3)));
	const struct slice ab = merged(LATTICE_MAP, a, b);
	struct map_field f;

	assert_int_equal(lattice_check(LATTICE_MAP, ab), 0);
	assert_int_equal(map_cnt(ab), 2);
	assert_true(map_get(ab, slice_str("k"), &f));
	assert_int_equal(f.type, LATTICE_GSET);
	assert_true(slice_eq(f.value, gset_made("a b")));
	assert_true(map_get(ab, slice_str("x"), &f));
	assert_true(slice_eq(f.value, u64_made(7)));
	assert_false(map_get(ab, slice_str("y"), &f));
	assert_true(map_at(ab, 0, &f));
	assert_true(slice_eq(f.key, slice_str("k")));
	assert_false(map_at(ab, 2, &f));
}

static void
the_greater_type_wins_a_key(void **state)
{
	const struct slice set = map_made("k", LATTICE_GSET, gset_made("z"));
	const struct slice map = map_made("k", LATTICE_MAP, nested(1));

	assert_true(slice_eq(merged(LATTICE_MAP, set, map), map));
	assert_true(slice_eq(merged(LATTICE_MAP, map, set), map));
}

static void
a_map_of_many_fields_is_built_in_place(void **state)
{
	enum { FIELDS = 1000 };
	uint8_t *buf = malloc(FIELDS * 32);
	struct wbuf out = wbuf_init(buf, FIELDS * 32);
	struct map_builder b;
	struct map_field f;
	char key[8];

	map_begin(&b, &out);
	for (int i = 0; i < FIELDS; i++) {
		snprintf(key, sizeof(key), "%04d", i);
		map_add(&b, &(struct map_field){ slice_str(key), LATTICE_MAX_U64,
						 u64_made((uint64_t)i) });
	}
	assert_int_equal(map_end(&b), 0);
	assert_int_equal(lattice_check(LATTICE_MAP, wbuf_slice(&out)), 0);
	assert_int_equal(map_cnt(wbuf_slice(&out)), FIELDS);
	assert_true(map_get(wbuf_slice(&out), slice_str("0777"), &f));
	assert_true(slice_eq(f.value, u64_made(777)));
	free(buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_that_cannot_be_is_refused),
		cmocka_unit_test(keys_that_do_not_ascend_are_refused),
		cmocka_unit_test(a_cut_is_refused),
		cmocka_unit_test(damage_leads_nowhere),
		cmocka_unit_test(it_nests_to_the_limit_and_no_deeper),
		cmocka_unit_test(fields_merge_by_key),
		cmocka_unit_test(the_greater_type_wins_a_key),
		cmocka_unit_test(a_map_of_many_fields_is_built_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
