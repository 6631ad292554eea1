/* SPDX-License-Identifier: Apache-2.0 */
/* gossip.c - the mean of what ten calls have, by messages between them
 *
 * Push-sum (Kempe, Dobra, Gehrke 2003): in each round everybody keeps half of his sum and weight
 * and sends the other half to somebody; sum / weight tends to the mean. Rounds are told apart, so
 * that who comes early is not mixed in before its time, and the outcome is that of the rounds
 * alone.
 *
 * Gather: everybody sends what he has to one, who adds it up.
 */
#include <microburst/function.h>
#include <stdbool.h>
#include <string.h>

#include "gossip.h"

#define WAIT_NS 2000000000

struct actor {
	struct gossip_start start; /* round_cnt is set once it has come */
	bool started;
	struct gossip_half come[GOSSIP_ROUNDS_MAX];
	double sum; /* gather */
	int cnt;
};

/* Takes one message: of different senders, they come in any order, the start too. */
static int
take(struct mb_call *call, struct actor *a)
{
	struct gossip_half half;
	struct mb_message m;
	double value;

	MB_TRY(mb_recv(call, WAIT_NS, &m));
	if (m.bytes.len == sizeof(a->start)) {
		memcpy(&a->start, m.bytes.p, sizeof(a->start));
		a->started =
			a->start.self < GOSSIP_ACTORS && a->start.round_cnt <= GOSSIP_ROUNDS_MAX;
	} else if (m.bytes.len == sizeof(half)) {
		memcpy(&half, m.bytes.p, sizeof(half));
		a->come[half.round % GOSSIP_ROUNDS_MAX] = half;
	} else if (m.bytes.len == sizeof(value)) {
		memcpy(&value, m.bytes.p, sizeof(value));
		a->sum += value;
		a->cnt++;
	} else {
		return mb_fail(call, "a message of %d bytes", (int)m.bytes.len);
	}
	return 0;
}

static int
begin(struct mb_call *call, struct actor *a)
{
	while (!a->started) {
		MB_TRY(take(call, a));
	}
	return 0;
}

/* bench_push_sum: waits for its start, and returns its estimate after so many rounds. */
MB_FUNCTION(bench_push_sum)
{
	struct gossip_half mine = { .weight = 1 };
	struct actor a = { .started = false };

	MB_TRY(begin(call, &a));
	mine.sum = a.start.value;
	for (mine.round = 0; mine.round < a.start.round_cnt; mine.round++) {
		uint32_t to = (a.start.self + a.start.offset[mine.round]) % GOSSIP_ACTORS;
		const struct gossip_half *in = &a.come[mine.round];

		mine.sum /= 2;
		mine.weight /= 2;
		MB_TRY(mb_send(call, a.start.actor[to], mb_slice_of(&mine, sizeof(mine))));
		MB_TRY(mb_flush(call));
		while (in->weight == 0) {
			MB_TRY(take(call, &a));
		}
		mine.sum += in->sum;
		mine.weight += in->weight;
	}
	return mb_return_f64(call, mine.sum / mine.weight);
}

/* bench_gather: the leader returns the mean, the others what they sent. */
MB_FUNCTION(bench_gather)
{
	struct actor a = { .started = false };
	double value;

	MB_TRY(begin(call, &a));
	value = a.start.value;
	if (a.start.self != 0) {
		MB_TRY(mb_send(call, a.start.actor[0], mb_slice_of(&value, sizeof(value))));
		return mb_return_f64(call, value);
	}
	while (a.cnt < GOSSIP_ACTORS - 1) {
		MB_TRY(take(call, &a));
	}
	return mb_return_f64(call, (value + a.sum) / GOSSIP_ACTORS);
}
