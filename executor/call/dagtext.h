/* SPDX-License-Identifier: Apache-2.0 */
/* dagtext - the text of a DAG: 'a -> b, a -> c, b -> d, c -> d'
 *
 *   text    chain { "," chain }
 *   chain   vertex { "->" vertex }
 *   vertex  function [ "#" tag ] [ "*" ]
 *
 * with blanks and line ends between any two of them. A function's name is a C identifier; a tag is
 * 1 to 13 letters, digits and '_', and makes two vertices of one function (split -> count#1,
 * split -> count#2). A vertex is named as often as it has edges. One vertex alone is a DAG.
 *
 * A vertex with a star is a multi function: it runs once for each edge to it, with what came on
 * that edge alone, and what all its runs return is its result, in the order of the edges. A run
 * that returns nothing adds nothing. The star is a part of the vertex's name and of its tag.
 *
 * Accepted is what can be run: no cycle, one sink (many sources), no edge twice, all functions
 * known, within the limits. A refusal is one sentence that names what is wrong.
 *
 * Threads:   any; pure
 */
#ifndef MB_DAGTEXT_H
#define MB_DAGTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain_limits.h"
#include "placement.h"

#define DAGTEXT_BYTES_MAX (64u << 10)
#define DAGTEXT_WHY_BYTES 512
#define DAGTEXT_TAG_BYTES sizeof(((struct placement_vertex *)0)->tag)

struct dagtext_vertex {
	char fn[NAME_BYTES_MAX];
	char tag[DAGTEXT_TAG_BYTES]; /* "" : none */
	uint16_t fn_id;
};

struct dagtext {
	uint32_t vertex_cnt; /* at least 1 */
	uint32_t edge_cnt;
	bool linear; /* the vertices stand in a row: no two could run at the same time */
	/* In a topological order; among those that could come next, the one named first in the
	 * text. The sink is the last. */
	struct dagtext_vertex vertex[DAG_FUNCTION_MAX];
	/* By the vertex they lead to, then by their place in the text: the order of its
	 * arguments. */
	struct placement_edge edge[DAG_EDGE_MAX];
};

/* Which function has this name. Returns: 0 with *ret_id; MB_ERR_NO_FUNCTION. */
typedef int (*dagtext_resolve_fn)(void *ctx, const char *name, uint16_t *ret_id);

/* dagtext_parse reads a DAG's text.
 *
 * Requires:  why has DAGTEXT_WHY_BYTES. resolve NULL: every function is known, ids stay 0.
 * Returns:   0; MB_ERR_INVALID (syntax, two sinks, an edge twice), MB_ERR_CYCLE,
 *            MB_ERR_NO_FUNCTION, MB_ERR_TOO_LARGE (a limit); then why says what, and *ret means
 *            nothing.
 * Cost:      O(text + vertices x edges)
 */
int dagtext_parse(struct dagtext *ret, const char *text, size_t len, dagtext_resolve_fn resolve,
		  void *ctx, char *why);

/* dagtext_print writes a DAG as text again, zero-terminated. Parsing it gives the same graph, each
 * function's arguments in the same order; vertices may be numbered differently.
 * Returns: its length; MB_ERR_TOO_LARGE when it does not fit. */
int dagtext_print(const struct dagtext *dag, char *ret, size_t bytes);

/* dagtext_place fills in what the placement table keeps of a DAG; name, id are the caller's. */
void dagtext_place(const struct dagtext *dag, struct placement_dag *ret);

/* dagtext_is_multi says whether a vertex with this tag (zero-terminated) is multi. */
bool dagtext_is_multi(const char *tag);

/* dagtext_vertex_name writes "function" or "function#tag"; ret has NAME_BYTES_MAX + 16. */
void dagtext_vertex_name(const char *fn, const char *tag, char *ret);
#define DAGTEXT_VERTEX_BYTES (NAME_BYTES_MAX + 16)

#endif
