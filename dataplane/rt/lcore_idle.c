/* SPDX-License-Identifier: Apache-2.0 */
/* lcore_idle.c - to whom an idle lcore's cpu belongs
 *
 * Two spinners on one cpu take turns by the millisecond. So only who holds the cpu's spin token
 * spins with pauses; who does not gives the cpu away after each look, and knows of three reasons to
 * keep it:
 *
 *      not idle ──token──► alone: spins
 *         │                                                  ─► sleeps when spin_ns and
 *         └──no token────► yields, but for I2, I3 and I4        far_spin_ns are over
 *
 * I1  The token is asked for once a wait, when the first pass finds nothing, and given back before
 *     the sleep.
 * I2  While tiles await another core it keeps the cpu, await_ns at most from the first look in vain
 *     on: two switches of threads, there and back, take longer. When what they awaited has come,
 *     whoever shares the cpu has it before the next look, which would be time of his.
 * I3  await_ns 0 is for a node whose executor needs this very cpu: he has it at the end of the pass
 *     that asked him.
 * I4  When the last work, and all for a turn before it, was of tiles that are far, it gives the cpu
 *     but once a turn, unless a tile awaits an executor on this very cpu, or who holds the token
 *     waits for other cpus: nothing here could tell when his word comes.
 */
#include "lcore_idle.h"

#include <stddef.h>

#include "compiler.h"
#include "lcore.h"
#include "metrics.h"
#include "tile.h"

void
lcore_idle_begin(struct lcore_idle *idle, const struct lcore_cfg *cfg, const struct tile *tile,
		 uint32_t tile_cnt, struct metrics_block *metrics, uint64_t now_ns)
{
	*idle = (struct lcore_idle){
		.cfg = cfg,
		.tile = tile,
		.tile_cnt = tile_cnt,
		.metrics = metrics,
		.busy_ns = now_ns,
		.near_ns = now_ns,
	};
}

void
lcore_idle_pass(struct lcore_idle *idle, uint64_t worked, bool events, uint64_t now_ns)
{
	bool near = events, far = false;

	if (worked == 0 && !events) {
		idle->idle_ns = idle->idle_ns == 0 ? now_ns : idle->idle_ns;
		return;
	}
	for (; worked != 0; worked &= worked - 1) {
		const struct tile *t = &idle->tile[__builtin_ctzll(worked)];

		if (t->ops->far != NULL && t->ops->far(t->ctx)) {
			far = true;
		} else {
			near = true;
		}
	}
	idle->idle_ns = 0;
	idle->busy_ns = now_ns;
	idle->near_ns = near ? now_ns : idle->near_ns;
	idle->far_ns = far ? now_ns : idle->far_ns;
	idle->far = now_ns - idle->near_ns >= LCORE_IDLE_TURN_NS;
}

/* Whether a tile waits for what comes from another core. */
static bool
tiles_await(const struct lcore_idle *idle)
{
	for (uint32_t i = 0; i < idle->tile_cnt; i++) {
		const struct tile *t = &idle->tile[i];

		if (t->ops->awaits != NULL && t->ops->awaits(t->ctx)) {
			return true;
		}
	}
	return false;
}

/* I2. Not from the last work on: a pass with work may have been long. */
static bool
awaits(const struct lcore_idle *idle, uint64_t now_ns)
{
	return now_ns - idle->idle_ns < idle->cfg->await_ns && tiles_await(idle);
}

/* I4. */
static bool
keeps(const struct lcore_idle *idle, uint64_t now_ns)
{
	const struct lcore_cfg *cfg = idle->cfg;

	return idle->far && now_ns - idle->gave_ns < LCORE_IDLE_TURN_NS &&
	       !(cfg->await_ns == 0 && tiles_await(idle)) && !cfg->spin_any(cfg->spin_ctx);
}

/* Keeps I1. */
static void
token_ask(struct lcore_idle *idle)
{
	const struct lcore_cfg *cfg = idle->cfg;

	idle->how = LCORE_IDLE_ALONE;
	if (cfg->spin_try != NULL && !cfg->spin_try(cfg->spin_ctx)) {
		idle->how = LCORE_IDLE_YIELD;
		metrics_add(idle->metrics, METRIC_lcore_spin_refused, 1);
	}
}

enum lcore_idle_next
lcore_idle_next(struct lcore_idle *idle, uint64_t now_ns)
{
	const struct lcore_cfg *cfg = idle->cfg;

	if (now_ns - idle->busy_ns >= cfg->spin_ns && now_ns - idle->far_ns >= cfg->far_spin_ns) {
		return LCORE_IDLE_SLEEP;
	}
	if (idle->how == LCORE_IDLE_NOT) {
		token_ask(idle);
	}
	idle->awaited = idle->how == LCORE_IDLE_YIELD && awaits(idle, now_ns);
	if (idle->how == LCORE_IDLE_ALONE || idle->awaited || keeps(idle, now_ns)) {
		return LCORE_IDLE_SPIN;
	}
	idle->gave_ns = now_ns;
	return LCORE_IDLE_GIVE;
}

enum lcore_idle_next
lcore_idle_worked(struct lcore_idle *idle, uint64_t now_ns)
{
	if (idle->cfg->await_ns == 0 ? tiles_await(idle)
				     : unlikely(idle->awaited) && !tiles_await(idle)) {
		idle->awaited = false;
		idle->gave_ns = now_ns;
		return LCORE_IDLE_GIVE;
	}
	return LCORE_IDLE_LOOK;
}

void
lcore_idle_end(struct lcore_idle *idle)
{
	if (idle->how == LCORE_IDLE_ALONE && idle->cfg->spin_release != NULL) {
		idle->cfg->spin_release(idle->cfg->spin_ctx);
	}
	idle->how = LCORE_IDLE_NOT;
	idle->awaited = false;
}
