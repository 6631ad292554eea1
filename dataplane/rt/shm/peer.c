/* SPDX-License-Identifier: Apache-2.0 */
/* peer - see peer.h
 *
 * In the daemon ctl writes this table while other tiles read it. A reader comes here only with a
 * payload_ref, which it got in a message that was sent after ctl had published the mapping (the
 * owner could not have sent it before), so inc and p are set last, with release, and read first,
 * with acquire. Unmapping waits for every tile's word that it holds nothing of it any more.
 */
#include "peer.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "microburst/error.h"

int
peers_create(struct peers *ps, const struct peer_attach_ops *ops)
{
	*ps = (struct peers){ .peer = calloc(PROC_CNT_MAX, sizeof(struct peer)) };
	if (ps->peer == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	if (ops != NULL) {
		ps->ops = *ops;
	}
	return 0;
}

void
peers_destroy(struct peers *ps)
{
	for (uint16_t i = 0; i < PROC_CNT_MAX; i++) {
		peer_detach(ps, i);
	}
	free(ps->peer);
	ps->peer = NULL;
}

int
peer_put_region(struct peers *ps, uint16_t proc, uint32_t inc, const struct region *r)
{
	struct peer *p;

	REQUIRE(proc < PROC_CNT_MAX);
	REQUIRE(inc != 0);
	REQUIRE(ps->peer != NULL);
	p = &ps->peer[proc];
	REQUIRE(atomic_load_explicit(&p->inc, memory_order_relaxed) == 0);
	p->region = *r;
	/* R5: release; pairs with A5 in peer_find. The region is set before the peer is there. */
	atomic_store_explicit(&p->inc, inc, memory_order_release);
	return 0;
}

static struct peer *
peer_find(struct peers *ps, uint16_t proc, uint32_t inc)
{
	if (proc >= PROC_CNT_MAX || inc == 0) {
		return NULL;
	}
	/* A5: acquire; pairs with R5 in peer_put_region. */
	if (atomic_load_explicit(&ps->peer[proc].inc, memory_order_acquire) != inc) {
		return NULL;
	}
	return &ps->peer[proc];
}

int
peer_put_seg(struct peers *ps, uint16_t proc, uint32_t inc, uint32_t seg, const uint8_t *p,
	     size_t bytes)
{
	struct peer *peer = peer_find(ps, proc, inc);

	REQUIRE(seg != 0);
	if (peer == NULL) {
		return MB_ERR_PEER_DIED;
	}
	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX; i++) {
		struct peer_seg *s = &peer->seg[i];

		if (atomic_load_explicit(&s->seg, memory_order_relaxed) == 0) {
			s->bytes = bytes;
			atomic_store_explicit(&s->p, p, memory_order_relaxed);
			/* R6: release; pairs with A6 in peer_seg_find. */
			atomic_store_explicit(&s->seg, seg, memory_order_release);
			return 0;
		}
	}
	return MB_ERR_NO_MEMORY;
}

static struct peer_seg *
peer_seg_find(struct peer *peer, uint32_t seg)
{
	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX; i++) {
		/* A6: acquire; pairs with R6 in peer_put_seg. */
		if (atomic_load_explicit(&peer->seg[i].seg, memory_order_acquire) == seg) {
			return &peer->seg[i];
		}
	}
	return NULL;
}

void
peer_seg_moved(struct peers *ps, uint16_t proc, uint32_t inc, uint32_t seg, const uint8_t *p,
	       size_t bytes)
{
	struct peer *peer = peer_find(ps, proc, inc);
	struct peer_seg *s = peer != NULL ? peer_seg_find(peer, seg) : NULL;

	REQUIRE(s != NULL);
	s->bytes = bytes;
	/* Whoever is told of the segment is told later, by a message: that publishes this too. */
	atomic_store_explicit(&s->p, p, memory_order_relaxed);
}

static void
peer_seg_unmap(struct peer_seg *s)
{
	const uint8_t *p = atomic_load_explicit(&s->p, memory_order_relaxed);
	size_t bytes = s->bytes;

	s->gone = false;
	/* R6: release; pairs with A6 in peer_seg_find. Nobody finds it any more; only then the
	 * memory
	 * goes, and the entry may be used for another. */
	atomic_store_explicit(&s->seg, 0, memory_order_release);
	munmap((void *)(uintptr_t)p, bytes);
}

void
peer_detach_seg(struct peers *ps, uint16_t proc, uint32_t inc, uint32_t seg)
{
	struct peer *peer = peer_find(ps, proc, inc);
	struct peer_seg *s = peer != NULL && seg != 0 ? peer_seg_find(peer, seg) : NULL;

	if (s != NULL) {
		peer_seg_unmap(s);
	}
}

