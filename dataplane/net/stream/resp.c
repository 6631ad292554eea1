/* SPDX-License-Identifier: Apache-2.0 */
/* resp - see resp.h
 *
 * Scanning and finding the words are two walks. The first one needs no memory but its place, so a
 * connection in the middle of a command keeps a few words, and what is to be remembered of a
 * command of ten thousand words is the same. The second walk trusts the first: same text, same
 * steps.
 */
#include "resp.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compiler.h"

#define WHOLE_MAX          1e17 /* from here on numbers have an exponent */
#define UNAUTH_ARG_CNT_MAX 10
#define UNAUTH_BULK_MAX    16384
#define GLANCE_CNT_MAX     16 /* words */

/* ------------------------------------------------------------------------ reading */

/* Reads "<sign>digits\r\n" from pos on. Returns: 1 with the number and the place behind; 0: not all
 * of it is there; -1: it is no number. */
static int
number_line(struct slice text, size_t pos, int64_t *ret_n, size_t *ret_pos)
{
	const uint8_t *p = text.p + pos;
	size_t end = MIN(text.len, pos + RESP_LINE_MAX);
	bool minus = pos < end && text.p[pos] == '-';
	size_t i = pos + minus, digits = i;
	int64_t n = 0;

	if (likely(text.len - pos >= 4)) { /* nearly all have a digit, or two */
		uint32_t one = p[0] - '0', two = p[1] - '0';

		if (one < 10 && p[1] == '\r') {
			*ret_n = one;
			*ret_pos = pos + 3;
			return 1;
		}
		if (one - 1 < 9 && two < 10 && p[2] == '\r') {
			*ret_n = one * 10 + two;
			*ret_pos = pos + 4;
			return 1;
		}
	}
	for (; i < end && isdigit(text.p[i]) && i - digits < 18; i++) {
		n = n * 10 + (text.p[i] - '0');
	}
	if (i == end) {
		return end == pos + RESP_LINE_MAX ? -1 : 0;
	}
	if (text.p[i] != '\r' || i == digits || (text.p[digits] == '0' && i - pos > 1)) {
		return -1; /* 0 is written so, and no number begins with it */
	}
	if (i + 1 == text.len) {
		return 0;
	}
	*ret_n = minus ? -n : n;
	*ret_pos = i + 2; /* as Redis: what follows the \r is taken for the \n */
	return 1;
}

static int
scan_line(struct resp_parser *p, struct slice text)
{
	const uint8_t *nl = memchr(text.p + p->pos, '\n', text.len - p->pos);

	if (nl == NULL) {
		p->pos = (uint32_t)text.len;
		return text.len > RESP_INLINE_MAX ? RESP_ERR_INLINE : RESP_MORE;
	}
	if (nl + 1 - text.p > RESP_INLINE_MAX) {
		return RESP_ERR_INLINE;
	}
	p->pos = (uint32_t)(nl + 1 - text.p);
	p->done = true;
	return RESP_DONE;
}

static int
scan_count(struct resp_parser *p, struct slice text)
{
	int64_t n;
	size_t pos;
	int rc = number_line(text, 1, &n, &pos);

	if (rc <= 0) {
		return rc == 0 ? RESP_MORE : RESP_ERR_MULTIBULK;
	}
	if (n > RESP_ARG_CNT_MAX) { /* Redis takes up to INT32_MAX: who sent them hears why not */
		return n > INT32_MAX ? RESP_ERR_MULTIBULK : RESP_ERR_WORDS;
	}
	if (n > UNAUTH_ARG_CNT_MAX && p->limited) {
		return RESP_ERR_UNAUTH_MULTIBULK;
	}
	p->pos = (uint32_t)pos;
	p->arg_cnt = n > 0 ? (uint32_t)n : 0;
	return RESP_DONE;
}

