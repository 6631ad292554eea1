/* SPDX-License-Identifier: Apache-2.0 */
/* argval.c - what a person types as an argument, as a value */
#include "argval.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microburst/error.h>

#include "compiler.h"
#include "domain_limits.h"
#include "mem.h"
#include "value.h"

#define READ_STEP_BYTES (64u << 10)

static __attribute__((__format__(__printf__, 3, 4))) int
refuse(char err[static ARGVAL_ERR_BYTES], int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, ARGVAL_ERR_BYTES, fmt, ap);
	va_end(ap);
	return code;
}

/* ------------------------------------------------------------------ files */

/* Reads to the end, or to one byte past the limit: sizes of pipes are not known before. */
static int
read_all(int fd, const char *name, struct mb_value *ret, char err[static ARGVAL_ERR_BYTES])
{
	uint8_t *buf = NULL;
	size_t len = 0, cap = 0;
	ssize_t n;

	do {
		if (cap - len < READ_STEP_BYTES) {
			size_t want = MAX(2 * cap, (size_t)4 * READ_STEP_BYTES);
			uint8_t *more = realloc(buf, want);

			if (more == NULL) {
				free(buf);
				return refuse(err, MB_ERR_NO_MEMORY, "%s does not fit in memory",
					      name);
			}
			buf = more;
			cap = want;
		}
		n = read(fd, buf + len, cap - len);
		if (n > 0) {
			len += (size_t)n;
		}
	} while ((n > 0 && len <= VALUE_BYTES_MAX) || (n < 0 && errno == EINTR));

	if (n < 0) {
		free(buf);
		return refuse(err, MB_ERR_IO, "cannot read %s: %s", name, strerror(errno));
	}
	if (len > VALUE_BYTES_MAX) {
		free(buf);
		return refuse(err, MB_ERR_TOO_LARGE, "%s is larger than a value may be, %u MiB",
			      name, VALUE_BYTES_MAX >> 20);
	}
	*ret = mb_bytes(mem_keep(buf), len);
	return MB_OK;
}

static int
from_file(const char *path, struct mb_value *ret, char err[static ARGVAL_ERR_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0) {
		return refuse(err, MB_ERR_IO, "cannot read %s: %s", path, strerror(errno));
	}
	rc = read_all(fd, path, ret, err);
	close(fd);
	return rc;
}

/* ---------------------------------------------------------------- numbers */

/* Whole decimal numbers, with a sign if need be. */
static bool
looks_whole(const char *s)
{
	s += *s == '-' || *s == '+';
	return *s != '\0' && s[strspn(s, "0123456789")] == '\0';
}

/* What strtod reads, less the names (infinity, nan) and hexadecimal, which are text here. */
static bool
looks_decimal(const char *s)
{
	char *end;

	if (s[strspn(s, "0123456789+-.eE")] != '\0' || strpbrk(s, "0123456789") == NULL) {
		return false;
	}
	strtod(s, &end);
	return *end == '\0';
}

static int
from_i64(const char *s, struct mb_value *ret, char err[static ARGVAL_ERR_BYTES])
{
	errno = 0;
	if (!looks_whole(s)) {
		return refuse(err, MB_ERR_INVALID, "\"%s\" is not a whole number", s);
	}
	*ret = mb_i64(strtoll(s, NULL, 10));
	if (errno == ERANGE) {
		return refuse(err, MB_ERR_INVALID,
			      "%s does not fit in 64 bits; f:%s passes it rounded, s:%s as text", s,
			      s, s);
	}
	return MB_OK;
}

/* One number that ends at *end; blanks, which strtod would skip, are none. */
static bool
read_f64(const char *s, char **end, double *ret)
{
	*ret = strtod(s, end);
	return *end != s && !isspace((unsigned char)*s);
}

static int
from_f64(const char *s, struct mb_value *ret, char err[static ARGVAL_ERR_BYTES])
{
	char *end;
	double x;

	if (!read_f64(s, &end, &x) || *end != '\0') {
		return refuse(err, MB_ERR_INVALID, "\"%s\" is not a number", s);
	}
	*ret = mb_f64(x);
	return MB_OK;
}

