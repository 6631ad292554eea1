/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   who looks for ranks sees each item that has one of them, passes over most others, and
 *         comes to an end whatever the nodes say; a node says exactly what is below it.
 * Method: a sorted set as a tree, changed at random beside a plain array of scores: added, moved,
 *         removed, by few and by many scores. Then the same tree with words of it changed.
 */
#include "rank.h"

#include <stdio.h>

#include "grove_world.h"
#include "map.h"
#include "oset.h"
#include "rng.h"
#include "score.h"
#include "test_cmocka.h"
#include "test_seed.h"

#define MEM   ((size_t)4 << 20)
#define NAMES 2500
#define BEAM  300

static struct grove_world w;
static struct grown t;
static double score[NAMES];
static bool there[NAMES];
static uint64_t epoch;

static struct slice
name_of(uint32_t i)
{
	static char buf[16];

	return slice_of(buf, (size_t)snprintf(buf, sizeof(buf), "m%06u", i));
}

/* The map of one member with a score, or without any more. */
static struct slice
member_made(uint32_t i, double x, bool is_there)
{
	static uint8_t state_mem[64], del_mem[64], field_mem[128], map_mem[256];
	struct wbuf state = wbuf_init(state_mem, sizeof(state_mem)),
		    del = wbuf_init(del_mem, sizeof(del_mem)),
		    field = wbuf_init(field_mem, sizeof(field_mem)),
		    map = wbuf_init(map_mem, sizeof(map_mem));
	struct envelope e = { .epoch = { .time = { ++epoch }, .writer = { 1 } },
			      .type = LATTICE_SCORE };

	INSIST(score_delta_set(x, &state) == 0);
	INSIST(score_delta_del(wbuf_slice(&state), &del) == 0);
	e.state = is_there ? wbuf_slice(&state) : wbuf_slice(&del);
	INSIST(envelope_write(&e, &field) == 0);
	INSIST(map_delta_put(&(struct map_field){ name_of(i), LATTICE_ENVELOPE,
						  wbuf_slice(&field) },
			     &map) == 0);
	return wbuf_slice(&map);
}

static struct slice
whole_of(struct slice state, uint8_t *mem, size_t cap)
{
	const struct envelope e = { .type = LATTICE_OSET, .state = state };
	struct wbuf out = wbuf_init(mem, cap);

	INSIST(envelope_write(&e, &out) == 0);
	return wbuf_slice(&out);
}

static void
change(uint32_t i, double x, bool is_there)
{
	uint8_t mem[512];
	struct grown next;

	assert_int_equal(grown_merge(&w, &t,
				     whole_of(member_made(i, x, is_there), mem, sizeof(mem)),
				     &next),
			 LATTICE_MIXED);
	grown_release(&w, &t);
	t = next;
	score[i] = x;
	there[i] = is_there;
	while (grove_sweep(&w.g, 8)) {
	}
}

/* All members, with these scores. */
static void
set_make(double (*score_of)(uint32_t i))
{
	static uint8_t mem[512 << 10], out_mem[512 << 10];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct table_builder b;
	struct table one;

	table_begin(&b, &out);
	for (uint32_t i = 0; i < NAMES; i++) {
		score[i] = score_of(i);
		there[i] = true;
		INSIST(table_open(member_made(i, score[i], true), &one) == 0);
		table_add_run(&b, &one, 0, 1);
	}
	INSIST(table_end(&b) == 0);
	grove_world_init(&w, MEM);
	INSIST(grown_make(&w, whole_of(wbuf_slice(&out), out_mem, sizeof(out_mem)), &t) == 0);
}

static void
set_end(void)
{
	grown_release(&w, &t);
	grove_world_fini(&w);
}

static struct slice
set_state(void)
{
	struct envelope e;

	INSIST(envelope_open(tree_slice(&t.view), &e) == 0);
	return e.state;
}

