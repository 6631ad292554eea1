/* SPDX-License-Identifier: Apache-2.0 */
#include "net_tile.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "check.h"
#include "compiler.h"
#include "heap.h"
#include "microburst/error.h"
#include "timebase.h"

#define BURST       64
#define SESSION_MAX 1024
#define XFER_MAX    4096
/* No futex in this kernel's io_uring: while answers are awaited, look so often. */
#define NAP_NS      (50 * NS_PER_US)

struct net_tile {
	struct sock *sock;
	struct flow_serve *serve;
	struct heap *heap;
	void *memory;
	size_t memory_bytes;
	struct net_service service;
	struct metrics_block metrics;
	uint64_t now_ns, refused;
	bool started, failed, naps;
};

static void
tile_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	struct net_tile *t = ctx;
	uint8_t *p = sock_room(t->sock);

	wire_write(p, h);
	if (h->len > 0) {
		memcpy(p + WIRE_HEAD_BYTES, body, h->len);
	}
	sock_send(t->sock, to, WIRE_HEAD_BYTES + (size_t)h->len);
}

static void *
tile_alloc(void *ctx, size_t bytes)
{
	struct net_tile *t = ctx;

	return heap_alloc(t->heap, bytes);
}

static void
tile_free(void *ctx, void *p, size_t bytes)
{
	struct net_tile *t = ctx;

	heap_free(t->heap, p, bytes);
}

static void
tile_request(void *ctx, struct flow_ref ref, struct slice bytes)
{
	struct net_tile *t = ctx;

	t->service.request(t->service.ctx, ref, bytes);
}

int
net_tile_create(struct net_tile **ret, const struct net_tile_cfg *cfg)
{
	struct net_tile *t = aligned_alloc(CACHE_LINE, ALIGN_UP(sizeof(*t), CACHE_LINE));
	struct flow_serve_cfg fc = { .session_max = SESSION_MAX,
				     .xfer_max = XFER_MAX,
				     .client_bytes = cfg->memory_bytes / 2,
				     .datagram = WIRE_DATAGRAM_MAX };
	struct flow_serve_ops ops = { tile_send, tile_alloc, tile_free, tile_request, t };
	int err = MB_ERR_NO_MEMORY;

	if (t == NULL) {
		return err;
	}
	memset(t, 0, sizeof(*t));
	t->service = cfg->service;
	t->memory_bytes = cfg->memory_bytes;
	metrics_init(&t->metrics, METRICS_OWNER_net, 0);
	memcpy(fc.secret, cfg->secret, sizeof(fc.secret));
	t->memory = mmap(NULL, t->memory_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->memory != MAP_FAILED) {
		t->heap = heap_init(t->memory, t->memory_bytes);
		err = flow_serve_create(&t->serve, &fc, &ops);
	} else {
		t->memory = NULL;
	}
	if (err == 0) {
		err = sock_open(&t->sock, &cfg->listen);
	}
	if (err != 0) {
		net_tile_destroy(t);
		return err;
	}
	*ret = t;
	return 0;
}

void
net_tile_destroy(struct net_tile *t)
{
	if (t->sock != NULL) {
		sock_close(t->sock);
	}
	if (t->serve != NULL) {
		flow_serve_destroy(t->serve);
	}
	if (t->memory != NULL) {
		munmap(t->memory, t->memory_bytes);
	}
	free(t);
}

/* Whoever is woken polls: there is nothing to be done with the news itself. */
static void
tile_woken(void *ctx, int fd, int events_or_error)
{
	(void)ctx;
	(void)fd;
	(void)events_or_error;
}

int
net_tile_lcore(struct net_tile *t, struct lcore *lcore)
{
	return lcore_watch(lcore, sock_event(t->sock), tile_woken, t);
}

struct wire_addr
net_tile_local(const struct net_tile *t)
{
	return sock_local(t->sock);
}

const char *
net_tile_text(const struct net_tile *t)
{
	return sock_text(t->sock);
}

struct metrics_block *
net_tile_metrics(struct net_tile *t)
{
	return &t->metrics;
}

uint8_t *
net_tile_room(struct net_tile *t, struct flow_ref ref, size_t len)
{
	return flow_serve_room(t->serve, ref, len);
}

void
net_tile_reply(struct net_tile *t, struct flow_ref ref, uint8_t *p, size_t len)
{
	flow_serve_reply(t->serve, ref, p, len, timebase_now_ns(timebase_real()));
}

