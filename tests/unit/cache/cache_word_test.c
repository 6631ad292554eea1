/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a word says what an operation made, whether an item is new, and which of two reasons a
 *         type error has.
 * Method: values made by delta.h, one operation after the other, with a word for each.
 */
#include <string.h>

#include "cache_word.h"
#include "delta.h"
#include "lattice.h"
#include "microburst/error.h"
#include "test_cmocka.h"

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
	err = delta_make(value, &op, now, writer, &delta);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(what_is_new),
		cmocka_unit_test(why_the_type_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
