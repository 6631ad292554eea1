/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what is forgotten was shown to nobody; what comes later meets a settled value as it would
 *         have met the one before; what is young, shown, or not agreed on stays.
 * Method: by hand for each type, flat and as a tree; the law on random sets; damage.
 *
 *	show(settle(x) + later) = show(x + later)
 *	settle(settle(x) + later) = settle(x + later)
 */
#include "settle.h"

#include "grove_world.h"
#include "made.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "view.h"

static const struct slice none;

static struct slice
enveloped(unsigned int type, struct slice state)
{
	return envelope_made(&(struct envelope){ .epoch = at(1, 1), .type = type, .state = state });
}

static struct envelope
opened(struct slice v)
{
	struct envelope e;

	assert_int_equal(envelope_open(v, &e), 0);
	return e;
}

/* The value without what was forgotten of it. In exactly as much room as it had. */
static struct slice
settled(struct slice v, uint64_t before)
{
	int side = 0;
	struct slice made = MADE(v.len, side = settle_items(v, (struct hlc_time){ before }, out));

	if (side == LATTICE_LEFT) {
		assert_int_equal(made.len, 0);
		return v;
	}
	assert_int_equal(side, LATTICE_MIXED);
	assert_int_equal(lattice_check(LATTICE_ENVELOPE, made), 0);
	assert_true(made.len < v.len);
	return made;
}

static struct slice
folded(struct slice v, uint32_t writers_max, uint64_t before)
{
	int side = 0;
	struct slice made =
		MADE(v.len + 8,
		     side = settle_writers(v, writers_max, (struct hlc_time){ before }, out));

	if (side == LATTICE_LEFT) {
		assert_int_equal(made.len, 0);
		return v;
	}
	assert_int_equal(side, LATTICE_MIXED);
	assert_int_equal(lattice_check(LATTICE_ENVELOPE, made), 0);
	return made;
}

static void
members(void **state)
{
	struct slice v = orset_plus(none, "gone", 5, 1);

	v = orset_minus(orset_plus(v, "young", 9, 1), "young");
	v = orset_minus(orset_plus(v, "here", 5, 2), "gone");
	v = enveloped(LATTICE_ORSET, v);
	assert_true(slice_eq(settled(v, 5), v)); /* it was added at 5 */
	assert_int_equal(settled(v, 6).len, v.len - 4 - ORSET_OVERHEAD);
	assert_true(view_set_has(LATTICE_ORSET, opened(settled(v, 6)).state, slice_str("here")));
	assert_int_equal(settled(v, 10).len, settled(v, 6).len - 5 - ORSET_OVERHEAD);
	/* All of them: a tombstone. */
	v = enveloped(LATTICE_ORSET, orset_minus(orset_plus(none, "gone", 5, 1), "gone"));
	assert_int_equal(opened(settled(v, 6)).type, LATTICE_ABSENT);
	assert_int_equal(stamp_cmp(opened(settled(v, 6)).epoch, at(1, 1)), 0);
}

static void
items_and_fields(void **state)
{
	struct slice v = list_push(none, LIST_RIGHT, "a", 5, 1);
	struct slice field;

	v = list_push(v, LIST_RIGHT, "b", 6, 1);
	v = enveloped(LATTICE_LIST, list_without(v, 0));
	assert_true(slice_eq(settled(v, 5), v));
	assert_int_equal(settled(v, 6).len, v.len - LIST_OVERHEAD);
	assert_int_equal(view_cnt(LATTICE_LIST, opened(settled(v, 6)).state), 1);

	field = envelope_made(&(struct envelope){ .epoch = at(7, 1),
						  .type = LATTICE_STRING,
						  .state = string_deleted(string_set("x")) });
	v = merged(LATTICE_MAP, map_made("gone", LATTICE_ENVELOPE, field),
		   map_made("here", LATTICE_ENVELOPE, enveloped(LATTICE_STRING, string_set("y"))));
	v = enveloped(LATTICE_MAP, v);
	assert_true(slice_eq(settled(v, 7), v));
	assert_int_equal(view_cnt(LATTICE_MAP, opened(settled(v, 8)).state), 1);
	assert_true(settled(v, 8).len < v.len - field.len);
	/* Put at a time that was named: an older one may still be put. */
	field = envelope_made(&(struct envelope){ .epoch = at(7, 0),
						  .type = LATTICE_STRING,
						  .state = string_deleted(string_set("x")) });
	v = enveloped(LATTICE_MAP, map_made("gone", LATTICE_ENVELOPE, field));
	assert_true(slice_eq(settled(v, 8), v));
}

