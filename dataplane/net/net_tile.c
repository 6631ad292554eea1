/* SPDX-License-Identifier: Apache-2.0 */
/* net_tile - see net_tile.h
 *
 * The service's bell is a futex, awaited by the lcore's io_uring (Linux 6.7): so one wait hears of
 * datagrams and of answers. Where the kernel has no such request the tile naps while answers are
 * awaited.
 */
#include "net_tile.h"

#include <errno.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "check.h"
#include "compiler.h"
#include "heap.h"
#include "log.h"
#include "microburst/error.h"
#include "timebase.h"

#define BURST       16 /* then what was answered goes: a client begins with it meanwhile */
#define SESSION_MAX 1024
#define XFER_MAX    4096
/* No futex in this kernel's io_uring: while answers are awaited, look so often. */
#define NAP_NS      (50 * NS_PER_US)
#define KEYS_NS     NS_PER_S /* how often the file of keys is looked at, while datagrams come */

/* Linux 6.7; liburing 2.3 does not name them. */
#define OP_FUTEX_WAIT 51
#define FUTEX_U32     2
#define FUTEX_ANY     UINT32_MAX

struct net_tile {
	struct net_io io;
	struct lcore *lcore;
	uint32_t op;
	struct flow_serve *serve;
	struct heap *heap;
	void *memory;
	size_t memory_bytes;
	struct net_service service;
	struct metrics_block metrics;
	struct seal seal;
	const char *keys;
	uint64_t keys_ns; /* when the file is looked at next */
	uint64_t tidy_ns; /* when the service is asked to tidy */
	uint64_t now_ns, refused, forged;
	bool started, failed, naps;
	bool futex_out, futex_unknown;
	bool hold, held; /* bodies stay where they are for now; some wait there for a burst */
	_Alignas(8) uint8_t plain[WIRE_DATAGRAM_MAX];
	uint8_t *drafted;             /* the body that tile_draft gave last */
	uint8_t draft[WIRE_BODY_MAX]; /* of what will be sealed */
};

static void
tile_send(void *ctx, const struct wire_addr *to, const struct wire_head *h, const uint8_t *body)
{
	struct net_tile *t = ctx;

	if (likely(body == t->drafted && body != NULL)) { /* nothing was sent since: it is there */
		t->drafted = NULL;
		wire_write((uint8_t *)(uintptr_t)body - WIRE_HEAD_BYTES, h);
		t->io.ops->send(t->io.io, to, WIRE_HEAD_BYTES + (size_t)h->len);
		return;
	}
	if (net_io_send_from(&t->io, &t->seal, to, h, body, t->hold)) {
		t->held |= t->hold;
	} else {
		net_io_send(&t->io, &t->seal, to, h, body);
	}
}

static void
tile_hold(void *ctx, bool on)
{
	struct net_tile *t = ctx;

	t->hold = on;
	if (!on && t->held) {
		t->io.ops->flush(t->io.io);
		t->held = false;
	}
}

/* What is not sealed is written where it is sent from. */
static uint8_t *
tile_draft(void *ctx, size_t len)
{
	struct net_tile *t = ctx;
	uint8_t *p;

	if (t->seal.cnt > 0) {
		return t->draft;
	}
	p = t->io.ops->room(t->io.io, WIRE_HEAD_BYTES + len);
	t->drafted = p != NULL ? p + WIRE_HEAD_BYTES : NULL;
	return t->drafted;
}

static void *
tile_alloc(void *ctx, size_t bytes)
{
	struct net_tile *t = ctx;

	return heap_alloc(t->heap, bytes);
}

static void *
tile_alloc_last(void *ctx, size_t bytes)
{
	struct net_tile *t = ctx;

	return heap_alloc_reserve(t->heap, bytes);
}

static void *
tile_take(void *ctx, size_t bytes, struct slice first)
{
	struct net_tile *t = ctx;

	return bytes >= NET_TAKE_MIN ? t->service.take(t->service.ctx, bytes, first) : NULL;
}

static void
tile_free(void *ctx, void *p, size_t bytes)
{
	struct net_tile *t = ctx;

	if (bytes < NET_TAKE_MIN || !t->service.give(t->service.ctx, p)) {
		heap_free(t->heap, p, bytes);
	}
}

static void
tile_back(void *ctx, const uint8_t *p)
{
	struct net_tile *t = ctx;

	t->service.back(t->service.ctx, p);
}

static void
tile_request(void *ctx, struct flow_ref ref, struct slice bytes)
{
	struct net_tile *t = ctx;

	t->service.request(t->service.ctx, ref, bytes);
}

