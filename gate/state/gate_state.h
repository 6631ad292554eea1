/* SPDX-License-Identifier: Apache-2.0 */
/* gate_state - values, looked up where the cache has them, and fetched when it has not
 *
 * What is found is held by a hazard slot until gate_look_end, unless a reply (gate_bulk_value) or a
 * walk has taken it over.
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_STATE_H
#define MB_GATE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache_msg.h"
#include "cache_view.h"
#include "slice.h"
#include "stream.h"

struct gate;
struct gate_conn;

#define GATE_FETCH_CNT 512 /* keys being fetched */

struct gate_fetch {
	struct stream_id conn;
	struct desc msg;
	uint64_t hash;
	struct desc lent; /* its answer, if that lends the value (gate_loan.h) */
	bool used;
	bool ahead;    /* nobody waits for it yet */
	uint32_t next; /* free, or of a list of loans, + 1 */
};

/* gate_look finds a key's value as of now. Returns: CACHE_HIT, *ret to be released; CACHE_ABSENT,
 * *ret has the version and holds nothing; CACHE_MISS: being fetched, the handler returns WAIT; an
 * error. */
int gate_look(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *ret);
/* gate_look_as: the same of a collection; MB_ERR_TYPE for another one. LATTICE_ORSET: any set. */
int gate_look_as(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
		 struct cache_value *ret);
/* gate_look_text: the same as bytes. ret_text points into the value or buf. MB_ERR_TYPE. */
int gate_look_text(struct gate *g, struct gate_conn *c, struct slice key, struct cache_value *ret,
		   char buf[], struct slice *ret_text);
/* gate_look_part: gate_look_as of what a HELD command in parts takes from; CACHE_ABSENT also when
 * some are done and for whatever reason no other one will be. */
int gate_look_part(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
		   struct cache_value *ret);
/* gate_keys_bring has all of so many keys brought here, together; on the way some may be evicted
 * again. c->total is its own. Returns: 1: they were; else what the handler returns, negative
 * - 1. */
int gate_keys_bring(struct gate *g, struct gate_conn *c, const struct slice *key, uint32_t cnt);
void gate_look_end(struct gate *g, struct cache_value *v);
/* gate_deadline_us is when a value ends, in microseconds since 1970; 0: never. */
uint64_t gate_deadline_us(const struct cache_value *v);
void gate_fetched(struct gate *g, const struct desc *d);
/* gate_fetch asks for a key. c: whose handler is called again when it is there; NULL: nobody's.
 * Returns: false: not now. */
bool gate_fetch(struct gate *g, struct gate_conn *c, struct slice key, uint64_t hash);
/* gate_fetch_over: nothing is under way for it any more. */
void gate_fetch_over(struct gate *g, struct gate_fetch *f);
/* gate_look_refuse answers for what gate_look returned below 0, or waits. */
int gate_look_refuse(struct gate *g, struct gate_conn *c, int err);

#endif
