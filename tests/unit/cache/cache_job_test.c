/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a write set is applied in order, whole or operation by operation as promised, by as many
 *         steps as it takes, whatever is in it and whoever dies.
 * Method: a cache_world; failures first: malformed sets, wrong types, wrong tiles, memory that is
 *         not there, senders that die at each stage. Then sets of all sizes, and values up to 64
 *         MiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_world.h"
#include "delta.h"
#include "envelope.h"
#include "hash.h"
#include "map.h"
#include "microburst/error.h"
#include "strval.h"
#include "test_cmocka.h"
#include "tile_msg.h"
#include "treeval.h"
#include "view.h"

#define P 1 /* the process of most tests */

struct set {
	struct wset ws;
	uint8_t *mem;
};

static struct set
set_make(size_t bytes)
{
	struct set s = { .mem = malloc(bytes) };

	assert_non_null(s.mem);
	wset_init(&s.ws, s.mem, bytes);
	return s;
}

static void
set_add(struct set *s, enum wset_kind kind, const char *key, const char *value, int64_t n)
{
	struct wset_op op = { .kind = kind, .key = slice_str(key), .n = n };

	if (value != NULL) {
		op.value = slice_str(value);
	}
	assert_int_equal(wset_add(&s->ws, &op), 0);
}

static struct desc
set_publish(struct world *w, struct set *s)
{
	world_publish(w, P, 77, wset_bytes(&s->ws), 5);
	world_settle(w);
	return world_answer(w, P, DESC_PUBLISHED, 5);
}

static void
payloads_forget(struct world *w)
{
	memset(w->payload, 0, sizeof(w->payload));
}

/* -------------------------------------------------------------------- malformed */

static void
malformed(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct set s = set_make(8192);
	size_t len;
	struct desc d;

	(void)state;
	world_up(w, P);
	set_add(&s, WSET_PUT, "a", "1", 0);
	set_add(&s, WSET_PUT, "b", "2", 0);
	len = s.ws.out.len;
	/* Each beginning of it that is not whole operations, and a damaged kind at the end. */
	for (size_t cut = 1; cut < len; cut++) {
		if (cut == len / 2) {
			continue;
		}
		s.ws.out.len = cut;
		d = set_publish(w, &s);
		assert_int_equal(d.err, MB_ERR_CORRUPT);
		assert_int_equal(d.a, 0);
		payloads_forget(w);
	}
	s.ws.out.len = len;
	s.mem[len / 2] = 99;
	d = set_publish(w, &s);
	assert_int_equal(d.err, MB_ERR_CORRUPT);
	payloads_forget(w);
	/* Nothing of any of them was done, nor counted as published. */
	assert_string_equal(world_text(w, P, "a"), "");
	assert_int_equal(cache_core_published(w->core, P), 0);
	free(s.mem);
	world_end(w);
}

/* The node's own keys: whoever else writes there is refused that operation, and no other. */
static void
system_keys(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct set s = set_make(8192);
	struct desc d;

	(void)state;
	world_up_inner(w, P);
	set_add(&s, WSET_PUT, "a", "1", 0);
	set_add(&s, WSET_PUT, KEY_SYSTEM "x", "2", 0);
	set_add(&s, WSET_DEL, KEY_SYSTEM, NULL, 0);
	set_add(&s, WSET_PUT, "\xffmicroburst", "3", 0);
	d = set_publish(w, &s);
	assert_int_equal(d.err, MB_ERR_DENIED);
	assert_int_equal(d.a, 1);
	payloads_forget(w);
	assert_string_equal(world_text(w, P, "a"), "1");
	assert_string_equal(world_text(w, P, KEY_SYSTEM "x"), "");
	assert_string_equal(world_text(w, P, "\xffmicroburst"), "3");
	world_down(w, P);
	world_settle(w);
	world_up_system(w, P);
	assert_int_equal(set_publish(w, &s).err, 0);
	payloads_forget(w);
	assert_string_equal(world_text(w, P, KEY_SYSTEM "x"), "2");
	free(s.mem);
	world_end(w);
}

