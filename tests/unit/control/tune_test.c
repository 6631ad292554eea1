/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   undoing takes back exactly what was changed, in any order of init, init, fini, others'
 *         changes and ends in between; a note that was tampered with changes nothing else.
 * Method: a kernel made of files; stories. */
#include "tune.h"

#include <fcntl.h>
#include <microburst/error.h>
#include <sys/file.h>
#include <unistd.h>

#include "doctor.h"
#include "pci_tree.h"

#define GOVERNOR(cpu) "/sys/devices/system/cpu/cpu" #cpu "/cpufreq/scaling_governor"
#define IDLE(cpu, n)  "/sys/devices/system/cpu/cpu" #cpu "/cpuidle/state" #n
#define NOTE          "/run/microburst/doctor"

static void
is(const char *path, const char *want)
{
	char text[64];

	assert_true(sysfile_text(tree, path, text, sizeof(text)));
	assert_string_equal(text, want);
}

static void
fini(uint32_t changed, uint32_t others)
{
	struct tune t = { .root = tree };
	char text[64];

	assert_int_equal(tune_undo(&t), 0);
	assert_int_equal(t.changed, changed);
	assert_int_equal(t.others, others);
	assert_false(sysfile_text(tree, NOTE, text, sizeof(text)));
}

static void
set(const char *path, const char *value)
{
	struct tune t = { .root = tree };

	assert_int_equal(tune_set(&t, path, value), 0);
}

static void
fini_without_init(void **state)
{
	(void)state;
	fini(0, 0);
}

static void
there_and_back(void **state)
{
	(void)state;
	tree_put(GOVERNOR(0), "powersave\n");
	tree_put(GOVERNOR(1), "schedutil\n");
	set(GOVERNOR(0), "performance");
	set(GOVERNOR(0), "performance");
	set(GOVERNOR(1), "performance");
	set(GOVERNOR(1), "ondemand");
	is(GOVERNOR(1), "ondemand");
	fini(3, 0);
	is(GOVERNOR(0), "powersave");
	is(GOVERNOR(1), "schedutil");
	fini(0, 0);
}

static void
others_changed_it(void **state)
{
	(void)state;
	tree_put(GOVERNOR(0), "powersave\n");
	tree_put(GOVERNOR(1), "powersave\n");
	tree_put(GOVERNOR(2), "powersave\n");
	set(GOVERNOR(0), "performance");
	set(GOVERNOR(1), "performance");
	set(GOVERNOR(2), "performance");
	tree_put(GOVERNOR(0), "ondemand\n");
	tree_put(GOVERNOR(1), "powersave\n");
	fini(1, 1);
	is(GOVERNOR(0), "ondemand");
	is(GOVERNOR(1), "powersave");
	is(GOVERNOR(2), "powersave");
}

/* It ended between the note and the change. */
static void
ended_in_between(void **state)
{
	(void)state;
	tree_put(GOVERNOR(0), "powersave\n");
	tree_put(NOTE, "set\tpowersave\tperformance\t" GOVERNOR(0) "\n");
	fini(0, 0);
	is(GOVERNOR(0), "powersave");
}

static void
not_settings(void **state)
{
	static const char *const path[] = { "/etc/passwd", "/sys/devices/system/cpu/../../x",
					    "/proc/irq/../sys/x", "/sys/devices/system/cpu/none" };
	static const char *const value[] = { "", "a\tb", "a\n" };
	struct tune t = { .root = tree };
	char text[8];

	(void)state;
	tree_put("/etc/passwd", "x\n");
	tree_put(GOVERNOR(0), "powersave\n");
	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		assert_int_equal(tune_set(&t, path[i], "1"), MB_ERR_NOT_FOUND);
	}
	for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++) {
		assert_int_equal(tune_set(&t, GOVERNOR(0), value[i]), MB_ERR_NOT_FOUND);
	}
	assert_false(sysfile_text(tree, NOTE, text, sizeof(text)));
}

static void
note_without_sense(void **state)
{
	(void)state;
	tree_put("/etc/passwd", "now\n");
	tree_put("/sys/devices/system/x", "now\n");
	tree_put(GOVERNOR(0), "now\n");
	tree_put(NOTE, "set\twas\tnow\t/etc/passwd\n"
		       "set\twas\tnow\t/sys/devices/system/cpu/../x\n"
		       "set\twas\tnow\n"
		       "set\t\tnow\t" GOVERNOR(0) "\n"
						  "\n\t\t\t\nrubbish\n"
						  "bind\t../../x\tice\t" NIC "\n"
						  "bind\tvfio-pci\tice\t../" NIC "\n"
						  "set\twas\tnow");
	fini(0, 0);
	is("/etc/passwd", "now");
	is("/sys/devices/system/x", "now");
	is(GOVERNOR(0), "now");
	is(NIC_FOLDER "/driver_override", "");
}

