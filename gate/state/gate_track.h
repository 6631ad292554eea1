/* SPDX-License-Identifier: Apache-2.0 */
/* gate_track - clients that keep what they have read, and are told when it changes: CLIENT TRACKING
 *
 * A key that such a client reads is noted, with the version that was shown. When it changes the
 * client is told once, and reads again if it wants.
 */
#ifndef MB_GATE_TRACK_H
#define MB_GATE_TRACK_H

#include "gate_int.h"

/* gate_version_of (gate_state.c) is what tells whether a key shows something else than before.
 * Returns: 0: no place to look at it. */
uint64_t gate_version_of(struct gate *g, struct slice key, uint64_t hash);
/* gate_track_look: the command at hand looked a key up and saw version (gate_version_of). */
void gate_track_look(struct gate *g, struct gate_conn *c, struct slice key, uint64_t hash,
		     uint64_t version);
/* gate_track_batch: the operations of a set are done. */
void gate_track_batch(struct gate *g, const struct gate_batch *b);
/* gate_track_flush: all keys go. */
void gate_track_flush(struct gate *g);
/* gate_track_tick looks at keys that functions may have written. */
void gate_track_tick(struct gate *g, uint64_t now_ns);
/* gate_track_drop: a connection is told of nothing any more. */
void gate_track_drop(struct gate *g, struct gate_conn *c);

int gate_client_tracking(struct gate *g, struct gate_conn *c, const struct slice *arg,
			 uint32_t arg_cnt);
int gate_client_caching(struct gate *g, struct gate_conn *c, struct slice word);
int gate_client_tracking_info(struct gate *g, struct gate_conn *c);
/* gate_track_redirect is the client that is told instead; 0: itself; -1: it keeps nothing. */
int64_t gate_track_redirect(const struct gate_conn *c);

#endif
