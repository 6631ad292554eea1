/* SPDX-License-Identifier: Apache-2.0 */
/* gossip - the start message of functions/gossip.c, for the bench that sends it */
#ifndef MB_GOSSIP_H
#define MB_GOSSIP_H

#include <stdint.h>

#define GOSSIP_ACTORS     10
#define GOSSIP_ROUNDS_MAX 32

struct gossip_start {
	uint32_t self, round_cnt;
	double value;
	uint64_t actor[GOSSIP_ACTORS];     /* their calls; of gather: actor[0] leads */
	uint8_t offset[GOSSIP_ROUNDS_MAX]; /* round r: i sends to i + offset[r] */
};

/* What an actor sends in a round. */
struct gossip_half {
	uint32_t round, pad;
	double sum, weight;
};

#endif
