/* SPDX-License-Identifier: Apache-2.0 */
/* dag_fuzz - the texts of DAGs, which anybody may register
 *
 * Whatever the text: it is refused with a sentence, or becomes a graph that can be run: in
 * topological order, with one sink, the last; printed and parsed again it is a graph of the same
 * size.
 */
#include <string.h>

#include "check.h"
#include "dagtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Knows half of all functions. */
static int
resolve(void *ctx, const char *name, uint16_t *ret_id)
{
	*ret_id = (uint16_t)((unsigned char)name[0] + 1);
	return (name[0] & 1) != 0 ? 0 : -1;
}

static void
check_graph(const struct dagtext *dag)
{
	bool leads_on[DAG_FUNCTION_MAX] = { false };

	REQUIRE(dag->vertex_cnt > 0);
	REQUIRE(dag->vertex_cnt <= DAG_FUNCTION_MAX, "vertex_cnt=%u", dag->vertex_cnt);
	REQUIRE(dag->edge_cnt <= DAG_EDGE_MAX, "edge_cnt=%u", dag->edge_cnt);
	for (uint32_t e = 0; e < dag->edge_cnt; e++) {
		REQUIRE(dag->edge[e].from < dag->edge[e].to, "e=%u", e);
		REQUIRE(dag->edge[e].to < dag->vertex_cnt, "e=%u", e);
		REQUIRE(e == 0 || dag->edge[e - 1].to <= dag->edge[e].to, "e=%u", e);
		leads_on[dag->edge[e].from] = true;
	}
	for (uint32_t v = 0; v < dag->vertex_cnt; v++) {
		REQUIRE(leads_on[v] == (v + 1 < dag->vertex_cnt), "v=%u", v);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct dagtext dag, again;
	static char text[DAGTEXT_BYTES_MAX];
	char why[DAGTEXT_WHY_BYTES];
	int err = dagtext_parse(&dag, (const char *)data, len, resolve, NULL, why);
	int printed;

	REQUIRE(memchr(why, '\0', sizeof(why)) != NULL);
	if (err != 0) {
		REQUIRE(why[0] != '\0', "err=%d", err);
		return 0;
	}
	check_graph(&dag);
	printed = dagtext_print(&dag, text, sizeof(text));
	REQUIRE(printed > 0, "printed=%d", printed);
	err = dagtext_parse(&again, text, (size_t)printed, resolve, NULL, why);
	REQUIRE(err == 0, "err=%d", err);
	REQUIRE(again.vertex_cnt == dag.vertex_cnt, "%u", again.vertex_cnt);
	REQUIRE(again.edge_cnt == dag.edge_cnt, "%u", again.edge_cnt);
	REQUIRE(again.linear == dag.linear);
	return 0;
}
