/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_collection.c - sadd, srem, hset, hget, hincr, hdel, push, pop, zadd, zincr, zscore, zrem:
 * members, fields and items one by one
 *
 * As cmd_state.c, one storey down. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "argval.h"
#include "cli.h"
#include "mem.h"
#include "valtext.h"

/* What went wrong with a field. */
static int
fail_field(struct cli *cli, int err, const char *verb)
{
	return cli_fail(cli, err,
			err == MB_ERR_NOT_FOUND
				? "there is no such one: `microburst members` lists them"
				: NULL,
			"cannot %s %s of %s", verb, cli->arg[1], cli->arg[0]);
}

/* ---------------------------------------------------------------- sadd, srem */

/* Members that are put into a set, or taken out of it. */
static int
members_write(struct cli *cli,
	      int (*write)(struct mb_client *c, const char *key, size_t key_len,
			   const struct mb_value *member, size_t member_cnt, size_t *ret_cnt),
	      const char *verb, const char *done)
{
	const char *key = cli->arg[0];
	size_t cnt = (size_t)cli->arg_cnt - 1, changed;
	struct mb_value *member = mem_need(calloc(cnt, sizeof(*member)));
	int code = 0, err;

	for (size_t i = 0; i < cnt && code == 0; i++) {
		code = cli_value(cli, cli->arg[i + 1], &member[i]);
	}
	if (code == 0) {
		code = cli_open_for(cli, key);
	}
	if (code != 0) {
		free(member);
		return code;
	}
	err = write(cli->client, key, 0, member, cnt, &changed);
	free(member);
	if (err != MB_OK) {
		return cli_fail(cli, err, NULL, "cannot %s %s", verb, key);
	}
	if (cli->json) {
		return cli_json(cli, json_pack("{s:I}", done, (json_int_t)changed));
	}
	printf("%zu\n", changed);
	return CLI_DONE;
}

static int
sadd_run(struct cli *cli)
{
	return members_write(cli, mb_client_sadd, "add to", "added");
}

static int
srem_run(struct cli *cli)
{
	return members_write(cli, mb_client_srem, "remove from", "removed");
}

const struct command cmd_sadd = {
	.name = "sadd",
	.args = "KEY MEMBER...",
	.summary = "add members to a set and print how many are new",
	.example = "microburst sadd colours red green",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = COMMAND_ARGS_ANY,
	.run = sadd_run,
};

const struct command cmd_srem = {
	.name = "srem",
	.args = "KEY MEMBER...",
	.summary = "remove members from a set and print how many were in it",
	.example = "microburst srem colours red",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = COMMAND_ARGS_ANY,
	.run = srem_run,
};

/* ------------------------------------------------------------------ fields */

static int
hset_run(struct cli *cli)
{
	struct mb_value value;
	int code = cli_value(cli, cli->arg[2], &value), err;

	if (code == 0) {
		code = cli_open_for(cli, cli->arg[0]);
	}
	if (code != 0) {
		return code;
	}
	err = mb_client_hset(cli->client, cli->arg[0], 0, cli->arg[1], 0, value.p, value.len);
	if (err != MB_OK) {
		return fail_field(cli, err, "set field");
	}
	return cli->json ? cli_json(cli, json_object()) : CLI_DONE;
}

const struct command cmd_hset = {
	.name = "hset",
	.args = "KEY FIELD VALUE",
	.summary = "make a field of a map this value",
	.more = "VALUE is text, @FILE for a file's bytes, - for those of standard input.",
	.example = "microburst hset capitals Italy Rome",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 3,
	.arg_max = 3,
	.run = hset_run,
};

static int
hget_run(struct cli *cli)
{
	struct mb_held held;
	int code = cli_open_for(cli, cli->arg[0]), err;

	if (code != 0) {
		return code;
	}
	err = mb_client_hget(cli->client, cli->arg[0], 0, cli->arg[1], 0, &held);
	if (err != MB_OK) {
		return fail_field(cli, err, "get field");
	}
	if (cli->json) {
		cli_json(cli, json_pack("{s:o}", "value", valtext_json_bytes(held.p, held.len)));
	} else {
		valtext_bytes(stdout, held.p, held.len, cli->terminal);
	}
	mb_client_release(cli->client, &held);
	return CLI_DONE;
}

