/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_dump - values as bytes, and back: DUMP, RESTORE */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_dump.h"
#include "gate_fold.h"
#include "timebase.h"

static const enum wset_kind write_kind[DUMP_KIND_CNT] = {
	[DUMP_STRING] = WSET_PUT,   [DUMP_LIST] = WSET_PUSH_RIGHT, [DUMP_SET] = WSET_SADD,
	[DUMP_HASH] = WSET_MAP_PUT, [DUMP_ZSET] = WSET_ZADD,       [DUMP_HLL] = WSET_MERGE,
};

static enum dump_kind
kind_of(int write)
{
	int kind = DUMP_STRING;

	while (kind < DUMP_KIND_CNT - 1 && (int)write_kind[kind] != write) {
		kind++;
	}
	return (enum dump_kind)kind;
}

/* The dump of the list, made behind it in c->keep. Returns: empty: there is no memory. */
static struct slice
list_dump(struct gate *g, struct gate_conn *c, enum dump_kind kind)
{
	/* An entry of the list is as long as one of a dump, or longer. */
	size_t bytes = DUMP_HEAD + c->keep_len + DUMP_TAIL;
	struct slice one;
	struct wbuf out;
	uint32_t at = 0;
	double score;

	if (!gate_conn_keep(g, c, c->keep_len + bytes)) {
		return slice_of(NULL, 0);
	}
	out = wbuf_init(c->keep + c->keep_len, bytes);
	dump_begin(&out, kind);
	while (gate_fold_next(c, &at, &score, &one)) {
		dump_entry(&out, kind, score, one);
	}
	dump_end(&out);
	ENSURE(!out.full, "%zu bytes", bytes);
	return wbuf_slice(&out);
}

/* The dump of a list of one entry, made around it. Returns: empty: there is no memory. */
static struct slice
one_dump(struct gate *g, struct gate_conn *c, enum dump_kind kind)
{
	const size_t head = DUMP_HEAD + sizeof(uint32_t);
	struct slice one;
	struct wbuf out;
	uint32_t at = 0;
	double score;

	if (!gate_conn_keep(g, c, c->keep_len + DUMP_TAIL)) {
		return slice_of(NULL, 0);
	}
	REQUIRE(gate_fold_next(c, &at, &score, &one) && at == c->keep_len);
	out = wbuf_init(c->keep + at - one.len - head, head + one.len + DUMP_TAIL);
	dump_begin(&out, kind);
	wbuf_u32(&out, (uint32_t)one.len);
	if (one.len != 0) {
		(void)wbuf_reserve(&out, one.len); /* it stands there */
	}
	dump_end(&out);
	ENSURE(!out.full, "%zu bytes", one.len);
	return wbuf_slice(&out);
}

