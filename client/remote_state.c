/* SPDX-License-Identifier: Apache-2.0 */
/* remote_state - reading and writing the store of a node that is elsewhere: a request each */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envelope.h"
#include "remote.h"
#include "rpc.h"
#include "wire.h"
#include "write_msg.h"

int
remote_look(struct mb_client *c, struct slice key, struct slice item, struct cache_value *ret)
{
	struct rpc_request req = { .op = RPC_LOOK, .name = key, .payload = item };
	struct rpc_reply reply;
	struct envelope e;
	uint8_t *bytes;
	int err = remote_ask(c, &req, &reply, &bytes);

	if (err == 0) {
		err = envelope_parse(reply.payload, &e);
	}
	if (err != 0) {
		free(bytes);
		return err;
	}
	*ret = (struct cache_value){ .type = e.type,
				     .state = e.state,
				     .envelope = reply.payload,
				     .slot = CACHE_SLOT_NONE };
	return 0;
}

/* What was brought lies behind the head of an answer, which is what was allocated. */
void
remote_look_end(struct cache_value *v)
{
	if (v->envelope.p != NULL) {
		free((void *)(uintptr_t)(v->envelope.p - RPC_REPLY_HEAD));
		v->envelope.p = NULL;
	}
}

int
remote_write(struct mb_client *c, struct client_write *w)
{
	struct rpc_request req = { .op = RPC_WRITE, .name = w->op.key, .n = w->told };
	size_t bytes = write_msg_bytes(w);
	uint8_t *p;
	int err;

	if (w->op.value.len > VALUE_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	p = malloc(bytes);
	if (p == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	err = write_msg_put(w, p, bytes);
	req.payload = slice_of(p, bytes);
	if (err == 0) {
		err = remote_do(c, &req, &w->n);
	}
	free(p);
	return err;
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
