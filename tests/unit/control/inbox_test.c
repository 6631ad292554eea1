/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   B1..B4 of inbox.h: a message is kept once and given in order, once an attempt, a window
 *         at a time; to a call that has ended nothing goes, and nothing stays.
 * Method: single stories; then senders, receivers, deaths and lost room at random against a list of
 *         what was accepted. */
#include "inbox.h"

#include <string.h>

#include "compiler.h"
#include "message.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include <microburst/error.h>

#define EXEC   1
#define CLIENT PROC_CLIENT_FIRST
#define CALL   UINT64_C(0x4711)

static struct inboxes *b;
static uint64_t now;
static enum inbox_alive alive[8]; /* by call % 8 */
static int copies, holds;
static bool is_full, no_memory;
static struct desc sent[512]; /* to anybody */
static uint32_t sent_cnt;

static int
on_send(void *ctx, uint16_t proc, const struct desc *d)
{
	if (is_full && d->kind == DESC_MESSAGE) {
		return MB_ERR_FULL;
	}
	sent[sent_cnt++ % ARRAY_CNT(sent)] = *d;
	return 0;
}

static int
on_keep(void *ctx, const struct payload_ref *ref, struct payload_ref *ret)
{
	if (no_memory) {
		return MB_ERR_NO_MEMORY;
	}
	*ret = (struct payload_ref){ .handle = ref->handle, .len = ref->len };
	copies++;
	return 0;
}

static int
on_hold(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	holds++;
	return 0;
}

static void
on_drop(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	if (holder == PROC_DAEMON) {
		copies--;
	} else {
		holds--;
	}
}

static enum inbox_alive
on_alive(void *ctx, uint64_t call)
{
	return alive[call % 8];
}

static int
setup(void **state)
{
	static const struct inbox_ops ops = { .send = on_send,
					      .keep = on_keep,
					      .hold = on_hold,
					      .drop = on_drop,
					      .alive = on_alive };

	for (uint32_t i = 0; i < ARRAY_CNT(alive); i++) {
		alive[i] = ALIVE_YES;
	}
	copies = holds = 0;
	sent_cnt = 0;
	is_full = no_memory = false;
	now = 1000;
	return inboxes_create(&b, &ops);
}

static int
teardown(void **state)
{
	uint32_t messages;

	for (uint32_t i = 0; i < ARRAY_CNT(alive); i++) {
		alive[i] = ALIVE_NO;
	}
	for (uint16_t p = 1; p < 8; p++) {
		inboxes_proc_down(b, p);
	}
	now += 2 * INBOX_SWEEP_NS;
	assert_true(inboxes_poll(b, now) == UINT64_MAX);
	assert_int_equal(inboxes_held(b, &messages), 0);
	assert_int_equal(messages, 0);
	assert_int_equal(copies, 0);
	inboxes_destroy(b);
	return 0;
}

/* Sends, and gives the answer's error. */
static int
post(uint64_t call, uint64_t from, uint64_t seq, uint32_t len)
{
	struct desc d = { .kind = DESC_SEND, .call = call, .b = seq };

	if (len <= MESSAGE_INLINE_BYTES) {
		d.flags = DESC_F_INLINE;
		d.len = (uint8_t)len;
	} else {
		d.ref.len = len;
		d.ref.handle = (uint32_t)seq;
	}
	d.word[4] = from;
	sent_cnt = 0;
	inboxes_on(b, CLIENT, &d, now);
	assert_true(sent_cnt > 0);
	d = sent[(sent_cnt - 1) % ARRAY_CNT(sent)]; /* what is given goes before */
	assert_int_equal(d.kind, DESC_SENT);
	assert_true(d.call == call && d.b == seq);
	sent_cnt--;
	return d.err;
}

static void
hear(uint16_t exec, uint64_t call, uint64_t taken, uint8_t sub)
{
	struct desc d = { .kind = DESC_LISTEN, .call = call, .b = taken, .sub = sub };

	sent_cnt = 0;
	inboxes_on(b, exec, &d, now);
}

static void
to_an_ended_call_nothing_goes(void **state)
{
	alive[CALL % 8] = ALIVE_NO;
	assert_int_equal(post(CALL, 1, 1, 8), MB_ERR_GONE);
	assert_int_equal(post(0, 1, 1, 8), MB_ERR_GONE);
	hear(EXEC, CALL, 0, 0);
	assert_true(inboxes_poll(b, now) == UINT64_MAX);
}

