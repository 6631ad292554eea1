/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   each type reads as the table in view.h says, as text and as a number.
 * Method: a row a case. */
#include "view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "gset.h"
#include "made.h"
#include "orset.h"
#include "rng.h"
#include "test_cmocka.h"

static const struct slice none;

static void
it_reads_as_the_table_says(void **state)
{
	const struct {
		unsigned int type;
		struct slice v;
		int text_rc;
		const char *text;
		int number_rc;
		int64_t number;
	} rows[] = {
		{ LATTICE_ABSENT, none, MB_ERR_NOT_FOUND, NULL, MB_ERR_NOT_FOUND, 0 },
		{ LATTICE_STRING, string_set("a"), 0, "a", MB_ERR_TYPE, 0 },
		{ LATTICE_STRING, string_set("-5"), 0, "-5", 0, -5 },
		{ LATTICE_LWW, lww_made(1, 1, "5"), 0, "5", MB_ERR_TYPE, 0 },
		{ LATTICE_PN_COUNTER, counter_plus(none, 1, -7), 0, "-7", 0, -7 },
		{ LATTICE_BOOL_OR, bool_made(true), 0, "1", 0, 1 },
		{ LATTICE_MAX_U64, u64_made(INT64_MAX), 0, "9223372036854775807", 0, INT64_MAX },
		{ LATTICE_MIN_U64, u64_made(UINT64_MAX), 0, "18446744073709551615",
		  MB_ERR_TOO_LARGE, 0 },
		{ LATTICE_MAX_F64, f64_made(0.1), 0, "0.1", MB_ERR_TYPE, 0 },
		{ LATTICE_MAX_F64, f64_made(-INFINITY), 0, "-inf", MB_ERR_TYPE, 0 },
		{ LATTICE_MAX_F64, f64_made(-1.7976931348623157e308), 0, "-1.7976931348623157e+308",
		  MB_ERR_TYPE, 0 },
		{ LATTICE_GSET, gset_made("a"), MB_ERR_TYPE, NULL, MB_ERR_TYPE, 0 },
		{ LATTICE_VCLOCK, vclock_made(1, 1), MB_ERR_TYPE, NULL, MB_ERR_TYPE, 0 },
		{ LATTICE_TYPE_CNT, none, MB_ERR_TYPE, NULL, MB_ERR_TYPE, 0 },
		{ LATTICE_STRING, none, MB_ERR_NOT_FOUND, NULL, MB_ERR_NOT_FOUND, 0 },
		{ LATTICE_PN_COUNTER, none, MB_ERR_NOT_FOUND, NULL, MB_ERR_NOT_FOUND, 0 },
		{ LATTICE_MAX_U64, none, MB_ERR_NOT_FOUND, NULL, MB_ERR_NOT_FOUND, 0 },
		{ LATTICE_MAX_U64, bool_made(true), MB_ERR_CORRUPT, NULL, MB_ERR_CORRUPT, 0 },
		{ LATTICE_PN_COUNTER, bool_made(true), MB_ERR_CORRUPT, NULL, MB_ERR_CORRUPT, 0 },
	};

	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		char buf[VIEW_TEXT_MAX];
		struct slice text;
		int64_t number = 0;

		assert_int_equal(view_text(rows[i].type, rows[i].v, buf, &text), rows[i].text_rc);
		if (rows[i].text_rc == 0) {
			assert_true(slice_eq(text, slice_str(rows[i].text)));
		}
		assert_int_equal(view_i64(rows[i].type, rows[i].v, &number), rows[i].number_rc);
		assert_int_equal(number, rows[i].number);
	}
}

static void
what_was_deleted_is_not_present(void **state)
{
	const struct slice counter = counter_plus(none, 1, 4);

	assert_true(view_present(LATTICE_PN_COUNTER, counter));
	assert_false(view_present(LATTICE_PN_COUNTER, counter_deleted(counter)));
	assert_true(view_present(LATTICE_STRING, string_set("")));
	assert_false(view_present(LATTICE_STRING, string_deleted(string_set(""))));
	assert_true(view_present(LATTICE_GSET, gset_made("a")));
	assert_false(view_present(LATTICE_GSET, none));
	assert_false(view_present(LATTICE_ABSENT, none));
}

/* The shortest text by trying one digit after the other. */
static void
text_tried(double v, char text[VIEW_TEXT_MAX])
{
	if (fabs(v) < 1e15 && v == (double)(int64_t)v) {
		snprintf(text, VIEW_TEXT_MAX, "%.0f", v);
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, VIEW_TEXT_MAX, "%.*g", digits, v);
		if (strtod(text, NULL) == v) {
			return;
		}
	}
}

