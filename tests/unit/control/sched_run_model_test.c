/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   whatever happens to DAG runs, each is answered once, nothing of it begins after that or
 *         twice without need, what is read is held, and every hold is returned once.
 * Method: many runs at a time before a model of executors and clients. Replies, errors, deaths,
 *         cancels, deadlines, full ports, executors that come with few functions and go are drawn
 *         from a seed that is printed; in the end all goes well, and nothing may be left. */
#include "sched_world.h"

#include "rng.h"
#include "test_seed.h"

#define M_EXEC_END 8
#define M_CALLS    4096
#define M_STEPS    4000
#define M_HANDLES  64
#define M_COPIES   256
#define M_DAG_CNT  4
#define M_FN_CNT   6
#define M_BATCHED  3 /* c, and d: they take several calls in one run */

static const char *const m_dag[M_DAG_CNT] = {
	"a -> b, a -> c, b -> d, c -> d",
	"a -> b -> c -> f, a -> d -> e -> f, a -> f",
	"a -> f, b -> f, c -> f, d -> f, e -> f",
	"a -> b, b -> c#1, b -> c#2, c#1 -> d#1, c#2 -> d#1, c#1 -> e, d#1 -> f, e -> f",
};

struct m_part {
	uint32_t seq_cnt, step_cnt, input_cnt;
	uint16_t first, last, fn;
	bool sink, has_cut;
	struct desc call;
};

struct m_exec {
	bool up, draining, leaving;
	uint32_t inc;
	uint32_t fns; /* bit by id */
	bool busy;
	struct m_part next;                /* the sequence that comes */
	struct m_part row[CALL_BATCH_MAX]; /* what it runs, or what comes of it */
	uint32_t row_cnt, row_at;
	uint32_t handle[M_HANDLES]; /* held for the daemon */
	uint32_t handle_cnt;
};

struct m_call {
	bool answered, dead; /* dead: its client is */
	bool has_read;       /* a part that returned has */
	uint16_t dag, client;
	uint64_t done;    /* vertices that returned */
	uint64_t again;   /* vertices that returned and began once more */
	uint32_t running; /* parts at executors */
};

static struct {
	struct world *w;
	struct rng rng;
	bool calm; /* nothing goes wrong any more */
	struct m_exec exec[M_EXEC_END];
	struct m_call call[M_CALLS];
	uint32_t call_cnt, handle_seq;
	uint32_t copy[M_COPIES]; /* that sched has: handles */
	uint32_t copy_cnt, copied;
	uint32_t parts, fused, again, ok, cuts,
		batched; /* so that the test shows that it tests something */
	const struct placement_dag *dag[M_DAG_CNT];
} m;

static struct m_call *
m_call_of(uint64_t id)
{
	uint32_t i = (uint32_t)(id & 0xffff);

	assert_true(i < m.call_cnt);
	return &m.call[i];
}

static bool
one_in(uint32_t n)
{
	return rng_below(&m.rng, n) == 0;
}

static void
m_take_release(uint16_t proc, const struct desc *d)
{
	struct m_exec *e = &m.exec[proc];

	if (d->a != PROC_DAEMON) {
		return; /* an answer that nobody gets */
	}
	assert_int_equal(d->release.inc, e->inc);
	for (uint32_t i = 0; i < e->handle_cnt; i++) {
		if (e->handle[i] == d->release.handle[0]) {
			e->handle[i] = e->handle[--e->handle_cnt];
			return;
		}
	}
	fail_msg("executor %u: hold %u is returned twice, or was never given", proc,
		 d->release.handle[0]);
}

/* Of what lives, or died just now; there is not always room. */
static int
m_keep(void *ctx, const struct payload_ref *ref, struct payload_ref *ret)
{
	if (one_in(4)) {
		return MB_ERR_NO_MEMORY;
	}
	assert_true(m.copy_cnt < M_COPIES);
	assert_int_equal(ref->inc, m.exec[ref->proc].inc);
	*ret = (struct payload_ref){ .proc = PROC_DAEMON, .handle = ++m.handle_seq };
	m.copy[m.copy_cnt++] = ret->handle;
	m.copied++;
	return 0;
}

