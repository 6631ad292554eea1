/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_sort - SORT, SORT_RO: the items of a list or a set, in the order of numbers or of texts
 *
 * The command goes from phase to phase (c->acc). What it has stands in c->keep as lists
 * (gate_fold.h), one behind the other: so it can wait for keys in the middle of one.
 *
 *	ITEMS    nothing is there
 *	WEIGHTS  items | weights   c->total: where the weights begin; c->step: the next item that
 *	                           has none; c->part: of what. One that is absent scores 1, else 0
 *	VALUES   chosen | values   the same, of what is to be shown of the items that were chosen;
 *	                           c->part: which of the item's patterns is next
 *	WRITE    values            they are shown, or go to the key of STORE; c->total: how many
 *
 * Each phase goes on in turns. c->total_next is how many items were chosen.
 *
 * The items are those of one moment; each key that a pattern names is looked at in a moment of its
 * own.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_fold.h"
#include "lattice.h"
#include "map.h"
#include "view.h"

enum sort_phase { SORT_ITEMS = 0, SORT_WEIGHTS, SORT_VALUES, SORT_WRITE };
enum sort_of { OF_LIST = 0, OF_SET, OF_ZSET };

#define ABSENT_SCORE 1.0

struct sort {
	struct slice by, store; /* p NULL: none */
	bool as_it_is;          /* BY a pattern that names no key: in no order */
	bool down, text;
	int64_t from, cnt; /* cnt < 0: all */
	uint32_t get_cnt;
	const struct slice *arg;
	uint32_t arg_cnt;
};

struct sort_item {
	double number;
	struct slice weight; /* p NULL: absent */
	struct slice item;
};

/* ------------------------------------------------------------------------ words */

static bool
has_star(struct slice pattern)
{
	return pattern.len != 0 && memchr(pattern.p, '*', pattern.len) != NULL;
}

/* Patterns reach any key: only who may read all of them. */
static bool
pattern_ok(struct gate *g, struct gate_conn *c, const char *option)
{
	if (c->user->acl.full || acl_keys_all(&c->user->acl, ACL_READ)) {
		return true;
	}
	gate_error_f(g, c, "ERR %s option of SORT denied due to insufficient ACL permissions",
		     option);
	return false;
}

/* Returns: whether the words are options; else it is answered. */
static bool
options(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	bool only_read, struct sort *ret)
{
	*ret = (struct sort){ .cnt = -1, .arg = arg, .arg_cnt = arg_cnt };
	for (uint32_t i = 2; i < arg_cnt; i++) {
		uint32_t left = arg_cnt - 1 - i;

		if (gate_word_is(arg[i], "asc") || gate_word_is(arg[i], "desc")) {
			ret->down = gate_word_is(arg[i], "desc");
		} else if (gate_word_is(arg[i], "alpha")) {
			ret->text = true;
		} else if (gate_word_is(arg[i], "limit") && left >= 2) {
			if (!gate_word_i64(arg[i + 1], &ret->from) ||
			    !gate_word_i64(arg[i + 2], &ret->cnt)) {
				gate_error(g, c, "ERR value is not an integer or out of range");
				return false;
			}
			i += 2;
		} else if (gate_word_is(arg[i], "store") && left >= 1 && !only_read) {
			ret->store = arg[++i];
			if (!gate_key_may(g, c, ret->store, ACL_WRITE)) {
				return false;
			}
		} else if (gate_word_is(arg[i], "by") && left >= 1) {
			ret->by = arg[++i];
			ret->as_it_is = !has_star(ret->by);
			if (!ret->as_it_is && !pattern_ok(g, c, "BY")) {
				return false;
			}
		} else if (gate_word_is(arg[i], "get") && left >= 1) {
			if (!pattern_ok(g, c, "GET")) {
				return false;
			}
			ret->get_cnt++;
			i++;
		} else {
			gate_error(g, c, "ERR syntax error");
			return false;
		}
	}
	return true;
}

/* The pattern of a GET, counted from 0. The words were looked at already. */
static struct slice
get_pattern(const struct sort *s, uint32_t which)
{
	for (uint32_t i = 2; i + 1 < s->arg_cnt; i++) {
		if (gate_word_is(s->arg[i], "limit")) {
			i += 2;
		} else if (gate_word_is(s->arg[i], "store") || gate_word_is(s->arg[i], "by")) {
			i++;
		} else if (gate_word_is(s->arg[i], "get")) {
			i++;
			if (which-- == 0) {
				return s->arg[i];
			}
		}
	}
	return slice_of("#", 1); /* without any, the item itself */
}

/* ------------------------------------------------------------------------ patterns */

/* The key, and field, that a pattern names for an item. The star is the item; behind "->" stands a
 * field. Returns: false: such a key cannot be there. */
