/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   whatever many processes do at once, each request is answered once, counters sum exactly,
 *         what was acknowledged is in the store, and nothing is left when it is quiet.
 * Method: messages that nobody sends; processes that come, go and come again; then random work of
 *         many processes, with messages moved in a random order and processes that die, against
 *         sums kept beside it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"
#include "envelope.h"
#include "microburst/error.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "tile_msg.h"
#include "view.h"

static void
strange_messages(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("cache_core strange_messages"));
	world_up(w, 1);
	for (uint32_t i = 0; i < 20000; i++) {
		struct cache_from from = { CACHE_FROM_PROC, (uint16_t)rng_range(&rng, 1, 3) };
		struct desc d;

		for (uint32_t j = 0; j < sizeof(d) / 8; j++) {
			((uint64_t *)&d)[j] = rng_u64(&rng);
		}
		if (rng_below(&rng, 2) != 0) {
			d.kind = (uint8_t)rng_range(&rng, DESC_FETCH, DESC_SCANNED);
		}
		if (cache_core_room(w->core) > 0) {
			cache_core_step(w->core, from, &d);
		}
		world_turn(w);
		w->proc[1].answer_cnt = 0;
	}
	assert_true(cache_core_stats(w->core).bad > 1000);
	world_end(w);
}

static void
come_and_go(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct desc seg = { .kind = DESC_SEG_DOWN };
	uint32_t inc;

	(void)state;
	for (uint32_t i = 0; i < 50; i++) {
		world_up(w, 1);
		inc = w->proc[1].inc;
		assert_int_equal(world_incr(w, 1, "n", 1), 0);
		assert_true(cache_core_published(w->core, 1) != 0);
		w->to_ctl_cnt = 0;
		seg.release.handle[0] = i;
		cache_core_step(w->core, (struct cache_from){ CACHE_FROM_CTL, 0 }, &seg);
		world_down(w, 1);
		assert_int_equal(w->to_ctl_cnt, 2);
		assert_int_equal(w->to_ctl[0].kind, DESC_SEG_DOWN_DONE);
		assert_int_equal(w->to_ctl[0].release.handle[0], i);
		assert_int_equal(w->to_ctl[1].kind, DESC_PROC_DOWN_DONE);
		assert_int_equal(w->to_ctl[1].dead.inc, inc);
		assert_int_equal(cache_core_published(w->core, 1), 0);
	}
	world_up(w, 1);
	assert_string_equal(world_text(w, 1, "n"), "50");
	world_end(w);
}

/* An answer to a process that has died does not go to the one that has its index now. */
static void
index_used_again(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });

	(void)state;
	world_up(w, 1);
	world_fetch(w, 1, slice_str("k"), 1);
	world_down(w, 1);
	world_up(w, 1);
	world_settle(w);
	assert_int_equal(w->proc[1].answer_cnt, 0);
	world_end(w);
}

/* ---------------------------------------------------------------------- random */

#define KEY_CNT 12u

struct sums {
	int64_t acknowledged[KEY_CNT]; /* at least this */
	int64_t sent[KEY_CNT];         /* at most this */
};

/* A set of increments being published: its memory, and what it adds. */
struct flying {
	uint8_t mem[2048];
	int64_t add[KEY_CNT];
	bool used;
	uint16_t proc;
};

#define FLYING_MAX 40u

static void
publish_some(struct world *w, struct rng *rng, struct flying *f, uint64_t b, struct sums *sums)
{
	uint32_t op_cnt = (uint32_t)rng_range(rng, 1, 20);
	struct wset ws;
	char key[16];

	memset(f->add, 0, sizeof(f->add));
	wset_init(&ws, f->mem, sizeof(f->mem));
	for (uint32_t i = 0; i < op_cnt; i++) {
		uint32_t k = (uint32_t)rng_below(rng, KEY_CNT);
		struct wset_op op = { .kind = WSET_INCR, .n = (int64_t)rng_range(rng, 1, 9) };

		op.key = slice_of(key, (size_t)snprintf(key, sizeof(key), "counter-%u", k));
		f->add[k] += op.n;
		assert_int_equal(wset_add(&ws, &op), 0);
	}
	for (uint32_t k = 0; k < KEY_CNT; k++) {
		sums->sent[k] += f->add[k];
	}
	f->used = true;
	world_publish(w, f->proc, b, wset_bytes(&ws), b);
}

static void
answers_take(struct world *w, uint16_t proc, struct flying *flying, struct sums *sums)
{
	struct world_proc *p = &w->proc[proc];

	for (uint32_t i = 0; i < p->answer_cnt; i++) {
		struct flying *f = &flying[p->answer[i].b];

		if (p->answer[i].kind == DESC_FETCHED) {
			continue;
		}
		assert_int_equal(p->answer[i].kind, DESC_PUBLISHED);
		assert_int_equal(p->answer[i].err, 0);
		assert_true(f->used);
		assert_int_equal(f->proc, proc);
		f->used = false;
		for (uint32_t k = 0; k < KEY_CNT; k++) {
			sums->acknowledged[k] += f->add[k];
		}
	}
	p->answer_cnt = 0;
}

