/* SPDX-License-Identifier: Apache-2.0 */
/* tune - change the kernel's settings so that each can be taken back
 *
 * A change is noted before it is made, a line each, in a file that a reboot forgets as it forgets
 * the settings:
 *
 *	/run/microburst/doctor      KIND \t WAS \t IS \t NAME
 *
 * KIND is set (NAME is a file below /sys or /proc) or bind (NAME is a PCI device, WAS and IS are
 * drivers). Undoing goes through the lines from the last to the first; what somebody else has
 * changed since is left as it is, and counted.
 *
 * Errors:  MB_ERR_DENIED not root; MB_ERR_NOT_FOUND there is no such setting or device;
 *          MB_ERR_IO the kernel refused, with errno; as pci.h.
 * Threads: one.
 */
#ifndef MB_CLI_TUNE_H
#define MB_CLI_TUNE_H

#include <stdint.h>

#define TUNE_VALUE_BYTES 256

struct tune {
	const char *root;
	/* what came of it so far */
	uint32_t changed; /* or taken back */
	uint32_t was_so;
	uint32_t refused; /* by the kernel: some settings cannot be changed */
	uint32_t others;  /* somebody else changed it since: left alone */
};

/* tune_alone waits until no other process changes settings or huge pages by us; then none does
 * until this one ends. Who may not write there goes on: it is refused anyway. */
void tune_alone(const char *root);

/* tune_set writes value to the setting at path; not to one that tune_undo would not take. */
int tune_set(struct tune *t, const char *path, const char *value);

/* tune_bind gives a PCI device to a driver. */
int tune_bind(struct tune *t, const char *addr, const char *driver);

/* tune_undo takes everything back, and forgets it. What cannot be taken back stays noted.
 * Returns: 0; the first error. */
int tune_undo(struct tune *t);

#endif
