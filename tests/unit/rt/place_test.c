/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the placement rule, on machines that nobody here owns.
 * Method: the printed plan of each synthetic machine is compared with a file in golden/ that a
 *         person has read (MB_GOLDEN_UPDATE=1 writes it anew: read the diff). Then the rule's
 *         sentences as properties, over every machine of 1 to 24 cores, 1 to 2 threads and 1 to 3
 *         NUMA nodes, with every number of executors that makes a difference. */
#include "place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "test_plan.h"

static struct topo topo;
static struct place_machine machine;

/* ---- refusals -------------------------------------------------------------------------------- */

static int
build(const struct topo_params *params, struct topo_why *why)
{
	return topo_build(params, &machine, &topo, why);
}

static void
more_lcores_than_tiles_cores_or_the_limit_are_refused(void **state)
{
	struct topo_params params;
	struct topo_why why;

	topo_params_default(&params);
	test_machine("core:8 pu:1", NULL, &machine);
	params.lcore_cnt = 5;
	assert_int_equal(build(&params, &why), MB_ERR_CONFIG);
	assert_string_equal(why.text, "5 lcores are wanted for 4 tiles; ask for 4 or fewer, or 0");

	test_machine("core:2 pu:1", NULL, &machine);
	params.lcore_cnt = 3;
	assert_int_equal(build(&params, &why), MB_ERR_CONFIG);
	assert_string_equal(why.text,
			    "3 lcores are wanted, there are 2 cores; ask for fewer, or 0");
	params.lcore_cnt = LCORE_CNT_MAX + 1;
	assert_int_equal(build(&params, &why), MB_ERR_TOO_LARGE);
	assert_string_equal(why.text, "17 lcores are wanted; the limit is 16");
}

static void
more_executors_than_the_limit_are_refused(void **state)
{
	struct topo_params params;
	struct topo_why why;

	topo_params_default(&params);
	test_machine("core:2 pu:1", NULL, &machine);
	params.executor_cnt = EXECUTOR_CNT_MAX + 1;
	assert_int_equal(build(&params, &why), MB_ERR_TOO_LARGE);
	params.executor_cnt = 0;
	params.spare_cnt = SPARE_CNT_MAX + 1;
	assert_int_equal(build(&params, &why), MB_ERR_TOO_LARGE);
}

static void
a_home_without_cores_is_refused(void **state)
{
	struct topo_params params;
	struct topo_why why;

	topo_params_default(&params);
	test_machine("numa:2 core:4 pu:1", "0-3", &machine);
	params.home_numa = 1;
	assert_int_equal(build(&params, &why), MB_ERR_NOT_FOUND);
	assert_string_equal(why.text, "NUMA node 1 has no core that this node may use");
}

/* ---- golden plans ---------------------------------------------------------------------------- */

static char *
file_read(const char *path)
{
	static char text[1 << 16];
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL) {
		return NULL;
	}
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void
golden(const char *name)
{
	char path[512];
	char *text = NULL;
	const char *want;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	topo_print(&topo, f);
	fclose(f);
	snprintf(path, sizeof(path), "%s/golden/%s.txt", getenv("MB_TEST_SOURCE_DIR"), name);
	if (getenv("MB_GOLDEN_UPDATE") != NULL) {
		f = fopen(path, "w");
		assert_non_null(f);
		fputs(text, f);
		fclose(f);
	}
	want = file_read(path);
	if (want == NULL || strcmp(want, text) != 0) {
		fprintf(stderr, "---- %s should be\n%s---- and is\n%s", path, want, text);
		fail();
	}
	free(text);
}

static void
one_core(void **state)
{
	test_plan("core:1 pu:1", NULL, NULL, &topo);
	golden("1_core");
}

static void
one_core_of_two_threads(void **state)
{
	test_plan("core:1 pu:2", NULL, NULL, &topo);
	golden("1_core_smt");
}

static void
two_cores(void **state)
{
	test_plan("core:2 pu:1", NULL, NULL, &topo);
	golden("2_cores");
}

