/* SPDX-License-Identifier: Apache-2.0 */
/* tiles - the loops around sched, cache_core and kvs_core
 *
 * What sched_tile.c, cache_tile.c and kvs_tile.c do with a core: its ops, and which message goes to
 * which of its functions.
 */
#include <stdlib.h>
#include <string.h>

#include "alive.h"
#include "call.h"
#include "check.h"
#include "compiler.h"
#include "domain.h"
#include "microburst/error.h"
#include "node.h"
#include "tile_msg.h"
#include "treeval.h"

/* Any seed of a table will do that differs between runs. */
#define SEED_SCHED UINT64_C(0x5c4ed)
#define SEED_KVS   UINT64_C(0x5eed)

/* Shorter than most of the times for which executors are stopped. */
#define LEASE_NS (5 * NS_PER_MS)

#define GUEST_LANE_DEPTH 16
/* Between two kvs tiles: what each tells, its answers, and the same for keys that go. */
#define KVS_LANE_DEPTH   (2 * KVS_TELL_WINDOW + 6 * KVS_DROP_MAX)

/* --------------------------------------------------------------------- sched */

static int
sched_send(void *ctx, uint16_t proc, const struct desc *d)
{
	struct sched_sim *t = ctx;
	struct sim *s = t->tile.sim;

	if (d->kind == DESC_SENT) {
		ports_answer(t->tile.ports, proc, d);
		return 0;
	}
	if (d->kind == DESC_REPLY) {
		if (sim_planted(s, PLANT_DROPPED_REPLY) && sim_one_in(s, 50)) {
			ports_waive(t->tile.ports, proc);
			return 0;
		}
		ports_answer(t->tile.ports, proc, d);
		return 0;
	}
	if ((d->kind == DESC_CALL || d->kind == DESC_TRIGGER || d->kind == DESC_CUT ||
	     d->kind == DESC_STEP || (d->kind == DESC_RELEASE && d->a == PROC_DAEMON)) &&
	    s->full_in > 0 && --s->full_in == 0) {
		return MB_ERR_FULL;
	}
	if (d->kind == DESC_RELEASE && d->a == PROC_DAEMON && sim_planted(s, PLANT_LOST_HOLD) &&
	    sim_one_in(s, 20)) {
		return 0;
	}
	return ports_send(t->tile.ports, proc, d);
}

static void
sched_tell_ctl(void *ctx, const struct desc *d)
{
	struct sched_sim *t = ctx;

	lane_send(&t->tile.to_ctl, d);
}

static bool
sched_idle(void *ctx, uint16_t exec)
{
	struct sched_sim *t = ctx;
	const struct region *r = &t->tile.sim->node->peers.peer[exec].region;

	return ports_inc(t->tile.ports, exec) != 0 &&
	       atomic_load_explicit(&region_run(r)->call, memory_order_relaxed) == 0;
}

/* The daemon's slab: a part for each cache tile, and one for sched. */
static size_t
slab_part(const struct sim *s)
{
	return s->node->region.at.slab_bytes / (s->shape.cache_cnt + 1) & ~(size_t)4095;
}

static int
slab_pool(struct sim *s, uint32_t part, struct payload_pool **ret)
{
	struct node *n = s->node;
	size_t off = n->region.at.slab + part * slab_part(s);

	return payload_create(ret, PROC_DAEMON, 1, n->region.rw + off, slab_part(s), off, NULL);
}

static int
sched_keep(void *ctx, const struct payload_ref *ref, struct payload_ref *ret)
{
	struct sched_sim *t = ctx;
	const uint8_t *from;
	uint8_t *p;
	int err = peer_view(&t->tile.sim->node->peers, ref, &from);

	if (err == 0) {
		err = ref->len <= PAYLOAD_SLAB_MAX
			      ? payload_alloc(t->pool, ref->len, PROC_DAEMON, ret, &p)
			      : MB_ERR_TOO_LARGE;
	}
	if (err == 0) {
		memcpy(p, from, ref->len);
	}
	return err;
}

