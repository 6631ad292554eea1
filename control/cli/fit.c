/* SPDX-License-Identifier: Apache-2.0 */
#include "fit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "compiler.h"
#include "mem.h"

#define HEAD_ROWS 2 /* of a list: its heading, and the line behind it */
#define LEAST     4 /* below that a list shows nothing: a row, and how many more there are */

static const struct {
	const char *list, *by; /* by: how busy; NULL: all are alike */
} shown[FIT_LISTS] = {
	{ "functions", "per_s" },
	{ "executors", "busy" },
	{ "tiles", "busy" },
	{ "stages", NULL },
};

void
fit_shares(const uint32_t want[FIT_LISTS], uint32_t rows, uint32_t give[FIT_LISTS])
{
	bool more = true;

	for (uint32_t i = 0; i < FIT_LISTS; i++) {
		give[i] = 0;
	}
	while (rows > 0 && more) {
		more = false;
		for (uint32_t i = 0; i < FIT_LISTS && rows > 0; i++) {
			if (give[i] < want[i]) {
				give[i]++;
				rows--;
				more = true;
			}
		}
	}
}

struct ranked {
	json_t *item;
	double busy;
	size_t at;
};

static int
by_busy(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->busy != y->busy) {
		return x->busy > y->busy ? -1 : 1;
	}
	return x->at < y->at ? -1 : 1;
}

/* The cnt busiest of a list. */
static json_t *
busiest(const json_t *list, const char *by, uint32_t cnt)
{
	size_t all = json_array_size(list), i;
	struct ranked *r = mem_need(calloc(all + 1, sizeof(*r)));
	json_t *ret = mem_need(json_array());
	json_t *item;

	json_array_foreach(list, i, item) {
		r[i] = (struct ranked){ item, json_number_value(json_object_get(item, by)), i };
	}
	if (by != NULL) {
		qsort(r, all, sizeof(*r), by_busy);
	}
	for (i = 0; i < all && i < cnt; i++) {
		json_array_append(ret, r[i].item);
	}
	free(r);
	return ret;
}

json_t *
fit_sample(const json_t *sample, uint32_t rows)
{
	json_t *ret = mem_need(json_copy((json_t *)sample));
	uint32_t want[FIT_LISTS], give[FIT_LISTS];

	for (uint32_t i = 0; i < FIT_LISTS; i++) {
		size_t cnt = json_array_size(json_object_get(sample, shown[i].list));

		want[i] = cnt != 0 ? (uint32_t)MIN(cnt, (size_t)UINT16_MAX) + HEAD_ROWS : 0;
		if (i > 0 && (rows + 1) / LEAST <= i) {
			want[i] = 0; /* the first lists rather than all of them without a row */
		}
	}
	fit_shares(want, rows + 1, give); /* nothing comes behind the last */
	for (uint32_t i = 0; i < FIT_LISTS; i++) {
		const json_t *list = json_object_get(sample, shown[i].list);
		uint32_t room = give[i] > HEAD_ROWS + 1 ? give[i] - HEAD_ROWS - 1 : 0;
		char more[32];

		if (give[i] == json_array_size(list) + HEAD_ROWS || json_array_size(list) == 0) {
			continue;
		}
		snprintf(more, sizeof(more), "%s_more", shown[i].list);
		json_object_set_new(ret, shown[i].list, busiest(list, shown[i].by, room));
		if (room != 0) {
			json_object_set_new(ret, more,
					    json_integer((json_int_t)json_array_size(list) - room));
		}
	}
	return ret;
}
