/* SPDX-License-Identifier: Apache-2.0 */
/* gate_geo - places on the earth as scores of sorted sets, and the distance between two
 *
 * A place is a number of 52 bits: 26 of its longitude and 26 of its latitude, in turn, the last one
 * of its latitude. So it is a double that is exact, and places whose numbers begin alike are near
 * each other. The range of latitudes is that of maps in Mercator's projection, as in Redis, whose
 * numbers these are; a geohash of others (geo_text) is made of the whole range.
 *
 * Source of the interleaving and its text: G. Niemeyer's geohash; of the distance: the haversine of
 * a sphere. Pure. Threads: any.
 */
#ifndef MB_GATE_GEO_H
#define MB_GATE_GEO_H

#include <stdbool.h>

#define GEO_LON_MAX  180.0
#define GEO_LAT_MAX  85.05112878
#define GEO_RADIUS_M 6372797.560856 /* of the earth, as Redis has it */
#define GEO_TEXT_LEN 11

struct geo_place {
	double lon, lat; /* degrees */
};

/* geo_place_ok: it can be kept. */
bool geo_place_ok(struct geo_place p);

/* geo_score is the number of a place. Requires: geo_place_ok. */
double geo_score(struct geo_place p);

/* geo_place_of is the middle of the places that have this number. A score that is none has a place,
 * too. */
struct geo_place geo_place_of(double score);

/* geo_text is the geohash that others use: GEO_TEXT_LEN letters, of which the last is always 0. */
void geo_text(struct geo_place p, char ret[GEO_TEXT_LEN]);

/* geo_distance_m is how far two places are from each other, in metres. */
double geo_distance_m(struct geo_place a, struct geo_place b);

/* What is searched: a circle, or a box whose sides go north and east. */
struct geo_shape {
	struct geo_place middle;
	bool box;
	double radius_m, width_m, height_m;
};

/* geo_inside tells whether a place is in a shape, and how far it is from the middle. */
bool geo_inside(const struct geo_shape *s, struct geo_place p, double *ret_m);

#endif
