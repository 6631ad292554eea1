/* SPDX-License-Identifier: Apache-2.0 */
/* gate_admin - what is asked of ctl, as the command line asks it
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_ADMIN_H
#define MB_GATE_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "stream.h"

struct gate;
struct gate_conn;

#define GATE_QUESTION_CNT 8 /* to ctl, at a time */

/* A question to ctl. */
struct gate_question {
	struct stream_id conn;
	bool used;
	int fd;
};

/* gate_admin_ask asks ctl; the handler returns WAIT and finds c->answered, the error in c->answer.
 * Owns: question. Returns: 0; MB_ERR_FULL: wait; an error. */
int gate_admin_ask(struct gate *g, struct gate_conn *c, json_t *question);
/* gate_admin_reply: OK, or the error as ctl says it. Returns: GATE_DONE. */
int gate_admin_reply(struct gate *g, struct gate_conn *c);
/* gate_admin_poll takes answers. Returns: whether there were any. */
bool gate_admin_poll(struct gate *g);
void gate_admin_end(struct gate *g);

#endif
