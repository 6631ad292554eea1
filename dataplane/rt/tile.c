/* SPDX-License-Identifier: Apache-2.0 */
/* tile.c - calling a tile: the operations it has, timed and counted
 *
 * Time is read after a poll that found work, and the end of one poll is the beginning of the next.
 * So idle polls cost no reading (9 ns each here, more than the poll), and the nanoseconds that they
 * took are booked to the next tile of the pass that works.
 */
#include "tile.h"

#include "check.h"
#include "compiler.h"
#include "metrics.h"
#include "timebase.h"

const char *
tile_kind_name(enum tile_kind kind)
{
#define X(upper, lower) [TILE_##upper] = #lower,
	static const char *const name[] = { TILE_KINDS(X) };
#undef X

	return (unsigned)kind < TILE_KIND_CNT ? name[kind] : "?";
}

void
tile_init(struct tile *tile, const struct tile_ops *ops, void *ctx, struct metrics_block *metrics)
{
	REQUIRE(ops->poll != NULL);
	REQUIRE((unsigned)ops->kind < TILE_KIND_CNT, "kind=%d", (int)ops->kind);
	REQUIRE(metrics != NULL);
	*tile = (struct tile){
		.ops = ops,
		.ctx = ctx,
		.metrics = metrics,
		.wish_ns = TILE_TIMER_NEVER,
		.due_ns = TILE_TIMER_NEVER,
	};
}

int
tile_poll(struct tile *tile, uint64_t now_ns, uint64_t *tsc)
{
	int did = tile->ops->poll(tile->ctx, now_ns);

	metrics_add(tile->metrics, METRIC_tile_poll_run, 1);
	if (did != 0) {
		uint64_t end = timebase_tsc();

		metrics_add(tile->metrics, METRIC_tile_poll_worked, 1);
		metrics_add(tile->metrics, METRIC_tile_time_busy, timebase_tsc_to_ns(end - *tsc));
		*tsc = end;
	}
	return did;
}

uint64_t
tile_due_refresh(struct tile *tile)
{
	uint64_t asked = TILE_TIMER_NEVER;

	if (tile->ops->next_timer_ns != NULL) {
		asked = tile->ops->next_timer_ns(tile->ctx);
	}
	tile->due_ns = MIN(tile->wish_ns, asked);
	return tile->due_ns;
}

void
tile_housekeep(struct tile *tile, uint64_t now_ns)
{
	if (tile->wish_ns <= now_ns) { /* before the call: it may wish for the next time */
		tile->wish_ns = TILE_TIMER_NEVER;
	}
	if (tile->ops->housekeeping != NULL) {
		uint64_t begin = timebase_tsc();

		tile->ops->housekeeping(tile->ctx, now_ns);
		metrics_add(tile->metrics, METRIC_tile_housekeeping_run, 1);
		metrics_add(tile->metrics, METRIC_tile_time_busy,
			    timebase_tsc_to_ns(timebase_tsc() - begin));
	}
	tile_due_refresh(tile);
}

void
tile_timer_at(struct tile *tile, uint64_t at_ns)
{
	tile->wish_ns = MIN(tile->wish_ns, at_ns);
	tile->due_ns = MIN(tile->due_ns, at_ns);
}

void
tile_arm(struct tile *tile, bool up)
{
	if (tile->ops->arm != NULL) {
		tile->ops->arm(tile->ctx, up);
	}
}

bool
tile_drain(struct tile *tile, uint64_t now_ns)
{
	if (!tile->drained) {
		tile->drained = tile->ops->drain == NULL || tile->ops->drain(tile->ctx, now_ns);
	}
	return tile->drained;
}

void
tile_stop(struct tile *tile)
{
	if (tile->ops->stop != NULL) {
		tile->ops->stop(tile->ctx);
	}
}
