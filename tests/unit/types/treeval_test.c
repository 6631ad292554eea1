/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what is held as a tree is the same value as what is held flat: after every merge, by
 *         every reader, at every age; and what no version needs is given back.
 * Method: a model: the flat envelope that lattice_merge makes. Random deltas, from one item to
 *         hundreds, items from no bytes to several nodes long; up to VERSION_MAX versions are held,
 *         and let go in any order. Failures: each request for memory of a merge fails once.
 */
#include "treeval.h"

#include <stdio.h>

#include "envelope.h"
#include "grove_world.h"
#include "gset.h"
#include "list.h"
#include "lww.h"
#include "map.h"
#include "presence.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "view.h"

#define MEM         ((size_t)64 << 20)
#define FLAT_MAX    ((size_t)4 << 20)
#define VERSION_MAX 6

static uint8_t *flat_mem[2], *delta_mem, *state_mem, *check_mem;

/* ------------------------------------------------------------------------------------ deltas */

/* A name: mostly short and of few, some alike for a long way, some longer than a node. */
static struct slice
name_of(char *buf, size_t cap, uint32_t n)
{
	size_t len = (size_t)snprintf(buf, cap, "%04u", n);

	if (n % 7 == 0) {
		memset(buf, 'x', 300);
		len = 300 + (size_t)snprintf(buf + 300, cap - 300, "%u", n);
	}
	if (n % 61 == 0) {
		memset(buf + len, 'y', 6000);
		len += 6000;
	}
	return slice_of(buf, len);
}

static int
number_cmp(const void *a, const void *b)
{
	struct slice x, y;
	char buf[2][7000];

	x = name_of(buf[0], sizeof(buf[0]), *(const uint32_t *)a);
	y = name_of(buf[1], sizeof(buf[1]), *(const uint32_t *)b);
	return slice_cmp(x, y);
}

/* An add, or the remove of one, by one of two writers at one of a few times. */
static void
presence_put_random(struct rng *rng, struct wbuf *out)
{
	struct stamp dot = { { 1 + rng_below(rng, 5) }, { 1 + rng_below(rng, 2) } };
	struct wbuf add = wbuf_init((uint8_t[PRESENCE_ENTRY_BYTES]){ 0 }, PRESENCE_ENTRY_BYTES);

	presence_put_add(&add, dot);
	if (rng_below(rng, 3) != 0) {
		wbuf_put(out, add.p, add.len);
	} else {
		INSIST(presence_put_gone(out, wbuf_slice(&add)));
	}
}

/* The delta of some of name_cnt items. */
static struct slice
delta_make_random(struct rng *rng, unsigned int type, struct stamp epoch, uint32_t name_cnt)
{
	uint32_t cnt = rng_below(rng, 8) != 0 ? 1 : 1 + (uint32_t)rng_below(rng, 200);
	struct wbuf state = wbuf_init(state_mem, FLAT_MAX), out = wbuf_init(delta_mem, FLAT_MAX);
	struct envelope e = { .epoch = epoch, .type = type };
	struct table_builder b;
	uint32_t number[201];
	char buf[7000];
	uint8_t value[64];

	for (uint32_t i = 0; i < cnt; i++) {
		number[i] = (uint32_t)rng_below(rng, name_cnt);
	}
	qsort(number, cnt, sizeof(number[0]), number_cmp);
	table_begin(&b, &state);
	for (uint32_t i = 0; i < cnt; i++) {
		struct slice name = name_of(buf, sizeof(buf), number[i]);

		if (i != 0 && number[i] == number[i - 1]) {
			continue;
		}
		wbuf_put(&state, name.p, name.len);
		if (type == LATTICE_MAP) {
			struct wbuf v = wbuf_init(value, sizeof(value));
			struct stamp at = { { rng_below(rng, 5) }, { 1 + rng_below(rng, 2) } };

			INSIST(lww_delta_set(at, slice_of("value", rng_below(rng, 6)), &v) == 0);
			wbuf_put(&state, v.p, v.len);
			wbuf_u16(&state, (uint16_t)name.len);
			wbuf_u8(&state, LATTICE_LWW);
		} else if (type == LATTICE_ORSET) {
			presence_put_random(rng, &state);
		}
		table_item_end(&b);
	}
	INSIST(table_end(&b) == 0);
	if (rng_below(rng, 10) == 0) {
		e.expiry.deadline.v = 1 + rng_below(rng, 9);
		e.expiry.stamp.time.v = rng_below(rng, 9);
	}
	e.state = wbuf_slice(&state);
	if (e.expiry.deadline.v != 0 && rng_below(rng, 2) == 0) { /* a deadline alone */
		e.type = LATTICE_ABSENT;
		e.state = slice_of(NULL, 0);
	}
	INSIST(envelope_write(&e, &out) == 0);
	INSIST(lattice_check(LATTICE_ENVELOPE, wbuf_slice(&out)) == 0);
	return wbuf_slice(&out);
}

