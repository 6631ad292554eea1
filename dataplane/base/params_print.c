/* SPDX-License-Identifier: Apache-2.0 */
/* params_print.c - the table for people: --help and default.conf
 *
 * Both are made of the same three pieces: why, what is expected, when it takes effect. Lines are
 * broken at blanks; no line of default.conf comes near the 324 bytes where rte_cfgfile gives up.
 */
#include "params.h"

#include <string.h>

#include "param_value.h"

enum { WIDTH = 96, EXPECTED_BYTES = 160 };

/* Prints text, every line behind indent, broken before WIDTH. */
static void
print_wrapped(FILE *f, const char *indent, const char *text)
{
	size_t room = WIDTH - strlen(indent);

	while (*text != '\0') {
		size_t len = strlen(text);

		if (len > room) {
			for (len = room; len > 0 && text[len] != ' '; len--) {
			}
			if (len == 0) { /* one long word: goes over */
				len = strcspn(text, " ");
			}
		}
		fprintf(f, "%s%.*s\n", indent, (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
}

static const char *
applies_text(const struct param *row)
{
	return row->applies == PARAM_APPLIES_live ? "takes effect at once"
						  : "takes effect at start";
}

static void
print_row(FILE *f, const char *indent, const struct param *row)
{
	char expected[EXPECTED_BYTES];
	char text[EXPECTED_BYTES + 64];

	param_describe(row, expected, sizeof(expected));
	snprintf(text, sizeof(text), "Expects %s; %s.", expected, applies_text(row));
	print_wrapped(f, indent, row->why);
	print_wrapped(f, indent, text);
}

void
params_help(FILE *f)
{
	const struct param *row;

	for (size_t i = 0; (row = params_row(i)) != NULL; i++) {
		fprintf(f, "  %s=%s\n", row->name, row->initial);
		print_row(f, "      ", row);
	}
}

void
params_conf(FILE *f)
{
	const char *section = "";
	const struct param *row;

	print_wrapped(f, "# ",
		      "Microburst: every parameter with its default. A node that is given no file "
		      "runs on exactly this. Written from configs/params.def: to change a default, "
		      "change it there.");
	for (size_t i = 0; (row = params_row(i)) != NULL; i++) {
		if (strcmp(section, row->section) != 0) {
			section = row->section;
			fprintf(f, "\n[%s]\n", section);
		}
		fprintf(f, "\n");
		print_row(f, "# ", row);
		fprintf(f, "%s =%s%s\n", row->key, row->initial[0] != '\0' ? " " : "",
			row->initial);
	}
}
