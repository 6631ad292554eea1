/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what one owner merges all others have after a period, in as few messages as can be; a
 *         writer who asks for more owners is answered when they have it, or told that nobody knows;
 *         copies in caches hear of what others wrote; what could not be merged is told again.
 * Method: a kvs_world of a few tiles, moved by hand. Failures first.
 */
#include <stdio.h>
#include <string.h>

#include "kvs_value.h"
#include "kvs_world.h"
#include "microburst/error.h"
#include "test_cmocka.h"
#include "treeval.h"

#define KEY   "some key"
#define GUEST 0 /* where there are no caches */

static const struct kvs_change_stats *
stats(const struct world *w, uint32_t tile)
{
	return &w->tile[tile].core.changes.stats;
}

static void
merged(struct world *w, uint32_t from, int err)
{
	struct desc d;

	assert_true(world_take(w, from, DESC_KVS_MERGED, &d, NULL));
	assert_int_equal(d.err, err);
	assert_int_equal(d.b, 77);
}

static void
nothing_for(struct world *w, uint32_t from)
{
	assert_int_equal(w->asker[from].cnt, 0);
}

/* Nobody acknowledges in time: INDETERMINATE, once; and the write arrives all the same. */
static void
late_acknowledgement(void **state)
{
	struct world *w = world_make(3, 3, 0, 2 << 20);
	uint32_t at = world_owner(w, KEY, 1);

	(void)state;
	w->cut = true;
	world_merge(w, at, GUEST, KEY, world_set(w, 1, "x"), KVS_ACK_ALL);
	world_move(w, 90 * NS_PER_MS);
	nothing_for(w, GUEST);
	world_move(w, 20 * NS_PER_MS);
	merged(w, GUEST, MB_ERR_INDETERMINATE);
	assert_int_equal(stats(w, at)->late, 1);
	w->cut = false;
	world_move(w, 5 * NS_PER_MS);
	nothing_for(w, GUEST);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(slice_eq(value_text(world_has(w, i, KEY)), slice_str("x")));
	}
	world_end(w);
}

/* Takes all memory of a shard, down to what no value fits in: its bytes; or all there is. */
struct hogs {
	struct kvs_shard *shard;
	struct kvs_value *v[512];
	uint32_t cnt;
};

static void
hogs_take(struct hogs *h, struct kvs_shard *shard, bool all)
{
	struct kvs_value *v;

	*h = (struct hogs){ .shard = shard };
	shard->room.owed = all;
	for (uint32_t bytes = 16 << 10; bytes >= 64; bytes /= 2) {
		while ((v = kvs_shard_value_alloc(shard, bytes)) != NULL) {
			assert_true(h->cnt < 512);
			h->v[h->cnt++] = v;
		}
	}
	shard->room.owed = false;
}

static void
hogs_give(struct hogs *h)
{
	while (h->cnt > 0) {
		kvs_shard_value_free(h->shard, h->v[--h->cnt]);
	}
}

/* A full replica is told again until it has room; then all are equal. */
static void
full_replica(void **state)
{
	struct world *w = world_make(2, 2, 0, 1 << 20);
	uint32_t at = world_owner(w, KEY, 0), other = 1 - at;
	struct slice big = { 0 };
	struct hogs hogs;
	uint8_t zeros[4096] = { 0 };

	(void)state;
	hogs_take(&hogs, w->tile[other].shard, true);
	big = value_set(&w->values, 1, slice_of(zeros, sizeof(zeros)));
	for (int name = 'a'; name <= 'z'; name++) {
		world_merge(w, at, GUEST, (char[]){ (char)name, 0 }, big, KVS_ACK_ONE);
		merged(w, GUEST, 0);
	}
	world_move(w, 20 * NS_PER_MS);
	assert_true(stats(w, at)->again > 0);
	assert_true(kvs_changes_cnt(&w->tile[at].core.changes) > 0);
	hogs_give(&hogs);
	world_move(w, 20 * NS_PER_MS);
	for (int name = 'a'; name <= 'z'; name++) {
		assert_true(slice_eq(world_has(w, other, (char[]){ (char)name, 0 }), big));
	}
	world_end(w);
}