static int
from_array(const char *s, struct mb_value *ret, char err[static ARGVAL_ERR_BYTES])
{
	size_t cap = strlen(s) / 2 + 1, cnt = 0; /* a number and its comma take two characters */
	double *x = calloc(cap, sizeof(*x));
	const char *at = s;
	char *end;

	if (x == NULL) {
		return refuse(err, MB_ERR_NO_MEMORY, "the array does not fit in memory");
	}
	while (*at != '\0') {
		if (!read_f64(at, &end, &x[cnt]) || (*end != ',' && *end != '\0') ||
		    (*end == ',' && end[1] == '\0')) {
			free(x);
			return refuse(err, MB_ERR_INVALID,
				      "\"a:%s\" is not a list of numbers such as a:1,2.5", s);
		}
		cnt++;
		at = *end == ',' ? end + 1 : end;
	}
	*ret = mb_f64_array(mem_keep(x), cnt);
	return MB_OK;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
from_hex(const char *s, struct mb_value *ret, char err[static ARGVAL_ERR_BYTES])
{
	size_t len = strlen(s);
	uint8_t *p = malloc(len / 2 + 1);

	if (p == NULL) {
		return refuse(err, MB_ERR_NO_MEMORY, "the bytes do not fit in memory");
	}
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(s[i]), low = i + 1 < len ? hex_digit(s[i + 1]) : -1;

		if (high < 0 || low < 0) {
			free(p);
			return refuse(err, MB_ERR_INVALID,
				      "\"b:%s\" is not pairs of hexadecimal digits such as b:00ff",
				      s);
		}
		p[i / 2] = (uint8_t)(high << 4 | low);
	}
	*ret = mb_bytes(mem_keep(p), len / 2);
	return MB_OK;
}

static int
from_key(const char *s, enum mb_type type, struct mb_value *ret, char err[static ARGVAL_ERR_BYTES])
{
	size_t len = strlen(s);

	if (len == 0 || len > KEY_BYTES_MAX) {
		return refuse(err, MB_ERR_INVALID, "a key has 1 to %d bytes, not %zu",
			      KEY_BYTES_MAX, len);
	}
	*ret = type == MB_REF ? mb_ref(s, len) : mb_output(s, len);
	return MB_OK;
}

static int
from_text(const char *s, struct mb_value *ret)
{
	size_t len = strlen(s);

	*ret = value_utf8_ok((const uint8_t *)s, len) ? mb_utf8(s, len) : mb_bytes(s, len);
	return MB_OK;
}

/* ------------------------------------------------------------------ entry */

int
argval_bytes(const char *text, struct mb_value *ret, char err[static ARGVAL_ERR_BYTES])
{
	if (text[0] == '@') {
		return from_file(text + 1, ret, err);
	}
	if (strcmp(text, "-") == 0) {
		return read_all(STDIN_FILENO, "standard input", ret, err);
	}
	*ret = mb_bytes(text, strlen(text));
	return MB_OK;
}

int
argval_parse(const char *text, struct mb_value *ret, char err[static ARGVAL_ERR_BYTES])
{
	if (text[0] == '@' || strcmp(text, "-") == 0) {
		return argval_bytes(text, ret, err);
	}
	if (text[0] != '\0' && text[1] == ':') {
		const char *rest = text + 2;

		switch (text[0]) {
		case 'i':
			return from_i64(rest, ret, err);
		case 'f':
			return from_f64(rest, ret, err);
		case 's':
			return from_text(rest, ret);
		case 'b':
			return from_hex(rest, ret, err);
		case 'a':
			return from_array(rest, ret, err);
		case 'k':
			return from_key(rest, MB_REF, ret, err);
		case 'o':
			return from_key(rest, MB_OUTPUT, ret, err);
		default:
			break;
		}
	}
	if (looks_whole(text)) {
		return from_i64(text, ret, err);
	}
	if (looks_decimal(text)) {
		return from_f64(text, ret, err);
	}
	return from_text(text, ret);
}
