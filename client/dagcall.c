/* SPDX-License-Identifier: Apache-2.0 */
/* dagcall - a DAG call's payload: a list with one value a function, in the table's order: the list
 * of its own arguments, or NIL. What would be NIL up to the end is left out. */
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "dagtext.h"
#include "impl.h"
#include "remote.h"
#include "value.h"

/* How many bytes of shown, which may change meanwhile, name begins with; *ret_next is the byte of
 * shown behind them, 0 at its end. Each byte of shown is read once. */
static size_t
dag_common(const volatile char *shown, size_t bytes, const char *name, char *ret_next)
{
	size_t i = 0;
	char next = 0;

	while (i < bytes && (next = shown[i]) != '\0' && next == name[i]) {
		i++;
	}
	*ret_next = i < bytes ? next : '\0';
	return i;
}

/* Whether name is this vertex's: its function, function#tag, or one of them with a star. */
static bool
dag_vertex_is(const struct placement_fn *f, const char *tag, const char *name)
{
	char next, first = *(const volatile char *)tag;
	size_t len;

	if (likely(first == '\0')) {
		len = strnlen(name, NAME_BYTES_MAX);
		return len < NAME_BYTES_MAX && memcmp(f->name, name, len + 1) == 0;
	}
	len = dag_common(f->name, NAME_BYTES_MAX, name, &next);
	if (next != '\0') {
		return false;
	}
	if (first != '*' && name[len] != '#') {
		return false;
	}
	name += len + (first != '*');
	len = dag_common(tag, DAGTEXT_TAG_BYTES, name, &next);
	return next == '\0' && name[len] == '\0';
}

/* Which vertex a name means; -1: none. */
static int
dag_vertex(const struct placement_copy *p, const struct placement_dag *dag, const char *name)
{
	for (int v = 0; v < dag->vertex_cnt && v < DAG_FUNCTION_MAX; v++) {
		const struct placement_fn *f = placement_fn_get(p, dag->vertex[v].fn);

		if (f != NULL && dag_vertex_is(f, dag->vertex[v].tag, name)) {
			return v;
		}
	}
	return -1;
}

/* What a caller gave to the vertices: a set of bits says to which. Not a table of NULLs, which
 * would have to be cleared for each call. */
struct dag_args {
	uint64_t given;
	const struct mb_dag_arg *of[DAG_FUNCTION_MAX];
};

static_assert(DAG_FUNCTION_MAX <= 64, "a bit each");

static inline bool
dag_given(const struct dag_args *a, uint32_t v)
{
	return (a->given >> v & 1) != 0;
}

/* Sorts the arguments by vertex. Returns how many entries the payload has: trailing NILs are left
 * out, so that two functions, the first with a number, fit a descriptor. */
static int
dag_args_sort(struct mb_client *c, uint16_t id, const struct mb_dag_arg *arg, size_t arg_cnt,
	      struct dag_args *ret)
{
	uint64_t gen;
	const struct placement_copy *p = placement_shown(c->placement, &gen);
	const struct placement_dag *dag = placement_dag_get(p, id);

	if (dag == NULL || dag->vertex_cnt > DAG_FUNCTION_MAX) {
		return MB_ERR_NO_DAG;
	}
	ret->given = 0;
	for (size_t i = 0; i < arg_cnt; i++) {
		int v = dag_vertex(p, dag, arg[i].function);

		if (v < 0 || dag_given(ret, (uint32_t)v)) {
			return MB_ERR_INVALID;
		}
		ret->of[v] = &arg[i];
		ret->given |= UINT64_C(1) << v;
	}
	return ret->given == 0 ? 0 : 64 - __builtin_clzll(ret->given);
}

static int64_t
dag_write(uint8_t *p, size_t bytes, const struct dag_args *args, const struct value *shape,
	  uint32_t cnt)
{
	struct value_writer w;

	value_list_begin(&w, p, bytes, cnt);
	for (uint32_t v = 0; v < cnt; v++) {
		uint8_t *list = value_list_reserve(&w, (enum mb_type)shape[v].type, shape[v].len);

		if (list != NULL && dag_given(args, v)) {
			int64_t n = client_list_write(list, shape[v].len, args->of[v]->arg,
						      args->of[v]->arg_cnt);

			if (n < 0) {
				return n;
			}
		}
	}
	return value_list_end(&w);
}

int
mb_dag_start(struct mb_client *c, const char *name, const struct mb_dag_arg *arg, size_t arg_cnt,
	     const struct mb_call_options *opt, uint64_t *ret_call)
{
	struct dag_args args;
	struct value shape[DAG_FUNCTION_MAX];
	const struct client_name *t = NULL;
	struct desc d __attribute__((__aligned__(8))) = { 0 };
	uint8_t *p = d.data;
	int64_t bytes;
	int cnt, err;

	if (c->remote != NULL) {
		return remote_dag_start(c, name, arg, arg_cnt, opt, ret_call);
	}
	err = client_target(c, name, true, &t);
	if (err != 0) {
		return err;
	}
	INSIST(t != NULL);
	cnt = dag_args_sort(c, t->id, arg, arg_cnt, &args);
	for (int v = 0; v < cnt; v++) {
		bool given = dag_given(&args, (uint32_t)v);
		int64_t n = given ? client_list_bytes(args.of[v]->arg, args.of[v]->arg_cnt) : 0;

		if (n < 0) {
			return (int)n;
		}
		shape[v] = (struct value){ .type = given ? MB_LIST : MB_NIL, .len = (uint32_t)n };
	}
	bytes = cnt < 0 ? cnt : value_list_footprint(shape, (uint32_t)cnt);
	if (bytes < 0) {
		return (int)bytes;
	}
	d.flags = bytes <= DESC_INLINE_BYTES ? DESC_F_INLINE : 0;
	d.len = d.flags != 0 ? (uint8_t)bytes : 0;
	if (d.flags == 0) {
		err = payload_alloc(c->d->pool, (size_t)bytes, c->d->proc, &d.ref, &p);
	}
	if (err == 0) {
		bytes = dag_write(p, (size_t)bytes, &args, shape, (uint32_t)cnt);
		err = bytes < 0 ? (int)bytes : 0;
	}
	if (err == 0) {
		err = client_start(c, t, &d, opt, ret_call);
	}
	if (err != 0 && (d.flags & DESC_F_INLINE) == 0) {
		payload_release(c->d->pool, d.ref.handle, c->d->proc);
	}
	return err;
}

int
mb_dag_call(struct mb_client *c, const char *name, const struct mb_dag_arg *arg, size_t arg_cnt,
	    const struct mb_call_options *opt, struct mb_reply *reply)
{
	uint64_t call = 0;
	int err = mb_dag_start(c, name, arg, arg_cnt, opt, &call);

	if (err != 0) {
		*reply = (struct mb_reply){ .err = err, .text = "" };
		return err;
	}
	return client_wait_one(c, call, reply);
}
