/* SPDX-License-Identifier: Apache-2.0 */
/* ports - all channels of one tile to the processes of the domain
 *
 * What sched and cache tiles share: hundreds of channels of which few have something at any time.
 * The tile's bell says which; a private set of ready ports is taken from it, visited in turn, each
 * port for at most PORTS_BURST messages, and a port that was not emptied stays in the set. As the
 * bell is only a hint, all of them are looked at every PORTS_SWEEP_TURNS, and before each sleep.
 *
 * No message to a process is lost or refused while the process lives, and none makes the tile wait:
 * what does not fit into its channel waits here, in order, and the process is not listened to until
 * it has read that. The sum is bounded:
 *
 *   I1  waiting + owed <= PORTS_WAITING_MAX for each process, where owed counts requests that were
 *       taken and not yet answered. ports_recv passes over a process that is at the limit, so an
 *       answer always has a place.
 *
 * A turn of a tile:
 *
 *	busy = ports_turn(p);
 *	while (tile_has_room && ports_recv(p, &proc, &d) == 1) { ... ports_answer / ports_send ... }
 *	ports_flush(p);
 *
 * Owner: the tile. Threads: that one; create and destroy at start-up and at the end.
 */
#ifndef MB_RT_PORTS_H
#define MB_RT_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "hints.h"
#include "domain_limits.h"
#include "region.h"

#define PORTS_BURST       16            /* of one process in a turn, so that 384 of them are fair */
#define PORTS_WAITING_MAX CHANNEL_DEPTH /* a process can ask for a channel's worth at once */
#define PORTS_RETRY_NS    UINT64_C(1000000) /* a process that reads does not ring us: look again */
#define PORTS_SWEEP_TURNS 4096              /* of a tile that never sleeps: below a millisecond */

struct ports;

/* ports_create makes the set of tile's ports (a number below TILE_PORT_CNT), all closed.
 *
 * Requires:  own is the daemon's region, mapped writable; both stay until ports_destroy.
 * Returns:   0; MB_ERR_NO_MEMORY.
 */
int ports_create(struct ports **ret, const struct region *own, struct hints *hints, uint32_t tile);
void ports_destroy(struct ports *p);

/* ports_open starts to talk to a process. What it sent before is received.
 *
 * Requires:  the port is closed; peer stays mapped until ports_close.
 */
void ports_open(struct ports *p, uint16_t proc, uint32_t inc, const struct region *peer);

/* ports_rung_by: the process is a tile of the daemon (inner.h), and rung by the eventfd of its
 * lcore.
 * Requires: the port is open. */
void ports_rung_by(struct ports *p, uint16_t proc, int wake_fd);

/* ports_close ends it: what waits for the process is dropped, what it sent and nobody took as well.
 * The daemon's half of the channel is clear afterwards. Harmless when the port is not open. */
void ports_close(struct ports *p, uint16_t proc);

/* ports_inc tells which incarnation a port is open to; 0: closed. */
uint32_t ports_inc(const struct ports *p, uint16_t proc);

/* ports_last_inc tells the newest incarnation that a port has been open to; 0: none. */
uint32_t ports_last_inc(const struct ports *p, uint16_t proc);

/* ports_turn begins a turn: takes what the bell says, and sends what waits and now fits.
 *
 * Returns:   whether anything was sent, or is there to be received.
 */
bool ports_turn(struct ports *p);

/* ports_recv takes the next message of this turn, and counts it as owed an answer.
 *
 * Returns:   1 with *ret_proc and *ret; 0 when this turn is over.
 */
int ports_recv(struct ports *p, uint16_t *ret_proc, struct desc *ret);

/* ports_answer sends the answer to a message received, and ports_waive says that there is none (a
 * RELEASE, a notice). Each message received gets one of the two. Both are harmless for a process
 * that is closed: its debts went with it.
 */
void ports_answer(struct ports *p, uint16_t proc, const struct desc *d);
void ports_waive(struct ports *p, uint16_t proc);

/* ports_send sends what is not an answer.
 *
 * Returns:   0; MB_ERR_FULL when the process has PORTS_WAITING_MAX messages or answers to come
 *            already; MB_ERR_PEER_DIED when it is closed.
 */
int ports_send(struct ports *p, uint16_t proc, const struct desc *d);

/* ports_flush makes what was sent since the last flush visible, ringing each process once. */
void ports_flush(struct ports *p);

/* ports_bad gives, once each, the processes that broke the rules of their channel. They are neither
 * heard nor written to any more; ctl is to be told (DESC_PROC_BAD).
 *
 * Returns:   false when there is none (left).
 */
bool ports_bad(struct ports *p, uint16_t *ret_proc, uint32_t *ret_inc);

/* ports_arm says that the tile is about to sleep: raises the bell's waiting flag and makes the next
 * turn a sweep. The tile then does one more turn, and sleeps only if that was idle, for at most
 * ports_sleep_ns. ports_disarm ends it.
 */
void ports_arm(struct ports *p);
void ports_disarm(struct ports *p);

/* ports_sleep_ns is how long the tile may sleep as far as its ports are concerned. */
uint64_t ports_sleep_ns(const struct ports *p);

/* How many messages wait for processes, and how many processes are connected, by walking. */
uint32_t ports_waiting(const struct ports *p);
uint32_t ports_open_cnt(const struct ports *p);

#endif
