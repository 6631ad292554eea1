/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c - parts of the node's answers that more than one command prints */
#include "answer.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "columns.h"

#define NAMES_BYTES 160 /* of one executor's functions; more would only wrap */

const char *
answer_names(char *buf, size_t bytes, const json_t *names)
{
	const json_t *name;
	size_t i, len = 0;

	buf[0] = '\0';
	json_array_foreach(names, i, name) {
		int n = snprintf(buf + len, bytes - len, "%s%s", i > 0 ? " " : "",
				 json_string_value(name));

		if (n < 0 || (size_t)n >= bytes - len) {
			break;
		}
		len += (size_t)n;
	}
	return buf;
}

void
answer_executors(const json_t *executors)
{
	char names[NAMES_BYTES];
	struct columns t;
	const json_t *e;
	size_t i;

	columns_init(&t, ">EXECUTOR >PID >CPU <STATE >CALLS >BUSY >DIED <FUNCTIONS");
	json_array_foreach(executors, i, e) {
		columns_row(&t, "uuusunus", cli_u64(e, "proc"), cli_u64(e, "pid"),
			    cli_u64(e, "cpu"), cli_text(e, "state"), cli_u64(e, "finished"),
			    cli_u64(e, "busy_ns"), cli_u64(e, "died"),
			    answer_names(names, sizeof(names), json_object_get(e, "functions")));
	}
	columns_print(&t, stdout);
	columns_fini(&t);
}
