/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   who looks for an item passes over those that others take, of this key, and only until
 *         that is over; more than can be noted harms nobody.
 * Method: a gate of which only the notes are used, and a list of three items. */
#include "gate_pop.h"

#include <stdlib.h>

#include "gate_int.h"
#include "hash.h"
#include "made.h"
#include "test_cmocka.h"

static struct gate *g;
static struct slice list;

static int
setup(void **state)
{
	g = calloc(1, sizeof(*g));
	assert_non_null(g);
	gate_pops_init(g);
	list = list_push(slice_of(NULL, 0), LIST_RIGHT, "a", 1, 1);
	list = list_push(list, LIST_RIGHT, "b", 2, 1);
	list = list_push(list, LIST_RIGHT, "c", 3, 1);
	return 0;
}

static int
teardown(void **state)
{
	free(g);
	return 0;
}

/* What is found from an end, in its order, as text. */
static void
assert_found(const char *key, enum list_end end, bool all, const char *want)
{
	struct gate_pop_walk walk = gate_pop_walk(slice_str(key), end);
	struct list_item item;
	char found[4] = "";
	size_t n = 0;

	walk.all = all;
	while (gate_pop_next(g, list, &walk, &item)) {
		found[n++] = (char)item.value.p[0];
	}
	assert_string_equal(found, want);
}

static uint32_t
note(const char *key, uint32_t idx)
{
	struct slice name = slice_str(key);

	return gate_pop_note(g, hash_bytes(name.p, name.len), list_id(list, idx));
}

static void
what_is_being_taken_is_passed_over(void **state)
{
	uint32_t a, b, again;

	assert_found("q", LIST_LEFT, false, "abc");
	a = note("q", 0);
	assert_true(a != 0);
	assert_found("q", LIST_LEFT, false, "bc");
	assert_found("q", LIST_RIGHT, false, "cb");
	assert_found("q", LIST_LEFT, true, "abc");
	assert_found("other", LIST_LEFT, false, "abc");
	b = note("q", 1);
	again = note("q", 0); /* by two at once */
	assert_found("q", LIST_RIGHT, false, "c");
	gate_pop_over(g, a);
	assert_found("q", LIST_LEFT, false, "c");
	gate_pop_over(g, again);
	assert_found("q", LIST_LEFT, false, "ac");
	gate_pop_over(g, b);
	assert_found("q", LIST_LEFT, false, "abc");
}

static void
more_than_are_noted(void **state)
{
	uint32_t pop[GATE_POP_CNT];

	for (uint32_t i = 0; i < GATE_POP_CNT; i++) {
		pop[i] = note("q", i % 2);
		assert_true(pop[i] != 0);
	}
	assert_int_equal(note("q", 2), 0);
	assert_found("q", LIST_LEFT, false, "c");
	for (uint32_t i = 0; i < GATE_POP_CNT; i++) {
		gate_pop_over(g, pop[i]);
	}
	assert_found("q", LIST_LEFT, false, "abc");
	assert_true(note("q", 2) != 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_being_taken_is_passed_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(more_than_are_noted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
