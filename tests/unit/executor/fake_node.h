/* SPDX-License-Identifier: Apache-2.0 */
/* fake_node - just enough of a node to bring a real executor to life and call it
 *
 * A real zygote, real children, real shared memory; on the node's side one thread that answers what
 * an executor asks: HELLO, segments. No store: functions that read keys wait for ever.
 */
#ifndef MB_TEST_FAKE_NODE_H
#define MB_TEST_FAKE_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "call.h"
#include "channel.h"
#include "domain.h"
#include "hints.h"
#include "load.h"
#include "region.h"
#include "value.h"

#define NODE_SEG_MAX 16

struct node {
	pid_t zygote;
	int zygote_sock;
	uint32_t bits; /* what the zygote says will be enforced */
	struct region region;
	int region_fd, hints_fd, cache_fd, event_fd;
	struct hints *hints;
	uint32_t seq;
	char text[DOMAIN_TEXT_MAX + 1]; /* of the message that came last */
};

struct node_exec {
	uint16_t proc;
	pid_t pid;
	int pidfd, sock;
	int region_fd;
	struct region region;
	struct channel sched;
	struct channel ctl;
	int seg_fd[NODE_SEG_MAX];
	uint32_t log_cnt;
	/* of LOADED */
	int err;
	uint32_t bits;
	uint64_t load_ns, init_ns;
	/* of an end */
	int code, status; /* CLD_EXITED, CLD_KILLED; exit status or signal */
};

/* A reply, its values readable until the next call. */
struct node_reply {
	bool died;
	int err;
	uint32_t cnt;
	struct value value[MB_VALUES_MAX];
	char text[1100];
	uint64_t round_trip_ns;
};

/* node_start starts a zygote from path. Returns false, said on standard error, when it does not
 * come. */
bool node_start(struct node *n, const char *path, const char *sandbox);
void node_stop(struct node *n);

/* node_spawn brings up a spare. */
bool node_spawn(struct node *n, struct node_exec *x, uint16_t proc);

/* node_load has a spare load objects (paths) and functions: id i + 1 is fn[i] of object[of[i]].
 * Returns: the answer's err; n->text is its sentence. */
int node_load(struct node *n, struct node_exec *x, const char *const *object, uint32_t object_cnt,
	      const char *const *fn, const uint16_t *of, uint32_t fn_cnt, uint64_t memory_bytes);

/* node_call calls function id and waits for the reply or for the executor's end, at most
 * timeout_ms: then it is killed. */
void node_call(struct node *n, struct node_exec *x, uint16_t id, struct slice args, int timeout_ms,
	       struct node_reply *ret);

/* node_drain asks an executor to finish; node_end waits for its end (kills it after timeout_ms) and
 * gives back what the node has of it. */
void node_drain(struct node_exec *x);
void node_end(struct node *n, struct node_exec *x, int timeout_ms);

#endif
