/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a change of a large tree makes a few nodes, frees as many, and a reader who never lets go
 *         keeps the version he holds and nothing that came after it; failures leave nothing behind.
 * Method: sets of numbers, nodes and bytes counted by the heap that they come from.
 */
#include "grove.h"

#include "envelope.h"
#include "grove_world.h"
#include "gset.h"
#include "map.h"
#include "microburst/error.h"
#include "orset.h"
#include "presence.h"
#include "rng.h"
#include "strval.h"
#include "test_cmocka.h"
#include "test_seed.h"

#define MEM ((size_t)128 << 20)

static uint8_t delta_mem[256];

/* The flat set of 0, step, 2 step .. */
static struct slice
set_flat(uint8_t *mem, size_t cap, uint32_t cnt, uint32_t step)
{
	uint8_t *state_mem = malloc(cap);
	struct wbuf st = wbuf_init(state_mem, cap), out = wbuf_init(mem, cap);
	struct envelope e = { .type = LATTICE_GSET };
	struct table_builder b;

	table_begin(&b, &st);
	for (uint32_t i = 0; i < cnt; i++) {
		uint64_t be = htobe64((uint64_t)i * step);

		wbuf_put(&st, &be, sizeof(be));
		table_item_end(&b);
	}
	INSIST(table_end(&b) == 0);
	e.state = wbuf_slice(&st);
	INSIST(envelope_write(&e, &out) == 0);
	free(state_mem);
	return wbuf_slice(&out);
}

static struct slice
delta_of(uint64_t n)
{
	uint64_t be = htobe64(n);
	struct slice member = slice_of(&be, sizeof(be));
	uint8_t mem[64];
	struct wbuf st = wbuf_init(mem, sizeof(mem));
	struct wbuf out = wbuf_init(delta_mem, sizeof(delta_mem));
	struct envelope e = { .type = LATTICE_GSET };

	INSIST(gset_delta_add(&member, 1, &st) == 0);
	e.state = wbuf_slice(&st);
	INSIST(envelope_write(&e, &out) == 0);
	return wbuf_slice(&out);
}

static struct grown
grown_of(struct grove_world *w, uint32_t cnt, uint32_t step)
{
	size_t cap = (size_t)cnt * 12 + 64;
	uint8_t *mem = malloc(cap);
	struct grown t;

	INSIST(mem != NULL);
	INSIST(grown_make(w, set_flat(mem, cap, cnt, step), &t) == 0);
	free(mem);
	return t;
}

/* One member more: on each level a node or two, and the root. */
static void
change_is_a_path(void **state)
{
	struct grove_world w;
	struct grown t = { 0 }, next = { 0 };
	uint64_t most = 0;
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("grove change_is_a_path"));
	grove_world_init(&w, MEM);
	t = grown_of(&w, 1000000, 1000);
	print_message("1,000,000 members: %u high, %llu nodes\n", t.view.root->height,
		      (unsigned long long)w.alloc_cnt);
	assert_true(t.view.root->height <= 4);
	for (uint32_t i = 0; i < 20000; i++) {
		uint64_t before = w.alloc_cnt;
		uint64_t n = rng_below(&rng, 1000000000) | 1;

		if (grown_merge(&w, &t, delta_of(n), &next) == LATTICE_MIXED) {
			most = MAX(most, w.alloc_cnt - before);
			grown_release(&w, &t);
			t = next;
		}
		(void)grove_sweep(&w.g, 100);
		assert_null(w.g.garbage);
	}
	/* The root; at each level below one node, or two and the one they are cut from. */
	print_message("at most %llu nodes for a member\n", (unsigned long long)most);
	assert_true(most <= 3 * (t.view.root->height + 1u));
	/* Full at the start, two thirds when all were cut: no node is lost, or kept for nothing. */
	assert_true(heap_used_bytes(w.heap) < 2 * 12 * t.view.root->cnt);
	grown_release(&w, &t);
	grove_world_fini(&w);
}

