/* SPDX-License-Identifier: Apache-2.0 */
/* region - the sealed memory that one process writes and others only read
 *
 * Every process of a domain, the daemon included, owns one region: a memfd that it alone has mapped
 * writable. The daemon makes the memfd, the owner maps it, the daemon seals it (no new writable
 * mapping, no resizing, no holes, no further seals) and only then hands it to others. After that a
 * peer can neither write nor truncate it, whatever it does to the fd; the owner can harm only what
 * it says itself. Readers therefore check everything they read here, and trust no offset in it:
 * the layout is a pure function of the kind.
 *
 *   page 0     head: magic, kind, who (for a person with a debugger; no reader relies on it)
 *   run        executor: the call it runs now
 *   rx         a line a port: how far this process has read its peer's slots
 *   tx         a line a port: how far this process has filled its own slots
 *   trace      where the time of its last TRACE_CNT calls went, of a client those it followed; and
 *              of all its calls, as histograms (stage.h)
 *   live       client: its calls that have not been answered
 *   commit     executor: what it publishes to several tiles at once
 *   hazard     the offsets in the cache region that this process reads at this moment
 *   slots      CHANNEL_DEPTH descriptors a port
 *   table      daemon: the placement table
 *   slab       payloads up to PAYLOAD_SLAB_MAX
 *
 * A port that nobody uses has rx = tx = 0: its owner clears it before it says it has closed it.
 */
#ifndef MB_RT_REGION_H
#define MB_RT_REGION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "desc.h"
#include "domain_limits.h"
#include "stage.h"

#define REGION_MAGIC       UINT32_C(0x4d425247)
#define REGION_TABLE_BYTES (1u << 20)

enum region_kind {
	REGION_PROCESS = 0, /* an executor's or a client's: PORT_CNT ports */
	REGION_DAEMON = 1,  /* the daemon's: a port for each (tile, process) */
};

struct region_index {
	_Atomic uint64_t v;
	uint64_t pad[7];
};

/* What an executor runs. Owner: the executor. The daemon reads it, as a hint, to decide whether an
 * executor past a deadline is to be stopped; the fields need not be consistent with each other. */
struct region_run {
	_Atomic uint64_t call; /* 0: nothing */
	_Atomic uint64_t started_ns;
	_Atomic uint64_t finished; /* calls ended so far */
	_Atomic uint64_t busy_ns;  /* time spent in functions so far */
	_Atomic uint32_t fn;       /* id of the function that runs; 0: none has begun */
	_Atomic uint32_t full;     /* 1: it dies with no memory left */
	uint32_t pad[6];
};
static_assert(sizeof(struct region_run) == CACHE_LINE, "one line");

/* Where the time of one call went inside its executor; or, written by a client, what it saw of it.
 * The entry of a call is found by its id; while it is written, and until it is, call is 0. */
struct region_trace_line {
	_Atomic uint64_t call;
	uint64_t taken_ns;  /* when it was taken from its port; client: when it was begun */
	uint32_t before_ns; /* until the function began: finding arguments, checking them; client:
			     * until it was sent */
	uint32_t run_ns;    /* in the function, reads that had to be fetched included; client:
			     * until the answer was seen */
	uint32_t after_ns;  /* until the answer was sent: publishing writes, the store's word */
	uint16_t target;    /* function or DAG id */
	int16_t err;
	uint8_t is_dag;
	uint8_t is_part;
	uint16_t pad0;
	uint32_t link_ns; /* from the client's sending to taken_ns; 0: not known */
	uint8_t pad[24];
};
static_assert(sizeof(struct region_trace_line) == CACHE_LINE, "one line");
#define TRACE_CNT 256 /* calls an executor remembers */

/* The ids of a client's calls that have not been answered, each in the place that its lowest bits
 * name; 0: none. Owner: the client. sched looks whether a call has ended to which somebody sends a
 * message. keeps: a process that does not say so (a tile of the daemon) has 0 there. */
#define LIVE_CNT 1024
struct region_live {
	_Atomic uint64_t keeps;
	uint64_t pad[7];
	_Atomic uint64_t call[LIVE_CNT];
};

/* The messages of one publication that goes to several tiles, each in the place of its port, before
 * they are sent. From the moment that `whole` is set the publication happens: a tile that finds the
 * process dead, and has not had its message, takes it from here. A process publishes one at a time,
 * and takes `whole` back when all tiles have answered. Owner: the executor. The tiles look at it
 * when it is dead, and trust it as little as a message. */
struct region_commit {
	_Atomic uint64_t whole;
	uint64_t pad[7];
	struct desc d[TILE_PORT_CNT]; /* DESC_NONE: nothing for this tile */
};

/* What a process says of its calls. */
struct region_trace {
	struct region_trace_line line[TRACE_CNT]; /* used round and round */
	struct stages stages;
};

struct region_head {
	uint32_t magic;
	uint32_t kind;
	uint32_t proc;
	uint32_t inc;
	uint32_t pid;
};

struct region_layout {
	uint32_t port_cnt;
	size_t run, trace, live, commit, rx, tx, hazard, slots, table, slab;
	size_t table_bytes, slab_bytes;
	size_t bytes; /* of the whole, a multiple of 2 MiB so that huge pages can back it */
};

