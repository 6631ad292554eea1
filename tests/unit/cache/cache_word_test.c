/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a word says what an operation made, whether an item is new, and which of two reasons a
 *         type error has.
 * Method: values made by delta.h, one operation after the other, with a word for each.
 */
#include "cache_word.h"
#include "compiler.h"
#include "delta_fixture.h"
#include "list.h"

static const struct writer_id writer = { 7 };
static uint8_t value_mem[4096], next_mem[4096];
static struct slice value;
static uint64_t now_us = 1700000000000000;

/* Does an operation on value. */
static int
act(enum wset_kind kind, const char *field, const char *text, int64_t n, struct cache_op_word *word)
{
	struct wset_op op = { .kind = kind, .key = slice_str("k"), .n = n };
	struct hlc_time now = hlc_time_of_us(now_us++);
	struct wbuf delta, out;
	uint8_t delta_mem[1024];
	int err;

	op.field = field != NULL ? slice_str(field) : op.field;
	op.value = text != NULL ? slice_str(text) : op.value;
	*word = (struct cache_op_word){ 0 };
	cache_word_before(value, &op, now, word);
	delta = wbuf_init(delta_mem, sizeof(delta_mem));
	err = delta_make(value, &op, hlc_moment_of(now), writer, &delta);
	if (err == MB_ERR_TYPE) {
		cache_word_type(value, &op, word);
	}
	if (err != 0) {
		return err;
	}
	out = wbuf_init(next_mem, sizeof(next_mem));
	assert_true(lattice_merge_into(LATTICE_ENVELOPE, value, wbuf_slice(&delta), &out) >= 0);
	memcpy(value_mem, next_mem, out.len);
	value = slice_of(value_mem, out.len);
	cache_word_after(value, &op, delta.len != 0, word);
	return 0;
}

static void
fresh(void)
{
	value = slice_of(NULL, 0);
}

static void
numbers(void **state)
{
	struct cache_op_word word;
	double score;

	(void)state;
	fresh();
	assert_int_equal(act(WSET_INCR, NULL, NULL, 5, &word), 0);
	assert_int_equal(word.n, 5);
	assert_int_equal(act(WSET_INCR, NULL, NULL, -7, &word), 0);
	assert_int_equal(word.n, -2);
	assert_int_equal(word.changed, 1);
	fresh();
	assert_int_equal(act(WSET_MAP_INCR, "f", NULL, 3, &word), 0);
	assert_int_equal(act(WSET_MAP_INCR, "f", NULL, 4, &word), 0);
	assert_int_equal(word.n, 7);
	fresh();
	score = 1.5;
	memcpy(&word.n, &score, sizeof(score));
	assert_int_equal(act(WSET_ZINCR, "m", NULL, word.n, &word), 0);
	memcpy(&score, &word.n, sizeof(score));
	assert_true(score == 1.5);
	fresh();
	assert_int_equal(act(WSET_PUSH_LEFT, NULL, "x", 0, &word), 0);
	assert_int_equal(act(WSET_PUSH_RIGHT, NULL, "y", 0, &word), 0);
	assert_int_equal(word.n, 2);
}

static void
what_is_new(void **state)
{
	struct cache_op_word word;

	(void)state;
	fresh();
	assert_int_equal(act(WSET_SADD, NULL, "m", 0, &word), 0);
	assert_int_equal(word.n, 1);
	assert_int_equal(act(WSET_SADD, NULL, "m", 0, &word), 0);
	assert_int_equal(word.n, 0);
	fresh();
	assert_int_equal(act(WSET_MAP_PUT, "f", "v", 0, &word), 0);
	assert_int_equal(word.n, 1);
	assert_int_equal(act(WSET_MAP_PUT, "f", "w", 0, &word), 0);
	assert_int_equal(word.n, 0);
	assert_int_equal(act(WSET_MAP_PUT, "g", "w", 0, &word), 0);
	assert_int_equal(word.n, 1);
	fresh();
	assert_int_equal(act(WSET_ZADD, "m", NULL, 0, &word), 0);
	assert_int_equal(word.n, 1);
	assert_int_equal(act(WSET_ZADD, "m", NULL, 0, &word), 0);
	assert_int_equal(word.n, 0);
}

