/* SPDX-License-Identifier: Apache-2.0 */
/* gate_ahead - the keys of the commands behind one that waits for its own
 *
 * A command that reads a key which is not in the cache waits for it; so its neighbours' keys are
 * asked for in the same breath. There are two ways: they are fetched (into the cache), or read once
 * (cache_msg.h, READ), which leaves nothing there. Short commands of one key go the second way, and
 * what the store does not show then, the first.
 *
 *   text    GET a    GET b    GET c    SET ...
 *   list    a: asked b: here, c: asked               one READ for all
 *           version 7
 *
 *   L1  The reads of a list are of commands one behind the other, from the one that waits on, one
 *       each: at goes on when a command is over, whatever it was. So none is used for another
 *       command, and none after a command that writes.
 *   L2  What a connection is shown does not go back in time from one command to the next. The
 *       values of a list are of one moment, M, if one kvs tile showed them, in their order. A key
 *       that was in the cache before M counts if it is there at its turn, after M, with the same
 *       version: then it was that at M. At the first one that is not so the list is dropped: the
 *       rest is looked up anew, later than all that was shown.
 *
 * Rejected: taking short values out of the cache beforehand (they would be older than M, and what
 * was read from the store before them newer).
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "delta.h"
#include "envelope.h"
#include "gate_ahead.h"
#include "hash.h"
#include "timebase.h"

#define AHEAD_SPARE (GATE_FETCH_CNT / 2) /* fetches that are left for those that wait */
#define NEAR_CNT    32                   /* entries under way to us; they stay in the first cache */

struct ahead {
	uint32_t cnt;
	struct slice key[CACHE_READ_CNT];
	uint64_t hash[CACHE_READ_CNT];
};

/* In a loop of their own: so many of them are on their way at once, where looks for pages overlap
 * that each take as long as the entry itself. */
static void
near_all(struct gate *g, const uint64_t *hash, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		cache_view_prefetch(&g->view, hash[i]);
	}
}

/* Whether a command reads one key, and little of it. */
static bool
is_short(const struct gate_command *cmd)
{
	return (cmd->flags & (CMD_READONLY | CMD_FAST)) == (CMD_READONLY | CMD_FAST) &&
	       cmd->first == 1 && cmd->last == 1;
}

/* Notes the keys of a command that reads. Returns: false: no further ones. */
static bool
ahead_note(struct gate *g, struct ahead *a, const struct gate_command *cmd, uint32_t cnt,
	   size_t key_max)
{
	for (uint32_t at = 0; (at = gate_key_next(cmd, g->args, cnt, at)) != 0;) {
		struct slice key = g->args[at];

		if (a->cnt == CACHE_READ_CNT || key.len == 0 || key.len > key_max) {
			return false;
		}
		a->key[a->cnt] = key;
		a->hash[a->cnt] = hash_bytes(key.p, key.len);
		a->cnt++;
	}
	return true;
}

/* Finds the keys of the commands that a text begins with. once: only of short ones, and all of
 * them. */
static void
ahead_find(struct gate *g, struct ahead *a, struct slice text, bool once)
{
	struct resp_parser p = { 0 };

	a->cnt = 0;
	for (uint32_t i = 0; i < CACHE_READ_CNT; i++) {
		const struct gate_command *cmd;
		uint32_t cnt, key_cnt = a->cnt;

		if (resp_scan(&p, text) != RESP_DONE || p.arg_cnt == 0 || p.large_cnt != 0) {
			return;
		}
		cnt = (uint32_t)resp_args(&p, text, NULL, g->scratch, g->args);
		cmd = gate_command_of(g->args, cnt);
		/* What writes is better done where its key is. */
		if (cmd == NULL || (cmd->flags & CMD_READONLY) == 0 || (once && !is_short(cmd)) ||
		    !ahead_note(g, a, cmd, cnt, once ? CACHE_READ_KEY_MAX : KEY_BYTES_MAX) ||
		    (once && a->cnt != key_cnt + 1)) { /* keeps L1 */
			return;
		}
		text.p += p.pos;
		text.len -= p.pos;
		resp_next(&p);
	}
}

