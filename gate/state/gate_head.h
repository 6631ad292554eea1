/* SPDX-License-Identifier: Apache-2.0 */
/* gate_head - what a key has, without its value
 *
 * Of a value that is in the cache it is looked up there; of one for which there is no room (it can
 * be longer than all of the cache) the cache tells it instead (cache_msg.h, enum cache_fact). So
 * commands that only ask what is there are answered for every key.
 *
 * Owner: the caller. Errors: as gate_look; it holds nothing.
 */
#ifndef MB_GATE_HEAD_H
#define MB_GATE_HEAD_H

#include <stdint.h>

#include "gate_int.h"

/* No enum mb_err, as GATE_ERR_KEY: a value that is longer than the cache. */
#define GATE_ERR_UNFIT (-1001)

struct gate_head {
	unsigned int type;    /* enum lattice_type */
	uint64_t deadline_us; /* 0: none */
	int64_t len;          /* if it was wanted: items, or bytes of a text; -1: it is neither */
};

/* gate_look_head finds a key's head as of now. Returns: as gate_look. */
int gate_look_head(struct gate *g, struct gate_conn *c, struct slice key, bool with_len,
		   struct gate_head *ret);

/* gate_count answers how many items a collection of this type has; LATTICE_ORSET: any set. */
int gate_count(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type);

#endif