static void
counters_sum_exactly(void **state)
{
	/* So few entries that keys of no interest push the counters out all the time. */
	struct world *w = world_make(&(struct world_cfg){ .kvs_cnt = 2, .keys_max = 1024 });
	static struct flying flying[FLYING_MAX];
	struct sums sums = { 0 };
	uint32_t deaths = 0;
	struct rng rng;
	char key[16];

	(void)state;
	rng_init(&rng, test_seed("cache_core counters_sum_exactly"));
	for (uint16_t p = 1; p < WORLD_PROC_CNT; p++) {
		world_up(w, p);
	}
	for (uint32_t run = 0; run < 30000; run++) {
		uint32_t i = (uint32_t)rng_below(&rng, FLYING_MAX);
		uint16_t proc = (uint16_t)rng_range(&rng, 1, WORLD_PROC_CNT - 1);

		if (!flying[i].used && cache_core_room(w->core) > 0 && w->proc[proc].inc != 0) {
			flying[i].proc = proc;
			publish_some(w, &rng, &flying[i], i, &sums);
		}
		switch (rng_below(&rng, 6)) {
		case 0:
			cache_core_poll(w->core);
			break;
		case 1:
		case 2:
			world_kvs(w, run % 2, (uint32_t)rng_below(&rng, 8));
			break;
		case 3:
		case 4:
			world_core(w, run % 2, (uint32_t)rng_below(&rng, 8));
			break;
		default:
			snprintf(key, sizeof(key), "other-%u", (uint32_t)rng_below(&rng, 2000));
			if (cache_core_room(w->core) > 0 && w->proc[1].inc != 0) {
				world_fetch(w, 1, slice_str(key), FLYING_MAX);
			}
		}
		for (uint16_t p = 1; p < WORLD_PROC_CNT; p++) {
			answers_take(w, p, flying, &sums);
		}
		if (rng_below(&rng, 500) == 0 && proc != 1) {
			world_down(w, proc);
			w->proc[proc].inc = 0;
			deaths++;
			world_settle(w);
			for (uint16_t p = 1; p < WORLD_PROC_CNT; p++) {
				answers_take(w, p, flying, &sums);
			}
			for (uint32_t j = 0; j < FLYING_MAX; j++) {
				flying[j].used &= flying[j].proc != proc;
			}
			memset(w->payload, 0, sizeof(w->payload));
			w->to_ctl_cnt = 0;
			world_up(w, proc);
		}
		if (run % 50 == 0) { /* payloads are few */
			world_settle(w);
			memset(w->payload, 0, sizeof(w->payload));
		}
	}
	world_settle(w);
	for (uint16_t p = 1; p < WORLD_PROC_CNT; p++) {
		answers_take(w, p, flying, &sums);
	}
	assert_true(deaths > 20);
	for (uint32_t k = 0; k < KEY_CNT; k++) {
		struct cache_value v;
		int64_t n;

		snprintf(key, sizeof(key), "counter-%u", k);
		assert_int_equal(world_get(w, 2, slice_str(key), &v), CACHE_HIT);
		assert_int_equal(view_i64(v.type, v.state, &n), 0);
		assert_true(n >= sums.acknowledged[k]);
		assert_true(n <= sums.sent[k]);
		assert_true(slice_eq(v.envelope, world_stored(w, slice_str(key))));
		cache_view_release(&w->proc[2].view, &v);
	}
	memset(w->payload, 0, sizeof(w->payload));
	world_end(w);
}

/* ------------------------------------------------------------------- committed */

/* INCR n, as a message whose set is not sent. */
static struct desc
committed_incr(uint64_t call, uint64_t b)
{
	struct wset_op op = { .kind = WSET_INCR, .key = slice_str("n"), .n = 1 };
	struct desc d = { .kind = DESC_PUBLISH, .flags = DESC_F_INLINE, .call = call, .b = b };
	struct wset ws;

	wset_init(&ws, d.data, sizeof(d.data));
	assert_int_equal(wset_add(&ws, &op), 0);
	d.len = (uint8_t)wset_bytes(&ws).len;
	return d;
}

/* What a process had committed when it died, and this tile had not taken, is done before it is
 * said to be gone; what was taken is not done again. */
