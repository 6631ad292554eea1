/* SPDX-License-Identifier: Apache-2.0 */
/* cache_world - a cache region in this process's own memory, with a small and a large value in it
 * */
#ifndef MB_REPLAY_CACHE_WORLD_H
#define MB_REPLAY_CACHE_WORLD_H

#include "cache_view.h"
#include "slice.h"

extern const struct slice cache_world_small; /* a key with 8 bytes */
extern const struct slice cache_world_large; /* a key with 1 MiB */

/* cache_world_make makes the region and opens its one reader. Returns: 0; an error. */
int cache_world_make(struct cache_view **ret);
void cache_world_end(void);

/* cache_world_put appends the envelope that a PUT of so many zero bytes would send, of this time.
 * */
int cache_world_put(struct wbuf *out, size_t bytes, uint64_t time, struct slice *ret);

#endif