const struct command cmd_hget = {
	.name = "hget",
	.args = "KEY FIELD",
	.summary = "print the value of a field of a map",
	.example = "microburst hget capitals Italy",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = 2,
	.run = hget_run,
};

static int
hincr_run(struct cli *cli)
{
	struct mb_value n = mb_i64(1);
	char err_text[ARGVAL_ERR_BYTES];
	int64_t sum;
	int code, err;

	if (cli->arg_cnt > 2 &&
	    (cli->arg[2][0] == '@' || strcmp(cli->arg[2], "-") == 0 ||
	     argval_parse(cli->arg[2], &n, err_text) != MB_OK || n.type != MB_I64)) {
		return cli_usage(cli, "N is a whole number of at most 64 bits, not \"%s\"",
				 cli->arg[2]);
	}
	code = cli_open_for(cli, cli->arg[0]);
	if (code != 0) {
		return code;
	}
	err = mb_client_hincr(cli->client, cli->arg[0], 0, cli->arg[1], 0, n.i64, &sum);
	if (err != MB_OK) {
		return fail_field(cli, err, "add to field");
	}
	if (cli->json) {
		return cli_json(cli, json_pack("{s:I}", "value", (json_int_t)sum));
	}
	printf("%" PRId64 "\n", sum);
	return CLI_DONE;
}

const struct command cmd_hincr = {
	.name = "hincr",
	.args = "KEY FIELD [N]",
	.summary = "add N (default 1) to a field of a map and print the sum",
	.more = "A field that is not there counts as 0. Increments made at the same "
		"time all count.",
	.example = "microburst hincr visits Rome",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = 3,
	.run = hincr_run,
};

static int
hdel_run(struct cli *cli)
{
	int code = cli_open_for(cli, cli->arg[0]), err;

	if (code != 0) {
		return code;
	}
	err = mb_client_hdel(cli->client, cli->arg[0], 0, cli->arg[1], 0);
	if (err != MB_OK) {
		return fail_field(cli, err, "delete field");
	}
	return cli->json ? cli_json(cli, json_object()) : CLI_DONE;
}

const struct command cmd_hdel = {
	.name = "hdel",
	.args = "KEY FIELD",
	.summary = "delete a field of a map",
	.example = "microburst hdel capitals Italy",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = 2,
	.run = hdel_run,
};

/* ------------------------------------------------------------------- lists */

struct end {
	bool left; /* the option */
};

static int
end_set(struct cli *cli, int key, const char *text)
{
	((struct end *)cli->opt)->left = true;
	return 0;
}

static int
push_run(struct cli *cli)
{
	const struct end *end = cli->opt;
	int code = 0;

	for (int i = 1; i < cli->arg_cnt && code == 0; i++) {
		struct mb_value value;

		code = cli_value(cli, cli->arg[i], &value);
		if (code == 0) {
			code = cli_open_for(cli, cli->arg[0]);
		}
		if (code == 0) {
			int err = mb_client_push(cli->client, cli->arg[0], 0, end->left, value.p,
						 value.len);

			code = err == MB_OK
				       ? 0
				       : cli_fail(cli, err, NULL, "cannot push to %s", cli->arg[0]);
		}
	}
	return code == 0 && cli->json ? cli_json(cli, json_object()) : code;
}