static void
what_has_nothing_to_forget_is_left(void **state)
{
	const struct slice v[] = { enveloped(LATTICE_STRING, string_set("x")),
				   enveloped(LATTICE_GSET, gset_made("a b")),
				   enveloped(LATTICE_ORSET, orset_plus(none, "a", 1, 1)), none };

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		assert_true(slice_eq(settled(v[i], UINT64_MAX), v[i]));
	}
}

static void
damage(void **state)
{
	struct slice v = enveloped(LATTICE_ORSET, orset_minus(orset_plus(none, "g", 5, 1), "g"));

	for (size_t i = 0; i < v.len; i++) {
		struct slice bad = made_copy(v);
		uint8_t buf[256];
		struct wbuf out = wbuf_init(buf, v.len);

		((uint8_t *)(uintptr_t)bad.p)[i] ^= 0x81;
		(void)settle_items(bad, (struct hlc_time){ 9 }, &out);
		out = wbuf_init(buf, v.len);
		(void)settle_writers(bad, 0, (struct hlc_time){ 9 }, &out);
	}
}

/* Adds and removes of three replicas up to a time that all agree on; then more. */
static struct slice
random_set(struct rng *rng, struct slice v, uint64_t *now)
{
	static const char *const name[] = { "a", "b", "c", "d", "e" };

	for (uint64_t left = 1 + rng_below(rng, 12); left > 0; left--) {
		const char *m = name[rng_below(rng, 5)];

		v = rng_below(rng, 2) == 0 ? orset_plus(v, m, ++*now, 1 + rng_below(rng, 3))
					   : orset_minus(v, m);
	}
	return v;
}

static void
what_comes_later_meets_it_as_before(void **state)
{
	struct rng rng;
	uint32_t forgot = 0;

	rng_init(&rng, test_seed("settle"));
	for (uint32_t i = 0; i < 2000; i++) {
		uint64_t now = 0, before;
		const struct slice x = random_set(&rng, none, &now);
		const struct slice x_settled =
			settled(enveloped(LATTICE_ORSET, x), before = now + 1);
		struct slice later, a, b;

		/* By one who has x, and by one who has it settled: what is new alone. */
		later = random_set(&rng, rng_below(&rng, 2) == 0 ? x : none, &now);
		a = merged(LATTICE_ENVELOPE, enveloped(LATTICE_ORSET, x),
			   enveloped(LATTICE_ORSET, later));
		b = merged(LATTICE_ENVELOPE, x_settled, enveloped(LATTICE_ORSET, later));
		assert_true(slice_eq(settled(a, before), settled(b, before)));
		for (const char *m = "a"; *m <= 'e'; m = *m == 'a'   ? "b"
							 : *m == 'b' ? "c"
							 : *m == 'c' ? "d"
							 : *m == 'd' ? "e"
								     : "f") {
			assert_int_equal(view_set_has(LATTICE_ORSET, opened(a).state, slice_str(m)),
					 view_set_has(LATTICE_ORSET, opened(b).state,
						      slice_str(m)));
		}
		forgot += x_settled.len != enveloped(LATTICE_ORSET, x).len;
		made_forget();
	}
	assert_true(forgot > 500);
}

