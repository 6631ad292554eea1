/* SPDX-License-Identifier: Apache-2.0 */
/* gate_multi - MULTI, EXEC, DISCARD, WATCH
 *
 * Between MULTI and EXEC commands are kept as their words. EXEC runs them one after the other, as
 * those of a pipeline that came then; while it does, the gate begins no command of another
 * connection, and it begins only when every write set that was sent before is acknowledged.
 *
 *   T1  g->alone: no command of another connection is begun until the transaction is over; what
 *       others had begun may end, but publishes nothing that was looked at before.
 *   T2  A watched key is compared (by what a reader sees of it) after T1 holds: no client of the
 *       gate can write between that and the transaction's own writes. A function can.
 *   T3  Once its array has begun each command is answered for itself, in the order in which they
 *       run. A reply that is no short one and that memory has no room for is refused (-OOM) like
 *       any other, as long as nothing of that command is done: while it is written only what is
 *       before it goes out. It leaves room for short replies to all that are to come
 *       (gate_multi_owes), to which others give way too (Y4). So the array ends as it began,
 *       whatever the client reads, and what was written is told. Nobody who is slow to read is
 *       waited for: all others wait.
 *   T4  What its commands read is brought to the cache before T1, all together and in turns, as
 *       everybody waits from then on. That is a guess: what is not there when its command runs is
 *       fetched then. Not of a transaction that watches: what comes could push out what it watches,
 *       and then it would fail each time.
 *   T5  Plain writes that follow each other are a run, as in a pipeline: published together and
 *       acknowledged together; all else waits until the run before it is over. So reads see what
 *       was written before them, a write that depends on what was looked at depends on nothing
 *       that is under way, and no reply is written before those of the run. Nobody sees less of a
 *       transaction than before: T1 ends when the last run is acknowledged, and holds for what is
 *       under way and for what is looked at by others, whatever the order in which it gets there.
 *       A function looks when it likes, and sees what it saw of a pipeline: of two keys perhaps the
 *       later write first, if they are of two cache tiles.
 *   T6  Who may not begin a command because of T1 stands in g->behind. When the transaction is over
 *       they go on in their order, until one of them begins another one. So nobody is passed by who
 *       came later, and each is asked once, not in each poll. Who has something under way does not
 *       stand there: its end wakes it, its replies go out, and then it does. What comes between a
 *       connection's MULTI and its EXEC is kept meanwhile: nobody sees anything of it. While its
 *       EXEC waits for T1 what it was answered does too, so that all of it goes out at once.
 *
 * Rejected: one write set for all of them (the commands answer what they read of each other, and
 * what is longer than a run would be another thing than what is shorter).
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "commands.h"
#include "gate_conn.h"
#include "gate_loan.h"
#include "gate_many.h"
#include "gate_memory.h"
#include "hash.h"
#include "timebase.h"

#define MULTI_BYTES_MAX (1u << 20) /* kept for one connection */
#define SHORT_PER_CHUNK 40         /* replies of 96 bytes: numbers, words, most errors */

static struct gate_multi *
multi_of(struct gate *g, struct gate_conn *c)
{
	if (c->multi == NULL) {
		c->multi = gate_memory_take(g, c, sizeof(*c->multi), 0);
		if (c->multi != NULL) {
			*c->multi = (struct gate_multi){ 0 };
		}
	}
	return c->multi;
}

void
gate_multi_drop(struct gate *g, struct gate_conn *c)
{
	struct gate_multi *m = c->multi;

	gate_alone_end(g, c);
	if (m == NULL) {
		return;
	}
	if (m->text != NULL) {
		heap_free(g->heap, m->text, m->text_cap);
	}
	if (m->watch != NULL) {
		heap_free(g->heap, m->watch, m->watch_cap);
	}
	heap_free(g->heap, m, sizeof(*m));
	c->multi = NULL;
}

/* What is kept of a transaction. */
struct kept {
	uint8_t **mem;
	uint32_t *len, *cap;
};

