/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include "check.h"
#include "compiler.h"
#include "frame_sum.h"
#include "microburst/error.h"

#define ETH_BYTES    14
#define TAG_BYTES    4
#define V4_BYTES     20
#define V6_BYTES     40
#define UDP_BYTES    8
#define ARP_BYTES    28
#define ND_BYTES     24 /* type, code, sum, flags, target */
#define ND_OPT_BYTES 8  /* a link-layer address of Ethernet */
#define MLD_BYTES    24 /* type, code, sum, delay, group */
#define ALERT_BYTES  8  /* a head of options for those on the way: routers are to look */

#define TYPE_V4   0x0800
#define TYPE_ARP  0x0806
#define TYPE_VLAN 0x8100
#define TYPE_V6   0x86dd

#define PROTO_ALERT  0
#define PROTO_ICMP   1
#define PROTO_UDP    17
#define PROTO_ICMPV6 58

#define ICMP_ECHO_ASK    8
#define ICMP_ECHO_TELL   0
#define ICMPV6_ECHO_ASK  128
#define ICMPV6_ECHO_TELL 129
#define ICMPV6_MLD_ASK   130
#define ICMPV6_MLD_TELL  131
#define ICMPV6_ND_ASK    135
#define ICMPV6_ND_TELL   136
#define ND_OPT_SOURCE    1
#define ND_OPT_TARGET    2
#define ND_F_SOLICITED   0x40
#define ND_F_OVERRIDE    0x20

#define HOPS     64
#define ND_HOPS  255 /* nobody has passed it on */
#define MLD_HOPS 1   /* nobody will */

/* Of RFC 2711. */
static const uint8_t alert[4] = { 5, 2, 0, 0 };

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
ip_from_v4(uint8_t ip[FRAME_IP_BYTES], const uint8_t v4[4])
{
	memcpy(ip, mapped, sizeof(mapped));
	memcpy(ip + 12, v4, 4);
}

/* ------------------------------------------------------------------ checksums */

/* At any address. */
typedef uint64_t sum_vec __attribute__((__vector_size__(16), __aligned__(1), __may_alias__));

/* The one's complement sum of RFC 1071, in the order of the bytes in memory. Words of any multiple
 * of 16 bits add up to the same. Heads are in front of p: 7 bytes there may be read. */
static uint64_t
sum_add(uint64_t sum, const uint8_t *p, size_t len)
{
	const sum_vec half = { UINT32_MAX, UINT32_MAX };
	sum_vec all = { 0, 0 };
	size_t left = len;

	for (; left >= 256; left -= 64, p += 64) { /* words of 32 bits: they add up to no carry */
		const sum_vec *v = (const sum_vec *)p;

		all += (v[0] & half) + (v[0] >> 32) + (v[1] & half) + (v[1] >> 32);
		all += (v[2] & half) + (v[2] >> 32) + (v[3] & half) + (v[3] >> 32);
	}
	if (len >= 256) {
		sum = sum_word(sum_word(sum, all[0]), all[1]);
	}
	for (; left >= 32; left -= 32, p += 32) {
		sum = sum_word(sum, load64(p));
		sum = sum_word(sum, load64(p + 8));
		sum = sum_word(sum, load64(p + 16));
		sum = sum_word(sum, load64(p + 24));
	}
	if ((len & 16) != 0) {
		sum = sum_word(sum, load64(p));
		sum = sum_word(sum, load64(p + 8));
		p += 16;
	}
	if ((len & 8) != 0) {
		sum = sum_word(sum, load64(p));
		p += 8;
	}
	left = len & 7;
	if (left != 0) { /* the last word: zeros follow, and not what is before */
		sum = sum_word(sum, htole64(le64toh(load64(p + left - 8)) >> (64 - 8 * left)));
	}
	return sum;
}

/* The same of a head of IPv4 without options. */
static uint64_t
sum_v4(const uint8_t p[V4_BYTES])
{
	return (uint64_t)load32(p) + load32(p + 4) + load32(p + 8) + load32(p + 12) +
	       load32(p + 16);
}

