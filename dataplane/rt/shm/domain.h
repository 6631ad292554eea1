/* SPDX-License-Identifier: Apache-2.0 */
/* domain - a process's place in the domain: how it enters, talks, waits and leaves
 *
 * Clients and executors are the same thing here: a process with a region, a port to each tile of
 * the daemon and direct ports to others. The daemon's side of the same protocol is control/ctl.
 *
 * Two ways to talk. The Unix socket (SOCK_SEQPACKET) carries questions to ctl and their answers,
 * one at a time, because only a socket can carry an fd: entering, attaching memory, leasing
 * segments, loading functions, administration. Ports carry everything else, notices included, so
 * that a process on its hot path looks only at memory.
 *
 *   process                        ctl
 *   HELLO  ──────────────────────►
 *          ◄──────────────────────  WELCOME + fds (own region, daemon's region, hints, cache)
 *   map own region
 *   MAPPED ──────────────────────►  seal
 *          ◄──────────────────────  READY + an eventfd for each lcore
 *
 * The socket stays open; when it closes, the process has left.
 *
 * Threads: one thread at a time uses a domain. Errors: negative mb_err.
 */
#ifndef MB_RT_DOMAIN_H
#define MB_RT_DOMAIN_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "desc.h"
#include "hints.h"
#include "payload.h"
#include "peer.h"
#include "region.h"
#include "returns.h"
#include "slice.h"

#define DOMAIN_PROTO     3
#define DOMAIN_MAGIC     UINT32_C(0x4d42444d)
#define DOMAIN_TEXT_MAX  (64u << 10)
#define DOMAIN_FD_MAX    24 /* in one message */
#define DOMAIN_LCORE_MAX 16

/* Which tile a process's port 0..TILE_PORT_CNT-1 leads to. */
enum domain_tile_port {
	PORT_CTL = 0,
	PORT_SCHED = 1,
	PORT_CACHE_FIRST = 2, /* cache:i at PORT_CACHE_FIRST + i */
};
#define CACHE_TILE_MAX (TILE_PORT_CNT - PORT_CACHE_FIRST)

enum domain_msg_kind {
	DOMAIN_HELLO = 1,    /* word[0] = DOMAIN_PROTO; text = program name */
	DOMAIN_WELCOME,      /* text = struct domain_welcome; fds in the order above */
	DOMAIN_MAPPED,       /* own region is mapped */
	DOMAIN_READY,        /* sealed; ports work; fds: an eventfd for each lcore */
	DOMAIN_ATTACH,       /* proc, inc, seg */
	DOMAIN_ATTACHED,     /* err, fd */
	DOMAIN_LEASE,        /* word[0] = bytes */
	DOMAIN_LEASED,       /* err, seg, word[0] = bytes, fd */
	DOMAIN_LEASE_MAPPED, /* seg; answered by DOMAIN_READY when sealed */
	DOMAIN_UNLEASE,      /* seg; answered by DOMAIN_READY */
	DOMAIN_LOAD,         /* ctl -> spare executor: text, fds: see executor/call/load.h */
	DOMAIN_LOADED,       /* err, text */
	DOMAIN_ADMIN,        /* text = JSON, fds by request: see control/ctl/admin.h */
	DOMAIN_ADMIN_REPLY,  /* err, text = JSON; word[0] = 1: more follows */
};

struct domain_msg {
	uint32_t magic;
	uint16_t kind;
	int16_t err;
	uint32_t text_len;
	uint32_t inc;
	uint32_t seg;
	uint16_t proc;
	uint16_t fd_cnt;
	uint64_t word[4];
};

struct domain_welcome {
	uint32_t inc;
	uint16_t proc;
	uint16_t is_executor;
	uint16_t lcore_cnt;
	uint16_t cache_cnt;
	uint8_t tile_lcore[TILE_PORT_CNT]; /* which eventfd wakes the tile behind a port */
	int32_t cpu;                       /* executor: where to bind; -1: unbound */
	uint64_t spin_ns;                  /* how long this process may spin before it sleeps */
	/* cpus that a daemon lcore uses: spin briefly, yield */
	uint8_t cpu_daemon[CPU_CNT_MAX / 8];
	uint8_t cpu_exec[CPU_CNT_MAX / 8]; /* cpus that executors use: a client does not spin */
	uint64_t wall_ns; /* when the monotonic clock was 0, by the node's: for request ids */
};

static_assert(sizeof(struct domain_welcome) == 24 + 2 * 8 + 2 * CPU_CNT_MAX / 8,
	      "no padding: it would carry what was in the daemon's memory");

/* domain_sock_send / domain_sock_recv move one message with its text and fds.
 * domain_sock_recv: text must hold DOMAIN_TEXT_MAX + 1 bytes and is zero-terminated; the
 * ret->fd_cnt fds (close-on-exec) belong to the caller. timeout_ms -1 waits for ever.
 * Returns: 0; MB_ERR_NO_NODE when the other side is gone; MB_ERR_DEADLINE; MB_ERR_CORRUPT for a
 * malformed message (its fds are closed); MB_ERR_TRYAGAIN on a non-blocking socket. */
