/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every command is found by its name and no other is.
 * Method: the table against itself. */
#include <string.h>

#include "gate_int.h"
#include "test_cmocka.h"

static struct slice
s(const char *text)
{
	return slice_of(text, strlen(text));
}

static void
commands_are_found_in_any_case(void **state)
{
	gate_command_init();
	for (uint32_t i = 0; gate_command_at(i) != NULL; i++) {
		const struct gate_command *c = gate_command_at(i);
		char upper[32];

		for (size_t k = 0; k <= c->name_len; k++) {
			upper[k] = (char)(c->name[k] >= 'a' && c->name[k] <= 'z' ? c->name[k] - 32
										 : c->name[k]);
		}
		assert_ptr_equal(gate_command_named(s(c->name)), c);
		assert_ptr_equal(gate_command_named(s(upper)), c);
		assert_ptr_equal(gate_command_find(s(upper)),
				 i < gate_command_top_cnt() ? c : NULL);
		assert_true(c->arity != 0);
		assert_true(c->first >= 0 && c->step >= 0);
	}
	assert_null(gate_command_find(s("")));
	assert_null(gate_command_find(s("gets")));
	assert_null(gate_command_find(s("ge")));
	assert_null(gate_command_find(s("a name that is longer than any command's")));
	assert_null(gate_command_find(slice_of("get\0", 4)));
}

static const char *
name_of(const char *first, const char *second)
{
	struct slice arg[] = { s(first), s(second) };
	const struct gate_command *c = gate_command_of(arg, second[0] != '\0' ? 2 : 1);

	return c != NULL ? c->name : "";
}

static void
a_subcommand_is_found_behind_its_container_only(void **state)
{
	uint32_t first = 0, cnt = 0;

	gate_command_init();
	assert_string_equal(name_of("CONFIG", "Get"), "config|get");
	assert_string_equal(name_of("config", ""), "config");
	assert_string_equal(name_of("config", "nosuch"), "");
	assert_string_equal(name_of("config", "get|x"), "");
	assert_string_equal(name_of("config", "a word that is longer than any subcommand"), "");
	assert_string_equal(name_of("config|get", "x"), "");
	assert_string_equal(name_of("get", "config"), "get");
	assert_string_equal(name_of("nosuch", "x"), "");
	/* Each stands behind a container, which has all that are called after it. */
	for (uint32_t i = 0; i < gate_command_top_cnt(); i++) {
		const struct gate_command *c = gate_command_at(i);
		uint32_t subs = gate_command_subs(c, &first);

		assert_int_equal(subs > 0, (c->flags & CMD_CONTAINER) != 0);
		for (uint32_t k = first; k < first + subs; k++) {
			assert_ptr_equal(gate_command_at(k)->run, c->run);
			assert_memory_equal(gate_command_at(k)->name, c->name, c->name_len);
		}
		cnt += subs;
	}
	assert_int_equal(cnt, gate_command_cnt() - gate_command_top_cnt());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_found_in_any_case),
		cmocka_unit_test(a_subcommand_is_found_behind_its_container_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
