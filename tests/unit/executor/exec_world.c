/* SPDX-License-Identifier: Apache-2.0 */
/* exec_world - see exec_world.h */
#include "exec_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "gset.h"
#include "hash.h"
#include "lattice.h"
#include "map.h"
#include "test_cmocka.h"
#include "tile_msg.h"
#include "view.h"
#include <microburst/error.h>

#define OTHER_PROC 4
#define OTHER_B    UINT64_C(0xb0b0)
#define KVS_BYTES  ((size_t)1 << 30) /* touched as far as it is used */

/* ------------------------------------------------------------------ queues */

static void
queue_put(struct world_queue *q, const struct desc *d)
{
	assert_true(q->cnt < WORLD_QUEUE_MAX);
	q->d[(q->head + q->cnt++) % WORLD_QUEUE_MAX] = *d;
}

static bool
queue_take(struct world_queue *q, struct desc *ret)
{
	if (q->cnt == 0) {
		return false;
	}
	*ret = q->d[q->head];
	q->head = (q->head + 1) % WORLD_QUEUE_MAX;
	q->cnt--;
	return true;
}

/* -------------------------------------------------- the cache core's outside */

static void
op_to_proc(void *ctx, uint16_t proc, const struct desc *d)
{
	struct world *w = ((struct world_cache *)ctx)->world;

	if (proc == OTHER_PROC) {
		w->other_answer = *d;
	} else {
		queue_put(&w->answers, d);
	}
}

static void
op_to_kvs(void *ctx, uint32_t kvs, const struct desc *d)
{
	queue_put(&((struct world_cache *)ctx)->to_kvs, d);
}

static void
op_to_ctl(void *ctx, const struct desc *d)
{
	struct world_cache *c = ctx;

	assert_int_equal(d->kind, DESC_PROC_DOWN_DONE);
	c->world->down_call[c - c->world->cache] = d->dead.published;
	c->world->down_cnt++;
}

const uint8_t *
world_bytes(struct world *w, const struct payload_ref *ref)
{
	assert_int_equal(ref->proc, WORLD_PROC);
	assert_int_equal(ref->inc, WORLD_INC);
	assert_non_null(payload_ptr(w->pool, ref->handle)); /* somebody holds it */
	if (ref->seg == 0) {
		assert_true(ref->off + (size_t)ref->len <= WORLD_SLAB_BYTES);
		return w->slab + ref->off;
	}
	assert_true(ref->seg <= WORLD_SEG_MAX);
	assert_non_null(w->seg[ref->seg - 1]);
	return w->seg[ref->seg - 1] + ref->off;
}

static int
op_view(void *ctx, const struct payload_ref *ref, const uint8_t **ret)
{
	struct world *w = ((struct world_cache *)ctx)->world;

	*ret = ref->proc == OTHER_PROC ? w->other : world_bytes(w, ref);
	return 0;
}

static const _Atomic uint64_t *
op_hazards(void *ctx, uint32_t *iter)
{
	struct world *w = ((struct world_cache *)ctx)->world;

	return (*iter)++ == 0 ? w->hazard : NULL;
}

static int
op_page_alloc(void *ctx, uint16_t proc, size_t len, struct payload_ref *ret, uint8_t **ret_p)
{
	fail_msg("nobody scans here");
	return MB_ERR_NO_MEMORY;
}

static int
op_page_release(void *ctx, uint16_t proc, uint32_t handle)
{
	return MB_ERR_NOT_FOUND;
}

static void
op_page_release_all(void *ctx, uint16_t proc)
{
}

static bool
op_committed(void *ctx, uint16_t proc, uint32_t inc, struct desc *ret)
{
	struct world_cache *c = ctx;

	assert_int_equal(proc, WORLD_PROC);
	return region_commit_find(&c->world->commit,
				  PORT_CACHE_FIRST + (uint32_t)(c - c->world->cache), ret);
}

static void
kvs_send(void *ctx, uint32_t to, const struct desc *d)
{
	queue_put(&((struct world *)ctx)->cache[to].from_kvs, d);
}

/* ------------------------------------------------------------------ moving */