/* What a node says is below it. Returns: how many leaves there are whose lowest rank is below x. */
static uint32_t
spans_are_exact(const struct table *node, uint32_t height, double x, struct rank_span *ret)
{
	struct rank_span below;
	struct tree_entry e;
	struct table child;
	uint32_t cnt = 0;

	*ret = rank_span_none();
	for (uint32_t i = 0; tree_entry_at(node, i, &e); i++) {
		assert_non_null(tree_node_open(&t.view, e.off, height - 1, &child));
		if (height == 1) {
			below = rank_span_of(&child, &oset_table_ops);
			cnt += below.low < x;
		} else {
			cnt += spans_are_exact(&child, height - 1, x, &below);
		}
		assert_true(below.low == e.ranks.low);
		assert_true(below.high == e.ranks.high);
		rank_span_add(ret, below);
	}
	return cnt;
}

static uint32_t
leaves_below(double x)
{
	const struct tree_node *root = t.view.root;
	struct rank_span all;
	struct table body;

	assert_int_equal(table_open(slice_of(root->body, root->len), &body), 0);
	return spans_are_exact(&body, root->height, x, &all);
}

/* Who walks by a span, either way, sees all that are in it, in their order. */
static void
walk_sees(struct rank_span span, bool back)
{
	struct table_walk walk = { 0 };
	struct oset_entry e;
	uint32_t i = back ? NAMES - 1 : 0; /* below 0 it is above all */

	while (oset_walk(set_state(), &walk, span, back, &e)) {
		if (e.score < span.low || e.score > span.high) {
			continue;
		}
		while (i < NAMES && !(there[i] && score[i] >= span.low && score[i] <= span.high)) {
			i += back ? -1 : 1;
		}
		assert_true(i < NAMES);
		assert_true(slice_eq(e.member, name_of(i)));
		assert_true(e.score == score[i]);
		i += back ? -1 : 1;
	}
	for (; i < NAMES; i += back ? -1 : 1) {
		assert_false(there[i] && score[i] >= span.low && score[i] <= span.high);
	}
}

/* So many are not above a bound, and fewer leaves have one that is below. */
static void
bound_holds(uint32_t k, bool high)
{
	static struct rank_beam beam[2 * BEAM];
	double bound = rank_bound(set_state(), k, high, beam);
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < NAMES; i++) {
		cnt += there[i] && (high ? score[i] >= bound : score[i] <= bound);
	}
	if (high ? bound > -INFINITY : bound < INFINITY) {
		assert_true(cnt >= k);
	}
	if (!high) {
		assert_true(leaves_below(bound) < k || bound == INFINITY);
	}
}

static double
as_named(uint32_t i)
{
	return i;
}

static double
all_alike(uint32_t i)
{
	return (double)(i * 0);
}

static void
changes_at_random(void **state)
{
	static double (*const made[])(uint32_t) = { as_named, all_alike };
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("rank changes"));
	for (uint32_t turn = 0; turn < 4; turn++) {
		uint64_t scores = turn < 2 ? 1000000 : 5;

		set_make(made[turn % 2]);
		for (uint32_t step = 1; step <= 2000; step++) {
			double x = (double)rng_below(&rng, scores);

			/* The first ones go, as when they are popped. */
			change(step % 2 == 0 ? step / 2 : (uint32_t)rng_below(&rng, NAMES), x,
			       step % 2 != 0 && rng_below(&rng, 3) != 0);
			if (step % 100 == 0) {
				double y = (double)rng_below(&rng, scores);
				struct rank_span span = { MIN(x, y), MAX(x, y) };

				for (int back = 0; back < 2; back++) {
					walk_sees(span, back);
					walk_sees(rank_span_all(), back);
					bound_holds(1, back);
					bound_holds(7, back);
					bound_holds(BEAM, back);
				}
			}
		}
		set_end();
	}
}

/* Of one score, where members come in the order of their scores, one leaf is looked at, and the
 * lowest of them is known from the way there. */
