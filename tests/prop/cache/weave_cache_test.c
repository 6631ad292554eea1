/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a reader of the cache never sees a torn value, a held value never changes, and time does
 *         not go back for him, in every order in which his steps and the tile's can happen.
 * Method: the shipped writer and reader, run by the weaver (tests/prop/rt/weaver.h): all
 *         interleavings of short scripts, with the store buffers of x86. First the same with one
 *         bug each, which the search must find.
 */
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "test_cmocka.h"
#include "weave_shard.h"

/* ------------------------------------------------------------------------ scripts */

static void
reset_small(void)
{
	shard_reset(SHARD_SMALL, 1);
}

static void
reset_medium(void)
{
	shard_reset(SHARD_MEDIUM, 1);
}

static void
reset_large(void)
{
	shard_reset(SHARD_LARGE, 1);
}

static void
show_small(void)
{
	shard_show(SHARD_SMALL, 2);
}

/* Twice: a version must not come back. */
static void
show_small_twice(void)
{
	shard_show(SHARD_SMALL, 2);
	shard_show(SHARD_SMALL, 3);
}

static void
show_medium(void)
{
	shard_show(SHARD_MEDIUM, 2);
}

static void
show_large_and_reuse(void)
{
	shard_show(SHARD_LARGE, 2);
	shard_reuse();
}

static void
drop_and_reuse(void)
{
	shard_drop();
	shard_reuse();
}

static void
read_once(void)
{
	(void)shard_read();
}

static void
read_twice(void)
{
	uint64_t first = shard_read(), second = shard_read();

	if (first != 0 && second != 0 && second < first) {
		weave_wrong("a second get found an older value");
	}
}

static void
tree_show_and_reuse(void)
{
	shard_tree_show(2);
	shard_tree_reuse();
}

static void
tree_read_once(void)
{
	(void)shard_tree_read();
}

/* -------------------------------------------------------------------------- plans */

static const struct weave_plan plans[] = {
	{ .name = "a value in the entry changes",
	  .party = { { "tile", show_small_twice }, { "reader", read_once } },
	  .reset = reset_small },
	{ .name = "a value in the entry changes, read twice",
	  .party = { { "tile", show_small }, { "reader", read_twice } },
	  .reset = reset_small },
	{ .name = "a value in a block changes, its memory is used again",
	  .party = { { "tile", show_large_and_reuse }, { "reader", read_once } },
	  .reset = reset_large },
	{ .name = "from a block into the entry",
	  .party = { { "tile", show_small }, { "reader", read_once } },
	  .reset = reset_medium },
	{ .name = "from the entry into a block",
	  .party = { { "tile", show_medium }, { "reader", read_twice } },
	  .reset = reset_small },
	{ .name = "a leaf of a tree changes, what it replaced is used again",
	  .party = { { "tile", tree_show_and_reuse }, { "reader", tree_read_once } },
	  .reset = shard_reset_tree },
	{ .name = "a value in a block is dropped, its memory is used again",
	  .party = { { "tile", drop_and_reuse }, { "reader", read_once } },
	  .reset = reset_large },
};

/* With store buffers, whose orders include those without: a buffer may empty at once. */
static void
every_order_is_right(void **state)
{
	static struct weave_result r;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_CNT(plans); i++) {
		struct weave_plan plan = plans[i];

		plan.store_buffers = true;
		plan.end = shard_end;
		weave(&plan, &r);
		if (r.wrong != NULL) {
			fail_msg("%s: %s\n%s", plan.name, r.wrong, r.trace);
		}
		printf("%-56s %9.3g interleavings of up to %u steps, %llu states\n", plan.name,
		       r.interleaving_cnt, r.step_max, (unsigned long long)r.state_cnt);
	}
}

/* ------------------------------------------------------------------- planted bugs */

static void
show_unguarded(void)
{
	shard_show_unguarded(2);
}

static const char *
end_nothing(void)
{
	return NULL;
}

static void
read_unchecked(void)
{
	(void)shard_read_unchecked();
}

static void
sweep_early(void)
{
	shard_tree_sweep_early(2);
}

static const struct weave_plan planted[] = {
	{ .name = "words are written without the version",
	  .party = { { "tile", show_unguarded }, { "reader", read_once } },
	  .reset = reset_small },
	{ .name = "the hazards are looked at before the block is hidden",
	  .party = { { "tile", shard_scribble_early }, { "reader", read_once } },
	  .reset = reset_large },
	{ .name = "a reader does not look at the version again",
	  .party = { { "tile", show_large_and_reuse }, { "reader", read_unchecked } },
	  .reset = reset_large },
	{ .name = "a leaf is used again before the root over it is hidden",
	  .party = { { "tile", sweep_early }, { "reader", tree_read_once } },
	  .reset = shard_reset_tree },
	{ .name = "a locked operation does not wait for the stores before it",
	  .party = { { "tile", show_large_and_reuse }, { "reader", read_once } },
	  .reset = reset_large,
	  .unlocked = true },
};

static void
planted_bugs_are_found(void **state)
{
	static struct weave_result r;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_CNT(planted); i++) {
		struct weave_plan plan = planted[i];

		plan.store_buffers = true;
		plan.end = end_nothing;
		weave(&plan, &r);
		if (r.wrong == NULL) {
			fail_msg("%s: not found", plan.name);
		}
		printf("%s: %s, after %llu states\n", plan.name, r.wrong,
		       (unsigned long long)r.state_cnt);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planted_bugs_are_found),
		cmocka_unit_test(every_order_is_right),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
