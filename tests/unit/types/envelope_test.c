/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the greater epoch wins whole, equal ones merge part by part, types have a rank, a
 *         deadline starts an epoch that all replicas agree on; damaged envelopes are refused, lead
 *         nowhere.
 * Method: by hand; the laws are in tests/prop/types. */
#include "envelope.h"

#include "made.h"
#include "test_cmocka.h"

static const struct slice none;

static struct slice
in_epoch(uint64_t time, uint64_t writer, unsigned int type, struct slice state)
{
	return envelope_made(
		&(struct envelope){ .epoch = at(time, writer), .type = type, .state = state });
}

/* One with every section. */
static struct slice
full(void)
{
	return envelope_made(&(struct envelope){
		.epoch = at(5, 6),
		.type = LATTICE_STRING,
		.state = string_set("v"),
		.expiry = { .stamp = at(7, 8), .deadline = { 900 } },
		.context = vclock_made(1, 2),
		.dependencies = map_made("k", LATTICE_VCLOCK, vclock_made(3, 4)),
	});
}

static void
what_no_encoder_wrote_is_refused(void **state)
{
	struct {
		const char *why;
		struct slice v;
		size_t at_end; /* this byte, counted from the end, becomes: */
		uint8_t byte;
		int err;
	} rows[] = {
		{ "a later format", string_set(""), 1, 0x20, MB_ERR_VERSION },
		{ "an unknown section", string_set(""), 1, 0x18, MB_ERR_VERSION },
		{ "an unknown type", string_set(""), 2, LATTICE_TYPE_CNT, MB_ERR_TYPE },
		{ "an envelope in an envelope", string_set(""), 2, LATTICE_ENVELOPE,
		  MB_ERR_CORRUPT },
		{ "absent with a state", string_set(""), 2, LATTICE_ABSENT, MB_ERR_CORRUPT },
		{ "a state of another type", string_set(""), 2, LATTICE_MAX_U64, MB_ERR_CORRUPT },
		{ "a section that is not there", string_set(""), 1, 0x12, MB_ERR_CORRUPT },
		{ "a type without state", none, 2, LATTICE_GSET, MB_ERR_CORRUPT },
	};
	struct envelope e;

	for (size_t i = 0; i < ARRAY_CNT(rows); i++) {
		const struct slice v = in_epoch(1, 1, LATTICE_STRING, rows[i].v);
		uint8_t *bytes = made_alloc(v.len);

		memcpy(bytes, v.p, v.len);
		bytes[v.len - rows[i].at_end] = rows[i].byte;
		if (envelope_parse(slice_of(bytes, v.len), &e) != rows[i].err) {
			fail_msg("accepted, or with the wrong error: %s", rows[i].why);
		}
	}
}

static void
never_written_has_one_encoding(void **state)
{
	uint8_t bytes[ENVELOPE_OVERHEAD] = { 0 };
	struct envelope e = { .type = LATTICE_GSET };

	bytes[ENVELOPE_OVERHEAD - 1] = 0x10;
	assert_int_equal(envelope_parse(slice_of(bytes, sizeof(bytes)), &e), MB_ERR_CORRUPT);
	assert_int_equal(envelope_bytes(&e), 0);
	assert_int_equal(envelope_made(&e).len, 0);
	assert_int_equal(envelope_parse(none, &e), 0);
	assert_int_equal(e.type, LATTICE_ABSENT);
	assert_true(stamp_is_zero(e.epoch));
}

static void
a_cut_is_refused(void **state)
{
	const struct slice v = full();
	struct envelope e;

	for (size_t len = 1; len < v.len; len++) {
		assert_int_not_equal(envelope_parse(made_copy(slice_of(v.p, len)), &e), 0);
	}
}

