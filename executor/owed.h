/* SPDX-License-Identifier: Apache-2.0 */
/* owed - answers that wait for the store while their executor goes on
 *
 * A call that wrote is answered when the store has acknowledged its writes. That takes a trip over
 * the cache tile to the store and back, many times what a small function takes; so the executor
 * sends the writes, keeps the answer here, and takes the next call.
 *
 *   O1  What is owed came by one direct channel, and all of its writes went to one cache tile. So
 *       when this process dies, the last call whose writes that tile has accepted (desc.h: dead)
 *       stands for all: the calls before it wrote, those behind it did not (call_wrote).
 *   O2  While anything is owed no other writes leave this process, and none are committed
 *       (region.h), so O1 stays what the node sees.
 *   O3  While anything is owed only functions run that were quick of late: an acknowledgement is
 *       seen between calls, and when a function waits. If one hangs all the same, what is owed
 *       waits until it is stopped, and its callers then hear that their writes happened.
 *   O4  Who reads a key that is owed waits until nothing is: a call sees the writes of those that
 *       came by its channel before it.
 *
 * Rejected: the cache tile answers callers itself. That is one message less, but whoever floods
 * the tile with answers of his own making fills the caller's queue there, and one that does not
 * fit is lost.
 *
 * Owner: the executor's one thread.
 */
#ifndef MB_EXEC_OWED_H
#define MB_EXEC_OWED_H

#include <stdbool.h>
#include <stdint.h>

#include "exec_ops.h"
#include "payload.h"
#include "region.h"
#include "session.h"

#define OWED_MAX       32 /* a quarter of a channel: twice what hides a trip to the store */
#define OWED_RUN_NS    UINT64_C(20000) /* a function that is slower is waited for */
#define OWED_QUICK_CNT 4               /* so often in a row it has to be quick */

struct owed_answer {
	struct desc sent;  /* the PUBLISH */
	struct desc reply; /* if all goes well */
	uint64_t line;     /* of the trace */
};

struct owed {
	const struct exec_ops *ops;
	struct payload_pool *pool;
	struct region_trace *trace; /* NULL: none */
	struct session *session;
	struct mail *mail;
	/* takes messages; NULL: none */ /* takes the answers that are not for us */
	/* ops->wait, as everything that runs in the executor has to see it: nothing is published
	 * but when nothing is owed (O2), and answers that somebody is owed for are taken out. */
	struct exec_wait wait;
	bool adding;
	struct exec_from from; /* of all */
	uint32_t tile;         /* of all */
	uint32_t cnt;
	struct owed_answer answer[OWED_MAX]; /* the oldest first */
};

/* owed_init: ops, pool and trace stay. session is to be set before the first call. */
void owed_init(struct owed *o, const struct exec_ops *ops, struct payload_pool *pool,
	       struct region_trace *trace);

/* owed_suits tells whether an answer can be added: there is room, and it keeps O1. */
bool owed_suits(const struct owed *o, const struct exec_from *from, uint32_t tile);

/* owed_is_from tells whether all that is owed came from there. */
bool owed_is_from(const struct owed *o, const struct exec_from *from);

/* owed_add publishes what the session holds, and owes the reply. line is that of the call in the
 * trace.
 *
 * Requires:  owed_suits; session_sendable to this tile.
 * Returns:   1; else as session_send, and nothing is owed: the results are the caller's again.
 */
int owed_add(struct owed *o, const struct exec_from *from, uint32_t tile, const struct desc *reply,
	     uint64_t line);

/* owed_answered takes an answer of a cache tile, and sends the reply that waited for it. Returns:
 * false when none did. */
bool owed_answered(struct owed *o, const struct desc *d);

/* owed_settle waits until nothing is owed. Returns: 0; MB_ERR_NO_NODE. */
int owed_settle(struct owed *o);

#endif
