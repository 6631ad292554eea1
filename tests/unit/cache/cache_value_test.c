/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a long value is in the cache's memory once while it is written: as what readers see, and
 *         as what the store is sent. So a cache of four times the longest one takes one write after
 *         the other, of several writers at once, and none is refused for want of memory.
 * Method: a cache_world of 16 MiB, values of 4 MiB; what is used is looked at after each turn.
 */
#include <stdlib.h>
#include <string.h>

#include "cache_retire.h"
#include "cache_world.h"
#include "map.h"
#include "microburst/error.h"
#include "test_cmocka.h"
#include "treeval.h"
#include "view.h"

#define LONG  (4u << 20)
#define P     1
#define P_CNT 4

struct writer {
	uint8_t *value, *set;
};

static struct world *
make(struct writer who[P_CNT])
{
	struct world *w = world_make(&(struct world_cfg){ .kvs_bytes = 64 << 20 });

	for (uint16_t i = 0; i < P_CNT; i++) {
		world_up(w, P + i);
		who[i] = (struct writer){ .value = malloc(LONG), .set = malloc(4096) };
		assert_non_null(who[i].value);
		assert_non_null(who[i].set);
		memset(who[i].value, 'a' + i, LONG);
	}
	return w;
}

static void
end(struct world *w, struct writer who[P_CNT])
{
	for (uint16_t i = 0; i < P_CNT; i++) {
		free(who[i].value);
		free(who[i].set);
	}
	world_end(w);
}

/* One operation of writer i, with its value, begun. */
static void
begin(struct world *w, struct writer who[P_CNT], uint16_t i, enum wset_kind kind, const char *key)
{
	struct wset_op op = { .kind = kind, .by_ref = true, .key = slice_str(key) };
	struct wset ws;

	op.ref = world_payload(w, P + i, who[i].value, LONG);
	if (kind == WSET_MAP_PUT) {
		op.field = slice_str("field");
	}
	wset_init(&ws, who[i].set, 4096);
	assert_int_equal(wset_add(&ws, &op), 0);
	world_publish(w, P + i, 1, wset_bytes(&ws), i);
}

/* Its answer's err. */
static int
over(struct world *w, uint16_t i)
{
	return world_answer(w, P + i, DESC_PUBLISHED, i).err;
}

/* Settles; *peak is the most that was used after a turn. */
static void
settle(struct world *w, uint64_t *peak)
{
	for (uint32_t i = 0; world_turn(w); i++) {
		*peak = MAX(*peak, cache_core_stats(w->core).used_bytes);
		assert_true(i < 1000000);
	}
	memset(w->payload, 0, sizeof(w->payload));
}

static const struct {
	enum wset_kind kind;
	const char *key;
} kinds[] = {
	{ WSET_SADD, "set" },   { WSET_SREM, "set" },       { WSET_MAP_PUT, "map" },
	{ WSET_GADD, "grows" }, { WSET_PUSH_LEFT, "list" }, { WSET_PUT, "string" },
};
enum { KIND_CNT = sizeof(kinds) / sizeof(kinds[0]) };

/* Deletes some keys, and waits until what is marked has gone. */
static void
clean(struct world *w, const char *const *key, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		assert_int_equal(world_del(w, P, key[i]), 0);
	}
	for (uint32_t i = 0; i < 300000; i++) {
		world_turn(w);
	}
	for (uint32_t i = 0; i < CACHE_RETIRE_MAX; i++) { /* until what is retired is looked at */
		char text[200];

		memset(text, 'a' + i % 26, sizeof(text));
		assert_int_equal(world_put(w, P, "turns", slice_of(text, sizeof(text))), 0);
	}
}

/* The first write of each kind takes its value once, and a little; one more beside it, only while
 * both are there. */
static void
one_copy(void **state)
{
	struct writer who[P_CNT];
	struct world *w = make(who);

	(void)state;
	for (uint32_t k = 0; k < KIND_CNT; k++) {
		enum wset_kind kind = kinds[k].kind;
		struct slice key = slice_str(kinds[k].key);
		uint64_t peak = 0, before = cache_core_stats(w->core).used_bytes;
		struct cache_stats stats;
		struct cache_value v;

		begin(w, who, 0, kind, kinds[k].key);
		settle(w, &peak);
		assert_int_equal(over(w, 0), 0);
		assert_in_range(peak, LONG, before + LONG + (1 << 19));
		assert_int_equal(world_get(w, P, key, &v),
				 kind == WSET_SREM ? CACHE_ABSENT : CACHE_HIT);
		assert_true(treeval_equal(world_stored(w, key), v.envelope));
		cache_view_release(&w->proc[P].view, &v);
		if (kind != WSET_SADD) {
			clean(w, &kinds[k].key, 1);
			stats = cache_core_stats(w->core);
			assert_in_range(stats.used_bytes - stats.retired_bytes, 0, 1 << 18);
		}
	}
	end(w, who);
}

/* So many rounds of one kind by all at once, each to a key of its own, or all to the first. */
static void
rounds(struct world *w, struct writer who[P_CNT], enum wset_kind kind, const char *const *key,
       bool one_key, uint32_t cnt)
{
	uint64_t peak = 0;

	for (uint32_t round = 0; round < cnt; round++) {
		for (uint16_t i = 0; i < P_CNT; i++) {
			if (one_key && kind != WSET_PUT) {
				memset(who[i].value, 'm', LONG);
			}
			begin(w, who, i, kind, key[one_key ? 0 : i]);
		}
		settle(w, &peak);
		for (uint16_t i = 0; i < P_CNT; i++) {
			assert_int_equal(over(w, i), 0);
		}
	}
}

static void
many_at_once(void **state)
{
	const char *const key[P_CNT] = { "one", "two", "three", "four" };
	struct writer who[P_CNT];
	struct world *w = make(who);

	(void)state;
	for (uint32_t k = 0; k < KIND_CNT; k++) {
		enum wset_kind kind = kinds[k].kind;

		for (uint32_t one_key = 0; one_key < 2 && kind != WSET_PUSH_LEFT; one_key++) {
			if (kind == WSET_SREM) {
				rounds(w, who, WSET_SADD, key, one_key, 1);
			}
			rounds(w, who, kind, key, one_key, 5);
			clean(w, key, P_CNT);
		}
	}
	end(w, who);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_copy),
		cmocka_unit_test(many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
