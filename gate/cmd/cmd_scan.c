/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_scan - SCAN, SSCAN, HSCAN, ZSCAN: walks that a client makes in steps of its own */
#include <stdio.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "cmd_key.h"
#include "commands.h"
#include "gate_head.h"
#include "gate_memory.h"
#include "lattice.h"
#include "map.h"
#include "oset.h"
#include "gate_walk.h"
#include "view.h"

#define SCAN_COUNT 10  /* if the client does not say */
#define SCAN_WHOLE 128 /* a collection of up to so many members is shown at once */

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

static void
cursor_forget(struct gate *g, struct gate_cursor *k)
{
	if (k->key != NULL) {
		heap_free(g->heap, k->key, k->len);
		k->key = NULL;
	}
}

/* Returns: its number; 0: there is no memory, and no reply, which would say that all is shown. */
static uint64_t
cursor_new(struct gate *g, struct gate_conn *c, struct slice key)
{
	uint8_t *p = heap_alloc(g->heap, key.len);
	struct gate_cursor *k;
	uint64_t id;

	for (uint64_t i = 1; p == NULL && i <= GATE_CURSOR_CNT; i++) {
		cursor_forget(g, &g->cursor[(g->cursor_seq + i) % GATE_CURSOR_CNT]);
		p = heap_alloc(g->heap, key.len);
	}
	if (p == NULL) {
		gate_memory_unfit(c, gate_memory_held(c) + key.len);
		return 0;
	}
	memcpy(p, key.p, key.len);
	id = ++g->cursor_seq;
	k = &g->cursor[id % GATE_CURSOR_CNT];
	cursor_forget(g, k);
	k->key = p;
	k->len = (uint16_t)key.len;
	k->id = id;
	return id;
}

struct scan_options {
	struct slice match, type;
	int64_t count;
};

/* Returns: what is wrong; NULL: nothing. */
static const char *
scan_options(const struct slice *arg, uint32_t arg_cnt, uint32_t at, struct scan_options *ret)
{
	*ret = (struct scan_options){ .match = slice_of("*", 1), .count = SCAN_COUNT };
	for (uint32_t i = at; i < arg_cnt; i += 2) {
		if (i + 1 == arg_cnt) {
			return "ERR syntax error";
		}
		if (gate_word_is(arg[i], "match")) {
			ret->match = arg[i + 1];
		} else if (at == 2 && gate_word_is(arg[i], "type")) {
			ret->type = arg[i + 1];
		} else if (!gate_word_is(arg[i], "count")) {
			return "ERR syntax error";
		} else if (!gate_word_i64(arg[i + 1], &ret->count)) {
			return "ERR value is not an integer or out of range";
		} else if (ret->count < 1) {
			return "ERR syntax error";
		}
	}
	return NULL;
}

/* Whether a key is of a type: answered from the cache, MISS when it has to be brought. */
static int
is_of_type(struct gate *g, struct gate_conn *c, struct slice key, struct slice type)
{
	struct gate_head head;
	int n;

	if (type.len == 0) {
		return 1;
	}
	n = gate_look_head(g, c, key, false, &head);
	if (n == CACHE_HIT) {
		return gate_word_is(type, gate_type_text(head.type));
	}
	return n == CACHE_MISS ? MB_ERR_TRYAGAIN : 0;
}

/* Notes which keys of a page are to be shown, in c->keep behind the place of the walk. c->step
 * counts those that are noted, + 1: none is looked at twice, as what it took to look at one may
 * have pushed others out of the cache. Returns: whether all are. */
static bool
page_note(struct gate *g, struct gate_conn *c, const struct scan_options *opt, struct slice list)
{
	struct rbuf r = rbuf_of(list);
	uint32_t at = 0;
	struct slice key;

	for (; cache_scan_next(&r, &key) == 1; at++) {
		uint8_t *bits = c->keep + KEY_BYTES_MAX + at / 8;
		int is = 0;

		REQUIRE(at < GATE_TURN); /* as was asked for */
		if (at + 1 < c->step) {
			continue;
		}
		if (gate_match(opt->match, key, false)) {
			is = is_of_type(g, c, key, opt->type);
		}
		if (is < 0) {
			return false;
		}
		*bits = (uint8_t)((at % 8 == 0 ? 0 : *bits) | is << at % 8);
		c->acc += is;
		c->step++;
	}
	return true;
}

/* Shows them. */
static void
page_show(struct gate *g, struct gate_conn *c, struct slice list)
{
	struct rbuf r = rbuf_of(list);
	struct slice key;

	for (uint32_t at = 0; cache_scan_next(&r, &key) == 1; at++) {
		if ((c->keep[KEY_BYTES_MAX + at / 8] >> at % 8 & 1) != 0) {
			gate_bulk(g, c, key);
		}
	}
}

