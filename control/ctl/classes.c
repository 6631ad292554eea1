/* SPDX-License-Identifier: Apache-2.0 */
#include "classes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "microburst/error.h"

/* The length of the name at p; 0 when there is none, or it is too long. */
static size_t
class_name_len(const char *p)
{
	size_t len = 0;

	while (isalnum((unsigned char)p[len]) || p[len] == '_' || p[len] == '-') {
		len++;
	}
	return len < NAME_BYTES_MAX ? len : 0;
}

static const char *
blanks_skip(const char *p)
{
	return p + strspn(p, " \t");
}

int
classes_parse(struct classes *ret, const char *text, uint32_t executor_cnt, char *why,
	      size_t why_bytes)
{
	const char *p = blanks_skip(text);
	uint32_t given = 0;

	memset(ret, 0, sizeof(*ret));
	while (*p != '\0') {
		size_t len = class_name_len(p);
		char *name = ret->name[(ret->cnt + 1) % (CLASSES_MAX + 1)];
		char *end;
		unsigned long cnt;

		if (ret->cnt == CLASSES_MAX) {
			snprintf(why, why_bytes, "executor.classes names more than %d classes",
				 CLASSES_MAX);
			return MB_ERR_CONFIG;
		}
		memcpy(name, p, len);
		name[len] = '\0';
		if (len == 0 || p[len] != '=' || !isdigit((unsigned char)p[len + 1])) {
			snprintf(why, why_bytes,
				 "executor.classes is a list like gpu=1,big=2, not '%.40s'", p);
			return MB_ERR_CONFIG;
		}
		if (classes_find(ret, name) != CLASSES_NONE) {
			snprintf(why, why_bytes, "executor.classes names '%s' twice", name);
			return MB_ERR_CONFIG;
		}
		cnt = strtoul(p + len + 1, &end, 10);
		if (cnt == 0 || cnt > executor_cnt - given) {
			snprintf(why, why_bytes,
				 "executor.classes: %.20s=%lu, but %u of %u executors are left; "
				 "raise executor.count",
				 name, cnt, executor_cnt - given, executor_cnt);
			return MB_ERR_CONFIG;
		}
		ret->cnt++;
		for (; cnt > 0; cnt--) {
			ret->of[given++] = (uint8_t)ret->cnt;
		}
		p = blanks_skip(end);
		if (*p == ',') {
			p = blanks_skip(p + 1);
		} else if (*p != '\0') {
			snprintf(why, why_bytes, "executor.classes: a comma is missing at '%.40s'",
				 p);
			return MB_ERR_CONFIG;
		}
	}
	return 0;
}

uint8_t
classes_find(const struct classes *c, const char *name)
{
	for (uint32_t i = 1; i <= c->cnt; i++) {
		if (strcmp(c->name[i], name) == 0) {
			return (uint8_t)i;
		}
	}
	return CLASSES_NONE;
}
