/* SPDX-License-Identifier: Apache-2.0 */
/* weave_channel.h - two processes in ordinary memory, joined by one channel, for the weaver
 *
 * A (party 0) and B (party 1) each have a region and a bell; end[0] and end[1] are the two ends of
 * the channel between them. Elements are numbered from 0 in each direction.
 */
#ifndef MB_WEAVE_CHANNEL_H
#define MB_WEAVE_CHANNEL_H

#include "channel.h"
#include "weaver.h"

enum { A = 0, B = 1, CTL = 2 };

struct weave_pair {
	struct region region[2];
	struct hints *hints;
	struct channel end[2];
	/* What each side has done; only its own party writes it. */
	uint64_t sent[2];     /* elements whose send returned 0 */
	uint64_t received[2]; /* elements taken, each checked to be the next */
	uint32_t full[2];     /* sends refused for want of room */
	/* ctl's word that the other side is dead. */
	_Atomic uint32_t notice;
};

extern struct weave_pair pair;

/* pair_reset makes both ends new, with queued elements from A to B sent but not read. */
void pair_reset(uint32_t queued);

struct bell *pair_bell(uint32_t side);

/* pair_element is the next element of side. */
struct desc pair_element(uint32_t side);

/* pair_send sends the next element of side: 0 or an error. */
int pair_send(uint32_t side);

/* pair_take receives one element if there is one, and checks that it is the next. */
bool pair_take(uint32_t side);

/* What is wrong with a state in which nothing moves any more: something published and unread, by a
 * side that sleeps or has finished; NULL if nothing. */
const char *pair_unread(uint32_t reader);

#endif
