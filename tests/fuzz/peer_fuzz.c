/* SPDX-License-Identifier: Apache-2.0 */
/* peer_fuzz - references to payloads, as any process may write them
 *
 * In: a list of struct payload_ref, each behind a byte that makes parts of it right, so that the
 * rest is looked at. Must hold: a view lies whole inside the slab or the segment it names; whatever
 * names nothing that is there is refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "microburst/error.h"
#include "peer.h"
#include "slice.h"

enum {
	PROC = 200,
	INC = 5,
	SEG_CNT = 3,
	RIGHT_PROC = 1,
	RIGHT_INC = 2,
	RIGHT_SEG = 4,
	NEAR_END = 8
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A segment each of one byte, of odd length, of pages. */
static const size_t seg_bytes[SEG_CNT] = { 1, 4999, 8192 };
static uint8_t *seg[SEG_CNT];
static struct peers peers;
static struct region region;

static int
attach(void *ctx, uint16_t proc, uint32_t inc, uint32_t segment, int *ret_fd)
{
	REQUIRE(proc < PROC_CNT_MAX && inc != 0);
	REQUIRE(proc != PROC || inc != INC || segment > SEG_CNT); /* the others are there */
	return MB_ERR_PEER_DIED;
}

/* The mappings end where malloc's blocks do: one byte more, and the address sanitizer says so. */
static void
begin(void)
{
	const struct peer_attach_ops ops = { .attach = attach };

	if (peers.peer != NULL) {
		return;
	}
	region.at = region_layout(REGION_PROCESS);
	region.base = aligned_alloc(4096, region.at.bytes);
	REQUIRE(region.base != NULL);
	memset((void *)(uintptr_t)region.base, 1, region.at.bytes);
	REQUIRE(peers_create(&peers, &ops) == 0);
	REQUIRE(peer_put_region(&peers, PROC, INC, &region) == 0);
	for (uint32_t i = 0; i < SEG_CNT; i++) {
		seg[i] = malloc(seg_bytes[i]);
		REQUIRE(seg[i] != NULL);
		memset(seg[i], 1, seg_bytes[i]);
		REQUIRE(peer_put_seg(&peers, PROC, INC, i + 1, seg[i], seg_bytes[i]) == 0);
	}
}

static void
check(const struct payload_ref *ref, const uint8_t *p)
{
	const uint8_t *first = region.base + region.at.slab, *end = region.base + region.at.bytes;
	uint64_t sum = 0;

	REQUIRE(ref->proc == PROC && ref->inc == INC && ref->seg <= SEG_CNT);
	if (ref->seg > 0) {
		first = seg[ref->seg - 1];
		end = first + seg_bytes[ref->seg - 1];
	}
	REQUIRE(p >= first && p <= end && ref->len <= (size_t)(end - p));
	for (size_t i = 0; i < ref->len; i += 4096) {
		sum += p[i];
	}
	sum += ref->len > 0 ? p[ref->len - 1] : 0;
	REQUIRE(sum == (ref->len + 4095) / 4096 + (ref->len > 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rbuf in = rbuf_of(slice_of(data, len));

	begin();
	while (in.len > sizeof(struct payload_ref)) {
		uint8_t right = rbuf_u8(&in);
		const uint8_t *p = NULL;
		struct payload_ref ref;
		int err;

		memcpy(&ref, rbuf_take(&in, sizeof(ref)).p, sizeof(ref));
		ref.proc = (right & RIGHT_PROC) != 0 ? PROC : ref.proc;
		ref.inc = (right & RIGHT_INC) != 0 ? INC : ref.inc;
		ref.seg = (right & RIGHT_SEG) != 0 ? ref.seg % (SEG_CNT + 1) : ref.seg;
		if ((right & NEAR_END) != 0) {
			size_t bytes = ref.seg == 0 || ref.seg > SEG_CNT ? region.at.bytes
									 : seg_bytes[ref.seg - 1];

			ref.off = (uint32_t)bytes - ref.off % 16;
			ref.len %= 32;
		}
		err = peer_view(&peers, &ref, &p);
		REQUIRE(err == 0 || err == MB_ERR_PEER_CORRUPT || err == MB_ERR_PEER_DIED);
		REQUIRE((err == 0) == (p != NULL));
		if (err == 0) {
			check(&ref, p);
		}
	}
	return 0;
}
