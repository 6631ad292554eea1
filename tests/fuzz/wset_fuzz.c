/* SPDX-License-Identifier: Apache-2.0 */
/* wset_fuzz - write sets, which executors and clients send to a cache tile
 *
 * Whatever comes, the parser stays inside of it and ends. A set that it takes is one that the
 * builder writes: built again from what was read, it is the same bytes; and each operation can be
 * asked of any value, with a delta that is well formed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "delta.h"
#include "lattice.h"
#include "slice.h"
#include "wset.h"

#define DELTA_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Does an operation on a value in *mem, in place. */
static void
apply(const struct wset_op *op, struct slice *value, uint8_t *mem)
{
	static uint8_t delta_mem[DELTA_MAX], merged_mem[DELTA_MAX];
	static uint64_t now;
	struct wbuf delta = wbuf_init(delta_mem, sizeof(delta_mem));
	struct wbuf merged = wbuf_init(merged_mem, sizeof(merged_mem));
	struct hlc_time time = { ++now };

	if (op->by_ref || value->len + delta_bound(*value, op, op->value.len) > DELTA_MAX ||
	    delta_make(*value, op, hlc_moment_of(time), (struct writer_id){ 1 }, &delta) != 0) {
		return;
	}
	REQUIRE(lattice_check(LATTICE_ENVELOPE, wbuf_slice(&delta)) == 0);
	REQUIRE(lattice_merge_into(LATTICE_ENVELOPE, *value, wbuf_slice(&delta), &merged) > 0);
	if (merged.len != 0) {
		memcpy(mem, merged.p, merged.len);
	}
	*value = slice_of(mem, merged.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t value_mem[DELTA_MAX];
	struct slice rest = slice_of(data, len), value = slice_of(value_mem, 0);
	struct wset_op op;
	struct wset again;
	uint32_t cnt = 0;
	uint8_t *mem;

	if (wset_check(rest, &cnt) != 0) {
		return 0;
	}
	mem = malloc(len + 1);
	REQUIRE(mem != NULL);
	wset_init(&again, mem, len);
	while (wset_next(&rest, &op) == 1) {
		REQUIRE(wset_add(&again, &op) == 0);
		apply(&op, &value, value_mem);
	}
	REQUIRE(rest.len == 0);
	REQUIRE(again.op_cnt == cnt);
	REQUIRE(slice_eq(wset_bytes(&again), slice_of(data, len)));
	free(mem);
	return 0;
}
