/* SPDX-License-Identifier: Apache-2.0 */
/* cpulist.c - sets of cpus, as the kernel writes them */
#include "cpulist.h"

#include <stdio.h>
#include <string.h>

#include "compiler.h"

/* A number below CPULIST_CPU_MAX at *at, which is moved behind it. */
static bool
number(const char **at, uint32_t *ret)
{
	uint32_t n = 0;

	if (**at < '0' || **at > '9') {
		return false;
	}
	for (; **at >= '0' && **at <= '9'; (*at)++) {
		n = n * 10 + (uint32_t)(**at - '0');
		if (n >= CPULIST_CPU_MAX) {
			return false;
		}
	}
	*ret = n;
	return true;
}

bool
cpulist_parse(const char *text, struct cpulist *ret)
{
	struct cpulist l = { 0 };
	uint32_t first, last;

	for (bool more = *text != '\0'; more; text++) {
		if (!number(&text, &first)) {
			return false;
		}
		last = first;
		if (*text == '-') {
			text++;
			if (!number(&text, &last) || last < first) {
				return false;
			}
		}
		for (; first <= last; first++) {
			l.bits[first / 64] |= UINT64_C(1) << first % 64;
		}
		if (*text == '\0') {
			break;
		}
		if (*text != ',') {
			return false;
		}
	}
	*ret = l;
	return true;
}

const char *
cpulist_print(const struct cpulist *l, char *buf, size_t bytes)
{
	size_t len = 0;

	buf[0] = '\0';
	for (uint32_t cpu = 0; cpu < CPULIST_CPU_MAX; cpu++) {
		uint32_t last = cpu;
		char one[24];
		int n;

		if (!cpulist_has(l, cpu)) {
			continue;
		}
		while (cpulist_has(l, last + 1)) {
			last++;
		}
		n = last == cpu
			    ? snprintf(one, sizeof(one), "%s%u", len > 0 ? "," : "", cpu)
			    : snprintf(one, sizeof(one), "%s%u-%u", len > 0 ? "," : "", cpu, last);
		if (len + (size_t)n + sizeof("...") > bytes) {
			snprintf(buf + len, bytes - len, "...");
			break;
		}
		memcpy(buf + len, one, (size_t)n + 1);
		len += (size_t)n;
		cpu = last;
	}
	return buf;
}

uint32_t
cpulist_cnt(const struct cpulist *l)
{
	uint32_t cnt = 0;

	for (size_t i = 0; i < ARRAY_CNT(l->bits); i++) {
		cnt += (uint32_t)__builtin_popcountll(l->bits[i]);
	}
	return cnt;
}

struct cpulist
cpulist_minus(const struct cpulist *a, const struct cpulist *b)
{
	struct cpulist l;

	for (size_t i = 0; i < ARRAY_CNT(l.bits); i++) {
		l.bits[i] = a->bits[i] & ~b->bits[i];
	}
	return l;
}

struct cpulist
cpulist_and(const struct cpulist *a, const struct cpulist *b)
{
	struct cpulist l;

	for (size_t i = 0; i < ARRAY_CNT(l.bits); i++) {
		l.bits[i] = a->bits[i] & b->bits[i];
	}
	return l;
}
