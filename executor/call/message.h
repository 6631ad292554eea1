/* SPDX-License-Identifier: Apache-2.0 */
/* message - the descriptors by which calls are sent messages
 *
 *   sender ── SEND ──► sched, which keeps the message with the receiving call
 *          ◄─ SENT ──
 *   executor of the receiver ── LISTEN ──► sched ── MESSAGE, MESSAGE ... ──►
 *
 * A message is named by who sent it and its place among what he has sent. Who runs the receiver
 * asks for its messages, so they find it wherever it runs, and again from the first one when it
 * runs a second time. At most MESSAGE_WINDOW are under way to it beyond what it says that it has
 * taken; and at most so many SENDs of one process are not answered.
 *
 *   SEND     call = the receiver, b = message_seq, word[4] = the sender's call; payload: inline
 *            up to MESSAGE_INLINE_BYTES, or held by the sender until SENT
 *   SENT     call, b: as the SEND; err
 *   LISTEN   call = the receiver, b = how many of its messages have been taken; sub = listen_sub
 *   MESSAGE  call = the receiver, b = which of its messages, word[4] = the sender's call; payload:
 *            sched's, held for the executor until it says RELEASE
 */
#ifndef MB_CALL_MESSAGE_H
#define MB_CALL_MESSAGE_H

#include <stdint.h>

#include "call.h"

#define MESSAGE_INLINE_BYTES (DESC_INLINE_BYTES - 8)
#define MESSAGE_BYTES_MAX    (32u << 10)
#define MESSAGE_WINDOW       32

enum listen_sub {
	LISTEN_END = 1, /* the receiver does not run here any more */
};

/* The functions of one DAG call that run at different executors each count what they send. */
#define MESSAGE_SEQ_BITS 48

static inline uint64_t
message_seq(uint8_t vertex, uint64_t n)
{
	return (uint64_t)vertex << MESSAGE_SEQ_BITS | n;
}

static inline uint64_t
message_seq_part(uint64_t seq)
{
	return seq >> MESSAGE_SEQ_BITS;
}

#endif