static void
what_is_too_large_or_too_much_is_refused(void **state)
{
	struct desc d = { .kind = DESC_SEND,
			  .flags = DESC_F_INLINE,
			  .len = DESC_INLINE_BYTES,
			  .call = CALL,
			  .b = 1 };

	inboxes_on(b, CLIENT, &d, now);
	assert_int_equal(sent[0].err, MB_ERR_INVALID);
	assert_int_equal(post(CALL, 1, 1, MESSAGE_BYTES_MAX + 1), MB_ERR_TOO_LARGE);
	no_memory = true;
	assert_int_equal(post(CALL, 1, 1, 1000), MB_ERR_BUSY);
	for (uint64_t i = 1; i <= INBOX_DEPTH_MAX; i++) {
		assert_int_equal(post(CALL, 1, i, 8), 0);
	}
	assert_int_equal(post(CALL, 1, INBOX_DEPTH_MAX + 1, 8), MB_ERR_BUSY);
	for (uint64_t i = 1; i < INBOX_CNT_MAX; i++) {
		assert_int_equal(post(CALL + i * 8, 1, 1, 8), 0);
	}
	assert_int_equal(post(CALL + INBOX_CNT_MAX * 8, 1, 1, 8), MB_ERR_BUSY);
}

static void
a_message_is_kept_once(void **state)
{
	assert_int_equal(post(CALL, 1, 1, 8), 0);
	assert_int_equal(post(CALL, 2, 1, 8), 0);
	assert_int_equal(post(CALL, 1, 1, 8), 0); /* a second attempt of 1 */
	assert_int_equal(post(CALL, 1, 2, 8), 0);
	assert_int_equal(post(CALL, 1, message_seq(3, 1), 8), 0); /* another function of 1 */
	hear(EXEC, CALL, 0, 0);
	assert_int_equal(sent_cnt, 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(sent[i].kind, DESC_MESSAGE);
		assert_int_equal(sent[i].b, i);
	}
	assert_true(sent[1].word[4] == 2);
	assert_true(sent[2].word[4] == 1);
}

static void
a_window_at_a_time(void **state)
{
	for (uint64_t i = 1; i <= 3 * MESSAGE_WINDOW; i++) {
		assert_int_equal(post(CALL, 1, i, 100), 0);
	}
	hear(EXEC, CALL, 0, 0);
	assert_int_equal(sent_cnt, MESSAGE_WINDOW);
	hear(EXEC, CALL, 5, 0);
	assert_int_equal(sent_cnt, 5);
	assert_int_equal(sent[0].b, MESSAGE_WINDOW);
	hear(EXEC, CALL, 1000, 0); /* it cannot have taken what it was not given */
	assert_int_equal(sent_cnt, 0);
	is_full = true;
	hear(EXEC, CALL, 10, 0);
	assert_int_equal(sent_cnt, 0);
	is_full = false;
	now += INBOX_SWEEP_NS; /* what found no room goes later */
	inboxes_poll(b, now);
	assert_int_equal(sent_cnt, 5);
	assert_int_equal(holds, MESSAGE_WINDOW + 10);
}

static void
a_second_attempt_gets_the_same(void **state)
{
	for (uint64_t i = 1; i <= 10; i++) {
		assert_int_equal(post(CALL, 1, i, 8), 0);
	}
	hear(EXEC, CALL, 0, 0);
	assert_int_equal(sent_cnt, 10);
	inboxes_proc_down(b, EXEC);
	hear(EXEC + 1, CALL, 0, 0);
	assert_int_equal(sent_cnt, 10);
	assert_int_equal(sent[9].b, 9);
	hear(EXEC, CALL, 3, 0); /* not his any more */
	assert_int_equal(sent_cnt, 0);
	assert_int_equal(post(CALL, 1, 11, 8), 0);
	assert_int_equal(sent_cnt, 1);
	assert_int_equal(sent[0].b, 10);
	hear(EXEC + 1, CALL, 11, LISTEN_END); /* a part of a DAG; the call goes on */
	hear(EXEC + 2, CALL, 0, 0);
	assert_int_equal(sent_cnt, 11);
	alive[CALL % 8] = ALIVE_NO;
	hear(EXEC + 2, CALL, 11, LISTEN_END);
	assert_true(inboxes_poll(b, now + INBOX_SWEEP_NS) == UINT64_MAX);
}

/* Two functions of a DAG call that run side by side both hear what comes, each at its own pace. */
static void
parts_hear_all_side_by_side(void **state)
{
	hear(EXEC, CALL, 0, 0);
	assert_int_equal(post(CALL, 1, 1, 8), 0);
	assert_int_equal(sent_cnt, 1);
	hear(EXEC + 1, CALL, 0, 0);
	assert_int_equal(sent_cnt, 1);
	for (uint64_t i = 2; i <= MESSAGE_WINDOW + 5; i++) {
		assert_int_equal(post(CALL, 1, i, 100), 0);
		assert_int_equal(sent_cnt, i <= MESSAGE_WINDOW ? 2 : 0);
	}
	hear(EXEC + 1, CALL, 2, 0);
	assert_int_equal(sent_cnt, 2);
	hear(EXEC, CALL, 5, 0);
	assert_int_equal(sent_cnt, 5);
	assert_int_equal(sent[4].b, MESSAGE_WINDOW + 4);
	hear(EXEC, CALL, MESSAGE_WINDOW + 5, LISTEN_END);
	hear(EXEC + 1, CALL, 5, 0); /* it goes on for the other */
	assert_int_equal(sent_cnt, 3);
	inboxes_proc_down(b, EXEC + 1);
	assert_int_equal(post(CALL, 1, 1000, 8), 0);
	assert_int_equal(sent_cnt, 0);
	hear(EXEC, CALL, 0, 0); /* another part of it, in the same executor */
	assert_int_equal(sent_cnt, MESSAGE_WINDOW);
}

