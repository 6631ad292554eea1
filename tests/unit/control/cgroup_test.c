/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   executors come into a group of their own below the node's, with the limits that there are
 *         controllers for; where that cannot be, nothing is changed, and the reason said.
 * Method: a tree of ordinary files that stands for the machine. What the kernel makes of them is
 *         the kernel's; which files there are, and what is written to them, is looked at. */
#include "sysfile_tree.h"

#include <sys/wait.h>

#include "cgroup.h"

#define SELF 4242

static struct cgroup g;
static const uint64_t limits[CGROUP_LIMIT_CNT] = { [CGROUP_MEMORY] = 1 << 30, [CGROUP_PIDS] = 7 };

static int
setup(void **state)
{
	tree_make();
	return 0;
}

static int
teardown(void **state)
{
	tree_remove();
	return 0;
}

static void
stands(const char *path, const char *text)
{
	char got[256] = "";

	assert_true(sysfile_text(tree, path, got, sizeof(got)));
	assert_string_equal(got, text);
}

static bool
is_there(const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", tree, path);
	return access(full, F_OK) == 0;
}

static void
has_no_group(const char *why)
{
	cgroup_make(&g, tree, SELF, limits);
	assert_string_equal(g.path, "");
	assert_non_null(strstr(g.why, why));
	cgroup_take(&g, 1);
	assert_false(cgroup_killed(&g));
	cgroup_remove(&g);
}

static void
without_version_2_there_is_none(void **state)
{
	has_no_group("no control groups of version 2");
	tree_put("/sys/fs/cgroup/cgroup.controllers", "memory pids\n");
	has_no_group("no control groups of version 2"); /* not even /proc says where it is */
	tree_put("/proc/self/cgroup", "4:memory:/a\n1:cpu:/\n");
	has_no_group("no control groups of version 2");
	tree_put("/proc/self/cgroup", "0::/../../somebody/else\n");
	has_no_group("no control groups of version 2");
}

static void
a_node_in_the_topmost_group_makes_one_beside(void **state)
{
	tree_put("/sys/fs/cgroup/cgroup.controllers", "memory pids\n");
	tree_put("/proc/self/cgroup", "4:memory:/a\n0::/\n");
	tree_put("/sys/fs/cgroup/cgroup.procs", "1\n2\n4242\n");
	cgroup_make(&g, tree, SELF, limits);
	assert_string_equal(g.path, "/sys/fs/cgroup/microburst-4242");
	stands("/sys/fs/cgroup/microburst-4242/memory.max", "1073741824");
	stands("/sys/fs/cgroup/microburst-4242/pids.max", "7");
	assert_false(is_there("/sys/fs/cgroup/microburst-4242/cpu.weight")); /* not asked for */
	assert_true(g.on[CGROUP_MEMORY] && g.on[CGROUP_PIDS] && !g.on[CGROUP_CPU]);
	stands("/sys/fs/cgroup/cgroup.procs", "1"); /* the node stays where it is */
	cgroup_take(&g, 77);
	stands("/sys/fs/cgroup/microburst-4242/cgroup.procs", "77");
	assert_string_equal(g.why, "");
}

static void
a_node_alone_in_its_group_divides_it(void **state)
{
	tree_put("/sys/fs/cgroup/unified/cgroup.controllers", "memory\n");
	tree_put("/proc/self/cgroup", "0::/system.slice/microburst.service\n");
	tree_put("/sys/fs/cgroup/unified/system.slice/microburst.service/cgroup.procs", "4242\n");
	cgroup_make(&g, tree, SELF, limits);
	assert_string_equal(g.path,
			    "/sys/fs/cgroup/unified/system.slice/microburst.service/executors");
	stands("/sys/fs/cgroup/unified/system.slice/microburst.service/node/cgroup.procs", "4242");
	stands("/sys/fs/cgroup/unified/system.slice/microburst.service/executors/pids.max", "7");
}

static void
what_others_are_in_is_not_divided(void **state)
{
	tree_put("/sys/fs/cgroup/cgroup.controllers", "memory\n");
	tree_put("/proc/self/cgroup", "0::/user.slice\n");
	tree_put("/sys/fs/cgroup/user.slice/cgroup.procs", "4242\n4243\n");
	has_no_group("Delegate=yes");
	assert_false(is_there("/sys/fs/cgroup/user.slice/node"));
	assert_false(is_there("/sys/fs/cgroup/user.slice/executors"));
	assert_false(is_there("/sys/fs/cgroup/user.slice/cgroup.subtree_control"));
}

static void
a_limit_without_a_controller_is_not_said_to_be(void **state)
{
	tree_put("/sys/fs/cgroup/cgroup.controllers", "pids\n");
	tree_put("/proc/self/cgroup", "0::/\n");
	tree_put("/sys/fs/cgroup/microburst-4242/memory.max/no_file", "");
	cgroup_make(&g, tree, SELF, limits);
	assert_false(g.on[CGROUP_MEMORY]);
	assert_true(g.on[CGROUP_PIDS]);
	tree_put("/sys/fs/cgroup/microburst-4242/memory.events", "oom_kill 3\n");
	assert_false(cgroup_killed(&g)); /* whoever did that, it was not a limit of ours */
}

static void
a_kill_is_told_once(void **state)
{
	tree_put("/sys/fs/cgroup/cgroup.controllers", "memory\n");
	tree_put("/proc/self/cgroup", "0::/\n");
	cgroup_make(&g, tree, SELF, limits);
	assert_false(cgroup_killed(&g));
	tree_put("/sys/fs/cgroup/microburst-4242/memory.events",
		 "low 0\nmax 9\noom 1\noom_kill 1\n");
	assert_true(cgroup_killed(&g));
	assert_false(cgroup_killed(&g));
	tree_put("/sys/fs/cgroup/microburst-4242/memory.events", "oom_kill 2\noom_group_kill 5\n");
	assert_true(cgroup_killed(&g));
	assert_false(cgroup_killed(&g));
}

static void
groups_of_dead_nodes_are_swept(void **state)
{
	char dead[64], alive[64], full[512];
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	tree_put("/sys/fs/cgroup/cgroup.controllers", "memory\n");
	tree_put("/proc/self/cgroup", "0::/\n");
	snprintf(dead, sizeof(dead), "/sys/fs/cgroup/microburst-%d", (int)pid);
	snprintf(alive, sizeof(alive), "/sys/fs/cgroup/microburst-%d", (int)getpid());
	for (int i = 0; i < 2; i++) {
		snprintf(full, sizeof(full), "%s%s", tree, i == 0 ? dead : alive);
		assert_int_equal(mkdir(full, 0755), 0);
	}
	cgroup_make(&g, tree, SELF, limits);
	assert_false(is_there(dead));
	assert_true(is_there(alive));
}

#define STORY(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(without_version_2_there_is_none),
		STORY(a_node_in_the_topmost_group_makes_one_beside),
		STORY(a_node_alone_in_its_group_divides_it),
		STORY(what_others_are_in_is_not_divided),
		STORY(a_limit_without_a_controller_is_not_said_to_be),
		STORY(a_kill_is_told_once),
		STORY(groups_of_dead_nodes_are_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
