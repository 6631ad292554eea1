/* SPDX-License-Identifier: Apache-2.0 */
/* watch_next_client.c - a program that has many calls under way at a time: the ratings of MovieLens
 *
 *	cc watch_next_client.c $(pkg-config --cflags --libs microburst) -o watch_next_client
 *	./watch_next_client rate ratings.csv            one call of `rate` for each line
 *	./watch_next_client predict movies.csv 1 2 3    what these users may like, with titles
 *	./watch_next_client predict - 1 2 3             a line each: user, movie score, movie score
 *
 * Progress is shown on a terminal; how long it took goes to standard error.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <microburst/client.h>

#define DAG       "watch_next"
#define UNDER_WAY 512 /* calls; a client may have up to MB_CALLS_MAX */
#define BAR_WIDTH 40

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Reads a whole file, as a string. Returns NULL if it cannot be read. The caller frees it. */
static char *
read_file(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	char *text = NULL;
	long len;

	if (f != NULL && fseek(f, 0, SEEK_END) == 0 && (len = ftell(f)) >= 0 &&
	    fseek(f, 0, SEEK_SET) == 0 && (text = malloc((size_t)len + 1)) != NULL) {
		*ret_len = fread(text, 1, (size_t)len, f);
		text[*ret_len] = '\0';
	}
	if (text == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	}
	if (f != NULL) {
		fclose(f);
	}
	return text;
}

/* ----------------------------------------------------------------- progress */

/* A bar on a terminal, nothing elsewhere. */
struct bar {
	bool shown;
	int percent;
};

static void
bar_show(struct bar *bar, size_t done, size_t all)
{
	int percent = all == 0 ? 100 : (int)(100 * done / all);
	int full = percent * BAR_WIDTH / 100;

	if (!bar->shown || percent == bar->percent) {
		return;
	}
	bar->percent = percent;
	fprintf(stderr, "\r[");
	for (int i = 0; i < BAR_WIDTH; i++) {
		fputc(i < full ? '#' : ' ', stderr);
	}
	fprintf(stderr, "] %3d %%%s", percent, percent == 100 ? "\n" : "");
}

/* --------------------------------------------------------------------- rate */

struct ingest {
	struct mb_client *client;
	size_t started, answered;
	int err; /* the first one */
};

/* Takes an answer that is there, or waits for one. Returns whether one came. */
static bool
answer_take(struct ingest *in, bool wait)
{
	struct mb_reply reply;
	int got = wait ? mb_call_wait(in->client, 0, &reply) : mb_call_poll(in->client, &reply);

	if (got != 1) {
		return false;
	}
	in->answered++;
	if (reply.err != MB_OK && in->err == MB_OK) {
		in->err = reply.err;
		fprintf(stderr, "rate: %s %s\n", mb_err_text(reply.err), reply.text);
	}
	mb_reply_free(in->client, &reply);
	return true;
}

/* userId,movieId,rating,timestamp. Returns whether the line is that; *line goes on to the next. */
static bool
line_read(const char **line, struct mb_value arg[4])
{
	const char *p = *line;
	char *end;

	for (int i = 0; i < 4; i++) {
		arg[i] = i == 2 ? mb_f64(strtod(p, &end)) : mb_i64(strtoll(p, &end, 10));
		if (end == p || (i < 3 && *end != ',')) {
			return false;
		}
		p = i < 3 ? end + 1 : end;
	}
	p += strspn(p, "\r");
	*line = p + (*p == '\n');
	return *p == '\n' || *p == '\0';
}

/* Starts the call of one line; makes room when too many are under way. */
static int
line_start(struct ingest *in, const struct mb_value arg[4])
{
	uint64_t call;
	int err;

	while (in->started - in->answered >= UNDER_WAY) {
		answer_take(in, true);
	}
	while ((err = mb_call_start(in->client, "rate", arg, 4, NULL, &call)) == MB_ERR_BUSY &&
	       answer_take(in, true)) {
	}
	if (err == MB_OK) {
		in->started++;
	} else {
		fprintf(stderr, "rate: %s\n", mb_err_text(err));
	}
	return err;
}

