/* SPDX-License-Identifier: Apache-2.0 */
/* figures.c - see figures.h */
#include "figures.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compiler.h"

double
unit_grains(const char *unit)
{
	static const struct {
		const char *unit;
		double grains;
	} times[] = { { "ns", 1e3 }, { "us", 1e6 }, { "ms", 1e9 }, { "s", 1e12 } };

	for (unsigned i = 0; i < ARRAY_CNT(times); i++) {
		if (strcmp(unit, times[i].unit) == 0) {
			return times[i].grains;
		}
	}
	return 1e3;
}

void
figures_init(struct figures *f)
{
	memset(f, 0, sizeof(*f));
	hist_init(&f->all);
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int
by_grains(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The value below which a share q of n sorted values lies. */
static double
pick(const double *sorted, uint32_t n, double q)
{
	uint32_t idx = (uint32_t)(q * (double)n);

	return sorted[MIN(idx, n - 1)];
}

void
figures_block_end(struct figures *f)
{
	uint32_t n = f->sample_cnt, middle;

	REQUIRE(n <= FIGURES_SAMPLE_MAX, "n=%u", n);
	REQUIRE(f->block_cnt < FIGURES_BLOCK_MAX);
	if (n == 0) {
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		hist_add(&f->all, f->sample[i]);
	}
	qsort(f->sample, n, sizeof(f->sample[0]), by_grains);
	middle = n / 2;
	f->block_p50[f->block_cnt++] = (double)f->sample[middle];
	f->sample_cnt = 0;
}

double
figures_quantile(const struct figures *f, double q)
{
	return (double)hist_quantile(&f->all, q);
}

static double
median(const double *value, uint32_t n)
{
	double sorted[FIGURES_BLOCK_MAX];

	memcpy(sorted, value, n * sizeof(*value));
	qsort(sorted, n, sizeof(*sorted), by_value);
	return pick(sorted, n, 0.5);
}

void
figures_rate_add(struct figures *f, uint64_t ops, uint64_t cycles)
{
	REQUIRE(f->rate_cnt < FIGURES_BLOCK_MAX);
	f->rate[f->rate_cnt++] = (double)ops * 1e9 / (double)timebase_tsc_to_ns(cycles);
}

double
figures_rate(const struct figures *f)
{
	return f->rate_cnt > 0 ? median(f->rate, f->rate_cnt) : 0;
}

double
figures_moved(const struct figures *f)
{
	uint32_t parts = MIN(f->block_cnt, (uint32_t)FIGURES_PART_CNT);
	double low = 0, high = 0;

	for (uint32_t i = 0; i < parts; i++) {
		uint32_t from = f->block_cnt * i / parts;
		uint32_t to = f->block_cnt * (i + 1) / parts;
		double p50 = median(f->block_p50 + from, to - from);

		low = i == 0 ? p50 : MIN(low, p50);
		high = i == 0 ? p50 : MAX(high, p50);
	}
	return low > 0 ? high / low : 1.0;
}

uint32_t
figures_ratio_range(const struct figures *f, const struct figures *over, double *ret_low,
		    double *ret_high)
{
	double ratio[FIGURES_BLOCK_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->block_cnt; i++) {
		if (over == NULL) {
			ratio[n++] = f->block_p50[i];
		} else if (i < over->block_cnt && over->block_p50[i] > 0) {
			ratio[n++] = f->block_p50[i] / over->block_p50[i];
		}
	}
	if (n == 0) {
		return 0;
	}
	qsort(ratio, n, sizeof(*ratio), by_value);
	*ret_low = pick(ratio, n, 0.1);
	*ret_high = pick(ratio, n, 0.9);
	return n;
}