static uint64_t
sum_pseudo_v6(const struct frame *f, uint8_t proto, size_t len)
{
	uint64_t sum = (uint64_t)htobe32((uint32_t)len) + htobe32(proto);

	sum = sum_add(sum, f->from.ip, FRAME_IP_BYTES);
	return sum_add(sum, f->to.ip, FRAME_IP_BYTES);
}

static uint64_t
sum_pseudo(const struct frame *f, uint8_t proto, size_t len)
{
	if (frame_is_v4(f->from.ip)) {
		return (uint64_t)load32(f->from.ip + 12) + load32(f->to.ip + 12) +
		       htobe16((uint16_t)len) + htobe16(proto);
	}
	return sum_pseudo_v6(f, proto, len);
}

/* -------------------------------------------------------------------- reading */

/* Whether the sum of a datagram (heads of UDP and body) is right: pseudo is that of the heads
 * before it. */
static bool
udp_sum_ok(uint64_t pseudo, const uint8_t *p, size_t len, enum frame_sum sum)
{
	if (sum == FRAME_SUM_PARTIAL && sum_get(p + 6) == sum_fold(pseudo)) {
		return true;
	}
	return sum_fold(sum_add(pseudo, p, len)) == 0xffff;
}

static int
read_udp(struct frame *f, const uint8_t *p, size_t len, enum frame_sum sum)
{
	size_t udp_len;

	if (len < UDP_BYTES) {
		return MB_ERR_CORRUPT;
	}
	udp_len = get16(p + 4);
	if (udp_len < UDP_BYTES || udp_len > len) {
		return MB_ERR_CORRUPT;
	}
	f->kind = FRAME_UDP;
	f->from.port = get16(p);
	f->to.port = get16(p + 2);
	f->body = slice_of(p + UDP_BYTES, udp_len - UDP_BYTES);
	if (sum == FRAME_SUM_GOOD) {
		return 0;
	}
	if (sum_get(p + 6) == 0) {
		return frame_is_v4(f->from.ip) ? 0 : MB_ERR_CORRUPT; /* RFC 8200, 8.1 */
	}
	return udp_sum_ok(sum_pseudo(f, PROTO_UDP, udp_len), p, udp_len, sum) ? 0 : MB_ERR_CORRUPT;
}

static int
read_icmp(struct frame *f, const uint8_t *p, size_t len)
{
	if (len < 8 || sum_fold(sum_add(0, p, len)) != 0xffff) {
		return MB_ERR_CORRUPT;
	}
	if ((p[0] != ICMP_ECHO_ASK && p[0] != ICMP_ECHO_TELL) || p[1] != 0) {
		return MB_ERR_NOT_SUPPORTED;
	}
	f->kind = p[0] == ICMP_ECHO_ASK ? FRAME_ECHO_ASK : FRAME_ECHO_TELL;
	f->body = slice_of(p + 4, len - 4);
	return 0;
}

/* The link-layer address among the options of a solicitation or an advertisement. */
static int
read_nd_options(struct frame *f, const uint8_t *p, size_t len, uint8_t wanted)
{
	while (len > 0) {
		size_t n = len >= 2 ? p[1] * (size_t)8 : 0;

		if (n == 0 || n > len) {
			return MB_ERR_CORRUPT;
		}
		if (p[0] == wanted && n == ND_OPT_BYTES) {
			memcpy(f->from.mac, p + 2, FRAME_MAC_BYTES);
		}
		p += n;
		len -= n;
	}
	return 0;
}