/* ------------------------------------------------------------------------------------- model */

struct version {
	struct grown tree;
	struct slice flat; /* of its own memory */
};

static void
assert_same(const struct grown *tree, struct slice flat)
{
	struct wbuf out = wbuf_init(check_mem, FLAT_MAX);

	assert_int_equal(treeval_write(tree_slice(&tree->view), &out), 0);
	assert_true(slice_eq(wbuf_slice(&out), flat));
}

/* Some readers, on both forms. */
static void
assert_reads_same(struct rng *rng, unsigned int type, const struct grown *tree, struct slice flat,
		  uint32_t name_cnt)
{
	struct envelope a, b;
	struct table ta, tb;
	char buf[7000];

	assert_int_equal(envelope_open(tree_slice(&tree->view), &a), 0);
	assert_int_equal(envelope_open(flat, &b), 0);
	assert_int_equal(a.type, b.type);
	assert_int_equal(table_open(a.state, &ta), 0);
	assert_int_equal(table_open(b.state, &tb), 0);
	assert_int_equal(ta.cnt, tb.cnt);
	assert_int_equal(table_bytes(&ta), b.state.len);
	assert_int_equal(table_present_cnt(&ta, lattice_table_ops(type)),
			 table_present_cnt(&tb, lattice_table_ops(type)));
	for (uint32_t i = 0; i < 5; i++) {
		struct slice name = name_of(buf, sizeof(buf), (uint32_t)rng_below(rng, name_cnt));
		const struct table_merge_ops *ops = lattice_table_ops(type);
		struct slice item_a, item_b;
		uint32_t at = (uint32_t)rng_below(rng, tb.cnt + 1);
		bool found = table_find(&tb, ops->key_of, name, &item_b);

		assert_int_equal(table_find(&ta, ops->key_of, name, &item_a), found);
		assert_true(!found || slice_eq(item_a, item_b));
		assert_true(slice_eq(table_item(&ta, at), table_item(&tb, at)));
		assert_int_equal(table_item(&ta, at).p != NULL, at < tb.cnt);
	}
	if (type == LATTICE_GSET) {
		assert_int_equal(gset_cnt(a.state), gset_cnt(b.state));
		assert_true(gset_has(a.state, table_item(&tb, tb.cnt / 2)));
	}
}

static void
version_drop(struct grove_world *w, struct version *v, uint32_t *cnt, uint32_t i)
{
	assert_same(&v[i].tree, v[i].flat);
	grown_release(w, &v[i].tree);
	free((void *)(uintptr_t)v[i].flat.p);
	memmove(&v[i], &v[i + 1], (--*cnt - i) * sizeof(v[0]));
}

static void
version_keep(struct version *v, uint32_t *cnt, const struct grown *tree, struct slice flat)
{
	uint8_t *copy = malloc(flat.len);

	INSIST(copy != NULL);
	memcpy(copy, flat.p, flat.len);
	/* The view moves with it; the envelope and the nodes stay where they are. */
	v[(*cnt)++] = (struct version){ *tree, slice_of(copy, flat.len) };
}

