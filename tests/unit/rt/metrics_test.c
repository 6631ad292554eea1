/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   counters count, names follow the grammar, and every row of the table is one a person can
 *         use.
 * Method: whole-table checks over METRIC_CNT rows; a writer and a reader in two threads. */
#include "metrics.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>

#include "test_cmocka.h"
#include "test_death.h"

static struct metrics_block kvs, lcore;

static void
init_as_tile(void *arg)
{
	metrics_init(arg, METRICS_OWNER_tile, 0);
}

static void
a_block_of_any_tile_is_a_bug(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];

	assert_true(test_dies(init_as_tile, &kvs, text));
}

static void
a_block_counts_its_own_and_a_tile_what_tiles_count(void **state)
{
	char name[METRICS_NAME_BYTES_MAX];

	assert_true(metrics_counts(METRICS_OWNER_kvs, METRIC_tile_poll_run));
	assert_true(metrics_counts(METRICS_OWNER_lcore, METRIC_lcore_pass_run));
	assert_false(metrics_counts(METRICS_OWNER_lcore, METRIC_tile_poll_run));
	assert_false(metrics_counts(METRICS_OWNER_client, METRIC_tile_poll_run));
	assert_false(metrics_counts(METRICS_OWNER_kvs, METRIC_lcore_pass_run));
	metrics_name(METRICS_OWNER_kvs, METRIC_tile_poll_run, name);
	assert_string_equal(name, "kvs_poll_run");
	metrics_name(METRICS_OWNER_lcore, METRIC_lcore_time_busy, name);
	assert_string_equal(name, "lcore_time_busy_ns");
}

/* subject_what[_unit]: lower case, a subject and what happened, nothing that only says "number". */
static void
every_row_follows_the_grammar(void **state)
{
	for (int m = 0; m < METRIC_CNT; m++) {
		const struct metrics_row *row = metrics_row((enum metric)m);
		char name[METRICS_NAME_BYTES_MAX];

		for (const char *p = row->what; *p != '\0'; p++) {
			assert_true(islower(*p) || isdigit(*p) || *p == '_');
		}
		assert_non_null(strchr(row->what, '_'));
		assert_null(strstr(row->what, "total"));
		assert_null(strstr(row->what, "count"));
		assert_non_null(strchr(row->doc, '.'));
		metrics_name(row->owner == METRICS_OWNER_tile ? METRICS_OWNER_kvs : row->owner,
			     (enum metric)m, name);
		for (int n = 0; n < m; n++) {
			const struct metrics_row *other = metrics_row((enum metric)n);

			assert_false(other->owner == row->owner &&
				     strcmp(other->what, row->what) == 0);
		}
	}
}

static void
counters_add_and_gauges_set(void **state)
{
	metrics_init(&kvs, METRICS_OWNER_kvs, 3);
	metrics_init(&lcore, METRICS_OWNER_lcore, 0);
	metrics_add(&kvs, METRIC_tile_poll_run, 2);
	metrics_add(&kvs, METRIC_tile_poll_run, 40);
	metrics_set(&lcore, METRIC_tile_poll_run, 100);
	assert_int_equal(kvs.idx, 3);
	assert_int_equal(metrics_get(&kvs, METRIC_tile_poll_run), 42);
	assert_int_equal(metrics_get(&lcore, METRIC_tile_poll_run), 100);
}

#define WRITES 200000

static void *
write_many(void *arg)
{
	for (int i = 0; i < WRITES; i++) {
		metrics_add(arg, METRIC_lcore_pass_run, 1);
	}
	return NULL;
}

static void
a_reader_never_sees_a_counter_go_back(void **state)
{
	uint64_t before = 0;
	pthread_t writer;

	metrics_init(&lcore, METRICS_OWNER_lcore, 0);
	assert_int_equal(pthread_create(&writer, NULL, write_many, &lcore), 0);
	while (before < WRITES) {
		uint64_t now = metrics_get(&lcore, METRIC_lcore_pass_run);

		assert_true(now >= before);
		assert_true(now <= WRITES);
		before = now;
	}
	pthread_join(writer, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_of_any_tile_is_a_bug),
		cmocka_unit_test(a_block_counts_its_own_and_a_tile_what_tiles_count),
		cmocka_unit_test(every_row_follows_the_grammar),
		cmocka_unit_test(counters_add_and_gauges_set),
		cmocka_unit_test(a_reader_never_sees_a_counter_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
