/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   large sets in cache and store are what small ones are: whole, never torn, never going
 *         back, kept while they are held, gone when they are evicted; a change of one costs little.
 * Method: a cache_world with the real core and store. Failures first: a cache too small, a store
 *         that is full. Then random operations against a model, with readers that hold what they
 *         read, for long; and real reader threads.
 */
#include <endian.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"
#include "check.h"
#include "compiler.h"
#include "envelope.h"
#include "lattice.h"
#include "microburst/error.h"
#include "presence.h"
#include "rng.h"
#include "table.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "treeval.h"
#include "view.h"

#define P 1

static int
store_fill(struct world *w, struct slice key, uint32_t from, uint32_t to)
{
	return world_fill(w, key, LATTICE_GSET, from, to);
}

static int
member_add(struct world *w, struct slice key, uint64_t n)
{
	uint64_t be = htobe64(n);
	struct wset_op op = { .kind = WSET_SADD, .key = key, .value = slice_of(&be, sizeof(be)) };

	return world_do(w, P, &op);
}

static bool
member_has(const struct cache_value *v, uint64_t n)
{
	uint64_t be = htobe64(n);

	return view_set_has(v->type, v->state, slice_of(&be, sizeof(be)));
}

/* Member idx, of those that are there. */
static bool
member_at(const struct cache_value *v, uint32_t idx, struct slice *ret)
{
	struct slice presence;
	struct table t;
	uint32_t at;

	if (table_open(v->state, &t) != 0 ||
	    !table_present_at(&t, lattice_table_ops(v->type), idx, &at)) {
		return false;
	}
	*ret = table_item(&t, at);
	return v->type != LATTICE_ORSET || presence_cut(ret, &presence);
}

/* ------------------------------------------------------------------------------------- failures */

static size_t
bytes_of(struct slice tree)
{
	const struct tree_node *root = slice_tree(tree)->root;

	return root->items_len + (size_t)root->cnt * TREE_ITEM_OVERHEAD;
}

/* More than the cache can hold: an error, and all that was copied is given back. Of what is longer
 * than all of it nothing is copied. */
static void
cache_too_small(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	struct cache_value v;
	struct slice big = slice_str("big"), fits = slice_str("fits"), just = slice_str("just");
	uint32_t n = 0;

	(void)state;
	world_up(w, P);
	do { /* not with what its nodes leave empty */
		assert_int_equal(store_fill(w, just, n, n + 1000), 0);
		n += 1000;
	} while (bytes_of(world_stored(w, just)) < (2 << 20) - (64 << 10));
	assert_true(bytes_of(world_stored(w, just)) <= 2 << 20);
	assert_int_equal(world_get(w, P, just, &v), MB_ERR_NO_MEMORY);
	assert_int_equal(member_add(w, just, 7), MB_ERR_NO_MEMORY);
	assert_int_equal(store_fill(w, big, 0, 300000), 0);
	assert_int_equal(store_fill(w, fits, 0, 50000), 0);
	assert_int_equal(world_get(w, P, big, &v), MB_ERR_TOO_LARGE);
	assert_int_equal(member_add(w, big, 7), MB_ERR_TOO_LARGE);
	assert_int_equal(world_get(w, P, fits, &v), CACHE_HIT);
	assert_int_equal(view_cnt(v.type, v.state), 50000);
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(member_add(w, fits, 1000000), 0);
	world_settle(w);
	assert_true(cache_core_stats(w->core).used_bytes < 1500 << 10);
	world_end(w);
}

/* The store is full: what it refuses is not seen any more. */
static void
store_full(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .kvs_bytes = 1 << 20 });
	struct slice key = slice_str("set");
	struct cache_value v;
	uint64_t n = 0;
	int err;

	(void)state;
	world_up(w, P);
	do {
		err = member_add(w, key, n++);
	} while (err == 0);
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	assert_true(n > 20000);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	assert_int_equal(view_cnt(v.type, v.state), n - 1);
	assert_false(member_has(&v, n - 1));
	assert_true(treeval_equal(v.envelope, world_stored(w, key)));
	cache_view_release(&w->proc[P].view, &v);
	world_end(w);
}

/* -------------------------------------------------------------------------------------- bounds */

