/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a collection for which the cache has no memory is looked at in the store by a tile of the
 *         daemon, and changed there if it is still what was seen; and the store has back all that
 *         it lent. Nobody else is shown it.
 * Method: cache_world with a set, a list and a sorted set that are longer than its cache.
 */
#include <endian.h>
#include <string.h>

#include "cache_world.h"
#include "compiler.h"
#include "delta.h"
#include "envelope.h"
#include "kvs_shard.h"
#include "microburst/error.h"
#include "oset.h"
#include "set_fixture.h"
#include "test_cmocka.h"
#include "view.h"

#define OTHER  2
#define CNT    200000 /* of a set, longer than 2 MiB */
#define SCORES 50000  /* of a sorted set, longer too */

/* Adds an operation. Returns: its word. */
static struct cache_op_word *
add(struct set *s, enum wset_kind kind, const char *key, struct slice item, int64_t n)
{
	struct wset_op op = { .kind = kind, .key = slice_str(key), .n = n };

	if ((wset_has(kind) & WSET_HAS_FIELD) != 0) {
		op.field = item;
	} else {
		op.value = item;
	}
	assert_int_equal(wset_add(&s->ws, &op), 0);
	return &s->word[s->ws.op_cnt - 1];
}

static uint64_t be;

static struct slice
member(uint64_t n)
{
	be = htobe64(n);
	return slice_of(&be, sizeof(be));
}

static int64_t
bits(double score)
{
	int64_t n;

	memcpy(&n, &score, sizeof(n));
	return n;
}

static struct world *
make(void)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });

	world_up_inner(w, INNER);
	world_up(w, OTHER);
	assert_int_equal(world_fill(w, slice_str("set"), LATTICE_ORSET, 0, CNT), 0);
	return w;
}

static void
ask(struct world *w, const char *key, uint64_t b)
{
	struct cache_from from = { CACHE_FROM_PROC, INNER };
	struct desc d = { .kind = DESC_FETCH, .sub = 1, .b = b, .flags = DESC_F_INLINE };

	d.len = (uint8_t)strlen(key);
	memcpy(d.data, key, d.len);
	assert_true(cache_core_step(w->core, from, &d));
}

/* What an answer lends. */
static struct slice
lent(struct world *w, uint64_t b, struct desc *ret)
{
	world_settle(w);
	*ret = world_answer(w, INNER, DESC_FETCHED, b);
	assert_int_equal(ret->err, 0);
	assert_int_equal(ret->sub, CACHE_FOUND_LENT);
	return cache_lent(ret);
}

static void
give_back(struct world *w, const struct desc *d)
{
	struct cache_from from = { CACHE_FROM_PROC, INNER };
	struct desc over = { .kind = DESC_LOAN_OVER, .word[3] = d->word[3] };

	cache_core_step(w->core, from, &over);
	world_settle(w);
}

static bool
has(struct slice envelope, uint64_t n)
{
	struct envelope e;

	return envelope_open(envelope, &e) == 0 && view_set_has(e.type, e.state, member(n));
}

/* Several who wait get it together; it stays what it was until the last has done with it. */
static void
shown_until_given_back(void **state)
{
	struct world *w = make();
	struct cache_from other = { CACHE_FROM_PROC, OTHER };
	struct desc d[3], bad = { .kind = DESC_LOAN_OVER };
	static struct set s;
	struct slice seen;

	(void)state;
	ask(w, "set", 1);
	ask(w, "set", 2);
	world_fetch(w, OTHER, slice_str("set"), 3);
	seen = lent(w, 1, &d[0]);
	assert_ptr_equal(lent(w, 2, &d[1]).p, seen.p);
	assert_int_equal(world_answer(w, OTHER, DESC_FETCHED, 3).err, MB_ERR_TOO_LARGE);
	assert_int_equal(w->shard[0]->pin_cnt, 1);
	set_begin(&s);
	add(&s, WSET_SREM, "set", member(7), 0);
	publish(w, &s, 4);
	assert_int_equal(over(w, 4), 0);
	assert_true(has(seen, 7));
	ask(w, "set", 5); /* of a newer one */
	assert_false(has(lent(w, 5, &d[2]), 7));
	give_back(w, &d[0]);
	assert_true(has(seen, 7));
	assert_false(cache_core_step(w->core, other, &bad)); /* it has none */
	give_back(w, &d[1]);
	assert_int_equal(w->shard[0]->pin_cnt, 1);
	give_back(w, &d[2]);
	assert_int_equal(w->shard[0]->pin_cnt, 0);
	assert_int_equal(cache_core_stats(w->core).lent, 3);
	assert_int_equal(cache_core_stats(w->core).evicted, 0);
	world_end(w);
}