/* Kernel numbers as Linux gives them: first threads 0..63, their siblings 64..127. */
#define TWO_PACKAGES "pack:2 [numa(memory=137438953472)] core:32 pu:2(indexes=2*64:64*1)"

static void
two_packages_of_32_cores_with_smt(void **state)
{
	test_plan(TWO_PACKAGES, NULL, NULL, &topo);
	golden("2x32_smt");
}

static void
the_same_with_more_of_everything(void **state)
{
	struct topo_params params;

	topo_params_default(&params);
	params.cache_cnt = 2;
	params.kvs_cnt = 8;
	params.executor_cnt = 60;
	params.home_numa = 1;
	test_plan(TWO_PACKAGES, NULL, &params, &topo);
	golden("2x32_smt_wide");
}

static void
four_numa_nodes(void **state)
{
	test_plan("numa:4(memory=68719476736) core:8 pu:1", NULL, NULL, &topo);
	golden("4_numa");
}

static void
a_restricted_cpuset(void **state)
{
	test_plan(TWO_PACKAGES, "4-7,36-38,68,100", NULL, &topo);
	golden("restricted");
}

/* ---- properties ------------------------------------------------------------------------------ */

static uint32_t
core_of(uint16_t cpu)
{
	for (uint32_t c = 0; c < machine.core_cnt; c++) {
		for (uint32_t t = 0; t < machine.core[c].cpu_cnt; t++) {
			if (machine.core[c].cpu[t] == cpu) {
				return c;
			}
		}
	}
	fail_msg("cpu %u is not one of the machine's", cpu);
	return 0;
}

/* Who sits where: counted a core and a cpu. */
static struct {
	uint32_t lcores_of_core[64], executors_of_core[64];
	uint32_t lcores_of_cpu[128], executors_of_cpu[128], clients_of_cpu[128];
} use;

static void
count_use(void)
{
	memset(&use, 0, sizeof(use));
	for (uint32_t i = 0; i < topo.lcore_cnt; i++) {
		use.lcores_of_core[core_of(topo.lcore[i].cpu)]++;
		use.lcores_of_cpu[topo.lcore[i].cpu]++;
	}
	for (uint32_t i = 0; i < topo.executor_cnt; i++) {
		use.executors_of_core[core_of(topo.executor[i].cpu)]++;
		use.executors_of_cpu[topo.executor[i].cpu]++;
	}
	for (uint32_t i = 0; i < topo.client_cpu_cnt; i++) {
		core_of(topo.client_cpu[i].cpu);
		use.clients_of_cpu[topo.client_cpu[i].cpu]++;
	}
}

static bool
every_core_is_used(void)
{
	for (uint32_t c = 0; c < machine.core_cnt; c++) {
		if (use.lcores_of_core[c] + use.executors_of_core[c] == 0) {
			return false;
		}
	}
	return true;
}

static bool
every_cpu_is_used(void)
{
	for (uint32_t c = 0; c < machine.core_cnt; c++) {
		for (uint32_t t = 0; t < machine.core[c].cpu_cnt; t++) {
			uint16_t cpu = machine.core[c].cpu[t];

			if (use.lcores_of_cpu[cpu] + use.executors_of_cpu[cpu] == 0) {
				return false;
			}
		}
	}
	return true;
}

