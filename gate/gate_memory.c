/* SPDX-License-Identifier: Apache-2.0 */
/* gate_memory - see gate_memory.h
 *
 * Redis's maxmemory-clients is the model of Y2: it evicts whoever holds most. Here that would be
 * the one who sends or reads the longest value, however fast; so what counts is for how long the
 * memory would be held at the pace that was seen: bytes held * time / bytes moved.
 */
#include "gate_memory.h"

#include <string.h>

#include <microburst/error.h>

#include "compiler.h"
#include "gate_int.h"
#include "gate_text.h"
#include "log.h"
#include "timebase.h"

#define RESERVE_SHARE   16                /* of the memory, Y1 */
#define RESERVE_SHORT   1024u             /* of any command, or a reply, that may stand in it */
#define SHORT_SHARE     8                 /* so little is free, beside the reserve: it is short */
#define HELD_MIN        (1u << 10)        /* who holds less does not matter */
#define PACE_NS         (200 * NS_PER_MS) /* what is held for less, at its pace, moves */
#define IDLE_NS         NS_PER_S          /* of who holds something, and owes nothing */
#define NO_RELIEF_NS    (20 * NS_PER_MS)
#define TICK_VICTIM_CNT 64         /* closed in a tick */
#define TRIM_BYTES      (4u << 20) /* looked through in a tick: about 1 ms */
#define TRIM_TRAFFIC    (1u << 20) /* after so much there may be something to give back; */
#define TRIM_CNT        3          /* then it is looked for so often */
#define TRIM_LONG_TICKS 2          /* between two segments, of which one takes 10 ms */
#define TRIM_TICKS      8          /* between two times */

void
gate_memory_init(struct gate *g)
{
	heap_reserve(g->heap, g->cfg.memory_bytes / RESERVE_SHARE);
}

static bool
reserved_for(const struct gate_conn *c, size_t bytes)
{
	const struct gate_command *cmd = c->command;

	if (c->out.bytes == 0 && c->in_len + bytes <= RESERVE_SHORT) {
		return true; /* the beginning of a command, or an error */
	}
	return cmd != NULL && c->out.bytes <= GATE_OUT_MAX &&
	       (strcmp(cmd->group, "server") == 0 || strcmp(cmd->group, "connection") == 0);
}

void *
gate_memory_take(struct gate *g, const struct gate_conn *c, size_t bytes)
{
	void *p = heap_alloc(g->heap, bytes);

	return unlikely(p == NULL) && reserved_for(c, bytes) ? heap_alloc_reserve(g->heap, bytes)
							     : p;
}

/* ------------------------------------------------------------------------ who gives way */

static size_t
chunks_held(const struct gate_out *out)
{
	size_t bytes = 0;

	for (const struct gate_chunk *k = out->head; k != NULL; k = k->next) {
		bytes += sizeof(*k) + k->cap;
	}
	return bytes;
}

static size_t
held(const struct gate_conn *c, enum gate_memory which)
{
	size_t bytes = 0;

	if (which == MEMORY_LONG) {
		for (uint32_t i = 0; c->large != NULL && i < RESP_LARGE_CNT_MAX; i++) {
			bytes += c->large[i].ref.handle != 0 ? c->large[i].cap : 0;
		}
		return bytes;
	}
	bytes = c->in_cap + (c->keep_ref.handle == 0 ? c->keep_cap : 0) + chunks_held(&c->out) +
		chunks_held(&c->pushed);
	if (c->multi != NULL) {
		bytes += sizeof(*c->multi) + c->multi->text_cap + c->multi->watch_cap;
	}
	return bytes + c->sub_bytes;
}

/* How much it gives way: what it holds, times for how long at its pace, in bytes * ns. 0: it does
 * not. */
