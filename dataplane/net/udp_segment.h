/* SPDX-License-Identifier: Apache-2.0 */
/* udp_segment - several datagrams of one length in one send, which the kernel takes apart
 *
 * UDP_SEGMENT, of Linux 4.18. The last one may be shorter. A kernel that cannot do it for the way
 * that they take says EIO or EINVAL.
 */
#ifndef MB_UDP_SEGMENT_H
#define MB_UDP_SEGMENT_H

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* What one send may be: datagrams of at least so much each, at most so much and so many in all. */
#define UDP_SEGMENT_BYTES_MIN 512u
#define UDP_SEGMENTS_BYTES    65000u
#define UDP_SEGMENTS_MAX      64u

union udp_segment {
	struct cmsghdr head;
	uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
};

/* udp_segment_set: m is to be taken apart into datagrams of `each` bytes. Keeps: *s, for as long as
 * m is used. */
static inline void
udp_segment_set(struct msghdr *m, union udp_segment *s, uint16_t each)
{
	s->head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(each)),
				    .cmsg_level = SOL_UDP,
				    .cmsg_type = UDP_SEGMENT };
	memcpy(CMSG_DATA(&s->head), &each, sizeof(each));
	m->msg_control = s;
	m->msg_controllen = sizeof(s->bytes);
}

#endif
