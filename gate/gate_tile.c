/* SPDX-License-Identifier: Apache-2.0 */
/* gate_tile - the thread: events of sockets come with the lcore's completions, answers of tiles and
 * what has to go on in the poll */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <microburst/error.h>

#include "call.h"
#include "check.h"
#include "compiler.h"
#include "domain.h"
#include "gate_ahead.h"
#include "gate_block.h"
#include "gate_conn.h"
#include "gate_load.h"
#include "gate_loan.h"
#include "gate_many.h"
#include "gate_memory.h"
#include "gate_tls.h"
#include "gate_track.h"
#include "lcore.h"
#include "link.h"
#include "log.h"
#include "message.h"
#include "tile_msg.h"
#include "timebase.h"

#define FILES_BESIDE  1024u /* of the rest of the node: four a process, and some */
#define GATE_BURST    64    /* answers of one tile in a poll */
#define STARVED_TRIES 4     /* that found no room, in a poll */
#define LOOK_TURNS    8     /* polls between two looks at sockets, while anything is under way */
#define GATE_TICK_NS  (250 * NS_PER_MS) /* how exact the time of a slow or idle client is */

/* ------------------------------------------------------------------ events of sockets */

static bool
on_opened(void *ctx, struct stream_id id, bool local, const char **ret_reason)
{
	return gate_conn_opened(ctx, id, local, ret_reason);
}

static void
on_received(void *ctx, struct stream_id id, const uint8_t *p, size_t len)
{
	gate_conn_received(ctx, id, p, len);
}

static uint8_t *
on_room(void *ctx, struct stream_id id, size_t *ret_len)
{
	return gate_conn_room(ctx, id, ret_len);
}

static void
on_ended(void *ctx, struct stream_id id)
{
	gate_conn_ended(ctx, id);
}

static void
on_leaves(void *ctx, struct stream_id id)
{
	gate_conn_leaves(ctx, id);
}

static void
on_sent(void *ctx, struct stream_id id, size_t len, int err)
{
	gate_conn_sent(ctx, id, len, err);
}

static void
on_returned(void *ctx, struct stream_id id, uint32_t mark)
{
	gate_conn_returned(ctx, id, mark);
}

static void
on_closed(void *ctx, struct stream_id id)
{
	gate_conn_closed(ctx, id);
}

/* ------------------------------------------------------------------------------- life */

static int
memory_make(struct gate *g)
{
	g->heap_mem = mmap(NULL, g->cfg.memory_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->heap_mem == MAP_FAILED) {
		g->heap_mem = NULL;
		return MB_ERR_NO_MEMORY;
	}
	g->heap = heap_init(g->heap_mem, g->cfg.memory_bytes);
	gate_memory_init(g);
	g->conn = calloc(g->cfg.conn_max, sizeof(*g->conn));
	g->args = calloc(GATE_ARGS_MAX, sizeof(*g->args));
	g->scratch = malloc(RESP_INLINE_MAX);
	g->admin_text = malloc(DOMAIN_TEXT_MAX + 1);
	return g->conn != NULL && g->args != NULL && g->scratch != NULL && g->admin_text != NULL &&
			       gate_stay_init(g)
		       ? 0
		       : MB_ERR_NO_MEMORY;
}

/* A connection is a file: the limit is raised as far as it may, and beyond that obeyed. */
static void
files_allow(struct gate *g)
{
	struct rlimit r;
	rlim_t want = g->cfg.conn_max + (rlim_t)FILES_BESIDE;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= want) {
		return;
	}
	r.rlim_cur = MIN(want, r.rlim_max);
	if (setrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < want) {
		g->cfg.conn_max = (uint32_t)MAX(r.rlim_cur, FILES_BESIDE + 16) - FILES_BESIDE;
		log_at(LOG_WARN, "at most %u Redis clients: the limit of open files is %llu",
		       g->cfg.conn_max, (unsigned long long)r.rlim_max);
	}
}