/* More at a time than can be lent: who comes late asks again, and gets it when there is room. */
static void
many_loans(void **state)
{
	struct world *w = make();
	struct desc d[CACHE_LOAN_MAX], late;

	(void)state;
	for (uint32_t i = 0; i < CACHE_LOAN_MAX; i++) {
		ask(w, "set", i);
		lent(w, i, &d[i]);
	}
	ask(w, "set", 900);
	world_settle(w);
	late = world_answer(w, INNER, DESC_FETCHED, 900);
	assert_int_equal(late.err, MB_ERR_FULL);
	give_back(w, &d[3]);
	ask(w, "set", 901);
	lent(w, 901, &d[3]);
	for (uint32_t i = 0; i < CACHE_LOAN_MAX; i++) {
		give_back(w, &d[i]);
	}
	assert_int_equal(w->shard[0]->pin_cnt, 0);
	world_end(w);
}

/* Operations that depend on the version that was lent, each next one on the one before it: all or
 * none, whatever others did. */
static void
done_if_still_so(void **state)
{
	struct world *w = make();
	static struct set s;
	struct desc d;
	uint64_t version;

	(void)state;
	ask(w, "set", 1);
	version = cache_version_lent(lent(w, 1, &d));
	for (uint32_t again = 0; again < 2; again++) {
		set_begin(&s);
		add(&s, WSET_SREM, "set", member(1), 0)->if_version = version;
		add(&s, WSET_SREM, "set", member(2), 0)->if_before = 1;
		add(&s, WSET_SADD, "set", member(CNT), 0)->if_before = 1;
		add(&s, WSET_SADD, "other", member(1), 0)->if_before = 1;
		publish(w, &s, 2);
		assert_int_equal(over(w, 2), again ? MB_ERR_TRYAGAIN : 0);
		for (uint32_t i = 0; i < 4; i++) {
			assert_int_equal(s.word[i].err, again ? MB_ERR_TRYAGAIN : 0);
			assert_int_equal(s.word[i].changed, !again);
		}
	}
	assert_int_equal(cache_core_stats(w->core).evicted, 0);
	give_back(w, &d);
	world_end(w);
}

/* What was seen in the cache, and has gone since, is not there any more in that version: who saw it
 * looks again, and is shown it in the store. */
static void
seen_here_before(void **state)
{
	struct world *w = make();
	static struct set s;

	(void)state;
	set_begin(&s);
	add(&s, WSET_SREM, "set", member(1), 0)->if_version = 17;
	publish(w, &s, 1);
	assert_int_equal(over(w, 1), MB_ERR_TRYAGAIN);
	assert_int_equal(s.word[0].err, MB_ERR_TRYAGAIN);
	assert_int_equal(s.word[0].longer, 0);
	world_end(w);
}

/* What is to be fetched for those behind a chain does not come between its operations: it would
 * send those that are gathered. */
static void
chain_whole(void **state)
{
	struct world *w = make();
	static struct set s;
	struct desc d;

	(void)state;
	ask(w, "set", 1);
	lent(w, 1, &d);
	timebase_virtual_advance(&w->time, 2 * NS_PER_S); /* that there was no room is long ago */
	set_begin(&s);
	add(&s, WSET_SREM, "set", member(1), 0)->if_version = cache_version_lent(cache_lent(&d));
	add(&s, WSET_SREM, "set", member(2), 0)->if_before = 1;
	add(&s, WSET_SREM, "other", member(1), 0);
	publish(w, &s, 2);
	assert_int_equal(over(w, 2), 0);
	assert_int_equal(s.word[0].changed + s.word[1].changed, 2);
	give_back(w, &d);
	world_end(w);
}

