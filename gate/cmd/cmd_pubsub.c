/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_pubsub - publish and subscribe
 *
 *	topic  ◄── one of the hash table's chains ── by name and kind
 *	  │ subs                                      (channel, pattern, shard channel)
 *	  ▼
 *	sub ── topic, connection ──► in the list of its connection too
 *
 * A message is written behind the replies of each connection that listens, in the order in which it
 * was published; a connection in the middle of a command gets it behind that command's reply
 * (gate_push_begin). Nothing is kept for who does not listen.
 *
 *   P1  A topic is there as long as somebody listens to it.
 *   P2  What a listener makes the gate keep, its subscriptions and what it has not read, is bounded
 *       by gate.backlog: past it a subscription is refused, and a listener that does not read is
 *       cut. Whoever publishes never waits for it.
 *   P3  There is one gate tile, so one owner of all this, and one order of messages.
 *
 * Rejected: a lattice key a channel that the caches push (messages would merge, and outlive those
 * who listened); one shared copy of a message for all listeners (a count in each, for the few that
 * lag: what is sent at once is freed at once).
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "hash.h"

static const struct topic_words {
	const char *message, *subscribe, *unsubscribe;
} words[GATE_TOPIC_KINDS] = {
	[TOPIC_CHANNEL] = { "message", "subscribe", "unsubscribe" },
	[TOPIC_PATTERN] = { "pmessage", "psubscribe", "punsubscribe" },
	[TOPIC_SHARD] = { "smessage", "ssubscribe", "sunsubscribe" },
};

/* ------------------------------------------------------------------------ topics */

static struct gate_topics *
chain_of(struct gate *g, enum gate_topic_kind kind, uint64_t hash)
{
	return &g->topic_chain[(hash + kind) % GATE_CHAIN_CNT];
}

static struct gate_topic *
topic_find(struct gate *g, enum gate_topic_kind kind, struct slice name)
{
	uint64_t hash = hash_bytes(name.p, name.len);
	struct gate_topic *t;

	LIST_FOREACH(t, chain_of(g, kind, hash), next)
	{
		if (t->hash == hash && t->kind == kind &&
		    slice_eq(slice_of(t->name, t->len), name)) {
			return t;
		}
	}
	return NULL;
}

static struct gate_topic *
topic_add(struct gate *g, enum gate_topic_kind kind, struct slice name)
{
	uint64_t hash = hash_bytes(name.p, name.len);
	struct gate_topic *t = heap_alloc(g->heap, sizeof(*t) + name.len);

	if (t == NULL) {
		return NULL;
	}
	*t = (struct gate_topic){ .hash = hash, .kind = kind, .len = (uint32_t)name.len };
	if (name.len != 0) {
		memcpy(t->name, name.p, name.len);
	}
	LIST_INSERT_HEAD(chain_of(g, kind, hash), t, next);
	LIST_INSERT_HEAD(&g->topics[kind], t, next_of_kind);
	g->topic_cnt[kind]++;
	return t;
}

static void
topic_check(struct gate *g, struct gate_topic *t)
{
	if (t->sub_cnt == 0) { /* P1 */
		LIST_REMOVE(t, next);
		LIST_REMOVE(t, next_of_kind);
		g->topic_cnt[t->kind]--;
		heap_free(g->heap, t, sizeof(*t) + t->len);
	}
}

/* Of two lists that both have it the shorter one is walked. */
static struct gate_sub *
sub_find(const struct gate_conn *c, const struct gate_topic *t)
{
	struct gate_sub *s;

	if (t->sub_cnt < c->sub_cnt[0] + c->sub_cnt[1] + c->sub_cnt[2]) {
		LIST_FOREACH(s, &t->subs, next_of_topic)
		{
			if (s->conn == c) {
				return s;
			}
		}
		return NULL;
	}
	LIST_FOREACH(s, &c->subs, next_of_conn)
	{
		if (s->topic == t) {
			return s;
		}
	}
	return NULL;
}

static size_t
sub_bytes(const struct gate_topic *t)
{
	return sizeof(struct gate_sub) + sizeof(*t) + t->len;
}