static void
against_model_of(unsigned int type, uint64_t seed, uint32_t name_cnt, uint32_t steps)
{
	struct version v[VERSION_MAX + 1];
	struct grove_world w;
	struct stamp epoch = { { 1 }, { 1 } };
	struct slice flat = { 0 };
	uint32_t cnt = 0, made = 0, height = 0;
	struct rng rng;

	rng_init(&rng, seed);
	grove_world_init(&w, MEM);
	for (uint32_t step = 0; step < steps; step++) {
		struct slice delta = delta_make_random(&rng, type, epoch, name_cnt);
		struct wbuf out = wbuf_init(flat_mem[step % 2], FLAT_MAX);
		int side = lattice_merge_into(LATTICE_ENVELOPE, flat, delta, &out);
		struct grown next;

		assert_true(side > 0);
		flat = wbuf_slice(&out);
		if (cnt == 0) { /* flat still, or again */
			if (treeval_wanted(flat)) {
				assert_int_equal(grown_make(&w, flat, &next), 0);
				version_keep(v, &cnt, &next, flat);
				made++;
			}
		} else {
			int got = grown_merge(&w, &v[cnt - 1].tree, delta, &next);

			assert_int_equal(got, side == LATTICE_LEFT ? LATTICE_LEFT : LATTICE_MIXED);
			if (got == LATTICE_MIXED) {
				version_keep(v, &cnt, &next, flat);
			}
		}
		if (cnt > 0) {
			assert_same(&v[cnt - 1].tree, flat);
			assert_reads_same(&rng, type, &v[cnt - 1].tree, flat, name_cnt);
			height = MAX(height, v[cnt - 1].tree.view.root->height);
		}
		while (cnt > VERSION_MAX || (cnt > 1 && rng_below(&rng, 3) == 0)) {
			version_drop(&w, v, &cnt, (uint32_t)rng_below(&rng, cnt - 1));
		}
		if (rng_below(&rng, 150) == 0) { /* a new epoch: all of it goes, in any order */
			while (cnt > 0) {
				version_drop(&w, v, &cnt, (uint32_t)rng_below(&rng, cnt));
			}
			epoch.time.v++;
			flat.len = 0;
		}
		(void)grove_sweep(&w.g, 2);
	}
	while (cnt > 0) {
		version_drop(&w, v, &cnt, (uint32_t)rng_below(&rng, cnt));
	}
	grove_world_fini(&w);
	print_message("type %u: %u trees, up to %u high\n", type, made, height);
	assert_true(made > 0);
}

static void
against_model(void **state)
{
	uint64_t seed = test_seed("treeval against_model");

	(void)state;
	against_model_of(LATTICE_GSET, seed, 2000, 1500);
	against_model_of(LATTICE_GSET, seed + 1, 200, 1500);
	against_model_of(LATTICE_MAP, seed + 2, 2000, 1500);
	against_model_of(LATTICE_MAP, seed + 3, 100, 3000);
	against_model_of(LATTICE_ORSET, seed + 4, 2000, 1000);
	against_model_of(LATTICE_ORSET, seed + 5, 150, 1500);
}

/* ---------------------------------------------------------------------------------- failures */

