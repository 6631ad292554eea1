/* SPDX-License-Identifier: Apache-2.0 */
/* fmt.c - numbers and foreign bytes as a person reads them */
#include "fmt.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "value.h"

/* Three significant digits: as many decimals as that leaves. */
static const char *
scaled(char buf[static FMT_BYTES], double x, const char *unit)
{
	int decimals = x < 9.995 ? 2 : x < 99.95 ? 1 : 0;

	snprintf(buf, FMT_BYTES, "%.*f%s%s", decimals, x, *unit != '\0' ? " " : "", unit);
	return buf;
}

/* Divides until three digits are left in front of the point, or the units are used up. */
static const char *
in_units(char buf[static FMT_BYTES], double x, double step, const char *const *unit, size_t cnt)
{
	size_t i = 0;

	while (x >= (step == 1024 ? 1023.5 : 999.5) && i + 1 < cnt) {
		x /= step;
		i++;
	}
	return scaled(buf, x, unit[i]);
}

const char *
fmt_ns(char buf[static FMT_BYTES], uint64_t ns)
{
	static const char *const unit[] = { "ns", "µs", "ms", "s" };
	uint64_t s = ns / 1000000000;

	if (ns < 1000) {
		snprintf(buf, FMT_BYTES, "%" PRIu64 " ns", ns);
	} else if (s < 60) {
		in_units(buf, (double)ns, 1000, unit, 4);
	} else if (s < 3600) {
		snprintf(buf, FMT_BYTES, "%" PRIu64 " min %02" PRIu64 " s", s / 60, s % 60);
	} else if (s < 86400) {
		snprintf(buf, FMT_BYTES, "%" PRIu64 " h %02" PRIu64 " min", s / 3600, s / 60 % 60);
	} else {
		snprintf(buf, FMT_BYTES, "%" PRIu64 " d %02" PRIu64 " h", s / 86400, s / 3600 % 24);
	}
	return buf;
}

const char *
fmt_bytes(char buf[static FMT_BYTES], uint64_t bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

	if (bytes < 1024) {
		snprintf(buf, FMT_BYTES, "%" PRIu64 " B", bytes);
		return buf;
	}
	return in_units(buf, (double)bytes, 1024, unit, 7);
}

const char *
fmt_count(char buf[static FMT_BYTES], uint64_t n, const char *thing)
{
	snprintf(buf, FMT_BYTES, "%" PRIu64 " %s%s", n, thing, n == 1 ? "" : "s");
	return buf;
}

const char *
fmt_rate(char buf[static FMT_BYTES], double per_s)
{
	static const char *const unit[] = { "", "k", "M", "G" };

	if (per_s <= 0) {
		snprintf(buf, FMT_BYTES, "0");
		return buf;
	}
	return in_units(buf, per_s, 1000, unit, 4);
}

const char *
fmt_f64(char buf[static FMT_BYTES], double x)
{
	int digits, exponent;

	if (!isfinite(x)) { /* a nan's sign means nothing */
		snprintf(buf, FMT_BYTES, "%s", isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
		return buf;
	}
	for (digits = 1; digits < 17; digits++) {
		snprintf(buf, FMT_BYTES, "%.*e", digits - 1, x);
		if (strtod(buf, NULL) == x) {
			break;
		}
	}
	snprintf(buf, FMT_BYTES, "%.*e", digits - 1, x);
	exponent = (int)strtol(strchr(buf, 'e') + 1, NULL, 10);
	if (exponent >= -5 && exponent < 16) { /* people read these without an exponent */
		snprintf(buf, FMT_BYTES, "%.*f", MAX(digits - 1 - exponent, 1), x);
	}
	return buf;
}

/* The length of the UTF-8 sequence at p, 0 if it is none. */
static size_t
utf8_len(const uint8_t *p, size_t len)
{
	for (size_t n = 1; n <= MIN(len, (size_t)4); n++) {
		if (value_utf8_ok(p, n)) {
			return n;
		}
	}
	return 0;
}

void
fmt_safe(FILE *f, const void *p, size_t len, bool lines)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(b + i, len - i);
		/* C0, DEL, and C1 (U+0080 to U+009F, which terminals may obey too). */
		bool control = n == 1 ? b[i] < 0x20 || b[i] == 0x7f
				      : n == 2 && b[i] == 0xc2 && b[i + 1] < 0xa0;

		if (n == 1 && lines && (b[i] == '\n' || b[i] == '\t')) {
			control = false;
		}
		if (n == 0 || control) {
			n = n == 0 ? 1 : n;
			for (size_t k = 0; k < n; k++) {
				fprintf(f, "\\x%02x", b[i + k]);
			}
		} else {
			fwrite(b + i, 1, n, f);
		}
		i += n;
	}
}
