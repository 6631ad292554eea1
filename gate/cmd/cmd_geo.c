/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_geo - places: GEOADD, GEOSEARCH and their kin
 *
 * A set of places is a sorted set whose scores are the numbers of the places (gate_geo.h). A search
 * looks at every member; most are passed over by their latitude.
 *
 * c->acc 1: what was found is the list in c->keep (gate_fold.h), and is being written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_zset.h"
#include "commands.h"
#include "gate_acl.h"
#include "gate_fold.h"
#include "gate_geo.h"
#include "gate_walk.h"
#include "lattice.h"

#define SCORE_LEN  20 /* digits of a place's number */
#define NOT_A_UNIT "ERR unsupported unit provided. please use M, KM, FT, MI"

enum place_word { PLACE_OK, PLACE_NO_NUMBER, PLACE_NOWHERE };

static enum place_word
place_word(const struct slice *word, struct geo_place *ret)
{
	return !gate_word_f64(word[0], &ret->lon) || !gate_word_f64(word[1], &ret->lat)
		       ? PLACE_NO_NUMBER
	       : geo_place_ok(*ret) ? PLACE_OK
				    : PLACE_NOWHERE;
}

/* Returns: false: answered. */
static bool
place_read(struct gate *g, struct gate_conn *c, const struct slice *word, struct geo_place *ret)
{
	enum place_word is = place_word(word, ret);

	if (is == PLACE_NO_NUMBER) {
		gate_error(g, c, "ERR value is not a valid float");
	} else if (is == PLACE_NOWHERE) {
		gate_error_f(g, c, "ERR invalid longitude,latitude pair %f,%f", ret->lon, ret->lat);
	}
	return is == PLACE_OK;
}

/* Metres in a unit; 0: it is none, which is answered. */
static double
unit_read(struct gate *g, struct gate_conn *c, struct slice word)
{
	double m = gate_word_is(word, "m")    ? 1
		   : gate_word_is(word, "km") ? 1000
		   : gate_word_is(word, "ft") ? 0.3048
		   : gate_word_is(word, "mi") ? 1609.34
					      : 0;

	if (m == 0) {
		gate_error(g, c, NOT_A_UNIT);
	}
	return m;
}

/* ------------------------------------------------------------------------ adding */

/* GEOADD is ZADD of the places' numbers: its words are made, and ZADD is told. They stand in
 * c->keep, behind what describes them, and are the same each time that it is called. */
int
cmd_geoadd(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	uint32_t first = 2, cnt;
	bool nx = false, xx = false;
	struct slice *word;
	char *text;

	for (; first < arg_cnt; first++) {
		nx = nx || gate_word_is(arg[first], "nx");
		xx = xx || gate_word_is(arg[first], "xx");
		if (!gate_word_is(arg[first], "nx") && !gate_word_is(arg[first], "xx") &&
		    !gate_word_is(arg[first], "ch")) {
			break;
		}
	}
	if ((arg_cnt - first) % 3 != 0 || (nx && xx)) {
		return gate_run_before(c) ? (int)GATE_WAIT : gate_error(g, c, "ERR syntax error");
	}
	cnt = (arg_cnt - first) / 3;
	if (!gate_conn_keep(g, c, (first + 2 * cnt) * sizeof(*word) + cnt * (SCORE_LEN + 1))) {
		return gate_run_before(c) ? (int)GATE_WAIT : gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	word = (struct slice *)(void *)c->keep;
	text = (char *)(word + first + 2 * cnt);
	memcpy(word, arg, first * sizeof(*word));
	for (uint32_t i = 0; i < cnt; i++, text += SCORE_LEN + 1) {
		const struct slice *at = &arg[first + 3 * i];
		struct geo_place place;

		if (place_word(at, &place) != PLACE_OK && gate_run_before(c)) {
			return GATE_WAIT; /* an error is no plain write */
		}
		if (!place_read(g, c, at, &place)) {
			return GATE_DONE;
		}
		word[first + 2 * i] = slice_of(text, (size_t)snprintf(text, SCORE_LEN + 1, "%.0f",
								      geo_score(place)));
		word[first + 2 * i + 1] = at[2];
	}
	return cmd_zadd(g, c, word, first + 2 * cnt);
}

/* ------------------------------------------------------------------------ reading */

static void
distance_reply(struct gate *g, struct gate_conn *c, double distance)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "%.4f", distance);
	gate_bulk_str(g, c, text);
}