static bool
pattern_key(struct slice pattern, struct slice item, uint8_t mem[KEY_BYTES_MAX],
	    struct slice *ret_key, struct slice *ret_field)
{
	const uint8_t *star = memchr(pattern.p, '*', pattern.len);
	size_t before = (size_t)(star - pattern.p), behind = pattern.len - before - 1;
	const uint8_t *arrow = memmem(star + 1, behind, "->", 2);

	*ret_field = slice_of(NULL, 0);
	if (arrow != NULL && arrow + 2 < pattern.p + pattern.len) {
		*ret_field = slice_of(arrow + 2, (size_t)(pattern.p + pattern.len - arrow - 2));
		behind = (size_t)(arrow - star - 1);
	}
	if (before + item.len + behind > KEY_BYTES_MAX) {
		return false;
	}
	memcpy(mem, pattern.p, before);
	if (item.len != 0) {
		memcpy(mem + before, item.p, item.len);
	}
	memcpy(mem + before + item.len, star + 1, behind);
	*ret_key = slice_of(mem, before + item.len + behind);
	return true;
}

static bool
shown_text(const struct cache_value *v, struct slice field, char buf[VIEW_TEXT_MAX],
	   struct slice *ret)
{
	struct slice value = v->state;
	unsigned int type = v->type;
	struct map_field f;

	if (field.p == NULL) {
		return view_text(type, value, buf, ret) == 0;
	}
	return type == LATTICE_MAP && map_get(v->state, field, &f) &&
	       map_field_value(&f, &type, &value) && view_text(type, value, buf, ret) == 0;
}

/* Puts what a pattern stands for behind the lists, in the score whether it is absent. item points
 * into c->keep, which may move. Returns: CACHE_HIT; as gate_look. */
static int
pattern_put(struct gate *g, struct gate_conn *c, struct slice pattern, uint32_t item_at)
{
	struct slice key, field, text = slice_of("", 0), item;
	uint8_t mem[KEY_BYTES_MAX];
	char buf[VIEW_TEXT_MAX];
	struct cache_value v = { .slot = CACHE_SLOT_NONE };
	bool there = false, ok;
	double score;
	int n = CACHE_ABSENT;

	(void)gate_fold_next(c, &item_at, &score, &item);
	if (slice_eq(pattern, slice_of("#", 1))) {
		/* Room first: the item must not move while it is copied. */
		size_t from = (size_t)(item.p - c->keep);

		if (!gate_conn_keep(g, c, (size_t)c->keep_len + item.len + 64)) {
			return MB_ERR_NO_MEMORY;
		}
		return gate_fold_put(g, c, 0, slice_of(c->keep + from, item.len))
			       ? (int)CACHE_HIT
			       : MB_ERR_NO_MEMORY;
	}
	if (has_star(pattern) && pattern_key(pattern, item, mem, &key, &field) && key.len != 0) {
		n = gate_look(g, c, key, &v);
	}
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return n;
	}
	if (n == CACHE_HIT) {
		there = shown_text(&v, field, buf, &text);
	}
	ok = gate_fold_put(g, c, there ? 0 : ABSENT_SCORE, there ? text : slice_of("", 0));
	gate_look_end(g, &v);
	return ok ? (int)CACHE_HIT : MB_ERR_NO_MEMORY;
}

/* ------------------------------------------------------------------------ order */

static int
texts_cmp(struct slice a, struct slice b)
{
	return a.p == NULL || b.p == NULL ? (a.p != NULL) - (b.p != NULL) : slice_cmp(a, b);
}

static int
up_cmp(const void *left, const void *right, bool text)
{
	const struct sort_item *a = left, *b = right;
	int diff = text ? texts_cmp(a->weight, b->weight)
			: (a->number > b->number) - (a->number < b->number);

	return diff != 0 || text ? diff : slice_cmp(a->item, b->item);
}

static int
number_up(const void *a, const void *b)
{
	return up_cmp(a, b, false);
}

static int
number_down(const void *a, const void *b)
{
	return up_cmp(b, a, false);
}

static int
text_up(const void *a, const void *b)
{
	return up_cmp(a, b, true);
}

static int
text_down(const void *a, const void *b)
{
	return up_cmp(b, a, true);
}

/* The number that an item is sorted by: nothing is 0, blanks before it do not count, nor does what
 * is behind a NUL, as in Redis. */
static bool
number_of(struct slice text, double *ret)
{
	*ret = 0;
	text.len = text.len == 0 ? 0 : strnlen((const char *)text.p, text.len);
	while (text.len > 1 && isspace(text.p[0])) {
		text = slice_of(text.p + 1, text.len - 1);
	}
	return text.len == 0 || gate_word_f64(text, ret);
}

static size_t
array_at(const struct gate_conn *c)
{
	return ALIGN_UP((size_t)c->keep_len, sizeof(double));
}

