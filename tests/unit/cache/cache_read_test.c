/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   an inner process is shown what the store has of keys that are not here, in one trip, and
 *         nothing of it stays; what is asked for again comes here; what a read cannot show it says
 *         so, and nobody but an inner process is shown anything.
 * Method: cache_world with a process of each kind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"
#include "delta.h"
#include "hash.h"
#include "microburst/error.h"
#include "test_cmocka.h"
#include "view.h"

#define INNER 1
#define OTHER 2

static struct cache_reads *
reads_make(const char *const *key, uint32_t cnt)
{
	struct cache_reads *reads = calloc(1, sizeof(*reads) + cnt * sizeof(struct cache_read));

	assert_non_null(reads);
	reads->cnt = cnt;
	for (uint32_t i = 0; i < cnt; i++) {
		struct cache_read *r = &reads->read[i];

		r->key_len = (uint8_t)strlen(key[i]);
		memcpy(r->key, key[i], r->key_len);
		r->hash = hash_bytes(r->key, r->key_len);
	}
	return reads;
}

static bool
send(struct world *w, uint16_t proc, struct cache_reads *reads)
{
	struct desc d = { .kind = DESC_READ, .b = (uintptr_t)reads };

	return cache_core_step(w->core, (struct cache_from){ CACHE_FROM_PROC, proc }, &d);
}

static void
done(struct world *w, struct cache_reads *reads)
{
	world_settle(w);
	(void)world_answer(w, INNER, DESC_READ_DONE, (uintptr_t)reads);
}

/* What a read shows; "": nothing. */
static const char *
shown(const struct cache_read *r)
{
	static char text[CACHE_READ_BYTES + 1];
	char buf[VIEW_TEXT_MAX];
	struct envelope e;
	struct slice s;

	assert_int_equal(r->state, CACHE_READ_VALUE);
	if (!delta_present(slice_of(r->value, r->len), (struct hlc_time){ 0 })) {
		return "";
	}
	assert_int_equal(envelope_open(slice_of(r->value, r->len), &e), 0);
	assert_int_equal(view_text(e.type, e.state, buf, &s), 0);
	(void)snprintf(text, sizeof(text), "%.*s", (int)s.len, (const char *)s.p);
	return text;
}

static bool
is_here(struct world *w, const char *key)
{
	struct cache_value v;
	int found = cache_view_get(&w->proc[INNER].view, slice_str(key), &v);

	if (found != CACHE_MISS) {
		cache_view_release(&w->proc[INNER].view, &v);
	}
	return found != CACHE_MISS;
}

/* A write set of an inner process for keys that are not here leaves them in the store only. */
static void
store(struct world *w, const char *key, struct slice value)
{
	static _Alignas(8) uint8_t mem[4096];
	static struct cache_op_word word;
	struct wset_op op = { .kind = WSET_PUT, .key = slice_str(key), .value = value };
	struct wset ws;

	wset_init(&ws, mem, sizeof(mem));
	assert_int_equal(wset_add(&ws, &op), 0);
	memset(&word, 0, sizeof(word));
	world_hashes(wset_bytes(&ws), &word);
	world_publish_words(w, INNER, wset_bytes(&ws), 5, &word);
	world_settle(w);
	assert_int_equal(world_answer(w, INNER, DESC_PUBLISHED, 5).err, 0);
	for (uint32_t i = 0; i < WORLD_PAYLOAD_MAX; i++) {
		if (w->payload[i].proc == INNER) {
			w->payload[i] = (struct world_payload){ 0 };
		}
	}
	assert_true(!is_here(w, key));
}

static struct world *
make(uint32_t kvs_cnt)
{
	struct world *w = world_make(&(struct world_cfg){ .kvs_cnt = kvs_cnt });

	world_up_inner(w, INNER);
	world_up(w, OTHER);
	return w;
}

