/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   deleted and expired keys go at all owners, and so do marks of what was removed, and their
 *         memory comes back; not before everybody agrees; and a write that arrives late is never
 *         merged into nothing.
 * Method: a kvs_world; the test is the caches and answers for them.
 */
#include <stdio.h>
#include <string.h>

#include "counter.h"
#include "kvs_value.h"
#include "kvs_world.h"
#include "microburst/error.h"
#include "orset.h"
#include "test_cmocka.h"
#include "treeval.h"

#define KEY "some key"

static uint32_t
key_cnt(const struct world *w)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < w->tile_cnt; i++) {
		cnt += (uint32_t)kvs_shard_key_cnt(w->tile[i].shard);
	}
	return cnt;
}

static void
put(struct world *w, const char *key, uint32_t from, struct slice delta)
{
	world_merge(w, world_owner(w, key, 0), from, key, delta, KVS_ACK_ONE);
	w->asker[from].cnt = 0;
}

/* A cache that still has a write of the key under way keeps it; asked again, it agrees. */
static void
a_cache_refuses(void **state)
{
	struct world *w = world_make(2, 2, 1, 2 << 20);
	uint32_t at = world_owner(w, KEY, 0), tile;
	struct desc d;

	(void)state;
	put(w, KEY, 0, world_set(w, 1, "x"));
	put(w, KEY, 0, world_tombstone(w, 2));
	world_move(w, 2 * WORLD_PAUSE_NS);
	assert_true(world_take(w, 0, DESC_KVS_DROP, &d, &tile));
	assert_int_equal(tile, at);
	assert_int_equal(d.sub, KVS_DROP_ASK);
	world_move(w, 5 * WORLD_PAUSE_NS);
	assert_int_equal(key_cnt(w), 2); /* as long as it does not answer */
	world_reply(w, 0, at, &d, MB_ERR_TRYAGAIN);
	world_move(w, 2 * WORLD_PAUSE_NS);
	assert_int_equal(key_cnt(w), 2);
	assert_true(world_take(w, 0, DESC_KVS_DROP, &d, &tile));
	world_reply(w, 0, at, &d, 0);
	world_move(w, WORLD_PERIOD_NS);
	assert_int_equal(key_cnt(w), 0);
	assert_int_equal(w->tile[at].core.drops.stats.kept, 1);
	assert_int_equal(w->tile[at].core.drops.stats.dropped, 1);
	world_end(w);
}

/* What is written or read while everybody is asked stops it. */
static void
something_happens_meanwhile(void **state)
{
	struct world *w = world_make(2, 2, 1, 2 << 20);
	uint32_t at = world_owner(w, KEY, 0), tile;
	struct desc d;

	(void)state;
	put(w, KEY, 0, world_tombstone(w, 2));
	world_move(w, 2 * WORLD_PAUSE_NS);
	assert_true(world_take(w, 0, DESC_KVS_DROP, &d, &tile));
	/* The other owner has agreed: it serves nobody until it hears. */
	world_get(w, 1 - at, 1, KEY);
	assert_true(world_take(w, 1, DESC_KVS_GOT, &d, NULL));
	assert_int_equal(d.err, MB_ERR_MOVED);
	world_merge(w, 1 - at, 1, KEY, world_set(w, 9, "y"), KVS_ACK_ONE);
	assert_true(world_take(w, 1, DESC_KVS_MERGED, &d, NULL));
	assert_int_equal(d.err, MB_ERR_MOVED);
	put(w, KEY, 0, world_set(w, 3, "back"));
	d = (struct desc){ .kind = DESC_KVS_DROP, .sub = KVS_DROP_ASK };
	world_reply(w, 0, at, &d, 0);
	world_move(w, 2 * WORLD_PAUSE_NS);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(slice_eq(value_text(world_has(w, i, KEY)), slice_str("back")));
	}
	/* A read that comes first makes a copy, which is then asked about. */
	put(w, KEY, 0, world_tombstone(w, 4));
	world_move(w, 2 * WORLD_PAUSE_NS);
	while (!world_take(w, 0, DESC_KVS_DROP, &d, &tile)) {
		world_move(w, WORLD_PAUSE_NS);
	}
	world_reply(w, 0, at, &d, 0);
	world_move(w, WORLD_PAUSE_NS);
	assert_int_equal(key_cnt(w), 0);
	world_end(w);
}

