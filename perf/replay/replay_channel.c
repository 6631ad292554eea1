/* SPDX-License-Identifier: Apache-2.0 */
/* replay_channel.c - one element sent and received, both ends in this process */
#include "replay.h"

#include <microburst/error.h>
#include <unistd.h>

#include "channel.h"
#include "hints.h"
#include "region.h"

#define PORT PORT_DIRECT_FIRST

static struct end {
	struct region own;   /* writable */
	struct region shown; /* as the other end sees it: read-only */
	struct channel ch;
} there, back;
static struct desc sent = { .kind = DESC_PING, .flags = DESC_F_INLINE, .len = 24 };

static int
end_map(struct end *e, uint16_t proc)
{
	int fd, err = region_create(REGION_PROCESS, false, &fd);

	if (err != 0) {
		return err;
	}
	err = region_map_owner(&e->own, REGION_PROCESS, fd, proc, 1);
	if (err == 0) {
		err = region_seal(fd);
	}
	if (err == 0) {
		err = region_map_peer(&e->shown, REGION_PROCESS, fd);
	}
	close(fd);
	return err;
}

static int
channel_begin(void)
{
	struct hints *hints;
	int fd, err = hints_create(&fd, &hints);

	if (err == 0) {
		close(fd);
		err = end_map(&there, PROC_CLIENT_FIRST);
	}
	if (err == 0) {
		err = end_map(&back, PROC_EXEC_FIRST);
	}
	if (err == 0) {
		channel_init(&there.ch, &there.own, PORT, &back.shown, PORT,
			     &hints->proc[PROC_EXEC_FIRST], PORT, -1);
		channel_init(&back.ch, &back.own, PORT, &there.shown, PORT,
			     &hints->proc[PROC_CLIENT_FIRST], PORT, -1);
	}
	return err;
}

static int
channel_send_hot(void)
{
	return channel_send(&there.ch, &sent);
}

static int
channel_recv_hot(void)
{
	struct desc got;
	int n = channel_recv(&back.ch, &got);

	return n == 1 ? 0 : n < 0 ? n : MB_ERR_CORRUPT;
}

const struct replay_op replay_channel = {
	.name = "instr_channel",
	.what = "an element sent and received, both sides together",
	.begin = channel_begin,
	.begin_hot = channel_send_hot,
	.end_hot = channel_recv_hot,
};
