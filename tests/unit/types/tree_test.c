/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   whoever reads a tree stays inside its memory and comes to an end, whatever is in there.
 * Method: a tree in memory of exactly its size, so that the address sanitizer sees a byte too far;
 *         words of it changed at random: offsets to anywhere, cycles, lengths, counts. Then the
 *         same reads of the sound tree.
 */
#include "tree.h"

#include <endian.h>
#include <stdio.h>

#include "grove_world.h"
#include "gset.h"
#include "map.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "view.h"

#define MEM   ((size_t)2 << 20)
#define NAMES 3000

#define NAME_MAX_BYTES 256

static struct grove_world w;
static struct grown t;

/* A name, of so many in their order. */
typedef struct slice name_fn(uint32_t i, char buf[NAME_MAX_BYTES]);

static struct slice
name_numbered(uint32_t i, char buf[NAME_MAX_BYTES])
{
	return slice_of(buf, (size_t)snprintf(buf, NAME_MAX_BYTES, "name-%06u", i));
}

static void
tree_make_of(name_fn *name, uint32_t cnt)
{
	static uint8_t mem[256 << 10], state_mem[256 << 10];
	struct wbuf st = wbuf_init(state_mem, sizeof(state_mem)), out = wbuf_init(mem, sizeof(mem));
	struct envelope e = { .type = LATTICE_GSET };
	struct table_builder b;
	char buf[NAME_MAX_BYTES];

	table_begin(&b, &st);
	for (uint32_t i = 0; i < cnt; i++) {
		struct slice s = name(i, buf);

		wbuf_put(&st, s.p, s.len);
		table_item_end(&b);
	}
	INSIST(table_end(&b) == 0);
	e.state = wbuf_slice(&st);
	INSIST(envelope_write(&e, &out) == 0);
	grove_world_init(&w, MEM);
	INSIST(grown_make(&w, wbuf_slice(&out), &t) == 0);
}

static void
tree_make(void)
{
	tree_make_of(name_numbered, NAMES);
}

/* Every reader. Returns: something that needs all that was read. */
static uint64_t
read_all(const struct tree_view *view)
{
	struct slice v = tree_slice(view), item;
	struct table whole, run;
	struct map_field f;
	struct envelope e;
	uint64_t sum = 0;
	uint32_t at, visits = 0;
	char name[32];

	(void)envelope_open(v, &e);
	INSIST(table_open(v, &whole) == 0);
	for (uint32_t i = 0; i < NAMES; i += 97) {
		struct slice key =
			slice_of(name, (size_t)snprintf(name, sizeof(name), "name-%06u", i));

		sum += gset_has(v, key) + map_get(v, key, &f);
		item = table_item(&whole, i);
		for (size_t j = 0; j < item.len; j++) {
			sum += item.p[j];
		}
		sum += gset_at(v, UINT32_MAX - i, &item);
	}
	/* A walk is as long as the count says, at most. */
	for (uint32_t i = 0; i < whole.cnt && visits < NAMES && table_run(&whole, i, &run, &at);
	     i += run.cnt - at) {
		assert_true(run.cnt > at);
		visits++;
		sum += run.cnt;
	}
	return sum + view_present(LATTICE_GSET, v) + gset_cnt(v);
}

static void
damaged(void **state)
{
	static uint8_t sound[MEM];
	uint64_t sum = 0;
	uint32_t refused = 0;
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("tree damaged"));
	tree_make();
	memcpy(sound, w.mem, MEM);
	sum = read_all(&t.view);
	for (uint32_t turn = 0; turn < 3000; turn++) {
		uint32_t cnt = 1 + (uint32_t)rng_below(&rng, 8);
		struct tree_view view;

		for (uint32_t i = 0; i < cnt; i++) {
			/* Where nodes are: behind the heap's own pages. Mostly the root. */
			size_t used = heap_used_bytes(w.heap) + 64 * 1024;
			size_t at = rng_below(&rng, 2) == 0 ? (size_t)((uint8_t *)t.block - w.mem) +
								      rng_below(&rng, t.bytes - 8)
							    : rng_below(&rng, MIN(used, MEM - 8));
			uint64_t word = rng_below(&rng, 3) == 0   ? rng_u64(&rng)
					: rng_below(&rng, 2) == 0 ? rng_below(&rng, MEM)
								  : UINT32_MAX;
			size_t len = 1 + rng_below(&rng, 8);

			memcpy(w.mem + at, &word, len);
		}
		if (tree_view_init(&view, w.mem, 64, MEM, slice_of(t.block, t.view.envelope.len)) ==
		    0) {
			sum += read_all(&view);
		} else {
			refused++;
		}
		memcpy(w.mem, sound, MEM);
	}
	print_message("%u refused at once; %llu\n", refused, (unsigned long long)sum);
	assert_true(refused > 0);
	/* And it is sound again. */
	assert_int_equal(gset_cnt(tree_slice(&t.view)), NAMES);
	grown_release(&w, &t);
	grove_world_fini(&w);
}

