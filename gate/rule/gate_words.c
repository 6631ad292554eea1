/* SPDX-License-Identifier: Apache-2.0 */
/* gate_words - see gate_words.h */
#include "gate_words.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "topo_limits.h"

/* ------------------------------------------------------------------------ numbers */

bool
gate_word_is(struct slice word, const char *lower)
{
	for (size_t i = 0; i < word.len; i++) {
		if (lower[i] == '\0' || tolower(word.p[i]) != lower[i]) {
			return false;
		}
	}
	return lower[word.len] == '\0';
}

bool
gate_word_i64(struct slice word, int64_t *ret)
{
	bool minus = word.len > 0 && word.p[0] == '-';
	size_t i = minus;
	uint64_t n = 0;
	uint64_t most = minus ? (uint64_t)INT64_MAX + 1 : INT64_MAX;

	if (i == word.len || word.len - i > 19 || (word.p[i] == '0' && word.len > 1)) {
		return false;
	}
	for (; i < word.len; i++) {
		if (!isdigit(word.p[i])) {
			return false;
		}
		n = n * 10 + (uint64_t)(word.p[i] - '0');
	}
	if (n > most) {
		return false;
	}
	*ret = minus ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

bool
gate_word_f64(struct slice word, double *ret)
{
	char text[512], *end; /* the largest double written out has 309 digits */

	if (word.len == 0 || word.len >= sizeof(text) || isspace(word.p[0])) {
		return false;
	}
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	errno = 0;
	*ret = strtod(text, &end);
	return end == text + word.len && !isnan(*ret) &&
	       (errno != ERANGE || (isfinite(*ret) && *ret != 0));
}

/* As Redis prints such numbers: 17 digits behind the point, without the zeros at the end. Returns:
 * 0: it is no number that can be kept. */
size_t
gate_float_text(long double x, char ret[GATE_FLOAT_MAX])
{
	size_t len;

	if (isnan(x) || isinf(x)) {
		return 0;
	}
	len = (size_t)snprintf(ret, GATE_FLOAT_MAX, "%.17Lf", x);
	while (ret[len - 1] == '0') {
		len--;
	}
	len -= ret[len - 1] == '.';
	if (len == 2 && ret[0] == '-' && ret[1] == '0') {
		ret[0] = '0';
		len = 1;
	}
	return len;
}

bool
gate_word_float(struct slice word, long double *ret)
{
	char text[GATE_FLOAT_MAX], *end;

	if (word.len == 0 || word.len >= sizeof(text) || isspace(word.p[0])) {
		return false;
	}
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	*ret = strtold(text, &end);
	return end == text + word.len && !isnan(*ret);
}

/* ------------------------------------------------------------------------ patterns */

/* One of [...]: where it ends, and whether it has the byte. */
static size_t
class_match(struct slice p, size_t i, uint8_t byte, bool *ret)
{
	bool negate = i < p.len && p.p[i] == '^', hit = false;

	i += negate;
	while (i < p.len && p.p[i] != ']') {
		if (p.p[i] == '\\' && i + 1 < p.len) {
			hit |= p.p[++i] == byte;
		} else if (i + 2 < p.len && p.p[i + 1] == '-') {
			uint8_t from = MIN(p.p[i], p.p[i + 2]), to = MAX(p.p[i], p.p[i + 2]);

			hit |= byte >= from && byte <= to;
			i += 2;
		} else {
			hit |= p.p[i] == byte;
		}
		i++;
	}
	*ret = hit != negate;
	return MIN(i + 1, p.len);
}

/* One step of the pattern against one byte. Returns: where the pattern goes on; 0: no match. */
static size_t
step_match(struct slice p, size_t i, uint8_t byte, bool any_case)
{
	bool hit;

	switch (p.p[i]) {
	case '?':
		return i + 1;
	case '[':
		i = class_match(p, i + 1, byte, &hit);
		return hit ? i : 0;
	case '\\':
		i += i + 1 < p.len;
		break;
	default:
		break;
	}
	hit = any_case ? tolower(p.p[i]) == tolower(byte) : p.p[i] == byte;
	return hit ? i + 1 : 0;
}

bool
gate_match(struct slice p, struct slice t, bool any_case)
{
	size_t i = 0, k = 0, star = SIZE_MAX, star_k = 0;

	/* The last star takes as little as it can, and more when the rest does not match: no
	 * pattern costs more than the product of the lengths. */
	while (k < t.len || i < p.len) {
		size_t next = 0;

		if (i < p.len && p.p[i] == '*') {
			star = i++;
			star_k = k;
			continue;
		}
		if (i < p.len && k < t.len) {
			next = step_match(p, i, t.p[k], any_case);
		}
		if (next != 0) {
			i = next;
			k++;
		} else if (star != SIZE_MAX && star_k < t.len) {
			i = star + 1;
			k = ++star_k;
		} else {
			return false;
		}
	}
	return true;
}

struct slice
gate_match_prefix(struct slice pattern)
{
	size_t i = 0;

	while (i < pattern.len && strchr("*?[\\", pattern.p[i]) == NULL) {
		i++;
	}
	return slice_of(pattern.p, MIN(i, (size_t)KEY_BYTES_MAX));
}