static int
rate_all(struct mb_client *c, const char *path)
{
	struct ingest in = { .client = c };
	struct bar bar = { .shown = isatty(STDERR_FILENO), .percent = -1 };
	double started_s = now_s(), s;
	struct mb_value arg[4];
	const char *line;
	size_t len;
	char *text = read_file(path, &len);
	int err = MB_OK;

	if (text == NULL) {
		return MB_ERR_NOT_FOUND;
	}
	line = text + strcspn(text, "\n"); /* the names of the columns */
	line += *line == '\n';
	while (*line != '\0' && err == MB_OK && in.err == MB_OK) {
		if (!line_read(&line, arg)) {
			fprintf(stderr, "%s: not userId,movieId,rating,timestamp: %.*s\n", path,
				(int)strcspn(line, "\r\n"), line);
			err = MB_ERR_INVALID;
			break;
		}
		err = line_start(&in, arg);
		bar_show(&bar, (size_t)(line - text), len);
	}
	while (in.answered < in.started && answer_take(&in, true)) {
	}
	s = now_s() - started_s;
	free(text);
	if (err == MB_OK) {
		err = in.err;
	}
	if (err == MB_OK) {
		fprintf(stderr, "%zu ratings in %.3f s: %.0f calls a second\n", in.answered, s,
			(double)in.answered / s);
	}
	return err;
}

/* ------------------------------------------------------------------ predict */

/* Prints the title of a movie: the second column of its line, which may be in quotes, with "" for
 * one. movies NULL, or without it: its number. */
static void
title_print(const char *movies, int64_t movie)
{
	char start[32];
	size_t len = (size_t)snprintf(start, sizeof(start), "\n%" PRId64 ",", movie);
	const char *p = movies != NULL ? strstr(movies, start) : NULL;
	bool quoted;

	if (p == NULL) {
		printf("movie %" PRId64, movie);
		return;
	}
	p += len;
	quoted = *p == '"';
	for (p += quoted; *p != '\0' && *p != '\n'; p++) {
		if (*p == (quoted ? '"' : ',')) {
			if (!quoted || p[1] != '"') {
				break;
			}
			p++;
		}
		putchar(*p);
	}
}

static void
prediction_print(const struct mb_reply *reply, int64_t user, bool raw, const char *movies)
{
	if (raw) {
		printf("%" PRId64, user);
		for (uint32_t i = 0; i < reply->cnt; i++) {
			printf(" %" PRId64, reply->value[i].i64);
		}
		putchar('\n');
		return;
	}
	printf("user %" PRId64 " may like\n", user);
	for (uint32_t i = 0; i + 1 < reply->cnt; i += 2) {
		printf("%8" PRId64 "  ", reply->value[i + 1].i64);
		title_print(movies, reply->value[i].i64);
		putchar('\n');
	}
}

static int
predict(struct mb_client *c, int64_t user, bool raw, const char *movies, double *ret_s)
{
	struct mb_value arg = mb_i64(user);
	struct mb_dag_arg args[] = { { "history", &arg, 1 }, { "predict", &arg, 1 } };
	struct mb_reply reply;
	double started_s = now_s();
	int err = mb_dag_call(c, DAG, args, 2, NULL, &reply);

	*ret_s = now_s() - started_s;
	if (err == MB_OK) {
		prediction_print(&reply, user, raw, movies);
	} else {
		fprintf(stderr, "%s: %s %s\n", DAG, mb_err_text(err), reply.text);
	}
	mb_reply_free(c, &reply);
	return err;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int
predict_all(struct mb_client *c, const char *path, char **user, size_t cnt)
{
	bool raw = strcmp(path, "-") == 0;
	double *took_s = calloc(cnt, sizeof(*took_s));
	char *movies = NULL;
	size_t len;
	int err = took_s == NULL ? MB_ERR_NO_MEMORY : MB_OK;

	if (err == MB_OK && !raw && (movies = read_file(path, &len)) == NULL) {
		err = MB_ERR_NOT_FOUND;
	}
	for (size_t i = 0; i < cnt && err == MB_OK; i++) {
		err = predict(c, strtoll(user[i], NULL, 10), raw, movies, &took_s[i]);
	}
	if (err == MB_OK) {
		qsort(took_s, cnt, sizeof(*took_s), by_size);
		fprintf(stderr,
			"%zu predictions, half of them within %.3f ms, all within %.3f ms\n", cnt,
			took_s[cnt / 2] * 1e3, took_s[cnt - 1] * 1e3);
	}
	free(movies);
	free(took_s);
	return err;
}

int
main(int argc, char **argv)
{
	struct mb_client *c;
	int err;

	if (!(argc == 3 && strcmp(argv[1], "rate") == 0) &&
	    !(argc >= 4 && strcmp(argv[1], "predict") == 0)) {
		fprintf(stderr, "usage: %s rate RATINGS | predict MOVIES|- USER...\n", argv[0]);
		return 2;
	}
	err = mb_client_open(&c, NULL);
	if (err != MB_OK) {
		fprintf(stderr, "no node: %s\n", mb_err_text(err));
		return 3;
	}
	(void)mb_client_bind(c); /* without it a client is slower, not wrong */
	err = argc == 3 ? rate_all(c, argv[2])
			: predict_all(c, argv[2], argv + 3, (size_t)argc - 3);
	mb_client_close(c);
	return err == MB_OK ? 0 : 1;
}
