/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a shard merges, refuses what it has no memory for without changing anything, keeps what
 *         is pinned, and lists what is there.
 * Method: failures first: memory used up by new keys and by growing values, results past the limit.
 *         Then merges against lattice_merge, values of all sizes, pins across overwrites, scans in
 *         pieces.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "clear.h"
#include "compiler.h"
#include "kvs_prefetch.h"
#include "kvs_shard.h"
#include "kvs_value.h"
#include "list.h"
#include "microburst/error.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "treeval.h"
#include "view.h"

#define BIG ((size_t)70 << 20)

static uint8_t *scratch; /* for values, 2 * BIG */

static struct kvs_shard *
shard_make(size_t bytes)
{
	void *mem = aligned_alloc(64, kvs_shard_extent(bytes));

	assert_non_null(mem);
	return kvs_shard_init(mem, bytes, 99);
}

static struct wbuf
room(void)
{
	return wbuf_init(scratch, 2 * BIG);
}

static struct slice
key_of(char buf[32], uint32_t i)
{
	return slice_of(buf, (size_t)snprintf(buf, 32, "key-%06u", i));
}

static int
set(struct kvs_shard *s, struct slice key, uint64_t time, const void *p, size_t len)
{
	struct wbuf out = room();

	return kvs_shard_merge(s, key, value_set(&out, time, slice_of(p, len)));
}

/* ------------------------------------------------------------------ failures */

static void
memory_full(void **state)
{
	struct kvs_shard *s = shard_make(2 << 20);
	uint64_t refused;
	char buf[32];
	uint32_t cnt = 0;
	int err;

	(void)state;
	while ((err = set(s, key_of(buf, cnt), 1, "12345678", 8)) == 0) {
		cnt++;
	}
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	assert_true(cnt > 10000);
	assert_int_equal(kvs_shard_key_cnt(s), cnt);
	assert_int_equal(kvs_shard_get(s, key_of(buf, cnt)).len, 0);
	refused = s->stats.refused;
	assert_true(refused >= 1);
	/* What fits where it lies still goes; what is there is there. */
	assert_int_equal(set(s, key_of(buf, 5), 2, "abcdefgh", 8), 0);
	assert_true(slice_eq(value_text(kvs_shard_get(s, key_of(buf, 5))), slice_str("abcdefgh")));
	for (uint32_t i = 6; i < cnt; i++) {
		assert_true(slice_eq(value_text(kvs_shard_get(s, key_of(buf, i))),
				     slice_str("12345678")));
	}
	heap_check(s->heap);
	free(s);
}

/* A shard full of long values, of which each alone is longer than the scratch: a delete merges into
 * it in what is left, and what it frees is there for others. */
static void
deletes_when_full(void **state)
{
	size_t len = (size_t)300 << 10;
	struct kvs_shard *s = shard_make(2 << 20);
	uint8_t *bytes = calloc(1, len);
	struct envelope e;
	uint32_t cnt = 0;
	char buf[32];

	(void)state;
	while (set(s, key_of(buf, cnt), 1, bytes, len) == 0) {
		cnt++;
	}
	for (uint32_t i = 0; set(s, key_of(buf, 100 + i), 1, "12345678", 8) == 0; i++) {
	}
	assert_true(cnt >= 4);
	for (uint32_t i = 0; i < cnt; i++) {
		struct wbuf out = room();

		assert_int_equal(envelope_open(kvs_shard_get(s, key_of(buf, i)), &e), 0);
		assert_int_equal(lattice_clear(e.type, e.state, &out), 0);
		e.expiry = (struct expiry){ 0 };
		assert_int_equal(envelope_write_tail(&e, &out), 0);
		assert_int_equal(kvs_shard_merge(s, key_of(buf, i), wbuf_slice(&out)), 0);
		assert_int_equal(envelope_open(kvs_shard_get(s, key_of(buf, i)), &e), 0);
		assert_false(view_present(e.type, e.state));
	}
	heap_check(s->heap);
	free(bytes);
	free(s);
}

/* A list that has filled the shard is emptied item by item, by those who read it; what adds is
 * refused before that, and goes on after it. */