/* Adds bytes to it. */
static bool
keep(struct gate *g, const struct gate_conn *c, struct kept k, const void *p, size_t bytes)
{
	size_t want = *k.len + bytes;

	if (want > MULTI_BYTES_MAX) {
		return false;
	}
	if (want > *k.cap) {
		size_t more = heap_rounded_bytes(MAX(want, 2UL * *k.cap));
		uint8_t *to = gate_memory_take(g, c, more, 0);

		if (to == NULL) {
			return false;
		}
		if (*k.mem != NULL) {
			memcpy(to, *k.mem, *k.len);
			heap_free(g->heap, *k.mem, *k.cap);
		}
		*k.mem = to;
		*k.cap = (uint32_t)more;
	}
	if (bytes != 0) {
		memcpy(*k.mem + *k.len, p, bytes);
	}
	*k.len = (uint32_t)want;
	return true;
}

static bool
keep_text(struct gate *g, const struct gate_conn *c, const void *p, size_t bytes)
{
	struct gate_multi *m = c->multi;

	return keep(g, c, (struct kept){ &m->text, &m->text_len, &m->text_cap }, p, bytes);
}

static bool
keep_watch(struct gate *g, const struct gate_conn *c, const void *p, size_t bytes)
{
	struct gate_multi *m = c->multi;

	return keep(g, c, (struct kept){ &m->watch, &m->watch_len, &m->watch_cap }, p, bytes);
}

/* Whether a command cannot be a part of a transaction; it is answered why. */
static bool
kept_not(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
	 const struct slice *arg, uint32_t arg_cnt)
{
	if (gate_command_wrong(g, c, cmd, arg, arg_cnt)) {
		return true;
	}
	REQUIRE(cmd != NULL); /* that is wrong */
	if ((cmd->flags & CMD_NOSCRIPT) != 0) {
		gate_error(g, c,
			   "ERR calls of functions are not possible inside of MULTI: everybody "
			   "would wait for them");
		return true;
	}
	return c->user != NULL && !c->user->acl.full &&
	       gate_acl_check(g, c, cmd, arg, arg_cnt) != 0;
}

bool
gate_multi_takes(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		 const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_multi *m = c->multi;
	uint32_t before = m->text_len;
	bool ok;

	if (!m->queueing || (cmd != NULL && (cmd->flags & CMD_NOMULTI) != 0)) {
		return false;
	}
	if (kept_not(g, c, cmd, arg, arg_cnt)) {
		m->wrong = true;
		return true;
	}
	ok = keep_text(g, c, &arg_cnt, sizeof(arg_cnt));
	for (uint32_t i = 0; ok && i < arg_cnt; i++) {
		uint32_t len = (uint32_t)arg[i].len;

		ok = keep_text(g, c, &len, sizeof(len)) && keep_text(g, c, arg[i].p, len);
	}
	if (!ok) {
		m->wrong = true;
		m->text_len = before;
		gate_error(g, c,
			   "OOM a transaction has at most 1 MiB here, and less while gate.memory "
			   "is used up");
		return true;
	}
	m->cnt++;
	m->writes |= (cmd->flags & CMD_WRITE) != 0 || cmd->run == cmd_publish ||
		     cmd->run == cmd_spublish;
	gate_simple(g, c, "QUEUED");
	return true;
}

/* ------------------------------------------------------------------------ commands */