static void
why_the_type_is_wrong(void **state)
{
	struct cache_op_word word;

	(void)state;
	fresh();
	assert_int_equal(act(WSET_PUT, NULL, "text", 0, &word), 0);
	assert_int_equal(act(WSET_INCR, NULL, NULL, 1, &word), MB_ERR_TYPE);
	assert_int_equal(word.not_number, 1);
	assert_int_equal(act(WSET_SADD, NULL, "m", 0, &word), MB_ERR_TYPE);
	assert_int_equal(word.not_number, 0);
	fresh();
	assert_int_equal(act(WSET_MAP_PUT, "f", "text", 0, &word), 0);
	assert_int_equal(act(WSET_MAP_INCR, "f", NULL, 1, &word), MB_ERR_TYPE);
	assert_int_equal(word.not_number, 1);
	assert_int_equal(act(WSET_INCR, NULL, NULL, 1, &word), MB_ERR_TYPE);
	assert_int_equal(word.not_number, 0);
}

/* One more step of a key's life: increments, at the ends of the range too, a SET, a delete, and
 * what another writer adds. */
static void
live(struct replica *r, uint32_t what, bool *ret_alone)
{
	const int64_t n[] = { 1, -1, 7, 0, INT64_MAX, INT64_MIN };
	struct replica other = { .v = r->v, .writer = 2 };
	struct wset_op op = { .kind = WSET_INCR, .key = slice_str("k"), .n = 5 };
	uint8_t mem[256];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct slice delta;
	struct envelope e;
	int64_t made, now;

	*ret_alone = false;
	if (what >= ARRAY_CNT(n)) {
		if (what % 2 == 0 && apply(&other, &op, &delta) == 0) {
			absorb(r, delta);
		} else {
			(void)quick(r, clock_now % 3 == 0 ? WSET_DEL : WSET_PUT, "41", 0);
		}
		return;
	}
	*ret_alone = cache_word_incr(r->v, n[what], (struct writer_id){ r->writer }, &out, &made);
	if (quick(r, WSET_INCR, NULL, n[what]) != 0 || !*ret_alone) {
		assert_false(*ret_alone);
		assert_int_equal(out.len, 0);
		return;
	}
	assert_true(slice_eq(r->v, wbuf_slice(&out)));
	assert_int_equal(envelope_open(r->v, &e), 0);
	assert_int_equal(view_i64(e.type, e.state, &now), 0);
	assert_int_equal(made, now);
}

/* An increment that no other writer's is beside: what is made at once is, to the byte, what the
 * delta merges to. Where it is not made, something else is there. */
static void
alone_or_not(void **state)
{
	uint32_t alone_cnt = 0, cnt = 0;
	bool alone;

	(void)state;
	for (uint32_t mix = 0; mix < 8 * 8 * 8 * 8; mix++) {
		struct replica r = { .writer = 1 };

		for (uint32_t left = mix + 4096; left > 1; left /= 8) {
			live(&r, left % 8, &alone);
			alone_cnt += alone;
			cnt++;
		}
	}
	assert_in_range(alone_cnt, cnt / 8, cnt - cnt / 8);
}

/* Whether the item idx from the left of value is at an end, as of now. */
static bool
ends(uint32_t idx, uint32_t end)
{
	struct table_walk walk = { 0 };
	struct list_item item;
	struct envelope e;

	assert_int_equal(envelope_open(value, &e), 0);
	for (uint32_t i = 0; i <= idx; i++) {
		assert_true(list_next(e.state, &walk, &item));
	}
	return cache_word_ends(value, &(struct wset_op){ .kind = WSET_LIST_DEL, .field = item.id },
			       hlc_time_of_us(now_us), &(struct cache_op_word){ .if_end = end });
}

