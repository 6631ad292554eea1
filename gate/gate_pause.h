/* SPDX-License-Identifier: Apache-2.0 */
/* gate_pause - commands that wait for a while, and replies that nobody wants: CLIENT PAUSE, REPLY
 */
#ifndef MB_GATE_PAUSE_H
#define MB_GATE_PAUSE_H

#include "gate_int.h"
#include "gate_mute.h"

/* gate_pause_holds: the command is not to be begun yet; the handler returns WAIT. */
bool gate_pause_holds(struct gate *g, struct gate_conn *c, const struct gate_command *cmd);
/* gate_reply_begin: a command of a connection whose replies are not all told. Returns: false: the
 * one before it is not over; wait. */
bool gate_reply_begin(struct gate_conn *c);
int gate_client_pause(struct gate *g, struct gate_conn *c, const struct slice *arg,
		      uint32_t arg_cnt);
int gate_client_unpause(struct gate *g, struct gate_conn *c);
int gate_client_reply(struct gate *g, struct gate_conn *c, struct slice word);

/* gate_command_end: what was for one command, which is over: CLIENT CACHING, REPLY SKIP. */
void gate_command_end(struct gate_conn *c);

#endif
