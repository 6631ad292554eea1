/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_fuzz - requests of remote clients, and answers of nodes that may be none
 *
 * Whatever the bytes: no look outside of them; what is taken lies inside, and its head written
 * again says the same; items end.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "rpc.h"
#include "ways.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
inside(struct slice part, const uint8_t *data, size_t len)
{
	REQUIRE(part.p >= data);
	REQUIRE(part.p + part.len <= data + len);
}

static void
items_end(struct slice payload)
{
	struct rbuf items = rbuf_of(payload);
	struct slice item;
	size_t cnt = 0;
	int err;

	while (rpc_item_next(&items, &item) == 1) {
		inside(item, payload.p, payload.len);
		REQUIRE(++cnt <= payload.len);
	}
	items = rbuf_of(payload);
	cnt = 0;
	while (rpc_part_next(&items, &err, &item) == 1) {
		inside(item, payload.p, payload.len);
		REQUIRE((size_t)(item.p - payload.p) % 8 == 0);
		REQUIRE(err <= 0);
		REQUIRE(++cnt <= payload.len);
	}
}

/* What an answer to HELLO brings. */
static void
ways_hold(struct slice payload)
{
	uint8_t again[WAYS_BYTES_MAX];
	struct ways w;

	if (ways_read(payload, &w) == 0) {
		REQUIRE(ways_write(again, &w) == payload.len);
		REQUIRE(memcmp(again, payload.p, payload.len) == 0);
		for (uint32_t i = 0; i < w.tile_cnt; i++) {
			REQUIRE(ways_tile(w.tile_cnt, w.shard_cnt, i % w.shard_cnt, i) <
				w.tile_cnt);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rpc_request q, q2;
	struct rpc_reply r;
	uint8_t *again;

	if (rpc_request_read(slice_of(data, len), &q) == 0) {
		inside(q.name, data, len);
		inside(q.payload, data, len);
		REQUIRE((size_t)(q.payload.p - data) % 8 == 0);
		again = malloc(rpc_request_bytes(q.name.len, q.payload.len));
		REQUIRE(again != NULL);
		memcpy(rpc_request_write(again, &q), q.payload.p, q.payload.len);
		REQUIRE(rpc_request_read(slice_of(again, len), &q2) == 0);
		REQUIRE(q2.op == q.op);
		REQUIRE(q2.deadline_ns == q.deadline_ns);
		REQUIRE(slice_eq(q2.name, q.name));
		REQUIRE(slice_eq(q2.payload, q.payload));
		free(again);
		items_end(q.payload);
	}
	if (rpc_reply_read(slice_of(data, len), &r) == 0) {
		inside(r.payload, data, len);
		REQUIRE(r.err <= 0);
		items_end(r.payload);
		ways_hold(r.payload);
	}
	return 0;
}
