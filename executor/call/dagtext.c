/* SPDX-License-Identifier: Apache-2.0 */
/* dagtext.c - from text to a graph that can be run
 *
 * Three passes: read (vertices and edges in the order of the text), sort (Kahn's: take the first
 * vertex whose upstream is done; who is never taken stands on, or behind, a cycle), renumber.
 *
 * With one sink every vertex leads to it, so it is the last in any topological order.
 */
#include "dagtext.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include <microburst/error.h>

struct parse {
	struct dagtext *dag;
	const char *p, *end;
	const char *text;
	dagtext_resolve_fn resolve;
	void *ctx;
	char *why;
};

static int __attribute__((__format__(__printf__, 3, 4)))
refuse(struct parse *s, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, DAGTEXT_WHY_BYTES, fmt, ap);
	va_end(ap);
	return err;
}

void
dagtext_vertex_name(const char *fn, const char *tag, char *ret)
{
	snprintf(ret, DAGTEXT_VERTEX_BYTES, "%.*s%s%.*s", NAME_BYTES_MAX - 1, fn,
		 tag[0] != '\0' && tag[0] != '*' ? "#" : "", (int)DAGTEXT_TAG_BYTES - 1, tag);
}

bool
dagtext_is_multi(const char *tag)
{
	size_t len = strlen(tag);

	return len != 0 && tag[len - 1] == '*';
}

static const char *
vertex_name(const struct dagtext *dag, uint32_t v, char ret[DAGTEXT_VERTEX_BYTES])
{
	dagtext_vertex_name(dag->vertex[v].fn, dag->vertex[v].tag, ret);
	return ret;
}

/* -------------------------------------------------------------------- read */

static void
skip_blank(struct parse *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) {
		s->p++;
	}
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* Where the parser stands, for a person: the position and a few characters. */
static int
unexpected(struct parse *s, const char *wanted)
{
	char near[16];
	size_t n = 0;

	if (s->p == s->end) {
		return refuse(s, MB_ERR_INVALID, "the text ends where %s is expected", wanted);
	}
	for (const char *p = s->p; p < s->end && n + 1 < sizeof(near); p++) {
		near[n++] = isprint((unsigned char)*p) ? *p : '?';
	}
	near[n] = '\0';
	return refuse(s, MB_ERR_INVALID, "at character %zu: %s is expected, found '%s'",
		      (size_t)(s->p - s->text) + 1, wanted, near);
}

/* Reads letters, digits and '_' into ret. */
static int
read_word(struct parse *s, const char *what, char *ret, size_t bytes)
{
	const char *from = s->p;
	size_t len;

	while (s->p < s->end && is_word(*s->p)) {
		s->p++;
	}
	len = (size_t)(s->p - from);
	if (len == 0) {
		return unexpected(s, what);
	}
	if (len >= bytes) {
		return refuse(s, MB_ERR_TOO_LARGE,
			      "'%.*s...' is longer than the %zu characters of %s",
			      (int)MIN(len, (size_t)40), from, bytes - 1, what);
	}
	memcpy(ret, from, len);
	ret[len] = '\0';
	return 0;
}

static int
vertex_add(struct parse *s, const struct dagtext_vertex *v, uint8_t *ret)
{
	struct dagtext *dag = s->dag;

	for (uint32_t i = 0; i < dag->vertex_cnt; i++) {
		if (strcmp(dag->vertex[i].fn, v->fn) == 0 &&
		    strcmp(dag->vertex[i].tag, v->tag) == 0) {
			*ret = (uint8_t)i;
			return 0;
		}
	}
	if (dag->vertex_cnt == DAG_FUNCTION_MAX) {
		return refuse(s, MB_ERR_TOO_LARGE, "'%s' is one function more than the %d of a DAG",
			      v->fn, DAG_FUNCTION_MAX);
	}
	dag->vertex[dag->vertex_cnt] = *v;
	if (s->resolve != NULL &&
	    s->resolve(s->ctx, v->fn, &dag->vertex[dag->vertex_cnt].fn_id) != 0) {
		return refuse(s, MB_ERR_NO_FUNCTION, "no function '%s' is deployed", v->fn);
	}
	*ret = (uint8_t)dag->vertex_cnt++;
	return 0;
}

static int
read_vertex(struct parse *s, uint8_t *ret)
{
	struct dagtext_vertex v;
	int err;

	memset(&v, 0, sizeof(v));
	skip_blank(s);
	if (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
		return unexpected(s, "a function's name");
	}
	err = read_word(s, "a function's name", v.fn, sizeof(v.fn));
	if (err == 0 && s->p < s->end && *s->p == '#') {
		s->p++;
		err = read_word(s, "a tag", v.tag, sizeof(v.tag));
	}
	if (err == 0 && s->p < s->end && *s->p == '*') {
		size_t len = strlen(v.tag);

		if (len + 1 == sizeof(v.tag)) {
			return refuse(s, MB_ERR_TOO_LARGE,
				      "'%s*' is longer than the %zu characters of a tag", v.tag,
				      sizeof(v.tag) - 1);
		}
		v.tag[len] = '*';
		s->p++;
	}
	return err != 0 ? err : vertex_add(s, &v, ret);
}

