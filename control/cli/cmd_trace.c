/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_trace.c - trace: where one call's time went */
#include <string.h>
#include <sys/ioctl.h>

#include "cli.h"
#include "columns.h"
#include "trace.h"

#define TRACE_BAR     40
#define TRACE_BAR_MIN 8
#define TRACE_OTHERS  51 /* columns beside that of the names and the bar's, and what parts them */

int
trace_call_id(struct cli *cli, const char *text, char ret[static 17])
{
	size_t len = strlen(text);

	if (len == 0 || len > 16 || text[strspn(text, "0123456789abcdefABCDEF")] != '\0') {
		return cli_usage(cli,
				 "a call's id is up to 16 hexadecimal digits, as `microburst ps` "
				 "prints it, not \"%s\"",
				 text);
	}
	memset(ret, '0', 16);
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		ret[16 - len + i] = c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c;
	}
	ret[16] = '\0';
	return 0;
}

int
trace_ask(struct cli *cli, const char *id, json_t **ret)
{
	return cli_ask(cli, json_pack("{s:s, s:s}", "cmd", "trace", "call", id), -1, ret);
}

/* How long bars may be, so that no line wraps: of is the longest name. */
static int
bar_room(FILE *f, size_t of)
{
	struct winsize w;
	int room = TRACE_BAR;

	if (ioctl(fileno(f), TIOCGWINSZ, &w) == 0 && w.ws_col != 0) {
		room = (int)w.ws_col - TRACE_OTHERS - (int)of;
	}
	return room < TRACE_BAR_MIN ? TRACE_BAR_MIN : room > TRACE_BAR ? TRACE_BAR : room;
}

/* A hop's bar: where it lies in the whole, and how long it is; at least one mark. */
static const char *
bar(char buf[TRACE_BAR + 1], int room, const json_t *hop, uint64_t total)
{
	double at = (double)cli_u64(hop, "at_ns") / (double)total * room;
	double end = at + (double)cli_u64(hop, "ns") / (double)total * room;
	int from = at < room - 1 ? (int)at : room - 1;
	int to = end < room ? (int)(end + 0.5) : room;

	to = to <= from ? from + 1 : to;
	memset(buf, ' ', (size_t)from);
	memset(buf + from, '#', (size_t)(to - from));
	buf[to] = '\0';
	return buf;
}

void
trace_print(FILE *f, const json_t *answer)
{
	const json_t *hops = json_object_get(answer, "hops"), *h;
	const char *call = cli_text(answer, "call");
	size_t i, of = strlen(call);
	uint64_t total = 1;
	struct columns t;
	int room;

	json_array_foreach(hops, i, h) {
		uint64_t end = cli_u64(h, "at_ns") + cli_u64(h, "ns");

		total = end > total ? end : total;
		of = strlen(cli_text(h, "of")) > of ? strlen(cli_text(h, "of")) : of;
	}
	room = bar_room(f, of);
	columns_init(&t, "<HOP <OF <WHERE >FROM >TIME >SHARE <");
	json_array_foreach(hops, i, h) {
		char where[32], line[TRACE_BAR + 1];
		uint64_t exec = cli_u64(h, "executor");

		snprintf(where, sizeof(where), exec != 0 ? "%.20s %u" : "%.20s",
			 cli_text(h, "where"), (unsigned)exec);
		columns_row(&t, "sssnnps", cli_text(h, "name"), cli_text(h, "of"), where,
			    cli_u64(h, "at_ns"), cli_u64(h, "ns"),
			    (double)cli_u64(h, "ns") / (double)total, bar(line, room, h, total));
	}
	columns_row(&t, "ss--n--", "all", call, total);
	columns_print(&t, f);
	columns_fini(&t);
}

static int
trace_run(struct cli *cli)
{
	char id[17];
	json_t *a;
	int code = trace_call_id(cli, cli->arg[0], id);

	if (code == 0) {
		code = trace_ask(cli, id, &a);
	}
	if (code != 0 || cli->json) {
		return code != 0 ? code : cli_json(cli, a);
	}
	trace_print(stdout, a);
	json_decref(a);
	return CLI_DONE;
}

const struct command cmd_trace = {
	.name = "trace",
	.args = "CALL",
	.summary = "where one call's time went, hop by hop",
	.more = "What its client, the scheduler and its executors remember of it. A client follows "
		"one of its direct calls in 64, and those that ask for it (call --trace); of the "
		"others, and of clients that are gone, the way there and back is not known.",
	.example = "microburst trace 00c0000000000017",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 1,
	.run = trace_run,
};