static void
the_rule_holds(void)
{
	count_use();
	for (uint32_t c = 0; c < machine.core_cnt; c++) {
		assert_true(use.lcores_of_core[c] <= 1);
		if (use.lcores_of_core[c] > 0 && use.executors_of_core[c] > 0) {
			assert_true(every_core_is_used());
		}
	}
	for (uint32_t i = 0; i < topo.lcore_cnt; i++) {
		uint16_t cpu = topo.lcore[i].cpu;

		assert_int_equal(topo.lcore[i].shared,
				 use.executors_of_cpu[cpu] + use.clients_of_cpu[cpu] > 0);
	}
	for (uint32_t i = 0; i < topo.executor_cnt; i++) {
		uint16_t cpu = topo.executor[i].cpu;

		assert_int_equal(topo.executor[i].shared,
				 use.executors_of_cpu[cpu] + use.lcores_of_cpu[cpu] > 1);
		if (topo.executor[i].shared) {
			assert_true(every_cpu_is_used());
		}
	}
	for (uint32_t i = 0; i < topo.client_cpu_cnt; i++) {
		uint16_t cpu = topo.client_cpu[i].cpu;

		assert_int_equal(use.clients_of_cpu[cpu], 1);
		assert_int_equal(topo.client_cpu[i].shared, use.lcores_of_cpu[cpu] > 0);
		if (!topo.client_cpu[i].shared) {
			assert_int_equal(use.executors_of_cpu[cpu], 0);
		}
	}
	assert_true(topo.client_cpu_cnt >= 1);
	assert_true(topo.executor_cnt >= TOPO_EXECUTOR_CNT_MIN || topo.want.executor_cnt == 1);
	assert_true(topo.spare_cnt >= 1);
}

static void
no_two_share_while_there_is_room(void **state)
{
	uint32_t plan_cnt = 0;

	for (uint32_t numa = 1; numa <= 3; numa++) {
		for (uint32_t cores = 1; cores <= 8; cores++) {
			for (uint32_t threads = 1; threads <= 2; threads++) {
				for (uint32_t execs = 0; execs <= numa * cores * threads + 2;
				     execs++) {
					struct topo_params params;
					char text[64];

					topo_params_default(&params);
					params.executor_cnt = execs;
					snprintf(text, sizeof(text), "numa:%u core:%u pu:%u", numa,
						 cores, threads);
					test_plan(text, NULL, &params, &topo);
					test_machine(text, NULL, &machine);
					the_rule_holds();
					plan_cnt++;
				}
			}
		}
	}
	assert_true(plan_cnt > 500);
}

static void
the_home_node_is_the_one_with_most_memory(void **state)
{
	test_machine("numa:3 core:4 pu:1", NULL, &machine);
	machine.numa[1].memory_bytes *= 2;
	for (int kb = 0; kb < 2; kb++) {
		struct topo_params params;

		topo_params_default(&params);
		params.home_numa = kb == 0 ? PLACE_NUMA_ANY : 2;
		assert_int_equal(topo_build(&params, &machine, &topo, NULL), MB_OK);
		assert_int_equal(topo.lcore[0].cpu, kb == 0 ? 4 : 8);
		assert_int_equal(topo.lcore[0].numa, kb == 0 ? 1 : 2);
	}
}

static void
tiles_fold_evenly_and_neighbours_together(void **state)
{
	struct topo_params params;

	topo_params_default(&params);
	params.cache_cnt = 2;
	params.kvs_cnt = 5;
	for (uint32_t lcores = 1; lcores <= 9; lcores++) {
		params.lcore_cnt = lcores;
		test_plan("core:16 pu:1", NULL, &params, &topo);
		assert_int_equal(topo.lcore_cnt, lcores);
		for (uint32_t i = 0; i < lcores; i++) {
			assert_true(topo.lcore[i].tile_cnt >= 9 / lcores);
			assert_true(topo.lcore[i].tile_cnt <= 9 / lcores + 1);
		}
		for (uint32_t i = 1; i < topo.tile_cnt; i++) {
			assert_true(topo.tile[i].lcore >= topo.tile[i - 1].lcore);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_lcores_than_tiles_cores_or_the_limit_are_refused),
		cmocka_unit_test(more_executors_than_the_limit_are_refused),
		cmocka_unit_test(a_home_without_cores_is_refused),
		cmocka_unit_test(one_core),
		cmocka_unit_test(one_core_of_two_threads),
		cmocka_unit_test(two_cores),
		cmocka_unit_test(two_packages_of_32_cores_with_smt),
		cmocka_unit_test(the_same_with_more_of_everything),
		cmocka_unit_test(four_numa_nodes),
		cmocka_unit_test(a_restricted_cpuset),
		cmocka_unit_test(no_two_share_while_there_is_room),
		cmocka_unit_test(the_home_node_is_the_one_with_most_memory),
		cmocka_unit_test(tiles_fold_evenly_and_neighbours_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
