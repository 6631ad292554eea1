/* SPDX-License-Identifier: Apache-2.0 */
/* wire - what one datagram between two nodes, or a client and a node, looks like
 *
 * One datagram carries one frame: a head of 40 bytes and a body.
 *
 *	 0  u8  proto     WIRE_PROTO: what is spoken, and its version
 *	 1  u8  kind      enum wire_kind
 *	 2  u8  flags     enum wire_flag
 *	 3  u8  key       which key sealed it (seal.h); 0: none, as wire_read wants it
 *	 4  u16 len       bytes of the body
 *	 6  u16 mss       bytes of a segment: see flow.h
 *	 8  u64 session   the server's name for the two ends; 0 before it gave one
 *	16  u64 id        of the request, from 1; of a HELLO a number of the client's choice
 *	24  u32 client    the client's name, random: a client that starts again is another one
 *	28  u32 off       where the body lies in its message; of an ACK how much has come
 *	32  u32 total     how long the message is
 *	36  u32 word      by kind
 *
 * All little endian. This is the only parser of datagrams that strangers send: what it lets through
 * has a kind, a body of the length it says, and numbers that fit each other. What the numbers mean
 * at this moment is flow's to judge.
 *
 * Errors:    negative mb_err. Threads: any; pure.
 */
#ifndef MB_WIRE_H
#define MB_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "slice.h"

#define WIRE_PROTO        0xb1 /* high half: Microburst; low half: version 1 */
#define WIRE_HEAD_BYTES   40
#define WIRE_DATAGRAM_MAX 8960 /* a jumbo frame's, with its IPv6 and UDP heads */
#define WIRE_DATAGRAM_MIN 1200 /* every path of today carries it (RFC 9000, 14) */
#define WIRE_BODY_MAX     (WIRE_DATAGRAM_MAX - WIRE_HEAD_BYTES)
#define WIRE_MESSAGE_MAX  (65u << 20) /* a value of 64 MiB and what stands around it */
#define WIRE_ACK_SEGMENTS 256         /* an ACK tells of so many behind the first gap */
#define WIRE_ACK_BODY     (WIRE_ACK_SEGMENTS / 8)
#define WIRE_WELCOME_BODY 8 /* the server's incarnation, little endian; the rest is padding */

enum wire_kind {
	/* client -> server: may I? The body is padding, so that the path's width is found out, and
	 * so that an answer is never longer than its question; mss: how long it is */
	WIRE_HELLO = 1,
	/* server -> client: session; word: how many requests may be open; mss: how long this is */
	WIRE_WELCOME,
	WIRE_REQUEST, /* client -> server: a piece; word: requests up to here are done with (u32) */
	WIRE_REPLY,   /* server -> client: a piece; word: how long it took to be answered, in us */
	/* either way: off came in one piece; the body says what came behind it, a bit a segment
	 * from off on, the lowest of its first byte first; word: up to where may be sent; total,
	 * mss: the message's */
	WIRE_ACK,
	/* server -> client: request id ended without running, or its answer is lost; word:
	 * -mb_err */
	WIRE_REFUSE,
	/* server -> client: I, whose incarnation is total and, below it, off, know no such session,
	 * and have had none of what was sent in the last word ms; client -> server: I am leaving */
	WIRE_RESET,
	WIRE_KIND_CNT,
};

enum wire_flag {
	WIRE_F_OPEN = 1,     /* REQUEST: this client has not heard of the session yet */
	WIRE_F_ACK = 2,      /* REPLY: is to be acknowledged */
	WIRE_F_OF_REPLY = 4, /* ACK: of a reply */
	WIRE_F_ALL = 7,
};

/* An incarnation is a server's name for itself: another one after each start, and nobody else's.
 * Those of one node's tiles differ in the lowest byte only. Whether two are such: */
static inline bool
wire_is_sibling(uint64_t a, uint64_t b)
{
	return a != b && a >> 8 == b >> 8;
}

/* In memory as on the wire, but for the order of bytes on big machines. */
struct wire_head {
	uint8_t proto; /* wire_write's and wire_read's */
	uint8_t kind;
	uint8_t flags;
	uint8_t key;
	uint16_t len;
	uint16_t mss;
	uint64_t session;
	uint64_t id;
	uint32_t client;
	uint32_t off;
	uint32_t total;
	uint32_t word;
};

static_assert(sizeof(struct wire_head) == WIRE_HEAD_BYTES, "as on the wire");

/* Where a datagram comes from or goes to: IPv6, or IPv4 mapped into it. Port in host order. via is
 * whoever's who brought it: which address of this machine it came to, for its answer goes from
 * there; it is no part of the other end's name. */
struct wire_addr {
	uint8_t ip[16];
	uint16_t port;
	uint16_t via;
};
static_assert(sizeof(struct wire_addr) == 20, "port and via side by side");

static inline bool
wire_addr_eq(const struct wire_addr *a, const struct wire_addr *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a->ip, sizeof(x));
	memcpy(y, b->ip, sizeof(y));
	return a->port == b->port && x[0] == y[0] && x[1] == y[1];
}

/* Whether the other end is the same, and what of it comes, comes the same way. */
static inline bool
wire_addr_same(const struct wire_addr *a, const struct wire_addr *b)
{
	uint64_t x[2], y[2];
	uint32_t m, n;

	memcpy(x, a->ip, sizeof(x));
	memcpy(y, b->ip, sizeof(y));
	memcpy(&m, (const char *)a + offsetof(struct wire_addr, port), sizeof(m));
	memcpy(&n, (const char *)b + offsetof(struct wire_addr, port), sizeof(n));
	return m == n && x[0] == y[0] && x[1] == y[1];
}

/* wire_write puts a head in front of its body: WIRE_HEAD_BYTES at p. Requires: a head that
 * wire_read takes. */
void wire_write(uint8_t p[WIRE_HEAD_BYTES], const struct wire_head *h);

/* wire_put writes a head of any numbers: for those who try out what wire_read refuses. */
void wire_put(uint8_t p[WIRE_HEAD_BYTES], const struct wire_head *h);

/* wire_read reads a datagram.
 * Returns:   0 with *ret and *ret_body (in the datagram); MB_ERR_VERSION for another protocol or
 *            version; MB_ERR_CORRUPT for anything else that is not a frame. Then *ret means
 *            nothing. */
int wire_read(struct slice datagram, struct wire_head *ret, struct slice *ret_body);

#endif
