/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a row says what was measured: no floor is null, an aim is met, missed or cannot be told.
 * Method: a measure of known figures against rows with every kind of aim. */
#include "row.h"

#include <stdlib.h>
#include <string.h>

#include "../base/test_cmocka.h"

static struct measure m;

/* Subject 300 ns, floor 200 ns; 4 M operations a second. */
static void
measured(bool with_floor)
{
	memset(&m, 0, sizeof(m));
	figures_init(&m.subject);
	figures_init(&m.floor);
	for (unsigned i = 0; i < 10; i++) {
		figures_add(&m.subject, 300000);
		figures_block_end(&m.subject);
		if (with_floor) {
			figures_add(&m.floor, 200000);
			figures_block_end(&m.floor);
		}
	}
	figures_rate_add(&m.subject, 4000, timebase_tsc_hz() / 1000);
	interleave_judge(&m);
}

static enum verdict
judged(struct aim aim)
{
	struct row row = { .name = "x", .unit = "ns", .what = "x", .floor = "ring", .aim = aim };

	return row_verdict(&row, &m);
}

static void
what_is_above_its_aim_is_missed(void **state)
{
	measured(true);
	assert_int_equal(judged((struct aim){ .p50_max = 299 }), VERDICT_MISSED);
	assert_int_equal(judged((struct aim){ .ratio_p50_max = 1.4 }), VERDICT_MISSED);
	assert_int_equal(judged((struct aim){ .p50_max = 400, .ratio_p99_max = 1.4 }),
			 VERDICT_MISSED);
	assert_int_equal(judged((struct aim){ .rate_min = 5e6 }), VERDICT_MISSED);
}

static void
a_ratio_without_a_floor_is_missed(void **state)
{
	measured(false);
	assert_int_equal(judged((struct aim){ .ratio_p50_max = 10 }), VERDICT_MISSED);
}

static void
a_noisy_machine_can_only_say_that_it_was_met(void **state)
{
	measured(true);
	m.noisy = true;
	assert_int_equal(judged((struct aim){ .p50_max = 299 }), VERDICT_NOISY);
	assert_int_equal(judged((struct aim){ .p50_max = 310 }), VERDICT_MET);
}

static void
what_is_within_its_aim_is_met(void **state)
{
	measured(true);
	assert_int_equal(judged((struct aim){ .p50_max = 310, .p99_max = 310 }), VERDICT_MET);
	assert_int_equal(judged((struct aim){ .ratio_p50_max = 1.6, .rate_min = 3e6 }),
			 VERDICT_MET);
	assert_int_equal(judged((struct aim){ 0 }), VERDICT_NONE);
}

static void
an_aim_is_written_from_its_numbers(void **state)
{
	struct row row = { .name = "x", .unit = "us", .floor = "ring" };
	char text[128];

	aim_text(&row, text, sizeof(text));
	assert_string_equal(text, "");
	row.aim = (struct aim){ .p50_max = 1.5, .ratio_p99_max = 4, .rate_min = 3e6 };
	aim_text(&row, text, sizeof(text));
	assert_string_equal(text, "p50 <= 1.5 us, p99 <= 4 x ring, >= 3 M/s");
	aim_text(&row, text, 8); /* cut, not overrun */
	assert_string_equal(text, "p50 <= ");
}

static void
json_has_every_key_and_null_for_what_is_not_there(void **state)
{
	static const char *const keys[] = { "name", "unit",      "p50",       "p99",
					    "p999", "rate",      "floor_p50", "ratio_p50",
					    "aim",  "ratio_p99", "samples",   "noisy",
					    "met",  "what",      "on" };
	struct row row = { .name = "x", .unit = "ns", .what = "x" };
	json_t *on = json_pack("{s:s}", "cpu", "none"), *object;

	measured(false);
	object = row_json(&row, &m, on);
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_non_null(json_object_get(object, keys[i]));
	}
	assert_true(json_is_null(json_object_get(object, "floor_p50")));
	assert_true(json_is_null(json_object_get(object, "ratio_p50")));
	assert_true(json_is_null(json_object_get(object, "met")));
	assert_true(json_real_value(json_object_get(object, "p50")) >= 297);
	assert_true(json_real_value(json_object_get(object, "p50")) <= 303);
	assert_int_equal(json_integer_value(json_object_get(object, "samples")), 10);
	json_decref(object);
	json_decref(on);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_above_its_aim_is_missed),
		cmocka_unit_test(a_ratio_without_a_floor_is_missed),
		cmocka_unit_test(a_noisy_machine_can_only_say_that_it_was_met),
		cmocka_unit_test(what_is_within_its_aim_is_met),
		cmocka_unit_test(an_aim_is_written_from_its_numbers),
		cmocka_unit_test(json_has_every_key_and_null_for_what_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
