/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every finding of the doctor is right, and every warning says what to do.
 * Method: machines made of files: the check's line for each. What only system calls know is run for
 *         its form: found is said, and todo exactly when it is not ok. */
#include "doctor.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <seccomp.h>

#include "../base/test_cmocka.h"

#include "compiler.h"

#include "sysfile_tree.h"

static struct doctor_ask ask = { .root = tree, .cores = "", .nic = "", .huge = "auto" };

static struct doctor_line
line_of(const char *name)
{
	struct doctor_line line;

	for (size_t i = 0; doctor_check(i, &ask, &line); i++) {
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

/* The node does not even start. */
static void
stops(const char *name, const char *found)
{
	warns(name, found);
	assert_true(line_of(name).stops);
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
	for (size_t i = 0; doctor_check(i, &ask, &line); i++) {
		assert_true(strlen(line.found) > 0);
		assert_int_equal(line.ok, strlen(line.todo) == 0);
	}
	warns("kernel", "cannot be read");
	warns("clock", "cannot be read");
	warns("isolated cores", "none");
	warns("huge pages", "has none");
	ask.huge = "yes";
	stops("huge pages", "has none");
	ask.huge = "auto";
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
steady_counter(void **state)
{
	(void)state;
	tree_put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
	tree_put("/proc/cpuinfo", "processor : 0\nflags\t\t: fpu tsc constant_tsc nonstop_tsc x\n");
	passes("clock", "tsc");
	tree_put("/proc/cpuinfo", "processor : 0\nflags\t\t: fpu tsc constant_tsc\n");
	warns("clock", "stops in sleep");
}

static void
isolated(void **state)
{
	(void)state;
	tree_put("/sys/devices/system/cpu/isolated", "\n");
	warns("isolated cores", "none");
	tree_put("/sys/devices/system/cpu/isolated", "2-7\n");
	warns("isolated cores", "tick comes on 2-7");
	tree_put("/sys/devices/system/cpu/nohz_full", "2-7\n");
	passes("isolated cores", "2-7");
	tree_put("/proc/cmdline", "quiet rcu_nocbs=2-5 ro\n");
	warns("isolated cores", "(RCU) on 6-7");
	tree_put("/proc/cmdline", "quiet rcu_nocbs=2-7\n");
	ask.cores = "1-7";
	warns("isolated cores", "run on 1 of the node");
	tree_put("/sys/devices/system/cpu/online", "0-7\n");
	ask.cores = "6-9";
	stops("isolated cores", "8-9 of the node are not here");
	ask.cores = "3,5";
	passes("isolated cores", "3,5");
	tree_put("/sys/devices/system/cpu/nohz_full", "(null)\n");
	warns("isolated cores", "tick comes on 3,5");
	ask.cores = "5-3";
	warns("isolated cores", "no list");
}

static void
frequency(void **state)
{
	(void)state;
	passes("governor", "not scale");
	tree_put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
	tree_put("/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
	tree_put("/sys/devices/system/cpu/cpufreq/cpufreq/scaling_governor", "no core's\n");
	warns("governor", "powersave on 1 of 2");
	tree_put("/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n");
	passes("governor", "performance");
}

#define STATE(cpu, n) "/sys/devices/system/cpu/cpu" #cpu "/cpuidle/state" #n

static void
sleep_states(void **state)
{
	(void)state;
	passes("idle states", "not choose");
	tree_put(STATE(0, 0) "/latency", "0\n");
	tree_put(STATE(0, 1) "/latency", "10\n");
	tree_put(STATE(0, 1) "/disable", "0\n");
	passes("idle states", "more than 10 us");
	tree_put(STATE(1, 2) "/latency", "133\n");
	tree_put(STATE(1, 2) "/disable", "0\n");
	warns("idle states", "133 us");
	tree_put(STATE(1, 2) "/disable", "1\n");
	passes("idle states", "more than 10 us");
	tree_put(STATE(1, 2) "/latency", "rubbish\n");
	passes("idle states", "more than 10 us");
}

static void
interrupts(void **state)
{
	(void)state;
	tree_put("/proc/irq/default_smp_affinity", "ff\n");
	tree_put("/proc/irq/24/smp_affinity_list", "0-7\n");
	passes("interrupts", "not looked at");
	ask.cores = "2-3";
	warns("interrupts", "1 of 1 come to the node's cores (24, say)");
	tree_put("/proc/irq/24/effective_affinity_list", "0\n"); /* what the kernel made of it */
	passes("interrupts", "none of 1");
	tree_put("/proc/irq/25/effective_affinity_list", "\n"); /* never requested */
	tree_put("/proc/irq/25/smp_affinity_list", "3\n");
	warns("interrupts", "1 of 2");
}

static void
huge_pages(void **state)
{
	(void)state;
	tree_put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
	tree_put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0\n");
	warns("huge pages", "none");
	tree_put("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "4\n");
	warns("huge pages", "only of 1 GiB");
	tree_put("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "0\n");
	tree_put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "8\n");
	warns("huge pages", "none free");
	tree_put("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "4\n");
	passes("huge pages", "8.00 MiB");
	tree_put("/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "3\n");
	passes("huge pages", "2.00 MiB");
	tree_put("/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "0\n");
	ask.pages = 4;
	passes("huge pages", "8.00 MiB");
	ask.pages = 5;
	warns("huge pages", "8.00 MiB free, the node takes 10.0 MiB; the rest runs on small ones");
	assert_false(line_of("huge pages").stops);
	ask.huge = "yes";
	stops("huge pages", "it does not start without");
	assert_non_null(strstr(line_of("huge pages").todo, "--pages 5"));
	ask.runs = true;
	passes("huge pages", "8.00 MiB free, beside those of the node, which runs");
	ask.runs = false;
	ask.huge = "no";
	passes("huge pages", "left to others");
	ask.huge = "auto";
	ask.pages = 0;
	tree_put("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "4\n");
	passes("huge pages", "8.00 MiB free");
	tree_put("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "0\n");
	warns("huge pages", "node1 0 B");
	tree_put("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "1\n");
	passes("huge pages", "node1 2.00 MiB");
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

/* One is made for a try. What it could limit its parent says. */
static void
group(void **state)
{
	(void)state;
	warns("executors' group", "no control groups of version 2");
	tree_put("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu pids\n");
	tree_put("/proc/self/cgroup", "0::/\n");
	warns("executors' group", "does not limit memory, only processes, share of the cpus");
	tree_put("/sys/fs/cgroup/cgroup.controllers", "\n");
	warns("executors' group", "does not limit memory:");
	tree_put("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
	passes("executors' group", "can be made, limits memory, share of the cpus");
	tree_put("/proc/self/cgroup", "0::/a.service\n");
	warns("executors' group", "a group cannot be made: No such file");
	tree_put("/sys/fs/cgroup/a.service/cgroup.controllers", "memory pids\n");
	passes("executors' group", "memory, processes; of a node that is alone");
}

#define DEVICE "/sys/bus/pci/devices/0000:3b:00.0"
#define GROUP  "/sys/kernel/iommu_groups/7"

static void
nics(void **state)
{
	(void)state;
	passes("NICs", "none but virtual");
	tree_put("/sys/class/net/lo/mtu", "65536\n");
	passes("NICs", "none but virtual");
	tree_put("/sys/class/net/eth0/device/uevent", "DRIVER=ice\nPCI_SLOT_NAME=0000:3b:00.0\n");
	tree_put("/sys/class/net/eth0/device/numa_node", "1\n");
	passes("NICs", "eth0 (0000:3b:00.0): ice, NUMA node 1");
	tree_put("/sys/class/net/eth1/device/uevent", "PCI_SLOT_NAME=x\nDRIVER=\n");
	passes("NICs", "eth1: , NUMA node 0");
	passes("IOMMU", "off");
	tree_put("/sys/bus/pci/drivers/vfio-pci/new_id", "\n");
	passes("NICs", "eth0");
	tree_put("/sys/bus/pci/drivers/vfio-pci/0000:3b:00.0/numa_node", "-1\n");
	passes("NICs", "0000:3b:00.0: vfio-pci, NUMA node 0");
	warns("IOMMU", "hands no NIC out");
	tree_put("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
	warns("IOMMU", "0000:3b:00.0: vfio-pci, NUMA node 0 can write to all memory");
	tree_put(GROUP "/type", "DMA\n");
	passes("IOMMU", "on, 1 groups");
}

static void
own_nic(void **state)
{
	(void)state;
	passes("the node's NIC", "a socket");
	ask.nic = "3b:00.0,mprq_en=1";
	warns("the node's NIC", "0000:3b:00.0 is no device");
	tree_put(DEVICE "/class", "0x020000\n");
	warns("the node's NIC", "no driver has it");
	tree_link(DEVICE "/driver", "../../../bus/pci/drivers/ice");
	warns("the node's NIC", "0000:3b:00.0: ice has it");
	assert_non_null(strstr(line_of("the node's NIC").todo, "init --vfio 0000:3b:00.0"));
	warns("IOMMU", "off");
	tree_link(DEVICE "/driver", "../../../bus/pci/drivers/mlx5_core");
	passes("the node's NIC", "mlx5_core, which shares it");
	tree_link(DEVICE "/driver", "../../../bus/pci/drivers/vfio-pci");
	passes("the node's NIC", "0000:3b:00.0: vfio-pci");
	/* Its group: itself, a bridge, one with vfio, one of the kernel's. */
	tree_put(DEVICE "/iommu_group/devices/0000:3b:00.0", "");
	tree_put(DEVICE "/iommu_group/devices/0000:00:01.0", "");
	tree_put("/sys/bus/pci/devices/0000:00:01.0/class", "0x060400\n");
	tree_link("/sys/bus/pci/devices/0000:00:01.0/driver", "drivers/pcieport");
	tree_put(DEVICE "/iommu_group/devices/0000:3b:00.1", "");
	tree_put("/sys/bus/pci/devices/0000:3b:00.1/class", "0x020000\n");
	tree_link("/sys/bus/pci/devices/0000:3b:00.1/driver", "drivers/vfio-pci");
	passes("the node's NIC", "0000:3b:00.0: vfio-pci");
	tree_link("/sys/bus/pci/devices/0000:3b:00.1/driver", "drivers/ice");
	warns("the node's NIC", "group with 0000:3b:00.1");

	ask.nic = "net_af_xdp0,iface=eth1";
	stops("the node's NIC", "eth1 is no interface");
	tree_put("/sys/class/net/eth1/operstate", "down\n");
	warns("the node's NIC", "eth1 is down");
	tree_put("/sys/class/net/eth1/operstate", "up\n");
	passes("the node's NIC", "eth1");
	ask.nic = "net_memif0,socket=/run/x";
	passes("the node's NIC", "a virtual one");
	ask.nic = "net_af_xdp0,iface=../../etc";
	passes("the node's NIC", "a virtual one"); /* and no path of ours */
	ask.nic = "net_null7";
	passes("the node's NIC", "a virtual one");
	ask.nic = "net_bogus0";
	warns("the node's NIC", "no device that is known");
	ask.nic = "0000:3b:99.0";
	warns("the node's NIC", "no device that is known");
	ask.nic = "net_nullx";
	warns("the node's NIC", "no device that is known");
}

static void
place(void **state)
{
	(void)state;
	passes("its place", "no core is nearer");
	ask.nic = "0000:3b:00.0";
	tree_put(DEVICE "/numa_node", "-1\n");
	passes("its place", "no core is nearer");
	tree_put(DEVICE "/numa_node", "1\n");
	passes("its place", "NUMA node 1");
	tree_put("/sys/devices/system/node/node1/cpulist", "16-31\n");
	ask.cores = "2-17";
	passes("its place", "NUMA node 1, as 2 of the node's 16 cores");
	ask.cores = "2-15";
	warns("its place", "NUMA node 1, where the node has no core");
	tree_put("/sys/devices/system/node/node1/cpulist", "rubbish\n");
	passes("its place", "NUMA node 1");
	tree_put(DEVICE "/numa_node", "99999999999999999999\n");
	passes("its place", "no core is nearer");
}

/* Whatever the files say, each check ends and says something. */
static void
rubbish(void **state)
{
	static const char *const path[] = {
		"/proc/sys/kernel/osrelease",
		"/proc/cpuinfo",
		"/proc/cmdline",
		"/proc/self/cgroup",
		"/proc/irq/1/smp_affinity_list",
		"/sys/devices/system/clocksource/clocksource0/current_clocksource",
		"/sys/devices/system/cpu/isolated",
		"/sys/devices/system/cpu/nohz_full",
		"/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
		"/sys/devices/system/cpu/cpu0/cpuidle/state1/latency",
		"/sys/devices/system/node/node0/cpulist",
		"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages",
		"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
		"/sys/class/net/eth0/device/uevent",
		"/sys/bus/pci/devices/0000:3b:00.0/numa_node",
		"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
	};
	static char longer[20000];
	const char *const text[] = { "",
				     "\n",
				     "-",
				     "0::/",
				     "0-",
				     ",",
				     "DRIVER=",
				     "flags",
				     "\x80\xff\x1b[2J",
				     "99999999999999999999999",
				     longer };
	struct doctor_line line;

	(void)state;
	memset(longer, '7', sizeof(longer) - 1);
	ask.nic = "0000:3b:00.0";
	for (size_t t = 0; t < sizeof(text) / sizeof(text[0]); t++) {
		for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
			tree_put(path[i], text[t]);
		}
		for (size_t i = 0; doctor_check(i, &ask, &line); i++) {
			assert_true(strlen(line.found) > 0);
			assert_int_equal(line.ok, strlen(line.todo) == 0);
		}
	}
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

/* As a container's seccomp profile has it: no node starts there. */
static void
no_io_uring(void **state)
{
	static const int says[] = { EPERM, ENOSYS };

	(void)state;
	for (size_t i = 0; i < ARRAY_CNT(says); i++) {
		scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			if (f == NULL ||
			    seccomp_rule_add(f, SCMP_ACT_ERRNO((uint32_t)says[i]),
					     SCMP_SYS(io_uring_setup), 0) != 0 ||
			    seccomp_load(f) != 0) {
				_exit(2);
			}
			_exit(line_of("io_uring").stops ? 0 : 1);
		}
		seccomp_release(f);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static int
setup(void **state)
{
	(void)state;
	tree_make();
	ask.cores = ask.nic = "";
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
		MACHINE(empty_machine),  MACHINE(kernel),      MACHINE(clock_source),
		MACHINE(steady_counter), MACHINE(isolated),    MACHINE(frequency),
		MACHINE(sleep_states),   MACHINE(interrupts),  MACHINE(huge_pages),
		MACHINE(cgroups),        MACHINE(nics),        MACHINE(own_nic),
		MACHINE(group),          MACHINE(place),       MACHINE(rubbish),
		MACHINE(code_in_memfds), MACHINE(no_io_uring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