static void
doubles_show_their_shortest_text(void **state)
{
	static const double edge[] = { 0,     -0.0,      0.1,        -0.5,       1e-4,     9.9e-5,
				       1e14,  1e15,      1e15 - 0.5, 123456.789, 1.0 / 3,  5e-324,
				       1e300, 0.000123,  1e15 + 2,   -2.25,      100,      1e-5,
				       0.3,   0.1 + 0.2, 1e22,       NAN,        -INFINITY };
	char text[VIEW_TEXT_MAX], buf[VIEW_TEXT_MAX];
	struct rng rng;

	rng_init(&rng, 7);
	for (uint32_t i = 0; i < 60000; i++) {
		uint64_t bits = rng_u64(&rng);
		struct slice got;
		double v;

		if (i < ARRAY_CNT(edge)) {
			v = edge[i];
		} else if (i % 3 == 0) {
			memcpy(&v, &bits, sizeof(v));
		} else if (i % 3 == 1) { /* few digits */
			v = (double)(int64_t)bits / 1e4 / (double)(1U << (bits & 31));
			v = (double)(int64_t)v / 1e5;
		} else {
			v = (double)(int64_t)(bits >> (bits & 63));
		}
		got = view_f64(v, buf);
		text_tried(v, text);
		if (got.len != strlen(text) || memcmp(got.p, text, got.len) != 0) {
			fail_msg("%a shows as %.*s, not %s", v, (int)got.len, got.p, text);
		}
	}
}

/* One item of a collection, which is what is brought to a reader who is elsewhere. */
static void
an_item_stands_alone(void **state)
{
	struct slice members[] = { slice_str("a"), slice_str("bc"), slice_str("d") };
	uint8_t mem[256], part_mem[64];
	struct wbuf set = wbuf_init(mem, sizeof(mem)), part = wbuf_init(part_mem, sizeof(part_mem));
	struct slice item, part_set;

	(void)state;
	assert_int_equal(gset_delta_add(members, 3, &set), 0);
	assert_int_equal(view_item(LATTICE_GSET, wbuf_slice(&set), members[1], &item), 0);
	assert_true(slice_eq(item, members[1]));
	assert_int_equal(view_part(item, &part), 0);
	part_set = wbuf_slice(&part);
	assert_int_equal(part_set.len, item.len + TABLE_ITEM_OVERHEAD);
	assert_int_equal(gset_cnt(part_set), 1);
	assert_true(gset_has(part_set, members[1]));
	assert_false(gset_has(part_set, members[0]));
	assert_int_equal(view_item(LATTICE_GSET, wbuf_slice(&set), slice_str("b"), &item),
			 MB_ERR_NOT_FOUND);
	assert_int_equal(view_item(LATTICE_STRING, string_set("a"), members[0], &item),
			 MB_ERR_TYPE);
	part = wbuf_init(part_mem, 5);
	assert_int_equal(view_part(members[1], &part), MB_ERR_TOO_LARGE);
	assert_int_equal(part.len, 0);

	/* A member that was removed is not there. */
	set = wbuf_init(mem, sizeof(mem));
	assert_int_equal(orset_delta_add((struct stamp){ { 1 }, { 1 } }, members[0], &set), 0);
	assert_int_equal(view_item(LATTICE_ORSET, wbuf_slice(&set), members[0], &item), 0);
	part = wbuf_init(part_mem, sizeof(part_mem));
	assert_int_equal(orset_delta_remove(wbuf_slice(&set), members[0], &part), 0);
	assert_int_equal(view_item(LATTICE_ORSET, wbuf_slice(&part), members[0], &item),
			 MB_ERR_NOT_FOUND);
}

/* A walk begins where it is told to, between members too. */
static void
a_walk_begins_anywhere(void **state)
{
	static const struct {
		const char *from;
		bool behind;
		const char *next; /* NULL: none */
	} row[] = {
		{ "", false, "b" },  { "", true, "b" },   { "a", true, "b" },
		{ "b", false, "b" }, { "b", true, "d" },  { "c", true, "d" },
		{ "d", true, "f" },  { "f", true, NULL }, { "g", false, NULL },
	};
	const struct slice members[] = { slice_str("b"), slice_str("d"), slice_str("f") };
	uint8_t mem[256];
	struct wbuf set = wbuf_init(mem, sizeof(mem));
	struct table_walk walk;
	struct slice member;

	(void)state;
	assert_int_equal(gset_delta_add(members, 3, &set), 0);
	for (size_t i = 0; i < ARRAY_CNT(row); i++) {
		assert_int_equal(view_seek(LATTICE_GSET, wbuf_slice(&set), slice_str(row[i].from),
					   row[i].behind, &walk),
				 0);
		assert_int_equal(view_set_next(LATTICE_GSET, wbuf_slice(&set), &walk, &member),
				 row[i].next != NULL);
		if (row[i].next != NULL) {
			assert_true(slice_eq(member, slice_str(row[i].next)));
		}
	}
	assert_int_equal(view_seek(LATTICE_STRING, string_set("a"), members[0], true, &walk),
			 MB_ERR_TYPE);
	assert_int_equal(view_seek(LATTICE_GSET, none, members[0], true, &walk), 0);
	assert_false(view_set_next(LATTICE_GSET, none, &walk, &member));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_reads_as_the_table_says),
		cmocka_unit_test(what_was_deleted_is_not_present),
		cmocka_unit_test(an_item_stands_alone),
		cmocka_unit_test(a_walk_begins_anywhere),
		cmocka_unit_test(doubles_show_their_shortest_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
