/* SPDX-License-Identifier: Apache-2.0 */
/* twice WHERE [OTHER]
 *
 * Goal:   a device that a client of this process uses is refused to a second one, and the first
 *         does not notice; so is OTHER, which cannot be beside it. When the first has left, each
 *         can be had.
 * Method: the first client writes and reads before and after.
 */
#include <microburst/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 50

static void
expect(int ok, const char *what, int err)
{
	if (!ok) {
		fprintf(stderr, "twice: %s: %s\n", what, mb_err_text(err));
		exit(1);
	}
}

static struct mb_client *
opened(const char *where)
{
	struct mb_client *c = NULL;
	int err = mb_client_open(&c, where);

	expect(err == 0, where, err);
	return c;
}

static void
works(struct mb_client *c)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct mb_held held;
		int err = mb_client_set(c, "twice", 5, &i, sizeof(i));

		expect(err == 0, "set", err);
		err = mb_client_get(c, "twice", 5, &held);
		expect(err == 0, "get", err);
		expect(held.len == sizeof(i) && memcmp(held.p, &i, sizeof(i)) == 0, "value", 0);
		mb_client_release(c, &held);
	}
}

int
main(int argc, char **argv)
{
	struct mb_client *c, *second;

	if (argc < 2) {
		return 2;
	}
	c = opened(argv[1]);
	works(c);
	for (int i = 1; i < argc; i++) {
		int err = mb_client_open(&second, argv[i]);

		expect(err == MB_ERR_CONFIG, argv[i], err);
		works(c);
	}
	mb_client_close(c);
	for (int i = 1; i < argc; i++) {
		c = opened(argv[i]);
		works(c);
		mb_client_close(c);
	}
	puts("twice");
	return 0;
}
