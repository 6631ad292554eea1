/* SPDX-License-Identifier: Apache-2.0 */
#include "write_msg.h"

#include "cache_msg.h"
#include "hash.h"

static struct wset_op
op_alone(const struct client_write *w)
{
	struct wset_op op = w->op;

	if (op.value.len > WSET_INLINE_MAX) {
		op.by_ref = true;
		op.ref = (struct payload_ref){ .len = (uint32_t)op.value.len };
	}
	return op;
}

size_t
write_msg_bytes(const struct client_write *w)
{
	struct wset_op op = op_alone(w);

	return w->set.len > 0 ? w->set.len : wset_op_bytes(&op);
}

struct slice
write_msg_rest(const struct client_write *w)
{
	return w->set.len == 0 && op_alone(w).by_ref ? w->op.value : slice_of(NULL, 0);
}

int
write_msg_put(const struct client_write *w, uint8_t *p, size_t bytes)
{
	struct wset_op op = op_alone(w);
	struct wset ws;

	if (w->set.len > 0) {
		memcpy(p, w->set.p, w->set.len);
		return 0;
	}
	wset_init(&ws, p, bytes);
	return wset_add(&ws, &op);
}

static uint32_t
tile_of(const struct wset_op *op, uint32_t tile_cnt)
{
	return cache_tile_of(hash_bytes(op->key.p, op->key.len), tile_cnt);
}

int
write_msg_read(struct slice payload, uint32_t tile_cnt, struct client_write *ret)
{
	struct client_write w = { .told = true };
	struct slice set = payload;
	struct wset_op op;
	uint32_t cnt = 1;
	int n = wset_next(&set, &w.op);

	if (n != 1) {
		return n == 0 ? MB_ERR_CORRUPT : n;
	}
	if (w.op.by_ref) {
		if (w.op.ref.len != set.len) {
			return MB_ERR_CORRUPT;
		}
		w.op.by_ref = false;
		w.op.ref = (struct payload_ref){ 0 };
		w.op.value = set;
		set.len = 0;
	}
	w.set.len = set.len > 0 ? payload.len : 0;
	w.set.p = payload.p;
	while ((n = wset_next(&set, &op)) == 1) {
		if (op.by_ref) {
			return MB_ERR_CORRUPT;
		}
		if (tile_cnt > 1 && tile_of(&op, tile_cnt) != tile_of(&w.op, tile_cnt)) {
			return MB_ERR_INVALID;
		}
		w.told = w.told && op.kind == w.op.kind && slice_eq(op.key, w.op.key);
		cnt++;
	}
	if (n < 0 || cnt > WSET_OP_CNT_MAX || w.set.len > WSET_BYTES_MAX) {
		return n < 0 ? n : MB_ERR_TOO_LARGE;
	}
	*ret = w;
	return 0;
}
