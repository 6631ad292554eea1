/* SPDX-License-Identifier: Apache-2.0 */
/* write_msg_fuzz - writes of remote clients
 *
 * Whatever the bytes: what is taken lies inside of them; written again it is the same bytes; all
 * operations of a set are of one cache tile and none refers to what is not there.
 */
#include <stdlib.h>
#include <string.h>

#include "cache_msg.h"
#include "check.h"
#include "hash.h"
#include "write_msg.h"

#define TILE_CNT 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
inside(struct slice part, const uint8_t *data, size_t len)
{
	REQUIRE(part.len == 0 || (part.p >= data && part.p + part.len <= data + len));
}

static void
set_check(const struct client_write *w)
{
	uint64_t hash = hash_bytes(w->op.key.p, w->op.key.len);
	struct slice set = w->set;
	struct wset_op op;
	uint32_t cnt = 0;

	while (wset_next(&set, &op) == 1) {
		REQUIRE(!op.by_ref);
		REQUIRE(cache_tile_of(hash_bytes(op.key.p, op.key.len), TILE_CNT) ==
			cache_tile_of(hash, TILE_CNT));
		REQUIRE(!w->told || (op.kind == w->op.kind && slice_eq(op.key, w->op.key)));
		cnt++;
	}
	REQUIRE(set.len == 0 && cnt > 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = aligned_alloc(8, (len / 8 + 1) * 8); /* as a request's payload is */
	struct client_write w;
	uint8_t *again;
	size_t bytes;

	REQUIRE(copy != NULL);
	memcpy(copy, data, len);
	if (write_msg_read(slice_of(copy, len), TILE_CNT, &w) == 0) {
		inside(w.op.key, copy, len);
		inside(w.op.field, copy, len);
		inside(w.op.value, copy, len);
		inside(w.set, copy, len);
		REQUIRE(w.op.key.len > 0 && !w.op.by_ref);
		if (w.set.len > 0) {
			set_check(&w);
		}
		bytes = write_msg_bytes(&w);
		again = aligned_alloc(8, (bytes / 8 + 1) * 8);
		REQUIRE(again != NULL);
		if (write_msg_put(&w, again, bytes) == 0 && w.op.value.len > WSET_INLINE_MAX) {
			REQUIRE(bytes + write_msg_rest(&w).len == len);
		}
		free(again);
	}
	free(copy);
	return 0;
}
