/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a text that can be run becomes a graph in topological order, sink last, edges in the
 *         order of arguments; any other text is refused with a sentence that names what is wrong.
 * Method: one row a refusal, with the words that must be in it; graphs by hand; random graphs,
 *         printed and parsed again. */
#include "dagtext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include <microburst/error.h>

static struct dagtext dag;
static char why[DAGTEXT_WHY_BYTES];

/* Knows every name but "ghost"; the id is its first letter. */
static int
resolve(void *ctx, const char *name, uint16_t *ret_id)
{
	if (strcmp(name, "ghost") == 0) {
		return MB_ERR_NO_FUNCTION;
	}
	*ret_id = (uint16_t)name[0];
	return 0;
}

static int
parse(const char *text)
{
	return dagtext_parse(&dag, text, strlen(text), resolve, NULL, why);
}

static void
refusals_name_what_is_wrong(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *word;
	} row[] = {
		{ "", MB_ERR_INVALID, "the text ends where a function's name" },
		{ "   ", MB_ERR_INVALID, "the text ends" },
		{ "a ->", MB_ERR_INVALID, "the text ends" },
		{ "a -> b,", MB_ERR_INVALID, "the text ends" },
		{ "-> b", MB_ERR_INVALID,
		  "at character 1: a function's name is expected, found '-> b'" },
		{ "a -> -> b", MB_ERR_INVALID, "at character 6" },
		{ "a b", MB_ERR_INVALID, "'->' or ',' is expected, found 'b'" },
		{ "a - > b", MB_ERR_INVALID, "'->' or ','" },
		{ "a -> 1b", MB_ERR_INVALID, "found '1b'" },
		{ "a -> b#", MB_ERR_INVALID, "a tag" },
		{ "a -> b# c", MB_ERR_INVALID, "a tag" },
		{ "a -> b#-", MB_ERR_INVALID, "a tag" },
		{ "a -> b\x01", MB_ERR_INVALID, "found '?'" },
		{ "a -> b#abcdefghijklmn", MB_ERR_TOO_LARGE,
		  "longer than the 13 characters of a tag" },
		{ "a -> a", MB_ERR_CYCLE, "'a' leads to itself" },
		{ "a -> b -> a", MB_ERR_CYCLE, "there is a cycle: a -> b -> a" },
		{ "s -> a, a -> b, b -> c, c -> a, c -> t", MB_ERR_CYCLE, "cycle: " },
		{ "s -> b#1, b#1 -> b#2, b#2 -> b#1, b#2 -> t", MB_ERR_CYCLE, "b#2 -> b#1" },
		{ "a -> b, a -> c", MB_ERR_INVALID, "two sinks, 'b' and 'c'" },
		{ "a, b", MB_ERR_INVALID, "two sinks, 'a' and 'b'" },
		{ "a -> b, c -> d#x", MB_ERR_INVALID, "two sinks, 'b' and 'd#x'" },
		{ "a -> b, a -> b", MB_ERR_INVALID, "the edge 'a -> b' is there twice" },
		{ "a -> ghost", MB_ERR_NO_FUNCTION, "'ghost'" },
		{ "a -> b**", MB_ERR_INVALID, "'->' or ','" },
		{ "a -> b *", MB_ERR_INVALID, "'->' or ','" },
		{ "a -> b*, b -> c", MB_ERR_INVALID, "two sinks, 'b*' and 'c'" },
		{ "a -> b#1234567890123*", MB_ERR_TOO_LARGE,
		  "longer than the 13 characters of a tag" },
	};

	for (size_t i = 0; i < ARRAY_CNT(row); i++) {
		int err = parse(row[i].text);

		if (err != row[i].err || strstr(why, row[i].word) == NULL) {
			fail_msg("'%s': %d '%s'", row[i].text, err, why);
		}
	}
}

