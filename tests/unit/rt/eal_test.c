/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the EAL starts as root and as an ordinary user, beside another node, with and without
 *         huge pages; lcores run where the plan says; nothing is left behind.
 * Method: a process has one EAL, once: every test is a child. Its exit status is 0, or the line of
 *         the check that failed. What needs another user or huge pages is skipped where there are
 *         none. */
#include "eal.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include <microburst/error.h>

#include "lcore.h"
#include "test_cmocka.h"
#include "test_plan.h"

#define NOBODY 65534

/* In a child: there is no cmocka to report to. */
#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "eal_test.c:%d: %s\n", __LINE__, #cond);                   \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static char base[64];
static struct topo topo;

/* ---- children -------------------------------------------------------------------------------- */

static pid_t
child(void (*fn)(const char *name), const char *name)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		fn(name);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void
ends_well(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static const char *
dir_of(const char *name)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	return path;
}

static int
init(const char *name, enum eal_huge huge, struct eal_report *ret_report)
{
	struct eal_cfg cfg = {
		.name = name,
		.runtime_dir = dir_of(name),
		.topo = &topo,
		.memory_bytes = UINT64_C(32) << 20,
		.huge = huge,
	};
	struct topo_why why = { "" };
	int err = eal_init(&cfg, ret_report, &why);

	if (err != MB_OK) {
		fprintf(stderr, "%s\n", why.text);
	}
	return err;
}

static bool
dir_is_empty(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d != NULL && readdir(d) != NULL) {
		n++;
	}
	if (d != NULL) {
		closedir(d);
	}
	return n == 2; /* itself and its parent */
}

/* ---- what a node does ------------------------------------------------------------------------ */

static int
run_where(void *ret_cpu)
{
	*(int *)ret_cpu = sched_getcpu();
	return 0;
}

static void
node(const char *name)
{
	struct eal_report report;
	struct stat st;
	void *p;

	CHECK(init(name, EAL_HUGE_NEVER, &report) == MB_OK);
	CHECK(stat(dir_of(name), &st) == 0);
	CHECK(!report.huge);
	CHECK(report.root == (geteuid() == 0));
	CHECK(report.lcore_cnt == topo.lcore_cnt);
	CHECK(report.memory_bytes >= UINT64_C(32) << 20);
	CHECK(report.page_bytes == (uint64_t)sysconf(_SC_PAGESIZE));
	CHECK(strcmp(report.runtime_dir, dir_of(name)) == 0);
	eal_print(&report, stderr);

	p = rte_malloc(NULL, 8 << 20, 64);
	CHECK(p != NULL);
	rte_free(p);
	CHECK(rte_get_main_lcore() == 0);
	CHECK(sched_getcpu() == topo.lcore[0].cpu);
	for (uint32_t i = 1; i < topo.lcore_cnt; i++) {
		int cpu = -1;

		CHECK(rte_eal_remote_launch(run_where, &cpu, i) == 0);
		CHECK(rte_eal_wait_lcore(i) == 0);
		CHECK(cpu == topo.lcore[i].cpu);
	}
	eal_fini();
	CHECK(stat(dir_of(name), &st) != 0);
}

static void
starts_and_leaves_nothing(void **state)
{
	ends_well(child(node, "plain"));
	assert_true(dir_is_empty(base));
}

static void
two_nodes_run_side_by_side(void **state)
{
	pid_t first = child(node, "first");
	pid_t second = child(node, "second");

	ends_well(first);
	ends_well(second);
	assert_true(dir_is_empty(base));
}

/* ---- the same name twice --------------------------------------------------------------------- */

static int ready[2];

static void
node_until_killed(const char *name)
{
	struct eal_report report;

	CHECK(init(name, EAL_HUGE_NEVER, &report) == MB_OK);
	CHECK(write(ready[1], "y", 1) == 1);
	for (;;) {
		pause();
	}
}

static void
node_refused(const char *name)
{
	struct eal_report report;

	CHECK(init(name, EAL_HUGE_NEVER, &report) == MB_ERR_EXISTS);
}

static void
node_after_crash(const char *name)
{
	struct eal_report report;

	CHECK(init(name, EAL_HUGE_NEVER, &report) == MB_OK);
	eal_fini();
	CHECK(access(dir_of(name), F_OK) != 0); /* what the one that crashed made went with it */
}

static void
a_second_node_of_a_name_is_refused_until_the_first_is_dead(void **state)
{
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = child(node_until_killed, "twice");
	assert_int_equal(read(ready[0], &c, 1), 1);
	ends_well(child(node_refused, "twice"));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	ends_well(child(node_after_crash, "twice"));
	close(ready[0]);
	close(ready[1]);
	assert_true(dir_is_empty(base));
}

/* ---- other users, huge pages ----------------------------------------------------------------- */

static void
node_as_nobody(const char *name)
{
	CHECK(setgid(NOBODY) == 0);
	CHECK(setuid(NOBODY) == 0);
	node(name);
}

