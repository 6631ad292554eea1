/* SPDX-License-Identifier: Apache-2.0 */
/* hiredis_client.c - says commands of standard input, a line each, and prints the answers as JSON
 *
 *   hiredis_client PORT [pipelined]
 *
 * Words are apart by single spaces. With pipelined all commands are sent before an answer is read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis.h>

#define LINE_MAX_BYTES 1024
#define WORD_MAX       64

static int
split(char *line, const char *word[WORD_MAX])
{
	char *rest = NULL;
	int n = 0;

	for (char *w = strtok_r(line, " \n", &rest); w != NULL && n < WORD_MAX;
	     w = strtok_r(NULL, " \n", &rest)) {
		word[n++] = w;
	}
	return n;
}

static void
print(const redisReply *r)
{
	switch (r->type) {
	case REDIS_REPLY_INTEGER:
		printf("%lld", r->integer);
		break;
	case REDIS_REPLY_NIL:
		printf("null");
		break;
	case REDIS_REPLY_ARRAY:
		printf("[");
		for (size_t i = 0; i < r->elements; i++) {
			printf("%s", i > 0 ? ", " : "");
			print(r->element[i]);
		}
		printf("]");
		break;
	default: /* no answer of the test has to be quoted */
		printf("\"%.*s\"", (int)r->len, r->str);
	}
}

static int
answer(redisContext *c)
{
	void *reply = NULL;

	if (redisGetReply(c, &reply) != REDIS_OK || reply == NULL) {
		fprintf(stderr, "hiredis: %s\n", c->errstr);
		return -1;
	}
	print(reply);
	printf("\n");
	freeReplyObject(reply);
	return 0;
}

int
main(int argc, char **argv)
{
	int pipelined = argc > 2 && strcmp(argv[2], "pipelined") == 0, owed = 0, rc = 0;
	char line[LINE_MAX_BYTES];
	const char *word[WORD_MAX];
	redisContext *c;

	if (argc < 2) {
		fprintf(stderr, "usage: hiredis_client PORT [pipelined]\n");
		return 2;
	}
	c = redisConnect("127.0.0.1", (int)strtol(argv[1], NULL, 10));
	if (c == NULL || c->err != 0) {
		fprintf(stderr, "hiredis: %s\n", c != NULL ? c->errstr : "no memory");
		return 1;
	}
	while (rc == 0 && fgets(line, sizeof(line), stdin) != NULL) {
		rc = redisAppendCommandArgv(c, split(line, word), word, NULL);
		owed++;
		if (rc == 0 && !pipelined) {
			rc = answer(c);
			owed--;
		}
	}
	while (rc == 0 && owed > 0) {
		rc = answer(c);
		owed--;
	}
	redisFree(c);
	return rc != 0;
}