/* One whose bytes are used up takes what its primary has merged all the same: neither that nor what
 * is removed of the same key later waits for room. Who asks it, or a full primary, is refused. */
static void
what_is_merged_is_taken(void **state)
{
	struct world *w = world_make(2, 2, 0, 1 << 20);
	uint32_t at = world_owner(w, KEY, 0), other = 1 - at;
	uint8_t zeros[4096] = { 0 };
	struct slice big = value_set(&w->values, 1, slice_of(zeros, sizeof(zeros)));
	struct slice none = world_tombstone(w, 2);
	struct hogs hogs[2];

	(void)state;
	hogs_take(&hogs[0], w->tile[other].shard, false);
	world_merge(w, other, GUEST, "b", big, KVS_ACK_ONE);
	merged(w, GUEST, MB_ERR_NO_MEMORY);
	world_merge(w, at, GUEST, KEY, big, KVS_ACK_ALL);
	world_move(w, 5 * NS_PER_MS);
	merged(w, GUEST, 0);
	assert_true(slice_eq(world_has(w, other, KEY), big));
	hogs_take(&hogs[1], w->tile[at].shard, false);
	world_merge(w, at, GUEST, "b", big, KVS_ACK_ALL);
	merged(w, GUEST, MB_ERR_NO_MEMORY);
	world_merge(w, at, GUEST, KEY, none, KVS_ACK_ALL);
	world_move(w, 5 * NS_PER_MS);
	merged(w, GUEST, 0);
	assert_int_equal(stats(w, at)->again, 0);
	hogs_give(&hogs[0]);
	hogs_give(&hogs[1]);
	world_end(w);
}

/* Too few others have memory for a write: its writer does not wait for what will not come. */
static void
full_replicas_keep_no_writer(void **state)
{
	struct world *w = world_make(3, 3, 0, 1 << 20);
	uint32_t at = world_owner(w, KEY, 0);
	uint8_t zeros[4096] = { 0 };
	struct slice big = value_set(&w->values, 1, slice_of(zeros, sizeof(zeros)));
	struct hogs hogs[2];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		hogs_take(&hogs[i], w->tile[world_owner(w, KEY, i + 1)].shard, true);
		world_merge(w, at, GUEST, i == 0 ? KEY : "b", big, KVS_ACK_QUORUM);
		world_move(w, 20 * NS_PER_MS);
		/* One of two has room; then none has. */
		merged(w, GUEST, i == 0 ? 0 : MB_ERR_INDETERMINATE);
	}
	/* One that gets memory soon is waited for. */
	world_merge(w, at, GUEST, "c", big, KVS_ACK_QUORUM);
	world_move(w, 3 * NS_PER_MS);
	nothing_for(w, GUEST);
	hogs_give(&hogs[0]);
	world_move(w, 20 * NS_PER_MS);
	merged(w, GUEST, 0);
	hogs_give(&hogs[1]);
	world_move(w, 20 * NS_PER_MS);
	nothing_for(w, GUEST);
	world_end(w);
}

/* However often a key changes in a period, the others hear of it once, and have it by then. */
static void
once_a_period(void **state)
{
	struct world *w = world_make(3, 3, 0, 2 << 20);
	uint32_t at = world_owner(w, KEY, 2);
	char text[16];

	(void)state;
	for (uint64_t i = 1; i <= 100; i++) {
		snprintf(text, sizeof(text), "v%u", (unsigned)i);
		world_merge(w, at, GUEST, KEY, world_set(w, i, text), KVS_ACK_ONE);
		merged(w, GUEST, 0);
	}
	assert_int_equal(world_has(w, world_owner(w, KEY, 0), KEY).len, 0);
	world_move(w, 2 * WORLD_PERIOD_NS);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(slice_eq(value_text(world_has(w, i, KEY)), slice_str("v100")));
	}
	assert_int_equal(stats(w, at)->told, 2);
	assert_int_equal(stats(w, at)->joined, 99);
	assert_int_equal(stats(w, at)->spread, 1);
	assert_true(stats(w, at)->lag_max_ns <= 2 * WORLD_PERIOD_NS);
	for (uint32_t i = 0; i < 3; i++) { /* nothing changes: nothing runs */
		assert_true(kvs_core_timer(&w->tile[i].core) == UINT64_MAX);
	}
	world_end(w);
}

