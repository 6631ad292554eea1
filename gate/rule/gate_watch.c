/* SPDX-License-Identifier: Apache-2.0 */
/* gate_watch - what the gate shows of the commands it runs: who is slow, how long each takes, and,
 * to those who said MONITOR, all of them
 *
 * A command's time is from its first step until its reply is written, with all its waiting for keys
 * and acknowledgements; of one that waits for an item, from when there is one. Plain writes of a
 * pipeline are timed together, until they are acknowledged.
 *
 *   V1  The clock is read once a command that runs at once, and twice a run of writes.
 *   V2  What was slow is kept by GATE_SLOW_CNT entries with at most so many words, and bytes of
 *       each: 128 entries are at most 600 KiB, beside gate.memory. Words of plain writes are not
 *       there any more when they are acknowledged: their entries have the command's name.
 *   V3  Passwords are never shown: CMD_SECRET.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "commands.h"
#include "gate_conn.h"
#include "gate_many.h"
#include "timebase.h"

#define SLOW_WORDS      32
#define SLOW_WORD_MAX   128
#define MONITOR_BYTES   4000 /* of one line; what is longer is cut */
#define MONITOR_EXTRA   16   /* room for what is put behind a cut line */
#define BYTES_OF_A_REPR 4

/* ------------------------------------------------------------------------ times */

static uint32_t
latency_bucket(uint64_t us)
{
	uint32_t i = us <= 1 ? 0 : 64 - (uint32_t)__builtin_clzll(us - 1);

	return MIN(i, GATE_LATENCY_CNT - 1);
}

/* The oldest ones go, until so many are left. */
static void
slow_drop(struct gate *g, uint32_t left)
{
	for (; g->slow_seq - g->slow_first > left; g->slow_first++) {
		uint32_t at = g->slow_first % GATE_SLOW_CNT;

		free(g->slow[at]);
		g->slow[at] = NULL;
	}
}

void
gate_slow_take(struct gate *g, struct gate_slow *s)
{
	s->id = g->slow_seq++;
	slow_drop(g, g->slow_max);
	if (g->slow_first == g->slow_seq) { /* none is kept */
		free(s);
		return;
	}
	g->slow[s->id % GATE_SLOW_CNT] = s;
}

void
gate_slow_reset(struct gate *g)
{
	slow_drop(g, 0);
}

void
gate_slow_keep(struct gate *g, uint32_t max)
{
	REQUIRE(max <= GATE_SLOW_CNT);
	g->slow_max = max;
	slow_drop(g, max);
}

void
gate_slow_from(struct gate *g, uint64_t ns)
{
	g->cfg.slowlog_ns = ns;
	g->slow_tsc = ns != GATE_SLOW_NONE ? timebase_ns_to_tsc(ns) : UINT64_MAX;
}

/* A word as it is kept: its beginning, and how much more there was. */
static size_t
slow_word(struct slice word, char ret[SLOW_WORD_MAX + 40])
{
	size_t n = MIN(word.len, (size_t)SLOW_WORD_MAX);

	if (n != 0) {
		memcpy(ret, word.p, n);
	}
	if (n < word.len) {
		n += (size_t)snprintf(ret + n, 40, "... (%zu more bytes)", word.len - n);
	}
	return n;
}

static void
slow_add(struct gate *g, const struct gate_conn *c, const struct gate_command *cmd, uint64_t us,
	 const struct slice *arg, uint32_t arg_cnt)
{
	static _Thread_local char text[SLOW_WORDS * (SLOW_WORD_MAX + 40 + sizeof(uint32_t))];
	struct gate_slow *s;
	uint32_t cnt = MIN(arg_cnt, (uint32_t)SLOW_WORDS);
	size_t len = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		struct slice word = arg[i];
		char more[40];
		uint32_t n;

		if (i > 0 && (cmd->flags & CMD_SECRET) != 0) { /* V3 */
			word = slice_of("(redacted)", 10);
		} else if (i == SLOW_WORDS - 1 && arg_cnt > SLOW_WORDS) {
			word = slice_of(more, (size_t)snprintf(more, sizeof(more),
							       "... (%u more arguments)",
							       arg_cnt - SLOW_WORDS + 1));
		}
		n = (uint32_t)slow_word(word, text + len + sizeof(n));
		memcpy(text + len, &n, sizeof(n));
		len += sizeof(n) + n;
	}
	s = malloc(sizeof(*s) + len); /* of no gate's heap: home keeps it */
	if (s == NULL) {
		return; /* no memory for looking back */
	}
	*s = (struct gate_slow){ .at_s = timebase_wall_us(timebase_real()) / US_PER_S,
				 .us = us,
				 .len = (uint32_t)len,
				 .word_cnt = cnt };
	gate_conn_address(g, c, s->address);
	snprintf(s->name, sizeof(s->name), "%s", c->name != NULL ? c->name : "");
	memcpy(s->text, text, len);
	if (g->cfg.idx != 0) {
		gate_slow_send(g, s);
	} else {
		gate_slow_take(g, s);
	}
}