static uint64_t
tile_proofs(void *ctx)
{
	struct net_tile *t = ctx;
	const struct flow_serve_stats *f = flow_serve_stats(t->serve);

	return f->request + f->begun;
}

int
net_tile_create(struct net_tile **ret, const struct net_tile_cfg *cfg)
{
	struct net_tile *t = aligned_alloc(CACHE_LINE, ALIGN_UP(sizeof(*t), CACHE_LINE));
	struct flow_serve_cfg fc = { .session_max = SESSION_MAX,
				     .xfer_max = XFER_MAX,
				     .client_bytes = cfg->memory_bytes / 2,
				     .taking_bytes = cfg->memory_bytes / 4 * 3,
				     .datagram = (uint16_t)cfg->io.ops->datagram_max(cfg->io.io),
				     .born_ns = timebase_now_ns(timebase_real()) };
	struct flow_serve_ops ops = { tile_send, tile_alloc,   tile_alloc_last,
				      tile_free, tile_request, tile_draft,
				      t,         tile_take,    tile_back,
				      tile_hold };
	int err = MB_ERR_NO_MEMORY;

	if (t == NULL) {
		return err;
	}
	memset(t, 0, sizeof(*t));
	t->service = cfg->service;
	if (cfg->seal != NULL) {
		seal_copy(&t->seal, cfg->seal);
		t->keys = cfg->keys;
		fc.datagram =
			MAX((uint16_t)(fc.datagram - SEAL_BYTES), (uint16_t)WIRE_DATAGRAM_MIN);
	}
	t->memory_bytes = cfg->memory_bytes;
	t->tidy_ns = TILE_TIMER_NEVER;
	metrics_init(&t->metrics, METRICS_OWNER_net, cfg->idx);
	memcpy(fc.secret, cfg->secret, sizeof(fc.secret));
	fc.incarnation = (cfg->incarnation & ~UINT64_C(0xff)) | cfg->idx;
	t->memory = mmap(NULL, t->memory_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->memory != MAP_FAILED) {
		(void)madvise(t->memory, t->memory_bytes, MADV_HUGEPAGE);
		t->heap = heap_init(t->memory, t->memory_bytes);
		heap_reserve(t->heap, t->memory_bytes / FLOW_LAST_SHARE);
		err = flow_serve_create(&t->serve, &fc, &ops);
	} else {
		t->memory = NULL;
	}
	if (err != 0) {
		net_tile_destroy(t);
		return err;
	}
	t->io = cfg->io;
	if (t->io.ops->proofs != NULL) {
		t->io.ops->proofs(t->io.io, tile_proofs, t);
	}
	*ret = t;
	return 0;
}

void
net_tile_destroy(struct net_tile *t)
{
	if (t->io.ops != NULL) {
		t->io.ops->close(t->io.io);
	}
	if (t->serve != NULL) {
		flow_serve_destroy(t->serve);
	}
	if (t->memory != NULL) {
		munmap(t->memory, t->memory_bytes);
	}
	free(t);
}

void
net_tile_lcore(struct net_tile *t, struct lcore *lcore)
{
	t->lcore = lcore;
}

struct lcore *
net_tile_runs_on(const struct net_tile *t)
{
	return t->lcore;
}

struct wire_addr
net_tile_local(const struct net_tile *t)
{
	return t->io.ops->local(t->io.io);
}

const char *
net_tile_text(const struct net_tile *t)
{
	return t->io.ops->text(t->io.io);
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
	flow_serve_reply(t->serve, ref, p, len, t->now_ns);
}

uint8_t *
net_tile_draft(struct net_tile *t, struct flow_ref ref, size_t *ret_max)
{
	return flow_serve_draft(t->serve, ref, ret_max);
}

void
net_tile_draft_send(struct net_tile *t, struct flow_ref ref, const uint8_t *p, size_t len)
{
	flow_serve_draft_send(t->serve, ref, p, len, t->now_ns);
}

bool
net_tile_lend(struct net_tile *t, struct flow_ref ref, struct slice head, struct slice rest)
{
	return flow_serve_lend(t->serve, ref, head, rest, t->now_ns);
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

	int err = seal_take(&t->seal, datagram, t->plain, &h, &body);

	if (err != 0) {
		*(err == MB_ERR_DENIED ? &t->forged : &t->refused) += 1;
		return;
	}
	flow_serve_input(t->serve, from, &h, body, t->now_ns);
}

static void
tile_futex_woken(void *ctx, uint64_t token, int res, uint32_t cqe_flags)
{
	struct net_tile *t = ctx;

	(void)token;
	(void)cqe_flags;
	t->futex_out = false;
	t->futex_unknown |= res == -EINVAL || res == -EOPNOTSUPP;
}

