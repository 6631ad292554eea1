/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_expire - keys that end: deadlines set, read, taken away
 *
 * A deadline is a moment of the wall clock, in microseconds since 1970, kept beside the value. One
 * that has passed deletes.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_head.h"
#include "timebase.h"

#define DEADLINE_MAX ((INT64_C(1) << 52) - 1) /* what a clock of the store holds: 2112 */

bool
gate_deadline_word(struct slice word, bool seconds, bool from_now, int64_t *ret_us)
{
	int64_t unit = seconds ? (int64_t)US_PER_S : 1000;
	int64_t now = from_now ? (int64_t)timebase_wall_us(timebase_real()) : 0;
	int64_t n;

	if (!gate_word_i64(word, &n)) {
		return false;
	}
	*ret_us = n > DEADLINE_MAX / unit || (seconds && n < INT64_MIN / 1000) ? INT64_MAX
		  : n < -DEADLINE_MAX / unit                                   ? INT64_MIN / 2
									       : n * unit;
	*ret_us = *ret_us == INT64_MAX ? INT64_MAX : *ret_us + now;
	return true;
}

bool
gate_deadline_ok(int64_t us)
{
	return us <= DEADLINE_MAX;
}

/* ------------------------------------------------------------------------ setting */

enum expire_if { IF_NX = 1, IF_XX = 2, IF_GT = 4, IF_LT = 8 };

/* Returns: 0, or which word is none. */
static uint32_t
expire_options(const struct slice *arg, uint32_t arg_cnt, unsigned int *ret)
{
	*ret = 0;
	for (uint32_t i = 3; i < arg_cnt; i++) {
		if (gate_word_is(arg[i], "nx")) {
			*ret |= IF_NX;
		} else if (gate_word_is(arg[i], "xx")) {
			*ret |= IF_XX;
		} else if (gate_word_is(arg[i], "gt")) {
			*ret |= IF_GT;
		} else if (gate_word_is(arg[i], "lt")) {
			*ret |= IF_LT;
		} else {
			return i;
		}
	}
	return 0;
}

/* Whether a deadline may take the place of the one there is; 0: none, which is later than all. */
static bool
expire_allowed(unsigned int options, uint64_t there, uint64_t us)
{
	uint64_t old = there == 0 ? UINT64_MAX : there;

	return !((options & IF_NX) != 0 && there != 0) && !((options & IF_XX) != 0 && there == 0) &&
	       !((options & IF_GT) != 0 && us <= old) && !((options & IF_LT) != 0 && us >= old);
}

/* With a condition: only if what was looked at is still there. */
static int
expire_if(struct gate *g, struct gate_conn *c, struct wset_op *op, unsigned int options)
{
	struct cache_value v;
	uint64_t there;
	int n = gate_look(g, c, op->key, &v);

	if (n == CACHE_ABSENT) {
		gate_int(g, c, 0);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	there = gate_deadline_us(&v);
	gate_look_end(g, &v);
	if (!expire_allowed(options, there, (uint64_t)op->n)) {
		gate_int(g, c, 0);
		return GATE_DONE;
	}
	c->mark = gate_out_mark(c);
	c->mark.set = false;
	gate_int(g, c, 1);
	return gate_write_held(g, c, op, v.version);
}

/* Returns: whether the words behind the time are options; else it is answered what is wrong. */
static bool
options_ok(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	   unsigned int *ret)
{
	uint32_t wrong = expire_options(arg, arg_cnt, ret);

	if (wrong != 0) {
		gate_error_f(g, c, "ERR Unsupported option %.*s",
			     (int)MIN(arg[wrong].len, (size_t)128), (const char *)arg[wrong].p);
	} else if ((*ret & IF_NX) != 0 && *ret != IF_NX) {
		gate_error(g, c,
			   "ERR NX and XX, GT or LT options at the same time are not compatible");
	} else if ((*ret & (IF_GT | IF_LT)) == (IF_GT | IF_LT)) {
		gate_error(g, c, "ERR GT and LT options at the same time are not compatible");
	} else {
		return true;
	}
	return false;
}

static int
expire(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt, bool seconds,
       bool from_now)
{
	struct wset_op op = { .kind = WSET_EXPIRE, .key = arg[1] };
	bool fit = gate_deadline_word(arg[2], seconds, from_now, &op.n) && gate_deadline_ok(op.n);
	unsigned int options = 0;
	int64_t n;

	if ((!fit || arg_cnt > 3) && gate_run_before(c)) {
		return GATE_WAIT; /* no plain write, or an error */
	}
	if (arg_cnt > 3 && !options_ok(g, c, arg, arg_cnt, &options)) {
		return GATE_DONE;
	}
	if (!fit && !gate_word_i64(arg[2], &n)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (!fit) {
		return gate_error_f(g, c, "ERR invalid expire time in '%s' command",
				    c->command->name);
	}
	op.n = MAX(op.n, 1); /* passed is passed */
	if (arg_cnt == 3) {
		return gate_write_one(g, c, REC_CHANGED, &op);
	}
	return expire_if(g, c, &op, options);
}

int
cmd_expire(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return expire(g, c, arg, arg_cnt, true, true);
}

int
cmd_pexpire(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return expire(g, c, arg, arg_cnt, false, true);
}

int
cmd_expireat(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return expire(g, c, arg, arg_cnt, true, false);
}

int
cmd_pexpireat(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return expire(g, c, arg, arg_cnt, false, false);
}

int
cmd_persist(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct wset_op op = { .kind = WSET_EXPIRE, .key = arg[1] };

	return gate_write_one(g, c, REC_CHANGED, &op);
}

/* ------------------------------------------------------------------------ reading */

/* -2: no such key; -1: it never ends. Seconds are the nearest, as Redis's. */
static int
ttl(struct gate *g, struct gate_conn *c, struct slice key, bool seconds, bool from_now)
{
	struct gate_head head;
	int64_t us, unit = seconds ? (int64_t)US_PER_S : 1000;
	int n = gate_look_head(g, c, key, false, &head);

	if (n == CACHE_ABSENT) {
		gate_int(g, c, -2);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	us = (int64_t)head.deadline_us;
	if (us == 0) {
		gate_int(g, c, -1);
		return GATE_DONE;
	}
	if (from_now) {
		us = MAX(us - (int64_t)timebase_wall_us(timebase_real()), 0);
	}
	gate_int(g, c, (us + (from_now || seconds ? unit / 2 : 0)) / unit);
	return GATE_DONE;
}

int
cmd_ttl(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return ttl(g, c, arg[1], true, true);
}

int
cmd_pttl(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return ttl(g, c, arg[1], false, true);
}

int
cmd_expiretime(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return ttl(g, c, arg[1], true, false);
}

int
cmd_pexpiretime(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return ttl(g, c, arg[1], false, false);
}