static void
a_call_nobody_knows_the_end_of_has_its_time(void **state)
{
	uint32_t messages;

	alive[CALL % 8] = ALIVE_UNKNOWN;
	assert_int_equal(post(CALL, 1, 1, 100), 0);
	inboxes_poll(b, now + INBOX_TTL_NS - 1);
	assert_int_equal(inboxes_held(b, &messages), 1);
	now += INBOX_TTL_NS + INBOX_SWEEP_NS;
	inboxes_poll(b, now);
	assert_int_equal(inboxes_held(b, &messages), 0);
	assert_int_equal(copies, 0);
}

/* -------------------------------------------------------------- at random */

#define RANDOM_CNT 4 /* calls; senders */

static struct {
	uint64_t from, seq;
} list[RANDOM_CNT][4096];

static void
whatever_happens_lists_agree(void **state)
{
	uint32_t cnt[RANDOM_CNT] = { 0 }, got[RANDOM_CNT] = { 0 };
	uint64_t seq[RANDOM_CNT] = { 0 };
	uint16_t at[RANDOM_CNT] = { 0 };
	struct rng rng;

	rng_init(&rng, test_seed("inbox"));
	for (uint32_t step = 0; step < 20000; step++) {
		uint32_t c = (uint32_t)rng_u64(&rng) % RANDOM_CNT;
		uint32_t s = (uint32_t)rng_u64(&rng) % RANDOM_CNT;
		uint64_t call = 8 * 100 + c;
		uint64_t from, nr;

		switch (rng_u64(&rng) % 8) {
		case 0: /* again, or for the first time, from whoever it was */
		case 1:
		case 2:
			nr = rng_u64(&rng) % 4 == 0 && seq[s] > 0 ? seq[s] : ++seq[s];
			from = s + 1;
			sent_cnt = 0;
			if (cnt[c] < INBOX_DEPTH_MAX) {
				bool known = false;

				for (uint32_t i = 0; i < cnt[c]; i++) {
					known |= list[c][i].from == from && list[c][i].seq >= nr;
				}
				assert_int_equal(post(call, from, nr, rng_u64(&rng) % 2 ? 8 : 99),
						 0);
				if (!known) {
					list[c][cnt[c]].from = from;
					list[c][cnt[c]++].seq = nr;
				}
			}
			break;
		case 3: /* a new attempt */
			if (at[c] != 0) {
				inboxes_proc_down(b, at[c]);
			}
			at[c] = (uint16_t)(1 + c);
			got[c] = 0;
			hear(at[c], call, 0, 0);
			break;
		case 4:
		case 5:
			sent_cnt = 0;
			if (at[c] != 0) {
				hear(at[c], call, got[c], 0);
			}
			break;
		case 6:
			is_full = !is_full;
			continue;
		default: /* it has ended */
			sent_cnt = 0;
			if (rng_u64(&rng) % 50 == 0) {
				alive[call % 8] = ALIVE_NO;
				if (at[c] != 0) {
					hear(at[c], call, got[c], LISTEN_END);
				}
				now += INBOX_SWEEP_NS;
				inboxes_poll(b, now);
				alive[call % 8] = ALIVE_YES; /* a new call with that number */
				at[c] = 0;
				cnt[c] = got[c] = 0;
			}
		}
		for (uint32_t i = 0; i < sent_cnt; i++) {
			const struct desc *d = &sent[i];
			uint32_t of = (uint32_t)(d->call - 8 * 100);

			assert_int_equal(d->kind, DESC_MESSAGE);
			assert_int_equal(d->b, got[of]); /* B2 */
			assert_true(d->word[4] == list[of][got[of]].from);
			got[of]++;
		}
		for (uint32_t i = 0; i < RANDOM_CNT; i++) {
			assert_true(got[i] <= cnt[i]);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(to_an_ended_call_nothing_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_too_large_or_too_much_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_message_is_kept_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_window_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_attempt_gets_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(parts_hear_all_side_by_side, setup, teardown),
		cmocka_unit_test_setup_teardown(a_call_nobody_knows_the_end_of_has_its_time, setup,
						teardown),
		cmocka_unit_test_setup_teardown(whatever_happens_lists_agree, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
