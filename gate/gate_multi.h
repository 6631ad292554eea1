/* SPDX-License-Identifier: Apache-2.0 */
/* gate_multi - MULTI, EXEC, WATCH: commands that are kept, and run while nobody else's begin
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_MULTI_H
#define MB_GATE_MULTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

struct gate;
struct gate_command;
struct gate_conn;

/* Of MULTI: the commands that are to run together, and what was watched. Each of text is
 * word_cnt u32 | ( len u32 | bytes ) *; of watch version u64 | key_len u32 | key. */
struct gate_multi {
	bool queueing;      /* MULTI was said */
	bool wrong;         /* a command could not be kept */
	bool brought;       /* T4 */
	bool running;       /* by EXEC */
	bool writes;        /* one of the commands may */
	uint32_t cnt, done; /* commands */
	uint32_t at;        /* where the next one begins */
	uint64_t began_tsc; /* of the one at hand; 0: not yet */
	uint32_t text_len, text_cap, watch_len, watch_cap, watch_at;
	uint8_t *text, *watch; /* from the heap */
};

/* gate_multi_takes: the command is kept for EXEC, and answered so. */
bool gate_multi_takes(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		      const struct slice *arg, uint32_t arg_cnt);
/* gate_multi_next: the command of EXEC that was at hand is over; it took time unless c->timed is
 * NULL. */
void gate_multi_next(struct gate *g, struct gate_conn *c);
/* gate_multi_owes: memory that short replies to its commands that are to come may take. */
size_t gate_multi_owes(const struct gate_multi *m);
void gate_multi_drop(struct gate *g, struct gate_conn *c);

#endif
