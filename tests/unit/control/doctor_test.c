/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every finding of the doctor is right, and every warning says what to do.
 * Method: machines made of files: the check's line for each. What only system calls know is run for
 *         its form: found is said, and todo exactly when it is not ok. */
#include "doctor.h"

#include "../base/test_cmocka.h"

#include "sysfile_tree.h"

static struct doctor_line
line_of(const char *name)
{
	struct doctor_line line;

	for (size_t i = 0; doctor_check(i, tree, &line); i++) {
		if (strcmp(line.name, name) == 0) {
			return line;
		}
	}
	fail_msg("there is no check %s", name);
	return line;
}

static void
warns(const char *name, const char *found)
{
	struct doctor_line line = line_of(name);

	assert_false(line.ok);
	assert_non_null(strstr(line.found, found));
	assert_true(strlen(line.todo) > 0);
}

static void
passes(const char *name, const char *found)
{
	struct doctor_line line = line_of(name);

	assert_true(line.ok);
	assert_non_null(strstr(line.found, found));
	assert_string_equal(line.todo, "");
}

static void
empty_machine(void **state)
{
	struct doctor_line line;

	(void)state;
	for (size_t i = 0; doctor_check(i, tree, &line); i++) {
		assert_true(strlen(line.found) > 0);
		assert_int_equal(line.ok, strlen(line.todo) == 0);
	}
	warns("kernel", "cannot be read");
	warns("clock", "cannot be read");
	warns("isolated cores", "none");
	warns("huge pages", "has none");
}

static void
kernel(void **state)
{
	(void)state;
	tree_put("/proc/sys/kernel/osrelease", "6.0.19\n");
	warns("kernel", "6.0.19");
	tree_put("/proc/sys/kernel/osrelease", "6.1.0-40-amd64\n");
	passes("kernel", "6.1.0");
	tree_put("/proc/sys/kernel/osrelease", "7.0.0\n");
	passes("kernel", "7.0.0");
}

static void
clock_source(void **state)
{
	const char *path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

	(void)state;
	tree_put(path, "hpet\n");
	warns("clock", "hpet");
	tree_put(path, "tsc\n");
	passes("clock", "tsc");
}

static void
cores(void **state)
{
	(void)state;
	tree_put("/sys/devices/system/cpu/isolated", "\n");
	warns("isolated cores", "none");
	tree_put("/sys/devices/system/cpu/isolated", "2-7\n");
	passes("isolated cores", "2-7");
	passes("governor", "not scale");
	tree_put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
	warns("governor", "powersave");
	tree_put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
	passes("governor", "performance");
}

static void
huge_pages(void **state)
{
	(void)state;
	tree_put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
	tree_put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0\n");
	warns("huge pages", "none");
	tree_put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "8\n");
	warns("huge pages", "none free");
	tree_put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "4\n");
	passes("huge pages", "8.00 MiB");
}

/* A limit above counts as much as one's own; the tightest is told. */
static void
cgroups(void **state)
{
	(void)state;
	passes("cgroup limits", "none");
	tree_put("/proc/self/cgroup", "12:cpu:/a\n"); /* version 1: nothing is known */
	passes("cgroup limits", "none");
	tree_put("/proc/self/cgroup", "0::/a/b\n");
	tree_put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	tree_put("/sys/fs/cgroup/a/b/memory.max", "max\n");
	tree_put("/sys/fs/cgroup/a/b/pids.max", "max\n");
	passes("cgroup limits", "none");
	tree_put("/sys/fs/cgroup/a/pids.max", "100\n");
	warns("cgroup limits", "100 processes");
	tree_put("/sys/fs/cgroup/a/memory.max", "536870912\n");
	warns("cgroup limits", "512 MiB");
	tree_put("/sys/fs/cgroup/a/b/cpu.max", "80000 100000\n");
	warns("cgroup limits", "80 %");
	tree_put("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
	warns("cgroup limits", "50 %");
}

static void
nics(void **state)
{
	(void)state;
	passes("NICs", "none but virtual");
	tree_put("/sys/class/net/lo/mtu", "65536\n");
	passes("NICs", "none but virtual");
	tree_put("/sys/class/net/eth0/device/uevent", "DRIVER=mlx5_core\nPCI_CLASS=20000\n");
	tree_put("/sys/class/net/eth0/device/numa_node", "1\n");
	passes("NICs", "eth0: mlx5_core, NUMA node 1");
	tree_put("/sys/bus/pci/drivers/vfio-pci/new_id", "\n");
	passes("NICs", "eth0");
	tree_put("/sys/bus/pci/drivers/vfio-pci/0000:3b:00.0/numa_node", "-1\n");
	warns("NICs", "0000:3b:00.0: vfio-pci, NUMA node 0: without an IOMMU");
	tree_put("/sys/kernel/iommu_groups/0/type", "DMA\n");
	passes("NICs", "for net.nic: 0000:3b:00.0");
}

static void
code_in_memfds(void **state)
{
	(void)state;
	passes("code in memfds", "allowed");
	tree_put("/proc/sys/vm/memfd_noexec", "1\n");
	passes("code in memfds", "allowed");
	tree_put("/proc/sys/vm/memfd_noexec", "2\n");
	warns("code in memfds", "refused");
}

static int
setup(void **state)
{
	(void)state;
	tree_make();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tree_remove();
	return 0;
}

#define MACHINE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE(empty_machine), MACHINE(kernel),         MACHINE(clock_source),
		MACHINE(cores),         MACHINE(huge_pages),     MACHINE(cgroups),
		MACHINE(nics),          MACHINE(code_in_memfds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