int
cmd_dump(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct slice dump = { 0 };
	struct gate_walk now, *w;
	int n = gate_walk_open(g, c, arg[1], GATE_WALK_ANY, UINT32_MAX, &now, &w), kind;

	if (n == CACHE_ABSENT) {
		gate_null(g, c);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	kind = gate_fold_value(g, c, w);
	if (kind == MB_ERR_TRYAGAIN) {
		return gate_walk_wait(g, c);
	}
	gate_walk_close(g, c, w);
	if (kind > 0) {
		enum dump_kind as = kind_of(kind);

		dump = as == DUMP_STRING || as == DUMP_HLL ? one_dump(g, c, as)
							   : list_dump(g, c, as);
	}
	if (dump.len == 0) {
		return gate_error_of(g, c, kind < 0 ? kind : MB_ERR_NO_MEMORY);
	}
	gate_bulk_kept(g, c, dump);
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ RESTORE */

struct restore_options {
	bool replace, at_time;
	int64_t deadline_us; /* 0: never; < 0: it is over already */
};

/* Returns: whether the words are options; else it is answered. */
static bool
options(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	struct restore_options *ret)
{
	bool of_use[2] = { false, false }; /* one of them at most is told: FREQ, IDLETIME */
	int64_t n;

	for (uint32_t i = 4; i < arg_cnt; i++) {
		bool idle = gate_word_is(arg[i], "idletime");

		if (gate_word_is(arg[i], "replace")) {
			ret->replace = true;
		} else if (gate_word_is(arg[i], "absttl")) {
			ret->at_time = true;
		} else if ((idle || gate_word_is(arg[i], "freq")) && i + 1 < arg_cnt &&
			   !of_use[!idle]) {
			of_use[idle] = true;
			if (!gate_word_i64(arg[++i], &n)) { /* it is not kept */
				gate_error(g, c, "ERR value is not an integer or out of range");
				return false;
			}
			if (n < 0 || (!idle && n > 255)) {
				gate_error_f(g, c, "ERR Invalid %s value, must be >= 0%s",
					     idle ? "IDLETIME" : "FREQ", idle ? "" : " and <= 255");
				return false;
			}
		} else {
			gate_error(g, c, "ERR syntax error");
			return false;
		}
	}
	return true;
}

static bool
deadline(struct gate *g, struct gate_conn *c, struct slice word, struct restore_options *o)
{
	int64_t ms, us;

	if (!gate_word_i64(word, &ms)) {
		gate_error(g, c, "ERR value is not an integer or out of range");
		return false;
	}
	if (ms < 0) {
		gate_error(g, c, "ERR Invalid TTL value, must be >= 0");
		return false;
	}
	if (ms == 0) {
		return true;
	}
	if (!gate_deadline_word(word, false, !o->at_time, &us) || !gate_deadline_ok(us)) {
		gate_error(g, c, "ERR invalid expire time in 'restore' command");
		return false;
	}
	o->deadline_us = us > (int64_t)timebase_wall_us(timebase_real()) ? us : -1;
	return true;
}

/* Makes the list of what a dump says. Returns: 0; as dump_open; MB_ERR_NO_MEMORY. */
static int
dump_keep(struct gate *g, struct gate_conn *c, struct slice text, enum dump_kind *ret_kind)
{
	struct rbuf entries;
	struct slice one;
	double score;
	int err = dump_open(text, ret_kind, &entries);

	while (err == 0 && dump_next(&entries, *ret_kind, &score, &one)) {
		err = gate_fold_put(g, c, score, one) ? 0 : MB_ERR_NO_MEMORY;
	}
	return err;
}

/* c->acc is the kind of dump that stands in c->keep as a list, once it is decided that it is
 * written; c->total its deadline. */
int
cmd_restore(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct restore_options o = { 0 };
	enum dump_kind kind = DUMP_STRING;
	struct gate_fold_write w = { .key = arg[1], .replace = true, .reply = REC_OK };
	struct cache_value v;
	int err;

	if (c->acc == 0) {
		if (!options(g, c, arg, arg_cnt, &o)) {
			return GATE_DONE;
		}
		err = gate_look(g, c, arg[1], &v);
		if (err == CACHE_HIT && !o.replace) {
			gate_look_end(g, &v);
			return gate_error(g, c, "BUSYKEY Target key name already exists.");
		}
		if (err != CACHE_HIT && err != CACHE_ABSENT) {
			return gate_look_refuse(g, c, err);
		}
		gate_look_end(g, &v);
		if (!deadline(g, c, arg[2], &o)) {
			return GATE_DONE;
		}
		err = dump_keep(g, c, arg[3], &kind);
		if (err == MB_ERR_VERSION || err == MB_ERR_CORRUPT) {
			return gate_error(g, c,
					  err == MB_ERR_VERSION
						  ? "ERR DUMP payload version or checksum are wrong"
						  : "ERR Bad data format");
		}
		if (err != 0) {
			return gate_error_of(g, c, err);
		}
		if (o.deadline_us < 0) {
			c->keep_len = 0; /* only what was there goes */
			o.deadline_us = 0;
		}
		c->acc = (int64_t)kind;
		c->total = o.deadline_us;
	}
	w.kind = write_kind[c->acc];
	w.deadline_us = c->total;
	return gate_fold_write(g, c, &w);
}
