/* SPDX-License-Identifier: Apache-2.0 */
/* rates.c - what happened between two samples of the node's counters */
#include "rates.h"

#include <string.h>

#include "cli.h"

/* The member of a list that has the same value at key: a text or a number. NULL if none has. */
static const json_t *
same(const json_t *list, const json_t *as, const char *key)
{
	const json_t *want = json_object_get(as, key), *item;
	size_t i;

	json_array_foreach(list, i, item) {
		if (json_equal(json_object_get(item, key), want)) {
			return item;
		}
	}
	return NULL;
}

static uint64_t
grown(const json_t *later, const json_t *earlier, const char *counter)
{
	uint64_t now = cli_u64(later, counter), then = cli_u64(earlier, counter);

	return now >= then ? now - then : now;
}

static double
add_rate(json_t *later, const json_t *earlier, const char *counter, const char *rate, double per)
{
	double x = per > 0 ? (double)grown(later, earlier, counter) / per : 0;

	json_object_set_new(later, rate, json_real(x));
	return x;
}

void
rates_add(json_t *later, const json_t *earlier)
{
	double ns = (double)grown(later, earlier, "time_ns"), s = ns / 1e9, all = 0;
	const json_t *was;
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(later, "tiles"), i, item) {
		was = same(json_object_get(earlier, "tiles"), item, "name");
		add_rate(item, was, "busy_ns", "busy", ns);
	}
	json_array_foreach(json_object_get(later, "executors"), i, item) {
		was = same(json_object_get(earlier, "executors"), item, "pid");
		add_rate(item, was, "busy_ns", "busy", ns);
		add_rate(item, was, "finished", "per_s", s);
	}
	json_array_foreach(json_object_get(later, "functions"), i, item) {
		was = same(json_object_get(earlier, "functions"), item, "name");
		all += add_rate(item, was, "finished", "per_s", s);
		add_rate(item, was, "failed", "failed_per_s", s);
	}
	json_object_set_new(later, "per_s", json_real(all));
	json_object_set_new(later, "interval_ns", json_integer((json_int_t)ns));
}