/* A reader holds the first version for ever; others come and go. */
static void
endless_reader(void **state)
{
	struct grove_world w;
	struct grown first, now, next, other = { 0 };
	size_t alone, most = 0;
	bool has_other = false;
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("grove endless_reader"));
	grove_world_init(&w, MEM);
	first = now = grown_of(&w, 20000, 1000);
	alone = heap_used_bytes(w.heap);
	for (uint32_t i = 0; i < 30000; i++) {
		/* Few places, many changes: each node of the first dies, and many of the others. */
		uint64_t n = rng_below(&rng, 20000) * 1000 + rng_below(&rng, 3);
		int side = grown_merge(&w, &now, delta_of(n), &next);

		assert_true(side > 0);
		if (side == LATTICE_MIXED) {
			bool keep = !has_other && rng_below(&rng, 50) == 0;

			if (keep) {
				other = now;
			} else if (now.block != first.block) {
				grown_release(&w, &now);
			}
			if (has_other && rng_below(&rng, 50) == 0) {
				grown_release(&w, &other);
				has_other = false;
			}
			has_other = has_other || (keep && other.block != first.block);
			now = next;
		}
		while (grove_sweep(&w.g, 100)) {
		}
		most = MAX(most, heap_used_bytes(w.heap));
	}
	assert_int_equal(first.view.root->cnt, 20000);
	for (uint32_t i = 0; i < 20000; i++) {
		uint64_t be = htobe64((uint64_t)i * 1000);

		assert_true(gset_has(tree_slice(&first.view), slice_of(&be, sizeof(be))));
	}
	if (has_other) {
		grown_release(&w, &other);
	}
	print_message("first: %zu bytes; with all that came after: %zu at most\n", alone, most);
	/* The first, what there is now (three times the members, in nodes two thirds full), and one
	 * between. */
	assert_true(most < alone + 2 * (3 * alone * 3 / 2 + (64 << 10)));
	grown_release(&w, &now); /* the last goes before the first */
	while (grove_sweep(&w.g, 100)) {
	}
	assert_int_equal(heap_used_bytes(w.heap), alone);
	grown_release(&w, &first);
	grove_world_fini(&w);
}

/* In order, as keys with a time or a number in them come: nodes are full, not half empty. */
static void
in_order(void **state)
{
	struct grove_world w;
	struct grown t = { 0 }, next = { 0 };

	(void)state;
	grove_world_init(&w, MEM);
	t = grown_of(&w, 1000, 1);
	for (uint32_t i = 1000; i < 50000; i++) {
		assert_int_equal(grown_merge(&w, &t, delta_of(i), &next), LATTICE_MIXED);
		grown_release(&w, &t);
		t = next;
		(void)grove_sweep(&w.g, 100);
	}
	print_message("50,000 members in order: %zu bytes for %u\n", heap_used_bytes(w.heap),
		      50000 * 12);
	assert_true(heap_used_bytes(w.heap) < 50000 * (12 + 4) * 5 / 4);
	grown_release(&w, &t);
	grove_world_fini(&w);
}

/* A tree that is made leaf by leaf, and given up in the middle. */
static void
given_up(void **state)
{
	struct grove_world w;
	struct treeval_edit edit;
	struct grown from = { 0 };
	struct envelope e;
	struct table t, run;
	uint32_t at;
	size_t used;

	(void)state;
	grove_world_init(&w, MEM);
	from = grown_of(&w, 100000, 3);
	used = heap_used_bytes(w.heap);
	assert_int_equal(envelope_open(tree_slice(&from.view), &e), 0);
	assert_int_equal(table_open(e.state, &t), 0);
	for (uint32_t stop = 0; stop <= t.cnt; stop += t.cnt / 4) {
		struct grown copy;
		uint32_t i = 0;

		assert_int_equal(treeval_begin(&w.g, &e, &edit), 0);
		while (i < stop && table_run(&t, i, &run, &at)) {
			assert_int_equal(grove_add(&w.g, &edit.grove, &run), 0);
			i += run.cnt;
		}
		if (i < t.cnt) {
			treeval_abort(&w.g, &edit);
		} else {
			assert_int_equal(treeval_seal(&w.g, &edit, UINT32_MAX), 0);
			assert_int_equal(grown_commit(&w, &edit, &copy), 0);
			assert_true(treeval_equal(tree_slice(&copy.view), tree_slice(&from.view)));
			grown_release(&w, &copy);
		}
		while (grove_sweep(&w.g, 10)) {
		}
		assert_int_equal(heap_used_bytes(w.heap), used);
	}
	grown_release(&w, &from);
	grove_world_fini(&w);
}

