/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_object - OBJECT, MEMORY: what can be said of how a value is kept */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "lattice.h"
#include "tree.h"
#include "view.h"

#define EMBSTR_MAX 44 /* Redis calls a longer text raw */

/* The names that Redis has for values of this kind: there is one encoding for each type here. */
static const char *
encoding(const struct cache_value *v)
{
	char buf[VIEW_TEXT_MAX];
	struct slice text;
	int64_t n;

	switch (v->type) {
	case LATTICE_GSET:
	case LATTICE_ORSET:
	case LATTICE_MAP:
		return "hashtable";
	case LATTICE_LIST:
		return "quicklist";
	case LATTICE_OSET:
		return "skiplist";
	default:
		break;
	}
	if (view_text(v->type, v->state, buf, &text) != 0) {
		return "raw";
	}
	return gate_word_i64(text, &n) ? "int" : text.len <= EMBSTR_MAX ? "embstr" : "raw";
}

int
cmd_object(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool is_encoding = gate_word_is(arg[1], "encoding"), is_freq = gate_word_is(arg[1], "freq");
	struct cache_value v;
	int n;

	if (arg_cnt != 3 || (!is_encoding && !is_freq && !gate_word_is(arg[1], "refcount") &&
			     !gate_word_is(arg[1], "idletime"))) {
		return gate_unknown_sub(g, c, "OBJECT", arg, arg_cnt,
					"encoding freq help idletime refcount");
	}
	n = gate_look(g, c, arg[2], &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_ABSENT) {
		gate_null(g, c);
	} else if (is_encoding) {
		gate_bulk_str(g, c, encoding(&v));
	} else if (gate_word_is(arg[1], "refcount")) {
		gate_int(g, c, 1);
	} else {
		gate_error_f(g, c, "ERR %s of keys is not kept here",
			     is_freq ? "the access frequency" : "the idle time");
	}
	gate_look_end(g, &v);
	return GATE_DONE;
}

/* The bytes of a key and its value as the cache has them; what memory rounds them up to, and the
 * owner's copy in the store, come on top. */
static int64_t
usage(struct slice key, const struct cache_value *v)
{
	size_t bytes = slice_is_tree(v->envelope)
			       ? v->tree.envelope.len + v->tree.root->items_len +
					 (size_t)v->tree.root->cnt * TABLE_ITEM_OVERHEAD
			       : v->envelope.len;

	return (int64_t)(key.len + bytes);
}

int
cmd_memory(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct cache_value v;
	int64_t samples;
	int n;

	if (!gate_word_is(arg[1], "usage") || (arg_cnt != 3 && arg_cnt != 5)) {
		return gate_unknown_sub(g, c, "MEMORY", arg, arg_cnt, "help usage");
	}
	if (arg_cnt == 5 &&
	    (!gate_word_is(arg[3], "samples") || !gate_word_i64(arg[4], &samples) || samples < 0)) {
		return gate_error(g, c, "ERR syntax error");
	}
	n = gate_look(g, c, arg[2], &v);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_HIT) {
		gate_int(g, c, usage(arg[2], &v));
	} else {
		gate_null(g, c);
	}
	gate_look_end(g, &v);
	return GATE_DONE;
}
