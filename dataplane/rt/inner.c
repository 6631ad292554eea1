/* SPDX-License-Identifier: Apache-2.0 */
#include "inner.h"

#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "compiler.h"

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

/* ---------------------------------------------------------------------------- life */

int
inner_create(struct inner *in, const struct inner_cfg *cfg)
{
	struct payload_lease_ops ops = { inner_lease, inner_unlease, in };
	int err;

	REQUIRE(cfg->cache_cnt <= CACHE_TILE_MAX);
	REQUIRE(cfg->own.rw != NULL);
	*in = (struct inner){ .cfg = *cfg, .port_cnt = PORT_CACHE_FIRST + cfg->cache_cnt };
	err = payload_create(&in->pool, cfg->proc, cfg->inc, cfg->own.rw + cfg->own.at.slab,
			     cfg->own.at.slab_bytes, cfg->own.at.slab, &ops);
	if (err != 0) {
		return err;
	}
	for (uint32_t t = PORT_SCHED; t < in->port_cnt; t++) {
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
		memcpy(to, p, len);
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

int
inner_release(struct inner *in, const struct desc *d)
{
	struct desc m = { .kind = DESC_RELEASE,
			  .release = { .inc = d->ref.inc,
				       .proc = d->ref.proc,
				       .cnt = 1,
				       .handle = { d->ref.handle } } };

	return (d->flags & DESC_F_INLINE) != 0 ? 0 : inner_send(in, PORT_SCHED, &m);
}
