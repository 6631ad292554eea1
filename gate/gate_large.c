/* SPDX-License-Identifier: Apache-2.0 */
/* gate_large - a long word on its way to memory of its own, which becomes the value */
#include <string.h>

#include <microburst/error.h>

#include "copy.h"
#include "gate_int.h"

struct gate_large *
gate_large_open(struct gate_conn *c)
{
	struct gate_large *l = c->large != NULL && c->parser.large_open
				       ? &c->large[c->parser.large_cnt - 1]
				       : NULL;

	return l != NULL && l->got < l->len ? l : NULL;
}

int
gate_large_begin(struct gate *g, struct gate_conn *c)
{
	struct gate_large *l;

	if (c->large == NULL) {
		c->large = heap_alloc(g->heap, RESP_LARGE_CNT_MAX * sizeof(*c->large));
		if (c->large == NULL) {
			return MB_ERR_NO_MEMORY;
		}
		memset(c->large, 0, RESP_LARGE_CNT_MAX * sizeof(*c->large));
	}
	l = &c->large[c->parser.large_cnt - 1];
	*l = (struct gate_large){ .len = c->parser.large_len };
	return payload_alloc(g->inner.pool, l->len, PROC_DAEMON, &l->ref, &l->p);
}

size_t
gate_large_take(struct gate_large *l, const uint8_t *p, size_t len)
{
	size_t n = MIN(len, (size_t)(l->len - l->got));

	if (n != 0 && p != l->p + l->got) { /* else it is there already; of nothing p need not be */
		copy_bytes(l->p + l->got, p, n);
	}
	l->got += (uint32_t)n;
	return n;
}

void
gate_larges_drop(struct gate *g, struct gate_conn *c)
{
	for (uint32_t i = 0; c->large != NULL && i < RESP_LARGE_CNT_MAX; i++) {
		if (c->large[i].ref.handle != 0) {
			payload_release(g->inner.pool, c->large[i].ref.handle, PROC_DAEMON);
			c->large[i].ref.handle = 0;
		}
	}
}
