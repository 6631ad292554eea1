/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   replies are counted whole, however their bytes are cut, and errors are told.
 * Method: one text of every kind of reply, taken in pieces of each length; texts that are no
 *         RESP. */

#include "reply.h"

#include <string.h>

#include <microburst/error.h>

#include "../base/test_cmocka.h"
#include "compiler.h"

static const char stream[] = "+OK\r\n"
			     ":12\r\n"
			     "$-1\r\n"
			     "$0\r\n\r\n"
			     "$5\r\na\r\nbc\r\n"
			     "-ERR no, with a text that is longer than a line of numbers\r\n"
			     "*0\r\n"
			     "*-1\r\n"
			     "*2\r\n*2\r\n:1\r\n-ERR inside\r\n$1\r\nx\r\n"
			     "%1\r\n+a\r\n~1\r\n#t\r\n"
			     "_\r\n"
			     ",1.5\r\n";
#define REPLY_CNT 12
#define ERROR_IDX 5

static void
pieces_do_not_matter(void **state)
{
	const size_t len = strlen(stream);

	for (size_t piece = 1; piece <= len; piece++) {
		struct reply r = { 0 };
		unsigned int cnt = 0;
		size_t used;

		for (size_t at = 0; at < len;) {
			size_t n = len - at < piece ? len - at : piece;
			int rc = reply_take(&r, (const uint8_t *)stream + at, n, &used);

			assert_true(rc >= 0);
			assert_true(rc != 0 || used == n);
			if (rc != 0) {
				assert_int_equal(rc, cnt == ERROR_IDX ? 2 : 1);
				cnt++;
			}
			at += used;
		}
		assert_int_equal(cnt, REPLY_CNT);
		assert_int_equal(r.depth, 0);
	}
}

static void
what_is_no_reply_is_told(void **state)
{
	static const char *const bad[] = {
		"\r\n",
		"OK\r\n",
		"$\r\n",
		"$x\r\n",
		"$-2\r\n",
		"$99999999999999999999999999\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
	};

	for (size_t i = 0; i < ARRAY_CNT(bad); i++) {
		struct reply r = { 0 };
		size_t used;

		assert_int_equal(reply_take(&r, (const uint8_t *)bad[i], strlen(bad[i]), &used),
				 MB_ERR_CORRUPT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_do_not_matter),
		cmocka_unit_test(what_is_no_reply_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