static void
shown_in_one_trip(void **state)
{
	static const char *const key[] = { "a", "b", "none", "a" };
	struct cache_reads *reads = reads_make(key, 4);
	struct world *w = make(1);

	(void)state;
	store(w, "a", slice_str("1"));
	store(w, "b", slice_str("two"));
	assert_true(send(w, INNER, reads));
	cache_core_poll(w->core);
	assert_int_equal(w->to_kvs[0].cnt, 1);
	done(w, reads);
	assert_string_equal(shown(&reads->read[0]), "1");
	assert_string_equal(shown(&reads->read[1]), "two");
	assert_string_equal(shown(&reads->read[2]), "");
	assert_string_equal(shown(&reads->read[3]), "1");
	assert_int_equal(cache_core_stats(w->core).read, 4);
	assert_true(!is_here(w, "b") && !is_here(w, "none"));
	assert_true(is_here(w, "a")); /* that was asked for twice */
	free(reads);
	world_end(w);
}

static void
asked_for_again_it_comes(void **state)
{
	static const char *const key[] = { "a" };
	struct cache_reads *reads = reads_make(key, 1);
	struct world *w = make(3);

	(void)state;
	store(w, "a", slice_str("1"));
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(!is_here(w, "a"));
		reads->read[0].state = CACHE_READ_ELSE;
		assert_true(send(w, INNER, reads));
		done(w, reads);
		assert_string_equal(shown(&reads->read[0]), "1");
	}
	assert_true(is_here(w, "a"));
	/* A write is seen: the store knows who has it. */
	assert_int_equal(world_put(w, OTHER, "a", slice_str("2")), 0);
	assert_string_equal(world_text(w, OTHER, "a"), "2");
	free(reads);
	world_end(w);
}

/* A write set that changes a key in the store, behind the cache's back, later than all others. */
static void
guest_writes(struct world *w, const char *key, const char *value)
{
	static uint64_t later = 1000000;
	uint8_t mem[256];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct wset_op op = { .kind = WSET_PUT, .key = slice_str(key), .value = slice_str(value) };
	struct hlc_time now = hlc_time_of_us(timebase_wall_us(&w->time.tb) + later++);

	assert_int_equal(delta_make(slice_of(NULL, 0), &op, hlc_moment_of(now),
				    (struct writer_id){ 99 }, &out),
			 0);
	assert_int_equal(world_guest(w, slice_str(key), wbuf_slice(&out)), 0);
}

/* Between the look and its answer somebody else writes: the store tells of it behind the answer. */
static void
kept_is_told_of_changes(void **state)
{
	static const char *const key[] = { "a" };
	struct cache_reads *reads = reads_make(key, 1);
	struct world *w = make(1);

	(void)state;
	store(w, "a", slice_str("1"));
	assert_true(send(w, INNER, reads));
	done(w, reads);
	assert_true(send(w, INNER, reads));
	cache_core_poll(w->core);
	assert_int_equal(world_kvs(w, 0, 1), 1);
	guest_writes(w, "a", "2");
	done(w, reads);
	assert_string_equal(shown(&reads->read[0]), "1");
	assert_true(is_here(w, "a"));
	assert_string_equal(world_text(w, INNER, "a"), "2");
	guest_writes(w, "a", "3");
	world_settle(w);
	assert_string_equal(world_text(w, INNER, "a"), "3");
	free(reads);
	world_end(w);
}

/* What is written in the store behind a read of the same list makes that old: it is not kept. */
static void
old_is_not_kept(void **state)
{
	static const char *const key[] = { "a" };
	struct cache_reads *reads = reads_make(key, 1);
	struct world *w = make(1);

	(void)state;
	store(w, "a", slice_str("1"));
	assert_true(send(w, INNER, reads));
	done(w, reads);
	assert_true(send(w, INNER, reads));
	store(w, "a", slice_str("2")); /* and that it is not here */
	done(w, reads);
	assert_string_equal(shown(&reads->read[0]), "1");
	assert_string_equal(world_text(w, INNER, "a"), "2");
	free(reads);
	world_end(w);
}

