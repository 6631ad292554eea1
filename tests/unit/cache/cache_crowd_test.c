/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a collection that leaves no memory to change it is made smaller all the same, by whoever
 *         wants it, and everybody sees what he was told.
 * Method: a cache_world with a cache that one set fills, and a reader who holds it, so that no
 *         change gives any memory back. By hand: removals whose deltas are under way, others who
 *         wait beside them, a caller who dies, a store that refuses. At random against a model.
 */
#include <endian.h>
#include <string.h>

#include "cache_world.h"
#include "compiler.h"
#include "envelope.h"
#include "kvs_msg.h"
#include "lattice.h"
#include "list.h"
#include "microburst/error.h"
#include "rng.h"
#include "test_cmocka.h"
#include "tile_msg.h"
#include "view.h"

#define INNER  1
#define OTHER  2
#define READER 3
#define CNT    52000 /* members, of which the cache is full */
#define STRIDE 997   /* from one that goes to the next: in another leaf */
#define MOST   400   /* that go, until there is no memory */

static uint8_t mem[MOST + 8][64];

static struct slice
key_of(void)
{
	return slice_str("set");
}

/* The n-th member that goes. */
static uint64_t
goes(uint32_t n)
{
	return (uint64_t)n * STRIDE % CNT;
}

/* Publishes one operation on a member, which lies in mem[b]. */
static void
publish(struct world *w, uint16_t proc, enum wset_kind kind, uint64_t member, uint64_t b)
{
	uint64_t be = htobe64(member);
	struct wset_op op = { .kind = kind, .key = key_of(), .value = slice_of(&be, sizeof(be)) };
	struct wset ws;

	wset_init(&ws, mem[b], sizeof(mem[b]));
	assert_int_equal(wset_add(&ws, &op), 0);
	world_publish(w, proc, b, wset_bytes(&ws), b);
}

static int
over(struct world *w, uint16_t proc, uint64_t b)
{
	return world_answer(w, proc, DESC_PUBLISHED, b).err;
}

static bool
has(const struct cache_value *v, uint64_t member)
{
	uint64_t be = htobe64(member);

	return view_set_has(v->type, v->state, slice_of(&be, sizeof(be)));
}

static struct world *
make(struct cache_value *held)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });

	world_up_inner(w, INNER);
	world_up(w, OTHER);
	world_up(w, READER);
	assert_int_equal(world_fill(w, key_of(), LATTICE_ORSET, 0, CNT), 0);
	assert_int_equal(world_get(w, READER, key_of(), held), CACHE_HIT);
	return w;
}

/* Publishes removals, one after the other, and lets nothing go to the store, until one finds no
 * memory and waits. Returns: how many there were, with that one. */
static uint32_t
crowd(struct world *w, uint16_t proc)
{
	uint64_t applied;
	uint32_t cnt = 0;

	do {
		assert_true(cnt < MOST);
		applied = cache_core_stats(w->core).op_applied;
		publish(w, proc, WSET_SREM, goes(cnt), cnt);
		cnt++;
		for (uint32_t ms = 0; ms < 200; ms++) { /* longer than for memory to come back */
			timebase_virtual_advance(&w->time, NS_PER_MS);
			cache_core_poll(w->core);
		}
	} while (cache_core_stats(w->core).op_applied != applied);
	assert_int_equal(cache_core_stats(w->core).op_failed, 0);
	return cnt;
}

static void
all_over(struct world *w, uint16_t proc, uint32_t cnt)
{
	for (uint32_t b = 0; b < cnt; b++) {
		assert_int_equal(over(w, proc, b), 0);
	}
}

/* Reads the set, from which so many have gone. */
static void
shows_less(struct world *w, uint32_t cnt)
{
	struct cache_value v;

	assert_int_equal(world_get(w, READER, key_of(), &v), CACHE_HIT);
	assert_int_equal(view_cnt(v.type, v.state), CNT - cnt);
	assert_false(has(&v, goes(cnt - 1)));
	assert_true(has(&v, goes(cnt)));
	cache_view_release(&w->proc[READER].view, &v);
}