static void
coordinate_reply(struct gate *g, struct gate_conn *c, double x)
{
	char text[GATE_FLOAT_MAX];
	size_t len = gate_float_text(x, text);

	if (c->proto == 2) {
		gate_bulk(g, c, slice_of(text, len));
		return;
	}
	gate_out_bytes(g, c, ",", 1); /* a double with more digits than gate_double has */
	gate_out_bytes(g, c, text, len);
	gate_out_bytes(g, c, "\r\n", 2);
}

static void
place_reply(struct gate *g, struct gate_conn *c, struct geo_place place)
{
	gate_array(g, c, 2);
	coordinate_reply(g, c, place.lon);
	coordinate_reply(g, c, place.lat);
}

static void
position_reply(struct gate *g, struct gate_conn *c, const struct cache_value *v,
	       struct slice member)
{
	double score;

	if (v != NULL && oset_score(v->state, member, &score) == 0) {
		place_reply(g, c, geo_place_of(score));
	} else {
		gate_null_array(g, c);
	}
}

int
cmd_geopos(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	static const struct gate_walk_words positions = { LATTICE_OSET, position_reply };

	return gate_walk_words(g, c, arg, arg_cnt, &positions);
}

static void
hash_reply(struct gate *g, struct gate_conn *c, const struct cache_value *v, struct slice member)
{
	char text[GEO_TEXT_LEN];
	double score;

	if (v != NULL && oset_score(v->state, member, &score) == 0) {
		geo_text(geo_place_of(score), text);
		gate_bulk(g, c, slice_of(text, sizeof(text)));
	} else {
		gate_null(g, c);
	}
}

int
cmd_geohash(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	static const struct gate_walk_words hashes = { LATTICE_OSET, hash_reply };

	return gate_walk_words(g, c, arg, arg_cnt, &hashes);
}