/* An owner that owes somebody a change, or has another value, does not agree. */
static void
an_owner_refuses(void **state)
{
	struct world *w = world_make(2, 2, 0, 2 << 20);
	uint32_t at = world_owner(w, KEY, 0);

	(void)state;
	put(w, KEY, 0, world_tombstone(w, 2));
	world_move(w, WORLD_PERIOD_NS);
	/* A write at the other owner, which the primary has not heard of when it asks. */
	w->time.now_ns += WORLD_PAUSE_NS;
	kvs_core_poll(&w->tile[at].core, w->time.now_ns);
	assert_int_equal(w->tile[at].core.drops.busy_cnt, 1);
	world_merge(w, 1 - at, 0, KEY, world_set(w, 3, "late"), KVS_ACK_ONE);
	world_move(w, 3 * WORLD_PAUSE_NS);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(slice_eq(value_text(world_has(w, i, KEY)), slice_str("late")));
	}
	assert_int_equal(w->tile[at].core.drops.stats.kept, 1);
	w->asker[0].cnt = 0;
	world_end(w);
}

static struct slice
expiring(struct world *w, uint64_t time, uint64_t deadline_us)
{
	struct envelope e;
	size_t start;

	assert_int_equal(envelope_open(world_set(w, time, "x"), &e), 0);
	e.expiry = (struct expiry){ { { time }, { 1 } }, hlc_time_of_us(deadline_us) };
	start = w->values.len;
	assert_int_equal(envelope_write(&e, &w->values), 0);
	return slice_of(w->values.p + start, w->values.len - start);
}

static void
expired_keys_go(void **state)
{
	struct world *w = world_make(3, 2, 0, 2 << 20);
	uint64_t wall_us = timebase_wall_us(&w->time.tb), dropped = 0, expired = 0;
	char key[16];

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "key %u", i);
		put(w, key, 0, expiring(w, 1, wall_us + (i % 2 == 0 ? 1 : 1000) * 1000000));
	}
	world_move(w, 100 * NS_PER_MS);
	assert_int_equal(key_cnt(w), 2000);
	world_move(w, NS_PER_S + 2 * WORLD_PAUSE_NS);
	assert_int_equal(key_cnt(w), 1000);
	put(w, "key 1", 0, world_tombstone(w, 2)); /* what is deleted has not expired */
	world_move(w, 2 * WORLD_PAUSE_NS);
	assert_int_equal(key_cnt(w), 998);
	for (uint32_t i = 0; i < 3; i++) {
		dropped += w->tile[i].core.drops.stats.dropped;
		expired += w->tile[i].core.drops.stats.expired;
	}
	assert_int_equal(dropped, 501); /* by their primaries */
	assert_int_equal(expired, 500);
	/* In between nothing runs: the next look is when the next ones expire. */
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(kvs_core_timer(&w->tile[i].core) > w->time.now_ns + 900 * NS_PER_S);
	}
	world_end(w);
}

/* Of many that are dead none waits for the next turn: else who deletes faster fills the store.
 * Where others are asked, too, as many as may be asked about at once. */
static void
many_go_at_once(void **state)
{
	for (uint32_t tile_cnt = 1; tile_cnt <= 2; tile_cnt++) {
		struct world *w = world_make(tile_cnt, tile_cnt, 0, 4 << 20);
		struct slice gone = world_tombstone(w, 1);
		char key[16];

		for (uint32_t i = 0; i < 2000; i++) {
			snprintf(key, sizeof(key), "key %u", i);
			put(w, key, 0, gone);
		}
		world_move(w, WORLD_PAUSE_NS / 2);
		assert_int_equal(key_cnt(w), 2000 * tile_cnt);
		world_move(w, WORLD_PAUSE_NS / 2 + 3 * KVS_DROP_PERIOD_NS);
		assert_int_equal(key_cnt(w), 0);
		world_end(w);
	}
}

