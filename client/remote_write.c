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
#include "remote_int.h"
#include "rpc.h"
#include "write_msg.h"

#define TARGETS 64 /* shards that are told apart; a power of two */
#define SET_OPS 64 /* of a set: the node begins with them while the next are put together */

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

/* The questions that many writes are. That of a set is started when it is full, while the next one
 * is made. */
struct questions {
	struct remote_op op[CLIENT_MANY];
	int err[CLIENT_MANY];
	struct wset set[CLIENT_MANY]; /* in the op's bytes; op_cnt 0: it is of one write */
	struct slice name[CLIENT_MANY];
	uint32_t target[CLIENT_MANY]; /* of a set */
	uint32_t cnt;
	uint32_t open[TARGETS];   /* the set of a target that is not started, + 1 */
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

/* Writes a set's head, before its operations or when they are there. Returns: where they go; NULL
 * without memory. */
static uint8_t *
set_head(struct mb_client *c, struct questions *q, uint32_t k, size_t bytes)
{
	struct rpc_request req = { .op = RPC_WRITE, .ack = c->ack, .name = q->name[k] };

	req.payload.len = bytes;
	return q->op[k].bytes == NULL ? remote_op_write(&q->op[k], &req)
				      : remote_op_again(&q->op[k], &req);
}

static void
set_start(struct mb_client *c, struct questions *q, uint32_t *open)
{
	uint32_t k = *open - 1;

	*open = 0;
	(void)set_head(c, q, k, q->set[k].out.len);
	remote_op_go(c, q->name[k], &q->op[k]);
}

/* Begins a set with this write. Returns: 0; as wset_add; MB_ERR_NO_MEMORY. */
static int
set_begin(struct mb_client *c, struct questions *q, const struct client_write *w)
{
	size_t bytes = MAX(wset_op_bytes(&w->op), remote_room(c, w->op.key));
	uint32_t k = q->cnt;
	uint8_t *p;
	int err;

	q->op[k] = (struct remote_op){ 0 };
	q->name[k] = w->op.key;
	p = set_head(c, q, k, bytes);
	if (p == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	wset_init(&q->set[k], p, bytes);
	err = wset_add(&q->set[k], &w->op);
	if (err != 0) {
		free(q->op[k].bytes);
		return err;
	}
	q->err[k] = 0;
	q->cnt++;
	return 0;
}

/* Puts a write into the set of its target, or into a new one. Returns: as set_begin. */
static int
share(struct mb_client *c, struct questions *q, const struct client_write *w, uint32_t *ret)
{
	uint32_t target = remote_target(c, w->op.key);
	uint32_t *open = &q->open[target % TARGETS];
	int err = MB_ERR_FULL;

	if (*open != 0 && q->target[*open - 1] == target && q->set[*open - 1].op_cnt < SET_OPS) {
		err = wset_add(&q->set[*open - 1], &w->op);
	}
	if (err == MB_ERR_FULL) {
		if (*open != 0) {
			set_start(c, q, open);
		}
		err = set_begin(c, q, w);
		if (err == 0) {
			q->target[q->cnt - 1] = target;
			*open = q->cnt;
		}
	}
	*ret = err == 0 ? *open - 1 : NO_QUESTION;
	return err;
}

static int
alone(struct mb_client *c, struct questions *q, struct client_write *w, uint32_t *ret)
{
	struct rpc_request req = { .op = 0 };
	struct slice rest;
	int err = write_question(w, &req, &rest);

	if (err == 0) {
		q->op[q->cnt] = (struct remote_op){ 0 };
		q->set[q->cnt].op_cnt = 0;
		err = remote_op_ask(c, &req, rest, &q->op[q->cnt]);
		free((void *)(uintptr_t)req.payload.p);
	}
	if (err == 0) {
		q->err[q->cnt] = 0;
		*ret = q->cnt++;
	}
	return err;
}

void
remote_writes(struct mb_client *c, struct client_write *w, size_t cnt, int *err)
{
	struct rpc_reply reply[CLIENT_MANY];
	struct questions q;

	q.cnt = 0;
	memset(q.open, 0, sizeof(q.open));
	for (size_t i = 0; i < cnt; i++) {
		q.of[i] = NO_QUESTION;
		if (err[i] == 0) {
			err[i] = can_share(c, &w[i]) ? share(c, &q, &w[i], &q.of[i])
						     : alone(c, &q, &w[i], &q.of[i]);
		}
	}
	for (uint32_t t = 0; t < TARGETS; t++) {
		if (q.open[t] != 0) {
			set_start(c, &q, &q.open[t]);
		}
	}
	remote_ops_end(c, q.op, q.cnt, reply, q.err);
	for (size_t i = 0; i < cnt; i++) {
		uint32_t k = q.of[i];

		if (k != NO_QUESTION) {
			err[i] = q.err[k];
			w[i].n = err[i] == 0 ? reply[k].n : w[i].n;
		}
		if (k != NO_QUESTION && err[i] == MB_ERR_INVALID && q.set[k].op_cnt > 1) {
			err[i] = remote_write(c, &w[i]);
		}
	}
	for (uint32_t k = 0; k < q.cnt; k++) {
		free(q.op[k].answer);
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
		err = remote_ask_rest(c, &req, rest, &reply, &bytes);
		w->n = err == 0 ? reply.n : w->n;
	}
	free(bytes);
	free((void *)(uintptr_t)req.payload.p);
	return err;
}
