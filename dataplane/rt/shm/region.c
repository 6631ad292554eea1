/* SPDX-License-Identifier: Apache-2.0 */
/* region - see region.h
 *
 * Who does what, and why it is safe (tried: tests/unit/rt/region_test.c):
 *   F_SEAL_FUTURE_WRITE  no new writable mapping and no write() through any fd, reopened or not;
 *                        the owner's mapping, made before, goes on; punching holes is refused too
 *   F_SEAL_SHRINK, GROW  no ftruncate: a reader never gets SIGBUS
 *   F_SEAL_SEAL          the set is final
 * An fd that was only opened read-only would protect nothing: it can be reopened for writing.
 */
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "huge_lock.h"
#include "microburst/error.h"

#define REGION_SEALS      (F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define REGION_ALIGN      ((size_t)2 << 20)
#define DAEMON_SLAB_BYTES ((size_t)16 << 20)

struct region_layout
region_layout(enum region_kind kind)
{
	struct region_layout at = { 0 };
	size_t off = 4096;

	at.port_cnt = kind == REGION_DAEMON ? TILE_PORT_CNT * PROC_CNT_MAX : PORT_CNT;
	at.run = off;
	off += CACHE_LINE;
	at.trace = off;
	off += kind == REGION_PROCESS ? sizeof(struct region_trace) : 0;
	at.live = off;
	off += kind == REGION_PROCESS ? sizeof(struct region_live) : 0;
	at.commit = off;
	off += kind == REGION_PROCESS ? sizeof(struct region_commit) : 0;
	at.hazard = off;
	off += ALIGN_UP(HAZARD_CNT * sizeof(uint64_t), CACHE_LINE);
	at.rx = off;
	off += at.port_cnt * sizeof(struct region_index);
	at.tx = off;
	off += at.port_cnt * sizeof(struct region_index);
	off = ALIGN_UP(off, (size_t)4096);
	at.slots = off;
	off += (size_t)at.port_cnt * CHANNEL_DEPTH * sizeof(struct desc);
	off = ALIGN_UP(off, (size_t)4096);
	at.table = off;
	at.table_bytes = kind == REGION_DAEMON ? REGION_TABLE_BYTES : 0;
	off += at.table_bytes;
	at.slab = off;
	at.slab_bytes = kind == REGION_DAEMON ? DAEMON_SLAB_BYTES : SLAB_BYTES;
	off += at.slab_bytes;
	at.bytes = ALIGN_UP(off, REGION_ALIGN);
	at.slab_bytes += at.bytes - off;
	return at;
}

static int
region_memfd(size_t bytes, unsigned flags)
{
	int fd = memfd_create("microburst-region", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd >= 0 && ftruncate(fd, (off_t)bytes) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Sets pages aside for a memfd of huge pages. Without any, memfd_create and ftruncate succeed all
 * the same; the first mapping is where they are counted, and then they belong to the file. */
static bool
region_reserve(int fd, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED) {
		return false;
	}
	munmap(p, bytes);
	return true;
}

int
region_create(enum region_kind kind, bool huge, int *ret_fd)
{
	size_t bytes = region_layout(kind).bytes;
	int lock = huge ? huge_lock_take(0) : HUGE_LOCK_NONE;
	int fd = -1;

	if (huge && lock != HUGE_LOCK_BUSY) { /* small ones do as well: nobody waits here */
		fd = region_memfd(bytes, MFD_HUGETLB);
		if (fd >= 0 && !region_reserve(fd, bytes)) {
			close(fd);
			fd = -1;
		}
		huge_lock_release(lock);
	}
	if (fd < 0) {
		fd = region_memfd(bytes, 0);
	}
	if (fd < 0) {
		return MB_ERR_NO_MEMORY;
	}
	*ret_fd = fd;
	return 0;
}

static bool
region_size_ok(int fd, size_t bytes)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == (off_t)bytes;
}

