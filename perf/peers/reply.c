/* SPDX-License-Identifier: Apache-2.0 */
/* reply.c - see reply.h */
#include "reply.h"

#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#define NONE UINT64_MAX /* $-1, *-1 */

/* The number of a line. Returns: false: there is none, or it is out of bounds. */
static bool
line_number(const struct reply *r, uint64_t *ret)
{
	char text[REPLY_LINE_MAX + 1] = { 0 }, *end;
	long long n;

	if (r->line_len < 2 || r->line_len >= REPLY_LINE_MAX) {
		return false;
	}
	memcpy(text, r->line + 1, r->line_len - 1U);
	n = strtoll(text, &end, 10);
	if (*end != '\0' || n < -1 || n > (long long)REPLY_BULK_MAX) {
		return false;
	}
	*ret = n < 0 ? NONE : (uint64_t)n;
	return true;
}

/* An item is over: and with the last one of an array, that too. Returns: whether a reply is. */
static bool
item_over(struct reply *r)
{
	while (r->depth > 0) {
		if (--r->left[r->depth - 1] > 0) {
			return false;
		}
		r->depth--;
	}
	return true;
}

/* A line is whole. Returns: as reply_take. */
static int
line_over(struct reply *r)
{
	char kind = r->line[0];
	uint64_t n = 0;
	bool bulk = kind == '$' || kind == '=' || kind == '!';
	bool array = kind == '*' || kind == '~' || kind == '>' || kind == '%';
	int over = kind == '-' && r->depth == 0 ? 2 : 1;

	if (r->line_len == 0 || strchr("+-:,#_($=!*~>%", kind) == NULL ||
	    ((bulk || array) && !line_number(r, &n))) {
		return MB_ERR_CORRUPT;
	}
	r->line_len = 0;
	if (bulk && n != NONE) {
		r->skip = n + 2;
		return 0;
	}
	if (array && n != NONE && n > 0) {
		if (r->depth == REPLY_DEPTH_MAX) {
			return MB_ERR_CORRUPT;
		}
		r->left[r->depth++] = kind == '%' ? 2 * n : n;
		return 0;
	}
	return item_over(r) ? over : 0;
}

int
reply_take(struct reply *r, const uint8_t *p, size_t len, size_t *ret_used)
{
	size_t at = 0;
	int rc = 0;

	while (rc == 0 && at < len) {
		if (r->skip > 0) {
			size_t n = r->skip < len - at ? r->skip : len - at;

			r->skip -= n;
			at += n;
			if (r->skip == 0) {
				rc = item_over(r) ? 1 : 0;
			}
		} else if (p[at] == '\n') {
			at++;
			rc = line_over(r);
		} else {
			if (p[at] != '\r' && r->line_len < REPLY_LINE_MAX) {
				r->line[r->line_len++] = (char)p[at];
			}
			at++;
		}
	}
	*ret_used = at;
	return rc;
}
