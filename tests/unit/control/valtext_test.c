/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   results read as valtext.h says, on a terminal, in a pipe and in JSON.
 * Method: one value of each type each way; lists in the real encoding, also damaged. */
#include "valtext.h"

#include <math.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "../base/test_cmocka.h"
#include "value.h"

static char *
printed(const struct mb_value *v, uint32_t cnt, bool terminal)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	assert_non_null(f);
	valtext_print(f, v, cnt, terminal);
	fclose(f);
	return out;
}

static void
assert_printed(const struct mb_value *v, uint32_t cnt, bool terminal, const char *want)
{
	char *out = printed(v, cnt, terminal);

	assert_string_equal(out, want);
	free(out);
}

static void
one_a_line(void **state)
{
	static const double x[] = { 1, 2.5 };
	const struct mb_value v[] = {
		mb_i64(-5),         mb_f64(5),           mb_utf8("hi", 2),       mb_nil(),
		mb_f64_array(x, 2), mb_bytes("text", 4), mb_bytes("\xff\x00", 2)
	};

	(void)state;
	assert_printed(v, 0, false, "");
	assert_printed(v, 1, false, "-5\n");
	assert_printed(v, 7, false, "-5\n5.0\nhi\nnil\n1.0,2.5\ntext\nb:ff00\n");
}

static void
no_valid_value(void **state)
{
	const struct mb_value v = { .type = MB_INVALID, .p = "a\x1b b", .len = 4 };
	json_t *json = valtext_json(&v);

	(void)state;
	assert_printed(&v, 1, true, "invalid: a\\x1b b\n");
	assert_string_equal(json_string_value(json_object_get(json, "type")), "invalid");
	json_decref(json);
}

static void
single_bytes(void **state)
{
	struct mb_value v = mb_bytes("a\nb", 3);
	char *out;

	(void)state;
	assert_printed(&v, 1, false, "a\nb"); /* a file, untouched */
	assert_printed(&v, 1, true, "a\nb\n");
	v = mb_bytes("\xff\x01", 2);
	assert_printed(&v, 1, false, "\xff\x01");
	assert_printed(&v, 1, true, "b:ff01\n");
	v = mb_bytes("\x1b[2J", 4);
	assert_printed(&v, 1, true, "\\x1b[2J\n");
	v = mb_bytes(calloc(1, 100), 100);
	memset((void *)(uintptr_t)v.p, 0xff, v.len);
	out = printed(&v, 1, true);
	assert_non_null(strstr(out, "... (100 B)"));
	free(out);
	free((void *)(uintptr_t)v.p);
}

static struct mb_value
list(uint8_t *buf, size_t cap)
{
	struct value_writer w;
	int64_t len;

	value_list_begin(&w, buf, cap, 2);
	value_list_add_i64(&w, 7);
	value_list_add(&w, MB_UTF8, "x", 1);
	len = value_list_end(&w);
	assert_true(len > 0);
	return (struct mb_value){ .type = MB_LIST, .p = buf, .len = (size_t)len };
}

static void
lists(void **state)
{
	alignas(8) uint8_t buf[64];
	struct mb_value v = list(buf, sizeof(buf));
	json_t *json = valtext_json(&v);
	char *text = json_dumps(json, JSON_COMPACT);

	(void)state;
	assert_printed(&v, 1, false, "[7, x]\n");
	assert_string_equal(text, "{\"type\":\"list\",\"value\":[{\"type\":\"i64\",\"value\":7},"
				  "{\"type\":\"utf8\",\"value\":\"x\"}]}");
	free(text);
	json_decref(json);
	v.len--;
	assert_printed(&v, 1, false, "[damaged]\n");
}

static void
assert_json(struct mb_value v, const char *want)
{
	json_t *json = valtext_json(&v);
	char *text;

	assert_non_null(json);
	text = json_dumps(json, JSON_COMPACT);
	assert_string_equal(text, want);
	free(text);
	json_decref(json);
}

static void
json(void **state)
{
	static const double x[] = { 1.5, NAN };

	(void)state;
	assert_json(mb_nil(), "{\"type\":\"nil\",\"value\":null}");
	assert_json(mb_i64(INT64_MIN), "{\"type\":\"i64\",\"value\":-9223372036854775808}");
	assert_json(mb_f64(0.5), "{\"type\":\"f64\",\"value\":0.5}");
	assert_json(mb_f64(INFINITY), "{\"type\":\"f64\",\"value\":\"inf\"}");
	assert_json(mb_f64_array(x, 2), "{\"type\":\"f64_array\",\"value\":[1.5,\"nan\"]}");
	assert_json(mb_utf8("\"\n", 2), "{\"type\":\"utf8\",\"value\":\"\\\"\\n\"}");
	assert_json(mb_utf8("a\0b", 3), "{\"type\":\"utf8\",\"value\":\"a\\u0000b\"}");
	assert_json(mb_bytes("text", 4), "{\"type\":\"bytes\",\"value\":\"text\"}");
	assert_json(mb_bytes("", 0), "{\"type\":\"bytes\",\"value\":\"\"}");
	assert_json(mb_bytes("\xff\x00", 2), "{\"type\":\"bytes\",\"value\":{\"hex\":\"ff00\"}}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_a_line),     cmocka_unit_test(single_bytes),
		cmocka_unit_test(no_valid_value), cmocka_unit_test(lists),
		cmocka_unit_test(json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
