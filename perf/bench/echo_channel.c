/* SPDX-License-Identifier: Apache-2.0 */
/* echo_channel.c - what our own channel costs before anything is done with its messages
 *
 * Two processes as the domain has them: each a region that it alone writes, sealed before the other
 * maps it, and one channel over a port of each. Both sides spin, so the bells ring but nobody is
 * woken. Between echo_ring and this lies the price of hostile and dying peers; between this and
 * `call`, the price of everything else.
 */
#include <microburst/error.h>
#include <stdatomic.h>
#include <unistd.h>

#include "channel.h"
#include "cores.h"
#include "echo.h"
#include "hints.h"
#include "region.h"

#define CHANNEL_PORT PORT_DIRECT_FIRST
#define CHANNEL_STOP DESC_KIND_CNT /* a kind that no descriptor has */

/* Where each side is with its memory; every step waits for the other side's. */
enum step {
	STEP_NONE = 0,
	STEP_OWNER,    /* has mapped its own region */
	STEP_SEALED,   /* client only: both regions are sealed */
	STEP_ATTACHED, /* has mapped the other's */
};

enum who { WHO_CLIENT = 0, WHO_EXECUTOR };

struct meeting {
	_Atomic int step[2]; /* a negative one is a mb_err */
	int region_fd[2];
	struct hints *hints; /* mapped before the fork: the same address in both */
};

/* Of this process. */
static struct {
	struct region own, peer;
	struct channel ch;
	struct desc d;
	bool entered;
} side;

static int
channel_prepare(void *mem)
{
	struct meeting *m = mem;
	int hints_fd, err = hints_create(&hints_fd, &m->hints);

	if (err == 0) {
		close(hints_fd);
		err = region_create(REGION_PROCESS, false, &m->region_fd[WHO_CLIENT]);
	}
	if (err == 0) {
		err = region_create(REGION_PROCESS, false, &m->region_fd[WHO_EXECUTOR]);
	}
	return err;
}

/* Waits until the other side has come as far. */
static int
meet(struct meeting *m, enum who other, int step)
{
	int seen;

	while ((seen = atomic_load(&m->step[other])) < step) {
		if (seen < 0) {
			return seen;
		}
		sched_yield();
	}
	return 0;
}

/* Maps both regions and opens the channel. */
static int
enter(struct meeting *m, enum who me)
{
	enum who other = me == WHO_CLIENT ? WHO_EXECUTOR : WHO_CLIENT;
	uint16_t proc = me == WHO_CLIENT ? PROC_CLIENT_FIRST : PROC_EXEC_FIRST;
	uint16_t proc_other = me == WHO_CLIENT ? PROC_EXEC_FIRST : PROC_CLIENT_FIRST;
	int err = region_map_owner(&side.own, REGION_PROCESS, m->region_fd[me], proc, 1);

	atomic_store(&m->step[me], err < 0 ? err : STEP_OWNER);
	if (err == 0) {
		err = meet(m, other, STEP_OWNER);
	}
	if (err == 0 && me == WHO_CLIENT) {
		err = region_seal(m->region_fd[WHO_CLIENT]);
		if (err == 0) {
			err = region_seal(m->region_fd[WHO_EXECUTOR]);
		}
		atomic_store(&m->step[me], err < 0 ? err : STEP_SEALED);
	}
	if (err == 0) {
		err = meet(m, WHO_CLIENT, STEP_SEALED);
	}
	if (err == 0) {
		err = region_map_peer(&side.peer, REGION_PROCESS, m->region_fd[other]);
	}
	if (err == 0) {
		channel_init(&side.ch, &side.own, CHANNEL_PORT, &side.peer, CHANNEL_PORT,
			     &m->hints->proc[proc_other], CHANNEL_PORT, -1);
	}
	atomic_store(&m->step[me], err < 0 ? err : STEP_ATTACHED);
	return err;
}

static int
enter_once(struct meeting *m, enum who me)
{
	int err = 0;

	if (!side.entered) {
		err = enter(m, me);
		side.entered = err == 0;
	}
	return err;
}

static int
channel_enter(void *mem)
{
	struct meeting *m = mem;
	int err = enter_once(m, WHO_CLIENT);

	return err == 0 ? meet(m, WHO_EXECUTOR, STEP_ATTACHED) : err;
}

static int
channel_serve(void *mem)
{
	struct desc d;
	int err = enter_once(mem, WHO_EXECUTOR);

	while (err == 0) {
		int got = channel_recv(&side.ch, &d);

		if (got == 0) {
			cores_relax();
			continue;
		}
		if (got < 0 || d.kind == CHANNEL_STOP) {
			return got < 0 ? got : 0;
		}
		d.word[0]++;
		err = channel_send(&side.ch, &d);
	}
	return err;
}

static inline int
channel_once(void *mem)
{
	int got = channel_send(&side.ch, &side.d);

	while (got == 0 && (got = channel_recv(&side.ch, &side.d)) == 0) {
		cores_relax();
	}
	return got;
}

static int
channel_measure(void *mem, const struct pace *pace, struct figures *f)
{
	side.d = (struct desc){ .kind = DESC_PING, .flags = DESC_F_INLINE, .len = 24 };
	return pace_run(pace, f, channel_once, mem);
}

static void
channel_end(void *mem)
{
	struct desc d = { .kind = CHANNEL_STOP };

	if (side.entered) {
		channel_send(&side.ch, &d);
	}
}

const struct echo echo_channel = {
	.name = "channel",
	.bytes = sizeof(struct meeting),
	.prepare = channel_prepare,
	.enter = channel_enter,
	.serve = channel_serve,
	.measure = channel_measure,
	.end = channel_end,
};
