/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_config - CONFIG: parameters, as Redis names them, and what is counted
 *
 * Most are the node's, and stand from its start. Those that concern the gates alone, and take no
 * memory beyond what was taken then, clients may set while it runs: to restart a node for one of
 * them would be to lose what it stores. The node's parameters are where it begins again.
 *
 *   C1  A CONFIG SET does all that it says, or, if anything of it is refused, nothing: all is
 *       looked at first, and what is set then cannot fail.
 *   C2  What is as it is to be, is: who says the value that a parameter of the node's has is not
 *       refused. Scripts that say what they expect run.
 *   C3  Each gate is asked, and has its own copy: no gate reads another one's memory.
 */
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_conn.h"
#include "gate_many.h"
#include "timebase.h"

#define CONFIG_CNT  16
#define NUMBER_TEXT 24
#define WHY_BYTES   96
#define SLOW_US_MAX (INT64_C(3600) * US_PER_S) /* as of gate.slowlog */
#define IDLE_S_MAX  (INT64_C(8760) * 3600)     /* as of gate.idle */

struct config_row {
	const char *name;
	const char *value;
	char number[NUMBER_TEXT];
	void (*set)(struct gate *g, int64_t n); /* NULL: the node's */
	int64_t min, max;
};

struct config {
	struct config_row row[CONFIG_CNT];
	uint32_t cnt;
};

/* ------------------------------------------------------------------------ parameters */

static void
maxclients_set(struct gate *g, int64_t n)
{
	g->client_max = (uint32_t)n;
}

static void
slower_set(struct gate *g, int64_t n)
{
	gate_slow_from(g, n < 0 ? GATE_SLOW_NONE : (uint64_t)n * NS_PER_US);
}

static void
slow_len_set(struct gate *g, int64_t n)
{
	gate_slow_keep(g, (uint32_t)n);
}

static void
timeout_set(struct gate *g, int64_t n)
{
	g->cfg.idle_ns = (uint64_t)n * NS_PER_S;
}

static struct config_row *
text_row(struct config *k, const char *name, const char *value)
{
	struct config_row *row = &k->row[k->cnt++];

	INSIST(k->cnt <= CONFIG_CNT);
	row->name = name;
	row->value = value;
	row->set = NULL;
	return row;
}

static struct config_row *
number_row(struct config *k, const char *name, int64_t n)
{
	struct config_row *row = text_row(k, name, NULL);

	snprintf(row->number, sizeof(row->number), "%lld", (long long)n);
	row->value = row->number;
	return row;
}

static void
set_row(struct config *k, const char *name, int64_t n, int64_t min, int64_t max,
	void (*set)(struct gate *g, int64_t n))
{
	struct config_row *row = number_row(k, name, n);

	row->set = set;
	row->min = min;
	row->max = max;
}

/* What clients ask for, in the order of names. */
static void
config_fill(const struct gate *g, struct config *k)
{
	uint64_t slow_ns = g->cfg.slowlog_ns;

	k->cnt = 0;
	text_row(k, "appendonly", "no");
	text_row(k, "databases", "1");
	set_row(k, "maxclients", g->client_max, 1, g->cfg.conn_max, maxclients_set);
	number_row(k, "maxmemory", (int64_t)g->cfg.store_bytes);
	text_row(k, "maxmemory-policy", "noeviction");
	text_row(k, "notify-keyspace-events", "");
	number_row(k, "port", g->port);
	number_row(k, "proto-max-bulk-len", RESP_BULK_MAX);
	text_row(k, "protected-mode", g->cfg.protected_mode ? "yes" : "no");
	text_row(k, "save", "");
	set_row(k, "slowlog-log-slower-than",
		slow_ns == GATE_SLOW_NONE ? -1 : (int64_t)(slow_ns / NS_PER_US), -1, SLOW_US_MAX,
		slower_set);
	set_row(k, "slowlog-max-len", g->slow_max, 0, GATE_SLOW_CNT, slow_len_set);
	set_row(k, "timeout", (int64_t)(g->cfg.idle_ns / NS_PER_S), 0, IDLE_S_MAX, timeout_set);
	text_row(k, "unixsocket", g->cfg.socket);
}

static const struct config_row *
config_find(const struct config *k, struct slice name)
{
	for (uint32_t i = 0; i < k->cnt; i++) {
		if (gate_word_is(name, k->row[i].name)) {
			return &k->row[i];
		}
	}
	return NULL;
}

/* ------------------------------------------------------------------------ GET */

