/* SPDX-License-Identifier: Apache-2.0 */
/* remote_state - reading and writing the store of a node that is elsewhere: a request each */
#include <stdlib.h>
#include <string.h>

#include "remote.h"
#include "rpc.h"

/* Asks for bytes. */
static int
remote_held(struct mb_client *c, const struct rpc_request *req, struct mb_held *ret)
{
	struct rpc_reply reply;
	uint8_t *bytes;
	int err = remote_ask(c, req, &reply, &bytes);

	if (err != 0) {
		free(bytes);
		return err;
	}
	*ret = (struct mb_held){ .p = reply.payload.p,
				 .len = reply.payload.len,
				 .internal = bytes };
	return 0;
}

int
remote_get(struct mb_client *c, struct slice key, struct mb_held *ret)
{
	struct rpc_request req = { .op = RPC_GET, .name = key };

	return remote_held(c, &req, ret);
}

void
remote_release(struct mb_held *held)
{
	free(held->internal);
	held->internal = NULL;
}

int
remote_set(struct mb_client *c, struct slice key, struct slice value)
{
	struct rpc_request req = { .op = RPC_SET, .name = key, .payload = value };

	return value.len > VALUE_BYTES_MAX ? MB_ERR_TOO_LARGE : remote_do(c, &req, NULL);
}

int
remote_incr(struct mb_client *c, struct slice key, int64_t n, int64_t *ret_sum)
{
	struct rpc_request req = { .op = RPC_INCR, .name = key, .n = n };

	return remote_do(c, &req, ret_sum);
}

int
remote_members_do(struct mb_client *c, uint8_t op, struct slice key, const struct mb_value *member,
		  size_t cnt, size_t *ret_changed)
{
	int64_t bytes = client_list_bytes(member, cnt);
	struct rpc_request req = { .op = op, .name = key };
	int64_t changed = 0;
	uint8_t *list;
	int err;

	if (bytes < 0) {
		return (int)bytes;
	}
	list = malloc((size_t)bytes);
	if (list == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	bytes = client_list_write(list, (size_t)bytes, member, cnt);
	req.payload = slice_of(list, (size_t)bytes);
	err = bytes < 0 ? (int)bytes : remote_do(c, &req, &changed);
	free(list);
	if (err == 0 && ret_changed != NULL) {
		*ret_changed = (size_t)changed;
	}
	return err;
}

int
remote_del(struct mb_client *c, struct slice key)
{
	struct rpc_request req = { .op = RPC_DEL, .name = key };

	return remote_do(c, &req, NULL);
}

int
remote_expire(struct mb_client *c, struct slice key, int64_t at_us)
{
	struct rpc_request req = { .op = RPC_EXPIRE, .name = key, .n = at_us };

	return remote_do(c, &req, NULL);
}

/* Asks for something of a field. held, sum: what is wanted of the answer; NULL: nothing. */
static int
remote_field(struct mb_client *c, uint8_t op, struct slice key, struct slice field,
	     const struct slice *value, int64_t n, struct mb_held *held, int64_t *sum)
{
	size_t bytes = rpc_item_bytes(field.len) + (value != NULL ? rpc_item_bytes(value->len) : 0);
	uint8_t *p = malloc(bytes);
	struct wbuf w = wbuf_init(p, bytes);
	struct rpc_request req = { .op = op, .name = key, .n = n };
	int err;

	if (p == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	rpc_item_write(&w, field.p, field.len);
	if (value != NULL) {
		rpc_item_write(&w, value->p, value->len);
	}
	req.payload = wbuf_slice(&w);
	err = held != NULL ? remote_held(c, &req, held) : remote_do(c, &req, sum);
	free(p);
	return err;
}

int
remote_hset(struct mb_client *c, struct slice key, struct slice field, struct slice value)
{
	return value.len > VALUE_BYTES_MAX
		       ? MB_ERR_TOO_LARGE
		       : remote_field(c, RPC_HSET, key, field, &value, 0, NULL, NULL);
}

int
remote_hincr(struct mb_client *c, struct slice key, struct slice field, int64_t n, int64_t *ret_sum)
{
	return remote_field(c, RPC_HINCR, key, field, NULL, n, NULL, ret_sum);
}

int
remote_hget(struct mb_client *c, struct slice key, struct slice field, struct mb_held *ret)
{
	return remote_field(c, RPC_HGET, key, field, NULL, 0, ret, NULL);
}

int
remote_hdel(struct mb_client *c, struct slice key, struct slice field)
{
	return remote_field(c, RPC_HDEL, key, field, NULL, 0, NULL, NULL);
}

int
remote_members(struct mb_client *c, struct slice key, mb_member_fn fn, void *ctx)
{
	struct rpc_request req = { .op = RPC_MEMBERS, .name = key };
	struct rpc_reply reply;
	struct rbuf items;
	uint8_t *bytes;
	int err = remote_ask(c, &req, &reply, &bytes);
	bool more = err == 0;

	items = err == 0 ? rbuf_of(reply.payload) : rbuf_of(slice_of(NULL, 0));
	while (more) {
		struct slice a, b = { 0 };

		err = rpc_item_next(&items, &a);
		if (err == 1 && reply.n == 2) {
			err = rpc_item_next(&items, &b);
			err = err == 0 ? MB_ERR_CORRUPT : err;
		}
		more = err == 1 && fn(ctx, a.p, a.len, b.p, b.len);
	}
	free(bytes);
	return err > 0 ? 0 : err;
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

int
remote_admin(struct mb_client *c, const char *json, char **ret_json)
{
	struct rpc_request req = { .op = RPC_ADMIN, .payload = slice_str(json) };
	struct rpc_reply reply = { 0 };
	uint8_t *bytes;
	int err = remote_ask(c, &req, &reply, &bytes);

	if (reply.payload.len > 0) {
		*ret_json = malloc(reply.payload.len + 1);
		if (*ret_json != NULL) {
			memcpy(*ret_json, reply.payload.p, reply.payload.len);
			(*ret_json)[reply.payload.len] = '\0';
		}
	}
	free(bytes);
	return err;
}
