/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   bodies of a long message that are sent in one go may stay where they are until all are
 *         sent, but for the one that is put together; and only until then.
 * Method: a message of two pieces is sent; whoever sends notes what it was given, and what of it is
 *         held.
 */
#include <string.h>

#include "flow.h"
#include "test_cmocka.h"

#define HEAD 40
#define MSS  1000
#define LONG (64 * MSS)

static uint8_t head[HEAD], value[LONG];
static struct {
	uint32_t sent, held, turned_on, turned_off;
	uint32_t elsewhere; /* bodies that are neither in head nor in value */
	bool on;
} told;

static bool
is_within(const uint8_t *p, size_t len, const uint8_t *all, size_t bytes)
{
	return p >= all && p + len <= all + bytes;
}

static void
on_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	bool stays = is_within(body, h->len, head, HEAD) || is_within(body, h->len, value, LONG);

	(void)ctx;
	(void)to;
	told.sent++;
	told.held += told.on;
	told.elsewhere += !stays;
	assert_true(stays || !told.on);
}

static void
on_hold(void *ctx, bool on)
{
	(void)ctx;
	assert_int_not_equal(told.on, on);
	told.on = on;
	told.turned_on += on;
	told.turned_off += !on;
}

static void
send_all(size_t len, uint32_t granted)
{
	struct flow_name n = { .kind = WIRE_REPLY, .send = on_send, .hold = on_hold };
	struct flow_path path;
	struct flow_tx tx;

	memset(&told, 0, sizeof(told));
	flow_path_init(&path);
	flow_tx_init(&tx, slice_of(head, HEAD), slice_of(value, len), MSS);
	tx.granted = granted;
	flow_tx_send(&tx, &n, &path, FLOW_SEGMENTS, 1);
	assert_false(told.on);
	assert_int_equal(told.turned_on, told.turned_off);
}

static void
bodies_are_held_until_all_are_sent(void **state)
{
	(void)state;
	send_all(LONG, LONG + HEAD);
	assert_int_equal(told.sent, LONG / MSS + 1);
	assert_int_equal(told.elsewhere, 1); /* the first, of both pieces */
	assert_int_equal(told.held, told.sent - 1);
	assert_int_equal(told.turned_on, 1);
}

static void
one_is_not_held(void **state)
{
	(void)state;
	send_all(LONG, MSS); /* nothing more is granted */
	assert_int_equal(told.sent, 1);
	assert_int_equal(told.turned_on, 0);
	send_all(MSS / 2, MSS / 2 + HEAD);
	assert_int_equal(told.sent, 1);
	assert_int_equal(told.turned_on, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_held_until_all_are_sent),
		cmocka_unit_test(one_is_not_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
