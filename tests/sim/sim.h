/* SPDX-License-Identifier: Apache-2.0 */
/* sim - one run: a node and its processes, in one thread, on a virtual clock
 *
 * Everything that decides something is the shipped code; what stands in for the machine is written
 * here:
 *
 *   shipped                                   here instead of it
 *   sched, cache_core, kvs_core, ports        tile.c     the tiles' loops, links (lane.c)
 *   procs, hints, region layout, channel      ctl.c      the ctl tile (sockets, pidfds, fork)
 *   domain, client library, executor          proc.c     processes: memory, sleeping, dying
 *   cache_view, placement, payload, session   executor.c, client.c: what functions and clients do
 *   timebase (virtual), rng, heap             outside.c  the kernel: time, futex, mmap
 *
 * A run is a pure function of (seed, options): all randomness comes from rng, all time from the
 * clock.
 *
 * Crash points. A process switches away after every message it has sent or received (outside.c).
 * There it
 * can be killed, stopped for a while, or overtaken by everybody else.
 */
#ifndef MB_SIM_H
#define MB_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "domain_limits.h"
#include "event.h"
#include "oracle.h"
#include "rng.h"
#include "timebase.h"

enum plant {
	PLANT_NONE = 0,
#define PLANT(name, text, what) PLANT_##name,
#include "plant.def"
#undef PLANT
	PLANT_CNT /* 1 + how many */
};

/* What takes how long. Each is a distribution: nearly always short, seldom very long. */
enum delay {
	DELAY_STEP = 0, /* one step of a tile or a process */
	DELAY_LINK,     /* a message between two tiles */
	DELAY_WAKE,     /* from the bell until the sleeper runs */
	DELAY_WORK,     /* a function's own work between two operations */
	DELAY_DEATH,    /* until ctl hears of a death */
	DELAY_SPAWN,    /* until a new process runs */
	DELAY_CNT       /* how many */
};

/* What one fault injects (fault.c). */
#define FAULTS(X)                                                                                  \
	X(KILL_EXECUTOR, "executors killed")                                                       \
	X(KILL_CLIENT, "clients killed")                                                           \
	X(STOP_EXECUTOR, "executors stopped for a while")                                          \
	X(STOP_CLIENT, "clients stopped for a while")                                              \
	X(STALL_TILE, "tiles stalled")                                                             \
	X(SWAP, "executors swapped")                                                               \
	X(FULL, "sends refused as full")                                                           \
	X(SCRIBBLE, "hints scribbled over")

enum fault {
#define X(name, text) FAULT_##name,
	FAULTS(X)
#undef X
		FAULT_CNT /* how many */
};

#define SIM_FN_MAX   6
#define SIM_FN_PASS  (SIM_FN_MAX + 1) /* ids of what every DAG has beside its function */
#define SIM_FN_JOIN  (SIM_FN_MAX + 2)
#define SIM_SLOT_MAX 4
#define SIM_TILE_MAX 2 /* cache tiles */
#define SIM_KVS_MAX  4
#define SIM_START_NS NS_PER_S
#define SIM_QUIET_NS (5 * NS_PER_S)  /* in which everything must come to rest */
#define SIM_HANG_NS  (5 * NS_PER_S)  /* in which an operation begins or a call ends, or it hangs */
#define SIM_RUN_NS   (60 * NS_PER_S) /* by then every run is over */

/* The shape of a run, drawn from its seed: small limits, so that edges are met. */
struct sim_shape {
	uint32_t cache_cnt, kvs_cnt, slot_cnt, client_cnt;
	uint32_t fn_cnt, cold_cnt; /* functions; those of them that no executor has at first */
	uint32_t queue_max;        /* calls that wait for one function */
	uint32_t depth_max;        /* calls that one client has under way */
	uint32_t key_cnt;          /* of each kind */
	uint32_t copies;           /* kvs tiles that have a key */
	uint32_t ack;              /* enum kvs_ack */
	uint64_t guest_idle_ns;    /* of who writes past the caches; 0: there is nobody */
	uint64_t pause_ns;         /* between sweeps for deleted keys */
	uint32_t burst_max;        /* messages that a tile takes in a step */
	uint32_t op_cnt;           /* operations of all clients together */
	uint32_t fault_every;      /* operations between two faults */
	uint64_t cache_bytes, kvs_bytes;
	uint64_t grace_ns;
	uint32_t slow; /* one delay in so many is a long one */
	bool scribble; /* hints may be overwritten */
	bool big;      /* many values are large */
	bool apart;    /* what DAGs end with is where their functions are not: they run in parts */
};

struct sim_options {
	enum plant plant;
	bool trace; /* tell what happens, to stderr */
};

struct sim_stats {
	uint64_t steps, messages, faults[FAULT_CNT];
	uint64_t stopped;   /* executors, past a deadline or after a cancel */
	uint64_t lost;      /* executors that did not run what they were given */
	uint64_t guest_ops; /* writes past the caches */
	uint64_t told, pushed, dropped, settled, marks; /* of the kvs tiles */
};

struct guest;
struct node;
struct sim_proc;

struct sim {
	uint64_t seed;
	struct sim_options opt;
	struct sim_shape shape;
	struct rng rng;
	struct events events;
	struct timebase_virtual clock;
	struct node *node;
	struct guest *guest;
	struct oracle oracle;
	struct sim_stats stats;
	uint64_t hash; /* of everything that happened, in order */
	uint32_t ops_left;
	uint32_t clients_left; /* client slots that have not finished */
	uint32_t next_fault_at;
	uint32_t full_in;        /* sends of sched until one is refused as full; 0: none is */
	struct sim_proc *graves; /* proc.c */
	bool failed;
	char why[256];
};

/* What a run found out. */
struct sim_result {
	bool failed;
	char why[256];
	uint64_t hash, virtual_ns;
	struct sim_stats stats;
	struct oracle_stats oracle;
};

/* sim_run does one run. */
void sim_run(uint64_t seed, const struct sim_options *opt, struct sim_result *ret);

/* sim_now is the run under way: for what stands in for the kernel, which has no other way to know.
 * */
extern struct sim *sim_now;

/* sim_fail notes a broken invariant; the run ends at its next event. The first one counts. */
void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* sim_trace tells what happens, if somebody listens. */
void sim_trace(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* sim_note mixes what happened into the hash of the run. */
void sim_note(struct sim *s, uint64_t what, uint64_t more);

static inline uint64_t
sim_now_ns(const struct sim *s)
{
	return s->events.now_ns;
}

uint64_t sim_delay_ns(struct sim *s, enum delay kind);

/* sim_below is a number below n; sim_one_in is true once in n. */
static inline uint32_t
sim_below(struct sim *s, uint32_t n)
{
	return (uint32_t)rng_below(&s->rng, n);
}

static inline bool
sim_one_in(struct sim *s, uint32_t n)
{
	return rng_below(&s->rng, n) == 0;
}

static inline bool
sim_planted(const struct sim *s, enum plant p)
{
	return s->opt.plant == p;
}

/* guest.c: who writes to the store past the caches. guest_end: it begins nothing more. */
void guest_start(struct sim *s);
void guest_end(struct sim *s);
/* guest_settle: everybody should have heard by now of what it was acknowledged. */
void guest_settle(struct sim *s);
void guest_free(struct sim *s);
/* What a kvs tile has answered it. */
void guest_answer(struct sim *s, uint32_t kvs, const struct desc *d);

/* fault.c: an operation begins; once in a while something goes wrong. */
void fault_turn(struct sim *s);
/* fault_end: nothing goes wrong any more. */
void fault_end(struct sim *s);

#endif