/* ------------------------------------------------------------------------ fetched */

/* Has those brought that are not here. */
static void
ahead_fetch(struct gate *g, const struct ahead *a)
{
	struct cache_value v;

	for (uint32_t i = 0; i < a->cnt && g->fetch_open < GATE_FETCH_CNT - AHEAD_SPARE; i++) {
		int n = cache_view_get_hashed(&g->view, a->hash[i], a->key[i], &v);

		if (n == CACHE_HIT || n == CACHE_ABSENT) {
			cache_view_release(&g->view, &v);
		} else if (n == CACHE_MISS && !gate_fetch(g, NULL, a->key[i], a->hash[i])) {
			return;
		}
	}
}

/* ---------------------------------------------------------------------- read once */

static size_t
reads_bytes(uint32_t cnt)
{
	return sizeof(struct gate_reads) + cnt * sizeof(struct cache_read);
}

/* Sends the list to each cache tile that has a key of it. Those that cannot be asked just now stay
 * as they are: fetched. */
static void
reads_send(struct gate *g, struct gate_conn *c, struct gate_reads *reads)
{
	struct desc d = { .kind = DESC_READ, .b = (uintptr_t)&reads->list };
	uint64_t tiles = 0;

	for (uint32_t i = 0; i < reads->list.cnt; i++) {
		const struct cache_read *r = &reads->list.read[i];

		if (r->version == 0) {
			tiles |= UINT64_C(1) << cache_tile_of(r->hash, g->view.shard_cnt);
		}
	}
	for (uint32_t tile = 0; tile < g->view.shard_cnt; tile++) {
		if ((tiles >> tile & 1) != 0 && g->reads_open < GATE_READ_CNT &&
		    inner_send(&g->inner, PORT_CACHE_FIRST + tile, &d) == 0) {
			reads->open++;
			c->wait_cnt++;
			g->reads_open++;
			g->under_way++;
		}
	}
}

static void
reads_begin(struct gate *g, struct gate_conn *c, const struct ahead *a)
{
	struct gate_reads *reads = heap_alloc(g->heap, reads_bytes(a->cnt));
	struct cache_value v;

	REQUIRE(a->cnt > 0); /* gate_reads_may */
	if (reads == NULL) {
		gate_conn_starve(g, c);
		return;
	}
	*reads = (struct gate_reads){ .conn = c->id };
	reads->list.cnt = a->cnt;
	for (uint32_t i = 0; i < a->cnt; i++) {
		struct cache_read *r = &reads->list.read[i];
		int n = cache_view_get_hashed(&g->view, a->hash[i], a->key[i], &v);

		*r = (struct cache_read){ .hash = a->hash[i], .key_len = (uint8_t)a->key[i].len };
		memcpy(r->key, a->key[i].p, a->key[i].len);
		if (n == CACHE_HIT || n == CACHE_ABSENT) {
			r->version = v.version;
			cache_view_release(&g->view, &v);
		}
	}
	c->reads = reads;
	reads_send(g, c, reads);
	if (reads->open == 0) {
		gate_reads_drop(g, c);
		gate_conn_starve(g, c);
	}
}

void
gate_reads_drop(struct gate *g, struct gate_conn *c)
{
	struct gate_reads *reads = c->reads;

	c->reads = NULL;
	c->wait_cnt -= reads->open; /* nobody waits for it */
	reads->gone = true;
	if (reads->open == 0) {
		heap_free(g->heap, reads, reads_bytes(reads->list.cnt));
	}
}

void
gate_reads_next(struct gate *g, struct gate_conn *c)
{
	if (++c->reads->at == c->reads->list.cnt) {
		gate_reads_drop(g, c);
	}
}

