/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what cannot be loaded is refused with the reason; what can is loaded in well under a
 * millisecond. Method: objects that lack something, or refuse themselves; the time from LOAD to
 * LOADED is printed. */
#include "process_fixture.h"

static void
refused(const char *const *list, uint32_t cnt, const char *name, uint16_t of, int err,
	const char *word)
{
	struct node_exec e;

	assert_true(node_spawn(&node, &e, PROC + 2));
	assert_int_equal(node_load(&node, &e, list, cnt, &name, &of, 1, MEMORY), err);
	if (strstr(node.text, word) == NULL) {
		fail_msg("'%s' does not say '%s'", node.text, word);
	}
	node_end(&node, &e, 1000);
	assert_int_equal(e.code, CLD_EXITED);
}

static void
what_cannot_be_loaded_is_named(void **state)
{
	const char *text_file = "/etc/passwd";

	refused(&object[BAD_SYMBOL], 1, "never", 0, MB_ERR_LOAD, "mb_does_not_exist");
	refused(&object[BAD_INIT], 1, "never", 0, MB_ERR_FUNCTION_FAILED, "the flux is missing");
	refused(&object[BAD_MERGE], 1, "never", 0, MB_ERR_LOAD,
		"the merge 'average' is not associative: merge(merge(");
	refused(&object[BAD_MERGE_TWICE], 1, "never", 0, MB_ERR_LOAD,
		"two merges of the name 'max'");
	refused(&object[ATTACKS], 1, "nothing", 0, MB_ERR_LOAD, "the function 'nothing'");
	refused(&text_file, 1, "never", 0, MB_ERR_LOAD, "cannot be loaded");
	refused(&object[ATTACKS], 1, "fine", 3, MB_ERR_CORRUPT, "malformed");
}

static void
loading_is_quick(void **state)
{
	uint64_t best_load = UINT64_MAX, best_call = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		node_end(&node, &x, 0);
		assert_true(node_spawn(&node, &x, PROC));
		assert_int_equal(load_all(&x), 0);
		call("fine");
		best_load = x.load_ns < best_load ? x.load_ns : best_load;
		best_call = reply.round_trip_ns < best_call ? reply.round_trip_ns : best_call;
	}
	fprintf(stderr, "loaded in %llu us, first call %llu us\n",
		(unsigned long long)best_load / 1000, (unsigned long long)best_call / 1000);
}

PROCESS_MAIN(TEST(what_cannot_be_loaded_is_named), TEST(loading_is_quick))