static void
an_ordinary_user_can(void **state)
{
	if (geteuid() != 0) {
		skip(); /* every other test is this one then */
	}
	assert_int_equal(chown(base, NOBODY, NOBODY), 0);
	ends_well(child(node_as_nobody, "nobody"));
	assert_true(dir_is_empty(base));
}

static void
node_with_huge_pages(const char *name)
{
	struct eal_report report;

	CHECK(init(name, EAL_HUGE_ALWAYS, &report) == MB_OK);
	CHECK(report.huge);
	CHECK(report.page_bytes > (uint64_t)sysconf(_SC_PAGESIZE));
	eal_print(&report, stderr);
	eal_fini();
}

static void
node_with_huge_pages_as_nobody(const char *name)
{
	CHECK(setgid(NOBODY) == 0);
	CHECK(setuid(NOBODY) == 0);
	node_with_huge_pages(name);
}

static void
node_without_huge_pages(const char *name)
{
	struct eal_report report;

	CHECK(init(name, EAL_HUGE_ALWAYS, &report) == MB_ERR_NO_MEMORY);
	CHECK(init(name, EAL_HUGE_AUTO, &report) == MB_OK);
	CHECK(!report.huge);
	CHECK(strstr(report.huge_text, "cannot be had") != NULL ||
	      strstr(report.huge_text, "no huge pages") != NULL);
	eal_fini();
}

static bool
huge_pages_are_there(void)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "r");
	unsigned n = 0;

	if (f != NULL) {
		if (fscanf(f, "%u", &n) != 1) {
			n = 0;
		}
		fclose(f);
	}
	return n >= 32;
}

static void
huge_pages_are_used_where_there_are_some_and_told_of_where_not(void **state)
{
	if (!huge_pages_are_there()) {
		ends_well(child(node_without_huge_pages, "huge"));
	} else {
		ends_well(child(node_with_huge_pages, "huge"));
		if (geteuid() == 0) {
			assert_int_equal(chown(base, NOBODY, NOBODY), 0);
			ends_well(child(node_with_huge_pages_as_nobody, "huge"));
		}
	}
	assert_true(dir_is_empty(base));
}

/* ---- lcores ---------------------------------------------------------------------------------- */

static int
poll_and_stop(void *ctx, uint64_t now_ns)
{
	lcore_stop(ctx);
	return 1;
}

static int
poll_long(void *ctx, uint64_t now_ns)
{
	return 0;
}

static const struct tile_ops stopper = { .kind = TILE_KVS, .poll = poll_and_stop };
static const struct tile_ops waiter = { .kind = TILE_CTL, .poll = poll_long };

/* A tile on lcore 1 ends that on lcore 0, which the main thread runs itself. */
static void
node_with_lcores(const char *name)
{
	struct lcore *lcore[2];
	struct eal_report report;
	struct lcore_cfg cfg;

	CHECK(init(name, EAL_HUGE_NEVER, &report) == MB_OK);
	lcore_cfg_default(&cfg);
	for (uint32_t i = 0; i < 2; i++) {
		cfg.idx = i;
		cfg.cpu = topo.lcore[i].cpu;
		CHECK(lcore_create(&cfg, &lcore[i]) == MB_OK);
	}
	lcore_tile_add(lcore[0], &waiter, NULL, NULL);
	lcore_tile_add(lcore[1], &stopper, lcore[0], NULL);
	CHECK(lcore_start(lcore[1], 1) == MB_OK);
	CHECK(lcore_run(lcore[0]) == MB_OK);
	lcore_stop(lcore[1]);
	CHECK(lcore_join(lcore[1]) == MB_OK);
	lcore_destroy(lcore[0]);
	lcore_destroy(lcore[1]);
	eal_fini();
}

static void
lcores_run_on_the_eals_threads(void **state)
{
	if (topo.lcore_cnt < 2) {
		skip(); /* one cpu */
	}
	ends_well(child(node_with_lcores, "lcores"));
}

/* Two lcores where the machine has two cpus, so that there is one that is not the main thread's. */
static int
plan(void **state)
{
	static struct place_machine machine;
	struct topo_params params;

	topo_params_default(&params);
	if (place_load(NULL, NULL, &machine, NULL) != MB_OK) {
		return -1;
	}
	params.lcore_cnt = machine.core_cnt >= 2 ? 2 : 1;
	return topo_build(&params, &machine, &topo, NULL);
}

static int
fresh(void **state)
{
	snprintf(base, sizeof(base), "/tmp/mb-eal-XXXXXX");
	return mkdtemp(base) == NULL;
}

static int
done(void **state)
{
	return rmdir(base);
}

#define IN_A_DIR(test) cmocka_unit_test_setup_teardown(test, fresh, done)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_DIR(a_second_node_of_a_name_is_refused_until_the_first_is_dead),
		IN_A_DIR(starts_and_leaves_nothing),
		IN_A_DIR(two_nodes_run_side_by_side),
		IN_A_DIR(an_ordinary_user_can),
		IN_A_DIR(huge_pages_are_used_where_there_are_some_and_told_of_where_not),
		IN_A_DIR(lcores_run_on_the_eals_threads),
	};

	return cmocka_run_group_tests(tests, plan, NULL);
}
