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

int
remote_look(struct mb_client *c, struct slice key, struct slice item, struct cache_value *ret)
{
	struct rpc_request req = { .op = RPC_LOOK, .name = key, .payload = item };
	struct rpc_reply reply;
	uint8_t *bytes;
	int err = remote_ask(c, &req, &reply, &bytes);

	err = err != 0 ? err : look_take(&reply, ret);
	if (err != 0) {
		free(bytes);
	}
	return err;
}

void
remote_looks(struct mb_client *c, const struct slice *key, size_t cnt, struct cache_value *ret,
	     int *err)
{
	struct rpc_request req[CLIENT_MANY] = { { .op = 0 } };
	struct rpc_reply reply[CLIENT_MANY];
	uint8_t *bytes[CLIENT_MANY];

	for (size_t i = 0; i < cnt; i++) {
		req[i] = (struct rpc_request){ .op = err[i] == 0 ? RPC_LOOK : 0, .name = key[i] };
	}
	remote_ask_many(c, req, cnt, reply, bytes, err);
	for (size_t i = 0; i < cnt; i++) {
		err[i] = err[i] != 0 ? err[i] : look_take(&reply[i], &ret[i]);
		if (err[i] != 0) {
			free(bytes[i]);
		}
	}
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

/* A write as a question; its payload is malloc'ed. */
static int
write_question(struct client_write *w, struct rpc_request *ret)
{
	size_t bytes = write_msg_bytes(w);
	uint8_t *p = w->op.value.len <= VALUE_BYTES_MAX ? malloc(bytes) : NULL;
	int err;

	if (p == NULL) {
		return w->op.value.len > VALUE_BYTES_MAX ? MB_ERR_TOO_LARGE : MB_ERR_NO_MEMORY;
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
	return 0;
}

void
remote_writes(struct mb_client *c, struct client_write *w, size_t cnt, int *err)
{
	struct rpc_request req[CLIENT_MANY] = { { .op = 0 } };
	struct rpc_reply reply[CLIENT_MANY];
	uint8_t *bytes[CLIENT_MANY];

	for (size_t i = 0; i < cnt; i++) {
		err[i] = err[i] != 0 ? err[i] : write_question(&w[i], &req[i]);
	}
	remote_ask_many(c, req, cnt, reply, bytes, err);
	for (size_t i = 0; i < cnt; i++) {
		if (err[i] == 0) {
			w[i].n = reply[i].n;
		}
		free(bytes[i]);
		free((void *)(uintptr_t)req[i].payload.p);
	}
}

int
remote_write(struct mb_client *c, struct client_write *w)
{
	struct rpc_request req = { .op = 0 };
	int err = write_question(w, &req);

	err = err != 0 ? err : remote_do(c, &req, &w->n);
	free((void *)(uintptr_t)req.payload.p);
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
