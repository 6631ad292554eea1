/* SPDX-License-Identifier: Apache-2.0 */
/* echo.c - one block of an echo: partners to their cores, ping, partners back to their gates */
#include "echo.h"

#include <microburst/error.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "check.h"
#include "compiler.h"
#include "cores.h"
#include "partner.h"

static const struct echo *const echo_all[] = {
	&echo_line,
	&echo_ring,
	&echo_ring_pipelined,
	&echo_channel,
	&echo_futex,
	&echo_futex_one_core,
	&echo_relay,
	&echo_relay_asleep,
	&echo_udp,
	&echo_move,
	&echo_memif,
	&echo_af_packet,
	&echo_af_xdp,
	&echo_kernel_af_packet,
	&echo_kernel_af_xdp,
	&echo_relay_memif,
	&echo_relay_af_xdp,
	&echo_relay_kernel_af_xdp,
	&echo_move_memif,
	&echo_move_af_packet,
	&echo_move_af_xdp,
};
#define ECHO_CNT ARRAY_CNT(echo_all)

size_t echo_move_bytes;

struct echo_run {
	const struct echo *echo;
	void *mem;
	struct echoes *all;
};

struct echoes {
	struct partner *partner, *relay;
	int cpu_own, cpu_partner;
	struct echo_run run[ECHO_CNT];
};

static int
echo_map(struct echoes *all)
{
	int err;

	for (unsigned i = 0; i < ECHO_CNT; i++) {
		const struct echo *echo = echo_all[i];
		void *mem = mmap(NULL, echo->bytes, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (mem == MAP_FAILED) {
			return MB_ERR_NO_MEMORY;
		}
		all->run[i] = (struct echo_run){ .echo = echo, .mem = mem, .all = all };
		if (echo->prepare != NULL && (err = echo->prepare(mem)) < 0) {
			return err;
		}
	}
	return 0;
}

int
echo_prepare(struct echoes **ret)
{
	struct echoes *all = calloc(1, sizeof(*all));
	int err;

	if (all == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	cores_pick(&all->cpu_own, &all->cpu_partner);
	err = echo_map(all);
	if (err == 0) {
		err = partner_start(&all->partner);
	}
	if (err == 0) {
		err = partner_start(&all->relay);
	}
	if (err < 0) {
		echo_finish(all);
		return err;
	}
	*ret = all;
	return 0;
}

void
echo_finish(struct echoes *all)
{
	if (all == NULL) {
		return;
	}
	partner_stop(all->relay);
	partner_stop(all->partner);
	for (unsigned i = 0; i < ECHO_CNT; i++) {
		if (all->run[i].mem != NULL) {
			munmap(all->run[i].mem, all->run[i].echo->bytes);
		}
	}
	free(all);
}

void
echo_cores(struct echoes *all, int cpu_own, int cpu_partner)
{
	all->cpu_own = cpu_own;
	all->cpu_partner = cpu_partner;
}

static int
echo_block(void *ctx, const struct pace *pace, struct figures *f)
{
	const struct echo_run *run = ctx;
	const struct echo *echo = run->echo;
	const struct echoes *all = run->all;
	int cpu_partner = echo->one_core ? all->cpu_own : all->cpu_partner;
	bool shared = echo->serve_relay != NULL || cpu_partner == all->cpu_own;
	int err, end;

	if (echo->reset != NULL) {
		echo->reset(run->mem);
	}
	cores_shared = shared;
	err = partner_open(all->partner, echo->serve, run->mem, cpu_partner,
			   cpu_partner == all->cpu_own);
	if (err == 0 && echo->serve_relay != NULL) {
		err = partner_open(all->relay, echo->serve_relay, run->mem, all->cpu_own, shared);
	}
	if (err < 0) {
		return err;
	}
	if (echo->enter != NULL) {
		err = echo->enter(run->mem);
	}
	if (err == 0) {
		err = echo->measure(run->mem, pace, f);
	}
	echo->end(run->mem);
	end = partner_close(all->partner);
	if (echo->serve_relay != NULL && end == 0) {
		end = partner_close(all->relay);
	}
	cores_shared = all->cpu_own == all->cpu_partner;
	/* Without a partner this side only waits in vain. */
	return end < 0 && end != MB_ERR_PEER_DIED ? end : err < 0 ? err : end;
}

struct side
echo_side(struct echoes *all, const struct echo *echo)
{
	for (unsigned i = 0; i < ECHO_CNT; i++) {
		if (echo_all[i] == echo) {
			return (struct side){ .block = echo_block, .ctx = &all->run[i] };
		}
	}
	REQUIRE(echo == NULL, "%s is not in echo_all", echo->name);
	abort();
}
