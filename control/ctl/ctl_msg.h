/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_msg - what ctl and sched tell each other over their links
 *
 * Both are tiles of the daemon, so a pointer may travel: it belongs to the receiver, who frees it.
 * Coming and going of processes is in tile_msg.h; these are about functions.
 */
#ifndef MB_CTL_MSG_H
#define MB_CTL_MSG_H

#include "desc.h"
#include "domain_limits.h"

enum ctl_kind {
	/* ctl -> sched */
	DESC_FN_PUT = DESC_KVS_FIRST + 16, /* word[0] = struct placement_fn *, exec[] ignored */
	/* a = function id; its waiting calls go on under id b; b = 0: NO_FUNCTION */
	DESC_FN_DEL,
	DESC_DAG_PUT, /* word[0] = struct placement_dag * */
	DESC_DAG_DEL, /* a = DAG id */
	DESC_EXEC_UP, /* a = executor, word[0] = struct ctl_exec_set *: it takes calls now */
	/* a = executor: give it no more; answered by the same kind when it has none */
	DESC_EXEC_DRAIN,
	DESC_PIN_FAILED, /* a = function id, err: its waiting calls are answered err */
	DESC_CALL_END,   /* call, err: answer it err if it waits; do not repeat it if it runs */
	DESC_SYNC,       /* comes back as it went, after all that was sent before has been done */
	/* sched -> ctl */
	DESC_PIN_WANT, /* a = function id: calls wait and no executor has it */
	/* a = executor, call, err = why: end that call, by force after the grace */
	DESC_EXEC_STOP,
	DESC_EXEC_LOST, /* a = executor, call: it does not run what it was given; it is to end */
};

struct ctl_exec_set {
	uint16_t cpu; /* 1 + the cpu that it is kept to; 0: it may run anywhere */
	uint32_t cnt;
	uint16_t fn[FUNCTION_CNT_MAX];
};

#endif
