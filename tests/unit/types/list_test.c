/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   items stand in the order they were pushed, from both ends, from several replicas; removed
 *         ones are gone, set ones changed; nothing that was pushed is lost.
 * Method: by hand, damage and full ends first; random pushes and pops against an array. */
#include "list.h"

#include <stdio.h>

#include "made.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

static const struct slice none;

/* The values, with a blank behind each. */
static const char *
text_of(struct slice v)
{
	static char text[4096];
	struct list_item item;
	size_t len = 0;

	text[0] = '\0';
	for (struct table_walk i = { 0 }; list_next(v, &i, &item);) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s ",
					(int)item.value.len, (const char *)item.value.p);
	}
	return text;
}

static void
damage_is_seen(void **state)
{
	const struct slice v = list_push(none, LIST_RIGHT, "a", 1, 1);
	const struct {
		size_t from_end;
		uint8_t v;
	} row[] = {
		{ 5, 3 }, /* flags */
		{ 5, 1 }, /* removed, with a value */
		{ 5, 2 }, /* set, without a stamp */
		{ 4, 9 }, /* its end */
	};
	struct list_item item;

	for (size_t i = 0; i < ARRAY_CNT(row); i++) {
		struct slice bad = made_copy(v);
		struct table_walk walk = { 0 };

		((uint8_t *)(uintptr_t)bad.p)[bad.len - row[i].from_end] = row[i].v;
		assert_int_equal(lattice_check(LATTICE_LIST, bad), MB_ERR_CORRUPT);
		assert_int_equal(list_cnt(bad), 0);
		assert_false(list_next(bad, &walk, &item));
	}
}

