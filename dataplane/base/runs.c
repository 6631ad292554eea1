/* SPDX-License-Identifier: Apache-2.0 */
/* runs.c - a bit a page, and a tree of longest rows above the bits
 *
 *	level 2             [ first longest last ]                    256 pages a node
 *	level 1      [ f l l ]              [ f l l ]                 128 pages a node
 *	level 0   [f l l] [f l l]        [f l l] [f l l]               64 pages a node: a word
 *	bits      1110..  ..1111         11....  ......1
 *	                     └─────────────┘ a row may cross any boundary
 *
 * I1  A bit is 1 exactly when its page is free. Bits behind the last page are 0.
 * I2  A node of level 0 describes its word; a node above describes its two children side by side.
 *     Where there is no second child, a node of zeroes stands for it, taken pages like the bits of
 *     I1: so every node has a neighbour, and all nodes of a level have the same length.
 * I3  Hence the root's longest is the longest free row there is, and alloc fails only for more.
 *
 * Finding the lowest row of n starts at the root: it lies in the left child, if that has a row of
 * n; else across the middle, if the left's last and the right's first together are n; else in the
 * right child. The highest row is the mirror image. Every step is one comparison of two neighbours
 * in memory. A change writes its words, then the parents of what it changed, and stops at the first
 * level where nothing changed.
 *
 * Rejected: lists of free runs by size (merging needs both neighbours' lengths, the place is
 * whatever was freed last, and addresses fragment); a tree ordered by address (nodes inside the
 * free pages: each step a cold line).
 */
#include "runs.h"

#include <string.h>

#include "check.h"

enum { WORD = 64 };

/* ------------------------------------------------------------------ words */

static uint64_t
ones(unsigned from, unsigned cnt)
{
	return (cnt < WORD ? (UINT64_C(1) << cnt) - 1 : UINT64_MAX) << from;
}

static unsigned
leading_ones(uint64_t w) /* from bit 0 up: pages in order */
{
	return w == UINT64_MAX ? WORD : (unsigned)__builtin_ctzll(~w);
}

static struct runs_node
word_node(uint64_t w)
{
	struct runs_node node = { .first = leading_ones(w) };

	node.last = w == UINT64_MAX ? WORD : (unsigned)__builtin_clzll(~w);
	while (w != 0) {
		unsigned len;

		w >>= __builtin_ctzll(w);
		len = leading_ones(w);
		node.longest = MAX(node.longest, len);
		w = len < WORD ? w >> len : 0;
	}
	return node;
}

/* The first bit of the lowest or highest row of cnt ones; the word has one. */
static unsigned
word_find(uint64_t w, uint32_t cnt, enum runs_end end)
{
	/* Invariant: bit i of w is set when the word had `row` ones from i on. */
	for (uint32_t row = 1; row < cnt;) {
		uint32_t more = MIN(row, cnt - row);

		w &= w >> more;
		row += more;
	}
	INSIST(w != 0);
	return end == RUNS_LOW ? (unsigned)__builtin_ctzll(w) : 63 - (unsigned)__builtin_clzll(w);
}

/* ------------------------------------------------------------------- tree */

static struct runs_node
pair_node(const struct runs *r, uint32_t level, uint32_t i)
{
	const struct runs_node *a = &r->level[level - 1][2 * i];
	const struct runs_node *b = a + 1;
	uint32_t half = (uint32_t)WORD << (level - 1);

	return (struct runs_node){
		.first = a->first == half ? half + b->first : a->first,
		.longest = MAX(MAX(a->longest, b->longest), a->last + b->first),
		.last = b->last == half ? half + a->last : b->last,
	};
}

static bool
node_eq(struct runs_node a, struct runs_node b)
{
	return a.first == b.first && a.longest == b.longest && a.last == b.last;
}

static struct runs_node
node_from_below(const struct runs *r, uint32_t level, uint32_t i)
{
	return level == 0 ? word_node(r->free[i]) : pair_node(r, level, i);
}

/* Makes the tree agree with the words from..to. Keeps I2. */
static void
tree_update(struct runs *r, uint32_t from, uint32_t to)
{
	for (uint32_t level = 0; level < r->level_cnt; level++, from /= 2, to /= 2) {
		bool changed = false;

		for (uint32_t i = from; i <= to; i++) {
			struct runs_node *node = &r->level[level][i];
			struct runs_node now = node_from_below(r, level, i);

			changed |= !node_eq(*node, now);
			*node = now;
		}
		if (!changed) {
			return;
		}
	}
}

/* Flips cnt bits, all of which are `were_free`. Keeps I1 and I2. */
static void
pages_flip(struct runs *r, uint32_t page, uint32_t cnt, bool were_free)
{
	uint32_t from = page / WORD;
	uint32_t i = from;

	REQUIRE(cnt > 0 && page < r->page_cnt && cnt <= r->page_cnt - page, "page=%u cnt=%u of %u",
		page, cnt, r->page_cnt);
	while (cnt > 0) {
		unsigned bit = page % WORD;
		uint32_t here = MIN(cnt, WORD - bit);
		uint64_t mask = ones(bit, here);

		i = page / WORD;
		REQUIRE((r->free[i] & mask) == (were_free ? mask : 0), "page=%u", page);
		r->free[i] ^= mask;
		page += here;
		cnt -= here;
	}
	tree_update(r, from, i);
}

