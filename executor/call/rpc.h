/* SPDX-License-Identifier: Apache-2.0 */
/* rpc - what a remote client asks for, and what it is answered: the messages that flow carries
 *
 * A request: a head of 32 bytes, a name (of a function or DAG; a key), padding to 8 (without a
 * payload too), a payload.
 *
 *	 0  u8  op        enum rpc_op
 *	 1  u8  how       enum mb_level; << 3: 1 has a call followed; << 4: enum mb_ack, of what is
 *	                  written
 *	 2  u16 name_len
 *	 4  u32 payload_len
 *	 8  u64 deadline  what is left of it, in ns; 0: none
 *	16  i64 n         by op
 *	24  u64 call      the client's name for it
 *
 * An answer: a head of 24 bytes, a payload.
 *
 *	 0  i16 err       0 or a negative mb_err; the payload of an error is its text
 *	 2  u16 executor  which process ran it; 0: none did
 *	 4  u32 run_ns    how long the function ran; saturates
 *	 8  i64 n         by op
 *	16  u32 payload_len, u32 0
 *
 * All little endian; payloads begin at a multiple of 8 from the start, as value lists must. The
 * bytes come from strangers: every length is checked here, what is in a payload by who reads it.
 *
 * Errors: MB_ERR_CORRUPT. Threads: any; pure.
 */
#ifndef MB_RPC_H
#define MB_RPC_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "microburst/error.h"
#include "slice.h"

#define RPC_REQUEST_HEAD 32
#define RPC_REPLY_HEAD   24
#define RPC_NAME_MAX     1024 /* a key's */

enum rpc_op {
	/* of CALL and DAG, n: the caller's request id (mb_request_id); 0: none. Answer: n, what
	 * the node calls it */
	RPC_CALL = 1, /* name; payload: a list of arguments. Answer: a list of results */
	RPC_DAG,      /* name; payload: a list of a function's name, its list of arguments, ... */
	RPC_CANCEL,   /* call: of a CALL or DAG of this client */
	/* name: the key; payload: empty, or the key of one item (a member, a field). Answer: its
	 * envelope (envelope.h), flat; of a collection with that item only. NOT_FOUND if it, or
	 * the item, is not there. n: 0, or with an item the type that the collection must be of
	 * (lattice.def), else TYPE. n = 1: payload: items, further keys. Answer: n, of how many of
	 * these keys it tells, the first at least: those that are in the node's cache and have a
	 * place in a datagram. Payload: parts, each an error or an envelope */
	RPC_LOOK,
	/* payload: operations of the store (write_msg.h). n: 1 if what they made is to be told.
	 * Answer: n, client_write.n */
	RPC_WRITE,
	/* name: the key; n: 0 the first item of a list, 1 the last, 2 the member of a sorted set
	 * with the lowest score, 3 the highest. Takes it away. Answer: the item or the member; n:
	 * its score, the double's bits */
	RPC_TAKE,
	/* call: to whom, one of this client's or any; payload: a message */
	RPC_SEND,
	RPC_KEYS, /* payload: a prefix. Answer: items */
	/* payload: items: JSON, then files that go with it. Answer: JSON, of an error too */
	RPC_ADMIN,
	/* nothing. Answer: n, the node's number; payload: u64, its time in ms since 1970, by which
	 * it judges request ids; u64, its clock of the day in us, by which keys end; its tiles
	 * (ways.h) */
	RPC_HELLO,
	RPC_FUTURE, /* n: a request id. Answer: that request's results, when they are there */
	RPC_OP_CNT,
};

struct rpc_request {
	uint8_t op;
	uint8_t level;
	uint8_t ack;
	bool trace;
	uint64_t deadline_ns;
	int64_t n;
	uint64_t call;
	struct slice name;
	struct slice payload;
};

struct rpc_reply {
	int16_t err;
	uint16_t executor;
	uint32_t run_ns;
	int64_t n;
	struct slice payload;
};