static int
read_icmpv6(struct frame *f, const uint8_t *p, size_t len, uint8_t hops)
{
	bool ask;

	if (len < 8 || sum_fold(sum_add(sum_pseudo(f, PROTO_ICMPV6, len), p, len)) != 0xffff) {
		return MB_ERR_CORRUPT;
	}
	if (p[1] != 0) {
		return MB_ERR_NOT_SUPPORTED;
	}
	switch (p[0]) {
	case ICMPV6_ECHO_ASK:
	case ICMPV6_ECHO_TELL:
		f->kind = p[0] == ICMPV6_ECHO_ASK ? FRAME_ECHO_ASK : FRAME_ECHO_TELL;
		f->body = slice_of(p + 4, len - 4);
		return 0;
	case ICMPV6_ND_ASK:
	case ICMPV6_ND_TELL:
		ask = p[0] == ICMPV6_ND_ASK;
		if (len < ND_BYTES || hops != ND_HOPS || p[8] == 0xff) {
			return MB_ERR_CORRUPT;
		}
		f->kind = ask ? FRAME_ND_ASK : FRAME_ND_TELL;
		memcpy(f->target, p + 8, FRAME_IP_BYTES);
		return read_nd_options(f, p + ND_BYTES, len - ND_BYTES,
				       ask ? ND_OPT_SOURCE : ND_OPT_TARGET);
	default:
		return MB_ERR_NOT_SUPPORTED;
	}
}

/* Who asks or tells which groups are heard: the one thing that is read behind options. */
static noinline int
read_mld(struct frame *f, const uint8_t *p, size_t len, uint8_t hops)
{
	if (len < ALERT_BYTES + MLD_BYTES) {
		return MB_ERR_CORRUPT;
	}
	if (p[0] != PROTO_ICMPV6 || p[1] != 0 ||
	    (memcmp(p + 2, alert, sizeof(alert)) != 0 &&
	     memcmp(p + 4, alert, sizeof(alert)) != 0)) {
		return MB_ERR_NOT_SUPPORTED;
	}
	p += ALERT_BYTES;
	len -= ALERT_BYTES;
	if (sum_fold(sum_add(sum_pseudo(f, PROTO_ICMPV6, len), p, len)) != 0xffff) {
		return MB_ERR_CORRUPT;
	}
	if ((p[0] != ICMPV6_MLD_ASK && p[0] != ICMPV6_MLD_TELL) || p[1] != 0) {
		return MB_ERR_NOT_SUPPORTED;
	}
	f->kind = p[0] == ICMPV6_MLD_ASK ? FRAME_MLD_ASK : FRAME_MLD_TELL;
	if (hops != MLD_HOPS || (f->kind == FRAME_MLD_ASK && !frame_is_of_link(f->from.ip))) {
		return MB_ERR_CORRUPT; /* it is from elsewhere than this link */
	}
	memcpy(f->target, p + 8, FRAME_IP_BYTES);
	return 0;
}

static int
read_v4(struct frame *f, const uint8_t *p, size_t len, enum frame_sum sum)
{
	size_t total;

	if (len < V4_BYTES || p[0] >> 4 != 4) {
		return MB_ERR_CORRUPT;
	}
	total = get16(p + 2);
	if ((p[0] & 15) != V4_BYTES / 4) {
		return MB_ERR_NOT_SUPPORTED; /* options */
	}
	if (total < V4_BYTES || total > len || sum_fold(sum_v4(p)) != 0xffff) {
		return MB_ERR_CORRUPT;
	}
	if ((get16(p + 6) & 0x3fff) != 0) {
		return MB_ERR_NOT_SUPPORTED; /* a fragment */
	}
	ip_from_v4(f->from.ip, p + 12);
	ip_from_v4(f->to.ip, p + 16);
	switch (p[9]) {
	case PROTO_UDP:
		return read_udp(f, p + V4_BYTES, total - V4_BYTES, sum);
	case PROTO_ICMP:
		return read_icmp(f, p + V4_BYTES, total - V4_BYTES);
	default:
		return MB_ERR_NOT_SUPPORTED;
	}
}