static void
sched_drop(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	struct sched_sim *t = ctx;

	REQUIRE(payload_release(t->pool, ref->handle, holder) == 0);
}

static enum inbox_alive
sched_alive(void *ctx, uint64_t call)
{
	struct sched_sim *t = ctx;

	return alive_ask(t->tile.ports, &t->tile.sim->node->peers, call);
}

static void
sched_on_message(struct sched_sim *t, uint16_t proc, const struct desc *d)
{
	struct desc m = *d;

	if (d->kind == DESC_SEND && sim_planted(t->tile.sim, PLANT_LOST_MESSAGE) &&
	    sim_one_in(t->tile.sim, 50)) {
		m.kind = DESC_SENT;
		sched_send(t, proc, &m);
		return;
	}
	if (d->kind != DESC_CALL && d->kind != DESC_SEND) {
		ports_waive(t->tile.ports, proc);
	}
	if (d->kind == DESC_REPLY && sim_planted(t->tile.sim, PLANT_FORGOTTEN_WRITES)) {
		m.sub = 0;
	}
	sched_on_proc(t->core, proc, &m, sim_now_ns(t->tile.sim));
}

/* What a dead process had sent is handled first: its last reply counts. */
static void
sched_on_down(struct sched_sim *t, const struct desc *d)
{
	struct desc done = *d, m;
	uint16_t proc;

	for (uint32_t i = 0; i <= CHANNEL_DEPTH / PORTS_BURST; i++) {
		ports_arm(t->tile.ports);
		ports_turn(t->tile.ports);
		ports_disarm(t->tile.ports);
		while (ports_recv(t->tile.ports, &proc, &m) == 1) {
			sched_on_message(t, proc, &m);
		}
	}
	ports_close(t->tile.ports, d->dead.proc);
	sched_proc_down(t->core, d, sim_now_ns(t->tile.sim));
	done.kind = DESC_PROC_DOWN_DONE;
	lane_send(&t->tile.to_ctl, &done);
}

static void
sched_on_lane(struct sched_sim *t, const struct desc *d)
{
	switch (d->kind) {
	case DESC_PROC_UP:
		ports_open(t->tile.ports, d->open.proc, d->open.inc,
			   &t->tile.sim->node->peers.peer[d->open.proc].region);
		break;
	case DESC_PROC_DOWN:
		sched_on_down(t, d);
		break;
	default:
		sched_on_ctl(t->core, d, sim_now_ns(t->tile.sim));
	}
}

/* A process that breaks the rules of its channel: none here does. */
static void
none_is_bad(struct tile *t)
{
	uint16_t proc;
	uint32_t inc;

	while (ports_bad(t->ports, &proc, &inc)) {
		sim_fail(t->sim, "%s:%u says that process %u broke its channel", t->name, t->idx,
			 proc);
	}
}

static bool
sched_turn(struct tile *tile, uint64_t *next_ns)
{
	struct sched_sim *t = container_of(tile, struct sched_sim, tile);
	uint32_t left = 1 + sim_below(tile->sim, tile->sim->shape.burst_max);
	struct desc d;
	bool busy = false;
	uint16_t proc;

	for (; left > 0 && lane_recv(&tile->from_ctl, &d); left--) {
		sched_on_lane(t, &d);
		busy = true;
	}
	for (; left > 0 && ports_recv(tile->ports, &proc, &d) == 1; left--) {
		sched_on_message(t, proc, &d);
		busy = true;
	}
	sched_poll(t->core, sim_now_ns(tile->sim));
	none_is_bad(tile);
	*next_ns = MIN(sched_timer(t->core), lane_next_ns(&tile->from_ctl));
	return busy;
}

void
sched_sim_init(struct sched_sim *t, struct sim *s)
{
	struct sched_ops ops = { .send = sched_send,
				 .tell_ctl = sched_tell_ctl,
				 .idle = sched_idle,
				 .keep = sched_keep,
				 .drop = sched_drop,
				 .alive = sched_alive,
				 .ctx = t };

	tile_init(&t->tile, s, "sched", 0, PORT_SCHED, s->node->ctl_actor, sched_turn);
	REQUIRE(sched_create(&t->core, s->node->placement, s->node->hints, s->shape.queue_max,
			     s->seed ^ SEED_SCHED, &ops) == 0);
	REQUIRE(slab_pool(s, s->shape.cache_cnt, &t->pool) == 0);
	sched_lease_set(t->core, LEASE_NS);
}

