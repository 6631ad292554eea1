/* SPDX-License-Identifier: Apache-2.0 */
/* link.c - an rte_ring, its full-policy, its counters, and the bell behind it
 *
 *      ┌──────────────┬──────────────┬──────────────┬─────────────────────────────────┐
 *      │ made once    │ producer's   │ consumer's   │ rte_ring: its lines, then slots │
 *      │ depth, bell  │ sent dropped │ received     │                                 │
 *      └──────────────┴──────────────┴──────────────┴─────────────────────────────────┘
 *
 * I1  Each line after the first has one writer.
 * I2  sent counts what is in the ring or was; received <= sent, and what is between them waits.
 * I3  The bell is rung after the tail is visible and never before: lcore_bell.h has the argument.
 *
 * rte_ring comes in two builds; the C11 one is used, whatever DPDK was configured with: its orders
 * are in the language, so the thread sanitizer and other processors understand them. On x86 both
 * compile to the same loads and stores in single-producer single-consumer mode.
 *
 * The ring is asked for exactly `depth` elements (RING_F_EXACT_SZ): a credit given for a slot that
 * rounding lost would never come back.
 */
#define RTE_USE_C11_MEM_MODEL 1
#include "link.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "check.h"
#include "compiler.h"
#include "desc.h"
#include "lcore_bell.h"

#define LINK_MAGIC UINT32_C(0x4d424c4b)

struct link {
	/* made once, read by both */
	uint32_t magic;
	uint32_t depth;
	enum link_full full;
	struct lcore_bell *bell;

	/* written by the producer */
	_Alignas(CACHE_LINE) _Atomic uint64_t sent;
	_Atomic uint64_t dropped;
	_Atomic uint64_t refused;

	/* written by the consumer */
	_Alignas(CACHE_LINE) _Atomic uint64_t received;

	_Alignas(CACHE_LINE) struct rte_ring ring; /* its slots follow */
};
static_assert(offsetof(struct link, sent) % CACHE_LINE == 0, "I1");
static_assert(offsetof(struct link, received) % CACHE_LINE == 0, "I1");
static_assert(offsetof(struct link, ring) % CACHE_LINE == 0, "rte_ring wants a line of its own");
static_assert(sizeof(struct rte_ring) % CACHE_LINE == 0, "slots begin on a line");
static_assert(LINK_NAME_BYTES_MAX == RTE_RING_NAMESIZE, "rte_ring keeps the name");
static_assert(LINK_DEPTH_MAX <= RTE_RING_SZ_MASK, "rte_ring can be that deep");

/* One writer: no locked instruction needed. */
static void
count(_Atomic uint64_t *counter, uint32_t n)
{
	uint64_t v = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, v + n, memory_order_relaxed);
}

size_t
link_footprint(uint32_t depth)
{
	uint32_t slot_cnt = rte_align32pow2(depth + 1); /* as RING_F_EXACT_SZ rounds */
	ssize_t ring_bytes;

	REQUIRE(depth >= 1);
	REQUIRE(depth <= LINK_DEPTH_MAX, "depth=%u", depth);
	ring_bytes = rte_ring_get_memsize_elem(sizeof(struct desc), slot_cnt);
	INSIST(ring_bytes > 0, "slot_cnt=%u: %zd", slot_cnt, ring_bytes);
	return offsetof(struct link, ring) + (size_t)ring_bytes;
}

size_t
link_align(void)
{
	return _Alignof(struct link);
}

struct link *
link_init(void *mem, const struct link_cfg *cfg)
{
	struct link *link = mem;
	int rc;

	REQUIRE((uintptr_t)mem % link_align() == 0);
	REQUIRE(cfg->depth >= 1);
	REQUIRE(cfg->depth <= LINK_DEPTH_MAX, "depth=%u", cfg->depth);
	REQUIRE(cfg->full == LINK_DROP_NEWEST || cfg->full == LINK_BACKPRESSURE);
	REQUIRE(strlen(cfg->name) < LINK_NAME_BYTES_MAX, "%s", cfg->name);

	memset(link, 0, sizeof(*link));
	rc = rte_ring_init(&link->ring, cfg->name, cfg->depth,
			   RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	INSIST(rc == 0, "rc=%d", rc);
	link->depth = cfg->depth;
	link->full = cfg->full;
	link->bell = cfg->bell;
	link->magic = LINK_MAGIC;
	return link;
}

void
link_fini(struct link *link)
{
	REQUIRE(link->magic == LINK_MAGIC);
	link->magic = 0;
}

uint32_t
link_send_sp(struct link *link, const struct desc *desc, uint32_t n)
{
	uint32_t taken;

	INSIST_HOT(link->magic == LINK_MAGIC);
	INSIST_HOT(n >= 1);
	taken = rte_ring_sp_enqueue_burst_elem(&link->ring, desc, sizeof(*desc), n, NULL);
	if (likely(taken > 0)) {
		count(&link->sent, taken);
		if (link->bell != NULL) {
			lcore_bell_ring_if_waiting(link->bell); /* keeps I3 */
		}
	}
	if (likely(taken == n)) {
		return n;
	}
	if (link->full == LINK_DROP_NEWEST) {
		count(&link->dropped, n - taken);
		return n;
	}
	count(&link->refused, n - taken);
	return taken;
}

uint32_t
link_recv_burst(struct link *link, struct desc *ret_desc, uint32_t n)
{
	uint32_t got;

	INSIST_HOT(link->magic == LINK_MAGIC);
	got = rte_ring_sc_dequeue_burst_elem(&link->ring, ret_desc, sizeof(*ret_desc), n, NULL);
	if (got > 0) {
		count(&link->received, got);
	}
	return got;
}

uint32_t
link_free_cnt(const struct link *link)
{
	return rte_ring_free_count(&link->ring);
}

uint32_t
link_ready_cnt(const struct link *link)
{
	return rte_ring_count(&link->ring);
}

void
link_stats(const struct link *link, struct link_stats *ret_stats)
{
	*ret_stats = (struct link_stats){
		.sent = atomic_load_explicit(&link->sent, memory_order_relaxed),
		.dropped = atomic_load_explicit(&link->dropped, memory_order_relaxed),
		.refused = atomic_load_explicit(&link->refused, memory_order_relaxed),
		.received = atomic_load_explicit(&link->received, memory_order_relaxed),
	};
}

uint32_t
link_depth(const struct link *link)
{
	return link->depth;
}