void
peer_seg_gone(struct peers *ps, uint16_t proc, uint32_t inc, uint32_t seg)
{
	struct peer *peer = peer_find(ps, proc, inc);
	struct peer_seg *s = peer != NULL && seg != 0 ? peer_seg_find(peer, seg) : NULL;

	if (s != NULL) {
		s->gone = true;
	}
}

void
peer_sweep(struct peers *ps, uint16_t proc)
{
	struct peer *peer;

	REQUIRE(proc < PROC_CNT_MAX);
	REQUIRE(ps->peer != NULL);
	peer = &ps->peer[proc];
	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX; i++) {
		if (peer->seg[i].gone) {
			peer_seg_unmap(&peer->seg[i]);
		}
	}
}

void
peer_detach(struct peers *ps, uint16_t proc)
{
	struct peer *peer;

	REQUIRE(proc < PROC_CNT_MAX);
	REQUIRE(ps->peer != NULL);
	peer = &ps->peer[proc];
	if (atomic_load_explicit(&peer->inc, memory_order_relaxed) == 0) {
		return;
	}
	/* R5: release; pairs with A5 in peer_find. Nobody finds it any more; only then it goes. */
	atomic_store_explicit(&peer->inc, 0, memory_order_release);
	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX; i++) {
		if (atomic_load_explicit(&peer->seg[i].seg, memory_order_relaxed) != 0) {
			peer_seg_unmap(&peer->seg[i]);
		}
	}
	region_unmap(&peer->region);
}

int
peer_attach(struct peers *ps, uint16_t proc, uint32_t inc, struct peer **ret)
{
	struct peer *peer = peer_find(ps, proc, inc);
	struct region r;
	int fd;
	int err;

	if (peer != NULL) {
		*ret = peer;
		return 0;
	}
	if (proc >= PROC_CNT_MAX || inc == 0 || ps->ops.attach == NULL) {
		return MB_ERR_PEER_DIED;
	}
	err = ps->ops.attach(ps->ops.ctx, proc, inc, 0, &fd);
	if (err != 0) {
		return err;
	}
	err = region_map_peer(&r, proc == PROC_DAEMON ? REGION_DAEMON : REGION_PROCESS, fd);
	close(fd);
	if (err != 0) {
		return err;
	}
	/* An older incarnation is gone for good: ctl gives an index away again only when all who
	 * knew the old one have acknowledged. What is still mapped here is a leftover of a process
	 * that this one never talked to. */
	peer_detach(ps, proc);
	err = peer_put_region(ps, proc, inc, &r);
	*ret = &ps->peer[proc];
	return err;
}

static int
peer_seg_attach(struct peers *ps, struct peer *peer, const struct payload_ref *ref,
		struct peer_seg **ret)
{
	const uint8_t *p;
	size_t bytes;
	int fd;
	int err;

	if (ps->ops.attach == NULL) {
		return MB_ERR_PEER_DIED;
	}
	err = ps->ops.attach(ps->ops.ctx, ref->proc, ref->inc, ref->seg, &fd);
	if (err != 0) {
		return err;
	}
	err = sealed_map(fd, &p, &bytes);
	close(fd);
	if (err != 0) {
		return err;
	}
	err = peer_put_seg(ps, ref->proc, ref->inc, ref->seg, p, bytes);
	if (err != 0) {
		munmap((void *)(uintptr_t)p, bytes);
		return err;
	}
	*ret = peer_seg_find(peer, ref->seg);
	return 0;
}

int
peer_view(struct peers *ps, const struct payload_ref *ref, const uint8_t **ret)
{
	struct peer *peer;
	struct peer_seg *s;
	int err = peer_attach(ps, ref->proc, ref->inc, &peer);

	if (err != 0) {
		return err;
	}
	if (ref->seg == 0) {
		size_t bytes = peer->region.at.bytes;

		if (ref->off < peer->region.at.slab || ref->off > bytes ||
		    ref->len > bytes - ref->off) {
			return MB_ERR_PEER_CORRUPT;
		}
		*ret = peer->region.base + ref->off;
		return 0;
	}
	s = peer_seg_find(peer, ref->seg);
	if (s == NULL) {
		err = peer_seg_attach(ps, peer, ref, &s);
		if (err != 0) {
			return err;
		}
	}
	if (ref->off > s->bytes || ref->len > s->bytes - ref->off) {
		return MB_ERR_PEER_CORRUPT;
	}
	*ret = atomic_load_explicit(&s->p, memory_order_relaxed) + ref->off;
	return 0;
}