static void
payload_not_there(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct desc d = { .kind = DESC_PUBLISH, .b = 1 };

	(void)state;
	world_up(w, P);
	d.ref = (struct payload_ref){ .proc = P, .seg = 9, .len = 100 };
	assert_true(cache_core_step(w->core, (struct cache_from){ CACHE_FROM_PROC, P }, &d));
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, MB_ERR_INVALID);
	d.ref.len = WSET_BYTES_MAX + 1;
	d.b = 2;
	assert_true(cache_core_step(w->core, (struct cache_from){ CACHE_FROM_PROC, P }, &d));
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 2).err, MB_ERR_TOO_LARGE);
	world_end(w);
}

/* An operation whose value is not there fails; the others are done. */
static void
value_not_there(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct set s = set_make(8192);
	struct wset_op op = {
		.kind = WSET_PUT,
		.by_ref = true,
		.key = slice_str("b"),
		.ref = { .proc = P, .seg = 9, .len = 10000 },
	};
	struct desc d;

	(void)state;
	world_up(w, P);
	set_add(&s, WSET_PUT, "a", "1", 0);
	assert_int_equal(wset_add(&s.ws, &op), 0);
	set_add(&s, WSET_PUT, "c", "3", 0);
	d = set_publish(w, &s);
	assert_int_equal(d.err, MB_ERR_INVALID);
	assert_int_equal(d.a, 1);
	op.ref = payload_ref_own(&w, 10000); /* an address is none, of a process */
	wset_init(&s.ws, s.mem, 8192);
	assert_int_equal(wset_add(&s.ws, &op), 0);
	assert_int_equal(set_publish(w, &s).err, MB_ERR_INVALID);
	payloads_forget(w);
	assert_string_equal(world_text(w, P, "a"), "1");
	assert_string_equal(world_text(w, P, "b"), "");
	assert_string_equal(world_text(w, P, "c"), "3");
	free(s.mem);
	world_end(w);
}

static void
wrong_types(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct set s = set_make(8192);
	struct desc d;

	(void)state;
	world_up(w, P);
	assert_int_equal(world_put(w, P, "text", slice_str("no number")), 0);
	assert_int_equal(world_sadd(w, P, "set", "m"), 0);
	assert_int_equal(world_incr(w, P, "text", 1), MB_ERR_TYPE);
	assert_int_equal(world_incr(w, P, "set", 1), MB_ERR_TYPE);
	assert_int_equal(world_sadd(w, P, "text", "m"), MB_ERR_TYPE);
	assert_string_equal(world_text(w, P, "text"), "no number");
	/* The first that failed is named; those before and behind it are done. */
	set_add(&s, WSET_INCR, "n", NULL, 1);
	set_add(&s, WSET_INCR, "set", NULL, 1);
	set_add(&s, WSET_INCR, "text", NULL, 1);
	set_add(&s, WSET_INCR, "n", NULL, 2);
	d = set_publish(w, &s);
	assert_int_equal(d.err, MB_ERR_TYPE);
	assert_int_equal(d.a, 1);
	payloads_forget(w);
	assert_string_equal(world_text(w, P, "n"), "3");
	free(s.mem);
	world_end(w);
}

/* A key of another tile is nobody's mistake but the sender's. */
static void
wrong_tile(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .shard_cnt = 2 });
	int seen[2] = { 0 };
	char key[16];

	(void)state;
	world_up(w, P);
	for (uint32_t i = 0; i < 20; i++) {
		uint32_t tile;

		snprintf(key, sizeof(key), "key-%u", i);
		tile = cache_tile_of(hash_bytes(key, strlen(key)), 2);
		seen[tile]++;
		assert_int_equal(world_put(w, P, key, slice_str("v")),
				 tile == 0 ? 0 : MB_ERR_INVALID);
	}
	assert_true(seen[0] > 0);
	assert_true(seen[1] > 0);
	world_end(w);
}

/* -------------------------------------------------------------------------- death */

/* What was not accepted goes with the process; PROC_DOWN is answered at once. */
static void
death_while_copying(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct set s = set_make(1 << 20);
	char key[16];

	(void)state;
	world_up(w, P);
	world_up(w, 2);
	for (uint32_t i = 0; s.ws.out.len < 300000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		set_add(&s, WSET_PUT, key, "v", 0);
	}
	world_publish(w, P, 42, wset_bytes(&s.ws), 1);
	cache_core_poll(w->core);
	assert_int_equal(cache_core_published(w->core, P), 0);
	world_down(w, P);
	assert_int_equal(w->to_ctl_cnt, 1);
	assert_int_equal(w->to_ctl[0].kind, DESC_PROC_DOWN_DONE);
	assert_int_equal(w->to_ctl[0].dead.published, 0);
	payloads_forget(w); /* from here on a look at it would fail the test */
	w->proc[P].inc = 0;
	world_settle(w);
	assert_string_equal(world_text(w, 2, "k0"), "");
	free(s.mem);
	world_end(w);
}

