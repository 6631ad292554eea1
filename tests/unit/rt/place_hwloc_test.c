/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a machine becomes tables: what may not be used is not in them, what cannot be is refused
 *         with a sentence that says what to do.
 * Method: wrong texts first; synthetic machines; then the real one, in a child whose affinity is
 *         cut down to one cpu. */
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <microburst/error.h>

#include "place.h"
#include "test_cmocka.h"
#include "test_plan.h"

static struct place_machine m;

static void
garbage_is_refused(void **state)
{
	static const char *const lists[] = { "x",
					     "1-",
					     "-1",
					     "3-1",
					     "0,",
					     ",0",
					     "0 1",
					     "0-2x",
					     "99999",
					     "0,,1",
					     "18446744073709551616" };
	struct topo_why why;

	assert_int_equal(place_load("core:two", NULL, &m, &why), MB_ERR_CONFIG);
	assert_string_equal(why.text, "hwloc cannot read the synthetic machine \"core:two\"");
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		memset(&why, 0, sizeof(why));
		assert_int_equal(place_load("core:4 pu:1", lists[i], &m, &why), MB_ERR_CONFIG);
		assert_non_null(strstr(why.text, lists[i]));
	}
}

static void
a_cpu_that_is_not_there_is_refused(void **state)
{
	struct topo_why why;

	assert_int_equal(place_load("core:4 pu:1", "2-5", &m, &why), MB_ERR_CONFIG);
	assert_string_equal(why.text,
			    "cpu 4 of the list 2-5 is not one this process may use (0-3)");
	assert_int_equal(place_load("core:4 pu:1", "2-5", &m, NULL), MB_ERR_CONFIG);
}

static void
too_large_a_machine_is_refused_and_a_part_of_it_taken(void **state)
{
	struct topo_why why;

	assert_int_equal(place_load("core:513 pu:1", NULL, &m, &why), MB_ERR_TOO_LARGE);
	assert_string_equal(why.text, "the machine has more than 512 cores; name fewer cpus");
	assert_int_equal(place_load("core:1 pu:9", NULL, &m, &why), MB_ERR_TOO_LARGE);
	assert_int_equal(place_load("numa:65 core:1 pu:1", NULL, &m, &why), MB_ERR_TOO_LARGE);
	assert_int_equal(place_load("core:513 pu:1", "500-512", &m, &why), MB_OK);
	assert_int_equal(m.core_cnt, 13);
}

/* Not after hwloc has built it, which takes it minutes. */
static void
one_that_would_take_for_ever_is_refused(void **state)
{
	static const char *const texts[] = {
		"core:100000 pu:1",
		"pack:64 [numa(memory=1GB)] core:64 pu:8",
		"100 100 2",
		"core:18446744073709551615 pu:2",
	};
	struct topo_why why;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(place_load(texts[i], NULL, &m, &why), MB_ERR_TOO_LARGE);
		assert_non_null(strstr(why.text, "has more than 4096 cpus"));
	}
	test_machine("pack:2 [numa(memory=128GB)] core:16 pu:1", NULL, &m);
	assert_int_equal(m.core_cnt, 32);
}

static void
siblings_stay_together(void **state)
{
	test_machine("numa:2 core:2 pu:2(indexes=2*4:4*1)", NULL, &m);
	assert_int_equal(m.numa_cnt, 2);
	assert_int_equal(m.core_cnt, 4);
	assert_int_equal(m.cpu_cnt, 8);
	for (int c = 0; c < 4; c++) {
		assert_int_equal(m.core[c].numa, c / 2);
		assert_int_equal(m.core[c].cpu_cnt, 2);
		assert_int_equal(m.core[c].cpu[0], c);
		assert_int_equal(m.core[c].cpu[1], c + 4);
	}
}

static void
what_is_not_named_is_not_there(void **state)
{
	test_machine("numa:3 core:2 pu:2", "3,8-9", &m);
	assert_int_equal(m.core_cnt, 2);
	assert_int_equal(m.cpu_cnt, 3);
	assert_int_equal(m.core[0].cpu[0], 3); /* the second thread of its core, alone */
	assert_int_equal(m.core[0].cpu_cnt, 1);
	assert_int_equal(m.core[1].cpu[1], 9);
	assert_int_equal(m.numa_cnt, 2);
	assert_int_equal(m.numa[1].os_idx, 2);
	assert_int_equal(m.numa[1].cpu_cnt, 2);
}

static void
a_machine_without_cores_has_a_thread_each(void **state)
{
	test_machine("pack:1 pu:3", NULL, &m);
	assert_int_equal(m.core_cnt, 3);
	assert_int_equal(m.core[2].cpu_cnt, 1);
}

static void
the_real_machine_is_what_affinity_leaves(void **state)
{
	struct topo_why why;
	cpu_set_t all;
	int status;
	pid_t pid;
	int last = -1;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(place_load(NULL, NULL, &m, &why), MB_OK);
	assert_int_equal(m.cpu_cnt, CPU_COUNT(&all));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		last = CPU_ISSET((size_t)cpu, &all) ? cpu : last;
	}
	pid = fork();
	if (pid == 0) {
		cpu_set_t one;

		CPU_ZERO(&one);
		CPU_SET((size_t)last, &one);
		_exit(sched_setaffinity(0, sizeof(one), &one) == 0 &&
				      place_load(NULL, NULL, &m, &why) == MB_OK && m.cpu_cnt == 1 &&
				      m.core[0].cpu[0] == last
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(a_cpu_that_is_not_there_is_refused),
		cmocka_unit_test(too_large_a_machine_is_refused_and_a_part_of_it_taken),
		cmocka_unit_test(one_that_would_take_for_ever_is_refused),
		cmocka_unit_test(siblings_stay_together),
		cmocka_unit_test(what_is_not_named_is_not_there),
		cmocka_unit_test(a_machine_without_cores_has_a_thread_each),
		cmocka_unit_test(the_real_machine_is_what_affinity_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
