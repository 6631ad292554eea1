/* SPDX-License-Identifier: Apache-2.0 */
#include "inner.h"

#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "timebase.h"

/* ------------------------------------------------- payloads above PAYLOAD_SLAB_MAX */

static int
inner_lease(void *ctx, size_t bytes, uint32_t *ret_seg, uint8_t **ret_p, size_t *ret_bytes)
{
	struct inner *in = ctx;
	void *p;
	int err;

	bytes = ALIGN_UP(bytes, (size_t)4096);
	if (bytes > in->cfg.seg_budget - in->seg_bytes) {
		return MB_ERR_NO_MEMORY;
	}
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		return MB_ERR_NO_MEMORY;
	}
	err = peer_put_seg(in->cfg.peers, in->cfg.proc, in->cfg.inc, in->seg_seq + 1, p, bytes);
	if (err != 0) {
		munmap(p, bytes);
		return err;
	}
	in->seg_bytes += bytes;
	*ret_seg = ++in->seg_seq;
	*ret_p = p;
	*ret_bytes = bytes;
	return 0;
}

/* Every message that spoke of it has been answered: no tile looks at it. */
static void
inner_unlease(void *ctx, uint32_t seg, uint8_t *p, size_t bytes)
{
	struct inner *in = ctx;

	in->seg_bytes -= bytes;
	peer_detach_seg(in->cfg.peers, in->cfg.proc, in->cfg.inc, seg); /* unmaps */
}

/* The kernel moves the pages, not the bytes. */
static int
inner_grow(void *ctx, uint32_t seg, size_t bytes, uint8_t **p, size_t *p_bytes)
{
	struct inner *in = ctx;
	void *moved;

	bytes = ALIGN_UP(bytes, (size_t)4096);
	if (bytes - *p_bytes > in->cfg.seg_budget - in->seg_bytes) {
		return MB_ERR_NO_MEMORY;
	}
	moved = mremap(*p, *p_bytes, bytes, MREMAP_MAYMOVE);
	if (moved == MAP_FAILED) {
		return MB_ERR_NO_MEMORY;
	}
	peer_seg_moved(in->cfg.peers, in->cfg.proc, in->cfg.inc, seg, moved, bytes);
	in->seg_bytes += bytes - *p_bytes;
	*p = moved;
	*p_bytes = bytes;
	return 0;
}

/* ---------------------------------------------------------------------------- life */

int
inner_create(struct inner *in, const struct inner_cfg *cfg)
{
	struct payload_lease_ops ops = { inner_lease, inner_unlease, inner_grow, in };
	int err;

	REQUIRE(cfg->cache_cnt <= CACHE_TILE_MAX);
	REQUIRE(cfg->own.rw != NULL);
	*in = (struct inner){ .cfg = *cfg, .port_cnt = PORT_CACHE_FIRST + cfg->cache_cnt };
	err = payload_create(&in->pool, cfg->proc, cfg->inc, cfg->own.rw + cfg->own.at.slab,
			     cfg->own.at.slab_bytes, cfg->own.at.slab, &ops);
	if (err != 0) {
		return err;
	}
	for (uint32_t t = PORT_CTL; t < in->port_cnt; t++) {
		channel_init(&in->ch[t], &in->cfg.own, t, cfg->daemon,
			     region_daemon_port(t, cfg->proc), &cfg->hints->tile[t], cfg->proc,
			     cfg->tile_fd[t]);
		in->ch[t].proc = PROC_DAEMON;
		in->ch[t].inc = 1;
	}
	return 0;
}

void
inner_destroy(struct inner *in)
{
	if (in->pool != NULL) {
		payload_destroy(in->pool);
		in->pool = NULL;
		region_unmap(&in->cfg.own);
	}
}

/* ------------------------------------------------------------------------ messages */

static void
inner_on_release(struct inner *in, const struct desc *d)
{
	uint32_t cnt = MIN((uint32_t)d->release.cnt, (uint32_t)ARRAY_CNT(d->release.handle));

	if (d->release.proc == in->cfg.proc && d->release.inc == in->cfg.inc) {
		for (uint32_t i = 0; i < cnt; i++) {
			payload_release(in->pool, d->release.handle[i], d->a);
		}
	}
}

int
inner_recv(struct inner *in, uint32_t port, struct desc *ret)
{
	int n;

	while ((n = channel_recv(&in->ch[port], ret)) == 1 && ret->kind == DESC_RELEASE) {
		inner_on_release(in, ret);
	}
	REQUIRE(n >= 0); /* the other end is ours too */
	return n;
}

/* -------------------------------------------------------- direct channels with executors */

#define ASK_AGAIN_NS (100 * NS_PER_MS)

static uint64_t
direct_bit(uint32_t port)
{
	return UINT64_C(1) << (port - PORT_DIRECT_FIRST);
}
static_assert(PORT_CNT - PORT_DIRECT_FIRST <= 64, "a bit a direct port");

