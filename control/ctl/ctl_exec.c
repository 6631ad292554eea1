/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_exec - executors: from the zygote's fork to their end
 *
 *   SPAWNING ─READY─► SPARE ─LOAD─► LOADING ─LOADED─► SERVING ─successor─► DRAINING ─► gone
 *                                      └─error, or only a check─► gone
 *
 * E1  The set of functions of an executor never changes: a changed set (gen) means a successor.
 * E2  A slot's executor is drained only when its successor serves: no moment without one, unless it
 *     died.
 * E3  One deployment at a time is checked; its functions are shown to nobody before the check
 *     (ctl_deploy.c).
 * E4  ctl_exec_step is idempotent: it compares what is wanted with what is there.
 * E5  A function that requires a class is loaded only in slots of that class.
 * E6  Past SPAWNING it is known who an executor is, and its end is heard of: it can be READY before
 *     the zygote, which may not run just then, says whom it forked.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "ctl_catalog.h"
#include "ctl_exec_int.h"
#include "ctl_use.h"
#include "log.h"
#include "zygote.h"

#define RETRY_NS_MIN      (50 * NS_PER_MS)
#define RETRY_SHIFT_MAX   7
#define FAILS_MAX         3 /* loads that fail in a row before waiting calls are told */
/* executors that may be killed by others as they try a deployment */
#define DEPLOY_KILLED_MAX 3
/* Who has waited for an executor has its cpu to himself for so long: then the next spare is made
 * there. Without it a first call took 1.1 ms instead of 0.8. */
#define SPARES_WAIT_NS    (1 * NS_PER_MS)

/* ----------------------------------------------------------------- spares */

/* The spare to use on cpu: one that stands there, else one that stands elsewhere for want of
 * one. */
uint16_t
ctl_spare_find(const struct ctl *c, int cpu)
{
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (c->exec[e].state == EXEC_SPARE && (cpu < 0 || c->exec[e].cpu == cpu)) {
			return e;
		}
	}
	return 0;
}

static bool
ctl_loading(const struct ctl *c)
{
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (c->exec[e].state == EXEC_LOADING) {
			return true;
		}
	}
	return false;
}

/* Whether a slot or a deployment waits for a spare. */
static bool
ctl_spare_wanted(const struct ctl *c)
{
	for (uint32_t i = 0; i < c->cfg.executor_cnt; i++) {
		if (c->slot[i].proc == 0 && c->slot[i].next == 0) {
			return true;
		}
	}
	for (uint32_t i = 0; i < CTL_DEPLOY_MAX; i++) {
		if (c->deploy[i].used && !c->deploy[i].active) {
			return true;
		}
	}
	return false;
}

/* Every cpu shall have its spares. But none is made while one is loading, nor right after: whoever
 * waits for that one would wait for the cpu too (a spare faults in megabytes: 2 to 3 ms). */
static void
ctl_spares_step(struct ctl *c, uint64_t now)
{
	if (!ctl_zygote_start(c, now)) {
		return;
	}
	if (ctl_loading(c) || (now < c->spares_ns && !ctl_spare_wanted(c))) {
		return;
	}
	for (uint32_t i = 0; i < c->cfg.spare_cnt; i++) {
		int cpu = c->cfg.spare_cpu[i];
		uint32_t want = 0, have = 0;

		for (uint32_t k = 0; k < c->cfg.spare_cnt; k++) {
			want += c->cfg.spare_cpu[k] == cpu;
			if (k < i && c->cfg.spare_cpu[k] == cpu) {
				want = 0;
				break; /* this cpu has had its turn */
			}
		}
		for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
			have += (c->exec[e].state == EXEC_SPARE ||
				 c->exec[e].state == EXEC_SPAWNING) &&
				c->exec[e].cpu == cpu;
		}
		for (; have < want; have++) {
			if (!ctl_spawn(c, cpu)) {
				return;
			}
		}
	}
}

/* E6 */
void
ctl_exec_ready(struct ctl *c, struct proc *p)
{
	struct exec *x = &c->exec[p->idx];

	if (x->state == EXEC_SPAWNING && p->state == PROC_LIVE && p->pid > 0) {
		x->state = EXEC_SPARE;
		ctl_exec_step(c);
	}
}

/* ---------------------------------------------------------------- loading */