/* What was accepted is done to its end, values by reference included, and only then the process's
 * memory is let go. */
static void
death_after_accepting(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	uint8_t *value = malloc(1 << 20);
	struct set s = set_make(8192);
	struct wset_op op = { .kind = WSET_PUT, .by_ref = true, .key = slice_str("big") };
	struct cache_value v;

	(void)state;
	world_up(w, P);
	world_up(w, 2);
	memset(value, 'x', 1 << 20);
	op.ref = world_payload(w, P, value, 1 << 20);
	assert_int_equal(wset_add(&s.ws, &op), 0);
	set_add(&s, WSET_INCR, "n", NULL, 7);
	world_publish(w, P, 42, wset_bytes(&s.ws), 1);
	assert_int_equal(cache_core_published(w->core, P), 42);
	world_down(w, P);
	assert_int_equal(w->to_ctl_cnt, 0);
	w->proc[P].inc = 0; /* an answer to it would fail the test */
	world_settle(w);
	assert_int_equal(w->to_ctl_cnt, 1);
	assert_int_equal(w->to_ctl[0].kind, DESC_PROC_DOWN_DONE);
	assert_int_equal(w->to_ctl[0].dead.published, 42);
	assert_int_equal(w->to_ctl[0].dead.proc, P);
	payloads_forget(w);
	assert_string_equal(world_text(w, 2, "n"), "7");
	assert_int_equal(world_get(w, 2, slice_str("big"), &v), CACHE_HIT);
	assert_int_equal(v.state.len, (1 << 20) + 1);
	cache_view_release(&w->proc[2].view, &v);
	free(value);
	free(s.mem);
	world_end(w);
}

/* ------------------------------------------------------------------------- success */

static void
empty_set(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });

	(void)state;
	world_up(w, P);
	world_publish(w, P, 3, slice_of(NULL, 0), 8);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 8).err, 0);
	assert_int_equal(cache_core_published(w->core, P), 3);
	world_end(w);
}

static void
every_operation(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct wset_op map = { .kind = WSET_MAP_PUT,
			       .key = slice_str("map"),
			       .field = slice_str("f"),
			       .value = slice_str("v") };
	struct map_field field;
	struct cache_value v;

	(void)state;
	world_up(w, P);
	assert_int_equal(world_put(w, P, "s", slice_str("40")), 0);
	assert_int_equal(world_incr(w, P, "s", 2), 0);
	assert_string_equal(world_text(w, P, "s"), "42");
	assert_int_equal(world_incr(w, P, "n", -5), 0);
	assert_int_equal(world_incr(w, P, "n", 2), 0);
	assert_string_equal(world_text(w, P, "n"), "-3");
	assert_int_equal(world_sadd(w, P, "set", "b"), 0);
	assert_int_equal(world_sadd(w, P, "set", "a"), 0);
	assert_int_equal(world_sadd(w, P, "set", "a"), 0);
	assert_int_equal(world_get(w, P, slice_str("set"), &v), CACHE_HIT);
	assert_int_equal(view_cnt(v.type, v.state), 2);
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(world_do(w, P, &map), 0);
	assert_int_equal(world_get(w, P, slice_str("map"), &v), CACHE_HIT);
	assert_true(map_get(v.state, slice_str("f"), &field));
	cache_view_release(&w->proc[P].view, &v);
	/* Deleted, of each type, and written again with another one. */
	assert_int_equal(world_del(w, P, "s"), 0);
	assert_int_equal(world_del(w, P, "set"), 0);
	assert_int_equal(world_del(w, P, "never"), 0);
	assert_string_equal(world_text(w, P, "s"), "");
	assert_int_equal(world_get(w, P, slice_str("set"), &v), CACHE_ABSENT);
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(world_sadd(w, P, "s", "m"), 0);
	assert_int_equal(world_incr(w, P, "set", 1), 0);
	assert_string_equal(world_text(w, P, "set"), "1");
	world_end(w);
}