static int
read_v6(struct frame *f, const uint8_t *p, size_t len, enum frame_sum sum)
{
	size_t total;

	if (len < V6_BYTES || p[0] >> 4 != 6) {
		return MB_ERR_CORRUPT;
	}
	total = get16(p + 4);
	if (total > len - V6_BYTES) {
		return MB_ERR_CORRUPT;
	}
	memcpy(f->from.ip, p + 8, FRAME_IP_BYTES);
	memcpy(f->to.ip, p + 24, FRAME_IP_BYTES);
	if (frame_is_v4(f->from.ip) || frame_is_v4(f->to.ip)) {
		return MB_ERR_CORRUPT; /* not on a link: RFC 4291, 2.5.5.2 */
	}
	switch (p[6]) {
	case PROTO_UDP:
		return read_udp(f, p + V6_BYTES, total, sum);
	case PROTO_ICMPV6:
		return read_icmpv6(f, p + V6_BYTES, total, p[7]);
	case PROTO_ALERT:
		return read_mld(f, p + V6_BYTES, total, p[7]);
	default:
		return MB_ERR_NOT_SUPPORTED;
	}
}

static int
read_arp(struct frame *f, const uint8_t *p, size_t len)
{
	static const uint8_t ethernet_v4[6] = { 0, 1, 8, 0, 6, 4 };
	uint16_t op;

	if (len < ARP_BYTES) {
		return MB_ERR_CORRUPT;
	}
	op = get16(p + 6);
	if (memcmp(p, ethernet_v4, sizeof(ethernet_v4)) != 0 || op < 1 || op > 2) {
		return MB_ERR_NOT_SUPPORTED;
	}
	f->kind = op == 1 ? FRAME_ARP_ASK : FRAME_ARP_TELL;
	memcpy(f->from.mac, p + 8, FRAME_MAC_BYTES);
	ip_from_v4(f->from.ip, p + 14);
	ip_from_v4(f->to.ip, p + 24);
	return 0;
}

int
frame_read(struct slice bytes, enum frame_sum sum, struct frame *f)
{
	const uint8_t *p = bytes.p;
	size_t len = bytes.len;
	uint16_t type;

	if (len < ETH_BYTES) {
		return MB_ERR_CORRUPT;
	}
	f->vlan = 0;
	memcpy(f->to.mac, p, FRAME_MAC_BYTES);
	memcpy(f->from.mac, p + FRAME_MAC_BYTES, FRAME_MAC_BYTES);
	type = get16(p + 12);
	p += ETH_BYTES;
	len -= ETH_BYTES;
	if (type == TYPE_VLAN) {
		if (len < TAG_BYTES) {
			return MB_ERR_CORRUPT;
		}
		f->vlan = get16(p) & 0x0fff; /* 0: a priority only */
		type = get16(p + 2);
		p += TAG_BYTES;
		len -= TAG_BYTES;
	}
	return type == TYPE_V4    ? read_v4(f, p, len, sum)
	       : type == TYPE_V6  ? read_v6(f, p, len, sum)
	       : type == TYPE_ARP ? read_arp(f, p, len)
				  : MB_ERR_NOT_SUPPORTED;
}

/* -------------------------------------------------------------------- writing */

static size_t
eth_bytes(const struct frame *f)
{
	return ETH_BYTES + (f->vlan != 0 ? TAG_BYTES : 0);
}

static uint8_t *
put_eth(uint8_t *p, const struct frame *f, uint16_t type)
{
	memcpy(p, f->to.mac, FRAME_MAC_BYTES);
	memcpy(p + FRAME_MAC_BYTES, f->from.mac, FRAME_MAC_BYTES);
	p += 2 * FRAME_MAC_BYTES;
	if (f->vlan != 0) {
		put16(p, TYPE_VLAN);
		put16(p + 2, f->vlan);
		p += TAG_BYTES;
	}
	put16(p, type);
	return p + 2;
}

/* An IP head for len bytes behind it. */
static uint8_t *
put_ip(uint8_t *p, const struct frame *f, uint8_t proto, size_t len, uint8_t hops)
{
	if (frame_is_v4(f->from.ip)) {
		memset(p, 0, V4_BYTES);
		p[0] = 4 << 4 | V4_BYTES / 4;
		put16(p + 2, (uint32_t)(V4_BYTES + len));
		p[6] = 0x40; /* is not to be cut up */
		p[8] = hops;
		p[9] = proto;
		memcpy(p + 12, f->from.ip + 12, 4);
		memcpy(p + 16, f->to.ip + 12, 4);
		sum_put(p + 10, (uint16_t)~sum_fold(sum_v4(p)));
		return p + V4_BYTES;
	}
	memset(p, 0, 8);
	p[0] = 6 << 4;
	put16(p + 4, (uint32_t)len);
	p[6] = proto;
	p[7] = hops;
	memcpy(p + 8, f->from.ip, FRAME_IP_BYTES);
	memcpy(p + 24, f->to.ip, FRAME_IP_BYTES);
	return p + V6_BYTES;
}