static void
ends_are_not_passed(void **state)
{
	struct slice v = made_copy(list_push(none, LIST_RIGHT, "a", 1, 1));
	uint8_t buf[64];
	struct wbuf out = wbuf_init(buf, sizeof(buf));

	memset((uint8_t *)(uintptr_t)v.p, 0xff, 8);
	assert_int_equal(list_delta_push(v, at(2, 1), LIST_RIGHT, slice_str("b"), &out),
			 MB_ERR_TOO_LARGE);
	memset((uint8_t *)(uintptr_t)v.p, 0, 8);
	assert_int_equal(list_delta_push(v, at(2, 1), LIST_LEFT, slice_str("b"), &out),
			 MB_ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	assert_int_equal(list_delta_push(v, at(2, 1), LIST_RIGHT, slice_str("b"), &out), 0);
	out = wbuf_init(buf, LIST_OVERHEAD);
	assert_int_equal(list_delta_push(none, at(2, 1), LIST_RIGHT, slice_str("b"), &out),
			 MB_ERR_TOO_LARGE);
}

static void
items_stand_in_order(void **state)
{
	struct slice v = none, id;
	struct list_item item;
	uint32_t idx = UINT32_MAX;

	v = list_push(v, LIST_RIGHT, "c", 1, 1);
	v = list_push(v, LIST_RIGHT, "d", 2, 1);
	v = list_push(v, LIST_LEFT, "b", 3, 1);
	v = list_push(v, LIST_LEFT, "a", 4, 1);
	assert_string_equal(text_of(v), "a b c d ");
	assert_true(list_prev(v, &idx, &item));
	assert_true(slice_eq(item.value, slice_str("d")));
	v = list_without(v, 3);
	idx = UINT32_MAX;
	assert_true(list_prev(v, &idx, &item));
	assert_true(slice_eq(item.value, slice_str("c")));
	assert_true(list_prev(v, &idx, &item));
	assert_true(list_prev(v, &idx, &item));
	assert_false(list_prev(v, &idx, &item));
	v = list_without(v, 0);
	assert_string_equal(text_of(v), "b c ");
	assert_int_equal(list_cnt(v), 2);
	/* Set, twice: the later counts, whatever comes first. */
	id = list_id(v, 0);
	{
		const struct slice x =
			MADE(64, list_delta_set(v, id, at(9, 1), slice_str("x"), out));
		const struct slice y =
			MADE(64, list_delta_set(v, id, at(10, 1), slice_str("y"), out));

		assert_string_equal(text_of(merged(LATTICE_LIST, merged(LATTICE_LIST, v, y), x)),
				    "y c ");
		/* A remove wins over a set. */
		assert_string_equal(text_of(merged(LATTICE_LIST, list_without(v, 0), y)), "c ");
	}
	/* What is gone is not set, nor removed again. */
	v = list_without(v, 0);
	assert_false(list_find(v, id, &item));
	{
		uint8_t buf[64];
		struct wbuf out = wbuf_init(buf, sizeof(buf));

		assert_int_equal(list_delta_set(v, id, at(11, 1), slice_str("z"), &out),
				 MB_ERR_NOT_FOUND);
		assert_int_equal(list_delta_remove(v, id, &out), 0);
		assert_int_equal(out.len, 0);
	}
}

/* Puts an item between the one with an index and the next one; there is room. */
static struct slice
list_between(struct slice v, uint32_t left, const char *text, uint64_t time)
{
	uint64_t position;
	bool found = list_place_between(list_id(v, left), list_id(v, left + 1), &position);

	assert_true(found);
	return made_copy(
		merged(LATTICE_LIST, v,
		       MADE(64, list_delta_place(position, at(time, 1), slice_str(text), out))));
}

/* In the middle of two neighbours; when there is nothing any more, behind the left one by its time;
 * when that is taken, nowhere. */
static void
items_go_between_others(void **state)
{
	struct slice v = none;
	uint64_t position;

	assert_true(list_place_between(none, none, &position));
	v = made_copy(merged(LATTICE_LIST, v,
			     MADE(64, list_delta_place(position, at(1, 1), slice_str("a"), out))));
	v = made_copy(list_push(v, LIST_RIGHT, "z", 2, 1));
	for (uint64_t i = 0; i < 20; i++) {
		v = list_between(v, 0, "m", 3 + i);
	}
	assert_int_equal(list_cnt(v), 22);
	v = list_between(v, 0, "b", 30); /* behind the left one */
	assert_memory_equal(text_of(v), "a b m m", 7);
	assert_false(list_place_between(list_id(v, 0), list_id(v, 1), &position));
	v = list_between(v, 1, "c", 31); /* and behind that */
	assert_memory_equal(text_of(v), "a b c m", 7);
	assert_true(list_place_between(none, list_id(v, 0), &position));
	assert_true(list_place_between(list_id(v, 23), none, &position));
}

static void
concurrent_pushes_all_stay(void **state)
{
	const struct slice v = list_push(none, LIST_RIGHT, "m", 1, 1);
	const struct slice a =
		list_push(list_push(v, LIST_RIGHT, "a1", 2, 1), LIST_RIGHT, "a2", 3, 1);
	const struct slice b =
		list_push(list_push(v, LIST_RIGHT, "b1", 2, 2), LIST_LEFT, "b0", 3, 2);
	const struct slice both = merged(LATTICE_LIST, a, b);

	assert_string_equal(text_of(both), "b0 m a1 b1 a2 ");
	assert_true(slice_eq(both, merged(LATTICE_LIST, b, a)));
	/* Cleared: what the one had not seen stays. */
	assert_string_equal(text_of(merged(LATTICE_LIST, b, MADE(a.len, list_delta_clear(a, out)))),
			    "b0 b1 ");
}

static void
like_an_array(void **state)
{
	enum { MAX_CNT = 40 };
	struct slice v = none;
	char expect[MAX_CNT * 8] = "";
	int value[MAX_CNT];
	int cnt = 0;
	struct rng rng;

	rng_init(&rng, test_seed("list"));
	for (int step = 1; step < 500; step++) {
		const bool left = rng_below(&rng, 2) == 0;
		char text[12];
		size_t len = 0;

		snprintf(text, sizeof(text), "%d", step);
		if (cnt == MAX_CNT || (cnt != 0 && rng_below(&rng, 5) < 2)) {
			v = list_without(v, left ? 0 : (uint32_t)cnt - 1);
			cnt--;
			memmove(value, value + left, (size_t)cnt * sizeof(value[0]));
		} else {
			v = list_push(v, left ? LIST_LEFT : LIST_RIGHT, text, (uint64_t)step, 1);
			memmove(value + left, value, (size_t)cnt * sizeof(value[0]));
			value[left ? 0 : cnt] = step;
			cnt++;
		}
		expect[0] = '\0';
		for (int i = 0; i < cnt; i++) {
			len += (size_t)snprintf(expect + len, sizeof(expect) - len, "%d ",
						value[i]);
		}
		assert_string_equal(text_of(v), expect);
	}
	assert_int_equal(lattice_check(LATTICE_LIST, v), 0);
	made_forget();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(ends_are_not_passed),
		cmocka_unit_test(items_stand_in_order),
		cmocka_unit_test(items_go_between_others),
		cmocka_unit_test(concurrent_pushes_all_stay),
		cmocka_unit_test(like_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
