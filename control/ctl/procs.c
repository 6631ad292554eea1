/* SPDX-License-Identifier: Apache-2.0 */
/* procs - see procs.h for the life of an entry and P1..P3 */
#include "procs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"

static const uint32_t proc_state_next[] = {
#define X(name, next) [PROC_##name] = next,
	PROC_STATES(X)
#undef X
};

static void
proc_move(struct proc *p, enum proc_state to)
{
	REQUIRE((proc_state_next[p->state] >> to & 1) != 0);
	p->state = (uint8_t)to;
}

static void
fd_close(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
}

static void
proc_clear(struct proc *p)
{
	uint16_t idx = p->idx;
	uint32_t inc = p->inc;

	*p = (struct proc){ .idx = idx, .inc = inc, .sock = -1, .pidfd = -1, .region_fd = -1 };
	p->wake_fd = -1;
}

int
procs_create(struct procs *ps, struct peers *peers, size_t seg_budget, bool huge)
{
	*ps = (struct procs){ .peers = peers, .seg_budget = seg_budget, .huge = huge };
	ps->proc = calloc(PROC_CNT_MAX, sizeof(*ps->proc));
	if (ps->proc == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	for (uint16_t i = 0; i < PROC_CNT_MAX; i++) {
		ps->proc[i].idx = i;
		proc_clear(&ps->proc[i]);
	}
	return 0;
}

static void
proc_fds_close(struct procs *ps, struct proc *p)
{
	fd_close(&p->sock);
	fd_close(&p->pidfd);
	fd_close(&p->region_fd);
	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX; i++) {
		if (p->seg[i].seg != 0) {
			fd_close(&p->seg[i].fd);
			ps->seg_bytes -= p->seg[i].bytes;
			p->seg[i].seg = 0;
		}
	}
}

void
procs_destroy(struct procs *ps)
{
	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		proc_fds_close(ps, &ps->proc[i]);
	}
	free(ps->proc);
	ps->proc = NULL;
}

int
proc_new(struct procs *ps, bool is_executor, int sock, struct proc **ret)
{
	uint16_t i = is_executor ? PROC_EXEC_FIRST : PROC_CLIENT_FIRST;
	uint16_t end = is_executor ? PROC_CLIENT_FIRST : PROC_CNT_MAX;
	struct proc *p;
	int err;

	while (i < end && ps->proc[i].state != PROC_FREE) {
		i++;
	}
	if (i == end) {
		return MB_ERR_BUSY;
	}
	p = &ps->proc[i];
	err = region_create(REGION_PROCESS, ps->huge, &p->region_fd);
	if (err != 0) {
		return err;
	}
	p->inc++;
	p->sock = sock;
	p->is_executor = is_executor;
	proc_move(p, PROC_MAPPING);
	*ret = p;
	return 0;
}

int
proc_live(struct procs *ps, struct proc *p)
{
	struct region r;
	int err = region_seal(p->region_fd);

	if (err == 0) {
		err = region_map_peer(&r, REGION_PROCESS, p->region_fd);
	}
	if (err != 0) {
		return err;
	}
	err = peer_put_region(ps->peers, p->idx, p->inc, &r);
	if (err == 0) {
		proc_move(p, PROC_LIVE);
	}
	return err;
}

void
proc_abandon(struct procs *ps, struct proc *p)
{
	proc_fds_close(ps, p);
	proc_move(p, PROC_FREE);
	proc_clear(p);
}

/* The other half of p's channel at port; NULL when it is free, or another channel's by now. */
static struct proc_port *
proc_port_other(struct procs *ps, const struct proc *p, uint16_t port)
{
	struct proc_port *other = &ps->proc[p->port[port].peer].port[p->port[port].peer_port];

	return other->state != PORT_FREE && other->peer == p->idx && other->peer_port == port
		       ? other
		       : NULL;
}

static void
proc_port_free(struct procs *ps, struct proc *p, uint16_t port)
{
	if (proc_port_other(ps, p, port) == NULL) {
		ps->channel_cnt--; /* that was the second half */
	}
	p->port[port].state = PORT_FREE;
}

