/* SPDX-License-Identifier: Apache-2.0 */
/* bad_merge_twice - an object with two merges of one name, as two files of it can have. One that is
 * called as a function of function.h ends is no mistake. */
#include <microburst/function.h>

MB_MERGE(max, MB_SAMPLE("a"), MB_SAMPLE("b"))
{
	return mb_merged_set(out, *(const char *)a.p > *(const char *)b.p ? a : b);
}

MB_MERGE(add, MB_SAMPLE("a"), MB_SAMPLE("b"))
{
	return mb_merge_run_max(a, b, out);
}

__attribute__((__constructor__)) static void
once_more(void)
{
	static struct mb_merge other;

	other = mb_merge_def_max;
	mb_merge_add(&other);
}

MB_FUNCTION(never)
{
	return 0;
}
