/* SPDX-License-Identifier: Apache-2.0 */
/* huge_lock - whoever takes huge pages of the machine does it while no other of ours does
 *
 * EAL cannot be started again when the pages that were found for it have gone meanwhile (eal.c). So
 * from that look until EAL has them nobody else of ours may take any (another node, a client with a
 * PCI device) or give some back to the kernel (`microburst doctor fini`). The lock is one on
 * the kernel's own file, which all see who share the pages: nothing is left behind, and who
 * dies has given it back. Anybody may hold it for ever; so nobody waits for it for ever, and all go
 * on without: then it is as if there were no lock.
 *
 * Threads: any.
 */
#ifndef MB_RT_HUGE_LOCK_H
#define MB_RT_HUGE_LOCK_H

#include <stdint.h>

#define HUGE_LOCK_NONE (-1)  /* this machine has no such file */
#define HUGE_LOCK_BUSY (-2)  /* somebody else takes pages */
#define HUGE_LOCK_MS   10000 /* some hundred times as long as EAL takes to start */

/* huge_lock_take looks for so many milliseconds whether the lock is to be had; 0: once.
 * Returns: what huge_lock_release takes, of which the negative ones are nothing held. */
int huge_lock_take(uint32_t wait_ms);
void huge_lock_release(int lock);

#endif
