/* SPDX-License-Identifier: Apache-2.0 */
/* wire_fuzz - datagrams, which anybody may send to a node and, with a guess, to a client
 *
 * Whatever the bytes: no look outside of them; what is taken has its piece inside its message, and
 * written again it is the same bytes.
 */
#include <string.h>

#include "check.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t head[WIRE_HEAD_BYTES];
	struct wire_head h;
	struct slice body;

	if (wire_read(slice_of(data, len), &h, &body) != 0) {
		return 0;
	}
	REQUIRE(body.p == data + WIRE_HEAD_BYTES);
	REQUIRE(body.len + WIRE_HEAD_BYTES == len);
	if (h.kind == WIRE_REQUEST || h.kind == WIRE_REPLY) {
		REQUIRE(h.len > 0);
		REQUIRE(h.off + (uint64_t)h.len <= h.total);
		REQUIRE(h.total <= WIRE_MESSAGE_MAX);
		REQUIRE(h.off % h.mss == 0);
	}
	wire_write(head, &h);
	REQUIRE(memcmp(head, data, sizeof(head)) == 0);
	return 0;
}