struct frame_tail
frame_tail_of(struct slice bytes)
{
	REQUIRE(bytes.len >= 8 && bytes.len <= UINT16_MAX); /* see sum_add */
	return (struct frame_tail){ (uint32_t)bytes.len, sum_fold(sum_add(0, bytes.p, bytes.len)) };
}

size_t
frame_udp(uint8_t *body, struct frame *f)
{
	bool v4 = frame_is_v4(f->from.ip);
	size_t len = UDP_BYTES + f->body.len;
	uint8_t *udp = body - UDP_BYTES;
	uint8_t *p;
	uint16_t sum;

	REQUIRE(v4 == frame_is_v4(f->to.ip));
	REQUIRE(len + V4_BYTES <= UINT16_MAX);
	f->l2_bytes = (uint8_t)eth_bytes(f);
	f->l3_bytes = v4 ? V4_BYTES : V6_BYTES;
	p = udp - f->l3_bytes - f->l2_bytes;
	put_ip(put_eth(p, f, v4 ? TYPE_V4 : TYPE_V6), f, PROTO_UDP, len, HOPS);
	put16(udp, f->from.port);
	put16(udp + 2, f->to.port);
	put16(udp + 4, (uint32_t)len);
	sum_put(udp + 6, 0);
	if (f->sum_by_nic) {
		sum_put(udp + 6, sum_fold(sum_pseudo(f, PROTO_UDP, len)));
	} else if (!f->sum_none || !v4) {
		sum = (uint16_t)~sum_fold(sum_add(sum_pseudo(f, PROTO_UDP, len) + f->tail.sum, udp,
						  len - f->tail.len));
		sum_put(udp + 6, sum != 0 ? sum : 0xffff);
	}
	return (size_t)(body - p);
}

/* Where what differs lies, from the start of a frame: */
#define AT_IP      ETH_BYTES
#define AT_TOTAL   (AT_IP + 2) /* and the identification */
#define AT_FLAGS   (AT_IP + 6) /* and time to live, protocol */
#define AT_IP_SUM  (AT_IP + 10)
#define AT_ADDR    (AT_IP + 12) /* both */
#define AT_UDP     (AT_IP + V4_BYTES)
#define AT_UDP_LEN (AT_UDP + 4) /* and the sum */
static_assert(AT_UDP_LEN + 4 == FRAME_AGAIN_BYTES, "all heads");

/* The pseudo head's sum, but for the length. */
static uint64_t
again_pseudo(const uint8_t *p)
{
	return (uint64_t)load32(p + AT_ADDR) + load32(p + AT_ADDR + 4) + htobe16(PROTO_UDP);
}

bool
frame_again(struct slice bytes, enum frame_sum sum, const uint8_t head[FRAME_AGAIN_BYTES],
	    struct slice *ret_body)
{
	const uint8_t *p = bytes.p;
	size_t total, len;

	if (bytes.len < FRAME_AGAIN_BYTES || load64(p) != load64(head) ||
	    load64(p + 8) != load64(head + 8) || load32(p + AT_FLAGS) != load32(head + AT_FLAGS) ||
	    load64(p + AT_ADDR) != load64(head + AT_ADDR) ||
	    load32(p + AT_UDP) != load32(head + AT_UDP)) {
		return false;
	}
	total = get16(p + AT_TOTAL);
	len = get16(p + AT_UDP_LEN);
	if (total > bytes.len - ETH_BYTES || len < UDP_BYTES || len + V4_BYTES > total ||
	    sum_fold(sum_v4(p + AT_IP)) != 0xffff) {
		return false;
	}
	if (sum != FRAME_SUM_GOOD && sum_get(p + AT_UDP + 6) != 0 &&
	    !udp_sum_ok(again_pseudo(p) + htobe16((uint16_t)len), p + AT_UDP, len, sum)) {
		return false;
	}
	*ret_body = slice_of(p + FRAME_AGAIN_BYTES, len - UDP_BYTES);
	return true;
}