static int
edge_add(struct parse *s, uint8_t from, uint8_t to)
{
	struct dagtext *dag = s->dag;
	char a[DAGTEXT_VERTEX_BYTES], b[DAGTEXT_VERTEX_BYTES];

	vertex_name(dag, from, a);
	vertex_name(dag, to, b);
	if (from == to) {
		return refuse(s, MB_ERR_CYCLE, "'%s' leads to itself", a);
	}
	for (uint32_t i = 0; i < dag->edge_cnt; i++) {
		if (dag->edge[i].from == from && dag->edge[i].to == to) {
			return refuse(s, MB_ERR_INVALID, "the edge '%s -> %s' is there twice", a,
				      b);
		}
	}
	if (dag->edge_cnt == DAG_EDGE_MAX) {
		return refuse(s, MB_ERR_TOO_LARGE,
			      "'%s -> %s' is one edge more than the %d of a DAG", a, b,
			      DAG_EDGE_MAX);
	}
	dag->edge[dag->edge_cnt++] = (struct placement_edge){ .from = from, .to = to };
	return 0;
}

static int
read_text(struct parse *s)
{
	for (;;) {
		uint8_t from = 0, to = 0;
		int err = read_vertex(s, &from);

		while (err == 0) {
			skip_blank(s);
			if (s->end - s->p < 2 || s->p[0] != '-' || s->p[1] != '>') {
				break;
			}
			s->p += 2;
			err = read_vertex(s, &to);
			if (err == 0) {
				err = edge_add(s, from, to);
				from = to;
			}
		}
		if (err != 0 || s->p == s->end) {
			return err;
		}
		if (*s->p != ',') {
			return unexpected(s, "'->' or ','");
		}
		s->p++;
	}
}

/* -------------------------------------------------------------------- sort */

/* Says which cycle: from a vertex that was not taken upstream through others that were not, until
 * one comes again. Each of them has such an upstream, or it would have been taken. */
static int
refuse_cycle(struct parse *s, const bool *taken)
{
	const struct dagtext *dag = s->dag;
	uint32_t at[DAG_FUNCTION_MAX];
	uint32_t cnt = 0, first = 0, v = 0;
	char name[DAGTEXT_VERTEX_BYTES];
	size_t len;

	while (taken[v]) {
		v++;
	}
	for (;;) {
		for (first = 0; first < cnt && at[first] != v; first++) {
		}
		if (first < cnt) {
			break;
		}
		at[cnt++] = v;
		for (uint32_t e = 0; e < dag->edge_cnt; e++) {
			if (dag->edge[e].to == v && !taken[dag->edge[e].from]) {
				v = dag->edge[e].from;
				break;
			}
		}
	}
	len = (size_t)snprintf(s->why, DAGTEXT_WHY_BYTES, "there is a cycle: %s",
			       vertex_name(dag, at[first], name));
	while (cnt > first && len < DAGTEXT_WHY_BYTES) {
		len += (size_t)snprintf(s->why + len, DAGTEXT_WHY_BYTES - len, " -> %s",
					vertex_name(dag, at[--cnt], name));
	}
	return MB_ERR_CYCLE;
}

static int
check_one_sink(struct parse *s)
{
	const struct dagtext *dag = s->dag;
	char a[DAGTEXT_VERTEX_BYTES], b[DAGTEXT_VERTEX_BYTES];
	bool leads_on[DAG_FUNCTION_MAX] = { false };
	uint32_t sink = dag->vertex_cnt;

	for (uint32_t e = 0; e < dag->edge_cnt; e++) {
		leads_on[dag->edge[e].from] = true;
	}
	for (uint32_t v = 0; v < dag->vertex_cnt; v++) {
		if (leads_on[v]) {
			continue;
		}
		if (sink != dag->vertex_cnt) {
			return refuse(s, MB_ERR_INVALID,
				      "there are two sinks, '%s' and '%s': a DAG has one result",
				      vertex_name(dag, sink, a), vertex_name(dag, v, b));
		}
		sink = v;
	}
	return 0;
}

