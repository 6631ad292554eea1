/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the daemon's home is where its NIC is; what has no place, or is no device, has none; no
 *         text leads out of the two folders.
 * Method: a tree of our own for /sys. */
#include "home.h"

#include "../base/test_cmocka.h"

#include "sysfile_tree.h"

#define PCI "/sys/bus/pci/devices/0000:3b:00.0/numa_node"

static int
setup(void **state)
{
	(void)state;
	tree_make();
	tree_put(PCI, "1\n");
	tree_put("/sys/class/net/eth1/device/numa_node", "0\n");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tree_remove();
	return 0;
}

static void
places(void **state)
{
	(void)state;
	assert_int_equal(home_of_nic(tree, "0000:3b:00.0"), 1);
	assert_int_equal(home_of_nic(tree, "3b:00.0"), 1);
	assert_int_equal(home_of_nic(tree, "0000:3b:00.0,mprq_en=1"), 1);
	assert_int_equal(home_of_nic(tree, "net_af_xdp0,iface=eth1"), 0);
	assert_int_equal(home_of_nic(tree, "net_af_xdp0,iface=eth1,start_queue=1"), 0);
	assert_int_equal(home_of_nic(tree, "net_af_xdp0,iface=eth2"), -1);
	assert_int_equal(home_of_nic(tree, "net_memif0,socket=/run/x"), -1);
	assert_int_equal(home_of_nic(tree, ""), -1);
}

static void
strange(void **state)
{
	static const char *const content[] = {
		"-1\n", "", "\n", "1x\n", "x", "65535\n", "99999999999999999999\n"
	};
	static const char *const name[] = {
		"../devices/0000:3b:00.0", "0000:3b:00.0/../a:b", ":", "net_x,iface=",
		"net_x,iface=../eth1",     "net_x,iface=..,a:b"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
		assert_int_equal(home_of_nic(tree, name[i]), -1);
	}
	for (size_t i = 0; i < sizeof(content) / sizeof(content[0]); i++) {
		tree_put(PCI, content[i]);
		assert_int_equal(home_of_nic(tree, "0000:3b:00.0"), -1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(places, setup, teardown),
		cmocka_unit_test_setup_teardown(strange, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
