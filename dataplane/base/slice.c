/* SPDX-License-Identifier: Apache-2.0 */
/* slice.c - varints: seven bits a byte, least first, the top bit says that more follow */
#include "slice.h"

void
wbuf_varint(struct wbuf *w, uint64_t v)
{
	uint8_t bytes[VARINT_BYTES_MAX];
	size_t len = 0;

	while (v >= 0x80) {
		bytes[len++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	bytes[len++] = (uint8_t)v;
	wbuf_put(w, bytes, len);
}

uint64_t
rbuf_varint(struct rbuf *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = rbuf_u8(r);
		uint64_t bits = byte & 0x7f;

		if (r->bad || bits << shift >> shift != bits) {
			break; /* the end, or more than 64 bits */
		}
		v |= bits << shift;
		if (byte < 0x80) {
			if (byte == 0 && shift != 0) {
				break; /* a shorter form exists */
			}
			return v;
		}
	}
	r->bad = true;
	return 0;
}