/* Has the lcore woken when *word, now `expect`, is. Returns: false when this kernel cannot. */
static bool
tile_futex(struct net_tile *t, const _Atomic uint32_t *word, uint32_t expect)
{
	struct io_uring_sqe *sqe;

	if (t->futex_unknown || t->futex_out) {
		return !t->futex_unknown;
	}
	sqe = lcore_op_sqe(t->lcore, t->op, 0);
	if (sqe == NULL) {
		return false;
	}
	io_uring_prep_rw(OP_FUTEX_WAIT, sqe, FUTEX_U32, (const void *)word, 0, expect);
	sqe->addr3 = FUTEX_ANY;
	t->futex_out = true;
	return true;
}

static bool
tile_start(struct net_tile *t)
{
	if (!t->started && !t->failed) {
		t->op = lcore_op_add(t->lcore, tile_futex_woken, t);
		t->failed = t->io.ops->start(t->io.io, t->lcore) != 0 ||
			    t->service.start(t->service.ctx, t) != 0;
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
	did = t->io.ops->recv(t->io.io, BURST, now_ns, tile_datagram, t);
	if (did > 0) {
		flow_serve_flush(t->serve);
	}
	did += t->service.poll(t->service.ctx, now_ns);
	if (unlikely(now_ns >= flow_serve_timer(t->serve))) {
		flow_serve_poll(t->serve, now_ns);
	}
	t->io.ops->flush(t->io.io);
	return did;
}

static void
tile_keys(struct net_tile *t, uint64_t now_ns)
{
	int n;

	if (t->keys == NULL || now_ns < t->keys_ns) {
		return;
	}
	t->keys_ns = now_ns + KEYS_NS;
	n = seal_renew(&t->seal, t->keys);
	if (n > 0) {
		log_at(LOG_NOTICE, "net: %s was read again: %" PRIu32 " keys", t->keys,
		       t->seal.cnt);
	} else if (n < 0) {
		log_at(LOG_WARN, "net: %s changed and cannot be used, the keys stay: %s", t->keys,
		       mb_err_text(n));
	}
}

static void
net_tile_housekeeping(void *ctx, uint64_t now_ns)
{
	struct net_tile *t = ctx;
	const struct flow_serve_stats *f = flow_serve_stats(t->serve);
	struct net_io_stats s;

	if (!t->started) {
		return;
	}
	tile_keys(t, now_ns);
	flow_serve_poll(t->serve, now_ns);
	t->tidy_ns = t->service.tidy(t->service.ctx, now_ns);
	t->io.ops->flush(t->io.io);
	s = t->io.ops->stats(t->io.io);
	metrics_set(&t->metrics, METRIC_net_datagram_rx, s.rx);
	metrics_set(&t->metrics, METRIC_net_datagram_tx, s.tx);
	metrics_set(&t->metrics, METRIC_net_datagram_refused, t->refused + f->bad + s.rx_bad);
	metrics_set(&t->metrics, METRIC_net_datagram_dropped, s.tx_dropped);
	metrics_set(&t->metrics, METRIC_net_datagram_forged, t->forged);
	metrics_set(&t->metrics, METRIC_net_frame_other, s.rx_other);
	metrics_set(&t->metrics, METRIC_net_frame_missed, s.rx_missed);
	metrics_set(&t->metrics, METRIC_net_frame_passed, s.passed);
	metrics_set(&t->metrics, METRIC_net_link_up, s.up);
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
	t->io.ops->arm(t->io.io, up);
	t->naps = up && word != NULL && !tile_futex(t, word, expect);
}

static bool
net_tile_awaits(void *ctx)
{
	struct net_tile *t = ctx;

	return t->started && t->service.awaits(t->service.ctx);
}

static uint64_t
net_tile_next_timer(void *ctx)
{
	struct net_tile *t = ctx;
	uint64_t nap_ns, timer_ns;

	if (!t->started) {
		return TILE_TIMER_NEVER;
	}
	timer_ns = MIN(flow_serve_timer(t->serve), t->tidy_ns);
	nap_ns = t->io.ops->nap_ns(t->io.io);
	if (t->naps && t->service.waits(t->service.ctx)) {
		nap_ns = MIN(nap_ns, NAP_NS);
	}
	if (nap_ns == NET_IO_NAP_NEVER) {
		return timer_ns;
	}
	return MIN(timer_ns, timebase_now_ns(timebase_real()) + nap_ns);
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
	.awaits = net_tile_awaits,
	.next_timer_ns = net_tile_next_timer,
	.drain = net_tile_drain,
	.stop = net_tile_stop,
};