static void
a_star_is_a_part_of_the_name(void **state)
{
	char name[DAGTEXT_VERTEX_BYTES], text[64];

	assert_int_equal(parse("a -> b*, a#2 -> b*, b* -> c#x*"), 0);
	assert_int_equal(dag.vertex_cnt, 4);
	assert_true(dagtext_is_multi(dag.vertex[3].tag) && dagtext_is_multi(dag.vertex[2].tag));
	assert_true(!dagtext_is_multi(dag.vertex[0].tag) && !dagtext_is_multi(dag.vertex[1].tag));
	dagtext_vertex_name(dag.vertex[2].fn, dag.vertex[2].tag, name);
	assert_string_equal(name, "b*");
	dagtext_vertex_name(dag.vertex[3].fn, dag.vertex[3].tag, name);
	assert_string_equal(name, "c#x*");
	assert_true(dagtext_print(&dag, text, sizeof(text)) > 0);
	assert_string_equal(text, "a -> b*, a#2 -> b*, b* -> c#x*");
}

static void
limits_are_named(void **state)
{
	char text[DAGTEXT_BYTES_MAX + 2];
	size_t len = 0;

	memset(text, 'a', sizeof(text));
	assert_int_equal(dagtext_parse(&dag, text, DAGTEXT_BYTES_MAX + 1, resolve, NULL, why),
			 MB_ERR_TOO_LARGE);
	assert_non_null(strstr(why, "65536 bytes"));
	assert_int_equal(dagtext_parse(&dag, text, NAME_BYTES_MAX, resolve, NULL, why),
			 MB_ERR_TOO_LARGE);
	assert_non_null(strstr(why, "63 characters"));
	assert_int_equal(dagtext_parse(&dag, text, NAME_BYTES_MAX - 1, resolve, NULL, why), 0);
	for (int i = 0; i <= DAG_FUNCTION_MAX; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%sf%d",
					i == 0 ? "" : " -> ", i);
	}
	assert_int_equal(parse(text), MB_ERR_TOO_LARGE);
	assert_non_null(strstr(why, "'f64' is one function more than the 64"));
	len = 0;
	for (int i = 0; i < 24; i++) {
		for (int k = i + 1; k < 24; k++) {
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%sf%d -> f%d",
						len == 0 ? "" : ", ", i, k);
		}
	}
	assert_int_equal(parse(text), MB_ERR_TOO_LARGE);
	assert_non_null(strstr(why, "256"));
}

static uint32_t
vertex_of(const char *name)
{
	char full[DAGTEXT_VERTEX_BYTES];

	for (uint32_t i = 0; i < dag.vertex_cnt; i++) {
		dagtext_vertex_name(dag.vertex[i].fn, dag.vertex[i].tag, full);
		if (strcmp(full, name) == 0) {
			return i;
		}
	}
	fail_msg("no vertex %s", name);
	return 0;
}

static void
one_vertex_is_a_dag(void **state)
{
	assert_int_equal(parse(" only "), 0);
	assert_int_equal(dag.vertex_cnt, 1);
	assert_int_equal(dag.edge_cnt, 0);
	assert_true(dag.linear);
	assert_int_equal(dag.vertex[0].fn_id, 'o');
}

static void
a_chain_is_linear(void **state)
{
	assert_int_equal(parse("increment->square\n->\tincrement#2"), 0);
	assert_int_equal(dag.vertex_cnt, 3);
	assert_int_equal(dag.edge_cnt, 2);
	assert_true(dag.linear);
	assert_int_equal(vertex_of("increment"), 0);
	assert_int_equal(vertex_of("square"), 1);
	assert_int_equal(vertex_of("increment#2"), 2);
}

static void
two_sources_are_not_in_a_row(void **state)
{
	assert_int_equal(parse("a -> c, b -> c"), 0);
	assert_false(dag.linear);
	assert_int_equal(parse("a -> b, a -> c, b -> c"), 0);
	assert_false(dag.linear);
}

/* The order of arguments is the order of the text, however the vertices are numbered. */
static void
fan_in_keeps_the_order_of_the_text(void **state)
{
	assert_int_equal(parse("a -> b, a -> c, c -> d, b -> d, e -> d"), 0);
	assert_false(dag.linear);
	assert_int_equal(vertex_of("d"), dag.vertex_cnt - 1);
	assert_int_equal(dag.edge_cnt, 5);
	assert_int_equal(dag.edge[2].from, vertex_of("c"));
	assert_int_equal(dag.edge[3].from, vertex_of("b"));
	assert_int_equal(dag.edge[4].from, vertex_of("e"));
}

