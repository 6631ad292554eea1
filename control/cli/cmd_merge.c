/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_merge.c - merge, zrange, zpop: values that merge as they are, sorted sets in their order
 *
 * A value that merges is written KIND:VALUE: max:3, member:red, priority:2:text. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "valtext.h"

/* ------------------------------------------------------------------ parts */

static bool
read_u64(const char *text, char **end, uint64_t *ret)
{
	errno = 0;
	*ret = strtoull(text, end, 10);
	return errno == 0 && *end != text && *text != '-' && *text != '+';
}

static bool
read_i64(const char *text, char **end, int64_t *ret)
{
	errno = 0;
	*ret = strtoll(text, end, 10);
	return errno == 0 && *end != text;
}

static const struct {
	const char *name;
	enum mb_part_kind kind;
} kinds[] = {
	{ "or", MB_PART_OR },        { "max", MB_PART_MAX },       { "min", MB_PART_MIN },
	{ "maxf", MB_PART_MAX_F64 }, { "lww", MB_PART_LWW },       { "priority", MB_PART_PRIORITY },
	{ "clock", MB_PART_CLOCK },  { "member", MB_PART_MEMBER },
};

/* What stands behind the kind. Returns: whether it is a value of it. */
static bool
read_rest(const char *text, struct mb_part *ret)
{
	char *end = NULL;

	switch (ret->kind) {
	case MB_PART_OR:
		return read_u64(text, &end, &ret->u64) && *end == '\0' && ret->u64 <= 1;
	case MB_PART_MAX:
	case MB_PART_MIN:
		return read_u64(text, &end, &ret->u64) && *end == '\0';
	case MB_PART_MAX_F64:
		ret->f64 = strtod(text, &end);
		return end != text && *end == '\0' && !isnan(ret->f64);
	case MB_PART_PRIORITY:
		if (!read_i64(text, &end, &ret->number) || *end != ':') {
			return false;
		}
		break;
	case MB_PART_LWW:
		if (!read_u64(text, &end, &ret->u64) || *end != ':') {
			return false;
		}
		break;
	case MB_PART_CLOCK:
		return read_u64(text, &end, &ret->u64) && *end == ':' &&
		       read_i64(end + 1, &end, &ret->number) && *end == '\0' && ret->number > 0;
	default:
		ret->bytes = mb_slice_of(text, strlen(text));
		return true;
	}
	ret->bytes = mb_slice_of(end + 1, strlen(end + 1));
	return true;
}

static int
read_part(struct cli *cli, const char *text, struct mb_part *ret)
{
	const char *colon = strchr(text, ':');

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; colon != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i].name);

		if (len == (size_t)(colon - text) && memcmp(text, kinds[i].name, len) == 0) {
			ret->kind = kinds[i].kind;
			return read_rest(colon + 1, ret)
				       ? 0
				       : cli_usage(cli, "\"%s\" is no value of its kind", text);
		}
	}
	return cli_usage(cli,
			 "\"%s\" begins with none of max: min: maxf: or: priority:N: lww:TIME: "
			 "member: clock:WRITER:",
			 text);
}

static int
merge_run(struct cli *cli)
{
	struct mb_part part[2];
	int code = 0, err;

	for (int i = 1; i < cli->arg_cnt && code == 0; i++) {
		code = read_part(cli, cli->arg[i], &part[i - 1]);
	}
	if (code == 0) {
		code = cli_open_for(cli, cli->arg[0]);
	}
	if (code != 0) {
		return code;
	}
	err = mb_client_merge(cli->client, cli->arg[0], 0, &part[0],
			      cli->arg_cnt > 2 ? &part[1] : NULL);
	if (err != MB_OK) {
		return cli_fail(cli, err,
				err == MB_ERR_TYPE ? "it has a value of another kind" : NULL,
				"cannot merge into %s", cli->arg[0]);
	}
	return cli->json ? cli_json(cli, json_object()) : CLI_DONE;
}

const struct command cmd_merge = {
	.name = "merge",
	.args = "KEY VALUE [VALUE]",
	.summary = "merge a value into what a key has of its kind",
	.more = "VALUE is max:N, min:N (whole numbers from 0), maxf:X, or:0, or:1; "
		"priority:N:TEXT, "
		"of which the smallest N stays; lww:TIME:TEXT, the latest TIME, in microseconds "
		"since 1970; member:TEXT, of a set that only grows; clock:WRITER:N, the most "
		"events of a writer. Two make a pair: of pairs that with the greater first stays "
		"whole, of "
		"equal firsts the seconds merge. `get` and `members` show what is there.",
	.example = "microburst merge best max:17",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = 3,
	.run = merge_run,
};

