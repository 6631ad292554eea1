/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_watch - MONITOR, SLOWLOG, LATENCY: asking for what gate_watch.c keeps */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_many.h"

#define SLOW_SHOWN 10 /* if the client does not say */

int
cmd_monitor(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int rc;

	if (gate_multi_runs(c)) {
		return gate_error(g, c, "ERR MONITOR isn't allowed for DENY BLOCKING client");
	}
	if (c->monitor) {
		return GATE_DONE; /* without a word, as in Redis */
	}
	/* Who is elsewhere comes home before he says anything more. */
	if (gate_ask_all(g, c, gate_part_stay_home, UINT64_MAX, NULL, 0, &rc) == NULL) {
		return rc;
	}
	gate_ok(g, c);
	gate_monitor_set(g, c, true);
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ SLOWLOG */

static void
slow_reply(struct gate *g, struct gate_conn *c, const struct gate_slow *s)
{
	const uint8_t *p = s->text;

	gate_array(g, c, 6);
	gate_int(g, c, (int64_t)s->id);
	gate_int(g, c, (int64_t)s->at_s);
	gate_int(g, c, (int64_t)s->us);
	gate_array(g, c, s->word_cnt);
	for (uint32_t i = 0; i < s->word_cnt; i++) {
		uint32_t len;

		memcpy(&len, p, sizeof(len));
		gate_bulk(g, c, slice_of(p + sizeof(len), len));
		p += sizeof(len) + len;
	}
	gate_bulk_str(g, c, s->address);
	gate_bulk_str(g, c, s->name);
}

/* What was slow at a gate is home before its answer to this. */
static bool
part_nothing(struct gate *g, struct gate_ask *a)
{
	return true;
}

int
cmd_slowlog(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int64_t most = SLOW_SHOWN, cnt;
	int rc;

	if (gate_ask_all(g, c, part_nothing, 0, NULL, 0, &rc) == NULL) {
		return rc;
	}
	cnt = (int64_t)(g->slow_seq - g->slow_first);
	if (gate_word_is(arg[1], "len") && arg_cnt == 2) {
		gate_int(g, c, cnt);
		return GATE_DONE;
	}
	if (gate_word_is(arg[1], "reset") && arg_cnt == 2) {
		gate_slow_reset(g);
		gate_ok(g, c);
		return GATE_DONE;
	}
	if (!gate_word_is(arg[1], "get") || arg_cnt > 3) {
		return gate_sub_rest(g, c, arg);
	}
	if (arg_cnt == 3 && (!gate_word_i64(arg[2], &most) || most < -1)) {
		return gate_error(g, c, "ERR count should be greater than or equal to -1");
	}
	cnt = most < 0 ? cnt : MIN(most, cnt);
	gate_array(g, c, (size_t)cnt);
	for (uint64_t i = 0; i < (uint64_t)cnt; i++) {
		slow_reply(g, c, g->slow[(g->slow_seq - 1 - i) % GATE_SLOW_CNT]);
	}
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ LATENCY */

/* How many of a command's calls took no longer than each power of two of microseconds, as far as
 * that still grows. */
static void
histogram_reply(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		const struct gate_tally *tally)
{
	const struct gate_stat *stat = &tally->stat[gate_command_idx(cmd)];
	uint64_t all = 0, sum = 0;
	uint32_t rows = 0;

	for (uint32_t i = 0; i < GATE_LATENCY_CNT; i++) {
		all += stat->latency[i];
		rows += stat->latency[i] != 0;
	}
	gate_bulk_str(g, c, cmd->name);
	gate_map(g, c, 2);
	gate_bulk_str(g, c, "calls");
	gate_int(g, c, (int64_t)all);
	gate_bulk_str(g, c, "histogram_usec");
	gate_map(g, c, rows);
	for (uint32_t i = 0; i < GATE_LATENCY_CNT; i++) {
		sum += stat->latency[i];
		if (stat->latency[i] != 0) {
			gate_int(g, c, INT64_C(1) << i);
			gate_int(g, c, (int64_t)sum);
		}
	}
}

static bool
was_timed(const struct gate_command *cmd, const struct gate_tally *tally)
{
	const struct gate_stat *stat = &tally->stat[gate_command_idx(cmd)];
	uint64_t any = 0;

	for (uint32_t i = 0; i < GATE_LATENCY_CNT; i++) {
		any |= stat->latency[i];
	}
	return any != 0;
}

/* A command, and the subcommands of a container, as far as they were timed; say: they are shown.
 * Returns: how many. */
static uint32_t
family_reply(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
	     const struct gate_tally *tally, bool say)
{
	uint32_t first = 0, sub_cnt = gate_command_subs(cmd, &first), cnt = 0;

	for (uint32_t i = 0; i < 1 + sub_cnt; i++) {
		const struct gate_command *one = i == 0 ? cmd : gate_command_at(first + i - 1);

		if (was_timed(one, tally)) {
			cnt++;
			if (say) {
				histogram_reply(g, c, one, tally);
			}
		}
	}
	return cnt;
}

/* The same of all that are named; none is: of all. */
static uint32_t
families_reply(struct gate *g, struct gate_conn *c, const struct gate_ask *a, bool say)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < a->arg_cnt; i++) {
		const struct gate_command *cmd = gate_command_named(a->arg[i]);

		cnt += cmd != NULL ? family_reply(g, c, cmd, &a->tally, say) : 0;
	}
	for (uint32_t i = 0; a->arg_cnt == 0 && i < gate_command_top_cnt(); i++) {
		cnt += family_reply(g, c, gate_command_at(i), &a->tally, say);
	}
	return cnt;
}

static int
histograms(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	const struct gate_ask *a;
	int rc;

	a = gate_ask_all(g, c, gate_part_tally, 0, arg + 2, arg_cnt - 2, &rc);
	if (a == NULL) {
		return rc;
	}
	gate_map(g, c, families_reply(g, c, a, false));
	families_reply(g, c, a, true);
	return GATE_DONE;
}

/* LATENCY's other half, events of the server that took long, has no like here: nothing in the gate
 * stops the world. */
int
cmd_latency(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (gate_word_is(arg[1], "histogram")) {
		return histograms(g, c, arg, arg_cnt);
	}
	if (gate_word_is(arg[1], "latest") && arg_cnt == 2) {
		gate_array(g, c, 0);
		return GATE_DONE;
	}
	if (gate_word_is(arg[1], "history") && arg_cnt == 3) {
		gate_array(g, c, 0);
		return GATE_DONE;
	}
	if (gate_word_is(arg[1], "graph") && arg_cnt == 3) {
		return gate_error_f(g, c, "ERR No samples available for event '%.*s'",
				    (int)MIN(arg[2].len, (size_t)64), (const char *)arg[2].p);
	}
	if (gate_word_is(arg[1], "doctor") && arg_cnt == 2) {
		gate_text_str(g, c,
			      "There are no events here that stop the server: LATENCY HISTOGRAM "
			      "tells how long commands take, SLOWLOG GET which were slow.");
		return GATE_DONE;
	}
	if (gate_word_is(arg[1], "reset")) {
		gate_int(g, c, 0);
		return GATE_DONE;
	}
	return gate_sub_rest(g, c, arg);
}
