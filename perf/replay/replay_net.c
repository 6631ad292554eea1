/* SPDX-License-Identifier: Apache-2.0 */
/* replay_net.c - a get of 8 cached bytes, from a client's frame to the frame of the answer
 *
 * The shipped tile and door, in this process and on a node as any client of it; under them, in the
 * place of a NIC, a row of frames, which the shipped host reads and writes. What the device's
 * driver does to bring a frame is not in the figure.
 */
#include <microburst/client.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "door.h"
#include "flow_ask.h"
#include "host.h"
#include "net_tile.h"
#include "node.h"
#include "replay.h"
#include "rpc.h"
#include "timebase.h"

#define FRAMES  8u
#define BYTES   2032       /* with its place and length 2 KiB */
#define HEAD    128        /* in front of a datagram: more than heads take */
#define KEY     "net_get0" /* of 8 bytes, as the value */
#define WAIT_NS (5 * NS_PER_S)

/* One end of the link, with what is on its way to it. */
struct end {
	struct host host;
	struct end *peer;
	uint32_t first, cnt;
	uint64_t now_ns; /* as of the last look, as a NIC has it */
	struct {
		_Alignas(8) uint8_t bytes[BYTES]; /* a datagram, at HEAD, is aligned */
		size_t at, len;
	} in[FRAMES];
};

static struct end client, server;
static struct flow_ask ask;
static struct wire_addr node_addr;
static struct node *node;
static struct door *door;
static struct lcore *lcore;
static struct net_tile *tile;
static struct metrics_block metrics;
static char socket_path[NODE_PATH_MAX + 16];
static bool ended;
static int ended_err;
static size_t answer_len;

static uint64_t
now(void)
{
	return timebase_now_ns(timebase_real());
}

/* Where the next frame for an end is written: its body. NULL: there is no place. */
static uint8_t *
end_room(struct end *to)
{
	uint32_t i = (to->first + to->cnt) % FRAMES;

	return to->cnt < FRAMES ? to->in[i].bytes + HEAD : NULL;
}

/* A frame is there, with so many bytes before what end_room gave, and so many from there on. */
static void
end_put(struct end *to, size_t head, size_t len)
{
	uint32_t i = (to->first + to->cnt) % FRAMES;

	to->in[i].at = HEAD - head;
	to->in[i].len = head + len;
	to->cnt++;
}

static void
end_send(struct end *e, const struct wire_addr *to, size_t len)
{
	uint8_t *body = end_room(e->peer);
	size_t head = 0, asks = 0;
	struct frame f;

	if (host_output(&e->host, to, body, len, e->now_ns, &f, &head, &asks) == 0) {
		end_put(e->peer, head, len);
	} else if (asks > 0) {
		end_put(e->peer, 0, asks);
	}
}

static int
end_recv(struct end *e, uint64_t now_ns, net_recv_fn *fn, void *ctx)
{
	int did = 0;

	e->now_ns = now_ns;
	for (; e->cnt > 0; did++) {
		uint32_t i = e->first;
		struct slice frame = slice_of(e->in[i].bytes + e->in[i].at, e->in[i].len), d;
		uint8_t *answer = end_room(e->peer);
		struct wire_addr from;
		size_t len = 0;
		enum host_verdict v = host_input(&e->host, frame, false, now_ns, &from, &d, answer,
						 answer != NULL ? BYTES - HEAD : 0, &len);

		e->first = (e->first + 1) % FRAMES;
		e->cnt--;
		if (v == HOST_ANSWER) {
			end_put(e->peer, 0, len);
		} else if (v == HOST_DATAGRAM) {
			fn(ctx, &from, d);
		}
	}
	return did;
}

/* ------------------------------------------------------------- the node's end of it */

static int
io_start(void *io, struct lcore *l)
{
	(void)io;
	(void)l;
	return 0;
}

static int
io_recv(void *io, uint32_t max, uint64_t now_ns, net_recv_fn *fn, void *ctx)
{
	(void)max;
	return end_recv(io, now_ns, fn, ctx);
}

static uint8_t *
io_room(void *io, size_t len)
{
	struct end *e = io;

	return len <= BYTES - HEAD ? end_room(e->peer) : NULL;
}

static void
io_send(void *io, const struct wire_addr *to, size_t len)
{
	end_send(io, to, len);
}

static void
io_nothing(void *io)
{
	(void)io;
}

static size_t
io_datagram_max(const void *io)
{
	const struct end *e = io;

	return host_datagram_max(&e->host);
}

static const struct net_io_ops io_ops = {
	.start = io_start,
	.recv = io_recv,
	.room = io_room,
	.send = io_send,
	.flush = io_nothing,
	.datagram_max = io_datagram_max,
	.close = io_nothing,
};