static int
config_get(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct config k;
	uint32_t hits = 0;
	bool hit[CONFIG_CNT] = { false };

	config_fill(g, &k);
	for (uint32_t i = 0; i < k.cnt; i++) {
		struct slice name = slice_of(k.row[i].name, strlen(k.row[i].name));

		for (uint32_t n = 2; n < arg_cnt; n++) {
			hit[i] |= gate_match(arg[n], name, true);
		}
		hits += hit[i];
	}
	gate_map(g, c, hits);
	for (uint32_t i = 0; i < k.cnt; i++) {
		if (hit[i]) {
			gate_bulk_str(g, c, k.row[i].name);
			gate_bulk_str(g, c, k.row[i].value);
		}
	}
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ SET */

/* Returns: what is wrong with the name at arg[at]; NULL: nothing. seen: those before, by row. */
static const char *
name_wrong(const struct config *k, const struct slice *arg, uint32_t at, bool seen[CONFIG_CNT])
{
	const struct config_row *row = config_find(k, arg[at]);

	if (row == NULL || (row->set == NULL && !gate_word_is(arg[at + 1], row->value))) { /* C2 */
		return "the configuration is the node's: see microburst up --help";
	}
	if (seen[row - k->row]) {
		return "duplicate parameter";
	}
	seen[row - k->row] = true;
	return NULL;
}

/* The same of the value behind a name that is right. */
static const char *
value_wrong(const struct config *k, const struct slice *arg, uint32_t at, char ret[WHY_BYTES])
{
	const struct config_row *row = config_find(k, arg[at]);
	int64_t n;

	if (row->set == NULL) {
		return NULL;
	}
	if (!gate_word_i64(arg[at + 1], &n)) {
		return "argument couldn't be parsed into an integer";
	}
	if (n < row->min || n > row->max) {
		snprintf(ret, WHY_BYTES, "argument must be between %lld and %lld inclusive",
			 (long long)row->min, (long long)row->max);
		return ret;
	}
	return NULL;
}

/* C1. Names first, as in Redis: whoever repeats one hears of that. Returns: as value_wrong, and
 * where. As each name may stand once, the words of a refused command are not looked at for long. */
static const char *
set_wrong(const struct config *k, const struct slice *arg, uint32_t arg_cnt, uint32_t *ret_at,
	  char ret[WHY_BYTES])
{
	bool seen[CONFIG_CNT] = { false };
	const char *wrong = NULL;

	for (*ret_at = 2; *ret_at < arg_cnt; *ret_at += 2) {
		wrong = name_wrong(k, arg, *ret_at, seen);
		if (wrong != NULL) {
			return wrong;
		}
	}
	for (*ret_at = 2; *ret_at < arg_cnt; *ret_at += 2) {
		wrong = value_wrong(k, arg, *ret_at, ret);
		if (wrong != NULL) {
			return wrong;
		}
	}
	return NULL;
}

static bool
part_set(struct gate *g, struct gate_ask *a)
{
	struct config k;
	int64_t n;

	config_fill(g, &k);
	for (uint32_t i = 2; i < a->arg_cnt; i += 2) {
		const struct config_row *row = config_find(&k, a->arg[i]);

		if (row != NULL && row->set != NULL && gate_word_i64(a->arg[i + 1], &n)) {
			row->set(g, n);
		}
	}
	return true;
}

static int
config_set(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct config k;
	char why[WHY_BYTES];
	const char *wrong;
	uint32_t at;
	int rc;

	if (arg_cnt % 2 != 0) {
		return gate_error(g, c, "ERR syntax error");
	}
	config_fill(g, &k);
	wrong = set_wrong(&k, arg, arg_cnt, &at, why);
	if (wrong != NULL) {
		return gate_error_f(g, c,
				    "ERR CONFIG SET failed (possibly related to argument '%.*s') "
				    "- %s",
				    (int)MIN(arg[at].len, (size_t)64), (const char *)arg[at].p,
				    wrong);
	}
	if (gate_ask_all(g, c, part_set, 0, arg, arg_cnt, &rc) == NULL) {
		return rc;
	}
	gate_ok(g, c);
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ the rest */

static bool
part_resetstat(struct gate *g, struct gate_ask *a)
{
	memset(g->tally.stat, 0, sizeof(g->tally.stat));
	memset(g->tally.error, 0, sizeof(g->tally.error));
	gate_count_expired(g);
	g->tally.reset = g->tally.total; /* the node's metrics go on */
	return true;
}

static int
config_resetstat(struct gate *g, struct gate_conn *c)
{
	int rc;

	if (gate_ask_all(g, c, part_resetstat, 0, NULL, 0, &rc) == NULL) {
		return rc;
	}
	gate_ok(g, c);
	return GATE_DONE;
}

int
cmd_config(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (gate_word_is(arg[1], "get") && arg_cnt >= 3) {
		return config_get(g, c, arg, arg_cnt);
	}
	if (gate_word_is(arg[1], "set") && arg_cnt >= 4) {
		return config_set(g, c, arg, arg_cnt);
	}
	if (gate_word_is(arg[1], "resetstat") && arg_cnt == 2) {
		return config_resetstat(g, c);
	}
	if (gate_word_is(arg[1], "rewrite") && arg_cnt == 2) {
		return gate_error(g, c,
				  "ERR the configuration is the node's: see microburst up --help");
	}
	return gate_sub_rest(g, c, arg);
}