/* The envelope of a map whose field is set to so many bytes at this time, or deleted. */
static struct slice
field_of(uint8_t *mem, size_t cap, uint64_t time, size_t len)
{
	struct envelope field = { .type = LATTICE_STRING, .epoch.time.v = time };
	struct envelope e = { .type = LATTICE_MAP };
	struct wbuf out = wbuf_init(mem, cap);
	struct map_builder b;
	uint8_t *value = calloc(1, len + 1);

	map_begin(&b, &out);
	map_field_begin(&b, slice_str("field"));
	INSIST(strval_delta_set(slice_of(value, len), &out) == 0);
	INSIST(envelope_write_tail(&field, &out) == 0);
	map_field_end(&b, LATTICE_ENVELOPE);
	INSIST(map_end(&b) == 0);
	INSIST(envelope_write_tail(&e, &out) == 0);
	free(value);
	return wbuf_slice(&out);
}

/* What takes a long item's place, or changes it, needs room for what comes of it, not for both. */
static void
a_long_item_has_its_room_once(void **state)
{
	enum { LONG = 1 << 20, CAP = LONG + 4096 };
	const size_t lens[] = { LONG, LONG - 4000, LONG + 100, 0, LONG };
	uint8_t *mem = malloc(CAP);
	struct grove_world w;
	struct grown t = { 0 }, next = { 0 };

	(void)state;
	grove_world_init(&w, 5 * LONG / 2); /* two of them */
	assert_int_equal(grown_make(&w, field_of(mem, CAP, 1, LONG), &t), 0);
	for (uint64_t i = 0; i < ARRAY_CNT(lens); i++) {
		assert_int_equal(grown_merge(&w, &t, field_of(mem, CAP, 2 + i, lens[i]), &next),
				 LATTICE_MIXED);
		grown_release(&w, &t);
		t = next;
		while (grove_sweep(&w.g, 10)) {
		}
		/* An older one changes nothing, and needs no room. */
		assert_int_equal(grown_merge(&w, &t, field_of(mem, CAP, 1, LONG), &next),
				 LATTICE_LEFT);
	}
	grown_release(&w, &t);
	grove_world_fini(&w);
	free(mem);
}

/* The envelope of a set of one member: this byte, so often. */
static struct slice
member_of(uint8_t *mem, size_t cap, char byte, size_t len)
{
	struct envelope e = { .type = LATTICE_GSET };
	struct wbuf out = wbuf_init(mem, cap);
	struct table_builder b;

	table_begin(&b, &out);
	memset(wbuf_reserve(&out, len), byte, len);
	table_item_end(&b);
	INSIST(table_end(&b) == 0);
	INSIST(envelope_write_tail(&e, &out) == 0);
	return wbuf_slice(&out);
}

/* What is put beside a long item does not copy it; one that was brought to its leaf before is not
 * copied either. Each request for memory fails once, too: then nothing has changed. */
