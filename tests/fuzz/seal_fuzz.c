/* SPDX-License-Identifier: Apache-2.0 */
/* seal_fuzz - files of keys, and datagrams of those who have none of them or all
 *
 * Whatever the bytes: no look outside of them. A text that is taken has 1 to SEAL_KEYS_MAX keys,
 * none with the number 0. Bytes that nobody sealed do not open; the same bytes as a frame that the
 * other end seals come out as they went in.
 */
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"
#include "seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static _Alignas(8) uint8_t plain[WIRE_DATAGRAM_MAX], sealed[WIRE_DATAGRAM_MAX];
	struct seal read = { 0 }, us = { .cnt = 1 }, them;
	struct wire_head h;
	struct slice body;
	uint32_t line;

	if (seal_read(&read, slice_of(data, len), &line) == 0) {
		REQUIRE(read.cnt >= 1 && read.cnt <= SEAL_KEYS_MAX);
		for (uint32_t i = 0; i < read.cnt; i++) {
			REQUIRE(read.key[i].number != 0);
		}
	}
	memset(us.key[0].key, 0x5a, SEAL_KEY_BYTES);
	us.key[0].number = 1;
	them = us;
	them.server = true;
	REQUIRE(seal_take(&us, slice_of(data, len), plain, &h, &body) == MB_ERR_DENIED);
	if (wire_read(slice_of(data, len), &h, &body) == 0 &&
	    len + SEAL_BYTES <= WIRE_DATAGRAM_MAX) {
		size_t n = seal_put(&them, sealed, &h, body.p);

		REQUIRE(n == len + SEAL_BYTES);
		REQUIRE(seal_take(&us, slice_of(sealed, n), plain, &h, &body) == 0);
		REQUIRE(memcmp(plain, data, len) == 0);
	}
	return 0;
}
