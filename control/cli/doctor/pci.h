/* SPDX-License-Identifier: Apache-2.0 */
/* pci - which driver has a PCI device, and giving it to another
 *
 * Root stands before /sys, as in sysfile.h.
 *
 * Errors:  MB_ERR_NOT_FOUND no such device, or the driver is not loaded; MB_ERR_BUSY the kernel's
 *          interface of it is up; MB_ERR_DENIED not root; MB_ERR_IO it did not come about.
 * Threads: any.
 */
#ifndef MB_CLI_PCI_H
#define MB_CLI_PCI_H

#include <stdbool.h>
#include <stddef.h>

#define PCI_ADDR_BYTES   13 /* "0000:01:00.0" */
#define PCI_DRIVER_BYTES 32
#define PCI_NONE         "-" /* no driver has it */

/* pci_addr reads an address, with its domain or without, as the kernel names it.
 * Returns: false for what is none. */
bool pci_addr(const char *text, char ret[static PCI_ADDR_BYTES]);

/* pci_driver says who has the device. Returns: 0; MB_ERR_NOT_FOUND. */
int pci_driver(const char *root, const char *addr, char ret[static PCI_DRIVER_BYTES]);

/* pci_bind gives the device to a driver, or, with PCI_NONE, takes it from the one that has it. An
 * interface that is up is refused: somebody may be talking to this machine through it. */
int pci_bind(const char *root, const char *addr, const char *driver);

#endif
