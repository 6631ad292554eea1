/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   members come in the order of their scores, stored ones and own ones alike; places count
 *         from both ends; a new walk ends the one before.
 * Method: by hand. */
#include <math.h>

#include "session_fixture.h"

static const char *
rest_of(struct session_iter *it)
{
	static char text[256];
	struct slice m;
	size_t len = 0;
	double x;

	text[0] = '\0';
	while (session_zrange_next(s, it, &m, &x)) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s=%g ", (int)m.len,
					(const char *)m.p, x);
	}
	return text;
}

static const char *
by_rank(int64_t first, int64_t last)
{
	struct session_iter it;

	assert_int_equal(session_zrange_rank(s, k("z"), first, last, &it), 0);
	return rest_of(&it);
}

static const char *
by_score(double min, double max)
{
	struct session_iter it;

	assert_int_equal(session_zrange_score(s, k("z"), min, max, &it), 0);
	return rest_of(&it);
}

static void
ranges(void **state)
{
	struct session_iter it, other;
	uint64_t rank;
	struct slice m;
	double x;

	assert_string_equal(by_rank(0, -1), "");
	assert_int_equal(session_zrange_score(s, k("z"), NAN, 1, &it), MB_ERR_INVALID);
	assert_int_equal(session_zadd(s, k("z"), k("c"), 1), 0);
	assert_int_equal(session_zadd(s, k("z"), k("a"), 3), 0);
	assert_int_equal(session_zadd(s, k("z"), k("gone"), 2), 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_zadd(s, k("z"), k("b"), 1), 0);
	assert_int_equal(session_zadd(s, k("z"), k("low"), -INFINITY), 0);
	assert_int_equal(session_zrem(s, k("z"), k("gone")), 0);
	assert_string_equal(by_rank(0, -1), "low=-inf b=1 c=1 a=3 ");
	assert_string_equal(by_rank(1, 2), "b=1 c=1 ");
	assert_string_equal(by_rank(-1, -1), "a=3 ");
	assert_string_equal(by_rank(-100, 0), "low=-inf ");
	assert_string_equal(by_rank(3, 100), "a=3 ");
	assert_string_equal(by_rank(2, 1), "");
	assert_string_equal(by_rank(4, 4), "");
	assert_string_equal(by_rank(0, -5), "");
	assert_string_equal(by_score(1, 2), "b=1 c=1 ");
	assert_string_equal(by_score(2, 1), "");
	assert_string_equal(by_score(-INFINITY, INFINITY), "low=-inf b=1 c=1 a=3 ");
	assert_int_equal(session_zrank(s, k("z"), k("a"), &rank), 0);
	assert_int_equal(rank, 3);
	assert_int_equal(session_zrank(s, k("z"), k("gone"), &rank), MB_ERR_NOT_FOUND);
	assert_int_equal(session_zrange_rank(s, k("z"), 0, -1, &it), 0);
	assert_true(session_zrange_next(s, &it, &m, &x));
	assert_int_equal(session_zrange_rank(s, k("z"), 0, -1, &other), 0);
	assert_false(session_zrange_next(s, &it, &m, &x));
}

/* A few hundred, against what sorting says. */
static void
many(void **state)
{
	struct session_iter it;
	char name[16];
	struct slice m;
	double x, last = -1;
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < 700; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		assert_int_equal(session_zadd(s, k("z"), k(name), (i * 7919u) % 503), 0);
	}
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_zrange_rank(s, k("z"), 0, -1, &it), 0);
	while (session_zrange_next(s, &it, &m, &x)) {
		assert_true(x >= last);
		last = x;
		cnt++;
	}
	assert_int_equal(cnt, 700);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
