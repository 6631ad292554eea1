/* SPDX-License-Identifier: Apache-2.0 */
/* gate_state - looking values up where the cache has them, and having them brought there */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "envelope.h"
#include "gate_ahead.h"
#include "gate_head.h"
#include "gate_loan.h"
#include "gate_track.h"
#include "hash.h"
#include "lattice.h"
#include "timebase.h"
#include "view.h"

bool
gate_fetch(struct gate *g, struct gate_conn *c, struct slice key, uint64_t hash)
{
	struct gate_fetch *f = g->fetch_free != 0 ? &g->fetch[g->fetch_free - 1] : NULL;
	uint32_t port = PORT_CACHE_FIRST + cache_tile_of(hash, g->view.shard_cnt);

	if (f == NULL) {
		return false;
	}
	f->msg = (struct desc){ .kind = DESC_FETCH,
				.sub = c != NULL,
				.b = (uint64_t)(f - g->fetch) };
	f->hash = hash;
	if (inner_payload(&g->inner, &f->msg, key.p, key.len, PROC_DAEMON) != 0) {
		return false;
	}
	if (inner_send(&g->inner, port, &f->msg) != 0) {
		inner_payload_free(&g->inner, &f->msg, PROC_DAEMON);
		return false;
	}
	g->fetch_free = f->next;
	f->used = true;
	f->ahead = c == NULL;
	if (c != NULL) {
		f->conn = c->id;
		c->wait_cnt++;
	}
	g->under_way++;
	g->fetch_open++;
	g->tally.fetch_cnt++;
	return true;
}

void
gate_fetch_over(struct gate *g, struct gate_fetch *f)
{
	inner_payload_free(&g->inner, &f->msg, PROC_DAEMON);
	f->used = false;
	f->next = g->fetch_free;
	g->fetch_free = (uint32_t)(f - g->fetch) + 1;
	g->fetch_open--;
}

void
gate_fetched(struct gate *g, const struct desc *d)
{
	struct gate_fetch *f = &g->fetch[d->b];
	struct gate_conn *c;

	REQUIRE(d->b < GATE_FETCH_CNT);
	REQUIRE(f->used);
	c = f->ahead ? NULL : gate_conn_find(g, f->conn);
	g->under_way--;
	if (d->err == 0 && d->sub == CACHE_FOUND_LENT) {
		gate_loan_begin(g, c, f, d);
	} else {
		gate_fetch_over(g, f);
	}
	if (c == NULL) {
		return;
	}
	c->held_err = d->err == MB_ERR_NO_MEMORY || d->err == MB_ERR_TOO_LARGE ? d->err : 0;
	if (d->err == MB_ERR_FULL) {
		gate_loans_lack(g, c);
	}
	if (--c->wait_cnt != 0) {
		return;
	}
	if (d->err == MB_ERR_FULL) {
		gate_conn_lack(g, c);
	} else {
		gate_conn_ready(g, c);
	}
}

/* Whether a value that the cache still shows has reached its deadline. */
static bool
is_expired(const struct cache_value *v)
{
	struct envelope e;

	return envelope_expires(v->envelope) && envelope_open(v->envelope, &e) == 0 &&
	       envelope_expired(&e, hlc_time_of_us(timebase_wall_us(timebase_real())));
}

uint64_t
gate_deadline_us(const struct cache_value *v)
{
	struct envelope e;

	return envelope_expires(v->envelope) && envelope_open(v->envelope, &e) == 0
		       ? hlc_time_us(e.expiry.deadline)
		       : 0;
}

/* An absent key has a version, too; one that has reached its deadline counts as another. */
static uint64_t
version_shown(const struct cache_value *v, bool expired)
{
	return expired ? ~v->version : v->version;
}

uint64_t
gate_version_of(struct gate *g, struct slice key, uint64_t hash)
{
	struct cache_value v;
	int n = cache_view_get_hashed(&g->view, hash, key, &v);
	uint64_t version = UINT64_MAX; /* nobody knows */

	if (n == CACHE_HIT || n == CACHE_ABSENT) {
		version = version_shown(&v, n == CACHE_HIT && is_expired(&v));
		cache_view_release(&g->view, &v);
	}
	return n == MB_ERR_FULL ? 0 : version;
}

