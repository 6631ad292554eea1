/* SPDX-License-Identifier: Apache-2.0 */
/* valtext.c - values as a person or a program reads them */
#include "valtext.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "fmt.h"
#include "value.h"

/* More hexadecimal than this helps nobody on a terminal. */
#define HEX_TERMINAL_BYTES 64

static double
array_at(const struct mb_value *v, size_t i)
{
	double x;

	memcpy(&x, (const uint8_t *)v->p + i * sizeof(x), sizeof(x));
	return x;
}

/* The values in a list, as the client library would give them. */
static int
list_values(const struct mb_value *v, struct mb_value out[static MB_VALUES_MAX])
{
	struct value in[MB_VALUES_MAX];
	int cnt = value_list_read(slice_of(v->p, v->len), in);

	for (int i = 0; i < cnt; i++) {
		out[i] = (struct mb_value){ .type = in[i].type, .p = in[i].p, .len = in[i].len };
		if (in[i].type == MB_I64) {
			out[i].i64 = value_i64(in[i]);
		} else if (in[i].type == MB_F64) {
			out[i].f64 = value_f64(in[i]);
		}
	}
	return cnt;
}

/* ------------------------------------------------------------------ plain */

static void
print_text(FILE *f, const void *p, size_t len, bool terminal)
{
	if (terminal) {
		fmt_safe(f, p, len, true);
	} else if (len > 0) {
		fwrite(p, 1, len, f);
	}
}

static void
print_hex(FILE *f, const uint8_t *p, size_t len, bool terminal)
{
	size_t shown = terminal ? MIN(len, (size_t)HEX_TERMINAL_BYTES) : len;
	char size[FMT_BYTES];

	fputs("b:", f);
	for (size_t i = 0; i < shown; i++) {
		fprintf(f, "%02x", p[i]);
	}
	if (shown < len) {
		fprintf(f, "... (%s)", fmt_bytes(size, len));
	}
}

void
valtext_field(FILE *f, const void *p, size_t len, bool terminal)
{
	if (value_utf8_ok(p, len)) {
		print_text(f, p, len, terminal);
	} else {
		print_hex(f, p, len, terminal);
	}
}

static void print_value(FILE *f, const struct mb_value *v, bool terminal);

static void
print_list(FILE *f, const struct mb_value *v, bool terminal)
{
	struct mb_value in[MB_VALUES_MAX];
	int cnt = list_values(v, in);

	fputc('[', f);
	for (int i = 0; i < cnt; i++) {
		fputs(i > 0 ? ", " : "", f);
		print_value(f, &in[i], terminal);
	}
	fputs(cnt < 0 ? "damaged]" : "]", f);
}

static void
print_value(FILE *f, const struct mb_value *v, bool terminal)
{
	char buf[FMT_BYTES];

	switch (v->type) {
	case MB_NIL:
		fputs("nil", f);
		break;
	case MB_I64:
		fprintf(f, "%" PRId64, v->i64);
		break;
	case MB_F64:
		fputs(fmt_f64(buf, v->f64), f);
		break;
	case MB_UTF8:
		print_text(f, v->p, v->len, terminal);
		break;
	case MB_BYTES:
		valtext_field(f, v->p, v->len, terminal);
		break;
	case MB_INVALID:
		fputs("invalid: ", f);
		valtext_field(f, v->p, v->len, terminal);
		break;
	case MB_F64_ARRAY:
		for (size_t i = 0; i < v->len / sizeof(double); i++) {
			fprintf(f, "%s%s", i > 0 ? "," : "", fmt_f64(buf, array_at(v, i)));
		}
		break;
	case MB_LIST:
		print_list(f, v, terminal);
		break;
	default:
		fprintf(f, "a value of type %d, which this version does not know", (int)v->type);
		break;
	}
}

void
valtext_print(FILE *f, const struct mb_value *v, uint32_t cnt, bool terminal)
{
	if (cnt == 1 && v->type == MB_BYTES) {
		valtext_bytes(f, v->p, v->len, terminal);
		return;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		print_value(f, &v[i], terminal);
		fputc('\n', f);
	}
}

void
valtext_bytes(FILE *f, const void *p, size_t len, bool terminal)
{
	if (!terminal) {
		print_text(f, p, len, false);
		return;
	}
	valtext_field(f, p, len, true);
	if (len == 0 || ((const char *)p)[len - 1] != '\n') {
		fputc('\n', f);
	}
}

/* ------------------------------------------------------------------- JSON */

static json_t *
json_hex(const uint8_t *p, size_t len)
{
	static const char digit[] = "0123456789abcdef";
	char *hex = malloc(2 * len + 1);
	json_t *text;

	if (hex == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < len; i++) {
		hex[2 * i] = digit[p[i] >> 4];
		hex[2 * i + 1] = digit[p[i] & 15];
	}
	text = json_stringn(hex, 2 * len);
	free(hex);
	return json_pack("{s:o*}", "hex", text);
}

json_t *
valtext_json_bytes(const void *p, size_t len)
{
	if (len == 0) {
		return json_string("");
	}
	return value_utf8_ok(p, len) ? json_stringn(p, len) : json_hex(p, len);
}

static json_t *
json_f64(double x)
{
	char buf[FMT_BYTES];

	return isfinite(x) ? json_real(x) : json_string(fmt_f64(buf, x));
}

static json_t *
json_array_f64(const struct mb_value *v)
{
	json_t *array = json_array();

	for (size_t i = 0; i < v->len / sizeof(double); i++) {
		json_array_append_new(array, json_f64(array_at(v, i)));
	}
	return array;
}

static json_t *
json_list(const struct mb_value *v)
{
	struct mb_value in[MB_VALUES_MAX];
	int cnt = list_values(v, in);
	json_t *array = json_array();

	for (int i = 0; i < cnt; i++) {
		json_array_append_new(array, valtext_json(&in[i]));
	}
	return array;
}

json_t *
valtext_json(const struct mb_value *v)
{
	switch (v->type) {
	case MB_NIL:
		return json_pack("{s:s, s:n}", "type", "nil", "value");
	case MB_I64:
		return json_pack("{s:s, s:I}", "type", "i64", "value", (json_int_t)v->i64);
	case MB_F64:
		return json_pack("{s:s, s:o}", "type", "f64", "value", json_f64(v->f64));
	case MB_UTF8:
		return json_pack("{s:s, s:o}", "type", "utf8", "value",
				 valtext_json_bytes(v->p, v->len));
	case MB_BYTES:
		return json_pack("{s:s, s:o}", "type", "bytes", "value",
				 valtext_json_bytes(v->p, v->len));
	case MB_INVALID:
		return json_pack("{s:s, s:o}", "type", "invalid", "value",
				 valtext_json_bytes(v->p, v->len));
	case MB_F64_ARRAY:
		return json_pack("{s:s, s:o}", "type", "f64_array", "value", json_array_f64(v));
	case MB_LIST:
		return json_pack("{s:s, s:o}", "type", "list", "value", json_list(v));
	case MB_REF: /* of arguments only */
	case MB_OUTPUT:
		break;
	}
	return json_pack("{s:s, s:n}", "type", "unknown", "value");
}
