/* SPDX-License-Identifier: Apache-2.0 */
/* gate_geo - see gate_geo.h */
#include "gate_geo.h"

#include <math.h>
#include <stdint.h>

#define BITS     26 /* of each coordinate */
#define CELL_CNT (1u << BITS)

static double
radians(double degrees)
{
	return degrees * (M_PI / 180);
}

bool
geo_place_ok(struct geo_place p)
{
	return p.lon >= -GEO_LON_MAX && p.lon <= GEO_LON_MAX && p.lat >= -GEO_LAT_MAX &&
	       p.lat <= GEO_LAT_MAX;
}

/* In which of the cells that [-most, most] has x is. Its upper end is cell CELL_CNT, one bit more
 * than BITS; the number then has 54, as in Redis. */
static uint32_t
cell_of(double x, double most)
{
	return (uint32_t)((x + most) / (2 * most) * CELL_CNT);
}

static double
cell_middle(uint32_t cell, double most)
{
	double low = -most + (double)cell / CELL_CNT * (2 * most);
	double high = -most + (double)(cell + 1) / CELL_CNT * (2 * most);

	return fmax(-most, fmin(most, (low + high) / 2));
}

/* The bits of both in turn, b's before a's. */
static uint64_t
interleave(uint32_t a, uint32_t b)
{
	uint64_t bits = 0;

	for (unsigned int i = 0; i <= BITS; i++) {
		bits |= (uint64_t)(a >> i & 1) << 2 * i | (uint64_t)(b >> i & 1) << (2 * i + 1);
	}
	return bits;
}

static uint32_t
every_other(uint64_t bits)
{
	uint32_t x = 0;

	for (unsigned int i = 0; i <= BITS; i++) {
		x |= (uint32_t)(bits >> 2 * i & 1) << i;
	}
	return x;
}

double
geo_score(struct geo_place p)
{
	return (double)interleave(cell_of(p.lat, GEO_LAT_MAX), cell_of(p.lon, GEO_LON_MAX));
}

struct geo_place
geo_place_of(double score)
{
	/* Any answer will do for what is no place: the cast of such a double has none. */
	uint64_t bits = score >= 0 && score < 0x1p63 ? (uint64_t)score : 0;

	return (struct geo_place){ .lon = cell_middle(every_other(bits >> 1), GEO_LON_MAX),
				   .lat = cell_middle(every_other(bits), GEO_LAT_MAX) };
}

void
geo_text(struct geo_place p, char ret[GEO_TEXT_LEN])
{
	static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
	uint64_t bits = interleave(cell_of(p.lat, 90), cell_of(p.lon, GEO_LON_MAX));

	for (unsigned int i = 0; i < GEO_TEXT_LEN - 1; i++) {
		ret[i] = letters[bits >> (2 * BITS - 5 * (i + 1)) & 31];
	}
	ret[GEO_TEXT_LEN - 1] = '0'; /* it would take 55 bits */
}

double
geo_distance_m(struct geo_place a, struct geo_place b)
{
	double v = sin((radians(b.lon) - radians(a.lon)) / 2);
	double u = sin((radians(b.lat) - radians(a.lat)) / 2);
	double h = u * u + cos(radians(a.lat)) * cos(radians(b.lat)) * v * v;

	return 2 * GEO_RADIUS_M * asin(sqrt(fmin(h, 1)));
}

bool
geo_inside(const struct geo_shape *s, struct geo_place p, double *ret_m)
{
	double north_m = GEO_RADIUS_M * fabs(radians(p.lat) - radians(s->middle.lat));
	struct geo_place beside = { .lon = s->middle.lon, .lat = p.lat };

	/* The way along the meridian is no longer than any other: most are not in, and that is all
	 * that they cost. */
	if (north_m > (s->box ? s->height_m / 2 : s->radius_m * (1 + 1e-9))) {
		return false;
	}
	if (s->box && geo_distance_m(p, beside) > s->width_m / 2) {
		return false;
	}
	*ret_m = geo_distance_m(s->middle, p);
	return s->box || *ret_m <= s->radius_m;
}
