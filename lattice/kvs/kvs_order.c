/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_order - see kvs_order.h
 *
 *   head[2] ──────────────────────► k3 ─────────────► .
 *   head[1] ───────► k1 ──────────► k3 ─────────────► .
 *   head[0] ──► k0 ► k1 ──► k2 ───► k3 ──► k4 ──────► .
 *
 * Why not a tree: with the links inside the keys an ordered shard costs 5 bytes a key more than an
 * unordered one, allocates nothing and cannot fail. The price is an insert of a few cache misses,
 * paid when a key is written for the first time only.
 */
#include "kvs_order.h"

#include "check.h"

void
kvs_order_init(struct kvs_order *o, const uint8_t *base)
{
	*o = (struct kvs_order){ .base = base, .height = 1 };
}

uint32_t
kvs_order_height(uint64_t hash)
{
	/* Bits that neither the index's buckets (from below) nor its tags (from above) choose
	 * by. */
	uint64_t bits = (hash >> 16) | UINT64_C(1) << (2 * (KVS_ORDER_HEIGHT_MAX - 1));

	return 1 + (uint32_t)__builtin_ctzll(bits) / 2;
}

static struct kvs_key *
at(const struct kvs_order *o, struct kvs_ref ref)
{
	return ref.v == 0 ? NULL : kvs_at(o->base, ref);
}

/* Whether k comes before the place that is looked for. */
static bool
is_before(const struct kvs_key *k, struct slice key, bool above)
{
	int diff = slice_cmp(kvs_key_slice(k), key);

	return diff < 0 || (above && diff == 0);
}

/* Fills ret_link with the link of each level that leads over the place of key. */
static void
descend(const struct kvs_order *o, struct slice key, bool above,
	const struct kvs_ref *ret_link[KVS_ORDER_HEIGHT_MAX])
{
	const struct kvs_ref *links = o->head;
	const struct kvs_key *k;

	for (uint32_t level = o->height; level-- > 0;) {
		while ((k = at(o, links[level])) != NULL && is_before(k, key, above)) {
			links = k->next;
		}
		ret_link[level] = &links[level];
	}
}

void
kvs_order_add(struct kvs_order *o, struct kvs_key *k)
{
	const struct kvs_ref *link[KVS_ORDER_HEIGHT_MAX] = { NULL };

	REQUIRE(k->height >= 1);
	REQUIRE(k->height <= KVS_ORDER_HEIGHT_MAX);
	for (; o->height < k->height; o->height++) {
		o->head[o->height] = (struct kvs_ref){ 0 };
	}
	INSIST(o->height >= k->height);
	descend(o, kvs_key_slice(k), false, link);
	for (uint32_t level = 0; level < k->height; level++) {
		struct kvs_ref *before = (struct kvs_ref *)(uintptr_t)link[level];

		k->next[level] = *before;
		*before = kvs_ref_of(o->base, k);
	}
}

void
kvs_order_remove(struct kvs_order *o, const struct kvs_key *k)
{
	const struct kvs_ref *link[KVS_ORDER_HEIGHT_MAX] = { NULL };
	struct kvs_ref ref = kvs_ref_of(o->base, k);

	descend(o, kvs_key_slice(k), false, link);
	for (uint32_t level = 0; level < k->height; level++) {
		struct kvs_ref *before = (struct kvs_ref *)(uintptr_t)link[level];

		INSIST(before->v == ref.v);
		*before = k->next[level];
	}
}

struct kvs_key *
kvs_order_from(const struct kvs_order *o, struct slice key, bool above)
{
	const struct kvs_ref *link[KVS_ORDER_HEIGHT_MAX];

	INSIST(o->height >= 1);
	descend(o, key, above, link);
	return at(o, *link[0]);
}

struct kvs_key *
kvs_order_next(const struct kvs_order *o, const struct kvs_key *k)
{
	return at(o, k->next[0]);
}
