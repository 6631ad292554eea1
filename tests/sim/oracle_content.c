/* SPDX-License-Identifier: Apache-2.0 */
/* oracle_content - what keys, values and members are called and made of */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "oracle.h"

static uint8_t
value_byte(uint32_t n, uint32_t i)
{
	return (uint8_t)(n * 31 + i * 7 + (i >> 8));
}

void
oracle_value_fill(uint32_t n, uint8_t *p, uint32_t len)
{
	REQUIRE(len >= sizeof(n));
	memcpy(p, &n, sizeof(n));
	for (uint32_t i = sizeof(n); i < len; i++) {
		p[i] = value_byte(n, i);
	}
}

bool
oracle_value_ok(uint32_t n, const uint8_t *p, uint32_t len)
{
	if (len < sizeof(n) || memcmp(p, &n, sizeof(n)) != 0) {
		return false;
	}
	for (uint32_t i = sizeof(n); i < len; i++) {
		if (p[i] != value_byte(n, i)) {
			return false;
		}
	}
	return true;
}

int64_t
oracle_number(struct slice text)
{
	int64_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		n = n * 10 + (text.p[i] - '0');
	}
	return n;
}

size_t
oracle_member_text(uint32_t n, char *ret, size_t bytes)
{
	size_t len = (size_t)snprintf(ret, bytes, "m%u", n), end = len;

	if (n % 97 == 50) {
		end = 4097 + n * 7919U % 12000;
	} else if (n % 23 == 11) {
		end = 1025 + n * 7919U % 3072;
	}
	for (size_t i = len; i < end && i < bytes; i++) {
		ret[i] = i == len ? '.' : (char)('a' + (i * 7 + n) % 26);
	}
	return MAX(len, MIN(end, bytes));
}

const char *
oracle_field_text(uint32_t key)
{
	return key % 2 == 0 ? "a" : "b";
}

size_t
oracle_key_text(enum key_kind kind, uint32_t key, char *ret, size_t bytes)
{
	static const char *const prefix[KEY_KIND_CNT] = { "counter/", "set/",     "register/",
							  "field/",   "loose/",   "list/",
							  "zset/",    "sibling/", "wild/" };

	return (size_t)snprintf(ret, bytes, "%s%u", prefix[kind],
				kind == KEY_FIELD ? key / 2 : key);
}

uint32_t
oracle_member_number(struct slice member)
{
	uint32_t n = 0;

	for (size_t i = 1; i < member.len && i < 12 && member.p[i] != '.'; i++) {
		n = n * 10 + (uint32_t)(member.p[i] - '0');
	}
	return n;
}
