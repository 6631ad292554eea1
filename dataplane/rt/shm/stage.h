/* SPDX-License-Identifier: Apache-2.0 */
/* stage - where the time of calls goes: a histogram for each stage of a call, always on
 *
 *   client ──pick──► channel ──link──► executor: arguments ─► run ─► publish ──► channel ──► client
 *                 └► sched: queue ──────┘                            (transit: both ways together)
 *
 * A histogram that every call feeds has to cost next to nothing, so this is not base/hist: an
 * octave has STAGE_STEP_CNT steps, so a bucket is at most an eighth of its lower end wide (6 % off
 * its middle, less with stage_quantile's line through it), and there is nothing beside the buckets.
 * The bucket of a value is read off its floating-point form: exponent and first bits of the
 * mantissa are octave and step: six instructions a value, and three to count it.
 *
 * It lies where its writer can write and readers can read: executors and clients have theirs in
 * their regions, sched in its log. A reader sees numbers that were each once true. What a process
 * writes about itself is its word: a hostile one harms the figures of what it runs, no more.
 *
 * Values from STAGE_FINE_MAX on (2.1 s) fall into octaves of one bucket, up to 4.6 minutes.
 *
 * Owner: one writer each. All relaxed: nothing here is an edge.
 */
#ifndef MB_RT_STAGE_H
#define MB_RT_STAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "compiler.h"
#include "domain_limits.h"

/* X(name, writer, doc). The order is that of a call. */
#define STAGES(X)                                                                                  \
	X(PICK, "pick", "client: choosing an executor and sending; sampled")                       \
	X(QUEUE, "queue", "sched: waiting for an executor, calls that go through it")              \
	X(LINK, "link",                                                                            \
	  "executor: from the client's sending to the taking; sampled, direct calls")              \
	X(ARGUMENTS, "arguments", "executor: looking at arguments that lie in memory of others")   \
	X(RUN, "run", "executor: in a function, reads that had to be fetched included; all calls") \
	X(PUBLISH, "publish", "executor: from the function's end to the answer, calls that wrote") \
	X(TRANSIT, "transit", "client: there and back, without the time at the executor; sampled") \
	X(CALL, "call", "client: from the start to the answer; sampled")

#define STAGE_ENUM_(name, text, doc) STAGE_##name,
enum stage {
	STAGES(STAGE_ENUM_) STAGE_CNT /* how many; not a stage */
};

/* Of direct calls one in so many is followed by its client too (call.h, CALL_F_TRACED). */
#define STAGE_SAMPLE 64

#define STAGE_STEP_CNT_LG 3
#define STAGE_STEP_CNT    (1 << STAGE_STEP_CNT_LG)
#define STAGE_FINE_MAX    (INT32_MAX - 1)
#define STAGE_COARSE      (31 << STAGE_STEP_CNT_LG) /* the bucket that begins at 2^31 - 1 */
#define STAGE_BUCKET_CNT  (32 << STAGE_STEP_CNT_LG)

struct stage_hist {
	_Atomic uint64_t bucket[STAGE_BUCKET_CNT];
};

/* What one function has used at one executor. */
struct stage_use {
	struct stage_hist run; /* how long it ran: as many values as calls */
	_Atomic uint64_t run_ns;
	_Atomic uint64_t failed;  /* calls that ended with an error */
	_Atomic uint64_t byte_us; /* bytes of arguments and results beside the descriptor, times how
				    * long they were held for the call */
	uint64_t pad[5];
} __attribute__((__aligned__(CACHE_LINE)));

/* All that a process says of its calls. STAGE_RUN stands in the uses, one by one. */
struct stages {
	struct stage_hist hist[STAGE_CNT];
	struct stage_use use[FUNCTION_CNT_MAX]; /* entry = function id % FUNCTION_CNT_MAX */
};

static inline void
stage_inc(_Atomic uint64_t *v, uint64_t n)
{
	atomic_store_explicit(v, atomic_load_explicit(v, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* stage_use_ran notes one run of a function that held bytes for so long. */
static inline void
stage_use_ran(struct stage_use *u, uint64_t ns, uint64_t bytes, bool failed)
{
	stage_inc(&u->run_ns, ns);
	if (unlikely(bytes != 0)) {
		stage_inc(&u->byte_us, bytes * (ns / 1000));
	}
	if (unlikely(failed)) {
		stage_inc(&u->failed, 1);
	}
}

/* stage_bucket says in which bucket a value is counted. Pure. */
uint32_t stage_bucket(uint64_t ns);

/* stage_bucket_begin gives the smallest value of a bucket; of STAGE_BUCKET_CNT one past all. */
uint64_t stage_bucket_begin(uint32_t bucket);

/* stage_add counts one value. Threads: the writer. */
void stage_add(struct stage_hist *h, uint64_t ns);

/* stage_add_fine is stage_add where it is known that ns <= STAGE_FINE_MAX. */
static inline void
stage_add_fine(struct stage_hist *h, uint32_t ns)
{
	float f = (float)((int32_t)ns + 1);
	uint32_t bits;

	/* 1.0f has the exponent 127: it is bucket 0. */
	memcpy(&bits, &f, sizeof(bits));
	stage_inc(&h->bucket[(bits >> (23 - STAGE_STEP_CNT_LG)) - (127u << STAGE_STEP_CNT_LG)], 1);
}

/* Readers. A sum of histograms, in private memory. */
struct stage_sum {
	uint64_t bucket[STAGE_BUCKET_CNT];
};

/* stage_sum_add adds a histogram, perhaps another process's, to a sum. */
void stage_sum_add(struct stage_sum *sum, const struct stage_hist *h);

/* stage_sum_cnt: how many values; saturates. */
uint64_t stage_sum_cnt(const struct stage_sum *sum);

/* stage_sum_ns: so long all values are together, or longer. */
double stage_sum_ns(const struct stage_sum *sum);

/* stage_quantile gives the value that a share q of all does not exceed, on a straight line through
 * its bucket. 0 when there are none.
 *
 * Requires:  0 <= q <= 1
 */
uint64_t stage_quantile(const struct stage_sum *sum, double q);

const char *stage_name(enum stage stage);
const char *stage_doc(enum stage stage);

#endif
