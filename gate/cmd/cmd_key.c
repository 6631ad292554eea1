/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_key - commands on keys of any type, and on all keys */
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_key.h"
#include "commands.h"
#include "gate_head.h"
#include "gate_track.h"
#include "lattice.h"
#include "timebase.h"

int
cmd_del(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_rec *rec = gate_write(g, c, REC_CHANGED);

	if (rec == NULL) {
		return GATE_WAIT;
	}
	for (; c->step + 1 < arg_cnt; c->step++) {
		struct wset_op op = { .kind = WSET_DEL, .key = arg[c->step + 1] };
		int err = gate_write_op(g, c, &op, 0);

		if (err == MB_ERR_FULL) {
			return GATE_WAIT;
		} /* any other: such a key cannot be there */
	}
	return gate_write_end(g, c);
}

int
cmd_exists(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_head head;
	int rc = gate_keys_bring(g, c, arg + 1, arg_cnt - 1);

	if (rc != 1) {
		return -1 - rc;
	}
	for (; c->step + 1 < arg_cnt; c->step++) {
		int n;

		if (gate_turn_over(g)) {
			return gate_turn_end(g, c);
		}
		n = gate_look_head(g, c, arg[c->step + 1], false, &head);
		if (n == CACHE_HIT) {
			c->acc++;
		} else if (n != CACHE_ABSENT && n != GATE_ERR_KEY) {
			return gate_look_refuse(g, c, n);
		}
	}
	gate_int(g, c, c->acc);
	return GATE_DONE;
}

const char *
gate_type_text(unsigned int type)
{
	switch (type) {
	case LATTICE_GSET:
	case LATTICE_ORSET:
		return "set";
	case LATTICE_MAP:
		return "hash";
	case LATTICE_LIST:
		return "list";
	case LATTICE_OSET:
		return "zset";
	default:
		return "string";
	}
}

