/* SPDX-License-Identifier: Apache-2.0 */
/* watch_next.c - which movie a person may want to see next, from what all others liked
 *
 *	microburst deploy examples/watch_next.c
 *	microburst dag add watch_next 'history -> predict'
 *	microburst call rate 1 260 5.0 964981680
 *	microburst dag call watch_next history=1 predict=1
 *
 *	rate(user, movie, rating, timestamp)     history/<user>    map: movie -> rating
 *	                                         liked_by/<movie>  set of users
 *	                                         likes/<user>      set of movies that only grows
 *
 *	user ─► history ─► the 10 movies liked last ─► predict ─► 5 movies, a score each
 *
 * A movie is liked by whom gave it 4.0 or more. A rating counts as given at its timestamp, whenever
 * the call is made: so ratings may come in any order, twice, or from many callers at a time, and
 * the outcome is the same.
 */
#include <microburst/function.h>
#include <stdio.h>
#include <stdlib.h>

#define HISTORY_CNT     10 /* movies that a prediction is made from */
#define PREDICTION_CNT  5
#define LIKED           4 /* a rating from here on */
#define RATING_MAX      5
#define TIMESTAMP_S_MAX (INT64_C(1) << 32)
#define NAME_MAX_BYTES  40

/* "history/<id>" and the like; an id alone with prefix "". */
static struct mb_slice
name_of(char buf[NAME_MAX_BYTES], const char *prefix, int64_t id)
{
	return mb_slice_of(buf,
			   (size_t)snprintf(buf, NAME_MAX_BYTES, "%s%lld", prefix, (long long)id));
}

/* Reads the whole number that text begins with, and takes it off. */
static int64_t
number_take(struct mb_slice *text)
{
	const char *p = text->p, *end = p + text->len;
	int64_t x = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		x = 10 * x + (*p - '0');
	}
	*text = mb_slice_of(p, (size_t)(end - p));
	return x;
}

/* ---------------------------------------------------------------------- rate */

/* rate USER MOVIE RATING TIMESTAMP: one line of a ratings.csv of MovieLens. */
MB_FUNCTION(rate)
{
	char key[NAME_MAX_BYTES], member[NAME_MAX_BYTES], text[64];
	int64_t user, movie, at_s;
	double rating;
	int len;

	MB_TRY(mb_arg_i64(call, 0, &user));
	MB_TRY(mb_arg_i64(call, 1, &movie));
	MB_TRY(mb_arg_f64(call, 2, &rating));
	MB_TRY(mb_arg_i64(call, 3, &at_s));
	if (user < 0 || movie < 0) {
		return mb_fail(call, "user %lld, movie %lld: both are numbers from 0 on",
			       (long long)user, (long long)movie);
	}
	if (!(rating >= 0 && rating <= RATING_MAX)) {
		return mb_fail(call, "user %lld, movie %lld: a rating is from 0 to %d, not %g",
			       (long long)user, (long long)movie, RATING_MAX, rating);
	}
	if (at_s < 0 || at_s >= TIMESTAMP_S_MAX) {
		return mb_fail(call, "user %lld, movie %lld: a timestamp is in seconds since 1970",
			       (long long)user, (long long)movie);
	}
	/* "4.5 964981680": what it was, and when, as a person may read it. What is no half star
	 * has all its digits: a 3.96 is not liked, and must not be read as 4.0. */
	len = snprintf(text, sizeof(text),
		       2 * rating == (int)(2 * rating) ? "%.1f %lld" : "%.17g %lld", rating,
		       (long long)at_s);
	MB_TRY(mb_map_put_at(call, name_of(key, "history/", user), name_of(member, "", movie),
			     mb_slice_of(text, (size_t)len), (uint64_t)at_s * 1000000));
	if (rating >= LIKED) {
		MB_TRY(mb_gset_add(call, name_of(key, "likes/", user), name_of(member, "", movie)));
		MB_TRY(mb_sadd(call, name_of(key, "liked_by/", movie), name_of(member, "", user)));
	}
	return 0;
}

