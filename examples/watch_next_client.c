/* SPDX-License-Identifier: Apache-2.0 */
/* watch_next_client.c - a program that has many calls under way at a time: the ratings of MovieLens
 *
 *	cc watch_next_client.c $(pkg-config --cflags --libs microburst) -o watch_next_client
 *	./watch_next_client rate ratings.csv            one call of `rate` for each line
 *	./watch_next_client predict movies.csv 1 2 3    what these users may like, with titles
 *	./watch_next_client predict - 1 2 3             a line each: user, movie score, movie score
 *
 * Progress is shown on a terminal; how long it took goes to standard error.
 *
 * A rating that is recorded twice is recorded once, as it has a time of its own: so a call whose
 * executor died, having written or not, is made again.
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
#define UNDER_WAY 64 /* calls: more than hides the way to an executor and back */
#define TRIES     4  /* of a call whose executor dies */
#define BAR_WIDTH 30
#define COLUMNS   "userId,movieId,rating,timestamp"
#define UTF8_MARK "\xef\xbb\xbf" /* what some programs begin a text with */

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

/* What is said next begins a line of its own. */
static void
bar_leave(struct bar *bar)
{
	if (bar->shown && bar->percent >= 0 && bar->percent < 100) {
		fputc('\n', stderr);
	}
	bar->shown = false;
}

/* --------------------------------------------------------------------- rate */

/* A line whose call is under way, or to be made again. */
struct row {
	char *line; /* in the file's text; NULL: this place is free */
	size_t len;
	uint64_t call;
	int tries;
	bool again;
};

struct ingest {
	struct mb_client *client;
	struct bar bar;
	struct row row[UNDER_WAY];
	size_t row_cnt, again_cnt;  /* places taken; of these, to be made again */
	size_t free_at, answer_at;  /* where to look first: answers mostly come in order */
	size_t recorded, retry_cnt; /* rows; calls made again */
	int err;                    /* the first one */
};

static struct row *
row_of(struct ingest *in, uint64_t call)
{
	size_t i = in->answer_at;

	while (in->row[i].line == NULL || in->row[i].again || in->row[i].call != call) {
		i = (i + 1) % UNDER_WAY;
	}
	in->answer_at = (i + 1) % UNDER_WAY;
	return &in->row[i];
}

/* Whether a call may be made again after this error, and be answered otherwise. */
static bool
is_passing(int err)
{
	return err == MB_ERR_EXECUTOR_DIED || err == MB_ERR_BUSY || err == MB_ERR_INDETERMINATE;
}

/* Takes an answer that is there, or waits for one. Returns whether one came. */
static bool
answer_take(struct ingest *in, bool wait)
{
	struct mb_reply reply;
	struct row *row;
	int got = wait ? mb_call_wait(in->client, 0, &reply) : mb_call_poll(in->client, &reply);

	if (got != 1) {
		return false;
	}
	row = row_of(in, reply.call);
	row->again = is_passing(reply.err) && row->tries < TRIES;
	if (row->again) {
		in->again_cnt++;
	} else {
		row->line = NULL;
		in->row_cnt--;
		in->recorded += reply.err == MB_OK;
	}
	if (reply.err != MB_OK && !row->again && in->err == MB_OK) {
		in->err = reply.err;
		bar_leave(&in->bar);
		fprintf(stderr, "rate: %s: %s\n", mb_err_text(reply.err), reply.text);
	}
	mb_reply_free(in->client, &reply);
	return true;
}

/* Takes the number of a column, which may be in quotes and among blanks, and what ends the column.
 * rating says whether it has a fraction. Returns what follows, or NULL: it is no number, or one too
 * large to be told from others. */
static char *
column_read(char *p, bool rating, char end, struct mb_value *ret)
{
	bool quoted;
	size_t len;
	char *stop;

	p += strspn(p, " ");
	quoted = *p == '"';
	p += quoted;
	/* So that neither a word (nan) nor another base is a number. */
	len = strspn(p, rating ? "+-.0123456789eE" : "+-0123456789");
	errno = 0;
	*ret = rating ? mb_f64(strtod(p, &stop)) : mb_i64(strtoll(p, &stop, 10));
	if (len == 0 || stop != p + len || errno != 0) {
		return NULL;
	}
	if (quoted && *stop++ != '"') {
		return NULL;
	}
	stop += strspn(stop, " ");
	return *stop == end ? stop + (end != '\0') : NULL;
}

/* Cuts the next line off *rest, which ends at end, and gives its length. NULL: there is none. */
static char *
line_take(char **rest, char *end, size_t *ret_len)
{
	char *line = *rest, *stop;

	if (line == end) {
		return NULL;
	}
	stop = memchr(line, '\n', (size_t)(end - line));
	*rest = stop != NULL ? stop + 1 : end;
	stop = stop != NULL ? stop : end; /* where read_file has put a '\0' */
	if (stop > line && stop[-1] == '\r') {
		stop--;
	}
	*stop = '\0';
	*ret_len = (size_t)(stop - line);
	return line;
}

/* Whether a line is userId,movieId,rating,timestamp and nothing else. */
static bool
line_read(char *line, size_t len, struct mb_value arg[4])
{
	char *p = line;

	for (int i = 0; i < 4 && p != NULL; i++) {
		p = column_read(p, i == 2, i < 3 ? ',' : '\0', &arg[i]);
	}
	return p == line + len; /* or there is a '\0' in the line */
}

