/* SPDX-License-Identifier: Apache-2.0 */
/* dagpart - the sequence of messages that says which part of a DAG runs here (call.h)
 *
 * Inputs come first, then what was read, then the functions to run, then the CALL. What was broken
 * off, because the node found no room for the rest, is forgotten when the next sequence begins; one
 * that is not whole is refused. Nothing is held meanwhile: a message names memory, it is looked at
 * when the CALL runs.
 *
 * Owner: the executor. It has one at a time, as the node gives it one call at a time.
 */
#ifndef MB_EXEC_DAGPART_H
#define MB_EXEC_DAGPART_H

#include <stdbool.h>
#include <stdint.h>

#include "call.h"
#include "desc.h"
#include "domain_limits.h"

struct dagpart_step {
	uint16_t fn;
	uint16_t vertex;
	bool sink;
	char tag[sizeof(((struct call_step *)0)->tag)]; /* zero-terminated */
};

struct dagpart {
	uint64_t call; /* 0: no sequence, or a broken one */
	uint32_t input_cnt, step_cnt;
	bool has_cut;
	struct desc cut;
	struct desc input[DAG_FUNCTION_MAX];
	struct dagpart_step step[DAG_FUNCTION_MAX];
};

/* dagpart_add takes a TRIGGER, a CUT or a STEP. */
void dagpart_add(struct dagpart *p, const struct desc *d);

/* dagpart_take looks whether what came makes up the part that call is about. It can be taken once.
 * Returns: 0; MB_ERR_CORRUPT. */
int dagpart_take(struct dagpart *p, const struct desc *call);

#endif
