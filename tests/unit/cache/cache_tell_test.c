/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what others wrote to a cached key shows here, in whatever state the key is; an absence
 * that
 *         was noted ends; and a copy goes only when nothing of it is under way.
 * Method: a cache_world in which a guest writes to the store past the cache; its messages are
 *         moved by hand. Failures first.
 */
#include <stdio.h>
#include <string.h>

#include "cache_world.h"
#include "compiler.h"
#include "kvs_value.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#define P   1
#define KEY "k"

static uint8_t mem[1 << 20];

/* A SET by somebody else, later than all that this cache wrote. */
static struct slice
later(struct world *w, const char *text)
{
	struct wbuf out = wbuf_init(mem, sizeof(mem));

	return value_set(&out, hlc_time_of_us(timebase_wall_us(&w->time.tb) + 1000000).v,
			 slice_str(text));
}

static struct world *
world_with(const char *text)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });

	world_up(w, P);
	if (text != NULL) {
		assert_int_equal(world_put(w, P, KEY, slice_str(text)), 0);
	}
	return w;
}

/* The one thing the store has to say. */
static struct desc
said(struct world *w, enum kvs_msg_kind kind)
{
	struct world_queue *q = &w->from_kvs[0];

	assert_int_equal(q->cnt, 1);
	assert_int_equal(q->d[q->head].kind, kind);
	return q->d[q->head];
}

static int
answered(const struct world *w, enum kvs_msg_kind kind)
{
	const struct world_queue *q = &w->to_kvs[0];
	const struct desc *d = &q->d[(q->head + q->cnt - 1) % ARRAY_CNT(q->d)];

	assert_true(q->cnt > 0);
	assert_int_equal(d->kind, kind);
	return d->err;
}

/* While the answer to a GET is copied a change is wanted later, and comes. */
static void
while_it_is_filled(void **state)
{
	struct world *w = world_with(NULL);
	static uint8_t large[200000];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct slice v = value_set(&out, 1, slice_of(large, sizeof(large)));

	(void)state;
	assert_int_equal(world_guest(w, slice_str(KEY), slice_of(v.p, 0)), 0);
	w->kvs[0].cfg.cache_cnt = 0; /* nobody holds it yet */
	{
		struct desc d = { .kind = DESC_KVS_MERGE };

		kvs_msg_set_bytes(&d, slice_str(KEY));
		kvs_msg_set_delta(&d, v);
		kvs_core_step(&w->kvs[0], 1, &d);
		while (w->guest.kind != DESC_KVS_MERGED || kvs_core_poll(&w->kvs[0], 1)) {
		}
	}
	w->kvs[0].cfg.cache_cnt = 1;
	world_fetch(w, P, slice_str(KEY), 5);
	world_kvs(w, 0, 1);
	world_core(w, 0, 1); /* GOT: the first piece is copied */
	assert_false(world_answered(w, P, 5));
	assert_int_equal(world_guest(w, slice_str(KEY), later(w, "newer")), 0);
	said(w, DESC_KVS_TELL);
	world_core(w, 0, 1);
	assert_int_equal(answered(w, DESC_KVS_TOLD), MB_ERR_TRYAGAIN);
	world_settle(w);
	timebase_virtual_advance(&w->time, 5 * NS_PER_MS);
	world_settle(w);
	world_answer(w, P, DESC_FETCHED, 5);
	assert_string_equal(world_text(w, P, KEY), "newer");
	world_end(w);
}

/* What was evicted is not wanted any more. */
static void
no_copy(void **state)
{
	struct world *w = world_with("old");
	char key[16];

	(void)state;
	for (uint32_t i = 0; i < 20000 && cache_core_stats(w->core).evicted < 6000; i++) {
		snprintf(key, sizeof(key), "other %u", i);
		world_put(w, P, key, slice_str("x"));
	}
	w->proc[P].answer_cnt = 0;
	assert_int_equal(world_guest(w, slice_str(KEY), later(w, "new")), 0);
	said(w, DESC_KVS_TELL);
	world_core(w, 0, 1);
	assert_int_equal(answered(w, DESC_KVS_TOLD), MB_ERR_NOT_FOUND);
	world_settle(w);
	assert_int_equal(w->kvs[0].changes.stats.forgotten, 1);
	assert_int_equal(world_guest(w, slice_str(KEY), later(w, "newer")), 0);
	assert_int_equal(w->from_kvs[0].cnt, 0);
	assert_string_equal(world_text(w, P, KEY), "newer");
	world_end(w);
}