static void
damage_leads_nowhere(void **state)
{
	const struct slice good = full();
	uint8_t *bytes = made_alloc(good.len);
	uint8_t buf[512];

	for (size_t i = 0; i < good.len; i++) {
		for (unsigned int v = 0; v < 256; v++) {
			const struct slice bad = slice_of(bytes, good.len);
			struct wbuf out = wbuf_init(buf, sizeof(buf));
			struct envelope e;

			memcpy(bytes, good.p, good.len);
			bytes[i] = (uint8_t)v;
			if (envelope_open(bad, &e) == 0) {
				assert_true(e.state.p == bytes && e.state.len < bad.len);
			}
			(void)envelope_parse(bad, &e);
			(void)lattice_leq(LATTICE_ENVELOPE, bad, good);
			(void)lattice_leq(LATTICE_ENVELOPE, good, bad);
			(void)lattice_merge(LATTICE_ENVELOPE, bad, good, &out);
			(void)lattice_merge(LATTICE_ENVELOPE, good, bad, &out);
		}
	}
}

static void
all_parts_come_back(void **state)
{
	const struct slice v = full();
	struct envelope e;

	assert_int_equal(envelope_parse(v, &e), 0);
	assert_int_equal(e.epoch.time.v, 5);
	assert_int_equal(e.epoch.writer.v, 6);
	assert_int_equal(e.type, LATTICE_STRING);
	assert_true(slice_eq(e.state, string_set("v")));
	assert_ptr_equal(e.state.p, v.p); /* payload first */
	assert_int_equal(e.expiry.deadline.v, 900);
	assert_int_equal(e.expiry.stamp.time.v, 7);
	assert_true(slice_eq(e.context, vclock_made(1, 2)));
	assert_true(slice_eq(e.dependencies, map_made("k", LATTICE_VCLOCK, vclock_made(3, 4))));
	assert_int_equal(envelope_bytes(&e), v.len);
	assert_true(slice_eq(envelope_made(&e), v));
}

static void
dependencies_are_clocks(void **state)
{
	const struct slice v = envelope_made(&(struct envelope){
		.epoch = at(1, 1),
		.dependencies = map_made("k", LATTICE_BOOL_OR, bool_made(true)) });

	assert_int_equal(lattice_check(LATTICE_ENVELOPE, v), MB_ERR_CORRUPT);
}

static void
the_greater_epoch_wins_whole(void **state)
{
	const struct slice old = in_epoch(5, 9, LATTICE_GSET, gset_made("a"));
	const struct slice new = in_epoch(6, 1, LATTICE_STRING, string_set("s"));
	const struct slice dead = in_epoch(7, 1, LATTICE_ABSENT, none);
	struct wbuf out = wbuf_init(NULL, 0); /* winners are not copied */

	assert_int_equal(lattice_merge(LATTICE_ENVELOPE, old, new, &out), LATTICE_RIGHT);
	assert_int_equal(lattice_merge(LATTICE_ENVELOPE, new, old, &out), LATTICE_LEFT);
	assert_int_equal(lattice_merge(LATTICE_ENVELOPE, new, dead, &out), LATTICE_RIGHT);
	assert_int_equal(lattice_merge(LATTICE_ENVELOPE, none, dead, &out), LATTICE_RIGHT);
}

static void
equal_epochs_merge(void **state)
{
	const struct slice a = in_epoch(0, 0, LATTICE_STRING, string_plus(none, 1, 3));
	const struct slice b = in_epoch(0, 0, LATTICE_STRING, string_plus(none, 2, 4));
	const struct slice set = in_epoch(0, 0, LATTICE_GSET, gset_made("a"));
	struct envelope e;
	int64_t n;

	/* First increments on two nodes: both count. */
	assert_int_equal(envelope_parse(merged(LATTICE_ENVELOPE, a, b), &e), 0);
	assert_int_equal(strval_i64(e.state, &n), 0);
	assert_int_equal(n, 7);
	/* Two types at once: the greater id, from either side. */
	assert_true(slice_eq(merged(LATTICE_ENVELOPE, a, set), set));
	assert_true(slice_eq(merged(LATTICE_ENVELOPE, set, a), set));
}

