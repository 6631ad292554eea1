/* SPDX-License-Identifier: Apache-2.0 */
/* row.c - see row.h */
#include "row.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"

#define CELL_BYTES 32

static void __attribute__((__format__(__printf__, 3, 4)))
append(char *text, size_t bytes, const char *format, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(text + len, bytes - len, format, ap);
	va_end(ap);
}

void
aim_text(const struct row *row, char *ret, size_t bytes)
{
	const struct aim *aim = &row->aim;
	char floor[CELL_BYTES];
	const struct {
		const char *what, *unit;
		double limit;
	} parts[] = {
		{ "p50", row->unit, aim->p50_max },
		{ "p99", row->unit, aim->p99_max },
		{ "p50", floor, aim->ratio_p50_max },
		{ "p99", floor, aim->ratio_p99_max },
	};

	snprintf(floor, sizeof(floor), "x %s", row->floor != NULL ? row->floor : "floor");
	ret[0] = '\0';
	for (unsigned i = 0; i < ARRAY_CNT(parts); i++) {
		if (parts[i].limit > 0) {
			append(ret, bytes, "%s%s <= %g %s", ret[0] != '\0' ? ", " : "",
			       parts[i].what, parts[i].limit, parts[i].unit);
		}
	}
	if (aim->ratio_p50_min > 0) {
		append(ret, bytes, "%sp50 >= %g %s", ret[0] != '\0' ? ", " : "", aim->ratio_p50_min,
		       floor);
	}
	if (aim->rate_min > 0) {
		append(ret, bytes, "%s>= %g M/s", ret[0] != '\0' ? ", " : "", aim->rate_min / 1e6);
	}
}

/* The figures of a row, in its unit; NAN for one that does not exist. */
struct cells {
	double p50, p99, p999, max, rate;
	double floor_p50, floor_p99, floor_rate;
	double ratio_p50, ratio_p99, ratio_low, ratio_high;
	double cpu;
};

static double
quantile(const struct figures *f, double q, double grains)
{
	return hist_cnt(&f->all) > 0 ? figures_quantile(f, q) / grains : NAN;
}

static double
rate(const struct figures *f)
{
	return f->rate_cnt > 0 ? figures_rate(f) : NAN;
}

static struct cells
cells_of(const struct row *row, const struct measure *m)
{
	double grains = unit_grains(row->unit);
	const struct figures *over = m->floor.block_cnt > 0 ? &m->floor : NULL;
	struct cells c = {
		.p50 = quantile(&m->subject, 0.5, grains),
		.p99 = quantile(&m->subject, 0.99, grains),
		.p999 = quantile(&m->subject, 0.999, grains),
		.max = quantile(&m->subject, 1, grains),
		.rate = rate(&m->subject),
		.floor_p50 = quantile(&m->floor, 0.5, grains),
		.floor_p99 = quantile(&m->floor, 0.99, grains),
		.floor_rate = rate(&m->floor),
		.ratio_low = NAN,
		.ratio_high = NAN,
		.cpu = m->subject.cpu_ops > 0 && m->subject.cpu_s > 0
			       ? m->subject.cpu_s * 1e12 / m->subject.cpu_ops / grains
			       : NAN,
	};

	c.ratio_p50 = c.p50 / c.floor_p50; /* NAN without a floor */
	c.ratio_p99 = c.p99 / c.floor_p99;
	if (figures_ratio_range(&m->subject, over, &c.ratio_low, &c.ratio_high) > 0 &&
	    over == NULL) {
		c.ratio_low /= grains;
		c.ratio_high /= grains;
	}
	return c;
}

static bool
above(double value, double limit)
{
	return limit > 0 && !(value <= limit); /* a figure that does not exist reaches nothing */
}

enum verdict
row_verdict(const struct row *row, const struct measure *m)
{
	const struct aim *aim = &row->aim;
	struct cells c = cells_of(row, m);
	bool missed;

	if (m->smoke || aim->p50_max + aim->p99_max + aim->ratio_p50_max + aim->ratio_p99_max +
					aim->ratio_p50_min + aim->rate_min <=
				0) {
		return VERDICT_NONE;
	}
	missed = above(c.p50, aim->p50_max) || above(c.p99, aim->p99_max) ||
		 above(c.ratio_p50, aim->ratio_p50_max) || above(c.ratio_p99, aim->ratio_p99_max) ||
		 (aim->ratio_p50_min > 0 && !(c.ratio_p50 >= aim->ratio_p50_min)) ||
		 (aim->rate_min > 0 && !(c.rate >= aim->rate_min));
	if (m->noisy && missed) {
		return VERDICT_NOISY;
	}
	return missed ? VERDICT_MISSED : VERDICT_MET;
}

