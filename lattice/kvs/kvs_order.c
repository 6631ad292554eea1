/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_order - see kvs_order.h
 *
 *   head[2] ──────────────────────► k3 ─────────────► .
 *   head[1] ───────► k1 ──────────► k3 ─────────────► .
 *   head[0] ──► k0 ► k1 ──► k2 ───► k3 ──► k4 ──────► .
 *
 * Why not a tree: with the links inside the keys an ordered shard costs 5 bytes a key more than an
 * unordered one, allocates nothing and cannot fail. The price is an insert of a few cache misses,
 * paid when a key is written for the first time only, and by 32 keys at the same time: one by one
 * they were half of what a store of a million new keys took.
 */
#include "kvs_order.h"

#include "check.h"
#include "compiler.h"

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

/* ------------------------------------------------------------------- entering */

/* A search that is under way: it looks at one key, and gives way while the next is fetched. */
struct search {
	struct slice key;
	const struct kvs_ref *links; /* of where it is, by level */
	struct kvs_ref over;         /* known to lie behind the place */
	uint32_t level;              /* it is above this one */
	uint32_t height;
	struct kvs_ref *link[KVS_ORDER_HEIGHT_MAX]; /* of levels below height: as descend's */
};

static void
fetch(const struct kvs_key *k)
{
	/* With its bytes: most are short. */
	__builtin_prefetch(k);
	__builtin_prefetch((const uint8_t *)k + sizeof(*k) + 3 * sizeof(struct kvs_ref) - 1);
}

/* Goes down to the next key that has to be looked at, and asks for it. Returns: whether there is
 * one. */
static bool
search_down(const struct kvs_order *o, struct search *s)
{
	for (; s->level > 0; s->level--) {
		const struct kvs_ref *link = &s->links[s->level - 1];

		if (link->v != 0 && link->v != s->over.v) {
			fetch(at(o, *link));
			return true;
		}
		if (s->level <= s->height) {
			s->link[s->level - 1] = (struct kvs_ref *)(uintptr_t)link;
		}
	}
	return false;
}

/* Looks at the key that was asked for. */
static void
search_look(const struct kvs_order *o, struct search *s)
{
	struct kvs_ref ref = s->links[s->level - 1];
	const struct kvs_key *k = at(o, ref);

	if (is_before(k, s->key, false)) {
		s->links = k->next;
	} else {
		s->over = ref;
	}
}

/* Puts a key behind the links that its search ended at, and behind what was entered there since. */
static void
enter(const struct kvs_order *o, struct kvs_key *k, const struct search *s)
{
	for (uint32_t level = 0; level < k->height; level++) {
		struct kvs_ref *before = s->link[level];
		struct kvs_key *next;

		INSIST(before != NULL);
		while ((next = at(o, *before)) != NULL && is_before(next, s->key, false)) {
			before = &next->next[level];
		}
		k->next[level] = *before;
		*before = kvs_ref_of(o->base, k);
	}
}

/* Enters the keys that wait. */
static void
settle(struct kvs_order *o)
{
	struct search search[KVS_ORDER_WAIT_MAX];
	uint8_t open[KVS_ORDER_WAIT_MAX];
	uint32_t cnt = o->wait_cnt, open_cnt = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		for (; o->height < at(o, o->wait[i])->height; o->height++) {
			o->head[o->height] = (struct kvs_ref){ 0 };
		}
	}
	for (uint32_t i = 0; i < cnt; i++) {
		const struct kvs_key *k = at(o, o->wait[i]);
		struct search *s = &search[i];

		*s = (struct search){
			.key = kvs_key_slice(k),
			.links = o->head,
			.level = o->height,
			.height = k->height,
		};
		if (search_down(o, s)) {
			open[open_cnt++] = (uint8_t)i;
		}
	}
	while (open_cnt > 0) {
		uint32_t still = 0;

		for (uint32_t i = 0; i < open_cnt; i++) {
			search_look(o, &search[open[i]]);
			if (search_down(o, &search[open[i]])) {
				open[still++] = open[i];
			}
		}
		open_cnt = still;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		enter(o, at(o, o->wait[i]), &search[i]);
	}
	o->wait_cnt = 0;
}

void
kvs_order_add(struct kvs_order *o, struct kvs_key *k)
{
	REQUIRE(k->height >= 1);
	REQUIRE(k->height <= KVS_ORDER_HEIGHT_MAX);
	o->wait[o->wait_cnt++] = kvs_ref_of(o->base, k);
	if (o->wait_cnt == KVS_ORDER_WAIT_MAX) {
		settle(o);
	}
}

/* Takes a key out of those that wait. Returns: whether it was there. */
static bool
wait_remove(struct kvs_order *o, struct kvs_ref ref)
{
	for (uint32_t i = 0; i < o->wait_cnt; i++) {
		if (o->wait[i].v == ref.v) {
			o->wait[i] = o->wait[--o->wait_cnt];
			return true;
		}
	}
	return false;
}

/* ------------------------------------------------------------------- the others */

void
kvs_order_remove(struct kvs_order *o, const struct kvs_key *k)
{
	const struct kvs_ref *link[KVS_ORDER_HEIGHT_MAX] = { NULL };
	struct kvs_ref ref = kvs_ref_of(o->base, k);

	if (wait_remove(o, ref)) {
		return;
	}
	descend(o, kvs_key_slice(k), false, link);
	for (uint32_t level = 0; level < k->height; level++) {
		struct kvs_ref *before = (struct kvs_ref *)(uintptr_t)link[level];

		INSIST(before->v == ref.v);
		*before = k->next[level];
	}
}

struct kvs_key *
kvs_order_from(struct kvs_order *o, struct slice key, bool above)
{
	const struct kvs_ref *link[KVS_ORDER_HEIGHT_MAX];

	settle(o);
	INSIST(o->height >= 1);
	descend(o, key, above, link);
	return at(o, *link[0]);
}

struct kvs_key *
kvs_order_next(struct kvs_order *o, const struct kvs_key *k)
{
	if (unlikely(o->wait_cnt > 0)) {
		settle(o);
	}
	return at(o, k->next[0]);
}