static void
queue_of(size_t len)
{
	struct kvs_shard *s = shard_make(4 << 20);
	struct envelope e = { .type = LATTICE_LIST };
	struct slice key = slice_str("queue");
	uint8_t item[1000] = { 0 };
	struct list_item first;
	uint32_t pushed = 0, popped = 0;
	struct wbuf out;
	char buf[32];
	int err;

	do {
		struct stamp stamp = { { pushed + 1 }, { 1 } };
		struct slice stored = kvs_shard_get(s, key);
		struct envelope there = { .state = slice_of(NULL, 0) };

		(void)envelope_open(stored, &there);
		out = room();
		assert_int_equal(list_delta_push(there.state, stamp, LIST_RIGHT,
						 slice_of(item, len), &out),
				 0);
		assert_int_equal(envelope_write_tail(&e, &out), 0);
		err = kvs_shard_merge(s, key, wbuf_slice(&out));
		pushed += err == 0;
	} while (err == 0);
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	assert_true(pushed > 2000 && (len > 4 || pushed > 50000));
	for (uint32_t i = 0; set(s, key_of(buf, i), 1, "12345678", 8) == 0; i++) {
	}
	for (;; popped++) {
		struct table_walk w = { 0 };
		struct envelope there;

		assert_int_equal(envelope_open(kvs_shard_get(s, key), &there), 0);
		if (!list_next(there.state, &w, &first)) {
			break;
		}
		out = room();
		assert_int_equal(list_delta_remove(there.state, first.id, &out), 0);
		assert_int_equal(envelope_write_tail(&e, &out), 0);
		assert_int_equal(kvs_shard_merge(s, key, wbuf_slice(&out)), 0);
	}
	assert_int_equal(popped, pushed);
	assert_int_equal(set(s, slice_str("new"), 1, item, sizeof(item)), 0);
	assert_true(heap_reserve_whole(s->heap));
	heap_check(s->heap);
	free(s);
}

static void
a_queue_is_emptied_when_full(void **state)
{
	(void)state;
	queue_of(1000);
	queue_of(4);
}

/* Memory beyond the shard's bytes goes back to the system when it is free, in steps, and no more
 * than that; while others need it, nothing is looked for. */