void
inner_open(struct inner *in, uint16_t exec, uint64_t now_ns)
{
	struct desc m = { .kind = DESC_OPEN_REQ, .a = exec };

	if (in->port_of[exec] == 0 &&
	    (in->asked_ns[exec] == 0 || now_ns - in->asked_ns[exec] >= ASK_AGAIN_NS) &&
	    inner_send(in, PORT_CTL, &m) == 0) {
		in->asked_ns[exec] = now_ns;
	}
}

struct channel *
inner_channel(struct inner *in, uint16_t exec)
{
	uint8_t port = in->port_of[exec];

	return port != 0 && in->ch[port].err == 0 ? &in->ch[port] : NULL;
}

int
inner_put(struct inner *in, struct channel *ch, const struct desc *d)
{
	int err = channel_put(ch, d);

	if (err == 0) {
		in->unflushed |= direct_bit(ch->port);
	}
	return err;
}

bool
inner_flush(struct inner *in)
{
	bool any = in->unflushed != 0;

	for (; in->unflushed != 0; in->unflushed &= in->unflushed - 1) {
		channel_flush(&in->ch[PORT_DIRECT_FIRST + __builtin_ctzll(in->unflushed)]);
	}
	return any;
}

int
inner_direct_recv(struct inner *in, struct channel *ch, struct desc *ret)
{
	int n;

	/* As many as a queue holds: its sender may be as fast as we are. */
	for (uint32_t i = 0; i < CHANNEL_DEPTH; i++) {
		n = channel_recv(ch, ret);
		if (n != 1 || ret->kind != DESC_RELEASE) {
			return n;
		}
		ret->a = ch->proc; /* whose hold it is, whatever it says */
		inner_on_release(in, ret);
	}
	return 0;
}

/* ctl has paired an executor's port with ours, and the executor made its end. */
static int
direct_make(struct inner *in, const struct desc *m)
{
	struct channel *ch = &in->ch[m->a];
	struct peer *peer;
	int err = peer_attach(in->cfg.peers, m->open.proc, m->open.inc, &peer);

	if (err != 0) {
		return err;
	}
	channel_init(ch, &in->cfg.own, m->a, &peer->region, m->open.port,
		     &in->cfg.hints->proc[m->open.proc], m->open.port, -1);
	ch->proc = m->open.proc;
	ch->inc = m->open.inc;
	in->port_of[ch->proc] = (uint8_t)m->a;
	in->direct |= direct_bit(m->a);
	return 0;
}

int
inner_ctl(struct inner *in, struct desc *ret)
{
	while (inner_recv(in, PORT_CTL, ret) == 1) {
		if (ret->kind == DESC_OPENED && ret->err == 0) {
			ret->err = (int16_t)direct_make(in, ret);
			if (ret->err != 0) { /* it died meanwhile, which is told next */
				return 1;
			}
		} else if (ret->kind == DESC_DEAD ||
			   (ret->kind == DESC_CLOSE && in->ch[ret->a].rx_slots != NULL)) {
			return 1;
		}
	}
	return 0;
}

void
inner_close(struct inner *in, struct channel *ch, int err, struct desc *ret)
{
	*ret = (struct desc){ .kind = DESC_CLOSE, .a = ch->port, .err = (int16_t)err };
	in->direct &= ~direct_bit(ch->port);
	in->unflushed &= ~direct_bit(ch->port);
	in->port_of[ch->proc] = 0;
	channel_clear(ch);
}

void
inner_arm(struct inner *in, bool up)
{
	struct bell *bell = &in->cfg.hints->proc[in->cfg.proc];

	if (up) {
		bell_arm(bell);
	} else {
		bell_disarm(bell);
	}
}

/* ------------------------------------------------------------------------ payloads */

int
inner_payload_most(struct inner *in, struct desc *d, const void *p, size_t len, uint16_t holder,
		   size_t inline_max)
{
	uint8_t *to;
	int err;

	if (len <= inline_max) {
		d->flags |= DESC_F_INLINE;
		d->len = (uint8_t)len;
		if (len != 0) { /* p need not be */
			memcpy(d->data, p, len);
		}
		return 0;
	}
	err = payload_alloc(in->pool, len, holder, &d->ref, &to);
	if (err == 0) {
		copy_bytes(to, p, len);
	}
	return err;
}

void
inner_payload_free(struct inner *in, const struct desc *d, uint16_t holder)
{
	if ((d->flags & DESC_F_INLINE) == 0) {
		payload_release(in->pool, d->ref.handle, holder);
	}
}

int
inner_bytes(struct inner *in, const struct desc *d, const uint8_t **ret, size_t *ret_len)
{
	if ((d->flags & DESC_F_INLINE) != 0) {
		*ret = d->data;
		*ret_len = d->len;
		return d->len <= DESC_INLINE_BYTES ? 0 : MB_ERR_PEER_CORRUPT;
	}
	*ret_len = d->ref.len;
	return peer_view(in->cfg.peers, &d->ref, ret);
}