/* A large set comes in pieces of CACHE_COPY_STEP, and others are served meanwhile. */
static void
comes_in_pieces(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 64 << 20 });
	struct slice key = slice_str("set");
	struct cache_value v;
	uint64_t most = 0, before;
	uint32_t turns = 0;

	(void)state;
	world_up(w, P);
	assert_int_equal(store_fill(w, key, 0, 500000), 0);
	world_fetch(w, P, key, 1);
	while (!world_answered(w, P, 1)) {
		before = cache_core_stats(w->core).used_bytes;
		world_turn(w);
		most = MAX(most, cache_core_stats(w->core).used_bytes - before);
		turns++;
	}
	print_message("%u turns, at most %llu bytes taken in one\n", turns,
		      (unsigned long long)most);
	assert_true(turns > 500000 * 12 / (CACHE_COPY_STEP + TREE_NODE_BYTES));
	assert_true(most < 4 * CACHE_COPY_STEP);
	assert_int_equal(world_answer(w, P, DESC_FETCHED, 1).err, 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	assert_int_equal(view_cnt(v.type, v.state), 500000);
	assert_true(treeval_equal(v.envelope, world_stored(w, key)));
	/* One more, here and there: a few nodes. */
	before = cache_core_stats(w->core).used_bytes;
	assert_int_equal(member_add(w, key, 1000000), 0);
	assert_true(cache_core_stats(w->core).used_bytes - before < 4 * TREE_NODE_BYTES);
	assert_false(member_has(&v, 1000000)); /* it is held */
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	assert_true(member_has(&v, 1000000));
	cache_view_release(&w->proc[P].view, &v);
	world_end(w);
}

/* A delete of all that is seen says so of each member; what is then added is there alone. */
static void
deleted(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 64 << 20 });
	struct slice key = slice_str("set");
	struct cache_value v;

	(void)state;
	world_up(w, P);
	for (uint64_t n = 0; n < 20000; n++) {
		assert_int_equal(member_add(w, key, n), 0);
	}
	assert_int_equal(world_del(w, P, "set"), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_ABSENT);
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(member_add(w, key, 7), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	assert_true(treeval_equal(v.envelope, world_stored(w, key)));
	assert_int_equal(view_cnt(v.type, v.state), 1);
	cache_view_release(&w->proc[P].view, &v);
	world_end(w);
}

/* --------------------------------------------------------------------------------------- model */

#define KEY_CNT    6
#define MEMBER_CNT 3000
#define HELD_CNT   10

struct model {
	bool has[KEY_CNT][MEMBER_CNT];
	uint32_t cnt[KEY_CNT];
};

struct held {
	bool used;
	uint32_t key, cnt;
	uint64_t first, last; /* members that were there */
	struct cache_value v;
};

static struct slice
key_of(char buf[32], uint32_t i)
{
	/* Short ones, and one that stands in the block. */
	int len = snprintf(buf, 32, i == 0 ? "%u" : "set-%u", i);

	return slice_of(buf, (size_t)len);
}

static void
held_check(const struct held *h)
{
	struct slice m;

	assert_int_equal(view_cnt(h->v.type, h->v.state), h->cnt);
	assert_true(member_has(&h->v, h->first));
	assert_true(member_has(&h->v, h->last));
	assert_true(member_at(&h->v, h->cnt - 1, &m));
	assert_false(member_at(&h->v, h->cnt, &m));
}

static uint64_t
number_of(struct slice member)
{
	uint64_t be = 0;

	if (member.p != NULL && member.len == sizeof(be)) {
		memcpy(&be, member.p, sizeof(be));
	}
	return be64toh(be);
}

static void
random_read(struct world *w, struct rng *rng, const struct model *m, struct held *h)
{
	struct slice first = { 0 }, last = { 0 };
	char buf[32];
	uint64_t n;
	int got;

	if (h->used) {
		held_check(h);
		cache_view_release(&w->proc[P].view, &h->v);
		h->used = false;
		return;
	}
	h->key = (uint32_t)rng_below(rng, KEY_CNT);
	got = world_get(w, P, key_of(buf, h->key), &h->v);
	if (got != CACHE_HIT) {
		assert_int_equal(got, CACHE_ABSENT);
		assert_int_equal(m->cnt[h->key], 0);
		cache_view_release(&w->proc[P].view, &h->v);
		return;
	}
	h->used = true;
	h->cnt = m->cnt[h->key];
	assert_true(member_at(&h->v, 0, &first));
	assert_true(member_at(&h->v, h->cnt - 1, &last));
	h->first = number_of(first);
	h->last = number_of(last);
	held_check(h);
	for (uint32_t i = 0; i < 20; i++) {
		n = rng_below(rng, MEMBER_CNT);
		assert_int_equal(member_has(&h->v, n), m->has[h->key][n]);
	}
}

