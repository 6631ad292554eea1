/* SPDX-License-Identifier: Apache-2.0 */
/* lww.c - the greater of a total order
 *
 * Why the merge is a merge: (time, writer, bytes), compared in this order, is a total order on all
 * values, and the maximum of a total order is commutative, associative and idempotent. The bytes
 * must be part of it: a rule that keeps "mine" or takes "theirs" when stamps are equal is not
 * commutative, and two replicas that ever hold different bytes under one stamp would differ for
 * ever.
 */
#include "lww.h"

#include "codec.h"
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"

static_assert(LWW_OVERHEAD == STAMP_BYTES, "nothing but the stamp");

static int
lww_cmp(struct slice a, struct slice b)
{
	struct stamp stamp_a = codec_stamp(codec_cut(&a, STAMP_BYTES).p);
	struct stamp stamp_b = codec_stamp(codec_cut(&b, STAMP_BYTES).p);
	int diff = stamp_cmp(stamp_a, stamp_b);

	return diff != 0 ? diff : slice_cmp(a, b);
}

int
lww_check(struct slice v, unsigned int depth)
{
	return v.len < LWW_OVERHEAD ? MB_ERR_CORRUPT : 0;
}

int
lww_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	if (unlikely(a.len < LWW_OVERHEAD || b.len < LWW_OVERHEAD)) {
		return MB_ERR_CORRUPT;
	}
	return lww_cmp(a, b) >= 0 ? LATTICE_LEFT : LATTICE_RIGHT;
}

bool
lww_leq(struct slice a, struct slice b, unsigned int depth)
{
	return a.len >= LWW_OVERHEAD && b.len >= LWW_OVERHEAD && lww_cmp(a, b) <= 0;
}

int
lww_delta_set(struct stamp stamp, struct slice bytes, struct wbuf *out)
{
	struct wbuf before = *out;

	codec_put_slice(out, bytes);
	codec_put_stamp(out, stamp);
	return codec_done(out, before);
}

int
lww_read(struct slice v, struct slice *ret_bytes, struct stamp *ret_stamp)
{
	if (v.len < LWW_OVERHEAD) {
		return v.len == 0 ? MB_ERR_NOT_FOUND : MB_ERR_CORRUPT;
	}
	*ret_stamp = codec_stamp(codec_cut(&v, STAMP_BYTES).p);
	*ret_bytes = v;
	return 0;
}
