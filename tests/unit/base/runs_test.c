/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   runs finds the lowest and the highest row that fits, whenever one exists; misuse stops.
 * Method: against an array of bools searched one by one: every free/taken pattern of a small world,
 *         then random work at page counts around the boundaries of words and levels. */
#include "runs.h"

#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_death.h"
#include "test_seed.h"

enum { PAGES_MAX = 5000 };

/* The truth: page by page. */
struct model {
	uint32_t page_cnt;
	bool free[PAGES_MAX];
};

static uint32_t
model_find(const struct model *m, uint32_t cnt, enum runs_end end)
{
	uint32_t row = 0;

	for (uint32_t i = 0; i < m->page_cnt; i++) {
		uint32_t page = end == RUNS_LOW ? i : m->page_cnt - 1 - i;

		row = m->free[page] ? row + 1 : 0;
		if (row == cnt) {
			return end == RUNS_LOW ? page - cnt + 1 : page;
		}
	}
	return RUNS_NONE;
}

static void
model_set(struct model *m, uint32_t page, uint32_t cnt, bool free)
{
	for (uint32_t i = page; i < page + cnt; i++) {
		assert_int_not_equal(m->free[i], free);
		m->free[i] = free;
	}
}

static void *
runs_make(struct runs *r, uint32_t page_cnt)
{
	size_t bytes = runs_footprint(page_cnt);
	void *mem = malloc(bytes); /* the exact size: a sanitizer sees one byte too far */

	memset(mem, 0xee, bytes);
	runs_init(r, mem, page_cnt);
	return mem;
}

static void
free_twice(void *arg)
{
	runs_free(arg, 0, 1);
	runs_free(arg, 0, 1);
}

static void
free_beyond(void *arg)
{
	runs_free(arg, 99, 2);
}

static void
alloc_nothing(void *arg)
{
	runs_alloc(arg, 0, RUNS_LOW);
}

static void
damaged_tree(void *arg)
{
	struct runs *r = arg;

	r->level[0][1].longest--;
	runs_check(r);
}

static void
misuse_stops_the_process(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];
	struct runs r;
	void *mem = runs_make(&r, 100);

	assert_int_equal(runs_alloc(&r, 100, RUNS_LOW), 0);
	assert_true(test_dies(free_twice, &r, text));
	assert_non_null(strstr(text, "page=0"));
	assert_true(test_dies(free_beyond, &r, text));
	assert_non_null(strstr(text, "page=99 cnt=2 of 100"));
	assert_true(test_dies(alloc_nothing, &r, text));
	assert_true(test_dies(damaged_tree, &r, text));
	assert_non_null(strstr(text, "level=0 i=1"));
	free(mem);
}

static void
none_is_told(void **state)
{
	struct runs r;
	void *mem = runs_make(&r, 100);

	assert_int_equal(runs_alloc(&r, 101, RUNS_LOW), RUNS_NONE);
	assert_int_equal(runs_alloc(&r, UINT32_MAX, RUNS_HIGH), RUNS_NONE);
	assert_int_equal(runs_alloc(&r, 100, RUNS_HIGH), 0);
	assert_int_equal(runs_alloc(&r, 1, RUNS_LOW), RUNS_NONE);
	runs_check(&r);
	free(mem);
}