/* Memory: as many keys come and go as would fill the shard many times over. */
static void
memory_comes_back(void **state)
{
	struct world *w = world_make(1, 1, 0, 2 << 20);
	struct slice v = world_set(w, 1, "some value of some length"), gone = world_tombstone(w, 2);
	size_t used = 0;
	char key[16];

	(void)state;
	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 2000; i++) {
			snprintf(key, sizeof(key), "%u/%u", round, i);
			put(w, key, 0, v);
			put(w, key, 0, gone);
		}
		world_move(w, 5 * WORLD_PAUSE_NS);
		assert_int_equal(key_cnt(w), 0);
		assert_true(round < 2 || kvs_shard_used_bytes(w->tile[0].shard) <= used);
		used = kvs_shard_used_bytes(w->tile[0].shard);
	}
	assert_int_equal(w->tile[0].core.drops.stats.dropped, 100000);
	assert_true(kvs_core_timer(&w->tile[0].core) == UINT64_MAX);
	world_end(w);
}

/* After it is gone a key begins anew, everywhere alike: first writes at two owners merge. */
static void
a_new_life(void **state)
{
	struct world *w = world_make(3, 3, 0, 2 << 20);

	(void)state;
	put(w, KEY, 0, world_tombstone(w, 7));
	world_move(w, 3 * WORLD_PAUSE_NS);
	assert_int_equal(key_cnt(w), 0);
	world_merge(w, 0, 0, KEY, world_member(w, "a"), KVS_ACK_ONE);
	world_merge(w, 1, 0, KEY, world_member(w, "b"), KVS_ACK_ONE);
	world_merge(w, 2, 0, KEY, world_member(w, "c"), KVS_ACK_ONE);
	world_move(w, 3 * WORLD_PERIOD_NS);
	for (uint32_t i = 0; i < 3; i++) {
		struct envelope e;

		assert_int_equal(envelope_parse(world_has(w, i, KEY), &e), 0);
		assert_int_equal(gset_cnt(e.state), 3);
	}
	w->asker[0].cnt = 0;
	world_end(w);
}

/* --------------------------------------------------------------------- settling */

#define SETTLE_NS ((KVS_SETTLE_PAUSES + 2) * WORLD_PAUSE_NS)

/* The delta of adding a member at a time, or of removing it as a tile shows it. */
static struct slice
set_delta(struct world *w, uint64_t time, struct slice stored, const char *member)
{
	uint8_t mem[4096];
	struct wbuf state = wbuf_init(mem, sizeof(mem));
	struct envelope e = { 0 };
	size_t start = w->values.len;

	if (stored.len != 0) {
		assert_int_equal(envelope_open(stored, &e), 0);
		assert_int_equal(orset_delta_remove(e.state, slice_str(member), &state), 0);
	} else {
		assert_int_equal(orset_delta_add((struct stamp){ { time }, { 1 } },
						 slice_str(member), &state),
				 0);
	}
	e = (struct envelope){ .type = LATTICE_ORSET, .state = wbuf_slice(&state) };
	assert_int_equal(envelope_write(&e, &w->values), 0);
	return slice_of(w->values.p + start, w->values.len - start);
}

static void
add(struct world *w, const char *member)
{
	static uint64_t time;
	struct slice none = { 0 };

	put(w, KEY, 0, set_delta(w, ++time, none, member));
}

static void
take_away(struct world *w, const char *member)
{
	struct slice stored = world_has(w, world_owner(w, KEY, 0), KEY);

	put(w, KEY, 0, set_delta(w, 0, stored, member));
}

