/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   items are found where they are, damaged tables lead nowhere outside, a builder writes all
 *         or nothing, and a merge is the union whatever lies where.
 * Method: damage each byte of a table to each value and use it in every way, in memory of its exact
 *         size; then merges of random tables against a bitmap. */
#include "table.h"

#include <stdio.h>

#include "made.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

static struct slice
whole(struct slice item)
{
	return item;
}

static int
any(struct slice item, unsigned int depth)
{
	return 0;
}

static void
damage_leads_nowhere(void **state)
{
	const struct slice good = gset_made("a bb ccc dddd");
	const struct slice other = gset_made("aa bb x");
	uint8_t *bytes = made_alloc(good.len);
	uint8_t buf[128];

	for (size_t i = 0; i < good.len; i++) {
		for (unsigned int v = 0; v < 256; v++) {
			struct slice bad = slice_of(bytes, good.len);
			struct wbuf out = wbuf_init(buf, sizeof(buf));
			struct slice member;

			memcpy(bytes, good.p, good.len);
			bytes[i] = (uint8_t)v;
			for (uint32_t m = 0; gset_at(bad, m, &member); m++) {
				assert_true(member.len == 0 ||
					    (member.p >= bytes &&
					     member.p + member.len <= bytes + bad.len));
			}
			(void)gset_has(bad, slice_str("ccc"));
			(void)lattice_leq(LATTICE_GSET, bad, other);
			(void)lattice_leq(LATTICE_GSET, other, bad);
			(void)lattice_merge(LATTICE_GSET, bad, other, &out);
			(void)lattice_merge(LATTICE_GSET, other, bad, &out);
			if (lattice_check(LATTICE_GSET, bad) == 0) {
				/* Still sorted, each once: it must behave as a set. */
				assert_true(lattice_leq(LATTICE_GSET, bad, bad));
			}
		}
	}
}

static void
disorder_is_refused(void **state)
{
	static const struct {
		const char *why;
		uint8_t bytes[16];
		size_t len;
	} rows[] = {
		{ "no room for an end", { 1, 0, 0 }, 3 },
		{ "items longer than all", { 'a', 2, 0, 0, 0 }, 5 },
		{ "ends of 3 bytes", { 'a', 0, 0, 1, 0, 0, 0 }, 7 },
		{ "falling ends", { 'a', 'b', 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0 }, 14 },
		{ "an end beyond the items", { 'a', 9, 0, 0, 0, 1, 0, 0, 0 }, 9 },
		{ "out of order", { 'b', 'a', 1, 0, 0, 0, 2, 0, 0, 0 }, 10 },
		{ "one twice", { 'a', 'a', 1, 0, 0, 0, 2, 0, 0, 0 }, 10 },
		{ "the empty one twice", { 0, 0, 0, 0, 0, 0, 0, 0 }, 8 },
		{ "a prefix behind", { 'a', 'b', 'a', 2, 0, 0, 0, 3, 0, 0, 0 }, 11 },
	};

	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		const struct slice v = made_copy(slice_of(rows[i].bytes, rows[i].len));

		if (table_check(v, whole, any, 0) != MB_ERR_CORRUPT) {
			fail_msg("accepted: %s", rows[i].why);
		}
	}
}

static void
a_cut_is_refused(void **state)
{
	const struct slice good = gset_made("a bb ccc dddd");

	for (size_t len = 1; len < good.len; len++) {
		assert_int_equal(table_check(made_copy(slice_of(good.p, len)), whole, any, 0),
				 MB_ERR_CORRUPT);
	}
}

static void
all_or_nothing_is_built(void **state)
{
	const struct slice member[] = { slice_str("one"), slice_str("two") };
	uint8_t buf[17];

	for (size_t cap = 0; cap <= 16; cap++) {
		struct wbuf out = wbuf_init(buf, cap);

		wbuf_u8(&out, 'x'); /* not to be touched */
		if (cap < 15) {
			assert_int_equal(gset_delta_add(member, 2, &out), MB_ERR_TOO_LARGE);
			assert_int_equal(out.len, cap == 0 ? 0 : 1);
		} else {
			assert_int_equal(gset_delta_add(member, 2, &out), 0);
			assert_int_equal(out.len, 15);
			assert_memory_equal(buf, "xonetwo\3\0\0\0\6\0\0\0", 15);
		}
		assert_int_equal(out.cap, cap);
	}
}