int
cmd_scan(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct slice list, key, last = { 0 };
	struct scan_options opt;
	struct gate_cursor *k;
	struct rbuf r;
	int64_t cursor;
	uint64_t next;
	const char *wrong;
	char text[24];
	int err;

	if (!gate_word_i64(arg[1], &cursor) || cursor < 0) {
		return gate_error(g, c, "ERR invalid cursor");
	}
	wrong = scan_options(arg, arg_cnt, 2, &opt);
	if (wrong != NULL) {
		return gate_error(g, c, wrong);
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
	c->step = MAX(c->step, 1u);
	err = gate_walk_page(g, c, gate_match_prefix(opt.match),
			     (uint16_t)MIN(opt.count, GATE_TURN), &list);
	if (err != 1) {
		return gate_walk_refuse(g, c, err);
	}
	if (!gate_conn_keep(g, c, KEY_BYTES_MAX + GATE_TURN / 8)) {
		return gate_walk_refuse(g, c, MB_ERR_NO_MEMORY);
	}
	if (!page_note(g, c, &opt, list)) {
		return GATE_WAIT;
	}
	for (r = rbuf_of(list); cache_scan_next(&r, &key) == 1;) {
		last = key;
	}
	next = c->answer.sub != 0 && last.len != 0 ? cursor_new(g, c, last) : 0;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)next);
	gate_array(g, c, 2);
	gate_bulk_str(g, c, text);
	gate_array(g, c, (size_t)c->acc);
	page_show(g, c, list);
	gate_scan_end(g, c);
	return GATE_DONE;
}

/* ------------------------------------------------------------- members of collections
 *
 * The same with the members of one key: a cursor is the last one that was shown. Members that are
 * there from the first step to the last are shown once. A step is a turn at most, whatever COUNT
 * says.
 */

/* What an item of a collection shows: one word, or two. */
static bool
item_next(const struct cache_value *v, struct table_walk *walk, char buf[RESP_ITEM_MAX],
	  struct slice *ret_name, struct slice *ret_second)
{
	struct map_field f;
	struct slice value;
	unsigned int type;
	double score;

	if (v->type == LATTICE_OSET) {
		if (!oset_next(v->state, walk, ret_name, &score)) {
			return false;
		}
		*ret_second = slice_of(buf, resp_double_text(score, buf));
		return true;
	}
	if (v->type != LATTICE_MAP) {
		return view_set_next(v->type, v->state, walk, ret_name);
	}
	if (!map_next(v->state, walk, &f)) {
		return false;
	}
	*ret_name = f.key;
	if (!map_field_value(&f, &type, &value) || view_text(type, value, buf, ret_second) != 0) {
		*ret_second = slice_of("", 0); /* what cannot be shown is shown empty */
	}
	return true;
}

/* Shows members from the walk's place on. Returns: the last one that was looked at; len 0: all have
 * been. */
static struct slice
members_show(struct gate *g, struct gate_conn *c, const struct cache_value *v,
	     struct table_walk walk, const struct scan_options *opt)
{
	int64_t most =
		view_cnt(v->type, v->state) <= SCAN_WHOLE ? INT64_MAX : MIN(opt->count, GATE_TURN);
	size_t before = c->out.bytes;
	bool two = v->type == LATTICE_OSET || v->type == LATTICE_MAP;
	struct slice name, second;
	char buf[RESP_ITEM_MAX];

	/* A cursor has room for a key; a longer member is shown, and one more looked at. */
	for (int64_t i = 1; item_next(v, &walk, buf, &name, &second); i++) {
		if (gate_match(opt->match, name, false)) {
			gate_bulk(g, c, name);
			if (two) {
				gate_bulk(g, c, second);
			}
			c->acc += two ? 2 : 1;
		}
		if ((i >= most || c->out.bytes - before > GATE_WALK_BYTES) && name.len > 0 &&
		    name.len <= KEY_BYTES_MAX) {
			return name;
		}
	}
	return slice_of("", 0);
}

static int
members_scan(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	     unsigned int type)
{
	struct slice from = { 0 }, last = { 0 };
	struct gate_chunk *head, *list;
	struct table_walk walk = { 0 };
	uint8_t mem[RESP_ITEM_MAX];
	struct scan_options opt;
	struct cache_value v;
	struct gate_cursor *k;
	struct wbuf w = wbuf_init(mem, sizeof(mem));
	int64_t cursor;
	const char *wrong;
	char text[24];
	int n;

	if (!gate_word_i64(arg[2], &cursor) || cursor < 0) {
		return gate_error(g, c, "ERR invalid cursor");
	}
	n = gate_look_as(g, c, arg[1], type, &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	wrong = n == CACHE_HIT ? scan_options(arg, arg_cnt, 3, &opt) : NULL;
	if (wrong == NULL && n == CACHE_HIT && cursor != 0) {
		k = cursor_find(g, (uint64_t)cursor);
		wrong = k == NULL ? "ERR invalid cursor" : NULL;
		from = k != NULL ? slice_of(k->key, k->len) : from;
	}
	if (wrong != NULL) { /* of what is there */
		gate_look_end(g, &v);
		return gate_error(g, c, wrong);
	}
	gate_array(g, c, 2);
	head = gate_out_hole(g, c);
	list = gate_out_hole(g, c);
	c->acc = 0;
	if (n == CACHE_HIT) {
		(void)view_seek(v.type, v.state, from, true, &walk);
		last = members_show(g, c, &v, walk, &opt);
	}
	snprintf(text, sizeof(text), "%llu",
		 (unsigned long long)(last.len != 0 ? cursor_new(g, c, last) : 0));
	gate_look_end(g, &v);
	resp_put_bulk(&w, slice_of(text, strlen(text)));
	gate_out_fill(g, c, head, &w);
	gate_out_fill_array(g, c, list, (size_t)c->acc);
	return GATE_DONE;
}

int
cmd_sscan(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return members_scan(g, c, arg, arg_cnt, LATTICE_ORSET);
}

int
cmd_hscan(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return members_scan(g, c, arg, arg_cnt, LATTICE_MAP);
}

int
cmd_zscan(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return members_scan(g, c, arg, arg_cnt, LATTICE_OSET);
}