int
gate_look(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *ret)
{
	uint64_t hash;
	bool expired;
	int n;

	if (key.len == 0 || key.len > KEY_BYTES_MAX) {
		*ret = (struct cache_value){ .slot = CACHE_SLOT_NONE };
		return GATE_ERR_KEY;
	}
	hash = hash_bytes(key.p, key.len);
	n = c->reads == NULL ? (int)CACHE_MISS : gate_reads_look(g, c, key, hash, ret);
	n = n != CACHE_MISS ? n : cache_view_get_hashed(&g->view, hash, key, ret);
	if (unlikely(n == CACHE_MISS && c->loans != 0)) {
		n = gate_loan_look(g, c, key, hash, ret);
	}
	expired = n == CACHE_HIT && is_expired(ret);
	n = expired ? (int)CACHE_ABSENT : n;
	if (g->counts_looks && (n == CACHE_HIT || n == CACHE_ABSENT)) {
		g->tally.total.look_cnt[n == CACHE_HIT]++;
	}
	if (unlikely(c->track != 0) && (n == CACHE_HIT || n == CACHE_ABSENT)) {
		gate_track_look(g, c, key, hash, version_shown(ret, expired));
	}
	if (n == CACHE_ABSENT) {
		cache_view_release(&g->view, ret);
	} else if (n == CACHE_MISS) {
		if (c->held_err == MB_ERR_NO_MEMORY || c->held_err == MB_ERR_TOO_LARGE) {
			n = c->held_err == MB_ERR_TOO_LARGE ? GATE_ERR_UNFIT : c->held_err;
			c->held_err = 0;
			return n;
		}
		c->read_once = gate_reads_may(c, key); /* gate_look_ahead asks for it */
		c->missed = c->read_once || gate_fetch(g, c, key, hash);
		if (!c->missed) {
			gate_loans_lack(g, c);
			gate_conn_starve(g, c);
		}
	}
	return n;
}

int
gate_look_as(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
	     struct cache_value *ret)
{
	int n = gate_look(g, c, key, ret);

	if (n == CACHE_HIT &&
	    (type == LATTICE_ORSET ? !view_is_set(ret->type) : ret->type != type)) {
		gate_look_end(g, ret);
		return MB_ERR_TYPE;
	}
	return n;
}

/* Of a key that will be looked at once more for the same word: INFO counts one look. */
static int
look_ahead(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *ret)
{
	bool counts = g->counts_looks;
	int n;

	g->counts_looks = false;
	n = gate_look(g, c, key, ret);
	g->counts_looks = counts;
	return n;
}

int
gate_keys_bring(struct gate *g, struct gate_conn *c, const struct slice *key, uint32_t cnt)
{
	struct cache_value v;

	for (; c->total < cnt; c->total++) {
		int n;

		if (gate_turn_over(g)) {
			return -1 - gate_turn_end(g, c);
		}
		n = look_ahead(g, c, key[c->total], &v);
		if (n == CACHE_HIT) {
			gate_look_end(g, &v);
		} else if (n < 0 && n != GATE_ERR_KEY) {
			return -1 - gate_look_refuse(g, c, n);
		}
		if (c->room) {
			return -1 - GATE_WAIT;
		}
	}
	return c->wait_cnt > 0 ? -1 - GATE_WAIT : 1;
}

int
gate_look_part(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
	       struct cache_value *ret)
{
	int n;

	if (c->cut) {
		*ret = (struct cache_value){ .slot = CACHE_SLOT_NONE };
		return CACHE_ABSENT;
	}
	n = gate_look_as(g, c, key, type, ret);
	return c->part > 0 && n < 0 && n != MB_ERR_FULL ? (int)CACHE_ABSENT : n;
}

int
gate_look_text(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *ret,
	       char buf[], struct slice *ret_text)
{
	int n = gate_look(g, c, key, ret);
	int err;

	if (n != CACHE_HIT) {
		return n;
	}
	err = view_text(ret->type, ret->state, buf, ret_text);
	if (err != 0) {
		cache_view_release(&g->view, ret);
		return err == MB_ERR_NOT_FOUND ? (int)CACHE_ABSENT : err;
	}
	return n;
}

/* Of a value that is here. */
static void
head_of(const struct cache_value *v, bool with_len, struct gate_head *ret)
{
	char buf[VIEW_TEXT_MAX];
	struct slice text;

	*ret = (struct gate_head){ .type = v->type, .deadline_us = gate_deadline_us(v) };
	if (!with_len) {
		return;
	}
	if (lattice_table_ops(v->type) != NULL) {
		ret->len = view_cnt(v->type, v->state);
	} else {
		ret->len = view_text(v->type, v->state, buf, &text) == 0 ? (int64_t)text.len : -1;
	}
}

int
gate_look_head(struct gate *g, struct gate_conn *c, struct slice key, bool with_len,
	       struct gate_head *ret)
{
	struct cache_value v;
	int n = gate_look(g, c, key, &v);

	if (n == CACHE_HIT) {
		head_of(&v, with_len, ret);
		gate_look_end(g, &v);
	}
	return n;
}

int
gate_count(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type)
{
	struct gate_head head;
	int n = gate_look_head(g, c, key, true, &head);

	if (n == CACHE_HIT &&
	    (type == LATTICE_ORSET ? !view_is_set(head.type) : head.type != type)) {
		n = MB_ERR_TYPE;
	}
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	gate_int(g, c, n == CACHE_HIT ? head.len : 0);
	return GATE_DONE;
}

void
gate_look_end(struct gate *g, struct cache_value *v)
{
	cache_view_release(&g->view, v);
}

int
gate_look_refuse(struct gate *g, struct gate_conn *c, int err)
{
	if (err == CACHE_MISS) {
		return GATE_WAIT;
	}
	if (err == MB_ERR_FULL) { /* every hazard slot holds a value that is being sent */
		gate_conn_starve(g, c);
		return GATE_WAIT;
	}
	return gate_error_of(g, c, err);
}
