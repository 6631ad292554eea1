/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   places have the numbers, texts and distances that Redis gives them.
 * Method: answers of a redis-server 7.0.15 for places within the range and at its edges; what must
 *         hold of any place: its number leads back to it, to within half a cell; who is in a shape
 *         by the distance alone is in it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate_geo.h"
#include "rng.h"
#include "test_cmocka.h"

static void
places_have_the_numbers_of_redis(void **state)
{
	static const struct {
		struct geo_place place;
		double score;
		struct geo_place middle;
		const char *text;
	} row[] = {
		{ { 13.361389, 38.115556 },
		  3479099956230698,
		  { 13.36138933897018433, 38.11555639549629859 },
		  "sqc8b49rny0" },
		{ { -180, -85.05112878 },
		  0,
		  { -179.99999731779098511, -85.05112751263942528 },
		  "00bh0hbj200" },
		{ { 179.999999, 85.0511 },
		  4503599627370426,
		  { 179.99999731779098511, 85.05109963070665913 },
		  "zzpgzgpfxf0" },
		{ { 180, 85.05112878 }, 13510798882111488, { 180, 85.05112878 }, "bp05b5048p0" },
		{ { 0, 0 },
		  3377699720527872,
		  { 0.00000268220901489, 0.00000126736058093 },
		  "s0000000000" },
		{ { -5.6, 42.6 },
		  2157242200379188,
		  { -5.59999912977218628, 42.6000002789257266 },
		  "ezs42e44yx0" },
	};
	char text[GEO_TEXT_LEN];

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct geo_place back = geo_place_of(row[i].score);

		assert_true(geo_place_ok(row[i].place));
		assert_true(geo_score(row[i].place) == row[i].score);
		assert_true(fabs(back.lon - row[i].middle.lon) < 1e-13);
		assert_true(fabs(back.lat - row[i].middle.lat) < 1e-13);
		geo_text(back, text);
		assert_memory_equal(text, row[i].text, sizeof(text));
	}
}

static void
what_is_no_place_has_an_answer(void **state)
{
	static const double scores[] = { -1, 1e300, -1e300, INFINITY, -INFINITY, NAN, 0.5 };

	assert_false(geo_place_ok((struct geo_place){ 180.1, 0 }));
	assert_false(geo_place_ok((struct geo_place){ 0, -85.06 }));
	assert_false(geo_place_ok((struct geo_place){ NAN, 0 }));
	assert_false(geo_place_ok((struct geo_place){ 0, INFINITY }));
	for (size_t i = 0; i < sizeof(scores) / sizeof(scores[0]); i++) {
		assert_true(geo_place_ok(geo_place_of(scores[i])));
	}
}

static void
distances_are_those_of_redis(void **state)
{
	struct geo_place palermo =
		geo_place_of(geo_score((struct geo_place){ 13.361389, 38.115556 }));
	struct geo_place catania =
		geo_place_of(geo_score((struct geo_place){ 15.087269, 37.502669 }));
	struct geo_place edge = { 180, 85.05112878 };

	assert_true(fabs(geo_distance_m(palermo, catania) - 166274.1516) < 5e-5);
	assert_true(fabs(geo_distance_m(palermo, edge) - 6307362.7206) < 5e-5);
	assert_true(geo_distance_m(palermo, palermo) == 0);
	assert_true(fabs(geo_distance_m((struct geo_place){ -90, 0 }, (struct geo_place){ 90, 0 }) -
			 M_PI * GEO_RADIUS_M) < 1e-6); /* the other side of the earth */
}

static struct geo_place
place_random(struct rng *rng)
{
	double lon = (double)rng_below(rng, 360000001) / 1e6 - 180;
	double lat = (double)rng_below(rng, 170000001) / 1e6 - 85;

	return (struct geo_place){ lon, lat };
}

static void
any_place_is_found(void **state)
{
	struct rng rng;
	uint32_t in = 0, out = 0;

	rng_init(&rng, 4711);
	for (uint32_t i = 0; i < 3000; i++) {
		struct geo_place a = place_random(&rng), b = place_random(&rng);
		struct geo_place back = geo_place_of(geo_score(a));
		struct geo_shape circle = { .middle = b,
					    .radius_m = (double)rng_below(&rng, 20000000) };
		struct geo_shape box = { .middle = b, .box = true, .width_m = 1e8 };
		double m = geo_distance_m(a, b), said = -1;
		bool is_in = geo_inside(&circle, a, &said);

		assert_true(fabs(back.lon - a.lon) <= 180.0 / (1 << 26) + 1e-12);
		assert_true(fabs(back.lat - a.lat) <= GEO_LAT_MAX / (1 << 26) + 1e-12);
		assert_true(geo_score(back) == geo_score(a));
		assert_int_equal(is_in, m <= circle.radius_m);
		assert_true(!is_in || said == m);
		/* As high as both are apart, and a little less: at its edge, and beyond it. */
		box.height_m = 2.000001 * GEO_RADIUS_M * fabs(a.lat - b.lat) * (M_PI / 180);
		assert_true(geo_inside(&box, a, &said));
		box.height_m *= 0.9999;
		assert_true(!geo_inside(&box, a, &said) || a.lat == b.lat);
		in += is_in;
		out += !is_in;
	}
	assert_true(in > 500 && out > 500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_have_the_numbers_of_redis),
		cmocka_unit_test(what_is_no_place_has_an_answer),
		cmocka_unit_test(distances_are_those_of_redis),
		cmocka_unit_test(any_place_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