/* The readers see an operation before the store has it, the writer's answer comes after that. */
static void
visible_before_acknowledged(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct set s = set_make(256);
	struct slice key = slice_str("k");
	struct cache_value v;

	(void)state;
	world_up(w, P);
	world_up(w, 2);
	set_add(&s, WSET_INCR, "k", NULL, 1);
	world_publish(w, P, 1, wset_bytes(&s.ws), 1);
	assert_int_equal(world_kvs(w, 0, 1), 1); /* GET */
	assert_int_equal(world_core(w, 0, 1), 1);
	assert_true(cache_core_poll(w->core));
	assert_int_equal(cache_view_get(&w->proc[2].view, key, &v), CACHE_HIT);
	assert_false(world_answered(w, P, 1));
	assert_int_equal(world_stored(w, key).len, 0);
	assert_int_equal(world_kvs(w, 0, 1), 1); /* MERGE */
	assert_int_not_equal(world_stored(w, key).len, 0);
	assert_false(world_answered(w, P, 1));
	assert_int_equal(world_core(w, 0, 1), 1);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, 0);
	free(s.mem);
	world_end(w);
}

/* Thousands of operations are many steps, and keys come while others are worked at. */
static void
many_operations(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .keys_max = 32768 });
	const uint32_t cnt = 10000;
	struct set s = set_make(1 << 20);
	uint32_t polls = 0;
	char key[16];

	(void)state;
	world_up(w, P);
	for (uint32_t i = 0; i < cnt; i++) {
		snprintf(key, sizeof(key), "word-%u", i % 3000);
		set_add(&s, WSET_INCR, key, NULL, 1);
	}
	world_publish(w, P, 1, wset_bytes(&s.ws), 1);
	while (world_turn(w)) {
		polls++;
	}
	assert_true(polls > cnt / (CACHE_OPS_STEP * 5));
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 1).err, 0);
	payloads_forget(w);
	for (uint32_t i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "word-%u", i);
		assert_string_equal(world_text(w, P, key), i < 1000 ? "4" : "3");
	}
	assert_int_equal(cache_core_stats(w->core).op_applied, cnt);
	free(s.mem);
	world_end(w);
}

/* 0 bytes to 64 MiB, inline and by reference, each readable in place and whole in the store. */
static void
all_sizes(void **state)
{
	static const size_t size[] = { 0,    1,    8,    48,    53,    54,      77,      78,
				       1000, 4096, 4097, 65536, 65537, 1 << 20, 64 << 20 };
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = (uint64_t)256 << 20,
							  .kvs_bytes = (size_t)256 << 20 });
	uint8_t *value = malloc(64 << 20);
	struct cache_value v;
	char key[300];

	(void)state;
	world_up(w, P);
	for (uint32_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		for (size_t j = 0; j < size[i]; j++) {
			value[j] = (uint8_t)(j * 7 + i);
		}
		/* Short keys, keys that fill an entry, and keys that do not fit one. */
		for (uint32_t pad = 1; pad < sizeof(key); pad += 95) {
			struct slice text;
			char buf[VIEW_TEXT_MAX];

			if (size[i] > 1 << 20 && pad > 1) {
				break;
			}
			memset(key, 'k', pad);
			snprintf(key + pad - 1, sizeof(key) - pad, "%u", i);
			assert_int_equal(world_put(w, P, key, slice_of(value, size[i])), 0);
			assert_int_equal(world_get(w, P, slice_str(key), &v), CACHE_HIT);
			assert_int_equal(view_text(v.type, v.state, buf, &text), 0);
			assert_int_equal(text.len, size[i]);
			assert_memory_equal(text.p, value, size[i]);
			assert_true(slice_eq(world_stored(w, slice_str(key)), v.envelope));
			assert_int_equal(lattice_check(LATTICE_ENVELOPE, v.envelope), 0);
			cache_view_release(&w->proc[P].view, &v);
		}
	}
	free(value);
	world_end(w);
}