/* E5 */
static bool
ctl_class_fits(const struct fn *f, uint8_t class)
{
	return f->class == CLASSES_NONE || f->class == class;
}

/* What an executor of a class shall have. */
uint32_t
ctl_pinned(const struct ctl *c, uint8_t class, uint16_t ret[FUNCTION_CNT_MAX])
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		const struct fn *f = &c->registry.fn[i];

		if (f->id != 0 && f->pinned && ctl_class_fits(f, class)) {
			ret[cnt++] = f->id;
		}
	}
	return cnt;
}

/* Whether an executor has exactly that. */
static bool
ctl_exec_has(const struct exec *x, const uint16_t *fn, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t k = 0;

		while (k < x->fn_cnt && x->fn[k] != fn[i]) {
			k++;
		}
		if (k == x->fn_cnt) {
			return false;
		}
	}
	return x->fn_cnt == cnt;
}

/* What a LOAD is made of: the text, and each object once. */
struct load_set {
	struct load_head head;
	struct load_fn fn[FUNCTION_CNT_MAX];
	const struct fn_object *object[FUNCTION_CNT_MAX];
};

static void
ctl_load_set(struct ctl *c, const uint16_t *fn, uint32_t cnt, struct load_set *ret)
{
	ret->head = (struct load_head){ .magic = LOAD_MAGIC, .fn_cnt = (uint16_t)cnt };
	for (uint32_t i = 0; i < cnt; i++) {
		const struct fn *f = registry_fn_by_id(&c->registry, fn[i]);
		uint16_t o = 0;

		REQUIRE(f != NULL);
		while (o < ret->head.object_cnt && ret->object[o] != f->object) {
			o++;
		}
		if (o == ret->head.object_cnt) {
			ret->object[ret->head.object_cnt++] = f->object;
		}
		ret->fn[i] = (struct load_fn){ .id = f->id,
					       .object = o,
					       .batched = f->batch > 1,
					       .memory_kib = f->memory_kib };
		memcpy(ret->fn[i].name, f->defined, NAME_BYTES_MAX);
	}
}

static int
ctl_load_send(struct ctl *c, struct ctl_conn *conn, const struct load_set *set)
{
	uint32_t sent = 0;
	int err = 0;

	do {
		struct domain_msg m = { .kind = DOMAIN_LOAD,
					.word = { sent, 0, c->cfg.executor_memory } };
		int fd[DOMAIN_FD_MAX];
		uint32_t n = 0;

		while (n < DOMAIN_FD_MAX && sent + n < set->head.object_cnt) {
			fd[n] = set->object[sent + n]->fd;
			n++;
		}
		sent += n;
		if (sent == set->head.object_cnt) {
			m.word[1] = 1;
			m.text_len = (uint32_t)(sizeof(set->head) +
						set->head.fn_cnt * sizeof(set->fn[0]));
		}
		err = domain_sock_send(conn->fd, &m, set, fd, n);
	} while (err == 0 && sent < set->head.object_cnt);
	return err;
}

/* Sends a spare its set. Returns false when it could not be: the spare is then on its way out. */
bool
ctl_load(struct ctl *c, uint16_t e, const uint16_t *fn, uint32_t cnt)
{
	struct exec *x = &c->exec[e];
	struct ctl_conn *conn = ctl_conn_of(c, &c->procs.proc[e]);
	struct load_set *set = calloc(1, sizeof(*set));
	int err = conn != NULL && set != NULL ? 0 : MB_ERR_NO_MEMORY;

	if (err == 0) {
		ctl_load_set(c, fn, cnt, set);
		err = ctl_load_send(c, conn, set);
	}
	free(set);
	x->state = EXEC_LOADING;
	x->for_deploy = false;
	x->discard = false;
	x->slot = 0;
	x->class = CLASSES_NONE;
	x->gen = c->gen;
	x->fn_cnt = cnt;
	memcpy(x->fn, fn, cnt * sizeof(*fn));
	x->give_up_ns = ctl_now(c) + c->cfg.load_timeout_ns;
	if (err != 0 && c->procs.proc[e].pid > 0) {
		kill(c->procs.proc[e].pid, SIGKILL);
	}
	return err == 0;
}

/* Whether the executor of a slot is shown to have a function. An executor runs one call at a time,
 * so those of as many slots as the function may run in are; the others have it loaded for
 * nothing. */