static void
what_is_beyond_goes_back(void **state)
{
	const size_t bytes = 4 << 20, extent = kvs_shard_extent(bytes), half = bytes / 2;
	void *mem = mmap(NULL, extent, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvs_shard *s;
	uint32_t steps = 1;
	void *beyond;

	(void)state;
	assert_int_equal(extent, 2 * bytes);
	assert_int_equal(kvs_shard_extent(KVS_SHARD_BYTES_MAX - 4096), KVS_SHARD_BYTES_MAX);
	assert_ptr_not_equal(mem, MAP_FAILED);
	s = kvs_shard_init(mem, bytes, 1);
	assert_null(heap_alloc(s->heap, bytes)); /* that much is for everybody, less a little */
	beyond = heap_alloc(s->heap, half);
	assert_non_null(beyond);
	assert_false(kvs_shard_trim(s));
	heap_free(s->heap, beyond, half);
	beyond = heap_alloc_reserve(s->heap, bytes + half);
	assert_non_null(beyond);
	assert_false(kvs_shard_trim(s));
	heap_free(s->heap, beyond, bytes + half);
	while (kvs_shard_trim(s)) {
		steps++;
	}
	assert_in_range(steps, 2, 2 * extent >> 20);
	assert_in_range(heap_held_bytes(s->heap), bytes / 2, bytes);
	heap_check(s->heap);
	munmap(mem, extent);
}

static void
growing_value_full(void **state)
{
	struct kvs_shard *s = shard_make(2 << 20);
	struct slice key = slice_str("set"), before;
	struct wbuf out;
	uint8_t copy[64];
	char member[200];
	uint32_t cnt = 0;
	int err;

	(void)state;
	memset(member, 'm', sizeof(member));
	do {
		snprintf(member, sizeof(member), "%08u", cnt++);
		out = room();
		before = kvs_shard_get(s, key);
		if (before.len >= sizeof(copy)) {
			memcpy(copy, before.p, sizeof(copy));
		}
		err = kvs_shard_merge(s, key, value_member(&out, slice_of(member, sizeof(member))));
	} while (err == 0);
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	assert_true(cnt > 2000);
	/* Nothing changed, not even where it lies. */
	assert_ptr_equal(kvs_shard_get(s, key).p, before.p);
	assert_int_equal(kvs_shard_get(s, key).len, before.len);
	assert_memory_equal(before.p, copy, 64);
	heap_check(s->heap);
	free(s);
}

static void
too_large(void **state)
{
	struct kvs_shard *s = shard_make(256 << 20);
	struct slice long_value = slice_of(scratch, KVS_ENVELOPE_MAX + 1);

	(void)state;
	assert_int_equal(kvs_shard_merge(s, slice_str("k"), long_value), MB_ERR_TOO_LARGE);
	assert_int_equal(kvs_shard_key_cnt(s), 0);
	free(s);
}

/* -------------------------------------------------------------------- merges */

static void
bottom_makes_no_key(void **state)
{
	struct kvs_shard *s = shard_make(2 << 20);

	(void)state;
	assert_int_equal(kvs_shard_merge(s, slice_str("k"), slice_of(NULL, 0)), 0);
	assert_int_equal(kvs_shard_key_cnt(s), 0);
	free(s);
}

static void
merges(void **state)
{
	struct kvs_shard *s = shard_make(2 << 20);
	struct slice key = slice_str("k");

	(void)state;
	assert_int_equal(set(s, key, 5, "five", 4), 0);
	assert_int_equal(set(s, key, 3, "three", 5), 0); /* too old */
	assert_true(slice_eq(value_text(kvs_shard_get(s, key)), slice_str("five")));
	assert_int_equal(s->stats.unchanged, 1);
	assert_int_equal(set(s, key, 7, "seven", 5), 0);
	assert_true(slice_eq(value_text(kvs_shard_get(s, key)), slice_str("seven")));
	assert_int_equal(kvs_shard_key_cnt(s), 1);
	heap_check(s->heap);
	free(s);
}

static void
merges_mixed(void **state)
{
	struct kvs_shard *s = shard_make(8 << 20);
	struct slice key = slice_str("set");
	struct envelope e;
	struct wbuf out, flat = wbuf_init(scratch + BIG, BIG);
	char member[40];

	(void)state;
	/* Past the scratch, so that both ways of merging are gone through. */
	for (uint32_t i = 0; i < 6000; i++) {
		snprintf(member, sizeof(member), "member-%024u", i * 7 % 6000);
		out = room();
		assert_int_equal(kvs_shard_merge(s, key, value_member(&out, slice_str(member))), 0);
	}
	assert_true(slice_is_tree(kvs_shard_get(s, key)));
	assert_int_equal(envelope_open(kvs_shard_get(s, key), &e), 0);
	assert_int_equal(gset_cnt(e.state), 6000);
	assert_int_equal(treeval_write(kvs_shard_get(s, key), &flat), 0);
	assert_int_equal(envelope_parse(wbuf_slice(&flat), &e), 0);
	assert_true(e.state.len > KVS_SCRATCH_BYTES);
	assert_int_equal(gset_cnt(e.state), 6000);
	heap_check(s->heap);
	free(s);
}

/* Sizes up and down, each value whole, memory back where it came from. */
static void
all_sizes(void **state)
{
	static const size_t size[] = { 0,   1,    8,     21,       22,      48,
				       100, 1024, 4096,  65536,    1 << 20, 64 << 20,
				       100, 0,    70000, 64 << 20, 1 };
	struct kvs_shard *s = shard_make((size_t)256 << 20);
	struct slice key = slice_str("k"), got;
	uint8_t *value = malloc(64 << 20);
	size_t used = 0;

	(void)state;
	for (uint32_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		memset(value, 'a' + (int)i, size[i]);
		assert_int_equal(set(s, key, i + 1, value, size[i]), 0);
		got = value_text(kvs_shard_get(s, key));
		assert_int_equal(got.len, size[i]);
		assert_memory_equal(got.p, value, size[i]);
		if (i == 2) {
			used = kvs_shard_used_bytes(s);
		}
	}
	assert_true(kvs_shard_used_bytes(s) <= used);
	heap_check(s->heap);
	free(value);
	free(s);
}

static void
pinned(void **state)
{
	struct kvs_shard *s = shard_make(2 << 20);
	struct slice key = slice_str("k");
	struct kvs_value *a, *b;
	size_t used;

	(void)state;
	assert_null(kvs_shard_pin(s, key));
	assert_int_equal(set(s, key, 1, "one", 3), 0);
	used = kvs_shard_used_bytes(s);
	a = kvs_shard_pin(s, key);
	assert_int_equal(set(s, key, 2, "two", 3), 0);
	b = kvs_shard_pin(s, key);
	assert_int_equal(set(s, key, 3, "six", 3), 0);
	assert_true(slice_eq(value_text(slice_of(a->bytes, a->len)), slice_str("one")));
	assert_true(slice_eq(value_text(slice_of(b->bytes, b->len)), slice_str("two")));
	assert_true(slice_eq(value_text(kvs_shard_get(s, key)), slice_str("six")));
	kvs_shard_unpin(s, a);
	kvs_shard_unpin(s, b);
	assert_int_equal(s->pin_cnt, 0);
	assert_int_equal(kvs_shard_used_bytes(s), used);
	/* Not an orphan: it stays with the key when it is given back. */
	a = kvs_shard_pin(s, key);
	kvs_shard_unpin(s, a);
	assert_true(slice_eq(value_text(kvs_shard_get(s, key)), slice_str("six")));
	heap_check(s->heap);
	free(s);
}

/* At most 100 bytes over key and value: 8-byte values under 16-byte keys. */
static void
small_key_overhead(void **state)
{
	const uint32_t cnt = 200000;
	struct kvs_shard *s = shard_make((size_t)64 << 20);
	size_t before = kvs_shard_used_bytes(s);
	char buf[32];
	size_t each;

	(void)state;
	for (uint32_t i = 0; i < cnt; i++) {
		snprintf(buf, sizeof(buf), "key-%012u", i);
		assert_int_equal(set(s, slice_of(buf, 16), 1, "12345678", 8), 0);
	}
	each = (kvs_shard_used_bytes(s) - before) / cnt;
	print_message("a 16-byte key with 8 bytes takes %zu bytes: %zu over them\n", each,
		      each - 24);
	assert_true(each - 24 <= 100);
	free(s);
}

/* --------------------------------------------------------------------- scans */

/* Scans in pieces of a few keys or of a small page. Returns: how many keys came, ascending. */
static uint32_t
scan_all(struct kvs_shard *s, const char *prefix, uint32_t limit, size_t page)
{
	struct kvs_scan scan = { .prefix = slice_str(prefix), .limit = limit };
	uint8_t mem[4096], before[KEY_BYTES_MAX];
	struct slice last = { 0 };
	uint32_t cnt = 0;

	do {
		struct rbuf list;

		scan.out = wbuf_init(mem, page);
		kvs_shard_scan(s, &scan, NULL, NULL);
		assert_true(scan.cnt <= limit);
		list = rbuf_of(wbuf_slice(&scan.out));
		for (uint32_t i = 0; i < scan.cnt; i++) {
			struct slice key = rbuf_take(&list, rbuf_u16(&list));
			struct slice start = slice_of(key.p, strlen(prefix));

			assert_true(slice_eq(start, slice_str(prefix)));
			assert_true(cnt == 0 || i > 0 || slice_cmp(last, key) < 0);
			cnt++;
		}
		assert_true(rbuf_done(&list));
		scan.after = scan.last;
		if (scan.last.len != 0) {
			memcpy(before, scan.last.p,
			       scan.last.len); /* the next piece writes over it */
		}
		last = slice_of(before, scan.last.len);
	} while (scan.more);
	return cnt;
}

static void
scans(void **state)
{
	struct kvs_shard *s = shard_make(8 << 20);
	struct envelope tombstone = { .epoch = { { 9 }, { 1 } } };
	struct wbuf out;
	char buf[32];

	(void)state;
	assert_int_equal(scan_all(s, "", 10, 4096), 0);
	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(set(s, key_of(buf, i * 13 % 5000), 1, "v", 1), 0);
	}
	assert_int_equal(set(s, slice_str("key"), 1, "v", 1), 0);
	assert_int_equal(set(s, slice_str("kez"), 1, "v", 1), 0);
	assert_int_equal(scan_all(s, "", 100, 4096), 5002);
	assert_int_equal(scan_all(s, "key", UINT32_MAX, 4096), 5001);
	assert_int_equal(scan_all(s, "key-", 7, 4096), 5000);
	assert_int_equal(scan_all(s, "key-0012", UINT32_MAX, 40), 100);
	assert_int_equal(scan_all(s, "kez", 1, 40), 1);
	assert_int_equal(scan_all(s, "l", 1, 40), 0);
	/* The node's own are shown to who asks for them by their beginning. */
	assert_int_equal(set(s, slice_str(KEY_SYSTEM "fn"), 1, "v", 1), 0);
	assert_int_equal(set(s, slice_str(KEY_SYSTEM "zz"), 1, "v", 1), 0);
	assert_int_equal(set(s, slice_str("\xffz"), 1, "v", 1), 0);
	assert_int_equal(scan_all(s, "", 100, 4096), 5003);
	assert_int_equal(scan_all(s, "\xff", 1, 4096), 1);
	assert_int_equal(scan_all(s, KEY_SYSTEM, 1, 4096), 2);
	assert_int_equal(scan_all(s, KEY_SYSTEM "f", 1, 4096), 1);
	/* What was deleted is not listed, and more of it than one piece looks at is no obstacle. */
	out = room();
	assert_int_equal(envelope_write(&tombstone, &out), 0);
	for (uint32_t i = 0; i < 4900; i++) {
		assert_int_equal(kvs_shard_merge(s, key_of(buf, i), wbuf_slice(&out)), 0);
	}
	assert_int_equal(scan_all(s, "key-", 1000, 4096), 100);
	assert_int_equal(kvs_shard_key_cnt(s), 5005);
	free(s);
}