void
gate_reads_done(struct gate *g, const struct desc *d)
{
	uintptr_t at = d->b - offsetof(struct gate_reads, list);
	struct gate_reads *reads = (struct gate_reads *)at;
	struct gate_conn *c = reads->gone ? NULL : gate_conn_find(g, reads->conn);

	REQUIRE(reads->open > 0);
	reads->open--;
	g->reads_open--;
	g->under_way--;
	if (c != NULL) {
		if (--c->wait_cnt == 0) {
			gate_conn_ready(g, c);
		}
	} else if (reads->open == 0) {
		heap_free(g->heap, reads, reads_bytes(reads->list.cnt));
	}
}

bool
gate_reads_may(const struct gate_conn *c, struct slice key)
{
	return c->reads == NULL && !c->fetch_due && c->multi == NULL && c->track == 0 &&
	       !c->parser.in_line && c->parser.large_cnt == 0 && key.len <= CACHE_READ_KEY_MAX &&
	       is_short(c->command);
}

/* Shows the copy of a value, which *ret then has. */
static int
read_show(const struct cache_read *r, struct cache_value *ret)
{
	struct envelope e;

	*ret = (struct cache_value){ .slot = CACHE_SLOT_NONE, .version = UINT64_MAX };
	memcpy(ret->inl, r->value, r->len);
	ret->envelope = slice_of(ret->inl, r->len);
	if (!delta_present(ret->envelope, hlc_time_of_us(timebase_wall_us(timebase_real()))) ||
	    envelope_open(ret->envelope, &e) != 0) {
		return CACHE_ABSENT;
	}
	ret->type = e.type;
	ret->state = e.state;
	return CACHE_HIT;
}

int
gate_reads_look(struct gate *g, struct gate_conn *c, struct slice key, uint64_t hash,
		struct cache_value *ret)
{
	const struct cache_read *r = &c->reads->list.read[c->reads->at];
	int n;

	if (c->reads->open > 0) {
		return CACHE_MISS; /* it was begun anew for another reason */
	}
	if (r->hash != hash || !slice_eq(key, slice_of(r->key, r->key_len))) {
		return CACHE_MISS;
	}
	if (r->version == 0 && r->state == CACHE_READ_VALUE) {
		return read_show(r, ret);
	}
	if (r->version != 0) {
		n = cache_view_get_hashed(&g->view, hash, key, ret);
		if ((n == CACHE_HIT || n == CACHE_ABSENT) && ret->version == r->version) {
			return n;
		}
		cache_view_release(&g->view, ret);
	}
	c->fetch_due = r->version == 0;
	gate_reads_drop(g, c); /* keeps L2 */
	return CACHE_MISS;
}

void
gate_look_ahead(struct gate *g, struct gate_conn *c, struct slice text)
{
	struct ahead a;

	c->missed = false;
	if (c->read_once) {
		c->read_once = false;
		ahead_find(g, &a, text, true);
		near_all(g, a.hash, a.cnt);
		reads_begin(g, c, &a);
	} else if (c->multi == NULL) {
		text.p += c->parser.pos;
		text.len -= c->parser.pos;
		ahead_find(g, &a, text, false);
		near_all(g, a.hash, a.cnt);
		ahead_fetch(g, &a);
	}
}

uint32_t
gate_near_ahead(struct gate *g, const struct gate_conn *c, struct slice text)
{
	const struct gate_command *cmd = c->command;
	struct slice word[2], name = slice_of("", 0);
	uint64_t hash[NEAR_CNT];
	uint32_t cnt = 0;

	if (c->reads != NULL || cmd == NULL || !is_short(cmd)) {
		return 1;
	}
	while (cnt < NEAR_CNT) {
		size_t len = resp_glance(text, word);

		if (len != 0 && !slice_eq(word[0], name)) {
			name = word[0];
			cmd = gate_command_find(name);
		}
		if (len == 0 || cmd == NULL || !is_short(cmd)) {
			break;
		}
		hash[cnt++] = hash_bytes(word[1].p, word[1].len);
		text.p += len;
		text.len -= len;
	}
	near_all(g, hash, cnt);
	return MAX(cnt, 1U);
}