void
sched_sim_fini(struct sched_sim *t)
{
	sched_destroy(t->core);
	payload_destroy(t->pool);
	tile_fini(&t->tile);
}

/* --------------------------------------------------------------------- cache */

static void
cache_to_proc(void *ctx, uint16_t proc, const struct desc *d)
{
	struct cache_sim *t = ctx;

	ports_answer(t->tile.ports, proc, d);
}

static void
cache_to_kvs(void *ctx, uint32_t kvs, const struct desc *d)
{
	struct cache_sim *t = ctx;

	lane_send(&t->tile.sim->node->kvs[kvs].from_cache[t->tile.idx], d);
}

/* The last call of a process whose writes were accepted, as far as it is known. */
static void
cache_accepted(struct cache_sim *t, uint16_t proc, uint64_t call)
{
	struct sim *s = t->tile.sim;

	if (call != t->published[proc] && call != 0) {
		t->published[proc] = call;
		sim_trace(s, "cache:%u accepts %llx of process %u", t->tile.idx,
			  (unsigned long long)call, proc);
		oracle_accepted(&s->oracle, call, t->tile.idx);
	}
}

static void
cache_to_ctl(void *ctx, const struct desc *d)
{
	struct cache_sim *t = ctx;

	if (d->kind == DESC_PROC_DOWN_DONE) {
		cache_accepted(t, d->dead.proc, d->dead.published);
		t->gone[d->dead.proc] = true;
		t->published[d->dead.proc] = 0;
		if (t->mute) {
			t->mute = false;
			return;
		}
	}
	lane_send(&t->tile.to_ctl, d);
}

static int
cache_view_payload(void *ctx, const struct payload_ref *ref, const uint8_t **ret)
{
	struct cache_sim *t = ctx;

	if (ref->proc < PROC_CNT_MAX && t->gone[ref->proc]) {
		sim_fail(t->tile.sim,
			 "cache:%u reads the memory of process %u after it was done with it",
			 t->tile.idx, ref->proc);
	}
	return peer_view(&t->tile.sim->node->peers, ref, ret);
}

static const _Atomic uint64_t *
cache_hazards(void *ctx, uint32_t *iter)
{
	struct cache_sim *t = ctx;
	struct peers *ps = &t->tile.sim->node->peers;

	if (sim_planted(t->tile.sim, PLANT_IGNORED_HAZARD)) {
		return NULL;
	}
	while (*iter < PROC_CNT_MAX) {
		const struct peer *p = &ps->peer[(*iter)++];

		if (atomic_load_explicit(&p->inc, memory_order_relaxed) != 0) {
			return region_hazard(&p->region);
		}
	}
	return NULL;
}

static int
cache_page_alloc(void *ctx, uint16_t proc, size_t len, struct payload_ref *ret, uint8_t **ret_p)
{
	struct cache_sim *t = ctx;

	return payload_alloc(t->pages, len, proc, ret, ret_p);
}

static int
cache_page_release(void *ctx, uint16_t proc, uint32_t handle)
{
	struct cache_sim *t = ctx;

	return payload_release(t->pages, handle, proc);
}

static void
cache_page_release_all(void *ctx, uint16_t proc)
{
	struct cache_sim *t = ctx;

	payload_release_all(t->pages, proc);
}

static bool
cache_committed(void *ctx, uint16_t proc, uint32_t inc, struct desc *ret)
{
	struct cache_sim *t = ctx;
	struct peer *p = &t->tile.sim->node->peers.peer[proc];

	return p->inc == inc &&
	       region_commit_find(region_commit(&p->region), PORT_CACHE_FIRST + t->tile.idx, ret);
}