/* What is too long to be merged in one step costs the copy; the next reader gets all of it. */
static void
too_long(void **state)
{
	struct world *w = world_with("old");
	static uint8_t large[CACHE_COPY_STEP + 100];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	uint64_t time = hlc_time_of_us(timebase_wall_us(&w->time.tb) + 1000000).v;
	struct slice v = value_set(&out, time, slice_of(large, sizeof(large)));
	struct desc d = { .kind = DESC_KVS_MERGE };
	struct cache_value got;

	(void)state;
	kvs_msg_set_bytes(&d, slice_str(KEY));
	kvs_msg_set_delta(&d, v);
	kvs_core_step(&w->kvs[0], 1, &d);
	world_settle(w);
	assert_int_equal(cache_core_stats(w->core).told_dropped, 1);
	assert_int_equal(world_get(w, P, slice_str(KEY), &got), CACHE_HIT);
	assert_true(slice_eq(got.envelope, v));
	cache_view_release(&w->proc[P].view, &got);
	world_end(w);
}

static void
a_copy_is_told(void **state)
{
	struct world *w = world_with("old");

	(void)state;
	assert_string_equal(world_text(w, P, KEY), "old");
	assert_int_equal(world_guest(w, slice_str(KEY), later(w, "new")), 0);
	said(w, DESC_KVS_TELL);
	assert_string_equal(world_text(w, P, KEY), "old");
	world_core(w, 0, 1);
	assert_int_equal(answered(w, DESC_KVS_TOLD), 0);
	assert_string_equal(world_text(w, P, KEY), "new");
	world_settle(w);
	assert_int_equal(cache_core_stats(w->core).told_changed, 1);
	world_end(w);
}

/* A write that is under way meets one that comes: both count. */
static void
both_ways(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct slice theirs = value_member(&out, slice_str("theirs"));
	struct cache_value v;
	struct envelope e;

	(void)state;
	world_up(w, P);
	assert_int_equal(world_guest(w, slice_str("s"), theirs), 0);
	world_settle(w);
	assert_int_equal(world_get(w, P, slice_str("s"), &v), CACHE_HIT);
	cache_view_release(&w->proc[P].view, &v);
	theirs = value_member(&out, slice_str("theirs too"));
	assert_int_equal(world_guest(w, slice_str("s"), theirs), 0);
	world_settle(w);
	assert_int_equal(world_get(w, P, slice_str("s"), &v), CACHE_HIT);
	assert_true(slice_eq(v.envelope, world_stored(w, slice_str("s"))));
	assert_int_equal(envelope_parse(v.envelope, &e), 0);
	assert_int_equal(gset_cnt(e.state), 2);
	cache_view_release(&w->proc[P].view, &v);
	world_end(w);
}

/* An absence that was noted is an entry too. */
static void
absent_no_more(void **state)
{
	struct world *w = world_with(NULL);

	(void)state;
	assert_string_equal(world_text(w, P, KEY), "");
	assert_int_equal(world_guest(w, slice_str(KEY), later(w, "here")), 0);
	said(w, DESC_KVS_TELL);
	world_core(w, 0, 1);
	assert_string_equal(world_text(w, P, KEY), "here");
	world_settle(w);
	world_end(w);
}

/* A deleted key: the copy goes when the store asks, the key goes, and a new one begins anew. */
static void
deleted_keys_go(void **state)
{
	struct world *w = world_with("x");

	(void)state;
	assert_int_equal(world_del(w, P, KEY), 0);
	timebase_virtual_advance(&w->time, NS_PER_S);
	world_settle(w);
	assert_int_equal(kvs_shard_key_cnt(w->shard[0]), 0);
	assert_int_equal(cache_core_stats(w->core).told_dropped, 1);
	assert_string_equal(world_text(w, P, KEY), "");
	assert_int_equal(world_incr(w, P, KEY, 3), 0);
	assert_string_equal(world_text(w, P, KEY), "3");
	world_end(w);
}

