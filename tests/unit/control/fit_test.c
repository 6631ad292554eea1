/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   lists share a window fairly, never take more than it has, and one that is cut shows its
 *         busiest and how many more there are.
 * Method: shares of all small wants and windows; samples written by hand. */
#include "fit.h"

#include <stdio.h>
#include <string.h>

#include "../base/test_cmocka.h"
#include "compiler.h"

static void
shares_are_fair(void **state)
{
	uint32_t want[FIT_LISTS], give[FIT_LISTS];

	for (uint32_t n = 0; n < 1296 * 26; n++) {
		uint32_t rows = n / 1296, k = n % 1296, all = 0, wanted = 0;

		for (uint32_t i = 0; i < FIT_LISTS; i++, k /= 6) {
			want[i] = k % 6;
		}
		fit_shares(want, rows, give);
		for (uint32_t i = 0; i < FIT_LISTS; i++) {
			all += give[i];
			wanted += want[i];
			assert_true(give[i] <= want[i]);
			for (uint32_t j = 0; j < FIT_LISTS; j++) { /* who lacks has not less */
				assert_true(give[i] == want[i] || give[i] + 1 >= give[j]);
			}
		}
		assert_int_equal(all, MIN(rows, wanted));
	}
}

/* f0 is the least busy function, and so on. */
static json_t *
sample(uint32_t functions, uint32_t others)
{
	json_t *s = json_object();
	static const char *const list[] = { "functions", "executors", "tiles", "stages" };

	for (uint32_t i = 0; i < ARRAY_CNT(list); i++) {
		json_t *a = json_array();

		for (uint32_t k = 0; k < (i == 0 ? functions : others); k++) {
			char name[16];

			snprintf(name, sizeof(name), "f%u", k);
			json_array_append_new(a, json_pack("{s:s, s:f, s:f}", "name", name, "per_s",
							   (double)k, "busy", (double)k));
		}
		json_object_set_new(s, list[i], a);
	}
	return s;
}

static size_t
cnt_of(const json_t *s, const char *list)
{
	return json_array_size(json_object_get(s, list));
}

static const char *
name_of(const json_t *s, const char *list, size_t i)
{
	return json_string_value(
		json_object_get(json_array_get(json_object_get(s, list), i), "name"));
}

static void
what_fits_is_as_it_was(void **state)
{
	json_t *s = sample(5, 3);
	json_t *fit = fit_sample(s, 5 + 3 * 3 + 4 * 2 - 1);

	assert_true(json_equal(s, fit));
	json_decref(s);
	json_decref(fit);
}

static void
a_cut_list_shows_its_busiest(void **state)
{
	json_t *s = sample(100, 2);
	json_t *fit = fit_sample(s, 22);

	assert_int_equal(cnt_of(fit, "executors"), 2);
	assert_int_equal(cnt_of(fit, "stages"), 2);
	assert_int_equal(cnt_of(fit, "functions"), 8); /* 22 + 1 - 3 * 4 are 11 */
	assert_int_equal(json_integer_value(json_object_get(fit, "functions_more")), 92);
	assert_string_equal(name_of(fit, "functions", 0), "f99");
	assert_string_equal(name_of(fit, "functions", 7), "f92");
	assert_string_equal(name_of(fit, "executors", 0), "f0"); /* not cut: not ordered */
	assert_int_equal(cnt_of(s, "functions"), 100);
	json_decref(fit);
	json_decref(s);
}

/* However low a window is, no more lines are shown than it has. */
static void
no_window_is_too_low(void **state)
{
	static const char *const list[] = { "functions", "executors", "tiles", "stages" };
	json_t *s = sample(9, 5);

	for (uint32_t rows = 0; rows < 40; rows++) {
		json_t *fit = fit_sample(s, rows);
		size_t lines = 0;

		for (uint32_t i = 0; i < ARRAY_CNT(list); i++) {
			char more[32];

			snprintf(more, sizeof(more), "%s_more", list[i]);
			lines += cnt_of(fit, list[i]) != 0 ? cnt_of(fit, list[i]) + 2 : 0;
			lines += json_object_get(fit, more) != NULL;
		}
		assert_true(lines <= rows + 1);
		assert_true(rows < 3 || cnt_of(fit, "functions") != 0);
		json_decref(fit);
	}
	json_decref(s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_fair),
		cmocka_unit_test(what_fits_is_as_it_was),
		cmocka_unit_test(a_cut_list_shows_its_busiest),
		cmocka_unit_test(no_window_is_too_low),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
