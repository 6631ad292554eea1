/* SPDX-License-Identifier: Apache-2.0 */
/* node_spin - the spin token of an lcore: its cpu may be an executor's or a client's too */
#include "hints.h"
#include "lcore.h"
#include "node_int.h"

/* In the hints. */
struct spin_ctx {
	struct hints *hints;
	uint32_t cpu;
	uint64_t who; /* two lcores may share a cpu: each for itself */
};
static struct spin_ctx spin_ctx[LCORE_CNT_MAX];

static bool
node_spin_try(void *ctx)
{
	struct spin_ctx *s = ctx;

	return spin_try(s->hints, s->cpu, s->who);
}

/* Clients over a network, Redis clients too, know of no token. One that runs here would wait for
 * the end of an lcore's spin before its request is even sent: a gate that spun gave one answer in
 * a hundred 100 us late. So with a net or gate tile whoever shares a cpu gives it away. */
static bool
node_spin_never(void *ctx)
{
	(void)ctx;
	return false;
}

static void
node_spin_release(void *ctx)
{
	struct spin_ctx *s = ctx;

	spin_release(s->hints, s->cpu, s->who);
}

static bool
node_spin_any(void *ctx)
{
	const struct spin_ctx *s = ctx;

	return spin_any(s->hints, s->cpu);
}

void
node_spin(const struct node *n, uint32_t lcore, struct lcore_cfg *cfg)
{
	const struct topo_lcore *l = &n->topo->lcore[lcore];
	bool strangers = topo_tile_find(n->topo, TILE_NET, 0) >= 0 ||
			 topo_tile_find(n->topo, TILE_GATE, 0) >= 0;

	if (l->shared) {
		spin_ctx[lcore] = (struct spin_ctx){ n->hints, l->cpu, PROC_DAEMON + 1 + lcore };
		cfg->spin_try = strangers ? node_spin_never : node_spin_try;
		cfg->spin_release = node_spin_release;
		cfg->spin_any = node_spin_any;
		cfg->spin_ctx = &spin_ctx[lcore];
	}
}