static struct slice
name_zeros(uint32_t i, char buf[NAME_MAX_BYTES])
{
	memset(buf, 0, i);
	return slice_of(buf, i);
}

static struct slice
name_late(uint32_t i, char buf[NAME_MAX_BYTES])
{
	/* The first is alone, so that the others' heads are all the same. */
	return slice_of(buf, (size_t)snprintf(buf, NAME_MAX_BYTES, i == 0 ? "n" : "name-%030u", i));
}

static struct slice
name_binary(uint32_t i, char buf[NAME_MAX_BYTES])
{
	uint64_t be = htobe64(i * UINT64_C(0x0003000500070009));

	memcpy(buf, &be, sizeof(be));
	return slice_of(buf, sizeof(be));
}

/* Each name is found, and none that is not there: neither a longer nor a shorter one, nor one that
 * comes a little later. */
static void
found(name_fn *name, uint32_t cnt)
{
	char buf[NAME_MAX_BYTES], other[NAME_MAX_BYTES];
	struct slice v = tree_slice(&t.view), before = slice_of(NULL, 0);

	for (uint32_t i = 0; i < cnt; i++) {
		struct slice s = name(i, buf);

		assert_true(gset_has(v, s));
		memcpy(other, s.p, s.len);
		other[s.len] = 1;
		assert_false(gset_has(v, slice_of(other, s.len + 1)));
		if (s.len > 0 && before.len != s.len - 1) {
			assert_false(gset_has(v, slice_of(other, s.len - 1)));
			other[s.len - 1] ^= 0x40;
			assert_false(gset_has(v, slice_of(other, s.len)));
		}
		before = s;
	}
	assert_false(gset_has(v, slice_str("\xff\xff\xff\xff\xff")));
}

static void
heads(void **state)
{
	static const struct {
		name_fn *name;
		uint32_t cnt;
	} sets[] = { { name_zeros, 250 },
		     { name_late, 900 },
		     { name_binary, 5000 },
		     { name_numbered, NAMES } };

	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		tree_make_of(sets[i].name, sets[i].cnt);
		found(sets[i].name, sets[i].cnt);
		grown_release(&w, &t);
		grove_world_fini(&w);
	}
}

/* An inner node that is its own child. */
static void
cycle(void **state)
{
	struct table body;
	struct tree_entry e;
	uint64_t off;
	struct slice item;

	(void)state;
	tree_make();
	assert_int_equal(table_open(slice_of(t.view.root->body, t.view.root->len), &body), 0);
	assert_true(tree_entry_at(&body, 0, &e));
	off = (uint64_t)((const uint8_t *)t.view.root - w.mem);
	for (uint32_t i = 0; i < body.cnt; i++) {
		item = table_item(&body, i);
		memcpy((uint8_t *)(uintptr_t)item.p + item.len - TREE_ENTRY_TAIL, &off,
		       sizeof(off));
	}
	assert_false(gset_has(tree_slice(&t.view), slice_str("name-000001")));
	assert_int_equal(table_item(&(struct table){ .tree = &t.view, .cnt = 9 }, 5).len, 0);
	free(w.mem);
}

static void
refused(void **state)
{
	struct tree_view view;
	struct tree_node *root;

	(void)state;
	tree_make();
	root = treeval_root(t.block);
	assert_int_equal(tree_view_init(&view, w.mem, 64, MEM, slice_of(NULL, 0)), MB_ERR_CORRUPT);
	assert_int_equal(tree_view_init(&view, w.mem, 64, MEM, tree_slice(&t.view)),
			 MB_ERR_CORRUPT);
	assert_int_equal(tree_view_init(&view, w.mem, 64, MEM, slice_of(t.block, 40)),
			 MB_ERR_CORRUPT);
	root->height = TREE_HEIGHT_MAX + 1;
	assert_int_equal(tree_view_init(&view, w.mem, 64, MEM, t.view.envelope), MB_ERR_CORRUPT);
	root->height = 0;
	assert_int_equal(tree_view_init(&view, w.mem, 64, MEM, t.view.envelope), MB_ERR_CORRUPT);
	free(w.mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads),
		cmocka_unit_test(refused),
		cmocka_unit_test(cycle),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