/* Values by reference in collections. */
static void
long_members(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 64 << 20 });
	uint8_t *value = malloc(1 << 20);
	struct wset_op sadd = { .kind = WSET_SADD, .by_ref = true, .key = slice_str("set") };
	struct wset_op put = { .kind = WSET_MAP_PUT,
			       .by_ref = true,
			       .key = slice_str("map"),
			       .field = slice_str("field") };
	struct map_field field;
	struct cache_value v;
	struct slice shown;
	unsigned int type;

	(void)state;
	world_up(w, P);
	for (uint32_t i = 0; i < 3; i++) {
		memset(value, 'a' + (int)i, 1 << 20);
		sadd.ref = world_payload(w, P, value, 1 << 20);
		assert_int_equal(world_do(w, P, &sadd), 0);
		put.ref = world_payload(w, P, value, 1 << 20);
		assert_int_equal(world_do(w, P, &put), 0);
	}
	assert_int_equal(world_get(w, P, slice_str("set"), &v), CACHE_HIT);
	assert_int_equal(view_cnt(v.type, v.state), 3);
	assert_true(view_set_has(v.type, v.state, slice_of(value, 1 << 20)));
	assert_true(slice_is_tree(v.envelope));
	assert_true(treeval_equal(world_stored(w, slice_str("set")), v.envelope));
	cache_view_release(&w->proc[P].view, &v);
	assert_int_equal(world_get(w, P, slice_str("map"), &v), CACHE_HIT);
	assert_true(map_get(v.state, slice_str("field"), &field));
	assert_true(map_field_value(&field, &type, &shown));
	assert_int_equal(type, LATTICE_STRING);
	assert_int_equal(shown.len, (1 << 20) + 1);
	assert_true(slice_is_tree(v.envelope));
	assert_true(treeval_equal(world_stored(w, slice_str("map")), v.envelope));
	cache_view_release(&w->proc[P].view, &v);
	free(value);
	world_end(w);
}

/* ------------------------------------------------------- a word on each operation */

/* An inner process hears of each operation: what it made, whether it brought anything, why not. */
static void
words_on_operations(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct cache_op_word word[8] = { 0 };
	struct set s = set_make(8192);
	struct desc d;

	(void)state;
	world_up_inner(w, P);
	set_add(&s, WSET_PUT, "a", "41", 0);
	set_add(&s, WSET_INCR, "a", NULL, 1);
	set_add(&s, WSET_SADD, "s", "m", 0);
	set_add(&s, WSET_SADD, "s", "m", 0);
	set_add(&s, WSET_INCR, "s", NULL, 1);
	set_add(&s, WSET_DEL, "a", NULL, 0);
	set_add(&s, WSET_DEL, "none", NULL, 0);
	set_add(&s, WSET_INCR, "a", NULL, -3);
	world_hashes(wset_bytes(&s.ws), word);
	world_publish_words(w, P, wset_bytes(&s.ws), 5, word);
	world_settle(w);
	d = world_answer(w, P, DESC_PUBLISHED, 5);
	assert_int_equal(d.err, MB_ERR_TYPE);
	assert_int_equal(d.a, 4);
	assert_true(word[0].changed && word[0].err == 0);
	assert_true(word[1].changed && word[1].n == 42);
	assert_true(word[2].changed && word[2].n == 1);
	assert_true(word[3].n == 0 && word[3].err == 0);
	assert_int_equal(word[4].err, MB_ERR_TYPE);
	assert_true(word[5].changed);
	assert_true(!word[6].changed && word[6].err == 0);
	assert_int_equal(word[7].n, -3);
	payloads_forget(w);
	free(s.mem);
	world_end(w);
}

/* An operation that names a version is done only while that is what readers see. */
static void
only_at_a_version(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct cache_op_word word[2] = { 0 };
	struct set s = set_make(8192);
	struct cache_value v;

	(void)state;
	world_up_inner(w, P);
	assert_int_equal(world_put(w, P, "a", slice_str("old")), 0);
	assert_int_equal(world_get(w, P, slice_str("a"), &v), CACHE_HIT);
	word[0].if_version = v.version;
	word[1].if_version = v.version; /* the first one's value is another */
	cache_view_release(&w->proc[P].view, &v);
	set_add(&s, WSET_PUT, "a", "new", 0);
	set_add(&s, WSET_PUT, "a", "late", 0);
	world_hashes(wset_bytes(&s.ws), word);
	world_publish_words(w, P, wset_bytes(&s.ws), 6, word);
	world_settle(w);
	world_answer(w, P, DESC_PUBLISHED, 6);
	assert_int_equal(word[0].err, 0);
	assert_int_equal(word[1].err, MB_ERR_TRYAGAIN);
	assert_string_equal(world_text(w, P, "a"), "new");
	payloads_forget(w);
	free(s.mem);
	world_end(w);
}