static void
a_long_item_stays_where_it_is(void **state)
{
	enum { LONG = 1 << 20, CAP = LONG + 4096 };
	const char order[] = "mzanycxblopq";
	uint8_t *mem = malloc(CAP);
	struct grown t = { 0 }, next = { 0 };
	struct grove_world w;
	size_t used;

	(void)state;
	grove_world_init(&w, 3 * LONG);
	for (size_t i = 0; i + 1 < sizeof(order); i++) {
		size_t len = i == 0 || i == 6 ? LONG : 10;
		struct slice delta = member_of(mem, CAP, order[i], len);
		struct grove_ready ready = {
			.item = delta.p,
			.from = 5,
			.to = LONG - 5,
			.room = CAP,
		};
		const uint8_t *at = NULL;

		if (len == LONG) {
			while (grove_ready_step(&w.g, &ready, 100000) == MB_ERR_TRYAGAIN) {
			}
			at = ready.node->body;
			memset(mem + ready.from, 0, LONG - 10); /* it is not read any more */
			w.g.ready = &ready;
		}
		used = heap_used_bytes(w.heap);
		if (i == 0) {
			assert_int_equal(grown_make(&w, delta, &next), 0);
		} else if (len == LONG) {
			assert_int_equal(grown_merge(&w, &t, delta, &next), LATTICE_MIXED);
		} else {
			int side = MB_ERR_NO_MEMORY;

			for (uint64_t n = 1; side == MB_ERR_NO_MEMORY; n++) {
				w.fail_in = n;
				side = grown_merge(&w, &t, delta, &next);
				assert_int_equal(side > 0 ? LATTICE_MIXED : MB_ERR_NO_MEMORY, side);
				while (side < 0 && grove_sweep(&w.g, 10)) {
				}
				assert_true(side > 0 || heap_used_bytes(w.heap) == used);
			}
			w.fail_in = 0;
		}
		assert_true(heap_used_bytes(w.heap) < used + 20000);
		if (len == LONG) {
			struct table leaf;
			uint32_t first;

			assert_null(ready.node);
			assert_true(tree_leaf(&next.view, i == 0 ? 0 : 4, &leaf, &first));
			assert_int_equal(leaf.cnt, 1);
			assert_ptr_equal(leaf.items, at);
		}
		w.g.ready = NULL;
		if (i > 0) {
			grown_release(&w, &t);
		}
		t = next;
		while (grove_sweep(&w.g, 10)) {
		}
	}
	assert_int_equal(t.view.root->cnt, sizeof(order) - 1);
	for (size_t i = 0; i + 1 < sizeof(order); i++) {
		size_t len = i == 0 || i == 6 ? LONG : 10;
		struct slice delta = member_of(mem, CAP, order[i], len);

		assert_int_equal(grown_merge(&w, &t, delta, &next), LATTICE_LEFT);
	}
	grown_release(&w, &t);
	grove_world_fini(&w);
	free(mem);
}

/* ------------------------------------------------------------------------- items taken out */

#define MARKS      12000
#define MARKS_FLAT ((size_t)MARKS * 64)

enum there { NOT_THERE, MARK, LIVE };

/* A set of the members that are what[] at their number, as a state. some: only these marks. */
static struct slice
marks_flat(uint8_t *mem, const uint8_t *what, const bool *some)
{
	struct wbuf out = wbuf_init(mem, MARKS_FLAT);
	struct table_builder b;

	table_begin(&b, &out);
	for (uint32_t i = 0; i < MARKS; i++) {
		uint8_t dot_mem[64];
		struct wbuf dot = wbuf_init(dot_mem, sizeof(dot_mem));
		uint64_t be = htobe64((uint64_t)i * i);

		if (what[i] == NOT_THERE || (some != NULL && !some[i])) {
			continue;
		}
		presence_put_add(&dot, (struct stamp){ { 1 + i }, { 1 } });
		wbuf_put(&out, &be, sizeof(be));
		if (what[i] == MARK) {
			INSIST(presence_put_gone(&out, wbuf_slice(&dot)));
		} else {
			wbuf_put(&out, dot.p, dot.len);
		}
		table_item_end(&b);
	}
	INSIST(table_end(&b) == 0);
	return wbuf_slice(&out);
}

static struct slice
marks_envelope(uint8_t *mem, struct slice state)
{
	struct envelope e = { .type = LATTICE_ORSET, .state = state };
	struct wbuf out = wbuf_init(mem, MARKS_FLAT);

	INSIST(envelope_write(&e, &out) == 0);
	return wbuf_slice(&out);
}

/* Chooses marks of [from, to), each in step. Returns: how many. */
static uint32_t
choose(struct rng *rng, const uint8_t *what, bool *some)
{
	uint32_t from = (uint32_t)rng_below(rng, MARKS), cnt = 0;
	uint32_t to = from + (uint32_t)rng_below(rng, MARKS / 3);
	uint32_t step = rng_below(rng, 2) == 0 ? 1 : 1 + (uint32_t)rng_below(rng, 60);

	memset(some, 0, MARKS * sizeof(some[0]));
	for (uint32_t i = from; i < MIN(to, (uint32_t)MARKS); i += step) {
		some[i] = what[i] == MARK;
		cnt += some[i];
	}
	return cnt;
}