/* Nothing is refused, of a function's neither; who holds the set sees what he saw. */
static void
removals(void **state)
{
	(void)state;
	for (uint16_t proc = INNER; proc <= OTHER; proc++) {
		struct cache_value held;
		struct world *w = make(&held);
		uint32_t cnt = crowd(w, proc), more = cnt + 5;

		print_message("%u removals\n", cnt);
		world_settle(w);
		all_over(w, proc, cnt);
		assert_int_equal(cache_core_stats(w->core).crowded, 1);
		assert_int_equal(cache_core_stats(w->core).passed, 1);
		for (; cnt < more; cnt++) { /* and now they find no copy */
			publish(w, proc, WSET_SREM, goes(cnt), cnt);
			world_settle(w);
			assert_int_equal(over(w, proc, cnt), 0);
		}
		assert_int_equal(cache_core_stats(w->core).passed, 6);
		assert_int_equal(view_cnt(held.type, held.state), CNT);
		assert_true(has(&held, 0));
		cache_view_release(&w->proc[READER].view, &held);
		shows_less(w, cnt);
		world_end(w);
	}
}

/* Who waits beside a removal, and cannot be done in the store, comes behind it, and is done here;
 * who reads meanwhile sees what he saw, or more. */
static void
others_beside(void **state)
{
	struct cache_value held, v;
	struct world *w = make(&held);
	uint32_t cnt = crowd(w, OTHER);
	uint64_t fetched = cache_core_stats(w->core).fetched;

	(void)state;
	publish(w, OTHER, WSET_SADD, CNT, MOST);
	publish(w, INNER, WSET_SREM, goes(cnt), MOST + 1);
	assert_int_equal(world_get(w, READER, key_of(), &v), CACHE_HIT); /* it is here still */
	assert_int_equal(view_cnt(v.type, v.state), CNT - (cnt - 1));
	cache_view_release(&w->proc[READER].view, &v);
	cache_view_release(&w->proc[READER].view, &held);
	world_settle(w);
	all_over(w, OTHER, cnt);
	assert_int_equal(over(w, INNER, MOST + 1), 0);
	assert_int_equal(over(w, OTHER, MOST), 0);
	assert_int_equal(cache_core_stats(w->core).passed, 2);
	assert_int_equal(cache_core_stats(w->core).fetched, fetched + 1);
	assert_int_equal(world_get(w, READER, key_of(), &v), CACHE_HIT);
	assert_int_equal(view_cnt(v.type, v.state), CNT - cnt);
	assert_false(has(&v, goes(cnt)));
	assert_true(has(&v, CNT));
	cache_view_release(&w->proc[READER].view, &v);
	world_end(w);
}

/* Who adds cannot be done in the store, where he is no tile of ours: he hears that there is no
 * memory, and the copy stays. */
static void
an_add_is_refused(void **state)
{
	struct cache_value held;
	struct world *w = make(&held);
	uint32_t n = 0;
	int err;

	(void)state;
	do {
		publish(w, OTHER, WSET_SADD, goes(n), 0);
		world_settle(w);
		err = over(w, OTHER, 0);
		n++;
	} while (err == 0 && n < MOST);
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	assert_int_equal(cache_core_stats(w->core).crowded, 0);
	cache_view_release(&w->proc[READER].view, &held);
	world_end(w);
}

/* The caller dies while his removal waits: it is done, and then his death is. */
static void
the_caller_dies(void **state)
{
	struct cache_value held;
	struct world *w = make(&held);
	uint32_t cnt = crowd(w, OTHER);

	(void)state;
	world_down(w, OTHER);
	memset(mem, 0, sizeof(mem)); /* his memory is gone */
	assert_int_equal(w->to_ctl_cnt, 0);
	world_settle(w);
	assert_int_equal(w->to_ctl_cnt, 1);
	assert_int_equal(w->to_ctl[0].kind, DESC_PROC_DOWN_DONE);
	cache_view_release(&w->proc[READER].view, &held);
	shows_less(w, cnt);
	world_end(w);
}

/* The store refuses what is under way: that and what was added since fails, and who waits begins
 * anew, and is done. */
