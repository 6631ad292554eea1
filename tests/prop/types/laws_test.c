/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the merge of every type in lattice.def keeps the laws of a lattice.
 * Method: the judge (laws.h) first on merges with a planted bug, which it must find; then all
 *         triples of each type's small world; then triples of random values, and of merges of them,
 *         from the printed seed. A breach prints law, type, values. */
#include "laws.h"

#include "domain.h"
#include "made.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

/* ------------------------------------------------------------------------------------ planted bugs
 *  */

/* The classic: "not older" wins. Equal stamps diverge for ever. */
static int
lww_not_older_wins(unsigned int type, struct slice a, struct slice b, struct wbuf *out)
{
	struct slice bytes_a, bytes_b;
	struct stamp stamp_a = { 0 };
	struct stamp stamp_b = { 0 };
	bool right;

	(void)lww_read(a, &bytes_a, &stamp_a);
	(void)lww_read(b, &bytes_b, &stamp_b);
	right = !slice_eq(a, b) && b.len != 0 && stamp_b.time.v >= stamp_a.time.v;
	wbuf_put(out, right ? b.p : a.p, right ? b.len : a.len);
	return right ? LATTICE_RIGHT : LATTICE_LEFT;
}

/* The same, with the writer, but not the bytes. */
static int
lww_without_bytes(unsigned int type, struct slice a, struct slice b, struct wbuf *out)
{
	struct slice bytes;
	struct stamp stamp_a = { 0 };
	struct stamp stamp_b = { 0 };
	bool right;

	(void)lww_read(a, &bytes, &stamp_a);
	(void)lww_read(b, &bytes, &stamp_b);
	right = b.len != 0 && (a.len == 0 || stamp_cmp(stamp_b, stamp_a) > 0);
	wbuf_put(out, right ? b.p : a.p, right ? b.len : a.len);
	return right ? LATTICE_RIGHT : LATTICE_LEFT;
}

/* A 64-bit maximum compared as if it had a sign. */
static int
max_u64_signed(unsigned int type, struct slice a, struct slice b, struct wbuf *out)
{
	uint64_t va = 0;
	uint64_t vb = 0;
	bool right;

	(void)u64_read(a, &va);
	(void)u64_read(b, &vb);
	right = b.len != 0 && (a.len == 0 || (int64_t)vb > (int64_t)va);
	wbuf_put(out, right ? b.p : a.p, right ? b.len : a.len);
	return right ? LATTICE_RIGHT : LATTICE_LEFT;
}

/* A set that is glued together instead of sorted in. */
static int
gset_glued(unsigned int type, struct slice a, struct slice b, struct wbuf *out)
{
	wbuf_put(out, a.p, a.len);
	wbuf_put(out, b.p, b.len);
	return b.len == 0 ? LATTICE_LEFT : a.len == 0 ? LATTICE_RIGHT : LATTICE_MIXED;
}

/* The papers' capsule: a value whose clock is behind is replaced, concurrent ones are united. A
 * clock is no chain: what one side has replaced, the other side brings back. */
static int
envelope_capsule(unsigned int type, struct slice a, struct slice b, struct wbuf *out)
{
	struct envelope ea, eb;

	INSIST(envelope_parse(a, &ea) == 0);
	INSIST(envelope_parse(b, &eb) == 0);
	if (stamp_cmp(ea.epoch, eb.epoch) == 0 && ea.type == eb.type) {
		switch (vclock_compare(ea.context, eb.context)) {
		case VCLOCK_BEFORE:
			wbuf_put(out, b.p, b.len);
			return LATTICE_RIGHT;
		case VCLOCK_AFTER:
			wbuf_put(out, a.p, a.len);
			return LATTICE_LEFT;
		default:
			break;
		}
	}
	return lattice_merge_into(type, a, b, out);
}

/* Right bytes, wrong side: the store would think that nothing changed. */
static int
always_left(unsigned int type, struct slice a, struct slice b, struct wbuf *out)
{
	const int side = lattice_merge_into(type, a, b, out);

	return side < 0 ? side : LATTICE_LEFT;
}

static void
planted_bugs_are_found(void **state)
{
	static const struct {
		const char *what;
		unsigned int type;
		laws_merge_fn *merge;
		const char *law;
	} rows[] = {
		{ "not older wins", LATTICE_LWW, lww_not_older_wins, "commutative" },
		{ "bytes break no tie", LATTICE_LWW, lww_without_bytes, "commutative" },
		{ "signed maximum", LATTICE_MAX_U64, max_u64_signed, "never down" },
		{ "glued sets", LATTICE_GSET, gset_glued, "canonical" },
		{ "the capsule", LATTICE_ENVELOPE, envelope_capsule, "associative" },
		{ "always left", LATTICE_GSET, always_left, "side" },
	};

	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		struct slice value[DOMAIN_CNT_MAX];
		const size_t cnt = domain_small(rows[i].type, value);
		struct breach breach = { .law = "none" };

		if (laws_hold(rows[i].merge, rows[i].type, value, cnt, &breach) ||
		    strcmp(breach.law, rows[i].law) != 0) {
			fail_msg("%s: expected a breach of \"%s\", found \"%s\"", rows[i].what,
				 rows[i].law, breach.law);
		}
		made_forget();
	}
}

/* --------------------------------------------------------------------------------- the real merges
 *  */

static void
small_worlds_keep_the_laws(void **state)
{
	for (unsigned int type = 0; type < LATTICE_TYPE_CNT; type++) {
		struct slice value[DOMAIN_CNT_MAX];
		const size_t cnt = domain_small(type, value);
		struct breach breach;

		fprintf(stderr, "%-10s %3zu values, %zu triples\n", lattice_type_name(type), cnt,
			cnt * cnt * cnt);
		if (!laws_hold(lattice_merge_into, type, value, cnt, &breach)) {
			laws_print(type, &breach);
			fail();
		}
		made_forget();
	}
}

static void
random_values_keep_the_laws(void **state)
{
	enum { ROUNDS = 60, FRESH = 6, VALUES = 9 };
	struct rng rng;

	rng_init(&rng, test_seed("laws"));
	for (unsigned int type = 0; type < LATTICE_TYPE_CNT; type++) {
		for (int round = 0; round < ROUNDS; round++) {
			struct slice value[VALUES];
			struct breach breach;

			for (size_t i = 0; i < VALUES; i++) {
				value[i] = i < FRESH ? domain_random(type, &rng)
						     : merged(type, value[rng_below(&rng, i)],
							      value[rng_below(&rng, i)]);
			}
			if (!laws_hold(lattice_merge_into, type, value, VALUES, &breach)) {
				laws_print(type, &breach);
				fail();
			}
			made_forget();
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planted_bugs_are_found),
		cmocka_unit_test(small_worlds_keep_the_laws),
		cmocka_unit_test(random_values_keep_the_laws),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
