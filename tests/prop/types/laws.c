/* SPDX-License-Identifier: Apache-2.0 */
#include "laws.h"

#include <stdio.h>

#include "made.h"

/* ------------------------------------------------------------------------------- encode . decode
 *  */

static struct slice
again_gset(struct slice v)
{
	const uint32_t cnt = gset_cnt(v);
	struct slice *member = calloc(cnt + 1, sizeof(*member));
	struct slice written;

	for (uint32_t i = 0; gset_at(v, i, &member[i]); i++) {
	}
	written = MADE(v.len, gset_delta_add(member, cnt, out));
	free(member);
	return written;
}

static int
map_again(struct slice v, struct wbuf *out)
{
	struct map_builder b;
	struct map_field f;

	map_begin(&b, out);
	for (uint32_t i = 0; map_at(v, i, &f); i++) {
		map_add(&b, &f);
	}
	return map_end(&b);
}

static int
vclock_again(struct slice v, struct wbuf *out)
{
	const size_t cnt = v.len / VCLOCK_ENTRY_BYTES;

	for (size_t i = 0; i < cnt; i++) {
		uint64_t writer;

		memcpy(&writer, v.p + i * VCLOCK_ENTRY_BYTES, sizeof(writer));
		writer = le64toh(writer);
		if (vclock_delta(by(writer), vclock_get(v, by(writer)), out) < 0) {
			return MB_ERR_TOO_LARGE;
		}
	}
	return 0;
}

/* Reads a value through its public readers and writes what was read. */
static struct slice
read_and_written(unsigned int type, struct slice v)
{
	struct envelope e;
	struct stamp stamp;
	struct slice bytes;
	uint64_t u64;
	double f64;
	bool flag;

	if (v.len == 0) {
		return v;
	}
	switch (type) {
	case LATTICE_LWW:
		INSIST(lww_read(v, &bytes, &stamp) == 0);
		return MADE(v.len, lww_delta_set(stamp, bytes, out));
	case LATTICE_GSET:
		return again_gset(v);
	case LATTICE_MAP:
		return MADE(v.len, map_again(v, out));
	case LATTICE_BOOL_OR:
		INSIST(bool_or_read(v, &flag) == 0);
		return bool_made(flag);
	case LATTICE_MAX_U64:
	case LATTICE_MIN_U64:
		INSIST(u64_read(v, &u64) == 0);
		return u64_made(u64);
	case LATTICE_MAX_F64:
		INSIST(max_f64_read(v, &f64) == 0);
		return f64_made(f64);
	case LATTICE_VCLOCK:
		return MADE(v.len, vclock_again(v, out));
	case LATTICE_ENVELOPE:
		INSIST(envelope_parse(v, &e) == 0);
		return envelope_made(&e);
	default:
		return v; /* strings and counters are not read back whole, only summed up */
	}
}

/* ------------------------------------------------------------------------------------- the laws */

static bool
breaks(struct breach *ret, const char *law, struct slice a, struct slice b, struct slice c)
{
	*ret = (struct breach){ .law = law, .a = a, .b = b, .c = c };
	return false;
}

static bool
pair_holds(laws_merge_fn *merge, unsigned int type, struct slice a, struct slice b,
	   struct slice *ret_ab, struct breach *ret)
{
	static const struct slice none;
	const size_t bound = lattice_merge_bound(a, b);
	struct wbuf out = wbuf_init(malloc(bound + 1), bound);
	const int side = merge(type, a, b, &out);
	const struct slice ab = made_copy(wbuf_slice(&out));
	const int side_expected = slice_eq(ab, a)   ? LATTICE_LEFT
				  : slice_eq(ab, b) ? LATTICE_RIGHT
						    : LATTICE_MIXED;

	free(out.p);
	if (side == MB_ERR_TOO_LARGE) {
		return breaks(ret, "bound", a, b, none);
	}
	if (side < 0 || lattice_check(type, ab) != 0 || !slice_eq(read_and_written(type, ab), ab)) {
		return breaks(ret, "canonical", a, b, none);
	}
	if (slice_eq(a, b) && !slice_eq(ab, a)) {
		return breaks(ret, "idempotent", a, b, none);
	}
	if (side != side_expected) {
		return breaks(ret, "side", a, b, none);
	}
	*ret_ab = ab;
	return true;
}

/* A merge that must succeed, as its values are values: into one of two buffers that are used again.
 *  */
static struct slice
merge_again(laws_merge_fn *merge, unsigned int type, struct slice a, struct slice b, int which)
{
	static struct wbuf scratch[2];
	struct wbuf *out = &scratch[which];

	if (out->cap < lattice_merge_bound(a, b)) {
		out->cap = 2 * lattice_merge_bound(a, b);
		out->p = realloc(out->p, out->cap);
		INSIST(out->p != NULL);
	}
	*out = wbuf_init(out->p, out->cap);
	INSIST(merge(type, a, b, out) > 0);
	return wbuf_slice(out);
}

bool
laws_hold(laws_merge_fn *merge, unsigned int type, const struct slice *value, size_t cnt,
	  struct breach *ret_breach)
{
	static const struct slice none;
	struct slice *sum = calloc(cnt * cnt, sizeof(*sum)); /* sum[i * cnt + j] = i + j */
	bool holds = true;

	for (size_t i = 0; holds && i < cnt; i++) {
		for (size_t j = 0; holds && j < cnt; j++) {
			holds = pair_holds(merge, type, value[i], value[j], &sum[i * cnt + j],
					   ret_breach);
		}
	}
	for (size_t i = 0; holds && i < cnt; i++) {
		for (size_t j = 0; holds && j < i; j++) {
			if (!slice_eq(sum[i * cnt + j], sum[j * cnt + i])) {
				holds = breaks(ret_breach, "commutative", value[i], value[j], none);
			}
		}
	}
	for (size_t i = 0; holds && i < cnt; i++) {
		for (size_t j = 0; holds && j < cnt; j++) {
			for (size_t k = 0; holds && k < cnt; k++) {
				const struct slice l =
					merge_again(merge, type, sum[i * cnt + j], value[k], 0);
				const struct slice r =
					merge_again(merge, type, value[i], sum[j * cnt + k], 1);

				if (!slice_eq(l, r)) {
					holds = breaks(ret_breach, "associative", value[i],
						       value[j], value[k]);
				}
			}
		}
	}
	for (size_t i = 0; holds && i < cnt; i++) {
		for (size_t j = 0; holds && j < cnt; j++) {
			const struct slice ij = sum[i * cnt + j];

			if (!lattice_leq(type, value[i], ij) || !lattice_leq(type, value[j], ij) ||
			    lattice_leq(type, value[i], value[j]) != slice_eq(ij, value[j])) {
				holds = breaks(ret_breach, "never down", value[i], value[j], none);
			}
		}
	}
	free(sum);
	return holds;
}

static void
print_value(const char *name, struct slice v)
{
	fprintf(stderr, "  %s =", name);
	for (size_t i = 0; i < v.len; i++) {
		fprintf(stderr, " %02x", v.p[i]);
	}
	fprintf(stderr, "%s\n", v.len == 0 ? " bottom" : "");
}

void
laws_print(unsigned int type, const struct breach *breach)
{
	fprintf(stderr, "%s is not a lattice: %s\n", lattice_type_name(type), breach->law);
	print_value("a", breach->a);
	print_value("b", breach->b);
	print_value("c", breach->c);
}