/* ---------------------------------------------------------------------- model */

/* A deadline that stands around a tree is not lost to a state of a greater type. */
static void
a_greater_type_keeps_the_deadline(void **state)
{
	struct kvs_shard *s = shard_make(8 << 20);
	struct slice key = slice_str("set");
	struct envelope e, delta;
	struct wbuf out;
	char member[40];

	for (uint32_t i = 0; i < 500; i++) {
		snprintf(member, sizeof(member), "member-%024u", i);
		out = room();
		assert_int_equal(kvs_shard_merge(s, key, value_member(&out, slice_str(member))), 0);
	}
	assert_true(slice_is_tree(kvs_shard_get(s, key)));
	assert_int_equal(envelope_open(kvs_shard_get(s, key), &e), 0);
	delta = (struct envelope){ .epoch = e.epoch, .expiry = { { { 9 }, { 9 } }, { 77 } } };
	out = room();
	assert_int_equal(envelope_write(&delta, &out), 0);
	assert_int_equal(kvs_shard_merge(s, key, wbuf_slice(&out)), 0);
	delta = (struct envelope){ .epoch = e.epoch, .type = LATTICE_BOOL_OR };
	delta.state = slice_of("\1", 1);
	out = room();
	assert_int_equal(envelope_write(&delta, &out), 0);
	assert_int_equal(kvs_shard_merge(s, key, wbuf_slice(&out)), 0);
	assert_int_equal(envelope_open(kvs_shard_get(s, key), &e), 0);
	assert_int_equal(e.type, LATTICE_BOOL_OR);
	assert_true(e.expiry.deadline.v == 77);
	heap_check(s->heap);
	free(s);
}

