/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   --help and the configuration show every row, and read back as the defaults they show.
 * Method: read params_conf's text line by line; compare it with configs/default.conf, whose path is
 *         the test's argument. */
#include "params.h"

#include <microburst/error.h>
#include <stdlib.h>
#include <string.h>

#include "test_cmocka.h"

static const char *default_conf_path;

static char *
printed(void (*print)(FILE *))
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	print(f);
	fclose(f);
	return text;
}

static void
each_row_is_documented(void **state)
{
	char *help = printed(params_help);
	const struct param *row;

	for (size_t i = 0; (row = params_row(i)) != NULL; i++) {
		char line[128];
		size_t len = strlen(row->why);

		assert_true(len > 20 && row->why[len - 1] == '.');
		snprintf(line, sizeof(line), "  %s=%s\n", row->name, row->initial);
		assert_non_null(strstr(help, line));
	}
	free(help);
}

/* Reads one line of a configuration: a comment, a section, or key = value. */
static void
take_line(struct params *p, char *line, char section[static 64])
{
	char name[128], errbuf[PARAMS_ERR_BYTES];
	char *value;

	if (line[0] == '\0' || line[0] == '#') {
		return;
	}
	if (sscanf(line, "[%63[^]]]", section) == 1) {
		return;
	}
	value = strstr(line, " =");
	assert_non_null(value);
	*value = '\0';
	value += 2;
	value += *value == ' ';
	snprintf(name, sizeof(name), "%s.%s", section, line);
	if (params_set(p, name, value, errbuf) != MB_OK) {
		fail_msg("%s", errbuf);
	}
}

static void
the_printed_configuration_is_the_defaults(void **state)
{
	char *conf = printed(params_conf);
	char *rest = conf, *line;
	char section[64] = "";
	struct params wanted, p;

	params_default(&wanted);
	p = wanted;
	/* Every field, but not the padding between them. */
#define PARAM(section, key, ...) memset(&p.section##_##key, 0xff, sizeof(p.section##_##key));
#include "params.def"
#undef PARAM
	while ((line = strsep(&rest, "\n")) != NULL) {
		assert_true(strlen(line) <= 100);
		take_line(&p, line, section);
	}
	assert_memory_equal(&p, &wanted, sizeof(p));
	free(conf);
}

static void
default_conf_is_what_is_printed(void **state)
{
	char *conf = printed(params_conf);
	static char text[65536];
	FILE *f = fopen(default_conf_path, "r");
	size_t len;

	assert_non_null(f);
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	if (strcmp(text, conf) != 0) {
		fail_msg("%s is not what params.def says: run ninja default-conf",
			 default_conf_path);
	}
	free(conf);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_documented),
		cmocka_unit_test(the_printed_configuration_is_the_defaults),
		cmocka_unit_test(default_conf_is_what_is_printed),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s configs/default.conf\n", argv[0]);
		return 2;
	}
	default_conf_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
