/* SPDX-License-Identifier: Apache-2.0 */
/* returns - holds of payloads that go back later, because their producer's channel was full
 *
 * A hold goes back by a RELEASE (payload.h). An executor reads none of them while it runs a
 * function, and those who read what it returned may have more to give back than a channel takes. If
 * that were dropped, the producer would keep the memory for as long as both live. So it waits here,
 * and goes eight at a time.
 *
 *	returns_add(r, &ref, holder);
 *	...
 *	while (returns_next(r, proc, &d) > 0 && send(proc, &d) == 0) {
 *		returns_sent(r, proc, &d);
 *	}
 *
 * Owner, threads: who created it, one.
 */
#ifndef MB_RT_RETURNS_H
#define MB_RT_RETURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "domain_limits.h"

#define RETURNS_BATCH 8 /* handles in a RELEASE */

struct returns;

/* returns_create makes room for cnt_max holds. Returns: 0; MB_ERR_NO_MEMORY.
 * Owns: the caller destroys it. Threads: start-up only. */
int returns_create(struct returns **ret, uint32_t cnt_max);
void returns_destroy(struct returns *r);

/* returns_add keeps a hold of holder (0: of who sends it). Holds of an earlier incarnation of the
 * producer are forgotten: it is dead.
 * Returns: false when there is no room. Requires: ref->proc < PROC_CNT_MAX. */
bool returns_add(struct returns *r, const struct payload_ref *ref, uint16_t holder);

/* returns_next makes a RELEASE of the oldest that wait for a producer, all of one holder, which its
 * field a says. Returns: how many; 0: none wait. */
uint32_t returns_next(const struct returns *r, uint16_t proc, struct desc *ret);

/* returns_sent forgets what returns_next has put into d. */
void returns_sent(struct returns *r, uint16_t proc, const struct desc *d);

/* returns_drop forgets all of a producer: it is dead. */
void returns_drop(struct returns *r, uint16_t proc);

/* returns_proc finds a producer that some wait for, from proc upwards; PROC_CNT_MAX: none. */
uint16_t returns_proc(const struct returns *r, uint16_t proc);

/* How many wait: for a producer, and in all. */
uint32_t returns_of(const struct returns *r, uint16_t proc);
uint32_t returns_cnt(const struct returns *r);

#endif