int domain_sock_send(int sock, struct domain_msg *m, const void *text, const int *fd,
		     uint32_t fd_cnt);
int domain_sock_recv(int sock, int timeout_ms, struct domain_msg *ret, char *text, int *fd,
		     uint32_t fd_max);

/* domain_sock_path writes the node's socket path: given, else $MICROBURST_SOCKET, else the default
 * of this user. Returns: 0; MB_ERR_TOO_LARGE. */
int domain_sock_path(const char *given, char *ret, size_t bytes);

/* domain_sock_connect connects to the node there; flags: SOCK_NONBLOCK or 0. Returns: 0 with *ret,
 * the caller's; as domain_sock_path; MB_ERR_NO_NODE; MB_ERR_DENIED, also when nobody named the
 * socket and who listens there is neither root nor this user; MB_ERR_BUSY when it is not to wait
 * and too many have come at once; MB_ERR_NO_MEMORY. */
int domain_sock_connect(const char *given, int flags, int *ret);

struct domain;

/* What a process wants to hear of. Called from domain_poll and domain_wait, on the caller's
 * thread. NULL: not interested. */
struct domain_events {
	/* A direct channel is usable now. */
	void (*opened)(void *ctx, struct channel *ch);
	/* A direct channel is about to be closed: forget it. What was unread in it has been
	 * delivered. err: MB_ERR_PEER_DIED, MB_ERR_PEER_CORRUPT or MB_OK (idle). */
	void (*closed)(void *ctx, struct channel *ch, int err);
	/* A process that this one had to do with died. After closed. */
	void (*dead)(void *ctx, const struct desc *d);
	/* ctl asks this process to finish (executors). */
	void (*drain)(void *ctx);
	/* ctl asks whether this process is there: send a PONG, at once or later. NULL: the domain
	 * does, at once. */
	void (*ping)(void *ctx, const struct desc *d);
	/* domain_wait has slept, now for the first time or again. */
	void (*slept)(void *ctx);
	void *ctx;
};

#define HOT_CNT    4    /* ports polled at every turn; the rest wait for their bell */
#define BELL_SWEEP 32   /* turns between two looks at the bell */
#define PORT_SWEEP 1024 /* turns between two looks at every port: a bit may have been lost */

/* What ctl can be owed at one time: of each process that its end is known, of each port that it is
 * open, and that it is closed. */
#define DOMAIN_OWED_MAX (PROC_CNT_MAX + 2 * PORT_CNT)

/* Holds that can wait to go back to executors. Who has so many more to give back that they would
 * not fit asks for nothing new (client_slot). */
#define DOMAIN_RETURNS_MAX 4096

struct domain {
	uint32_t magic;
	uint16_t proc;
	uint32_t inc;
	int sock;
	struct domain_welcome welcome;
	struct region own;
	struct region daemon;
	struct hints *hints;
	struct bell *bell;
	const uint8_t *cache;
	size_t cache_bytes;
	struct peers peers;
	struct payload_pool *pool;
	struct channel ch[PORT_CNT];   /* ch[port].own.. ; unused: ch[port].rx_slots == NULL */
	uint8_t port_of[PROC_CNT_MAX]; /* the open direct port to a process; 0: none */
	uint8_t hot[HOT_CNT];          /* PORT_CNT: none */
	uint8_t hot_next;
	uint8_t next;  /* the port where the next look at the bell, or at all of them, begins */
	uint32_t turn; /* of domain_poll */
	uint32_t spin_vain, spin_skip; /* how often it found nothing; waits that do without */
	int lcore_fd[DOMAIN_LCORE_MAX];
	bool interrupted;              /* domain_interrupt */
	bool spinning;                 /* holds the spin token of spin_cpu */
	bool guest;                    /* somebody has that cpu too, and gives it back */
	long switch_cnt;               /* from this thread to others, when we last asked */
	uint32_t give_vain, give_skip; /* as of spins: how often he did not */
	uint32_t spin_cpu;
	struct desc dying;            /* a DEAD notice that waits until its channel is drained */
	uint16_t views[PROC_CNT_MAX]; /* payload views held, by producer */
	struct desc buried[PROC_CNT_MAX];  /* DEAD notices to acknowledge when views are ended */
	struct desc owed[DOMAIN_OWED_MAX]; /* to ctl, when its queue has room */
	uint16_t owed_first, owed_cnt;
	struct returns *returns; /* holds, where a channel had no room for them */
	uint64_t asked_ns[PORT_DIRECT_FIRST + PROC_EXEC_CNT]; /* when a channel was asked for */
	struct domain_events events;
	char *text; /* DOMAIN_TEXT_MAX + 1, for the socket */
};

/* domain_enter connects to the node and enters its domain.
 * Returns: 0; MB_ERR_NO_NODE; MB_ERR_VERSION; MB_ERR_BUSY (CLIENT_CNT_MAX reached);
 *          MB_ERR_NO_MEMORY; MB_ERR_DENIED. */