static bool
ctl_may_run(struct ctl *c, uint16_t id, uint16_t slot)
{
	const struct fn *f = registry_fn_by_id(&c->registry, id);
	uint32_t before = 0;

	for (uint16_t i = 0; f != NULL && i < slot; i++) {
		before += ctl_class_fits(f, c->cfg.classes.of[i]);
	}
	return f == NULL || f->concurrency == 0 || before < f->concurrency;
}

/* The executor serves: sched gets it, its predecessor goes. */
static void
ctl_exec_serve(struct ctl *c, uint16_t e, uint16_t slot)
{
	struct exec_slot *s = &c->slot[slot];
	struct ctl_exec_set *set = calloc(1, sizeof(*set));
	struct desc d = { .kind = DESC_EXEC_UP, .a = e };

	REQUIRE(set != NULL);
	for (uint32_t i = 0; i < c->exec[e].fn_cnt; i++) {
		set->fn[set->cnt] = c->exec[e].fn[i];
		set->cnt += ctl_may_run(c, c->exec[e].fn[i], slot);
	}
	set->cpu = (uint16_t)(c->exec[e].cpu + 1); /* -1: any */
	d.word[0] = (uintptr_t)set;
	ctl_tell_tile(c, CTL_TILE_SCHED, &d);
	if (s->proc != 0) { /* E2 */
		c->exec[s->proc].state = EXEC_DRAINING;
		d = (struct desc){ .kind = DESC_EXEC_DRAIN, .a = s->proc };
		ctl_tell_tile(c, CTL_TILE_SCHED, &d);
	}
	c->exec[e].state = EXEC_SERVING;
	c->exec[e].slot = slot;
	s->proc = e;
	s->next = s->next == e ? 0 : s->next;
	s->fails = 0;
}

/* sched has no call running at a draining executor and gives it none: it may end. */
void
ctl_exec_drained(struct ctl *c, uint16_t e)
{
	struct desc d = { .kind = DESC_DRAIN };

	if (e < PROC_CLIENT_FIRST && c->exec[e].state == EXEC_DRAINING) {
		ports_send(c->ports, e, &d);
		ctl_lease_ask(c, e);
	}
}

/* ------------------------------------------------------------------ slots */

/* Old versions whose successors everybody has: nobody can run them any more. */
static void
ctl_old_versions_remove(struct ctl *c)
{
	bool left = false;

	for (uint32_t i = 0; c->versions_old && i < FUNCTION_CNT_MAX; i++) {
		struct fn *f = &c->registry.fn[i];
		const struct fn *newest;
		struct desc d = { .kind = DESC_FN_DEL };
		bool has = false;

		if (!f->shown) {
			continue;
		}
		newest = registry_fn(&c->registry, f->name);
		left |= newest != f;
		if (newest == f || ctl_deploy_active(c) != NULL) {
			continue;
		}
		f->pinned = false;
		for (uint32_t s = 0; s < c->cfg.executor_cnt; s++) {
			has |= c->slot[s].proc != 0 && c->exec[c->slot[s].proc].gen != c->gen;
		}
		if (has || registry_dag_using(&c->registry, f->id) != NULL) {
			continue;
		}
		d.a = f->id;
		d.b = newest->id;
		ctl_tell_tile(c, CTL_TILE_SCHED, &d);
		ctl_fn_remove(c, f);
	}
	c->versions_old = left;
}

static void
ctl_slot_step(struct ctl *c, uint16_t i, uint64_t now)
{
	struct exec_slot *s = &c->slot[i];
	struct desc d = { .kind = DESC_EXEC_DRAIN };
	uint16_t fn[FUNCTION_CNT_MAX];
	uint32_t cnt;
	uint16_t e;

	if (s->next != 0 || (s->proc != 0 && c->exec[s->proc].gen == c->gen)) {
		return;
	}
	cnt = ctl_pinned(c, c->cfg.classes.of[i], fn);
	if (s->proc != 0 && cnt > 0 && ctl_exec_has(&c->exec[s->proc], fn, cnt)) {
		c->exec[s->proc].gen = c->gen; /* what changed is not of its class */
		return;
	}
	if (cnt == 0) {
		if (s->proc != 0) {
			c->exec[s->proc].state = EXEC_DRAINING;
			d.a = s->proc;
			s->proc = 0;
			ctl_tell_tile(c, CTL_TILE_SCHED, &d);
		}
		return;
	}
	e = now >= s->retry_ns ? ctl_spare_find(c, s->cpu) : 0;
	if (e != 0 && ctl_load(c, e, fn, cnt)) {
		c->exec[e].slot = i;
		s->next = e;
	}
}

