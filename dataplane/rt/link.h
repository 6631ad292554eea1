/* SPDX-License-Identifier: Apache-2.0 */
/* link - one-way queue between two tiles of the daemon
 *
 * A link carries descriptors (64 bytes; what is in them is not its business) from one producer tile
 * to one consumer tile, in order, each exactly once or not at all. Underneath is an rte_ring in
 * single-producer single-consumer mode. What happens when it is full is said when it is
 * made and at no other place. Sending wakes the consumer's lcore if that sleeps.
 *
 * For threads of one program that trust each other. Between processes there is the channel: a ring
 * whose indices both sides write does not survive a hostile or dying peer.
 *
 * Guarantees: wait-free on both sides. What the producer wrote before link_send_sp, in the
 * descriptor or elsewhere, is visible to the consumer when link_recv_burst hands it out (the edge
 * is inside rte_ring). Counters are relaxed: right for the side that writes them, a little old for
 * others.
 */
#ifndef MB_RT_LINK_H
#define MB_RT_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "topo_limits.h"

#define LINK_NAME_BYTES_MAX 29 /* rte_ring's limit, with its 0 */
#define LINK_BURST_MAX      64 /* what a tile takes from one link in one poll: 4 KiB, fits L1 */

struct desc;
struct link;
struct lcore_bell;

/* What link_send_sp does with what does not fit. There is no third way. */
enum link_full {
	LINK_DROP_NEWEST = 1, /* drops and counts it: for what may be lost (hints, reports) */
	LINK_BACKPRESSURE,    /* leaves it with the caller, who tries again in a later poll */
};

struct link_cfg {
	const char *name; /* "cache:0_kvs:0"; copied; shorter than LINK_NAME_BYTES_MAX */
	uint32_t depth;   /* descriptors, 1..LINK_DEPTH_MAX; 2^k - 1 wastes no memory */
	enum link_full full;
	struct lcore_bell *bell; /* of the consumer's lcore; outlives the link. NULL when producer
				  * and consumer share an lcore: whoever runs there is awake. */
};

struct link_stats {
	uint64_t sent;     /* descriptors taken from the producer */
	uint64_t dropped;  /* LINK_DROP_NEWEST: descriptors lost */
	uint64_t refused;  /* LINK_BACKPRESSURE: descriptors given back, each try counted */
	uint64_t received; /* descriptors handed to the consumer */
};

/* link_footprint returns the bytes link_init needs for a link of that depth.
 *
 * Requires:  1 <= depth <= LINK_DEPTH_MAX.
 */
size_t link_footprint(uint32_t depth);

/* link_align returns the alignment link_init needs. */
size_t link_align(void);

/* link_init formats a link in the caller's memory.
 *
 * Requires:  mem aligned to link_align(), link_footprint(cfg->depth) bytes, on the NUMA node the
 *            plan names; name, depth and full as said in struct link_cfg.
 * Returns:   the link: inside mem, which stays the caller's and outlives it.
 * Threads:   start-up only. Needs no EAL.
 */
struct link *link_init(void *mem, const struct link_cfg *cfg);

/* link_fini undoes link_init; the memory is the caller's again.
 *
 * Requires:  neither side uses the link any more. What still lies in it is forgotten.
 */
void link_fini(struct link *link);

/* link_send_sp offers n descriptors, oldest first, and rings the consumer's lcore if it sleeps.
 *
 * Requires:  desc points to n descriptors; n >= 1.
 * Returns:   how many are off the caller's hands, 0..n. LINK_BACKPRESSURE: those in the link; the
 *            rest are still the caller's. LINK_DROP_NEWEST: always n; what did not fit is gone and
 *            counted.
 * Owns:      descriptors are copied; desc is the caller's again on return.
 * Threads:   the one producer tile of the plan.
 * Cost:      one release store and, across lcores, one full fence a call, not a descriptor.
 */
uint32_t link_send_sp(struct link *link, const struct desc *desc, uint32_t n);

/* link_recv_burst takes up to n descriptors, oldest first.
 *
 * Requires:  room for n at ret_desc.
 * Returns:   how many were written there, 0..n.
 * Threads:   the one consumer tile of the plan.
 */
uint32_t link_recv_burst(struct link *link, struct desc *ret_desc, uint32_t n);

/* link_free_cnt returns how many descriptors link_send_sp would certainly take now: a producer that
 * must not begin what it cannot finish asks first.
 *
 * Threads:   the producer.
 */
uint32_t link_free_cnt(const struct link *link);

/* link_ready_cnt returns how many descriptors wait. Threads: the consumer; others get a recent
 * value. */
uint32_t link_ready_cnt(const struct link *link);

void link_stats(const struct link *link, struct link_stats *ret_stats);

uint32_t link_depth(const struct link *link);

#endif