/* Every request for memory fails once: then nothing has changed, and nothing is lost. */
static void
no_memory(void **state)
{
	struct stamp epoch = { { 1 }, { 1 } };
	struct grove_world w;
	struct grown now, next;
	struct slice flat = { 0 };
	uint32_t failed = 0;
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("treeval no_memory"));
	grove_world_init(&w, MEM);
	for (uint32_t i = 0; i < 30; i++) {
		struct wbuf out = wbuf_init(flat_mem[i % 2], FLAT_MAX);
		struct slice delta = delta_make_random(&rng, LATTICE_MAP, epoch, 1000);

		assert_true(lattice_merge_into(LATTICE_ENVELOPE, flat, delta, &out) > 0);
		flat = wbuf_slice(&out);
	}
	for (uint64_t n = 1;; n++) {
		w.fail_in = n;
		if (grown_make(&w, flat, &now) == 0) {
			break;
		}
		failed++;
		assert_false(grove_sweep(&w.g, UINT32_MAX));
		assert_int_equal(heap_used_bytes(w.heap), 0);
	}
	w.fail_in = 0;
	for (uint32_t i = 0; i < 50; i++) {
		struct slice delta = delta_make_random(&rng, LATTICE_MAP, epoch, 1000);
		struct wbuf out = wbuf_init(flat_mem[i % 2], FLAT_MAX);
		size_t used = heap_used_bytes(w.heap);
		int side;

		for (uint64_t n = 1;; n++) {
			w.fail_in = n;
			side = grown_merge(&w, &now, delta, &next);
			if (side >= 0) {
				break;
			}
			failed++;
			assert_int_equal(side, MB_ERR_NO_MEMORY);
			assert_false(grove_sweep(&w.g, UINT32_MAX));
			assert_int_equal(heap_used_bytes(w.heap), used);
			assert_same(&now, flat);
		}
		w.fail_in = 0;
		assert_true(lattice_merge_into(LATTICE_ENVELOPE, flat, delta, &out) > 0);
		flat = wbuf_slice(&out);
		if (side == LATTICE_MIXED) {
			grown_release(&w, &now);
			now = next;
		}
		assert_same(&now, flat);
		(void)grove_sweep(&w.g, UINT32_MAX);
	}
	grown_release(&w, &now);
	grove_world_fini(&w);
	print_message("%u failures\n", failed);
	assert_true(failed > 200);
}

/* ------------------------------------------------------------------------ passing over marks */

static uint32_t look_cnt;

static bool
present_counted(struct slice item)
{
	look_cnt++;
	return list_table_ops.present(item);
}

/* Puts the mark of item i, or the item, into a list. */
static struct slice
list_item_delta(uint8_t *mem, uint64_t i, bool gone)
{
	uint8_t item_mem[64];
	struct wbuf out = wbuf_init(mem, 512), item = wbuf_init(item_mem, sizeof(item_mem));
	struct wbuf mark = wbuf_init(state_mem, 512);
	struct envelope e = { .epoch = { { 1 }, { 1 } }, .type = LATTICE_LIST };

	INSIST(list_delta_place(i, (struct stamp){ { 1 }, { 1 } }, slice_str("value"), &item) == 0);
	e.state = wbuf_slice(&item);
	if (gone) {
		struct list_item first;
		struct table_walk walk = { 0 };

		INSIST(list_next(e.state, &walk, &first));
		INSIST(list_delta_remove(e.state, first.id, &mark) == 0);
		e.state = wbuf_slice(&mark);
	}
	INSIST(envelope_write(&e, &out) == 0);
	return wbuf_slice(&out);
}

static void
list_put(struct grove_world *w, struct grown *t, uint64_t i, bool gone)
{
	uint8_t mem[512];
	struct grown next;

	assert_int_equal(grown_merge(w, t, list_item_delta(mem, i, gone), &next), LATTICE_MIXED);
	grown_release(w, t);
	*t = next;
	(void)grove_sweep(&w->g, UINT32_MAX);
}

/* The items that are seen, from both ends, and from the one that so many come before. */
static void
assert_seen(const struct grown *t, const uint64_t *want, uint32_t cnt, uint32_t looks_max)
{
	struct table_merge_ops ops = list_table_ops;
	struct table_walk walk = { 0 };
	uint32_t idx = UINT32_MAX;
	struct envelope e;
	struct slice item;
	uint64_t be;

	ops.present = present_counted;
	look_cnt = 0;
	assert_int_equal(envelope_open(tree_slice(&t->view), &e), 0);
	for (uint32_t i = 0; i < cnt; i++) {
		assert_true(presence_next(&ops, e.state, &walk, &item));
		memcpy(&be, item.p, sizeof(be));
		assert_int_equal(be64toh(be), want[i]);
	}
	assert_false(presence_next(&ops, e.state, &walk, &item));
	for (uint32_t i = cnt; i > 0; i--) {
		assert_true(presence_prev(&ops, e.state, &idx, &item));
		memcpy(&be, item.p, sizeof(be));
		assert_int_equal(be64toh(be), want[i - 1]);
	}
	assert_false(presence_prev(&ops, e.state, &idx, &item));
	assert_true(look_cnt <= looks_max);
	for (uint32_t i = 0; i < cnt; i++) {
		assert_int_equal(view_seek_at(LATTICE_LIST, e.state, i, &walk), 0);
		assert_true(presence_next(&ops, e.state, &walk, &item));
		memcpy(&be, item.p, sizeof(be));
		assert_int_equal(be64toh(be), want[i]);
	}
}

