/* SPDX-License-Identifier: Apache-2.0 */
/* param_value.c - digits, a unit, a range */
#include "param_value.h"

#include <inttypes.h>
#include <string.h>

#include "check.h"

struct unit {
	const char *name;
	uint64_t scale;
};

/* Largest first. */
static const struct unit bytes_units[] = {
	{ "g", 1 << 30 },
	{ "m", 1 << 20 },
	{ "k", 1 << 10 },
	{ "", 1 },
};
static const struct unit dur_units[] = {
	{ "h", 3600000000000 }, { "min", 60000000000 }, { "s", 1000000000 },
	{ "ms", 1000000 },      { "us", 1000 },         { "ns", 1 },
};
static const struct unit plain_units[] = { { "", 1 } };

struct unit_list {
	const struct unit *unit;
	size_t cnt;
};

static struct unit_list
units_of(enum param_type type)
{
	switch (type) {
	case PARAM_TYPE_bytes:
		return (struct unit_list){ bytes_units, ARRAY_CNT(bytes_units) };
	case PARAM_TYPE_dur:
		return (struct unit_list){ dur_units, ARRAY_CNT(dur_units) };
	case PARAM_TYPE_u32:
	case PARAM_TYPE_u64:
	case PARAM_TYPE_bool:
	case PARAM_TYPE_str:
		break;
	}
	return (struct unit_list){ plain_units, ARRAY_CNT(plain_units) };
}

static bool
bool_parse(const char *text, uint64_t *ret_n)
{
	static const char *const words[][2] = {
		{ "no", "yes" },
		{ "false", "true" },
		{ "off", "on" },
		{ "0", "1" },
	};

	for (size_t i = 0; i < ARRAY_CNT(words); i++) {
		for (uint64_t n = 0; n < 2; n++) {
			if (strcmp(text, words[i][n]) == 0) {
				*ret_n = n;
				return true;
			}
		}
	}
	return false;
}

static bool
digits_parse(const char **text, uint64_t *ret_n)
{
	const char *at = *text;
	uint64_t n = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*at - '0'), &n)) {
			return false;
		}
	}
	if (at == *text) {
		return false;
	}
	*text = at;
	*ret_n = n;
	return true;
}

bool
param_number_parse(enum param_type type, const char *text, uint64_t *ret_n)
{
	struct unit_list units = units_of(type);
	uint64_t n;

	if (type == PARAM_TYPE_bool) {
		return bool_parse(text, ret_n);
	}
	if (!digits_parse(&text, &n)) {
		return false;
	}
	if (n == 0 && *text == '\0') { /* nothing needs no unit */
		*ret_n = 0;
		return true;
	}
	for (size_t i = 0; i < units.cnt; i++) {
		if (strcmp(text, units.unit[i].name) == 0) {
			uint64_t scaled;

			if (__builtin_mul_overflow(n, units.unit[i].scale, &scaled)) {
				return false;
			}
			*ret_n = scaled;
			return true;
		}
	}
	return false;
}

void
param_number_format(enum param_type type, uint64_t n, char ret_text[static PARAM_NUMBER_BYTES])
{
	struct unit_list units = units_of(type);
	size_t i = 0;

	if (type == PARAM_TYPE_bool) {
		snprintf(ret_text, PARAM_NUMBER_BYTES, "%s", n != 0 ? "yes" : "no");
		return;
	}
	if (n == 0) {
		snprintf(ret_text, PARAM_NUMBER_BYTES, "0");
		return;
	}
	while (n % units.unit[i].scale != 0) { /* ends: the last scale is 1 */
		i++;
	}
	snprintf(ret_text, PARAM_NUMBER_BYTES, "%" PRIu64 "%s", n / units.unit[i].scale,
		 units.unit[i].name);
}

bool
param_number_accepts(const struct param *row, const char *text, uint64_t *ret_n)
{
	uint64_t n, limit;

	REQUIRE(row->type != PARAM_TYPE_str);
	if (!param_number_parse(row->type, text, &n)) {
		return false;
	}
	if (row->type == PARAM_TYPE_u32 && n > UINT32_MAX) {
		return false;
	}
	if (row->type != PARAM_TYPE_bool) {
		if (param_number_parse(row->type, row->min, &limit) && n < limit) {
			return false;
		}
		if (param_number_parse(row->type, row->max, &limit) && n > limit) {
			return false;
		}
	}
	*ret_n = n;
	return true;
}

static bool
is_one_of(const char *words, const char *text)
{
	size_t len = strlen(text);

	for (;;) {
		size_t word_len = strcspn(words, "|");

		if (word_len == len && memcmp(words, text, len) == 0) {
			return true;
		}
		if (words[word_len] == '\0') {
			return false;
		}
		words += word_len + 1;
	}
}

bool
param_str_accepts(const struct param *row, const char *text)
{
	size_t len = strlen(text);

	REQUIRE(row->type == PARAM_TYPE_str);
	if (strchr(row->unit, '|') != NULL) {
		return is_one_of(row->unit, text);
	}
	if (len >= PARAM_STR_BYTES) {
		return false;
	}
	if (len > 0 && (text[0] == ' ' || text[len - 1] == ' ')) {
		return false; /* a line of the configuration would lose them */
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c == 0x7f || c == '#') {
			return false;
		}
	}
	return true;
}

void
param_describe(const struct param *row, char *ret_text, size_t bytes)
{
	const char *min = row->min, *max = row->max;

	switch (row->type) {
	case PARAM_TYPE_u32:
	case PARAM_TYPE_u64:
		snprintf(ret_text, bytes, "a whole number from %s to %s%s%s%s", min, max,
			 *row->unit != '\0' ? " (" : "", row->unit, *row->unit != '\0' ? ")" : "");
		return;
	case PARAM_TYPE_bytes:
		snprintf(ret_text, bytes, "bytes from %s to %s (k, m or g behind the number)", min,
			 max);
		return;
	case PARAM_TYPE_dur:
		snprintf(ret_text, bytes,
			 "a duration from %s to %s (with its unit: ns, us, ms, s, min, h)", min,
			 max);
		return;
	case PARAM_TYPE_bool:
		snprintf(ret_text, bytes, "yes or no");
		return;
	case PARAM_TYPE_str:
		break;
	}
	if (strchr(row->unit, '|') != NULL) {
		snprintf(ret_text, bytes, "one of %s", row->unit);
	} else {
		snprintf(
			ret_text, bytes,
			"%s %s (at most %d bytes; no '#', no control characters, no blanks around)",
			row->unit[0] == 'a' ? "an" : "a", row->unit, PARAM_STR_BYTES - 1);
	}
}
