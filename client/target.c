/* SPDX-License-Identifier: Apache-2.0 */
/* target - what a name means: a function or a DAG, and which executors have it, read in the
 * placement table and kept until that changes; and how it can be called */
#include <assert.h>
#include <string.h>

#include "compiler.h"
#include "hash.h"
#include "impl.h"

static bool
client_target_read(struct mb_client *c, const char *name, bool dag, struct client_name *ret)
{
	uint64_t gen;
	const struct placement_copy *p = placement_shown(c->placement, &gen);

	memset(ret, 0, sizeof(*ret));
	ret->gen = gen;
	ret->dag = dag;
	if (!dag) {
		const struct placement_fn *f = placement_fn_find(p, name);

		if (f != NULL) {
			ret->id = f->id;
			ret->limit_ns = f->deadline_ns;
			placement_fn_where(p, f, &ret->where);
		}
	} else {
		const struct placement_dag *g = placement_dag_find(p, name);
		uint32_t cnt = g != NULL && g->vertex_cnt <= DAG_FUNCTION_MAX ? g->vertex_cnt : 0;

		ret->id = cnt > 0 ? g->id : 0;
		ret->splits = cnt > 0 && (g->flags & PLACEMENT_DAG_LINEAR) == 0;
		ret->split_ns = cnt > 0 ? g->split_ns : 0;
		memset(ret->where.exec, cnt > 0 ? 0xff : 0, sizeof(ret->where.exec));
		for (uint32_t v = 0; v < cnt; v++) {
			const struct placement_fn *f = placement_fn_get(p, g->vertex[v].fn);

			ret->where.batched |= f != NULL && f->batch > 1;
			for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
				ret->where.exec[w] &= f != NULL ? f->exec[w] : 0;
			}
		}
		ret->where.spread = placement_spread(p, ret->where.exec);
	}
	return !placement_stale(c->placement, gen);
}

int
client_target(struct mb_client *c, const char *name, bool dag, const struct client_name **ret)
{
	struct client_name *n = c->name_last;
	uint64_t gen;
	size_t len;

	placement_shown(c->placement, &gen);
	if (likely(n != NULL && n->gen == gen && n->id != 0 && n->dag == dag &&
		   strcmp(n->name, name) == 0)) {
		*ret = n;
		return 0;
	}
	len = strnlen(name, NAME_BYTES_MAX);
	if (len == 0 || len == NAME_BYTES_MAX) {
		return dag ? MB_ERR_NO_DAG : MB_ERR_NO_FUNCTION;
	}
	n = &c->name[hash_bytes(name, len) & (NAME_CACHE - 1)];
	if (unlikely(n->gen != gen || n->id == 0 || n->dag != dag ||
		     memcmp(n->name, name, len + 1) != 0)) {
		/* Rewritten under our eyes a few times in a row: the node is busy deploying. */
		for (uint32_t i = 0; !client_target_read(c, name, dag, n) && i < 1000; i++) {
		}
		memcpy(n->name, name, len + 1);
	}
	if (n->id == 0) {
		return dag ? MB_ERR_NO_DAG : MB_ERR_NO_FUNCTION;
	}
	c->name_last = n;
	*ret = n;
	return 0;
}

int
client_options_check(const struct mb_call_options *opt)
{
	static_assert((int)MB_LEVEL_RR == (int)CALL_LEVEL_RR, "as an executor numbers them");

	if (opt == NULL) {
		return 0;
	}
	if ((unsigned int)opt->level > MB_LEVEL_RR) {
		return MB_ERR_NOT_SUPPORTED;
	}
	return (unsigned int)opt->ack <= MB_ACK_ALL ? 0 : MB_ERR_INVALID;
}