/* Where deltas merge, the delta travels and not the value. */
static void
deltas_travel(void **state)
{
	struct world *w = world_make(2, 2, 0, 4 << 20);
	uint32_t at = world_owner(w, KEY, 0);
	uint64_t bytes;
	char member[16];

	(void)state;
	for (uint32_t i = 0; i < 2000; i++) {
		snprintf(member, sizeof(member), "m%u", i);
		world_merge(w, at, GUEST, KEY, world_member(w, member), KVS_ACK_ONE);
		merged(w, GUEST, 0);
	}
	world_move(w, 3 * WORLD_PERIOD_NS);
	bytes = stats(w, at)->told_bytes;
	world_merge(w, at, GUEST, KEY, world_member(w, "one more"), KVS_ACK_ONE);
	world_merge(w, at, GUEST, KEY, world_member(w, "and another"), KVS_ACK_ONE);
	world_move(w, 2 * WORLD_PERIOD_NS);
	assert_in_range(stats(w, at)->told_bytes - bytes, 20, 100);
	assert_true(treeval_equal(world_has(w, 1 - at, KEY), world_has(w, at, KEY)));
	w->asker[GUEST].cnt = 0;
	world_end(w);
}

/* A large collection that is owed whole travels in pieces, and so do those that come meanwhile. */
static void
a_tree_travels(void **state)
{
	struct world *w = world_make(2, 2, 0, 16 << 20);
	uint32_t at = world_owner(w, KEY, 0);
	char member[64];
	struct envelope e;

	(void)state;
	w->cut = true;
	for (uint32_t i = 0; i < 5000; i++) {
		w->values.len = 0;
		snprintf(member, sizeof(member), "a member of some length, number %u", i);
		world_merge(w, at, GUEST, KEY, world_member(w, member), KVS_ACK_ONE);
		merged(w, GUEST, 0);
	}
	world_move(w, WORLD_PERIOD_NS); /* too long for a delta by now: all of it is lent */
	assert_true(slice_is_tree(world_has(w, at, KEY)));
	world_merge(w, at, GUEST, KEY, world_member(w, "late"), KVS_ACK_ALL);
	w->cut = false;
	world_move(w, 3 * WORLD_PERIOD_NS);
	merged(w, GUEST, 0);
	assert_true(treeval_equal(world_has(w, 1 - at, KEY), world_has(w, at, KEY)));
	assert_int_equal(envelope_open(world_has(w, 1 - at, KEY), &e), 0);
	assert_int_equal(gset_cnt(e.state), 5001);
	world_end(w);
}

/* What many write to a large collection while an owner does not answer is told as what it is, not
 * as all of the collection; and once more, with what came since, to one that could not take it. */
static void
a_long_delta_travels(void **state)
{
	enum { CNT = 12000, MORE = 3000 };
	struct world *w = world_make(2, 2, 0, 16 << 20);
	uint32_t at = world_owner(w, KEY, 0);
	struct kvs_core *other = &w->tile[1 - at].core;
	uint64_t merged_cnt, again;
	uint32_t free_cnt;
	char member[64];
	struct envelope e;

	(void)state;
	for (uint32_t i = 0; i < CNT + MORE; i++) {
		w->cut = i >= CNT;
		w->values.len = 0;
		snprintf(member, sizeof(member), "a member of some length, number %u", i);
		world_merge(w, at, GUEST, KEY, world_member(w, member), KVS_ACK_ONE);
		merged(w, GUEST, 0);
		if (i % 100 == 99) {
			world_move(w, WORLD_PERIOD_NS);
		}
	}
	merged_cnt = other->shard->stats.merged;
	assert_int_equal(kvs_core_busy(&w->tile[at].core), 1);
	/* It has no change to spare, and refuses; what comes meanwhile is joined to the rest. */
	again = w->tile[at].core.changes.stats.again;
	free_cnt = other->changes.free_cnt;
	other->changes.free_cnt = 0;
	w->cut = false;
	world_move(w, 2 * WORLD_PERIOD_NS);
	world_merge(w, at, GUEST, KEY, world_member(w, "late"), KVS_ACK_ONE);
	merged(w, GUEST, 0);
	world_move(w, 2 * WORLD_PERIOD_NS);
	other->changes.free_cnt = free_cnt;
	assert_true(w->tile[at].core.changes.stats.again > again);
	world_move(w, 10 * WORLD_PERIOD_NS);
	print_message("%u members in %u: in %u pieces\n", MORE, CNT,
		      (uint32_t)(other->shard->stats.merged - merged_cnt));
	assert_in_range(other->shard->stats.merged - merged_cnt, 1, MORE / 20);
	assert_true(treeval_equal(world_has(w, 1 - at, KEY), world_has(w, at, KEY)));
	assert_int_equal(envelope_open(world_has(w, 1 - at, KEY), &e), 0);
	assert_int_equal(gset_cnt(e.state), CNT + MORE + 1);
	world_end(w);
}