static bool
turn_cache(struct world *w, uint32_t t)
{
	struct world_cache *c = &w->cache[t];
	bool busy = cache_core_poll(c->core);
	struct desc d;

	while (kvs_core_room(&w->kvs) > 0 && queue_take(&c->to_kvs, &d)) {
		kvs_core_step(&w->kvs, t, &d);
		busy = true;
	}
	busy |= kvs_core_poll(&w->kvs, w->time.now_ns);
	while (queue_take(&c->from_kvs, &d)) {
		cache_core_step(c->core, (struct cache_from){ CACHE_FROM_KVS, 0 }, &d);
		busy = true;
	}
	return busy;
}

void
world_settle(struct world *w)
{
	bool busy = true;

	for (uint32_t i = 0; busy; i++) {
		assert_true(i < 1000000);
		busy = false;
		for (uint32_t t = 0; t < w->cache_cnt; t++) {
			busy |= turn_cache(w, t);
		}
		timebase_virtual_advance(&w->time, 1000);
	}
}

/* --------------------------------------------------- the executor's outside */

static uint64_t
wait_now(void *ctx)
{
	return ((struct world *)ctx)->time.now_ns;
}

static uint64_t
wait_wall(void *ctx)
{
	return timebase_wall_us(&((struct world *)ctx)->time.tb);
}

static int
wait_send(void *ctx, uint32_t port, const struct desc *d)
{
	struct world *w = ctx;

	assert_in_range(port, PORT_CACHE_FIRST, PORT_CACHE_FIRST + w->cache_cnt - 1);
	if (w->dies_in != 0 && --w->dies_in == 0) {
		return MB_ERR_NO_NODE;
	}
	w->sent[d->kind]++;
	assert_true(cache_core_step(w->cache[port - PORT_CACHE_FIRST].core,
				    (struct cache_from){ CACHE_FROM_PROC, WORLD_PROC }, d));
	return 0;
}

static int
wait_answer(void *ctx, uint64_t until_ns, struct desc *ret)
{
	struct world *w = ctx;

	world_settle(w);
	if (w->hold && until_ns != 0) {
		if (until_ns > w->time.now_ns) {
			timebase_virtual_advance(&w->time, until_ns - w->time.now_ns);
		}
		return 0;
	}
	assert_true(queue_take(&w->answers, ret)); /* else it would wait for ever */
	return 1;
}

static int
lease(void *ctx, size_t bytes, uint32_t *ret_seg, uint8_t **ret_p, size_t *ret_bytes)
{
	struct world *w = ctx;
	uint32_t i = 0;

	while (i < WORLD_SEG_MAX && w->seg[i] != NULL) {
		i++;
	}
	if (i == WORLD_SEG_MAX || w->seg_bytes + bytes > w->seg_budget) {
		return MB_ERR_NO_MEMORY;
	}
	w->seg[i] = aligned_alloc(64, ALIGN_UP(bytes, 64));
	w->seg_bytes += bytes;
	*ret_seg = i + 1;
	*ret_p = w->seg[i];
	*ret_bytes = bytes;
	return 0;
}

static void
unlease(void *ctx, uint32_t seg, uint8_t *p, size_t bytes)
{
	struct world *w = ctx;

	assert_ptr_equal(w->seg[seg - 1], p);
	free(p);
	w->seg[seg - 1] = NULL;
	w->seg_bytes -= bytes;
}

/* -------------------------------------------------------------------- life */

static void
tell_up(struct world *w, uint32_t t, uint16_t proc)
{
	struct desc d = { .kind = DESC_PROC_UP };

	d.open.proc = proc;
	d.open.inc = WORLD_INC;
	cache_core_step(w->cache[t].core, (struct cache_from){ CACHE_FROM_CTL, 0 }, &d);
}

void
world_die(struct world *w)
{
	struct desc d = { .kind = DESC_PROC_DOWN };

	d.dead.proc = WORLD_PROC;
	d.dead.inc = WORLD_INC;
	w->down_cnt = 0;
	for (uint32_t t = 0; t < w->cache_cnt; t++) {
		cache_core_step(w->cache[t].core, (struct cache_from){ CACHE_FROM_CTL, 0 }, &d);
	}
	world_settle(w);
	assert_int_equal(w->down_cnt, w->cache_cnt);
	w->answers.cnt = 0;
	for (uint32_t t = 0; t < w->cache_cnt; t++) {
		d = w->commit.d[PORT_CACHE_FIRST + t];
		if (d.kind != DESC_NONE) {
			d.kind = DESC_PUBLISHED;
			queue_put(&w->answers, &d);
		}
		tell_up(w, t, WORLD_PROC);
	}
}

