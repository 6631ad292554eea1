/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the plan has every tile and link it was asked for, and nothing past a limit.
 * Method: each limit from outside and from inside; the largest plan there is; links counted against
 *         the formula rather than against the table that makes them. */
#include "topo.h"

#include <string.h>

#include <microburst/error.h>

#include "link.h"
#include "params.h"
#include "test_cmocka.h"
#include "test_death.h"
#include "test_plan.h"

static struct topo topo;
static struct place_machine machine;

static void
refused(const struct topo_params *params, int want, const char *sentence)
{
	struct topo_why why;

	assert_int_equal(topo_build(params, &machine, &topo, &why), want);
	assert_string_equal(why.text, sentence);
}

static void
parameters_outside_their_limits_are_refused(void **state)
{
	struct topo_params p;

	test_machine("core:4 pu:1", NULL, &machine);
	topo_params_default(&p);
	p.cache_cnt = 0;
	refused(&p, MB_ERR_CONFIG, "0 cache tiles are wanted; a node has 1 to 6");
	p.cache_cnt = CACHE_TILE_CNT_MAX + 1;
	refused(&p, MB_ERR_TOO_LARGE, "7 cache tiles are wanted; a node has 1 to 6");
	topo_params_default(&p);
	p.kvs_cnt = KVS_TILE_CNT_MAX + 1;
	refused(&p, MB_ERR_TOO_LARGE, "33 kvs tiles are wanted; a node has 1 to 32");
	topo_params_default(&p);
	p.link_depth = LINK_DEPTH_MAX + 1;
	refused(&p, MB_ERR_TOO_LARGE, "65536 descriptors a link are wanted; a node has 1 to 65535");
}

static void
add_to_numa_that_is_not_there(void *arg)
{
	topo_memory_add(arg, "x", 1, 1, 1);
}

/* What --help says may be set is what a plan may have: no more, no less. */
static void
configuration_ends_where_the_plan_does(void **state)
{
	static const struct {
		const char *name;
		uint32_t max;
	} row[] = {
		{ "node.lcores", LCORE_CNT_MAX },      { "executor.count", EXECUTOR_CNT_MAX },
		{ "executor.spares", SPARE_CNT_MAX },  { "client.count_max", CLIENT_CNT_MAX },
		{ "cache.tiles", CACHE_TILE_CNT_MAX }, { "kvs.tiles", KVS_TILE_CNT_MAX },
	};
	struct params p;
	char text[16], why[PARAMS_ERR_BYTES];

	params_default(&p);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		snprintf(text, sizeof(text), "%u", row[i].max);
		assert_int_equal(params_set(&p, row[i].name, text, why), 0);
		snprintf(text, sizeof(text), "%u", row[i].max + 1);
		assert_int_equal(params_set(&p, row[i].name, text, why), MB_ERR_CONFIG);
	}
}

static void
memory_on_a_numa_node_without_cores_is_a_bug(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];

	test_plan("core:2 pu:1", NULL, NULL, &topo);
	assert_true(test_dies(add_to_numa_that_is_not_there, &topo, text));
	assert_non_null(strstr(text, "numa=1 of 1"));
}

/* Every pair of kinds that talks, both ways. */
static uint32_t
links_of(uint32_t c, uint32_t k)
{
	return 2 * (1 + c + k + c + c * k) + k * (k - 1);
}

static void
every_pair_that_talks_is_linked_both_ways(void **state)
{
	struct topo_params p;

	topo_params_default(&p);
	for (p.cache_cnt = 1; p.cache_cnt <= CACHE_TILE_CNT_MAX; p.cache_cnt++) {
		for (p.kvs_cnt = 1; p.kvs_cnt <= KVS_TILE_CNT_MAX; p.kvs_cnt++) {
			test_plan("core:64 pu:1", NULL, &p, &topo);
			assert_int_equal(topo.tile_cnt, 2 + p.cache_cnt + p.kvs_cnt);
			assert_int_equal(topo.link_cnt, links_of(p.cache_cnt, p.kvs_cnt));
		}
	}
	for (uint32_t i = 0; i < topo.link_cnt; i++) {
		assert_true(topo_link_find(&topo, topo.link[i].to, topo.link[i].from) >= 0);
	}
}

static void
links_know_whether_they_cross_lcores(void **state)
{
	struct topo_params p;
	int from, to;

	topo_params_default(&p);
	p.lcore_cnt = 2;
	test_plan("core:8 pu:1", NULL, &p, &topo);
	from = topo_tile_find(&topo, TILE_CTL, 0);
	to = topo_tile_find(&topo, TILE_SCHED, 0);
	assert_true(topo.link[topo_link_find(&topo, (uint32_t)from, (uint32_t)to)].same_lcore);
	to = topo_tile_find(&topo, TILE_KVS, 0);
	assert_false(topo.link[topo_link_find(&topo, (uint32_t)from, (uint32_t)to)].same_lcore);
	assert_string_equal(topo.link[topo_link_find(&topo, (uint32_t)from, (uint32_t)to)].name,
			    "ctl:0_kvs:0");
}

static void
what_is_not_in_the_plan_is_not_found(void **state)
{
	test_plan("core:2 pu:1", NULL, NULL, &topo);
	assert_int_equal(topo_tile_find(&topo, TILE_KVS, 1), -1);
	assert_int_equal(topo_link_find(&topo, 0, 0), -1);
}

static void
memory_is_summed_by_node(void **state)
{
	struct topo_params p;
	uint64_t links;

	topo_params_default(&p);
	p.lcore_cnt = 4;
	test_plan("numa:2 core:2 pu:1", NULL, &p, &topo);
	assert_int_equal(topo.memory_cnt,
			 2); /* links on both nodes: cache and kvs are on the second */
	links = topo_memory_bytes(&topo, PLACE_NUMA_ANY);
	assert_int_equal(links, topo.link_cnt * link_footprint(p.link_depth));
	topo_memory_add(&topo, "kvs:0", 1, 3, 1000);
	assert_int_equal(topo_memory_bytes(&topo, PLACE_NUMA_ANY), links + 3000);
	assert_int_equal(topo_memory_bytes(&topo, 0) + topo_memory_bytes(&topo, 1), links + 3000);
}

static void
an_inspected_tile_has_a_name(void **state)
{
	assert_string_equal(tile_kind_name(TILE_CACHE), "cache");
	assert_string_equal(tile_kind_name(TILE_KIND_CNT), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_outside_their_limits_are_refused),
		cmocka_unit_test(configuration_ends_where_the_plan_does),
		cmocka_unit_test(memory_on_a_numa_node_without_cores_is_a_bug),
		cmocka_unit_test(every_pair_that_talks_is_linked_both_ways),
		cmocka_unit_test(links_know_whether_they_cross_lcores),
		cmocka_unit_test(what_is_not_in_the_plan_is_not_found),
		cmocka_unit_test(memory_is_summed_by_node),
		cmocka_unit_test(an_inspected_tile_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
