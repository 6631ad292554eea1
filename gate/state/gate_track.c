/* SPDX-License-Identifier: Apache-2.0 */
/* gate_track - see gate_track.h
 *
 * Who changes a key? A client of this gate: then those that keep it are told when the write is
 * acknowledged. Anybody else on this node, functions first of all: the gate hears nothing of them,
 * so it looks whether the keys still show the versions that were read, TRACK_TICK_CNT of them each
 * TRACK_TICK_NS, in turns. What the cache has forgotten counts as changed.
 *
 *   C1  A note is of one client and one key, with the version of its last reading. When the key
 *       shows another one the note goes, and the client is told.
 *   C2  Whoever cannot be noted is told at once: it never keeps what it would not be told of.
 *
 * Rejected: BCAST (all keys that begin so). Changes of keys that nobody has read would have to come
 * from the cache tiles, for every write of everybody.
 */
#include "gate_track.h"

#include <string.h>

#include <microburst/error.h>

#include "compiler.h"
#include "hash.h"
#include "timebase.h"

#define TRACK_TICK_NS  (5 * NS_PER_MS)
#define TRACK_TICK_CNT 2048u /* some 60 ns each */
#define TRACK_KEY_MAX  65536

struct gate_note {
	LIST_ENTRY(gate_note) next_of_key, next_of_conn;
	struct gate_track *track;
	struct gate_conn *conn;
	uint64_t version;
};

struct gate_track {
	LIST_ENTRY(gate_track) next;
	TAILQ_ENTRY(gate_track) next_of_all;
	struct gate_notes notes;
	uint64_t hash;
	uint32_t len;
	uint8_t key[];
};

/* ------------------------------------------------------------------------ telling */

/* Says that a key has changed; NULL: all of them. */
static void
tell(struct gate *g, struct gate_conn *c, const struct slice *key)
{
	struct gate_conn *to = c;

	if (c->redirect != 0) {
		to = gate_conn_find(g, c->redirect_to);
		/* Who has said QUIT is gone, though its last reply may still be on its way. */
		if (to == NULL || to->client_id != c->redirect || to->last || to->closing) {
			c->track |= TRACK_BROKEN;
			if (c->proto == 3) {
				gate_push_begin(c);
				gate_push_head(g, c, 2);
				gate_bulk_str(g, c, "tracking-redir-broken");
				gate_int(g, c, (int64_t)c->redirect);
				gate_push_end(g, c);
			}
			return;
		}
	}
	if (to->last || (to->proto == 2 && (to == c || !gate_listens(to)))) {
		return;
	}
	gate_push_begin(to);
	gate_push_head(g, to, to->proto == 3 ? 2 : 3);
	if (to->proto == 3) {
		gate_bulk_str(g, to, "invalidate");
	} else {
		gate_bulk_str(g, to, "message");
		gate_bulk_str(g, to, "__redis__:invalidate");
	}
	if (key != NULL) {
		gate_array(g, to, 1);
		gate_bulk(g, to, *key);
	} else {
		gate_null(g, to);
	}
	gate_push_end(g, to);
}

/* ------------------------------------------------------------------------ notes */

static struct gate_track_chain *
chain_of(struct gate *g, uint64_t hash)
{
	return &g->track_chain[hash % GATE_TRACK_CHAIN_CNT];
}

static struct gate_track *
track_find(struct gate *g, struct slice key, uint64_t hash)
{
	struct gate_track *t;

	LIST_FOREACH(t, chain_of(g, hash), next)
	{
		if (t->hash == hash && slice_eq(slice_of(t->key, t->len), key)) {
			return t;
		}
	}
	return NULL;
}

/* A key that nobody has a note of is not kept. */
static void
note_remove(struct gate *g, struct gate_note *n)
{
	struct gate_track *t = n->track;

	LIST_REMOVE(n, next_of_key);
	LIST_REMOVE(n, next_of_conn);
	heap_free(g->heap, n, sizeof(*n));
	if (LIST_EMPTY(&t->notes)) {
		LIST_REMOVE(t, next);
		TAILQ_REMOVE(&g->tracks, t, next_of_all);
		heap_free(g->heap, t, sizeof(*t) + t->len);
		g->track_cnt--;
	}
}

/* Tells those that keep a key of which the version is not now (C1). writer: who wrote it; NULL:
 * somebody. now 0: it is another one in any case. */
static void
track_changed(struct gate *g, struct gate_track *t, uint64_t now, const struct gate_conn *writer)
{
	uint8_t mem[KEY_BYTES_MAX];
	struct slice key = slice_of(mem, t->len);
	struct gate_note *n, *next;

	memcpy(mem, t->key, t->len); /* it goes with its last note */
	for (n = LIST_FIRST(&t->notes); n != NULL; n = next) {
		struct gate_conn *c = n->conn;

		next = LIST_NEXT(n, next_of_key);
		if (now != 0 && n->version == now) {
			continue;
		}
		note_remove(g, n);
		if (writer == NULL || c != writer || (writer->track & TRACK_NOLOOP) == 0) {
			tell(g, c, &key);
		}
	}
}

