/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_dag - MB.DAG: calling DAGs, and what there are */
#include <string.h>

#include <microburst/error.h>

#include "call.h"
#include "check.h"
#include "cmd_fn.h"
#include "commands.h"
#include "dagtext.h"
#include "placement.h"

static void
vertex_name(const struct placement_copy *shown, const struct placement_vertex *v,
	    char ret[DAGTEXT_VERTEX_BYTES])
{
	const struct placement_fn *fn = placement_fn_get(shown, v->fn);
	char name[NAME_BYTES_MAX] = "?", tag[DAGTEXT_TAG_BYTES];

	if (fn != NULL) {
		memcpy(name, fn->name, sizeof(name));
	}
	memcpy(tag, v->tag, sizeof(tag));
	name[sizeof(name) - 1] = '\0';
	tag[sizeof(tag) - 1] = '\0';
	dagtext_vertex_name(name, tag, ret);
}

static int
dag_show(struct gate *g, struct gate_conn *c, struct slice word)
{
	const struct placement_copy *shown;
	const struct placement_dag *dag;
	char name[NAME_BYTES_MAX], vertex[DAGTEXT_VERTEX_BYTES];
	uint32_t vertex_cnt, edge_cnt;
	uint64_t gen;

	shown = placement_shown(g->placement, &gen);
	dag = gate_name_of(word, name) ? placement_dag_find(shown, name) : NULL;
	if (dag == NULL) {
		return gate_call_refuse(g, c, MB_ERR_NO_DAG);
	}
	vertex_cnt = MIN((uint32_t)dag->vertex_cnt, (uint32_t)DAG_FUNCTION_MAX);
	edge_cnt = MIN((uint32_t)dag->edge_cnt, (uint32_t)DAG_EDGE_MAX);
	gate_map(g, c, 2);
	gate_bulk_str(g, c, "functions");
	gate_array(g, c, vertex_cnt);
	for (uint32_t i = 0; i < vertex_cnt; i++) {
		vertex_name(shown, &dag->vertex[i], vertex);
		gate_bulk_str(g, c, vertex);
	}
	gate_bulk_str(g, c, "edges");
	gate_array(g, c, edge_cnt);
	for (uint32_t i = 0; i < edge_cnt; i++) {
		gate_array(g, c, 2);
		vertex_name(shown, &dag->vertex[dag->edge[i].from % DAG_FUNCTION_MAX], vertex);
		gate_bulk_str(g, c, vertex);
		vertex_name(shown, &dag->vertex[dag->edge[i].to % DAG_FUNCTION_MAX], vertex);
		gate_bulk_str(g, c, vertex);
	}
	return GATE_DONE;
}

static int
dag_list(struct gate *g, struct gate_conn *c)
{
	const struct placement_copy *shown;
	uint32_t cnt = 0;
	uint64_t gen;

	shown = placement_shown(g->placement, &gen);
	for (uint32_t i = 0; i < DAG_CNT_MAX; i++) {
		cnt += shown->dag[i].id != 0;
	}
	gate_array(g, c, cnt);
	for (uint32_t i = 0; i < DAG_CNT_MAX && cnt > 0; i++) {
		const struct placement_dag *dag = &shown->dag[i];

		if (dag->id != 0) {
			gate_bulk(g, c, slice_of(dag->name, strnlen(dag->name, NAME_BYTES_MAX)));
			cnt--;
		}
	}
	for (; cnt > 0; cnt--) {
		gate_null(g, c);
	}
	return GATE_DONE;
}

/* The words behind "function=" of one vertex: a=1 a=2 b=x. */
static uint32_t
vertex_words(const struct slice *word, uint32_t cnt, const char *vertex,
	     struct slice ret[MB_VALUES_MAX])
{
	size_t len = strlen(vertex);
	uint32_t n = 0;

	for (uint32_t i = 0; i < cnt && n < MB_VALUES_MAX; i++) {
		if (word[i].len > len && word[i].p[len] == '=' &&
		    memcmp(word[i].p, vertex, len) == 0) {
			ret[n++] = slice_of(word[i].p + len + 1, word[i].len - len - 1);
		}
	}
	return n;
}

/* A DAG call's payload: a list with one list a function, or NIL. Returns: its bytes, or an error.
 * */
