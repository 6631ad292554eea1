/* SPDX-License-Identifier: Apache-2.0 */
/* outside - the kernel, as far as the shipped code asks it for anything
 *
 * Each function here takes the place of one of the shipped code at link time (--wrap in
 * meson.build).
 *
 *   time              the virtual clock
 *   sleeping, waking  fibers and events
 *   entering          no socket: ctl is called
 *   mapping           one address space: to map is to know the place
 *   planted bugs      of executors, which no step core shows; of what operations mean
 *   sending, taking   the shipped function, and then a step of the process ends: the points at
 *   which it
 *                     may be killed, or others run
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "call.h"
#include "check.h"
#include "delta.h"
#include "domain.h"
#include "exec.h"
#include "hints.h"
#include "microburst/error.h"
#include "node.h"
#include "proc.h"
#include "seen.h"
#include "session_int.h"
#include "timebase.h"

/* Declared here: only the linker calls them by these names. */
const struct timebase *__wrap_timebase_real(void);
uint64_t __wrap_timebase_tsc_slow(void);
int __real_nanosleep(const struct timespec *ns, struct timespec *left);
int __wrap_nanosleep(const struct timespec *ns, struct timespec *left);
void __wrap_bell_sleep(struct bell *bell, uint64_t timeout_ns);
void __wrap_bell_wake(struct bell *bell);
int __real_channel_send(struct channel *ch, const struct desc *d);
int __wrap_channel_send(struct channel *ch, const struct desc *d);
int __real_channel_recv(struct channel *ch, struct desc *ret);
int __wrap_channel_recv(struct channel *ch, struct desc *ret);
int __wrap_domain_enter(struct domain **ret, const char *path, const char *program,
			const struct domain_events *ev);
int __wrap_domain_enter_fd(struct domain **ret, int sock, const char *program,
			   const struct domain_events *ev);
void __wrap_domain_leave(struct domain *d);
int __wrap_region_create(enum region_kind kind, bool huge, int *ret_fd);
int __wrap_region_seal(int fd);
int __wrap_region_map_peer(struct region *r, enum region_kind kind, int fd);
void __wrap_region_unmap(struct region *r);
int __real_exec_call(struct exec *x, const struct desc *d, const struct exec_from *from);
int __wrap_exec_call(struct exec *x, const struct desc *d, const struct exec_from *from);
int __real_session_publish(struct session *s);
int __wrap_session_publish(struct session *s);
int __real_delta_make(struct slice stored, const struct wset_op *op, struct hlc_moment at,
		      struct writer_id writer, struct wbuf *out);
int __wrap_delta_make(struct slice stored, const struct wset_op *op, struct hlc_moment at,
		      struct writer_id writer, struct wbuf *out);
struct held_key *__real_held_find(struct session *s, uint64_t hash, struct slice key);
struct held_key *__wrap_held_find(struct session *s, uint64_t hash, struct slice key);

/* ---------------------------------------------------------------------- time */

const struct timebase *
__wrap_timebase_real(void)
{
	sim_now->clock.now_ns = sim_now_ns(sim_now);
	return &sim_now->clock.tb;
}

/* The counter's cycles are nanoseconds: timebase_tsc_disable was called. */
uint64_t
__wrap_timebase_tsc_slow(void)
{
	return sim_now_ns(sim_now);
}

/* ------------------------------------------------------------ sleeping, waking */

int
__wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
	if (proc_self() == NULL) {
		return __real_nanosleep(t, left); /* main, before the first run */
	}
	proc_sleep((uint64_t)t->tv_sec * NS_PER_S + (uint64_t)t->tv_nsec, false);
	return 0;
}

void
__wrap_bell_sleep(struct bell *bell, uint64_t timeout_ns)
{
	if (atomic_load(&bell->waiting) == 1) { /* as the futex does: W2 in hints.h */
		proc_sleep(timeout_ns < WAIT_MAX_NS ? timeout_ns : WAIT_MAX_NS, true);
	}
	bell_disarm(bell);
}