static void
committed_by_the_dead(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct cache_from from = { CACHE_FROM_PROC, 1 };

	(void)state;
	world_up(w, 2);
	for (uint32_t i = 0; i < 4; i++) {
		struct desc d = committed_incr(10 + i, UINT64_C(7) << 32);

		world_up(w, 1);
		w->proc[1].commit = d;
		if (i % 2 != 0) {
			cache_core_step(w->core, from, &d);
		}
		if (i == 3) {
			world_settle(w);
		}
		w->to_ctl_cnt = 0;
		world_down(w, 1);
		w->proc[1].inc = 0; /* an answer to it would fail the test */
		world_settle(w);
		assert_int_equal(w->to_ctl_cnt, 1);
		assert_int_equal(w->to_ctl[0].kind, DESC_PROC_DOWN_DONE);
		assert_int_equal(w->to_ctl[0].dead.published, 10 + i);
		assert_int_equal(world_incr(w, 2, "n", 10), 0);
	}
	assert_string_equal(world_text(w, 2, "n"), "44");
	world_end(w);
}

/* A set that was being copied is copied anew; one that comes by reference is read before the memory
 * is let go of. */
static void
committed_and_long(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct wset_op op = { .kind = WSET_SADD, .key = slice_str("s") };
	size_t bytes = 300000;
	uint8_t *mem = malloc(bytes);
	struct wset ws;
	uint32_t n = 0;
	struct desc d = { .kind = DESC_PUBLISH, .call = 5, .b = UINT64_C(1) << 32 };

	(void)state;
	world_up(w, 1);
	world_up(w, 2);
	wset_init(&ws, mem, bytes);
	do {
		n++;
		op.value = slice_of(&n, sizeof(n));
	} while (wset_add(&ws, &op) == 0);
	d.ref = world_payload(w, 1, mem, wset_bytes(&ws).len);
	w->proc[1].commit = d;
	cache_core_step(w->core, (struct cache_from){ CACHE_FROM_PROC, 1 }, &d);
	assert_int_equal(cache_core_published(w->core, 1), 0); /* it is being copied */
	world_down(w, 1);
	assert_int_equal(w->to_ctl_cnt, 0);
	w->proc[1].inc = 0;
	world_settle(w);
	assert_int_equal(w->to_ctl_cnt, 1);
	assert_int_equal(w->to_ctl[0].dead.published, 5);
	world_unpayload(w, &d.ref);
	free(mem);
	{
		struct cache_value v;

		assert_int_equal(world_get(w, 2, slice_str("s"), &v), CACHE_HIT);
		assert_int_equal(view_cnt(v.type, v.state), n - 1);
		cache_view_release(&w->proc[2].view, &v);
	}
	world_end(w);
}

/* Such a record is a stranger's. */
static void
committed_nonsense(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("cache_core committed_nonsense"));
	for (uint32_t i = 0; i < 2000; i++) {
		struct desc *d = &w->proc[1].commit;

		world_up(w, 1);
		*d = committed_incr(1, 1);
		switch (rng_below(&rng, 3)) {
		case 0:
			for (uint32_t j = 0; j < sizeof(*d) / 8; j++) {
				((uint64_t *)(void *)d)[j] = rng_u64(&rng);
			}
			d->kind = rng_below(&rng, 2) != 0 ? DESC_PUBLISH : DESC_SCAN;
			break;
		case 1:
			((uint8_t *)d)[rng_below(&rng, sizeof(*d))] ^= 1 << rng_below(&rng, 8);
			break;
		default:
			d->flags = 0; /* the set is where no payload is */
			break;
		}
		w->to_ctl_cnt = 0;
		world_down(w, 1);
		w->proc[1].inc = 0;
		world_settle(w);
		assert_int_equal(w->to_ctl_cnt, 1);
	}
	world_end(w);
}

/* While there is no room it waits, and its process with it. */
static void
committed_without_room(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct desc d = committed_incr(9, 9);
	uint32_t cnt = 0;

	(void)state;
	world_up(w, 1);
	world_up(w, 2);
	while (cache_core_room(w->core) > 0) {
		world_fetch(w, 2, slice_of(&cnt, sizeof(cnt)), cnt);
		cnt++;
	}
	w->proc[1].commit = d;
	world_down(w, 1);
	w->proc[1].inc = 0;
	assert_true(cache_core_poll(w->core));
	assert_int_equal(w->to_ctl_cnt, 0);
	world_settle(w);
	assert_int_equal(w->to_ctl_cnt, 1);
	assert_int_equal(w->to_ctl[0].dead.published, 9);
	w->proc[2].answer_cnt = 0;
	assert_string_equal(world_text(w, 2, "n"), "1");
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strange_messages),      cmocka_unit_test(come_and_go),
		cmocka_unit_test(index_used_again),      cmocka_unit_test(counters_sum_exactly),
		cmocka_unit_test(committed_by_the_dead), cmocka_unit_test(committed_and_long),
		cmocka_unit_test(committed_nonsense),    cmocka_unit_test(committed_without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
