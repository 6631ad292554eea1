/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what people write as an address is taken apart, or refused.
 * Method: a table of each kind of right and wrong.
 */
#include "where.h"

#include <string.h>

#include "microburst/error.h"
#include "test_cmocka.h"

static void
addresses_come_apart(void **state)
{
	static const struct {
		const char *where, *host, *port;
	} right[] = {
		{ "127.0.0.1:80", "127.0.0.1", "80" },
		{ "*:7117", "*", "7117" },
		{ ":0", "", "0" },
		{ "name.of.host:65535", "name.of.host", "65535" },
		{ "[::1]:99", "::1", "99" },
		{ "::1:99", "::1", "99" }, /* the last colon counts */
		{ "[]:5", "", "5" },
		{ "[:5", "[", "5" },
	};
	char host[WHERE_HOST_BYTES], port[WHERE_PORT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_int_equal(where_split(right[i].where, host, port), 0);
		assert_string_equal(host, right[i].host);
		assert_string_equal(port, right[i].port);
	}
}

static void
others_are_refused(void **state)
{
	static const char *const wrong[] = { "",         "host",       "host:",      "host:http",
					     "host:-1",  "host:+1",    "host: 1",    "host:1 ",
					     "host:0x1", "host:65536", "host:99999", "host:000001",
					     "[::1]" };
	char host[WHERE_HOST_BYTES], port[WHERE_PORT_BYTES], longest[WHERE_HOST_BYTES + 3];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(where_split(wrong[i], host, port), MB_ERR_INVALID);
	}
	memset(longest, 'h', sizeof(longest));
	memcpy(longest + WHERE_HOST_BYTES, ":1", 3);
	assert_int_equal(where_split(longest, host, port), MB_ERR_INVALID);
	assert_int_equal(where_split(longest + 1, host, port), 0);
	assert_int_equal(strlen(host), WHERE_HOST_BYTES - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_come_apart),
		cmocka_unit_test(others_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
