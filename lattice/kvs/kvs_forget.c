/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_forget - see kvs_forget.h
 *
 *   I1  Which marks a round is about is a function of the asker's value, which is pinned until all
 *       have answered, and of a position in it. So all take out the same, and nothing is copied.
 *   I2  A mark is taken out only where it is found byte for byte. As items only grow, one that is
 *       equal now was not changed and changed back.
 *
 * Why a mark may go, item by item. It was seen at all owners, so a message that knows less of the
 * item can do harm only if it is still under way. From an owner it would be: that one owed it,
 * until it was answered, and refused. Or a cache made it from an older copy: no cache has a copy
 * during a round, and one that has a delta which is not merged here is one that has a copy
 * (kvs_drop.c). The other owners let nobody touch the key from their answer until the round is
 * over; the primary looks again when all have answered.
 *
 * Positions move when others write. That is no harm: they say where to look, not what to forget.
 *
 * Rejected: making the whole collection anew beside the old one (it has to be the same one when it
 * is done, which under steady writes it never is; and the others wait for as long); remembering
 * what was written meanwhile (a second way to merge); marks with a time below which all go (one
 * owner that is late keeps all).
 */
#include "kvs_forget.h"

#include "check.h"
#include "compiler.h"
#include "envelope.h"
#include "lattice.h"
#include "microburst/error.h"
#include "settle.h"
#include "table.h"

bool
kvs_forget_large(const struct kvs_value *v, size_t bytes)
{
	return v->tree != 0 && kvs_value_bytes(v) > bytes;
}

bool
kvs_forget_worth(const struct kvs_value *v)
{
	const struct tree_node *root = kvs_value_root(v);

	return (uint64_t)(root->cnt - root->present) * KVS_FORGET_SHARE >= root->cnt;
}

/* ------------------------------------------------------------------------------ a small one */

int
kvs_forget_small(struct kvs_shard *s, const struct kvs_key *k, uint32_t writers_max,
		 struct kvs_value **ret)
{
	/* All owners and caches agree on the value first: it does not matter how old it is. */
	const struct hlc_time any_time = { UINT64_MAX };
	struct wbuf out = wbuf_init(s->scratch, KVS_STEP_BYTES);
	struct kvs_value *v = kvs_at(s->base, k->value);
	struct slice stored = kvs_value_slice(v);
	int side = LATTICE_LEFT;