/* The next item and its weight. Returns: 1; MB_ERR_TYPE: it is no number. */
static int
item_take(const struct gate_conn *c, const struct sort *s, struct gate_walk *w,
	  struct sort_item *ret)
{
	double score;

	(void)gate_fold_next(c, &w->list_at, &ret->number, &ret->item);
	ret->weight = ret->item;
	if (w->list_end < c->keep_len) {
		(void)gate_fold_next(c, &w->list_end, &score, &ret->weight);
		if (score == ABSENT_SCORE) {
			ret->weight = slice_of(NULL, 0);
		}
	}
	return s->text || s->as_it_is || number_of(ret->weight, &ret->number) ? 1 : MB_ERR_TYPE;
}

/* The items and their weights as an array of w->all behind the lists, and behind it room for as
 * many, and for the items: nothing moves until they are chosen. Returns: 1; 0: gate_walk_wait;
 * MB_ERR_TYPE: one is no number; MB_ERR_NO_MEMORY. */
static int
items_array(struct gate *g, struct gate_conn *c, const struct sort *s, struct gate_walk *w)
{
	uint32_t end = (uint32_t)c->total;
	struct sort_item e;
	int rc = 1;

	if (gate_walk_first(w)) {
		w->list_at = 0;
		w->list_end = end;
	}
	while (!w->ready && w->list_at < end) { /* how many are there? */
		if (!gate_walk_more(g, c, w)) {
			return 0;
		}
		(void)gate_fold_next(c, &w->list_at, &e.number, &e.item);
		w->all++;
	}
	if (!w->ready) {
		if (!gate_conn_keep(g, c, array_at(c) + 2 * (w->all + 1UL) * sizeof(e) + end)) {
			return MB_ERR_NO_MEMORY;
		}
		w->list_at = 0;
		w->ready = true;
	}
	for (; rc == 1 && w->cnt < w->all; w->cnt++) {
		if (!gate_walk_more(g, c, w)) {
			return 0;
		}
		rc = item_take(c, s, w, &e);
		memcpy(c->keep + array_at(c) + w->cnt * sizeof(e), &e, sizeof(e));
	}
	return rc;
}

/* Sorts, and leaves the wanted items as the only list. Returns: as items_array. */
static int
items_choose(struct gate *g, struct gate_conn *c, const struct sort *s, struct gate_walk *w)
{
	int rc = w->taking ? 1 : items_array(g, c, s, w); /* then they are being chosen */
	int32_t any = INT32_MAX;
	int64_t from, wanted;
	struct sort_item e;
	size_t at;

	if (rc != 1) {
		return rc;
	}
	if (!w->sorting) {
		w->sorting = true;
		w->list_at = (uint32_t)array_at(c);
		w->order = (struct gate_order){ .item_bytes = sizeof(e), .cnt = w->all };
	}
	if ((!s->as_it_is || c->part == OF_ZSET) &&
	    !gate_order_go(&w->order, c->keep + w->list_at,
			   s->text ? (s->down ? text_down : text_up)
				   : (s->down ? number_down : number_up),
			   w->held ? &g->turn_left : &any)) {
		return 0;
	}
	at = w->list_at + 2UL * w->all * sizeof(e);
	from = MIN(MAX(s->from, 0), (int64_t)w->all);
	wanted = s->cnt < 0 ? w->all - from : MIN(s->cnt, w->all - from);
	if (!w->taking) {
		w->taking = true;
		w->idx = 0;
		c->keep_len = (uint32_t)at;
	}
	for (; w->idx < wanted; w->idx++) {
		bool ok;

		if (!gate_walk_more(g, c, w)) {
			return 0;
		}
		memcpy(&e,
		       gate_order_first(&w->order, c->keep + w->list_at) +
			       (size_t)(from + w->idx) * sizeof(e),
		       sizeof(e));
		ok = gate_fold_put(g, c, 0, e.item);
		ENSURE(ok, "there is room for item %u", w->idx);
	}
	c->keep_len -= (uint32_t)at;
	memmove(c->keep, c->keep + at, c->keep_len);
	c->total_next = wanted;
	return 1;
}

/* ------------------------------------------------------------------------ phases */

/* Each returns: 1: the next phase; CACHE_MISS and errors as gate_look; MB_ERR_TYPE of a key that
 * has no items. */
static int
items_phase(struct gate *g, struct gate_conn *c, struct slice key)
{
	struct gate_walk now, *w;
	int n = gate_walk_open(g, c, key, GATE_WALK_ANY, UINT32_MAX, &now, &w), kind;

	if (n == CACHE_ABSENT) {
		return 1;
	}
	if (n != CACHE_HIT) {
		return n;
	}
	c->part = w->v.type == LATTICE_OSET ? OF_ZSET : view_is_set(w->v.type) ? OF_SET : OF_LIST;
	if (c->part == OF_LIST && w->v.type != LATTICE_LIST) {
		gate_walk_close(g, c, w);
		return MB_ERR_TYPE;
	}
	kind = gate_fold_value(g, c, w);
	if (kind == MB_ERR_TRYAGAIN) {
		(void)gate_walk_wait(g, c);
		return CACHE_MISS;
	}
	gate_walk_close(g, c, w);
	c->total = c->keep_len;
	return kind > 0 ? 1 : kind;
}