/* Writes that are concurrent at all owners, of which each hears of the others. */
static void
all_owners_write(void **state)
{
	struct world *w = world_make(4, 4, 0, 2 << 20);
	char member[16];

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		snprintf(member, sizeof(member), "m%u", i);
		world_merge(w, i % 4, GUEST, KEY, world_member(w, member), KVS_ACK_ONE);
		if (i % 7 == 0) {
			world_move(w, WORLD_PERIOD_NS / 2);
		}
	}
	world_move(w, 3 * WORLD_PERIOD_NS);
	for (uint32_t i = 0; i < 4; i++) {
		struct envelope e;

		assert_int_equal(envelope_parse(world_has(w, i, KEY), &e), 0);
		assert_int_equal(gset_cnt(e.state), 200);
	}
	w->asker[GUEST].cnt = 0;
	world_end(w);
}

/* How many owners have a write when its writer is answered. */
static void
acknowledgements(void **state)
{
	static const struct {
		enum kvs_ack ack;
		uint32_t owners;
	} want[] = { { KVS_ACK_ONE, 1 }, { KVS_ACK_QUORUM, 3 }, { KVS_ACK_ALL, 5 } };
	struct world *w = world_make(5, 5, 0, 2 << 20);

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct slice v = world_set(w, 10 + i, "v");
		uint64_t start_ns = w->time.now_ns;
		uint32_t cnt = 0;
		struct desc d;

		world_merge(w, world_owner(w, KEY, i), GUEST, KEY, v, want[i].ack);
		while (!world_take(w, GUEST, DESC_KVS_MERGED, &d, NULL)) {
			world_move(w, 0);
			assert_true(w->time.now_ns - start_ns < WORLD_PERIOD_NS); /* at once */
		}
		assert_int_equal(d.err, 0);
		for (uint32_t t = 0; t < 5; t++) {
			cnt += slice_eq(world_has(w, t, KEY), v);
		}
		assert_true(cnt >= want[i].owners);
		world_move(w, 3 * WORLD_PERIOD_NS);
	}
	/* What is there already is acknowledged by those who have it. */
	world_merge(w, 0, GUEST, KEY, world_set(w, 12, "v"), KVS_ACK_ALL);
	world_move(w, 0);
	merged(w, GUEST, 0);
	world_end(w);
}

/* Who is no owner says so, and changes nothing. */
static void
not_an_owner(void **state)
{
	struct world *w = world_make(4, 2, 0, 2 << 20);
	uint32_t at = world_owner(w, KEY, 3);
	struct desc d;

	(void)state;
	world_merge(w, at, GUEST, KEY, world_set(w, 1, "x"), KVS_ACK_ONE);
	merged(w, GUEST, MB_ERR_MOVED);
	world_get(w, at, GUEST, KEY);
	assert_true(world_take(w, GUEST, DESC_KVS_GOT, &d, NULL));
	assert_int_equal(d.err, MB_ERR_MOVED);
	world_move(w, 3 * WORLD_PERIOD_NS);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(world_has(w, i, KEY).len, 0);
	}
	world_end(w);
}

/* A cache that has a copy hears of what others wrote, and not of its own; one that has none is
 * forgotten. */
