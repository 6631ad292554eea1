/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_key - commands on keys of any type, and on all keys */
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
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
	struct cache_value v;

	for (; c->step + 1 < arg_cnt; c->step++) {
		int n = gate_look(g, c, arg[c->step + 1], &v);

		if (n == CACHE_HIT) {
			gate_look_end(g, &v);
			c->acc++;
		} else if (n != CACHE_ABSENT && n != MB_ERR_INVALID) {
			return gate_look_refuse(g, c, n);
		}
	}
	gate_int(g, c, c->acc);
	return GATE_DONE;
}

static const char *
type_text(unsigned int type)
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
	struct cache_value v;
	int n = gate_look(g, c, arg[1], &v);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	gate_simple(g, c, n == CACHE_HIT ? type_text(v.type) : "none");
	gate_look_end(g, &v);
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ listings
 *
 * A listing is a walk over the store's keys in their order, page by page; the last key of a page
 * stands in c->keep, and the next begins behind it.
 */

/* Asks for the next page, or takes the one that came.
 * Returns: 1 with *ret_list, and whether more pages follow; GATE_WAIT as -1; an error else. */
static int
walk_page(struct gate *g, struct gate_conn *c, struct slice prefix, uint16_t limit,
	  struct slice *ret_list)
{
	int err;

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

static int
walk_refuse(struct gate *g, struct gate_conn *c, int err)
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

		err = walk_page(g, c, none, 0, &list);
		if (err != 1) {
			return walk_refuse(g, c, err);
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

int
cmd_keys(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct slice list, key, last = { 0 };
	uint8_t head[RESP_ITEM_MAX];
	struct wbuf w = wbuf_init(head, sizeof(head));
	int err;

	if (c->step == 0) {
		c->hole = gate_out_hole(g, c);
		c->quiet = true; /* nothing is sent before the head is known */
		c->step = 1;
	}
	do {
		struct rbuf r;

		err = walk_page(g, c, gate_match_prefix(arg[1]), 0, &list);
		if (err != 1) {
			return walk_refuse(g, c, err);
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
	resp_put_array(&w, (size_t)c->acc);
	gate_out_fill(g, c, c->hole, &w);
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
	for (;;) {
		struct rbuf r;
		uint32_t cnt = 0;

		err = walk_page(g, c, none, GATE_BATCH_OPS * 64, &list);
		if (err != 1) {
			return walk_refuse(g, c, err);
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

/* ---------------------------------------------------------------------------- SCAN
 *
 * A cursor of Redis is a number, ours is a key: the gate remembers the key for a number. What is
 * remembered longest goes first.
 */

static struct gate_cursor *
cursor_find(struct gate *g, uint64_t id)
{
	struct gate_cursor *k = &g->cursor[id % GATE_CURSOR_CNT];

	return k->id == id && k->key != NULL ? k : NULL;
}

static uint64_t
cursor_new(struct gate *g, struct slice key)
{
	uint64_t id = ++g->cursor_seq;
	struct gate_cursor *k = &g->cursor[id % GATE_CURSOR_CNT];

	if (k->key != NULL) {
		heap_free(g->heap, k->key, k->len);
	}
	k->key = heap_alloc(g->heap, key.len);
	if (k->key == NULL) {
		return 0;
	}
	memcpy(k->key, key.p, key.len);
	k->len = (uint16_t)key.len;
	k->id = id;
	return id;
}

struct scan_options {
	struct slice match, type;
	int64_t count;
};

static int
scan_options(const struct slice *arg, uint32_t arg_cnt, struct scan_options *ret)
{
	*ret = (struct scan_options){ .match = slice_of("*", 1), .count = 10 };
	for (uint32_t i = 2; i < arg_cnt; i += 2) {
		if (i + 1 == arg_cnt) {
			return MB_ERR_INVALID;
		}
		if (gate_word_is(arg[i], "match")) {
			ret->match = arg[i + 1];
		} else if (gate_word_is(arg[i], "type")) {
			ret->type = arg[i + 1];
		} else if (!gate_word_is(arg[i], "count") ||
			   !gate_word_i64(arg[i + 1], &ret->count) || ret->count < 1) {
			return MB_ERR_INVALID;
		}
	}
	return 0;
}

/* Whether a key is of a type: answered from the cache, MISS when it has to be brought. */
static int
is_of_type(struct gate *g, struct gate_conn *c, struct slice key, struct slice type)
{
	struct cache_value v;
	int n;

	if (type.len == 0) {
		return 1;
	}
	n = gate_look(g, c, key, &v);
	if (n == CACHE_HIT) {
		gate_look_end(g, &v);
		return gate_word_is(type, type_text(v.type));
	}
	return n == CACHE_MISS ? MB_ERR_TRYAGAIN : 0;
}

int
cmd_scan(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct slice list, key, last = { 0 };
	struct scan_options opt;
	struct gate_cursor *k;
	struct rbuf r;
	int64_t cursor;
	uint32_t hits = 0;
	uint64_t next;
	char text[24];
	int err;

	if (!gate_word_i64(arg[1], &cursor) || cursor < 0) {
		return gate_error(g, c, "ERR invalid cursor");
	}
	if (scan_options(arg, arg_cnt, &opt) != 0) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (c->step == 0 && cursor != 0) {
		k = cursor_find(g, (uint64_t)cursor);
		if (k == NULL) {
			return gate_error(g, c, "ERR invalid cursor");
		}
		if (!gate_conn_keep(g, c, k->len)) {
			return gate_error_of(g, c, MB_ERR_NO_MEMORY);
		}
		memcpy(c->keep, k->key, k->len);
		c->keep_len = k->len;
	}
	c->step = 1;
	err = walk_page(g, c, gate_match_prefix(opt.match), (uint16_t)MIN(opt.count, UINT16_MAX),
			&list);
	if (err != 1) {
		return walk_refuse(g, c, err);
	}
	for (r = rbuf_of(list); cache_scan_next(&r, &key) == 1; last = key) {
		err = gate_match(opt.match, key, false) ? is_of_type(g, c, key, opt.type) : 0;
		if (err < 0) {
			return GATE_WAIT;
		}
		hits += err > 0;
	}
	next = c->answer.sub != 0 && last.len != 0 ? cursor_new(g, last) : 0;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)next);
	gate_array(g, c, 2);
	gate_bulk_str(g, c, text);
	gate_array(g, c, hits);
	for (r = rbuf_of(list); cache_scan_next(&r, &key) == 1 && hits > 0;) {
		if (gate_match(opt.match, key, false) && is_of_type(g, c, key, opt.type) == 1) {
			gate_bulk(g, c, key);
			hits--;
		}
	}
	for (; hits > 0; hits--) { /* gone between the two looks */
		gate_bulk(g, c, slice_of("", 0));
	}
	gate_scan_end(g, c);
	return GATE_DONE;
}