static void
each_item_is_found_in_its_place(void **state)
{
	const struct slice v = gset_made("b d f h j l n");
	struct table t;
	struct slice item;
	uint32_t idx;

	assert_int_equal(table_open(v, &t), 0);
	assert_int_equal(t.cnt, 7);
	for (uint32_t i = 0; i < 15; i++) {
		const uint8_t name = (uint8_t)('a' + i);

		assert_int_equal(table_place(&t, whole, slice_of(&name, 1), 0, t.cnt, &idx), i % 2);
		assert_int_equal(idx, i / 2);
		item = slice_str("as before");
		assert_int_equal(table_find(&t, whole, slice_of(&name, 1), &item), i % 2);
		assert_true(slice_eq(item, i % 2 ? slice_of(&name, 1) : slice_str("as before")));
	}
	assert_int_equal(table_item(&t, 7).len, 0);
	assert_int_equal(table_item(&t, UINT32_MAX).len, 0);
	assert_int_equal(table_open(slice_of(NULL, 0), &t), 0);
	assert_false(table_place(&t, whole, slice_str("b"), 0, 0, &idx));
	assert_int_equal(idx, 0);
	assert_false(table_find(&t, whole, slice_str("b"), &item));
}

/* ----------------------------------------------------------------- against a bitmap of members */

enum { UNIVERSE = 600 };

struct picture {
	bool has[UNIVERSE];
};

/* Members that are often prefixes of each other; 0 is the empty one. */
static struct slice
name_of(uint32_t i, char buf[8])
{
	return slice_of(buf, i == 0 ? 0 : (size_t)snprintf(buf, 8, "%o", i));
}

static int
name_cmp(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static struct slice
set_of(const struct picture *p)
{
	static char names[UNIVERSE][8];
	struct slice member[UNIVERSE];
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < UNIVERSE; i++) {
		if (p->has[i]) {
			member[cnt++] = name_of(i, names[i]);
		}
	}
	qsort(member, cnt, sizeof(member[0]), name_cmp);
	return MADE(cnt * 12, gset_delta_add(member, cnt, out));
}

/* From empty to full, in lumps or scattered. */
static struct picture
random_picture(struct rng *rng)
{
	struct picture p = { 0 };
	uint64_t density = rng_below(rng, 101);
	uint64_t lump = 1 + rng_below(rng, 40);

	for (uint32_t i = 0; i < UNIVERSE; i++) {
		p.has[i] = i % lump != 0 ? p.has[i - 1] : rng_below(rng, 100) < density;
	}
	return p;
}

static void
a_merge_is_the_union(void **state)
{
	struct rng rng;

	rng_init(&rng, test_seed("table"));
	for (int round = 0; round < 2000; round++) {
		const struct picture a = random_picture(&rng);
		struct picture b = random_picture(&rng);
		struct picture both;
		struct slice sa, sb, sboth, merge;
		char buf[8];

		if (rng_below(&rng, 3) == 0) { /* few into many */
			for (uint32_t i = 0; i < UNIVERSE; i++) {
				b.has[i] = rng_below(&rng, 200) == 0;
			}
		}
		for (uint32_t i = 0; i < UNIVERSE; i++) {
			both.has[i] = a.has[i] || b.has[i];
		}
		sa = set_of(&a);
		sb = set_of(&b);
		sboth = set_of(&both);
		merge = merged(LATTICE_GSET, sa, sb);
		assert_int_equal(table_check(merge, whole, any, 0), 0);
		assert_true(slice_eq(merge, sboth));
		for (uint32_t i = 0; i < UNIVERSE; i += 7) {
			assert_int_equal(gset_has(merge, name_of(i, buf)), both.has[i]);
		}
		made_forget();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_leads_nowhere),
		cmocka_unit_test(disorder_is_refused),
		cmocka_unit_test(a_cut_is_refused),
		cmocka_unit_test(all_or_nothing_is_built),
		cmocka_unit_test(each_item_is_found_in_its_place),
		cmocka_unit_test(a_merge_is_the_union),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
