/* SPDX-License-Identifier: Apache-2.0 */
#include "weave_channel.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { PORT = PORT_DIRECT_FIRST, SLOT_CNT = 4 };

struct weave_pair pair;

static void
pair_make(void)
{
	if (pair.hints != NULL) {
		return;
	}
	for (uint32_t i = 0; i < 2; i++) {
		struct region *r = &pair.region[i];

		r->at = region_layout(REGION_PROCESS);
		r->rw = aligned_alloc(4096, r->at.bytes);
		r->base = r->rw;
		REQUIRE(r->rw != NULL);
	}
	pair.hints = aligned_alloc(4096, ALIGN_UP(sizeof(struct hints), (size_t)4096));
	REQUIRE(pair.hints != NULL);
}

struct bell *
pair_bell(uint32_t side)
{
	return &pair.hints->proc[side];
}

static void
pair_share(uint32_t side, uint32_t first_slot)
{
	static const char *const names[2][4] = { { "A.head", "A.tail", "A.slot", "A.bell" },
						 { "B.head", "B.tail", "B.slot", "B.bell" } };
	const struct region *r = &pair.region[side];
	const struct desc *slots = region_slots(r, PORT);

	weave_share(names[side][0], region_rx(r, PORT), sizeof(uint64_t));
	weave_share(names[side][1], region_tx(r, PORT), sizeof(uint64_t));
	for (uint32_t i = 0; i < SLOT_CNT; i++) {
		weave_share(names[side][2], &slots[(first_slot + i) % CHANNEL_DEPTH],
			    sizeof(struct desc));
	}
	weave_share(names[side][3], &pair_bell(side)->waiting, sizeof(uint32_t));
	weave_share("bits", pair_bell(side)->bits, sizeof(uint64_t));
}

void
pair_reset(uint32_t queued)
{
	pair_make();
	memset(pair.hints->proc, 0, 2 * sizeof(struct bell));
	pair.notice = 0;
	for (uint32_t side = 0; side < 2; side++) {
		const struct region *r = &pair.region[side];

		region_rx(r, PORT)->v = 0;
		region_tx(r, PORT)->v = 0;
		memset(region_slots(r, PORT), 0xee, CHANNEL_DEPTH * sizeof(struct desc));
		pair.sent[side] = pair.received[side] = pair.full[side] = 0;
	}
	for (uint32_t side = 0; side < 2; side++) {
		channel_init(&pair.end[side], &pair.region[side], PORT, &pair.region[1 - side],
			     PORT, pair_bell(1 - side), 0, -1);
	}
	while (pair.sent[A] < queued) {
		REQUIRE(pair_send(A) == 0);
	}
	pair_bell(B)->bits[0] = 0;
	pair_share(A, queued);
	pair_share(B, 0);
	weave_share("notice", &pair.notice, sizeof(pair.notice));
}

struct desc
pair_element(uint32_t side)
{
	uint64_t seq = pair.sent[side];

	return (struct desc){ .kind = DESC_CALL_FIRST, .call = seq, .word = { [4] = ~seq } };
}

int
pair_send(uint32_t side)
{
	struct desc d = pair_element(side);
	int err = channel_send(&pair.end[side], &d);

	if (err == 0) {
		pair.sent[side]++;
	} else {
		pair.full[side] += err == MB_ERR_FULL;
	}
	return err;
}

bool
pair_take(uint32_t side)
{
	struct desc d;
	int n = channel_recv(&pair.end[side], &d);

	if (n < 0) {
		weave_wrong("a sound peer was called corrupt");
	}
	if (n <= 0) {
		return false;
	}
	weave_note(d.call);
	if (d.call != pair.received[side] || d.word[4] != ~d.call) {
		weave_wrong("not the next element, or not a whole one");
	}
	pair.received[side]++;
	return true;
}

const char *
pair_unread(uint32_t reader)
{
	uint64_t tail = region_tx(&pair.region[1 - reader], PORT)->v;
	uint64_t head = region_rx(&pair.region[reader], PORT)->v;

	if (head != pair.received[reader]) {
		return "head is not what was received";
	}
	if (head == tail) {
		return NULL;
	}
	return weave_waits(reader) ? "asleep while something is there" : "something is left unread";
}
