/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the greater first wins whole, equal ones merge what is behind; a first that is no chain
 * is
 *         refused.
 * Method: by hand, refusals first. */
#include "pair_lex.h"

#include "made.h"
#include "test_cmocka.h"

static const struct slice none;

static struct slice
version(uint64_t v, const char *members)
{
	return pair_made(LATTICE_MAX_U64, u64_made(v), LATTICE_GSET, gset_made(members));
}

static void
only_chains_come_first(void **state)
{
	uint8_t buf[64];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	struct pair_lex p = { .first_type = LATTICE_GSET,
			      .first = gset_made("a"),
			      .second_type = LATTICE_GSET,
			      .second = gset_made("a") };

	assert_int_equal(pair_lex_write(&p, &out), MB_ERR_INVALID);
	p.first_type = LATTICE_MAX_U64;
	p.first = none;
	assert_int_equal(pair_lex_write(&p, &out), MB_ERR_INVALID);
	p.first = u64_made(1);
	p.second_type = LATTICE_ENVELOPE;
	assert_int_equal(pair_lex_write(&p, &out), MB_ERR_INVALID);
	p.second_type = LATTICE_GSET;
	out = wbuf_init(buf, 8);
	assert_int_equal(pair_lex_write(&p, &out), MB_ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
}

static void
damage_is_seen(void **state)
{
	const struct slice v = version(1, "a");

	for (size_t i = 1; i <= PAIR_LEX_OVERHEAD; i++) {
		struct slice bad = made_copy(v);

		/* A copy of v: NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign) */
		((uint8_t *)(uintptr_t)bad.p)[bad.len - i] ^= 0x40;
		assert_int_not_equal(lattice_check(LATTICE_PAIR_LEX, bad), 0);
	}
	for (size_t len = 1; len < PAIR_LEX_OVERHEAD; len++) {
		struct pair_lex p;

		assert_int_equal(pair_lex_open(made_copy(slice_of(v.p, len)), &p), MB_ERR_CORRUPT);
	}
}

static void
the_greater_first_wins_whole(void **state)
{
	struct pair_lex p;

	assert_true(slice_eq(merged(LATTICE_PAIR_LEX, version(2, "x"), version(1, "a b c")),
			     version(2, "x")));
	assert_true(slice_eq(merged(LATTICE_PAIR_LEX, version(1, "a"), version(1, "b")),
			     version(1, "a b")));
	/* Nothing behind it yet. */
	assert_true(slice_eq(merged(LATTICE_PAIR_LEX,
				    pair_made(LATTICE_MAX_U64, u64_made(3), LATTICE_GSET, none),
				    version(2, "x")),
			     pair_made(LATTICE_MAX_U64, u64_made(3), LATTICE_ABSENT, none)));
	assert_int_equal(pair_lex_open(version(5, "a"), &p), 0);
	assert_true(slice_eq(p.first, u64_made(5)));
	assert_true(slice_eq(p.second, gset_made("a")));
	assert_int_equal(p.second_type, LATTICE_GSET);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_chains_come_first),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(the_greater_first_wins_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
