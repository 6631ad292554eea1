/* SPDX-License-Identifier: Apache-2.0 */
/* pci.c - which driver has a PCI device, and giving it to another
 *
 * driver_override names the only driver that may take the device; then it is let go and offered
 * anew. Rejected: new_id, which would hand all devices of the same kind over.
 */
#include "pci.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <microburst/error.h>

#include "sysfile.h"

#define DEVICES "/sys/bus/pci/devices/"
#define LOOKS   100 /* a driver may take a device some time after it was offered */
#define LOOK_NS 10000000

bool
pci_addr(const char *text, char ret[static PCI_ADDR_BYTES])
{
	unsigned domain = 0, bus, slot, fn;
	char end;

	if (strspn(text, "0123456789abcdefABCDEF:.") != strlen(text)) {
		return false;
	}
	if (sscanf(text, "%4x:%2x:%2x.%1x%c", &domain, &bus, &slot, &fn, &end) != 4) {
		domain = 0;
		if (sscanf(text, "%2x:%2x.%1x%c", &bus, &slot, &fn, &end) != 3) {
			return false;
		}
	}
	if (slot > 31 || fn > 7) {
		return false;
	}
	snprintf(ret, PCI_ADDR_BYTES, "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff, slot, fn);
	return true;
}

int
pci_driver(const char *root, const char *addr, char ret[static PCI_DRIVER_BYTES])
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" DEVICES "%s", root, addr);
	if (access(path, F_OK) != 0) {
		return MB_ERR_NOT_FOUND;
	}
	snprintf(path, sizeof(path), DEVICES "%s/driver", addr);
	if (!sysfile_link(root, path, ret, PCI_DRIVER_BYTES)) {
		snprintf(ret, PCI_DRIVER_BYTES, PCI_NONE);
	}
	return 0;
}

struct interfaces {
	const char *root, *addr;
	bool up;
};

static void
interface_look(void *ctx, const char *name)
{
	struct interfaces *i = ctx;
	char path[PATH_MAX], flags[16];
	unsigned bits;

	snprintf(path, sizeof(path), DEVICES "%s/net/%s/flags", i->addr, name);
	if (sysfile_text(i->root, path, flags, sizeof(flags)) &&
	    sscanf(flags, "0x%8x", &bits) == 1) {
		i->up |= (bits & 1) != 0; /* IFF_UP */
	}
}

static int
put(const char *root, const char *path, const char *text)
{
	if (sysfile_put(root, path, text) == MB_OK) {
		return 0;
	}
	return errno == EACCES || errno == EPERM || errno == EROFS ? MB_ERR_DENIED : MB_ERR_IO;
}

int
pci_bind(const char *root, const char *addr, const char *driver)
{
	struct interfaces i = { .root = root, .addr = addr };
	char path[PATH_MAX], now[PCI_DRIVER_BYTES];
	bool none = strcmp(driver, PCI_NONE) == 0;
	int err = pci_driver(root, addr, now);

	if (err != 0 || strcmp(now, driver) == 0) {
		return err;
	}
	snprintf(path, sizeof(path), "%s/sys/bus/pci/drivers/%s", root, driver);
	if (!none && access(path, F_OK) != 0) {
		return MB_ERR_NOT_FOUND;
	}
	snprintf(path, sizeof(path), DEVICES "%s/net", addr);
	sysfile_each(root, path, interface_look, &i);
	if (i.up) {
		return MB_ERR_BUSY;
	}
	snprintf(path, sizeof(path), DEVICES "%s/driver_override", addr);
	err = put(root, path, none ? "\n" : driver);
	if (err == 0 && strcmp(now, PCI_NONE) != 0) {
		snprintf(path, sizeof(path), DEVICES "%s/driver/unbind", addr);
		err = put(root, path, addr);
	}
	if (err != 0 || none) {
		return err;
	}
	err = put(root, "/sys/bus/pci/drivers_probe", addr);
	for (int looks = 0; err == 0 && looks < LOOKS; looks++) {
		if (pci_driver(root, addr, now) == 0 && strcmp(now, driver) == 0) {
			return 0;
		}
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_NS }, NULL);
	}
	return err != 0 ? err : MB_ERR_IO;
}