int domain_enter(struct domain **ret, const char *path, const char *program,
		 const struct domain_events *ev);
/* domain_enter_fd: the same over a connected socket (executors). Owns sock from then on. */
int domain_enter_fd(struct domain **ret, int sock, const char *program,
		    const struct domain_events *ev);
void domain_leave(struct domain *d);

/* domain_ask sends a question over the socket and waits for the answer (its text in d->text).
 * Returns: 0 or the answer's err (fds that came with it are closed); MB_ERR_NO_NODE, and
 *          MB_ERR_CORRUPT for an answer that is none: from then on the node is lost. */
int domain_ask(struct domain *d, struct domain_msg *m, const void *text, size_t text_len,
	       const int *fd, uint32_t fd_cnt, struct domain_msg *ret, int *ret_fd,
	       uint32_t ret_fd_max);

/* domain_poll takes one message from any port, oldest first within a port, a port that always has
 * one in turn with the others. The domain's own kinds (desc.h) are handled inside and not returned.
 * Returns: 1 with *ret and *ret_ch; 0 when there is none now; MB_ERR_NO_NODE when the daemon's
 *          half is corrupt or the node died. */
int domain_poll(struct domain *d, struct desc *ret, struct channel **ret_ch);

/* domain_poll_all is domain_poll that looks at every port, whatever the hints say. */
int domain_poll_all(struct domain *d, struct desc *ret, struct channel **ret_ch);

/* domain_idle is a turn of domain_poll without a call, for who polls between other work: true,
 * there was nothing; false, ask domain_poll. */
static inline bool
domain_idle(struct domain *d)
{
	if (d->turn % BELL_SWEEP == 0 || d->dying.kind != DESC_NONE) {
		return false;
	}
	for (uint32_t i = 0; i < HOT_CNT; i++) {
		if (d->hot[i] != PORT_CNT && !channel_idle(&d->ch[d->hot[i]])) {
			return false;
		}
	}
	d->turn++;
	return true;
}

/* What a wait is for. The daemon, if it uses this cpu too, says nothing before it has it: who
 * awaits its answer yields; who has answered it, and awaits what it asks next, yields as long as
 * somebody takes the cpu, and sleeps when a yield comes back at once: as long as the kernel owes
 * him time, he would keep the cpu from it. */
enum domain_await {
	AWAIT_ANY,
	AWAIT_DAEMON,
	AWAIT_DAEMON_NEXT,
};

/* domain_wait is domain_poll that waits: it spins for the budget where it may, then sleeps, until
 * something arrives or the monotonic clock reaches until_ns (0: for ever).
 * Returns: as domain_poll; 0 at until_ns, or when interrupted. */
int domain_wait(struct domain *d, enum domain_await await, uint64_t until_ns, struct desc *ret,
		struct channel **ret_ch);

/* domain_interrupt makes the domain_wait that calls back, or else the next one, return 0 although
 * there
 * is time left: for a callback of domain_events that did what the waiter waits for. */
static inline void
domain_interrupt(struct domain *d)
{
	d->interrupted = true;
}

/* domain_rest gives the cpu's spin token back: before running something long, or leaving. */
void domain_rest(struct domain *d);

/* domain_open asks for a direct channel to executor proc; events.opened says when it is there.
 * Asking twice is harmless. Returns: 0; MB_ERR_INVALID; MB_ERR_FULL: ctl is behind. */
int domain_open(struct domain *d, uint16_t proc);

/* domain_channel finds the open direct channel to proc; NULL when there is none. */
struct channel *domain_channel(struct domain *d, uint16_t proc);

/* domain_view finds the bytes of a payload, own or foreign, and keeps them mapped until domain_drop
 * or domain_release, even if their producer dies meanwhile. Returns: as peer_view. */
int domain_view(struct domain *d, const struct payload_ref *ref, const uint8_t **ret);

/* domain_drop ends a view whose hold is given back by other means (a REPLY returns its call's
 * arguments), domain_release one whose hold goes back to the producer by a message: over the direct
 * channel if there is one with room, else through sched; what fits neither goes from domain_poll,
 * later (domain_returns says how many). Each view is ended once, by one of the two. A
 * reference that comes to us and names our own payload never carries a hold: anybody can send one.
 */
void domain_drop(struct domain *d, const struct payload_ref *ref);
void domain_release(struct domain *d, const struct payload_ref *ref);
uint32_t domain_returns(const struct domain *d);

/* domain_payload puts bytes into desc: inline when they fit, else into a payload held by holder.
 * Returns: 0; as payload_alloc. */
int domain_payload(struct domain *d, struct desc *desc, const void *bytes, size_t len,
		   uint16_t holder);

/* domain_bytes is the other end: the payload of a received descriptor. For a payload by reference
 * *ret_view is true and the view must be ended.
 * Returns: 0; as peer_view; MB_ERR_PEER_CORRUPT for an inline length past the end. */
int domain_bytes(struct domain *d, const struct desc *desc, const uint8_t **ret, size_t *ret_len,
		 bool *ret_view);

#endif
