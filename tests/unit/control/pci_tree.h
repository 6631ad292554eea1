/* SPDX-License-Identifier: Apache-2.0 */
/* pci_tree.h - a kernel made of files that gives PCI devices to drivers
 *
 * /sys/bus/pci/drivers_probe is a pipe; a thread reads addresses there and does what the kernel
 * does: the device goes to the driver that its driver_override names, if any, else to its own. */
#ifndef MB_TEST_PCI_TREE_H
#define MB_TEST_PCI_TREE_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "sysfile_tree.h"

#define NIC        "0000:3b:00.0"
#define NIC_FOLDER "/sys/bus/pci/devices/" NIC

static pthread_t pci_thread;
static atomic_bool vfio_refuses; /* to take anything */

static inline void *
pci_kernel(void *ctx)
{
	char path[512], addr[32], driver[64], from[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/sys/bus/pci/drivers_probe", tree);
	for (;;) {
		fd = open(path, O_RDONLY);
		n = fd >= 0 ? read(fd, addr, sizeof(addr) - 1) : 0;
		close(fd);
		if (n <= 0) {
			continue; /* opened and closed again */
		}
		addr[n] = '\0';
		if (strcmp(addr, "end") == 0) {
			return ctx;
		}
		snprintf(from, sizeof(from), "/sys/bus/pci/devices/%.31s/driver_override", addr);
		if (!sysfile_text(tree, from, driver, sizeof(driver)) || driver[0] == '\0') {
			snprintf(driver, sizeof(driver), "ice");
		}
		if (!vfio_refuses || strcmp(driver, "vfio-pci") != 0) {
			char to[128];

			snprintf(from, sizeof(from), "/sys/bus/pci/devices/%.31s/driver", addr);
			snprintf(to, sizeof(to), "../../drivers/%s", driver);
			tree_link(from, to);
		}
	}
}

static inline void
pci_tree_make(void)
{
	char path[512];

	tree_make();
	vfio_refuses = false;
	tree_put("/run/x", "");
	tree_put("/sys/bus/pci/drivers/ice/unbind", "");
	tree_put("/sys/bus/pci/drivers/vfio-pci/unbind", "");
	tree_put(NIC_FOLDER "/driver_override", "");
	tree_link(NIC_FOLDER "/driver", "../../drivers/ice");
	snprintf(path, sizeof(path), "%s/sys/bus/pci/drivers_probe", tree);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(pthread_create(&pci_thread, NULL, pci_kernel, NULL), 0);
}

static inline void
pci_tree_remove(void)
{
	assert_int_equal(sysfile_put(tree, "/sys/bus/pci/drivers_probe", "end"), 0);
	assert_int_equal(pthread_join(pci_thread, NULL), 0);
	tree_remove();
}

#endif
