/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write - writing to the store of a node that is elsewhere
 *
 * Of many values that are put at once, those whose keys have one shard go in one request, as many
 * as a datagram holds: the cache tile takes them as the write set of one call. What became of that
 * is what became of each. All other writes are a request each. (A node that was started again may
 * have other shards than it told of: it refuses such a set, and then they are written one by one.)
 */
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "microburst/error.h"
#include "remote.h"
#include "rpc.h"
#include "write_msg.h"

#define TARGETS 64 /* shards that are told apart; a power of two */

/* A write as a question; its payload is malloc'ed, and goes on with *ret_rest. */
static int
write_question(struct client_write *w, struct rpc_request *ret, struct slice *ret_rest)
{
	bool fits = w->op.value.len <= wset_value_max(w->op.kind);
	size_t bytes = write_msg_bytes(w);
	uint8_t *p = fits ? malloc(bytes) : NULL;
	int err;

	if (p == NULL) {
		return fits ? MB_ERR_NO_MEMORY : MB_ERR_TOO_LARGE;
	}
	err = write_msg_put(w, p, bytes);
	if (err != 0) {
		free(p);
		return err;
	}
	*ret = (struct rpc_request){ .op = RPC_WRITE,
				     .name = w->op.key,
				     .n = w->told,
				     .payload = slice_of(p, bytes) };
	*ret_rest = write_msg_rest(w);
	return 0;
}

/* The questions that many writes are. */
struct questions {
	struct rpc_request req[CLIENT_MANY];
	struct slice rest[CLIENT_MANY]; /* of its payload */
	struct wset set[CLIENT_MANY];   /* op_cnt 0: it is of one write */
	uint32_t target[CLIENT_MANY];   /* of a set */
	uint32_t cnt;
	uint32_t open[TARGETS];   /* the last set of a target, + 1 */
	uint32_t of[CLIENT_MANY]; /* of each write: its question; NO_QUESTION */
};
#define NO_QUESTION CLIENT_MANY

static bool
can_share(struct mb_client *c, const struct client_write *w)
{
	return w->op.kind == WSET_PUT && !w->told && w->set.len == 0 &&
	       w->op.value.len <= WSET_INLINE_MAX &&
	       remote_target(c, w->op.key) != REMOTE_TARGET_NONE;
}

/* Puts a write into the set of its target, or into a new one. Returns: 0; as wset_add;
 * MB_ERR_NO_MEMORY. */
static int
share(struct mb_client *c, struct questions *q, const struct client_write *w, uint32_t *ret)
{
	uint32_t target = remote_target(c, w->op.key);
	uint32_t *open = &q->open[target % TARGETS];
	size_t bytes;
	uint8_t *p;
	int err;

	if (*open != 0 && q->target[*open - 1] == target) {
		err = wset_add(&q->set[*open - 1], &w->op);
		if (err != MB_ERR_FULL) {
			*ret = *open - 1;
			return err;
		}
	}
	bytes = MAX(wset_op_bytes(&w->op), remote_room(c, w->op.key));
	p = malloc(bytes);
	if (p == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	wset_init(&q->set[q->cnt], p, bytes);
	err = wset_add(&q->set[q->cnt], &w->op);
	if (err != 0) {
		free(p);
		return err;
	}
	q->target[q->cnt] = target;
	q->req[q->cnt] = (struct rpc_request){ .op = RPC_WRITE, .name = w->op.key };
	q->rest[q->cnt] = slice_of(NULL, 0);
	*ret = q->cnt++;
	*open = q->cnt;
	return 0;
}

static int
alone(struct questions *q, struct client_write *w, uint32_t *ret)
{
	int err = write_question(w, &q->req[q->cnt], &q->rest[q->cnt]);

	if (err == 0) {
		q->set[q->cnt].op_cnt = 0;
		*ret = q->cnt++;
	}
	return err;
}

void
remote_writes(struct mb_client *c, struct client_write *w, size_t cnt, int *err)
{
	struct questions q;
	struct rpc_reply reply[CLIENT_MANY];
	uint8_t *bytes[CLIENT_MANY];
	int said[CLIENT_MANY];

	q.cnt = 0;
	memset(q.open, 0, sizeof(q.open));
	for (size_t i = 0; i < cnt; i++) {
		q.of[i] = NO_QUESTION;
		if (err[i] == 0) {
			err[i] = can_share(c, &w[i]) ? share(c, &q, &w[i], &q.of[i])
						     : alone(&q, &w[i], &q.of[i]);
		}
	}
	for (uint32_t k = 0; k < q.cnt; k++) {
		if (q.set[k].op_cnt > 0) {
			q.req[k].payload = wset_bytes(&q.set[k]);
		}
	}
	remote_ask_many(c, q.req, q.rest, q.cnt, reply, bytes, said);
	for (size_t i = 0; i < cnt; i++) {
		uint32_t k = q.of[i];

		if (k != NO_QUESTION) {
			err[i] = said[k];
			w[i].n = err[i] == 0 ? reply[k].n : w[i].n;
		}
		if (k != NO_QUESTION && err[i] == MB_ERR_INVALID && q.set[k].op_cnt > 1) {
			err[i] = remote_write(c, &w[i]);
		}
	}
	for (uint32_t k = 0; k < q.cnt; k++) {
		free(bytes[k]);
		free((void *)(uintptr_t)q.req[k].payload.p);
	}
}

int
remote_write(struct mb_client *c, struct client_write *w)
{
	struct rpc_request req = { .op = 0 };
	struct rpc_reply reply = { 0 };
	struct slice rest;
	uint8_t *bytes = NULL;
	int err = write_question(w, &req, &rest);

	if (err == 0) {
		remote_ask_many(c, &req, &rest, 1, &reply, &bytes, &err);
		w->n = err == 0 ? reply.n : w->n;
	}
	free(bytes);
	free((void *)(uintptr_t)req.payload.p);
	return err;
}
