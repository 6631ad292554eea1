/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what a call has seen its put takes the place of, what it has not stays beside; a merge of
 *         the user's makes one of all of them, and settles.
 * Method: by hand, with puts of another process in between; the merge is a union of letters. */
#include "session_fixture.h"

#include "seen.h"

static uint32_t runs; /* of the merge */

/* Sorted letters, each once. */
static int
letters(void *ctx, struct session *session, struct slice a, struct slice b,
	struct held_value *place)
{
	uint8_t out[64];
	size_t len = 0;
	uint8_t *p;
	int err;

	runs++;
	if ((a.len != 0 && a.p[0] == '!') || (b.len != 0 && b.p[0] == '!')) {
		return MB_ERR_INVALID;
	}
	for (int c = 'a'; c <= 'z'; c++) {
		if (memchr(a.p, c, a.len) != NULL || memchr(b.p, c, b.len) != NULL) {
			out[len++] = (uint8_t)c;
		}
	}
	err = session_place_take(session, place, len, &p);
	if (err == 0) {
		memcpy(p, out, len);
	}
	return err;
}

static const struct merge_fn by_letters = { .name = { (const uint8_t *)"letters", 7 },
					    .run = letters };
static const struct merge_fn by_other = { .name = { (const uint8_t *)"other", 5 }, .run = letters };

/* All that a key shows, behind each other, in some order but for our own. */
static const char *
shown(const char *key)
{
	static char text[256];
	struct session_iter it;
	struct slice value;
	size_t len = 0;

	assert_int_equal(session_sibling_begin(s, k(key), &it), 0);
	while (session_sibling_next(s, &it, &value)) {
		memcpy(text + len, value.p, value.len);
		len += value.len;
	}
	assert_false(session_sibling_next(s, &it, &value));
	text[len] = '\0';
	return text;
}

/* A put of another process that has seen nothing. */
static void
other_puts(const char *key, const char *merge, const char *value)
{
	uint8_t mem[64];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct wset_op op = { .kind = WSET_SIBLING, .key = k(key), .field = k(merge) };

	wbuf_put(&out, value, strlen(value));
	assert_int_equal(seen_put_tail(&out, &(struct seen){ 0 }), 0);
	op.value = wbuf_slice(&out);
	assert_int_equal(world_do(w, &op), 0);
}