/* Whether an executor is on its way to serve, which takes no longer than give_up_ns. */
static bool
ctl_exec_coming(const struct exec *x)
{
	return x->state == EXEC_SPAWNING || x->state == EXEC_LOADING;
}

/* Ends what hangs on its way: zygote, spare, or functions that load. Their deaths do the rest. */
static void
ctl_late_stop(struct ctl *c, uint64_t now)
{
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		struct exec *x = &c->exec[e];
		bool forked = c->procs.proc[e].pid > 0;
		pid_t pid = forked ? c->procs.proc[e].pid : c->zygote_pid;

		if (ctl_exec_coming(x) && now >= x->give_up_ns && pid > 0) {
			x->give_up_ns = UINT64_MAX;
			log_at(LOG_WARN, "executor %u did not %s in time: %s is stopped", e,
			       x->state == EXEC_LOADING ? "load its functions" : "start",
			       forked ? "it" : "the zygote");
			kill(pid, SIGKILL);
		}
	}
}

void
ctl_exec_step(struct ctl *c)
{
	uint64_t now = ctl_now(c);

	ctl_late_stop(c, now);
	c->gen += ctl_pins_step(c, now);
	ctl_old_versions_remove(c);
	ctl_deploy_step(c);
	for (uint32_t i = 0; i < c->cfg.executor_cnt; i++) {
		ctl_slot_step(c, (uint16_t)i, now);
	}
	ctl_spares_step(c, now);
}

void
ctl_exec_set_changed(struct ctl *c)
{
	c->gen++;
	ctl_exec_step(c);
}

/* The slot that a checked deployment's executor takes: one on its cpu, an empty one first. */
static int
ctl_slot_for(const struct ctl *c, uint16_t e)
{
	int best = -1;

	for (uint32_t i = 0; i < c->cfg.executor_cnt; i++) {
		if (c->slot[i].cpu == c->exec[e].cpu && c->slot[i].next == 0 &&
		    c->cfg.classes.of[i] == c->exec[e].class &&
		    (best < 0 || c->slot[i].proc == 0)) {
			best = (int)i;
			if (c->slot[i].proc == 0) {
				break;
			}
		}
	}
	return best;
}

void
ctl_exec_loaded(struct ctl *c, struct proc *p, const struct domain_msg *m, const char *text)
{
	struct exec *x = &c->exec[p->idx];
	int slot = x->slot;

	if (x->state != EXEC_LOADING) {
		return;
	}
	x->ready_ns = m->word[1];
	c->spares_ns = ctl_now(c) + SPARES_WAIT_NS;
	if (m->err == 0) {
		c->zygote_enforced = (uint32_t)m->word[0]; /* what it did, not what it meant to */
	}
	if (m->err != 0) {
		/* It ends by itself; ctl_exec_gone sees to the slot. */
		if (x->for_deploy) {
			ctl_deploy_refuse(c, ctl_deploy_active(c), m->err, text);
			x->for_deploy = false;
		} else {
			log_at(LOG_WARN, "executor %u could not load its functions: %s", p->idx,
			       text);
		}
		return;
	}
	if (x->for_deploy) {
		x->for_deploy = false;
		if (x->gen == c->gen) {
			x->gen++; /* it has what was pinned, and what is pinned now */
		}
		ctl_deploy_commit(c, ctl_deploy_active(c));
		slot = x->discard ? -1 : ctl_slot_for(c, p->idx);
	}
	if (slot < 0) {
		kill(p->pid, SIGKILL);
	} else {
		ctl_exec_serve(c, p->idx, (uint16_t)slot);
	}
	ctl_exec_step(c);
}

void
ctl_pin_failed(struct ctl *c, int err)
{
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		const struct fn *f = &c->registry.fn[i];
		struct desc d = { .kind = DESC_PIN_FAILED, .a = f->id, .err = (int16_t)err };
		bool serves = false;

		for (uint32_t k = 0; k < c->cfg.executor_cnt; k++) {
			serves |= c->slot[k].proc != 0 && ctl_class_fits(f, c->cfg.classes.of[k]);
		}
		if (f->id != 0 && f->pinned && !serves) {
			ctl_tell_tile(c, CTL_TILE_SCHED, &d);
		}
	}
}

