/* SPDX-License-Identifier: Apache-2.0 */
/* echo - one kind of floor: how a message gets to another process and back, without Microburst
 *
 * An echo is a table of functions over one block of shared memory. This process pings, the partner
 * serves: it gives back what it gets until it gets the end. A relay has a second partner behind the
 * first, as a call that writes has the daemon behind the executor.
 *
 * Functions that may fail return 0 or a negative mb_err. State that belongs to one of the processes
 * only (mappings, private indices) is static in the echo's file: each process has its own.
 */
#ifndef MB_ECHO_H
#define MB_ECHO_H

#include <stdbool.h>
#include <stddef.h>

#include "interleave.h"
#include "pace.h"

struct echo {
	const char *name; /* of the floor's row, and of the floor beside a subject */
	size_t bytes;     /* of shared memory, zeroed at start */
	/* prepare runs once, before the partners are forked. NULL: nothing to do. */
	int (*prepare)(void *mem);
	/* reset runs before each block, while nobody serves. NULL: nothing to do. */
	void (*reset)(void *mem);
	/* enter runs before each block while the partner has begun to serve, for what needs both.
	 * NULL: nothing to do. */
	int (*enter)(void *mem);
	int (*serve)(void *mem);       /* in the partner, until the end */
	int (*serve_relay)(void *mem); /* in the second partner; NULL: there is none */
	/* measure pings: warm-up and samples of one block. */
	int (*measure)(void *mem, const struct pace *pace, struct figures *f);
	void (*end)(void *mem); /* tells the partner to return from serve */
	bool one_core;          /* the partner runs on this process's cpu */
};

/* The floors beside subjects spin; those named after the futex and asleep do not. */
extern const struct echo echo_line; /* one cache line */
extern const struct echo echo_ring; /* rte_ring, one writer, one reader, 64-byte elements */
extern const struct echo echo_ring_pipelined; /* the same with ECHO_WINDOW outstanding */
extern const struct echo echo_channel;        /* dataplane/rt/shm/channel.h */
extern const struct echo echo_udp;            /* a datagram to an io_uring and back */
extern const struct echo echo_move;           /* echo_move_bytes in datagrams, counted */
/* By way of DPDK: a frame to another process and back. The last two are of the kernel's socket to a
 * port. All but memif want a cable (cable.h), which the caller makes sure of. */
extern const struct echo echo_memif, echo_af_packet, echo_af_xdp;
extern const struct echo echo_kernel_af_packet, echo_kernel_af_xdp;
/* The same with a third process: the server asks it, and is itself on this one's cpu. */
extern const struct echo echo_relay_memif, echo_relay_af_xdp, echo_relay_kernel_af_xdp;
extern const struct echo echo_move_memif, echo_move_af_packet, echo_move_af_xdp;
extern const struct echo echo_futex; /* a futex wake each way */
extern const struct echo echo_futex_one_core;
extern const struct echo echo_relay;        /* rings through a third process on this one's cpu */
extern const struct echo echo_relay_asleep; /* the same, this process sleeps meanwhile */

#define ECHO_WINDOW 64 /* outstanding messages of the pipelined floor, and of pipelined calls */

/* What the floors that move bytes move from now on. Owner: bench_main. */
extern size_t echo_move_bytes;

/* echo_prepare maps the memory of all echoes and forks the partners.
 * Returns: 0; MB_ERR_NO_MEMORY. Threads: start-up only, before anything that children must not
 * hold. */
struct echoes;
int echo_prepare(struct echoes **ret);
void echo_finish(struct echoes *all);

/* echo_cores says where the sides run from now on; this process is bound by the caller. */
void echo_cores(struct echoes *all, int cpu_own, int cpu_partner);

/* echo_side gives the side of a bench that measures this echo. It lives as long as all. */
struct side echo_side(struct echoes *all, const struct echo *echo);

#endif
