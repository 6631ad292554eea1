/* SPDX-License-Identifier: Apache-2.0 */
/* many - many keys at once: all questions are on their way before the first answer is waited for
 *
 * In bursts of CLIENT_MANY. What finds a channel full is tried again when an answer has come: that
 * is of one that was asked before it.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "impl.h"
#include "remote.h"

/* Waits for the first of these questions that is open. Returns: whether there is one. */
static bool
wait_for_one(struct mb_client *c, struct client_ask *const *ask, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		if (ask[i] != NULL && ask[i]->open) {
			return client_ask_wait(c, CLIENT_PENDING, ask[i]);
		}
	}
	return false;
}

/* Tries all that are not done, ask[i] not NULL, until all are. */
static void
until_done(struct mb_client *c, struct client_ask **ask, size_t cnt, int *err,
	   int (*try)(struct mb_client *c, void *ctx, size_t i), void *ctx)
{
	bool waited;

	do {
		for (size_t i = 0; i < cnt; i++) {
			if (ask[i] == NULL || ask[i]->open) {
				continue;
			}
			err[i] = try(c, ctx, i);
			if (err[i] != CLIENT_PENDING && err[i] != MB_ERR_FULL) {
				ask[i] = NULL;
			}
		}
		waited = wait_for_one(c, ask, cnt);
	} while (waited);
	for (size_t i = 0; i < cnt; i++) {
		if (ask[i] != NULL) { /* the channel is full, of others' questions */
			err[i] = MB_ERR_BUSY;
		}
	}
}

/* ------------------------------------------------------------------------ reads */

struct looks {
	struct slice key[CLIENT_MANY];
	struct client_ask ask[CLIENT_MANY];
	struct cache_value v[CLIENT_MANY];
	struct mb_held *ret;
};

/* A value as the caller gets it: a copy. A client can hold only so many in place (HAZARD_CNT), and
 * the caller wants all of them; several came in one answer. */
static int
keep(void *ctx, size_t i, const struct cache_value *v)
{
	struct looks *l = ctx;
	char number[VIEW_TEXT_MAX];
	struct client_held *h;
	struct slice text;
	int err = view_text(v->type, v->state, number, &text);

	if (err != 0) {
		return err;
	}
	h = malloc(sizeof(*h) + text.len);
	if (h == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	h->v = (struct cache_value){ .slot = CACHE_SLOT_NONE };
	if (text.len > 0) {
		memcpy(h + 1, text.p, text.len);
	}
	l->ret[i] = (struct mb_held){ .p = h + 1, .len = text.len, .internal = h };
	return 0;
}

static int
look_try(struct mb_client *c, void *ctx, size_t i)
{
	struct looks *l = ctx;
	int err = client_look_try(c, l->key[i], &l->v[i], &l->ask[i]);

	if (err == 0) {
		err = keep(l, i, &l->v[i]);
		client_look_end(c, &l->v[i]);
	}
	return err;
}

static void
get_burst(struct mb_client *c, const struct mb_key *key, size_t cnt, struct mb_held *ret, int *err)
{
	struct client_ask *ask[CLIENT_MANY];
	struct looks l = { .ret = ret };

	for (size_t i = 0; i < cnt; i++) {
		err[i] = client_key(key[i].p, key[i].len, &l.key[i]);
		ask[i] = err[i] == 0 ? &l.ask[i] : NULL;
		ret[i] = (struct mb_held){ 0 };
	}
	if (c->remote != NULL) {
		remote_looks(c, l.key, cnt, keep, &l, err);
	} else {
		until_done(c, ask, cnt, err, look_try, &l);
	}
}

static int
first_error(const int *err, size_t cnt, int so_far)
{
	for (size_t i = 0; i < cnt && so_far == 0; i++) {
		so_far = err[i];
	}
	return so_far;
}

int
mb_client_get_many(struct mb_client *c, const struct mb_key *key, size_t cnt, struct mb_held *ret,
		   int *ret_err)
{
	int first = 0;

	for (size_t at = 0; at < cnt; at += CLIENT_MANY) {
		size_t n = MIN(cnt - at, (size_t)CLIENT_MANY);

		get_burst(c, key + at, n, ret + at, ret_err + at);
		first = first_error(ret_err + at, n, first);
	}
	return first;
}

/* ----------------------------------------------------------------------- writes */

static int
write_try(struct mb_client *c, void *ctx, size_t i)
{
	struct client_write *w = ctx;

	return client_write_try(c, &w[i]);
}

static void
set_burst(struct mb_client *c, const struct mb_key *key, const struct mb_key *value, size_t cnt,
	  int *err)
{
	struct client_ask *ask[CLIENT_MANY];
	struct client_write w[CLIENT_MANY];

	for (size_t i = 0; i < cnt; i++) {
		w[i] = (struct client_write){
			.op = { .kind = WSET_PUT, .value = slice_of(value[i].p, value[i].len) },
			.ack = c->ack,
		};
		err[i] = client_key(key[i].p, key[i].len, &w[i].op.key);
		ask[i] = err[i] == 0 ? &w[i].ask : NULL;
	}
	if (c->remote != NULL) {
		remote_writes(c, w, cnt, err);
	} else {
		until_done(c, ask, cnt, err, write_try, w);
	}
}

int
mb_client_set_many(struct mb_client *c, const struct mb_key *key, const struct mb_key *value,
		   size_t cnt, int *ret_err)
{
	int first = 0;

	for (size_t at = 0; at < cnt; at += CLIENT_MANY) {
		size_t n = MIN(cnt - at, (size_t)CLIENT_MANY);

		set_burst(c, key + at, value + at, n, ret_err + at);
		first = first_error(ret_err + at, n, first);
	}
	return first;
}
