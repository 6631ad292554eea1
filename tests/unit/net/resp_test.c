/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   commands of clients are found whole, in whatever pieces they come; what is not the
 * protocol
 *         is refused in Redis's words; replies are what clients of both protocols expect.
 * Method: refusals first; then every command cut at every place, and byte by byte; long words taken
 *         out of the text; the words of lines against a table; replies against their bytes. */
#include "resp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_cmocka.h"

static struct slice arg[RESP_ARG_CNT_MAX];
static uint8_t scratch[RESP_INLINE_MAX];

static int
scan(struct resp_parser *p, const char *text, size_t len)
{
	return resp_scan(p, slice_of(text, len));
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void
refuses(const char *text, const char *want)
{
	struct resp_parser p = { 0 };
	char said[64];
	int rc = scan(&p, text, strlen(text));

	if (rc == RESP_DONE) {
		rc = resp_args(&p, slice_of(text, strlen(text)), NULL, scratch, arg);
	}
	assert_true(rc < 0);
	resp_error_text(&p, rc, said);
	assert_string_equal(said, want);
}

static void
what_is_no_command_is_refused(void **state)
{
	refuses("*x\r\n", "Protocol error: invalid multibulk length");
	refuses("*99999999999999999999\r\n", "Protocol error: invalid multibulk length");
	refuses("*2147483648\r\n", "Protocol error: invalid multibulk length");
	refuses("*2147483647\r\n", "Protocol error: a command has at most 65536 words");
	refuses("*65537\r\n", "Protocol error: a command has at most 65536 words");
	refuses("*1\r\n+PING\r\n", "Protocol error: expected '$', got '+'");
	refuses("*1\r\n\xff\r\n", "Protocol error: expected '$', got '\xff'");
	refuses("*1\r\n\n\r\n", "Protocol error: expected '$', got ' '");
	refuses("*1\r\n$x\r\n", "Protocol error: invalid bulk length");
	refuses("*1\r\n$-1\r\n", "Protocol error: invalid bulk length");
	refuses("*1\r\n$67108865\r\n", "Protocol error: invalid bulk length");
	refuses("set \"a b\r\n", "Protocol error: unbalanced quotes in request");
	refuses("set \"a\"b c\r\n", "Protocol error: unbalanced quotes in request");
	refuses("*1\r\n$00000000000000000000000000000000000001\r\n",
		"Protocol error: invalid bulk length");
}

static void
what_stands_behind_a_nul_in_a_line_is_passed_over(void **state)
{
	static const char text[] = "get a\0b \"\0\r\nping\r\n";
	struct resp_parser p = { 0 };

	assert_int_equal(scan(&p, text, sizeof(text) - 1), RESP_DONE);
	assert_int_equal(resp_args(&p, slice_of(text, p.pos), NULL, scratch, arg), 2);
	assert_true(slice_eq(arg[1], slice_str("a")));
	assert_string_equal(text + p.pos, "ping\r\n");
}

static void
a_word_may_be_longer_where_the_caller_says_so(void **state)
{
	const char text[] = "*1\r\n$67108928\r\n", more[] = "*1\r\n$67108929\r\n";
	struct resp_parser p = { 0 };

	assert_int_equal(scan(&p, text, sizeof(text) - 1), RESP_ERR_BULK);
	p.longer = true;
	assert_int_equal(scan(&p, text, sizeof(text) - 1), RESP_LARGE);
	assert_int_equal(p.large_len, RESP_BULK_MAX + RESP_BULK_MORE);
	resp_next(&p);
	assert_false(p.longer);
	p.longer = true;
	assert_int_equal(scan(&p, more, sizeof(more) - 1), RESP_ERR_BULK);
}

static void
a_line_without_end_is_refused_at_the_limit(void **state)
{
	char *line = malloc(RESP_INLINE_MAX + 2);
	struct resp_parser p = { 0 };

	memset(line, 'x', RESP_INLINE_MAX + 2);
	assert_int_equal(scan(&p, line, RESP_INLINE_MAX), RESP_MORE);
	assert_int_equal(scan(&p, line, RESP_INLINE_MAX + 1), RESP_ERR_INLINE);
	assert_int_equal(scan(&p, line, RESP_INLINE_MAX + 1), RESP_ERR_INLINE); /* and again */
	free(line);
}

static void
who_has_not_said_a_password_gets_short_commands(void **state)
{
	struct resp_parser p = { .limited = true };

	assert_int_equal(scan(&p, "*11\r\n", 5), RESP_ERR_UNAUTH_MULTIBULK);
	p = (struct resp_parser){ .limited = true };
	assert_int_equal(scan(&p, "*1\r\n$16385\r\n", 12), RESP_ERR_UNAUTH_BULK);
	resp_next(&p);
	assert_true(p.limited);
	assert_int_equal(scan(&p, "*10\r\n", 5), RESP_MORE);
}

static void
a_command_has_a_largest_text(void **state)
{
	/* Words that are not long enough to be taken out, but too many. */
	size_t word = RESP_LARGE_MIN, cnt = RESP_TEXT_MAX / word + 2, len = 0;
	char *text = malloc(cnt * (word + 16) + 32);
	struct resp_parser p = { 0 };

	len += (size_t)snprintf(text, 32, "*%zu\r\n", cnt);
	for (size_t i = 0; i < cnt; i++) {
		len += (size_t)snprintf(text + len, 16, "$%zu\r\n", word);
		memset(text + len, 'x', word);
		memcpy(text + len + word, "\r\n", 2);
		len += word + 2;
	}
	assert_int_equal(scan(&p, text, len), RESP_ERR_TEXT);
	free(text);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void
assert_words(const struct resp_parser *p, const char *text, const char *const *want)
{
	int cnt = resp_args(p, slice_of(text, p->pos), NULL, scratch, arg);

	assert_true(cnt >= 0);
	for (int i = 0; i < cnt; i++) {
		/* It ends with NULL:
		 * NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
		size_t len = want[i] != NULL ? strlen(want[i]) : SIZE_MAX;

		assert_int_equal(arg[i].len, len);
		assert_memory_equal(arg[i].p, want[i], len);
	}
	/* As above: NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
	assert_null(want[cnt]);
}

/* The text is one command; it is found however it is cut, and what stands behind it is left alone.
 * */
static void
finds(const char *text, const char *const *want)
{
	size_t len = strlen(text);
	char *more = malloc(len + 8);

	memcpy(more, text, len);
	memcpy(more + len, "*1\r\n$4\r\n", 8);
	for (size_t cut = 0; cut < len; cut++) {
		struct resp_parser p = { 0 };

		assert_int_equal(scan(&p, text, cut), RESP_MORE);
		assert_int_equal(scan(&p, more, len + 8), RESP_DONE);
		assert_int_equal(p.pos, len);
		assert_words(&p, text, want);
		assert_int_equal(scan(&p, more, len + 8), RESP_DONE); /* asked again: the same */
		assert_int_equal(p.pos, len);
	}
	for (size_t i = 0; i < 1; i++) {
		struct resp_parser p = { 0 };

		for (size_t n = 0; n < len; n++) {
			assert_int_equal(scan(&p, text, n), RESP_MORE);
		}
		assert_int_equal(scan(&p, text, len), RESP_DONE);
		assert_words(&p, text, want);
	}
	free(more);
}

static void
commands_are_found_in_any_pieces(void **state)
{
	finds("*1\r\n$4\r\nPING\r\n", (const char *[]){ "PING", NULL });
	finds("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n", (const char *[]){ "SET", "a", "", NULL });
	finds("*2\r\n$3\r\nGET\r\n$6\r\na\r\nb\r\n\r\n",
	      (const char *[]){ "GET", "a\r\nb\r\n", NULL });
	finds("*0\r\n", (const char *[]){ NULL });
	finds("*-1\r\n", (const char *[]){ NULL });
}

static void
lines_are_split_as_redis_does(void **state)
{
	finds("PING\r\n", (const char *[]){ "PING", NULL });
	finds("  set  a   b \n", (const char *[]){ "set", "a", "b", NULL });
	finds("\r\n", (const char *[]){ NULL });
	finds("set \"a b\" 'c d'\r\n", (const char *[]){ "set", "a b", "c d", NULL });
	finds("set \"\\x41\\n\\t\\\"\" '\\''\r\n", (const char *[]){ "set", "A\n\t\"", "'", NULL });
	finds("a '\\n'\r\n", (const char *[]){ "a", "\\n", NULL });
	finds("a \"\" ''\r\n", (const char *[]){ "a", "", "", NULL });
}

/* A long word is announced, its bytes go past the text, and the command goes on behind it. */
static void
a_long_word_is_taken_out(void **state)
{
	size_t len = RESP_LARGE_MIN + 1;
	char head[64], *value = malloc(len);
	struct resp_parser p = { 0 };
	struct slice large = slice_of(value, len);
	size_t head_len =
		(size_t)snprintf(head, sizeof(head), "*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", len);

	memset(value, 'v', len);
	assert_int_equal(scan(&p, head, head_len - 1), RESP_MORE);
	assert_int_equal(scan(&p, head, head_len), RESP_LARGE);
	assert_int_equal(p.large_len, len);
	assert_int_equal(p.pos, head_len);
	assert_int_equal(scan(&p, head, head_len), RESP_MORE);
	memcpy(head + head_len, "\r\n$2\r\nNX\r\n", 10);
	assert_int_equal(scan(&p, head, head_len + 1), RESP_MORE);
	assert_int_equal(scan(&p, head, head_len + 10), RESP_DONE);
	assert_int_equal(p.pos, head_len + 10);
	assert_int_equal(resp_args(&p, slice_of(head, p.pos), &large, scratch, arg), 4);
	assert_ptr_equal(arg[2].p, value);
	assert_int_equal(arg[2].len, len);
	assert_memory_equal(arg[3].p, "NX", 2);
	free(value);
}

/* ---- replies --------------------------------------------------------------------------------- */

static struct wbuf out;
static uint8_t out_mem[256];

static void
assert_out(const char *want)
{
	assert_false(out.full);
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.p, want, out.len);
	out = wbuf_init(out_mem, sizeof(out_mem));
}

static void
replies_are_written_for_both_protocols(void **state)
{
	out = wbuf_init(out_mem, sizeof(out_mem));
	resp_put_simple(&out, "OK");
	assert_out("+OK\r\n");
	resp_put_error(&out, "ERR two\r\nlines");
	assert_out("-ERR two  lines\r\n");
	resp_put_int(&out, INT64_MIN);
	assert_out(":-9223372036854775808\r\n");
	resp_put_int(&out, INT64_MAX);
	assert_out(":9223372036854775807\r\n");
	resp_put_int(&out, 0);
	assert_out(":0\r\n");
	resp_put_bulk(&out, slice_of("a\r\nb", 4));
	assert_out("$4\r\na\r\nb\r\n");
	resp_put_null(&out, 2);
	resp_put_null(&out, 3);
	assert_out("$-1\r\n_\r\n");
	resp_put_null_array(&out, 2);
	resp_put_null_array(&out, 3);
	assert_out("*-1\r\n_\r\n");
	resp_put_text_head(&out, 2, 3);
	resp_put_text_head(&out, 3, 3);
	assert_out("$3\r\n=7\r\ntxt:");
	resp_put_map(&out, 2, 2);
	resp_put_map(&out, 3, 2);
	assert_out("*4\r\n%2\r\n");
	resp_put_set(&out, 2, 2);
	resp_put_set(&out, 3, 2);
	assert_out("*2\r\n~2\r\n");
	resp_put_push(&out, 2, 3);
	resp_put_push(&out, 3, 3);
	assert_out("*3\r\n>3\r\n");
	resp_put_double(&out, 2, 0.1);
	resp_put_double(&out, 3, 0.1);
	assert_out("$3\r\n0.1\r\n,0.1\r\n");
	resp_put_double(&out, 3, (double)INFINITY);
	resp_put_double(&out, 3, 1e300);
	resp_put_double(&out, 3, 3.0);
	resp_put_double(&out, 3, 10.0);
	resp_put_double(&out, 3, -1200.0);
	resp_put_double(&out, 3, 1234567890.5);
	assert_out(",inf\r\n,1e+300\r\n,3\r\n,10\r\n,-1200\r\n,1234567890.5\r\n");
}

static void
a_glance_tells_what_a_command_is_about(void **state)
{
	static const char text[] =
		"*3\r\n$4\r\nHGET\r\n$3\r\na\r\n\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n";
	static const size_t first = 29;
	struct slice word[2];

	assert_int_equal(resp_glance(slice_of(text, sizeof(text) - 1), word), first);
	assert_true(slice_eq(word[0], slice_str("HGET")));
	assert_true(slice_eq(word[1], slice_of("a\r\n", 3)));
	for (size_t len = 0; len < first; len++) {
		uint8_t *part = malloc(len + 1); /* so that a look beyond it is seen */

		memcpy(part, text, len);
		assert_int_equal(resp_glance(slice_of(part, len), word), 0);
		free(part);
	}
	assert_int_equal(resp_glance(slice_str(text + first), word), sizeof(text) - 1 - first);
	assert_true(slice_eq(word[0], slice_str("PING")));
	assert_int_equal(word[1].len, 0);
}

static void
a_glance_passes_over_what_is_long_or_wrong(void **state)
{
	static const char *const texts[] = {
		"get a\r\n",
		"*x\r\n",
		"*1\r\n+PING\r\n",
		"*1\r\n$-1\r\n\r\n",
		"*1\r\n$x\r\nPING\r\n",
	};
	const size_t len = RESP_LARGE_MIN + 64;
	struct slice word[2];
	char *text = malloc(len);

	for (uint32_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(resp_glance(slice_str(texts[i]), word), 0);
	}
	memset(text, 'x', len);
	memcpy(text, "*1\r\n$65537\r\n", 12);
	assert_int_equal(resp_glance(slice_of(text, len), word), 0);
	memcpy(text, "*1\r\n$65536\r\n", 12);
	assert_int_equal(resp_glance(slice_of(text, len), word), 12 + RESP_LARGE_MIN + 2);
	memcpy(text, "*17\r\n", 5);
	for (size_t i = 0; i < 17; i++) {
		memcpy(text + 5 + 7 * i, "$1\r\na\r\n", 7);
	}
	assert_int_equal(resp_glance(slice_of(text, len), word), 0);
	memcpy(text, "*16\r\n", 5);
	assert_int_equal(resp_glance(slice_of(text, len), word), 5 + 7 * 16);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_command_is_refused),
		cmocka_unit_test(what_stands_behind_a_nul_in_a_line_is_passed_over),
		cmocka_unit_test(a_word_may_be_longer_where_the_caller_says_so),
		cmocka_unit_test(a_line_without_end_is_refused_at_the_limit),
		cmocka_unit_test(who_has_not_said_a_password_gets_short_commands),
		cmocka_unit_test(a_command_has_a_largest_text),
		cmocka_unit_test(commands_are_found_in_any_pieces),
		cmocka_unit_test(lines_are_split_as_redis_does),
		cmocka_unit_test(a_long_word_is_taken_out),
		cmocka_unit_test(a_glance_tells_what_a_command_is_about),
		cmocka_unit_test(a_glance_passes_over_what_is_long_or_wrong),
		cmocka_unit_test(replies_are_written_for_both_protocols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
