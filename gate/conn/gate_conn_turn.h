/* SPDX-License-Identifier: Apache-2.0 */
/* gate_conn_turn - a connection as the other parts see it: found, when it goes on, what it owes,
 * the memory of its command, its end
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_CONN_TURN_H
#define MB_GATE_CONN_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream.h"

struct gate;
struct gate_conn;

/* gate_conn_find: the connection of an id that still has it; NULL. */
struct gate_conn *gate_conn_find(struct gate *g, struct stream_id id);

/* gate_conn_ready: what it waited for has happened; it goes on in this poll or the next. */
void gate_conn_ready(struct gate *g, struct gate_conn *c);
/* gate_conn_flush: its replies go out in this poll or the next, whatever it waits for. */
void gate_conn_flush(struct gate *g, struct gate_conn *c);
/* gate_conn_turn: its turn is over; it goes on in one of the next polls. */
void gate_conn_turn(struct gate *g, struct gate_conn *c);
/* gate_turn_end: the same of a handler, which is called again then. Returns: what it returns. */
int gate_turn_end(struct gate *g, struct gate_conn *c);
/* gate_conn_starve: it waits for room that nobody will tell it of. */
void gate_conn_starve(struct gate *g, struct gate_conn *c);
/* gate_conn_behind: a transaction comes first; it goes on in its turn when that is over. */
void gate_conn_behind(struct gate *g, struct gate_conn *c);
/* gate_conn_lack: too much is lent; it asks again when some of that is given back here, or after a
 * pause, as others have it too. gate_lack_due: when any of them does. gate_lack_poll: they do.
 * Returns: whether any. */
#define GATE_LACK_NS 20000000u /* 50 wakes a second: a hundredth of a core */
void gate_conn_lack(struct gate *g, struct gate_conn *c);
uint64_t gate_lack_due(const struct gate *g);
bool gate_lack_poll(struct gate *g);
/* gate_conn_told: messages were written for it; they go out in this poll or the next. */
void gate_conn_told(struct gate *g, struct gate_conn *c);
/* gate_conn_later: its replies could not be sent just now. */
void gate_conn_later(struct gate *g, struct gate_conn *c);

/* gate_conn_owes: whether it owes the rest of a command, and that it reads; of whom it is longer
 * than gate.slow the connection ends. gate_conn_moved: so many bytes came, or were read: they move
 * since when (one of c's two) by the time that they take at gate.slow_rate. */
void gate_conn_owes(struct gate *g, struct gate_conn *c, bool half, bool reading);
void gate_conn_moved(const struct gate *g, struct gate_conn *c, uint64_t *since_ns, size_t bytes);
/* gate_conn_held: replies stay here until the command at hand is done. */
bool gate_conn_held(const struct gate_conn *c);

/* gate_conn_keep makes room for at least bytes in c->keep, which is not NULL then, for 0 bytes
 * either. Returns: false: there is no memory. */
bool gate_conn_keep(struct gate *g, struct gate_conn *c, size_t bytes);
/* gate_conn_keep_end gives it back. */
void gate_conn_keep_end(struct gate *g, struct gate_conn *c);

/* gate_conn_close ends it now, whatever is not sent; a transaction that has begun is finished
 * before, for nobody. gate_conn_reset: so that the kernel keeps nothing of it either. */
void gate_conn_close(struct gate *g, struct gate_conn *c);
void gate_conn_reset(struct gate *g, struct gate_conn *c);

#endif