/* Answers what the tiles ask the caches, as long as time goes by. */
static uint32_t
move_answering(struct world *w, uint64_t ns, int err)
{
	uint32_t asked = 0, tile;
	struct desc d;

	for (uint64_t at = 0; at < ns; at += WORLD_PERIOD_NS) {
		world_move(w, WORLD_PERIOD_NS);
		for (uint32_t c = 0; c < w->cache_cnt; c++) {
			while (world_take(w, c, DESC_KVS_TELL, &d, &tile)) {
				world_reply(w, c, tile, &d, 0);
			}
			while (world_take(w, c, DESC_KVS_DROP, &d, &tile)) {
				world_reply(w, c, tile, &d, err);
				asked++;
			}
		}
	}
	return asked;
}

static uint32_t
members_of(const struct world *w, uint32_t tile)
{
	struct envelope e;

	assert_int_equal(envelope_open(world_has(w, tile, KEY), &e), 0);
	return orset_cnt(e.state);
}

/* What does not differ between a set that never had a member and one that it was removed from. */
static void
marks_go_at_all_owners(void **state)
{
	struct world *w = world_make(2, 2, 1, 2 << 20);
	uint32_t at = world_owner(w, KEY, 0);
	size_t bytes;

	(void)state;
	add(w, "stays");
	move_answering(w, SETTLE_NS, 0);
	bytes = world_has(w, at, KEY).len;
	assert_int_equal(w->tile[at].core.drops.stats.settled, 0); /* there is nothing yet */
	for (uint32_t i = 0; i < 10; i++) {
		char member[16];

		snprintf(member, sizeof(member), "goes %u", i);
		add(w, member);
		take_away(w, member);
	}
	assert_true(world_has(w, at, KEY).len > bytes);
	/* A cache that has a write of the key under way: the marks stay. */
	assert_true(move_answering(w, SETTLE_NS, MB_ERR_TRYAGAIN) > 0);
	assert_true(world_has(w, at, KEY).len > bytes);
	assert_true(w->tile[at].core.drops.stats.kept > 0);
	assert_true(move_answering(w, SETTLE_NS, 0) > 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(world_has(w, i, KEY).len, bytes);
		assert_int_equal(members_of(w, i), 1);
		assert_int_equal(w->tile[i].core.drops.busy_cnt, 0);
	}
	assert_int_equal(w->tile[at].core.drops.stats.settled, 1);
	/* Then nothing runs. */
	assert_int_equal(move_answering(w, SETTLE_NS, 0), 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(kvs_core_timer(&w->tile[i].core) == UINT64_MAX);
	}
	world_end(w);
}

/* A write of no cache, which nobody is owed and nobody holds, comes while the others are asked. */
static void
a_write_meanwhile_stays(void **state)
{
	struct world *w = world_make(1, 1, 1, 2 << 20);
	uint32_t tile;
	struct slice none = { 0 };
	struct desc d;

	(void)state;
	add(w, "stays");
	add(w, "goes");
	take_away(w, "goes");
	world_move(w, SETTLE_NS);
	assert_true(world_take(w, 0, DESC_KVS_DROP, &d, &tile));
	assert_int_equal(d.a, 1);
	world_merge(w, 0, 1, KEY, set_delta(w, 99, none, "late"), KVS_ACK_ONE);
	world_reply(w, 0, 0, &d, 0);
	move_answering(w, SETTLE_NS, 0);
	assert_int_equal(members_of(w, 0), 2);
	assert_int_equal(w->tile[0].core.drops.stats.kept, 1);
	assert_int_equal(w->tile[0].core.drops.stats.settled, 1); /* the next time */
	w->asker[0].cnt = w->asker[1].cnt = 0;
	world_end(w);
}

