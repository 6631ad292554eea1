/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a plan with one thing wrong in it is refused, by a sentence that names the thing.
 * Method: a table of single changes to a plan that is right, each with the sentence it must get. A
 *         change that nobody minds fails the test. */
#include "topo.h"

#include <string.h>

#include <microburst/error.h>

#include "compiler.h"
#include "test_cmocka.h"
#include "test_death.h"
#include "test_plan.h"

static struct topo good;
static struct topo topo;

/* The change, made to `topo`, and what is said of it. */
// clang-format off
#define CHANGES(X)                                                                                 \
	X(topo.tile_cnt = 0,                                                                       \
	  "the plan has 0 tiles, not 1 to 64")                                                     \
	X(topo.tile_cnt = TILE_CNT_MAX + 1,                                                        \
	  "the plan has 65 tiles, not 1 to 64")                                                    \
	X(topo.lcore_cnt = 0,                                                                      \
	  "the plan has 0 lcores, not 1 to 16")                                                    \
	X(topo.link_cnt = LINK_CNT_MAX + 1,                                                        \
	  "the plan has 1601 links, not 0 to 1600")                                                \
	X(topo.executor_cnt = 0,                                                                   \
	  "the plan has 0 executors, not 1 to 64")                                                 \
	X(topo.client_cpu_cnt = 0,                                                                 \
	  "the plan has 0 client cpus, not 1 to 1024")                                             \
	X(topo.tile[1].cpu = CPU_CNT_MAX,                                                          \
	  "tile 1 sits on cpu 1024; cpus end at 1023")                                             \
	X(topo.tile[1].numa = 2,                                                                   \
	  "tile 1 is on NUMA index 2 of 2")                                                        \
	X(topo.tile[1].cpu = 9,                                                                    \
	  "tile sched:0 says cpu 9, its lcore 1 sits on cpu 1")                                    \
	X(topo.tile[1].lcore = 4,                                                                  \
	  "tile 1 is of kind 1 on lcore 4; there are 6 kinds and 4 lcores")                        \
	X(topo.tile[2].kind = TILE_KIND_CNT,                                                       \
	  "tile 2 is of kind 6 on lcore 2; there are 6 kinds and 4 lcores")                        \
	X(topo.tile[3] = topo.tile[2],                                                             \
	  "there are two tiles cache:0")                                                           \
	X(topo.tile[0].kind = TILE_CACHE; topo.tile[0].idx = 7,                                    \
	  "the plan has no ctl:0 or no sched:0")                                                   \
	X(topo.lcore[2].tile_cnt = 2,                                                              \
	  "lcore 2 says it runs 2 tiles, 1 tiles say it")                                          \
	X(topo.lcore[2].numa = 5,                                                                  \
	  "lcore 2 is on NUMA index 5 of 2")                                                       \
	X(topo.lcore[2].cpu = topo.tile[2].cpu = 0,                                                \
	  "lcores 0 and 2 both sit on cpu 0")                                                      \
	X(topo.link[0].to = 9,                                                                     \
	  "link 0 goes from tile 0 to tile 9 of 4")                                                \
	X(topo.link[0].to = 0,                                                                     \
	  "link 0 goes from tile 0 to tile 0 of 4")                                                \
	X(topo.link[1].depth = 0,                                                                  \
	  "link sched:0_ctl:0 has depth 0, not 1 to 65535")                                        \
	X(topo.link[1].full = 0,                                                                   \
	  "link sched:0_ctl:0 does not say what it does when full")                                \
	X(topo.link[1].numa = 2,                                                                   \
	  "link sched:0_ctl:0 is on NUMA index 2 of 2")                                            \
	X(topo.link[1].same_lcore = true,                                                          \
	  "link sched:0_ctl:0 is wrong about its ends being on one lcore: nobody would ring")      \
	X(topo.link[1] = topo.link[0],                                                             \
	  "there are two links ctl:0_sched:0")                                                     \
	X(topo.link_cnt--,                                                                         \
	  "no link from kvs:0 to cache:0")                                                         \
	X(topo.executor[1].cpu = 5000,                                                             \
	  "executor 1 sits on cpu 5000; cpus end at 1023")                                         \
	X(topo.spare[0].numa = 2,                                                                  \
	  "spare 0 is on NUMA index 2 of 2")                                                       \
	X(topo.client_cpu[0].cpu = 5000,                                                           \
	  "client cpu 0 sits on cpu 5000; cpus end at 1023")                                       \
	X(topo.memory[0].numa = 2,                                                                 \
	  "memory \"link\" is on NUMA index 2 of 2")
// clang-format on

static void
each_single_fault_is_found_and_named(void **state)
{
	struct topo_why why;

#define X(change, sentence)                                                                        \
	topo = good;                                                                               \
	change;                                                                                    \
	assert_int_equal(topo_validate(&topo, &why), MB_ERR_CONFIG);                               \
	assert_string_equal(why.text, sentence);
	CHANGES(X)
#undef X
}

static void
more_memory_than_the_node_has_is_refused(void **state)
{
	struct topo_why why;

	topo = good;
	topo_memory_add(&topo, "cache:0", 1, 1, (UINT64_C(1) << 30));
	assert_int_equal(topo_validate(&topo, &why), MB_OK); /* exactly full */
	topo_memory_add(&topo, "kvs:0", 1, 1, 1 << 20);
	assert_int_equal(topo_validate(&topo, &why), MB_ERR_NO_MEMORY);
	assert_string_equal(why.text,
			    "the plan needs 1025 MiB on NUMA node 1, which has 1024; lower "
			    "cache.bytes, cache.keys_max or kvs.bytes");
	topo.numa[1].memory_bytes = 0; /* unknown: cannot be judged */
	assert_int_equal(topo_validate(&topo, &why), MB_OK);
}

static void
validate_zeros(void *arg)
{
	topo_validate(arg, NULL);
}

static void
memory_that_is_no_plan_is_a_bug(void **state)
{
	char text[TEST_DEATH_TEXT_BYTES];

	memset(&topo, 0, sizeof(topo));
	assert_true(test_dies(validate_zeros, &topo, text));
}

static int
plan(void **state)
{
	struct topo_params params;

	topo_params_default(&params);
	params.lcore_cnt = 4;
	test_plan("numa:2 core:8 pu:1", NULL, &params, &good);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_single_fault_is_found_and_named),
		cmocka_unit_test(more_memory_than_the_node_has_is_refused),
		cmocka_unit_test(memory_that_is_no_plan_is_a_bug),
	};

	return cmocka_run_group_tests(tests, plan, NULL);
}