/* New pages of the index are made now and then; who is asked for often is here in the end. */
static void
pages_are_paid_for(void **state)
{
	enum { CNT = 2048, AT_ONCE = 8, ROUNDS = 40 };
	char name[AT_ONCE][16];
	const char *key[AT_ONCE];
	struct world *w = world_make(&(struct world_cfg){ .kvs_cnt = 1, .keys_max = 16384 });
	uint32_t here[ROUNDS] = { 0 };

	(void)state;
	world_up_inner(w, INNER);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < CNT; i += AT_ONCE) {
			struct cache_reads *reads;

			for (uint32_t j = 0; j < AT_ONCE; j++) {
				(void)snprintf(name[j], sizeof(name[j]), "key %u", i + j);
				key[j] = name[j];
				here[round] += is_here(w, key[j]);
			}
			reads = reads_make(key, AT_ONCE);
			assert_true(send(w, INNER, reads));
			done(w, reads);
			free(reads);
		}
	}
	assert_true(here[1] < CNT / 4); /* asked for once, but for those taken for others */
	assert_true(here[2] > 64);
	assert_true(here[2] < CNT / 2);
	assert_true(here[6] > CNT * 3 / 4); /* soon: 512 pages, one in 16 reads */
	assert_true(here[ROUNDS - 1] > CNT * 7 / 8);
	world_end(w);
}

/* Here, on its way, found by the asker, or too long. */
static void
what_is_not_shown(void **state)
{
	static const char *const key[] = { "here", "coming", "found", "long", "a" };
	static const char value[CACHE_READ_BYTES + 1] = "v";
	struct cache_reads *reads = reads_make(key, 5);
	struct world *w = make(1);

	(void)state;
	store(w, "long", slice_of(value, sizeof(value)));
	store(w, "found", slice_str("x"));
	assert_int_equal(world_put(w, OTHER, "here", slice_str("1")), 0);
	world_fetch(w, OTHER, slice_str("coming"), 9);
	reads->read[2].version = 8;
	assert_true(send(w, INNER, reads));
	done(w, reads);
	(void)world_answer(w, OTHER, DESC_FETCHED, 9);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(reads->read[i].state, CACHE_READ_ELSE);
	}
	assert_string_equal(shown(&reads->read[4]), "");
	assert_true(is_here(w, "long"));
	assert_true(!is_here(w, "found"));
	free(reads);
	world_end(w);
}

/* More than all lists hold: those without a place are told so, and nobody waits. */
static void
more_than_there_is_room_for(void **state)
{
	static const char *const key[] = { "a" };
	struct cache_reads *reads[CACHE_ACTS_MAX + 4];
	struct world *w = make(1);
	uint32_t shown_cnt = 0;

	(void)state;
	for (uint32_t i = 0; i < CACHE_ACTS_MAX + 4; i++) {
		reads[i] = reads_make(key, 1);
		assert_true(send(w, INNER, reads[i]));
		cache_core_poll(w->core);
	}
	for (uint32_t i = 0; i < CACHE_ACTS_MAX + 4; i++) {
		done(w, reads[i]);
		shown_cnt += reads[i]->read[0].state == CACHE_READ_VALUE;
		free(reads[i]);
	}
	assert_int_equal(shown_cnt, CACHE_ACTS_MAX);
	world_end(w);
}

/* The address is a stranger's: nobody looks there. */
static void
strangers_are_refused(void **state)
{
	struct world *w = make(1);

	(void)state;
	assert_true(!send(w, OTHER, (struct cache_reads *)64));
	assert_int_equal(cache_core_stats(w->core).bad, 1);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shown_in_one_trip),
		cmocka_unit_test(asked_for_again_it_comes),
		cmocka_unit_test(kept_is_told_of_changes),
		cmocka_unit_test(old_is_not_kept),
		cmocka_unit_test(pages_are_paid_for),
		cmocka_unit_test(what_is_not_shown),
		cmocka_unit_test(more_than_there_is_room_for),
		cmocka_unit_test(strangers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
