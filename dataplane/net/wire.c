/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include "check.h"
#include "microburst/error.h"

static void
put16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static void
put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static void
put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static uint16_t
get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t
get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* A piece of a message lies inside it, and begins where a segment begins. Only the last may be
 * shorter than the others. */
static bool
piece_ok(const struct wire_head *h)
{
	if (h->total > WIRE_MESSAGE_MAX || h->off > h->total || h->len > h->total - h->off ||
	    h->len > h->mss || h->mss == 0) {
		return false;
	}
	if (h->off % h->mss != 0 || h->len == 0) {
		return false;
	}
	return h->len == h->mss || h->off + h->len == h->total;
}

static bool
head_ok(const struct wire_head *h)
{
	if (h->key != 0 || h->mss > WIRE_BODY_MAX || h->len > WIRE_BODY_MAX ||
	    (h->flags & ~WIRE_F_ALL) != 0 || h->client == 0) {
		return false;
	}
	if ((h->kind != WIRE_HELLO) != (h->session != 0)) {
		return false;
	}
	switch (h->kind) {
	case WIRE_HELLO:
		return h->len >= WIRE_WELCOME_BODY;
	case WIRE_WELCOME:
		return h->len >= WIRE_WELCOME_BODY && h->mss == h->len && h->word > 0;
	case WIRE_REQUEST:
	case WIRE_REPLY:
		return h->id != 0 && piece_ok(h);
	case WIRE_ACK:
		return h->id != 0 && h->len == WIRE_ACK_BODY && h->total <= WIRE_MESSAGE_MAX &&
		       h->off <= h->total && h->word <= h->total && h->mss != 0;
	case WIRE_REFUSE:
		return h->id != 0 && h->len == 0 && h->word > 0 && h->word <= INT16_MAX &&
		       mb_err_client_visible(-(int)h->word);
	case WIRE_RESET:
		return h->len == 0;
	default:
		return false;
	}
}

void
wire_put(uint8_t p[WIRE_HEAD_BYTES], const struct wire_head *h)
{
	p[0] = WIRE_PROTO;
	p[1] = h->kind;
	p[2] = h->flags;
	p[3] = h->key;
	put16(p + 4, h->len);
	put16(p + 6, h->mss);
	put64(p + 8, h->session);
	put64(p + 16, h->id);
	put32(p + 24, h->client);
	put32(p + 28, h->off);
	put32(p + 32, h->total);
	put32(p + 36, h->word);
}

void
wire_write(uint8_t p[WIRE_HEAD_BYTES], const struct wire_head *h)
{
	INSIST_HOT(head_ok(h), "kind=%u off=%u len=%u total=%u mss=%u", h->kind, h->off, h->len,
		   h->total, h->mss);
	wire_put(p, h);
}

int
wire_read(struct slice datagram, struct wire_head *ret, struct slice *ret_body)
{
	const uint8_t *p = datagram.p;
	struct wire_head h;

	if (datagram.len < WIRE_HEAD_BYTES || datagram.len > WIRE_DATAGRAM_MAX) {
		return MB_ERR_CORRUPT;
	}
	if (p[0] != WIRE_PROTO) {
		return MB_ERR_VERSION;
	}
	h = (struct wire_head){ .kind = p[1],
				.flags = p[2],
				.key = p[3],
				.len = get16(p + 4),
				.mss = get16(p + 6),
				.session = get64(p + 8),
				.id = get64(p + 16),
				.client = get32(p + 24),
				.off = get32(p + 28),
				.total = get32(p + 32),
				.word = get32(p + 36) };
	if (h.len != datagram.len - WIRE_HEAD_BYTES || !head_ok(&h)) {
		return MB_ERR_CORRUPT;
	}
	*ret = h;
	*ret_body = slice_of(p + WIRE_HEAD_BYTES, h.len);
	return 0;
}
