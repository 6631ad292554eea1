/* SPDX-License-Identifier: Apache-2.0 */
/* pages - see pages.h
 *
 *   P1  A bit is set for each page of the extent at which a mapping may begin. Within what was
 *       exchanged in one go there is none: it is one mapping.
 *   P2  The kernel moves what lies in one mapping. What lies in several is found by halving; at a
 *       cut, some KiB are copied.
 *   P3  Both ends are taken away before either is put: then only a lack of memory, or of mappings,
 *       can hinder the second half, and what was taken is copied to where it must be.
 */
#include "pages.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"

#define LEAF_BYTES (16U << 10)  /* copied, not halved */
#define LEAF_MOST  (512U << 10) /* copied in one go */

struct pages {
	uint8_t *mem;
	size_t bytes;
	uint32_t cut_cnt, cut_max;
	uint64_t cut[]; /* P1 */
};

int
pages_create(struct pages **ret, void *mem, size_t bytes, uint32_t cut_max)
{
	size_t words = (bytes / PAGES_BYTES + 1 + 63) / 64; /* with the end */
	struct pages *ps = calloc(1, sizeof(*ps) + words * sizeof(ps->cut[0]));

	REQUIRE((uintptr_t)mem % PAGES_BYTES == 0);
	if (ps == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	ps->mem = mem;
	ps->bytes = bytes;
	ps->cut_max = cut_max;
	*ret = ps;
	return 0;
}

void
pages_destroy(struct pages *ps)
{
	free(ps);
}

uint32_t
pages_cuts(const struct pages *ps)
{
	return ps->cut_cnt;
}

/* -------------------------------------------------------------------- cuts: P1 */

static void
cut_set(struct pages *ps, size_t page, bool on)
{
	uint64_t bit = UINT64_C(1) << page % 64, *word = &ps->cut[page / 64];

	ps->cut_cnt += on && (*word & bit) == 0;
	ps->cut_cnt -= !on && (*word & bit) != 0;
	*word = on ? *word | bit : *word & ~bit;
}

/* Takes the cuts between two pages out, or only looks. Returns: how many there are. */
static uint32_t
cuts_within(struct pages *ps, size_t from, size_t to, bool out)
{
	uint32_t cnt = 0;

	for (size_t page = from + 1; page < to;) {
		uint64_t word = ps->cut[page / 64] >> page % 64;

		if (word == 0) {
			page = ALIGN_UP(page + 1, (size_t)64);
			continue;
		}
		page += (size_t)__builtin_ctzll(word);
		if (page < to) {
			cnt++;
			if (out) {
				cut_set(ps, page, false);
			}
		}
		page++;
	}
	return cnt;
}

/* -------------------------------------------------------------------- exchange */

enum exchanged {
	EXCHANGED = 0,
	EXCHANGE_LESS = 1, /* a part of it may be one mapping */
	EXCHANGE_FULL = 2, /* no memory, or no mapping, for a part either */
};

/* A place that lies as p does: there the kernel moves large pages, and tables of small ones, whole.
 * NULL: none was found. */
static void *
place_like(const uint8_t *p, size_t bytes)
{
	const uintptr_t all = PAGES_LARGE_BYTES;
	uint8_t *free;

	if (bytes < PAGES_LARGE_BYTES) {
		return NULL;
	}
	free = mmap(NULL, bytes + all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	if (free == MAP_FAILED) {
		return NULL;
	}
	munmap(free, bytes + all);
	return free + ((uintptr_t)p - (uintptr_t)free) % all;
}

/* Takes the pages of a range away; the range stays, empty. NULL: it is not one mapping, or errno is
 * ENOMEM. */
static uint8_t *
take(uint8_t *p, size_t bytes)
{
	/* Where there is room, here if nobody else has come to it since. The kernel looks at it,
	 * whatever the manual says. */
	void *to = mremap(p, bytes, bytes, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, place_like(p, bytes));

	return to == MAP_FAILED ? NULL : to;
}

/* Puts what was taken to p, where it must be in the end. */
static void
put(uint8_t *taken, uint8_t *p, size_t bytes)
{
	void *there;

	if (mremap(taken, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p) {
		return;
	}
	/* Where mappings are short the kernel has refused before it did anything, and what take
	 * left is there. Else it may have gone. */
	there = mmap(p, bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	REQUIRE(there == p || errno == EEXIST, "no memory for what has no other place: errno %d",
		errno);
	memcpy(p, taken, bytes);
	munmap(taken, bytes);
}

/* Keeps P3. */
static enum exchanged
exchange(struct pages *ps, uint8_t *at, uint8_t *with, size_t bytes)
{
	size_t from = (size_t)(at - ps->mem) / PAGES_BYTES, to = from + bytes / PAGES_BYTES;
	uint8_t *theirs, *ours;

	if (ps->cut_cnt + 2 > ps->cut_max + cuts_within(ps, from, to, false)) {
		return EXCHANGE_LESS;
	}
	theirs = take(with, bytes);
	if (theirs == NULL) {
		return errno == ENOMEM ? EXCHANGE_FULL : EXCHANGE_LESS;
	}
	ours = take(at, bytes);
	if (ours == NULL) {
		enum exchanged why = errno == ENOMEM ? EXCHANGE_FULL : EXCHANGE_LESS;

		put(theirs, with, bytes);
		return why;
	}
	put(theirs, at, bytes);
	put(ours, with, bytes);
	(void)cuts_within(ps, from, to, true);
	cut_set(ps, from, true);
	cut_set(ps, to, true);
	return EXCHANGED;
}

/* Keeps P2. Returns: whether all was brought. */
static bool
bring(struct pages *ps, uint8_t *at, uint8_t *with, size_t *bytes, size_t *left)
{
	size_t all = *bytes, first = ALIGN_UP(all / 2, (size_t)PAGES_BYTES), rest = all - first;
	enum exchanged done;

	if (all <= LEAF_BYTES) {
		*bytes = MIN(all, *left);
		memcpy(at, with, *bytes);
		*left -= *bytes;
		return *bytes == all;
	}
	done = exchange(ps, at, with, all);
	if (done != EXCHANGE_LESS) {
		*bytes = done == EXCHANGED ? all : 0;
		return done == EXCHANGED;
	}
	if (!bring(ps, at, with, &first, left)) {
		*bytes = first;
		return false;
	}
	if (!bring(ps, at + first, with + first, &rest, left)) {
		*bytes = first + rest;
		return false;
	}
	return true;
}

size_t
pages_bring(struct pages *ps, uint8_t *at, uint8_t *with, size_t bytes)
{
	size_t left = LEAF_MOST;

	REQUIRE(((uintptr_t)at | (uintptr_t)with | bytes) % PAGES_BYTES == 0);
	REQUIRE(at >= ps->mem && at + bytes <= ps->mem + ps->bytes);
	if (bytes > 0) {
		(void)bring(ps, at, with, &bytes, &left);
	}
	return bytes;
}