/* Checks a version against what should be in it. */
static void
as_it_should_be(const struct grown *t, const uint8_t *what, uint8_t *mem, uint8_t *envelope_mem)
{
	struct slice flat = marks_envelope(envelope_mem, marks_flat(mem, what, NULL));
	uint32_t live = 0;
	struct envelope e;

	assert_true(treeval_equal(tree_slice(&t->view), flat));
	assert_int_equal(envelope_open(tree_slice(&t->view), &e), 0);
	for (uint32_t i = 0; i < MARKS; i++) {
		uint64_t be = htobe64((uint64_t)i * i);

		live += what[i] == LIVE;
		assert_int_equal(orset_has(e.state, slice_of(&be, sizeof(be))), what[i] == LIVE);
	}
	assert_int_equal(t->view.root->present, live);
}

/* Marks go, from leaves that stay and with leaves, nodes and all but little of the tree; others
 * come meanwhile. A failure, at any request for memory, or because one of them is not there,
 * leaves all as it is. */
static void
marks_are_taken_out(void **state)
{
	static uint8_t what[MARKS], mem[MARKS_FLAT], envelope_mem[MARKS_FLAT];
	static bool some[MARKS];
	struct grown t = { 0 }, next = { 0 };
	struct treeval_edit edit;
	struct grove_world w;
	uint32_t failed = 0, gone = 0;
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("grove marks_are_taken_out"));
	grove_world_init(&w, MEM);
	for (uint32_t i = 0; i < MARKS; i++) {
		what[i] = i % 97 == 0 ? LIVE : MARK;
	}
	assert_int_equal(grown_make(&w, marks_envelope(envelope_mem, marks_flat(mem, what, NULL)),
				    &t),
			 0);
	assert_int_equal(t.view.root->height, 2);
	for (uint32_t round = 0; round < 120; round++) {
		uint32_t cnt = choose(&rng, what, some);
		struct slice marks = marks_flat(mem, what, some);
		int err;

		if (cnt == 0) {
			continue;
		}
		w.fail_in = rng_below(&rng, 3) == 0 ? 1 + rng_below(&rng, 40) : 0;
		err = treeval_forget(&w.g, &t.view, marks, &edit);
		if (err == MB_ERR_NO_MEMORY) {
			failed++;
		} else {
			assert_int_equal(err, LATTICE_MIXED);
			w.fail_in = 0;
			assert_int_equal(grown_commit(&w, &edit, &next), 0);
			grown_release(&w, &t);
			t = next;
			for (uint32_t i = 0; i < MARKS; i++) {
				what[i] = some[i] ? NOT_THERE : what[i];
			}
			gone += cnt;
			assert_int_equal(treeval_forget(&w.g, &t.view, marks, &edit),
					 MB_ERR_NOT_FOUND);
		}
		w.fail_in = 0;
		while (grove_sweep(&w.g, 100)) {
		}
		as_it_should_be(&t, what, mem, envelope_mem);
		if (round % 8 == 7) { /* some are put there again */
			(void)choose(&rng, what, some);
			for (uint32_t i = 0; i < MARKS; i += 1 + (uint32_t)rng_below(&rng, 50)) {
				what[i] = what[i] == NOT_THERE ? MARK : what[i];
			}
			err = grown_merge(&w, &t,
					  marks_envelope(envelope_mem, marks_flat(mem, what, NULL)),
					  &next);
			assert_int_equal(err, LATTICE_MIXED);
			grown_release(&w, &t);
			t = next;
		}
	}
	print_message("%u marks taken out, %u times in vain\n", gone, failed);
	assert_true(gone > MARKS / 2);
	assert_true(failed > 5);
	grown_release(&w, &t);
	grove_world_fini(&w);
}

/* What counts towards a bound is what is shown, and what marks have over the shortest one: whether
 * nodes are patched, written anew, or the tree is made. */