void
__wrap_bell_wake(struct bell *bell)
{
	struct node *n = sim_now->node;
	uint16_t idx = (uint16_t)(bell - n->hints->proc);
	struct sim_proc *p;

	if (sim_planted(sim_now, PLANT_LOST_WAKE) && sim_one_in(sim_now, 50)) {
		return;
	}
	if (node_rung(n, bell)) {
		return;
	}
	REQUIRE(idx < PROC_CNT_MAX);
	p = simctl_proc(n->ctl, idx);
	if (p != NULL) {
		proc_rung(p);
	}
}

/* ------------------------------------------------------------- sending, taking */

static void
trace(const char *what, const struct channel *ch, const struct desc *d)
{
	const struct sim_proc *p = proc_self();

	if (sim_now->opt.trace && p != NULL) {
		sim_trace(sim_now, "process %u %s %u, port %u: kind %u, a %u, call %llx", p->idx,
			  what, ch->proc, ch->port, d->kind, d->a, (unsigned long long)d->call);
	}
}

int
__wrap_channel_send(struct channel *ch, const struct desc *d)
{
	int err = __real_channel_send(ch, d);

	sim_now->stats.messages += err == 0;
	sim_note(sim_now, d->kind, d->call);
	if (err == 0) {
		trace("sends to", ch, d);
		if (d->kind == DESC_REPLY && (d->flags & DESC_F_INLINE) == 0 &&
		    sim_planted(sim_now, PLANT_EARLY_FREE)) {
			payload_release(proc_self()->domain->pool, d->ref.handle,
					call_id_proc(d->call));
		}
		proc_step(DELAY_STEP);
	}
	return err;
}

int
__wrap_channel_recv(struct channel *ch, struct desc *ret)
{
	int n = __real_channel_recv(ch, ret);

	if (n == 1) {
		sim_note(sim_now, ret->kind, ret->call);
		trace("hears from", ch, ret);
		proc_step(DELAY_STEP);
	}
	return n;
}

/* -------------------------------------------------------------------- entering */

static int
attach(void *ctx, uint16_t proc, uint32_t inc, uint32_t seg, int *ret_fd)
{
	struct sim_proc *p = ctx;

	REQUIRE(seg == 0); /* no process leases segments here */
	if (simctl_attach(p->sim->node->ctl, p->idx, proc, inc) == NULL) {
		return MB_ERR_PEER_DIED;
	}
	*ret_fd = -1; /* __wrap_region_map_peer knows what was asked for last */
	return 0;
}

static void
domain_ports(struct domain *d, struct node *n)
{
	for (uint32_t t = 0; t < (uint32_t)PORT_CACHE_FIRST + d->welcome.cache_cnt; t++) {
		channel_init(&d->ch[t], &d->own, t, &d->daemon, region_daemon_port(t, d->proc),
			     &n->hints->tile[t], d->proc, -1);
		d->ch[t].proc = PROC_DAEMON;
		d->ch[t].inc = 1;
	}
	memset(d->hot, PORT_CNT, sizeof(d->hot));
}

/* What domain.c does after the welcome. */
int
__wrap_domain_enter(struct domain **ret, const char *path, const char *program,
		    const struct domain_events *ev)
{
	struct sim_proc *p = proc_self();
	struct node *n = p->sim->node;
	struct peer_attach_ops ops = { attach, p };
	struct domain *d = calloc(1, sizeof(*d));

	REQUIRE(d != NULL);
	d->proc = p->idx;
	d->inc = p->inc;
	d->sock = -1;
	d->welcome.cache_cnt = p->sim->shape.cache_cnt;
	d->own = p->region;
	d->daemon = n->region;
	d->daemon.rw = NULL;
	d->hints = n->hints;
	d->bell = &n->hints->proc[p->idx];
	d->cache = n->cache;
	d->cache_bytes = n->layout.bytes;
	d->events = *ev;
	REQUIRE(peers_create(&d->peers, &ops) == 0);
	REQUIRE(returns_create(&d->returns, DOMAIN_RETURNS_MAX) == 0);
	REQUIRE(payload_create(&d->pool, p->idx, p->inc, d->own.rw + d->own.at.slab,
			       d->own.at.slab_bytes, d->own.at.slab, NULL) == 0);
	domain_ports(d, n);
	p->domain = d;
	*ret = d;
	return 0;
}