/* Where a copy stands in the table; M_COPIES: nowhere. */
static uint32_t
m_copy_at(const struct payload_ref *ref)
{
	for (uint32_t i = 0; i < m.copy_cnt; i++) {
		if (m.copy[i] == ref->handle) {
			return i;
		}
	}
	return M_COPIES;
}

static void
m_drop(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	uint32_t i = m_copy_at(ref);

	assert_int_equal(holder, PROC_DAEMON);
	assert_true(i < M_COPIES); /* given back once */
	m.copy[i] = m.copy[--m.copy_cnt];
}

/* What is to be read is held, unless it died a moment ago. */
static void
m_check_input(const struct desc *d)
{
	const struct m_exec *e = &m.exec[d->ref.proc % M_EXEC_END];
	bool held = (d->flags & DESC_F_INLINE) != 0 || !e->up || e->inc != d->ref.inc;

	if ((d->flags & DESC_F_INLINE) == 0 && d->ref.proc == PROC_DAEMON) {
		assert_true(m_copy_at(&d->ref) < M_COPIES);
		return;
	}
	for (uint32_t i = 0; i < e->handle_cnt; i++) {
		held |= e->handle[i] == d->ref.handle;
	}
	assert_true(held);
}

/* A part begins: everything it needs has returned, and nothing that has runs again. */
static void
m_part_begins(const struct m_part *e)
{
	const struct desc *d = &e->call;
	struct m_call *c = m_call_of(d->call);

	assert_false(c->answered);
	assert_false(c->dead);
	c->running++;
	if ((d->sub & CALL_PART) == 0) {
		m.fused++;
		return;
	}
	m.parts++;
	assert_int_equal(d->err, e->seq_cnt);
	assert_true(e->step_cnt > 0);
	if ((d->sub & CALL_LEVEL_MASK) == CALL_LEVEL_RR) {
		assert_int_equal(c->running, 1); /* in turn, and with what was read */
		assert_true(e->has_cut ? c->has_read
				       : !c->has_read || (d->sub & CALL_ATTEMPT_MASK) != 0);
		m.cuts += e->has_cut;
	}
	for (uint32_t i = 0, in = 0; i < m.dag[c->dag]->edge_cnt; i++) {
		if (m.dag[c->dag]->edge[i].to == e->first) {
			assert_true((c->done >> m.dag[c->dag]->edge[i].from & 1) != 0);
			assert_true(++in <= e->input_cnt);
		}
	}
	if ((c->done >> e->first & 1) != 0) { /* its result was lost: once (U3) */
		assert_true((d->sub & CALL_ATTEMPT_MASK) != 0);
		assert_int_equal(c->again >> e->first & 1, 0);
		c->again |= UINT64_C(1) << e->first;
		m.again++;
	}
}

/* What comes before a CALL, or the CALL: what it ends begins. */
static void
m_take_call(struct m_exec *e, const struct desc *d)
{
	bool first = (d->kind == DESC_CALL) == ((d->flags & CALL_F_BATCH) == 0);

	assert_false(e->busy);
	e->row_cnt = first ? 0 : e->row_cnt;
	assert_true(first || e->row_cnt > 0);
	assert_true(e->row_cnt < CALL_BATCH_MAX);
	e->row[e->row_cnt] = e->next;
	e->row[e->row_cnt++].call = *d;
	if (d->kind != DESC_CALL) {
		return;
	}
	e->busy = true;
	e->row_at = 0;
	for (uint32_t i = 0; i < e->row_cnt; i++) {
		m_part_begins(&e->row[i]);
		if (e->row_cnt > 1) { /* one function, that takes them; each for the first time */
			assert_true(e->row[i].fn >= M_BATCHED && e->row[i].fn == e->row[0].fn);
			assert_int_equal(e->row[i].step_cnt, 1);
			assert_int_equal(e->row[i].call.sub & CALL_ATTEMPT_MASK, 0);
			assert_false((e->row[i].call.sub & CALL_PART) != 0 &&
				     (e->row[i].call.sub & CALL_LEVEL_MASK) == CALL_LEVEL_RR);
			m.batched++;
		}
	}
}