static int64_t
dag_payload(struct gate *g, struct gate_conn *c, const struct placement_copy *shown,
	    const struct placement_dag *dag, const struct slice *word, uint32_t cnt)
{
	uint32_t vertex_cnt = MIN((uint32_t)dag->vertex_cnt, (uint32_t)DAG_FUNCTION_MAX);
	struct value shape[DAG_FUNCTION_MAX];
	struct slice arg[MB_VALUES_MAX];
	char vertex[DAGTEXT_VERTEX_BYTES];
	struct value_writer w, inner;
	uint32_t used = 0;
	int64_t bytes;

	for (uint32_t v = 0; v < vertex_cnt; v++) {
		uint32_t n;

		vertex_name(shown, &dag->vertex[v], vertex);
		n = vertex_words(word, cnt, vertex, arg);
		used += n;
		bytes = n > 0 ? gate_words_bytes(arg, n, 0) : 0;
		if (bytes < 0) {
			return bytes;
		}
		shape[v] =
			(struct value){ .type = n > 0 ? MB_LIST : MB_NIL, .len = (uint32_t)bytes };
	}
	if (used != cnt) {
		return MB_ERR_INVALID;
	}
	bytes = value_list_footprint(shape, vertex_cnt);
	if (bytes < 0 || bytes > PAYLOAD_SLAB_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	if (!gate_conn_keep(g, c, (size_t)bytes)) {
		return MB_ERR_NO_MEMORY;
	}
	value_list_begin(&w, c->keep, (size_t)bytes, vertex_cnt);
	for (uint32_t v = 0; v < vertex_cnt; v++) {
		uint8_t *list = value_list_reserve(&w, (enum mb_type)shape[v].type, shape[v].len);
		uint32_t n;

		if (list == NULL) {
			continue;
		}
		vertex_name(shown, &dag->vertex[v], vertex);
		n = vertex_words(word, cnt, vertex, arg);
		value_list_begin(&inner, list, shape[v].len, n);
		gate_words_add(&inner, arg, n, 0);
		if (value_list_end(&inner) < 0) {
			return MB_ERR_INVALID; /* the DAG changed meanwhile */
		}
	}
	return value_list_end(&w);
}

static int
dag_call(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct gate_call_options opt;
	const struct placement_copy *shown;
	const struct placement_dag *dag;
	char name[NAME_BYTES_MAX];
	struct desc d = { .sub = CALL_DAG };
	uint64_t gen;
	int64_t bytes;
	uint32_t at;

	if (c->answered) {
		return gate_call_reply(g, c);
	}
	at = gate_options(g, c, arg, arg_cnt, 2, &opt);
	if (at == 0) {
		return GATE_DONE;
	}
	do {
		shown = placement_shown(g->placement, &gen);
		dag = gate_name_of(arg[at], name) ? placement_dag_find(shown, name) : NULL;
		d.a = dag != NULL ? dag->id : 0;
		bytes = dag != NULL ? dag_payload(g, c, shown, dag, arg + at + 1, arg_cnt - at - 1)
				    : MB_ERR_NO_DAG;
	} while (placement_stale(g->placement, gen));
	if (bytes == MB_ERR_INVALID) {
		return gate_error(g, c, "ERR arguments are function=word, of functions of the DAG");
	}
	if (bytes < 0) {
		return gate_call_refuse(g, c, (int)bytes);
	}
	return gate_call_go(g, c, &d, c->keep, (size_t)bytes, &opt, 0);
}

/* MB.DAG ADD name text and MB.DAG RM name are ctl's to do. */
static int
dag_change(struct gate *g, struct gate_conn *c, const struct slice *arg, bool add)
{
	json_t *question;
	int err;

	if (c->answered) {
		return gate_admin_reply(g, c);
	}
	question = add ? json_pack("{s:s, s:s%, s:s%}", "cmd", "dag_add", "name", arg[2].p,
				   arg[2].len, "text", arg[3].p, arg[3].len)
		       : json_pack("{s:s, s:s%}", "cmd", "dag_rm", "name", arg[2].p, arg[2].len);
	if (question == NULL) {
		return gate_error(g, c, "ERR names and texts are UTF-8");
	}
	err = gate_admin_ask(g, c, question);
	return err == 0 ? (int)GATE_WAIT : gate_call_refuse(g, c, err);
}

int
cmd_mb_dag(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	if (gate_word_is(arg[1], "call") && arg_cnt >= 3) {
		return dag_call(g, c, arg, arg_cnt);
	}
	if ((gate_word_is(arg[1], "add") && arg_cnt == 4) ||
	    (gate_word_is(arg[1], "rm") && arg_cnt == 3)) {
		return dag_change(g, c, arg, arg_cnt == 4);
	}
	if (gate_word_is(arg[1], "show") && arg_cnt == 3) {
		return dag_show(g, c, arg[2]);
	}
	if (gate_word_is(arg[1], "list") && arg_cnt == 2) {
		return dag_list(g, c);
	}
	return gate_sub_rest(g, c, arg);
}
