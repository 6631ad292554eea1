/* SPDX-License-Identifier: Apache-2.0 */
/* collection - sets, maps, lists and sorted sets, on top of state.c: what is there is looked at in
 * the cache, a change is one operation of the store */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "impl.h"
#include "lattice.h"
#include "list.h"
#include "map.h"
#include "oset.h"
#include "pair_lex.h"
#include "remote.h"
#include "rpc.h"
#include "vclock.h"

/* --------------------------------------------------------------------- sets */

/* How many members a set has now; 0 when there is none. */
static int
client_set_cnt(struct mb_client *c, struct slice key, size_t *ret)
{
	struct cache_value v;
	int err = client_look(c, key, &v);

	*ret = 0;
	if (err == MB_ERR_NOT_FOUND) {
		return 0;
	}
	if (err == 0) {
		if (view_is_set(v.type)) {
			*ret = view_cnt(v.type, v.state);
		} else {
			err = MB_ERR_TYPE;
		}
		cache_view_release(&c->view, &v);
	}
	return err;
}

/* Adds or removes members, and counts what that changed. */
static int
client_members_do(struct mb_client *c, enum wset_kind kind, const char *key, size_t key_len,
		  const struct mb_value *member, size_t member_cnt, size_t *ret_changed)
{
	struct wset_op op = { .kind = kind };
	size_t before = 0, after = 0;
	int err = client_key(key, key_len, &op.key);

	if (err == 0 && c->remote != NULL) {
		return remote_members_do(c, kind == WSET_SADD ? RPC_SADD : RPC_SREM, op.key, member,
					 member_cnt, ret_changed);
	}
	if (err == 0) {
		err = client_set_cnt(c, op.key, &before);
	}
	for (size_t i = 0; err == 0 && i < member_cnt; i++) {
		op.by_ref = false;
		op.value = (struct slice){ .p = member[i].p, .len = member[i].len };
		err = client_publish(c, &op);
	}
	if (err == 0) {
		err = client_set_cnt(c, op.key, &after);
	}
	if (err == 0 && ret_changed != NULL) {
		size_t less = MIN(before, after);

		*ret_changed = (kind == WSET_SADD ? after : before) - less;
	}
	return err;
}

int
mb_client_sadd(struct mb_client *c, const char *key, size_t key_len, const struct mb_value *member,
	       size_t member_cnt, size_t *ret_added)
{
	return client_members_do(c, WSET_SADD, key, key_len, member, member_cnt, ret_added);
}

int
mb_client_srem(struct mb_client *c, const char *key, size_t key_len, const struct mb_value *member,
	       size_t member_cnt, size_t *ret_removed)
{
	return client_members_do(c, WSET_SREM, key, key_len, member, member_cnt, ret_removed);
}

/* -------------------------------------------------------------------- maps */

/* The beginning of each operation on a field. */
static int
client_field(struct wset_op *op, const char *key, size_t key_len, const char *field,
	     size_t field_len)
{
	op->field = slice_of(field, field_len != 0 ? field_len : strlen(field));
	return op->field.len > WSET_FIELD_MAX ? MB_ERR_TOO_LARGE
					      : client_key(key, key_len, &op->key);
}

/* Finds a field that shows something; then *v is held. */
static int
client_field_look(struct mb_client *c, const struct wset_op *op, struct cache_value *v,
		  unsigned int *ret_type, struct slice *ret_value)
{
	struct map_field f;
	int err = client_look(c, op->key, v);

	if (err != 0) {
		return err;
	}
	if (v->type != LATTICE_MAP) {
		err = MB_ERR_TYPE;
	} else if (!map_get(v->state, op->field, &f) || !map_field_value(&f, ret_type, ret_value)) {
		err = MB_ERR_NOT_FOUND;
	}
	if (err != 0) {
		cache_view_release(&c->view, v);
	}
	return err;
}

int
mb_client_hset(struct mb_client *c, const char *key, size_t key_len, const char *field,
	       size_t field_len, const void *p, size_t len)
{
	struct wset_op op = { .kind = WSET_MAP_PUT, .value = { .p = p, .len = len } };
	int err = client_field(&op, key, key_len, field, field_len);

	if (err == 0 && c->remote != NULL) {
		return remote_hset(c, op.key, op.field, op.value);
	}
	return err != 0 ? err : client_publish(c, &op);
}

