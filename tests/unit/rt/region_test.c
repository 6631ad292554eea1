/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   nobody but its owner changes a region, by whatever call, whoever he is; what is not
 *         sealed or not of its size is not mapped; the parts of a region lie apart.
 * Method: a child with the region's fd (and a mapping) tries every way to write, resize or empty
 *         it, and the owner then reads all of it. Run as this uid; with the argument other-uid as
 *         another one (needs root); with huge on huge pages (needs some). */
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "huge_lock.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum { SKIP = 77, OTHER_UID = 54321, PAGE = 4096, HUGE_PAGE = 2 << 20, PATTERN = 0x5a };

static bool other_uid, huge;

static void
fill(const struct region *r)
{
	memset(r->rw + PAGE, PATTERN, r->at.bytes - PAGE);
}

static void
assert_filled(const struct region *r)
{
	for (size_t i = PAGE; i < r->at.bytes; i++) {
		if (r->base[i] != PATTERN) {
			fail_msg("byte %zu was changed", i);
		}
	}
}

/* A region that its owner has mapped and filled and the daemon has sealed. */
static int
make_sealed(struct region *r)
{
	int fd;

	assert_int_equal(region_create(REGION_PROCESS, huge, &fd), 0);
	assert_int_equal(region_map_owner(r, REGION_PROCESS, fd, 7, 3), 0);
	fill(r);
	assert_int_equal(region_seal(fd), 0);
	return fd;
}

/* ---------------------------------------------------------------- attacks, in a child */

static uint32_t won;

static void
attack(const char *what, bool worked)
{
	if (worked) {
		fprintf(stderr, "%s: worked\n", what);
		won++;
	}
}

