/* SPDX-License-Identifier: Apache-2.0 */
/* peer - the read-only mappings that a process has of the others' memory
 *
 * A mapping is made on first use (through attach, a question to ctl) and kept until ctl says that
 * the process died or that the segment is gone. peer_view is the only way from a payload_ref of
 * another process to bytes: it checks process, incarnation, segment and bounds.
 *
 * Owner: the process. In the daemon the table is written by ctl and read by tiles; ctl publishes a
 * mapping before it answers the process that asked for it, and unmaps only after every tile has
 * acknowledged that it let go.
 */
#ifndef MB_RT_PEER_H
#define MB_RT_PEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "payload.h"
#include "region.h"

struct peer_seg {
	_Atomic(const uint8_t *) p;
	size_t bytes;
	_Atomic uint32_t seg; /* 0: free entry */
	bool gone;            /* to be unmapped when no view is left */
};

struct peer {
	_Atomic uint32_t inc; /* 0: not attached */
	struct region region;
	struct peer_seg seg[PAYLOAD_SEG_MAX];
};

struct peer_attach_ops {
	/* attach asks for the fd of (proc, inc, seg); seg 0 is the region. NULL: never attaches. */
	int (*attach)(void *ctx, uint16_t proc, uint32_t inc, uint32_t seg, int *ret_fd);
	void *ctx;
};

struct peers {
	struct peer *peer; /* PROC_CNT_MAX */
	struct peer_attach_ops ops;
};

int peers_create(struct peers *ps, const struct peer_attach_ops *ops);
void peers_destroy(struct peers *ps);

/* peer_attach returns the peer, mapping its region if need be.
 * Returns: 0 with *ret; MB_ERR_PEER_DIED when (proc, inc) is no longer there; MB_ERR_NO_MEMORY. */
int peer_attach(struct peers *ps, uint16_t proc, uint32_t inc, struct peer **ret);

/* peer_put records a mapping made elsewhere (ctl, tests). seg 0: r is the region and is taken over;
 * else (p, bytes). Returns: 0; MB_ERR_NO_MEMORY when the peer has PAYLOAD_SEG_MAX segments. */
int peer_put_region(struct peers *ps, uint16_t proc, uint32_t inc, const struct region *r);
int peer_put_seg(struct peers *ps, uint16_t proc, uint32_t inc, uint32_t seg, const uint8_t *p,
		 size_t bytes);

/* peer_seg_moved says that a mapping is elsewhere, and longer: of a segment that nobody was told
 * of. */
void peer_seg_moved(struct peers *ps, uint16_t proc, uint32_t inc, uint32_t seg, const uint8_t *p,
		    size_t bytes);

/* peer_detach unmaps everything of proc; peer_detach_seg one segment. peer_seg_gone marks a segment
 * to be unmapped by the next peer_sweep of proc. */
void peer_detach(struct peers *ps, uint16_t proc);
void peer_detach_seg(struct peers *ps, uint16_t proc, uint32_t inc, uint32_t seg);
void peer_seg_gone(struct peers *ps, uint16_t proc, uint32_t inc, uint32_t seg);
void peer_sweep(struct peers *ps, uint16_t proc);

/* peer_view finds the bytes of ref.
 * Returns: 0 with *ret, valid until the hold on the payload is returned, or until the peer is
 *          detached if it died; MB_ERR_PEER_CORRUPT when ref lies outside of its mapping;
 *          MB_ERR_PEER_DIED. The bytes may change while they are read: copy what is parsed. */
int peer_view(struct peers *ps, const struct payload_ref *ref, const uint8_t **ret);

#endif