/* One word: its head, and where it ends. */
static int
scan_word(struct resp_parser *p, struct slice text)
{
	int64_t n;
	size_t pos;
	int rc;

	if (p->large_open) {
		if (text.len - p->pos < 2) {
			return RESP_MORE;
		}
		p->large_open = false;
		p->pos += 2;
		return RESP_DONE;
	}
	if (p->pos == text.len) {
		return RESP_MORE;
	}
	if (text.p[p->pos] != '$') {
		p->wrong = text.p[p->pos];
		return RESP_ERR_DOLLAR;
	}
	rc = number_line(text, p->pos + 1UL, &n, &pos);
	if (rc <= 0) {
		return rc == 0 ? RESP_MORE : RESP_ERR_BULK;
	}
	if (n < 0 || n > RESP_BULK_MAX + (p->longer ? RESP_BULK_MORE : 0)) {
		return RESP_ERR_BULK;
	}
	if (n > UNAUTH_BULK_MAX && p->limited) {
		return RESP_ERR_UNAUTH_BULK;
	}
	if (n > RESP_LARGE_MIN) {
		if (p->large_cnt == RESP_LARGE_CNT_MAX) {
			return RESP_ERR_TEXT;
		}
		p->pos = (uint32_t)pos;
		p->large_len = (uint32_t)n;
		p->large_cnt++;
		p->large_open = true;
		return RESP_LARGE;
	}
	if (pos + (size_t)n + 2 > RESP_TEXT_MAX) {
		return RESP_ERR_TEXT;
	}
	if (text.len < pos + (size_t)n + 2) {
		return RESP_MORE;
	}
	p->pos = (uint32_t)(pos + (size_t)n + 2);
	return RESP_DONE;
}

int
resp_scan(struct resp_parser *p, struct slice text)
{
	int rc;

	REQUIRE(p->pos <= text.len, "pos=%u len=%zu", p->pos, text.len);
	if (p->done) {
		return RESP_DONE;
	}
	if (text.len == 0) {
		return RESP_MORE;
	}
	if (text.len > 2ULL * RESP_TEXT_MAX) {
		return RESP_ERR_TEXT;
	}
	if (p->pos == 0) {
		p->in_line = text.p[0] != '*';
	}
	if (p->in_line) {
		return scan_line(p, text);
	}
	if (p->pos == 0) {
		rc = scan_count(p, text);
		if (rc != RESP_DONE) {
			return rc;
		}
	}
	while (p->arg_idx < p->arg_cnt) {
		rc = scan_word(p, text);
		if (rc != RESP_DONE) {
			return rc;
		}
		p->arg_idx++;
	}
	p->done = true;
	return RESP_DONE;
}

size_t
resp_glance(struct slice text, struct slice ret[2])
{
	int64_t cnt, n;
	size_t pos;

	if (text.len == 0 || text.p[0] != '*' || number_line(text, 1, &cnt, &pos) <= 0 ||
	    cnt > GLANCE_CNT_MAX) {
		return 0;
	}
	ret[0] = ret[1] = slice_of("", 0);
	for (int64_t i = 0; i < cnt; i++) {
		if (pos >= text.len || text.p[pos] != '$' ||
		    number_line(text, pos + 1, &n, &pos) <= 0 || n < 0 || n > RESP_LARGE_MIN ||
		    text.len - pos < (size_t)n + 2) {
			return 0;
		}
		if (i < 2) {
			ret[i] = slice_of(text.p + pos, (size_t)n);
		}
		pos += (size_t)n + 2;
	}
	return pos;
}

void
resp_next(struct resp_parser *p)
{
	*p = (struct resp_parser){ .limited = p->limited };
}