/* Fresh zeros that cost what is touched of them. */
static void *
memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void
caches_make(struct world *w)
{
	static uint64_t writer = 0x1234; /* each incarnation is another one */

	w->region = memory(w->layout.bytes);
	cache_region_format(w->region, &w->layout);
	for (uint32_t t = 0; t < w->cache_cnt; t++) {
		struct world_cache *c = &w->cache[t];
		struct cache_core_cfg cfg = {
			.base = w->region,
			.layout = &w->layout,
			.shard = t,
			.ring = w->ring,
			.kvs_cnt = 1,
			.writer = { writer++ },
			.timebase = &w->time.tb,
			.ops = { .to_proc = op_to_proc,
				 .to_kvs = op_to_kvs,
				 .to_ctl = op_to_ctl,
				 .view = op_view,
				 .hazards = op_hazards,
				 .page_alloc = op_page_alloc,
				 .page_release = op_page_release,
				 .page_release_all = op_page_release_all,
				 .committed = op_committed,
				 .ctx = c },
		};

		c->world = w;
		assert_int_equal(cache_core_create(&c->core, &cfg), 0);
		tell_up(w, t, WORLD_PROC);
		tell_up(w, t, OTHER_PROC);
	}
	assert_int_equal(cache_view_open(&w->view, w->region, w->layout.bytes, w->hazard), 0);
}

static void
caches_end(struct world *w)
{
	world_settle(w);
	for (uint32_t t = 0; t < w->cache_cnt; t++) {
		assert_int_equal(cache_core_busy(w->cache[t].core), 0);
		cache_core_check(w->cache[t].core);
		cache_core_destroy(w->cache[t].core);
	}
	munmap(w->region, w->layout.bytes);
}

void
world_evict(struct world *w)
{
	assert_int_equal(cache_view_held(&w->view), 0);
	caches_end(w);
	caches_make(w);
}

struct world *
world_make(uint32_t cache_cnt)
{
	struct cache_region_cfg region = { .shard_cnt = cache_cnt,
					   .heap_bytes = (uint64_t)512 << 20,
					   .keys_max = 1 << 16 };
	struct world *w = calloc(1, sizeof(*w));
	struct payload_lease_ops ops = { lease, unlease, NULL, w };
	struct kvs_out out = { .send = kvs_send, .ctx = w };
	struct kvs_core_cfg kvs = { .tile_cnt = 1,
				    .cache_cnt = cache_cnt,
				    .copies = 1,
				    .period_ns = NS_PER_MS,
				    .ack_timeout_ns = NS_PER_S,
				    .timebase = &w->time.tb };

	assert_non_null(w);
	w->cache_cnt = cache_cnt;
	w->seg_budget = (size_t)256 << 20;
	timebase_virtual_init(&w->time, 1000, 1700000000000000);
	assert_int_equal(cache_region_plan(&region, &w->layout), 0);
	w->shard = kvs_shard_init(memory(kvs_shard_extent(KVS_BYTES)), KVS_BYTES, 7);
	assert_int_equal(hashring_create(&w->ring, &(struct hashring_member){ 1, 1 }, 1), 0);
	kvs.ring = w->ring;
	kvs_core_init(&w->kvs, w->shard, &kvs, &out);
	caches_make(w);
	w->slab = aligned_alloc(4096, WORLD_SLAB_BYTES);
	assert_int_equal(payload_create(&w->pool, WORLD_PROC, WORLD_INC, w->slab, WORLD_SLAB_BYTES,
					0, &ops),
			 0);
	w->wait = (struct exec_wait){ wait_now, wait_wall, wait_send, wait_answer, NULL, w };
	return w;
}