static void
sections_merge_by_themselves(void **state)
{
	struct envelope a = { .epoch = at(1, 1),
			      .type = LATTICE_GSET,
			      .state = gset_made("a"),
			      .expiry = { .stamp = at(9, 1), .deadline = { 0 } },
			      .context = vclock_made(1, 5) };
	struct envelope b = { .epoch = at(1, 1),
			      .type = LATTICE_GSET,
			      .state = gset_made("a"),
			      .expiry = { .stamp = at(8, 1), .deadline = { 100 } },
			      .context = vclock_made(2, 5),
			      .dependencies = map_made("k", LATTICE_VCLOCK, vclock_made(3, 4)) };
	struct envelope e;

	assert_int_equal(envelope_parse(merged(LATTICE_ENVELOPE, envelope_made(&a),
					       envelope_made(&b)),
					&e),
			 0);
	assert_true(slice_eq(e.state, a.state));
	assert_int_equal(e.expiry.deadline.v, 0); /* taken back later than it was set */
	assert_int_equal(e.expiry.stamp.time.v, 9);
	assert_int_equal(vclock_get(e.context, by(1)), 5);
	assert_int_equal(vclock_get(e.context, by(2)), 5);
	assert_true(slice_eq(e.dependencies, b.dependencies));
}

static void
epochs_go_forward(void **state)
{
	const struct envelope stored = { .epoch = at(100, 3) };
	const struct envelope last = { .epoch = at(UINT64_MAX, 3) };
	struct stamp next;

	next = envelope_epoch_fresh(&stored, (struct hlc_time){ 50 }, by(1)); /* a slow clock */
	assert_true(stamp_cmp(stored.epoch, next) < 0);
	assert_int_equal(next.writer.v, 1);
	next = envelope_epoch_fresh(&stored, (struct hlc_time){ 500 }, by(1));
	assert_int_equal(next.time.v, 500);
	next = envelope_epoch_fresh(&last, (struct hlc_time){ 500 }, by(4));
	assert_int_equal(next.time.v, UINT64_MAX);
}

static void
after_the_deadline_all_agree(void **state)
{
	struct envelope stored = { .epoch = at(100, 3), .expiry = { at(100, 3), { 200 } } };
	struct stamp a, b;

	assert_false(envelope_expired(&stored, (struct hlc_time){ 199 }));
	assert_true(envelope_expired(&stored, (struct hlc_time){ 200 }));
	assert_int_equal(stamp_cmp(envelope_epoch_stay(&stored, (struct hlc_time){ 199 }),
				   stored.epoch),
			 0);
	a = envelope_epoch_stay(&stored, (struct hlc_time){ 250 });
	b = envelope_epoch_stay(&stored, (struct hlc_time){ 999 });
	assert_int_equal(stamp_cmp(a, b), 0);
	assert_int_equal(a.time.v, 200);
	assert_true(stamp_cmp(stored.epoch, a) < 0);
	/* A SET after it wins over those who stayed. */
	b = envelope_epoch_fresh(&stored, (struct hlc_time){ 200 }, by(1));
	assert_true(stamp_cmp(a, b) < 0);
	/* A deadline before its own epoch still starts a later one. */
	stored.expiry.deadline.v = 40;
	a = envelope_epoch_stay(&stored, (struct hlc_time){ 250 });
	assert_true(stamp_cmp(stored.epoch, a) < 0);
	/* No deadline. */
	stored.expiry.deadline.v = 0;
	assert_false(envelope_expired(&stored, (struct hlc_time){ UINT64_MAX }));
}

static void
a_small_key_pays_little(void **state)
{
	assert_int_equal(in_epoch(1, 1, LATTICE_STRING, string_set("12345678")).len, 8 + 19);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_no_encoder_wrote_is_refused),
		cmocka_unit_test(never_written_has_one_encoding),
		cmocka_unit_test(a_cut_is_refused),
		cmocka_unit_test(damage_leads_nowhere),
		cmocka_unit_test(all_parts_come_back),
		cmocka_unit_test(dependencies_are_clocks),
		cmocka_unit_test(the_greater_epoch_wins_whole),
		cmocka_unit_test(equal_epochs_merge),
		cmocka_unit_test(sections_merge_by_themselves),
		cmocka_unit_test(epochs_go_forward),
		cmocka_unit_test(after_the_deadline_all_agree),
		cmocka_unit_test(a_small_key_pays_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
