/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   no reference leads outside of the memory its producer may show; what cannot be attached
 * is
 *         an error, leaves no mapping and no fd; what is detached is gone.
 * Method: references at and around each edge, and at the extremes; an attach that answers with
 * every
 *         kind of fd; mappings counted in /proc/self/maps. */
#include "peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "microburst/error.h"
#include "test_cmocka.h"

enum { PROC = 200, INC = 5, SEG = 17, SEG_BYTES = 3 * 4096 };

static struct peers peers;

/* What attach answers. */
static struct {
	int err;
	int (*make)(uint32_t seg); /* an fd */
	uint32_t asked;
} ctl;

static int
make_sealed(size_t bytes, int seals)
{
	int fd = memfd_create("microburst-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#define SEALS (F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int
make_right(uint32_t seg)
{
	return make_sealed(seg == 0 ? region_layout(REGION_PROCESS).bytes : SEG_BYTES, SEALS);
}

static int
make_unsealed(uint32_t seg)
{
	return make_sealed(seg == 0 ? region_layout(REGION_PROCESS).bytes : SEG_BYTES, 0);
}

static int
make_empty(uint32_t seg)
{
	return make_sealed(0, SEALS);
}

static int
make_pipe(uint32_t seg)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	close(fds[1]);
	return fds[0];
}

static int
attach(void *ctx, uint16_t proc, uint32_t inc, uint32_t seg, int *ret_fd)
{
	ctl.asked++;
	if (ctl.err == 0) {
		*ret_fd = ctl.make(seg);
	}
	return ctl.err;
}

static uint32_t
fd_cnt(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t n = 0;

	while (readdir(dir) != NULL) {
		n++;
	}
	closedir(dir);
	return n;
}

/* How many memfds of ours are mapped. */
static uint32_t
map_cnt(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	uint32_t n = 0;

	while (fgets(line, sizeof(line), maps) != NULL) {
		n += strstr(line, "memfd:microburst") != NULL;
	}
	fclose(maps);
	return n;
}

static int
setup(void **state)
{
	const struct peer_attach_ops ops = { .attach = attach };
	static uint32_t before;

	before = fd_cnt();
	*state = &before;
	memset(&ctl, 0, sizeof(ctl));
	ctl.make = make_right;
	return peers_create(&peers, &ops);
}

static int
teardown(void **state)
{
	peers_destroy(&peers);
	return map_cnt() == 0 && fd_cnt() == *(uint32_t *)*state ? 0 : -1;
}

static int
view(uint32_t seg, uint32_t off, uint32_t len)
{
	const struct payload_ref ref = { .proc = PROC,
					 .inc = INC,
					 .seg = seg,
					 .off = off,
					 .len = len };
	const uint8_t *p = NULL;
	int err = peer_view(&peers, &ref, &p);

	assert_true((p != NULL) == (err == 0));
	if (err == 0 && p != NULL && len > 0) { /* it is all there */
		assert_int_equal(((const volatile uint8_t *)p)[0], 0);
		assert_int_equal(((const volatile uint8_t *)p)[len - 1], 0);
	}
	return err;
}

/* ---------------------------------------------------------------- bounds */

static void
in_bounds(uint32_t seg, uint64_t first, uint64_t end)
{
	const uint64_t at[] = { 0,       1,        first - 1,      first,      first + 1,
				end - 1, end,      end + 1,        UINT32_MAX, UINT32_MAX - 1,
				end / 2, 1u << 31, (1u << 31) - 1, 4095,       4096 };

	for (uint32_t i = 0; i < ARRAY_CNT(at); i++) {
		for (uint32_t k = 0; k < ARRAY_CNT(at); k++) {
			const uint64_t lens[] = { at[k], at[k] - at[i], end - at[i],
						  end - at[i] + 1 };

			for (uint32_t l = 0; l < ARRAY_CNT(lens); l++) {
				uint32_t off = (uint32_t)at[i], len = (uint32_t)lens[l];
				bool in = off >= first && (uint64_t)off + len <= end;

				assert_int_equal(view(seg, off, len), in ? 0 : MB_ERR_PEER_CORRUPT);
			}
		}
	}
}

static void
a_reference_stays_inside_the_slab(void **state)
{
	struct region_layout at = region_layout(REGION_PROCESS);

	in_bounds(0, at.slab, at.bytes);
	assert_int_equal(ctl.asked, 1);
	assert_int_equal(map_cnt(), 1);
}

static void
a_reference_stays_inside_its_segment(void **state)
{
	in_bounds(SEG, 0, SEG_BYTES);
	assert_int_equal(ctl.asked, 2);
	assert_int_equal(map_cnt(), 2);
}

static void
a_process_that_cannot_be_is_not_there(void **state)
{
	const uint16_t procs[] = { PROC_CNT_MAX, PROC_CNT_MAX + 1, INT16_MAX, UINT16_MAX };
	struct payload_ref ref = { .inc = INC, .off = 1 << 23, .len = 1 };
	const uint8_t *p = NULL;

	for (uint32_t i = 0; i < ARRAY_CNT(procs); i++) {
		ref.proc = procs[i];
		assert_int_equal(peer_view(&peers, &ref, &p), MB_ERR_PEER_DIED);
	}
	ref.proc = PROC;
	ref.inc = 0;
	assert_int_equal(peer_view(&peers, &ref, &p), MB_ERR_PEER_DIED);
	assert_null(p);
	assert_int_equal(ctl.asked, 0); /* ctl is not troubled with it */
}

/* ---------------------------------------------------------------- attaching */

static void
what_cannot_be_attached_leaves_nothing(void **state)
{
	const struct {
		int err;
		int (*make)(uint32_t seg);
		int want, want_seg;
	} tries[] = {
		{ MB_ERR_PEER_DIED, NULL, MB_ERR_PEER_DIED, MB_ERR_PEER_DIED },
		{ MB_ERR_NO_NODE, NULL, MB_ERR_NO_NODE, MB_ERR_NO_NODE },
		{ 0, make_unsealed, MB_ERR_DENIED, MB_ERR_DENIED },
		{ 0, make_empty, MB_ERR_INVALID, MB_ERR_INVALID },
		{ 0, make_pipe, MB_ERR_INVALID, MB_ERR_DENIED },
	};

	for (uint32_t i = 0; i < ARRAY_CNT(tries); i++) {
		ctl.err = tries[i].err;
		ctl.make = tries[i].make;
		assert_int_equal(view(0, 1 << 23, 1), tries[i].want);
		assert_int_equal(view(SEG, 0, 1), tries[i].want);
		assert_int_equal(map_cnt(), 0);
	}
	ctl.err = 0;
	ctl.make = make_right;
	assert_int_equal(view(0, (uint32_t)region_layout(REGION_PROCESS).slab, 1), 0);
	for (uint32_t i = 0; i < ARRAY_CNT(tries); i++) {
		ctl.err = tries[i].err;
		ctl.make = tries[i].make;
		assert_int_equal(view(SEG, 0, 1), tries[i].want_seg);
		assert_int_equal(map_cnt(), 1);
	}
}

static void
segments_are_bounded(void **state)
{
	for (uint32_t seg = 1; seg <= PAYLOAD_SEG_MAX; seg++) {
		assert_int_equal(view(seg * 1000, 0, SEG_BYTES), 0);
	}
	assert_int_equal(view(7, 0, 1), MB_ERR_NO_MEMORY);
	assert_int_equal(view(8, 0, 1), MB_ERR_NO_MEMORY);
	assert_int_equal(map_cnt(), 1 + PAYLOAD_SEG_MAX);
	ctl.asked = 0;
	for (uint32_t seg = 1; seg <= PAYLOAD_SEG_MAX; seg++) {
		assert_int_equal(view(seg * 1000, 0, SEG_BYTES), 0);
	}
	assert_int_equal(ctl.asked, 0);
	peer_detach_seg(&peers, PROC, INC, 3000);
	peer_detach_seg(&peers, PROC, INC, 3000); /* harmless, as are these: */
	peer_detach_seg(&peers, PROC, INC, 0);
	peer_detach_seg(&peers, PROC, INC + 1, 4000);
	peer_detach_seg(&peers, UINT16_MAX, INC, 4000);
	assert_int_equal(map_cnt(), PAYLOAD_SEG_MAX);
	assert_int_equal(view(7, 0, 1), 0);
}

static void
a_segment_goes_when_its_views_are_ended(void **state)
{
	assert_int_equal(view(SEG, 0, 1), 0);
	assert_int_equal(view(SEG + 1, 0, 1), 0);
	peer_seg_gone(&peers, PROC, INC, SEG);
	peer_seg_gone(&peers, PROC, INC, 0);
	peer_seg_gone(&peers, PROC, INC + 1, SEG + 1);
	peer_seg_gone(&peers, UINT16_MAX, INC, SEG);
	assert_int_equal(map_cnt(), 3); /* somebody may be looking at it */
	peer_sweep(&peers, PROC);
	peer_sweep(&peers, PROC);
	assert_int_equal(map_cnt(), 2);
	ctl.err = MB_ERR_PEER_DIED;
	assert_int_equal(view(SEG, 0, 1), MB_ERR_PEER_DIED);
	assert_int_equal(view(SEG + 1, 0, 1), 0);
}

static void
a_peer_goes_with_all_it_had(void **state)
{
	struct peer *peer;

	assert_int_equal(view(SEG, 0, 1), 0);
	peer_detach(&peers, PROC);
	peer_detach(&peers, PROC);
	assert_int_equal(map_cnt(), 0);
	/* The next incarnation. The old one's references lead nowhere. */
	assert_int_equal(peer_attach(&peers, PROC, INC + 1, &peer), 0);
	ctl.err = MB_ERR_PEER_DIED;
	assert_int_equal(view(SEG, 0, 1), MB_ERR_PEER_DIED);
	assert_int_equal(view(0, (uint32_t)peer->region.at.slab, 1), MB_ERR_PEER_DIED);
	/* And a lie about an incarnation does not unmap the one that is there. */
	assert_int_equal(map_cnt(), 1);
	ctl.err = 0;
	assert_int_equal(peer_attach(&peers, PROC, INC + 2, &peer), 0); /* ctl says so */
	assert_int_equal(map_cnt(), 1);
}

static void
the_daemons_region_is_of_its_kind(void **state)
{
	struct peer *peer;

	assert_int_equal(peer_attach(&peers, PROC_DAEMON, 1, &peer), MB_ERR_INVALID);
	assert_int_equal(map_cnt(), 0);
}

static void
without_ctl_nothing_is_attached(void **state)
{
	struct peers lone;
	const struct payload_ref ref = { .proc = PROC, .inc = INC, .seg = SEG, .len = 1 };
	const uint8_t *p = NULL;
	struct region r;
	int fd = make_right(0);

	assert_int_equal(peers_create(&lone, NULL), 0);
	assert_int_equal(peer_view(&lone, &ref, &p), MB_ERR_PEER_DIED);
	assert_int_equal(peer_put_seg(&lone, PROC, INC, SEG, NULL, 0), MB_ERR_PEER_DIED);
	assert_int_equal(region_map_peer(&r, REGION_PROCESS, fd), 0);
	close(fd);
	assert_int_equal(peer_put_region(&lone, PROC, INC, &r), 0);
	assert_int_equal(peer_view(&lone, &ref, &p), MB_ERR_PEER_DIED);
	assert_null(p);
	peers_destroy(&lone);
}

/* ---------------------------------------------------------------- ctl writes, a tile reads */

enum { PUTS = 200 };

static void *
tile(void *arg)
{
	struct peers *ps = arg;
	uint32_t found = 0;

	for (uint32_t i = 1; i <= PUTS; i++) {
		struct payload_ref ref = { .proc = (uint16_t)i,
					   .inc = i,
					   .off = (uint32_t)region_layout(REGION_PROCESS).slab,
					   .len = 1 };
		const uint8_t *p;
		int err;

		/* The region before there is a segment, so that each is ordered by its own edge. */
		while ((err = peer_view(ps, &ref, &p)) == MB_ERR_PEER_DIED) {
		}
		REQUIRE(err == 0 && p[0] == 0);
		ref = (struct payload_ref){ .proc = (uint16_t)i,
					    .inc = i,
					    .seg = i,
					    .len = SEG_BYTES };
		while ((err = peer_view(ps, &ref, &p)) == MB_ERR_PEER_DIED) {
		}
		REQUIRE(err == 0 && p[SEG_BYTES - 1] == (uint8_t)i);
		found++;
	}
	return (void *)(uintptr_t)found;
}

static void
a_tile_finds_whole_mappings(void **state)
{
	struct region_layout at = region_layout(REGION_PROCESS);
	struct peers ps;
	pthread_t thread;
	void *found;

	assert_int_equal(peers_create(&ps, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, tile, &ps), 0);
	for (uint32_t i = 1; i <= PUTS; i++) {
		uint8_t *p = mmap(NULL, SEG_BYTES, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct region r = { .kind = REGION_PROCESS,
				    .at = at,
				    .base = mmap(NULL, at.bytes, PROT_READ,
						 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
						 0) };

		p[SEG_BYTES - 1] = (uint8_t)i;
		assert_int_equal(peer_put_region(&ps, (uint16_t)i, i, &r), 0);
		assert_int_equal(peer_put_seg(&ps, (uint16_t)i, i, i, p, SEG_BYTES), 0);
	}
	pthread_join(thread, &found);
	assert_int_equal((uintptr_t)found, PUTS);
	peers_destroy(&ps);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reference_stays_inside_the_slab),
		TEST(a_reference_stays_inside_its_segment),
		TEST(a_process_that_cannot_be_is_not_there),
		TEST(what_cannot_be_attached_leaves_nothing),
		TEST(segments_are_bounded),
		TEST(a_segment_goes_when_its_views_are_ended),
		TEST(a_peer_goes_with_all_it_had),
		TEST(the_daemons_region_is_of_its_kind),
		TEST(without_ctl_nothing_is_attached),
		TEST(a_tile_finds_whole_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