int
mb_client_hincr(struct mb_client *c, const char *key, size_t key_len, const char *field,
		size_t field_len, int64_t n, int64_t *ret_sum)
{
	struct wset_op op = { .kind = WSET_MAP_INCR, .n = n };
	struct cache_value v;
	unsigned int type;
	struct slice value;
	int err = client_field(&op, key, key_len, field, field_len);

	if (err == 0 && c->remote != NULL) {
		return remote_hincr(c, op.key, op.field, n, ret_sum);
	}
	if (err == 0) {
		err = client_publish(c, &op);
	}
	if (err == 0 && ret_sum != NULL) {
		err = client_field_look(c, &op, &v, &type, &value);
		if (err == 0) {
			err = view_i64(type, value, ret_sum);
			cache_view_release(&c->view, &v);
		}
	}
	return err;
}

int
mb_client_hget(struct mb_client *c, const char *key, size_t key_len, const char *field,
	       size_t field_len, struct mb_held *ret)
{
	struct wset_op op = { .kind = WSET_MAP_PUT };
	struct client_held *h = malloc(sizeof(*h));
	unsigned int type;
	struct slice text;
	int err = h == NULL ? MB_ERR_NO_MEMORY : client_field(&op, key, key_len, field, field_len);

	if (err == 0 && c->remote != NULL) {
		free(h);
		return remote_hget(c, op.key, op.field, ret);
	}
	if (err == 0) {
		err = client_field_look(c, &op, &h->v, &type, &text);
		if (err == 0) {
			err = view_text(type, text, h->text, &text);
			if (err != 0) {
				cache_view_release(&c->view, &h->v);
			}
		}
	}
	if (err != 0) {
		free(h);
		return err;
	}
	*ret = (struct mb_held){ .p = text.p, .len = text.len, .internal = h };
	return 0;
}

int
mb_client_hdel(struct mb_client *c, const char *key, size_t key_len, const char *field,
	       size_t field_len)
{
	struct wset_op op = { .kind = WSET_MAP_DEL };
	struct cache_value v;
	unsigned int type;
	struct slice value;
	int err = client_field(&op, key, key_len, field, field_len);

	if (err == 0 && c->remote != NULL) {
		return remote_hdel(c, op.key, op.field);
	}
	if (err == 0) {
		err = client_field_look(c, &op, &v, &type, &value);
	}
	if (err == 0) {
		cache_view_release(&c->view, &v);
		err = client_publish(c, &op);
	}
	return err;
}

/* -------------------------------------------------------------------- lists */

int
mb_client_push(struct mb_client *c, const char *key, size_t key_len, bool left, const void *p,
	       size_t len)
{
	struct wset_op op = { .kind = left ? WSET_PUSH_LEFT : WSET_PUSH_RIGHT,
			      .value = { .p = p, .len = len } };
	int err = client_key(key, key_len, &op.key);

	return err != 0 ? err : client_publish(c, &op);
}

/* Others may take the item first: then another one is chosen. */
#define POP_TRIES 1024

/* Chooses what is taken: *ret, a member with its score or an item, named in op->field. end: which
 * end of a list, or of the scores. Returns: 0; MB_ERR_TYPE, MB_ERR_NOT_FOUND. */
typedef int choose_fn(const struct cache_value *v, bool end, struct wset_op *op,
		      struct oset_entry *ret);

/* Takes what fn chooses. Returns: 0 with *ret, and what it lies in held as *ret_h; an error. */
static int
client_take(struct mb_client *c, const char *key, size_t key_len, struct wset_op *op, choose_fn *fn,
	    bool end, struct oset_entry *ret, struct client_held **ret_h)
{
	struct client_held *h = malloc(sizeof(*h));
	int err = h == NULL ? MB_ERR_NO_MEMORY : client_key(key, key_len, &op->key);

	op->must = true;
	for (uint32_t i = 0; err == 0 && i < POP_TRIES; i++) {
		err = client_look(c, op->key, &h->v);
		if (err != 0) {
			break;
		}
		err = fn(&h->v, end, op, ret);
		if (err == 0) {
			err = client_publish(c, op);
			if (err == 0) {
				*ret_h = h;
				return 0;
			}
			err = err == MB_ERR_NOT_FOUND ? 0 : err;
		}
		cache_view_release(&c->view, &h->v);
	}
	free(h);
	return err != 0 ? err : MB_ERR_TRYAGAIN;
}

static int
choose_item(const struct cache_value *v, bool left, struct wset_op *op, struct oset_entry *ret)
{
	struct table_walk first = { 0 };
	uint32_t last = UINT32_MAX;
	struct list_item item;

	if (v->type != LATTICE_LIST) {
		return MB_ERR_TYPE;
	}
	if (!(left ? list_next(v->state, &first, &item) : list_prev(v->state, &last, &item))) {
		return MB_ERR_NOT_FOUND;
	}
	op->field = item.id;
	ret->member = item.value;
	return 0;
}

