/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a LOAD's text is taken only if everything in it fits together; what a sandbox lacks is
 * named. Method: one damage after the other to a good text. */
#include "load.h"

#include <string.h>

#include "test_cmocka.h"
#include <microburst/error.h>

struct text {
	struct load_head head;
	struct load_fn fn[2];
};

static struct text
good(void)
{
	struct text t = { .head = { .magic = LOAD_MAGIC, .fn_cnt = 2, .object_cnt = 1 },
			  .fn = { { .id = 1, .name = "a" }, { .id = 2, .name = "b" } } };

	return t;
}

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		struct text t = good();                                                            \
		change;                                                                            \
		assert_int_equal(load_check(&t, sizeof(t)), MB_ERR_CORRUPT);                       \
	} while (0)

static void
damage_is_refused(void **state)
{
	struct text whole = good();

	REFUSED(t.head.magic++);
	REFUSED(t.head.fn_cnt = 0);
	REFUSED(t.head.fn_cnt = 1);
	REFUSED(t.head.fn_cnt = 3);
	REFUSED(t.head.fn_cnt = FUNCTION_CNT_MAX + 1);
	REFUSED(t.head.object_cnt = 0);
	REFUSED(t.head.object_cnt = LOAD_OBJECT_MAX + 1);
	REFUSED(t.fn[1].id = 0);
	REFUSED(t.fn[1].object = 1);
	REFUSED(t.fn[0].name[0] = '\0');
	REFUSED(memset(t.fn[1].name, 'x', sizeof(t.fn[1].name)));
	for (size_t len = 0; len < sizeof(whole); len++) {
		assert_int_equal(load_check(&whole, len), MB_ERR_CORRUPT);
	}
	assert_int_equal(load_check(&whole, sizeof(whole)), 0);
}

static void
what_a_sandbox_lacks_is_named(void **state)
{
	char text[512];
	char cut[16];

	sandbox_missing_text(SANDBOX_ALL, text, sizeof(text));
	assert_string_equal(text, "");
	sandbox_missing_text(SANDBOX_ALL & ~(uint32_t)(SANDBOX_UID | SANDBOX_SECCOMP), text,
			     sizeof(text));
	assert_string_equal(text, "a user of its own, a list of allowed system calls");
	sandbox_missing_text(0, text, sizeof(text));
	assert_non_null(strstr(text, "network"));
	sandbox_missing_text(0, cut, sizeof(cut));
	assert_int_equal(strlen(cut), sizeof(cut) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(what_a_sandbox_lacks_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