static void
line_refuse(const char *path, size_t number, const char *line)
{
	fprintf(stderr, "%s:%zu: not " COLUMNS ": ", path, number);
	for (size_t i = 0; i < 60 && line[i] != '\0'; i++) { /* a terminal gets no commands */
		fputc(line[i] < ' ' || line[i] > '~' ? '?' : line[i], stderr);
	}
	fputc('\n', stderr);
}

/* Makes the call of a row that is not under way. */
static int
row_start(struct ingest *in, struct row *row)
{
	struct mb_value arg[4];
	int err;

	(void)line_read(row->line, row->len, arg); /* it could be read before */
	while ((err = mb_call_start(in->client, "rate", arg, 4, NULL, &row->call)) == MB_ERR_BUSY &&
	       answer_take(in, true)) {
	}
	in->again_cnt -= row->again;
	in->retry_cnt += row->again && err == MB_OK;
	row->again = false;
	row->tries++;
	if (err != MB_OK) {
		row->line = NULL;
		in->row_cnt--;
		bar_leave(&in->bar);
		fprintf(stderr, "rate: %s\n", mb_err_text(err));
	}
	return err;
}

/* Makes the calls again that are to be. */
static int
rows_again(struct ingest *in)
{
	int err = MB_OK;

	for (size_t i = 0; in->again_cnt > 0 && i < UNDER_WAY && err == MB_OK; i++) {
		if (in->row[i].again) {
			err = row_start(in, &in->row[i]);
		}
	}
	return err;
}

/* Starts the call of one line; waits while too many are under way. */
static int
line_start(struct ingest *in, char *line, size_t len)
{
	struct row *row;
	int err = rows_again(in);

	while (err == MB_OK && in->row_cnt == UNDER_WAY) {
		answer_take(in, true);
		err = rows_again(in);
	}
	if (err != MB_OK) {
		return err;
	}
	while (in->row[in->free_at].line != NULL) {
		in->free_at = (in->free_at + 1) % UNDER_WAY;
	}
	row = &in->row[in->free_at];
	*row = (struct row){ .line = line, .len = len };
	in->row_cnt++;
	return row_start(in, row);
}

/* Waits for all that is under way; makes calls again as long as that goes. */
static int
rows_end(struct ingest *in)
{
	int err = MB_OK;

	do {
		err = err == MB_OK ? rows_again(in) : err;
	} while (in->row_cnt > in->again_cnt && answer_take(in, true));
	return err;
}

static int
rate_all(struct mb_client *c, const char *path)
{
	struct ingest in = { .client = c,
			     .bar = { .shown = isatty(STDERR_FILENO), .percent = -1 } };
	double started_s = now_s(), s;
	struct mb_value arg[4];
	size_t len, line_len, number = 0;
	char *text = read_file(path, &len), *rest, *line;
	int err = MB_OK, ended;

	if (text == NULL) {
		return MB_ERR_NOT_FOUND;
	}
	rest = text + (strncmp(text, UTF8_MARK, strlen(UTF8_MARK)) == 0 ? strlen(UTF8_MARK) : 0);
	while (err == MB_OK && in.err == MB_OK &&
	       (line = line_take(&rest, text + len, &line_len)) != NULL) {
		number++;
		if (line_read(line, line_len, arg)) {
			err = line_start(&in, line, line_len);
		} else if (line_len != strspn(line, " \t") &&
			   !(number == 1 && strcmp(line, COLUMNS) == 0)) {
			bar_leave(&in.bar);
			line_refuse(path, number, line);
			err = MB_ERR_INVALID;
		}
		bar_show(&in.bar, (size_t)(rest - text), len);
	}
	ended = rows_end(&in);
	s = now_s() - started_s;
	err = err == MB_OK ? ended : err;
	free(text);
	if (err == MB_OK && number == 0) {
		fprintf(stderr, "%s: it is empty\n", path);
		err = MB_ERR_INVALID;
	}
	if (err == MB_OK) {
		err = in.err;
	}
	if (err == MB_OK) {
		fprintf(stderr, "%zu ratings in %.3f s: %.0f calls a second\n", in.recorded, s,
			(double)in.recorded / s);
	} else {
		fprintf(stderr, "%s: %zu ratings were recorded\n", path, in.recorded);
	}
	if (in.retry_cnt > 0) {
		fprintf(stderr, "%zu calls were made again: their executors died, or were busy\n",
			in.retry_cnt);
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
	struct mb_value id;
	char *movies = NULL;
	size_t len;
	int err = took_s == NULL ? MB_ERR_NO_MEMORY : MB_OK;

	if (err == MB_OK && !raw && (movies = read_file(path, &len)) == NULL) {
		err = MB_ERR_NOT_FOUND;
	}
	for (size_t i = 0; i < cnt && err == MB_OK; i++) {
		if (column_read(user[i], false, '\0', &id) == NULL) {
			fprintf(stderr, "a user is a number, not %s\n", user[i]);
			err = MB_ERR_INVALID;
			break;
		}
		err = predict(c, id.i64, raw, movies, &took_s[i]);
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