/* While something of it is under way the cache does not agree. */
static void
not_while_it_is_at_work(void **state)
{
	struct world *w = world_with("x");
	struct wset_op op = { .kind = WSET_INCR, .key = slice_str(KEY), .n = 1 };
	uint8_t set_mem[256] __attribute__((__aligned__(8)));
	struct wset ws;

	(void)state;
	assert_int_equal(world_del(w, P, KEY), 0);
	timebase_virtual_advance(&w->time, NS_PER_S);
	kvs_core_poll(&w->kvs[0], w->time.now_ns);
	said(w, DESC_KVS_DROP);
	wset_init(&ws, set_mem, sizeof(set_mem));
	assert_int_equal(wset_add(&ws, &op), 0);
	world_publish(w, P, 9, wset_bytes(&ws), 9); /* its delta waits at the kvs tile's door */
	world_core(w, 0, 1);
	assert_int_equal(answered(w, DESC_KVS_DROPPED), MB_ERR_TRYAGAIN);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 9).err, 0);
	assert_string_equal(world_text(w, P, KEY), "1");
	assert_int_equal(kvs_shard_key_cnt(w->shard[0]), 1);
	world_end(w);
}

/* The store wants a rest: what is under way is merged first, what comes meanwhile waits and is done
 * with what the store has then. */
static void
it_comes_to_an_end_when_asked(void **state)
{
	struct world *w = world_with("5");
	struct wset_op op = { .kind = WSET_INCR, .key = slice_str(KEY), .n = 1 };
	struct desc d = { .kind = DESC_KVS_DROP, .sub = KVS_DROP_HUSH, .a = 1 };
	struct kvs_key *key = kvs_shard_find(w->shard[0], slice_str(KEY));
	struct world_queue *to = &w->to_kvs[0];
	uint8_t set_mem[2][256] __attribute__((__aligned__(8)));
	struct wset ws[2];

	(void)state;
	kvs_hush_begin(&w->kvs[0].drops.hush, key, kvs_listener_bit(KVS_LISTENER_CACHE(0)),
		       w->time.now_ns);
	kvs_msg_set_bytes(&d, kvs_key_slice(key));
	for (uint32_t i = 0; i < 2; i++) {
		wset_init(&ws[i], set_mem[i], sizeof(set_mem[i]));
		assert_int_equal(wset_add(&ws[i], &op), 0);
	}
	world_publish(w, P, 9, wset_bytes(&ws[0]), 9);
	assert_int_equal(to->cnt, 1); /* a delta, at the kvs tile's door */
	cache_core_step(w->core, (struct cache_from){ CACHE_FROM_KVS, 0 }, &d);
	world_publish(w, P, 10, wset_bytes(&ws[1]), 10);
	assert_int_equal(to->cnt, 1); /* no answer, and nothing more begun */
	assert_int_equal(w->kvs[0].drops.hush.asked != 0, true);
	world_settle(w);
	assert_int_equal(w->kvs[0].drops.hush.asked, 0);
	assert_int_equal(cache_core_stats(w->core).told_dropped, 1);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 9).err, 0);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 10).err, 0);
	assert_string_equal(world_text(w, P, KEY), "7");
	/* With nothing under way it goes at once, and with no copy there is nothing to do. */
	for (uint32_t i = 0; i < 2; i++) {
		kvs_hush_begin(&w->kvs[0].drops.hush, key, kvs_listener_bit(KVS_LISTENER_CACHE(0)),
			       w->time.now_ns);
		cache_core_step(w->core, (struct cache_from){ CACHE_FROM_KVS, 0 }, &d);
		assert_int_equal(answered(w, DESC_KVS_DROPPED), 0);
		world_settle(w);
		assert_int_equal(cache_core_stats(w->core).told_dropped, 2);
	}
	assert_string_equal(world_text(w, P, KEY), "7");
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(while_it_is_filled),
		cmocka_unit_test(no_copy),
		cmocka_unit_test(too_long),
		cmocka_unit_test(a_copy_is_told),
		cmocka_unit_test(both_ways),
		cmocka_unit_test(absent_no_more),
		cmocka_unit_test(deleted_keys_go),
		cmocka_unit_test(not_while_it_is_at_work),
		cmocka_unit_test(it_comes_to_an_end_when_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
