/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_key - how a key and its value lie in a shard's memory
 *
 * Both are blocks of the shard's heap, named by a struct kvs_ref: 32 bits count steps of 16 bytes
 * from the start of the shard's memory, so a shard has at most 64 GiB and a reference costs four
 * bytes. Key and value are apart, because the key must not move (index and order refer to it) and
 * the value comes and goes.
 *
 * Cost of a key beside its own bytes and its value's: 8 here, 4 x 1.33 in the order, 16 at the
 * value, 64 / KVS_INDEX_FILL in the index, and what the heap's size classes waste.
 */
#ifndef MB_KVS_KEY_H
#define MB_KVS_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "slice.h"
#include "tree.h"

#define KVS_REF_STEP        16
#define KVS_SHARD_BYTES_MAX ((size_t)KVS_REF_STEP << 32)

/* 0: nothing. */
struct kvs_ref {
	uint32_t v;
};

struct kvs_key {
	struct kvs_ref
		value; /* struct kvs_value; never 0: what was never written has no key here */
	uint16_t key_len;
	uint8_t height   : 5; /* in the order: next[0, height) */
	uint8_t changing : 1; /* somebody is still to hear of a change (kvs_change.h) */
	uint8_t hot   : 1; /* more tiles than usual have it, or this is one of them (kvs_hot.h) */
	uint8_t dying : 1; /* its tombstone is about to go (kvs_drop.h) */
	uint8_t held;      /* bit i: cache tile i may have a copy */
	struct kvs_ref next[]; /* behind it the key's bytes */
};

/* The bytes of a value do not change while pin_cnt is not 0: somebody reads them. */
struct kvs_value {
	uint32_t len;
	uint32_t cap; /* bytes there is room for */
	uint32_t pin_cnt;
	uint8_t orphan;  /* 1: no key has it any more, it goes with the last pin */
	uint8_t settled; /* 1: it has nothing that could be forgotten (kvs_forget_small) */
	uint8_t tree;    /* 1: its state is the root of a tree, and a view of it lies behind it */
	uint8_t written; /* when (kvs_recent.h) */
	uint8_t bytes[]; /* an envelope, as aligned as the heap's blocks */
};

static inline struct tree_view *
kvs_value_view(struct kvs_value *v)
{
	return (struct tree_view *)(void *)(v->bytes + ALIGN_UP(v->len, 8U));
}

/* The envelope: its bytes, or the slice that stands for a tree. */
static inline struct slice
kvs_value_slice(struct kvs_value *v)
{
	return v->tree != 0 ? tree_slice(kvs_value_view(v)) : slice_of(v->bytes, v->len);
}

/* Requires: v->tree. */
static inline const struct tree_node *
kvs_value_root(const struct kvs_value *v)
{
	return (const struct tree_node *)(const void *)v->bytes;
}

/* How long its encoding is; of a tree, but for what stands around it. */
static inline size_t
kvs_value_bytes(const struct kvs_value *v)
{
	return v->tree != 0 ? kvs_value_root(v)->items_len +
				      (size_t)kvs_value_root(v)->cnt * TABLE_ITEM_OVERHEAD
			    : v->len;
}

static inline void *
kvs_at(const uint8_t *base, struct kvs_ref ref)
{
	return (void *)(uintptr_t)(base + (size_t)ref.v * KVS_REF_STEP);
}

static inline struct kvs_ref
kvs_ref_of(const uint8_t *base, const void *p)
{
	return (struct kvs_ref){ (uint32_t)((size_t)((const uint8_t *)p - base) / KVS_REF_STEP) };
}

static inline size_t
kvs_key_bytes(uint32_t height, size_t key_len)
{
	return sizeof(struct kvs_key) + height * sizeof(struct kvs_ref) + key_len;
}

static inline struct slice
kvs_key_slice(const struct kvs_key *k)
{
	return slice_of(&k->next[k->height], k->key_len);
}

#endif
