/* SPDX-License-Identifier: Apache-2.0 */
/* hugepages - reserve 2 MiB pages for the node, and give back exactly those
 *
 * What was reserved is written to a file in /run, which a reboot forgets just as it forgets the
 * pages. Both functions may be called any number of times.
 *
 *	/run/microburst/hugepages      "BEFORE AFTER": pages there were, pages there are since
 *
 * Others may change the number meanwhile. Therefore fini takes away as many as init added, rather
 * than setting the number that init found.
 *
 * Errors:  MB_ERR_DENIED not root; MB_ERR_NOT_SUPPORTED the kernel has no such pages; MB_ERR_IO;
 *          MB_ERR_NO_MEMORY the kernel found fewer than half of what was asked, and has them again;
 *          MB_ERR_TOO_LARGE there is no memory for so many that others do not work with.
 * Threads: one; of several processes the caller lets one at a time (tune_alone).
 */
#ifndef MB_CLI_HUGEPAGES_H
#define MB_CLI_HUGEPAGES_H

#include <stddef.h>
#include <stdint.h>

#define HUGEPAGES_BYTES (2u << 20) /* of one */

struct hugepages {
	uint64_t before; /* pages there were, before this call */
	uint64_t after;  /* and after it */
	uint64_t ours;   /* of these, reserved by init and not given back; of NO_MEMORY, found; of
			* TOO_LARGE, how many it may be */
};

/* hugepages_init makes ours at least cnt, if it can. */
int hugepages_init(const char *root, uint64_t cnt, struct hugepages *ret);

/* hugepages_fini makes ours 0. Pages in use go when their users do. */
int hugepages_fini(const char *root, struct hugepages *ret);

/* hugepages_default says how many suit the machine: 1 GiB, at most a quarter of its memory. */
uint64_t hugepages_default(const char *root);

#endif