/* ----------------------------------------------------------- in the order of scores */

struct zrange {
	bool by_score; /* the option */
	bool highest;
};

static int
zrange_set(struct cli *cli, int key, const char *text)
{
	struct zrange *o = cli->opt;

	(void)text;
	o->by_score = o->by_score || key == 's';
	o->highest = o->highest || key == 'h';
	return 0;
}

static int
read_number(struct cli *cli, const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return end != text && *end == '\0' && !isnan(*ret)
		       ? 0
		       : cli_usage(cli, "\"%s\" is no number", text);
}

struct shown {
	struct cli *cli;
	json_t *json; /* NULL: print */
};

static bool
show_one(void *ctx, const void *p, size_t len, const void *p2, size_t len2)
{
	const struct shown *s = ctx;

	if (s->json != NULL) {
		json_array_append_new(s->json,
				      json_pack("{s:o, s:o}", "member", valtext_json_bytes(p, len),
						"score", valtext_json_bytes(p2, len2)));
		return true;
	}
	valtext_field(stdout, p, len, s->cli->terminal);
	return printf("\t%.*s\n", (int)len2, (const char *)p2) > 0;
}

static int
zrange_run(struct cli *cli)
{
	const struct zrange *o = cli->opt;
	struct shown shown = { .cli = cli };
	double min, max;
	int code = read_number(cli, cli->arg[1], &min), err;

	if (code == 0) {
		code = read_number(cli, cli->arg[2], &max);
	}
	if (code == 0 && !o->by_score &&
	    (min != trunc(min) || max != trunc(max) || fabs(min) > 1e15 || fabs(max) > 1e15)) {
		code = cli_usage(cli, "a place is a whole number; --by-score takes scores");
	}
	if (code == 0) {
		code = cli_open_for(cli, cli->arg[0]);
	}
	if (code != 0) {
		return code;
	}
	shown.json = cli->json ? json_array() : NULL;
	err = o->by_score ? mb_client_zrange_score(cli->client, cli->arg[0], 0, min, max, show_one,
						   &shown)
			  : mb_client_zrange(cli->client, cli->arg[0], 0, (int64_t)min,
					     (int64_t)max, show_one, &shown);
	if (err != MB_OK) {
		json_decref(shown.json);
		return cli_fail(cli, err,
				err == MB_ERR_NOT_FOUND ? "there is no such sorted set" : NULL,
				"cannot list %s", cli->arg[0]);
	}
	return cli->json ? cli_json(cli, json_pack("{s:o}", "members", shown.json)) : CLI_DONE;
}

const struct command cmd_zrange = {
	.name = "zrange",
	.args = "KEY FIRST LAST",
	.summary = "print the members of a sorted set in the order of their scores",
	.more = "FIRST and LAST are places: 0 is the lowest score, -1 the highest.",
	.example = "microburst zrange players 0 9",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 3,
	.arg_max = 3,
	.option =
		(const struct argp_option[]){
			{ "by-score", 's', NULL, 0, "FIRST and LAST are scores, inf is one", 0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct zrange),
	.set = zrange_set,
	.run = zrange_run,
};

static int
zpop_run(struct cli *cli)
{
	const struct zrange *o = cli->opt;
	struct mb_held member;
	char text[40];
	double score;
	int code = cli_open_for(cli, cli->arg[0]), err;

	if (code != 0) {
		return code;
	}
	err = mb_client_zpop(cli->client, cli->arg[0], 0, o->highest, &member, &score);
	if (err != MB_OK) {
		return cli_fail(cli, err, err == MB_ERR_NOT_FOUND ? "there is no member" : NULL,
				"cannot pop from %s", cli->arg[0]);
	}
	snprintf(text, sizeof(text), "%.17g", score);
	if (cli->json) {
		cli_json(cli, json_pack("{s:o, s:f}", "member",
					valtext_json_bytes(member.p, member.len), "score", score));
	} else {
		valtext_field(stdout, member.p, member.len, cli->terminal);
		printf("\t%s\n", text);
	}
	mb_client_release(cli->client, &member);
	return CLI_DONE;
}

const struct command cmd_zpop = {
	.name = "zpop",
	.args = "KEY",
	.summary = "remove the member with the lowest score and print both",
	.more = "Of those who pop at the same time one gets it.",
	.example = "microburst zpop jobs",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 1,
	.option =
		(const struct argp_option[]){
			{ "highest", 'h', NULL, 0, "With the highest score", 0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct zrange),
	.set = zrange_set,
	.run = zpop_run,
};
