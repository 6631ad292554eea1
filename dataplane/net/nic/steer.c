/* SPDX-License-Identifier: Apache-2.0 */
#include "steer.h"

#define ETHER_BYTES 14
#define VLAN_BYTES  4
#define TYPE_VLAN   0x8100
#define TYPE_V4     0x0800
#define TYPE_V6     0x86dd
#define V4_BYTES    20
#define V6_BYTES    40
#define UDP_BYTES   8
#define PROTO_UDP   17

static uint16_t
be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint16_t
steer_port(struct slice frame)
{
	size_t at = ETHER_BYTES, udp;
	const uint8_t *p = frame.p;
	uint16_t type;

	if (frame.len < ETHER_BYTES + VLAN_BYTES) {
		return 0;
	}
	type = be16(p + 12);
	if (type == TYPE_VLAN) {
		type = be16(p + 16);
		at += VLAN_BYTES;
	}
	udp = at + (type == TYPE_V4 ? V4_BYTES : V6_BYTES);
	if (frame.len < udp + UDP_BYTES) {
		return 0;
	}
	/* Version 4 with a head of 20 bytes, no part of something longer. */
	if (type == TYPE_V4 && p[at] == 0x45 && (be16(p + at + 6) & 0x3fff) == 0 &&
	    p[at + 9] == PROTO_UDP) {
		return be16(p + udp + 2);
	}
	if (type == TYPE_V6 && p[at] >> 4 == 6 && p[at + 6] == PROTO_UDP) {
		return be16(p + udp + 2);
	}
	return 0;
}