void
frame_udp_keep(const uint8_t *body, struct frame_again *ret)
{
	uint8_t *p = ret->head;

	memcpy(p, body - FRAME_AGAIN_BYTES, FRAME_AGAIN_BYTES);
	sum_put(p + AT_TOTAL, 0);
	sum_put(p + AT_IP_SUM, 0);
	sum_put(p + AT_UDP_LEN, 0);
	sum_put(p + AT_UDP_LEN + 2, 0);
	ret->ip_sum = sum_fold(sum_v4(p + AT_IP));
	ret->udp_sum = sum_fold(again_pseudo(p));
}

/* All but UDP's sum. */
static inline uint8_t *
again_put(uint8_t *body, size_t len, const struct frame_again *again)
{
	uint8_t *p = body - FRAME_AGAIN_BYTES;
	uint16_t total = htobe16((uint16_t)(V4_BYTES + UDP_BYTES + len));
	uint16_t udp_len = htobe16((uint16_t)(UDP_BYTES + len));

	memcpy(p, again->head, FRAME_AGAIN_BYTES);
	memcpy(p + AT_TOTAL, &total, sizeof(total));
	memcpy(p + AT_UDP_LEN, &udp_len, sizeof(udp_len));
	sum_put(p + AT_IP_SUM, (uint16_t)~sum_fold((uint64_t)again->ip_sum + total));
	return p;
}

/* UDP's sum of all that is to be read; sum: of what is not. */
static inline uint16_t
again_sum(const uint8_t *p, size_t len, uint64_t sum)
{
	uint16_t all = (uint16_t)~sum_fold(sum_add(sum, p + AT_UDP, UDP_BYTES + len));

	return all != 0 ? all : 0xffff;
}

size_t
frame_udp_again(uint8_t *body, size_t len, const struct frame *f, const struct frame_again *again)
{
	uint8_t *p = again_put(body, len, again);
	uint64_t sum = (uint64_t)again->udp_sum + htobe16((uint16_t)(UDP_BYTES + len));

	if (f->sum_none) {
		sum = 0;
	} else if (f->sum_by_nic) {
		sum = sum_fold(sum);
	} else {
		sum = again_sum(p, len, sum);
	}
	sum_put(p + AT_UDP + 6, (uint16_t)sum);
	return FRAME_AGAIN_BYTES;
}

size_t
frame_udp_again_tail(uint8_t *body, size_t len, struct frame_tail tail,
		     const struct frame_again *again)
{
	uint8_t *p = again_put(body, len, again);
	uint64_t sum = (uint64_t)again->udp_sum + htobe16((uint16_t)(UDP_BYTES + len));

	sum_put(p + AT_UDP + 6, again_sum(p, len - tail.len, sum + tail.sum));
	return FRAME_AGAIN_BYTES;
}

static void
put_arp(uint8_t *p, const struct frame *f)
{
	static const uint8_t ethernet_v4[6] = { 0, 1, 8, 0, 6, 4 };

	memcpy(p, ethernet_v4, sizeof(ethernet_v4));
	put16(p + 6, f->kind == FRAME_ARP_ASK ? 1 : 2);
	memcpy(p + 8, f->from.mac, FRAME_MAC_BYTES);
	memcpy(p + 14, f->from.ip + 12, 4);
	memset(p + 18, 0, FRAME_MAC_BYTES);
	if (f->kind == FRAME_ARP_TELL) {
		memcpy(p + 18, f->to.mac, FRAME_MAC_BYTES);
	}
	memcpy(p + 24, f->to.ip + 12, 4);
}