const struct command cmd_push = {
	.name = "push",
	.args = "KEY VALUE...",
	.summary = "put items at the right end of a list",
	.more = "VALUE is text, @FILE for a file's bytes, - for those of standard input.",
	.example = "microburst push jobs first second",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = COMMAND_ARGS_ANY,
	.option =
		(const struct argp_option[]){
			{ "left", 'l', NULL, 0, "At the left end: the last VALUE becomes the first",
			  0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct end),
	.set = end_set,
	.run = push_run,
};

static int
pop_run(struct cli *cli)
{
	const struct end *end = cli->opt;
	struct mb_held held;
	int code = cli_open_for(cli, cli->arg[0]), err;

	if (code != 0) {
		return code;
	}
	err = mb_client_pop(cli->client, cli->arg[0], 0, end->left, &held);
	if (err != MB_OK) {
		return cli_fail(cli, err, err == MB_ERR_NOT_FOUND ? "there is no item" : NULL,
				"cannot pop from %s", cli->arg[0]);
	}
	if (cli->json) {
		cli_json(cli, json_pack("{s:o}", "value", valtext_json_bytes(held.p, held.len)));
	} else {
		valtext_bytes(stdout, held.p, held.len, cli->terminal);
	}
	mb_client_release(cli->client, &held);
	return CLI_DONE;
}

const struct command cmd_pop = {
	.name = "pop",
	.args = "KEY",
	.summary = "remove the item at the right end of a list and print it",
	.more = "Of those who pop at the same time one gets it.",
	.example = "microburst pop --left jobs",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 1,
	.arg_max = 1,
	.option =
		(const struct argp_option[]){
			{ "left", 'l', NULL, 0, "At the left end", 0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct end),
	.set = end_set,
	.run = pop_run,
};

/* ------------------------------------------------------------- sorted sets */

static int
read_score(struct cli *cli, const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return *text != '\0' && *end == '\0' && !isnan(*ret)
		       ? 0
		       : cli_usage(cli, "a score is a number, not \"%s\"", text);
}

static int
show_score(struct cli *cli, double score)
{
	if (cli->json) {
		return cli_json(cli, json_pack("{s:f}", "score", score));
	}
	printf("%.17g\n", score);
	return CLI_DONE;
}

static int
zadd_run(struct cli *cli)
{
	double score;
	int code = read_score(cli, cli->arg[2], &score), err;

	if (code == 0) {
		code = cli_open_for(cli, cli->arg[0]);
	}
	if (code != 0) {
		return code;
	}
	err = mb_client_zadd(cli->client, cli->arg[0], 0, cli->arg[1], 0, score);
	if (err != MB_OK) {
		return fail_field(cli, err, "set the score of");
	}
	return cli->json ? cli_json(cli, json_object()) : CLI_DONE;
}

const struct command cmd_zadd = {
	.name = "zadd",
	.args = "KEY MEMBER SCORE",
	.summary = "make the score of a member of a sorted set this",
	.example = "microburst zadd players ann 12.5",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 3,
	.arg_max = 3,
	.run = zadd_run,
};

static int
zincr_run(struct cli *cli)
{
	double score = 1;
	int code = cli->arg_cnt > 2 ? read_score(cli, cli->arg[2], &score) : 0, err;

	if (code == 0) {
		code = cli_open_for(cli, cli->arg[0]);
	}
	if (code != 0) {
		return code;
	}
	err = mb_client_zincr(cli->client, cli->arg[0], 0, cli->arg[1], 0, score, &score);
	return err == MB_OK ? show_score(cli, score) : fail_field(cli, err, "add to the score of");
}

const struct command cmd_zincr = {
	.name = "zincr",
	.args = "KEY MEMBER [X]",
	.summary = "add X (default 1) to a member's score and print what it is then",
	.more = "A member that is not there counts as 0. Additions made at the same "
		"time all count.",
	.example = "microburst zincr players ann 3",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = 3,
	.run = zincr_run,
};

static int
zscore_run(struct cli *cli)
{
	double score;
	int code = cli_open_for(cli, cli->arg[0]), err;

	if (code != 0) {
		return code;
	}
	err = mb_client_zscore(cli->client, cli->arg[0], 0, cli->arg[1], 0, &score);
	return err == MB_OK ? show_score(cli, score) : fail_field(cli, err, "get the score of");
}

const struct command cmd_zscore = {
	.name = "zscore",
	.args = "KEY MEMBER",
	.summary = "print the score of a member of a sorted set",
	.more = "`microburst members` prints all, with their scores.",
	.example = "microburst zscore players ann",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = 2,
	.run = zscore_run,
};

static int
zrem_run(struct cli *cli)
{
	int code = cli_open_for(cli, cli->arg[0]), err;

	if (code != 0) {
		return code;
	}
	err = mb_client_zrem(cli->client, cli->arg[0], 0, cli->arg[1], 0);
	if (err != MB_OK) {
		return fail_field(cli, err, "remove");
	}
	return cli->json ? cli_json(cli, json_object()) : CLI_DONE;
}

const struct command cmd_zrem = {
	.name = "zrem",
	.args = "KEY MEMBER",
	.summary = "remove a member from a sorted set",
	.example = "microburst zrem players ann",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.arg_min = 2,
	.arg_max = 2,
	.run = zrem_run,
};