static void
attack_fd(int fd, size_t bytes)
{
	char buf[16] = { 0 };
	struct iovec iov = { buf, sizeof(buf) };
	const int modes[] = { FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
			      FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE };
	int fds[2];

	attack("write", write(fd, buf, sizeof(buf)) > 0);
	attack("pwrite", pwrite(fd, buf, sizeof(buf), PAGE) > 0);
	attack("pwritev", pwritev(fd, &iov, 1, PAGE) > 0);
	attack("ftruncate to nothing", ftruncate(fd, 0) == 0);
	attack("ftruncate shorter", ftruncate(fd, (off_t)bytes - HUGE_PAGE) == 0);
	attack("ftruncate longer", ftruncate(fd, (off_t)bytes + HUGE_PAGE) == 0);
	attack("fallocate longer", fallocate(fd, 0, (off_t)bytes, HUGE_PAGE) == 0);
	for (uint32_t i = 0; i < ARRAY_CNT(modes); i++) {
		attack("fallocate in place", fallocate(fd, modes[i], 0, HUGE_PAGE) == 0);
	}
	attack("a further seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	attack("mmap rw",
	       mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
	attack("mmap w", mmap(NULL, bytes, PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
	if (pipe(fds) == 0 && write(fds[1], buf, sizeof(buf)) > 0) {
		loff_t off = PAGE;

		attack("splice", splice(fds[0], NULL, fd, &off, sizeof(buf), 0) > 0);
	}
}

static void
attack_mapping(int fd, size_t bytes)
{
	uint8_t *ro = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	int mem = open("/proc/self/mem", O_RDWR);
	uint8_t *copy;

	attack("nothing: mmap ro must work", ro == MAP_FAILED);
	attack("mprotect", mprotect(ro, bytes, PROT_READ | PROT_WRITE) == 0);
	attack("MADV_REMOVE", madvise(ro, bytes, MADV_REMOVE) == 0);
	attack("/proc/self/mem", mem >= 0 && pwrite(mem, "x", 1, (off_t)(uintptr_t)ro + PAGE) > 0);
	copy = mremap(ro, 0, bytes, MREMAP_MAYMOVE);
	attack("mprotect after mremap",
	       copy != MAP_FAILED && mprotect(copy, bytes, PROT_READ | PROT_WRITE) == 0);
	copy = mremap(ro, bytes, 2 * bytes, MREMAP_MAYMOVE);
	attack("mprotect after growing",
	       copy != MAP_FAILED && mprotect(copy, bytes, PROT_READ | PROT_WRITE) == 0);
}

/* All of it: by the fd as it came, reopened in each way, and by a mapping. */
static void
attack_all(int fd, size_t bytes)
{
	char path[64];
	int again;

	attack_fd(fd, bytes);
	attack_mapping(fd, bytes);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fchmod(fd, 0777);
	again = open(path, O_RDWR);
	if (again >= 0) {
		attack_fd(again, bytes);
		attack_mapping(again, bytes);
	}
	attack("O_TRUNC", open(path, O_RDWR | O_TRUNC) >= 0 && lseek(fd, 0, SEEK_END) == 0);
	attack("truncate", truncate(path, 0) == 0);
}

/* Runs attack_all in a child, which has the fd but no mapping of the owner's.
 * Returns: how many attacks worked. */
static int
attacked(int fd, const struct region *owner)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		munmap(owner->rw, owner->at.bytes);
		if (other_uid && (setgid(OTHER_UID) != 0 || setuid(OTHER_UID) != 0)) {
			_exit(101);
		}
		attack_all(fd, owner->at.bytes);
		_exit((int)won);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Without seals they work, also those of another user who only inherited the fd. */
static void
the_attacks_are_no_blanks(void **state)
{
	struct region owner;
	int fd;

	assert_int_equal(region_create(REGION_PROCESS, huge, &fd), 0);
	assert_int_equal(region_map_owner(&owner, REGION_PROCESS, fd, 7, 3), 0);
	assert_in_range(attacked(fd, &owner), 10, 60);
	/* The owner must not touch it now: it was made shorter. */
	region_unmap(&owner);
	close(fd);
}

static void
nobody_else_changes_a_sealed_region(void **state)
{
	struct region owner, peer;
	int fd = make_sealed(&owner);

	assert_int_equal(region_map_peer(&peer, REGION_PROCESS, fd), 0);
	assert_int_equal(attacked(fd, &owner), 0);
	assert_filled(&owner);
	assert_filled(&peer);
	/* The owner's mapping goes on; the daemon sees what it writes. */
	owner.rw[PAGE] = 1;
	owner.rw[owner.at.bytes - 1] = 2;
	assert_int_equal(peer.base[PAGE], 1);
	assert_int_equal(peer.base[peer.at.bytes - 1], 2);
	region_unmap(&peer);
	region_unmap(&owner);
	close(fd);
}

/* An owner has its writable mapping, and still can neither shrink nor empty what others read. */
static void
the_owner_can_only_write(void **state)
{
	struct region owner, peer;
	int fd = make_sealed(&owner);
	size_t bytes = owner.at.bytes;

	assert_int_equal(region_map_peer(&peer, REGION_PROCESS, fd), 0);
	won = 0;
	attack_fd(fd, bytes);
	attack("MADV_REMOVE", madvise(owner.rw, bytes, MADV_REMOVE) == 0);
	madvise(owner.rw, bytes, MADV_DONTNEED);
	madvise(owner.rw, bytes, MADV_PAGEOUT);
	assert_int_equal(won, 0);
	assert_filled(&peer);
	/* It may drop its mapping, or make it unreadable: that is its own loss. */
	assert_int_equal(mprotect(owner.rw, bytes, PROT_NONE), 0);
	assert_filled(&peer);
	region_unmap(&owner);
	assert_filled(&peer);
	region_unmap(&peer);
	close(fd);
}

/* What the daemon reads of a process does not go away with it, however it goes. */
static void
a_region_outlives_its_owner(void **state)
{
	struct region owner, peer;
	int ready[2], status, fd;
	char byte;
	pid_t pid;

	assert_int_equal(region_create(REGION_PROCESS, huge, &fd), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (region_map_owner(&owner, REGION_PROCESS, fd, 7, 3) == 0) {
			fill(&owner);
			if (write(ready[1], "r", 1) == 1) {
				pause();
			}
		}
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(region_seal(fd), 0);
	assert_int_equal(region_map_peer(&peer, REGION_PROCESS, fd), 0);
	close(fd);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_filled(&peer);
	region_unmap(&peer);
	close(ready[0]);
	close(ready[1]);
}

/* ---------------------------------------------------------------- refusals */

static int
make_memfd(size_t bytes, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | (huge ? MFD_HUGETLB : 0));

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void
what_is_not_sealed_is_not_mapped(void **state)
{
	const int all[] = { F_SEAL_FUTURE_WRITE, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL };
	size_t bytes = region_layout(REGION_PROCESS).bytes;
	struct region r = { 0 };
	const uint8_t *p = NULL;
	size_t got = 0;

	for (int set = 0; set < 15; set++) { /* 15 would be all of them */
		int seals = 0, fd;

		for (uint32_t i = 0; i < 4; i++) {
			seals |= (set >> i & 1) != 0 ? all[i] : 0;
		}
		fd = make_memfd(bytes, seals);
		assert_int_equal(region_map_peer(&r, REGION_PROCESS, fd), MB_ERR_DENIED);
		assert_int_equal(sealed_map(fd, &p, &got), MB_ERR_DENIED);
		/* Whoever set F_SEAL_SEAL first keeps the daemon from sealing. */
		assert_int_equal(region_seal(fd), (seals & F_SEAL_SEAL) != 0 ? MB_ERR_DENIED : 0);
		close(fd);
	}
	assert_null(r.base);
	assert_null(p);
}

static void
a_wrong_size_is_not_mapped(void **state)
{
	const int seals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	size_t bytes = region_layout(REGION_PROCESS).bytes;
	const size_t sizes[] = { 0, HUGE_PAGE, bytes - HUGE_PAGE, bytes + HUGE_PAGE,
				 region_layout(REGION_DAEMON).bytes };
	struct region r = { 0 };
	const uint8_t *p = NULL;
	size_t got = 0;

	for (uint32_t i = 0; i < ARRAY_CNT(sizes); i++) {
		int fd = make_memfd(sizes[i], 0);

		assert_int_equal(region_map_owner(&r, REGION_PROCESS, fd, 1, 1), MB_ERR_INVALID);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
		assert_int_equal(region_map_peer(&r, REGION_PROCESS, fd), MB_ERR_INVALID);
		if (sizes[i] == 0) {
			assert_int_equal(sealed_map(fd, &p, &got), MB_ERR_INVALID);
		}
		close(fd);
	}
	assert_null(r.base);
}

static void
what_is_no_memfd_is_not_mapped(void **state)
{
	char path[] = "/tmp/microburst-region-XXXXXX";
	int file = mkstemp(path);
	struct region r = { 0 };
	const uint8_t *p = NULL;
	size_t got = 0;
	int fds[2];

	assert_true(file >= 0);
	unlink(path);
	assert_int_equal(ftruncate(file, (off_t)region_layout(REGION_PROCESS).bytes), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(region_map_peer(&r, REGION_PROCESS, file), MB_ERR_DENIED);
	assert_int_equal(sealed_map(file, &p, &got), MB_ERR_DENIED);
	assert_int_equal(region_seal(file), MB_ERR_DENIED);
	assert_int_equal(region_map_peer(&r, REGION_PROCESS, fds[0]), MB_ERR_INVALID);
	assert_int_equal(sealed_map(fds[0], &p, &got), MB_ERR_DENIED);
	assert_int_equal(region_map_owner(&r, REGION_PROCESS, -1, 1, 1), MB_ERR_INVALID);
	assert_int_equal(region_map_peer(&r, REGION_PROCESS, -1), MB_ERR_INVALID);
	assert_int_equal(sealed_map(-1, &p, &got), MB_ERR_DENIED);
	assert_int_equal(region_seal(-1), MB_ERR_DENIED);
	assert_null(r.base);
	assert_null(p);
	close(file);
	close(fds[0]);
	close(fds[1]);
	region_unmap(&r); /* harmless */
}

/* Huge pages are a wish. Where there are none, what comes back can be used all the same. */
static void
a_wish_for_huge_pages_never_fails(void **state)
{
	struct region r;
	int fd;

	assert_int_equal(region_create(REGION_PROCESS, true, &fd), 0);
	assert_int_equal(region_map_owner(&r, REGION_PROCESS, fd, 7, 3), 0);
	fill(&r);
	assert_filled(&r);
	region_unmap(&r);
	close(fd);
}

static bool
has_huge_pages(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_blksize > sysconf(_SC_PAGESIZE);
}

static void
huge_pages_are_left_to_who_takes_them(void **state)
{
	int lock = huge_lock_take(HUGE_LOCK_MS), fd;

	if (lock == HUGE_LOCK_NONE) {
		skip(); /* a kernel without any */
	}
	assert_true(lock >= 0);
	assert_int_equal(huge_lock_take(1), HUGE_LOCK_BUSY);
	assert_int_equal(region_create(REGION_PROCESS, true, &fd), 0);
	assert_false(has_huge_pages(fd));
	close(fd);
	huge_lock_release(lock);
}

/* ---------------------------------------------------------------- layout */

struct part {
	size_t off, bytes;
};

static int
part_cmp(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

static void
the_parts_lie_apart(void **state)
{
	for (enum region_kind kind = REGION_PROCESS; kind <= REGION_DAEMON; kind++) {
		struct region_layout at = region_layout(kind);
		struct part part[] = {
			{ 0, sizeof(struct region_head) },
			{ at.run, sizeof(struct region_run) },
			{ at.hazard, HAZARD_CNT * sizeof(uint64_t) },
			{ at.rx, at.port_cnt * sizeof(struct region_index) },
			{ at.tx, at.port_cnt * sizeof(struct region_index) },
			{ at.slots, (size_t)at.port_cnt * CHANNEL_DEPTH * sizeof(struct desc) },
			{ at.table, at.table_bytes },
			{ at.slab, at.slab_bytes },
		};
		struct region r = { .kind = kind, .at = at };
		uint32_t last = at.port_cnt - 1;

		qsort(part, ARRAY_CNT(part), sizeof(part[0]), part_cmp);
		for (uint32_t i = 0; i + 1 < ARRAY_CNT(part); i++) {
			assert_true(part[i].off + part[i].bytes <= part[i + 1].off);
		}
		for (uint32_t i = 0; i < ARRAY_CNT(part); i++) {
			assert_int_equal(part[i].off % CACHE_LINE, 0);
			assert_true(part[i].off == 0 || part[i].off >= PAGE);
		}
		assert_int_equal(at.slab % PAGE, 0);
		assert_int_equal(at.slab + at.slab_bytes, at.bytes);
		assert_int_equal(at.bytes % HUGE_PAGE, 0);
		assert_true(at.bytes <= UINT32_MAX); /* payload_ref.off */
		/* The accessors end where their part ends. */
		r.base = (const uint8_t *)(uintptr_t)PAGE;
		assert_ptr_equal(region_rx(&r, last) + 1, r.base + at.rx + part[3].bytes);
		assert_ptr_equal(region_tx(&r, last) + 1, r.base + at.tx + part[4].bytes);
		assert_ptr_equal(region_slots(&r, last) + CHANNEL_DEPTH,
				 r.base + at.slots + part[5].bytes);
		assert_ptr_equal(region_run(&r), r.base + at.run);
		assert_ptr_equal(region_hazard(&r), r.base + at.hazard);
	}
	assert_int_equal(region_layout(REGION_PROCESS).port_cnt, PORT_CNT);
	assert_true(region_layout(REGION_PROCESS).slab_bytes >= SLAB_BYTES);
	/* Each (tile, process) has a port of its own. */
	for (uint32_t tile = 0; tile + 1 < TILE_PORT_CNT; tile++) {
		assert_int_equal(region_daemon_port(tile, PROC_CNT_MAX - 1) + 1,
				 region_daemon_port(tile + 1, 0));
	}
	assert_int_equal(region_daemon_port(TILE_PORT_CNT - 1, PROC_CNT_MAX - 1) + 1,
			 region_layout(REGION_DAEMON).port_cnt);
}

static void
a_new_region_is_empty(void **state)
{
	struct region r;
	int fd;

	assert_int_equal(region_create(REGION_DAEMON, huge, &fd), 0);
	assert_int_equal(region_map_owner(&r, REGION_DAEMON, fd, PROC_DAEMON, 1), 0);
	for (uint32_t port = 0; port < r.at.port_cnt; port++) {
		assert_int_equal(region_rx(&r, port)->v, 0);
		assert_int_equal(region_tx(&r, port)->v, 0);
	}
	for (uint32_t i = 0; i < HAZARD_CNT; i++) {
		assert_int_equal(region_hazard(&r)[i], 0);
	}
	assert_int_equal(region_run(&r)->call, 0);
	region_unmap(&r);
	region_unmap(&r); /* harmless */
	close(fd);
}

static bool
huge_pages_free(void)
{
	size_t need = 4 * region_layout(REGION_DAEMON).bytes;
	void *p = mmap(NULL, need, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED) {
		return false;
	}
	munmap(p, need);
	return true;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_sealed_is_not_mapped),
		cmocka_unit_test(a_wrong_size_is_not_mapped),
		cmocka_unit_test(what_is_no_memfd_is_not_mapped),
		cmocka_unit_test(the_attacks_are_no_blanks),
		cmocka_unit_test(nobody_else_changes_a_sealed_region),
		cmocka_unit_test(the_owner_can_only_write),
		cmocka_unit_test(a_region_outlives_its_owner),
		cmocka_unit_test(a_wish_for_huge_pages_never_fails),
		cmocka_unit_test(huge_pages_are_left_to_who_takes_them),
		cmocka_unit_test(the_parts_lie_apart),
		cmocka_unit_test(a_new_region_is_empty),
	};

	other_uid = argc > 1 && strcmp(argv[1], "other-uid") == 0;
	huge = argc > 1 && strcmp(argv[1], "huge") == 0;
	if (other_uid && geteuid() != 0) {
		printf("becoming another user needs root\n");
		return SKIP;
	}
	if (huge && !huge_pages_free()) {
		printf("this machine has no free huge pages (vm.nr_hugepages)\n");
		return SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
