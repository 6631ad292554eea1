/* SPDX-License-Identifier: Apache-2.0 */
/* lanes WHERE [calls]
 *
 * Goal:   one client writes and reads keys of all net tiles of a node, and goes on when the node is
 *         another by then; or its calls, and what is said of them, go to one tile.
 * Method: for each line on standard input: each key is written and read, one by one; then a line on
 *         standard output, how many of them failed. What was read is what was written, or the
 *         program ends. What fails says that the node is gone, nothing else.
 *         calls: the function `hears`, which gives back the message that it gets, is called and
 *         sent one, as often; and once it is cancelled instead. Nothing may fail.
 */
#include <microburst/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CNT 64

static void
expect(int ok, const char *what, int err)
{
	if (!ok) {
		fprintf(stderr, "lanes: %s: %s\n", what, mb_err_text(err));
		exit(1);
	}
}

static int
gone(int err)
{
	return err == MB_ERR_NODE_DIED || err == MB_ERR_NO_NODE || err == MB_ERR_INDETERMINATE;
}

static int
keys_round(struct mb_client *c, int round)
{
	int failed = 0;

	for (int i = 0; i < CNT; i++) {
		char key[32], value[32];
		int key_len = snprintf(key, sizeof(key), "lane%d", i);
		size_t len = (size_t)snprintf(value, sizeof(value), "%d/%d", i, round);
		struct mb_held held;
		int err = mb_client_set(c, key, (size_t)key_len, value, len);

		if (err == 0) {
			err = mb_client_get(c, key, (size_t)key_len, &held);
		}
		if (err != 0) {
			expect(gone(err), key, err);
			failed++;
			continue;
		}
		expect(held.len == len && memcmp(held.p, value, len) == 0, key, 0);
		mb_client_release(c, &held);
	}
	return failed;
}

static int
calls_round(struct mb_client *c)
{
	for (int i = 0; i <= CNT; i++) {
		struct mb_reply reply;
		uint64_t call;
		int err = mb_call_start(c, "hears", NULL, 0, NULL, &call);

		expect(err == 0, "start", err);
		err = i < CNT ? mb_client_send(c, call, &i, sizeof(i)) : mb_call_cancel(c, call);
		expect(err == 0, i < CNT ? "send" : "cancel", err);
		expect(mb_call_wait(c, 0, &reply) == 1 && reply.call == call, "wait", 0);
		expect(reply.err == (i < CNT ? 0 : MB_ERR_CANCELLED), "hears", reply.err);
		if (i < CNT) {
			expect(reply.cnt == 1 && reply.value[0].len == sizeof(i) &&
				       memcmp(reply.value[0].p, &i, sizeof(i)) == 0,
			       "another message", 0);
		}
		mb_reply_free(c, &reply);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct mb_client *c;
	char line[64];
	int calls = argc == 3 && strcmp(argv[2], "calls") == 0;
	int err = argc == 2 || calls ? mb_client_open(&c, argv[1]) : MB_ERR_INVALID;

	expect(err == 0, "open", err);
	for (int round = 0; fgets(line, sizeof(line), stdin) != NULL; round++) {
		printf("%d\n", calls ? calls_round(c) : keys_round(c, round));
		fflush(stdout);
	}
	mb_client_close(c);
	return 0;
}