	*ret = NULL;
	if (v->settled == 0 && kvs_value_bytes(v) <= KVS_STEP_BYTES) {
		side = settle_items(stored, any_time, &out);
		if (side == LATTICE_LEFT) {
			side = settle_writers(stored, writers_max, any_time, &out);
		}
	}
	if (side != LATTICE_MIXED) {
		v->settled = 1;
		return 0;
	}
	room_for_less(&s->room);
	*ret = kvs_shard_value_make(s, wbuf_slice(&out));
	room_for(&s->room, slice_of(NULL, 0));
	if (*ret == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	(*ret)->settled = 1;
	return 0;
}

/* ------------------------------------------------------------------------------- the marks */

struct marks {
	struct slice state; /* a flat table of them */
	uint32_t end;       /* behind the last leaf that was looked at */
	uint32_t cnt;
};

/* Adds those of a leaf, from item at on. Returns: how many there are. */
static uint32_t
leaf_marks(unsigned int type, const struct table *leaf, uint32_t at, struct table_builder *b)
{
	uint32_t cnt = 0;

	for (; at < leaf->cnt; at++) {
		struct slice item = table_item(leaf, at);

		if (settle_mark(type, item)) {
			wbuf_put(b->out, item.p, item.len);
			table_item_end(b);
			cnt++;
		}
	}
	return cnt;
}

/* Whether a leaf holds one item that is longer than a node. */
static bool
is_long(const struct table *leaf)
{
	return leaf->cnt == 1 && table_bytes(leaf) > TREE_NODE_BYTES;
}

/* Collects the marks of the next leaves that have some, KVS_FORGET_BYTES of these. A mark that has
 * a leaf for itself is a round by itself: the leaf's table, where it lies. */
static struct marks
collect(unsigned int type, const struct table *t, uint32_t from, struct wbuf *mem)
{
	struct marks m = { .end = from };
	struct table_builder b;
	size_t bytes = 0;
	struct table leaf;
	uint32_t at, cnt;

	table_begin(&b, mem);
	while (bytes < KVS_FORGET_BYTES && m.end - from < KVS_FORGET_VISIT &&
	       table_run(t, m.end, &leaf, &at)) {
		if (is_long(&leaf) && settle_mark(type, table_item(&leaf, 0))) {
			if (m.cnt > 0) {
				break;
			}
			table_abort(&b);
			return (struct marks){ slice_of(leaf.items, table_bytes(&leaf)), m.end + 1,
					       1 };
		}
		cnt = is_long(&leaf) ? 0 : leaf_marks(type, &leaf, at, &b);
		bytes += cnt > 0 ? table_bytes(&leaf) : 0;
		m.cnt += cnt;
		m.end += leaf.cnt - at;
	}
	if (table_end(&b) != 0) {
		m.cnt = 0;
	}
	m.state = wbuf_slice(mem);
	return m;
}

/* The collection in a value that is a tree. Returns: its type; LATTICE_ABSENT: it is none. */
static unsigned int
collection_open(struct slice value, struct envelope *ret_envelope, struct table *ret)
{
	if (!slice_is_tree(value) || envelope_open(value, ret_envelope) != 0 ||
	    table_open(ret_envelope->state, ret) != 0) {
		return LATTICE_ABSENT;
	}
	return ret_envelope->type;
}

/* -------------------------------------------------------------------------------- the pass */

void
kvs_forget_begin(struct kvs_forget *f, struct kvs_key *key)
{
	REQUIRE(f->key == NULL);
	f->at = f->rest == key ? f->rest_at : 0;
	f->key = key;
	f->forgot = false;
	f->over_all = f->at == 0;
}

int
kvs_forget_find(struct kvs_forget *f, struct kvs_shard *s)
{
	struct wbuf mem = wbuf_init(s->scratch, sizeof(s->scratch));
	struct envelope e;
	struct marks m;
	struct table t;
	unsigned int type = collection_open(kvs_shard_value(s, f->key), &e, &t);

	REQUIRE(!f->asking);
	if (type == LATTICE_ABSENT || f->at >= t.cnt) {
		return MB_ERR_NOT_FOUND;
	}
	m = collect(type, &t, f->at, &mem);
	if (m.cnt == 0) {
		f->at = m.end;
		return MB_ERR_TRYAGAIN;
	}
	f->end = m.end;
	f->cnt = m.cnt;
	f->asking = true;
	return 0;
}

void
kvs_forget_heard(struct kvs_forget *f, bool forgotten)
{
	REQUIRE(f->asking);
	f->asking = false;
	f->at = forgotten ? f->end - f->cnt : f->end;
	f->forgot |= forgotten;
	f->over_all &= forgotten;
}

void
kvs_forget_end(struct kvs_forget *f, bool cut)
{
	REQUIRE(!f->asking);
	f->rest = cut ? f->key : NULL;
	f->rest_at = f->at;
	f->key = NULL;
}

/* ------------------------------------------------------------------------------- the value */

/* Makes the value of an edit. Returns: NULL when there is no memory. */
static struct kvs_value *
value_of_edit(struct kvs_shard *s, struct treeval_edit *edit)
{
	struct wbuf out = wbuf_init(s->scratch, sizeof(s->scratch));
	bool is_flat = edit->flat_bytes <= TREE_FLAT_MAX;
	struct kvs_value *v = kvs_shard_value_tree(s, edit), *flat;

	if (v == NULL || !is_flat) {
		return v;
	}
	flat = treeval_write(kvs_value_slice(v), &out) == 0
		       ? kvs_shard_value_make(s, wbuf_slice(&out))
		       : NULL;
	kvs_shard_value_free(s, v);
	return flat;
}

int
kvs_forget_make(struct kvs_shard *s, const struct kvs_changes *cs, struct kvs_key *k,
		struct slice of, uint32_t from, struct kvs_value **ret)
{
	struct wbuf mem = wbuf_init(s->scratch, sizeof(s->scratch));
	struct kvs_value *v = kvs_at(s->base, k->value);
	struct treeval_edit edit;
	struct envelope theirs, mine;
	struct table t, u;
	struct marks m;
	unsigned int type = collection_open(of, &theirs, &t);
	int err;

	if (type == LATTICE_ABSENT || collection_open(kvs_value_slice(v), &mine, &u) != type ||
	    stamp_cmp(theirs.epoch, mine.epoch) != 0) {
		return MB_ERR_NOT_FOUND;
	}
	m = collect(type, &t, from, &mem);
	if (m.cnt == 0) {
		return MB_ERR_NOT_FOUND;
	}
	if (kvs_change_owes(cs, k, type, m.state)) {
		return MB_ERR_TRYAGAIN;
	}
	room_for_less(&s->room);
	err = treeval_forget(&s->grove, kvs_value_view(v), m.state, &edit);
	if (err == LATTICE_MIXED) {
		*ret = value_of_edit(s, &edit);
		err = *ret != NULL ? 0 : MB_ERR_NO_MEMORY;
	}
	room_for(&s->room, slice_of(NULL, 0));
	return err;
}
