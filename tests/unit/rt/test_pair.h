/* SPDX-License-Identifier: Apache-2.0 */
/* test_pair.h - two processes' regions and hints in one process, joined by a channel
 *
 * own[i] is side i's writable mapping; view[i] is the other side's read-only mapping of the same
 * memory, so that a store into the peer's half stops the test.
 */
#ifndef MB_TEST_PAIR_H
#define MB_TEST_PAIR_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "channel.h"
#include "check.h"
#include "hints.h"
#include "region.h"
#include "slice.h"

enum { TEST_PAIR_PORT = PORT_DIRECT_FIRST };

struct test_pair {
	struct region own[2], view[2];
	struct hints *hints;
	struct channel end[2];
};

static inline void
test_pair_join(struct test_pair *p)
{
	for (uint32_t i = 0; i < 2; i++) {
		channel_init(&p->end[i], &p->own[i], TEST_PAIR_PORT + i, &p->view[1 - i],
			     TEST_PAIR_PORT + 1 - i, &p->hints->proc[1 - i], TEST_PAIR_PORT + 1 - i,
			     -1);
	}
}

/* A region as its owner and as another process has it. */
static inline void
test_region(struct region *ret_own, struct region *ret_view, uint16_t proc)
{
	int fd;

	REQUIRE(region_create(REGION_PROCESS, false, &fd) == 0);
	REQUIRE(region_map_owner(ret_own, REGION_PROCESS, fd, proc, 1) == 0);
	REQUIRE(region_seal(fd) == 0);
	REQUIRE(region_map_peer(ret_view, REGION_PROCESS, fd) == 0);
	close(fd);
}

static inline void
test_pair_open(struct test_pair *p)
{
	int fd;

	REQUIRE(hints_create(&fd, &p->hints) == 0);
	close(fd);
	for (uint16_t i = 0; i < 2; i++) {
		test_region(&p->own[i], &p->view[i], (uint16_t)(i + 1));
	}
	test_pair_join(p);
}

static inline void
test_pair_close(struct test_pair *p)
{
	for (uint32_t i = 0; i < 2; i++) {
		region_unmap(&p->own[i]);
		region_unmap(&p->view[i]);
	}
	hints_detach(p->hints);
}

/* A desc whose words all follow from seq, so that half of one is not taken for a whole one. */
static inline struct desc
test_desc(uint64_t seq)
{
	struct desc d = { .kind = DESC_CALL_FIRST, .call = seq, .b = ~seq };

	for (uint32_t i = 0; i < ARRAY_CNT(d.word); i++) {
		d.word[i] = seq * (i + 3);
	}
	return d;
}

static inline bool
test_desc_is(const struct desc *d, uint64_t seq)
{
	struct desc want = test_desc(seq);

	return slice_eq(slice_of(d, sizeof(*d)), slice_of(&want, sizeof(want)));
}

#endif
