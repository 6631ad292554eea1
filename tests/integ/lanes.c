/* SPDX-License-Identifier: Apache-2.0 */
/* lanes WHERE
 *
 * Goal:   one client writes and reads keys of all net tiles of a node, and goes on when the node is
 *         another by then.
 * Method: for each line on standard input: each key is written and read, one by one; then a line on
 *         standard output, how many of them failed. What was read is what was written, or the
 *         program ends. What fails says that the node is gone, nothing else.
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

int
main(int argc, char **argv)
{
	struct mb_client *c;
	char line[64];
	int err = argc == 2 ? mb_client_open(&c, argv[1]) : MB_ERR_INVALID;

	expect(err == 0, "open", err);
	for (int round = 0; fgets(line, sizeof(line), stdin) != NULL; round++) {
		int failed = 0;

		for (int i = 0; i < CNT; i++) {
			char key[32], value[32];
			int key_len = snprintf(key, sizeof(key), "lane%d", i);
			size_t len = (size_t)snprintf(value, sizeof(value), "%d/%d", i, round);
			struct mb_held held;

			err = mb_client_set(c, key, (size_t)key_len, value, len);
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
		printf("%d\n", failed);
		fflush(stdout);
	}
	mb_client_close(c);
	return 0;
}
