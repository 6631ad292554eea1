/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what the golden plans do not show: memory rows of others, unknown memory, drop links.
 * Method: a plan changed by hand, its text searched. The columns themselves: place_test.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_cmocka.h"
#include "test_plan.h"
#include "topo.h"

static struct topo topo;

static void
rows_of_others_are_printed_and_summed(void **state)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	test_plan("core:2 pu:1", NULL, NULL, &topo);
	topo.memory_cnt = 0;
	topo_memory_add(&topo, "cache:0", 0, 1, UINT64_C(256) << 20);
	topo_memory_add(&topo, "executor", 0, 3, (UINT64_C(4) << 20) + (1 << 19));
	topo_memory_add(&topo, "tiny", 0, 2, 100);
	topo.numa[0].memory_bytes = 0;
	topo.link[0].full = LINK_DROP_NEWEST;
	topo_print(&topo, f);
	fclose(f);
	assert_non_null(strstr(text, "\n0             2      2     unknown\n"));
	assert_non_null(strstr(text, "\nctl:0_sched:0          1023  drop newest     0  -\n"));
	assert_non_null(strstr(text,
			       "\ncache:0                  0      1     256.0 MiB     256.0 MiB\n"
			       "executor                 0      3       4.5 MiB      13.5 MiB\n"
			       "tiny                     0      2         100 B         200 B\n"
			       "total                                               269.5 MiB\n"));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_others_are_printed_and_summed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
