/* SPDX-License-Identifier: Apache-2.0 */
/* alive - whether a call still runs, as its client says in its own region */
#ifndef MB_CONTROL_ALIVE_H
#define MB_CONTROL_ALIVE_H

#include "inbox.h"
#include "peer.h"
#include "ports.h"
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

/* alive_ask asks of any client's call: ALIVE_NO of a client that has gone, ALIVE_UNKNOWN of one
 * that the owner of these ports has not been told of yet. A client calls an executor directly from
 * the moment that it has entered, and what that executor sends may be here before ctl's word is. */
static inline enum inbox_alive
alive_ask(const struct ports *ports, const struct peers *peers, uint64_t call)
{
	uint16_t proc = call_id_proc(call);
	uint32_t inc = ports_inc(ports, proc);

	if (proc < PROC_CLIENT_FIRST) {
		return ALIVE_NO;
	}
	if (inc == 0 && call_id_is_after(call, ports_last_inc(ports, proc))) {
		return ALIVE_UNKNOWN;
	}
	if (inc == 0 || call_id_make(proc, inc, call) != call) {
		return ALIVE_NO;
	}
	return region_says_alive(&peers->peer[proc].region, call);
}

#endif
