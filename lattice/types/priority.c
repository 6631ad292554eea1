/* SPDX-License-Identifier: Apache-2.0 */
/* priority.c - the smaller of a total order
 *
 * Why the merge is a merge: (number, bytes), compared in this order, is a total order, and the
 * minimum of a total order is commutative, associative and idempotent. "Below" is turned around:
 * what wins is the greater value of the lattice.
 */
#include "priority.h"

#include "codec.h"
#include "lattice.h"
#include "microburst/error.h"

int
priority_read(struct slice v, struct slice *ret_bytes, int64_t *ret_number)
{
	if (v.len < PRIORITY_OVERHEAD) {
		return v.len == 0 ? MB_ERR_NOT_FOUND : MB_ERR_CORRUPT;
	}
	*ret_number = (int64_t)codec_u64(codec_cut(&v, PRIORITY_OVERHEAD).p);
	*ret_bytes = v;
	return 0;
}

/* < 0: a wins. */
static int
priority_cmp(struct slice a, struct slice b)
{
	struct slice bytes_a = a, bytes_b = b;
	int64_t number_a = 0, number_b = 0;

	(void)priority_read(a, &bytes_a, &number_a);
	(void)priority_read(b, &bytes_b, &number_b);
	if (number_a != number_b) {
		return number_a < number_b ? -1 : 1;
	}
	return slice_cmp(bytes_a, bytes_b);
}

int
priority_check(struct slice v, unsigned int depth)
{
	return v.len < PRIORITY_OVERHEAD ? MB_ERR_CORRUPT : 0;
}

int
priority_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	if (a.len < PRIORITY_OVERHEAD || b.len < PRIORITY_OVERHEAD) {
		return MB_ERR_CORRUPT;
	}
	return priority_cmp(a, b) <= 0 ? LATTICE_LEFT : LATTICE_RIGHT;
}

bool
priority_leq(struct slice a, struct slice b, unsigned int depth)
{
	return priority_cmp(b, a) <= 0;
}

int
priority_delta(int64_t number, struct slice bytes, struct wbuf *out)
{
	struct wbuf before = *out;

	codec_put_slice(out, bytes);
	wbuf_u64(out, (uint64_t)number);
	return codec_done(out, before);
}