static double
weight(const struct gate *g, const struct gate_conn *c, enum gate_memory which)
{
	bool owes = (c->half_ns | c->slow_ns) != 0;
	uint64_t age_ns = g->now_ns - (owes ? c->owes_ns : c->used_ns);
	size_t bytes;
	double pace_ns;

	if (age_ns < (owes ? PACE_NS : IDLE_NS) ||
	    (!owes && c->waiting && !c->blocked && !c->halted)) {
		return 0; /* too new to be told; or it waits for us */
	}
	bytes = held(c, which);
	pace_ns = (double)age_ns * (double)bytes / (double)((owes ? c->moved : 0) + 1);
	return bytes < HELD_MIN || pace_ns < (double)PACE_NS ? 0 : pace_ns * (double)bytes;
}

static struct gate_conn *
victim(struct gate *g, const struct gate_conn *but, enum gate_memory which)
{
	struct gate_conn *most = NULL;
	double most_weight = 0;

	for (uint32_t i = 0; i < g->cfg.conn_max; i++) {
		struct gate_conn *c = &g->conn[i];
		double w;

		if (!c->used || c == but || c->closing || c->pushing || gate_multi_runs(c)) {
			continue;
		}
		w = weight(g, c, which);
		if (w > most_weight) {
			most_weight = w;
			most = c;
		}
	}
	return most;
}

enum gate_relief
gate_memory_relieve(struct gate *g, const struct gate_conn *but, enum gate_memory which)
{
	struct gate_conn *c;
	size_t before, bytes;

	if (g->now_ns < g->no_relief_ns) {
		return RELIEF_NONE;
	}
	c = victim(g, but, which);
	if (c == NULL) {
		g->no_relief_ns = g->now_ns + NO_RELIEF_NS; /* looking at all takes its time */
		return RELIEF_NONE;
	}
	bytes = held(c, which);
	before = heap_used_bytes(g->heap);
	log_at(LOG_INFO, "Redis client %llu is closed: memory is short, and it holds %zu bytes",
	       (unsigned long long)c->client_id, bytes);
	g->tally.evict_cnt++;
	gate_conn_reset(g, c);
	/* Nothing is called for it but `closed`: what the kernel has no part in goes now. */
	if (!c->waiting) {
		gate_text_end(g, c);
		gate_multi_drop(g, c);
		if (c->in != NULL) {
			heap_free(g->heap, c->in, c->in_cap);
			c->in = NULL;
			c->in_len = c->in_cap = 0;
		}
	}
	return which == MEMORY_LONG || heap_used_bytes(g->heap) < before ? RELIEF_NOW
									 : RELIEF_LATER;
}

/* ------------------------------------------------------------------------ from time to time */

static size_t
free_bytes(const struct gate *g)
{
	size_t bytes = heap_free_bytes(g->heap), reserve = g->cfg.memory_bytes / RESERVE_SHARE;

	return bytes > reserve ? bytes - reserve : 0;
}

static uint64_t
traffic(const struct gate *g)
{
	return g->tally.rx_bytes + g->tally.tx_bytes;
}

void
gate_memory_tick(struct gate *g)
{
	for (uint32_t i = 0;
	     i < TICK_VICTIM_CNT && free_bytes(g) < g->cfg.memory_bytes / SHORT_SHARE &&
	     gate_memory_relieve(g, NULL, MEMORY_HEAP) == RELIEF_NOW;
	     i++) {
	}
	if (traffic(g) - g->trim_seen > TRIM_TRAFFIC) {
		g->trim_seen = traffic(g);
		g->trim_cnt = TRIM_CNT;
	}
	if (g->trim_cnt == 0) {
		return;
	}
	if (g->trim_wait > 0) {
		g->trim_wait--;
	} else if (!heap_trim(g->heap, TRIM_BYTES)) {
		g->trim_wait = TRIM_TICKS;
		g->trim_cnt--;
	}
	if (++g->trim_tick % TRIM_LONG_TICKS == 0 && payload_trim_idle(g->inner.pool)) {
		g->trim_cnt = MAX(g->trim_cnt, 1U); /* there may be more */
	}
}

bool
gate_memory_due(const struct gate *g)
{
	return g->trim_cnt > 0 || traffic(g) - g->trim_seen > TRIM_TRAFFIC;
}
