/* SPDX-License-Identifier: Apache-2.0 */
/* subject_story - watch_next (examples/watch_next.c) at the size of MovieLens' small set
 *
 * ingest: 100,836 ratings, one call each, hundreds under way, into an empty node; a sample is all
 * of them. watch_next: the DAG over what is there then, one user after the other.
 */
#ifndef MB_SUBJECT_STORY_H
#define MB_SUBJECT_STORY_H

#include "bench.h"

int subject_ingest(struct env *env, const struct bench *bench, struct measure *ret);
int subject_watch_next(struct env *env, const struct bench *bench, struct measure *ret);

#endif