static void
others_are_passed_over(void **state)
{
	static struct rank_beam beam[2];
	struct rank_span span = { 1234, 1234 };
	struct slice item;

	(void)state;
	set_make(as_named);
	for (int back = 0; back < 2; back++) {
		struct table_walk walk = { 0 };
		uint32_t cnt = 0;

		while (rank_walk_next(set_state(), &walk, span, back, &item)) {
			cnt++;
		}
		assert_in_range(cnt, 1, TREE_NODE_BYTES / 32);
	}
	assert_true(rank_bound(set_state(), 1, false, beam) == 0);
	assert_true(rank_bound(set_state(), 1, true, beam) == NAMES - 1);
	set_end();
}

/* Flat ones are walked as well, and say nothing. */
static void
flat(void **state)
{
	struct rank_beam beam[2];
	struct slice v = member_made(3, 5, true);

	(void)state;
	for (int back = 0; back < 2; back++) {
		struct table_walk walk = { 0 };
		struct oset_entry e;

		assert_true(oset_walk(v, &walk, rank_span_all(), back, &e));
		assert_true(e.score == 5 && slice_eq(e.member, name_of(3)));
		assert_false(oset_walk(v, &walk, rank_span_all(), back, &e));
		walk = (struct table_walk){ 0 };
		assert_false(oset_walk(slice_of(NULL, 0), &walk, rank_span_all(), back, &e));
	}
	assert_true(isinf(rank_bound(v, 1, false, beam)));
}

/* Returns: something that needs all that was read. */
static uint64_t
read_all(const struct tree_view *view, struct rng *rng)
{
	static struct rank_beam beam[2 * BEAM];
	double x = (double)rng_below(rng, NAMES);
	struct envelope e;
	uint64_t sum = 0;

	(void)envelope_open(tree_slice(view), &e);
	for (int back = 0; back < 2; back++) {
		struct table_walk walk = { 0 };
		struct oset_entry entry;

		for (uint32_t i = 0; i < NAMES; i++) {
			if (!oset_walk(e.state, &walk, (struct rank_span){ x, x + 50 }, back,
				       &entry)) {
				break;
			}
			sum += entry.member.len + (entry.member.len > 0 ? entry.member.p[0] : 0);
		}
		sum += rank_bound(e.state, BEAM, back, beam) > 0;
	}
	return sum;
}

static void
damaged(void **state)
{
	static uint8_t sound[MEM];
	uint64_t sum = 0;
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("rank damaged"));
	set_make(as_named);
	memcpy(sound, w.mem, MEM);
	for (uint32_t turn = 0; turn < 2000; turn++) {
		struct tree_view view;

		for (uint64_t cnt = 1 + rng_below(&rng, 8); cnt > 0; cnt--) {
			size_t used = heap_used_bytes(w.heap) + 64 * 1024;
			size_t at = rng_below(&rng, 2) == 0 ? (size_t)((uint8_t *)t.block - w.mem) +
								      rng_below(&rng, t.bytes - 8)
							    : rng_below(&rng, MIN(used, MEM - 8));
			uint64_t word = rng_below(&rng, 3) == 0   ? rng_u64(&rng)
					: rng_below(&rng, 2) == 0 ? rng_below(&rng, MEM)
								  : UINT32_MAX;

			memcpy(w.mem + at, &word, 1 + rng_below(&rng, 8));
		}
		if (tree_view_init(&view, w.mem, 64, MEM, slice_of(t.block, t.view.envelope.len)) ==
		    0) {
			sum += read_all(&view, &rng);
		}
		memcpy(w.mem, sound, MEM);
	}
	print_message("%llu\n", (unsigned long long)sum);
	walk_sees(rank_span_all(), false);
	set_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flat),
		cmocka_unit_test(others_are_passed_over),
		cmocka_unit_test(changes_at_random),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