static void
copies_are_told(void **state)
{
	struct world *w = world_make(2, 2, 1, 2 << 20);
	uint32_t at = world_owner(w, KEY, 0), tile;
	struct desc d;

	(void)state;
	world_merge(w, at, 0, KEY, world_set(w, 1, "own"), KVS_ACK_ONE);
	merged(w, 0, 0);
	world_move(w, 3 * WORLD_PERIOD_NS);
	nothing_for(w, 0);
	/* A guest writes at the other owner: the primary hears of it, and tells. */
	world_merge(w, 1 - at, 1, KEY, world_set(w, 2, "other"), KVS_ACK_ONE);
	merged(w, 1, 0);
	world_move(w, 3 * WORLD_PERIOD_NS);
	assert_true(world_take(w, 0, DESC_KVS_TELL, &d, &tile));
	assert_int_equal(tile, at);
	assert_true(slice_eq(kvs_msg_bytes(&d), slice_str(KEY)));
	assert_true(slice_eq(value_text(kvs_msg_delta(&d)), slice_str("other")));
	/* Told again when it could not. */
	world_reply(w, 0, tile, &d, MB_ERR_TRYAGAIN);
	world_move(w, 3 * WORLD_PERIOD_NS);
	assert_true(world_take(w, 0, DESC_KVS_TELL, &d, &tile));
	world_reply(w, 0, tile, &d, MB_ERR_NOT_FOUND);
	assert_int_equal(stats(w, at)->forgotten, 1);
	world_merge(w, at, 1, KEY, world_set(w, 3, "again"), KVS_ACK_ONE);
	world_move(w, 3 * WORLD_PERIOD_NS);
	assert_false(world_take(w, 0, DESC_KVS_TELL, &d, &tile));
	w->asker[1].cnt = 0;
	world_end(w);
}

/* A key that somebody else makes: whoever asked for it in vain has noted that it is absent. */
static void
absence_is_told(void **state)
{
	struct world *w = world_make(1, 1, 2, 2 << 20);
	struct desc d;

	(void)state;
	world_get(w, 0, 0, KEY);
	assert_true(world_take(w, 0, DESC_KVS_GOT, &d, NULL));
	world_merge(w, 0, 2, KEY, world_set(w, 1, "x"), KVS_ACK_ONE);
	merged(w, 2, 0);
	world_move(w, 0);
	assert_true(world_take(w, 0, DESC_KVS_TELL, &d, NULL));
	world_reply(w, 0, 0, &d, 0);
	assert_true(world_take(w, 1, DESC_KVS_TELL, &d, NULL));
	world_reply(w, 1, 0, &d, MB_ERR_NOT_FOUND);
	world_end(w);
}

/* More keys than the changeset holds: requests wait, none is lost, all arrive. */
static void
many_keys(void **state)
{
	struct world *w = world_make(2, 2, 0, 8 << 20);
	struct slice v = world_set(w, 1, "x");
	static char key[9000][8];
	uint32_t cnt = 0;

	(void)state;
	w->cut = true;
	for (uint32_t i = 0; i < 9000; i++) {
		snprintf(key[i], sizeof(key[i]), "k%u", i);
		world_merge(w, world_owner(w, key[i], 0), GUEST, key[i], v, KVS_ACK_ONE);
		w->asker[GUEST].cnt = 0;
	}
	for (uint32_t i = 0; i < 2; i++) {
		cnt += (uint32_t)kvs_shard_key_cnt(w->tile[i].shard);
	}
	assert_in_range(cnt, 6000, 8000); /* the others wait */
	w->cut = false;
	for (uint32_t i = 0; i < 200; i++) {
		world_move(w, WORLD_PERIOD_NS);
		w->asker[GUEST].cnt = 0;
	}
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(kvs_shard_key_cnt(w->tile[i].shard), 9000);
	}
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_acknowledgement),
		cmocka_unit_test(full_replica),
		cmocka_unit_test(what_is_merged_is_taken),
		cmocka_unit_test(full_replicas_keep_no_writer),
		cmocka_unit_test(once_a_period),
		cmocka_unit_test(deltas_travel),
		cmocka_unit_test(a_tree_travels),
		cmocka_unit_test(a_long_delta_travels),
		cmocka_unit_test(all_owners_write),
		cmocka_unit_test(acknowledgements),
		cmocka_unit_test(not_an_owner),
		cmocka_unit_test(copies_are_told),
		cmocka_unit_test(absence_is_told),
		cmocka_unit_test(many_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