void
proc_dying(struct procs *ps, struct proc *p, const struct desc *dead, uint32_t tiles)
{
	proc_move(p, PROC_DYING);
	p->dead = *dead;
	p->tiles = tiles;
	fd_close(&p->sock);
	fd_close(&p->pidfd);
	/* Its own halves are gone with it; the others close theirs when they hear of it. */
	for (uint16_t port = PORT_DIRECT_FIRST; port < PORT_CNT; port++) {
		struct proc_port was = p->port[port], *other;

		if (was.state == PORT_FREE) {
			continue;
		}
		proc_know(p, was.peer);
		other = proc_port_other(ps, p, port);
		proc_port_free(ps, p, port);
		if (other != NULL && other->state == PORT_ASKED) {
			proc_port_free(ps, &ps->proc[was.peer], was.peer_port);
		}
	}
	/* It knows nobody any more: deaths that waited for its word need it no longer. ctl asks
	 * proc_acked for each of them. */
}

/* A tile of the daemon let go of the dead process's memory when it was asked as a tile; a channel
 * it closes when it is told as a process. */
static bool
proc_has_port(const struct proc *p, uint16_t peer)
{
	for (uint32_t port = PORT_DIRECT_FIRST; port < PORT_CNT; port++) {
		if (p->port[port].state != PORT_FREE && p->port[port].peer == peer) {
			return true;
		}
	}
	return false;
}

void
proc_dead(struct procs *ps, struct proc *p)
{
	proc_move(p, PROC_DEAD);
	for (uint16_t i = 0; i < PROC_CNT_MAX; i++) {
		if (proc_knows(p, i) &&
		    (ps->proc[i].state != PROC_LIVE ||
		     (ps->proc[i].is_inner && !proc_has_port(&ps->proc[i], p->idx)))) {
			p->known[i / 64] &= ~(UINT64_C(1) << (i % 64));
		}
	}
}

bool
proc_acked(struct procs *ps, struct proc *p, uint16_t other)
{
	uint64_t left = 0;

	p->known[other / 64] &= ~(UINT64_C(1) << (other % 64));
	for (uint32_t w = 0; w < PROC_SET_WORDS; w++) {
		left |= p->known[w];
	}
	if (p->state != PROC_DEAD || left != 0) {
		return false;
	}
	peer_detach(ps->peers, p->idx);
	proc_fds_close(ps, p);
	proc_move(p, PROC_FREE);
	/* Whom it knew it knows no more: who gets the index next has nothing of them. */
	for (uint32_t i = 0; i < PROC_CNT_MAX; i++) {
		ps->proc[i].known[p->idx / 64] &= ~(UINT64_C(1) << (p->idx % 64));
	}
	proc_clear(p);
	return true;
}

struct proc *
proc_find(struct procs *ps, uint16_t idx, uint32_t inc)
{
	if (idx == PROC_DAEMON || idx >= PROC_CNT_MAX || ps->proc[idx].inc != inc ||
	    ps->proc[idx].state != PROC_LIVE) {
		return NULL;
	}
	return &ps->proc[idx];
}

static int
proc_port_find(const struct proc *p, uint16_t *ret)
{
	for (uint16_t i = PORT_DIRECT_FIRST; i < PORT_CNT; i++) {
		if (p->port[i].state == PORT_FREE) {
			*ret = i;
			return 0;
		}
	}
	return MB_ERR_BUSY;
}

int
proc_pair(struct procs *ps, struct proc *a, struct proc *b, uint16_t *ret_port_a,
	  uint16_t *ret_port_b)
{
	uint16_t pa = 0, pb = 0;

	for (uint16_t i = PORT_DIRECT_FIRST; i < PORT_CNT; i++) {
		if (a->port[i].state != PORT_FREE && a->port[i].peer == b->idx) {
			return MB_ERR_EXISTS;
		}
	}
	if (ps->channel_cnt >= CHANNEL_CNT_MAX || proc_port_find(a, &pa) != 0 ||
	    proc_port_find(b, &pb) != 0) {
		return MB_ERR_BUSY;
	}
	a->port[pa] = (struct proc_port){ PORT_ASKED, b->idx, pb };
	b->port[pb] = (struct proc_port){ PORT_OPENING, a->idx, pa };
	proc_know(a, b->idx);
	proc_know(b, a->idx);
	ps->channel_cnt++;
	*ret_port_a = pa;
	*ret_port_b = pb;
	return 0;
}

bool
proc_port_made(struct procs *ps, struct proc *p, uint16_t port, bool made, struct proc **ret_peer,
	       uint16_t *ret_port)
{
	struct proc_port *mine, *other;
	struct proc *peer;
	bool asked;

	if (port < PORT_DIRECT_FIRST || port >= PORT_CNT) {
		return false;
	}
	mine = &p->port[port];
	if (mine->state != PORT_OPENING && mine->state != PORT_CLOSING) {
		return false;
	}
	peer = &ps->proc[mine->peer];
	other = proc_port_other(ps, p, port);
	asked = peer->state == PROC_LIVE && other != NULL && other->state == PORT_ASKED;
	*ret_peer = peer;
	*ret_port = mine->peer_port;
	if (!made) {
		proc_port_free(ps, p, port);
		if (asked) {
			proc_port_free(ps, peer, *ret_port);
		}
	} else if (asked) {
		mine->state = PORT_OPEN;
		other->state = PORT_OPEN;
	} /* else who asked is gone: the notice about that closes the port */
	return asked;
}

