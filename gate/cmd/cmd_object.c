/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_object - OBJECT, MEMORY: what can be said of how a value is kept */
#include <string.h>
#include <sys/resource.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_many.h"
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
		return gate_sub_rest(g, c, arg);
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

/* What Redis calls so, as far as there is a like. */
static int
memory_stats(struct gate *g, struct gate_conn *c)
{
	struct rusage u = { 0 };
	const struct gate_ask *a;
	int rc;

	a = gate_ask_all(g, c, gate_part_tally, 0, NULL, 0, &rc);
	if (a == NULL) {
		return rc;
	}
	getrusage(RUSAGE_SELF, &u);
	gate_map(g, c, 3);
	gate_bulk_str(g, c, "peak.allocated");
	gate_int(g, c, (int64_t)u.ru_maxrss << 10);
	gate_bulk_str(g, c, "clients.normal");
	gate_int(g, c, (int64_t)a->tally.memory);
	gate_bulk_str(g, c, "clients.limit");
	gate_int(g, c, (int64_t)(g->cfg.gate_cnt * g->cfg.memory_bytes));
	return GATE_DONE;
}

/* Returns: false: it is none of these. */
static bool
memory_word(struct gate *g, struct gate_conn *c, struct slice word)
{
	if (gate_word_is(word, "purge")) {
		gate_ok(g, c);
	} else if (gate_word_is(word, "malloc-stats")) {
		gate_bulk_str(g, c, "Stats not supported for the current allocator");
	} else if (gate_word_is(word, "doctor")) {
		gate_text_str(g, c,
			      "Memory is taken at the start, within the limits kvs.bytes, "
			      "cache.bytes, gate.memory: see INFO memory, microburst top.");
	} else {
		return false;
	}
	return true;
}

int
cmd_memory(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct cache_value v;
	int64_t samples = 0;
	int n;

	if (arg_cnt == 2 && gate_word_is(arg[1], "stats")) {
		return memory_stats(g, c);
	}
	if (arg_cnt == 2 && memory_word(g, c, arg[1])) {
		return GATE_DONE;
	}
	if (!gate_word_is(arg[1], "usage")) {
		return gate_sub_rest(g, c, arg);
	}
	if (arg_cnt != 3 && (arg_cnt != 5 || !gate_word_is(arg[3], "samples"))) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (arg_cnt == 5 && !gate_word_i64(arg[4], &samples)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (samples < 0) {
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