static struct gate_track *
track_add(struct gate *g, struct slice key, uint64_t hash)
{
	struct gate_track *t;

	if (g->track_cnt >= TRACK_KEY_MAX) {
		track_changed(g, TAILQ_FIRST(&g->tracks), 0, NULL);
	}
	t = heap_alloc(g->heap, sizeof(*t) + key.len);
	if (t == NULL) {
		return NULL;
	}
	*t = (struct gate_track){ .hash = hash, .len = (uint32_t)key.len };
	memcpy(t->key, key.p, key.len);
	LIST_INSERT_HEAD(chain_of(g, hash), t, next);
	TAILQ_INSERT_TAIL(&g->tracks, t, next_of_all);
	g->track_cnt++;
	return t;
}

static bool
is_wanted(const struct gate_conn *c)
{
	if (c->command == NULL || (c->command->flags & CMD_READONLY) == 0) {
		return false;
	}
	return (c->track & TRACK_OPTIN) != 0 ? c->caching
					     : (c->track & TRACK_OPTOUT) == 0 || !c->caching;
}

void
gate_track_look(struct gate *g, struct gate_conn *c, struct slice key, uint64_t hash,
		uint64_t version)
{
	struct gate_note *n = NULL;
	struct gate_track *t;

	if (!is_wanted(c)) {
		return;
	}
	t = track_find(g, key, hash);
	if (t != NULL) {
		LIST_FOREACH(n, &t->notes, next_of_key)
		{
			if (n->conn == c) {
				n->version = version;
				return;
			}
		}
	}
	n = heap_alloc(g->heap, sizeof(*n));
	t = n != NULL && t == NULL ? track_add(g, key, hash) : t;
	if (n == NULL || t == NULL) { /* C2 */
		if (n != NULL) {
			heap_free(g->heap, n, sizeof(*n));
		}
		tell(g, c, &key);
		return;
	}
	*n = (struct gate_note){ .track = t, .conn = c, .version = version };
	LIST_INSERT_HEAD(&t->notes, n, next_of_key);
	LIST_INSERT_HEAD(&c->notes, n, next_of_conn);
}

void
gate_track_drop(struct gate *g, struct gate_conn *c)
{
	struct gate_note *n;

	while ((n = LIST_FIRST(&c->notes)) != NULL) {
		note_remove(g, n);
	}
	g->track_conn_cnt -= c->track != 0;
	c->track = 0;
	c->caching = false;
	c->redirect = 0;
}

/* ------------------------------------------------------------------------ changes */

void
gate_track_batch(struct gate *g, const struct gate_batch *b)
{
	struct slice set = wset_bytes(&b->ws);
	struct wset_op op;

	for (uint32_t i = 0; i < b->op_cnt && wset_next(&set, &op) == 1; i++) {
		struct gate_track *t = NULL;

		if (b->word[i].err == 0 && b->word[i].changed != 0) {
			t = track_find(g, op.key, hash_bytes(op.key.p, op.key.len));
		}
		if (t != NULL) {
			track_changed(g, t, 0, b->run->conn);
		}
	}
}

void
gate_track_flush(struct gate *g)
{
	for (uint32_t i = 0; g->track_conn_cnt > 0 && i < g->cfg.conn_max; i++) {
		struct gate_conn *c = &g->conn[i];
		struct gate_note *n;

		if (!c->used || c->track == 0) {
			continue;
		}
		while ((n = LIST_FIRST(&c->notes)) != NULL) {
			note_remove(g, n);
		}
		tell(g, c, NULL);
	}
}

void
gate_track_tick(struct gate *g, uint64_t now_ns)
{
	uint32_t cnt = MIN(g->track_cnt, TRACK_TICK_CNT);

	if (now_ns < g->track_tick_ns) {
		return;
	}
	g->track_tick_ns = now_ns + TRACK_TICK_NS;
	while (cnt-- > 0 && !TAILQ_EMPTY(&g->tracks)) {
		struct gate_track *t = TAILQ_FIRST(&g->tracks);
		uint64_t now = gate_version_of(g, slice_of(t->key, t->len), t->hash);

		TAILQ_REMOVE(&g->tracks, t, next_of_all);
		TAILQ_INSERT_TAIL(&g->tracks, t, next_of_all);
		if (now != 0) {
			track_changed(g, t, now, NULL);
		}
	}
}

/* ------------------------------------------------------------------------ CLIENT */

struct track_options {
	uint8_t track;
	bool bcast, prefix;
	uint64_t redirect;
	struct stream_id redirect_to;
};

static bool
redirect_of(struct gate *g, struct gate_conn *c, struct slice word, struct track_options *ret)
{
	int64_t id;

	if (ret->redirect != 0) {
		gate_error(g, c, "ERR A client can only redirect to a single other client");
		return false;
	}
	if (!gate_word_i64(word, &id)) {
		gate_error(g, c, "ERR value is not an integer or out of range");
		return false;
	}
	for (uint32_t i = 0; i < g->cfg.conn_max; i++) {
		if (g->conn[i].used && (int64_t)g->conn[i].client_id == id) {
			ret->redirect = (uint64_t)id;
			ret->redirect_to = g->conn[i].id;
			return true;
		}
	}
	gate_error(g, c, "ERR The client ID you want redirect to does not exist");
	return false;
}