/* Rows of a width that only some places have. */
static void
a_place_is_a_multiple_and_a_phase(void **state)
{
	struct rng rng;
	struct model *m = calloc(1, sizeof(*m));
	uint32_t found = 0, none = 0;

	rng_init(&rng, test_seed("runs_at"));
	for (int round = 0; round < 200; round++) {
		uint32_t every = 1 + (uint32_t)rng_below(&rng, 40);
		uint32_t phase = (uint32_t)rng_below(&rng, every);
		struct runs r;
		void *mem = runs_make(&r, 1000);

		m->page_cnt = 1000;
		memset(m->free, 1, sizeof(m->free));
		for (int i = 0; i < 60; i++) {
			uint32_t cnt = 1 + (uint32_t)rng_below(&rng, 60);
			uint32_t row = model_find(m, cnt + every - 1, RUNS_HIGH);
			uint32_t page = runs_alloc_at(&r, cnt, every, phase);

			assert_int_equal(page == RUNS_NONE, row == RUNS_NONE);
			if (page == RUNS_NONE) {
				none++;
				continue;
			}
			found++;
			assert_int_equal(page % every, phase);
			assert_in_range(page, row, row + every - 1);
			model_set(m, page, cnt, false);
			runs_check(&r);
		}
		free(mem);
	}
	assert_true(found > 100 && none > 100);
	free(m);
}

/* All 2^12 patterns of twelve pages that straddle a word boundary, and every length. */
static void
every_small_world(void **state)
{
	enum { AROUND = 12, FIRST = 64 - AROUND / 2 };
	static struct model m;

	for (uint32_t pattern = 0; pattern < 1 << AROUND; pattern++) {
		struct runs r;
		void *mem = runs_make(&r, 130);

		memset(&m, 0, sizeof(m));
		m.page_cnt = 130;
		runs_alloc(&r, 130, RUNS_LOW);
		for (uint32_t i = 0; i < AROUND; i++) {
			if ((pattern >> i & 1) != 0) {
				runs_free(&r, FIRST + i, 1);
				m.free[FIRST + i] = true;
			}
		}
		runs_check(&r);
		for (uint32_t cnt = 1; cnt <= AROUND; cnt++) {
			for (enum runs_end end = RUNS_LOW; end <= RUNS_HIGH; end++) {
				uint32_t page = runs_alloc(&r, cnt, end);

				assert_int_equal(page, model_find(&m, cnt, end));
				if (page != RUNS_NONE) {
					runs_free(&r, page, cnt);
				}
			}
		}
		free(mem);
	}
}

static void
random_work_matches_the_model(void **state)
{
	static const uint32_t page_cnts[] = { 1,   2,   63,  64,   65,   127, 128,
					      129, 192, 193, 1000, 4096, 4999 };
	static struct model m;
	struct rng rng;

	rng_init(&rng, test_seed("runs"));
	for (size_t w = 0; w < ARRAY_CNT(page_cnts); w++) {
		struct runs r;
		void *mem = runs_make(&r, page_cnts[w]);

		m.page_cnt = page_cnts[w];
		memset(m.free, true, sizeof(m.free));
		for (int round = 0; round < 3000; round++) {
			uint32_t cnt = 1 + (uint32_t)rng_below(&rng, 1 + (page_cnts[w] >>
									  rng_below(&rng, 10)));
			enum runs_end end = rng_below(&rng, 2) == 0 ? RUNS_LOW : RUNS_HIGH;
			uint32_t page = (uint32_t)rng_below(&rng, m.page_cnt);

			if (rng_below(&rng, 2) == 0) {
				page = runs_alloc(&r, cnt, end);
				assert_int_equal(page, model_find(&m, cnt, end));
				if (page != RUNS_NONE) {
					model_set(&m, page, cnt, false);
				}
			} else if (!m.free[page]) { /* free what is taken from here on, up to cnt */
				uint32_t n = 1;

				while (n < cnt && page + n < m.page_cnt && !m.free[page + n]) {
					n++;
				}
				runs_free(&r, page, n);
				model_set(&m, page, n, true);
			}
			assert_int_equal(runs_is_free(&r, page % m.page_cnt),
					 m.free[page % m.page_cnt]);
		}
		runs_check(&r);
		free(mem);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misuse_stops_the_process),
		cmocka_unit_test(none_is_told),
		cmocka_unit_test(a_place_is_a_multiple_and_a_phase),
		cmocka_unit_test(every_small_world),
		cmocka_unit_test(random_work_matches_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