static void
marks_count_little(void **state)
{
	static uint8_t what[MARKS], mem[MARKS_FLAT], envelope_mem[MARKS_FLAT];
	static bool some[MARKS];
	struct grown t = { 0 }, next = { 0 };
	struct treeval_edit edit;
	struct grove_world w;
	uint32_t marks = 0, patched = 0, cnt = 0;
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("grove marks_count_little"));
	grove_world_init(&w, MEM);
	for (uint32_t i = 0; i < MARKS; i++) {
		what[i] = (uint8_t)rng_below(&rng, 3);
		marks += what[i] == MARK;
		cnt += what[i] != NOT_THERE;
	}
	assert_int_equal(treeval_make(&w.g,
				      marks_envelope(envelope_mem, marks_flat(mem, what, NULL)),
				      &edit),
			 0);
	assert_int_equal(edit.grove.marks, marks);
	assert_int_equal(grown_commit(&w, &edit, &t), 0);
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t place = (uint32_t)rng_below(&rng, MARKS);

		memset(some, 0, sizeof(some));
		for (uint32_t i = place; i < MIN(place + round % 5 * 7 + 1, (uint32_t)MARKS); i++) {
			patched += what[i] == LIVE;
			marks += what[i] != MARK;
			cnt += what[i] == NOT_THERE;
			what[i] = MARK;
			some[i] = true;
		}
		if (treeval_merge(&w.g, &t.view,
				  marks_envelope(envelope_mem, marks_flat(mem, what, some)),
				  &edit) != LATTICE_MIXED) {
			continue;
		}
		assert_int_equal(edit.grove.marks, marks);
		assert_in_range(treeval_counted(&edit), cnt * 8 + (cnt - marks) * 21,
				cnt * 8 + (cnt - marks) * 21 + ENVELOPE_OVERHEAD);
		assert_int_equal(grown_commit(&w, &edit, &next), 0);
		grown_release(&w, &t);
		t = next;
	}
	assert_true(patched > 20);
	grown_release(&w, &t);
	grove_world_fini(&w);
}

/* When nothing would be left it is refused: that is not a tree. A mark that is not the same one is
 * not taken out. What is left over of a tree takes little room. */
static void
all_marks_but_one(void **state)
{
	static uint8_t what[MARKS], mem[MARKS_FLAT], envelope_mem[MARKS_FLAT];
	struct grown t = { 0 }, next = { 0 };
	struct treeval_edit edit;
	struct grove_world w;
	struct slice flat;

	(void)state;
	grove_world_init(&w, MEM);
	memset(what, MARK, sizeof(what));
	flat = marks_flat(mem, what, NULL);
	assert_int_equal(grown_make(&w, marks_envelope(envelope_mem, flat), &t), 0);
	assert_int_equal(treeval_forget(&w.g, &t.view, flat, &edit), MB_ERR_NOT_FOUND);
	what[MARKS - 1] = LIVE;
	flat = marks_flat(mem, what, NULL);
	assert_int_equal(treeval_forget(&w.g, &t.view, flat, &edit), MB_ERR_NOT_FOUND);
	what[MARKS - 1] = NOT_THERE;
	flat = marks_flat(mem, what, NULL);
	assert_int_equal(treeval_forget(&w.g, &t.view, flat, &edit), LATTICE_MIXED);
	assert_int_equal(grown_commit(&w, &edit, &next), 0);
	grown_release(&w, &t);
	while (grove_sweep(&w.g, 100)) {
	}
	INSIST(next.view.root != NULL);
	assert_int_equal(next.view.root->cnt, 1);
	assert_true(heap_used_bytes(w.heap) < 1024);
	grown_release(&w, &next);
	grove_world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_item_stays_where_it_is),
		cmocka_unit_test(marks_are_taken_out),
		cmocka_unit_test(marks_count_little),
		cmocka_unit_test(all_marks_but_one),
		cmocka_unit_test(a_long_item_has_its_room_once),
		cmocka_unit_test(given_up),
		cmocka_unit_test(endless_reader),
		cmocka_unit_test(in_order),
		cmocka_unit_test(change_is_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