void
ctl_exec_gone(struct ctl *c, uint16_t e)
{
	struct exec x = c->exec[e];
	const struct desc *dead = &c->procs.proc[e].dead;
	struct ctl_deploy *dep = ctl_deploy_active(c);
	bool killed = dead->dead.cause == DEATH_SIGNAL && dead->dead.status == SIGKILL &&
		      x.give_up_ns != UINT64_MAX;

	c->exec[e] = (struct exec){ 0 };
	if (x.state == EXEC_LOADING && x.for_deploy && dep != NULL) {
		if (killed && dep->killed++ < DEPLOY_KILLED_MAX) {
			dep->active = false; /* nor the object's: with the next spare */
		} else {
			ctl_deploy_refuse(
				c, dep, MB_ERR_LOAD,
				x.give_up_ns == UINT64_MAX
					? "loading it, an MB_INIT or trying its merges did not end "
					  "in time"
					: "the executor died while it loaded the object, ran an "
					  "MB_INIT or tried its merges");
		}
	}
	for (uint32_t i = 0; i < c->cfg.executor_cnt; i++) {
		struct exec_slot *s = &c->slot[i];

		if (s->proc == e) {
			s->proc = 0;
			s->died++;
		}
		if (s->next == e && killed) {
			s->next = 0; /* not its functions' fault: the next spare, at once */
		} else if (s->next == e) {
			uint32_t shift = s->fails < RETRY_SHIFT_MAX ? s->fails : RETRY_SHIFT_MAX;

			s->next = 0;
			s->fails++;
			s->retry_ns = ctl_now(c) + (RETRY_NS_MIN << shift);
			if (s->fails >= FAILS_MAX) {
				ctl_pin_failed(c, MB_ERR_NO_EXECUTOR);
			}
		}
	}
	ctl_exec_step(c);
}

void
ctl_exec_pin_want(struct ctl *c, uint16_t fn_id)
{
	struct fn *f = registry_fn_by_id(&c->registry, fn_id);

	if (f == NULL) {
		return;
	}
	if (!f->pinned) {
		f->pinned = true;
		c->gen++;
	}
	ctl_exec_step(c);
}

uint64_t
ctl_exec_timer(const struct ctl *c)
{
	uint64_t at = c->spares_ns > ctl_now(c) ? c->spares_ns : TILE_TIMER_NEVER;

	at = MIN(at, ctl_pins_timer(c));

	if (c->zygote_fd < 0 || c->zygote_retry_ns > ctl_now(c)) {
		at = MIN(at, c->zygote_retry_ns);
	}
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (ctl_exec_coming(&c->exec[e]) && c->exec[e].give_up_ns < at) {
			at = c->exec[e].give_up_ns;
		}
	}
	for (uint32_t i = 0; i < c->cfg.executor_cnt; i++) {
		const struct exec_slot *s = &c->slot[i];

		if (s->fails > 0 && s->next == 0 && s->proc == 0 && s->retry_ns < at &&
		    s->retry_ns > ctl_now(c)) {
			at = s->retry_ns;
		}
	}
	return at;
}

int
ctl_exec_start(struct ctl *c)
{
	for (uint32_t i = 0; i < c->cfg.executor_cnt; i++) {
		c->slot[i].cpu = c->cfg.executor_cpu[i];
	}
	if (c->zygote_fd >= 0) {
		ctl_zygote_watch(c);
	}
	ctl_lease_start(c);
	ctl_exec_step(c);
	return 0;
}

/* The end of the node: executors finish or are killed; none is left behind. */
void
ctl_exec_stop(struct ctl *c)
{
	ctl_lease_stop(c);
	if (c->zygote_fd >= 0) {
		lcore_unwatch(c->lcore, c->zygote_fd);
		close(c->zygote_fd);
		c->zygote_fd = -1;
		kill(c->zygote_pid, SIGKILL);
		waitpid(c->zygote_pid, NULL, 0);
	}
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		struct proc *p = &c->procs.proc[e];

		if (p->pid > 0 && p->is_executor) {
			kill(p->pid, SIGKILL);
			waitpid(p->pid, NULL, 0);
			p->pid = 0;
		}
	}
}