/* A guest adds a member of 60,000 bytes, past the cache. */
static void
guest_adds(struct world *w, struct slice key, uint8_t first)
{
	static uint8_t member[60000], mem[61000];
	struct wset_op op = { .kind = WSET_SADD,
			      .key = key,
			      .value = slice_of(member, sizeof(member)) };
	struct wbuf delta = wbuf_init(mem, sizeof(mem));

	member[0] = first;
	assert_int_equal(delta_make(slice_of(NULL, 0), &op,
				    hlc_moment_of(hlc_time_of_us(timebase_wall_us(&w->time.tb))),
				    (struct writer_id){ 77 }, &delta),
			 0);
	assert_int_equal(world_guest(w, key, wbuf_slice(&delta)), 0);
}

/* The store refuses the first of two operations that are done together while the value of the
 * second is being copied, and then the key does not fit the cache any more: both fail, and the key
 * is anybody's again. */
static void
chained_key_is_lost(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ .heap_bytes = 2 << 20 });
	struct cache_op_word word[2] = { 0 };
	struct slice key = slice_str("s");
	struct wset_op op = { .kind = WSET_SADD, .by_ref = true, .key = key };
	uint8_t *value = calloc(1, 1 << 20);
	struct set s = set_make(8192);
	struct world_queue *answers = &w->from_kvs[0];

	(void)state;
	world_up_inner(w, P);
	world_up(w, P + 1); /* brings it here */
	assert_int_equal(world_sadd(w, P + 1, "s", "old"), 0);
	set_add(&s, WSET_SADD, "s", "new", 0);
	op.ref = world_payload(w, P, value, 1 << 20);
	assert_int_equal(wset_add(&s.ws, &op), 0);
	word[1].if_before = 1;
	world_hashes(wset_bytes(&s.ws), word);
	world_publish_words(w, P, wset_bytes(&s.ws), 8, word);
	cache_core_poll(w->core);
	assert_int_equal(world_kvs(w, 0, 1), 1);
	assert_int_equal(answers->cnt, 1);
	assert_int_equal(answers->d[answers->head].kind, DESC_KVS_MERGED);
	answers->d[answers->head].err = MB_ERR_NO_MEMORY;
	answers->d[answers->head].sub = 0; /* not KVS_MERGED_HERE */
	for (uint8_t i = 0; i < 40; i++) {
		guest_adds(w, key, i);
	}
	assert_int_equal(world_core(w, 0, 1), 1);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 8).err, MB_ERR_NO_MEMORY);
	assert_int_equal(word[0].err, MB_ERR_NO_MEMORY);
	assert_int_equal(word[1].err, MB_ERR_TRYAGAIN);
	cache_core_check(w->core);
	payloads_forget(w);
	assert_int_equal(world_sadd(w, P, "other", "m"), 0);
	free(value);
	free(s.mem);
	world_end(w);
}

/* Whoever is not one of us sends no address that anybody looks at. */
static void
words_of_a_stranger_are_not_looked_at(void **state)
{
	struct world *w = world_make(&(struct world_cfg){ 0 });
	struct set s = set_make(8192);

	(void)state;
	world_up(w, P);
	set_add(&s, WSET_INCR, "a", NULL, 1);
	set_add(&s, WSET_SADD, "a", "m", 0);
	world_publish_words(w, P, wset_bytes(&s.ws), 7, (struct cache_op_word *)(uintptr_t)8);
	world_settle(w);
	assert_int_equal(world_answer(w, P, DESC_PUBLISHED, 7).err, MB_ERR_TYPE);
	assert_string_equal(world_text(w, P, "a"), "1");
	payloads_forget(w);
	free(s.mem);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed),
		cmocka_unit_test(system_keys),
		cmocka_unit_test(payload_not_there),
		cmocka_unit_test(value_not_there),
		cmocka_unit_test(wrong_types),
		cmocka_unit_test(wrong_tile),
		cmocka_unit_test(death_while_copying),
		cmocka_unit_test(death_after_accepting),
		cmocka_unit_test(empty_set),
		cmocka_unit_test(every_operation),
		cmocka_unit_test(words_on_operations),
		cmocka_unit_test(chained_key_is_lost),
		cmocka_unit_test(only_at_a_version),
		cmocka_unit_test(words_of_a_stranger_are_not_looked_at),
		cmocka_unit_test(visible_before_acknowledged),
		cmocka_unit_test(many_operations),
		cmocka_unit_test(all_sizes),
		cmocka_unit_test(long_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