static void
a_nic(void **state)
{
	struct tune t = { .root = tree };
	char link[32], path[512];

	(void)state;
	assert_int_equal(tune_bind(&t, NIC, "vfio-pci"), 0);
	assert_int_equal(tune_bind(&t, NIC, "vfio-pci"), 0);
	assert_int_equal(t.changed, 1);
	assert_int_equal(t.was_so, 1);
	fini(1, 0);
	assert_true(sysfile_link(tree, NIC_FOLDER "/driver", link, sizeof(link)));
	assert_string_equal(link, "ice");
	is(NIC_FOLDER "/driver_override", "");
	assert_int_equal(tune_bind(&t, "0000:3b:00.1", "vfio-pci"), MB_ERR_NOT_FOUND);
	/* One that it did not take goes back. */
	vfio_refuses = true;
	assert_int_equal(tune_bind(&t, NIC, "vfio-pci"), MB_ERR_IO);
	tree_folders(NIC_FOLDER "/driver", path);
	assert_int_equal(unlink(path), 0);
	fini(1, 0);
	assert_true(sysfile_link(tree, NIC_FOLDER "/driver", link, sizeof(link)));
	assert_string_equal(link, "ice");
}

/* All that init offers, and back. */
static void
doctors_orders(void **state)
{
	struct tune t = { .root = tree };
	struct cpulist cpus;

	(void)state;
	assert_int_equal(doctor_do_governor(&t), MB_ERR_NOT_FOUND);
	assert_int_equal(doctor_do_idle(&t), MB_ERR_NOT_FOUND);
	assert_true(cpulist_parse("1,0", &cpus));
	assert_int_equal(doctor_do_irqs(&t, &cpus), MB_ERR_NOT_FOUND);
	tree_put("/sys/devices/system/cpu/online", "0\n");
	assert_int_equal(doctor_do_irqs(&t, &cpus), MB_ERR_INVALID);
	tree_put("/sys/devices/system/cpu/online", "0-3\n");
	tree_put(GOVERNOR(0), "powersave\n");
	tree_put(GOVERNOR(1), "performance\n");
	tree_put(IDLE(0, 1) "/latency", "2\n");
	tree_put(IDLE(0, 1) "/disable", "0\n");
	tree_put(IDLE(0, 2) "/latency", "100\n");
	tree_put(IDLE(0, 2) "/disable", "0\n");
	tree_put("/proc/irq/24/smp_affinity_list", "0-7\n");
	tree_put("/proc/irq/25/smp_affinity_list", "0-1\n");
	assert_int_equal(doctor_do_governor(&t), 0);
	assert_int_equal(doctor_do_idle(&t), 0);
	assert_int_equal(doctor_do_irqs(&t, &cpus), 0);
	assert_int_equal(t.changed, 3);
	assert_int_equal(t.was_so, 2);
	is(GOVERNOR(0), "performance");
	is(IDLE(0, 1) "/disable", "0");
	is(IDLE(0, 2) "/disable", "1");
	is("/proc/irq/24/smp_affinity_list", "0-1");
	fini(3, 0);
	is(GOVERNOR(0), "powersave");
	is(IDLE(0, 2) "/disable", "0");
	is("/proc/irq/24/smp_affinity_list", "0-7");
	is("/proc/irq/25/smp_affinity_list", "0-1");
}

static void
one_at_a_time(void **state)
{
	char path[512];
	int fd;

	(void)state;
	tree_put("/run/x", "");
	tune_alone(tree);
	snprintf(path, sizeof(path), "%s/run/microburst/doctor.lock", tree);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	close(fd);
}

static int
setup(void **state)
{
	(void)state;
	pci_tree_make();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pci_tree_remove();
	return 0;
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(fini_without_init),
		STORY(there_and_back),
		STORY(others_changed_it),
		STORY(ended_in_between),
		STORY(not_settings),
		STORY(note_without_sense),
		STORY(a_nic),
		STORY(doctors_orders),
		STORY(one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
