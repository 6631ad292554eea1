/* SPDX-License-Identifier: Apache-2.0 */
/* gate_mute - replies that a client has said it does not want: CLIENT REPLY */
#ifndef MB_GATE_MUTE_H
#define MB_GATE_MUTE_H

#include "gate_int.h"

/* Whether a connection is told the replies of its commands. */
enum gate_reply {
	REPLY_ON = 0,
	REPLY_SKIP_NEXT, /* but for the next command */
	REPLY_OFF,       /* from here on they are written to nowhere */
	REPLY_SKIP,      /* that of the command at hand */
};

/* gate_reply_end: a command is over, and its reply written. */
static inline void
gate_reply_end(struct gate_conn *c)
{
	c->reply = c->reply == REPLY_SKIP ? REPLY_ON : c->reply;
}

/* Whether what is written now is told to nobody. */
static inline bool
gate_mute(const struct gate_conn *c)
{
	return c->reply >= REPLY_OFF && !c->pushing;
}

#endif
