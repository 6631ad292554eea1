/* SPDX-License-Identifier: Apache-2.0 */
/* bad_merge - an object whose merge is none: an average depends on the grouping */
#include <stdio.h>
#include <stdlib.h>

#include <microburst/function.h>

static double
number(struct mb_slice s)
{
	char text[32] = "";

	memcpy(text, s.p, s.len < sizeof(text) ? s.len : sizeof(text) - 1);
	return strtod(text, NULL);
}

MB_MERGE(average, MB_SAMPLE("1"), MB_SAMPLE("2"), MB_SAMPLE("4"))
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%.17g", (number(a) + number(b)) / 2);

	return mb_merged_set(out, mb_slice_of(text, (size_t)len));
}

MB_FUNCTION(never)
{
	return 0;
}
