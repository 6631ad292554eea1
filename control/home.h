/* SPDX-License-Identifier: Apache-2.0 */
/* home - which NUMA node the daemon should live on: its NIC's
 *
 * Threads: start-up only.
 */
#ifndef MB_HOME_H
#define MB_HOME_H

/* home_of_nic finds the NUMA node of net.nic: of a PCI address, or of the interface that a virtual
 * device names (iface=). root stands before /sys: "" is this machine.
 * Returns: the kernel's number; -1 when the device has none, or is none of this machine's. */
int home_of_nic(const char *root, const char *nic);

#endif