int
cmd_multi(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_multi *m = multi_of(g, c);

	if (m == NULL) {
		return gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	if (m->queueing) {
		return gate_error(g, c, "ERR MULTI calls can not be nested");
	}
	m->queueing = true;
	gate_ok(g, c);
	return GATE_DONE;
}

int
cmd_discard(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (c->multi == NULL || !c->multi->queueing) {
		return gate_error(g, c, "ERR DISCARD without MULTI");
	}
	gate_multi_drop(g, c);
	gate_ok(g, c);
	return GATE_DONE;
}

int
cmd_unwatch(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (c->multi != NULL && !c->multi->running) {
		gate_multi_drop(g, c);
	}
	gate_ok(g, c);
	return GATE_DONE;
}

/* What a reader sees of a key: its version, which is not 0, or that it is not there: what it was
 * before, or whether its entry is, is no matter then (a tombstone goes by itself). A key whose time
 * has passed is another one, though nobody wrote to it. */
static uint64_t
watch_seen(const struct cache_value *v, int n)
{
	return n == CACHE_HIT ? v->version : 0;
}

int
cmd_watch(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_multi *m = multi_of(g, c);

	if (m == NULL) {
		return gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	if (m->queueing) {
		return gate_error(g, c, "ERR WATCH inside MULTI is not allowed");
	}
	for (; c->step + 1 < arg_cnt; c->step++) {
		struct slice key = arg[c->step + 1];
		uint32_t len = (uint32_t)key.len;
		struct cache_value v;
		uint64_t seen;
		int n = gate_look(g, c, key, &v);

		if (n != CACHE_HIT && n != CACHE_ABSENT) {
			return gate_look_refuse(g, c, n);
		}
		gate_look_end(g, &v);
		seen = watch_seen(&v, n);
		if (!keep_watch(g, c, &seen, sizeof(seen)) ||
		    !keep_watch(g, c, &len, sizeof(len)) || !keep_watch(g, c, key.p, len)) {
			gate_multi_drop(g, c); /* half a row stands there */
			return gate_error_of(g, c, MB_ERR_NO_MEMORY);
		}
	}
	gate_ok(g, c);
	return GATE_DONE;
}

/* T2. Returns: 1: all watched keys are as they were; 0: one is not; else what the handler returns,
 * negative - 1. */
static int
watched_same(struct gate *g, struct gate_conn *c)
{
	struct gate_multi *m = c->multi;

	while (m->watch_at < m->watch_len) {
		const uint8_t *p = m->watch + m->watch_at;
		struct cache_value v;
		uint64_t version;
		uint32_t len;
		int n;

		memcpy(&version, p, sizeof(version));
		memcpy(&len, p + sizeof(version), sizeof(len));
		n = gate_look(g, c, slice_of(p + sizeof(version) + sizeof(len), len), &v);
		if (n != CACHE_HIT && n != CACHE_ABSENT) {
			return -1 - gate_look_refuse(g, c, n);
		}
		gate_look_end(g, &v);
		if (watch_seen(&v, n) != version) {
			return 0;
		}
		m->watch_at += (uint32_t)(sizeof(version) + sizeof(len)) + len;
	}
	return 1;
}

/* The command at hand, as it was kept. */
static uint32_t
words_at(struct gate *g, const struct gate_multi *m)
{
	const uint8_t *p = m->text + m->at;
	uint32_t cnt, len;

	memcpy(&cnt, p, sizeof(cnt));
	p += sizeof(cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		memcpy(&len, p, sizeof(len));
		g->args[i] = slice_of(p + sizeof(len), len);
		p += sizeof(len) + len;
	}
	return cnt;
}

/* Where the one behind it begins. */
static uint32_t
words_end(const struct gate *g, const struct gate_multi *m, uint32_t cnt)
{
	return (uint32_t)(g->args[cnt - 1].p + g->args[cnt - 1].len - m->text);
}

/* Asks for a key that is not here. Returns: false: there is no room for that yet. */
static bool
key_bring(struct gate *g, struct gate_conn *c, struct slice key)
{
	uint64_t hash = hash_bytes(key.p, key.len);
	struct cache_value v;
	int n;

	if (key.len == 0 || key.len > KEY_BYTES_MAX) {
		return true; /* its command will say so */
	}
	n = cache_view_get_hashed(&g->view, hash, key, &v);
	if (n == CACHE_HIT || n == CACHE_ABSENT) {
		cache_view_release(&g->view, &v);
	} else if (!gate_fetch(g, c, key, hash)) {
		gate_conn_starve(g, c);
		return false;
	}
	return true;
}

/* Keeps T4; c->total: the place of the key of a command that was the last one. Returns: 1; else
 * what the handler returns, negative - 1. */
static int
keys_bring(struct gate *g, struct gate_conn *c)
{
	struct gate_multi *m = c->multi;

	while (m->at < m->text_len) {
		const uint32_t cnt = words_at(g, m);
		const struct gate_command *cmd = gate_command_of(g->args, cnt);
		uint32_t at;

		while ((cmd->flags & CMD_READONLY) != 0 &&
		       (at = gate_key_next(cmd, g->args, cnt, (uint32_t)c->total)) != 0) {
			if (gate_turn_over(g)) {
				return -1 - gate_turn_end(g, c);
			}
			if (!key_bring(g, c, g->args[at])) {
				return -1 - GATE_WAIT;
			}
			c->total = at;
		}
		c->total = 0;
		m->at = words_end(g, m, cnt);
	}
	if (c->wait_cnt > 0) {
		return -1 - GATE_WAIT;
	}
	if (c->loans != 0) { /* these are looked at when they are needed */
		gate_loans_end(g, &c->loans);
	}
	c->held_err = 0;
	m->at = 0;
	m->brought = true;
	return 1;
}

void
gate_multi_next(struct gate *g, struct gate_conn *c)
{
	struct gate_multi *m = c->multi;
	uint32_t cnt = words_at(g, m);

	if (c->timed != NULL && m->began_tsc != 0) {
		gate_timed(g, c, c->timed, timebase_tsc() - m->began_tsc, g->args, cnt);
	}
	m->began_tsc = 0;
	m->done++;
	m->at = words_end(g, m, cnt);
	gate_conn_renew(g, c);
}

size_t
gate_multi_owes(const struct gate_multi *m)
{
	return (size_t)GATE_CHUNK_BYTES * ((m->cnt - m->done) / SHORT_PER_CHUNK + 1);
}

/* It is shown behind its commands. */
static void
exec_show(struct gate *g, struct gate_conn *c)
{
	const struct slice word = slice_of("exec", 4);

	if (unlikely(!LIST_EMPTY(&g->monitors))) {
		gate_monitor_show(g, c, gate_command_find(word), &word, 1);
	}
}

/* Runs what is left. */
static int
multi_run(struct gate *g, struct gate_conn *c)
{
	struct gate_multi *m = c->multi;

	while (m->at < m->text_len) {
		uint32_t cnt = words_at(g, m);
		const struct gate_command *cmd = gate_command_of(g->args, cnt);
		int rc;

		if (gate_run_before(c) && (cmd->flags & CMD_RUN) == 0) { /* T5 */
			return GATE_WAIT;
		}
		if (gate_turn_over(g)) {
			return gate_turn_end(g, c);
		}
		c->timed_out = true; /* nothing is waited for here */
		c->command = c->timed = cmd;
		m->began_tsc = m->began_tsc != 0 ? m->began_tsc : timebase_tsc();
		rc = gate_command_try(g, c, cmd, g->args, cnt);
		if (rc != GATE_DONE) {
			return rc;
		}
		c->timed = c->run == NULL ? c->timed : NULL; /* else with its run */
		gate_multi_next(g, c);
	}
	if (c->run != NULL) { /* its replies are written when it is acknowledged */
		return GATE_WAIT;
	}
	gate_multi_drop(g, c);
	exec_show(g, c);
	c->command = c->timed = gate_command_find(slice_of("exec", 4));
	return GATE_DONE;
}

int
cmd_exec(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_multi *m = c->multi;
	int same;

	if (m == NULL || !m->queueing) {
		return gate_error(g, c, "ERR EXEC without MULTI");
	}
	if (m->wrong) {
		gate_multi_drop(g, c);
		exec_show(g, c);
		return gate_error(g, c,
				  "EXECABORT Transaction discarded because of previous errors.");
	}
	if (m->running) {
		return multi_run(g, c);
	}
	same = m->brought || m->watch_len != 0 ? 1 : keys_bring(g, c);
	if (same != 1) {
		return -1 - same;
	}
	c->quiet = true;                      /* nobody wants +QUEUED before the rest */
	if (!gate_alone_begin(g, c, &same)) { /* T1 */
		return same;
	}
	same = watched_same(g, c);
	if (same < 0) {
		return -1 - same;
	}
	if (same == 0) {
		gate_multi_drop(g, c);
		exec_show(g, c);
		gate_null_array(g, c);
		return GATE_DONE;
	}
	gate_array(g, c, m->cnt);
	if (c->unfit) { /* T3 */
		gate_multi_drop(g, c);
		return GATE_DONE;
	}
	m->running = true;
	gate_conn_renew(g, c);
	return multi_run(g, c);
}