void
world_end(struct world *w)
{
	assert_int_equal(payload_alive(w->pool), 0);
	assert_int_equal(cache_view_held(&w->view), 0);
	assert_int_equal(w->answers.cnt, 0);
	caches_end(w);
	hashring_destroy(w->ring);
	payload_destroy(w->pool);
	assert_int_equal(w->seg_bytes, 0);
	munmap(w->shard, KVS_BYTES);
	free(w->slab);
	free(w);
}

/* ------------------------------------------------------------ other process */

int
world_do(struct world *w, const struct wset_op *op)
{
	uint32_t t = cache_tile_of(hash_bytes(op->key.p, op->key.len), w->cache_cnt);
	struct desc d = { .kind = DESC_PUBLISH, .call = 1, .b = OTHER_B };
	size_t bytes = wset_op_bytes(op);
	uint8_t *mem = aligned_alloc(8, bytes);
	struct wset ws;

	wset_init(&ws, mem, bytes);
	assert_int_equal(wset_add(&ws, op), 0);
	d.ref = (struct payload_ref){ .proc = OTHER_PROC, .inc = WORLD_INC, .seg = 1, .handle = 1 };
	d.ref.len = (uint32_t)bytes;
	w->other = mem;
	w->other_answer.kind = DESC_NONE;
	cache_core_step(w->cache[t].core, (struct cache_from){ CACHE_FROM_PROC, OTHER_PROC }, &d);
	world_settle(w);
	assert_int_equal(w->other_answer.kind, DESC_PUBLISHED);
	free(mem);
	return w->other_answer.err;
}

void
world_put(struct world *w, const char *key, const char *value)
{
	struct wset_op op = { .kind = WSET_PUT, .key = slice_str(key), .value = slice_str(value) };

	assert_int_equal(world_do(w, &op), 0);
}

void
world_sadd(struct world *w, const char *key, const char *member)
{
	struct wset_op op = { .kind = WSET_SADD,
			      .key = slice_str(key),
			      .value = slice_str(member) };

	assert_int_equal(world_do(w, &op), 0);
}

/* Reads through a view of its own, so that the executor's hazard slots stay as they are. */
static bool
read_other(struct world *w, struct slice key, struct cache_value *v, struct cache_view *view)
{
	static _Atomic uint64_t hazard[HAZARD_CNT];
	uint32_t t = cache_tile_of(hash_bytes(key.p, key.len), w->cache_cnt);
	struct desc d = { .kind = DESC_FETCH, .b = OTHER_B };

	assert_int_equal(cache_view_open(view, w->region, w->layout.bytes, hazard), 0);
	d.ref = (struct payload_ref){ .proc = OTHER_PROC, .inc = WORLD_INC, .seg = 1, .handle = 1 };
	d.ref.len = (uint32_t)key.len;
	w->other = key.p;
	cache_core_step(w->cache[t].core, (struct cache_from){ CACHE_FROM_PROC, OTHER_PROC }, &d);
	world_settle(w);
	assert_int_equal(w->other_answer.err, 0);
	return cache_view_get(view, key, v) == CACHE_HIT && view_present(v->type, v->state);
}

const char *
world_text(struct world *w, struct slice key)
{
	static char text[256];
	char number[VIEW_TEXT_MAX];
	struct cache_value v;
	struct cache_view view;
	struct slice s;

	if (!read_other(w, key, &v, &view)) {
		return "(absent)";
	}
	if (view_is_set(v.type)) {
		snprintf(text, sizeof(text), "(set of %u)", view_cnt(v.type, v.state));
	} else if (v.type == LATTICE_MAP) {
		snprintf(text, sizeof(text), "(map of %u)", map_cnt(v.state));
	} else if (lattice_table_ops(v.type) != NULL) {
		snprintf(text, sizeof(text), "(%u of %u)", v.type, view_cnt(v.type, v.state));
	} else {
		assert_int_equal(view_text(v.type, v.state, number, &s), 0);
		snprintf(text, sizeof(text), "%.*s", (int)MIN(s.len, (size_t)200),
			 (const char *)s.p);
	}
	cache_view_release_all(&view);
	return text;
}

bool
world_has(struct world *w, struct slice key, struct slice member)
{
	struct cache_value v;
	struct cache_view view;
	bool has = read_other(w, key, &v, &view) && view_is_set(v.type) &&
		   view_set_has(v.type, v.state, member);

	cache_view_release_all(&view);
	return has;
}
