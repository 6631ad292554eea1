/* SPDX-License-Identifier: Apache-2.0 */
/* wordcount_client.c - a program that calls: counts the words of files with the DAG of wordcount.c
 *
 *	cc wordcount_client.c $(pkg-config --cflags --libs microburst) -o wordcount_client
 *	./wordcount_client /usr/share/common-licenses/...
 *
 * One DAG call for each file; then it reads the counters back and prints them as `uniq -c` would,
 * a count and a word on a line, sorted by word. How long it took goes to standard error.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <microburst/client.h>

#define DAG       "wordcount"
#define KEY_START "wc/"

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Reads a whole file. Returns NULL if it cannot be read. The caller frees it. */
static char *
read_file(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	char *text = NULL;
	long len;

	if (f == NULL) {
		return NULL;
	}
	if (fseek(f, 0, SEEK_END) == 0 && (len = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0 &&
	    (text = malloc((size_t)len + 1)) != NULL) {
		*ret_len = fread(text, 1, (size_t)len, f);
	}
	fclose(f);
	return text;
}

/* One DAG call. Returns how many words the text has, or an error, of which it tells. */
static int64_t
count_words(struct mb_client *c, const char *text, size_t len)
{
	struct mb_value arg = mb_bytes(text, len);
	struct mb_dag_arg split = { "split", &arg, 1 };
	struct mb_reply reply;
	int64_t words;
	int err = mb_dag_call(c, DAG, &split, 1, NULL, &reply);

	if (err == MB_OK) {
		words = reply.value[0].i64;
	} else {
		fprintf(stderr, "%s: %s %s\n", DAG, mb_err_text(err), reply.text);
		words = err;
	}
	mb_reply_free(c, &reply);
	return words;
}

/* The keys are collected first: the list and the values travel by the same road. */
struct words {
	char **key;
	size_t cnt, cap;
};

static bool
add_word(void *ctx, const char *key, size_t key_len)
{
	struct words *w = ctx;

	if (w->cnt == w->cap) {
		w->cap = w->cap == 0 ? 1024 : 2 * w->cap;
		w->key = realloc(w->key, w->cap * sizeof(*w->key));
		if (w->key == NULL) {
			return false;
		}
	}
	w->key[w->cnt] = strndup(key, key_len);
	return w->key[w->cnt++] != NULL;
}

static int
print_words(struct mb_client *c)
{
	struct words w = { NULL, 0, 0 };
	int err = mb_client_keys(c, KEY_START, strlen(KEY_START), add_word, &w);

	for (size_t i = 0; err == MB_OK && i < w.cnt; i++) {
		struct mb_held value;

		err = mb_client_get(c, w.key[i], 0, &value);
		if (err == MB_OK) {
			printf("%.*s %s\n", (int)value.len, (const char *)value.p,
			       w.key[i] + strlen(KEY_START));
			mb_client_release(c, &value);
		}
	}
	for (size_t i = 0; i < w.cnt; i++) {
		free(w.key[i]);
	}
	free(w.key);
	return err;
}

int
main(int argc, char **argv)
{
	double started_s = now_s(), counted_s;
	struct mb_client *c;
	int64_t all = 0;
	int err = mb_client_open(&c, NULL);

	if (err != MB_OK) {
		fprintf(stderr, "no node: %s\n", mb_err_text(err));
		return 3;
	}
	for (int i = 1; i < argc; i++) {
		size_t len = 0;
		char *text = read_file(argv[i], &len);
		int64_t words;

		if (text == NULL) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		words = count_words(c, text, len);
		free(text);
		if (words < 0) {
			return 1;
		}
		all += words;
	}
	counted_s = now_s();
	err = print_words(c);
	if (err != MB_OK) {
		fprintf(stderr, "the counters: %s\n", mb_err_text(err));
		return 1;
	}
	fprintf(stderr, "%d files, %" PRId64 " words, counted in %.1f ms, read back in %.1f ms\n",
		argc - 1, all, (counted_s - started_s) * 1e3, (now_s() - counted_s) * 1e3);
	mb_client_close(c);
	return 0;
}