/* ------------------------------------------------------------------- history */

struct rating {
	int64_t movie;
	int64_t at_s;
	bool liked;
};

static struct rating
rating_read(struct mb_slice movie, struct mb_slice text)
{
	struct rating r = { .movie = number_take(&movie) };
	const char *p;

	r.liked = number_take(&text) >= LIKED;
	p = memchr(text.p, ' ', text.len);
	if (p != NULL) {
		text = mb_slice_of(p + 1, text.len - (size_t)(p + 1 - (const char *)text.p));
		r.at_s = number_take(&text);
	}
	return r;
}

static bool
is_later(const struct rating *a, const struct rating *b)
{
	return a->at_s != b->at_s ? a->at_s > b->at_s : a->movie > b->movie;
}

/* history USER: the movies liked last, the newest first; of equal times the larger number. */
MB_FUNCTION(history)
{
	struct rating last[HISTORY_CNT], r;
	char key[NAME_MAX_BYTES];
	struct mb_slice movie, text;
	struct mb_map_iter it;
	int64_t user;
	int cnt = 0, i, more;

	MB_TRY(mb_arg_i64(call, 0, &user));
	MB_TRY(mb_map_begin(call, name_of(key, "history/", user), &it));
	while ((more = mb_map_next(&it, &movie, &text)) == 1) {
		r = rating_read(movie, text);
		if (!r.liked || (cnt == HISTORY_CNT && !is_later(&r, &last[cnt - 1]))) {
			continue;
		}
		cnt += cnt < HISTORY_CNT;
		for (i = cnt - 1; i > 0 && is_later(&r, &last[i - 1]); i--) {
			last[i] = last[i - 1];
		}
		last[i] = r;
	}
	MB_TRY(more);
	for (i = 0; i < cnt; i++) {
		MB_TRY(mb_return_i64(call, last[i].movie));
	}
	return 0;
}

/* ------------------------------------------------------------------- predict */

/* Numbers by id. The memory stays for the next call: it is allocated when it is too small, else
 * only cleared. An id is not negative, so NOBODY marks a free place. */
#define NOBODY (-1)

struct tally {
	struct place {
		int64_t id, n;
	} * place;
	size_t cap, cnt; /* cap: 0 or a power of two; a quarter of it is free */
};