/* Sets that grow, are deleted, evicted, and read by readers that hold them; in a cache that is
 * smaller than all of it together. */
static void
against_model(void **state)
{
	static struct model m;
	static struct held held[HELD_CNT];
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	struct rng rng;
	char buf[32], text[4096];
	uint32_t others = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	rng_init(&rng, test_seed("cache_tree against_model"));
	world_up(w, P);
	for (uint32_t step = 0; step < 40000; step++) {
		uint32_t k = (uint32_t)rng_below(&rng, KEY_CNT);
		uint64_t n = rng_below(&rng, MEMBER_CNT);

		switch (rng_below(&rng, 4)) {
		case 0:
		case 1:
			assert_int_equal(member_add(w, key_of(buf, k), n), 0);
			m.cnt[k] += !m.has[k][n];
			m.has[k][n] = true;
			break;
		case 2:
			random_read(w, &rng, &m, &held[rng_below(&rng, HELD_CNT)]);
			break;
		default: /* others, that drive it all out of the cache */
			snprintf(buf, sizeof(buf), "other-%u", others++ % 1000);
			assert_int_equal(world_put(w, P, buf, slice_of(text, sizeof(text))), 0);
			break;
		}
		if (rng_below(&rng, 3000) == 0) {
			(void)key_of(buf, k);
			assert_int_equal(world_del(w, P, buf), 0);
			memset(m.has[k], 0, sizeof(m.has[k]));
			m.cnt[k] = 0;
		}
		if (step % 1000 == 0) {
			cache_core_check(w->core);
		}
	}
	print_message("%llu evicted\n", (unsigned long long)cache_core_stats(w->core).evicted);
	assert_true(cache_core_stats(w->core).evicted > 1000);
	for (uint32_t i = 0; i < HELD_CNT; i++) {
		if (held[i].used) {
			random_read(w, &rng, &m, &held[i]);
		}
	}
	for (uint32_t k = 0; k < KEY_CNT; k++) {
		struct held h = { .used = false };

		h.key = k;
		if (world_get(w, P, key_of(buf, k), &h.v) == CACHE_HIT) {
			assert_int_equal(view_cnt(h.v.type, h.v.state), m.cnt[k]);
			assert_true(treeval_equal(h.v.envelope, world_stored(w, key_of(buf, k))));
		}
		cache_view_release(&w->proc[P].view, &h.v);
	}
	world_end(w);
}

/* ------------------------------------------------------------------------------------- threads */

#define READER_CNT 2
#define GROWS_TO   20000

struct reader {
	struct world *w;
	uint16_t proc;
	_Atomic bool *stop;
	_Atomic uint64_t reads;
	uint64_t seen;
};

/* Members come in the order 0, 1, 2 ..: so a set of n members has the first n, and no others. */
static void *
reader_run(void *arg)
{
	struct reader *r = arg;
	struct cache_view *view = &r->w->proc[r->proc].view;
	struct slice key = slice_str("grows");
	uint64_t last = 0;
	struct rng rng;

	rng_init(&rng, r->proc);
	/* relaxed: it only ends the loop. */
	while (!atomic_load_explicit(r->stop, memory_order_relaxed)) {
		struct cache_value v;

		if (cache_view_get(view, key, &v) == CACHE_HIT) {
			uint64_t cnt = view_cnt(v.type, v.state);

			REQUIRE(cnt >= last, "it went back");
			for (uint32_t i = 0; i < 8; i++) {
				uint64_t n = rng_below(&rng, cnt + 2);
				uint64_t be = htobe64(n);
				struct slice at;

				REQUIRE(member_has(&v, n) == (n < cnt), "n=%lu", n);
				REQUIRE(member_at(&v, (uint32_t)n, &at) == (n < cnt));
				REQUIRE(n >= cnt || memcmp(at.p, &be, sizeof(be)) == 0);
			}
			last = cnt;
			atomic_fetch_add_explicit(&r->reads, 1, memory_order_relaxed);
			cache_view_release(view, &v);
		}
	}
	r->seen = last;
	return NULL;
}

