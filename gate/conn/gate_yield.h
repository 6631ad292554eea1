/* SPDX-License-Identifier: Apache-2.0 */
/* gate_yield - who gives way when memory is short: the choice, without the connections
 *
 * Everybody is looked at at the same moments, some four times a second, always after what had come
 * was taken: so a gate that was late itself has looked at nobody meanwhile, and blames nobody.
 *
 *   YIELD_NEVER  It waits for us: its command is under way, or we have not come to what it sent,
 *                or hold it back (CLIENT PAUSE, a transaction). It is never at fault.
 *   YIELD_OWES   It is its turn: half a command, a reply not read, a handshake.
 *   YIELD_IDLE   It owes nothing, and holds something: MULTI, what it listens to, what it sent
 *                behind a command that waits for an item.
 *
 * Whoever has moved, since the last look, so much that what it holds is through in YIELD_SPAN looks
 * moves. Whoever has not, at YIELD_RESTS looks in a row (IDLE: YIELD_RESTS_IDLE), is at rest, and
 * may have to give way: of those the one that holds most for most looks, where IDLE holds a quarter
 * of that. What it holds is what it held at each of these looks: who was idle, holding nothing, and
 * says something just now is none of them.
 *
 * When nobody was seen at rest yet (all have just come) only the size is left, as with Redis's
 * maxmemory-clients: who owes, not just now, and holds more than twice what the one would that
 * asks; those who do for long first. To one that would hold little (YIELD_LITTLE) the largest of
 * these gives way, whatever it holds: small commands, and replies that are read, are through by
 * then.
 *
 * Rejected: time instead of looks (a gate that got no cpu for half a second took everybody's bytes
 * for late); the pace since it began to owe (who was fast once could rest long after).
 *
 * Pure.
 */
#ifndef MB_GATE_YIELD_H
#define MB_GATE_YIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YIELD_HELD_MIN   1024u /* who holds less does not matter */
#define YIELD_SPAN       8u
#define YIELD_RESTS      3u
#define YIELD_RESTS_IDLE 4u
#define YIELD_RESTS_MAX  8u /* past it only the size counts */
#define YIELD_LITTLE     (8u << 10)

/* For how long it owes. JUST: what it owes may be here, unseen. LATE: for longer than small
 * commands, and replies that are read, are under way. */
enum yield_age { YIELD_JUST, YIELD_SINCE, YIELD_LATE };

enum yield_turn { YIELD_NEVER, YIELD_OWES, YIELD_IDLE };

/* Looks in a row at which one had not moved, and the least that it held at them. */
struct yield_rest {
	uint8_t looks;
	size_t held;
};

/* One of whom one is chosen. */
struct yield_claim {
	enum yield_turn turn;
	enum yield_age age; /* if it owes */
	size_t held;
	struct yield_rest rest;
};

/* The choice so far; all zero, NULLs, at first. */
struct yield {
	const void *rests, *late, *largest; /* at rest; of those late; of all that owe */
	uint64_t rests_weight;
	size_t late_held, largest_held;
};

/* gate_yield_look gives rest as it is after a look, since the last of which so many bytes moved. */
struct yield_rest gate_yield_look(const struct yield_claim *claim, uint64_t moved);

/* gate_yield_see adds one to choose from; who is what the choice then names. */
void gate_yield_see(struct yield *y, const void *who, const struct yield_claim *claim);

/* gate_yield_who tells who gives way to one that would hold `asks` bytes in all; 0: only who is at
 * rest. NULL: nobody. */
const void *gate_yield_who(const struct yield *y, size_t asks);

#endif