/* Finds out which calls' writes were accepted since the last look. */
static void
cache_look(struct cache_sim *t)
{
	for (uint16_t i = PROC_EXEC_FIRST; i < PROC_CNT_MAX; i++) {
		if (ports_inc(t->tile.ports, i) != 0) {
			cache_accepted(t, i, cache_core_published(t->core, i));
		}
	}
}

static void
cache_on_message(struct cache_sim *t, uint16_t proc, const struct desc *d)
{
	struct cache_from from = { CACHE_FROM_PROC, proc };

	if (!cache_core_step(t->core, from, d)) {
		ports_waive(t->tile.ports, proc);
	}
	cache_look(t);
}

/* PLANT_PUBLISH_AFTER_DEATH: says done first, and then takes what the dead process had sent. */
static void
cache_bury_early(struct cache_sim *t, const struct desc *d)
{
	struct desc done = *d, m;
	uint16_t proc;

	done.kind = DESC_PROC_DOWN_DONE;
	done.dead.published = cache_core_published(t->core, d->dead.proc);
	cache_to_ctl(t, &done);
	t->gone[d->dead.proc] = false;
	t->mute = true;
	ports_arm(t->tile.ports);
	ports_turn(t->tile.ports);
	ports_disarm(t->tile.ports);
	while (cache_core_room(t->core) > 0 && ports_recv(t->tile.ports, &proc, &m) == 1) {
		cache_on_message(t, proc, &m);
	}
}

static void
cache_on_lane(struct cache_sim *t, const struct desc *d)
{
	struct cache_from from = { CACHE_FROM_CTL, 0 };
	struct sim *s = t->tile.sim;

	if (d->kind == DESC_PROC_UP) {
		t->gone[d->open.proc] = false;
		if (t->mute) {
			sim_fail(s, "cache:%u said that it is done with a process, and is not",
				 t->tile.idx);
			return;
		}
		ports_open(t->tile.ports, d->open.proc, d->open.inc,
			   &s->node->peers.peer[d->open.proc].region);
	} else if (d->kind == DESC_PROC_DOWN) {
		if (sim_planted(s, PLANT_PUBLISH_AFTER_DEATH)) {
			cache_bury_early(t, d);
		}
		ports_close(t->tile.ports, d->dead.proc);
	}
	cache_core_step(t->core, from, d);
}

static bool
cache_turn(struct tile *tile, uint64_t *next_ns)
{
	struct cache_sim *t = container_of(tile, struct cache_sim, tile);
	struct sim *s = tile->sim;
	uint32_t left = 1 + sim_below(s, s->shape.burst_max);
	struct desc d;
	bool busy = false;
	uint16_t proc;

	for (; left > 0 && lane_recv(&tile->from_ctl, &d); left--) {
		cache_on_lane(t, &d);
		busy = true;
	}
	for (uint32_t k = 0; k < s->shape.kvs_cnt; k++) {
		struct cache_from from = { CACHE_FROM_KVS, (uint16_t)k };

		for (; left > 0 && lane_recv(&t->from_kvs[k], &d); left--) {
			cache_core_step(t->core, from, &d);
			busy = true;
		}
		*next_ns = MIN(*next_ns, lane_next_ns(&t->from_kvs[k]));
	}
	for (; left > 0 && cache_core_room(t->core) > 0 && ports_recv(tile->ports, &proc, &d) == 1;
	     left--) {
		cache_on_message(t, proc, &d);
		busy = true;
	}
	busy |= cache_core_poll(t->core);
	cache_look(t);
	none_is_bad(tile);
	*next_ns = MIN(*next_ns, lane_next_ns(&tile->from_ctl));
	return busy;
}

