/* SPDX-License-Identifier: Apache-2.0 */
/* remote_state - reading and writing the store of a node that is elsewhere: a request each */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler.h"
#include "envelope.h"
#include "remote.h"
#include "rpc.h"
#include "wire.h"

#define GROUP_MAX 32 /* keys in a request */

/* An answer as a value that is held. */
static int
look_take(const struct rpc_reply *reply, struct cache_value *ret)
{
	struct envelope e;
	int err = envelope_parse(reply->payload, &e);

	*ret = (struct cache_value){ .type = e.type,
				     .state = e.state,
				     .envelope = reply->payload,
				     .slot = CACHE_SLOT_NONE };
	return err;
}

static int
look(struct mb_client *c, const struct rpc_request *req, struct cache_value *ret)
{
	struct rpc_reply reply;
	uint8_t *bytes;
	int err = remote_ask(c, req, &reply, &bytes);

	err = err != 0 ? err : look_take(&reply, ret);
	if (err != 0) {
		free(bytes);
	}
	return err;
}

int
remote_look(struct mb_client *c, struct slice key, struct cache_value *ret)
{
	return look(c, &(struct rpc_request){ .op = RPC_LOOK, .name = key }, ret);
}

int
remote_look_item(struct mb_client *c, unsigned int type, const struct wset_op *op,
		 struct cache_value *ret)
{
	const struct rpc_request req = { .op = RPC_LOOK,
					 .name = op->key,
					 .payload = op->field,
					 .n = type };

	return look(c, &req, ret);
}

/* Several keys of those that are still to be asked for, in one request. */
struct look_group {
	uint32_t first, cnt; /* in the list of those */
	uint8_t *items;      /* malloc'ed; NULL: one key */
};

static void
group_question(const struct slice *key, const uint16_t *todo, struct look_group *g,
	       struct rpc_request *ret)
{
	struct wbuf w = { 0 };
	size_t bytes = 0;

	*ret = (struct rpc_request){ .op = RPC_LOOK, .name = key[todo[g->first]], .n = 1 };
	for (uint32_t i = 1; i < g->cnt; i++) {
		bytes += rpc_item_bytes(key[todo[g->first + i]].len);
	}
	g->items = bytes > 0 ? malloc(bytes) : NULL;
	if (bytes > 0 && g->items == NULL) {
		g->cnt = 1; /* the others are asked for next time */
		return;
	}
	w = wbuf_init(g->items, bytes);
	for (uint32_t i = 1; i < g->cnt; i++) {
		struct slice k = key[todo[g->first + i]];

		rpc_item_write(&w, k.p, k.len);
	}
	ret->payload = wbuf_slice(&w);
}

/* What an answer tells of the keys of its group. Returns: of how many. */
static uint32_t
group_answer(const struct rpc_reply *reply, const uint16_t *todo, const struct look_group *g,
	     remote_look_fn *fn, void *ctx, int *err)
{
	struct rbuf parts = rbuf_of(reply->payload);
	struct cache_value v;
	struct slice part;
	uint32_t n = 0;

	while (n < g->cnt) {
		int *e = &err[todo[g->first + n]];

		if (rpc_part_next(&parts, e, &part) != 1) {
			break;
		}
		if (*e == 0) {
			struct rpc_reply one = { .payload = part };

			*e = look_take(&one, &v);
			*e = *e != 0 ? *e : fn(ctx, todo[g->first + n], &v);
		}
		n++;
	}
	return n;
}

/* Puts those of one net tile beside each other; lane[i] is that of todo[i]. */
static void
looks_sort(struct mb_client *c, const struct slice *key, uint16_t *todo, size_t cnt,
	   uint8_t lane[CLIENT_MANY])
{
	size_t at = 0;

	for (size_t i = 0; i < cnt; i++) {
		lane[i] = (uint8_t)remote_lane(c, key[todo[i]]);
	}
	for (uint8_t l = 0; at < cnt; l++) {
		for (size_t i = at; i < cnt; i++) {
			if (lane[i] == l) {
				uint16_t k = todo[i];

				todo[i] = todo[at];
				lane[i] = lane[at];
				todo[at] = k;
				lane[at++] = l;
			}
		}
	}
}

