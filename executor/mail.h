/* SPDX-License-Identifier: Apache-2.0 */
/* mail - what one call sends to other calls, and what it receives
 *
 * What is sent is held back until the call publishes, as its writes are, and goes after them. What
 * is received comes from sched, which is asked for it when the function first wants a message.
 *
 * M1  Nothing leaves before mail_publish; when that returns 0, sched has all of it.
 * M2  Messages are taken in the order in which sched keeps them, without a gap and none twice.
 * M3  What is taken or has come is given back by mail_end, on every path; what comes later, when it
 *     comes.
 *
 * A call that dies after it has sent and before it is answered runs again, and sends again: sched
 * knows (sender, sequence) and keeps each once.
 *
 * Owner: the executor's one thread.
 */
#ifndef MB_EXEC_MAIL_H
#define MB_EXEC_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "exec_ops.h"
#include "message.h"
#include "payload.h"
#include "session.h"
#include "slice.h"

#define MAIL_OUT_MAX 256 /* held back at one time; function.h tells users */

struct mail {
	const struct exec_ops *ops;
	const struct exec_wait *wait; /* by which answers come to us: owed.h */
	struct payload_pool *pool;
	struct session *session; /* takes the answers that are not for us */
	uint16_t proc;
	uint64_t call;
	uint8_t vertex; /* of a part of a DAG, its first function; set by who knows */
	bool used;      /* since mail_begin */
	bool waiting;   /* who waits for an answer shall hear of every message */
	/* out[0, out_cnt): held back, or sent and not answered; of these sent_cnt are sent */
	uint32_t out_cnt, sent_cnt;
	uint64_t seq;
	int err; /* the first that an answer brought */
	uint64_t err_call;
	struct desc out[MAIL_OUT_MAX];
	bool listening;
	uint64_t taken, come; /* messages of this call */
	uint64_t told;        /* what sched knows of taken */
	bool viewed;          /* the last one taken is a payload that is not given back */
	struct desc last;
	struct desc in[MESSAGE_WINDOW]; /* [taken, come) */
};

/* mail_init: all that it is given stays. */
void mail_init(struct mail *m, const struct exec_ops *ops, const struct exec_wait *wait,
	       struct payload_pool *pool, struct session *session, uint16_t proc);

/* mail_begin begins a call. */
static inline void
mail_begin(struct mail *m, uint64_t call)
{
	m->call = call;
	m->vertex = 0;
}

/* mail_send holds a message back. Returns: 0; MB_ERR_TOO_LARGE, beyond MESSAGE_BYTES_MAX or
 * MAIL_OUT_MAX; MB_ERR_NO_MEMORY. */
int mail_send(struct mail *m, uint64_t to, struct slice bytes);

/* mail_waits tells whether something is held back. */
static inline bool
mail_waits(const struct mail *m)
{
	return m->out_cnt != 0;
}

/* mail_publish sends what is held back and waits until sched has it, at most until until_ns (0:
 * without end).
 *
 * Returns:   0; an error of one of them, the others being sent: MB_ERR_GONE, MB_ERR_BUSY
 *            (err_call says to whom); MB_ERR_INDETERMINATE at that time; MB_ERR_NO_NODE.
 */
int mail_publish(struct mail *m, uint64_t until_ns);

/* mail_discard forgets what is held back. */
void mail_discard(struct mail *m);

/* mail_recv takes the next message, waiting until until_ns for it (0: without end).
 *
 * Returns:   0 with the message, its bytes valid until the next mail_recv or mail_end;
 *            MB_ERR_NOT_FOUND when none has come; MB_ERR_CORRUPT, MB_ERR_NO_NODE.
 */
int mail_recv(struct mail *m, uint64_t until_ns, uint64_t *ret_from, struct slice *ret);

/* mail_end ends the call: gives back what there is, and waits for answers under way.
 * Returns: 0; MB_ERR_NO_NODE. */
int mail_end(struct mail *m);

/* mail_on takes a SENT or a MESSAGE. Returns: whether it was one. */
bool mail_on(struct mail *m, const struct desc *d);

/* mail_held counts what is held: 0 between calls. */
uint32_t mail_held(const struct mail *m);

#endif