int
region_map_owner(struct region *r, enum region_kind kind, int fd, uint16_t proc, uint32_t inc)
{
	struct region_layout at = region_layout(kind);
	struct region_head *head;
	void *p;

	if (!region_size_ok(fd, at.bytes)) {
		return MB_ERR_INVALID;
	}
	p = mmap(NULL, at.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		return MB_ERR_NO_MEMORY;
	}
	/* A process faults all of its region in now, so that a reader never depends on memory that
	 * is not there yet. The daemon's has a port for every process there could be: its pages
	 * come when their process does. (MAP_POPULATE would not say that it failed. EINVAL: a
	 * kernel before 5.14; the pages come when they are touched.) */
	if (kind == REGION_PROCESS && madvise(p, at.bytes, MADV_POPULATE_WRITE) != 0 &&
	    errno != EINVAL) {
		munmap(p, at.bytes);
		return MB_ERR_NO_MEMORY;
	}
	*r = (struct region){ .kind = kind, .at = at, .base = p, .rw = p };
	head = p;
	*head = (struct region_head){ .magic = REGION_MAGIC,
				      .kind = kind,
				      .proc = proc,
				      .inc = inc,
				      .pid = (uint32_t)getpid() };
	return 0;
}

int
region_seal(int fd)
{
	int seals;

	if (fcntl(fd, F_ADD_SEALS, REGION_SEALS) != 0) {
		return MB_ERR_DENIED;
	}
	seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & REGION_SEALS) == REGION_SEALS ? 0 : MB_ERR_DENIED;
}

int
sealed_map(int fd, const uint8_t **ret, size_t *ret_bytes)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	void *p;

	if (seals < 0 || (seals & REGION_SEALS) != REGION_SEALS) {
		return MB_ERR_DENIED;
	}
	if (fstat(fd, &st) != 0 || st.st_size <= 0) {
		return MB_ERR_INVALID;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		return MB_ERR_NO_MEMORY;
	}
	*ret = p;
	*ret_bytes = (size_t)st.st_size;
	return 0;
}

int
region_map_peer(struct region *r, enum region_kind kind, int fd)
{
	struct region_layout at = region_layout(kind);
	const uint8_t *p;
	size_t bytes;
	int err;

	if (!region_size_ok(fd, at.bytes)) {
		return MB_ERR_INVALID;
	}
	err = sealed_map(fd, &p, &bytes);
	if (err != 0) {
		return err;
	}
	*r = (struct region){ .kind = kind, .at = at, .base = p };
	return 0;
}

void
region_unmap(struct region *r)
{
	if (r->base != NULL) {
		munmap((void *)(uintptr_t)r->base, r->at.bytes);
	}
	*r = (struct region){ 0 };
}

bool
region_commit_find(const struct region_commit *c, uint32_t port, struct desc *ret)
{
	REQUIRE(port < TILE_PORT_CNT);
	/* A35: acquire; pairs with R35 in region.h. */
	if (atomic_load_explicit(&c->whole, memory_order_acquire) != 1) {
		return false;
	}
	*ret = c->d[port];
	return ret->kind != DESC_NONE;
}

/* The memory is its owner's, who may write on: a copy is taken, and counts if the name was there
 * before and after. */
bool
region_trace_find(const struct region_trace *t, uint64_t call, uint32_t *at,
		  struct region_trace_line *ret)
{
	while (*at < TRACE_CNT) {
		const struct region_trace_line *line = &t->line[(*at)++];

		/* A31: acquire; pairs with R31 in region.h. */
		if (atomic_load_explicit(&line->call, memory_order_acquire) != call) {
			continue;
		}
		memcpy(ret, line, sizeof(*ret));
		/* A32: a fence; pairs with R32 in region.h. The copy comes before the load below.
		 * */
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&line->call, memory_order_relaxed) == call) {
			return true;
		}
	}
	return false;
}