/* Where a request's payload begins. */
static inline size_t
rpc_payload_at(size_t name_len)
{
	return ALIGN_UP(RPC_REQUEST_HEAD + name_len, (size_t)8);
}

/* rpc_request_bytes and rpc_reply_bytes tell how long the message is. */
size_t rpc_request_bytes(size_t name_len, size_t payload_len);
static inline size_t
rpc_reply_bytes(size_t payload_len)
{
	return RPC_REPLY_HEAD + payload_len;
}

/* rpc_request_write and rpc_reply_write write a message but for its payload, whose bytes need not
 * be there yet. Returns: where the payload goes. Requires: p has room for all of it. */
uint8_t *rpc_request_write(uint8_t *p, const struct rpc_request *r);
static inline uint8_t *
rpc_reply_write(uint8_t *p, const struct rpc_reply *r)
{
	struct wbuf w = wbuf_init(p, RPC_REPLY_HEAD);

	wbuf_u16(&w, (uint16_t)r->err);
	wbuf_u16(&w, r->executor);
	wbuf_u32(&w, r->run_ns);
	wbuf_u64(&w, (uint64_t)r->n);
	wbuf_u32(&w, (uint32_t)r->payload.len);
	wbuf_u32(&w, 0);
	return p + RPC_REPLY_HEAD;
}

/* A request's head as it lies there. */
struct rpc_request_head {
	uint8_t op, how;
	uint16_t name_len;
	uint32_t payload_len;
	uint64_t deadline_ns, n, call;
};
static_assert(sizeof(struct rpc_request_head) == RPC_REQUEST_HEAD, "no holes");
typedef const struct rpc_request_head rpc_head_anywhere __attribute__((aligned(1)));

/* rpc_request_read and rpc_reply_read read one. What they return points into bytes. */
static inline int
rpc_request_read(struct slice bytes, struct rpc_request *ret)
{
	rpc_head_anywhere *h = (rpc_head_anywhere *)bytes.p;
	size_t name_len, payload_len, at;

	if (bytes.len < sizeof(*h)) {
		return MB_ERR_CORRUPT;
	}
	name_len = le16toh(h->name_len);
	payload_len = le32toh(h->payload_len);
	at = rpc_payload_at(name_len);
	if (h->op == 0 || h->op >= RPC_OP_CNT || name_len > RPC_NAME_MAX ||
	    bytes.len != at + payload_len) {
		return MB_ERR_CORRUPT;
	}
	*ret = (struct rpc_request){ .op = h->op,
				     .level = h->how & 7,
				     .trace = (h->how & 8) != 0,
				     .ack = h->how >> 4,
				     .deadline_ns = le64toh(h->deadline_ns),
				     .n = (int64_t)le64toh(h->n),
				     .call = le64toh(h->call),
				     .name = slice_of(bytes.p + RPC_REQUEST_HEAD, name_len),
				     .payload = slice_of(bytes.p + at, payload_len) };
	return 0;
}
int rpc_reply_read(struct slice bytes, struct rpc_reply *ret);

/* Items: each a u32 length and its bytes. rpc_item_next returns 1 with *ret; 0 at the end;
 * MB_ERR_CORRUPT. */
size_t rpc_item_bytes(size_t len);
void rpc_item_write(struct wbuf *w, const void *p, size_t len);
int rpc_item_next(struct rbuf *items, struct slice *ret);

/* Parts: each a u32 length, an i32 err, and its bytes, from a multiple of 8 on. rpc_part_write
 * begins one, whose bytes the caller writes. rpc_part_next returns as rpc_item_next. */
#define RPC_PART_HEAD 8
size_t rpc_part_bytes(size_t len);
uint8_t *rpc_part_write(uint8_t *p, int err, size_t len);
int rpc_part_next(struct rbuf *parts, int *ret_err, struct slice *ret);

#endif