/* What was taken off a list is not looked at again: only the leaves of what is seen are. */
static void
marks_are_passed_over(void **state)
{
	enum { CNT = 6000 };
	const uint64_t want[] = { 1, 700, 701, CNT - 1 };
	struct grove_world w;
	struct slice flat = { 0 };
	struct grown t;

	(void)state;
	grove_world_init(&w, MEM);
	for (uint64_t i = 0; !treeval_wanted(flat); i++) {
		struct wbuf out = wbuf_init(flat_mem[i % 2], FLAT_MAX);
		uint8_t mem[512];

		(void)lattice_merge_into(LATTICE_ENVELOPE, flat,
					 list_item_delta(mem, CNT + i, true), &out);
		flat = wbuf_slice(&out);
	}
	assert_int_equal(grown_make(&w, flat, &t), 0);
	assert_seen(&t, want, 0, 0);
	for (uint64_t i = CNT; i-- > 0;) {
		list_put(&w, &t, i, i != 1 && i != 700 && i != 701 && i != CNT - 1);
	}
	/* Both ways, at most three leaves and what is beside them. */
	assert_seen(&t, want, ARRAY_CNT(want), 2 * 4 * (TREE_NODE_BYTES / LIST_OVERHEAD));
	list_put(&w, &t, CNT - 1, true);
	assert_seen(&t, want, 3, 2 * 3 * (TREE_NODE_BYTES / LIST_OVERHEAD));
	list_put(&w, &t, 1, true);
	assert_seen(&t, want + 1, 2, 2 * 2 * (TREE_NODE_BYTES / LIST_OVERHEAD));
	grown_release(&w, &t);
	grove_world_fini(&w);
}

/* ---------------------------------------------------------------------------------------- ranks */

static struct slice
numbers(uint8_t *mem, struct stamp epoch, unsigned int type, uint32_t cnt)
{
	struct wbuf out = wbuf_init(mem, FLAT_MAX), st = wbuf_init(state_mem, FLAT_MAX);
	struct envelope e = { .epoch = epoch, .type = type };
	struct table_builder b;

	table_begin(&b, &st);
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t be = htobe32(i);

		wbuf_put(&st, &be, sizeof(be));
		table_item_end(&b);
	}
	INSIST(table_end(&b) == 0);
	e.state = wbuf_slice(&st);
	INSIST(envelope_write(&e, &out) == 0);
	return wbuf_slice(&out);
}

/* The greater epoch or type wins whole, the same as flat; and trees are refused where they may not
 * be. */