int
__wrap_domain_enter_fd(struct domain **ret, int sock, const char *program,
		       const struct domain_events *ev)
{
	return __wrap_domain_enter(ret, NULL, program, ev);
}

void
__wrap_domain_leave(struct domain *d)
{
	struct sim_proc *p = d->peers.ops.ctx;

	payload_destroy(d->pool);
	returns_destroy(d->returns);
	peers_destroy(&d->peers);
	free(d);
	p->domain = NULL;
	p->client = NULL;
	p->leaving = true;
}

/* -------------------------------------------------------------------- mapping */

int
__wrap_region_create(enum region_kind kind, bool huge, int *ret_fd)
{
	*ret_fd = -1;
	return 0;
}

int
__wrap_region_seal(int fd)
{
	return 0;
}

int
__wrap_region_map_peer(struct region *r, enum region_kind kind, int fd)
{
	*r = *sim_now->node->attached;
	REQUIRE(r->kind == kind);
	r->rw = NULL;
	return 0;
}

void
__wrap_region_unmap(struct region *r)
{
	*r = (struct region){ 0 };
}

/* ------------------------------------------------------------------ planted bugs */

int
__wrap_exec_call(struct exec *x, const struct desc *d, const struct exec_from *from)
{
	struct desc m = *d;

	if (sim_planted(sim_now, PLANT_LATE_RUN)) {
		m.b = 0;
	}
	return __real_exec_call(x, &m, from);
}

int
__wrap_session_publish(struct session *s)
{
	if (sim_planted(sim_now, PLANT_UNPUBLISHED) && sim_one_in(sim_now, 50)) {
		session_discard(s);
		return 0;
	}
	return __real_session_publish(s);
}

/* The same operation by a writer who has seen nothing; value: memory for it. */
static void
blind(struct wset_op *op, uint8_t value[ORACLE_MEMBER_MAX + SEEN_OVERHEAD])
{
	struct wbuf out = wbuf_init(value, ORACLE_MEMBER_MAX + SEEN_OVERHEAD);
	struct seen seen;

	REQUIRE(seen_open(op->value, &seen) == 0);
	wbuf_put(&out, seen.value.p, seen.value.len);
	REQUIRE(seen_put_tail(&out, &(struct seen){ .context = slice_of(NULL, 0) }) == 0);
	op->value = wbuf_slice(&out);
}

/* Bugs of what operations mean to cache tiles: processes show themselves what is right. */
int
__wrap_delta_make(struct slice stored, const struct wset_op *op, struct hlc_moment at,
		  struct writer_id writer, struct wbuf *out)
{
	static uint8_t value[ORACLE_MEMBER_MAX + SEEN_OVERHEAD];
	enum plant plant = proc_self() == NULL ? sim_now->opt.plant : PLANT_NONE;
	struct wset_op o = *op;

	if (plant == PLANT_DOUBLE_POP && op->kind == WSET_LIST_DEL) {
		o.must = false;
	} else if (plant == PLANT_SWAPPED_PUSH && op->kind == WSET_PUSH_LEFT &&
		   sim_one_in(sim_now, 50)) {
		o.kind = WSET_PUSH_RIGHT;
	} else if (plant == PLANT_WRONG_SCORE && op->kind == WSET_ZADD && sim_one_in(sim_now, 50)) {
		o.n = 0;
	} else if (plant == PLANT_LOST_REMOVAL && op->kind == WSET_SREM &&
		   sim_one_in(sim_now, 50)) {
		return 0;
	} else if (plant == PLANT_BLIND_SIBLING && op->kind == WSET_SIBLING &&
		   sim_one_in(sim_now, 50)) {
		blind(&o, value);
	}
	return __real_delta_make(stored, &o, at, writer, out);
}

struct held_key *
__wrap_held_find(struct session *s, uint64_t hash, struct slice key)
{
	struct held_key *k = __real_held_find(s, hash, key);

	/* At rr what is held is also looked for to be handed on. */
	if (k != NULL && sim_planted(sim_now, PLANT_UNSEEN_WRITES) && !s->call.repeatable &&
	    sim_one_in(sim_now, 50)) {
		return NULL;
	}
	return k;
}
