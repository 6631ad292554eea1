/* SPDX-License-Identifier: Apache-2.0 */
/* gate_load - FUNCTION LOAD: C source that a client sends is deployed by the command line
 *
 * One at a time; its own process compiles and deploys, and the tile goes on meanwhile.
 */
#ifndef MB_GATE_LOAD_H
#define MB_GATE_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "domain_limits.h"
#include "slice.h"
#include "stream.h"

/* What the command line says: of each function its name and version, or why not. */
#define LOAD_SAID_BYTES (FUNCTION_CNT_MAX * (NAME_BYTES_MAX + 40) + 4096)

struct gate;
struct gate_conn;

/* A deployment that a client waits for. */
struct gate_load {
	struct stream_id conn;
	bool used;
	int fd, group; /* what it says; whose */
	uint64_t began_ns;
	uint32_t len;
	char said[LOAD_SAID_BYTES], dir[256], file[280];
};

/* gate_load_start has source deployed; the handler returns WAIT and finds c->answered, and what the
 * command line said in c->keep. Returns: 0; MB_ERR_FULL: wait; MB_ERR_IO. */
int gate_load_start(struct gate *g, struct gate_conn *c, struct slice source);
/* gate_load_poll looks whether it is over. Requires: one is under way. */
bool gate_load_poll(struct gate *g);
void gate_load_stop(struct gate *g);

#endif