static int
m_send(void *ctx, uint16_t proc, const struct desc *d)
{
	struct m_exec *e = &m.exec[proc < M_EXEC_END ? proc : 0];

	if (proc == 0) {
		if (d->kind == DESC_EXEC_DRAIN) {
			assert_false(m.exec[d->a].busy);
			m.exec[d->a].leaving = true;
		}
		return 0;
	}
	if (proc >= PROC_CLIENT_FIRST) {
		struct m_call *c = m_call_of(d->call);

		assert_int_equal(d->kind, DESC_REPLY);
		assert_false(c->answered); /* U1 */
		assert_false(c->dead);
		assert_int_equal(c->running, 0);
		c->answered = true;
		m.ok += d->err == 0;
		return 0;
	}
	if (!e->up) {
		return MB_ERR_PEER_DIED;
	}
	if (!m.calm && one_in(10)) {
		return MB_ERR_FULL;
	}
	switch (d->kind) {
	case DESC_RELEASE:
		m_take_release(proc, d);
		break;
	case DESC_CALL:
	case DESC_BATCH:
		m_take_call(e, d);
		break;
	default:
		if (d->b == 0) {
			e->next = (struct m_part){ .fn = 0 };
		}
		assert_int_equal(d->b, e->next.seq_cnt);
		e->next.seq_cnt++;
		if (d->kind == DESC_TRIGGER) {
			e->next.input_cnt++;
			m_check_input(d);
			break;
		}
		if (d->kind == DESC_CUT) {
			assert_int_equal(e->next.step_cnt, 0);
			e->next.has_cut = true;
			m_check_input(d);
			break;
		}
		assert_true((e->fns >> d->a & 1) != 0);
		memcpy(&e->next.last, d->data, sizeof(e->next.last));
		if (e->next.step_cnt++ == 0) {
			e->next.first = e->next.last;
			e->next.fn = d->a;
		}
		e->next.sink = (d->sub & STEP_SINK) != 0;
	}
	return 0;
}

static void
m_tell_ctl(void *ctx, const struct desc *d)
{
	m_send(ctx, 0, d);
}

static bool
m_idle(void *ctx, uint16_t exec)
{
	return !m.exec[exec].busy;
}

static void
m_up(uint16_t exec)
{
	struct m_exec *e = &m.exec[exec];
	uint16_t fn[M_FN_CNT];
	uint32_t cnt = 0;

	*e = (struct m_exec){ .up = true, .inc = e->inc + 1 };
	for (uint16_t f = 1; f <= M_FN_CNT; f++) {
		if (m.calm || !one_in(8)) {
			fn[cnt++] = f;
			e->fns |= 1U << f;
		}
	}
	up_with(m.w, exec, fn, cnt);
}

static void
m_died(uint16_t exec)
{
	struct m_exec *e = &m.exec[exec];
	struct desc d = { .kind = 0 };

	d.dead.proc = exec;
	d.dead.inc = e->inc;
	d.dead.cause = DEATH_SIGNAL;
	d.dead.status = 9;
	d.dead.published = e->busy && one_in(2) ? e->row[e->row_at].call.call : 0;
	d.dead.published_ns = m.w->now;
	e->up = false;
	for (; e->busy && e->row_at < e->row_cnt; e->row_at++) {
		m_call_of(e->row[e->row_at].call.call)->running--;
	}
	e->busy = false;
	sched_proc_down(m.w->s, &d, m.w->now);
}

/* What vertices a part's return means: the row from its first to its last. */
static uint64_t
m_row(const struct m_part *e, const struct placement_dag *dag)
{
	uint64_t row = UINT64_C(1) << e->first;

	for (uint16_t v = e->first; v != e->last;) {
		for (uint32_t i = 0; i < dag->edge_cnt; i++) {
			if (dag->edge[i].from == v) {
				v = dag->edge[i].to;
				break;
			}
		}
		row |= UINT64_C(1) << v;
	}
	return row;
}