static void
placing_fills_the_table_s_entry(void **state)
{
	static struct placement_dag placed;

	assert_int_equal(parse("a -> b#x, a -> c, b#x -> d, c -> d"), 0);
	dagtext_place(&dag, &placed);
	assert_int_equal(placed.vertex_cnt, 4);
	assert_int_equal(placed.edge_cnt, 4);
	assert_int_equal(placed.flags, 0);
	assert_int_equal(placed.vertex[vertex_of("b#x")].fn, 'b');
	assert_string_equal(placed.vertex[vertex_of("b#x")].tag, "x");
}

static void
check_graph(void)
{
	uint32_t out[DAG_FUNCTION_MAX] = { 0 };

	for (uint32_t e = 0; e < dag.edge_cnt; e++) {
		assert_true(dag.edge[e].from < dag.edge[e].to);
		assert_true(dag.edge[e].to < dag.vertex_cnt);
		assert_true(e == 0 || dag.edge[e - 1].to <= dag.edge[e].to);
		out[dag.edge[e].from]++;
	}
	for (uint32_t v = 0; v + 1 < dag.vertex_cnt; v++) {
		assert_true(out[v] > 0);
	}
	assert_int_equal(out[dag.vertex_cnt - 1], 0);
}

/* The names of the upstream vertices of every vertex, in order: what a graph is, whatever its
 * numbers. */
static void
describe(char *ret, size_t bytes)
{
	char a[DAGTEXT_VERTEX_BYTES];
	size_t len = 0;

	for (int c = 'a'; c <= 'z'; c++) {
		for (uint32_t e = 0; e < dag.edge_cnt; e++) {
			if (dag.vertex[dag.edge[e].to].fn[0] == c) {
				dagtext_vertex_name(dag.vertex[dag.edge[e].from].fn, "", a);
				len += (size_t)snprintf(ret + len, bytes - len, "%c<%s ", c, a);
			}
		}
	}
}

static void
random_graphs_survive_printing(void **state)
{
	static char text[1 << 14], again[1 << 14], before[1 << 14], after[1 << 14];
	uint32_t accepted = 0;
	struct rng r;

	rng_init(&r, test_seed("dagtext"));
	for (int turn = 0; turn < 3000; turn++) {
		uint32_t cnt = 2 + (uint32_t)rng_below(&r, 8);
		size_t len = 0;

		for (uint32_t e = 0; e < cnt + rng_below(&r, 4); e++) {
			int from = (int)rng_below(&r, cnt - 1);
			int to = from + 1 + (int)rng_below(&r, cnt - 1 - (uint32_t)from);
			bool back = rng_below(&r, 32) == 0;

			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c->%c",
						len == 0 ? "" : ",", 'a' + (back ? to : from),
						'a' + (back ? from : to));
		}
		if (parse(text) != 0) {
			assert_true(why[0] != '\0');
			continue;
		}
		accepted++;
		check_graph();
		describe(before, sizeof(before));
		assert_true(dagtext_print(&dag, again, sizeof(again)) > 0);
		assert_int_equal(parse(again), 0);
		describe(after, sizeof(after));
		assert_string_equal(before, after);
	}
	assert_true(accepted > 100);
	assert_int_equal(parse("aa -> bb"), 0);
	assert_int_equal(dagtext_print(&dag, again, 8), MB_ERR_TOO_LARGE);
	assert_int_equal(dagtext_print(&dag, again, 9), 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_name_what_is_wrong),
		cmocka_unit_test(a_star_is_a_part_of_the_name),
		cmocka_unit_test(limits_are_named),
		cmocka_unit_test(one_vertex_is_a_dag),
		cmocka_unit_test(a_chain_is_linear),
		cmocka_unit_test(two_sources_are_not_in_a_row),
		cmocka_unit_test(fan_in_keeps_the_order_of_the_text),
		cmocka_unit_test(placing_fills_the_table_s_entry),
		cmocka_unit_test(random_graphs_survive_printing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