static void
ranks(void **state)
{
	struct stamp old = { { 5 }, { 5 } }, newer = { { 6 }, { 1 } };
	struct grove_world w;
	struct grown t, next;
	struct treeval_edit edit;
	struct wbuf none = wbuf_init(NULL, 0);
	struct envelope tombstone = { .epoch = newer }, e;
	struct slice flat = numbers(flat_mem[0], old, LATTICE_GSET, 5000), tree;
	struct wbuf out = wbuf_init(delta_mem, FLAT_MAX), merged;

	(void)state;
	grove_world_init(&w, MEM);
	assert_true(treeval_wanted(flat));
	assert_false(treeval_wanted(numbers(flat_mem[1], old, LATTICE_GSET, 50)));
	assert_int_equal(grown_make(&w, flat, &t), 0);
	assert_same(&t, flat);
	assert_int_equal(grown_merge(&w, &t, slice_of(NULL, 0), &next), LATTICE_LEFT);
	assert_int_equal(grown_merge(&w, &t, flat, &next), LATTICE_LEFT);
	assert_int_equal(envelope_write(&tombstone, &out), 0);
	assert_int_equal(grown_merge(&w, &t, wbuf_slice(&out), &next), LATTICE_RIGHT);
	out.len = 0;
	tombstone.epoch = (struct stamp){ { 4 }, { 9 } };
	assert_int_equal(envelope_write(&tombstone, &out), 0);
	assert_int_equal(grown_merge(&w, &t, wbuf_slice(&out), &next), LATTICE_LEFT);
	/* A deadline alone, which has no state: the items stay. */
	out.len = 0;
	tombstone = (struct envelope){ .epoch = old, .expiry = { { { 9 }, { 9 } }, { 77 } } };
	assert_int_equal(envelope_write(&tombstone, &out), 0);
	merged = wbuf_init(flat_mem[1], FLAT_MAX);
	assert_int_equal(lattice_merge(LATTICE_ENVELOPE, flat, wbuf_slice(&out), &merged),
			 LATTICE_MIXED);
	assert_int_equal(grown_merge(&w, &t, wbuf_slice(&out), &next), LATTICE_MIXED);
	grown_release(&w, &t);
	t = next;
	flat = wbuf_slice(&merged);
	assert_same(&t, flat);
	/* A state of a greater type takes the place of the items; the deadline stays. */
	out.len = 0;
	tombstone = (struct envelope){ .epoch = old, .type = LATTICE_BOOL_OR };
	tombstone.state = slice_of("\1", 1);
	assert_int_equal(envelope_write(&tombstone, &out), 0);
	merged = wbuf_init(state_mem, FLAT_MAX);
	assert_int_equal(lattice_merge(LATTICE_ENVELOPE, flat, wbuf_slice(&out), &merged),
			 LATTICE_MIXED);
	w.fail_in = 1;
	assert_int_equal(treeval_merge(&w.g, &t.view, wbuf_slice(&out), &edit), MB_ERR_NO_MEMORY);
	assert_int_equal(treeval_merge(&w.g, &t.view, wbuf_slice(&out), &edit), TREEVAL_FLAT);
	assert_true(slice_eq(edit.flat, wbuf_slice(&merged)));
	treeval_abort(&w.g, &edit);
	/* With a later deadline of its own it wins whole. */
	out.len = 0;
	tombstone.expiry = (struct expiry){ { { 10 }, { 9 } }, { 78 } };
	assert_int_equal(envelope_write(&tombstone, &out), 0);
	assert_int_equal(treeval_merge(&w.g, &t.view, wbuf_slice(&out), &edit), LATTICE_RIGHT);
	tree = tree_slice(&t.view);
	assert_int_equal(grown_merge(&w, &t, tree, &next), MB_ERR_CORRUPT);
	assert_int_equal(lattice_merge(LATTICE_ENVELOPE, tree, flat, &none), MB_ERR_CORRUPT);
	assert_int_equal(lattice_merge(LATTICE_ENVELOPE, flat, tree, &none), MB_ERR_CORRUPT);
	assert_true(lattice_check(LATTICE_ENVELOPE, tree) < 0);
	assert_int_equal(envelope_open(tree, &e), 0);
	assert_true(lattice_check(LATTICE_GSET, e.state) < 0);
	assert_int_equal(lattice_merge(LATTICE_GSET, e.state, e.state, &none), MB_ERR_CORRUPT);
	assert_same(&t, flat);
	grown_release(&w, &t);
	grove_world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_memory),
		cmocka_unit_test(marks_are_passed_over),
		cmocka_unit_test(ranks),
		cmocka_unit_test(against_model),
	};
	int failed;

	for (uint32_t i = 0; i < 2; i++) {
		flat_mem[i] = malloc(FLAT_MAX);
	}
	delta_mem = malloc(FLAT_MAX);
	state_mem = malloc(FLAT_MAX);
	check_mem = malloc(FLAT_MAX);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (uint32_t i = 0; i < 2; i++) {
		free(flat_mem[i]);
	}
	free(delta_mem);
	free(state_mem);
	free(check_mem);
	return failed;
}