bool
proc_port_closed(struct procs *ps, struct proc *p, uint16_t port, struct proc **ret_peer,
		 uint16_t *ret_port)
{
	struct proc_port was, *other;

	if (port < PORT_DIRECT_FIRST || port >= PORT_CNT || p->port[port].state == PORT_FREE) {
		return false;
	}
	was = p->port[port];
	other = proc_port_other(ps, p, port);
	proc_port_free(ps, p, port);
	if (other != NULL && other->state == PORT_ASKED) {
		proc_port_free(ps, &ps->proc[was.peer], was.peer_port);
		return false;
	}
	if (other == NULL || ps->proc[was.peer].state != PROC_LIVE ||
	    other->state == PORT_CLOSING) {
		return false;
	}
	other->state = PORT_CLOSING;
	*ret_peer = &ps->proc[was.peer];
	*ret_port = was.peer_port;
	return true;
}

struct proc_seg *
proc_seg_find(struct proc *p, uint32_t seg)
{
	for (uint32_t i = 0; seg != 0 && i < PAYLOAD_SEG_MAX; i++) {
		if (p->seg[i].seg == seg) {
			return &p->seg[i];
		}
	}
	return NULL;
}

/* Whether so much more is there for p: of what others leave half, so that one that gives nothing
 * back, being hostile or because its callers keep what they got, leaves the other half; but one
 * segment in any case. */
static bool
proc_share_has(const struct procs *ps, const struct proc *p, size_t bytes)
{
	size_t own = 0, others;

	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX; i++) {
		own += p->seg[i].seg != 0 ? p->seg[i].bytes : 0;
	}
	others = ps->seg_bytes - own;
	return bytes <= ps->seg_budget - ps->seg_bytes &&
	       (own == 0 || own + bytes <= (ps->seg_budget - others) / 2);
}

int
proc_lease(struct procs *ps, struct proc *p, size_t bytes, struct proc_seg **ret)
{
	struct proc_seg *s = NULL;

	if (bytes == 0 || bytes > PAYLOAD_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	bytes = ALIGN_UP(bytes, (size_t)4096);
	for (uint32_t i = 0; i < PAYLOAD_SEG_MAX && s == NULL; i++) {
		s = p->seg[i].seg == 0 ? &p->seg[i] : NULL;
	}
	if (s == NULL || !proc_share_has(ps, p, bytes)) {
		return MB_ERR_NO_MEMORY;
	}
	s->fd = memfd_create("microburst-payload", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0) {
		return MB_ERR_NO_MEMORY;
	}
	/* Its pages come as the owner fills them: taking 64 MiB here would stop this tile for
	 * milliseconds. A reader of a page that was never filled gets a fresh one of zeros. */
	if (ftruncate(s->fd, (off_t)bytes) != 0) {
		fd_close(&s->fd);
		return MB_ERR_NO_MEMORY;
	}
	s->seg = ++p->seg_next;
	s->bytes = bytes;
	s->sealed = false;
	s->tiles = 0;
	ps->seg_bytes += bytes;
	*ret = s;
	return 0;
}

int
proc_lease_mapped(struct procs *ps, struct proc *p, uint32_t seg)
{
	struct proc_seg *s = proc_seg_find(p, seg);
	const uint8_t *m;
	size_t bytes;
	int err;

	if (s == NULL || s->sealed) {
		return MB_ERR_INVALID;
	}
	err = region_seal(s->fd);
	if (err == 0) {
		err = sealed_map(s->fd, &m, &bytes);
	}
	if (err != 0) {
		return err;
	}
	err = peer_put_seg(ps->peers, p->idx, p->inc, seg, m, bytes);
	if (err != 0) {
		munmap((void *)(uintptr_t)m, bytes);
		return err;
	}
	s->sealed = true;
	return 0;
}

void
proc_unlease(struct procs *ps, struct proc *p, struct proc_seg *s)
{
	if (s->sealed) {
		peer_detach_seg(ps->peers, p->idx, p->inc, s->seg);
	}
	fd_close(&s->fd);
	ps->seg_bytes -= s->bytes;
	s->seg = 0;
}
