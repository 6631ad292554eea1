/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the table of commands is whole, and finds what a person means.
 * Method: every row is looked at; words right, half right and wrong. */
#include "command.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../base/test_cmocka.h"

static const char *
found(int argc, const char *a, const char *b, int want_words)
{
	char *argv[] = { (char *)(uintptr_t)a, (char *)(uintptr_t)b };
	int words = 0;
	const struct command *c = command_find(argc, argv, &words);

	assert_int_equal(words, want_words);
	return c == NULL ? NULL : c->name;
}

static void
not_found(void **state)
{
	(void)state;
	assert_null(found(0, "", "", 0));
	assert_null(found(1, "", "", 0));
	assert_null(found(1, "cal", "", 0));
	assert_null(found(1, "calls", "", 0));
	assert_null(found(1, "dag", "", 0));
	assert_null(found(2, "dag", "addd", 0));
	assert_null(found(1, "dag add", "", 0));
}

static void
finds(void **state)
{
	(void)state;
	assert_string_equal(found(1, "call", "", 1), "call");
	assert_string_equal(found(2, "call", "add", 1), "call");
	assert_string_equal(found(2, "dag", "add", 2), "dag add");
}

static void
nearest(void **state)
{
	(void)state;
	assert_string_equal(command_nearest("statsu"), "status");
	assert_string_equal(command_nearest("deploi"), "deploy");
	assert_string_equal(command_nearest("undeplo"), "undeploy");
	assert_null(command_nearest("xyzzy"));
	assert_null(command_nearest("foo")); /* two of its three letters from "top" */
	assert_null(command_nearest(""));
	assert_null(command_nearest("a"));
	assert_null(command_nearest("a very long word that no command comes near to"));
}

/* Name, summary and example are there and have the form that the menu expects. */
static void
rows(void **state)
{
	const struct command *c;
	const char *group;
	size_t i;

	(void)state;
	for (i = 0; (c = command_at(i, &group)) != NULL; i++) {
		char begin[64];

		assert_non_null(group);
		assert_non_null(c->run);
		assert_true(islower((unsigned char)c->summary[0]));
		assert_true(c->summary[strlen(c->summary) - 1] != '.');
		snprintf(begin, sizeof(begin), "microburst %s", c->name);
		assert_memory_equal(c->example, begin, strlen(begin));
		assert_true(c->arg_max == COMMAND_ARGS_ANY || c->arg_min <= c->arg_max);
		assert_int_equal(c->args == NULL, c->arg_max == 0);
		assert_int_equal(c->option == NULL, c->set == NULL);
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(command_at(k, NULL)->name, c->name);
		}
	}
	assert_true(i > 20);
}

static void
menu(void **state)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	(void)state;
	assert_false(command_menu(f, "da"));
	assert_true(command_menu(f, "dag"));
	fclose(f);
	assert_non_null(strstr(out, "dag add"));
	assert_null(strstr(out, "deploy"));
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_found), cmocka_unit_test(finds), cmocka_unit_test(nearest),
		cmocka_unit_test(rows),      cmocka_unit_test(menu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