/* -------------------------------------------------------------------- use */

static uint32_t
word_cnt(uint32_t page_cnt)
{
	return page_cnt / WORD + (page_cnt % WORD != 0);
}

static uint32_t
level_above(uint32_t nodes)
{
	return nodes / 2 + nodes % 2;
}

/* The nodes of a level below the root as they lie in memory: each has a neighbour (I2). */
static size_t
paired(uint32_t nodes)
{
	return (size_t)nodes + nodes % 2;
}

size_t
runs_footprint(uint32_t page_cnt)
{
	uint32_t nodes = word_cnt(page_cnt);
	size_t bytes = nodes * sizeof(uint64_t);

	for (; nodes > 1; nodes = level_above(nodes)) {
		bytes += paired(nodes) * sizeof(struct runs_node);
	}
	return bytes + sizeof(struct runs_node);
}

void
runs_init(struct runs *r, void *mem, uint32_t page_cnt)
{
	uint32_t words = word_cnt(page_cnt);
	struct runs_node *node;

	REQUIRE(page_cnt > 0 && page_cnt < RUNS_NONE);
	REQUIRE((uintptr_t)mem % sizeof(uint64_t) == 0);
	*r = (struct runs){ .page_cnt = page_cnt, .free = mem };

	memset(r->free, 0xff, words * sizeof(uint64_t));
	if (page_cnt % WORD != 0) {
		r->free[words - 1] = ones(0, page_cnt % WORD);
	}

	node = (struct runs_node *)(r->free + words);
	for (uint32_t nodes = words;; nodes = level_above(nodes)) {
		uint32_t level = r->level_cnt++;

		r->level[level] = node;
		r->node_cnt[level] = nodes;
		for (uint32_t i = 0; i < nodes; i++) {
			node[i] = node_from_below(r, level, i);
		}
		if (nodes == 1) {
			return;
		}
		if (nodes % 2 != 0) {
			node[nodes] = (struct runs_node){ 0, 0, 0 };
		}
		node += paired(nodes);
	}
}

/* Where the lowest or highest row of cnt begins, or ends at its top: see the argument above. */
static uint32_t
row_find(const struct runs *r, uint32_t cnt, enum runs_end end)
{
	uint32_t level = r->level_cnt - 1;
	uint32_t i = 0;

	if (r->level[level][0].longest < cnt) {
		return RUNS_NONE;
	}
	for (; level > 0; level--) {
		const struct runs_node *a = &r->level[level - 1][2 * i];
		const struct runs_node *b = a + 1;
		const struct runs_node *preferred = end == RUNS_LOW ? a : b;
		uint32_t middle = (2 * i + 1) * ((uint32_t)WORD << (level - 1));

		if (preferred->longest >= cnt) {
			i = 2 * i + (end == RUNS_HIGH);
		} else if (a->last + b->first >= cnt) {
			return end == RUNS_LOW ? middle - a->last : middle + b->first - cnt;
		} else {
			i = 2 * i + (end == RUNS_LOW);
		}
	}
	return i * WORD + word_find(r->free[i], cnt, end);
}

uint32_t
runs_alloc(struct runs *r, uint32_t cnt, enum runs_end end)
{
	uint32_t page;

	REQUIRE(cnt > 0);
	page = row_find(r, cnt, end);
	if (page != RUNS_NONE) {
		pages_flip(r, page, cnt, true);
	}
	return page;
}

uint32_t
runs_alloc_at(struct runs *r, uint32_t cnt, uint32_t every, uint32_t phase)
{
	uint32_t page;

	REQUIRE(cnt > 0 && phase < every && every <= RUNS_NONE - cnt);
	page = row_find(r, cnt + every - 1, RUNS_HIGH);
	if (page != RUNS_NONE) {
		page += every - 1;
		page -= (page + every - phase) % every;
		pages_flip(r, page, cnt, true);
	}
	return page;
}

void
runs_free(struct runs *r, uint32_t page, uint32_t cnt)
{
	pages_flip(r, page, cnt, false);
}

bool
runs_is_free(const struct runs *r, uint32_t page)
{
	REQUIRE(page < r->page_cnt);
	return (r->free[page / WORD] >> page % WORD & 1) != 0;
}

void
runs_check(const struct runs *r)
{
	uint32_t words = word_cnt(r->page_cnt);

	INSIST(r->page_cnt % WORD == 0 || r->free[words - 1] >> r->page_cnt % WORD == 0);
	for (uint32_t level = 0; level < r->level_cnt; level++) {
		for (uint32_t i = 0; i < r->node_cnt[level]; i++) {
			struct runs_node want = node_from_below(r, level, i);

			INSIST(node_eq(want, r->level[level][i]), "level=%u i=%u", level, i);
		}
	}
}