void
gate_timed(struct gate *g, const struct gate_conn *c, const struct gate_command *cmd,
	   uint64_t cycles, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_stat *stat = gate_stat_of(g, cmd);
	uint64_t ns = timebase_tsc_to_ns(cycles);

	stat->latency[latency_bucket(ns / NS_PER_US)]++;
	stat->ns += ns;
	if (unlikely(ns >= g->cfg.slowlog_ns)) {
		slow_add(g, c, cmd, ns / NS_PER_US, arg, arg_cnt);
	}
}

/* ------------------------------------------------------------------------ everything */

/* Bytes as Redis prints them, in quotes. */
static void
repr(struct wbuf *w, struct slice word)
{
	wbuf_u8(w, '"');
	for (size_t i = 0; i < word.len && w->cap - w->len > MONITOR_EXTRA; i++) {
		static const char named[] = "\n\r\t\a\b", letter[] = "nrtab";
		const char *at = word.p[i] != '\0' ? strchr(named, word.p[i]) : NULL;
		char text[BYTES_OF_A_REPR + 1];

		if (word.p[i] == '"' || word.p[i] == '\\') {
			wbuf_u8(w, '\\');
			wbuf_u8(w, word.p[i]);
		} else if (at != NULL) {
			wbuf_u8(w, '\\');
			wbuf_u8(w, (uint8_t)letter[at - named]);
		} else if (isprint(word.p[i])) {
			wbuf_u8(w, word.p[i]);
		} else {
			snprintf(text, sizeof(text), "\\x%02x", word.p[i]);
			wbuf_put(w, text, BYTES_OF_A_REPR);
		}
	}
	wbuf_u8(w, '"');
}

void
gate_monitor_show(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		  const struct slice *arg, uint32_t arg_cnt)
{
	char line[MONITOR_BYTES], address[GATE_ADDRESS_MAX];
	struct wbuf w = wbuf_init((uint8_t *)line, sizeof(line));
	uint64_t us = timebase_wall_us(timebase_real());
	struct gate_conn *m;
	bool hidden;

	if ((cmd->flags & CMD_ADMIN) != 0) {
		return;
	}
	gate_conn_address(g, c, address);
	w.len = (size_t)snprintf(line, sizeof(line), "+%llu.%06llu [0 %s]",
				 (unsigned long long)(us / US_PER_S),
				 (unsigned long long)(us % US_PER_S), address);
	for (uint32_t i = 0; i < arg_cnt; i++) {
		if (w.cap - w.len <= 2 * MONITOR_EXTRA) {
			wbuf_put(&w, " ...", 4);
			break;
		}
		wbuf_u8(&w, ' ');
		/* V3; of HELLO the first word is a version. */
		hidden = (cmd->flags & CMD_SECRET) != 0 && i > (cmd->run == cmd_hello ? 1 : 0);
		repr(&w, hidden ? slice_of("(redacted)", 10) : arg[i]);
	}
	wbuf_put(&w, "\r\n", 2);
	LIST_FOREACH(m, &g->monitors, next_monitor)
	{
		if (!m->last) {
			gate_push_begin(m);
			gate_out_bytes(g, m, line, w.len);
			gate_push_end(g, m);
		}
	}
}

void
gate_monitor_set(struct gate *g, struct gate_conn *c, bool on)
{
	if (on == c->monitor) {
		return;
	}
	if (on) {
		LIST_INSERT_HEAD(&g->monitors, c, next_monitor);
	} else {
		LIST_REMOVE(c, next_monitor);
	}
	c->monitor = on;
	gate_stay_tell(g);
}