static int
tile_make(void)
{
	struct door_cfg dc = { .socket = socket_path };
	struct net_tile_cfg tc = { .io = { &io_ops, &server }, .memory_bytes = 16 << 20 };
	struct lcore_cfg lc;
	int err = door_create(&door, &dc, &tc.service);

	lcore_cfg_default(&lc);
	metrics_init(&metrics, METRICS_OWNER_lcore, 0);
	lc.metrics = &metrics;
	if (err == 0) {
		err = lcore_create(&lc, &lcore);
	}
	if (err == 0) {
		err = net_tile_create(&tile, &tc);
	}
	if (err == 0) {
		net_tile_lcore(tile, lcore);
	}
	return err;
}

static int
poll_hot(void)
{
	net_tile_ops.poll(tile, now());
	return 0;
}

/* ------------------------------------------------------------------- the client's */

static void
on_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	uint8_t *p = end_room(client.peer);

	(void)ctx;
	if (p == NULL) {
		return;
	}
	wire_write(p, h);
	if (h->len > 0) {
		memcpy(p + WIRE_HEAD_BYTES, body, h->len);
	}
	end_send(&client, to, WIRE_HEAD_BYTES + (size_t)h->len);
}

static void
on_done(void *ctx, void *user, int err, uint8_t *p, size_t len, bool owned)
{
	struct rpc_reply reply = { 0 };

	(void)ctx;
	(void)user;
	(void)owned;
	ended = true;
	ended_err = err != 0 ? err : rpc_reply_read(slice_of(p, len), &reply);
	ended_err = ended_err != 0 ? ended_err : reply.err;
	answer_len = reply.payload.len;
}

static void
on_datagram(void *ctx, const struct wire_addr *from, struct slice datagram)
{
	struct wire_head h;
	struct slice body;

	(void)ctx;
	(void)from;
	if (wire_read(datagram, &h, &body) == 0) {
		flow_ask_input(&ask, &h, body, now());
	}
}

/* Asks, and has the tile polled until it is answered: once, when all is well. */
static int
get_between(void)
{
	struct rpc_request req = { .op = RPC_LOOK, .name = slice_str(KEY) };
	uint64_t until = now() + WAIT_NS;
	uint8_t bytes[64];
	struct flow_request r = { .first = slice_of(bytes, rpc_request_bytes(req.name.len, 0)),
				  .reads = true };
	int err;

	rpc_request_write(bytes, &req);
	ended = false;
	err = flow_ask_start(&ask, &r, NULL, now());
	while (err == 0 && !ended) {
		err = replay_counted(poll_hot);
		end_recv(&client, now(), on_datagram, NULL);
		flow_ask_flush(&ask, now());
		if (now() >= flow_ask_timer(&ask)) {
			flow_ask_poll(&ask, now());
		}
		err = err == 0 && now() > until ? MB_ERR_DEADLINE : err;
	}
	err = err != 0 ? err : ended_err;
	return err == 0 && answer_len < 8 ? MB_ERR_CORRUPT : err;
}

static void
end_make(struct end *e, struct end *peer, uint8_t last)
{
	struct host_cfg cfg = { .mac = { 2, 0, 0, 0, 0, last },
				.at = { .ip = { [10] = 0xff, 0xff, 10, 0, 0, last }, .port = 7117 },
				.mtu = 1500 };

	e->peer = peer;
	host_init(&e->host, &cfg);
}

static int
get_begin(void)
{
	static cpu_set_t cpus;
	struct node_place place = { .cpus = &cpus };
	struct flow_ask_ops ops = { .send = on_send, .done = on_done };
	int err = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? 0 : MB_ERR_IO;

	if (err == 0) {
		err = node_start(&node, &place, "executor.count=1");
	}
	if (err == 0) {
		err = mb_client_set(node->client, KEY, 0, "01234567", 8);
	}
	if (err != 0) {
		return err;
	}
	snprintf(socket_path, sizeof(socket_path), "%s/socket", node->dir);
	end_make(&client, &server, 2);
	end_make(&server, &client, 1);
	node_addr = server.host.cfg.at;
	err = tile_make();
	if (err == 0) {
		flow_ask_init(&ask, &node_addr, (uint16_t)host_datagram_max(&client.host), now(),
			      &ops);
	}
	return err;
}

static void
get_end(void)
{
	if (tile != NULL) {
		flow_ask_close(&ask, MB_ERR_CANCELLED);
		net_tile_ops.stop(tile);
		net_tile_destroy(tile);
	}
	if (lcore != NULL) {
		lcore_destroy(lcore);
	}
	if (door != NULL) {
		door_destroy(door);
	}
	node_stop(node);
}

const struct replay_op replay_net_get = {
	.name = "instr_net_get",
	.what = "a remote get of 8 cached bytes, frame in to frame out",
	.begin = get_begin,
	.end = get_end,
	.between = get_between,
};
