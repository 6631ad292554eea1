/* SPDX-License-Identifier: Apache-2.0 */
/* alive - whether a call still runs, as its client says in its own region */
#ifndef MB_CONTROL_ALIVE_H
#define MB_CONTROL_ALIVE_H

#include "inbox.h"
#include "region.h"

/* region_says_alive asks the region of a client about a call that it made: ALIVE_UNKNOWN of one
 * that does not tell. A hint: the client may write there what it likes. */
static inline enum inbox_alive
region_says_alive(const struct region *client, uint64_t call)
{
	const struct region_live *live = region_live(client);

	if (atomic_load_explicit(&live->keeps, memory_order_relaxed) == 0) {
		return ALIVE_UNKNOWN;
	}
	return atomic_load_explicit(&live->call[call % LIVE_CNT], memory_order_relaxed) == call
		       ? ALIVE_YES
		       : ALIVE_NO;
}

#endif
