/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"

/* One that lies where it lies. */
typedef struct wire_head head_anywhere __attribute__((aligned(1)));

/* From this machine's order of bytes to the wire's, and back. */
static struct wire_head
turned(struct wire_head h)
{
	h.len = htole16(h.len);
	h.mss = htole16(h.mss);
	h.session = htole64(h.session);
	h.id = htole64(h.id);
	h.client = htole32(h.client);
	h.off = htole32(h.off);
	h.total = htole32(h.total);
	h.word = htole32(h.word);
	return h;
}

/* A piece of a message lies inside it, and begins where a segment begins. Only the last may be
 * shorter than the others. */
static bool
piece_ok(const struct wire_head *h)
{
	if (likely(h->off == 0 && h->len == h->total)) { /* all of it */
		return h->len <= h->mss && h->len != 0;
	}
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
	head_anywhere *w = (head_anywhere *)p;

	*w = turned(*h);
	w->proto = WIRE_PROTO;
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
	if (datagram.len < WIRE_HEAD_BYTES || datagram.len > WIRE_DATAGRAM_MAX) {
		return MB_ERR_CORRUPT;
	}
	memcpy(ret, datagram.p, sizeof(*ret));
	*ret = turned(*ret);
	if (ret->proto != WIRE_PROTO) {
		return MB_ERR_VERSION;
	}
	if (ret->len != datagram.len - WIRE_HEAD_BYTES || !head_ok(ret)) {
		return MB_ERR_CORRUPT;
	}
	*ret_body = slice_of(datagram.p + WIRE_HEAD_BYTES, ret->len);
	return 0;
}
