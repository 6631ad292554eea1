/* SPDX-License-Identifier: Apache-2.0 */
/* scalar.c - maximum and minimum of single numbers
 *
 * Each is the maximum of a total order (for min_u64, of the order turned round), hence a merge. The
 * orders are on numbers, the law "equal values, equal bytes" on encodings: the two meet because
 * every number has one encoding. For doubles that takes two refusals: NaN is in no order, and -0 is
 * equal to +0 in other bytes; merged as they come, either would let replicas differ for ever.
 */
#include "scalar.h"

#include <math.h>

#include "codec.h"
#include "lattice.h"
#include "microburst/error.h"

static int
side_of(int cmp)
{
	return cmp >= 0 ? LATTICE_LEFT : LATTICE_RIGHT;
}

/* ------------------------------------------------------------------------------------- bool_or */

int
bool_or_check(struct slice v, unsigned int depth)
{
	return v.len == 1 && v.p[0] <= 1 ? 0 : MB_ERR_CORRUPT;
}

int
bool_or_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	if (a.len != 1 || b.len != 1) {
		return MB_ERR_CORRUPT;
	}
	return side_of((int)a.p[0] - (int)b.p[0]);
}

bool
bool_or_leq(struct slice a, struct slice b, unsigned int depth)
{
	return a.len == 1 && b.len == 1 && a.p[0] <= b.p[0];
}

int
bool_or_delta(bool v, struct wbuf *out)
{
	struct wbuf before = *out;

	wbuf_u8(out, v ? 1 : 0);
	return codec_done(out, before);
}

int
bool_or_read(struct slice v, bool *ret_v)
{
	if (v.len != 1) {
		return v.len == 0 ? MB_ERR_NOT_FOUND : MB_ERR_CORRUPT;
	}
	*ret_v = v.p[0] != 0;
	return 0;
}

/* ----------------------------------------------------------------------------- max_u64, min_u64 */

static int
u64_cmp(struct slice a, struct slice b)
{
	uint64_t x = codec_u64(a.p);
	uint64_t y = codec_u64(b.p);

	return (x > y) - (x < y);
}

static bool
both_u64(struct slice a, struct slice b)
{
	return a.len == sizeof(uint64_t) && b.len == sizeof(uint64_t);
}

int
max_u64_check(struct slice v, unsigned int depth)
{
	return v.len == sizeof(uint64_t) ? 0 : MB_ERR_CORRUPT;
}

int
max_u64_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	return both_u64(a, b) ? side_of(u64_cmp(a, b)) : MB_ERR_CORRUPT;
}

bool
max_u64_leq(struct slice a, struct slice b, unsigned int depth)
{
	return both_u64(a, b) && u64_cmp(a, b) <= 0;
}

int
min_u64_check(struct slice v, unsigned int depth)
{
	return v.len == sizeof(uint64_t) ? 0 : MB_ERR_CORRUPT;
}

int
min_u64_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	return both_u64(a, b) ? side_of(u64_cmp(b, a)) : MB_ERR_CORRUPT;
}

bool
min_u64_leq(struct slice a, struct slice b, unsigned int depth)
{
	return both_u64(a, b) && u64_cmp(b, a) <= 0;
}

int
u64_delta(uint64_t v, struct wbuf *out)
{
	struct wbuf before = *out;

	wbuf_u64(out, v);
	return codec_done(out, before);
}

int
u64_read(struct slice v, uint64_t *ret_v)
{
	if (v.len != sizeof(uint64_t)) {
		return v.len == 0 ? MB_ERR_NOT_FOUND : MB_ERR_CORRUPT;
	}
	*ret_v = codec_u64(v.p);
	return 0;
}

/* ------------------------------------------------------------------------------------- max_f64 */

static double
f64_at(const uint8_t *p)
{
	uint64_t bits = codec_u64(p);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

int
max_f64_check(struct slice v, unsigned int depth)
{
	double d;

	if (v.len != sizeof(d)) {
		return MB_ERR_CORRUPT;
	}
	d = f64_at(v.p);
	return isnan(d) || (d == 0 && signbit(d)) ? MB_ERR_CORRUPT : 0;
}

int
max_f64_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	if (!both_u64(a, b)) {
		return MB_ERR_CORRUPT;
	}
	return f64_at(a.p) < f64_at(b.p) ? LATTICE_RIGHT : LATTICE_LEFT;
}

bool
max_f64_leq(struct slice a, struct slice b, unsigned int depth)
{
	return both_u64(a, b) && f64_at(a.p) <= f64_at(b.p);
}

int
max_f64_delta(double v, struct wbuf *out)
{
	struct wbuf before = *out;
	uint64_t bits;

	if (isnan(v)) {
		return MB_ERR_INVALID;
	}
	v = v == 0 ? 0.0 : v;
	memcpy(&bits, &v, sizeof(bits));
	wbuf_u64(out, bits);
	return codec_done(out, before);
}

int
max_f64_read(struct slice v, double *ret_v)
{
	if (v.len != sizeof(double)) {
		return v.len == 0 ? MB_ERR_NOT_FOUND : MB_ERR_CORRUPT;
	}
	*ret_v = f64_at(v.p);
	return 0;
}
