/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc.h"

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"

size_t
rpc_request_bytes(size_t name_len, size_t payload_len)
{
	return rpc_payload_at(name_len) + payload_len;
}

uint8_t *
rpc_request_write(uint8_t *p, const struct rpc_request *r)
{
	struct wbuf w = wbuf_init(p, rpc_payload_at(r->name.len));

	REQUIRE(r->name.len <= RPC_NAME_MAX);
	wbuf_u8(&w, r->op);
	wbuf_u8(&w, (uint8_t)(r->level | r->trace << 3 | r->ack << 4));
	wbuf_u16(&w, (uint16_t)r->name.len);
	wbuf_u32(&w, (uint32_t)r->payload.len);
	wbuf_u64(&w, r->deadline_ns);
	wbuf_u64(&w, (uint64_t)r->n);
	wbuf_u64(&w, r->call);
	wbuf_put(&w, r->name.p, r->name.len);
	memset(p + w.len, 0, w.cap - w.len);
	return p + w.cap;
}

int
rpc_reply_read(struct slice bytes, struct rpc_reply *ret)
{
	struct rbuf b = rbuf_of(bytes);
	struct rpc_reply r;
	uint32_t payload_len;

	r.err = (int16_t)rbuf_u16(&b);
	r.executor = rbuf_u16(&b);
	r.run_ns = rbuf_u32(&b);
	r.n = (int64_t)rbuf_u64(&b);
	payload_len = rbuf_u32(&b);
	rbuf_u32(&b);
	if (b.bad || r.err > 0 || !mb_err_client_visible(r.err) ||
	    bytes.len != rpc_reply_bytes(payload_len)) {
		return MB_ERR_CORRUPT;
	}
	r.payload = slice_of(bytes.p + RPC_REPLY_HEAD, payload_len);
	*ret = r;
	return 0;
}

size_t
rpc_item_bytes(size_t len)
{
	return sizeof(uint32_t) + len;
}

void
rpc_item_write(struct wbuf *w, const void *p, size_t len)
{
	wbuf_u32(w, (uint32_t)len);
	wbuf_put(w, p, len);
}

int
rpc_item_next(struct rbuf *items, struct slice *ret)
{
	uint32_t len;

	if (items->len == 0) {
		return 0;
	}
	len = rbuf_u32(items);
	*ret = rbuf_take(items, len);
	return items->bad ? MB_ERR_CORRUPT : 1;
}

size_t
rpc_part_bytes(size_t len)
{
	return RPC_PART_HEAD + ALIGN_UP(len, (size_t)8);
}

uint8_t *
rpc_part_write(uint8_t *p, int err, size_t len)
{
	struct wbuf w = wbuf_init(p, RPC_PART_HEAD);

	wbuf_u32(&w, (uint32_t)len);
	wbuf_u32(&w, (uint32_t)err);
	memset(p + RPC_PART_HEAD + len, 0, ALIGN_UP(len, (size_t)8) - len);
	return p + RPC_PART_HEAD;
}

int
rpc_part_next(struct rbuf *parts, int *ret_err, struct slice *ret)
{
	uint32_t len;

	if (parts->len == 0) {
		return 0;
	}
	len = rbuf_u32(parts);
	*ret_err = (int)rbuf_u32(parts);
	*ret = rbuf_take(parts, len);
	rbuf_take(parts, ALIGN_UP((size_t)len, (size_t)8) - len);
	return parts->bad || *ret_err > 0 || !mb_err_client_visible(*ret_err) ? MB_ERR_CORRUPT : 1;
}
