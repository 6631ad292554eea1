/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   who waits for what is lent to others asks again when some of it is back, one for each,
 *         and all after a pause; not before.
 * Method: a gate of which only the connections and the clock are used. */
#include "gate_int.h"

#include <stdlib.h>

#include "test_cmocka.h"

#define CONNS 5

static struct gate *g;
static struct gate_conn *c;

static int
setup(void **state)
{
	g = calloc(1, sizeof(*g));
	c = calloc(CONNS, sizeof(*c));
	assert_true(g != NULL && c != NULL);
	STAILQ_INIT(&g->ready);
	STAILQ_INIT(&g->lacking);
	g->now_ns = 1000;
	return 0;
}

static int
teardown(void **state)
{
	free(c);
	free(g);
	return 0;
}

static uint32_t
ready_cnt(void)
{
	struct gate_conn *one;
	uint32_t cnt = 0;

	STAILQ_FOREACH(one, &g->ready, next)
	{
		assert_true(one->queue == &g->ready && one->room);
		cnt++;
	}
	return cnt;
}

static void
test_after_the_pause(void **state)
{
	assert_int_equal(gate_lack_due(g), UINT64_MAX);
	gate_conn_lack(g, &c[0]);
	g->now_ns += GATE_LACK_NS / 2;
	gate_conn_lack(g, &c[1]);
	assert_int_equal(gate_lack_due(g), 1000 + GATE_LACK_NS);
	assert_false(gate_lack_poll(g));
	g->now_ns = 999 + GATE_LACK_NS;
	assert_false(gate_lack_poll(g));
	g->now_ns++;
	assert_true(gate_lack_poll(g));
	assert_int_equal(ready_cnt(), 2);
	assert_int_equal(gate_lack_due(g), UINT64_MAX);
	STAILQ_INIT(&g->ready);
	c[0].queue = NULL;
	gate_conn_lack(g, &c[0]); /* in vain: it waits as long again */
	assert_int_equal(gate_lack_due(g), g->now_ns + GATE_LACK_NS);
	assert_false(gate_lack_poll(g));
}

static void
test_one_for_each_that_is_back(void **state)
{
	g->loans_back = 7; /* before anybody waited for them */
	for (int i = 0; i < CONNS; i++) {
		gate_conn_lack(g, &c[i]);
	}
	assert_false(gate_lack_poll(g));
	g->loans_back = 2;
	assert_int_equal(gate_lack_due(g), g->now_ns);
	assert_true(gate_lack_poll(g));
	assert_int_equal(ready_cnt(), 2);
	assert_true(c[0].queue == &g->ready && c[1].queue == &g->ready);
	assert_int_equal(gate_lack_due(g), 1000 + GATE_LACK_NS);
	assert_false(gate_lack_poll(g));
	g->loans_back = CONNS;
	assert_true(gate_lack_poll(g));
	assert_int_equal(ready_cnt(), CONNS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_after_the_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_for_each_that_is_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