static int
hex_digit(uint8_t c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* What stands behind a backslash in double quotes. Returns: how many bytes it takes. */
static size_t
unescape(const uint8_t *p, size_t len, uint8_t *ret)
{
	if (len >= 3 && p[0] == 'x' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
		*ret = (uint8_t)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
		return 3;
	}
	switch (p[0]) {
	case 'n':
		*ret = '\n';
		break;
	case 'r':
		*ret = '\r';
		break;
	case 't':
		*ret = '\t';
		break;
	case 'b':
		*ret = '\b';
		break;
	case 'a':
		*ret = '\a';
		break;
	default:
		*ret = p[0];
	}
	return 1;
}

/* A word in quotes: from behind the first to behind the last one. Returns: the bytes read; 0: it
 * does not end, or something stands right behind it. */
static size_t
quoted(const uint8_t *p, size_t len, uint8_t quote, uint8_t *to, size_t *to_len)
{
	for (size_t i = 0; i < len;) {
		if (p[i] == quote) {
			i++;
			return i == len || isspace(p[i]) ? i : 0;
		}
		if (p[i] == '\\' && i + 1 < len && (quote == '"' || p[i + 1] == '\'')) {
			i += 1 +
			     unescape(p + i + 1, quote == '"' ? len - i - 1 : 1, &to[(*to_len)++]);
			continue;
		}
		to[(*to_len)++] = p[i++];
	}
	return 0;
}

/* Other spaces do not, though a word does not begin with one. */
static bool
ends_word(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The words of a line, as Redis splits them. */
static int
args_line(struct slice line, uint8_t *scratch, struct slice *ret)
{
	const uint8_t *nul = memchr(line.p, '\0', line.len);
	size_t used = 0, i = 0;
	int cnt = 0;

	line.len = nul != NULL ? (size_t)(nul - line.p) : line.len; /* the line ends there */
	for (;;) {
		size_t start = used;

		while (i < line.len && isspace(line.p[i])) {
			i++;
		}
		if (i == line.len) {
			return cnt;
		}
		while (i < line.len && !ends_word(line.p[i])) {
			uint8_t c = line.p[i++];

			if (c == '"' || c == '\'') {
				size_t n = quoted(line.p + i, line.len - i, c, scratch, &used);

				if (n == 0) {
					return RESP_ERR_QUOTES;
				}
				i += n;
				break; /* it ends the word, whatever space is there */
			} else {
				scratch[used++] = c;
			}
		}
		ret[cnt++] = slice_of(scratch + start, used - start);
	}
}

int
resp_args(const struct resp_parser *p, struct slice text, const struct slice *large,
	  uint8_t *scratch, struct slice *ret)
{
	uint32_t large_idx = 0;
	size_t pos = 0;
	int64_t n = 0;

	if (p->in_line) {
		return args_line(slice_of(text.p, p->pos), scratch, ret);
	}
	number_line(text, 1, &n, &pos);
	for (uint32_t i = 0; i < p->arg_cnt; i++) {
		int rc = number_line(text, pos + 1, &n, &pos);

		REQUIRE(rc == 1);
		if (n > RESP_LARGE_MIN) {
			REQUIRE(large_idx < p->large_cnt);
			ret[i] = large[large_idx++];
			pos += 2;
		} else {
			ret[i] = slice_of(text.p + pos, (size_t)n);
			pos += (size_t)n + 2;
		}
	}
	ENSURE(pos == p->pos || p->arg_cnt == 0);
	return (int)p->arg_cnt;
}

void
resp_error_text(const struct resp_parser *p, int err, char ret[64])
{
	const char *text = "";
	char wrong;

	switch (err) {
	case RESP_ERR_MULTIBULK:
		text = "invalid multibulk length";
		break;
	case RESP_ERR_BULK:
		text = "invalid bulk length";
		break;
	case RESP_ERR_DOLLAR:
		wrong = p->wrong == '\r' || p->wrong == '\n' ? ' ' : p->wrong;
		snprintf(ret, 64, "Protocol error: expected '$', got '%c'",
			 wrong != '\0' ? wrong : '?');
		return;
	case RESP_ERR_INLINE:
		text = "too big inline request";
		break;
	case RESP_ERR_QUOTES:
		text = "unbalanced quotes in request";
		break;
	case RESP_ERR_WORDS:
		snprintf(ret, 64, "Protocol error: a command has at most %u words",
			 RESP_ARG_CNT_MAX);
		return;
	case RESP_ERR_UNAUTH_MULTIBULK:
		text = "unauthenticated multibulk length";
		break;
	case RESP_ERR_UNAUTH_BULK:
		text = "unauthenticated bulk length";
		break;
	default:
		text = "too big command";
	}
	snprintf(ret, 64, "Protocol error: %s", text);
}

/* ------------------------------------------------------------------------ writing */

static void
put_line(struct wbuf *out, char kind, const void *p, size_t len)
{
	wbuf_u8(out, (uint8_t)kind);
	wbuf_put(out, p, len);
	wbuf_put(out, "\r\n", 2);
}

/* Decimal, with nothing that printf does beside it: replies are made of these. */
static size_t
int_text(int64_t n, char ret[24])
{
	uint64_t v = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
	char tmp[24];
	size_t len = 0, i = 0;

	do {
		tmp[len++] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	if (n < 0) {
		ret[i++] = '-';
	}
	while (len > 0) {
		ret[i++] = tmp[--len];
	}
	return i;
}

static void
put_number(struct wbuf *out, char kind, int64_t n)
{
	char text[24];
	size_t len = int_text(n, text);

	put_line(out, kind, text, len);
}

void
resp_put_simple(struct wbuf *out, const char *text)
{
	put_line(out, '+', text, strlen(text));
}

void
resp_put_error(struct wbuf *out, const char *text)
{
	wbuf_u8(out, '-');
	for (; *text != '\0'; text++) {
		wbuf_u8(out, *text == '\r' || *text == '\n' ? ' ' : (uint8_t)*text);
	}
	wbuf_put(out, "\r\n", 2);
}

void
resp_put_int(struct wbuf *out, int64_t n)
{
	put_number(out, ':', n);
}

void
resp_put_bulk_head(struct wbuf *out, size_t len)
{
	put_number(out, '$', (int64_t)len);
}

void
resp_put_text_head(struct wbuf *out, int proto, size_t len)
{
	static const char form[] = "txt:";

	if (proto == 3) {
		put_number(out, '=', (int64_t)(len + sizeof(form) - 1));
		wbuf_put(out, form, sizeof(form) - 1);
	} else {
		resp_put_bulk_head(out, len);
	}
}

void
resp_put_end(struct wbuf *out)
{
	wbuf_put(out, "\r\n", 2);
}

void
resp_put_bulk(struct wbuf *out, struct slice bytes)
{
	resp_put_bulk_head(out, bytes.len);
	wbuf_put(out, bytes.p, bytes.len);
	resp_put_end(out);
}

void
resp_put_null(struct wbuf *out, int proto)
{
	wbuf_put(out, proto == 3 ? "_\r\n" : "$-1\r\n", proto == 3 ? 3 : 5);
}

void
resp_put_null_array(struct wbuf *out, int proto)
{
	wbuf_put(out, proto == 3 ? "_\r\n" : "*-1\r\n", proto == 3 ? 3 : 5);
}

void
resp_put_array(struct wbuf *out, size_t cnt)
{
	put_number(out, '*', (int64_t)cnt);
}

void
resp_put_map(struct wbuf *out, int proto, size_t cnt)
{
	put_number(out, proto == 3 ? '%' : '*', (int64_t)(proto == 3 ? cnt : 2 * cnt));
}

void
resp_put_set(struct wbuf *out, int proto, size_t cnt)
{
	put_number(out, proto == 3 ? '~' : '*', (int64_t)cnt);
}

void
resp_put_push(struct wbuf *out, int proto, size_t cnt)
{
	put_number(out, proto == 3 ? '>' : '*', (int64_t)cnt);
}

size_t
resp_double_text(double x, char ret[RESP_ITEM_MAX])
{
	if (isinf(x)) {
		return (size_t)snprintf(ret, RESP_ITEM_MAX, x > 0 ? "inf" : "-inf");
	}
	if (x == rint(x) && fabs(x) < WHOLE_MAX) {
		return (size_t)snprintf(ret, RESP_ITEM_MAX, "%.0f", x); /* not 1e+01 */
	}
	for (int digits = 1; digits <= 17; digits++) {
		int n = snprintf(ret, RESP_ITEM_MAX, "%.*g", digits, x);

		if (digits == 17 || strtod(ret, NULL) == x) {
			return (size_t)n;
		}
	}
	return 0;
}

void
resp_put_double(struct wbuf *out, int proto, double x)
{
	char text[RESP_ITEM_MAX];
	size_t len = resp_double_text(x, text);

	if (proto == 3) {
		put_line(out, ',', text, len);
	} else {
		resp_put_bulk(out, slice_of(text, len));
	}
}