/* A large set is a tree, at all owners; settled it may be a flat one. */
static void
trees_settle(void **state)
{
	struct world *w = world_make(3, 3, 0, 4 << 20);
	char member[16];

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		snprintf(member, sizeof(member), "member %u", i);
		add(w, member);
	}
	assert_true(slice_is_tree(world_has(w, world_owner(w, KEY, 0), KEY)));
	for (uint32_t i = 0; i < 290; i++) {
		snprintf(member, sizeof(member), "member %u", i);
		take_away(w, member);
	}
	move_answering(w, SETTLE_NS, 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_false(slice_is_tree(world_has(w, i, KEY)));
		assert_int_equal(members_of(w, i), 10);
		assert_true(world_has(w, i, KEY).len < 10 * 64);
	}
	world_end(w);
}

static uint32_t
gots(struct world *w)
{
	struct desc d;
	uint32_t cnt = 0;

	while (world_take(w, 0, DESC_KVS_GOT, &d, NULL)) {
		struct desc done = { .kind = DESC_KVS_RELEASE };

		cnt++;
		done.word[2] = d.word[2];
		if ((d.flags & DESC_F_INLINE) == 0) {
			kvs_core_step(&w->tile[world_owner(w, KEY, 0)].core, 0, &done);
		}
	}
	return cnt;
}

/* Time goes by until the cache is asked for a rest. */
static struct desc
hush_asked(struct world *w)
{
	struct desc d;
	uint32_t tile;

	for (uint32_t i = 0; !world_take(w, 0, DESC_KVS_DROP, &d, &tile); i++) {
		assert_true(i < 2 * SETTLE_NS / WORLD_PERIOD_NS);
		world_move(w, WORLD_PERIOD_NS);
	}
	assert_int_equal(tile, world_owner(w, KEY, 0));
	return d;
}

/* A key that always has a write under way somewhere: the cache is asked to come to an end, and
 * what it asks meanwhile waits; but not for long. */
static void
a_busy_key_gets_a_rest(void **state)
{
	struct world *w = world_make(2, 2, 1, 4 << 20);
	uint32_t at = world_owner(w, KEY, 0);
	char member[24];
	struct desc d;

	(void)state;
	add(w, "stays");
	for (uint32_t i = 0; i < 700; i++) {
		snprintf(member, sizeof(member), "member %u", i);
		add(w, member);
		take_away(w, member);
	}
	/* It refuses: nobody waits, nothing changes. */
	d = hush_asked(w);
	assert_int_equal(d.sub, KVS_DROP_HUSH);
	world_reply(w, 0, at, &d, MB_ERR_TRYAGAIN);
	world_move(w, WORLD_PERIOD_NS);
	world_get(w, at, 0, KEY);
	assert_int_equal(gots(w), 1);
	assert_true(world_has(w, at, KEY).len == TREE_SLICE);
	/* It takes too long: whoever waits is answered, and what it says then is too late. */
	d = hush_asked(w);
	world_get(w, at, 0, KEY);
	assert_int_equal(gots(w), 0);
	world_move(w, KVS_HUSH_NS + WORLD_PERIOD_NS);
	assert_int_equal(gots(w), 1);
	world_reply(w, 0, at, &d, MB_ERR_TRYAGAIN);
	assert_int_equal(w->tile[at].core.drops.stats.settled, 0);
	/* What it had comes, then it agrees; what it asks for at once has no marks. */
	d = hush_asked(w);
	assert_int_equal(d.sub, KVS_DROP_HUSH);
	add(w, "last");
	world_reply(w, 0, at, &d, 0);
	world_get(w, at, 0, KEY);
	assert_int_equal(gots(w), 0);
	world_move(w, 5 * WORLD_PERIOD_NS);
	assert_int_equal(gots(w), 1);
	assert_int_equal(w->tile[at].core.drops.stats.settled, 1);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(members_of(w, i), 2);
		assert_true(world_has(w, i, KEY).len < 200);
	}
	/* It is the cache's again: what is told is for it. */
	move_answering(w, SETTLE_NS, 0);
	world_end(w);
}