int
cmd_type(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_head head;
	int n = gate_look_head(g, c, arg[1], false, &head);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	gate_simple(g, c, n == CACHE_HIT ? gate_type_text(head.type) : "none");
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ listings
 *
 * A listing is a walk over the store's keys in their order, page by page; the last key of a page
 * stands in c->keep, and the next begins behind it.
 */

int
gate_walk_page(struct gate *g, struct gate_conn *c, struct slice prefix, uint16_t limit,
	       struct slice *ret_list)
{
	int err;

	if (c->listing) { /* something else woke us: a write of before, acknowledged */
		return MB_ERR_TRYAGAIN;
	}
	if (!c->answered) {
		err = gate_scan(g, c, prefix, slice_of(c->keep, c->keep_len), limit);
		return err == 0 || err == MB_ERR_FULL ? MB_ERR_TRYAGAIN : err;
	}
	err = gate_scan_page(g, c, ret_list);
	if (err == MB_ERR_BUSY) { /* other listings have the cache's room for them */
		gate_scan_end(g, c);
		gate_conn_starve(g, c);
		return MB_ERR_TRYAGAIN;
	}
	return err == 0 ? 1 : err;
}

/* Goes on behind the last key of a page. Returns: whether there is more. */
static bool
walk_on(struct gate *g, struct gate_conn *c, struct slice last)
{
	bool more = c->answer.sub != 0 && last.len != 0 && last.len <= KEY_BYTES_MAX;

	if (more && gate_conn_keep(g, c, KEY_BYTES_MAX)) {
		memcpy(c->keep, last.p, last.len);
		c->keep_len = (uint32_t)last.len;
	} else {
		more = false;
	}
	gate_scan_end(g, c);
	return more;
}

int
gate_walk_refuse(struct gate *g, struct gate_conn *c, int err)
{
	if (err == MB_ERR_TRYAGAIN) {
		return GATE_WAIT;
	}
	gate_scan_end(g, c);
	return gate_error_of(g, c, err);
}

int
cmd_dbsize(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct slice list, key, last = { 0 }, none = { 0 };
	int err;

	do {
		struct rbuf r;

		err = gate_walk_page(g, c, none, 0, &list);
		if (err != 1) {
			return gate_walk_refuse(g, c, err);
		}
		r = rbuf_of(list);
		while (cache_scan_next(&r, &key) == 1) {
			c->acc++;
			last = key;
		}
	} while (walk_on(g, c, last));
	gate_int(g, c, c->acc);
	return GATE_DONE;
}

/* A key of all, each as likely: the one that is kept of each page goes for that of the next one by
 * chance. It stands in c->keep behind the place of the walk; c->total is its length, c->acc how
 * many keys are behind. */
int
cmd_randomkey(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct slice list, key, last = { 0 }, none = { 0 };
	int err;

	do {
		struct rbuf r;

		err = gate_walk_page(g, c, none, 0, &list);
		if (err != 1) {
			return gate_walk_refuse(g, c, err);
		}
		if (!gate_conn_keep(g, c, 2UL * KEY_BYTES_MAX)) {
			return gate_walk_refuse(g, c, MB_ERR_NO_MEMORY);
		}
		r = rbuf_of(list);
		while (cache_scan_next(&r, &key) == 1) {
			if (key.len <= KEY_BYTES_MAX &&
			    rng_below(&g->rng, (uint64_t)++c->acc) == 0) {
				memcpy(c->keep + KEY_BYTES_MAX, key.p, key.len);
				c->total = (int64_t)key.len;
			}
			last = key;
		}
	} while (walk_on(g, c, last));
	if (c->acc > 0) {
		gate_bulk(g, c, slice_of(c->keep + KEY_BYTES_MAX, (size_t)c->total));
	} else {
		gate_null(g, c);
	}
	return GATE_DONE;
}

int
cmd_keys(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct slice list, key, last = { 0 };
	int err;

	if (c->step == 0) {
		c->hole = gate_out_hole(g, c);
		c->quiet = true; /* nothing is sent before the head is known */
		c->step = 1;
	}
	do {
		struct rbuf r;

		err = gate_walk_page(g, c, gate_match_prefix(arg[1]), 0, &list);
		if (err != 1) {
			return gate_walk_refuse(g, c, err);
		}
		r = rbuf_of(list);
		while (cache_scan_next(&r, &key) == 1) {
			if (gate_match(arg[1], key, false)) {
				gate_bulk(g, c, key);
				c->acc++;
			}
			last = key;
		}
	} while (walk_on(g, c, last));
	gate_out_fill_array(g, c, c->hole, (size_t)c->acc);
	return GATE_DONE;
}

/* FLUSHALL deletes what it meets: what is written meanwhile may stay. */
int
cmd_flushall(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct slice list, key, last = { 0 }, none = { 0 };
	int err;

	if (arg_cnt > 2 ||
	    (arg_cnt == 2 && !gate_word_is(arg[1], "async") && !gate_word_is(arg[1], "sync"))) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (!c->answered && c->acc == 0) {
		c->acc = 1;
		gate_track_flush(g);
	}
	for (;;) {
		struct rbuf r;
		uint32_t cnt = 0;

		err = gate_walk_page(g, c, none, GATE_BATCH_OPS * 64, &list);
		if (err != 1) {
			return gate_walk_refuse(g, c, err);
		}
		r = rbuf_of(list);
		while (cache_scan_next(&r, &key) == 1) {
			struct wset_op op = { .kind = WSET_DEL, .key = key };

			if (cnt++ < c->step) {
				last = key;
				continue; /* of this page so many are on their way */
			}
			if (gate_write(g, c, REC_OK) == NULL ||
			    gate_write_op(g, c, &op, 0) == MB_ERR_FULL) {
				return GATE_WAIT;
			}
			c->step++;
			last = key;
		}
		c->step = 0;
		if (!walk_on(g, c, last)) {
			break;
		}
	}
	if (gate_write(g, c, REC_OK) == NULL) {
		return GATE_WAIT;
	}
	return gate_write_end(g, c);
}
