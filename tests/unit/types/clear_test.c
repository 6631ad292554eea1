/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   of each type that can, all that was observed is deleted and nothing else; in a map, field
 *         by field.
 * Method: what cannot be cleared, and too little room, first; then a table of (seen, there): what
 *         is left when the clearing of the one meets the other. */
#include "clear.h"

#include "made.h"
#include "test_cmocka.h"
#include "view.h"

static const struct slice none;

static struct slice
cleared(unsigned int type, struct slice v)
{
	return MADE(lattice_clear_bound(type, v), lattice_clear(type, v, out));
}

static struct slice
field(const char *key, uint64_t time, unsigned int type, struct slice state)
{
	return map_made(key, LATTICE_ENVELOPE,
			envelope_made(&(struct envelope){ .epoch = at(time, 1),
							  .type = type,
							  .state = state }));
}

static struct slice
both_fields(void)
{
	return merged(LATTICE_MAP, field("a", 1, LATTICE_STRING, string_set("x")),
		      field("n", 0, LATTICE_STRING, string_plus(none, 1, 5)));
}

static void
what_only_grows_is_not_cleared(void **state)
{
	static const unsigned int types[] = { LATTICE_GSET, LATTICE_MAX_U64, LATTICE_LWW };
	const struct slice values[] = { gset_made("a"), u64_made(1), lww_made(1, 1, "x") };
	uint8_t buf[64];
	struct wbuf out = wbuf_init(buf, sizeof(buf));

	for (size_t i = 0; i < ARRAY_CNT(types); i++) {
		assert_int_equal(lattice_clear(types[i], values[i], &out), MB_ERR_NOT_SUPPORTED);
		assert_int_equal(out.len, 0);
	}
}

static void
too_little_room_changes_nothing(void **state)
{
	const struct slice v = both_fields();
	const size_t need = cleared(LATTICE_MAP, v).len;
	uint8_t buf[256];

	for (size_t room = 0; room < need; room++) {
		struct wbuf out = wbuf_init(buf, room);

		assert_int_equal(lattice_clear(LATTICE_MAP, v, &out), MB_ERR_TOO_LARGE);
		assert_int_equal(out.len, 0);
		assert_int_equal(out.cap, room);
	}
}

static void
damage_nests_only_so_deep(void **state)
{
	struct slice v = field("k", 1, LATTICE_STRING, string_set("x"));
	uint8_t buf[4096];
	struct wbuf room = wbuf_init(buf, sizeof(buf));

	for (int i = 0; i < LATTICE_DEPTH_MAX + 2; i++) {
		v = MADE(v.len + 64, map_delta_put(&(struct map_field){ .key = slice_str("k"),
									.type = LATTICE_MAP,
									.value = v },
						   out));
	}
	assert_int_equal(lattice_clear(LATTICE_MAP, v, &room), MB_ERR_TOO_LARGE);
}

static void
what_was_not_seen_is_left(void **state)
{
	const struct slice map = both_fields(), set = orset_plus(none, "a", 1, 1);
	const struct slice sum = string_plus(none, 1, 3);
	const struct {
		unsigned int type;
		struct slice seen, there;
		uint32_t left; /* items, or the number */
	} row[] = {
		{ LATTICE_ORSET, set, set, 0 },
		{ LATTICE_ORSET, set, orset_plus(set, "b", 2, 2), 1 },
		{ LATTICE_ORSET, set, orset_plus(set, "a", 2, 2), 1 },
		{ LATTICE_MAP, map, map, 0 },
		{ LATTICE_MAP, map,
		  merged(LATTICE_MAP, map, field("b", 1, LATTICE_STRING, string_set("y"))), 1 },
		/* set anew, in a later epoch */
		{ LATTICE_MAP, map,
		  merged(LATTICE_MAP, map, field("a", 2, LATTICE_STRING, string_set("y"))), 1 },
		/* counted on */
		{ LATTICE_MAP, map,
		  merged(LATTICE_MAP, map, field("n", 0, LATTICE_STRING, string_plus(none, 2, 1))),
		  1 },
		{ LATTICE_STRING, sum, sum, 0 },
		{ LATTICE_STRING, sum, string_plus(sum, 2, 4), 4 },
		{ LATTICE_PN_COUNTER, counter_plus(none, 1, 3),
		  counter_plus(counter_plus(none, 1, 3), 2, 4), 4 },
	};

	for (size_t i = 0; i < ARRAY_CNT(row); i++) {
		const struct slice delta = cleared(row[i].type, row[i].seen);
		const struct slice left = merged(row[i].type, row[i].there, delta);
		int64_t n = 0;

		assert_int_equal(lattice_check(row[i].type, delta), 0);
		assert_false(view_present(row[i].type, merged(row[i].type, row[i].seen, delta)));
		assert_int_equal(cleared(row[i].type, merged(row[i].type, row[i].seen, delta)).len,
				 0);
		assert_int_equal(view_present(row[i].type, left), row[i].left != 0);
		if (lattice_table_ops(row[i].type) != NULL) {
			assert_int_equal(view_cnt(row[i].type, left), row[i].left);
		} else if (row[i].left != 0) {
			assert_int_equal(view_i64(row[i].type, left, &n), 0);
			assert_int_equal(n, row[i].left);
		}
	}
}

/* What is long is not said again: deleting it takes no memory. */
static void
a_long_value_is_deleted_in_a_few_bytes(void **state)
{
	char *text = malloc((1 << 20) + 1);
	struct slice v;

	memset(text, 'x', 1 << 20);
	text[1 << 20] = '\0';
	v = string_set(text);
	assert_true(cleared(LATTICE_STRING, v).len < 16);
	assert_true(lattice_clear_bound(LATTICE_STRING, v) < 1 << 17);
	v = field("k", 1, LATTICE_STRING, v);
	assert_true(cleared(LATTICE_MAP, v).len < 64);
	assert_true(lattice_clear_bound(LATTICE_MAP, v) < 1 << 17);
	v = mvreg_put(slice_of(NULL, 0), slice_of(NULL, 0), text, 5, 1);
	assert_true(cleared(LATTICE_MVREG, v).len < 128);
	assert_true(lattice_clear_bound(LATTICE_MVREG, v) < 1 << 10);
	v = MADE((1 << 20) + LIST_OVERHEAD,
		 list_delta_push(slice_of(NULL, 0), at(5, 1), LIST_RIGHT, slice_str(text), out));
	assert_true(cleared(LATTICE_LIST, v).len <= LIST_OVERHEAD);
	assert_int_equal(lattice_clear_bound(LATTICE_LIST, v), LIST_OVERHEAD);
	free(text);
	made_forget();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_only_grows_is_not_cleared),
		cmocka_unit_test(too_little_room_changes_nothing),
		cmocka_unit_test(damage_nests_only_so_deep),
		cmocka_unit_test(what_was_not_seen_is_left),
		cmocka_unit_test(a_long_value_is_deleted_in_a_few_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