int
cmd_geodist(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	double unit_m = 1, from, to;
	struct cache_value v;
	int n;

	if (arg_cnt > 5) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (arg_cnt == 5) {
		unit_m = unit_read(g, c, arg[4]);
		if (unit_m == 0) {
			return GATE_DONE;
		}
	}
	n = gate_look_as(g, c, arg[1], LATTICE_OSET, &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_HIT && oset_score(v.state, arg[2], &from) == 0 &&
	    oset_score(v.state, arg[3], &to) == 0) {
		distance_reply(g, c, geo_distance_m(geo_place_of(from), geo_place_of(to)) / unit_m);
	} else {
		gate_null(g, c);
	}
	gate_look_end(g, &v);
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ searching */

/* The forms of a search: GEOSEARCH says all of it in options, the older ones by their place. */
enum form { BY_OPTIONS, BY_PLACE, BY_MEMBER };

struct search {
	enum form form;
	bool only_read;               /* GEORADIUS_RO: nothing is stored */
	const struct slice *key, *to; /* to NULL: nothing is stored */
	const struct cache_value *v;  /* the members; NULL: there are none, or not any more */
	bool from_member, from_place, shaped; /* by options: what was said */
	bool with_m, with_score, with_place, to_distance, any;
	int order; /* -1 the nearest first, 1 the farthest, 0 any */
	int64_t most;
	double unit_m;
	struct geo_shape shape;
};

/* One that was found; what it is called stands in the value, or in c->keep. */
struct found {
	double distance_m, score;
	struct slice member;
};

/* "radius unit" or "width height unit". Returns: false: answered. */
static bool
shape_read(struct gate *g, struct gate_conn *c, const struct slice *word, bool box,
	   struct search *s)
{
	double a, b = 0;

	if (!gate_word_f64(word[0], &a)) {
		gate_error(g, c, box ? "ERR need numeric width" : "ERR need numeric radius");
		return false;
	}
	if (box && !gate_word_f64(word[1], &b)) {
		gate_error(g, c, "ERR need numeric height");
		return false;
	}
	if (a < 0 || b < 0) {
		gate_error(g, c,
			   box ? "ERR height or width cannot be negative"
			       : "ERR radius cannot be negative");
		return false;
	}
	s->unit_m = unit_read(g, c, word[1 + box]);
	s->shape.box = box;
	s->shape.radius_m = s->shape.width_m = a * s->unit_m;
	s->shape.height_m = b * s->unit_m;
	s->shaped = true;
	return s->unit_m != 0;
}

/* The middle is where a member is. Returns: false: answered. */
static bool
member_read(struct gate *g, struct gate_conn *c, struct slice member, struct search *s)
{
	double score;

	s->from_member = true;
	if (s->v == NULL) {
		return true; /* nothing will be found */
	}
	if (oset_score(s->v->state, member, &score) != 0) {
		gate_error(g, c, "ERR could not decode requested zset member");
		return false;
	}
	s->shape.middle = geo_place_of(score);
	return true;
}

/* The option at word i. Returns: how many words it has; 0: it is none; -1: answered. */
static int
option_read(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t left,
	    struct search *s)
{
	bool options = s->form == BY_OPTIONS, store = !options && !s->only_read && left > 1;
	bool *flag = gate_word_is(arg[0], "withdist")    ? &s->with_m
		     : gate_word_is(arg[0], "withhash")  ? &s->with_score
		     : gate_word_is(arg[0], "withcoord") ? &s->with_place
		     : gate_word_is(arg[0], "any")       ? &s->any
							 : NULL;

	if (flag != NULL) {
		*flag = true;
		return 1;
	}
	if (gate_word_is(arg[0], "asc") || gate_word_is(arg[0], "desc")) {
		s->order = gate_word_is(arg[0], "asc") ? -1 : 1;
		return 1;
	}
	if (gate_word_is(arg[0], "count") && left > 1) {
		if (!gate_word_i64(arg[1], &s->most)) {
			gate_error(g, c, "ERR value is not an integer or out of range");
			return -1;
		}
		if (s->most <= 0) {
			gate_error(g, c, "ERR COUNT must be > 0");
			return -1;
		}
		return 2;
	}
	if (store && (gate_word_is(arg[0], "store") || gate_word_is(arg[0], "storedist"))) {
		s->to = &arg[1];
		s->to_distance = gate_word_is(arg[0], "storedist");
		return gate_key_may(g, c, arg[1], ACL_WRITE) ? 2 : -1;
	}
	if (options && s->to != NULL && gate_word_is(arg[0], "storedist")) {
		s->to_distance = true;
		return 1;
	}
	if (options && left > 1 && gate_word_is(arg[0], "frommember") && !s->from_place) {
		return member_read(g, c, arg[1], s) ? 2 : -1;
	}
	if (options && left > 2 && gate_word_is(arg[0], "fromlonlat") && !s->from_member) {
		s->from_place = true;
		return place_read(g, c, arg + 1, &s->shape.middle) ? 3 : -1;
	}
	if (options && left > 2 && gate_word_is(arg[0], "byradius") &&
	    !(s->shaped && s->shape.box)) {
		return shape_read(g, c, arg + 1, false, s) ? 3 : -1;
	}
	if (options && left > 3 && gate_word_is(arg[0], "bybox") && !(s->shaped && !s->shape.box)) {
		return shape_read(g, c, arg + 1, true, s) ? 4 : -1;
	}
	return 0;
}

/* Reads all words, in the order in which Redis finds fault with them. Returns: false: answered. */
static bool
words_read(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	   struct search *s)
{
	uint32_t i = s->form == BY_PLACE ? 6 : s->form == BY_MEMBER ? 5 : s->to != NULL ? 3 : 2;

	if (s->form == BY_PLACE && (!place_read(g, c, arg + 2, &s->shape.middle) ||
				    !shape_read(g, c, arg + 4, false, s))) {
		return false;
	}
	if (s->form == BY_MEMBER && s->v != NULL &&
	    (!member_read(g, c, arg[2], s) || !shape_read(g, c, arg + 3, false, s))) {
		return false;
	}
	while (i < arg_cnt) {
		int n = option_read(g, c, arg + i, arg_cnt - i, s);

		if (n <= 0) {
			if (n == 0) {
				gate_error(g, c, "ERR syntax error");
			}
			return false;
		}
		i += (uint32_t)n;
	}
	if (s->to != NULL && (s->with_m || s->with_score || s->with_place)) {
		gate_error_f(
			g, c,
			"ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
			s->form == BY_OPTIONS ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
		return false;
	}
	if (s->form == BY_OPTIONS && (!(s->from_member || s->from_place) || !s->shaped)) {
		gate_error_f(g, c, "ERR exactly one of %s can be specified for %.*s",
			     s->from_member || s->from_place ? "BYRADIUS and BYBOX"
							     : "FROMMEMBER or FROMLONLAT",
			     (int)MIN(arg[0].len, (size_t)32), (const char *)arg[0].p);
		return false;
	}
	if (s->any && s->most == 0) {
		gate_error(g, c, "ERR the ANY argument requires COUNT argument");
		return false;
	}
	if (s->most != 0 && s->order == 0 && !s->any) {
		s->order = -1;
	}
	return true;
}

static int
by_score(const void *pa, const void *pb)
{
	const struct found *a = pa, *b = pb;

	return a->score != b->score ? (a->score < b->score ? -1 : 1)
				    : slice_cmp(a->member, b->member);
}

static int
by_distance(const void *pa, const void *pb)
{
	const struct found *a = pa, *b = pb;

	return a->distance_m != b->distance_m ? (a->distance_m < b->distance_m ? -1 : 1)
					      : by_score(pa, pb);
}

static int
by_distance_down(const void *pa, const void *pb)
{
	return by_distance(pb, pa);
}

/* Collects those in the shape in c->keep. Returns: as places_find. */
static int
places_collect(struct gate *g, struct gate_conn *c, const struct search *s, struct gate_walk *w)
{
	struct found f;

	while (s->v != NULL) {
		if (!gate_walk_more(g, c, w)) {
			return 0;
		}
		if (!oset_next(w->v.state, &w->at, &f.member, &f.score)) {
			break;
		}
		if (!geo_inside(&s->shape, geo_place_of(f.score), &f.distance_m)) {
			continue;
		}
		if (!gate_conn_keep(g, c, (w->cnt + 1UL) * sizeof(f))) {
			return MB_ERR_NO_MEMORY;
		}
		memcpy(c->keep + w->cnt++ * sizeof(f), &f, sizeof(f));
		c->keep_len = (uint32_t)(w->cnt * sizeof(f));
	}
	return gate_conn_keep(g, c, 2 * (w->cnt + 1UL) * sizeof(f)) ? 1 : MB_ERR_NO_MEMORY;
}

static gate_order_cmp *
search_order(const struct search *s, bool any)
{
	return s->order == 0 || any ? by_score : s->order < 0 ? by_distance : by_distance_down;
}

/* Those in the shape, in c->keep, in the order that they are shown: w->cnt from *ret on.
 * Returns: 1; 0: gate_walk_wait; MB_ERR_NO_MEMORY. */
static int
places_find(struct gate *g, struct gate_conn *c, const struct search *s, struct gate_walk *w,
	    uint8_t **ret)
{
	int rc = w->sorting ? 1 : places_collect(g, c, s, w);
	int32_t now = INT32_MAX, *steps = w->held ? &g->turn_left : &now;

	if (rc != 1) {
		return rc;
	}
	if (!w->sorting) {
		w->sorting = true;
		w->order = (struct gate_order){ .item_bytes = sizeof(struct found), .cnt = w->cnt };
	}
	/* Any: those whose numbers are the smallest, whether or not these are then put in order. */
	if (!gate_order_go(&w->order, c->keep, search_order(s, s->any && !w->ready), steps)) {
		return 0;
	}
	*ret = gate_order_first(&w->order, c->keep);
	if (w->ready) {
		return 1;
	}
	w->ready = true;
	w->cnt = s->most > 0 ? (uint32_t)MIN(s->most, (int64_t)w->cnt) : w->cnt;
	if (s->any && s->order != 0 && w->cnt > 0) {
		memmove(c->keep, *ret, w->cnt * sizeof(struct found));
		w->order = (struct gate_order){ .item_bytes = sizeof(struct found), .cnt = w->cnt };
		return places_find(g, c, s, w, ret);
	}
	return 1;
}

static int
found_reply(struct gate *g, struct gate_conn *c, const struct search *s, struct gate_walk *w,
	    const uint8_t *mem)
{
	const struct found *all = (const struct found *)(const void *)mem;
	uint32_t parts = 1u + s->with_m + s->with_score + s->with_place;

	if (gate_walk_first(w)) {
		gate_array(g, c, w->cnt);
	}
	for (; c->step < w->cnt; c->step++) {
		const struct found *f = &all[c->step];

		if (!gate_walk_more(g, c, w)) {
			return gate_walk_wait(g, c);
		}
		if (parts > 1) {
			gate_array(g, c, parts);
		}
		gate_bulk(g, c, f->member);
		if (s->with_m) {
			distance_reply(g, c, f->distance_m / s->unit_m);
		}
		if (s->with_score) {
			gate_int(g, c, (int64_t)f->score);
		}
		if (s->with_place) {
			place_reply(g, c, geo_place_of(f->score));
		}
	}
	return gate_walk_end(g, c, w);
}

/* What was found becomes the list of what is to be written: behind it, then in its place. Returns:
 * as places_find. */
static int
found_keep(struct gate *g, struct gate_conn *c, const struct search *s, struct gate_walk *w,
	   const uint8_t *mem)
{
	size_t at = w->cnt > 0 ? (size_t)(mem - c->keep) : 0;
	size_t end = at + w->cnt * sizeof(struct found);

	if (gate_walk_first(w)) {
		c->keep_len = (uint32_t)end;
	}
	for (; c->step < w->cnt; c->step++) {
		struct found f;

		if (!gate_walk_more(g, c, w)) {
			return 0;
		}
		memcpy(&f, c->keep + at + c->step * sizeof(f), sizeof(f));
		if (!gate_fold_put(g, c, s->to_distance ? f.distance_m / s->unit_m : f.score,
				   f.member)) {
			return MB_ERR_NO_MEMORY;
		}
	}
	c->keep_len -= (uint32_t)end;
	if (c->keep_len > 0) {
		memmove(c->keep, c->keep + end, c->keep_len);
	}
	c->total = w->cnt;
	c->step = 0;
	return 1;
}

/* Answers, or keeps what is to be written. Returns: 1: that is kept; else what the handler returns,
 * negative - 1. */
static int
search_once(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	    struct search *s)
{
	struct gate_walk now, *w;
	uint8_t *mem;
	int rc, n = gate_walk_open(g, c, *s->key, LATTICE_OSET, UINT32_MAX, &now, &w);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return -1 - gate_look_refuse(g, c, n);
	}
	s->v = n == CACHE_HIT ? &w->v : NULL;
	if (!words_read(g, c, arg, arg_cnt, s)) {
		return -1 - gate_walk_end(g, c, w);
	}
	rc = places_find(g, c, s, w, &mem);
	if (rc == 1 && s->to == NULL) {
		return -1 - found_reply(g, c, s, w, mem);
	}
	rc = rc == 1 ? found_keep(g, c, s, w, mem) : rc;
	if (rc == 0) {
		return -1 - gate_walk_wait(g, c);
	}
	gate_walk_close(g, c, w);
	return rc == 1 ? 1 : -1 - gate_error_of(g, c, rc);
}

static int
search(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
       struct search s)
{
	struct gate_fold_write w = { .kind = WSET_ZADD, .replace = true, .reply = REC_FIXED };

	if (c->acc == 0) {
		int rc = search_once(g, c, arg, arg_cnt, &s);

		if (rc != 1) {
			return -1 - rc;
		}
		c->acc = 1;
	} else if (!words_read(g, c, arg, arg_cnt, &s)) { /* again, for where it goes */
		return GATE_DONE;
	}
	REQUIRE(s.to != NULL);
	w.key = *s.to;
	w.n = c->total;
	return gate_fold_write(g, c, &w);
}

int
cmd_geosearch(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return search(g, c, arg, arg_cnt, (struct search){ .form = BY_OPTIONS, .key = &arg[1] });
}

int
cmd_geosearchstore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return search(g, c, arg, arg_cnt,
		      (struct search){ .form = BY_OPTIONS, .key = &arg[2], .to = &arg[1] });
}

int
cmd_georadius(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return search(g, c, arg, arg_cnt, (struct search){ .form = BY_PLACE, .key = &arg[1] });
}

int
cmd_georadius_ro(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return search(g, c, arg, arg_cnt,
		      (struct search){ .form = BY_PLACE, .key = &arg[1], .only_read = true });
}

int
cmd_georadiusbymember(struct gate *g, struct gate_conn *c, const struct slice *arg,
		      uint32_t arg_cnt)
{
	return search(g, c, arg, arg_cnt, (struct search){ .form = BY_MEMBER, .key = &arg[1] });
}

int
cmd_georadiusbymember_ro(struct gate *g, struct gate_conn *c, const struct slice *arg,
			 uint32_t arg_cnt)
{
	return search(g, c, arg, arg_cnt,
		      (struct search){ .form = BY_MEMBER, .key = &arg[1], .only_read = true });
}