/* At the level rr a part says what it has read before it returns. */
static void
m_reads(uint16_t exec, struct m_call *c, const struct m_part *p)
{
	struct m_exec *e = &m.exec[exec];
	struct desc d = { .kind = DESC_CUT, .call = p->call.call };

	if ((p->call.sub & CALL_LEVEL_MASK) == CALL_LEVEL_RR && !p->sink && !one_in(3)) {
		d.ref = (struct payload_ref){ .inc = e->inc,
					      .proc = exec,
					      .handle = ++m.handle_seq };
		assert_true(e->handle_cnt < M_HANDLES);
		e->handle[e->handle_cnt++] = m.handle_seq;
		c->has_read = true;
		sched_on_proc(m.w->s, exec, &d, m.w->now);
	}
}

static void
m_returns(uint16_t exec)
{
	struct m_exec *e = &m.exec[exec];
	const struct m_part *p = &e->row[e->row_at];
	struct m_call *c = m_call_of(p->call.call);
	bool part = (p->call.sub & CALL_PART) != 0;
	struct desc d = { .kind = DESC_REPLY, .a = exec, .call = p->call.call };

	d.flags = one_in(2) ? DESC_F_INLINE : 0;
	d.sub = part && one_in(4) ? REPLY_PUBLISHED : 0;
	if (!m.calm && one_in(20)) {
		d.err = MB_ERR_FUNCTION_FAILED;
	} else if (!m.calm && part && (p->input_cnt != 0 || p->has_cut) && one_in(20)) {
		d.err = MB_ERR_PEER_DIED;
		d.flags = DESC_F_INLINE;
		c->again &= ~(UINT64_C(1) << p->first); /* it has not run */
	} else if (part) {
		c->done |= m_row(p, m.dag[c->dag]);
		m_reads(exec, c, p);
	}
	d.ref = (struct payload_ref){ .inc = e->inc, .proc = exec, .handle = ++m.handle_seq };
	if (part && !p->sink && d.err == 0 && d.flags == 0) {
		assert_true(e->handle_cnt < M_HANDLES);
		e->handle[e->handle_cnt++] = m.handle_seq;
	}
	e->busy = ++e->row_at < e->row_cnt;
	c->running--;
	sched_on_proc(m.w->s, exec, &d, m.w->now);
}

static void
m_call(void)
{
	struct m_call *c = &m.call[m.call_cnt];
	struct desc d = { .kind = DESC_CALL, .sub = CALL_DAG, .flags = DESC_F_INLINE };
	uint16_t client = (uint16_t)(CLIENT + rng_below(&m.rng, 4));

	*c = (struct m_call){ .dag = (uint16_t)rng_below(&m.rng, M_DAG_CNT), .client = client };
	d.a = (uint16_t)(1 + c->dag);
	d.call = id_of(client, m.call_cnt++);
	d.sub |= one_in(3) ? CALL_LEVEL_RR : 0;
	d.b = one_in(8) ? m.w->now + MS : 0;
	sched_on_proc(m.w->s, client, &d, m.w->now);
}

static void
m_client_dies(void)
{
	uint16_t client = (uint16_t)(CLIENT + rng_below(&m.rng, 4));

	for (uint32_t i = 0; i < m.call_cnt; i++) {
		m.call[i].dead |= m.call[i].client == client && !m.call[i].answered;
	}
	dies(m.w, client, 0);
}

static void
m_cancel(void)
{
	const struct m_call *c = &m.call[m.call_cnt - 1];

	if (!c->answered && !c->dead) {
		cancel(m.w, c->client, m.call_cnt - 1, 0);
	}
}