static void
types_do_not_mix(void **state)
{
	struct slice got;
	int64_t x;

	assert_int_equal(session_put_sibling(s, k("s"), k("a")), 0);
	assert_int_equal(session_incr(s, k("s"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_get_i64(s, k("s"), &x), MB_ERR_TYPE);
	assert_int_equal(session_put_merged(s, k("s"), &by_letters, k("b")), MB_ERR_TYPE);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_put_merged(s, k("s"), &by_letters, k("b")), MB_ERR_TYPE);
	assert_int_equal(session_get_merged(s, k("s"), &by_letters, &got), MB_ERR_TYPE);
	assert_int_equal(session_sadd(s, k("s"), k("b")), MB_ERR_TYPE);
	assert_int_equal(session_put(s, k("text"), k("v")), 0);
	assert_int_equal(session_put_sibling(s, k("text"), k("a")), MB_ERR_TYPE);
	assert_int_equal(session_get_merged(s, k("text"), &by_letters, &got), MB_ERR_TYPE);
	assert_int_equal(session_get_merged(s, k("none"), &by_letters, &got), MB_ERR_NOT_FOUND);
	assert_int_equal(session_put_merged(s, k("m"), &by_letters, k("a")), 0);
	assert_int_equal(session_get_merged(s, k("m"), &by_other, &got), MB_ERR_TYPE);
	assert_int_equal(session_put_sibling(s, k("m"), k("a")), MB_ERR_TYPE);
}

static void
what_was_seen_is_replaced(void **state)
{
	other_puts("s", "", "a");
	assert_int_equal(session_put_sibling(s, k("s"), k("b")), 0);
	assert_string_equal(shown("s"), "ab"); /* a was not seen when b was put */
	assert_shows("s", "b");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(strlen(shown("s")), 2);
	other_puts("s", "", "c"); /* after we looked */
	assert_int_equal(session_put_sibling(s, k("s"), k("d")), 0);
	assert_int_equal(session_put_sibling(s, k("s"), k("e")), 0); /* over d, too */
	assert_string_equal(shown("s"), "ce");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(strlen(shown("s")), 2);
	session_release(s, k("s")); /* not seen, then */
	assert_int_equal(session_put_sibling(s, k("s"), k("f")), 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(strlen(shown("s")), 3);
	assert_int_equal(session_delete(s, k("s")), 0);
	assert_string_equal(shown("s"), "");
	assert_int_equal(session_put_sibling(s, k("s"), k("g")), 0);
	assert_string_equal(shown("s"), "g");
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_string_equal(shown("s"), "g");
}

static void
a_merge_makes_one_of_all(void **state)
{
	struct slice got;

	other_puts("m", "letters", "cb");
	other_puts("m", "letters", "a");
	runs = 0;
	assert_int_equal(session_get_merged(s, k("m"), &by_letters, &got), 0);
	assert_true(slice_eq(got, slice_str("abc")));
	assert_int_equal(runs, 1);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_string_equal(shown("m"), "abc");
	runs = 0;
	assert_int_equal(session_get_merged(s, k("m"), &by_letters, &got), 0);
	assert_int_equal(runs, 0); /* it is settled */
	assert_false(session_written(s));
	other_puts("m", "letters", "d");
	assert_int_equal(session_put_merged(s, k("m"), &by_letters, k("e")), 0);
	other_puts("m", "letters", "f"); /* while this call runs */
	assert_int_equal(session_get_merged(s, k("m"), &by_letters, &got), 0);
	assert_true(slice_eq(got, slice_str("abcdef")));
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_string_equal(shown("m"), "abcdef");
}

static void
a_read_only_call_shows_and_writes_nothing(void **state)
{
	struct slice got;

	other_puts("m", "letters", "b");
	other_puts("m", "letters", "a");
	assert_int_equal(session_end(s), 0);
	session_begin(s, &(struct session_call){ .id = CALL, .read_only = true });
	assert_int_equal(session_get_merged(s, k("m"), &by_letters, &got), 0);
	assert_true(slice_eq(got, slice_str("ab")));
	assert_false(session_written(s));
	assert_int_equal(session_put_merged(s, k("m"), &by_letters, k("c")), MB_ERR_DENIED);
	assert_int_equal(strlen(shown("m")), 2);
}

static void
a_merge_that_refuses_is_an_error(void **state)
{
	struct slice got;

	other_puts("m", "letters", "!");
	assert_int_equal(session_put_merged(s, k("m"), &by_letters, k("c")),
			 MB_ERR_FUNCTION_FAILED);
	other_puts("m", "letters", "a");
	assert_int_equal(session_get_merged(s, k("m"), &by_letters, &got), MB_ERR_FUNCTION_FAILED);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(strlen(shown("m")), 2);
}

static void
long_values_go_by_reference(void **state)
{
	static uint8_t long_value[3 * WSET_INLINE_MAX];
	struct session_iter it;
	struct slice got;

	memset(long_value, 'x', sizeof(long_value));
	assert_int_equal(session_put_sibling(s, k("s"), slice_of(long_value, sizeof(long_value))),
			 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	other_puts("s", "", "a");
	assert_int_equal(session_sibling_begin(s, k("s"), &it), 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(session_sibling_next(s, &it, &got));
		assert_true(got.len == 1 ||
			    slice_eq(got, slice_of(long_value, sizeof(long_value))));
	}
	assert_false(session_sibling_next(s, &it, &got));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(types_do_not_mix, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_seen_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(a_merge_makes_one_of_all, setup, teardown),
		cmocka_unit_test_setup_teardown(a_read_only_call_shows_and_writes_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_merge_that_refuses_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(long_values_go_by_reference, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