/* Four significant digits: the histogram is good for two. */
static json_t *
number(double x)
{
	char text[CELL_BYTES];

	if (isnan(x)) {
		return json_null();
	}
	snprintf(text, sizeof(text), "%.4g", x);
	return json_real(strtod(text, NULL));
}

json_t *
row_json(const struct row *row, const struct measure *m, json_t *on)
{
	struct cells c = cells_of(row, m);
	enum verdict verdict = row_verdict(row, m);
	bool judged = verdict == VERDICT_MET || verdict == VERDICT_MISSED;
	char aim[256];
	const struct {
		const char *key;
		double value;
	} numbers[] = {
		{ "p50", c.p50 },
		{ "p99", c.p99 },
		{ "p999", c.p999 },
		{ "max", c.max },
		{ "rate", c.rate },
		{ "floor_p50", c.floor_p50 },
		{ "floor_p99", c.floor_p99 },
		{ "floor_rate", c.floor_rate },
		{ "ratio_p50", c.ratio_p50 },
		{ "ratio_p99", c.ratio_p99 },
		{ m->floor.block_cnt > 0 ? "ratio_low" : "p50_low", c.ratio_low },
		{ m->floor.block_cnt > 0 ? "ratio_high" : "p50_high", c.ratio_high },
		{ "cpu", c.cpu },
		{ "moved", m->moved },
		{ "others", m->others },
		{ "stolen", m->stolen },
	};
	json_t *object;

	aim_text(row, aim, sizeof(aim));
	object = json_pack("{s:s, s:s, s:s, s:s?, s:s, s:o, s:b, s:I, s:i, s:O}", "name", row->name,
			   "unit", row->unit, "what", row->what, "floor", row->floor, "aim", aim,
			   "met", judged ? json_boolean(verdict == VERDICT_MET) : json_null(),
			   "noisy", m->noisy, "samples", (json_int_t)hist_cnt(&m->subject.all),
			   "attempts", (int)m->attempts, "on", on);
	for (unsigned i = 0; i < ARRAY_CNT(numbers) && object != NULL; i++) {
		json_object_set_new(object, numbers[i].key, number(numbers[i].value));
	}
	return object;
}

static const char *
cell(char *text, double x, int decimals)
{
	if (isnan(x)) {
		return "-";
	}
	snprintf(text, CELL_BYTES, "%.*f", decimals, x);
	return text;
}

/* Three digits that count, without an exponent. */
static const char *
plain(char *text, double x)
{
	return cell(text, x, x < 9.995 ? 2 : x < 99.95 ? 1 : 0);
}

void
row_print_head(void)
{
	printf("%-20s %4s %7s %7s %7s %8s %7s %7s %7s %7s %6s %6s  %s\n", "name", "unit", "p50",
	       "p99", "p999", "max", "cpu", "M/s", "floor50", "floor99", "x50", "x99", "aim");
}

void
row_print(const struct row *row, const struct measure *m)
{
	static const char *const verdicts[] = {
		[VERDICT_NONE] = "",
		[VERDICT_MET] = ": met",
		[VERDICT_MISSED] = ": MISSED",
		[VERDICT_NOISY] = ": noisy",
	};
	struct cells c = cells_of(row, m);
	char text[11][CELL_BYTES], aim[256];

	aim_text(row, aim, sizeof(aim));
	printf("%-20s %4s %7s %7s %7s %8s %7s %7s %7s %7s %6s %6s  %s%s%s\n", row->name, row->unit,
	       plain(text[0], c.p50), plain(text[1], c.p99), plain(text[2], c.p999),
	       plain(text[3], c.max), plain(text[4], c.cpu), cell(text[5], c.rate / 1e6, 2),
	       plain(text[6], c.floor_p50), plain(text[7], c.floor_p99),
	       plain(text[8], c.ratio_p50), plain(text[9], c.ratio_p99), aim,
	       verdicts[row_verdict(row, m)], m->noisy && aim[0] == '\0' ? "(noisy)" : "");
	fflush(stdout);
}