/* Returns: whether the words are options; else it is answered. */
static bool
options(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	struct track_options *ret)
{
	*ret = (struct track_options){ .track = TRACK_ON };
	for (uint32_t i = 3; i < arg_cnt; i++) {
		if (gate_word_is(arg[i], "redirect") && i + 1 < arg_cnt) {
			if (!redirect_of(g, c, arg[++i], ret)) {
				return false;
			}
		} else if (gate_word_is(arg[i], "optin")) {
			ret->track |= TRACK_OPTIN;
		} else if (gate_word_is(arg[i], "optout")) {
			ret->track |= TRACK_OPTOUT;
		} else if (gate_word_is(arg[i], "noloop")) {
			ret->track |= TRACK_NOLOOP;
		} else if (gate_word_is(arg[i], "bcast")) {
			ret->bcast = true;
		} else if (gate_word_is(arg[i], "prefix") && i + 1 < arg_cnt) {
			ret->prefix = true;
			i++;
		} else {
			gate_error(g, c, "ERR syntax error");
			return false;
		}
	}
	return true;
}

int
gate_client_tracking(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	const uint8_t both = TRACK_OPTIN | TRACK_OPTOUT;
	struct track_options o;

	if (!gate_word_is(arg[2], "on") && !gate_word_is(arg[2], "off")) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (!options(g, c, arg, arg_cnt, &o)) {
		return GATE_DONE;
	}
	if (gate_word_is(arg[2], "off")) {
		gate_track_drop(g, c);
		gate_ok(g, c);
		return GATE_DONE;
	}
	if (o.prefix && !o.bcast) {
		return gate_error(g, c, "ERR PREFIX option requires BCAST mode to be enabled");
	}
	if (o.bcast) {
		return gate_error(g, c,
				  "ERR BCAST is not served: what functions write to keys that "
				  "nobody has read is not seen by the gate");
	}
	if ((o.track & both) == both) {
		return gate_error(g, c, "ERR You can't specify both OPTIN mode and OPTOUT mode");
	}
	if (((c->track | o.track) & both) == both) {
		return gate_error(g, c,
				  "ERR You can't switch OPTIN/OPTOUT mode before disabling "
				  "tracking for this client, and then re-enabling it with a "
				  "different mode.");
	}
	g->track_conn_cnt += c->track == 0;
	c->track = o.track;
	c->redirect = o.redirect;
	c->redirect_to = o.redirect_to;
	gate_ok(g, c);
	return GATE_DONE;
}

int
gate_client_caching(struct gate *g, struct gate_conn *c, struct slice word)
{
	bool yes = gate_word_is(word, "yes");

	if (c->track == 0) {
		return gate_error(g, c,
				  "ERR CLIENT CACHING can be called only when the client is in "
				  "tracking mode with OPTIN or OPTOUT mode enabled");
	}
	if (!yes && !gate_word_is(word, "no")) {
		return gate_error(g, c, "ERR syntax error");
	}
	if ((c->track & (yes ? TRACK_OPTIN : TRACK_OPTOUT)) == 0) {
		return gate_error_f(g, c,
				    "ERR CLIENT CACHING %s is only valid when tracking is enabled "
				    "in %s mode.",
				    yes ? "YES" : "NO", yes ? "OPTIN" : "OPTOUT");
	}
	c->caching = true;
	gate_ok(g, c);
	return GATE_DONE;
}

int64_t
gate_track_redirect(const struct gate_conn *c)
{
	return c->track == 0 ? -1 : (int64_t)c->redirect;
}

int
gate_client_tracking_info(struct gate *g, struct gate_conn *c)
{
	const struct {
		bool is;
		const char *name;
	} flag[] = {
		{ c->track == 0, "off" },
		{ c->track != 0, "on" },
		{ (c->track & TRACK_OPTIN) != 0, "optin" },
		{ (c->track & TRACK_OPTIN) != 0 && c->caching, "caching-yes" },
		{ (c->track & TRACK_OPTOUT) != 0, "optout" },
		{ (c->track & TRACK_OPTOUT) != 0 && c->caching, "caching-no" },
		{ (c->track & TRACK_NOLOOP) != 0, "noloop" },
		{ (c->track & TRACK_BROKEN) != 0, "broken_redirect" },
	};
	size_t cnt = 0;

	for (size_t i = 0; i < ARRAY_CNT(flag); i++) {
		cnt += flag[i].is;
	}
	gate_map(g, c, 3);
	gate_bulk_str(g, c, "flags");
	gate_set(g, c, cnt);
	for (size_t i = 0; i < ARRAY_CNT(flag); i++) {
		if (flag[i].is) {
			gate_bulk_str(g, c, flag[i].name);
		}
	}
	gate_bulk_str(g, c, "redirect");
	gate_int(g, c, gate_track_redirect(c));
	gate_bulk_str(g, c, "prefixes");
	gate_array(g, c, 0);
	return GATE_DONE;
}
