/* SPDX-License-Identifier: Apache-2.0 */
/* unfreed SOCKET - calls without freeing an answer until that is refused, frees one, calls */
#include <stdio.h>

#include <microburst/client.h>

static struct mb_reply reply[MB_CALLS_MAX + 1];

int
main(int argc, char **argv)
{
	struct mb_value x = mb_i64(1);
	struct mb_client *c;
	int cnt = 0;

	if (argc != 2 || mb_client_open(&c, argv[1]) != 0) {
		return 1;
	}
	while (cnt <= MB_CALLS_MAX && mb_call(c, "plus_one", &x, 1, NULL, &reply[cnt]) == 0) {
		cnt++;
	}
	printf("%d %s", cnt, mb_err_name(reply[cnt].err));
	mb_reply_free(c, &reply[0]);
	printf(" %s\n", mb_err_name(mb_call(c, "plus_one", &x, 1, NULL, &reply[0])));
	mb_client_close(c);
	return 0;
}