static void
writers_of_a_counter(void **state)
{
	struct slice v = string_set("40"), f;
	struct stamp epoch;
	char buf[VIEW_TEXT_MAX];
	struct slice text;

	for (uint64_t w = 1; w <= 5; w++) {
		v = string_plus(v, w, (int64_t)w);
	}
	v = enveloped(LATTICE_STRING, v);
	assert_true(slice_eq(folded(v, 5, 9), v)); /* not more than may be */
	assert_true(slice_eq(folded(v, 4, 1), v)); /* too young */
	f = folded(v, 4, 2);
	assert_true(f.len < v.len);
	assert_int_equal(view_text(opened(f).type, opened(f).state, buf, &text), 0);
	assert_true(slice_eq(text, slice_str("55")));
	/* The former epoch, late, adds nothing to it. */
	assert_true(slice_eq(merged(LATTICE_ENVELOPE, f, v), f));
	epoch = opened(f).epoch;
	assert_true(epoch.time.v == 2 && epoch.writer.v == 0);
	assert_true(slice_eq(folded(f, 0, 9), f)); /* it has none */
}

static void
history_of_a_sibling(void **state)
{
	struct slice v = none, f;
	char buf[VIEW_TEXT_MAX];
	struct slice text;

	for (uint64_t w = 1; w <= 4; w++) {
		v = mvreg_put(v, v, "x", w, w);
	}
	f = folded(enveloped(LATTICE_MVREG, v), 3, 9);
	assert_int_equal(f.len, enveloped(LATTICE_MVREG, v).len - 3 * HISTORY_RUN_BYTES);
	assert_int_equal(view_text(opened(f).type, opened(f).state, buf, &text), 0);
	assert_true(slice_eq(text, slice_str("x")));
	/* Of two each says something of the other. */
	v = enveloped(LATTICE_MVREG, mvreg_put(v, none, "y", 9, 5));
	assert_true(slice_eq(folded(v, 0, 9), v));
	/* Under the name of a merge. */
	v = none;
	for (uint64_t w = 1; w <= 4; w++) {
		v = mvreg_put(v, v, "x", w, w);
	}
	v = enveloped(LATTICE_PAIR_LEX,
		      pair_made(LATTICE_LWW, lww_made(0, 0, "name"), LATTICE_MVREG, v));
	f = folded(v, 3, 9);
	assert_int_equal(f.len, v.len - 3 * HISTORY_RUN_BYTES);
}

static void
trees(void **state)
{
	struct grove_world w;
	struct slice v = none, flat;
	struct grown g;
	char name[32];

	for (uint32_t i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "%010u", i);
		v = orset_plus(v, name, 5, 1);
	}
	for (uint32_t i = 0; i < 400; i += 3) {
		snprintf(name, sizeof(name), "%010u", i);
		v = orset_minus(v, name);
	}
	v = enveloped(LATTICE_ORSET, v);
	flat = settled(v, 6);
	grove_world_init(&w, (size_t)4 << 20);
	assert_int_equal(grown_make(&w, v, &g), 0);
	{
		struct slice made =
			MADE(v.len, settle_items(tree_slice(&g.view), (struct hlc_time){ 6 }, out));
		struct slice left =
			MADE(v.len, settle_items(tree_slice(&g.view), (struct hlc_time){ 5 }, out));

		assert_true(slice_eq(made, flat));
		assert_int_equal(left.len, 0);
		assert_int_equal(view_cnt(LATTICE_ORSET, opened(made).state), 266);
	}
	grown_release(&w, &g);
	grove_world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage),
		cmocka_unit_test(members),
		cmocka_unit_test(items_and_fields),
		cmocka_unit_test(what_has_nothing_to_forget_is_left),
		cmocka_unit_test(what_comes_later_meets_it_as_before),
		cmocka_unit_test(writers_of_a_counter),
		cmocka_unit_test(history_of_a_sibling),
		cmocka_unit_test(trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
