/* SPDX-License-Identifier: Apache-2.0 */
/* partner - the other process of a floor
 *
 * A floor is a ping-pong of two processes without Microburst. The other one is forked once, before
 * this program opens anything that a child must not hold (a client's socket, a region), and sleeps
 * at a gate while it has nothing to do: a subject that is being measured finds the core free.
 *
 *	partner_open   it moves to its cpu and serves
 *	...            ping, pong; then something that serve understands as the end
 *	partner_close  it is back at the gate
 */
#ifndef MB_PARTNER_H
#define MB_PARTNER_H

#include <stdbool.h>

struct partner;

/* partner_start forks the process. What serve needs in memory is mapped before, shared.
 * Returns: 0; MB_ERR_NO_MEMORY. Threads: start-up only, while there is one thread. */
int partner_start(struct partner **ret);
void partner_stop(struct partner *p);

/* partner_open lets it run serve(mem) on cpu, waiting by yielding if shared. serve is a function of
 * this program, mem lies in memory mapped before partner_start. Returns at once: 0, or
 * MB_ERR_PEER_DIED when an earlier close found it so. */
int partner_open(struct partner *p, int (*serve)(void *mem), void *mem, int cpu, bool shared);

/* partner_close waits until serve has returned.
 * Returns: its result; MB_ERR_PEER_DIED when the process is no more, or does not end in 5 s. */
int partner_close(struct partner *p);

#endif
