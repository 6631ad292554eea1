/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the port that is read in plain sight is the one that the frame is for, and only UDP has
 *         one; whatever is cut off is no port.
 * Method: frames as the host writes them (frame.h), shortened and changed.
 */
#include <string.h>

#include "frame.h"
#include "steer.h"
#include "test_cmocka.h"

static uint8_t memory[FRAME_HEAD_MAX + 64];

/* A datagram to port 7118. Returns: how long its heads are. */
static size_t
frame_to(bool v6, uint16_t vlan)
{
	uint8_t *body = memory + FRAME_HEAD_MAX;
	struct frame f = { .kind = FRAME_UDP, .vlan = vlan, .body = slice_of(body, 8) };

	f.from.port = 9000;
	f.to.port = 7118;
	f.from.ip[0] = f.to.ip[0] = 0xfd;
	if (!v6) {
		memcpy(f.from.ip, (uint8_t[]){ [10] = 0xff, 0xff, 10, 0, 0, 1 }, 16);
		memcpy(f.to.ip, (uint8_t[]){ [10] = 0xff, 0xff, 10, 0, 0, 2 }, 16);
	}
	return frame_udp(body, &f);
}

static void
ports_are_seen(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		size_t head = frame_to((i & 1) != 0, (i & 2) != 0 ? 5 : 0);
		uint8_t *p = memory + FRAME_HEAD_MAX - head;

		assert_int_equal(steer_port(slice_of(p, head + 8)), 7118);
		for (size_t cut = 0; cut < head; cut++) {
			assert_int_equal(steer_port(slice_of(p, cut)), 0);
		}
	}
}

#define NONE(v6, at, value)                                                                        \
	do {                                                                                       \
		size_t head = frame_to(v6, 0);                                                     \
		uint8_t *p = memory + FRAME_HEAD_MAX - head;                                       \
		p[at] = value;                                                                     \
		assert_int_equal(steer_port(slice_of(p, head + 8)), 0);                            \
	} while (0)

static void
others_have_none(void **state)
{
	(void)state;
	NONE(false, 12, 0x88);     /* another kind of frame */
	NONE(false, 13, 0x06);     /* ARP */
	NONE(false, 14, 0x46);     /* options */
	NONE(false, 14 + 6, 0x20); /* the first part of more */
	NONE(false, 14 + 7, 1);    /* a later one */
	NONE(false, 14 + 9, 6);    /* TCP */
	NONE(true, 14, 0x40);      /* no version 6 */
	NONE(true, 14 + 6, 44);    /* a part */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_are_seen),
		cmocka_unit_test(others_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