static int
listen_all(struct gate *g)
{
	const struct stream_ops ops = { .opened = on_opened,
					.received = on_received,
					.room = on_room,
					.ended = on_ended,
					.leaves = on_leaves,
					.sent = on_sent,
					.returned = on_returned,
					.closed = on_closed,
					.ctx = g };
	int err = stream_create(&g->stream, g->cfg.lcore, g->cfg.conn_max, &ops);

	if (err == 0) {
		stream_lend_set(g->stream, g->cfg.lending, g->cfg.slow_ns);
	}
	g->tls_listener = UINT32_MAX;
	if (g->cfg.idx != 0) {
		return err; /* connections come in at home */
	}
	if (err == 0 && g->cfg.listen[0] != '\0') {
		err = stream_listen_tcp(g->stream, g->cfg.listen, &g->port);
	}
	if (err == 0 && g->cfg.tls_listen[0] != '\0') {
		err = stream_listen_tcp(g->stream, g->cfg.tls_listen, &g->tls_port);
		g->tls_listener = g->cfg.listen[0] != '\0' ? 1 : 0; /* as they are made here */
	}
	if (err == 0 && g->cfg.socket[0] != '\0') {
		err = stream_listen_unix(g->stream, g->cfg.socket);
	}
	return err;
}

int
gate_create(struct gate **ret, const struct gate_cfg *cfg)
{
	struct gate *g = aligned_alloc(CACHE_LINE, ALIGN_UP(sizeof(*g), (size_t)CACHE_LINE));
	int err;

	if (g == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	memset(g, 0, sizeof(*g));
	g->cfg = *cfg;
	metrics_init(&g->metrics, METRICS_OWNER_gate, cfg->idx);
	STAILQ_INIT(&g->ready);
	STAILQ_INIT(&g->turned);
	STAILQ_INIT(&g->starved);
	STAILQ_INIT(&g->behind);
	STAILQ_INIT(&g->lacking);
	TAILQ_INIT(&g->blocked);
	gate_crowd_init(&g->crowd);
	TAILQ_INIT(&g->tracks);
	for (uint32_t i = 0; i < GATE_TILE_CNT_MAX; i++) {
		STAILQ_INIT(&g->many.asks[i]);
	}
	gate_batch_init(g);
	gate_pops_init(g);
	gate_command_init();
	gate_slow_from(g, cfg->slowlog_ns != 0 ? cfg->slowlog_ns : GATE_SLOW_NONE);
	gate_slow_keep(g, GATE_SLOW_CNT);
	for (uint32_t i = 0; i < GATE_FETCH_CNT; i++) {
		g->fetch[i].next = i + 1 < GATE_FETCH_CNT ? i + 2 : 0;
	}
	g->fetch_free = 1;
	g->call_due_ns = UINT64_MAX;
	g->placement =
		(const struct placement *)(const void *)(cfg->daemon->base + cfg->daemon->at.table);
	g->began_ns = g->now_ns = timebase_now_ns(timebase_real());
	rng_init(&g->rng, cfg->node_id ^ g->now_ns);
	files_allow(g);
	g->client_max = g->cfg.conn_max;
	err = memory_make(g);
	if (err == 0) {
		err = gate_users_init(g);
	}
	if (err == 0) {
		err = gate_tls_init(g);
	}
	if (err == 0) {
		err = listen_all(g);
	}
	if (err == 0) {
		err = inner_create(&g->inner, &cfg->inner);
	}
	g->direct.who = call_caller_make(cfg->inner.proc, cfg->inner.inc);
	if (err == 0) {
		err = cache_view_open(&g->view, cfg->cache, cfg->cache_bytes,
				      region_hazard(&g->inner.cfg.own));
	}
	if (err != 0) {
		gate_destroy(g);
		return err;
	}
	*ret = g;
	return 0;
}

void
gate_destroy(struct gate *g)
{
	if (g->stream != NULL) {
		stream_destroy(g->stream);
	}
	inner_destroy(&g->inner);
	gate_admin_end(g);
	gate_slow_reset(g);
	gate_load_stop(g);
	gate_tls_end(g);
	if (g->heap_mem != NULL) {
		munmap(g->heap_mem, g->cfg.memory_bytes);
	}
	free(g->conn);
	free(g->args);
	free(g->scratch);
	free(g->admin_text);
	gate_stay_end(g);
	free(g);
}

uint16_t
gate_port(const struct gate *g)
{
	return g->port;
}

uint16_t
gate_tls_port(const struct gate *g)
{
	return g->tls_port;
}

struct metrics_block *
gate_metrics(struct gate *g)
{
	return &g->metrics;
}

uint32_t
gate_held(const struct gate *g)
{
	return atomic_load_explicit(&g->under_way_shown, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------- loop */

static int
poll_ctl(struct gate *g)
{
	struct desc d[GATE_BURST];
	uint32_t n = link_recv_burst(g->cfg.from_ctl, d, GATE_BURST);

	for (uint32_t i = 0; i < n; i++) {
		/* Nothing of another process is looked at from one poll to the next: it is let go
		 * of as soon as it is asked for. */
		if (d[i].kind == DESC_PROC_DOWN) {
			d[i].kind = DESC_PROC_DOWN_DONE;
			d[i].dead.published = 0;
		} else if (d[i].kind == DESC_SEG_DOWN) {
			d[i].kind = DESC_SEG_DOWN_DONE;
		} else {
			continue;
		}
		REQUIRE(link_send_sp(g->cfg.to_ctl, &d[i], 1) == 1); /* one for each of ctl's */
	}
	return (int)n;
}

static int
poll_answers(struct gate *g)
{
	struct desc d;
	int busy = 0;

	for (uint32_t port = PORT_SCHED; port < g->inner.port_cnt; port++) {
		for (uint32_t i = 0; i < GATE_BURST && inner_recv(&g->inner, port, &d) == 1; i++) {
			busy++;
			switch ((int)d.kind) {
			case DESC_PUBLISHED:
				gate_batch_published(g, &d);
				break;
			case DESC_FETCHED:
				gate_fetched(g, &d);
				break;
			case DESC_READ_DONE:
				gate_reads_done(g, &d);
				break;
			case DESC_SCANNED:
				gate_scanned(g, &d);
				break;
			case DESC_SENT:
				gate_sent(g, &d);
				break;
			case DESC_REPLY:
				gate_replied(g, &d);
				break;
			default:
				break;
			}
		}
	}
	return busy;
}

/* A connection that was taken off its list goes on. */
static void
conn_resume(struct gate *g, struct gate_conn *c)
{
	c->queue = NULL;
	if (c->room && c->wait_cnt == 0) { /* also if its replies put it among the ready */
		c->waiting = false;
	}
	c->room = false;
	gate_conn_go(g, c);
}

/* Connections of one list, each once. Of those that starve no more are asked when some still do: as
 * a rule all wait for the same, and each would read its command again for nothing. */
static int
poll_conns(struct gate *g, struct gate_conns *list, bool starving)
{
	struct gate_conns turn = STAILQ_HEAD_INITIALIZER(turn);
	struct gate_conn *c;
	uint32_t still_cnt = 0;
	int busy = 0;

	STAILQ_CONCAT(&turn, list);
	while ((c = STAILQ_FIRST(&turn)) != NULL && still_cnt < STARVED_TRIES) {
		STAILQ_REMOVE_HEAD(&turn, next);
		conn_resume(g, c);
		if (c->queue != &g->starved) {
			busy++;
		} else if (starving) {
			still_cnt++;
		}
	}
	STAILQ_CONCAT(&turn, list);
	STAILQ_CONCAT(list, &turn);
	return busy;
}

/* Whoever has more to do than a turn: one of them a poll, so that nobody else waits for longer. */
static void
poll_turned(struct gate *g)
{
	struct gate_conn *c = STAILQ_FIRST(&g->turned);

	STAILQ_REMOVE_HEAD(&g->turned, next);
	conn_resume(g, c);
}

/* Those that wait for a transaction's end, in their order, until one of them begins another. */
static int
poll_behind(struct gate *g)
{
	struct gate_conn *c;
	int busy = 0;

	while (g->alone == NULL && !g->many.held && (c = STAILQ_FIRST(&g->behind)) != NULL) {
		STAILQ_REMOVE_HEAD(&g->behind, next);
		conn_resume(g, c);
		busy++;
	}
	return busy;
}

static int
gate_poll(void *ctx, uint64_t now_ns)
{
	struct gate *g = ctx;
	int busy = 0;

	g->now_ns = now_ns;
	g->memory.poll_cnt++;
	if (unlikely(!g->started)) {
		g->started = true;
		if (stream_start(g->stream) != 0) {
			log_at(LOG_ERROR,
			       "this kernel cannot receive into shared buffers (it needs "
			       "Linux 6.0): Redis clients are not served");
			stream_stop(g->stream);
		}
		busy = 1;
	}
	busy += poll_ctl(g);
	if (g->cfg.gate_cnt > 1) {
		busy += gate_many_poll(g);
	}
	busy += poll_answers(g);
	busy += gate_direct_poll(g);
	busy += gate_batch_again(g);
	busy += gate_loans_again(g);
	if (unlikely(!STAILQ_EMPTY(&g->lacking))) {
		busy += gate_lack_poll(g);
	}
	if (!TAILQ_EMPTY(&g->blocked)) {
		gate_block_tick(g, now_ns);
	}
	if (g->track_cnt > 0) {
		gate_track_tick(g, now_ns);
	}
	if (g->question_cnt > 0) {
		busy += gate_admin_poll(g);
	}
	if (g->load.used) {
		busy += gate_load_poll(g);
	}
	if (g->owed_cnt > 0) {
		busy += gate_owed_send(g);
	}
	if (!STAILQ_EMPTY(&g->starved)) {
		busy += poll_conns(g, &g->starved, true);
	}
	if (!STAILQ_EMPTY(&g->ready)) {
		busy += poll_conns(g, &g->ready, false);
	}
	if (!STAILQ_EMPTY(&g->behind)) {
		busy += poll_behind(g);
	}
	/* What is under way first: on one lcore the tiles that it went to are next. But a turn
	 * takes longer than a look at sockets. */
	busy += stream_poll(g->stream, g->under_way > 0 && STAILQ_EMPTY(&g->turned) &&
					       ++g->turn % LOOK_TURNS != 0);
	if (!STAILQ_EMPTY(&g->turned)) {
		poll_turned(g);
		busy++;
	}
	busy += inner_flush(&g->inner);
	return busy;
}

static void
gate_count(struct gate *g)
{
	const struct stream_lend_tally sent = stream_lend_tally(g->stream);
	const struct {
		enum metric metric;
		uint64_t v;
	} row[] = {
		{ METRIC_gate_conn_accepted, g->tally.total.accept_cnt },
		{ METRIC_gate_conn_refused, g->tally.total.refuse_cnt },
		{ METRIC_gate_conn_open, stream_conn_cnt(g->stream) },
		{ METRIC_gate_command_run, g->tally.total.command_cnt },
		{ METRIC_gate_command_failed, g->tally.total.error_cnt },
		{ METRIC_gate_op_published, g->tally.op_cnt },
		{ METRIC_gate_key_fetched, g->tally.fetch_cnt },
		{ METRIC_gate_key_shown, g->tally.total.look_cnt[true] },
		{ METRIC_gate_key_absent, g->tally.total.look_cnt[false] },
		{ METRIC_gate_socket_rx, g->tally.total.rx_bytes },
		{ METRIC_gate_socket_tx, g->tally.total.tx_bytes },
		{ METRIC_gate_socket_lent, sent.bytes },
		{ METRIC_gate_lend_copied, sent.copied_cnt },
		{ METRIC_gate_value_held, g->held_cnt },
		{ METRIC_gate_memory_used, gate_memory_used(g) },
	};

	for (uint32_t i = 0; i < ARRAY_CNT(row); i++) {
		metrics_set(&g->metrics, row[i].metric, row[i].v);
	}
}

/* Who waits, or is to be told what others do, need not say anything. */
static bool
silent_by_right(const struct gate_conn *c)
{
	return c->waiting || gate_listens(c) || c->monitor;
}

/* Of a connection that owes, or is idle. N3 of gate_conn.c. */
static void
conn_check(struct gate *g, struct gate_conn *c, uint64_t now_ns)
{
	gate_conn_moved(g, c, &c->slow_ns, gate_lend_moves(g, c));
	gate_memory_look(g, c);
	if (c->queue != NULL) {
		return; /* we have not come to it */
	}
	if ((c->slow_ns != 0 && now_ns - c->slow_ns > g->cfg.slow_ns) ||
	    (c->half_ns != 0 && now_ns - c->half_ns > g->cfg.slow_ns)) {
		gate_conn_reset(g, c);
	} else if (g->cfg.idle_ns != 0 && !silent_by_right(c) &&
		   now_ns - c->used_ns > g->cfg.idle_ns) {
		gate_conn_close(g, c);
	}
}

static void
gate_housekeeping(void *ctx, uint64_t now_ns)
{
	struct gate *g = ctx;

	g->now_ns = now_ns;
	gate_count(g);
	gate_call_due(g, now_ns);
	atomic_store_explicit(&g->under_way_shown, g->under_way, memory_order_relaxed);
	if (now_ns < g->tick_ns) {
		return;
	}
	g->tick_ns = now_ns + GATE_TICK_NS;
	if (g->cfg.idle_ns != 0 || gate_memory_looks(g)) {
		for (uint32_t i = 0; i < g->cfg.conn_max; i++) {
			if (g->conn[i].used) {
				conn_check(g, &g->conn[i], now_ns);
			}
		}
	}
	gate_memory_tick(g);
}

static void
gate_arm(void *ctx, bool up)
{
	struct gate *g = ctx;

	inner_arm(&g->inner, up);
	stream_sleepy(g->stream, up);
}

static bool
gate_awaits(void *ctx)
{
	return gate_direct_awaits(ctx);
}

static bool
gate_far(void *ctx)
{
	const struct gate *g = ctx;

	return stream_far(g->stream);
}

static uint64_t
timer_of_rest(const struct gate *g)
{
	return g->slow_cnt > 0 || gate_memory_due(g) ||
			       (g->cfg.idle_ns != 0 && stream_conn_cnt(g->stream) > 0)
		       ? MIN(MAX(g->tick_ns, g->now_ns), g->call_due_ns)
		       : g->call_due_ns;
}

static uint64_t
gate_next_timer(void *ctx)
{
	struct gate *g = ctx;
	uint64_t due = timer_of_rest(g);

	if (!STAILQ_EMPTY(&g->starved) || !STAILQ_EMPTY(&g->behind) ||
	    !STAILQ_EMPTY(&g->batch_unsent) || g->owed_cnt > 0 || g->loans_over != 0 ||
	    g->question_cnt > 0 || g->load.used || gate_many_due(g)) {
		return g->now_ns + NS_PER_MS; /* room, and ctl's answer, comes without a word */
	}
	due = MIN(due, gate_lack_due(g));
	if (g->track_cnt > 0) {
		due = MIN(due, MAX(g->track_tick_ns, g->now_ns));
	}
	return TAILQ_EMPTY(&g->blocked) ? due : MIN(due, MAX(g->block_tick_ns, g->now_ns));
}

/* Nobody is let in any more; what was begun is answered. */
static bool
gate_drain(void *ctx, uint64_t now_ns)
{
	struct gate *g = ctx;

	stream_stop(g->stream);
	return g->under_way == 0;
}

const struct tile_ops gate_tile_ops = {
	.kind = TILE_GATE,
	.poll = gate_poll,
	.housekeeping = gate_housekeeping,
	.arm = gate_arm,
	.awaits = gate_awaits,
	.far = gate_far,
	.next_timer_ns = gate_next_timer,
	.drain = gate_drain,
};