int
mb_client_pop(struct mb_client *c, const char *key, size_t key_len, bool left, struct mb_held *ret)
{
	struct wset_op op = { .kind = WSET_LIST_DEL };
	struct client_held *h;
	struct oset_entry e;
	int err = client_take(c, key, key_len, &op, choose_item, left, &e, &h);

	if (err == 0) {
		*ret = (struct mb_held){ .p = e.member.p, .len = e.member.len, .internal = h };
	}
	return err;
}

/* -------------------------------------------------------------- sorted sets */

/* The score of a member, as it is in the cache now. */
static int
client_score(struct mb_client *c, const struct wset_op *op, double *ret)
{
	struct cache_value v;
	int err = client_look(c, op->key, &v);

	if (err == 0) {
		err = v.type == LATTICE_OSET ? oset_score(v.state, op->field, ret) : MB_ERR_TYPE;
		cache_view_release(&c->view, &v);
	}
	return err;
}

static int
client_score_write(struct mb_client *c, struct wset_op *op, double x)
{
	memcpy(&op->n, &x, sizeof(op->n));
	return client_publish(c, op);
}

int
mb_client_zadd(struct mb_client *c, const char *key, size_t key_len, const char *member,
	       size_t member_len, double score)
{
	struct wset_op op = { .kind = WSET_ZADD };
	int err = client_field(&op, key, key_len, member, member_len);

	return err != 0 ? err : client_score_write(c, &op, score);
}

int
mb_client_zincr(struct mb_client *c, const char *key, size_t key_len, const char *member,
		size_t member_len, double x, double *ret_score)
{
	struct wset_op op = { .kind = WSET_ZINCR };
	int err = client_field(&op, key, key_len, member, member_len);

	if (err == 0) {
		err = client_score_write(c, &op, x);
	}
	return err == 0 && ret_score != NULL ? client_score(c, &op, ret_score) : err;
}

int
mb_client_zscore(struct mb_client *c, const char *key, size_t key_len, const char *member,
		 size_t member_len, double *ret_score)
{
	struct wset_op op = { .kind = WSET_ZADD };
	int err = client_field(&op, key, key_len, member, member_len);

	return err != 0 ? err : client_score(c, &op, ret_score);
}

int
mb_client_zrem(struct mb_client *c, const char *key, size_t key_len, const char *member,
	       size_t member_len)
{
	struct wset_op op = { .kind = WSET_ZREM };
	double score;
	int err = client_field(&op, key, key_len, member, member_len);

	if (err == 0) {
		err = client_score(c, &op, &score);
	}
	return err == 0 || err == MB_ERR_TOO_LARGE ? client_publish(c, &op) : err;
}

/* Looks at a sorted set and puts its members with scores of min .. max in their order.
 * *ret is malloc'ed. */
static int
client_ordered(struct mb_client *c, struct slice key, double min, double max, struct cache_value *v,
	       struct oset_entry **ret, uint32_t *ret_cnt)
{
	struct oset_entry *entry = NULL, e;
	uint32_t cnt = 0;
	int err = isnan(min) || isnan(max) ? MB_ERR_INVALID : client_look(c, key, v);

	if (err != 0) {
		return err;
	}
	if (v->type != LATTICE_OSET) {
		err = view_present(v->type, v->state) ? MB_ERR_TYPE : MB_ERR_NOT_FOUND;
	} else {
		entry = calloc((size_t)view_cnt(v->type, v->state) + 1, sizeof(*entry));
		err = entry == NULL ? MB_ERR_NO_MEMORY : 0;
	}
	if (err != 0) {
		cache_view_release(&c->view, v);
		return err;
	}
	for (struct table_walk i = { 0 }; oset_next(v->state, &i, &e.member, &e.score);) {
		if (e.score >= min && e.score <= max) {
			entry[cnt++] = e;
		}
	}
	oset_sort(entry, cnt);
	*ret = entry;
	*ret_cnt = cnt;
	return 0;
}

static void
show_ordered(const struct oset_entry *entry, int64_t first, int64_t end, mb_member_fn fn, void *ctx)
{
	for (int64_t i = first; i < end; i++) {
		char buf[VIEW_TEXT_MAX];
		struct slice text = view_f64(entry[i].score, buf);

		if (!fn(ctx, entry[i].member.p, entry[i].member.len, text.p, text.len)) {
			return;
		}
	}
}

int
mb_client_zrange(struct mb_client *c, const char *key, size_t key_len, int64_t first, int64_t last,
		 mb_member_fn fn, void *ctx)
{
	struct oset_entry *entry;
	struct cache_value v;
	struct slice k;
	uint32_t cnt;
	int err = client_key(key, key_len, &k);

	if (err == 0) {
		err = client_ordered(c, k, -INFINITY, INFINITY, &v, &entry, &cnt);
	}
	if (err == 0) {
		first = MAX(first < 0 ? first + cnt : first, (int64_t)0);
		last = last < 0 ? last + cnt : MIN(last, (int64_t)cnt - 1);
		show_ordered(entry, first, last + 1, fn, ctx);
		free(entry);
		cache_view_release(&c->view, &v);
	}
	return err;
}

