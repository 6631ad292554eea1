/* SPDX-License-Identifier: Apache-2.0 */
/* command.c - the table of commands */
#include "command.h"

#include <stdint.h>
#include <string.h>

#include "compiler.h"

static const struct {
	const char *group;
	const struct command *command;
} table[] = {
	{ "The node", &cmd_up },
	{ "The node", &cmd_down },
	{ "The node", &cmd_status },
	{ "The node", &cmd_top },
	{ "The node", &cmd_ps },
	{ "The node", &cmd_logs },
	{ "The node", &cmd_doctor },
	{ "Functions", &cmd_deploy },
	{ "Functions", &cmd_functions },
	{ "Functions", &cmd_undeploy },
	{ "Functions", &cmd_call },
	{ "Functions", &cmd_future },
	{ "Functions", &cmd_cancel },
	{ "Functions", &cmd_send },
	{ "Functions", &cmd_trace },
	{ "Functions", &cmd_explain },
	{ "Functions that call functions", &cmd_dag_add },
	{ "Functions that call functions", &cmd_dag_call },
	{ "Functions that call functions", &cmd_dag_show },
	{ "Functions that call functions", &cmd_dag_rm },
	{ "Functions that call functions", &cmd_dag_list },
	{ "State", &cmd_get },
	{ "State", &cmd_set },
	{ "State", &cmd_incr },
	{ "State", &cmd_sadd },
	{ "State", &cmd_members },
	{ "State", &cmd_srem },
	{ "State", &cmd_hset },
	{ "State", &cmd_hget },
	{ "State", &cmd_hincr },
	{ "State", &cmd_hdel },
	{ "State", &cmd_push },
	{ "State", &cmd_pop },
	{ "State", &cmd_zadd },
	{ "State", &cmd_zincr },
	{ "State", &cmd_zscore },
	{ "State", &cmd_zrem },
	{ "State", &cmd_zrange },
	{ "State", &cmd_zpop },
	{ "State", &cmd_merge },
	{ "State", &cmd_del },
	{ "State", &cmd_expire },
	{ "State", &cmd_keys },
	{ "Measuring", &cmd_bench },
};

const struct command *
command_at(size_t i, const char **ret_group)
{
	if (i >= ARRAY_CNT(table)) {
		return NULL;
	}
	if (ret_group != NULL) {
		*ret_group = table[i].group;
	}
	return table[i].command;
}

/* How many words of argv the name takes; 0 if they are not the name. */
static int
words_matched(const char *name, int argc, char *const *argv)
{
	const char *blank = strchr(name, ' ');
	size_t first = blank == NULL ? strlen(name) : (size_t)(blank - name);

	if (argc < 1 || strlen(argv[0]) != first || memcmp(argv[0], name, first) != 0) {
		return 0;
	}
	if (blank == NULL) {
		return 1;
	}
	return argc >= 2 && strcmp(argv[1], blank + 1) == 0 ? 2 : 0;
}

const struct command *
command_find(int argc, char *const *argv, int *ret_words)
{
	for (size_t i = 0; i < ARRAY_CNT(table); i++) {
		int words = words_matched(table[i].command->name, argc, argv);

		if (words > 0) {
			*ret_words = words;
			return table[i].command;
		}
	}
	return NULL;
}

/* How many letters one must change, add or drop to make b of a (at most 31 letters each). */
static unsigned
distance(const char *a, const char *b)
{
	uint8_t row[32];
	size_t b_len = strlen(b);

	if (strlen(a) > 31 || b_len > 31) {
		return UINT8_MAX;
	}
	for (size_t j = 0; j <= b_len; j++) {
		row[j] = (uint8_t)j;
	}
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		uint8_t diagonal = row[0];

		row[0] = (uint8_t)i;
		for (size_t j = 1; j <= b_len; j++) {
			uint8_t change = (uint8_t)(diagonal + (a[i - 1] != b[j - 1]));
			uint8_t shift = (uint8_t)(MIN(row[j], row[j - 1]) + 1);

			diagonal = row[j];
			row[j] = MIN(change, shift);
		}
	}
	return row[b_len];
}

const char *
command_nearest(const char *text)
{
	const char *best = NULL;
	unsigned best_distance = 3; /* three letters off is another word */

	for (size_t i = 0; i < ARRAY_CNT(table); i++) {
		unsigned d = distance(text, table[i].command->name);

		if (d < best_distance && 2 * d <= strlen(text)) { /* half of it other: no slip */
			best = table[i].command->name;
			best_distance = d;
		}
	}
	return best;
}

bool
command_menu(FILE *f, const char *family)
{
	const char *last = "";
	size_t len = family == NULL ? 0 : strlen(family);
	bool any = false;

	for (size_t i = 0; i < ARRAY_CNT(table); i++) {
		const struct command *c = table[i].command;

		if (family != NULL && (strncmp(c->name, family, len) != 0 || c->name[len] != ' ')) {
			continue;
		}
		if (strcmp(last, table[i].group) != 0) {
			last = table[i].group;
			fprintf(f, "%s%s:\n", any ? "\n" : "", last);
		}
		any = true;
		fprintf(f, "  %-10s  %s\n", c->name, c->summary);
	}
	return any;
}