/* Random merges of random deltas into few keys, against a table that lattice_merge keeps. */
static void
against_model(void **state)
{
	static uint8_t model[16][65536];
	size_t len[16] = { 0 };
	struct kvs_shard *s = shard_make(32 << 20);
	struct rng rng;
	char buf[32], member[33];

	(void)state;
	rng_init(&rng, test_seed("kvs_shard against_model"));
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t k = (uint32_t)rng_below(&rng, 16);
		struct wbuf delta_mem = room(), out = wbuf_init(scratch + BIG, BIG);
		struct slice delta;

		if (rng_below(&rng, 8) == 0) {
			uint8_t value[2000];
			size_t value_len = (size_t)rng_below(&rng, sizeof(value));

			memset(value, (int)rng_below(&rng, 256), value_len);
			delta = value_set(&delta_mem, rng_below(&rng, 3),
					  slice_of(value, value_len));
		} else {
			snprintf(member, sizeof(member), "%032u", (uint32_t)rng_below(&rng, 300));
			delta = value_member(&delta_mem, slice_str(member));
		}
		assert_true(lattice_merge_into(LATTICE_ENVELOPE, slice_of(model[k], len[k]), delta,
					       &out) > 0);
		assert_true(out.len <= sizeof(model[k]));
		memcpy(model[k], out.p, out.len);
		len[k] = out.len;
		assert_int_equal(kvs_shard_merge(s, key_of(buf, k), delta), 0);
		assert_true(treeval_equal(kvs_shard_get(s, key_of(buf, k)),
					  slice_of(model[k], len[k])));
	}
	heap_check(s->heap);
	free(s);
}

