/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a device goes to the driver that is asked for, and to no other; one in use, one that is
 *         not there, a driver that is not loaded or refuses, are typed errors.
 * Method: a kernel made of files. */
#include "pci.h"

#include <microburst/error.h>

#include "pci_tree.h"

static void
addresses(void **state)
{
	static const char *const bad[] = { "",         "eth0",      "00:00",          "3b:00.8",
					   "3b:20.0",  "3b:00.0x",  "0000:3b:00.0.0", "../3b:00.0",
					   " 3b:00.0", "1:2:3:4.5", "g000:3b:00.0" };
	char addr[PCI_ADDR_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(pci_addr(bad[i], addr));
	}
	assert_true(pci_addr("3B:00.1", addr));
	assert_string_equal(addr, "0000:3b:00.1");
	assert_true(pci_addr("10ab:3b:1f.7", addr));
	assert_string_equal(addr, "10ab:3b:1f.7");
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

static void
driver_is(const char *want)
{
	char driver[PCI_DRIVER_BYTES];

	assert_int_equal(pci_driver(tree, NIC, driver), 0);
	assert_string_equal(driver, want);
}

static void
there_and_back(void **state)
{
	char text[32];

	(void)state;
	driver_is("ice");
	assert_int_equal(pci_bind(tree, NIC, "vfio-pci"), 0);
	driver_is("vfio-pci");
	assert_true(sysfile_text(tree, "/sys/bus/pci/drivers/ice/unbind", text, sizeof(text)));
	assert_string_equal(text, NIC); /* it was let go before */
	assert_int_equal(pci_bind(tree, NIC, "vfio-pci"), 0);
	assert_int_equal(pci_bind(tree, NIC, "ice"), 0);
	driver_is("ice");
}

static void
refused(void **state)
{
	char driver[PCI_DRIVER_BYTES];

	(void)state;
	assert_int_equal(pci_driver(tree, "0000:3b:00.1", driver), MB_ERR_NOT_FOUND);
	assert_int_equal(pci_bind(tree, "0000:3b:00.1", "vfio-pci"), MB_ERR_NOT_FOUND);
	assert_int_equal(pci_bind(tree, NIC, "uio"), MB_ERR_NOT_FOUND);
	driver_is("ice");
	vfio_refuses = true;
	tree_put(NIC_FOLDER "/driver_override", "");
	assert_int_equal(pci_bind(tree, NIC, "vfio-pci"), MB_ERR_IO);
}

static void
in_use(void **state)
{
	char text[32];

	(void)state;
	tree_put(NIC_FOLDER "/net/eth0/flags", "0x1003\n");
	assert_int_equal(pci_bind(tree, NIC, "vfio-pci"), MB_ERR_BUSY);
	driver_is("ice");
	assert_true(sysfile_text(tree, NIC_FOLDER "/driver_override", text, sizeof(text)));
	assert_string_equal(text, "");
	tree_put(NIC_FOLDER "/net/eth0/flags", "0x1002\n");
	assert_int_equal(pci_bind(tree, NIC, "vfio-pci"), 0);
}

#define KERNEL(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		KERNEL(there_and_back),
		KERNEL(refused),
		KERNEL(in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