/* Finds the order: order[i] is the vertex that runs as the i-th. */
static int
sort(struct parse *s, uint32_t *order)
{
	const struct dagtext *dag = s->dag;
	uint32_t waits_for[DAG_FUNCTION_MAX] = { 0 };
	bool taken[DAG_FUNCTION_MAX] = { false };

	for (uint32_t e = 0; e < dag->edge_cnt; e++) {
		waits_for[dag->edge[e].to]++;
	}
	for (uint32_t i = 0; i < dag->vertex_cnt; i++) {
		uint32_t v = 0;

		while (v < dag->vertex_cnt && (taken[v] || waits_for[v] != 0)) {
			v++;
		}
		if (v == dag->vertex_cnt) {
			return refuse_cycle(s, taken);
		}
		taken[v] = true;
		order[i] = v;
		for (uint32_t e = 0; e < dag->edge_cnt; e++) {
			waits_for[dag->edge[e].to] -= dag->edge[e].from == v;
		}
	}
	return 0;
}

/* ---------------------------------------------------------------- renumber */

static void
renumber(struct dagtext *dag, const uint32_t *order)
{
	struct dagtext_vertex vertex[DAG_FUNCTION_MAX];
	struct placement_edge edge[DAG_EDGE_MAX];
	uint8_t place[DAG_FUNCTION_MAX] = { 0 };
	uint32_t out[DAG_FUNCTION_MAX] = { 0 };
	uint32_t in[DAG_FUNCTION_MAX] = { 0 };
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < dag->vertex_cnt; i++) {
		place[order[i]] = (uint8_t)i;
		vertex[i] = dag->vertex[order[i]];
	}
	for (uint32_t to = 0; to < dag->vertex_cnt; to++) {
		for (uint32_t e = 0; e < dag->edge_cnt; e++) {
			if (place[dag->edge[e].to] == to) {
				edge[cnt].from = place[dag->edge[e].from];
				edge[cnt++].to = (uint8_t)to;
			}
		}
	}
	ENSURE(cnt == dag->edge_cnt, "cnt=%u edge_cnt=%u", cnt, dag->edge_cnt);
	memcpy(dag->vertex, vertex, dag->vertex_cnt * sizeof(vertex[0]));
	memcpy(dag->edge, edge, cnt * sizeof(edge[0]));
	dag->linear = true;
	for (uint32_t e = 0; e < cnt; e++) {
		dag->linear &= ++out[edge[e].from] == 1 && ++in[edge[e].to] == 1;
	}
}

int
dagtext_parse(struct dagtext *ret, const char *text, size_t len, dagtext_resolve_fn resolve,
	      void *ctx, char *why)
{
	struct parse s = { .dag = ret,
			   .p = text,
			   .end = text + len,
			   .text = text,
			   .resolve = resolve,
			   .ctx = ctx,
			   .why = why };
	uint32_t order[DAG_FUNCTION_MAX] = { 0 };
	int err;

	why[0] = '\0';
	if (len > DAGTEXT_BYTES_MAX) {
		return refuse(&s, MB_ERR_TOO_LARGE,
			      "the text is longer than the %u bytes a DAG's text may have",
			      DAGTEXT_BYTES_MAX);
	}
	memset(ret, 0, sizeof(*ret));
	err = read_text(&s);
	if (err == 0) {
		err = sort(&s, order);
	}
	if (err == 0) {
		err = check_one_sink(&s);
	}
	if (err == 0) {
		renumber(ret, order);
		ENSURE(ret->vertex_cnt != 0);
	}
	return err;
}

/* ------------------------------------------------------------------- print */

int
dagtext_print(const struct dagtext *dag, char *ret, size_t bytes)
{
	char a[DAGTEXT_VERTEX_BYTES], b[DAGTEXT_VERTEX_BYTES];
	size_t len = 0;

	if (dag->edge_cnt == 0) {
		len = (size_t)snprintf(ret, bytes, "%s", vertex_name(dag, 0, a));
	}
	for (uint32_t e = 0; e < dag->edge_cnt && len < bytes; e++) {
		len += (size_t)snprintf(ret + len, bytes - len, "%s%s -> %s", e == 0 ? "" : ", ",
					vertex_name(dag, dag->edge[e].from, a),
					vertex_name(dag, dag->edge[e].to, b));
	}
	return len < bytes ? (int)len : MB_ERR_TOO_LARGE;
}

void
dagtext_place(const struct dagtext *dag, struct placement_dag *ret)
{
	ret->vertex_cnt = (uint16_t)dag->vertex_cnt;
	ret->edge_cnt = (uint16_t)dag->edge_cnt;
	ret->flags = dag->linear ? PLACEMENT_DAG_LINEAR : 0;
	for (uint32_t v = 0; v < dag->vertex_cnt; v++) {
		ret->vertex[v].fn = dag->vertex[v].fn_id;
		memcpy(ret->vertex[v].tag, dag->vertex[v].tag, sizeof(ret->vertex[v].tag));
	}
	memcpy(ret->edge, dag->edge, dag->edge_cnt * sizeof(dag->edge[0]));
}
