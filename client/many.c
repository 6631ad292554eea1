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

/* A value as the caller gets it. One that is read in place is copied: a client can hold only so
 * many there (HAZARD_CNT), and the caller wants all of them. */
static int
hold(struct mb_client *c, struct cache_value *v, struct mb_held *ret)
{
	bool copy = c->remote == NULL;
	char number[VIEW_TEXT_MAX];
	struct client_held *h = NULL;
	struct slice text;
	int err = view_text(v->type, v->state, number, &text);

	if (err == 0) {
		bool short_lived = copy || text.p == (const uint8_t *)number;

		h = malloc(sizeof(*h) + (short_lived ? text.len : 0));
		if (h != NULL && short_lived) {
			text.p = memcpy(h + 1, text.p, text.len);
		}
		err = h == NULL ? MB_ERR_NO_MEMORY : 0;
	}
	if (err == 0) {
		h->v = copy ? (struct cache_value){ .slot = CACHE_SLOT_NONE } : *v;
		*ret = (struct mb_held){ .p = text.p, .len = text.len, .internal = h };
	}
	if (err != 0 || copy) {
		client_look_end(c, v);
	}
	return err;
}

static int
look_try(struct mb_client *c, void *ctx, size_t i)
{
	struct looks *l = ctx;
	int err = client_look_try(c, l->key[i], &l->v[i], &l->ask[i]);

	return err == 0 ? hold(c, &l->v[i], &l->ret[i]) : err;
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
	if (c->remote == NULL) {
		until_done(c, ask, cnt, err, look_try, &l);
		return;
	}
	remote_looks(c, l.key, cnt, l.v, err);
	for (size_t i = 0; i < cnt; i++) {
		if (err[i] == 0) {
			err[i] = hold(c, &l.v[i], &ret[i]);
		}
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