/* region_layout says where the parts of a region lie. Pure. */
struct region_layout region_layout(enum region_kind kind);

/* The port of the daemon's region that talks to process proc for tile. */
static inline uint32_t
region_daemon_port(uint32_t tile, uint16_t proc)
{
	return tile * PROC_CNT_MAX + proc;
}

/* One process's mapping of a region: rw is NULL in every process but the owner. */
struct region {
	enum region_kind kind;
	struct region_layout at;
	const uint8_t *base;
	uint8_t *rw;
};

/* region_create makes an unsealed memfd of the layout's size.
 * Returns: 0 with *ret_fd, which the caller closes; MB_ERR_NO_MEMORY. Huge pages are used when
 * huge is true and the system has enough of them, else ordinary ones. */
int region_create(enum region_kind kind, bool huge, int *ret_fd);

/* region_map_owner maps fd writable, before it is sealed, and faults in all that peers may read
 * (not the slab of the daemon). Returns: 0; MB_ERR_NO_MEMORY; MB_ERR_INVALID for a wrong size. */
int region_map_owner(struct region *r, enum region_kind kind, int fd, uint16_t proc, uint32_t inc);

/* region_seal ends the time in which fd can be mapped writable. Daemon only, after the owner has
 * mapped it. Returns: 0; MB_ERR_DENIED when the seals do not hold. */
int region_seal(int fd);

/* region_map_peer maps a sealed region read-only.
 * Returns: 0; MB_ERR_DENIED when a seal is missing; MB_ERR_INVALID for a wrong size;
 *          MB_ERR_NO_MEMORY. The fd may be closed afterwards. */
int region_map_peer(struct region *r, enum region_kind kind, int fd);

void region_unmap(struct region *r);

/* sealed_map maps a sealed memfd of at least 1 byte read-only, whatever its size: payload segments,
 * the cache region. Returns as region_map_peer. */
int sealed_map(int fd, const uint8_t **ret, size_t *ret_bytes);

static inline struct region_index *
region_rx(const struct region *r, uint32_t port)
{
	return (struct region_index *)(uintptr_t)(r->base + r->at.rx) + port;
}

static inline struct region_index *
region_tx(const struct region *r, uint32_t port)
{
	return (struct region_index *)(uintptr_t)(r->base + r->at.tx) + port;
}

static inline struct desc *
region_slots(const struct region *r, uint32_t port)
{
	return (struct desc *)(uintptr_t)(r->base + r->at.slots) + (size_t)port * CHANNEL_DEPTH;
}

static inline struct region_run *
region_run(const struct region *r)
{
	return (struct region_run *)(uintptr_t)(r->base + r->at.run);
}

static inline struct region_trace *
region_trace(const struct region *r)
{
	return (struct region_trace *)(uintptr_t)(r->base + r->at.trace);
}

/* region_trace_hide begins to write a line, region_trace_show ends it. Threads: the owner. */
static inline void
region_trace_hide(struct region_trace_line *t)
{
	atomic_store_explicit(&t->call, 0, memory_order_relaxed);
	/* R32: a fence; pairs with A32 in region.c. Who sees a part of the new line and looks at
	 * the name again finds none, or the new one. */
	atomic_thread_fence(memory_order_release);
}

static inline void
region_trace_show(struct region_trace_line *t, uint64_t call)
{
	/* R31: release; pairs with A31 in region.c. The line is whole when it has its call's
	 * name. */
	atomic_store_explicit(&t->call, call, memory_order_release);
}

/* region_trace_find looks for a call's next line from *at on (0 first), and copies it.
 * Returns: whether there was one; *at is then where to go on. Threads: any. */
bool region_trace_find(const struct region_trace *t, uint64_t call, uint32_t *at,
		       struct region_trace_line *ret);

static inline struct region_live *
region_live(const struct region *r)
{
	return (struct region_live *)(uintptr_t)(r->base + r->at.live);
}

static inline struct region_commit *
region_commit(const struct region *r)
{
	return (struct region_commit *)(uintptr_t)(r->base + r->at.commit);
}

/* region_commit_show ends the writing of a publication, region_commit_clear says that it is done.
 * Threads: the owner. */
static inline void
region_commit_show(struct region_commit *c)
{
	/* R35: release; pairs with A35 in region.c. Who sees it whole sees its messages. */
	atomic_store_explicit(&c->whole, 1, memory_order_release);
}

static inline void
region_commit_clear(struct region_commit *c)
{
	atomic_store_explicit(&c->whole, 0, memory_order_relaxed);
	/* The next messages are written after this. The compiler must know, the cpu need not: who
	 * looks does so when this process is dead, and sees what it had done, in order. */
	__asm__ volatile("" : : : "memory");
}

/* region_commit_find copies a dead process's message to the tile of this port. Returns: whether
 * there is one. Threads: any. */
bool region_commit_find(const struct region_commit *c, uint32_t port, struct desc *ret);

static inline _Atomic uint64_t *
region_hazard(const struct region *r)
{
	return (_Atomic uint64_t *)(uintptr_t)(r->base + r->at.hazard);
}

#endif
