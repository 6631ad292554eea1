/* SPDX-License-Identifier: Apache-2.0 */
/* nic_client DEVICE HERE SERVER COUNT
 *
 * A client whose NIC is DPDK's too, for what has no kernel at its other end (memif): the port and
 * the flow of the shipped code, without a tile. Increments a key COUNT times, one after the other,
 * and checks each answer; prints the time of the middle one in nanoseconds.
 *
 * The EAL's files go where $RUNTIME_DIRECTORY says.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>

#include "compiler.h"
#include "flow_ask.h"
#include "microburst/error.h"
#include "nic.h"
#include "rpc.h"
#include "sock.h"
#include "timebase.h"
#include "wset.h"

#define LIMIT_NS (20 * NS_PER_S)

static char no_huge[] = "--no-huge", no_shconf[] = "--no-shconf", no_pci[] = "--no-pci";
static char memory[] = "-m", mib[] = "64", prefix[] = "--file-prefix=nicclient";
static char level[] = "--log-level=*:error";

static struct net_io io;
static struct flow_ask ask;
static bool ended;
static int64_t answer_n;
static int answer_err;

static uint64_t
now(void)
{
	return timebase_now_ns(timebase_real());
}

static void
on_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	size_t len = WIRE_HEAD_BYTES + (size_t)h->len;
	uint8_t *p = io.ops->room(io.io, len);

	(void)ctx;
	if (p != NULL) {
		wire_write(p, h);
		if (h->len > 0) {
			memcpy(p + WIRE_HEAD_BYTES, body, h->len);
		}
		io.ops->send(io.io, to, len);
	}
}

static void
on_done(void *ctx, void *user, int err, uint8_t *p, size_t len, bool owned)
{
	struct rpc_reply reply = { 0 };

	(void)ctx;
	(void)user;
	(void)owned;
	ended = true;
	answer_err = err != 0 ? err : rpc_reply_read(slice_of(p, len), &reply);
	answer_err = answer_err != 0 ? answer_err : reply.err;
	answer_n = reply.n;
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

static int
increment(const uint8_t *bytes, size_t len)
{
	uint64_t from_ns = now();
	int err = flow_ask_start(&ask, bytes, len, NULL, from_ns);

	for (ended = false; err == 0 && !ended;) {
		uint64_t at_ns = now();

		if (io.ops->recv(io.io, 32, at_ns, on_datagram, NULL) == 0) {
			sched_yield(); /* the node may be on this cpu */
		}
		flow_ask_flush(&ask);
		if (at_ns >= flow_ask_timer(&ask)) {
			flow_ask_poll(&ask, at_ns);
		}
		io.ops->flush(io.io);
		err = at_ns - from_ns > LIMIT_NS ? MB_ERR_DEADLINE : 0;
	}
	return err != 0 ? err : answer_err;
}

static int
by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int
fail(const char *what, int err)
{
	fprintf(stderr, "nic_client: %s: %s\n", what, err < 0 ? mb_err_text(err) : "");
	return 1;
}

int
main(int argc, char **argv)
{
	char *eal[] = { argv[0], no_huge, no_shconf, no_pci, memory, mib, prefix, level };
	struct flow_ask_ops ops = { .send = on_send, .done = on_done };
	struct wset_op op = { .kind = WSET_INCR, .key = slice_str("counted"), .n = 1 };
	struct rpc_request req = { .op = RPC_WRITE, .name = op.key, .n = 1 };
	struct nic_cfg cfg = { 0 };
	struct topo_why why = { "" };
	struct wire_addr server;
	uint64_t *took;
	uint64_t set[8];
	uint8_t bytes[128];
	struct wset ws;
	size_t len, cnt;
	int err;

	if (argc != 5 || rte_eal_init(ARRAY_CNT(eal), eal) < 0) {
		return fail("DEVICE HERE SERVER COUNT", 0);
	}
	cnt = (size_t)strtoul(argv[4], NULL, 10);
	took = calloc(cnt + 1, sizeof(*took));
	cfg.device = argv[1];
	if (took == NULL || sock_addr(argv[2], false, &cfg.at) != 0 ||
	    sock_addr(argv[3], false, &server) != 0) {
		free(took);
		return fail("addresses", MB_ERR_INVALID);
	}
	err = nic_open(&io, &cfg, &why);
	if (err != 0) {
		free(took);
		return fail(why.text, err);
	}
	flow_ask_init(&ask, &server, (uint16_t)io.ops->datagram_max(io.io), now(), &ops);
	wset_init(&ws, set, sizeof(set));
	err = wset_add(&ws, &op);
	req.payload = wset_bytes(&ws);
	len = rpc_request_bytes(req.name.len, req.payload.len);
	memcpy(rpc_request_write(bytes, &req), req.payload.p, req.payload.len);
	for (size_t i = 0; i < cnt && err == 0; i++) {
		uint64_t from_ns = now();

		err = increment(bytes, len);
		took[i] = now() - from_ns;
		if (err == 0 && answer_n != (int64_t)i + 1) {
			err = MB_ERR_CORRUPT;
		}
	}
	flow_ask_close(&ask, MB_ERR_CANCELLED);
	io.ops->flush(io.io);
	io.ops->close(io.io);
	rte_eal_cleanup();
	if (err != 0) {
		free(took);
		return fail("increment", err);
	}
	qsort(took, cnt, sizeof(*took), by_size);
	printf("%llu\n", (unsigned long long)took[cnt / 2]);
	free(took);
	return 0;
}
