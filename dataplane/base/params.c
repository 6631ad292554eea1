/* SPDX-License-Identifier: Apache-2.0 */
/* params.c - the table: find a row, set and get its field, and guess what an unknown name meant */
#include "params.h"

#include <ctype.h>
#include <microburst/error.h>
#include <string.h>

#include "check.h"
#include "param_value.h"

static const struct param params_rows[] = {
#define PARAM(section_, key_, type_, initial_, min_, max_, unit_, applies_, why_)                  \
	{                                                                                          \
		.name = #section_ "." #key_,                                                       \
		.section = #section_,                                                              \
		.key = #key_,                                                                      \
		.type = PARAM_TYPE_##type_,                                                        \
		.applies = PARAM_APPLIES_##applies_,                                               \
		.initial = initial_,                                                               \
		.min = min_,                                                                       \
		.max = max_,                                                                       \
		.unit = unit_,                                                                     \
		.why = why_,                                                                       \
		.offset = offsetof(struct params, section_##_##key_),                              \
	},
#include "params.def"
#undef PARAM
};

#define PARAM(section, key, ...)                                                                   \
	static_assert(sizeof(#section "." #key) <= PARAM_NAME_BYTES, #section "." #key);
#include "params.def"
#undef PARAM

const struct param *
params_row(size_t i)
{
	return i < ARRAY_CNT(params_rows) ? &params_rows[i] : NULL;
}

const struct param *
params_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_CNT(params_rows); i++) {
		if (strcmp(params_rows[i].name, name) == 0) {
			return &params_rows[i];
		}
	}
	return NULL;
}

/* ---------------------------------------------------------------- fields */

static bool
field_set(struct params *p, const struct param *row, const char *text)
{
	void *field = (char *)p + row->offset;
	uint64_t n = 0;

	if (row->type == PARAM_TYPE_str) {
		if (!param_str_accepts(row, text)) {
			return false;
		}
		memset(field, 0, PARAM_STR_BYTES); /* so that equal parameters are equal bytes */
		memcpy(field, text, strlen(text));
		return true;
	}
	if (!param_number_accepts(row, text, &n)) {
		return false;
	}
	if (row->type == PARAM_TYPE_u32) {
		*(uint32_t *)field = (uint32_t)n;
	} else if (row->type == PARAM_TYPE_bool) {
		*(bool *)field = n != 0;
	} else {
		*(uint64_t *)field = n;
	}
	return true;
}

static uint64_t
field_number(const struct params *p, const struct param *row)
{
	const void *field = (const char *)p + row->offset;

	switch (row->type) {
	case PARAM_TYPE_u32:
		return *(const uint32_t *)field;
	case PARAM_TYPE_bool:
		return *(const bool *)field;
	default:
		return *(const uint64_t *)field;
	}
}

/* ------------------------------------------------------------ suggestions */

/* How many letters to insert, drop, replace, or swap with their neighbour, to make b (in lower
 * case) of a (in any). Only the last three rows of the table of prefixes are kept. */
static size_t
edit_distance(const char *a, const char *b)
{
	size_t rows[3][PARAM_NAME_BYTES];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	size_t b_len = strlen(b);
	int letter = 0, letter_before;

	REQUIRE(b_len < PARAM_NAME_BYTES);
	for (size_t j = 0; j <= b_len; j++) {
		now[j] = j;
	}
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t *spare = before;

		before = last;
		last = now;
		now = spare;
		letter_before = letter;
		letter = tolower((unsigned char)a[i - 1]);
		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = last[j - 1] + (letter != b[j - 1]);

			best = MIN(best, MIN(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && letter == b[j - 2] && letter_before == b[j - 1]) {
				best = MIN(best, before[j - 2] + 1);
			}
			now[j] = best;
		}
	}
	return now[b_len];
}

/* The row whose name is nearest; a name without a section is compared with the keys alone too. */
static const struct param *
nearest_row(const char *name)
{
	const struct param *nearest = NULL;
	size_t nearest_far = strlen(name) / 3 + 2; /* further is not a slip but another thought */

	for (size_t i = 0; i < ARRAY_CNT(params_rows); i++) {
		const struct param *row = &params_rows[i];
		size_t far = edit_distance(name, row->name);

		if (strchr(name, '.') == NULL) {
			far = MIN(far, edit_distance(name, row->key));
		}
		if (far < nearest_far) {
			nearest = row;
			nearest_far = far;
		}
	}
	return nearest;
}

/* ------------------------------------------------------------------ text */

enum { SHOWN_BYTES = 64 };

/* Foreign text for an error message: cut, and nothing a terminal would act on. */
static const char *
shown(const char *text, char ret[static SHOWN_BYTES])
{
	size_t len = strnlen(text, SHOWN_BYTES);

	for (size_t i = 0; i < MIN(len, (size_t)SHOWN_BYTES - 1); i++) {
		ret[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	}
	ret[MIN(len, (size_t)SHOWN_BYTES - 1)] = '\0';
	if (len == SHOWN_BYTES) {
		memcpy(ret + SHOWN_BYTES - 4, "...", 3);
	}
	return ret;
}

void
params_default(struct params *p)
{
	memset(p, 0, sizeof(*p)); /* the padding too */
	for (size_t i = 0; i < ARRAY_CNT(params_rows); i++) {
		const struct param *row = &params_rows[i];
		bool ok = field_set(p, row, row->initial);

		INSIST(ok, "the default of %s is out of its range", row->name);
	}
}

int
params_set(struct params *p, const char *name, const char *value,
	   char errbuf[static PARAMS_ERR_BYTES])
{
	const struct param *row = params_find(name);
	char expected[160], found[SHOWN_BYTES];

	if (row == NULL) {
		const struct param *near = nearest_row(name);

		snprintf(errbuf, PARAMS_ERR_BYTES, "'%s': no such parameter%s%s%s",
			 shown(name, found), near != NULL ? "; did you mean " : "",
			 near != NULL ? near->name : "", near != NULL ? "?" : "");
		return MB_ERR_NOT_FOUND;
	}
	if (!field_set(p, row, value)) {
		param_describe(row, expected, sizeof(expected));
		snprintf(errbuf, PARAMS_ERR_BYTES, "%s: expected %s, found '%s'", row->name,
			 expected, shown(value, found));
		return MB_ERR_CONFIG;
	}
	return MB_OK;
}

int
params_get(const struct params *p, const char *name, char ret_text[static PARAM_STR_BYTES])
{
	const struct param *row = params_find(name);

	if (row == NULL) {
		return MB_ERR_NOT_FOUND;
	}
	if (row->type == PARAM_TYPE_str) {
		memcpy(ret_text, (const char *)p + row->offset, PARAM_STR_BYTES);
	} else {
		param_number_format(row->type, field_number(p, row), ret_text);
	}
	return MB_OK;
}
