/* SPDX-License-Identifier: Apache-2.0 */
/* procs - the processes of the domain, and what the daemon keeps for each
 *
 * An entry is a process from its HELLO to the moment when nobody has anything of it left. Its life:
 *
 *   FREE ─hello─► MAPPING ─mapped, sealed─► LIVE ─dead─► DYING ─tiles let go─► DEAD ─► FREE
 *                    └──────────────────────────dead────────────────────────────┘
 *
 * In DYING the tiles of the daemon finish with it; then the processes that know it are told, and in
 * DEAD their acknowledgements are awaited. Only then is its memory unmapped and the index given
 * away again, under the next incarnation. A survivor that is stopped keeps the entry, not the node.
 *
 * P1  known[p] holds every process that may have p's memory mapped, or a channel with it.
 * P2  A channel is two ports, one at each of two entries; a port is free when its owner has said
 *     that it cleared it (CLOSE), or is gone, or has not made its end and never will.
 * P3  What a process leased counts against the budget until it is returned or the process is FREE.
 *
 * Owner: the ctl tile. No I/O here but on memory and fds of its own.
 */
#ifndef MB_PROCS_H
#define MB_PROCS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "desc.h"
#include "domain_limits.h"
#include "payload.h"
#include "peer.h"
#include "region.h"

/*        state     may go to                       what may be trusted */
#define PROC_STATES(X)                                                                             \
	X(FREE, 1 << PROC_MAPPING)                  /* nothing */                                  \
	X(MAPPING, 1 << PROC_LIVE | 1 << PROC_FREE) /* socket, region fd */                        \
	X(LIVE, 1 << PROC_DYING)                    /* sealed, mapped, heard by tiles */           \
	X(DYING, 1 << PROC_DEAD)                    /* tiles may still read its region */          \
	X(DEAD, 1 << PROC_FREE)                     /* processes may still have it mapped */

enum proc_state {
#define X(name, next) PROC_##name,
	PROC_STATES(X)
#undef X
		PROC_STATE_CNT /* how many */
};

enum port_state {
	PORT_FREE = 0,
	PORT_ASKED,   /* its owner asked for the channel and has no end of it yet */
	PORT_OPENING, /* its owner has been told to make its end, and may have */
	PORT_OPEN,
	PORT_CLOSING, /* its owner has been told to close */
};

struct proc_port {
	uint8_t state;
	uint16_t peer;
	uint16_t peer_port;
};

struct proc_seg {
	uint32_t seg; /* 0: free */
	int fd;
	size_t bytes;
	bool sealed;
	uint32_t tiles; /* tiles that have not let go of it yet; 0: none is asked */
};

#define PROC_SET_WORDS (PROC_CNT_MAX / 64)

struct proc {
	uint16_t idx;
	uint8_t state;
	bool is_executor;
	bool is_inner; /* a tile of the daemon (inner.h): it acknowledges as a tile does, and as a
			* process only the deaths of those it has a channel with */
	uint32_t inc;
	uint64_t live_ns; /* when it became LIVE */
	int sock;         /* -1: closed */
	pid_t pid;
	int pidfd; /* -1 */
	uid_t uid;
	int region_fd; /* -1 */
	struct proc_seg seg[PAYLOAD_SEG_MAX];
	uint32_t seg_next;
	struct proc_port port[PORT_CNT];
	uint64_t known[PROC_SET_WORDS]; /* P1; in DEAD: who has not acknowledged */
	uint32_t tiles;                 /* DYING: tiles that have not let go yet */
	struct desc dead;               /* DYING, DEAD: the notice */
	int wake_fd;                    /* eventfd by which it wakes ctl's lcore; -1 */
	uint32_t lcore; /* of an inner one: where it is rung, as processes number them, + 1; 0: by
			 * the daemon's own tiles only */
	char program[NAME_BYTES_MAX];
};

struct procs {
	struct proc *proc; /* PROC_CNT_MAX; [0] is the daemon itself and never used */
	struct peers *peers;
	size_t seg_bytes; /* leased, of all */
	size_t seg_budget;
	uint32_t channel_cnt;
	bool huge;
};

int procs_create(struct procs *ps, struct peers *peers, size_t seg_budget, bool huge);
void procs_destroy(struct procs *ps);

/* proc_new takes a free entry and makes the region's memfd.
 * Returns: 0 with *ret in MAPPING; MB_ERR_BUSY when there is none; MB_ERR_NO_MEMORY. */
int proc_new(struct procs *ps, bool is_executor, int sock, struct proc **ret);

/* proc_live seals the region and publishes the daemon's mapping of it.
 * Returns: 0, now LIVE; MB_ERR_DENIED, MB_ERR_INVALID, MB_ERR_NO_MEMORY: the process broke the
 * protocol or memory is short; the entry is as it was. */
int proc_live(struct procs *ps, struct proc *p);

/* proc_dying: the process is gone. Drops its claims to ports at others: for each channel the other
 * side is left to be told by the notice of the death. */
void proc_dying(struct procs *ps, struct proc *p, const struct desc *dead, uint32_t tiles);

/* proc_dead: all tiles let go. What remains are those in known[]. */
void proc_dead(struct procs *ps, struct proc *p);

/* proc_acked: other no longer has anything of p. Returns: true when that was the last, and p is
 * FREE. */
bool proc_acked(struct procs *ps, struct proc *p, uint16_t other);

/* proc_abandon: a process that never became LIVE is gone. */
void proc_abandon(struct procs *ps, struct proc *p);

/* proc_find finds a living entry by (index, incarnation). */
struct proc *proc_find(struct procs *ps, uint16_t idx, uint32_t inc);

static inline void
proc_know(struct proc *p, uint16_t other)
{
	p->known[other / 64] |= UINT64_C(1) << (other % 64);
}

static inline bool
proc_knows(const struct proc *p, uint16_t other)
{
	return (p->known[other / 64] >> (other % 64) & 1) != 0;
}

/* proc_pair takes a port at each of two entries for a channel that a asked for: b makes its end
 * first.
 * Returns: 0; MB_ERR_BUSY: no port or CHANNEL_CNT_MAX; MB_ERR_EXISTS: they have one. */
int proc_pair(struct procs *ps, struct proc *a, struct proc *b, uint16_t *ret_port_a,
	      uint16_t *ret_port_b);

/* proc_port_made: p, which was told to make its end of a channel, has (made), or cannot.
 * Returns: true when who asked for it is to be told: *ret_peer, by its *ret_port. */
bool proc_port_made(struct procs *ps, struct proc *p, uint16_t port, bool made,
		    struct proc **ret_peer, uint16_t *ret_port);

/* proc_port_closed: the owner has cleared its port.
 * Returns: the port of the other side that is to be told to close, in *ret_peer; false if none. */
bool proc_port_closed(struct procs *ps, struct proc *p, uint16_t port, struct proc **ret_peer,
		      uint16_t *ret_port);

/* proc_lease makes a segment's memfd. Returns: 0; MB_ERR_TOO_LARGE; MB_ERR_NO_MEMORY: the
 * budget is out, or the half of it that one process may have of what others leave. */
int proc_lease(struct procs *ps, struct proc *p, size_t bytes, struct proc_seg **ret);
/* proc_lease_mapped seals it and publishes the daemon's mapping. */
int proc_lease_mapped(struct procs *ps, struct proc *p, uint32_t seg);
struct proc_seg *proc_seg_find(struct proc *p, uint32_t seg);
/* proc_unlease ends a segment that no tile looks at any more. */
void proc_unlease(struct procs *ps, struct proc *p, struct proc_seg *s);

#endif