/* One round of asking. */
struct look_round {
	struct look_group g[CLIENT_MANY];
	struct rpc_request req[CLIENT_MANY];
	const uint16_t *todo;
	uint32_t told[CLIENT_MANY]; /* of each group: of how many its answer told */
	size_t longest;             /* answer */
	remote_look_fn *fn;
	void *ctx;
	int *err;
};

static void
round_answer(void *ctx, size_t i, const struct rpc_reply *reply)
{
	struct look_round *r = ctx;

	r->told[i] = group_answer(reply, r->todo, &r->g[i], r->fn, r->ctx, r->err);
	r->longest = MAX(r->longest, rpc_reply_bytes(reply->payload.len));
}

/* Returns: how many keys are still to be asked for. */
static size_t
looks_round(struct mb_client *c, const struct slice *key, uint16_t *todo, size_t cnt,
	    uint32_t *group, remote_look_fn *fn, void *ctx, int *err)
{
	struct look_round r;
	int said[CLIENT_MANY];
	uint8_t lane[CLIENT_MANY];
	size_t g_cnt = 0, left = 0, width = remote_room(c, key[todo[0]]);
	uint32_t most = 0;

	r.todo = todo;
	r.longest = 0;
	r.fn = fn;
	r.ctx = ctx;
	r.err = err;
	looks_sort(c, key, todo, cnt, lane);
	for (size_t at = 0; at < cnt; at += r.g[g_cnt++].cnt) {
		uint32_t n = 1;

		while (n < *group && at + n < cnt && lane[at + n] == lane[at]) {
			n++;
		}
		r.g[g_cnt] = (struct look_group){ (uint32_t)at, n, NULL };
		r.told[g_cnt] = 0;
		group_question(key, todo, &r.g[g_cnt], &r.req[g_cnt]);
	}
	remote_ask_each(c, r.req, g_cnt, round_answer, &r, said);
	for (size_t i = 0; i < g_cnt; i++) {
		const struct look_group *g = &r.g[i];
		uint32_t told = r.told[i];

		if (told == 0) { /* nothing of any: that is what became of all */
			for (; told < g->cnt; told++) {
				err[todo[g->first + told]] =
					said[i] != 0 ? said[i] : MB_ERR_CORRUPT;
			}
		}
		most = MAX(most, told);
		while (told < g->cnt) {
			todo[left++] = todo[g->first + told++];
		}
		free(g->items);
	}
	if (left > 0) { /* as many as an answer has had a place for */
		*group = most;
	} else if (2 * r.longest <= width) {
		*group = MIN(2 * *group, (uint32_t)GROUP_MAX);
	}
	return left;
}

void
remote_looks(struct mb_client *c, const struct slice *key, size_t cnt, remote_look_fn *fn,
	     void *ctx, int *err)
{
	uint16_t todo[CLIENT_MANY];
	size_t left = 0;

	for (size_t i = 0; i < cnt; i++) {
		if (err[i] == 0) {
			todo[left++] = (uint16_t)i;
		}
	}
	while (left > 0) {
		left = looks_round(c, key, todo, left, remote_group(c), fn, ctx, err);
	}
}

/* What was brought lies behind the head of an answer, which is what was allocated. */
void
remote_look_end(struct mb_client *c, struct cache_value *v)
{
	if (v->envelope.p != NULL) {
		remote_spare(c, (void *)(uintptr_t)(v->envelope.p - RPC_REPLY_HEAD),
			     v->envelope.len + RPC_REPLY_HEAD);
		v->envelope.p = NULL;
	}
}