int
mb_client_zrange_score(struct mb_client *c, const char *key, size_t key_len, double min, double max,
		       mb_member_fn fn, void *ctx)
{
	struct oset_entry *entry;
	struct cache_value v;
	struct slice k;
	uint32_t cnt;
	int err = client_key(key, key_len, &k);

	if (err == 0) {
		err = client_ordered(c, k, min, max, &v, &entry, &cnt);
	}
	if (err == 0) {
		show_ordered(entry, 0, cnt, fn, ctx);
		free(entry);
		cache_view_release(&c->view, &v);
	}
	return err;
}

static int
choose_member(const struct cache_value *v, bool highest, struct wset_op *op, struct oset_entry *ret)
{
	if (v->type != LATTICE_OSET) {
		return MB_ERR_TYPE;
	}
	if (!oset_extreme(v->state, highest, ret)) {
		return MB_ERR_NOT_FOUND;
	}
	op->field = ret->member;
	return 0;
}

int
mb_client_zpop(struct mb_client *c, const char *key, size_t key_len, bool highest,
	       struct mb_held *ret_member, double *ret_score)
{
	struct wset_op op = { .kind = WSET_ZREM };
	struct client_held *h;
	struct oset_entry e;
	int err = client_take(c, key, key_len, &op, choose_member, highest, &e, &h);

	if (err != 0) {
		return err;
	}
	*ret_member = (struct mb_held){ .p = e.member.p, .len = e.member.len, .internal = h };
	if (ret_score != NULL) {
		*ret_score = e.score;
	}
	return 0;
}

/* ---------------------------------------------------------------------- all */

static void
members_scores(struct slice state, mb_member_fn fn, void *ctx)
{
	struct slice member, text;
	char buf[VIEW_TEXT_MAX];
	double score;

	for (struct table_walk i = { 0 }; oset_next(state, &i, &member, &score);) {
		text = view_f64(score, buf);
		if (!fn(ctx, member.p, member.len, text.p, text.len)) {
			return;
		}
	}
}

static void
members_clock(struct slice state, mb_member_fn fn, void *ctx)
{
	struct writer_id writer;
	uint64_t events;

	for (uint32_t i = 0; vclock_at(state, i, &writer, &events); i++) {
		char w[24], n[24];
		int w_len = snprintf(w, sizeof(w), "%" PRIu64, writer.v);
		int n_len = snprintf(n, sizeof(n), "%" PRIu64, events);

		if (!fn(ctx, w, (size_t)w_len, n, (size_t)n_len)) {
			return;
		}
	}
}

int
mb_client_members(struct mb_client *c, const char *key, size_t key_len, mb_member_fn fn, void *ctx)
{
	struct cache_value v;
	struct slice k, m;
	struct map_field f;
	struct pair_lex pair;
	int err = client_key(key, key_len, &k);

	if (err == 0 && c->remote != NULL) {
		return remote_members(c, k, fn, ctx);
	}
	if (err == 0) {
		err = client_look(c, k, &v);
	}
	if (err != 0) {
		return err;
	}
	if (v.type == LATTICE_PAIR_LEX && pair_lex_open(v.state, &pair) == 0) {
		v.type = pair.second_type;
		v.state = pair.second;
	}
	if (view_is_set(v.type)) {
		for (struct table_walk i = { 0 };
		     view_set_next(v.type, v.state, &i, &m) && fn(ctx, m.p, m.len, NULL, 0);) {
		}
	} else if (v.type == LATTICE_MAP) {
		for (struct table_walk i = { 0 }; map_next(v.state, &i, &f);) {
			char text[VIEW_TEXT_MAX];
			struct slice shown = { 0 };
			unsigned int type;

			if (map_field_value(&f, &type, &shown) &&
			    view_text(type, shown, text, &shown) == 0 &&
			    !fn(ctx, f.key.p, f.key.len, shown.p, shown.len)) {
				break;
			}
		}
	} else if (v.type == LATTICE_LIST) {
		struct list_item item;

		for (struct table_walk i = { 0 }; list_next(v.state, &i, &item) &&
						  fn(ctx, item.value.p, item.value.len, NULL, 0);) {
		}
	} else if (v.type == LATTICE_OSET) {
		members_scores(v.state, fn, ctx);
	} else if (v.type == LATTICE_VCLOCK) {
		members_clock(v.state, fn, ctx);
	} else {
		err = MB_ERR_TYPE;
	}
	cache_view_release(&c->view, &v);
	return err;
}
