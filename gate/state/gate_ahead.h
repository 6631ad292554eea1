/* SPDX-License-Identifier: Apache-2.0 */
/* gate_ahead - the keys of the commands behind one that waits for its own
 *
 * Owner: the gate. Threads: the gate's.
 */
#ifndef MB_GATE_AHEAD_H
#define MB_GATE_AHEAD_H

#include "gate_int.h"

#define GATE_READ_CNT 512 /* READs under way */

/* What the store showed for some commands behind one another: each has one key, and its read in its
 * place. */
struct gate_reads {
	struct stream_id conn;
	bool gone;     /* the connection has left them */
	uint32_t open; /* READs not answered */
	uint32_t at;   /* of the command at hand */
	struct cache_reads list;
};

/* gate_look_ahead: the command that text begins with, which was scanned, waits for its key: it is
 * asked for (c->read_once), or was; with it those that the next commands will read. */
void gate_look_ahead(struct gate *g, struct gate_conn *c, struct slice text);
/* gate_near_ahead begins to bring near what the commands that text begins with will look at in the
 * cache, as long as they are such as the one that was run last, which reads one key. A hint: text
 * need not be whole, nor right. Returns: for how many it has done that; at least 1. */
uint32_t gate_near_ahead(struct gate *g, const struct gate_conn *c, struct slice text);
/* gate_reads_may tells whether the command at hand can do with a value that is read once. */
bool gate_reads_may(const struct gate_conn *c, struct slice key);
/* gate_reads_look is gate_look in what was read for the command at hand. Requires: c->reads.
 * Returns: CACHE_MISS: look for it in the cache; as cache_view_get. */
int gate_reads_look(struct gate *g, struct gate_conn *c, struct slice key, uint64_t hash,
		    struct cache_value *ret);
/* gate_reads_next: the command at hand is over. gate_reads_drop: nothing is to be looked up in
 * them. Both require: c->reads. */
void gate_reads_next(struct gate *g, struct gate_conn *c);
void gate_reads_drop(struct gate *g, struct gate_conn *c);
void gate_reads_done(struct gate *g, const struct desc *d);

#endif