void
cache_sim_init(struct cache_sim *t, struct sim *s, uint32_t idx)
{
	struct node *n = s->node;
	struct cache_core_cfg cfg = {
		.base = n->cache,
		.layout = &n->layout,
		.shard = idx,
		.ring = n->ring,
		.kvs_cnt = s->shape.kvs_cnt,
		.ack = (enum kvs_ack)s->shape.ack,
		.writer = { rng_u64(&s->rng) | 1 },
		.timebase = &s->clock.tb,
		.ops = { cache_to_proc, cache_to_kvs, cache_to_ctl, cache_view_payload,
			 cache_hazards, cache_page_alloc, cache_page_release,
			 cache_page_release_all, cache_committed, t },
	};

	tile_init(&t->tile, s, "cache", idx, PORT_CACHE_FIRST + idx, n->ctl_actor, cache_turn);
	for (uint32_t k = 0; k < s->shape.kvs_cnt; k++) {
		lane_init(&t->from_kvs[k], s, &t->tile.actor, CACHE_KVS_DEPTH);
	}
	REQUIRE(slab_pool(s, idx, &t->pages) == 0);
	REQUIRE(cache_core_create(&t->core, &cfg) == 0);
}

void
cache_sim_fini(struct cache_sim *t)
{
	cache_core_destroy(t->core);
	payload_destroy(t->pages);
	for (uint32_t k = 0; k < SIM_KVS_MAX; k++) {
		lane_fini(&t->from_kvs[k]);
	}
	tile_fini(&t->tile);
}

/* ----------------------------------------------------------------------- kvs */

static void
kvs_send(void *ctx, uint32_t to, const struct desc *d)
{
	struct kvs_sim *t = ctx;

	if (to >= t->sim->shape.cache_cnt) {
		guest_answer(t->sim, t->idx, d);
		return;
	}
	if (d->kind == DESC_KVS_DROP &&
	    ((d->sub == KVS_DROP_HUSH && sim_planted(t->sim, PLANT_EARLY_TOMBSTONE)) ||
	     sim_planted(t->sim, d->a != 0 ? PLANT_EARLY_SETTLE : PLANT_EARLY_TOMBSTONE))) {
		struct desc agreed = { .kind = DESC_KVS_DROPPED, .sub = d->sub, .b = d->b };

		lane_send(&t->from_cache[to], &agreed);
		return;
	}
	if (d->kind == DESC_KVS_TELL && sim_planted(t->sim, PLANT_LOST_PUSH)) {
		struct desc done = { .kind = DESC_KVS_TOLD, .b = d->b };

		lane_send(&t->from_cache[to], &done);
		return;
	}
	lane_send(&t->sim->node->cache_tile[to].from_kvs[t->idx], d);
}

static void
kvs_on_message(struct kvs_sim *t, uint32_t from, const struct desc *d)
{
	if (d->kind == DESC_KVS_MERGE && sim_planted(t->sim, PLANT_LOST_INCREMENT) &&
	    sim_one_in(t->sim, 50)) {
		struct desc done = { .kind = DESC_KVS_MERGED, .flags = DESC_F_INLINE, .b = d->b };

		kvs_send(t, from, &done);
		return;
	}
	kvs_core_step(&t->core, from, d);
}

static void
kvs_send_tile(void *ctx, uint32_t tile, const struct desc *d)
{
	struct kvs_sim *t = ctx;

	lane_send(&t->sim->node->kvs[tile].from_kvs[t->idx], d);
}

/* PLANT_LOST_GOSSIP: what another tile tells is acknowledged and forgotten. */
static void
kvs_on_tile(struct kvs_sim *t, uint32_t from, const struct desc *d)
{
	if (d->kind == DESC_KVS_TELL && sim_planted(t->sim, PLANT_LOST_GOSSIP) &&
	    sim_one_in(t->sim, 50)) {
		struct desc done = { .kind = DESC_KVS_TOLD, .b = d->b };

		kvs_send_tile(t, from, &done);
		return;
	}
	kvs_core_step_tile(&t->core, from, d);
}

