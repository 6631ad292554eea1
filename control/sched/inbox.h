/* SPDX-License-Identifier: Apache-2.0 */
/* inbox - messages to calls, kept until the calls end
 *
 * Every call that somebody has sent to, or that has asked for its messages, has an inbox: the
 * messages in the order in which they came. Who runs the call says so (LISTEN) and is given them
 * from the one it wants on, a window at a time; what is given stays, so that a second attempt
 * elsewhere gets the same messages in the same order.
 *
 *   SEND ──► known already? ─yes─► SENT
 *              │no
 *              └► kept ──► SENT        LISTEN ──► MESSAGE ... as many as the window has room for
 *
 * B1  A message (sender, sequence) is kept once in an inbox. A sender's sequence rises, so one that
 *     is not above his last one there has been kept before.
 * B2  A listener gets messages in their order, each once for each attempt, at most MESSAGE_WINDOW
 *     beyond what it has taken.
 * B3  An inbox, and what it holds of memory, goes when its call has ended; of a caller whose calls
 *     nobody knows the end of (a tile of the daemon), INBOX_TTL_NS after the last message.
 * B4  What is sent to a call that has ended is answered MB_ERR_GONE, and not kept.
 *
 * A call's parts (a DAG at several executors) share its id and its inbox: each that listens sees
 * all messages from the first on, also while others do.
 *
 * A step core. Owner: the sched tile.
 */
#ifndef MB_INBOX_H
#define MB_INBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "desc.h"

#define INBOX_CNT_MAX   1024
#define INBOX_DEPTH_MAX 1024 /* messages to one call */
#define MESSAGE_CNT_MAX 8192
#define INBOX_SWEEP_NS  UINT64_C(20000000) /* while there are any: how soon an end is seen */
#define INBOX_TTL_NS    UINT64_C(10000000000)

enum inbox_alive { ALIVE_NO = 0, ALIVE_YES, ALIVE_UNKNOWN };

struct inbox_ops {
	/* As sched_ops. */
	int (*send)(void *ctx, uint16_t proc, const struct desc *d);
	int (*keep)(void *ctx, const struct payload_ref *ref, struct payload_ref *ret);
	int (*hold)(void *ctx, const struct payload_ref *ref, uint16_t holder);
	void (*drop)(void *ctx, const struct payload_ref *ref, uint16_t holder);
	/* Whether a call has ended. */
	enum inbox_alive (*alive)(void *ctx, uint64_t call);
	void *ctx;
};

struct inboxes;

/* inboxes_create: Returns: 0; MB_ERR_NO_MEMORY. Threads: start-up. */
int inboxes_create(struct inboxes **ret, const struct inbox_ops *ops);
void inboxes_destroy(struct inboxes *b);

/* inboxes_on handles a SEND or a LISTEN of process proc. */
void inboxes_on(struct inboxes *b, uint16_t proc, const struct desc *d, uint64_t now_ns);

/* inboxes_proc_down: proc listens no more. */
void inboxes_proc_down(struct inboxes *b, uint16_t proc);

/* inboxes_poll frees inboxes of calls that have ended. Returns: when to call it next, UINT64_MAX:
 * when there is something. */
uint64_t inboxes_poll(struct inboxes *b, uint64_t now_ns);

/* Counts, found by walking: inboxes, and the messages in them. */
uint32_t inboxes_held(const struct inboxes *b, uint32_t *ret_messages);

#endif