void
net_tile_refuse(struct net_tile *t, struct flow_ref ref, int err)
{
	flow_serve_refuse(t->serve, ref, err);
}

static void
tile_datagram(void *ctx, const struct wire_addr *from, struct slice datagram)
{
	struct net_tile *t = ctx;
	struct wire_head h;
	struct slice body;

	if (wire_read(datagram, &h, &body) != 0) {
		t->refused++;
		return;
	}
	flow_serve_input(t->serve, from, &h, body, t->now_ns);
}

static bool
tile_start(struct net_tile *t)
{
	if (!t->started && !t->failed) {
		t->failed = sock_enable(t->sock) != 0 || t->service.start(t->service.ctx, t) != 0;
		t->started = !t->failed;
	}
	return t->started;
}

static int
net_tile_poll(void *ctx, uint64_t now_ns)
{
	struct net_tile *t = ctx;
	int did;

	if (unlikely(!t->started) && !tile_start(t)) {
		return 0;
	}
	t->now_ns = now_ns;
	did = sock_recv(t->sock, BURST, tile_datagram, t);
	if (did > 0) {
		flow_serve_flush(t->serve);
	}
	did += t->service.poll(t->service.ctx, now_ns);
	if (unlikely(now_ns >= flow_serve_timer(t->serve))) {
		flow_serve_poll(t->serve, now_ns);
	}
	sock_flush(t->sock);
	return did;
}

static void
net_tile_housekeeping(void *ctx, uint64_t now_ns)
{
	struct net_tile *t = ctx;
	const struct flow_serve_stats *f = flow_serve_stats(t->serve);
	const struct sock_stats *s = sock_stats(t->sock);

	if (!t->started) {
		return;
	}
	flow_serve_poll(t->serve, now_ns);
	sock_flush(t->sock);
	metrics_set(&t->metrics, METRIC_net_datagram_rx, s->rx);
	metrics_set(&t->metrics, METRIC_net_datagram_tx, s->tx);
	metrics_set(&t->metrics, METRIC_net_datagram_refused,
		    t->refused + f->bad + s->rx_truncated);
	metrics_set(&t->metrics, METRIC_net_datagram_dropped, s->tx_dropped);
	metrics_set(&t->metrics, METRIC_net_request_taken, f->request);
	metrics_set(&t->metrics, METRIC_net_request_repeated, f->again);
	metrics_set(&t->metrics, METRIC_net_request_refused, f->refused + f->expired + f->full);
	metrics_set(&t->metrics, METRIC_net_session_reset, f->reset);
	metrics_set(&t->metrics, METRIC_net_session_open, flow_serve_sessions(t->serve));
	metrics_set(&t->metrics, METRIC_net_memory_used, heap_used_bytes(t->heap));
}

static void
net_tile_arm(void *ctx, bool up)
{
	struct net_tile *t = ctx;
	const _Atomic uint32_t *word;
	uint32_t expect = 0;

	if (!t->started) {
		return;
	}
	word = t->service.arm(t->service.ctx, up, &expect);
	sock_arm(t->sock, up);
	t->naps = up && word != NULL && !sock_futex(t->sock, word, expect);
}

static uint64_t
net_tile_next_timer(void *ctx)
{
	struct net_tile *t = ctx;
	uint64_t at;

	if (!t->started) {
		return TILE_TIMER_NEVER;
	}
	at = flow_serve_timer(t->serve);
	if (t->naps && t->service.waits(t->service.ctx)) {
		at = MIN(at, timebase_now_ns(timebase_real()) + NAP_NS);
	}
	return at;
}

static bool
net_tile_drain(void *ctx, uint64_t now_ns)
{
	struct net_tile *t = ctx;

	(void)now_ns;
	return !t->started || t->service.drain(t->service.ctx);
}

static void
net_tile_stop(void *ctx)
{
	struct net_tile *t = ctx;

	if (t->started) {
		t->service.stop(t->service.ctx);
		t->started = false;
		t->failed = true;
	}
}

const struct tile_ops net_tile_ops = {
	.kind = TILE_NET,
	.poll = net_tile_poll,
	.housekeeping = net_tile_housekeeping,
	.arm = net_tile_arm,
	.next_timer_ns = net_tile_next_timer,
	.drain = net_tile_drain,
	.stop = net_tile_stop,
};
