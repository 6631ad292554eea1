/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_doctor.c - doctor check, init, fini: is the machine right, make it so, undo that */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "doctor.h"
#include "fmt.h"
#include "hugepages.h"

struct doctor {
	uint64_t pages;
};

static int
doctor_set(struct cli *cli, int key, const char *text)
{
	(void)key;
	return cli_count(cli, "pages", text, 1, UINT64_C(1) << 32,
			 &((struct doctor *)cli->opt)->pages);
}

static int
check(struct cli *cli)
{
	struct doctor_line line;
	json_t *all = json_array();
	unsigned warned = 0;

	for (size_t i = 0; doctor_check(i, "", &line); i++) {
		warned += !line.ok;
		if (cli->json) {
			json_array_append_new(all, json_pack("{s:s, s:b, s:s, s:s}", "name",
							     line.name, "ok", line.ok, "found",
							     line.found, "todo", line.todo));
			continue;
		}
		printf("%-4s  %-14s  %s\n", line.ok ? "ok" : "warn", line.name, line.found);
		if (!line.ok) {
			printf("%22s  %s\n", "->", line.todo);
		}
	}
	if (cli->json) {
		return cli_json(cli,
				json_pack("{s:o, s:i}", "checks", all, "warnings", (int)warned));
	}
	json_decref(all);
	if (warned > 0) {
		printf("\nMicroburst runs here; %u thing%s would make it faster or safer.\n",
		       warned, warned == 1 ? "" : "s");
	}
	return CLI_DONE;
}

static int
change(struct cli *cli, const char *verb, int rc, const struct hugepages *h)
{
	char size[FMT_BYTES];

	if (rc == MB_ERR_DENIED) {
		return cli_fail(cli, rc, "huge pages are the machine's: run it as root",
				"cannot %s huge pages", verb);
	}
	if (rc == MB_ERR_NOT_SUPPORTED) {
		return cli_fail(cli, rc,
				"this kernel has no huge pages of 2 MiB; the node runs without",
				"cannot %s huge pages", verb);
	}
	if (rc == MB_ERR_NO_MEMORY) {
		return cli_fail(cli, rc,
				"memory is too fragmented: do it soon after boot, or ask for fewer",
				"the kernel found only %" PRIu64 " huge pages", h->ours);
	}
	if (rc != MB_OK) {
		return cli_fail(cli, rc, strerror(errno), "cannot %s huge pages", verb);
	}
	if (cli->json) {
		return cli_json(cli, json_pack("{s:I, s:I, s:I}", "before", (json_int_t)h->before,
					       "after", (json_int_t)h->after, "ours",
					       (json_int_t)h->ours));
	}
	printf("huge pages: %" PRIu64 " before, %" PRIu64 " now, %" PRIu64 " of them (%s) ours\n",
	       h->before, h->after, h->ours, fmt_bytes(size, h->ours * HUGEPAGES_BYTES));
	return CLI_DONE;
}

static int
doctor_run(struct cli *cli)
{
	const struct doctor *doctor = cli->opt;
	const char *what = cli->arg_cnt > 0 ? cli->arg[0] : "check";
	struct hugepages h = { 0 };

	if (doctor->pages > 0 && strcmp(what, "init") != 0) {
		return cli_usage(cli, "--pages goes with init");
	}
	if (strcmp(what, "check") == 0) {
		return check(cli);
	}
	if (strcmp(what, "init") == 0) {
		uint64_t pages = doctor->pages > 0 ? doctor->pages : hugepages_default("");

		return change(cli, "reserve", hugepages_init("", pages, &h), &h);
	}
	if (strcmp(what, "fini") == 0) {
		return change(cli, "give back", hugepages_fini("", &h), &h);
	}
	return cli_usage(cli, "it takes check, init or fini, not \"%s\"", what);
}

const struct command cmd_doctor = {
	.name = "doctor",
	.args = "[check|init|fini]",
	.summary = "look at the machine: what is right, what to do; init does it, fini undoes it",
	.more = "check changes nothing. init reserves huge pages, fini gives back exactly those; "
		"both need root and may be repeated.",
	.example = "microburst doctor",
	.flags = COMMAND_JSON,
	.arg_max = 1,
	.option =
		(const struct argp_option[]){
			{ "pages", 'p', "N", 0,
			  "With init: how many; default 512, at most a quarter of the memory", 0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct doctor),
	.set = doctor_set,
	.run = doctor_run,
};