static void
the_store_refuses(void **state)
{
	struct cache_value held, v;
	struct world *w = make(&held);
	struct desc merged = { .kind = DESC_KVS_MERGED, .err = MB_ERR_INDETERMINATE };
	uint32_t cnt = crowd(w, OTHER);

	(void)state;
	assert_int_equal(w->to_kvs[0].cnt, 1);
	merged.b = w->to_kvs[0].d[w->to_kvs[0].head].b;
	w->to_kvs[0].cnt = 0;
	cache_core_step(w->core, (struct cache_from){ CACHE_FROM_KVS, 0 }, &merged);
	cache_view_release(&w->proc[READER].view, &held);
	world_settle(w);
	for (uint32_t b = 0; b + 1 < cnt; b++) {
		assert_int_equal(over(w, OTHER, b), MB_ERR_INDETERMINATE);
	}
	assert_int_equal(over(w, OTHER, cnt - 1), 0);
	assert_int_equal(world_get(w, READER, key_of(), &v), CACHE_HIT);
	assert_int_equal(view_cnt(v.type, v.state), CNT - 1);
	assert_false(has(&v, goes(cnt - 1)));
	cache_view_release(&w->proc[READER].view, &v);
	world_end(w);
}

/* ------------------------------------------------------------------------------------- taking */

static int
take(struct world *w, const struct wset_op *op, uint32_t if_end, uint32_t *ret_changed)
{
	struct cache_op_word word = { .if_end = if_end };
	struct wset ws;
	int err;

	wset_init(&ws, mem[0], sizeof(mem[0]));
	assert_int_equal(wset_add(&ws, op), 0);
	world_hashes(wset_bytes(&ws), &word);
	word.if_end = if_end;
	world_publish_words(w, INNER, wset_bytes(&ws), 0, &word);
	world_settle(w);
	err = over(w, INNER, 0);
	memset(w->payload, 0, sizeof(w->payload));
	assert_int_equal(word.err, err);
	*ret_changed = word.changed;
	return err;
}

/* A member that is to be taken if it is there, of a set that has left. */
static void
a_member_is_taken(void **state)
{
	struct cache_value held;
	struct world *w = make(&held);
	uint32_t cnt = crowd(w, OTHER), changed;
	uint64_t be = htobe64(goes(cnt)), fetched;
	struct wset_op op = { .kind = WSET_SREM, .key = key_of(), .value = slice_of(&be, 8) };

	(void)state;
	world_settle(w);
	all_over(w, OTHER, cnt);
	fetched = cache_core_stats(w->core).fetched;
	assert_int_equal(take(w, &op, CACHE_END_NONE, &changed), 0);
	assert_int_equal(changed, 1);
	assert_int_equal(take(w, &op, CACHE_END_NONE, &changed), MB_ERR_TRYAGAIN);
	assert_int_equal(cache_core_stats(w->core).fetched, fetched);
	cache_view_release(&w->proc[READER].view, &held);
	shows_less(w, cnt + 1);
	world_end(w);
}

/* The first and the last item, of a list that is longer than the cache. */
static void
an_item_is_taken(void **state)
{
	enum { ITEMS = 60000 };
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	struct wset_op push = { .kind = WSET_PUSH_RIGHT, .key = slice_str("list") };
	struct wset_op op = { .kind = WSET_LIST_DEL, .key = slice_str("list") };
	uint8_t id[2][64];
	struct table_walk walk = { 0 };
	struct list_item item;
	struct envelope e;
	uint32_t changed;

	(void)state;
	world_up_inner(w, INNER);
	push.value = slice_str("an item of some length, of which a great many are pushed");
	for (uint32_t i = 0; i < ITEMS; i++) {
		assert_int_equal(world_do(w, INNER, &push), 0);
	}
	assert_int_equal(envelope_open(world_stored(w, op.key), &e), 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(list_next(e.state, &walk, &item) && item.id.len <= sizeof(id[i]));
		memcpy(id[i], item.id.p, item.id.len);
		op.field = slice_of(id[i], item.id.len);
	}
	assert_int_equal(take(w, &op, CACHE_END_FIRST, &changed), MB_ERR_TRYAGAIN);
	assert_int_equal(take(w, &op, CACHE_END_LAST, &changed), MB_ERR_TRYAGAIN);
	op.field.p = id[0];
	assert_int_equal(take(w, &op, CACHE_END_FIRST, &changed), 0);
	assert_int_equal(changed, 1);
	op.field.p = id[1];
	assert_int_equal(take(w, &op, CACHE_END_FIRST, &changed), 0);
	assert_int_equal(changed, 1);
	assert_int_equal(envelope_open(world_stored(w, op.key), &e), 0);
	assert_int_equal(view_cnt(e.type, e.state), ITEMS - 2);
	world_end(w);
}

/* ----------------------------------------------------------------------------------- at random */

#define ROUNDS 20000
#define OPEN   16

struct open {
	bool is, adds, was;
	uint16_t proc;
	uint64_t member;
};