static int
weights_phase(struct gate *g, struct gate_conn *c, const struct sort *s)
{
	bool by = s->by.p != NULL && !s->as_it_is;
	struct slice item;
	double score;

	while (by && c->step < (uint32_t)c->total) {
		int n;

		if (gate_turn_over(g)) {
			(void)gate_turn_end(g, c);
			return CACHE_MISS;
		}
		n = pattern_put(g, c, s->by, c->step);
		if (n != CACHE_HIT) {
			return n;
		}
		(void)gate_fold_next(c, &c->step, &score, &item);
	}
	return 1;
}

static int
values_phase(struct gate *g, struct gate_conn *c, const struct sort *s)
{
	struct slice item;
	double score;

	while (c->step < (uint32_t)c->total) {
		int n;

		if (gate_turn_over(g)) {
			(void)gate_turn_end(g, c);
			return CACHE_MISS;
		}
		n = pattern_put(g, c, get_pattern(s, c->part), c->step);
		if (n != CACHE_HIT) {
			return n;
		}
		if (++c->part >= s->get_cnt) {
			c->part = 0;
			(void)gate_fold_next(c, &c->step, &score, &item);
		}
	}
	return 1;
}

static int
values_reply(struct gate *g, struct gate_conn *c)
{
	struct gate_walk now, *w;
	struct slice one;
	double score;
	int n = gate_walk_list(g, c, &now, &w);

	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	if (gate_walk_first(w)) {
		gate_array(g, c, (size_t)c->total);
	}
	while (c->step < c->keep_len) {
		if (!gate_walk_more(g, c, w)) {
			return gate_walk_wait(g, c);
		}
		(void)gate_fold_next(c, &c->step, &score, &one);
		if (score == ABSENT_SCORE) {
			gate_null(g, c);
		} else {
			gate_bulk(g, c, one);
		}
	}
	return gate_walk_end(g, c, w);
}

static int
sort(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt, bool only_read)
{
	struct gate_fold_write write = { .kind = WSET_PUSH_RIGHT,
					 .replace = true,
					 .reply = REC_FIXED };
	struct gate_walk now, *w;
	struct sort s;
	int n;

	if (!options(g, c, arg, arg_cnt, only_read, &s)) {
		return GATE_DONE;
	}
	if (c->acc == SORT_ITEMS) {
		n = items_phase(g, c, arg[1]);
		if (n != 1) {
			return gate_look_refuse(g, c, n);
		}
		c->acc = SORT_WEIGHTS;
	}
	if (c->part == OF_SET && s.as_it_is && s.store.p != NULL && c->acc == SORT_WEIGHTS) {
		s.as_it_is = false; /* a list has an order, and it shall be the same for all */
		s.text = true;
		s.by.p = NULL;
	}
	if (c->acc == SORT_WEIGHTS) {
		n = weights_phase(g, c, &s);
		if (n != 1) {
			return gate_look_refuse(g, c, n);
		}
		n = gate_walk_list(g, c, &now, &w);
		if (n != CACHE_HIT) {
			return gate_look_refuse(g, c, n);
		}
		n = items_choose(g, c, &s, w);
		if (n == 0) {
			return gate_walk_wait(g, c);
		}
		gate_walk_close(g, c, w);
		if (n != 1) {
			return n == MB_ERR_TYPE
				       ? gate_error(g, c,
						    "ERR One or more scores can't be converted "
						    "into double")
				       : gate_error_of(g, c, n);
		}
		c->total = c->keep_len;
		c->step = c->part = 0;
		c->acc = SORT_VALUES;
	}
	if (c->acc == SORT_VALUES) {
		n = values_phase(g, c, &s);
		if (n != 1) {
			return gate_look_refuse(g, c, n);
		}
		c->keep_len -= (uint32_t)c->total;
		if (c->keep_len != 0) {
			memmove(c->keep, c->keep + c->total, c->keep_len);
		}
		c->step = 0;
		c->total = c->total_next * MAX(s.get_cnt, 1u);
		c->acc = SORT_WRITE;
	}
	if (s.store.p == NULL) {
		return values_reply(g, c);
	}
	write.key = s.store;
	write.n = c->total;
	return gate_fold_write(g, c, &write);
}

int
cmd_sort(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return sort(g, c, arg, arg_cnt, false);
}

int
cmd_sort_ro(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return sort(g, c, arg, arg_cnt, true);
}