static void
which_item_is_at_an_end(void **state)
{
	const struct slice none = slice_of("", 0);
	const struct cache_op_word first = { .if_end = CACHE_END_FIRST };
	struct wset_op del = { .kind = WSET_LIST_DEL };
	struct cache_op_word word;

	value = none;
	assert_false(cache_word_ends(value, &del, hlc_time_of_us(now_us), &first));
	assert_int_equal(act(WSET_PUSH_RIGHT, NULL, "b", 0, &word), 0);
	assert_true(ends(0, CACHE_END_FIRST) && ends(0, CACHE_END_LAST));
	assert_int_equal(act(WSET_PUSH_RIGHT, NULL, "c", 0, &word), 0);
	assert_true(ends(0, CACHE_END_FIRST) && !ends(0, CACHE_END_LAST));
	assert_int_equal(act(WSET_PUSH_LEFT, NULL, "a", 0, &word), 0);
	assert_true(!ends(1, CACHE_END_FIRST) && !ends(1, CACHE_END_LAST));
	assert_true(ends(0, CACHE_END_FIRST) && ends(2, CACHE_END_LAST));
	assert_int_equal(act(WSET_EXPIRE, NULL, NULL, (int64_t)now_us + 100, &word), 0);
	assert_true(ends(2, CACHE_END_LAST));
	now_us += 200;
	assert_false(ends(2, CACHE_END_LAST)); /* it shows nothing any more */
	value = none;
	assert_int_equal(act(WSET_SADD, NULL, "a", 0, &word), 0);
	del.field = slice_str("a");
	assert_false(cache_word_ends(value, &del, hlc_time_of_us(now_us), &first));
}

/* Whether a member of the sorted set is at an end, with this score. */
static bool
zends(const char *member, double score, uint32_t end)
{
	const struct wset_op op = { .kind = WSET_ZREM, .field = slice_str(member) };
	struct cache_op_word word = { .if_end = end };

	memcpy(&word.n, &score, sizeof(word.n));
	return cache_word_ends(value, &op, hlc_time_of_us(now_us), &word);
}

static void
which_member_is_at_an_end(void **state)
{
	const struct wset_op rem = { .kind = WSET_SREM, .value = slice_str("m") };
	const struct cache_op_word there = { .if_end = CACHE_END_NONE };
	const char *const names[] = { "c", "a", "b", "d" };
	const double scores[] = { 1, 2, 2, 3 };
	struct cache_op_word word;

	value = slice_of("", 0);
	assert_false(zends("c", 1, CACHE_END_FIRST));
	for (uint32_t i = 0; i < 4; i++) {
		int64_t bits;

		memcpy(&bits, &scores[i], sizeof(bits));
		assert_int_equal(act(WSET_ZADD, names[i], NULL, bits, &word), 0);
	}
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(zends(names[i], scores[i], CACHE_END_FIRST), i == 0);
		assert_int_equal(zends(names[i], scores[i], CACHE_END_LAST), i == 3);
	}
	assert_false(zends("c", 0, CACHE_END_FIRST)); /* it has another score by now */
	assert_false(zends("d", 4, CACHE_END_LAST));
	assert_false(zends("x", 0, CACHE_END_FIRST));
	assert_int_equal(act(WSET_ZREM, "c", NULL, 0, &word), 0);
	assert_false(zends("c", 1, CACHE_END_FIRST));
	assert_true(zends("a", 2, CACHE_END_FIRST)); /* of two scores alike the lesser name */
	assert_false(cache_word_ends(value, &rem, hlc_time_of_us(now_us), &there));
	value = slice_of("", 0);
	assert_int_equal(act(WSET_SADD, NULL, "m", 0, &word), 0);
	assert_true(cache_word_ends(value, &rem, hlc_time_of_us(now_us), &there));
	assert_int_equal(act(WSET_SREM, NULL, "m", 0, &word), 0);
	assert_false(cache_word_ends(value, &rem, hlc_time_of_us(now_us), &there));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(what_is_new),
		cmocka_unit_test(why_the_type_is_wrong),
		cmocka_unit_test(alone_or_not),
		cmocka_unit_test(which_item_is_at_an_end),
		cmocka_unit_test(which_member_is_at_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
