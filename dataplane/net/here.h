/* SPDX-License-Identifier: Apache-2.0 */
/* here - the addresses of this machine that somebody asked at, by number
 *
 * A number is a place of a table, from 1 on, so that a wire_addr stays short. An address has one of
 * HERE_WAYS places; when all are taken it gets that of the one which was asked at longest ago. So
 * a machine may have any number of addresses, and whoever asks at many (of 127.0.0.0/8 there are
 * sixteen million) takes none of them away for good: an address gets a place, maybe another one,
 * whenever it is asked at, and who asked is answered from there (flow_serve_input keeps the last).
 */
#ifndef MB_HERE_H
#define MB_HERE_H

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#define HERE_SETS 128u /* powers of two; all places: as many as a tile has sessions */
#define HERE_WAYS 8u
#define HERE_CNT  (HERE_SETS * HERE_WAYS)

struct here {
	uint64_t clock; /* how often one was asked at */
	struct here_place {
		struct in6_pktinfo at;
		uint64_t asked; /* when it was last; 0: free */
	} place[HERE_CNT];
};

/* here_number is that of an address, which is asked at now. */
static inline uint16_t
here_number(struct here *h, const struct in6_pktinfo *at)
{
	struct here_place *set, *p;
	uint64_t half[2];

	memcpy(half, &at->ipi6_addr, sizeof(half));
	half[0] = (half[0] ^ half[1]) * UINT64_C(0x9e3779b97f4a7c15);
	p = set = &h->place[(half[0] >> 32 & (HERE_SETS - 1)) * HERE_WAYS];
	for (uint32_t i = 0; i < HERE_WAYS; i++) {
		if (set[i].asked != 0 && memcmp(&set[i].at, at, sizeof(*at)) == 0) {
			p = &set[i];
			break;
		}
		if (set[i].asked < p->asked) {
			p = &set[i];
		}
	}
	p->at = *at;
	p->asked = ++h->clock;
	return (uint16_t)(p - h->place + 1);
}

/* here_at is the address of a number. */
static inline const struct in6_pktinfo *
here_at(const struct here *h, uint16_t number)
{
	return &h->place[number - 1].at;
}

#endif
