/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_redo - see kvs_redo.h */
#include "kvs_redo.h"

#include "check.h"
#include "envelope.h"
#include "kvs_job.h"
#include "lattice.h"
#include "microburst/error.h"
#include "settle.h"
#include "table.h"

#define COMPARE_ITEMS 512
#define SEAL_NODES    8

static struct slice
value_slice(struct kvs_redo *r)
{
	return kvs_value_slice(r->value);
}

bool
kvs_redo_wanted(const struct kvs_value *v)
{
	return v->tree != 0 && kvs_value_bytes(v) > KVS_STEP_BYTES;
}

bool
kvs_redo_worth(const struct kvs_value *v)
{
	const struct tree_node *root = kvs_value_root(v);

	return (uint64_t)(root->cnt - root->present) * KVS_REDO_SHARE >= root->cnt;
}

void
kvs_redo_begin(struct kvs_redo *r, struct kvs_shard *s, struct kvs_key *k, struct slice other,
	       bool settle)
{
	REQUIRE(r->value == NULL);
	*r = (struct kvs_redo){
		.value = kvs_shard_pin_key(s, k),
		.other = other,
		.settle = settle,
	};
}

void
kvs_redo_end(struct kvs_redo *r, struct kvs_shard *s)
{
	if (r->open) {
		treeval_abort(&s->grove, &r->edit);
		r->open = false;
	}
	grove_ready_drop(&s->grove, &r->ready);
	if (r->value != NULL) {
		kvs_shard_unpin(s, r->value);
		r->value = NULL;
	}
}

/* Adds a leaf of one long item, in pieces. If it is no mark as a whole, forgetting something of it
 * is not worth it. */
static int
leaf_copy(struct kvs_redo *r, struct kvs_shard *s, const struct table *leaf)
{
	int err = grove_ready_item(&s->grove, &r->ready, table_item(leaf, 0), KVS_STEP_BYTES);

	if (err == 0) {
		s->grove.ready = &r->ready;
		err = grove_add(&s->grove, &r->edit.grove, leaf);
		s->grove.ready = NULL;
	}
	return err;
}

/* Adds what stays of a leaf. Returns: also MB_ERR_TRYAGAIN. */
static int
leaf_settle(struct kvs_redo *r, struct kvs_shard *s, unsigned int type, const struct table *leaf)
{
	/* All owners and caches agree on the value first: it does not matter how old it is. */
	const struct hlc_time any_time = { UINT64_MAX };
	struct wbuf out = wbuf_init(s->scratch, sizeof(s->scratch));
	struct slice state = slice_of(leaf->items, table_bytes(leaf));
	struct table t = *leaf;
	int side;

	side = settle_part(type, state, any_time, &out);
	if (side == MB_ERR_TOO_LARGE) {
		return leaf_copy(r, s, leaf);
	}
	if (side == LATTICE_MIXED) {
		int err = table_open(wbuf_slice(&out), &t);

		r->forgot = true;
		if (err != 0 || t.cnt == 0) {
			return err;
		}
	}
	return side < 0 ? side : grove_add(&s->grove, &r->edit.grove, &t);
}

/* Adds the next leaves. Returns: 0 when those were the last; MB_ERR_TRYAGAIN; an error. */
static int
leaves_settle(struct kvs_redo *r, struct kvs_shard *s)
{
	size_t bytes = 0;
	struct envelope e;
	struct table t, run;
	uint32_t at;
	int err = envelope_open(value_slice(r), &e);

	err = err != 0 ? err : table_open(e.state, &t);
	if (err == 0 && !r->open) {
		err = treeval_begin(&s->grove, &e, &r->edit);
		r->open = err == 0;
	}
	while (err == 0 && bytes < KVS_PIECE_BYTES && table_run(&t, r->done, &run, &at)) {
		err = leaf_settle(r, s, e.type, &run);
		r->done += err == 0 ? run.cnt : 0;
		bytes += table_bytes(&run);
	}
	return err != 0 || r->done == t.cnt ? err : MB_ERR_TRYAGAIN;
}

/* Makes the value of the edit. Returns: NULL when there is no memory. */
static struct kvs_value *
value_of_edit(struct kvs_redo *r, struct kvs_shard *s)
{
	struct wbuf out = wbuf_init(s->scratch, sizeof(s->scratch));
	bool is_flat = r->edit.flat_bytes <= TREE_FLAT_MAX;
	struct kvs_value *v = kvs_shard_value_tree(s, &r->edit), *flat;

	r->open = false;
	if (v == NULL || !is_flat) {
		return v;
	}
	flat = treeval_write(kvs_value_slice(v), &out) == 0
		       ? kvs_shard_value_make(s, wbuf_slice(&out))
		       : NULL;
	kvs_shard_value_free(s, v);
	return flat;
}

static int
settle_step(struct kvs_redo *r, struct kvs_shard *s, struct kvs_value **ret)
{
	int err = leaves_settle(r, s);

	if (err == 0 && !r->forgot) {
		r->value->settled = 1; /* whoever looks again finds the same */
	}
	if (err != 0 || !r->forgot || r->edit.grove.kids.first == NULL) {
		return err;
	}
	err = treeval_seal(&s->grove, &r->edit, SEAL_NODES);
	if (err != 0) {
		return err;
	}
	*ret = value_of_edit(r, s);
	if (*ret == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	(*ret)->settled = 1;
	return 0;
}

int
kvs_redo_step(struct kvs_redo *r, struct kvs_shard *s, struct kvs_value **ret)
{
	int err = 0;

	*ret = NULL;
	if (r->other.len != 0) {
		switch (treeval_compare(value_slice(r), r->other, &r->compared, COMPARE_ITEMS)) {
		case TREEVAL_MORE:
			return MB_ERR_TRYAGAIN;
		case TREEVAL_OTHER:
			err = MB_ERR_NOT_FOUND;
			break;
		default:
			r->other.len = 0;
		}
	}
	if (err == 0 && r->settle) {
		room_for_less(&s->room);
		err = settle_step(r, s, ret);
		room_for(&s->room, slice_of(NULL, 0));
	}
	if (err != MB_ERR_TRYAGAIN) {
		kvs_redo_end(r, s);
	}
	return err;
}
