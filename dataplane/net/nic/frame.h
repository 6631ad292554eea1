/* SPDX-License-Identifier: Apache-2.0 */
/* frame - what is on the link: Ethernet, and of what it carries the little that a node needs
 *
 *	UDP over IPv4 and IPv6 (RFC 768, 791, 8200), one VLAN tag (802.1Q), ARP (RFC 826), neighbour
 *	discovery (RFC 4861: solicitation, advertisement), echo (RFC 792, 4443), who hears a group
 *	(RFC 2710: query, report)
 *
 * Reading takes nothing for granted: a frame that is read has its lengths inside the bytes, its
 * checksums right, no fragments, no options or extension headers (but the one of RFC 2710). Writing
 * makes frames that reading takes. IPv4 addresses stand mapped into IPv6, as in wire_addr.
 *
 * Checksums. A NIC may have looked already (GOOD), or may be asked to complete them (sum_by_nic).
 * From a neighbour on the same machine a UDP datagram may come with the sum of its pseudo-header
 * only, because there is no wire to protect it from (veth, tap): PARTIAL takes those too. To one
 * that shares memory with us it goes without any, as RFC 768 lets it over IPv4 (sum_none).
 *
 * Pure. Errors: negative mb_err. Threads: any.
 */
#ifndef MB_FRAME_H
#define MB_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

#define FRAME_MAC_BYTES 6
#define FRAME_IP_BYTES  16
#define FRAME_HEAD_MAX  66  /* Ethernet, VLAN, IPv6, UDP */
#define FRAME_SMALL_MAX 128 /* any frame that is neither UDP nor an echo */
#define FRAME_VLAN_MAX  4094
#define FRAME_MIN       60 /* shorter ones are filled up */

enum frame_kind {
	FRAME_UDP = 1,
	FRAME_ARP_ASK,  /* who has to.ip? */
	FRAME_ARP_TELL, /* from.ip is at from.mac */
	FRAME_ND_ASK,   /* who has target? */
	FRAME_ND_TELL,  /* target is at from.mac */
	FRAME_ECHO_ASK,
	FRAME_ECHO_TELL,
	FRAME_MLD_ASK,  /* who hears target, which is a group? ::: any? */
	FRAME_MLD_TELL, /* target is heard here */
};

enum frame_sum { FRAME_SUM_CHECK = 0, FRAME_SUM_PARTIAL, FRAME_SUM_GOOD };

struct frame_end {
	uint8_t mac[FRAME_MAC_BYTES];
	uint8_t ip[FRAME_IP_BYTES];
	uint16_t port; /* UDP only; host order */
};

/* The end of a body, whose sum is known: it is not read again. len 0: there is none such. */
struct frame_tail {
	uint32_t len;
	uint32_t sum;
};

struct frame {
	enum frame_kind kind;
	uint16_t vlan; /* 0: no tag */
	struct frame_end from, to;
	uint8_t target[FRAME_IP_BYTES]; /* neighbour discovery, groups */
	struct slice body;              /* of UDP; of an echo: identifier, number and data */
	bool sum_by_nic;                /* writing UDP: see above */
	bool sum_none;                  /* the same, over IPv4 */
	uint8_t l2_bytes, l3_bytes;     /* filled in by frame_udp */
	struct frame_tail tail;         /* writing UDP with a sum */
};

/* frame_is_v4 tells an IPv4 address, which is ::ffff:a.b.c.d. */
static inline bool
frame_is_v4(const uint8_t ip[FRAME_IP_BYTES])
{
	uint64_t high;
	uint32_t low;

	memcpy(&high, ip, sizeof(high));
	memcpy(&low, ip + 8, sizeof(low));
	return high == 0 && low == htobe32(0xffff);
}

/* frame_is_of_link tells an IPv6 address that is good on one link only: fe80::/10. */
static inline bool
frame_is_of_link(const uint8_t ip[FRAME_IP_BYTES])
{
	return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

/* frame_read reads a frame into *f, of which each kind has what belongs to it.
 * Returns:   0, the body lies in the bytes; MB_ERR_NOT_SUPPORTED for what is none of
 *            the above; MB_ERR_CORRUPT for what claims to be one and is not. */
int frame_read(struct slice bytes, enum frame_sum sum, struct frame *f);

/* frame_tail_of sums what is to be copied to the end of a body: where it lies, a sum of the copy
 * would wait until that is in the cache. Requires: 8 bytes; an even number of them before the tail
 * in its body. */
struct frame_tail frame_tail_of(struct slice bytes);

/* frame_udp writes the heads of a UDP frame right before its body, which lies at `body`.
 * Requires:  FRAME_HEAD_MAX bytes in front of it; both addresses of one family; a body that fits.
 * Returns:   how many bytes the heads are. */
size_t frame_udp(uint8_t *body, struct frame *f);

/* What comes in bursts from one end has the same heads but for lengths, identification and sums.
 *
 * frame_again reads a datagram (IPv4, no tag) whose heads are otherwise those of another frame that
 * frame_read took. Returns: whether it is one, with the body; all else is for frame_read.
 *
 * frame_udp_again is frame_udp for a datagram from where and to where the one went whose heads are
 * in *again, which frame_udp_keep keeps of a frame just written (IPv4, no tag). */
#define FRAME_AGAIN_L2    14
#define FRAME_AGAIN_L3    20
#define FRAME_AGAIN_BYTES (FRAME_AGAIN_L2 + FRAME_AGAIN_L3 + 8)

struct frame_again {
	uint8_t head[FRAME_AGAIN_BYTES];
	uint32_t ip_sum, udp_sum; /* of what does not change */
};

bool frame_again(struct slice bytes, enum frame_sum sum, const uint8_t head[FRAME_AGAIN_BYTES],
		 struct slice *ret_body);
void frame_udp_keep(const uint8_t *body, struct frame_again *ret);
size_t frame_udp_again(uint8_t *body, size_t len, const struct frame *f,
		       const struct frame_again *again);
size_t frame_udp_again_tail(uint8_t *body, size_t len, struct frame_tail tail,
			    const struct frame_again *again);

/* frame_small writes a frame of any other kind at p.
 * Returns:   its length; 0 when it does not fit room. */
size_t frame_small(uint8_t *p, size_t room, const struct frame *f);

#endif
