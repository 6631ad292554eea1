/* SPDX-License-Identifier: Apache-2.0 */
/* rates.c - what happened between two samples of the node's counters */
#include "rates.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "stage.h"

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

/* A pass counts when it is over: what began before the first sample is of this time too. */
static void
add_share(json_t *later, const json_t *earlier, double ns)
{
	if (add_rate(later, earlier, "busy_ns", "busy", ns) > 1) {
		json_object_set_new(later, "busy", json_real(1));
	}
}

/* What "buckets" of an answer say: bucket, count, bucket, count ... */
static void
buckets_add(struct stage_sum *sum, const json_t *item, bool minus)
{
	const json_t *a = json_object_get(item, "buckets");

	for (size_t i = 0; i + 1 < json_array_size(a); i += 2) {
		json_int_t b = json_integer_value(json_array_get(a, i));
		uint64_t n = (uint64_t)json_integer_value(json_array_get(a, i + 1));

		if (b >= 0 && b < STAGE_BUCKET_CNT) {
			sum->bucket[b] = !minus ? n : n <= sum->bucket[b] ? sum->bucket[b] - n : 0;
		}
	}
}

static void
add_quantiles(json_t *later, const json_t *earlier)
{
	struct stage_sum sum = { 0 };

	buckets_add(&sum, later, false);
	buckets_add(&sum, earlier, true);
	json_object_set_new(later, "p50_ns", json_integer((json_int_t)stage_quantile(&sum, 0.5)));
	json_object_set_new(later, "p99_ns", json_integer((json_int_t)stage_quantile(&sum, 0.99)));
}

/* The part of a tile's name in front of its number: its metrics' names begin with it. */
static uint64_t
polls(const json_t *tile)
{
	const char *name = cli_text(tile, "name");
	char metric[64];

	snprintf(metric, sizeof(metric), "%.*s_poll_worked", (int)strcspn(name, ":"), name);
	return cli_u64(json_object_get(tile, "metrics"), metric);
}

static void
add_turn(json_t *later, const json_t *earlier)
{
	uint64_t now = polls(later), then = polls(earlier);
	uint64_t cnt = now > then ? now - then : 0;
	uint64_t ns = grown(later, earlier, "busy_ns");

	json_object_set_new(later, "turn_ns", json_integer((json_int_t)(cnt != 0 ? ns / cnt : 0)));
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
		add_share(item, was, ns);
		add_turn(item, was);
	}
	json_array_foreach(json_object_get(later, "stages"), i, item) {
		was = same(json_object_get(earlier, "stages"), item, "name");
		add_rate(item, was, "calls", "per_s", s);
		add_quantiles(item, was);
	}
	json_array_foreach(json_object_get(later, "executors"), i, item) {
		was = same(json_object_get(earlier, "executors"), item, "pid");
		add_share(item, was, ns);
		add_rate(item, was, "finished", "per_s", s);
		add_quantiles(item, was);
	}
	json_array_foreach(json_object_get(later, "functions"), i, item) {
		was = same(json_object_get(earlier, "functions"), item, "name");
		all += add_rate(item, was, "finished", "per_s", s);
		add_rate(item, was, "failed", "failed_per_s", s);
		add_quantiles(item, was);
	}
	json_object_set_new(later, "per_s", json_real(all));
	json_object_set_new(later, "interval_ns", json_integer((json_int_t)ns));
}