static struct place *
tally_find(const struct tally *t, int64_t id)
{
	size_t i = (size_t)((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> 32);

	while (t->place[i & (t->cap - 1)].id != NOBODY && t->place[i & (t->cap - 1)].id != id) {
		i++;
	}
	return &t->place[i & (t->cap - 1)];
}

static void
tally_clear(struct tally *t)
{
	t->cnt = 0;
	for (size_t i = 0; i < t->cap; i++) {
		t->place[i] = (struct place){ .id = NOBODY };
	}
}

static bool
tally_grow(struct tally *t)
{
	struct tally more = { .cap = t->cap == 0 ? 1024 : 2 * t->cap };

	more.place = malloc(more.cap * sizeof(*more.place));
	if (more.place == NULL) {
		return false;
	}
	tally_clear(&more);
	more.cnt = t->cnt;
	for (size_t i = 0; i < t->cap; i++) {
		if (t->place[i].id != NOBODY) {
			*tally_find(&more, t->place[i].id) = t->place[i];
		}
	}
	free(t->place);
	*t = more;
	return true;
}

/* The number of an id, which is 0 when it is met for the first time. NULL: no memory. */
static int64_t *
tally_of(struct tally *t, int64_t id)
{
	struct place *p;

	if (4 * (t->cnt + 1) > 3 * t->cap && !tally_grow(t)) {
		return NULL;
	}
	p = tally_find(t, id);
	if (p->id == NOBODY) {
		p->id = id;
		t->cnt++;
	}
	return &p->n;
}

/* Counts for each user how many of the movies he likes, the one who asks excepted. */
static int
count_likes(struct mb_call *call, int64_t user, uint32_t movie_cnt, struct tally *common)
{
	char key[NAME_MAX_BYTES];
	struct mb_slice member;
	struct mb_set_iter it;
	int64_t movie, other, *n;

	for (uint32_t i = 1; i <= movie_cnt; i++) {
		MB_TRY(mb_arg_i64(call, i, &movie));
		MB_TRY(mb_set_begin(call, name_of(key, "liked_by/", movie), &it));
		while (mb_set_next(&it, &member)) {
			other = number_take(&member);
			n = other != user ? tally_of(common, other) : NULL;
			if (n != NULL) {
				++*n;
			} else if (other != user) {
				return mb_fail(call, "no memory for the users");
			}
		}
		/* A call may look at some sixty large values at a time. */
		mb_release(call, mb_slice_of(key, strlen(key)));
	}
	return 0;
}

/* Adds n to the score of all movies that a user likes. */
static int
score_add(struct mb_call *call, int64_t user, int64_t n, struct tally *score)
{
	char key[NAME_MAX_BYTES];
	struct mb_slice movie;
	struct mb_set_iter it;

	MB_TRY(mb_set_begin(call, name_of(key, "likes/", user), &it));
	while (mb_set_next(&it, &movie)) {
		int64_t *s = tally_of(score, number_take(&movie));

		if (s == NULL) {
			return mb_fail(call, "no memory for the movies");
		}
		*s += n;
	}
	mb_release(call, mb_slice_of(key, strlen(key)));
	return 0;
}

/* Takes out what a user has rated, liked or not. */
static int
score_drop(struct mb_call *call, int64_t user, struct tally *score)
{
	char key[NAME_MAX_BYTES];
	struct mb_slice movie, text;
	struct mb_map_iter it;
	int more;

	MB_TRY(mb_map_begin(call, name_of(key, "history/", user), &it));
	while ((more = mb_map_next(&it, &movie, &text)) == 1) {
		int64_t *s = tally_of(score, number_take(&movie));

		if (s == NULL) {
			return mb_fail(call, "no memory for the movies");
		}
		*s = 0;
	}
	return more;
}

static bool
is_better(const struct place *a, const struct place *b)
{
	return a->n != b->n ? a->n > b->n : a->id < b->id;
}

/* predict USER MOVIE...: the movies that USER has not rated with the highest scores, and these. The
 * score of a movie is how many others like it and one of the given movies, over all of these. Of
 * equal scores the smaller number comes first. */
MB_FUNCTION(predict)
{
	static struct tally common, score; /* by user; by movie */
	struct place best[PREDICTION_CNT];
	int64_t user;
	int cnt = 0, i;

	MB_TRY(mb_arg_i64(call, 0, &user));
	tally_clear(&common);
	tally_clear(&score);
	MB_TRY(count_likes(call, user, mb_arg_cnt(call) - 1, &common));
	for (size_t u = 0; u < common.cap; u++) {
		if (common.place[u].id != NOBODY) {
			MB_TRY(score_add(call, common.place[u].id, common.place[u].n, &score));
		}
	}
	MB_TRY(score_drop(call, user, &score));
	for (size_t m = 0; m < score.cap; m++) {
		const struct place *p = &score.place[m];

		if (p->id == NOBODY || p->n <= 0 ||
		    (cnt == PREDICTION_CNT && !is_better(p, &best[cnt - 1]))) {
			continue;
		}
		cnt += cnt < PREDICTION_CNT;
		for (i = cnt - 1; i > 0 && is_better(p, &best[i - 1]); i--) {
			best[i] = best[i - 1];
		}
		best[i] = *p;
	}
	for (i = 0; i < cnt; i++) {
		MB_TRY(mb_return_i64(call, best[i].id));
		MB_TRY(mb_return_i64(call, best[i].n));
	}
	return 0;
}
