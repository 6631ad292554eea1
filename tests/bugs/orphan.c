/* SPDX-License-Identifier: Apache-2.0 */
/* orphan SOCKET - a client that says what each operation gives, a line for each that it reads */
#include <stdio.h>

#include <microburst/client.h>

static int
get(struct mb_client *c)
{
	struct mb_held held;
	int err = mb_client_get(c, "n", 0, &held);

	if (err == 0) {
		mb_client_release(c, &held);
	}
	return err;
}

static int
call(struct mb_client *c)
{
	struct mb_value x = mb_i64(1);
	struct mb_reply reply;
	int err = mb_call(c, "plus_one", &x, 1, NULL, &reply);

	mb_reply_free(c, &reply);
	return err;
}

int
main(int argc, char **argv)
{
	struct mb_client *c;
	char line[16];

	if (argc != 2 || mb_client_open(&c, argv[1]) != 0) {
		return 1;
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		printf("%s", mb_err_name(call(c)));
		printf(" %s", mb_err_name(mb_client_incr(c, "n", 0, 1, NULL)));
		printf(" %s\n", mb_err_name(get(c)));
		fflush(stdout);
	}
	mb_client_close(c);
	return 0;
}
