/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a merge that breaks a law is refused, with the values that show it; one that keeps them
 *         is taken.
 * Method: a merge for each law, which breaks that one only; the sentence is read. */
#include "merge_law.h"

#include "microburst/error.h"
#include "test_cmocka.h"

static const struct mb_merge *added; /* the last one */

void
mb_merge_add(const struct mb_merge *merge)
{
	added = merge;
}

static char why[512];

static int
check(const struct mb_merge *merge)
{
	why[0] = '\0';
	return merge_law_check(merge, why, sizeof(why));
}

static void
says(const struct mb_merge *merge, const char *text)
{
	assert_int_equal(check(merge), MB_ERR_LOAD);
	if (strstr(why, text) == NULL) {
		fail_msg("'%s' does not say '%s'", why, text);
	}
}

#define ALL MB_SAMPLE("b"), MB_SAMPLE("a"), MB_SAMPLE("ccc"), MB_SAMPLE("\0x")

static int
order(struct mb_slice a, struct mb_slice b)
{
	int diff = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return diff != 0 ? diff : (a.len > b.len) - (a.len < b.len);
}

MB_MERGE(greatest, ALL)
{
	return mb_merged_set(out, order(a, b) >= 0 ? a : b);
}

MB_MERGE(first, ALL)
{
	return mb_merged_set(out, a);
}

MB_MERGE(both, ALL)
{
	uint8_t *p;
	void *place;
	int err = mb_merged_reserve(out, a.len + b.len, &place);

	if (err == 0) {
		const struct mb_slice *low = order(a, b) <= 0 ? &a : &b;
		const struct mb_slice *high = low == &a ? &b : &a;

		p = place;
		memcpy(p, low->p, low->len);
		memcpy(p + low->len, high->p, high->len);
	}
	return err;
}

/* Of two the middle letter: commutative, idempotent, and no more. */
MB_MERGE(middle, MB_SAMPLE("a"), MB_SAMPLE("c"), MB_SAMPLE("i"))
{
	uint8_t c = (uint8_t)((*(const uint8_t *)a.p + *(const uint8_t *)b.p) / 2);

	return mb_merged_set(out, mb_slice_of(&c, 1));
}

MB_MERGE(counted, ALL)
{
	static uint8_t n;

	n++;
	return order(a, b) == 0 ? mb_merged_set(out, a) : mb_merged_set(out, mb_slice_of(&n, 1));
}

MB_MERGE(silent, ALL)
{
	return 0;
}

MB_MERGE(twice, ALL)
{
	int err = mb_merged_set(out, a);

	return err != 0 ? err : mb_merged_set(out, b);
}

MB_MERGE(picky, ALL)
{
	return b.len == 3 ? MB_ERR_INVALID : mb_merged_set(out, a);
}

MB_MERGE(huge, ALL)
{
	void *p;

	return mb_merged_reserve(out, (size_t)MERGE_LAW_BYTES + 1, &p);
}

MB_MERGE(lonely, MB_SAMPLE("a"))
{
	return mb_merged_set(out, a);
}

MB_MERGE(alike, MB_SAMPLE("a"), MB_SAMPLE("a"))
{
	return mb_merged_set(out, a);
}

#define LETTERS                                                                                    \
	MB_SAMPLE("a"), MB_SAMPLE("b"), MB_SAMPLE("c"), MB_SAMPLE("d"), MB_SAMPLE("e"),            \
		MB_SAMPLE("f"), MB_SAMPLE("g"), MB_SAMPLE("h")
#define CAPITALS                                                                                   \
	MB_SAMPLE("A"), MB_SAMPLE("B"), MB_SAMPLE("C"), MB_SAMPLE("D"), MB_SAMPLE("E"),            \
		MB_SAMPLE("F"), MB_SAMPLE("G"), MB_SAMPLE("H")
MB_MERGE(letters, LETTERS, CAPITALS, LETTERS, CAPITALS)
{
	return mb_merged_set(out, order(a, b) <= 0 ? a : b);
}

MB_MERGE(many, LETTERS, CAPITALS, LETTERS, CAPITALS, MB_SAMPLE("a"))
{
	return mb_merged_set(out, order(a, b) <= 0 ? a : b);
}

static void
what_is_no_merge_is_refused(void **state)
{
	says(&mb_merge_def_first, "'first' is not commutative: merge(\"a\", \"b\") = \"a\", but "
				  "merge(\"b\", \"a\") = \"b\"");
	says(&mb_merge_def_both, "'both' is not idempotent");
	says(&mb_merge_def_middle, "'middle' is not associative: merge(merge(");
	says(&mb_merge_def_counted, "'counted' is not deterministic");
	says(&mb_merge_def_silent, "makes nothing of");
	says(&mb_merge_def_twice, "refuses");
	says(&mb_merge_def_picky, "'picky' refuses");
	says(&mb_merge_def_huge, "larger than the limit");
	says(&mb_merge_def_lonely, "two samples");
	says(&mb_merge_def_alike, "two samples that differ");
	says(&mb_merge_def_many, "'many' has 33 samples: it may have 32");
}

/* The smallest letter, but beside "zz" the left one: only the last of many samples shows it. */
MB_MERGE(late_left, LETTERS, CAPITALS, MB_SAMPLE("zz"))
{
	return mb_merged_set(out, a.len == 2 || b.len == 2 || order(a, b) <= 0 ? a : b);
}

static void
each_sample_is_looked_at(void **state)
{
	says(&mb_merge_def_late_left, "'late_left' is not commutative");
	assert_int_equal(check(&mb_merge_def_letters), 0);
}

static void
what_is_one_is_taken(void **state)
{
	assert_int_equal(check(&mb_merge_def_greatest), 0);
	assert_string_equal(why, "");
	assert_ptr_not_equal(added, NULL); /* they announce themselves */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_merge_is_refused),
		cmocka_unit_test(each_sample_is_looked_at),
		cmocka_unit_test(what_is_one_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
