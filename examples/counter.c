/* SPDX-License-Identifier: Apache-2.0 */
/* counter.c - state: what is written here is there for the next call, wherever it runs
 *
 *	microburst deploy examples/counter.c
 *	microburst call visit ada
 *	microburst members visitors
 *
 * Keys hold strings, sets or maps. Writes that several calls make at the same time are merged: no
 * increment is lost and no member forgotten. A function's writes are published together when it
 * returns; if it fails, none of them happened.
 */
#include <microburst/function.h>

/* visit NAME: counts the visit and gives the count. */
MB_FUNCTION(visit)
{
	struct mb_slice name;
	int64_t visits;

	MB_TRY(mb_arg_utf8(call, 0, &name));
	MB_TRY(mb_sadd(call, mb_str("visitors"), name));
	MB_TRY(mb_incr(call, mb_str("visits"), 1, &visits));
	return mb_return_i64(call, visits);
}

/* visits: how many visits, by how many visitors. */
MB_FUNCTION(visits)
{
	int64_t visits = 0;
	uint64_t visitors;
	int err = mb_get_i64(call, mb_str("visits"), &visits);

	if (err != 0 && err != MB_ERR_NOT_FOUND) { /* nobody has come yet: 0 */
		return err;
	}
	MB_TRY(mb_scard(call, mb_str("visitors"), &visitors));
	MB_TRY(mb_return_i64(call, visits));
	return mb_return_i64(call, (int64_t)visitors);
}