static void
m_step(void)
{
	uint16_t exec = (uint16_t)(1 + rng_below(&m.rng, M_EXEC_END - 1));
	struct m_exec *e = &m.exec[exec];

	switch (rng_below(&m.rng, 8)) {
	case 0:
	case 1:
		if (m.call_cnt < M_CALLS && sched_runs(m.w->s) < 20) {
			m_call();
		}
		break;
	case 2:
		if (!e->up) {
			m_up(exec);
		} else if (one_in(12)) {
			m_died(exec);
		} else if (!e->draining && one_in(12)) {
			e->draining = true;
			tell(m.w, DESC_EXEC_DRAIN, exec, 0);
		} else if (e->leaving && !e->busy) {
			m_died(exec);
		}
		break;
	case 3:
		m.w->now += MS / 10;
		sched_poll(m.w->s, m.w->now);
		break;
	case 4:
		if (m.call_cnt > 0 && one_in(16)) {
			m_cancel();
		} else if (one_in(100)) {
			m_client_dies();
		}
		break;
	default:
		if (e->busy) {
			m_returns(exec);
		}
	}
}

/* Whatever happened: executors that live and work bring everything to its end. */
static void
m_end(void)
{
	m.calm = true;
	for (uint32_t turn = 0; turn < 10000 && (sched_runs(m.w->s) | sched_queued(m.w->s)) != 0;
	     turn++) {
		for (uint16_t e = 1; e < M_EXEC_END; e++) {
			if (m.exec[e].busy) {
				m_returns(e);
			} else if (!m.exec[e].up || m.exec[e].leaving) {
				if (m.exec[e].up) {
					m_died(e);
				}
				m_up(e);
			}
		}
		m.w->now += MS;
		sched_poll(m.w->s, m.w->now);
	}
	for (uint16_t e = 1; e < M_EXEC_END; e++) {
		if (m.exec[e].busy) {
			m_returns(e);
		}
	}
	assert_int_equal(sched_runs(m.w->s), 0);
	assert_int_equal(sched_held(m.w->s), 0);
	assert_int_equal(sched_queued(m.w->s), 0);
	assert_int_equal(sched_running(m.w->s), 0);
	assert_int_equal(m.copy_cnt, 0);
	for (uint32_t i = 0; i < m.call_cnt; i++) {
		assert_true(m.call[i].answered || m.call[i].dead);
	}
	for (uint16_t e = 1; e < M_EXEC_END; e++) {
		assert_int_equal(m.exec[e].up ? m.exec[e].handle_cnt : 0, 0); /* U4 */
	}
}

static void
whatever_happens_each_run_is_answered_once_and_leaves_nothing(void **state)
{
	struct world *w = *state;
	struct sched_ops ops = { .send = m_send,
				 .tell_ctl = m_tell_ctl,
				 .idle = m_idle,
				 .keep = m_keep,
				 .drop = m_drop };
	uint64_t seed = test_seed("sched_run");
	uint64_t gen;
	uint32_t batched = 0, cuts = 0, copied = 0;

	for (uint64_t turn = 0; turn < 20; turn++) {
		memset(&m, 0, sizeof(m));
		memset(w->placement, 0, sizeof(*w->placement));
		memset(w->hints, 0, sizeof(*w->hints));
		rng_init(&m.rng, seed + turn);
		m.w = w;
		sched_destroy(w->s);
		assert_int_equal(sched_create(&w->s, w->placement, w->hints, 1000, seed, &ops), 0);
		for (uint16_t fn = M_BATCHED; fn < M_BATCHED + 2; fn++) {
			put_takes(w, fn, 4);
		}
		for (uint16_t i = 0; i < M_DAG_CNT; i++) {
			put_dag(w, (uint16_t)(1 + i), m_dag[i]);
		}
		for (uint32_t i = 0; i < M_STEPS; i++) {
			for (uint16_t k = 0; k < M_DAG_CNT;
			     k++) { /* shown by turns in either copy */
				m.dag[k] = &placement_shown(w->placement, &gen)->dag[1 + k];
			}
			m_step();
		}
		m_end();
		assert_true(m.parts > 100 && m.ok > 50);
		batched += m.batched;
		cuts += m.cuts;
		copied += m.copied;
	}
	assert_true(batched > 100);
	assert_true(cuts > 0);
	assert_true(copied > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(whatever_happens_each_run_is_answered_once_and_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
