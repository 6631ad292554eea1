/* SPDX-License-Identifier: Apache-2.0 */
#include "merge_law.h"

#include <stdio.h>
#include <sys/mman.h>

#include "check.h"
#include "compiler.h"

#define SHOWN_BYTES 24 /* of a value in a sentence */

struct law {
	const struct mb_merge *merge;
	uint8_t *mem;
	size_t used;
	uint32_t cnt, max;
	struct mb_slice value[MERGE_LAW_VALUES];
	struct mb_slice pair[MERGE_LAW_VALUES][MERGE_LAW_VALUES];
	char *why;
	size_t why_bytes;
};

static int
law_take(void *ctx, size_t len, uint8_t **ret)
{
	struct law *l = ctx;

	if (len > MERGE_LAW_BYTES - l->used) {
		return MB_ERR_TOO_LARGE;
	}
	*ret = l->mem + l->used;
	l->used = ALIGN_UP(l->used + len, 16);
	l->used = MIN(l->used, (size_t)MERGE_LAW_BYTES);
	return 0;
}

static bool
same(struct mb_slice a, struct mb_slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* ------------------------------------------------------------------ sentences */

/* A value as a person can read it: "text\x00", and how long it is if it is cut. */
static const char *
shown(struct mb_slice v, char buf[8 * SHOWN_BYTES])
{
	const uint8_t *p = v.p;
	size_t len = 0, cap = 8 * SHOWN_BYTES;

	buf[len++] = '"';
	for (size_t i = 0; i < v.len && i < SHOWN_BYTES; i++) {
		bool plain = p[i] >= ' ' && p[i] < 0x7f && p[i] != '"' && p[i] != '\\';

		len += (size_t)snprintf(buf + len, cap - len, plain ? "%c" : "\\x%02x", p[i]);
	}
	if (v.len > SHOWN_BYTES) {
		snprintf(buf + len, cap - len, "...\" (%zu bytes)", v.len);
	} else {
		snprintf(buf + len, cap - len, "\"");
	}
	return buf;
}

static int
broken(struct law *l, const char *law, const char *left, struct mb_slice a, const char *right,
       struct mb_slice b)
{
	char a_text[8 * SHOWN_BYTES], b_text[8 * SHOWN_BYTES];

	snprintf(l->why, l->why_bytes, "the merge '%s' is not %s: %s = %s, but %s = %s",
		 l->merge->name, law, left, shown(a, a_text), right, shown(b, b_text));
	return MB_ERR_LOAD;
}

/* ----------------------------------------------------------------------- laws */

/* Merges two values. */
static int
run(struct law *l, struct mb_slice a, struct mb_slice b, struct mb_slice *ret)
{
	char a_text[8 * SHOWN_BYTES], b_text[8 * SHOWN_BYTES];
	size_t from = l->used;
	struct mb_merged out = { .take = law_take, .ctx = l };
	int err = l->merge->run(a, b, &out);

	if (err == 0 && !out.done) {
		snprintf(l->why, l->why_bytes, "the merge '%s' makes nothing of %s and %s",
			 l->merge->name, shown(a, a_text), shown(b, b_text));
		return MB_ERR_LOAD;
	}
	if (err != 0) {
		snprintf(l->why, l->why_bytes, "the merge '%s' refuses %s and %s: %s",
			 l->merge->name, shown(a, a_text), shown(b, b_text),
			 err < 0 ? mb_err_text(err) : "it returned no error that is known");
		return MB_ERR_LOAD;
	}
	*ret = mb_slice_of(l->mem + from, out.len);
	return 0;
}

/* The laws of two values. */
static int
two(struct law *l, uint32_t i, uint32_t j)
{
	char a[8 * SHOWN_BYTES], b[8 * SHOWN_BYTES], left[20 * SHOWN_BYTES],
		right[20 * SHOWN_BYTES];
	struct mb_slice again;
	size_t mark;
	int err = run(l, l->value[i], l->value[j], &l->pair[i][j]);

	mark = l->used;
	if (err == 0) {
		err = run(l, l->value[i], l->value[j], &again);
	}
	if (err != 0) {
		return err;
	}
	shown(l->value[i], a);
	shown(l->value[j], b);
	snprintf(left, sizeof(left), "merge(%s, %s)", a, b);
	if (!same(l->pair[i][j], again)) {
		return broken(l, "deterministic", left, l->pair[i][j], "once more it", again);
	}
	l->used = mark;
	if (i == j && !same(l->pair[i][i], l->value[i])) {
		return broken(l, "idempotent", left, l->pair[i][i], "the value", l->value[i]);
	}
	if (j < i && !same(l->pair[i][j], l->pair[j][i])) {
		snprintf(right, sizeof(right), "merge(%s, %s)", b, a);
		return broken(l, "commutative", left, l->pair[i][j], right, l->pair[j][i]);
	}
	return 0;
}

static int
three(struct law *l, uint32_t i, uint32_t j, uint32_t k)
{
	char a[8 * SHOWN_BYTES], b[8 * SHOWN_BYTES], c[8 * SHOWN_BYTES];
	char left[32 * SHOWN_BYTES], right[32 * SHOWN_BYTES];
	struct mb_slice from_left, from_right;
	size_t mark = l->used;
	int err = run(l, l->pair[i][j], l->value[k], &from_left);

	if (err == 0) {
		err = run(l, l->value[i], l->pair[j][k], &from_right);
	}
	if (err != 0) {
		return err;
	}
	l->used = mark;
	if (same(from_left, from_right)) {
		return 0;
	}
	shown(l->value[i], a);
	shown(l->value[j], b);
	shown(l->value[k], c);
	snprintf(left, sizeof(left), "merge(merge(%s, %s), %s)", a, b, c);
	snprintf(right, sizeof(right), "merge(%s, merge(%s, %s))", a, b, c);
	return broken(l, "associative", left, from_left, right, from_right);
}

static bool
known(const struct law *l, struct mb_slice v)
{
	for (uint32_t i = 0; i < l->cnt; i++) {
		if (same(l->value[i], v)) {
			return true;
		}
	}
	return false;
}

/* Fills up with what is merged from what is there. */
static int
grow(struct law *l)
{
	for (uint32_t i = 1; i < l->cnt; i++) {
		for (uint32_t j = 0; j < i && l->cnt < l->max; j++) {
			struct mb_slice v;
			size_t mark = l->used;
			int err = run(l, l->value[i], l->value[j], &v);

			if (err != 0) {
				return err;
			}
			if (known(l, v)) {
				l->used = mark;
			} else {
				l->value[l->cnt++] = v;
			}
		}
	}
	return 0;
}

static int
laws(struct law *l)
{
	int err = grow(l);

	for (uint32_t i = 0; err == 0 && i < l->cnt; i++) {
		for (uint32_t j = 0; err == 0 && j < l->cnt; j++) {
			err = two(l, i, j);
		}
	}
	for (uint32_t i = 0; err == 0 && i < l->cnt; i++) {
		for (uint32_t j = 0; err == 0 && j < l->cnt; j++) {
			for (uint32_t k = 0; err == 0 && k < l->cnt; k++) {
				err = three(l, i, j, k);
			}
		}
	}
	return err;
}

/* Takes the samples that differ. */
static int
samples(struct law *l)
{
	const struct mb_merge *merge = l->merge;

	if (merge->sample_cnt > MERGE_LAW_SAMPLES) {
		snprintf(l->why, l->why_bytes, "the merge '%s' has %zu samples: it may have %d",
			 merge->name, merge->sample_cnt, MERGE_LAW_SAMPLES);
		return MB_ERR_LOAD;
	}
	for (size_t i = 0; i < merge->sample_cnt; i++) {
		if (!known(l, merge->sample[i])) {
			l->value[l->cnt++] = merge->sample[i];
		}
	}
	if (l->cnt < 2) {
		snprintf(l->why, l->why_bytes,
			 "the merge '%s' needs two samples that differ to be tried on",
			 merge->name);
		return MB_ERR_LOAD;
	}
	l->max = MAX(l->cnt + MERGE_LAW_MERGED_MIN, (uint32_t)MERGE_LAW_VALUES_MIN);
	return 0;
}

int
merge_law_check(const struct mb_merge *merge, char *why, size_t why_bytes)
{
	struct law *l;
	size_t bytes = sizeof(*l) + MERGE_LAW_BYTES;
	int err;

	l = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		 -1, 0);
	if (l == MAP_FAILED) {
		snprintf(why, why_bytes, "there is no memory to try the merge '%s'", merge->name);
		return MB_ERR_NO_MEMORY;
	}
	l->merge = merge;
	l->mem = (uint8_t *)(l + 1);
	l->why = why;
	l->why_bytes = why_bytes;
	err = samples(l);
	if (err == 0) {
		err = laws(l);
	}
	munmap(l, bytes);
	return err;
}