/* What is known of each member: nobody writes it who has not answered the last who did. */
struct model {
	struct world *w;
	bool there[CNT], busy[CNT];
	struct open open[OPEN];
	uint64_t answered[2]; /* removals, adds */
};

static void
take_answers(struct model *m)
{
	for (uint32_t b = 0; b < OPEN; b++) {
		struct open *o = &m->open[b];
		int err;

		if (!o->is || !world_answered(m->w, o->proc, b)) {
			continue;
		}
		err = over(m->w, o->proc, b);
		assert_true(err == 0 || (o->adds && err == MB_ERR_NO_MEMORY));
		m->answered[o->adds] += err == 0;
		m->there[o->member] = err == 0 ? o->adds : o->was;
		m->busy[o->member] = false;
		o->is = false;
	}
}

static void
begin_one(struct model *m, struct rng *r)
{
	uint32_t b = (uint32_t)rng_below(r, OPEN);
	uint64_t member = rng_below(r, CNT);
	struct open *o = &m->open[b];

	if (o->is || m->busy[member]) {
		return;
	}
	*o = (struct open){ true, rng_below(r, 4) == 0, m->there[member],
			    rng_below(r, 2) == 0 ? INNER : OTHER, member };
	m->busy[member] = true;
	publish(m->w, o->proc, o->adds ? WSET_SADD : WSET_SREM, member, b);
}

/* A reader finds what was answered, wherever he looks. */
static void
look(const struct model *m, const struct cache_value *v, struct rng *r)
{
	for (uint32_t i = 0; i < 50; i++) {
		uint64_t member = rng_below(r, CNT);

		if (!m->busy[member]) {
			assert_int_equal(has(v, member), m->there[member]);
		}
	}
}

static void
at_random(void **state)
{
	static struct model m;
	struct cache_value held, v;
	struct envelope e;
	bool holds = true;
	struct rng r;

	(void)state;
	rng_init(&r, 7);
	m.w = make(&held);
	memset(m.there, true, sizeof(m.there));
	for (uint32_t round = 0; round < ROUNDS; round++) {
		begin_one(&m, &r);
		for (uint64_t turns = rng_below(&r, 3); turns > 0; turns--) {
			world_turn(m.w);
			timebase_virtual_advance(&m.w->time, NS_PER_MS);
		}
		take_answers(&m);
		if (holds && rng_below(&r, 1000) == 0) {
			cache_view_release(&m.w->proc[READER].view, &held);
			holds = false;
		} else if (rng_below(&r, 50) == 0 &&
			   cache_view_get(&m.w->proc[READER].view, key_of(), &v) == CACHE_HIT) {
			look(&m, &v, &r);
			cache_view_release(&m.w->proc[READER].view, &v);
		} else if (!holds && rng_below(&r, 500) == 0 &&
			   world_get(m.w, READER, key_of(), &held) == CACHE_HIT) {
			holds = true;
			take_answers(&m);
			cache_view_release(&m.w->proc[READER].view, &held);
			assert_int_equal(cache_view_get(&m.w->proc[READER].view, key_of(), &held),
					 CACHE_HIT);
			look(&m, &held, &r);
		}
	}
	if (holds) {
		cache_view_release(&m.w->proc[READER].view, &held);
	}
	world_settle(m.w);
	take_answers(&m);
	/* In the store: with the marks of all that went it may be longer than the cache by now. */
	assert_int_equal(envelope_open(world_stored(m.w, key_of()), &e), 0);
	for (uint32_t i = 0; i < CNT; i++) {
		uint64_t be = htobe64(i);

		assert_int_equal(view_set_has(e.type, e.state, slice_of(&be, sizeof(be))),
				 m.there[i]);
	}
	print_message("%llu removals, %llu adds; it left %llu times\n",
		      (unsigned long long)m.answered[0], (unsigned long long)m.answered[1],
		      (unsigned long long)cache_core_stats(m.w->core).crowded);
	assert_true(cache_core_stats(m.w->core).crowded > 3);
	world_end(m.w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removals),          cmocka_unit_test(others_beside),
		cmocka_unit_test(an_add_is_refused), cmocka_unit_test(the_caller_dies),
		cmocka_unit_test(the_store_refuses), cmocka_unit_test(a_member_is_taken),
		cmocka_unit_test(an_item_is_taken),  cmocka_unit_test(at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
