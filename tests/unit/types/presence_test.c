/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   an item is there while an add of it is left that no remove has observed.
 * Method: by hand, with what is damaged first; then every pair of histories of two writers of up to
 *         three steps against a model that keeps all adds and removes. */
#include "presence.h"

#include "made.h"
#include "test_cmocka.h"

#define ROOM ((size_t)4 * PRESENCE_ENTRY_BYTES)

static struct slice
add(uint64_t time, uint64_t writer)
{
	return MADE(ROOM, (presence_put_add(out, at(time, writer)), 0));
}

static struct slice
gone(struct slice p)
{
	return MADE(ROOM, (int)presence_put_gone(out, p));
}

static struct slice
both(struct slice a, struct slice b)
{
	return MADE(ROOM, presence_merge(a, b, out));
}

static void
damage_is_seen(void **state)
{
	struct slice none = slice_of(NULL, 0), item, p, two;
	uint8_t *bytes;

	item = none;
	assert_false(presence_cut(&item, &p));
	item = made_copy(slice_str("shorter than 17"));
	assert_false(presence_cut(&item, &p));
	item = made_copy(slice_str("long enough, but with no first bit set at its 17s"));
	bytes = (uint8_t *)(uintptr_t)item.p;
	memset(bytes, 0, item.len);
	assert_false(presence_cut(&item, &p));
	assert_int_equal(item.len, 0);
	assert_int_equal(presence_check(none), MB_ERR_CORRUPT);
	two = both(add(1, 1), add(1, 2));
	assert_int_equal(presence_check(two), 0);
	bytes = (uint8_t *)(uintptr_t)two.p;
	bytes[16] |= 4; /* no such flag */
	assert_int_equal(presence_check(two), MB_ERR_CORRUPT);
	bytes[16] &= 3;
	bytes[PRESENCE_ENTRY_BYTES] = 1; /* writers do not ascend */
	assert_int_equal(presence_check(two), MB_ERR_CORRUPT);
}

static void
it_is_found_from_the_end(void **state)
{
	const struct slice dots = both(add(3, 9), add(4, 7));
	struct slice p,
		item = MADE(64, (wbuf_put(out, "member", 6), wbuf_put(out, dots.p, dots.len), 0));

	assert_true(presence_cut(&item, &p));
	assert_true(slice_eq(item, slice_str("member")));
	assert_true(slice_eq(p, dots));
}

static void
a_remove_takes_what_it_saw(void **state)
{
	const struct slice one = add(1, 1), two = both(one, add(1, 2));

	assert_true(presence_live(one));
	assert_false(presence_live(both(one, gone(one))));
	assert_true(presence_live(both(two, gone(one))));
	assert_false(presence_live(both(two, gone(two))));
	/* The remove arrives first. */
	assert_false(presence_live(both(gone(one), one)));
	/* Added again. */
	assert_true(presence_live(both(gone(one), add(2, 1))));
	/* Nothing left to remove. */
	assert_int_equal(gone(gone(two)).len, 0);
}

/* What a presence stands for: per writer the latest add, and the latest removed. */
struct model {
	uint64_t add[2], gone[2];
};

enum { HISTORIES = 36 }; /* of one writer: dots 0..5, removed up to 0..5 */

static struct slice
made_of(const struct model *m)
{
	struct slice p = { 0 };

	for (uint64_t w = 0; w < 2; w++) {
		p = m->add[w] != 0 ? both(p, add(m->add[w], w)) : p;
		p = m->gone[w] != 0 ? both(p, gone(add(m->gone[w], w))) : p;
	}
	return p;
}

static struct model
history(int a, int b)
{
	return (struct model){ .add = { (uint64_t)(a / 6), (uint64_t)(b / 6) },
			       .gone = { (uint64_t)(a % 6), (uint64_t)(b % 6) } };
}

static bool
model_live(const struct model *m)
{
	return m->add[0] > m->gone[0] || m->add[1] > m->gone[1];
}

static void
as_all_adds_and_removes(void **state)
{
	static struct slice p[HISTORIES][4];

	for (int a = 0; a < HISTORIES; a++) {
		for (int b = 0; b < 4; b++) {
			struct model m = history(a, b);

			p[a][b] = made_of(&m);
			assert_int_equal(presence_live(p[a][b]), model_live(&m));
		}
	}
	for (int i = 0; i < HISTORIES * 4; i++) {
		for (int j = 0; j < HISTORIES * 4; j++) {
			struct model x = history(i / 4, i % 4), y = history(j / 4, j % 4), m;
			struct slice merged_p = both(p[i / 4][i % 4], p[j / 4][j % 4]);

			for (int w = 0; w < 2; w++) {
				m.add[w] = MAX(x.add[w], y.add[w]);
				m.gone[w] = MAX(x.gone[w], y.gone[w]);
			}
			assert_int_equal(presence_live(merged_p), model_live(&m));
			assert_true(presence_leq(p[i / 4][i % 4], merged_p));
		}
	}
	made_forget();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(it_is_found_from_the_end),
		cmocka_unit_test(a_remove_takes_what_it_saw),
		cmocka_unit_test(as_all_adds_and_removes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