/* With a sorted set beside: member(n) has score n. */
static struct world *
make_zset(void)
{
	struct world *w = make();
	static struct set s;

	for (uint32_t i = 0; i < SCORES; i += OPS) {
		set_begin(&s);
		for (uint32_t k = i; k < i + OPS; k++) {
			add(&s, WSET_ZADD, "zset", member(k), bits(k));
		}
		publish(w, &s, 1);
		assert_int_equal(over(w, 1), 0);
	}
	assert_true(slice_is_tree(world_stored(w, slice_str("zset"))));
	return w;
}

/* Adds what takes a member as number idx of a front. */
static struct cache_op_word *
add_front(struct set *s, uint64_t n, uint64_t version, uint32_t idx)
{
	struct cache_op_word *word = add(s, WSET_ZREM, "zset", member(n), 0);

	word->if_end = CACHE_FRONT_LOW;
	word->if_version = version;
	word->front_idx = idx;
	word->n = bits((double)n);
	return word;
}

/* The members of a front, one after the other; others are added behind it, moved and removed; one
 * comes before it. */
static void
fronts(void **state)
{
	struct world *w = make_zset();
	static struct set s;
	struct desc d;
	uint64_t version;

	(void)state;
	ask(w, "zset", 2);
	version = cache_version_lent(lent(w, 2, &d));
	for (uint32_t i = 0; i < 6; i++) {
		struct cache_op_word *word;

		set_begin(&s);
		if (i == 1) {
			add(&s, WSET_ZADD, "zset", member(SCORES), bits(1000));
			add(&s, WSET_ZADD, "zset", member(3), bits(2000)); /* it is no more at 3 */
			add(&s, WSET_ZREM, "zset", member(50), 0);
		} else if (i == 5) {
			add(&s, WSET_ZADD, "zset", member(SCORES + 1), bits(4.5));
		}
		word = add_front(&s, i, version, i);
		publish(w, &s, 3);
		over(w, 3);
		assert_int_equal(word->err, i == 3 || i == 5 ? MB_ERR_TRYAGAIN : 0);
		assert_int_equal(word->gone, i == 3);
	}
	give_back(w, &d);
	world_end(w);
}

/* Others write to the set all the time: also while it is looked at. */
static void
fronts_beside_writers(void **state)
{
	struct world *w = make_zset();
	static struct set s;
	uint64_t version, first = SCORES;
	struct cache_op_word *word;
	struct desc d;
	int cnt = 0;

	(void)state;
	for (uint32_t look = 0; look < 4; look++) {
		ask(w, "zset", 2);
		version = cache_version_lent(lent(w, 2, &d));
		for (uint32_t i = 0; i < 8; i++) {
			set_begin(&s);
			add(&s, WSET_ZADD, "zset", member(++first), bits(5000 + i));
			publish(w, &s, 3);
			assert_int_equal(over(w, 3), 0);
			set_begin(&s);
			word = add_front(&s, (uint64_t)cnt, version, i);
			publish(w, &s, 4);
			over(w, 4);
			/* The first look began before anybody took any of it. */
			assert_int_equal(word->err, look == 0 ? MB_ERR_TRYAGAIN : 0);
			cnt += word->err == 0;
			if (word->err != 0) {
				break;
			}
		}
		give_back(w, &d);
	}
	assert_int_equal(cnt, 24);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shown_until_given_back),
		cmocka_unit_test(many_loans),
		cmocka_unit_test(done_if_still_so),
		cmocka_unit_test(seen_here_before),
		cmocka_unit_test(chain_whole),
		cmocka_unit_test(fronts),
		cmocka_unit_test(fronts_beside_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