static void
kvs_step(void *ctx)
{
	struct kvs_sim *t = ctx;
	struct sim *s = t->sim;
	uint32_t left = 1 + sim_below(s, s->shape.burst_max);
	uint64_t next_ns = EVENT_NEVER;
	bool busy = false;
	struct desc d;

	if (t->stalled_until_ns > sim_now_ns(s)) {
		actor_wake(&t->actor, t->stalled_until_ns - sim_now_ns(s));
		return;
	}
	s->stats.steps++;
	sim_note(s, t->idx, sim_now_ns(s));
	for (uint32_t i = 0; i < s->shape.cache_cnt; i++) {
		for (; left > 0 && kvs_core_room(&t->core) > 0 && lane_recv(&t->from_cache[i], &d);
		     left--) {
			kvs_on_message(t, i, &d);
			busy = true;
		}
		next_ns = MIN(next_ns, lane_next_ns(&t->from_cache[i]));
	}
	for (uint32_t i = 0; i < s->shape.kvs_cnt; i++) {
		if (i == t->idx) {
			continue;
		}
		for (; left > 0 && lane_recv(&t->from_kvs[i], &d); left--) {
			kvs_on_tile(t, i, &d);
			busy = true;
		}
		next_ns = MIN(next_ns, lane_next_ns(&t->from_kvs[i]));
	}
	for (; left > 0 && lane_recv(&t->from_guest, &d); left--) {
		kvs_core_step(&t->core, s->shape.cache_cnt, &d);
		busy = true;
	}
	next_ns = MIN(next_ns, lane_next_ns(&t->from_guest));
	busy |= kvs_core_poll(&t->core, sim_now_ns(s));
	next_ns = MIN(next_ns, kvs_core_timer(&t->core));
	if (busy || next_ns <= sim_now_ns(s)) {
		actor_wake(&t->actor, sim_delay_ns(s, DELAY_STEP));
	} else if (next_ns != EVENT_NEVER) {
		actor_wake(&t->actor, next_ns - sim_now_ns(s));
	}
}

void
kvs_sim_init(struct kvs_sim *t, struct sim *s, uint32_t idx)
{
	struct kvs_out out = { .send = kvs_send, .send_tile = kvs_send_tile, .ctx = t };
	struct kvs_core_cfg cfg = {
		.ring = s->node->ring,
		.self = idx,
		.tile_cnt = s->shape.kvs_cnt,
		.cache_cnt = s->shape.cache_cnt,
		.copies = s->shape.copies,
		.ack = (enum kvs_ack)s->shape.ack,
		.period_ns = NS_PER_MS / 10,
		.ack_timeout_ns = NS_PER_S,
		.drop_pause_ns = s->shape.pause_ns,
		.timebase = &s->clock.tb,
	};

	*t = (struct kvs_sim){ .sim = s, .idx = idx };
	actor_init(&t->actor, &s->events, kvs_step, t);
	t->mem = node_map(kvs_shard_extent(s->shape.kvs_bytes));
	t->shard = kvs_shard_init(t->mem, s->shape.kvs_bytes, s->seed ^ SEED_KVS);
	kvs_core_init(&t->core, t->shard, &cfg, &out);
	/* Values are small here: every second run hushes all, and of these every second one takes
	 * each tree for a large one that no owner can have flat; the others do as a node does. */
	t->core.drops.hush_bytes = s->seed % 2 == 0 ? 0 : KVS_HUSH_BYTES;
	t->core.drops.forget_bytes = s->seed % 4 == 0 ? 2 * TREE_FLAT_MAX : KVS_STEP_BYTES;
	lane_init(&t->from_guest, s, &t->actor, GUEST_LANE_DEPTH);
	for (uint32_t i = 0; i < s->shape.kvs_cnt; i++) {
		if (i != idx) {
			lane_init(&t->from_kvs[i], s, &t->actor, KVS_LANE_DEPTH);
		}
	}
	for (uint32_t i = 0; i < s->shape.cache_cnt; i++) {
		lane_init(&t->from_cache[i], s, &t->actor, CACHE_KVS_DEPTH);
	}
}

void
kvs_sim_fini(struct kvs_sim *t)
{
	for (uint32_t i = 0; i < SIM_TILE_MAX; i++) {
		lane_fini(&t->from_cache[i]);
	}
	for (uint32_t i = 0; i < SIM_KVS_MAX; i++) {
		lane_fini(&t->from_kvs[i]);
	}
	lane_fini(&t->from_guest);
	node_unmap(t->mem, kvs_shard_extent(t->sim->shape.kvs_bytes));
}