static void
put_nd(uint8_t *p, const struct frame *f, size_t len)
{
	bool ask = f->kind == FRAME_ND_ASK;

	memset(p, 0, len);
	p[0] = ask ? ICMPV6_ND_ASK : ICMPV6_ND_TELL;
	if (!ask) {
		/* Solicited only if there is one to say it to. */
		p[4] = f->to.ip[0] == 0xff ? ND_F_OVERRIDE : ND_F_SOLICITED | ND_F_OVERRIDE;
	}
	memcpy(p + 8, f->target, FRAME_IP_BYTES);
	p[ND_BYTES] = ask ? ND_OPT_SOURCE : ND_OPT_TARGET;
	p[ND_BYTES + 1] = 1;
	memcpy(p + ND_BYTES + 2, f->from.mac, FRAME_MAC_BYTES);
	sum_put(p + 2, (uint16_t)~sum_fold(sum_add(sum_pseudo(f, PROTO_ICMPV6, len), p, len)));
}

static void
put_echo(uint8_t *p, const struct frame *f, bool v4)
{
	size_t len = 4 + f->body.len;
	bool ask = f->kind == FRAME_ECHO_ASK;
	uint64_t sum = v4 ? 0 : sum_pseudo(f, PROTO_ICMPV6, len);

	memset(p, 0, 4);
	p[0] = v4 ? ask ? ICMP_ECHO_ASK : ICMP_ECHO_TELL : ask ? ICMPV6_ECHO_ASK : ICMPV6_ECHO_TELL;
	memcpy(p + 4, f->body.p, f->body.len);
	sum_put(p + 2, (uint16_t)~sum_fold(sum_add(sum, p, len)));
}

static void
put_mld(uint8_t *p, const struct frame *f)
{
	memset(p, 0, ALERT_BYTES + MLD_BYTES);
	p[0] = PROTO_ICMPV6;
	memcpy(p + 2, alert, sizeof(alert));
	p[6] = 1; /* and nothing else: PadN */
	p += ALERT_BYTES;
	p[0] = f->kind == FRAME_MLD_ASK ? ICMPV6_MLD_ASK : ICMPV6_MLD_TELL;
	memcpy(p + 8, f->target, FRAME_IP_BYTES);
	sum_put(p + 2,
		(uint16_t)~sum_fold(sum_add(sum_pseudo(f, PROTO_ICMPV6, MLD_BYTES), p, MLD_BYTES)));
}

size_t
frame_small(uint8_t *p, size_t room, const struct frame *f)
{
	bool v4 = frame_is_v4(f->from.ip);
	bool arp = f->kind == FRAME_ARP_ASK || f->kind == FRAME_ARP_TELL;
	bool echo = f->kind == FRAME_ECHO_ASK || f->kind == FRAME_ECHO_TELL;
	bool mld = f->kind == FRAME_MLD_ASK || f->kind == FRAME_MLD_TELL;
	size_t inner = arp    ? ARP_BYTES
		       : echo ? 4 + f->body.len
		       : mld  ? ALERT_BYTES + MLD_BYTES
			      : ND_BYTES + ND_OPT_BYTES;
	size_t len = eth_bytes(f) + inner + (arp ? 0 : v4 ? V4_BYTES : V6_BYTES);
	uint8_t *at;

	REQUIRE(f->kind != FRAME_UDP);
	REQUIRE(arp == (arp && v4));
	if (MAX(len, (size_t)FRAME_MIN) > room || inner + V4_BYTES > UINT16_MAX) {
		return 0;
	}
	at = put_eth(p, f, arp ? TYPE_ARP : v4 ? TYPE_V4 : TYPE_V6);
	if (arp) {
		put_arp(at, f);
	} else if (mld) {
		put_mld(put_ip(at, f, PROTO_ALERT, inner, MLD_HOPS), f);
	} else {
		at = put_ip(at, f, v4 ? PROTO_ICMP : PROTO_ICMPV6, inner, echo ? HOPS : ND_HOPS);
		if (echo) {
			put_echo(at, f, v4);
		} else {
			put_nd(at, f, inner);
		}
	}
	if (len < FRAME_MIN) {
		memset(p + len, 0, FRAME_MIN - len);
		len = FRAME_MIN;
	}
	return len;
}