static uint64_t
reads_of(const struct reader r[static READER_CNT])
{
	uint64_t reads = 0;

	for (uint32_t i = 0; i < READER_CNT; i++) {
		reads += atomic_load_explicit(&r[i].reads, memory_order_relaxed);
	}
	return reads;
}

static void
reader_threads(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	struct reader r[READER_CNT];
	pthread_t thread[READER_CNT];
	_Atomic bool stop = false;

	(void)state;
	world_up(w, P);
	for (uint16_t i = 0; i < READER_CNT; i++) {
		world_up(w, (uint16_t)(2 + i));
		r[i] = (struct reader){ .w = w, .proc = (uint16_t)(2 + i), .stop = &stop };
		assert_int_equal(pthread_create(&thread[i], NULL, reader_run, &r[i]), 0);
	}
	for (uint64_t n = 0; n < GROWS_TO; n++) {
		assert_int_equal(member_add(w, slice_str("grows"), n), 0);
		if (n % (GROWS_TO / 10) == 0) { /* a busy machine may have run none of them yet */
			for (uint64_t was = reads_of(r); reads_of(r) < was + 20;) {
				sched_yield();
			}
		}
		if (n % 8 == 0) { /* memory is used again, and again */
			char key[16];

			snprintf(key, sizeof(key), "o%u", (uint32_t)(n % 800));
			assert_int_equal(world_put(w, P, key, slice_of(w->region, 4000)), 0);
		}
	}
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	for (uint32_t i = 0; i < READER_CNT; i++) {
		pthread_join(thread[i], NULL);
	}
	print_message("%llu reads while %u members came\n", (unsigned long long)reads_of(r),
		      GROWS_TO);
	world_end(w);
}

/* A large collection loses a member, gets a deadline, is deleted: in the cache and in the store. */
static void
loses_members_and_ends(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 64 << 20 });
	struct slice key = slice_str("set");
	uint64_t be = htobe64(77);
	struct wset_op op = { .kind = WSET_SREM, .key = key, .value = slice_of(&be, sizeof(be)) };
	struct cache_value v;
	struct envelope e;
	enum { CNT = 3000 };

	(void)state;
	world_up(w, P);
	for (uint64_t n = 0; n < CNT; n++) {
		assert_int_equal(member_add(w, key, n), 0);
	}
	assert_int_equal(world_do(w, P, &op), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	assert_false(member_has(&v, 77));
	assert_int_equal(view_cnt(v.type, v.state), CNT - 1);
	cache_view_release(&w->proc[P].view, &v);
	op = (struct wset_op){ .kind = WSET_EXPIRE, .key = key, .n = INT64_C(3000000000000000) };
	assert_int_equal(world_do(w, P, &op), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	assert_true(slice_is_tree(v.state));
	assert_true(envelope_expires(v.envelope));
	assert_int_equal(envelope_open(v.envelope, &e), 0);
	assert_int_equal(hlc_time_us(e.expiry.deadline), UINT64_C(3000000000000000));
	assert_int_equal(view_cnt(v.type, v.state), CNT - 1);
	cache_view_release(&w->proc[P].view, &v);
	op = (struct wset_op){ .kind = WSET_DEL, .key = key };
	assert_int_equal(world_do(w, P, &op), 0);
	world_settle(w);
	assert_int_equal(world_get(w, P, key, &v), CACHE_ABSENT);
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(member_add(w, key, 5), 0);
	assert_int_equal(world_get(w, P, key, &v), CACHE_HIT);
	assert_int_equal(view_cnt(v.type, v.state), 1);
	assert_true(treeval_equal(v.envelope, world_stored(w, key)));
	cache_view_release(&w->proc[P].view, &v);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cache_too_small),        cmocka_unit_test(store_full),
		cmocka_unit_test(comes_in_pieces),        cmocka_unit_test(deleted),
		cmocka_unit_test(loses_members_and_ends), cmocka_unit_test(against_model),
		cmocka_unit_test(reader_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
