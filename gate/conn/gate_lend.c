/* SPDX-License-Identifier: Apache-2.0 */
/* gate_lend - long values that the kernel sends from the cache's own memory
 *
 * A chunk of a reply that names a value in the cache holds its hazard slot (gate_out.c). When it is
 * sent the kernel has copied its bytes, and it is freed. When it is lent (stream_lend) the kernel's
 * packets are the cache's pages, also after all of the chunk is "sent":
 *
 *      out ──lent, part by part──► all is sent ──► lent.first ──last part returned──► freed
 *                     each part returned: lent - 1
 *
 *   E1  What is lent stays as it is. A value that a slot holds is not changed in place nor freed:
 *       whoever writes or deletes its key, or evicts it, leaves this one to who holds it.
 *   E2  A chunk of which the kernel has a part is freed by gate_conn_closed only, which comes when
 *       it has nothing of the connection any more (L1, L3 of stream_send.c).
 *   E3  A chunk has a mark of its own from its first lend until it is freed, one of STREAM_LEND_MAX
 *       of the connection. When none is left the next value is sent.
 *   E4  Whoever has not acknowledged what was lent owes, as whoever does not read what is in our
 *       memory: it is reset after gate.slow without a move, of which each byte acknowledged is one.
 *       With GATE_HOLD_CNT slots for all connections together, past which values are copied, that
 *       bounds what is held.
 *
 * A head of some bytes goes before a lent value in a send of its own, of which the kernel knows
 * that more comes. Rejected: head and value in one SENDMSG_ZC; the head's chunk would be lent, too.
 */
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "check.h"
#include "compiler.h"
#include "gate_conn.h"
#include "gate_int.h"

#define MARKS ((1u << STREAM_LEND_MAX) - 1)

bool
gate_lend_due(const struct gate *g, const struct gate_conn *c, const struct gate_chunk *k)
{
	return k->slot != CACHE_SLOT_NONE && k->len - k->sent >= g->cfg.lend_min &&
	       (k->mark != 0 || c->lent.marks != MARKS) && stream_lends(g->stream, c->id);
}

int
gate_lend(struct gate *g, struct gate_conn *c, struct gate_chunk *k)
{
	const struct iovec piece = { (void *)(uintptr_t)(k->p + k->sent),
				     MIN(k->len - k->sent, GATE_SEND_MAX) };
	uint32_t mark = k->mark != 0 ? k->mark - 1u : (uint32_t)__builtin_ctz(~c->lent.marks);
	int err = stream_lend(g->stream, c->id, &piece, mark);

	if (err == 0) {
		c->lent.marks |= 1u << mark;
		k->mark = (uint8_t)(mark + 1);
		k->lent++;
	}
	return err;
}

static void
done(struct gate *g, struct gate_conn *c, struct gate_chunk *k)
{
	if (k->mark != 0) {
		c->lent.marks &= ~(1u << (k->mark - 1));
	}
	gate_chunk_free(g, k);
}

void
gate_lend_sent(struct gate *g, struct gate_conn *c, struct gate_chunk *k)
{
	if (k->lent == 0) {
		done(g, c, k);
	} else {
		k->next = c->lent.first;
		c->lent.first = k;
	}
}

void
gate_lend_returned(struct gate *g, struct gate_conn *c, uint32_t mark)
{
	struct gate_chunk **at = &c->lent.first, *k;

	while (*at != NULL && (*at)->mark != mark + 1) {
		at = &(*at)->next;
	}
	k = *at;
	if (k != NULL) {
		if (--k->lent == 0) {
			*at = k->next;
			done(g, c, k);
		}
		return;
	}
	for (k = c->out.head; k->mark != mark + 1; k = k->next) { /* one that is not all sent */
	}
	REQUIRE(k->lent > 0);
	k->lent--;
}

/* A part is returned as a whole: of somebody who reads a quarter of one in gate.slow that would be
 * too late. */
size_t
gate_lend_moves(const struct gate *g, struct gate_conn *c)
{
	int fd = stream_fd(g->stream, c->id), was = c->lent.queue_len;

	return c->lent.marks != 0 && fd >= 0 && ioctl(fd, SIOCOUTQ, &c->lent.queue_len) == 0
		       ? (size_t)abs(c->lent.queue_len - was)
		       : 0;
}

void
gate_lend_drop(struct gate *g, struct gate_conn *c)
{
	struct gate_chunk *k;

	while ((k = c->lent.first) != NULL) {
		c->lent.first = k->next;
		done(g, c, k);
	}
	c->lent.marks = 0;
}