/* Keys that are never given their rest: each is asked for it, but not more often because others are
 * deleted. */
static void
each_busy_key_has_its_turn(void **state)
{
	const char *const keys[] = { "a", "b", "c", "deleted" };
	struct world *w = world_make(1, 1, 1, 2 << 20);
	uint32_t asked[4] = { 0 }, hushed[4] = { 0 };
	struct slice none = { 0 };
	struct desc d;

	(void)state;
	w->tile[0].core.drops.hush_bytes = 0;
	for (uint32_t i = 0; i < 3; i++) {
		put(w, keys[i], 0, set_delta(w, 1, none, "stays"));
		put(w, keys[i], 0, set_delta(w, 2, none, "goes"));
		put(w, keys[i], 0, set_delta(w, 0, world_has(w, 0, keys[i]), "goes"));
	}
	put(w, keys[3], 0, world_tombstone(w, 3));
	for (uint64_t ns = 0; ns < 5 * SETTLE_NS; ns += WORLD_PERIOD_NS) {
		world_move(w, WORLD_PERIOD_NS);
		while (world_take(w, 0, DESC_KVS_DROP, &d, NULL)) {
			for (uint32_t i = 0; i < 4; i++) {
				bool is = slice_eq(kvs_msg_bytes(&d), slice_str(keys[i]));

				hushed[i] += is && d.sub == KVS_DROP_HUSH;
				asked[i] += is && d.sub == KVS_DROP_ASK;
			}
			world_reply(w, 0, 0, &d, MB_ERR_TRYAGAIN);
		}
	}
	for (uint32_t i = 0; i < 4; i++) {
		assert_in_range(hushed[i], 3, 6);
	}
	assert_true(asked[3] > 40);
	move_answering(w, 2 * SETTLE_NS, 0);
	assert_int_equal(w->tile[0].core.drops.stats.settled, 3);
	assert_int_equal(w->tile[0].core.drops.stats.dropped, 1);
	world_end(w);
}

/* Counters that writers of former lives added to: their sum becomes the base of all. */
static void
writers_that_are_gone_fold(void **state)
{
	struct world *w = world_make(2, 2, 0, 2 << 20);
	uint8_t mem[256];
	size_t start;

	(void)state;
	for (uint64_t writer = 1; writer <= 40; writer++) {
		struct wbuf buf = wbuf_init(mem, sizeof(mem));
		struct envelope e = { .type = LATTICE_STRING };
		struct slice none = { 0 };

		assert_int_equal(strval_delta_add(none, (struct writer_id){ writer }, 2, &buf), 0);
		e.state = wbuf_slice(&buf);
		start = w->values.len;
		assert_int_equal(envelope_write(&e, &w->values), 0);
		put(w, KEY, 0, slice_of(w->values.p + start, w->values.len - start));
	}
	assert_true(world_has(w, world_owner(w, KEY, 0), KEY).len > 40 * 8);
	/* Something else that is looked for: a string alone has nobody look. */
	put(w, "deleted", 0, world_tombstone(w, 1));
	move_answering(w, SETTLE_NS, 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(slice_eq(value_text(world_has(w, i, KEY)), slice_str("80")));
		assert_true(world_has(w, i, KEY).len < 64);
	}
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cache_refuses),
		cmocka_unit_test(something_happens_meanwhile),
		cmocka_unit_test(an_owner_refuses),
		cmocka_unit_test(expired_keys_go),
		cmocka_unit_test(many_go_at_once),
		cmocka_unit_test(memory_comes_back),
		cmocka_unit_test(a_new_life),
		cmocka_unit_test(marks_go_at_all_owners),
		cmocka_unit_test(a_write_meanwhile_stays),
		cmocka_unit_test(trees_settle),
		cmocka_unit_test(a_busy_key_gets_a_rest),
		cmocka_unit_test(each_busy_key_has_its_turn),
		cmocka_unit_test(writers_that_are_gone_fold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