/* Keys come and go at random; index and order stay one, whatever is hinted at before; and all
 * memory comes back. */
static void
removals(void **state)
{
	static bool there[4000];
	struct kvs_shard *s = shard_make(16 << 20);
	size_t used = 0, empty = kvs_shard_used_bytes(s);
	uint32_t cnt = 0;
	struct rng rng;
	char buf[32];

	(void)state;
	memset(there, 0, sizeof(there));
	rng_init(&rng, test_seed("kvs_shard removals"));
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t n = (uint32_t)rng_below(&rng, ARRAY_CNT(there));
		struct slice key = key_of(buf, n);
		struct kvs_key *k;

		kvs_prefetch_burst(s, &key, 1);
		k = kvs_shard_find(s, key);
		assert_int_equal(k != NULL, there[n]);
		/* Times when there are few of them, and times when there are many. */
		if (k != NULL && rng_below(&rng, 4) > (i / 20000) % 4) {
			kvs_shard_remove(s, k);
			there[n] = false;
			cnt--;
		} else if (k == NULL) {
			assert_int_equal(set(s, key, 1, "value", 5), 0);
			assert_true(s->last.fresh);
			there[n] = true;
			cnt++;
		}
	}
	assert_int_equal(kvs_shard_key_cnt(s), cnt);
	for (uint32_t n = 0; n < ARRAY_CNT(there); n++) {
		used += there[n];
	}
	assert_int_equal(used, cnt);
	used = 0;
	for (struct kvs_key *k = kvs_shard_first(s), *next; k != NULL; k = next) {
		next = kvs_shard_next(s, k);
		assert_true(next == NULL || slice_cmp(kvs_key_slice(k), kvs_key_slice(next)) < 0);
		used++;
		kvs_shard_remove(s, k);
	}
	assert_int_equal(used, cnt);
	assert_int_equal(kvs_shard_key_cnt(s), 0);
	assert_int_equal(kvs_shard_used_bytes(s), empty); /* so many keys need no more buckets */
	heap_check(s->heap);
	free(s);
}

/* Who reads a value may go on when its key is removed. */
static void
removed_while_pinned(void **state)
{
	struct kvs_shard *s = shard_make(2 << 20);
	struct kvs_value *v;

	(void)state;
	assert_int_equal(set(s, slice_str("k"), 1, "value", 5), 0);
	v = kvs_shard_pin(s, slice_str("k"));
	kvs_shard_remove(s, kvs_shard_find(s, slice_str("k")));
	assert_null(kvs_shard_find(s, slice_str("k")));
	assert_true(slice_eq(value_text(slice_of(v->bytes, v->len)), slice_str("value")));
	kvs_shard_unpin(s, v);
	heap_check(s->heap);
	free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_full),
		cmocka_unit_test(deletes_when_full),
		cmocka_unit_test(a_queue_is_emptied_when_full),
		cmocka_unit_test(what_is_beyond_goes_back),
		cmocka_unit_test(growing_value_full),
		cmocka_unit_test(too_large),
		cmocka_unit_test(bottom_makes_no_key),
		cmocka_unit_test(merges),
		cmocka_unit_test(merges_mixed),
		cmocka_unit_test(a_greater_type_keeps_the_deadline),
		cmocka_unit_test(all_sizes),
		cmocka_unit_test(pinned),
		cmocka_unit_test(small_key_overhead),
		cmocka_unit_test(scans),
		cmocka_unit_test(against_model),
		cmocka_unit_test(removals),
		cmocka_unit_test(removed_while_pinned),
	};
	int failed;

	scratch = malloc(2 * BIG);
	failed = scratch == NULL ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
	free(scratch);
	return failed;
}