int
remote_take(struct mb_client *c, struct client_take *t)
{
	struct rpc_request req = { .op = RPC_TAKE,
				   .name = t->op.key,
				   .n = (t->op.kind == WSET_ZREM ? 2 : 0) + t->end };
	struct rpc_reply reply;
	uint8_t *bytes;
	int err = remote_ask(c, &req, &reply, &bytes);

	if (err != 0) {
		free(bytes);
		return err;
	}
	memcpy(&t->e.score, &reply.n, sizeof(t->e.score));
	t->e.member = reply.payload;
	t->v = (struct cache_value){ .envelope = reply.payload, .slot = CACHE_SLOT_NONE };
	return 0;
}

int
remote_send(struct mb_client *c, uint64_t call, struct slice bytes)
{
	struct rpc_request req = { .op = RPC_SEND, .call = call, .payload = bytes };

	return remote_do(c, &req, NULL);
}

int
remote_keys(struct mb_client *c, struct slice prefix, mb_key_fn fn, void *ctx)
{
	struct rpc_request req = { .op = RPC_KEYS, .payload = prefix };
	struct rpc_reply reply;
	struct rbuf items;
	struct slice key;
	uint8_t *bytes;
	int err = remote_ask(c, &req, &reply, &bytes);

	if (err == 0) {
		items = rbuf_of(reply.payload);
		while ((err = rpc_item_next(&items, &key)) == 1 &&
		       fn(ctx, (const char *)key.p, key.len)) {
		}
	}
	free(bytes);
	return err > 0 ? 0 : err;
}

/* The JSON and the files that go with it, as items. */
int
remote_admin(struct mb_client *c, const char *json, const int *fd, size_t fd_cnt, char **ret_json)
{
	size_t bytes = rpc_item_bytes(strlen(json));
	struct rpc_request req = { .op = RPC_ADMIN };
	struct rpc_reply reply = { 0 };
	uint8_t *p, *answer = NULL;
	struct stat st;
	struct wbuf w;
	int err = 0;

	for (size_t i = 0; i < fd_cnt; i++) {
		if (fstat(fd[i], &st) != 0 || !S_ISREG(st.st_mode)) {
			return MB_ERR_INVALID;
		}
		if ((uint64_t)st.st_size > WIRE_MESSAGE_MAX / 2 ||
		    bytes + (size_t)st.st_size > WIRE_MESSAGE_MAX / 2) {
			return MB_ERR_TOO_LARGE;
		}
		bytes += rpc_item_bytes((size_t)st.st_size);
	}
	p = malloc(bytes);
	if (p == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	w = wbuf_init(p, bytes);
	rpc_item_write(&w, json, strlen(json));
	for (size_t i = 0; i < fd_cnt && err == 0; i++) {
		size_t len = 0;
		uint8_t *at;

		/* As long as it was, or it changes while it is read. */
		err = fstat(fd[i], &st) == 0 && rpc_item_bytes((size_t)st.st_size) <= w.cap - w.len
			      ? 0
			      : MB_ERR_IO;
		if (err != 0) {
			break;
		}
		wbuf_u32(&w, (uint32_t)st.st_size);
		at = w.p + w.len;
		while (len < (size_t)st.st_size) {
			ssize_t n = pread(fd[i], at + len, (size_t)st.st_size - len, (off_t)len);

			if (n <= 0) {
				err = MB_ERR_IO;
				break;
			}
			len += (size_t)n;
		}
		w.len += len;
	}
	req.payload = wbuf_slice(&w);
	if (err == 0) {
		err = remote_ask(c, &req, &reply, &answer);
	}
	free(p);
	if (reply.payload.len > 0) {
		*ret_json = malloc(reply.payload.len + 1);
		if (*ret_json != NULL) {
			memcpy(*ret_json, reply.payload.p, reply.payload.len);
			(*ret_json)[reply.payload.len] = '\0';
		}
	}
	free(answer);
	return err;
}
