/* SPDX-License-Identifier: Apache-2.0 */
/* locality.c - the sum of ten stored arrays: how much it costs that they are stored */
#include "locality.h"

#include <microburst/function.h>

/* bench_sum SET: the sum of the arrays "sum:<set>:0" .. ":9". */
MB_FUNCTION(bench_sum)
{
	char key[LOCALITY_KEY_BYTES];
	struct mb_slice value;
	double sum = 0;
	int64_t set;

	MB_TRY(mb_arg_i64(call, 0, &set));
	for (unsigned i = 0; i < LOCALITY_ARRAYS; i++) {
		size_t len = locality_key(key, set, i);

		MB_TRY(mb_get(call, mb_slice_of(key, len), &value));
		sum += locality_sum(value.p, value.len / sizeof(double));
	}
	return mb_return_f64(call, sum);
}
