/* SPDX-License-Identifier: Apache-2.0 */
#include "weave_scripts.h"

/* ctl's word is looked at before the channel is found empty: what was published before the death is
 * there when the word is. */
bool
wait_one(uint32_t side)
{
	for (;;) {
		bool noticed;

		if (pair_take(side)) {
			return true;
		}
		bell_arm(pair_bell(side));
		noticed = atomic_load_explicit(&pair.notice, memory_order_acquire) != 0;
		if (pair_take(side)) {
			bell_disarm(pair_bell(side));
			return true;
		}
		if (noticed) {
			bell_disarm(pair_bell(side));
			return false;
		}
		bell_sleep(pair_bell(side), WAIT_MAX_NS);
	}
}

void
send_all(void)
{
	for (uint32_t i = 0; i < ELEMENTS; i++) {
		if (pair_send(A) != 0) {
			weave_wrong("refused though there is room");
		}
	}
}

void
send_two(void)
{
	pair_send(A);
	pair_send(A);
}

void
receive_all(void)
{
	for (uint32_t i = 0; i < ELEMENTS; i++) {
		wait_one(B);
	}
}

/* With nothing but the bits: they are cleared before the channel is drained, never after. */
void
receive_by_bits_alone(bool after)
{
	while (pair.received[B] < ELEMENTS) {
		if (atomic_load_explicit(&pair_bell(B)->bits[0], memory_order_relaxed) != 0) {
			if (!after) {
				bell_take(pair_bell(B), 0);
			}
			while (pair_take(B)) {
			}
			if (after) {
				bell_take(pair_bell(B), 0);
			}
			continue;
		}
		bell_arm(pair_bell(B));
		if (atomic_load_explicit(&pair_bell(B)->bits[0], memory_order_relaxed) != 0) {
			bell_disarm(pair_bell(B));
			continue;
		}
		bell_sleep(pair_bell(B), WAIT_MAX_NS);
	}
}

void
receive_to_the_end(void)
{
	while (wait_one(B)) {
	}
}

void
send_into_full(void)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		int err = pair_send(A);

		if (err != 0 && err != MB_ERR_FULL) {
			weave_wrong("not FULL");
		}
		if (err == MB_ERR_FULL &&
		    pair.end[A].tail - pair.end[A].head_seen != CHANNEL_DEPTH) {
			weave_wrong("FULL with room");
		}
	}
}

void
receive_some(void)
{
	for (uint32_t i = 0; i < 3; i++) {
		pair_take(B);
	}
}

bool
somebody_died(void)
{
	return weave_dead(A) || weave_dead(B);
}

/* It wakes in any case: the dead may have taken down the flag and never have made the call. */
void
ctl_notice(void)
{
	uint32_t survivor;

	weave_until(somebody_died);
	survivor = weave_dead(A) ? B : A;
	atomic_store_explicit(&pair.notice, 1, memory_order_release);
	bell_ring(pair_bell(survivor), 1);
	bell_wake(pair_bell(survivor));
}

const char *
end_sent(void)
{
	const char *wrong = pair_unread(B);

	if (wrong == NULL && pair.received[B] != pair.sent[A]) {
		wrong = "not everything was received";
	}
	return wrong;
}

/* Everything that is still queued comes, then there is room again. */
const char *
end_full(void)
{
	while (pair_take(B)) {
	}
	if (pair.received[B] != pair.sent[A]) {
		return "lost in a full queue";
	}
	if (pair.sent[A] + pair.full[A] != CHANNEL_DEPTH - 1 + TRIES) {
		return "a send neither sent nor refused";
	}
	return pair_send(A) == 0 && pair_take(B) ? NULL : "full for ever";
}

/* A send that did not return may have published its element or not: one more than were sent, at
 * most. The dead one's head says how far it has read; taken goes by it. */
const char *
end_halves(void)
{
	uint32_t survivor = weave_dead(A) ? B : A;
	uint32_t dead = 1 - survivor;
	uint64_t head = region_rx(&pair.region[dead], PORT_DIRECT_FIRST)->v;

	if (pair.received[survivor] < pair.sent[dead] ||
	    pair.received[survivor] > pair.sent[dead] + 1) {
		return "not what the dead had sent";
	}
	if (head > pair.sent[survivor] || head < pair.received[dead] ||
	    head > pair.received[dead] + 1) {
		return "the dead side's head is neither old nor new";
	}
	for (uint64_t seq = 0; seq < pair.sent[survivor]; seq++) {
		if (channel_taken(&pair.end[survivor], seq) != (seq < head)) {
			return "taken is wrong";
		}
	}
	return NULL;
}

const char *
end_dead(void)
{
	uint32_t survivor = weave_dead(A) ? B : A;

	if (weave_waits(survivor)) {
		return "the survivor sleeps";
	}
	if (pair_unread(survivor) != NULL) {
		return "what the dead had published was not read";
	}
	return end_halves();
}

void
reset_empty(void)
{
	pair_reset(0);
}

void
reset_nearly_full(void)
{
	pair_reset(CHANNEL_DEPTH - 1);
}
