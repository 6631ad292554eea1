/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   rates are what happened between two samples, whatever came or went meanwhile.
 * Method: pairs of samples written by hand. */
#include "rates.h"

#include <math.h>

#include "../base/test_cmocka.h"

static json_t *
sample(json_int_t ns, json_int_t finished, json_int_t failed, json_int_t busy_ns, json_int_t pid)
{
	json_t *s = json_pack("{s:I, s:[{s:s, s:I}], s:[{s:I, s:I, s:I}], s:[{s:s, s:I, s:I}]}",
			      "time_ns", ns, "tiles", "name", "sched", "busy_ns", busy_ns,
			      "executors", "pid", pid, "finished", finished, "busy_ns", busy_ns,
			      "functions", "name", "f", "finished", finished, "failed", failed);

	assert_non_null(s);
	return s;
}

static double
rate(const json_t *sample, const char *list, const char *key)
{
	return json_number_value(
		json_object_get(json_array_get(json_object_get(sample, list), 0), key));
}

static void
assert_near(double is, double want)
{
	assert_true(fabs(is - want) < 1e-9);
}

static void
no_time(void **state)
{
	json_t *a = sample(5, 0, 0, 0, 7), *b = sample(5, 10, 0, 10, 7);

	(void)state;
	rates_add(b, a);
	assert_near(rate(b, "functions", "per_s"), 0);
	assert_near(rate(b, "tiles", "busy"), 0);
	json_decref(a);
	json_decref(b);
}

static void
a_pass_that_began_before_is_no_more_than_all(void **state)
{
	json_t *a = sample(1000, 0, 0, 0, 7), *b = sample(100001000, 1, 0, 150000000, 7);

	(void)state;
	rates_add(b, a);
	assert_near(rate(b, "tiles", "busy"), 1);
	assert_near(rate(b, "executors", "busy"), 1);
	json_decref(a);
	json_decref(b);
}

static void
half_a_second(void **state)
{
	json_t *a = sample(1000, 100, 1, 2000, 7), *b = sample(500001000, 150, 2, 125002000, 7);

	(void)state;
	rates_add(b, a);
	assert_near(rate(b, "functions", "per_s"), 100);
	assert_near(rate(b, "functions", "failed_per_s"), 2);
	assert_near(rate(b, "executors", "per_s"), 100);
	assert_near(rate(b, "executors", "busy"), 0.25);
	assert_near(rate(b, "tiles", "busy"), 0.25);
	assert_near(json_number_value(json_object_get(b, "per_s")), 100);
	assert_int_equal(json_integer_value(json_object_get(b, "interval_ns")), 500000000);
	json_decref(a);
	json_decref(b);
}

/* A replaced executor has another pid, and counts from zero; so does a counter that went back. */
static void
started_anew(void **state)
{
	json_t *a = sample(0, 100, 50, 2000, 7), *b = sample(1000000000, 120, 3, 500, 8);

	(void)state;
	rates_add(b, a);
	assert_near(rate(b, "executors", "per_s"), 120);
	assert_near(rate(b, "functions", "per_s"), 20);
	assert_near(rate(b, "functions", "failed_per_s"), 3);
	json_decref(a);
	json_decref(b);
}

/* An answer with parts missing gives no rates, and nothing worse. */
static void
nothing_there(void **state)
{
	json_t *a = json_object(), *b = json_object();

	(void)state;
	rates_add(b, a);
	assert_near(json_number_value(json_object_get(b, "per_s")), 0);
	json_decref(a);
	json_decref(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_time),
		cmocka_unit_test(half_a_second),
		cmocka_unit_test(a_pass_that_began_before_is_no_more_than_all),
		cmocka_unit_test(started_anew),
		cmocka_unit_test(nothing_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
