/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_hll - about how many different elements there were: PFADD, PFCOUNT, PFMERGE
 *
 * A HyperLogLog is a lattice of its own (hll.h), so adding to one is merging a small one into it:
 * nothing is looked at, and what is added in two halves of a cluster is counted in both.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "hll.h"
#include "lattice.h"

#define FOLD_ITEMS 256 /* of a turn: one takes 14 to 24 us */

static const uint8_t type_hll = LATTICE_HLL;

/* Merges registers into a key; a key of another type refuses it. */
static int
merge_into(struct gate *g, struct gate_conn *c, struct slice key, const struct hll *h,
	   enum gate_rec_kind reply)
{
	uint8_t mem[HLL_BYTES_MAX];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	int err = hll_delta(h, &out);
	struct wset_op op = { .kind = WSET_MERGE,
			      .key = key,
			      .field = slice_of(&type_hll, 1),
			      .value = wbuf_slice(&out) };

	ENSURE(err == 0, "%d", err);
	return gate_write_one(g, c, reply, &op);
}

int
cmd_pfadd(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct hll h = { 0 };

	for (uint32_t i = 2; i < arg_cnt; i++) {
		hll_add(&h, arg[i]);
	}
	return merge_into(g, c, arg[1], &h, REC_CHANGED);
}

/* Folds the keys of the words from `first` on, into registers in c->keep. c->step: how many are
 * done. Returns: 1: all are; else what the handler returns, negative - 1. */
static int
keys_fold(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	  uint32_t first)
{
	if (c->keep_len == 0) {
		if (!gate_conn_keep(g, c, sizeof(struct hll))) {
			return -1 - gate_error_of(g, c, MB_ERR_NO_MEMORY);
		}
		memset(c->keep, 0, sizeof(struct hll));
		c->keep_len = sizeof(struct hll);
	}
	for (; c->step < arg_cnt - first; c->step++) {
		struct cache_value v;
		int n;

		if (g->turn_left <= 0) {
			return -1 - gate_turn_end(g, c);
		}
		n = gate_look(g, c, arg[first + c->step], &v);
		if (n == CACHE_HIT && v.type == LATTICE_STRING) {
			gate_look_end(g, &v);
			return -1 - gate_error(g, c,
					       "WRONGTYPE Key is not a valid HyperLogLog string "
					       "value.");
		}
		if (n == CACHE_HIT && v.type != LATTICE_HLL) {
			gate_look_end(g, &v);
			n = MB_ERR_TYPE;
		}
		if (n != CACHE_HIT && n != CACHE_ABSENT) {
			return -1 - gate_look_refuse(g, c, n);
		}
		if (n == CACHE_HIT) {
			hll_fold((struct hll *)(void *)c->keep, v.state);
			g->turn_left -= FOLD_ITEMS;
		}
		gate_look_end(g, &v);
	}
	return 1;
}

int
cmd_pfcount(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int rc = keys_fold(g, c, arg, arg_cnt, 1);

	if (rc != 1) {
		return -1 - rc;
	}
	gate_int(g, c, (int64_t)hll_estimate((const struct hll *)(const void *)c->keep));
	return GATE_DONE;
}

/* What the first key has counted need not be folded: it is merged into. It is looked at all the
 * same, as its type may be another one. */
int
cmd_pfmerge(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	int rc = keys_fold(g, c, arg, arg_cnt, 1);

	if (rc != 1) {
		return -1 - rc;
	}
	return merge_into(g, c, arg[1], (const struct hll *)(const void *)c->keep, REC_OK);
}