/* Returns: 0; MB_ERR_FULL: the connection has as many as it may (P2); MB_ERR_NO_MEMORY. */
static int
sub_add(struct gate *g, struct gate_conn *c, enum gate_topic_kind kind, struct slice name)
{
	struct gate_topic *t = topic_find(g, kind, name);
	struct gate_sub *s;

	if (t != NULL && sub_find(c, t) != NULL) {
		return 0;
	}
	if (c->sub_bytes + sizeof(*s) + sizeof(*t) + name.len > g->cfg.backlog_bytes) {
		return MB_ERR_FULL;
	}
	if (t == NULL) {
		t = topic_add(g, kind, name);
	}
	if (t == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	s = heap_alloc(g->heap, sizeof(*s));
	if (s == NULL) {
		topic_check(g, t);
		return MB_ERR_NO_MEMORY;
	}
	*s = (struct gate_sub){ .topic = t, .conn = c };
	LIST_INSERT_HEAD(&t->subs, s, next_of_topic);
	LIST_INSERT_HEAD(&c->subs, s, next_of_conn);
	t->sub_cnt++;
	c->sub_cnt[kind]++;
	c->sub_bytes += sub_bytes(t);
	return 0;
}

static void
sub_remove(struct gate *g, struct gate_sub *s)
{
	struct gate_topic *t = s->topic;

	LIST_REMOVE(s, next_of_topic);
	LIST_REMOVE(s, next_of_conn);
	s->conn->sub_cnt[t->kind]--;
	s->conn->sub_bytes -= sub_bytes(t);
	t->sub_cnt--;
	heap_free(g->heap, s, sizeof(*s));
	topic_check(g, t);
}

void
gate_subs_drop(struct gate *g, struct gate_conn *c)
{
	struct gate_sub *s;

	while ((s = LIST_FIRST(&c->subs)) != NULL) {
		sub_remove(g, s);
	}
}

/* ------------------------------------------------------------------------ messages */

static void
message_to(struct gate *g, const struct gate_topic *t, struct slice channel, struct slice text)
{
	struct gate_sub *s;

	LIST_FOREACH(s, &t->subs, next_of_topic)
	{
		struct gate_conn *c = s->conn;

		if (c->last) {
			continue; /* it ends */
		}
		gate_push_begin(c);
		gate_push_head(g, c, t->kind == TOPIC_PATTERN ? 4 : 3);
		gate_bulk_str(g, c, words[t->kind].message);
		if (t->kind == TOPIC_PATTERN) {
			gate_bulk(g, c, slice_of(t->name, t->len));
		}
		gate_bulk(g, c, channel);
		gate_bulk(g, c, text);
		gate_push_end(g, c);
	}
}

static int64_t
publish(struct gate *g, enum gate_topic_kind kind, struct slice channel, struct slice text)
{
	const struct gate_topic *t = topic_find(g, kind, channel);
	int64_t cnt = 0;

	if (t != NULL) {
		message_to(g, t, channel, text);
		cnt += t->sub_cnt;
	}
	if (kind != TOPIC_CHANNEL) {
		return cnt;
	}
	LIST_FOREACH(t, &g->topics[TOPIC_PATTERN], next_of_kind)
	{
		if (gate_match(slice_of(t->name, t->len), channel, false)) {
			message_to(g, t, channel, text);
			cnt += t->sub_cnt;
		}
	}
	return cnt;
}

int
cmd_publish(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	gate_int(g, c, publish(g, TOPIC_CHANNEL, arg[1], arg[2]));
	return GATE_DONE;
}

int
cmd_spublish(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	gate_int(g, c, publish(g, TOPIC_SHARD, arg[1], arg[2]));
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ subscribing */

/* What a connection is told of each of its subscriptions: channels and patterns count together. */
static void
sub_reply(struct gate *g, struct gate_conn *c, enum gate_topic_kind kind, const char *what,
	  const struct slice *name)
{
	c->pushing = true; /* told also to who wants no replies */
	gate_push_head(g, c, 3);
	gate_bulk_str(g, c, what);
	if (name != NULL) {
		gate_bulk(g, c, *name);
	} else {
		gate_null(g, c);
	}
	gate_int(g, c,
		 kind == TOPIC_SHARD ? c->sub_cnt[TOPIC_SHARD]
				     : c->sub_cnt[TOPIC_CHANNEL] + c->sub_cnt[TOPIC_PATTERN]);
	c->pushing = false;
}

static int
subscribe(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	  enum gate_topic_kind kind)
{
	for (uint32_t i = 1; i < arg_cnt; i++) {
		int err = sub_add(g, c, kind, arg[i]);

		if (err == MB_ERR_FULL) {
			return gate_error(
				g, c, "ERR no more subscriptions for this client: gate.backlog");
		}
		if (err != 0) {
			return gate_error_of(g, c, err);
		}
		sub_reply(g, c, kind, words[kind].subscribe, &arg[i]);
	}
	return GATE_DONE;
}

/* All of a kind that the connection has. */
static void
unsubscribe_all(struct gate *g, struct gate_conn *c, enum gate_topic_kind kind)
{
	struct gate_sub *s, *next;

	if (c->sub_cnt[kind] == 0) {
		sub_reply(g, c, kind, words[kind].unsubscribe, NULL);
		return;
	}
	for (s = LIST_FIRST(&c->subs); s != NULL; s = next) {
		struct gate_topic *t = s->topic;
		struct slice name = slice_of(t->name, t->len);

		next = LIST_NEXT(s, next_of_conn);
		if (t->kind != kind) {
			continue;
		}
		t->sub_cnt++; /* its name is still said */
		sub_remove(g, s);
		sub_reply(g, c, kind, words[kind].unsubscribe, &name);
		t->sub_cnt--;
		topic_check(g, t);
	}
}

static int
unsubscribe(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	    enum gate_topic_kind kind)
{
	if (arg_cnt == 1) {
		unsubscribe_all(g, c, kind);
	}
	for (uint32_t i = 1; i < arg_cnt; i++) {
		struct gate_topic *t = topic_find(g, kind, arg[i]);
		struct gate_sub *s = t != NULL ? sub_find(c, t) : NULL;

		if (s != NULL) {
			sub_remove(g, s);
		}
		sub_reply(g, c, kind, words[kind].unsubscribe, &arg[i]);
	}
	return GATE_DONE;
}

int
cmd_subscribe(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return subscribe(g, c, arg, arg_cnt, TOPIC_CHANNEL);
}

int
cmd_psubscribe(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return subscribe(g, c, arg, arg_cnt, TOPIC_PATTERN);
}

int
cmd_ssubscribe(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (gate_multi_runs(c)) { /* the others may, in Redis since before there was this one */
		return gate_error(g, c, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
	}
	return subscribe(g, c, arg, arg_cnt, TOPIC_SHARD);
}

int
cmd_unsubscribe(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return unsubscribe(g, c, arg, arg_cnt, TOPIC_CHANNEL);
}

int
cmd_punsubscribe(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return unsubscribe(g, c, arg, arg_cnt, TOPIC_PATTERN);
}

int
cmd_sunsubscribe(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return unsubscribe(g, c, arg, arg_cnt, TOPIC_SHARD);
}

/* ------------------------------------------------------------------------ PUBSUB */

static int
channels(struct gate *g, struct gate_conn *c, enum gate_topic_kind kind,
	 const struct slice *pattern)
{
	const struct gate_topic *t;
	size_t cnt = 0;

	LIST_FOREACH(t, &g->topics[kind], next_of_kind)
	{
		cnt += pattern == NULL || gate_match(*pattern, slice_of(t->name, t->len), false);
	}
	gate_array(g, c, cnt);
	LIST_FOREACH(t, &g->topics[kind], next_of_kind)
	{
		if (pattern == NULL || gate_match(*pattern, slice_of(t->name, t->len), false)) {
			gate_bulk(g, c, slice_of(t->name, t->len));
		}
	}
	return GATE_DONE;
}

static int
listeners(struct gate *g, struct gate_conn *c, enum gate_topic_kind kind, const struct slice *name,
	  uint32_t cnt)
{
	gate_array(g, c, 2UL * cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		const struct gate_topic *t = topic_find(g, kind, name[i]);

		gate_bulk(g, c, name[i]);
		gate_int(g, c, t != NULL ? t->sub_cnt : 0);
	}
	return GATE_DONE;
}

int
cmd_pubsub(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (gate_word_is(arg[1], "channels") && arg_cnt <= 3) {
		return channels(g, c, TOPIC_CHANNEL, arg_cnt == 3 ? &arg[2] : NULL);
	}
	if (gate_word_is(arg[1], "shardchannels") && arg_cnt <= 3) {
		return channels(g, c, TOPIC_SHARD, arg_cnt == 3 ? &arg[2] : NULL);
	}
	if (gate_word_is(arg[1], "numsub")) {
		return listeners(g, c, TOPIC_CHANNEL, arg + 2, arg_cnt - 2);
	}
	if (gate_word_is(arg[1], "shardnumsub")) {
		return listeners(g, c, TOPIC_SHARD, arg + 2, arg_cnt - 2);
	}
	if (gate_word_is(arg[1], "numpat") && arg_cnt == 2) {
		gate_int(g, c, g->topic_cnt[TOPIC_PATTERN]);
		return GATE_DONE;
	}
	return gate_sub_rest(g, c, arg);
}
